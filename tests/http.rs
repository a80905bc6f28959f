//! The operator's pages over a real socket: what they say, when they refuse, and that metrics count what happened.
#![allow(clippy::unwrap_used, clippy::expect_used)]
#![cfg(feature = "io")]

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use retain::model::effects::{DeadLetter, Effects, RowBlock, SourceProgress};
use retain::model::outcome::{Outcome, Reason};
use retain::model::table::Table;
use retain::plan::Source;
use retain::shell::board::{Moment, ShardState, SourceStatus, Status, StatusBoard};
use retain::shell::http::{Pages, Server};
use retain::shell::metrics::{self, CommitResult, Metrics, RestoreResult, ShardGauges};
use retain::shell::observe::Observer;

struct Running {
    address: SocketAddr,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
    runtime: tokio::runtime::Runtime,
    pages: Pages,
}

fn start(live_timeout: Duration) -> Running {
    let status = Status { pipeline: "customers".into(), consumes: true, ..Status::default() };
    let pages = Pages {
        board: StatusBoard::new(status),
        metrics: Arc::new(Metrics::new().unwrap()),
        live_timeout,
    };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let server = runtime.block_on(Server::bind("127.0.0.1:0", pages.clone())).unwrap();
    let address = server.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = runtime.spawn(server.serve(async move {
        let _ = stopped.await;
    }));
    Running { address, stop: Some(stop), serving, runtime, pages }
}

impl Running {
    fn get(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head[9..12].parse().unwrap(), body.to_owned())
    }
}

const LONG: Duration = Duration::from_secs(3600);

#[test]
fn ready_only_when_assigned_restored_and_the_sink_is_reached() {
    let running = start(LONG);
    let board = &running.pages.board;
    let not_yet = (503, "the group has not assigned partitions yet\n".to_owned());
    assert_eq!(running.get("/readyz"), not_yet);

    board.update(|status| {
        status.assigned = true;
        status.sink.enabled = true;
        status.sink.last_error = Some("connection refused".into());
    });
    board.update_shard(3, |shard| {
        shard.state = ShardState::Restoring;
        shard.restore_progress = Some(0.42);
    });
    let (code, reasons) = running.get("/readyz");
    assert_eq!(code, 503);
    assert_eq!(
        reasons,
        "shard 3 is restoring its state, 42 % read\nClickHouse cannot be reached: connection refused\n"
    );

    board.update(|status| status.sink.reachable = true);
    board.update_shard(3, |shard| shard.state = ShardState::Running);
    assert_eq!(running.get("/readyz"), (200, "ok\n".to_owned()));

    board.update_shard(3, |shard| {
        shard.state = ShardState::Stopped;
        shard.stop_reason = Some("half of the last 1000 records were rejected".into());
    });
    board.update(|status| {
        status.sink.stopped_tables.insert("events".into(), "no column payload".into());
    });
    let (code, reasons) = running.get("/readyz");
    assert_eq!(code, 503);
    assert!(reasons.contains("shard 3 has stopped: half of the last 1000"), "{reasons}");
    assert!(reasons.contains("table events has stopped: no column payload"), "{reasons}");
}

#[test]
fn a_copy_without_shards_is_ready_once_the_group_has_answered() {
    let running = start(LONG);
    running.pages.board.update(|status| status.assigned = true);
    assert_eq!(running.get("/readyz").0, 200);
}

#[test]
fn live_while_every_loop_moves() {
    let patient = start(LONG);
    assert_eq!(patient.get("/livez"), (200, "ok\n".to_owned()));
    let beat = patient.pages.board.watch("worker 0");
    assert_eq!(patient.get("/livez").0, 200);
    drop(beat);

    // No patience at all: the loop is stuck as soon as a millisecond has passed without a step.
    let strict = start(Duration::ZERO);
    let beat = strict.pages.board.watch("worker 0");
    let deadline = Instant::now() + Duration::from_secs(20);
    let (code, reason) = loop {
        let answer = strict.get("/livez");
        if answer.0 == 503 || Instant::now() > deadline {
            break answer;
        }
    };
    assert_eq!(code, 503);
    assert!(reason.starts_with("worker 0 has made no step for "), "{reason}");
    beat.end();
    assert_eq!(strict.get("/livez").0, 200, "a loop that ended on purpose is not stuck");
}

