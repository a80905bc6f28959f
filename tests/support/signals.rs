//! What the customer views must show: plain formulas, written apart from the product, and customers of every kind.
#![allow(dead_code, clippy::unwrap_used)]

use retain::model::table::version;
use retain::plan::{Model, ModelKind, Plan};

use crate::rows::{V, Values};

/// A day, milliseconds.
pub const DAY: i64 = 86_400_000;
/// A bucket of the 90-day window, milliseconds.
pub const BUCKET: i64 = 3 * DAY;
/// 2026-01-01T00:00:00Z.
pub const START: i64 = 1_767_225_600_000;

/// A customer as the machine would write it.
#[derive(Clone, Debug, Default)]
pub struct Row {
    pub id: String,
    pub as_of: i64,
    pub streamed_from: i64,
    pub t_first: Option<i64>,
    pub t_last: Option<i64>,
    pub n_days: i64,
    pub spend: (f64, f64, i64),
    pub buckets: Vec<(u16, i64)>,
    pub tickets: (f64, i64),
    pub csat: (f64, f64, i64),
    pub visits: (f64, f64, i64),
    pub orders: i64,
    /// All other decayed sums by number, as of `as_of`.
    pub more: Vec<(u8, f64)>,
    /// Views by category as of `as_of`, the strongest first.
    pub intents: Vec<(&'static str, f64)>,
    /// The last answer whether the customer recommends us, and when.
    pub nps: Option<(i64, i64)>,
    pub last_visit: Option<i64>,
    pub profile_at: Option<i64>,
    /// Due and what is open.
    pub invoices: Vec<(i64, i64)>,
    /// Promises of orders not delivered.
    pub promised: Vec<i64>,
    /// Until when first answers are promised that have not come.
    pub respond_by: Vec<i64>,
    /// Account, legal entity, region, industry, segment, owner, name.
    pub master: [&'static str; 7],
    pub key: Option<i64>,
}

/// The moment that all sums by number stand at, long before the events in them.
const LANDMARK: i64 = START - 700 * DAY;

/// Half-life of the sum of a number, days.
pub fn half_life_d(number: u8) -> f64 {
    match number {
        53 => 14.0,
        60 => 7.0,
        33 | 34 | 37 | 38 | 83 => 30.0,
        4 | 6 => 60.0,
        7 | 20..=26 | 41 | 42 | 44 | 52 | 61..=63 | 81 | 82 => 90.0,
        27..=32 | 43 | 70..=73 | 80 | 84 => 180.0,
        3 | 5 | 8..=12 | 35 | 36 | 39 | 40 => 365.0,
        other => panic!("no sum {other} by number"),
    }
}

impl Row {
    /// Tickets (90 days), satisfaction and its weight (180), as of the landmark.
    fn sums(&self) -> Vec<(u8, f64)> {
        let back = |sum: f64, since: i64, half_life: f64| {
            sum * 2_f64.powf((since - LANDMARK) as f64 / DAY as f64 / half_life)
        };
        let (sum, weight, since) = self.csat;
        let mut sums = vec![
            (20, back(self.tickets.0, self.tickets.1, 90.0)),
            (31, back(sum, since, 180.0)),
            (32, back(weight, since, 180.0)),
        ];
        sums.extend(self.more.iter().map(|&(n, v)| (n, back(v, self.as_of, half_life_d(n)))));
        sums
    }

    /// Since when its money is summed up.
    pub fn spend_from(&self) -> Option<i64> {
        self.t_first.map(|first| if first < self.streamed_from { self.streamed_from } else { first })
    }

    /// Named columns of the row.
    pub fn values(&self) -> Values {
        const MASTER: [&str; 7] =
            ["account_id", "legal_entity_id", "region", "industry", "segment", "owner_id", "name"];
        let (due, open) = self.invoices.iter().copied().unzip::<i64, i64, Vec<_>, Vec<_>>();
        let mut values: Values =
            MASTER.into_iter().zip(self.master).map(|(n, v)| (n, v.into())).collect();
        values.extend([
            ("customer_id", self.id.as_str().into()),
            ("shard", 1.into()),
            ("version", (version(1, 1) as i64).into()),
            ("as_of", self.as_of.into()),
            ("t_born", self.t_first.map_or(self.streamed_from, |t| t.min(self.streamed_from)).into()),
            ("streamed_from", self.streamed_from.into()),
            ("t_first", self.t_first.into()),
            ("t_last", self.t_last.into()),
            ("n_days", self.n_days.into()),
            ("x", (self.n_days - 1).max(0).into()),
            ("spend_sum_30", self.spend.0.into()),
            ("spend_sum_180", self.spend.1.into()),
            ("spend_sums_at", self.spend.2.into()),
            ("spend_bucket_ids", V::U16s(self.buckets.iter().map(|b| b.0).collect())),
            ("spend_bucket_minor", V::I64s(self.buckets.iter().map(|b| b.1).collect())),
            ("lifecycle", "active".into()),
            ("exp_purchases_90", 1.25.into()),
            ("valued_at", self.as_of.into()),
            ("sums", V::Sums(self.sums())),
            ("sums_at", LANDMARK.into()),
            ("visit_sum_7", self.visits.0.into()),
            ("visit_sum_60", self.visits.1.into()),
            ("visit_sums_at", self.visits.2.into()),
            ("orders", self.orders.into()),
            ("intent_names", V::Texts(self.intents.iter().map(|i| i.0).collect())),
            ("intent_views", V::F64s(self.intents.iter().map(|i| i.1).collect())),
            ("intent_at", self.as_of.into()),
            ("nps", self.nps.map(|n| n.0).into()),
            ("nps_at", self.nps.map(|n| n.1).into()),
            ("last_visit", self.last_visit.into()),
            ("profile_at", self.profile_at.into()),
            ("open_minor", open.iter().sum::<i64>().into()),
            ("invoice_due", V::I64s(due)),
            ("invoice_open", V::I64s(open)),
            ("promised_open", V::I64s(self.promised.clone())),
            ("respond_by_open", V::I64s(self.respond_by.clone())),
            ("key", self.key.into()),
        ]);
        values
    }
}

/// What the live signals must be, `None` = NULL, in the plainest form of the published formulas.
pub fn expected(plan: &Plan, row: &Row, at: i64) -> Vec<(&'static str, Option<f64>)> {
    let days = |ms: i64| ms as f64 / DAY as f64;
    let left =
        |sum: f64, since: i64, half_life: f64| sum * 0.5_f64.powf(days(at - since) / half_life);
    let rate = |sum: f64, since: i64, half_life: f64, born: i64| {
        let age = days(at - born).max(1.0);
        left(sum, since, half_life) * (2_f64.ln() / half_life)
            / (1.0 - 0.5_f64.powf(age / half_life))
    };
    let major = 10_f64.powi(plan.currency.minor_digits() as i32);
    let money =
        |sum, half_life| row.spend_from().map(|born| rate(sum, row.spend.2, half_life, born) / major);
    let count = |(sum, since), half_life| Some(rate(sum, since, half_life, row.streamed_from));
    let (week, months) = (
        rate(row.visits.0, row.visits.2, 7.0, row.streamed_from),
        rate(row.visits.1, row.visits.2, 60.0, row.streamed_from),
    );
    let floor = plan.parameters.trends.visit_floor;
    let trend = (week > 0.0 && months > 0.0 && months >= floor)
        .then(|| (week / months).ln().clamp(-2.0, 2.0));
    let csat = (left(row.csat.0, row.csat.2, 180.0) + 3.0 * plan.csat_prior)
        / (left(row.csat.1, row.csat.2, 180.0) + 3.0);
    let alive = alive(&plan.model, row, at);
    let silent =
        |horizon| alive.map(|p| 1.0 - p * (1.0 - stays_silent(&plan.model, row, at, horizon)));
    let mut all = vec![
        ("recency_d", row.t_last.map(|t| days(at - t))),
        ("spend_rate_30", money(row.spend.0, 30.0)),
        ("spend_rate_180", money(row.spend.1, 180.0)),
        ("p_alive", alive),
        ("p_silent_30", silent(30.0)),
        ("p_silent_90", silent(90.0)),
        ("p_silent_180", silent(180.0)),
        ("ticket_rate_90", count(row.tickets, 90.0)),
        ("csat", Some(csat)),
        ("visit_rate_7", Some(week)),
        ("visit_rate_60", Some(months)),
        ("engage_trend", trend),
        ("spend_90d_minor", Some(window(&row.buckets, at) as f64)),
    ];
    if at < row.as_of {
        all.iter_mut().for_each(|(_, value)| *value = None);
    }
    all
}

fn history(row: &Row, at: i64) -> Option<(f64, f64, f64)> {
    let (first, last) = (row.t_first?, row.t_last?);
    let days = |ms: i64| ms as f64 / DAY as f64;
    (row.n_days > 0).then(|| {
        (
            (row.n_days - 1) as f64,
            // One day of purchases is one purchase to the models.
            if row.n_days == 1 { 0.0 } else { days(last - first) },
            days(at.max(last) - first),
        )
    })
}

fn alive(model: &Model, row: &Row, at: i64) -> Option<f64> {
    let (x, t_x, age) = history(row, at)?;
    let Model { kind, r, alpha_d, a, b } = *model;
    let odds = match kind {
        ModelKind::MbgNbd | ModelKind::MbgCnbdK { .. } => a / (b + x),
        ModelKind::BgNbd | ModelKind::BgCnbdK { .. } if x == 0.0 => 0.0,
        ModelKind::BgNbd | ModelKind::BgCnbdK { .. } => a / (b + x - 1.0),
    };
    if kind.stages() > 1 {
        let scale = alpha_d + t_x;
        let m = r + f64::from(kind.stages()) * x;
        let ln_lasts = ln_rhythm(kind.stages(), m, (age - t_x) / scale);
        return Some(1.0 / (1.0 + odds * (-ln_lasts).exp()));
    }
    // A power of the ratio overflows to infinity where the probability is 0.
    Some(1.0 / (1.0 + odds * ((alpha_d + age) / (alpha_d + t_x)).powf(r + x)))
}

/// Logarithm of the chance that fewer than `k` stages pass within `y`: their number is negative binomial with shape `m`.
fn ln_rhythm(k: u8, m: f64, y: f64) -> f64 {
    let (passed, ln_none) = (y / (1.0 + y), -m * (1.0 + y).ln());
    let of = |n: u8| (1..=n).fold(1.0, |p, i| p * (m + f64::from(i) - 1.0) / f64::from(i) * passed);
    ln_none + (0..k).map(of).sum::<f64>().ln()
}

fn stays_silent(model: &Model, row: &Row, at: i64, horizon: f64) -> f64 {
    let (x, t_x, age) = history(row, at).unwrap();
    let k = model.kind.stages();
    if k > 1 {
        let (scale, m) = (model.alpha_d + t_x, model.r + f64::from(k) * x);
        let (now, then) = ((age - t_x) / scale, (age - t_x + horizon) / scale);
        return (ln_rhythm(k, m, then) - ln_rhythm(k, m, now)).exp();
    }
    ((model.alpha_d + age) / (model.alpha_d + age + horizon)).powf(model.r + x)
}

/// The 90-day window, in exact integers: 30 buckets whole, the oldest by what is left of it, half to even.
pub fn window(buckets: &[(u16, i64)], at: i64) -> i64 {
    let newest = at.div_euclid(BUCKET);
    let scaled: i128 = buckets
        .iter()
        .map(|&(id, minor)| {
            let weight = match newest - i64::from(id) {
                0..30 => BUCKET,
                30 => BUCKET - at.rem_euclid(BUCKET),
                _ => 0,
            };
            i128::from(minor) * i128::from(weight)
        })
        .sum();
    let (floor, rest) =
        (scaled.div_euclid(i128::from(BUCKET)), scaled.rem_euclid(i128::from(BUCKET)));
    let up = match (2 * rest).cmp(&i128::from(BUCKET)) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Equal => floor.rem_euclid(2),
        std::cmp::Ordering::Greater => 1,
    };
    (floor + up) as i64
}

/// Numbers that look random and are the same in every run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: i64) -> i64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % end as u64) as i64
    }

    fn share(&mut self) -> f64 {
        self.below(1 << 40) as f64 / (1_i64 << 40) as f64
    }
}

