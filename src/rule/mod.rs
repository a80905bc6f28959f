//! Alert rules as pure decisions: the language of their conditions, when they hold and when they may change, business
//! hours, and the life of an alert. Knows the signals by name only; where their values come from is the caller's matter.

pub mod band;
pub mod case;
mod check;
pub mod condition;
pub mod constant;
pub mod daily;
pub mod definition;
pub mod difference;
pub mod evaluate;
mod fault;
pub mod hours;
pub mod junit;
mod lexer;
pub mod lifecycle;
mod parser;
pub mod spoken;
pub mod trial;
pub mod watch;

pub use check::condition as read_condition;
pub use fault::Fault;
