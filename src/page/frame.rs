//! What surrounds every page: who is signed in, where they are, how complete the numbers are, and what just happened.

use jiff::tz::TimeZone;
use maud::{DOCTYPE, Markup, html};

use super::assets::{ICON, SCRIPT, STYLE};
use super::icon::{Icon, icon};
use super::links::{self, field};
use super::pen::Pen;
use crate::api::answer::Standing;

/// The content security policy under which every page works: nothing from elsewhere, nothing inline, in no frame.
pub const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; \
    connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// A page asks for itself again after so many seconds, while somebody looks.
const REFRESH_S: u32 = 15;

/// What the shell knows beside the answer.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Name of who is signed in.
    pub name: String,
    /// Their role, as a word.
    pub role: String,
    /// Whether that role may act on alerts; forms are shown only then.
    pub may_act: bool,
    /// The session's token against forged forms.
    pub csrf: String,
    /// A random text of this page, from which the ids of its forms' commands are made: pressed twice, a form has one effect.
    pub form_seed: String,
    /// Address of this page.
    pub asked: Asked,
    /// The zone in which moments are written.
    pub zone: TimeZone,
    /// What the last action did, said once.
    pub notice: Option<Notice>,
}

/// The address that was asked for: path, and query as names and values, decoded. Forms send fields that were left empty:
/// they are as good as not there, for the lists' filters too ([`Asked::of`]).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The path.
    pub path: String,
    /// The query, in its order.
    pub query: Vec<(String, String)>,
}

impl Asked {
    /// The address without what was left empty.
    pub fn of(path: &str, query: impl IntoIterator<Item = (String, String)>) -> Self {
        let query = query.into_iter().filter(|(_, value)| !value.is_empty()).collect();
        Self { path: path.to_owned(), query }
    }

    /// The value of a name; empty without one.
    pub fn get(&self, name: &str) -> &str {
        self.query.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The address with one name set (an empty value takes it away); all others stay.
    pub fn with(&self, name: &str, value: &str) -> String {
        let kept = self.query.iter().filter(|(n, _)| n != name);
        let pairs = kept.map(|(n, v)| (n.as_str(), v.as_str()));
        let set = (!value.is_empty()).then_some((name, value));
        let query: Vec<String> = pairs
            .chain(set)
            .map(|(n, v)| format!("{}={}", links::escaped(n), links::escaped(v)))
            .collect();
        if query.is_empty() {
            self.path.clone()
        } else {
            format!("{}?{}", self.path, query.join("&"))
        }
    }

    /// The whole address.
    pub fn address(&self) -> String {
        self.with("", "")
    }

    /// Whether anything but the place in the list was asked for.
    pub fn is_filtered(&self) -> bool {
        let place = ["cursor", "sort", "order", "limit"];
        self.query.iter().any(|(n, _)| !place.contains(&n.as_str()))
    }
}

/// What an action did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Whether it went well.
    pub good: bool,
    /// The sentence.
    pub text: String,
}

/// A page with its surroundings. `live` is what is fetched again while somebody looks.
pub(super) fn page(pen: &Pen<'_>, title: &str, live: &Markup) -> String {
    surrounded(pen.frame, pen.standing, title, &stamp(pen), live)
}

/// A page that knows nothing of how complete the numbers are.
pub(super) fn page_without_numbers(frame: &Frame, title: &str, live: &Markup) -> String {
    surrounded(frame, &Standing::default(), title, &html! {}, live)
}

fn surrounded(
    frame: &Frame,
    standing: &Standing,
    title: &str,
    stamp: &Markup,
    live: &Markup,
) -> String {
    let body = html! {
        a .skip href="#main" { "Skip to content" }
        header .bar {
            div .bar-in {
                (brand())
                (navigation(&frame.asked))
                div .bar-end { (find(&frame.asked)) (who(frame)) }
            }
        }
        aside .stamp-line aria-label="How current the numbers are" {
            div { (stamp) span .live-said data-live-said {} }
        }
        main #main tabindex="-1" data-refresh-s=(REFRESH_S) {
            div #notice role="status" { @if let Some(notice) = &frame.notice { (said(notice)) } }
            p #told .unseen role="status" {}
            div #live data-live { (live) }
        }
        (foot(standing))
    };
    document(title, &body)
}

/// A whole document without surroundings: signing in.
pub(super) fn document(title: &str, body: &Markup) -> String {
    let whole = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="referrer" content="same-origin";
                meta name="robots" content="noindex";
                meta name="theme-color" media="(prefers-color-scheme: light)" content="#ffffff";
                meta name="theme-color" media="(prefers-color-scheme: dark)" content="#15191e";
                title { (title) " · retain" }
                link rel="icon" type="image/svg+xml" href=(ICON.path);
                link rel="stylesheet" href=(STYLE.path);
                script src=(SCRIPT.path) defer {}
            }
            body { (body) }
        }
    };
    whole.into_string()
}

