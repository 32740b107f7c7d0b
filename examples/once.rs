//! A side effect that happens once, however often the handler runs.
//!
//! A handler runs again from its top whenever an answer has come (see `ask_the_user`). What has an effect goes into
//! [`Context::once`]: its result is remembered from round to round. It travels, sealed, through the client, so the
//! server keeps no state for calls that wait, and may even be restarted meanwhile if it has a key of its own
//! (`Builder::state_key`).

use std::{
    error::Error,
    future::pending,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyport::{
    Context, Server, Tool, live,
    server::{Form, NoArguments},
    stdio,
};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Rating {
    /// From 1 to 5
    #[schemars(range(min = 1, max = 5))]
    stars: u8,
}

/// The world outside, for this example: it hands out ticket numbers, and each is gone once it is taken.
#[derive(Debug, Default)]
struct Machine {
    last: AtomicU64,
    visits: AtomicU64,
}

impl Machine {
    async fn ticket(&self) -> u64 {
        self.last.fetch_add(1, Ordering::Relaxed) + 1
    }
}

async fn serve(machine: Arc<Machine>, context: Context) -> String {
    // Runs in every round.
    let visits = machine.visits.fetch_add(1, Ordering::Relaxed) + 1;
    // Runs in the first round; later ones get the number that it drew. The result must be something that serde can
    // write and read. "ticket" names it within the call, as an `ask` is named.
    let ticket = context.once("ticket", machine.ticket()).await;
    let question = Form::<Rating>::new(format!("You are number {ticket}. How was the service?"));
    match context.ask("rating", question).await.accepted() {
        Some(Rating { stars }) => format!("Number {ticket} gave {stars} stars, on run {visits}."),
        None => format!("Number {ticket} said nothing, on run {visits}."),
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let machine = Arc::new(Machine::default());
    let queue = Tool::new("queue")
        .description("Draws a ticket, and asks how it was.")
        .run(move |_: NoArguments, context: Context| serve(machine.clone(), context));
    let server = Server::builder("once", "1.0.0").tool(queue).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
