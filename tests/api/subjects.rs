//! One account, customer or alert; what marketing and the pipeline look at; and all of it without data.

use axum::http::StatusCode;
use retain::api::answer::Customer;
use serde_json::Value;

use crate::desk::{Desk, ODD};
use crate::lists::escaped;

/// Every address without an id in it.
const ADDRESSES: [&str; 20] = [
    "/today",
    "/accounts",
    "/customers",
    "/alerts",
    "/segments",
    "/segments?by=all",
    "/segments?by=tier",
    "/segments?by=owner",
    "/tiers",
    "/tiers?from=2026-06-01&to=2027-04-01",
    "/lifecycle",
    "/quadrant",
    "/cohorts",
    "/churn",
    "/churn?by=owner&from=2026-06-01&to=2027-04-01",
    "/opportunities",
    "/opportunities?goal=retention&limit=3",
    "/revenue-at-risk?by=tier",
    "/owners",
    "/pipeline",
];

#[tokio::test]
async fn every_address_answers_with_data_and_without() {
    for desk in [Desk::full().await, Desk::empty().await] {
        for path in ADDRESSES {
            let body = desk.body(path).await;
            assert_eq!(body["standing"]["currency"], "USD", "{path}");
            assert_eq!(body["standing"]["minor_digits"], 2, "{path}");
        }
        for path in
            ["/accounts/none", "/customers/none", "/alerts/none", "/customers/none/explanation"]
        {
            assert_eq!(desk.get(path).await.status, StatusCode::NOT_FOUND, "{path}");
        }
    }
}

#[tokio::test]
async fn an_account_has_its_alerts_credit_and_history() {
    let desk = Desk::full().await;
    let account = desk.body("/accounts/A0").await;
    assert_eq!(account["account"]["name"], "Zeta");
    assert_eq!(account["account"]["overdue_minor"], 15);
    assert_eq!(account["account"]["open_alerts"], 4);
    assert_eq!(account["account"]["last_contact"], Value::Null);
    let other = desk.body("/accounts/A1").await;
    assert_eq!(other["account"]["last_contact"], "2027-03-21T10:00:00.000Z");
    assert_eq!(account["credit"][1]["legal_entity_id"], "L1");
    assert_eq!(account["alerts"].as_array().unwrap().len(), 6);
    let days: Vec<&Value> =
        account["history"].as_array().unwrap().iter().map(|p| &p["day"]).collect();
    assert_eq!(days, ["2027-03-01", "2027-04-01", "2027-04-02"]);
    assert_eq!(account["timeline"][0]["what"], "key_at_risk acknowledged");
    let today = desk.body("/today?limit=2").await;
    assert_eq!(today["accounts"]["items"][0]["account"]["account_id"], "A0");
    assert_eq!(today["accounts"]["items"][0]["alerts"][0]["alert_id"], "a2", "the worst first");
    assert_eq!(today["accounts"]["total"], 6, "what has nothing at risk is left out");
    let beside = &today["accounts"]["items"][0]["alerts"][1];
    assert_eq!([&beside["alert_id"], &beside["name"]], ["b1", "Zeta"], "of the account itself");
    // a customer without an account, and an account with nothing at risk
    let others = [&today["others"][0], &today["others"][1]].map(|alert| &alert["alert_id"]);
    assert_eq!(others, ["a6", "b2"]);
    assert_eq!(today["others"].as_array().unwrap().len(), 2);
    let summary = &today["summary"];
    assert_eq!([&summary["firing"], &summary["acknowledged"], &summary["urgent"]], [4, 1, 2]);
    assert_eq!(summary["at_risk_minor"], 1909);
}

