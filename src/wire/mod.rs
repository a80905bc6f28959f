//! Our own outgoing encodings.

pub mod rows;
pub mod signals;
