//! A running copy follows the control topic: it stops when its generation is replaced, and a rebuild takes over when
//! it has caught up. Meanwhile a rebuild hears what people do about the alerts of the generation that it is to replace.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use clickhouse::Client;
use tokio::runtime::Handle;

use crate::flow::generation::{Chase, Control, behind};
use crate::flow::names::Names;
use crate::plan::Plan;
use crate::wire::mail::{Mail, OUTSIDE};

use super::acts::ActsReader;
use super::client::Link;
use super::clock::wall_ms;
use super::commands::{SendError, write};
use super::generation::{ControlTopic, GenerationError};
use super::migrate::write_views;
use super::progress::Progress;
use super::views::Databases;

/// How long a look at the control topic waits for news.
const LOOK: Duration = Duration::from_millis(500);
/// How often a rebuild is asked how far it is.
const ASK: Duration = Duration::from_secs(1);
/// How often it is said how far it is.
const SAY: Duration = Duration::from_secs(10);
/// So much of what was done before it began is told, too: clocks differ.
const OVERLAP_MS: i64 = 60_000;
/// How long writing the views may take: the copy cannot stop meanwhile.
const SHOW_LONGEST: Duration = Duration::from_secs(30);

/// What following needs.
pub struct Follow {
    /// How to reach Kafka.
    pub link: Link,
    /// The plan.
    pub plan: Arc<Plan>,
    /// The generation that this copy runs.
    pub generation: u32,
    /// The control topic.
    pub control: ControlTopic,
    /// It is a rebuild, to be switched to.
    pub rebuilds: bool,
    /// Of a rebuild: the generation that it is to replace.
    pub replaces: Option<u32>,
    /// Where the views are.
    pub views: (Client, Databases),
    /// Ends the copy.
    pub quit: Arc<AtomicBool>,
}

/// What people do about the alerts of the generation before.
struct Acts {
    /// From when on it is told, wall clock, milliseconds: shards that begin later have read what was before.
    since_ms: i64,
    reader: Option<ActsReader>,
}

/// The rebuild's progress.
struct Rebuild {
    progress: Option<Progress>,
    chase: Chase,
    began: Instant,
    asked: Option<Instant>,
    said: Option<Instant>,
}

impl Follow {
    /// Follows on a thread of its own until `quit`; sets it when the copy must stop. The thread returns why.
    ///
    /// # Errors
    /// When the thread cannot be started.
    pub fn start(self) -> std::io::Result<JoinHandle<Option<String>>> {
        let tokio = Handle::current();
        std::thread::Builder::new().name("retain-control".to_owned()).spawn(move || {
            let why = self.run(&tokio);
            if why.is_some() {
                self.quit.store(true, Ordering::SeqCst);
            }
            why
        })
    }

    fn run(&self, tokio: &Handle) -> Option<String> {
        let mut watcher = None;
        let mut shows_us = false;
        let mut acts = Acts { since_ms: wall_ms() - OVERLAP_MS, reader: None };
        let mut rebuild = self.rebuilds.then(|| Rebuild {
            progress: None,
            chase: Chase::default(),
            began: Instant::now(),
            asked: None,
            said: None,
        });
        while !self.quit.load(Ordering::SeqCst) {
            if let Some(generation) = self.replaces {
                self.pass_on(generation, &mut acts);
            }
            if watcher.is_none() {
                match self.control.watch() {
                    Ok(new) => watcher = Some(new),
                    Err(error) => self.trouble(&error),
                }
            }
            let Some(watching) = &mut watcher else {
                continue;
            };
            let control = match watching.poll(LOOK) {
                Ok(control) => control.cloned(),
                Err(error) => {
                    self.trouble(&error);
                    None
                }
            };
            let Some(control) = control else { continue };
            if let Some(why) = control.stops(self.generation) {
                return Some(why);
            }
            if let Some(rebuild) =
                rebuild.as_mut().filter(|_| control.is_rebuilding(self.generation))
            {
                if let Err(error) = self.step(rebuild) {
                    self.trouble(&error);
                }
            } else if self.rebuilds && !shows_us && control.generation == self.generation {
                shows_us = self.show(tokio, &control);
            }
        }
        None
    }

