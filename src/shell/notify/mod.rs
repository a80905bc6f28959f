//! The notifier: tells people and their tools of alerts, each receiver on a thread and in a consumer group of its own.

pub mod log;
pub mod mail;
pub mod post;
mod secret;
pub mod sender;
pub mod sign;
mod teller;

use std::hash::RandomState;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use tokio::runtime::Handle;

use super::client::Link;
use super::generation::Chosen;
use super::observe::Observer;
use super::settings::Settings;
use crate::flow::carry::Backoff;
use crate::flow::names::Names;
use crate::plan::{Clock, Plan, Receivers, Severity, receivers};
use log::Place;
use sender::{Sender, Where};
use teller::Teller;

/// Before the second attempt, milliseconds.
const FIRST_PAUSE_MS: u64 = 500;
/// How often is looked whether the generation has become the current one.
const LOOK: Duration = Duration::from_secs(1);

/// Reads the file of receivers.
///
/// # Errors
/// When it cannot be read, or has errors: all of them, a line each.
pub fn read(path: &Path) -> Result<Receivers, String> {
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .map_err(|error| format!("notify.receivers_file: {name}: {error}"))?;
    let (found, notes) = receivers(&text);
    let errors = notes.iter().filter(|note| note.severity == Severity::Error);
    let errors: Vec<String> = errors.map(|note| note.render(&name)).collect();
    found.ok_or_else(|| format!("the receivers have errors:\n{}", errors.join("\n")))
}

/// A notifier that is ready: files read, secrets there.
pub struct Notifier {
    tellers: Vec<(Teller, Sender)>,
    chosen: Chosen,
    quit: Arc<AtomicBool>,
}

impl Notifier {
    /// Gets ready to tell the receivers of `file` of the alerts of a generation.
    ///
    /// # Errors
    /// What is wrong with the file, a secret or a template.
    pub fn new(
        settings: &Settings,
        plan: &Plan,
        chosen: &Chosen,
        observer: &Observer,
        quit: &Arc<AtomicBool>,
        file: &Path,
    ) -> Result<Self, String> {
        let receivers = Arc::new(read(file)?);
        let here = Where {
            pipeline: plan.name.clone(),
            page_url: settings.notify.page_url.clone().unwrap_or_default(),
        };
        let mut tellers = Vec::new();
        for (at, receiver) in receivers.receivers.iter().enumerate() {
            let sender = Sender::open(&receivers, at, &here, Handle::current())?;
            let teller = Teller {
                place: Place {
                    link: Link::from(&settings.kafka),
                    names: Names::new(&plan.name, chosen.generation),
                    receiver: receiver.name.clone(),
                },
                receivers: (Arc::clone(&receivers), at),
                here: here.clone(),
                observer: observer.clone(),
                tokio: Handle::current(),
                quit: Arc::clone(quit),
                backoff: Backoff {
                    first_ms: FIRST_PAUSE_MS,
                    max_ms: settings.notify.retry_max_interval_ms,
                },
                simulated: matches!(plan.clock, Clock::Simulated { .. }),
                seed: RandomState::new(),
            };
            tellers.push((teller, sender));
        }
        Ok(Self { tellers, chosen: chosen.clone(), quit: Arc::clone(quit) })
    }

    /// Tells until asked to quit, on a thread for each receiver, as soon as the generation is the current one: what a
    /// rebuild finds out before is recorded, not sent.
    ///
    /// # Errors
    /// When a thread cannot be started.
    pub fn start(self) -> std::io::Result<Option<JoinHandle<()>>> {
        if self.tellers.is_empty() {
            tracing::info!("no receivers: nobody is told of alerts");
            return Ok(None);
        }
        let spawn = |name: &str| std::thread::Builder::new().name(name.to_owned());
        let all = spawn("retain-notify").spawn(move || {
            if !self.becomes_current() {
                return;
            }
            let mut threads = Vec::new();
            for (teller, sender) in self.tellers {
                let receiver = teller.place.receiver.clone();
                match spawn("retain-tell").spawn(move || teller.run(sender)) {
                    Ok(thread) => threads.push(thread),
                    Err(error) => tracing::error!(receiver, %error, "no thread for the receiver"),
                }
            }
            threads.into_iter().for_each(|thread| drop(thread.join()));
        })?;
        Ok(Some(all))
    }

    /// Waits for the switch to this generation; false when it never comes.
    fn becomes_current(&self) -> bool {
        if self.chosen.writes_views {
            return true;
        }
        let generation = self.chosen.generation;
        let Some(control) = &self.chosen.control else {
            tracing::warn!(
                generation,
                "not the current generation: its alerts are recorded, not sent"
            );
            return false;
        };
        tracing::info!(
            generation,
            "alerts are recorded, and sent once this generation is the current one"
        );
        while !self.quit.load(Ordering::SeqCst) {
            match control.read() {
                Ok(Some(now)) if now.generation == generation => return true,
                Ok(_) => {}
                Err(error) => tracing::warn!(%error, "asking which generation is the current one"),
            }
            std::thread::sleep(LOOK);
        }
        false
    }
}
