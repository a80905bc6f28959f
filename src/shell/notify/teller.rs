//! The loop of one receiver: reads alerts while this copy is the one that tells it, sends what its desk decides, and does not
//! go on before it is taken. A receiver that is away holds up nobody but itself.

mod deliver;

use std::hash::RandomState;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::log::{Begins, Heard, Place, Session, Undelivered};
use super::sender::{POSTED_MAX, Sender, Where};
use crate::flow::carry::Backoff;
use crate::model::time::SECOND_MS;
use crate::notify::Letter;
use crate::notify::answer::Answer;
use crate::notify::desk::{Desk, Full};
use crate::notify::pace::Pace;
use crate::plan::{Receiver, Receivers};
use crate::shell::board::{Heartbeat, ReceiverStatus};
use crate::shell::clock::wall_ms;
use crate::shell::consumer::{Member, Membership};
use crate::shell::observe::Observer;
use crate::shell::quiet::Calm;
use crate::wire::alert::AlertWord;

/// How long a look at the topic or the group waits.
const LOOK: Duration = Duration::from_millis(100);
/// How long a step may take because somebody else does not answer.
const STEP_LONGEST: Duration = Duration::from_secs(120);
/// Reading the records back may take so long.
const OPEN_LONGEST: Duration = Duration::from_secs(900);
/// How long is waited before Kafka is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// Transitions after which decisions are written, where a message that comes twice is known by its id.
const BATCH_MAX: usize = 64;
/// After how long they are written in any case.
const BATCH_LONGEST: Duration = Duration::from_millis(200);
/// How often is measured what waits.
const MEASURE: Duration = Duration::from_secs(5);
/// While only a person can help it is tried so many times more seldom.
const PERSON_FACTOR: u64 = 10;

/// What a loop needs.
pub struct Teller {
    /// Whose records.
    pub place: Place,
    /// All receivers, and which of them this is.
    pub receivers: (Arc<Receivers>, usize),
    /// What is told about where things are.
    pub here: Where,
    /// Where it is said how it goes.
    pub observer: Observer,
    /// The threads for IO.
    pub tokio: Handle,
    /// Ends the loop.
    pub quit: Arc<AtomicBool>,
    /// Pauses between attempts.
    pub backoff: Backoff,
    /// Whether the pipeline's clock is simulated: then time is as late as the latest transition.
    pub simulated: bool,
    /// Where jitter comes from.
    pub seed: RandomState,
}

/// A loop at work.
struct Work {
    teller: Teller,
    member: Member,
    heartbeat: Heartbeat,
    sender: Sender,
    pace: Pace,
    calm: Calm,
    /// Whether this copy is the one that tells the receiver.
    leads: bool,
    undelivered: Vec<Undelivered>,
    /// When the transition in hand was written; `None` while none is.
    in_hand_ms: Option<i64>,
    lag: u64,
    /// Detection time of the latest transition.
    latest_ms: i64,
    posted: Option<Instant>,
}

impl Teller {
    fn receiver(&self) -> &Receiver {
        &self.receivers.0.receivers[self.receivers.1]
    }

    /// Runs until asked to quit.
    pub fn run(self, sender: Sender) {
        let name = self.receiver().name.clone();
        let status = ReceiverStatus {
            kind: self.receiver().way.kind().to_owned(),
            ..ReceiverStatus::default()
        };
        self.observer.board.update(|board| board.receivers.insert(name.clone(), status));
        self.observer.metrics.notify.begin(&name);
        let heartbeat = self.observer.board.watch(format!("notify {name}"));
        let topic = self.place.names.alerts();
        let config = self.place.link.listener(&self.place.names, &name);
        let member = match Member::subscribed(&config, vec![topic]) {
            Ok(member) => member,
            Err(error) => {
                tracing::error!(receiver = name, %error, "the receiver's group cannot be joined");
                let why = Some(format!("its group cannot be joined: {error}"));
                self.observer.board.update(|board| {
                    board.receivers.entry(name.clone()).or_default().trouble = why;
                });
                return heartbeat.end();
            }
        };
        let pace = Pace::new(self.receiver().per_minute);
        let work = Work {
            teller: self,
            member,
            heartbeat,
            sender,
            pace,
            calm: Calm::default(),
            leads: false,
            undelivered: Vec::new(),
            in_hand_ms: None,
            lag: 0,
            latest_ms: 0,
            posted: None,
        };
        work.run();
    }
}

