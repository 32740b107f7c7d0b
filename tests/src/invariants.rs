//! The invariants that tests hold, as the tests state them, and the page that lists them.
//!
//! A test states its invariant in a doc line of its own, `/// Invariant: ...`; a module whose tests hold one together
//! states it in the module's docs, `//! Invariant: ...`. The sentence may go on over several lines. Tests that state the
//! same sentence hold one invariant together.

use std::{
    error::Error,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

/// An invariant, and the tests that hold it.
#[derive(Debug, PartialEq, Eq)]
pub struct Invariant {
    /// The sentence.
    pub text: String,
    /// The tests, in the order of `FOLDERS`.
    pub held_by: Vec<Holder>,
}

/// A test, or a module of tests, that holds an invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The file below the repository's root.
    pub file: String,
    /// The test function, or `None` if all tests of the file hold the invariant together.
    pub test: Option<String>,
}

/// The folders that have tests, with the heading of their section, in the order of the page.
const FOLDERS: &[(&str, &str)] = &[
    ("crates/protocol", "Protocol"),
    ("crates/service", "Service"),
    ("crates/metrics", "Metrics"),
    ("crates/seal", "Sealing"),
    ("crates/store", "The store"),
    ("crates/layers", "Layers"),
    ("crates/adapters", "Adapters"),
    ("crates/transport", "Transports"),
    ("crates/auth", "Signing in"),
    ("crates/upstream", "Upstream"),
    ("crates/macros", "Macros"),
    ("crates/server", "Servers"),
    ("crates/client", "Clients"),
    ("crates/anyport", "Facade"),
    ("crates/gateway", "Gateway"),
    ("crates/knowledge", "Knowledge"),
    ("crates/cli", "The program"),
    ("crates/testing", "The testing kit"),
    ("tests", "Across crates"),
    ("examples", "Examples"),
    ("bench", "Costs"),
    ("xtask", "Suites of other projects"),
];

/// All invariants that tests below `root` state, in the order of `FOLDERS`.
///
/// # Errors
/// If a file cannot be read, or if an invariant stands at an item that is not a test.
pub fn collect(root: &Path) -> Result<Vec<Invariant>, Box<dyn Error>> {
    let mut invariants: Vec<Invariant> = Vec::new();
    for (folder, _) in FOLDERS {
        for path in sources(&root.join(folder))? {
            let file = path.strip_prefix(root)?.to_string_lossy().replace('\\', "/");
            for (text, test) in stated(&fs::read_to_string(&path)?).map_err(|at| format!("{file}: {at}"))? {
                let holder = Holder { file: file.clone(), test };
                match invariants.iter_mut().find(|invariant| invariant.text == text) {
                    Some(invariant) => invariant.held_by.push(holder),
                    None => invariants.push(Invariant { text, held_by: vec![holder] }),
                }
            }
        }
    }
    Ok(invariants)
}

/// The files of code below `folder`, sorted by path; none if there is no such folder.
fn sources(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop().filter(|folder| folder.is_dir()) {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            if path.is_dir() {
                if !name.starts_with('.') && !matches!(name.as_str(), "target" | "node_modules") {
                    folders.push(path);
                }
            } else if name.ends_with(".rs") || name.ends_with(".py") {
                files.push(path);
            }
        }
    }
    files.sort();
    Ok(files)
}

/// The words with which an invariant begins, after the mark of the comment.
const START: &str = "Invariant: ";

/// The marks of comments: of an item, of a module, and of Python.
const MARKS: &[&str] = &["/// ", "//! ", "# "];

/// The invariants in the text of a file, each with the test at which it stands.
fn stated(source: &str) -> Result<Vec<(String, Option<String>)>, String> {
    let lines: Vec<&str> = source.lines().map(str::trim_start).collect();
    let mut stated = Vec::new();
    for (at, line) in lines.iter().enumerate() {
        let mark =
            MARKS.iter().find(|mark| line.strip_prefix(**mark).is_some_and(|it| it.starts_with(START)));
        let Some(mark) = mark else { continue };
        let mut text = line[mark.len() + START.len()..].trim_end().to_owned();
        let rest = lines[at + 1..].iter().map_while(|line| line.strip_prefix(mark));
        for line in rest.take_while(|line| !line.starts_with(START)) {
            text = format!("{text} {}", line.trim());
        }
        let test = if *mark == "//! " { None } else { Some(test_below(&lines[at..])?) };
        stated.push((text, test));
    }
    Ok(stated)
}

