//! Accounts by what is at risk, with the alerts that say why.

use super::accounts::Sums;
use super::{accounts, alerts};
use crate::api::answer::{AccountRow, List, Today, TodayRow, TodaySummary};
use crate::api::filter::{AccountsQuery, TodayQuery};
use crate::api::problem::{Kind, Problem};
use crate::shell::api::reader::Reader;

/// How many alerts stand beside an account.
const ALERTS_EACH: u32 = 5;

/// Accounts with something at risk; none where no pipeline of accounts has run.
async fn at_risk(
    reader: &Reader,
    asked: &AccountsQuery,
) -> Result<(List<AccountRow>, Sums), Problem> {
    match accounts::rows(reader, asked, true).await {
        Err(problem) if problem.is(Kind::NotReady) => Ok(Default::default()),
        answer => answer,
    }
}

/// Today, of everybody or of one account manager or region.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn today(reader: &Reader, query: &TodayQuery) -> Result<Today, Problem> {
    let asked = query.accounts();
    let (owner, region) = (query.owner.as_ref(), query.region.as_ref());
    let (standing, (list, sums), load, others) = tokio::try_join!(
        reader.standing(),
        at_risk(reader, &asked),
        alerts::load(reader, owner, region),
        alerts::beside_no_account(reader, owner, region),
    )?;
    let ids = list.items.iter().map(|account| account.account_id.clone()).collect();
    let mut by_account = alerts::of_accounts(reader, ids, ALERTS_EACH).await?;
    let items = list.items.into_iter().map(|account| {
        let alerts = by_account.remove(&account.account_id).unwrap_or_default();
        TodayRow { account, alerts }
    });
    Ok(Today {
        standing,
        summary: TodaySummary {
            firing: load.firing,
            acknowledged: load.acknowledged,
            snoozed: load.snoozed,
            urgent: load.urgent,
            accounts_at_risk: sums.n_at_risk,
            at_risk_minor: sums.at_risk_minor,
        },
        accounts: List { items: items.collect(), total: list.total, next: list.next },
        others,
    })
}
