//! Opportunities: each goal's conditions at their edges, what suppresses them, rest between two, the hold-out.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use retain::signal::DAY_MS;
use retain::signal::lifecycle::Lifecycle;
use retain::signal::opportunity::{Goal, Reason, Rules, Suppression};
use retain::signal::situation::{self, Category, Opportunity, Situation};
use retain::signal::tier_moves::Tier;

const NOW_MS: i64 = 900_000_000_000;

/// By the default rules.
fn opportunities(situation: &Situation, tau_ms: i64) -> Vec<Opportunity> {
    situation::opportunities(situation, &Rules::default(), tau_ms)
}

fn next_due_ms(situation: &Situation, tau_ms: i64) -> Option<i64> {
    situation::next_due_ms(situation, &Rules::default(), tau_ms)
}

fn ago(d: i64) -> i64 {
    NOW_MS - d * DAY_MS
}

fn only(situation: &Situation) -> Option<Opportunity> {
    let found = opportunities(situation, NOW_MS);
    assert!(found.len() <= 1, "{found:?}");
    found.first().copied()
}

fn reason(situation: &Situation) -> Option<Reason> {
    only(situation).map(|found| found.reason)
}

/// Somebody to whom everything could be proposed at once, as far as a lifecycle allows.
fn rich() -> Situation {
    Situation {
        category: Some(Category { intent: 3.0, lift: None, p_buy: 0.2 }),
        mean_spend_hat: Some(50.0),
        aov_trend: Some(0.15),
        delta_spend: Some(12.0),
        risk: Some(0.4),
        clv_365: Some(300.0),
        clv_top_from: Some(300.0),
        delivered_unrated_ms: Some(ago(7)),
        tier: Some(Tier::Gold),
        x: Some(4),
        ..Situation::new(Lifecycle::Active)
    }
}

#[test]
fn several_goals_at_once_in_their_order() {
    let found: Vec<_> =
        opportunities(&rich(), NOW_MS).iter().map(|o| (o.goal, o.reason, o.score)).collect();
    assert_eq!(
        found,
        [
            (Goal::CrossSell, Reason::CategoryIntent, 10.0),
            (Goal::UpSell, Reason::OrdersGrow, 12.0),
            (Goal::Retention, Reason::AtRisk, 120.0),
            (Goal::AfterSale, Reason::NotRated, 3.0),
        ]
    );
    assert!(opportunities(&Situation::new(Lifecycle::Active), NOW_MS).is_empty());
}

#[test]
fn suppression_silences_everything() {
    let cases = [
        (Situation { consent: false, ..rich() }, Suppression::NoConsent),
        (Situation { opted_out: true, ..rich() }, Suppression::OptedOut),
        (Situation { contact_pressure: 2.01, ..rich() }, Suppression::ContactPressure),
        (Situation { open_complaints: 1, ..rich() }, Suppression::OpenComplaint),
    ];
    for (situation, why) in cases {
        assert_eq!(situation.suppressed(&Rules::default()), Some(why));
        assert!(opportunities(&situation, NOW_MS).is_empty());
    }
    let at_the_edge = Situation { contact_pressure: 2.0, ..rich() };
    assert_eq!(at_the_edge.suppressed(&Rules::default()), None);
    assert_eq!(opportunities(&at_the_edge, NOW_MS).len(), 4);
}

#[test]
fn each_goal_rests_by_itself() {
    let mut situation = rich();
    situation.proposed_ms[Goal::UpSell as usize] = Some(ago(30) + 1);
    let goals: Vec<_> = opportunities(&situation, NOW_MS).iter().map(|o| o.goal).collect();
    assert_eq!(goals, [Goal::CrossSell, Goal::Retention, Goal::AfterSale]);
    assert_eq!(next_due_ms(&situation, NOW_MS), Some(NOW_MS + 1));
    assert_eq!(opportunities(&situation, NOW_MS + 1).len(), 4);
}

