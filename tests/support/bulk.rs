//! Tables filled by the engine itself with as many customers and accounts as are asked for: rows as the pipeline writes them in
//! shape and size, with made-up numbers that are the same every time.
#![allow(dead_code, clippy::unwrap_used, clippy::expect_used)]

use crate::engine::Engine;

/// A name that must stay text.
pub const HOSTILE: &str = "<script>window.broken=1</script>";

/// When the made-up rows are as of: shortly before the ledger's clock.
const AS_OF: &str = "toDateTime64('2026-11-01 08:00:00', 3, 'UTC')";

/// How much there is to be.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Customers; each has two events and three days of history.
    pub customers: u64,
    /// Accounts; each has four days of history.
    pub accounts: u64,
    /// Alerts about customers, all but a tenth of them ended; there are a tenth as many about accounts.
    pub alerts: u64,
}

/// A number in [0, 1) that hangs together with nothing but `n` and `salt`.
fn unit(n: &str, salt: u32) -> String {
    format!("(cityHash64({n}, {salt}) / 18446744073709551616.)")
}

/// One of the words.
fn word(n: &str, salt: u32, words: &[&str]) -> String {
    let list = words.join("', '");
    format!("['{list}'][1 + cityHash64({n}, {salt}) % {}]", words.len())
}

/// What is inserted into a table: its columns, each with the SQL that makes it of `number`.
async fn insert(engine: &Engine, table: &str, rows: u64, columns: &[(&str, String)]) {
    let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> =
        columns.iter().map(|(name, sql)| format!("{sql} AS c_{name}")).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) SELECT {} FROM numbers({rows})",
        names.join(", "),
        values.join(", ")
    );
    engine.run(&sql).await;
}

/// Fills the tables of a generation `retain_g1` and `retain_accounts_g1`, which must be there.
pub async fn fill(engine: &Engine, size: Size) {
    ledger(engine).await;
    customers(engine, size).await;
    histories(engine, size).await;
    accounts(engine, size).await;
    alerts(engine, size).await;
    segments(engine).await;
}

async fn ledger(engine: &Engine) {
    let sources = word("number", 0, &["purchases", "support", "web"]);
    let source = sources.replace("cityHash64(number, 0)", "number");
    let text = |sql: &str| sql.to_owned();
    let columns = [
        ("shard", text("intDiv(number, 3)")),
        ("source", source),
        ("version", text("1")),
        ("clock", text("toDateTime64('2026-11-01 08:00:10', 3, 'UTC')")),
        ("watermark", AS_OF.to_owned()),
        ("complete_to", AS_OF.to_owned()),
        ("offset_from", text("0")),
        ("offset_to", text("1000000")),
        ("applied", text("990000")),
        ("duplicate", text("9000")),
        ("late", text("500")),
        ("rejected", text("500")),
    ];
    insert(engine, "retain_g1.ledger", 12, &columns).await;
}

const REGIONS: [&str; 5] = ["EMEA", "AMER", "APAC", "north", "south"];
const INDUSTRIES: [&str; 6] = ["retail", "energy", "health", "media", "public", "transport"];
const LIFECYCLES: [&str; 7] =
    ["new", "active", "active", "slipping", "dormant", "lost", "won_back"];

/// Id of the customer `n`.
fn customer(n: &str) -> String {
    format!("concat('C', leftPad(toString({n}), 7, '0'))")
}

fn account(n: &str, accounts: u64) -> String {
    format!("concat('A', leftPad(toString(({n}) % {accounts}), 6, '0'))")
}

fn ago(days: &str) -> String {
    format!("({AS_OF} - toIntervalSecond(toInt64(({days}) * 86400)))")
}

fn owner(n: &str) -> String {
    format!("concat('o', toString(({n}) % 211))")
}

