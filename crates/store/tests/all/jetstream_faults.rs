//! Servers that are killed, cut off, slow, or not as a store needs them.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_store::{
    Change, Durability, Error, Expect, JetStreamStore, Key, Lease, Liveness, Store, Version, Watch, Write,
    suite::{BUCKETS, HISTORY, LOG, RECORDS, TestClock},
};
use tokio::time::{sleep, timeout};

use crate::{
    nats::{Release, Server, ask, options},
    nats_proxy::Proxy,
};

const BOTH: [Release; 2] = [Release::Old, Release::New];
/// Long enough for a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);

fn key(id: &str) -> Key {
    Key::new(&RECORDS, id.to_owned())
}

fn log(id: &str) -> Key {
    Key::new(&LOG, id.to_owned())
}

async fn next(watch: &mut Watch) -> Change {
    timeout(PATIENCE, watch.next()).await.unwrap().unwrap()
}

/// Writes until it succeeds: the store comes back by itself.
async fn put_again(store: &JetStreamStore, key: &Key, value: &str) -> Version {
    let trying = async {
        loop {
            match store.put(key, value.to_owned().into(), Write::ANY).await {
                Ok(version) => return version,
                Err(Error::Unreachable | Error::Unknown) => sleep(Duration::from_millis(20)).await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    timeout(PATIENCE, trying).await.unwrap()
}

fn counted(metrics: &Metrics, name: &str) -> i64 {
    let found = metrics.snapshot().into_iter().find(|sample| sample.name.starts_with(name));
    found.map_or(0, |sample| sample.value)
}

async fn values(store: &JetStreamStore, key: &Key) -> Vec<String> {
    let (mut after, mut values) = (Version::START, Vec::new());
    loop {
        let page = store.read(key, after, 500).await.unwrap();
        let Some(last) = page.last() else { return values };
        after = last.version;
        values.extend(page.iter().map(|entry| String::from_utf8_lossy(&entry.value).into_owned()));
    }
}

/// Invariant: A write that a NATS server acknowledged is not lost when this server is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_acknowledged_write_is_lost_by_kills_of_the_server() {
    for release in BOTH {
        let Some(mut server) = Server::start(release) else { continue };
        let store = server.store();
        store.open().await.unwrap();
        let (ends, ledger) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(BTreeMap::new())));
        let writers = (0..4).map(|writer| {
            let (store, ends, ledger) = (store.clone(), ends.clone(), ledger.clone());
            tokio::spawn(async move {
                let key = log(&writer.to_string());
                for number in 0_u64.. {
                    if ends.load(Ordering::SeqCst) {
                        return;
                    }
                    match store.put(&key, number.to_string().into(), Write::ANY).await {
                        Ok(_) => ledger.lock().unwrap().entry(writer).or_insert_with(Vec::new).push(number),
                        // It may be there or not.
                        Err(Error::Unknown) => {}
                        Err(Error::Unreachable) => sleep(Duration::from_millis(5)).await,
                        Err(error) => panic!("{release:?}: {error}"),
                    }
                }
            })
        });
        let writers: Vec<_> = writers.collect();
        for _ in 0..3 {
            let before = ledger.lock().unwrap().values().map(Vec::len).sum::<usize>();
            let written = || ledger.lock().unwrap().values().map(Vec::len).sum::<usize>() > before + 50;
            timeout(PATIENCE, async {
                while !written() {
                    sleep(Duration::from_millis(5)).await;
                }
            })
            .await
            .unwrap();
            server.kill();
            server = tokio::task::spawn_blocking(move || {
                server.run();
                server
            })
            .await
            .unwrap();
        }
        put_again(&store, &key("back"), "x").await;
        ends.store(true, Ordering::SeqCst);
        for writer in writers {
            writer.await.unwrap();
        }
        let ledger = ledger.lock().unwrap().clone();
        for (writer, acknowledged) in ledger {
            let there: Vec<u64> = values(&store, &log(&writer.to_string()))
                .await
                .iter()
                .map(|value| value.parse().unwrap())
                .collect();
            assert!(there.is_sorted_by(|one, other| one < other), "{release:?}: written once, in order");
            let lost = acknowledged.iter().find(|number| there.binary_search(number).is_err());
            assert_eq!(lost, None, "{release:?}: acknowledged");
        }
    }
}

