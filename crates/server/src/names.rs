//! Names that someone may have meant.

/// How many are suggested.
const MAX_SUGGESTIONS: usize = 3;
/// Longer names are not compared: that takes time in proportion to both lengths.
const MAX_LENGTH: usize = 64;
/// How many names are looked at.
const MAX_CANDIDATES: usize = 1_000;

/// The names that are close to `name`, closest first.
pub(crate) fn close<'a>(name: &str, candidates: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > MAX_LENGTH {
        return Vec::new();
    }
    let limit = 1 + name.len() / 4;
    let candidates =
        candidates.take(MAX_CANDIDATES).filter(|other| other.len().abs_diff(name.len()) <= limit);
    let mut close: Vec<(usize, &str)> = candidates
        .map(|other| (distance(name, other), other))
        .filter(|(distance, _)| *distance <= limit)
        .collect();
    close.sort_unstable();
    close.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect()
}

/// How many bytes must be added, removed or changed, case aside (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, left) in a.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], i + 1);
        for (j, right) in b.bytes().enumerate() {
            let changed = diagonal + usize::from(!left.eq_ignore_ascii_case(&right));
            diagonal = row[j + 1];
            row[j + 1] = changed.min(diagonal + 1).min(row[j] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closest_names_come_first() {
        let names = ["get_weather", "get_whether", "set_weather", "other", "GET_WEATHER"];
        assert_eq!(close("get_wether", names.into_iter()), ["GET_WEATHER", "get_weather", "get_whether"]);
        assert!(close("unrelated_name", names.into_iter()).is_empty());
        assert!(close(&"x".repeat(100), names.into_iter()).is_empty());
    }
}
