//! Bars at the size of a table's cell. They repeat the number beside them, so readers of the screen are spared them.

use maud::{Markup, html};

use super::at;

/// A bar of `share` (0 to 1) of its cell; `class` is `""` or what it says (`risk`).
pub fn bar(share: f64, class: &str) -> Markup {
    let width = if share.is_finite() { 100.0 * share.clamp(0.0, 1.0) } else { 0.0 };
    html! {
        svg .bar-svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect .bar-back x="0" y="2" width="100" height="6" {}
            rect class={ "bar-fill " (class) } x="0" y="2" width=(at(width)) height="6" {}
        }
    }
}

/// A bar from the middle: to the right what raises (`points` above 0), to the left what lowers; `most` fills a half.
/// `raises_is_bad` chooses the colour.
pub fn points_bar(points: f64, most: f64, raises_is_bad: bool) -> Markup {
    let share =
        if most > 0.0 && points.is_finite() { (points / most).clamp(-1.0, 1.0) } else { 0.0 };
    let width = 50.0 * share.abs();
    let from = if share < 0.0 { 50.0 - width } else { 50.0 };
    let class = if (share > 0.0) == raises_is_bad { "up" } else { "down" };
    html! {
        svg .bar-svg viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true" {
            rect class={ "bar-fill " (class) } x=(at(from)) y="1" width=(at(width)) height="8" {}
            line .bar-mid x1="50" y1="0" x2="50" y2="10" vector-effect="non-scaling-stroke" {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_stay_in_their_cell() {
        for (share, width) in [(0.25, "25"), (7.0, "100"), (-1.0, "0"), (f64::NAN, "0")] {
            let svg = bar(share, "").into_string();
            assert!(svg.contains(&format!(r#"width="{width}" height="6""#)), "{share}: {svg}");
        }
    }

    #[test]
    fn what_lowers_goes_to_the_left() {
        let down = points_bar(-5.0, 10.0, true).into_string();
        assert!(down.contains(r#"bar-fill down" x="25" y="1" width="25""#), "{down}");
        let up = points_bar(20.0, 10.0, true).into_string();
        assert!(up.contains(r#"bar-fill up" x="50" y="1" width="50""#), "{up}");
        let nothing = points_bar(1.0, 0.0, true).into_string();
        assert!(nothing.contains(r#"width="0""#), "{nothing}");
    }
}
