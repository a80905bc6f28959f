//! Binding to the engine's C API, opened with dlopen: connections, queries, streamed results, streamed inserts.
//!
//! This module alone has `unsafe`. What it relies on: a connection runs one call at a time (`&mut` here, a mutex
//! inside), any thread may make it, a result stays valid until it is destroyed, and the library is never closed.
#![allow(unsafe_code)]

mod abi;
mod answer;

use abi::{Api, ConnectionPtr, Text};
pub use answer::{Answer, Insert, Rows, Stats};
use std::ffi::{CStr, CString, c_char, c_int};
use std::fmt;
use std::mem::ManuallyDrop;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the engine, or the way to it, had to say against a call.
#[derive(Debug)]
pub struct EngineError(pub String);

impl fmt::Display for EngineError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The loaded library.
pub struct Engine {
    api: Api,
    /// Connections that are open now. The process must not leave by `exit` while there is one.
    open: AtomicUsize,
    /// Never closed: the engine owns threads and thread-local data that outlive any call.
    _library: ManuallyDrop<libloading::Library>,
}

impl Engine {
    /// Opens the library at `path`.
    ///
    /// # Errors
    /// When the file cannot be loaded, or is older than 26.7 and so lacks streamed inserts.
    pub fn load(path: &Path) -> Result<Arc<Engine>, EngineError> {
        // SAFETY: the library's initialisers ask nothing of us.
        let library = unsafe { libloading::Library::new(path) }
            .map_err(|e| EngineError(format!("cannot load the engine {}: {e}", path.display())))?;
        let library = ManuallyDrop::new(library);
        let api = Api::load(&library).map_err(|e| {
            EngineError(format!("{}: {e}; libchdb 26.7 or newer is needed", path.display()))
        })?;
        // SAFETY: allowed before the first connection. Signals are this process's own business.
        unsafe { (api.set_signal_handlers_enabled)(0) };
        Ok(Arc::new(Engine { api, open: AtomicUsize::new(0), _library: library }))
    }

    /// The library's version, as "26.7.3".
    pub fn version(&self) -> String {
        // SAFETY: returns a static string.
        unsafe { text((self.api.version)()) }.unwrap_or_default()
    }

    /// Connections that are open now.
    pub fn open_connections(&self) -> usize {
        self.open.load(Ordering::SeqCst)
    }

    /// Opens a connection with arguments like `--path=DIR` and `--<setting>=<value>`; one path per process.
    ///
    /// # Errors
    /// The C API gives no reason: the folder is locked by another process, or an argument is bad.
    pub fn connect(self: &Arc<Self>, args: &[String]) -> Result<Connection, EngineError> {
        let args: Vec<CString> = std::iter::once("clickhouse-embedded")
            .chain(args.iter().map(String::as_str))
            .map(|s| CString::new(s).map_err(|e| EngineError(format!("argument {s:?}: {e}"))))
            .collect::<Result<_, _>>()?;
        let mut argv: Vec<*mut c_char> = args.iter().map(|s| s.as_ptr().cast_mut()).collect();
        let argc = c_int::try_from(argv.len()).map_err(|e| EngineError(e.to_string()))?;
        // SAFETY: argv holds argc valid C strings, which the engine copies.
        let handle = unsafe { (self.api.connect)(argc, argv.as_mut_ptr()) };
        // SAFETY: a handle that is not null points to the connection.
        if handle.is_null() || unsafe { (*handle).is_null() } {
            return Err(EngineError(format!(
                "the engine gave no connection for {args:?}: another process has the folder open, \
                 or an engine option is bad"
            )));
        }
        self.open.fetch_add(1, Ordering::SeqCst);
        Ok(Connection { engine: self.clone(), handle })
    }

    /// Joins the engine's threads; every connection must be closed. False when the engine objects (it does
    /// with MergeTree tables; nothing is lost by it).
    pub fn shutdown(&self) -> bool {
        // SAFETY: no connection is open, so nothing of ours runs inside.
        self.open_connections() == 0 && unsafe { (self.api.shutdown)() == 0 }
    }
}

