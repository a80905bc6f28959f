//! Where the tiers are cut: `[tiers]` of a definition.

use super::notes::Notes;
use super::raw::Section;

/// What the classes A, B and C are shares of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AbcShare {
    /// Of sales: A is the smallest set of customers with that share of all sales.
    Sales,
    /// Of customers: A is that share of all customers.
    Customers,
}

/// Shares of the population at which tiers and classes are cut, percent, and how long a tier must be wanted.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tiers {
    /// Below this percentile lead.
    pub lead: f64,
    /// From this percentile on gold.
    pub gold: f64,
    /// From this percentile on a key customer.
    pub key: f64,
    /// Class A holds this share.
    pub a: f64,
    /// Class B holds this share beyond it.
    pub b: f64,
    /// Of what.
    pub abc_by: AbcShare,
    /// How long another place must be wanted before the customer moves.
    pub dwell_ms: i64,
}

impl Default for Tiers {
    fn default() -> Self {
        Self {
            lead: 20.0,
            gold: 80.0,
            key: 95.0,
            a: 85.0,
            b: 10.0,
            abc_by: AbcShare::Sales,
            dwell_ms: 7 * 86_400_000,
        }
    }
}

/// Longest dwell time: ten years.
const DWELL_MAX_MS: i64 = 3_650 * 86_400_000;

/// Reads `[tiers]`.
pub(super) fn tiers(notes: &mut Notes<'_>, top: &Section<'_>) -> Tiers {
    let section = top.table(notes, "tiers", true);
    let usual = Tiers::default();
    let inside = "a number between 0 and 100, both excluded";
    let mut complete = true;
    let mut percent = |key: &str, default: f64| {
        let number = section.number(notes, key, inside, |percent| percent > 0.0 && percent < 100.0);
        complete &= number.is_some() || !section.has(key);
        number.unwrap_or(default)
    };
    let lead = percent("lead", usual.lead);
    let gold = percent("gold", usual.gold);
    let key = percent("key", usual.key);
    let (a, b) = (percent("a", usual.a), percent("b", usual.b));
    let words = [("sales", AbcShare::Sales), ("customers", AbcShare::Customers)];
    let abc_by = section.word(notes, "abc_by", &words).unwrap_or(usual.abc_by);
    let dwell_ms = section.duration_ms(notes, "dwell", 0..=DWELL_MAX_MS, usual.dwell_ms);
    let tiers = Tiers { lead, gold, key, a, b, abc_by, dwell_ms };
    // An order can be judged only between values that could be read.
    if complete {
        order(notes, &section, &tiers);
    }
    tiers
}

fn order(notes: &mut Notes<'_>, section: &Section<'_>, t: &Tiers) {
    let mut refuse = |key: &str, found: String, expected: &str, hint: &str| {
        notes.error(section.at(key), &section.path_of(key), &found).expected(expected).hint(hint);
    };
    if t.lead >= t.gold || t.gold > t.key {
        let key = ["gold", "key", "lead"].into_iter().find(|key| section.has(key));
        refuse(
            key.unwrap_or("gold"),
            format!("found {}, {} and {}", t.lead, t.gold, t.key),
            "lead < gold <= key",
            "they are percentiles of the same customers, the least valuable first",
        );
    }
    if t.a + t.b > 100.0 {
        let key = ["a", "b"].into_iter().find(|key| section.has(key)).unwrap_or("a");
        refuse(
            key,
            format!("found {} and {}", t.a, t.b),
            "a + b of at most 100",
            "b is what class B holds beyond class A; C holds the rest",
        );
    }
}
