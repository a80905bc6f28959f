//! The answer for people.

use std::fmt::{self, Write as _};

use super::report::{
    Behind, Change, Contribution, Crossing, Explanation, Movement, Score, Since, ToldFrom,
};

/// Points below which a change is not worth a line.
const LITTLE: f64 = 0.05;

/// The whole text, lines ended.
pub fn render(e: &Explanation) -> String {
    let mut out = String::new();
    // writing to a string cannot fail
    let _ = write(&mut out, e);
    out
}

fn write(out: &mut String, e: &Explanation) -> fmt::Result {
    head(out, e)?;
    match &e.risk {
        Some(risk) => {
            let band = risk.band.as_ref();
            let since =
                band.and_then(|b| b.since).map_or(String::new(), |at| format!(", since {at}"));
            let name = band.map_or("", |b| &b.name);
            writeln!(
                out,
                "\nCHURN RISK {:.2} ({name}{since}): {} the reference customer's {:.2}",
                risk.score,
                beside(risk.points),
                risk.reference
            )?;
            score(out, risk)?;
        }
        None => writeln!(
            out,
            "\nNo churn risk and no loyalty: they have neither bought nor a contract."
        )?,
    }
    if let Some(loyalty) = &e.loyalty {
        let name = loyalty.band.as_ref().map_or("", |b| &b.name);
        writeln!(
            out,
            "\nLOYALTY {:.1} of 100 ({name}): {} the reference customer's {:.1}",
            loyalty.score,
            beside(loyalty.points),
            loyalty.reference
        )?;
        score(out, loyalty)?;
    }
    if let Some(since) = &e.since {
        compare(out, since)?;
    }
    writeln!(out, "\nTO KNOW")?;
    for note in &e.notes {
        writeln!(out, "  - {}", note.text)?;
    }
    if scores(e).any(|score| score.contributions.iter().any(|c| c.basis == "expert_prior")) {
        writeln!(
            out,
            "  - * the weight is an expert prior: a judgement of direction and rough size, not measured"
        )?;
    }
    Ok(())
}

fn scores(e: &Explanation) -> impl Iterator<Item = &Score> {
    e.risk.iter().chain(&e.loyalty)
}

fn head(out: &mut String, e: &Explanation) -> fmt::Result {
    let from = match e.told_from {
        ToldFrom::Events => format!("told from {} events", e.events.held),
        ToldFrom::Row => "told from the row".to_owned(),
    };
    writeln!(out, "{} at {} UTC, {from}", e.customer_id, e.at)?;
    let row = &e.from_row;
    let named = [
        ("lifecycle", Some(&row.lifecycle)),
        ("tier", row.tier.as_ref()),
        ("class", row.abc.as_ref()),
        ("region", row.region.as_ref()),
        ("industry", row.industry.as_ref()),
        ("segment", row.segment.as_ref()),
        ("owner", row.owner_id.as_ref()),
    ];
    let mut said: Vec<String> =
        named.iter().filter_map(|(name, value)| Some(format!("{name} {}", (*value)?))).collect();
    if row.key_customer {
        said.push("key customer".to_owned());
    }
    writeln!(out, "  {}", said.join(", "))
}

fn beside(points: f64) -> String {
    match points {
        points if points.abs() < LITTLE => "equal to".to_owned(),
        points if points > 0.0 => format!("{points:.1} points above"),
        points => format!("{:.1} points below", -points),
    }
}

fn score(out: &mut String, score: &Score) -> fmt::Result {
    for c in score.contributions.iter().filter(|c| c.points.abs() >= LITTLE) {
        contribution(out, c)?;
    }
    let quiet: Vec<&str> = score
        .contributions
        .iter()
        .filter(|c| c.points.abs() < LITTLE)
        .map(|c| c.statement.as_str())
        .collect();
    if !quiet.is_empty() {
        writeln!(out, "    0.0  nothing by: {}", quiet.join("; "))?;
    }
    if !score.unknown.is_empty() {
        let names: Vec<&str> = score.unknown.iter().map(|input| input.input).collect();
        writeln!(out, "      ?  not known, so neutral: {}", names.join(", "))?;
    }
    for crossing in &score.crossings {
        change_needed(out, crossing)?;
    }
    Ok(())
}

fn contribution(out: &mut String, c: &Contribution) -> fmt::Result {
    let prior = if c.basis == "expert_prior" { "*" } else { "" };
    writeln!(out, "  {:+5.1}  {} [{}]{prior}", c.points, c.statement, c.input.input)?;
    behind(out, &c.events)
}

fn behind(out: &mut String, behind: &Behind) -> fmt::Result {
    for e in &behind.largest {
        writeln!(
            out,
            "         {:+5.1}  {}  {} ({}/{}@{})",
            e.points, e.ts, e.what, e.topic, e.partition, e.offset
        )?;
    }
    if behind.others > 0 {
        let word = if behind.others == 1 { "event" } else { "events" };
        writeln!(out, "         {:+5.1}  {} more {word}", behind.others_points, behind.others)?;
    }
    Ok(())
}

fn change_needed(out: &mut String, c: &Crossing) -> fmt::Result {
    let side = if c.direction == "up" { "at or above" } else { "below" };
    let edge = if c.edge > 1.0 { format!("{:.0}", c.edge) } else { format!("{:.2}", c.edge) };
    writeln!(out, "  {side} {edge} ({}) by one change alone:", c.to)?;
    if c.changes.is_empty() {
        return writeln!(out, "      no single change is enough");
    }
    for lever in &c.changes {
        let now = lever.now.as_deref().unwrap_or("not known");
        writeln!(out, "      {} (now: {now})", lever.needed)?;
    }
    Ok(())
}

fn compare(out: &mut String, since: &Since) -> fmt::Result {
    writeln!(out, "\nSINCE {} UTC", since.at)?;
    if since.risk.is_none() && since.loyalty.is_none() {
        writeln!(out, "  there is no score at either moment")?;
    }
    if let Some(risk) = &since.risk {
        movement(out, "churn risk", risk, 2)?;
    }
    if let Some(loyalty) = &since.loyalty {
        movement(out, "loyalty", loyalty, 1)?;
    }
    Ok(())
}

fn movement(out: &mut String, name: &str, moved: &Movement, digits: usize) -> fmt::Result {
    let told = |score: Option<f64>| score.map_or("none".to_owned(), |s| format!("{s:.digits$}"));
    let by = moved.points.map_or(String::new(), |points| format!(" ({points:+.1} points)"));
    writeln!(out, "  {name} {} -> {}{by}", told(moved.before), told(moved.after))?;
    let (large, small): (Vec<&Change>, Vec<&Change>) =
        moved.changes.iter().partition(|change| change.points.abs() >= LITTLE);
    for change in large {
        let before = change.before.as_deref().unwrap_or("not known");
        let after = change.after.as_deref().unwrap_or("not known");
        writeln!(out, "  {:+5.1}  {after} [{}]", change.points, change.input.input)?;
        writeln!(out, "         before: {before}")?;
        if change.time_alone_points.abs() >= LITTLE {
            writeln!(out, "         {:+5.1}  by time alone", change.time_alone_points)?;
        }
        behind(out, &change.events)?;
    }
    if !small.is_empty() {
        let names: Vec<&str> = small.iter().map(|change| change.input.input).collect();
        writeln!(out, "    0.0  hardly moved: {}", names.join(", "))?;
    }
    Ok(())
}
