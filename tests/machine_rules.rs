//! Rules of the machine that only show over a restart, a stepping clock or a limit: each test names what would be wrong
//! without its rule.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/plans.rs"]
mod plans;
#[path = "support/rowbinary.rs"]
mod rowbinary;

use std::collections::BTreeMap;
use std::sync::Arc;

use retain::machine::{ClockReading, Identity, Machine, Progress, Restored};
use retain::model::effects::{Effects, RowBlock};
use retain::model::record::Record;
use retain::plan::Plan;
use rowbinary::{Row, Tables};

const PURCHASES: u8 = 0;
const WEB: u8 = 2;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;
/// 2026-01-05T00:00:00Z.
const BEGIN_MS: i64 = 1_767_571_200_000;

/// One shard: a machine, the records of its state topic, and the tables.
struct Shard {
    plan: Plan,
    machine: Machine,
    state: Vec<(Vec<u8>, Option<Vec<u8>>)>,
    tables: Tables,
    offsets: [i64; 3],
    events: u64,
}

fn machine(plan: &Plan) -> Machine {
    let identity = Identity { shard: 0, shards: 1, generation: 1, owner: "test".to_owned() };
    Machine::new(Arc::new(plan.clone()), identity)
}

impl Shard {
    fn new(plan: Plan) -> Self {
        let mut machine = machine(&plan);
        assert_eq!(machine.restored().unwrap(), Restored::New);
        machine.start_at(&[0; 3], 0);
        let (state, tables) = (Vec::new(), Tables::default());
        Self { plan, machine, state, tables, offsets: [0; 3], events: 0 }
    }

    /// Offers a record; all topics are at their ends behind it.
    fn offer(&mut self, source: u8, ts_ms: i64, key: &str, value: &str) {
        let offset = self.offsets[usize::from(source)];
        let record = Record {
            offset,
            kafka_ms: ts_ms,
            key: Some(key.as_bytes()),
            payload: Some(value.as_bytes()),
        };
        self.machine.offer(source, &mut std::iter::once(record));
        self.offsets[usize::from(source)] += 1;
    }

