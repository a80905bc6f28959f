//! One bar parted into pieces: how a whole is made up.

use maud::{Markup, html};

use super::at;

/// A piece of the whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// What it is.
    pub label: String,
    /// How much of the whole.
    pub value: u64,
    /// The class of its colour.
    pub class: &'static str,
}

const WIDTH: f64 = 1000.0;
const GAP: f64 = 3.0;
/// So wide is a piece at least that is not empty: it is there, so it is seen.
const LEAST: f64 = 4.0;

/// The pieces side by side, in their order. Nothing without any.
pub fn stack(pieces: &[Piece], title: &str) -> Markup {
    let total: u64 = pieces.iter().map(|p| p.value).fold(0, u64::saturating_add);
    if total == 0 {
        return html! {};
    }
    let shown: Vec<&Piece> = pieces.iter().filter(|p| p.value > 0).collect();
    let room = WIDTH - GAP * (shown.len() - 1) as f64 - LEAST * shown.len() as f64;
    let mut x = 0.0;
    let mut placed = Vec::with_capacity(shown.len());
    for piece in shown {
        let width = LEAST + room * piece.value as f64 / total as f64;
        placed.push((x, width, piece));
        x += width + GAP;
    }
    html! {
        svg .stacked viewBox="0 0 1000 28" preserveAspectRatio="none" role="img" {
            title { (title) }
            @for (x, width, piece) in placed {
                rect class=(piece.class) x=(at(x)) y="0" width=(at(width)) height="28" {
                    title { (piece.label) ": " (piece.value) }
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn piece(value: u64) -> Piece {
        Piece { label: "a".to_owned(), value, class: "s1" }
    }

    #[test]
    fn pieces_fill_the_bar_and_empty_ones_are_left_out() {
        let svg = stack(&[piece(1), piece(0), piece(1)], "t").into_string();
        assert_eq!(svg.matches("<rect").count(), 2);
        assert!(svg.contains(r#"x="501.5" y="0" width="498.5""#), "{svg}");
        assert_eq!(stack(&[piece(0)], "t").into_string(), "");
    }

    #[test]
    fn a_small_piece_is_seen() {
        let svg = stack(&[piece(u64::MAX), piece(1)], "t").into_string();
        assert!(svg.contains(r#"x="996" y="0" width="4""#), "{svg}");
    }
}
