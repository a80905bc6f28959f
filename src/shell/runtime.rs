//! THE loop. One thread polls the group and decides; workers run the machines; one thread commits.
//!
//! The polling thread alone knows which shards are held in which tenure, reads the group's metadata and starts
//! transactions. So between the check of the tenures, the metadata and the answer to a rebalance nothing can come.

mod cycles;
mod group;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use crate::flow::generation::Beginning;
use crate::flow::jump::JumpGuard;
use crate::flow::names::Names;
use crate::model::effects::Effects;
use crate::plan::Plan;

use super::board::Heartbeat;
use super::client::Link;
use super::clock::PipelineClock;
use super::commits::{self, Commits, Job};
use super::consumer::{Fetcher, Member};
use super::ends::{self, Ends};
use super::observe::Observer;
use super::outbox::{self, Outboxes};
use super::producer::{Outcome, Place, Transactions};
use super::quiet::Calm;
use super::settings::Start;
use super::shards::Shards;
use super::takeover::{Begins, TakeOver, TakeOverError, Taken};
use super::topics::{self, TopicError};
use super::worker::{self, Command, Shared};

/// What to run, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// How to reach Kafka.
    pub link: Link,
    /// The generation.
    pub generation: u32,
    /// Of a rebuild: the generation that it is to replace.
    pub replaces: Option<u32>,
    /// The definition's version (a fingerprint), for the headers of dead letters.
    pub definition: String,
    /// Where a new pipeline begins.
    pub start: Start,
    /// How often is committed, milliseconds.
    pub commit_interval_ms: u64,
    /// How long reading a shard's state may take, milliseconds.
    pub restore_timeout_ms: u64,
    /// How long a revoked shard's last cycles may take to be committed, milliseconds.
    pub revoke_limit_ms: u64,
    /// So many bytes of a shard's rows may wait for the carrier; more stop the shard.
    pub outbox_bytes_max: u64,
    /// Threads that run machines.
    pub workers: usize,
}

