//! Invariant: A change is notified once, when it can be searched; a touched file causes no notification, and
//! a fault is logged once.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use tempfile::TempDir;
use tokio::{
    sync::broadcast::{
        Receiver,
        error::{RecvError, TryRecvError},
    },
    time::timeout,
};

use super::*;
use crate::{Document, path::DocumentPath};

mod random;
mod warnings;

/// How long a change may take to be seen before a test fails; the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// A folder on disk, and what is known of it.
struct Live {
    folder: TempDir,
    knowledge: Knowledge,
    changes: Receiver<Arc<Change>>,
}

impl Live {
    /// Opens a folder with these files.
    async fn new(files: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        for (path, text) in files {
            write(folder.path(), path, text);
        }
        Self::open(folder, |folders| folders, Settings::default()).await
    }

    async fn open(folder: TempDir, adapt: impl FnOnce(Folders) -> Folders, settings: Settings) -> Self {
        let knowledge = Knowledge::open(adapt(Folders::new(folder.path())), settings).unwrap();
        knowledge.settled().await;
        let changes = knowledge.changes();
        Self { folder, knowledge, changes }
    }

    fn write(&self, path: &str, text: &str) {
        write(self.folder.path(), path, text);
    }

    /// Writes a file in one step. With two, a slow machine sees an empty file between them, and tells of two changes.
    fn replace(&self, path: &str, text: &str) {
        self.write(&format!("{path}.aside"), text);
        fs::rename(self.path(&format!("{path}.aside")), self.path(path)).unwrap();
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.path().join(path)
    }

    /// The next change that is told.
    async fn change(&mut self) -> Change {
        let told = timeout(PATIENCE, self.changes.recv()).await.expect("no change was told");
        Change::clone(&told.unwrap())
    }

    /// Waits until the documents are these, by path, with their texts.
    async fn becomes(&mut self, expected: &[(&str, &str)]) {
        let waited = timeout(PATIENCE, async {
            while self.documents() != owned(expected) {
                match self.changes.recv().await {
                    Ok(_) | Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => panic!("the documents are watched no longer"),
                }
            }
        });
        if waited.await.is_err() {
            panic!("{:?} did not become {expected:?}", self.documents());
        }
        // Who is told finds what was told of.
        self.knowledge.settled().await;
        // What led here may have been told late: it is no changes for who waits for the next change.
        while !matches!(self.changes.try_recv(), Err(TryRecvError::Empty | TryRecvError::Closed)) {}
    }

    fn documents(&self) -> Vec<(String, String)> {
        documents(&self.knowledge.library())
    }

    /// The paths of what a search finds, in alphabetical order.
    fn find(&self, query: &str) -> Vec<String> {
        let (language, domain, tags) = Default::default();
        let query = SearchQuery { query: query.into(), language, domain, tags, limit: 50 };
        let mut paths: Vec<String> =
            self.knowledge.search(&query).unwrap().hits.into_iter().map(|hit| hit.path.to_string()).collect();
        paths.sort();
        paths
    }
}

fn documents(library: &Library) -> Vec<(String, String)> {
    // One that was exchanged a moment ago can be unreadable.
    let text = |document: &Document| {
        document.read_blocking().map_or_else(|error| error.to_string(), |text| text.to_string())
    };
    let mut all: Vec<_> =
        library.iter().map(|document| (document.path.to_string(), text(document))).collect();
    all.sort();
    all
}

fn owned(files: &[(&str, &str)]) -> Vec<(String, String)> {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn write(folder: &Path, path: &str, text: &str) {
    let file = folder.join(path);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}

fn paths(paths: &[DocumentPath]) -> Vec<&str> {
    paths.iter().map(|path| path.as_str()).collect()
}

#[tokio::test]
async fn a_small_folder_is_ready_when_it_is_opened() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "apple");
    write(folder.path(), "b/c.md", "cherry");
    // On a machine so busy that it did not come about in the time that is waited for it, once more.
    for _ in 0..10 {
        let begun = std::time::Instant::now();
        let knowledge = Knowledge::open(Folders::new(folder.path()), Settings::default()).unwrap();
        if begun.elapsed() >= OPENING {
            continue;
        }
        assert_eq!(documents(&knowledge.library()), owned(&[("a.md", "apple"), ("b/c.md", "cherry")]));
        let expected = Progress { documents: 2, read: 2, indexed: 2, reading: false, indexing: false };
        assert_eq!(knowledge.progress(), expected);
        return;
    }
    panic!("two files were never read within {OPENING:?}");
}

