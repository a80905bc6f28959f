//! The profile: everything remembered of one customer. Sections exist from the first event that needs them.
//!
//! How to add a section: write its struct into a file of its own, as `care.rs` does, with times as [`Moment`] and one
//! landmark for all decayed sums that always change together; add an `Option<Box<…>>` of it to [`Rare`], as the last
//! field, and raise `snapshot::FORMAT`, for the state follows the order of the fields; add what a record of it takes to
//! [`Profile::bytes_guess`]. Events reach it by `profile.more_mut().rare_mut().NAME.get_or_insert_default()`, rows by
//! `more.rare().NAME.as_deref()`. Customers without any rare section pay nothing for it; those with one pay eight bytes
//! for each of the others. [`More`] is what nearly every customer has: a byte there is a byte for each of them.
//!
//! Most profiles sleep as the bytes of their state record (`held.rs`): what is no part of the state and dear to find again must
//! be told there, and a byte less of the record is a byte less of every customer.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::care::Care;
use super::compact::Moment;
use super::contact::Contacts;
use super::credit::Credit;
use super::fetch::fetch_one;
use super::ids::Ids;
use super::intent::Intents;
use super::offer::{Offers, SignOfLife};
use super::purchase::Purchases;
use super::said::{Field, Said};
use super::sums::Sums;
use super::terms::Terms;
use super::web::Web;
use crate::alert::Alerts;
use crate::model::record::SourceIndex;
use crate::model::time::{BEFORE_ALL_MS, NEVER_MS};
use crate::signal::lifecycle::Lifecycle;

/// A guess of what an account is told of a member, bytes.
const PART_BYTES: usize = 900;

/// Sections that nearly every customer has one of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct More {
    /// Decayed sums, but for the most frequent, which stand in their sections.
    pub sums: Sums,
    /// Categories looked at and bought.
    pub intents: Intents,
    /// Tickets.
    pub care: Option<Box<Care>>,
    /// What was proposed.
    pub offers: Offers,
    rare: Option<Box<Rare>>,
}

const _: () = assert!(size_of::<More>() <= 64, "nearly every customer has this section");

/// Sections that few customers have.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rare {
    /// Invoices.
    pub credit: Option<Box<Credit>>,
    /// Who spoke to whom.
    pub contacts: Option<Box<Contacts>>,
    /// Contract, answers, deliveries, usage.
    pub terms: Option<Box<Terms>>,
    /// The last sign of life of one who was gone.
    pub life: SignOfLife,
    /// As of when the row of a customer who has never bought was last refreshed.
    pub refreshed: Moment,
    /// Alerts.
    pub alerts: Option<Box<Alerts>>,
}

impl Rare {
    /// Of customers without any of it.
    const NONE: Self = Self {
        credit: None,
        contacts: None,
        terms: None,
        life: SignOfLife::NONE,
        refreshed: Moment::BEFORE_ALL,
        alerts: None,
    };
}

impl Default for Rare {
    fn default() -> Self {
        Self::NONE
    }
}

impl More {
    /// The rare sections; empty ones where there are none.
    pub fn rare(&self) -> &Rare {
        static NONE: Rare = Rare::NONE;
        self.rare.as_deref().unwrap_or(&NONE)
    }

    /// The rare sections, to change.
    pub fn rare_mut(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// Alerts.
    pub fn alerts(&self) -> Option<&Alerts> {
        self.rare().alerts.as_deref()
    }

    /// Alerts, to change; `None` where there are none.
    pub fn alerts_mut(&mut self) -> Option<&mut Alerts> {
        self.rare.as_mut()?.alerts.as_deref_mut()
    }

    /// Takes the alerts out.
    pub fn take_alerts(&mut self) -> Option<Box<Alerts>> {
        self.rare.as_mut()?.alerts.take()
    }

    /// Puts alerts back, or their absence.
    pub fn put_alerts(&mut self, held: Option<Box<Alerts>>) {
        if held.is_some() || self.rare.is_some() {
            self.rare_mut().alerts = held;
        }
    }

    /// The rare sections, and the sums that they add to.
    pub fn rare_and_sums(&mut self) -> (&mut Rare, &mut Sums) {
        (self.rare.get_or_insert_default(), &mut self.sums)
    }

    fn bytes_guess(&self) -> usize {
        let tickets = self.care.as_ref().map_or(0, |care| care.held().0);
        let invoices = self.rare().credit.as_ref().map_or(0, |credit| credit.held().0);
        let alerts = self.rare().alerts.as_ref().map_or(0, |alerts| alerts.bytes_guess());
        600 + self.sums.len() * 20 + (tickets + invoices) * 60 + alerts
    }
}

/// One customer. Sections that nearly everybody has stand in it: only few customers are awake, and what is one piece of memory is
/// one wait for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Last moment this profile was looked at: event or due. Nothing about it is said for earlier moments.
    pub as_of_ms: i64,
    /// Remembered ids, by source.
    pub ids: Ids,
    /// Master data.
    pub said: Said,
    /// Visits.
    pub web: Option<Web>,
    /// Purchases, refunds, opening.
    pub purchases: Option<Box<Purchases>>,
    /// All other sections.
    pub more: Option<More>,
    /// Last act of the customer; [`Moment::BEFORE_ALL`] when there was none.
    pub last_seen: Moment,
    /// First event of any type: from here on the stream knows the customer, so rates are measured from here.
    pub born: Moment,
    /// Since when `lifecycle` is what it is.
    pub lifecycle_since: Moment,
    /// Since when the risk is in its band; [`Moment::NEVER`] while there is no risk.
    risk_since: Moment,
    /// When the risk must be looked at again. Follows from the rest, so it is no part of the state.
    risk_due: Moment,
    /// Band of the risk; 0 while there is none.
    risk_band: u8,
    /// [`Lifecycle::number`].
    pub lifecycle: u8,
}