#[test]
fn cross_sell_needs_an_active_customer_and_a_sign() {
    let base = Situation {
        mean_spend_hat: Some(50.0),
        category: Some(Category { intent: 2.9, lift: Some((1.5, 50)), p_buy: 0.1 }),
        ..Situation::new(Lifecycle::Active)
    };
    assert_eq!(reason(&base), Some(Reason::CategoryLift));
    assert_eq!(reason(&Situation { lifecycle: Lifecycle::Slipping, ..base }), None);
    assert_eq!(reason(&Situation { mean_spend_hat: None, ..base }), None);
    let with = |lift| {
        let category = Some(Category { intent: 2.9, lift, p_buy: 0.1 });
        reason(&Situation { category, ..base })
    };
    assert_eq!((with(Some((1.49, 50))), with(Some((1.5, 49))), with(None)), (None, None, None));
}

#[test]
fn up_sell_spares_the_dissatisfied() {
    let base = Situation {
        usage_high_since_ms: Some(ago(14)),
        delta_spend: Some(9.0),
        ..Situation::new(Lifecycle::Active)
    };
    assert_eq!(reason(&base), Some(Reason::UsageNearLimit));
    assert_eq!(reason(&Situation { csat: Some(0.7), ..base }), Some(Reason::UsageNearLimit));
    assert_eq!(reason(&Situation { csat: Some(0.69), ..base }), None);
    let later = Situation { usage_high_since_ms: Some(ago(14) + 5), ..base };
    assert_eq!(reason(&later), None);
    assert_eq!(next_due_ms(&later, NOW_MS), Some(NOW_MS + 5));
    assert_eq!(reason(&Situation { aov_trend: Some(0.14), ..later }), None);
}

#[test]
fn retention_is_for_the_valuable_at_risk() {
    let base = Situation {
        risk: Some(0.5),
        clv_365: Some(100.0),
        clv_top_from: Some(100.0),
        ..Situation::new(Lifecycle::Slipping)
    };
    assert_eq!(only(&base).unwrap().score, 50.0);
    assert_eq!(only(&Situation { risk: Some(0.39), ..base }), None);
    assert_eq!(only(&Situation { clv_365: Some(99.9), ..base }), None);
    assert_eq!(only(&Situation { clv_top_from: None, ..base }), None);
    assert_eq!(only(&Situation { clv_365: Some(f64::INFINITY), ..base }), None);
}

#[test]
fn acquisition_is_the_first_purchase_then_the_second() {
    let prospect =
        Situation { prospect_intent: Some((5.0, 5.0)), ..Situation::new(Lifecycle::Prospect) };
    let found = only(&prospect).unwrap();
    assert_eq!(found.reason, Reason::ProspectIntent);
    assert!((found.score - 0.632).abs() < 1e-3);
    assert_eq!(only(&Situation { prospect_intent: Some((4.9, 5.0)), ..prospect }), None);
    let new = Situation {
        x: Some(0),
        second_due_ms: Some((NOW_MS, NOW_MS + 10)),
        p_silent_30: Some(0.75),
        ..Situation::new(Lifecycle::New)
    };
    assert_eq!(only(&new).unwrap().score, 0.25);
    assert_eq!(opportunities(&new, NOW_MS - 1), []);
    assert_eq!(opportunities(&new, NOW_MS + 11), []);
    assert_eq!(next_due_ms(&new, NOW_MS - 1), Some(NOW_MS));
    let repeated = Situation { x: Some(1), ..new };
    assert_eq!((only(&repeated), next_due_ms(&repeated, NOW_MS - 1)), (None, None));
}

#[test]
fn win_back_needs_silence_before_the_sign() {
    let base = Situation {
        best_tier: Some(Tier::Iron),
        signs_of_life_ms: Some((NOW_MS, Some(ago(30)))),
        clv_before_loss: Some(80.0),
        ..Situation::new(Lifecycle::Lost)
    };
    assert_eq!(
        only(&base).unwrap(),
        Opportunity {
            goal: Goal::WinBack,
            reason: Reason::SignOfLife,
            score: 80.0,
            until_ms: NOW_MS + 30 * DAY_MS
        }
    );
    assert!(only(&Situation { lifecycle: Lifecycle::Dormant, ..base }).is_some());
    assert_eq!(only(&Situation { lifecycle: Lifecycle::WonBack, ..base }), None);
    assert_eq!(only(&Situation { best_tier: Some(Tier::Lead), ..base }), None);
    assert_eq!(only(&Situation { best_tier: None, ..base }), None);
    let signs = |before| Situation { signs_of_life_ms: Some((NOW_MS, before)), ..base };
    assert_eq!(only(&signs(Some(ago(30) + 1))), None);
    // The first sign ever: silent since the last purchase.
    assert_eq!(only(&signs(None)), None);
    assert!(only(&Situation { last_purchase_ms: Some(ago(31)), ..signs(None) }).is_some());
}

