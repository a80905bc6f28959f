//! TLS and passwords, to a real Kafka and in front of a real ClickHouse: what is set as the documentation says works,
//! what is wrong is said with the setting to look at, and no password is ever told.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;
#[path = "support/tls.rs"]
mod tls;

use std::sync::OnceLock;

use live::*;
use tls::Certificates;

const USER: &str = "carol";
const PASSWORD: &str = "tr0ub4dor-not-to-be-told";

/// A broker with a listener for users beside the plain one of the tests.
struct Guarded {
    broker: Broker,
    certificates: Certificates,
    /// `HOST:PORT` of the listener for users.
    address: String,
}

impl Guarded {
    fn shared() -> &'static Self {
        static GUARDED: OnceLock<Guarded> = OnceLock::new();
        GUARDED.get_or_init(Self::start)
    }

    fn start() -> Self {
        let certificates = Certificates::new();
        let module = |name: &str, more: &str| {
            format!("org.apache.kafka.common.security.{name} required{more};")
        };
        let plain = format!(" user_{USER}=\"{PASSWORD}\"");
        let settings = [
            "listeners=PLAINTEXT://127.0.0.1:{broker},SECURE://127.0.0.1:{third},CONTROLLER://127.0.0.1:{controller}"
                .to_owned(),
            "advertised.listeners=PLAINTEXT://127.0.0.1:{broker},SECURE://127.0.0.1:{third}".to_owned(),
            "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SECURE:SASL_SSL".to_owned(),
            "listener.name.secure.sasl.enabled.mechanisms=SCRAM-SHA-512,PLAIN".to_owned(),
            format!(
                "listener.name.secure.scram-sha-512.sasl.jaas.config={}",
                module("scram.ScramLoginModule", "")
            ),
            format!(
                "listener.name.secure.plain.sasl.jaas.config={}",
                module("plain.PlainLoginModule", &plain)
            ),
            "listener.name.secure.ssl.keystore.type=PEM".to_owned(),
            format!(
                "listener.name.secure.ssl.keystore.location={}",
                certificates.file("keystore.pem").display()
            ),
            "group.consumer.session.timeout.ms=3000".to_owned(),
        ];
        let broker = Broker::start(&settings.each_ref().map(String::as_str));
        let listeners = broker.property("advertised.listeners");
        let address = listeners.split_once("SECURE://").unwrap().1.to_owned();
        broker.tool(&[
            "kafka.admin.ConfigCommand",
            "--bootstrap-server",
            &broker.bootstrap,
            "--alter",
            "--add-config",
            &format!("SCRAM-SHA-512=[password={PASSWORD}]"),
            "--entity-type",
            "users",
            "--entity-name",
            USER,
        ]);
        Self { broker, certificates, address }
    }

    /// Settings with everything right; the password stands in a file.
    fn settings(&self, stage: &Stage, mechanism: &str) -> Vec<String> {
        let file = |name: &str| self.certificates.file(name).display().to_string();
        std::fs::write(self.certificates.file("password"), format!("{PASSWORD}\n")).unwrap();
        let mut settings = stage.settings("a", false);
        settings.extend([
            format!("kafka.brokers={}", self.address),
            "kafka.security_protocol=sasl_ssl".to_owned(),
            format!("kafka.sasl_mechanism={mechanism}"),
            format!("kafka.sasl_username={USER}"),
            format!("kafka.sasl_password_file={}", file("password")),
            format!("kafka.ssl_ca_file={}", file("ca.pem")),
            format!("clickhouse.url={}", tls::proxy(&self.certificates, &stage.url)),
            format!("clickhouse.ca_file={}", file("ca.pem")),
            "log.level=debug".to_owned(),
        ]);
        settings
    }
}

#[test]
fn users_with_certificates_and_passwords_get_everything() {
    let guarded = Guarded::shared();
    let mut stage = Stage::on(&guarded.broker, "secure");
    let mut feed = stage.feed();
    for mechanism in ["SCRAM-SHA-512", "PLAIN"] {
        feed.send(1_000);
        let mut process = Process::start(&stage.definition, &guarded.settings(&stage, mechanism));
        process.until(LONG, "commits", |news| news.commits > 2);
        stage.verify();
        let said = process.stop();
        assert!(said.contains("leaving the group") && !said.contains(PASSWORD), "{said}");
    }
}

/// Runs with one setting changed and waits for the words that help.
fn refused(name: &str, change: &str, words: &[&str]) {
    let guarded = Guarded::shared();
    let stage = Stage::on(&guarded.broker, name);
    let mut settings = guarded.settings(&stage, "SCRAM-SHA-512");
    settings.push(change.to_owned());
    let key = change.split('=').next().unwrap();
    if key == "kafka.sasl_password" {
        settings.retain(|s| !s.starts_with("kafka.sasl_password_file"));
    }
    let mut process = Process::start(&stage.definition, &settings);
    let said = process.says(LONG, words);
    assert!(!said.contains(PASSWORD) && !said.contains("mistyped"), "{said}");
}

#[test]
fn a_wrong_password_for_kafka_is_named() {
    refused(
        "password",
        "kafka.sasl_password=mistyped",
        &["kafka.sasl_username", "kafka.sasl_password"],
    );
}

#[test]
fn brokers_with_a_certificate_of_an_unknown_authority_are_named() {
    refused("authority", "kafka.ssl_ca_file=", &["kafka.ssl_ca_file"]);
}

#[test]
fn a_clickhouse_with_a_certificate_of_an_unknown_authority_is_named() {
    refused("https", "clickhouse.ca_file=", &["clickhouse.ca_file"]);
}
