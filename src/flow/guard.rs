//! The co-partition guard: one customer must have one shard, in every topic.

use crate::plan::Partitioner;

/// A topic and how many partitions it has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// The topic.
    pub topic: String,
    /// Its partitions; `None` when it does not exist.
    pub partitions: Option<usize>,
}

/// How many shards the sources make.
///
/// # Errors
/// A sentence with the cure, when a topic is missing or the counts differ.
pub fn shards(sources: &[Counted], partitioner: Partitioner) -> Result<u16, String> {
    let missing: Vec<&str> =
        sources.iter().filter(|s| s.partitions.is_none()).map(|s| s.topic.as_str()).collect();
    if !missing.is_empty() {
        return Err(format!(
            "source topic {} does not exist: create it, with as many partitions as the others",
            missing.join(", ")
        ));
    }
    let first = sources.first().and_then(|s| s.partitions).unwrap_or(0);
    if sources.iter().any(|s| s.partitions != Some(first)) {
        let counts: Vec<String> = sources
            .iter()
            .map(|s| format!("{} has {}", s.topic, s.partitions.unwrap_or(0)))
            .collect();
        return Err(format!(
            "source topics must have equal partition counts, so that a customer is in the same partition of each, but \
             {}: give them equal counts and have the producers place keys with {}, or merge the streams with a rekey \
             pipeline",
            counts.join(", "),
            setting(partitioner)
        ));
    }
    u16::try_from(first)
        .ok()
        .filter(|shards| *shards > 0)
        .ok_or_else(|| format!("source topics have {first} partitions; 1 to 65535 are supported"))
}

/// The producers' setting that places keys as the definition says.
pub fn setting(partitioner: Partitioner) -> &'static str {
    match partitioner {
        Partitioner::Murmur2 => {
            "murmur2 (Java: the default; librdkafka: `partitioner=murmur2_random`)"
        }
        Partitioner::Crc32 => "crc32 (librdkafka: `partitioner=consistent_random`, its default)",
        Partitioner::Custom => "one and the same custom partitioner",
    }
}

/// Checks a topic of our own against the number of shards.
///
/// # Errors
/// A sentence with the cure.
pub fn own_topic(name: &str, partitions: usize, shards: u16) -> Result<(), String> {
    if partitions == usize::from(shards) {
        return Ok(());
    }
    Err(format!(
        "topic {name} has {partitions} partitions, the sources have {shards}: if the sources were given more \
         partitions, begin a new generation through rekey; if the topic was made by hand, delete it while it is empty \
         and start again"
    ))
}

/// Which shards a member holds whole: those whose partition of every source it was given.
///
/// `held` are (source, partition) pairs; the result is sorted. Members are given partitions one by one, so a shard
/// may be there in part.
pub fn whole_shards(sources: usize, held: &[(usize, u16)]) -> Vec<u16> {
    let mut shards: Vec<u16> = held.iter().map(|(_, shard)| *shard).collect();
    shards.sort_unstable();
    shards.dedup();
    shards.retain(|shard| (0..sources).all(|source| held.contains(&(source, *shard))));
    shards
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(topic: &str, partitions: Option<usize>) -> Counted {
        Counted { topic: topic.to_owned(), partitions }
    }

    #[test]
    fn equal_counts_are_the_shards() {
        let sources = [counted("p", Some(4)), counted("s", Some(4))];
        assert_eq!(shards(&sources, Partitioner::Murmur2), Ok(4));
    }

    #[test]
    fn different_counts_are_refused_with_the_producers_setting() {
        let sources = [counted("p", Some(4)), counted("s", Some(8))];
        let why = shards(&sources, Partitioner::Murmur2).unwrap_err();
        assert!(why.contains("p has 4, s has 8") && why.contains("murmur2_random"), "{why}");
    }

    #[test]
    fn missing_and_empty_topics_are_refused() {
        let why = shards(&[counted("p", None)], Partitioner::Crc32).unwrap_err();
        assert!(why.contains("p does not exist"), "{why}");
        assert!(shards(&[counted("p", Some(0))], Partitioner::Crc32).is_err());
        assert!(shards(&[counted("p", Some(70_000))], Partitioner::Crc32).is_err());
    }

    #[test]
    fn own_topics_follow_the_sources() {
        assert_eq!(own_topic("c.g1.state", 4, 4), Ok(()));
        assert!(own_topic("c.g1.state", 4, 8).unwrap_err().contains("new generation"));
    }

    #[test]
    fn a_shard_is_whole_when_every_source_has_arrived() {
        let held = [(0, 1), (1, 1), (2, 1), (0, 0), (2, 0)];
        assert_eq!(whole_shards(3, &held), vec![1]);
        assert_eq!(whole_shards(3, &[]), Vec::<u16>::new());
    }
}
