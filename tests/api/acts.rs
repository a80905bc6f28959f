//! What people do about alerts: who may, what is refused, and what is written to the pipeline.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use retain::api::answer::Act;
use serde_json::{Value, json};

use crate::desk::{Answer, Desk, OPERATOR, VIEWER};

async fn post(desk: &Desk, path: &str, token: &str, body: Option<Value>) -> Answer {
    desk.call(Method::POST, path, Some(token), body).await
}

#[tokio::test]
async fn an_action_is_written_once_with_who_asked_for_it() {
    let desk = Desk::full().await;
    let id = "00112233445566778899aabbccddeeff";
    let body = json!({"episode": 2, "note": "called; \"back\" on Monday", "command_id": id});
    let done = post(&desk, "/alerts/a1/acknowledge", OPERATOR, Some(body)).await;
    assert_eq!(done.status, StatusCode::ACCEPTED);
    assert_eq!(done.body["command_id"], id);
    assert_eq!(done.body["by"], "olga");
    let until = json!({"until": "2027-05-01T00:00:00Z"});
    let done = post(&desk, "/alerts/a2/snooze", OPERATOR, Some(until)).await;
    assert_eq!(done.status, StatusCode::ACCEPTED, "{}", done.body);
    for path in ["/alerts/a3/resolve", "/alerts/a4/reopen"] {
        assert_eq!(post(&desk, path, OPERATOR, None).await.status, StatusCode::ACCEPTED, "{path}");
    }
    let of_account = post(&desk, "/alerts/b1/acknowledge", OPERATOR, None).await;
    assert_eq!(of_account.status, StatusCode::ACCEPTED, "{}", of_account.body);
    let sent = desk.sent.lock().unwrap();
    let account = &sent[4];
    assert_eq!((account.subject_kind.as_str(), account.subject.as_str()), ("account", "A0"));
    let first = &sent[0];
    assert_eq!((first.id.as_str(), first.by.as_str(), first.act), (id, "olga", Act::Acknowledge));
    assert_eq!(
        (first.rule.as_str(), first.customer.as_str(), first.episode),
        ("key_at_risk", "c1", 2)
    );
    assert_eq!(first.note, "called; \"back\" on Monday");
    assert_eq!(sent[1].until_ms, Some(1_809_129_600_000));
    let acts: Vec<Act> = sent.iter().map(|command| command.act).collect();
    assert_eq!(acts, [Act::Acknowledge, Act::Snooze, Act::Resolve, Act::Reopen, Act::Acknowledge]);
    let ids: std::collections::BTreeSet<&String> = sent.iter().map(|command| &command.id).collect();
    assert_eq!(ids.len(), 5, "every action has an id of its own");
}

#[tokio::test]
async fn what_may_not_or_cannot_be_done_is_refused_and_not_written() {
    let desk = Desk::full().await;
    let long = "x".repeat(300);
    for (path, token, body, status) in [
        ("/alerts/a1/acknowledge", VIEWER, None, 403),
        ("/alerts/a1/snooze", VIEWER, Some(json!({"until": "2027-05-01T00:00:00Z"})), 403),
        ("/alerts/a2/acknowledge", OPERATOR, None, 409),
        ("/alerts/a5/reopen", OPERATOR, None, 409),
        ("/alerts/a1/resolve", OPERATOR, Some(json!({"episode": 1})), 409),
        ("/alerts/none/resolve", OPERATOR, None, 404),
        ("/alerts/a1/snooze", OPERATOR, None, 400),
        ("/alerts/a1/snooze", OPERATOR, Some(json!({"until": "2020-01-01T00:00:00Z"})), 400),
        ("/alerts/a1/snooze", OPERATOR, Some(json!({"until": "soon"})), 400),
        ("/alerts/a1/resolve", OPERATOR, Some(json!({"until": "2027-05-01T00:00:00Z"})), 400),
        ("/alerts/a1/resolve", OPERATOR, Some(json!({"note": long})), 400),
        ("/alerts/a1/resolve", OPERATOR, Some(json!({"command_id": "1"})), 400),
        ("/alerts/a1/resolve", OPERATOR, Some(json!({"severity": "low"})), 400),
        ("/alerts/a1/resolve", OPERATOR, Some(json!([1])), 400),
    ] {
        let answer = post(&desk, path, token, body).await;
        assert_eq!(answer.status.as_u16(), status, "{path}: {}", answer.body);
    }
    for (kind, body, status) in [
        ("text/plain", "{}".to_owned(), 415),
        ("application/json", "{".to_owned(), 400),
        ("application/json", format!("{{\"note\": \"{}\"}}", "x".repeat(20_000)), 413),
    ] {
        let request = Request::post("/api/v1/alerts/a1/resolve")
            .header(header::AUTHORIZATION, format!("Bearer {OPERATOR}"))
            .header(header::CONTENT_TYPE, kind)
            .body(Body::from(body))
            .unwrap();
        let answer = desk.send(request).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
        assert_eq!(answer.headers[header::CONTENT_TYPE], "application/problem+json");
    }
    assert!(desk.sent.lock().unwrap().is_empty());
}
