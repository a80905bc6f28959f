//! Accounts: what their members have said last, rolled up. A sibling of the engine: it knows words, not events.
//!
//! An account is a function of its members' last words: each is kept as it was said, a state record of its own, and the
//! account is computed from all of them, in the order of their keys, whenever one has changed. So whatever came, in
//! whatever order and however often, the same members make the same account, to the bit.

mod alerts;
pub mod book;
pub mod owners;
pub mod past;
pub mod roll;
pub mod rows;
mod watch;

pub use alerts::is_followed;
