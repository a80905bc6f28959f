//! Every key of a definition: where it stands, how it is written, its default, what it means. The reader refuses
//! what is not listed here; docs/definitions.md and the shipped definitions are held against it.

use super::check_accounts::ACCOUNT_KEYS;
use super::opportunities::OPPORTUNITY_NUMBERS;
use super::parameters::{NUMBERS, SHARE};
use super::receiver_keys::{self, receiver_keys};
use super::rule_keys::{self, rule_keys};

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table it stands in (`source`, `clock`); empty for the top of the file.
    pub section: &'static str,
    /// Its name.
    pub name: &'static str,
    /// How its value is written, and between what bounds.
    pub form: &'static str,
    /// Its default as TOML; empty where there is none.
    pub default: &'static str,
    /// What it means.
    pub meaning: &'static str,
}

/// The sections, with the brackets they are written in.
pub(super) const SECTIONS: [(&str, &str); 19] = [
    ("source", "[[source]]"),
    ("drop", "[[drop]]"),
    ("clock", "[clock]"),
    ("rates", "[rates]"),
    ("model", "[model]"),
    ("lifecycle", "[lifecycle]"),
    ("satisfaction", "[satisfaction]"),
    ("tiers", "[tiers]"),
    ("trend", "[trend]"),
    ("regularity", "[regularity]"),
    ("value", "[value]"),
    ("service", "[service]"),
    ("contract", "[contract]"),
    ("risk", "[risk]"),
    ("loyalty", "[loyalty]"),
    ("opportunities", "[opportunities]"),
    ("lift", "[[lift]]"),
    ("accounts", "[accounts]"),
    ("limits", "[limits]"),
];

pub(super) const fn key(
    section: &'static str,
    name: &'static str,
    form: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { section, name, form, default, meaning }
}

/// Every key, in the order of the documentation.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    let numbers = NUMBERS.iter().chain(OPPORTUNITY_NUMBERS);
    KEYS.iter().chain(ACCOUNT_KEYS).chain(numbers.map(|number| &number.key))
}

