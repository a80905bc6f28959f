//! Whether the numbers can be trusted, up to when, and what the pipeline is doing.

use std::collections::BTreeMap;

use maud::{Markup, html};

use super::chart::{self, Column, Piece};
use super::frame::{Frame, page};
use super::icon::{Icon, icon};
use super::parts::{self, card, figure};
use super::pen::{Pen, unknown};
use super::words;
use crate::api::answer::{
    AlertLoad, Beside, CopyShard, CopyState, Outcomes, PipelineState, SourceState, Verdict,
};

/// Severities from the bottom of a column to its top, with their colours.
const LOAD: [(&str, &str); 4] =
    [("critical", "s5"), ("high", "s3"), ("medium", "s2"), ("low or info", "s4")];

/// The state of the pipeline.
pub fn pipeline(answer: &PipelineState, frame: &Frame) -> String {
    let pen = Pen { frame, standing: &answer.standing };
    let body = html! {
        h1 { "Pipeline" }
        (verdict(&pen, &answer.verdict))
        (figures(answer))
        (card(
            "outcomes",
            "What became of every record",
            "Each record has exactly one outcome; they add up to what was read.",
            &outcomes(&answer.outcomes),
        ))
        (card(
            "copy",
            "This copy",
            "The program that answers this page. Other copies hold other shards.",
            &copy(&pen, &answer.copy),
        ))
        (card("sources", "Sources", "By shard and source, by the ledger.", &sources(&pen, &answer.sources, "Sources by shard")))
        @if let Some(beside) = &answer.accounts { (accounts(&pen, beside)) }
        div .two {
            (card("load", "What alerts asked of people", "Alerts raised by day, 30 days.", &load(&answer.alert_load)))
            (card("shards", "Shards", "How far each shard is in time.", &shards(&pen, answer)))
        }
    };
    page(&pen, "Pipeline", &body)
}

/// The sentence for which the ledger is kept.
fn verdict(pen: &Pen<'_>, verdict: &Verdict) -> Markup {
    let clean = verdict.missing == 0 && verdict.twice == 0;
    html! {
        section .card.verdict aria-labelledby="verdict" {
            @match (verdict.complete_to, clean) {
                (Some(to), true) => {
                    span .good { (icon(Icon::Good)) }
                    div {
                        h2 .said #verdict { "Complete to " (pen.second(to)) ", 0 missing, 0 twice" }
                        p .by {
                            "By the ledger: every offset of every source was read, and once." @if verdict.gaps > 0 {
                                " " (words::plural(verdict.gaps.unsigned_abs(), "record was", "records were")) " deleted by Kafka’s retention before being read: see the table gaps."
                            }
                        }
                    }
                }
                (Some(to), false) => {
                    span .critical { (icon(Icon::Critical)) }
                    div {
                        h2 .said #verdict {
                            "Complete to " (pen.second(to)) ", but " (words::count(verdict.missing.unsigned_abs())) " missing, " (words::count(verdict.twice.unsigned_abs())) " twice"
                        }
                        p .by {
                            "By the ledger. The view completeness names shard and source; docs/operations.md says what to do."
                        }
                    }
                }
                (None, _) => {
                    span .low { (icon(Icon::Clock)) }
                    div {
                        h2 .said #verdict { "Not complete yet" }
                        p .by {
                            "The first cycle has not been committed by every shard. If this stays, see “This copy” below for what holds it up."
                        }
                    }
                }
            }
        }
    }
}

fn figures(answer: &PipelineState) -> Markup {
    let lag: Option<i64> = answer.copy.shards.iter().map(|s| s.lag).sum();
    let raised: u64 = answer.alert_load.iter().map(|l| l.raised).sum();
    html! {
        dl .figures aria-label="The pipeline in numbers" {
            (figure(
                "Behind the clock",
                &answer.behind_s.map_or_else(unknown, |s| html! { (behind(s)) }),
                &html! { "from event to table" },
            ))
            (figure(
                "Waiting in Kafka",
                &lag.map_or_else(unknown, |n| html! { (words::count(n.max(0).unsigned_abs())) }),
                &html! { "records, this copy’s shards" },
            ))
            (figure(
                "Records read",
                &html! { (words::count(answer.outcomes.consumed())) },
                &html! { (words::count(answer.outcomes.applied)) " counted" },
            ))
            (figure(
                "Put aside",
                &answer.dead_letter_share.map_or_else(unknown, |s| html! { (words::percent(s)) }),
                &html! { (words::count(answer.outcomes.late + answer.outcomes.rejected)) " dead letters" },
            ))
            (figure("Alerts raised", &html! { (words::count(raised)) }, &html! { "in 30 days" }))
        }
    }
}

fn behind(seconds: f64) -> String {
    if seconds < 10.0 {
        format!("{} s", words::number(seconds.max(0.0), 1))
    } else {
        words::length(seconds as u64)
    }
}

