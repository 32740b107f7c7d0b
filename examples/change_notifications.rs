//! A server that tells its clients when something has changed.
//!
//! ```sh
//! cargo run -p anyport-examples --bin change_notifications
//! ```
//!
//! Whoever knows of a change says so once. Who hears of it, and how, is not its concern: clients that listen to that resource,
//! or are subscribed to it, each in the way of its revision. A client that does not read keeps one message of each kind
//! waiting, not a thousand.

use std::sync::{Mutex, PoisonError};

use anyport::{Context, ServeError, Server, State, resource, serve, tool};

#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

const ALL: &str = "notes:///all";

/// All notes
#[resource("notes:///all", mime_type = "text/plain")]
fn notes(notes: State<Notes>) -> String {
    notes.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
}

/// Writes a note.
#[tool]
fn remember(
    notes: State<Notes>,
    context: Context,
    /// What is to be remembered
    text: String,
) -> String {
    let mut notes = notes.0.lock().unwrap_or_else(PoisonError::into_inner);
    notes.push(text);
    // A handler finds the events in its context; a task of the server's own in `server.events()`, which is a handle to be
    // cloned. Changes of the lists of tools and so on are told by themselves: see `dynamic_tools`.
    context.events().resource_updated(ALL);
    format!("That makes {}.", notes.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let builder = Server::builder("change_notifications", "1.0.0").state(Notes::default());
    serve(builder.add(notes).add(remember).build()?).stdio().await
}