#[test]
fn a_step_is_a_sign_of_life() {
    let board = StatusBoard::new(Status::default());
    let beat = board.watch("worker 0");
    let deadline = Instant::now() + Duration::from_secs(20);
    while board.stuck(Duration::from_millis(50)).is_empty() {
        assert!(Instant::now() < deadline, "a silent loop was never called stuck");
        std::thread::yield_now();
    }
    beat.beat();
    assert!(board.stuck(Duration::from_secs(10)).is_empty());
}

#[test]
fn status_says_what_each_shard_does_and_why_it_is_not_ready() {
    let running = start(LONG);
    running.pages.board.update_shard(1, |shard| {
        shard.watermark = Some(Moment(1_767_225_600_000));
        shard.waiting_for = Some("support: its broker cannot be reached".into());
        let mut source = SourceStatus {
            source: "support".into(),
            topic: "support".into(),
            position: 10,
            end: Some(17),
            lag: Some(7),
            ..SourceStatus::default()
        };
        source.outcomes.count(Outcome::Late);
        shard.sources.push(source);
    });
    let (code, body) = running.get("/status");
    assert_eq!(code, 200);
    let status: serde_json::Value = serde_json::from_str(&body).unwrap();
    assert_eq!(status["pipeline"], "customers");
    assert_eq!(status["ready"], false);
    assert_eq!(status["not_ready"][0], "the group has not assigned partitions yet");
    assert_eq!(status["not_ready"][1], "shard 1 waits for the rest of its partitions");
    let shard = &status["shards"]["1"];
    assert_eq!(shard["state"], "waiting");
    assert_eq!(shard["watermark"], "2026-01-01T00:00:00.000Z");
    assert_eq!(shard["complete_to"], serde_json::Value::Null);
    assert_eq!(shard["waiting_for"], "support: its broker cannot be reached");
    assert_eq!(shard["sources"][0]["lag"], 7);
    assert_eq!(shard["sources"][0]["outcomes"]["late"], 1);
    assert_eq!(shard["sources"][0]["outcomes"]["applied"], 0);
}

#[test]
fn unknown_pages_are_not_found_and_the_end_is_graceful() {
    let mut running = start(LONG);
    assert_eq!(running.get("/nothing").0, 404);
    running.stop.take().unwrap().send(()).unwrap();
    let serving = &mut running.serving;
    let ending = async { tokio::time::timeout(Duration::from_secs(20), serving).await };
    running.runtime.block_on(ending).expect("it ends").unwrap().unwrap();
    assert!(TcpStream::connect(running.address).is_err(), "the port is still open");
}

#[test]
fn an_address_in_use_is_named() {
    let running = start(LONG);
    let address = running.address.to_string();
    let again = running.runtime.block_on(Server::bind(&address, running.pages.clone()));
    let message = again.expect_err("the address is in use").to_string();
    assert!(message.contains("http.listen") && message.contains(&address), "{message}");
}

fn source(name: &str) -> Source {
    Source {
        name: name.into(),
        topic: format!("shop.{name}"),
        default_type: None,
        dedup_window_ms: 1,
        dedup_ids_max: 1,
        speaker: None,
    }
}

fn touch_everything(metrics: &Metrics) {
    metrics.notify.begin("chat");
    metrics.notify.waits("chat", 1, 2.0);
    let sources = [source("purchases"), source("web")];
    let mut effects =
        Effects { shard: 2, newest_kafka_ms: Some(1_000), mail_unread: 3, ..Effects::default() };
    let mut progress =
        SourceProgress { order_breaks: 1, unknown_fields: 4, ..SourceProgress::default() };
    progress.counts.by_outcome = [5, 2, 0, 0, 1];
    progress.reasons[Reason::BadJson as usize] = 1;
    effects.sources = vec![progress, SourceProgress::default()];
    effects.rows.push(RowBlock { table: Table::Gaps, count: 2, bytes: Vec::new() });
    effects.dead_letters.push(DeadLetter {
        source: 0,
        offset: 0,
        kafka_ms: 0,
        outcome: Outcome::Rejected,
        reason: Reason::BadJson,
        detail: String::new(),
        key: None,
        payload: None,
    });
    metrics.observe_cycle(&sources, &effects, 1_200);
    metrics
        .set_shard(2, ShardGauges { keys: 9, timers: 7, waiting_bytes: 8, outbox_bytes: Some(6) });
    metrics.set_watermark_lag(2, 1.5);
    metrics.set_shards("running", 1);
    metrics.set_consumer_lag("shop.web", 2, 11);
    metrics.observe_commit(CommitResult::Committed, 0.01);
    metrics.observe_insert("customers", 100, 0.3);
    metrics.observe_insert_error("events");
    metrics.set_outbox_lag(2, 3);
    metrics.set_restore_progress(2, 0.5);
    metrics.observe_restore(RestoreResult::Restored, 4.0);
}

