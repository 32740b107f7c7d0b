//! Writers of one key, and leases.

use super::subject::{Subject, get, key, put, text};
use crate::{Error, Expect, Lease, Write};

/// Of 1,000 writers, a hundred for each version, one wins per version.
pub async fn racing_writers_have_one_winner_per_version(Subject { store, .. }: Subject) {
    let mut version = put(&*store, &key("a"), "start").await;
    for round in 0..10 {
        let writers = (0..100).map(|number| {
            let (store, expect) = (store.clone(), Expect::Version(version));
            tokio::spawn(async move {
                store.put(&key("a"), text(&number.to_string()), Write::expecting(expect)).await
            })
        });
        let mut winners = Vec::new();
        for writer in writers.collect::<Vec<_>>() {
            match writer.await.expect("a writer") {
                Ok(version) => winners.push(version),
                Err(Error::Conflict(Some(_))) => {}
                Err(error) => panic!("round {round}: {error}"),
            }
        }
        assert_eq!(winners.len(), 1, "round {round}");
        assert!(winners[0] > version);
        version = winners[0];
    }
}

/// A lease is held once; who takes it next has a larger fencing token.
pub async fn a_lease_has_one_holder_and_a_growing_fence(Subject { store, .. }: Subject) {
    let lease = Lease::acquire(&store, key("lease")).await.expect("the store").expect("a free lease");
    assert!(lease.holds().await.expect("the store"));
    assert!(Lease::acquire(&store, key("lease")).await.expect("the store").is_none(), "it is held");
    let first = lease.fence();
    lease.release().await.expect("a release");
    // Its holder is dead.
    let dead = serde_json::json!({"id": "0123456789abcdef", "incarnation": 1}).to_string();
    let taken_over = store.put(&key("lease"), text(&dead), Write::ANY).await.expect("a put");
    let lease = Lease::acquire(&store, key("lease")).await.expect("the store").expect("a dead holder");
    assert!(lease.fence() > taken_over && taken_over > first);
    put(&*store, &key("lease"), &dead).await;
    assert!(!lease.holds().await.expect("the store"), "another took it");
    lease.release().await.expect("releasing what was lost does nothing");
    assert!(get(&*store, &key("lease")).await.is_some());
}