/// Everything beside purchases, ratings and visits, of a customer: each part may be missing.
fn catalogue(dice: &mut Dice, as_of: i64) -> Row {
    let mut more = Vec::new();
    for number in [4, 5, 6, 7, 8, 9, 10, 11, 12, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30] {
        more.push((number, dice.share() * 20.0));
    }
    for number in [39, 40, 42, 43, 44, 52, 53, 60, 61, 62, 63, 70, 71, 72, 73, 80, 81, 82, 83, 84] {
        more.push((number, dice.share() * 20.0));
    }
    more.extend([(3, dice.share() * 9e6 - 1e6), (41, dice.share() * 40.0 - 20.0)]);
    // Scores are shares: a sum is not above the number of its ratings, and what was expected may not have been said.
    for (sum, number) in [(33, 34), (35, 36), (37, 38)] {
        let n = dice.share() * 5.0;
        more.extend([(sum, dice.share() * n), (number, n)]);
    }
    more.retain(|_| dice.below(5) > 0);
    // Corrections leave a little less than nothing.
    more.iter_mut().filter(|_| dice.below(40) == 0).for_each(|(_, value)| *value = -1e-18);
    more.sort_by_key(|(number, _)| *number);
    let ago = |dice: &mut Dice, days: i64| as_of - dice.below(days * DAY);
    let maybe = |dice: &mut Dice, days: i64| (dice.below(3) > 0).then(|| ago(dice, days));
    let texts = ["", "a", "b c"];
    Row {
        more,
        intents: ["garden", "shoes", "tea"][..dice.below(4) as usize]
            .iter()
            .map(|name| (*name, dice.share() * 9.0))
            .collect(),
        nps: maybe(dice, 500).map(|at| (dice.below(11), at)),
        last_visit: maybe(dice, 500),
        profile_at: maybe(dice, 900),
        invoices: (0..dice.below(5))
            .map(|_| (ago(dice, 200) + 90 * DAY, 1 + dice.below(900_000)))
            .collect(),
        promised: (0..dice.below(4)).map(|_| ago(dice, 90) + 45 * DAY).collect(),
        respond_by: (0..dice.below(4)).map(|_| ago(dice, 90) + 45 * DAY).collect(),
        master: [(); 7].map(|()| texts[dice.below(3) as usize]),
        key: [None, Some(0), Some(1)][dice.below(3) as usize],
        ..Row::default()
    }
}

