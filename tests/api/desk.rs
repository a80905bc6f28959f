//! An API on an engine with a few customers, accounts and alerts; and calls to it whose answers are checked.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use retain::shell::api::act::{Command, Commands};
use retain::shell::api::{Api, openapi};
use retain::shell::board::{Status, StatusBoard};
use retain::shell::origin::{Sources, load};
use retain::shell::settings::Settings;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::carried::{carry, plan};
use crate::engine::Engine;
use crate::stories::{churner, loyal};

/// The token of a viewer.
pub const VIEWER: &str = "viewer-viewer-viewer-viewer-1";
/// The token of an operator.
pub const OPERATOR: &str = "operator-operator-operator-1";

/// An API and what it reads.
pub struct Desk {
    /// The engine.
    pub engine: Option<Engine>,
    /// The routes.
    pub router: Router,
    /// What was written to the pipeline.
    pub sent: Arc<Mutex<Vec<Command>>>,
    _folder: tempfile::TempDir,
}

/// An answer.
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Value,
}

/// Settings with tokens, and these besides.
pub fn settings(folder: &tempfile::TempDir, url: &str, more: &[&str]) -> Settings {
    let path: PathBuf = folder.path().join("tokens");
    std::fs::write(&path, format!("vera viewer {VIEWER}\nolga operator {OPERATOR}\n")).unwrap();
    private(&path);
    let mut flags = vec![
        format!("clickhouse.url={url}"),
        format!("http.tokens_file={}", path.display()),
        "http.requests_per_minute=100000".to_owned(),
    ];
    flags.extend(more.iter().map(|flag| (*flag).to_owned()));
    load(&Sources { flags, ..Sources::default() }).unwrap().settings
}

/// Only the owner may read it.
pub fn private(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

impl Desk {
    /// On this address, with settings besides.
    pub fn at(url: &str, more: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, url, more);
        let sent: Arc<Mutex<Vec<Command>>> = Arc::default();
        let log = Arc::clone(&sent);
        let commands = Commands::new(move |command| {
            log.lock().unwrap().push(command.clone());
            Ok(())
        });
        let board = StatusBoard::new(Status { pipeline: "customers".into(), ..Status::default() });
        let sections = (&settings.http, &settings.clickhouse);
        let api = Api::new(sections, &plan(), &board, commands).unwrap();
        Self { engine: None, router: api.router(), sent, _folder: folder }
    }

    /// On an engine whose tables are there and empty.
    pub async fn empty() -> Self {
        let engine = Engine::start();
        carry(&engine, &plan(), &[], 460).await;
        contract(&engine).await;
        Self { engine: Some(engine), ..Self::at("", &[]) }.reconnected()
    }

    /// With customers, accounts and alerts.
    pub async fn full() -> Self {
        let engine = Engine::start();
        let stories = [("c1", churner()), ("c2", loyal()), (ODD, loyal())];
        carry(&engine, &plan(), &stories, 460).await;
        contract(&engine).await;
        fill(&engine).await;
        Self { engine: Some(engine), ..Self::at("", &[]) }.reconnected()
    }

    fn reconnected(self) -> Self {
        let url = self.engine.as_ref().unwrap().url.clone();
        Self { engine: self.engine, ..Self::at(&url, &[]) }
    }

    /// GET by the viewer; the answer is held against the description.
    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, Some(VIEWER), None).await
    }

    /// The body of a GET that is answered.
    pub async fn body(&self, path: &str) -> Value {
        let answer = self.get(path).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}: {}", answer.body);
        answer.body
    }

    /// A call, whose answer is held against the description.
    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method.clone()).uri(format!("/api/v1{path}"));
        if let Some(token) = token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        let answer = self.send(request.body(body).unwrap()).await;
        hold(&method, path, &answer);
        answer
    }

    /// A request as it is.
    pub async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = axum::body::to_bytes(body, 32 << 20).await.unwrap();
        let body = serde_json::from_slice(&bytes)
            .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&bytes).into_owned()));
        Answer { status: parts.status, headers: parts.headers, body }
    }
}

