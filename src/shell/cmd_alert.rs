//! `retain alert`: what people see of alerts and do about them, without the page. It asks and acts as the HTTP interface does, by the
//! same code: the same checks, the same answers, the same way into the pipeline.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::api::access::Caller;
use super::api::act::{Said, Until, act};
use super::api::read::alerts;
use super::api::reader::Reader;
use super::client::Link;
use super::cmd_run::{CommandError, Definition};
use super::commands::commands;
use super::settings::Settings;
use crate::api::answer::{Act, Alert, AlertDetail, Done, Listed, Standing, Time};
use crate::api::filter::{AlertsQuery, PhaseFilter, SeverityFilter};
use crate::api::problem::Problem;
use crate::model::money::amount_text;

/// Longest name of a person, characters.
const NAME_MAX: usize = 100;

/// What is asked or to be done.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
    /// Write JSON, as the HTTP interface answers
    #[arg(long, global = true)]
    json: bool,
    /// The definition that the pipeline runs
    #[arg(long, global = true, value_name = "FILE", default_value = "pipelines/customers.toml")]
    pub definition: PathBuf,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum What {
    /// Show alerts, the open ones, the worst first
    List(Filters),
    /// Show one with its transitions
    Show {
        /// The alert's id
        alert_id: String,
    },
    /// "I have it": nobody is called any more
    Acknowledge(Acting),
    /// "Tell me again then": it fires again at that moment unless it has ended
    Snooze {
        #[command(flatten)]
        acting: Acting,
        #[command(flatten)]
        until: Snoozing,
    },
    /// "This is done": ends it by hand
    Resolve(Acting),
    /// "This was not done": takes up again what was ended by hand
    Reopen(Acting),
}

#[derive(Clone, Debug, clap::Args)]
struct Filters {
    /// Only those of this account manager
    #[arg(long)]
    owner: Option<String>,
    /// Only those of this region
    #[arg(long)]
    region: Option<String>,
    /// Only those of this rule
    #[arg(long)]
    rule: Option<String>,
    /// Only those of this account and its members
    #[arg(long)]
    account: Option<String>,
    /// Only those of this customer
    #[arg(long)]
    customer: Option<String>,
    /// How they stand: open, firing, acknowledged, snoozed, pending, dismissed, resolved, all
    #[arg(long, value_parser = word::<PhaseFilter>)]
    phase: Option<PhaseFilter>,
    /// Only those that are at least as bad: info, low, medium, high, critical
    #[arg(long, value_parser = word::<SeverityFilter>)]
    severity_from: Option<SeverityFilter>,
    /// Most of them, 1 to 200
    #[arg(long, default_value_t = 50)]
    limit: u32,
}

#[derive(Clone, Debug, clap::Args)]
struct Acting {
    /// The alert's id
    alert_id: String,
    /// Your name, as it is to stand in the history
    #[arg(long, value_name = "NAME")]
    by: String,
    /// A note for the history
    #[arg(long, default_value = "")]
    note: String,
    /// The episode that was seen; another one is refused
    #[arg(long)]
    episode: Option<u32>,
    /// 32 hexadecimal digits: sent again with the same id it takes effect once
    #[arg(long, value_name = "ID")]
    command_id: Option<String>,
}

#[derive(Clone, Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct Snoozing {
    /// Until this moment of the pipeline's clock (2026-01-31T08:00:00Z)
    #[arg(long, value_name = "TIME")]
    until: Option<Timestamp>,
    /// For so many days
    #[arg(long)]
    days: Option<u16>,
}

/// A word of the interface's own sets.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}

/// What came of it.
#[derive(Debug)]
pub enum Answer {
    /// Alerts.
    List(Box<Listed<Alert>>),
    /// One with its transitions.
    One(Box<AlertDetail>),
    /// Something was done.
    Done(Done),
}

