//! Our client at our server through a bridge, over each pair of transports: a client that retries at a server that asks
//! while a call is open (parked calls), the other way round (the shim), and both of one era. Real sockets, real child
//! processes. Over HTTP+SSE 2024-11-05 is spoken.
//!
//! Invariant: Our client behaves the same through a bridge over every pair of transports.

use anyport::Revision;
use anyport_tests::cross_transport::{Cell, Fault, Way, run};

const PROGRAM: &str = env!("CARGO_BIN_EXE_cross_transport");

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

/// Every pair that carries what `client` and `server` speak on each transport.
async fn everywhere(client: impl Fn(Way) -> Revision, server: impl Fn(Way) -> Revision) {
    let pairs = pairs().map(|(down, up)| ((down, client(down)), (up, server(up))));
    let carried = pairs.filter(|((down, client), (up, server))| down.carries(*client) && up.carries(*server));
    run(carried.map(|(down, up)| ((down, up), crosses(down, up)))).await;
}

fn modern(_: Way) -> Revision {
    Revision::NEWEST
}

#[tokio::test(flavor = "multi_thread")]
async fn park() {
    everywhere(modern, legacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shim() {
    everywhere(legacy, modern).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_asked_live_on_both_sides() {
    everywhere(legacy, legacy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_answered_by_retries_on_both_sides() {
    everywhere(modern, modern).await;
}
