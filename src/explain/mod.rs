//! Why a customer's scores are what they are, told from the events that are still held: contributions, the events behind
//! each, what would cross the next band, what changed since an earlier moment, and what can no longer be known. Pure.
//!
//! The events are applied again by the engine itself ([`crate::engine::fold`]) and judged by its own `judge`; nothing here
//! computes a signal. What an event is worth is told by leaving it out: the same events without it, judged at the same
//! moment. That is exact for each event alone; two events that only count together share nothing, so the effects of the
//! events need not add up to the contribution.

mod answer;
mod check;
mod crossing;
mod effects;
mod happened;
mod input;
mod note;
mod replay;
pub mod report;
mod since;
pub mod text;
mod which;
mod words;

pub use answer::explain;
pub use input::{Asked, ExplainError, Held, Reading, Stored};
pub use report::Explanation;
