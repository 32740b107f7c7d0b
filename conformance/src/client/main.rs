//! The client that the official conformance suite tries, built with the public API alone.
//!
//! The suite starts it for each scenario with the URL of a server of its own, and names the scenario and what belongs
//! to it in the environment. The client is not told what that server speaks: it finds out, as any client must. When it
//! has come to its end, it says so, since the suite's results do not.

// The last words are for whoever reads the suite's results.
#![allow(clippy::print_stdout)]

mod scenarios;

use std::{env, error::Error};

use anyport::{Client, client::Builder};
use clap::Parser;

/// What went wrong, for whoever reads the suite's results.
type Failure = Box<dyn Error>;

#[derive(Debug, Parser)]
struct Arguments {
    /// The server to connect to.
    url: String,
}

/// What a scenario is told.
struct Setting {
    url: String,
    /// What belongs to the scenario, as JSON, where it has something.
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