/// What a customer's row and its history have in common.
fn standing(n: &str, size: Size) -> Vec<(&'static str, String)> {
    let risk = unit(n, 3);
    vec![
        ("customer_id", customer(n)),
        ("account_id", account(n, size.accounts)),
        ("region", word(n, 1, &REGIONS)),
        ("industry", word(n, 2, &INDUSTRIES)),
        ("segment", "'business'".to_owned()),
        ("owner_id", owner(n)),
        ("t_first", ago(&format!("400 + 300 * {}", unit(n, 4)))),
        ("t_last", ago(&format!("200 * {}", unit(n, 5)))),
        ("n_days", format!("toUInt32(1 + 9 * {})", unit(n, 6))),
        ("orders", format!("toUInt32(1 + 9 * {})", unit(n, 6))),
        ("revenue_minor", format!("toInt64(200000 * {})", unit(n, 7))),
        ("lifecycle", word(n, 8, &LIFECYCLES)),
        ("lifecycle_since", ago("20")),
        ("open_complaints", format!("toUInt16({} < 0.02)", unit(n, 9))),
        ("tickets", "2".to_owned()),
        ("visits", "9".to_owned()),
        ("risk", risk.clone()),
        ("risk_band", format!("toUInt8(5 * {risk})")),
        ("loyalty", unit(n, 10)),
        ("quadrant", word(n, 11, &["apostle", "hostage", "mercenary", "defector"])),
        ("tier", word(n, 12, &["lead", "iron", "gold"])),
        ("abc", word(n, 13, &["A", "B", "C"])),
        ("tier_since", ago("30")),
        ("clv", format!("900 * {}", unit(n, 14))),
        ("key_customer", format!("toUInt8({} < 0.02)", unit(n, 15))),
    ]
}

async fn customers(engine: &Engine, size: Size) {
    let now = || AS_OF.to_owned();
    let sums = (0..12).map(|k| format!("{k}, {}", unit("number", 20 + k))).collect::<Vec<_>>();
    let mut columns = standing("number", size);
    columns.extend([
        ("name", format!("if(number = 0, '{HOSTILE}', concat('Customer ', toString(number)))")),
        ("shard", "toUInt16(number % 4)".to_owned()),
        ("version", "1".to_owned()),
        ("as_of", now()),
        ("t_born", ago("700")),
        ("streamed_from", ago("700")),
        ("sums", format!("map({})", sums.join(", "))),
        ("sums_at", now()),
        ("x", format!("toUInt32(9 * {})", unit("number", 6))),
        ("spend_sum_30", format!("9000 * {}", unit("number", 16))),
        ("spend_sum_180", format!("50000 * {}", unit("number", 16))),
        ("spend_sums_at", now()),
        ("spend_bucket_ids", "[toUInt16(6800), 6810, 6820]".to_owned()),
        ("spend_bucket_minor", "[toInt64(1200), 900, 4100]".to_owned()),
        ("mean_spend_hat", "31.5".to_owned()),
        ("visit_sums_at", now()),
        ("last_seen", ago(&format!("90 * {}", unit("number", 17)))),
        ("intent_at", now()),
        ("last_contact", ago(&format!("150 * {}", unit("number", 18)))),
        ("exp_purchases_90", unit("number", 19)),
        ("valued_at", now()),
        ("judged_at", now()),
        ("risk_since", ago("12")),
        (
            "risk_contributions",
            "map('silence', 1.25, 'open_complaints', 0.5, 'volume_trend', -0.25)".to_owned(),
        ),
        ("loyalty_contributions", "map('tenure', 0.5, 'breadth', -0.25)".to_owned()),
    ]);
    insert(engine, "retain_g1.customers", size.customers, &columns).await;
    let event = [
        ("customer_id", customer("intDiv(number, 2)")),
        ("ts", ago(&format!("1 + 600 * {}", unit("number", 30)))),
        ("source", "'purchases'".to_owned()),
        ("topic", "'purchases'".to_owned()),
        ("partition", "toUInt16(number % 4)".to_owned()),
        ("offset", "number".to_owned()),
        ("version", "1".to_owned()),
        ("type", "'purchase'".to_owned()),
        ("event_id", "concat('e', toString(number))".to_owned()),
        ("amount_minor", format!("toInt64(9000 * {})", unit("number", 31))),
        ("currency", "'USD'".to_owned()),
        ("reference", "concat('order-', toString(number))".to_owned()),
    ];
    insert(engine, "retain_g1.events", 2 * size.customers, &event).await;
}

async fn histories(engine: &Engine, size: Size) {
    let n = "intDiv(number, 3)";
    let mut columns = standing(n, size);
    // of five months, so that a block has not too many partitions
    let day =
        "toDate('2026-11-01') - 5 - 45 * toUInt16(number % 3) - toUInt16(cityHash64(number) % 30)";
    columns.extend([
        ("day", day.to_owned()),
        ("shard", "toUInt16(number % 4)".to_owned()),
        ("version", "1".to_owned()),
        ("as_of", format!("toDateTime64({day}, 3, 'UTC')")),
        ("csat_sum", "1.5".to_owned()),
        ("csat_n", "2".to_owned()),
    ]);
    insert(engine, "retain_g1.customer_history", 3 * size.customers, &columns).await;
    let goals = ["cross_sell", "up_sell", "retention", "acquisition", "win_back", "after_sale"];
    let proposals = [
        ("customer_id", customer("number * 20")),
        ("goal", word("number", 40, &goals)),
        ("proposed_at", ago(&format!("60 * {}", unit("number", 41)))),
        ("version", "1".to_owned()),
        ("shard", "toUInt16(number % 4)".to_owned()),
        ("reason", "'slipping'".to_owned()),
        ("score", unit("number", 42)),
        ("held_out", format!("toUInt8({} < 0.1)", unit("number", 43))),
        ("expires_at", format!("{AS_OF} + toIntervalDay(30)")),
        ("category", "'music'".to_owned()),
    ];
    insert(engine, "retain_g1.opportunities", size.customers / 20, &proposals).await;
}

