//! Why a customer's scores are what they are: the same as `retain explain`, as an answer of the API.

use crate::api::answer::Explanation;
use crate::api::problem::{Kind, Problem};
use crate::explain::Asked;
use crate::shell::api::reader::{Reader, refused};
use crate::shell::cmd_explain::{Most, read};

/// How much one explanation is told from: less than the command reads, since others wait.
const MOST: Most = Most { events: 5_000, bytes: 16 << 20 };

/// What is asked beside the customer.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// As of when; `None` = the present.
    pub at_ms: Option<i64>,
    /// The earlier moment to compare with.
    pub since_ms: Option<i64>,
}

/// Explains a customer's scores.
///
/// # Errors
/// When there is no such customer, the moments are the wrong way round, or what ClickHouse refuses.
pub async fn of(
    reader: &Reader,
    customer_id: &str,
    question: Question,
) -> Result<Explanation, Problem> {
    let internal = |what: &str| Problem::new(Kind::Internal, format!("the explanation {what}"));
    if reader.plan.accounts.is_some() {
        let detail =
            "this copy runs a pipeline of accounts: a copy that runs that of customers explains";
        return Err(Problem::new(Kind::Unavailable, detail));
    }
    // each keeps a core busy: the others wait, within the time of their request
    let turn = reader.explaining.clone().acquire_owned().await;
    let turn = turn.map_err(|_| internal("cannot begin: the process ends"))?;
    let held = read(&reader.client, &reader.views, reader.plan.key, customer_id, MOST).await;
    let Some(held) = held.map_err(|error| refused(&error))? else {
        return Err(Problem::not_found("customer", customer_id));
    };
    let (plan, kept_days) = (reader.plan.clone(), reader.kept_days);
    let asked = Asked {
        customer: customer_id.to_owned(),
        at_ms: question.at_ms,
        since_ms: question.since_ms,
    };
    let computed = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        held.explain(&plan, &asked, kept_days)
    });
    let explanation = computed.await.map_err(|_| internal("failed"))?;
    let explanation = explanation.map_err(|error| Problem::bad(error.to_string()))?;
    // the same fields on both sides (docs/explain.md), held by a test
    let json = serde_json::to_value(&explanation).map_err(|_| internal("cannot be written"))?;
    serde_json::from_value(json).map_err(|_| internal("is not as this version expects it"))
}
