//! Each kind of receiver against a server of its protocol: what arrives, and what is made of its answers.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/inbox.rs"]
mod inbox;
#[path = "support/tls.rs"]
mod tls;

use std::path::Path;
use std::sync::Arc;

use inbox::{Alertmanager, Inbox, MailServer, SECRET};
use retain::notify::answer::Answer;
use retain::notify::{Content, Digest, Letter, route};
use retain::plan::receivers;
use retain::shell::notify::sender::{Sender, Where};
use retain::wire::alert::AlertWord;
use serde_json::{Value, json};

fn now_ms() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}

fn word(n: u32, what: &str, phase: &str) -> AlertWord {
    AlertWord {
        alert_id: "9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f".to_owned(),
        n,
        rule: "key_at_risk".to_owned(),
        subject_kind: "customer".to_owned(),
        subject_id: "C1 <&> Zoë".to_owned(),
        what: what.to_owned(),
        phase: phase.to_owned(),
        severity: "high".to_owned(),
        at_risk_minor: Some(123_400),
        currency: "USD".to_owned(),
        owner_id: "o7".to_owned(),
        reasons: vec!["bought nothing for 94 days".to_owned()],
        about: "Likely to buy no more.".to_owned(),
        next_step: "Call the customer.".to_owned(),
        raised_ms: Some(now_ms() - 60_000),
        at_ms: now_ms(),
        detected_ms: now_ms(),
        ..AlertWord::default()
    }
}

fn letter(n: u32, what: &str, phase: &str, to: &str) -> Letter {
    Letter::about(&word(n, what, phase), to)
}

fn digest() -> Letter {
    let digest = Digest { on: vec![word(1, "raised", "firing")], over: Vec::new(), left_out: 2 };
    Letter {
        id: "digest-1".to_owned(),
        to: "o7".to_owned(),
        address: None,
        content: Content::Digest(digest),
    }
}

/// A test's receiver with its secrets in files.
struct Bench {
    sender: Sender,
    _runtime: tokio::runtime::Runtime,
    _folder: tempfile::TempDir,
}

/// `text` is the body of `[[receiver]]`; `FOLDER` in it stands for where the secrets are.
fn bench(text: &str, secrets: &[(&str, &str)]) -> Bench {
    let folder = tempfile::tempdir().unwrap();
    for (name, secret) in secrets {
        std::fs::write(folder.path().join(name), format!("{secret}\n")).unwrap();
    }
    let text = text.replace("FOLDER", &folder.path().display().to_string());
    let owner =
        "[[owner]]\nid = \"o7\"\nname = \"Anna\"\nemail = \"anna@example.com\"\nto = [\"it\"]";
    let (found, notes) = receivers(&format!("[[receiver]]\nname = \"it\"\n{text}\n{owner}"));
    let found = Arc::new(found.unwrap_or_else(|| panic!("{notes:?}")));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let here = Where { pipeline: "shop".to_owned(), page_url: "https://retain.example".to_owned() };
    let sender = Sender::open(&found, 0, &here, runtime.handle().clone()).unwrap();
    Bench { sender, _runtime: runtime, _folder: folder }
}

impl Bench {
    fn send(&self, letter: &Letter) -> Answer {
        self.sender.send(letter, now_ms())
    }
}

#[test]
fn a_webhook_is_signed_so_that_its_receiver_can_verify_it() {
    let inbox = Inbox::start();
    let text = format!(
        "kind = \"webhook\"\nurl = \"{}/in\"\nsecret_file = \"FOLDER/s\"\ntoken_file = \"FOLDER/t\"",
        inbox.url
    );
    let bench = bench(&text, &[("s", SECRET), ("t", "bearer-of-news")]);
    inbox.reply(&[(503, Some("7")), (422, None), (401, None)]);
    let sent = letter(2, "raised", "firing", "");
    let why = |answer: Answer| match answer {
        Answer::Again { why, after_ms } => {
            assert_eq!(why.what, "503 Service Unavailable", "what was said is apart");
            (format!("again: {why}"), after_ms)
        }
        Answer::Refused { why } => (format!("refused: {why}"), None),
        Answer::Person { why } => (format!("person: {why}"), None),
        Answer::Taken => ("taken".to_owned(), None),
    };
    assert_eq!(
        why(bench.send(&sent)),
        ("again: 503 Service Unavailable: said".to_owned(), Some(7_000))
    );
    assert_eq!(why(bench.send(&sent)).0, "refused: 422 Unprocessable Entity: said");
    assert_eq!(why(bench.send(&sent)).0, "person: 401 Unauthorized: said");
    assert_eq!(bench.send(&sent), Answer::Taken);
    assert_eq!(bench.send(&digest()), Answer::Taken);
    let posted = inbox.posted();
    for request in &posted {
        request.verify();
        assert_eq!(request.path, "/in");
        assert_eq!(request.header("authorization"), "Bearer bearer-of-news");
        assert_eq!(request.header("content-type"), "application/json");
    }
    assert!(posted[..4].iter().all(|p| p.header("webhook-id") == sent.id), "the id stays the same");
    let body = posted[3].json();
    assert_eq!(body["type"], "alert.raised");
    assert_eq!(serde_json::from_value::<AlertWord>(body["data"].clone()).unwrap().n, 2);
    assert_eq!(posted[4].json()["data"]["left_out"], 2);
}

