//! A reader without a browser: HTTP over a socket, with the session's cookie; and questions to ClickHouse.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::io::{Read, Write};
use std::net::TcpStream;

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its headers, as they came, in lower case.
    pub headers: String,
    /// Its body.
    pub body: String,
}

/// Somebody who reads pages.
pub struct Browser {
    address: String,
    cookie: String,
}

impl Browser {
    /// Who is not signed in. `url` is `http://HOST:PORT/`.
    pub fn new(url: &str) -> Self {
        let address = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Self { address, cookie: String::new() }
    }

    /// Who trades a token for a session first.
    pub fn signed_in(url: &str, token: &str) -> Self {
        let mut browser = Self::new(url);
        let answer = browser.send("POST", "sign-in", &format!("token={token}"));
        assert_eq!(answer.status, 303, "{answer:?}");
        let line = answer.headers.lines().find(|line| line.starts_with("set-cookie:")).unwrap();
        let cookie = line.trim_start_matches("set-cookie:").split(';').next().unwrap();
        browser.cookie = cookie.trim().to_owned();
        browser
    }

    /// A page, by its path without the first slash.
    pub fn get(&self, path: &str) -> Answer {
        self.send("GET", path, "")
    }

    fn send(&self, method: &str, path: &str, form: &str) -> Answer {
        let Self { address, cookie } = self;
        let head = format!(
            "{method} /{path} HTTP/1.0\r\nHost: {address}\r\nCookie: {cookie}\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        exchange(address, &head)
    }
}

fn exchange(address: &str, request: &str) -> Answer {
    let mut socket = TcpStream::connect(address).unwrap();
    socket.write_all(request.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    socket.read_to_end(&mut bytes).unwrap();
    let text = String::from_utf8(bytes).unwrap();
    let (head, body) = text.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    // the values of cookies are hexadecimal
    Answer { status, headers: head.to_lowercase(), body: body.to_owned() }
}

/// The answer of the ClickHouse at `url` to a question, tab-separated.
pub fn query(url: &str, sql: &str) -> String {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    let request =
        format!("POST / HTTP/1.0\r\nHost: {address}\r\nContent-Length: {}\r\n\r\n{sql}", sql.len());
    let answer = exchange(address, &request);
    assert_eq!(answer.status, 200, "{sql}: {}", answer.body);
    answer.body
}
