//! A pipeline with alert rules, receivers and tokens of its own, run as people run it: processes that are started, asked and
//! killed. Needs `live` and `inbox` beside it.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rdkafka::producer::BaseProducer;
use retain::flow::names::Names;
use retain::shell::commands::send as send_command;
use retain::wire::alert::AlertWord;
use retain::wire::mail::{Act, Said};
use serde_json::Value;

use crate::inbox::{Alertmanager, Inbox, SECRET};
use crate::live::{LONG, stream::spell_time};
use crate::live::{Stage, flush, options, send, until_within};

/// Whoever has it may act.
pub const OPERATOR: &str = "operator-token-of-olga-0001";
/// Whoever has it may look.
pub const VIEWER: &str = "viewer-token-of-vera-000001";

/// One alert for each complaint, from its opening to its end.
const RULES: &str = r#"
[[alert]]
name = "complaint"
about = "Somebody complains."
subject = "ticket"
raise = "ticket_open and ticket_complaint"
clear = "not ticket_open"
cooldown = "1d"
severity = "high"
receivers = ["owner"]
next_step = "Call the customer."
events = ["support"]
"#;

/// A receiver that takes every transition and checks the signature.
pub fn webhook(name: &str, inbox: &Inbox) -> String {
    format!(
        "[[receiver]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"FOLDER/secret\"\nall = true\n",
        inbox.url
    )
}

/// Debian's Alertmanager as a receiver.
pub fn monitor(manager: &Alertmanager) -> String {
    format!(
        "[[receiver]]\nname = \"monitor\"\nkind = \"alertmanager\"\nurls = [\"{}\"]\nall = true\n",
        manager.url
    )
}

/// A pipeline's files and topics.
pub struct Scene {
    /// Broker, engine and source topics.
    pub stage: Stage,
    producer: BaseProducer,
    folder: tempfile::TempDir,
}