/// Invariant: A write whose answer was lost is found again, and is there once.
#[tokio::test]
async fn a_write_whose_answer_was_lost_is_found() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let proxy = Proxy::start(server.port).await;
        let store = JetStreamStore::new(proxy.address(), BUCKETS, options());
        let first = store.put(&log("a"), "first".into(), Write::ANY).await.unwrap();
        for (round, expect) in
            [Expect::Anything, Expect::Version(first), Expect::Absent].into_iter().enumerate()
        {
            let key = if expect == Expect::Absent { log("b") } else { log("a") };
            let expect = match store.get(&key).await.unwrap() {
                Some(newest) if expect != Expect::Anything => Expect::Version(newest.version),
                _ => expect,
            };
            proxy.lose_an_answer();
            let value = format!("lost {round}");
            let written = store.put(&key, value.clone().into(), Write::expecting(expect)).await;
            let written = written.unwrap_or_else(|error| panic!("{release:?}, {expect:?}: {error}"));
            assert_eq!(proxy.answers_lost(), round + 1);
            let newest = store.get(&key).await.unwrap().unwrap();
            assert_eq!((newest.version, &*newest.value), (written, value.as_bytes()));
        }
        assert_eq!(values(&store, &log("a")).await, ["first", "lost 0", "lost 1"], "{release:?}");
        assert_eq!(values(&store, &log("b")).await, ["lost 2"], "{release:?}");
    }
}

/// Without a connection operations fail, and nothing is written; afterwards the store and its watches go on.
#[tokio::test]
async fn a_store_that_is_cut_off_fails_and_comes_back() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let proxy = Proxy::start(server.port).await;
        let metrics = Metrics::new();
        let store = JetStreamStore::new(proxy.address(), BUCKETS, options().metrics(&metrics));
        let other = server.store();
        store.put(&key("a"), "1".into(), Write::ANY).await.unwrap();
        let mut watch = store.watch(&key("a"));
        assert!(matches!(next(&mut watch).await, Change::Put(..)));
        assert_eq!(next(&mut watch).await, Change::Current);
        proxy.close();
        let cut_off = async {
            while store.put(&key("b"), "1".into(), Write::expecting(Expect::Absent)).await.is_ok() {
                store.delete(&key("b"), Expect::Anything).await.ok();
            }
            // What was sent as the connection ended is unknown; from now on nothing is sent.
            while !matches!(store.put(&key("c"), "1".into(), Write::ANY).await, Err(Error::Unreachable)) {}
        };
        timeout(PATIENCE, cut_off).await.unwrap();
        assert!(matches!(store.get(&key("a")).await, Err(Error::Unreachable)));
        assert!(matches!(store.delete(&key("a"), Expect::Anything).await, Err(Error::Unreachable)));
        assert!(store.status().outage.is_some());
        let version = put_again(&other, &key("a"), "2").await;
        assert_eq!(other.get(&key("c")).await.unwrap(), None, "{release:?}: it was not written");
        proxy.open();
        put_again(&store, &key("d"), "1").await;
        assert!(store.status().outage.is_none());
        loop {
            match next(&mut watch).await {
                Change::Put(_, entry) if entry.version == version => break,
                Change::Put(..) | Change::Current | Change::Reset => {}
                Change::Deleted(..) => panic!("nothing was deleted"),
            }
        }
        assert!(counted(&metrics, "anyport_store_unreachable") > 0);
    }
}

