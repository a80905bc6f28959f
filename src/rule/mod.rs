//! Alert rules as pure decisions: the language of their conditions, when they hold and when they may change, business
//! hours, and the life of an alert. Knows the signals by name only; where their values come from is the caller's matter.

mod check;
pub mod condition;
pub mod constant;
pub mod evaluate;
mod fault;
pub mod hours;
mod lexer;
mod parser;

pub use check::condition as read_condition;
pub use fault::Fault;
