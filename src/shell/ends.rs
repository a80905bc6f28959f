//! Asks the broker where the source partitions end, for all shards we hold, at most once a second; and tells the
//! status what grows with time alone.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaResult;
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use super::client::REQUEST_TIMEOUT;
use super::clock::PipelineClock;
use super::observe::Observer;
use super::quiet::{Calm, Quiet};

/// How often is asked.
const INTERVAL: Duration = Duration::from_secs(1);

/// One answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// When the question was sent, on the pipeline's clock: what came later is not in the answer.
    pub asked_ms: i64,
    /// The last stable offset, by source.
    pub ends: Vec<i64>,
}

/// The last answer of each shard.
#[derive(Debug, Default)]
pub struct Ends {
    answers: Mutex<BTreeMap<u16, Answer>>,
    held: Mutex<Vec<u16>>,
    trouble: Mutex<Option<String>>,
}

impl Ends {
    /// Which shards to ask for.
    pub fn hold(&self, shards: Vec<u16>) {
        self.answers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .retain(|shard, _| shards.contains(shard));
        *self.held.lock().unwrap_or_else(PoisonError::into_inner) = shards;
    }

    /// Why the last question had no answer; `None` when it had one.
    pub fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The last answer for a shard.
    pub fn of(&self, shard: u16) -> Option<Answer> {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).get(&shard).cloned()
    }
}

/// Asks until `quit` is closed. `client` must read `read_committed`: then the end is the last stable offset.
pub fn run(
    client: &ClientConfig,
    topics: &[String],
    clock: &PipelineClock,
    ends: &Arc<Ends>,
    observer: &Observer,
    quit: &Receiver<()>,
) {
    let calm = Calm::default();
    let mut asker = None;
    while let Err(RecvTimeoutError::Timeout) = quit.recv_timeout(INTERVAL) {
        observer.time_is(clock.now_ms());
        let held = ends.held.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if held.is_empty() {
            continue;
        }
        match ask(&mut asker, client, topics, &held, clock) {
            Ok(answers) => {
                observer.board.update(|status| status.ends_unknown = None);
                for (shard, answer) in &answers {
                    observer.ends(*shard, &answer.ends);
                }
                *ends.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
                let mut known = ends.answers.lock().unwrap_or_else(PoisonError::into_inner);
                known.extend(answers);
            }
            // Without an answer the watermark stands: time has not certainly passed.
            Err(error) => {
                // A client that knows a leader of before a broker's restart goes on asking with that
                // (docs/decisions/0008).
                asker = None;
                let why = error.to_string();
                if let Some(left_out) = calm.say(&why) {
                    tracing::warn!(%error, left_out, "the ends of the sources are not known");
                }
                let mut trouble = ends.trouble.lock().unwrap_or_else(PoisonError::into_inner);
                *trouble = Some(why.clone());
                drop(trouble);
                observer.board.update(|status| status.ends_unknown = Some(why));
            }
        }
    }
}

fn ask(
    asker: &mut Option<BaseConsumer<Quiet>>,
    client: &ClientConfig,
    topics: &[String],
    shards: &[u16],
    clock: &PipelineClock,
) -> KafkaResult<Vec<(u16, Answer)>> {
    let consumer = match asker {
        Some(consumer) => consumer,
        None => asker.insert(client.create_with_context(Quiet::default())?),
    };
    // Nobody else takes this client's events; while no broker answers there are many.
    while consumer.poll(Duration::ZERO).is_some() {}
    let asked_ms = clock.now_ms();
    let mut list = TopicPartitionList::new();
    for topic in topics {
        for shard in shards {
            list.add_partition_offset(topic, i32::from(*shard), Offset::End)?;
        }
    }
    let answer = consumer.offsets_for_times(list, REQUEST_TIMEOUT)?;
    let end = |topic: &String, shard: u16| {
        let element = answer.find_partition(topic, i32::from(shard))?;
        match (element.error(), element.offset()) {
            (Ok(()), Offset::Offset(offset)) => Some(offset),
            _ => None,
        }
    };
    let known = shards.iter().filter_map(|&shard| {
        let ends = topics.iter().map(|topic| end(topic, shard)).collect::<Option<Vec<_>>>()?;
        Some((shard, Answer { asked_ms, ends }))
    });
    Ok(known.collect())
}
