//! What happens to one customer: profiles, applying events, dues, and the rows that follow. Pure.

pub mod apply;
pub mod compact;
pub mod context;
pub mod credit;
pub mod dues;
pub mod ids;
mod index;
pub mod lifecycle;
pub mod moment;
pub mod profile;
pub mod purchase;
pub mod rows;
pub mod said;
pub mod shard;
pub mod store;
pub mod sum;
pub mod sums;
pub mod support;
pub mod tiers;
pub mod web;
