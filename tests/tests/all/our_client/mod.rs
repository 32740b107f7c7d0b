//! Our client at our server: every transport, every revision, over real sockets and child processes.
//!
//! Invariant: Our client behaves the same over every transport in every revision.

use anyport::Revision;
use anyport_tests::cross_transport::{Cell, Way, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cross_transport");

#[tokio::test(flavor = "multi_thread")]
async fn the_same_calls_work_over_every_transport_in_every_revision() {
    let cells = Way::ALL.into_iter().flat_map(|way| Revision::ALL.map(|revision| (way, revision)));
    let carried = cells.filter(|(way, revision)| way.carries(*revision));
    run(carried.map(|(way, revision)| {
        let cell = async move {
            let served = way.server(revision, PROGRAM).await?;
            // A server in the same process speaks all of them. Elsewhere what it speaks is found out.
            let demanded = (way == Way::Memory).then_some(revision);
            let elicits = revision >= Revision::V2025_06_18;
            let cell = Cell::open(served.target.clone(), demanded, elicits).await?;
            assert_eq!(cell.revision(), Some(revision));
            cell.holds().await
        };
        ((way, revision), cell)
    }))
    .await;
}
