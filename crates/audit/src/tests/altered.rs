use super::support::{TestStore, chain_of_three, key, verified};
use crate::{Fault, FaultKind, Head, Mode, tests::support::log_in, verify};

async fn fault(store: &std::sync::Arc<TestStore>) -> Option<Fault> {
    verified(store).await.chains.into_iter().find_map(|chain| chain.fault)
}

fn at(kind: FaultKind, record: u64) -> Option<Fault> {
    Some(Fault { kind, record })
}

/// Invariant: An audit log in which a record was altered, removed or moved, or which was cut, does not verify, and the first record
/// that is concerned is named.
#[tokio::test]
async fn what_was_changed_is_named() {
    let store = TestStore::new();
    let head = chain_of_three(&store).await;
    let chain = &head.chain;
    assert_eq!((head.block, head.record), (5, 5));
    assert_eq!(fault(&store).await, None);

    let third = store.block(chain, 3).await;
    store.set_block(chain, 3, third.replace("\"buy\"", "\"pay\"")).await;
    assert_eq!(fault(&store).await, at(FaultKind::Altered, 3), "a record altered");
    store.set_block(chain, 3, third[..third.len() / 2].to_owned()).await;
    assert_eq!(fault(&store).await, at(FaultKind::Altered, 3), "a block that cannot be read");
    let mut without: serde_json::Value = serde_json::from_str(&third).unwrap();
    without["records"].as_array_mut().unwrap().clear();
    store.set_block(chain, 3, without.to_string()).await;
    assert_eq!(fault(&store).await, at(FaultKind::Missing, 3), "a record removed");
    let fourth = store.block(chain, 4).await;
    store.set_block(chain, 3, fourth.clone()).await;
    assert_eq!(fault(&store).await, at(FaultKind::Altered, 3), "another block in its place");
    store.remove(&format!("block/{chain}/0000000000000003")).await;
    assert_eq!(fault(&store).await, at(FaultKind::Missing, 3), "a block removed");
    store.set_block(chain, 3, third).await;
    assert_eq!(fault(&store).await, None);

    store.remove(&format!("block/{chain}/0000000000000005")).await;
    assert_eq!(fault(&store).await, at(FaultKind::Cut, 5), "the tail cut");
    store.remove(&format!("head/{chain}")).await;
    assert_eq!(fault(&store).await, at(FaultKind::Mark, 5), "the tail and the mark of the head cut");
}

#[tokio::test]
async fn a_chain_that_was_named_by_a_later_one_is_missed() {
    let store = TestStore::new();
    let first = chain_of_three(&store).await;
    let second = chain_of_three(&store).await;
    assert_eq!(fault(&store).await, None);
    store.remove(&format!("head/{}", first.chain)).await;
    for number in 1..=first.block {
        store.remove(&format!("block/{}/{number:016}", first.chain)).await;
    }
    let report = verified(&store).await;
    let missing = report.chains.iter().find(|chain| chain.head.chain == first.chain).unwrap();
    assert_eq!(missing.fault, at(FaultKind::ChainMissing, 1));
    assert!(report.chains.iter().any(|chain| chain.head == second && chain.fault.is_none()));
}

#[tokio::test]
async fn a_chain_that_was_cut_before_a_later_one_named_it_shows_by_the_log_of_the_program() {
    let store = TestStore::new();
    let head = chain_of_three(&store).await;
    store.remove(&format!("head/{}", head.chain)).await;
    for number in 1..=head.block {
        store.remove(&format!("block/{}/{number:016}", head.chain)).await;
    }
    assert!(verified(&store).await.is_whole(), "nothing in the store knows of it");
    let report = verify(store.clone(), &key(), std::slice::from_ref(&head)).await.unwrap();
    assert_eq!(report.chains[0].fault, at(FaultKind::ChainMissing, 1));
    let other = Head { tag: Default::default(), ..chain_of_three(&store).await };
    let report = verify(store.clone(), &key(), &[other]).await.unwrap();
    assert_eq!(report.chains[0].fault, at(FaultKind::Altered, 5));
}

#[tokio::test]
async fn another_key_verifies_nothing() {
    let store = TestStore::new();
    chain_of_three(&store).await;
    let other = anyport_seal::Key::from_bytes([4; 32]);
    let report = verify(store.clone(), &other, &[]).await.unwrap();
    assert_eq!(report.chains[0].fault, at(FaultKind::Altered, 1));
}

#[tokio::test]
async fn a_chain_that_is_being_written_verifies() {
    let store = TestStore::new();
    let log = log_in(&store, Mode::Required).await;
    let report = verified(&store).await;
    assert!(report.is_whole() && !report.chains[0].is_closed);
    log.close().await;
    assert!(verified(&store).await.chains[0].is_closed);
}
