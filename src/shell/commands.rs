//! What people do about alerts, on its way to the pipeline: a letter of the mail topic, to the shard of the customer (of a
//! segment to shard 0).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::api::act::{Command, Commands};
use super::client::{Link, REQUEST_TIMEOUT};
use crate::api::answer;
use crate::flow::names::Names;
use crate::model::partition::{crc32_partition, murmur2_partition};
use crate::plan::{KeyFormat, Partitioner, Plan};
use crate::wire::mail::{Act, Mail, OUTSIDE, Said};

/// How long a broker may take to have a letter.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);

/// Why a command did not arrive.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// It is not a command.
    #[error("{0}")]
    Unfit(String),
    /// Kafka, and what we were about to do.
    #[error("{doing}: {error}")]
    Kafka {
        /// What we were about to do.
        doing: &'static str,
        /// What it said.
        error: KafkaError,
    },
}

fn doing(doing: &'static str) -> impl FnOnce(KafkaError) -> SendError {
    move |error| SendError::Kafka { doing, error }
}

/// Keeps what a broker refused.
#[derive(Default)]
struct Told(Mutex<Option<KafkaError>>);

impl ClientContext for Told {
    /// The send that fails says why.
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "librdkafka");
    }
}

impl ProducerContext for Told {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error.clone());
        }
    }
}

/// Writes what a person says into the mail of a generation; returns once the brokers have it.
///
/// # Errors
/// When they do not take it. Sent again with the same id it still takes effect once.
pub fn send(link: &Link, plan: &Plan, names: &Names, said: &Said) -> Result<(), SendError> {
    let mut config = link.admin();
    config.set("enable.idempotence", "true");
    let producer: BaseProducer<Told> =
        config.create_with_context(Told::default()).map_err(doing("kafka settings"))?;
    let mail = names.mail();
    let metadata = producer
        .client()
        .fetch_metadata(Some(&mail), REQUEST_TIMEOUT)
        .map_err(doing("looking at the mail topic"))?;
    let partitions = metadata.topics().iter().map(|topic| topic.partitions().len()).sum::<usize>();
    let shards = u16::try_from(partitions).unwrap_or(0);
    if shards == 0 {
        return Err(SendError::Unfit(format!("there is no topic {mail}: has the pipeline run?")));
    }
    let bytes = Mail::Command(said.clone()).encode(OUTSIDE);
    for shard in shards_of(plan, &said.customer, shards) {
        let record = BaseRecord::<[u8], [u8]>::to(&mail).partition(i32::from(shard));
        producer
            .send(record.payload(&bytes))
            .map_err(|(error, _)| error)
            .map_err(doing("writing to the mail topic"))?;
    }
    producer.flush(SEND_TIMEOUT).map_err(doing("waiting for the brokers"))?;
    let refused = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take();
    refused.map_or(Ok(()), |error| Err(doing("writing to the mail topic")(error)))
}

/// The shard of a customer; with a partitioner that we do not know all of them: only the customer's has heard of them. What has no
/// customer is a segment: those are shard 0's.
fn shards_of(plan: &Plan, customer: &str, shards: u16) -> Vec<u16> {
    if customer.is_empty() {
        return vec![0];
    }
    let key = match plan.key_format {
        KeyFormat::Text => customer.as_bytes().to_vec(),
        KeyFormat::JsonString => serde_json::to_vec(customer).unwrap_or_default(),
    };
    match plan.partitioner {
        Partitioner::Murmur2 => vec![murmur2_partition(&key, shards)],
        Partitioner::Crc32 => vec![crc32_partition(&key, shards)],
        Partitioner::Custom => (0..shards).collect(),
    }
}

/// The way of the interface's commands into a generation.
#[must_use]
pub fn commands(link: Link, plan: Arc<Plan>, names: Names) -> Commands {
    Commands::new(move |command| {
        let said = said(command).ok_or("the command's id is not of 32 hexadecimal digits")?;
        send(&link, &plan, &names, &said).map_err(|error| error.to_string())
    })
}

fn said(command: &Command) -> Option<Said> {
    let id = u128::from_str_radix(&command.id, 16).ok().filter(|_| command.id.len() == 32)?;
    Some(Said {
        id: id.to_be_bytes(),
        by: command.by.clone(),
        rule: command.rule.clone(),
        subject: command.subject.clone(),
        customer: command.customer.clone(),
        episode: command.episode,
        act: match command.act {
            answer::Act::Acknowledge => Act::Acknowledge,
            answer::Act::Snooze => Act::Snooze,
            answer::Act::Resolve => Act::Resolve,
            answer::Act::Reopen => Act::Reopen,
        },
        until_ms: command.until_ms,
        note: command.note.clone(),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn commands_go_where_the_customers_records_go() {
        let (plan, problems) = crate::plan::parse(include_str!("../../pipelines/customers.toml"));
        let mut plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
        let of = |plan: &Plan| shards_of(plan, "C-4711", 12);
        assert_eq!(of(&plan), [murmur2_partition(b"C-4711", 12)]);
        plan.key_format = KeyFormat::JsonString;
        plan.partitioner = Partitioner::Crc32;
        assert_eq!(of(&plan), [crc32_partition(b"\"C-4711\"", 12)]);
        assert_eq!(shards_of(&plan, "", 12), [0], "a segment");
        plan.partitioner = Partitioner::Custom;
        assert_eq!(of(&plan), (0..12).collect::<Vec<u16>>());
    }
}
