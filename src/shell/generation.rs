//! The control topic: which generation is the current one, read, watched and changed by one copy at a time.
//!
//! Who changes it takes the transactional id `PIPELINE/control` first, which ends or fences whoever had it, then reads
//! to the end, decides, and commits: so no change is made on an old record (docs/decisions/0006).

mod watcher;

use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use crate::flow::generation::{Beginning, Control, Wanted};
use crate::flow::names::Names;
use crate::plan::Plan;

use super::client::{Link, REQUEST_TIMEOUT};
use super::clock::wall_ms;
use super::settings::Start;
use super::topics::{Found, TopicError, find_control, is_there, prepare_control};
pub use watcher::Watcher;

/// The key of the record.
const KEY: &str = "current";
/// How long reading the topic to its end may take.
const READ_TIMEOUT: Duration = Duration::from_secs(30);
/// How often a change is decided anew because another copy changed the record at the same moment.
const CHANGES_MAX: usize = 5;
/// How long a copy that was fenced waits for the record of the one that fenced it.
const FENCED_WAIT: Duration = Duration::from_millis(700);
/// By how much that wait differs between copies at most, milliseconds.
const FENCED_SPREAD_MS: u64 = 800;
/// How often it looks meanwhile.
const FENCED_LOOK: Duration = Duration::from_millis(50);

/// Why the generation is not known.
#[derive(Debug, thiserror::Error)]
pub enum GenerationError {
    /// The topic is not there and cannot be made.
    #[error(transparent)]
    Topics(#[from] TopicError),
    /// Kafka does not do what is needed.
    #[error("{what} {topic}: {source}; name the generation with --generation to go on without it")]
    Kafka {
        /// What was being done.
        what: &'static str,
        /// The topic.
        topic: String,
        /// The answer.
        source: KafkaError,
    },
    /// The decision is no; the sentence says why and what to do.
    #[error("{0}")]
    Refused(String),
}

/// Which generation is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// This one.
    Given(u32),
    /// The current one.
    Current,
    /// The next one, which replaces the current one when it has caught up.
    Rebuild {
        /// Records that are gone may be missing.
        accept_loss: bool,
    },
}

/// A generation that was chosen.
#[derive(Clone, Debug)]
pub struct Chosen {
    /// The generation.
    pub generation: u32,
    /// Where new shards of it begin; `None`: as the settings say.
    pub beginning: Option<Beginning>,
    /// Whether the views are to show it from the start.
    pub writes_views: bool,
    /// The control topic, where a copy follows it: it stops when it is replaced.
    pub control: Option<ControlTopic>,
    /// It is a rebuild, to be switched to when it has caught up.
    pub rebuilds: bool,
    /// Of a rebuild: the generation that it is to replace.
    pub replaces: Option<u32>,
}

impl Chosen {
    /// A generation without a control topic.
    pub fn given(generation: u32) -> Self {
        Self {
            generation,
            beginning: None,
            writes_views: true,
            control: None,
            rebuilds: false,
            replaces: None,
        }
    }

    fn of(control: &Control, generation: u32, topic: &ControlTopic) -> Self {
        Self {
            generation,
            beginning: control.began.get(&generation).cloned(),
            writes_views: control.generation == generation,
            control: Some(topic.clone()),
            rebuilds: control.is_rebuilding(generation),
            replaces: control.is_rebuilding(generation).then_some(control.generation),
        }
    }
}

/// Finds out which generation is meant. Blocks on Kafka.
///
/// `start` says where generation 1 begins when this is the pipeline's first start, which is then recorded; `None`
/// records nothing. `definition` is the version of the definition.
///
/// # Errors
/// See [`GenerationError`].
pub async fn choose(
    link: &Link,
    plan: &Plan,
    definition: &str,
    choice: Choice,
    start: Option<Start>,
) -> Result<Chosen, GenerationError> {
    let topic = ControlTopic::new(link, plan);
    match choice {
        Choice::Given(generation) => topic.known(plan, generation),
        Choice::Current => {
            let found = match prepare_control(link, plan).await {
                Ok(found) => found,
                // It was never there, so no rebuild ever was: without it none can be, but all else can.
                Err(error @ TopicError::Refused(_)) => {
                    tracing::warn!(%error, "no control topic: generation 1 is run, and cannot be rebuilt");
                    return Ok(Chosen::given(1));
                }
                Err(error) => return Err(error.into()),
            };
            topic.current(plan, &found, start)
        }
        Choice::Rebuild { accept_loss } => {
            let found = prepare_control(link, plan).await?;
            topic.rebuild(plan, &found, definition, accept_loss)
        }
    }
}

