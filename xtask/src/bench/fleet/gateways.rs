//! The fleets: the files that describe them, and the commands that serve these.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::{Map, json};

use crate::{Failure, bench::bridge::ways::Programs, workspace::Workspace};

/// Makes gateways before one server.
pub(in crate::bench) struct Gateways<'a> {
    pub(in crate::bench) workspace: &'a Workspace,
    pub(in crate::bench) programs: &'a Programs,
}

impl Gateways<'_> {
    /// An `anyport.toml` with so many upstreams, all of them the server at `port`. The first is called `first`.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn file(&self, upstreams: usize, port: u16) -> Result<PathBuf, Failure> {
        let tables = names(upstreams).map(|name| format!("[upstreams.{name}]\nurl = \"{}\"\n", url(port)));
        self.write(&format!("fleet-{upstreams}/anyport.toml"), &tables.collect::<String>())
    }

    /// An `anyport.toml` in `folder` with the server at `port` as its upstream `first`, and with these sections.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(in crate::bench) fn file_with(
        &self,
        folder: &str,
        port: u16,
        sections: &str,
    ) -> Result<PathBuf, Failure> {
        self.write(
            &format!("{folder}/anyport.toml"),
            &format!("[upstreams.first]\nurl = \"{}\"\n{sections}", url(port)),
        )
    }

    /// An `anyport.toml` with so many upstreams that are the server at `port`, and with the upstream `bad` at another one. `kind`
    /// is what is wrong with that.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn file_with_bad(
        &self,
        upstreams: usize,
        port: u16,
        kind: &str,
        bad: u16,
    ) -> Result<PathBuf, Failure> {
        let tables = names(upstreams).map(|name| (name, port)).chain([("bad".to_owned(), bad)]);
        let tables = tables.map(|(name, port)| format!("[upstreams.{name}]\nurl = \"{}\"\n", url(port)));
        self.write(&format!("fleet-{kind}/anyport.toml"), &tables.collect::<String>())
    }

    /// The same as a file of clients.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(super) fn client_file(&self, servers: usize, port: u16) -> Result<PathBuf, Failure> {
        let entries: Map<_, _> = names(servers).map(|name| (name, json!({"url": url(port)}))).collect();
        let text = json!({"mcpServers": entries}).to_string();
        self.write(&format!("fleet-{servers}/mcp.json"), &text)
    }

    /// A gateway on port `own`, which remembers nothing of earlier ones.
    ///
    /// # Errors
    /// When its file cannot be written.
    pub(super) fn command(&self, upstreams: usize, to: u16, own: u16) -> Result<Command, Failure> {
        Ok(self.serve(&self.file(upstreams, to)?, own))
    }

    /// A gateway on port `own` that serves `file`.
    pub(in crate::bench) fn serve(&self, file: &Path, own: u16) -> Command {
        let mut command = Command::new(&self.programs.anyport);
        let state = self.workspace.target("bench").join(format!("state-{own}"));
        command.args(["serve", "--port", &own.to_string(), "--config"]).arg(file);
        command.arg("--state-dir").arg(state);
        // One client makes all the calls here.
        command.args(["--limit", "calls_per_second=1000000", "--limit", "call_burst=1000000"]);
        command
    }

    fn write(&self, name: &str, text: &str) -> Result<PathBuf, Failure> {
        let file = self.workspace.target("bench").join(name);
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder)?;
        }
        fs::write(&file, text)?;
        Ok(file)
    }
}

fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| if number == 0 { "first".to_owned() } else { format!("server{number}") })
}

fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}/mcp")
}