impl Work {
    fn run(mut self) {
        while !self.quits() {
            self.hear_group(LOOK);
            if !self.leads {
                continue;
            }
            self.show(|status| status.active = true);
            if let Err(why) = self.tell() {
                self.trouble(&why);
                self.pause(AGAIN);
            }
            // what was not committed is the next owner's
            self.undelivered.clear();
            self.in_hand_ms = None;
            if !self.leads {
                self.show(|status| status.active = false);
                self.teller.observer.metrics.notify.forget(&self.name());
            }
        }
        self.heartbeat.end();
        self.member.leave();
    }

    fn quits(&self) -> bool {
        self.teller.quit.load(Ordering::SeqCst)
    }

    fn name(&self) -> String {
        self.teller.receiver().name.clone()
    }

    /// Tells the receiver until another copy does, or the process ends.
    fn tell(&mut self) -> Result<(), String> {
        let (receivers, at) = self.teller.receivers.clone();
        let desk = Desk::new(receivers, at).ok_or("no such receiver")?;
        let mut desk = desk.of_pipeline(&self.teller.here.pipeline);
        self.heartbeat.beat_after(OPEN_LONGEST);
        let (mut session, begins) = Session::open(self.teller.place.clone(), &mut desk)?;
        tracing::info!(
            receiver = self.name(),
            alerts = desk.opens(),
            "this copy tells the receiver"
        );
        self.untroubled();
        if let Begins::With(words) = begins {
            let latest_ms = words.iter().map(|word| word.detected_ms).max();
            self.latest_ms = latest_ms.unwrap_or(self.latest_ms);
            let letters = desk.begin(words, self.now_ms());
            // behind those that an earlier copy left: what begins is written down before it is told
            desk.park(self.apart(letters));
            self.commit(&mut session, &mut desk)?;
        }
        if !self.deliver_parked(&mut session, &mut desk)? {
            return Ok(());
        }
        let (mut taken, mut written) = (0, Instant::now());
        let mut measured: Option<Instant> = None;
        while !self.quits() && self.leads {
            let due = desk.tick(self.now_ms());
            let any_due = !due.is_empty();
            if !self.deliver_all(&mut session, &mut desk, due)? {
                return Ok(());
            }
            self.post_again(&desk);
            self.hear_group(Duration::ZERO);
            let heard = session.poll(LOOK)?;
            let idle = heard.is_none();
            if let Some(heard) = heard {
                let letters = self.take(&mut desk, heard);
                if !self.deliver_all(&mut session, &mut desk, letters)? {
                    return Ok(());
                }
                taken += 1;
            }
            let full = taken >= BATCH_MAX || written.elapsed() >= BATCH_LONGEST || any_due;
            if (idle || full) && (session.has_moved() || desk.has_changes()) {
                self.commit(&mut session, &mut desk)?;
                (taken, written) = (0, Instant::now());
            }
            if idle || full {
                self.in_hand_ms = None;
            }
            if measured.is_none_or(|at| at.elapsed() >= MEASURE) {
                measured = Some(Instant::now());
                self.lag = session.lag()?;
                self.measure(&mut desk);
            }
        }
        Ok(())
    }

    fn take(&mut self, desk: &mut Desk, heard: Heard) -> Vec<Letter> {
        self.in_hand_ms = heard.written_ms;
        match heard.word {
            Ok(word) => {
                self.latest_ms = self.latest_ms.max(word.detected_ms);
                desk.hear(&word, self.now_ms())
            }
            Err(why) => {
                let id = format!("unread-{:016x}", xxhash_rust::xxh3::xxh3_64(why.as_bytes()));
                self.bury(id, "", &serde_json::Value::Null, &why);
                Vec::new()
            }
        }
    }

    fn commit(&mut self, session: &mut Session, desk: &mut Desk) -> Result<(), String> {
        self.heartbeat.beat_after(STEP_LONGEST);
        let group = self.member.metadata().ok_or("the receiver's group is between two owners")?;
        session.commit(desk, &mut self.undelivered, &group)
    }

