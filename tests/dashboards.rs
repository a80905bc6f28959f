//! Holds the dashboards and Prometheus' rules against the product: every panel's SQL runs on the real engine, every metric
//! and label exists, and promtool proves that each rule fires when it should and is quiet when it should be.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/engine.rs"]
mod engine;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/rows.rs"]
mod rows;
#[path = "support/signals.rs"]
mod signals;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use engine::Engine;
use retain::model::table::Table;
use retain::plan::parse;
use retain::shell::migrate::{Retention, migrate};
use retain::shell::sink::{Sink, SinkOptions};
use retain::shell::views::Databases;
use rows::{V, Values, block};
use serde_json::Value;

/// What Grafana puts into a panel's SQL, and what stands for it here.
const FILLED: [(&str, &str); 8] = [
    ("$__fromTime", "toDateTime('2020-01-01 00:00:00', 'UTC')"),
    ("$__toTime", "toDateTime('2035-01-01 00:00:00', 'UTC')"),
    ("${region:singlequote}", "(SELECT region FROM retain.customers_now)"),
    ("${industry:singlequote}", "(SELECT industry FROM retain.customers_now)"),
    ("${owner:singlequote}", "(SELECT owner_id FROM retain.customers_now)"),
    ("${alert_owner:singlequote}", "(SELECT owner_id FROM retain.alerts_now)"),
    ("${account_owner:singlequote}", "(SELECT owner_id FROM retain.accounts_now)"),
    ("${account_region:singlequote}", "(SELECT region FROM retain.accounts_now)"),
];

fn repository(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn dashboards() -> BTreeMap<String, Value> {
    let files = std::fs::read_dir(repository("config/grafana/dashboards")).unwrap();
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        let board = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{name}: {e}"));
        (name, board)
    };
    files.map(|file| read(file.unwrap().path())).collect()
}

/// Every panel that shows something, with where it stands.
fn panels(boards: &BTreeMap<String, Value>) -> Vec<(String, &Value)> {
    let mut found = Vec::new();
    for (name, board) in boards {
        for panel in board["panels"].as_array().unwrap() {
            if panel["type"] != "row" {
                found.push((format!("{name}: {}", panel["title"].as_str().unwrap()), panel));
            }
        }
    }
    found
}

/// The text of every target's key, with where it stands.
fn targets(boards: &BTreeMap<String, Value>, key: &str) -> Vec<(String, String)> {
    let of = |(place, panel): &(String, &Value)| {
        let targets = panel["targets"].as_array().unwrap();
        let texts = targets.iter().filter_map(|t| t[key].as_str());
        texts.map(|text| (place.clone(), text.to_owned())).collect::<Vec<_>>()
    };
    panels(boards).iter().flat_map(of).collect()
}

/// `$__timeFilter(column)` as Grafana's plugin writes it.
fn filled(sql: &str) -> String {
    let mut text = sql.to_owned();
    while let Some(start) = text.find("$__timeFilter(") {
        let from = start + "$__timeFilter(".len();
        let end = from + text[from..].find(')').unwrap();
        let column = text[from..end].to_owned();
        text.replace_range(
            start..=end,
            &format!("{column} >= $__fromTime AND {column} <= $__toTime"),
        );
    }
    FILLED.iter().fold(text, |text, (what, with)| text.replace(what, with))
}