/// The generation that is current, without creating or recording anything; 1 when nothing is recorded.
///
/// # Errors
/// When the broker does not answer.
pub fn current(link: &Link, plan: &Plan) -> Result<u32, GenerationError> {
    current_of(link, &plan.name)
}

/// The same of the pipeline of that name.
///
/// # Errors
/// When the broker does not answer.
pub fn current_of(link: &Link, pipeline: &str) -> Result<u32, GenerationError> {
    let topic = ControlTopic::of(link, pipeline);
    if !is_there(link, &topic.names.control())? {
        return Ok(1);
    }
    Ok(topic.read()?.map_or(1, |control| control.generation))
}

/// The control topic of a pipeline.
#[derive(Clone, Debug)]
pub struct ControlTopic {
    link: Link,
    names: Names,
}

impl ControlTopic {
    /// That of a plan's pipeline.
    pub fn new(link: &Link, plan: &Plan) -> Self {
        Self::of(link, &plan.name)
    }

    fn of(link: &Link, pipeline: &str) -> Self {
        Self { link: link.clone(), names: Names::new(pipeline, 1) }
    }

    fn kafka(&self, what: &'static str) -> impl Fn(KafkaError) -> GenerationError {
        let topic = self.names.control();
        move |source| GenerationError::Kafka { what, topic: topic.clone(), source }
    }

    /// A generation that somebody has named: what is known of it, if anything is.
    fn known(&self, plan: &Plan, generation: u32) -> Result<Chosen, GenerationError> {
        let found = find_control(&self.link, plan).is_ok_and(|found| found.control);
        // A record that is there and cannot be read is no missing record: where the generation begins, and whether the
        // views show it, is not known.
        let control = if found { self.read()? } else { None };
        Ok(match control {
            Some(control) => {
                Chosen { rebuilds: false, control: None, ..Chosen::of(&control, generation, self) }
            }
            None => Chosen::given(generation),
        })
    }

    fn current(
        &self,
        plan: &Plan,
        found: &Found,
        start: Option<Start>,
    ) -> Result<Chosen, GenerationError> {
        let mut control = self.read()?;
        if let (None, Some(start)) = (&control, start)
            && found.sources.len() == plan.sources.len()
        {
            let began = match found.ran_before {
                true => None,
                false => Some(self.positions(found, start)?),
            };
            let first = Control::first(began, wall_ms());
            control = self.change(|now| Ok(now.is_none().then(|| first.clone())))?;
        }
        Ok(match control {
            Some(control) => Chosen::of(&control, control.generation, self),
            None => Chosen { control: Some(self.clone()), ..Chosen::given(1) },
        })
    }

    fn rebuild(
        &self,
        plan: &Plan,
        found: &Found,
        definition: &str,
        accept_loss: bool,
    ) -> Result<Chosen, GenerationError> {
        if found.sources.len() != plan.sources.len() {
            let is_there = |topic: &str| found.sources.iter().any(|(name, _)| name == topic);
            let missing = plan.sources.iter().map(|s| s.topic.as_str()).filter(|t| !is_there(t));
            return Err(GenerationError::Refused(format!(
                "source topic {} does not exist: create it, with as many partitions as the others",
                missing.collect::<Vec<_>>().join(", ")
            )));
        }
        let lows = self.positions(found, Start::Earliest)?;
        let wanted = Wanted { definition, lows: &lows, accept_loss };
        let control = self.change(|now| {
            let before = now.cloned().unwrap_or_else(|| Control::first(None, wall_ms()));
            let (next, _) = before.with_rebuild(wanted)?;
            Ok((Some(&next) != now).then_some(next))
        })?;
        let rebuild = control.as_ref().and_then(|c| Some((c, c.rebuilding.as_ref()?.generation)));
        match rebuild {
            Some((control, generation)) => Ok(Chosen::of(control, generation, self)),
            None => Err(GenerationError::Refused(
                "the rebuild was switched to at this moment: start again without --rebuild"
                    .to_owned(),
            )),
        }
    }

    /// The record as it stands.
    ///
    /// # Errors
    /// Kafka's, or a record that cannot be read.
    pub fn read(&self) -> Result<Option<Control>, GenerationError> {
        self.watch()?.read_to_end()
    }

    /// Changes the record: `decide` is given what stands there and says what is to stand there, `None` to leave it.
    /// Returns what stands there afterwards.
    ///
    /// # Errors
    /// Kafka's, and those of `decide`.
    pub fn change(
        &self,
        decide: impl Fn(Option<&Control>) -> Result<Option<Control>, String>,
    ) -> Result<Option<Control>, GenerationError> {
        let mut attempts = 1;
        loop {
            match self.try_change(&decide) {
                Err(GenerationError::Kafka { source, .. })
                    if is_fenced(&source) && attempts < CHANGES_MAX =>
                {
                    attempts += 1;
                    if let Some(settled) = self.let_the_other_finish(&decide)? {
                        return Ok(Some(settled));
                    }
                }
                ended => return ended,
            }
        }
    }

