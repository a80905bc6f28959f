//! The topics: the sources are counted, our own are created with the right settings or checked.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::admin::{
    AdminClient, AdminOptions, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::error::RDKafkaErrorCode;

use crate::flow::guard::{self, Counted};
use crate::flow::names::Names;
use crate::plan::Plan;

use super::client::{Link, REQUEST_TIMEOUT};
use super::diagnose::why_unreachable;
use super::quiet::Quiet;

/// Why the topics cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TopicError {
    /// The topics are not as they must be; the sentence names the cure.
    #[error("{0}")]
    Refused(String),
    /// The broker does not answer.
    #[error("kafka at {brokers} does not answer: {told}")]
    Unreachable {
        /// Where we asked.
        brokers: String,
        /// What came of the request, the cause as far as it can be heard, and the settings to look at.
        told: String,
    },
}

/// What the topics are like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    /// Partitions of every source, and so of our own topics.
    pub shards: u16,
    /// Largest record each dead-letter topic takes, bytes, and its partitions; by source.
    pub dead_letters: Vec<DeadLetterTopic>,
}

/// What a dead-letter topic takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeadLetterTopic {
    /// Its name.
    pub name: String,
    /// Its partitions.
    pub partitions: u16,
    /// `max.message.bytes`.
    pub bytes_max: usize,
}

/// Kafka's default for `max.message.bytes`: for brokers that cannot say.
const MESSAGE_BYTES_MAX: usize = 1_048_588;
/// How much larger than the source's the limit of its dead-letter topic is, for the headers.
const DEAD_LETTER_ROOM_BYTES: usize = 65_536;

/// How long a broker may take to say what its topics are like; one that cannot say is not waited for.
const DESCRIBE_TIMEOUT: Duration = Duration::from_secs(3);

/// A setting with its value.
type Setting = (&'static str, &'static str);

const LOG_APPEND: Setting = ("message.timestamp.type", "LogAppendTime");
/// A customer's whole state, or a block of rows, is one record: a large one must never poison its shard.
const LARGE: Setting = ("max.message.bytes", "16777216");
const MEDIUM: Setting = ("max.message.bytes", "2097152");

/// What is made at creation for each of our own topics; what correctness hangs on is also checked.
fn own_topics(names: &Names) -> Vec<(String, Vec<Setting>)> {
    let compacted = |lag: &'static [Setting]| {
        let mut settings =
            vec![LOG_APPEND, ("cleanup.policy", "compact"), ("delete.retention.ms", "604800000")];
        settings.extend_from_slice(lag);
        settings
    };
    let kept = || {
        vec![
            LOG_APPEND,
            ("cleanup.policy", "delete"),
            ("retention.ms", "-1"),
            ("retention.bytes", "-1"),
        ]
    };
    // Segments are rolled and compacted daily, so that a restart reads little more than the live state.
    let state: &[Setting] = &[("max.compaction.lag.ms", "86400000"), ("segment.ms", "21600000")];
    let lagged: &[Setting] = &[("min.compaction.lag.ms", "604800000")];
    let with = |mut settings: Vec<Setting>, more: Setting| {
        settings.push(more);
        settings
    };
    let mut alerts = compacted(lagged);
    alerts.push(("retention.ms", "-1"));
    vec![
        (names.state(), with(compacted(state), LARGE)),
        (names.mail(), with(kept(), MEDIUM)),
        (names.rows(), with(kept(), LARGE)),
        (names.signals(), with(compacted(lagged), MEDIUM)),
        (names.alerts(), alerts),
        (names.notified(), compacted(lagged)),
        (names.undelivered(), kept()),
    ]
}

