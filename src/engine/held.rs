//! A profile as it is held: awake, as sections that events change, or asleep, as the bytes of its state record, which are
//! about half as many. Who looks at it wakes it; when it may sleep again, the store decides.

use std::cell::OnceCell;
use std::ops::{Deref, DerefMut};

use super::compact::Moment;
use super::fetch::{fetch, fetch_one};
use super::profile::{More, Profile};
use crate::alert::Alerts;
use crate::model::record::SourceIndex;
use crate::model::time::NEVER_MS;

/// A profile, awake or asleep. To look at it is to wake it; who only wants it in the cache has [`Held::fetch`] and
/// its sisters.
#[derive(Debug)]
pub struct Held {
    awake: OnceCell<Box<Profile>>,
    /// Its bytes, until it is changed: who was only looked at falls asleep again for nothing.
    asleep: Option<Box<[u8]>>,
}

const _: () = assert!(size_of::<Held>() == 24, "every customer has this");

/// Dues of risk, lifecycle and alerts (the customer's own and those of its tickets; [`Moment::near`] the moment the profile was last looked at). They follow from the rest,
/// and so are no part of the state, but are dear to find again. They stand before the state.
type Dues = [u64; 4];

fn dues_of(profile: &Profile) -> Dues {
    let alerts = profile.more().and_then(More::alerts);
    let [own_ms, tickets_ms] = alerts.map_or([NEVER_MS; 2], Alerts::dues_ms);
    [profile.risk_due_ms(), profile.lifecycle_due_ms(), own_ms, tickets_ms]
        .map(|due_ms| Moment::new(due_ms).near(profile.as_of_ms))
}

/// Bytes of the dues at most.
const DUES_MAX: usize = 10 * size_of::<Dues>() / size_of::<u64>();

fn packed(profile: &Profile, bytes: &mut Vec<u8>) -> Result<(), postcard::Error> {
    bytes.clear();
    *bytes = postcard::to_extend(&(dues_of(profile), profile), std::mem::take(bytes))?;
    Ok(())
}

fn unpacked(bytes: &[u8]) -> Result<Profile, postcard::Error> {
    let (dues, mut profile): (Dues, Profile) = postcard::from_bytes(bytes)?;
    let [risk, lifecycle, own, tickets] =
        dues.map(|due| Moment::from_near(due, profile.as_of_ms).ms());
    profile.set_risk_due_ms(risk);
    profile.set_lifecycle_due_ms(lifecycle);
    if let Some(held) = profile.more.as_mut().and_then(|more| more.alerts_mut()) {
        held.set_dues_ms([own, tickets]);
    }
    Ok(profile)
}

impl Held {
    /// A profile that is awake.
    pub fn new(profile: Profile) -> Self {
        Self { awake: OnceCell::from(Box::new(profile)), asleep: None }
    }

    /// A profile that sleeps, and its state record.
    pub fn asleep(profile: Profile, record: &[u8]) -> Self {
        let mut held = Self::new(profile);
        held.keep(record);
        // without its bytes it stays awake
        if held.asleep.is_some() {
            held.awake = OnceCell::new();
        }
        held
    }

    /// The state record that it sleeps as.
    pub fn record(&self) -> Option<Vec<u8>> {
        let (_, record) = postcard::take_from_bytes::<Dues>(self.asleep.as_deref()?).ok()?;
        Some(record.to_vec())
    }

    /// Lets the profile fall asleep; `bytes` is memory to work in. One that cannot be written stays awake.
    pub fn sleep(&mut self, bytes: &mut Vec<u8>) {
        if self.asleep.is_none()
            && let Some(profile) = self.awake.get()
        {
            if packed(profile, bytes).is_err() {
                return;
            }
            debug_assert_eq!(unpacked(bytes).as_ref(), Ok(&**profile), "sleep must change nothing");
            self.asleep = Some(bytes.as_slice().into());
        }
        self.awake = OnceCell::new();
    }

    /// Takes the state record that was just written of a profile that is awake: it will sleep as these bytes, unless it is
    /// changed before.
    pub fn keep(&mut self, record: &[u8]) {
        let Some(profile) = self.awake.get() else { return };
        let mut dues = [0; DUES_MAX];
        let Ok(dues) = postcard::to_slice(&dues_of(profile), &mut dues) else { return };
        // what could not be written has no record
        if record.is_empty() {
            return;
        }
        let mut bytes = Vec::with_capacity(dues.len() + record.len());
        bytes.extend_from_slice(dues);
        bytes.extend_from_slice(record);
        debug_assert_eq!(unpacked(&bytes).as_ref(), Ok(&**profile), "sleep must change nothing");
        self.asleep = Some(bytes.into_boxed_slice());
    }

    /// Bytes of a profile that sleeps.
    pub fn asleep_bytes(&self) -> Option<usize> {
        self.asleep.as_ref().filter(|_| self.awake.get().is_none()).map(|bytes| bytes.len())
    }

    /// Asks for the profile, or for the bytes that it sleeps as: to wake is to read all of them.
    pub fn fetch(&self) {
        match (self.awake.get(), &self.asleep) {
            (Some(profile), _) => fetch_one(&**profile),
            (None, Some(bytes)) => fetch(bytes),
            (None, None) => {}
        }
    }

    /// Asks for the sections of a profile that is awake.
    pub fn fetch_sections(&self) {
        if let Some(profile) = self.awake.get() {
            profile.fetch();
        }
    }

    /// Asks for what lies behind them, of what an event of a source, with an id, reads.
    pub fn fetch_more(&self, source: SourceIndex, id_hash: u64) {
        if let Some(profile) = self.awake.get() {
            profile.fetch_more(source, id_hash);
        }
    }

    /// Asks for what only rows and records read.
    pub fn fetch_rest(&self) {
        if let Some(profile) = self.awake.get() {
            profile.fetch_rest();
        }
    }

    fn woken(&self) -> Box<Profile> {
        let bytes = self.asleep.as_deref().unwrap_or_default();
        match unpacked(bytes) {
            Ok(profile) => Box::new(profile),
            // nobody else has written them: to go on with a customer that is not this one would be worse
            Err(error) => panic!("a profile of {} bytes does not wake: {error}", bytes.len()),
        }
    }
}

impl Deref for Held {
    type Target = Profile;

    fn deref(&self) -> &Profile {
        self.awake.get_or_init(|| self.woken())
    }
}

impl DerefMut for Held {
    fn deref_mut(&mut self) -> &mut Profile {
        if self.awake.get().is_none() {
            self.awake = OnceCell::from(self.woken());
        }
        self.asleep = None;
        match self.awake.get_mut() {
            Some(profile) => profile,
            None => unreachable!("it has just been woken"),
        }
    }
}
