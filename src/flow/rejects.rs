//! The limit on rejects: a bad deploy of a producer must stop the pipeline, not dead-letter everything.

/// Counts rejects of one source in a window and in a row.
#[derive(Clone, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct RejectLimit {
    run: u32,
    seen: u32,
    rejected: u32,
}

impl RejectLimit {
    /// Counts a record; the reason to stop when a limit is exceeded. The share is taken over whole windows.
    pub fn count(
        &mut self,
        rejected: bool,
        percent_max: u32,
        window: u32,
        run_max: u32,
    ) -> Option<String> {
        self.seen += 1;
        self.run = if rejected { self.run + 1 } else { 0 };
        self.rejected += u32::from(rejected);
        if self.run > run_max {
            return Some(format!(
                "{} records in a row were rejected (rejects_run_max = {run_max})",
                self.run
            ));
        }
        if self.seen < window {
            return None;
        }
        let (seen, rejected) = (self.seen, self.rejected);
        (self.seen, self.rejected) = (0, 0);
        (u64::from(rejected) * 100 > u64::from(percent_max) * u64::from(seen)).then(|| {
            format!(
                "{rejected} of {seen} records were rejected (rejects_percent_max = {percent_max})"
            )
        })
    }
}
