//! The sections of the files people write, and where a key belongs among them.

use super::keys::{Key, keys};
use super::receiver_keys::{self, receiver_keys};
use super::rule_keys::{self, rule_keys};

/// The sections of a definition, with the brackets they are written in.
const SECTIONS: [(&str, &str); 20] = [
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
    ("demand", "[demand]"),
    ("opportunities", "[opportunities]"),
    ("lift", "[[lift]]"),
    ("accounts", "[accounts]"),
    ("limits", "[limits]"),
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
