//! The catalogue of decayed sums: number, name, half-life. Numbers and names stand in states and rows for ever.

/// A decayed sum. What it holds is said here, how fast it forgets in its name (half-life in days).
/// A number is never given to something else; new sums may take any free number. The sums that most customers have
/// (`spend_30`, `spend_180`, `visits_7`, `visits_60`) stand in sections and columns of their own, which the views call by these
/// numbers: the map of a row never holds them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Sum {
    /// Spending net of refunds, minor units.
    Spend30 = 1,
    /// Spending net of refunds, minor units.
    Spend180 = 2,
    /// Spending net of refunds, minor units.
    Spend365 = 3,
    /// Amounts before discount, minor units.
    Gross60 = 4,
    /// Amounts before discount, minor units.
    Gross365 = 5,
    /// Orders.
    Orders60 = 6,
    /// Orders.
    Orders90 = 7,
    /// Orders.
    Orders365 = 8,
    /// Discounts granted, minor units.
    Discount365 = 9,
    /// Refunds, minor units.
    Refund365 = 10,
    /// Purchases of products that were new on the market.
    NewProducts365 = 11,
    /// Refunds.
    Returns365 = 12,
    /// Tickets opened.
    Tickets90 = 20,
    /// ln(1 + hours) from a ticket's opening to the first reply of an agent.
    ReplyLn90 = 21,
    /// First replies that `reply_ln_90` holds.
    Replies90 = 22,
    /// ln(1 + hours) from a ticket's opening to its last resolution.
    ResolveLn90 = 23,
    /// Resolutions that `resolve_ln_90` holds.
    Resolves90 = 24,
    /// ln(1 + hours) that the customer waited, as events say.
    WaitLn90 = 25,
    /// Waits that `wait_ln_90` holds.
    Waits90 = 26,
    /// Tickets opened again.
    Reopened180 = 27,
    /// Resolutions of tickets.
    Solved180 = 28,
    /// First responses that came after the moment promised.
    SlaMissed180 = 29,
    /// First responses that had a moment promised.
    SlaDue180 = 30,
    /// Ratings of satisfaction as shares of the possible.
    Csat180 = 31,
    /// Ratings of satisfaction.
    CsatN180 = 32,
    /// Ratings of satisfaction as shares of the possible.
    Csat30 = 33,
    /// Ratings of satisfaction.
    CsatN30 = 34,
    /// Ratings of satisfaction as shares of the possible.
    Csat365 = 35,
    /// Ratings of satisfaction.
    CsatN365 = 36,
    /// Expectations that customers stated, as shares of the possible.
    Expected30 = 37,
    /// Expectations stated.
    ExpectedN30 = 38,
    /// Tickets that suggest something.
    Suggestions365 = 39,
    /// Tickets that complain.
    Complaints365 = 40,
    /// ln(waited / promised) of first responses, the wait at least a minute, limited to 3 either way.
    EffortLn90 = 41,
    /// First responses that `effort_ln_90` holds.
    Efforts90 = 42,
    /// Minutes of work on tickets.
    HandlingMin180 = 43,
    /// Messages of the customer on tickets.
    Turns90 = 44,
    /// Visits of the web site.
    Visits7 = 50,
    /// Visits of the web site.
    Visits60 = 51,
    /// Searches and comparisons.
    Searches90 = 52,
    /// Looks at the page for cancelling.
    Cancels14 = 53,
    /// Contacts that we began.
    Outbound7 = 60,
    /// Contacts that the customer began.
    Inbound90 = 61,
    /// Contacts that we began.
    Outbound90 = 62,
    /// Changes of who looks after the customer.
    OwnerChanges90 = 63,
    /// Payments times days beyond terms, minor units.
    LateDays180 = 70,
    /// Payments of known invoices, minor units.
    Paid180 = 71,
    /// Requests for more time to pay.
    Extensions180 = 72,
    /// Payments that left a part of their invoice open.
    Partials180 = 73,
    /// Recommendations.
    Referrals180 = 80,
    /// ln(1 + hours) that deliveries came after the promise.
    DeliveryLateLn90 = 81,
    /// Deliveries.
    Deliveries90 = 82,
    /// Quantities used, in the metrics' own units.
    Usage30 = 83,
    /// Quantities used, in the metrics' own units.
    Usage180 = 84,
}

/// How many there are.
pub const SUMS: usize = 54;

