//! Cases from events: the shipped ones hold, every rule has them, a rule broken on purpose fails them, and what is wrong
//! with one is told at its place.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::path::Path;

use retain::plan::{RuleFile, rules};
use retain::scenario::suite::{Report, suite};

/// Every file of a folder, by name.
fn folder(path: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    let mut files: Vec<(String, String)> = std::fs::read_dir(root)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .map(|file| {
            let name = file.file_name().unwrap().to_str().unwrap();
            (format!("{path}/{name}"), std::fs::read_to_string(&file).unwrap())
        })
        .collect();
    files.sort();
    files
}

fn definitions() -> Vec<(String, String)> {
    let stem = |path: String| Path::new(&path).file_stem().unwrap().to_str().unwrap().to_owned();
    folder("pipelines").into_iter().map(|(path, text)| (stem(path), text)).collect()
}

fn shipped() -> Vec<(String, String)> {
    folder("pipelines/alerts")
}

fn ran(files: &[(String, String)]) -> Report {
    suite(files, &definitions())
}

#[test]
fn every_shipped_case_holds() {
    let report = ran(&shipped());
    assert!(report.holds, "{}", report.text);
    assert!(report.text.ends_with(" 0 failed\n"), "{}", report.text);
}

/// What must be shown of each rule `case_kinds.rs` knows; what becomes of an event, some case shows.
#[test]
fn every_outcome_of_an_event_is_in_a_case() {
    let texts = shipped();
    let files: Vec<_> = texts.iter().map(|(name, text)| RuleFile { name, text }).collect();
    let rules = rules(&files).0.unwrap();
    let lived = || rules.cases.iter().flatten().filter_map(|case| case.lived.as_ref());
    assert!(lived().count() >= 100, "{}", lived().count());
    let outcomes: BTreeSet<&str> =
        lived().flat_map(|lived| &lived.events).map(|event| event.outcome.name()).collect();
    assert_eq!(outcomes, BTreeSet::from(["applied", "duplicate", "late", "rejected"]));
}

/// Each of these changes to what is shipped must make a case from events fail.
#[test]
fn a_changed_rule_or_definition_fails_its_cases_from_events() {
    for (from, to, name) in [
        ("risk >= 0.60 else no", "risk >= 0.61 else no", "a key customer who stays away"),
        ("clear = \"risk <= 0.45 else yes\"", "clear = \"risk <= 0.55 else yes\"", "inside the"),
        ("(key_customer or abc == A else no) and risk", "risk", "who is no key customer"),
        ("cooldown = \"14d\"\nseverity = \"high\"", "severity = \"high\"", "after an end nothing"),
        ("quiet = \"20:00-07:00\"", "quiet = \"22:00-07:00\"", "in quiet hours nobody"),
        ("rise(risk, 7d) >= 0.20", "rise(risk, 7d) >= 0.02", "a slow rise"),
        ("gap_surprise >= 0.95", "gap_surprise >= 0.99", "who orders every ten days"),
        ("dwell = \"14d\"", "dwell = \"3d\"", "less volume must last"),
        ("dwell = \"3d\"", "dwell = \"1d\"", "an invoice that is paid within"),
        ("ext_requests >= 0.8", "ext_requests >= 1.1", "less volume and a request"),
        ("and within(firing(volume_shrink), 60d)", "", "a request for time alone"),
        ("and csat_n >= 1.5", "and csat_n >= 9", "bad ratings raise"),
        (
            "dwell = \"7d\"\ncooldown = \"90d\"",
            "cooldown = \"90d\"",
            "who is a key customer no more",
        ),
        (
            "business_age(ticket_opened_at) >= 4h",
            "age(ticket_opened_at) >= 4h",
            "nights and the weekend do not count, of",
        ),
        ("and ticket_complaint\n", "", "a complaint is old after three days, of"),
        ("access_p < 1e-6", "access_p < 1e-20", "sixty where twenty"),
        ("access_p < 1e-6 else no", "access_p < 1e-6 else yes", "after a hundred days"),
        ("account_key and risk >= 0.60", "risk >= 0.60", "an account that is no key account may"),
        ("no and risk >= 0.30", "no and risk >= 0.35", "an account that falls silent"),
        ("until(next_renewal) <= 60d", "until(next_renewal) <= 61d", "sixty days before the"),
        ("visit_gap_d >= 90d", "visit_gap_d >= 91d", "ninety days after the last visit"),
        ("within(active_contacts >= 2, 90d) and", "", "an account of one person"),
        ("clear = \"not champion_left\"", "clear = \"members < 1\"", "a champion leaves the"),
        ("demand_n >= 50", "demand_n >= 5", "what is bought as ever, and"),
        // the definitions
        ("active = \"90d\"", "active = \"80d\"", "of two contacts one is active"),
        ("dwell = \"7d\"\n\n# When a trend", "dwell = \"30d\"\n\n# When a trend", "whose spending"),
        ("EUR = \"1.08\"", "EUR = \"1.18\"", "purchases, a refund"),
        ("b = 1.614", "b = 1.7", "a key customer who stays away"),
    ] {
        let change = |files: Vec<(String, String)>| -> Vec<(String, String)> {
            files.into_iter().map(|(name, text)| (name, text.replace(from, to))).collect()
        };
        let files = only(shipped(), name);
        assert!(ran(&files).holds, "{name}");
        let found = files.iter().chain(&definitions()).any(|(_, text)| text.contains(from));
        assert!(found, "{from} is not in what is shipped");
        let report = suite(&change(files), &change(definitions()));
        assert!(report.text.contains(&format!(": {name}")), "{from} -> {to}:\n{}", report.text);
    }
}

