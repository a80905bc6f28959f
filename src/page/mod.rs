//! Pages for people: the answers of the HTTP interface as HTML. Pure: answers in, text out.
//!
//! Every page works without the script, and under [`CONTENT_SECURITY_POLICY`]: no style or script stands in a page.
//! Whatever comes from data is escaped by the template macro; nothing here is marked as safe by hand.

pub mod assets;
mod chart;
pub mod links;

mod account;
mod alert;
mod customer;
mod explanation;
mod frame;
mod icon;
mod lists;
mod marketing;
mod opportunities;
mod parts;
mod pen;
mod pipeline;
mod portfolio;
mod sign_in;
mod timeline;
mod today;
mod trouble;
mod words;

pub use account::account;
pub use alert::{alert, alerts, notice};
pub use customer::customer;
pub use frame::{Asked, CONTENT_SECURITY_POLICY, Frame, Notice};
pub use lists::{accounts, customers};
pub use marketing::marketing;
pub use pipeline::pipeline;
pub use sign_in::{SignIn, sign_in};
pub use today::today;
pub use trouble::{trouble, trouble_before_sign_in};
