//! Values, expectations, versions, expiry, lists and limits.

use std::{collections::BTreeMap, time::Duration};

use super::subject::{AGED, HISTORY, LOG, RECORDS, SMALL, Subject, get, ids, key, put, stored, text};
use crate::{Bucket, Entry, Error, Expect, KEY_MAX, Key, Liveness, VALUE_MAX, Version, Write};

/// Nothing is there that was never written.
pub async fn an_absent_key_has_no_value(Subject { store, .. }: Subject) {
    assert_eq!(get(&*store, &key("a")).await, None);
    assert!(stored(&*store, &key("a")).await.is_empty());
    assert!(ids(&*store, &Key::all(&RECORDS)).await.is_empty());
    store.delete(&key("a"), Expect::Anything).await.expect("deleting what is absent");
    store.delete(&key("a"), Expect::Absent).await.expect("deleting what is absent");
    assert!(store.status().outage.is_none());
    assert_eq!(store.members().liveness(store.members().me()), Liveness::Alive);
}

/// A value is read as it was written.
pub async fn a_put_is_read_back(Subject { store, .. }: Subject) {
    let all_bytes: Vec<u8> = (0..=255).collect();
    for value in [Vec::new(), all_bytes, vec![7; VALUE_MAX]] {
        let version = store.put(&key("a"), value.clone().into(), Write::ANY).await.expect("a put");
        let entry = store.get(&key("a")).await.expect("a get").expect("an entry");
        assert_eq!(entry, Entry { version, value: value.into(), expires: None });
    }
}

/// A write happens if its expectation holds, else the conflict carries the newest version.
pub async fn expectations_hold_or_conflict(Subject { store, .. }: Subject) {
    let write = Write::expecting;
    let first = store.put(&key("a"), text("1"), write(Expect::Absent)).await.expect("absent");
    let conflict = store.put(&key("a"), text("2"), write(Expect::Absent)).await;
    assert!(matches!(conflict, Err(Error::Conflict(Some(entry))) if entry.version == first));
    let second = store.put(&key("a"), text("2"), write(Expect::Version(first))).await.expect("that version");
    let conflict = store.put(&key("a"), text("3"), write(Expect::Version(first))).await;
    assert!(matches!(conflict, Err(Error::Conflict(Some(entry))) if entry.value == "2"));
    let conflict = store.delete(&key("a"), Expect::Version(first)).await;
    assert!(matches!(conflict, Err(Error::Conflict(Some(_)))));
    store.delete(&key("a"), Expect::Version(second)).await.expect("that version");
    let conflict = store.put(&key("a"), text("3"), write(Expect::Version(second))).await;
    assert!(matches!(conflict, Err(Error::Conflict(None))));
    store.put(&key("a"), text("3"), write(Expect::Absent)).await.expect("absent after a deletion");
}

/// A version is never used again, also after a deletion.
pub async fn versions_only_grow(Subject { store, .. }: Subject) {
    let mut last = Version::START;
    for round in 0..5 {
        for value in ["x", "y"] {
            let version = put(&*store, &key("a"), value).await;
            assert!(version > last, "round {round}: {version:?} after {last:?}");
            last = version;
        }
        store.delete(&key("a"), Expect::Anything).await.expect("a deletion");
    }
}

/// Older versions than the bucket keeps are gone.
pub async fn a_bucket_keeps_as_many_versions_as_it_says(Subject { store, .. }: Subject) {
    let (record, history) = (key("a"), Key::new(&HISTORY, "a"));
    for value in ["1", "2", "3", "4", "5"] {
        put(&*store, &record, value).await;
        put(&*store, &history, value).await;
    }
    assert_eq!(stored(&*store, &record).await, ["5"]);
    assert_eq!(stored(&*store, &history).await, ["3", "4", "5"]);
}

/// A log has every version, and pages follow each other.
pub async fn a_log_keeps_all_and_is_read_by_pages(Subject { store, .. }: Subject) {
    let log = Key::new(&LOG, "a");
    for number in 0..25 {
        put(&*store, &log, &number.to_string()).await;
    }
    let (mut after, mut read) = (Version::START, Vec::new());
    loop {
        let page = store.read(&log, after, 10).await.expect("a page");
        let Some(last) = page.last() else { break };
        after = last.version;
        read.extend(page.into_iter().map(|entry| entry.value));
    }
    assert_eq!(read, (0..25).map(|number| text(&number.to_string())).collect::<Vec<_>>());
}

