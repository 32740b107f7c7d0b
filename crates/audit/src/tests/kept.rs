use std::time::Duration;

use super::support::{TestStore, calls, chain_of_three, key, verified};
use crate::{FaultKind, places::Places, retention::drop_older};

/// Drops what is there now.
async fn drop_all(store: &std::sync::Arc<TestStore>) -> u64 {
    // The newest is of this millisecond.
    tokio::time::sleep(Duration::from_millis(5)).await;
    drop_older(&Places::new(store.clone(), &key()), Duration::ZERO).await.unwrap()
}

#[tokio::test]
async fn old_blocks_are_dropped_and_what_is_left_follows_them() {
    let store = TestStore::new();
    let first = chain_of_three(&store).await;
    assert_eq!(drop_older(&Places::new(store.clone(), &key()), Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(drop_all(&store).await, 5);
    let second = chain_of_three(&store).await;
    let report = verified(&store).await;
    assert!(report.is_whole(), "{report:?}");
    let dropped: Vec<_> = report.chains.iter().map(|chain| (chain.head.clone(), chain.dropped)).collect();
    assert_eq!(dropped, [(first, 5), (second, 0)]);
    assert_eq!(report.records(), 5);
    assert_eq!(calls(&store).await.len(), 3);
}

#[tokio::test]
async fn what_is_removed_and_was_not_dropped_is_missed() {
    let store = TestStore::new();
    let head = chain_of_three(&store).await;
    for number in [1, 2] {
        store.remove(&format!("block/{}/{number:016}", head.chain)).await;
    }
    let fault = verified(&store).await.chains[0].fault.clone().unwrap();
    assert_eq!((fault.kind, fault.record), (FaultKind::Missing, 1));
}

#[tokio::test]
async fn a_mark_of_what_was_dropped_cannot_be_made_up() {
    let store = TestStore::new();
    let head = chain_of_three(&store).await;
    let other = Places::new(store.clone(), &anyport_seal::Key::from_bytes([9; 32]));
    other.put_mark(crate::chain::MarkKind::Dropped, &head).await.unwrap();
    let fault = verified(&store).await.chains[0].fault.clone().unwrap();
    assert_eq!((fault.kind, fault.record), (FaultKind::Altered, 1));
    assert_eq!(drop_all(&store).await, 0, "nothing is dropped after it");
}
