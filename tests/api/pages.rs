//! The pages: signing in and out, what a form needs, and that every page is there for who is signed in and for nobody else.

use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};

use crate::desk::{Answer, Desk, ODD, OPERATOR, VIEWER};
use crate::lists::escaped;

/// A browser: it keeps its cookie.
struct Browser<'a> {
    desk: &'a Desk,
    cookie: String,
}

impl<'a> Browser<'a> {
    async fn signed_in(desk: &'a Desk, token: &str) -> Self {
        let mut browser = Self { desk, cookie: String::new() };
        let answer = browser.post("/sign-in", &format!("token={token}&back=%2Faccounts")).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        assert_eq!(answer.headers[header::LOCATION], "/accounts");
        browser.cookie = cookies(&answer.headers);
        browser
    }

    async fn get(&self, path: &str) -> Answer {
        let request = Request::get(path).header(header::COOKIE, &self.cookie);
        self.desk.send(request.body(Body::empty()).unwrap()).await
    }

    async fn post(&self, path: &str, form: &str) -> Answer {
        let request = Request::post(path)
            .header(header::COOKIE, &self.cookie)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header("sec-fetch-site", "same-origin");
        self.desk.send(request.body(Body::from(form.to_owned())).unwrap()).await
    }

    /// The token in the forms of a page.
    async fn form_token(&self) -> String {
        let page = self.get("/").await;
        let text = page.body.as_str().unwrap().to_owned();
        let from = text.find("name=\"csrf\" value=\"").unwrap() + 19;
        text[from..from + 64].to_owned()
    }
}

/// What a browser would send back.
fn cookies(headers: &HeaderMap) -> String {
    let set = headers.get_all(header::SET_COOKIE).iter().map(|value| value.to_str().unwrap());
    set.map(|value| value.split(';').next().unwrap()).collect::<Vec<_>>().join("; ")
}

