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
    /// When the levels may change by time alone.
    levels_due_ms: i64,
}

impl Watch {
    /// Looks at the subject at `world.tau_ms`: after each event, whenever the machine itself changes a
    /// signal, and at each due. Returns the next due.
    pub fn look(&mut self, rule: &Rule, world: &mut World<'_>, out: &mut Vec<Transition>) -> i64 {
        let mut level = |condition: &Condition, memory: &mut Vec<Lasting>| {
            memory.resize_with(lasting_in(condition), Lasting::default);
            let found = evaluate(condition, memory, world);
            (found.holds, found.due_ms)
        };
        let (raise, raise_due_ms) = level(&rule.raise, &mut self.raise);
        let (clear, clear_due_ms) = level(&rule.clear, &mut self.clear);
        self.levels_due_ms = raise_due_ms.min(clear_due_ms);
        let pace = pace(rule, world);
        self.alert.tell(pace, world.tau_ms, raise, clear, out);
        self.due_ms(pace)
    }

    /// Does what a person says. Returns the next due.
    ///
    /// # Errors
    /// Why it has no effect.
    pub fn command(
        &mut self,
        rule: &Rule,
        world: &mut World<'_>,
        command: &Command,
        out: &mut Vec<Transition>,
    ) -> Result<i64, Ignored> {
        let pace = pace(rule, world);
        self.alert.command(pace, world.tau_ms, command, out)?;
        Ok(self.due_ms(pace))
    }

    fn due_ms(&self, pace: Pace) -> i64 {
        self.levels_due_ms.min(self.alert.due_ms(pace))
    }

    /// What the conditions remember of `within` and `held`, raising first.
    #[must_use]
    pub fn memory(&self) -> (&[Lasting], &[Lasting]) {
        (&self.raise, &self.clear)
    }
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