/// Sum, name, half-life in days; by number.
const TABLE: [(Sum, &str, f64); SUMS] = [
    (Sum::Spend30, "spend_30", 30.0),
    (Sum::Spend180, "spend_180", 180.0),
    (Sum::Spend365, "spend_365", 365.0),
    (Sum::Gross60, "gross_60", 60.0),
    (Sum::Gross365, "gross_365", 365.0),
    (Sum::Orders60, "orders_60", 60.0),
    (Sum::Orders90, "orders_90", 90.0),
    (Sum::Orders365, "orders_365", 365.0),
    (Sum::Discount365, "discount_365", 365.0),
    (Sum::Refund365, "refund_365", 365.0),
    (Sum::NewProducts365, "new_products_365", 365.0),
    (Sum::Returns365, "returns_365", 365.0),
    (Sum::Tickets90, "tickets_90", 90.0),
    (Sum::ReplyLn90, "reply_ln_90", 90.0),
    (Sum::Replies90, "replies_90", 90.0),
    (Sum::ResolveLn90, "resolve_ln_90", 90.0),
    (Sum::Resolves90, "resolves_90", 90.0),
    (Sum::WaitLn90, "wait_ln_90", 90.0),
    (Sum::Waits90, "waits_90", 90.0),
    (Sum::Reopened180, "reopened_180", 180.0),
    (Sum::Solved180, "solved_180", 180.0),
    (Sum::SlaMissed180, "sla_missed_180", 180.0),
    (Sum::SlaDue180, "sla_due_180", 180.0),
    (Sum::Csat180, "csat_180", 180.0),
    (Sum::CsatN180, "csat_n_180", 180.0),
    (Sum::Csat30, "csat_30", 30.0),
    (Sum::CsatN30, "csat_n_30", 30.0),
    (Sum::Csat365, "csat_365", 365.0),
    (Sum::CsatN365, "csat_n_365", 365.0),
    (Sum::Expected30, "expected_30", 30.0),
    (Sum::ExpectedN30, "expected_n_30", 30.0),
    (Sum::Suggestions365, "suggestions_365", 365.0),
    (Sum::Complaints365, "complaints_365", 365.0),
    (Sum::EffortLn90, "effort_ln_90", 90.0),
    (Sum::Efforts90, "efforts_90", 90.0),
    (Sum::HandlingMin180, "handling_min_180", 180.0),
    (Sum::Turns90, "turns_90", 90.0),
    (Sum::Visits7, "visits_7", 7.0),
    (Sum::Visits60, "visits_60", 60.0),
    (Sum::Searches90, "searches_90", 90.0),
    (Sum::Cancels14, "cancels_14", 14.0),
    (Sum::Outbound7, "outbound_7", 7.0),
    (Sum::Inbound90, "inbound_90", 90.0),
    (Sum::Outbound90, "outbound_90", 90.0),
    (Sum::OwnerChanges90, "owner_changes_90", 90.0),
    (Sum::LateDays180, "late_days_180", 180.0),
    (Sum::Paid180, "paid_180", 180.0),
    (Sum::Extensions180, "extensions_180", 180.0),
    (Sum::Partials180, "partials_180", 180.0),
    (Sum::Referrals180, "referrals_180", 180.0),
    (Sum::DeliveryLateLn90, "delivery_late_ln_90", 90.0),
    (Sum::Deliveries90, "deliveries_90", 90.0),
    (Sum::Usage30, "usage_30", 30.0),
    (Sum::Usage180, "usage_180", 180.0),
];

/// Place in [`TABLE`] by number, [`NO_PLACE`] for numbers not in use.
const PLACES: [u8; 256] = places();
const NO_PLACE: u8 = u8::MAX;

const fn places() -> [u8; 256] {
    let mut places = [NO_PLACE; 256];
    let mut at = 0;
    while at < SUMS {
        places[TABLE[at].0 as usize] = at as u8;
        at += 1;
    }
    places
}

impl Sum {
    /// Every sum, by number.
    pub fn all() -> impl Iterator<Item = Self> {
        TABLE.iter().map(|row| row.0)
    }

    /// Its number in states and rows.
    pub fn number(self) -> u8 {
        self as u8
    }

    /// The sum of a number.
    pub fn from_number(number: u8) -> Option<Self> {
        TABLE.get(usize::from(PLACES[usize::from(number)])).map(|row| row.0)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        TABLE[self.place()].1
    }

    /// Half-life in days.
    pub fn half_life_d(self) -> f64 {
        TABLE[self.place()].2
    }

    /// Its place among all sums by number: what a set of bits counts by while the program runs.
    pub fn place(self) -> usize {
        usize::from(PLACES[self as usize])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_agree() {
        let numbers: Vec<u8> = Sum::all().map(Sum::number).collect();
        assert!(numbers.windows(2).all(|w| w[0] < w[1]), "{numbers:?}");
        for (place, sum) in Sum::all().enumerate() {
            assert_eq!(sum.place(), place);
            assert_eq!(Sum::from_number(sum.number()), Some(sum));
            let days: f64 = sum.name().rsplit('_').next().unwrap().parse().unwrap();
            assert_eq!(sum.half_life_d(), days, "{}", sum.name());
        }
        assert_eq!(Sum::from_number(0), None);
        assert_eq!(Sum::from_number(19), None);
        assert_eq!(Sum::from_number(255), None);
        assert_eq!((Sum::Tickets90.number(), Sum::Usage180.number()), (20, 84));
    }
}