    /// An event with a new id.
    fn event(&mut self, source: u8, ts_ms: i64, customer: &str, fields: &str) {
        self.events += 1;
        let ts = jiff::Timestamp::from_millisecond(ts_ms).unwrap();
        let id = self.events;
        let value =
            format!(r#"{{"event_id":"e{id}","customer_id":"{customer}","ts":"{ts}",{fields}}}"#);
        self.offer(source, ts_ms, customer, &value);
    }

    fn purchase(&mut self, ts_ms: i64, customer: &str) {
        self.event(PURCHASES, ts_ms, customer, r#""amount":5,"currency":"USD""#);
    }

    /// Applies what was offered.
    fn apply(&mut self) {
        for source in 0..3_u8 {
            self.machine.end_of(source, self.offsets[usize::from(source)]);
        }
        while self.machine.stop_reason().is_none() {
            match self.machine.advance(1_000) {
                Progress::Idle => return,
                // the clock stands while records are read
                Progress::Full => drop(self.cycle(BEGIN_MS)),
                Progress::More | Progress::Needs(_) => {}
            }
        }
    }

    /// Ends a cycle at `now_ms` and commits it.
    fn cycle(&mut self, now_ms: i64) -> Effects {
        let clock = ClockReading { now_ms, ends_confirmed_ms: Some(now_ms) };
        let effects = self.machine.end_cycle(clock);
        for (key, value) in effects.state.iter() {
            self.state.push((key.to_vec(), value.map(<[u8]>::to_vec)));
        }
        effects.rows.iter().for_each(|block| drop(self.tables.insert(block)));
        effects
    }

    /// Ends cycles until nothing is due any more; a due may find nothing to say.
    fn settle(&mut self, now_ms: i64) {
        self.cycle(now_ms);
        while self.machine.dues_left_ms().is_some() {
            self.cycle(now_ms);
        }
    }

    /// Another owner takes over what was committed; returns what it re-times.
    fn restart(&mut self, plan: Plan) -> Vec<String> {
        self.plan = plan;
        self.machine = machine(&self.plan);
        for (key, value) in &self.state {
            self.machine.restore(key, value.as_deref()).unwrap();
        }
        match self.machine.restored().unwrap() {
            Restored::At { retimed, .. } => retimed,
            Restored::New => panic!("nothing was committed"),
        }
    }

    fn customer(&self, id: &str) -> &Row {
        self.tables.rows("customers").find(|r| r.text("customer_id") == id).unwrap()
    }

    fn lifecycles(&self) -> BTreeMap<String, String> {
        let text = |row: &Row, name: &str| row.text(name).to_owned();
        let rows = self.tables.rows("customers");
        rows.map(|row| (text(row, "customer_id"), text(row, "lifecycle"))).collect()
    }
}

/// Bands without hysteresis, so that the way to a state leaves no trace in it.
fn banded(slipping: f64, dormant: f64, lost: f64) -> Plan {
    let mut plan = plans::plan();
    plan.bands = retain::plan::Bands { slipping, dormant, lost, hysteresis: 0.0 };
    plan
}

/// Buyers of many kinds, and half a year without a word from anyone.
fn buyers(plan: Plan) -> (Shard, i64) {
    let mut shard = Shard::new(plan);
    let mut purchases = Vec::new();
    for customer in 0..60_i64 {
        for n in 0..1 + customer % 7 {
            let day = customer % 5 + n * (9 + customer % 4 * 20);
            purchases.push((BEGIN_MS + day * DAY_MS, format!("c{customer}")));
        }
    }
    purchases.sort();
    purchases.iter().for_each(|(ts_ms, customer)| shard.purchase(*ts_ms, customer));
    shard.apply();
    let end_ms = BEGIN_MS + 520 * DAY_MS;
    shard.settle(end_ms);
    (shard, end_ms)
}

/// Without it a customer keeps the state of the old bands until the next purchase: nothing else enters a better band.
#[test]
fn other_bands_judge_everybody_anew_even_over_a_death_on_the_way() {
    let strict = || banded(0.02, 0.05, 0.1);
    let mild = || {
        let mut plan = banded(0.9, 0.97, 0.995);
        // three customers a cycle
        plan.limits.cycle_records_max = 3;
        plan
    };
    let (straight, _) = buyers(mild());
    let wanted = straight.lifecycles();
    assert!(wanted.values().filter(|l| *l != "lost").count() > 20, "{wanted:?}");

    let (mut shard, end_ms) = buyers(strict());
    assert!(shard.lifecycles().values().all(|l| l == "lost"), "{:?}", shard.lifecycles());
    assert!(!shard.restart(mild()).is_empty());
    for _ in 0..5 {
        shard.cycle(end_ms);
    }
    assert_ne!(shard.lifecycles(), wanted, "five cycles are not enough");
    // the next owner finds the new definition in the state already, and half of the work undone
    assert_eq!(shard.restart(mild()), Vec::<String>::new());
    shard.settle(end_ms);
    assert_eq!(shard.lifecycles(), wanted);
}

/// Without it a pipeline that is restarted after each stop dead-letters everything, a run at a time.
#[test]
fn a_restart_gives_a_bad_deploy_no_fresh_allowance() {
    let mut plan = plans::plan();
    plan.limits.rejects_run_max = 10;
    let mut shard = Shard::new(plan.clone());
    let mut n = 0;
    for _ in 0..3 {
        for _ in 0..4 {
            n += 1;
            shard.offer(WEB, BEGIN_MS + n, "c", "no json");
        }
        shard.apply();
        if n <= 8 {
            assert_eq!(shard.machine.stop_reason(), None, "after {n}");
            shard.cycle(BEGIN_MS + n);
            shard.restart(plan.clone());
        }
    }
    let reason = shard.machine.stop_reason().expect("12 in a row were rejected");
    assert!(reason.contains("11 records in a row"), "{reason}");
}

/// Without it two rows of `activity` have one key and one version, and ClickHouse keeps either.
#[test]
fn a_channel_called_other_and_those_beyond_the_limit_are_one_row() {
    let mut plan = plans::plan();
    plan.limits.dimension_values_max = 2;
    let mut shard = Shard::new(plan.clone());
    for (n, channel) in (0..).zip(["shop", "other", "app", "fax", "other", "telex"]) {
        let fields = format!(r#""amount":5,"currency":"USD","channel":"{channel}""#);
        shard.event(PURCHASES, BEGIN_MS + n, "c", &fields);
        shard.apply();
        shard.cycle(BEGIN_MS + n);
        shard.restart(plan.clone());
    }
    let rows = shard.tables.rows("activity");
    let events: BTreeMap<&str, i128> = rows.map(|r| (r.text("channel"), r.int("events"))).collect();
    assert_eq!(events, BTreeMap::from([("shop", 1), ("app", 1), ("other", 4)]));
}

/// Without it a clock that steps back over midnight begins the old day again at nothing.
#[test]
fn a_clock_that_steps_back_over_midnight_loses_no_day() {
    let mut shard = Shard::new(plans::plan());
    let midnight_ms = BEGIN_MS + DAY_MS;
    for (n, step_ms) in (0..).zip([-9_000, -5_000, 4_000, -3_000, -1_000, 2_000, 6_000]) {
        shard.purchase(BEGIN_MS + n, "c");
        shard.apply();
        shard.cycle(midnight_ms + step_ms);
    }
    let days: Vec<i128> = shard
        .tables
        .rows("ledger_daily")
        .filter(|r| r.text("source") == "purchases")
        .map(|r| r.int("applied"))
        .collect();
    assert_eq!(days, [2, 5], "what was applied, by day");
    let ledger = shard.tables.rows("ledger").map(|r| r.int("applied")).sum::<i128>();
    assert_eq!(ledger, 7);
}

/// Without it numbers that have no closed form grow old for ever where the disorder is large.
#[test]
fn rows_are_refreshed_daily_however_large_the_disorder() {
    let mut plan = plans::plan();
    (plan.disorder_ms, plan.idle_timeout_ms) = (3 * HOUR_MS, HOUR_MS);
    let mut shard = Shard::new(plan);
    for customer in 0..20 {
        shard.purchase(BEGIN_MS, &format!("c{customer}"));
        shard.purchase(BEGIN_MS + DAY_MS, &format!("c{customer}"));
    }
    shard.apply();
    let end_ms = BEGIN_MS + 4 * DAY_MS;
    for now_ms in (BEGIN_MS + DAY_MS..end_ms).step_by(10 * MINUTE_MS as usize) {
        shard.cycle(now_ms);
    }
    for row in shard.tables.rows("customers") {
        let as_of_ms = row.int("valued_at") as i64;
        let age_h = (end_ms - as_of_ms) / HOUR_MS;
        assert!(age_h < 25, "{} is {age_h} h old", row.text("customer_id"));
    }
}

/// Without it visits by one source push those of another out, and a click counts as a second visit.
/// The next stage hears that an account was left only if it had heard that the customer belonged to it.
#[test]
fn who_comes_with_an_account_has_left_none() {
    let told = |effects: &Effects| -> Vec<(String, bool)> {
        let word = |w: &retain::model::effects::SignalWord| {
            let json: serde_json::Value =
                serde_json::from_slice(w.value.as_deref().unwrap()).unwrap();
            (json["account_id"].as_str().unwrap().to_owned(), json["left"] == true)
        };
        effects.signals.iter().map(word).collect()
    };
    let mut shard = Shard::new(plans::plan());
    let account = r#""type":"profile","region":"r","account_id":"a""#;
    shard.event(PURCHASES, BEGIN_MS, "new", account);
    shard.apply();
    assert_eq!(told(&shard.cycle(BEGIN_MS)), [("a".to_owned(), false)]);
    shard.purchase(BEGIN_MS + 1, "known");
    shard.apply();
    assert_eq!(told(&shard.cycle(BEGIN_MS)), [(String::new(), false)]);
    shard.event(PURCHASES, BEGIN_MS + 2, "known", account);
    shard.apply();
    let left = [(String::new(), true), ("a".to_owned(), false)];
    assert_eq!(told(&shard.cycle(BEGIN_MS)), left);
}

#[test]
fn each_source_remembers_its_own_sessions() {
    let mut plan = plans::plan();
    plan.limits.sessions_max = 8;
    let mut shard = Shard::new(plan);
    let click =
        |session: &str| format!(r#""type":"web","action":"page_view","session_id":"{session}""#);
    for n in 0..8 {
        shard.event(WEB, BEGIN_MS + n, "c", &click(&format!("w{n}")));
    }
    for n in 0..30 {
        shard.event(PURCHASES, BEGIN_MS + 100 + n, "c", &click(&format!("p{n}")));
    }
    for n in 0..8 {
        shard.event(WEB, BEGIN_MS + 200 + n, "c", &click(&format!("w{n}")));
    }
    shard.apply();
    shard.cycle(BEGIN_MS + 300);
    assert_eq!(shard.customer("c").int("visits"), 38);
}

/// Without it a large row joins a nearly full block, and the broker refuses the record.
#[test]
fn a_block_of_rows_stays_below_the_brokers_limit() {
    let mut shard = Shard::new(plans::plan());
    for (n, size) in (0..).zip([500_000, 350_000, 300_000, 890_000, 20_000, 870_000]) {
        let fields = format!(r#""amount":5,"currency":"USD","note":"{}""#, "x".repeat(size));
        shard.event(PURCHASES, BEGIN_MS + n, "c", &fields);
    }
    shard.apply();
    let effects = shard.cycle(BEGIN_MS + 100);
    let blocks: Vec<&RowBlock> =
        effects.rows.iter().filter(|b| b.table.name() == "events").collect();
    assert_eq!(blocks.iter().map(|b| b.count).sum::<u32>(), 6);
    for block in blocks {
        let bytes = block.bytes.len();
        assert!(bytes <= RowBlock::BYTES_MAX || block.count == 1, "{bytes} in {}", block.count);
    }
}
