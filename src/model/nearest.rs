//! "Did you mean": which of the known words somebody meant.

/// The candidate that resembles `word` most, if it resembles it at all: a typing error or two, or a piece of it.
#[must_use]
pub fn nearest<'c>(word: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    // Longer words are no one's typing error, and the measure is quadratic in their length.
    if word.is_empty() || word.len() > 64 {
        return None;
    }
    let lower = word.to_lowercase();
    let mut best: Option<(f64, &str)> = None;
    for candidate in candidates {
        let other = candidate.to_lowercase();
        let mut score = strsim::normalized_damerau_levenshtein(&lower, &other);
        if lower.len().min(other.len()) >= 3 && (other.contains(&lower) || lower.contains(&other)) {
            score = score.max(0.7);
        }
        if score > best.map_or(0.59, |(score, _)| score) {
            best = Some((score, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_is_a_typing_error_not_a_guess() {
        let keys = ["topic", "name", "dedup_window", "dedup_ids_max"];
        assert_eq!(nearest("topik", keys), Some("topic"));
        assert_eq!(nearest("dedup_windwo", keys), Some("dedup_window"));
        assert_eq!(nearest("dedup", keys), Some("dedup_window"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest("", keys), None);
    }
}
