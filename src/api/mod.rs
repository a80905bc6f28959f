//! The HTTP interface as values: answers, cursors, filters, roles and errors, without a clock and without IO.
//!
//! The shell reads the answers from ClickHouse and sends them as JSON; the page renders the same structs as HTML.

pub mod access;
pub mod answer;
pub mod cursor;
pub mod filter;
pub mod problem;
