//! What the signals need: the repurchase model, the lifecycle bands, the prior of satisfaction.

use super::notes::Notes;
use super::raw::Section;
use super::{Bands, Model, ModelKind, STAGES_MAX};

/// Largest model parameter: beyond it the model has lost any shape.
const PARAMETER_MAX: f64 = 1e6;

/// Fewest stages of a gap where a definition names them: one stage is the plain model.
const K_MIN: u8 = 2;

/// `r`, `alpha` (weeks), `a`, `b` of MBG/NBD fitted to the 2,357 customers of CDNOW; Batislam et al.,
/// IJRM 24(3), 2007.
const CDNOW_MBG: [f64; 4] = [0.525, 6.183, 0.891, 1.614];

/// The same of BG/NBD; Fader, Hardie and Lee, Marketing Science 24(2), 2005.
const CDNOW_BG: [f64; 4] = [0.243, 4.414, 0.793, 2.426];

/// Reads `[model]`.
pub(super) fn model(notes: &mut Notes<'_>, top: &Section<'_>) -> Model {
    const KEYS: [&str; 4] = ["r", "alpha", "a", "b"];
    let section = top.table(notes, "model", true);
    let kind = model_kind(notes, &section);
    let units = [("weeks", 7.0), ("days", 1.0)];
    let unit = section.word(notes, "unit", &units);
    let defaults = if kind.drops_at_first() { CDNOW_MBG } else { CDNOW_BG };
    let missing: Vec<&str> = KEYS.into_iter().filter(|key| !section.has(key)).collect();
    if missing.len() == KEYS.len() && kind.stages() > 1 {
        notes
            .error(section.at, "model", "found none of r, alpha, a, b")
            .expected(format!("the four parameters fitted with this k for {}", kind.name()))
            .hint("there are no defaults for regular customers: fit them, or use mbg_nbd");
    }
    if !missing.is_empty() && missing.len() < KEYS.len() {
        notes
            .error(section.at, "model", &format!("found no {}", missing.join(", ")))
            .expected("all of r, alpha, a, b, or none of them")
            .hint("they are fitted together: a mixture with the defaults means nothing");
    }
    if missing.len() == KEYS.len() && unit == Some(1.0) {
        section
            .refuse(notes, "unit", "\"weeks\" with the default parameters")
            .hint("leave unit out, or write r, alpha, a and b as well");
    }
    let expected = "a number above 0 and at most 1000000";
    let mut parameters = defaults;
    for (parameter, key) in parameters.iter_mut().zip(KEYS) {
        let allowed = |number: f64| number > 0.0 && number <= PARAMETER_MAX;
        *parameter = section.number(notes, key, expected, allowed).unwrap_or(*parameter);
    }
    let [r, alpha, a, b] = parameters;
    Model { kind, r, alpha_d: alpha * unit.unwrap_or(7.0), a, b }
}

/// Reads `kind`, and `k` where it has one.
fn model_kind(notes: &mut Notes<'_>, section: &Section<'_>) -> ModelKind {
    let k = K_MIN;
    let kinds =
        [ModelKind::MbgNbd, ModelKind::BgNbd, ModelKind::MbgCnbdK { k }, ModelKind::BgCnbdK { k }];
    let kind = section.word(notes, "kind", &kinds.map(|kind| (kind.name(), kind)));
    let expected = format!("a whole number from {K_MIN} to {STAGES_MAX}");
    match kind {
        Some(ModelKind::MbgCnbdK { .. } | ModelKind::BgCnbdK { .. }) if !section.has("k") => {
            section
                .refuse(notes, "k", expected)
                .hint("add `k = 2`, or the k you have fitted: the stages of a gap");
        }
        Some(plain @ (ModelKind::MbgNbd | ModelKind::BgNbd)) if section.has("k") => {
            let hint = format!("k belongs to mbg_cnbd_k and bg_cnbd_k: {} has none", plain.name());
            section.refuse(notes, "k", "no k beside this kind").hint(hint);
        }
        None if section.has("k") && !section.has("kind") => {
            section
                .refuse(notes, "k", "no k without a kind that has one")
                .hint("add `kind = \"mbg_cnbd_k\"`");
        }
        _ => {}
    }
    let range = u32::from(K_MIN)..=u32::from(STAGES_MAX);
    let k = section.count(notes, "k", range, u32::from(K_MIN)) as u8;
    match kind.unwrap_or(ModelKind::MbgNbd) {
        ModelKind::MbgCnbdK { .. } => ModelKind::MbgCnbdK { k },
        ModelKind::BgCnbdK { .. } => ModelKind::BgCnbdK { k },
        plain => plain,
    }
}

/// Reads `[lifecycle]`.
pub(super) fn bands(notes: &mut Notes<'_>, top: &Section<'_>) -> Bands {
    let section = top.table(notes, "lifecycle", true);
    let inside = "a number between 0 and 1, both excluded";
    let mut complete = true;
    let mut edge = |key, default| {
        let number = section.number(notes, key, inside, |edge| edge > 0.0 && edge < 1.0);
        complete &= number.is_some() || !section.has(key);
        number.unwrap_or(default)
    };
    let (slipping, dormant, lost) =
        (edge("slipping", 0.5), edge("dormant", 0.8), edge("lost", 0.95));
    let hysteresis = section
        .number(notes, "hysteresis", "a number from 0 to below 1", |h| (0.0..1.0).contains(&h));
    complete &= hysteresis.is_some() || !section.has("hysteresis");
    let hysteresis = hysteresis.unwrap_or(0.05);
    // An order can be judged only between values that could be read.
    if complete {
        let edges = [("slipping", slipping), ("dormant", dormant), ("lost", lost)];
        order_of_edges(notes, &section, edges, hysteresis);
    }
    Bands { slipping, dormant, lost, hysteresis }
}

fn order_of_edges(
    notes: &mut Notes<'_>,
    section: &Section<'_>,
    edges: [(&str, f64); 3],
    hysteresis: f64,
) {
    let mut is_ordered = true;
    for pair in edges.windows(2) {
        let [(below, low), (key, high)] = pair else {
            continue;
        };
        if high <= low {
            is_ordered = false;
            let key = if section.has(key) { key } else { below };
            let path = section.path_of(key);
            notes
                .error(section.at(key), &path, &format!("found {low} and {high}"))
                .expected("slipping < dormant < lost")
                .hint("a customer moves from one band to the next as silence grows");
        }
    }
    let [(_, slipping), (_, dormant), (_, lost)] = edges;
    let room = slipping.min(dormant - slipping).min(lost - dormant);
    if is_ordered && hysteresis >= room {
        let key = if section.has("hysteresis") { "hysteresis" } else { "slipping" };
        notes
            .error(section.at(key), &section.path_of("hysteresis"), &format!("found {hysteresis}"))
            .expected("less than slipping and than the gaps between the edges")
            .hint(format!("write less than {}", (room * 1e6).round() / 1e6));
    }
}

/// Reads `[satisfaction]`.
pub(super) fn csat_prior(notes: &mut Notes<'_>, top: &Section<'_>) -> f64 {
    let section = top.table(notes, "satisfaction", true);
    let prior = section
        .number(notes, "prior", "a number from 0 to 1", |prior| (0.0..=1.0).contains(&prior));
    prior.unwrap_or(0.75)
}
