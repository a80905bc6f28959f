//! The file of receivers: what each key of a `[[receiver]]` and an `[[owner]]` must be, and that the names lead somewhere.

use jiff::tz::TimeZone;
use toml::de::{DeTable, DeValue};

use super::check::TEXT_BYTES_MAX;
use super::notes::Notes;
use super::raw::Section;
use super::receivers::{Mail, MailTls, OWNER, Owner, Receiver, Receivers, Way};
use super::{Diagnostic, check_rules, check_time, receiver_keys};
use crate::rule::definition::Severity;

/// Most receivers: each is a thread and a consumer group.
const RECEIVERS_MAX: usize = 64;
/// Most entries of account managers.
const OWNERS_MAX: usize = 10_000;
const TEXT_MAX: usize = 400;
const URLS_MAX: usize = 8;
const ADDRESSES_MAX: usize = 32;
const PAGERDUTY: &str = "https://events.pagerduty.com/v2/enqueue";
const URL: &str = "an address that begins with http:// or https://, without a user in it";
const ADDRESS: &str = "an address of mail such as \"anna@example.com\"";
/// Keys that every kind has.
const COMMON: [&str; 6] = ["name", "kind", "all", "severity_min", "per_minute", "templates"];

/// Reads a file of receivers. Everything wrong is reported at once, in the order of the lines; receivers come only without
/// errors.
pub fn receivers(text: &str) -> (Option<Receivers>, Vec<Diagnostic>) {
    let fits = text.len() <= TEXT_BYTES_MAX;
    let (document, syntax) = DeTable::parse_recoverable(if fits { text } else { "" });
    let mut notes = Notes::new(text);
    if !fits {
        let found = format!("found {} bytes", text.len());
        notes.error(0, "", &found).expected("a file of receivers of at most 1 MiB");
    }
    let notes_ref = &mut notes;
    let file = receiver_keys::FILE;
    let top = Section::open(notes_ref, file, String::new(), 0, document.get_ref());
    let zone = match top.has("zone") {
        true => check_time::zone(notes_ref, &top, "zone").map(|(zone, _)| zone),
        false => Some(TimeZone::UTC),
    };
    let sections = top.tables(notes_ref, "receiver");
    limit(notes_ref, &sections, RECEIVERS_MAX, "receiver");
    let mut receivers: Vec<Receiver> = Vec::new();
    for section in sections.iter().take(RECEIVERS_MAX) {
        let Some(receiver) = receiver(notes_ref, section) else { continue };
        if receivers.iter().any(|other| other.name == receiver.name) {
            section.refuse(notes_ref, "name", "a name of its own").hint("another receiver has it");
        }
        receivers.push(receiver);
    }
    let owners = owners(notes_ref, &top, &receivers);
    let is_clean = notes.is_clean() && syntax.is_empty();
    let diagnostics = notes.into_diagnostics(syntax);
    let all = zone.map(|zone| Receivers { zone, receivers, owners });
    (all.filter(|_| is_clean), diagnostics)
}

fn limit(notes: &mut Notes<'_>, sections: &[Section<'_>], most: usize, name: &str) {
    if let Some(extra) = sections.get(most) {
        notes
            .error(extra.at, &extra.path, &format!("found {}", sections.len()))
            .expected(format!("at most {most} tables [[{name}]]"));
    }
}

fn receiver(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Receiver> {
    let name = check_rules::word(notes, section, "name", "the receiver's name");
    if name == Some(OWNER) {
        section
            .refuse(notes, "name", "another name")
            .hint("in rules `owner` is the account manager; add [[owner]] for them");
    }
    let kinds = Way::KINDS.map(|kind| (kind, kind));
    if !section.has("kind") {
        section
            .refuse(notes, "kind", "how it is reached")
            .hint(format!("add `kind = \"…\"`, one of {}", Way::KINDS.join(", ")));
    }
    let kind = section.word(notes, "kind", &kinds)?;
    foreign(notes, section, kind);
    let way = way(notes, section, kind);
    let machine = matches!(kind, "alertmanager" | "webhook");
    let budget = section.count(notes, "budget", 0..=1_000, if machine { 0 } else { 20 });
    let digest_min = digest(notes, section);
    let severities = Severity::ALL;
    let severity_min = section.word(notes, "severity_min", &severities).unwrap_or(Severity::Info);
    let per_minute = section.count(notes, "per_minute", 0..=60_000, if machine { 0 } else { 60 });
    let all = flag(notes, section, "all");
    let templates = text(notes, section, "templates", "a folder");
    Some(Receiver {
        name: name?.to_owned(),
        way: way?,
        all,
        severity_min,
        budget: (budget > 0).then_some(budget),
        digest_min,
        per_minute,
        templates,
    })
}

/// The keys of a kind beside [`COMMON`].
fn keys_of(kind: &str) -> &'static [&'static str] {
    match kind {
        "alertmanager" => &["urls", "token_file", "resolve_timeout"],
        "slack" => &["url_file", "budget", "digest"],
        "pagerduty" => &["url", "token_file", "budget", "digest"],
        "webhook" => &["url", "secret_file", "token_file", "budget", "digest"],
        _ => &[
            "host",
            "port",
            "tls",
            "ca_file",
            "username",
            "password_file",
            "from",
            "to",
            "budget",
            "digest",
        ],
    }
}