#[tokio::test]
async fn a_named_folder_that_cannot_be_listed_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing");
    let error = Knowledge::open(Folders::new(folder.path()).and(&missing), Settings::default()).unwrap_err();
    assert_eq!(error.folder, missing);
}

#[tokio::test]
async fn documents_that_never_change_are_found_too() {
    let parse =
        |path, text| Document::parse(DocumentPath::new(path).unwrap(), text, crate::FileTimes::default()).0;
    let knowledge = Knowledge::of(Library::new([parse("a.md", "apple"), parse("b.md", "banana")]));
    knowledge.settled().await;
    let live = Live { folder: tempfile::tempdir().unwrap(), changes: knowledge.changes(), knowledge };
    assert_eq!(live.find("banana"), ["b.md"]);
    assert_eq!(live.knowledge.progress().indexed, 2);
}

#[tokio::test]
async fn what_is_written_renamed_and_removed_is_told_and_found() {
    let mut live = Live::new(&[("a.md", "apple"), ("b.md", "banana")]).await;

    live.replace("c.md", "cherry");
    let change = live.change().await;
    assert_eq!(change, Change { added: vec![DocumentPath::new("c.md").unwrap()], ..Change::default() });
    assert_eq!(live.find("cherry"), ["c.md"]);

    live.replace("a.md", "apricot");
    let change = live.change().await;
    assert_eq!((paths(&change.changed), change.added.len(), change.removed.len()), (vec!["a.md"], 0, 0));
    assert_eq!((live.find("apricot"), live.find("apple")), (vec!["a.md".to_owned()], vec![]));

    fs::rename(live.path("b.md"), live.path("d.md")).unwrap();
    live.becomes(&[("a.md", "apricot"), ("c.md", "cherry"), ("d.md", "banana")]).await;
    assert_eq!(live.find("banana"), ["d.md"]);

    fs::remove_file(live.path("d.md")).unwrap();
    live.becomes(&[("a.md", "apricot"), ("c.md", "cherry")]).await;
    assert!(live.find("banana").is_empty());
    assert_eq!(live.knowledge.progress().documents, 2);
}

#[tokio::test]
async fn a_changed_document_is_found_within_a_second() {
    let mut live = Live::new(&[("a.md", "apple")]).await;
    // The best of several: the machine may be busy with other tests.
    let mut best = Duration::MAX;
    for text in ["banana", "cherry", "damson", "elderberry", "fig", "grape", "hazelnut", "kiwi"] {
        let written = std::time::Instant::now();
        live.replace("a.md", text);
        live.change().await;
        assert_eq!(live.find(text), ["a.md"]);
        best = best.min(written.elapsed());
        if best < Duration::from_secs(1) {
            return;
        }
    }
    panic!("{best:?} at best");
}

#[tokio::test]
async fn a_file_that_is_replaced_as_editors_do_is_changed_not_removed() {
    let mut live = Live::new(&[("a.md", "apple")]).await;
    for text in ["apricot", "avocado"] {
        live.write(".a.md.swp", text);
        live.write("a.md~", text);
        fs::rename(live.path("a.md~"), live.path("a.md")).unwrap();
        let change = live.change().await;
        assert_eq!((paths(&change.changed), change.added.len(), change.removed.len()), (vec!["a.md"], 0, 0));
    }
    live.becomes(&[("a.md", "avocado")]).await;
}

#[tokio::test]
async fn a_touch_tells_nobody_but_the_time_is_known() {
    let mut live = Live::new(&[("a.md", "apple"), ("b.md", "banana")]).await;
    let file = fs::File::options().write(true).open(live.path("a.md")).unwrap();
    let time = std::time::SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000);
    file.set_modified(time).unwrap();
    live.replace("b.md", "banana");
    // The next thing that is told is this.
    live.replace("c.md", "cherry");
    live.becomes(&[("a.md", "apple"), ("b.md", "banana"), ("c.md", "cherry")]).await;
    let library = live.knowledge.library();
    assert!(library.get("a.md").unwrap().updated_at.starts_with("2001-09-09"));
    live.replace("d.md", "damson");
    let change = live.change().await;
    assert_eq!((paths(&change.added), change.changed), (vec!["d.md"], vec![]));
}

