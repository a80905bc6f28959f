//! Every key of a file of alert rules, as [`super::keys`] knows those of a definition.

use super::case_keys;
use super::keys::{Key, key};

/// What a file of rules is called where sections are looked up; its own sections follow.
pub(super) const FILE: &str = "rules";

/// The sections, with the brackets they are written in.
pub(super) const SECTIONS: [(&str, &str); 3] =
    [("alert", "[[alert]]"), ("calendar", "[[calendar]]"), ("test", "[[test]]")];

/// The sections of a case.
pub(super) const CASE_SECTIONS: [(&str, &str); 7] = [
    ("given", "[[test.given]]"),
    ("event", "[[test.event]]"),
    ("do", "[[test.do]]"),
    ("expect", "[[test.expect]]"),
    ("signals", "[[test.signals]]"),
    ("notifier", "[test.notifier]"),
    ("told", "[[test.told]]"),
];

/// Every key of a file of rules, in the order of the documentation.
pub fn rule_keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter().chain(&case_keys::KEYS)
}

const KEYS: &[Key] = &[
    key(
        "alert",
        "name",
        "a-z, then up to 40 of a-z 0-9 _; required",
        "",
        "its name, part of the id of every alert",
    ),
    key("alert", "about", "text; required", "", "what it means, in one sentence"),
    key(
        "alert",
        "subject",
        "customer, ticket, account, segment, employee",
        "\"customer\"",
        "whom it is about: which signals its conditions may speak of",
    ),
    key("alert", "raise", "condition; required", "", "what raises it"),
    key(
        "alert",
        "clear",
        "condition",
        "",
        "what clears it while `raise` does not hold; left out: `raise` does not hold even with its limits moved by `band`",
    ),
    key(
        "alert",
        "band",
        "number, 0 to 0.9",
        "0.1",
        "share of itself by which each limit of `raise` is moved for the clearing; only without `clear`",
    ),
    key(
        "alert",
        "dwell",
        "duration, 0s to 3650d",
        "\"0s\"",
        "for how long `raise` must hold without a break before the alert is raised",
    ),
    key(
        "alert",
        "cooldown",
        "duration, 0s to 3650d, or the name of a signal that is a length of time",
        "\"0s\"",
        "for how long after an end nothing is raised",
    ),
    key("alert", "severity", "info, low, medium, high, critical", "\"medium\"", "how bad it is"),
    key(
        "alert",
        "critical_in_top",
        "integer, 1 to 1000",
        "",
        "critical where the revenue at risk is among so many largest of its owner",
    ),
    key(
        "alert",
        "calendar",
        "name of a calendar",
        "",
        "business hours of `business_age`, and quiet hours; left out: always open, never quiet",
    ),
    key(
        "alert",
        "receivers",
        "1 to 16 texts",
        "[\"owner\"]",
        "who is told: names of receivers, or owner, the account manager",
    ),
    key("alert", "next_step", "text; required", "", "what to do about it"),
    key("alert", "events", "1 to 16 types of events; required", "", "the events that feed it"),
    key("calendar", "name", "a-z, then up to 40 of a-z 0-9 _; required", "", "its name"),
    key("calendar", "zone", "an IANA time zone; required", "", "the zone of its times"),
    key(
        "calendar",
        "hours",
        "1 to 32 texts such as \"mon-fri 09:00-17:00\"; required",
        "",
        "business hours, local time",
    ),
    key(
        "calendar",
        "holidays",
        "up to 512 dates such as \"2026-12-25\"",
        "",
        "days without business hours",
    ),
    key(
        "calendar",
        "quiet",
        "two times such as \"22:00-07:00\"",
        "",
        "when nobody is called; what is raised then is told at the end",
    ),
];
