//! Intents: views of what was never bought, breadth, and the moment at which interest has faded.

use std::collections::{BTreeMap, BTreeSet};

use retain::engine::intent::{BOUGHT_MAX, Intents, WATCHED_MAX, category_key};
use retain::signal::DAY_MS;

use crate::naive::{again, histories, shuffle, stretch};

#[derive(Clone, Copy, Debug)]
enum What {
    View(u32),
    Buy(u32),
}

fn apply(events: &[(i64, What)]) -> Intents {
    let mut intents = Intents::default();
    for (ts_ms, what) in events {
        match *what {
            What::View(category) => intents.view(*ts_ms, category),
            What::Buy(category) => {
                intents.buy(category);
            }
        }
    }
    intents
}

#[test]
fn any_order_gives_what_the_list_says() {
    histories("intents", |random| {
        let (from_ms, to_ms) = stretch(random);
        let categories = 1 + random.below(WATCHED_MAX as u64);
        let mut events: Vec<(i64, What)> = Vec::new();
        for _ in 0..random.index(60) {
            let category = category_key(&format!("c{}", random.below(categories)));
            let buys = random.percent(10);
            let what = if buys { What::Buy(category) } else { What::View(category) };
            events.push((random.between(from_ms, to_ms), what));
        }
        let newest_ms = events.iter().map(|e| e.0).max().unwrap_or(0);
        let tau_ms = newest_ms + random.between(0, 30 * DAY_MS);
        let bought: BTreeSet<u32> = events
            .iter()
            .filter_map(|e| if let What::Buy(category) = e.1 { Some(category) } else { None })
            .collect();
        let mut views: BTreeMap<u32, f64> = BTreeMap::new();
        for (ts_ms, what) in &events {
            if let What::View(category) = what
                && !bought.contains(category)
            {
                let age = (tau_ms - ts_ms) as f64 / (14 * DAY_MS) as f64;
                *views.entry(*category).or_default() += 0.5_f64.powf(age);
            }
        }
        for _ in 0..3 {
            shuffle(random, &mut events);
            let intents = apply(&events);
            assert_eq!(intents.breadth() as usize, bought.len());
            let found: BTreeMap<u32, f64> = intents.watched(tau_ms).into_iter().collect();
            assert_eq!(found.keys().collect::<Vec<_>>(), views.keys().collect::<Vec<_>>());
            for (category, value) in &views {
                assert!((found[category] - value).abs() <= 1e-9 * value + 1e-200);
            }
            let order: Vec<f64> = intents.watched(tau_ms).iter().map(|w| w.1).collect();
            assert!(order.windows(2).all(|w| w[0] >= w[1]));
            assert_eq!(order.first().copied().unwrap_or(0.0), intents.most_watched(tau_ms));
            assert_eq!(again(&intents), intents);
            let theta = intents.most_watched(newest_ms) * (random.below(1_200) as f64 / 1_000.0);
            dues(&intents, newest_ms, theta);
        }
    });
}

fn dues(intents: &Intents, after_ms: i64, theta: f64) {
    let over = |ms| intents.watched(ms).iter().filter(|w| w.1 >= theta).count();
    let due_ms = intents.next_due_ms(after_ms, theta);
    if due_ms == i64::MAX {
        assert!(theta <= 0.0 || over(after_ms) == 0);
        return;
    }
    assert!(over(due_ms) < over(after_ms) && over(due_ms - 1) == over(after_ms));
}

#[test]
fn the_least_watched_gives_way_and_none_is_counted_too_low() {
    histories("space saving", |random| {
        let (mut intents, mut views) = (Intents::default(), BTreeMap::<u32, f64>::new());
        let mut t_ms = 0;
        for _ in 0..300 {
            t_ms += random.between(0, DAY_MS);
            // a few are watched much, many a little
            let category = random.below(1 + random.clone().below(40)) as u32;
            intents.view(t_ms, category);
            *views.entry(category).or_default() += 2_f64.powf(t_ms as f64 / (14 * DAY_MS) as f64);
        }
        let at_tau = 2_f64.powf(t_ms as f64 / (14 * DAY_MS) as f64);
        let watched = intents.watched(t_ms);
        assert_eq!(watched.len(), WATCHED_MAX.min(views.len()));
        let all: f64 = views.values().sum::<f64>() / at_tau;
        let held: f64 = watched.iter().map(|w| w.1).sum();
        assert!((held - all).abs() < 1e-9 * all, "{held} of {all}");
        assert!(watched.iter().all(|(c, value)| *value >= views[c] / at_tau * (1.0 - 1e-9)));
        // what has more than its share of the places is held for certain
        let certain = views.iter().filter(|v| v.1 / at_tau > all / WATCHED_MAX as f64);
        certain.for_each(|(c, _)| assert!(watched.iter().any(|w| w.0 == *c)));
    });
}

#[test]
fn breadth_is_exact_up_to_its_limit_and_near_beyond() {
    let mut intents = Intents::default();
    for n in 0..BOUGHT_MAX {
        assert!(intents.buy(category_key(&format!("c{n}"))));
        assert!(!intents.buy(category_key(&format!("c{n}"))));
        assert_eq!(intents.breadth() as usize, n + 1);
    }
    let mut before = intents.breadth();
    for n in BOUGHT_MAX..120 {
        intents.buy(category_key(&format!("c{n}")));
        let found = f64::from(intents.breadth());
        assert!((found / (n as f64 + 1.0) - 1.0).abs() < 0.25, "{found} of {}", n + 1);
        assert!(intents.breadth() >= before);
        before = intents.breadth();
    }
    assert!((0..120).all(|n| intents.has_bought(category_key(&format!("c{n}")))));
    assert_eq!(again(&intents), intents);
    for n in 0..5_000 {
        intents.buy(category_key(&format!("d{n}")));
    }
    assert_eq!(intents.breadth(), 621);
}
