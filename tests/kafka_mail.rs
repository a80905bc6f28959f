//! Mail on a real Kafka: shards of two copies tell each other histograms and cut-offs through the mail topic, before and
//! after one copy has gone.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "support/live.rs"]
mod live;

use live::*;

/// Buyers without a tier, and shards with tiers.
fn tiers(stage: &Stage) -> (i64, i64) {
    let customers = format!("{}_g1.customers FINAL WHERE t_first IS NOT NULL", stage.database());
    let number = |what: &str| stage.number(&format!("SELECT {what} FROM {customers}"));
    (number("countIf(tier = '' OR abc = '')"), number("uniqExactIf(shard, tier_version > 0)"))
}

#[test]
fn every_buyer_gets_a_tier_by_cut_offs_of_all_shards() {
    let mut stage = Stage::new("mailed");
    let mut feed = stage.feed();
    feed.send(6_000);
    let (a, b) = (stage.start("a", false), stage.start("b", false));
    let carrying = stage.carry(&b);
    stage.verify();
    until_within(LONG, "all buyers to have a tier", &mut || {
        tiers(&stage) == (0, i64::from(PARTITIONS))
    });

    // its shards and what waits for them by mail go to the other copy
    a.stop().unwrap();
    feed.send(2_000);
    stage.verify();
    until_within(LONG, "new buyers to have a tier", &mut || {
        tiers(&stage) == (0, i64::from(PARTITIONS))
    });
    b.stop().unwrap();
    drop(carrying);
}
