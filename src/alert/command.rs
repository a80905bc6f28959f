//! What people do about an alert, at the moment at which the shard hears of it.

use xxhash_rust::xxh3::xxh3_64;

use super::look::Looking;
use super::view::Facts;
use super::{Alerts, Held};
use crate::model::time::NEVER_MS;
use crate::rule::lifecycle::{Action, By, Command, Ignored};
use crate::wire::mail::{Act, Acted, Said};

/// Longest name of a person and longest note that are kept, characters.
const TEXT_MAX: usize = 1_000;

/// A command that had its effect, as metrics and logs call it.
pub const DONE: &str = "done";

/// Why a command had no effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// There is no such subject, or nothing was ever raised about the subject.
    NoAlert,
    /// The rule is not evaluated any more.
    NoRule,
    /// A snooze needs an end.
    NoEnd,
    /// The alert's own reason.
    Ignored(Ignored),
}

impl Refused {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NoAlert,
        Self::NoRule,
        Self::NoEnd,
        Self::Ignored(Ignored::Repeated),
        Self::Ignored(Ignored::Stale),
        Self::Ignored(Ignored::Unfit),
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
        }
    }

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

impl Alerts {
    /// Notes what a person has done in the generation before; once.
    pub fn expect(&mut self, acted: Acted) {
        if self.acted.iter().all(|held| held.said.id != acted.said.id) {
            let at = self.acted.partition_point(|held| held.at_ms <= acted.at_ms);
            self.acted.insert(at, acted);
        }
    }

    /// When the next of it takes effect; [`NEVER_MS`] where nothing is left of it.
    pub fn expected_ms(&self) -> i64 {
        self.acted.first().map_or(NEVER_MS, |acted| acted.at_ms)
    }
}

impl<F: Facts> Looking<'_, F> {
    /// Takes up what people have done in the generation before up to now, about the subject, whose own id is `id`, or one of its parts;
    /// after a look. Whether one of it had an effect: then another look must follow.
    ///
    /// It is about the episode that is on at its moment, whatever number that has: other rules may count others. An event of the same
    /// moment may come after it, so what finds nothing waits for a millisecond.
    pub fn act_again(&mut self, id: &str) -> bool {
        loop {
            let at_ms = self.alerts.expected_ms();
            if at_ms > self.tau_ms {
                self.own_due_ms = self.own_due_ms.min(at_ms);
                return false;
            }
            let Acted { mut said, .. } = self.alerts.acted.remove(0);
            let held = self.held_of(id, &said).map(|at| &self.alerts.held[at]);
            match held.filter(|held| held.raised_ms.is_some_and(|ms| ms <= at_ms)) {
                None if at_ms == self.tau_ms => {
                    self.alerts.acted.insert(0, Acted { said, at_ms });
                    self.own_due_ms = self.own_due_ms.min(at_ms + 1);
                    return false;
                }
                // nothing was on at its moment: what was raised since has other numbers, and nobody has seen it
                None => {
                    self.changed = true;
                    continue;
                }
                Some(held) => said.episode = held.watch.alert.episode(),
            }
            self.changed = true;
            if self.obey(id, &said).is_ok() {
                return true;
            }
        }
    }

    /// Where is held what a person speaks of.
    fn held_of(&self, id: &str, said: &Said) -> Option<usize> {
        let about = |held: &Held| {
            let subject = if held.part == 0 { id } else { &held.part_id };
            *held.rule == *said.rule && *subject == *said.subject
        };
        self.alerts.held.iter().position(about)
    }

    /// Does what a person says about an alert of the subject, whose own id is `id`, or of one of its parts. To be followed by a
    /// look.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn obey(&mut self, id: &str, said: &Said) -> Result<(), Refused> {
        let ruled = self.ruled;
        let ready = ruled.named(&said.rule).ok_or(Refused::NoRule)?;
        let rule = ruled.rule(ready);
        let at = self.held_of(id, said).ok_or(Refused::NoAlert)?;
        let action = match (said.act, said.until_ms) {
            (Act::Acknowledge, _) => Action::Acknowledge,
            (Act::Snooze, Some(until_ms)) => Action::Snooze { until_ms },
            (Act::Snooze, None) => return Err(Refused::NoEnd),
            (Act::Resolve, _) => Action::Resolve,
            (Act::Reopen, _) => Action::Reopen,
        };
        let short = |text: &str| text.chars().take(TEXT_MAX).collect::<String>();
        let command = Command {
            id: xxh3_64(&said.id),
            episode: said.episode,
            person: short(&said.by),
            action,
        };
        let mut held = self.alerts.held[at].clone();
        let mut watch = held.watch.clone();
        let mut out = Vec::new();
        self.with_world(ready, held.part, |world| watch.command(rule, world, &command, &mut out))
            .map_err(Refused::Ignored)?;
        held.watch = watch;
        for transition in &out {
            let own = matches!(transition.by, By::Person(_));
            let note = if own { short(&said.note) } else { String::new() };
            let word = self.word(&mut held, transition, &note);
            self.told.push(word);
        }
        self.alerts.held[at] = held;
        self.alerts.seen_ms = self.tau_ms;
        Ok(())
    }
}
