//! The ClickHouse HTTP interface: routes, authentication, where the parts of a statement come from, answers.

use crate::compression::Decoder;
use crate::engine::Stats;
use crate::exception::Exception;
use crate::pool::{Pool, Setup};
use crate::request::Request;
use crate::{insert, query, sql};
use axum::body::Body;
use axum::extract::{Request as HttpRequest, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body_util::BodyExt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Statements that run at once; more of them wait.
const SLOTS: usize = 64;
/// Bytes of a statement with everything behind it, where it is not an INSERT whose body is streamed.
const TEXT_MAX: usize = 256 << 20;

/// Who may ask.
pub struct Credentials {
    /// User name.
    pub user: String,
    /// Password.
    pub password: String,
}

/// What all requests share.
pub struct Server {
    /// The engine's connections.
    pub pool: Arc<Pool>,
    /// ClickHouse's version, as "26.7.2.1".
    pub version: String,
    timezone: String,
    credentials: Option<Credentials>,
    slots: Arc<Semaphore>,
}

/// One statement, ready for the engine.
pub struct Statement {
    /// Its text; for an INSERT without format and data.
    pub sql: String,
    /// Format of its answer or its data.
    pub format: String,
    /// Database and settings.
    pub setup: Setup,
    /// Values for `{name:Type}`.
    pub params: Vec<(String, String)>,
    /// Session to run in.
    pub session: Option<String>,
}

impl Server {
    /// A server on an open pool. Without `credentials` everyone may do everything.
    pub fn new(
        pool: Arc<Pool>,
        version: String,
        timezone: String,
        credentials: Option<Credentials>,
    ) -> Arc<Server> {
        Arc::new(Server {
            pool,
            version,
            timezone,
            credentials,
            slots: Arc::new(Semaphore::new(SLOTS)),
        })
    }

    fn authenticate(&self, request: &Request) -> Result<(), Exception> {
        let Some(wanted) = &self.credentials else {
            return Ok(());
        };
        if request.user == wanted.user && request.password == wanted.password {
            return Ok(());
        }
        Err(Exception::new(
            516,
            "AUTHENTICATION_FAILED",
            format!(
                "{}: Authentication failed: password is incorrect, or there is no user with such name",
                request.user
            ),
        ))
    }

    fn add_headers(&self, headers: &mut HeaderMap, query_id: &str) {
        set(headers, "x-clickhouse-server-display-name", "clickhouse-embedded");
        set(headers, "x-clickhouse-timezone", &self.timezone);
        set(headers, "x-clickhouse-query-id", query_id);
    }

    fn exception(&self, exception: &Exception) -> Response {
        let mut response = (exception.status(), exception.body(&self.version)).into_response();
        let headers = response.headers_mut();
        set(headers, "x-clickhouse-exception-code", &exception.code().to_string());
        response
    }
}

/// Sets a header; a value that cannot be one (a query_id of the client's) is left out.
fn set(headers: &mut HeaderMap, name: &'static str, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        headers.insert(HeaderName::from_static(name), value);
    }
}

/// Answers every request.
pub async fn handle(State(server): State<Arc<Server>>, http: HttpRequest) -> Response {
    let (parts, body) = http.into_parts();
    let url_query = parts.uri.query().unwrap_or("");
    let reads = parts.method == Method::GET || parts.method == Method::HEAD;
    match parts.uri.path() {
        "/ping" | "/replicas_status" => return "Ok.\n".into_response(),
        "/" if reads && url_query.is_empty() => return "Ok.\n".into_response(),
        "/" | "/query" => {}
        path => {
            return (StatusCode::NOT_FOUND, format!("There is no handle {path}\n")).into_response();
        }
    }
    let mut query_id = String::new();
    let answer = async {
        let request = Request::new(&parts.method, url_query, &parts.headers)?;
        query_id.clone_from(&request.query_id);
        server.authenticate(&request)?;
        answer(&server, request, &parts.headers, body).await
    };
    let mut response = match answer.await {
        Ok(response) => response,
        Err(exception) => server.exception(&exception),
    };
    server.add_headers(response.headers_mut(), &query_id);
    response
}

/// Finds the statement and its data in URL and body, and runs it.
async fn answer(
    server: &Arc<Server>,
    mut request: Request,
    headers: &HeaderMap,
    body: Body,
) -> Result<Response, Exception> {
    let content_type =
        headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("");
    if let Ok(boundary) = multer::parse_boundary(content_type) {
        read_form(&mut request, body, boundary).await?;
        let text = std::mem::take(&mut request.query);
        return run(server, request, text.into(), None).await;
    }
    let decoder = Decoder::new(&request.encoding, request.decompress)?;
    let text = std::mem::take(&mut request.query);
    if matches!(sql::classify(text.as_bytes()), sql::Kind::InsertData { .. }) {
        return run(server, request, text.into(), Some((body, decoder))).await;
    }
    let body = read_text(body, decoder).await?;
    let text = match (text.is_empty(), body.is_empty()) {
        (true, _) => body,
        (false, true) => text.into(),
        (false, false) => [text.as_bytes(), b"\n", &body].concat().into(),
    };
    run(server, request, text, None).await
}

