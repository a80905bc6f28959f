//! What happened: events, alerts and signals, latest first; and how something stood over the days.

use jiff::civil::Date;
use maud::{Markup, html};

use super::chart::{self, Curve, Scale};
use super::icon::{Icon, icon};
use super::links;
use super::parts;
use super::pen::Pen;
use super::words;
use crate::api::answer::Happening;
use crate::model::registry::Subject;

/// The list. `customers` says whether each names its customer.
pub(super) fn timeline(pen: &Pen<'_>, happenings: &[Happening], customers: bool) -> Markup {
    if happenings.is_empty() {
        return parts::empty(
            3,
            "Nothing has happened yet",
            &html! {
                p {
                    "Events stand here as they come. Older ones may have been deleted: they are kept for a configured time."
                }
            },
        );
    }
    html! {
        ol .line-list.card-body { @for happening in happenings { (entry(pen, happening, customers)) } }
    }
}

fn entry(pen: &Pen<'_>, happening: &Happening, customers: bool) -> Markup {
    let (class, sign) = match happening.kind.as_str() {
        "alert" => ("dot alert", Icon::Bell),
        "signal" => ("dot signal", Icon::Wave),
        _ => ("dot", Icon::Event),
    };
    html! {
        li {
            span .when { @if let Some(at) = happening.at { (pen.minute(at)) } }
            span class=(class) { (icon(sign)) }
            span .what {
                @if happening.kind == "alert" && !happening.reference.is_empty() {
                    a href=(links::alert(&happening.reference)) { (what(happening)) }
                } @else { (what(happening)) }
                @if customers && !happening.customer_id.is_empty() {
                    " · " a href=(links::customer(&happening.customer_id)) { (happening.customer_id) }
                }
                @if !happening.position.is_empty() {
                    span .where { span .mono { (happening.position) }
                        @if !happening.reference.is_empty() { ", " span .mono { (happening.reference) } } }
                }
            }
            span .num { @if let Some(amount) = happening.amount_minor { (pen.money_exact(amount)) } }
        }
    }
}

/// What happened, as people say it: of an alert rule and transition, of a signal its name and value.
fn what(happening: &Happening) -> String {
    let what = happening.what.as_str();
    match (happening.kind.as_str(), what.rsplit_once(' '), what.split_once(' ')) {
        ("alert", Some((rule, became)), _) => {
            format!("{}: {}", words::rule(rule), words::became(became).to_lowercase())
        }
        ("signal", _, Some((name, value))) => match Subject::Customer.find(name) {
            Some(signal) => {
                format!("{}: {}", words::sentence(signal.label), value.replace('_', " "))
            }
            None => words::human(what),
        },
        _ => words::human(what),
    }
}

/// A value of each day; days that are no days are left out.
pub(super) fn by_day<'a, T: 'a>(
    points: impl Iterator<Item = &'a T>,
    day: impl Fn(&T) -> &str,
    value: impl Fn(&T) -> Option<f64>,
) -> Vec<(Date, Option<f64>)> {
    points
        .filter_map(|p| Some((day(p).parse().ok()?, value(p).filter(|v| v.is_finite()))))
        .collect()
}

/// Shares of 0 to 1 over time with a legend; a sentence while there is no history.
pub(super) fn shares_over_time(curves: &[Curve], title: &str) -> Markup {
    let ticks = [0.0, 0.25, 0.5, 0.75, 1.0].map(|t| (t, words::percent(t))).to_vec();
    let ends: Vec<String> = curves.iter().filter_map(summary).collect();
    let picture =
        chart::line(curves, &Scale { low: 0.0, high: 1.0, ticks }, title, &ends.join("; "));
    html! {
        div .card-body {
            @if picture.0.is_empty() { p .quiet { "There is one day so far. The line begins with the second." } }
            @else {
                (picture)
                p .legend {
                    @for (i, curve) in curves.iter().enumerate() {
                        @if let Some(said) = summary(curve) {
                            span {
                                svg .swatch viewBox="0 0 10 10" aria-hidden="true" {
                                    rect class=(if i == 0 { "s1" } else { "s3" }) y="3" width="10" height="4" {}
                                }
                                (said)
                            }
                        }
                    }
                }
            }
        }
    }
}

/// From where to where a curve went.
fn summary(curve: &Curve) -> Option<String> {
    let mut known = curve.points.iter().filter_map(|(_, v)| *v);
    let first = known.next()?;
    let last = known.next_back().unwrap_or(first);
    let said = |value: f64| match curve.of_100 {
        true => format!("{} of 100", words::number(100.0 * value, 0)),
        false => words::percent(value),
    };
    Some(format!("{}: {}, was {}", curve.label, said(last), said(first)))
}
