//! State records: keys and values of the compacted state topic.
//!
//! The number of the format stands in `meta`; it is raised on purpose. A binary reads its own; from the first release on also the one before
//! (docs/decisions/0013).

use postcard::ser_flavors::Flavor;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine::shard::activity::MinuteKey;
use crate::engine::shard::segments::Grouping;
use crate::engine::shard::words::Dimension;
use crate::model::record::SourceIndex;

/// The format this binary writes.
pub const FORMAT: u32 = 5;

/// What a state record is about. The first byte of the key tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StateKey<'a> {
    /// `m`: where the shard is.
    Meta,
    /// `p` + id: a customer.
    Profile(&'a [u8]),
    /// `b` + minute (8 bytes, big endian) + source: an open minute of activity.
    Minute(MinuteKey),
    /// `s` + hour (8 bytes, big endian) + grouping + value: an open cell of segments.
    Flow(i64, Grouping, &'a str),
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
    /// `o` + shard (2 bytes, big endian) + owner: a shard's largest revenues at risk of an owner, as shard 0 was told; without an
    /// owner whether the shard has told everything.
    AtRisk(u16, &'a str),
    /// `k`: the cut-offs of owners in force.
    OwnerCutOffs,
    /// `v`: the cut-offs of owners that shard 0 has made last.
    OwnersPublished,
    /// `e` + segment: what the shard has counted of it; without a segment up to when it was told.
    Demand(&'a str),
    /// `y` + shard (2 bytes, big endian) + segment: what shard 0 was told of it; without a segment up to when.
    Told(u16, &'a str),
    /// `z` + segment: its alerts, in shard 0; without a segment up to when segments were looked at.
    Segment(&'a str),
    /// `u` + employee: what the shard has counted of it; without an employee up to when it was told.
    Reads(&'a str),
    /// `x` + shard (2 bytes, big endian) + employee: what shard 0 was told of it; without an employee up to when.
    ReadsTold(u16, &'a str),
    /// `i` + employee: its alerts, in shard 0; without an employee up to when employees were looked at.
    Employee(&'a str),
    /// `r` + customer: what people have done about its alerts in the generation before, until it is heard of.
    Acted(&'a str),
    /// `a` + id: an account.
    Account(&'a str),
    /// `n` + source + length of the account's id (2 bytes, big endian) + the id + customer: a member of an account.
    Member(&'a str, SourceIndex, &'a str),
}

impl<'a> StateKey<'a> {
    /// The bytes of the key.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(&mut out);
        out
    }

    /// Appends the bytes of the key.
    pub fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Meta => out.push(b'm'),
            Self::Profile(id) => named(out, b'p', id),
            Self::Minute((minute, source)) => {
                out.push(b'b');
                out.extend_from_slice(&minute.to_be_bytes());
                out.push(*source);
            }
            Self::Flow(hour, grouping, value) => {
                out.push(b's');
                out.extend_from_slice(&hour.to_be_bytes());
                out.push(*grouping as u8);
                out.extend_from_slice(value.as_bytes());
            }
            Self::Words(source, dimension) => {
                out.extend_from_slice(&[b'w', *source, *dimension as u8]);
            }
            Self::Left(word) => named(out, b'l', word),
            Self::Tier(id) => named(out, b't', id),
            Self::CutOffs => out.push(b'c'),
            Self::Population(shard) => {
                out.push(b'h');
                out.extend_from_slice(&shard.to_be_bytes());
            }
            Self::Published => out.push(b'q'),
            Self::AtRisk(shard, owner) => of_shard(out, b'o', *shard, owner),
            Self::OwnerCutOffs => out.push(b'k'),
            Self::Demand(segment) => named(out, b'e', segment.as_bytes()),
            Self::Told(shard, segment) => of_shard(out, b'y', *shard, segment),
            Self::Segment(segment) => named(out, b'z', segment.as_bytes()),
            Self::Reads(employee) => named(out, b'u', employee.as_bytes()),
            Self::ReadsTold(shard, employee) => of_shard(out, b'x', *shard, employee),
            Self::Employee(employee) => named(out, b'i', employee.as_bytes()),
            Self::OwnersPublished => out.push(b'v'),
            Self::Acted(customer) => named(out, b'r', customer.as_bytes()),
            Self::Account(id) => named(out, b'a', id.as_bytes()),
            Self::Member(account, source, customer) => {
                out.extend_from_slice(&[b'n', *source]);
                // no id of the contract is longer than a few hundred bytes
                out.extend_from_slice(&(account.len() as u16).to_be_bytes());
                out.extend_from_slice(account.as_bytes());
                out.extend_from_slice(customer.as_bytes());
            }
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
            (b'o' | b'y' | b'x', [high, low, name @ ..]) => {
                let shard = u16::from_be_bytes([*high, *low]);
                let name = str::from_utf8(name).map_err(|_| unknown())?;
                Ok(match *kind {
                    b'o' => Self::AtRisk(shard, name),
                    b'y' => Self::Told(shard, name),
                    _ => Self::ReadsTold(shard, name),
                })
            }
            (b'e', name) => Ok(Self::Demand(str::from_utf8(name).map_err(|_| unknown())?)),
            (b'z', name) => Ok(Self::Segment(str::from_utf8(name).map_err(|_| unknown())?)),
            (b'u', name) => Ok(Self::Reads(str::from_utf8(name).map_err(|_| unknown())?)),
            (b'i', name) => Ok(Self::Employee(str::from_utf8(name).map_err(|_| unknown())?)),
            (b'r', id) if !id.is_empty() => {
                Ok(Self::Acted(str::from_utf8(id).map_err(|_| unknown())?))
            }
            (b'k', []) => Ok(Self::OwnerCutOffs),
            (b'v', []) => Ok(Self::OwnersPublished),
            (b'b', [minute @ .., source]) => {
                let minute: [u8; 8] = minute.try_into().map_err(|_| unknown())?;
                Ok(Self::Minute((i64::from_be_bytes(minute), *source)))
            }
            (b's', rest) => {
                let (hour, rest) = rest.split_first_chunk().ok_or_else(unknown)?;
                let (grouping, value) = rest.split_first().ok_or_else(unknown)?;
                let grouping = Grouping::from_number(*grouping).ok_or_else(unknown)?;
                let value = str::from_utf8(value).map_err(|_| unknown())?;
                Ok(Self::Flow(i64::from_be_bytes(*hour), grouping, value))
            }
            (b'a', id) if !id.is_empty() => {
                Ok(Self::Account(str::from_utf8(id).map_err(|_| unknown())?))
            }
            (b'n', [source, rest @ ..]) => {
                let (length, rest) = rest.split_first_chunk().ok_or_else(unknown)?;
                let at = usize::from(u16::from_be_bytes(*length));
                let rest = str::from_utf8(rest).map_err(|_| unknown())?;
                let (account, customer) = rest.split_at_checked(at).ok_or_else(unknown)?;
                Ok(Self::Member(account, *source, customer))
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

/// A key of a kind and a name.
fn named(out: &mut Vec<u8>, kind: u8, name: &[u8]) {
    out.push(kind);
    out.extend_from_slice(name);
}

/// A key of a kind, a shard and a name.
fn of_shard(out: &mut Vec<u8>, kind: u8, shard: u16, name: &str) {
    out.push(kind);
    out.extend_from_slice(&shard.to_be_bytes());
    out.extend_from_slice(name.as_bytes());
}

/// Where postcard puts the bytes of a value: behind what is there.
struct Append<'a>(&'a mut Vec<u8>);

impl Flavor for Append<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

/// Appends the value of a record.
pub fn write(value: &impl Serialize, out: &mut Vec<u8>) {
    let before = out.len();
    // writing to memory fails only for types without a serialisation, which a test of each kind would show
    if postcard::serialize_with_flavor(value, Append(out)).is_err() {
        out.truncate(before);
    }
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
