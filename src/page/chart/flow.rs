//! Who moved from where to where: ribbons from the left to the right, as thick as they are many.

use maud::{Markup, html};

use super::at;
use crate::page::words;

/// A ribbon.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ribbon {
    /// Index of where they come from.
    pub from: usize,
    /// Index of where they go to.
    pub to: usize,
    /// How many.
    pub value: u64,
    /// Class of the colour.
    pub class: &'static str,
    /// What the tip says.
    pub label: String,
}

/// Everything that is drawn.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Flow {
    /// Names of the places at both sides, from top to bottom.
    pub places: Vec<String>,
    /// The ribbons.
    pub ribbons: Vec<Ribbon>,
    /// What stands above the left side.
    pub from: String,
    /// What stands above the right side.
    pub to: String,
}

const WIDTH: f64 = 560.0;
const HEIGHT: f64 = 320.0;
const TOP: f64 = 26.0;
const LABEL: f64 = 116.0;
const NODE: f64 = 8.0;
const GAP: f64 = 16.0;
/// So thick is a ribbon at least: few that move matter more than many that stay.
const LEAST: f64 = 2.0;

/// A side's places: where each begins, and how thick it is.
fn side(flow: &Flow, of: fn(&Ribbon) -> usize, scale: f64) -> Vec<(f64, f64, u64)> {
    let mut y = TOP;
    let mut places = Vec::with_capacity(flow.places.len());
    for place in 0..flow.places.len() {
        let ribbons = flow.ribbons.iter().filter(|r| of(r) == place);
        let thick: f64 = ribbons.clone().map(|r| thickness(r.value, scale)).sum();
        places.push((y, thick, ribbons.map(|r| r.value).sum()));
        y += thick + GAP;
    }
    places
}

fn thickness(value: u64, scale: f64) -> f64 {
    if value == 0 { 0.0 } else { LEAST + value as f64 * scale }
}

/// The picture. Nothing when nobody is anywhere; ribbons to places that are not named are left out.
pub fn flow(flow: &Flow, title: &str, summary: &str) -> Markup {
    let named = |r: &&Ribbon| r.from < flow.places.len() && r.to < flow.places.len() && r.value > 0;
    let flow =
        &Flow { ribbons: flow.ribbons.iter().filter(named).cloned().collect(), ..flow.clone() };
    let total: u64 = flow.ribbons.iter().map(|r| r.value).sum();
    if total == 0 {
        return html! {};
    }
    let gaps = GAP * (flow.places.len() as f64 - 1.0) + LEAST * flow.ribbons.len() as f64;
    let scale = (HEIGHT - TOP - 8.0 - gaps).max(40.0) / total as f64;
    let left = side(flow, |r| r.from, scale);
    let right = side(flow, |r| r.to, scale);
    let mut ordered: Vec<&Ribbon> = flow.ribbons.iter().collect();
    ordered.sort_by_key(|r| (r.from, r.to));
    let (mut out, mut into): (Vec<f64>, Vec<f64>) =
        (left.iter().map(|p| p.0).collect(), right.iter().map(|p| p.0).collect());
    let mut drawn = Vec::with_capacity(ordered.len());
    for ribbon in ordered {
        let thick = thickness(ribbon.value, scale);
        drawn.push((band(out[ribbon.from], into[ribbon.to], thick), ribbon));
        out[ribbon.from] += thick;
        into[ribbon.to] += thick;
    }
    html! {
        svg .chart viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" {
            title { (title) }
            desc { (summary) }
            text x=(at(LABEL)) y="12" text-anchor="end" { (flow.from) }
            text x=(at(WIDTH - LABEL)) y="12" { (flow.to) }
            @for (d, ribbon) in drawn {
                path class=(ribbon.class) d=(d) { title { (ribbon.label) } }
            }
            @for (places, x, text_x, anchor) in [
                (&left, LABEL, LABEL - 8.0, "end"),
                (&right, WIDTH - LABEL - NODE, WIDTH - LABEL + 8.0, "start"),
            ] {
                @for ((y, thick, count), name) in places.iter().zip(&flow.places) {
                    @if *count > 0 {
                        rect .flow-node x=(at(x)) y=(at(*y)) width=(at(NODE)) height=(at(*thick)) rx="2" {}
                        text .mid x=(at(text_x)) y=(at(y + thick / 2.0 + 4.0)) text-anchor=(anchor) {
                            (name) " " (words::count(*count))
                        }
                    }
                }
            }
        }
    }
}

/// A ribbon from `left` to `right`, both the upper edge.
fn band(left: f64, right: f64, thick: f64) -> String {
    let (x0, x1) = (LABEL + NODE, WIDTH - LABEL - NODE);
    let mid = (x0 + x1) / 2.0;
    let (low_left, low_right) = (left + thick, right + thick);
    format!(
        "M{x0} {}C{mid} {} {mid} {} {x1} {}L{x1} {}C{mid} {} {mid} {} {x0} {}Z",
        at(left),
        at(left),
        at(right),
        at(right),
        at(low_right),
        at(low_right),
        at(low_left),
        at(low_left)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ribbon(from: usize, to: usize, value: u64) -> Ribbon {
        Ribbon { from, to, value, class: "flow-same", label: format!("{from}>{to}") }
    }

    fn two(ribbons: Vec<Ribbon>) -> Flow {
        let places = vec!["gold".to_owned(), "iron".to_owned()];
        Flow { places, ribbons, from: "then".to_owned(), to: "now".to_owned() }
    }

    #[test]
    fn both_sides_hold_everybody() {
        let picture = two(vec![ribbon(0, 0, 5), ribbon(0, 1, 3), ribbon(1, 1, 2)]);
        let svg = flow(&picture, "t", "s").into_string();
        for text in ["gold 8", "iron 2", "gold 5", "iron 5"] {
            assert!(svg.contains(&format!(">{text}<")), "{text}: {svg}");
        }
        assert_eq!(svg.matches("<path").count(), 3);
    }

    #[test]
    fn nobody_is_no_picture_and_unnamed_places_are_left_out() {
        assert_eq!(flow(&two(vec![]), "t", "s").into_string(), "");
        assert_eq!(flow(&two(vec![ribbon(0, 0, 0), ribbon(0, 9, 4)]), "t", "s").into_string(), "");
    }
}