async fn engine_with_customers() -> Engine {
    let engine = Engine::start();
    let kept = Retention { events_days: 0, ledger_days: 0, history_days: 0 };
    let databases = Databases::new("retain", 1).unwrap();
    migrate(&engine.client(), &plans::plan(), &databases, kept).await.unwrap();
    let judged = |(n, row): (usize, signals::Row)| -> Values {
        let mut values = row.values();
        let risk = (row.n_days > 0).then_some(0.3 + n as f64 % 7.0 / 10.0);
        values.extend([
            ("risk", risk.map_or(V::None, Into::into)),
            ("tier", ["gold", "iron", "lead", ""][n % 4].into()),
        ]);
        values
    };
    let values: Vec<Values> = signals::customers().into_iter().enumerate().map(judged).collect();
    let rows = [
        block(Table::Customers, &values),
        block(Table::Alerts, &alerts(&["acknowledged", "raised"])),
        block(Table::AlertHistory, &alerts(&["raised", "acknowledged", "resolved"])),
    ];
    Sink::new(engine.client(), SinkOptions::new("retain_g1")).carry(&rows).await.unwrap();
    let (accounts, problems) = parse(include_str!("../pipelines/accounts.toml"));
    let accounts = accounts.unwrap_or_else(|| panic!("{problems:?}"));
    let databases = Databases::of(&accounts, "retain", 1).unwrap();
    migrate(&engine.client(), &accounts, &databases, kept).await.unwrap();
    let rows =
        [block(Table::Accounts, &[account()]), block(Table::AccountHistory, &[account_day()])];
    Sink::new(engine.client(), SinkOptions::new(&databases.tables)).carry(&rows).await.unwrap();
    engine
}

/// 2026-01-05.
const AT_MS: i64 = 1_767_571_200_000;

