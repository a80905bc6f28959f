//! What the roll-up says of small accounts, worked out by hand.

use super::*;
use crate::wire::signals::OpenInvoice;

const DAY_MS: i64 = 86_400_000;

fn spoken<'a>(members: &'a [(&'a str, AccountPart)]) -> Vec<Spoken<'a>> {
    let one = |(id, part): &'a (&'a str, AccountPart)| Spoken {
        id,
        is_account: *id == "acme",
        as_of_ms: 0,
        part,
    };
    members.iter().map(one).collect()
}

fn rolled(members: &[(&str, AccountPart)], as_of_ms: i64) -> Roll {
    roll(spoken(members).into_iter(), as_of_ms, 0.75, &Aspect::ALL)
}

fn part(change: impl FnOnce(&mut AccountPart)) -> AccountPart {
    let mut part = AccountPart::default();
    change(&mut part);
    part
}

fn risky(risk_ppm: u32, revenue: i64) -> AccountPart {
    part(|p| {
        p.risk_ppm = Some(risk_ppm);
        p.revenue_365_minor = Some(revenue);
    })
}

#[test]
fn the_risk_is_weighed_by_revenue_and_revenue_at_risk_is_its_sum() {
    let members = [("a", risky(200_000, 300_000)), ("b", risky(800_000, 100_000))];
    let account = rolled(&members, 0);
    assert_eq!(account.risk, Some(0.35));
    // (0.2 * 3000 + 0.8 * 1000) * 90 / 365 = 345.205…
    assert_eq!(account.at_risk_minor, 34_521);
    assert_eq!(account.revenue_365_minor, 400_000);
}

#[test]
fn without_revenue_all_weigh_the_same_and_refunds_weigh_nothing() {
    let nothing = [("a", risky(200_000, 0)), ("b", risky(800_000, -5_000))];
    let account = rolled(&nothing, 0);
    assert_eq!((account.risk, account.at_risk_minor), (Some(0.5), 0));
    assert_eq!(account.revenue_365_minor, -5_000);
    let refunds = [("a", risky(200_000, 1_000)), ("b", risky(800_000, -5_000))];
    assert_eq!(rolled(&refunds, 0).risk, Some(0.2));
    assert_eq!(rolled(&[("a", AccountPart::default())], 0).risk, None);
}

#[test]
fn satisfaction_is_that_of_all_ratings_together() {
    let rated = |sum: f64, n: f64| {
        part(|p| {
            p.csat_sum_ppm = (sum * 1e6) as i64;
            p.csat_n_ppm = (n * 1e6) as i64;
        })
    };
    let members = [("a", rated(0.5, 2.0)), ("b", rated(1.0, 1.0)), ("c", rated(0.0, 0.0))];
    let account = rolled(&members, 0);
    assert_eq!(account.satisfaction, Some((1.5 + 3.0 * 0.75) / 6.0));
    // half of it is forgotten in 180 days
    let later = rolled(&members, 180 * DAY_MS);
    assert_eq!(later.satisfaction, Some((0.75 + 3.0 * 0.75) / 4.5));
    assert_eq!(rolled(&members[2..], 0).satisfaction, None);
}

#[test]
fn nothing_is_netted_between_legal_entities() {
    let owes = |list: &[(&str, i64, i64)]| {
        part(|p| {
            p.invoices = list
                .iter()
                .map(|(entity, due_ms, open_minor)| OpenInvoice {
                    entity: (*entity).to_owned(),
                    due_ms: *due_ms,
                    open_minor: *open_minor,
                })
                .collect();
        })
    };
    let members =
        [("a", owes(&[("north", 5, 100), ("south", 9, 30)])), ("b", owes(&[("north", 5, 1)]))];
    let account = rolled(&members, 0);
    let entities: Vec<_> = account.entities.iter().map(|e| (e.id.as_str(), e.open_minor)).collect();
    assert_eq!(entities, [("north", 101), ("south", 30)]);
    let owed = |entity, due_ms, open_minor| Owed { entity, due_ms, open_minor };
    assert_eq!(account.invoices, [owed(0, 5, 101), owed(1, 9, 30)]);
    assert_eq!([4, 5, 9].map(|at_ms| account.overdue_minor(at_ms)), [0, 101, 131]);
    assert_eq!(account.open_minor(), 131);

    let many: Vec<(String, i64, i64)> =
        (0..ENTITIES_MAX as i64 + 3).map(|n| (format!("{n:05}"), n, 2)).collect();
    let many: Vec<_> = many.iter().map(|(id, due, minor)| (id.as_str(), *due, *minor)).collect();
    let account = rolled(&[("a", owes(&many))], 0);
    assert_eq!(account.entities.len(), ENTITIES_MAX + 1);
    let last = account.entities.last().map(|e| (e.id.as_str(), e.open_minor));
    assert_eq!(last, Some((OTHER_ENTITIES, 6)));
}

#[test]
fn the_account_itself_is_no_contact_and_has_the_first_word() {
    let called = |name: &str, owner: &str, seen_ms| {
        part(|p| {
            p.name = name.to_owned();
            p.owner_id = owner.to_owned();
            p.last_seen_ms = Some(seen_ms);
        })
    };
    let people = [
        ("zoe", called("Zoe", "o2", 9)),
        ("bob", called("Bob", "o1", 7)),
        ("carl", called("Carl", "o1", 8)),
    ];
    let account = rolled(&people, 10);
    assert_eq!((account.name.as_str(), account.owner_id.as_str()), ("", "o1"));
    assert_eq!((account.members, account.seen_ms.as_slice()), (3, &[9, 8, 7][..]));
    assert_eq!([1, 2, 3].map(|active| account.active_contacts(10, active)), [0, 1, 2]);
    let with = [&people[..], &[("acme", called("Acme Ltd", "o9", 10))]].concat();
    let account = rolled(&with, 10);
    assert_eq!((account.name.as_str(), account.owner_id.as_str()), ("Acme Ltd", "o9"));
    assert_eq!((account.members, account.last_seen_ms), (3, Some(10)));
    assert_eq!(account.seen_ms, [9, 8, 7]);
    let same = [("a", called("Acme", "", 1)), ("b", called("Acme", "", 1)), people[0].clone()];
    assert_eq!(rolled(&same, 10).name, "Acme");
}

#[test]
fn key_accounts_say_why() {
    let by_value = ("b", part(|p| p.key_by_value = true));
    let said = ("c", part(|p| p.said_key = true));
    let reason = |members: &[(&str, AccountPart)]| rolled(members, 0).key_reason;
    assert_eq!(reason(&[by_value.clone(), said]), "c is called a key customer");
    assert_eq!(reason(&[by_value]), "b is a key customer by value");
    assert!(!rolled(&[("a", AccountPart::default())], 0).key);
}

#[test]
fn renewals_that_lie_ahead_are_kept_in_order() {
    let renews = |ms| part(|p| p.renewal_ms = Some(ms));
    let members = [("a", renews(9)), ("b", renews(4)), ("c", renews(7)), ("d", renews(9))];
    assert_eq!(rolled(&members, 5).renewals_ms, [7, 9]);
}
