//! Where a shard goes on after a take-over, decided from what the state topic, the group and the broker say.

use crate::model::record::SourceIndex;

/// What is known about one partition: a source's, or the mail's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its topic.
    pub topic: String,
    /// The id the broker gave it when it was made; `None` where it cannot say.
    pub id: Option<String>,
    /// What the group has committed for it, stable.
    pub group: Option<i64>,
    /// The first offset the broker still has.
    pub low: i64,
    /// The offset after the last one, whatever transactions are open.
    pub high: i64,
    /// Where a new shard would begin.
    pub start: i64,
}

/// Where the shard's own record says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Topic name and next offset, by source.
    pub positions: Vec<(String, i64)>,
    /// Ids of the topics, by source, as far as they were known.
    pub topic_ids: Vec<Option<String>>,
    /// Next mail offset.
    pub mail_to: i64,
}

/// Everything the decision is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The consumer group, for messages.
    pub group: String,
    /// The shard.
    pub shard: u16,
    /// The shard's own record of where it is.
    pub meta: Option<Known>,
    /// The source partitions, in the definition's order.
    pub sources: Vec<Place>,
    /// The mail partition.
    pub mail: Place,
}

/// Records that retention has removed before they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// Of which source.
    pub source: SourceIndex,
    /// First offset that is gone.
    pub from: i64,
    /// First offset that is there.
    pub to: i64,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Go on at meta's positions, after these gaps.
    GoOn {
        /// What retention has removed.
        gaps: Vec<Gap>,
    },
    /// A new shard: begin here.
    Begin {
        /// First offsets, by source.
        offsets: Vec<i64>,
        /// First mail offset.
        mail: i64,
        /// What of it retention has removed: a rebuild begins where the generation before it began.
        gaps: Vec<Gap>,
    },
    /// Do not start; the sentence says why and what to do.
    Refuse(String),
}

/// Decides where a shard goes on: meta is the truth, the group's offsets are the fence and the lag display.
pub fn decide(facts: &Facts) -> Decision {
    match &facts.meta {
        Some(meta) => go_on(facts, meta),
        None => begin(facts),
    }
}

fn begin(facts: &Facts) -> Decision {
    for place in facts.sources.iter().chain([&facts.mail]) {
        if let Some(offset) = place.group {
            return Decision::Refuse(format!(
                "group {} has offset {offset} for {} partition {}, but the state topic holds nothing of this shard: \
                 its profiles are lost; rebuild with `retain run --rebuild FILE`, or delete the group's offsets to begin \
                 this generation again from its start position",
                facts.group, place.topic, facts.shard
            ));
        }
    }
    let offsets = facts.sources.iter().map(|place| place.start).collect();
    let lost = facts.sources.iter().enumerate().filter(|(_, place)| place.start < place.low);
    let gaps = lost.map(|(index, place)| Gap {
        source: index as SourceIndex,
        from: place.start,
        to: place.low,
    });
    Decision::Begin { offsets, mail: facts.mail.low, gaps: gaps.collect() }
}

fn go_on(facts: &Facts, meta: &Known) -> Decision {
    let names = meta.positions.iter().map(|(topic, _)| topic.as_str());
    if !names.eq(facts.sources.iter().map(|place| place.topic.as_str())) {
        return Decision::Refuse(format!(
            "shard {} was built from the topics {}, the definition names {}: rebuild with `retain run --rebuild FILE`",
            facts.shard,
            join(meta.positions.iter().map(|(topic, _)| topic.as_str())),
            join(facts.sources.iter().map(|place| place.topic.as_str())),
        ));
    }
    if let Some(refusal) = made_again(facts, meta) {
        return Decision::Refuse(refusal);
    }
    let positions = meta.positions.iter().map(|(_, offset)| *offset).chain([meta.mail_to]);
    let places = facts.sources.iter().chain([&facts.mail]);
    let mut gaps = Vec::new();
    for (index, (position, place)) in positions.zip(places).enumerate() {
        if let Some(refusal) = contradiction(facts, position, place) {
            return Decision::Refuse(refusal);
        }
        if position < place.low && index < facts.sources.len() {
            gaps.push(Gap { source: index as SourceIndex, from: position, to: place.low });
        }
    }
    Decision::GoOn { gaps }
}

/// Why the topics are not those that were read, though they have the same names.
fn made_again(facts: &Facts, meta: &Known) -> Option<String> {
    let known = facts.sources.iter().zip(&meta.topic_ids);
    let (place, was, is) = known
        .filter_map(|(place, was)| Some((place, was.as_ref()?, place.id.as_ref()?)))
        .find(|(_, was, is)| was != is)?;
    Some(format!(
        "topic {} was deleted and made again: its id is {is}, the state of shard {} was built from {was}; what it holds now \
         is not what the offsets of the state stand for: rebuild with `retain run --rebuild FILE`",
        place.topic, facts.shard
    ))
}

