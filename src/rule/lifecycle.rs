//! The life of one alert: pending, firing, acknowledged or snoozed, resolved, perhaps reopened. A state machine on levels: told
//! whether the raising and the clearing condition hold, and what people say, it gives transitions and its next due.
//!
//! Between two calls the levels are as last told, so that its own dues (end of the dwell, of the cooldown, of a snooze)
//! are met at their own moments however late the next call comes: stepping through time or jumping gives the same transitions.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_128;

use crate::model::time::NEVER_MS;

/// Ids of commands that are remembered in one episode, the latest: a command comes again within minutes, if at all.
pub const COMMANDS_MAX: usize = 64;

/// What a rule says about the pace of its alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// How long the raising condition must have held, milliseconds.
    pub dwell_ms: i64,
    /// How long after its end no other alert is raised, milliseconds.
    pub cooldown_ms: i64,
}

/// Where an alert stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Phase {
    /// Nothing is raised.
    #[default]
    Quiet,
    /// The raising condition holds, not yet for long enough.
    Pending,
    /// Raised, and nobody has taken it.
    Firing,
    /// Somebody has it.
    Acknowledged,
    /// Put off to this moment.
    Snoozed {
        /// When it fires again.
        until_ms: i64,
    },
    /// A person has ended it while the condition still held.
    Dismissed,
}

/// Whose doing a transition is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The signals of the subject.
    Signals,
    /// The end of a dwell, a snooze or a cooldown.
    Time,
    /// A person.
    Person(String),
}

/// What happened to an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// The raising condition holds; its dwell begins.
    Pending,
    /// It ceased to hold before the dwell was over.
    Withdrawn,
    /// Raised.
    Raised,
    /// Somebody has it.
    Acknowledged,
    /// Put off.
    Snoozed,
    /// A snooze is over.
    Woken,
    /// Ended: by itself, or by a person. What a person has ended while it still held ends once more by itself.
    Resolved,
    /// Ended by a person, and taken up again in the same episode.
    Reopened,
}

impl What {
    /// Every transition.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Withdrawn,
        Self::Raised,
        Self::Acknowledged,
        Self::Snoozed,
        Self::Woken,
        Self::Resolved,
        Self::Reopened,
    ];

    /// How tables and definitions call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Withdrawn => "withdrawn",
            Self::Raised => "raised",
            Self::Acknowledged => "acknowledged",
            Self::Snoozed => "snoozed",
            Self::Woken => "woken",
            Self::Resolved => "resolved",
            Self::Reopened => "reopened",
        }
    }
}

/// One transition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition {
    /// When, event time.
    pub at_ms: i64,
    /// Of which episode, from 1.
    pub episode: u32,
    /// What.
    pub what: What,
    /// Whose doing.
    pub by: By,
}

impl Transition {
    /// Whether people are called: when it is raised, when a snooze is over, and when what was ended by hand is still there
    /// after the cooldown. Never for what a person has just said.
    #[must_use]
    pub fn pages(&self) -> bool {
        matches!(self.what, What::Raised | What::Woken | What::Reopened)
            && !matches!(self.by, By::Person(_))
    }
}

/// What a person says about an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// Made by the sender; of two commands with one id the second is a repeat.
    pub id: u64,
    /// The episode it is about.
    pub episode: u32,
    /// Who.
    pub person: String,
    /// What.
    pub action: Action,
}

/// What can be done about an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// "I have it."
    Acknowledge,
    /// "Tell me again then."
    Snooze {
        /// When, event time.
        until_ms: i64,
    },
    /// "This is done."
    Resolve,
    /// "This was not done."
    Reopen,
}

/// Why a command had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ignored {
    /// It had its effect before.
    Repeated,
    /// It is about another episode than the present one.
    Stale,
    /// The alert is not in a phase in which that can be done.
    Unfit,
}

impl Ignored {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Repeated => "it had its effect before",
            Self::Stale => "it is about another episode than the present one",
            Self::Unfit => "the alert is in another phase",
        }
    }
}

/// The state of one rule about one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    phase: Phase,
    /// The present episode, or the last; 0 before the first.
    episode: u32,
    /// Levels as last told.
    raise: bool,
    clear: bool,
    /// Since when `raise` is true.
    raise_since_ms: i64,
    /// When the last episode ended.
    ended_ms: Option<i64>,
    /// For how long after that nothing is raised.
    cooldown_ms: i64,
    /// Ids of the last commands heeded in this episode, in order.
    commands: Vec<u64>,
}

