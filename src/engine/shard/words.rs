//! Free texts used as dimensions (channel, region, industry, segment, origin, category, owner) are limited to a number of values per source; the rest is
//! `other`. Which values are kept is decided by the order of the source's own partition, so it cannot depend on what
//! other topics do.

use std::collections::BTreeMap;

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

impl Word {
    /// Beyond the limit.
    pub const OTHER: Self = Self(u16::MAX);
}

/// The values of one dimension of one source.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Values {
    texts: Vec<Box<str>>,
}

/// All dimensions of a shard.
#[derive(Clone, Debug, Default)]
pub struct Words {
    values: BTreeMap<(SourceIndex, Dimension), Values>,
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
        let values = self.values.entry((source, dim)).or_default();
        let found = values.texts.iter().position(|t| **t == *text);
        let at = match found {
            Some(at) => at,
            None if values.texts.len() < max.min(usize::from(u16::MAX) - 1) => {
                values.texts.push(text.into());
                if dim == Dimension::Category {
                    self.categories.insert(category_key(text), text.into());
                }
                self.changed.push((source, dim));
                values.texts.len() - 1
            }
            None => return Word::OTHER,
        };
        Word(at as u16 + 1)
    }

    /// The text of a word.
    pub fn text(&self, source: SourceIndex, dim: Dimension, word: Word) -> &str {
        match word {
            Word(0) => "",
            Word::OTHER => "other",
            Word(n) => self
                .values
                .get(&(source, dim))
                .and_then(|v| v.texts.get(usize::from(n) - 1))
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
            Word::OTHER => "other",
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
        self.values.insert((source, dim), values);
    }

    /// The dimensions that learned something since the last call, each once, with all their values.
    pub fn take_changed(&mut self) -> Vec<((SourceIndex, Dimension), &Values)> {
        let mut changed = std::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed.into_iter().filter_map(|id| self.values.get(&id).map(|v| (id, v))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
