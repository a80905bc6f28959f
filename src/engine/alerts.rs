//! What alert rules are told of customers, their tickets, segments and employees: the looks at them, the values of their signals, when time moves
//! these, and the words. Everything that is the same for every subject is `alert/`.

pub mod acts;
mod asked;
mod command;
mod crossings;
mod drift;
mod employee;
mod look;
pub mod market;
pub mod owners;
mod segment;
pub mod told;
pub(super) mod touched;
mod values;
mod words;

pub use crate::alert::command::{DONE, Refused};
pub use asked::Unsaid;
pub use segment::BETWEEN;

use crate::model::registry::{Signal, Subject};

/// Whether it is known how to find the dues of a signal that time moves, of a subject that a pipeline of customers has rules about.
pub fn is_followed(subject: Subject, signal: &Signal) -> bool {
    match subject {
        Subject::Customer | Subject::Ticket => crossings::is_followed(signal),
        Subject::Segment => segment::is_followed(signal),
        Subject::Employee => employee::is_followed(signal),
        Subject::Account => false,
    }
}
