//! Whatever happens in a folder, what is known of it becomes what a fresh look finds.
//!
//! Invariant: Whatever happens in a folder, the served and indexed documents become those of a fresh start.

use std::collections::BTreeSet;

use proptest::{
    prelude::*,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};

use super::*;

/// Something that a person or a program may do, with names from a few.
#[derive(Clone, Debug)]
enum Operation {
    Write { path: String, text: &'static str },
    Remove { path: String },
    Rename { from: String, to: String },
    Folder { path: String },
    Link { path: String, target: String },
}

fn folder() -> impl Strategy<Value = String> {
    prop::sample::select(vec!["", "a/", "b/", "a/c/", "b/d/", "a/c/e/"]).prop_map(str::to_owned)
}

fn file() -> impl Strategy<Value = String> {
    let name = prop::sample::select(vec!["x.md", "y.md", "z.markdown", "x.txt", ".h.md", "tmp~"]);
    (folder(), name).prop_map(|(folder, name)| folder + name)
}

fn anything() -> impl Strategy<Value = String> {
    prop_oneof![
        file(),
        prop::sample::select(vec!["a", "b", "a/c", "b/d", "a/c/e", "l", "b/l"]).prop_map(str::to_owned)
    ]
}

fn operation(links: bool) -> impl Strategy<Value = Operation> {
    let text =
        prop::sample::select(vec!["apple", "banana", "cherry", "---\ntitle: [\n---\ndamson", "nul\0", ""]);
    let link = (prop::sample::select(vec!["l", "b/l", "l.md", "a/l.md"]), anything());
    prop_oneof![
        6 => (file(), text).prop_map(|(path, text)| Operation::Write { path, text }),
        2 => anything().prop_map(|path| Operation::Remove { path }),
        3 => (anything(), anything()).prop_map(|(from, to)| Operation::Rename { from, to }),
        1 => folder().prop_map(|path| Operation::Folder { path }),
        u32::from(links) => link.prop_map(|(path, target)| Operation::Link { path: path.into(), target }),
    ]
}

/// Does it, if it can be done now.
fn apply(root: &Path, operation: &Operation) {
    let _ = match operation {
        Operation::Write { path, text } => {
            let _ = fs::create_dir_all(root.join(path).parent().unwrap());
            fs::write(root.join(path), text)
        }
        Operation::Remove { path } => {
            fs::remove_file(root.join(path)).or_else(|_| fs::remove_dir_all(root.join(path)))
        }
        Operation::Rename { from, to } => fs::rename(root.join(from), root.join(to)),
        Operation::Folder { path } => fs::create_dir_all(root.join(path)),
        #[cfg(unix)]
        Operation::Link { path, target } => std::os::unix::fs::symlink(root.join(target), root.join(path)),
        #[cfg(not(unix))]
        Operation::Link { .. } => Ok(()),
    };
}

/// All that is known of documents, but for their order.
fn facts(library: &Library) -> BTreeSet<String> {
    let fact = |document: &Arc<Document>| {
        let text = document.read_blocking();
        format!("{document:?} {text:?}")
    };
    library.iter().map(fact).collect()
}

fn words(library: &Library, word: &str) -> Vec<String> {
    let has = |document: &&Arc<Document>| document.read_blocking().is_ok_and(|text| text.contains(word));
    let mut paths: Vec<String> =
        library.iter().filter(has).map(|document| document.path.to_string()).collect();
    paths.sort();
    paths
}

async fn check(rounds: &[Vec<Operation>]) {
    let mut live = Live::new(&[("a/x.md", "apple"), ("b/d/y.md", "banana")]).await;
    for round in rounds {
        for operation in round {
            apply(live.folder.path(), operation);
        }
        let fresh = Library::new(Folders::new(live.folder.path()).load().unwrap().documents);
        let deadline = std::time::Instant::now() + PATIENCE;
        while facts(&live.knowledge.library()) != facts(&fresh) {
            let left = deadline.saturating_duration_since(std::time::Instant::now());
            // Not all that differs is told: nobody is told of a touch.
            let _ = timeout(left.min(Duration::from_millis(50)), live.changes.recv()).await;
            assert!(!left.is_zero(), "{:#?}\nis not\n{:#?}", facts(&live.knowledge.library()), facts(&fresh));
        }
        live.knowledge.settled().await;
        for word in ["apple", "banana", "cherry", "damson"] {
            assert_eq!(live.find(word), words(&fresh, word), "{word}");
        }
        assert_eq!(live.knowledge.progress().indexed, fresh.len());
    }
}

fn run(links: bool, cases: u32) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let rounds = prop::collection::vec(prop::collection::vec(operation(links), 1..12), 1..8);
    // The same operations at every run; each waits for a real watcher.
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[links.into(); 32]);
    let config = Config { cases, max_shrink_iters: 0, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, rng);
    runner
        .run(&rounds, |rounds| {
            runtime.block_on(check(&rounds));
            Ok(())
        })
        .unwrap();
}

#[test]
fn whatever_happens_what_is_known_becomes_what_is_there() {
    run(false, 12);
}

#[cfg(unix)]
#[test]
fn the_same_holds_with_links() {
    run(true, 12);
}
