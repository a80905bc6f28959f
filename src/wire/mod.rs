//! Our own outgoing encodings.

pub mod rows;
