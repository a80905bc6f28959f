//! What a changed definition means for state that was built with the old one: nothing, new times from now on, or a
//! rebuild. Judged by the readable values that are kept with the state.

use std::collections::BTreeSet;

use super::Fingerprint;

/// What a changed definition means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing changed.
    Same,
    /// These changes are taken over at start: what is due is timed anew, rows are rewritten as they age.
    Retime(Vec<String>),
    /// These changes contradict what is already in the state, each with its reason.
    Rebuild(Vec<String>),
}

impl Change {
    /// The message that refuses the start, with the command that helps; `None` where the start may go on.
    pub fn refusal(&self, file_name: &str) -> Option<String> {
        let Self::Rebuild(changes) = self else {
            return None;
        };
        let list: Vec<String> = changes.iter().map(|change| format!("\n  {change}")).collect();
        Some(format!(
            "the definition {file_name} does not fit the state that was built with the one before:{}\n\
             take the changes back, or build fresh state and tables beside the present ones, which go on until they are replaced: retain run --rebuild {file_name}",
            list.concat()
        ))
    }
}

/// What it means that the definition changed from `old` to `new`. With one reason for a rebuild, the changes that
/// could be taken over are not mentioned: the rebuild brings them along.
pub fn compare(old: &Fingerprint, new: &Fingerprint) -> Change {
    let names: BTreeSet<&String> = old.values.keys().chain(new.values.keys()).collect();
    let (mut retime, mut rebuild) = (Vec::new(), Vec::new());
    for name in names {
        let (before, after) = (old.values.get(name), new.values.get(name));
        if before == after {
            continue;
        }
        let said = |value: Option<&String>| value.map_or("nothing", String::as_str).to_owned();
        let change = format!("{name}: {} -> {}", said(before), said(after));
        match meaning(name, before.is_some(), after.is_some()) {
            Meaning::Carried => {}
            Meaning::Retime(how) => retime.push(format!("{change} ({how})")),
            Meaning::Rebuild(why) => rebuild.push(format!("{change} ({why})")),
        }
    }
    match (rebuild.is_empty(), retime.is_empty()) {
        (false, _) => Change::Rebuild(rebuild),
        (true, false) => Change::Retime(retime),
        (true, true) => Change::Same,
    }
}

/// Sections of a definition that the scores depend on.
const SCORING: [&str; 9] = [
    "model",
    "satisfaction",
    "trend",
    "regularity",
    "value",
    "service",
    "contract",
    "risk",
    "loyalty",
];

/// Whether the scores depend on a value of the [`Fingerprint`], by its name.
pub fn scores(name: &str) -> bool {
    name.split_once('.').is_some_and(|(section, _)| SCORING.contains(&section))
}

/// Whether a change that [`compare`] found moves what customers are judged by: their scores, or their lifecycle.
pub fn judges(change: &str) -> bool {
    scores(change) || change.starts_with("lifecycle.")
}

