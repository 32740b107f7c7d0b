use std::{
    env, fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Arguments, arguments};
use crate::serving::{Era, Transport};

/// What a person wants to know once the server is up: what is served, where, and what to tell a client.
pub(super) struct Banner<'a> {
    pub(super) source: &'a str,
    pub(super) folders: &'a [PathBuf],
    pub(super) count: usize,
    /// How many files there are, while some are yet to be read.
    pub(super) reading: Option<usize>,
    pub(super) address: Option<SocketAddr>,
    /// Where the Unix socket is.
    pub(super) path: Option<&'a Path>,
    pub(super) arguments: &'a Arguments,
    /// Whether a person reads it now. A log gets the JSON on one line: clients keep one of every server they start.
    pub(super) terminal: bool,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.count == 1 { "document" } else { "documents" };
        let version = env!("CARGO_PKG_VERSION");
        write!(f, "anyport {version} serves {} {noun} from {}", self.count, self.source)?;
        match self.reading {
            Some(files) => writeln!(f, ", reading {files} documents")?,
            None => writeln!(f)?,
        }
        let versions: Vec<_> =
            self.arguments.serving.era.revisions().iter().map(|revision| revision.as_str()).collect();
        writeln!(f, "  protocol   {}", versions.join(", "))?;
        if let Some((address, url)) = self.address.zip(self.url()) {
            writeln!(f, "  http       {url}")?;
            let root = url.strip_suffix("/mcp").unwrap_or(&url);
            if self.arguments.serving.speaks(Transport::Sse) {
                writeln!(f, "  sse        {root}/sse")?;
            }
            if self.arguments.serving.speaks(Transport::Websocket) {
                // http and https become ws and wss.
                writeln!(f, "  websocket  ws{}/ws", root.strip_prefix("http").unwrap_or(root))?;
            }
            if self.arguments.serving.public_url.is_some() {
                writeln!(f, "             listening on {address}")?;
            }
            if !address.ip().is_loopback() {
                self.warn(address, f)?;
            }
        }
        if let Some(path) = self.path {
            writeln!(f, "  unix       {}", absolute(path))?;
        }
        if self.arguments.serving.speaks(Transport::Stdio) {
            writeln!(f, "  stdio      standard input and output")?;
        }
        let place = "(mcp.json, \"servers\" in VS Code)";
        writeln!(f, "\nTo connect a client, put this into its configuration {place}:")?;
        let servers = json!({"mcpServers": {&self.arguments.name: self.entry()}});
        if self.terminal { writeln!(f, "{servers:#}") } else { writeln!(f, "{servers}") }
    }
}

impl Banner<'_> {
    /// What surprises people when other machines can reach the server.
    fn warn(&self, address: SocketAddr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.arguments.serving.is_authenticated() {
            writeln!(f, "  WARNING    anyone who can reach {address} may call")?;
        }
        if address.ip().is_unspecified() && !self.arguments.serving.is_named() {
            writeln!(
                f,
                "  note       clients elsewhere are refused until --allow-host or --public-url says under which \
                 name they come"
            )?;
        }
        Ok(())
    }

    /// Where a client of this machine finds the server, or everyone, if we know.
    fn url(&self) -> Option<String> {
        let mut address = self.address?;
        if let Some(public) = &self.arguments.serving.public_url {
            return Some(public.endpoint.clone());
        }
        // "Every address" is none that a client could connect to.
        match address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
            IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
            _ => {}
        }
        Some(format!("http://{address}/mcp"))
    }

    /// How a client reaches us: by URL, by starting the program itself, or, since clients know no Unix sockets, by
    /// starting what connects one to its standard streams.
    fn entry(&self) -> Value {
        match self.url() {
            Some(url) if self.arguments.serving.is_authenticated() => {
                json!({"type": "http", "url": url, "headers": {"Authorization": "Bearer YOUR_TOKEN"}})
            }
            Some(url) => json!({"type": "http", "url": url}),
            None if !self.arguments.serving.speaks(Transport::Stdio) => {
                let path = self.path.map(absolute).unwrap_or_default();
                json!({"command": "socat", "args": ["STDIO", format!("UNIX-CONNECT:{}", for_socat(&path))]})
            }
            None => {
                let program =
                    env::current_exe().map_or_else(|_| "anyport".into(), |path| path.display().to_string());
                json!({"command": program, "args": self.command()})
            }
        }
    }

    /// The arguments with which a client, which starts the program from another folder, gets the same server.
    fn command(&self) -> Vec<String> {
        let given = self.arguments;
        let mut command = vec!["serve".to_owned(), "--stdio".to_owned()];
        let mut add = |flag: &str, value: String| command.extend([flag.to_owned(), value]);
        for folder in self.folders {
            add("--docs", absolute(folder));
        }
        for extension in &given.ext {
            add("--ext", extension.clone());
        }
        for language in &given.languages {
            add("--languages", language.clone());
        }
        for domain in &given.domains {
            add("--domains", domain.clone());
        }
        if given.name != "anyport" {
            add("--name", given.name.clone());
        }
        match given.serving.era {
            Era::Both => {}
            Era::Modern => add("--era", "modern".into()),
            Era::Legacy => add("--era", "legacy".into()),
        }
        if given.timeout != arguments::TIMEOUT {
            add("--timeout", given.timeout.to_string());
        }
        if let Some(time) = given.cache() {
            add("--cache", time.as_secs().to_string());
        }
        for limit in &given.serving.limit {
            add("--limit", limit.to_string());
        }
        if let Some(folder) = &given.serving.state_dir {
            add("--state-dir", absolute(folder));
        }
        command
    }
}

/// In the addresses of socat these characters have a meaning.
fn for_socat(path: &str) -> String {
    let mut escaped = String::new();
    for character in path.chars() {
        if matches!(character, '\\' | ',' | ':' | '!' | '"' | '\'' | '(' | '[' | '{') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).display().to_string()
}