/// The name of the test function whose docs begin with `lines`.
fn test_below(lines: &[&str]) -> Result<String, String> {
    let mut is_test = false;
    for line in lines {
        is_test |= line.starts_with("#[") && (line.contains("test]") || line.contains("test("));
        for keyword in ["fn ", "async fn ", "def ", "async def "] {
            let Some(name) = line.strip_prefix(keyword).and_then(|it| it.split('(').next()) else { continue };
            let is_test = is_test || keyword.ends_with("def ");
            return is_test
                .then(|| name.to_owned())
                .ok_or(format!("an invariant stands at `{name}`, which is not a test"));
        }
    }
    Err("an invariant stands at no test".to_owned())
}

/// The page that lists the invariants.
pub fn page(invariants: &[Invariant]) -> String {
    let mut page = HEAD.to_owned();
    for (folder, heading) in FOLDERS {
        let inside =
            |holder: &Holder| holder.file.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'));
        let mut own =
            invariants.iter().filter(|invariant| invariant.held_by.first().is_some_and(inside)).peekable();
        if own.peek().is_none() {
            continue;
        }
        let _ = write!(page, "\n## {heading}\n\n| invariant | held by |\n|---|---|\n");
        for Invariant { text, held_by } in own {
            let holders: Vec<String> = held_by.iter().map(Holder::to_string).collect();
            let _ = writeln!(page, "| {} | {} |", text.replace('|', "\\|"), holders.join("; "));
        }
    }
    page
}

impl std::fmt::Display for Holder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.test {
            Some(test) => write!(f, "`{}: {test}`", self.file),
            None => write!(f, "`{}`", self.file),
        }
    }
}

const HEAD: &str = r"---
title: Invariants
description: The properties that hold in Anyport, each with the tests that fail if it breaks.
tags: [invariants, tests, architecture, quality]
---

# Invariants

<!-- `UPDATE_GOLDEN=1 cargo test -p anyport-tests --test all invariants` writes this page. -->
Each property has the tests that fail if it breaks. The tests state it themselves: in a doc line `/// Invariant: ...` of the test
function, or in the docs of the module if all tests of the file hold it together.
";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invariant_is_a_sentence_at_a_test_or_a_module() {
        let source = "//! Tests.\n//!\n//! Invariant: The whole file\n//! holds it.\n\n/// Docs.\n///\n/// Invariant: One | two.\n\
            #[tokio::test]\nasync fn one() {}\n\nproptest! {\n    /// Invariant: Three.\n    /// Invariant: Four.\n    #[test]\n    \
            fn three(a in 0..1) {}\n}\n";
        let of = |text: &str, test: Option<&str>| (text.to_owned(), test.map(str::to_owned));
        let expected = [
            of("The whole file holds it.", None),
            of("One | two.", Some("one")),
            of("Three.", Some("three")),
            of("Four.", Some("three")),
        ];
        assert_eq!(stated(source).unwrap(), expected);
    }

    #[test]
    fn an_invariant_at_an_item_that_is_no_test_is_an_error() {
        assert!(stated("/// Invariant: Nothing.\nfn helper() {}\n").unwrap_err().contains("`helper`"));
        assert!(stated("/// Invariant: Nothing.\nstruct It;\n").is_err());
    }

    #[test]
    fn the_page_has_a_section_for_each_folder_with_tests() {
        let holder = |file: &str| Holder { file: file.to_owned(), test: Some("it".to_owned()) };
        let invariant = Invariant {
            text: "A | b.".to_owned(),
            held_by: vec![holder("crates/seal/src/lib.rs"), holder("tests/tests/a.rs")],
        };
        let page = page(&[invariant]);
        let row = "\n## Sealing\n\n| invariant | held by |\n|---|---|\n| A \\| b. | `crates/seal/src/lib.rs: it`; `tests/tests/a.rs: it` |\n";
        assert_eq!(page.strip_prefix(HEAD), Some(row));
    }
}
