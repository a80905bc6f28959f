//! One receiver as the outside sees it: a letter becomes a request of its protocol.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::http::HeaderName;
use axum::http::header::AUTHORIZATION;
use serde_json::Value;
use tokio::runtime::Handle;

use super::mail::Postman;
use super::post::{Header, Post, no_answer};
use super::secret;
use super::sign::Signer;
use crate::notify::answer::Answer;
use crate::notify::words::{TEMPLATES, Words};
use crate::notify::{Content, Letter, bodies, route};
use crate::plan::{Receiver, Receivers, Way};
use crate::shell::settings::Secret;
use crate::wire::alert::AlertWord;

/// Alerts posted to Alertmanager in one request.
pub const POSTED_MAX: usize = 200;

/// What is told about where things are.
#[derive(Clone, Debug)]
pub struct Where {
    /// The pipeline's name.
    pub pipeline: String,
    /// Address of the page; empty: there is none.
    pub page_url: String,
}

/// Sends to one receiver.
#[derive(Debug)]
pub struct Sender {
    receivers: Arc<Receivers>,
    at: usize,
    here: Where,
    words: Words,
    post: Post,
    road: Road,
}

/// A way with its secrets read.
#[derive(Debug)]
enum Road {
    Alertmanager {
        urls: Vec<String>,
        token: Option<Secret>,
        resolve_timeout_ms: i64,
        /// Peers that did not answer in time: left out until what is on is posted again, or no other takes it.
        away: RefCell<BTreeSet<usize>>,
    },
    Slack {
        url: Secret,
    },
    PagerDuty {
        url: String,
        key: Secret,
    },
    Webhook {
        url: String,
        signer: Signer,
        token: Option<Secret>,
    },
    Email(Postman),
}

impl Sender {
    /// Reads secrets and templates of receiver number `at`.
    ///
    /// # Errors
    /// What cannot be read or used, with the receiver's name and the file.
    pub fn open(
        receivers: &Arc<Receivers>,
        at: usize,
        here: &Where,
        tokio: Handle,
    ) -> Result<Self, String> {
        let receiver = receivers.receivers.get(at).ok_or("no such receiver")?;
        let named = |why: String| format!("receiver {}: {why}", receiver.name);
        let words = Words::new(own_templates(receiver)?, &here.page_url).map_err(named)?;
        let post = Post::new(tokio).map_err(named)?;
        let road = road(receiver)?;
        Ok(Self { receivers: Arc::clone(receivers), at, here: here.clone(), words, post, road })
    }

    fn receiver(&self) -> &Receiver {
        &self.receivers.receivers[self.at]
    }

    /// Sends a letter.
    pub fn send(&self, letter: &Letter, now_ms: i64) -> Answer {
        match self.try_send(letter, now_ms) {
            Ok(answer) => answer,
            // the template was tried out: what fails now is this letter
            Err(why) => Answer::Refused { why: why.into() },
        }
    }

    fn try_send(&self, letter: &Letter, now_ms: i64) -> Result<Answer, String> {
        let say = |form: &str| self.words.say(letter, form, &self.receivers);
        let link = match &letter.content {
            Content::Alert(word) => self.words.link(word),
            Content::Digest(_) => String::new(),
        };
        Ok(match &self.road {
            Road::Alertmanager { .. } => match &letter.content {
                Content::Alert(word) => self.post_alerts(&[word.as_ref()], now_ms)?,
                Content::Digest(_) => Answer::Taken,
            },
            Road::Slack { url } => {
                let body = bodies::slack(letter, &say("slack")?);
                self.post.post(url.expose(), &[], bytes(&body)?, now_ms)
            }
            Road::PagerDuty { url, key } => {
                let body = bodies::pagerduty(letter, &say("txt")?, key.expose(), &link);
                self.post.post(url, &[], bytes(&body)?, now_ms)
            }
            Road::Webhook { url, signer, token } => {
                let body = bytes(&bodies::webhook(letter, now_ms))?;
                let timestamp_s = now_ms.div_euclid(1_000);
                let header =
                    |name: &'static str, value: String| (HeaderName::from_static(name), value);
                let mut headers = vec![
                    header("webhook-id", letter.id.clone()),
                    header("webhook-timestamp", timestamp_s.to_string()),
                    header("webhook-signature", signer.sign(&letter.id, timestamp_s, &body)),
                ];
                headers.extend(bearer(token.as_ref()));
                self.post.post(url, &headers, body, now_ms)
            }
            Road::Email(postman) => {
                // all of them stand in the mail, also where it goes to one
                let to = route::addresses(&letter.to, &self.receivers, self.receiver());
                if to.is_empty() {
                    return Err(format!("there is no address for {:?}", letter.to));
                }
                postman.send(letter, &to, &say("txt")?, say("html")?.text)
            }
        })
    }

