//! Customers under contract, shifted beta-geometric (sBG): will they renew, how often, and what is that worth?
//!
//! At the end of every period a customer leaves with a probability of their own, ~ Beta(a, b) over customers. Those
//! most likely to leave go first, so the rate of renewal rises with tenure. Sources: Fader and Hardie, "How to project
//! customer retention", Journal of Interactive Marketing 21(1) 2007; residual value: the same, "Customer-base valuation
//! in a contractual setting", Marketing Science 29(1) 2010. Not for customers without a contract: there nobody sees
//! them leave (`silence`).

use super::silence::BadParameter;

/// Steps of the continued fraction at most; a discount of 1e-6 a period needs a tenth.
const FRACTION_MAX: u32 = 200_000;

/// The parameters: constants of the definition.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sbg {
    /// First parameter of the probability to leave.
    pub a: f64,
    /// Second parameter of the probability to leave.
    pub b: f64,
}

impl Sbg {
    /// Published for the "regular" segment of the paper, periods of a year: a start, not your customers.
    pub const REGULAR: Self = Self { a: 0.704, b: 1.182 };
    /// Published for the "high end" segment of the paper.
    pub const HIGH_END: Self = Self { a: 0.668, b: 3.806 };

    /// Checked parameters.
    ///
    /// # Errors
    /// The first that is not a finite positive number.
    pub fn new(a: f64, b: f64) -> Result<Self, BadParameter> {
        for (name, value) in [("a", a), ("b", b)] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(BadParameter { name, value });
            }
        }
        Ok(Self { a, b })
    }

    /// Probability to renew at the end of the present period, after `renewals` renewals so far (0 in the first
    /// period): `r_t = (b + t - 1)/(a + b + t - 1)` with `t = renewals + 1`. In (0, 1), rising with every renewal;
    /// constant between renewal dates, so its due is the renewal date.
    #[must_use]
    pub fn renewal_rate(&self, renewals: u32) -> f64 {
        let b = self.b + f64::from(renewals);
        b / (self.a + b)
    }

    /// Probability to renew the next `periods` times in a row.
    #[must_use]
    pub fn survival(&self, renewals: u32, periods: u32) -> f64 {
        (0..periods).map(|i| self.renewal_rate(renewals.saturating_add(i))).product()
    }

    /// Expected number of renewals at the next `periods` renewal dates: the sum of the survivals.
    #[must_use]
    pub fn expected_renewals(&self, renewals: u32, periods: u32) -> f64 {
        self.discounted_renewals(renewals, periods, 0.0)
    }

    /// Expected renewals at the next `periods` dates, the `i`-th weighed by `(1 + discount)^-i`. Multiplied by the
    /// margin of a period it is the value of the contract beyond what is paid already.
    #[must_use]
    pub fn discounted_renewals(&self, renewals: u32, periods: u32, discount: f64) -> f64 {
        let (mut weight, mut sum) = (1.0, 0.0);
        for i in 0..periods {
            weight *= self.renewal_rate(renewals.saturating_add(i)) / (1.0 + discount);
            sum += weight;
            if weight <= 1e-18 * sum {
                break;
            }
        }
        sum
    }

    /// Discounted expected residual lifetime in periods, just before the next renewal date: a renewal there counts
    /// whole, the one after it `1/(1 + discount)`, without end (equation 6 of the 2010 paper).
    ///
    /// `DERL = r_t 2F1(1, b + t; a + b + t; 1/(1 + d))`. The series has terms of one sign but needs `40/d` of them;
    /// Gauss's continued fraction (DLMF 15.7.5) needs the root of that. `None` unless the discount is a finite number
    /// above 0: without one the lifetime is infinite for `a <= 1`.
    #[must_use]
    pub fn residual_lifetime(&self, renewals: u32, discount: f64) -> Option<f64> {
        if !(discount > 0.0 && discount.is_finite()) {
            return None;
        }
        let b = self.b + f64::from(renewals) + 1.0;
        let lifetime = self.renewal_rate(renewals) * gauss(b, self.a + b, 1.0 / (1.0 + discount));
        lifetime.is_finite().then_some(lifetime)
    }

    /// `ln P` of a customer who left at the end of period `periods` (1 is the first), or of one who is still there
    /// after `periods` renewals.
    #[must_use]
    pub fn ln_likelihood(&self, periods: u32, left: bool) -> f64 {
        let renewed = if left { periods.saturating_sub(1) } else { periods };
        let stayed: f64 = (0..renewed).map(|i| libm::log(self.renewal_rate(i))).sum();
        if left && periods > 0 {
            stayed + libm::log(self.a / (self.a + self.b + f64::from(renewed)))
        } else {
            stayed
        }
    }
}

