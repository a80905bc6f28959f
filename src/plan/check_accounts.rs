//! What makes a definition one of accounts: it hears words of other pipelines (`kind = "signals"`), and `[accounts]`.

use super::check_sources::WINDOW_MAX_MS;
use super::keys::{Key, key};
use super::notes::Notes;
use super::raw::Section;
use super::{AccountRules, Source};
use crate::model::time::DAY_MS;

const ACTIVE_MS: i64 = 90 * DAY_MS;
const MEMBERS: u32 = 10_000;

/// The keys of `[accounts]`.
pub(super) const ACCOUNT_KEYS: &[Key] = &[
    key(
        "accounts",
        "active",
        "duration, 1d to 3650d",
        "\"90d\"",
        "a member who did something within this time is an active contact (prior)",
    ),
    key(
        "accounts",
        "members_max",
        "integer, 1 to 1000000",
        "10000",
        "members of one account that are held; more are left out, and the account says so",
    ),
];

/// Sections that judge customers: a pipeline of accounts has none of them.
const OF_CUSTOMERS: [&str; 15] = [
    "drop",
    "rates",
    "model",
    "lifecycle",
    "tiers",
    "trend",
    "regularity",
    "value",
    "service",
    "contract",
    "risk",
    "loyalty",
    "demand",
    "opportunities",
    "lift",
];

/// Reads `[accounts]`; `None` for a pipeline of events.
pub(super) fn accounts(
    notes: &mut Notes<'_>,
    top: &Section<'_>,
    sources: &[Source],
) -> Option<AccountRules> {
    let section = top.table(notes, "accounts", true);
    if !sources.iter().any(|source| source.speaker.is_some()) {
        if top.has("accounts") {
            top.refuse(notes, "accounts", "no [accounts] in a pipeline of events")
                .hint("accounts are made by a definition of their own, from [[source]] kind = \"signals\"");
        }
        return None;
    }
    if sources.iter().any(|source| source.speaker.is_none()) {
        top.refuse(notes, "source", "signals only, or events only")
            .hint("an account's own events belong to a definition with key = \"account_id\", which then speaks too");
    }
    let key = top.value("key").and_then(|value| value.get_ref().as_str());
    if key != Some("account_id") {
        top.refuse(notes, "key", "\"account_id\", for accounts are made of words")
            .hint("write key = \"account_id\" above the first section");
    }
    for (name, only) in [("key_format", "text"), ("partitioner", "murmur2")] {
        if top.value(name).is_some_and(|value| value.get_ref().as_str() != Some(only)) {
            top.refuse(notes, name, format!("\"{only}\", as pipelines write their words"))
                .hint("leave it out");
        }
    }
    for name in OF_CUSTOMERS {
        if top.has(name) {
            top.refuse(notes, name, "nothing that judges customers")
                .hint("it belongs to the definition of the pipeline that speaks");
        }
    }
    let active_ms = section.duration_ms(notes, "active", DAY_MS..=WINDOW_MAX_MS, ACTIVE_MS);
    let members_max = section.count(notes, "members_max", 1..=1_000_000, MEMBERS) as usize;
    Some(AccountRules { active_ms, members_max })
}
