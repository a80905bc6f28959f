//! What marketing looks at: lifecycle, tiers, quadrant, cohorts, opportunities; and all of it for one page.

use std::collections::BTreeMap;

use jiff::{Span, Timestamp};
use serde::Deserialize;

use super::customers::{PROPOSAL, at_risk_minor, value_minor};
use super::segments;
use crate::api::answer::{
    Cohort, CohortMonth, Cohorts, GoalEffect, GoalOpportunities, LifecycleCount, Lifecycles,
    Marketing, Opportunities, Proposal, Quadrant, QuadrantCell, Standing, TierCount, TierMove,
    Tiers,
};
use crate::api::filter::{DaysQuery, GoalFilter, OpportunitiesQuery, day, word};
use crate::api::problem::Problem;
use crate::shell::api::reader::{Param, Params, Reader};
use crate::shell::api::wheres::Where;
use crate::signal::lifecycle::Lifecycle;

/// How far back two days lie apart unless said, days.
const BACK_D: i64 = 90;
/// Most cohorts.
const COHORTS_MAX: usize = 36;
/// How many opportunities of a goal the page shows.
const BEST: u32 = 5;
/// The cells of the quadrant, in their order.
const QUADRANTS: [&str; 4] = ["apostle", "hostage", "mercenary", "defector"];
/// The goals, in their order.
const GOALS: [GoalFilter; 6] = [
    GoalFilter::CrossSell,
    GoalFilter::UpSell,
    GoalFilter::Retention,
    GoalFilter::Acquisition,
    GoalFilter::WinBack,
    GoalFilter::AfterSale,
];

/// Two days: as asked, else up to the pipeline's clock. Both in their one spelling, the earlier first.
///
/// # Errors
/// When one is no day, or they are the wrong way round.
pub(super) fn days(
    reader: &Reader,
    standing: &Standing,
    query: &DaysQuery,
) -> Result<[String; 2], Problem> {
    let now = standing.clock.and_then(|clock| Timestamp::from_millisecond(clock.0).ok());
    let today = now.unwrap_or_else(Timestamp::now).to_zoned(reader.plan.day_zone.clone()).date();
    let to = day("to", query.to.as_deref())?.unwrap_or_else(|| today.to_string());
    let back = |to: &str| {
        let to: jiff::civil::Date = to.parse().unwrap_or(today);
        to.saturating_sub(Span::new().days(BACK_D)).to_string()
    };
    let from = day("from", query.from.as_deref())?.unwrap_or_else(|| back(&to));
    if from >= to {
        return Err(Problem::bad(format!("from ({from}) must be before to ({to})")));
    }
    // what an answer's default gives is within the calendar that ClickHouse has days for
    let from = day("from", Some(&from)).unwrap_or_default().unwrap_or(from);
    Ok([from, to])
}

#[derive(Deserialize)]
struct StateRow {
    lifecycle: String,
    customers: u64,
    revenue_minor: i64,
    value_minor: i64,
}

/// Customers by lifecycle.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn lifecycle(reader: &Reader) -> Result<Lifecycles, Problem> {
    let (views, value) = (&reader.views, value_minor(&reader.scale()));
    let counts = format!(
        "SELECT toString(c.lifecycle) AS lifecycle, count() AS customers, toInt64(sum(c.revenue_minor)) AS revenue_minor, \
         toInt64(sum({value})) AS value_minor FROM {views}.customers_now AS c GROUP BY lifecycle"
    );
    let states = Lifecycle::ALL.map(Lifecycle::name);
    let changes = states.map(|s| format!("toInt64(g.{s}) - toInt64(g.{s}_at_start) AS {s}"));
    let changes = format!(
        "SELECT {} FROM {views}.segments_now AS g WHERE g.dimension = 'all'",
        changes.join(", ")
    );
    let params = Params::new();
    let (standing, counts, changes) = tokio::try_join!(
        reader.standing(),
        reader.rows::<StateRow>(&counts, &params),
        reader.row::<BTreeMap<String, i64>>(&changes, &params),
    )?;
    let changes = changes.unwrap_or_default();
    let row = |state: &str| {
        let count = counts.iter().find(|row| row.lifecycle == state);
        LifecycleCount {
            lifecycle: state.to_owned(),
            customers: count.map_or(0, |row| row.customers),
            change_30: changes.get(state).copied().unwrap_or(0),
            revenue_minor: count.map_or(0, |row| row.revenue_minor),
            value_minor: count.map_or(0, |row| row.value_minor),
        }
    };
    Ok(Lifecycles { standing, rows: states.map(row).to_vec() })
}

