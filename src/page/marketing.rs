//! What marketing looks at: where value is, and where it is going.

use maud::{Markup, html};

use super::chart::{self, Bubble, Flow, Piece, Ribbon};
use super::frame::{Frame, page};
use super::links;
use super::opportunities;
use super::parts::{self, card, figure};
use super::pen::{Pen, unknown};
use super::portfolio;
use super::words;
use crate::api::answer::{Lifecycles, Marketing, Quadrant, TierMove, Tiers};

/// From here on a customer counts as loyal and as satisfied (docs/signals.md, quadrant).
const LOYAL_FROM: f64 = 60.0;
const SATISFIED_FROM: f64 = 0.75;

/// The places of the page, with the words of its tabs.
const PLACES: [(&str, &str); 7] = [
    ("lifecycle", "Lifecycle"),
    ("tiers", "Tiers"),
    ("quadrant", "Loyalty"),
    ("cohorts", "Cohorts"),
    ("at-risk", "At risk"),
    ("churn", "Churn"),
    ("goals", "Opportunities"),
];

/// What marketing looks at.
pub fn marketing(answer: &Marketing, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let nobody = answer.lifecycle.rows.iter().all(|row| row.customers == 0);
    let body = html! {
        div .head {
            div { h1 { "Marketing" } p .lead { "Where value is, and where it is going." } }
            @if !nobody {
                nav .tabs aria-label="On this page" { @for (id, name) in PLACES { a href={ "#" (id) } { (name) } } }
            }
        }
        @if nobody {
            div .card { (parts::empty(2, "No customer yet", &html! {
                p { "As soon as the first events are counted, customers stand here by lifecycle, tier and cohort." }
                a .button href=(links::PIPELINE) { "See the pipeline" }
            })) }
        } @else {
            (figures(&pen, answer))
            (card(
                "lifecycle",
                "Lifecycle",
                "Where every customer stands, and how many came and went in 30 days.",
                &lifecycle(&pen, &answer.lifecycle),
            ))
            div .two {
                (card(
                    "tiers",
                    "Tiers and moves",
                    &format!("How customers moved between the ends of {} and {}.", words::date(&answer.tiers.from), words::date(&answer.tiers.to)),
                    &tiers(&pen, &answer.tiers),
                ))
                (card(
                    "quadrant",
                    "Loyalty and satisfaction",
                    "Loyal and satisfied customers stay; loyal ones who are not satisfied stay for want of a choice.",
                    &quadrant(&pen, &answer.quadrant),
                ))
            }
            (card(
                "cohorts",
                "Do they come back?",
                "Of those who first bought in a month: the share that bought again in each month since.",
                &portfolio::cohorts(&answer.cohorts),
            ))
            (portfolio::at_risk(&pen, answer))
            (portfolio::churn(&answer.churn_by_region, answer.churn.rows.first()))
            (card(
                "goals",
                "Opportunities",
                "What is worth a contact, by goal. One in ten is left alone, so that an effect can be measured.",
                &opportunities::goals(&pen, &answer.opportunities),
            ))
        }
    };
    page(&pen, "Marketing", &body)
}