#[test]
fn after_sale_has_three_moments() {
    let base = Situation { tier: Some(Tier::Iron), ..Situation::new(Lifecycle::Active) };
    let closed = Situation { complaint_closed_ms: Some(ago(3)), ..base };
    assert_eq!(reason(&closed), Some(Reason::ComplaintClosed));
    assert_eq!(only(&closed).unwrap().score, 2.0);
    assert_eq!(reason(&Situation { complaint_closed_ms: Some(ago(3) + 1), ..base }), None);
    // A month later the moment has passed.
    assert_eq!(reason(&Situation { complaint_closed_ms: Some(ago(33)), ..base }), None);
    assert_eq!(reason(&Situation { delivered_unrated_ms: Some(ago(7) + 1), ..base }), None);
    let refill =
        |k_hat| Situation { last_purchase_ms: Some(ago(9)), rhythm: Some((10.0, k_hat)), ..base };
    assert_eq!(reason(&refill(1.5)), Some(Reason::RefillDue));
    assert_eq!(reason(&refill(1.49)), None);
    assert_eq!(next_due_ms(&refill(2.0), ago(1)), Some(NOW_MS));
    assert_eq!(next_due_ms(&refill(2.0), NOW_MS), None);
    assert_eq!(only(&Situation { tier: None, ..closed }).unwrap().score, 0.0);
}

#[test]
fn an_opportunity_stands_until_its_moment_has_passed() {
    let base = Situation { tier: Some(Tier::Iron), ..Situation::new(Lifecycle::Active) };
    let until = |situation: &Situation| only(situation).unwrap().until_ms - NOW_MS;
    // two days of the follow-up are gone
    assert_eq!(until(&Situation { complaint_closed_ms: Some(ago(5)), ..base }), 28 * DAY_MS);
    let second = |to| Situation {
        x: Some(0),
        second_due_ms: Some((ago(9), NOW_MS + to)),
        p_silent_30: Some(0.5),
        ..Situation::new(Lifecycle::New)
    };
    assert_eq!(until(&second(3 * DAY_MS)), 3 * DAY_MS + 1);
    // as long as the goal rests
    assert_eq!(until(&second(99 * DAY_MS)), 30 * DAY_MS);
    let usage = Situation { usage_high_since_ms: Some(ago(15)), delta_spend: Some(1.0), ..base };
    assert_eq!(until(&usage), 30 * DAY_MS);
    let back = Situation {
        best_tier: Some(Tier::Gold),
        signs_of_life_ms: Some((ago(12), Some(ago(90)))),
        clv_before_loss: Some(1.0),
        ..Situation::new(Lifecycle::Lost)
    };
    assert_eq!(until(&back), 18 * DAY_MS);
    assert_eq!(opportunities(&back, NOW_MS + 18 * DAY_MS), []);
}

#[test]
fn the_definition_decides_who_is_held_out_for_ever() {
    let share = |percent| {
        let rules = Rules { holdout_percent: percent, ..Rules::default() };
        (0..10_000).filter(|i| rules.is_held_out(format!("customer-{i}").as_bytes())).count()
    };
    assert_eq!((share(0.0), share(100.0)), (0, 10_000));
    // four standard deviations
    assert!((880..=1_120).contains(&share(10.0)), "{}", share(10.0));
    assert!((2_327..=2_673).contains(&share(25.0)), "{}", share(25.0));
    let rules = Rules::default();
    assert_eq!(rules.is_held_out(b"00004"), rules.is_held_out(b"00004"));
    let names: Vec<_> = Goal::ALL.iter().map(|goal| goal.name()).collect();
    assert_eq!(names.join(" "), "cross_sell up_sell retention acquisition win_back after_sale");
    assert!(Goal::ALL.iter().enumerate().all(|(i, goal)| *goal as usize == i));
    for (i, reason) in Reason::ALL.into_iter().enumerate() {
        assert_eq!((reason as usize, Reason::from_number(i as u8)), (i, Some(reason)));
    }
    assert_eq!(Reason::from_number(11), None);
}