/// The keys that are not plain numbers of the catalogue.
const KEYS: &[Key] = &[
    key(
        "",
        "name",
        "a-z, then up to 40 of a-z 0-9 _ -; required",
        "",
        "the pipeline's name, prefix of its topics, group and tables",
    ),
    key(
        "",
        "key",
        "customer_id, account_id",
        "\"customer_id\"",
        "the subject: the field every record's Kafka key must equal",
    ),
    key(
        "",
        "key_format",
        "text, json",
        "\"text\"",
        "how the Kafka key spells it: the id's UTF-8 bytes, or a JSON string in double quotes",
    ),
    key(
        "",
        "partitioner",
        "murmur2, crc32, custom",
        "\"murmur2\"",
        "how the producers place keys: Java's default, librdkafka's `consistent`, or something that cannot be checked",
    ),
    key(
        "",
        "disorder",
        "duration, 0s to 3650d",
        "\"10m\"",
        "how far event times may run back within a partition before what is due stops waiting for them",
    ),
    key(
        "",
        "idle_timeout",
        "duration, 1ms to 3650d",
        "\"30s\"",
        "how long all topics must have been at their ends before time follows the clock; wall time",
    ),
    key(
        "",
        "seal_after",
        "duration, 0s to 3650d",
        "\"10m\"",
        "how long after its end a minute of `activity`, or an hour of `segments`, stays open, beyond the disorder",
    ),
    key(
        "",
        "skew_max",
        "duration, 0s to 3650d",
        "\"5m\"",
        "how far an event time may lie after the record's Kafka timestamp before the record is rejected",
    ),
    key("", "day_zone", "IANA time zone", "\"UTC\"", "the zone in which days are counted"),
    key(
        "",
        "currency",
        "ISO 4217 code; required",
        "",
        "the reporting currency: all money is kept in its minor units",
    ),
    key(
        "source",
        "name",
        "a-z, then up to 40 of a-z 0-9 _ -; required",
        "",
        "short name of the source, a label of metrics and tables; 1 to 8 sources, their order decides ties",
    ),
    key(
        "source",
        "kind",
        "events, signals",
        "\"events\"",
        "what the records are: events of customers, or what another pipeline says of its customers; `signals` makes a pipeline of accounts",
    ),
    key("source", "topic", "Kafka topic; required for events, only there", "", "the topic to read"),
    key(
        "source",
        "pipeline",
        "name of a pipeline; required for signals, only there",
        "",
        "the pipeline that speaks: its topic of signals is read, that of its current generation",
    ),
    key(
        "source",
        "default_type",
        "event type",
        "",
        "the type of records without a `type` field; without it such records are rejected",
    ),
    key(
        "source",
        "dedup_window",
        "duration, 1ms to 3650d",
        "\"30d\"",
        "for how long event ids are remembered; an event that repeats later is put aside as late",
    ),
    key(
        "source",
        "dedup_ids_max",
        "integer, 8 to 1000000",
        "8192",
        "how many ids are remembered for one customer at most; the oldest go first",
    ),
    key("clock", "kind", "wall, simulated", "\"wall\"", "where the present comes from"),
    key(
        "clock",
        "origin",
        "RFC 3339 time; required for simulated",
        "",
        "where a simulated clock begins",
    ),
    key(
        "clock",
        "speed",
        "number, above 0 to 10000000; required for simulated",
        "",
        "simulated seconds per second",
    ),
    key(
        "clock",
        "jump_max",
        "duration, 1ms to 3650d",
        "\"1h\"",
        "how far the wall clock may jump against the broker's before the pipeline stops",
    ),
    key(
        "drop",
        "name",
        "a-z, then up to 40 of a-z 0-9 _ -; required",
        "",
        "the rule's name, a label of metrics; up to 64 rules",
    ),
    key("drop", "source", "name of a source", "", "only events of this source; without it, of all"),
    key(
        "drop",
        "field",
        "customer_id, account_id, event_id, origin, channel; required",
        "",
        "what the rule looks at; `origin` is the event's field `source`",
    ),
    key("drop", "equals", "list of texts", "", "filter events whose field is one of these"),
    key(
        "drop",
        "starts_with",
        "list of texts",
        "",
        "filter events whose field begins with one of these",
    ),
    key(
        "drop",
        "ends_with",
        "list of texts",
        "",
        "filter events whose field ends with one of these",
    ),
    key(
        "rates",
        "CODE",
        "decimal above 0, at most 12 digits after the point",
        "",
        "units of the reporting currency for one unit of CODE; an event in a currency without a rate is rejected",
    ),
    key(
        "model",
        "kind",
        "mbg_nbd, bg_nbd, mbg_cnbd_k, bg_cnbd_k",
        "\"mbg_nbd\"",
        "the repurchase model; in the `bg` ones a customer who bought once can never leave, the `cnbd_k` ones are for customers who buy in a rhythm",
    ),
    key(
        "model",
        "k",
        "integer, 2 to 20; required for mbg_cnbd_k and bg_cnbd_k, only there",
        "",
        "stages of a gap between purchases: the larger, the more regular",
    ),
    key(
        "model",
        "unit",
        "days, weeks",
        "\"weeks\"",
        "the unit of time in which `alpha` was fitted",
    ),
    key(
        "model",
        "r",
        "number, above 0 to 1000000",
        "0.525",
        "shape of the purchase rate (CDNOW's; 0.243 for bg_nbd)",
    ),
    key(
        "model",
        "alpha",
        "number, above 0 to 1000000",
        "6.183",
        "scale of the purchase rate, in `unit` (CDNOW's; 4.414 for bg_nbd)",
    ),
    key(
        "model",
        "a",
        "number, above 0 to 1000000",
        "0.891",
        "first parameter of dropout (CDNOW's; 0.793 for bg_nbd)",
    ),
    key(
        "model",
        "b",
        "number, above 0 to 1000000",
        "1.614",
        "second parameter of dropout (CDNOW's; 2.426 for bg_nbd)",
    ),
    key(
        "lifecycle",
        "slipping",
        "number between 0 and 1",
        "0.5",
        "a customer is slipping from this probability of 90 silent days",
    ),
    key("lifecycle", "dormant", "number between slipping and 1", "0.8", "dormant from this one"),
    key("lifecycle", "lost", "number between dormant and 1", "0.95", "lost from this one"),
    key(
        "lifecycle",
        "hysteresis",
        "number, 0 to below slipping and the gaps between the edges",
        "0.05",
        "a better band is entered only this far below its edge",
    ),
    key(
        "satisfaction",
        "prior",
        "number, 0 to 1",
        "0.75",
        "expected satisfaction of a customer who never said anything",
    ),
    key(
        "risk",
        "weights",
        "b2c, b2b",
        "\"b2c\"",
        "the set of expert weights to begin with; b2b looks 180 days ahead, b2c 90",
    ),
    key(
        "risk",
        "bands",
        "list of 1 to 8 ascending numbers between 0 and 1",
        "[0.2, 0.4, 0.6, 0.8]",
        "edges of the bands whose crossing is said at the second it happens (prior)",
    ),
    key(
        "risk",
        "own",
        "table of input = weight, -20 to 20",
        "",
        "weights in place of the set's; docs/signals.md lists the inputs",
    ),
    key("loyalty", "weights", "b2c, b2b", "\"b2c\"", "the set of expert weights to begin with"),
    key(
        "loyalty",
        "own",
        "table of input = weight, -20 to 20",
        "",
        "weights in place of the set's; docs/signals.md lists the inputs",
    ),
    key(
        "tiers",
        "lead",
        "number between 0 and gold",
        "20",
        "percentile of value below which a customer is lead, from which iron (prior)",
    ),
    key(
        "tiers",
        "gold",
        "number between lead and key",
        "80",
        "percentile of value from which a customer is gold (prior)",
    ),
    key(
        "tiers",
        "key",
        "number from gold to 100",
        "95",
        "percentile of value from which a customer is a key customer; one whose profile says `key` always is (prior)",
    ),
    key("tiers", "a", "number between 0 and 100", "85", "share that class A holds, percent"),
    key(
        "tiers",
        "b",
        "number between 0 and 100 - a",
        "10",
        "share that class B holds beyond it; C holds the rest",
    ),
    key(
        "tiers",
        "abc_by",
        "sales, customers",
        "\"sales\"",
        "what the classes are shares of: all sales, or all customers",
    ),
    key(
        "tiers",
        "dwell",
        "duration, 0s to 3650d",
        "\"7d\"",
        "how long another place must be wanted without interruption before the customer moves (prior)",
    ),
    key(
        "opportunities",
        "consent",
        "assumed, withheld",
        "\"assumed\"",
        "whether those may be written to who have not refused; `withheld` offers nothing to anybody",
    ),
    key("lift", "given", "category; required", "", "what they bought"),
    key(
        "lift",
        "category",
        "category; required",
        "",
        "what they then buy likelier; up to 256 pairs",
    ),
    key(
        "lift",
        "lift",
        "number, 0 to 1000000; required",
        "",
        "P(buy the category, given the other) by P(buy the category)",
    ),
    key("lift", "co_buyers", "integer, from 0; required", "", "customers who bought both"),
    key(
        "lift",
        "p_buy",
        SHARE,
        "",
        "P(buy the category, given the other); else `p_buy` of [opportunities]",
    ),
    key(
        "limits",
        "dimension_values_max",
        "integer, 1 to 65535",
        "256",
        "values of a free text (channel, region, industry, segment, origin, category) per source; the rest is `other`. The table `segments` counts by so many owners; the customer keeps its own",
    ),
    key("limits", "tickets_max", "integer, 1 to 65535", "256", "tickets remembered per customer"),
    key(
        "limits",
        "sessions_max",
        "integer, 1 to 65535",
        "64",
        "web sessions remembered per customer",
    ),
    key(
        "limits",
        "open_minutes_max",
        "integer, 1 to 10000000",
        "10000",
        "open minutes of `activity` per shard; the oldest is sealed first",
    ),
    key("limits", "cycle_records_max", "integer, 1 to 10000000", "200000", "records in one cycle"),
    key(
        "limits",
        "cycle_bytes_max",
        "size, 1MiB to 1GiB",
        "\"64MiB\"",
        "bytes of effects in one cycle",
    ),
    key(
        "limits",
        "rejects_percent_max",
        "integer, 1 to 100",
        "50",
        "share of rejects among the last `rejects_window` records that stops the pipeline, percent",
    ),
    key(
        "limits",
        "rejects_window",
        "integer, 1 to 10000000",
        "1000",
        "over how many records that share is taken",
    ),
    key(
        "limits",
        "rejects_run_max",
        "integer, 1 to 10000000",
        "500",
        "longest run of consecutive rejects before the pipeline stops",
    ),
];

