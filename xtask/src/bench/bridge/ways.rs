//! What is called: a server alone, and whatever stands in front of it.

use std::{fs, path::PathBuf, process::Command};

use super::caller::{Caller, Era, LARGE, Tool};
use crate::{
    Failure,
    process::{self, Server},
    tools,
    workspace::{Build, Profile, Workspace},
};

/// What is started.
pub(super) struct Programs {
    /// With one thread.
    pub(super) server: PathBuf,
    proxy: PathBuf,
    pub(super) anyport: PathBuf,
}

impl Programs {
    /// Builds them.
    ///
    /// # Errors
    /// When one does not compile.
    pub(super) fn build(workspace: &Workspace) -> Result<Self, Failure> {
        // Ours without link-time optimization, which takes minutes here; the proxy that it is compared with has it.
        let ours = |package, binary| {
            workspace.build(&Build { profile: Profile::QuickRelease, ..Build::of(package, binary) })
        };
        Ok(Self {
            server: ours("anyport-bench", "anyport_bench_server")?,
            anyport: ours("anyport-cli", "anyport")?,
            proxy: workspace.build(&Build {
                manifest: "bench/peers/Cargo.toml",
                profile: Profile::Release,
                ..Build::of("bench-peer-proxy", "bench-peer-proxy")
            })?,
        })
    }
}

/// What stands between the client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Between {
    Nothing,
    /// The reverse proxy of bare hyper.
    Proxy,
    /// `anyport bridge`, which speaks this with the server.
    Bridge(Era),
    /// `anyport bridge` in front of a program.
    BridgeToProgram,
    /// `fastmcp run URL`.
    FastMcp,
    /// `supergateway --stdio`, in front of a program.
    Supergateway,
}

/// One way from a client to a server.
pub(super) struct Way {
    pub(super) between: Between,
    /// What the client speaks.
    pub(super) client: Era,
    pub(super) port: u16,
    /// What stands between; for the server alone, the server.
    pub(super) process: u32,
}

impl Way {
    pub(super) fn name(&self) -> String {
        let client = self.client.revision();
        match self.between {
            Between::Nothing => format!("{client}, the server alone"),
            Between::Proxy => format!("{client}, hyper as a reverse proxy"),
            Between::Bridge(server) => format!("{client} to {}, bridge", server.revision()),
            Between::BridgeToProgram => format!("{client} to a program, bridge"),
            Between::FastMcp => format!("{client}, FastMCP's proxy"),
            Between::Supergateway => format!("{client} to a program, supergateway"),
        }
    }

    /// Connects a client.
    ///
    /// # Errors
    /// When that fails.
    pub(super) fn caller(&self, tool: Tool) -> Result<Caller, Failure> {
        Caller::connect(self.port, self.client, tool).map_err(|failure| self.fault(&failure))
    }

    /// `failure`, with who is to blame.
    pub(super) fn fault(&self, failure: &Failure) -> Failure {
        format!("{}: {failure}", self.name()).into()
    }
}

/// Everything that runs.
pub(super) struct Ways {
    pub(super) all: Vec<Way>,
    /// In front of the server first: they end in this order.
    _running: Vec<Server>,
}

impl Ways {
    /// Starts a server and all that is put in front of it, and sees that each way leads there.
    ///
    /// # Errors
    /// When something does not start, or gives a wrong answer.
    pub(super) fn start(workspace: &Workspace, programs: &Programs) -> Result<Self, Failure> {
        let (server, port) = upstream(workspace, programs)?;
        let alone = server.pid();
        let mut ways = Self { all: Vec::new(), _running: vec![server] };
        for client in [Era::Modern, Era::Legacy] {
            ways.all.push(Way { between: Between::Nothing, client, port, process: alone });
        }
        ways.put(workspace, Between::Proxy, &[Era::Modern, Era::Legacy], |own| proxy(programs, port, own))?;
        for spoken in [Era::Modern, Era::Legacy] {
            let clients = [Era::Modern, Era::Legacy];
            ways.put(workspace, Between::Bridge(spoken), &clients, |own| {
                bridge(programs, port, spoken, own)
            })?;
        }
        let to_program = |own: u16| {
            let mut command = anyport(programs, own);
            command.arg("--").arg(&programs.server).args(["--large", &LARGE.to_string()]);
            command
        };
        ways.put(workspace, Between::BridgeToProgram, &[Era::Legacy], to_program)?;
        ways.peers(workspace, programs, port)?;
        for way in &ways.all {
            way.caller(Tool::Echo)?.check().map_err(|failure| way.fault(&failure))?;
        }
        Ok(ways)
    }

