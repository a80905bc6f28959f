//! The file of receivers: what can be said in it, and that everything wrong is told at once with line and cure.
#![allow(clippy::unwrap_used, clippy::expect_used)]

use retain::plan::{MailTls, Way, receiver_keys, receivers};

fn told(text: &str) -> String {
    let (found, notes) = receivers(text);
    assert!(found.is_none(), "nothing was wrong with it:\n{text}");
    notes.iter().map(|note| note.render("r.toml")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_shipped_file_sends_nothing_and_its_examples_can_be_used() {
    let text = include_str!("../pipelines/receivers.toml");
    let shipped = receivers(text).0.unwrap();
    assert!(shipped.receivers.is_empty() && shipped.owners.is_empty());
    // examples stand behind `#|`
    let examples = text.replace("#| ", "").replace("#|", "");
    let (found, notes) = receivers(&examples);
    let found = found.unwrap_or_else(|| panic!("{notes:?}"));
    let kinds: Vec<&str> = found.receivers.iter().map(|receiver| receiver.way.kind()).collect();
    for kind in Way::KINDS {
        assert!(kinds.contains(&kind), "no example of {kind}");
    }
    for key in receiver_keys() {
        assert!(examples.contains(&format!("{} = ", key.name)), "no example of {}", key.name);
    }
}

#[test]
fn defaults_are_as_documented() {
    let found = receivers(
        "[[receiver]]\nname = \"m\"\nkind = \"email\"\nhost = \"h\"\nfrom = \"a@b.example\"\n[[receiver]]\nname = \"w\"\nkind = \"webhook\"\nurl = \"http://h\"\nsecret_file = \"s\"",
    );
    let found = found.0.unwrap();
    let Way::Email(mail) = &found.receivers[0].way else { panic!() };
    assert_eq!((mail.port, mail.tls), (587, MailTls::StartTls));
    assert_eq!((found.receivers[0].budget, found.receivers[0].digest_min), (Some(20), 480));
    assert_eq!((found.receivers[1].budget, found.receivers[1].per_minute), (None, 0));
    assert!(found.owner("o1").is_none() && !found.knows("owner") && found.knows("w"));
}

#[test]
fn everything_wrong_is_told_at_once() {
    let told = told(
        r#"zone = "Berlin"
[[receiver]]
name = "owner"
kind = "slack"
url = "https://hooks.example/x"
[[receiver]]
name = "chat"
kind = "slak"
[[receiver]]
name = "post"
kind = "email"
host = "h"
from = "nobody"
username = "u"
tls = "none"
digest = "8:00"
[[receiver]]
name = "hook"
kind = "webhook"
url = "https://user:word@h.example/"
budget = "20"
all = "yes"
[[receiver]]
name = "mail2"
kind = "email"
host = "h"
from = "a@b.example"
[[owner]]
id = "o7"
to = ["chatt", "mail2"]
[[owner]]
id = "o7"
emial = "x@y.example"
to = ["mail2"]
"#,
    );
    for expected in [
        "r.toml:1: zone: expected an IANA time zone",
        "did you mean `Europe/Berlin`?",
        "r.toml:3: receiver[0].name: expected another name",
        "r.toml:5: receiver[0].url: found a key of pagerduty, webhook",
        "url_file",
        "r.toml:8: receiver[1].kind: expected one of alertmanager, slack",
        "did you mean `slack`?",
        "r.toml:13: receiver[2].from: expected an address of mail",
        "receiver[2].password_file: expected `username` and `password_file`",
        "r.toml:15: receiver[2].tls: expected starttls or tls where there is a password",
        "r.toml:16: receiver[2].digest: expected a time of day",
        "r.toml:20: receiver[3].url: expected an address that begins with http",
        "receiver[3].secret_file",
        "r.toml:21: receiver[3].budget: expected a whole number from 0 to 1000",
        "r.toml:22: receiver[3].all: expected true or false",
        "owner[0].to: expected the names of [[receiver]]s",
        "owner[0].email: expected an address for receivers of kind email",
        "r.toml:33: owner[1].emial: unknown key; did you mean `email`?",
    ] {
        assert!(told.contains(expected), "no {expected:?} in\n{told}");
    }
}

#[test]
fn names_must_differ_and_addresses_lead_somewhere() {
    let two = "[[receiver]]\nname = \"a\"\nkind = \"slack\"\nurl_file = \"f\"\n";
    assert!(
        told(&format!("{two}{two}"))
            .contains("r.toml:6: receiver[1].name: expected a name of its own")
    );
    let peers = "[[receiver]]\nname = \"a\"\nkind = \"alertmanager\"\nurls = [\"ftp://x\"]\n";
    assert!(told(peers).contains("receiver[0].urls"));
    assert!(told("[[receiver]\n").contains("r.toml:1"));
    assert!(told("[receiver]\nname = \"a\"\n").contains("[[receiver]]"));
}

#[test]
fn the_documentation_has_every_key_with_its_form_and_default() {
    let page = include_str!("../docs/notifications.md");
    for key in receiver_keys() {
        let default = match key.default {
            "" => "-".to_owned(),
            default => format!("`{default}`"),
        };
        let row = format!("| `{}` | {} | {default} | {} |", key.name, key.form, key.meaning);
        assert!(page.contains(&row), "docs/notifications.md lacks\n{row}");
    }
}
