//! How to reach Kafka: the settings of every client we open, in one place.

use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::flow::names::Names;

use super::settings::{GroupProtocol, Kafka};

/// What all clients of one pipeline share.
#[derive(Clone, Debug)]
pub struct Link {
    /// The bootstrap brokers, for messages.
    pub brokers: String,
    /// librdkafka properties: brokers, security, and whatever the operator wants (they win over ours).
    pub properties: Vec<(String, String)>,
    /// The classic group protocol instead of KIP-848's.
    pub classic: bool,
    /// Stable name of this copy: a restart ends its own leftovers at once. `None`: a random one.
    pub instance: Option<String>,
    /// `group.instance.id` (static membership), if wanted.
    pub group_instance: Option<String>,
    /// Replication factor of the topics we create; -1 is the broker's default.
    pub replication_factor: i32,
    /// When the broker ends a transaction of ours by itself, milliseconds.
    pub transaction_timeout_ms: u64,
    /// Bytes in flight between Kafka and the machines, over all partitions.
    pub memory_budget_bytes: usize,
}

/// Longest wait for an answer of a broker (metadata, offsets).
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

impl From<&Kafka> for Link {
    fn from(kafka: &Kafka) -> Self {
        Self {
            brokers: kafka.brokers.clone(),
            properties: kafka.client_properties(),
            classic: kafka.protocol == GroupProtocol::Classic,
            instance: kafka.instance.clone(),
            group_instance: kafka.group_instance.clone(),
            replication_factor: match kafka.replication_factor {
                0 => -1,
                copies => i32::from(copies),
            },
            transaction_timeout_ms: kafka.transaction_timeout_ms,
            memory_budget_bytes: kafka.memory_budget_bytes,
        }
    }
}

