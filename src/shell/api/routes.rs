//! The routes of `/api/v1`, each with its description.

use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::{Json, body::Bytes};
use serde::{Deserialize, Serialize};
use utoipa::{IntoResponses, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::access::Caller;
use super::act::{Said, Until, act};
use super::read::{accounts, alerts, customers, explain, marketing, pipeline, segments, today};
use super::respond::{Asked, Named, Refused, unread};
use crate::api::answer::{
    Account, AccountRow, Act, Alert, AlertDetail, Churn, Cohorts, Customer, CustomerRow, Done,
    Explanation, Lifecycles, Listed, Opportunities, Owners, PipelineState, Quadrant, RevenueAtRisk,
    Segments, Tiers, Time, Today,
};
use crate::api::filter::{
    AccountsQuery, AlertsQuery, AtRiskQuery, ChurnDimension, ChurnQuery, CustomersQuery, DaysQuery,
    ExplainQuery, OpportunitiesQuery, RiskDimension, SegmentDimension, SegmentsQuery, TodayQuery,
    id, moment,
};
use crate::api::problem::{Kind, Problem};

/// All of them, with their descriptions.
pub fn all() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(today_of))
        .routes(routes!(list_accounts))
        .routes(routes!(account))
        .routes(routes!(list_customers))
        .routes(routes!(customer))
        .routes(routes!(explanation))
        .routes(routes!(list_alerts))
        .routes(routes!(alert))
        .routes(routes!(do_it))
        .routes(routes!(segments_by))
        .routes(routes!(tiers))
        .routes(routes!(lifecycle))
        .routes(routes!(quadrant))
        .routes(routes!(cohorts))
        .routes(routes!(churn))
        .routes(routes!(opportunities))
        .routes(routes!(revenue_at_risk))
        .routes(routes!(owners))
        .routes(routes!(pipeline_state))
}

type Answer<T> = Result<Json<T>, Refused>;

/// What any route can refuse with.
#[derive(IntoResponses)]
#[allow(dead_code)]
enum Refusals {
    /// A parameter cannot be used.
    #[response(status = 400, content_type = "application/problem+json")]
    BadRequest(Problem),
    /// No token, or one that is not known.
    #[response(status = 401, content_type = "application/problem+json")]
    Unauthorized(Problem),
    /// There is no such thing.
    #[response(status = 404, content_type = "application/problem+json")]
    NotFound(Problem),
    /// Too many requests of this token.
    #[response(status = 429, content_type = "application/problem+json")]
    TooMany(Problem),
    /// ClickHouse is away or overloaded.
    #[response(status = 503, content_type = "application/problem+json")]
    Unavailable(Problem),
    /// It took too long.
    #[response(status = 504, content_type = "application/problem+json")]
    Timeout(Problem),
}

/// What an action can also refuse with.
#[derive(IntoResponses)]
#[allow(dead_code)]
enum ActRefusals {
    /// The role may not act on alerts, or the form is not of this session.
    #[response(status = 403, content_type = "application/problem+json")]
    Forbidden(Problem),
    /// The alert is in another phase or episode.
    #[response(status = 409, content_type = "application/problem+json")]
    Conflict(Problem),
    /// The body is too large.
    #[response(status = 413, content_type = "application/problem+json")]
    TooLarge(Problem),
    /// The body is not JSON.
    #[response(status = 415, content_type = "application/problem+json")]
    UnsupportedMediaType(Problem),
}

/// Accounts by what is at risk, with the alerts that say why
#[utoipa::path(get, path = "/today", tag = "accounts", params(TodayQuery),
    responses((status = 200, body = Today), Refusals))]
async fn today_of(State(api): State<Api>, Asked(query): Asked<TodayQuery>) -> Answer<Today> {
    Ok(Json(today::today(&api.reader, &query).await?))
}

/// Accounts
#[utoipa::path(get, path = "/accounts", tag = "accounts", params(AccountsQuery),
    responses((status = 200, body = Listed<AccountRow>), Refusals))]
async fn list_accounts(
    State(api): State<Api>,
    Asked(query): Asked<AccountsQuery>,
) -> Answer<Listed<AccountRow>> {
    Ok(Json(accounts::list(&api.reader, &query).await?))
}

/// An account with members, credit, alerts, timeline and history
#[utoipa::path(get, path = "/accounts/{account_id}", tag = "accounts",
    params(("account_id" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, body = Account), Refusals))]
async fn account(State(api): State<Api>, Named(account_id): Named<String>) -> Answer<Account> {
    Ok(Json(accounts::one(&api.reader, id(&account_id)?).await?))
}

