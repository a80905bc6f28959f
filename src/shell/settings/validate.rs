//! When settings make sense together: every problem at once, each with its key and cure.

use std::net::SocketAddr;

use super::{ClickHouse, Http, Kafka, Settings};

/// Fewest characters of a key that signs sessions.
const SESSION_KEY_MIN: usize = 32;

/// Properties that delivery rests on, or that have a setting of their own: (beginning of the name, what to do instead).
const OWN_PROPERTIES: &[(&str, &str)] = &[
    ("bootstrap.servers", "set kafka.brokers"),
    ("metadata.broker.list", "set kafka.brokers"),
    ("security.protocol", "set kafka.security_protocol"),
    ("sasl.mechanism", "set kafka.sasl_mechanism"),
    ("sasl.username", "set kafka.sasl_username"),
    ("sasl.password", "set kafka.sasl_password"),
    ("group.instance.id", "set kafka.group_instance"),
    ("group.protocol", "set kafka.protocol"),
    ("group.id", "it is derived from the definition's name and generation"),
    ("group.remote.assignor", "only `range` keeps the partitions of a shard together"),
    ("partition.assignment.strategy", "only `range` keeps the partitions of a shard together"),
    ("enable.auto", "offsets are committed inside transactions only"),
    ("auto.offset.reset", "set kafka.start; a lost position must never be skipped in silence"),
    ("isolation.level", "sources are always read committed"),
    ("enable.partition.eof", "the merge needs to know the ends of partitions"),
    ("transactional.id", "set kafka.instance"),
    ("transaction.timeout.ms", "set kafka.transaction_timeout_ms"),
    ("enable.idempotence", "transactions need it on"),
];

impl Kafka {
    fn validate(&self, problems: &mut Vec<String>) {
        for broker in self.brokers.split(',') {
            let port =
                broker.trim().rsplit_once(':').map(|(host, port)| (host, port.parse::<u16>()));
            if !matches!(port, Some((host, Ok(_))) if !host.is_empty()) {
                problems.push(format!(
                    "kafka.brokers: expected HOST:PORT, separated by commas, found {broker:?}"
                ));
            }
        }
        if self.uses_sasl() && (self.sasl_username.is_none() || self.sasl_password.is_none()) {
            problems.push(format!(
                "kafka.security_protocol is {}: set kafka.sasl_username and kafka.sasl_password",
                self.security_protocol
            ));
        }
        if !self.uses_sasl() && self.sasl_username.is_some() {
            problems.push(
                "kafka.sasl_username is set, but kafka.security_protocol is without SASL: \
                 set it to sasl_ssl (or sasl_plaintext)"
                    .to_owned(),
            );
        }
        if self.ssl_certificate_file.is_some() != self.ssl_key_file.is_some() {
            problems.push(
                "kafka.ssl_certificate_file and kafka.ssl_key_file belong together: set both or none"
                    .to_owned(),
            );
        }
        within(problems, "kafka.commit_interval_ms", self.commit_interval_ms, 10, 60_000);
        within(
            problems,
            "kafka.transaction_timeout_ms",
            self.transaction_timeout_ms,
            1_000,
            900_000,
        );
        within(problems, "kafka.restore_timeout_ms", self.restore_timeout_ms, 1_000, 86_400_000);
        if self.transaction_timeout_ms < 4 * self.commit_interval_ms {
            problems.push(format!(
                "kafka.transaction_timeout_ms ({}) must be at least four times kafka.commit_interval_ms ({})",
                self.transaction_timeout_ms, self.commit_interval_ms
            ));
        }
        let budget = u64::try_from(self.memory_budget_bytes).unwrap_or(u64::MAX);
        within(problems, "kafka.memory_budget_bytes", budget, 16 << 20, 1 << 40);
        within(problems, "kafka.outbox_bytes_max", self.outbox_bytes_max, 1 << 20, 1 << 50);
        for name in self.properties.0.keys() {
            if let Some((_, cure)) = OWN_PROPERTIES.iter().find(|(own, _)| name.starts_with(own)) {
                problems.push(format!("kafka.properties.{name} cannot be passed through: {cure}"));
            }
        }
    }
}

