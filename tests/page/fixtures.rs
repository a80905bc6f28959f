//! Made-up answers, rich and empty, for the tests of pages and for their pictures. Nothing in them is a real customer's.

use jiff::tz::TimeZone;
use retain::api::answer::*;
use retain::page::{Asked, Frame};

/// 2026-03-12T10:42:07Z.
pub const NOW: i64 = 1_773_312_127_000;
pub const HOUR: i64 = 3_600_000;
pub const DAY: i64 = 86_400_000;
/// What somebody hostile calls a customer.
pub const SCRIPT: &str = r#"<script>window.broken=1</script><img src=x onerror="window.broken=1">"#;

pub fn standing() -> Standing {
    Standing {
        pipeline: "customers".into(),
        complete_to: Some(Time(NOW)),
        clock: Some(Time(NOW + 900)),
        simulated: false,
        currency: "USD".into(),
        minor_digits: 2,
    }
}

pub fn frame(path: &str, query: &[(&str, &str)]) -> Frame {
    let query = query.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned()));
    Frame {
        name: "Mara Lindqvist".into(),
        role: "operator".into(),
        may_act: true,
        csrf: "c5rf-t0ken".into(),
        asked: Asked::of(path, query),
        zone: TimeZone::UTC,
        notice: None,
    }
}

fn ago(days: f64) -> Option<Time> {
    Some(Time(NOW - (days * DAY as f64) as i64))
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|w| (*w).to_owned()).collect()
}

/// Name, region, industry, owner, at risk, risk, key, trends, last contact.
type Line =
    (&'static str, &'static str, &'static str, &'static str, i64, f64, bool, (f64, f64), f64);

const ACCOUNTS: [Line; 8] = [
    (
        "Northwind Traders",
        "EMEA",
        "Wholesale",
        "m.lindqvist",
        4_812_000,
        0.82,
        true,
        (-0.42, -0.71),
        41.0,
    ),
    (
        "Harbour & Finch",
        "EMEA",
        "Retail",
        "m.lindqvist",
        3_140_500,
        0.71,
        true,
        (-0.12, -0.36),
        12.0,
    ),
    (
        "Castellan Logistics",
        "AMER",
        "Transport",
        "j.okafor",
        2_266_000,
        0.64,
        true,
        (-0.31, -0.20),
        3.0,
    ),
    (
        "Brightwater Clinics",
        "AMER",
        "Health",
        "s.novak",
        1_921_000,
        0.58,
        false,
        (0.05, -0.44),
        67.0,
    ),
    ("Meridian Foods", "APAC", "Food", "t.arai", 1_204_000, 0.47, false, (-0.22, -0.05), 9.0),
    ("Oakfield Schools", "EMEA", "Education", "", 863_000, 0.44, false, (0.02, 0.11), 30.0),
    ("Lumen Print", "AMER", "Media", "j.okafor", 402_000, 0.41, false, (-0.61, -0.90), 120.0),
    ("Kestrel Cycles", "EMEA", "Retail", "s.novak", 98_400, 0.35, false, (0.10, 0.24), 5.0),
];

pub fn account_row(i: usize) -> AccountRow {
    let (name, region, industry, owner, at_risk, risk, key, (trend_30, trend_90), contact) =
        ACCOUNTS[i % ACCOUNTS.len()];
    AccountRow {
        account_id: format!("A-{:04}", 1040 + i * 37),
        name: name.into(),
        region: region.into(),
        industry: industry.into(),
        owner_id: owner.into(),
        key,
        key_reason: if key { "master data says so".into() } else { String::new() },
        members: 2 + (i as u32 * 3) % 11,
        active_contacts: 1 + (i as u32) % 4,
        single_threaded: i == 0,
        value_minor: at_risk * 6,
        revenue_365_minor: (at_risk as f64 * 365.0 / 90.0 / risk) as i64,
        at_risk_minor: at_risk,
        risk: Some(risk),
        satisfaction: (i != 4).then_some(0.52 + 0.05 * i as f64),
        open_complaints: u32::from(i % 3 == 0) * 2,
        oldest_complaint: if i.is_multiple_of(3) { ago(4.2) } else { None },
        overdue_minor: if i == 2 { 812_050 } else { 0 },
        next_renewal: if i.is_multiple_of(2) { Some(Time(NOW + 38 * DAY)) } else { None },
        last_contact: ago(contact),
        visit_gap_d: Some(14.5),
        trend_30: Some(trend_30),
        trend_90: Some(trend_90),
        as_of: Some(Time(NOW - 40_000)),
        open_alerts: 2,
    }
}

