//! Whether the numbers can be trusted and up to when: the ledger's verdict, sources, freshness, alert load, this copy.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Standing, Time};

/// What became of consumed records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outcomes {
    /// Counted.
    pub applied: u64,
    /// Known already.
    pub duplicate: u64,
    /// Too late to be told from a duplicate: put aside.
    pub late: u64,
    /// Left out, as the definition asks.
    pub filtered: u64,
    /// Against the contract: put aside.
    pub rejected: u64,
}

impl Outcomes {
    /// Everything that was consumed.
    pub fn consumed(&self) -> u64 {
        self.applied + self.duplicate + self.late + self.filtered + self.rejected
    }
}

/// By the ledger: whether every offset was read, and once. It speaks of the time for which the ledger is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Verdict {
    /// Everything up to here is in all tables.
    pub complete_to: Option<Time>,
    /// Offsets that no cycle read and no known gap explains; should be 0.
    pub missing: i64,
    /// Offsets that two cycles read; should be 0.
    pub twice: i64,
    /// Offsets that retention removed before they were read.
    pub gaps: i64,
    /// Records that came below the watermark.
    pub order_breaks: u64,
}

/// One source of one shard, by the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SourceState {
    /// The shard.
    pub shard: u16,
    /// The source's name in the definition.
    pub source: String,
    /// Everything up to here is in all tables.
    pub complete_to: Option<Time>,
    /// The offset behind the last one read.
    pub offset_to: i64,
    /// Records read.
    pub consumed: i64,
    /// What became of them.
    pub outcomes: Outcomes,
    /// Records that came below the watermark.
    pub order_breaks: u64,
    /// Offsets that no cycle read and no known gap explains.
    pub missing: i64,
    /// Offsets that two cycles read.
    pub twice: i64,
    /// Offsets that retention removed before they were read.
    pub gaps: i64,
}

/// One shard, by the ledger.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShardState {
    /// The shard.
    pub shard: u16,
    /// Its clock when it last committed.
    pub clock: Option<Time>,
    /// How far time has certainly passed.
    pub watermark: Option<Time>,
    /// Everything up to here is in all tables.
    pub complete_to: Option<Time>,
    /// The moment at which its customers are shown.
    pub shown_at: Option<Time>,
}

/// What alerts asked of people on a day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AlertLoad {
    /// The day, `2026-01-31`.
    #[schema(format = Date)]
    pub day: String,
    /// Severity.
    pub severity: String,
    /// Alerts raised.
    pub raised: u64,
    /// Alerts that ended by themselves; what a person has ended counts when it is over.
    pub resolved: u64,
    /// Actions of people.
    pub acts: u64,
}

/// A shard as the copy that answers holds it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CopyShard {
    /// The shard.
    pub shard: u16,
    /// `waiting`, `restoring`, `running`, `stopped`.
    pub state: String,
    /// Since when this copy holds it.
    pub held_since: Option<Time>,
    /// How much of the state has been read back, 0 to 1, while restoring.
    pub restore_progress: Option<f64>,
    /// Records between position and end of all its sources; null while the ends are not known.
    pub lag: Option<i64>,
    /// Customers held.
    pub customers: u64,
    /// Why it has stopped, is held up or has trouble; empty while all is well.
    pub trouble: String,
}

/// The copy of the program that answers; others hold other shards.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CopyState {
    /// Its name; empty without one.
    pub name: String,
    /// Version of the program.
    pub version: String,
    /// Generation of topics and tables.
    pub generation: u32,
    /// Since when it runs.
    pub begun: Option<Time>,
    /// Whether it is ready.
    pub ready: bool,
    /// Why it is not, one sentence each.
    pub not_ready: Vec<String>,
    /// Records put aside since it runs.
    pub dead_letters: u64,
    /// Transactions committed, and those that were aborted and repeated.
    pub committed: u64,
    /// Transactions aborted and repeated.
    pub aborted: u64,
    /// Whether the carrier of rows last reached ClickHouse.
    pub carrier_reaches: bool,
    /// What went wrong with the carrier last; empty when nothing did.
    pub carrier_trouble: String,
    /// Its shards.
    pub shards: Vec<CopyShard>,
}

/// The state of the pipeline.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PipelineState {
    /// Where the figures come from.
    pub standing: Standing,
    /// The ledger's verdict over all shards.
    pub verdict: Verdict,
    /// How far the tables are behind the clock, seconds; null before the first cycle.
    pub behind_s: Option<f64>,
    /// What became of all records.
    pub outcomes: Outcomes,
    /// Records put aside (late and rejected) as a share of those consumed, 0 to 1; null before the first.
    pub dead_letter_share: Option<f64>,
    /// By shard.
    pub shards: Vec<ShardState>,
    /// By shard and source.
    pub sources: Vec<SourceState>,
    /// By day and severity, the earliest first; the last 30 days.
    pub alert_load: Vec<AlertLoad>,
    /// The copy that answers.
    pub copy: CopyState,
    /// The pipeline of accounts, where one has run.
    pub accounts: Option<Beside>,
}

/// A pipeline beside the one whose customers are shown, by its own ledger.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Beside {
    /// Its name; empty where it does not run in the copy that answers.
    pub pipeline: String,
    /// The ledger's verdict over all its shards.
    pub verdict: Verdict,
    /// What became of all records that it read.
    pub outcomes: Outcomes,
    /// By shard and source.
    pub sources: Vec<SourceState>,
    /// What the copy that answers says of it; null where it does not run there.
    pub copy: Option<CopyState>,
}
