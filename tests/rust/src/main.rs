//! A client in Rust talks to a server.
//!
//! ```sh
//! interop --client rmcp --era modern --server tour --transport http --url http://127.0.0.1:3020/mcp
//! interop --client anyport --era legacy --server everything --transport stdio -- node server.js
//! ```
//!
//! It ends with a line of JSON that says which revision was negotiated and what works. Else it exits with 1 and says
//! which expectation did not hold. `cargo xtask interop` runs it in every combination.
//!
//! # Layout
//! - [`clients`]: each client with the same few methods, so that the checks are written once.
//! - [`checks`]: what the servers answer, whoever asks.

#![allow(clippy::print_stdout, reason = "the last line is what is asked for")]

use std::{future::Future, process::ExitCode, time::Duration};

use anyhow::{Context as _, bail};
use checks::expect;
use clap::{Parser, ValueEnum};
use clients::{Anyport, Client, Rmcp};
use serde_json::{Value, json};
use tokio::time::timeout;

mod checks;
mod clients;

/// A client that waits for ever would hold up whoever waits for this program.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client in Rust against a server.
#[derive(Parser)]
struct Options {
    #[arg(long)]
    client: Which,
    #[arg(long)]
    era: Era,
    #[arg(long)]
    server: Server,
    #[arg(long)]
    transport: Transport,
    /// The endpoint of a server that runs already; else a command stands after `--`
    #[arg(long, required_unless_present = "command")]
    url: Option<String>,
    /// The command that starts a server
    #[arg(last = true)]
    command: Vec<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Anyport,
    Rmcp,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Era {
    Modern,
    Legacy,
}

impl Era {
    fn revision(self) -> &'static str {
        match self {
            Self::Modern => "2026-07-28",
            Self::Legacy => "2025-11-25",
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum Server {
    Everything,
    Tour,
}

#[derive(Clone, Copy, ValueEnum)]
enum Transport {
    Stdio,
    Http,
}

/// Where the server is.
enum Place {
    Command(Vec<String>),
    Url(String),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let options = Options::parse();
    let mut checking = String::from("opening");
    let outcome = match timeout(PATIENCE, dialogue(options, &mut checking)).await {
        Ok(outcome) => outcome,
        Err(_) => Err(anyhow::anyhow!("took too long")),
    };
    match outcome {
        Ok(report) => {
            println!("{report}");
            ExitCode::SUCCESS
        }
        Err(failure) => {
            eprintln!("{failure:?}\nwhile checking `{checking}`");
            ExitCode::FAILURE
        }
    }
}

async fn dialogue(options: Options, checking: &mut String) -> anyhow::Result<Value> {
    let place = match (options.transport, options.url) {
        (Transport::Http, Some(url)) => Place::Url(url),
        (Transport::Stdio, None) => Place::Command(options.command),
        _ => bail!("--url says where a server over HTTP is, a command after `--` one over standard streams"),
    };
    let run = Run { era: options.era, server: options.server };
    match options.client {
        Which::Anyport => run.with(Anyport::open(place, options.era), checking).await,
        Which::Rmcp => run.with(Rmcp::open(place, options.era), checking).await,
    }
}

struct Run {
    era: Era,
    server: Server,
}

impl Run {
    async fn with<C: Client>(
        self,
        client: impl Future<Output = anyhow::Result<C>>,
        checking: &mut String,
    ) -> anyhow::Result<Value> {
        let client = client.await.context("cannot open the connection")?;
        let revision = client.revision();
        let wanted = self.era.revision();
        expect(revision == wanted, &format!("a {:?} client speaks {wanted}", self.era), &revision)?;
        let mut works = Vec::new();
        for name in C::CAN {
            checking.clear();
            checking.push_str(name);
            let checked = match self.server {
                Server::Everything => checks::everything::check(&client, name).await?,
                Server::Tour => checks::tour::check(&client, name).await?,
            };
            if checked {
                works.push(*name);
            }
        }
        client.close().await?;
        Ok(json!({"revision": revision, "works": works}))
    }
}