/// Customers of every kind: prospects, one-time buyers, regulars, refunds above purchases, silent for years.
pub fn customers() -> Vec<Row> {
    let mut dice = Dice(7);
    let mut rows: Vec<Row> = (0..400)
        .map(|n| {
            let as_of = START + dice.below(60 * DAY);
            let streamed_from = as_of - dice.below(900 * DAY);
            let since = |dice: &mut Dice| streamed_from + dice.below(as_of - streamed_from + 1);
            let (one, two) = (since(&mut dice), since(&mut dice));
            let n_days = [0, 1, 2, 7, 120, 5_000][n % 6];
            let bought = n_days > 0;
            // Who bought on one day only may have done so at two hours of it.
            let t_last = if n_days > 1 {
                one.max(two)
            } else {
                one.max(two).min(one.min(two) + 20 * 3_600_000)
            };
            let kt = as_of / BUCKET;
            let mut buckets: Vec<(u16, i64)> = (0..dice.below(34))
                .map(|back| ((kt - back) as u16, dice.below(200_001) - 50_000))
                .collect();
            buckets.reverse();
            Row {
                id: format!("c{n:03}"),
                as_of,
                streamed_from,
                t_first: bought.then_some(one.min(two)),
                t_last: bought.then_some(t_last),
                n_days,
                spend: (dice.share() * 9e5 - 1e5, dice.share() * 4e6 - 5e5, since(&mut dice)),
                buckets,
                tickets: (dice.share() * 9.0, since(&mut dice)),
                csat: (dice.share() * 2.0, 2.0 + dice.share() * 2.0, since(&mut dice)),
                visits: (dice.share() * 30.0, 1.0 + dice.share() * 90.0, since(&mut dice)),
                orders: n_days,
                ..catalogue(&mut dice, as_of)
            }
        })
        .collect();
    rows.extend(corners());
    rows
}

