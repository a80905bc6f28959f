//! What a list can be asked for: filters, sorts and limits, checked before anything is read.
//!
//! Sorts and sets are closed, so that no text of a request is ever part of SQL; the texts of filters go as parameters.

mod words;

use serde::{Deserialize, Serialize};
use utoipa::IntoParams;

pub use words::{
    AccountSort, AlertSort, ChurnDimension, CustomerSort, GoalFilter, Order, PhaseFilter,
    RiskDimension, SegmentDimension, SeverityFilter, word,
};

use super::cursor::{Position, question};
use super::problem::Problem;

/// Rows of a page unless asked otherwise, and at most.
const LIMIT: u32 = 50;
const LIMIT_MAX: u32 = 200;
/// Longest text of a filter or an id, characters.
pub const TEXT_MAX: usize = 256;

/// Where a page begins, how long it is, and which way it is sorted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paging {
    /// Most rows.
    pub limit: u32,
    /// Which way.
    pub order: Order,
    /// What the cursors of this question are told by.
    pub question: u64,
    /// The last row of the page before.
    pub after: Option<Position>,
}

/// Accounts, by what is at risk unless asked otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AccountsQuery {
    /// Only those of this account manager; empty: those without one.
    pub owner: Option<String>,
    /// Only those of this region.
    pub region: Option<String>,
    /// Only those of this industry.
    pub industry: Option<String>,
    /// Only those whose risk is at least this, 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    pub risk_from: Option<f64>,
    /// Only those whose risk is below this, 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    pub risk_below: Option<f64>,
    /// Only key accounts, or only others.
    pub key: Option<bool>,
    /// Only those whose name or id has this text in it, in whatever case.
    #[param(max_length = 256)]
    pub text: Option<String>,
    /// What to sort by; at_risk unless said.
    #[param(inline)]
    pub sort: Option<AccountSort>,
    /// Which way; desc unless said (asc by name).
    #[param(inline)]
    pub order: Option<Order>,
    /// Most rows, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Customers, by what is at risk unless asked otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CustomersQuery {
    /// Only those of this account manager; empty: those without one.
    pub owner: Option<String>,
    /// Only those of this region.
    pub region: Option<String>,
    /// Only those of this industry.
    pub industry: Option<String>,
    /// Only those of this account.
    pub account: Option<String>,
    /// Only those of this tier; empty: those without one.
    pub tier: Option<String>,
    /// Only those in this state of the lifecycle.
    pub lifecycle: Option<String>,
    /// Only those in this quadrant of loyalty and satisfaction.
    pub quadrant: Option<String>,
    /// Only those whose risk is at least this, 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    pub risk_from: Option<f64>,
    /// Only those whose risk is below this, 0 to 1.
    #[param(minimum = 0, maximum = 1)]
    pub risk_below: Option<f64>,
    /// Only key customers, or only others.
    pub key: Option<bool>,
    /// Only those whose name or id has this text in it, in whatever case.
    #[param(max_length = 256)]
    pub text: Option<String>,
    /// What to sort by; at_risk unless said.
    #[param(inline)]
    pub sort: Option<CustomerSort>,
    /// Which way; desc unless said (asc by name).
    #[param(inline)]
    pub order: Option<Order>,
    /// Most rows, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Alerts, the open ones by severity unless asked otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AlertsQuery {
    /// Only those of this account manager; empty: those without one.
    pub owner: Option<String>,
    /// Only those of this region.
    pub region: Option<String>,
    /// How they stand; open unless said.
    #[param(inline)]
    pub phase: Option<PhaseFilter>,
    /// Only those that are at least as bad.
    #[param(inline)]
    pub severity_from: Option<SeverityFilter>,
    /// Only those of this rule.
    pub rule: Option<String>,
    /// Only those of this account and its members.
    pub account: Option<String>,
    /// Only those of this customer.
    pub customer: Option<String>,
    /// What to sort by; severity unless said.
    #[param(inline)]
    pub sort: Option<AlertSort>,
    /// Which way; desc unless said.
    #[param(inline)]
    pub order: Option<Order>,
    /// Most rows, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Whose day is shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TodayQuery {
    /// Only accounts of this account manager.
    pub owner: Option<String>,
    /// Only accounts of this region.
    pub region: Option<String>,
    /// Most rows, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
    /// `next` of the page before.
    pub cursor: Option<String>,
}

/// Two days. Unless said, the last 90 days of the pipeline's clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DaysQuery {
    /// The earlier day, `2026-01-31`: as of its end.
    #[param(format = Date)]
    pub from: Option<String>,
    /// The later day: as of its end.
    #[param(format = Date)]
    pub to: Option<String>,
}

