//! The typed text.

use anyport_server::{Completion, MAX_COMPLETIONS};

use crate::Library;

/// The paths in which `typed` is, whatever its case: first those that begin with it, then those in which a folder or the
/// file does, then the others.
pub(super) fn paths(library: &Library, typed: &str) -> Completion {
    let typed = typed.trim_start_matches('/').to_lowercase();
    let mut ranks: [Vec<&str>; 3] = Default::default();
    let mut total = 0u64;
    for path in library.iter().map(|document| document.path.as_str()) {
        let Some(rank) = rank(path, &typed) else { continue };
        total += 1;
        // Only as many as can be sent are collected: there may be 100,000.
        if ranks[rank].len() < MAX_COMPLETIONS {
            ranks[rank].push(path);
        }
    }
    let values = ranks.concat().into_iter().take(MAX_COMPLETIONS).map(str::to_owned).collect();
    Completion { values, total: Some(total), has_more: total > MAX_COMPLETIONS as u64 }
}

/// 0 where `path` begins with what is typed, 1 where a segment of it does, 2 where it stands elsewhere.
fn rank(path: &str, typed: &str) -> Option<usize> {
    let path = path.to_lowercase();
    match path.find(typed)? {
        0 => Some(0),
        _ => Some(if path.match_indices(typed).any(|(at, _)| path[..at].ends_with('/')) { 1 } else { 2 }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Document, DocumentPath, FileTimes};

    fn library(paths: impl IntoIterator<Item = String>) -> Library {
        Library::new(
            paths.into_iter().map(|path| {
                Document::parse(DocumentPath::new(path).unwrap(), "text", FileTimes::default()).0
            }),
        )
    }

    #[test]
    fn what_begins_with_it_comes_first_then_folders_and_files_that_do() {
        let library = library(
            ["go/a.md", "contest.md", "go/contest.md", "go/Testing.md", "Test.md", "x/test/y.md"]
                .map(str::to_owned),
        );
        let values = paths(&library, "tEst").values;
        assert_eq!(values, ["Test.md", "go/Testing.md", "x/test/y.md", "contest.md", "go/contest.md"]);
        assert_eq!(paths(&library, "/go/c").values, ["go/contest.md"]);
        assert_eq!(paths(&library, "").values.len(), 6);
        assert_eq!(paths(&library, "nope"), Completion { total: Some(0), ..Completion::default() });
    }

    #[test]
    fn no_more_are_sent_than_may_be() {
        let library = library((0..250).map(|index| format!("{index}.md")));
        let completion = paths(&library, "1");
        assert_eq!((completion.values.len(), completion.has_more), (100, true));
        assert!(completion.total > Some(100) && completion.values[0] == "1.md");
    }
}
