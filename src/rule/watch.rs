//! One rule watching one subject: evaluates both conditions, and tells the alert its levels.

use serde::{Deserialize, Serialize};

use super::condition::{Condition, Term};
use super::definition::{Cooldown, Rule};
use super::evaluate::{Lasting, Value, World, evaluate, lasting_in};
use super::lifecycle::{Alert, Command, Ignored, Pace, Transition};

/// The state of a rule about a subject.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Watch {
    /// The alert.
    pub alert: Alert,
    raise: Vec<Lasting>,
    clear: Vec<Lasting>,
}

impl Watch {
    /// After so many episodes, see [`Alert::after`].
    #[must_use]
    pub fn after(episode: u32) -> Self {
        Self { alert: Alert::after(episode), ..Self::default() }
    }

    /// Of a rule that has become another one, see [`Alert::renewed`].
    #[must_use]
    pub fn renewed(&self, episode: u32) -> Self {
        Self { alert: self.alert.renewed(episode), ..Self::default() }
    }

    /// Looks at the subject at `world.tau_ms`: after each event, whenever the machine itself changes a
    /// signal, and at each due. Returns the next due.
    ///
    /// What clears is asked only where it decides something: of an alert that is raised, or where it remembers.
    pub fn look(&mut self, rule: &Rule, world: &mut World<'_>, out: &mut Vec<Transition>) -> i64 {
        let tau_ms = world.tau_ms;
        let (raise, mut due_ms) = level(&rule.raise, &mut self.raise, world);
        let pace = pace(rule, world);
        // the dues before this moment are met with the levels as last told, and may raise it
        self.alert.pass(pace, tau_ms.saturating_sub(1), out);
        let mut asked = lasting_in(&rule.clear) > 0 || self.alert.may_clear();
        let mut clear = true;
        if asked {
            let found = level(&rule.clear, &mut self.clear, world);
            (clear, due_ms) = (found.0, due_ms.min(found.1));
        }
        self.alert.tell(pace, tau_ms, raise, clear, out);
        if !asked && self.alert.may_clear() {
            let found = level(&rule.clear, &mut self.clear, world);
            (clear, due_ms) = (found.0, due_ms.min(found.1));
            self.alert.tell(pace, tau_ms, raise, clear, out);
            asked = true;
        }
        debug_assert!(asked || !self.alert.may_clear());
        due_ms.min(self.alert.due_ms(pace))
    }

    /// Does what a person says. To be followed by a look.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn command(
        &mut self,
        rule: &Rule,
        world: &mut World<'_>,
        command: &Command,
        out: &mut Vec<Transition>,
    ) -> Result<(), Ignored> {
        let pace = pace(rule, world);
        self.alert.command(pace, world.tau_ms, command, out)
    }

    /// Whether it is as if nothing had been looked at after so many episodes: it need not be kept.
    #[must_use]
    pub fn is_blank_after(&self, episode: u32) -> bool {
        let blank = |memory: &[Lasting]| memory.iter().all(|held| *held == Lasting::default());
        self.alert == Alert::after(episode) && blank(&self.raise) && blank(&self.clear)
    }

    /// What the conditions remember of `within` and `held`, raising first.
    #[must_use]
    pub fn memory(&self) -> (&[Lasting], &[Lasting]) {
        (&self.raise, &self.clear)
    }
}

/// Whether a condition holds, and its next due.
fn level(condition: &Condition, memory: &mut Vec<Lasting>, world: &mut World<'_>) -> (bool, i64) {
    memory.resize_with(lasting_in(condition), Lasting::default);
    let found = evaluate(condition, memory, world);
    (found.holds, found.due_ms)
}

/// The pace of a rule at the moment of the world.
fn pace(rule: &Rule, world: &mut World<'_>) -> Pace {
    let cooldown_ms = match rule.cooldown {
        Cooldown::Fixed(ms) => ms,
        Cooldown::Signal(signal) => match (world.value)(&Term::Signal(signal)) {
            Some(Value::Number(ms)) if ms > 0.0 => ms as i64,
            _ => 0,
        },
    };
    Pace { dwell_ms: rule.dwell_ms, cooldown_ms }
}
