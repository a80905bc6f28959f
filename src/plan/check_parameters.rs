//! What the catalogue is judged by: numbers, weights and bands, read from their sections.

use toml::de::DeValue;

use super::notes::Notes;
use super::opportunities::{OPPORTUNITY_NUMBERS, opportunities};
use super::parameters::{
    DemandBy, NUMBERS, Parameters, Regularity, Risk, Service, Trends, Value, WeightSet, Weights,
};
use super::raw::Section;
use crate::model::registry::{LOYALTY_INPUTS, RISK_INPUTS};

/// Edges of the risk's bands where the definition names none; a judgement.
const RISK_BANDS: [f64; 4] = [0.2, 0.4, 0.6, 0.8];
/// Most edges.
const RISK_BANDS_MAX: usize = 8;
/// Largest weight of a score's input: a factor of e^20 in the odds is beyond any evidence.
const WEIGHT_MAX: f64 = 20.0;

/// Reads the sections of the catalogue.
pub(super) fn parameters(notes: &mut Notes<'_>, top: &Section<'_>) -> Parameters {
    let names = ["trend", "regularity", "value", "service", "contract", "risk", "loyalty"];
    let sections = names.map(|name| top.table(notes, name, true));
    let [trend, regularity, value, service, contract, risk, loyalty] = &sections;
    let mut n = |section: &Section<'_>, name: &str| number(notes, section, name);
    let trends =
        Trends { spend_floor: n(trend, "spend_floor"), visit_floor: n(trend, "visit_floor") };
    let gaps = Regularity {
        gap_d: n(regularity, "gap_days"),
        first_gap_p25_d: n(regularity, "first_gap_p25_days"),
        first_gap_p75_d: n(regularity, "first_gap_p75_days"),
        new_cycle_d: n(regularity, "new_cycle_days"),
        visit_gap_d: n(regularity, "visit_gap_days"),
    };
    let worth = Value {
        gamma_gamma_p: n(value, "gamma_gamma_p"),
        gamma_gamma_q: n(value, "gamma_gamma_q"),
        gamma_gamma_gamma: n(value, "gamma_gamma_gamma"),
        margin: n(value, "margin"),
        discount_rate: n(value, "discount_rate"),
        months: n(value, "months") as u32,
    };
    let service = Service {
        minute_cost: n(service, "minute_cost"),
        return_cost: n(service, "return_cost"),
        response_h: n(service, "response_hours"),
        response_key_h: n(service, "response_hours_key"),
    };
    let contract = [n(contract, "alpha"), n(contract, "beta")];
    let (hysteresis, ref_base) = (n(risk, "hysteresis"), n(risk, "ref_base"));
    order_of_gaps(notes, regularity, gaps);
    let weights = weights(notes, risk, &RISK_INPUTS);
    let bands = bands(notes, risk, hysteresis);
    let horizon_d = if weights.set == WeightSet::B2b { 180.0 } else { 90.0 };
    Parameters {
        trends,
        regularity: gaps,
        value: worth,
        service,
        contract,
        risk: Risk { weights, bands, hysteresis, horizon_d, ref_base },
        loyalty: self::weights(notes, loyalty, &LOYALTY_INPUTS),
        demand_by: {
            let demand = top.table(notes, "demand", true);
            demand.word(notes, "by", &DemandBy::NAMES).unwrap_or(DemandBy::Category)
        },
        opportunities: opportunities(notes, top, number),
    }
}

/// The number of a key of [`NUMBERS`], or its default.
fn number(notes: &mut Notes<'_>, section: &Section<'_>, name: &str) -> f64 {
    let mut numbers = NUMBERS.iter().chain(OPPORTUNITY_NUMBERS);
    let listed = numbers.find(|n| n.key.section == section.path && n.key.name == name);
    let Some(listed) = listed else {
        debug_assert!(false, "{}.{name} is not listed", section.path);
        return 0.0;
    };
    let expected = format!("a {}", listed.key.form);
    let allowed = |value: f64| (listed.low..=listed.high).contains(&value);
    let default = listed.key.default.parse().unwrap_or(0.0);
    section.number(notes, name, &expected, allowed).unwrap_or(default)
}

