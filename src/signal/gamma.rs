//! The regularised incomplete gamma function and its inverse: the distribution of Erlang and gamma gaps.
//!
//! `P(a, x)` is the chance that a gamma variable of shape `a` and scale 1 is below `x`, `Q = 1 - P`. Sources: DLMF
//! 8.7.1 (series), 8.9.2 (continued fraction, evaluated by Lentz's method), 5.11.1 (Stirling's series); Temme 1994 on
//! keeping the factor `x^a e^-x / Gamma(a+1)` exact. Written here because it is 100 lines and the crates that have it
//! bring either the platform's logarithm (other bits elsewhere) or a statistics library.
//!
//! Series for `x < a + 1`, fraction beyond: each is used where its terms have one sign, so neither cancels, and the
//! smaller of P and Q is the one computed except between the median and `a + 1`, where both are of order one.

/// Terms of the series or the fraction at most; shapes up to 1,000 need under 400.
const TERMS_MAX: u32 = 10_000;

/// `x^a e^-x / Gamma(a+1)`. From `a = 10` on as `exp(-a (mu - ln(1+mu)))/sqrt(2 pi a)` over Stirling's correction, with
/// `mu = x/a - 1`: the plain form subtracts logarithms of size `a ln a` from each other.
fn factor(a: f64, x: f64) -> f64 {
    if a < 10.0 {
        return libm::exp(a * libm::log(x) - x - libm::lgamma(a + 1.0));
    }
    let mu = (x - a) / a;
    let i = 1.0 / (a * a);
    // B_2j/(2j(2j-1)) of Stirling's series; the next term is below 1e-16 from a = 10 on.
    let coefficients = [
        1.0 / 12.0,
        -1.0 / 360.0,
        1.0 / 1260.0,
        -1.0 / 1680.0,
        1.0 / 1188.0,
        -691.0 / 360_360.0,
        1.0 / 156.0,
    ];
    let stirling = coefficients.iter().rev().fold(0.0, |sum, c| sum * i + c) / a;
    libm::exp(-a * (mu - libm::log1p(mu)) - stirling) / libm::sqrt(2.0 * std::f64::consts::PI * a)
}

/// `(P(a, x), Q(a, x))`, the smaller one with a relative error near 1e-14 (`a` up to 1,000). NaN for `a <= 0`.
fn both(a: f64, x: f64) -> (f64, f64) {
    if x.is_nan() || a.is_nan() || a <= 0.0 || a == f64::INFINITY {
        return (f64::NAN, f64::NAN);
    }
    if x <= 0.0 {
        return (0.0, 1.0);
    }
    if x == f64::INFINITY {
        return (1.0, 0.0);
    }
    if a == 1.0 {
        // closed, and the shape of all whose rhythm is not known
        return (-libm::expm1(-x), libm::exp(-x));
    }
    if x < a + 1.0 {
        let p = (factor(a, x) * series(a, x)).min(1.0);
        (p, 1.0 - p)
    } else {
        let q = (factor(a, x) * a * fraction(a, x)).min(1.0);
        (1.0 - q, q)
    }
}

/// `sum over n of x^n / ((a+1)...(a+n))`, `x < a + 1`.
fn series(a: f64, x: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for n in 1..TERMS_MAX {
        term *= x / (a + f64::from(n));
        sum += term;
        if term <= 1e-17 * sum {
            break;
        }
    }
    sum
}

/// `1/(x+1-a- 1(1-a)/(x+3-a- 2(2-a)/(x+5-a- ...)))`, `x >= a + 1`.
fn fraction(a: f64, x: f64) -> f64 {
    const TINY: f64 = 1e-290;
    let mut b = x + 1.0 - a;
    let mut c = 1.0 / TINY;
    let mut d = 1.0 / b;
    let mut product = d;
    for n in 1..TERMS_MAX {
        let n = f64::from(n);
        let numerator = -n * (n - a);
        b += 2.0;
        d = 1.0 / keep_off_zero(numerator * d + b, TINY);
        c = keep_off_zero(b + numerator / c, TINY);
        let ratio = c * d;
        product *= ratio;
        if (ratio - 1.0).abs() < 2e-16 {
            break;
        }
    }
    product
}

fn keep_off_zero(value: f64, tiny: f64) -> f64 {
    if value.abs() < tiny { tiny } else { value }
}

/// `P(a, x)`, in [0, 1]: 0 for `x <= 0`, NaN for a shape that is not positive and finite.
#[must_use]
pub fn lower(a: f64, x: f64) -> f64 {
    both(a, x).0
}

/// `Q(a, x) = 1 - P(a, x)`, exact also where it is tiny.
#[must_use]
pub fn upper(a: f64, x: f64) -> f64 {
    both(a, x).1
}

