//! Invariant: Nothing outside the served folder can be read, also while a file is replaced by a link.

use std::{fmt::Debug, fs, path::Path};

use tempfile::TempDir;

use super::*;
use crate::path::PathError;

/// A folder on disk with these files, which goes when it is dropped.
fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        write(&folder, path, text);
    }
    folder
}

fn write(folder: &TempDir, path: &str, bytes: impl AsRef<[u8]>) {
    let file = folder.path().join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, bytes).unwrap();
}

fn load(folder: &TempDir) -> Loaded {
    Folders::new(folder.path()).load().unwrap()
}

fn paths(loaded: &Loaded) -> Vec<&str> {
    loaded.documents.iter().map(|document| document.path.as_str()).collect()
}

fn text(document: &Document) -> &str {
    document.held().unwrap()
}

/// The warnings without the folder's own path.
fn warnings(loaded: &Loaded, folder: &TempDir) -> Vec<(String, Option<usize>, Problem)> {
    let below = |file: &Path| file.strip_prefix(folder.path()).unwrap().to_str().unwrap().to_owned();
    loaded
        .warnings
        .iter()
        .map(|warning| (below(&warning.file), warning.line, warning.problem.clone()))
        .collect()
}

#[track_caller]
fn check<T: PartialEq + Debug>(
    found: Vec<(String, Option<usize>, T)>,
    expected: &[(&str, Option<usize>, T)],
) {
    let found: Vec<_> = found.iter().map(|(file, line, problem)| (file.as_str(), *line, problem)).collect();
    let expected: Vec<_> = expected.iter().map(|(file, line, problem)| (*file, *line, problem)).collect();
    assert_eq!(found, expected);
}

#[test]
fn markdown_in_any_folder_is_read_in_order_of_path() {
    let folder = folder(&[
        ("b.md", "# B"),
        ("python/testing.md", "# T"),
        ("a/deep/er/x.MARKDOWN", "# X"),
        ("a-b.md", "# AB"),
        ("a.txt", "# no"),
        ("image.png", "\0"),
        (".git/config.md", "# no"),
        (".hidden.md", "# no"),
        ("node_modules/p/readme.md", "# no"),
        ("sub/target/doc.md", "# no"),
    ]);
    let loaded = load(&folder);
    assert_eq!(paths(&loaded), ["a-b.md", "a/deep/er/x.MARKDOWN", "b.md", "python/testing.md"]);
    assert_eq!(loaded.documents[3].title, "T");
    assert_eq!(loaded.warnings, []);
}

#[test]
fn further_extensions_are_configured() {
    let folder = folder(&[("a.md", ""), ("b.txt", ""), ("c.RST", ""), ("d", "")]);
    let loaded = Folders::new(folder.path()).extension("txt").extension(".rst").load().unwrap();
    assert_eq!(paths(&loaded), ["a.md", "b.txt", "c.RST"]);
}

#[test]
fn a_document_says_what_its_file_does_not() {
    let folder = folder(&[("go/errors.md", "text")]);
    let document = &load(&folder).documents[0];
    assert_eq!(document.language.as_deref(), Some("go"));
    let now: jiff::Timestamp = document.updated_at.parse().unwrap();
    assert!(jiff::Timestamp::now().duration_since(now).as_secs() < 3600);
    assert!(document.created_at <= document.updated_at);
}

#[test]
fn faulty_files_are_named_and_the_others_read() {
    let folder = folder(&[
        ("good.md", "---\ntitle: Good\n---\n# x"),
        ("windows.md", "\u{feff}---\r\ntitle: Windows\r\n---\r\n# x\r\n"),
        ("broken.md", "---\ntitle: Broken\ndescription: a: b\n---\nbody"),
        ("binary.md", "ab\0c"),
        ("huge.md", &"x".repeat(1001)),
        ("limit.md", &"x".repeat(1000)),
    ]);
    write(&folder, "latin.md", b"line\ncaf\xe9\n");
    write(&folder, "sub/utf16.md", b"\xff\xfea\0");
    let loaded = Folders::new(folder.path()).max_document_bytes(1000).load().unwrap();
    assert_eq!(paths(&loaded), ["broken.md", "good.md", "limit.md", "windows.md"]);
    assert_eq!(loaded.documents[0].title, "Broken");
    assert_eq!(text(&loaded.documents[0]), "body");
    assert_eq!(loaded.documents[3].title, "Windows");
    let found = warnings(&loaded, &folder);
    let Problem::FrontMatter(reason) = found[1].2.clone() else { panic!("{found:?}") };
    check(
        found,
        &[
            ("binary.md", None, Problem::Binary(2)),
            ("broken.md", Some(3), Problem::FrontMatter(reason)),
            ("huge.md", None, Problem::TooLarge(1000)),
            ("latin.md", Some(2), Problem::NotUtf8),
            ("sub/utf16.md", None, Problem::Binary(3)),
        ],
    );
}

