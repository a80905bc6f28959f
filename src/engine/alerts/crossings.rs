//! When time alone may change the answer of a test: exact where the signal has an inverse or is monotone, else bounded and
//! halved, or looked at hour by hour.

use super::view::View;
use crate::engine::judge::Look;
use crate::engine::moment::{earliest_after, first_ms};
use crate::model::registry::Signal;
use crate::model::time::{DAY_MS, HOUR_MS, NEVER_MS};
use crate::rule::condition::{Term, Test};
use crate::rule::daily::next_midnight_ms;
use crate::signal::days;
use crate::signal::exit::{Exit, FAR_MS, Window};
use crate::signal::regularity::Rhythm;
use crate::signal::risk_path::Path;
use crate::signal::trend::{TrendRule, TrendSums};

/// Signals that go one way until the next event, and are known or unknown throughout.
const MONOTONE: [&str; 24] = [
    "adopt_new",
    "cancel_intent",
    "contact_pressure",
    "cost_to_serve",
    "csat",
    "csat_n",
    "ext_requests",
    "order_rate_90",
    "owner_changes",
    "p_alive",
    "partial_payments",
    "profile_age_d",
    "recency_d",
    "referrals",
    "reopen_share",
    "spend_rate_180",
    "spend_rate_30",
    "spend_rate_365",
    "suggest_share",
    "ticket_rate_90",
    "visit_gap_d",
    "visit_rate_60",
    "visit_rate_7",
    "nps_last",
];
/// How far ahead a ratio of two decayed sums is followed at once: beyond, both are too small for a float.
const RATIO_MS: i64 = 3_000 * DAY_MS;
/// How far ahead signals without a known shape are looked at, hour by hour.
const SCAN_MS: i64 = DAY_MS;