async fn accounts(engine: &Engine, size: Size) {
    let n = "number";
    let common = |n: &str| {
        vec![
            ("account_id", account(n, size.accounts)),
            ("version", "1".to_owned()),
            ("region", word(n, 1, &REGIONS)),
            ("industry", word(n, 2, &INDUSTRIES)),
            ("owner_id", owner(n)),
            ("members", "10".to_owned()),
            ("value_minor", format!("toInt64(5000000 * {})", unit(n, 50))),
            ("revenue_365_minor", format!("toInt64(9000000 * {})", unit(n, 51))),
            ("at_risk_minor", format!("toInt64(greatest(4000000 * {} - 400000, 0))", unit(n, 52))),
            ("risk", unit(n, 53)),
            ("satisfaction", unit(n, 54)),
            ("open_complaints", format!("toUInt32({} < 0.05)", unit(n, 55))),
        ]
    };
    let mut columns = common(n);
    columns.extend([
        ("as_of", AS_OF.to_owned()),
        ("currency", "'USD'".to_owned()),
        ("name", format!("if(number = 0, '{HOSTILE}', concat('Account ', toString(number)))")),
        ("key", format!("toUInt8({} < 0.05)", unit(n, 56))),
        (
            "contacts_seen",
            "[toUnixTimestamp64Milli(toDateTime64('2026-10-20 08:00:00', 3, 'UTC'))]".to_owned(),
        ),
        ("satisfaction_n", "4".to_owned()),
        ("legal_entity_ids", "['L1', 'L2']".to_owned()),
        ("open_minor", "[toInt64(120000), 4000]".to_owned()),
        ("invoice_entity", "[toUInt16(1), 2]".to_owned()),
        ("invoice_due", "[toInt64(1790000000000), 1800000000000]".to_owned()),
        ("invoice_open", "[toInt64(60000), 4000]".to_owned()),
        ("renewals", "[toInt64(1810000000000)]".to_owned()),
        ("last_contact", ago(&format!("150 * {}", unit(n, 57)))),
        ("past_days", "range(20480, 20758, 3)".to_owned()),
        (
            "past_risk_ppm",
            "arrayMap(d -> toInt64(cityHash64(number, d) % 1000000), range(20480, 20758, 3))"
                .to_owned(),
        ),
        (
            "past_revenue_minor",
            "arrayMap(d -> toInt64(cityHash64(number, d) % 9000000), range(20480, 20758, 3))"
                .to_owned(),
        ),
    ]);
    insert(engine, "retain_accounts_g1.accounts", size.accounts, &columns).await;
    let mut columns = common("intDiv(number, 4)");
    columns.push(("day", "toDate('2026-10-30') - 20 * toUInt16(number % 4)".to_owned()));
    insert(engine, "retain_accounts_g1.account_history", 4 * size.accounts, &columns).await;
    let shard = "toDateTime64('2026-11-01 08:00:00', 3, 'UTC')".to_owned();
    let ledger = [
        ("shard", "number".to_owned()),
        ("source", "'customers'".to_owned()),
        ("version", "1".to_owned()),
        ("clock", shard.clone()),
        ("watermark", shard.clone()),
        ("complete_to", shard),
        ("offset_to", "1000".to_owned()),
    ];
    insert(engine, "retain_accounts_g1.ledger", 4, &ledger).await;
}

