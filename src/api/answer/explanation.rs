//! Why a customer's scores are what they are: the answer of `retain explain --json` (docs/explain.md), field for field.
//!
//! The explanation itself lies above this layer; it is brought here through its JSON, which a test holds against these
//! structs.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// The whole explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Version of the shape; raised when a field goes or changes its meaning.
    pub format: u8,
    /// The customer.
    pub customer_id: String,
    /// The moment that is explained.
    pub at: Time,
    /// Until when the pipeline is complete for this customer.
    pub complete_to: Option<Time>,
    /// `events`: judged from the events at that moment; `row`: as the row has it, since the events that are still held do
    /// not give it any more.
    pub told_from: String,
    /// Version of the model of the definition.
    pub model_version: u64,
    /// Churn risk; null for who has neither bought nor a contract.
    pub risk: Option<Score>,
    /// Loyalty; null likewise.
    pub loyalty: Option<Score>,
    /// What changed since an earlier moment, if that was asked.
    pub since: Option<Since>,
    /// What the customer's row says, and whether the events say the same.
    pub row: RowCheck,
    /// What only comparing all customers tells, and master data: taken from the row.
    pub from_row: FromRow,
    /// How many events it is told from.
    pub events: EventsRead,
    /// What is not known, no longer held or to be read with care.
    pub notes: Vec<Note>,
}

/// A score with its explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Score {
    /// Risk in (0, 1); loyalty in (0, 100).
    pub score: f64,
    /// That of the reference customer, on the same scale.
    pub reference: f64,
    /// Percentage points (loyalty: points) beyond the reference; the sum of all contributions' points.
    pub points: f64,
    /// The band.
    pub band: Option<Band>,
    /// Every known input, the largest contribution first.
    pub contributions: Vec<Contribution>,
    /// Inputs of the score that are not known; they moved nothing.
    pub unknown: Vec<Unknown>,
    /// What single change would cross the next band, up and down.
    pub crossings: Vec<Crossing>,
}

/// A band of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Band {
    /// Its number, 0 is the lowest.
    pub level: usize,
    /// How many bands there are.
    pub of: usize,
    /// Its name.
    pub name: String,
    /// Since when, where that is known.
    pub since: Option<Time>,
}

/// An input that is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unknown {
    /// Its name in tables and definitions.
    pub input: String,
    /// What it is about, in a sentence.
    pub meaning: String,
}

/// What one input contributes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Contribution {
    /// Its name in tables and definitions.
    pub input: String,
    /// What it is about, in a sentence.
    pub meaning: String,
    /// What is the case, in a sentence.
    pub statement: String,
    /// The value on the scale of the score.
    pub z: f64,
    /// Log-odds per unit of `z`.
    pub weight: f64,
    /// `fitted`, `definition`, or `expert_prior`: a judgement of direction and rough size, with no data behind it.
    pub basis: String,
    /// Log-odds beyond the reference customer's.
    pub log_odds: f64,
    /// Points beyond the reference customer's score.
    pub points: f64,
    /// The events with the largest effects on it.
    pub events: Behind,
}

/// Events behind something: the largest effects, and the rest as numbers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Behind {
    /// `left_out`: what would go without the one event, which need not add up; `in_turn`: what each event added to those
    /// before it, which does.
    pub measure: String,
    /// The largest effects first.
    pub largest: Vec<Effect>,
    /// How many others have an effect.
    pub others: usize,
    /// The sum of their effects, points.
    pub others_points: f64,
}

/// An event and its effect.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Effect {
    /// Kafka topic.
    pub topic: String,
    /// Kafka partition.
    pub partition: u16,
    /// Kafka offset.
    pub offset: i64,
    /// Event time.
    pub ts: Time,
    /// What it was.
    pub what: String,
    /// Log-odds, as the measure says.
    pub log_odds: f64,
    /// The same in points of this score.
    pub points: f64,
}

/// An edge of a band, and the changes of which each alone would be enough to cross it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Crossing {
    /// `up`: at or above the edge; `down`: below it.
    pub direction: String,
    /// The score at the edge, on the scale of the score.
    pub edge: f64,
    /// The band that would be entered.
    pub to: String,
    /// The changes, in the order of the inputs; empty when none alone is enough.
    pub changes: Vec<Lever>,
}

/// One input that alone would cross an edge.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Lever {
    /// Its name in tables and definitions.
    pub input: String,
    /// What it is about, in a sentence.
    pub meaning: String,
    /// What would have to be the case.
    pub needed: String,
    /// What is the case.
    pub now: String,
    /// The value needed, on the scale of the score.
    pub z_needed: f64,
}

/// The comparison with an earlier moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Since {
    /// The earlier moment.
    pub at: Time,
    /// Churn risk.
    pub risk: Option<Movement>,
    /// Loyalty.
    pub loyalty: Option<Movement>,
}

/// How a score moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Movement {
    /// Before; null when there was none.
    pub before: Option<f64>,
    /// After; null when there is none.
    pub after: Option<f64>,
    /// Points from before to after, where there are both.
    pub points: Option<f64>,
    /// Inputs that moved, the largest change first.
    pub changes: Vec<Change>,
}

/// How one input moved.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// Its name in tables and definitions.
    pub input: String,
    /// What it is about, in a sentence.
    pub meaning: String,
    /// What was the case; null when it was not known.
    pub before: Option<String>,
    /// What is the case; null when it is not known.
    pub after: Option<String>,
    /// Log-odds after less those before.
    pub log_odds: f64,
    /// Points of the way from the score before to the score after.
    pub points: f64,
    /// Points that time alone would have brought, without any event in between.
    pub time_alone_points: f64,
    /// The events in between.
    pub events: Behind,
}

/// What the row says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RowCheck {
    /// When it was judged.
    pub judged_at: Time,
    /// By which version of the model.
    pub model_version: u64,
    /// The risk.
    pub risk: Option<f64>,
    /// Loyalty.
    pub loyalty: Option<f64>,
    /// Whether the events give the same scores and contributions at that moment; null when the row was judged by another
    /// model.
    pub agrees: Option<bool>,
    /// The largest difference of a contribution, log-odds.
    pub largest_difference: f64,
}

/// What is taken from the row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FromRow {
    /// State of the lifecycle.
    pub lifecycle: String,
    /// Tier.
    pub tier: Option<String>,
    /// Since when.
    pub tier_since: Option<Time>,
    /// ABC class.
    pub abc: Option<String>,
    /// Whether it is a key customer.
    pub key_customer: bool,
    /// Region.
    pub region: Option<String>,
    /// Industry.
    pub industry: Option<String>,
    /// Segment.
    pub segment: Option<String>,
    /// Owner.
    pub owner_id: Option<String>,
}

/// How many events an explanation is told from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventsRead {
    /// Events up to the moment explained that are still held.
    pub held: usize,
    /// Of them visits, of which only the beginning is held.
    pub visits: usize,
    /// Those that the definition cannot read.
    pub unreadable: usize,
    /// How many were left out, one at a time, to see what they are worth.
    pub left_out: usize,
}

/// Something to know beside the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Note {
    /// What it is about, stable.
    pub code: String,
    /// The sentence.
    pub text: String,
}
