use std::{
    net::{IpAddr, Ipv4Addr},
    path::PathBuf,
    str::FromStr,
};

use anyhow::Result;
use anyport_protocol::Revision;
use anyport_transport::http::{AllowedHost, AllowedOrigin};
use clap::ValueEnum;

use crate::{failure::Advice, secret::Secret};

/// What `anyport serve` can be told.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  anyport serve --docs standards               over HTTP on 127.0.0.1:3020
  anyport serve --docs standards --stdio       for a client that starts the program itself
  anyport serve --docs a --docs b --port 8080  several folders, another port")]
pub(crate) struct Arguments {
    /// A folder of Markdown; may be given several times. Without one ./docs, or Anyport's own documentation.
    #[arg(long, value_name = "DIR", env = "ANYPORT_DOCS", value_delimiter = ':')]
    pub(crate) docs: Vec<PathBuf>,
    /// A further file name extension of documents, beside md and markdown; may be given several times.
    #[arg(long, value_name = "EXT")]
    pub(crate) ext: Vec<String>,
    /// What the server calls itself.
    #[arg(long, default_value = "anyport", env = "ANYPORT_NAME")]
    pub(crate) name: String,

    /// How clients reach the server; may be given several times. Without one HTTP.
    #[arg(
        long,
        help_heading = "Transports",
        env = "ANYPORT_TRANSPORT",
        ignore_case = true,
        value_delimiter = ','
    )]
    transport: Vec<Transport>,
    /// Short for --transport stdio.
    #[arg(long, help_heading = "Transports")]
    stdio: bool,
    /// Which clients are served: of either era, or only those that speak 2026-07-28 (modern) or older (legacy).
    #[arg(
        long,
        help_heading = "Transports",
        default_value = "both",
        env = "ANYPORT_ERA",
        ignore_case = true
    )]
    pub(crate) era: Era,
    /// The address to listen on. Beyond loopback a token is needed.
    #[arg(long, help_heading = "Transports", default_value_t = Ipv4Addr::LOCALHOST.into(), env = "ANYPORT_HOST", value_parser = host)]
    pub(crate) host: IpAddr,
    /// The port to listen on; 0 lets the system choose.
    #[arg(long, help_heading = "Transports", default_value_t = 3020, env = "ANYPORT_PORT")]
    pub(crate) port: u16,
    /// Where clients reach the server from outside, when that is behind a proxy.
    #[arg(long, help_heading = "Transports", value_name = "URL", env = "ANYPORT_PUBLIC_URL")]
    pub(crate) public_url: Option<PublicUrl>,

    /// The bearer token that callers must present, kept in env:NAME or file:PATH.
    #[arg(long, help_heading = "Access", value_name = "SECRET", env = "ANYPORT_AUTH_TOKEN")]
    pub(crate) auth_token: Option<Secret>,
    /// Let anyone call who can reach the address, even from other machines.
    #[arg(long, help_heading = "Access")]
    pub(crate) dangerously_allow_anonymous: bool,
    /// A name, beside loopback ones, under which clients may reach the server; may be given several times.
    #[arg(long, help_heading = "Access", value_name = "NAME[:PORT]")]
    pub(crate) allow_host: Vec<AllowedHost>,
    /// A web origin whose pages may call the server; may be given several times.
    #[arg(long, help_heading = "Access", value_name = "ORIGIN")]
    pub(crate) allow_origin: Vec<AllowedOrigin>,

    /// Connections at once.
    #[arg(long, help_heading = "Limits", default_value_t = 1024, env = "ANYPORT_MAX_CONNECTIONS", value_parser = positive)]
    pub(crate) max_connections: usize,
    /// Seconds that a call may take; the time a person takes to answer a question does not count.
    #[arg(long, help_heading = "Limits", default_value_t = 30, env = "ANYPORT_TIMEOUT", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) timeout: u64,
    /// Where the program keeps what must outlive it. Without one the user's state folder.
    #[arg(long, value_name = "DIR", env = "ANYPORT_STATE_DIR")]
    pub(crate) state_dir: Option<PathBuf>,
}

/// A way for clients to reach the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Transport {
    /// Standard input and output.
    Stdio,
    /// Streamable HTTP.
    Http,
}

/// Which revisions are spoken.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub(crate) enum Era {
    /// All.
    Both,
    /// 2026-07-28.
    Modern,
    /// 2024-11-05 to 2025-11-25.
    Legacy,
}

impl Era {
    /// The revisions, newest first.
    pub(crate) fn revisions(self) -> Vec<Revision> {
        let spoken = |revision: &Revision| match self {
            Self::Both => true,
            Self::Modern => revision.is_modern(),
            Self::Legacy => !revision.is_modern(),
        };
        Revision::ALL.into_iter().rev().filter(spoken).collect()
    }
}

/// Where clients reach the server from outside.
#[derive(Clone, Debug)]
pub(crate) struct PublicUrl {
    pub(crate) url: String,
    pub(crate) host: AllowedHost,
    pub(crate) origin: AllowedOrigin,
}

impl FromStr for PublicUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no URL such as https://mcp.example.com");
        let uri: http::Uri = text.parse().map_err(|_| wrong())?;
        let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(wrong());
        };
        let host = authority.as_str().parse().map_err(|_| wrong())?;
        let origin = format!("{scheme}://{authority}").parse().map_err(|_| wrong())?;
        Ok(Self { url: text.trim_end_matches('/').to_owned(), host, origin })
    }
}

fn host(text: &str) -> Result<IpAddr, String> {
    let text = if text.eq_ignore_ascii_case("localhost") { "127.0.0.1" } else { text };
    text.parse().map_err(|_| "must be an IP address, such as 127.0.0.1 or 0.0.0.0".into())
}

fn positive(text: &str) -> Result<usize, String> {
    text.parse().ok().filter(|number| *number > 0).ok_or_else(|| "must be a number from 1 on".into())
}

impl Arguments {
    /// Whether clients may come over `transport`.
    pub(crate) fn speaks(&self, transport: Transport) -> bool {
        let chosen = self.transport.contains(&transport);
        match transport {
            Transport::Stdio => chosen || self.stdio,
            Transport::Http => chosen || (self.transport.is_empty() && !self.stdio),
        }
    }

    /// What no single argument shows to be wrong.
    pub(crate) fn check(&self) -> Result<()> {
        if self.auth_token.is_some() && self.dangerously_allow_anonymous {
            return Err(Advice::usage(
                "--auth-token and --dangerously-allow-anonymous contradict each other",
                "leave one of them out",
            ));
        }
        Ok(())
    }
}