/// Transitions of one alert each.
fn alerts(whats: &[&'static str]) -> Vec<Values> {
    let of = |(n, what): (usize, &&'static str)| -> Values {
        let phase = if *what == "acknowledged" { "acknowledged" } else { "firing" };
        vec![
            ("alert_id", ["a1", "a2", "a3"][n].into()),
            ("n", (n as i64 + 1).into()),
            ("rule", "key_at_risk".into()),
            ("subject_id", "C1".into()),
            ("customer_id", "C1".into()),
            ("owner_id", "o1".into()),
            ("what", (*what).into()),
            ("phase", phase.into()),
            ("by_kind", if *what == "raised" { "signals" } else { "person" }.into()),
            ("severity", "critical".into()),
            ("at", (AT_MS + n as i64 * 3_600_000).into()),
            ("detected_at", (AT_MS + n as i64 * 3_600_000 + 630_000).into()),
            ("raised_at", Some(AT_MS).into()),
            ("at_risk_minor", Some(12_300).into()),
            ("reasons", V::Texts(vec!["bought nothing for 94 days", "pays late"])),
        ]
    };
    whats.iter().enumerate().map(of).collect()
}

fn account() -> Values {
    vec![
        ("account_id", "a1".into()),
        ("as_of", AT_MS.into()),
        ("name", "Acme".into()),
        ("region", "north".into()),
        ("owner_id", "o1".into()),
        ("key", 1.into()),
        ("members", 2.into()),
        ("revenue_365_minor", 90_000.into()),
        ("at_risk_minor", 60_000.into()),
        ("risk", 0.66.into()),
        ("satisfaction", 0.5.into()),
        ("open_complaints", 1.into()),
        ("oldest_complaint_at", Some(AT_MS - 86_400_000).into()),
        ("legal_entity_ids", V::Texts(vec!["north", "south"])),
        ("open_minor", V::I64s(vec![500, 100])),
        ("invoice_entity", V::U16s(vec![1, 2])),
        ("invoice_due", V::I64s(vec![AT_MS - 1, AT_MS + 1])),
        ("invoice_open", V::I64s(vec![500, 100])),
        ("renewals", V::I64s(vec![AT_MS + 86_400_000])),
    ]
}

fn account_day() -> Values {
    vec![
        ("account_id", "a1".into()),
        ("day", (AT_MS / 86_400_000).into()),
        ("as_of", AT_MS.into()),
        ("region", "north".into()),
        ("owner_id", "o1".into()),
        ("at_risk_minor", 60_000.into()),
    ]
}

#[test]
fn dashboards_are_found_and_name_their_sources() {
    let boards = dashboards();
    let names: Vec<&str> = boards.keys().map(String::as_str).collect();
    assert_eq!(names, ["accounts", "alerts", "customers_at_risk", "marketing", "pipeline"]);
    let uids: BTreeSet<&str> = boards.values().map(|b| b["uid"].as_str().unwrap()).collect();
    assert_eq!(uids.len(), boards.len(), "each needs an address of its own");
    for (place, panel) in panels(&boards) {
        assert!(
            panel["description"].as_str().is_some_and(|d| d.len() > 20),
            "{place}: says nothing"
        );
        let source = panel["datasource"]["uid"].as_str().unwrap_or("");
        assert!(["${clickhouse}", "${prometheus}"].contains(&source), "{place}: reads {source:?}");
        let board = &boards[place.split(':').next().unwrap()];
        let known = board["templating"]["list"].as_array().unwrap();
        let known = known.iter().any(|v| source == format!("${{{}}}", v["name"].as_str().unwrap()));
        assert!(known, "{place}: {source} is no variable of the dashboard");
    }
    let provider: Value = serde_saphyr::from_str(
        &std::fs::read_to_string(repository("config/grafana/provisioning/dashboards/retain.yaml"))
            .unwrap(),
    )
    .unwrap();
    assert_eq!(provider["providers"][0]["options"]["path"], "/etc/grafana/dashboards");
}

#[test]
fn panels_do_not_lie_on_each_other() {
    for (name, board) in &dashboards() {
        let mut taken = BTreeMap::new();
        for panel in board["panels"].as_array().unwrap() {
            let at = |key: &str| panel["gridPos"][key].as_u64().unwrap();
            assert!(at("x") + at("w") <= 24, "{name}: {} is too wide", panel["title"]);
            for cell in (at("x")..at("x") + at("w"))
                .flat_map(|x| (at("y")..at("y") + at("h")).map(move |y| (x, y)))
            {
                let other = taken.insert(cell, panel["title"].clone());
                assert!(other.is_none(), "{name}: {} lies on {other:?}", panel["title"]);
            }
        }
    }
}

#[tokio::test]
async fn every_panel_s_sql_runs_on_the_real_engine() {
    let engine = engine_with_customers().await;
    let boards = dashboards();
    let (mut run, mut shown) = (0, 0);
    for (place, sql) in targets(&boards, "rawSql") {
        let sql = filled(&sql);
        assert!(!sql.contains('$'), "{place}: what is not filled in: {sql}");
        let mut cursor = engine.client().query_raw(&sql).fetch_bytes("JSONEachRow").unwrap();
        let bytes = cursor.collect().await.unwrap_or_else(|e| panic!("{place}: {e}\n{sql}"));
        run += 1;
        shown += usize::from(!bytes.is_empty());
    }
    assert!(run >= 50, "{run} panels");
    // without history, segments, credit and proposals these stay empty
    assert!(shown >= 38, "only {shown} of {run} panels show something");
    for board in boards.values() {
        for variable in board["templating"]["list"].as_array().unwrap() {
            if let Some(sql) = variable["query"]["rawSql"].as_str() {
                assert!(!engine.rows(sql).await.is_empty(), "{sql}");
            }
        }
    }
}

#[tokio::test]
async fn the_grants_of_the_reading_user_are_sql() {
    let engine = Engine::start();
    let file =
        std::fs::read_to_string(repository("config/clickhouse-server/dashboards.xml")).unwrap();
    let grants: Vec<&str> =
        file.split("<query>").skip(1).map(|rest| rest.split("</query>").next().unwrap()).collect();
    assert_eq!(grants.len(), 3);
    for grant in grants {
        // the embedded engine has no users: it must understand the statement, and not know the user
        let answer = engine.client().query_raw(&format!("{grant} TO dashboards")).execute().await;
        let refused = answer.unwrap_err().to_string();
        assert!(refused.contains("UNKNOWN_ROLE"), "{grant}: {refused}");
    }
}

/// Names of metrics with their kind and labels, as docs/metrics.md says them (held to what is exported by tests/http.rs).
fn metrics() -> BTreeMap<String, (String, BTreeSet<String>)> {
    let text = std::fs::read_to_string(repository("docs/metrics.md")).unwrap();
    let row = |line: &str| {
        let cells: Vec<&str> = line.trim_matches('|').split('|').map(str::trim).collect();
        let name = cells[0].trim_matches('`').to_owned();
        let labels = cells[2].split(", ").filter(|l| *l != "-").map(str::to_owned);
        (name, (cells[1].to_owned(), labels.collect()))
    };
    text.lines().filter(|l| l.starts_with("| `retain_")).map(row).collect()
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// What a PromQL expression speaks of: every `retain_…` metric must exist, counters are rates or increases, labels are theirs.
fn check_expression(place: &str, expr: &str) {
    let metrics = metrics();
    let mut labels: BTreeSet<String> = ["instance", "job", "le"].map(str::to_owned).into();
    for (at, _) in expr.match_indices("retain_") {
        if expr[..at].ends_with(is_word) {
            continue;
        }
        let name: String = expr[at..].chars().take_while(|c| is_word(*c)).collect();
        let base = name.strip_suffix("_bucket").unwrap_or(&name);
        let (kind, own) =
            metrics.get(base).unwrap_or_else(|| panic!("{place}: there is no metric {name}"));
        assert_eq!(kind == "histogram", base != name, "{place}: {name} is a {kind}");
        if kind != "gauge" {
            let before = expr[..at].trim_end_matches('(');
            let changes = before.ends_with("rate") || before.ends_with("increase");
            assert!(changes, "{place}: {name} only ever rises, look at its rate");
        }
        labels.extend(own.iter().cloned());
    }
    let by = expr.split("by (").skip(1).flat_map(|rest| rest.split(')').next().unwrap().split(','));
    let filter = expr.split('{').skip(1).flat_map(|rest| {
        let inside = rest.split('}').next().unwrap();
        inside.split(',').map(|test| test.split(['=', '!']).next().unwrap())
    });
    for label in by.chain(filter) {
        assert!(labels.contains(label.trim()), "{place}: no metric in it has the label {label}");
    }
}

#[test]
fn every_metric_of_the_dashboards_exists() {
    let boards = dashboards();
    let expressions = targets(&boards, "expr");
    assert!(expressions.len() >= 20);
    expressions.iter().for_each(|(place, expr)| check_expression(place, expr));
}

fn rules() -> Vec<Value> {
    let text = std::fs::read_to_string(repository("config/prometheus/rules/retain.yml")).unwrap();
    let file: Value = serde_saphyr::from_str(&text).unwrap();
    file["groups"][0]["rules"].as_array().unwrap().clone()
}

#[test]
fn every_metric_of_the_rules_exists_and_each_rule_says_what_to_do() {
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        check_expression(name, rule["expr"].as_str().unwrap());
        assert!(["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap()));
        for key in ["summary", "description"] {
            assert!(
                rule["annotations"][key].as_str().is_some_and(|t| t.len() > 10),
                "{name}: {key}"
            );
        }
    }
}

#[test]
fn promtool_proves_every_rule() {
    let tests = repository("config/prometheus/rules/retain_test.yml");
    let text = std::fs::read_to_string(&tests).unwrap();
    for rule in rules() {
        let name = rule["alert"].as_str().unwrap();
        let fires = text.contains(&format!("alertname: {name}\n        exp_alerts:\n          - "));
        assert!(fires, "no case shows that {name} fires");
    }
    let out = Command::new("promtool").args(["test", "rules"]).arg(&tests).output();
    let out = out.unwrap_or_else(|e| {
        panic!("promtool: {e}; it is in the package prometheus (apt-get install -y prometheus)")
    });
    assert!(
        out.status.success(),
        "{}{}",
        String::from_utf8_lossy(&out.stdout),
        String::from_utf8_lossy(&out.stderr)
    );
}
