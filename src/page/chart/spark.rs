//! A sparkline: how something has gone, at the size of a word.

use maud::{Markup, html};

use super::{at, path};

const WIDTH: f64 = 116.0;
const HEIGHT: f64 = 30.0;
const EDGE: f64 = 3.0;

/// A line through `points` (moment, value), in the order of time, with its end marked. Nothing without two points.
/// `label` says in words what it shows.
pub fn spark(points: &[(f64, f64)], label: &str) -> Markup {
    let drawn = placed(points);
    let (Some(first), Some(last)) = (drawn.first(), drawn.last()) else {
        return html! {};
    };
    if drawn.len() < 2 {
        return html! {};
    }
    let line = path(&drawn);
    let area = format!("{line}L{} {}L{} {}Z", at(last.0), HEIGHT, at(first.0), HEIGHT);
    html! {
        svg .spark viewBox={ "0 0 " (WIDTH) " " (HEIGHT) } role="img" {
            title { (label) }
            path .spark-area d=(area) {}
            path .spark-line d=(line) {}
            circle .spark-end cx=(at(last.0)) cy=(at(last.1)) r="3" {}
        }
    }
}

/// The points on the picture: their range fills it; a flat line lies in the middle.
fn placed(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let known = |p: &&(f64, f64)| p.0.is_finite() && p.1.is_finite();
    let ends = |of: fn(&(f64, f64)) -> f64| {
        let values = points.iter().filter(known).map(of);
        values.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)))
    };
    let (x0, x1) = ends(|p| p.0);
    let (y0, y1) = ends(|p| p.1);
    let share =
        |v: f64, low: f64, high: f64| if high > low { (v - low) / (high - low) } else { 0.5 };
    let place = |p: &(f64, f64)| {
        let x = EDGE + share(p.0, x0, x1) * (WIDTH - 2.0 * EDGE);
        (x, HEIGHT - EDGE - share(p.1, y0, y1) * (HEIGHT - 2.0 * EDGE))
    };
    points.iter().filter(known).map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fills_its_place_and_marks_its_end() {
        assert_eq!(placed(&[(0.0, 1.0), (10.0, 5.0)]), [(3.0, 27.0), (113.0, 3.0)]);
        let svg = spark(&[(0.0, 1.0), (1.0, 2.0)], "up & away").into_string();
        assert!(svg.contains("<title>up &amp; away</title>"), "{svg}");
        assert!(svg.contains(r#"cx="113" cy="3""#), "{svg}");
    }

    #[test]
    fn a_flat_line_lies_in_the_middle_and_one_point_is_no_line() {
        assert_eq!(placed(&[(0.0, 4.0), (1.0, 4.0)])[1].1, 15.0);
        assert_eq!(spark(&[(0.0, 4.0)], "").into_string(), "");
        assert_eq!(spark(&[(0.0, 4.0), (1.0, f64::NAN)], "").into_string(), "");
    }
}