#[tokio::test]
async fn folders_come_and_go_with_what_is_in_them() {
    let mut live = Live::new(&[("a.md", "apple")]).await;
    let aside = tempfile::tempdir_in(live.folder.path().parent().unwrap()).unwrap();
    write(aside.path(), "x/y/deep.md", "deep");
    write(aside.path(), "x/z.md", "z");
    fs::rename(aside.path().join("x"), live.path("x")).unwrap();
    live.becomes(&[("a.md", "apple"), ("x/y/deep.md", "deep"), ("x/z.md", "z")]).await;

    live.write("x/y/more.md", "more");
    live.becomes(&[("a.md", "apple"), ("x/y/deep.md", "deep"), ("x/y/more.md", "more"), ("x/z.md", "z")])
        .await;

    fs::rename(live.path("x"), live.path("w")).unwrap();
    live.becomes(&[("a.md", "apple"), ("w/y/deep.md", "deep"), ("w/y/more.md", "more"), ("w/z.md", "z")])
        .await;
    // It is watched under its new name.
    live.write("w/y/deep.md", "deeper");
    live.becomes(&[("a.md", "apple"), ("w/y/deep.md", "deeper"), ("w/y/more.md", "more"), ("w/z.md", "z")])
        .await;

    fs::remove_dir_all(live.path("w/y")).unwrap();
    live.becomes(&[("a.md", "apple"), ("w/z.md", "z")]).await;
    fs::rename(live.path("w"), aside.path().join("w")).unwrap();
    live.becomes(&[("a.md", "apple")]).await;
    fs::create_dir_all(live.path("w/y")).unwrap();
    live.write("w/y/again.md", "again");
    live.becomes(&[("a.md", "apple"), ("w/y/again.md", "again")]).await;
}

#[tokio::test]
async fn thousands_of_files_at_once_are_all_seen() {
    let mut live = Live::new(&[("a.md", "apple")]).await;
    let mut expected = vec![("a.md".to_owned(), "apple".to_owned())];
    for number in 0..3_000 {
        let (path, text) = (format!("{}/{number}.md", number % 60), format!("number {number}"));
        live.write(&path, &text);
        expected.push((path, text));
    }
    expected.sort();
    let borrowed: Vec<_> = expected.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    live.becomes(&borrowed).await;
    assert_eq!(live.knowledge.progress().indexed, 3_001);
    fs::remove_dir_all(live.path("7")).unwrap();
    expected.retain(|(path, _)| !path.starts_with("7/"));
    let borrowed: Vec<_> = expected.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    live.becomes(&borrowed).await;
}

#[tokio::test]
async fn when_the_system_missed_something_everything_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "apple");
    write(folder.path(), "b.md", "banana");
    let mut live = Live::open(folder, |folders| folders, Settings::default()).await;
    // Only what the mailbox says is looked at now.
    live.knowledge.0.mailbox.missed();
    live.write("a.md", "apricot");
    fs::remove_file(live.path("b.md")).unwrap();
    live.write("c/d.md", "damson");
    live.becomes(&[("a.md", "apricot"), ("c/d.md", "damson")]).await;
}

#[tokio::test]
async fn without_a_watcher_the_folders_are_looked_through() {
    let mut live = Live::new(&[("a.md", "apple")]).await;
    live.knowledge.0.mailbox.failed(notify::Error::new(notify::ErrorKind::MaxFilesWatch));
    // What follows is seen with or without a watcher; that it is gone shows in that it is no longer told.
    live.write("a.md", "apricot");
    live.becomes(&[("a.md", "apricot")]).await;
    live.write("a.md", "avocado");
    fs::create_dir(live.path("new")).unwrap();
    live.write("new/b.md", "banana");
    live.becomes(&[("a.md", "avocado"), ("new/b.md", "banana")]).await;
    fs::remove_dir_all(live.path("new")).unwrap();
    live.becomes(&[("a.md", "avocado")]).await;
}

#[tokio::test]
async fn the_folder_itself_may_be_deleted_and_made_again() {
    let holder = tempfile::tempdir().unwrap();
    let docs = holder.path().join("docs");
    write(&docs, "a.md", "apple");
    let knowledge = Knowledge::open(Folders::new(&docs), Settings::default()).unwrap();
    let mut live = Live { folder: holder, changes: knowledge.changes(), knowledge };
    for text in ["banana", "cherry"] {
        fs::remove_dir_all(&docs).unwrap();
        live.becomes(&[]).await;
        write(&docs, "sub/b.md", text);
        live.becomes(&[("sub/b.md", text)]).await;
        write(&docs, "sub/b.md", "changed");
        live.becomes(&[("sub/b.md", "changed")]).await;
    }
    fs::rename(&docs, live.path("elsewhere")).unwrap();
    live.becomes(&[]).await;
}

#[tokio::test]
async fn a_document_stays_when_its_front_matter_breaks() {
    let mut live = Live::new(&[("a.md", "---\ntitle: Apple\n---\napple")]).await;
    live.write("a.md", "---\ntitle: [\n---\napricot");
    live.becomes(&[("a.md", "apricot")]).await;
    assert_eq!(live.find("apricot"), ["a.md"]);
}

