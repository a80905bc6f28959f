//! Who is told of alerts, as it is defined and checked: the receivers, the ways to them, and the account managers.

use jiff::tz::TimeZone;

use crate::rule::definition::Severity;

/// The name by which rules mean the account manager.
pub const OWNER: &str = "owner";
/// The id of the entry for account managers who have none of their own.
pub const OTHERS: &str = "*";

/// Everybody who can be told.
#[derive(Clone, Debug, PartialEq)]
pub struct Receivers {
    /// The zone of days and of the times of digests.
    pub zone: TimeZone,
    /// The receivers, by name in the order of the file.
    pub receivers: Vec<Receiver>,
    /// The account managers.
    pub owners: Vec<Owner>,
}

/// An account manager and the ways to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// `owner_id` of the master data; [`OTHERS`] for those without an entry.
    pub id: String,
    /// What to call them.
    pub name: String,
    /// Where mail goes.
    pub email: Option<String>,
    /// Names of receivers.
    pub to: Vec<String>,
}

/// A place where alerts are sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Receiver {
    /// Its name: in rules, in its consumer group and in metrics.
    pub name: String,
    /// How it is reached.
    pub way: Way,
    /// It hears of every rule, whomever the rule names.
    pub all: bool,
    /// Milder alerts are not sent.
    pub severity_min: Severity,
    /// So many calls a day and owner go out at once; `None`: all of them.
    pub budget: Option<u32>,
    /// Minute of the day at which the digest goes out.
    pub digest_min: u16,
    /// Most messages a minute; 0: no limit.
    pub per_minute: u32,
    /// Folder with templates of its own.
    pub templates: Option<String>,
}

/// How a receiver is reached. Secrets are named by their files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// Prometheus' Alertmanager, API v2; every peer is posted to.
    Alertmanager {
        /// Addresses of the peers.
        urls: Vec<String>,
        /// File with a bearer token.
        token_file: Option<String>,
        /// After how long an alert that is not posted again is over, milliseconds.
        resolve_timeout_ms: i64,
    },
    /// An incoming webhook of Slack.
    Slack {
        /// File with its address, which is a secret.
        url_file: String,
    },
    /// PagerDuty's Events API v2.
    PagerDuty {
        /// Its address.
        url: String,
        /// File with the integration key.
        token_file: String,
    },
    /// A webhook signed as Standard Webhooks says.
    Webhook {
        /// Its address.
        url: String,
        /// File with the secret, `whsec_` and base64.
        secret_file: String,
        /// File with a bearer token.
        token_file: Option<String>,
    },
    /// Mail by SMTP.
    Email(Mail),
}

/// A mail server and what is written on the envelope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The server's name.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// File with the certificates to believe; `None`: the system's.
    pub ca_file: Option<String>,
    /// User.
    pub username: Option<String>,
    /// File with the password.
    pub password_file: Option<String>,
    /// The sender.
    pub from: String,
    /// To whom alerts go that name this receiver itself.
    pub to: Vec<String>,
}

/// How a connection to a mail server is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailTls {
    /// TLS after STARTTLS, which the server must offer.
    StartTls,
    /// TLS from the first byte on.
    Tls,
    /// Not at all.
    None,
}

impl Receivers {
    /// The entry of an account manager: their own, or that of all others.
    #[must_use]
    pub fn owner(&self, id: &str) -> Option<&Owner> {
        let named = |wanted: &str| self.owners.iter().find(|owner| owner.id == wanted);
        if id.is_empty() { named(OTHERS) } else { named(id).or_else(|| named(OTHERS)) }
    }

    /// Whether a name in a rule leads to anybody.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        let owners = name == OWNER && !self.owners.is_empty();
        owners || self.receivers.iter().any(|receiver| receiver.name == name)
    }
}

impl Way {
    /// The kinds as the file names them.
    pub const KINDS: [&'static str; 5] = ["alertmanager", "slack", "pagerduty", "webhook", "email"];

    /// How the file names it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Alertmanager { .. } => "alertmanager",
            Self::Slack { .. } => "slack",
            Self::PagerDuty { .. } => "pagerduty",
            Self::Webhook { .. } => "webhook",
            Self::Email(_) => "email",
        }
    }
}