/// Rule, severity, phase, reasons, changed, next step.
type Raised = (
    &'static str,
    &'static str,
    &'static str,
    &'static [&'static str],
    &'static [&'static str],
    &'static str,
);

const RAISED: [Raised; 6] = [
    (
        "key_at_risk",
        "critical",
        "firing",
        &[
            "bought nothing for 94 days, 3.1 times the usual gap",
            "two complaints are open, the oldest for 4 days",
            "visits fell to a third of last quarter’s",
        ],
        &["risk 0.31 → 0.82 since 2 January", "tier gold → iron"],
        "Call the customer; the reasons say what to speak about.",
    ),
    (
        "volume_shrink",
        "high",
        "firing",
        &[
            "buys for 58 % of what is usual, for 16 days",
            "the last three orders left out the category coffee",
        ],
        &["volume trend −0.12 → −0.55 since 24 February"],
        "Find out who supplies the rest.",
    ),
    (
        "credit_combo",
        "high",
        "acknowledged",
        &[
            "pays 23 days beyond terms",
            "asked for more time to pay twice within 30 days",
            "buys for 59 % of what is usual",
        ],
        &["days beyond terms 9 → 23 since 1 February"],
        "Limit the open amount and speak with the customer today.",
    ),
    (
        "overdue_reorder",
        "medium",
        "firing",
        &["the usual gap is 21 days, it has been 37"],
        &[],
        "Ask whether the next order is on its way.",
    ),
    (
        "satisfaction_drop",
        "medium",
        "snoozed",
        &["the last two ratings were 2 of 5", "satisfaction 0.45, expected 0.80"],
        &["satisfaction 0.81 → 0.45 since 20 February"],
        "Ask what went wrong, and say what will change.",
    ),
    (
        "silence",
        "low",
        "firing",
        &["no visit for 33 days, longer than 97 % of their own gaps"],
        &[],
        "Give a reason to come back.",
    ),
];

pub fn alert(i: usize, account: &AccountRow) -> Alert {
    let (rule, severity, phase, reasons, changed, next_step) = RAISED[i % RAISED.len()];
    let by = if phase == "acknowledged" { "Jide Okafor" } else { "" };
    Alert {
        alert_id: format!("9f{i:030x}"),
        n: 2,
        rule: rule.into(),
        subject_kind: "customer".into(),
        subject_id: format!("C-{:05}", 20_117 + i * 13),
        customer_id: format!("C-{:05}", 20_117 + i * 13),
        account_id: account.account_id.clone(),
        name: account.name.clone(),
        episode: 1,
        what: if phase == "firing" { "raised".into() } else { phase.into() },
        phase: phase.into(),
        by: by.into(),
        by_kind: if by.is_empty() { "signals".into() } else { "person".into() },
        note: String::new(),
        severity: severity.into(),
        at: ago(0.1),
        detected: ago(0.1),
        catch_up: i == 5,
        raised: Some(Time(NOW - (2 + i as i64 * 9) * HOUR)),
        snoozed_until: if phase == "snoozed" { Some(Time(NOW + 3 * DAY)) } else { None },
        at_risk_minor: Some(account.at_risk_minor),
        risk: account.risk,
        owner_id: account.owner_id.clone(),
        region: account.region.clone(),
        industry: account.industry.clone(),
        tier: "gold".into(),
        key: account.key,
        reasons: words(reasons),
        changed: words(changed),
        about:
            "A key customer, or one of those who make most of the sales, is likely to buy no more."
                .into(),
        next_step: next_step.into(),
        receivers: words(&["owner"]),
    }
}

