//! What the demo asks ClickHouse while it runs: nothing but the views that people read.

use clickhouse::Client;
use clickhouse::error::Error;

/// One source: what was read of it and what became of that.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SourceLine {
    /// Its name.
    pub source: String,
    /// Records consumed.
    pub consumed: i64,
    /// Their outcomes: applied, duplicate, late, filtered, rejected.
    pub outcomes: [u64; 5],
    /// Offsets no cycle read.
    pub missing: i64,
    /// Offsets two cycles read.
    pub twice: i64,
}

/// A customer worth a look.
#[derive(Clone, Debug, PartialEq)]
pub struct Slipping {
    /// Who.
    pub customer_id: String,
    /// Where (generated).
    pub region: String,
    /// Who looks after them (generated).
    pub owner: String,
    /// Revenue so far, cents.
    pub revenue_minor: i64,
    /// Days since the last purchase.
    pub recency_d: f64,
    /// How likely nothing is bought in the next 90 days.
    pub p_silent_90: f64,
    /// Complaints that nobody has closed (generated).
    pub open_complaints: u16,
}

/// What is known at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// The pipeline's clock, milliseconds; `None` before the first rows.
    pub clock_ms: Option<i64>,
    /// Everything up to here is in the tables; `None` while a source has shown nothing.
    pub complete_to_ms: Option<i64>,
    /// By source, in the definition's order.
    pub sources: Vec<SourceLine>,
    /// Customers by lifecycle.
    pub lifecycle: Vec<(String, u64)>,
    /// Who became slipping, dormant, lost, won back within the last 30 days.
    pub moved: [u64; 4],
    /// Slipping, the most valuable first.
    pub slipping: Vec<Slipping>,
    /// Alerts: open, and raised so far.
    pub alerts: [u64; 2],
    /// Accounts: all, and with something at risk.
    pub accounts: [u64; 2],
    /// What is at risk of them within 90 days, cents.
    pub at_risk_minor: i64,
}

impl Summary {
    /// Offsets missing and read twice, over all sources.
    pub fn faults(&self) -> (i64, i64) {
        self.sources.iter().fold((0, 0), |sum, s| (sum.0 + s.missing, sum.1 + s.twice))
    }

    /// The line of a source.
    pub fn source(&self, name: &str) -> SourceLine {
        self.sources.iter().find(|s| s.source == name).cloned().unwrap_or_default()
    }
}

/// Asks everything.
///
/// # Errors
/// ClickHouse's.
pub async fn look(client: &Client, sources: &[&str]) -> Result<Summary, Error> {
    let (clock_ms, complete_ms, shards) = client
        .query(
            "SELECT toInt64(toUnixTimestamp64Milli(max(clock))), \
             ifNull(toInt64(toUnixTimestamp64Milli(min(complete_to))), 0), \
             toUInt64(countIf(complete_to IS NULL)) FROM retain.shards",
        )
        .fetch_one::<(i64, i64, u64)>()
        .await?;
    let mut summary = Summary {
        clock_ms: (clock_ms > 0).then_some(clock_ms),
        complete_to_ms: (shards == 0 && complete_ms > 0).then_some(complete_ms),
        ..Summary::default()
    };
    let lines = source_lines(client).await?;
    let known = |name: &&str| lines.iter().find(|line| line.source == **name).cloned();
    summary.sources = sources.iter().filter_map(known).collect();
    summary.lifecycle = client
        .query("SELECT toString(lifecycle), count() FROM retain.customers_now GROUP BY 1")
        .fetch_all::<(String, u64)>()
        .await?;
    let moved = "lifecycle_since > at - INTERVAL 30 DAY";
    let (slipping, dormant, lost, won_back) = client
        .query(&format!(
            "SELECT countIf(lifecycle = 'slipping' AND {moved}), countIf(lifecycle = 'dormant' AND {moved}), \
             countIf(lifecycle = 'lost' AND {moved}), countIf(lifecycle = 'won_back' AND {moved}) \
             FROM retain.customers_now"
        ))
        .fetch_one::<(u64, u64, u64, u64)>()
        .await?;
    summary.moved = [slipping, dormant, lost, won_back];
    summary.slipping = slipping_most_valuable(client).await?;
    let (open, raised) = client
        .query(
            "SELECT (SELECT count() FROM retain.alerts_now WHERE phase IN ('firing', 'acknowledged', 'snoozed')) \
             + (SELECT count() FROM retain.account_alerts_now WHERE phase IN ('firing', 'acknowledged', 'snoozed')) AS open, \
             (SELECT count() FROM retain.alert_history WHERE what = 'raised') \
             + (SELECT count() FROM retain.account_alert_history WHERE what = 'raised') AS raised",
        )
        .fetch_one::<(Option<u64>, Option<u64>)>()
        .await?;
    let (accounts, at_risk, at_risk_minor) = client
        .query("SELECT count(), countIf(at_risk_minor > 0), sum(at_risk_minor) FROM retain.accounts_now")
        .fetch_one::<(u64, u64, i64)>()
        .await?;
    summary.alerts = [open, raised].map(Option::unwrap_or_default);
    summary.accounts = [accounts, at_risk];
    summary.at_risk_minor = at_risk_minor;
    Ok(summary)
}

type Line = (String, i64, u64, u64, u64, u64, u64, i64, i64);

async fn source_lines(client: &Client) -> Result<Vec<SourceLine>, Error> {
    let rows = client
        .query(
            "SELECT toString(source), toInt64(sum(consumed)), sum(applied), sum(duplicate), sum(late), \
             sum(filtered), sum(rejected), toInt64(sum(missing)), toInt64(sum(twice)) \
             FROM retain.completeness GROUP BY source",
        )
        .fetch_all::<Line>()
        .await?;
    let line = |(source, consumed, a, d, l, f, r, missing, twice): Line| SourceLine {
        source,
        consumed,
        outcomes: [a, d, l, f, r],
        missing,
        twice,
    };
    Ok(rows.into_iter().map(line).collect())
}

type Row = (String, String, String, i64, f64, f64, u16);

async fn slipping_most_valuable(client: &Client) -> Result<Vec<Slipping>, Error> {
    let rows = client
        .query(
            "SELECT customer_id, toString(region), owner_id, revenue_minor, ifNull(recency_d, 0), \
             ifNull(p_silent_90, 0), open_complaints FROM retain.customers_now \
             WHERE lifecycle = 'slipping' ORDER BY revenue_minor DESC, customer_id LIMIT 4",
        )
        .fetch_all::<Row>()
        .await?;
    let customer =
        |(customer_id, region, owner, revenue_minor, recency_d, p_silent_90, open)| Slipping {
            customer_id,
            region,
            owner,
            revenue_minor,
            recency_d,
            p_silent_90,
            open_complaints: open,
        };
    Ok(rows.into_iter().map(customer).collect())
}