/// A server that does not answer ends operations in their time, with the word for what is not known.
#[tokio::test]
async fn a_server_that_does_not_answer_is_not_waited_for() {
    let Some(server) = Server::start(Release::New) else { return };
    let store = server.store();
    let version = store.put(&key("a"), "1".into(), Write::ANY).await.unwrap();
    server.signal("-STOP");
    let a = key("a");
    // The process may still answer while the signal is on its way.
    let put = async {
        loop {
            if let Err(error) = store.put(&a, "2".into(), Write::ANY).await {
                return error;
            }
        }
    };
    let get = async {
        loop {
            if let Err(error) = store.get(&a).await {
                return error;
            }
        }
    };
    let (put, get) = tokio::join!(timeout(PATIENCE, put), timeout(PATIENCE, get));
    let (put, get) = (put.unwrap(), get.unwrap());
    assert!(matches!(put, Error::Unknown), "{put:?}");
    assert!(matches!(get, Error::Unreachable), "{get:?}");
    server.signal("-CONT");
    let newer = put_again(&store, &key("a"), "3").await;
    assert!(newer > version);
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, "3");
}

/// A stream that somebody made with other settings is named, and left as it is.
#[tokio::test]
async fn a_stream_of_other_settings_is_refused() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let other = r#"{"name":"AP_anyport_history","subjects":["ap.anyport.s.history.>"],"storage":"file",
            "retention":"limits","discard":"old","max_msgs_per_subject":7,"num_replicas":1}"#;
        let made =
            ask(server.port, "$JS.API.STREAM.CREATE.AP_anyport_history", &other.replace('\n', "")).unwrap();
        assert!(!made.contains("\"error\""), "{made}");
        let refused = server.store().open().await.unwrap_err().to_string();
        for word in ["AP_anyport_history", "discard", "max_msgs_per_subject is 7"] {
            assert!(refused.contains(word), "{refused}");
        }
        let left = ask(server.port, "$JS.API.STREAM.INFO.AP_anyport_history", "").unwrap();
        assert!(left.contains("\"max_msgs_per_subject\":7"), "{left}");
    }
}

/// What a server can do is read back from the stream: 2.9 knows no age of a message, and drops the setting without a word.
#[tokio::test]
async fn what_a_server_can_do_is_read_back() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let store = server.store();
        store.put(&key("a"), "1".into(), Write::ANY.ttl(PATIENCE)).await.unwrap();
        let info = ask(server.port, "$JS.API.STREAM.INFO.AP_anyport_records", "").unwrap();
        let wanted = r#"{"last_by_subj":"ap.anyport.s.records.a"}"#;
        let message = ask(server.port, "$JS.API.STREAM.MSG.GET.AP_anyport_records", wanted).unwrap();
        let message: serde_json::Value = serde_json::from_str(&message).unwrap();
        let headers = message["message"]["hdrs"].as_str().unwrap();
        let headers = data_encoding::BASE64.decode(headers.as_bytes()).unwrap();
        let has_ttl = String::from_utf8(headers).unwrap().contains("Nats-TTL: 3660s");
        assert_eq!(has_ttl, info.contains("\"allow_msg_ttl\":true"), "{release:?}: {info}");
        assert_eq!(has_ttl, release == Release::New);
        assert_eq!(store.status().durability, Durability::Servers { replicas: 1 });
    }
}

/// A server that does not permit to write refuses by name, and is read.
#[tokio::test]
async fn a_store_that_may_not_write_says_so() {
    for release in BOTH {
        let deny = "no_auth_user: all\nauthorization { users: [{ user: all, password: x }, \
                    { user: me, password: s, permissions: { publish: { deny: [\"ap.anyport.s.records.>\"] } } }] }";
        let Some(server) = Server::start_with(release, deny) else { continue };
        server.store().put(&key("a"), "1".into(), Write::ANY).await.unwrap();
        let metrics = Metrics::new();
        let store =
            JetStreamStore::new(server.address().user("me", "s"), BUCKETS, options().metrics(&metrics));
        assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, "1");
        let refused = store.put(&key("a"), "2".into(), Write::ANY).await;
        assert!(matches!(refused, Err(Error::ReadOnly(_))), "{release:?}: {refused:?}");
        assert_eq!(store.get(&key("a")).await.unwrap().unwrap().value, "1");
        store.put(&log("a"), "1".into(), Write::ANY).await.unwrap();
        assert_eq!(counted(&metrics, "anyport_store_read_only"), 1);
    }
}