fn order_of_gaps(notes: &mut Notes<'_>, section: &Section<'_>, gaps: Regularity) {
    if gaps.first_gap_p25_d >= gaps.first_gap_p75_d {
        let (low, high) = (gaps.first_gap_p25_d, gaps.first_gap_p75_d);
        let key = "first_gap_p75_days";
        notes
            .error(section.at(key), &section.path_of(key), &format!("found {low} and {high}"))
            .expected("first_gap_p25_days below first_gap_p75_days")
            .hint("they are quartiles of the same gaps: write both");
    }
}

/// Reads `weights` (a set) and `own` (a table of input = weight).
fn weights(notes: &mut Notes<'_>, section: &Section<'_>, inputs: &[&str]) -> Weights {
    let sets = [("b2c", WeightSet::B2c), ("b2b", WeightSet::B2b)];
    let set = section.word(notes, "weights", &sets).unwrap_or_default();
    let mut own = Vec::new();
    let Some(value) = section.value("own") else {
        return Weights { set, own };
    };
    let DeValue::Table(_) = value.get_ref() else {
        section
            .refuse(notes, "own", "a table of weights by input, as in { returns = 0.5 }")
            .hint(format!("the inputs are {}", inputs.join(", ")));
        return Weights { set, own };
    };
    let mut table = section.table(notes, "own", false);
    table.path = section.path_of("own");
    for (name, at, _) in table.entries() {
        let path = format!("{}.{name:.48}", section.path_of("own"));
        let Some(index) = inputs.iter().position(|input| *input == name) else {
            let note = notes.error(at, &path, "unknown input").expected("an input of the score");
            note.did_you_mean(name, inputs.iter().copied());
            if note.hint.is_none() {
                note.hint(format!("the inputs are {}", inputs.join(", ")));
            }
            continue;
        };
        let expected = "a number from -20 to 20";
        let allowed = |weight: f64| weight.abs() <= WEIGHT_MAX;
        if let Some(weight) = table.number(notes, name, expected, allowed) {
            own.push((index as u8, weight));
        }
    }
    own.sort_unstable_by_key(|(index, _)| *index);
    Weights { set, own }
}

/// Reads `bands` of `[risk]`: ascending edges between 0 and 1, apart by more than the hysteresis.
fn bands(notes: &mut Notes<'_>, section: &Section<'_>, hysteresis: f64) -> Vec<f64> {
    let Some(value) = section.value("bands") else {
        if !apart(&RISK_BANDS, hysteresis) {
            section
                .refuse(notes, "hysteresis", "less than the gaps between the edges of the bands")
                .hint("the default edges are 0.2, 0.4, 0.6 and 0.8");
        }
        return RISK_BANDS.to_vec();
    };
    let expected = format!("1 to {RISK_BANDS_MAX} ascending numbers between 0 and 1");
    let read = match value.get_ref() {
        DeValue::Array(items) => items
            .iter()
            .map(|item| match item.get_ref() {
                DeValue::Float(number) => number.as_str().parse::<f64>().ok(),
                _ => None,
            })
            .collect::<Option<Vec<f64>>>(),
        _ => None,
    };
    let inside = |edges: &Vec<f64>| edges.iter().all(|e| *e > 0.0 && *e < 1.0);
    match read {
        Some(edges) if (1..=RISK_BANDS_MAX).contains(&edges.len()) && inside(&edges) => {
            if !apart(&edges, hysteresis) {
                section
                    .refuse(notes, "bands", "edges that ascend by more than the hysteresis")
                    .hint(format!("write edges more than {hysteresis} apart"));
            }
            edges
        }
        _ => {
            section.refuse(notes, "bands", expected).hint("as in [0.2, 0.4, 0.6, 0.8]");
            RISK_BANDS.to_vec()
        }
    }
}

/// Whether every band can be left downwards, before the next one begins.
fn apart(edges: &[f64], hysteresis: f64) -> bool {
    edges.first().is_some_and(|edge| *edge > hysteresis)
        && edges.windows(2).all(|pair| pair[1] - pair[0] > hysteresis)
}
