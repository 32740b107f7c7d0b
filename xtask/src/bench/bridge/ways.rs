//! The subject: a server alone, or with a bridge or proxy in front of it.

use std::{fs, path::PathBuf, process::Command, time::Duration};

use super::peers::Peers;
use crate::{
    Failure,
    bench::{
        client::{Client, Era, LARGE, PATIENCE, Tool},
        protection::cases::Case,
    },
    process::{self, Server},
    workspace::{Build, Profile, Workspace},
};

/// The programs to start.
pub(in crate::bench) struct Programs {
    /// With one thread.
    pub(in crate::bench) server: PathBuf,
    proxy: PathBuf,
    pub(in crate::bench) anyport: PathBuf,
}

impl Programs {
    /// Builds them, ours with this profile.
    ///
    /// # Errors
    /// When one does not compile.
    pub(in crate::bench) fn build(workspace: &Workspace, profile: Profile) -> Result<Self, Failure> {
        let ours = |package, binary| workspace.build(&Build { profile, ..Build::of(package, binary) });
        Ok(Self {
            server: ours("anyport-bench", "anyport_bench_server")?,
            anyport: ours("anyport-cli", "anyport")?,
            proxy: workspace.build(&Build {
                manifest: "bench/peers/Cargo.toml",
                profile: Profile::Dist,
                ..Build::of("bench-peer-proxy", "bench-peer-proxy")
            })?,
        })
    }
}

const BOTH: [Era; 2] = [Era::Modern, Era::Legacy];

/// The bridge or proxy between the client and the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::bench) enum Between {
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
    /// `anyport serve --config`, in front of so many upstreams.
    Gateway(usize),
    /// The same in front of one upstream, protected by this.
    Protected(Case),
    /// `fastmcp run` with a configuration of so many servers.
    FastMcpGateway(usize),
    /// ContextForge with one server.
    ContextForge,
}

impl Between {
    /// Whether it is other people's, who promised us nothing: it may be slow, and it may fail.
    pub(in crate::bench) fn is_peer(self) -> bool {
        matches!(self, Self::FastMcp | Self::Supergateway | Self::FastMcpGateway(_) | Self::ContextForge)
    }

    /// The tool that says the given text again.
    pub(in crate::bench) fn echo(self) -> Tool {
        match self {
            // FastMCP gives the tools of a single server no prefix.
            Self::FastMcpGateway(1) => Tool::Echo,
            Self::Gateway(_) | Self::Protected(_) | Self::FastMcpGateway(_) => Tool::PrefixedEcho,
            Self::ContextForge => Tool::DashedEcho,
            _ => Tool::Echo,
        }
    }

    /// How long its turns may last; what is not slow makes all its calls.
    pub(in crate::bench) fn time(self) -> Option<Duration> {
        self.is_peer().then_some(Duration::from_secs(3))
    }
}

/// One way from a client to a server.
pub(in crate::bench) struct Way {
    pub(in crate::bench) between: Between,
    /// The client's era.
    pub(in crate::bench) client: Era,
    pub(in crate::bench) port: u16,
    /// Lines of headers that every request has.
    pub(in crate::bench) headers: String,
    /// The bridge or proxy; for the server alone, the server.
    pub(in crate::bench) process: u32,
}

impl Way {
    pub(in crate::bench) fn name(&self) -> String {
        let client = self.client.revision();
        match self.between {
            Between::Nothing => format!("{client}, the server alone"),
            Between::Proxy => format!("{client}, hyper as a reverse proxy"),
            Between::Bridge(server) => format!("{client} to {}, bridge", server.revision()),
            Between::BridgeToProgram => format!("{client} to a program, bridge"),
            Between::FastMcp => format!("{client}, FastMCP's proxy"),
            Between::Supergateway => format!("{client} to a program, supergateway"),
            Between::Gateway(1) => format!("{client}, gateway with 1 upstream"),
            Between::Gateway(upstreams) => format!("{client}, gateway with {upstreams} upstreams"),
            Between::Protected(case) => format!("{client}, {}", case.name()),
            Between::ContextForge => format!("{client}, ContextForge with 1 server"),
            Between::FastMcpGateway(servers) => format!("{client}, FastMCP with {servers} servers"),
        }
    }

