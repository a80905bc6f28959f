//! The HTTP server, and its pages for operators: `/metrics`, `/livez`, `/readyz`, `/status`. These need no token: they read,
//! never change anything, and show no customer.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;

use super::board::StatusBoard;
use super::metrics::Metrics;

/// What the pages are made from.
#[derive(Clone, Debug)]
pub struct Pages {
    /// The status.
    pub board: Arc<StatusBoard>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// How long a loop may make no step before `/livez` fails.
    pub live_timeout: Duration,
}

/// A bound, not yet serving listener: the address is known before the first request.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    routes: Router,
}

impl Server {
    /// Binds `listen` (`ADDRESS:PORT`; port 0 takes a free one).
    ///
    /// # Errors
    /// When the address cannot be bound; the message names it.
    pub async fn bind(listen: &str, pages: Pages) -> io::Result<Self> {
        let listener = TcpListener::bind(listen).await.map_err(|e| {
            io::Error::new(e.kind(), format!("http.listen: {listen} cannot be bound: {e}"))
        })?;
        Ok(Self { listener, routes: router(pages) })
    }

    /// The same with further routes.
    #[must_use]
    pub fn with(self, routes: Router) -> Self {
        Self { routes: self.routes.merge(routes), ..self }
    }

    /// The address it listens on.
    ///
    /// # Errors
    /// Those of the operating system.
    pub fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` is done, then finishes the requests under way.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(
        self,
        shutdown: impl Future<Output = ()> + Send + 'static,
    ) -> io::Result<()> {
        axum::serve(self.listener, self.routes).with_graceful_shutdown(shutdown).await
    }
}

/// The routes, for a server that has more of them.
pub fn router(pages: Pages) -> Router {
    Router::new()
        .route("/metrics", get(metrics))
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/status", get(status))
        .with_state(pages)
}

async fn metrics(State(pages): State<Pages>) -> Response {
    match pages.metrics.text() {
        Ok(text) => ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text)
            .into_response(),
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("metrics: {error}\n")).into_response()
        }
    }
}

/// Liveness depends on our loops only, never on Kafka or ClickHouse: a restart would not bring those back.
async fn livez(State(pages): State<Pages>) -> Response {
    verdict(&pages.board.stuck(pages.live_timeout))
}

async fn readyz(State(pages): State<Pages>) -> Response {
    let (ready, why) = pages.board.ready();
    match (ready, why.all()) {
        (false, reasons) => verdict(&reasons),
        (true, reasons) if reasons.is_empty() => verdict(&[]),
        (true, reasons) => format!("ok, for now\n{}\n", reasons.join("\n")).into_response(),
    }
}

async fn status(State(pages): State<Pages>) -> Response {
    let status = pages.board.snapshot();
    let (ready, why) = pages.board.ready();
    let stuck = pages.board.stuck(pages.live_timeout);
    match serde_json::to_value(&status) {
        Ok(mut value) => {
            value["ready"] = ready.into();
            value["not_ready"] = why.all().into();
            value["stuck"] = stuck.into();
            let beside: Vec<_> = pages.board.beside().iter().map(|b| b.snapshot()).collect();
            if !beside.is_empty() {
                value["beside"] = serde_json::to_value(beside).unwrap_or_default();
            }
            Json(value).into_response()
        }
        Err(error) => {
            (StatusCode::INTERNAL_SERVER_ERROR, format!("status: {error}\n")).into_response()
        }
    }
}

/// 200 `ok`, or 503 with one reason a line.
fn verdict(reasons: &[String]) -> Response {
    if reasons.is_empty() {
        (StatusCode::OK, "ok\n").into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons.join("\n") + "\n").into_response()
    }
}
