//! The scores of one customer: what risk and loyalty are told from, the band of the risk, what ages between events.

use super::care::Care;
use super::compact::Moment;
use super::context::Context;
use super::profile::{More, Profile};
use super::purchase::{Purchases, Valued};
use super::said::Field;
use super::sums::{Sum, Sums};
use crate::model::time::{DAY_MS, NEVER_MS};
use crate::signal::days;
use crate::signal::decay::Decay;
use crate::signal::exit::{Exit, Window};
use crate::signal::quadrant::{Quadrant, quadrant};
use crate::signal::regularity::Rhythm;
use crate::signal::risk_inputs::{
    Base, Debt, DecayedSum, Gap, OpenInvoice, PulledMean, Rates, RiskInputs,
};
use crate::signal::risk_path::{Path, Point, Stretch};
use crate::signal::score::Explained;
use crate::signal::service::{self, Ratings};
use crate::signal::trend::TrendSums;
use crate::signal::value::Outlook;
use crate::signal::{loyalty, risk};

/// Ratings the prior of satisfaction counts for.
const CSAT_PRIOR_N: f64 = 3.0;

/// A length of days that is taken for a term of a contract: renewals are counted by the year.
const TERM_D: f64 = 365.0;

/// What a row says of a customer's scores.
#[derive(Clone, Debug, PartialEq)]
pub struct Judgement {
    /// The churn risk; `None` for who has neither bought nor a contract.
    pub risk: Option<Explained<risk::Input>>,
    /// Loyalty, its score in [0, 1]; `None` likewise.
    pub loyalty: Option<Explained<loyalty::Input>>,
    /// Loyal or satisfied, or both; `None` where one of them is not known.
    pub quadrant: Option<Quadrant>,
}

/// Judges a customer at `tau_ms`, not before the last event.
pub fn judge(cx: &Context, profile: &Profile, tau_ms: i64) -> Judgement {
    let Some(inputs) = risk_inputs(cx, profile) else {
        return Judgement { risk: None, loyalty: None, quadrant: None };
    };
    let facts = inputs.facts_at(tau_ms);
    let loyal = cx.loyalty.explain(&loyalty_facts(cx, profile, &facts, tau_ms));
    let csat_n = profile.more().map_or(0.0, |more| more.sums.at(Sum::CsatN180, tau_ms));
    Judgement {
        risk: Some(cx.risk.weights.explain(&facts)),
        quadrant: quadrant(Some(100.0 * loyal.score), facts.csat, csat_n),
        loyalty: Some(loyal),
    }
}

/// What the risk is told from until the next event; `None` for who has neither bought nor a contract.
pub fn risk_inputs(cx: &Context, profile: &Profile) -> Option<RiskInputs> {
    let base = base(cx, profile)?;
    let none = More::default();
    let more = profile.more().unwrap_or(&none);
    let sums = &more.sums;
    let bought = profile.purchases.as_deref();
    let web = profile.web.as_ref();
    let terms = more.rare().terms.as_deref();
    let share = |part, whole| share(sums, part, whole);
    Some(RiskInputs {
        base,
        // the incomplete gamma function is the dearest of all inputs
        gap: bought
            .filter(|_| cx.risk.weights.of(risk::Input::OverdueGap) != 0.0)
            .and_then(|p| Some(Gap { rhythm: rhythm(cx, p), last_ms: p.t_last_ms()? })),
        spend: bought.and_then(|p| spend(cx, p, profile.spend_from_ms()?)),
        visits: web.map(|web| Rates {
            rule: cx.trends[1],
            sums: TrendSums {
                short: web.sums[0],
                long: web.sums[1],
                landmark_ms: web.sums_at.ms(),
                first_ms: profile.born.ms(),
                events: web.visits(),
            },
        }),
        open_complaints: Some(more.care.as_deref().map_or(0.0, |c| f64::from(c.open_complaints()))),
        tickets: Some(decayed(sums, Sum::Tickets90)),
        csat: csat(cx, sums),
        sat_gap: sat_gap(sums).map(|gap| PulledMean {
            sum: DecayedSum { value: gap, ..decayed(sums, Sum::Csat30) },
            weight: 1.0,
            prior: 0.0,
            prior_weight: 0.0,
        }),
        debt: more.rare().credit.as_ref().map(|credit| Debt {
            late: decayed(sums, Sum::LateDays180),
            paid: sums.held(Sum::Paid180).max(0.0),
            open: credit
                .open_parts()
                .map(|(due_ms, minor)| OpenInvoice { due_ms, amount: minor as f64 })
                .collect(),
        }),
        extensions: more.rare().credit.as_ref().map(|_| {
            let both = [Sum::Extensions180, Sum::Partials180].map(|sum| decayed(sums, sum));
            DecayedSum { value: both[0].value + both[1].value, ..both[0] }
        }),
        cancel_intent: web.map(|_| decayed(sums, Sum::Cancels14)),
        opted_out: web.map(|web| web.opted_out),
        disc_share: share(Sum::Discount365, Sum::Gross365),
        return_rate: share(Sum::Refund365, Sum::Gross365),
        renewal_ms: terms
            .and_then(|terms| terms.running())
            .and_then(|running| running.renewal_ms.filter(|_| !running.signed)),
        contact_left: more.rare().contacts.as_ref().map(|_| decayed(sums, Sum::OwnerChanges90)),
    })
}