/// A store of a newer release is refused by its number.
#[tokio::test]
async fn a_newer_store_is_refused() {
    let Some(server) = Server::start(Release::New) else { return };
    server.store().open().await.unwrap();
    ask(server.port, "ap.anyport.s.meta.format", r#"{"format":7}"#).unwrap();
    let refused = server.store().open().await;
    assert!(matches!(refused, Err(Error::Newer { format: 7 })), "{refused:?}");
}

/// Members hear each other; one that ends is dead, and its lease free.
#[tokio::test]
async fn members_hear_each_other() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let (one, other) = (Arc::new(server.store()) as Arc<dyn Store>, server.store());
        other.open().await.unwrap();
        let member = other.members().me().clone();
        let mut watch = one.watch(&Key::all(&RECORDS));
        assert_eq!(next(&mut watch).await, Change::Current);
        timeout(PATIENCE, async {
            while one.members().liveness(&member) != Liveness::Alive {
                sleep(Duration::from_millis(10)).await;
            }
        })
        .await
        .unwrap();
        let shared: Arc<dyn Store> = Arc::new(other);
        let lease = Lease::acquire(&shared, key("lease")).await.unwrap().unwrap();
        assert!(matches!(next(&mut watch).await, Change::Put(changed, _) if changed == key("lease")));
        assert!(Lease::acquire(&one, key("lease")).await.unwrap().is_none());
        drop((lease, shared));
        let taken = timeout(PATIENCE, async {
            loop {
                match Lease::acquire(&one, key("lease")).await.unwrap() {
                    Some(lease) => return lease,
                    None => sleep(Duration::from_millis(10)).await,
                }
            }
        });
        taken.await.unwrap();
        assert_eq!(one.members().liveness(&member), Liveness::Dead);
    }
}

/// A stream that somebody removes is made again; watches are told to forget what they know.
#[tokio::test]
async fn a_removed_stream_is_made_again() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let store = server.store();
        store.put(&key("a"), "1".into(), Write::ANY).await.unwrap();
        let mut watch = store.watch(&Key::all(&RECORDS));
        assert!(matches!(next(&mut watch).await, Change::Put(..)));
        assert_eq!(next(&mut watch).await, Change::Current);
        ask(server.port, "$JS.API.STREAM.DELETE.AP_anyport_records", "").unwrap();
        put_again(&store, &key("b"), "2").await;
        assert_eq!(store.get(&key("a")).await.unwrap(), None);
        assert_eq!(next(&mut watch).await, Change::Reset);
    }
}

/// The end of a key is not lost with the write that was to follow it.
#[tokio::test]
async fn watches_hear_of_an_end_though_the_next_write_fails() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let time = TestClock::default();
        let store = JetStreamStore::new(server.address(), BUCKETS, options().clock(time.clock()));
        let (expires, last) = (Key::new(&HISTORY, "expires"), Key::new(&HISTORY, "last"));
        store.put(&expires, "1".into(), Write::ANY.ttl(Duration::from_secs(9))).await.unwrap();
        let mut watch = store.watch(&Key::all(&HISTORY));
        assert!(matches!(next(&mut watch).await, Change::Put(..)));
        assert_eq!(next(&mut watch).await, Change::Current);
        time.advance(Duration::from_secs(10));
        // From now on the server takes no large messages.
        let info = ask(server.port, "$JS.API.STREAM.INFO.AP_anyport_history", "").unwrap();
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        let mut config = info["config"].clone();
        config["max_msg_size"] = 1_000.into();
        let changed =
            ask(server.port, "$JS.API.STREAM.UPDATE.AP_anyport_history", &config.to_string()).unwrap();
        assert!(!changed.contains("\"error\""), "{changed}");
        let refused = store.put(&expires, "x".repeat(2_000).into(), Write::ANY).await;
        assert!(refused.is_err(), "{release:?}");
        store.put(&last, "1".into(), Write::ANY).await.unwrap();
        let heard = next(&mut watch).await;
        assert!(matches!(&heard, Change::Deleted(key, _) if *key == expires), "{release:?}: {heard:?}");
        assert!(matches!(next(&mut watch).await, Change::Put(key, _) if key == last));
        // A version that is written after all is the only one.
        store.put(&expires, "2".into(), Write::expecting(Expect::Absent)).await.unwrap();
        let versions = store.read(&expires, Version::START, 9).await.unwrap();
        assert_eq!(versions.iter().map(|entry| &*entry.value).collect::<Vec<_>>(), [b"2"]);
    }
}

