//! From the question, the row and the events to the answer.

use std::sync::Arc;

use super::check::{check, of_row};
use super::crossing::{crossings, loyalty_band, risk_band};
use super::effects::Effects;
use super::happened::what;
use super::input::{Asked, ExplainError, Held, Reading, Stored};
use super::note::{Facts, notes};
use super::replay::Replay;
use super::report::{
    At, Band, Contribution, EventsRead, Explanation, FORMAT, FromRow, Score, ToldFrom,
};
use super::since::{Span, since};
use super::which::Which;
use super::words::Words;
use crate::engine::context::Context;
use crate::engine::judge::{Judgement, judge};
use crate::engine::profile::Profile;
use crate::plan::Plan;
use crate::signal::quadrant::LOYAL_FROM;
use crate::signal::score::{Explained, points_per_log_odds};

/// Explains a customer's scores. The order of `held` does not matter.
///
/// # Errors
/// When the moments of the question are the wrong way round.
pub fn explain(
    plan: &Arc<Plan>,
    asked: &Asked,
    stored: &Stored,
    held: &[Held],
    reading: Reading,
) -> Result<Explanation, ExplainError> {
    let cx = Context::new(plan.clone());
    let replay = Replay::new(plan, &asked.customer, held);
    // what the row had seen, as of when it was judged
    let folded = replay.profile_at(stored.judged_ms, stored.version);
    let row = check(&cx, stored, &judged(&cx, folded.as_ref(), stored.judged_ms));
    let of_events = asked.at_ms.is_some() || row.agrees != Some(false);
    let told_from = if of_events { ToldFrom::Events } else { ToldFrom::Row };
    let at_ms = match told_from {
        ToldFrom::Events => asked.at_ms.unwrap_or(stored.at_ms),
        ToldFrom::Row => stored.judged_ms,
    };
    if let Some(since_ms) = asked.since_ms.filter(|since_ms| *since_ms >= at_ms) {
        return Err(ExplainError::SinceNotBefore { since: At(since_ms), at: At(at_ms) });
    }
    let profile = replay.profile_at(at_ms, u64::MAX);
    let now = judged(&cx, profile.as_ref(), at_ms);
    let effects = Effects::of(&cx, &replay, at_ms);
    let words = words(&cx, profile.as_ref());
    let teller = Teller { cx: &cx, replay: &replay, effects: &effects, words };
    let score = |which: Which| {
        let told = match told_from {
            ToldFrom::Events => which.of(&now),
            ToldFrom::Row => of_row(&cx, which, stored, &now),
        };
        told.map(|told| {
            teller.score(which, &told, band(&cx, which, &told, told_from, stored, profile.as_ref()))
        })
    };
    let span = asked.since_ms.map(|since_ms| Span { since_ms, at_ms });
    let facts = Facts {
        cx: &cx,
        replay: &replay,
        stored,
        reading,
        row: &row,
        folded: folded.as_ref(),
        told_from,
        at_ms,
        asked: asked.at_ms.is_some(),
        capped: effects.capped,
    };
    Ok(Explanation {
        format: FORMAT,
        customer_id: asked.customer.clone(),
        at: At(at_ms),
        complete_to: stored.complete_to_ms.map(At),
        told_from,
        model_version: cx.model_version,
        risk: score(Which::Risk),
        loyalty: score(Which::Loyalty),
        since: span.map(|span| since(&cx, &replay, &effects, span, &now, &words)),
        notes: notes(&facts),
        row,
        from_row: from_row(stored),
        events: EventsRead {
            held: replay.until(at_ms),
            visits: replay.events[..replay.until(at_ms)].iter().filter(|e| e.session).count(),
            unreadable: replay.unreadable,
            left_out: effects.len(),
        },
    })
}

fn judged(cx: &Context, profile: Option<&Profile>, at_ms: i64) -> Judgement {
    profile.map_or(Judgement { risk: None, loyalty: None, quadrant: None }, |p| judge(cx, p, at_ms))
}

fn words(cx: &Context, profile: Option<&Profile>) -> Words {
    let running = profile.and_then(|p| p.more()?.rare().terms.as_ref()?.running());
    let contract = cx.contract.is_some() && running.is_some_and(|r| r.renewal_ms.is_some());
    Words { horizon_d: cx.risk.horizon_d, contract }
}

/// The band a score is in. That of the risk remembers what it was: of the row it is the row's.
fn band(
    cx: &Context,
    which: Which,
    told: &Explained<usize>,
    from: ToldFrom,
    stored: &Stored,
    profile: Option<&Profile>,
) -> Band {
    if which == Which::Loyalty {
        let level = usize::from(100.0 * told.score >= LOYAL_FROM);
        return Band { level, of: 2, name: loyalty_band(level), since: None };
    }
    let folded = profile.and_then(|p| p.risk_band());
    let (level, since) = match (from, folded) {
        (ToldFrom::Events, Some((level, since))) => (usize::from(level), since.known_ms()),
        _ => (usize::from(stored.risk_band), None),
    };
    let of = cx.plan.parameters.risk.bands.len() + 1;
    Band { level, of, name: risk_band(cx, level), since: since.map(At) }
}

fn from_row(stored: &Stored) -> FromRow {
    let said = |text: &String| (!text.is_empty()).then(|| text.clone());
    let [region, industry, segment, owner_id] = &stored.master;
    FromRow {
        lifecycle: stored.lifecycle.clone(),
        tier: said(&stored.tier),
        tier_since: stored.tier_since_ms.map(At),
        abc: said(&stored.abc),
        key_customer: stored.key_customer,
        region: said(region),
        industry: said(industry),
        segment: said(segment),
        owner_id: said(owner_id),
    }
}

/// What a score is told with.
struct Teller<'a> {
    cx: &'a Context,
    replay: &'a Replay,
    effects: &'a Effects,
    words: Words,
}

impl Teller<'_> {
    fn score(&self, which: Which, told: &Explained<usize>, band: Band) -> Score {
        let each = points_per_log_odds(told.eta, told.eta0);
        let contributions = told.by_size().into_iter().map(|c| Contribution {
            input: which.input(c.key),
            statement: self.words.say(which, c.key, c.z),
            z: c.z,
            weight: c.weight,
            basis: which.basis(self.cx, c.key),
            log_odds: c.phi,
            points: c.points,
            events: self.effects.behind(self.replay, which.offset() + c.key, each, |event| {
                what(&self.cx.plan, &self.replay.batch, &self.replay.events[event])
            }),
        });
        Score {
            score: told.score * which.scale(),
            reference: told.score0 * which.scale(),
            points: 100.0 * (told.score - told.score0),
            contributions: contributions.collect(),
            unknown: told.missing.iter().map(|at| which.input(*at)).collect(),
            crossings: crossings(self.cx, which, told, band.level, &self.words),
            band: Some(band),
        }
    }
}
