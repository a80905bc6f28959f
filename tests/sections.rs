//! The sections of a profile against plain recomputation from the list of events, in any order of arrival.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "sections/care.rs"]
mod care;
#[path = "sections/contact.rs"]
mod contact;
#[path = "sections/credit.rs"]
mod credit;
#[path = "sections/intent.rs"]
mod intent;
#[path = "sections/naive.rs"]
mod naive;
#[path = "support/plans.rs"]
mod plans;
#[path = "support/random.rs"]
mod random;
#[path = "sections/sums.rs"]
mod sums;
#[path = "sections/terms.rs"]
mod terms;
#[path = "sections/visits.rs"]
mod visits;
