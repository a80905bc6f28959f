//! The definition as it was written: TOML values with their places, read key by key. Whatever is wrong is noted and
//! a stand-in returned, so that one reading finds all errors; a plan is made only when nothing was noted.

use std::ops::RangeInclusive;

use serde_spanned::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostic::{Diagnostic, nearest};
use super::notes::{MISSING, Notes, QUOTE_CHARS_MAX};
use super::{scalar, sections};

/// One table of the definition.
pub(super) struct Section<'d> {
    /// How messages call it: `source[1]`; empty for the top.
    pub(super) path: String,
    /// The byte where it begins.
    pub(super) at: usize,
    table: Option<&'d DeTable<'d>>,
}

impl<'d> Section<'d> {
    /// A table; unknown keys in it are noted. `name` is its name in [`keys::KEYS`].
    pub(super) fn open(
        notes: &mut Notes<'_>,
        name: &str,
        path: String,
        at: usize,
        table: &'d DeTable<'d>,
    ) -> Self {
        let section = Self { path, at, table: Some(table) };
        for (key, _) in table.iter() {
            let word = key.get_ref().as_ref();
            let is_section = sections::sections_of(name).iter().any(|(s, _)| *s == word);
            if !is_section && !sections::names_in(name).any(|known| known == word) {
                section.note_unknown(notes, name, word, key.span().start);
            }
        }
        section
    }

    fn note_unknown(&self, notes: &mut Notes<'_>, name: &str, word: &str, at: usize) {
        let quoted: String = word.chars().take(QUOTE_CHARS_MAX).collect();
        let note = notes.error(at, &self.path_of(&quoted), "unknown key");
        let sections = sections::sections_of(name).iter().map(|(section, _)| *section);
        let candidates = sections::names_in(name).chain(sections);
        let meant = if let Some(nearest) = nearest(word, candidates) {
            note.hint(format!("did you mean `{nearest}`?"));
            self.path_of(nearest)
        } else if let Some(home) = sections::home_of(word, name) {
            note.hint(match home {
                "" => "it belongs at the top of the file, above the first [section]".to_owned(),
                _ => format!("it belongs in {}", sections::header_of(home)),
            });
            if home.is_empty() { word.to_owned() } else { format!("{home}.{word}") }
        } else {
            let known: Vec<_> = sections::names_in(name).collect();
            note.hint(format!("the keys here are {}", known.join(", ")));
            return;
        };
        notes.was_meant(meant);
    }

