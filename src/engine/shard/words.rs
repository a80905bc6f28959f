//! Free texts used as dimensions (channel, region, industry, segment, origin, category, owner) are limited to a number of values per source; the rest is
//! `other`. Which values are kept is decided by the order of the source's own partition, so it cannot depend on what
//! other topics do.

use std::collections::BTreeMap;

use xxhash_rust::xxh3::xxh3_64;

use crate::engine::index::Index;
use crate::engine::intent::category_key;
use crate::model::record::SourceIndex;

/// Which dimension.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize,
)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum Dimension {
    Channel,
    Region,
    Industry,
    Segment,
    Origin,
    Category,
    Owner,
}

impl Dimension {
    /// Every dimension.
    pub const ALL: [Self; 7] = [
        Self::Channel,
        Self::Region,
        Self::Industry,
        Self::Segment,
        Self::Origin,
        Self::Category,
        Self::Owner,
    ];
}

/// A value of a dimension: 0 is "none", [`Word::OTHER`] is "other".
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
pub struct Word(pub u16);

/// The text of all values beyond the limit.
pub const OTHER: &str = "other";

impl Word {
    /// Beyond the limit.
    pub const OTHER: Self = Self(u16::MAX);
}

/// The values of one dimension of one source.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Values {
    texts: Vec<Box<str>>,
}

/// Values, and where each is found: looked for with every event that names one.
#[derive(Debug, Default)]
struct Known {
    values: Values,
    index: Index,
}

impl Known {
    fn find(&self, text: &[u8], hash: u64) -> Option<usize> {
        let known = |at: &usize| self.values.texts.get(*at).map(|known| known.as_bytes());
        let mut at = self.index.candidates(hash).map(|at| at as usize);
        at.find(|at| known(at) == Some(text))
    }

    fn add(&mut self, text: &str, hash: u64) -> usize {
        let at = self.values.texts.len();
        self.values.texts.push(text.into());
        self.index.insert(hash, at as u32);
        at
    }
}

impl From<Values> for Known {
    fn from(values: Values) -> Self {
        let mut known = Self::default();
        for text in &values.texts {
            known.add(text, xxh3_64(text.as_bytes()));
        }
        known
    }
}

/// Where the values of a dimension of a source stand.
fn place(source: SourceIndex, dim: Dimension) -> usize {
    usize::from(source) * Dimension::ALL.len() + dim as usize
}

/// All dimensions of a shard.
#[derive(Debug, Default)]
pub struct Words {
    /// By source and dimension, see [`place`].
    values: Vec<Known>,
    changed: Vec<(SourceIndex, Dimension)>,
    /// Texts of categories by what profiles keep of them; follows from the values.
    categories: BTreeMap<u32, Box<str>>,
}

impl Words {
    /// The word of a text, learned if there is room.
    pub fn learn(&mut self, source: SourceIndex, dim: Dimension, text: &str, max: usize) -> Word {
        if text.is_empty() {
            return Word::default();
        }
        // one word for one text: a producer's own "other" and what is beyond the limit share their rows
        if text == "other" {
            return Word::OTHER;
        }
        let place = place(source, dim);
        if self.values.len() <= place {
            self.values.resize_with(place + 1, Known::default);
        }
        let known = &mut self.values[place];
        let hash = xxh3_64(text.as_bytes());
        let at = match known.find(text.as_bytes(), hash) {
            Some(at) => at,
            None if known.values.texts.len() < max.min(usize::from(u16::MAX) - 1) => {
                let at = known.add(text, hash);
                if dim == Dimension::Category {
                    self.categories.insert(category_key(text), text.into());
                }
                self.changed.push((source, dim));
                at
            }
            None => return Word::OTHER,
        };
        Word(at as u16 + 1)
    }

    /// The key of a category that is known already; most are.
    pub fn known_category(&self, source: SourceIndex, text: &[u8]) -> Option<u32> {
        let known = self.values.get(place(source, Dimension::Category))?;
        let hash = xxh3_64(text);
        known.find(text, hash).map(|_| hash as u32)
    }

    /// The text of a word.
    pub fn text(&self, source: SourceIndex, dim: Dimension, word: Word) -> &str {
        match word {
            Word(0) => "",
            Word::OTHER => OTHER,
            Word(n) => self
                .values
                .get(place(source, dim))
                .and_then(|known| known.values.texts.get(usize::from(n) - 1))
                .map_or("other", |t| t),
        }
    }

    /// Learns a text and gives back what stands for it: itself, `other`, or nothing.
    pub fn limited<'a>(
        &mut self,
        source: SourceIndex,
        dim: Dimension,
        text: &'a str,
        max: usize,
    ) -> &'a str {
        match self.learn(source, dim, text, max) {
            Word(0) => "",
            Word::OTHER => OTHER,
            _ => text,
        }
    }

    /// The text of a category that profiles keep as its key; `other` when it was beyond the limit.
    pub fn category(&self, key: u32) -> &str {
        self.categories.get(&key).map_or("other", |text| text)
    }

    /// Puts values back that a state record held.
    pub fn restore(&mut self, source: SourceIndex, dim: Dimension, values: Values) {
        if dim == Dimension::Category {
            let texts = values.texts.iter().map(|text| (category_key(text), text.clone()));
            self.categories.extend(texts);
        }
        let place = place(source, dim);
        if self.values.len() <= place {
            self.values.resize_with(place + 1, Known::default);
        }
        self.values[place] = values.into();
    }

    /// The dimensions that learned something since the last call, each once, with all their values.
    pub fn take_changed(&mut self) -> Vec<((SourceIndex, Dimension), &Values)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
            .into_iter()
            .filter_map(|id| self.values.get(place(id.0, id.1)).map(|known| (id, &known.values)))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_texts_are_found_again_also_after_a_restart() {
        let text = |n: u32| format!("value {n}");
        let mut words = Words::default();
        let learn = |words: &mut Words, n: u32| words.learn(2, Dimension::Region, &text(n), 5_000);
        let first: Vec<Word> = (0..5_000).map(|n| learn(&mut words, n)).collect();
        assert_eq!(learn(&mut words, 5_000), Word::OTHER);
        let held = words.take_changed().first().map(|(_, values)| (*values).clone());
        let mut again = Words::default();
        again.restore(2, Dimension::Region, held.unwrap_or_default());
        for (n, word) in (0..).zip(first) {
            assert_eq!([learn(&mut words, n), learn(&mut again, n)], [word, word]);
            assert_eq!(again.text(2, Dimension::Region, word), text(n));
        }
        assert!(words.take_changed().is_empty() && again.take_changed().is_empty());
    }

    #[test]
    fn one_text_has_one_word() {
        let mut words = Words::default();
        let mut learn = |text| words.learn(0, Dimension::Channel, text, 2);
        let [shop, app] = ["shop", "app"].map(&mut learn);
        assert_eq!([learn("shop"), learn(""), learn("fax")], [shop, Word::default(), Word::OTHER]);
        // a producer's own "other" would else be a second row with the same key
        assert_eq!(learn("other"), Word::OTHER);
        assert_ne!(shop, app);
        assert_eq!(words.text(0, Dimension::Channel, shop), "shop");
        assert_eq!(words.text(0, Dimension::Channel, Word::OTHER), "other");
    }
}
