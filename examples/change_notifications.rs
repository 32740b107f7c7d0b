//! A server that tells its clients when something has changed.
//!
//! Whoever knows of a change says so once, to [`anyport::server::Events`]. Who hears of it, and how, is not its concern:
//! clients of the newest revision that listen to that resource, and those of older ones that are subscribed to it. A
//! client that does not read keeps one message of each kind waiting, not a thousand.

use std::{
    error::Error,
    future::pending,
    sync::{Arc, Mutex, PoisonError},
};

use anyport::{Context, Resource, Server, Tool, live, stdio};
use schemars::JsonSchema;
use serde::Deserialize;

#[derive(Deserialize, JsonSchema)]
struct Note {
    /// What is to be remembered
    text: String,
}

/// Notes that tools write and clients read.
#[derive(Clone, Debug, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn add(&self, text: String) -> usize {
        let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(text);
        notes.len()
    }

    fn text(&self) -> String {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}

const URI: &str = "notes:///all";

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let notes = Notes::default();
    let (read, written) = (notes.clone(), notes);
    let all = Resource::new(URI).name("notes").mime_type("text/plain").read(move |_: Context| {
        let text = read.text();
        async move { text }
    });
    let remember = Tool::new("remember").description("Writes a note.").run(
        move |Note { text }: Note, context: Context| {
            let count = written.add(text);
            async move {
                // A handler finds the events in its context; a task of the server's own in `server.events()`, which is a
                // handle to be cloned. There are `tools_changed`, `prompts_changed` and `resources_changed` for the lists.
                context.events().resource_updated(URI);
                format!("That makes {count}.")
            }
        },
    );
    let server = Server::builder("change_notifications", "1.0.0").resource(all).tool(remember).build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