/// Runs a statement; `body` are the data of an INSERT that come after those in the text.
async fn run(
    server: &Arc<Server>,
    request: Request,
    text: Bytes,
    body: Option<(Body, Decoder)>,
) -> Result<Response, Exception> {
    let slot = slot(server).await?;
    let statement = |sql: &[u8], format: &str| {
        let sql = std::str::from_utf8(sql)
            .map_err(|_| Exception::syntax("the statement is not UTF-8"))?;
        Ok::<_, Exception>(Statement {
            sql: sql.to_string(),
            format: format.to_string(),
            setup: request.setup.clone(),
            params: request.params.clone(),
            session: request.session.clone(),
        })
    };
    let named = |format: Option<&[u8]>| match format {
        Some(name) => String::from_utf8_lossy(name).into_owned(),
        None => request.format.clone(),
    };
    let server = server.clone();
    match sql::classify(&text) {
        _ if text.is_empty() => Err(Exception::syntax("Empty query")),
        sql::Kind::InsertData { head, format, data } => {
            let format = String::from_utf8_lossy(format);
            let format = if format.eq_ignore_ascii_case("values") { "Values" } else { &format };
            let (statement, inline) = (statement(head, format)?, text.slice_ref(data));
            insert::insert(server, statement, slot, inline, body).await
        }
        sql::Kind::Select { format } => {
            let statement = statement(&text, &named(format))?;
            if query::can_stream(&statement.format) && !request.wait_end {
                query::streamed(server, statement, slot).await
            } else {
                query::whole(server, statement, slot, false).await
            }
        }
        sql::Kind::Other { format, stateful } => {
            let statement = statement(&text, &named(format))?;
            query::whole(server, statement, slot, stateful).await
        }
    }
}

async fn slot(server: &Server) -> Result<OwnedSemaphorePermit, Exception> {
    server.slots.clone().acquire_owned().await.map_err(Exception::internal)
}

/// Form fields are URL parameters by another way: the clickhouse crate sends query parameters so.
async fn read_form(request: &mut Request, body: Body, boundary: String) -> Result<(), Exception> {
    let limits = multer::SizeLimit::new().whole_stream(TEXT_MAX as u64);
    let limits = multer::Constraints::new().size_limit(limits);
    let wrong =
        |error: multer::Error| Exception::bad_arguments(format!("multipart/form-data: {error}"));
    let mut form = multer::Multipart::with_constraints(body.into_data_stream(), boundary, limits);
    while let Some(field) = form.next_field().await.map_err(wrong)? {
        let name = field.name().unwrap_or("").to_string();
        request.set(&name, field.text().await.map_err(wrong)?)?;
    }
    Ok(())
}

/// The whole body as plain bytes; the limit is on what comes out of the decoder.
async fn read_text(mut body: Body, mut decoder: Decoder) -> Result<Bytes, Exception> {
    let (mut text, mut plain, mut empty) = (vec![], vec![], true);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| Exception::network(format!("reading the request: {e}")))?;
        let Ok(piece) = frame.into_data() else {
            continue;
        };
        empty = empty && piece.is_empty();
        decoder.push(piece, &mut plain)?;
        take(&mut text, &mut plain)?;
    }
    if !empty {
        decoder.finish(&mut plain)?;
        take(&mut text, &mut plain)?;
    }
    Ok(text.into())
}

fn take(text: &mut Vec<u8>, plain: &mut Vec<Bytes>) -> Result<(), Exception> {
    for piece in plain.drain(..) {
        if text.len() + piece.len() > TEXT_MAX {
            return Err(Exception::bad_arguments(format!(
                "the body is larger than {TEXT_MAX} bytes: put the INSERT into the URL and only its rows into the body"
            )));
        }
        text.extend_from_slice(&piece);
    }
    Ok(())
}

/// A good answer with its format and counters.
pub fn reply(format: &str, stats: &Stats, body: Body) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type(format)));
    set(headers, "x-clickhouse-format", format);
    set(headers, "x-clickhouse-summary", &summary(stats));
    response
}

/// Counters as clients read them: all numbers are strings.
fn summary(stats: &Stats) -> String {
    let result_rows = stats.result_rows.max(stats.written_rows);
    let elapsed_ns = (stats.elapsed_s * 1e9) as u64;
    let counters = [
        ("read_rows", stats.read_rows),
        ("read_bytes", stats.read_bytes),
        ("written_rows", stats.written_rows),
        ("written_bytes", stats.written_bytes),
        ("total_rows_to_read", 0),
        ("result_rows", result_rows),
        ("result_bytes", stats.result_bytes),
        ("elapsed_ns", elapsed_ns),
    ];
    let counters: Vec<String> =
        counters.iter().map(|(name, value)| format!(r#""{name}":"{value}""#)).collect();
    format!("{{{}}}", counters.join(","))
}

fn content_type(format: &str) -> &'static str {
    let starts = |names: &[&str]| names.iter().any(|name| format.starts_with(name));
    if starts(&["JSONEachRow", "JSONCompactEachRow", "NDJSON", "JSONLines"]) {
        "application/x-ndjson; charset=UTF-8"
    } else if starts(&["JSON"]) {
        "application/json; charset=UTF-8"
    } else if starts(&["CSV"]) {
        "text/csv; charset=UTF-8; header=absent"
    } else if starts(&["TabSeparated", "TSV"]) {
        "text/tab-separated-values; charset=UTF-8"
    } else if starts(&["RowBinary"]) || format == "Native" {
        "application/octet-stream"
    } else {
        "text/plain; charset=UTF-8"
    }
}