/// A contract is judged at its renewal, everybody else by the silence.
fn base(cx: &Context, profile: &Profile) -> Option<Base> {
    let running = profile.more().and_then(|more| more.rare().terms.as_ref()?.running());
    if let (Some(contract), Some(running)) = (&cx.contract, running)
        && let Some(renewal_ms) = running.renewal_ms
    {
        let terms = (days(renewal_ms - running.start_ms) / TERM_D).round().clamp(1.0, 1_000.0);
        return Some(Base::Constant { p: 1.0 - contract.renewal_rate(terms as u32 - 1) });
    }
    let (first_ms, history) = profile.purchases.as_ref()?.history()?;
    Some(Base::Silence { curve: cx.model.curve(history, cx.risk.horizon_d), first_ms })
}

fn spend(cx: &Context, purchases: &Purchases, first_ms: i64) -> Option<Rates> {
    let sums = TrendSums {
        short: purchases.sums[0],
        long: purchases.sums[1],
        landmark_ms: purchases.sums_at.ms(),
        first_ms,
        events: purchases.orders(),
    };
    Some(Rates { rule: cx.trends[0], sums })
}

/// A sum as of the store's landmark.
fn decayed(sums: &Sums, sum: Sum) -> DecayedSum {
    let at_ms = sums.landmark_ms();
    let decay = Decay::from_half_life_d(sum.half_life_d());
    DecayedSum { value: sums.held(sum), at_ms, decay }
}

/// The quotient of two sums of one half-life, which time leaves as it is.
fn share(sums: &Sums, part: Sum, whole: Sum) -> Option<f64> {
    service::share(sums.held(part), sums.held(whole))
}

/// Satisfaction, pulled towards the population's; `None` without a rating.
pub(super) fn csat(cx: &Context, sums: &Sums) -> Option<PulledMean> {
    let weight = sums.held(Sum::CsatN180);
    (weight > 0.0).then(|| PulledMean {
        sum: decayed(sums, Sum::Csat180),
        weight,
        prior: cx.plan.csat_prior,
        prior_weight: CSAT_PRIOR_N,
    })
}

fn sat_gap(sums: &Sums) -> Option<f64> {
    let of = |sum| sums.held(sum);
    service::sat_gap(&Ratings {
        fast_sum: of(Sum::Csat30),
        fast_n: of(Sum::CsatN30),
        expected_sum: of(Sum::Expected30),
        expected_n: of(Sum::ExpectedN30),
        slow_sum: of(Sum::Csat365),
        slow_n: of(Sum::CsatN365),
    })
}

/// The customer's own rhythm, as far as it is known.
pub fn rhythm(cx: &Context, purchases: &Purchases) -> Rhythm {
    cx.regularity.rhythm(purchases.gaps())
}

