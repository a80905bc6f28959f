//! What an account hears of a member: the part of a word (`wire/signals.rs`), and when there is a new one to tell.
//!
//! A member speaks when something of its part has changed: discrete things at once, the risk when it has moved by a
//! hundredth or its band was crossed, amounts when they have moved by about a hundredth of themselves. What was told
//! last is kept with the profile as a hash of the part in these steps.

use xxhash_rust::xxh3::xxh3_64;

use super::context::Context;
use super::credit::Credit;
use super::history::Scores;
use super::judge::{csat, open_tickets};
use super::profile::{More, Profile};
use super::said::Field;
use super::sum::Sum;
use super::tiers::TierColumns;
use crate::model::event::Champion;
use crate::model::time::day_of;
use crate::wire::signals::{AccountPart, OpenInvoice};

/// Millionths of one.
const PPM: f64 = 1e6;
/// Steps of the risk and of satisfaction: a hundredth.
const STEPS: f64 = 100.0;
/// Leading bits of an amount that count as a change: a step is between 1/128 and 1/64 of it.
const AMOUNT_BITS: u32 = 7;

/// An account that a customer has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// Its id.
    pub account: Box<str>,
    /// Whether the customer stood up for us there.
    pub champion: bool,
}

impl Left {
    /// As the customer is when leaving.
    pub fn of(account: &str, profile: &Profile) -> Self {
        let champion = profile.said(Field::Champion) == Champion::Yes.name();
        Self { account: account.into(), champion }
    }
}

/// What a member brings to its account, its scores as of `scores`.
pub fn part(cx: &Context, profile: &Profile, tier: TierColumns, scores: &Scores) -> AccountPart {
    let none = More::default();
    let more = profile.more().unwrap_or(&none);
    let at_ms = scores.at_ms();
    let text = |field| profile.said(field).to_owned();
    let open = open_tickets(profile);
    let contacts = more.rare().contacts.as_deref();
    let running = more.rare().terms.as_deref().and_then(|terms| terms.running());
    AccountPart {
        currency: cx.plan.currency.to_string(),
        name: text(Field::Name),
        region: text(Field::Region),
        industry: text(Field::Industry),
        owner_id: text(Field::OwnerId),
        said_key: profile.said(Field::Key) == "true",
        key_by_value: tier.place.is_some_and(|place| place.key),
        value_minor: value_minor(profile),
        revenue_365_minor: revenue_365_minor(profile, more, at_ms),
        risk_ppm: scores.risk().map(|risk| (risk.clamp(0.0, 1.0) * PPM).round() as u32),
        csat_sum_ppm: ppm(more.sums.at(Sum::Csat180, at_ms)),
        csat_n_ppm: ppm(more.sums.at(Sum::CsatN180, at_ms)),
        open_tickets: open.tickets,
        open_complaints: open.complaints,
        oldest_complaint_ms: open.oldest_complaint_ms,
        invoices: more
            .rare()
            .credit
            .as_deref()
            .map_or_else(Vec::new, |credit| invoices(credit, at_ms)),
        renewal_ms: running.and_then(|r| r.renewal_ms.filter(|_| !r.signed)),
        last_contact_ms: contacts.and_then(|contacts| contacts.last_ms()),
        last_visit_ms: contacts.and_then(|contacts| contacts.last_visit_ms()),
        last_seen_ms: profile.last_seen.known_ms(),
        champion: Champion::of(profile.said.get_bytes(Field::Champion)).unwrap_or_default(),
    }
}

/// Tells whether there is something to tell that was not told: then it is noted as told. A customer without an account
/// never has.
pub fn tell(cx: &Context, profile: &mut Profile, tier: TierColumns, scores: &Scores) -> bool {
    if profile.said.get_bytes(Field::AccountId).is_empty() {
        return false;
    }
    let now = steps(cx, profile, tier, scores);
    let told = profile.said.told();
    profile.said.set_told(now);
    told != now
}

