//! The few signs of the page, drawn with lines. They repeat what a word beside them says, so the screen is not told.

use maud::{Markup, html};

/// A sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Icon {
    /// Severity critical: an octagon.
    Critical,
    /// Severity high: a triangle.
    High,
    /// Severity medium: a filled diamond.
    Medium,
    /// Severity low or info: a ring.
    Low,
    /// All is well: a circle with a tick.
    Good,
    /// Waiting, put off.
    Clock,
    /// A person has it.
    Person,
    /// Looking for something.
    Search,
    /// What to do next.
    Next,
    /// An event.
    Event,
    /// A bell: an alert.
    Bell,
    /// A signal that moved.
    Wave,
    /// Nothing here.
    Empty,
    /// Up.
    Up,
    /// Down.
    Down,
}

/// The sign, in the colour of the text around it.
pub fn icon(icon: Icon) -> Markup {
    let (filled, lines) = drawing(icon);
    html! {
        svg viewBox="0 0 16 16" aria-hidden="true" focusable="false" {
            @if !filled.is_empty() { path d=(filled) fill="currentColor" fill-rule="evenodd" {} }
            @if !lines.is_empty() {
                path d=(lines) fill="none" stroke="currentColor" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round" {}
            }
        }
    }
}

/// What is filled, and what is drawn with lines.
fn drawing(icon: Icon) -> (&'static str, &'static str) {
    match icon {
        Icon::Critical => (
            "M5.2 1h5.6L15 5.2v5.6L10.8 15H5.2L1 10.8V5.2ZM7.2 4v5h1.6V4ZM7.2 10.4v1.7h1.6v-1.7Z",
            "",
        ),
        Icon::High => (
            "M8 1.4a1 1 0 0 1 .9.5l6 11.1a1 1 0 0 1-.9 1.5H2a1 1 0 0 1-.9-1.5l6-11.1a1 1 0 0 1 .9-.5ZM7.3 6v4h1.4V6ZM7.3 11v1.5h1.4V11Z",
            "",
        ),
        Icon::Medium => ("M8 1.2 14.8 8 8 14.8 1.2 8Z", ""),
        Icon::Low => ("", "M8 2.5a5.5 5.5 0 1 1 0 11 5.5 5.5 0 0 1 0-11Z"),
        Icon::Good => {
            ("M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1Zm3.1 4.1L7 9.3 4.9 7.2l-1 1L7 11.3l5.1-5.2Z", "")
        }
        Icon::Clock => ("", "M8 2a6 6 0 1 1 0 12A6 6 0 0 1 8 2ZM8 5v3.2l2.2 1.4"),
        Icon::Person => {
            ("", "M8 8a2.8 2.8 0 1 0 0-5.6A2.8 2.8 0 0 0 8 8Zm-5.3 5.8a5.3 5.3 0 0 1 10.6 0")
        }
        Icon::Search => ("", "M7 2.5a4.5 4.5 0 1 1 0 9 4.5 4.5 0 0 1 0-9Zm3.4 7.9 3.1 3.1"),
        Icon::Next => ("", "M2.5 8h10m-4-4.2L12.8 8l-4.3 4.2"),
        Icon::Event => ("M8 5a3 3 0 1 1 0 6 3 3 0 0 1 0-6Z", ""),
        Icon::Bell => (
            "",
            "M4 7a4 4 0 0 1 8 0c0 3.4 1.4 4 1.4 4H2.6S4 10.400 4 7Zm2.800 6.400a1.400 1.400 0 0 0 2.400 0",
        ),
        Icon::Wave => ("", "M1.500 9.500 5 9.500l2-6 2.500 9 2-5h3"),
        Icon::Empty => (
            "",
            "M2.500 8.500 4.300 3h7.400l1.800 5.500v4.500h-11Zm0 0h3.200l.8 1.800h3l.8-1.800h3.200",
        ),
        Icon::Up => ("M8 3.500 13 11H3Z", ""),
        Icon::Down => ("M8 12.500 3 5h10Z", ""),
    }
}