/// What loyalty is told from at a moment, of whom the risk is told from `facts` then.
pub(super) fn loyalty_facts(
    cx: &Context,
    profile: &Profile,
    facts: &risk::Facts,
    tau_ms: i64,
) -> loyalty::Facts {
    let none = More::default();
    let more = profile.more().unwrap_or(&none);
    let now = |sum| more.sums.at(sum, tau_ms);
    let bought = profile.purchases.as_deref();
    let (suggestions, complaints) = (now(Sum::Suggestions365), now(Sum::Complaints365));
    let breadth = more.intents.breadth();
    loyalty::Facts {
        x: bought.and_then(Purchases::x).map(f64::from),
        p_silent: facts.p_silent,
        tenure_d: bought.and_then(Purchases::t_first_ms).map(|first| days(tau_ms - first).max(0.0)),
        categories: (breadth > 0).then(|| f64::from(breadth)),
        disc_share: facts.disc_share,
        return_rate: facts.return_rate,
        referrals_365: more.rare().terms.as_ref().map(|_| now(Sum::Referrals180)),
        nps_last: more.rare().terms.as_ref().and_then(|t| t.nps_last(tau_ms)).map(f64::from),
        engage_trend: facts.engage_trend,
        k_hat: bought.filter(|p| p.x() > Some(0)).map(|p| rhythm(cx, p).k_hat),
        adopt_new_365: bought.map(|_| now(Sum::NewProducts365)),
        suggestions_365: Some(suggestions),
        complaints_365: Some(complaints),
        suggest_share: Some(service::suggest_share(suggestions, complaints)),
        dbt_days: facts.dbt_days,
        contacts: None,
    }
}

/// How thoroughly the next crossing of the risk is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// In few evaluations: a moment before which nothing is crossed, a day ahead if that is certain. For use after an
    /// event, since the next one makes it void, as a rule before it comes.
    Roughly,
    /// The crossing itself.
    Exactly,
}

/// The risk within the day after a moment: that it stays in a window for so long is found in one comparison.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ahead {
    /// The moment.
    pub at_ms: i64,
    /// Whether it was evaluated at the end of the day too: there is no closer look.
    pub is_close: bool,
    /// The risk until a day later.
    pub day: Stretch,
}

impl Ahead {
    /// Of a path at a moment, at which it stands at `now`.
    pub fn closely(path: &Path<'_>, now: &Point, at_ms: i64) -> Self {
        Self { at_ms, is_close: true, day: path.stretch(now, Self::end_ms(at_ms)) }
    }

    /// The same, wider, without the evaluation; `None` where that tells nothing.
    fn roughly(path: &Path<'_>, now: &Point, at_ms: i64) -> Option<Self> {
        let day = path.reach(now, at_ms, Self::end_ms(at_ms))?;
        Some(Self { at_ms, is_close: false, day })
    }

    /// The end of the day after a moment.
    pub fn end_ms(at_ms: i64) -> i64 {
        at_ms.saturating_add(DAY_MS)
    }
}

/// What looking at the risk has found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RiskStep {
    /// The band it crosses into, and when; `None` when it stays.
    pub crosses: Option<(u8, Moment)>,
    /// The risk; `None` for who has none.
    pub risk: Option<f64>,
    /// The next moment at which time alone moves it, or makes keeping the customer worth a contact, or at which it must be
    /// looked at again; [`NEVER_MS`] when it never does.
    pub due_ms: i64,
    /// Where the risk goes next, of a look that went no further.
    pub ahead: Option<Ahead>,
}

/// In which band the risk is at `tau_ms`, and until when.
pub fn risk_step(cx: &Context, profile: &Profile, tau_ms: i64, look: Look) -> RiskStep {
    let Some(inputs) = risk_inputs(cx, profile) else {
        return RiskStep { crosses: None, risk: None, due_ms: NEVER_MS, ahead: None };
    };
    let path = Path::new(&inputs, &cx.risk.weights);
    let now = path.at(tau_ms);
    let before = profile.risk_band();
    let before = before.map(|(band, _)| usize::from(band));
    let band = cx.risk.bands.next(before, now.risk);
    let crosses = (before != Some(band)).then(|| (band as u8, Moment::new(tau_ms)));
    let (due_ms, ahead) = crossing_ms(cx, &path, &now, band, look, tau_ms);
    RiskStep { crosses, risk: Some(now.risk), due_ms, ahead }
}

/// As the due of [`risk_step`], for a profile that nothing has happened to; noted in it.
pub fn risk_due_ms(cx: &Context, profile: &mut Profile, look: Look, from_ms: i64) -> i64 {
    let band = profile.risk_band();
    let due_ms = match (band, risk_inputs(cx, profile)) {
        (Some((band, _)), Some(inputs)) => {
            let path = Path::new(&inputs, &cx.risk.weights);
            let now = path.at(from_ms);
            crossing_ms(cx, &path, &now, usize::from(band), look, from_ms).0
        }
        _ => NEVER_MS,
    };
    profile.set_risk_due_ms(due_ms);
    due_ms
}