/// Tiers as they stand, and the moves between two days.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn tiers(reader: &Reader, query: &DaysQuery) -> Result<Tiers, Problem> {
    let standing = reader.standing().await?;
    let [from, to] = days(reader, &standing, query)?;
    let (views, scale) = (&reader.views, reader.scale());
    let tiers = format!(
        "SELECT toString(ifNull(c.tier, '')) AS tier, count() AS customers, \
         toInt64(sum(c.revenue_minor)) AS revenue_minor, toInt64(sum({})) AS value_minor, \
         toInt64(sum({})) AS at_risk_minor FROM {views}.customers_now AS c \
         GROUP BY tier ORDER BY indexOf(['lead', 'iron', 'gold'], tier) DESC, tier LIMIT 20",
        value_minor(&scale),
        at_risk_minor(&scale)
    );
    let moves = format!(
        "SELECT ifNull(m.from_tier, '') AS from_tier, ifNull(m.to_tier, '') AS to_tier, m.move AS movement, \
         m.customers AS customers, toInt64(m.revenue_minor) AS revenue_minor \
         FROM {views}.tier_migration(from = {{from:Date}}, to = {{to:Date}}) AS m \
         ORDER BY customers DESC, from_tier, to_tier LIMIT 100"
    );
    let params: Params = vec![("from", from.as_str().into()), ("to", to.as_str().into())];
    let none = Params::new();
    let (tiers, moves) = tokio::try_join!(
        reader.rows::<TierCount>(&tiers, &none),
        reader.rows::<TierMove>(&moves, &params),
    )?;
    Ok(Tiers { standing, from, to, tiers, moves })
}

/// Customers by loyalty and satisfaction.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn quadrant(reader: &Reader) -> Result<Quadrant, Problem> {
    let scale = reader.scale();
    let sql = format!(
        "SELECT toString(ifNull(c.quadrant, '')) AS quadrant, count() AS customers, \
         if(countIf(isNotNull(c.loyalty)) > 0, avg(c.loyalty), NULL) AS loyalty, \
         if(countIf(c.csat_n > 0) > 0, avgIf(c.csat, c.csat_n > 0), NULL) AS satisfaction, \
         toInt64(sum({})) AS value_minor, toInt64(sum({})) AS at_risk_minor \
         FROM {}.customers_now AS c GROUP BY quadrant",
        value_minor(&scale),
        at_risk_minor(&scale),
        reader.views
    );
    let none = Params::new();
    let (standing, rows) =
        tokio::try_join!(reader.standing(), reader.rows::<QuadrantCell>(&sql, &none))?;
    let cell = |name: &str| {
        let found = rows.iter().find(|cell| cell.quadrant == name).cloned();
        found.unwrap_or_else(|| QuadrantCell { quadrant: name.to_owned(), ..Default::default() })
    };
    let unknown = rows.iter().find(|cell| cell.quadrant.is_empty()).map_or(0, |c| c.customers);
    Ok(Quadrant { standing, cells: QUADRANTS.map(cell).to_vec(), unknown })
}

#[derive(Deserialize)]
struct CohortRow {
    month: String,
    customers: u64,
    age: u32,
    bought: u64,
    retention: f64,
    revenue_minor: i64,
}

/// Retention by cohort.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn cohorts(reader: &Reader) -> Result<Cohorts, Problem> {
    // the latest cohorts: the earliest of them is told by the rows themselves, the view is computed once
    let sql = format!(
        "SELECT month, customers, age, bought, retention, revenue_minor FROM (\
         SELECT toString(r.cohort) AS month, r.customers AS customers, toUInt32(r.age_months) AS age, \
         toUInt64(r.bought) AS bought, r.retention AS retention, toInt64(r.revenue_minor) AS revenue_minor, \
         r.cohort > addMonths(max(r.cohort) OVER (), -{COHORTS_MAX}) AS late \
         FROM {}.cohort_retention AS r) WHERE late ORDER BY month, age",
        reader.views
    );
    let none = Params::new();
    let (standing, rows) =
        tokio::try_join!(reader.standing(), reader.rows::<CohortRow>(&sql, &none))?;
    let mut cohorts: Vec<Cohort> = Vec::new();
    for CohortRow { month, customers, age, bought, retention, revenue_minor } in rows {
        if cohorts.last().is_none_or(|cohort| cohort.month != month) {
            cohorts.push(Cohort { month, customers, months: Vec::new() });
        }
        if let Some(cohort) = cohorts.last_mut() {
            cohort.months.push(CohortMonth { age, bought, retention, revenue_minor });
        }
    }
    Ok(Cohorts { standing, cohorts })
}

