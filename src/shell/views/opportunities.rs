//! The views of what is worth a contact: what stands now, and what contacts have changed, told by those left alone.

use super::Databases;
use crate::plan::{KeyField, Plan};

/// For how long purchases after a proposal are counted, days.
const EFFECT_D: u32 = 30;

/// What stands, ranked within its goal by worth, those to be contacted and those to be left alone apart. Who has refused
/// messages since, or complains, is not shown.
pub(super) fn now(views: &str, tables: &str) -> String {
    format!(
        "SELECT o.goal AS goal,
    row_number() OVER (PARTITION BY o.goal, o.held_out ORDER BY o.score DESC, o.proposed_at, o.customer_id) AS rank,
    o.customer_id AS customer_id, c.name AS name, o.reason AS reason, o.category AS category, o.score AS score,
    o.held_out AS held_out, o.proposed_at AS proposed_at, o.expires_at AS expires_at,
    toUInt8(ifNull(c.t_last > o.proposed_at, 0)) AS bought_since,
    c.owner_id AS owner_id, o.account_id AS account_id, c.region AS region,
    o.tier AS tier, o.lifecycle AS lifecycle, o.risk AS risk, o.clv AS clv,
    greatest(o.proposed_at, ifNull(s.now_at, o.proposed_at)) AS at
FROM {tables}.opportunities AS o FINAL
INNER JOIN
(
    SELECT customer_id, name, owner_id, region, t_last, opted_out, open_complaints FROM {tables}.customers FINAL
) AS c ON c.customer_id = o.customer_id
LEFT JOIN {views}.shards AS s ON s.shard = o.shard
WHERE o.expires_at > greatest(o.proposed_at, ifNull(s.now_at, o.proposed_at))
    AND c.opted_out = 0 AND c.open_complaints = 0"
    )
}

/// By goal: who bought within 30 days after a proposal, of those who could be contacted and of those left alone. Only
/// proposals whose 30 days have passed count.
pub(super) fn effect(plan: &Plan, databases: &Databases) -> String {
    let Databases { views, tables } = databases;
    // whose proposals these are is the pipeline's subject; an event names its own customer and account
    let subject = match plan.key {
        KeyField::Customer => "customer_id",
        KeyField::Account => "account_id",
    };
    let share = |who: &str| format!("if({who}_n > 0, {who}_bought / {who}_n, NULL)");
    let variance = |who: &str| format!("{who}_share * (1 - {who}_share) / {who}_n");
    format!(
        "SELECT goal,
    countIf(held_out = 0) AS contacted_n, countIf(held_out = 0 AND orders > 0) AS contacted_bought,
    {} AS contacted_share,
    countIf(held_out = 1) AS held_out_n, countIf(held_out = 1 AND orders > 0) AS held_out_bought,
    {} AS held_out_share,
    contacted_share - held_out_share AS difference,
    sqrt({} + {}) AS standard_error
FROM
(
    SELECT o.goal AS goal, o.held_out AS held_out, o.customer_id AS customer_id, o.proposed_at AS proposed_at,
        countIf(e.is_order = 1 AND e.ts > o.proposed_at AND e.ts <= o.proposed_at + INTERVAL {EFFECT_D} DAY) AS orders
    FROM {tables}.opportunities AS o FINAL
    LEFT JOIN {views}.shards AS s ON s.shard = o.shard
    LEFT JOIN
    (
        SELECT {subject} AS customer_id, ts, toUInt8(1) AS is_order FROM {tables}.events FINAL
        WHERE type = 'purchase' AND ts > (SELECT min(proposed_at) FROM {tables}.opportunities)
            AND {subject} IN (SELECT customer_id FROM {tables}.opportunities)
    ) AS e ON e.customer_id = o.customer_id
    WHERE o.proposed_at + INTERVAL {EFFECT_D} DAY <= s.now_at
    GROUP BY goal, held_out, customer_id, proposed_at
)
GROUP BY goal",
        share("contacted"),
        share("held_out"),
        variance("contacted"),
        variance("held_out"),
    )
}
