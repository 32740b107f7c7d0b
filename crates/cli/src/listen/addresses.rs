use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use serde_json::{Value, json};

use super::{Arguments, Transport};

/// Where clients reach what is served, for a person: one line for each way.
pub(crate) struct Addresses<'a> {
    pub(crate) arguments: &'a Arguments,
    pub(crate) address: Option<SocketAddr>,
    /// Where the Unix socket is.
    pub(crate) path: Option<&'a Path>,
}

impl fmt::Display for Addresses<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions: Vec<_> =
            self.arguments.era.revisions().iter().map(|revision| revision.as_str()).collect();
        writeln!(f, "  protocol   {}", versions.join(", "))?;
        if let Some((address, url)) = self.address.zip(self.url()) {
            writeln!(f, "  http       {url}")?;
            let root = url.strip_suffix("/mcp").unwrap_or(&url);
            if self.arguments.speaks(Transport::Sse) {
                writeln!(f, "  sse        {root}/sse")?;
            }
            if self.arguments.speaks(Transport::Websocket) {
                // http and https become ws and wss.
                writeln!(f, "  websocket  ws{}/ws", root.strip_prefix("http").unwrap_or(root))?;
            }
            if self.arguments.public_url.is_some() {
                writeln!(f, "             listening on {address}")?;
            }
            if !address.ip().is_loopback() {
                self.warn(address, f)?;
            }
        }
        if let Some(path) = self.path {
            writeln!(f, "  unix       {}", absolute(path))?;
        }
        if self.arguments.speaks(Transport::Stdio) {
            writeln!(f, "  stdio      standard input and output")?;
        }
        Ok(())
    }
}

impl Addresses<'_> {
    /// The entry of a client's file for the server over HTTP. It has a header for a token only where clients cannot get one by
    /// themselves: a header that is there keeps them from signing in.
    pub(crate) fn entry(&self) -> Option<Value> {
        let url = self.url()?;
        let is_given = self.arguments.is_authenticated() && !self.arguments.has_authorization_server();
        Some(match is_given {
            true => json!({"type": "http", "url": url, "headers": {"Authorization": "Bearer YOUR_TOKEN"}}),
            false => json!({"type": "http", "url": url}),
        })
    }

    /// Warnings about addresses that other machines can reach.
    fn warn(&self, address: SocketAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.arguments.is_authenticated() && !self.arguments.demands_client_certificates() {
            writeln!(f, "  WARNING    anyone who can reach {address} may call")?;
        }
        if address.ip().is_unspecified() && !self.arguments.is_named() {
            writeln!(
                f,
                "  note       clients elsewhere are refused until --allow-host or --public-url says under which \
                 name they come"
            )?;
        }
        Ok(())
    }

    /// Where a client of this machine finds the server, or everyone, if we know.
    pub(crate) fn url(&self) -> Option<String> {
        let mut address = self.address?;
        if let Some(public) = &self.arguments.public_url {
            return Some(public.endpoint.clone());
        }
        // A client cannot connect to the unspecified address.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Some(format!("{}://{address}/mcp", self.arguments.scheme()))
    }
}

/// A path that means the same in every folder.
pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
