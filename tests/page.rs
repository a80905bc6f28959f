//! The pages as a browser and a reader of the screen get them: well-formed, nothing inline, everything escaped, every state
//! with its words. `page/browser.rs` shows them to a real browser.
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "page/browser.rs"]
mod browser;
#[path = "page/fixtures/mod.rs"]
mod fixtures;
#[path = "page/markup.rs"]
mod markup;
#[path = "page/views.rs"]
mod views;

use std::collections::BTreeSet;

use fixtures::*;
use retain::api::answer::{Act, Done};
use retain::page;

/// The page of a name.
fn view(name: &str) -> String {
    views::all().into_iter().find(|(n, _)| *n == name).unwrap().1
}

#[test]
fn every_page_is_well_formed_and_nothing_stands_inline() {
    for (name, html) in views::all() {
        let tags = markup::read(&html).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut ids = BTreeSet::new();
        for tag in &tags {
            for (attribute, value) in &tag.attributes {
                assert!(attribute != "style" && !attribute.starts_with("on"), "{name}: {tag:?}");
                assert!(!value.trim_start().starts_with("javascript:"), "{name}: {tag:?}");
            }
            assert_ne!(tag.name, "style", "{name}");
            assert!(
                tag.name != "script" || tag.get("src").is_some(),
                "{name}: a script of its own"
            );
            for link in ["src", "href", "action"] {
                let to = tag.get(link).unwrap_or("/");
                assert!(
                    to.starts_with('/') || to.starts_with('#'),
                    "{name}: {tag:?} leads elsewhere"
                );
            }
            if let Some(id) = tag.get("id") {
                assert!(ids.insert(id.to_owned()), "{name}: id {id} twice");
            }
        }
        for tag in &tags {
            for names in ["aria-labelledby", "aria-describedby", "for"] {
                for id in tag.get(names).into_iter().flat_map(str::split_whitespace) {
                    assert!(ids.contains(id), "{name}: {names} names {id}, which is not there");
                }
            }
        }
    }
}

#[test]
fn every_page_has_one_heading_landmarks_and_a_title() {
    for (name, html) in views::all() {
        let tags = markup::read(&html).unwrap();
        let count = |tag: &str| tags.iter().filter(|t| t.name == tag).count();
        assert_eq!(
            (count("h1"), count("main"), count("title") - svg_titles(&html)),
            (1, 1, 1),
            "{name}"
        );
        let mut level = 1;
        for tag in &tags {
            if let Some(next) = tag.name.strip_prefix('h').and_then(|n| n.parse::<u32>().ok()) {
                assert!(next <= level + 1, "{name}: h{level} is followed by h{next}");
                level = next;
            }
        }
    }
}

fn svg_titles(html: &str) -> usize {
    html.matches("<title>").count() - 1
}

#[test]
fn a_table_has_a_name_and_its_headings_a_scope() {
    for (name, html) in views::all() {
        let tags = markup::read(&html).unwrap();
        let count = |tag: &str| tags.iter().filter(|t| t.name == tag).count();
        assert_eq!(count("table"), count("caption"), "{name}");
        assert!(tags.iter().filter(|t| t.name == "th").all(|t| t.get("scope").is_some()), "{name}");
    }
}

#[test]
fn what_somebody_hostile_writes_stays_text() {
    for name in
        ["today", "accounts", "account", "customer", "marketing", "alert", "trouble-missing"]
    {
        let html = view(name);
        assert!(html.contains("&lt;script&gt;window.broken=1"), "{name} does not show it");
        assert!(!html.contains("<script>") && !html.contains("<img"), "{name}");
    }
}

#[test]
fn today_says_who_why_and_what_to_do() {
    let html = view("today");
    for said in [
        "Northwind Traders",
        "$48,120",
        "Bought nothing for 94 days, 3.1 times the usual gap",
        "churn risk from 31 % to 82 % since 2 Jan 2026",
        "Call the customer; the reasons say what to speak about.",
        "−51 %",
        "41 days ago",
        "Jide Okafor has it",
        "Put off until ",
    ] {
        assert!(html.contains(said), "{said}");
    }
}