#[test]
fn a_warning_names_file_line_and_reason() {
    let folder = folder(&[("a.md", "---\ntitle: a\ntags: {b: c}\n---\n")]);
    let loaded = load(&folder);
    let expected = format!("{}/a.md:3: front matter: `tags` is a mapping; ", folder.path().display());
    let said = loaded.warnings[0].to_string();
    assert!(said.starts_with(&expected), "{said}");
}

#[test]
fn files_that_vanish_after_listing_are_skipped() {
    let folder = folder(&[("a.md", "a"), ("b.md", "b")]);
    let folders = Folders::new(folder.path());
    let mut scan = folders.scan(&mut |_, _| ());
    let (root, mut warnings) = (scan.roots.remove(0).unwrap(), scan.warnings);
    fs::remove_file(folder.path().join("a.md")).unwrap();
    let mut read = |entry| folders.read(&root.real, &root.shown, entry, &mut warnings);
    let documents: Vec<_> = root.files.into_iter().filter_map(&mut read).collect();
    let loaded = Loaded { documents, warnings };
    assert_eq!(paths(&loaded), ["b.md"]);
    check(self::warnings(&loaded, &folder), &[("a.md", None, Problem::Vanished)]);
}

#[test]
fn of_two_folders_the_first_wins() {
    let (first, second) = (folder(&[("z.md", "1"), ("a.md", "1")]), folder(&[("a.md", "2"), ("b.md", "2")]));
    let loaded = Folders::new(first.path()).and(second.path()).load().unwrap();
    assert_eq!(paths(&loaded), ["a.md", "z.md", "b.md"]);
    assert_eq!(text(&loaded.documents[0]), "1");
    let problem = Problem::Shadowed(first.path().to_owned());
    assert_eq!(loaded.warnings, [Warning { file: second.path().join("a.md"), line: None, problem }]);
}

#[test]
fn a_folder_that_cannot_be_listed_is_an_error_with_advice() {
    let folder = folder(&[("a.md", "")]);
    for (name, advice) in [("missing", "create it"), ("a.md", "name the folder that the file is in")] {
        let root = folder.path().join(name);
        let error = Folders::new(folder.path()).and(&root).load().unwrap_err();
        let said = error.to_string();
        assert!(said.starts_with(&format!("cannot read the folder {}: ", root.display())), "{said}");
        assert!(said.contains(&error.cause.to_string()), "{said}");
        assert!(error.help().starts_with(advice), "{}", error.help());
    }
}

#[test]
fn an_empty_folder_has_no_documents() {
    let loaded = load(&folder(&[]));
    assert!(loaded.documents.is_empty() && loaded.warnings.is_empty());
}

#[cfg(unix)]
mod unix {
    use std::os::unix::{fs::symlink, net::UnixListener};

    use super::*;

    fn link(folder: &TempDir, name: &str, target: impl AsRef<Path>) {
        symlink(target, folder.path().join(name)).unwrap();
    }

    #[test]
    fn links_within_the_folder_are_followed() {
        let folder = folder(&[("v2/intro.md", "two"), ("v2/sub/more.md", "")]);
        link(&folder, "current", "v2");
        link(&folder, "latest.md", folder.path().join("v2/intro.md"));
        link(&folder, "latest.bin", "v2/intro.md");
        let loaded = load(&folder);
        let expected =
            ["current/intro.md", "current/sub/more.md", "latest.md", "v2/intro.md", "v2/sub/more.md"];
        assert_eq!(paths(&loaded), expected);
        assert_eq!(text(&loaded.documents[2]), "two");
        assert_eq!(loaded.warnings, []);
    }

    #[test]
    fn a_folder_that_is_a_link_itself_is_read() {
        let (real, holder) = (folder(&[("a.md", "")]), folder(&[]));
        link(&holder, "docs", real.path());
        let loaded = Folders::new(holder.path().join("docs")).load().unwrap();
        assert_eq!(paths(&loaded), ["a.md"]);
    }

    #[test]
    fn no_link_leads_out_of_the_folder() {
        let outside = folder(&[("secret.md", "secret"), ("inner/x.md", "")]);
        // A neighbour whose name begins with the folder's own.
        let folder = folder(&[("docs/a.md", ""), ("docs2/b.md", ""), ("docs/.git/c.md", "")]);
        let docs = folder.path().join("docs");
        symlink(outside.path().join("secret.md"), docs.join("file.md")).unwrap();
        symlink(outside.path(), docs.join("folder")).unwrap();
        symlink("../docs2", docs.join("neighbour")).unwrap();
        symlink("folder/inner", docs.join("through")).unwrap();
        symlink(".git", docs.join("hidden")).unwrap();
        symlink("/dev/null", docs.join("null")).unwrap();
        symlink("nowhere", docs.join("dangling")).unwrap();
        let loaded = Folders::new(&docs).load().unwrap();
        assert_eq!(paths(&loaded), ["a.md"]);
        let found = warnings(&loaded, &folder);
        let Problem::LinkLeadsNowhere(cause) = found[0].2.clone() else { panic!("{found:?}") };
        check(
            found,
            &[
                ("docs/dangling", None, Problem::LinkLeadsNowhere(cause)),
                ("docs/file.md", None, Problem::LinkLeadsOut),
                ("docs/folder", None, Problem::LinkLeadsOut),
                ("docs/hidden", None, Problem::LinkLeadsToHidden),
                ("docs/neighbour", None, Problem::LinkLeadsOut),
                ("docs/through", None, Problem::LinkLeadsOut),
            ],
        );
    }