#[tokio::test]
async fn what_stops_being_a_document_goes_and_comes_back() {
    let folder = tempfile::tempdir().unwrap();
    write(folder.path(), "a.md", "apple");
    let mut live = Live::open(folder, |folders| folders.max_document_bytes(100), Settings::default()).await;
    for bad in ["with\0nul", &"x".repeat(101)] {
        live.write("a.md", bad);
        live.becomes(&[]).await;
        assert!(live.find("apple").is_empty());
        live.write("a.md", "apple");
        live.becomes(&[("a.md", "apple")]).await;
        assert_eq!(live.find("apple"), ["a.md"]);
    }
}

#[tokio::test]
async fn of_two_folders_the_second_appears_when_the_first_goes() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(first.path(), "a.md", "one");
    write(second.path(), "a.md", "two");
    write(second.path(), "b.md", "banana");
    let other = second.path().to_owned();
    let mut live = Live::open(first, |folders| folders.and(&other), Settings::default()).await;
    assert_eq!(live.documents(), owned(&[("a.md", "one"), ("b.md", "banana")]));
    fs::remove_file(live.path("a.md")).unwrap();
    let change = live.change().await;
    assert_eq!((paths(&change.changed), change.added.len(), change.removed.len()), (vec!["a.md"], 0, 0));
    live.becomes(&[("a.md", "two"), ("b.md", "banana")]).await;
    assert_eq!((live.find("two"), live.find("one")), (vec!["a.md".to_owned()], vec![]));
    // One that is hidden changes unseen.
    live.write("a.md", "one again");
    live.becomes(&[("a.md", "one again"), ("b.md", "banana")]).await;
    write(second.path(), "a.md", "two again");
    write(second.path(), "b.md", "blackberry");
    live.becomes(&[("a.md", "one again"), ("b.md", "blackberry")]).await;
}

#[tokio::test]
async fn more_documents_than_may_be_are_left_out() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["a", "b", "c"] {
        write(folder.path(), &format!("{name}.md"), name);
    }
    let mut live = Live::open(folder, |folders| folders.max_documents(2), Settings::default()).await;
    assert_eq!(live.documents(), owned(&[("a.md", "a"), ("b.md", "b")]));
    fs::remove_file(live.path("a.md")).unwrap();
    live.becomes(&[("b.md", "b"), ("c.md", "c")]).await;
    live.write("a.md", "again");
    live.becomes(&[("a.md", "again"), ("b.md", "b")]).await;
}

#[tokio::test]
async fn texts_beyond_the_bound_are_read_from_their_files() {
    let folder = tempfile::tempdir().unwrap();
    for number in 0..10 {
        write(folder.path(), &format!("{number}.md"), &format!("---\ntitle: T\n---\n{}", "word ".repeat(20)));
    }
    let settings = Settings::default().max_held_bytes(250);
    let mut live = Live::open(folder, |folders| folders, settings).await;
    let held =
        |live: &Live| live.knowledge.library().iter().filter(|document| document.held().is_some()).count();
    assert_eq!(held(&live), 2);
    for document in live.knowledge.library().iter() {
        assert_eq!(&*document.read().await.unwrap(), "word ".repeat(20));
        assert_eq!(document.text.bytes(), 100);
    }
    // They are copies of one text, so they are one hit.
    assert_eq!(live.knowledge.search(&crate::SearchQuery::new("word")).unwrap().total, 10);
    // Room is given back, however often a file is read.
    for round in 0..3 {
        for number in 0..10 {
            live.write(&format!("{number}.md"), &format!("{round} {}", "word ".repeat(20)));
        }
        let text = format!("{round} {}", "word ".repeat(20));
        let paths: Vec<String> = (0..10).map(|number| format!("{number}.md")).collect();
        let expected: Vec<_> = paths.iter().map(|path| (path.as_str(), text.as_str())).collect();
        live.becomes(&expected).await;
        assert_eq!(held(&live), 2);
    }
}

#[tokio::test]
async fn the_index_may_lie_in_a_folder_and_leaves_nothing_there() {
    let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(folder.path(), "a.md", "apple");
    let settings = Settings::default().index_dir(Some(place.path().join("index")));
    let live = Live::open(folder, |folders| folders, settings).await;
    assert_eq!(live.find("apple"), ["a.md"]);
    let made = || {
        let entries = fs::read_dir(place.path().join("index")).unwrap();
        entries.filter(|entry| entry.as_ref().unwrap().file_type().unwrap().is_dir()).count()
    };
    assert_eq!(made(), 1);
    drop(live);
    // The threads that have it see that nobody needs it.
    let begun = std::time::Instant::now();
    while made() > 0 && begun.elapsed() < PATIENCE {
        tokio::task::yield_now().await;
    }
    assert_eq!(made(), 0);
}

