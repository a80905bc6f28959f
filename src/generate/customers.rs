//! Who acts: a Zipf sampler over the customers, and the attributes each customer has for ever.

use super::random::{SplitMix64, mix};

/// Draws k in [1, n] with a probability in proportion to `k^-s`, in constant time and memory.
///
/// Source: Hörmann and Derflinger, "Rejection-inversion to generate variates from monotone discrete distributions"
/// (1996), in the numerically stable form with `expm1` and `log1p`.
#[derive(Clone, Debug)]
pub struct Zipf {
    n: f64,
    s: f64,
    h_first: f64,
    h_last: f64,
    shortcut: f64,
}

impl Zipf {
    /// A sampler over `n` >= 1 ranks with exponent `s` > 0.
    pub fn new(n: u64, s: f64) -> Self {
        let n = n.max(1) as f64;
        let h_first = h_integral(1.5, s) - 1.0;
        let h_last = h_integral(n + 0.5, s);
        let shortcut = 2.0 - h_integral_inverse(h_integral(2.5, s) - h(2.0, s), s);
        Self { n, s, h_first, h_last, shortcut }
    }

    /// The next rank, from 1.
    pub fn sample(&self, random: &mut SplitMix64) -> u64 {
        loop {
            let u = self.h_last + random.unit() * (self.h_first - self.h_last);
            let x = h_integral_inverse(u, self.s);
            let k = libm::floor(x + 0.5).clamp(1.0, self.n);
            if k - x <= self.shortcut || u >= h_integral(k + 0.5, self.s) - h(k, self.s) {
                return k as u64;
            }
        }
    }
}

/// `x^-s`.
fn h(x: f64, s: f64) -> f64 {
    libm::exp(-s * libm::log(x))
}

/// The integral of `x^-s`: `(x^(1-s) - 1) / (1-s)`, `ln x` for s = 1.
fn h_integral(x: f64, s: f64) -> f64 {
    let log_x = libm::log(x);
    expm1_over_x((1.0 - s) * log_x) * log_x
}

fn h_integral_inverse(x: f64, s: f64) -> f64 {
    // Rounding may bring the argument of log1p a little below -1.
    let t = (x * (1.0 - s)).max(-1.0);
    libm::exp(log1p_over_x(t) * x)
}

fn log1p_over_x(x: f64) -> f64 {
    if x.abs() > 1e-8 { libm::log1p(x) / x } else { 1.0 - x * (0.5 - x * (1.0 / 3.0 - 0.25 * x)) }
}

fn expm1_over_x(x: f64) -> f64 {
    if x.abs() > 1e-8 {
        libm::expm1(x) / x
    } else {
        1.0 + x * 0.5 * (1.0 + x / 3.0 * (1.0 + 0.25 * x))
    }
}

const REGIONS: [&str; 6] = ["north", "south", "east", "west", "centre", "abroad"];
const INDUSTRIES: [&str; 8] =
    ["retail", "health", "finance", "energy", "transport", "education", "food", "public"];
const SEGMENTS: [&str; 3] = ["small", "medium", "large"];

/// A customer and what never changes about it: all of it follows from the rank.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Customer {
    /// Rank by activity, from 1.
    pub rank: u64,
}

impl Customer {
    fn bits(self, what: u64) -> u64 {
        mix(self.rank.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ what)
    }

    /// `customer_id` and Kafka key.
    pub fn id(self) -> String {
        format!("c-{:07}", self.rank)
    }

    /// Three of ten belong to an account; accounts have about eight members.
    pub fn account(self) -> Option<String> {
        (self.bits(1) % 10 < 3).then(|| format!("a-{:06}", self.rank / 27))
    }

    /// The sales region.
    pub fn region(self) -> &'static str {
        REGIONS[(self.bits(2) % 6) as usize]
    }

    /// The industry.
    pub fn industry(self) -> &'static str {
        INDUSTRIES[(self.bits(3) % 8) as usize]
    }

    /// The segment.
    pub fn segment(self) -> &'static str {
        SEGMENTS[(self.bits(4) % 3) as usize]
    }

    /// Who looks after the customer: one of 40.
    pub fn owner(self) -> String {
        format!("owner-{:02}", self.bits(5) % 40)
    }

    /// One in fifty is a key customer.
    pub fn is_key(self) -> bool {
        self.bits(6).is_multiple_of(50)
    }

    /// One in twelve stands up for us at their account, one in a hundred did and has left; of the others nothing is said.
    pub fn champion(self) -> Option<&'static str> {
        match self.bits(8) % 100 {
            0..8 => Some("yes"),
            8 => Some("left"),
            _ => None,
        }
    }

    /// What the customer usually pays for an order, minor units with two digits: 8.00 to 168.00.
    pub fn usual_amount_minor(self) -> u64 {
        800 + self.bits(7) % 16_000
    }
}