    /// How messages call a key of this section.
    pub(super) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }

    /// Where a key's value stands, or the section where the key is not there.
    pub(super) fn at(&self, key: &str) -> usize {
        self.value(key).map_or(self.at, |value| value.span().start)
    }

    /// Whether the key is there.
    pub(super) fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The keys and values, whatever they are.
    pub(super) fn entries(
        &self,
    ) -> impl Iterator<Item = (&'d str, usize, &'d Spanned<DeValue<'d>>)> {
        let entries = self.table.into_iter().flat_map(|table| table.iter());
        entries.map(|(key, value)| (key.get_ref().as_ref(), key.span().start, value))
    }

    /// The value of a key.
    pub(super) fn value(&self, key: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        let mut entries = self.table?.iter();
        entries.find(|(name, _)| name.get_ref().as_ref() == key).map(|(_, value)| value)
    }

    /// Notes that the value of a key is not what was expected.
    pub(super) fn refuse<'n>(
        &self,
        notes: &'n mut Notes<'_>,
        key: &str,
        expected: impl Into<String>,
    ) -> &'n mut Diagnostic {
        let found = match self.value(key) {
            Some(value) => format!("found {}", notes.quote(value.span())),
            None => MISSING.to_owned(),
        };
        notes.error(self.at(key), &self.path_of(key), &found).expected(expected)
    }

    /// A table below this one; an empty one where it is not there.
    pub(super) fn table(&self, notes: &mut Notes<'_>, name: &str, known_keys: bool) -> Self {
        let absent = Self { path: name.to_owned(), at: self.at, table: None };
        let Some(value) = self.value(name) else {
            return absent;
        };
        let DeValue::Table(table) = value.get_ref() else {
            let header = sections::header_of(name);
            self.refuse(notes, name, format!("a table {header}"))
                .hint(format!("write the header {header} on a line of its own, its keys below"));
            return absent;
        };
        let at = value.span().start;
        if known_keys {
            Self::open(notes, name, name.to_owned(), at, table)
        } else {
            Self { path: name.to_owned(), at, table: Some(table) }
        }
    }

    /// The tables of a list such as `[[source]]`.
    pub(super) fn tables(&self, notes: &mut Notes<'_>, name: &str) -> Vec<Self> {
        self.tables_of(notes, name, true)
    }

    /// The tables of a list, whose keys may be free.
    pub(super) fn tables_of(
        &self,
        notes: &mut Notes<'_>,
        name: &str,
        known_keys: bool,
    ) -> Vec<Self> {
        let Some(value) = self.value(name) else {
            return Vec::new();
        };
        let header = sections::header_of(name);
        let cure = format!("write {header}, in double brackets, above each");
        let DeValue::Array(items) = value.get_ref() else {
            self.refuse(notes, name, format!("a list of tables {header}")).hint(cure);
            return Vec::new();
        };
        let mut sections = Vec::new();
        for (index, item) in items.iter().enumerate() {
            let (path, at) = (self.path_of(&format!("{name}[{index}]")), item.span().start);
            if let DeValue::Table(table) = item.get_ref() {
                sections.push(if known_keys {
                    Self::open(notes, name, path, at, table)
                } else {
                    Self { path, at, table: Some(table) }
                });
            } else {
                let found = format!("found {}", notes.quote(item.span()));
                notes.error(at, &path, &found).expected(format!("a table {header}")).hint(&*cure);
            }
        }
        sections
    }

    /// A text, or nothing where the key is not there (without a note) or not a text (with one).
    pub(super) fn text(&self, notes: &mut Notes<'_>, key: &str, expected: &str) -> Option<&'d str> {
        match self.value(key)?.get_ref() {
            DeValue::String(text) => Some(text.as_ref()),
            other => {
                let plain =
                    matches!(other, DeValue::Integer(_) | DeValue::Float(_) | DeValue::Boolean(_));
                let note = self.refuse(notes, key, expected);
                if plain {
                    note.hint("put it in double quotes");
                }
                None
            }
        }
    }

    /// A text that must be there.
    pub(super) fn required(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        expected: &str,
    ) -> Option<&'d str> {
        if !self.has(key) {
            self.refuse(notes, key, expected).hint(format!("add `{key} = \"…\"`"));
            return None;
        }
        self.text(notes, key, expected)
    }

    /// One of a few words; nothing where the key is not there.
    pub(super) fn word<T: Copy>(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        words: &[(&str, T)],
    ) -> Option<T> {
        let names: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let expected = format!("one of {}", names.join(", "));
        let text = self.text(notes, key, &expected)?;
        let found = words.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() {
            self.refuse(notes, key, expected).did_you_mean(text, names);
        }
        found
    }

    /// Milliseconds of a duration between bounds.
    pub(super) fn duration_ms(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        bounds: RangeInclusive<i64>,
        default_ms: i64,
    ) -> i64 {
        const EXAMPLE: &str = "a duration such as \"10m\"";
        if let Some(DeValue::Integer(number)) = self.value(key).map(Spanned::get_ref) {
            let hint =
                format!("add a unit: \"{0}s\", \"{0}m\", \"{0}h\" or \"{0}d\"", number.as_str());
            self.refuse(notes, key, EXAMPLE).hint(hint);
            return default_ms;
        }
        let Some(text) = self.text(notes, key, EXAMPLE) else {
            return default_ms;
        };
        match scalar::duration_ms(text) {
            Ok(ms) if bounds.contains(&ms) => ms,
            Ok(ms) => {
                let [low, high] = [*bounds.start(), *bounds.end()].map(scalar::duration_text);
                let nearest = if ms < *bounds.start() { &low } else { &high };
                self.refuse(notes, key, format!("a duration from {low} to {high}"))
                    .hint(format!("the nearest allowed value is \"{nearest}\""));
                default_ms
            }
            Err(hint) => {
                self.refuse(notes, key, EXAMPLE).hint(hint);
                default_ms
            }
        }
    }

    /// A whole number between bounds.
    pub(super) fn count(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        bounds: RangeInclusive<u32>,
        default: u32,
    ) -> u32 {
        let Some(value) = self.value(key) else {
            return default;
        };
        if let DeValue::Integer(number) = value.get_ref()
            && let Ok(number) = u32::from_str_radix(number.as_str(), number.radix())
            && bounds.contains(&number)
        {
            return number;
        }
        let expected = format!("a whole number from {} to {}", bounds.start(), bounds.end());
        self.refuse(notes, key, expected).hint(format!("the default is {default}"));
        default
    }

    /// A finite number that `allowed` lets pass, described by `expected`; nothing where the key is not there.
    pub(super) fn number(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        expected: &str,
        allowed: impl Fn(f64) -> bool,
    ) -> Option<f64> {
        let written = match self.value(key)?.get_ref() {
            DeValue::Float(number) => Some(number.as_str()),
            DeValue::Integer(number) if number.radix() == 10 => Some(number.as_str()),
            _ => None,
        };
        let number = written.and_then(|text| text.parse::<f64>().ok());
        let number = number.filter(|number| number.is_finite() && allowed(*number));
        if number.is_none() {
            let is_text = matches!(self.value(key).map(Spanned::get_ref), Some(DeValue::String(_)));
            // People write 80 (percent) where a share is wanted.
            let parsed = written.and_then(|text| text.parse::<f64>().ok());
            let share = parsed.filter(|number| (2.0..100.0).contains(number)).map(|n| n / 100.0);
            let note = self.refuse(notes, key, expected);
            if is_text {
                note.hint("write the number without quotes");
            } else if let Some(share) = share.filter(|share| allowed(*share)) {
                note.hint(format!("as a share: {share}"));
            }
        }
        number
    }

    /// A list of texts, each between 1 and `length_max` bytes, at most `count_max` of them, at least one.
    pub(super) fn texts(
        &self,
        notes: &mut Notes<'_>,
        key: &str,
        length_max: usize,
        count_max: usize,
    ) -> Option<Vec<String>> {
        let expected = format!(
            "a list of 1 to {count_max} texts of 1 to {length_max} bytes, as in [\"test-\"]"
        );
        let DeValue::Array(items) = self.value(key)?.get_ref() else {
            self.refuse(notes, key, expected).hint("put the text in brackets");
            return None;
        };
        let mut texts = Vec::new();
        for (index, item) in items.iter().enumerate().take(count_max) {
            match item.get_ref() {
                DeValue::String(text) if (1..=length_max).contains(&text.len()) => {
                    texts.push(text.as_ref().to_owned());
                }
                _ => {
                    let found = format!("found {}", notes.quote(item.span()));
                    let path = self.path_of(&format!("{key}[{index}]"));
                    notes
                        .error(item.span().start, &path, &found)
                        .expected(format!("a text of 1 to {length_max} bytes"));
                }
            }
        }
        if items.is_empty() || items.len() > count_max {
            self.refuse(notes, key, expected)
                .hint("an empty list would match nothing: leave the rule out");
        }
        Some(texts)
    }
}
