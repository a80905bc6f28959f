//! Asking for memory before it is needed: the lines of what the next events will read, so that their ways to the cache overlap.
//!
//! A plain read would do it too, but a read that waits holds up what comes behind it; asking never waits. Nothing is read, and
//! nothing depends on it: without it everything is the same, and later.
#![allow(unsafe_code)]

/// Bytes of a line of memory.
const LINE_BYTES: usize = 64;

/// Asks for every line that these values lie in.
#[inline]
pub fn fetch<T>(values: &[T]) {
    let bytes = size_of_val(values);
    let first: *const u8 = values.as_ptr().cast();
    for at in (0..bytes).step_by(LINE_BYTES) {
        fetch_line(first.wrapping_add(at));
    }
    // the lines are counted from the first byte, which may lie within one
    if bytes > 0 {
        fetch_line(first.wrapping_add(bytes - 1));
    }
}

/// Asks for every line that a value lies in; not for what it points to.
#[inline]
pub fn fetch_one<T>(value: &T) {
    fetch(std::slice::from_ref(value));
}

#[cfg(target_arch = "x86_64")]
#[inline]
fn fetch_line(at: *const u8) {
    use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
    // SAFETY: a hint; it reads nothing and is allowed for any address
    unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
}

/// Where the language has no such hint yet, nothing is asked for.
#[cfg(not(target_arch = "x86_64"))]
#[inline]
fn fetch_line(_at: *const u8) {}
