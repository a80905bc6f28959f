//! Which generation of a pipeline is the current one, how a rebuild begins, and when it may replace the current one.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Format of [`Control`]; raised on purpose.
pub const CONTROL_FORMAT: u32 = 1;

/// A rebuild counts as caught up when everything that was there this long ago is in, milliseconds.
const CLOSE_MS: i64 = 10_000;

/// Where the reading of a generation began: first offset by partition, by source topic.
pub type Beginning = BTreeMap<String, Vec<i64>>;

/// What the control topic says of a pipeline, under the key `current`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Control {
    /// [`CONTROL_FORMAT`].
    pub format: u32,
    /// The current generation: the one that is run, carried and migrated when none is named.
    pub generation: u32,
    /// Since when, wall clock, milliseconds.
    pub since_ms: i64,
    /// The rebuild that is to replace it.
    pub rebuilding: Option<Rebuilding>,
    /// Where generations began, as far as known: the current one, the one before and the rebuild.
    pub began: BTreeMap<u32, Beginning>,
}

/// A rebuild under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rebuilding {
    /// Its generation.
    pub generation: u32,
    /// The version of its definition: another definition begins another rebuild.
    pub definition: String,
}

/// What beginning a rebuild needs to know.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// The version of the definition.
    pub definition: &'a str,
    /// The first offsets that the broker still has, for each source of the definition.
    pub lows: &'a Beginning,
    /// Whether records that are gone may be missing.
    pub accept_loss: bool,
}

impl Control {
    /// The first record: generation 1. `began` is `None` when it began before anybody kept a record of it.
    pub fn first(began: Option<Beginning>, now_ms: i64) -> Self {
        Self {
            format: CONTROL_FORMAT,
            generation: 1,
            since_ms: now_ms,
            rebuilding: None,
            began: began.map(|b| (1, b)).into_iter().collect(),
        }
    }

    /// Reads a record of the control topic.
    ///
    /// # Errors
    /// When it is no record that this version knows.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let control: Self = serde_json::from_slice(bytes).map_err(|e| {
            format!("the control record cannot be read: {e}; was it written by hand")
        })?;
        if control.format != CONTROL_FORMAT {
            return Err(format!(
                "the control record is of format {}, this binary reads {CONTROL_FORMAT}: use the binary that wrote it",
                control.format
            ));
        }
        Ok(control)
    }

    /// The record with a rebuild in it, and the generation of the rebuild: the one under way when it has the same
    /// definition, else the next number.
    ///
    /// # Errors
    /// When the sources no longer reach back to where the current generation began, and that is not accepted.
    pub fn with_rebuild(&self, wanted: Wanted<'_>) -> Result<(Self, u32), String> {
        let under_way = self.rebuilding.as_ref();
        if let Some(rebuild) = under_way.filter(|r| r.definition == wanted.definition) {
            return Ok((self.clone(), rebuild.generation));
        }
        let began = self.rebuild_begins(wanted.lows);
        let lost = lost(&began, wanted.lows);
        if !lost.is_empty() && !wanted.accept_loss {
            return Err(format!(
                "the sources no longer reach back to where generation {} began, a rebuild would miss records: {}; \
                 restore the topics, or accept the loss, which is written to the table of gaps, with --accept-loss",
                self.generation,
                lost.join(", ")
            ));
        }
        let generation =
            under_way.map_or(self.generation, |r| r.generation.max(self.generation)) + 1;
        let mut control = self.clone();
        control.rebuilding =
            Some(Rebuilding { generation, definition: wanted.definition.to_owned() });
        control.began.insert(generation, began);
        control.forget_old();
        Ok((control, generation))
    }

    /// A rebuild reads from where the current generation began. Of a source that it did not have, all there is; with
    /// no record of where it began, from offset 0: what is missing then has to be accepted.
    fn rebuild_begins(&self, lows: &Beginning) -> Beginning {
        let known = self.began.get(&self.generation);
        let of = |topic: &str, partition: usize, low: i64| match known {
            None => 0,
            Some(known) => known.get(topic).and_then(|o| o.get(partition)).map_or(low, |o| *o),
        };
        let begins = lows.iter().map(|(topic, lows)| {
            let offsets = lows.iter().enumerate().map(|(p, low)| of(topic, p, *low)).collect();
            (topic.clone(), offsets)
        });
        begins.collect()
    }

    /// The record after the switch to a rebuild; `None` when there is nothing to switch (it was done already, or the
    /// rebuild was replaced).
    pub fn switched_to(&self, generation: u32, now_ms: i64) -> Option<Self> {
        self.rebuilding.as_ref().filter(|r| r.generation == generation)?;
        let mut control = self.clone();
        control.generation = generation;
        control.since_ms = now_ms;
        control.rebuilding = None;
        control.forget_old();
        Some(control)
    }

    fn forget_old(&mut self) {
        let rebuild = self.rebuilding.as_ref().map(|r| r.generation);
        let current = self.generation;
        let before = self.began.range(..current).next_back().map(|(g, _)| *g);
        self.began.retain(|g, _| *g == current || Some(*g) == rebuild || Some(*g) == before);
    }

    /// Whether `generation` is a rebuild that has not replaced the current one.
    pub fn is_rebuilding(&self, generation: u32) -> bool {
        self.rebuilding.as_ref().is_some_and(|r| r.generation == generation)
    }

    /// Why a copy of `generation` must stop, if so.
    pub fn stops(&self, generation: u32) -> Option<String> {
        if self.generation > generation {
            return Some(format!(
                "generation {} has replaced generation {generation}, which this copy runs: start it again with the \
                 definition of generation {}",
                self.generation, self.generation
            ));
        }
        let rebuild = self.rebuilding.as_ref().map(|r| r.generation)?;
        (generation > self.generation && rebuild > generation).then(|| {
            format!(
                "the rebuild as generation {generation} was given up for generation {rebuild}, which has another \
                 definition"
            )
        })
    }
}

