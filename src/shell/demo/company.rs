//! The companies of the demo, all of them made up: CDNOW's buyers are known by number only. Each buyer is given to one of 96
//! companies by a hash of the number, to a large one more often, and to an account manager with it.

use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::generate::SplitMix64;

/// Companies.
pub const COUNT: usize = 96;
/// The largest of them are key accounts.
const KEY: usize = 6;
/// What there is of each place, with the industry.
const KINDS: [(&str, &str); 4] = [
    ("Radio", "radio"),
    ("Music School", "education"),
    ("Café Group", "hospitality"),
    ("Records", "retail"),
];
/// Places, a region after the other.
const PLACES: [&str; 24] = [
    "Harbor",
    "Alder",
    "Granite",
    "Kestrel",
    "Bluff",
    "Juniper",
    "Maple",
    "Orchard",
    "Canyon",
    "Delta",
    "Prairie",
    "Willow",
    "Summit",
    "Lakeside",
    "Copper",
    "Ember",
    "Fairview",
    "Garnet",
    "Hollow",
    "Ivory",
    "Meridian",
    "Northgate",
    "Quarry",
    "Riverside",
];
const REGIONS: [&str; 4] = ["north", "south", "east", "west"];
const OWNERS: [&str; 4] = ["ada", "bela", "chen", "dana"];
const FIRST: [&str; 32] = [
    "Amara", "Anton", "Beatriz", "Caleb", "Chiara", "Dmitri", "Elena", "Emeka", "Farid", "Freya",
    "Gabriel", "Hana", "Ines", "Ivan", "Jonas", "Kavya", "Lars", "Leila", "Mateo", "Mei", "Nadia",
    "Noah", "Olive", "Omar", "Petra", "Quinn", "Rosa", "Samir", "Tomas", "Uma", "Vera", "Yusuf",
];
const LAST: [&str; 32] = [
    "Abbott",
    "Baptiste",
    "Castillo",
    "Dahl",
    "Eriksen",
    "Ferrari",
    "Grant",
    "Haddad",
    "Ivanova",
    "Jansen",
    "Kowalski",
    "Lindqvist",
    "Marsh",
    "Nakamura",
    "Okafor",
    "Pereira",
    "Quist",
    "Rahman",
    "Santos",
    "Tanaka",
    "Ueda",
    "Vargas",
    "Weber",
    "Xu",
    "Young",
    "Zeman",
    "Osei",
    "Moreau",
    "Novak",
    "Silva",
    "Costa",
    "Berg",
];

/// A company, known to the pipeline as an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Company {
    /// Its id.
    pub id: String,
    /// What it is called.
    pub name: String,
    /// Where it is.
    pub region: &'static str,
    /// What it does.
    pub industry: &'static str,
    /// Its account manager.
    pub owner: &'static str,
    /// Whether it is a key account.
    pub is_key: bool,
}

/// The company of this number, below [`COUNT`]; the largest first.
pub fn numbered(number: usize) -> Company {
    // neighbours in size are in different places and hands
    let place = (number * 7) % PLACES.len();
    let (kind, industry) = KINDS[(number / PLACES.len() + number) % KINDS.len()];
    Company {
        id: format!("A{:02}", number + 1),
        name: format!("{} {kind}", PLACES[place]),
        region: REGIONS[place / (PLACES.len() / REGIONS.len())],
        industry,
        owner: OWNERS[(number / 2) % OWNERS.len()],
        is_key: number < KEY,
    }
}

/// Which company a customer buys for. Their sizes fall like 1 / (4 + number).
pub fn number_of(customer: &str) -> usize {
    let weight = |number: usize| 1.0 / (4 + number) as f64;
    let all: f64 = (0..COUNT).map(weight).sum();
    let mut at = SplitMix64::new(xxh3_64_with_seed(customer.as_bytes(), 1)).unit() * all;
    for number in 0..COUNT {
        at -= weight(number);
        if at < 0.0 {
            return number;
        }
    }
    COUNT - 1
}

/// A name.
pub fn person(random: &mut SplitMix64) -> String {
    let mut one_of = |names: &[&'static str]| names[random.below(names.len() as u64) as usize];
    format!("{} {}", one_of(&FIRST), one_of(&LAST))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_company_has_a_name_of_its_own_and_somebody() {
        let names: BTreeSet<String> = (0..COUNT).map(|n| numbered(n).name).collect();
        assert_eq!(names.len(), COUNT);
        let mut sizes = [0; COUNT];
        (0..2_357).for_each(|n| sizes[number_of(&format!("{n:05}"))] += 1);
        assert!(sizes.iter().all(|size| *size > 0), "{sizes:?}");
        assert!(sizes[0] > 4 * sizes[COUNT - 1], "{sizes:?}");
    }
}