    /// Posts again what the receiver would otherwise forget. It may fail: the next one comes soon.
    fn post_again(&mut self, desk: &Desk) {
        let Some(every_ms) = self.sender.again_every_ms() else { return };
        if self.posted.is_some_and(|at| at.elapsed() < millis(every_ms)) {
            return;
        }
        self.posted = Some(Instant::now());
        self.sender.ask_all();
        let on: Vec<&AlertWord> = desk.on().collect();
        for some in on.chunks(POSTED_MAX) {
            self.heartbeat.beat_after(STEP_LONGEST);
            match self.sender.again(some, wall_ms()) {
                Answer::Taken => {}
                Answer::Again { why, .. } | Answer::Person { why } | Answer::Refused { why } => {
                    self.not_taken(&why);
                    // soon, but not at once
                    let soon = Instant::now().checked_sub(millis(every_ms - 5 * SECOND_MS));
                    self.posted = soon.or(self.posted);
                    return;
                }
            }
            self.hear_group(Duration::ZERO);
            if !self.leads || self.quits() {
                return;
            }
        }
    }

    fn measure(&mut self, desk: &mut Desk) {
        let (suppressed, full) = desk.take_counts();
        self.teller.observer.metrics.notify.suppressed(&self.name(), suppressed);
        if full != Full::default() {
            let Full { forgotten, hurried } = full;
            self.trouble(&format!(
                "too many alerts are open: {forgotten} that were told are forgotten, {hurried} were told at once that should have waited"
            ));
        }
        let opens = desk.opens() as u64;
        self.show(|status| status.open = opens);
        self.say_waits();
    }

    fn say_waits(&self) {
        let age_ms = self.in_hand_ms.map_or(0, |written_ms| (wall_ms() - written_ms).max(0));
        self.teller.observer.metrics.notify.waits(&self.name(), self.lag, age_ms as f64 / 1_000.0);
    }

    /// Waits; false when this copy does not tell the receiver any more.
    fn pause(&mut self, wait: Duration) -> bool {
        let until = Instant::now() + wait;
        while self.leads && !self.quits() {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            self.hear_group(left.min(LOOK));
            self.say_waits();
        }
        false
    }

    fn now_ms(&self) -> i64 {
        if self.teller.simulated { self.latest_ms } else { wall_ms() }
    }

    /// What the group says: who has the first partition tells the receiver.
    fn hear_group(&mut self, timeout: Duration) {
        self.heartbeat.beat();
        match self.member.poll(timeout) {
            None => {}
            Some(Membership::Given(mut partitions)) => {
                if let Err(error) = self.member.accept(&mut partitions) {
                    self.trouble(&format!("accepting partitions: {error}"));
                } else if partitions.places.contains(&(0, 0)) {
                    self.leads = true;
                }
            }
            Some(Membership::Taken { partitions, .. }) => {
                if partitions.places.contains(&(0, 0)) {
                    self.leads = false;
                }
                if let Err(error) = self.member.release(&partitions) {
                    self.trouble(&format!("giving partitions back: {error}"));
                }
            }
            Some(Membership::Trouble(why)) => self.trouble(&why),
            Some(Membership::Fatal(why)) => {
                self.leads = false;
                self.trouble(&format!("its group put this copy out: {why}"));
                // the same group.instance.id elsewhere: another copy tells the receiver
                std::thread::sleep(AGAIN);
            }
        }
    }

    fn trouble(&self, why: &str) {
        self.log_trouble(why);
        self.show(|status| status.trouble = Some(why.to_owned()));
    }

    fn log_trouble(&self, why: &str) {
        if let Some(left_out) = self.calm.say(why) {
            tracing::warn!(receiver = self.name(), left_out, "{why}");
        }
    }

    fn untroubled(&self) {
        self.show(|status| status.trouble = None);
    }

    fn show(&self, change: impl FnOnce(&mut ReceiverStatus)) {
        let name = self.name();
        self.teller
            .observer
            .board
            .update(|status| change(status.receivers.entry(name).or_default()));
    }
}

/// Milliseconds as a duration; below zero is none.
fn millis(ms: i64) -> Duration {
    Duration::from_millis(ms.max(0).unsigned_abs())
}
