//! A person's action on an alert: checked against how it stands, then written to the pipeline.

use std::sync::Arc;

use super::access::{Caller, random};
use super::read::alerts;
use super::reader::Reader;
use crate::api::access::hex;
use crate::api::answer::{Act, Done, Time};
use crate::api::filter::TEXT_MAX;
use crate::api::problem::{Kind, Problem};
use crate::model::time::DAY_MS;

/// A command to the pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    /// 32 hexadecimal digits; a command with the same id takes effect once.
    pub id: String,
    /// Who.
    pub by: String,
    /// The rule.
    pub rule: String,
    /// What the subject is.
    pub subject_kind: String,
    /// The subject.
    pub subject: String,
    /// The customer behind it: decides the shard.
    pub customer: String,
    /// The account behind it.
    pub account: String,
    /// The episode it is about; it has no effect on another.
    pub episode: u32,
    /// What is to be done.
    pub act: Act,
    /// Until when, of a snooze.
    pub until_ms: Option<i64>,
    /// A note.
    pub note: String,
}

/// Why a command has not arrived, or may not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSent {
    /// Nobody would heed it: the person is told why.
    Vain(String),
    /// Nothing was written; the log says why.
    Unwritten(String),
    /// It may have been written or not; the log says why.
    Unsure(String),
}

/// Writes a command where the pipeline reads it; returns once the broker has it. It may wait: it runs on a thread for that.
#[derive(Clone)]
pub struct Commands(Arc<Way>);

type Way = dyn Fn(&Command) -> Result<(), NotSent> + Send + Sync;

impl std::fmt::Debug for Commands {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("commands")
    }
}

impl Commands {
    /// Commands that go this way.
    pub fn new(send: impl Fn(&Command) -> Result<(), NotSent> + Send + Sync + 'static) -> Self {
        Self(Arc::new(send))
    }

    async fn send(&self, command: Command) -> Result<(), Problem> {
        let send = Arc::clone(&self.0);
        let sent = tokio::task::spawn_blocking(move || send(&command)).await;
        let sent = sent.unwrap_or_else(|error| Err(NotSent::Unsure(error.to_string())));
        let (why, detail) = match sent {
            Ok(()) => return Ok(()),
            Err(NotSent::Vain(why)) => return Err(Problem::new(Kind::Conflict, why)),
            Err(NotSent::Unwritten(why)) => (
                why,
                "the action could not be written to the pipeline; nothing has changed, try again",
            ),
            Err(NotSent::Unsure(why)) => (why, MAY_BE_WRITTEN),
        };
        tracing::warn!(error = why, "api: a command could not be written");
        Err(Problem::new(Kind::Unavailable, detail))
    }
}

/// What is said of an action of which nobody knows whether the pipeline has it.
pub const MAY_BE_WRITTEN: &str = "the action may have been written to the pipeline: look at the alert in a moment, \
    and try again if it does not show it (with the same command_id it takes effect once)";

/// What a request says beside the alert and the act.
#[derive(Clone, Debug, Default)]
pub struct Said {
    /// The command's id; a random one unless said.
    pub command_id: Option<String>,
    /// The episode that was seen; the present one unless said.
    pub episode: Option<u32>,
    /// Until when, of a snooze.
    pub until: Option<Until>,
    /// A note.
    pub note: String,
}

/// Until when an alert is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// This moment of the pipeline's clock.
    Moment(Time),
    /// So many days from the pipeline's clock on.
    Days(u16),
}

/// Longest snooze, days.
const SNOOZE_D: i64 = 365;

