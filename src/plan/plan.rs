//! The plan: a definition that has been checked. Everything the machine may know about its configuration.

use std::sync::Arc;

use jiff::tz::TimeZone;

use super::check_tiers::Tiers;
use super::parameters::Parameters;
use crate::model::event::EventType;
use crate::model::money::{Currency, Rate};
use crate::model::time::DAY_MS;
use crate::rule::definition::RuleSet;

/// Which hash the producers place a key with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Partitioner {
    /// Java's and most clients' default: `(murmur2(key) & 0x7fffffff) % partitions`.
    Murmur2,
    /// librdkafka's `consistent` and `consistent_random`: `crc32(key) % partitions`.
    Crc32,
    /// Something else, which cannot be checked record by record.
    Custom,
}

/// Which field is the subject of the pipeline, and the Kafka key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyField {
    /// `customer_id`.
    Customer,
    /// `account_id`.
    Account,
}

/// How the key's bytes spell the subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFormat {
    /// The id's UTF-8 bytes.
    Text,
    /// A JSON string: the id in double quotes.
    JsonString,
}

/// One source topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Source {
    /// Short name, a label of metrics and tables (`purchases`).
    pub name: String,
    /// The Kafka topic.
    pub topic: String,
    /// The type of records without a `type` field.
    pub default_type: Option<EventType>,
    /// For how long behind the partition's frontier event ids are remembered.
    pub dedup_window_ms: i64,
    /// How many ids are remembered for one customer at most (the oldest are forgotten first).
    pub dedup_ids_max: usize,
    /// The pipeline whose words about customers the topic holds; `None` for a topic of events.
    pub speaker: Option<String>,
}

/// The topic of a pipeline's words, in one of its generations.
pub fn words_topic(pipeline: &str, generation: u32) -> String {
    format!("{pipeline}.g{generation}.signals")
}

/// How accounts are made of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AccountRules {
    /// A member who did something within this time is an active contact.
    pub active_ms: i64,
    /// Members of one account that are held; more are left out.
    pub members_max: usize,
}

/// What a `[[drop]]` rule looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum DropField {
    CustomerId,
    AccountId,
    EventId,
    Origin,
    Channel,
}

/// How a `[[drop]]` rule compares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DropTest {
    /// The text is one of these.
    Equals(Vec<String>),
    /// The text begins with one of these.
    StartsWith(Vec<String>),
    /// The text ends with one of these.
    EndsWith(Vec<String>),
}

/// A rule that filters events out (bots, staff, tests).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DropRule {
    /// Its name, in metrics.
    pub name: String,
    /// Only events of this source, or of all.
    pub source: Option<u8>,
    /// What it looks at.
    pub field: DropField,
    /// What it looks for.
    pub test: DropTest,
}

/// The repurchase model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ModelKind {
    /// Modified BG/NBD: dropout possible from the start (the default).
    MbgNbd,
    /// BG/NBD.
    BgNbd,
    /// MBG/CNBD-k: as MBG/NBD, for customers who buy in a rhythm.
    MbgCnbdK {
        /// Stages of a gap, 2 to [`STAGES_MAX`]: the larger, the more regular.
        k: u8,
    },
    /// BG/CNBD-k: as BG/NBD, for customers who buy in a rhythm.
    BgCnbdK {
        /// Stages of a gap, 2 to [`STAGES_MAX`].
        k: u8,
    },
}

/// Stages of a gap at most, in a definition.
pub const STAGES_MAX: u8 = 20;

impl ModelKind {
    /// The name in a definition.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::MbgNbd => "mbg_nbd",
            Self::BgNbd => "bg_nbd",
            Self::MbgCnbdK { .. } => "mbg_cnbd_k",
            Self::BgCnbdK { .. } => "bg_cnbd_k",
        }
    }

    /// Stages of a gap: 1 where gaps have no rhythm.
    #[must_use]
    pub fn stages(self) -> u8 {
        match self {
            Self::MbgNbd | Self::BgNbd => 1,
            Self::MbgCnbdK { k } | Self::BgCnbdK { k } => k,
        }
    }

    /// Whether a customer may drop out after the first purchase already.
    #[must_use]
    pub fn drops_at_first(self) -> bool {
        matches!(self, Self::MbgNbd | Self::MbgCnbdK { .. })
    }
}

/// Model and parameters; `alpha_d` is in days (the definition says its unit).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Model {
    /// Which.
    pub kind: ModelKind,
    /// Shape of the purchase rate.
    pub r: f64,
    /// Scale of the purchase rate, days.
    pub alpha_d: f64,
    /// First parameter of the dropout's beta distribution.
    pub a: f64,
    /// Second parameter of the dropout's beta distribution.
    pub b: f64,
}

/// Lifecycle bands of `p_silent_90`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bands {
    /// Active below, slipping from here.
    pub slipping: f64,
    /// Dormant from here.
    pub dormant: f64,
    /// Lost from here.
    pub lost: f64,
    /// A better band is entered only this far below its edge.
    pub hysteresis: f64,
}

