//! Killed at any moment while files change, the program serves what the files say when it is started again.
//!
//! Invariant: Killed at any moment while files change, the program serves the files' content after a restart.

#![cfg(unix)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use crate::support::{Program, anyport, folder, http::Server};
use serde_json::json;

const FILES: usize = 40;
const ROUNDS: u64 = 12;

fn file(number: usize) -> String {
    format!("team{}/topic{number}.md", number % 4)
}

/// A word that stands in one version of one file and nowhere else.
fn word(file: usize, version: u64) -> String {
    // Letters, and far enough from each other that none is a slip of another.
    let letters = |number: u64| -> String {
        let mixed = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..12).map(|at| char::from(b'a' + u8::try_from((mixed >> (at * 5)) & 15).unwrap())).collect()
    };
    letters((file as u64 + 1) * 1_000_003 + version)
}

fn text(file: usize, version: u64) -> String {
    let filler = "Some words that every document has.\n".repeat(file % 7 * 40);
    format!("# Topic {file}\n\n{filler}\n## Version {version}\n\nIts word is {}.\n", word(file, version))
}

/// Changes files until it is told to stop: most as editors do, some as a careless script does.
fn change(root: PathBuf, first: u64, stop: Arc<AtomicBool>) -> JoinHandle<u64> {
    thread::spawn(move || {
        let mut version = first;
        while !stop.load(Ordering::Relaxed) {
            version += 1;
            let number = usize::try_from(version * 7).unwrap() % FILES;
            let path = root.join(file(number));
            match version % 5 {
                0 => fs::write(&path, text(number, version)).unwrap(),
                1 => drop(fs::remove_file(&path)),
                _ => {
                    let aside = path.with_extension("tmp");
                    fs::write(&aside, text(number, version)).unwrap();
                    fs::rename(&aside, &path).unwrap();
                }
            }
        }
        version
    })
}

fn start(home: &Path) -> (Program, Server) {
    let mut command = anyport(home);
    command.args(["serve", "--docs", "documents", "--port", "0"]);
    let mut program = Program::start(command);
    let server = program.server();
    (program, server)
}

/// What is served is what the files say, and nothing else.
fn check(server: &Server, root: &Path) {
    let mut there = 0;
    for number in 0..FILES {
        let path = file(number);
        let served = server.call("get_doc", &json!({"path": path}));
        let Ok(text) = fs::read_to_string(root.join(&path)) else {
            assert_eq!(served["found"], false, "{path} is gone: {served}");
            continue;
        };
        there += 1;
        assert_eq!(served["content"], text, "{path}");
        let word = text.split("Its word is ").nth(1).unwrap().trim_end().trim_end_matches('.');
        let hits = server.call("search_docs", &json!({"query": word}));
        assert_eq!(hits["hits"][0]["path"], path, "{word}: {hits}");
        assert_eq!(hits["total"], 1, "{word}: {hits}");
    }
    let listed = server.call("list_docs", &json!({"limit": 1}));
    assert_eq!(listed["total"], there, "{listed}");
}

#[test]
fn whenever_it_is_killed_the_next_start_serves_what_the_files_say() {
    let home = folder(&[]);
    let root = home.path().join("documents");
    for number in 0..FILES {
        fs::create_dir_all(root.join(file(number)).parent().unwrap()).unwrap();
        fs::write(root.join(file(number)), text(number, 0)).unwrap();
    }
    let (_keep, nothing) = mpsc::channel::<()>();
    let mut version = 0;
    for round in 0..ROUNDS {
        let stop = Arc::new(AtomicBool::new(false));
        let changing = change(root.clone(), version, stop.clone());
        let (mut program, server) = start(home.path());
        // A moment of its own in every round, the first of them before anything has been indexed.
        let _ = nothing.recv_timeout(Duration::from_millis(round * round * 7));
        if round % 3 == 0 {
            server.call("search_docs", &json!({"query": "topic"}));
        }
        program.kill();
        stop.store(true, Ordering::Relaxed);
        version = changing.join().unwrap();

        let (mut program, server) = start(home.path());
        server.settled();
        check(&server, &root);
        program.kill();
    }
    // What crashes left behind was cleared away, but for what the last of them did.
    let index = home.path().join("state/anyport/index");
    let entries = fs::read_dir(index).unwrap().map(|entry| entry.unwrap());
    let left = entries.filter(|entry| entry.file_type().unwrap().is_dir()).count();
    // That of the last one is there: this is where to look.
    assert_eq!(left, 1, "indexes were left behind");
}
