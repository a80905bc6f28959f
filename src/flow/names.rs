//! The names of everything a pipeline owns in Kafka: topics, groups, the transactional id.

/// Names of one generation of a pipeline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// The pipeline's name.
    pub pipeline: String,
    /// The generation.
    pub generation: u32,
}

impl Names {
    /// Names of generation `generation` of `pipeline`.
    pub fn new(pipeline: &str, generation: u32) -> Self {
        Self { pipeline: pipeline.to_owned(), generation }
    }

    fn own(&self, what: &str) -> String {
        format!("{}.g{}.{what}", self.pipeline, self.generation)
    }

    /// All topics of a generation.
    pub fn all(&self) -> [String; 7] {
        [
            self.state(),
            self.mail(),
            self.rows(),
            self.signals(),
            self.alerts(),
            self.notified(),
            self.undelivered(),
        ]
    }

    /// The state topic (compacted): what a shard remembers.
    pub fn state(&self) -> String {
        self.own("state")
    }

    /// What one shard tells another.
    pub fn mail(&self) -> String {
        self.own("mail")
    }

    /// The outbox of rows for ClickHouse.
    pub fn rows(&self) -> String {
        self.own("rows")
    }

    /// Changed signals for the next stage (compacted).
    pub fn signals(&self) -> String {
        self.own("signals")
    }

    /// Alert transitions (compacted).
    pub fn alerts(&self) -> String {
        self.own("alerts")
    }

    /// What the notifier has sent (compacted).
    pub fn notified(&self) -> String {
        self.own("notified")
    }

    /// Letters that a receiver refused for good.
    pub fn undelivered(&self) -> String {
        self.own("undelivered")
    }

    /// The consumer group of a receiver.
    pub fn notify_group(&self, receiver: &str) -> String {
        self.own(&format!("notify.{receiver}"))
    }

    /// The dead-letter topic of a source topic.
    pub fn dead_letters(source_topic: &str) -> String {
        format!("{source_topic}.dlq")
    }

    /// The consumer group that owns the shards.
    pub fn group(&self) -> String {
        format!("{}.g{}", self.pipeline, self.generation)
    }

    /// The consumer group of the carrier of rows.
    pub fn sink_group(&self) -> String {
        self.own("sink")
    }

    /// The topic that says which generation is the current one (compacted, one partition): the same for all of them.
    pub fn control(&self) -> String {
        format!("{}.control", self.pipeline)
    }

    /// The transactional id of whoever changes the control topic: one at a time.
    pub fn control_id(&self) -> String {
        format!("{}/control", self.pipeline)
    }

    /// The transactional id of one copy.
    pub fn transactional_id(&self, instance: &str) -> String {
        format!("{}/g{}/{instance}", self.pipeline, self.generation)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_carry_pipeline_and_generation() {
        let names = Names::new("customers", 3);
        assert_eq!(names.group(), "customers.g3");
        assert_eq!(names.state(), "customers.g3.state");
        assert_eq!(names.sink_group(), "customers.g3.sink");
        assert_eq!(names.control(), "customers.control");
        assert_eq!(names.transactional_id("a"), "customers/g3/a");
        assert_eq!(Names::dead_letters("web"), "web.dlq");
    }
}