/// Where "now" comes from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Clock {
    /// The machine's clock.
    Wall,
    /// A simulated clock: begins at `origin_ms` and runs `speed` times as fast as the wall.
    Simulated {
        /// Where it begins.
        origin_ms: i64,
        /// Simulated milliseconds per wall millisecond.
        speed: f64,
        /// From here on, milliseconds, it runs as fast as the wall; `None`: never.
        fast_until_ms: Option<i64>,
    },
}

impl Clock {
    /// Milliseconds of this clock per wall millisecond when it shows `now_ms`.
    pub fn speed_at(self, now_ms: i64) -> f64 {
        match self {
            Self::Simulated { speed, fast_until_ms, .. }
                if fast_until_ms.is_none_or(|until_ms| now_ms < until_ms) =>
            {
                speed
            }
            Self::Simulated { .. } | Self::Wall => 1.0,
        }
    }
}

/// Limits, all of them per shard unless the name says otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Values of a free-text dimension (region, channel, …) per source; the rest is `other`.
    pub dimension_values_max: usize,
    /// Tickets remembered per customer.
    pub tickets_max: usize,
    /// Sessions remembered per customer.
    pub sessions_max: usize,
    /// Open minutes of `activity`; the oldest is sealed first.
    pub open_minutes_max: usize,
    /// Records in a cycle.
    pub cycle_records_max: usize,
    /// Bytes of effects in a cycle.
    pub cycle_bytes_max: usize,
    /// Largest share of rejects among the last `rejects_window` records before the pipeline stops, percent.
    pub rejects_percent_max: u32,
    /// Over how many records that share is taken.
    pub rejects_window: u32,
    /// Longest run of consecutive rejects.
    pub rejects_run_max: u32,
}

/// A checked definition.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The pipeline's name, prefix of its topics and group.
    pub name: String,
    /// The source topics, in the order of the file: the order of ties.
    pub sources: Vec<Source>,
    /// How producers place keys.
    pub partitioner: Partitioner,
    /// The subject.
    pub key: KeyField,
    /// How the key spells it.
    pub key_format: KeyFormat,
    /// How far event times may run back within a partition before dues stop waiting for them.
    pub disorder_ms: i64,
    /// After how long at the ends of all topics the watermark follows the clock.
    pub idle_timeout_ms: i64,
    /// How long after its end a minute of `activity` stays open, beyond the watermark.
    pub seal_after_ms: i64,
    /// How far an event time may lie beyond its Kafka timestamp.
    pub skew_max_ms: i64,
    /// The clock.
    pub clock: Clock,
    /// How far the wall clock may jump against the broker's.
    pub clock_jump_max_ms: i64,
    /// Filters.
    pub drops: Vec<DropRule>,
    /// The reporting currency.
    pub currency: Currency,
    /// Units of the reporting currency for one unit of each accepted one; sorted; contains the reporting currency.
    pub rates: Vec<(Currency, Rate)>,
    /// The zone in which days are counted.
    pub day_zone: TimeZone,
    /// The zone's IANA name.
    pub day_zone_name: String,
    /// The repurchase model.
    pub model: Model,
    /// The lifecycle bands.
    pub bands: Bands,
    /// Expected satisfaction of a customer who never said anything, in [0, 1].
    pub csat_prior: f64,
    /// What the signals are judged by.
    pub parameters: Parameters,
    /// Where the tiers are cut.
    pub tiers: Tiers,
    /// How accounts are made, in a pipeline of accounts: it hears words and no events. `None` in one of events.
    pub accounts: Option<AccountRules>,
    /// Limits.
    pub limits: Limits,
    /// Alert rules: read from files of their own, so they are no part of the fingerprint.
    pub alerts: Arc<RuleSet>,
}

impl Plan {
    /// The same, its words from the generations that are current: `generation_of` a pipeline that speaks.
    ///
    /// # Errors
    /// Those of `generation_of`.
    pub fn fed_by<E>(&self, generation_of: impl Fn(&str) -> Result<u32, E>) -> Result<Self, E> {
        let mut plan = self.clone();
        for source in &mut plan.sources {
            if let Some(speaker) = &source.speaker {
                source.topic = words_topic(speaker, generation_of(speaker)?);
            }
        }
        Ok(plan)
    }

    /// The number of the day (since 1970-01-01) in the definition's day zone.
    pub fn day(&self, ms: i64) -> u16 {
        let local_ms = if self.day_zone == TimeZone::UTC {
            ms
        } else {
            let offset = jiff::Timestamp::from_millisecond(ms)
                .map_or(0, |t| self.day_zone.to_offset(t).seconds());
            ms + i64::from(offset) * 1_000
        };
        let day = local_ms.div_euclid(DAY_MS).clamp(0, i64::from(u16::MAX));
        day as u16
    }

    /// The rate of a currency; `None` when the definition has none.
    pub fn rate(&self, currency: Currency) -> Option<Rate> {
        let at = self.rates.binary_search_by_key(&currency, |(c, _)| *c).ok()?;
        self.rates.get(at).map(|(_, rate)| *rate)
    }
}
