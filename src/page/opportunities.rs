//! What is worth a contact: the six goals, their best, and whether contacts have changed anything.

use maud::{Markup, html};

use super::links;
use super::parts::{self, name_or_id};
use super::pen::Pen;
use super::words;
use crate::api::answer::{GoalEffect, GoalOpportunities, Opportunities, Proposal};

/// How a goal is called, and what its score is: only within a goal scores compare.
fn goal(name: &str) -> (String, &'static str) {
    match name {
        "cross_sell" => ("Cross-sell".to_owned(), "money"),
        "up_sell" => ("Up-sell".to_owned(), "money"),
        "retention" => ("Retention".to_owned(), "money"),
        "acquisition" => ("First and second purchase".to_owned(), "share"),
        "win_back" => ("Win back".to_owned(), "money"),
        "after_sale" => ("After-sale care".to_owned(), "tier"),
        other => (words::human(other), ""),
    }
}

fn worth(pen: &Pen<'_>, proposal: &Proposal) -> String {
    let minor = 10_f64.powi(i32::try_from(pen.standing.minor_digits.min(9)).unwrap_or(2));
    match goal(&proposal.goal).1 {
        "money" => pen.money((proposal.score * minor) as i64),
        "share" => words::percent(proposal.score),
        _ => words::number(proposal.score, 1),
    }
}

fn reason(proposal: &Proposal) -> String {
    let said = match proposal.reason.as_str() {
        "category_intent" => "looks at a category not bought yet",
        "category_lift" => "owns what goes with it",
        "orders_grow" => "orders grow",
        "usage_near_limit" => "near the limit of the plan",
        "at_risk" => "valuable and at risk",
        "prospect_intent" => "shows intent, has not bought",
        "second_purchase_due" => "second purchase is due",
        "sign_of_life" => "a sign of life after silence",
        "not_rated" => "delivered, not rated",
        "refill_due" => "a refill is due",
        "complaint_closed" => "complaint just closed",
        other => return words::human(other),
    };
    if proposal.category.is_empty() {
        said.to_owned()
    } else {
        format!("{said}: {}", proposal.category)
    }
}

/// All goals, with the best of each.
pub(super) fn goals(pen: &Pen<'_>, answer: &Opportunities) -> Markup {
    let any = answer.goals.iter().any(|g| g.standing + g.held_out > 0);
    html! {
        @if !any {
            (parts::empty(3, "No opportunity stands", &html! {
                p {
                    "Opportunities need consent, come at most once in 30 days for each goal, and are silent while a complaint is open."
                }
            }))
        } @else {
            div .two.card-body { @for goal in &answer.goals { (one(pen, goal)) } }
        }
    }
}

fn one(pen: &Pen<'_>, answer: &GoalOpportunities) -> Markup {
    let (name, _) = goal(&answer.goal);
    let head = html! {
        tr {
            th scope="col" .num { "Rank" }
            th scope="col" { "Customer" }
            th scope="col" { "Why" }
            th scope="col" .num { "Worth" }
        }
    };
    let rows = html! {
        @for proposal in &answer.best {
            tr {
                td .num.rank { (proposal.rank) }
                th scope="row" { a href=(links::customer(&proposal.customer_id)) {
                    (name_or_id(&proposal.name, &proposal.customer_id))
                }
                    @if !proposal.owner_id.is_empty() { span .sub { (proposal.owner_id) } } }
                td .small { (reason(proposal)) }
                td .num { (worth(pen, proposal)) }
            }
        }
    };
    html! {
        section aria-labelledby={ "goal-" (answer.goal) } {
            h3 id={ "goal-" (answer.goal) } {
                (name) " " span .quiet {
                    (words::count(answer.standing)) " to contact, " (words::count(answer.held_out)) " left alone"
                }
            }
            @if answer.best.is_empty() { p .small.quiet { "Nobody just now." } }
            @else { (parts::table(&format!("Best of {name}"), "", &head, &rows)) }
            @if let Some(effect) = &answer.effect { p .small.quiet { (effect_said(effect)) } }
        }
    }
}

/// Whether contacts changed anything: only what is well beyond chance is said to.
fn effect_said(effect: &GoalEffect) -> String {
    let (Some(contacted), Some(held_out), Some(difference)) =
        (effect.contacted_share, effect.held_out_share, effect.difference)
    else {
        return "Effect: not enough proposals are 30 days old to compare.".to_owned();
    };
    let chance = effect.standard_error.unwrap_or(f64::INFINITY);
    let verdict = if difference.abs() > 2.0 * chance { "beyond chance" } else { "within chance" };
    format!(
        "Bought within 30 days: {} of {} contacted, {} of {} left alone. The difference is {verdict}.",
        words::percent(contacted),
        words::count(effect.contacted),
        words::percent(held_out),
        words::count(effect.held_out)
    )
}

/// Those of one customer.
pub(super) fn of_customer(pen: &Pen<'_>, proposals: &[Proposal]) -> Markup {
    html! {
        div .card-body {
            @if proposals.is_empty() { p .quiet { "None stands." } }
            ul .stack {
                @for proposal in proposals {
                    li {
                        span .strong { (goal(&proposal.goal).0) } " · " (worth(pen, proposal))
                        p .small {
                            (reason(proposal)) @if let Some(until) = proposal.expires { ", until " (pen.day(until)) }
                        }
                        @if proposal.held_out {
                            p { (parts::tag("Left alone, to measure the effect: do not contact", "medium")) }
                        }
                        @if proposal.bought_since { p { (parts::tag("Bought since", "good")) } }
                    }
                }
            }
        }
    }
}
