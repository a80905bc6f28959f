//! Signing in and out: a token is traded for a session, which is a signed cookie that scripts cannot read.

use axum::extract::{Extension, Form, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::Api;
use super::access::{COOKIE, Caller};
use super::guard::now_ms;
use super::pages::html;
use super::respond::Asked;
use crate::api::problem::{Kind, Problem};
use crate::page::{self, SignIn, links};

/// Where to go after signing in.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Back {
    back: String,
}

/// The form.
pub async fn form(Asked(Back { back }): Asked<Back>) -> Response {
    html(StatusCode::OK, page::sign_in(&SignIn { back: own_path(&back), refused: String::new() }))
}

/// What the form sends.
#[derive(Deserialize)]
pub struct Given {
    token: String,
    #[serde(default)]
    back: String,
}

/// Trades the token for a session.
pub async fn sign_in(
    State(api): State<Api>,
    headers: HeaderMap,
    Form(Given { token, back }): Form<Given>,
) -> Response {
    let back = own_path(&back);
    let signed =
        from_here(&headers).and_then(|()| api.access.signing_in(token.trim())).and_then(|caller| {
            let session = api.access.session(&caller, now_ms());
            session.ok_or_else(|| Problem::new(Kind::Internal, "no session could be made"))
        });
    match signed {
        Ok((value, seconds)) => {
            let mut response = Redirect::to(&back).into_response();
            set_cookie(&mut response, &headers, &value, seconds);
            response
        }
        Err(problem) => {
            let refused = match problem.status {
                401 => "This token is not known.".to_owned(),
                _ => problem.detail.clone(),
            };
            html(super::respond::status(&problem), page::sign_in(&SignIn { back, refused }))
        }
    }
}

/// What the form for signing out sends.
#[derive(Deserialize)]
pub struct Out {
    csrf: String,
}

/// Ends the session of this browser.
pub async fn sign_out(
    State(api): State<Api>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    Form(Out { csrf }): Form<Out>,
) -> Response {
    if let Err(problem) = api.access.own_form(&caller, Some(&csrf)) {
        return html(super::respond::status(&problem), page::trouble_before_sign_in(&problem));
    }
    let mut response = Redirect::to(links::SIGN_IN).into_response();
    set_cookie(&mut response, &headers, "", 0);
    response
}

/// A form that another site sends would sign somebody in as somebody else. Browsers say where a form comes from.
fn from_here(headers: &HeaderMap) -> Result<(), Problem> {
    match headers.get("sec-fetch-site").map(HeaderValue::as_bytes) {
        None | Some(b"same-origin" | b"none") => Ok(()),
        Some(_) => Err(Problem::new(Kind::Forbidden, "the form is of another site")),
    }
}

fn set_cookie(response: &mut Response, headers: &HeaderMap, value: &str, seconds: i64) {
    // a proxy with TLS says so; without TLS a browser would not send a secure cookie back
    let tls = headers.get("x-forwarded-proto").is_some_and(|proto| proto == "https");
    let secure = if tls { "; Secure" } else { "" };
    let cookie =
        format!("{COOKIE}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // hexadecimal digits and dots only
    if let Ok(cookie) = HeaderValue::from_str(&cookie) {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
}

/// A path of ours; the first page for everything else: nobody is sent elsewhere by an address that begins with ours.
pub fn own_path(back: &str) -> String {
    let plain = back.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let own = back.starts_with('/') && !back.starts_with("//") && plain && back.len() <= 2048;
    let itself = back.starts_with(links::SIGN_IN) || back.starts_with(links::SIGN_OUT);
    if own && !itself { back.to_owned() } else { links::TODAY.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_to_another_site() {
        assert_eq!(own_path("/accounts/A%201?x=y"), "/accounts/A%201?x=y");
        for back in ["", "//evil", "/\\evil", "https://evil", "/a\r\nb", "/sign-in", "javascript:1"]
        {
            assert_eq!(own_path(back), "/", "{back}");
        }
    }
}
