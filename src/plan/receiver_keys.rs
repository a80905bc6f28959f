//! Every key of a file of receivers, as [`super::keys`] knows those of a definition.

use super::keys::{Key, key};

/// What a file of receivers is called where sections are looked up; its own sections follow.
pub(super) const FILE: &str = "receivers";

/// The sections, with the brackets they are written in.
pub(super) const SECTIONS: [(&str, &str); 2] =
    [("receiver", "[[receiver]]"), ("owner", "[[owner]]")];

/// Every key of a file of receivers, in the order of the documentation.
pub fn receiver_keys() -> impl Iterator<Item = &'static Key> {
    KEYS.iter()
}

const KEYS: &[Key] = &[
    key(FILE, "zone", "IANA time zone", "\"UTC\"", "the zone of days and of the times of digests"),
    key(
        "receiver",
        "name",
        "a-z, then up to 40 of a-z 0-9 _; required",
        "",
        "its name: in rules, in its consumer group and in metrics; not `owner`",
    ),
    key(
        "receiver",
        "kind",
        "alertmanager, slack, pagerduty, webhook, email; required",
        "",
        "how it is reached",
    ),
    key(
        "receiver",
        "all",
        "true, false",
        "false",
        "hears of every rule, whomever the rule names; but not of employees",
    ),
    key(
        "receiver",
        "severity_min",
        "info, low, medium, high, critical",
        "\"info\"",
        "milder alerts are not sent",
    ),
    key(
        "receiver",
        "budget",
        "integer, 0 to 1000",
        "20",
        "so many calls a day and owner go out at once; later ones only above the smallest revenue at risk that was sent, the rest in the digest; 0: all go out. Not for alertmanager; of a webhook 0 is the default",
    ),
    key(
        "receiver",
        "digest",
        "time of day such as \"08:00\"",
        "\"08:00\"",
        "when the digest goes out; not for alertmanager",
    ),
    key(
        "receiver",
        "per_minute",
        "integer, 0 to 60000",
        "60",
        "most messages a minute; 0: no limit, which is the default for alertmanager and webhook",
    ),
    key(
        "receiver",
        "templates",
        "folder",
        "",
        "templates in place of the built-in ones, by the names of their files",
    ),
    key(
        "receiver",
        "url",
        "http:// or https:// address",
        "\"https://events.pagerduty.com/v2/enqueue\"",
        "where to post: required for webhook; default for pagerduty",
    ),
    key(
        "receiver",
        "urls",
        "1 to 8 addresses; required for alertmanager",
        "",
        "every peer of the Alertmanager",
    ),
    key(
        "receiver",
        "url_file",
        "file; required for slack",
        "",
        "file with the address of the incoming webhook, which is a secret",
    ),
    key(
        "receiver",
        "token_file",
        "file; required for pagerduty",
        "",
        "file with the integration key of pagerduty; with a bearer token for alertmanager and webhook",
    ),
    key(
        "receiver",
        "secret_file",
        "file; required for webhook",
        "",
        "file with the secret of the signature: whsec_ and base64 of 24 to 64 bytes",
    ),
    key(
        "receiver",
        "resolve_timeout",
        "duration, 1m to 1d",
        "\"15m\"",
        "after how long Alertmanager takes an alert for over that was not posted again; it is posted five times as often",
    ),
    key("receiver", "host", "name of a host; required for email", "", "the mail server"),
    key("receiver", "port", "integer, 1 to 65535", "587", "its port"),
    key(
        "receiver",
        "tls",
        "starttls, tls, none",
        "\"starttls\"",
        "how the connection to the mail server is protected",
    ),
    key(
        "receiver",
        "ca_file",
        "file",
        "",
        "certificates (PEM) that the mail server's is checked against; left out: the system's",
    ),
    key("receiver", "username", "text", "", "user of the mail server"),
    key(
        "receiver",
        "password_file",
        "file; required with username",
        "",
        "file with the user's password",
    ),
    key("receiver", "from", "address of mail; required for email", "", "the sender"),
    key(
        "receiver",
        "to",
        "1 to 32 addresses of mail",
        "",
        "to whom alerts go that name this receiver itself",
    ),
    key(
        "owner",
        "id",
        "text; required",
        "",
        "`owner_id` of the master data; \"*\" stands for all who have no entry",
    ),
    key("owner", "name", "text", "the id", "what to call them"),
    key("owner", "email", "address of mail", "", "where receivers of kind email write to"),
    key("owner", "to", "1 to 8 names of receivers; required", "", "the ways to them"),
];
