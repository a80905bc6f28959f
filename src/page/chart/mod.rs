//! Pictures as inline SVG, made by plain functions: numbers in, markup out. Each has a title and says in its description
//! what it shows; what a picture shows stands in words or in a table beside it too.
//!
//! Looks come from classes of the style sheet only: the content security policy forbids style attributes.

mod bars;
mod columns;
mod flow;
mod line;
mod quadrant;
mod spark;
mod stack;

pub use bars::{bar, points_bar};
pub use columns::{Column, columns};
pub use flow::{Flow, Ribbon, flow};
pub use line::{Curve, Scale, line};
pub use quadrant::{Bubble, quadrant};
pub use spark::spark;
pub use stack::{Piece, stack};

/// A coordinate as SVG wants it: one decimal, short. What is no number is 0, so that a picture stays well-formed.
fn at(x: f64) -> String {
    if !x.is_finite() {
        return "0".to_owned();
    }
    let text = format!("{x:.1}");
    match text.strip_suffix(".0") {
        Some("-0") => "0".to_owned(),
        Some(whole) => whole.to_owned(),
        None => text,
    }
}

/// A path through points, straight from one to the next.
fn path(points: &[(f64, f64)]) -> String {
    let mut d = String::new();
    for (i, (x, y)) in points.iter().enumerate() {
        d.push(if i == 0 { 'M' } else { 'L' });
        d.push_str(&at(*x));
        d.push(' ');
        d.push_str(&at(*y));
    }
    d
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coordinates_are_short_and_always_numbers() {
        assert_eq!(at(1.0), "1");
        assert_eq!(at(1.25), "1.2");
        assert_eq!(at(-0.01), "0");
        assert_eq!(at(f64::NAN), "0");
        assert_eq!(at(f64::INFINITY), "0");
        assert_eq!(path(&[(0.0, 1.0), (2.5, 3.0)]), "M0 1L2.5 3");
    }
}
