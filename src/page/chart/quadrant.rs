//! Loyalty beside satisfaction: where the four kinds of customers stand, and how many they are.

use maud::{Markup, html};

use super::at;

/// A group of customers.
#[derive(Clone, Debug, PartialEq)]
pub struct Bubble {
    /// What they are called.
    pub label: &'static str,
    /// Class of the colour.
    pub class: &'static str,
    /// Mean satisfaction, 0 to 1.
    pub satisfaction: f64,
    /// Mean loyalty, 0 to 100.
    pub loyalty: f64,
    /// How many they are: the bubble's area.
    pub customers: u64,
    /// The number as it is written.
    pub count: String,
}

const SIDE: f64 = 360.0;
const WIDTH: f64 = 460.0;
const LEFT: f64 = 34.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 34.0;
const RADIUS_MAX: f64 = 46.0;
const RADIUS_MIN: f64 = 5.0;

/// The picture; `loyal_from` (0 to 100) and `satisfied_from` (0 to 1) part the corners.
pub fn quadrant(bubbles: &[Bubble], loyal_from: f64, satisfied_from: f64, title: &str) -> Markup {
    let most = bubbles.iter().map(|b| b.customers).max().unwrap_or(0).max(1);
    let x = |s: f64| LEFT + (WIDTH - LEFT - 8.0) * s.clamp(0.0, 1.0);
    let y = |l: f64| SIDE - BOTTOM - (SIDE - TOP - BOTTOM) * (l / 100.0).clamp(0.0, 1.0);
    let radius = |n: u64| RADIUS_MIN + (RADIUS_MAX - RADIUS_MIN) * (n as f64 / most as f64).sqrt();
    let (mid_x, mid_y) = (x(satisfied_from), y(loyal_from));
    let corner = |name: &str, left: f64, top: f64, anchor: &str| {
        html! { text .mid x=(at(left)) y=(at(top)) text-anchor=(anchor) { (name) } }
    };
    html! {
        svg .chart viewBox={ "0 0 " (WIDTH) " " (SIDE) } role="img" {
            title { (title) }
            desc {
                "Satisfaction from left to right, loyalty from bottom to top; the area of a circle is the number of customers."
            }
            rect .corner x=(at(mid_x)) y=(at(TOP)) width=(at(x(1.0) - mid_x)) height=(at(mid_y - TOP)) {}
            line .axis x1=(at(x(0.0))) x2=(at(x(1.0))) y1=(at(y(0.0))) y2=(at(y(0.0))) {}
            line .axis x1=(at(x(0.0))) x2=(at(x(0.0))) y1=(at(y(0.0))) y2=(at(TOP)) {}
            line .axis x1=(at(mid_x)) x2=(at(mid_x)) y1=(at(y(0.0))) y2=(at(TOP)) stroke-dasharray="3 4" {}
            line .axis x1=(at(x(0.0))) x2=(at(x(1.0))) y1=(at(mid_y)) y2=(at(mid_y)) stroke-dasharray="3 4" {}
            @for bubble in bubbles.iter().filter(|b| b.customers > 0) {
                circle class={ "bubble " (bubble.class) } cx=(at(x(bubble.satisfaction))) cy=(at(y(bubble.loyalty)))
                    r=(at(radius(bubble.customers))) {
                    title { (bubble.label) ": " (bubble.count) " customers" }
                }
            }
            @for bubble in bubbles.iter().filter(|b| b.customers > 0) {
                text .dark x=(at(x(bubble.satisfaction))) y=(at(y(bubble.loyalty) + 4.0)) text-anchor="middle" { (bubble.count) }
            }
            (corner("Hostages", x(0.0) + 8.0, TOP + 16.0, "start"))
            (corner("Apostles", x(1.0) - 8.0, TOP + 16.0, "end"))
            (corner("Defectors", x(0.0) + 8.0, y(0.0) - 9.0, "start"))
            (corner("Mercenaries", x(1.0) - 8.0, y(0.0) - 9.0, "end"))
            text x=(at(x(0.0))) y=(at(SIDE - 14.0)) { "0" }
            text x=(at(mid_x)) y=(at(SIDE - 14.0)) text-anchor="middle" { (format!("{satisfied_from:.2}")) }
            text x=(at(x(1.0))) y=(at(SIDE - 14.0)) text-anchor="end" { "1" }
            text .mid x=(at((x(0.0) + mid_x) / 2.0)) y=(at(SIDE - 14.0)) text-anchor="middle" { "satisfaction →" }
            text x=(at(LEFT - 8.0)) y=(at(y(0.0))) text-anchor="end" { "0" }
            text x=(at(LEFT - 8.0)) y=(at(mid_y + 4.0)) text-anchor="end" { (format!("{loyal_from:.0}")) }
            text x=(at(LEFT - 8.0)) y=(at(TOP + 8.0)) text-anchor="end" { "100" }
            @let side = format!("rotate(-90 {} {})", at(LEFT - 14.0), at((y(0.0) + mid_y) / 2.0));
            text .mid x=(at(LEFT - 14.0)) y=(at((y(0.0) + mid_y) / 2.0)) text-anchor="middle" transform=(side) { "loyalty →" }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_corner_of_a_bubble_is_where_its_means_are() {
        let bubble = Bubble {
            label: "Apostles",
            class: "q-apostle",
            satisfaction: 1.0,
            loyalty: 100.0,
            customers: 7,
            count: "7".to_owned(),
        };
        let none = Bubble { customers: 0, ..bubble.clone() };
        let svg = quadrant(&[bubble, none], 60.0, 0.75, "t").into_string();
        assert!(svg.contains(r#"bubble q-apostle" cx="452" cy="10" r="46""#), "{svg}");
        assert_eq!(svg.matches("<circle").count(), 1, "{svg}");
    }
}