/// Invariant: What a NATS server has no room for is refused as full, and what is there is read.
#[tokio::test]
async fn a_server_that_is_full_says_so() {
    for release in BOTH {
        let Some(server) = Server::start(release) else { continue };
        let metrics = Metrics::new();
        let store = JetStreamStore::new(server.address(), BUCKETS, options().metrics(&metrics));
        store.put(&log("a"), "1".into(), Write::ANY).await.unwrap();
        let info = ask(server.port, "$JS.API.STREAM.INFO.AP_anyport_log", "").unwrap();
        let info: serde_json::Value = serde_json::from_str(&info).unwrap();
        let mut config = info["config"].clone();
        config["max_bytes"] = 2_000.into();
        let changed = ask(server.port, "$JS.API.STREAM.UPDATE.AP_anyport_log", &config.to_string()).unwrap();
        assert!(!changed.contains("\"error\""), "{changed}");
        let refused = store.put(&log("a"), "x".repeat(3_000).into(), Write::ANY).await;
        assert!(matches!(refused, Err(Error::Full)), "{release:?}: {refused:?}");
        assert_eq!(values(&store, &log("a")).await, ["1"]);
        assert_eq!(counted(&metrics, "anyport_limit_refusals"), 1);
        store.put(&key("a"), "1".into(), Write::ANY).await.unwrap();
    }
}

/// The permissions that the book prints are enough for every operation.
#[tokio::test]
async fn the_permissions_of_the_book_are_enough() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/store.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```text\npermissions: {").unwrap();
    let (permissions, _) = rest.split_once("```").unwrap();
    for release in BOTH {
        let settings =
            format!("authorization {{ users: [{{ user: me, password: s, permissions: {{{permissions} }}] }}");
        let Some(server) = Server::start_with_tls(release, &settings) else { continue };
        let time = TestClock::default();
        let store =
            JetStreamStore::new(server.address().user("me", "s"), BUCKETS, options().clock(time.clock()));
        let version = put_again(&store, &key("a"), "1").await;
        let mut watch = store.watch(&Key::all(&RECORDS));
        assert!(matches!(next(&mut watch).await, Change::Put(..)), "{release:?}");
        assert_eq!(next(&mut watch).await, Change::Current);
        store.put(&key("a"), "2".into(), Write::expecting(Expect::Version(version))).await.unwrap();
        assert!(matches!(next(&mut watch).await, Change::Put(..)), "{release:?}");
        assert_eq!(store.list(&Key::all(&RECORDS), None, 9).await.unwrap().len(), 1);
        for value in ["1", "2"] {
            store.put(&log("a"), value.into(), Write::ANY).await.unwrap();
        }
        assert_eq!(values(&store, &log("a")).await, ["1", "2"]);
        store.delete(&log("a"), Expect::Anything).await.unwrap();
        store.put(&log("b"), "1".into(), Write::ANY.ttl(Duration::from_secs(1))).await.unwrap();
        time.advance(Duration::from_secs(2));
        store.sweep().await.unwrap();
        timeout(PATIENCE, store.know_members()).await.unwrap();
    }
}