    /// Tells the rebuild what people have done since it began, also after the switch: copies of the old generation take a moment to end.
    /// What it was told before changes nothing, so after trouble all of it is told again.
    fn pass_on(&self, generation: u32, acts: &mut Acts) {
        let told = self.try_pass_on(generation, acts);
        if let Err(error) = told {
            acts.reader = None;
            tracing::warn!(%error, "telling the rebuild what people do about alerts");
        }
    }

    fn try_pass_on(&self, generation: u32, acts: &mut Acts) -> Result<(), SendError> {
        let doing = "reading what people have done about alerts";
        let kafka = |error| SendError::Kafka { doing, error };
        let reader = match &mut acts.reader {
            Some(reader) => reader,
            None => {
                let names = Names::new(&self.plan.name, generation);
                let mut new = ActsReader::new(&self.link, &names).map_err(kafka)?;
                new.from_moment(acts.since_ms).map_err(kafka)?;
                acts.reader.insert(new)
            }
        };
        let mut letters = Vec::new();
        reader.poll(Duration::ZERO, &mut |shard, acted| {
            letters.push((shard, Mail::Acted(acted).encode(OUTSIDE)));
        });
        if letters.is_empty() {
            return Ok(());
        }
        let names = Names::new(&self.plan.name, self.generation);
        write(&self.link, &names, |shards| {
            letters.retain(|(shard, _)| *shard < shards);
            letters
        })
    }

    /// Kafka or ClickHouse may be away: what they were asked is asked again.
    fn trouble(&self, error: &GenerationError) {
        tracing::warn!(%error, "following the control topic");
        std::thread::sleep(LOOK);
    }

    /// Asks how far the rebuild is; makes it the current generation when it has caught up.
    fn step(&self, rebuild: &mut Rebuild) -> Result<(), GenerationError> {
        if rebuild.asked.is_some_and(|at| at.elapsed() < ASK) {
            return Ok(());
        }
        rebuild.asked = Some(Instant::now());
        let names = Names::new(&self.plan.name, self.generation);
        let kafka = |source| GenerationError::Kafka {
            what: "asking how far the rebuild is, for",
            topic: names.group(),
            source,
        };
        let progress = match &rebuild.progress {
            Some(progress) => progress,
            None => {
                let new = Progress::new(&self.link, &self.plan, &names).map_err(kafka)?;
                rebuild.progress.insert(new)
            }
        };
        let readings = progress.ask().map_err(kafka)?;
        let now_ms = i64::try_from(rebuild.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        if rebuild.chase.step(now_ms, &readings) {
            self.control
                .change(|now| Ok(now.and_then(|c| c.switched_to(self.generation, wall_ms()))))?;
            tracing::info!(
                generation = self.generation,
                "the rebuild has caught up and is the current generation"
            );
        } else if rebuild.said.is_none_or(|at| at.elapsed() >= SAY) {
            rebuild.said = Some(Instant::now());
            let generation = self.generation;
            tracing::info!(generation, "rebuilding: {}", behind(&readings));
        }
        Ok(())
    }

    /// Has the views show this generation; whether they do.
    fn show(&self, tokio: &Handle, control: &Control) -> bool {
        let (client, databases) = &self.views;
        let written = tokio.block_on(async {
            tokio::time::timeout(SHOW_LONGEST, write_views(client, &self.plan, databases)).await
        });
        let written = match written {
            Ok(written) => written.map_err(|error| error.to_string()),
            Err(_) => Err(format!("ClickHouse gave no answer in {} s", SHOW_LONGEST.as_secs())),
        };
        match written {
            Ok(()) => {
                tracing::info!(
                    generation = control.generation,
                    "the views show the new generation"
                );
                true
            }
            Err(error) => {
                tracing::warn!(%error, "the views cannot be switched yet");
                std::thread::sleep(LOOK);
                false
            }
        }
    }
}
