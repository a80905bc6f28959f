//! Runs statements that answer with rows: whole in memory, or streamed while the engine is still reading.

use crate::engine::{Answer, Connection, EngineError, Rows, Stats};
use crate::exception::Exception;
use crate::http::{Server, Statement, reply};
use axum::body::Body;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use bytes::Bytes;
use futures_util::stream;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};
use tokio::task::spawn_blocking;

/// Pieces on their way to the client at most; the engine waits when it is faster.
const PIECES_WAITING: usize = 4;
const TAG_LENGTH: usize = 16;

/// Formats whose pieces can be put one behind another. The others have a head or a foot in every piece.
pub fn can_stream(format: &str) -> bool {
    const FORMATS: [&str; 12] = [
        "CSV",
        "JSONCompactEachRow",
        "JSONEachRow",
        "JSONLines",
        "LineAsString",
        "NDJSON",
        "Native",
        "RowBinary",
        "RowBinaryWithNamesAndTypes",
        "TSV",
        "TSVRaw",
        "TabSeparated",
    ];
    FORMATS.contains(&format)
}

/// Runs the statement to its end, then answers. `changes`: it changes its connection (SET, USE, temporary tables).
///
/// # Errors
/// The statement's exception.
pub async fn whole(
    server: Arc<Server>,
    statement: Statement,
    slot: OwnedSemaphorePermit,
    changes: bool,
) -> Result<Response, Exception> {
    let format = statement.format.clone();
    let job = spawn_blocking(move || {
        let _slot = slot;
        let mut lease = server.pool.lease(&statement.setup, statement.session.as_deref())?;
        let answer = lease.connection().query(&statement.sql, &statement.format, &statement.params);
        let answer = answer.map(|answer| (Bytes::copy_from_slice(answer.data()), answer.stats()));
        lease.keep(changes);
        answer.map_err(Exception::from)
    });
    let (data, stats) = job.await.map_err(Exception::internal)??;
    Ok(reply(&format, &stats, Body::from(data)))
}

/// The beginning of a streamed answer: the first piece, and whether more come.
struct Opening {
    stats: Stats,
    first: Bytes,
    more: bool,
}

/// Runs the statement and sends its rows as they come. An exception before the second piece has a status of its
/// own; a later one ends the rows in the tagged form that clients of ClickHouse 25.11 and newer know.
///
/// # Errors
/// The exceptions before the second piece.
pub async fn streamed(
    server: Arc<Server>,
    statement: Statement,
    slot: OwnedSemaphorePermit,
) -> Result<Response, Exception> {
    let (opening_in, opening) = oneshot::channel();
    let (pieces_in, pieces) = mpsc::channel(PIECES_WAITING);
    let tag: String = std::iter::repeat_with(fastrand::alphanumeric).take(TAG_LENGTH).collect();
    let (format, told_tag) = (statement.format.clone(), tag.clone());
    spawn_blocking(move || {
        let _slot = slot;
        let mut lease = match server.pool.lease(&statement.setup, statement.session.as_deref()) {
            Ok(lease) => lease,
            Err(exception) => return drop(opening_in.send(Err(exception))),
        };
        let sending = Sending { version: &server.version, tag, pieces: pieces_in };
        if sending.run(lease.connection(), &statement, opening_in) {
            lease.keep(false);
        }
    });
    let opening =
        opening.await.map_err(|_| Exception::internal("the thread of the query ended early"))??;
    if !opening.more {
        return Ok(reply(&format, &opening.stats, Body::from(opening.first)));
    }
    let body = stream::unfold((Some(opening.first), pieces), |(first, mut pieces)| async move {
        let piece = match first {
            Some(first) => first,
            None => pieces.recv().await?,
        };
        Some((Ok::<Bytes, Infallible>(piece), (None, pieces)))
    });
    let mut response = reply(&format, &opening.stats, Body::from_stream(body));
    if let Ok(tag) = HeaderValue::from_str(&told_tag) {
        response.headers_mut().insert(HeaderName::from_static("x-clickhouse-exception-tag"), tag);
    }
    Ok(response)
}

/// The blocking side of a streamed answer.
struct Sending<'a> {
    version: &'a str,
    tag: String,
    pieces: mpsc::Sender<Bytes>,
}

impl Sending<'_> {
    /// False when the connection must be closed.
    fn run(
        self,
        connection: &mut Connection,
        statement: &Statement,
        opening: oneshot::Sender<Result<Opening, Exception>>,
    ) -> bool {
        let mut rows = match connection.stream(&statement.sql, &statement.format, &statement.params)
        {
            Ok(rows) => rows,
            Err(error) => {
                let _ = opening.send(Err(error.into()));
                return true;
            }
        };
        let (first, second) = match two(&mut rows) {
            Ok(pieces) => pieces,
            Err(error) => {
                let _ = opening.send(Err(error.into()));
                return false;
            }
        };
        let data = first.as_ref().map_or(&[][..], Answer::data);
        let head = if statement.format == "RowBinaryWithNamesAndTypes" {
            row_binary_head(data)
        } else {
            0
        };
        let head = data[..head].to_vec();
        let told = opening.send(Ok(Opening {
            stats: first.as_ref().map(Answer::stats).unwrap_or_default(),
            first: Bytes::copy_from_slice(data),
            more: second.is_some(),
        }));
        drop(first);
        told.is_ok() && self.rest(rows, second, &head)
    }

    fn rest(&self, mut rows: Rows<'_>, mut next: Option<Answer>, head: &[u8]) -> bool {
        while let Some(piece) = next {
            let data = piece.data();
            let data = data.strip_prefix(head).unwrap_or(data);
            if !data.is_empty() && self.pieces.blocking_send(Bytes::copy_from_slice(data)).is_err()
            {
                return false; // the client went away: the query is cancelled
            }
            next = match rows.next() {
                Ok(next) => next,
                Err(error) => {
                    let trailer = Exception::from(error).trailer(self.version, &self.tag);
                    let _ = self.pieces.blocking_send(trailer.into());
                    return false;
                }
            };
        }
        true
    }
}

/// Two pieces are read before anything is sent: so most exceptions still get a status.
fn two(rows: &mut Rows<'_>) -> Result<(Option<Answer>, Option<Answer>), EngineError> {
    let first = rows.next()?;
    let second = if first.is_some() { rows.next()? } else { None };
    Ok((first, second))
}

/// Length of the head of RowBinaryWithNamesAndTypes: number of columns, their names, their types.
fn row_binary_head(data: &[u8]) -> usize {
    let mut at = 0;
    let columns = varint(data, &mut at);
    for _ in 0..columns.saturating_mul(2) {
        if at >= data.len() {
            break;
        }
        let length = varint(data, &mut at);
        at = at.saturating_add(length);
    }
    at.min(data.len())
}

/// An unsigned LEB128 number.
fn varint(data: &[u8], at: &mut usize) -> usize {
    let mut value = 0;
    for shift in (0..usize::BITS).step_by(7) {
        let Some(&byte) = data.get(*at) else { break };
        *at += 1;
        value |= usize::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_head_ends_behind_the_last_type() {
        assert_eq!(row_binary_head(b"\x02\x01a\x01b\x05UInt8\x06StringROWS"), 18);
    }

    #[test]
    fn a_head_that_is_cut_off_is_taken_whole() {
        for data in [&b"\x02\x01a\x7f"[..], b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", b""] {
            assert!(row_binary_head(data) <= data.len());
        }
    }
}
