//! What the settings are and when they make sense: one struct per section of `config/default.toml`.
//!
//! Where a value comes from is the business of [`super::origin`]. An empty text means "not set" and reads as `None`.

mod validate;

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer};

/// A text that is never shown: `Debug` and `Display` print `***`.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the client that needs it; never for a message.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// Further librdkafka properties. `Debug` hides the values of those that look like secrets.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Properties(pub BTreeMap<String, String>);

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&String, &String)| {
            (name.clone(), if is_secret_property(name) { "***".to_owned() } else { value.clone() })
        };
        f.debug_map().entries(self.0.iter().map(shown)).finish()
    }
}

/// Whether a librdkafka property carries a secret, by its name.
pub fn is_secret_property(name: &str) -> bool {
    ["password", "secret", "pem", "jaas", "token", "assertion", "sasl.oauthbearer.config"]
        .iter()
        .any(|word| name.contains(word))
}

/// How the members of the group agree on who gets which partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupProtocol {
    /// The classic one, with `range`.
    Classic,
    /// KIP-848, with the remote assignor `range`.
    Consumer,
}

/// Where a new pipeline begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Start {
    /// At the oldest record the broker still has.
    Earliest,
    /// At the end.
    Latest,
    /// At the first record with a Kafka timestamp from here on, milliseconds.
    At(i64),
}

impl TryFrom<String> for Start {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            time => time.parse::<jiff::Timestamp>().map(|t| Self::At(t.as_millisecond())).map_err(
                |_| format!("expected earliest, latest or a time such as 2026-01-31T00:00:00Z, found {time:?}"),
            ),
        }
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One object a line.
    Json,
}

fn text_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let text = String::deserialize(deserializer)?;
    Ok((!text.is_empty()).then_some(text))
}

fn secret_or_none<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(text_or_none(deserializer)?.map(Secret))
}

/// Section `[kafka]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kafka {
    /// Bootstrap brokers, `HOST:PORT`, separated by commas.
    pub brokers: String,
    /// `group.instance.id`.
    #[serde(deserialize_with = "text_or_none")]
    pub group_instance: Option<String>,
    /// The stable part of the transactional id; `None` = a random one.
    #[serde(deserialize_with = "text_or_none")]
    pub instance: Option<String>,
    /// Group protocol.
    pub protocol: GroupProtocol,
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
    pub security_protocol: String,
    /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
    pub sasl_mechanism: String,
    /// SASL user.
    #[serde(deserialize_with = "text_or_none")]
    pub sasl_username: Option<String>,
    /// SASL password.
    #[serde(deserialize_with = "secret_or_none")]
    pub sasl_password: Option<Secret>,
    /// Trusted certificates, a PEM file.
    #[serde(deserialize_with = "text_or_none")]
    pub ssl_ca_file: Option<String>,
    /// Client certificate, a PEM file.
    #[serde(deserialize_with = "text_or_none")]
    pub ssl_certificate_file: Option<String>,
    /// Client key, a PEM file.
    #[serde(deserialize_with = "text_or_none")]
    pub ssl_key_file: Option<String>,
    /// Password of the client key.
    #[serde(deserialize_with = "secret_or_none")]
    pub ssl_key_password: Option<Secret>,
    /// Copies of own topics; 0 = the broker's default.
    pub replication_factor: u16,
    /// How often a transaction is committed, milliseconds.
    pub commit_interval_ms: u64,
    /// When the broker aborts an abandoned transaction, milliseconds.
    pub transaction_timeout_ms: u64,
    /// Longest time for restoring a shard, milliseconds.
    pub restore_timeout_ms: u64,
    /// Bytes in flight of the whole process.
    pub memory_budget_bytes: usize,
    /// Bytes of rows of one shard that may wait for ClickHouse.
    pub outbox_bytes_max: u64,
    /// Where a new pipeline begins.
    pub start: Start,
    /// Further librdkafka properties.
    pub properties: Properties,
}