impl ClickHouse {
    fn validate(&self, problems: &mut Vec<String>) {
        let host = self.url.strip_prefix("http://").or_else(|| self.url.strip_prefix("https://"));
        if host.is_none_or(|host| host.is_empty() || host.starts_with('/') || host.contains('@')) {
            problems.push(
                "clickhouse.url: expected http://HOST:PORT or https://HOST:PORT without a user in it \
                 (clickhouse.user and clickhouse.password are settings of their own)"
                    .to_owned(),
            );
        }
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if self.database.is_empty()
            || self.database.starts_with(|c: char| c.is_ascii_digit())
            || !self.database.chars().all(word)
        {
            problems.push(format!(
                "clickhouse.database: expected letters, digits and _, not beginning with a digit, found {:?}",
                self.database
            ));
        }
        if self.user.is_empty() {
            problems.push("clickhouse.user: expected a name, found an empty text".to_owned());
        }
        if self.ca_file.is_some() && !self.url.starts_with("https://") {
            problems.push(format!(
                "clickhouse.ca_file is set, but clickhouse.url is {}: certificates need https://, or leave ca_file unset",
                self.url
            ));
        }
        let quorum = self.insert_quorum.as_deref().unwrap_or("auto");
        if quorum != "auto" && !quorum.parse::<u16>().is_ok_and(|replicas| replicas > 0) {
            problems.push(format!(
                "clickhouse.insert_quorum: expected a number of replicas from 1 on, or auto, found {quorum:?}"
            ));
        }
        within(problems, "clickhouse.insert_timeout_ms", self.insert_timeout_ms, 100, 3_600_000);
        within(
            problems,
            "clickhouse.retry_max_interval_ms",
            self.retry_max_interval_ms,
            10,
            3_600_000,
        );
        within(problems, "clickhouse.ledger_ttl_days", u64::from(self.ledger_ttl_days), 1, 36_500);
        within(problems, "clickhouse.events_ttl_days", u64::from(self.events_ttl_days), 1, 36_500);
        let history = u64::from(self.history_ttl_days);
        within(problems, "clickhouse.history_ttl_days", history, 1, 36_500);
    }
}

impl Settings {
    /// What contradicts itself or lies outside its range: one sentence each, with the key and the cure.
    pub fn validate(&self) -> Vec<String> {
        let mut problems = Vec::new();
        self.kafka.validate(&mut problems);
        self.clickhouse.validate(&mut problems);
        self.http.validate(&mut problems);
        // `tracing` would take a misspelt level for the name of a module, and log nothing.
        let levels = ["off", "error", "warn", "info", "debug", "trace"];
        for directive in self.log.level.split(',').filter(|d| !d.contains('=')) {
            if !levels.contains(&directive.trim()) {
                problems.push(format!(
                    "log.level: expected one of {} or directives such as info,retain=debug, found {directive:?}",
                    levels.join(", ")
                ));
            }
        }
        let pause = self.notify.retry_max_interval_ms;
        within(&mut problems, "notify.retry_max_interval_ms", pause, 10, 3_600_000);
        let page = self.notify.page_url.as_deref().unwrap_or("https://");
        if !page.starts_with("http://") && !page.starts_with("https://") {
            problems.push(format!(
                "notify.page_url: expected an address that begins with http:// or https://, found {page:?}"
            ));
        }
        within(&mut problems, "run.workers", self.run.workers as u64, 0, 1_024);
        within(
            &mut problems,
            "run.shutdown_timeout_ms",
            self.run.shutdown_timeout_ms,
            100,
            3_600_000,
        );
        problems
    }
}

impl Http {
    fn validate(&self, problems: &mut Vec<String>) {
        if self.listen.parse::<SocketAddr>().is_err() {
            problems.push(format!(
                "http.listen: expected ADDRESS:PORT such as 127.0.0.1:9464 or [::1]:9464, found {:?}",
                self.listen
            ));
        }
        if self.session_key.as_ref().is_some_and(|key| key.expose().len() < SESSION_KEY_MIN) {
            problems
                .push(format!("http.session_key: expected {SESSION_KEY_MIN} characters or more"));
        }
        for (key, value, min, max) in [
            ("http.live_timeout_ms", self.live_timeout_ms, 100, 3_600_000),
            ("http.session_hours", u64::from(self.session_hours), 1, 24 * 90),
            ("http.requests_per_minute", u64::from(self.requests_per_minute), 1, 1_000_000),
            ("http.concurrent_requests_max", self.concurrent_requests_max as u64, 1, 10_000),
            ("http.request_timeout_ms", self.request_timeout_ms, 1_000, 300_000),
            ("http.body_bytes_max", self.body_bytes_max as u64, 1_024, 1 << 20),
        ] {
            within(problems, key, value, min, max);
        }
    }
}

fn within(problems: &mut Vec<String>, key: &str, value: u64, min: u64, max: u64) {
    if !(min..=max).contains(&value) {
        problems.push(format!("{key}: expected {min} to {max}, found {value}"));
    }
}