/// Customers
#[utoipa::path(get, path = "/customers", tag = "customers", params(CustomersQuery),
    responses((status = 200, body = Listed<CustomerRow>), Refusals))]
async fn list_customers(
    State(api): State<Api>,
    Asked(query): Asked<CustomersQuery>,
) -> Answer<Listed<CustomerRow>> {
    Ok(Json(customers::list(&api.reader, &query).await?))
}

/// A customer with every signal, the explanation, credit, alerts, timeline and history
#[utoipa::path(get, path = "/customers/{customer_id}", tag = "customers",
    params(("customer_id" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, body = Customer), Refusals))]
async fn customer(State(api): State<Api>, Named(customer_id): Named<String>) -> Answer<Customer> {
    Ok(Json(customers::one(&api.reader, id(&customer_id)?).await?))
}

/// Why a customer's scores are what they are, at a moment and since another
#[utoipa::path(get, path = "/customers/{customer_id}/explanation", tag = "customers",
    params(("customer_id" = String, Path, min_length = 1, max_length = 256), ExplainQuery),
    responses((status = 200, body = Explanation), Refusals))]
async fn explanation(
    State(api): State<Api>,
    Named(customer_id): Named<String>,
    Asked(query): Asked<ExplainQuery>,
) -> Answer<Explanation> {
    let question = explain::Question {
        at_ms: moment("at", query.at.as_deref())?,
        since_ms: moment("since", query.since.as_deref())?,
    };
    Ok(Json(explain::of(&api.reader, id(&customer_id)?, question).await?))
}

/// Alerts
#[utoipa::path(get, path = "/alerts", tag = "alerts", params(AlertsQuery),
    responses((status = 200, body = Listed<Alert>), Refusals))]
async fn list_alerts(
    State(api): State<Api>,
    Asked(query): Asked<AlertsQuery>,
) -> Answer<Listed<Alert>> {
    Ok(Json(alerts::list(&api.reader, &query).await?))
}

/// An alert with the transitions of its episode
#[utoipa::path(get, path = "/alerts/{alert_id}", tag = "alerts",
    params(("alert_id" = String, Path, min_length = 1, max_length = 256)),
    responses((status = 200, body = AlertDetail), Refusals))]
async fn alert(State(api): State<Api>, Named(alert_id): Named<String>) -> Answer<AlertDetail> {
    Ok(Json(alerts::one(&api.reader, id(&alert_id)?).await?))
}

/// What an action says beside the alert; all of it can be left out, but for the end of a snooze.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
struct ActBody {
    /// The episode that was seen: with another one the action is refused.
    episode: Option<u32>,
    /// Until when, of a snooze: a moment of the pipeline's clock.
    until: Option<Time>,
    /// A note for the history, at most 256 characters.
    #[schema(max_length = 256)]
    note: Option<String>,
    /// 32 hexadecimal digits: the same action sent again with the same id takes effect once.
    #[schema(pattern = "^[0-9a-fA-F]{32}$")]
    command_id: Option<String>,
}

/// A body that may be left out.
type Body = Result<Bytes, BytesRejection>;

fn read(headers: &HeaderMap, body: &Bytes) -> Result<ActBody, Problem> {
    if body.is_empty() {
        return Ok(ActBody::default());
    }
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let essence = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/json") {
        return Err(Problem::new(Kind::UnsupportedMediaType, "send application/json"));
    }
    // a list would be taken for the fields in their order
    let wrong = |error: serde_json::Error| Problem::bad(format!("body: {error}"));
    let fields: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(body).map_err(wrong)?;
    serde_json::from_value(fields.into()).map_err(wrong)
}

/// What a person does about an alert
///
/// `acknowledge`: "I have it", nobody is called any more. `snooze`: "tell me again then", it fires again at `until` unless it has
/// ended. `resolve`: "this is done", ends it by hand. `reopen`: "this was not done", takes up again what was ended by hand.
#[utoipa::path(post, path = "/alerts/{alert_id}/{act}", tag = "alerts",
    params(("alert_id" = String, Path, min_length = 1, max_length = 256), ("act" = Act, Path)),
    request_body = Option<ActBody>, responses((status = 202, body = Done), Refusals, ActRefusals))]
