//! State that a server's functions share: a parameter of the type `State<T>`, given to the builder once.
//!
//! ```sh
//! cargo run -p anyport-examples --bin state
//! ```

use std::sync::atomic::{AtomicU64, Ordering};

use anyport::{ServeError, Server, State, resource, serve, tool};

/// Usually a pool of connections, a client of some API, or settings. All calls share one value, many at a time.
#[derive(Default)]
struct Tally(AtomicU64);

/// Counts up.
#[tool]
fn count(
    tally: State<Tally>,
    /// By how much
    by: u64,
) -> String {
    format!("That makes {}.", tally.0.fetch_add(by, Ordering::Relaxed) + by)
}

/// What has been counted so far.
#[resource("tally:///now")]
fn now(tally: State<Tally>) -> String {
    tally.0.load(Ordering::Relaxed).to_string()
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    // Without `.state(..)`, `build` says which functions lack which type.
    let server = Server::builder("state", "1.0.0").state(Tally::default()).add(count).add(now).build()?;
    serve(server).stdio().await
}
