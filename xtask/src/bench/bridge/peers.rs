//! Other people's proxies, installed as the repository pins them.

use std::{path::Path, process::Command};

use super::ways::Programs;
use crate::{
    Failure,
    bench::client::LARGE,
    process,
    tools::{Packages, Python, Supergateway},
    workspace::Workspace,
};

/// Those that can be started.
pub(in crate::bench) struct Peers {
    python: Python,
    supergateway: Supergateway,
}

impl Peers {
    /// Installs them, unless that was done.
    ///
    /// # Errors
    /// When Python or npm is missing, or cannot reach its registry.
    pub(in crate::bench) fn install(workspace: &Workspace) -> Result<Self, Failure> {
        Ok(Self {
            python: Python::install(workspace, Packages::Newest)?,
            supergateway: Supergateway::install(workspace)?,
        })
    }

    /// Which versions they have.
    ///
    /// # Errors
    /// When one does not tell.
    pub(in crate::bench) fn versions(&self) -> Result<String, Failure> {
        let said = |command: &mut Command| {
            process::stdout(command).map(|said| String::from_utf8_lossy(&said).trim().to_owned())
        };
        let fastmcp = said(Command::new(self.python.installed("fastmcp")).arg("version"))?;
        // `FastMCP version:   4.1.6`, and lines about others.
        let fastmcp = fastmcp.lines().next().and_then(|line| line.split_whitespace().last());
        let supergateway = said(self.supergateway.command().arg("--version"))?;
        Ok(format!("FastMCP {}, supergateway {supergateway}", fastmcp.unwrap_or("of an unknown version")))
    }

    /// FastMCP's proxy on port `own` before the server on port `to`.
    pub(in crate::bench) fn fastmcp(&self, to: u16, own: u16) -> Command {
        let mut command = Command::new(self.python.installed("fastmcp"));
        command.args(["run", &format!("http://127.0.0.1:{to}/mcp"), "--transport", "http"]);
        // Neither of them is to spend its time on logs.
        command.args(["--host", "127.0.0.1", "--no-banner", "--log-level", "ERROR"]);
        command.args(["--port", &own.to_string()]);
        command
    }

    /// FastMCP on port `own` before the servers of a file of clients.
    pub(in crate::bench) fn fastmcp_fleet(&self, file: &Path, own: u16) -> Command {
        let mut command = Command::new(self.python.installed("fastmcp"));
        command.arg("run").arg(file).args(["--transport", "http", "--host", "127.0.0.1"]);
        command.args(["--no-banner", "--log-level", "ERROR", "--port", &own.to_string()]);
        command
    }

    /// supergateway on port `own`, which starts the server as a program, one for each session.
    pub(in crate::bench) fn supergateway(&self, programs: &Programs, own: u16) -> Command {
        let mut command = self.supergateway.command();
        let server = format!("{} --large {LARGE}", programs.server.display());
        command.args(["--stdio", &server, "--outputTransport", "streamableHttp", "--stateful"]);
        command.args(["--logLevel", "none", "--port", &own.to_string()]);
        command
    }
}
