//! Lists: filters, sorts and pages.

use serde_json::Value;

use crate::desk::{ACCOUNTS, Desk, ODD};

fn ids(list: &Value, name: &str) -> Vec<String> {
    let items = list["items"].as_array().unwrap().iter();
    items.map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

/// All pages of a list, each as long as `limit`.
async fn pages(desk: &Desk, path: &str, limit: usize, name: &str) -> Vec<String> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = desk.body(&format!("{path}limit={limit}{cursor}")).await;
        let found = ids(&page, name);
        assert!(found.len() <= limit);
        all.extend(found);
        match page["next"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn pages_in_any_order_show_every_account_once() {
    let desk = Desk::full().await;
    for sort in [
        "at_risk",
        "risk",
        "value",
        "revenue",
        "satisfaction",
        "complaints",
        "last_contact",
        "name",
    ] {
        let mut whole: Vec<Vec<String>> = Vec::new();
        for order in ["asc", "desc"] {
            let path = format!("/accounts?sort={sort}&order={order}&");
            let one = pages(&desk, &path, 200, "account_id").await;
            for limit in [1, 2, 3] {
                assert_eq!(
                    pages(&desk, &path, limit, "account_id").await,
                    one,
                    "{sort} {order} {limit}"
                );
            }
            let mut sorted = one.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(sorted.len(), ACCOUNTS, "{sort} {order}");
            whole.push(one);
        }
        assert!(whole[0] != whole[1] || sort == "revenue", "{sort}");
    }
    // numbers that differ in their last bit only are told apart; unknown is the smallest
    let by_risk = desk.body("/accounts?sort=risk").await;
    assert_eq!(ids(&by_risk, "account_id"), ["A6", "A4", "A0", "A3", "A1", "A5", "A2"]);
    let by_name = desk.body("/accounts?sort=name").await;
    assert_eq!(ids(&by_name, "account_id"), ["A4", "A6", "A1", "A2", "A3", "A0", "A5"]);
    assert_eq!(by_name["total"], 7);
    for sort in ["at_risk", "risk", "value", "revenue", "loyalty", "last_purchase", "name"] {
        let path = format!("/customers?sort={sort}&");
        let one = pages(&desk, &path, 200, "customer_id").await;
        assert_eq!(pages(&desk, &path, 1, "customer_id").await, one, "{sort}");
        assert_eq!(one.len(), 3);
    }
    for sort in ["severity", "at_risk", "raised", "changed"] {
        let path = format!("/alerts?phase=all&sort={sort}&");
        let one = pages(&desk, &path, 200, "alert_id").await;
        assert_eq!(pages(&desk, &path, 1, "alert_id").await, one, "{sort}");
        assert_eq!(one.len(), 8);
    }
}

#[tokio::test]
async fn filters_leave_out_what_was_not_asked_for() {
    let desk = Desk::full().await;
    for (asked, found) in [
        ("owner=o1", vec!["A0", "A3", "A6"]),
        ("owner=", vec!["A5", "A2"]),
        ("region=AMER", vec!["A1", "A3", "A5"]),
        ("risk_from=0.7", vec!["A0", "A3", "A4", "A6"]),
        ("risk_below=0.7", vec!["A1", "A5"]),
        ("key=true", vec!["A1", "A3", "A5"]),
        ("text=BETA", vec!["A3", "A2"]),
        ("text=a5", vec!["A5"]),
        ("text=%C3%B6l", vec!["A5"]),
        ("owner=o1&region=AMER", vec!["A3"]),
        ("owner=nobody", vec![]),
    ] {
        let list = desk.body(&format!("/accounts?{asked}")).await;
        assert_eq!(ids(&list, "account_id"), found, "{asked}");
        assert_eq!(list["total"], found.len(), "{asked}");
    }
    for (asked, found) in [
        ("", vec!["a2", "b1", "a1", "a6", "b2", "a3"]),
        ("phase=firing", vec!["b1", "a1", "a6", "b2"]),
        ("phase=resolved", vec!["a5"]),
        ("severity_from=high", vec!["a2", "b1", "a1"]),
        ("severity_from=high&phase=firing", vec!["b1", "a1"]),
        ("account=A0&phase=open", vec!["a2", "b1", "a1", "a3"]),
        ("rule=account_at_risk", vec!["b1", "b2"]),
        ("customer=c1&phase=open", vec!["a2", "a1", "a3"]),
        // nobody looks after the account by now, whatever its alert said
        ("owner=&phase=open", vec!["b2"]),
        ("customer=nobody", vec![]),
        ("rule=key_at_risk&owner=o1&region=EMEA&phase=dismissed", vec!["a4"]),
    ] {
        let list = desk.body(&format!("/alerts?{asked}")).await;
        assert_eq!(ids(&list, "alert_id"), found, "{asked}");
    }
    let all = desk.body("/customers").await;
    let of = |field: &str| all["items"][0][field].as_str().unwrap().to_owned();
    let asked = format!("/customers?lifecycle={}&quadrant={}", of("lifecycle"), of("quadrant"));
    let found = desk.body(&asked).await;
    assert!(found["total"].as_u64().unwrap() >= 1 && found["total"].as_u64().unwrap() <= 3);
    assert_eq!(desk.body("/customers?text=NEILL").await["total"], 1);
    assert_eq!(desk.body("/customers?risk_from=0.999999").await["total"], 0);
}

/// Texts that are something else to whoever pastes them into SQL.
const HOSTILE: [&str; 7] = [
    "' OR 1=1 --",
    "\\' OR 1=1 --",
    "x'; DROP TABLE retain.accounts_now; --",
    "{owner:String}",
    "a\tb\nc\\N",
    "?",
    "\u{0}\u{1f600}%_",
];

#[tokio::test]
async fn texts_stay_texts() {
    let desk = Desk::full().await;
    for text in HOSTILE {
        let text = escaped(text);
        for path in [
            format!("/accounts?owner={text}"),
            format!("/accounts?text={text}"),
            format!("/customers?region={text}&lifecycle={text}"),
            format!("/alerts?rule={text}&phase=all"),
            format!("/today?owner={text}"),
            format!("/opportunities?owner={text}"),
        ] {
            let list = desk.body(&path).await;
            if list["total"].is_u64() {
                assert_eq!(list["total"], 0, "{path}");
            }
        }
        for path in ["accounts", "customers", "alerts"] {
            assert_eq!(desk.get(&format!("/{path}/{text}")).await.status, 404, "{path} {text}");
        }
    }
    let found = desk.body(&format!("/customers/{}", escaped(ODD))).await;
    assert_eq!(found["customer"]["customer_id"], ODD);
    assert!(
        desk.engine.as_ref().unwrap().number("SELECT count() FROM retain.accounts_now").await == 7
    );
}

/// A text as a part of an address.
pub fn escaped(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