fn figures(pen: &Pen<'_>, answer: &Marketing) -> Markup {
    let count_of = |states: &[&str]| -> u64 {
        answer
            .lifecycle
            .rows
            .iter()
            .filter(|r| states.contains(&r.lifecycle.as_str()))
            .map(|r| r.customers)
            .sum()
    };
    let change_of = |state: &str| {
        answer.lifecycle.rows.iter().find(|r| r.lifecycle == state).map_or(0, |r| r.change_30)
    };
    let churn = answer.churn.rows.first();
    let value: i64 =
        answer.lifecycle.rows.iter().map(|r| r.value_minor).fold(0, i64::saturating_add);
    let at_risk = &answer.at_risk_by_region;
    html! {
        dl .figures aria-label="Marketing in numbers" {
            (figure(
                "Active customers",
                &html! { (words::count(count_of(&["active", "won_back"]))) },
                &html! { (words::change(change_of("active"))) " active in 30 days" },
            ))
            (figure(
                "New",
                &html! { (words::count(count_of(&["new"]))) },
                &html! { (words::change(change_of("new"))) " in 30 days" },
            ))
            (figure("Churn, 90 days", &churn.and_then(|c| c.churn_rate).map_or_else(unknown, |rate| html! { (words::percent(rate)) }), &html! {
                @if let Some(row) = churn {
                    (words::count(row.active_lost)) " of " (words::count(row.active)) " active were lost"
                }
            }))
            (figure("Lifetime value", &html! { (pen.money(value)) }, &html! { "expected of all customers" }))
            (figure(
                "Revenue at risk",
                &html! { (pen.money(at_risk.at_risk_minor)) },
                &html! { "of " (pen.money(at_risk.revenue_90_minor)) " in 90 days" },
            ))
        }
    }
}

/// Colour of a state; the words stand beside it in the table.
fn state_class(state: &str) -> &'static str {
    match state {
        "new" => "s2",
        "active" => "s1",
        "won_back" => "s6",
        "slipping" => "s3",
        "dormant" => "s7",
        "lost" => "s5",
        _ => "s4",
    }
}

fn lifecycle(pen: &Pen<'_>, answer: &Lifecycles) -> Markup {
    let pieces: Vec<Piece> = answer
        .rows
        .iter()
        .map(|r| Piece {
            label: words::human(&r.lifecycle),
            value: r.customers,
            class: state_class(&r.lifecycle),
        })
        .collect();
    let total: u64 = pieces.iter().map(|p| p.value).sum();
    let head = html! { tr {
        th scope="col" { "State" } th scope="col" .num { "Customers" } th scope="col" .num { "Share" }
        th scope="col" .num { "Change, 30 days" }
        th scope="col" .num { "Revenue so far" }
        th scope="col" .num { "Lifetime value" }
    } };
    let rows = html! {
        @for row in &answer.rows {
            tr {
                th scope="row" {
                    svg .swatch viewBox="0 0 10 10" aria-hidden="true" {
                        rect class=(state_class(&row.lifecycle)) width="10" height="10" rx="2" {}
                    }
                    a href={ (links::CUSTOMERS) "?lifecycle=" (links::escaped(&row.lifecycle)) } {
                        (words::human(&row.lifecycle))
                    }
                }
                td .num { (words::count(row.customers)) }
                td .num { (words::percent(row.customers as f64 / total.max(1) as f64)) }
                td .num { (words::change(row.change_30)) }
                td .num { (pen.money(row.revenue_minor)) }
                td .num { (pen.money(row.value_minor)) }
            }
        }
    };
    html! {
        div .card-body {
            (chart::stack(&pieces, "Customers by state of the lifecycle; the numbers are in the table below"))
        }
        (parts::table("Customers by state of the lifecycle", "", &head, &rows))
    }
}

fn tier_name(tier: &str) -> String {
    if tier.is_empty() { "No tier".to_owned() } else { words::human(tier) }
}

