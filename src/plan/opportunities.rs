//! Opportunities in a definition: edges, shares and waits of the six goals, and what owners of one category also buy.
//! Constants of the population are constants of the definition. Defaults marked "prior" are a judgement with no
//! evidence behind the number.

use super::keys::key;
use super::notes::Notes;
use super::parameters::{Number, RATE, SHARE, number};
use super::raw::Section;

/// Rows of the table of lifts.
const LIFTS_MAX: usize = 256;
/// Longest category, bytes.
const CATEGORY_MAX: usize = 256;

/// Every plain number of `[opportunities]`, in the order of the documentation.
pub const OPPORTUNITY_NUMBERS: &[Number] = &[
    number(
        key(
            "opportunities",
            "holdout_percent",
            "number, 0 to 50",
            "10",
            "share of customers, by hash of their id, held out so that an effect can be measured",
        ),
        0.0,
        50.0,
    ),
    number(
        key(
            "opportunities",
            "cooldown_days",
            "number, 1 to 365",
            "30",
            "the same goal is not offered again to a customer within this time (prior)",
        ),
        1.0,
        365.0,
    ),
    number(
        key(
            "opportunities",
            "pressure_max",
            RATE,
            "2",
            "outbound messages a week beyond which a customer is left in peace (prior)",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "opportunities",
            "intent",
            RATE,
            "3",
            "decayed views of a category never bought from which an interest is seen (prior)",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "opportunities",
            "prospect_intent",
            "number, 0.01 to 1000000",
            "5",
            "a prospect's views of categories plus weighted searches from which a first purchase is near (prior)",
        ),
        0.01,
        1e6,
    ),
    number(
        key(
            "opportunities",
            "search_weight",
            RATE,
            "2",
            "how many views a search or comparison counts for (prior)",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "opportunities",
            "lift_min",
            RATE,
            "1.5",
            "how much likelier owners of one category buy another before it is offered (prior)",
        ),
        0.0,
        1e6,
    ),
    number(
        key(
            "opportunities",
            "co_buyers_min",
            "number, 1 to 1000000",
            "50",
            "customers who bought both, below whom a lift is chance (prior)",
        ),
        1.0,
        1e6,
    ),
    number(
        key(
            "opportunities",
            "p_buy",
            SHARE,
            "0.02",
            "chance that an offered category is bought where no [[lift]] tells it (prior)",
        ),
        0.0,
        1.0,
    ),
    number(
        key(
            "opportunities",
            "order_trend_min",
            "number, 0 to 3",
            "0.15",
            "ln of the mean order of 60 days by that of 365 from which orders grow (prior)",
        ),
        0.0,
        3.0,
    ),
    number(
        key(
            "opportunities",
            "usage_days",
            "number, 0 to 365",
            "14",
            "use must have been at 80 % of the plan for this long (prior)",
        ),
        0.0,
        365.0,
    ),
    number(
        key(
            "opportunities",
            "csat_min",
            SHARE,
            "0.7",
            "nobody known to be less satisfied than this is sold more (prior)",
        ),
        0.0,
        1.0,
    ),
    number(
        key(
            "opportunities",
            "plan_step",
            "number, 0 to 100",
            "0.25",
            "what the next larger plan costs more, as a share of the expected order (prior)",
        ),
        0.0,
        100.0,
    ),
    number(
        key(
            "opportunities",
            "risk_min",
            "number, 0 to 1",
            "0.4",
            "churn risk from which keeping is worth a contact (prior)",
        ),
        0.0,
        1.0,
    ),
    number(
        key(
            "opportunities",
            "clv_top_from",
            "number, -1000000 to 1000000000",
            "9",
            "lifetime value from which a customer is among your best 40 %, in the reporting currency (CDNOW sample after 39 weeks: 9.03)",
        ),
        -1e6,
        1e9,
    ),
    number(
        key(
            "opportunities",
            "silence_days",
            "number, 0.01 to 36500",
            "30",
            "silence after which a visit, click or reply is a sign of life (prior)",
        ),
        0.01,
        36500.0,
    ),
    number(
        key(
            "opportunities",
            "rating_days",
            "number, 0 to 365",
            "7",
            "after a delivery without a rating (prior)",
        ),
        0.0,
        365.0,
    ),
    number(
        key(
            "opportunities",
            "complaint_days",
            "number, 0 to 365",
            "3",
            "after a complaint was closed (prior)",
        ),
        0.0,
        365.0,
    ),
    number(
        key(
            "opportunities",
            "refill_share",
            "number, 0 to 10",
            "0.9",
            "share of the mean gap between purchases after which a refill is near (prior)",
        ),
        0.0,
        10.0,
    ),
    number(
        key(
            "opportunities",
            "refill_k_min",
            "number, 1 to 100",
            "1.5",
            "regularity from which that gap can be relied on (prior)",
        ),
        1.0,
        100.0,
    ),
    number(
        key(
            "opportunities",
            "follow_up_days",
            "number, 1 to 365",
            "30",
            "for this long a delivery, a closed complaint, a refill or a sign of life is followed up (prior)",
        ),
        1.0,
        365.0,
    ),
];

/// How much likelier those who bought one category buy another, as counted beforehand.
#[derive(Clone, Debug, PartialEq)]
pub struct Lift {
    /// What they bought.
    pub given: String,
    /// What they buy.
    pub category: String,
    /// P(buy it | bought the other) by P(buy it).
    pub lift: f64,
    /// Customers who bought both.
    pub co_buyers: u32,
    /// P(buy it | bought the other), [0, 1].
    pub p_buy: f64,
}

