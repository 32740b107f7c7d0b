//! Other people's proxies, installed as the repository pins them.

use std::{fs, path::Path, process::Command};

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
    /// ContextForge, or why it is missing: not every machine has the Python that it needs.
    context_forge: Result<Python, String>,
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
            context_forge: Python::context_forge(workspace).map_err(|failure| failure.to_string()),
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

    /// ContextForge on a port that is to be added, with a new database in `folder`, and without a limit of calls.
    ///
    /// # Errors
    /// When it could not be installed, or the folder cannot be made anew.
    pub(in crate::bench) fn context_forge(&self, folder: &Path) -> Result<Command, Failure> {
        let python = self.context_forge.as_ref().map_err(String::as_str)?;
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder)?;
        let mut command = Command::new(python.installed("mcpgateway"));
        command.args(["--host", "127.0.0.1"]).current_dir(folder).envs(FORGE);
        command.env("DATABASE_URL", format!("sqlite:///{}", folder.join("mcp.db").display()));
        // It has workers, which are to end with it.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        Ok(command)
    }

    /// Registers the server on port `to` with the ContextForge on port `own`, and returns the header by which that knows clients.
    ///
    /// # Errors
    /// When it refuses the server.
    pub(in crate::bench) fn register(
        &self,
        workspace: &Workspace,
        to: u16,
        own: u16,
    ) -> Result<String, Failure> {
        let python = self.context_forge.as_ref().map_err(String::as_str)?;
        let mut command = python.script(workspace.path("bench/peers/contextforge/register.py"));
        command.args([own.to_string(), format!("http://127.0.0.1:{to}/mcp")]).envs(FORGE);
        let token = String::from_utf8(process::stdout(&mut command)?)?;
        Ok(format!("Authorization: Bearer {}\r\n", token.trim()))
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

/// The settings of ContextForge: it wants long secrets, refuses servers on this machine and limits calls, unless it is told otherwise.
const FORGE: [(&str, &str); 12] = [
    ("PLATFORM_ADMIN_EMAIL", "admin@example.com"),
    ("PLATFORM_ADMIN_PASSWORD", SECRET),
    ("DEFAULT_USER_PASSWORD", SECRET),
    ("BASIC_AUTH_PASSWORD", SECRET),
    ("JWT_SECRET_KEY", "3f9c1d7a5be84260917ce0fa8d26b45370e1c9ab6f24d8537a90be16cf4827d1"),
    ("AUTH_ENCRYPTION_SECRET", "8ad3f01c6e9b57244f0d8e1ba7c6953240fe7db19c8a6e05b3d21f7490cea856"),
    ("SSRF_ALLOW_LOCALHOST", "true"),
    ("SSRF_ALLOW_PRIVATE_NETWORKS", "true"),
    ("RATE_LIMITING_ENABLED", "false"),
    ("MCPGATEWAY_UI_ENABLED", "false"),
    ("LOG_LEVEL", "ERROR"),
    ("NO_PROXY", "127.0.0.1,localhost"),
];

/// A password that is good enough for it.
const SECRET: &str = "Bench-Mark-0123456789!";
