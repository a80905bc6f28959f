//! An API on an engine with a few customers, accounts and alerts; and calls to it whose answers are checked.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use retain::shell::api::act::{Command, Commands, NotSent};
use retain::shell::api::{Api, openapi};
use retain::shell::board::{Status, StatusBoard};
use retain::shell::migrate::{Retention, migrate};
use retain::shell::origin::{Sources, load};
use retain::shell::settings::Settings;
use retain::shell::views::Databases;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::carried::{carry, plan};
use crate::engine::Engine;
use crate::stories::{churner, loyal};

/// An address at which nobody answers.
pub const NOWHERE: &str = "http://127.0.0.1:9";
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
        Self::sending(url, more, |_| Ok(()))
    }

    /// The same, where commands fare so.
    pub fn sending(
        url: &str,
        more: &[&str],
        fare: impl Fn(&Command) -> Result<(), NotSent> + Send + Sync + 'static,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = settings(&folder, url, more);
        let sent: Arc<Mutex<Vec<Command>>> = Arc::default();
        let log = Arc::clone(&sent);
        let commands = Commands::new(move |command| {
            log.lock().unwrap().push(command.clone());
            fare(command)
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
        accounts(&engine).await;
        Self { engine: Some(engine), ..Self::at(NOWHERE, &[]) }.reconnected(&[])
    }

    /// With customers, accounts and alerts.
    pub async fn full() -> Self {
        let engine = Engine::start();
        let stories = [("c1", churner()), ("c2", loyal()), (ODD, loyal())];
        carry(&engine, &plan(), &stories, 460).await;
        accounts(&engine).await;
        fill(&engine).await;
        Self { engine: Some(engine), ..Self::at(NOWHERE, &[]) }.reconnected(&[])
    }

    /// The same on its engine, with settings besides.
    pub fn reconnected(self, more: &[&str]) -> Self {
        let url = self.engine.as_ref().unwrap().url.clone();
        Self { engine: self.engine, ..Self::at(&url, more) }
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
        let expected = [401, 404, 405, 429];
        assert!(expected.contains(&answer.status.as_u16()), "{method} {path} is not described");
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

/// The tables and views of accounts, as their own pipeline writes them.
async fn accounts(engine: &Engine) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("pipelines/accounts.toml");
    let (plan, problems) = retain::plan::parse(&std::fs::read_to_string(path).unwrap());
    let plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
    let databases = Databases::of(&plan, "retain", 1).unwrap();
    let kept = Retention { events_days: 0, history_days: 0, ledger_days: 0 };
    migrate(&engine.client(), &plan, &databases, kept).await.unwrap();
}

/// How many accounts there are.
pub const ACCOUNTS: usize = 7;

/// Rows of a table.
async fn insert(engine: &Engine, table: &str, row: &Value) {
    engine.run(&format!("INSERT INTO {table} FORMAT JSONEachRow {row}")).await;
}

async fn fill(engine: &Engine) {
    let names = ["Zeta", "alpha", "Beta", "beta", "", "Öl & Gas", "<b>Eve</b>"];
    // the fourth differs from the first in its last bit only
    let risks = [
        Some(0.7),
        Some(0.2),
        None,
        Some(0.7),
        Some(0.700_000_000_000_000_1),
        Some(0.0),
        Some(1.0),
    ];
    let at_risk = [500, 500, 0, 300, 300, 300, 9];
    for at in 0..ACCOUNTS {
        let contact =
            if at == 0 { Value::Null } else { json!(format!("2027-03-2{at} 10:00:00.000")) };
        let row = json!({
            "account_id": format!("A{at}"), "name": names[at], "region": if at % 2 == 0 { "EMEA" } else { "AMER" },
            "industry": "retail", "owner_id": if at % 3 == 2 { String::new() } else { format!("o{}", at % 3 + 1) },
            "key": at % 2, "key_reason": if at % 2 == 1 { "contract" } else { "" }, "members": at,
            "value_minor": at * 1000, "revenue_365_minor": 5_000, "at_risk_minor": at_risk[at], "risk": risks[at],
            "satisfaction": if at == 0 { None } else { Some(0.5) }, "satisfaction_n": 3.0, "open_complaints": at % 3,
            "oldest_complaint_at": if at % 3 == 0 { None } else { Some("2027-03-01 10:00:00.000") },
            "legal_entity_ids": ["", "L1"], "open_minor": [100, 50], "invoice_entity": [0, 1],
            "invoice_due": [1000, 1000], "invoice_open": [10, 5], "last_contact": contact,
            "as_of": "2027-04-06 00:00:00.000", "currency": "USD", "version": 1
        });
        insert(engine, "retain_accounts_g1.accounts", &row).await;
    }
    for (day, risk) in [("2027-03-01", Some(0.4)), ("2027-04-01", None), ("2027-04-02", Some(0.7))]
    {
        let row = json!({"account_id": "A0", "day": day, "risk": risk, "at_risk_minor": 400, "version": 1});
        insert(engine, "retain_accounts_g1.account_history", &row).await;
    }
    members(engine, "A0", "o1").await;
    for (id, phase, severity) in [
        ("a1", "firing", "high"),
        ("a2", "acknowledged", "critical"),
        ("a3", "snoozed", "low"),
        ("a4", "dismissed", "medium"),
        ("a5", "resolved", "medium"),
        ("a6", "firing", "medium"),
    ] {
        let first = transition(id, (1, "raised", "firing"), severity);
        let last = transition(id, (2, "acknowledged", phase), severity);
        insert(engine, "retain_g1.alert_history", &first).await;
        insert(engine, "retain_g1.alert_history", &last).await;
        insert(engine, "retain_g1.alerts", &last).await;
    }
    for (id, account, severity) in [("b1", "A0", "critical"), ("b2", "A2", "low")] {
        let row = of_account(id, account, severity);
        insert(engine, "retain_accounts_g1.alert_history", &row).await;
        insert(engine, "retain_accounts_g1.alerts", &row).await;
    }
}

/// Who c1 belongs to, as the pipeline writes it when their master data change; the other odd one belongs to nobody.
pub async fn members(engine: &Engine, account: &str, owner: &str) {
    for (id, account) in [("c1", account), ("o%neill%", "")] {
        let moved = format!(
            "INSERT INTO retain_g1.customers SELECT * REPLACE('{account}' AS account_id, '{owner}' AS owner_id, \
             'EMEA' AS region, version + 1 AS version) FROM retain_g1.customers FINAL WHERE customer_id LIKE '{id}'"
        );
        engine.run(&moved).await;
    }
}

/// An alert about an account, as the pipeline of accounts writes it.
fn of_account(id: &str, account: &str, severity: &str) -> Value {
    let mut row = transition(id, (1, "raised", "firing"), severity);
    for (name, value) in [
        ("rule", "account_at_risk"),
        ("subject_kind", "account"),
        ("subject_id", account),
        ("account_id", account),
        ("customer_id", ""),
    ] {
        row[name] = value.into();
    }
    row
}

/// A transition of an alert about a member of A0; a6 is about somebody without an account.
fn transition(id: &str, (n, what, phase): (u32, &str, &str), severity: &str) -> Value {
    let alone = id == "a6";
    json!({
        "alert_id": id, "n": n, "rule": "key_at_risk", "subject_kind": "customer",
        "subject_id": format!("{}{id}", if alone { ODD } else { "c1" }),
        "customer_id": if alone { ODD } else { "c1" }, "account_id": if alone { "" } else { "A0" },
        "episode": 2, "what": what, "phase": phase, "by_kind": "signals", "severity": severity,
        "at": format!("2027-04-0{n} 10:00:00.123"), "detected_at": "2027-04-05 10:00:00.500", "call": 1,
        "raised_at": "2027-04-01 10:00:00.123",
        "snoozed_until": (phase == "snoozed").then_some("2027-05-01 00:00:00.000"),
        "at_risk_minor": (id != "a3").then_some(1234), "currency": "USD", "risk": 0.71, "owner_id": "o1",
        "region": "EMEA", "industry": "retail", "tier": "gold", "key": 1,
        "reasons": ["bought nothing for 94 days"], "changed": ["risk 0.31 -> 0.71"], "about": "about it",
        "next_step": "call", "receivers": ["owner"], "version": n
    })
}