/// A hash of what is told, in steps; never 0.
fn steps(cx: &Context, profile: &Profile, tier: TierColumns, scores: &Scores) -> u32 {
    let none = More::default();
    let more = profile.more().unwrap_or(&none);
    let at_ms = scores.at_ms();
    let mut bytes = Vec::with_capacity(256);
    for field in [
        Field::AccountId,
        Field::Name,
        Field::Region,
        Field::Industry,
        Field::OwnerId,
        Field::Key,
        Field::Champion,
    ] {
        bytes.extend_from_slice(profile.said.get_bytes(field));
        bytes.push(0);
    }
    let open = open_tickets(profile);
    let running = more.rare().terms.as_deref().and_then(|terms| terms.running());
    let contacts = more.rare().contacts.as_deref();
    let share = |share: Option<f64>| share.map(|share| (share * STEPS).floor() as i64);
    let satisfaction = csat(cx, &more.sums).and_then(|mean| mean.at(at_ms));
    let numbers = [
        Some(i64::from(tier.place.is_some_and(|place| place.key))),
        Some(i64::from(profile.lifecycle)),
        profile.risk_band().map(|(band, _)| i64::from(band)),
        share(scores.risk()),
        value_minor(profile).map(amount_step),
        revenue_365_minor(profile, more, at_ms).map(amount_step),
        share(satisfaction),
        Some(i64::from(open.tickets)),
        Some(i64::from(open.complaints)),
        open.oldest_complaint_ms,
        running.and_then(|r| r.renewal_ms.filter(|_| !r.signed)),
        contacts.and_then(|contacts| contacts.last_ms()).map(day_of),
        contacts.and_then(|contacts| contacts.last_visit_ms()),
        profile.last_seen.known_ms().map(day_of),
    ];
    let mut number = |number: Option<i64>| {
        bytes.push(u8::from(number.is_some()));
        bytes.extend_from_slice(&number.unwrap_or(0).to_le_bytes());
    };
    numbers.into_iter().for_each(&mut number);
    for invoice in more.rare().credit.iter().flat_map(|credit| invoices(credit, at_ms)) {
        number(Some(invoice.due_ms));
        number(Some(invoice.open_minor));
        number(Some(xxh3_64(invoice.entity.as_bytes()) as i64));
    }
    (xxh3_64(&bytes) as u32).max(1)
}

/// The lifetime value as the customer's row says it.
fn value_minor(profile: &Profile) -> Option<i64> {
    let valued = profile.purchases.as_deref()?.valued;
    valued.at.known_ms().and(valued.clv_minor).map(|minor| minor.round() as i64)
}

/// A year at the present pace.
fn revenue_365_minor(profile: &Profile, more: &More, at_ms: i64) -> Option<i64> {
    let since_ms = profile.spend_from_ms()?;
    Some((more.sums.rate(Sum::Spend365, at_ms, since_ms) * 365.0).round() as i64)
}

fn ppm(number: f64) -> i64 {
    (number.max(0.0) * PPM).round() as i64
}

/// An amount with all but its leading bits cut off.
fn amount_step(minor: i64) -> i64 {
    let size = minor.unsigned_abs();
    let cut = (u64::BITS - size.leading_zeros()).saturating_sub(AMOUNT_BITS);
    let step = (size >> cut << cut) as i64;
    if minor < 0 { step.wrapping_neg() } else { step }
}

fn invoices(credit: &Credit, at_ms: i64) -> Vec<OpenInvoice> {
    let of = |statement: super::credit::Statement<'_>| {
        let entity = statement.entity.to_owned();
        statement.open.into_iter().map(move |(due_ms, open_minor)| OpenInvoice {
            entity: entity.clone(),
            due_ms,
            open_minor,
        })
    };
    credit.by_entity(at_ms).flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_move_in_steps_of_a_hundredth() {
        for minor in [0, 1, -1, 127, 128, 5_000, -5_000, 1 << 40, i64::MAX, i64::MIN + 1] {
            let step = amount_step(minor);
            let off = minor.abs_diff(step);
            assert!(off <= minor.unsigned_abs() / 64, "{minor}: {step}");
            assert_eq!(amount_step(step), step);
        }
        assert_ne!(amount_step(10_000), amount_step(10_200));
        assert_eq!(amount_step(10_000_000), amount_step(10_000_001));
    }
}