const _: () = assert!(size_of::<Profile>() <= 256, "everybody who is awake has one");

/// A profile as the state holds it: `as_of_ms`, the sections, then its moments, each by how far it is from one that is mostly
/// near: the first two and the risk's from `as_of_ms`, that of the lifecycle from when it was born.
type Written<I, S, W, P, M> = (i64, I, S, W, P, M, [u64; 4], u8, u8);

impl Serialize for Profile {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let Self { as_of_ms, ids, said, web, purchases, more, born, .. } = self;
        let moments = [
            self.last_seen.near(*as_of_ms),
            born.near(*as_of_ms),
            self.lifecycle_since.near(born.ms()),
            self.risk_since.near(*as_of_ms),
        ];
        let (band, lifecycle) = (self.risk_band, self.lifecycle);
        let written: Written<_, _, _, _, _> =
            (*as_of_ms, ids, said, web, purchases, more, moments, band, lifecycle);
        written.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Profile {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let written: Written<Ids, Said, _, _, _> = Deserialize::deserialize(from)?;
        let (as_of_ms, ids, said, web, purchases, more, moments, risk_band, lifecycle) = written;
        let [last_seen, born, lifecycle_since, risk_since] = moments;
        let born = Moment::from_near(born, as_of_ms);
        Ok(Self {
            as_of_ms,
            ids,
            said,
            web,
            purchases,
            more,
            last_seen: Moment::from_near(last_seen, as_of_ms),
            born,
            lifecycle_since: Moment::from_near(lifecycle_since, born.ms()),
            risk_since: Moment::from_near(risk_since, as_of_ms),
            risk_due: Moment::NEVER,
            risk_band,
            lifecycle,
        })
    }
}

impl Profile {
    /// A customer nobody has seen before.
    pub fn new(ts_ms: i64) -> Self {
        Self {
            as_of_ms: ts_ms,
            ids: Ids::new(),
            said: Said::default(),
            web: None,
            purchases: None,
            more: None,
            last_seen: Moment::new(BEFORE_ALL_MS),
            born: Moment::new(ts_ms),
            lifecycle_since: Moment::new(ts_ms),
            risk_since: Moment::NEVER,
            risk_due: Moment::NEVER,
            risk_band: 0,
            lifecycle: Lifecycle::Prospect.number(),
        }
    }

    /// About how many bytes its state record, its row and what its account is told have together, from above.
    pub fn bytes_guess(&self) -> usize {
        let purchases =
            self.purchases.as_ref().map_or(0, |p| p.days.len() * 3 + p.buckets.len() * 20);
        let more = self.more().map_or(0, More::bytes_guess);
        let sessions =
            self.web.as_ref().map_or(0, |w| w.sessions.len() + w.sessions.days().len() / 8);
        let told = if self.said.get_bytes(Field::AccountId).is_empty() { 0 } else { PART_BYTES };
        800 + self.ids.len() * 15 + purchases + sessions * 40 + more + told
    }

    /// Asks for what an event reads beside the profile itself.
    pub fn fetch(&self) {
        self.ids.fetch();
        self.said.fetch();
        if let Some(web) = &self.web {
            web.sessions.fetch();
        }
        if let Some(purchases) = &self.purchases {
            fetch_one(&**purchases);
        }
        if let Some(more) = &self.more {
            more.sums.fetch();
            more.intents.fetch();
            more.offers.fetch();
            if let Some(care) = &more.care {
                fetch_one(&**care);
            }
        }
    }

