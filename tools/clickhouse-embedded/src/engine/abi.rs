//! The functions of the engine's C API as they lie in the library, under names of ours.
//!
//! Declares and looks up symbols; nothing is called here. The signatures are those of chDB's `chdb.h`, 26.7.

use libloading::Library;
use std::ffi::{c_char, c_int, c_void};

/// `chdb_connection`.
pub type ConnectionPtr = *mut c_void;
/// `chdb_result *`.
pub type ResultPtr = *mut c_void;
/// `chdb_insert_stream`.
pub type InsertPtr = *mut c_void;

/// Connection; statement, its length; format, its length; parameter names, their lengths, values, their
/// lengths; number of parameters.
pub type Text<T> = unsafe extern "C" fn(
    ConnectionPtr,
    *const c_char,
    usize,
    *const c_char,
    usize,
    *const *const c_char,
    *const usize,
    *const *const c_char,
    *const usize,
    usize,
) -> T;

type OfResult<T> = unsafe extern "C" fn(ResultPtr) -> T;

/// The C API, resolved. Each field is the function named in [`Api::load`].
pub struct Api {
    pub version: unsafe extern "C" fn() -> *const c_char,
    pub set_signal_handlers_enabled: unsafe extern "C" fn(c_int),
    pub shutdown: unsafe extern "C" fn() -> c_int,
    pub connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut ConnectionPtr,
    pub close_connection: unsafe extern "C" fn(*mut ConnectionPtr),
    pub query: Text<ResultPtr>,
    pub stream_query: Text<ResultPtr>,
    pub stream_fetch: unsafe extern "C" fn(ConnectionPtr, ResultPtr) -> ResultPtr,
    pub stream_cancel: unsafe extern "C" fn(ConnectionPtr, ResultPtr),
    pub stream_insert: Text<InsertPtr>,
    pub insert_append: unsafe extern "C" fn(InsertPtr, *const c_void, usize) -> c_int,
    pub insert_done: unsafe extern "C" fn(InsertPtr) -> ResultPtr,
    pub insert_cancel: unsafe extern "C" fn(InsertPtr),
    pub insert_error: unsafe extern "C" fn(InsertPtr) -> *const c_char,
    pub destroy_insert: unsafe extern "C" fn(InsertPtr),
    pub destroy_result: OfResult<()>,
    pub result_buffer: OfResult<*const c_char>,
    pub result_length: OfResult<usize>,
    pub result_error: OfResult<*const c_char>,
    pub result_elapsed: OfResult<f64>,
    pub result_rows: OfResult<u64>,
    pub result_bytes: OfResult<u64>,
    pub result_read_rows: OfResult<u64>,
    pub result_read_bytes: OfResult<u64>,
    pub result_written_rows: OfResult<u64>,
    pub result_written_bytes: OfResult<u64>,
}

impl Api {
    /// Looks every function up.
    ///
    /// # Errors
    /// Names the function the library lacks.
    pub fn load(library: &Library) -> Result<Api, String> {
        // SAFETY: each name is paired with the type its header declares.
        unsafe {
            Ok(Api {
                version: symbol(library, "chdb_version")?,
                set_signal_handlers_enabled: symbol(library, "chdb_set_signal_handlers_enabled")?,
                shutdown: symbol(library, "chdb_shutdown")?,
                connect: symbol(library, "chdb_connect")?,
                close_connection: symbol(library, "chdb_close_conn")?,
                query: symbol(library, "chdb_query_with_params_n")?,
                stream_query: symbol(library, "chdb_stream_query_with_params_n")?,
                stream_fetch: symbol(library, "chdb_stream_fetch_result")?,
                stream_cancel: symbol(library, "chdb_stream_cancel_query")?,
                stream_insert: symbol(library, "chdb_stream_insert_with_params_n")?,
                insert_append: symbol(library, "chdb_stream_append")?,
                insert_done: symbol(library, "chdb_stream_done")?,
                insert_cancel: symbol(library, "chdb_stream_cancel_insert")?,
                insert_error: symbol(library, "chdb_stream_insert_error")?,
                destroy_insert: symbol(library, "chdb_destroy_insert_stream")?,
                destroy_result: symbol(library, "chdb_destroy_query_result")?,
                result_buffer: symbol(library, "chdb_result_buffer")?,
                result_length: symbol(library, "chdb_result_length")?,
                result_error: symbol(library, "chdb_result_error")?,
                result_elapsed: symbol(library, "chdb_result_elapsed")?,
                result_rows: symbol(library, "chdb_result_rows_read")?,
                result_bytes: symbol(library, "chdb_result_bytes_read")?,
                result_read_rows: symbol(library, "chdb_result_storage_rows_read")?,
                result_read_bytes: symbol(library, "chdb_result_storage_bytes_read")?,
                result_written_rows: symbol(library, "chdb_result_rows_written")?,
                result_written_bytes: symbol(library, "chdb_result_bytes_written")?,
            })
        }
    }
}

/// # Safety
/// `T` is the type of the function `name`.
unsafe fn symbol<T: Copy>(library: &Library, name: &str) -> Result<T, String> {
    // SAFETY: the caller's promise.
    let found = unsafe { library.get::<T>(name) };
    found.map(|function| *function).map_err(|e| format!("the library lacks {name} ({e})"))
}
