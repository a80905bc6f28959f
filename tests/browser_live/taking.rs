//! An alert that somebody takes in the browser, on a real Kafka and by `retain run`: it is in ClickHouse with their name, and still is
//! when the program was killed and started again.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use retain::shell::clock::wall_ms;
use serde_json::json;

use crate::broker::{Broker, flush, send, until_within};
use crate::desk::{OPERATOR, VIEWER, private};
use crate::driver::browse;
use crate::engine::Engine;
use crate::reader::Browser;

/// How long anything may take that is not a matter of a moment.
const LONG: std::time::Duration = std::time::Duration::from_secs(60);

const RULE: &str = r#"
[[alert]]
name = "bought"
about = "Somebody has bought."
raise = "orders >= 1"
clear = "orders < 1"
severity = "high"
next_step = "Say thanks."
events = ["purchase"]
"#;

/// `retain run`, and where its page is.
struct Running {
    child: Child,
    url: String,
}

impl Running {
    fn start(folder: &Path, settings: &[String]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_retain"))
            .arg("run")
            .arg(folder.join("taken.toml"))
            .args(settings.iter().flat_map(|s| ["--set", s]))
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut log = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let mut said = Vec::new();
        let address = log.by_ref().find_map(|line| {
            let address = line.split_once(" address=").map(|(_, rest)| rest.trim().to_owned());
            said.push(line);
            address
        });
        let address = address.unwrap_or_else(|| panic!("it ended:\n{}", said.join("\n")));
        // it must not wait for somebody to read on
        std::thread::spawn(move || log.for_each(drop));
        let running = Self { child, url: format!("http://{address}") };
        let browser = Browser::new(&running.url);
        until_within(LONG, "the copy to be ready", &mut || browser.get("readyz").body == "ok\n");
        running
    }

    /// `kill -9`.
    fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The shipped definition with topics of its own, a rule that is soon true, and tokens.
fn prepare(folder: &Path) {
    let shipped = include_str!("../../pipelines/customers.toml");
    let mut text = shipped.replacen("name = \"customers\"", "name = \"taken\"", 1);
    text = text.replacen("idle_timeout = \"30s\"", "idle_timeout = \"1s\"", 1);
    for topic in ["purchases", "support", "web"] {
        let own = format!("topic = \"taken.{topic}\"");
        text = text.replacen(&format!("topic = \"{topic}\""), &own, 1);
    }
    std::fs::write(folder.join("taken.toml"), text).unwrap();
    std::fs::create_dir(folder.join("alerts")).unwrap();
    std::fs::write(folder.join("alerts/taken.toml"), RULE).unwrap();
    let tokens = folder.join("tokens");
    std::fs::write(&tokens, format!("vera viewer {VIEWER}\nolga operator {OPERATOR}\n")).unwrap();
    private(&tokens);
}

/// Somebody with a name buys something.
fn buy(broker: &Broker) {
    let producer = broker.producer();
    let now = jiff::Timestamp::from_millisecond(wall_ms()).unwrap();
    let event =
        |more: &str| format!(r#"{{"event_id":"e1","customer_id":"C7","ts":"{now}",{more}}}"#);
    let profile = event(r#""type":"profile","name":"Tess Taker""#);
    send(&producer, "taken.support", "C7", &profile);
    let bought = event(r#""amount":12.5,"currency":"USD","order_id":"o1""#);
    send(&producer, "taken.purchases", "C7", &bought);
    flush(&producer);
}

/// How often the alert was taken by olga, and how it stands.
fn taken(tokio: &tokio::runtime::Runtime, engine: &Engine) -> (i64, i64) {
    let number = |sql: &str| tokio.block_on(engine.number(sql));
    let history = "SELECT count() FROM taken.alert_history WHERE what = 'acknowledged' AND by = 'olga' \
                   AND by_kind = 'person' AND rule = 'bought'";
    let now = "SELECT count() FROM taken.alerts_now WHERE phase = 'acknowledged' AND by = 'olga'";
    (number(history), number(now))
}

#[test]
fn what_is_taken_in_the_browser_stays_taken() {
    let tokio = tokio::runtime::Runtime::new().unwrap();
    let (broker, engine) = (Broker::shared(), Engine::start());
    for topic in ["purchases", "support", "web"] {
        broker.create(&[&format!("taken.{topic}")], 2);
    }
    let folder = tempfile::tempdir().unwrap();
    prepare(folder.path());
    let settings = [
        format!("kafka.brokers={}", broker.bootstrap),
        "kafka.instance=a".to_owned(),
        "kafka.transaction_timeout_ms=10000".to_owned(),
        "kafka.commit_interval_ms=100".to_owned(),
        format!("clickhouse.url={}", engine.url),
        "clickhouse.database=taken".to_owned(),
        "http.listen=127.0.0.1:0".to_owned(),
        format!("http.tokens_file={}", folder.path().join("tokens").display()),
    ];
    let running = Running::start(folder.path(), &settings);
    buy(broker);
    let number = |sql: &str| tokio.block_on(engine.number(sql));
    let there =
        "SELECT count() FROM system.tables WHERE database = 'taken' AND name = 'alerts_now'";
    until_within(LONG, "the views", &mut || number(there) == 1);
    let firing = "SELECT countIf(phase = 'firing') FROM taken.alerts_now";
    until_within(LONG, "the alert", &mut || number(firing) == 1);
    browse("take", &json!({ "url": running.url, "token": OPERATOR, "text": "Tess Taker" }));
    assert_eq!(taken(&tokio, &engine), (1, 1));
    running.kill();

    let running = Running::start(folder.path(), &settings);
    let looks = json!({ "looks": [{
        "name": "started again", "url": running.url, "token": OPERATOR, "path": "/", "status": 200,
        "says": ["Tess Taker", "olga has it"],
    }]});
    browse("look", &looks);
    assert_eq!(taken(&tokio, &engine), (1, 1));
}
