//! The client that the official conformance suite tries, built with the public API alone.
//!
//! The suite starts it for each scenario with the URL of a server of its own, and passes the scenario and its data in
//! the environment. The client does not know that server's revision: it finds out, as any client must. At its end it
//! reports that, since the suite's results do not.

// The last line is for readers of the suite's results.
#![allow(clippy::print_stdout)]

mod scenarios;
mod sign_in;

use std::{env, error::Error};

use anyport::{Client, client::Builder};
use clap::Parser;

/// The failure, for readers of the suite's results.
type Failure = Box<dyn Error>;

#[derive(Debug, Parser)]
struct Arguments {
    /// The server to connect to.
    url: String,
}

/// The input of a scenario.
struct Setting {
    url: String,
    /// The scenario's data, as JSON, if it has any.
    context: Option<String>,
}

impl Setting {
    /// A client of the scenario's server, still to be opened.
    fn client(&self) -> Builder {
        Client::connect(&self.url).info("everything_client", env!("CARGO_PKG_VERSION"))
    }
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let Arguments { url } = Arguments::parse();
    let name = env::var("MCP_CONFORMANCE_SCENARIO")
        .map_err(|error| format!("MCP_CONFORMANCE_SCENARIO must name a scenario: {error}"))?;
    let setting = Setting { url, context: env::var("MCP_CONFORMANCE_CONTEXT").ok() };
    scenarios::run(&name, &setting).await?;
    println!("everything_client: {name} done");
    Ok(())
}