/// The `x` with `P(a, x) = p`; `None` unless `a` is positive and finite and `p` lies in (0, 1).
///
/// Newton's steps in `ln x` on `ln P` (or on `ln Q` above the middle), which are concave there, from the
/// Wilson-Hilferty guess; a bracket catches what leaves it. `P` of the answer is `p` to 1e-14.
#[must_use]
pub fn inverse_lower(a: f64, p: f64) -> Option<f64> {
    if !(a > 0.0 && a.is_finite() && p > 0.0 && p < 1.0) {
        return None;
    }
    let (mut low, mut high) = (-700.0_f64 / a.min(1.0), libm::log(a + 1.0) + 8.0);
    let mut t = guess(a, p).clamp(low, high);
    for _ in 0..80 {
        let x = libm::exp(t);
        let (below, above) = both(a, x);
        // d P / d ln x
        let slope = factor(a, x) * a;
        let step = if p < 0.5 {
            libm::log(below / p) * below / slope
        } else {
            -libm::log(above / (1.0 - p)) * above / slope
        };
        if below > p {
            high = t
        } else {
            low = t
        }
        let next = t - step;
        if step.abs() <= 2e-16 * t.abs().max(1.0) {
            break;
        }
        t = if next > low && next < high { next } else { 0.5 * (low + high) };
    }
    Some(libm::exp(t))
}

/// `ln x` near the solution: the left end of the distribution for small `p`, else Wilson and Hilferty 1931 with the
/// normal quantile of Abramowitz and Stegun 26.2.22.
fn guess(a: f64, p: f64) -> f64 {
    let left = (libm::log(p) + libm::lgamma(a + 1.0)) / a;
    let tail = libm::sqrt(-2.0 * libm::log(p.min(1.0 - p)));
    let quantile = tail - (2.30753 + 0.27061 * tail) / (1.0 + tail * (0.99229 + 0.04481 * tail));
    let quantile = if p < 0.5 { -quantile } else { quantile };
    let root = 1.0 - 1.0 / (9.0 * a) + quantile / (3.0 * libm::sqrt(a));
    if root > 0.2 && a > 0.3 { libm::log(a) + 3.0 * libm::log(root) } else { left }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::excessive_precision)] // the tables have more digits than a double
mod tests {
    use super::*;

    /// Erlang shapes have a closed form: `Q(k, x) = e^-x sum over j < k of x^j/j!`.
    #[test]
    fn whole_shapes_are_poisson_sums() {
        let mut worst: f64 = 0.0;
        for k in [1_u32, 2, 3, 7, 20, 60] {
            for x in [0.01_f64, 0.3, 1.0, 2.9, 7.0, 19.0, 33.0, 80.0] {
                let (mut term, mut sum) = (1.0, 1.0);
                for j in 1..k {
                    term *= x / f64::from(j);
                    sum += term;
                }
                let exact = libm::exp(-x) * sum;
                worst = worst.max((upper(f64::from(k), x) / exact - 1.0).abs());
            }
        }
        println!("worst {worst:e}");
        assert!(worst < 3e-14, "{worst:e}");
    }

    /// 30-digit values (mpmath gammainc, regularised).
    #[test]
    fn values_of_thirty_digit_arithmetic() {
        let cases = [
            (0.1, 0.001, 0.52676856839244513, 0.47323143160755487),
            (0.5, 0.25, 0.52049987781304654, 0.47950012218695346),
            (1.5, 3.0, 0.88838977490528744, 0.11161022509471256),
            (3.7, 9.2, 0.98689614421082991, 0.013103855789170086),
            (25.5, 31.0, 0.86090615101253958, 0.13909384898746042),
            (100.0, 90.0, 0.15822098918643017, 0.84177901081356983),
        ];
        for (a, x, p, q) in cases {
            assert!((lower(a, x) / p - 1.0).abs() < 1e-13, "{a} {x} {}", lower(a, x));
            assert!((upper(a, x) / q - 1.0).abs() < 1e-13, "{a} {x} {}", upper(a, x));
        }
    }

    #[test]
    fn the_inverse_is_one() {
        let mut worst: f64 = 0.0;
        for a in [0.05, 0.4, 1.0, 1.5, 3.45, 9.99, 10.0, 45.0, 100.0, 1000.0] {
            for p in [1e-12, 0.001, 0.05, 0.3, 0.5, 0.7, 0.9, 0.95, 0.97, 0.999, 1.0 - 1e-10] {
                let x = inverse_lower(a, p).unwrap();
                assert!(x.is_finite() && x >= 0.0);
                if x > 0.0 {
                    worst = worst.max((lower(a, x) - p).abs());
                }
            }
        }
        println!("worst {worst:e}");
        assert!(worst < 1e-14, "{worst:e}");
    }

    #[test]
    fn what_is_undefined_says_so() {
        assert_eq!(inverse_lower(1.0, 0.0), None);
        assert_eq!(inverse_lower(1.0, 1.0), None);
        assert_eq!(inverse_lower(0.0, 0.5), None);
        assert_eq!(inverse_lower(f64::NAN, 0.5), None);
        assert!(lower(-1.0, 2.0).is_nan());
        assert_eq!((lower(2.0, 0.0), lower(2.0, -4.0), lower(2.0, f64::INFINITY)), (0.0, 0.0, 1.0));
    }
}
