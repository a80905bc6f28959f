//! The notifier on a real Kafka: killed at any moment it tells every transition at least once under the same id, a receiver
//! that is away holds up nobody and loses nothing, and Alertmanager shows one alert.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/broker.rs"]
mod broker;
#[path = "support/inbox.rs"]
mod inbox;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use broker::{Broker, flush, until};
use inbox::{Alertmanager, Inbox, MailServer, SECRET, get, told};
use rdkafka::message::Message;
use rdkafka::producer::{BaseProducer, BaseRecord};
use retain::flow::names::Names;
use retain::wire::alert::AlertWord;

const PARTITIONS: i32 = 3;

/// A pipeline's topics, its definition and a file of receivers.
struct Scene {
    broker: &'static Broker,
    names: Names,
    producer: BaseProducer,
    folder: tempfile::TempDir,
}

impl Scene {
    fn new(name: &str, receivers: &str) -> Self {
        let broker = Broker::shared();
        let names = Names::new(name, 1);
        broker.create(&[&names.alerts(), &names.notified(), &names.undelivered()], PARTITIONS);
        let folder = tempfile::tempdir().unwrap();
        let shipped = include_str!("../pipelines/customers.toml");
        let definition = shipped.replacen("name = \"customers\"", &format!("name = \"{name}\""), 1);
        assert_ne!(definition, shipped);
        std::fs::write(folder.path().join("definition.toml"), definition).unwrap();
        std::fs::write(folder.path().join("secret"), SECRET).unwrap();
        let receivers = receivers.replace("FOLDER", &folder.path().display().to_string());
        std::fs::write(folder.path().join("receivers.toml"), receivers).unwrap();
        Self { broker, names, producer: broker.producer(), folder }
    }

    /// Starts a notifier.
    fn start(&self) -> Notifier {
        let file = |name: &str| self.folder.path().join(name).display().to_string();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let settings = [
            format!("kafka.brokers={}", self.broker.bootstrap),
            "kafka.transaction_timeout_ms=10000".to_owned(),
            format!("http.listen={address}"),
            format!("notify.receivers_file={}", file("receivers.toml")),
            "notify.retry_max_interval_ms=200".to_owned(),
        ];
        let child = Command::new(env!("CARGO_BIN_EXE_retain"))
            .args(["notify", &file("definition.toml")])
            .args(settings.iter().flat_map(|setting| ["--set", setting]))
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        Notifier { child, url: format!("http://{address}") }
    }

    /// Writes transitions as a machine does: in order per subject.
    fn write(&self, words: &[AlertWord]) {
        for word in words {
            let shard: i32 = word.subject_id.trim_start_matches('C').parse().unwrap();
            let value = serde_json::to_string(word).unwrap();
            let topic = self.names.alerts();
            let record = BaseRecord::to(&topic)
                .partition(shard % PARTITIONS)
                .key(&word.alert_id)
                .payload(&value);
            self.producer.send(record).map_err(|(error, _)| error).unwrap();
            self.producer.poll(Duration::ZERO);
        }
        flush(&self.producer);
    }
}

/// A process that is killed, as `kill -9` does, when it goes.
struct Notifier {
    child: Child,
    url: String,
}