/// The corners named one by one.
pub fn corners() -> Vec<Row> {
    let base = Row {
        as_of: START,
        streamed_from: START - 100 * DAY,
        t_first: Some(START - 90 * DAY),
        t_last: Some(START - DAY),
        n_days: 4,
        spend: (5_000.0, 9_000.0, START - DAY),
        tickets: (0.0, START),
        csat: (0.0, 0.0, START),
        visits: (1.0, 2.0, START),
        ..Row::default()
    };
    let named = |id: &str, row: Row| Row { id: id.to_owned(), ..row };
    let k = (START / BUCKET) as u16;
    vec![
        named(
            "never",
            Row { t_first: None, t_last: None, n_days: 0, spend: (0.0, 0.0, 0), ..base.clone() },
        ),
        named(
            "refunded",
            Row {
                t_first: None,
                t_last: None,
                n_days: 0,
                spend: (-700.0, -700.0, START),
                ..base.clone()
            },
        ),
        named(
            "jusstreamed_from",
            Row {
                streamed_from: START,
                t_first: Some(START),
                t_last: Some(START),
                n_days: 1,
                spend: (100.0, 100.0, START),
                ..base.clone()
            },
        ),
        // bought long before the stream: an opening says so
        named("opened", Row { streamed_from: START - 10 * DAY, ..base.clone() }),
        named("no_visits", Row { visits: (0.0, 0.0, 0), ..base.clone() }),
        named("came_back", Row { visits: (500.0, 1.0, START), ..base.clone() }),
        named("stays_away", Row { visits: (1e-9, 50.0, START), ..base.clone() }),
        named(
            "huge",
            Row { buckets: vec![(k - 30, i64::MAX / 4), (k, i64::MAX / 4)], ..base.clone() },
        ),
        named(
            "edges",
            Row {
                buckets: vec![
                    (k - 31, 64),
                    (k - 30, 32),
                    (k - 29, 16),
                    (k - 1, 8),
                    (k, 4),
                    (k + 1, 2),
                ],
                ..base.clone()
            },
        ),
        named("half_up", Row { buckets: vec![(k - 30, 3), (k, 0)], ..base.clone() }),
        named("half_down", Row { buckets: vec![(k - 30, -5), (k, 0)], ..base.clone() }),
        named("negative", Row { buckets: vec![(k - 30, -1_001), (k, -7)], ..base }),
    ]
}