/// By what churn is told, between two days.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChurnQuery {
    /// By what; all unless said.
    #[param(inline)]
    pub by: Option<ChurnDimension>,
    /// The earlier day, `2026-01-31`: as of its end.
    #[param(format = Date)]
    pub from: Option<String>,
    /// The later day: as of its end.
    #[param(format = Date)]
    pub to: Option<String>,
}

/// By what segments are told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SegmentsQuery {
    /// By what; region unless said.
    #[param(inline)]
    pub by: Option<SegmentDimension>,
}

/// By what revenue at risk is told.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AtRiskQuery {
    /// By what; region unless said.
    #[param(inline)]
    pub by: Option<RiskDimension>,
}

/// Which opportunities.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OpportunitiesQuery {
    /// Only those of this goal.
    #[param(inline)]
    pub goal: Option<GoalFilter>,
    /// Only those of this account manager.
    pub owner: Option<String>,
    /// The best so many of each goal, 1 to 200; 50 unless said.
    #[param(minimum = 1, maximum = 200)]
    pub limit: Option<u32>,
}

/// At which moment a customer's scores are explained.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ExplainQuery {
    /// As of this moment (RFC 3339); the present unless said.
    #[param(format = DateTime)]
    pub at: Option<String>,
    /// Also what has changed since this earlier moment (RFC 3339).
    #[param(format = DateTime)]
    pub since: Option<String>,
}

impl AccountsQuery {
    /// What to sort by.
    pub fn sorted_by(&self) -> AccountSort {
        self.sort.unwrap_or_default()
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The first thing that cannot be used.
    pub fn paging(&self) -> Result<Paging, Problem> {
        texts(&[&self.owner, &self.region, &self.industry, &self.text])?;
        risks([self.risk_from, self.risk_below])?;
        let ascending = self.sorted_by() == AccountSort::Name;
        let plain = Self { cursor: None, limit: None, ..self.clone() };
        paging("accounts", &plain, (self.order, ascending), self.limit, self.cursor.as_deref())
    }
}

impl CustomersQuery {
    /// What to sort by.
    pub fn sorted_by(&self) -> CustomerSort {
        self.sort.unwrap_or_default()
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The first thing that cannot be used.
    pub fn paging(&self) -> Result<Paging, Problem> {
        texts(&[&self.owner, &self.region, &self.industry, &self.account, &self.tier])?;
        texts(&[&self.lifecycle, &self.quadrant, &self.text])?;
        risks([self.risk_from, self.risk_below])?;
        let ascending = self.sorted_by() == CustomerSort::Name;
        let plain = Self { cursor: None, limit: None, ..self.clone() };
        paging("customers", &plain, (self.order, ascending), self.limit, self.cursor.as_deref())
    }
}

impl AlertsQuery {
    /// What to sort by.
    pub fn sorted_by(&self) -> AlertSort {
        self.sort.unwrap_or_default()
    }

