//! Everything that touches the world.

pub mod columns;
pub mod migrate;
pub mod sink;
pub mod views;
