//! When time alone may change the answer of a test: exact where the signal has an inverse or goes one way, else by what is known of its
//! path (`drift`).

use super::values::Facts;
use crate::alert::view::View;
use crate::engine::judge::{Ahead, Look};
use crate::model::registry::Signal;
use crate::model::time::{DAY_MS, NEVER_MS};
use crate::rule::condition::Test;
use crate::signal::days;
use crate::signal::exit::{Exit, Window};
use crate::signal::moment::earliest_after;
use crate::signal::quadrant::{LOYAL_FROM, RATINGS_MIN, SATISFIED_EDGE};
use crate::signal::regularity::Rhythm;
use crate::signal::trend::{TrendRule, TrendSums};

/// How time alone moves a signal.
enum Moves {
    /// By bounds of the risk.
    Risk,
    /// The trend of spending falls until it is unknown; that of visits alike.
    Spending,
    Visits,
    /// With loyalty and satisfaction.
    Quadrant,
    /// The ratio of two decayed sums falls.
    Usage,
    /// In steps, when an invoice falls due, or an order.
    Invoices,
    Orders,
    /// Days beyond terms, which go either way.
    Debt,
    /// A gap becomes more surprising: between purchases, between visits.
    Gap,
    VisitGap,
    /// One way, and in a step when a promised response is missed.
    Responses,
    /// One way until the next event, known or unknown throughout, or becoming unknown at the end.
    OneWay,
    /// By what is known of its path, see `drift`.
    Path,
}

/// How a signal moves; `None` where it stands until something happens. Whoever adds a signal that moves says here how its dues are found.
fn moves(name: &str) -> Option<Moves> {
    Some(match name {
        "risk" => Moves::Risk,
        "volume_trend" => Moves::Spending,
        "engage_trend" => Moves::Visits,
        "quadrant" => Moves::Quadrant,
        "usage_trend" => Moves::Usage,
        "overdue_minor" | "overdue_ratio" => Moves::Invoices,
        "orders_overdue" => Moves::Orders,
        "dbt_days" => Moves::Debt,
        "gap_surprise" => Moves::Gap,
        "session_gap_surprise" => Moves::VisitGap,
        "sla_breach_share" => Moves::Responses,
        "adopt_new" | "cancel_intent" | "contact_pressure" | "cost_to_serve" | "csat"
        | "csat_n" | "ext_requests" | "nps_last" | "order_rate_90" | "owner_changes"
        | "p_alive" | "partial_payments" | "profile_age_d" | "recency_d" | "referrals"
        | "reopen_share" | "spend_rate_180" | "spend_rate_30" | "spend_rate_365"
        | "suggest_share" | "ticket_rate_90" | "visit_gap_d" | "visit_rate_60" | "visit_rate_7" => {
            Moves::OneWay
        }
        "clv" | "exp_purchases_90" | "loyalty" | "p_silent_30" | "p_silent_90" | "p_silent_180"
        | "spend_90d_minor" => Moves::Path,
        _ => return None,
    })
}

/// Whether it is known how to find the dues of a signal of a customer or ticket that time moves.
pub(super) fn is_followed(signal: &Signal) -> bool {
    moves(signal.name).is_some()
}

/// How far ahead a ratio of two decayed sums is followed at once: beyond, both are too small for a float.
const RATIO_MS: i64 = 3_000 * DAY_MS;