/// `2F1(1, b; c; z)` for `0 < b < c`, `0 < z < 1` as `1/(1 - k1 z/(1 - k2 z/(1 - ...)))`, all `k` in (0, 1), by Lentz's
/// method; converges like `((1 - sqrt(1-z))/(1 + sqrt(1-z)))^n`.
fn gauss(b: f64, c: f64, z: f64) -> f64 {
    let mut below = 1.0;
    let (mut numerator, mut denominator) = (1.0, 0.0);
    for n in 1..FRACTION_MAX {
        let m = f64::from(n / 2);
        let (i, j) = (c + f64::from(n) - 2.0, c + f64::from(n) - 1.0);
        let k = if n == 1 {
            b / c
        } else if n % 2 == 1 {
            (b + m) * (c - 1.0 + m) / (i * j)
        } else {
            m * (c - b + m - 1.0) / (i * j)
        };
        denominator = 1.0 / (1.0 - k * z * denominator);
        numerator = 1.0 - k * z / numerator;
        let ratio = numerator * denominator;
        below *= ratio;
        if n > 1 && (ratio - 1.0).abs() < 2e-16 {
            break;
        }
    }
    1.0 / below
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Survival of 1,000 customers of two segments after 1 to 7 years, percent (Fader and Hardie 2007, table 1).
    const REGULAR: [f64; 7] = [63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1];
    const HIGH_END: [f64; 7] = [86.9, 74.3, 65.3, 59.3, 55.1, 51.7, 49.1];

    #[test]
    fn the_published_fits_are_maxima() {
        for (segment, fit) in [(REGULAR, Sbg::REGULAR), (HIGH_END, Sbg::HIGH_END)] {
            let ln_l = |model: Sbg| {
                let (mut here, mut sum) = (100.0, 0.0);
                for (i, later) in segment.iter().enumerate() {
                    sum += 10.0 * (here - later) * model.ln_likelihood(i as u32 + 1, true);
                    here = *later;
                }
                sum + 10.0 * here * model.ln_likelihood(7, false)
            };
            let best = ln_l(fit);
            println!("{fit:?} {best:.3}");
            for (da, db) in [(0.01, 0.0), (-0.01, 0.0), (0.0, 0.04), (0.0, -0.04), (0.01, 0.05)] {
                assert!(ln_l(Sbg { a: fit.a + da, b: fit.b + db }) < best, "{fit:?} {da} {db}");
            }
            for (i, seen) in segment.iter().enumerate() {
                let fitted = 100.0 * fit.survival(0, i as u32 + 1);
                assert!((fitted - seen).abs() < 2.0, "{fit:?} year {i}: {fitted} {seen}");
            }
        }
    }

    #[test]
    fn rates_by_hand() {
        let model = Sbg { a: 1.0, b: 3.0 };
        assert_eq!([0, 1, 2].map(|n| model.renewal_rate(n)), [3.0 / 4.0, 4.0 / 5.0, 5.0 / 6.0]);
        assert!((model.survival(0, 3) - 0.5).abs() < 1e-15);
        assert!((model.expected_renewals(0, 3) - (0.75 + 0.6 + 0.5)).abs() < 1e-15);
        assert!((model.discounted_renewals(0, 2, 1.0) - (0.375 + 0.15)).abs() < 1e-15);
        assert!((model.ln_likelihood(2, true) - libm::log(0.75 * 0.2)).abs() < 1e-15);
        assert_eq!(model.expected_renewals(5, 0), 0.0);
    }

    /// The fraction against the plain sum of discounted survivals.
    #[test]
    fn residual_lifetime_is_the_endless_sum() {
        let mut worst: f64 = 0.0;
        for model in
            [Sbg::REGULAR, Sbg::HIGH_END, Sbg { a: 3.8, b: 15.19 }, Sbg { a: 0.02, b: 30.0 }]
        {
            for renewals in [0, 1, 4, 40, 1_000] {
                for discount in [0.001, 0.01, 0.1, 0.25, 2.0] {
                    let sum =
                        (1.0 + discount) * model.discounted_renewals(renewals, 100_000, discount);
                    let closed = model.residual_lifetime(renewals, discount).unwrap();
                    worst = worst.max((closed / sum - 1.0).abs());
                }
            }
        }
        println!("worst {worst:e}");
        assert!(worst < 1e-12, "{worst:e}");
        assert_eq!(Sbg::REGULAR.residual_lifetime(3, 0.0), None);
        assert_eq!(Sbg::REGULAR.residual_lifetime(3, f64::NAN), None);
    }
}