#[derive(Deserialize)]
struct GoalRow {
    goal: String,
    standing: u64,
    held_out: u64,
}

#[derive(Deserialize)]
struct EffectRow {
    goal: String,
    #[serde(flatten)]
    effect: GoalEffect,
}

/// Opportunities of the six goals, or of one.
///
/// # Errors
/// What cannot be asked, and what ClickHouse refuses.
pub async fn opportunities(
    reader: &Reader,
    query: &OpportunitiesQuery,
) -> Result<Opportunities, Problem> {
    let most = query.checked()?;
    let views = &reader.views;
    let mut wheres = Where::default();
    let goal = query.goal.map(|goal| Param::Text(word(&goal)));
    wheres.with("toString(o.goal) = {goal:String}", "goal", goal);
    wheres.text("o.owner_id", "owner", query.owner.as_ref());
    let of = wheres.sql();
    let counts = format!(
        "SELECT toString(o.goal) AS goal, countIf(o.held_out = 0) AS standing, countIf(o.held_out = 1) AS held_out \
         FROM {views}.opportunities_now AS o WHERE {of} GROUP BY goal"
    );
    let best = format!(
        "SELECT {PROPOSAL} FROM {views}.opportunities_now AS o WHERE {of} AND o.held_out = 0 \
         ORDER BY goal, rank LIMIT {most} BY goal"
    );
    let effects = format!(
        "SELECT toString(f.goal) AS goal, f.contacted_n AS contacted, f.contacted_share AS contacted_share, \
         f.held_out_n AS held_out, f.held_out_share AS held_out_share, f.difference AS difference, \
         f.standard_error AS standard_error FROM {views}.opportunity_effect AS f"
    );
    let none = Params::new();
    let (standing, counts, best, effects) = tokio::try_join!(
        reader.standing(),
        reader.rows::<GoalRow>(&counts, &wheres.params),
        reader.rows::<Proposal>(&best, &wheres.params),
        reader.rows::<EffectRow>(&effects, &none),
    )?;
    let of_goal = |goal: GoalFilter| {
        let goal = word(&goal);
        let count = counts.iter().find(|row| row.goal == goal);
        GoalOpportunities {
            standing: count.map_or(0, |row| row.standing),
            held_out: count.map_or(0, |row| row.held_out),
            best: best.iter().filter(|row| row.goal == goal).cloned().collect(),
            effect: effects.iter().find(|row| row.goal == goal).map(|row| row.effect),
            goal,
        }
    };
    let asked = GOALS.into_iter().filter(|goal| query.goal.is_none_or(|only| only == *goal));
    Ok(Opportunities { standing, goals: asked.map(of_goal).collect() })
}

/// Everything the page of marketing shows.
///
/// # Errors
/// What ClickHouse refuses.
pub async fn all(reader: &Reader) -> Result<Marketing, Problem> {
    let days = DaysQuery::default();
    let best = OpportunitiesQuery { limit: Some(BEST), ..OpportunitiesQuery::default() };
    let (standing, lifecycle, tiers, quadrant, cohorts, opportunities) = tokio::try_join!(
        reader.standing(),
        lifecycle(reader),
        tiers(reader, &days),
        quadrant(reader),
        cohorts(reader),
        opportunities(reader, &best),
    )?;
    let ((at_risk_by_region, at_risk_by_industry), (churn, churn_by_region)) = tokio::try_join!(
        segments::at_risk_by_place(reader, &standing),
        segments::churn_of_all_and_regions(reader, &standing, &days),
    )?;
    Ok(Marketing {
        standing,
        lifecycle,
        tiers,
        quadrant,
        cohorts,
        at_risk_by_region,
        at_risk_by_industry,
        churn,
        churn_by_region,
        opportunities,
    })
}
