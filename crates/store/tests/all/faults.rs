//! A full disk, a failing `fsync`, damaged and newer files, and what the system is asked to do.

use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};

use anyport_metrics::Metrics;
use anyport_store::{
    Error, Key, Options, SqliteStore, Store, Write,
    maintenance::{self, Refused},
    suite::{BUCKETS, HISTORY, RECORDS},
};

use crate::support::{command, open};

fn key(id: impl Into<String>) -> Key {
    Key::new(&RECORDS, id.into())
}

/// Invariant: A full disk refuses writes to the store and serves reads.
#[tokio::test]
async fn a_full_disk_refuses_writes_and_serves_reads() {
    let folder = tempfile::tempdir().unwrap();
    let metrics = Metrics::new();
    let options = Options::default().max_pages(60).metrics(&metrics);
    let store = Arc::new(SqliteStore::new(folder.path(), BUCKETS, options));
    store.put(&key("first"), "kept".into(), Write::ANY).await.unwrap();
    let writes = (0..100).map(|number| {
        let store = store.clone();
        tokio::spawn(async move {
            store.put(&key(format!("{number}")), vec![1; 8 << 10].into(), Write::ANY).await
        })
    });
    let (mut written, mut refused) = (Vec::new(), 0);
    for (number, write) in writes.collect::<Vec<_>>().into_iter().enumerate() {
        match write.await.unwrap() {
            Ok(_) => written.push(number),
            Err(Error::Full) => refused += 1,
            Err(error) => panic!("{error:?}"),
        }
    }
    assert!(!written.is_empty() && refused > 50, "{} written, {refused} refused", written.len());
    assert!(store.status().outage.is_some_and(|outage| outage.why.contains("full")));
    assert_eq!(store.get(&key("first")).await.unwrap().unwrap().value, "kept");
    for number in &written {
        assert!(store.get(&key(format!("{number}"))).await.unwrap().is_some());
    }
    assert_eq!(store.list(&Key::all(&RECORDS), None, 1_000).await.unwrap().len(), written.len() + 1);
    // There is room again.
    for number in written {
        store.delete(&key(format!("{number}")), anyport_store::Expect::Anything).await.unwrap();
    }
    store.put(&key("later"), "x".into(), Write::ANY).await.unwrap();
    assert!(store.status().outage.is_none());
}

/// Whether this system has strace, and lets it trace.
fn has_strace() -> bool {
    let traced = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    let has = traced.is_ok_and(|status| status.success());
    if !has {
        println!("skipped: there is no strace that may trace");
    }
    has
}

/// What the child said, of the output of the program.
fn said(output: &[u8]) -> Vec<String> {
    let text = String::from_utf8_lossy(output).into_owned();
    text.lines().filter_map(|line| Some(line.split_once("> ")?.1.to_owned())).collect()
}

/// Invariant: An acknowledged write of the store is on the disk: the sync comes before the acknowledgement.
#[test]
fn a_sync_comes_before_each_acknowledgement() {
    if !has_strace() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let trace = folder.path().join("trace");
    let wrapper = ["strace", "-f", "-e", "trace=fsync,fdatasync,write", "-o", trace.to_str().unwrap()];
    let output = command("once", &folder.path().join("store"), &wrapper).output().unwrap();
    assert!(said(&output.stdout).contains(&"ack 19".to_owned()), "{output:?}");
    let (mut synced, mut acknowledged) = (0, 0);
    for line in fs::read_to_string(&trace).unwrap().lines() {
        let is_done = line.ends_with("= 0");
        if is_done && (line.contains("fdatasync") || line.contains("fsync")) {
            synced += 1;
        } else if line.contains("write(1, \"> ack ") {
            assert!(synced > 0, "acknowledged without a sync: {line}");
            (synced, acknowledged) = (0, acknowledged + 1);
        }
    }
    assert_eq!(acknowledged, 20);
}

/// Invariant: After a failed `fsync` the store repeats nothing on that connection, and acknowledges nothing that it did not sync.
#[test]
fn a_failed_sync_fails_its_writes_and_the_next_ones_go_on() {
    if !has_strace() {
        return;
    }
    let mut failed = 0;
    for nth in 1..=14 {
        let folder = tempfile::tempdir().unwrap();
        let store = folder.path().join("store");
        let inject = format!("inject=fsync,fdatasync:error=EIO:when={nth}");
        let wrapper = ["strace", "-f", "-o", "/dev/null", "-e", "trace=fsync,fdatasync", "-e", &inject];
        let output = command("once", &store, &wrapper).stderr(Stdio::null()).output().unwrap();
        let said = said(&output.stdout);
        assert_eq!(said.last().map(String::as_str), Some("end"), "sync {nth}: {said:?}");
        let errors: Vec<&String> = said.iter().filter(|line| line.starts_with("error")).collect();
        failed += errors.len();
        assert!(said.contains(&"ack 19".to_owned()), "it goes on after sync {nth}: {said:?}");
        let report = maintenance::check(&store).unwrap();
        assert!(report.damage.is_empty(), "sync {nth}: {report:?}");
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let store = open(&store);
        for number in said.iter().filter_map(|line| line.strip_prefix("ack ")) {
            let number: u32 = number.parse().unwrap();
            let entry = runtime.block_on(store.get(&key(format!("once/{number:02}")))).unwrap();
            assert!(entry.is_some(), "sync {nth}: {number} was acknowledged");
        }
    }
    assert!(failed > 0, "no sync failed");
}

