//! The pages for people: who is not signed in is sent to sign in, everybody else gets the answer as HTML.

use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{Extension, Form, Path, Query, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::Api;
use super::access::{Caller, cookie, random};
use super::act::{Said, Until, act};
use super::guard::now_ms;
use super::read::{accounts, alerts, customers, marketing, pipeline, today};
use super::respond::status;
use super::sign_in::{self, own_path};
use crate::api::access::hex;
use crate::api::answer::{Act, Marketing};
use crate::api::filter::id;
use crate::api::problem::{Kind, Problem};
use crate::page::{self, Frame, Notice, assets, links};

/// What the last action did, until the next page is shown.
const NOTICE: &str = "retain_notice";
/// For how long it is kept, seconds.
const NOTICE_S: u32 = 60;

/// The routes.
pub fn routes(api: &Api) -> Router<Api> {
    Router::new()
        .route(links::TODAY, get(show_today))
        .route(links::ACCOUNTS, get(show_accounts))
        .route("/accounts/{id}", get(show_account))
        .route(links::CUSTOMERS, get(show_customers))
        .route("/customers/{id}", get(show_customer))
        .route(links::ALERTS, get(show_alerts))
        .route("/alerts/{id}", get(show_alert))
        .route("/alerts/{id}/{act}", post(do_act))
        .route(links::MARKETING, get(show_marketing))
        .route(links::PIPELINE, get(show_pipeline))
        .route(links::SIGN_OUT, post(sign_in::sign_out))
        .route_layer(from_fn_with_state(api.clone(), guarded))
        .route(links::SIGN_IN, get(sign_in::form).post(sign_in::sign_in))
        .route("/assets/{file}", get(asset))
}

/// HTML.
pub fn html(status: StatusCode, text: String) -> Response {
    let kind = HeaderValue::from_static("text/html; charset=utf-8");
    (status, [(header::CONTENT_TYPE, kind)], text).into_response()
}

/// Lets through who is signed in; everybody else goes to sign in first.
async fn guarded(State(api): State<Api>, mut request: Request, next: Next) -> Response {
    let caller = match api.access.caller(request.headers(), now_ms()) {
        Ok(caller) => caller,
        Err(problem) if problem.is(Kind::Unauthorized) => return to_sign_in(&request),
        Err(problem) => return before_sign_in(&problem),
    };
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// A problem, for somebody of whom nobody knows who it is.
pub fn before_sign_in(problem: &Problem) -> Response {
    html(status(problem), page::trouble_before_sign_in(problem))
}

/// A browser that comes from another site leaves a strict cookie at home: the page asks for itself once more, and then the
/// browser comes from here. Else who follows a link in an e-mail would have to sign in each time.
fn to_sign_in(request: &Request) -> Response {
    let address = request.uri().path_and_query().map_or("/", |address| address.as_str());
    let elsewhere =
        request.headers().get("sec-fetch-site").is_some_and(|site| site == "cross-site");
    if elsewhere && request.method() == Method::GET {
        let again = format!("0; url={}", own_path(address));
        let mut response = html(StatusCode::OK, String::new());
        if let Ok(again) = HeaderValue::from_str(&again) {
            response.headers_mut().insert(header::REFRESH, again);
        }
        return response;
    }
    let back = if request.method() == Method::GET { address } else { links::TODAY };
    Redirect::to(&format!("{}?back={}", links::SIGN_IN, links::escaped(back))).into_response()
}

/// What a page is made with.
struct Desk {
    api: Api,
    frame: Frame,
    query: Vec<(String, String)>,
}

impl Desk {
    fn new(api: Api, caller: &Caller, headers: &HeaderMap, uri: &Uri) -> Self {
        let pairs = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let asked =
            page::Asked::of(uri.path(), pairs.map(|Query(pairs)| pairs).unwrap_or_default());
        let query = asked.query.clone();
        let csrf = caller.session.as_deref().map(|session| api.access.form_token(session));
        let frame = Frame {
            name: caller.name.clone(),
            role: caller.role.name().to_owned(),
            may_act: caller.role.may_act(),
            csrf: csrf.unwrap_or_default(),
            form_seed: random::<16>().map(|bytes| hex(&bytes)).unwrap_or_default(),
            asked,
            zone: zone(&api),
            notice: cookie(headers, NOTICE).and_then(read_notice),
        };
        Self { api, frame, query }
    }

    /// What was asked for, fields that were left empty left out.
    fn asked<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        let pairs =
            self.query.iter().map(|(n, v)| format!("{}={}", links::escaped(n), links::escaped(v)));
        let uri = format!("/?{}", pairs.collect::<Vec<_>>().join("&"));
        let uri: Uri = uri.parse().map_err(|_| Problem::bad("the address is too long"))?;
        let query = Query::<T>::try_from_uri(&uri);
        query.map(|Query(asked)| asked).map_err(|rejection| Problem::bad(rejection.body_text()))
    }

    /// The page of an answer, or what went wrong.
    fn page<T>(self, answer: Result<T, Problem>, page: fn(&T, &Frame) -> String) -> Response {
        let (code, text) = match answer {
            Ok(answer) => (StatusCode::OK, page(&answer, &self.frame)),
            Err(problem) => (status(&problem), page::trouble(&problem, &self.frame)),
        };
        let mut response = html(code, text);
        if self.frame.notice.is_some() {
            // said once
            set_notice(&mut response, "", 0);
        }
        response
    }
}

fn zone(api: &Api) -> TimeZone {
    api.reader.plan.day_zone.clone()
}

/// The pages' common arguments.
type At = (State<Api>, Extension<Caller>, HeaderMap, Uri);

fn desk((State(api), Extension(caller), headers, uri): At) -> Desk {
    Desk::new(api, &caller, &headers, &uri)
}

async fn show_today(at: At) -> Response {
    let desk = desk(at);
    let answer = match desk.asked() {
        Ok(query) => today::today(&desk.api.reader, &query).await,
        Err(problem) => Err(problem),
    };
    desk.page(answer, page::today)
}

async fn show_accounts(at: At) -> Response {
    let desk = desk(at);
    let answer = match desk.asked() {
        Ok(query) => accounts::list(&desk.api.reader, &query).await,
        Err(problem) => Err(problem),
    };
    desk.page(answer, page::accounts)
}

async fn show_customers(at: At) -> Response {
    let desk = desk(at);
    let answer = match desk.asked() {
        Ok(query) => customers::list(&desk.api.reader, &query).await,
        Err(problem) => Err(problem),
    };
    desk.page(answer, page::customers)
}

async fn show_alerts(at: At) -> Response {
    let desk = desk(at);
    let answer = match desk.asked() {
        Ok(query) => alerts::list(&desk.api.reader, &query).await,
        Err(problem) => Err(problem),
    };
    desk.page(answer, page::alerts)
}

async fn show_account(Path(name): Path<String>, at: At) -> Response {
    let desk = desk(at);
    let answer = match id(&name) {
        Ok(id) => accounts::one(&desk.api.reader, id).await,
        Err(problem) => Err(problem),
    };
    desk.page(answer, page::account)
}

async fn show_customer(Path(name): Path<String>, at: At) -> Response {
    let desk = desk(at);
    let answer = match id(&name) {
        Ok(id) => customers::one(&desk.api.reader, id).await,
        Err(problem) => Err(problem),
    };
    desk.page(answer, page::customer)
}

async fn show_alert(Path(name): Path<String>, at: At) -> Response {
    let desk = desk(at);
    let answer = match id(&name) {
        Ok(id) => alerts::one(&desk.api.reader, id).await,
        Err(problem) => Err(problem),
    };
    desk.page(answer, page::alert)
}

async fn show_marketing(at: At) -> Response {
    let desk = desk(at);
    let answer = kept_marketing(&desk.api).await;
    desk.page(answer, page::marketing)
}

/// What the page of marketing shows: the costliest of all answers.
pub async fn kept_marketing(api: &Api) -> Result<Marketing, Problem> {
    let reader = api.reader.clone();
    api.marketing.or(async move { marketing::all(&reader).await }).await
}

async fn show_pipeline(at: At) -> Response {
    let desk = desk(at);
    let answer = pipeline::state(&desk.api.reader, &desk.api.board).await;
    desk.page(answer, page::pipeline)
}

/// What a form about an alert sends; fields that were left empty come as empty texts.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct ActForm {
    csrf: String,
    back: String,
    episode: String,
    note: String,
    days: String,
    command_id: String,
}