impl Scene {
    /// With these receivers (`FOLDER` stands for its folder), on the wall clock; time follows it after a second.
    pub fn new(name: &str, receivers: &str) -> Self {
        let mut stage = Stage::new(name);
        let quick = [("disorder = \"10m\"", "disorder = \"1s\""), ("\"30s\"", "\"1s\"")];
        let definition = quick.iter().fold(stage.definition.clone(), |text, (slow, quick)| {
            assert!(text.contains(slow), "{slow}");
            text.replacen(slow, quick, 1)
        });
        stage.redefine(definition);
        let folder = tempfile::tempdir().unwrap();
        let write =
            |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("alerts")).unwrap();
        write("definition.toml", &stage.definition);
        write("alerts/rules.toml", RULES);
        write("secret", SECRET);
        let here = folder.path().display().to_string();
        write("receivers.toml", &receivers.replace("FOLDER", &here));
        write("tokens", &format!("olga operator {OPERATOR}\nvera viewer {VIEWER}\n"));
        let private = std::fs::Permissions::from_mode(0o600);
        std::fs::set_permissions(folder.path().join("tokens"), private).unwrap();
        let producer = stage.broker.producer();
        Self { stage, producer, folder }
    }

    /// The names of its topics.
    pub fn names(&self) -> Names {
        Names::new(&self.stage.name, 1)
    }

    fn file(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    fn command(&self, words: &[&str], listen: &str) -> Command {
        let mut settings = self.stage.settings("", false);
        settings
            .retain(|s| !["http.", "kafka.instance", "log."].iter().any(|of| s.starts_with(of)));
        settings.extend([
            format!("http.listen={listen}"),
            format!("http.tokens_file={}", self.file("tokens")),
            "http.requests_per_minute=60000".to_owned(),
            format!("notify.receivers_file={}", self.file("receivers.toml")),
            "notify.retry_max_interval_ms=200".to_owned(),
        ]);
        let mut command = Command::new(env!("CARGO_BIN_EXE_retain"));
        command.args(words).args(settings.iter().flat_map(|setting| ["--set", setting]));
        command
    }

    /// Starts `retain run`, or another command that stays.
    pub fn start(&self, words: &[&str]) -> Retain {
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let log = self.folder.path().join(format!("log-{}", address.replace(':', "-")));
        let definition = self.file("definition.toml");
        let words: Vec<&str> = words.iter().copied().chain([definition.as_str()]).collect();
        let child = self
            .command(&words, &address)
            .stdout(Stdio::null())
            .stderr(File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Retain { child, address, log }
    }

    /// `retain alert …`, to its end.
    pub fn alert(&self, words: &[&str]) -> Output {
        let definition = self.file("definition.toml");
        let words = ["alert"].iter().chain(words).copied().chain(["--definition", &definition]);
        self.command(&words.collect::<Vec<_>>(), "127.0.0.1:0").output().unwrap()
    }

    /// A customer complains, now.
    pub fn complains(&self, customer: &str) {
        self.support(customer, r#""action":"opened","kind":"complaint""#);
    }

    /// The customer's complaint is settled, now.
    pub fn is_settled(&self, customer: &str) {
        self.support(customer, r#""action":"resolved","by":"agent""#);
    }

    fn support(&self, customer: &str, fields: &str) {
        let now_ms = jiff::Timestamp::now().as_millisecond();
        let event = format!(
            r#"{{"event_id":"{customer}-{now_ms}","customer_id":"{customer}","ts":"{}","type":"support","ticket_id":"T-{customer}",{fields}}}"#,
            spell_time(now_ms, 0)
        );
        send(&self.producer, &format!("{}.support", self.stage.name), customer, &event);
        flush(&self.producer);
    }

    /// What a person says, written into the mail as the interface does.
    pub fn says(&self, said: &Said) {
        let link = options(&self.stage.broker.bootstrap, None, false).link;
        send_command(&link, &self.stage.plan, &self.names(), said).unwrap();
    }

    /// The transitions in the topic of alerts.
    pub fn transitions(&self) -> Vec<AlertWord> {
        self.transitions_of(1)
    }

    /// The same of a generation.
    pub fn transitions_of(&self, generation: u32) -> Vec<AlertWord> {
        let names = Names::new(&self.stage.name, generation);
        let records = self.stage.broker.read(&names.alerts());
        let word = |record: &rdkafka::message::OwnedMessage| {
            serde_json::from_slice(rdkafka::Message::payload(record).unwrap()).unwrap()
        };
        records.iter().map(word).collect()
    }
}

/// What a person says about the alert of a transition.
pub fn said(id: u128, act: Act, word: &AlertWord) -> Said {
    Said {
        id: id.to_be_bytes(),
        by: "olga".to_owned(),
        rule: word.rule.clone(),
        subject: word.subject_id.clone(),
        customer: word.customer_id.clone(),
        episode: word.episode,
        act,
        until_ms: None,
        note: String::new(),
    }
}

/// A process; it is killed, as `kill -9` does, when it goes.
pub struct Retain {
    child: Child,
    address: String,
    log: PathBuf,
}

impl Drop for Retain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if std::thread::panicking() {
            let log = self.log();
            let from = log.len().saturating_sub(6_000);
            eprintln!("--- {}\n{}", self.address, String::from_utf8_lossy(&log.as_bytes()[from..]));
        }
    }
}

impl Retain {
    /// `kill -9`.
    pub fn kill(self) {
        drop(self);
    }

    /// Whether it still runs.
    pub fn runs(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// What it has logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(Path::new(&self.log)).unwrap()
    }

    /// Waits until all its shards run and ClickHouse was reached.
    pub fn ready(&mut self) {
        until_within(LONG, "the process to be ready", &mut || {
            assert!(self.runs(), "{}", self.log());
            self.try_ask("GET", "/readyz", "", None).is_some_and(|(status, _)| status == 200)
        });
    }

    /// Asks; the status and the body.
    pub fn ask(&self, method: &str, path: &str, token: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, body) = self.try_ask(method, path, token, body).expect("no answer");
        (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
    }

    fn try_ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: Option<&Value>,
    ) -> Option<(u16, String)> {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut stream = TcpStream::connect(&self.address).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.0\r\nHost: {}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
    }

    /// An alert as the interface shows it, once it is there.
    pub fn alert(&self, id: &str) -> Option<Value> {
        let (status, body) = self.ask("GET", &format!("/api/v1/alerts/{id}"), VIEWER, None);
        assert!(status == 200 || status == 404, "{status} {body}");
        (status == 200).then_some(body)
    }

    /// Waits until the interface shows the alert in a phase, and returns it.
    pub fn shows(&self, id: &str, phase: &str) -> Value {
        let mut seen = None;
        until_within(LONG, &format!("the alert to be {phase}"), &mut || {
            seen = self.alert(id).filter(|found| found["alert"]["phase"] == phase);
            seen.is_some()
        });
        seen.unwrap()
    }

    /// A person does something through the interface.
    pub fn acts(&self, id: &str, act: &str, body: &Value) -> (u16, Value) {
        self.ask("POST", &format!("/api/v1/alerts/{id}/{act}"), OPERATOR, Some(body))
    }

    /// Commands that its shards have heard, by outcome.
    pub fn commands(&self, outcome: &str) -> u64 {
        let (_, text) = self.ask("GET", "/metrics", "", None);
        let label = format!("outcome=\"{outcome}\"");
        let mut lines = text.as_str().unwrap().lines();
        let line = lines
            .find(|line| line.starts_with("retain_alert_commands_total{") && line.contains(&label));
        line.unwrap().rsplit(' ').next().unwrap().parse().unwrap()
    }
}
