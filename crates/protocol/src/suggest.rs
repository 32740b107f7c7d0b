//! "Did you mean": the names that are similar to one that is unknown.

use strsim::{jaro_winkler, osa_distance};

/// How many names are suggested.
const MAX_SUGGESTIONS: usize = 3;
/// Longer names are not compared: that takes time in proportion to both lengths.
const MAX_LENGTH: usize = 96;
/// How many names are compared.
const MAX_CANDIDATES: usize = 4_000;
/// The similarity from which on two names are taken for each other; 1 is equality.
const SIMILAR: f64 = 0.84;

/// The names that `name` may be a slip for, case aside: the most similar first, three at most.
pub fn similar<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    if name.len() > MAX_LENGTH {
        return Vec::new();
    }
    let wanted = name.to_lowercase();
    let names = names.into_iter().take(MAX_CANDIDATES).filter(|name| name.len() <= 2 * MAX_LENGTH);
    let compared = names.filter_map(|name| {
        let other = name.to_lowercase();
        let similarity = jaro_winkler(&wanted, &other);
        let is_close = is_part(&wanted, &other) || is_slip(&wanted, &other);
        (is_close || similarity >= SIMILAR).then_some((is_close, similarity, name))
    });
    let (close, remote): (Vec<_>, Vec<_>) = compared.partition(|(is_close, ..)| *is_close);
    // Jaro-Winkler favours a common prefix, and tools of one server often begin alike: what it alone finds similar is
    // suggested only where nothing is closer.
    let candidates = if close.is_empty() { remote } else { close };
    let mut similar: Vec<(f64, &str)> =
        candidates.into_iter().map(|(_, similarity, name)| (similarity, name)).collect();
    similar.sort_by(|(a, one), (b, other)| b.total_cmp(a).then_with(|| one.cmp(other)));
    similar.dedup_by_key(|(_, name)| *name);
    similar.into_iter().take(MAX_SUGGESTIONS).map(|(_, name)| name).collect()
}

/// `did you mean a, b or c?`, or `None` if no name is similar.
pub fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let similar = similar(name, names);
    let (last, others) = similar.split_last()?;
    Some(match others.is_empty() {
        true => format!("did you mean {last}?"),
        false => format!("did you mean {} or {last}?", others.join(", ")),
    })
}

/// Whether one name is a part of the other: people remember one part of a long name. What is much shorter than the
/// wanted name stands in it by chance.
fn is_part(wanted: &str, other: &str) -> bool {
    let (length, others) = (wanted.chars().count(), other.chars().count());
    length > 2 && (other.contains(wanted) || others * 2 > length && wanted.contains(other))
}

/// Whether a slip or two of the fingers lie between two names.
fn is_slip(wanted: &str, other: &str) -> bool {
    let most = if wanted.chars().count() < 6 { 1 } else { 2 };
    wanted.len().abs_diff(other.len()) <= 4 * most && osa_distance(wanted, other) <= most
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_and_parts_are_similar_and_the_most_similar_is_first() {
        let names = ["read_file", "write_file", "list_directory", "echo"];
        let ask = |name| did_you_mean(name, names);
        assert_eq!(ask("raed_file").unwrap(), "did you mean read_file?");
        assert_eq!(did_you_mean("get_stdlb", ["get_doc", "get_stdlib"]).unwrap(), "did you mean get_stdlib?");
        assert_eq!(ask("Echo").unwrap(), "did you mean echo?");
        assert_eq!(ask("directory").unwrap(), "did you mean list_directory?");
        assert_eq!(ask("file").unwrap(), "did you mean write_file or read_file?");
        assert_eq!(ask("zzz"), None);
        assert_eq!(did_you_mean("nosuchprogram", ["su", "pr", "gram"]), None);
        assert_eq!(
            did_you_mean("mcp-server-times", ["mcp-server-time"]).unwrap(),
            "did you mean mcp-server-time?"
        );
        assert_eq!(did_you_mean("c", ["a", "b"]).unwrap(), "did you mean a or b?");
    }

    #[test]
    fn equally_similar_names_are_in_order_and_long_names_are_not_compared() {
        let names = ["get_weather", "get_whether", "set_weather", "other", "GET_WEATHER"];
        assert_eq!(similar("get_wether", names), ["GET_WEATHER", "get_weather", "get_whether"]);
        assert!(similar("unrelated_name", names).is_empty());
        assert!(similar(&"x".repeat(100), names).is_empty());
    }
}