/// Holds an answer against the description: the address, the status, the type and the body.
fn hold(method: &Method, path: &str, answer: &Answer) {
    let description = serde_json::to_value(openapi()).unwrap();
    let asked: Vec<&str> = path.split('?').next().unwrap().split('/').collect();
    let fits = |template: &str| {
        let parts: Vec<&str> = template.split('/').collect();
        let mut pairs = parts.iter().zip(&asked);
        parts.len() == asked.len() && pairs.all(|(part, a)| part.starts_with('{') || part == a)
    };
    let paths = description["paths"].as_object().unwrap();
    let operation = paths.iter().filter(|(template, _)| fits(template));
    let operation = operation.map(|(_, item)| &item[method.as_str().to_lowercase()]);
    let Some(operation) = operation.into_iter().find(|operation| operation.is_object()) else {
        let expected =
            [StatusCode::NOT_FOUND, StatusCode::METHOD_NOT_ALLOWED, StatusCode::UNAUTHORIZED];
        assert!(expected.contains(&answer.status), "{method} {path} is not described");
        return;
    };
    let response = &operation["responses"][answer.status.as_str()];
    assert!(response.is_object(), "{method} {path}: {} is not described", answer.status);
    let kind = answer.headers[header::CONTENT_TYPE].to_str().unwrap();
    let mut schema = response["content"][kind]["schema"].clone();
    assert!(schema.is_object(), "{method} {path}: {kind} is not described");
    schema["components"] = description["components"].clone();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let wrong: Vec<String> = validator
        .iter_errors(&answer.body)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{method} {path}: {wrong:#?}\n{:#}", answer.body);
}

/// A customer's id with everything in it that could be taken for something else.
pub const ODD: &str = "o'neill\\ ä\\t{x:String} ?";

/// Accounts and alerts, with the columns of their views.
async fn contract(engine: &Engine) {
    for view in ["accounts_now", "account_history", "alerts_now", "alert_history"] {
        engine.run(&format!("DROP VIEW IF EXISTS retain.{view}")).await;
    }
    engine
        .run(
            "CREATE TABLE retain.accounts_now (account_id String, name String, region LowCardinality(String), \
             industry LowCardinality(String), owner_id String, key UInt8, key_reason String, members UInt32, \
             active_contacts UInt32, single_threaded UInt8, value_minor Int64, revenue_365_minor Int64, \
             at_risk_minor Int64, risk Nullable(Float64), satisfaction Nullable(Float64), open_complaints UInt32, \
             oldest_complaint_at Nullable(DateTime64(3, 'UTC')), legal_entity_ids Array(String), \
             open_minor Array(Int64), overdue_minor Array(Int64), next_renewal Nullable(DateTime64(3, 'UTC')), \
             last_contact Nullable(DateTime64(3, 'UTC')), visit_gap_d Nullable(Float64), trend_30 Nullable(Float64), \
             trend_90 Nullable(Float64), as_of DateTime64(3, 'UTC'), currency String, version UInt64) \
             ENGINE = MergeTree ORDER BY account_id",
        )
        .await;
    engine
        .run(
            "CREATE TABLE retain.account_history (account_id String, day Date, risk Nullable(Float64), \
             at_risk_minor Int64, value_minor Int64, satisfaction Nullable(Float64)) \
             ENGINE = MergeTree ORDER BY (account_id, day)",
        )
        .await;
    let columns = "alert_id String, n UInt32, rule LowCardinality(String), subject_kind LowCardinality(String), \
        subject_id String, customer_id String, account_id String, episode UInt32, what LowCardinality(String), \
        phase LowCardinality(String), by String, by_kind LowCardinality(String), note String, \
        severity LowCardinality(String), at DateTime64(3, 'UTC'), detected_at DateTime64(3, 'UTC'), catch_up UInt8, \
        call UInt8, raised_at Nullable(DateTime64(3, 'UTC')), snoozed_until Nullable(DateTime64(3, 'UTC')), \
        due_at Nullable(DateTime64(3, 'UTC')), at_risk_minor Nullable(Int64), currency LowCardinality(String), \
        risk Nullable(Float64), owner_id String, region LowCardinality(String), industry LowCardinality(String), \
        tier LowCardinality(String), key UInt8, reasons Array(String), changed Array(String), about String, \
        next_step String, receivers Array(String), generation UInt32, cycle UInt64, shard UInt16, version UInt64";
    for table in ["alerts_now", "alert_history"] {
        let sql =
            format!("CREATE TABLE retain.{table} ({columns}) ENGINE = MergeTree ORDER BY alert_id");
        engine.run(&sql).await;
    }
}

/// How many accounts there are.
pub const ACCOUNTS: usize = 7;

async fn fill(engine: &Engine) {
    for at in 0..ACCOUNTS {
        let row = json!({
            "account_id": format!("A{at}"), "name": (["Zeta", "alpha", "Beta", "beta", "", "Öl & Gas", "<b>Eve</b>"][at]),
            "region": (["EMEA", "AMER"][at % 2]), "industry": "retail", "owner_id": (["o1", "o2", ""][at % 3]),
            "key": at % 2, "key_reason": (["", "contract"][at % 2]), "members": at, "active_contacts": 1,
            "single_threaded": 1, "value_minor": at * 1000, "revenue_365_minor": 5_000, "at_risk_minor": ([500, 500, 0, 300, 300, 300, 9][at]),
            "risk": ([json!(0.7), json!(0.2), json!(null), json!(0.7), json!(0.7000000000000001), json!(0.0), json!(1.0)][at]),
            "satisfaction": if at == 0 { json!(null) } else { json!(0.5) }, "open_complaints": at % 3,
            "oldest_complaint_at": if at % 3 == 0 { json!(null) } else { json!("2027-03-01 10:00:00.000") },
            "legal_entity_ids": ["", "L1"], "open_minor": [100, 50], "overdue_minor": [10, 5],
            "next_renewal": json!(null), "last_contact": "2027-03-20 10:00:00.000", "visit_gap_d": 4.5,
            "trend_30": -0.3, "trend_90": json!(null), "as_of": "2027-04-06 00:00:00.000", "currency": "USD", "version": 1
        });
        engine.run(&format!("INSERT INTO retain.accounts_now FORMAT JSONEachRow {row}")).await;
    }
    for (day, risk) in [("2027-03-01", "0.4"), ("2027-04-01", "NULL"), ("2027-04-02", "0.7")] {
        let sql = format!(
            "INSERT INTO retain.account_history VALUES ('A0', '{day}', {risk}, 400, 9, NULL)"
        );
        engine.run(&sql).await;
    }
    for (id, phase, severity) in [
        ("a1", "firing", "high"),
        ("a2", "acknowledged", "critical"),
        ("a3", "snoozed", "low"),
        ("a4", "dismissed", "medium"),
        ("a5", "resolved", "medium"),
        ("a6", "firing", "medium"),
    ] {
        let account = if id == "a6" { "" } else { "A0" };
        let row = |n: u32, what: &str, phase: &str| {
            json!({
                "alert_id": id, "n": n, "rule": "key_at_risk", "subject_kind": "customer", "subject_id": "c1",
                "customer_id": if id == "a6" { ODD } else { "c1" }, "account_id": account, "episode": 2, "what": what,
                "phase": phase, "by": "", "by_kind": "signals", "note": "", "severity": severity,
                "at": format!("2027-04-0{n} 10:00:00.123"), "detected_at": "2027-04-05 10:00:00.500", "catch_up": 0, "call": 1,
                "raised_at": "2027-04-01 10:00:00.123", "snoozed_until": if phase == "snoozed" { json!("2027-05-01 00:00:00.000") } else { json!(null) },
                "due_at": json!(null), "at_risk_minor": if id == "a3" { json!(null) } else { json!(1234) }, "currency": "USD",
                "risk": 0.71, "owner_id": "o1", "region": "EMEA", "industry": "retail", "tier": "gold", "key": 1,
                "reasons": ["bought nothing for 94 days"], "changed": ["risk 0.31 -> 0.71"], "about": "about it",
                "next_step": "call", "receivers": ["owner"], "generation": 1, "cycle": 4711, "shard": 0, "version": n
            })
        };
        for table in ["alerts_now", "alert_history"] {
            let last = row(2, "acknowledged", phase);
            engine.run(&format!("INSERT INTO retain.{table} FORMAT JSONEachRow {last}")).await;
        }
        let first = row(1, "raised", "firing");
        engine.run(&format!("INSERT INTO retain.alert_history FORMAT JSONEachRow {first}")).await;
    }
}