#[tokio::test]
async fn what_is_closed_can_be_read_but_not_searched() {
    let (folder, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    write(folder.path(), "a.md", "apple");
    let settings = Settings::default().index_dir(Some(place.path().to_owned()));
    let live = Live::open(folder, |folders| folders, settings).await;
    assert_eq!(live.find("apple"), ["a.md"]);
    live.knowledge.close();
    assert_eq!(live.documents(), owned(&[("a.md", "apple")]));
    let (language, domain, tags) = Default::default();
    assert!(
        live.knowledge
            .search(&SearchQuery { query: "apple".into(), language, domain, tags, limit: 1 })
            .is_err()
    );
    let left = || -> Vec<_> {
        fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect()
    };
    // The index goes with its last user, and a thread that still uses it may end after `close`.
    for _ in 0..1_000 {
        if left() == ["lock"] {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(left(), ["lock"]);
}

#[cfg(unix)]
mod links {
    use std::os::unix::fs::symlink;

    use super::*;

    #[tokio::test]
    async fn links_come_go_and_lead_elsewhere() {
        let mut live = Live::new(&[("v1/a.md", "one"), ("v2/a.md", "two")]).await;
        symlink("v1", live.path("now")).unwrap();
        live.becomes(&[("now/a.md", "one"), ("v1/a.md", "one"), ("v2/a.md", "two")]).await;
        // As a release is switched.
        symlink("v2", live.path("next")).unwrap();
        fs::rename(live.path("next"), live.path("now")).unwrap();
        live.becomes(&[("now/a.md", "two"), ("v1/a.md", "one"), ("v2/a.md", "two")]).await;
        live.write("v2/a.md", "changed");
        live.becomes(&[("now/a.md", "changed"), ("v1/a.md", "one"), ("v2/a.md", "changed")]).await;
        symlink("v1/a.md", live.path("file.md")).unwrap();
        live.write("v1/b.md", "new");
        live.write("v1/a.md", "changed too");
        live.becomes(&[
            ("file.md", "changed too"),
            ("now/a.md", "changed"),
            ("v1/a.md", "changed too"),
            ("v1/b.md", "new"),
            ("v2/a.md", "changed"),
        ])
        .await;
        fs::remove_file(live.path("now")).unwrap();
        fs::remove_file(live.path("v1/a.md")).unwrap();
        live.becomes(&[("v1/b.md", "new"), ("v2/a.md", "changed")]).await;
        live.write("v1/a.md", "back");
        live.becomes(&[("file.md", "back"), ("v1/a.md", "back"), ("v1/b.md", "new"), ("v2/a.md", "changed")])
            .await;
    }

    #[tokio::test]
    async fn the_served_folder_may_be_a_link_that_is_switched() {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "v1/a.md", "one");
        write(folder.path(), "v2/a.md", "two");
        let current = folder.path().join("current");
        symlink("v1", &current).unwrap();
        let knowledge = Knowledge::open(Folders::new(&current), Settings::default()).unwrap();
        let mut live = Live { folder, changes: knowledge.changes(), knowledge };
        live.becomes(&[("a.md", "one")]).await;
        symlink("v2", live.path("next")).unwrap();
        fs::rename(live.path("next"), &current).unwrap();
        live.becomes(&[("a.md", "two")]).await;
        live.write("v2/a.md", "changed");
        live.becomes(&[("a.md", "changed")]).await;
    }

    #[tokio::test]
    async fn a_document_that_becomes_a_link_out_of_the_folder_is_gone() {
        let outside = tempfile::tempdir().unwrap();
        write(outside.path(), "secret.md", "secret");
        write(outside.path(), "b.md", "secret");
        let settings = Settings::default().max_held_bytes(0);
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), "a.md", "apple");
        write(folder.path(), "sub/b.md", "banana");
        let mut live = Live::open(folder, |folders| folders, settings).await;
        let before = live.knowledge.library();
        fs::remove_file(live.path("a.md")).unwrap();
        symlink(outside.path().join("secret.md"), live.path("a.md")).unwrap();
        fs::remove_dir_all(live.path("sub")).unwrap();
        symlink(outside.path(), live.path("sub")).unwrap();
        // Whoever still has what was listed before reads nothing either.
        for document in before.iter() {
            assert!(document.read().await.is_err(), "{}", document.path);
        }
        live.becomes(&[]).await;
        assert!(live.find("secret").is_empty());
    }
}
