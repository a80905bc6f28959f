//! Scores and judgements: risk, loyalty, tiers.

use super::{
    Change::{Due, Live, Refresh},
    Signal, signal,
};

/// The signals, in the order of the documentation.
pub(super) const SIGNALS: &[Signal] = &[
    signal("risk", "churn risk", "0..1", Refresh, "How likely the customer is lost (buys nothing in the horizon), all told.", "sigmoid(sum of weight * input); the inputs are listed below")
        .range("0..1")
        .window("horizon 90 d (b2b: 180 d)")
        .wakes("at the second at which it crosses an edge of `risk.bands`")
        .source("own composition; every weight but that of `base` is an expert prior")
        .verified("contributions add up to 1e-9 over 20,000 random profiles")
        .limits("inputs nobody knows are neutral and listed"),
    signal("risk_band", "band of the churn risk", "0..n", Due, "The band of the risk.", "edges `risk.bands`, left downwards only below the edge less `hysteresis`")
        .range("0..8")
        .wakes("at the second at which the risk crosses an edge")
        .verified("dues = dense scan")
        .limits("follows when time is complete: a refreshed row may show a risk that is already beyond the edge")
        .trajectory(),
    signal("risk_contributions", "what makes the churn risk", "input: log-odds", Refresh, "Why: what each input adds to the risk.", "weight * (input - reference)")
        .verified("sum = logit(risk) - logit(reference)"),
    signal("risk_missing", "unknown inputs of the churn risk", "inputs", Refresh, "What was not known.", "inputs without a value"),
    signal("loyalty", "loyalty", "0..100", Refresh, "How loyal the customer is, by what they do; satisfaction is not in it.", "100 sigmoid(-1.2 + sum of weight * input)")
        .range("0..100")
        .source("own composition of behaviour; weights are expert priors")
        .verified("contributions add up to 1e-9")
        .limits("with purchases alone it mirrors the risk"),
    signal("loyalty_contributions", "what makes the loyalty", "input: log-odds", Refresh, "Why: what each input adds to loyalty.", "weight * input"),
    signal("quadrant", "loyalty and satisfaction", "apostle hostage mercenary defector", Refresh, "Loyal and satisfied, loyal only, satisfied only, neither.", "loyalty >= 60, csat >= 0.75; null without ratings")
        .source("Jones & Sasser, HBR 1995")
        .verified("four constructed customers"),
    signal("cost_to_serve", "cost of serving", "currency/day", Live, "What serving the customer costs a day.", "(D_180(handling minutes) * minute_cost) * lambda / (1 - e^(-lambda * age)) + discounts and returns alike (D_365)")
        .range("0..")
        .window("half-lives 180 and 365 d")
        .verified("recomputed from the event list at random moments, after permutation"),
    signal("tier", "tier", "gold iron lead", Due, "How valuable the customer is among all: gold the best fifth, lead the last.", "rank of D_180(net spending) against published cut-offs")
        .window("half-life 180 d")
        .wakes("7 days after another tier was first wanted; on new cut-offs")
        .source("own cut-offs (prior); DDSketch: Masson, Rim, Lee, VLDB 2019")
        .verified("within 1 % of the exact sort")
        .trajectory(),
    signal("abc", "class by sales (ABC)", "A B C", Due, "Which customers make 85 % of sales (A), 95 % (B), the rest (C).", "by share of sales")
        .window("half-life 180 d")
        .source("own reading of the 85/10/5 rule")
        .verified("exact sort: A 960, A+B 1,578 of CDNOW")
        .trajectory(),
];
