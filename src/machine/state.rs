//! What a shard knows of itself: who owns it, where it reads, how far time is.

use serde::{Deserialize, Serialize};

use crate::flow::rejects::RejectLimit;
use crate::flow::watermark::Watermark;
use crate::model::outcome::Counts;
use crate::model::time::BEFORE_ALL_MS;
use crate::plan::{Fingerprint, Plan};
use crate::snapshot::FORMAT;

/// Who a machine is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Partition of every topic.
    pub shard: u16,
    /// How many shards the pipeline has.
    pub shards: u16,
    /// Generation of topics and tables.
    pub generation: u32,
    /// The name of this copy, for the ledger and messages.
    pub owner: String,
}

/// The shard's own record of where it is: the truth after a take-over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Format of the state records ([`crate::snapshot::FORMAT`]).
    pub format: u32,
    /// Last committed cycle, counted through all owners.
    pub cycle: u64,
    /// Number of owners so far.
    pub tenure: u64,
    /// The last owner's name.
    pub owner: String,
    /// Topic name and next offset, by source.
    pub positions: Vec<(String, i64)>,
    /// The ids that the broker gave the topics when they were made, by source; `None` where it cannot say.
    pub topic_ids: Vec<Option<String>>,
    /// Next mail offset.
    pub mail_to: i64,
}

/// Totals of a day of the clock, by source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Daily {
    /// Days since the epoch (UTC).
    pub day: i64,
    /// Outcomes and sum of id hashes, by source.
    pub sources: Vec<(Counts, u64)>,
}

/// Everything under the key `meta`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ShardState {
    /// What the shell needs, too. It stands first, so that any binary can read the format's number.
    pub meta: Meta,
    /// The definition the state was made with.
    pub fingerprint: Fingerprint,
    /// Frontier of what was merged, by source.
    pub frontiers_ms: Vec<i64>,
    /// How far time is.
    pub watermark: Watermark,
    /// Up to here everything that was due has been looked at; [`BEFORE_ALL_MS`] where nothing is known.
    pub complete_to_ms: i64,
    /// Minutes of activity below this one are sealed.
    pub sealed_to: i64,
    /// Hours of segments below this one are sealed.
    pub hours_sealed_to: i64,
    /// Minutes since the epoch up to which rows were refreshed.
    pub refreshed_to: i64,
    /// Clock of the last cycle.
    pub last_clock_ms: i64,
    /// Wall time at which a simulated clock stood at its origin, milliseconds; 0 with a wall clock.
    pub clock_wall_origin_ms: i64,
    /// Totals of the day.
    pub daily: Daily,
    /// Bytes of all blocks of rows that the shard has ever written: what the outbox holds is this less what was carried.
    pub rows_bytes_total: u64,
    /// Rejects so far, by source: a restart must not give a bad deploy a fresh allowance.
    pub limits: Vec<RejectLimit>,
    /// Model or bands changed: every buyer is judged anew until the watermark has passed this moment;
    /// [`BEFORE_ALL_MS`] when nobody is.
    pub retime_to_ms: i64,
    /// What the alert rules hang on ([`crate::rule::definition::RuleSet::law`]).
    pub rules: u64,
}

impl ShardState {
    /// A shard that nobody has owned.
    pub fn new(plan: &Plan, identity: &super::Identity) -> Self {
        let n = plan.sources.len();
        Self {
            meta: Meta {
                format: FORMAT,
                cycle: 0,
                tenure: 1,
                owner: identity.owner.clone(),
                positions: plan.sources.iter().map(|s| (s.topic.clone(), 0)).collect(),
                topic_ids: vec![None; n],
                mail_to: 0,
            },
            fingerprint: Fingerprint::of(plan),
            frontiers_ms: vec![BEFORE_ALL_MS; n],
            watermark: Watermark::default(),
            complete_to_ms: BEFORE_ALL_MS,
            sealed_to: BEFORE_ALL_MS,
            hours_sealed_to: BEFORE_ALL_MS,
            refreshed_to: BEFORE_ALL_MS,
            last_clock_ms: 0,
            clock_wall_origin_ms: 0,
            daily: Daily { day: 0, sources: vec![Default::default(); n] },
            rows_bytes_total: 0,
            limits: vec![RejectLimit::default(); n],
            retime_to_ms: BEFORE_ALL_MS,
            rules: plan.alerts.law(),
        }
    }
}