/// Why this position cannot be trusted, if so.
fn contradiction(facts: &Facts, position: i64, place: &Place) -> Option<String> {
    if let Some(group) = place.group.filter(|group| *group != position) {
        return Some(format!(
            "{} partition {}: the state says {position}, group {} says {group}; the two are committed together, so \
             somebody has set the group's offsets: set them back to {position} or delete them to go on from the \
             state, or rebuild with `retain run --rebuild FILE` to read again",
            place.topic, facts.shard, facts.group
        ));
    }
    (position > place.high).then(|| {
        format!(
            "{} partition {}: the state says {position}, but the topic ends at {}: it was deleted and made again, or \
             cut; rebuild with `retain run --rebuild FILE`",
            place.topic, facts.shard, place.high
        )
    })
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(topic: &str, group: Option<i64>) -> Place {
        Place { topic: topic.to_owned(), id: None, group, low: 0, high: 100, start: 7 }
    }

    fn facts(meta: Option<[i64; 3]>, group: [Option<i64>; 3]) -> Facts {
        let meta = meta.map(|[p, w, mail_to]| Known {
            positions: vec![("p".to_owned(), p), ("w".to_owned(), w)],
            topic_ids: vec![None, Some("first".to_owned())],
            mail_to,
        });
        Facts {
            group: "customers.g1".to_owned(),
            shard: 2,
            meta,
            sources: vec![place("p", group[0]), place("w", group[1])],
            mail: place("m", group[2]),
        }
    }

    fn refusal(facts: &Facts) -> String {
        match decide(facts) {
            Decision::Refuse(why) => why,
            other => panic!("expected a refusal, got {other:?}"),
        }
    }

    #[test]
    fn equal_positions_go_on() {
        let facts = facts(Some([5, 6, 0]), [Some(5), Some(6), Some(0)]);
        assert_eq!(decide(&facts), Decision::GoOn { gaps: vec![] });
    }

    #[test]
    fn expired_group_offsets_take_those_of_meta() {
        assert_eq!(decide(&facts(Some([5, 6, 0]), [None; 3])), Decision::GoOn { gaps: vec![] });
        // Offsets of the mail topic, which nobody subscribes to, may expire alone.
        let part = facts(Some([5, 6, 0]), [Some(5), Some(6), None]);
        assert_eq!(decide(&part), Decision::GoOn { gaps: vec![] });
    }

    #[test]
    fn different_positions_are_refused_with_both_numbers() {
        let why = refusal(&facts(Some([5, 6, 0]), [Some(5), Some(4), Some(0)]));
        assert!(why.contains("the state says 6") && why.contains("says 4"), "{why}");
        assert!(why.contains("--rebuild"), "{why}");
    }

    #[test]
    fn a_group_without_state_is_refused() {
        let why = refusal(&facts(None, [None, Some(4), None]));
        assert!(why.contains("offset 4 for w partition 2"), "{why}");
        assert!(why.contains("--rebuild"), "{why}");
    }

    #[test]
    fn a_new_shard_begins_at_the_start_position() {
        let expected = Decision::Begin { offsets: vec![7, 7], mail: 0, gaps: vec![] };
        assert_eq!(decide(&facts(None, [None; 3])), expected);
    }

    #[test]
    fn a_rebuild_begins_where_the_one_before_began_and_what_is_gone_is_a_gap() {
        let mut facts = facts(None, [None; 3]);
        facts.sources[1].low = 30;
        let gaps = vec![Gap { source: 1, from: 7, to: 30 }];
        assert_eq!(decide(&facts), Decision::Begin { offsets: vec![7, 7], mail: 0, gaps });
    }

    #[test]
    fn what_retention_removed_is_a_gap() {
        let mut facts = facts(Some([5, 6, 0]), [Some(5), Some(6), Some(0)]);
        facts.sources[1].low = 10;
        let gaps = vec![Gap { source: 1, from: 6, to: 10 }];
        assert_eq!(decide(&facts), Decision::GoOn { gaps });
    }

    #[test]
    fn a_topic_that_ends_before_the_position_is_refused() {
        let mut facts = facts(Some([5, 6, 0]), [Some(5), Some(6), Some(0)]);
        facts.sources[0].high = 3;
        let why = refusal(&facts);
        assert!(why.contains("ends at 3"), "{why}");
    }

    #[test]
    fn a_topic_that_was_made_again_is_refused_where_ids_are_known() {
        let mut facts = facts(Some([5, 6, 0]), [None; 3]);
        facts.sources[0].id = Some("any".to_owned());
        assert_eq!(decide(&facts), Decision::GoOn { gaps: vec![] }, "it was not known before");
        facts.sources[1].id = Some("first".to_owned());
        assert_eq!(decide(&facts), Decision::GoOn { gaps: vec![] });
        facts.sources[1].id = Some("second".to_owned());
        let why = refusal(&facts);
        assert!(
            why.contains("topic w") && why.contains("second") && why.contains("first"),
            "{why}"
        );
        assert!(why.contains("--rebuild"), "{why}");
    }

    #[test]
    fn other_topics_than_before_are_refused() {
        let mut facts = facts(Some([5, 6, 0]), [None; 3]);
        facts.sources.swap(0, 1);
        assert!(refusal(&facts).contains("built from the topics p, w"));
    }
}
