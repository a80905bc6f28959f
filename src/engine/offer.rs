//! What was proposed to a customer, by goal: since when it rests, whether it still stands; and the last sign of life of
//! one who was gone. A trajectory, as the lifecycle is: what was proposed stays so, whatever comes late.

use serde::{Deserialize, Serialize};

use super::compact::Moment;
use super::fetch::fetch;
use crate::signal::opportunity::{GOALS, Goal, Reason};
use crate::signal::situation::Opportunity;

/// A proposal, in 21 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// [`Reason`], which tells the goal.
    reason: u8,
    at: Moment,
    until: Moment,
    score: [u8; 8],
}

const _: () = assert!(size_of::<Offer>() == 21 && size_of::<Offers>() <= 16);

impl Offer {
    /// What was found at a moment.
    pub fn new(found: &Opportunity, at_ms: i64) -> Self {
        Self {
            reason: found.reason as u8,
            at: Moment::new(at_ms),
            until: Moment::new(found.until_ms),
            score: found.score.to_le_bytes(),
        }
    }

    /// Why.
    pub fn reason(&self) -> Option<Reason> {
        Reason::from_number(self.reason)
    }

    /// What for.
    fn goal(&self) -> Option<Goal> {
        self.reason().map(Reason::goal)
    }

    /// Since when, milliseconds.
    pub fn at_ms(&self) -> i64 {
        self.at.ms()
    }

    /// Until when it stands, milliseconds.
    pub fn until_ms(&self) -> i64 {
        self.until.ms()
    }

    /// What it is worth, see [`Opportunity::score`].
    pub fn score(&self) -> f64 {
        f64::from_le_bytes(self.score)
    }
}

/// All proposals.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offers {
    /// The latest of each goal, in order of goals; those that neither stand nor rest are left out in time.
    list: Box<[Offer]>,
}

/// The first act after silence of one who was gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignOfLife {
    /// The last act before the silence that `woke` ended.
    silent_since: Moment,
    /// The first visit, click or reply after it; [`Moment::BEFORE_ALL`] when there was none.
    woke: Moment,
}

impl Offers {
    /// Takes a proposal in, and forgets those whose rest of `cooldown_ms` is over.
    pub fn put(&mut self, offer: Offer, cooldown_ms: i64) {
        let rests = |held: &Offer| held.at_ms().saturating_add(cooldown_ms) > offer.at_ms();
        let mut list: Vec<Offer> = self
            .list
            .iter()
            .filter(|held| held.goal() != offer.goal() && rests(held))
            .copied()
            .collect();
        list.push(offer);
        list.sort_unstable_by_key(Offer::goal);
        self.list = list.into_boxed_slice();
    }

    /// Whether nothing was ever proposed: the latest proposal stays.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Asks for the list.
    pub fn fetch(&self) {
        fetch(&self.list);
    }

    /// When each goal was last proposed, in the order of [`Goal::ALL`].
    pub fn proposed_ms(&self) -> [Option<i64>; GOALS] {
        let mut at_ms = [None; GOALS];
        for offer in &self.list {
            if let Some(goal) = offer.goal() {
                at_ms[goal as usize] = Some(offer.at_ms());
            }
        }
        at_ms
    }

    /// Those that stand at a moment, in order of goals.
    pub fn open(&self, tau_ms: i64) -> impl Iterator<Item = &Offer> {
        self.list.iter().filter(move |offer| offer.until_ms() > tau_ms)
    }
}

impl SignOfLife {
    /// There was none.
    pub const NONE: Self = Self { silent_since: Moment::BEFORE_ALL, woke: Moment::BEFORE_ALL };

    /// Whether there was none.
    pub fn is_none(&self) -> bool {
        *self == Self::NONE
    }

    /// An act at `ts_ms` of one who is gone, the last before it at `last_ms` (`None`: there was none). A sign of life is the
    /// first after silence; one that comes late may stand within the silence it ended. Returns whether there is a new one.
    pub fn act(&mut self, ts_ms: i64, last_ms: Option<i64>, silence_ms: i64) -> bool {
        let long = |from_ms: i64, to_ms: i64| to_ms.saturating_sub(from_ms) >= silence_ms;
        let (since_ms, woke_ms) = (self.silent_since.ms(), self.woke.ms());
        if last_ms.is_none_or(|last_ms| ts_ms > last_ms && long(last_ms, ts_ms)) {
            self.silent_since = last_ms.map_or(Moment::BEFORE_ALL, Moment::new);
            self.woke = Moment::new(ts_ms);
            return true;
        }
        if since_ms < ts_ms && ts_ms < woke_ms {
            if long(ts_ms, woke_ms) {
                self.silent_since = Moment::new(ts_ms);
            } else if long(since_ms, ts_ms) {
                self.woke = Moment::new(ts_ms);
            } else {
                *self = Self::NONE;
            }
        }
        false
    }

    /// The last sign of life, and the act before the silence that it ended.
    pub fn told_ms(&self) -> Option<(i64, Option<i64>)> {
        self.woke.known_ms().map(|woke_ms| (woke_ms, self.silent_since.known_ms()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(reason: Reason, at_ms: i64) -> Offer {
        let found = Opportunity { goal: reason.goal(), reason, score: 1.5, until_ms: at_ms + 10 };
        Offer::new(&found, at_ms)
    }

    #[test]
    fn the_latest_of_each_goal_is_kept_while_it_rests() {
        let mut offers = Offers::default();
        offers.put(offer(Reason::NotRated, 0), 100);
        offers.put(offer(Reason::OrdersGrow, 50), 100);
        offers.put(offer(Reason::UsageNearLimit, 60), 100);
        let mut proposed = [None; GOALS];
        (proposed[1], proposed[5]) = (Some(60), Some(0));
        assert_eq!(offers.proposed_ms(), proposed);
        let open = |offers: &Offers, tau_ms| offers.open(tau_ms).map(Offer::at_ms).collect();
        assert_eq!((open(&offers, 9), open(&offers, 10)), (vec![60, 0], vec![60]));
        offers.put(offer(Reason::AtRisk, 100), 100);
        assert_eq!(open(&offers, 0), [60, 100], "the first rests no longer");
        assert_eq!(offers.list[1].score(), 1.5);
    }

    /// Whatever the order of two acts after the last one, the same sign of life is found.
    #[test]
    fn a_late_act_moves_the_sign_of_life() {
        for (first, second) in [(40, 90), (40, 60), (20, 45), (20, 60), (10, 30)] {
            let of = |acts: [i64; 2]| {
                let (mut life, mut last) = (SignOfLife::NONE, Some(0));
                for ts_ms in acts {
                    life.act(ts_ms, last, 30);
                    last = last.max(Some(ts_ms));
                }
                life.told_ms()
            };
            assert_eq!(of([first, second]), of([second, first]), "{first} {second}");
        }
    }
}