/// Asks, or does what is to be done.
///
/// # Errors
/// When the settings cannot be used, ClickHouse or Kafka is away, or the alert is in another phase or episode.
pub async fn run(
    settings: &Settings,
    definition: &Definition,
    args: &Args,
) -> Result<Answer, CommandError> {
    let longest = Duration::from_millis(settings.http.request_timeout_ms);
    let reader = Reader::new(&settings.clickhouse, &definition.plan, longest);
    let reader = reader.map_err(CommandError::Other)?;
    let told = |problem: Problem| CommandError::Other(problem.to_string());
    let (acting, what, until) = match &args.what {
        What::List(filters) => {
            let found = alerts::list(&reader, &query(filters)).await.map_err(told)?;
            return Ok(Answer::List(Box::new(found)));
        }
        What::Show { alert_id } => {
            let found = alerts::one(&reader, alert_id).await.map_err(told)?;
            return Ok(Answer::One(Box::new(found)));
        }
        What::Acknowledge(acting) => (acting, Act::Acknowledge, None),
        What::Snooze { acting, until } => (acting, Act::Snooze, end(until)),
        What::Resolve(acting) => (acting, Act::Resolve, None),
        What::Reopen(acting) => (acting, Act::Reopen, None),
    };
    let caller = Caller::at_the_command_line(name(&acting.by)?);
    let way = commands(Link::from(&settings.kafka), vec![definition.plan.clone()]);
    let said = Said {
        command_id: acting.command_id.clone(),
        episode: acting.episode,
        until,
        note: acting.note.clone(),
    };
    let done = act(&reader, &way, &caller, (&acting.alert_id, what), said).await.map_err(told)?;
    Ok(Answer::Done(done))
}

fn query(filters: &Filters) -> AlertsQuery {
    AlertsQuery {
        owner: filters.owner.clone(),
        region: filters.region.clone(),
        rule: filters.rule.clone(),
        account: filters.account.clone(),
        customer: filters.customer.clone(),
        phase: filters.phase,
        severity_from: filters.severity_from,
        limit: Some(filters.limit),
        ..AlertsQuery::default()
    }
}

fn end(until: &Snoozing) -> Option<Until> {
    let moment = until.until.map(|moment| Until::Moment(Time(moment.as_millisecond())));
    moment.or(until.days.map(Until::Days))
}

/// A name as tokens have them: history and messages show it.
fn name(by: &str) -> Result<String, CommandError> {
    let name = by.trim();
    let fits = !name.is_empty() && name.chars().count() <= NAME_MAX;
    if !fits || name.chars().any(char::is_control) {
        let why = format!("--by: expected a name of 1 to {NAME_MAX} characters");
        return Err(CommandError::Other(why));
    }
    Ok(name.to_owned())
}

/// Writes the answer.
///
/// # Errors
/// Those of `out`.
pub fn print(answer: &Answer, args: &Args, out: &mut dyn Write) -> io::Result<()> {
    match answer {
        Answer::List(found) if args.json => json(found, out),
        Answer::One(found) if args.json => json(found, out),
        Answer::Done(done) if args.json => json(done, out),
        Answer::List(found) => list(found, out),
        Answer::One(found) => one(found, out),
        Answer::Done(Done { command_id, alert_id, act, by }) => writeln!(
            out,
            "{} {alert_id} by {by} is on its way (command {command_id}); the alert shows it when the pipeline has read it",
            act.name()
        ),
    }
}

fn json(answer: &impl Serialize, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, answer)?;
    writeln!(out)
}

fn list(found: &Listed<Alert>, out: &mut dyn Write) -> io::Result<()> {
    for alert in &found.list.items {
        writeln!(out, "{}", line(alert, &found.standing))?;
    }
    let shown = found.list.items.len() as u64;
    match found.list.total {
        0 => writeln!(out, "no such alerts"),
        total if total > shown => {
            writeln!(out, "{shown} of {total}; --limit or filters show others")
        }
        total => writeln!(out, "{total} in all"),
    }
}

