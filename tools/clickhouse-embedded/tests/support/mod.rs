//! Starts the real server on a free port and talks HTTP to it; without an engine the test fails with the remedy.
#![allow(dead_code)] // every test binary uses its part

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes; a hang fails instead of standing still.
const DEADLINE: Duration = Duration::from_secs(60);

/// A running server. Dropped, it is killed.
pub struct Server {
    pub child: Child,
    pub address: String,
}

pub fn command(dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_clickhouse-embedded"));
    command.arg("--path").arg(dir).args(["--listen", "127.0.0.1:0"]);
    command
}

impl Server {
    pub fn start(dir: &Path) -> Server {
        Server::start_with(dir, &[])
    }

    pub fn start_with(dir: &Path, args: &[&str]) -> Server {
        let mut child = command(dir)
            .args(args)
            .arg("--exit-with-stdin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the server's binary starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("stdout is piped");
        BufReader::new(stdout).read_line(&mut line).expect("stdout can be read");
        match line.trim_end().strip_prefix("listening on http://") {
            Some(address) => Server { address: address.to_string(), child },
            // Its own message, which names the remedy, stands on stderr above.
            None => panic!(
                "the server did not start ({line:?}, {:?}): is the engine there? sh tools/clickhouse-embedded/fetch.sh",
                child.wait()
            ),
        }
    }

    /// Sends bytes as they are and reads the answer to its end.
    pub fn raw(&self, request: &[u8]) -> Reply {
        let mut stream = TcpStream::connect(&self.address).expect("the server accepts");
        stream.set_read_timeout(Some(DEADLINE)).expect("a time-out can be set");
        stream.write_all(request).expect("the server reads");
        let mut answer = vec![];
        stream.read_to_end(&mut answer).expect("the server answers");
        Reply::parse(&answer)
    }

    pub fn request(&self, method: &str, query: &str, headers: &[&str], body: &[u8]) -> Reply {
        let headers: String = headers.iter().map(|header| format!("{header}\r\n")).collect();
        let head = format!(
            "{method} /?{query} HTTP/1.1\r\nHost: test\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        self.raw(&[head.as_bytes(), body].concat())
    }

    /// Runs a statement that must succeed and returns its rows without the last line end.
    pub fn sql(&self, statement: &str) -> String {
        let reply = self.request("POST", "", &[], statement.as_bytes());
        assert_eq!(reply.status, 200, "{statement}: {}", reply.text());
        reply.text().trim_end().to_string()
    }

    /// Sends an INSERT in the URL with `data` in the body; `more` are further URL parameters.
    pub fn insert(&self, statement: &str, more: &str, data: &[u8]) -> Reply {
        self.request("POST", &format!("query={}{more}", url(statement)), &[], data)
    }

    /// Asks until the answer is `value`.
    pub fn until(&self, statement: &str, value: &str) {
        let started = Instant::now();
        while self.sql(statement) != value {
            assert!(started.elapsed() < DEADLINE, "{statement} does not become {value}");
        }
    }

    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args(["-s", name, &pid]).status().expect("kill runs");
        assert!(sent.success(), "kill -s {name} {pid}");
    }

    /// The exit status; a server that does not leave in time fails the test.
    pub fn wait(&mut self) -> ExitStatus {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("the child can be waited for") {
                return status;
            }
            assert!(started.elapsed() < DEADLINE, "the server does not leave");
            std::thread::sleep(Duration::from_millis(5)); // the pace of polling; nothing depends on it
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Percent-encodes everything but letters and digits.
pub fn url(text: &str) -> String {
    text.bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() { char::from(b).to_string() } else { format!("%{b:02X}") }
        })
        .collect()
}

#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    fn parse(answer: &[u8]) -> Reply {
        let split =
            answer.windows(4).position(|w| w == b"\r\n\r\n").expect("the answer has a head");
        let head = String::from_utf8(answer[..split].to_vec()).expect("the head is text");
        let status =
            head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("the head has a status");
        let body = &answer[split + 4..];
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
        Reply { status, head, body: if chunked { unchunk(body) } else { body.to_vec() } }
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        let mut pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.find(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// ClickHouse's error code in the header, which the text must repeat.
    pub fn error(&self) -> Option<u32> {
        let code = self.header("x-clickhouse-exception-code")?;
        assert!(
            self.text().starts_with(&format!("Code: {code}. DB::Exception: ")),
            "{}",
            self.text()
        );
        code.parse().ok()
    }
}

fn unchunk(mut rest: &[u8]) -> Vec<u8> {
    let mut body = vec![];
    loop {
        let line = rest.windows(2).position(|w| w == b"\r\n").expect("a chunk has a size");
        let size = std::str::from_utf8(&rest[..line]).expect("a size is text");
        let size = usize::from_str_radix(size, 16).expect("a size is hexadecimal");
        if size == 0 {
            return body;
        }
        body.extend_from_slice(&rest[line + 2..line + 2 + size]);
        rest = &rest[line + 4 + size..];
    }
}

/// A block of RowBinaryWithNamesAndTypes: the head of columns (name, type), then `rows` as they are.
pub fn block(columns: &[(&str, &str)], rows: &[u8]) -> Vec<u8> {
    let mut out = vec![columns.len() as u8];
    for (name, _) in columns {
        put_string(&mut out, name.as_bytes());
    }
    for (_, kind) in columns {
        put_string(&mut out, kind.as_bytes());
    }
    out.extend_from_slice(rows);
    out
}

/// A RowBinary string; these here are short.
pub fn put_string(out: &mut Vec<u8>, text: &[u8]) {
    assert!(text.len() < 128, "one length byte");
    out.push(text.len() as u8);
    out.extend_from_slice(text);
}

/// Rows of (UInt64, String).
pub fn rows(values: &[(u64, &str)]) -> Vec<u8> {
    let mut out = vec![];
    for (id, text) in values {
        out.extend_from_slice(&id.to_le_bytes());
        put_string(&mut out, text.as_bytes());
    }
    out
}