/// Why the runtime ended, other than by being asked to.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The topics are not as they must be.
    #[error(transparent)]
    Topics(#[from] TopicError),
    /// A client could not be opened.
    #[error("{what}: {source}")]
    Kafka {
        /// What was being done.
        what: &'static str,
        /// The answer.
        source: rdkafka::error::KafkaError,
    },
    /// The group or a twin has put us out.
    #[error("{0}")]
    Left(String),
    /// A shard that this copy cannot run though another may: with an older binary, another definition, a wrong clock.
    /// The copy has left the group, so that others get its shards.
    #[error("{0}; this copy has left the group, so that others can run its shards")]
    Unfit(String),
    /// A thread could not be started.
    #[error("starting a thread: {0}")]
    Thread(#[from] std::io::Error),
}

/// What the other threads tell the loop.
pub enum Report {
    /// A take-over has ended.
    TakenOver(u16, u64, Box<Result<Taken, TakeOverError>>),
    /// A cycle was computed.
    Cycle {
        /// The tenure it was computed in.
        tenure: u64,
        /// What it wants done.
        effects: Box<Effects>,
        /// The shard waits for its commit.
        urgent: bool,
    },
    /// A worker has ended all cycles it could.
    CutDone(usize),
    /// A shard that was taken away has handed over everything.
    Finished(u16, u64),
    /// A worker has forgotten a shard: nobody reads its queues any more.
    Dropped(u16),
    /// A shard cannot go on, for this reason.
    Stopped(u16, u64, String),
    /// The transaction in flight has ended.
    Done {
        /// How.
        outcome: Outcome,
        /// What was in it.
        cycles: Vec<Effects>,
        /// How long it took.
        took: Duration,
    },
}

/// A partition's share of memory is never smaller.
const SHARE_BYTES_MIN: usize = 256 * 1024;

/// Runs the pipeline until `quit` is set, then commits what is computed and leaves the group.
///
/// # Errors
/// When it cannot start, or was put out; the message says what to do.
pub async fn run(
    plan: Arc<Plan>,
    options: Options,
    observer: Observer,
    quit: Arc<AtomicBool>,
) -> Result<(), RunError> {
    run_from(plan, options, None, observer, quit).await
}

/// Like [`run`]; new shards begin at these offsets, whatever the options say of the start. What retention has removed
/// of them is a gap.
///
/// # Errors
/// See [`run`].
pub async fn run_from(
    plan: Arc<Plan>,
    options: Options,
    beginning: Option<Beginning>,
    observer: Observer,
    quit: Arc<AtomicBool>,
) -> Result<(), RunError> {
    let names = Names::new(&plan.name, options.generation);
    let topics = topics::prepare(&options.link, &plan, &names).await?;
    let running = std::thread::Builder::new().name("retain-loop".to_owned()).spawn(move || {
        let begins = (topics, beginning);
        let runtime = Runtime::start(plan, options, names, begins, observer, quit)?;
        runtime.run()
    })?;
    let ended = tokio::task::spawn_blocking(move || running.join()).await;
    match ended {
        Ok(Ok(result)) => result,
        _ => Err(RunError::Left("the loop panicked; this is a bug".to_owned())),
    }
}

struct Runtime {
    options: Options,
    plan: Arc<Plan>,
    member: Member,
    fetcher: Fetcher,
    take_over: Arc<TakeOver>,
    ends: Arc<Ends>,
    share_bytes: Arc<AtomicUsize>,
    shards: Shards,
    shard_count: u16,
    owner: String,
    commits: Commits,
    workers: Vec<Sender<Command>>,
    jobs: Sender<Job>,
    inbox: Receiver<Report>,
    reports: Sender<Report>,
    threads: Vec<JoinHandle<()>>,
    /// Closed when the threads that ask the broker are to end.
    askers: Vec<Sender<()>>,
    observer: Observer,
    heartbeat: Heartbeat,
    calm: Calm,
    quit: Arc<AtomicBool>,
    clock: PipelineClock,
    jumps: JumpGuard,
    next_cut: Instant,
    /// A cut was asked for: when, and how many workers have not answered.
    gathering: Option<(Instant, usize)>,
    urgent: bool,
    /// What ends the loop, met where it could not be returned.
    fatal: Option<RunError>,
}

impl Runtime {
    fn start(
        plan: Arc<Plan>,
        options: Options,
        names: Names,
        (topics, beginning): (topics::Topics, Option<Beginning>),
        observer: Observer,
        quit: Arc<AtomicBool>,
    ) -> Result<Self, RunError> {
        let kafka = |what| move |source| RunError::Kafka { what, source };
        let link = &options.link;
        let fetcher = Fetcher::new(link, &names, &plan, topics.shards)
            .map_err(kafka("opening the fetcher"))?;
        let clock = PipelineClock::new(plan.clock);
        let replaces = options.replaces;
        let begins = Begins { start: options.start, beginning, replaces, clock: clock.clone() };
        let restore_timeout = Duration::from_millis(options.restore_timeout_ms);
        let take_over = TakeOver::new(link, &names, &plan, begins, restore_timeout);
        let shard_count = topics.shards;
        let instance = link.instance.clone().unwrap_or_else(random_instance);
        let sources: Vec<String> = plan.sources.iter().map(|s| s.topic.clone()).collect();
        let definition = options.definition.clone();
        let place = Place { names: names.clone(), sources: sources.clone(), topics, definition };
        let transactions = Transactions::open(link, place, &instance)
            .map_err(kafka("opening the transactional producer"))?;

        let outboxes = Arc::new(Outboxes::new(names.rows(), options.outbox_bytes_max));
        let shared = share(&fetcher, &clock, &sources, &observer, &outboxes);
        let (reports, inbox) = channel();
        let mut threads = Vec::new();
        let workers = start_workers(options.workers, &shared, &reports, &mut threads)?;
        let jobs = start_commits(transactions, (&reports, &observer), &quit, &mut threads)?;
        let askers = vec![
            start_ends(link.query(&names, true), sources, &shared, &mut threads)?,
            start_outboxes(link.carried(&names), shard_count, &outboxes, &mut threads)?,
        ];
        observer.begun(&instance);
        // Last, when everything else is ready: from now on the group waits for us.
        let member =
            Member::join(link, &names, &plan).map_err(kafka("joining the consumer group"))?;
        Ok(Self {
            shards: Shards::new(plan.sources.len()),
            shard_count,
            owner: instance,
            member,
            take_over: Arc::new(take_over),
            ends: shared.ends,
            share_bytes: shared.share_bytes,
            fetcher,
            commits: Commits::default(),
            workers,
            jobs,
            inbox,
            reports,
            threads,
            askers,
            heartbeat: observer.board.watch("loop"),
            observer,
            calm: Calm::default(),
            quit,
            clock,
            jumps: JumpGuard::default(),
            next_cut: Instant::now(),
            gathering: None,
            urgent: false,
            fatal: None,
            options,
            plan,
        })
    }

    /// The loop: the group, the reports, the take-overs, the next cut, the next commit.
    fn run(mut self) -> Result<(), RunError> {
        let ended = loop {
            if self.quit.load(Ordering::SeqCst) {
                break Ok(());
            }
            if let Err(error) = self.turn() {
                break Err(error);
            }
        };
        // The commit thread gives up opening a producer, and `leave` can wait for its end.
        self.quit.store(true, Ordering::SeqCst);
        // Put out by the group or a twin: nothing can be committed any more.
        self.leave(matches!(ended, Ok(()) | Err(RunError::Unfit(_))));
        ended
    }

    fn turn(&mut self) -> Result<(), RunError> {
        while let Some(membership) = self.member.poll(Duration::ZERO) {
            self.hear(membership)?;
            if let Some(fatal) = self.fatal.take() {
                return Err(fatal);
            }
        }
        if let Some(error) = self.fetcher.serve() {
            self.trouble(error);
        }
        self.take_reports()?;
        // Between the reports and the commit: a cycle that was computed with a clock that jumped is not committed.
        let jump_max_ms = self.plan.clock_jump_max_ms;
        if let Some(why) = self.clock.jumped(&mut self.jumps, jump_max_ms) {
            return Err(RunError::Left(why));
        }
        self.begin_take_overs()?;
        self.cut();
        self.commit();
        Ok(())
    }
}

fn share(
    fetcher: &Fetcher,
    clock: &PipelineClock,
    topics: &[String],
    observer: &Observer,
    outboxes: &Arc<Outboxes>,
) -> Shared {
    Shared {
        fetcher: fetcher.clone(),
        ends: Arc::default(),
        clock: clock.clone(),
        share_bytes: Arc::new(AtomicUsize::new(SHARE_BYTES_MIN)),
        topics: topics.into(),
        outboxes: Arc::clone(outboxes),
        observer: observer.clone(),
    }
}

fn start_workers(
    count: usize,
    shared: &Shared,
    reports: &Sender<Report>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Vec<Sender<Command>>, std::io::Error> {
    let mut workers = Vec::new();
    for index in 0..count.max(1) {
        let (sender, commands) = channel();
        let (reports, shared) = (reports.clone(), shared.clone());
        let heartbeat = shared.observer.board.watch(format!("worker {index}"));
        let work = move || worker::run(index, &commands, &reports, &shared, heartbeat);
        threads.push(thread(format!("retain-work-{index}"), work)?);
        workers.push(sender);
    }
    Ok(workers)
}

fn start_commits(
    transactions: Transactions,
    (reports, observer): (&Sender<Report>, &Observer),
    quit: &Arc<AtomicBool>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Sender<Job>, std::io::Error> {
    let (jobs, queue) = channel();
    let (reports, quit) = (reports.clone(), Arc::clone(quit));
    let heartbeat = observer.board.watch("commit");
    let work = move || commits::run(transactions, &queue, &reports, &quit, heartbeat);
    threads.push(thread("retain-commit".to_owned(), work)?);
    Ok(jobs)
}

fn start_ends(
    asker: ClientConfig,
    sources: Vec<String>,
    shared: &Shared,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Sender<()>, std::io::Error> {
    let (quit, quitting) = channel();
    let (ends, clock) = (Arc::clone(&shared.ends), shared.clock.clone());
    let observer = shared.observer.clone();
    let work = move || ends::run(&asker, &sources, &clock, &ends, &observer, &quitting);
    threads.push(thread("retain-ends".to_owned(), work)?);
    Ok(quit)
}

fn start_outboxes(
    client: ClientConfig,
    shards: u16,
    outboxes: &Arc<Outboxes>,
    threads: &mut Vec<JoinHandle<()>>,
) -> Result<Sender<()>, std::io::Error> {
    let (quit, quitting) = channel();
    let outboxes = Arc::clone(outboxes);
    let work = move || outbox::run(&client, shards, &outboxes, &quitting);
    threads.push(thread("retain-outbox".to_owned(), work)?);
    Ok(quit)
}

fn thread(
    name: String,
    work: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, std::io::Error> {
    std::thread::Builder::new().name(name).spawn(work)
}

/// A name nobody else has: a dead owner's transactions are then waited for, not ended.
fn random_instance() -> String {
    use std::hash::{BuildHasher, RandomState};
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}
