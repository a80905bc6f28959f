//! Receivers for tests: an HTTP endpoint that keeps what it is posted, an SMTP server, and Debian's Alertmanager.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mailin::{Action, Handler, Response, SessionBuilder};
use retain::wire::alert::AlertWord;
use ring::hmac;
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// The secret that receivers of signed webhooks share with the test's configuration.
pub const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLjSw";

/// What was posted.
#[derive(Clone, Debug)]
pub struct Posted {
    pub at: Instant,
    pub path: String,
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

impl Posted {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {:?}", self.headers))
    }

    /// Checks the signature as a receiver must: Standard Webhooks, over the bytes that came.
    pub fn verify(&self) {
        let key = STANDARD.decode(SECRET.strip_prefix("whsec_").unwrap()).unwrap();
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let (id, time) = (self.header("webhook-id"), self.header("webhook-timestamp"));
        let signed = [format!("{id}.{time}.").as_bytes(), &self.body].concat();
        let signatures = self.header("webhook-signature").split(' ');
        let mut tags = signatures.filter_map(|s| STANDARD.decode(s.strip_prefix("v1,")?).ok());
        assert!(tags.any(|tag| hmac::verify(&key, &signed, &tag).is_ok()), "{self:?}");
        let now_s = jiff::Timestamp::now().as_second();
        let time_s: i64 = time.parse().unwrap();
        assert!((now_s - time_s).abs() < 300, "a receiver would refuse a time so far from its own");
    }
}

/// An answer: status, and the header `retry-after`.
pub type Reply = (u16, Option<&'static str>);

#[derive(Default)]
struct Kept {
    posted: Vec<Posted>,
    replies: VecDeque<Reply>,
    otherwise: Option<Reply>,
}

/// An HTTP endpoint on a port of its own; it ends with the test.
#[derive(Clone)]
pub struct Inbox {
    pub url: String,
    state: Arc<Mutex<Kept>>,
}

impl Inbox {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::new(Mutex::new(Kept::default()));
        let router = Router::new().fallback(take).with_state(Arc::clone(&state));
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                axum::serve(listener, router).await.unwrap();
            });
        });
        Self { url, state }
    }

    /// The next requests are answered with these.
    pub fn reply(&self, replies: &[Reply]) {
        self.state.lock().unwrap().replies.extend(replies.iter().copied());
    }

    /// All further requests are answered with this; `None`: taken.
    pub fn always(&self, reply: Option<Reply>) {
        self.state.lock().unwrap().otherwise = reply;
    }

    /// Everything that was posted so far, refused or not.
    pub fn posted(&self) -> Vec<Posted> {
        self.state.lock().unwrap().posted.clone()
    }

    /// How much was posted so far.
    pub fn len(&self) -> usize {
        self.state.lock().unwrap().posted.len()
    }
}

/// What a receiver of signed webhooks was told: by id, how often, and the transition. Checks signatures, the order per alert,
/// and that an id means one thing.
pub fn told(inbox: &Inbox) -> BTreeMap<String, (usize, AlertWord)> {
    let mut told: BTreeMap<String, (usize, AlertWord)> = BTreeMap::new();
    let mut bodies: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let mut newest: BTreeMap<String, u32> = BTreeMap::new();
    for posted in inbox.posted() {
        posted.verify();
        let id = posted.header("webhook-id").to_owned();
        let word: AlertWord = serde_json::from_value(posted.json()["data"].clone()).unwrap();
        assert_eq!(*bodies.entry(id.clone()).or_insert_with(|| posted.body.clone()), posted.body);
        if !told.contains_key(&id) {
            let before = newest.insert(word.alert_id.clone(), word.n);
            assert!(before.is_none_or(|n| n < word.n), "{id} came after {before:?}");
        }
        told.entry(id).or_insert((0, word)).0 += 1;
    }
    told
}

async fn take(
    State(state): State<Arc<Mutex<Kept>>>,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, HeaderMap, &'static str) {
    let headers = headers
        .iter()
        .map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()))
        .collect();
    let mut state = state.lock().unwrap();
    let (at, path) = (Instant::now(), uri.path().to_owned());
    state.posted.push(Posted { at, path, headers, body: body.to_vec() });
    let reply = state.replies.pop_front().or(state.otherwise);
    let (status, retry_after) = reply.unwrap_or((200, None));
    let mut answer = HeaderMap::new();
    if let Some(text) = retry_after {
        answer.insert("retry-after", text.parse().unwrap());
    }
    (StatusCode::from_u16(status).unwrap(), answer, "said")
}

/// A mail as the server got it.
#[derive(Clone, Debug, Default)]
pub struct Mailed {
    pub user: Option<String>,
    pub from: String,
    pub to: Vec<String>,
    pub text: String,
    pub encrypted: bool,
}

/// An SMTP server; it refuses recipients whose address begins with `nobody`, and is busy for those with `busy`.
pub struct MailServer {
    pub port: u16,
    mails: Arc<Mutex<Vec<Mailed>>>,
}

