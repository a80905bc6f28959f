//! The HTTP interface `/api/v1` and the pages for people: who asks, what is read from ClickHouse, what is written back.
//!
//! Everything is read from the views, so that any copy can answer. What is asked for goes to ClickHouse as parameters;
//! what people do about alerts goes to the pipeline as a command.

pub mod access;
pub mod act;
mod guard;
mod kept;
mod pages;
pub mod read;
pub mod reader;
mod respond;
mod routes;
mod sign_in;
mod wheres;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::get;
use axum::{Json, Router};
use tokio::sync::Semaphore;
use utoipa::openapi::OpenApi as Description;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;

use access::Access;
use act::Commands;
use kept::Kept;
use reader::Reader;

use super::board::StatusBoard;
use super::settings::{ClickHouse, Http};
use crate::api::answer::Marketing;
use crate::api::problem::{Kind, Problem};
use crate::plan::Plan;
use respond::Refused;

/// Requests at once of those who are not known: this part of `http.concurrent_requests_max`.
const LOBBY_PART: usize = 4;

/// What the routes need; copies share it.
#[derive(Clone, Debug)]
pub struct Api(Arc<Parts>);

/// The parts of an [`Api`].
#[derive(Debug)]
pub struct Parts {
    /// Reads from ClickHouse.
    pub reader: Reader,
    /// What this copy says of itself.
    pub board: Arc<StatusBoard>,
    /// Writes to the pipeline.
    pub commands: Commands,
    access: Access,
    /// What the page of marketing last showed: the costliest of all answers.
    marketing: Kept<Marketing>,
    room: Semaphore,
    /// Room for whoever is not known: signing in, wrong tokens.
    lobby: Semaphore,
    longest: Duration,
    body_bytes_max: usize,
}

impl std::ops::Deref for Api {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl Api {
    /// Puts it together from the settings. Nothing is asked yet.
    ///
    /// # Errors
    /// When the file of tokens, the certificates or the name of the database cannot be used; in words.
    pub fn new(
        (http, clickhouse): (&Http, &ClickHouse),
        plan: &Arc<Plan>,
        board: &Arc<StatusBoard>,
        commands: Commands,
    ) -> Result<Self, String> {
        let longest = Duration::from_millis(http.request_timeout_ms);
        Ok(Self(Arc::new(Parts {
            reader: Reader::new(clickhouse, plan, longest)?,
            board: Arc::clone(board),
            commands,
            access: Access::load(http)?,
            marketing: Kept::default(),
            room: Semaphore::new(http.concurrent_requests_max),
            lobby: Semaphore::new((http.concurrent_requests_max / LOBBY_PART).max(1)),
            longest,
            body_bytes_max: http.body_bytes_max,
        })))
    }

    /// Begins to ask for what takes longest, so that it is there when somebody looks. Where ClickHouse is not there yet, nothing is.
    pub fn warm(&self) {
        let api = self.clone();
        drop(tokio::spawn(async move { pages::kept_marketing(&api).await.is_ok() }));
    }

    /// The routes.
    pub fn router(&self) -> Router {
        let (routes, _) = described();
        let routes = routes
            .fallback(|| async { unknown() })
            .method_not_allowed_fallback(|| async { Refused(wrong_method()) })
            .layer(from_fn_with_state(self.clone(), guard::api))
            .layer(DefaultBodyLimit::max(self.body_bytes_max))
            .with_state(self.clone());
        Router::new()
            // it holds no data: tools read it before they have a token
            .route("/api/v1/openapi.json", get(|| async { Json(openapi()) }))
            .nest("/api/v1", routes)
            .merge(self.pages())
            .layer(from_fn_with_state(self.clone(), guard::limited))
            .layer(from_fn(guard::headers))
    }

    fn pages(&self) -> Router {
        pages::routes(self)
            .layer(DefaultBodyLimit::max(self.body_bytes_max))
            .with_state(self.clone())
    }
}

fn unknown() -> Refused {
    Refused(Problem::new(
        Kind::NotFound,
        "there is no such address; /api/v1/openapi.json has them all",
    ))
}

fn wrong_method() -> Problem {
    Problem::new(Kind::MethodNotAllowed, "the address is right, the method is not")
}

/// The routes and their description.
fn described() -> (Router<Api>, Description) {
    OpenApiRouter::with_openapi(Root::openapi()).merge(routes::all()).split_for_parts()
}

/// The description of the API, made from its code.
pub fn openapi() -> Description {
    described().1
}

#[derive(OpenApi)]
#[openapi(
    info(
        title = "retain",
        description = "Accounts, customers, alerts and the state of the pipeline. Amounts that end in _minor are whole minor \
            units of `standing.currency`; what is not known is null. Errors are problem details (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    servers((url = "/api/v1")),
    tags(
        (name = "accounts", description = "Accounts and account managers"),
        (name = "customers", description = "Customers and why their scores are what they are"),
        (name = "alerts", description = "Alerts and what people do about them"),
        (name = "marketing", description = "Where value is and where it is going"),
        (name = "pipeline", description = "Whether the numbers can be trusted, and up to when"),
    ),
    components(schemas(Problem)),
    security(("token" = [])),
    modifiers(&Tokens)
)]
struct Root;

struct Tokens;

impl Modify for Tokens {
    fn modify(&self, description: &mut Description) {
        let text =
            "A token of http.tokens_file. Roles: viewer looks, operator also acts on alerts.";
        let scheme = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).description(Some(text));
        let components = description.components.get_or_insert_default();
        components.add_security_scheme("token", SecurityScheme::Http(scheme.build()));
    }
}
