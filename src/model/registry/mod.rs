//! The signal registry: what is computed, in which unit, how it changes, and its words. Tests hold the columns of the
//! customer views and docs/signals.md against it, and the condition language of rules speaks of them.

mod credit;
mod inputs;
mod kind;
mod purchase;
mod scores;
mod service;
mod spelled;
mod subject;

pub use inputs::{LOYALTY_INPUTS, RISK_INPUTS, input_label};
pub use kind::Kind;
pub use spelled::{length_text, percent_text, whole_text};
pub use subject::Subject;

/// How a signal moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Only when an event comes.
    Event,
    /// At every moment, by a closed form: the views compute it when they are read.
    Live,
    /// By a due: the machine wakes when it crosses a threshold, nothing else changes it.
    Due,
    /// At every moment, but without a closed form in SQL: refreshed at least daily, carries its own `as_of`.
    Refresh,
}

/// One signal.
#[derive(Clone, Copy, Debug)]
pub struct Signal {
    /// Column of the `customers_now` view.
    pub name: &'static str,
    /// What people call it who are no engineers, as a noun in small letters: `usual gap between purchases`. [`Signal::spelled`]
    /// writes its values.
    pub label: &'static str,
    /// Unit, or the set of values.
    pub unit: &'static str,
    /// What moves it.
    pub change: Change,
    /// Whether it is a function of the set of applied events (trajectories are not).
    pub commutative: bool,
    /// What it means, in one sentence for marketing.
    pub words: &'static str,
    /// How it is computed.
    pub formula: &'static str,
    /// Which values it can have; empty where the unit says it.
    pub range: &'static str,
    /// How far it looks back or ahead; empty where that makes no sense.
    pub window: &'static str,
    /// When it changes although nothing happens, beyond what [`Change`] says.
    pub wakes: &'static str,
    /// Where the formula comes from; empty for plain counting.
    pub source: &'static str,
    /// How it is proved.
    pub verified: &'static str,
    /// What it cannot do.
    pub limits: &'static str,
}

const fn signal(
    name: &'static str,
    label: &'static str,
    unit: &'static str,
    change: Change,
    words: &'static str,
    formula: &'static str,
) -> Signal {
    let commutative = !matches!(change, Change::Due);
    let none = "";
    Signal {
        name,
        label,
        unit,
        change,
        commutative,
        words,
        formula,
        range: none,
        window: none,
        wakes: none,
        source: none,
        verified: none,
        limits: none,
    }
}

impl Signal {
    const fn range(self, range: &'static str) -> Self {
        Self { range, ..self }
    }

    const fn window(self, window: &'static str) -> Self {
        Self { window, ..self }
    }

    const fn wakes(self, wakes: &'static str) -> Self {
        Self { wakes, ..self }
    }

    const fn source(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    const fn verified(self, verified: &'static str) -> Self {
        Self { verified, ..self }
    }

    const fn limits(self, limits: &'static str) -> Self {
        Self { limits, ..self }
    }

    /// A path: what it is depends on what it was.
    const fn trajectory(self) -> Self {
        Self { commutative: false, ..self }
    }
}

/// The groups of signals, with the headings of the documentation.
pub const GROUPS: [(&str, &[Signal]); 4] = [
    ("Purchases", purchase::SIGNALS),
    ("Support, satisfaction, engagement, contact", service::SIGNALS),
    ("Credit, contract, deliveries, usage", credit::SIGNALS),
    ("Scores and judgements", scores::SIGNALS),
];

/// Every signal of a customer, in the order of the documentation.
pub fn signals() -> impl Iterator<Item = &'static Signal> {
    GROUPS.iter().flat_map(|(_, signals)| signals.iter())
}
