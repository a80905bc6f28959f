//! Settings: layers and their origins, masking, what is refused, and the documentation of every key.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "io")]

use std::path::PathBuf;

use retain::shell::origin::{DEFAULT_FILE, Loaded, Sources, load};
use retain::shell::settings::{GroupProtocol, Secret, Start};

fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn flags(list: &[&str]) -> Vec<String> {
    list.iter().map(|f| (*f).to_owned()).collect()
}

fn file(text: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("retain.toml");
    std::fs::write(&path, text).unwrap();
    (folder, path)
}

fn problems(sources: &Sources) -> Vec<String> {
    load(sources).expect_err("these settings must be refused").problems
}

fn shown(loaded: &Loaded, key: &str) -> (String, String) {
    let entry = loaded.effective().iter().find(|e| e.key == key).expect("the key is effective");
    (entry.value.clone(), entry.origin.to_string())
}

#[test]
fn the_default_file_alone_is_valid() {
    let loaded = load(&Sources::default()).unwrap();
    assert_eq!(loaded.settings.kafka.brokers, "127.0.0.1:9092");
    assert_eq!(loaded.settings.kafka.protocol, GroupProtocol::Consumer);
    assert_eq!(loaded.settings.kafka.start, Start::Earliest);
    assert_eq!(loaded.settings.kafka.group_instance, None);
    assert_eq!(loaded.settings.clickhouse.password, None);
    assert_eq!(loaded.settings.http.listen, "127.0.0.1:9464");
    assert!(loaded.effective().iter().all(|e| e.origin.to_string() == "default"));
}

#[test]
fn later_layers_win_and_each_value_names_its_origin() {
    let (_folder, path) = file(
        "[kafka]\nbrokers = 'file:1'\ngroup_instance = 'a'\ncommit_interval_ms = 100\n[clickhouse]\nuser = 'file'\n",
    );
    let loaded = load(&Sources {
        file: Some(path.clone()),
        environment: env(&[
            ("RETAIN__KAFKA__BROKERS", "env:2"),
            ("RETAIN__KAFKA__COMMIT_INTERVAL_MS", "200"),
            ("PATH", "/bin"),
        ]),
        flags: flags(&["kafka.commit_interval_ms=300", "kafka.start=2026-01-31T00:00:00Z"]),
    })
    .unwrap();
    let file_origin = format!("file:{}", path.display());
    assert_eq!(shown(&loaded, "kafka.group_instance"), ("a".into(), file_origin.clone()));
    assert_eq!(shown(&loaded, "clickhouse.user"), ("file".into(), file_origin));
    let env_origin = "env RETAIN__KAFKA__BROKERS".to_owned();
    assert_eq!(shown(&loaded, "kafka.brokers"), ("env:2".into(), env_origin));
    assert_eq!(shown(&loaded, "kafka.commit_interval_ms"), ("300".into(), "flag".into()));
    assert_eq!(shown(&loaded, "http.listen").1, "default");
    assert_eq!(loaded.settings.kafka.commit_interval_ms, 300);
    assert_eq!(loaded.settings.kafka.start, Start::At(1_769_817_600_000));
    assert_eq!(loaded.settings.kafka.group_instance.as_deref(), Some("a"));
}

#[test]
fn the_file_can_be_named_by_the_environment_and_the_flag_wins() {
    let (_one, from_env) = file("[log]\nlevel = 'debug'\n");
    let (_two, from_flag) = file("[log]\nlevel = 'warn'\n");
    let environment = env(&[("RETAIN_CONFIG", from_env.to_str().unwrap())]);
    let loaded = load(&Sources { environment: environment.clone(), ..Sources::default() }).unwrap();
    assert_eq!(loaded.settings.log.level, "debug");
    let sources = Sources { file: Some(from_flag), environment, flags: vec![] };
    assert_eq!(load(&sources).unwrap().settings.log.level, "warn");
}

#[test]
fn secrets_are_masked_everywhere() {
    let loaded = load(&Sources {
        file: None,
        environment: env(&[("RETAIN__CLICKHOUSE__PASSWORD", "hunter2")]),
        flags: flags(&["kafka.properties.ssl.keystore.password=hunter2"]),
    })
    .unwrap();
    assert_eq!(loaded.settings.clickhouse.password.as_ref().map(Secret::expose), Some("hunter2"));
    assert_eq!(shown(&loaded, "clickhouse.password").0, "***");
    assert_eq!(shown(&loaded, "kafka.properties.ssl.keystore.password").0, "***");
    assert_eq!(shown(&loaded, "kafka.sasl_password").0, "");
    let everything = format!("{loaded:?} {}", loaded.settings.clickhouse.password.clone().unwrap());
    assert!(!everything.contains("hunter2"), "a secret is shown: {everything}");
}

