//! What the carrier of rows decides: which blocks may be joined, whether a block is whole, and what to do after an error.
//!
//! Pure: blocks and errors in, decisions out. The driver is `shell/sink.rs`.

use crate::model::table::Table;

/// A block of the outbox with its place, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Block {
    /// Where it belongs.
    pub table: Table,
    /// How many rows it says it has.
    pub count: u32,
    /// `RowBinaryWithNamesAndTypes`, header first.
    pub bytes: Vec<u8>,
    /// Partition of the rows topic.
    pub partition: i32,
    /// Offset in it.
    pub offset: i64,
}

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// No answer, a cut connection, an answer that is not ClickHouse's (a proxy's), or the time-out.
    Unreachable,
    /// ClickHouse answered with an exception; its code decides.
    Exception(u32),
    /// The block is not whole: found here, before anything was sent.
    BrokenBlock,
}

/// Why an insert failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("insert into {}: {message}", .table.name())]
pub struct SinkError {
    /// What kind.
    pub kind: ErrorKind,
    /// Into which table.
    pub table: Table,
    /// What ClickHouse or the network said, cut to [`SinkError::MESSAGE_BYTES_MAX`].
    pub message: String,
}

impl SinkError {
    /// Longest message kept, bytes.
    pub const MESSAGE_BYTES_MAX: usize = 1_000;

    /// An error whose message is cut at a character border.
    pub fn new(kind: ErrorKind, table: Table, message: impl Into<String>) -> Self {
        let mut message = message.into();
        let mut cut = message.len().min(Self::MESSAGE_BYTES_MAX);
        while !message.is_char_boundary(cut) {
            cut -= 1;
        }
        message.truncate(cut);
        Self { kind, table, message }
    }
}

/// The code of a ClickHouse exception in the text of an answer (`Code: 60. DB::Exception: …`).
pub fn exception_code(text: &str) -> Option<u32> {
    let digits = text.split_once("Code: ")?.1;
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    digits.get(..end)?.parse().ok()
}

/// How long to wait between attempts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// Before the second attempt, milliseconds.
    pub first_ms: u64,
    /// At most, milliseconds.
    pub max_ms: u64,
}

impl Default for Backoff {
    fn default() -> Self {
        Self { first_ms: 200, max_ms: 30_000 }
    }
}

impl Backoff {
    /// The wait after attempt number `attempt` (1 = the first): doubled each time, limited, and multiplied by
    /// 0.5 to 1 according to `jitter` in [0, 1), so that copies do not come back together.
    pub fn wait_ms(&self, attempt: u32, jitter: f64) -> u64 {
        let doubled = self.first_ms.saturating_mul(1_u64 << attempt.saturating_sub(1).min(32));
        let limited = doubled.min(self.max_ms) as f64;
        (limited * (0.5 + 0.5 * jitter.clamp(0.0, 1.0))) as u64
    }
}

/// What to do after a failed insert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The same insert again after so many milliseconds.
    RetryAfter {
        /// How long.
        wait_ms: u64,
        /// Whether a person must act (credentials, disk, quota) before it can succeed.
        needs_person: bool,
    },
    /// Insert the two halves apart, to find the block that is refused.
    Split,
    /// Nothing more of this table: the reason. Never skipped, never dropped.
    StopTable(String),
}

/// After how many attempts an exception nobody thought of counts as a refusal.
const UNKNOWN_ATTEMPTS_MAX: u32 = 8;

/// What an exception of ClickHouse says about trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// The server is busy, short of something, or a part of it is away.
    Passing,
    /// A person must change something on the server; the rows are fine.
    Person,
    /// These rows, or this table, will not do.
    Refused,
    /// Not known.
    Unknown,
}

