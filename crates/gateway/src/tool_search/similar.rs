//! Words of an index that may have been meant by one that it does not have.

/// The words that `word` may be mistyped for or the beginning of, the nearest first.
pub(super) fn similar<'a>(word: &str, words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let length = word.chars().count();
    // A number is right or wrong.
    if length < SHORTEST || !word.contains(char::is_alphabetic) {
        return Vec::new();
    }
    let allowed = if length < TWO_MISTAKES { 1 } else { 2 };
    let near = |other: &&'a str| {
        let is_near = other.chars().count().abs_diff(length) <= allowed;
        // Few mistype the first letter, and among few words nearly every short one is like another.
        let is_near = is_near && other.chars().next() == word.chars().next();
        let mistakes = if is_near { strsim::osa_distance(word, other) } else { usize::MAX };
        match (mistakes <= allowed, other.starts_with(word)) {
            (true, _) => Some(mistakes),
            (false, true) => Some(allowed + 1),
            _ => None,
        }
    };
    let mut found: Vec<_> = words.filter_map(|other| Some((near(&other)?, other))).collect();
    found.sort_unstable();
    found.truncate(MOST);
    found.into_iter().map(|(_, other)| other).collect()
}

/// The fewest letters of a word that may be mistyped.
const SHORTEST: usize = 5;
/// The fewest letters of a word that may have two mistakes.
const TWO_MISTAKES: usize = 8;
/// The most words that one is taken for.
const MOST: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mistakes_come_before_beginnings() {
        let words = ["issue", "issues", "issuetracker", "tissue", "other"];
        assert_eq!(similar("isssue", words.into_iter()), ["issue", "issues"][..1]);
        assert_eq!(similar("issuet", words.into_iter()), ["issue", "issues", "issuetracker"]);
        assert!(
            similar("othe", words.into_iter()).is_empty() && similar("12345", words.into_iter()).is_empty()
        );
    }
}