    #[test]
    fn loops_of_links_end() {
        let folder = folder(&[("a/x.md", ""), ("b/y.md", "")]);
        link(&folder, "a/self", ".");
        link(&folder, "a/up", "..");
        link(&folder, "a/b", "../b");
        link(&folder, "b/a", "../a");
        link(&folder, "knot.md", "knot.md");
        let loaded = load(&folder);
        assert_eq!(paths(&loaded), ["a/b/y.md", "a/x.md", "b/a/x.md", "b/y.md"]);
        let found = warnings(&loaded, &folder);
        let problem = |file: &str| &found.iter().find(|warning| warning.0 == file).unwrap().2;
        assert_eq!(problem("a/self"), &Problem::LinkLeadsBack);
        assert_eq!(problem("a/up"), &Problem::LinkLeadsBack);
        assert_eq!(problem("a/b/a"), &Problem::LinkRepeats);
        assert!(matches!(problem("knot.md"), Problem::LinkLeadsNowhere(_)));
    }

    #[test]
    fn crossed_links_cost_no_more_than_the_folder() {
        let folder = folder(&[]);
        for a in 0..20 {
            write(&folder, &format!("{a}/x.md"), "");
            for b in 0..20 {
                link(&folder, &format!("{a}/to-{b}"), format!("../{b}"));
            }
        }
        assert_eq!(load(&folder).documents.len(), 40);
    }

    #[test]
    fn no_folder_is_read_twice_by_way_of_links() {
        let folder = folder(&[("x/a.md", ""), ("x/y/b.md", "")]);
        link(&folder, "1", "x/y");
        link(&folder, "2", "x");
        link(&folder, "3", "x/y");
        let loaded = load(&folder);
        assert_eq!(paths(&loaded), ["1/b.md", "2/a.md", "x/a.md", "x/y/b.md"]);
        check(
            warnings(&loaded, &folder),
            &[("2/y", None, Problem::LinkRepeats), ("3", None, Problem::LinkRepeats)],
        );
    }

    #[test]
    fn what_is_no_regular_file_is_not_opened() {
        let folder = folder(&[]);
        let _listener = UnixListener::bind(folder.path().join("socket.md")).unwrap();
        let loaded = load(&folder);
        check(warnings(&loaded, &folder), &[("socket.md", None, Problem::NotAFile)]);
    }

    #[test]
    fn a_file_replaced_by_a_link_after_listing_is_not_read() {
        let (outside, folder) = (folder(&[("secret.md", "secret")]), folder(&[("a.md", "a")]));
        let folders = Folders::new(folder.path());
        let mut scan = folders.scan(&mut |_, _| ());
        let (mut root, mut warnings) = (scan.roots.remove(0).unwrap(), scan.warnings);
        fs::remove_file(folder.path().join("a.md")).unwrap();
        link(&folder, "a.md", outside.path().join("secret.md"));
        let entry = root.files.remove(0);
        assert_eq!(folders.read(&root.real, &root.shown, entry, &mut warnings), None);
        assert_eq!(warnings[0].problem, Problem::NotAFile);
    }

    #[test]
    fn a_backslash_in_a_name_is_no_separator() {
        let folder = folder(&[("a\\b.md", ""), ("c\\d/e.md", "")]);
        let loaded = load(&folder);
        let problem = || Problem::Name(PathError::Backslash);
        check(warnings(&loaded, &folder), &[("a\\b.md", None, problem()), ("c\\d", None, problem())]);
        assert!(loaded.documents.is_empty());
    }

    // Other systems refuse to make such a name.
    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_not_utf8_are_skipped() {
        use std::os::unix::ffi::OsStrExt;

        let folder = folder(&[("ok.md", "")]);
        for name in [&b"caf\xe9.md"[..], b"caf\xe9.png"] {
            fs::write(folder.path().join(std::ffi::OsStr::from_bytes(name)), "").unwrap();
        }
        let loaded = load(&folder);
        assert_eq!(paths(&loaded), ["ok.md"]);
        check(warnings(&loaded, &folder), &[("caf\u{fffd}.md", None, Problem::NameNotUtf8)]);
    }

    #[test]
    fn deep_folders_do_not_exhaust_the_stack() {
        let folder = folder(&[]);
        write(&folder, &format!("{}x.md", "d/".repeat(1500)), "");
        assert_eq!(load(&folder).documents.len(), 1);
    }
}