/// No version of a deleted key is readable, and a new one does not bring them back.
pub async fn a_deleted_key_has_ended(Subject { store, .. }: Subject) {
    let history = Key::new(&HISTORY, "a");
    put(&*store, &history, "1").await;
    put(&*store, &history, "2").await;
    store.delete(&history, Expect::Anything).await.expect("a deletion");
    assert_eq!(get(&*store, &history).await, None);
    assert!(stored(&*store, &history).await.is_empty());
    assert!(ids(&*store, &Key::all(&HISTORY)).await.is_empty());
    put(&*store, &history, "3").await;
    assert_eq!(stored(&*store, &history).await, ["3"]);
}

/// An expired entry is absent from the moment it expires, swept or not.
pub async fn an_entry_expires_on_time(Subject { store, time, sweep }: Subject) {
    let ttl = Duration::from_secs(10);
    store.put(&key("a"), text("1"), Write::ANY.ttl(ttl)).await.expect("a put");
    put(&*store, &key("b"), "stays").await;
    time.advance(Duration::from_millis(9_990));
    assert!(store.get(&key("a")).await.expect("a get").is_some_and(|entry| entry.expires.is_some()));
    time.advance(Duration::from_millis(20));
    for _ in 0..2 {
        assert_eq!(get(&*store, &key("a")).await, None);
        assert!(stored(&*store, &key("a")).await.is_empty());
        assert_eq!(ids(&*store, &Key::all(&RECORDS)).await, ["b"]);
        sweep().await;
    }
    store.put(&key("a"), text("2"), Write::expecting(Expect::Absent)).await.expect("absent after expiry");
    sweep().await;
    assert_eq!(get(&*store, &key("a")).await, Some(text("2")));
}

/// The versions before one that expired do not come back.
pub async fn an_expired_key_does_not_fall_back(Subject { store, time, sweep }: Subject) {
    let history = Key::new(&HISTORY, "a");
    put(&*store, &history, "1").await;
    store.put(&history, text("2"), Write::ANY.ttl(Duration::from_secs(1))).await.expect("a put");
    time.advance(Duration::from_secs(2));
    assert_eq!(get(&*store, &history).await, None);
    assert!(stored(&*store, &history).await.is_empty());
    put(&*store, &history, "3").await;
    assert_eq!(stored(&*store, &history).await, ["3"]);
    sweep().await;
    assert_eq!(stored(&*store, &history).await, ["3"]);
    // An older version that expires leaves the newer ones.
    store.put(&history, text("4"), Write::ANY.ttl(Duration::from_secs(1))).await.expect("a put");
    put(&*store, &history, "5").await;
    time.advance(Duration::from_secs(2));
    sweep().await;
    assert_eq!(stored(&*store, &history).await, ["3", "5"]);
}

/// A bucket's age counts also for writes that name none.
pub async fn a_bucket_has_an_age(Subject { store, time, .. }: Subject) {
    let aged = Key::new(&AGED, "a");
    put(&*store, &aged, "1").await;
    time.advance(Duration::from_secs(59));
    assert!(get(&*store, &aged).await.is_some());
    time.advance(Duration::from_secs(2));
    assert_eq!(get(&*store, &aged).await, None);
}