/// Counts the sources, and creates or checks what is ours.
///
/// # Errors
/// When a topic is missing or not as it must be, with the cure, or when the broker does not answer.
pub async fn prepare(link: &Link, plan: &Plan, names: &Names) -> Result<Topics, TopicError> {
    let unreachable = |answer| unreachable(link, answer);
    let admin: AdminClient<Quiet> =
        link.admin().create_with_context(Quiet::default()).map_err(unreachable)?;
    let before = counts(&admin).map_err(unreachable)?;
    let counted = |topic: &str| Counted {
        topic: topic.to_owned(),
        partitions: before.iter().find(|(name, _)| name == topic).map(|(_, count)| *count),
    };
    let sources: Vec<Counted> = plan.sources.iter().map(|s| counted(&s.topic)).collect();
    let shards = guard::shards(&sources, plan.partitioner).map_err(TopicError::Refused)?;

    let own = own_topics(names);
    let letters: Vec<String> = plan.sources.iter().map(|s| Names::dead_letters(&s.topic)).collect();
    let all = own.iter().map(|(name, _)| name).chain(&letters).map(String::as_str);
    let all = all.chain(plan.sources.iter().map(|s| s.topic.as_str()));
    let known: Vec<&str> = all.filter(|name| counted(name).partitions.is_some()).collect();
    let described = describe(&admin, &known).await;
    for (name, settings) in &own {
        match counted(name).partitions {
            Some(partitions) => {
                guard::own_topic(name, partitions, shards).map_err(TopicError::Refused)?;
                check(&described, name, settings)?;
                if settings.contains(&LARGE) {
                    check_large(&described, name)?;
                }
            }
            None => create(&admin, link, name, shards, settings).await?,
        }
    }
    let found = Seen { counts: before, described };
    let dead_letters = dead_letter_topics(&admin, link, plan, shards, &found).await?;
    Ok(Topics { shards, dead_letters })
}

/// What the broker had at the start.
struct Seen {
    counts: Vec<(String, usize)>,
    described: Described,
}

/// Creates the dead-letter topics that are missing, and says what each takes.
async fn dead_letter_topics(
    admin: &AdminClient<Quiet>,
    link: &Link,
    plan: &Plan,
    shards: u16,
    found: &Seen,
) -> Result<Vec<DeadLetterTopic>, TopicError> {
    let mut dead_letters = Vec::new();
    for source in &plan.sources {
        let name = Names::dead_letters(&source.topic);
        let wanted = message_bytes_max(&found.described, &source.topic) + DEAD_LETTER_ROOM_BYTES;
        let there = found.counts.iter().find(|(topic, _)| *topic == name);
        let (partitions, bytes_max) = match there {
            Some((_, partitions)) => (*partitions, message_bytes_max(&found.described, &name)),
            None => {
                let limit = wanted.to_string();
                let settings = [
                    LOG_APPEND,
                    ("cleanup.policy", "delete"),
                    ("retention.ms", "-1"),
                    ("max.message.bytes", &limit),
                ];
                create(admin, link, &name, shards, &settings).await?;
                (usize::from(shards), wanted)
            }
        };
        let partitions = u16::try_from(partitions).unwrap_or(u16::MAX).max(1);
        dead_letters.push(DeadLetterTopic { name, partitions, bytes_max });
    }
    Ok(dead_letters)
}

/// What there is of the control topic, and of the topics that tell whether the pipeline ever ran.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Partitions of each source topic that exists.
    pub sources: Vec<(String, usize)>,
    /// Whether the control topic existed already.
    pub control: bool,
    /// Whether generation 1 has a state topic.
    pub ran_before: bool,
}

/// Creates the control topic unless it is there.
///
/// # Errors
/// When the broker does not answer, or does not let us create it.
pub async fn prepare_control(link: &Link, plan: &Plan) -> Result<Found, TopicError> {
    let found = find_control(link, plan)?;
    if !found.control {
        let name = Names::new(&plan.name, 1).control();
        let settings = [LOG_APPEND, ("cleanup.policy", "compact")];
        let admin: AdminClient<Quiet> =
            link.admin().create_with_context(Quiet::default()).map_err(|e| unreachable(link, e))?;
        create(&admin, link, &name, 1, &settings).await?;
    }
    Ok(found)
}

/// Looks for the control topic.
///
/// # Errors
/// When the broker does not answer.
pub fn find_control(link: &Link, plan: &Plan) -> Result<Found, TopicError> {
    let unreachable = |e| unreachable(link, e);
    let admin: AdminClient<Quiet> =
        link.admin().create_with_context(Quiet::default()).map_err(unreachable)?;
    let there = counts(&admin).map_err(unreachable)?;
    let first = Names::new(&plan.name, 1);
    let is_there = |name: String| there.iter().any(|(there, _)| *there == name);
    let is_source = |name: &str| plan.sources.iter().any(|s| s.topic == name);
    Ok(Found {
        control: is_there(first.control()),
        ran_before: is_there(first.state()),
        sources: there.iter().filter(|(name, _)| is_source(name)).cloned().collect(),
    })
}