fn outcomes(outcomes: &Outcomes) -> Markup {
    let rows = [
        ("Applied", outcomes.applied, "s1", "counted"),
        ("Duplicate", outcomes.duplicate, "s2", "known already; changes nothing"),
        ("Late", outcomes.late, "s3", "too late to be told from a duplicate; in the dead letters"),
        ("Filtered", outcomes.filtered, "s4", "left out, as the definition asks"),
        (
            "Rejected",
            outcomes.rejected,
            "s5",
            "against the contract; in the dead letters with the reason",
        ),
    ];
    let consumed = outcomes.consumed().max(1);
    let pieces: Vec<Piece> = rows
        .iter()
        .map(|(label, value, class, _)| Piece { label: (*label).to_owned(), value: *value, class })
        .collect();
    let head = html! {
        tr {
            th scope="col" { "Outcome" }
            th scope="col" .num { "Records" }
            th scope="col" .num { "Share" }
            th scope="col" { "Meaning" }
        }
    };
    let body = html! {
        @for (label, value, class, meaning) in rows {
            tr {
                th scope="row" {
                    svg .swatch viewBox="0 0 10 10" aria-hidden="true" {
                        rect class=(class) width="10" height="10" rx="2" {}
                    }
                    (label)
                }
                td .num { (words::count(value)) }
                td .num { (words::percent(value as f64 / consumed as f64)) }
                td .quiet { (meaning) }
            }
        }
    };
    if outcomes.consumed() == 0 {
        return parts::empty(
            3,
            "Nothing read yet",
            &html! { p { "Send an event, or run: retain generate --create-topics" } },
        );
    }
    html! {
        div .card-body { (chart::stack(&pieces, "Records by outcome; the numbers are in the table below")) }
        (parts::table("Records by outcome", "", &head, &body))
    }
}

fn copy(pen: &Pen<'_>, copy: &CopyState) -> Markup {
    let head = html! { tr {
        th scope="col" { "Shard" } th scope="col" { "State" } th scope="col" .num { "Customers" }
        th scope="col" .num { "Waiting" } th scope="col" { "Held since" } th scope="col" { "Trouble" }
    } };
    let rows = html! { @for shard in &copy.shards { (copy_shard(pen, shard)) } };
    html! {
        div .card-body.stack {
            p {
                @if copy.ready {
                    span .sev.good { (icon(Icon::Good)) "Ready" }
                } @else { span .sev.high { (icon(Icon::High)) "Not ready" } }
                " · version " (copy.version) ", generation " (copy.generation)
                @if let Some(begun) = copy.begun { ", running since " (pen.minute(begun)) }
            }
            @if !copy.not_ready.is_empty() { ul .notes { @for why in &copy.not_ready { li { (why) } } } }
            dl .facts {
                dt { "Transactions" }
                dd {
                    (words::count(copy.committed)) " committed, " (words::count(copy.aborted)) " aborted and repeated"
                }
                dt { "ClickHouse" } dd {
                    @if copy.carrier_reaches {
                        span .sev.good { (icon(Icon::Good)) "reached" }
                    } @else { span .sev.critical { (icon(Icon::Critical)) "not reached" } }
                    @if !copy.carrier_trouble.is_empty() { p .small { (copy.carrier_trouble) } }
                }
                dt { "Dead letters" } dd { (words::count(copy.dead_letters)) " since it runs" }
            }
        }
        @if !copy.shards.is_empty() { (parts::table("Shards of this copy", "", &head, &rows)) }
        @else { p .card-foot { "It holds no shard: others do, or the group is being joined." } }
    }
}

fn copy_shard(pen: &Pen<'_>, shard: &CopyShard) -> Markup {
    let (class, sign) = match shard.state.as_str() {
        "running" => ("good", Icon::Good),
        "restoring" | "waiting" => ("low", Icon::Clock),
        _ => ("critical", Icon::Critical),
    };
    html! {
        tr {
            th scope="row" { (shard.shard) }
            td { span class={ "sev " (class) } {
                (icon(sign)) span {
                    (words::human(&shard.state)) @if let Some(progress) = shard.restore_progress {
                        ", " (words::percent(progress))
                    }
                }
            }
                @if let Some(progress) = shard.restore_progress { (chart::bar(progress, "")) } }
            td .num { (words::count(shard.customers)) }
            td .num {
                @match shard.lag { Some(lag) => (words::count(lag.max(0).unsigned_abs())), None => (unknown()) }
            }
            td { @match shard.held_since { Some(at) => (pen.minute(at)), None => (unknown()) } }
            td .small {
                @if shard.trouble.is_empty() { span .quiet { "none" } } @else { span .high { (shard.trouble) } }
            }
        }
    }
}

