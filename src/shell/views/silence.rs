//! The repurchase models as SQL over the columns of a customer's row: P(alive) and p_silent at the moment of reading.
//!
//! Sources: BG/NBD: Fader, Hardie, Lee, Marketing Science 24(2) 2005, and their note 021. MBG/NBD: Batislam, Denizel,
//! Filiztekin, IJRM 24(3) 2007. (M)BG/CNBD-k: Reutterer, Platzer, Schroeder, IJRM 2020.

use crate::plan::Model;

/// Odds of having dropped out at the last purchase.
fn dropout_odds(model: &Model) -> String {
    let Model { kind, a, b, .. } = *model;
    if kind.drops_at_first() {
        format!("({a:?} / ({b:?} + x))")
    } else {
        format!("if(x = 0, 0, {a:?} / ({b:?} + x - 1))")
    }
}

/// P(alive): `1 / (1 + odds * ((alpha + T)/(alpha + t_x))^(r + x))`, in logarithms; NULL for who never bought. With
/// stages, `1 / (1 + odds / S)` with the chance `S` that the rhythm alone explains the silence.
pub(super) fn p_alive(model: &Model) -> String {
    let Model { kind, r, alpha_d, .. } = *model;
    let odds = dropout_odds(model);
    if kind.stages() > 1 {
        return bought(&format!("1 / (1 + {odds} / {})", Stages::of(model).survival("0")));
    }
    // exp is kept finite; beyond 1e304 the probability is 0 either way.
    let growth = format!("({r:?} + x) * log1p((age_d - t_x_d) / ({alpha_d:?} + t_x_d))");
    bought(&format!("1 / (1 + {odds} * exp(least({growth}, 700)))"))
}

/// P(no purchase within the horizon), from P(alive). With stages, from the chances that the rhythm alone explains the
/// silence, as it is now and as it would be at the horizon's end.
pub(super) fn p_silent(model: &Model, horizon_d: u32) -> String {
    let Model { kind, r, alpha_d, .. } = *model;
    if kind.stages() > 1 {
        let (stages, odds, ahead) = (Stages::of(model), dropout_odds(model), horizon_d.to_string());
        let (now, then) = (stages.survival("0"), stages.survival(&ahead));
        let silent = format!("({then} + {odds}) / ({now} + {odds})");
        // nobody who cannot have dropped out becomes 0 of 0
        let silent = if kind.drops_at_first() {
            silent
        } else {
            format!("if(x = 0, {}, {silent})", stages.lasts(&ahead))
        };
        return bought(&format!("least({silent}, 1)"));
    }
    let none = format!("exp(-({r:?} + x) * log1p({horizon_d} / ({alpha_d:?} + age_d)))");
    bought(&format!("1 - p_alive * (1 - {none})"))
}

/// Gaps of `k` stages: `S(y) = (1-u)^m * sum over j < k of (m)_j/j! u^j` is the probability that a gap is longer than `y`,
/// a finite sum, with `y` in units of `alpha + t_x`, `u = y/(1+y)` and `m = r + k x` (Reutterer, Platzer, Schroeder, IJRM
/// 2020; as `signal::stages` has it).
struct Stages {
    k: u8,
    /// The shape of the rate's posterior.
    m: String,
    /// The unit of time, days.
    scale_d: String,
}

impl Stages {
    fn of(model: &Model) -> Self {
        let Model { kind, r, alpha_d, .. } = *model;
        let k = kind.stages();
        Self { k, m: format!("({r:?} + {k} * x)"), scale_d: format!("({alpha_d:?} + t_x_d)") }
    }

    fn y(&self, ahead_d: &str) -> String {
        format!("((age_d - t_x_d + {ahead_d}) / {})", self.scale_d)
    }

    /// The sum, from the inside out.
    fn sum(&self, ahead_d: &str) -> String {
        let (m, y) = (&self.m, self.y(ahead_d));
        let term = |sum: String, j: u8| {
            format!("(1 + ({m} + {}) / {j} * ({y} / (1 + {y})) * {sum})", j - 1)
        };
        (1..self.k).rev().fold("1".to_owned(), term)
    }

    /// The chance of a gap as long as the silence and `ahead_d` more days.
    fn survival(&self, ahead_d: &str) -> String {
        let (m, y, sum) = (&self.m, self.y(ahead_d), self.sum(ahead_d));
        // kept above 0: odds by it stay a number
        format!("greatest(exp(-{m} * log1p({y})) * {sum}, 1e-290)")
    }

    /// The same, given that the gap is as long as the silence.
    fn lasts(&self, ahead_d: &str) -> String {
        let (m, y) = (&self.m, self.y("0"));
        let (then, now) = (self.sum(ahead_d), self.sum("0"));
        format!("exp(-{m} * log1p({ahead_d} / {} / (1 + {y}))) * {then} / {now}", self.scale_d)
    }
}

fn bought(formula: &str) -> String {
    format!("if(n_days = 0 OR isNull(t_first) OR isNull(t_last), NULL, {formula})")
}