/// Notes keys that only other kinds have.
fn foreign(notes: &mut Notes<'_>, section: &Section<'_>, kind: &str) {
    let own = keys_of(kind);
    for (key, at, _) in section.entries() {
        let known =
            receiver_keys::receiver_keys().any(|k| k.section == "receiver" && k.name == key);
        if known && !COMMON.contains(&key) && !own.contains(&key) {
            let kinds = Way::KINDS.iter().filter(|kind| keys_of(kind).contains(&key));
            let kinds: Vec<&str> = kinds.copied().collect();
            notes
                .error(at, &section.path_of(key), &format!("found a key of {}", kinds.join(", ")))
                .hint(format!("leave it out: a receiver of kind {kind} has no `{key}`"));
        }
    }
}

fn way(notes: &mut Notes<'_>, section: &Section<'_>, kind: &str) -> Option<Way> {
    let file = |notes: &mut Notes<'_>, key: &str| {
        let path = section.required(notes, key, "the name of a file with the secret")?;
        (!path.is_empty()).then(|| path.to_owned())
    };
    match kind {
        "alertmanager" => {
            let token_file = text(notes, section, "token_file", "a file");
            let timeout =
                section.duration_ms(notes, "resolve_timeout", 60_000..=86_400_000, 900_000);
            Some(Way::Alertmanager {
                urls: urls(notes, section)?,
                token_file,
                resolve_timeout_ms: timeout,
            })
        }
        "slack" => Some(Way::Slack { url_file: file(notes, "url_file")? }),
        "pagerduty" => {
            let url = match section.has("url") {
                true => url(notes, section)?,
                false => PAGERDUTY.to_owned(),
            };
            Some(Way::PagerDuty { url, token_file: file(notes, "token_file")? })
        }
        "webhook" => {
            let token_file = text(notes, section, "token_file", "a file");
            let (url, secret_file) = (url(notes, section), file(notes, "secret_file"));
            Some(Way::Webhook { url: url?, secret_file: secret_file?, token_file })
        }
        _ => mail(notes, section).map(Way::Email),
    }
}

fn mail(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Mail> {
    const WAYS: [(&str, MailTls); 3] =
        [("starttls", MailTls::StartTls), ("tls", MailTls::Tls), ("none", MailTls::None)];
    let host = section.required(notes, "host", "the name of the mail server");
    let port = section.count(notes, "port", 1..=65_535, 587);
    let tls = section.word(notes, "tls", &WAYS).unwrap_or(MailTls::StartTls);
    let ca_file = text(notes, section, "ca_file", "a file");
    let username = text(notes, section, "username", "a name");
    let password_file = text(notes, section, "password_file", "a file");
    if username.is_some() != password_file.is_some() {
        let key = if username.is_some() { "password_file" } else { "username" };
        section
            .refuse(notes, key, "`username` and `password_file`")
            .hint("they belong together: set both or none");
    }
    if username.is_some() && tls == MailTls::None {
        section
            .refuse(notes, "tls", "starttls or tls where there is a password")
            .hint("without TLS everybody on the way could read it");
    }
    let from = section.required(notes, "from", ADDRESS);
    if from.is_some_and(|from| !is_address(from)) {
        section.refuse(notes, "from", ADDRESS);
    }
    let to = match section.has("to") {
        true => section.texts(notes, "to", TEXT_MAX, ADDRESSES_MAX)?,
        false => Vec::new(),
    };
    if to.iter().any(|address| !is_address(address)) {
        section.refuse(notes, "to", "a list of addresses of mail");
    }
    Some(Mail {
        host: host?.to_owned(),
        port: u16::try_from(port).unwrap_or(587),
        tls,
        ca_file,
        username,
        password_file,
        from: from?.to_owned(),
        to,
    })
}

fn text(notes: &mut Notes<'_>, section: &Section<'_>, key: &str, expected: &str) -> Option<String> {
    let found = section.text(notes, key, expected)?;
    if found.is_empty() || found.len() > TEXT_MAX || found.contains(['\n', '\r']) {
        section.refuse(notes, key, expected).hint("leave it out, or say one");
        return None;
    }
    Some(found.to_owned())
}

fn flag(notes: &mut Notes<'_>, section: &Section<'_>, key: &str) -> bool {
    match section.value(key).map(|value| value.get_ref()) {
        None => false,
        Some(DeValue::Boolean(flag)) => *flag,
        Some(_) => {
            section.refuse(notes, key, "true or false").hint("write it without quotes");
            false
        }
    }
}

fn url(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<String> {
    let url = section.required(notes, "url", URL)?;
    if !is_url(url) {
        section.refuse(notes, "url", URL);
        return None;
    }
    Some(url.to_owned())
}

fn urls(notes: &mut Notes<'_>, section: &Section<'_>) -> Option<Vec<String>> {
    if !section.has("urls") {
        section
            .refuse(notes, "urls", "the addresses of all peers")
            .hint("add `urls = [\"http://alertmanager:9093\"]`");
        return None;
    }
    let urls = section.texts(notes, "urls", TEXT_MAX, URLS_MAX)?;
    if let Some(wrong) = urls.iter().find(|url| !is_url(url)) {
        section.refuse(notes, "urls", URL).hint(format!("{wrong:?} is none"));
        return None;
    }
    Some(urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect())
}

/// The authority may hold no user: a password there would be shown.
fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or("");
        !host.is_empty() && !host.contains('@') && text.bytes().all(|b| b.is_ascii_graphic())
    })
}