    /// Checks everything.
    ///
    /// # Errors
    /// The first thing that cannot be used.
    pub fn paging(&self) -> Result<Paging, Problem> {
        texts(&[&self.owner, &self.region, &self.rule, &self.account, &self.customer])?;
        let plain = Self { cursor: None, limit: None, ..self.clone() };
        paging("alerts", &plain, (self.order, false), self.limit, self.cursor.as_deref())
    }
}

impl TodayQuery {
    /// The list of accounts behind it.
    pub fn accounts(&self) -> AccountsQuery {
        AccountsQuery {
            owner: self.owner.clone(),
            region: self.region.clone(),
            limit: self.limit,
            cursor: self.cursor.clone(),
            ..AccountsQuery::default()
        }
    }
}

impl OpportunitiesQuery {
    /// How many of each goal.
    ///
    /// # Errors
    /// When that is too many, or a text too long.
    pub fn checked(&self) -> Result<u32, Problem> {
        texts(&[&self.owner])?;
        limit(self.limit)
    }
}

/// An id of an address.
///
/// # Errors
/// When it is empty or too long to be one.
pub fn id(text: &str) -> Result<&str, Problem> {
    if text.is_empty() || text.chars().count() > TEXT_MAX {
        return Err(Problem::bad(format!("an id has 1 to {TEXT_MAX} characters")));
    }
    Ok(text)
}

/// A moment of a request, milliseconds.
///
/// # Errors
/// When it is none.
pub fn moment(name: &str, text: Option<&str>) -> Result<Option<i64>, Problem> {
    let read = |text: &str| match text.parse::<jiff::Timestamp>() {
        Ok(time) => Ok(time.as_millisecond()),
        Err(_) => {
            Err(Problem::bad(format!("{name}: expected a moment such as 2026-01-31T10:42:07Z")))
        }
    };
    text.map(read).transpose()
}

/// A day of a request, in its one spelling.
///
/// # Errors
/// When it is none, or beyond what ClickHouse has days for.
pub fn day(name: &str, text: Option<&str>) -> Result<Option<String>, Problem> {
    let read = |text: &str| match text.parse::<jiff::civil::Date>() {
        // the range of the type Date
        Ok(day) if (1970..=2148).contains(&day.year()) => Ok(day.to_string()),
        _ => Err(Problem::bad(format!("{name}: expected a day such as 2026-01-31"))),
    };
    text.map(read).transpose()
}

fn texts(all: &[&Option<String>]) -> Result<(), Problem> {
    let long = all.iter().any(|t| t.as_ref().is_some_and(|t| t.chars().count() > TEXT_MAX));
    if long {
        return Err(Problem::bad(format!("a filter has at most {TEXT_MAX} characters")));
    }
    Ok(())
}

fn risks(all: [Option<f64>; 2]) -> Result<(), Problem> {
    if all.into_iter().flatten().all(|risk| (0.0..=1.0).contains(&risk)) {
        return Ok(());
    }
    Err(Problem::bad("risk_from and risk_below are numbers from 0 to 1"))
}

fn limit(asked: Option<u32>) -> Result<u32, Problem> {
    let limit = asked.unwrap_or(LIMIT);
    if (1..=LIMIT_MAX).contains(&limit) {
        return Ok(limit);
    }
    Err(Problem::bad(format!("limit: expected 1 to {LIMIT_MAX}, found {limit}")))
}

/// `plain` is the query without cursor and limit: pages of different lengths may follow each other.
fn paging<T: Serialize>(
    list: &str,
    plain: &T,
    (order, ascending): (Option<Order>, bool),
    rows: Option<u32>,
    cursor: Option<&str>,
) -> Result<Paging, Problem> {
    let usual = if ascending { Order::Asc } else { Order::Desc };
    let asked = serde_json::to_string(plain).map_err(|e| Problem::bad(e.to_string()))?;
    let question = question(&[list, &asked]);
    let after = cursor.map(|text| Position::decode(text, question)).transpose()?;
    Ok(Paging { limit: limit(rows)?, order: order.unwrap_or(usual), question, after })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::api::cursor::Key;

    #[test]
    fn what_cannot_be_used_is_refused() {
        let long = "x".repeat(TEXT_MAX + 1);
        let wrong = [
            AccountsQuery { limit: Some(0), ..AccountsQuery::default() },
            AccountsQuery { limit: Some(201), ..AccountsQuery::default() },
            AccountsQuery { risk_from: Some(1.1), ..AccountsQuery::default() },
            AccountsQuery { risk_below: Some(f64::NAN), ..AccountsQuery::default() },
            AccountsQuery { text: Some(long), ..AccountsQuery::default() },
            AccountsQuery { cursor: Some("x".into()), ..AccountsQuery::default() },
        ];
        for query in wrong {
            assert_eq!(query.paging().unwrap_err().status, 400, "{query:?}");
        }
    }

    #[test]
    fn a_cursor_goes_with_its_filters_and_not_with_its_limit() {
        let query = AccountsQuery { owner: Some("o7".into()), ..AccountsQuery::default() };
        let last = Position { key: Key::Number(4), id: "A".into() };
        let cursor = Some(last.encode(query.paging().unwrap().question));
        let next = AccountsQuery { cursor: cursor.clone(), limit: Some(3), ..query };
        assert_eq!(next.paging().unwrap().after, Some(last));
        let other = AccountsQuery { cursor, ..AccountsQuery::default() };
        assert!(other.paging().unwrap_err().kind.ends_with("bad_cursor"));
    }

    #[test]
    fn names_go_up_and_everything_else_down() {
        let by_name = AccountsQuery { sort: Some(AccountSort::Name), ..AccountsQuery::default() };
        assert_eq!(by_name.paging().unwrap().order, Order::Asc);
        assert_eq!(CustomersQuery::default().paging().unwrap().order, Order::Desc);
        assert_eq!(AlertsQuery::default().paging().unwrap().limit, 50);
    }

    #[test]
    fn days_and_moments_are_read_or_refused() {
        assert_eq!(day("from", Some("2026-01-31")).unwrap().as_deref(), Some("2026-01-31"));
        assert_eq!(moment("at", Some("1970-01-01T00:00:01Z")).unwrap(), Some(1000));
        assert_eq!((day("from", None).unwrap(), moment("at", None).unwrap()), (None, None));
        for text in ["", "yesterday", "2026-02-30", "1969-12-31", "9999-01-01"] {
            assert!(day("from", Some(text)).is_err(), "{text}");
        }
        assert!(moment("at", Some("2026-01-31")).is_err());
    }
}