pub fn today(rows: usize, total: u64) -> Today {
    let row = |i: usize| {
        let account = account_row(i);
        let alerts = match i {
            7 => vec![],
            0 => vec![alert(0, &account), alert(3, &account), alert(4, &account)],
            i => vec![alert(i, &account)],
        };
        TodayRow { account, alerts }
    };
    let mut outside = alert(5, &AccountRow::default());
    outside.alert_id = "77".repeat(16);
    outside.name = SCRIPT.into();
    outside.at_risk_minor = None;
    Today {
        standing: standing(),
        summary: TodaySummary {
            firing: 23,
            acknowledged: 6,
            snoozed: 3,
            urgent: 9,
            accounts_at_risk: total,
            at_risk_minor: 14_706_900,
        },
        accounts: List {
            items: (0..rows).map(row).collect(),
            total,
            next: (total > rows as u64).then(|| "bmV4dA".into()),
        },
        others: vec![outside],
    }
}

pub fn nothing_today() -> Today {
    Today { standing: standing(), ..Today::default() }
}

pub fn accounts(rows: usize, total: u64) -> Listed<AccountRow> {
    let mut items: Vec<AccountRow> = (0..rows).map(account_row).collect();
    if let Some(row) = items.get_mut(5) {
        row.name = SCRIPT.into();
    }
    Listed { standing: standing(), list: List { items, total, next: Some("bmV4dA".into()) } }
}

pub fn customer_row(i: usize) -> CustomerRow {
    let lifecycle = ["slipping", "active", "dormant", "new", "won_back", "lost", "prospect"][i % 7];
    let names = [
        "Ines Duarte",
        "Tomas Berg",
        "Priya Raman",
        "",
        "Oluwaseun Ade",
        "Hana Kobayashi",
        "Leo Marchetti",
    ];
    CustomerRow {
        customer_id: format!("C-{:05}", 20_117 + i * 13),
        name: names[i % 7].into(),
        account_id: "A-1040".into(),
        region: "EMEA".into(),
        industry: "Wholesale".into(),
        segment: "b2b".into(),
        owner_id: "m.lindqvist".into(),
        key: i == 0,
        lifecycle: lifecycle.into(),
        lifecycle_since: ago(31.0),
        tier: ["gold", "iron", "lead", ""][i % 4].into(),
        abc: "A".into(),
        risk: (lifecycle != "prospect").then_some(0.82 - 0.09 * (i % 7) as f64),
        risk_band: 4,
        risk_since: ago(9.0),
        loyalty: Some(38.0 + i as f64),
        quadrant: "defector".into(),
        satisfaction: Some(0.45),
        satisfaction_n: Some(2.3),
        value_minor: Some(1_284_000 - 40_000 * i as i64),
        revenue_minor: 3_310_045,
        at_risk_minor: 412_000 - 9_000 * i as i64,
        p_silent_90: Some(0.78),
        orders: 41,
        open_complaints: 2,
        last_purchase: ago(94.0),
        last_contact: ago(12.0),
        at: Some(Time(NOW)),
    }
}

pub fn customers(rows: usize, total: u64) -> Listed<CustomerRow> {
    Listed {
        standing: standing(),
        list: List {
            items: (0..rows).map(customer_row).collect(),
            total,
            next: Some("bmV4dA".into()),
        },
    }
}

fn timeline() -> Vec<Happening> {
    let lines: [(&str, &str, f64, Option<i64>, &str, &str); 8] = [
        ("alert", "key_at_risk raised", 0.1, None, "9f000000000000000000000000000000", ""),
        ("event", "support complaint opened", 4.2, None, "T-5521", "support/3@88412"),
        ("signal", "lifecycle slipping", 9.0, None, "", ""),
        ("event", "web session, looked at how to leave", 13.4, None, "", "web/3@1992041"),
        ("event", "support ticket answered", 16.0, None, "T-5490", "support/3@88107"),
        ("event", "refund", 61.0, Some(-12_900), "R-88", "purchases/3@511208"),
        ("event", "purchase", 94.0, Some(318_940), "O-10442", "purchases/3@498310"),
        ("event", "purchase", 118.0, Some(96_000), "O-10117", "purchases/3@487002"),
    ];
    let line = |(kind, what, days, amount, reference, position): (
        &str,
        &str,
        f64,
        Option<i64>,
        &str,
        &str,
    )| Happening {
        at: ago(days),
        kind: kind.into(),
        what: what.into(),
        customer_id: "C-20117".into(),
        amount_minor: amount,
        reference: reference.into(),
        position: position.into(),
    };
    lines.into_iter().map(line).collect()
}

