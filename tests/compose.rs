//! Holds `docker-compose.yml`, `Dockerfile` and the files they mount against the Compose specification and each other.
//! No Docker is needed: the rules that a container would find broken only at start are checked on the text.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::Path;

use serde_json::Value;

const SOURCES: [&str; 3] = ["purchases", "support", "web"];

fn read(path: &str) -> String {
    let full = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&full).unwrap_or_else(|e| panic!("cannot read {path}: {e}"))
}

fn yaml(path: &str) -> Value {
    serde_saphyr::from_str(&read(path)).unwrap_or_else(|e| panic!("{path} is not valid YAML: {e}"))
}

/// The file with its `<<` entries merged, as the specification tells every reader of it to do.
fn compose() -> Value {
    yaml("docker-compose.yml")
}

fn service<'a>(compose: &'a Value, name: &str) -> &'a Value {
    compose["services"]
        .get(name)
        .unwrap_or_else(|| panic!("docker-compose.yml has no service {name}"))
}

fn text<'a>(value: &'a Value, what: &str) -> &'a str {
    value.as_str().unwrap_or_else(|| panic!("{what} is no string but {value}"))
}

fn violations(compose: &Value) -> Vec<String> {
    let schema: Value =
        serde_json::from_str(&read("tests/data/compose-spec/compose-spec.json")).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    validator.iter_errors(compose).map(|e| format!("{}: {e}", e.instance_path())).collect()
}