/// Section `[clickhouse]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClickHouse {
    /// The HTTP interface.
    pub url: String,
    /// Database of the views, prefix of those of the generations.
    pub database: String,
    /// User.
    pub user: String,
    /// Password.
    #[serde(deserialize_with = "secret_or_none")]
    pub password: Option<Secret>,
    /// Trusted certificates, a PEM file; `None` = the system's.
    #[serde(deserialize_with = "text_or_none")]
    pub ca_file: Option<String>,
    /// On how many replicas an insert must be before it counts: a number, or `auto` (most of them); `None` = one.
    #[serde(deserialize_with = "text_or_none")]
    pub insert_quorum: Option<String>,
    /// Longest time for one insert, milliseconds.
    pub insert_timeout_ms: u64,
    /// Longest pause between attempts, milliseconds.
    pub retry_max_interval_ms: u64,
    /// How long the ledger is kept by cycle, days.
    pub ledger_ttl_days: u32,
    /// How long events are kept, days.
    pub events_ttl_days: u32,
    /// How long the history of customers is kept, days.
    pub history_ttl_days: u32,
}

/// Section `[http]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Http {
    /// `ADDRESS:PORT` to listen on.
    pub listen: String,
    /// How long a worker may make no step before `/livez` fails, milliseconds.
    pub live_timeout_ms: u64,
    /// File with the tokens of the API; `None` = nobody gets in.
    #[serde(deserialize_with = "text_or_none")]
    pub tokens_file: Option<String>,
    /// What sessions are signed with; `None` = a random key of this process.
    #[serde(deserialize_with = "secret_or_none")]
    pub session_key: Option<Secret>,
    /// How long a session lasts, hours.
    pub session_hours: u32,
    /// Requests of one token within a minute.
    pub requests_per_minute: u32,
    /// Requests of the API and the pages that are answered at once.
    pub concurrent_requests_max: usize,
    /// Longest time for one of them, milliseconds.
    pub request_timeout_ms: u64,
    /// Largest body of a request, bytes.
    pub body_bytes_max: usize,
}

/// Section `[log]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// Text or JSON.
    pub format: LogFormat,
    /// A level, or `tracing` directives.
    pub level: String,
}

/// Section `[run]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// Threads that own shards; 0 = one for each core.
    pub workers: usize,
    /// Longest time for a clean end, milliseconds.
    pub shutdown_timeout_ms: u64,
}

/// Section `[notify]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Notify {
    /// The file of receivers; `None`: nobody is told.
    #[serde(deserialize_with = "text_or_none")]
    pub receivers_file: Option<String>,
    /// Where people find the page, for links; `None`: nowhere.
    #[serde(deserialize_with = "text_or_none")]
    pub page_url: Option<String>,
    /// Longest pause between attempts, milliseconds.
    pub retry_max_interval_ms: u64,
}

/// All settings.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Section `[kafka]`.
    pub kafka: Kafka,
    /// Section `[clickhouse]`.
    pub clickhouse: ClickHouse,
    /// Section `[http]`.
    pub http: Http,
    /// Section `[notify]`.
    pub notify: Notify,
    /// Section `[log]`.
    pub log: Log,
    /// Section `[run]`.
    pub run: Run,
}

impl Kafka {
    /// The librdkafka properties every client of the process begins with: brokers, security and the pass-through ones.
    pub fn client_properties(&self) -> Vec<(String, String)> {
        let mut all = vec![
            ("bootstrap.servers".to_owned(), self.brokers.clone()),
            ("security.protocol".to_owned(), self.security_protocol.clone()),
        ];
        let mut put = |name: &str, value: Option<&str>| {
            all.extend(value.map(|value| (name.to_owned(), value.to_owned())));
        };
        if self.uses_sasl() {
            put("sasl.mechanism", Some(&self.sasl_mechanism));
            put("sasl.username", self.sasl_username.as_deref());
            put("sasl.password", self.sasl_password.as_ref().map(Secret::expose));
        }
        if self.uses_tls() {
            put("ssl.ca.location", self.ssl_ca_file.as_deref());
            put("ssl.certificate.location", self.ssl_certificate_file.as_deref());
            put("ssl.key.location", self.ssl_key_file.as_deref());
            put("ssl.key.password", self.ssl_key_password.as_ref().map(Secret::expose));
        }
        all.extend(self.properties.0.iter().map(|(name, value)| (name.clone(), value.clone())));
        all
    }

    /// Whether the connection names a user.
    pub fn uses_sasl(&self) -> bool {
        self.security_protocol.starts_with("sasl")
    }

    /// Whether the connection is encrypted.
    pub fn uses_tls(&self) -> bool {
        self.security_protocol.ends_with("ssl")
    }
}