#[tokio::test]
async fn a_token_is_traded_for_a_cookie_that_scripts_cannot_read() {
    let desk = Desk::full().await;
    let nobody = Browser { desk: &desk, cookie: String::new() };
    let page = nobody.get("/sign-in?back=%2Fmarketing").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.as_str().unwrap().contains("value=\"/marketing\""));
    let wrong = nobody.post("/sign-in", "token=wrong-wrong-wrong-wrong-1&back=//evil").await;
    assert_eq!(wrong.status, StatusCode::UNAUTHORIZED);
    assert!(wrong.headers.get(header::SET_COOKIE).is_none());
    let right = nobody.post("/sign-in", &format!("token={VIEWER}&back=//evil")).await;
    assert_eq!(right.headers[header::LOCATION], "/");
    let cookie = right.headers[header::SET_COOKIE].to_str().unwrap();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains(VIEWER));
    let foreign = Request::post("/sign-in")
        .header("sec-fetch-site", "cross-site")
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={VIEWER}")))
        .unwrap();
    assert_eq!(desk.send(foreign).await.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn every_page_is_there_for_who_is_signed_in_and_for_nobody_else() {
    let desk = Desk::full().await;
    let nobody = Browser { desk: &desk, cookie: String::new() };
    let forged =
        Browser { desk: &desk, cookie: "retain_session=766572.9999999999999.00".to_owned() };
    let viewer = Browser::signed_in(&desk, VIEWER).await;
    let odd = format!("/customers/{}", escaped(ODD));
    for (path, told) in [
        ("/", "Zeta"),
        ("/accounts?owner=o1&region=", "Zeta"),
        ("/accounts/A0", "Zeta"),
        ("/accounts/A6", "&lt;b&gt;Eve&lt;/b&gt;"),
        ("/customers", "c1"),
        ("/customers/c1", "c1"),
        (odd.as_str(), "o'neill"),
        ("/alerts", "nothing for 94 days"),
        ("/alerts/a1", "nothing for 94 days"),
        ("/marketing", "Marketing"),
        ("/pipeline", "Complete to"),
    ] {
        for somebody in [&nobody, &forged] {
            let answer = somebody.get(path).await;
            assert_eq!(answer.status, StatusCode::SEE_OTHER, "{path}");
            let to = answer.headers[header::LOCATION].to_str().unwrap();
            assert!(to.starts_with("/sign-in?back=%2F"), "{path}: {to}");
        }
        let page = viewer.get(path).await;
        assert_eq!(page.status, StatusCode::OK, "{path}");
        let text = page.body.as_str().unwrap();
        assert!(text.contains(told), "{told} is not in {path}");
        assert!(!text.contains("<b>Eve"), "{path}");
        assert!(
            page.headers["content-security-policy"]
                .to_str()
                .unwrap()
                .starts_with("default-src 'none'")
        );
    }
    for (path, status) in
        [("/accounts/none", 404), ("/accounts?limit=0", 400), ("/alerts?phase=gone", 400)]
    {
        let page = viewer.get(path).await;
        assert_eq!(page.status.as_u16(), status, "{path}");
        assert_eq!(page.headers[header::CONTENT_TYPE], "text/html; charset=utf-8");
    }
    // the same cookie opens the API for the page's own script
    assert_eq!(viewer.get("/api/v1/accounts").await.status, StatusCode::OK);
    // a link in an e-mail: the browser leaves the cookie at home, and is asked to come again from here
    let linked = Request::get("/accounts/A0").header("sec-fetch-site", "cross-site");
    let answer = desk.send(linked.body(Body::empty()).unwrap()).await;
    assert_eq!(answer.status, StatusCode::OK);
    assert_eq!(answer.headers["refresh"], "0; url=/accounts/A0");
    assert_eq!(answer.body, "");
}

#[tokio::test]
async fn a_form_acts_for_its_own_session_and_says_once_what_it_did() {
    let desk = Desk::full().await;
    let (viewer, operator) =
        (Browser::signed_in(&desk, VIEWER).await, Browser::signed_in(&desk, OPERATOR).await);
    let (other, own) = (viewer.form_token().await, operator.form_token().await);
    for (browser, token, status) in [
        (&operator, String::new(), 403),
        (&operator, other.clone(), 403),
        (&viewer, other.clone(), 403),
        (&operator, own.clone(), 303),
    ] {
        let form = format!("csrf={token}&episode=2&note=&days=&back=%2Falerts%2Fa1");
        let answer = browser.post("/alerts/a1/acknowledge", &form).await;
        assert_eq!(answer.status.as_u16(), status, "{}", answer.body);
    }
    let form = format!("csrf={own}&days=3&back=%2F");
    let answer = operator.post("/alerts/a1/snooze", &form).await;
    assert_eq!(answer.headers[header::LOCATION], "/");
    let notice = cookies(&answer.headers);
    let again = Browser { desk: &desk, cookie: format!("{}; {notice}", operator.cookie) };
    let page = again.get("/").await;
    assert!(page.body.as_str().unwrap().contains("class=\"notice good\""));
    assert!(page.headers[header::SET_COOKIE].to_str().unwrap().starts_with("retain_notice=; "));
    // what stands otherwise by now is told where the form was
    let late = operator.post("/alerts/a5/resolve", &format!("csrf={own}&back=%2F")).await;
    assert_eq!(late.status, StatusCode::SEE_OTHER);
    assert!(cookies(&late.headers).starts_with("retain_notice=0"));
    let strange = operator.post("/alerts/a1/burn", &format!("csrf={own}")).await;
    assert_eq!(strange.status, StatusCode::NOT_FOUND);
    let large = format!("csrf={own}&note={}", "x".repeat(20_000));
    assert_eq!(
        operator.post("/alerts/a1/resolve", &large).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(desk.sent.lock().unwrap().len(), 2);
    // a form that is sent twice is one command, and each page has forms of its own
    let page = [operator.get("/alerts/a1").await, operator.get("/alerts/a1").await];
    let id = |page: &Answer| {
        let text = page.body.as_str().unwrap();
        let from = text.find("/alerts/a1/acknowledge").unwrap();
        let from = from + text[from..].find("name=\"command_id\" value=\"").unwrap() + 25;
        text[from..from + 32].to_owned()
    };
    assert_ne!(id(&page[0]), id(&page[1]));
    let form = format!("csrf={own}&command_id={}&back=%2F", id(&page[0]));
    for _ in 0..2 {
        assert_eq!(operator.post("/alerts/a1/acknowledge", &form).await.status, 303);
    }
    let ids = desk.sent.lock().unwrap()[2..].iter().map(|sent| sent.id.clone()).collect::<Vec<_>>();
    assert_eq!(ids, [id(&page[0]), id(&page[0])]);
    // a script of another site has the cookie at best, never the token
    let request =
        Request::post("/api/v1/alerts/a1/resolve").header(header::COOKIE, &operator.cookie);
    let without = desk.send(request.body(Body::empty()).unwrap()).await;
    assert_eq!(without.status, StatusCode::FORBIDDEN);
    let request = Request::post("/api/v1/alerts/a1/resolve")
        .header(header::COOKIE, &operator.cookie)
        .header("x-csrf-token", &own);
    assert_eq!(desk.send(request.body(Body::empty()).unwrap()).await.status, StatusCode::ACCEPTED);
    let out = operator.post("/sign-out", "csrf=").await;
    assert_eq!(out.status, StatusCode::FORBIDDEN);
    let out = operator.post("/sign-out", &format!("csrf={own}")).await;
    assert_eq!(out.headers[header::LOCATION], "/sign-in");
    assert!(out.headers[header::SET_COOKIE].to_str().unwrap().contains("Max-Age=0"));
}

#[tokio::test]
async fn files_of_the_pages_may_be_kept() {
    let desk = Desk::at("http://127.0.0.1:9", &[]);
    let nobody = Browser { desk: &desk, cookie: String::new() };
    let page = nobody.get("/sign-in").await;
    let text = page.body.as_str().unwrap();
    let from = text.find("/assets/retain-").unwrap();
    let path = text[from..].split('"').next().unwrap();
    let file = nobody.get(path).await;
    assert_eq!(file.status, StatusCode::OK);
    assert!(file.headers[header::CACHE_CONTROL].to_str().unwrap().contains("immutable"));
    let again = Request::get(path).header(header::IF_NONE_MATCH, &file.headers[header::ETAG]);
    let again = desk.send(again.body(Body::empty()).unwrap()).await;
    assert_eq!((again.status, again.body.as_str()), (StatusCode::NOT_MODIFIED, Some("")));
    assert_eq!(nobody.get("/assets/retain.css").await.status, StatusCode::NOT_FOUND);
}