/// A moment after `from_ms`, when the risk is `now`, before which it stays in its band, and on its side of the edge from which
/// keeping is worth a contact: the crossing itself, or of a rough look one that few evaluations tell, and what is ahead.
fn crossing_ms(
    cx: &Context,
    path: &Path<'_>,
    now: &Point,
    band: usize,
    look: Look,
    from_ms: i64,
) -> (i64, Option<Ahead>) {
    let mut window = Window::from(cx.risk.bands.limits(band));
    let edge = cx.offers.rules.risk_min;
    if window.low < edge && edge < window.high {
        // the way down says nothing, but from there the way up is looked for
        if now.risk < edge {
            window.high = edge;
        } else {
            window.low = edge;
        }
    }
    let stays = |ahead: &Ahead| ahead.day.is_within(window);
    let (found, ahead) = match look {
        Look::Exactly => (path.first_exit(window, from_ms, NEVER_MS), None),
        Look::Roughly => {
            let rough = Ahead::roughly(path, now, from_ms).filter(stays);
            let ahead = rough.unwrap_or_else(|| Ahead::closely(path, now, from_ms));
            if stays(&ahead) {
                return (Ahead::end_ms(from_ms), Some(ahead));
            }
            (path.not_before(window, from_ms), Some(ahead))
        }
    };
    let due_ms = match found.exit {
        Exit::At { at_ms } | Exit::NotBefore { at_ms } => at_ms.max(from_ms.saturating_add(1)),
        Exit::Never => NEVER_MS,
    };
    (due_ms, ahead)
}

/// Computes what ages between events, as of `tau_ms`. Returns whether there was anything to compute.
pub fn value(cx: &Context, profile: &mut Profile, tau_ms: i64) -> bool {
    let valued = valued_at(cx, profile, tau_ms);
    if let (Some(purchases), Some(valued)) = (profile.purchases.as_deref_mut(), valued) {
        purchases.valued = valued;
    }
    valued.is_some()
}

/// To be called when what serving costs has changed but no money moved: a value that is as of now must be of now.
pub fn value_again(cx: &Context, profile: &mut Profile) {
    if is_valued(profile, profile.as_of_ms) {
        value(cx, profile, profile.as_of_ms);
    }
}

/// Whether what ages between events stands as of `tau_ms`.
fn is_valued(profile: &Profile, tau_ms: i64) -> bool {
    profile.purchases.as_ref().is_some_and(|purchases| purchases.valued.at.ms() == tau_ms)
}

fn valued_at(cx: &Context, profile: &Profile, tau_ms: i64) -> Option<Valued> {
    let purchases = profile.purchases.as_deref()?;
    let (outlook, last_ms) = (outlook(cx, profile, tau_ms)?, purchases.t_last_ms()?);
    Some(Valued {
        at: Moment::new(tau_ms),
        expected: outlook.expected,
        clv_minor: outlook.value_minor,
        gap_surprise: rhythm(cx, purchases).gap_surprise(days(tau_ms - last_ms).max(0.0)),
    })
}

fn outlook(cx: &Context, profile: &Profile, tau_ms: i64) -> Option<Outlook> {
    let purchases = profile.purchases.as_deref()?;
    let (first_ms, history) = purchases.history()?;
    let seen = (history, days(tau_ms - first_ms).max(history.t_x_d));
    let mean_minor = mean_spend_minor(cx, purchases);
    let cost_minor = cost_per_day_minor(cx, profile, tau_ms);
    Some(cx.outlooks.at(seen, mean_minor, cost_minor))
}

/// The lifetime value at `tau_ms`, minor units; `None` before the first purchase. Of the moment of the last purchase it is
/// known already.
pub fn clv_minor(cx: &Context, profile: &Profile, tau_ms: i64) -> Option<f64> {
    let purchases = profile.purchases.as_deref()?;
    if is_valued(profile, tau_ms) && tau_ms == profile.as_of_ms {
        return purchases.valued.clv_minor;
    }
    outlook(cx, profile, tau_ms)?.value_minor
}

/// What a purchase is worth on average, minor units.
pub fn mean_spend_minor(cx: &Context, purchases: &Purchases) -> Option<f64> {
    let x = purchases.x()?;
    cx.gamma_gamma?.mean_spend(x, purchases.repeat_minor() as f64)
}

