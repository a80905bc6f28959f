//! What happens to one customer: profiles, applying events, dues, and the rows that follow. Pure.

pub mod apply;
pub mod care;
pub mod compact;
pub mod contact;
pub mod context;
pub mod credit;
mod customer_row;
pub mod dues;
pub mod ids;
mod index;
pub mod intent;
pub mod judge;
pub mod lifecycle;
pub mod moment;
pub mod profile;
pub mod purchase;
pub mod rows;
pub mod said;
pub mod service;
pub mod shard;
pub mod store;
pub mod sum;
pub mod sums;
mod take;
pub mod terms;
pub mod tiers;
pub mod web;
