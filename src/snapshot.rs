//! State records: keys and values of the compacted state topic.
//!
//! The number of the format stands in `meta`; it is raised on purpose, and a binary reads its own and the one before.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::shard::activity::MinuteKey;
use crate::engine::shard::words::Dimension;
use crate::model::record::SourceIndex;

/// The format this binary writes.
pub const FORMAT: u32 = 2;

/// What a state record is about. The first byte of the key tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateKey<'a> {
    /// `m`: where the shard is.
    Meta,
    /// `p` + id: a customer.
    Profile(&'a [u8]),
    /// `b` + minute (8 bytes, big endian) + source: an open minute of activity.
    Minute(MinuteKey),
    /// `w` + source + dimension: the values of a dimension.
    Words(SourceIndex, Dimension),
    /// `l` + the key of a word of the signals topic: a `left` that will be deleted.
    Left(&'a [u8]),
    /// `t` + id: the tier of a customer.
    Tier(&'a [u8]),
    /// `c`: the cut-offs of tiers in force.
    CutOffs,
    /// `h` + shard (2 bytes, big endian): how many of a shard's customers have which value, as shard 0 was told.
    Population(u16),
    /// `q`: the cut-offs that shard 0 has made last.
    Published,
}

impl<'a> StateKey<'a> {
    /// The bytes of the key.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Meta => vec![b'm'],
            Self::Profile(id) => [b"p", *id].concat(),
            Self::Minute((minute, source)) => {
                let mut key = vec![b'b'];
                key.extend_from_slice(&minute.to_be_bytes());
                key.push(*source);
                key
            }
            Self::Words(source, dimension) => vec![b'w', *source, *dimension as u8],
            Self::Left(word) => [b"l", *word].concat(),
            Self::Tier(id) => [b"t", *id].concat(),
            Self::CutOffs => vec![b'c'],
            Self::Population(shard) => [&b"h"[..], &shard.to_be_bytes()].concat(),
            Self::Published => vec![b'q'],
        }
    }

    /// Reads the bytes of a key.
    ///
    /// # Errors
    /// A message when the key is of a kind that this binary does not know.
    pub fn decode(key: &'a [u8]) -> Result<Self, String> {
        let unknown =
            || format!("state record with unknown key {:?}", key.escape_ascii().to_string());
        let (kind, rest) = key.split_first().ok_or_else(unknown)?;
        match (kind, rest) {
            (b'm', []) => Ok(Self::Meta),
            (b'p', id) if !id.is_empty() => Ok(Self::Profile(id)),
            (b'l', word) if !word.is_empty() => Ok(Self::Left(word)),
            (b't', id) if !id.is_empty() => Ok(Self::Tier(id)),
            (b'c', []) => Ok(Self::CutOffs),
            (b'h', [high, low]) => Ok(Self::Population(u16::from_be_bytes([*high, *low]))),
            (b'q', []) => Ok(Self::Published),
            (b'b', [minute @ .., source]) => {
                let minute: [u8; 8] = minute.try_into().map_err(|_| unknown())?;
                Ok(Self::Minute((i64::from_be_bytes(minute), *source)))
            }
            (b'w', [source, dimension]) => {
                let dimension = Dimension::ALL
                    .into_iter()
                    .find(|d| *d as u8 == *dimension)
                    .ok_or_else(unknown)?;
                Ok(Self::Words(*source, dimension))
            }
            _ => Err(unknown()),
        }
    }
}

/// Appends the value of a record.
pub fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    let buffer = std::mem::take(out);
    // writing to memory fails only for types without a serialisation, which a test of each kind would show
    *out = postcard::to_extend(value, buffer).unwrap_or_default();
}

/// Reads the value of a record.
///
/// # Errors
/// A message that names the kind and what postcard found.
pub fn read<T: DeserializeOwned>(what: &str, value: &[u8]) -> Result<T, String> {
    postcard::from_bytes(value).map_err(|error| {
        format!("state record of {what} cannot be read ({error}); use the binary that wrote it, or build anew from the sources: retain run --rebuild FILE")
    })
}
