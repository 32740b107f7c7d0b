use std::{env, fmt, net::SocketAddr, path::Path};

use serde_json::json;

use super::{Arguments, arguments::Transport};

/// What a person wants to know once the server is up: what is served, where, and what to tell a client.
pub(super) struct Banner<'a> {
    pub(super) source: &'a str,
    pub(super) count: usize,
    pub(super) address: Option<SocketAddr>,
    pub(super) arguments: &'a Arguments,
}

impl fmt::Display for Banner<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.count == 1 { "document" } else { "documents" };
        writeln!(
            f,
            "anyport {} serves {} {noun} from {}",
            env!("CARGO_PKG_VERSION"),
            self.count,
            self.source
        )?;
        let versions: Vec<_> =
            self.arguments.era.revisions().iter().map(|revision| revision.as_str()).collect();
        writeln!(f, "  protocol   {}", versions.join(", "))?;
        if let Some(url) = self.url() {
            writeln!(f, "  http       {url}")?;
            if self.arguments.auth_token.is_none()
                && self.address.is_some_and(|address| !address.ip().is_loopback())
            {
                writeln!(f, "  WARNING    anyone who can reach this address may call")?;
            }
        }
        if self.arguments.speaks(Transport::Stdio) {
            writeln!(f, "  stdio      standard input and output")?;
        }
        writeln!(
            f,
            "\nTo connect a client, put this into its configuration (mcp.json, \"servers\" in VS Code):"
        )?;
        let servers = json!({"mcpServers": {&self.arguments.name: self.entry()}});
        writeln!(f, "{servers:#}\n")
    }
}

impl Banner<'_> {
    fn url(&self) -> Option<String> {
        let address = self.address?;
        Some(match &self.arguments.public_url {
            Some(public) => format!("{}/mcp", public.url),
            None => format!("http://{address}/mcp"),
        })
    }

    /// How a client reaches us: by URL, or by starting the program itself.
    fn entry(&self) -> serde_json::Value {
        match self.url() {
            Some(url) if self.arguments.auth_token.is_some() => {
                json!({"type": "http", "url": url, "headers": {"Authorization": "Bearer YOUR_TOKEN"}})
            }
            Some(url) => json!({"type": "http", "url": url}),
            None => {
                let program =
                    env::current_exe().map_or_else(|_| "anyport".into(), |path| path.display().to_string());
                let mut arguments = vec!["serve".to_owned(), "--stdio".to_owned()];
                for folder in &self.arguments.docs {
                    arguments.extend(["--docs".to_owned(), absolute(folder)]);
                }
                json!({"command": program, "args": arguments})
            }
        }
    }
}

/// The client starts the program from another folder than the user did.
fn absolute(folder: &Path) -> String {
    std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()).display().to_string()
}
