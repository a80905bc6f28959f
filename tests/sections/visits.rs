//! The rhythm of visits: the latest days with a visit and their gaps, in any order of arrival.

use std::collections::BTreeSet;
use std::sync::Arc;

use retain::engine::context::Context;
use retain::engine::web::{DAYS_KEPT, Visits, Web, session_of};
use retain::signal::DAY_MS;

use crate::naive::{again, histories, near, shuffle, stretch};
use crate::plans;

#[test]
fn any_order_gives_the_gaps_of_the_latest_days() {
    let cx = Context::new(Arc::new(plans::plan()));
    histories("visits", |random| {
        let (from_ms, to_ms) = stretch(random);
        let mut events: Vec<(u8, i64)> = (0..1 + random.index(60))
            .map(|_| (random.below(2) as u8, random.between(from_ms, to_ms)))
            .collect();
        let days: BTreeSet<i64> = events.iter().map(|(_, ts_ms)| ts_ms / DAY_MS).collect();
        let latest: Vec<i64> = days.iter().rev().take(DAYS_KEPT).rev().copied().collect();
        let gaps: Vec<f64> = latest.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        for _ in 0..3 {
            shuffle(random, &mut events);
            let mut web = Web::default();
            let mut newest_ms = 0;
            for (source, ts_ms) in &events {
                newest_ms = newest_ms.max(*ts_ms);
                let horizon_ms = newest_ms - random.between(0, 40 * DAY_MS);
                let session = session_of(b"", *ts_ms);
                web.visit(&cx, session, *source, *ts_ms, Visits::Remembered { horizon_ms });
            }
            let found = web.gaps();
            assert_eq!(found.n as usize, gaps.len());
            near(Some(found.sum_d), Some(gaps.iter().sum()));
            near(Some(found.sum_ln_d), Some(gaps.iter().map(|gap| gap.ln()).sum()));
            assert_eq!(web.last_ms(), Some(newest_ms));
            assert_eq!(again(&web), web);
        }
    });
}
