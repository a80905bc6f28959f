//! What people do about alerts, on its way to the pipeline: a letter of the mail topic, to the shard of the customer (of a
//! segment or an employee to shard 0).

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::client::ClientContext;
use rdkafka::error::KafkaError;
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::api::act::{Command, Commands, NotSent};
use super::client::{Link, REQUEST_TIMEOUT};
use super::generation::current;
use crate::api::answer;
use crate::flow::names::Names;
use crate::model::partition::{crc32_partition, murmur2_partition};
use crate::plan::{KeyFormat, Partitioner, Plan};
use crate::wire::mail::{Act, Mail, OUTSIDE, Said};

/// What the subject of an account's alert is called.
const ACCOUNT: &str = "account";
/// How long a broker may take to have a letter.
const SEND_TIMEOUT: Duration = Duration::from_secs(10);
/// How much longer is waited for the client to say so.
const FLUSH_MORE: Duration = Duration::from_secs(2);

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

/// Steps after which a letter may be with the brokers, whatever else they say.
const SENDING: [&str; 2] = ["writing to the mail topic", "waiting for the brokers"];

impl From<SendError> for NotSent {
    fn from(error: SendError) -> Self {
        match &error {
            SendError::Kafka { doing, .. } if SENDING.contains(doing) => {
                Self::Unsure(error.to_string())
            }
            _ => Self::Unwritten(error.to_string()),
        }
    }
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
    let bytes = Mail::Command(said.clone()).encode(OUTSIDE);
    write(link, names, |shards| {
        let to = shards_of(plan, &said.customer, shards).into_iter();
        to.map(|shard| (shard, bytes.clone())).collect()
    })
}

/// Writes letters into the mail of a generation, each with its shard, given how many there are; returns once the brokers have them.
///
/// # Errors
/// When they do not take them all.
pub fn write(
    link: &Link,
    names: &Names,
    letters: impl FnOnce(u16) -> Vec<(u16, Vec<u8>)>,
) -> Result<(), SendError> {
    let mut config = link.admin();
    config.set("enable.idempotence", "true");
    // what could not be written by then is not written later
    config.set("message.timeout.ms", SEND_TIMEOUT.as_millis().to_string());
    let producer: BaseProducer<Told> =
        config.create_with_context(Told::default()).map_err(doing("kafka settings"))?;
    let mail = names.mail();
    // all topics are asked for: asking for one that is missing may make it
    let metadata = producer
        .client()
        .fetch_metadata(None, REQUEST_TIMEOUT)
        .map_err(doing("looking at the mail topic"))?;
    let found = metadata.topics().iter().find(|topic| topic.name() == mail);
    let shards = u16::try_from(found.map_or(0, |topic| topic.partitions().len())).unwrap_or(0);
    if shards == 0 {
        return Err(SendError::Unfit(format!("there is no topic {mail}: has the pipeline run?")));
    }
    for (shard, bytes) in letters(shards) {
        let record = BaseRecord::<[u8], [u8]>::to(&mail).partition(i32::from(shard));
        producer
            .send(record.payload(&bytes))
            .map_err(|(error, _)| error)
            .map_err(doing(SENDING[0]))?;
    }
    producer.flush(SEND_TIMEOUT + FLUSH_MORE).map_err(doing(SENDING[1]))?;
    let refused = producer.context().0.lock().unwrap_or_else(PoisonError::into_inner).take();
    refused.map_or(Ok(()), |error| Err(doing(SENDING[0])(error)))
}

/// The shard of a customer (of an account, in a pipeline of accounts); with a partitioner that we do not know all of them: only the
/// customer's has heard of them. What has no customer is a segment or an employee: those are shard 0's.
fn shards_of(plan: &Plan, customer: &str, shards: u16) -> Vec<u16> {
    if customer.is_empty() {
        return vec![0];
    }
    let key = match plan.key_format {
        KeyFormat::Text => customer.as_bytes().to_vec(),
        KeyFormat::JsonString => serde_json::to_vec(customer).unwrap_or_default(),
    };
    match plan.partitioner {
        // words are placed by us
        _ if plan.accounts.is_some() => vec![murmur2_partition(customer.as_bytes(), shards)],
        Partitioner::Murmur2 => vec![murmur2_partition(&key, shards)],
        Partitioner::Crc32 => vec![crc32_partition(&key, shards)],
        Partitioner::Custom => (0..shards).collect(),
    }
}

/// The way of people's commands: what is about an account to the pipeline of accounts, all else to that of customers, each into the
/// generation that is the current one when it is said. What people see is that generation's, whatever this process runs.
#[must_use]
pub fn commands(link: Link, plans: Vec<Arc<Plan>>) -> Commands {
    Commands::new(move |command| {
        let said = said(command).ok_or_else(|| {
            NotSent::Unwritten("the command's id is not of 32 hexadecimal digits".to_owned())
        })?;
        let plan = pipeline_of(&plans, command).map_err(NotSent::Vain)?;
        let generation =
            current(&link, plan).map_err(|error| NotSent::Unwritten(error.to_string()))?;
        let names = Names::new(&plan.name, generation);
        Ok(send(&link, plan, &names, &said)?)
    })
}

