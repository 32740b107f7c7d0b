//! What watches report.

use std::{collections::BTreeMap, time::Duration};

use super::subject::{HISTORY, RECORDS, Subject, key, put, text};
use crate::{Change, Expect, Key, Watch, Write};

/// The next change, within ten seconds.
async fn next(watch: &mut Watch) -> Change {
    let change = tokio::time::timeout(Duration::from_secs(10), watch.next()).await;
    change.expect("a change in time").expect("the store is open")
}

/// What is there comes first, then each change in order.
pub async fn a_watch_reports_what_is_there_and_what_changes(Subject { store, .. }: Subject) {
    put(&*store, &key("w/a"), "1").await;
    put(&*store, &key("other"), "1").await;
    let mut watch = store.watch(&key("w"));
    assert!(
        matches!(next(&mut watch).await, Change::Put(key, entry) if &*key.id == "w/a" && entry.value == "1")
    );
    assert_eq!(next(&mut watch).await, Change::Current);
    let version = put(&*store, &key("w/b"), "2").await;
    put(&*store, &key("other"), "2").await;
    let Change::Put(changed, entry) = next(&mut watch).await else { panic!("a put") };
    assert_eq!((changed, entry.version, entry.value), (key("w/b"), version, text("2")));
    store.delete(&key("w/a"), Expect::Anything).await.expect("a deletion");
    let Change::Deleted(deleted, at) = next(&mut watch).await else { panic!("a deletion") };
    assert!(deleted == key("w/a") && at > version);
    drop(watch);
    put(&*store, &key("w/c"), "3").await;
}

/// An expiry is reported once it is swept.
pub async fn a_watch_reports_an_expiry(Subject { store, time, sweep }: Subject) {
    let ttl = Duration::from_secs(5);
    let version = store.put(&key("a"), text("1"), Write::ANY.ttl(ttl)).await.expect("a put");
    let mut watch = store.watch(&Key::all(&RECORDS));
    assert!(matches!(next(&mut watch).await, Change::Put(..)));
    assert_eq!(next(&mut watch).await, Change::Current);
    time.advance(ttl * 2);
    sweep().await;
    assert!(matches!(next(&mut watch).await, Change::Deleted(key, at) if &*key.id == "a" && at > version));
}

/// A watch of a key reports neither its siblings nor its bucket.
pub async fn a_watch_of_one_key_reports_no_other(Subject { store, .. }: Subject) {
    let mut watch = store.watch(&key("a"));
    assert_eq!(next(&mut watch).await, Change::Current);
    for id in ["ab", "b", "a-b"] {
        put(&*store, &key(id), "x").await;
    }
    put(&*store, &Key::new(&HISTORY, "a"), "x").await;
    put(&*store, &key("a"), "mine").await;
    assert!(matches!(next(&mut watch).await, Change::Put(_, entry) if entry.value == "mine"));
}

/// A watch that is not read loses changes, says so, and reports the newest of every key.
pub async fn a_slow_watch_begins_again(Subject { store, .. }: Subject) {
    let mut watch = store.watch(&Key::all(&RECORDS));
    assert_eq!(next(&mut watch).await, Change::Current);
    // Changes may be reported later than writes are acknowledged: this one is read, and has seen when they were.
    let mut read = store.watch(&Key::all(&RECORDS));
    assert_eq!(next(&mut read).await, Change::Current);
    let reported = tokio::spawn(async move {
        let mut seen = std::collections::BTreeSet::new();
        while seen.len() < 400 {
            if let Change::Put(key, _) = next(&mut read).await {
                seen.insert(key.id);
            }
        }
    });
    let writes = (0..400).map(|number| {
        let (store, key) = (store.clone(), key(&format!("{number:03}")));
        tokio::spawn(async move { put(&*store, &key, "x").await })
    });
    for written in writes.collect::<Vec<_>>() {
        written.await.expect("a write");
    }
    reported.await.expect("the other watch");
    let mut known = BTreeMap::new();
    let mut resets = 0;
    while known.len() < 400 || resets == 0 {
        match next(&mut watch).await {
            Change::Reset => {
                known.clear();
                resets += 1;
            }
            Change::Put(key, entry) => {
                known.insert(key.id, entry.version);
            }
            Change::Current => {}
            Change::Deleted(..) => panic!("nothing was deleted"),
        }
    }
    assert_eq!(resets, 1);
}