#[tokio::test]
async fn a_customer_is_explained_and_nothing_of_the_explanation_is_lost() {
    let desk = Desk::full().await;
    for id in ["c1", ODD] {
        let body = desk.body(&format!("/customers/{}", escaped(id))).await;
        // the structs have every field that is sent, and send every field they have
        let read: Customer = serde_json::from_value(body.clone()).unwrap();
        assert_eq!(serde_json::to_value(&read).unwrap(), body);
        assert_eq!(
            (body["customer"]["customer_id"].as_str(), read.unexplained.as_str()),
            (Some(id), "")
        );
        let explanation = read.explanation.unwrap();
        assert_eq!(explanation.row.agrees, Some(true));
        let risk = explanation.risk.unwrap();
        assert!((risk.score - read.customer.risk.unwrap()).abs() < 0.05);
        assert!(
            !risk.contributions.is_empty() && !read.timeline.is_empty() && !read.history.is_empty()
        );
        let orders = read.signals.iter().find(|signal| signal.name == "orders").unwrap();
        assert_eq!(orders.value, Some(f64::from(read.customer.orders)));
    }
    let body = desk
        .body("/customers/c1/explanation?at=2027-03-01T00:00:00Z&since=2027-01-01T00:00:00Z")
        .await;
    assert_eq!(body["at"], "2027-03-01T00:00:00.000Z");
    assert!(body["since"]["risk"]["changes"].as_array().is_some());
    let wrong = desk
        .get("/customers/c1/explanation?at=2027-01-01T00:00:00Z&since=2027-03-01T00:00:00Z")
        .await;
    assert_eq!(wrong.status, StatusCode::BAD_REQUEST);
    let alert = desk.body("/alerts/a3").await;
    assert_eq!(alert["alert"]["phase"], "snoozed");
    assert_eq!(alert["acts"], serde_json::json!(["acknowledge", "snooze", "resolve"]));
    assert_eq!(alert["history"][0]["what"], "raised");
}

#[tokio::test]
async fn the_figures_of_marketing_and_of_the_pipeline_add_up() {
    let desk = Desk::full().await;
    let engine = desk.engine.as_ref().unwrap();
    let count = |rows: &Value| -> u64 {
        rows.as_array().unwrap().iter().map(|row| row["customers"].as_u64().unwrap()).sum()
    };
    assert_eq!(count(&desk.body("/lifecycle").await["rows"]), 3);
    assert_eq!(count(&desk.body("/tiers").await["tiers"]), 3);
    let quadrant = desk.body("/quadrant").await;
    assert_eq!(count(&quadrant["cells"]) + quadrant["unknown"].as_u64().unwrap(), 3);
    let [region, industry] = ["/revenue-at-risk", "/revenue-at-risk?by=industry"];
    let (by_region, by_industry) = (desk.body(region).await, desk.body(industry).await);
    assert_eq!(by_region["at_risk_minor"], by_industry["at_risk_minor"]);
    assert!(by_region["at_risk_minor"].as_i64().unwrap() > 0);
    let customers = desk.body("/customers").await;
    let each =
        customers["items"].as_array().unwrap().iter().map(|c| c["at_risk_minor"].as_i64().unwrap());
    assert!((each.sum::<i64>() - by_region["at_risk_minor"].as_i64().unwrap()).abs() <= 3);
    let cohorts = desk.body("/cohorts").await;
    assert_eq!(cohorts["cohorts"][0]["months"][0]["age"], 0);
    assert_eq!(cohorts["cohorts"][0]["months"][0]["retention"], 1.0);

    let state = desk.body("/pipeline").await;
    let applied = engine.number("SELECT sum(applied) FROM retain.completeness").await;
    assert_eq!(state["outcomes"]["applied"], applied);
    assert_eq!([&state["verdict"]["missing"], &state["verdict"]["twice"]], [0, 0]);
    assert_eq!(state["sources"].as_array().unwrap().len(), 3);
    let load = state["alert_load"].as_array().unwrap().iter();
    let raised: u64 = load.map(|day| day["raised"].as_u64().unwrap()).sum();
    assert_eq!(raised, 8);
}