impl View<'_> {
    /// See [`crate::rule::evaluate::World::crossing`].
    pub fn crossing_ms(&self, test: &Test) -> i64 {
        let at_ms = match &test.term {
            Term::Signal(signal) => self.of_signal(signal, test),
            Term::BusinessAge(signal) => self.of_business_age(signal, test),
            Term::Rise { .. } | Term::Fall { .. } => self.of_rise(test),
            Term::Age(_) | Term::Until(_) | Term::Firing(_) => NEVER_MS,
        };
        at_ms.max(self.tau_ms.saturating_add(1))
    }

    fn of_business_age(&self, signal: &Signal, test: &Test) -> i64 {
        let (Some(edge_ms), Some(since_ms)) =
            (test.asks.edge(), self.moment_ms(signal, self.tau_ms))
        else {
            return NEVER_MS;
        };
        let at_ms = self.calendar.after_ms(since_ms, edge_ms.ceil() as i64);
        if at_ms > self.tau_ms { at_ms } else { NEVER_MS }
    }

    fn of_signal(&self, signal: &Signal, test: &Test) -> i64 {
        let facts = &self.facts;
        let credit = facts.more().and_then(|more| more.rare().credit.as_deref());
        let due_ms = || {
            let open = credit.into_iter().flat_map(|credit| credit.open_parts());
            earliest_after(self.tau_ms, open.map(|(due_ms, _)| due_ms))
        };
        match signal.name {
            "risk" => self.of_risk(test.asks.edge()),
            "volume_trend" => self.of_trend(facts.volume(), test),
            "engage_trend" => self.of_trend(facts.visits(), test),
            "usage_trend" => self.monotone_ms(test, self.tau_ms.saturating_add(RATIO_MS)),
            "overdue_minor" | "overdue_ratio" => due_ms(),
            "dbt_days" => {
                let theta_d = test.asks.edge().map(|edge_ms| edge_ms / DAY_MS as f64);
                let flips = theta_d.zip(credit).zip(facts.more());
                let flip = flips.and_then(|((theta_d, credit), more)| {
                    credit.dbt_flip_ms(self.tau_ms, theta_d, &more.sums)
                });
                // a flip is found before the next step only
                let steps = credit.map_or(NEVER_MS, |credit| credit.next_due_ms(self.tau_ms));
                self.confirmed_ms(test, flip.unwrap_or(NEVER_MS)).min(steps).min(due_ms())
            }
            "gap_surprise" => self.of_gap(facts.inputs_gap(), test),
            "session_gap_surprise" => self.of_gap(facts.visit_gap(), test),
            "orders_overdue" => {
                let service = facts.terms().and_then(|terms| terms.service());
                let promised = service.into_iter().flat_map(|service| service.promised_ms());
                earliest_after(self.tau_ms, promised)
            }
            "sla_breach_share" => {
                let care = facts.more().and_then(|more| more.care.as_deref());
                let by = care.into_iter().flat_map(|care| care.respond_by_ms());
                // at the promised moment itself nothing is missed yet
                self.monotone_ms(test, earliest_after(self.tau_ms, by.map(|ms| ms + 1)))
            }
            "p_silent_30" | "p_silent_90" | "p_silent_180"
                if facts.cx.model.model.stages() == 1 =>
            {
                self.monotone_ms(test, NEVER_MS)
            }
            name if MONOTONE.contains(&name) => self.monotone_ms(test, NEVER_MS),
            _ => self.scanned_ms(test, self.tau_ms.saturating_add(SCAN_MS)),
        }
    }

    /// How surprising a gap is rises: from its edge on it stays there.
    fn of_gap(&self, gap: Option<(Rhythm, i64)>, test: &Test) -> i64 {
        let (Some((rhythm, last_ms)), Some(edge)) = (gap, test.asks.edge()) else {
            return NEVER_MS;
        };
        if rhythm.gap_surprise(days(self.tau_ms - last_ms).max(0.0)) >= edge {
            return NEVER_MS;
        }
        if self.look == Look::Roughly && edge >= 0.5 {
            let wait_ms = (rhythm.half_not_before_d() * DAY_MS as f64) as i64;
            let from_ms = last_ms.saturating_add(wait_ms);
            if from_ms > self.tau_ms {
                return from_ms;
            }
        }
        let next_ms = self.tau_ms.saturating_add(1);
        rhythm.gap_surprise_due_ms(last_ms, next_ms, edge).unwrap_or(NEVER_MS)
    }

    /// The first moment up to `end_ms` at which the answer is another one, for what changes it once at most until then;
    /// `end_ms` where it does not.
    fn monotone_ms(&self, test: &Test, end_ms: i64) -> i64 {
        let now = self.holds(test, self.tau_ms);
        let far_ms = end_ms.min(self.tau_ms.saturating_add(FAR_MS));
        first_ms(self.tau_ms, far_ms, |ms| self.holds(test, ms) != now).unwrap_or(end_ms)
    }

    /// As [`Self::monotone_ms`], for what may change it once an hour.
    fn scanned_ms(&self, test: &Test, end_ms: i64) -> i64 {
        let now = self.holds(test, self.tau_ms);
        let mut from_ms = self.tau_ms;
        while from_ms < end_ms {
            let hour_ms = (from_ms.div_euclid(HOUR_MS) + 1) * HOUR_MS;
            let to_ms = hour_ms.min(end_ms);
            let found = first_ms(from_ms, to_ms, |ms| self.holds(test, ms) != now);
            if let Some(at_ms) = found {
                return at_ms;
            }
            from_ms = to_ms;
        }
        end_ms
    }

    /// A moment found by an inverse, moved to where the answer itself is another one; rounding keeps them a few milliseconds
    /// apart at most.
    fn confirmed_ms(&self, test: &Test, at_ms: i64) -> i64 {
        if at_ms == NEVER_MS {
            return NEVER_MS;
        }
        let now = self.holds(test, self.tau_ms);
        (at_ms..at_ms + 4).find(|ms| self.holds(test, *ms) != now).unwrap_or(at_ms)
    }

    fn of_trend(&self, trend: Option<(TrendRule, TrendSums)>, test: &Test) -> i64 {
        trend.map_or(NEVER_MS, |(rule, sums)| trend_crossing_ms(&rule, &sums, test, self.tau_ms))
    }

    fn of_risk(&self, edge: Option<f64>) -> i64 {
        let (Some(edge), Some(inputs)) = (edge, self.facts.inputs()) else { return NEVER_MS };
        let path = Path::new(inputs, &self.facts.cx.risk.weights);
        let window = Window::around(path.at(self.tau_ms).risk, &[edge]);
        self.leaves_ms(&path, window)
    }

    fn leaves_ms(&self, path: &Path<'_>, window: Window) -> i64 {
        let tau_ms = self.tau_ms;
        let found = match self.look {
            Look::Roughly => {
                let soon_ms = tau_ms.saturating_add(DAY_MS);
                if path.stays(&path.at(tau_ms), window, soon_ms) {
                    return soon_ms;
                }
                path.not_before(window, tau_ms)
            }
            Look::Exactly => path.first_exit(window, tau_ms, NEVER_MS),
        };
        match found.exit {
            Exit::At { at_ms } | Exit::NotBefore { at_ms } => at_ms,
            Exit::Never => NEVER_MS,
        }
    }

    /// A rise or a fall moves with its signal, and at midnight with the days that count.
    fn of_rise(&self, test: &Test) -> i64 {
        let midnight_ms = next_midnight_ms(self.tau_ms);
        let (Term::Rise { signal, .. } | Term::Fall { signal, .. }) = &test.term else {
            return NEVER_MS;
        };
        if self.value(&Term::Signal(*signal), self.tau_ms).is_none() {
            // what is unknown between events becomes known by an event only, if it is the risk
            return if signal.name == "risk" { NEVER_MS } else { midnight_ms };
        }
        let held = self.extreme(&test.term, self.tau_ms);
        let (Some(edge), Some(held), "risk", Some(inputs)) =
            (test.asks.edge(), held, signal.name, self.facts.inputs())
        else {
            let scanned_ms = self.scanned_ms(test, midnight_ms);
            return scanned_ms.min(midnight_ms);
        };
        let path = Path::new(inputs, &self.facts.cx.risk.weights);
        let now = path.at(self.tau_ms).risk;
        let rises = matches!(test.term, Term::Rise { .. });
        let by = if rises { now - held } else { held - now };
        if by >= edge || edge <= 0.0 {
            // until midnight the days stand still
            let level = if rises { held + edge } else { (held - edge).next_up() };
            let window = Window::around(now, &[level]);
            return self.leaves_ms(&path, window).min(midnight_ms);
        }
        // as long as the signal stays in here, no day that is to come makes it rise so far
        let window = if rises {
            let low = held.min(now - edge / 4.0);
            Window { low, high: low + edge }
        } else {
            let high = held.max(now + edge / 4.0);
            Window { low: (high - edge).next_up(), high: high.next_up() }
        };
        self.leaves_ms(&path, window)
    }
}

/// When a trend next changes the answer of a test: it falls until it is unknown.
pub(super) fn trend_crossing_ms(
    rule: &TrendRule,
    sums: &TrendSums,
    test: &Test,
    tau_ms: i64,
) -> i64 {
    let Some(now) = rule.value(sums, tau_ms) else { return NEVER_MS };
    let next_ms = tau_ms.saturating_add(1);
    let unknown_ms = rule.unknown_from_ms(sums, next_ms).unwrap_or(NEVER_MS);
    // below the edge is where it is at most the number before it
    let edge = test.asks.edge().map(f64::next_down);
    let falls_ms =
        edge.filter(|edge| now > *edge).and_then(|edge| rule.falls_to_due_ms(sums, next_ms, edge));
    falls_ms.unwrap_or(NEVER_MS).min(unknown_ms)
}