fn day(back: i64) -> String {
    let time = jiff::Timestamp::from_millisecond(NOW - back * DAY).unwrap();
    time.strftime("%Y-%m-%d").to_string()
}

/// Up and down, the same in every run.
fn wave(i: i64) -> f64 {
    (0.42 + 0.004 * i as f64 + 0.08 * (i as f64 / 7.0).sin()).clamp(0.02, 0.98)
}

fn credit() -> Vec<EntityCredit> {
    vec![
        EntityCredit {
            legal_entity_id: "Northwind GmbH".into(),
            open_minor: 1_204_050,
            overdue_minor: 812_050,
            overdue_days: Some(23.0),
            dbt_days: Some(17.4),
        },
        EntityCredit {
            legal_entity_id: "Northwind Ltd".into(),
            open_minor: 310_000,
            overdue_minor: 0,
            overdue_days: None,
            dbt_days: Some(1.2),
        },
    ]
}

pub fn account() -> Account {
    let row = account_row(0);
    let part = |input: &str, meaning: &str, log_odds: f64| Part {
        input: input.into(),
        meaning: meaning.into(),
        log_odds,
    };
    let member = |i: usize| {
        let c = customer_row(i);
        Member {
            customer_id: c.customer_id,
            name: if i == 2 { SCRIPT.into() } else { c.name },
            lifecycle: c.lifecycle,
            tier: c.tier,
            risk: c.risk,
            at_risk_minor: [2_912_000, 1_204_000, 511_000, 185_000][i],
            share: Some([0.605, 0.25, 0.106, 0.039][i]),
            satisfaction: c.satisfaction,
            last_purchase: c.last_purchase,
            last_contact: c.last_contact,
            parts: vec![
                part(
                    "gap_surprise",
                    "how unusually long they have stayed away, by their own rhythm",
                    1.3,
                ),
                part("engage_trend", "how visits have changed", if i == 1 { -0.4 } else { 0.6 }),
            ],
        }
    };
    let mut ended = alert(3, &row);
    ended.phase = "resolved".into();
    ended.what = "resolved".into();
    Account {
        standing: standing(),
        credit: credit(),
        members: (0..4).map(member).collect(),
        alerts: vec![alert(0, &row), alert(4, &row), ended],
        timeline: timeline(),
        history: (0..90)
            .map(|i| AccountPoint {
                day: day(90 - i),
                risk: Some(wave(i)),
                at_risk_minor: 4_000_000,
                value_minor: 9_000_000,
                satisfaction: Some(0.8 - wave(i) / 3.0),
            })
            .collect(),
        account: row,
    }
}

fn behind(position: i64, what: &str, points: f64) -> Behind {
    Behind {
        measure: "left_out".into(),
        largest: vec![Effect {
            topic: "support".into(),
            partition: 3,
            offset: position,
            ts: Time(NOW - 4 * DAY),
            what: what.into(),
            log_odds: 0.3,
            points,
        }],
        others: 3,
        others_points: 0.8,
    }
}

fn contribution(
    input: &str,
    statement: &str,
    points: f64,
    basis: &str,
    events: Behind,
) -> Contribution {
    Contribution {
        input: input.into(),
        meaning: statement.into(),
        statement: statement.into(),
        z: 0.9,
        weight: 1.2,
        basis: basis.into(),
        log_odds: points / 20.0,
        points,
        events,
    }
}

fn none() -> Behind {
    Behind { measure: "left_out".into(), largest: vec![], others: 0, others_points: 0.0 }
}

