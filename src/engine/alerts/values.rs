//! What the signals of a customer and of one ticket are at a moment, for the rules that speak of them: the formulas are those of
//! the registry, computed by the same functions as rows and scores.

use std::cell::OnceCell;

use super::owners::Owners;
use crate::engine::care::TicketView;
use crate::engine::context::Context;
use crate::engine::judge::{
    Ahead, Look, clv_minor, csat, loyalty_facts, mean_spend_minor, open_tickets, rhythm,
    risk_inputs,
};
use crate::engine::profile::{More, Profile};
use crate::engine::purchase::Purchases;
use crate::engine::said::Field;
use crate::engine::sums::Sum;
use crate::engine::terms::Terms;
use crate::engine::tiers::TierColumns;
use crate::model::registry::Signal;
use crate::model::time::{DAY_MS, HOUR_MS};
use crate::rule::evaluate::Value;
use crate::signal::days;
use crate::signal::decay::trend;
use crate::signal::loyalty_path::Point;
use crate::signal::quadrant::{Quadrant, quadrant};
use crate::signal::regularity::Rhythm;
use crate::signal::risk_inputs::RiskInputs;
use crate::signal::risk_path::{Path, Point as RiskPoint};
use crate::signal::service::{sat_band, share, shrunk_share, suggest_share, typical_hours};
use crate::signal::silence::History;
use crate::signal::trend::{TrendRule, TrendSums};
use crate::signal::window::window_sum;

/// Texts of the master data that count towards its completeness, beside whether it is a key customer.
const MASTER: [Field; 7] = [
    Field::AccountId,
    Field::LegalEntityId,
    Field::Region,
    Field::Industry,
    Field::Segment,
    Field::OwnerId,
    Field::Name,
];
/// Revenue at risk is that of so many days, of a year's.
const AT_RISK_SHARE: f64 = 90.0 / 365.0;
/// Where the trend of usage is clipped.
const USAGE_CLIP: f64 = 3.0;

/// A customer as rules see it, perhaps one of its tickets with it, until the next event.
pub(super) struct Facts<'a> {
    pub cx: &'a Context,
    /// The customer's id, and what is known of the owners: only where something is told.
    pub key: &'a [u8],
    pub owners: Option<&'a Owners>,
    pub profile: &'a Profile,
    pub tier: TierColumns,
    pub ticket: Option<TicketView>,
    /// How thoroughly crossings of the risk are looked for.
    pub look: Look,
    /// What the risk is told from, the risk at the moment that is looked at, and where it goes next. The first two are large and
    /// seldom needed.
    pub inputs: OnceCell<Option<Box<RiskInputs>>>,
    pub now: OnceCell<Option<Box<(i64, RiskPoint)>>>,
    pub ahead: OnceCell<Option<Ahead>>,
    /// The same of a closer look, where what was known was not enough.
    pub closer: OnceCell<Option<Ahead>>,
}

impl<'a> Facts<'a> {
    pub fn new(cx: &'a Context, profile: &'a Profile, tier: TierColumns) -> Self {
        Self {
            cx,
            key: &[],
            owners: None,
            profile,
            tier,
            ticket: None,
            look: Look::Exactly,
            inputs: OnceCell::new(),
            now: OnceCell::new(),
            ahead: OnceCell::new(),
            closer: OnceCell::new(),
        }
    }

    /// The same, of whom it has just been found where the risk goes next.
    pub fn judged(self, ahead: Option<Ahead>) -> Self {
        if let Some(ahead) = ahead {
            return Self { ahead: OnceCell::from(Some(ahead)), ..self };
        }
        self
    }

    /// The same of whom something may be told.
    pub fn named(self, key: &'a [u8], owners: &'a Owners) -> Self {
        Self { key, owners: Some(owners), ..self }
    }

