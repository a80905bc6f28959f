//! What a statement gives back: results whole or in pieces, and the handle of an INSERT that takes its rows.

use super::abi::{InsertPtr, ResultPtr};
use super::{Connection, Engine, EngineError, text};
use std::sync::Arc;

/// Counters of one statement.
#[derive(Debug, Default, Clone, Copy)]
pub struct Stats {
    /// Seconds the statement took.
    pub elapsed_s: f64,
    /// Rows of the result.
    pub result_rows: u64,
    /// Bytes of the result.
    pub result_bytes: u64,
    /// Rows read from tables.
    pub read_rows: u64,
    /// Bytes read from tables.
    pub read_bytes: u64,
    /// Rows written.
    pub written_rows: u64,
    /// Bytes written.
    pub written_bytes: u64,
}

/// A result, or one piece of it: bytes in the format asked for.
pub struct Answer {
    engine: Arc<Engine>,
    result: ResultPtr,
}

impl Answer {
    pub(super) fn new(engine: &Arc<Engine>, result: ResultPtr) -> Result<Answer, EngineError> {
        if result.is_null() {
            return Err(EngineError("the engine returned no result".into()));
        }
        let answer = Answer { engine: engine.clone(), result };
        // SAFETY: the result lives; its error is null or a C string of the same life.
        match unsafe { text((engine.api.result_error)(result)) } {
            Some(error) => Err(EngineError(error)),
            None => Ok(answer),
        }
    }

    /// The bytes.
    pub fn data(&self) -> &[u8] {
        // SAFETY: buffer and length belong together and live as long as the result.
        unsafe {
            let length = (self.engine.api.result_length)(self.result);
            let buffer = (self.engine.api.result_buffer)(self.result);
            if length == 0 || buffer.is_null() {
                return &[];
            }
            std::slice::from_raw_parts(buffer.cast(), length)
        }
    }

    /// The counters so far.
    pub fn stats(&self) -> Stats {
        let (api, result) = (&self.engine.api, self.result);
        // SAFETY: the result lives.
        unsafe {
            Stats {
                elapsed_s: (api.result_elapsed)(result),
                result_rows: (api.result_rows)(result),
                result_bytes: (api.result_bytes)(result),
                read_rows: (api.result_read_rows)(result),
                read_bytes: (api.result_read_bytes)(result),
                written_rows: (api.result_written_rows)(result),
                written_bytes: (api.result_written_bytes)(result),
            }
        }
    }
}

impl Drop for Answer {
    fn drop(&mut self) {
        // SAFETY: ours, destroyed once.
        unsafe { (self.engine.api.destroy_result)(self.result) }
    }
}

/// A result in pieces. Every piece is a whole document of the format: headers repeat.
pub struct Rows<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) cursor: Answer,
    pub(super) ended: bool,
}

impl Rows<'_> {
    /// The next piece, None at the end.
    ///
    /// # Errors
    /// The engine's exception text; close the connection then, the query stays listed until that.
    pub fn next(&mut self) -> Result<Option<Answer>, EngineError> {
        if self.ended {
            return Ok(None);
        }
        self.ended = true;
        let engine = &self.connection.engine;
        // SAFETY: the cursor is of this connection and lives.
        let result =
            unsafe { (engine.api.stream_fetch)(*self.connection.handle, self.cursor.result) };
        if result.is_null() {
            return Ok(None);
        }
        let piece = Answer::new(engine, result)?;
        if piece.data().is_empty() {
            return Ok(None);
        }
        self.ended = false;
        Ok(Some(piece))
    }
}

impl Drop for Rows<'_> {
    fn drop(&mut self) {
        if !self.ended {
            let api = &self.connection.engine.api;
            // SAFETY: the cursor is of this connection and lives.
            unsafe { (api.stream_cancel)(*self.connection.handle, self.cursor.result) }
        }
    }
}

/// An INSERT whose rows are being sent. Dropped before [`Insert::finish`], it is cancelled.
pub struct Insert<'a> {
    pub(super) connection: &'a mut Connection,
    pub(super) handle: InsertPtr,
    pub(super) finished: bool,
}

impl Insert<'_> {
    pub(super) fn error(&self) -> Option<String> {
        // SAFETY: the handle lives; its error is null or a C string of the same life.
        unsafe { text((self.connection.engine.api.insert_error)(self.handle)) }
    }

    /// Sends bytes of the format, cut anywhere; waits while the engine is behind. False when the INSERT has
    /// failed already: [`Insert::finish`] tells why.
    pub fn append(&mut self, data: &[u8]) -> bool {
        // SAFETY: the engine copies the bytes during the call.
        data.is_empty()
            || unsafe {
                (self.connection.engine.api.insert_append)(
                    self.handle,
                    data.as_ptr().cast(),
                    data.len(),
                ) == 0
            }
    }

    /// Ends the data and commits.
    ///
    /// # Errors
    /// The engine's exception text; close the connection then.
    pub fn finish(mut self) -> Result<Stats, EngineError> {
        self.finished = true;
        // SAFETY: the handle lives and is finished once.
        let result = unsafe { (self.connection.engine.api.insert_done)(self.handle) };
        Answer::new(&self.connection.engine, result).map(|answer| answer.stats())
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        let api = &self.connection.engine.api;
        // SAFETY: the handle is ours, cancelled only when not finished, destroyed once.
        unsafe {
            if !self.finished {
                (api.insert_cancel)(self.handle);
            }
            (api.destroy_insert)(self.handle);
        }
    }
}