    /// Asks for what an event of a source, with an id, reads behind the sections that [`Self::fetch`] has asked for.
    pub fn fetch_more(&self, source: SourceIndex, id_hash: u64) {
        self.fetch_lists();
        self.ids.fetch_far(source, id_hash);
    }

    /// Asks for the lists of sessions and tickets.
    fn fetch_lists(&self) {
        if let Some(web) = &self.web {
            web.sessions.fetch_far();
        }
        if let Some(care) = self.more().and_then(|more| more.care.as_ref()) {
            care.fetch();
        }
    }

    /// First event of any type, or the opening's first purchase.
    pub fn t_born_ms(&self) -> i64 {
        let first_ms = self.purchases.as_ref().and_then(|p| p.t_first_ms());
        first_ms.map_or(self.born.ms(), |first_ms| first_ms.min(self.born.ms()))
    }

    /// Since when money is summed up: the first purchase, after an opening the first event of the stream. `None` before
    /// the first purchase.
    pub fn spend_from_ms(&self) -> Option<i64> {
        let first_ms = self.purchases.as_ref()?.t_first_ms()?;
        Some(first_ms.max(self.born.ms()))
    }

    /// Whether something in its row ages although nothing happens: who has bought, and who has a risk.
    pub fn ages(&self) -> bool {
        self.purchases.as_ref().is_some_and(|p| p.history().is_some()) || self.risk_band().is_some()
    }

    /// As of when its row was last refreshed, or valued.
    pub fn refreshed_ms(&self) -> i64 {
        let valued = self.purchases.as_ref().map_or(BEFORE_ALL_MS, |p| p.valued.at.ms());
        valued.max(self.more().map_or(BEFORE_ALL_MS, |more| more.rare().refreshed.ms()))
    }

    /// Whether the next stage may have heard of this customer without an account: only a purchase, a risk or a proposal
    /// is told of.
    pub fn was_told(&self) -> bool {
        self.lifecycle() != Lifecycle::Prospect
            || self.risk_band().is_some()
            || self.more().is_some_and(|more| !more.offers.is_empty())
    }

    /// Band of the risk, and since when; `None` while there is no risk.
    pub fn risk_band(&self) -> Option<(u8, Moment)> {
        (!self.risk_since.is_none()).then_some((self.risk_band, self.risk_since))
    }

    /// The risk is in another band; `None`: there is none.
    pub fn set_risk_band(&mut self, band: Option<(u8, Moment)>) {
        (self.risk_band, self.risk_since) = band.unwrap_or((0, Moment::NEVER));
    }

    /// When the lifecycle changes by itself.
    pub fn lifecycle_due_ms(&self) -> i64 {
        self.purchases.as_ref().map_or(NEVER_MS, |purchases| purchases.lifecycle_due.ms())
    }

    /// Notes when the lifecycle changes by itself; never, for who has not bought.
    pub fn set_lifecycle_due_ms(&mut self, at_ms: i64) {
        if let Some(purchases) = &mut self.purchases {
            purchases.lifecycle_due = Moment::new(at_ms);
        }
    }

    /// When the risk must be looked at again; never, for who has none.
    pub fn risk_due_ms(&self) -> i64 {
        self.risk_due.ms()
    }

    /// Notes when the risk must be looked at again.
    pub fn set_risk_due_ms(&mut self, at_ms: i64) {
        self.risk_due = Moment::new(at_ms);
    }

    /// Whether something is remembered of alerts.
    pub fn has_alerts(&self) -> bool {
        self.more().is_some_and(|more| more.alerts().is_some())
    }

    /// When the alerts must be looked at again; never, where nothing is due.
    pub fn alerts_due_ms(&self) -> i64 {
        let alerts = self.more().and_then(More::alerts);
        alerts.map_or(NEVER_MS, Alerts::due_ms)
    }

    /// Asks for what events seldom read, see [`Self::fetch`].
    pub fn fetch_rest(&self) {
        self.fetch_lists();
        if let Some(purchases) = &self.purchases {
            // the first lines: the rest is read from there on, as the memory expects
            purchases.buckets.first().iter().for_each(|bucket| fetch_one(*bucket));
            purchases.days.first().iter().for_each(|day| fetch_one(*day));
        }
    }

    /// The lifecycle state.
    pub fn lifecycle(&self) -> Lifecycle {
        Lifecycle::from_number(self.lifecycle).unwrap_or(Lifecycle::Prospect)
    }

    /// The sections that few have, if there is any.
    pub fn more(&self) -> Option<&More> {
        self.more.as_ref()
    }

    /// The sections that few have, to change.
    pub fn more_mut(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// The value of a master-data field; empty when nobody said it.
    pub fn said(&self, field: Field) -> &str {
        self.said.get(field)
    }
}
