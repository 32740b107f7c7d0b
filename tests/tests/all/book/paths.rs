//! Every path of the repository that a document names exists.

use std::{
    fs,
    path::{Path, PathBuf},
};

/// The folders of the repository, by which a path in a page for users is recognised.
const FOLDERS: &[&str] = &["crates/", "docs/", "bench/", "xtask/", "examples/", "conformance/", "tests/"];

/// Paths within a reader's own project or within every crate, which look like ours.
const OF_THE_READER: &[&str] = &["tests/golden/divide.txt", "tests/all/"];

/// The documents that name paths: those at the root and in `crates/` and `bench/`, and the book.
fn documents() -> Vec<PathBuf> {
    let root = root();
    let mut documents: Vec<PathBuf> =
        ["ARCHITECTURE.md", "CONTRIBUTING.md", "README.md", "crates/README.md", "bench/README.md"]
            .map(|name| root.join(name))
            .into();
    for folder in ["docs", "docs/decisions"] {
        let files = fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
        documents.extend(files.filter(|path| path.extension().is_some_and(|extension| extension == "md")));
    }
    documents.sort();
    documents
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Whether the paths of a document are written below `crates/`, too.
fn is_for_contributors(document: &Path) -> bool {
    let name = document.file_name().unwrap_or_default();
    ["ARCHITECTURE.md", "glossary.md", "recipes.md"].iter().any(|known| name == *known)
}

/// The texts of a line that stand in backticks, without the name of a test behind a path.
fn spans(line: &str) -> impl Iterator<Item = &str> {
    line.split('`').skip(1).step_by(2).map(|span| span.split(": ").next().unwrap_or(span))
}

/// Where the links of a line lead, without anchors.
fn links(line: &str) -> impl Iterator<Item = &str> {
    let targets = line.split("](").skip(1).filter_map(|rest| rest.split(')').next());
    targets.filter(|target| !target.contains("://")).filter_map(|target| target.split('#').next())
}

/// Whether `span` is a path, not a URL, a media type or a placeholder such as `vYYYY_MM_DD.rs`.
fn is_path(span: &str, for_contributors: bool) -> bool {
    let is_plain = span.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
    let is_placeholder = ["YYYY", "NAME", "NNN"].iter().any(|word| span.contains(word));
    if !is_plain || is_placeholder || span.starts_with(['/', '.', '-']) || OF_THE_READER.contains(&span) {
        return false;
    }
    let extensions = [".rs", ".md", ".toml", ".json", ".py"];
    let is_ours = FOLDERS.iter().any(|folder| span.starts_with(folder));
    // `dev.anyport/` is a prefix of members.
    let is_folder = span.ends_with('/') && !span.contains('.');
    is_ours
        || for_contributors
            && span.contains('/')
            && (is_folder || extensions.iter().any(|ending| span.ends_with(ending)))
}

/// Whether there is such a file or folder: below the root, below `crates/`, or below the `src/` of a crate of the same line.
fn exists(path: &str, line: &str, for_contributors: bool) -> bool {
    let root = root();
    if root.join(path).exists() {
        return true;
    }
    let crates = root.join("crates");
    for_contributors
        && (crates.join(path).exists()
            || spans(line)
                .filter(|span| !span.contains('/'))
                .any(|name| crates.join(name).join("src").join(path).exists()))
}

#[test]
fn every_path_that_a_document_names_exists() {
    let mut missing = Vec::new();
    for document in documents() {
        let for_contributors = is_for_contributors(&document);
        let text = fs::read_to_string(&document).unwrap();
        let mut in_code = false;
        for (number, line) in text.lines().enumerate() {
            in_code ^= line.starts_with("```");
            if in_code {
                continue;
            }
            let named = spans(line).filter(|span| is_path(span, for_contributors));
            let lost = named.filter(|path| !exists(path, line, for_contributors));
            let folder = document.parent().unwrap();
            let broken = links(line)
                .filter(|link| !link.is_empty() && !link.starts_with("docs:") && !folder.join(link).exists());
            for path in lost.chain(broken) {
                missing.push(format!("{}:{}: {path}", document.display(), number + 1));
            }
        }
    }
    assert!(missing.is_empty(), "paths that do not exist:\n{}", missing.join("\n"));
}

#[test]
fn a_path_that_does_not_exist_is_noticed() {
    assert!(exists("crates/protocol/src/lib.rs", "", false) && exists("protocol/src/lib.rs", "", true));
    assert!(exists("revision/", "| a message | `protocol` | `revision/` |", true));
    assert!(
        !exists("protocol/src/no_such_file.rs", "", true)
            && !exists("revision/", "| `server` | `revision/` |", true)
    );
    assert!(
        is_path("crates/x.rs", false)
            && !is_path("python/testing.md", false)
            && is_path("server/src/ask/", true)
    );
    assert!(!is_path("text/event-stream", true) && !is_path("tests/golden/divide.txt", false));
}
