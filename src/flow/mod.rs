//! Pure delivery: what is decided about records, cycles and blocks on their way.

pub mod carry;