/// What serving costs a day as seen at `tau_ms`, minor units: handling, discounts, returns.
pub(super) fn cost_per_day_minor(cx: &Context, profile: &Profile, tau_ms: i64) -> f64 {
    let [handling, discounts, returns] = costs_per_day_minor(cx, profile, tau_ms);
    handling + discounts + returns
}

/// Its parts. Each goes one way until the next event.
pub(super) fn costs_per_day_minor(cx: &Context, profile: &Profile, tau_ms: i64) -> [f64; 3] {
    let Some(more) = profile.more() else { return [0.0; 3] };
    let service = cx.plan.parameters.service;
    let born_ms = profile.born.ms();
    let first_ms = profile.spend_from_ms().unwrap_or(born_ms);
    [
        more.sums.rate(Sum::HandlingMin180, tau_ms, born_ms) * service.minute_cost * cx.major(),
        more.sums.rate(Sum::Discount365, tau_ms, first_ms),
        more.sums.rate(Sum::Returns365, tau_ms, first_ms) * service.return_cost * cx.major(),
    ]
}

/// How long a first response may take by what is promised, seconds. Key customers are promised another time; who is said to
/// be one is, for all tickets that are remembered: so the order in which events arrive does not matter.
pub fn promise_s(cx: &Context, profile: &Profile) -> u32 {
    let service = cx.plan.parameters.service;
    let key = profile.said(Field::Key) == "true";
    let hours = if key { service.response_key_h } else { service.response_h };
    (hours * 3_600.0) as u32
}

/// What stands open; nothing where there was never a ticket.
pub fn open_tickets(profile: &Profile) -> super::care::OpenTickets {
    profile.more().and_then(|more| more.care.as_deref()).map(Care::open).unwrap_or_default()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::record::Stamp;
    use crate::model::time::DAY_MS;

    fn context() -> Context {
        let (plan, problems) = crate::plan::parse(include_str!("../../pipelines/customers.toml"));
        Context::new(Arc::new(plan.unwrap_or_else(|| panic!("{problems:?}"))))
    }

    fn base_of_contract(terms: i64) -> Base {
        let mut profile = Profile::new(0);
        let renewal_ms = Some(terms * 365 * DAY_MS);
        let held = profile.more_mut().rare_mut().terms.get_or_insert_default();
        held.contract(Stamp::default(), 0, renewal_ms, None);
        risk_inputs(&context(), &profile).unwrap().base
    }

    /// Fader and Hardie 2007: `r_t = (b + t - 1) / (a + b + t - 1)`, `t` the renewal that comes.
    #[test]
    fn a_contract_is_judged_at_the_renewal_that_comes() {
        for (terms, churn) in [(1, 0.668 / 4.474), (2, 0.668 / 5.474), (5, 0.668 / 8.474)] {
            let Base::Constant { p } = base_of_contract(terms) else { panic!() };
            assert!((p - churn).abs() < 1e-12, "{terms}: {p}, not {churn}");
        }
    }

    /// An opening tells of years, the sums of what was streamed: both rates begin where the stream does.
    #[test]
    fn steady_spending_after_an_opening_is_no_rise() {
        use crate::engine::purchase::Opening;
        let cx = context();
        let begin_ms = 20_000 * DAY_MS;
        let mut profile = Profile::new(begin_ms);
        let purchases = profile.purchases.get_or_insert_default();
        purchases.open(Opening {
            stamp: Stamp::default(),
            t_first_ms: begin_ms - 900 * DAY_MS,
            t_last_ms: begin_ms - DAY_MS,
            last_day: 19_999,
            n_days: 120,
            orders: 130,
            revenue_minor: 90_000,
        });
        for week in 1..=8 {
            purchases.buy(&cx, begin_ms + week * 7 * DAY_MS, 5_000);
        }
        profile.as_of_ms = begin_ms + 56 * DAY_MS;
        let spend = risk_inputs(&cx, &profile).unwrap().spend.unwrap();
        let trend = spend.trend_at(begin_ms + 59 * DAY_MS).unwrap();
        assert!(trend.abs() < 0.1, "{trend}");
        assert_eq!(profile.t_born_ms(), begin_ms - 900 * DAY_MS);
    }

    #[test]
    fn who_has_neither_bought_nor_a_contract_has_no_risk() {
        assert_eq!(risk_inputs(&context(), &Profile::new(0)), None);
        let step = risk_step(&context(), &Profile::new(0), 5, Look::Exactly);
        assert_eq!(step, RiskStep { crosses: None, risk: None, due_ms: NEVER_MS, ahead: None });
    }
}
