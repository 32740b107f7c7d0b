//! Whatever file a document of the repository names is there.

use std::{
    collections::BTreeSet,
    fs,
    path::{Component, Path, PathBuf},
};

use pulldown_cmark::{Event, Options, Parser, Tag};

/// Documents that other people wrote, or that tell of other trees than this one.
const NOT_OURS: [&str; 5] =
    ["CHANGELOG.md", "bench/peers", "crates/protocol/tests/data", "crates/testing/schemas", "tests/data"];

/// What only looks like a path of this repository.
const ELSEWHERE: [(&str, &str); 1] = [("docs/testing.md", "tests/golden/divide.txt")];

/// What stands in a path for a name that its reader gives.
const PLACEHOLDERS: [&str; 2] = ["NAME", "YYYY"];

/// The files and folders of the repository, seen from its root.
struct Repository {
    all: BTreeSet<PathBuf>,
}

/// What a document names: in backticks, or as the target of a link.
#[derive(Debug, PartialEq, Eq)]
enum Named {
    Code(String),
    Link(String),
}

impl Repository {
    fn find() -> Self {
        let mut all = BTreeSet::new();
        walk(&root(), Path::new(""), &mut all);
        Self { all }
    }

    fn documents(&self) -> impl Iterator<Item = &PathBuf> {
        let ours = |file: &&PathBuf| !NOT_OURS.iter().any(|folder| file.starts_with(folder));
        self.all
            .iter()
            .filter(|file| file.extension().is_some_and(|extension| extension == "md"))
            .filter(ours)
    }

    fn has(&self, path: &Path) -> bool {
        self.all.contains(path)
    }

    /// Whether `code` is written as a path of this repository and leads nowhere, or names a test that is not there.
    fn lacks(&self, code: &str) -> bool {
        let (path, test) = code.split_once(": ").map_or((code, None), |(path, test)| (path, Some(test)));
        let is_path =
            !path.is_empty() && path.chars().all(|c| c.is_ascii_alphanumeric() || "_-./".contains(c));
        // `./docs` is a folder of whoever types it.
        if !is_path || path.starts_with("./") || PLACEHOLDERS.iter().any(|word| path.contains(word)) {
            return false;
        }
        let found = self.place(path);
        match (found, test) {
            (Some(Some(file)), Some(test)) => {
                let text = fs::read_to_string(root().join(file)).unwrap_or_default();
                !["fn", "def"].iter().any(|word| text.contains(&format!("{word} {test}(")))
            }
            (found, _) => found == Some(None),
        }
    }

    /// The file or folder that `path` means, if it is written as one of this repository.
    fn place(&self, path: &str) -> Option<Option<&PathBuf>> {
        let mut parts = path.trim_end_matches('/').split('/');
        let (first, second) = (parts.next()?, parts.next());
        let find = |path: PathBuf| self.all.get(&path);
        let in_crate = ["src", "tests", "docs", "Cargo.toml"];
        if second.is_some() && self.has(Path::new(first)) {
            // `tests/all/` is one of each crate.
            return Some(find(path.trim_end_matches('/').into()).or_else(|| self.somewhere(path)));
        }
        if second.is_some_and(|second| in_crate.contains(&second))
            && self.has(&Path::new("crates").join(first))
        {
            return Some(find(Path::new("crates").join(path.trim_end_matches('/'))));
        }
        // Where the document has said before which crate is meant.
        path.ends_with(".rs").then(|| self.somewhere(path))
    }

    fn somewhere(&self, path: &str) -> Option<&PathBuf> {
        self.all.iter().find(|file| file.ends_with(path))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Adds what is below `folder`, without what is built, installed or hidden.
fn walk(root: &Path, folder: &Path, all: &mut BTreeSet<PathBuf>) {
    for entry in fs::read_dir(root.join(folder)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = folder.join(&name);
        // A source folder may be called `target`, too; what cargo builds is beside a manifest.
        let is_built = name == "target" && root.join(folder).join("Cargo.toml").exists();
        if is_built || ["node_modules", ".git"].contains(&name.as_str()) {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            walk(root, &path, all);
        }
        all.insert(path);
    }
}

fn named(text: &str) -> Vec<Named> {
    let parser = Parser::new_ext(text, Options::ENABLE_TABLES);
    let named = parser.filter_map(|event| match event {
        Event::Code(code) => Some(Named::Code(code.into_string())),
        Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
            Some(Named::Link(dest_url.into_string()))
        }
        _ => None,
    });
    named.collect()
}

/// The path of a link in `document`, seen from the root; none if it leads out of the repository.
fn target(document: &Path, link: &str) -> Option<PathBuf> {
    let path = link.split('#').next().filter(|path| !path.is_empty() && !path.contains(':'))?;
    let mut whole = PathBuf::new();
    for part in document.parent()?.join(path).components() {
        match part {
            Component::ParentDir => drop(whole.pop()),
            Component::Normal(name) => whole.push(name),
            _ => {}
        }
    }
    Some(whole)
}

#[test]
fn every_path_that_a_document_names_is_there() {
    let repository = Repository::find();
    let mut wrong = Vec::new();
    for document in repository.documents() {
        let text = fs::read_to_string(root().join(document)).unwrap();
        let elsewhere = |code: &str| ELSEWHERE.contains(&(document.to_str().unwrap(), code));
        for named in named(&text) {
            let lacks = match &named {
                Named::Code(code) => repository.lacks(code) && !elsewhere(code),
                Named::Link(link) => target(document, link).is_some_and(|path| !repository.has(&path)),
            };
            if lacks {
                wrong.push(format!("{}: {named:?}", document.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "there is nothing there:\n{}", wrong.join("\n"));
}

#[test]
fn a_path_that_leads_nowhere_is_noticed() {
    let repository = Repository::find();
    for nowhere in [
        "tests/tests/all/nowhere.rs",
        "crates/nowhere/src/lib.rs",
        "server/src/nowhere/",
        "nowhere.rs",
        "tests/tests/all/documents.rs: no_such_test",
    ] {
        assert!(repository.lacks(nowhere), "{nowhere}");
    }
    for fine in [
        "tests/tests/all/documents.rs",
        "server/src/",
        "documents.rs",
        "all/documents.rs",
        "server/discover",
        "tools/call",
        "cargo run -p a/b.rs",
        "./docs/nowhere.rs",
        "docs/NAME.md",
        "tests/tests/all/documents.rs: a_path_that_leads_nowhere_is_noticed",
    ] {
        assert!(!repository.lacks(fine), "{fine}");
    }
    let document = Path::new("docs/cli.md");
    assert_eq!(target(document, "../README.md#try"), Some("README.md".into()));
    assert_eq!(target(document, "https://example.com/a.md"), None);
    assert_eq!(target(document, "#here"), None);
    assert_eq!(named("`a.rs` and [b](c.md)"), [Named::Code("a.rs".into()), Named::Link("c.md".into())]);
}
