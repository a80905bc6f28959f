//! Definitions: the shipped one is the plan it looks like, broken ones are told line and cure, the documentation
//! names every key, and no text makes the reader panic.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use retain::model::event::EventType;
use retain::model::money::{Currency, Rate};
use retain::model::time::{DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS};
use retain::plan::{
    AccountRules, Bands, Clock, Diagnostic, DropField, DropRule, DropTest, KeyField, KeyFormat,
    Limits, Model, ModelKind, Partitioner, Plan, Severity, Source, guarantees, keys, parse,
};

const SMALLEST: &str = "name = \"customers\"\ncurrency = \"USD\"\n\n[[source]]\nname = \"purchases\"\ntopic = \"purchases\"\n";

fn file(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

fn broken() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/definitions/broken");
    let mut paths: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ext| ext == "toml"));
    paths.sort();
    let named = |path: &PathBuf| path.file_stem().unwrap().to_str().unwrap().to_owned();
    paths.iter().map(|path| (named(path), fs::read_to_string(path).unwrap())).collect()
}

fn rendered(name: &str, diagnostics: &[Diagnostic]) -> String {
    diagnostics.iter().map(|d| d.render(&format!("{name}.toml")) + "\n").collect()
}

/// The plan of a text that must be right.
fn plan(text: &str) -> Plan {
    let (plan, diagnostics) = parse(text);
    assert_eq!(rendered("right", &diagnostics), "");
    plan.unwrap()
}

#[test]
fn broken_definitions_are_told_line_and_cure() {
    let definitions = broken();
    assert!(definitions.len() >= 20, "{}", definitions.len());
    for (name, text) in definitions {
        let (plan, diagnostics) = parse(&text);
        assert!(!diagnostics.is_empty(), "{name}: nothing was found");
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        assert_eq!(plan.is_none(), errors > 0, "{name}: a plan only without errors");
        let mut last_line = 0;
        for diagnostic in &diagnostics {
            let said = diagnostic.render(&name);
            assert!(diagnostic.line >= last_line, "{said}: in line order");
            assert!(diagnostic.line <= text.lines().count().max(1), "{said}: a line of the file");
            assert!(diagnostic.column >= 1, "{said}");
            assert!(diagnostic.expected.is_some() || diagnostic.hint.is_some(), "{said}: no cure");
            assert!(!said.ends_with('.') && !said.contains('\n'), "{said}: style");
            last_line = diagnostic.line;
        }
        insta::with_settings!({
            snapshot_path => "definitions/snapshots",
            prepend_module_to_snapshot => false,
            omit_expression => true,
        }, {
            insta::assert_snapshot!(name.clone(), rendered(&name, &diagnostics));
        });
    }
}

#[test]
fn places_are_those_of_the_words_at_fault() {
    let text = SMALLEST.replace("currency = \"USD\"", "# ä\n  currency  =  \"ÜSD\"");
    let (_, diagnostics) = parse(&text);
    let places: Vec<_> = diagnostics.iter().map(|d| (d.line, d.column, d.path.as_str())).collect();
    assert_eq!(places, [(3, 16, "currency")]);
}

fn source(name: &str, default_type: EventType, window_ms: i64, ids: usize) -> Source {
    Source {
        name: name.to_owned(),
        topic: name.to_owned(),
        default_type: Some(default_type),
        dedup_window_ms: window_ms,
        dedup_ids_max: ids,
        speaker: None,
    }
}

#[test]
fn the_shipped_definition_is_the_plan_it_looks_like() {
    let rate = |code, digits, scale| (Currency::parse(code).unwrap(), Rate { digits, scale });
    let expected = Plan {
        name: "customers".to_owned(),
        sources: vec![
            source("purchases", EventType::Purchase, 30 * DAY_MS, 8_192),
            source("support", EventType::Support, 30 * DAY_MS, 8_192),
            source("web", EventType::Web, HOUR_MS, 4_096),
        ],
        partitioner: Partitioner::Murmur2,
        key: KeyField::Customer,
        key_format: KeyFormat::Text,
        disorder_ms: 10 * MINUTE_MS,
        idle_timeout_ms: 30 * SECOND_MS,
        seal_after_ms: 10 * MINUTE_MS,
        skew_max_ms: 5 * MINUTE_MS,
        clock: Clock::Wall,
        clock_jump_max_ms: HOUR_MS,
        drops: vec![DropRule {
            name: "tests".to_owned(),
            source: None,
            field: DropField::CustomerId,
            test: DropTest::StartsWith(vec!["test-".to_owned()]),
        }],
        currency: Currency::parse("USD").unwrap(),
        rates: vec![rate("EUR", 108, 2), rate("GBP", 127, 2), rate("USD", 1, 0)],
        day_zone: jiff::tz::TimeZone::UTC,
        day_zone_name: "UTC".to_owned(),
        model: Model {
            kind: ModelKind::MbgNbd,
            r: 0.525,
            alpha_d: 6.183 * 7.0,
            a: 0.891,
            b: 1.614,
        },
        bands: Bands { slipping: 0.5, dormant: 0.8, lost: 0.95, hysteresis: 0.05 },
        csat_prior: 0.75,
        parameters: plan(SMALLEST).parameters,
        tiers: retain::plan::Tiers::default(),
        accounts: None,
        alerts: std::sync::Arc::default(),
        limits: Limits {
            dimension_values_max: 256,
            tickets_max: 256,
            sessions_max: 64,
            open_minutes_max: 10_000,
            cycle_records_max: 200_000,
            cycle_bytes_max: 64 << 20,
            rejects_percent_max: 50,
            rejects_window: 1_000,
            rejects_run_max: 500,
        },
    };
    assert_eq!(plan(&file("pipelines/customers.toml")), expected);
}

