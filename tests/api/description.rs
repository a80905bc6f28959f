//! The description: it is served to everybody, is complete, and its addresses ask for a token.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use retain::shell::api::openapi;
use serde_json::Value;

use crate::desk::Desk;

const NOWHERE: &str = "http://127.0.0.1:9";

#[tokio::test]
async fn the_description_is_served_without_a_token_and_is_the_codes_own() {
    let desk = Desk::at(NOWHERE, &[]);
    let request = Request::get("/api/v1/openapi.json").body(Body::empty()).unwrap();
    let answer = desk.send(request).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.body, serde_json::to_value(openapi()).unwrap());
    assert!(answer.body["openapi"].as_str().unwrap().starts_with("3.1"));
}

#[test]
fn every_reference_leads_somewhere_and_every_field_is_explained() {
    let description = serde_json::to_value(openapi()).unwrap();
    let mut references = Vec::new();
    collect(&description, &mut references);
    assert!(references.len() > 100, "{}", references.len());
    for reference in references {
        let pointer = reference.trim_start_matches('#');
        assert!(description.pointer(pointer).is_some(), "{reference}");
    }
    for (name, schema) in description["components"]["schemas"].as_object().unwrap() {
        for (field, of) in schema["properties"].as_object().into_iter().flatten() {
            // beside the type, or beside what it refers to where it may be null
            let told = of.to_string().contains("\"description\":");
            assert!(told, "{name}.{field}");
        }
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, inner) in map {
                match inner {
                    Value::String(text) if key == "$ref" => references.push(text.clone()),
                    _ => collect(inner, references),
                }
            }
        }
        Value::Array(all) => all.iter().for_each(|inner| collect(inner, references)),
        _ => {}
    }
}

#[tokio::test]
async fn no_address_answers_without_a_token() {
    let desk = Desk::at(NOWHERE, &[]);
    let description = serde_json::to_value(openapi()).unwrap();
    let mut asked = 0;
    for (path, item) in description["paths"].as_object().unwrap() {
        for method in
            item.as_object().unwrap().keys().filter(|key| ["get", "post"].contains(&key.as_str()))
        {
            let path = path
                .replace("{account_id}", "x")
                .replace("{customer_id}", "x")
                .replace("{alert_id}", "x")
                .replace("{act}", "resolve");
            let method: Method = method.to_uppercase().parse().unwrap();
            for token in [None, Some("wrong-wrong-wrong-wrong-1"), Some("")] {
                let answer = desk.call(method.clone(), &path, token, None).await;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{method} {path}");
                assert!(answer.headers["www-authenticate"].to_str().unwrap().starts_with("Bearer"));
            }
            asked += 1;
        }
    }
    assert_eq!(asked, 19);
}
