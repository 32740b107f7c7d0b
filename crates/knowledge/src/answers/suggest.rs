//! Suggestions for names that do not exist.

use crate::{Library, answers::same};

/// Most alternatives that a message names.
pub(super) const MAX_NAMED: usize = 20;
/// Longest word that near misses are looked for.
const MAX_COMPARED: usize = 128;

/// `problem`, and what there is instead.
pub(super) fn instead<S: AsRef<str>>(problem: String, close: impl IntoIterator<Item = S>) -> String {
    there_is(problem, "there is", close)
}

/// `problem`, and what there is instead, after `words`.
pub(super) fn there_is<S: AsRef<str>>(
    problem: String,
    words: &str,
    close: impl IntoIterator<Item = S>,
) -> String {
    let close: Vec<S> = close.into_iter().take(MAX_NAMED + 1).collect();
    let named: Vec<&str> = close.iter().take(MAX_NAMED).map(AsRef::as_ref).collect();
    match (named.is_empty(), close.len() > MAX_NAMED) {
        (true, _) => problem,
        (false, false) => format!("{problem}; {words} {}", named.join(", ")),
        (false, true) => format!("{problem}; {words} {} and more", named.join(", ")),
    }
}

/// Those of `words` that are a letter or two off `wanted`, the closest first.
pub(super) fn words<'a>(wanted: &str, words: &'a [String]) -> Vec<&'a str> {
    let wanted = wanted.trim().to_lowercase();
    if wanted.len() > MAX_COMPARED {
        return Vec::new();
    }
    let limit = 1 + wanted.chars().count() / 4;
    let mut close: Vec<(usize, &str)> = words
        .iter()
        .filter(|word| word.len().abs_diff(wanted.len()) <= limit * 4)
        .map(|word| (strsim::osa_distance(&wanted, word), word.as_str()))
        .filter(|(distance, word)| *distance <= limit || word.starts_with(&*wanted))
        .collect();
    close.sort_unstable();
    close.into_iter().map(|(_, word)| word).collect()
}

/// Paths that end in the name of the file at `path`, or in one a letter or two off, whatever their extension.
pub(super) fn paths<'a>(library: &'a Library, path: &str) -> impl Iterator<Item = &'a str> {
    fn stem(path: &str) -> &str {
        let name = path.rsplit('/').next().unwrap_or_default();
        name.rsplit_once('.').map_or(name, |(stem, _)| if stem.is_empty() { name } else { stem })
    }
    let wanted = stem(path.trim_end_matches('/')).to_lowercase();
    let close = move |other: &&str| {
        let other = stem(other);
        // The distance is looked at only where the lengths allow it: a long name costs nothing.
        wanted.len() <= MAX_COMPARED
            && other.len().abs_diff(wanted.len()) <= 4
            && (same(other, &wanted)
                || strsim::osa_distance(&other.to_lowercase(), &wanted) <= limit(&wanted))
    };
    library.iter().map(|document| document.path.as_str()).filter(close)
}

/// How many letters may differ in a name of this length: of `a.md` none, since everything would be close to it.
fn limit(name: &str) -> usize {
    match name.chars().count() {
        0..=2 => 0,
        3..=4 => 1,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_words_come_first() {
        let known = ["python", "pythonic", "go", "typescript", "javascript"].map(str::to_owned);
        assert_eq!(words(" Pyton", &known), ["python"]);
        assert_eq!(words("java", &known), ["javascript"]);
        assert!(words("cobol", &known).is_empty() && words(&"x".repeat(10_000), &known).is_empty());
    }

    #[test]
    fn what_is_named_is_bounded() {
        let many = || (0..30).map(|index| index.to_string());
        let message = instead("nothing".into(), many());
        assert!(
            message.starts_with("nothing; there is 0, 1,") && message.ends_with("19 and more"),
            "{message}"
        );
        assert_eq!(instead("nothing".into(), Vec::<String>::new()), "nothing");
    }
}
