//! The page of the demo and who may look at it: tokens made for this run, and one of the account managers at work.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::http::{Method, Request, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde::de::DeserializeOwned;
use tokio::sync::oneshot;

use super::DemoError;
use crate::api::access::hex;
use crate::api::answer::{Alert, AlertDetail, Done, Today};
use crate::plan::Plan;
use crate::shell::api::{Api, access};
use crate::shell::client::Link;
use crate::shell::commands::commands;
use crate::shell::http::{Pages, Server};
use crate::shell::observe::Observer;
use crate::shell::origin::{Sources, load};

/// Who acts in the demo: an account manager of the story.
pub const ADA: &str = "ada";
/// How long the pipeline may take to do what she says.
const HEARD_LIMIT: Duration = Duration::from_secs(20);
/// How often is looked whether it has.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// How long the page may take to end.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// The page while it is served.
pub struct Desk {
    /// Where it is, `http://127.0.0.1:PORT/`.
    pub url: String,
    /// The reader's token.
    pub token: String,
    hers: String,
    client: Client<HttpConnector, Full<Bytes>>,
    close: Option<oneshot::Sender<()>>,
    served: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Desk {
    /// Serves the page on `listen`, or on a free port where that is taken.
    ///
    /// # Errors
    /// When no port or no random numbers are to be had.
    pub async fn open(
        (listen, folder, clickhouse): (SocketAddr, &Path, &str),
        plans: &[Arc<Plan>; 2],
        link: Link,
        observer: &Observer,
    ) -> Result<Self, DemoError> {
        let [token, hers] = [token()?, token()?];
        let file = folder.join("tokens");
        keep(&file, &format!("you operator {token}\n{ADA} operator {hers}\n"))
            .map_err(|source| DemoError::Io { what: "writing the tokens of this run", source })?;
        let flags = vec![
            format!("clickhouse.url={clickhouse}"),
            format!("http.tokens_file={}", file.display()),
        ];
        // what the reader's own settings say is of another pipeline
        let loaded = load(&Sources { flags, ..Sources::default() });
        let settings = loaded.map_err(|error| DemoError::Stuck(error.to_string()))?.settings;
        let commands = commands(link, plans.to_vec());
        let sections = (&settings.http, &settings.clickhouse);
        let api =
            Api::new(sections, &plans[0], &observer.board, commands).map_err(DemoError::Stuck)?;
        let pages = Pages {
            board: Arc::clone(&observer.board),
            metrics: Arc::clone(&observer.metrics),
            live_timeout: Duration::from_millis(settings.http.live_timeout_ms),
        };
        let bound = |source| DemoError::Io { what: "listening for browsers", source };
        let free = SocketAddr::new(listen.ip(), 0).to_string();
        let server = match Server::bind(&listen.to_string(), pages.clone()).await {
            Ok(server) => server,
            Err(_) => Server::bind(&free, pages).await.map_err(bound)?,
        };
        let url = format!("http://{}/", server.local_addr().map_err(bound)?);
        let (close, closed) = oneshot::channel();
        let until = async move {
            let _ = closed.await;
        };
        let served = tokio::spawn(server.with(api.router()).serve(until));
        let client = Client::builder(TokioExecutor::new()).build_http();
        Ok(Self { url, token, hers, client, close: Some(close), served })
    }

    /// How to get to the page, in words.
    pub fn invitation(&self) -> String {
        format!(
            "The page:  {}\nSign in with the token  {}  (made for this run, good for nothing else)",
            self.url, self.token
        )
    }

    /// Ada takes the alert at the top of her list, and what the pipeline has made of that; `None` where nothing fires.
    ///
    /// # Errors
    /// When the page refuses, or the pipeline does not do what it is told.
    pub async fn take_one(&self) -> Result<Option<Alert>, DemoError> {
        let today: Today = self.ask(Method::GET, "today?limit=50", None).await?;
        let of_accounts = today.accounts.items.iter().flat_map(|row| &row.alerts);
        let mut open = of_accounts.chain(&today.others);
        let Some(alert) = open.find(|alert| alert.phase == "firing") else {
            return Ok(None);
        };
        let path = format!("alerts/{}/acknowledge", alert.alert_id);
        let said = serde_json::json!({ "episode": alert.episode, "note": "Calling today." });
        let _: Done = self.ask(Method::POST, &path, Some(said.to_string())).await?;
        let begun = Instant::now();
        while begun.elapsed() < HEARD_LIMIT {
            let path = format!("alerts/{}", alert.alert_id);
            let AlertDetail { history, mut alert, .. } = self.ask(Method::GET, &path, None).await?;
            if history.iter().any(|step| step.by == ADA && step.what == "acknowledged") {
                alert.by = ADA.to_owned();
                return Ok(Some(alert));
            }
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        Err(DemoError::Stuck(format!(
            "the pipeline did not take note of an acknowledgement within {} s; this is a bug",
            HEARD_LIMIT.as_secs()
        )))
    }

    /// Asks the API in her name.
    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<T, DemoError> {
        let stuck = |why: String| DemoError::Stuck(format!("asking the page for {path}: {why}"));
        let request = Request::builder()
            .method(method)
            .uri(format!("{}api/v1/{path}", self.url))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.hers))
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::from(body.unwrap_or_default()))
            .map_err(|error| stuck(error.to_string()))?;
        let answer = self.client.request(request).await.map_err(|e| stuck(e.to_string()))?;
        let status = answer.status();
        let body = answer.into_body().collect().await.map_err(|e| stuck(e.to_string()))?;
        let bytes = body.to_bytes();
        if !status.is_success() {
            return Err(stuck(format!("{status}: {}", String::from_utf8_lossy(&bytes))));
        }
        serde_json::from_slice(&bytes).map_err(|error| stuck(error.to_string()))
    }

    /// Ends it; a page that is still being read does not keep us.
    pub async fn close(mut self) {
        drop(self.close.take());
        let _ = tokio::time::timeout(CLOSE_LIMIT, &mut self.served).await;
    }
}

fn token() -> Result<String, DemoError> {
    let bytes = access::random::<16>().map_err(|problem| DemoError::Stuck(problem.detail))?;
    Ok(hex(&bytes))
}

/// Writes a file that only we may read.
fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    let mut file =
        std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
