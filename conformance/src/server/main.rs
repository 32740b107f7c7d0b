//! The server that the official conformance suite is run against, built with the public API alone.
//!
//! Every tool, prompt and resource has the name and does the thing that a scenario of the suite asks for.

mod asking;
mod content;
mod prompts;
mod resources;

use std::{net::Ipv4Addr, sync::Arc};

use anyport::{
    Revision, Server,
    http::{Config, Listener},
};
use clap::{Parser, ValueEnum};

#[derive(Debug, Parser)]
struct Arguments {
    /// The port to listen on.
    #[arg(long)]
    port: u16,
    /// Which clients are served.
    #[arg(long, default_value = "both")]
    era: Era,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Era {
    Both,
    Modern,
    Legacy,
}

impl Era {
    fn revisions(self) -> Arc<[Revision]> {
        let spoken = |revision: &Revision| match self {
            Self::Both => true,
            Self::Modern => revision.is_modern(),
            Self::Legacy => !revision.is_modern(),
        };
        Revision::ALL.into_iter().rev().filter(spoken).collect()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments = Arguments::parse();
    let supported = arguments.era.revisions();
    let builder = Server::builder("everything", env!("CARGO_PKG_VERSION"))
        .title("Everything")
        .instructions("Has one of everything that the protocol defines.")
        .supported_versions(&supported);
    let builder = content::add(builder);
    let builder = asking::add(builder);
    let builder = prompts::add(builder);
    let builder = resources::add(builder);
    let server = builder.build()?;

    let address = (Ipv4Addr::LOCALHOST, arguments.port).into();
    let listener = Listener::bind(address, Config { supported, ..Config::default() }, false).await?;
    eprintln!("everything_server listens on http://{}/mcp", listener.address()?);
    let closing = server.clone();
    let stop = async move {
        // Without a signal handler the server runs until it is killed, which is what the suite does.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
        closing.close();
    };
    listener.serve(anyport::live(server), stop).await?;
    Ok(())
}