/// The rules with that case alone.
fn only(files: Vec<(String, String)>, name: &str) -> Vec<(String, String)> {
    let mut kept = 0;
    let mut cut = |text: String| -> String {
        let mut parts = text.split("\n[[test]]\n");
        let mut left = parts.next().unwrap_or("").to_owned();
        for part in parts.filter(|part| part.starts_with(&format!("name = \"{name}"))) {
            left.push_str("\n[[test]]\n");
            left.push_str(part);
            kept += 1;
        }
        left
    };
    let files = files.into_iter().map(|(file, text)| (file, cut(text))).collect();
    assert_eq!(kept, 1, "cases called {name}…");
    files
}

/// One case from events about a rule that a purchase of a key customer raises at once.
fn one(lines: &str) -> String {
    format!(
        "[[alert]]\nname = \"bought\"\nabout = \"x\"\nraise = \"orders >= 2\"\nclear = \"orders >= 9\"\n\
         next_step = \"y\"\nevents = [\"purchase\"]\n[[test]]\nname = \"t\"\nrules = [\"bought\"]\n{lines}"
    )
}

fn said(lines: &str) -> String {
    ran(&[("r.toml".to_owned(), one(lines))]).text
}

const BUYS: &str = "[[test.event]]\nat = \"1d\"\ntype = \"purchase\"\ntimes = 3\nevery = \"1d\"\n\
                    amount = 20\ncurrency = \"USD\"\n";

#[test]
fn differences_say_what_was_expected_what_was_got_and_where() {
    let right =
        format!("{BUYS}[[test.expect]]\nat = \"2d\"\nrule = \"bought\"\nwhat = \"raised\"\n");
    assert_eq!(said(&right), "1 rules, 1 cases, 1 of them from events, 0 failed\n");
    let wrong = right.replace("at = \"2d\"", "at = \"3d\"")
        + "[[test.signals]]\nat = \"3d\"\norders = 2\nlifecycle = \"lost\"\nrisk = \"unknown\"\n\
           [[test.signals]]\nat = \"2d\"\ncustomer_id = \"C2\"\norders = 2\n\
           [[test.event]]\nat = \"1d\"\ntype = \"purchase\"\namount = 20\ncurrency = \"XXX\"\n";
    let report = ran(&[("r.toml".to_owned(), one(&wrong))]);
    for line in [
        "r.toml:8: t",
        "  r.toml:24:\n    expected orders = 2 within 0.5 of C1 after 3d (2026-01-08T09:00:00Z)\n    \
         got      orders = 3",
        "    expected lifecycle = lost of C1 after 3d",
        "    expected risk = unknown of C1 after 3d (2026-01-08T09:00:00Z)\n    got      risk = 0.",
        "    got      nobody called C2",
        "  r.toml:31:\n    expected the event to be applied\n    got      rejected (unknown_currency: ",
        "    expected bought raised after 3d (2026-01-08T09:00:00Z)\n    got      bought of C1 raised \
         after 2d (2026-01-07T09:00:00Z), episode 1, medium",
    ] {
        assert!(report.text.contains(line), "{line}\n{}", report.text);
    }
    assert!(report.junit.unwrap().contains("<failure message=\"expected "), "no failure in JUnit");
    assert!(!report.holds);
}

