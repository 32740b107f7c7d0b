//! A client: it starts a server, calls it, and answers server requests.
//!
//! ```sh
//! cargo build -p anyport-examples
//! cargo run -p anyport-examples --bin call_a_server -- target/debug/ask_the_user
//! ```
//!
//! The server may speak any revision of the protocol, and be written in any language. The code is the same.

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

    // The client declares the capabilities that it has functions for. This one has fixed answers for a form; a real one
    // shows the form and the server's name to its user.
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

    // A failed tool has a result too, which says so.
    let booked = client.call("book", ()).progress(|step| eprintln!("{}", step.progress)).await?;
    writeln!(out, "{}{}", if booked.is_error() { "failed: " } else { "" }, booked.text())?;
    Ok(())
}