fn line(alert: &Alert, standing: &Standing) -> String {
    let mut line = format!(
        "{}  {:<8} {:<12} {} of {} {}",
        alert.alert_id,
        alert.severity,
        alert.phase,
        alert.rule,
        alert.subject_kind,
        plain(&alert.subject_id)
    );
    if let Some(minor) = alert.at_risk_minor {
        line = format!("{line}, {} at risk", amount_text(minor, &standing.currency));
    }
    if let Some(raised) = alert.raised {
        line = format!("{line}, raised {raised}");
    }
    if !alert.owner_id.is_empty() {
        line = format!("{line}, owner {}", plain(&alert.owner_id));
    }
    line
}

fn one(found: &AlertDetail, out: &mut dyn Write) -> io::Result<()> {
    let alert = &found.alert;
    writeln!(out, "{}", line(alert, &found.standing))?;
    writeln!(out, "{}", alert.about)?;
    for reason in alert.reasons.iter().chain(&alert.changed) {
        writeln!(out, "- {}", plain(reason))?;
    }
    writeln!(out, "next: {}", alert.next_step)?;
    writeln!(out, "episode {}:", alert.episode)?;
    for step in &found.history {
        let at = step.at.map_or_else(String::new, |at| at.to_string());
        let by = if step.by.is_empty() { &step.by_kind } else { &step.by };
        write!(out, "{:>4}  {at}  {} by {}", step.n, step.what, plain(by))?;
        if let Some(until) = step.snoozed_until {
            write!(out, " until {until}")?;
        }
        if !step.note.is_empty() {
            write!(out, ": {}", plain(&step.note))?;
        }
        writeln!(out)?;
    }
    let acts: Vec<&str> = found.acts.iter().map(|act| act.name()).collect();
    match acts.as_slice() {
        [] => writeln!(out, "nothing can be done about it as it stands"),
        acts => writeln!(out, "you can: {}", acts.join(", ")),
    }
}

/// Text of others without what would move a terminal's cursor.
fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn alert() -> Alert {
        Alert {
            alert_id: "9f".to_owned(),
            n: 2,
            rule: "key_at_risk".to_owned(),
            subject_kind: "customer".to_owned(),
            subject_id: "C\u{1b}[2J1".to_owned(),
            episode: 1,
            what: "snoozed".to_owned(),
            phase: "snoozed".to_owned(),
            by: "olga".to_owned(),
            by_kind: "person".to_owned(),
            note: "call planned".to_owned(),
            severity: "high".to_owned(),
            at: Some(Time(0)),
            snoozed_until: Some(Time(86_400_000)),
            at_risk_minor: Some(123_456),
            ..Alert::default()
        }
    }

    #[test]
    fn an_alert_is_told_with_its_transitions_and_cannot_move_the_cursor() {
        let standing =
            Standing { currency: "USD".to_owned(), minor_digits: 2, ..Standing::default() };
        let acts = alert().acts().to_vec();
        let history = vec![alert()];
        let mut out = Vec::new();
        let detail = AlertDetail { standing, alert: alert(), acts, latest_episode: 1, history };
        one(&detail, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(
            text.starts_with("9f  high     snoozed      key_at_risk of customer C\u{fffd}[2J1, ")
        );
        assert!(text.contains("at risk"), "{text}");
        let step = "   2  1970-01-01T00:00:00.000Z  snoozed by olga until 1970-01-02T00:00:00.000Z: call planned";
        assert!(text.contains(step), "{text}");
        assert!(text.ends_with("you can: acknowledge, snooze, resolve\n"), "{text}");
    }

    #[test]
    fn names_and_words_are_checked() {
        assert_eq!(name(" olga ").unwrap(), "olga");
        for wrong in ["", " ", "a\nb", &"x".repeat(NAME_MAX + 1)] {
            assert!(name(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(word::<PhaseFilter>("snoozed").unwrap(), PhaseFilter::Snoozed);
        assert!(word::<SeverityFilter>("awful").unwrap_err().contains("critical"));
    }
}
