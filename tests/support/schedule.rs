//! How a runner of the simulator behaves: how large its steps are, how often it cuts and dies.

use crate::random::Random;

/// How a runner behaves. Percentages are per step.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// What everything random comes from.
    pub seed: u64,
    /// Most records in one offer.
    pub offer_max: u64,
    /// Most records in one advance.
    pub advance_max: u64,
    /// How often a cycle is ended.
    pub cut_percent: u64,
    /// How often a source is read ahead, as long as its budget lasts.
    pub ahead_percent: u64,
    /// Bytes that may wait per source before it is only read on need.
    pub budget_bytes: usize,
    /// How often letters come.
    pub mail_percent: u64,
    /// How often the machine dies, per mille.
    pub crash_permille: u64,
}

impl Schedule {
    /// Large steps, no crash.
    pub fn straight(seed: u64) -> Self {
        Self {
            seed,
            offer_max: 500,
            advance_max: 1_000,
            cut_percent: 5,
            ahead_percent: 50,
            budget_bytes: 1 << 20,
            mail_percent: 20,
            crash_permille: 0,
        }
    }

    /// Steps of any size, decided by the seed.
    pub fn wild(seed: u64) -> Self {
        let mut r = Random::new(seed);
        Self {
            seed,
            offer_max: *r.pick(&[1, 3, 40, 700]),
            advance_max: *r.pick(&[1, 7, 90, 1_500]),
            cut_percent: *r.pick(&[1, 10, 60]),
            ahead_percent: *r.pick(&[0, 20, 90]),
            budget_bytes: *r.pick(&[1, 4_000, 1 << 20]),
            mail_percent: *r.pick(&[2, 30, 100]),
            crash_permille: 0,
        }
    }

    /// A cycle for each record.
    pub fn by_record(seed: u64) -> Self {
        Self { advance_max: 1, cut_percent: 100, ..Self::wild(seed) }
    }

    /// The same with deaths.
    pub fn crashing(self, crash_permille: u64) -> Self {
        Self { crash_permille, ..self }
    }
}