pub fn explanation() -> Explanation {
    let lever = |needed: &str, now: &str| Lever {
        input: "recency_d".into(),
        meaning: "days since the last purchase".into(),
        needed: needed.into(),
        now: now.into(),
        z_needed: 0.1,
    };
    let risk = Score {
        score: 0.82,
        reference: 0.38,
        points: 44.1,
        band: Some(Band {
            level: 4,
            of: 5,
            name: "very high".into(),
            since: Some(Time(NOW - 9 * DAY)),
        }),
        contributions: vec![
            contribution(
                "gap_surprise",
                "has stayed away for 94 days, longer than 98 % of their own gaps",
                24.6,
                "fitted",
                Behind {
                    largest: vec![Effect {
                        topic: "purchases".into(),
                        partition: 3,
                        offset: 498_310,
                        ts: Time(NOW - 94 * DAY),
                        what: "purchase of $3,189.40".into(),
                        log_odds: 0.3,
                        points: 24.6,
                    }],
                    ..behind(0, "", 0.0)
                },
            ),
            contribution(
                "open_complaints",
                "two complaints are open",
                11.2,
                "expert_prior",
                behind(88_412, SCRIPT, 6.4),
            ),
            contribution(
                "engage_trend",
                "visits fell to a third of last quarter’s",
                9.9,
                "expert_prior",
                none(),
            ),
            contribution("tenure_d", "has been a customer for 6 years", -1.6, "fitted", none()),
        ],
        unknown: vec![Unknown {
            input: "usage_share".into(),
            meaning: "use of what the plan allows".into(),
        }],
        crossings: vec![Crossing {
            direction: "down".into(),
            edge: 0.6,
            to: "high".into(),
            changes: vec![
                lever("a purchase within the next days", "none for 94 days"),
                lever("both complaints closed", "two are open"),
            ],
        }],
    };
    let loyalty = Score {
        score: 38.0,
        reference: 50.0,
        points: -12.0,
        band: Some(Band { level: 0, of: 2, name: "not loyal".into(), since: None }),
        contributions: vec![
            contribution(
                "recency_share",
                "the last purchase is long ago by their own rhythm",
                -18.0,
                "expert_prior",
                none(),
            ),
            contribution("breadth", "buys in seven categories", 6.0, "expert_prior", none()),
        ],
        unknown: vec![],
        crossings: vec![],
    };
    Explanation {
        format: 1,
        customer_id: "C-20117".into(),
        at: Time(NOW),
        complete_to: Some(Time(NOW)),
        told_from: "events".into(),
        model_version: 7,
        risk: Some(risk),
        loyalty: Some(loyalty),
        since: None,
        row: RowCheck {
            judged_at: Time(NOW - HOUR),
            model_version: 7,
            risk: Some(0.82),
            loyalty: Some(38.0),
            agrees: Some(true),
            largest_difference: 0.0,
        },
        from_row: FromRow {
            lifecycle: "slipping".into(),
            tier: Some("gold".into()),
            tier_since: None,
            abc: None,
            key_customer: true,
            region: None,
            industry: None,
            segment: None,
            owner_id: None,
        },
        events: EventsRead { held: 212, visits: 128, unreadable: 0, left_out: 84 },
        notes: vec![Note {
            code: "kept".into(),
            text: "7 orders are no longer held: events are kept for 730 days".into(),
        }],
    }
}

fn proposal(goal: &str, reason: &str, rank: u64, score: f64) -> Proposal {
    let row = customer_row(rank as usize);
    Proposal {
        goal: goal.into(),
        rank,
        customer_id: row.customer_id,
        name: row.name,
        owner_id: "s.novak".into(),
        region: "EMEA".into(),
        tier: row.tier,
        reason: reason.into(),
        category: String::new(),
        score,
        held_out: false,
        proposed: ago(3.0),
        expires: Some(Time(NOW + 20 * DAY)),
        bought_since: false,
    }
}