    /// Connects a client.
    ///
    /// # Errors
    /// When that fails.
    pub(in crate::bench) fn client(&self, tool: Tool) -> Result<Client, Failure> {
        // One that hangs is to hold the others up no longer than one that is slow.
        let patience = if self.between.is_peer() { Duration::from_secs(10) } else { PATIENCE };
        Client::with_headers(self.port, &self.headers, self.client, tool, patience)
    }

    /// Sees that it leads to the server.
    ///
    /// # Errors
    /// When it does not.
    pub(in crate::bench) fn check(&self) -> Result<(), Failure> {
        let echo = self.between.echo();
        let mut client = self.client(echo)?;
        client.learn(echo)?;
        client.close()
    }

    /// `failure`, with who is to blame.
    pub(in crate::bench) fn fault(&self, failure: &Failure) -> Failure {
        format!("{}: {failure}", self.name()).into()
    }
}

/// Everything that runs.
pub(in crate::bench) struct Ways {
    pub(in crate::bench) all: Vec<Way>,
    /// The missing proxies of other projects, with the reasons.
    pub(in crate::bench) absent: Vec<String>,
    /// In front of the server first: they end in this order.
    pub(in crate::bench) running: Vec<Server>,
}

impl Ways {
    /// Starts a server and all that is put in front of it, and sees that each way leads there.
    ///
    /// # Errors
    /// When something of ours does not start, or gives a wrong answer.
    pub(in crate::bench) fn start(
        workspace: &Workspace,
        programs: &Programs,
        peers: Option<&Peers>,
    ) -> Result<Self, Failure> {
        let (mut ways, port) = Self::alone(workspace, programs)?;
        ways.put(workspace, Between::Proxy, &BOTH, |own| proxy(programs, port, own))?;
        for spoken in BOTH {
            ways.put(workspace, Between::Bridge(spoken), &BOTH, |own| bridge(programs, port, spoken, own))?;
        }
        let to_program = |own: u16| {
            let mut command = bridging(programs, own);
            command.arg("--").arg(&programs.server).args(["--large", &LARGE.to_string()]);
            command
        };
        ways.put(workspace, Between::BridgeToProgram, &BOTH, to_program)?;
        ways.check()?;
        if let Some(peers) = peers {
            ways.put_peer(workspace, Between::FastMcp, |own| peers.fastmcp(port, own));
            ways.put_peer(workspace, Between::Supergateway, |own| peers.supergateway(programs, own));
        }
        Ok(ways)
    }

    /// Starts a server, whose port is returned, and nothing before it.
    ///
    /// # Errors
    /// When it does not start.
    pub(in crate::bench) fn alone(
        workspace: &Workspace,
        programs: &Programs,
    ) -> Result<(Self, u16), Failure> {
        let (server, port) = upstream(workspace, programs)?;
        let process = server.pid();
        let all = BOTH
            .map(|client| Way { between: Between::Nothing, client, port, headers: String::new(), process })
            .into();
        Ok((Self { all, absent: Vec::new(), running: vec![server] }, port))
    }

    /// Sees that each way leads to the server.
    ///
    /// # Errors
    /// When one does not.
    pub(in crate::bench) fn check(&self) -> Result<(), Failure> {
        self.all.iter().try_for_each(|way| way.check().map_err(|failure| way.fault(&failure)))
    }

    /// Without anything that runs.
    #[cfg(test)]
    pub(in crate::bench) fn of(all: Vec<Way>) -> Self {
        Self { all, absent: Vec::new(), running: Vec::new() }
    }

