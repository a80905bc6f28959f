//! Signals of support, satisfaction, engagement and contact.

use super::{
    Change::{Event, Live},
    Signal, signal,
};

/// The signals, in the order of the documentation.
pub(super) const SIGNALS: &[Signal] = &[
    signal("open_tickets", "open tickets", "count", Event, "Support tickets that are open.", "tickets whose latest action opens them")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact")
        .limits("tickets_max remembered"),
    signal("open_complaints", "open complaints", "count", Event, "Complaints that are open.", "open tickets of kind complaint")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("oldest_open_at", "oldest open ticket", "time", Event, "Since when the oldest open ticket waits.", "min opening time of open tickets")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("ticket_rate_90", "tickets, pace of a quarter", "tickets/day", Live, "How many tickets a day, looking back about a quarter.", "D_90(opened) * lambda / (1 - e^(-lambda * max(tau - streamed_from, 1 d)))")
        .range("0..")
        .window("half-life 90 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("frt_h", "usual wait for a first answer", "hours", Event, "How long the customer usually waits for a first answer.", "e^(D_90(ln(1 + h)) / D_90(1)) - 1, h from opening to the first reply of an agent")
        .range("0..")
        .window("half-life 90 d")
        .source("Zendesk's definition of first reply time")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("resolve_h", "usual wait for a solution", "hours", Event, "How long a solution usually takes.", "e^(D_90(ln(1 + h)) / D_90(1)) - 1, h from opening to the last solution")
        .range("0..")
        .window("half-life 90 d")
        .source("Zendesk's full resolution time")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("wait_h", "usual wait as the support desk measured it", "hours", Event, "How long the customer waited, as the support desk measured it.", "the same over wait_s")
        .range("0..")
        .window("half-life 90 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("reopen_share", "solutions that did not hold", "0..1", Live, "How often a solution did not hold.", "(D_180(reopened) + 0.5) / (D_180(solved) + 5), at most 1")
        .range("0..1")
        .window("half-life 180 d")
        .source("own shrinkage (prior)")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("sla_breach_share", "first answers that came too late", "0..1", Live, "How often the first answer came too late.", "(D_180(missed) + unanswered + 0.5) / (D_180(promised) + unanswered + 5), unanswered: beyond their promise and still open")
        .range("0..1")
        .window("half-life 180 d")
        .source("own shrinkage (prior)")
        .verified("recomputed from the event list at random moments, after permutation")
        .limits("plain hours, no business hours yet; a promise that is missed counts from its answer on: the row does not hold what is still unanswered"),
    signal("effort_index", "effort to be helped, against the promise", "ln", Event, "How much effort it costs the customer to be helped (above 0: more than promised).", "D_90(ln(wait / promise)) / D_90(1)")
        .window("half-life 90 d")
        .source("own definition")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("contacts_per_resolution", "messages until something is solved", "messages", Event, "How often the customer has to write until something is solved.", "D_90(messages of the customer) / D_90(solutions)")
        .range("0..")
        .window("half-life 90 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("suggest_share", "suggestions rather than complaints", "0..1", Live, "Whether the customer suggests rather than complains.", "(D_365(suggestions) + 0.5) / (D_365(suggestions + complaints) + 1)")
        .range("0..1")
        .window("half-life 365 d")
        .source("own shrinkage (prior)")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("csat", "satisfaction", "0..1", Live, "How satisfied the customer says to be.", "(D_180(score) + 3 mu) / (D_180(1) + 3), score = (csat - 1) / 4")
        .range("0..1")
        .window("half-life 180 d")
        .source("own shrinkage (prior)")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("csat_n", "ratings behind the satisfaction", "ratings", Live, "On how many ratings that rests, the older the less.", "D_180(1)")
        .range("0..")
        .window("half-life 180 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("sat_gap", "satisfaction against expectation", "-1..1", Event, "Whether the customer gets more (above 0) or less than expected.", "D_30(score) / D_30(1) - what was expected: as said beside a score (D_30), for scores beside which nothing was said the own mean of a year (D_365)")
        .range("-1..1")
        .window("half-lives 30 and 365 d")
        .source("Oliver, JMR 17(4) 1980 (disconfirmation)")
        .verified("hand cases"),
    signal("sat_band", "whether expectations are met", "dissatisfied satisfied delighted", Event, "The same in words.", "sat_gap below -0.1, within, above 0.1")
        .source("bands are a judgement (prior)")
        .verified("table test"),
    signal("nps_last", "last answer to “would you recommend us”", "0..10", Live, "What the customer last answered to \"would you recommend us\".", "last rating; null after 365 d")
        .range("0..10")
        .window("365 d")
        .source("Reichheld, HBR 2003; never shown as NPS of one customer")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("visit_rate_7", "visits, pace of a week", "visits/day", Live, "How many visits a day, looking back about a week.", "D_7(visits) * lambda / (1 - e^(-lambda * max(tau - streamed_from, 1 d)))")
        .range("0..")
        .window("half-life 7 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("visit_rate_60", "visits, pace of two months", "visits/day", Live, "How many visits a day, looking back about two months.", "D_60(visits) * lambda / (1 - e^(-lambda * max(tau - streamed_from, 1 d)))")
        .range("0..")
        .window("half-life 60 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("engage_trend", "change in visits", "ln", Live, "Whether the customer comes more (above 0) or less often than usual.", "ln(visit_rate_7 / visit_rate_60), clipped to [-2, 2]; null when a rate is 0 or the long one below the floor")
        .range("-2..2")
        .window("half-lives 7 and 60 d")
        .source("own definition")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("last_seen", "last seen", "time", Event, "When the customer last did something.", "max ts of purchases, web events and support actions by the customer")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("search_per_buy", "searches before a purchase", "searches", Event, "How much the customer looks around before buying.", "D_90(searches and comparisons) / D_90(orders)")
        .range("0..")
        .window("half-life 90 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("cancel_intent", "looks at how to leave", "count", Live, "Whether the customer has looked at how to leave.", "D_14(views of the cancel page)")
        .range("0..")
        .window("half-life 14 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("opted_out", "refuses messages", "flag", Event, "Whether the customer has asked not to be written to.", "an opt_out was seen")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("category_intent", "interests not bought yet", "category: views", Live, "What the customer is interested in and has never bought (the three strongest).", "D_14(views) per category never bought")
        .range("0..")
        .window("half-life 14 d")
        .verified("exact while there are at most 16 categories")
        .limits("16 categories, space saving"),
    signal("contact_pressure", "messages we send", "messages/week", Live, "How many messages a week we send.", "7 * D_7(outbound) * lambda / (1 - e^(-lambda * max(tau - streamed_from, 1 d)))")
        .range("0..")
        .window("half-life 7 d")
        .source("Cormode, Shkapenyuk, Srivastava, Xu, ICDE 2009")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("inbound_share", "contacts that the customer began", "0..1", Event, "Whether the customer speaks to us, or only we to the customer.", "D_90(inbound) / D_90(inbound + outbound)")
        .range("0..1")
        .window("half-life 90 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("last_contact", "last contact", "time", Event, "When somebody last spoke with the customer.", "max ts of contacts")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("visit_gap_d", "time since the last visit to them", "days", Live, "Days since somebody last visited the customer.", "tau - last contact of kind visit")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("owner_changes", "changes of account manager", "count", Live, "Whether the customer has lately got another account manager.", "D_90(changes of owner_id)")
        .range("0..")
        .window("half-life 90 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("profile_age_d", "age of the master data", "days", Live, "How old the master data is.", "tau - last profile event")
        .range("0..")
        .window("all")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("profile_completeness", "share of the master data known", "0..1", Event, "How much of the master data is known.", "known of region, industry, segment, owner, key, name, account, legal entity")
        .range("0..1")
        .verified("recomputed from the event list at random moments, after permutation; exact"),
    signal("profile_sources", "systems that know the customer", "count", Event, "From how many systems the customer is known.", "distinct values of `source`")
        .range("0..")
        .verified("recomputed from the event list at random moments, after permutation; exact")
        .limits("at most 255"),
];