/// Names of the keys of a section, in order.
pub(super) fn names_in(section: &str) -> impl Iterator<Item = &'static str> {
    let all = keys().chain(rule_keys()).chain(receiver_keys());
    all.filter(move |key| key.section == section).map(|key| key.name)
}

/// The sections of a file, by the name of its top.
pub(super) fn sections_of(top: &str) -> &'static [(&'static str, &'static str)] {
    match top {
        "" => &SECTIONS,
        rule_keys::FILE => &rule_keys::SECTIONS,
        "test" => &rule_keys::CASE_SECTIONS,
        receiver_keys::FILE => &receiver_keys::SECTIONS,
        _ => &[],
    }
}

/// The brackets of a section, `the top of the file` for the top.
pub(super) fn header_of(section: &str) -> &'static str {
    let of_rules = rule_keys::SECTIONS.iter().chain(&rule_keys::CASE_SECTIONS);
    let mut all = SECTIONS.iter().chain(of_rules).chain(&receiver_keys::SECTIONS);
    all.find(|(name, _)| *name == section).map_or("the top of the file", |(_, header)| header)
}

/// Where a key of this name belongs, if it belongs anywhere in the file that `section` is in.
pub(super) fn home_of(name: &str, section: &str) -> Option<&'static str> {
    let in_rules = section == rule_keys::FILE || rule_keys().any(|key| key.section == section);
    let in_receivers = receiver_keys().any(|key| key.section == section);
    let known = |key: &&Key| key.name == name;
    let found = match (in_rules, in_receivers) {
        (true, _) => rule_keys().find(known),
        (_, true) => receiver_keys().find(known),
        _ => keys().find(known),
    };
    found.map(|key| key.section)
}
