//! A side effect that happens once, however often the handler runs.
//!
//! ```sh
//! cargo run -p anyport-examples --bin once
//! ```
//!
//! A handler runs again from its top whenever an answer has arrived (see `ask_the_user`). Side effects belong in
//! [`Context::once`], which stores its result for later rounds. The result travels, sealed, through the client, so the
//! server holds nothing for waiting calls, and may even restart meanwhile if it has a configured key
//! (`Builder::state_key`).

use std::sync::atomic::{AtomicU64, Ordering};

use anyport::{Context, ServeError, Server, State, ask::Form, serve, tool};
use schemars::JsonSchema;
use serde::Deserialize;

/// The world outside, for this example: it hands out ticket numbers, and each is gone once it is taken.
#[derive(Default)]
struct Machine {
    last: AtomicU64,
    visits: AtomicU64,
}

impl Machine {
    async fn ticket(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

#[derive(Deserialize, JsonSchema)]
struct Rating {
    /// From 1 to 5
    #[schemars(range(min = 1, max = 5))]
    stars: u8,
}

/// Draws a ticket, and asks how it was.
#[tool]
async fn queue(machine: State<Machine>, context: Context) -> String {
    // Happens in every round.
    let visits = machine.visits.fetch_add(1, Ordering::Relaxed) + 1;
    // Happens in the first round; later rounds get the stored number. "ticket" names the step within the call, as with
    // `ask`.
    let ticket = context.once("ticket", machine.ticket()).await;
    let question = Form::new(format!("You are number {ticket}. How was the service?"));
    match context.ask("rating", question).await.accepted() {
        Some(Rating { stars }) => format!("Number {ticket} gave {stars} stars, on run {visits}."),
        None => format!("Number {ticket} said nothing, on run {visits}."),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(Server::builder("once", "1.0.0").state(Machine::default()).add(queue).build()?).stdio().await
}
