//! The questions to ClickHouse, by subject: from views to answers.

pub mod accounts;
pub mod alerts;
pub mod customers;
pub mod explain;
pub mod marketing;
pub mod pipeline;
pub mod segments;
mod sources;
pub mod today;

/// Phases of alerts that are raised and not ended.
const OPEN: &str = "('firing', 'acknowledged', 'snoozed')";

/// Severities from harmless on: their places are what they are sorted by.
const SEVERITIES: &str = "['info', 'low', 'medium', 'high', 'critical']";

/// Most rows that stand beside a subject.
const ALERTS_MAX: u32 = 50;
const HAPPENINGS_MAX: u32 = 100;
const DAYS_MAX: u32 = 400;