/// The name with its mark.
pub(super) fn brand() -> Markup {
    html! {
        a .brand href=(links::TODAY) {
            svg viewBox="0 0 24 24" aria-hidden="true" focusable="false" {
                rect .mark-ground width="24" height="24" rx="6.5" {}
                path .mark-line d="M17.6 9.2A6.3 6.3 0 1 0 18.3 12" stroke-width="2.4" stroke-linecap="round" {}
                circle .mark-dot cx="12" cy="12" r="2.1" {}
            }
            "retain"
        }
    }
}

fn navigation(asked: &Asked) -> Markup {
    let places = [
        (links::TODAY, "Today"),
        (links::ACCOUNTS, "Accounts"),
        (links::CUSTOMERS, "Customers"),
        (links::ALERTS, "Alerts"),
        (links::MARKETING, "Marketing"),
        (links::PIPELINE, "Pipeline"),
    ];
    html! {
        nav .nav aria-label="Main" {
            ul {
                @for (path, name) in places {
                    @let here = asked.path == path
                        || (path != links::TODAY && asked.path.starts_with(&format!("{path}/")));
                    li { a href=(path) aria-current=[here.then_some("page")] { (name) } }
                }
            }
        }
    }
}

/// Looks among customers on their pages, among accounts elsewhere.
fn find(asked: &Asked) -> Markup {
    let among_customers = asked.path.starts_with(links::CUSTOMERS);
    let (list, label) = if among_customers {
        (links::CUSTOMERS, "Find a customer")
    } else {
        (links::ACCOUNTS, "Find an account")
    };
    let looked_for = if asked.path == list { asked.get(field::TEXT) } else { "" };
    html! {
        form .find role="search" action=(list) method="get" {
            (icon(Icon::Search))
            input type="search" name=(field::TEXT) value=(looked_for) placeholder=(label) aria-label={ (label) " by id or name" } maxlength="200" required;
        }
    }
}

fn who(frame: &Frame) -> Markup {
    let initials: String = frame.name.chars().filter(|c| c.is_alphanumeric()).take(2).collect();
    html! {
        details .who data-pop {
            summary {
                span .face aria-hidden="true" { (initials.to_uppercase()) }
                span .who-name { (frame.name) }
                span .unseen { @if frame.name.is_empty() { "Session" } @else { ", session" } }
            }
            div .who-menu {
                p { span .strong { (frame.name) } br; span .quiet .small { "Signed in as " (frame.role) } }
                form method="post" action=(links::SIGN_OUT) {
                    input type="hidden" name=(field::CSRF) value=(frame.csrf);
                    button .button type="submit" { "Sign out" }
                }
            }
        }
    }
}

/// How complete the numbers are.
fn stamp(pen: &Pen<'_>) -> Markup {
    let standing = pen.standing;
    html! {
        span .stamp {
            @match standing.complete_to {
                Some(to) => { span .good { (icon(Icon::Good)) } span { "Complete to " (pen.second(to)) } }
                None => { (icon(Icon::Clock)) span { "Not complete yet: the first numbers are on their way" } }
            }
        }
        @if standing.simulated {
            span .stamp { (icon(Icon::Clock)) span {
                "Simulated clock"
                @if let Some(clock) = standing.clock { ": " (pen.minute(clock)) }
            } }
        }
    }
}

/// What the last action did.
fn said(notice: &Notice) -> Markup {
    html! {
        div class=(if notice.good { "notice good" } else { "notice critical" }) {
            (icon(if notice.good { Icon::Good } else { Icon::Critical }))
            p { (notice.text) }
        }
    }
}

fn foot(standing: &Standing) -> Markup {
    html! {
        footer .foot {
            @if !standing.pipeline.is_empty() { span { "Pipeline " (standing.pipeline) } }
            @if !standing.currency.is_empty() { span { "Amounts in " (standing.currency) } }
            span { a href="/api/v1/openapi.json" { "API" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        let pair = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        Asked::of("/accounts", [pair("owner", "o & 7"), pair("cursor", "x"), pair("region", "")])
    }

    #[test]
    fn an_address_is_changed_in_one_place() {
        assert_eq!(asked().with("cursor", "y z"), "/accounts?owner=o%20%26%207&cursor=y%20z");
        assert_eq!(asked().with("cursor", ""), "/accounts?owner=o%20%26%207");
        assert_eq!(asked().get("owner"), "o & 7");
        assert!(asked().is_filtered());
        assert_eq!(Asked::of("/", []).address(), "/");
    }

    #[test]
    fn the_policy_allows_nothing_inline() {
        assert!(!CONTENT_SECURITY_POLICY.contains("unsafe"));
        assert!(CONTENT_SECURITY_POLICY.starts_with("default-src 'none'"));
    }
}
