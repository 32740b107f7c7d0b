//! The smallest server that is worth having: one tool, over standard streams or over HTTP.
//!
//! ```sh
//! cargo run -p anyport-examples --bin hello_server             # for a client that starts it
//! cargo run -p anyport-examples --bin hello_server -- --http   # for clients on this machine, at http://127.0.0.1:3020/mcp; another port may follow
//! ```
//!
//! Clients of every revision of the protocol can call it: nothing in this file knows which one it talks to.

use std::error::Error;

use anyport::{Context, Server, Tool, serve};
use schemars::JsonSchema;
use serde::Deserialize;

/// What the tool takes. The schema that clients see is made of this type: of its fields, their types, and their doc
/// comments. Arguments that do not fit never reach the function below.
#[derive(Deserialize, JsonSchema)]
struct Greeting {
    /// Who is greeted
    name: String,
}

// A client on standard streams is one client, so one thread is enough. Use `#[tokio::main]` for a busy HTTP server.
#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let hello = Tool::new("hello")
        .description("Says hello.")
        .run(async |Greeting { name }: Greeting, _: Context| format!("Hello, {name}!"));
    let server = Server::builder("hello", "1.0.0").tool(hello).build()?;

    let mut arguments = std::env::args().skip(1);
    if arguments.next().as_deref() == Some("--http") {
        let port: u16 = arguments.next().map_or(Ok(3020), |port| port.parse())?;
        // On loopback anyone on this machine may call. Elsewhere this refuses, unless callers authenticate.
        // Standard output belongs to the protocol in the other mode, so people are told on standard error.
        let serving = serve(server).http(([127, 0, 0, 1], port));
        serving.on_listening(|place| eprintln!("listening on {place}")).await?;
    } else {
        // Ends when the client closes its side.
        serve(server).stdio().await?;
    }
    Ok(())
}