/// The smallest definition, with every default of the key list written out.
#[test]
fn the_documented_defaults_are_the_defaults() {
    let (mut top, mut source) = (String::new(), String::new());
    let mut tables: std::collections::BTreeMap<&str, String> = Default::default();
    // those of accounts have no place beside events
    for key in keys().filter(|key| !key.default.is_empty() && key.section != "accounts") {
        let table = match key.section {
            "" => &mut top,
            "source" => &mut source,
            other => tables.entry(other).or_insert_with(|| format!("[{other}]\n")),
        };
        writeln!(table, "{} = {}", key.name, key.default).unwrap();
    }
    let tables: String = tables.into_values().collect();
    let written_out = format!("{top}{SMALLEST}{source}{tables}");
    assert_eq!(plan(&written_out), plan(SMALLEST), "{written_out}");

    let mut of_accounts = "[accounts]\n".to_owned();
    for key in keys().filter(|key| key.section == "accounts") {
        writeln!(of_accounts, "{} = {}", key.name, key.default).unwrap();
    }
    let smallest = "name = \"a\"\ncurrency = \"USD\"\nkey = \"account_id\"\n[[source]]\nname = \"c\"\n\
                    kind = \"signals\"\npipeline = \"customers\"\n";
    assert_eq!(plan(&format!("{smallest}{of_accounts}")), plan(smallest));
}

#[test]
fn the_shipped_definition_of_accounts_hears_the_shipped_customers() {
    let accounts = plan(&file("pipelines/accounts.toml"));
    let rules = AccountRules { active_ms: 90 * DAY_MS, members_max: 10_000 };
    assert_eq!((accounts.accounts, accounts.key), (Some(rules), KeyField::Account));
    let customers = plan(&file("pipelines/customers.toml"));
    let same = |plan: &Plan| (plan.currency, plan.clock, plan.day_zone_name.clone());
    assert_eq!(same(&accounts), same(&customers));
    let topic = retain::flow::names::Names::new(&customers.name, 1).signals();
    assert_eq!(accounts.sources[0].topic, topic);
    assert_eq!(accounts.sources[0].speaker.as_deref(), Some(&*customers.name));
    let third = accounts.fed_by(|_| Ok::<_, ()>(3)).unwrap();
    assert_eq!(third.sources[0].topic, "customers.g3.signals");
}

#[test]
fn the_other_model_has_its_own_defaults() {
    let model = plan(&format!("{SMALLEST}[model]\nkind = \"bg_nbd\"\n")).model;
    let expected =
        Model { kind: ModelKind::BgNbd, r: 0.243, alpha_d: 4.414 * 7.0, a: 0.793, b: 2.426 };
    assert_eq!(model, expected);
    let days = "[model]\nunit = \"days\"\nr = 1\nalpha = 40\na = 1\nb = 2\n";
    assert_eq!(plan(&format!("{SMALLEST}{days}")).model.alpha_d, 40.0);
}

#[test]
fn a_regular_model_names_its_stages() {
    let text = "[model]\nkind = \"mbg_cnbd_k\"\nk = 3\nunit = \"days\"\nr = 2\nalpha = 20\na = 0.9\nb = 3\n";
    let regular = plan(&format!("{SMALLEST}{text}"));
    let kind = ModelKind::MbgCnbdK { k: 3 };
    assert_eq!(regular.model, Model { kind, r: 2.0, alpha_d: 20.0, a: 0.9, b: 3.0 });
    let said = guarantees(&regular).join("\n");
    let words = "MBG/CNBD-3, gaps of 3 stages, with r 2, alpha 20 days, a 0.9, b 3";
    assert!(said.contains(words), "{said}");
}

#[test]
fn a_simulated_clock_takes_its_origin_as_text_or_as_time() {
    for origin in
        ["\"1997-01-01T00:00:00Z\"", "1997-01-01T00:00:00Z", "\"1997-01-01T01:00:00+01:00\""]
    {
        let clock = format!("[clock]\nkind = \"simulated\"\norigin = {origin}\nspeed = 86400\n");
        let expected =
            Clock::Simulated { origin_ms: 852_076_800_000, speed: 86_400.0, fast_until_ms: None };
        assert_eq!(plan(&format!("{SMALLEST}{clock}")).clock, expected, "{origin}");
    }
}

