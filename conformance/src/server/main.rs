//! The server that the official conformance suite is run against, built with the public API alone.
//!
//! Every tool, prompt and resource has the name and does the thing that a scenario of the suite asks for.

mod asking;
mod content;
mod prompts;
mod resources;

use std::{env, error::Error, net::Ipv4Addr, sync::Arc};

use anyport::{Revision, Server, auth::resource_server::SharedSecretJwt, http, stdio};
use clap::{ArgGroup, Parser, ValueEnum};

#[derive(Debug, Parser)]
#[command(group(ArgGroup::new("way").required(true)))]
struct Arguments {
    /// The port to listen on.
    #[arg(long, group = "way")]
    port: Option<u16>,
    /// Serves the starting process, on standard input and output.
    #[arg(long, group = "way")]
    stdio: bool,
    /// Lets only callers in whose tokens are signed with the secret in `JWT_SECRET` and allow `mcp`; they reach the server at this
    /// URL.
    #[arg(long, value_name = "URL", requires = "port")]
    protected_at: Option<http::PublicUrl>,
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
            Self::Modern => revision.is_stateless(),
            Self::Legacy => !revision.is_stateless(),
        };
        Revision::ALL.into_iter().rev().filter(spoken).collect()
    }
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
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

    let serve = anyport::serve(builder.build()?);
    let serve = match arguments.port {
        Some(port) => {
            let config = http::Config::default().supported(supported);
            serve.http_with((Ipv4Addr::LOCALHOST, port), config)
        }
        None => serve.stdio_with(stdio::Config::default().supported(supported)),
    };
    let serve = match arguments.protected_at {
        Some(url) => {
            let secret = env::var("JWT_SECRET").map_err(|_| "set JWT_SECRET to at least 32 random bytes")?;
            let resource = http::ProtectedResource::default().required_scopes(["mcp".to_owned()]);
            serve.auth(SharedSecretJwt::new(secret.as_bytes())?).public_url(url).resource(resource)
        }
        None => serve,
    };
    Ok(serve.on_listening(|place| eprintln!("everything_server: {place}")).await?)
}