    /// Another copy took the transactional id: it is about to write. Waits a while, not the same for everybody (two
    /// that always came back at once would fence each other for ever), for its record to make ours needless.
    fn let_the_other_finish(
        &self,
        decide: impl Fn(Option<&Control>) -> Result<Option<Control>, String>,
    ) -> Result<Option<Control>, GenerationError> {
        use std::hash::{BuildHasher, RandomState};
        let spread_ms = RandomState::new().hash_one(std::process::id()) % FENCED_SPREAD_MS;
        let until = Instant::now() + FENCED_WAIT + Duration::from_millis(spread_ms);
        while Instant::now() < until {
            let stands = self.read()?;
            let settled = decide(stands.as_ref()).map_err(GenerationError::Refused)?.is_none();
            if settled && stands.is_some() {
                return Ok(stands);
            }
            std::thread::sleep(FENCED_LOOK);
        }
        Ok(None)
    }

    fn try_change(
        &self,
        decide: impl Fn(Option<&Control>) -> Result<Option<Control>, String>,
    ) -> Result<Option<Control>, GenerationError> {
        let kafka = self.kafka("changing");
        let config = self.link.producer(&self.names.control_id());
        let producer: BaseProducer = config.create().map_err(&kafka)?;
        producer.init_transactions(READ_TIMEOUT).map_err(&kafka)?;
        let before = self.read()?;
        let Some(after) = decide(before.as_ref()).map_err(GenerationError::Refused)? else {
            return Ok(before);
        };
        let value =
            serde_json::to_vec(&after).map_err(|e| GenerationError::Refused(e.to_string()))?;
        let topic = self.names.control();
        producer.begin_transaction().map_err(&kafka)?;
        let record = BaseRecord::to(&topic).partition(0).key(KEY).payload(&value);
        producer.send(record).map_err(|(error, _)| kafka(error))?;
        producer.commit_transaction(READ_TIMEOUT).map_err(&kafka)?;
        Ok(Some(after))
    }

    /// Where the source partitions begin.
    fn positions(&self, found: &Found, start: Start) -> Result<Beginning, GenerationError> {
        let mut places = Vec::new();
        for (topic, partitions) in &found.sources {
            places.extend(
                (0..*partitions).map(|p| (topic.as_str(), i32::try_from(p).unwrap_or(i32::MAX))),
            );
        }
        let kafka = self.kafka("asking where the sources begin, for");
        let consumer = self.link.query(&self.names, true).create().map_err(&kafka)?;
        let of = |offset| ask(&consumer, &places, offset).map_err(&kafka);
        let low = of(Offset::Beginning)?;
        let positions = match start {
            Start::Earliest => low,
            Start::Latest => of(Offset::End)?,
            Start::At(ms) => {
                // After the last record no offset has that time: the end then.
                let (at, end) = (of(Offset::Offset(ms))?, of(Offset::End)?);
                at.iter().zip(end).map(|(at, end)| if *at < 0 { end } else { *at }).collect()
            }
        };
        let mut beginning = Beginning::new();
        for ((topic, _), position) in places.iter().zip(positions) {
            beginning.entry((*topic).to_owned()).or_default().push(position.max(0));
        }
        Ok(beginning)
    }
}

fn is_fenced(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    let fenced = [
        RDKafkaErrorCode::Fenced,
        RDKafkaErrorCode::ProducerFenced,
        RDKafkaErrorCode::InvalidProducerEpoch,
    ];
    code.is_some_and(|code| fenced.contains(&code))
}

/// The offsets of places at a logical offset or time; -1 where there is none.
pub(super) fn ask(
    consumer: &BaseConsumer,
    places: &[(&str, i32)],
    offset: Offset,
) -> KafkaResult<Vec<i64>> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in places {
        list.add_partition_offset(topic, *partition, offset)?;
    }
    let answer = consumer.offsets_for_times(list, REQUEST_TIMEOUT)?;
    let of = |(topic, partition): &(&str, i32)| {
        let Some(element) = answer.find_partition(topic, *partition) else {
            return Ok(-1);
        };
        element.error()?;
        Ok(match element.offset() {
            Offset::Offset(offset) => offset,
            _ => -1,
        })
    };
    places.iter().map(of).collect()
}
