//! What the API answers, by subject, and what all answers share: moments, where the figures come from, pages of a list.
//!
//! Amounts that end in `_minor` are whole minor units of [`Standing::currency`]. What is not known is `null`, texts that
//! nobody said are empty. These structs are the contract: OpenAPI is generated from them.

mod account;
mod alert;
mod customer;
mod explanation;
mod marketing;
mod pipeline;
mod today;

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;

pub use account::{Account, AccountPoint, AccountRow, EntityCredit, Happening, Member, Pace, Part};
pub use alert::{Act, Alert, AlertDetail, Done};
pub use customer::{Customer, CustomerPoint, CustomerRow, Proposal, SignalValue};
pub use explanation::{
    Band, Behind, Change, Contribution, Crossing, Effect, EventsRead, Explanation, FromRow, Lever,
    Movement, Note, RowCheck, Score, Since, Unknown,
};
pub use marketing::{
    AtRisk, Churn, ChurnRow, Cohort, CohortMonth, Cohorts, GoalEffect, GoalOpportunities,
    LifecycleCount, Lifecycles, Marketing, Opportunities, Owner, Owners, Quadrant, QuadrantCell,
    RevenueAtRisk, Segment, Segments, TierCount, TierMove, Tiers,
};
pub use pipeline::{
    AlertLoad, Beside, CopyShard, CopyState, Outcomes, PipelineState, ShardState, SourceState,
    Verdict,
};
pub use today::{Today, TodayRow, TodaySummary};

/// A moment in milliseconds since 1970: RFC 3339 (UTC, with milliseconds) in JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ToSchema)]
#[schema(value_type = String, format = DateTime, example = "2026-01-31T10:42:07.000Z")]
pub struct Time(pub i64);

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{time:.3}"),
            // beyond the calendar: ClickHouse's own range ends long before
            Err(_) => write!(f, "{}", if self.0 < 0 { Timestamp::MIN } else { Timestamp::MAX }),
        }
    }
}

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Time {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let time = text.parse::<Timestamp>().map_err(serde::de::Error::custom)?;
        Ok(Self(time.as_millisecond()))
    }
}

/// Where the figures of an answer come from, and how far they can be trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Standing {
    /// Name of the pipeline.
    pub pipeline: String,
    /// Everything up to here is counted: the earliest of all shards. Null before the first cycle, or while a shard has
    /// not said so.
    pub complete_to: Option<Time>,
    /// The pipeline's clock; with a simulated clock that is not the present.
    pub clock: Option<Time>,
    /// Whether the clock is simulated.
    pub simulated: bool,
    /// ISO 4217 code of all amounts.
    #[schema(example = "EUR")]
    pub currency: String,
    /// Decimal places of the currency: amounts are to be divided by 10 to this power.
    pub minor_digits: u32,
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct List<T> {
    /// The rows, in the order that was asked for.
    pub items: Vec<T>,
    /// How many rows there are on all pages.
    pub total: u64,
    /// Give this as `cursor` for the next page; null on the last one.
    pub next: Option<String>,
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self { items: Vec::new(), total: 0, next: None }
    }
}

/// A page of a list, and where its figures come from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Listed<T> {
    /// Where the figures come from.
    pub standing: Standing,
    /// The rows.
    #[serde(flatten)]
    pub list: List<T>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_rfc_3339_there_and_back() {
        for ms in [0, 1_767_600_000_123, -1, 253_402_207_200_000] {
            let text = serde_json::to_string(&Time(ms)).unwrap();
            assert_eq!(serde_json::from_str::<Time>(&text).unwrap(), Time(ms), "{text}");
        }
        assert_eq!(Time(1_767_600_000_123).to_string(), "2026-01-05T08:00:00.123Z");
    }

    #[test]
    fn moments_beyond_the_calendar_are_its_ends() {
        assert!(Time(i64::MAX).to_string().starts_with("9999-"));
        assert!(Time(i64::MIN).to_string().starts_with('-'));
    }
}