/// Ends the process without exit handlers: the engine's own crash while a connection is open (and a
/// query may still run when the deadline of a stop is over).
pub fn exit_now(code: i32) -> ! {
    unsafe extern "C" {
        fn _exit(code: c_int) -> !;
    }
    // SAFETY: takes no memory of ours and does not return.
    unsafe { _exit(code) }
}

/// # Safety
/// The pointer is null or a C string that lives during the call.
unsafe fn text(pointer: *const c_char) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: not null, and the caller's promise.
    let text = unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned();
    (!text.is_empty()).then_some(text)
}

/// Names and values of query parameters (`{name:Type}`).
pub type Params = [(String, String)];

/// Parameters as the C API takes them: four arrays of one length.
struct ParamArrays {
    names: Vec<*const c_char>,
    name_lens: Vec<usize>,
    values: Vec<*const c_char>,
    value_lens: Vec<usize>,
}

impl ParamArrays {
    fn new(params: &Params) -> Self {
        ParamArrays {
            names: params.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lens: params.iter().map(|(name, _)| name.len()).collect(),
            values: params.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lens: params.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// Calls one of the three functions that take a statement, a format and parameters.
///
/// # Safety
/// `call` and the connection are of one living engine.
unsafe fn start<T>(
    call: Text<T>,
    connection: &Connection,
    sql: &str,
    format: &str,
    params: &Params,
) -> T {
    let p = ParamArrays::new(params);
    // SAFETY: all pointers are to `sql`, `format`, `params` and `p`, which outlive the call.
    unsafe {
        call(
            *connection.handle,
            sql.as_ptr().cast(),
            sql.len(),
            format.as_ptr().cast(),
            format.len(),
            p.names.as_ptr(),
            p.name_lens.as_ptr(),
            p.values.as_ptr(),
            p.value_lens.as_ptr(),
            params.len(),
        )
    }
}

/// One open connection; it runs one statement at a time. Several of them run in parallel.
pub struct Connection {
    engine: Arc<Engine>,
    handle: *mut ConnectionPtr,
}

// SAFETY: the engine lets any thread use a connection and serialises the calls.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: ours and open; nothing that borrows it is alive.
        unsafe { (self.engine.api.close_connection)(self.handle) }
        self.engine.open.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Connection {
    /// Runs a statement and returns its whole result. Never put the data of an INSERT into `sql`: the engine
    /// ends them at the first empty line; use [`Connection::insert`].
    ///
    /// # Errors
    /// The engine's exception text.
    pub fn query(
        &mut self,
        sql: &str,
        format: &str,
        params: &Params,
    ) -> Result<Answer, EngineError> {
        let api = &self.engine.api;
        // SAFETY: one engine.
        let result = unsafe { start(api.query, self, sql, format, params) };
        Answer::new(&self.engine, result)
    }

    /// Runs a statement and returns its result piece by piece.
    ///
    /// # Errors
    /// The engine's exception text; the connection can be used again.
    pub fn stream(
        &mut self,
        sql: &str,
        format: &str,
        params: &Params,
    ) -> Result<Rows<'_>, EngineError> {
        let api = &self.engine.api;
        // SAFETY: one engine.
        let result = unsafe { start(api.stream_query, self, sql, format, params) };
        let cursor = Answer::new(&self.engine, result)?;
        Ok(Rows { connection: self, cursor, ended: false })
    }

    /// Begins an INSERT whose rows follow. `sql` has neither a FORMAT clause nor data.
    ///
    /// # Errors
    /// The engine's exception text (unknown table, bad format); close the connection then.
    pub fn insert(
        &mut self,
        sql: &str,
        format: &str,
        params: &Params,
    ) -> Result<Insert<'_>, EngineError> {
        let api = &self.engine.api;
        // SAFETY: one engine.
        let handle = unsafe { start(api.stream_insert, self, sql, format, params) };
        if handle.is_null() {
            return Err(EngineError("the engine began no insert".into()));
        }
        let insert = Insert { connection: self, handle, finished: false };
        match insert.error() {
            Some(error) => Err(EngineError(error)),
            None => Ok(insert),
        }
    }
}
