//! The text and the JSON of explanations of three constructed customers.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/explained.rs"]
mod explained;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "support/rowbinary.rs"]
mod rowbinary;
#[path = "support/sim.rs"]
mod sim;
#[path = "support/stories.rs"]
mod stories;

use std::sync::Arc;

use explained::{held, stored};
use retain::explain::text::render;
use retain::explain::{Asked, Explanation, Held, Reading, Stored, explain};
use retain::plan::{Plan, WeightSet};
use sim::{Log, Runner, Schedule};
use stories::{BEGIN_MS, DAY_MS, Story, churner, late_payer, loyal};

fn plan(set: WeightSet) -> Arc<Plan> {
    let mut plan = plans::plan();
    plan.parameters.risk.weights.set = set;
    plan.parameters.loyalty.set = set;
    if set == WeightSet::B2b {
        plan.parameters.risk.horizon_d = 180.0;
        plan.parameters.risk.ref_base = 0.3;
    }
    Arc::new(plan)
}

/// What the tables hold of a customer after so many days.
fn lived(plan: &Arc<Plan>, story: &Story, days: i64) -> (Stored, Vec<Held>) {
    let mut logs = vec![Log::default(); 3];
    for line in &story.lines {
        let value = line.json.clone().into_bytes();
        logs[line.source].push(0, line.ts_ms, Some(b"c1".to_vec()), Some(value));
    }
    let mut runner = Runner::new(plan, 0, 1, logs, Schedule::straight(1));
    runner.drain();
    runner.pass_to(BEGIN_MS + days * DAY_MS);
    assert!(runner.letters.is_empty(), "{:?}", runner.letters);
    let row = runner.tables.rows("customers").next().unwrap();
    let now_ms = BEGIN_MS + days * DAY_MS;
    let stored = Stored { at_ms: now_ms, complete_to_ms: Some(now_ms), ..stored(row) };
    (stored, held(&runner.tables, "c1"))
}

fn told(set: WeightSet, story: &Story, days: i64, since: i64) -> Explanation {
    let plan = plan(set);
    let (stored, held) = lived(&plan, story, days);
    let asked =
        Asked { customer: "c1".to_owned(), at_ms: None, since_ms: Some(BEGIN_MS + since * DAY_MS) };
    let reading = Reading { cut_before_ms: None, kept_days: 730 };
    let e = explain(&plan, &asked, &stored, &held, reading).unwrap();
    assert_eq!(e.row.agrees, Some(true), "{:?}", e.row);
    e
}

fn shown(name: &str, text: String) {
    insta::with_settings!({
        snapshot_path => "explain",
        prepend_module_to_snapshot => false,
        omit_expression => true,
    }, {
        insta::assert_snapshot!(name, text);
    });
}

#[test]
fn a_consumer_who_leaves() {
    let e = told(WeightSet::B2c, &churner(), 460, 400);
    shown("churner", render(&e));
    let now: Vec<&str> = e.risk.unwrap().contributions.iter().map(|c| c.input.input).collect();
    assert!(now.contains(&"open_complaints") && now.contains(&"cancel_intent"), "{now:?}");
}

#[test]
fn a_company_that_pays_late() {
    let e = told(WeightSet::B2b, &late_payer(), 420, 330);
    shown("late_payer", render(&e));
}

#[test]
fn a_loyal_customer() {
    let e = told(WeightSet::B2c, &loyal(), 500, 350);
    assert!(e.loyalty.as_ref().unwrap().score > 60.0);
    shown("loyal", render(&e));
}

#[test]
fn what_is_no_longer_held() {
    let plan = plan(WeightSet::B2c);
    let (stored, mut held) = lived(&plan, &churner(), 460);
    held.retain(|row| row.ts_ms > BEGIN_MS + 200 * DAY_MS);
    let asked = Asked { customer: "c1".to_owned(), ..Asked::default() };
    let reading = Reading { cut_before_ms: None, kept_days: 260 };
    let e = explain(&plan, &asked, &stored, &held, reading).unwrap();
    shown("expired", render(&e));
    held.clear();
    let e = explain(&plan, &asked, &stored, &held, reading).unwrap();
    assert!((e.risk.as_ref().unwrap().score - stored.risk.unwrap()).abs() < 1e-9);
    assert!(render(&e).contains("no event of this customer is held any more"));
}

#[test]
fn who_has_not_bought_has_no_score() {
    let story = Story::default().visit(3).visit(9);
    let e = told(WeightSet::B2c, &story, 20, 5);
    assert!(e.risk.is_none() && e.loyalty.is_none());
    let text = render(&e);
    assert!(text.contains("neither bought nor a contract"), "{text}");
}

/// docs/explain.schema.json is what `--json` prints: every field it has is named there, and the other way round.
#[test]
fn the_schema_describes_the_json() {
    let text = include_str!("../docs/explain.schema.json");
    let schema: serde_json::Value = serde_json::from_str(text).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
    let all = [
        told(WeightSet::B2c, &churner(), 460, 400),
        told(WeightSet::B2b, &late_payer(), 420, 330),
        told(WeightSet::B2c, &loyal(), 500, 350),
        told(WeightSet::B2c, &Story::default().visit(3).visit(9), 20, 5),
    ];
    for e in all {
        let json = serde_json::to_value(&e).unwrap();
        let wrong: Vec<String> = validator
            .iter_errors(&json)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        let mut strange = json.clone();
        strange["risk"] = serde_json::json!({ "scor": 1 });
        assert!(!validator.is_valid(&strange), "the schema is closed");
    }
}