/// Whom alerts are about: where they stand, how many there are, the rules, and the columns that name the subject of the alert `n`.
struct Subjects {
    database: &'static str,
    alerts: u64,
    kind: &'static str,
    rules: [&'static str; 4],
    named: fn(&str, u64) -> [(&'static str, String); 4],
}

/// Those about customers, and a tenth as many about accounts.
async fn alerts(engine: &Engine, size: Size) {
    let customers = Subjects {
        database: "retain_g1",
        alerts: size.alerts,
        kind: "customer",
        rules: ["key_at_risk", "volume_shrink", "overdue_reorder", "tier_down"],
        named: |n, accounts| {
            let who = format!("({n}) * 37");
            [
                ("subject_id", customer(&who)),
                ("customer_id", customer(&who)),
                ("account_id", account(&who, accounts)),
                ("owner_id", owner(&who)),
            ]
        },
    };
    let accounts = Subjects {
        database: "retain_accounts_g1",
        alerts: size.alerts / 10,
        kind: "account",
        rules: ["account_at_risk", "renewal_at_risk", "visit_overdue", "single_threaded"],
        named: |n, accounts| {
            let who = format!("({n}) * 7");
            [
                ("subject_id", account(&who, accounts)),
                ("customer_id", "''".to_owned()),
                ("account_id", account(&who, accounts)),
                ("owner_id", owner(&who)),
            ]
        },
    };
    for subjects in [customers, accounts] {
        alerts_about(engine, size.accounts, &subjects).await;
    }
}

async fn alerts_about(engine: &Engine, accounts: u64, subjects: &Subjects) {
    let Subjects { database, alerts, kind, rules, named } = subjects;
    let columns = |n: &str, step: &str| {
        let phases = word(n, 60, &["firing", "acknowledged", "snoozed"]);
        let last = format!("if(({n}) % 10 = 0, {phases}, 'resolved')");
        let mut columns = vec![
            ("alert_id", format!("lower(hex(sipHash128('{kind}', {n})))")),
            ("n", step.to_owned()),
            ("rule", word(n, 61, rules)),
            ("subject_kind", format!("'{kind}'")),
            ("version", step.to_owned()),
            ("episode", "1".to_owned()),
            ("what", format!("if({step} = 1, 'raised', 'resolved')")),
            ("phase", format!("if({step} = 1, 'firing', {last})")),
            ("by_kind", "'signals'".to_owned()),
            ("severity", word(n, 62, &["info", "low", "medium", "high", "critical"])),
            ("at", ago(&format!("3 - {step} + 60 * {}", unit(n, 63)))),
            ("detected_at", ago(&format!("3 - {step} + 60 * {}", unit(n, 63)))),
            ("raised_at", ago(&format!("2 + 60 * {}", unit(n, 63)))),
            ("at_risk_minor", format!("toInt64(90000 * {})", unit(n, 64))),
            ("currency", "'USD'".to_owned()),
            ("risk", unit(n, 65)),
            ("region", word(n, 1, &REGIONS)),
            (
                "reasons",
                "['bought nothing for 94 days, 3.1 times the usual gap', 'one complaint is open']"
                    .to_owned(),
            ),
            ("changed", "['risk 0.31 -> 0.71 since 2026-10-02']".to_owned()),
            ("about", format!("'A key {kind} is likely to buy no more.'")),
            ("next_step", format!("'Call the {kind}; the reasons say what to speak about.'")),
            ("receivers", "['owner']".to_owned()),
        ];
        columns.extend(named(n, accounts));
        columns
    };
    let table = |name: &str| format!("{database}.{name}");
    insert(engine, &table("alerts"), *alerts, &columns("number", "2")).await;
    let history = columns("intDiv(number, 2)", "(1 + number % 2)");
    insert(engine, &table("alert_history"), 2 * alerts, &history).await;
}

/// A thousand hours of 228 groups.
async fn segments(engine: &Engine) {
    let group = "intDiv(number, 1000)";
    let columns = [
        ("shard", "0".to_owned()),
        (
            "dimension",
            format!(
                "multiIf({group} = 0, 'all', {group} < 6, 'region', {group} < 12, 'industry', {group} < 17, 'tier', 'owner')"
            ),
        ),
        (
            "value",
            format!(
                "multiIf({group} = 0, '', {group} < 6, ['EMEA', 'AMER', 'APAC', 'north', 'south'][{group}], concat('v', toString({group})))"
            ),
        ),
        (
            "hour",
            "toDateTime64('2026-11-01 08:00:00', 3, 'UTC') - toIntervalHour(number % 1000)"
                .to_owned(),
        ),
        ("version", "1".to_owned()),
        ("net_active", "number % 7".to_owned()),
        ("net_lost", "number % 2".to_owned()),
        ("orders", "number % 90".to_owned()),
        ("revenue_minor", "number % 90000".to_owned()),
    ];
    insert(engine, "retain_g1.segments", 228_000, &columns).await;
}