/// Invariant: A store that a newer release wrote is refused by name and left as it is.
#[tokio::test]
async fn a_newer_file_is_refused_and_left() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.put(&key("a"), "x".into(), Write::ANY).await.unwrap();
    drop(store);
    let database = folder.path().join("anyport.db");
    let newer = rusqlite::Connection::open(&database).unwrap();
    newer.pragma_update(None, "user_version", 9).unwrap();
    newer.close().unwrap();
    let store = open(folder.path());
    for _ in 0..2 {
        assert!(matches!(store.get(&key("a")).await, Err(Error::Newer { format: 9 })));
        assert!(matches!(
            store.put(&key("a"), "y".into(), Write::ANY).await,
            Err(Error::Newer { format: 9 })
        ));
    }
    assert!(store.status().outage.is_some_and(|outage| outage.why.contains("newer release")));
    assert!(matches!(maintenance::check(folder.path()), Err(Refused::Store(Error::Newer { .. }))));
    let newer = rusqlite::Connection::open(&database).unwrap();
    let value: String =
        newer.query_row("SELECT CAST(value AS TEXT) FROM entry", [], |row| row.get(0)).unwrap();
    assert_eq!(value, "x");
    // An older one again: the next operation opens it.
    newer.pragma_update(None, "user_version", 1).unwrap();
    newer.close().unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, "x");
}

#[tokio::test]
async fn files_of_others_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("anyport.db");
    let foreign = rusqlite::Connection::open(&database).unwrap();
    foreign.execute_batch("CREATE TABLE theirs (x)").unwrap();
    foreign.close().unwrap();
    let refused = open(folder.path()).get(&key("a")).await;
    assert!(
        matches!(&refused, Err(Error::Fault(why)) if why.to_string().contains("another program")),
        "{refused:?}"
    );
    fs::write(&database, "not a database at all, but long enough to be looked at ".repeat(100)).unwrap();
    assert!(matches!(open(folder.path()).get(&key("a")).await, Err(Error::Fault(_))));
}

#[cfg(unix)]
#[tokio::test]
async fn files_are_the_owners_and_nothing_is_there_before_it_is_needed() {
    use std::os::unix::fs::PermissionsExt as _;

    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state/store");
    let store = open(&folder);
    let watch = store.watch(&Key::all(&RECORDS));
    assert!(!folder.exists(), "nothing was needed");
    store.put(&key("a"), "x".into(), Write::ANY).await.unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&folder), mode(folder.parent().unwrap())), (0o700, 0o700));
    let mut files = 0;
    for file in fs::read_dir(&folder).unwrap().map(|file| file.unwrap().path()) {
        assert_eq!(mode(&file), if file.is_dir() { 0o700 } else { 0o600 }, "{}", file.display());
        files += 1;
    }
    assert!(files >= 5, "the database, its log, its index, the gate, the members");
    drop(watch);
}

#[tokio::test]
async fn a_backup_is_restored_when_nobody_uses_the_store() {
    let folder = tempfile::tempdir().unwrap();
    let (state, backup) = (folder.path().join("store"), folder.path().join("backup.db"));
    assert!(matches!(maintenance::backup(&state, &backup), Err(Refused::NoStore(_))));
    let store = open(&state);
    for number in 0..50 {
        store.put(&key(format!("{number}")), "{\"format\":1}".into(), Write::ANY).await.unwrap();
    }
    let history = Key::new(&HISTORY, "h");
    let version = store.put(&history, "{\"format\":1,\"is\":\"old\"}".into(), Write::ANY).await.unwrap();
    assert!(maintenance::backup(&state, &backup).unwrap() > 0);
    assert!(matches!(maintenance::backup(&state, &backup), Err(Refused::Exists(_))));
    store.put(&history, "{\"format\":1,\"is\":\"new\"}".into(), Write::ANY).await.unwrap();
    let report = maintenance::check(&state).unwrap();
    assert!(report.is_whole(), "{report:?}");
    assert_eq!(
        report.buckets.iter().map(|bucket| (&*bucket.name, bucket.keys)).collect::<Vec<_>>(),
        [("history", 1), ("records", 50)]
    );
    assert_eq!(report.members, [store.members().me().clone()]);
    assert!(matches!(maintenance::restore(&state, &backup, true), Err(Refused::InUse(_))));
    drop(store);
    // The thread that writes ends by itself.
    let replaced = loop {
        if let Err(refused) = maintenance::restore(&state, &backup, false) {
            assert!(matches!(refused, Refused::InUse(_) | Refused::NotEmpty(_)), "{refused}");
        }
        match maintenance::restore(&state, &backup, true) {
            Err(Refused::InUse(_)) => tokio::time::sleep(std::time::Duration::from_millis(10)).await,
            restored => break restored.unwrap().unwrap(),
        }
    };
    assert!(replaced.exists());
    let store = open(&state);
    assert_eq!(store.get(&history).await.unwrap().unwrap().version, version);
    assert_eq!(store.list(&Key::all(&RECORDS), None, 1_000).await.unwrap().len(), 50);
    store.put(&key("broken"), "no record".into(), Write::ANY).await.unwrap();
    let report = maintenance::check(&state).unwrap();
    assert_eq!((report.unreadable.len(), &*report.unreadable[0].id), (1, "broken"));
    fs::write(&backup, "damaged").unwrap();
    drop(store);
    let other = folder.path().join("other");
    assert!(matches!(maintenance::restore(&other, &backup, false), Err(Refused::NoBackup { .. })));
    assert!(matches!(
        maintenance::restore(&other, &folder.path().join("none"), false),
        Err(Refused::NoBackup { .. })
    ));
    assert!(!other.join("anyport.db").exists());
}
