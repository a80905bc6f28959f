//! Whether the numbers can be trusted and up to when: the ledger's verdict, and the copy that answers.

use serde::Deserialize;

use super::sources::AlertSources;
use crate::api::answer::{
    AlertLoad, Beside, CopyShard, CopyState, Outcomes, PipelineState, ShardState, SourceState,
    Time, Verdict,
};
use crate::api::problem::Problem;
use crate::shell::api::guard::now_ms;
use crate::shell::api::reader::{Params, Reader};
use crate::shell::board::{Moment, ShardStatus, Status, StatusBoard};

/// How far back the load of alerts is shown, days.
const LOAD_D: u32 = 30;

/// A row of the view `completeness`.
#[derive(Deserialize)]
struct Complete {
    shard: u16,
    source: String,
    complete_to: Option<Time>,
    offset_to: i64,
    consumed: i64,
    #[serde(flatten)]
    outcomes: Outcomes,
    order_breaks: u64,
    missing: i64,
    twice: i64,
    gaps: i64,
}

impl From<Complete> for SourceState {
    fn from(row: Complete) -> Self {
        Self {
            shard: row.shard,
            source: row.source,
            complete_to: row.complete_to,
            offset_to: row.offset_to,
            consumed: row.consumed,
            outcomes: row.outcomes,
            order_breaks: row.order_breaks,
            missing: row.missing,
            twice: row.twice,
            gaps: row.gaps,
        }
    }
}

/// The state of the pipeline.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn state(reader: &Reader, board: &StatusBoard) -> Result<PipelineState, Problem> {
    let views = &reader.views;
    let shards = format!(
        "SELECT s.shard AS shard, s.clock AS clock, s.watermark AS watermark, s.complete_to AS complete_to, \
         s.now_at AS shown_at FROM {views}.shards AS s ORDER BY shard"
    );
    let all = AlertSources::of(reader).await?.history;
    let load = format!(
        "SELECT toString(toDate(a.at)) AS day, toString(a.severity) AS severity, countIf(a.what = 'raised') AS raised, \
         countIf(a.phase = 'resolved') AS resolved, countIf(a.by_kind = 'person') AS acts \
         FROM {all} AS a \
         WHERE a.at >= (SELECT max(l.at) FROM {all} AS l) - INTERVAL {LOAD_D} DAY \
         GROUP BY day, severity ORDER BY day, severity LIMIT 1000"
    );
    let none = Params::new();
    let (standing, sources, shards, alert_load, accounts) = tokio::try_join!(
        reader.standing(),
        sources(reader, "completeness"),
        reader.rows::<ShardState>(&shards, &none),
        reader.rows_if_there::<AlertLoad>(&load, &none),
        accounts(reader, board),
    )?;
    let (verdict, outcomes) = sum(&sources, standing.complete_to);
    let consumed = outcomes.consumed();
    let put_aside = outcomes.late + outcomes.rejected;
    // a pipeline that stands still has a clock that stands still: the wall's goes on
    let now = if standing.simulated { standing.clock } else { Some(Time(now_ms())) };
    let behind = now.zip(standing.complete_to);
    Ok(PipelineState {
        verdict,
        behind_s: behind.map(|(clock, to)| (clock.0 - to.0).max(0) as f64 / 1e3),
        outcomes,
        dead_letter_share: (consumed > 0).then(|| put_aside as f64 / consumed as f64),
        shards,
        sources,
        alert_load,
        copy: copy(board),
        accounts,
        standing,
    })
}

/// The sources of a pipeline by its ledger; none where it has never run.
async fn sources(reader: &Reader, view: &str) -> Result<Vec<SourceState>, Problem> {
    let sql = format!(
        "SELECT c.shard AS shard, toString(c.source) AS source, c.complete_to AS complete_to, \
         c.offset_to AS offset_to, c.consumed AS consumed, c.applied AS applied, c.duplicate AS duplicate, \
         c.late AS late, c.filtered AS filtered, c.rejected AS rejected, c.order_breaks AS order_breaks, \
         toInt64(c.missing) AS missing, toInt64(c.twice) AS twice, toInt64(c.gap_offsets) AS gaps \
         FROM {}.{view} AS c ORDER BY shard, source",
        reader.views
    );
    let rows = match view {
        "completeness" => reader.rows::<Complete>(&sql, &Params::new()).await?,
        _ => reader.rows_if_there(&sql, &Params::new()).await?,
    };
    Ok(rows.into_iter().map(SourceState::from).collect())
}

/// The pipeline of accounts: by its ledger, and as it runs in this copy.
async fn accounts(reader: &Reader, board: &StatusBoard) -> Result<Option<Beside>, Problem> {
    let sources = sources(reader, "account_completeness").await?;
    let runs = board.beside().into_iter().next();
    if sources.is_empty() && runs.is_none() {
        return Ok(None);
    }
    let to: Option<Vec<Time>> = sources.iter().map(|source| source.complete_to).collect();
    let (verdict, outcomes) = sum(&sources, to.and_then(|to| to.into_iter().min()));
    let pipeline = runs.as_ref().map_or_else(String::new, |board| board.snapshot().pipeline);
    let copy = runs.map(|board| copy(&board));
    Ok(Some(Beside { pipeline, verdict, outcomes, sources, copy }))
}

fn sum(sources: &[SourceState], complete_to: Option<Time>) -> (Verdict, Outcomes) {
    let mut verdict = Verdict { complete_to, ..Verdict::default() };
    let mut all = Outcomes::default();
    for source in sources {
        verdict.missing += source.missing;
        verdict.twice += source.twice;
        verdict.gaps += source.gaps;
        verdict.order_breaks += source.order_breaks;
        let of = &source.outcomes;
        all.applied += of.applied;
        all.duplicate += of.duplicate;
        all.late += of.late;
        all.filtered += of.filtered;
        all.rejected += of.rejected;
    }
    (verdict, all)
}

/// What this copy says of itself.
fn copy(board: &StatusBoard) -> CopyState {
    let Status { generation, owner, version, begun, commits, dead_letters, shards, sink, .. } =
        board.snapshot();
    let (ready, why) = board.ready();
    CopyState {
        name: owner,
        version: version.to_owned(),
        generation,
        begun: begun.map(time),
        ready,
        not_ready: why.all(),
        dead_letters,
        committed: commits.committed,
        aborted: commits.aborted,
        carrier_reaches: sink.reachable,
        carrier_trouble: sink.stopped.or(sink.retrying).or(sink.last_error).unwrap_or_default(),
        shards: shards.into_iter().map(|(shard, status)| copy_shard(shard, status)).collect(),
    }
}

fn copy_shard(shard: u16, status: ShardStatus) -> CopyShard {
    let lags: Option<Vec<i64>> = status.sources.iter().map(|source| source.lag).collect();
    let trouble = status.stop_reason.or(status.held_up).or(status.trouble);
    CopyShard {
        shard,
        state: status.state.name().to_owned(),
        held_since: status.held_since.map(time),
        restore_progress: status.restore_progress,
        lag: lags.map(|lags| lags.iter().sum()),
        customers: status.customers,
        trouble: trouble.unwrap_or_default(),
    }
}

fn time(moment: Moment) -> Time {
    Time(moment.0)
}