#[test]
fn actions_are_forms_with_a_token_and_only_for_those_who_may() {
    let tags = markup::read(&view("today")).unwrap();
    let posts: Vec<_> = tags.iter().filter(|t| t.get("method") == Some("post")).collect();
    let tokens = tags
        .iter()
        .filter(|t| t.get("name") == Some("csrf") && t.get("value") == Some("c5rf-t0ken"))
        .count();
    assert_eq!(tokens, posts.len());
    let id = alert(0, &account_row(0)).alert_id;
    for act in ["acknowledge", "snooze", "resolve"] {
        assert!(
            posts.iter().any(|t| t.get("action") == Some(&format!("/alerts/{id}/{act}"))),
            "{act}"
        );
    }
    // signing out is all that is left
    assert_eq!(view("today-viewer").matches("method=\"post\"").count(), 1);
}

#[test]
fn a_taken_alert_is_not_offered_again() {
    let html = view("alerts");
    let taken = alert(2, &account_row(2)).alert_id;
    assert!(!html.contains(&format!("/alerts/{taken}/acknowledge")));
    assert!(html.contains(&format!("/alerts/{taken}/snooze")));
}

#[test]
fn a_list_goes_on_at_its_cursor_and_keeps_what_was_asked() {
    let html = view("accounts");
    assert!(html.contains(r#"href="/accounts?risk_from=0.4&amp;cursor=bmV4dA" rel="next""#));
    assert!(html.contains("50 of 100,000 accounts"));
    // another sorting begins at the beginning
    assert!(html.contains(r#"href="/accounts?risk_from=0.4&amp;sort=value""#));
    assert!(
        view("customers")
            .contains(r#"aria-sort="ascending"><a href="/customers?sort=loyalty&amp;order=desc""#)
    );
}

#[test]
fn each_number_of_a_customer_leads_to_its_events() {
    let html = view("customer");
    for said in [
        "purchases/3@498310",
        "support/3@88412",
        "+24.6",
        "The events give exactly these scores.",
        "Both complaints closed",
        "7 orders are no longer held",
    ] {
        assert!(html.contains(said), "{said}");
    }
}

#[test]
fn the_ledger_speaks_for_itself_and_for_nothing_else() {
    let said = |html: &str| {
        html.replace("<time datetime=\"2026-03-12T10:42:07Z\">", "").replace("</time>", "")
    };
    let good = said(&view("pipeline"));
    assert!(good.contains("Complete to 10:42:07, 0 missing, 0 twice"), "{good}");
    assert!(good.contains("By the ledger"));
    let broken = said(&view("pipeline-broken"));
    assert!(broken.contains("Complete to 10:42:07, but 12 missing, 1 twice"));
    assert!(broken.contains("the outbox is full") && broken.contains("connection refused"));
    assert!(view("pipeline-empty").contains("Not complete yet"));
    // who could not ask says nothing
    assert!(!view("trouble-away").contains("omplete"));
}

#[test]
fn empty_and_broken_pages_say_what_to_do() {
    for (name, said) in [
        ("today-empty", "Nothing at risk"),
        ("today-young", "This page fills by itself"),
        ("today-filtered", "clear the filter"),
        ("accounts-empty", "pipelines/accounts.toml"),
        ("customers-filtered", "Clear the filter"),
        ("account-empty", "No customer belongs to it now"),
        ("customer-unexplained", "ClickHouse did not answer within 10 seconds"),
        ("marketing-empty", "No customer yet"),
        ("trouble-away", "Try again"),
        ("trouble-missing", "Back to Today"),
        ("trouble-signed-out", r#"href="/sign-in""#),
        ("sign-in-refused", r#"role="alert""#),
    ] {
        assert!(view(name).contains(said), "{name}: {said}");
    }
}

#[test]
fn marketing_shows_where_value_goes() {
    let html = view("marketing");
    for said in ["880 moved up, 600 down", "5.1 %", "within chance", "Apr 2025", "$426,000"] {
        assert!(html.contains(said), "{said}");
    }
}

#[test]
fn a_simulated_clock_is_said() {
    assert!(view("today-viewer").contains("Simulated clock"));
    assert!(!view("today").contains("Simulated clock"));
}

#[test]
fn an_action_is_said_to_take_effect_later() {
    let done = Done {
        command_id: "1".into(),
        alert_id: "9f".into(),
        act: Act::Acknowledge,
        by: "x".into(),
    };
    let notice = page::notice(&done);
    assert!(notice.good && notice.text.contains("as soon as the pipeline has read it"));
}
