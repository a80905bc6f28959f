//! What people have done about customers' alerts in the generation before: a rebuild hears of it before it hears of the customers.

use std::collections::{BTreeMap, BTreeSet};

use super::look::{put, take};
use crate::engine::apply::Engine;
use crate::wire::mail::Acted;

/// Acts that wait for their customers in a shard, at most; more are not heard, and counted.
const WAITING_MAX: usize = 1_000_000;

/// Acts whose customers have not been heard of, by customer.
#[derive(Debug, Default)]
pub struct Acts {
    waiting: BTreeMap<Box<str>, Vec<Acted>>,
    count: usize,
    unheard: u64,
    /// Customers whose record is to be written.
    changed: BTreeSet<Box<str>>,
}

impl Acts {
    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    fn put(&mut self, acted: Acted) {
        if self.count >= WAITING_MAX {
            self.unheard += 1;
            return;
        }
        let customer: Box<str> = acted.said.customer.as_str().into();
        let waiting = self.waiting.entry(customer.clone()).or_default();
        let known = waiting.iter().any(|held| held.said.id == acted.said.id);
        if !known {
            waiting.push(acted);
            self.count += 1;
            self.changed.insert(customer);
        }
    }

    /// How many there was no room for.
    pub fn unheard(&self) -> u64 {
        self.unheard
    }

    fn take(&mut self, customer: &str) -> Vec<Acted> {
        let Some((customer, acts)) = self.waiting.remove_entry(customer) else { return Vec::new() };
        self.count -= acts.len();
        self.changed.insert(customer);
        acts
    }

    /// Records that are to be written: what waits for a customer, `None` where nothing does any more.
    pub fn take_changed(&mut self) -> impl Iterator<Item = (Box<str>, Option<&Vec<Acted>>)> {
        let waiting = &self.waiting;
        std::mem::take(&mut self.changed).into_iter().map(move |customer| {
            let acts = waiting.get(&customer);
            (customer, acts)
        })
    }

    /// A record of [`Self::take_changed`].
    pub fn restore(&mut self, customer: &str, acts: Option<Vec<Acted>>) {
        self.take(customer);
        if let Some(acts) = acts {
            self.count += acts.len();
            self.waiting.insert(customer.into(), acts);
        }
        self.changed.clear();
    }
}

impl Engine {
    /// Notes what a person has done about a customer's alert in the generation before.
    pub fn expect(&mut self, acted: Acted) {
        match self.store.find(acted.said.customer.as_bytes()) {
            Some(slot) => self.expect_of(slot, vec![acted]),
            None => self.acts.put(acted),
        }
    }

    /// A customer is heard of for the first time.
    pub(in crate::engine) fn expect_of_new(&mut self, slot: u32, key: &[u8]) {
        let acts = str::from_utf8(key).map(|key| self.acts.take(key)).unwrap_or_default();
        if !acts.is_empty() {
            self.expect_of(slot, acts);
        }
    }

    fn expect_of(&mut self, slot: u32, acts: Vec<Acted>) {
        let profile = &mut self.store.used(slot).profile;
        let mut held = take(profile).unwrap_or_default();
        acts.into_iter().for_each(|acted| held.expect(acted));
        // never before what was seen
        let next_ms = held.expected_ms().max(held.seen_ms()).max(profile.as_of_ms);
        held.lower_due_ms(next_ms);
        put(profile, Some(held));
        self.mark(slot);
        let due_ms = self.store.get(slot).due_ms();
        self.arm_at(slot, due_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::mail::{Act, Said};

    #[test]
    fn what_there_is_no_room_for_is_counted_and_leaves_nothing() {
        let acted = |customer: &str| {
            let said = Said {
                id: [7; 16],
                by: "ann".to_owned(),
                rule: "r".to_owned(),
                subject: customer.to_owned(),
                customer: customer.to_owned(),
                episode: 1,
                act: Act::Resolve,
                until_ms: None,
                note: String::new(),
            };
            Acted { said, at_ms: 5 }
        };
        let mut acts = Acts { count: WAITING_MAX - 1, ..Acts::default() };
        acts.put(acted("c1"));
        assert_eq!((acts.unheard(), acts.waiting.len()), (0, 1));
        acts.put(acted("c2"));
        acts.put(acted("c3"));
        assert_eq!((acts.unheard(), acts.waiting.len()), (2, 1));
        // who came makes room
        assert_eq!(acts.take("c1").len(), 1);
        acts.put(acted("c3"));
        assert_eq!((acts.unheard(), acts.waiting.len()), (2, 1));
    }
}
