//! The words of letters: templates, built in or of one's own, over what is known of an alert.

use std::borrow::Cow;
use std::collections::BTreeMap;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value};
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde::Serialize;

use super::{Content, Letter, is_over, when};
use crate::model::money::amount_text;
use crate::plan::{OTHERS, Receivers};
use crate::rule::spoken;
use crate::wire::alert::AlertWord;

/// The built-in templates by name. What ends in `.html` is escaped as HTML, what ends in `.slack` as Slack wants it.
pub const TEMPLATES: [(&str, &str); 8] = [
    ("title.txt", include_str!("templates/title.txt")),
    ("alert.txt", include_str!("templates/alert.txt")),
    ("alert.slack", include_str!("templates/alert.slack")),
    ("alert.html", include_str!("templates/alert.html")),
    ("digest_title.txt", include_str!("templates/digest_title.txt")),
    ("digest.txt", include_str!("templates/digest.txt")),
    ("digest.slack", include_str!("templates/digest.slack")),
    ("digest.html", include_str!("templates/digest.html")),
];

/// Instructions that rendering may take: a template in a circle ends with an error, not never.
const FUEL: u64 = 1_000_000;
/// Longest title, characters.
const TITLE_CHARS_MAX: usize = 200;
/// The name of Slack's escaping.
const SLACK: &str = "slack";

/// The templates of a receiver.
#[derive(Debug)]
pub struct Words {
    env: Environment<'static>,
    /// Where the page is, without a slash at its end; empty: nowhere.
    page_url: String,
}

/// What templates know of an alert.
#[derive(Clone, Debug, Serialize)]
struct View<'a> {
    #[serde(flatten)]
    word: &'a AlertWord,
    title: String,
    /// What people call the rule.
    called: String,
    /// Whether it is over.
    over: bool,
    /// Kind and id of whom it is about.
    subject: String,
    /// The owner's name.
    owner: &'a str,
    /// Revenue at risk as people write it.
    at_risk: String,
    at: String,
    raised: String,
    snoozed_until: String,
    link: String,
}

#[derive(Serialize)]
struct DigestView<'a> {
    title: String,
    owner: &'a str,
    on: Vec<Value>,
    over: Vec<Value>,
    left_out: usize,
}

/// The words of a letter for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Said {
    /// One line.
    pub title: String,
    /// The whole, in the form that was asked for.
    pub text: String,
}

impl Words {
    /// The built-in templates, with others in place of those they are named after.
    ///
    /// # Errors
    /// A name that no template has, or a template that cannot be read or that fails on an example; with its name and line.
    pub fn new(own: BTreeMap<String, String>, page_url: &str) -> Result<Self, String> {
        let mut env = Environment::new();
        env.set_undefined_behavior(UndefinedBehavior::Strict);
        let mut syntax = SyntaxConfig::builder();
        let syntax = syntax.trim_blocks(true).lstrip_blocks(true).build();
        env.set_syntax(syntax.map_err(|error| error.to_string())?);
        env.set_fuel(Some(FUEL));
        env.set_auto_escape_callback(|name| match name.rsplit('.').next() {
            Some("html") => AutoEscape::Html,
            Some("slack") => AutoEscape::Custom(SLACK.into()),
            _ => AutoEscape::None,
        });
        env.set_formatter(|out, state, value| {
            if !matches!(state.auto_escape(), AutoEscape::Custom(_)) {
                return minijinja::escape_formatter(out, state, value);
            }
            if value.is_undefined() {
                return Err(minijinja::ErrorKind::UndefinedError.into());
            }
            let text = value.to_string();
            out.write_str(&if value.is_safe() { text } else { slack_escaped(&text) })?;
            Ok(())
        });
        let told = |name: &str, error: &minijinja::Error| {
            let line = error.line().map(|line| format!(":{line}")).unwrap_or_default();
            format!("template {name}{line}: {error}")
        };
        if let Some(unknown) = own.keys().find(|name| TEMPLATES.iter().all(|(n, _)| n != *name)) {
            let names = TEMPLATES.map(|(name, _)| name).join(", ");
            return Err(format!("template {unknown}: no such template; they are {names}"));
        }
        for (name, built_in) in TEMPLATES {
            let text = own.get(name).cloned().unwrap_or_else(|| built_in.to_owned());
            env.add_template_owned(name, text).map_err(|error| told(name, &error))?;
        }
        let words = Self { env, page_url: page_url.trim_end_matches('/').to_owned() };
        words.try_out()?;
        Ok(words)
    }