/// Does something about an alert, and goes back to where the form was, where it is said what became of it.
async fn do_act(
    Path((alert_id, what)): Path<(String, String)>,
    at: At,
    form: Result<Form<ActForm>, FormRejection>,
) -> Response {
    let (State(api), Extension(caller), headers, uri) = at;
    let done = match form {
        Ok(Form(form)) => {
            let back = own_path(&form.back);
            done(&api, &caller, (&alert_id, &what), form).await.map(|done| (back, done))
        }
        Err(rejection) => {
            let kind = if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
                Kind::TooLarge
            } else {
                Kind::BadRequest
            };
            Err(Problem::new(kind, rejection.body_text()))
        }
    };
    match done {
        Ok((back, notice)) => {
            let mut response = Redirect::to(&back).into_response();
            let good = if notice.good { "1" } else { "0" };
            let value = format!("{good}{}", hex(notice.text.as_bytes()));
            set_notice(&mut response, &value, NOTICE_S);
            response
        }
        Err(problem) => {
            let desk = Desk::new(api, &caller, &headers, &uri);
            desk.page::<()>(Err(problem), |(), _| String::new())
        }
    }
}

/// A refusal that says how the alert stands is told where the form was; others have a page of their own.
async fn done(
    api: &Api,
    caller: &Caller,
    (alert_id, what): (&str, &str),
    form: ActForm,
) -> Result<Notice, Problem> {
    api.access.own_form(caller, Some(&form.csrf))?;
    let what = Act::named(what).ok_or_else(|| Problem::not_found("action", what))?;
    let number = |name: &str, text: &str| match text {
        "" => Ok(None),
        text => text
            .parse::<u32>()
            .map(Some)
            .map_err(|_| Problem::bad(format!("{name}: expected a whole number"))),
    };
    let days = number(links::field::DAYS, &form.days)?;
    let days = days.map(|days| Until::Days(u16::try_from(days).unwrap_or(u16::MAX)));
    let said = Said {
        command_id: Some(form.command_id).filter(|id| !id.is_empty()),
        episode: number(links::field::EPISODE, &form.episode)?,
        // forms of other actions have no days
        until: days.filter(|_| what == Act::Snooze),
        note: form.note,
    };
    match act(&api.reader, &api.commands, caller, (id(alert_id)?, what), said).await {
        Ok(done) => Ok(page::notice(&done)),
        Err(problem) if problem.is(Kind::Conflict) => {
            Ok(Notice { good: false, text: problem.detail })
        }
        Err(problem) => Err(problem),
    }
}