#[test]
fn a_webhook_that_is_not_there_is_tried_again() {
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", closed.local_addr().unwrap());
    drop(closed);
    let bench = bench(
        &format!("kind = \"webhook\"\nurl = \"{url}\"\nsecret_file = \"FOLDER/s\""),
        &[("s", SECRET)],
    );
    let answer = bench.send(&letter(1, "raised", "firing", ""));
    assert!(
        matches!(&answer, Answer::Again { why, .. } if why.what.contains("refused")),
        "{answer:?}"
    );
}

#[test]
fn slack_gets_blocks_in_which_names_stay_names() {
    let inbox = Inbox::start();
    let address = format!("{}/services/T0/B0/secret-part", inbox.url);
    let bench = bench("kind = \"slack\"\nurl_file = \"FOLDER/u\"", &[("u", &address)]);
    inbox.reply(&[(404, None)]);
    let answer = bench.send(&letter(1, "raised", "firing", "o7"));
    assert!(
        matches!(&answer, Answer::Person { why } if !why.to_string().contains("secret-part")),
        "{answer:?}"
    );
    assert!(!format!("{:?}", bench.sender).contains("secret-part"));
    assert_eq!(bench.send(&letter(1, "raised", "firing", "o7")), Answer::Taken);
    assert_eq!(bench.send(&digest()), Answer::Taken);
    let posted = inbox.posted();
    assert_eq!(posted[1].path, "/services/T0/B0/secret-part");
    for request in &posted[1..] {
        let body = request.json();
        let blocks = body["blocks"].as_array().unwrap();
        assert!(body["text"].as_str().is_some_and(|text| !text.is_empty()));
        let text = blocks[0]["text"]["text"].as_str().unwrap();
        assert_eq!(
            (&blocks[0]["type"], &blocks[0]["text"]["type"]),
            (&json!("section"), &json!("mrkdwn"))
        );
        assert!(text.contains("C1 &lt;&amp;&gt; Zoë") && text.chars().count() <= 3_000, "{text}");
        assert!(text.contains("https://retain.example/alerts/9f9f"), "{text}");
        assert_eq!(blocks[1]["type"], "context");
    }
}