/// What the sources have lost of a beginning, in words: at most five places and how many more.
fn lost(began: &Beginning, lows: &Beginning) -> Vec<String> {
    const SHOWN: usize = 5;
    let mut places = Vec::new();
    for (topic, offsets) in began {
        let there = lows.get(topic).map_or(&[][..], Vec::as_slice);
        for (partition, (began, low)) in offsets.iter().zip(there).enumerate() {
            if low > began {
                places.push(format!("{topic} partition {partition} lost offsets {began} to {low}"));
            }
        }
    }
    if places.len() > SHOWN {
        let more = places.len() - SHOWN;
        places.truncate(SHOWN);
        places.push(format!("and {more} partitions more"));
    }
    places
}

/// How far something has been read: a position and the end it has to reach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// Topic and partition, for messages.
    pub place: (String, i32),
    /// The next offset to read, as committed; 0 when nothing was committed yet.
    pub position: i64,
    /// The end, as last heard of.
    pub end: i64,
}

/// Watches a rebuild catch up: it has when everything that was there a moment ago is in. New records come all the
/// time, so positions are held against ends asked before, not against the present ones.
#[derive(Clone, Debug, Default)]
pub struct Chase {
    /// When the targets were asked, and the targets in the order of the readings.
    target: Option<(i64, Vec<i64>)>,
}

impl Chase {
    /// Takes the positions and ends of now (a clock that never falls, milliseconds); whether the rebuild has caught
    /// up.
    pub fn step(&mut self, now_ms: i64, readings: &[Reading]) -> bool {
        let ends = || readings.iter().map(|r| r.end).collect();
        match &self.target {
            Some((asked_ms, target)) if target.len() == readings.len() => {
                let reached = readings.iter().zip(target).all(|(r, end)| r.position >= *end);
                if reached && now_ms - asked_ms <= CLOSE_MS {
                    return !readings.is_empty();
                }
                if reached || now_ms - asked_ms > CLOSE_MS {
                    self.target = Some((now_ms, ends()));
                }
            }
            _ => self.target = Some((now_ms, ends())),
        }
        false
    }
}