fn set_notice(response: &mut Response, value: &str, seconds: u32) {
    let cookie = format!("{NOTICE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict");
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

fn read_notice(value: &str) -> Option<Notice> {
    let good = value.starts_with('1');
    let digits = value.get(1..)?.as_bytes();
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes: Option<Vec<u8>> =
        digits.chunks_exact(2).map(|pair| Some(digit(pair[0])? << 4 | digit(pair[1])?)).collect();
    let text = String::from_utf8(bytes?).ok()?;
    (!text.is_empty() && text.len() <= 1024).then_some(Notice { good, text })
}

/// A file that pages name; its address has a hash of its content, so that it may be kept.
async fn asset(uri: Uri, headers: HeaderMap) -> Response {
    let Some(asset) = assets::asset(uri.path()) else {
        let missing = Problem::not_found("file", uri.path());
        return before_sign_in(&missing);
    };
    let tag = format!("\"{}\"", asset.path);
    let known =
        headers.get(header::IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == tag.as_bytes());
    let code = if known { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
    let body = if known { "" } else { asset.content };
    let mut response = (code, body).into_response();
    for (name, value) in [
        (header::CONTENT_TYPE, asset.media_type),
        (header::CACHE_CONTROL, assets::CACHE_CONTROL),
        (header::ETAG, tag.as_str()),
    ] {
        if let Ok(value) = HeaderValue::from_str(value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