/// Whether a topic is there.
///
/// # Errors
/// When the broker does not answer.
pub fn is_there(link: &Link, topic: &str) -> Result<bool, TopicError> {
    let unreachable = |e| unreachable(link, e);
    let admin: AdminClient<Quiet> =
        link.admin().create_with_context(Quiet::default()).map_err(unreachable)?;
    Ok(counts(&admin).map_err(unreachable)?.iter().any(|(there, _)| there == topic))
}

fn unreachable(link: &Link, answer: rdkafka::error::KafkaError) -> TopicError {
    let told = format!("{answer}; {}", why_unreachable(link));
    TopicError::Unreachable { brokers: link.brokers.clone(), told }
}

/// All topics and their partition counts.
fn counts(admin: &AdminClient<Quiet>) -> Result<Vec<(String, usize)>, rdkafka::error::KafkaError> {
    let metadata = admin.inner().fetch_metadata(None, REQUEST_TIMEOUT)?;
    let topics = metadata.topics().iter();
    Ok(topics.map(|t| (t.name().to_owned(), t.partitions().len())).filter(|t| t.1 > 0).collect())
}

fn options() -> AdminOptions {
    AdminOptions::new()
        .request_timeout(Some(REQUEST_TIMEOUT))
        .operation_timeout(Some(REQUEST_TIMEOUT))
}

async fn create(
    admin: &AdminClient<Quiet>,
    link: &Link,
    name: &str,
    shards: u16,
    settings: &[(&str, &str)],
) -> Result<(), TopicError> {
    let replication = TopicReplication::Fixed(link.replication_factor);
    let mut topic = NewTopic::new(name, i32::from(shards), replication);
    for (key, value) in settings {
        topic = topic.set(key, value);
    }
    let unreachable = |answer| unreachable(link, answer);
    let results = admin.create_topics([&topic], &options()).await.map_err(unreachable)?;
    for result in results {
        match result {
            // Another copy was quicker.
            Ok(_) | Err((_, RDKafkaErrorCode::TopicAlreadyExists)) => {}
            Err((topic, code)) => {
                let copies = link.replication_factor;
                let why = not_created(&topic, code, shards, settings, copies);
                return Err(TopicError::Refused(why));
            }
        }
    }
    await_leaders(admin, name, shards, unreachable).await
}

/// Why a topic of ours was not created, and what helps.
fn not_created(
    topic: &str,
    code: RDKafkaErrorCode,
    shards: u16,
    settings: &[(&str, &str)],
    copies: i32,
) -> String {
    let wanted = settings.iter().map(|(k, v)| format!("{k}={v}")).collect::<Vec<_>>().join(" ");
    match code {
        RDKafkaErrorCode::PolicyViolation | RDKafkaErrorCode::InvalidConfig => format!(
            "could not create topic {topic}: {code}; this Kafka does not allow one of {wanted}: a managed one often \
             limits max.message.bytes, have that limit raised, or create the topic yourself with {shards} partitions and \
             these settings"
        ),
        _ => format!(
            "could not create topic {topic}: {code}; create it with {shards} partitions and {wanted}, or allow this user \
             to create topics (check kafka.replication_factor, which is {copies})"
        ),
    }
}

