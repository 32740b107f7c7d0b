use std::{
    env, fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{Arguments, arguments};
use crate::{
    listen::{Addresses, Era, Transport, absolute},
    store::StoreStatus,
};

/// The banner of a running server: its documents, its addresses, and the configuration for a client.
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
    /// The store, if one was chosen.
    pub(super) store: Option<StoreStatus>,
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
        self.addresses().fmt(f)?;
        self.store.iter().try_for_each(|store| store.lines(f))?;
        let place = "(mcp.json, \"servers\" in VS Code)";
        writeln!(f, "\nTo connect a client, put this into its configuration {place}:")?;
        let servers = json!({"mcpServers": {anyport_config::valid_name(&self.arguments.name): self.entry()}});
        if self.terminal { writeln!(f, "{servers:#}") } else { writeln!(f, "{servers}") }
    }
}

impl Banner<'_> {
    fn addresses(&self) -> Addresses<'_> {
        Addresses { arguments: &self.arguments.listen, address: self.address, path: self.path }
    }

    /// How a client reaches us: by URL, by starting the program itself, or, since clients know no Unix sockets, by
    /// starting what connects one to its standard streams.
    fn entry(&self) -> Value {
        match self.addresses().entry() {
            Some(entry) => entry,
            None if !self.arguments.listen.speaks(Transport::Stdio) => {
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
        for tool in given.chosen_tools() {
            add("--tools", tool.to_string());
        }
        if given.name != "anyport" {
            add("--name", given.name.clone());
        }
        match given.listen.era {
            Era::Both => {}
            Era::Modern => add("--era", "modern".into()),
            Era::Legacy => add("--era", "legacy".into()),
        }
        if let Some(timeout) = given.timeout.filter(|timeout| *timeout != arguments::TIMEOUT) {
            add("--timeout", timeout.to_string());
        }
        if let Some(time) = given.cache() {
            add("--cache", time.as_secs().to_string());
        }
        for limit in &given.listen.limit {
            add("--limit", limit.to_string());
        }
        if let Some(folder) = &given.listen.state_dir {
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
