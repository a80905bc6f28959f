//! Why a score is what it is: every contribution, the events behind it with their places in Kafka, what would change it.

use maud::{Markup, html};

use super::chart;
use super::icon::{Icon, icon};
use super::parts::{self, card};
use super::pen::Pen;
use super::words;
use crate::api::answer::{Behind, Contribution, Crossing, Explanation, Score};
use crate::model::registry::input_label;

/// How a score is written, and which way is bad.
#[derive(Clone, Copy)]
struct Kind {
    id: &'static str,
    title: &'static str,
    /// 100 for a share, 1 for points of 100.
    to_points: f64,
    unit: &'static str,
    high_is_bad: bool,
}

const RISK: Kind = Kind {
    id: "risk",
    title: "Why the churn risk is what it is",
    to_points: 100.0,
    unit: " %",
    high_is_bad: true,
};
const LOYALTY: Kind = Kind {
    id: "loyalty",
    title: "Why the loyalty is what it is",
    to_points: 1.0,
    unit: "",
    high_is_bad: false,
};

/// The explanation of both scores; `unexplained` says why there is none.
pub(super) fn explanation(pen: &Pen<'_>, told: Option<&Explanation>, unexplained: &str) -> Markup {
    let Some(told) = told else {
        let why = if unexplained.is_empty() {
            "The events behind the scores could not be read just now."
        } else {
            unexplained
        };
        return card(
            "risk",
            "Why the scores are what they are",
            "",
            &parts::empty(
                3,
                "Not explained",
                &html! {
                    p { (why) }
                    p .quiet {
                        "The scores themselves hold. On the command line: retain explain, with the customer’s id."
                    }
                },
            ),
        );
    };
    html! {
        @match &told.risk {
            Some(score) => (card(RISK.id, RISK.title, "", &body(pen, RISK, score))),
            None => (card(RISK.id, RISK.title, "", &html! { div .card-body { p .quiet { "There is no risk: who has neither bought nor a contract cannot leave." } } })),
        }
        @if let Some(score) = &told.loyalty { (card(LOYALTY.id, LOYALTY.title, "", &body(pen, LOYALTY, score))) }
        (card("truth", "How sure this is", "", &sure(pen, told)))
    }
}

fn body(pen: &Pen<'_>, kind: Kind, score: &Score) -> Markup {
    let most = score.contributions.iter().map(|c| c.points.abs()).fold(0.0, f64::max);
    // what is shown as 0.0 points is folded away
    let (some, none): (Vec<_>, Vec<_>) =
        score.contributions.iter().partition(|part| part.points.abs() >= 0.05);
    html! {
        div .card-body {
            p .score-head {
                span .value { (value(kind, score.score)) }
                span {
                    span .strong { (words::points(score.points)) " points" }
                    " from the reference customer’s " (value(kind, score.reference))
                    @if let Some(band) = &score.band {
                        " · " (band.name)
                        @if let Some(since) = band.since { " since " (pen.day(since)) }
                    }
                }
            }
        }
        div .parts { @for part in some { (contribution(pen, kind, part, most)) } }
        @if !none.is_empty() {
            details .more data-keep={ "none-" (kind.id) } {
                summary { (words::count(none.len() as u64)) " more that add nothing" }
                div .parts { @for part in none { (contribution(pen, kind, part, most)) } }
            }
        }
        (levers(kind, &score.crossings))
        @if !score.unknown.is_empty() {
            div .card-foot {
                "Not known, and so without weight: "
                @for (i, unknown) in score.unknown.iter().enumerate() {
                    @if i > 0 { ", " }
                    span title=(unknown.meaning) { (input_label(&unknown.input)) }
                }
                "."
            }
        }
    }
}

fn value(kind: Kind, score: f64) -> String {
    format!("{}{}", words::number(score * kind.to_points, 0), kind.unit)
}

