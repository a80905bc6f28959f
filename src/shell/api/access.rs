//! Who asks: tokens from their file, sessions from their cookie, and how often each may ask.

use std::io::Read as _;
use std::num::NonZeroU32;
use std::path::Path;

use axum::http::{HeaderMap, header};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use ring::rand::{SecureRandom, SystemRandom};
use ring::{digest, hmac};

use crate::api::access::{Digest, Holder, Role, Seal, Session, TOKEN_MAX, Tokens};
use crate::api::problem::{Kind, Problem};
use crate::shell::settings::Http;

/// The session's cookie.
pub const COOKIE: &str = "retain_session";
/// Largest file of tokens, bytes.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// How many wrong tokens a minute are told that they are wrong, of everybody together; further ones are told to wait. A right token is
/// never made to wait by those who guess: nobody can be locked out, and 24 characters are beyond guessing at any rate.
const STRANGERS_A_MINUTE: u32 = 120;
const HOUR_MS: i64 = 3_600_000;

/// A key for HMAC-SHA-256.
pub struct Key(hmac::Key);

impl Seal for Key {
    fn tag(&self, message: &[u8]) -> Digest {
        let mut tag = [0; 32];
        // HMAC-SHA-256 has 32 bytes
        tag.copy_from_slice(&hmac::sign(&self.0, message).as_ref()[..32]);
        tag
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Digest {
    let mut hash = [0; 32];
    hash.copy_from_slice(&digest::digest(&digest::SHA256, bytes).as_ref()[..32]);
    hash
}

/// Random bytes.
///
/// # Errors
/// When the system has none.
pub fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| Problem::new(Kind::Internal, "the system gives no random numbers"))?;
    Ok(bytes)
}

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The name; it stands in the history of alerts.
    pub name: String,
    /// The role.
    pub role: Role,
    /// The cookie's value, of whom is here by a session.
    pub session: Option<String>,
    holder: usize,
}

impl Caller {
    /// Whoever runs a command of ours with the settings of the pipeline, which let them write to it anyway.
    pub fn at_the_command_line(name: String) -> Self {
        Self { name, role: Role::Operator, session: None, holder: usize::MAX }
    }
}

/// Everything that is needed to tell who asks.
pub struct Access {
    tokens: Tokens,
    key: Key,
    session_ms: i64,
    /// By holder.
    buckets: Vec<DefaultDirectRateLimiter>,
    strangers: DefaultDirectRateLimiter,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "access of {:?}", self.tokens)
    }
}

impl Access {
    /// Reads the file of tokens. Without one nobody gets in.
    ///
    /// # Errors
    /// When the file cannot be read, others than its owner can, or a line is wrong; in words that say what to do.
    pub fn load(http: &Http) -> Result<Self, String> {
        let tokens = match &http.tokens_file {
            Some(path) => {
                read(Path::new(path)).map_err(|why| format!("http.tokens_file: {path}: {why}"))?
            }
            None => Tokens::default(),
        };
        let key = match &http.session_key {
            Some(secret) => hmac::Key::new(hmac::HMAC_SHA256, &sha256(secret.expose().as_bytes())),
            None => {
                let random: [u8; 32] = random().map_err(|problem| problem.detail)?;
                hmac::Key::new(hmac::HMAC_SHA256, &random)
            }
        };
        let quota = |n: u32| Quota::per_minute(NonZeroU32::new(n).unwrap_or(NonZeroU32::MIN));
        let rate = quota(http.requests_per_minute);
        Ok(Self {
            buckets: tokens.holders().iter().map(|_| RateLimiter::direct(rate)).collect(),
            tokens,
            key: Key(key),
            session_ms: i64::from(http.session_hours) * HOUR_MS,
            strangers: RateLimiter::direct(quota(STRANGERS_A_MINUTE)),
        })
    }

    /// Who asks, by the header `Authorization`, else by the session's cookie.
    ///
    /// # Errors
    /// When nobody is named, or nobody that is known; when somebody asks too often.
    pub fn caller(&self, headers: &HeaderMap, now_ms: i64) -> Result<Caller, Problem> {
        match self.found(headers, now_ms) {
            None => Err(self.nobody()),
            Some((Some(holder), session)) => self.admitted(holder, session),
            Some((None, _)) => Err(self.stranger()),
        }
    }