fn verdict(code: u32) -> Verdict {
    match code {
        // UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, IP_ADDRESS_NOT_ALLOWED, ACCESS_DENIED, READONLY,
        // AUTHENTICATION_FAILED, UNKNOWN_ROLE, NOT_ENOUGH_SPACE, QUOTA_EXCEEDED
        192 | 193 | 194 | 195 | 497 | 164 | 516 | 511 | 243 | 201 => Verdict::Person,
        // TIMEOUT_EXCEEDED, TOO_MANY_SIMULTANEOUS_QUERIES, NO_FREE_CONNECTION, SOCKET_TIMEOUT, NETWORK_ERROR,
        // ABORTED, MEMORY_LIMIT_EXCEEDED, TABLE_IS_READ_ONLY, TOO_MANY_PARTS, NO_ZOOKEEPER, ALL_CONNECTION_TRIES_FAILED,
        // TOO_FEW_LIVE_REPLICAS, UNSATISFIED_QUORUM_FOR_PREVIOUS_WRITE, UNKNOWN_STATUS_OF_INSERT,
        // QUERY_WAS_CANCELLED, CANNOT_SCHEDULE_TASK, DEADLOCK_AVOIDED, SERVER_OVERLOADED, KEEPER_EXCEPTION
        159 | 202 | 203 | 209 | 210 | 236 | 241 | 242 | 252 | 225 | 279 | 285 | 286 | 319 | 394
        | 439 | 473 | 745 | 999 => Verdict::Passing,
        // CANNOT_PARSE_*, NOT_FOUND_COLUMN_IN_BLOCK, NO_SUCH_COLUMN_IN_TABLE, CANNOT_READ_ALL_DATA, UNKNOWN_IDENTIFIER,
        // TYPE_MISMATCH, UNKNOWN_TABLE, INCORRECT_DATA, UNKNOWN_DATABASE, VIOLATED_CONSTRAINT, UNKNOWN_TYPE,
        // CANNOT_CONVERT_TYPE, TOO_LARGE_*
        6 | 10 | 16 | 26 | 27 | 33 | 38 | 41 | 47 | 50 | 53 | 60 | 70 | 72 | 81 | 117 | 128
        | 131 | 349 | 469 => Verdict::Refused,
        _ => Verdict::Unknown,
    }
}

/// What to do after attempt number `attempt` (1 = the first) of an insert of `blocks` joined blocks failed.
pub fn decide(
    error: &SinkError,
    blocks: usize,
    attempt: u32,
    backoff: &Backoff,
    jitter: f64,
) -> Decision {
    let retry = |needs_person| Decision::RetryAfter {
        wait_ms: backoff.wait_ms(attempt, jitter),
        needs_person,
    };
    let refuse = || {
        if blocks > 1 { Decision::Split } else { Decision::StopTable(error.to_string()) }
    };
    match error.kind {
        ErrorKind::Unreachable => retry(false),
        ErrorKind::BrokenBlock => refuse(),
        ErrorKind::Exception(code) => match verdict(code) {
            Verdict::Passing => retry(false),
            Verdict::Person => retry(true),
            Verdict::Refused => refuse(),
            Verdict::Unknown if attempt < UNKNOWN_ATTEMPTS_MAX => retry(false),
            Verdict::Unknown => refuse(),
        },
    }
}

/// The blocks of one table as inserts: runs of equal headers, none above `bytes_max` unless one block is.
/// Order is kept. A block without a readable header stands alone: the insert refuses it by name.
pub fn inserts<'a>(blocks: &[&'a Block], bytes_max: usize) -> Vec<Vec<&'a Block>> {
    let mut out: Vec<Vec<&Block>> = Vec::new();
    let mut bytes = 0;
    for &block in blocks {
        let header = header_of(&block.bytes);
        let fits = bytes + block.bytes.len() <= bytes_max;
        match out.last_mut() {
            Some(run)
                if fits
                    && header.is_some()
                    && run.last().is_some_and(|b| header_of(&b.bytes) == header) =>
            {
                run.push(block);
                bytes += block.bytes.len();
            }
            _ => {
                out.push(vec![block]);
                bytes = block.bytes.len();
            }
        }
    }
    out
}