fn contribution(pen: &Pen<'_>, kind: Kind, part: &Contribution, most: f64) -> Markup {
    let row = html! {
        span .points { (words::points(part.points)) }
        span .part-bar { (chart::points_bar(part.points, most, kind.high_is_bad)) }
        span .said { (words::sentence(&part.statement)) span .sub {
            span title=(part.input) { (words::sentence(input_label(&part.input))) }
            @if part.basis == "expert_prior" {
                " · weight is an expert’s judgement, not fitted"
            } @else { " · weight fitted to data" }
        } }
    };
    if part.events.largest.is_empty() {
        return html! { div .part { div .part-row { span {} (row) } } };
    }
    html! {
        details .part data-keep={ (kind.id) "-" (part.input) } {
            summary {
                svg .turn viewBox="0 0 16 16" aria-hidden="true" {
                    path d="M6 3.5 10.5 8 6 12.5" fill="none" stroke="currentColor" stroke-width="1.8" {}
                }
                (row)
            }
            (events(pen, &part.events, &part.input))
        }
    }
}

fn events(pen: &Pen<'_>, behind: &Behind, input: &str) -> Markup {
    let measure = if behind.measure == "left_out" {
        "What would go if the one event had not been; these need not add up."
    } else {
        "What each event added as it came; these add up."
    };
    let head = html! {
        tr {
            th scope="col" .num { "Points" }
            th scope="col" { "When" }
            th scope="col" { "What" }
            th scope="col" { "Topic/partition@offset" }
        }
    };
    let rows = html! {
        @for event in &behind.largest {
            tr {
                td .num.strong { (words::points(event.points)) }
                td { (pen.minute(event.ts)) }
                td { (event.what) }
                td .mono { (event.topic) "/" (event.partition) "@" (event.offset) }
            }
        }
    };
    html! {
        div .behind {
            p { (measure) }
            (parts::table(&format!("Events behind: {}", input_label(input)), "", &head, &rows))
            @if behind.others > 0 {
                p {
                    (words::plural(behind.others as u64, "other event", "other events")) ", together " (words::points(behind.others_points)) " points."
                }
            }
        }
    }
}

/// What one change alone would bring across the next edge.
fn levers(kind: Kind, crossings: &[Crossing]) -> Markup {
    let worth: Vec<&Crossing> = crossings.iter().filter(|c| !c.changes.is_empty()).collect();
    html! {
        @if !worth.is_empty() {
            div .card-body {
                h3 { "What would change it" }
                @for crossing in worth {
                    p .small.quiet {
                        @if crossing.direction == "down" { "Below " } @else { "At or above " }
                        (value(kind, crossing.edge)) " (“" (crossing.to) "”), by one of these alone:"
                    }
                    ul .levers {
                        @for lever in &crossing.changes {
                            li {
                                (icon(Icon::Next)) span {
                                    span .strong { (words::sentence(&lever.needed)) }
                                    span .quiet { " · now: " (lever.now) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn sure(pen: &Pen<'_>, told: &Explanation) -> Markup {
    let events = &told.events;
    html! {
        div .card-body.stack {
            p {
                @match told.row.agrees {
                    Some(true) => {
                        span .sev.good { (icon(Icon::Good)) "The events give exactly these scores." }
                        " Applied again with the pipeline’s own code, they agree with the stored row."
                    }
                    Some(false) => {
                        span .sev.medium {
                            (icon(Icon::Medium)) "The events that are still held do not give the stored scores."
                        }
                        " Scores are the row’s; what single events are worth comes from the events."
                    }
                    None => {
                        span .sev.low { (icon(Icon::Low)) "The row was judged by another version of the model." }
                    }
                }
            }
            dl .facts {
                dt { "As of" }
                dd {
                    (pen.minute(told.at)) @if let Some(to) = told.complete_to {
                        " (complete to " (pen.minute(to)) ")"
                    }
                }
                dt { "Judged" } dd { (pen.minute(told.row.judged_at)) }
                dt { "Told from" }
                dd {
                    (words::plural(events.held as u64, "event", "events")) " (" (words::count(events.visits as u64)) " visits), " (words::count(events.left_out as u64)) " left out one at a time"
                }
            }
            @if !told.notes.is_empty() {
                div { h3 { "To know" } ul .notes { @for note in &told.notes { li { (note.text) } } } }
            }
        }
    }
}