/// Waits until every partition of a topic that was just created has a leader.
async fn await_leaders(
    admin: &AdminClient<Quiet>,
    name: &str,
    shards: u16,
    unreachable: impl Fn(rdkafka::error::KafkaError) -> TopicError,
) -> Result<(), TopicError> {
    let deadline = tokio::time::Instant::now() + REQUEST_TIMEOUT;
    loop {
        let metadata =
            admin.inner().fetch_metadata(Some(name), REQUEST_TIMEOUT).map_err(&unreachable)?;
        let led = metadata.topics().iter().flat_map(|t| t.partitions()).filter(|p| p.leader() >= 0);
        if led.count() == usize::from(shards) {
            return Ok(());
        }
        if tokio::time::Instant::now() >= deadline {
            return Err(TopicError::Refused(format!(
                "topic {name} was created, but not all of its partitions have a leader: check the brokers, then start \
                 again"
            )));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Checks the settings that correctness hangs on: nothing of ours may be deleted unread, or kept where it must go.
fn check(described: &Described, name: &str, settings: &[Setting]) -> Result<(), TopicError> {
    for (key, wanted) in settings {
        if !["cleanup.policy", "retention.ms", "retention.bytes", "message.timestamp.type"]
            .contains(key)
        {
            continue;
        }
        // Where a broker cannot say, that is no error.
        let Some(value) = described.get(&(name.to_owned(), (*key).to_owned())) else {
            continue;
        };
        if value != wanted {
            return Err(TopicError::Refused(format!(
                "topic {name} has {key}={value}, it must be {wanted}, else what was not read yet could be lost: \
                 kafka-configs --alter --entity-type topics --entity-name {name} --add-config {key}={wanted}"
            )));
        }
    }
    Ok(())
}

/// Checks that a topic takes our largest records; one that takes larger ones is fine.
fn check_large(described: &Described, name: &str) -> Result<(), TopicError> {
    let (key, wanted) = LARGE;
    let Some(value) = described.get(&(name.to_owned(), key.to_owned())) else {
        return Ok(());
    };
    let bytes = |text: &str| text.parse::<u64>().ok();
    if bytes(value).is_none_or(|value| Some(value) >= bytes(wanted)) {
        return Ok(());
    }
    Err(TopicError::Refused(format!(
        "topic {name} has {key}={value}, it must be at least {wanted}, else a large record could stop its shard: \
         kafka-configs --alter --entity-type topics --entity-name {name} --add-config {key}={wanted}"
    )))
}

/// Settings by topic and key; empty where the broker cannot say.
type Described = BTreeMap<(String, String), String>;

async fn describe(admin: &AdminClient<Quiet>, names: &[&str]) -> Described {
    let topics: Vec<ResourceSpecifier<'_>> =
        names.iter().map(|name| ResourceSpecifier::Topic(name)).collect();
    let options = AdminOptions::new().request_timeout(Some(DESCRIBE_TIMEOUT));
    let Ok(results) = admin.describe_configs(&topics, &options).await else {
        return Described::new();
    };
    let mut described = Described::new();
    for resource in results.into_iter().flatten() {
        let OwnedResourceSpecifier::Topic(topic) = &resource.specifier else {
            continue;
        };
        for entry in resource.entries {
            if let Some(value) = entry.value {
                described.insert((topic.clone(), entry.name), value);
            }
        }
    }
    described
}

fn message_bytes_max(described: &Described, name: &str) -> usize {
    let value = described.get(&(name.to_owned(), "max.message.bytes".to_owned()));
    value.and_then(|value| value.parse().ok()).unwrap_or(MESSAGE_BYTES_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_managed_kafka_that_limits_records_is_named_with_the_setting() {
        let settings = [LARGE, ("cleanup.policy", "compact")];
        for code in [RDKafkaErrorCode::PolicyViolation, RDKafkaErrorCode::InvalidConfig] {
            let why = not_created("shop.g1.state", code, 12, &settings, -1);
            assert!(why.contains("shop.g1.state") && why.contains("12 partitions"), "{why}");
            assert!(why.contains("max.message.bytes=16777216"), "{why}");
            assert!(why.contains("have that limit raised"), "{why}");
        }
        let code = RDKafkaErrorCode::TopicAuthorizationFailed;
        let why = not_created("shop.g1.state", code, 12, &settings, 3);
        assert!(why.contains("allow this user to create topics"), "{why}");
    }

    #[test]
    fn state_and_rows_take_large_records() {
        let own = own_topics(&Names::new("shop", 1));
        let large = own.iter().filter(|(_, settings)| settings.contains(&LARGE));
        let names: Vec<&str> = large.map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["shop.g1.state", "shop.g1.rows"]);
    }
}
