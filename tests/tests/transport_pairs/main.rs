//! Our client at our server through a bridge, over each pair of transports: a client that retries at a server that asks
//! while a call is open (parked calls), the other way round (the shim), and where only that is possible one revision on both
//! sides. Real sockets, real child processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use anyport::Revision;
use anyport_tests::crossing::{Cell, Fault, Way, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crossing");

/// What a legacy client or server speaks on `way`.
fn legacy(way: Way) -> Revision {
    if way == Way::Sse { Revision::V2024_11_05 } else { Revision::NEWEST_LEGACY }
}

fn pairs() -> impl Iterator<Item = (Way, Way)> {
    Way::BETWEEN_PROCESSES.into_iter().flat_map(|down| Way::BETWEEN_PROCESSES.map(|up| (down, up)))
}

/// A client of one revision on one transport, at a server of another one on another, with a bridge between.
async fn crosses((down, client): (Way, Revision), (up, server): (Way, Revision)) -> Result<(), Fault> {
    let behind = up.server(server, PROGRAM).await?;
    let between = down.bridge(&behind, PROGRAM).await?;
    let elicits = client.min(server) >= Revision::V2025_06_18;
    let cell = Cell::open(between.target.clone(), Some(client), elicits).await?;
    assert_eq!(cell.revision(), Some(client));
    cell.holds().await
}

#[tokio::test(flavor = "multi_thread")]
async fn park() {
    let carried = pairs().filter(|(down, _)| down.carries(Revision::NEWEST));
    run(carried.map(|(down, up)| ((down, up), crosses((down, Revision::NEWEST), (up, legacy(up)))))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shim() {
    let carried = pairs().filter(|(_, up)| up.carries(Revision::NEWEST));
    run(carried.map(|(down, up)| ((down, up), crosses((down, legacy(down)), (up, Revision::NEWEST))))).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_oldest_transport_on_both_sides() {
    let oldest = (Way::Sse, Revision::V2024_11_05);
    run([(oldest, crosses(oldest, oldest))]).await;
}