/// What is still to be read, in one line: the records that are missing, and where most of them are.
pub fn behind(readings: &[Reading]) -> String {
    let lag = |r: &Reading| (r.end - r.position).max(0);
    let total: i64 = readings.iter().map(lag).sum();
    match readings.iter().max_by_key(|r| lag(r)) {
        Some(most) if total > 0 => {
            let (topic, partition) = &most.place;
            format!(
                "{total} records behind, {} of them in {topic} partition {partition}",
                lag(most)
            )
        }
        _ => "nothing behind".to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn offsets(of: &[(&str, &[i64])]) -> Beginning {
        of.iter().map(|(topic, offsets)| ((*topic).to_owned(), offsets.to_vec())).collect()
    }

    fn wanted<'a>(lows: &'a Beginning, definition: &'a str) -> Wanted<'a> {
        Wanted { definition, lows, accept_loss: false }
    }

    #[test]
    fn a_rebuild_is_the_next_generation_and_reads_from_where_the_current_began() {
        let control = Control::first(Some(offsets(&[("p", &[3, 4])])), 5);
        let lows = offsets(&[("p", &[3, 0]), ("w", &[7, 8])]);
        let (control, generation) = control.with_rebuild(wanted(&lows, "b")).unwrap();
        assert_eq!((generation, control.generation), (2, 1));
        assert!(control.is_rebuilding(2) && !control.is_rebuilding(1));
        assert_eq!(control.began[&2], offsets(&[("p", &[3, 4]), ("w", &[7, 8])]));
        assert_eq!(Control::parse(&serde_json::to_vec(&control).unwrap()).unwrap(), control);
    }

    #[test]
    fn the_same_definition_continues_and_another_begins_anew() {
        let lows = offsets(&[("p", &[0])]);
        let first = Control::first(Some(lows.clone()), 0);
        let (second, _) = first.with_rebuild(wanted(&lows, "b")).unwrap();
        // What is lost meanwhile is a gap of the rebuild, not a reason to refuse its second copy.
        let later = offsets(&[("p", &[9])]);
        assert_eq!(second.with_rebuild(wanted(&later, "b")).unwrap(), (second.clone(), 2));
        let (third, generation) = second.with_rebuild(wanted(&lows, "c")).unwrap();
        assert_eq!(generation, 3);
        assert!(third.stops(2).unwrap().contains("generation 3"));
        assert_eq!((third.stops(1), third.stops(3)), (None, None));
        assert_eq!(third.switched_to(2, 1), None);
    }

    #[test]
    fn lost_records_are_refused_unless_accepted() {
        let control = Control::first(Some(offsets(&[("p", &[3, 4])])), 0);
        let lows = offsets(&[("p", &[3, 9])]);
        let why = control.with_rebuild(wanted(&lows, "b")).unwrap_err();
        assert!(why.contains("p partition 1 lost offsets 4 to 9"), "{why}");
        assert!(why.contains("--accept-loss"), "{why}");
        let accepted = Wanted { accept_loss: true, ..wanted(&lows, "b") };
        let (control, _) = control.with_rebuild(accepted).unwrap();
        assert_eq!(control.began[&2]["p"], [3, 4]);
    }

    #[test]
    fn an_unknown_beginning_counts_as_the_first_offset_there_ever_was() {
        let control = Control::first(None, 0);
        let lows = offsets(&[("p", &[0; 9].map(|_| 2))]);
        let why = control.with_rebuild(wanted(&lows, "b")).unwrap_err();
        assert!(why.contains("lost offsets 0 to 2") && why.contains("4 partitions more"), "{why}");
        let nothing_lost = offsets(&[("p", &[0])]);
        assert!(control.with_rebuild(wanted(&nothing_lost, "b")).is_ok());
    }

    #[test]
    fn a_switch_stops_the_old_copies_and_is_done_once() {
        let lows = offsets(&[("p", &[0])]);
        let (control, _) =
            Control::first(Some(lows.clone()), 0).with_rebuild(wanted(&lows, "b")).unwrap();
        let control = control.switched_to(2, 77).unwrap();
        assert_eq!((control.generation, control.since_ms, &control.rebuilding), (2, 77, &None));
        assert!(control.stops(1).unwrap().contains("generation 2 has replaced generation 1"));
        assert_eq!(control.stops(2), None);
        assert_eq!(control.switched_to(2, 78), None);
        // Beginnings do not pile up.
        let mut control = control;
        for n in 3..9 {
            let (next, g) = control.with_rebuild(wanted(&lows, &n.to_string())).unwrap();
            control = next.switched_to(g, n).unwrap();
        }
        assert_eq!(control.began.keys().copied().collect::<Vec<_>>(), [7, 8]);
    }

    #[test]
    fn a_record_of_another_format_is_refused() {
        let mut control = Control::first(None, 0);
        control.format = 2;
        let why = Control::parse(&serde_json::to_vec(&control).unwrap()).unwrap_err();
        assert!(why.contains("format 2"), "{why}");
        assert!(Control::parse(b"1").is_err());
    }

    fn reading(position: i64, end: i64) -> Reading {
        Reading { place: ("p".to_owned(), 3), position, end }
    }

    #[test]
    fn caught_up_is_what_was_there_a_moment_ago() {
        let mut chase = Chase::default();
        assert!(!chase.step(0, &[reading(0, 100), reading(5, 5)]));
        // Far behind: the target is renewed, so that reaching an old one is not enough.
        assert!(!chase.step(20_000, &[reading(50, 200), reading(5, 5)]));
        assert!(!chase.step(21_000, &[reading(120, 210), reading(5, 5)]));
        assert!(chase.step(22_000, &[reading(200, 220), reading(5, 5)]));
        assert!(!Chase::default().step(0, &[]));
    }

    #[test]
    fn a_target_reached_late_is_asked_anew() {
        let mut chase = Chase::default();
        assert!(!chase.step(0, &[reading(0, 100)]));
        assert!(!chase.step(60_000, &[reading(100, 900)]));
        assert!(!chase.step(61_000, &[reading(500, 910)]));
        assert!(chase.step(62_000, &[reading(900, 920)]));
    }

    #[test]
    fn the_lag_is_said_with_its_place() {
        let words = behind(&[reading(5, 5), reading(1, 9)]);
        assert_eq!(words, "8 records behind, 8 of them in p partition 3");
        assert_eq!(behind(&[reading(5, 4)]), "nothing behind");
    }
}