/// The pipeline that an alert is of. Where several have subjects of its kind, the one whose rules know the alert's.
fn pipeline_of<'a>(plans: &'a [Arc<Plan>], command: &Command) -> Result<&'a Arc<Plan>, String> {
    let kind = &command.subject_kind;
    let of_kind = |plan: &&Arc<Plan>| plan.accounts.is_some() == (kind == ACCOUNT);
    let mut plans: Vec<&Arc<Plan>> = plans.iter().filter(of_kind).collect();
    if plans.len() > 1 {
        plans.retain(|plan| plan.alerts.find(&command.rule).is_some());
    }
    match plans.as_slice() {
        [plan] => Ok(plan),
        [] => Err(format!(
            "no pipeline of this process has alerts about a subject of kind {kind}: act where it runs, or name its definition"
        )),
        [first, second, ..] => Err(format!(
            "the pipelines {} and {} both have the rule {}: act by retain alert, naming the definition of the one that is meant",
            first.name, second.name, command.rule
        )),
    }
}

fn said(command: &Command) -> Option<Said> {
    let id = u128::from_str_radix(&command.id, 16).ok().filter(|_| command.id.len() == 32)?;
    Some(Said {
        id: id.to_be_bytes(),
        by: command.by.clone(),
        rule: command.rule.clone(),
        subject: command.subject.clone(),
        customer: match command.subject_kind.as_str() {
            ACCOUNT => command.subject.clone(),
            _ => command.customer.clone(),
        },
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

    #[test]
    fn what_is_about_an_account_goes_to_the_pipeline_of_accounts() {
        let plan = |text: &str| Arc::new(crate::plan::parse(text).0.unwrap());
        let customers = plan(include_str!("../../pipelines/customers.toml"));
        let accounts = plan(include_str!("../../pipelines/accounts.toml"));
        let both = [Arc::clone(&customers), Arc::clone(&accounts)];
        let command = Command {
            id: "0f".repeat(16),
            by: "ann".to_owned(),
            rule: "single_threaded".to_owned(),
            subject_kind: "account".to_owned(),
            subject: "A1".to_owned(),
            customer: String::new(),
            account: "A1".to_owned(),
            episode: 1,
            act: answer::Act::Acknowledge,
            until_ms: None,
            note: String::new(),
        };
        let name = |plans: &[Arc<Plan>], kind: &str| {
            let command = Command { subject_kind: kind.to_owned(), ..command.clone() };
            pipeline_of(plans, &command).map(|plan| plan.name.clone())
        };
        assert_eq!(name(&both, "ticket").as_deref(), Ok("customers"));
        assert_eq!(name(&both, "account").as_deref(), Ok("accounts"));
        assert!(name(&both[..1], "account").is_err_and(|why| why.contains("kind account")));
        let said = said(&command).unwrap();
        assert_eq!((said.id, said.customer.as_str()), ([0x0f; 16], "A1"));
        assert_eq!(shards_of(&accounts, &said.customer, 12), [murmur2_partition(b"A1", 12)]);
    }

    #[test]
    fn of_two_pipelines_of_customers_the_one_that_has_the_rule_is_meant() {
        let (plan, problems) = crate::plan::parse(include_str!("../../pipelines/customers.toml"));
        let plan = plan.unwrap_or_else(|| panic!("{problems:?}"));
        let ruled = |name: &str, rule: &str| {
            let text = format!(
                "[[alert]]\nname = \"{rule}\"\nabout = \"x\"\nraise = \"risk >= 0.6 else no\"\n\
                 clear = \"risk < 0.5 else yes\"\nnext_step = \"y\"\nevents = [\"purchase\"]\n"
            );
            let file = crate::plan::RuleFile { name: "rules.toml", text: &text };
            let (found, problems) = crate::plan::rules(&[file]);
            let alerts = Arc::new(found.unwrap_or_else(|| panic!("{problems:?}")).set);
            Arc::new(Plan { name: name.to_owned(), alerts, ..plan.clone() })
        };
        let [orders, contacts] = [ruled("orders", "falls"), ruled("contacts", "leaves")];
        let command = |rule: &str| Command {
            id: "0f".repeat(16),
            by: "ann".to_owned(),
            rule: rule.to_owned(),
            subject_kind: "customer".to_owned(),
            subject: "C1".to_owned(),
            customer: "C1".to_owned(),
            account: String::new(),
            episode: 1,
            act: answer::Act::Acknowledge,
            until_ms: None,
            note: String::new(),
        };
        let both = [Arc::clone(&orders), contacts];
        let name = |plans: &[Arc<Plan>], rule| {
            pipeline_of(plans, &command(rule)).map(|plan| plan.name.clone())
        };
        assert_eq!(name(&both, "falls").as_deref(), Ok("orders"));
        assert_eq!(name(&both, "leaves").as_deref(), Ok("contacts"));
        assert!(name(&both, "gone").is_err());
        let twins = [orders, ruled("other", "falls")];
        assert!(name(&twins, "falls").is_err_and(|why| why.contains("orders and other")));
        // where there is only one it is that, whatever it knows: it says that there is no such alert
        assert_eq!(name(&twins[..1], "gone").as_deref(), Ok("orders"));
    }
}