#[test]
fn zones_come_from_the_bundled_database_under_their_own_names() {
    let zone = |name: &str| plan(&format!("day_zone = \"{name}\"\n{SMALLEST}")).day_zone_name;
    assert_eq!(zone("Europe/Berlin"), "Europe/Berlin");
    assert_eq!(zone("america/new_york"), "America/New_York");
}

#[test]
fn the_shipped_comments_explain_every_key() {
    let text = file("pipelines/customers.toml") + "\n\n" + &file("pipelines/accounts.toml");
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    for key in keys().filter(|key| key.name != "CODE") {
        let explained = text.split("\n\n").any(|paragraph| {
            paragraph.lines().any(|line| line.starts_with('#'))
                && paragraph.split(|c| !is_word(c)).any(|word| word == key.name)
        });
        assert!(
            explained,
            "{}.{} is not explained in the shipped definition",
            key.section, key.name
        );
    }
}

/// One row of a table of docs/definitions.md.
fn row(key: &retain::plan::Key) -> String {
    let default =
        if key.default.is_empty() { "-".to_owned() } else { format!("`{}`", key.default) };
    format!("| `{}` | {} | {default} | {} |", key.name, key.form, key.meaning)
}

#[test]
fn the_documentation_has_every_key_as_the_reader_knows_it() {
    let documentation = file("docs/definitions.md");
    let missing: Vec<String> =
        keys().map(row).filter(|row| !documentation.contains(row.as_str())).collect();
    assert!(missing.is_empty(), "docs/definitions.md lacks these rows:\n{}", missing.join("\n"));
    let rows = documentation.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(rows, keys().count(), "docs/definitions.md has rows for keys that do not exist");
}

#[test]
fn guarantees_are_said_in_plain_words() {
    let said = guarantees(&plan(&file("pipelines/customers.toml"))).join("\n");
    insta::with_settings!({
        snapshot_path => "definitions/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("guarantees_of_customers", said);
    });
    let said = guarantees(&plan(&file("pipelines/accounts.toml"))).join("\n");
    insta::with_settings!({
        snapshot_path => "definitions/snapshots",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!("guarantees_of_accounts", said);
    });
    let custom = plan(&format!("partitioner = \"custom\"\n{SMALLEST}"));
    assert!(guarantees(&custom)[0].contains("NOT checked"));
}

/// A small generator with a written formula (xorshift64*), so that a failure names its seed and comes again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % end.max(1)
    }
}

fn mutate(text: &str, dice: &mut Dice) -> String {
    const PIECES: [&str; 16] = [
        "[[source]]",
        "[clock]",
        "[source]",
        "\"",
        "\"\"\"",
        "=",
        "\n",
        "9999999999999999999",
        "-1",
        "nan",
        "name = ",
        "{ a = 1 }",
        "[",
        "é",
        "a.b.c = ",
        "1e999",
    ];
    let mut chars: Vec<char> = text.chars().collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(chars.len());
        match dice.below(6) {
            0 => drop(chars.drain(at..(at + dice.below(30)).min(chars.len()))),
            1 => drop(chars.splice(at..at, PIECES[dice.below(PIECES.len())].chars())),
            2 => {
                let piece: Vec<char> =
                    chars.iter().copied().skip(at).take(dice.below(200)).collect();
                let to = dice.below(chars.len());
                drop(chars.splice(to..to, piece));
            }
            3 => chars.truncate(at.max(1)),
            4 => {
                let (a, b) = (dice.below(chars.len()), dice.below(chars.len()));
                chars.swap(a, b);
            }
            _ => {
                if let Some(c) = chars.get_mut(at) {
                    *c = char::from_u32(u32::try_from(dice.below(0x250)).unwrap()).unwrap_or('x');
                }
            }
        }
        if chars.is_empty() {
            chars.push('x');
        }
    }
    chars.into_iter().collect()
}

#[test]
fn no_text_makes_the_reader_panic() {
    let mut texts: Vec<String> = broken().into_iter().map(|(_, text)| text).collect();
    texts.push(file("pipelines/customers.toml"));
    texts.push(file("pipelines/accounts.toml"));
    texts.retain(|text| !text.is_empty());
    let mut dice = Dice(0x9E37_79B9_7F4A_7C15);
    let (mut plans, mut refused) = (0, 0);
    for round in 0..20_000 {
        let text = mutate(&texts[round % texts.len()], &mut dice);
        let outcome = std::panic::catch_unwind(|| parse(&text));
        let Ok((plan, diagnostics)) = outcome else { panic!("round {round} panicked on:\n{text}") };
        let errors = diagnostics.iter().filter(|d| d.severity == Severity::Error).count();
        assert_eq!(
            plan.is_none(),
            errors > 0,
            "round {round}: a plan if and only if no error:\n{text}"
        );
        for diagnostic in diagnostics {
            let said = diagnostic.render("mutated");
            assert!(!said.contains('\n'), "round {round}: {said}");
        }
        if let Some(plan) = plan {
            assert!(!guarantees(&plan).is_empty());
            plans += 1;
        } else {
            refused += 1;
        }
    }
    assert!(plans > 100 && refused > 10_000, "{plans} plans, {refused} refused: no fair mixture");
}