pub fn customer() -> Customer {
    let signal = |name: &str, unit: &str, value: Option<f64>, meaning: &str| SignalValue {
        name: name.into(),
        meaning: meaning.into(),
        unit: unit.into(),
        value,
        text: None,
    };
    let row = customer_row(0);
    let mut its = alert(0, &account_row(0));
    its.name = row.name.clone();
    Customer {
        standing: standing(),
        explanation: Some(explanation()),
        unexplained: String::new(),
        signals: vec![
            signal("recency_d", "days", Some(94.0), "days since the last purchase"),
            signal(
                "p_silent_90",
                "0..1",
                Some(0.7812),
                "probability that the next 90 days pass without a purchase",
            ),
            signal("spend_90d_minor", "minor units", Some(318_940.0), "spent within 90 days"),
            signal("usage_share", "0..1", None, "use of what the plan allows"),
        ],
        credit: credit(),
        alerts: vec![its],
        opportunities: vec![proposal("retention", "at_risk", 1, 4_120.0)],
        timeline: timeline(),
        history: (0..120)
            .map(|i| CustomerPoint {
                day: day(120 - i),
                risk: Some(wave(i)),
                loyalty: Some(80.0 - 40.0 * wave(i)),
                satisfaction: None,
                lifecycle: "active".into(),
                tier: "gold".into(),
                revenue_minor: 0,
            })
            .collect(),
        customer: row,
    }
}

pub fn unexplained() -> Customer {
    Customer {
        standing: standing(),
        customer: CustomerRow {
            customer_id: "C-1".into(),
            lifecycle: "prospect".into(),
            ..CustomerRow::default()
        },
        unexplained: "ClickHouse did not answer within 10 seconds".into(),
        ..Customer::default()
    }
}

fn at_risk(by: &str, rows: &[(&str, u64, i64, i64)]) -> RevenueAtRisk {
    let row = |(value, customers, of, risk): &(&str, u64, i64, i64)| AtRisk {
        value: (*value).into(),
        customers: *customers,
        revenue_90_minor: *of,
        at_risk_minor: *risk,
    };
    RevenueAtRisk {
        standing: standing(),
        by: by.into(),
        rows: rows.iter().map(row).collect(),
        at_risk_minor: rows.iter().map(|r| r.3).sum(),
        revenue_90_minor: rows.iter().map(|r| r.2).sum(),
    }
}

fn churn(by: &str, rows: &[(&str, u64, u64)]) -> Churn {
    let row = |(value, active, lost): &(&str, u64, u64)| ChurnRow {
        value: (*value).into(),
        customers: active * 2,
        customers_lost: *lost,
        loss_rate: *lost as f64 / (*active as f64 * 2.0),
        active: *active,
        active_lost: *lost,
        churn_rate: Some(*lost as f64 / *active as f64),
    };
    Churn {
        standing: standing(),
        by: by.into(),
        from: "2025-12-12".into(),
        to: "2026-03-12".into(),
        rows: rows.iter().map(row).collect(),
    }
}

fn cohorts() -> Cohorts {
    let month = |i: u32| -> Cohort {
        let customers = 820 - u64::from(i) * 23;
        let one = |age: u32| {
            let retention = if age == 0 {
                1.0
            } else {
                (0.34 / f64::from(age).powf(0.45) - 0.012 * f64::from(i % 4)).max(0.02)
            };
            CohortMonth {
                age,
                bought: (customers as f64 * retention) as u64,
                retention,
                revenue_minor: 100_000,
            }
        };
        Cohort {
            month: format!("{}-{:02}-01", 2025 + (i + 2) / 12, (i + 2) % 12 + 1),
            customers,
            months: (0..=(12 - i)).map(one).collect(),
        }
    };
    Cohorts { standing: standing(), cohorts: (0..=12).map(month).collect() }
}

