//! What a value of an input says, in a sentence. Values stand on the scale of the score, where they are limited: at a
//! limit the sentence says "or more".

use super::which::Which;
use crate::signal::loyalty::Input as L;
use crate::signal::risk::Input as R;
use crate::signal::score::sigmoid;

/// What the sentences need to know beside the value.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    /// Horizon of the silence, days.
    pub horizon_d: f64,
    /// Whether the customer is judged by a contract.
    pub contract: bool,
}

impl Words {
    /// The sentence of a value.
    pub fn say(&self, which: Which, at: usize, z: f64) -> String {
        match which {
            Which::Risk => self.risk(R::ALL[at], z),
            Which::Loyalty => self.loyalty(L::ALL[at], z),
        }
    }

    fn risk(&self, input: R, z: f64) -> String {
        let share = |least: f64| {
            if z >= 1.0 { format!("{} or more", percent(least)) } else { percent(z * least) }
        };
        match input {
            R::Base if self.contract => {
                format!("{} likely not to renew the contract", percent(sigmoid(z)))
            }
            R::Base => self.silence(sigmoid(z), "buy nothing"),
            R::OverdueGap if z <= 0.0 => {
                "the present gap is no longer than half of their gaps".to_owned()
            }
            R::OverdueGap => {
                format!("the present gap is longer than {} of their gaps", percent((z + 1.0) / 2.0))
            }
            R::SpendFalling => {
                format!("spends {} lately (30 days) than before (180 days)", less(z))
            }
            R::EngagementFalling => {
                format!("visits {} lately (7 days) than before (60 days)", less(z))
            }
            R::OpenComplaints => match z {
                z if z >= 1.0 => "2 or more complaints are open".to_owned(),
                z if z >= 0.5 => "one complaint is open".to_owned(),
                _ => "no complaint is open".to_owned(),
            },
            R::SupportLoad => faded(4.0 * z, z, "ticket", "tickets", 90),
            R::LowSatisfaction => match z {
                z if z >= 2.0 => "satisfaction of 0.25 of 1 or less".to_owned(),
                _ => format!("satisfaction of {:.2} of 1", 0.75 - 0.25 * z),
            },
            R::Disappointment if z.abs() < 0.02 => "gets what they expect".to_owned(),
            R::Disappointment => {
                let side = if z > 0.0 { "below" } else { "above" };
                let limit = if z.abs() >= 1.0 { " or more" } else { "" };
                format!(
                    "what they get is {:.2}{limit} of 1 {side} what they expect",
                    0.25 * z.abs()
                )
            }
            R::LatePayment => late(z),
            R::Extensions => {
                faded(2.0 * z, z, "request or part payment", "requests or part payments", 180)
            }
            R::CancelIntent => faded(z, z, "look at how to leave", "looks at how to leave", 14),
            R::OptedOut if z > 0.0 => "wants no messages".to_owned(),
            R::OptedOut => "has not refused messages".to_owned(),
            R::DiscountDependent if z >= 1.0 => "60 % or more of list prices discounted".to_owned(),
            R::DiscountDependent => format!("{} of list prices discounted", percent(0.3 + 0.3 * z)),
            R::Returns => format!("{} of spend sent back", share(0.3)),
            R::RenewalNear if z <= 0.0 => "the contract runs for 60 days or more".to_owned(),
            R::RenewalNear if z >= 1.0 => "the contract has ended and nothing is signed".to_owned(),
            R::RenewalNear => {
                format!("the contract ends in {:.0} days and nothing is signed", 60.0 * (1.0 - z))
            }
            R::ContactLeft if z <= 0.0 => "the contact has not changed lately".to_owned(),
            R::ContactLeft => faded(z, z, "change of contact", "changes of contact", 90),
        }
    }

    fn loyalty(&self, input: L, z: f64) -> String {
        let days = |scale: f64| -scale * libm::log1p(-z.min(1.0 - 1e-9));
        match input {
            L::RepeatDepth => counted(days(3.0), 40.0, "day", "days", "came back to buy on"),
            L::StillActive if self.contract => {
                format!("{} likely to renew the contract", percent((1.0 + z) / 2.0))
            }
            L::StillActive => self.silence((1.0 + z) / 2.0, "buy"),
            L::Tenure if days(730.0) >= 730.0 => {
                format!("a customer for {:.1} years", days(730.0) / 365.25)
            }
            L::Tenure => format!("a customer for {:.0} days", days(730.0)),
            L::Breadth => counted(1.0 + days(3.0), 40.0, "category", "categories", "buys from"),
            L::PriceTolerance => format!("{} of list prices discounted", percent((1.0 - z) / 2.0)),
            L::Returns if z <= -1.0 => "30 % or more of spend sent back".to_owned(),
            L::Returns => format!("{} of spend sent back", percent(-0.3 * z)),
            L::Advocacy if z > 0.0 => format!("recommends us ({z:.2} of 1)"),
            L::Advocacy if z < 0.0 => format!("would not recommend us ({z:.2} of -0.5)"),
            L::Advocacy => "has brought nobody".to_owned(),
            L::Engagement => {
                format!("visits {} lately (7 days) than before (60 days)", less(-2.0 * z))
            }
            L::Regularity => {
                let even = if z >= 0.0 { "more" } else { "less" };
                format!("buys at gaps {even} even than chance ({z:+.2} of 1)")
            }
            L::NewProducts => format!("{:.1} new products bought, fading over 365 days", days(1.0)),
            L::Suggests => {
                format!("{} suggestions among suggestions and complaints", percent((1.0 + z) / 2.0))
            }
            L::PaysOnTime => late(1.0 - z),
            L::MultiContact => {
                counted(1.0 + days(2.0), 40.0, "person", "people", "talks to us through")
            }
        }
    }

