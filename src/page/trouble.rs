//! Something went wrong: what, and what to do. Says nothing that the problem does not say.

use maud::{Markup, html};

use super::frame::{Frame, brand, document, page_without_numbers};
use super::icon::{Icon, icon};
use super::links;
use super::words;
use crate::api::problem::Problem;

/// A problem, for somebody who is signed in.
pub fn trouble(problem: &Problem, frame: &Frame) -> String {
    page_without_numbers(frame, &problem.title, &what(problem, &frame.asked.address()))
}

/// A problem, for somebody of whom nobody knows who it is.
pub fn trouble_before_sign_in(problem: &Problem) -> String {
    document(
        &problem.title,
        &html! { main #main .door tabindex="-1" { div .stack { (brand()) (what(problem, links::TODAY)) } } },
    )
}

fn what(problem: &Problem, address: &str) -> Markup {
    html! {
        section .card.trouble data-trouble aria-labelledby="trouble" {
            p .sev.high { (icon(Icon::High)) "Error " (problem.status) }
            h1 #trouble { (problem.title) }
            p data-trouble-detail { (words::sentence(&problem.detail)) "." }
            ol { @for step in steps(problem.status) { li { (step) } } }
            p {
                @if problem.status == 401 { a .button.primary href=(links::SIGN_IN) { "Sign in" } }
                @else if problem.status >= 500 || problem.status == 429 { a .button.primary href=(address) { "Try again" } }
                @else { a .button.primary href=(links::TODAY) { "Back to Today" } }
            }
        }
    }
}

/// What to do, by kind.
fn steps(status: u16) -> &'static [&'static str] {
    match status {
        401 => &[
            "Sign in again: sessions end after a while, and when tokens are changed.",
            "If your token is refused, ask whoever runs retain for a new one.",
        ],
        403 => &[
            "Acting on alerts needs the role operator; looking needs viewer.",
            "If the page was open for long, load it again: its form may be of an older session.",
        ],
        404 => &[
            "Check the id: capital letters and leading zeros count.",
            "A new customer or account appears once its first event has been counted: see Pipeline.",
        ],
        409 => &[
            "Somebody else was quicker, or the alert has ended. Load the page again to see how it stands.",
        ],
        429 => &["Wait a few seconds, then try again."],
        503 | 504 => &[
            "The pipeline itself goes on: nothing is lost.",
            "See whether ClickHouse answers: on the page Pipeline, at /readyz, or in the log of retain.",
            "Then load this page again.",
        ],
        500.. => &[
            "Load the page again.",
            "If it stays, the log of retain names the cause at this time.",
        ],
        _ => &["Go back and change what was asked."],
    }
}
