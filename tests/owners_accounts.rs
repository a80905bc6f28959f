//! Accounts' cut-offs of revenue at risk: those of all shards' accounts sorted, whatever dies; an alert about an account is critical
//! where its revenue at risk is among the largest of its owner.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/accounts.rs"]
mod accounts;
#[path = "support/hamlet.rs"]
mod hamlet;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stream.rs"]
mod stream;

use std::collections::BTreeMap;
use std::sync::Arc;

use accounts::{Told, account_plan};
use hamlet::{day, rule_set};
use retain::model::partition::murmur2_partition;
use retain::plan::Plan;
use retain::wire::signals::{AccountPart, Word, joined};
use sim::{Log, PostOffice, Runner, Schedule};

const SHARDS: u16 = 3;
const HOUR_MS: i64 = 3_600_000;

/// How an account stands: owner, revenue a year, risk in millionths.
type Stands<'a> = (&'a str, &'a str, i64, u32);

fn plan() -> Arc<Plan> {
    let mut set = (*rule_set(&[("going", "account", "risk >= 0.5 else no")])).clone();
    set.rules[0].critical_in_top = Some(2);
    Arc::new(Plan { alerts: Arc::new(set), ..account_plan("USD") })
}

/// The account's only member says how it stands.
fn word((account, owner, revenue_minor, risk_ppm): Stands<'_>, at_ms: i64, cycle: u64) -> Told {
    let part = AccountPart {
        currency: "USD".to_owned(),
        owner_id: owner.to_owned(),
        revenue_365_minor: Some(revenue_minor),
        risk_ppm: Some(risk_ppm),
        ..AccountPart::default()
    };
    let member = format!("member of {account}");
    let word = Word {
        customer: member.as_bytes(),
        account,
        lifecycle: "active",
        risk_band: None,
        as_of_ms: at_ms,
        revenue_minor: 0,
        part: Some(&part),
        opportunities: &[],
    };
    Told::of(joined(&word, (1, cycle)))
}

/// What 90 days would bring in, times the risk.
fn at_risk(stands: &[Stands<'_>]) -> BTreeMap<String, Vec<i64>> {
    let mut of: BTreeMap<String, Vec<i64>> = BTreeMap::new();
    for (_, owner, revenue, ppm) in stands {
        let minor = (*revenue as f64 * f64::from(*ppm) / 1e6 * 90.0 / 365.0).round_ties_even();
        of.entry((*owner).to_owned()).or_default().push(minor as i64);
    }
    of.values_mut().for_each(|list| list.sort_unstable_by(|a, b| b.cmp(a)));
    of
}

fn town(told: &[(&str, i64, Told)], crashing: u64) -> Vec<Runner> {
    let office = PostOffice::new(SHARDS);
    let runner = |shard: u16| {
        let mut log = Log::default();
        let own = told.iter().filter(|t| murmur2_partition(t.0.as_bytes(), SHARDS) == shard);
        own.for_each(|(_, ms, told)| log.push(0, *ms, Some(told.key.clone()), told.value.clone()));
        let schedule = Schedule::wild(u64::from(shard) + 7).crashing(crashing);
        Runner::new(&plan(), shard, SHARDS, vec![log], schedule).within(&office)
    };
    (0..SHARDS).map(runner).collect()
}

#[test]
fn an_account_is_critical_among_the_largest_of_its_owner() {
    let names: Vec<String> = (0..12).map(|n| format!("account {n}")).collect();
    let calm: Vec<Stands<'_>> = (0..12)
        .map(|n| (names[n].as_str(), ["ann", "bob"][n % 2], 100_000 * (n as i64 + 1), 100_000))
        .collect();
    // the largest and the smallest of ann, and one whom nobody looks after
    let mut worse = vec![calm[10], calm[0], ("stray", "", 9_000_000, 0)];
    worse.iter_mut().for_each(|stands| stands.3 = 600_000);
    worse[1].2 = 1_000;
    let mut told = Vec::new();
    for (at_ms, stands) in [(day(0), &calm), (day(5), &worse)] {
        for stands in stands {
            let cycle = told.len() as u64 + 1;
            told.push((stands.0, at_ms, word(*stands, at_ms, cycle)));
        }
    }
    let mut crashes = 0;
    for crashing in [0, 40] {
        let mut shards = town(&told, crashing);
        for shard in &mut shards {
            let log = &shard.logs[0];
            let first = log.entries.iter().filter(|entry| entry.kafka_ms < day(5)).count();
            let all = std::mem::replace(&mut shard.visible, vec![first as i64]);
            shard.drain();
            shard.visible = all;
        }
        for hour in 0..4 {
            shards.iter_mut().for_each(|shard| shard.pass_to(day(3) + hour * HOUR_MS));
        }
        let expected = at_risk(&calm).into_iter().map(|(owner, list)| (owner, vec![(2, list[1])]));
        let expected: Vec<_> = expected.collect();
        for shard in &shards {
            assert_eq!(shard.machine.owner_cut_offs().owners, expected, "{}", shard.seed());
        }
        for shard in &mut shards {
            shard.drain();
            shard.pass_to(day(5) + HOUR_MS);
            crashes += shard.crashes;
        }
        let rows = shards.iter().flat_map(|shard| shard.tables.rows("alerts"));
        let severity: BTreeMap<&str, &str> =
            rows.map(|row| (row.text("account_id"), row.text("severity"))).collect();
        let expected =
            [(names[0].as_str(), "medium"), (names[10].as_str(), "critical"), ("stray", "medium")];
        assert_eq!(severity, BTreeMap::from(expected));
    }
    assert!(crashes > 0);
}
