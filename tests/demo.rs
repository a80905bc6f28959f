//! `retain demo` as people run it: a process, from its first line to the totals and the page, with nothing left behind.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/browse.rs"]
mod browse;

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use browse::{Browser, query};

/// Real time is at most a few seconds for each run at this speed, days per second.
const SPEED: &str = "40";

/// Starts the demo with its temporary files below `folder`; `then` says whether it ends by itself.
fn start(folder: &Path, then: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_retain"))
        .args(["--set", "log.level=warn", "demo", then, "--speed", SPEED])
        .args(["--listen", "127.0.0.1:0"])
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Command lines of all processes that name `folder`: the demo's engine does.
fn processes_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let processes = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let lines = processes.filter_map(|p| std::fs::read(p.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(folder)).collect()
}

fn assert_nothing_is_left(folder: &Path) {
    assert_eq!(processes_of(folder), Vec::<String>::new());
    let files: Vec<_> = std::fs::read_dir(folder).unwrap().collect();
    assert!(files.is_empty(), "{files:?}");
}

/// Lines up to one that contains `text`.
fn lines_to(lines: &mut impl Iterator<Item = String>, text: &str) -> String {
    let mut said = String::new();
    for line in lines {
        said.push_str(&line);
        said.push('\n');
        if line.contains(text) {
            return said;
        }
    }
    panic!("no line with {text:?} in\n{said}");
}

/// What stands between two texts.
fn between<'t>(text: &'t str, from: &str, to: &str) -> &'t str {
    let (_, rest) = text.split_once(from).unwrap_or_else(|| panic!("no {from:?} in {text}"));
    rest.split_once(to).unwrap_or_else(|| panic!("no {to:?} after {from:?} in {text}")).0
}

#[test]
fn it_ends_with_the_totals_of_the_file_and_on_the_page() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path(), "--stay");
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let output = lines_to(&mut lines, "until Ctrl-C");
    totals_are_the_files(&output);
    let clickhouse = between(&output, "curl '", "/?").to_owned();
    alerts_and_accounts(&clickhouse);
    let (url, token) =
        (between(&output, "The page:  ", "\n"), between(&output, "with the token  ", "  ("));
    the_page(url, token, &clickhouse);

    let interrupt = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(demo.wait().unwrap().success(), "{rest:?}");
    assert_nothing_is_left(folder.path());
}

/// The file's own figures, counted with other tools when it was added.
fn totals_are_the_files(output: &str) {
    let totals = [
        ("purchases applied", "6,919"),
        ("orders of all customers", "6,919"),
        ("purchases in events", "6,919"),
        ("customers who bought", "2,357"),
        ("revenue by customer", "$244,091.94"),
        ("revenue by minute", "$244,091.94"),
        ("offsets missing", "0"),
        ("offsets read twice", "0"),
    ];
    for (what, expected) in totals {
        let line = output.lines().find(|line| line.trim_start().starts_with(what));
        let line = line.unwrap_or_else(|| panic!("no line for {what} in\n{output}"));
        let words: Vec<&str> = line.trim_start()[what.len()..].split_whitespace().collect();
        assert_eq!(words, [expected, expected, "equal"], "{line}");
    }
    assert_eq!(output.matches("curl 'http://127.0.0.1:").count(), 5, "{output}");
}

fn alerts_and_accounts(clickhouse: &str) {
    let number = |sql: &str| query(clickhouse, sql).trim().parse::<u64>().unwrap();
    assert_eq!(number("SELECT count() FROM retain.accounts_now"), 96);
    assert_eq!(number("SELECT sum(members) FROM retain.accounts_now"), 2_357);
    assert_eq!(
        number("SELECT count() FROM retain.accounts_now WHERE name = '' OR owner_id = ''"),
        0
    );
    assert_eq!(number("SELECT sum(missing + twice) FROM retain.account_completeness"), 0);
    let at_risk = "SELECT abs(sum(at_risk_minor) - (SELECT sum(risk * greatest(spend_rate_365, 0) * 9000) \
                   FROM retain.customers_now)) < 0.1 * sum(at_risk_minor) FROM retain.accounts_now";
    assert_eq!(number(at_risk), 1);
    // they rose while time passed, month by month
    let months =
        "SELECT uniqExact(toStartOfMonth(at)) FROM retain.alert_history WHERE what = 'raised'";
    assert!(number(months) >= 6);
    // the one at the top of her list, be it about an account or a customer
    let by_ada = "SELECT sum(n) FROM (SELECT count() AS n FROM retain.alert_history \
                  WHERE what = 'acknowledged' AND by = 'ada' AND by_kind = 'person' AND note = 'Calling today.' \
                  UNION ALL SELECT count() FROM retain.account_alert_history \
                  WHERE what = 'acknowledged' AND by = 'ada' AND by_kind = 'person' AND note = 'Calling today.')";
    assert_eq!(number(by_ada), 1);
    let taken = "SELECT (SELECT count() FROM retain.alerts_now WHERE phase = 'acknowledged') \
                 + (SELECT count() FROM retain.account_alerts_now WHERE phase = 'acknowledged')";
    assert_eq!(number(taken), 1);
}

fn the_page(url: &str, token: &str, clickhouse: &str) {
    let stranger = Browser::new(url);
    assert_eq!(stranger.get("").status, 303);
    let browser = Browser::signed_in(url, token);
    let today = browser.get("");
    assert_eq!(today.status, 200);
    assert!(
        today.body.contains("Simulated clock") && today.body.contains("ada has it"),
        "{}",
        today.body
    );
    let who = "SELECT customer_id, name FROM retain.customers_now WHERE orders > 3 ORDER BY customer_id LIMIT 1";
    let who = query(clickhouse, who);
    let (id, name) = who.trim().split_once('\t').unwrap();
    let customer = browser.get(&format!("customers/{id}"));
    assert_eq!(customer.status, 200);
    assert!(!name.is_empty() && customer.body.contains(name), "{name} is not on the page");
    for path in ["accounts", "accounts/A01", "customers", "marketing", "pipeline", "alerts"] {
        assert_eq!(browser.get(path).status, 200, "{path}");
    }
}

#[test]
fn an_interrupt_ends_it_cleanly() {
    let folder = tempfile::tempdir().unwrap();
    let mut demo = start(folder.path(), "--exit");
    let mut lines = BufReader::new(demo.stdout.take().unwrap()).lines().map(Result::unwrap);
    let under_way = lines.find(|line| line.contains("complete to 199"));
    assert!(under_way.is_some(), "the demo ended before it had begun");
    assert_eq!(processes_of(folder.path()).len(), 1, "the engine is not where the test looks");

    let interrupt = Command::new("kill").args(["-INT", &demo.id().to_string()]).status();
    assert!(interrupt.unwrap().success());
    let rest: Vec<String> = lines.collect();
    assert!(demo.wait().unwrap().success(), "{rest:?}");
    assert!(rest.iter().any(|line| line.contains("stopped before the end")), "{rest:?}");
    assert_nothing_is_left(folder.path());
}
