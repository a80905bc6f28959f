//! What is refused: wrong questions, too many of them, and a ClickHouse that is away or empty.

use std::future::IntoFuture as _;
use std::io::{Read as _, Write as _};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};

use crate::desk::{Desk, VIEWER, private, settings};
use crate::engine::Engine;

#[tokio::test]
async fn wrong_questions_are_refused_in_words() {
    let desk = Desk::full().await;
    for path in [
        "/accounts?limit=0",
        "/accounts?limit=201",
        "/accounts?limit=-1",
        "/accounts?limit=many",
        "/accounts?risk_from=2",
        "/accounts?risk_from=NaN",
        "/accounts?key=perhaps",
        "/accounts?sort=owner_id;DROP",
        "/accounts?order=sideways",
        "/accounts?colour=red",
        "/accounts?cursor=zz",
        "/accounts?cursor=",
        "/accounts?cursor=01ff",
        "/customers?sort=complaints",
        "/alerts?phase=gone",
        "/alerts?severity_from=bad",
        "/tiers?from=yesterday",
        "/tiers?from=2027-04-01&to=2027-03-01",
        "/tiers?to=9999-01-01",
        "/churn?by=channel",
        "/segments?by=shoe",
        "/opportunities?goal=luck",
        "/opportunities?limit=9999",
        "/customers/c1/explanation?at=now",
    ] {
        let answer = desk.get(path).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}: {}", answer.body);
        assert!(!answer.body["detail"].as_str().unwrap().is_empty());
    }
    // a cursor of one question does not answer another
    let first = desk.body("/accounts?limit=1&owner=o1").await;
    let next = first["next"].as_str().unwrap();
    for path in ["/accounts?cursor=", "/accounts?owner=o2&cursor=", "/customers?cursor="] {
        let answer = desk.get(&format!("{path}{next}")).await;
        assert_eq!(answer.body["type"], "urn:retain:problem:bad_cursor", "{path}");
    }
    let long = "x".repeat(300);
    assert_eq!(desk.get(&format!("/accounts/{long}")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(desk.get(&format!("/accounts?text={long}")).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(desk.get("/nothing").await.status, StatusCode::NOT_FOUND);
    let deleted = desk.call(Method::DELETE, "/accounts", Some(VIEWER), None).await;
    assert_eq!(deleted.status, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(deleted.headers[header::CONTENT_TYPE], "application/problem+json");
}

#[tokio::test]
async fn every_answer_says_that_it_is_nobody_elses() {
    let desk = Desk::at("http://127.0.0.1:9", &[]);
    let request = Request::get("/api/v1/accounts").body(Body::empty()).unwrap();
    let answer = desk.send(request).await;
    for (name, value) in [
        ("content-security-policy", "default-src 'none'"),
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("cache-control", "no-store"),
        ("referrer-policy", "same-origin"),
    ] {
        let found = answer.headers[name].to_str().unwrap();
        assert!(found.starts_with(value), "{name}: {found}");
    }
}

#[tokio::test]
async fn a_clickhouse_that_is_away_or_empty_is_no_fault_of_the_asker() {
    let away = Desk::at("http://127.0.0.1:9", &[]);
    assert_eq!(away.get("/accounts").await.status, StatusCode::SERVICE_UNAVAILABLE);
    let engine = Engine::start();
    let empty = Desk::at(&engine.url, &[]);
    for path in ["/accounts", "/customers", "/pipeline", "/tiers"] {
        let answer = empty.get(path).await;
        assert_eq!(answer.body["type"], "urn:retain:problem:not_ready", "{path}: {}", answer.body);
    }
}

#[tokio::test]
async fn a_token_has_so_many_requests_a_minute_and_others_are_not_held_up() {
    let desk = Desk::at("http://127.0.0.1:9", &["http.requests_per_minute=3"]);
    let mut codes = Vec::new();
    for _ in 0..4 {
        codes.push(desk.get("/nothing").await.status.as_u16());
    }
    assert_eq!(codes, [404, 404, 404, 429]);
    let other = desk.call(Method::GET, "/nothing", Some(crate::desk::OPERATOR), None).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
    // guessing is slowed down for all guessers together, and holds up nobody who is known
    let mut refused = 0;
    for at in 0..150 {
        let guess = format!("guess-guess-guess-guess-{at}");
        let answer = desk.call(Method::GET, "/nothing", Some(&guess), None).await;
        refused += u32::from(answer.status == StatusCode::TOO_MANY_REQUESTS);
    }
    assert!((1..=31).contains(&refused), "{refused}");
    let other = desk.call(Method::GET, "/nothing", Some(crate::desk::OPERATOR), None).await;
    assert_eq!(other.status, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_not_known_takes_no_room_of_those_who_are() {
    let desk = Desk::at("http://127.0.0.1:9", &["http.concurrent_requests_max=4"]);
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, desk.router.clone()).into_future());
    // a form for signing in whose body does not come
    let come = || {
        let mut slow = std::net::TcpStream::connect(at).unwrap();
        let head = "POST /sign-in HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 7\r\n\
                    Content-Type: application/x-www-form-urlencoded\r\n\r\n";
        slow.write_all(head.as_bytes()).unwrap();
        slow.set_nonblocking(true).unwrap();
        slow
    };
    let mut slow = come();
    let sign_in = || desk.send(Request::get("/sign-in").body(Body::empty()).unwrap());
    let begun = Instant::now();
    while sign_in().await.status != StatusCode::SERVICE_UNAVAILABLE {
        assert!(begun.elapsed() < Duration::from_secs(8), "the form has no room of its own");
        // it is answered at once where it came while one of these looks had the room
        if slow.peek(&mut [0]).is_ok() {
            slow = come();
        }
        tokio::task::yield_now().await;
    }
    slow.set_nonblocking(false).unwrap();
    assert_eq!(desk.get("/nothing").await.status, StatusCode::NOT_FOUND);
    slow.write_all(b"token=x").unwrap();
    let mut answer = String::new();
    slow.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    assert_eq!(sign_in().await.status, StatusCode::OK);
}

#[test]
fn a_file_of_tokens_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let http = settings(&folder, "http://127.0.0.1:9", &[]).http;
    let load = || retain::shell::api::access::Access::load(&http);
    assert!(load().is_ok());
    let path = folder.path().join("tokens");
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o640)).unwrap();
    assert!(load().unwrap_err().contains("mode 640"));
    private(&path);
    std::fs::write(&path, "vera viewer short").unwrap();
    let why = load().unwrap_err();
    assert!(why.contains("line 1") && !why.contains("short"), "{why}");
    std::fs::remove_file(&path).unwrap();
    assert!(load().unwrap_err().contains("cannot be read"));
}