    /// As [`Ways::put`], for clients of either era, but what does not work is only noted.
    pub(in crate::bench) fn put_peer(
        &mut self,
        workspace: &Workspace,
        between: Between,
        command: impl FnOnce(u16) -> Command,
    ) {
        let first = self.all.len();
        let put = self.put(workspace, between, &BOTH, command);
        self.keep_what_works(first, between, put);
    }

    /// The same with ContextForge, with which the server on port `to` is registered.
    pub(in crate::bench) fn put_context_forge(&mut self, workspace: &Workspace, peers: &Peers, to: u16) {
        let first = self.all.len();
        let put = self.try_context_forge(workspace, peers, to);
        self.keep_what_works(first, Between::ContextForge, put);
    }

    fn try_context_forge(&mut self, workspace: &Workspace, peers: &Peers, to: u16) -> Result<(), Failure> {
        let (first, mut command) =
            (self.all.len(), peers.context_forge(&workspace.target("bench/contextforge"))?);
        self.put(workspace, Between::ContextForge, &BOTH, |own| {
            command.args(["--port", &own.to_string()]);
            command
        })?;
        let headers = peers.register(workspace, to, self.all[first].port)?;
        self.all[first..].iter_mut().for_each(|way| way.headers.clone_from(&headers));
        Ok(())
    }

    /// Notes what does not work of what was `put`, which are the ways from `first` on.
    fn keep_what_works(&mut self, first: usize, between: Between, put: Result<(), Failure>) {
        if let Err(failure) = put {
            self.absent.push(format!("{between:?} is missing: {failure}"));
            self.all.truncate(first);
        }
        for way in self.all.split_off(first) {
            match way.check() {
                Ok(()) => self.all.push(way),
                Err(failure) => self.absent.push(format!("{} is missing: {failure}", way.name())),
            }
        }
    }

    /// Starts what `command` makes for a port, and notes a way through it for each kind of client.
    pub(in crate::bench) fn put(
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
        self.running.insert(0, running);
        self.all.extend(clients.iter().map(|&client| Way {
            between,
            client,
            port,
            headers: String::new(),
            process,
        }));
        Ok(())
    }
}

/// The number of tools of the server that all lead to: `echo`, `add` and `large`.
pub(in crate::bench) const TOOLS: usize = 3;

/// The server that all lead to.
///
/// # Errors
/// When it does not start.
pub(in crate::bench) fn upstream(
    workspace: &Workspace,
    programs: &Programs,
) -> Result<(Server, u16), Failure> {
    let folder = workspace.target("bench");
    fs::create_dir_all(&folder)?;
    let port = process::free_port()?;
    let mut command = Command::new(&programs.server);
    command.args(["--port", &port.to_string(), "--large", &LARGE.to_string()]);
    Ok((Server::start(&mut command, port, &folder.join("upstream.log"))?, port))
}

pub(in crate::bench) fn proxy(programs: &Programs, to: u16, own: u16) -> Command {
    let mut command = Command::new(&programs.proxy);
    command.args(["--to", &format!("127.0.0.1:{to}"), "--port", &own.to_string()]);
    command
}

pub(in crate::bench) fn bridge(programs: &Programs, to: u16, spoken: Era, own: u16) -> Command {
    let mut command = bridging(programs, own);
    command.args([&format!("http://127.0.0.1:{to}/mcp"), "--revision", spoken.revision()]);
    command
}

/// A bridge in front of programs, with which it speaks this.
pub(in crate::bench) fn bridge_to_program(programs: &Programs, own: u16, spoken: Era) -> Command {
    let mut command = bridging(programs, own);
    command.args(["--revision", spoken.revision(), "--"]).arg(&programs.server);
    command
}

fn bridging(programs: &Programs, own: u16) -> Command {
    let mut command = Command::new(&programs.anyport);
    command.args(["bridge", "--port", &own.to_string()]);
    // One client makes all the calls here.
    command.args(["--limit", "calls_per_second=1000000", "--limit", "call_burst=1000000"]);
    command
}
