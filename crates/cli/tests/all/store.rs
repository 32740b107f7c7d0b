//! `anyport store`, beside a bridge that uses the store and without one.

#![cfg(unix)]

use std::{fs, path::Path, time::Instant};

use serde_json::{Value, json};

use crate::support::{Ended, PATIENCE, Program, anyport, folder, modern, to_the_end};

fn store(home: &Path, words: &[&str]) -> Ended {
    let mut command = anyport(home);
    command.arg("store").args(words);
    to_the_end(command)
}

fn check(home: &Path) -> Value {
    let ended = store(home, &["check", "--json"]);
    serde_json::from_str(&ended.stdout).unwrap_or_else(|_| json!({"error": ended.stderr}))
}

fn bridge(home: &Path, server: &str) -> Program {
    let mut command = anyport(home);
    command.args([
        "bridge",
        "--stdio",
        "--",
        env!("CARGO_BIN_EXE_anyport"),
        "serve",
        "--stdio",
        "--docs",
        server,
    ]);
    Program::start(command)
}

/// Invariant: A bridge answers lists from its cache while its server starts, and reports differences, however late a session listens.
#[test]
fn the_known_lists_of_a_bridge_are_stored_backed_up_and_restored() {
    let home = folder(&[("docs/a.md", "# A page\n\nWords.\n")]);
    let home = home.path();
    let mut program = bridge(home, "docs");
    let listed = program.call(&modern(1, "tools/list", json!({})));
    assert!(listed["result"]["tools"].as_array().unwrap().len() > 3, "{listed}");
    let begun = Instant::now();
    let report = loop {
        let report = check(home);
        if report["buckets"].as_array().is_some_and(|buckets| !buckets.is_empty()) {
            break report;
        }
        assert!(begun.elapsed() < PATIENCE, "nothing is stored: {report}");
    };
    let file = home.join("state/anyport/store/anyport.db");
    assert_eq!(
        (&report["file"], &report["format"], &report["whole"]),
        (&json!(file), &json!(1), &json!(true))
    );
    assert_eq!(
        (&report["buckets"][0]["name"], &report["buckets"][0]["keys"]),
        (&json!("catalog"), &json!(1))
    );
    assert_eq!(report["processes"], 1, "{report}");

    let ended = store(home, &["backup", "backup.db"]);
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let again = store(home, &["backup", "backup.db"]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.stderr.contains("name a file that is not there yet"), "{again:?}");
    let refused = store(home, &["restore", "backup.db"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.stderr.contains("1 running process uses the store"), "{refused:?}");
    assert!(refused.stderr.contains("anyport store restore backup.db"), "{refused:?}");

    program.kill();
    fs::remove_file(&file).unwrap();
    let restored = store(home, &["restore", "backup.db"]);
    assert_eq!(restored.code, Some(0), "{restored:?}");
    let shown = store(home, &["check"]);
    assert_eq!(shown.code, Some(0), "{shown:?}");
    for words in ["is whole", "none uses it", "catalog    1 key, "] {
        assert!(shown.stdout.contains(words), "{words}: {shown:?}");
    }
    // The server does not start any more, and its lists are known.
    fs::rename(home.join("docs"), home.join("moved")).unwrap();
    let mut again = bridge(home, "docs");
    let known = again.call(&modern(1, "tools/list", json!({})));
    assert_eq!(known["result"]["tools"], listed["result"]["tools"], "{known}");
}

#[test]
fn a_store_of_a_newer_release_is_named_and_the_bridge_goes_on_in_memory() {
    let home = folder(&[("docs/a.md", "# A page\n\nWords.\n")]);
    let home = home.path();
    let mut program = bridge(home, "docs");
    program.call(&modern(1, "tools/list", json!({})));
    let begun = Instant::now();
    while !home.join("state/anyport/store/anyport.db").exists() {
        assert!(begun.elapsed() < PATIENCE);
    }
    program.close_input();
    program.wait();
    // The format of a SQLite file stands in the four bytes from the 60th on.
    let file = home.join("state/anyport/store/anyport.db");
    assert_eq!(store(home, &["backup", "newer.db"]).code, Some(0));
    let mut bytes = fs::read(home.join("newer.db")).unwrap();
    bytes[60..64].copy_from_slice(&9_u32.to_be_bytes());
    for suffix in ["-wal", "-shm"] {
        let _ = fs::remove_file(format!("{}{suffix}", file.display()));
    }
    fs::write(&file, bytes).unwrap();
    let refused = store(home, &["check"]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    for words in ["written by a newer release of Anyport, in format 9", "use the newest release of anyport"] {
        assert!(refused.stderr.contains(words), "{words}: {refused:?}");
    }
    let before = fs::read(&file).unwrap();
    let mut program = bridge(home, "docs");
    let listed = program.call(&modern(1, "tools/list", json!({})));
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    program.close_input();
    program.wait();
    assert!(program.stderr().contains("newer release"), "a warning says why nothing is kept");
    assert_eq!(fs::read(&file).unwrap(), before, "it is left as it is");
}