impl Default for Alert {
    fn default() -> Self {
        Self {
            phase: Phase::Quiet,
            episode: 0,
            raise: false,
            clear: true,
            raise_since_ms: NEVER_MS,
            ended_ms: None,
            cooldown_ms: 0,
            commands: Vec::new(),
        }
    }
}

impl Alert {
    /// Quiet, after so many episodes, so that no id of an alert is given twice.
    #[must_use]
    pub fn after(episode: u32) -> Self {
        Self { episode, ..Self::default() }
    }

    /// Quiet, after so many episodes, under a rule that has become another one. A cooldown goes on: what has ended, or a person
    /// has ended, is not raised again before it is over.
    #[must_use]
    pub fn renewed(&self, episode: u32) -> Self {
        let over = matches!(self.phase, Phase::Quiet | Phase::Dismissed);
        let ended_ms = self.ended_ms.filter(|_| over);
        let cooldown_ms = ended_ms.map_or(0, |_| self.cooldown_ms);
        Self { ended_ms, cooldown_ms, ..Self::after(episode) }
    }

    /// Whether its clearing level decides anything before it is raised.
    #[must_use]
    pub fn may_clear(&self) -> bool {
        !matches!(self.phase, Phase::Quiet | Phase::Pending)
    }

    /// Where it stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// The present episode, or the last; 0 before the first.
    #[must_use]
    pub fn episode(&self) -> u32 {
        self.episode
    }

    /// Whether it is raised, whoever has it: what `firing(…)` of another rule sees.
    #[must_use]
    pub fn is_on(&self) -> bool {
        matches!(self.phase, Phase::Firing | Phase::Acknowledged | Phase::Snoozed { .. })
    }

    /// Whether it is as if it had never been: it need not be kept.
    #[must_use]
    pub fn is_blank(&self) -> bool {
        *self == Self::default()
    }

    /// When time alone moves it; [`NEVER_MS`] if never.
    #[must_use]
    pub fn due_ms(&self, pace: Pace) -> i64 {
        match self.phase {
            Phase::Quiet if self.raise => self.cooled_ms(),
            Phase::Pending => self.may_raise_ms(pace),
            Phase::Snoozed { until_ms } => until_ms,
            Phase::Dismissed if self.raise => self.may_raise_ms(pace),
            _ => NEVER_MS,
        }
    }

    /// When the dwell and the cooldown are over, if the raising condition goes on.
    fn may_raise_ms(&self, pace: Pace) -> i64 {
        self.raise_since_ms.saturating_add(pace.dwell_ms).max(self.cooled_ms())
    }

    fn cooled_ms(&self) -> i64 {
        self.ended_ms.map_or(i64::MIN, |ended_ms| ended_ms.saturating_add(self.cooldown_ms))
    }

    /// Meets the dues up to and including `tau_ms`, the levels being as last told.
    pub fn pass(&mut self, pace: Pace, tau_ms: i64, out: &mut Vec<Transition>) {
        loop {
            let due_ms = self.due_ms(pace);
            if due_ms > tau_ms {
                return;
            }
            self.meet(pace, due_ms, &By::Time, out);
        }
    }

    /// Tells the levels at `tau_ms`, which is not before any earlier moment. `pace` is the rule's at that moment: the
    /// cooldown of an episode is the one at its end.
    pub fn tell(
        &mut self,
        pace: Pace,
        tau_ms: i64,
        raise: bool,
        clear: bool,
        out: &mut Vec<Transition>,
    ) {
        if (raise, clear) == (self.raise, self.clear) {
            self.pass(pace, tau_ms, out);
            return;
        }
        self.pass(pace, tau_ms.saturating_sub(1), out);
        if raise && !self.raise {
            self.raise_since_ms = tau_ms;
        }
        if !raise {
            self.raise_since_ms = NEVER_MS;
        }
        (self.raise, self.clear) = (raise, clear);
        self.meet(pace, tau_ms, &By::Signals, out);
        self.pass(pace, tau_ms, out);
    }