    /// Posts to every peer of an Alertmanager some of what is on, at most [`POSTED_MAX`], so that it does not take it for over.
    pub fn again(&self, on: &[&AlertWord], now_ms: i64) -> Answer {
        self.post_alerts(on, now_ms).unwrap_or_else(|why| Answer::Refused { why: why.into() })
    }

    /// Peers of an Alertmanager that did not answer are asked again.
    pub fn ask_all(&self) {
        if let Road::Alertmanager { away, .. } = &self.road {
            away.borrow_mut().clear();
        }
    }

    /// How often what is on is posted again, milliseconds; `None`: this receiver does not forget.
    pub fn again_every_ms(&self) -> Option<i64> {
        match &self.road {
            Road::Alertmanager { resolve_timeout_ms, .. } => Some(resolve_timeout_ms / 5),
            _ => None,
        }
    }

    /// One peer is enough. The others hear of it with the next posting; one that does not answer holds up nobody.
    fn post_alerts(&self, words: &[&AlertWord], now_ms: i64) -> Result<Answer, String> {
        let Road::Alertmanager { urls, token, resolve_timeout_ms, away } = &self.road else {
            return Ok(Answer::Taken);
        };
        let mut alerts = Vec::new();
        for word in words {
            let letter = Letter::about(word, "");
            let said = self.words.say(&letter, "txt", &self.receivers)?;
            let (ends_ms, link) = (now_ms + resolve_timeout_ms, self.words.link(word));
            alerts.push(bodies::alertmanager(word, &said, &self.here.pipeline, ends_ms, &link));
        }
        let body = bytes(&Value::Array(alerts))?;
        let headers: Vec<Header> = bearer(token.as_ref()).into_iter().collect();
        let mut away = away.borrow_mut();
        let asked: Vec<usize> = (0..urls.len()).filter(|at| !away.contains(at)).collect();
        let addresses: Vec<String> =
            asked.iter().map(|at| format!("{}/api/v2/alerts", urls[*at])).collect();
        let answers = self.post.post_all(&addresses, &headers, body, now_ms);
        if answers.contains(&Some(Answer::Taken)) {
            let silent = asked.into_iter().zip(answers).filter(|(_, answer)| answer.is_none());
            away.extend(silent.map(|(at, _)| at));
            return Ok(Answer::Taken);
        }
        away.clear();
        Ok(answers.into_iter().flatten().next().unwrap_or_else(no_answer))
    }
}

fn bytes(body: &Value) -> Result<Vec<u8>, String> {
    serde_json::to_vec(body).map_err(|error| error.to_string())
}

fn bearer(token: Option<&Secret>) -> Option<Header> {
    token.map(|token| (AUTHORIZATION, format!("Bearer {}", token.expose())))
}

fn road(receiver: &Receiver) -> Result<Road, String> {
    let read = |file: &String, key: &str| secret::read(file, &format!("{}: {key}", receiver.name));
    let token = |file: &Option<String>| -> Result<Option<Secret>, String> {
        file.as_ref().map(|file| read(file, "token_file")).transpose()
    };
    Ok(match &receiver.way {
        Way::Alertmanager { urls, token_file, resolve_timeout_ms } => Road::Alertmanager {
            urls: urls.clone(),
            token: token(token_file)?,
            resolve_timeout_ms: *resolve_timeout_ms,
            away: RefCell::default(),
        },
        Way::Slack { url_file } => Road::Slack { url: read(url_file, "url_file")? },
        Way::PagerDuty { url, token_file } => {
            Road::PagerDuty { url: url.clone(), key: read(token_file, "token_file")? }
        }
        Way::Webhook { url, secret_file, token_file } => {
            let secret = read(secret_file, "secret_file")?;
            let signer = Signer::read(secret.expose())
                .map_err(|why| format!("receiver {}: {secret_file}: {why}", receiver.name))?;
            Road::Webhook { url: url.clone(), signer, token: token(token_file)? }
        }
        Way::Email(mail) => Road::Email(Postman::new(mail, &receiver.name)?),
    })
}

/// The templates in a receiver's folder, those of the built-in names.
fn own_templates(receiver: &Receiver) -> Result<BTreeMap<String, String>, String> {
    let Some(folder) = &receiver.templates else { return Ok(BTreeMap::new()) };
    let wrong = |path: &str, error: &dyn std::fmt::Display| {
        format!("receiver {}: templates: {path}: {error}", receiver.name)
    };
    let mut own = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(|error| wrong(folder, &error))? {
        let path = entry.map_err(|error| wrong(folder, &error))?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned());
        let Some(name) = name.filter(|name| !name.starts_with('.')) else { continue };
        if TEMPLATES.iter().all(|(known, _)| *known != name) {
            let names = TEMPLATES.map(|(known, _)| known).join(", ");
            return Err(wrong(&name, &format!("no such template; they are {names}")));
        }
        let text = std::fs::read_to_string(&path).map_err(|error| wrong(&name, &error))?;
        own.insert(name, text);
    }
    Ok(own)
}
