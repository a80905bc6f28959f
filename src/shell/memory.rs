//! What the program asks of its allocator beyond memory.
#![allow(unsafe_code)]

use std::ffi::c_long;

use libmimalloc_sys::{mi_option_set, mi_option_t};

/// `mi_option_purge_delay`, which the bindings do not name.
const PURGE_DELAY: mi_option_t = 15;

/// How long freed memory is kept before the system gets it back, milliseconds. A cycle frees what the next one needs again: with
/// the second that is the allocator's default, a tenth of a machine's time went into pages given back and asked for again
/// (docs/performance.md).
const KEPT_MS: c_long = 600_000;

/// Has the allocator keep freed memory for a while. To be called before anything is allocated in earnest.
pub fn keep_freed() {
    // SAFETY: the option is one of mimalloc's list, and any number of milliseconds is allowed
    unsafe { mi_option_set(PURGE_DELAY, KEPT_MS) }
}
