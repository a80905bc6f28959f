//! What every request goes through: room, who asks, how long it may take; and what every answer carries.

use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use tokio::sync::Semaphore;

use super::act::MAY_BE_WRITTEN;
use super::respond::Refused;
use super::{Api, pages};
use crate::api::problem::{Kind, Problem};
use crate::page::CONTENT_SECURITY_POLICY;

/// The header in which a script of ours sends its session's form token.
const FORM_TOKEN: &str = "x-csrf-token";

/// What every answer carries: nothing from elsewhere, nothing inline, in no frame, kept nowhere.
const HEADERS: [(HeaderName, HeaderValue); 8] = [
    (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CONTENT_SECURITY_POLICY)),
    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
    (header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY")),
    (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (
        HeaderName::from_static("cross-origin-opener-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("cross-origin-resource-policy"),
        HeaderValue::from_static("same-origin"),
    ),
    (
        HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static("camera=(), geolocation=(), microphone=()"),
    ),
];

/// Adds them where the answer does not say otherwise.
pub async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().entry(name).or_insert(value);
    }
    response
}

/// The present, milliseconds since 1970.
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// Lets a request of the API through when somebody who is known asks, and there is room; the caller goes with it.
pub async fn api(State(api): State<Api>, request: Request, next: Next) -> Response {
    match admit(&api, request) {
        Ok(request) => next.run(request).await,
        Err(problem) => into_response(problem),
    }
}

/// Lets a request through while there is room, and ends it when its time is over.
pub async fn limited(State(api): State<Api>, request: Request, next: Next) -> Response {
    let for_people = !request.uri().path().starts_with("/api/");
    // whoever is not known waits with others who are not: they cannot take the room of those who are
    let known = api.access.knows(request.headers(), now_ms());
    let room = if known { &api.room } else { &api.lobby };
    let acts = request.method() == Method::POST;
    match within((room, api.longest, acts), next.run(request)).await {
        Ok(response) => response,
        Err(problem) if for_people => pages::before_sign_in(&problem),
        Err(problem) => into_response(problem),
    }
}

fn into_response(problem: Problem) -> Response {
    Refused(problem).into_response()
}

fn admit(api: &Api, mut request: Request) -> Result<Request, Problem> {
    let caller = api.access.caller(request.headers(), now_ms())?;
    if !matches!(*request.method(), Method::GET | Method::HEAD | Method::OPTIONS) {
        let given = request.headers().get(FORM_TOKEN).and_then(|value| value.to_str().ok());
        api.access.own_form(&caller, given)?;
    }
    request.extensions_mut().insert(caller);
    Ok(request)
}

/// Does something while there is room and time.
///
/// # Errors
/// When there is none.
async fn within<T>(
    (room, longest, acts): (&Semaphore, Duration, bool),
    work: impl Future<Output = T>,
) -> Result<T, Problem> {
    let Ok(_room) = room.try_acquire() else {
        let detail = "too many requests are being answered: try again";
        return Err(Problem::new(Kind::Unavailable, detail));
    };
    tokio::time::timeout(longest, work).await.map_err(|_| {
        let question = "the answer took longer than http.request_timeout_ms: narrow the question";
        // what writes goes on without us
        Problem::new(Kind::Timeout, if acts { MAY_BE_WRITTEN } else { question })
    })
}
