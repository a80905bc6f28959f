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

use crate::notify::answer::{Answer, of_status};
use crate::notify::words::clip;

/// Longest time for one request.
const TIMEOUT: Duration = Duration::from_secs(15);
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
        let mut request = Request::builder()
            .method(Method::POST)
            .uri(url)
            .header(CONTENT_TYPE, "application/json")
            .header(USER_AGENT, concat!("retain/", env!("CARGO_PKG_VERSION")));
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let request = match request.body(Full::new(Bytes::from(body))) {
            Ok(request) => request,
            // an address or a token that no request can hold
            Err(error) => return Answer::Person { why: error.to_string() },
        };
        let sent = async { tokio::time::timeout(TIMEOUT, self.exchange(request, now_ms)).await };
        self.tokio.block_on(sent).unwrap_or_else(|_| Answer::Again {
            why: format!("no answer in {} s", TIMEOUT.as_secs()),
            after_ms: None,
        })
    }

    async fn exchange(&self, request: Request<Full<Bytes>>, now_ms: i64) -> Answer {
        let response = match self.client.request(request).await {
            Ok(response) => response,
            Err(error) => return Answer::Again { why: told(&error), after_ms: None },
        };
        let status = response.status();
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|value| value.to_str().ok()).map(str::to_owned);
        let said = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        let said = said.map(|body| body.to_bytes()).unwrap_or_default();
        let said = String::from_utf8_lossy(&said);
        let why = format!("{status}: {}", clip(said.trim(), QUOTE_MAX));
        of_status(status.as_u16(), retry_after.as_deref(), now_ms, why)
    }
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