    /// What is wrong with a template is known before the first alert needs it.
    fn try_out(&self) -> Result<(), String> {
        let word = AlertWord { phase: "firing".to_owned(), ..AlertWord::default() };
        let receivers =
            Receivers { zone: jiff::tz::TimeZone::UTC, receivers: Vec::new(), owners: Vec::new() };
        let digest =
            super::Digest { on: vec![word.clone()], over: vec![word.clone()], left_out: 1 };
        for content in [Content::Alert(Box::new(word)), Content::Digest(digest)] {
            let letter = Letter { id: String::new(), to: String::new(), address: None, content };
            for form in ["txt", "slack", "html"] {
                self.say(&letter, form, &receivers)?;
            }
        }
        Ok(())
    }

    /// The words of a letter in a form: `txt`, `slack` or `html`.
    ///
    /// # Errors
    /// What a template did wrong, with its name.
    pub fn say(&self, letter: &Letter, form: &str, receivers: &Receivers) -> Result<Said, String> {
        match &letter.content {
            Content::Alert(word) => {
                let view = self.view(word, receivers)?;
                let text = self.render(&format!("alert.{form}"), &view)?;
                Ok(Said { title: view.title, text })
            }
            Content::Digest(digest) => {
                let views = |words: &'_ [AlertWord]| -> Result<Vec<Value>, String> {
                    let viewed = words.iter().map(|word| self.view(word, receivers));
                    viewed.map(|view| view.map(|view| Value::from(Serde(&view)))).collect()
                };
                let owner = Some(letter.to.as_str()).filter(|to| !to.is_empty());
                let mut view = DigestView {
                    title: String::new(),
                    owner: owner.map_or("", |id| owner_name(id, receivers)),
                    on: views(&digest.on)?,
                    over: views(&digest.over)?,
                    left_out: digest.left_out,
                };
                view.title = one_line(&self.render("digest_title.txt", &view)?);
                let text = self.render(&format!("digest.{form}"), &view)?;
                Ok(Said { title: view.title, text })
            }
        }
    }

    fn view<'a>(&self, word: &'a AlertWord, receivers: &'a Receivers) -> Result<View<'a>, String> {
        let time =
            |at: Option<i64>| at.map_or_else(String::new, |ms| when::minute(&receivers.zone, ms));
        let mut view = View {
            word,
            title: String::new(),
            called: spoken::rule(&word.rule),
            over: is_over(word),
            subject: format!("{} {}", word.subject_kind, word.subject_id),
            owner: match word.owner_id.as_str() {
                "" => "",
                id => owner_name(id, receivers),
            },
            at_risk: word
                .at_risk_minor
                .map_or_else(String::new, |m| amount_text(m, &word.currency)),
            at: time(Some(word.at_ms)),
            raised: time(word.raised_ms),
            snoozed_until: time(word.snoozed_until_ms),
            link: self.link(word),
        };
        view.title = one_line(&self.render("title.txt", &view)?);
        Ok(view)
    }

    /// Where the page shows the alert; empty where there is no page.
    #[must_use]
    pub fn link(&self, word: &AlertWord) -> String {
        match self.page_url.as_str() {
            "" => String::new(),
            url => format!("{url}/alerts/{}", word.alert_id),
        }
    }

    fn render(&self, name: &str, view: &impl Serialize) -> Result<String, String> {
        let told = |error: minijinja::Error| format!("template {name}: {error}");
        let text = self.env.get_template(name).and_then(|t| t.render(Serde(view))).map_err(told)?;
        Ok(text.trim_end().to_owned())
    }
}

/// The name of an owner, else the id.
fn owner_name<'a>(id: &'a str, receivers: &'a Receivers) -> &'a str {
    let own = receivers.owner(id).filter(|owner| owner.id == id && id != OTHERS);
    match (own, id) {
        (Some(owner), _) => &owner.name,
        (None, OTHERS) => "",
        (None, id) => id,
    }
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    clip(&words.join(" "), TITLE_CHARS_MAX).into_owned()
}

/// At most so many characters; what is cut off is shown by an ellipsis.
pub fn clip(text: &str, chars_max: usize) -> Cow<'_, str> {
    match text.char_indices().nth(chars_max) {
        None => Cow::Borrowed(text),
        Some(_) => {
            let kept: String = text.chars().take(chars_max.saturating_sub(1)).collect();
            Cow::Owned(kept + "…")
        }
    }
}

/// Slack takes these three characters for its own.
pub fn slack_escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
#[path = "words_tests.rs"]
mod tests;