#[test]
fn follows_the_compose_specification() {
    let wrong = violations(&compose());
    assert!(
        wrong.is_empty(),
        "docker-compose.yml breaks the Compose specification:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn the_schema_finds_mistakes() {
    for (pointer, key, value) in [
        ("/services/app", "enviroment", serde_json::json!({})),
        ("/services/kafka", "ports", serde_json::json!("9092:9092")),
        ("/services/app/depends_on/migrate-accounts", "condition", serde_json::json!("healthy")),
        ("", "service", serde_json::json!({})),
    ] {
        let mut broken = compose();
        broken.pointer_mut(pointer).unwrap()[key] = value;
        assert!(!violations(&broken).is_empty(), "{pointer}/{key} was not found to be wrong");
    }
}

#[test]
fn dependencies_exist_and_can_be_waited_for() {
    let compose = compose();
    for (name, service_) in compose["services"].as_object().unwrap() {
        let needed: Vec<(String, String)> = match &service_["depends_on"] {
            Value::Null => Vec::new(),
            Value::Array(names) => {
                names.iter().map(|n| (text(n, name).into(), "service_started".into())).collect()
            }
            map => map
                .as_object()
                .unwrap()
                .iter()
                .map(|(n, how)| (n.clone(), text(&how["condition"], n).into()))
                .collect(),
        };
        for (other, condition) in needed {
            let other_service = service(&compose, &other);
            if condition == "service_healthy" {
                assert!(
                    other_service["healthcheck"].is_object(),
                    "{name} waits for {other}, which has no healthcheck"
                );
            }
            if condition == "service_completed_successfully" {
                assert_eq!(
                    other_service["restart"], "no",
                    "{name} waits for the end of {other}, which is restarted"
                );
            }
        }
    }
}

#[test]
fn what_is_mounted_exists() {
    let compose = compose();
    let mut binds = 0;
    for (name, service) in compose["services"].as_object().unwrap() {
        for volume in service["volumes"].as_array().into_iter().flatten() {
            let source = text(volume, name).split(':').next().unwrap();
            if source.starts_with('.') {
                binds += 1;
                let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
                assert!(path.exists(), "{name} mounts {source}, which is not in the repository");
            } else {
                assert!(
                    compose["volumes"].get(source).is_some(),
                    "{name} uses the undeclared volume {source}"
                );
            }
        }
    }
    assert!(
        binds >= 3,
        "definitions, Prometheus and Grafana are mounted, seen were {binds} mounts"
    );
}

#[test]
fn images_are_pinned_and_ports_are_local() {
    for (name, service) in compose()["services"].as_object().unwrap() {
        let image = text(&service["image"], name);
        let tag = image.rsplit_once(':').unwrap_or_else(|| panic!("{name}: {image} has no tag")).1;
        assert_ne!(tag, "latest", "{name}: name the version that was tried");
        for port in service["ports"].as_array().into_iter().flatten() {
            let port = text(port, name);
            assert!(
                port.starts_with("127.0.0.1:"),
                "{name} publishes {port} to the network; publish it on loopback"
            );
        }
    }
}

#[test]
fn source_topics_have_equal_partition_counts() {
    let compose = compose();
    let script = text(&service(&compose, "kafka-topics")["command"][0], "command of kafka-topics");
    let words: Vec<&str> = script.split_whitespace().collect();
    let after = |flag: &str| -> Vec<&str> {
        words.windows(2).filter(|pair| pair[0] == flag).map(|pair| pair[1]).collect()
    };
    assert_eq!(after("--topic"), SOURCES);
    assert_eq!(after("--partitions"), ["4"; SOURCES.len()]);
}

#[test]
fn the_app_is_told_where_everything_is() {
    let compose = compose();
    let app = service(&compose, "app");
    let environment = app["environment"].as_object().unwrap();
    let defaults: toml::Table = read("config/default.toml").parse().unwrap();
    for service_name in ["app", "migrate", "migrate-accounts"] {
        for (name, _) in service(&compose, service_name)["environment"].as_object().unwrap() {
            let setting = name.strip_prefix("RETAIN__").map(str::to_lowercase);
            let (section, key) = setting.as_deref().and_then(|s| s.split_once("__")).unwrap();
            let known = defaults.get(section).and_then(|section| section.get(key));
            assert!(known.is_some(), "{service_name}: {name} is no setting of retain");
        }
    }
    let brokers = text(&environment["RETAIN__KAFKA__BROKERS"], "RETAIN__KAFKA__BROKERS");
    let kafka = service(&compose, "kafka");
    let advertised =
        text(&kafka["environment"]["KAFKA_ADVERTISED_LISTENERS"], "advertised listeners");
    assert!(
        advertised.split(',').any(|l| l == format!("INSIDE://{brokers}")),
        "{brokers} is not in {advertised}"
    );

    let url = text(&environment["RETAIN__CLICKHOUSE__URL"], "RETAIN__CLICKHOUSE__URL");
    assert_eq!(url, "http://clickhouse:8123");
    let clickhouse = service(&compose, "clickhouse");
    assert_eq!(
        environment["RETAIN__CLICKHOUSE__USER"],
        clickhouse["environment"]["CLICKHOUSE_USER"]
    );
    assert_eq!(
        environment["RETAIN__CLICKHOUSE__PASSWORD"],
        clickhouse["environment"]["CLICKHOUSE_PASSWORD"]
    );

    let command: Vec<&str> =
        app["command"].as_array().unwrap().iter().map(|word| text(word, "command")).collect();
    assert_eq!(command, ["run", "pipelines/customers.toml", "pipelines/accounts.toml"]);
    for definition in &command[1..] {
        let is_file = Path::new(env!("CARGO_MANIFEST_DIR")).join(definition).is_file();
        assert!(is_file, "{definition} does not exist");
        let migrates = ["migrate", "migrate-accounts"]
            .map(|name| service(&compose, name)["command"][1].clone())
            .contains(&Value::from(*definition));
        assert!(migrates, "nobody migrates {definition}");
    }
}

#[test]
fn the_app_has_tokens_as_a_secret_receivers_and_times_to_live() {
    let compose = compose();
    let app = service(&compose, "app");
    let of = |name: &str| text(&app["environment"][name], name);
    let secret = &app["secrets"][0];
    let file = format!("/run/secrets/{}", text(&secret["target"], "target"));
    assert_eq!(of("RETAIN__HTTP__TOKENS_FILE"), file);
    let declared = &compose["secrets"][text(&secret["source"], "source")];
    assert_eq!(text(&declared["environment"], "the variable"), "RETAIN_TOKENS");
    // the process refuses a file that others may read, and runs as the image's user
    let user = format!("--uid {} ", text(&secret["uid"], "uid"));
    assert!(read("Dockerfile").contains(&user), "the image has no user of {user}");
    assert_eq!(secret["mode"], "0400");
    assert_eq!(of("RETAIN__NOTIFY__RECEIVERS_FILE"), "pipelines/receivers.toml");
    let port = of("RETAIN__HTTP__LISTEN").rsplit_once(':').unwrap().1;
    assert!(of("RETAIN__NOTIFY__PAGE_URL").contains(port));
    let defaults: toml::Table = read("config/default.toml").parse().unwrap();
    for key in ["events_ttl_days", "history_ttl_days", "ledger_ttl_days"] {
        let name = format!("RETAIN__CLICKHOUSE__{}", key.to_uppercase());
        let variable = key.to_uppercase();
        let days = &defaults["clickhouse"][key];
        assert_eq!(of(&name), format!("${{{variable}:-{days}}}"), "{name}");
        for migrates in ["migrate", "migrate-accounts"] {
            assert_eq!(service(&compose, migrates)["environment"][&name], of(&name));
        }
    }
}

#[test]
fn prometheus_and_grafana_look_at_the_right_places() {
    let compose = compose();
    let listen = text(&service(&compose, "app")["environment"]["RETAIN__HTTP__LISTEN"], "listen")
        .to_string();
    let port = listen.rsplit_once(':').unwrap().1;
    let prometheus = yaml("config/prometheus/prometheus.yml");
    let job = &prometheus["scrape_configs"][0];
    assert_eq!(job["static_configs"][0]["targets"][0], format!("app:{port}"));
    assert_eq!(job["metrics_path"], "/metrics");
    assert_eq!(service(&compose, "app")["ports"][0], format!("127.0.0.1:{port}:{port}"));
    let probe = service(&compose, "app")["healthcheck"]["test"].to_string();
    assert!(
        probe.contains(&format!("/dev/tcp/127.0.0.1/{port}")) && probe.contains("/readyz"),
        "{probe}"
    );

    let metrics =
        &yaml("config/grafana/provisioning/datasources/prometheus.yaml")["datasources"][0];
    assert_eq!(metrics["url"], "http://prometheus:9090");
    let rows = &yaml("config/grafana/provisioning/datasources/clickhouse.yaml")["datasources"][0];
    service(&compose, text(&rows["jsonData"]["host"], "host"));
    // a user of its own that only reads, with the password that both are told
    let user = read("config/clickhouse-server/dashboards.xml");
    let name = text(&rows["jsonData"]["username"], "username");
    assert!(user.contains(&format!("<users>\n    <{name}>")), "{name} is no user of {user}");
    let password = text(&rows["secureJsonData"]["password"], "password").trim_start_matches('$');
    assert!(user.contains(&format!("from_env=\"{password}\"")), "{password} is not in {user}");
    let told = |name: &str| service(&compose, name)["environment"][password].clone();
    assert!(told("clickhouse").is_string());
    assert_eq!(told("clickhouse"), told("grafana"));
    let rules =
        text(&prometheus["rule_files"][0], "rule files").trim_end_matches("*.yml").to_owned();
    let mounted = |name: &str, place: &str| {
        let volumes = service(&compose, name)["volumes"].as_array().unwrap().iter();
        volumes.filter_map(Value::as_str).any(|v| v.split(':').nth(1).unwrap().starts_with(place))
    };
    assert!(mounted("prometheus", &rules) && mounted("grafana", "/etc/grafana/dashboards"));
}

#[test]
fn the_image_is_built_by_a_new_enough_compiler_and_runs_without_rights() {
    let dockerfile = read("Dockerfile");
    let after = |keyword: &str| -> Vec<String> {
        dockerfile
            .lines()
            .filter_map(|l| l.strip_prefix(keyword))
            .map(|l| l.trim().to_string())
            .collect()
    };
    let manifest: toml::Table = read("Cargo.toml").parse().unwrap();
    let minor = |version: &str| version.split(['.', '-']).nth(1).unwrap().parse::<u32>().unwrap();
    let needed = minor(manifest["package"]["rust-version"].as_str().unwrap());
    let stages = after("FROM ");
    let compiler = stages[0].strip_prefix("rust:").expect("the first stage compiles");
    assert!(
        minor(compiler) >= needed,
        "the image's {compiler} is older than rust-version 1.{needed}"
    );
    assert!(
        stages.last().unwrap().starts_with("debian:"),
        "the last stage is {}",
        stages.last().unwrap()
    );
    let user = after("USER ");
    assert!(user.last().is_some_and(|u| u != "root" && u != "0"), "the last USER is {user:?}");
    for copied in after("COPY ").iter().filter(|l| !l.starts_with("--from") && !l.starts_with(". "))
    {
        let source = copied.split_whitespace().next().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
        assert!(path.exists(), "the Dockerfile copies {source}, which is not in the repository");
    }
}