    /// What the risk is told from; the same until the next event.
    pub fn inputs(&self) -> Option<&RiskInputs> {
        self.inputs.get_or_init(|| risk_inputs(self.cx, self.profile).map(Box::new)).as_deref()
    }

    pub fn risk(&self, tau_ms: i64) -> Option<f64> {
        if let Some(ahead) = self.ahead.get().copied().flatten().filter(|held| held.at_ms == tau_ms)
        {
            return Some(ahead.day.from);
        }
        match self.point(tau_ms) {
            Some(point) => Some(point.risk),
            None => Some(self.cx.risk.weights.risk(&self.inputs()?.facts_at(tau_ms))),
        }
    }

    /// The path of the risk; `None` for who has none.
    pub fn path(&self) -> Option<Path<'_>> {
        Some(Path::new(self.inputs()?, &self.cx.risk.weights))
    }

    /// The risk at the first moment that is asked for, which mostly is asked for again; `None` for another.
    pub(super) fn point(&self, tau_ms: i64) -> Option<&RiskPoint> {
        let held = self.now.get_or_init(|| Some(Box::new((tau_ms, self.path()?.at(tau_ms)))));
        held.as_deref().filter(|held| held.0 == tau_ms).map(|held| &held.1)
    }

    /// The revenue at risk, minor units: what 90 days would bring in at the present pace, times the risk of losing it.
    pub fn at_risk_minor(&self, tau_ms: i64) -> Option<i64> {
        let since_ms = self.profile.spend_from_ms()?;
        let year = self.more()?.sums.rate(Sum::Spend365, tau_ms, since_ms) * 365.0;
        Some((self.risk(tau_ms)? * year.max(0.0) * AT_RISK_SHARE).round() as i64)
    }

    pub fn more(&self) -> Option<&'a More> {
        self.profile.more()
    }

    pub fn bought(&self) -> Option<&'a Purchases> {
        self.profile.purchases.as_deref().filter(|p| p.t_first_ms().is_some())
    }

    pub fn is_key(&self) -> bool {
        self.profile.said(Field::Key) == "true" || self.tier.place.is_some_and(|place| place.key)
    }

    /// The sum at a moment; 0 when nothing was ever added.
    pub fn sum(&self, sum: Sum, tau_ms: i64) -> f64 {
        self.more().map_or(0.0, |more| more.sums.at(sum, tau_ms))
    }

    fn held(&self, sum: Sum) -> f64 {
        self.more().map_or(0.0, |more| more.sums.held(sum))
    }

    fn share(&self, part: Sum, whole: Sum) -> Option<f64> {
        share(self.held(part), self.held(whole))
    }

    fn rate(&self, sum: Sum, tau_ms: i64, since_ms: i64) -> f64 {
        self.more().map_or(0.0, |more| more.sums.rate(sum, tau_ms, since_ms))
    }

    pub fn terms(&self) -> Option<&'a Terms> {
        self.more().and_then(|more| more.rare().terms.as_deref())
    }

    /// The signal at a moment not before the last event; `None` where it is unknown.
    pub fn value_of(&self, signal: &Signal, tau_ms: i64) -> Option<Value> {
        let word = |name: Option<&str>| {
            let name = name?;
            let at = signal.words_of().position(|word| word == name)?;
            Some(Value::Word(at as u8))
        };
        let place = self.tier.place;
        match signal.name {
            "risk" => self.risk(tau_ms).map(Value::Number),
            "key_customer" => Some(Value::Flag(self.is_key())),
            "opted_out" => {
                Some(Value::Flag(self.profile.web.as_ref().is_some_and(|web| web.opted_out)))
            }
            "contract_signed" => Some(Value::Flag(self.terms()?.running()?.signed)),
            "ticket_open" => Some(Value::Flag(self.ticket.is_some_and(|ticket| ticket.open))),
            "ticket_complaint" => {
                Some(Value::Flag(self.ticket.is_some_and(|ticket| ticket.complaint)))
            }
            "ticket_answered" => {
                Some(Value::Flag(self.ticket.is_some_and(|ticket| ticket.answered)))
            }
            "lifecycle" => word(Some(self.profile.lifecycle().name())),
            "tier" => word(place.map(|place| place.tier.name())),
            "abc" => word(place.map(|place| place.abc.name())),
            "quadrant" => word(self.quadrant(tau_ms).map(|quadrant| quadrant.name())),
            "sat_band" => word(self.inputs_sat_gap().and_then(sat_band).map(|band| band.name())),
            name => self.number(name, tau_ms).map(Value::Number),
        }
    }

    /// Numbers in the signal's unit, but lengths of time and moments in milliseconds.
    pub fn number(&self, name: &str, tau_ms: i64) -> Option<f64> {
        self.of_purchases(name, tau_ms)
            .or_else(|| self.of_service(name, tau_ms))
            .or_else(|| self.of_credit(name, tau_ms))
            .or_else(|| self.of_scores(name, tau_ms))
            .filter(|number| !number.is_nan())
    }

    fn of_purchases(&self, name: &str, tau_ms: i64) -> Option<f64> {
        let since_ms = |ms: i64| (tau_ms - ms) as f64;
        match name {
            "orders" | "n_days" | "x" | "refunds" | "revenue_minor" => {
                let Some(p) = self.bought() else { return Some(0.0) };
                Some(match name {
                    "orders" => f64::from(p.orders()),
                    "n_days" => f64::from(p.n_days()),
                    "x" => f64::from(p.x().unwrap_or(0)),
                    "refunds" => f64::from(p.refunds),
                    _ => p.revenue_minor() as f64,
                })
            }
            "spend_90d_minor" => Some(window_sum(self.spent(), tau_ms) as f64),
            "t_first" => self.bought()?.t_first_ms().map(|ms| ms as f64),
            "t_last" => self.bought()?.t_last_ms().map(|ms| ms as f64),
            "recency_d" => self.bought()?.t_last_ms().map(since_ms),
            "spend_rate_30" => Some(self.spend_rates(tau_ms)?.0),
            "spend_rate_180" => Some(self.spend_rates(tau_ms)?.1),
            "spend_rate_365" => {
                let since_ms = self.profile.spend_from_ms()?;
                Some(self.rate(Sum::Spend365, tau_ms, since_ms) / self.cx.major())
            }
            "order_rate_90" => {
                Some(self.rate(Sum::Orders90, tau_ms, self.profile.spend_from_ms()?))
            }
            "volume_trend" => {
                let (rule, sums) = self.volume()?;
                rule.value(&sums, tau_ms)
            }
            "aov_trend" => {
                let mean = |gross, orders| self.share(gross, orders).filter(|mean| *mean > 0.0);
                let (short, long) =
                    (mean(Sum::Gross60, Sum::Orders60)?, mean(Sum::Gross365, Sum::Orders365)?);
                Some(libm::log(short / long))
            }
            "gap_mean" => Some(rhythm(self.cx, self.bought()?).g_bar_d * DAY_MS as f64),
            "gap_k" => Some(rhythm(self.cx, self.bought()?).k_hat),
            "gap_surprise" => {
                let p = self.bought()?;
                let elapsed_d = days(tau_ms - p.t_last_ms()?).max(0.0);
                Some(rhythm(self.cx, p).gap_surprise(elapsed_d))
            }
            "p_alive" => {
                let (history, age_d) = self.age_d(tau_ms)?;
                Some(self.cx.model.p_alive(history, age_d))
            }
            "p_silent_30" | "p_silent_90" | "p_silent_180" => {
                let (history, age_d) = self.age_d(tau_ms)?;
                let horizon_d = name.trim_start_matches("p_silent_").parse().ok()?;
                Some(self.cx.model.p_silent(history, age_d, horizon_d))
            }
            "mean_spend_hat" => Some(mean_spend_minor(self.cx, self.bought()?)? / self.cx.major()),
            "activated_at" => {
                let cycle_d = self.cx.plan.parameters.regularity.new_cycle_d;
                let day = self.bought()?.activated_day(cycle_d)?;
                Some(self.cx.day_start_ms(day) as f64)
            }
            "breadth" => Some(self.more().map_or(0.0, |more| f64::from(more.intents.breadth()))),
            "disc_share" => self.share(Sum::Discount365, Sum::Gross365),
            "return_rate" => self.share(Sum::Refund365, Sum::Gross365),
            "adopt_new" => Some(self.sum(Sum::NewProducts365, tau_ms)),
            "referrals" => Some(self.sum(Sum::Referrals180, tau_ms)),
            _ => None,
        }
    }

    /// Net spending by bucket of the window.
    pub fn spent(&self) -> impl Iterator<Item = (u16, i64)> + Clone {
        let buckets = self.bought().map_or(&[][..], |p| &p.buckets);
        buckets.iter().map(|bucket| (bucket.index, bucket.minor()))
    }

    pub fn age_d(&self, tau_ms: i64) -> Option<(History, f64)> {
        let (first_ms, history) = self.bought()?.history()?;
        Some((history, days(tau_ms - first_ms).max(history.t_x_d)))
    }

    /// Spending a day, currency: half-lives 30 and 180 days.
    fn spend_rates(&self, tau_ms: i64) -> Option<(f64, f64)> {
        let (rule, sums) = self.volume()?;
        let (short, long) = rule.rates_per_day(&sums, tau_ms);
        Some((short / self.cx.major(), long / self.cx.major()))
    }

    /// The customer's own rhythm, and when they last bought.
    pub fn inputs_gap(&self) -> Option<(Rhythm, i64)> {
        let p = self.bought()?;
        Some((rhythm(self.cx, p), p.t_last_ms()?))
    }

    /// The customer's own rhythm of visits, and when they last came.
    pub fn visit_gap(&self) -> Option<(Rhythm, i64)> {
        let web = self.profile.web.as_ref()?;
        Some((self.cx.visit_regularity.rhythm(web.gaps()), web.last_ms()?))
    }

    /// The trend of spending.
    pub fn volume(&self) -> Option<(TrendRule, TrendSums)> {
        let p = self.bought()?;
        let sums = TrendSums {
            short: p.sums[0],
            long: p.sums[1],
            landmark_ms: p.sums_at.ms(),
            first_ms: self.profile.spend_from_ms()?,
            events: p.orders(),
        };
        Some((self.cx.trends[0], sums))
    }

    /// The trend of visits.
    pub fn visits(&self) -> Option<(TrendRule, TrendSums)> {
        let web = self.profile.web.as_ref()?;
        let sums = TrendSums {
            short: web.sums[0],
            long: web.sums[1],
            landmark_ms: web.sums_at.ms(),
            first_ms: self.profile.born.ms(),
            events: web.visits(),
        };
        Some((self.cx.trends[1], sums))
    }

    fn inputs_sat_gap(&self) -> Option<f64> {
        // the same number that the risk is told from, known of whom no risk is known too
        let of = |sum| self.held(sum);
        crate::signal::service::sat_gap(&crate::signal::service::Ratings {
            fast_sum: of(Sum::Csat30),
            fast_n: of(Sum::CsatN30),
            expected_sum: of(Sum::Expected30),
            expected_n: of(Sum::ExpectedN30),
            slow_sum: of(Sum::Csat365),
            slow_n: of(Sum::CsatN365),
        })
    }

    fn of_service(&self, name: &str, tau_ms: i64) -> Option<f64> {
        let born_ms = self.profile.born.ms();
        let hours = |ln, n| Some(typical_hours(self.held(ln), self.held(n))? * HOUR_MS as f64);
        match name {
            "open_tickets" => Some(f64::from(open_tickets(self.profile).tickets)),
            "open_complaints" => Some(f64::from(open_tickets(self.profile).complaints)),
            "oldest_open_at" => open_tickets(self.profile).oldest_ms.map(|ms| ms as f64),
            "ticket_opened_at" => Some(self.ticket?.opened_ms as f64),
            "ticket_rate_90" => Some(self.rate(Sum::Tickets90, tau_ms, born_ms)),
            "frt_h" => hours(Sum::ReplyLn90, Sum::Replies90),
            "resolve_h" => hours(Sum::ResolveLn90, Sum::Resolves90),
            "wait_h" => hours(Sum::WaitLn90, Sum::Waits90),
            "reopen_share" => Some(shrunk_share(
                self.sum(Sum::Reopened180, tau_ms),
                self.sum(Sum::Solved180, tau_ms),
            )),
            "sla_breach_share" => {
                let care = self.more().and_then(|more| more.care.as_deref().zip(Some(&more.sums)));
                let (missed, due) = care.map_or((0.0, 0.0), |(care, sums)| care.sla(tau_ms, sums));
                Some(shrunk_share(missed, due))
            }
            "effort_index" => self.share(Sum::EffortLn90, Sum::Efforts90),
            "contacts_per_resolution" => self.share(Sum::Turns90, Sum::Resolves90),
            "suggest_share" => Some(suggest_share(
                self.sum(Sum::Suggestions365, tau_ms),
                self.sum(Sum::Complaints365, tau_ms),
            )),
            "csat" => Some(self.csat(tau_ms)),
            "csat_n" => Some(self.sum(Sum::CsatN180, tau_ms)),
            "sat_gap" => self.inputs_sat_gap(),
            "nps_last" => self.terms()?.nps_last(tau_ms).map(f64::from),
            "visit_rate_7" => {
                Some(self.visits().map_or(0.0, |(r, s)| r.rates_per_day(&s, tau_ms).0))
            }
            "visit_rate_60" => {
                Some(self.visits().map_or(0.0, |(r, s)| r.rates_per_day(&s, tau_ms).1))
            }
            "engage_trend" => {
                let (rule, sums) = self.visits()?;
                rule.value(&sums, tau_ms)
            }
            "sessions" => Some(self.profile.web.as_ref().map_or(0.0, |w| f64::from(w.visits()))),
            "session_gap_surprise" => {
                let (rhythm, last_ms) = self.visit_gap()?;
                Some(rhythm.gap_surprise(days(tau_ms - last_ms).max(0.0)))
            }
            "last_seen" => self.profile.last_seen.known_ms().map(|ms| ms as f64),
            "search_per_buy" => self.share(Sum::Searches90, Sum::Orders90),
            "cancel_intent" => Some(self.sum(Sum::Cancels14, tau_ms)),
            "contact_pressure" => Some(7.0 * self.rate(Sum::Outbound7, tau_ms, born_ms)),
            "inbound_share" => {
                let (inbound, outbound) = (self.held(Sum::Inbound90), self.held(Sum::Outbound90));
                share(inbound, inbound + outbound)
            }
            "owner_changes" => Some(self.sum(Sum::OwnerChanges90, tau_ms)),
            "profile_age_d" => self.terms()?.profile_ms().map(|ms| (tau_ms - ms) as f64),
            "profile_completeness" => {
                let said = |field: &&Field| !self.profile.said.get_bytes(**field).is_empty();
                let known = MASTER.iter().chain(&[Field::Key]).filter(said).count();
                Some(known as f64 / (MASTER.len() + 1) as f64)
            }
            "profile_sources" => Some(self.terms().map_or(0.0, |t| f64::from(t.origins()))),
            "last_contact" => self.contacts()?.last_ms().map(|ms| ms as f64),
            "visit_gap_d" => self.contacts()?.last_visit_ms().map(|ms| (tau_ms - ms) as f64),
            _ => None,
        }
    }

    fn contacts(&self) -> Option<&'a crate::engine::contact::Contacts> {
        self.more()?.rare().contacts.as_deref()
    }

    /// Satisfaction; the population's without a rating.
    fn csat(&self, tau_ms: i64) -> f64 {
        let mean = self.more().and_then(|more| csat(self.cx, &more.sums)?.at(tau_ms));
        mean.unwrap_or(self.cx.plan.csat_prior)
    }

    fn of_credit(&self, name: &str, tau_ms: i64) -> Option<f64> {
        let credit = self.more().and_then(|more| more.rare().credit.as_deref());
        let exposure = || credit.map(|credit| credit.exposure(tau_ms)).unwrap_or_default();
        let service = || self.terms()?.service();
        match name {
            "open_minor" => Some(exposure().open_minor as f64),
            "overdue_minor" => Some(exposure().overdue_minor as f64),
            "overdue_ratio" => exposure().overdue_ratio(),
            "dbt_days" => {
                let sums = &self.more()?.sums;
                Some(credit?.dbt_days(tau_ms, sums)? * DAY_MS as f64)
            }
            "ext_requests" => Some(self.sum(Sum::Extensions180, tau_ms)),
            "partial_payments" => Some(self.sum(Sum::Partials180, tau_ms)),
            "contract_start" => Some(self.terms()?.running()?.start_ms as f64),
            "contract_renewal" => Some(self.terms()?.running()?.renewal_ms? as f64),
            "order_late_h" => {
                let (ln, n) = (self.held(Sum::DeliveryLateLn90), self.held(Sum::Deliveries90));
                Some(typical_hours(ln, n)? * HOUR_MS as f64)
            }
            "orders_overdue" => {
                Some(service().map_or(0.0, |service| f64::from(service.undelivered(tau_ms).1)))
            }
            "usage_trend" => {
                let born_ms = self.profile.born.ms();
                let rate = |sum| self.rate(sum, tau_ms, born_ms);
                trend(rate(Sum::Usage30), rate(Sum::Usage180), USAGE_CLIP)
            }
            "usage_share" => service()?.usage_share(),
            "usage_high_since" => service()?.high_since_ms().map(|ms| ms as f64),
            _ => None,
        }
    }

    /// Loyalty and what it is made of; `None` for who has neither bought nor a contract.
    pub fn loyal(&self, tau_ms: i64) -> Option<Point> {
        let inputs = self.inputs()?;
        let facts = loyalty_facts(self.cx, self.profile, &inputs.facts_at(tau_ms), tau_ms);
        let debt = inputs.debt.as_ref().map(|debt| debt.parts_at(tau_ms));
        Some(self.cx.loyalty.point(&facts, debt))
    }

    /// As [`crate::engine::judge::judge`] has it.
    fn quadrant(&self, tau_ms: i64) -> Option<Quadrant> {
        let loyalty = self.loyal(tau_ms)?.loyalty;
        let csat = csat(self.cx, &self.more()?.sums)?.at(tau_ms);
        quadrant(Some(loyalty), csat, self.sum(Sum::CsatN180, tau_ms))
    }

    fn of_scores(&self, name: &str, tau_ms: i64) -> Option<f64> {
        match name {
            "risk_band" => self.profile.risk_band().map(|(band, _)| f64::from(band)),
            "loyalty" => Some(self.loyal(tau_ms)?.loyalty),
            "clv" => Some(clv_minor(self.cx, self.profile, tau_ms)? / self.cx.major()),
            "exp_purchases_90" => {
                let seen = self.age_d(tau_ms)?;
                Some(self.cx.outlooks.at(seen, None, 0.0).expected)
            }
            "cost_to_serve" => {
                let minor = crate::engine::judge::cost_per_day_minor(self.cx, self.profile, tau_ms);
                Some(minor / self.cx.major())
            }
            _ => None,
        }
    }
}
