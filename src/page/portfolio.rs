//! What is kept and what is lost: cohorts, revenue at risk by group, the churn KPI.

use maud::{Markup, html};

use super::chart;
use super::parts::{self, card};
use super::pen::{Pen, unknown};
use super::words;
use crate::api::answer::{Churn, ChurnRow, Cohort, Cohorts, Marketing, RevenueAtRisk};

/// Months after the first that are shown.
const AGES: u32 = 12;
/// Cohorts that are shown, the latest.
const COHORTS: usize = 18;
/// Groups that are shown of a dimension.
const GROUPS: usize = 8;

/// The shade of a share: the edges are those of retention as it is, where the first month is far above all others.
fn shade(share: f64) -> &'static str {
    match share {
        s if s >= 0.5 => "h6",
        s if s >= 0.3 => "h5",
        s if s >= 0.2 => "h4",
        s if s >= 0.12 => "h3",
        s if s >= 0.06 => "h2",
        s if s > 0.0 => "h1",
        _ => "h0",
    }
}

/// Retention by cohort, as a table with shades.
pub(super) fn cohorts(answer: &Cohorts) -> Markup {
    let shown = &answer.cohorts[answer.cohorts.len().saturating_sub(COHORTS)..];
    if shown.is_empty() {
        return parts::empty(
            3,
            "No cohort yet",
            &html! { p { "The first cohort begins with the first purchase." } },
        );
    }
    let oldest = shown.iter().flat_map(|c| &c.months).map(|m| m.age).max().unwrap_or(0).min(AGES);
    let head = html! { tr {
        th scope="col" { "First bought" } th scope="col" { "Customers" }
        @for age in 1..=oldest { th scope="col" { span .unseen { "month " } "+" (age) } }
    } };
    let rows = html! { @for cohort in shown { (cohort_row(cohort, oldest)) } };
    html! {
        @if oldest == 0 {
            div .card-body { p .quiet { "All cohorts are in their first month; returns show from the next." } }
        }
        (parts::table("Retention by cohort and months since the first purchase", "heat", &head, &rows))
        p .card-foot { "The month under way counts as far as it has gone, so the last cell of a row can still grow." }
    }
}

fn cohort_row(cohort: &Cohort, oldest: u32) -> Markup {
    html! {
        tr {
            th scope="row" { (month(&cohort.month)) }
            td { (words::count(cohort.customers)) }
            @for age in 1..=oldest {
                @match cohort.months.iter().find(|m| m.age == age) {
                    Some(m) => {
                        td class=(shade(m.retention)) title={ (words::count(m.bought)) " bought" } {
                            (format!("{:.0}", 100.0 * m.retention)) span .unseen { " %" }
                        }
                    }
                    None => { td { } }
                }
            }
        }
    }
}

/// `2026-01-01` as `Jan 2026`.
fn month(day: &str) -> String {
    day.parse::<jiff::civil::Date>()
        .map_or_else(|_| day.to_owned(), |d| d.strftime("%b %Y").to_string())
}

fn group(value: &str) -> &str {
    if value.is_empty() { "Not known" } else { value }
}

/// Revenue at risk by region and by industry.
pub(super) fn at_risk(pen: &Pen<'_>, answer: &Marketing) -> Markup {
    html! {
        div .two #at-risk {
            (card("at-risk-region", "Revenue at risk by region", "", &by_group(pen, &answer.at_risk_by_region)))
            (card("at-risk-industry", "Revenue at risk by industry", "", &by_group(pen, &answer.at_risk_by_industry)))
        }
    }
}

fn by_group(pen: &Pen<'_>, answer: &RevenueAtRisk) -> Markup {
    if answer.rows.is_empty() {
        return parts::empty(
            3,
            "Nothing at risk that is known",
            &html! { p { "Groups come from master data: events of the type profile." } },
        );
    }
    let most = answer.rows.iter().map(|r| r.at_risk_minor).max().unwrap_or(0);
    let head = html! { tr {
        th scope="col" { (words::human(&answer.by)) } th scope="col" .num { "Customers" }
        th scope="col" .num { "At risk" }
        th scope="col" { span .unseen { "Bar of at risk" } }
        th scope="col" .num { "Of 90 days" }
    } };
    let rows = html! {
        @for row in answer.rows.iter().take(GROUPS) {
            tr {
                th scope="row" { (group(&row.value)) }
                td .num { (words::count(row.customers)) }
                (parts::amount_bar(pen, row.at_risk_minor, most, "risk"))
                td .num { (words::percent(row.at_risk_minor as f64 / row.revenue_90_minor.max(1) as f64)) }
            }
        }
    };
    html! {
        (parts::table(&format!("Revenue at risk by {}", answer.by), "", &head, &rows))
        @if answer.rows.len() > GROUPS {
            p .card-foot { (answer.rows.len() - GROUPS) " smaller ones are not shown." }
        }
    }
}

/// The churn KPI: of everybody in words, by group as bars.
pub(super) fn churn(answer: &Churn, all: Option<&ChurnRow>) -> Markup {
    let about = format!(
        "Of those who were active at the end of {}: who was lost by the end of {}.",
        words::date(&answer.from),
        words::date(&answer.to)
    );
    let most = answer.rows.iter().filter_map(|r| r.churn_rate).fold(0.0, f64::max);
    let head = html! { tr {
        th scope="col" { (words::human(&answer.by)) } th scope="col" .num { "Active" } th scope="col" .num { "Lost" }
        th scope="col" .num { "Churn" }
        th scope="col" { span .unseen { "Bar of churn" } }
        th scope="col" .num { "Of all customers lost" }
    } };
    let line = |name: &str, row: &ChurnRow| {
        html! {
            tr {
                th scope="row" { (name) }
                td .num { (words::count(row.active)) }
                td .num { (words::count(row.active_lost)) }
                td .num.strong { @match row.churn_rate { Some(rate) => (words::percent(rate)), None => (unknown()) } }
                td .cell-bar {
                    (chart::bar(row.churn_rate.unwrap_or(0.0) / if most > 0.0 { most } else { 1.0 }, "risk"))
                }
                td .num { (words::percent(row.loss_rate)) }
            }
        }
    };
    let rows = html! {
        @if let Some(all) = all { (line("Everybody", all)) }
        @for row in answer.rows.iter().take(GROUPS) { (line(group(&row.value), row)) }
    };
    let body = if answer.rows.is_empty() && all.is_none() {
        parts::empty(
            3,
            "No churn to tell of yet",
            &html! { p { "It needs a history of both days." } },
        )
    } else {
        parts::table("Churn by group", "", &head, &rows)
    };
    card("churn", "Churn", &about, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shades_rise_with_the_share() {
        let shades: Vec<&str> = [0.0, 0.01, 0.06, 0.13, 0.25, 0.4, 1.0].map(shade).to_vec();
        assert_eq!(shades, ["h0", "h1", "h2", "h3", "h4", "h5", "h6"]);
        assert_eq!(shade(f64::NAN), "h0");
    }

    #[test]
    fn months_are_written_out_and_odd_ones_left_alone() {
        assert_eq!(month("1997-03-01"), "Mar 1997");
        assert_eq!(month("<b>"), "<b>");
    }
}