/// Opportunities.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the meanings stand in OPPORTUNITY_NUMBERS
pub struct Opportunities {
    /// Whether those may be written to who have not refused: events tell of refusals only.
    pub consent: bool,
    pub holdout_percent: f64,
    pub cooldown_d: f64,
    pub pressure_max: f64,
    pub intent: f64,
    pub prospect_intent: f64,
    pub search_weight: f64,
    pub lift_min: f64,
    pub co_buyers_min: f64,
    pub p_buy: f64,
    pub order_trend_min: f64,
    pub usage_d: f64,
    pub csat_min: f64,
    pub plan_step: f64,
    pub risk_min: f64,
    pub clv_top_from: f64,
    pub silence_d: f64,
    pub rating_d: f64,
    pub complaint_d: f64,
    pub refill_share: f64,
    pub refill_k_min: f64,
    pub follow_up_d: f64,
    /// What owners of one category also buy, in the order of the file.
    pub lifts: Vec<Lift>,
}

impl Opportunities {
    /// The values of [`OPPORTUNITY_NUMBERS`], in its order.
    pub fn numbers(&self) -> [f64; OPPORTUNITY_NUMBERS.len()] {
        [
            self.holdout_percent,
            self.cooldown_d,
            self.pressure_max,
            self.intent,
            self.prospect_intent,
            self.search_weight,
            self.lift_min,
            self.co_buyers_min,
            self.p_buy,
            self.order_trend_min,
            self.usage_d,
            self.csat_min,
            self.plan_step,
            self.risk_min,
            self.clv_top_from,
            self.silence_d,
            self.rating_d,
            self.complaint_d,
            self.refill_share,
            self.refill_k_min,
            self.follow_up_d,
        ]
    }
}

/// Reads `[opportunities]` and `[[lift]]`. `number` reads a plain number, or takes its default.
pub(super) fn opportunities(
    notes: &mut Notes<'_>,
    top: &Section<'_>,
    number: impl Fn(&mut Notes<'_>, &Section<'_>, &str) -> f64,
) -> Opportunities {
    let section = top.table(notes, "opportunities", true);
    let consents = [("assumed", true), ("withheld", false)];
    let consent = section.word(notes, "consent", &consents).unwrap_or(true);
    let mut n = |name: &str| number(notes, &section, name);
    let p_buy = n("p_buy");
    Opportunities {
        consent,
        holdout_percent: n("holdout_percent"),
        cooldown_d: n("cooldown_days"),
        pressure_max: n("pressure_max"),
        intent: n("intent"),
        prospect_intent: n("prospect_intent"),
        search_weight: n("search_weight"),
        lift_min: n("lift_min"),
        co_buyers_min: n("co_buyers_min"),
        p_buy,
        order_trend_min: n("order_trend_min"),
        usage_d: n("usage_days"),
        csat_min: n("csat_min"),
        plan_step: n("plan_step"),
        risk_min: n("risk_min"),
        clv_top_from: n("clv_top_from"),
        silence_d: n("silence_days"),
        rating_d: n("rating_days"),
        complaint_d: n("complaint_days"),
        refill_share: n("refill_share"),
        refill_k_min: n("refill_k_min"),
        follow_up_d: n("follow_up_days"),
        lifts: lifts(notes, top, p_buy),
    }
}

fn lifts(notes: &mut Notes<'_>, top: &Section<'_>, p_buy: f64) -> Vec<Lift> {
    let sections = top.tables(notes, "lift");
    if let Some(extra) = sections.get(LIFTS_MAX) {
        notes
            .error(extra.at, "lift", &format!("found {}", sections.len()))
            .expected(format!("at most {LIFTS_MAX} tables [[lift]]"))
            .hint("keep those with the largest lift times p_buy");
    }
    // with its place in the file, for messages
    let mut lifts: Vec<(usize, Lift)> = Vec::new();
    for (at, section) in sections.iter().enumerate().take(LIFTS_MAX) {
        let Some(lift) = lift(notes, section, p_buy) else {
            continue;
        };
        let pair = |lift: &Lift| (lift.given.clone(), lift.category.clone());
        if let Some((twin, _)) = lifts.iter().find(|(_, other)| pair(other) == pair(&lift)) {
            section
                .refuse(notes, "category", "a pair of categories named once")
                .hint(format!("lift[{twin}] is about the same two"));
        }
        lifts.push((at, lift));
    }
    lifts.into_iter().map(|(_, lift)| lift).collect()
}

fn lift(notes: &mut Notes<'_>, section: &Section<'_>, p_buy: f64) -> Option<Lift> {
    let expected = format!("the name of a category, 1 to {CATEGORY_MAX} bytes");
    let mut category = |key: &str| {
        let text = section.required(notes, key, &expected)?;
        if (1..=CATEGORY_MAX).contains(&text.len()) {
            return Some(text.to_owned());
        }
        section.refuse(notes, key, &*expected).hint("write it as events spell it");
        None
    };
    let (given, category) = (category("given"), category("category"));
    if given.is_some() && given == category {
        section
            .refuse(notes, "category", "another category than `given`")
            .hint("who bought a category is not offered it");
    }
    if !section.has("lift") {
        section.refuse(notes, "lift", "a number from 0 to 1000000").hint("add `lift = …`");
    }
    let lift = section
        .number(notes, "lift", "a number from 0 to 1000000", |lift| (0.0..=1e6).contains(&lift));
    if !section.has("co_buyers") {
        section.refuse(notes, "co_buyers", "a whole number").hint("add `co_buyers = …`");
    }
    let co_buyers = section.count(notes, "co_buyers", 0..=u32::MAX, 0);
    let p_buy = section
        .number(notes, "p_buy", "a number from 0 to 1", |p| (0.0..=1.0).contains(&p))
        .unwrap_or(p_buy);
    Some(Lift { given: given?, category: category?, lift: lift?, co_buyers, p_buy })
}