/// A prefix is whole segments; the order is that of the bytes.
pub async fn a_list_has_whole_segments_in_byte_order(Subject { store, .. }: Subject) {
    for id in ["a", "a/b", "a/b/c", "a/b-c", "a/bc", "a0", "a-b", "ab", "b", "ä/ö", "A"] {
        put(&*store, &key(id), id).await;
    }
    put(&*store, &Key::new(&HISTORY, "a/x"), "of another bucket").await;
    assert_eq!(ids(&*store, &key("a")).await, ["a", "a/b", "a/b-c", "a/b/c", "a/bc"]);
    assert_eq!(ids(&*store, &key("a/b")).await, ["a/b", "a/b/c"]);
    assert_eq!(ids(&*store, &key("ä")).await, ["ä/ö"]);
    assert!(ids(&*store, &key("c")).await.is_empty());
    let all = ["A", "a", "a-b", "a/b", "a/b-c", "a/b/c", "a/bc", "a0", "ab", "b", "ä/ö"];
    assert_eq!(ids(&*store, &Key::all(&RECORDS)).await, all);
    for prefix in ["", "a"] {
        let (prefix, mut after, mut paged) = (key(prefix), None, Vec::new());
        loop {
            let page = store.list(&prefix, after.as_ref(), 2).await.expect("a page");
            assert!(page.len() <= 2);
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            paged.extend(page.into_iter().map(|(key, _)| key.id.to_string()));
        }
        assert_eq!(paged, ids(&*store, &prefix).await);
    }
}

/// A key that is there throughout is in the pages once, whatever is written meanwhile.
pub async fn pages_are_complete_under_writes(Subject { store, .. }: Subject) {
    for number in 0..40 {
        put(&*store, &key(&format!("stays/{number:03}")), "x").await;
        put(&*store, &key(&format!("goes/{number:03}")), "x").await;
    }
    let writer = store.clone();
    let writing = tokio::spawn(async move {
        for number in 0..40 {
            put(&*writer, &key(&format!("stays/{:03}", 39 - number)), "y").await;
            put(&*writer, &key(&format!("comes/{number:03}")), "x").await;
            writer.delete(&key(&format!("goes/{number:03}")), Expect::Anything).await.expect("a deletion");
        }
    });
    for _ in 0..3 {
        let (mut after, mut seen) = (None, BTreeMap::<String, usize>::new());
        loop {
            let page = store.list(&Key::all(&RECORDS), after.as_ref(), 7).await.expect("a page");
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            page.iter().for_each(|(key, _)| *seen.entry(key.id.to_string()).or_default() += 1);
        }
        assert!(seen.values().all(|&times| times == 1));
        assert_eq!(seen.keys().filter(|id| id.starts_with("stays/")).count(), 40);
    }
    writing.await.expect("the writer");
}

/// A full bucket refuses what would make it larger, reads go on, and it takes writes again once there is room.
pub async fn a_full_bucket_refuses_and_is_read(Subject { store, .. }: Subject) {
    let small = |id: &str| Key::new(&SMALL, id.to_owned());
    let large = "x".repeat(600);
    put(&*store, &small("a"), &large).await;
    let refused = store.put(&small("b"), text(&large), Write::ANY).await;
    assert!(matches!(refused, Err(Error::Full)), "{refused:?}");
    assert_eq!(get(&*store, &small("b")).await, None);
    assert_eq!(get(&*store, &small("a")).await, Some(text(&large)));
    put(&*store, &key("b"), &large).await;
    // What it replaces makes room.
    put(&*store, &small("a"), &"y".repeat(900)).await;
    store.delete(&small("a"), Expect::Anything).await.expect("a deletion");
    put(&*store, &small("b"), &large).await;
}

/// A key or a value beyond its limit is refused with this limit.
pub async fn what_is_too_large_is_refused(Subject { store, .. }: Subject) {
    let refused = store.put(&key("a"), vec![0; VALUE_MAX + 1].into(), Write::ANY).await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: VALUE_MAX })));
    let refused = store.put(&key(&"k".repeat(KEY_MAX + 1)), text("x"), Write::ANY).await;
    assert!(matches!(refused, Err(Error::TooLarge { limit: KEY_MAX })));
    put(&*store, &key(&"k".repeat(KEY_MAX)), "x").await;
    assert!(store.put(&Key::all(&RECORDS), text("x"), Write::ANY).await.is_err(), "an empty id");
}

/// A store knows the buckets that it was opened with.
pub async fn a_bucket_must_be_declared(Subject { store, .. }: Subject) {
    static OTHER: Bucket = Bucket::new("other");
    let other = Key::new(&OTHER, "a");
    assert!(matches!(store.put(&other, text("x"), Write::ANY).await, Err(Error::Fault(_))));
    assert!(matches!(store.get(&other).await, Err(Error::Fault(_))));
    assert!(matches!(store.list(&other, None, 1).await, Err(Error::Fault(_))));
}
