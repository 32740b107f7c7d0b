//! Several processes on one folder, and processes that are killed.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyport_store::{
    Change, Key, Lease, Liveness, Member, MemberChange, Store, Version, Write,
    maintenance::{self, Refused},
    suite::{LOG, RECORDS},
};

use crate::support::{Other, open};

/// Kills a process that writes, `kills` times at random moments, and compares what it said was acknowledged with what is there.
async fn kill_writers(folder: &Path, kills: usize) {
    let mut ledger = BTreeMap::<String, u64>::new();
    let mut random = fastrand::Rng::new();
    for _ in 0..kills {
        let mut other = Other::start("ledger", folder);
        // It is killed at any moment, while it opens the store as well.
        let until = Instant::now() + Duration::from_millis(random.u64(..150));
        let killer = std::thread::spawn({
            let id = other.child.id();
            move || {
                std::thread::park_timeout(until.saturating_duration_since(Instant::now()));
                let killed = std::process::Command::new("kill").args(["-9", &id.to_string()]).status();
                assert!(killed.unwrap().success());
            }
        });
        while let Some(line) = other.line() {
            let (log, number) = line.split_once(' ').unwrap();
            ledger.insert(log.to_owned(), number.parse().unwrap());
        }
        killer.join().unwrap();
        other.child.wait().unwrap();
    }
    let store = open(folder);
    let mut acknowledged = 0;
    for (log, last) in &ledger {
        let (key, mut after, mut next) = (Key::new(&LOG, log.clone()), Version::START, 0);
        loop {
            let page = store.read(&key, after, 500).await.unwrap();
            let Some(end) = page.last() else { break };
            after = end.version;
            for entry in &page {
                assert_eq!(entry.value, next.to_string(), "{log} has a gap");
                next += 1;
            }
        }
        assert!(next > *last, "{log}: {last} was acknowledged, and {next} values are there");
        acknowledged += last + 1;
    }
    assert!(acknowledged > 0, "no process lived long enough");
    let report = maintenance::check(folder).unwrap();
    assert!(report.damage.is_empty(), "{report:?}");
    println!("{kills} kills, {acknowledged} acknowledged writes, none lost");
}

/// Invariant: An acknowledged write of the store is not lost when its process is killed.
#[tokio::test]
async fn no_acknowledged_write_is_lost_by_20_kills() {
    let folder = tempfile::tempdir().unwrap();
    kill_writers(folder.path(), 20).await;
}

/// The same for longer: `cargo test -p anyport-store --test all -- --ignored by_200_kills --nocapture`.
#[tokio::test]
#[ignore = "takes a minute; run by hand"]
async fn no_acknowledged_write_is_lost_by_200_kills() {
    let folder = tempfile::tempdir().unwrap();
    kill_writers(folder.path(), 200).await;
}

async fn next(watch: &mut anyport_store::Watch) -> Change {
    tokio::time::timeout(Duration::from_secs(20), watch.next()).await.unwrap().unwrap()
}

/// Invariant: Processes on one state folder see each other's changes.
#[tokio::test]
async fn two_processes_see_each_others_writes() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Other::start("echo", folder.path());
    assert_eq!(other.line().as_deref(), Some("ready"));
    let store = open(folder.path());
    let mut watch = store.watch(&Key::new(&RECORDS, "pong"));
    assert_eq!(next(&mut watch).await, Change::Current);
    let mut slowest = Duration::ZERO;
    for number in 0..5 {
        let begun = Instant::now();
        store.put(&Key::new(&RECORDS, format!("ping/{number}")), "x".into(), Write::ANY).await.unwrap();
        let Change::Put(key, _) = next(&mut watch).await else { panic!("a put") };
        assert_eq!(key.id, format!("pong/{number}"));
        slowest = slowest.max(begun.elapsed());
    }
    // There and back: two polls of 200 ms, and much patience with a busy machine.
    assert!(slowest < Duration::from_secs(5), "{slowest:?}");
    println!("there and back in {slowest:?} at most");
}

/// Invariant: Of the processes on one state folder it is known which are alive.
#[tokio::test]
async fn a_killed_process_is_dead_and_its_lease_free() {
    let folder = tempfile::tempdir().unwrap();
    let mut other = Other::start("hold", folder.path());
    let member: Member = serde_json::from_str(&other.line().unwrap()).unwrap();
    let store: Arc<dyn Store> = Arc::new(open(folder.path()));
    let lease = Key::new(&RECORDS, "lease");
    let held = store.get(&lease).await.unwrap().unwrap();
    assert_eq!(store.members().liveness(&member), Liveness::Alive);
    assert!(Lease::acquire(&store, lease.clone()).await.unwrap().is_none());
    let mut changes = store.members().changes();
    let mut joined = vec![changes.next().await, changes.next().await];
    joined.sort_by_key(|change| *change != MemberChange::Joined(member.clone()));
    let me = store.members().me().clone();
    assert_eq!(joined, [MemberChange::Joined(member.clone()), MemberChange::Joined(me)]);
    let refused = maintenance::restore(folder.path(), Path::new("backup.db"), true);
    assert!(matches!(refused, Err(Refused::InUse(members)) if members.len() == 2));

    other.kill();
    assert_eq!(store.members().liveness(&member), Liveness::Dead);
    assert_eq!(changes.next().await, MemberChange::Left(member));
    let lease = Lease::acquire(&store, lease).await.unwrap().unwrap();
    assert!(lease.fence() > held.version);
}