struct Session {
    mail: Mailed,
    mails: Arc<Mutex<Vec<Mailed>>>,
}

impl Handler for &mut Session {
    fn mail(&mut self, _: std::net::IpAddr, _: &str, from: &str) -> Response {
        from.clone_into(&mut self.mail.from);
        mailin::response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        self.mail.to.push(to.to_owned());
        match to {
            _ if to.starts_with("nobody") => mailin::response::NO_MAILBOX,
            _ if to.starts_with("busy") => Response::custom(451, "later".to_owned()),
            _ => mailin::response::OK,
        }
    }

    fn data(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.mail.text += &String::from_utf8_lossy(bytes);
        Ok(())
    }

    fn data_end(&mut self) -> Response {
        self.mails.lock().unwrap().push(self.mail.clone());
        mailin::response::OK
    }

    fn auth_plain(&mut self, _: &str, user: &str, password: &str) -> Response {
        if password != "open sesame" {
            return mailin::response::INVALID_CREDENTIALS;
        }
        self.mail.user = Some(user.to_owned());
        mailin::response::AUTH_OK
    }
}

impl MailServer {
    /// Starts one; with a certificate it demands STARTTLS and a password.
    pub fn start(tls: Option<Arc<ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let all = Arc::clone(&mails);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                let (client, tls) = (client.unwrap(), tls.clone());
                let session = Session { mail: Mailed::default(), mails: Arc::clone(&all) };
                std::thread::spawn(move || converse(client, tls, session));
            }
        });
        Self { port, mails }
    }

    pub fn mails(&self) -> Vec<Mailed> {
        self.mails.lock().unwrap().clone()
    }
}

trait Wire: Read + Write {}
impl<T: Read + Write> Wire for T {}

fn converse(client: TcpStream, tls: Option<Arc<ServerConfig>>, mut session: Session) {
    let mut builder = SessionBuilder::new("mail.test");
    if tls.is_some() {
        builder.enable_start_tls().enable_auth(mailin::AuthMechanism::Plain);
    }
    let remote = client.peer_addr().unwrap().ip();
    let mails = Arc::clone(&session.mails);
    let before = mails.lock().unwrap().len();
    let mut talk = builder.build(remote, &mut session);
    let mut wire: Box<dyn Wire> = Box::new(client.try_clone().unwrap());
    let mut upgraded = false;
    if talk.greeting().write_to(&mut wire).is_err() {
        return;
    }
    let mut line = Vec::new();
    let mut byte = [0];
    while let Ok(1) = wire.read(&mut byte) {
        line.push(byte[0]);
        if byte[0] != b'\n' {
            continue;
        }
        let response = talk.process(&line);
        line.clear();
        if response.action != Action::NoReply && response.write_to(&mut wire).is_err() {
            break;
        }
        match response.action {
            Action::Close => break,
            Action::UpgradeTls => {
                let connection = ServerConnection::new(tls.clone().unwrap()).unwrap();
                wire = Box::new(StreamOwned::new(connection, client.try_clone().unwrap()));
                talk.tls_active();
                upgraded = true;
            }
            Action::Reply | Action::NoReply => {}
        }
        for mail in mails.lock().unwrap().iter_mut().skip(before) {
            mail.encrypted |= upgraded;
        }
    }
}

/// Debian's Alertmanager, with nobody behind it; it ends with its owner.
pub struct Alertmanager {
    pub url: String,
    process: Child,
    _folder: tempfile::TempDir,
}

impl Alertmanager {
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, "route:\n  receiver: nobody\nreceivers:\n  - name: nobody\n")
            .unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap();
        drop(free);
        let process = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address={address}"))
            .arg("--cluster.listen-address=")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(
                "Alertmanager is missing; install it: apt-get install -y prometheus-alertmanager",
            );
        let started = Self { url: format!("http://{address}"), process, _folder: folder };
        let deadline = Instant::now() + Duration::from_secs(60);
        while get(&started.url, "/-/ready").is_none_or(|(status, _)| status != 200) {
            assert!(Instant::now() < deadline, "Alertmanager does not answer");
            std::thread::sleep(Duration::from_millis(20));
        }
        started
    }

    /// The alerts that are on.
    pub fn active(&self) -> Vec<Value> {
        let (status, body) = get(&self.url, "/api/v2/alerts?active=true").unwrap();
        assert_eq!(status, 200, "{body}");
        serde_json::from_str::<Value>(&body).unwrap().as_array().unwrap().clone()
    }
}

impl Drop for Alertmanager {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Asks for a page: status and body. HTTP/1.0, so that the body comes in one piece.
pub fn get(url: &str, path: &str) -> Option<(u16, String)> {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let status = first.split(' ').nth(1)?.parse().ok()?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest).ok()?;
    let body = rest.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    Some((status, body.to_owned()))
}