impl Facts<'_> {
    /// See [`crate::alert::Facts::crossing_ms`].
    pub(super) fn of_signal(&self, view: &View<'_>, signal: &Signal, test: &Test) -> i64 {
        let tau_ms = view.tau_ms;
        let facts = self;
        let credit = facts.more().and_then(|more| more.rare().credit.as_deref());
        let due_ms = || {
            let open = credit.into_iter().flat_map(|credit| credit.open_parts());
            earliest_after(tau_ms, open.map(|(due_ms, _)| due_ms))
        };
        let Some(moves) = moves(signal.name) else { return NEVER_MS };
        match moves {
            Moves::Risk => self.of_risk(tau_ms, test.asks.edge()),
            Moves::Spending => of_trend(tau_ms, facts.volume(), test),
            Moves::Visits => of_trend(tau_ms, facts.visits(), test),
            Moves::Quadrant => self.of_quadrant(tau_ms),
            Moves::Usage => view.monotone_ms(test, tau_ms.saturating_add(RATIO_MS)),
            Moves::Invoices => due_ms(),
            Moves::Debt => {
                let theta_d = test.asks.edge().map(|edge_ms| edge_ms / DAY_MS as f64);
                let flips = theta_d.zip(credit).zip(facts.more());
                let flip = flips.and_then(|((theta_d, credit), more)| {
                    credit.dbt_flip_ms(tau_ms, theta_d, &more.sums)
                });
                // a flip is found before the next step only
                let steps = credit.map_or(NEVER_MS, |credit| credit.next_due_ms(tau_ms));
                view.confirmed_ms(test, flip.unwrap_or(NEVER_MS)).min(steps).min(due_ms())
            }
            Moves::Gap => self.of_gap(tau_ms, facts.inputs_gap(), test),
            Moves::VisitGap => self.of_gap(tau_ms, facts.visit_gap(), test),
            Moves::Orders => {
                let service = facts.terms().and_then(|terms| terms.service());
                let promised = service.into_iter().flat_map(|service| service.promised_ms());
                earliest_after(tau_ms, promised)
            }
            Moves::Responses => view.monotone_ms(test, self.missed_ms(tau_ms)),
            Moves::OneWay => view.monotone_ms(test, NEVER_MS),
            // where they are known they are so until the next event
            Moves::Path => test.asks.edge().map_or(NEVER_MS, |edge| {
                self.signal_leaves_ms(signal, tau_ms, &|now| Window::around(now, &[edge]))
            }),
        }
    }

    /// When a promised response is missed next.
    pub(super) fn missed_ms(&self, tau_ms: i64) -> i64 {
        let care = self.more().and_then(|more| more.care.as_deref());
        let by = care.into_iter().flat_map(|care| care.respond_by_ms());
        // at the promised moment itself nothing is missed yet
        earliest_after(tau_ms, by.map(|ms| ms + 1))
    }

    /// Two edges, and whether there are ratings enough behind the second.
    fn of_quadrant(&self, tau_ms: i64) -> i64 {
        let edges = [("csat_n", RATINGS_MIN), ("csat", SATISFIED_EDGE), ("loyalty", LOYAL_FROM)];
        // once there are too few they stay so
        if self.number("csat_n", tau_ms).is_none_or(|n| n < RATINGS_MIN) {
            return NEVER_MS;
        }
        let leaves =
            |(name, edge)| self.number_leaves_ms(name, tau_ms, &|now| Window::around(now, &[edge]));
        edges.map(leaves).into_iter().min().unwrap_or(NEVER_MS)
    }

    /// How surprising a gap is rises: from its edge on it stays there.
    fn of_gap(&self, tau_ms: i64, gap: Option<(Rhythm, i64)>, test: &Test) -> i64 {
        let (Some((rhythm, last_ms)), Some(edge)) = (gap, test.asks.edge()) else {
            return NEVER_MS;
        };
        if rhythm.gap_surprise(days(tau_ms - last_ms).max(0.0)) >= edge {
            return NEVER_MS;
        }
        if self.look == Look::Roughly && edge >= 0.5 {
            let wait_ms = (rhythm.half_not_before_d() * DAY_MS as f64) as i64;
            let from_ms = last_ms.saturating_add(wait_ms);
            if from_ms > tau_ms {
                return from_ms;
            }
        }
        let next_ms = tau_ms.saturating_add(1);
        rhythm.gap_surprise_due_ms(last_ms, next_ms, edge).unwrap_or(NEVER_MS)
    }

    fn of_risk(&self, tau_ms: i64, edge: Option<f64>) -> i64 {
        let (Some(edge), Some(risk)) = (edge, self.risk(tau_ms)) else { return NEVER_MS };
        self.exit_ms(tau_ms, Window::around(risk, &[edge])).unwrap_or(NEVER_MS)
    }

    /// See [`crate::alert::Facts::leaves_ms`]: of the risk.
    pub(super) fn risk_leaves_ms(&self, tau_ms: i64, window: &dyn Fn(f64) -> Window) -> i64 {
        let now = self.risk(tau_ms);
        now.and_then(|now| self.exit_ms(tau_ms, window(now))).unwrap_or(NEVER_MS)
    }

    /// Where the risk goes within a day; `None` for who has none.
    fn ahead(&self, tau_ms: i64) -> Option<Ahead> {
        let found = || self.ahead_closely(tau_ms);
        let held = *self.ahead.get_or_init(found);
        held.filter(|held| held.at_ms == tau_ms).or_else(found)
    }

    /// The same of the closest look there is.
    fn closer(&self, tau_ms: i64) -> Option<Ahead> {
        let found = || {
            self.ahead(tau_ms).filter(|held| held.is_close).or_else(|| self.ahead_closely(tau_ms))
        };
        let held = *self.closer.get_or_init(found);
        held.filter(|held| held.at_ms == tau_ms).or_else(found)
    }

    fn ahead_closely(&self, tau_ms: i64) -> Option<Ahead> {
        let path = self.path()?;
        Some(match self.point(tau_ms) {
            Some(now) => Ahead::closely(&path, now, tau_ms),
            None => Ahead::closely(&path, &path.at(tau_ms), tau_ms),
        })
    }

    /// The first moment at which the risk may be outside; `None` for who has none. Of who has done something within a day it is
    /// enough that it is not within the next: mostly something happens before.
    fn exit_ms(&self, tau_ms: i64, window: Window) -> Option<i64> {
        let is_recent = tau_ms.saturating_sub(self.profile.as_of_ms) < DAY_MS;
        let stays = |ahead: Ahead| ahead.day.is_within(window);
        if (self.look == Look::Roughly || is_recent)
            && (stays(self.ahead(tau_ms)?) || stays(self.closer(tau_ms)?))
        {
            return Some(Ahead::end_ms(tau_ms));
        }
        let path = self.path()?;
        let found = match self.look {
            Look::Roughly => path.not_before(window, tau_ms),
            Look::Exactly => path.first_exit(window, tau_ms, NEVER_MS),
        };
        Some(match found.exit {
            Exit::At { at_ms } | Exit::NotBefore { at_ms } => at_ms,
            Exit::Never => NEVER_MS,
        })
    }
}

fn of_trend(tau_ms: i64, trend: Option<(TrendRule, TrendSums)>, test: &Test) -> i64 {
    let edge = test.asks.edge();
    trend.map_or(NEVER_MS, |(rule, sums)| trend_leaves_ms(&rule, &sums, edge, tau_ms))
}

/// When a trend is next below `edge`, or unknown: it falls until it is.
pub(super) fn trend_leaves_ms(
    rule: &TrendRule,
    sums: &TrendSums,
    edge: Option<f64>,
    tau_ms: i64,
) -> i64 {
    let Some(now) = rule.value(sums, tau_ms) else { return NEVER_MS };
    let next_ms = tau_ms.saturating_add(1);
    let unknown_ms = rule.unknown_from_ms(sums, next_ms).unwrap_or(NEVER_MS);
    // below the edge is where it is at most the number before it
    let edge = edge.map(f64::next_down);
    let falls_ms =
        edge.filter(|edge| now > *edge).and_then(|edge| rule.falls_to_due_ms(sums, next_ms, edge));
    falls_ms.unwrap_or(NEVER_MS).min(unknown_ms)
}