/// What the change of one value means.
enum Meaning {
    /// Another value tells it already.
    Carried,
    /// It is taken over, in this way.
    Retime(&'static str),
    /// It contradicts the state, for this reason.
    Rebuild(&'static str),
}

fn meaning(name: &str, was_there: bool, is_there: bool) -> Meaning {
    use Meaning::{Carried, Rebuild, Retime};
    let both = was_there && is_there;
    match name {
        "name" => Rebuild("the name is part of every topic, group and table of the pipeline"),
        "key" => Rebuild("profiles were kept for the other subject"),
        "key_format" => {
            Rebuild("records whose key was spelled otherwise were put aside as misrouted")
        }
        "partitioner" => Retime("a check: new records are held against it"),
        "disorder" => Retime("what is due waits by it from now on"),
        "idle_timeout" => Retime("time follows the clock by it from now on"),
        "seal_after" => Retime("open minutes are sealed by it from now on"),
        "skew_max" => Retime("new records are checked by it"),
        "day_zone" => Rebuild("days were counted in the other zone"),
        "currency" => Rebuild("all sums are in the other currency"),
        "clock.jump_max" => Retime("the clock is checked by it from now on"),
        "clock.kind" => Rebuild("the state was brought to times of the other clock"),
        "clock.origin" | "clock.speed" if !both => Carried,
        "clock.origin" | "clock.speed" => {
            Rebuild("the state was brought to times of the other clock")
        }
        "source" => {
            Rebuild("positions, ties and remembered ids belong to the sources in their order")
        }
        _ => meaning_in_table(name, both, is_there),
    }
}

fn meaning_in_table(name: &str, both: bool, is_there: bool) -> Meaning {
    use Meaning::{Carried, Rebuild, Retime};
    let (table, rest) = name.split_once('.').unwrap_or((name, ""));
    let key = rest.rsplit('.').next().unwrap_or("");
    match (table, key) {
        // A source that comes or goes is told by the list of sources.
        ("source", _) if !both => Carried,
        ("source", "default_type") => Rebuild("records without a type were read otherwise"),
        ("source", "dedup_window" | "dedup_ids_max") => {
            Retime("ids are forgotten by it from now on; what was forgotten stays so")
        }
        ("drop", _) => {
            Retime("new events are filtered by it; what was applied or filtered stays so")
        }
        ("rates", _) if both => Rebuild("revenue was already converted at the other rate"),
        ("rates", _) if is_there => {
            Retime("new events in this currency are accepted; the ones put aside can be replayed")
        }
        ("rates", _) => Rebuild("events in this currency are part of the sums"),
        ("model" | "lifecycle", _) => Retime("every customer is judged anew and timed by it"),
        // activations were counted by it, and nothing remembers which
        ("regularity", "new_cycle_days") => Rebuild("activations were counted by the other cycle"),
        ("satisfaction" | "trend" | "regularity" | "value" | "contract", _) => {
            Retime("rows follow as they are rewritten")
        }
        ("service", _) => Retime("what is promised from now on; what was late stays so"),
        ("risk" | "loyalty", _) => Retime("every customer is judged anew and timed by it"),
        ("opportunities" | "lift", _) => Retime("it holds from now on"),
        ("tiers", _) => Retime("the next cut-offs are made by it, and moves wait by it"),
        ("demand", _) if both => Rebuild("what was bought was added up by the other segments"),
        ("demand", _) => Carried,
        ("accounts", _) if both => Retime("accounts follow as they change"),
        ("accounts", _) => Carried,
        ("limits", _) => Retime("it holds from now on"),
        _ => Rebuild("this version does not know the value"),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::parse;

    const TEXT: &str = "name = \"customers\"\ncurrency = \"USD\"\nday_zone = \"UTC\"\ndisorder = \"10m\"\nkey_format = \"text\"\n\
        partitioner = \"murmur2\"\n[[source]]\nname = \"purchases\"\ntopic = \"purchases\"\ndedup_window = \"30d\"\n\
        [[source]]\nname = \"web\"\ntopic = \"web\"\n[rates]\nEUR = \"1.08\"\n[model]\nunit = \"weeks\"\nr = 0.525\n\
        alpha = 6.183\na = 0.891\nb = 1.614\n[lifecycle]\nlost = 0.95\n[clock]\nkind = \"wall\"\n";

    fn fingerprint(text: &str) -> Fingerprint {
        let (plan, diagnostics) = parse(text);
        Fingerprint::of(&plan.unwrap_or_else(|| panic!("{diagnostics:?}")))
    }

    fn change(from: &str, to: &str) -> Change {
        assert!(TEXT.contains(from), "{from}");
        compare(&fingerprint(TEXT), &fingerprint(&TEXT.replace(from, to)))
    }

    #[test]
    fn other_spellings_of_equal_values_are_no_change() {
        for (from, to) in [
            ("30d", "720h"),
            ("1.08", "1.0800"),
            ("EUR", "USD = 1\nEUR"),
            ("[model]", "# fitted\n[model]\nkind = \"mbg_nbd\""),
            ("unit = \"weeks\"\nr = 0.525\nalpha = 6.183\na = 0.891\nb = 1.614\n", ""),
        ] {
            assert_eq!(change(from, to), Change::Same, "{from} -> {to}");
        }
    }

    #[test]
    fn what_only_judges_or_times_is_taken_over() {
        for (from, to, name) in [
            ("30d", "7d", "source.purchases.dedup_window: 30d -> 7d"),
            ("10m", "1h", "disorder: 10m -> 1h"),
            ("0.95", "0.9", "lifecycle.lost: 0.95 -> 0.9"),
            ("r = 0.525", "r = 0.6", "model.r: 0.525 -> 0.6"),
            ("murmur2", "crc32", "partitioner: murmur2 -> crc32"),
            ("EUR =", "CHF = \"1.2\"\nEUR =", "rates.CHF: nothing -> 1.2"),
            (
                "[rates]",
                "[[drop]]\nname = \"staff\"\nfield = \"channel\"\nequals = [\"pos\"]\n[rates]",
                "drop.staff: nothing -> every source: channel is \"pos\"",
            ),
            ("[clock]", "[limits]\ntickets_max = 8\n[clock]", "limits.tickets_max: 256 -> 8"),
        ] {
            let Change::Retime(changes) = change(from, to) else { panic!("{from} -> {to}") };
            assert_eq!(changes.len(), 1, "{changes:?}");
            assert!(changes[0].starts_with(&format!("{name} (")), "{changes:?}");
            assert_eq!(Change::Retime(changes).refusal("x.toml"), None);
        }
    }

    #[test]
    fn another_rhythm_is_taken_over() {
        let regular =
            |k: &str| TEXT.replace("[model]", &format!("[model]\nkind = \"mbg_cnbd_k\"\nk = {k}"));
        let compared = compare(&fingerprint(&regular("3")), &fingerprint(&regular("4")));
        let Change::Retime(changes) = compared else { panic!("{compared:?}") };
        assert!(
            matches!(&changes[..], [only] if only.starts_with("model.k: 3 -> 4 (")),
            "{changes:?}"
        );
        let Change::Retime(changes) = compare(&fingerprint(TEXT), &fingerprint(&regular("3")))
        else {
            panic!()
        };
        let names: Vec<_> = changes.iter().filter_map(|change| change.split(" (").next()).collect();
        assert_eq!(names, ["model.k: nothing -> 3", "model.kind: mbg_nbd -> mbg_cnbd_k"]);
    }

    #[test]
    fn what_contradicts_the_state_needs_a_rebuild() {
        for (from, to, name) in [
            ("name = \"customers\"", "name = \"clients\"", "name: customers -> clients"),
            ("\"text\"", "\"json\"", "key_format: text -> json"),
            ("\"UTC\"", "\"Europe/Berlin\"", "day_zone: UTC -> Europe/Berlin"),
            ("1.08", "1.09", "rates.EUR: 1.08 -> 1.09"),
            ("EUR = \"1.08\"", "", "rates.EUR: 1.08 -> nothing"),
            (
                "topic = \"web\"",
                "topic = \"clicks\"",
                "source: purchases from purchases, web from web -> purchases from purchases, web from clicks",
            ),
            (
                "topic = \"web\"",
                "topic = \"web\"\ndefault_type = \"web\"",
                "source.web.default_type: none -> web",
            ),
            (
                "kind = \"wall\"",
                "kind = \"simulated\"\norigin = \"1997-01-01T00:00:00Z\"\nspeed = 2",
                "clock.kind: wall -> simulated",
            ),
        ] {
            let change = change(from, to);
            let Change::Rebuild(changes) = &change else { panic!("{from} -> {to}: {change:?}") };
            assert_eq!(changes.len(), 1, "{changes:?}");
            assert!(changes[0].starts_with(&format!("{name} (")), "{changes:?}");
            let refusal = change.refusal("pipelines/c.toml").unwrap();
            assert!(refusal.contains(name), "{refusal}");
            assert!(refusal.ends_with("retain run --rebuild pipelines/c.toml"), "{refusal}");
        }
    }

    #[test]
    fn every_reason_for_a_rebuild_is_named_and_no_other_change() {
        let new = fingerprint(
            &TEXT.replace("USD", "GBP").replace("UTC", "Asia/Tokyo").replace("10m", "1m"),
        );
        let Change::Rebuild(changes) = compare(&fingerprint(TEXT), &new) else { panic!() };
        let names: Vec<_> = changes.iter().filter_map(|change| change.split(':').next()).collect();
        assert_eq!(names, ["currency", "day_zone"]);
    }

    #[test]
    fn a_source_more_is_one_change_and_an_unknown_value_is_not_overlooked() {
        let more =
            fingerprint(&format!("{TEXT}[[source]]\nname = \"support\"\ntopic = \"support\"\n"));
        let Change::Rebuild(changes) = compare(&fingerprint(TEXT), &more) else { panic!() };
        assert_eq!(changes.len(), 1, "{changes:?}");
        let mut newer = fingerprint(TEXT);
        newer.values.insert("rhythm".to_owned(), "weekly".to_owned());
        assert!(matches!(compare(&newer, &fingerprint(TEXT)), Change::Rebuild(_)));
    }

    #[test]
    fn a_fingerprint_survives_its_encoding() {
        let fingerprint = fingerprint(TEXT);
        let bytes = postcard::to_stdvec(&fingerprint).unwrap();
        assert_eq!(postcard::from_bytes::<Fingerprint>(&bytes).unwrap(), fingerprint);
    }

    #[test]
    fn a_change_far_down_a_long_list_is_noticed() {
        let texts = |last: &str| {
            let list: String = (0..100).map(|n| format!("\"bot{n}\", ")).collect();
            let rule = "[[drop]]\nname = \"bots\"\nfield = \"customer_id\"\nequals";
            fingerprint(&format!("{TEXT}{rule} = [{list}\"{last}\"]\n"))
        };
        assert_eq!(compare(&texts("a"), &texts("a")), Change::Same);
        assert!(matches!(compare(&texts("a"), &texts("b")), Change::Retime(_)));
        assert!(texts("a").values.values().all(|value| value.len() < 300));
    }
}