#[test]
fn pagerduty_keeps_one_incident_for_an_alert() {
    let inbox = Inbox::start();
    let text = format!(
        "kind = \"pagerduty\"\nurl = \"{}/v2/enqueue\"\ntoken_file = \"FOLDER/k\"",
        inbox.url
    );
    let bench = bench(&text, &[("k", "R0UT1NG")]);
    inbox.always(Some((202, None)));
    for (n, what, phase) in [
        (1, "raised", "firing"),
        (2, "acknowledged", "acknowledged"),
        (3, "snoozed", "snoozed"),
        (4, "woken", "firing"),
        (5, "resolved", "resolved"),
    ] {
        assert_eq!(bench.send(&letter(n, what, phase, "o7")), Answer::Taken);
    }
    assert_eq!(bench.send(&digest()), Answer::Taken);
    let events: Vec<Value> = inbox.posted().iter().map(inbox::Posted::json).collect();
    let actions: Vec<&str> =
        events.iter().map(|event| event["event_action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["trigger", "acknowledge", "acknowledge", "trigger", "resolve", "trigger"]);
    for event in &events {
        assert_eq!(event["routing_key"], "R0UT1NG");
        if event["event_action"] == "trigger" {
            let payload = &event["payload"];
            assert!(
                ["critical", "error", "warning", "info"]
                    .contains(&payload["severity"].as_str().unwrap())
            );
            assert!(payload["summary"].as_str().unwrap().len() <= 1_024);
            assert!(!payload["source"].as_str().unwrap().is_empty());
        }
    }
    assert!(events[..5].iter().all(|event| event["dedup_key"] == word(1, "", "").alert_id));
    assert_eq!(events[5]["dedup_key"], "digest-1");
}

#[test]
fn alertmanager_shows_one_alert_until_it_is_over() {
    let (manager, dead) = (Alertmanager::start(), Inbox::start());
    dead.always(Some((503, None)));
    let text = format!("kind = \"alertmanager\"\nurls = [\"{}\", \"{}/\"]", dead.url, manager.url);
    let bench = bench(&text, &[]);
    for _ in 0..3 {
        assert_eq!(bench.send(&letter(1, "raised", "firing", "")), Answer::Taken);
    }
    assert_eq!(bench.send(&letter(2, "acknowledged", "acknowledged", "")), Answer::Taken);
    let on = word(2, "acknowledged", "acknowledged");
    assert_eq!(bench.sender.again(&[&on], now_ms()), Answer::Taken);
    let active = manager.active();
    let [alert] = active.as_slice() else { panic!("{active:?}") };
    assert_eq!(alert["labels"]["alertname"], "key_at_risk");
    assert_eq!(alert["labels"]["pipeline"], "shop");
    assert_eq!(alert["labels"]["subject_id"], "C1 <&> Zoë");
    assert_eq!(alert["annotations"]["phase"], "acknowledged");
    assert!(alert["annotations"]["summary"].as_str().unwrap().contains("USD 1,234.00"));
    assert_eq!(
        alert["generatorURL"],
        "https://retain.example/alerts/9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f9f"
    );
    let ends: jiff::Timestamp = alert["endsAt"].as_str().unwrap().parse().unwrap();
    assert!(
        ends.as_millisecond() > now_ms() + 14 * 60_000,
        "it is not forgotten before it is posted again"
    );
    assert!(dead.len() >= 5, "every peer is posted to");
    assert_eq!(bench.send(&letter(3, "resolved", "resolved", "")), Answer::Taken);
    assert_eq!(manager.active(), Vec::<Value>::new());

    drop(manager);
    let answer = bench.send(&letter(4, "raised", "firing", ""));
    assert!(matches!(answer, Answer::Again { .. }), "no peer took it: {answer:?}");
}

#[test]
fn a_peer_that_does_not_answer_holds_up_nobody() {
    // connections to it are made, and nothing ever comes back
    let hole = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    hole.set_nonblocking(true).unwrap();
    let asked = || std::iter::from_fn(|| hole.accept().ok()).count();
    let manager = Alertmanager::start();
    let text = format!(
        "kind = \"alertmanager\"\nurls = [\"http://{}\", \"{}\"]",
        hole.local_addr().unwrap(),
        manager.url
    );
    let bench = bench(&text, &[]);
    let began = std::time::Instant::now();
    assert_eq!(bench.send(&letter(1, "raised", "firing", "")), Answer::Taken);
    assert_eq!(asked(), 1);
    for n in 2..30 {
        assert_eq!(bench.send(&letter(n, "acknowledged", "acknowledged", "")), Answer::Taken);
    }
    assert_eq!(asked(), 0, "it is left alone");
    assert!(began.elapsed() < std::time::Duration::from_secs(14), "{:?}", began.elapsed());
    assert_eq!(manager.active().len(), 1);
    bench.sender.ask_all();
    let on = word(30, "acknowledged", "acknowledged");
    assert_eq!(bench.sender.again(&[&on], now_ms()), Answer::Taken);
    assert_eq!(asked(), 1, "with what is on it is asked again");
}

#[test]
fn one_address_that_is_refused_takes_the_mail_from_nobody_else() {
    let server = MailServer::start(None);
    let text = format!(
        "[[receiver]]\nname = \"it\"\nkind = \"email\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"retain@example.com\"\nto = [\"anna@example.com\", \"nobody@example.com\", \"ben@example.com\"]",
        server.port
    );
    let found = Arc::new(receivers(&text).0.unwrap());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let here = Where { pipeline: "shop".to_owned(), page_url: String::new() };
    let sender = Sender::open(&found, 0, &here, runtime.handle().clone()).unwrap();
    let letters = route::apart(letter(1, "raised", "firing", ""), &found, &found.receivers[0]);
    let answers: Vec<Answer> = letters.iter().map(|letter| sender.send(letter, now_ms())).collect();
    let [Answer::Taken, Answer::Refused { why }, Answer::Taken] = answers.as_slice() else {
        panic!("{answers:?}")
    };
    assert_eq!(why.what, "SMTP 550", "what everybody may see names nobody");
    let mails = server.mails();
    let to: Vec<&str> = mails.iter().map(|mail| mail.to[0].as_str()).collect();
    assert_eq!(to, ["anna@example.com", "ben@example.com"]);
    let id = |at: usize| mails[at].text.lines().find(|line| line.starts_with("Message-ID"));
    assert!(mails.iter().all(|mail| mail.to.len() == 1) && id(0).is_some() && id(0) == id(1));
    assert!(mails[0].text.contains("To: anna@example.com, nobody@example.com, ben@example.com"));
}

fn plain_text(mail: &str) -> String {
    // quoted-printable, as far as these texts need it
    mail.replace("=\r\n", "").replace("=C3=AB", "ë").replace("=3D", "=")
}

#[test]
fn mail_goes_out_encrypted_with_text_html_and_stable_ids() {
    let certificates = tls::Certificates::new();
    let config = tls::config(&certificates.file("server.pem"), &certificates.file("server.key"));
    let server = MailServer::start(Some(Arc::new(config)));
    let mail = |ca: &Path, password: &str| {
        let text = format!(
            "kind = \"email\"\nhost = \"localhost\"\nport = {}\nca_file = \"{}\"\nfrom = \"retain@example.com\"\nusername = \"retain\"\npassword_file = \"FOLDER/p\"",
            server.port,
            ca.display()
        );
        bench(&text, &[("p", password)])
    };
    let bench = mail(&certificates.file("ca.pem"), "open sesame");
    for _ in 0..2 {
        assert_eq!(bench.send(&letter(1, "raised", "firing", "o7")), Answer::Taken);
    }
    assert_eq!(bench.send(&letter(2, "resolved", "resolved", "o7")), Answer::Taken);
    assert_eq!(bench.send(&digest()), Answer::Taken);
    let mails = server.mails();
    assert_eq!(mails.len(), 4);
    let header = |index: usize, name: &str| -> String {
        let lines = mails[index].text.lines();
        let found = lines.filter_map(|line| line.strip_prefix(&format!("{name}: "))).next();
        found.unwrap_or_else(|| panic!("no {name} in {}", mails[index].text)).to_owned()
    };
    assert_eq!(header(0, "Message-ID"), header(1, "Message-ID"), "sent again under the same id");
    assert_ne!(header(0, "Message-ID"), header(2, "Message-ID"));
    assert_eq!(header(0, "References"), header(2, "References"), "one thread for one alert");
    assert_eq!(header(0, "Auto-Submitted"), "auto-generated");
    for sent in &mails {
        assert!(sent.encrypted && sent.user.as_deref() == Some("retain"), "{sent:?}");
        assert_eq!(
            (sent.from.as_str(), sent.to.as_slice()),
            ("retain@example.com", ["anna@example.com".to_owned()].as_slice())
        );
        let text = plain_text(&sent.text);
        assert!(text.contains("text/plain") && text.contains("text/html"), "{text}");
        assert!(text.contains("C1 &lt;&amp;&gt; Zoë"), "HTML is escaped: {text}");
    }
    assert!(plain_text(&mails[3].text).contains("And 2 more"));

    let wrong = mail(&certificates.file("ca.pem"), "sesame");
    let answer = wrong.send(&letter(1, "raised", "firing", "o7"));
    assert!(
        matches!(&answer, Answer::Person { why } if !why.to_string().contains("sesame")),
        "{answer:?}"
    );
    let other = tls::Certificates::new();
    let answer =
        mail(&other.file("ca.pem"), "open sesame").send(&letter(1, "raised", "firing", "o7"));
    assert!(
        matches!(answer, Answer::Again { .. }),
        "a server of another authority gets nothing: {answer:?}"
    );
    assert_eq!(server.mails().len(), 4);
}

#[test]
fn an_address_that_is_refused_is_given_up_and_a_busy_server_is_not() {
    let server = MailServer::start(None);
    let to = |address: &str| {
        let text = format!(
            "kind = \"email\"\nhost = \"127.0.0.1\"\nport = {}\ntls = \"none\"\nfrom = \"retain@example.com\"\nto = [\"{address}\"]",
            server.port
        );
        bench(&text, &[]).send(&letter(1, "raised", "firing", ""))
    };
    assert!(matches!(to("nobody@example.com"), Answer::Refused { .. }));
    assert!(matches!(to("busy@example.com"), Answer::Again { .. }));
    assert_eq!(to("somebody@example.com"), Answer::Taken);
    assert_eq!(server.mails()[0].to, ["somebody@example.com"]);
}