fn is_address(text: &str) -> bool {
    let plain = text.bytes().all(|b| b.is_ascii_graphic() && !b"<>,;\"".contains(&b));
    let halves = text.rsplit_once('@');
    plain && halves.is_some_and(|(user, host)| !user.is_empty() && host.len() > 2)
}

/// Minute of the day, eight o'clock where nothing is said.
pub(super) fn digest(notes: &mut Notes<'_>, section: &Section<'_>) -> u16 {
    const EXPECTED: &str = "a time of day such as \"08:00\"";
    const EIGHT: u16 = 8 * 60;
    let Some(text) = section.text(notes, "digest", EXPECTED) else { return EIGHT };
    let two = |part: &str| {
        let digits = part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
        part.parse::<u16>().ok().filter(|_| digits)
    };
    let read = text.split_once(':').and_then(|(h, m)| Some((two(h)?, two(m)?)));
    match read.filter(|(hour, minute)| *hour < 24 && *minute < 60) {
        Some((hour, minute)) => hour * 60 + minute,
        None => {
            section.refuse(notes, "digest", EXPECTED);
            EIGHT
        }
    }
}

fn owners(notes: &mut Notes<'_>, top: &Section<'_>, receivers: &[Receiver]) -> Vec<Owner> {
    let sections = top.tables(notes, "owner");
    limit(notes, &sections, OWNERS_MAX, "owner");
    let mut seen = std::collections::BTreeSet::new();
    let mut owners: Vec<Owner> = Vec::new();
    for section in sections.iter().take(OWNERS_MAX) {
        let Some(owner) = owner(notes, section, receivers) else { continue };
        if !seen.insert(owner.id.clone()) {
            section.refuse(notes, "id", "one entry for each owner").hint("another entry has it");
        }
        owners.push(owner);
    }
    owners
}

fn owner(notes: &mut Notes<'_>, section: &Section<'_>, receivers: &[Receiver]) -> Option<Owner> {
    let id = section.required(notes, "id", "an `owner_id` of the master data, or \"*\"");
    let name = text(notes, section, "name", "a name of one line");
    let email = text(notes, section, "email", ADDRESS);
    if email.as_deref().is_some_and(|email| !is_address(email)) {
        section.refuse(notes, "email", ADDRESS);
    }
    if !section.has("to") {
        section.refuse(notes, "to", "names of receivers").hint("add `to = [\"…\"]`");
    }
    let to = section.texts(notes, "to", TEXT_MAX, URLS_MAX)?;
    for name in &to {
        match receivers.iter().find(|receiver| receiver.name == *name) {
            None => {
                let names = receivers.iter().map(|receiver| receiver.name.as_str());
                section.refuse(notes, "to", "the names of [[receiver]]s").did_you_mean(name, names);
            }
            Some(Receiver { way: Way::Email(mail), .. })
                if email.is_none() && mail.to.is_empty() =>
            {
                section
                    .refuse(notes, "email", "an address for receivers of kind email")
                    .hint(format!("`{name}` writes mail: add `email = \"…\"`"));
            }
            Some(_) => {}
        }
    }
    let id = id?.to_owned();
    Some(Owner { name: name.unwrap_or_else(|| id.clone()), id, email, to })
}