impl Link {
    /// Settings that every client has; `what` names it in the broker's logs.
    fn base(&self, what: &str) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("client.id", format!("retain-{what}"));
        // librdkafka would wait up to 10 s before it tries a broker again that was away for a while, each client and
        // each of its connections by itself; a session and a transaction end meanwhile (docs/decisions/0008).
        config.set("reconnect.backoff.max.ms", "1000");
        config.set_log_level(RDKafkaLogLevel::Warning);
        config
    }

    fn finish(&self, mut config: ClientConfig, refused: &[&str]) -> ClientConfig {
        for (key, value) in &self.properties {
            if !refused.contains(&key.as_str()) {
                config.set(key, value);
            }
        }
        config
    }

    /// For creating topics, and for deleting records.
    pub fn admin(&self) -> ClientConfig {
        self.finish(self.base("admin"), GROUP_KEYS)
    }

    /// For offsets and metadata; `committed` chooses which end of a partition it is told.
    pub fn query(&self, names: &Names, committed: bool) -> ClientConfig {
        let mut config = self.base("query");
        // Only the group's offsets are read by this name; without a subscription a client never joins.
        config.set("group.id", names.group());
        config.set("enable.auto.commit", "false");
        config.set("isolation.level", isolation(committed));
        self.finish(config, GROUP_KEYS)
    }

    /// For the offsets of the carrier's group.
    pub fn carried(&self, names: &Names) -> ClientConfig {
        let mut config = self.query(names, true);
        config.set("group.id", names.sink_group());
        config
    }

    /// The member of the group: it is given shards, and fetches nothing.
    pub fn member(&self, names: &Names) -> ClientConfig {
        let mut config = self.base("member");
        config.set("group.id", names.group());
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed");
        if self.classic {
            // `range` puts partition p of every topic on one member; `cooperative-sticky` does not.
            config.set("partition.assignment.strategy", "range");
        } else {
            config.set("group.protocol", "consumer");
            config.set("group.remote.assignor", "range");
        }
        if let Some(instance) = &self.group_instance {
            config.set("group.instance.id", instance);
        }
        let fixed = ["partition.assignment.strategy", "group.remote.assignor"];
        self.finish(config, &fixed)
    }

    /// Fetches records of partitions that we assign ourselves, from positions that we know.
    pub fn fetcher(&self, names: &Names, partitions: usize) -> ClientConfig {
        let mut config = self.base("fetch");
        config.set("group.id", names.group());
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "error");
        config.set("isolation.level", "read_committed");
        config.set("enable.partition.eof", "true");
        // Small fetches stay in the cache; the back-off of 1 s would stall a queue that was full once
        // (docs/performance.md).
        config.set("fetch.max.bytes", "1000000");
        config.set("fetch.queue.backoff.ms", "1");
        // A partition that was just assigned waits for the fetch under way.
        config.set("fetch.wait.max.ms", "100");
        config.set("queued.max.messages.kbytes", self.prefetch_kbytes(partitions).to_string());
        self.finish(config, GROUP_KEYS)
    }

    /// Half the memory budget is librdkafka's: so many kilobytes for each partition.
    fn prefetch_kbytes(&self, partitions: usize) -> usize {
        (self.memory_budget_bytes / 2 / 1024 / partitions.max(1)).clamp(64, 65_536)
    }

    /// Reads a state partition from its beginning.
    pub fn restorer(&self, names: &Names) -> ClientConfig {
        let mut config = self.fetcher(names, 1);
        config.set("client.id", "retain-restore");
        config.set("fetch.max.bytes", "8000000");
        config.set("fetch.message.max.bytes", "4000000");
        config
    }

    /// The member of a receiver's group: it is given partitions of the alerts, and fetches nothing.
    pub fn listener(&self, names: &Names, receiver: &str) -> ClientConfig {
        let mut config = self.member(names);
        config.set("client.id", "retain-notify");
        config.set("group.id", names.notify_group(receiver));
        config
    }

    /// Reads alerts and the notifier's records in partitions that it assigns itself; asks for the group's offsets.
    pub fn notifier(&self, names: &Names, receiver: &str) -> ClientConfig {
        let mut config = self.fetcher(names, 16);
        config.set("client.id", "retain-notify-read");
        config.set("group.id", names.notify_group(receiver));
        config
    }

    /// The carrier of rows: a plain group of its own, which may repeat.
    pub fn carrier(&self, names: &Names) -> ClientConfig {
        let mut config = self.base("sink");
        config.set("group.id", names.sink_group());
        config.set("enable.auto.commit", "false");
        config.set("enable.auto.offset.store", "false");
        config.set("auto.offset.reset", "earliest");
        config.set("isolation.level", "read_committed");
        config.set("fetch.queue.backoff.ms", "10");
        config.set("queued.max.messages.kbytes", "16384");
        if self.classic {
            config.set("partition.assignment.strategy", "range");
        } else {
            config.set("group.protocol", "consumer");
        }
        self.finish(config, &["partition.assignment.strategy", "group.remote.assignor"])
    }

    /// The transactional producer.
    pub fn producer(&self, transactional_id: &str) -> ClientConfig {
        let mut config = self.base("producer");
        config.set("transactional.id", transactional_id);
        config.set("transaction.timeout.ms", self.transaction_timeout_ms.to_string());
        config.set("compression.type", "lz4");
        config.set("linger.ms", "0");
        // A record that no broker took makes the commit fail; that the others were taken need not be told one by one.
        config.set("delivery.report.only.error", "true");
        // One record may be large (a dead letter of a source with a high limit); a request of many stays below the
        // broker's usual megabyte.
        config.set("message.max.bytes", "67108864");
        config.set("batch.size", "900000");
        config.set("queue.buffering.max.messages", "500000");
        config.set("queue.buffering.max.kbytes", "1048576");
        self.finish(config, GROUP_KEYS)
    }
}

/// Settings that only members of a group may have.
const GROUP_KEYS: &[&str] = &[
    "group.protocol",
    "group.remote.assignor",
    "partition.assignment.strategy",
    "group.instance.id",
    "session.timeout.ms",
    "heartbeat.interval.ms",
];

fn isolation(committed: bool) -> &'static str {
    if committed { "read_committed" } else { "read_uncommitted" }
}