    /// What follows from the levels and the moment.
    fn meet(&mut self, pace: Pace, at_ms: i64, by: &By, out: &mut Vec<Transition>) {
        let over = self.clear && !self.raise;
        let mut say = |episode, what| out.push(Transition { at_ms, episode, what, by: by.clone() });
        match self.phase {
            Phase::Pending if !self.raise => {
                say(self.episode + 1, What::Withdrawn);
                self.phase = Phase::Quiet;
            }
            Phase::Quiet | Phase::Pending if self.raise && self.may_raise_ms(pace) <= at_ms => {
                self.episode += 1;
                self.commands.clear();
                say(self.episode, What::Raised);
                (self.phase, self.ended_ms) = (Phase::Firing, None);
            }
            // after a cooldown, the rest of a dwell is pending
            Phase::Quiet if self.raise && self.cooled_ms() <= at_ms => {
                say(self.episode + 1, What::Pending);
                self.phase = Phase::Pending;
            }
            Phase::Firing | Phase::Acknowledged | Phase::Snoozed { .. } if over => {
                say(self.episode, What::Resolved);
                self.end(pace, at_ms, Phase::Quiet);
            }
            Phase::Snoozed { until_ms } if until_ms <= at_ms => {
                say(self.episode, What::Woken);
                self.phase = Phase::Firing;
            }
            // what was ended by hand has ended by itself: the next is another episode
            Phase::Dismissed if over => {
                say(self.episode, What::Resolved);
                self.phase = Phase::Quiet;
            }
            Phase::Dismissed if self.raise && self.may_raise_ms(pace) <= at_ms => {
                say(self.episode, What::Reopened);
                (self.phase, self.ended_ms) = (Phase::Firing, None);
            }
            _ => {}
        }
    }

    fn end(&mut self, pace: Pace, at_ms: i64, phase: Phase) {
        (self.phase, self.ended_ms) = (phase, Some(at_ms));
        self.cooldown_ms = pace.cooldown_ms;
    }

    /// Does what a person says at `tau_ms`, which is not before any earlier moment.
    ///
    /// # Errors
    /// Why it has no effect; the state is then as before, but for the dues that were met.
    pub fn command(
        &mut self,
        pace: Pace,
        tau_ms: i64,
        command: &Command,
        out: &mut Vec<Transition>,
    ) -> Result<(), Ignored> {
        self.pass(pace, tau_ms, out);
        if command.episode != self.episode || self.episode == 0 {
            return Err(Ignored::Stale);
        }
        if self.commands.contains(&command.id) {
            return Err(Ignored::Repeated);
        }
        let what = match (self.phase, command.action) {
            (Phase::Firing | Phase::Snoozed { .. }, Action::Acknowledge) => {
                self.phase = Phase::Acknowledged;
                What::Acknowledged
            }
            (
                Phase::Firing | Phase::Acknowledged | Phase::Snoozed { .. },
                Action::Snooze { until_ms },
            ) if until_ms > tau_ms => {
                self.phase = Phase::Snoozed { until_ms };
                What::Snoozed
            }
            (Phase::Firing | Phase::Acknowledged | Phase::Snoozed { .. }, Action::Resolve) => {
                self.end(pace, tau_ms, Phase::Dismissed);
                What::Resolved
            }
            (Phase::Dismissed, Action::Reopen) => {
                (self.phase, self.ended_ms) = (Phase::Firing, None);
                What::Reopened
            }
            _ => return Err(Ignored::Unfit),
        };
        if self.commands.len() >= COMMANDS_MAX {
            self.commands.remove(0);
        }
        self.commands.push(command.id);
        let by = By::Person(command.person.clone());
        out.push(Transition { at_ms: tau_ms, episode: self.episode, what, by });
        self.pass(pace, tau_ms, out);
        Ok(())
    }

    /// What must be true of it at `tau_ms`, after the dues up to then were met; the sentence that is not.
    #[must_use]
    pub fn broken_invariant(&self, pace: Pace, tau_ms: i64) -> Option<&'static str> {
        let open = !matches!(self.phase, Phase::Quiet | Phase::Pending);
        [
            (self.due_ms(pace) > tau_ms, "a due re-arms strictly later"),
            (!open || self.episode > 0, "an open alert has an episode"),
            (self.phase != Phase::Pending || self.raise, "what is pending holds"),
            (!self.is_on() || self.raise || !self.clear, "what has cleared is not on"),
            (self.raise == (self.raise_since_ms != NEVER_MS), "a level has a beginning"),
            (self.commands.len() <= COMMANDS_MAX, "commands are limited"),
        ]
        .into_iter()
        .find_map(|(holds, sentence)| (!holds).then_some(sentence))
    }
}

/// The stable id of an alert, in every table, topic and receiver: a hash (xxh3-128) of rule, subject and episode.
#[must_use]
pub fn alert_id(rule: &str, subject_kind: &str, subject: &str, episode: u32) -> u128 {
    let mut bytes = Vec::with_capacity(rule.len() + subject.len() + 32);
    for text in [rule, subject_kind, subject] {
        bytes.extend_from_slice(&(text.len() as u32).to_le_bytes());
        bytes.extend_from_slice(text.as_bytes());
    }
    bytes.extend_from_slice(&episode.to_le_bytes());
    xxh3_128(&bytes)
}