#[test]
fn secrets_come_from_files_in_every_layer() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("password");
    std::fs::write(&path, "s3cret\n").unwrap();
    let path = path.to_str().unwrap();
    let (_folder, config) = file(&format!("[clickhouse]\npassword_file = '{path}'\n"));
    let named = env(&[("RETAIN__CLICKHOUSE__PASSWORD_FILE", path)]);
    let flag = vec![format!("clickhouse.password_file={path}")];
    for (sources, origin) in [
        (
            Sources { file: Some(config.clone()), ..Sources::default() },
            format!("file:{}", config.display()),
        ),
        (
            Sources { environment: named, ..Sources::default() },
            "env RETAIN__CLICKHOUSE__PASSWORD_FILE".to_owned(),
        ),
        (Sources { flags: flag, ..Sources::default() }, "flag".to_owned()),
    ] {
        let loaded = load(&sources).unwrap();
        let password = loaded.settings.clickhouse.password.as_ref().map(Secret::expose);
        assert_eq!(password, Some("s3cret"), "from {origin}");
        assert_eq!(shown(&loaded, "clickhouse.password"), ("***".into(), origin));
    }
}

#[test]
fn a_secret_file_that_is_missing_empty_or_beside_the_value_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    std::fs::write(&empty, "\n").unwrap();
    let missing = folder.path().join("missing");
    let with = |path: &std::path::Path| Sources {
        environment: env(&[("RETAIN__CLICKHOUSE__PASSWORD_FILE", path.to_str().unwrap())]),
        ..Sources::default()
    };
    assert!(problems(&with(&empty))[0].ends_with("is empty"));
    assert!(problems(&with(&missing))[0].contains("cannot be read"));
    let both = Sources {
        environment: env(&[
            ("RETAIN__CLICKHOUSE__PASSWORD", "hunter2"),
            ("RETAIN__CLICKHOUSE__PASSWORD_FILE", empty.to_str().unwrap()),
        ]),
        ..Sources::default()
    };
    let told = problems(&both);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("are both set") && !told[0].contains("hunter2"), "{told:?}");
}

#[test]
fn unknown_keys_and_names_are_refused_all_at_once_with_a_hint() {
    let (_folder, path) =
        file("[kafka]\nbroker = 'a:1'\n[clickhouze]\nurl = 'x'\n[colour]\nhue = 'red'\n");
    let told = problems(&Sources {
        file: Some(path.clone()),
        environment: env(&[("RETAIN__KAFKA__BROKRES", "a:1")]),
        flags: flags(&["http.listn=x", "nonsense"]),
    });
    let path = path.display();
    assert_eq!(
        told,
        [
            format!("file:{path}: unknown key clickhouze.url; did you mean clickhouse.url?"),
            format!("file:{path}: unknown key colour.hue; `retain config` lists all keys"),
            format!("file:{path}: unknown key kafka.broker; did you mean kafka.brokers?"),
            "env RETAIN__KAFKA__BROKRES: no such setting; did you mean RETAIN__KAFKA__BROKERS?"
                .into(),
            "flag --set: expected KEY=VALUE, found no =".into(),
            "flag: unknown key http.listn; did you mean http.listen?".into(),
        ]
    );
}

#[test]
fn wrong_types_and_words_are_told_with_key_and_origin() {
    let told = problems(&Sources {
        file: None,
        environment: env(&[
            ("RETAIN__RUN__WORKERS", "many"),
            ("RETAIN__KAFKA__PROTOCOL", "uniform"),
        ]),
        flags: flags(&["kafka.commit_interval_ms=-5"]),
    });
    assert_eq!(
        told,
        [
            "flag: kafka.commit_interval_ms: expected a whole number from 0 on, found -5",
            "env RETAIN__KAFKA__PROTOCOL: kafka.protocol: expected one of consumer, classic, found \"uniform\"",
            "env RETAIN__RUN__WORKERS: run.workers: expected a whole number from 0 on, found many",
        ]
    );
}