pub fn marketing() -> Marketing {
    let lifecycle = [
        ("prospect", 1_204, 88, 0),
        ("new", 613, 41, 2_100_000),
        ("active", 8_412, -120, 88_210_000),
        ("slipping", 1_902, 164, 21_440_000),
        ("dormant", 2_310, 35, 9_800_000),
        ("lost", 4_118, 97, 4_020_000),
        ("won_back", 288, 12, 3_310_000),
    ];
    let state = |(name, customers, change, revenue): (&str, u64, i64, i64)| LifecycleCount {
        lifecycle: name.into(),
        customers,
        change_30: change,
        revenue_minor: revenue,
        value_minor: revenue * 2,
    };
    let tier = |name: &str, customers: u64, value: i64| TierCount {
        tier: name.into(),
        customers,
        revenue_minor: value,
        value_minor: value * 2,
        at_risk_minor: value / 9,
    };
    let step = |from: &str, to: &str, movement: &str, customers: u64| TierMove {
        from_tier: from.into(),
        to_tier: to.into(),
        movement: movement.into(),
        customers,
        revenue_minor: 0,
    };
    let cell = |name: &str, customers: u64, loyalty: f64, satisfaction: f64| QuadrantCell {
        quadrant: name.into(),
        customers,
        loyalty: Some(loyalty),
        satisfaction: Some(satisfaction),
        value_minor: 900_000 * customers as i64,
        at_risk_minor: 40_000 * customers as i64,
    };
    let goal = |name: &str, reason: &str, scale: f64| GoalOpportunities {
        goal: name.into(),
        standing: 214,
        held_out: 23,
        best: (1..=5).map(|rank| proposal(name, reason, rank, scale / rank as f64)).collect(),
        effect: Some(GoalEffect {
            contacted: 1_840,
            contacted_share: Some(0.214),
            held_out: 201,
            held_out_share: Some(0.164),
            difference: Some(0.05),
            standard_error: Some(0.028),
        }),
    };
    Marketing {
        standing: standing(),
        lifecycle: Lifecycles {
            standing: standing(),
            rows: lifecycle.into_iter().map(state).collect(),
        },
        tiers: Tiers {
            standing: standing(),
            from: "2025-12-12".into(),
            to: "2026-03-12".into(),
            tiers: vec![
                tier("gold", 1_610, 51_000_000),
                tier("iron", 4_830, 32_000_000),
                tier("lead", 7_120, 9_000_000),
                tier("", 5_287, 0),
            ],
            moves: vec![
                step("gold", "gold", "same", 1_350),
                step("gold", "iron", "down", 190),
                step("iron", "gold", "up", 260),
                step("iron", "iron", "same", 4_020),
                step("iron", "lead", "down", 410),
                step("lead", "iron", "up", 620),
                step("lead", "lead", "same", 6_140),
                step("", "lead", "in", 570),
                step("lead", "", "out", 210),
            ],
        },
        quadrant: Quadrant {
            standing: standing(),
            cells: vec![
                cell("apostle", 2_140, 78.0, 0.88),
                cell("hostage", 610, 71.0, 0.52),
                cell("mercenary", 1_320, 41.0, 0.84),
                cell("defector", 890, 29.0, 0.41),
            ],
            unknown: 13_887,
        },
        cohorts: cohorts(),
        at_risk_by_region: at_risk(
            "region",
            &[
                ("EMEA", 6_120, 71_000_000, 19_400_000),
                ("AMER", 5_480, 66_000_000, 14_100_000),
                ("APAC", 2_010, 21_000_000, 7_900_000),
                ("", 640, 3_100_000, 1_200_000),
            ],
        ),
        at_risk_by_industry: at_risk(
            "industry",
            &[
                ("Wholesale", 2_020, 40_000_000, 12_800_000),
                ("Retail", 4_410, 37_000_000, 9_200_000),
                (SCRIPT, 990, 21_000_000, 6_400_000),
                ("Health", 810, 18_000_000, 3_700_000),
            ],
        ),
        churn: churn("all", &[("", 8_530, 438)]),
        churn_by_region: churn(
            "region",
            &[("EMEA", 3_900, 241), ("AMER", 3_310, 131), ("APAC", 1_320, 66)],
        ),
        opportunities: Opportunities {
            standing: standing(),
            goals: vec![
                goal("cross_sell", "category_lift", 640.0),
                goal("up_sell", "orders_grow", 900.0),
                goal("retention", "at_risk", 4_120.0),
                goal("acquisition", "second_purchase_due", 0.61),
                goal("win_back", "sign_of_life", 380.0),
                goal("after_sale", "not_rated", 3.0),
            ],
        },
    }
}

