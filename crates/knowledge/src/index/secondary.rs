//! Documents that are about other documents: logs of changes, copies of other projects, and lists of links.
//!
//! They mention what others are about, often in the very words of a query. So they are ranked behind what they mention.

use anyport_ranking::stem;
use tantivy::{DocAddress, Searcher, SegmentOrdinal, TantivyError};

use crate::path::DocumentPath;

/// The name of the field that says whether a document is about others.
pub(super) const FIELD: &str = "secondary";

/// What the score of a secondary document is multiplied with.
pub(super) const SECONDARY_WEIGHT: f32 = 0.5;

/// The names of files that projects have beside what they are about, as words.
const FILES: [&str; 7] =
    ["authors", "changelog", "conduct", "contributing", "contributors", "licence", "license"];
/// Further ones, which are everyday words in a query.
const EVERYDAY_FILES: [&str; 5] = ["changes", "copying", "history", "news", "releases"];
/// The names of folders with copies of other projects.
const FOLDERS: [&str; 6] =
    ["bower_components", "node_modules", "third-party", "third_party", "vendor", "vendored"];

/// Whether the document at this path is secondary by its name or its folder.
pub(super) fn is_secondary(path: &DocumentPath) -> bool {
    let mut names = path.without_extension().rsplit('/').map(str::to_lowercase);
    let file = names.next().unwrap_or_default();
    let last = file.rsplit(['_', '-']).next().unwrap_or_default();
    FILES.contains(&last)
        || EVERYDAY_FILES.contains(&last)
        || names.any(|folder| FOLDERS.contains(&folder.as_str()))
}

/// Whether a query asks for secondary documents: then they are what is meant.
pub(super) fn is_asked_for<'a>(mut words: impl Iterator<Item = &'a str>) -> bool {
    words.any(|word| {
        let stem = stem(word);
        FILES.iter().chain(&FOLDERS).any(|name| anyport_ranking::stem(name) == stem)
    })
}

/// Which of the documents, in the order of their addresses, are secondary.
pub(super) fn which(searcher: &Searcher, documents: &[DocAddress]) -> Result<Vec<bool>, TantivyError> {
    let mut which = Vec::with_capacity(documents.len());
    for segment in documents.chunk_by(|a, b| a.segment_ord == b.segment_ord) {
        let ordinal: SegmentOrdinal = segment[0].segment_ord;
        let column = searcher.segment_reader(ordinal).fast_fields().bool(FIELD)?;
        which.extend(segment.iter().map(|document| column.first(document.doc_id) == Some(true)));
    }
    Ok(which)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_of_changes_and_copies_of_other_projects_are_secondary() {
        for (path, expected) in [
            ("pypi/httpkit/CHANGELOG.md", true),
            ("CODE_OF_CONDUCT.md", true),
            ("apps/a/third_party/lib/README.md", true),
            ("node_modules/left/readme.md", true),
            ("README.md", false),
            ("guides/vendor.md", false),
            ("changelogs/format.md", false),
            ("crates/history/README.md", false),
        ] {
            assert_eq!(is_secondary(&DocumentPath::new(path).unwrap()), expected, "{path}");
        }
        assert!(is_asked_for(["httpkit", "changelog"].into_iter()));
        assert!(is_asked_for(["licenses"].into_iter()));
        assert!(!is_asked_for(["watch", "changes"].into_iter()));
    }
}