    fn silence(&self, p: f64, what: &str) -> String {
        format!("{} likely to {what} in the next {:.0} days", percent(p), self.horizon_d)
    }

    /// The nearest value beyond `z` that can be the case: what is counted comes in whole numbers.
    pub fn whole(which: Which, at: usize, z: f64, up: bool) -> f64 {
        let whole = |value: f64| if up { value.ceil() } else { value.floor() };
        let saturated = |scale: f64, first: f64| {
            let count = whole(first - scale * libm::log1p(-z.clamp(0.0, 1.0 - 1e-9))) - first;
            -libm::expm1(-count.max(0.0) / scale)
        };
        match which {
            Which::Risk => match R::ALL[at] {
                R::OpenComplaints => whole(2.0 * z) / 2.0,
                R::OptedOut => whole(z),
                _ => z,
            },
            Which::Loyalty => match L::ALL[at] {
                L::RepeatDepth => saturated(3.0, 0.0),
                L::Breadth => saturated(3.0, 1.0),
                L::MultiContact => saturated(2.0, 1.0),
                _ => z,
            },
        }
    }

    /// Whether an input can go from `z` to `needed` by something that may happen: what is only added up never falls.
    pub fn can_go(which: Which, at: usize, z: f64, needed: f64) -> bool {
        let grows = which == Which::Loyalty
            && matches!(L::ALL[at], L::RepeatDepth | L::Tenure | L::Breadth);
        !grows || needed >= z
    }
}

/// `x` of 1 as percent, without claiming certainty that is not there.
fn percent(x: f64) -> String {
    let percent = 100.0 * x;
    if percent > 99.0 && percent < 100.0 {
        return "over 99 %".to_owned();
    }
    if percent > 0.0 && percent < 1.0 {
        return "under 1 %".to_owned();
    }
    format!("{percent:.0} %")
}

/// A trend that fell by `z` log units, as "38 % less".
fn less(z: f64) -> String {
    let limit = if z.abs() >= 2.0 { "at least " } else { "" };
    let (change, side) =
        if z >= 0.0 { (-libm::expm1(-z), "less") } else { (libm::expm1(-z), "more") };
    if change < 0.005 { "no less".to_owned() } else { format!("{limit}{} {side}", percent(change)) }
}

/// A count that fades: halves for every half-life.
fn faded(count: f64, z: f64, one: &str, many: &str, half_life_d: u32) -> String {
    if z <= 0.0 {
        return format!("no {one} lately");
    }
    if z >= 1.0 {
        let many = if count > 1.0 { many } else { one };
        return format!("{count:.0} {many} lately, or more");
    }
    format!("{count:.2} {many} lately (each halves in {half_life_d} days)")
}

fn late(z: f64) -> String {
    match 30.0 * z {
        days if days >= 30.0 => "pays 30 days late or more".to_owned(),
        days if days < 0.05 => "pays on time".to_owned(),
        days => format!("pays {days:.1} days late on average"),
    }
}

fn counted(count: f64, most: f64, one: &str, many: &str, verb: &str) -> String {
    match count {
        count if count >= most => format!("{verb} {most:.0} {many} or more"),
        count if libm::round(count) == 1.0 => format!("{verb} 1 {one}"),
        count => format!("{verb} {:.0} {many}", libm::round(count)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_has_a_sentence() {
        for contract in [false, true] {
            let words = Words { horizon_d: 90.0, contract };
            for which in [Which::Risk, Which::Loyalty] {
                for at in 0..which.inputs() {
                    let (low, high) = which.range(at);
                    for step in 0..=20 {
                        let z = low + (high - low) * f64::from(step) / 20.0;
                        let text = words.say(which, at, z);
                        assert!(!text.contains("NaN") && !text.contains("inf"), "{text}");
                        assert!(text.len() > 8 && !text.contains("-0 "), "{text}");
                    }
                }
            }
        }
    }

    #[test]
    fn sentences_say_the_value() {
        let words = Words { horizon_d: 90.0, contract: false };
        let say = |input: R, z: f64| words.say(Which::Risk, input as usize, z);
        assert_eq!(
            say(R::SpendFalling, -libm::log(0.62)),
            "spends 38 % less lately (30 days) than before (180 days)"
        );
        assert_eq!(say(R::OpenComplaints, 0.5), "one complaint is open");
        assert_eq!(say(R::LatePayment, 0.4), "pays 12.0 days late on average");
        assert_eq!(say(R::Base, 0.0), "50 % likely to buy nothing in the next 90 days");
        let say = |input: L, z: f64| words.say(Which::Loyalty, input as usize, z);
        assert_eq!(say(L::RepeatDepth, -libm::expm1(-4.0 / 3.0)), "came back to buy on 4 days");
        assert_eq!(say(L::Breadth, 0.0), "buys from 1 category");
    }

    #[test]
    fn what_is_counted_comes_whole() {
        let complaints = R::OpenComplaints as usize;
        assert_eq!(Words::whole(Which::Risk, complaints, 0.3, false), 0.0);
        assert_eq!(Words::whole(Which::Risk, complaints, 0.3, true), 0.5);
        let depth = L::RepeatDepth as usize;
        let three = -libm::expm1(-1.0);
        assert!((Words::whole(Which::Loyalty, depth, three - 0.01, true) - three).abs() < 1e-12);
        assert!(!Words::can_go(Which::Loyalty, depth, three, 0.1));
    }
}