pub fn pipeline() -> PipelineState {
    let outcomes = Outcomes {
        applied: 18_204_118,
        duplicate: 402_117,
        late: 212,
        filtered: 90_114,
        rejected: 1_904,
    };
    let source = |shard: u16, name: &str| SourceState {
        shard,
        source: name.into(),
        complete_to: Some(Time(NOW)),
        offset_to: 1_200_000,
        consumed: 1_558_000,
        outcomes: Outcomes {
            applied: 1_520_000,
            duplicate: 30_000,
            late: 20,
            filtered: 7_900,
            rejected: 80,
        },
        ..SourceState::default()
    };
    let sources = (0..3)
        .flat_map(|shard| ["purchases", "support", "web"].map(|name| source(shard, name)))
        .collect();
    let load = (0..30)
        .flat_map(|i| {
            ["critical", "high", "medium", "low"].into_iter().enumerate().map(move |(s, name)| {
                AlertLoad {
                    day: day(30 - i),
                    severity: name.into(),
                    raised: ((i * 7 + s as i64 * 5) % 9) as u64,
                    resolved: 2,
                    acts: 1,
                }
            })
        })
        .collect();
    let shard = |shard: u16, state: &str, trouble: &str| CopyShard {
        shard,
        state: state.into(),
        held_since: ago(3.0),
        restore_progress: (state == "restoring").then_some(0.62),
        lag: Some(i64::from(shard) * 41),
        customers: 6_180,
        trouble: trouble.into(),
    };
    PipelineState {
        standing: standing(),
        verdict: Verdict { complete_to: Some(Time(NOW)), ..Verdict::default() },
        behind_s: Some(0.9),
        outcomes,
        dead_letter_share: Some(0.000_113),
        shards: (0..3)
            .map(|shard| ShardState {
                shard,
                clock: Some(Time(NOW + 900)),
                watermark: Some(Time(NOW + 400)),
                complete_to: Some(Time(NOW)),
                shown_at: Some(Time(NOW)),
            })
            .collect(),
        sources,
        alert_load: load,
        copy: CopyState {
            name: "retain-1".into(),
            version: "0.1.0".into(),
            generation: 1,
            begun: ago(3.0),
            ready: true,
            not_ready: vec![],
            dead_letters: 2_116,
            committed: 310_402,
            aborted: 2,
            carrier_reaches: true,
            carrier_trouble: String::new(),
            shards: vec![
                shard(0, "running", ""),
                shard(1, "running", ""),
                shard(2, "restoring", ""),
            ],
        },
    }
}

pub fn broken_pipeline() -> PipelineState {
    let mut answer = pipeline();
    answer.verdict.missing = 12;
    answer.verdict.twice = 1;
    answer.verdict.gaps = 40;
    answer.sources[4].missing = 12;
    answer.copy.ready = false;
    answer.copy.not_ready = vec!["shard 2 is being restored".into()];
    answer.copy.carrier_reaches = false;
    answer.copy.carrier_trouble =
        "connection refused: is ClickHouse running at the configured address".into();
    answer.copy.shards[1] = CopyShard {
        shard: 1,
        state: "stopped".into(),
        trouble: "the outbox is full: ClickHouse has not taken rows for 2 h".into(),
        ..CopyShard::default()
    };
    answer
}

pub fn alert_detail() -> AlertDetail {
    let account = account_row(0);
    let now = alert(0, &account);
    let step = |n: u32, what: &str, phase: &str, by_kind: &str, hours: i64| Alert {
        n,
        what: what.into(),
        phase: phase.into(),
        by_kind: by_kind.into(),
        by: if by_kind == "person" { "Mara Lindqvist".into() } else { String::new() },
        note: if by_kind == "person" { SCRIPT.into() } else { String::new() },
        snoozed_until: Some(Time(NOW)),
        at: Some(Time(NOW - hours * HOUR)),
        ..now.clone()
    };
    AlertDetail {
        standing: standing(),
        acts: now.acts().to_vec(),
        history: vec![
            step(1, "raised", "firing", "signals", 52),
            step(2, "snoozed", "snoozed", "person", 50),
            step(3, "woken", "firing", "time", 2),
        ],
        alert: now,
    }
}

pub fn alerts() -> Listed<Alert> {
    let items = (0..6).map(|i| alert(i, &account_row(i))).collect();
    Listed { standing: standing(), list: List { items, total: 32, next: Some("bmV4dA".into()) } }
}