    /// Whether somebody who is known asks, however often they do.
    pub fn knows(&self, headers: &HeaderMap, now_ms: i64) -> bool {
        self.found(headers, now_ms).is_some_and(|(holder, _)| holder.is_some())
    }

    /// Whose token or session is named, and the session; `None` where nobody is named.
    fn found(&self, headers: &HeaderMap, now_ms: i64) -> Option<(Option<usize>, Option<String>)> {
        if let Some(value) = headers.get(header::AUTHORIZATION) {
            return Some((value.to_str().ok().and_then(|text| self.bearer(text)), None));
        }
        let value = cookie(headers, COOKIE)?;
        let session = Session::read(value, &self.tokens, &self.key, now_ms);
        Some((session.map(|session| session.holder), Some(value.to_owned())))
    }

    /// Who signs in with this token.
    ///
    /// # Errors
    /// When it is nobody's, or somebody tries too often.
    pub fn signing_in(&self, token: &str) -> Result<Caller, Problem> {
        match self.token(token) {
            Some(holder) => self.admitted(holder, None),
            None => Err(self.stranger()),
        }
    }

    fn bearer(&self, header: &str) -> Option<usize> {
        let (scheme, token) = header.split_once(' ')?;
        if scheme.eq_ignore_ascii_case("bearer") { self.token(token.trim()) } else { None }
    }

    fn token(&self, token: &str) -> Option<usize> {
        (token.len() <= TOKEN_MAX).then(|| self.tokens.find(&sha256(token.as_bytes())))?
    }

    fn admitted(&self, holder: usize, session: Option<String>) -> Result<Caller, Problem> {
        if self.buckets.get(holder).is_none_or(|bucket| bucket.check().is_err()) {
            return Err(too_many());
        }
        let Holder { name, role, .. } = &self.tokens.holders()[holder];
        Ok(Caller { name: name.clone(), role: *role, session, holder })
    }

    fn nobody(&self) -> Problem {
        let detail = if self.tokens.is_empty() {
            "there are no tokens: name their file in http.tokens_file (docs/api.md)"
        } else {
            "send `Authorization: Bearer TOKEN`, or sign in at /sign-in"
        };
        Problem::new(Kind::Unauthorized, detail)
    }

    fn stranger(&self) -> Problem {
        if self.strangers.check().is_err() {
            return too_many();
        }
        Problem::new(Kind::Unauthorized, "the token or session is not known, or not any more")
    }

    /// The cookie of a new session, its value and for how many seconds it lasts.
    pub fn session(&self, caller: &Caller, now_ms: i64) -> Option<(String, i64)> {
        let ends_ms = now_ms.saturating_add(self.session_ms);
        let session = Session { holder: caller.holder, ends_ms };
        Some((session.cookie(&self.tokens, &self.key)?, self.session_ms / 1000))
    }

    /// The token that the forms of a session carry.
    pub fn form_token(&self, session: &str) -> String {
        Session::form_token(session, &self.key)
    }

    /// Whether what changes something comes from a page of ours: a session's request carries the session's form token.
    /// A bearer token is not sent by a browser on its own.
    ///
    /// # Errors
    /// When it does not.
    pub fn own_form(&self, caller: &Caller, given: Option<&str>) -> Result<(), Problem> {
        let own =
            |session: &String| Session::is_own_form(session, given.unwrap_or_default(), &self.key);
        if caller.session.as_ref().is_none_or(own) {
            return Ok(());
        }
        Err(Problem::new(Kind::Forbidden, "the form is not of this session: load the page again"))
    }
}

fn too_many() -> Problem {
    Problem::new(Kind::TooMany, "wait a little; http.requests_per_minute is the limit of a token")
}

/// The value of a cookie.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let lines = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.split_once('='));
    pairs.find(|(n, _)| n.trim() == name).map(|(_, value)| value.trim())
}

fn read(path: &Path) -> Result<Tokens, String> {
    let cannot = |e: std::io::Error| format!("cannot be read: {e}");
    let file = std::fs::File::open(path).map_err(cannot)?;
    let known = file.metadata().map_err(cannot)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = known.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            return Err(format!("others can read it (mode {mode:03o}): chmod 600"));
        }
    }
    if known.len() > FILE_BYTES_MAX {
        return Err(format!("has {} bytes, at most {FILE_BYTES_MAX} are read", known.len()));
    }
    let mut text = String::new();
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(cannot)?;
    Tokens::parse(&text, sha256).map_err(|wrong| wrong.join("; "))
}
