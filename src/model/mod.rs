//! Words shared by every layer: time, money, events, outcomes, tables and the signal registry.

pub mod batch;
pub mod effects;
pub mod event;
pub mod money;
pub mod nearest;
pub mod outcome;
pub mod partition;
pub mod record;
pub mod registry;
pub mod table;
pub mod time;
