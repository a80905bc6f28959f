//! Our own outgoing encodings.

pub mod alert;
pub mod mail;
pub mod rows;
pub mod signals;