/// The pipeline of accounts, which reads what customers' says.
fn accounts(pen: &Pen<'_>, beside: &Beside) -> Markup {
    let Beside { pipeline, verdict, outcomes, copy, .. } = beside;
    let clean = verdict.missing == 0 && verdict.twice == 0;
    let name =
        if pipeline.is_empty() { "It does not run in this copy of the program." } else { pipeline };
    let body = html! {
        dl .facts .card-body {
            dt { "By its ledger" }
            dd {
                @match verdict.complete_to {
                    Some(to) => { "complete to " (pen.second(to)) ", " }
                    None => { "not complete yet, " }
                }
                span class=[(!clean).then_some("critical strong")] {
                    (words::count(verdict.missing.unsigned_abs())) " missing, " (words::count(verdict.twice.unsigned_abs())) " twice"
                }
            }
            dt { "Words read" }
            dd { (words::count(outcomes.consumed())) ", " (words::count(outcomes.applied)) " counted" }
            @if let Some(copy) = copy {
                dt { "This copy" }
                dd {
                    @if copy.ready { span .sev.good { (icon(Icon::Good)) "Ready" } }
                    @else { span .sev.high { (icon(Icon::High)) "Not ready" } }
                    " · generation " (copy.generation) ", "
                    (words::plural(copy.shards.len() as u64, "shard", "shards"))
                    @for why in &copy.not_ready { p .small { (why) } }
                    @for shard in copy.shards.iter().filter(|shard| !shard.trouble.is_empty()) {
                        p .small.high { "Shard " (shard.shard) ": " (shard.trouble) }
                    }
                    @if !copy.carrier_trouble.is_empty() { p .small { (copy.carrier_trouble) } }
                }
            }
        }
        (sources(pen, &beside.sources, "Sources of accounts by shard"))
    };
    card(
        "accounts",
        "Accounts",
        &format!("The pipeline {name}: rolled up from what the customers’ pipeline says."),
        &body,
    )
}

fn sources(pen: &Pen<'_>, sources: &[SourceState], name: &str) -> Markup {
    if sources.is_empty() {
        return parts::empty(
            3,
            "No source read yet",
            &html! { p { "Sources are named in the definition: pipelines/customers.toml." } },
        );
    }
    let head = html! { tr {
        th scope="col" { "Source" }
        th scope="col" .num { "Shard" }
        th scope="col" { "Complete to" }
        th scope="col" .num { "Read" }
        th scope="col" .num { "Applied" }
        th scope="col" .num { "Dead letters" }
        th scope="col" .num { "Missing" }
        th scope="col" .num { "Twice" }
        th scope="col" .num { "Gaps" }
    } };
    let bad = |n: i64| if n == 0 { "num quiet" } else { "num critical strong" };
    let rows = html! {
        @for source in sources {
            tr {
                th scope="row" { (source.source) }
                td .num { (source.shard) }
                td { @match source.complete_to { Some(to) => (pen.second(to)), None => (unknown()) } }
                td .num { (words::count(source.consumed.max(0).unsigned_abs())) }
                td .num { (words::count(source.outcomes.applied)) }
                td .num { (words::count(source.outcomes.late + source.outcomes.rejected)) }
                td class=(bad(source.missing)) { (source.missing) }
                td class=(bad(source.twice)) { (source.twice) }
                td class=(bad(source.gaps)) { (source.gaps) }
            }
        }
    };
    parts::table(name, "ledger", &head, &rows)
}

fn load(load: &[AlertLoad]) -> Markup {
    let mut days: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for row in load {
        let part =
            LOAD.iter().position(|(name, _)| *name == row.severity).unwrap_or(LOAD.len() - 1);
        let values = days.entry(&row.day).or_insert_with(|| vec![0; LOAD.len()]);
        values[part] = values[part].saturating_add(row.raised);
    }
    let columns: Vec<Column> =
        days.into_iter().map(|(day, values)| Column { label: words::date(day), values }).collect();
    let sum = |of: fn(&AlertLoad) -> u64| words::count(load.iter().map(of).sum());
    let said = format!(
        "{} raised, {} ended, {} actions of people in 30 days",
        sum(|l| l.raised),
        sum(|l| l.resolved),
        sum(|l| l.acts)
    );
    let picture = chart::columns(&columns, &LOAD, "Alerts raised by day and severity", &said);
    html! {
        div .card-body {
            @if picture.0.is_empty() { p .quiet { "No alert was raised in 30 days." } }
            @else {
                (picture)
                p .legend {
                    @for (name, class) in LOAD {
                        span {
                            svg .swatch viewBox="0 0 10 10" aria-hidden="true" {
                                rect class=(class) width="10" height="10" rx="2" {}
                            }
                            (name)
                        }
                    }
                }
            }
            p .small { (said) "." }
        }
    }
}

fn shards(pen: &Pen<'_>, answer: &PipelineState) -> Markup {
    if answer.shards.is_empty() {
        return parts::empty(
            3,
            "No shard yet",
            &html! { p { "A shard stands here after its first cycle." } },
        );
    }
    let head = html! {
        tr {
            th scope="col" { "Shard" }
            th scope="col" { "Complete to" }
            th scope="col" { "Watermark" }
            th scope="col" { "Clock" }
        }
    };
    let moment = |time: Option<crate::api::answer::Time>| {
        html! {
            @match time { Some(t) => (pen.second(t)), None => (unknown()) }
        }
    };
    let rows = html! {
        @for shard in &answer.shards {
            tr {
                th scope="row" { (shard.shard) }
                td { (moment(shard.complete_to)) }
                td { (moment(shard.watermark)) }
                td { (moment(shard.clock)) }
            }
        }
    };
    parts::table("Shards", "", &head, &rows)
}
