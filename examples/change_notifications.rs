//! A server that notifies its clients of changes.
//!
//! ```sh
//! cargo run -p anyport-examples --bin change_notifications
//! ```
//!
//! Report a change once. All subscribed clients receive a notification in the form of their revision. For a client that
//! does not read, one notification of each kind waits, not a thousand.

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
    // A handler has the events in its context; background tasks use `server.events()`, a handle that can be cloned.
    // Changes of the lists of tools and so on are reported automatically: see `dynamic_tools`.
    context.events().resource_updated(ALL);
    format!("That makes {}.", notes.len())
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    let builder = Server::builder("change_notifications", "1.0.0").state(Notes::default());
    serve(builder.add(notes).add(remember).build()?).stdio().await
}