fn tiers(pen: &Pen<'_>, answer: &Tiers) -> Markup {
    let mut names: Vec<&str> = answer.tiers.iter().map(|t| t.tier.as_str()).collect();
    for step in &answer.moves {
        for tier in [step.from_tier.as_str(), step.to_tier.as_str()] {
            if !names.contains(&tier) {
                names.push(tier);
            }
        }
    }
    let place = |tier: &str| names.iter().position(|n| *n == tier);
    let ribbons = answer.moves.iter().filter_map(|step| {
        Some(Ribbon {
            from: place(&step.from_tier)?,
            to: place(&step.to_tier)?,
            value: step.customers,
            class: move_class(step),
            label: move_said(step),
        })
    });
    let picture = Flow {
        ribbons: ribbons.collect(),
        places: names.iter().map(|n| tier_name(n)).collect(),
        from: words::date(&answer.from),
        to: words::date(&answer.to),
    };
    let sum = |movement: &str| {
        answer.moves.iter().filter(|m| m.movement == movement).map(|m| m.customers).sum::<u64>()
    };
    let said = format!("{} moved up, {} down", words::count(sum("up")), words::count(sum("down")));
    let head = value_head("Tier");
    let rows = html! {
        @for tier in &answer.tiers {
            tr {
                th scope="row" { (tier_name(&tier.tier)) }
                td .num { (words::count(tier.customers)) }
                td .num { (pen.money(tier.value_minor)) }
                td .num { (pen.money(tier.at_risk_minor)) }
            }
        }
    };
    html! {
        @if answer.moves.is_empty() { div .card-body { p .quiet { "Moves show once the history holds both days." } } }
        @else {
            div .card-body {
                (chart::flow(&picture, "Customers moving between tiers", &said))
                p .legend {
                    (legend("s6", "up")) (legend("s5", "down")) (legend("s1", "came or left")) (legend("s4", "stayed")) span .strong { (said) }
                }
            }
        }
        (parts::table("Tiers as they stand now", "", &head, &rows))
    }
}

/// What is shown of each group of customers that is counted by value.
fn value_head(of: &str) -> Markup {
    html! {
        tr {
            th scope="col" { (of) }
            th scope="col" .num { "Customers" }
            th scope="col" .num { "Lifetime value" }
            th scope="col" .num { "At risk" }
        }
    }
}

fn legend(class: &str, text: &str) -> Markup {
    html! {
        span {
            svg .swatch viewBox="0 0 10 10" aria-hidden="true" { rect class=(class) width="10" height="10" rx="2" {} }
            (text)
        }
    }
}

fn move_class(step: &TierMove) -> &'static str {
    match step.movement.as_str() {
        "up" => "flow-up",
        "down" => "flow-down",
        "same" => "flow-same",
        _ => "flow-in",
    }
}

fn move_said(step: &TierMove) -> String {
    format!(
        "{} to {}: {}",
        tier_name(&step.from_tier),
        tier_name(&step.to_tier),
        words::plural(step.customers, "customer", "customers")
    )
}

fn quadrant(pen: &Pen<'_>, answer: &Quadrant) -> Markup {
    let look = |name: &str| match name {
        "apostle" => ("Apostles", "q-apostle"),
        "hostage" => ("Hostages", "q-hostage"),
        "mercenary" => ("Mercenaries", "q-mercenary"),
        _ => ("Defectors", "q-defector"),
    };
    let bubbles: Vec<Bubble> = answer
        .cells
        .iter()
        .filter_map(|cell| {
            let (label, class) = look(&cell.quadrant);
            Some(Bubble {
                label,
                class,
                satisfaction: cell.satisfaction?,
                loyalty: cell.loyalty?,
                customers: cell.customers,
                count: words::count(cell.customers),
            })
        })
        .collect();
    let head = value_head("Kind");
    let rows = html! {
        @for cell in &answer.cells {
            tr {
                th scope="row" {
                    a href={ (links::CUSTOMERS) "?quadrant=" (links::escaped(&cell.quadrant)) } { (look(&cell.quadrant).0) }
                }
                td .num { (words::count(cell.customers)) }
                td .num { (pen.money(cell.value_minor)) }
                td .num { (pen.money(cell.at_risk_minor)) }
            }
        }
    };
    html! {
        div .card-body {
            @if bubbles.iter().all(|b| b.customers == 0) {
                p .quiet {
                    "Nobody has enough ratings yet to be placed: satisfaction counts from one rating of one’s own."
                }
            }
            @else { (chart::quadrant(&bubbles, LOYAL_FROM, SATISFIED_FROM, "Customers by loyalty and satisfaction")) }
        }
        (parts::table("Customers by loyalty and satisfaction", "", &head, &rows))
        p .card-foot {
            (words::plural(answer.unknown, "customer is", "customers are")) " not placed: loyalty or satisfaction is not known."
        }
    }
}
