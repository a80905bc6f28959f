//! What people do about an alert, at the moment at which the shard hears of it.

use xxhash_rust::xxh3::xxh3_64;

use super::Held;
use super::look::{Looking, put, take};
use crate::engine::apply::Engine;
use crate::engine::compact::Moment;
use crate::engine::profile::More;
use crate::rule::definition::Rule;
use crate::rule::lifecycle::{Action, By, Command, Ignored, Transition};
use crate::wire::mail::{Act, Said};

/// Longest name of a person and longest note that are kept, characters.
const TEXT_MAX: usize = 1_000;

/// Why a command had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such customer, or nothing was ever raised about the subject.
    NoAlert,
    /// The rule is not evaluated any more.
    NoRule,
    /// A snooze needs an end.
    NoEnd,
    /// The alert's own reason.
    Ignored(Ignored),
}

impl Refused {
    /// In words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::NoAlert => "nothing was raised about this subject",
            Self::NoRule => "there is no such rule",
            Self::NoEnd => "a snooze needs its end",
            Self::Ignored(why) => why.words(),
        }
    }
}

/// A command that had its effect, as metrics and logs call it.
pub const DONE: &str = "done";

impl Refused {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::NoAlert,
        Self::NoRule,
        Self::NoEnd,
        Self::Ignored(Ignored::Repeated),
        Self::Ignored(Ignored::Stale),
        Self::Ignored(Ignored::Unfit),
        Self::Ignored(Ignored::TooMany),
    ];

    /// In a word, as metrics and logs call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NoAlert => "no_alert",
            Self::NoRule => "no_rule",
            Self::NoEnd => "no_end",
            Self::Ignored(Ignored::Repeated) => "repeated",
            Self::Ignored(Ignored::Stale) => "other_episode",
            Self::Ignored(Ignored::Unfit) => "other_phase",
            Self::Ignored(Ignored::TooMany) => "too_many",
        }
    }
}

impl Engine {
    /// Does what a person says, once, at `now_ms` of event time, but not before the customer's last event and all that was due.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn command(&mut self, said: &Said, now_ms: i64) -> Result<(), Refused> {
        let slot = self.store.find(said.customer.as_bytes()).ok_or(Refused::NoAlert)?;
        self.store.used(slot);
        let seen_ms = {
            let profile = &self.store.get(slot).profile;
            let alerts = profile.more().and_then(More::alerts);
            profile.as_of_ms.max(alerts.ok_or(Refused::NoAlert)?.seen.ms())
        };
        let tau_ms = now_ms.max(seen_ms);
        self.fire_slot(slot, tau_ms);
        let done = self.obey(slot, said, tau_ms);
        if done.is_ok() {
            self.mark(slot);
            self.look_at_due(slot, tau_ms);
        }
        done
    }

    fn obey(&mut self, slot: u32, said: &Said, tau_ms: i64) -> Result<(), Refused> {
        let Self { cx, store, tiers, owners, alerted, .. } = self;
        let ruled = cx.alerts.as_ref().ok_or(Refused::NoRule)?;
        let (rule, _) = ruled
            .rules
            .iter()
            .map(|ready| (&ruled.set.rules[ready.index], ready.law))
            .find(|(rule, _)| rule.name == said.rule)
            .ok_or(Refused::NoRule)?;
        let tier = tiers.columns(slot);
        let entry = store.get_mut(slot);
        let mut held = take(&mut entry.profile);
        let done = held.as_deref_mut().ok_or(Refused::NoAlert).and_then(|alerts| {
            let subject = (&*cx, &*entry.profile, tier, &*owners);
            let mut looking = Looking::new(ruled, entry.key.bytes(), subject, alerts, tau_ms);
            looking.obey(rule, said)?;
            alerted.extend(looking.told);
            Ok(())
        });
        put(&mut entry.profile, held);
        done
    }
}

/// What is said, as an alert hears it.
pub(super) fn command_of(said: &Said) -> Result<Command, Refused> {
    let action = match (said.act, said.until_ms) {
        (Act::Acknowledge, _) => Action::Acknowledge,
        (Act::Snooze, Some(until_ms)) => Action::Snooze { until_ms },
        (Act::Snooze, None) => return Err(Refused::NoEnd),
        (Act::Resolve, _) => Action::Resolve,
        (Act::Reopen, _) => Action::Reopen,
    };
    let (id, person) = (xxh3_64(&said.id), short(&said.by));
    Ok(Command { id, episode: said.episode, person, action })
}

/// The note that goes with a transition: that of the person whose doing it is.
pub(super) fn note_of(said: &Said, transition: &Transition) -> String {
    let own = matches!(transition.by, By::Person(_));
    if own { short(&said.note) } else { String::new() }
}

fn short(text: &str) -> String {
    text.chars().take(TEXT_MAX).collect()
}

impl Looking<'_> {
    fn obey(&mut self, rule: &Rule, said: &Said) -> Result<(), Refused> {
        let about = |held: &Held| {
            let subject = if held.ticket == 0 { said.customer.as_str() } else { &held.subject };
            *held.rule == *said.rule && *subject == *said.subject
        };
        let at = self.alerts.held.iter().position(about).ok_or(Refused::NoAlert)?;
        let command = command_of(said)?;
        let mut held = self.alerts.held[at].clone();
        let mut watch = held.watch.clone();
        let mut out = Vec::new();
        self.with_world(rule, held.ticket, |world| watch.command(rule, world, &command, &mut out))
            .map_err(Refused::Ignored)?;
        held.watch = watch;
        for transition in &out {
            let word = self.word(&mut held, transition, &note_of(said, transition));
            self.told.push(word);
        }
        self.alerts.held[at] = held;
        self.alerts.seen = Moment::new(self.tau_ms);
        Ok(())
    }
}