#[test]
fn what_is_wrong_with_a_case_is_told_at_its_place() {
    for (lines, words) in [
        ("", "at least one [[test.given]] or [[test.event]]"),
        (
            "[[test.given]]\nat = \"0d\"\norders = 1\n[[test.event]]\nat = \"0d\"\ntype = \"web\"\n",
            "two cases",
        ),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"purchas\"\n",
            "r.toml:13: test[0].event[0].type: expected one of",
        ),
        ("[[test.event]]\nat = \"0d\"\n", "type = \"purchase\""),
        ("[[test.event]]\nat = \"0d\"\ntype = \"web\"\ntimes = 3\n", "a duration beside `times`"),
        ("[[test.event]]\nat = \"0d\"\ntype = \"web\"\ntimes = 3000\n", "1 to 1000"),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\nts = \"2026-01-01T00:00:00Z\"\n",
            "`at` says when",
        ),
        ("[[test.event]]\nat = \"soon\"\ntype = \"web\"\n", "a duration from the start"),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\ntimes = 1000\ncustomers = 1000\nevery = \"1s\"\n",
            "20000",
        ),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\namount = inf\n",
            "a value that JSON has too",
        ),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\n[[test.signals]]\nat = \"0d\"\nriks = 1\n",
            "did you mean `risk`?",
        ),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\n[[test.signals]]\nat = \"0d\"\nrisk = \"high\"\n",
            "a number, or \"unknown\"",
        ),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\n[[test.signals]]\nat = \"0d\"\nrisk = { within = 1 }\n",
            "what it must be",
        ),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\n[[test.signals]]\nat = \"0d\"\n",
            "found no signal",
        ),
        (
            "[[test.event]]\nat = \"0d\"\ntype = \"web\"\n[[test.told]]\nat = \"0d\"\nrule = \"bought\"\nhow = \"call\"\n",
            "[test.notifier]",
        ),
        (
            "[[test.given]]\nat = \"0d\"\norders = 1\n[test.notifier]\nbudget = 2\n",
            "a case from events",
        ),
        ("until = \"4000d\"\n[[test.event]]\nat = \"0d\"\ntype = \"web\"\n", "ten years"),
        ("definition = \"../x\"\n[[test.event]]\nat = \"0d\"\ntype = \"web\"\n", "without `.toml`"),
    ] {
        let text = said(lines);
        assert!(
            text.contains(words) && text.contains("r.toml:"),
            "{lines}\nwants {words}:\n{text}"
        );
        assert!(text.ends_with("no case was run\n"), "{text}");
    }
    for (lines, words) in [
        ("definition = \"nothing\"\n", "no file nothing.toml beside the folder of rules"),
        ("definition = \"accounts\"\n", "one of accounts"),
        ("definition = \"receivers\"\n", "receivers.toml:"),
    ] {
        let text = said(&format!("{lines}{BUYS}"));
        assert!(text.contains(words) && text.contains("1 failed"), "{lines}:\n{text}");
    }
    let text = said(&BUYS.replace("times = 3", "topic = \"webb\"\ntimes = 3"));
    assert!(text.contains("one of the topics purchases, support, web"), "{text}");
}

#[test]
fn what_nobody_can_do_is_told_with_the_line_of_the_deed() {
    let deed = "[[test.do]]\nat = \"1d\"\nrule = \"bought\"\naction = \"reopen\"\n";
    let text = said(&format!("{deed}{BUYS}"));
    assert!(text.contains("r.toml:11:\n    expected an alert of bought after 1d"), "{text}");
    let late = deed.replace("1d", "4d");
    let text = said(&format!("{late}{BUYS}"));
    assert!(
        text.contains("r.toml:11:") && text.contains("the alert is in another phase"),
        "{text}"
    );
}
