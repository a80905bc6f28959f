//! Words of letters: what stands in them, and that nothing in them can break out.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::notify::Digest;

fn receivers() -> Receivers {
    let text = "[[receiver]]\nname = \"chat\"\nkind = \"slack\"\nurl_file = \"f\"\n[[owner]]\nid = \"o7\"\nname = \"Anna\"\nto = [\"chat\"]\n";
    crate::plan::receivers(text).0.unwrap()
}

fn word() -> AlertWord {
    AlertWord {
        alert_id: "ab12".to_owned(),
        n: 2,
        rule: "key_at_risk".to_owned(),
        subject_kind: "customer".to_owned(),
        subject_id: "<b>&\"Co\"".to_owned(),
        owner_id: "o7".to_owned(),
        what: "raised".to_owned(),
        phase: "firing".to_owned(),
        at_risk_minor: Some(123_450_099),
        currency: "USD".to_owned(),
        reasons: vec!["bought <nothing> for 94 days".to_owned()],
        about: "Likely to buy no more.".to_owned(),
        next_step: "Call & ask.".to_owned(),
        severity: "high".to_owned(),
        ..AlertWord::default()
    }
}

fn said(form: &str) -> Said {
    let words = Words::new(BTreeMap::new(), "https://retain.example/").unwrap();
    words.say(&Letter::about(&word(), "o7"), form, &receivers()).unwrap()
}

#[test]
fn texts_of_customers_stay_texts() {
    let plain = said("txt");
    assert_eq!(plain.title, "Key customer at risk: customer <b>&\"Co\", USD 1,234,500.99 at risk");
    assert!(plain.text.contains("- bought <nothing> for 94 days\n"), "{}", plain.text);
    assert!(plain.text.contains("https://retain.example/alerts/ab12"), "{}", plain.text);
    assert!(plain.text.contains("Anna"), "{}", plain.text);
    let html = said("html").text;
    assert!(html.contains("&lt;b&gt;&amp;") && !html.contains("<b>"), "{html}");
    assert!(html.contains("<li>bought &lt;nothing&gt;"), "{html}");
    let slack = said("slack").text;
    assert!(slack.contains("&lt;b&gt;&amp;\"Co\"") && slack.contains("Call &amp; ask."), "{slack}");
}

#[test]
fn a_digest_names_what_is_on_and_what_is_over() {
    let words = Words::new(BTreeMap::new(), "").unwrap();
    let over = AlertWord { phase: "resolved".to_owned(), what: "resolved".to_owned(), ..word() };
    let digest = Digest { on: vec![word()], over: vec![over], left_out: 3 };
    let letter = Letter {
        id: "d".to_owned(),
        to: "o7".to_owned(),
        address: None,
        content: Content::Digest(digest),
    };
    let said = words.say(&letter, "txt", &receivers()).unwrap();
    assert_eq!(said.title, "5 alerts without a call for Anna");
    assert!(
        said.text.contains("Over: Key customer at risk") && said.text.contains("And 3 more"),
        "{}",
        said.text
    );
    for form in ["html", "slack"] {
        assert!(words.say(&letter, form, &receivers()).unwrap().text.contains("3 more"));
    }
}

#[test]
fn own_templates_are_tried_out_before_they_are_needed() {
    let own = |name: &str, text: &str| BTreeMap::from([(name.to_owned(), text.to_owned())]);
    let words = Words::new(own("title.txt", "{{ rule }}!\n"), "").unwrap();
    assert_eq!(
        words.say(&Letter::about(&word(), ""), "txt", &receivers()).unwrap().title,
        "key_at_risk!"
    );
    for (name, text, told) in [
        ("title.text", "", "no such template"),
        ("alert.txt", "\n{% if %}", "alert.txt:2"),
        ("alert.txt", "{{ no_such_thing }}", "alert.txt"),
        (
            "digest.html",
            "{% for x in range(100000) %}{% for y in range(100000) %}{% endfor %}{% endfor %}",
            "digest.html",
        ),
    ] {
        let error = Words::new(own(name, text), "").unwrap_err();
        assert!(error.contains(told), "{error}");
    }
}

#[test]
fn what_is_too_long_is_clipped() {
    assert_eq!(clip("abcdef", 4), "abc…");
    assert_eq!(clip("abcd", 4), "abcd");
}