    /// Other people's proxies, where they are installed.
    fn peers(&mut self, workspace: &Workspace, programs: &Programs, port: u16) -> Result<(), Failure> {
        if tools::ask("fastmcp", &["version"])?.is_some() {
            self.put(workspace, Between::FastMcp, &[Era::Legacy], |own| {
                let mut command = Command::new("fastmcp");
                command.args(["run", &format!("http://127.0.0.1:{port}/mcp"), "--transport", "http"]);
                command.args(["--host", "127.0.0.1", "--no-banner", "--port", &own.to_string()]);
                command
            })?;
        } else {
            eprintln!("no FastMCP: `pip install fastmcp` puts it beside the others");
        }
        if tools::ask("supergateway", &["--version"])?.is_some() {
            self.put(workspace, Between::Supergateway, &[Era::Legacy], |own| {
                let mut command = Command::new("supergateway");
                let server = format!("{} --large {LARGE}", programs.server.display());
                command.args(["--stdio", &server, "--outputTransport", "streamableHttp", "--stateful"]);
                command.args(["--logLevel", "none", "--port", &own.to_string()]);
                command
            })?;
        } else {
            eprintln!("no supergateway: `npm install --global supergateway` puts it beside the others");
        }
        Ok(())
    }

    /// Starts what `command` makes for a port, and notes a way through it for each kind of client.
    fn put(
        &mut self,
        workspace: &Workspace,
        between: Between,
        clients: &[Era],
        command: impl FnOnce(u16) -> Command,
    ) -> Result<(), Failure> {
        let port = process::free_port()?;
        let log = workspace.target("bench").join(format!("between{}.log", self.all.len()));
        let running = Server::start(&mut command(port), port, &log)?;
        let process = running.pid();
        self._running.insert(0, running);
        self.all.extend(clients.iter().map(|&client| Way { between, client, port, process }));
        Ok(())
    }
}

/// The server that all lead to.
///
/// # Errors
/// When it does not start.
pub(super) fn upstream(workspace: &Workspace, programs: &Programs) -> Result<(Server, u16), Failure> {
    let folder = workspace.target("bench");
    fs::create_dir_all(&folder)?;
    let port = process::free_port()?;
    let mut command = Command::new(&programs.server);
    command.args(["--port", &port.to_string(), "--large", &LARGE.to_string()]);
    Ok((Server::start(&mut command, port, &folder.join("upstream.log"))?, port))
}

pub(super) fn proxy(programs: &Programs, to: u16, own: u16) -> Command {
    let mut command = Command::new(&programs.proxy);
    command.args(["--to", &format!("127.0.0.1:{to}"), "--port", &own.to_string()]);
    command
}

pub(super) fn bridge(programs: &Programs, to: u16, spoken: Era, own: u16) -> Command {
    let mut command = anyport(programs, own);
    command.args([&format!("http://127.0.0.1:{to}/mcp"), "--revision", spoken.revision()]);
    command
}

fn anyport(programs: &Programs, own: u16) -> Command {
    let mut command = Command::new(&programs.anyport);
    command.args(["bridge", "--port", &own.to_string()]);
    // One client makes all the calls here.
    command.args(["--limit", "calls_per_second=1000000", "--limit", "call_burst=1000000"]);
    command
}