#[test]
fn pipelines_of_one_process_are_shown_together() {
    let running = start(LONG);
    let observed = |name: &str| {
        let status = Status { pipeline: name.into(), ..Status::default() };
        Observer::new(status).unwrap()
    };
    let (customers, accounts) = (observed("customers"), observed("accounts"));
    customers.show_beside(&accounts);
    customers.metrics.observe_commit(CommitResult::Committed, 0.01);
    accounts.metrics.observe_commit(CommitResult::Committed, 0.01);
    accounts.metrics.observe_commit(CommitResult::Committed, 0.01);
    let text = customers.metrics.text().unwrap();
    for line in [
        r#"retain_commits_total{result="committed",pipeline="customers"} 1"#,
        r#"retain_commits_total{result="committed",pipeline="accounts"} 2"#,
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert_eq!(text.matches("# TYPE retain_commits_total").count(), 1, "{text}");

    let board = &running.pages.board;
    board.update(|status| status.assigned = true);
    board.show_beside(Arc::clone(&accounts.board));
    assert_eq!(running.get("/readyz").0, 200);
    accounts.board.update(|status| status.stop_reasons.push("a reason".into()));
    let (code, reasons) = running.get("/readyz");
    assert_eq!((code, reasons.as_str()), (503, "pipeline accounts: a reason\n"));
    let status: serde_json::Value = serde_json::from_str(&running.get("/status").1).unwrap();
    assert_eq!(
        (&status["pipeline"], &status["beside"][0]["pipeline"]),
        (&"customers".into(), &"accounts".into())
    );
}

#[test]
fn metrics_count_what_happened_under_documented_names() {
    let running = start(LONG);
    touch_everything(&running.pages.metrics);
    let (code, text) = running.get("/metrics");
    assert_eq!(code, 200);
    for line in [
        r#"retain_events_consumed_total{partition="2",topic="shop.purchases"} 8"#,
        r#"retain_events_total{outcome="applied",source="purchases"} 5"#,
        r#"retain_events_total{outcome="late",source="web"} 0"#,
        r#"retain_rejects_total{reason="bad_json",source="purchases"} 1"#,
        r#"retain_dlq_total{reason="bad_json",source="purchases"} 1"#,
        r#"retain_consumer_lag_records{partition="2",topic="shop.web"} 11"#,
        r#"retain_watermark_lag_seconds{shard="2"} 1.5"#,
        r#"retain_commits_total{result="committed"} 1"#,
        r#"retain_insert_rows_total{table="customers"} 100"#,
        r#"retain_order_breaks_total{source="purchases"} 1"#,
        r#"retain_unknown_fields_total{source="purchases"} 4"#,
        r#"retain_state_keys{shard="2"} 9"#,
        r#"retain_waiting_bytes{shard="2"} 8"#,
        r#"retain_outbox_bytes{shard="2"} 6"#,
        r#"retain_shards{state="running"} 1"#,
        r#"retain_gaps_total{shard="2"} 2"#,
        r#"retain_mail_unread_total{shard="2"} 3"#,
        r#"retain_end_to_end_latency_seconds_sum 0.2"#,
        r#"retain_commits_total{result="fenced"} 0"#,
        r#"retain_restores_total{result="restored"} 1"#,
    ] {
        assert!(text.lines().any(|found| found == line), "no line {line} in\n{text}");
    }
    for name in metrics::NAMES {
        assert!(text.contains(&format!("# TYPE {name} ")), "{name} is not exported");
        assert!(name.starts_with("retain_"));
    }
    assert_eq!(text.matches("# TYPE ").count(), metrics::NAMES.len(), "NAMES is not complete");
}

#[test]
fn a_shard_that_has_gone_shows_no_gauges_and_keeps_its_counts() {
    let metrics = Metrics::new().unwrap();
    touch_everything(&metrics);
    metrics.forget_shard(&[source("purchases"), source("web")], 2);
    metrics.forget_outbox(2);
    let text = metrics.text().unwrap();
    for gauge in
        ["watermark_lag_seconds", "state_keys", "timers_pending", "waiting_bytes", "outbox_bytes"]
    {
        assert!(!text.contains(&format!("retain_{gauge}{{")), "{text}");
    }
    assert!(!text.contains("retain_restore_progress_ratio{"), "{text}");
    assert!(!text.contains("retain_consumer_lag_records{"), "{text}");
    assert!(!text.contains("retain_outbox_lag_records{"), "{text}");
    assert!(text.contains(r#"retain_events_total{outcome="applied",source="purchases"} 5"#));
}

/// The rows of the table in docs/metrics.md: name, kind and labels.
fn documented() -> Vec<(String, String, Vec<String>)> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let text = std::fs::read_to_string(path).unwrap();
    let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
    let row = |row: &str| {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let labels = cells[2].split(", ").filter(|l| *l != "-").map(str::to_owned).collect();
        assert!(cells.len() >= 5 && !cells[3].is_empty() && !cells[4].is_empty(), "{row}");
        (cells[0].trim_end_matches('`').to_owned(), cells[1].to_owned(), labels)
    };
    rows.map(row).collect()
}

#[test]
fn the_documentation_has_each_metric_with_its_kind_and_labels() {
    let metrics = Metrics::new().unwrap();
    touch_everything(&metrics);
    let text = metrics.text().unwrap();
    let rows = documented();
    let names: Vec<&str> = rows.iter().map(|(name, ..)| name.as_str()).collect();
    assert_eq!(names, metrics::NAMES);
    for (name, kind, mut labels) in rows {
        assert!(text.contains(&format!("# TYPE {name} {kind}\n")), "{name} is no {kind}");
        let sample = text.lines().find(|line| {
            let rest = line.strip_prefix(name.as_str()).unwrap_or_default();
            rest.starts_with(['{', ' ']) || rest.starts_with("_bucket{")
        });
        let sample = sample.unwrap_or_else(|| panic!("{name} has no sample"));
        let inside = sample.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let mut found: Vec<String> = inside
            .split(',')
            .filter_map(|pair| Some(pair.split_once('=')?.0.to_owned()))
            .filter(|label| label != "le")
            .collect();
        found.sort();
        labels.sort();
        assert_eq!(labels, found, "labels of {name}");
    }
}

#[test]
fn readiness_does_not_flap_but_a_stop_counts_at_once() {
    let running = start(LONG);
    let board = &running.pages.board;
    board.update(|status| status.assigned = true);
    board.update_shard(0, |shard| shard.state = ShardState::Running);
    assert_eq!(running.get("/readyz").0, 200);
    board.update_shard(0, |shard| {
        shard.state = ShardState::Restoring;
        shard.trouble = Some("no broker answers".into());
    });
    let (code, text) = running.get("/readyz");
    assert_eq!(code, 200, "it was ready a moment ago");
    assert!(text.contains("shard 0 is restoring") && text.contains("no broker answers"), "{text}");
    board.update(|status| status.sink.stopped = Some("no such table".into()));
    let (code, text) = running.get("/readyz");
    assert_eq!(code, 503);
    assert!(text.contains("the carrier of rows has stopped: no such table"), "{text}");
}

#[test]
fn waiting_for_somebody_else_is_no_sign_of_death() {
    let board = StatusBoard::new(Status::default());
    let beat = board.watch("commit");
    beat.beat_after(Duration::from_secs(3600));
    assert!(board.stuck(Duration::ZERO).is_empty());
    beat.beat();
    let deadline = Instant::now() + Duration::from_secs(20);
    while board.stuck(Duration::ZERO).is_empty() {
        assert!(Instant::now() < deadline, "a beat must end the wait");
        std::thread::yield_now();
    }
}
