//! Our own outgoing encodings.

pub mod mail;
pub mod rows;
pub mod signals;
