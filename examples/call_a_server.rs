//! A client: it starts a server, calls it, and answers what the server asks.
//!
//! ```sh
//! cargo build -p anyport-examples
//! cargo run -p anyport-examples --bin call_a_server -- target/debug/ask_the_user
//! ```
//!
//! The server may speak any revision of the protocol, and be written in any language. Nothing here knows which it is.

use std::{error::Error, io::Write};

use anyport::{
    Client,
    client::{Command, ElicitAnswer},
};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let program = std::env::args_os().nth(1).ok_or("name the program of a server: call_a_server PROGRAM")?;
    let mut out = std::io::stdout();

    // What the client can be asked is what there is a function for. This one has a form's answers ready; a real one shows the
    // form to its user, and who asks.
    let client = Client::connect(Command::new(program))
        .info("call_a_server", "1.0.0")
        .on_elicit(async |form| match form.schema().properties.get("city") {
            Some(_) => ElicitAnswer::accept(json!({"city": "Oslo", "nights": 2, "room": "Double"})),
            None => ElicitAnswer::accept(json!({"sure": true})),
        })
        .await?;

    for tool in client.tools().await? {
        writeln!(out, "{}: {}", tool.name, tool.description.unwrap_or_default())?;
    }

    // A tool that fails has a result too, which says so.
    let booked = client.call("book", ()).progress(|step| eprintln!("{}", step.progress)).await?;
    writeln!(out, "{}{}", if booked.is_error() { "failed: " } else { "" }, booked.text())?;
    Ok(())
}
