//! What people do about an alert, at the moment at which the shard hears of it.

use xxhash_rust::xxh3::xxh3_64;

use super::Held;
use super::look::Looking;
use super::view::Facts;
use crate::rule::lifecycle::{Action, By, Command, Ignored};
use crate::wire::mail::{Act, Said};

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

impl<F: Facts> Looking<'_, F> {
    /// Does what a person says about an alert of the subject, whose own id is `id`, or of one of its parts. To be followed by a
    /// look.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn obey(&mut self, id: &str, said: &Said) -> Result<(), Refused> {
        let ruled = self.ruled;
        let ready = ruled.rules.iter().map(|ready| &ruled.set.rules[ready.index]);
        let rule = ready.into_iter().find(|rule| rule.name == said.rule).ok_or(Refused::NoRule)?;
        let about = |held: &Held| {
            let subject = if held.part == 0 { id } else { &held.part_id };
            *held.rule == *said.rule && *subject == *said.subject
        };
        let at = self.alerts.held.iter().position(about).ok_or(Refused::NoAlert)?;
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
        self.with_world(rule, held.part, |world| watch.command(rule, world, &command, &mut out))
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
