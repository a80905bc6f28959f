//! The API on the real engine: each address with data, without, asked wrong, and by who may not; every answer is held
//! against the description that is served.
#![cfg(feature = "io")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "api/acts.rs"]
mod acts;
#[path = "api/alerts.rs"]
mod alerts;
#[path = "support/carried.rs"]
mod carried;
#[path = "api/description.rs"]
mod description;
#[path = "api/desk.rs"]
mod desk;
#[path = "support/engine.rs"]
mod engine;
#[path = "api/lists.rs"]
mod lists;
#[path = "api/pages.rs"]
mod pages;
#[path = "api/refusals.rs"]
mod refusals;
#[path = "support/stories.rs"]
mod stories;
#[path = "api/subjects.rs"]
mod subjects;