impl Drop for Notifier {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

fn word(subject: u32, n: u32, what: &str, phase: &str) -> AlertWord {
    let now_ms = jiff::Timestamp::now().as_millisecond();
    AlertWord {
        alert_id: format!("{subject:032x}"),
        n,
        rule: "key_at_risk".to_owned(),
        subject_kind: "customer".to_owned(),
        subject_id: format!("C{subject}"),
        what: what.to_owned(),
        phase: phase.to_owned(),
        call: what == "raised",
        severity: "high".to_owned(),
        at_risk_minor: Some(i64::from(subject)),
        currency: "USD".to_owned(),
        owner_id: "o7".to_owned(),
        receivers: vec!["owner".to_owned()],
        raised_ms: Some(now_ms),
        at_ms: now_ms,
        detected_ms: now_ms,
        ..AlertWord::default()
    }
}

/// Three transitions of each subject; those with an even number are over at the end.
fn story(subjects: std::ops::Range<u32>) -> Vec<AlertWord> {
    let mut words: Vec<AlertWord> =
        subjects.clone().map(|s| word(s, 1, "raised", "firing")).collect();
    words.extend(subjects.clone().map(|s| word(s, 2, "acknowledged", "acknowledged")));
    words.extend(subjects.filter(|s| s % 2 == 0).map(|s| word(s, 3, "resolved", "resolved")));
    words
}

fn id(word: &AlertWord) -> String {
    format!("{}-{}", word.alert_id, word.n)
}

#[test]
fn killed_at_any_moment_it_tells_each_transition_under_one_id() {
    let (hook, away, manager) = (Inbox::start(), Inbox::start(), Alertmanager::start());
    away.always(Some((503, None)));
    let webhook = |name: &str, inbox: &Inbox| {
        format!(
            "[[receiver]]\nname = \"{name}\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"FOLDER/secret\"\nall = true\n",
            inbox.url
        )
    };
    let monitor = format!(
        "[[receiver]]\nname = \"monitor\"\nkind = \"alertmanager\"\nurls = [\"{}\"]\nall = true\n",
        manager.url
    );
    let receivers = webhook("hook", &hook) + &webhook("away", &away) + &monitor;
    let scene = Scene::new("kill_notify", &receivers);

    // it must be there before the first alert: a new receiver begins with what is on
    let mut notifier = scene.start();
    scene.write(&[word(0, 1, "raised", "firing")]);
    until("the first alert to be told", || {
        hook.len() > 0 && away.len() > 0 && manager.active().len() == 1
    });
    let words = story(1..60);
    scene.write(&words);
    let mut wanted: BTreeSet<String> = words.iter().map(id).collect();
    wanted.insert(id(&word(0, 1, "raised", "firing")));
    for round in 1..=4 {
        let seen = hook.len();
        until("more alerts to be told", || hook.len() > seen || told(&hook).len() == wanted.len());
        drop(notifier);
        notifier = scene.start();
        let more = story(100 * round..100 * round + 15);
        scene.write(&more);
        wanted.extend(more.iter().map(id));
    }
    until("everything to be told", || told(&hook).len() >= wanted.len());
    let told_ids: BTreeSet<String> = told(&hook).into_keys().collect();
    assert_eq!(told_ids, wanted);

    // the one that was away all the time has lost nothing
    let refused = away.len();
    assert!(refused > 0);
    away.always(None);
    until("the receiver to be told what it missed", || told(&away).len() >= wanted.len());
    assert_eq!(told(&away).into_keys().collect::<BTreeSet<_>>(), wanted);

    let on = || -> BTreeMap<String, usize> {
        let mut on = BTreeMap::new();
        for alert in manager.active() {
            *on.entry(alert["labels"]["alert_id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        on
    };
    let subject = |id: &String| u32::from_str_radix(id.split_once('-').unwrap().0, 16).unwrap();
    let standing: BTreeSet<String> = wanted
        .iter()
        .map(subject)
        .filter(|subject| *subject == 0 || subject % 2 == 1)
        .map(|subject| format!("{subject:032x}"))
        .collect();
    until("Alertmanager to show what is on", || on().len() == standing.len());
    for (alert, count) in on() {
        assert_eq!(count, 1, "{alert}");
        assert!(standing.contains(&alert), "{alert} is over");
    }
}

#[test]
fn a_budget_outlives_a_kill_and_what_is_refused_is_put_aside() {
    let chat = Inbox::start();
    let scene = Scene::new(
        "budget_notify",
        "[[receiver]]\nname = \"chat\"\nkind = \"slack\"\nurl_file = \"FOLDER/url\"\nbudget = 3\nper_minute = 0\n[[owner]]\nid = \"o7\"\nto = [\"chat\"]\n",
    );
    std::fs::write(scene.folder.path().join("url"), format!("{}/hook", chat.url)).unwrap();
    // the first is on before the receiver begins: it is for the digest, nobody is called
    scene.write(&[word(900, 1, "raised", "firing")]);
    let notifier = scene.start();
    until("the desk to be written", || !scene.broker.read(&scene.names.notified()).is_empty());
    scene.write(&[word(30, 1, "raised", "firing"), word(33, 1, "raised", "firing")]);
    // a call that was made and not yet written down would be made again
    let written = |subject: u32| {
        let key = format!("open\tchat\t{subject:032x}\to7");
        let records = scene.broker.read(&scene.names.notified());
        records.iter().any(|record| record.key() == Some(key.as_bytes()))
    };
    until("two calls", || chat.len() == 2 && written(30) && written(33));
    drop(notifier);

    chat.reply(&[(400, None)]);
    let _notifier = scene.start();
    // one more within the budget, which is refused; one below the smallest; one above it
    scene.write(&[
        word(36, 1, "raised", "firing"),
        word(3, 1, "raised", "firing"),
        word(60, 1, "raised", "firing"),
    ]);
    until("the dearer one to be called", || {
        chat.posted()
            .iter()
            .any(|posted| String::from_utf8_lossy(&posted.body).contains("customer C60"))
    });
    let bodies: Vec<String> = chat
        .posted()
        .iter()
        .map(|posted| String::from_utf8_lossy(&posted.body).into_owned())
        .collect();
    assert!(
        bodies.iter().all(|body| !body.contains("customer C3,") && !body.contains("C900")),
        "{bodies:?}"
    );
    until("the refused one to be put aside", || {
        !scene.broker.read(&scene.names.undelivered()).is_empty()
    });
    let aside = scene.broker.read(&scene.names.undelivered());
    let [record] = aside.as_slice() else { panic!("{} records", aside.len()) };
    let value: serde_json::Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
    assert_eq!(
        (&value["receiver"], &value["letter"]["subject_id"]),
        (&"chat".into(), &"C36".into())
    );
    assert!(value["why"].as_str().unwrap().starts_with("400 Bad Request"), "{value}");
    assert!(!value.to_string().contains("/hook"), "the address is a secret");
}

#[test]
fn killed_amid_what_fell_due_together_it_repeats_none_of_those_before() {
    let chat = Inbox::start();
    let scene = Scene::new(
        "due_notify",
        "[[receiver]]\nname = \"chat\"\nkind = \"slack\"\nurl_file = \"FOLDER/url\"\nbudget = 0\nper_minute = 0\n[[owner]]\nid = \"o7\"\nto = [\"chat\"]\n",
    );
    std::fs::write(scene.folder.path().join("url"), format!("{}/hook", chat.url)).unwrap();
    let notifier = scene.start();
    scene.write(&[word(900, 1, "raised", "firing")]);
    until("the receiver to begin", || !scene.broker.read(&scene.names.notified()).is_empty());
    let due_ms = jiff::Timestamp::now().as_millisecond() + 4_000;
    let held = |subject| AlertWord { due_ms: Some(due_ms), ..word(subject, 1, "raised", "firing") };
    let words: Vec<AlertWord> = (30..38).map(held).collect();
    // two are taken, then it is away
    let skip = chat.len();
    chat.reply(&[(200, None), (200, None)]);
    chat.always(Some((503, None)));
    scene.write(&words);
    until("the third to be tried", || chat.len() >= skip + 3);
    let url = notifier.url.clone();
    let status = || get(&url, "/status").map(|(_, body)| body).unwrap_or_default();
    until("the trouble to be shown", || status().contains("503 Service Unavailable"));
    assert!(
        !status().contains(": said"),
        "what a receiver says is not for everybody: {}",
        status()
    );
    drop(notifier);

    chat.always(None);
    let begun = chat.len();
    let _notifier = scene.start();
    let posts = |from: usize| -> Vec<u32> {
        let about = |posted: &inbox::Posted| {
            let body = String::from_utf8_lossy(&posted.body).into_owned();
            (30..38).find(|subject| body.contains(&format!("customer C{subject}")))
        };
        chat.posted()[from..].iter().filter_map(about).collect()
    };
    until("the others to be told", || posts(begun).len() >= 6);
    scene.write(&[word(901, 1, "raised", "firing")]);
    let last = "customer C901";
    until("another one to be told", || {
        chat.posted().iter().any(|posted| String::from_utf8_lossy(&posted.body).contains(last))
    });
    let taken: Vec<u32> = posts(skip)[..2].to_vec();
    let mut after = posts(begun);
    assert!(taken.iter().all(|subject| !after.contains(subject)), "{taken:?} again in {after:?}");
    after.extend(taken);
    after.sort_unstable();
    assert_eq!(after, (30..38).collect::<Vec<_>>());
}

#[test]
fn mail_reaches_everybody_but_the_address_that_is_refused() {
    let server = MailServer::start(None);
    let scene = Scene::new(
        "mail_notify",
        &format!(
            "[[receiver]]\nname = \"post\"\nkind = \"email\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"retain@example.com\"\nto = [\"anna@example.com\", \"nobody@example.com\", \"ben@example.com\"]\nall = true\nbudget = 0\nper_minute = 0\n",
            server.port
        ),
    );
    let _notifier = scene.start();
    let to = |address: &str| server.mails().iter().filter(|mail| mail.to == [address]).count();
    scene.write(&[word(1, 1, "raised", "firing")]);
    until("the receiver to begin", || !scene.broker.read(&scene.names.notified()).is_empty());
    scene.write(&[word(2, 1, "raised", "firing"), word(2, 2, "resolved", "resolved")]);
    until("both to have both mails", || to("anna@example.com") >= 2 && to("ben@example.com") >= 2);
    until("the refused ones to be put aside", || {
        scene.broker.read(&scene.names.undelivered()).len() >= 2
    });
    for record in scene.broker.read(&scene.names.undelivered()) {
        let value: serde_json::Value = serde_json::from_slice(record.payload().unwrap()).unwrap();
        assert_eq!(value["to"], "nobody@example.com");
    }
}

#[test]
fn two_copies_tell_it_once_and_the_second_takes_over() {
    let hook = Inbox::start();
    let scene = Scene::new(
        "pair_notify",
        &format!(
            "[[receiver]]\nname = \"hook\"\nkind = \"webhook\"\nurl = \"{}\"\nsecret_file = \"FOLDER/secret\"\nall = true\n",
            hook.url
        ),
    );
    let first = scene.start();
    scene.write(&[word(1, 1, "raised", "firing")]);
    until("the first copy to tell it", || hook.len() == 1);
    let _second = scene.start();
    scene.write(&story(2..12));
    until("all to be told", || told(&hook).len() == 26);
    drop(first);
    scene.write(&story(12..22));
    until("the second to go on", || told(&hook).len() == 51);
}
