//! Signals of purchases: how often, how much, how regular, what is to be expected.

use super::{
    Change::{Due, Event, Live, Refresh},
    Signal, signal,
};

/// The signals, in the order of the documentation.
pub(super) const SIGNALS: &[Signal] = &[
    signal("n_days", "days with a purchase", "days", Event, "On how many different days the customer bought.", "distinct days (definition's day zone) with a purchase; an opening's days plus those after its last day")
        .range("0..")
        .window("all")
        .source("signals B1")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("x", "repeat purchases", "days", Event, "How often the customer came back to buy.", "max(n_days - 1, 0)")
        .range("0..")
        .window("all")
        .source("signals B1")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("t_first", "first purchase", "time", Event, "When the customer first bought.", "min ts of purchases, or the opening's")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("t_last", "last purchase", "time", Event, "When the customer last bought.", "max ts of purchases, or the opening's")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("recency_d", "time since the last purchase", "days", Live, "Days since the last purchase.", "(tau - t_last) / 1 d")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("orders", "orders", "count", Event, "How many orders.", "purchases, plus the opening's orders")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("refunds", "refunds", "count", Event, "How many refunds.", "refunds")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("revenue_minor", "revenue so far", "minor units", Event, "What the customer has brought in, net of refunds.", "sum of purchases - sum of refunds, plus the opening's revenue; reporting currency")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("spend_rate_30", "spending, pace of a month", "currency/day", Live, "What the customer spends a day, looking back about a month.", "D_30(amounts) * lambda / (1 - e^(-lambda * max(tau - max(t_first, streamed_from), 1 d)))")
        .window("half-life 30 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("spend_rate_180", "spending, pace of half a year", "currency/day", Live, "What the customer spends a day, looking back about half a year.", "D_180(amounts) * lambda / (1 - e^(-lambda * max(tau - max(t_first, streamed_from), 1 d)))")
        .window("half-life 180 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("spend_rate_365", "spending, pace of a year", "currency/day", Live, "What the customer spends a day, looking back about a year.", "D_365(amounts) * lambda / (1 - e^(-lambda * max(tau - max(t_first, streamed_from), 1 d)))")
        .window("half-life 365 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("order_rate_90", "orders, pace of a quarter", "orders/day", Live, "How many orders a day, looking back about a quarter.", "D_90(orders) * lambda / (1 - e^(-lambda * max(tau - max(t_first, streamed_from), 1 d)))")
        .range("0..")
        .window("half-life 90 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("spend_90d_minor", "spent in 90 days", "minor units", Live, "What the customer spent in the last 90 days.", "30 buckets of 3 days, and the oldest by the fraction of it still inside")
        .window("90 d")
        .verified("recomputed from the event list at random moments, after permutation")
        .limits("the oldest bucket counts by its fraction"),
    signal("volume_trend", "change in spending", "ln", Live, "Whether the customer spends more (above 0) or less than usual.", "ln(spend_rate_30 / spend_rate_180), clipped to [-3, 3]; null with fewer than 4 orders, a long rate below the floor, or a rate of 0 or less")
        .range("-3..3")
        .window("half-lives 30 and 180 d")
        .source("own definition; no added constant, so silence never looks like recovery")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("aov_trend", "change in order value", "ln", Event, "Whether an order is worth more (above 0) or less than before.", "ln((D_60(gross) / D_60(orders)) / (D_365(gross) / D_365(orders))); null unless both are above 0")
        .window("half-lives 60 and 365 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("gap_mean", "usual gap between purchases", "days", Event, "How many days usually lie between two purchases of this customer.", "(2 * population + sum of gaps) / (2 + gaps)")
        .range("0..")
        .window("all")
        .source("own shrinkage towards the population (prior)")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("gap_k", "regularity of purchases", "shape", Event, "How regularly the customer buys: 1 at random, more is more regular.", "maximum likelihood of the Erlang/gamma shape from mean and mean logarithm of the gaps, shrunk towards 1 by five gaps")
        .range("0..")
        .window("all")
        .source("Wheat & Morrison, JMR 27(1) 1990; Minka 2002 for the closed form")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("gap_surprise", "own gaps shorter than the present one", "0..1", Refresh, "How unusually long the customer has stayed away, by their own rhythm.", "regularised lower gamma P(k, k * elapsed / gap_mean)")
        .range("0..1")
        .window("all")
        .source("Wheat & Morrison 1990")
        .verified("inverse identity to 1e-14"),
    signal("p_alive", "chance of still being a customer", "0..1", Live, "How likely the customer still is one.", "the model of the definition at (x, t_last - t_first, tau - t_first)")
        .range("0..1")
        .window("all")
        .source("Fader, Hardie, Lee, Marketing Science 24(2) 2005; Batislam et al., IJRM 24(3) 2007")
        .verified("reference tables and stress cases"),
    signal("p_silent_30", "chance of no purchase in 30 days", "0..1", Live, "How likely nothing is bought in the next 30 days.", "1 - p_alive * P(a purchase within 30 d, given alive)")
        .range("0..1")
        .window("all")
        .source("own closed form; cf. Zammit & Zerafa 2025")
        .verified("reference tables and stress cases"),
    signal("p_silent_90", "chance of no purchase in 90 days", "0..1", Live, "How likely nothing is bought in the next 90 days.", "1 - p_alive * P(a purchase within 90 d, given alive)")
        .range("0..1")
        .window("all")
        .source("as p_silent_30")
        .verified("reference tables and stress cases"),
    signal("p_silent_180", "chance of no purchase in 180 days", "0..1", Live, "How likely nothing is bought in the next 180 days.", "1 - p_alive * P(a purchase within 180 d, given alive)")
        .range("0..1")
        .window("all")
        .source("as p_silent_30")
        .verified("reference tables and stress cases"),
    signal("exp_purchases_90", "purchases expected in 90 days", "purchases", Refresh, "How many purchases to expect in the next 90 days.", "p_alive * G(90 d), the singularity-free Euler form")
        .range("0..")
        .window("all")
        .source("Fader, Hardie, Lee, Marketing Science 24(2) 2005; Batislam et al., IJRM 24(3) 2007")
        .verified("reference tables and stress cases"),
    signal("mean_spend_hat", "expected value of a purchase", "currency", Event, "What a purchase of this customer is worth on average, as far as can be told.", "p (gamma + x m_x) / (p x + q - 1); m_x = mean amount of the repeat days")
        .range("0..")
        .window("all")
        .source("Colombo & Jiang 1999; Fader, Hardie, Lee, JMR 42(4) 2005")
        .verified("reference tables and stress cases"),
    signal("clv", "lifetime value", "currency", Refresh, "What the customer will bring in the coming months, after costs.", "sum over months of (margin * mean_spend_hat * expected purchases - cost to serve) / (1 + d)^k")
        .window("the definition's months")
        .source("Fader, Hardie, Lee 2005")
        .verified("reference tables and stress cases"),
    signal("activated_at", "first return to buy", "time", Event, "When the customer first came back.", "first purchase day at least new_cycle_days after the first")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("breadth", "product categories bought", "categories", Event, "In how many product categories the customer has bought.", "distinct categories of items")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact")
        .limits("beyond 32 categories counted by 128 hash slots"),
    signal("disc_share", "share given as discount", "0..1", Event, "How much of what the customer buys is given as discount.", "D_365(discount) / D_365(amount + discount)")
        .range("0..1")
        .window("half-life 365 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("return_rate", "share of spending given back", "0..", Event, "How much of what was bought is given back.", "D_365(refunds) / D_365(amount + discount)")
        .range("0..")
        .window("half-life 365 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("adopt_new", "purchases of new products", "purchases", Live, "How often the customer buys what is new.", "D_365(lines bought at most 90 d after launch)")
        .range("0..")
        .window("half-life 365 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("referrals", "recommendations lately", "count", Live, "How often the customer has recommended us lately.", "D_180(referrals)")
        .range("0..")
        .window("half-life 180 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("lifecycle", "lifecycle", "prospect new active slipping dormant lost won_back", Due, "Where the customer stands between first purchase and loss.", "bands of p_silent_90 with hysteresis")
        .wakes("at the millisecond at which p_silent_90 crosses the next edge")
        .source("own bands (prior)")
        .verified("dues = dense scan")
        .limits("a path: a disordered event corrects numbers, not past transitions"),
];