/// Does something about an alert.
///
/// # Errors
/// When the role may not, there is no such alert, it is in another phase or episode, or the pipeline cannot be reached.
pub async fn act(
    reader: &Reader,
    commands: &Commands,
    caller: &Caller,
    (alert_id, act): (&str, Act),
    said: Said,
) -> Result<Done, Problem> {
    if !caller.role.may_act() {
        let detail = format!(
            "acting on alerts needs the role operator, {} is a {}",
            caller.name,
            caller.role.name()
        );
        return Err(Problem::new(Kind::Forbidden, detail));
    }
    if said.note.chars().count() > TEXT_MAX || said.note.contains('\0') {
        return Err(Problem::bad(format!("note: at most {TEXT_MAX} characters")));
    }
    let id = match said.command_id {
        Some(id) if is_id(&id) => id.to_ascii_lowercase(),
        Some(_) => return Err(Problem::bad("command_id: expected 32 hexadecimal digits")),
        None => hex(&random::<16>()?),
    };
    let detail = alerts::one(reader, alert_id).await?;
    let alert = detail.alert;
    let conflict = |detail: String| Err(Problem::new(Kind::Conflict, detail));
    if said.episode.is_some_and(|episode| episode != alert.episode) {
        return conflict(format!("the alert is in episode {}: load it again", alert.episode));
    }
    if detail.latest_episode > alert.episode {
        let latest = detail.latest_episode;
        return conflict(format!(
            "the alert is over: the rule has been raised again since, in episode {latest}; act on that alert"
        ));
    }
    if !detail.acts.contains(&act) {
        return conflict(format!("an alert that is {} cannot be {}", alert.phase, past(act)));
    }
    let until_ms = until(act, said.until, detail.standing.clock)?;
    let command = Command {
        id: id.clone(),
        by: caller.name.clone(),
        rule: alert.rule,
        subject_kind: alert.subject_kind,
        subject: alert.subject_id,
        customer: alert.customer_id,
        account: alert.account_id,
        episode: alert.episode,
        act,
        until_ms,
        note: said.note,
    };
    commands.send(command).await?;
    Ok(Done { command_id: id, alert_id: alert.alert_id, act, by: caller.name.clone() })
}

fn is_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn past(act: Act) -> &'static str {
    match act {
        Act::Acknowledge => "acknowledged",
        Act::Snooze => "snoozed",
        Act::Resolve => "resolved",
        Act::Reopen => "reopened",
    }
}

/// The moment of a snooze: ahead of the pipeline's clock, within a year.
fn until(act: Act, said: Option<Until>, clock: Option<Time>) -> Result<Option<i64>, Problem> {
    let now_ms = clock.map_or_else(super::guard::now_ms, |clock| clock.0);
    let until_ms = match (act, said) {
        (Act::Snooze, Some(Until::Moment(until))) => until.0,
        (Act::Snooze, Some(Until::Days(days))) => now_ms.saturating_add(i64::from(days) * DAY_MS),
        (Act::Snooze, None) => return Err(Problem::bad("until: a snooze needs its end")),
        (_, Some(_)) => return Err(Problem::bad("until: only a snooze has an end")),
        (_, None) => return Ok(None),
    };
    if until_ms <= now_ms || until_ms > now_ms.saturating_add(SNOOZE_D * DAY_MS) {
        let detail = format!("until: expected a moment after {}, within a year", Time(now_ms));
        return Err(Problem::bad(detail));
    }
    Ok(Some(until_ms))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_snooze_ends_ahead_of_the_pipelines_clock() {
        let clock = Some(Time(1_000 * DAY_MS));
        let at = |days: i64| Some(Until::Moment(Time(days * DAY_MS)));
        assert_eq!(until(Act::Snooze, at(1_001), clock).unwrap(), Some(1_001 * DAY_MS));
        assert_eq!(until(Act::Snooze, Some(Until::Days(3)), clock).unwrap(), Some(1_003 * DAY_MS));
        assert_eq!(until(Act::Resolve, None, clock).unwrap(), None);
        for (act, said) in [
            (Act::Snooze, None),
            (Act::Snooze, at(1_000)),
            (Act::Snooze, at(2_000)),
            (Act::Snooze, Some(Until::Days(0))),
            (Act::Acknowledge, at(1_001)),
        ] {
            assert_eq!(until(act, said, clock).unwrap_err().status, 400, "{act:?} {said:?}");
        }
    }
}
