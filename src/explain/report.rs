//! The answer as a value: what the text is written from, and what `--json` prints (docs/explain.md, stable).

use std::fmt;

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// Version of the shape of the JSON: raised when a field goes or changes its meaning.
pub const FORMAT: u8 = 1;

/// A moment: RFC 3339 in JSON, to the minute in texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct At(pub i64);

impl At {
    /// RFC 3339, UTC.
    pub fn rfc3339(self) -> String {
        let time = Timestamp::from_millisecond(self.0);
        time.map_or_else(|_| format!("{} ms", self.0), |time| time.to_string())
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_millisecond(self.0) {
            Ok(time) => write!(f, "{}", time.strftime("%Y-%m-%d %H:%M")),
            Err(_) => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for At {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.rfc3339())
    }
}

/// The whole answer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explanation {
    /// [`FORMAT`].
    pub format: u8,
    /// The customer.
    pub customer_id: String,
    /// The moment that is explained.
    pub at: At,
    /// Until when the pipeline is complete for this customer.
    pub complete_to: Option<At>,
    /// Where the scores come from.
    pub told_from: ToldFrom,
    /// Version of the model of the definition, as in the column `model_version`.
    pub model_version: u64,
    /// Churn risk; `null` for who has neither bought nor a contract.
    pub risk: Option<Score>,
    /// Loyalty; `null` likewise.
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

/// Where the scores of an explanation come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ToldFrom {
    /// From the events, judged at the moment asked for.
    Events,
    /// From the row, as of when it was judged: the events that are held do not give it any more.
    Row,
}

/// A score with its explanation.
#[derive(Clone, Debug, PartialEq, Serialize)]
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
    pub unknown: Vec<Input>,
    /// What single change would cross the next band, up and down.
    pub crossings: Vec<Crossing>,
}

/// A band of a score.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Band {
    /// Its number, 0 is the lowest.
    pub level: usize,
    /// How many bands there are.
    pub of: usize,
    /// Its name.
    pub name: String,
    /// Since when, where that is known.
    pub since: Option<At>,
}

/// An input of a score.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Input {
    /// Its name in tables and definitions.
    pub input: &'static str,
    /// What it is about, in a sentence.
    pub meaning: &'static str,
}

/// What one input contributes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Contribution {
    /// The input.
    #[serde(flatten)]
    pub input: Input,
    /// What is the case, in a sentence.
    pub statement: String,
    /// The value on the scale of the score.
    pub z: f64,
    /// Log-odds per unit of `z`.
    pub weight: f64,
    /// `fitted` or `expert_prior`.
    pub basis: &'static str,
    /// Log-odds beyond the reference customer's.
    pub log_odds: f64,
    /// Points beyond the reference customer's score.
    pub points: f64,
    /// The events with the largest effects on it.
    pub events: Behind,
}

/// Events behind something: the largest effects, and the rest as numbers.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Behind {
    /// The largest effects first.
    pub largest: Vec<Effect>,
    /// How many others have an effect.
    pub others: usize,
    /// The sum of their effects, points.
    pub others_points: f64,
}

/// An event, and what would go without it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Effect {
    /// Kafka topic.
    pub topic: String,
    /// Kafka partition.
    pub partition: u16,
    /// Kafka offset.
    pub offset: i64,
    /// Event time.
    pub ts: At,
    /// What it was.
    pub what: String,
    /// Log-odds of the contribution with it, less those without it.
    pub log_odds: f64,
    /// The same in points of this score.
    pub points: f64,
}

/// An edge of a band, and the changes of which each alone would be enough to cross it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Crossing {
    /// `up`: at or above the edge; `down`: below it.
    pub direction: &'static str,
    /// The score at the edge, on the scale of the score.
    pub edge: f64,
    /// The band that would be entered.
    pub to: String,
    /// The changes, in the order of the inputs; empty when none alone is enough.
    pub changes: Vec<Lever>,
}

/// One input that alone would cross an edge.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Lever {
    /// The input.
    #[serde(flatten)]
    pub input: Input,
    /// What would have to be the case.
    pub needed: String,
    /// What is the case; `null` where it is not known.
    pub now: Option<String>,
    /// The value needed, on the scale of the score.
    pub z_needed: f64,
}

/// The comparison with an earlier moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Since {
    /// The earlier moment.
    pub at: At,
    /// Churn risk.
    pub risk: Option<Movement>,
    /// Loyalty.
    pub loyalty: Option<Movement>,
}

/// How a score moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Movement {
    /// Before; `null` when there was none.
    pub before: Option<f64>,
    /// After; `null` when there is none.
    pub after: Option<f64>,
    /// Points from before to after, where there are both.
    pub points: Option<f64>,
    /// Inputs that moved, the largest change first.
    pub changes: Vec<Change>,
}

/// How one input moved.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Change {
    /// The input.
    #[serde(flatten)]
    pub input: Input,
    /// What was the case; `null` when it was not known.
    pub before: Option<String>,
    /// What is the case; `null` when it is not known.
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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RowCheck {
    /// When it was judged.
    pub judged_at: At,
    /// By which version of the model.
    pub model_version: u64,
    /// The risk.
    pub risk: Option<f64>,
    /// Loyalty.
    pub loyalty: Option<f64>,
    /// Whether the events give the same scores and contributions (to 1e-9) at that moment; `null` when the row was
    /// judged by another model.
    pub agrees: Option<bool>,
    /// The largest difference of a contribution, log-odds.
    pub largest_difference: f64,
}

/// What is taken from the row.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct FromRow {
    /// State of the lifecycle.
    pub lifecycle: String,
    /// Tier.
    pub tier: Option<String>,
    /// Since when.
    pub tier_since: Option<At>,
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct EventsRead {
    /// Rows of the table `events` up to the moment explained.
    pub held: usize,
    /// Of them visits, of which only the beginning is held.
    pub visits: usize,
    /// Rows the definition cannot read.
    pub unreadable: usize,
    /// How many were left out, one at a time, to see what they are worth.
    pub left_out: usize,
}

/// Something to know beside the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Note {
    /// What it is about, stable.
    pub code: &'static str,
    /// The sentence.
    pub text: String,
}