#[test]
fn contradictions_are_told_all_at_once() {
    let told = problems(&Sources {
        flags: flags(&[
            "kafka.brokers=nohost",
            "kafka.security_protocol=sasl_ssl",
            "kafka.ssl_key_file=/k.pem",
            "kafka.properties.group.id=mine",
            "clickhouse.url=ftp://x",
            "clickhouse.database=a-b",
            "http.listen=9464",
            "log.level=inof,retain=debug",
            "kafka.commit_interval_ms=6000",
        ]),
        ..Sources::default()
    });
    for part in [
        "kafka.brokers:",
        "set kafka.sasl_username and kafka.sasl_password",
        "belong together",
        "kafka.properties.group.id cannot be passed through",
        "clickhouse.url:",
        "clickhouse.database:",
        "http.listen:",
        "log.level:",
        "at least four times",
    ] {
        assert!(told.iter().any(|t| t.contains(part)), "no problem says {part:?}: {told:#?}");
    }
    assert_eq!(told.len(), 9, "{told:#?}");
}

#[test]
fn a_start_that_is_no_time_is_refused() {
    let told =
        problems(&Sources { flags: flags(&["kafka.start=yesterday"]), ..Sources::default() });
    assert!(told[0].contains("expected earliest, latest or a time"), "{told:?}");
}

#[test]
fn librdkafka_properties_pass_through_with_their_dots() {
    let (_folder, path) =
        file("[kafka.properties]\n\"socket.keepalive.enable\" = true\nfetch.max.bytes = 1000\n");
    let loaded = load(&Sources {
        file: Some(path),
        environment: env(&[("RETAIN__KAFKA__PROPERTIES__CLIENT_RACK", "eu-1a")]),
        flags: flags(&["kafka.security_protocol=ssl", "kafka.ssl_ca_file=/ca.pem"]),
    })
    .unwrap();
    let all = loaded.settings.kafka.client_properties();
    for (name, value) in [
        ("bootstrap.servers", "127.0.0.1:9092"),
        ("security.protocol", "ssl"),
        ("ssl.ca.location", "/ca.pem"),
        ("socket.keepalive.enable", "true"),
        ("fetch.max.bytes", "1000"),
        ("client.rack", "eu-1a"),
    ] {
        assert!(all.contains(&(name.into(), value.into())), "{name} = {value} is not in {all:?}");
    }
    assert!(all.iter().all(|(name, _)| !name.starts_with("sasl")));
}

#[test]
fn every_key_is_documented() {
    let page = include_str!("../docs/settings.md");
    let written = retain::shell::cmd_config::reference(DEFAULT_FILE);
    assert_eq!(
        page, written,
        "docs/settings.md is out of date: `retain config --reference > docs/settings.md`"
    );
    for entry in load(&Sources::default()).unwrap().effective() {
        let row = page.lines().find(|line| line.contains(&format!("`{}`", entry.key)));
        let row = row.unwrap_or_else(|| panic!("{} is missing in docs/settings.md", entry.key));
        let meaning = row.rsplit('|').nth(1).unwrap().trim();
        assert!(meaning.len() > 4, "{} has no meaning: {row}", entry.key);
    }
}

#[test]
fn certificates_need_https_and_a_quorum_is_a_number_or_auto() {
    let with = |list: &[&str]| Sources { flags: flags(list), ..Sources::default() };
    let told = problems(&with(&["clickhouse.ca_file=/ca.pem"]));
    assert!(told[0].contains("clickhouse.ca_file") && told[0].contains("https://"), "{told:?}");
    let told = problems(&with(&["clickhouse.insert_quorum=most"]));
    assert!(told[0].contains("clickhouse.insert_quorum") && told[0].contains("auto"), "{told:?}");
    let right = with(&[
        "clickhouse.url=https://ch:8443",
        "clickhouse.ca_file=/ca.pem",
        "clickhouse.insert_quorum=2",
    ]);
    let settings = load(&right).unwrap().settings.clickhouse;
    assert_eq!(settings.insert_quorum.as_deref(), Some("2"));
    let error = retain::shell::clickhouse_client::client(&settings).err().unwrap().to_string();
    assert!(error.contains("clickhouse.ca_file: /ca.pem"), "{error}");
}

#[test]
fn a_file_without_certificates_is_refused() {
    let (_folder, path) = file("no certificate");
    let mut settings = load(&Sources::default()).unwrap().settings.clickhouse;
    settings.ca_file = Some(path.to_str().unwrap().to_owned());
    let error = retain::shell::clickhouse_client::client(&settings).err().unwrap().to_string();
    assert!(error.contains("no certificate"), "{error}");
}
