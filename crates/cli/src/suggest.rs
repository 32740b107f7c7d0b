//! "Did you mean": the names that are near another.

use std::{env, ffi::OsStr, fs};

use strsim::{jaro_winkler, osa_distance};

/// Names this alike are taken for each other; 1 is the same.
const ALIKE: f64 = 0.84;

/// How many are worth reading.
const MOST: usize = 3;

/// The names that `name` may be a slip for, the nearest first, three at most.
pub(crate) fn near<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<&'a str> {
    let wanted = name.to_lowercase();
    let mut near: Vec<(f64, &str)> = names
        .into_iter()
        .filter_map(|name| {
            let other = name.to_lowercase();
            let alike = jaro_winkler(&wanted, &other);
            // One part of a long name is what people remember. What is much shorter stands in it by chance.
            let (length, others) = (wanted.chars().count(), other.chars().count());
            let part =
                length > 2 && (other.contains(&wanted) || others * 2 > length && wanted.contains(&other));
            let slip = osa_distance(&wanted, &other) <= length.min(6) / 3;
            (alike >= ALIKE || part || slip).then_some((alike, name))
        })
        .collect();
    near.sort_by(|(a, _), (b, _)| b.total_cmp(a));
    near.dedup_by_key(|(_, name)| *name);
    near.into_iter().take(MOST).map(|(_, name)| name).collect()
}

/// `did you mean a, b or c?`, or nothing when nothing is near.
pub(crate) fn did_you_mean<'a>(name: &str, names: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = near(name, names);
    let (last, others) = near.split_last()?;
    Some(match others.is_empty() {
        true => format!("did you mean {last}?"),
        false => format!("did you mean {} or {last}?", others.join(", ")),
    })
}

/// The names of the programs in the folders of `path`.
pub(crate) fn programs(path: &OsStr) -> Vec<String> {
    let folders = env::split_paths(path).filter_map(|folder| fs::read_dir(folder).ok());
    let names = folders.flatten().flatten().filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.collect();
    names.sort_unstable();
    names.dedup();
    names
}

#[cfg(test)]
mod tests {
    use super::did_you_mean;

    #[test]
    fn slips_and_parts_are_near_and_the_nearest_is_first() {
        let names = ["read_file", "write_file", "list_directory", "echo"];
        let ask = |name| did_you_mean(name, names);
        assert_eq!(ask("raed_file").unwrap(), "did you mean read_file?");
        assert_eq!(ask("Echo").unwrap(), "did you mean echo?");
        assert_eq!(ask("directory").unwrap(), "did you mean list_directory?");
        assert_eq!(ask("file").unwrap(), "did you mean write_file or read_file?");
        assert_eq!(ask("zzz"), None);
        assert_eq!(did_you_mean("nosuchprogram", ["su", "pr", "gram"]), None);
        assert_eq!(
            did_you_mean("mcp-server-times", ["mcp-server-time"]).unwrap(),
            "did you mean mcp-server-time?"
        );
    }
}