async fn do_it(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    Named((alert_id, what)): Named<(String, String)>,
    headers: HeaderMap,
    body: Body,
) -> Result<(StatusCode, Json<Done>), Refused> {
    let what = Act::named(&what).ok_or_else(|| Problem::not_found("action", &what))?;
    let body = body.map_err(|rejection| unread(&rejection))?;
    let ActBody { episode, until, note, command_id } = read(&headers, &body)?;
    let said = Said {
        command_id,
        episode,
        until: until.map(Until::Moment),
        note: note.unwrap_or_default(),
    };
    let done = act(&api.reader, &api.commands, &caller, (id(&alert_id)?, what), said).await?;
    Ok((StatusCode::ACCEPTED, Json(done)))
}

/// What became of each part of the customers in 30 days
#[utoipa::path(get, path = "/segments", tag = "marketing", params(SegmentsQuery),
    responses((status = 200, body = Segments), Refusals))]
async fn segments_by(
    State(api): State<Api>,
    Asked(query): Asked<SegmentsQuery>,
) -> Answer<Segments> {
    let by = query.by.unwrap_or(SegmentDimension::Region);
    Ok(Json(segments::segments(&api.reader, by).await?))
}

/// Tiers as they stand, and moves between two days
#[utoipa::path(get, path = "/tiers", tag = "marketing", params(DaysQuery),
    responses((status = 200, body = Tiers), Refusals))]
async fn tiers(State(api): State<Api>, Asked(query): Asked<DaysQuery>) -> Answer<Tiers> {
    Ok(Json(marketing::tiers(&api.reader, &query).await?))
}

/// Customers by state of the lifecycle
#[utoipa::path(get, path = "/lifecycle", tag = "marketing",
    responses((status = 200, body = Lifecycles), Refusals))]
async fn lifecycle(State(api): State<Api>) -> Answer<Lifecycles> {
    Ok(Json(marketing::lifecycle(&api.reader).await?))
}

/// Customers by loyalty and satisfaction
#[utoipa::path(get, path = "/quadrant", tag = "marketing",
    responses((status = 200, body = Quadrant), Refusals))]
async fn quadrant(State(api): State<Api>) -> Answer<Quadrant> {
    Ok(Json(marketing::quadrant(&api.reader).await?))
}

/// Retention by month of the first purchase
#[utoipa::path(get, path = "/cohorts", tag = "marketing",
    responses((status = 200, body = Cohorts), Refusals))]
async fn cohorts(State(api): State<Api>) -> Answer<Cohorts> {
    Ok(Json(marketing::cohorts(&api.reader).await?))
}

/// Who was lost between two days
#[utoipa::path(get, path = "/churn", tag = "marketing", params(ChurnQuery),
    responses((status = 200, body = Churn), Refusals))]
async fn churn(State(api): State<Api>, Asked(query): Asked<ChurnQuery>) -> Answer<Churn> {
    let days = DaysQuery { from: query.from, to: query.to };
    let by = query.by.unwrap_or(ChurnDimension::All);
    Ok(Json(segments::churn(&api.reader, by, &days).await?))
}

/// Opportunities that stand, and what contacts have changed
#[utoipa::path(get, path = "/opportunities", tag = "marketing", params(OpportunitiesQuery),
    responses((status = 200, body = Opportunities), Refusals))]
async fn opportunities(
    State(api): State<Api>,
    Asked(query): Asked<OpportunitiesQuery>,
) -> Answer<Opportunities> {
    Ok(Json(marketing::opportunities(&api.reader, &query).await?))
}

/// Revenue at risk by region, industry, tier or account manager
#[utoipa::path(get, path = "/revenue-at-risk", tag = "marketing", params(AtRiskQuery),
    responses((status = 200, body = RevenueAtRisk), Refusals))]
async fn revenue_at_risk(
    State(api): State<Api>,
    Asked(query): Asked<AtRiskQuery>,
) -> Answer<RevenueAtRisk> {
    let by = query.by.unwrap_or(RiskDimension::Region);
    Ok(Json(segments::at_risk(&api.reader, by).await?))
}

/// Account managers
#[utoipa::path(get, path = "/owners", tag = "accounts",
    responses((status = 200, body = Owners), Refusals))]
async fn owners(State(api): State<Api>) -> Answer<Owners> {
    Ok(Json(segments::owners(&api.reader).await?))
}

/// Whether the numbers can be trusted, and up to when
#[utoipa::path(get, path = "/pipeline", tag = "pipeline",
    responses((status = 200, body = PipelineState), Refusals))]
async fn pipeline_state(State(api): State<Api>) -> Answer<PipelineState> {
    Ok(Json(pipeline::state(&api.reader, &api.board).await?))
}