/// The header's bytes; `None` when the block is too short for what it says.
pub fn header_of(bytes: &[u8]) -> Option<&[u8]> {
    let mut cursor = Cursor { bytes, at: 0 };
    let columns = cursor.varint()?;
    for _ in 0..columns.checked_mul(2)? {
        cursor.text()?;
    }
    bytes.get(..cursor.at)
}

/// Walks a block row by row: it must hold exactly `count` rows and end with the last. A block cut short or wrongly
/// joined would otherwise shift every row after it, and still be inserted.
///
/// # Errors
/// Where it breaks, in bytes and rows.
pub fn check_block(bytes: &[u8], count: u32) -> Result<(), String> {
    let mut cursor = Cursor { bytes, at: 0 };
    let types = column_types(&mut cursor)?;
    for row in 0..count {
        for ty in &types {
            cursor.value(*ty).ok_or_else(|| {
                format!("block ends at byte {} within row {row} of {count}", bytes.len())
            })?;
        }
    }
    if cursor.at != bytes.len() {
        let rest = bytes.len() - cursor.at;
        return Err(format!("block has {rest} bytes after its {count} rows"));
    }
    Ok(())
}

/// How many bytes a value takes.
#[derive(Clone, Copy)]
enum Width {
    Fixed(usize),
    Maybe(usize),
    Many(usize),
    /// Texts, each with so many bytes behind it.
    Texts(usize),
    Text,
}

fn column_types(cursor: &mut Cursor<'_>) -> Result<Vec<Width>, String> {
    let cut = || "block is cut within its header".to_owned();
    let columns = cursor.varint().ok_or_else(cut)?;
    for _ in 0..columns {
        cursor.text().ok_or_else(cut)?;
    }
    let mut types = Vec::new();
    for _ in 0..columns {
        let name = cursor.text().ok_or_else(cut)?;
        let name = std::str::from_utf8(name).map_err(|_| "a type name is not text".to_owned())?;
        types.push(width(name).ok_or_else(|| format!("type {name:?} is not one of the tables'"))?);
    }
    if types.is_empty() { Err("block has no columns".to_owned()) } else { Ok(types) }
}

fn width(name: &str) -> Option<Width> {
    let inner = |prefix: &str| name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(')'));
    if let Some(of) = inner("Nullable(") {
        return fixed(of).map(Width::Maybe);
    }
    if let Some(of) = inner("Array(") {
        let is_text = matches!(of, "String" | "LowCardinality(String)");
        return if is_text { Some(Width::Texts(0)) } else { fixed(of).map(Width::Many) };
    }
    if let Some((key, value)) = inner("Map(").and_then(|of| of.split_once(", ")) {
        let value = fixed(value)?;
        return match key {
            "LowCardinality(String)" => Some(Width::Texts(value)),
            _ => fixed(key).map(|key| Width::Many(key + value)),
        };
    }
    match name {
        "String" | "LowCardinality(String)" => Some(Width::Text),
        _ => fixed(name).map(Width::Fixed),
    }
}

fn fixed(name: &str) -> Option<usize> {
    match name {
        "UInt8" => Some(1),
        "UInt16" | "Date" => Some(2),
        "UInt32" => Some(4),
        "UInt64" | "Int64" | "Float64" | "DateTime64(3, 'UTC')" => Some(8),
        _ => None,
    }
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let end = self.at.checked_add(len)?;
        let taken = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(taken)
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = *self.take(1)?.first()?;
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let len = self.varint()?;
        self.take(usize::try_from(len).ok()?)
    }

    fn value(&mut self, width: Width) -> Option<()> {
        match width {
            Width::Fixed(len) => self.take(len)?,
            Width::Text => self.text()?,
            Width::Many(len) => {
                let many = usize::try_from(self.varint()?).ok()?;
                self.take(many.checked_mul(len)?)?
            }
            Width::Texts(len) => {
                for _ in 0..self.varint()? {
                    self.text()?;
                    self.take(len)?;
                }
                &[]
            }
            Width::Maybe(len) => match self.take(1)?.first()? {
                0 => self.take(len)?,
                _ => &[],
            },
        };
        Some(())
    }
}

#[cfg(test)]
mod tests;
