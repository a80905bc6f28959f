//! Posting JSON over HTTP, and what came of it.

use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, RETRY_AFTER, USER_AGENT};
use axum::http::{HeaderName, Method, Request};
use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::crypto::ring::default_provider;
use tokio::runtime::Handle;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::notify::answer::{Answer, Why, of_status};
use crate::notify::words::clip;

/// Longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How much longer the others have when one of several has taken it.
const OTHERS_LONGER: Duration = Duration::from_secs(2);
/// How much of an answer is read, bytes: it is only quoted.
const ANSWER_BYTES_MAX: usize = 16_384;
/// How much of it is quoted, characters.
const QUOTE_MAX: usize = 300;

/// A header and its value.
pub type Header = (HeaderName, String);

/// A client for posting.
#[derive(Clone, Debug)]
pub struct Post {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    tokio: Handle,
}

impl Post {
    /// A client that believes the system's certificates (or those of `SSL_CERT_FILE`).
    ///
    /// # Errors
    /// When the system has none.
    pub fn new(tokio: Handle) -> Result<Self, String> {
        let builder = HttpsConnectorBuilder::new()
            .with_provider_and_native_roots(default_provider())
            .map_err(|error| {
                format!("the system's certificates: {error}; install ca-certificates, or set SSL_CERT_FILE")
            })?;
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            .pool_idle_timeout(Duration::from_secs(20))
            .build(connector);
        Ok(Self { client, tokio })
    }

    /// Posts a body. The address may be a secret: no message holds it.
    pub fn post(&self, url: &str, headers: &[Header], body: Vec<u8>, now_ms: i64) -> Answer {
        match request(url, headers, body.into()) {
            Ok(request) => self.tokio.block_on(self.exchange_in_time(request, now_ms)),
            Err(why) => Answer::Person { why },
        }
    }

    /// Posts a body to several at once. When one has taken it the others have a little longer: `None` of those that have not
    /// answered then, and of those that do not answer at all.
    pub fn post_all(
        &self,
        urls: &[String],
        headers: &[Header],
        body: Vec<u8>,
        now_ms: i64,
    ) -> Vec<Option<Answer>> {
        let body = Bytes::from(body);
        let mut answers = vec![None; urls.len()];
        self.tokio.block_on(async {
            let mut posts = JoinSet::new();
            for (at, url) in urls.iter().enumerate() {
                match request(url, headers, body.clone()) {
                    Ok(request) => {
                        let post = self.clone();
                        posts.spawn(async move { (at, post.exchange(request, now_ms).await) });
                    }
                    Err(why) => answers[at] = Some(Answer::Person { why }),
                }
            }
            let mut until = Instant::now() + TIMEOUT;
            while let Ok(Some(done)) = tokio::time::timeout_at(until, posts.join_next()).await {
                // what panicked or was ended has no answer
                let Ok((at, answer)) = done else { continue };
                if answer == Answer::Taken {
                    until = until.min(Instant::now() + OTHERS_LONGER);
                }
                answers[at] = Some(answer);
            }
        });
        answers
    }

    async fn exchange_in_time(&self, request: Request<Full<Bytes>>, now_ms: i64) -> Answer {
        let sent = tokio::time::timeout(TIMEOUT, self.exchange(request, now_ms)).await;
        sent.unwrap_or_else(|_| no_answer())
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, now_ms: i64) -> Answer {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Answer::Again { why: told(&error).into(), after_ms: None },
        };
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let said = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let said = said.map(|body| body.to_bytes()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let why = Why { what: status.to_string(), said: clip(said.trim(), QUOTE_MAX).into_owned() };
        of_status(status.as_u16(), retry_after.as_deref(), now_ms, why)
    }
}

/// What stands for the answer of those that do not answer.
pub fn no_answer() -> Answer {
    Answer::Again { why: format!("no answer in {} s", TIMEOUT.as_secs()).into(), after_ms: None }
}

/// # Errors
/// Of an address or a token that no request can hold.
fn request(url: &str, headers: &[Header], body: Bytes) -> Result<Request<Full<Bytes>>, Why> {
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(url)
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("retain/", env!("CARGO_PKG_VERSION")));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    request.body(Full::new(body)).map_err(|error| error.to_string().into())
}

/// An error with its causes: refused, reset, a name or a certificate stands in the chain.
fn told(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}
