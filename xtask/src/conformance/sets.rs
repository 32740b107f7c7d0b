//! The subjects of the suite: our server, our server behind our bridge or gateway, our client.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::{authorization::AuthorizationServer, requirements::Leg, tokens};
use crate::{
    Failure,
    process::{self, Server},
    tools::Suite,
    workspace::{Build, Workspace},
};

/// One thing that the suite is run against, in each revision.
#[derive(Debug)]
pub(super) struct Set {
    /// How it is called on the command line, in the list of failures and below the target folder.
    pub(super) name: &'static str,
    pub(super) subject: Subject,
    /// The set with failures that are failures of this set too: what our server cannot do, it cannot do behind a
    /// bridge.
    pub(super) shares: &'static [&'static str],
}

#[derive(Debug)]
pub(super) enum Subject {
    Client,
    /// A gateway that is an authorization server.
    AuthorizationServer(Users),
    /// `everything_server`, for clients of one era or both.
    Server {
        era: &'static str,
        bridge: Option<Way>,
        /// Whether what the suite calls lets only callers with tokens in.
        protected: bool,
    },
}

/// Whose users sign in at our authorization server.
#[derive(Clone, Copy, Debug)]
pub(super) enum Users {
    /// `[auth.builtin]`.
    OfItsOwn,
    /// `[auth.proxy]`, before `oidc-provider`.
    OfAProvider,
}

/// What stands in front of the server, and how it reaches it.
#[derive(Debug)]
pub(super) enum Way {
    /// A bridge, over HTTP.
    Http,
    /// A bridge, as a program that it starts.
    Stdio,
    /// A gateway, over HTTP: the server keeps its names there, among two others.
    Gateway,
}

const fn bridged(era: &'static str, way: Way) -> Subject {
    Subject::Server { era, bridge: Some(way), protected: false }
}

const fn protected(bridge: Option<Way>) -> Subject {
    Subject::Server { era: "both", bridge, protected: true }
}

/// All of them, in the order in which they are run.
pub(super) const SETS: &[Set] = &[
    Set {
        name: "server",
        subject: Subject::Server { era: "both", bridge: None, protected: false },
        shares: &[],
    },
    Set { name: "bridge", subject: bridged("both", Way::Http), shares: &["server"] },
    Set { name: "bridge-stdio", subject: bridged("both", Way::Stdio), shares: &["server", "bridge"] },
    Set { name: "bridge-legacy", subject: bridged("legacy", Way::Http), shares: &["server", "bridge"] },
    Set {
        name: "bridge-legacy-stdio",
        subject: bridged("legacy", Way::Stdio),
        shares: &["server", "bridge", "bridge-legacy"],
    },
    Set { name: "gateway", subject: bridged("both", Way::Gateway), shares: &["server", "bridge"] },
    Set {
        name: "gateway-legacy",
        subject: bridged("legacy", Way::Gateway),
        shares: &["server", "bridge", "bridge-legacy"],
    },
    Set { name: "server-protected", subject: protected(None), shares: &["server"] },
    Set {
        name: "gateway-protected",
        subject: protected(Some(Way::Gateway)),
        shares: &["server", "bridge", "gateway"],
    },
    Set { name: "authorization-server", subject: Subject::AuthorizationServer(Users::OfItsOwn), shares: &[] },
    Set {
        name: "authorization-proxy",
        subject: Subject::AuthorizationServer(Users::OfAProvider),
        shares: &[],
    },
    Set { name: "client", subject: Subject::Client, shares: &[] },
];

impl Set {
    /// The part of the suite that is run against it.
    pub(super) fn leg(&self) -> Leg {
        match self.subject {
            Subject::Client => Leg::Client,
            Subject::AuthorizationServer(_) => Leg::AuthorizationServer,
            Subject::Server { .. } => Leg::Server,
        }
    }
}

/// Our programs that take part, each built when a set first needs it.
pub(super) struct Programs<'a> {
    workspace: &'a Workspace,
    suite: &'a Suite,
    server: Option<PathBuf>,
    client: Option<PathBuf>,
    anyport: Option<PathBuf>,
}

impl<'a> Programs<'a> {
    pub(super) fn new(workspace: &'a Workspace, suite: &'a Suite) -> Self {
        Self { workspace, suite, server: None, client: None, anyport: None }
    }

    /// Starts what the suite is to call, and writes what it says below `folder`; or says what the suite is to start.
    ///
    /// # Errors
    /// When something does not build or does not start.
    pub(super) fn start(&mut self, subject: &Subject, folder: &Path) -> Result<Running, Failure> {
        let Self { workspace, suite, server, client, anyport } = self;
        let (era, bridge, protected) = match subject {
            Subject::Client => {
                let program = built(client, workspace, "anyport-conformance", "everything_client")?;
                return Ok(Running::Client(program));
            }
            Subject::AuthorizationServer(users) => {
                let program = built(anyport, workspace, "anyport-cli", "anyport")?;
                let server = AuthorizationServer::start(workspace, &program, *users, folder)?;
                return Ok(Running::AuthorizationServer(server));
            }
            Subject::Server { era, bridge, protected } => (era, bridge, *protected),
        };
        let mut everything =
            Command::new(built(server, workspace, "anyport-conformance", "everything_server")?);
        everything.args(["--era", era]);
        let in_front = if protected { Some(process::free_port()?) } else { None };
        if let (Some(in_front), None) = (in_front, bridge) {
            tokens::give_secret(everything.arg("--protected-at").arg(tokens::public_url(in_front)));
        }
        let mut servers = Vec::new();
        let mut port = 0;
        if !matches!(bridge, Some(Way::Stdio)) {
            port = process::free_port()?;
            everything.args(["--port", &port.to_string()]);
            servers.push(Server::start(&mut everything, port, &folder.join("server.log"))?);
        }
        if let Some(way) = bridge {
            let upstream = port;
            port = process::free_port()?;
            let mut command = Command::new(built(anyport, workspace, "anyport-cli", "anyport")?);
            let word = if matches!(way, Way::Gateway) { "serve" } else { "bridge" };
            command.args([word, "--port", &port.to_string(), "--state-dir"]).arg(folder.join("state"));
            // Scenarios leave server requests unanswered, and each occupies a connection where requests cannot be
            // attributed.
            command.args(["--limit", "connections=32"]);
            match way {
                Way::Http => command.arg(format!("http://127.0.0.1:{upstream}/mcp")),
                Way::Gateway => {
                    let file = gateway_file(folder, upstream, workspace, in_front)?;
                    tokens::give_secret(command.arg("--config").arg(file))
                }
                Way::Stdio => {
                    command.arg("--").arg(everything.get_program()).args(everything.get_args()).arg("--stdio")
                }
            };
            servers.push(Server::start(&mut command, port, &folder.join("bridge.log"))?);
        }
        if let Some(in_front) = in_front {
            tokens::check_stranger(port)?;
            let program = built(anyport, workspace, "anyport-cli", "anyport")?;
            let proxy = suite.script(&workspace.path("conformance/bearer.mjs"));
            servers.push(tokens::add(proxy, &program, [in_front, port], &folder.join("bearer.log"))?);
            port = in_front;
        }
        Ok(Running::Server { url: format!("http://127.0.0.1:{port}/mcp"), servers })
    }
}

/// Writes the file of a gateway with the server at `port`, which keeps its names there, among two others.
fn gateway_file(
    folder: &Path,
    port: u16,
    workspace: &Workspace,
    in_front: Option<u16>,
) -> Result<PathBuf, Failure> {
    let (path, docs) = (folder.join("anyport.toml"), workspace.path("tests/data/docs"));
    let auth = in_front.map(tokens::configuration).unwrap_or_default();
    let text = format!(
        "{auth}[upstreams.everything]\nurl = \"http://127.0.0.1:{port}/mcp\"\nprefix = \"\"\n\
         [upstreams.again]\nurl = \"http://127.0.0.1:{port}/mcp\"\n\
         [knowledge.standards]\ndocs = [{docs:?}]\n"
    );
    std::fs::write(&path, text)?;
    Ok(path)
}

fn built(
    known: &mut Option<PathBuf>,
    workspace: &Workspace,
    package: &str,
    binary: &str,
) -> Result<PathBuf, Failure> {
    match known {
        Some(path) => Ok(path.clone()),
        None => Ok(known.insert(workspace.build(&Build::of(package, binary))?).clone()),
    }
}

/// A subject of the suite, started and ready.
pub(super) enum Running {
    /// The program that the suite starts.
    Client(PathBuf),
    /// The endpoint that the suite calls, and its processes, which end with this value.
    Server { url: String, servers: Vec<Server> },
    /// The authorization server, with the browser that signs in there.
    AuthorizationServer(AuthorizationServer),
}

impl Running {
    /// The last lines of what it wrote.
    pub(super) fn last_words(&self) -> String {
        let servers: &[Server] = match self {
            Self::Client(_) => &[],
            Self::Server { servers, .. } => servers,
            Self::AuthorizationServer(server) => &server.servers,
        };
        servers.iter().map(Server::last_words).collect::<Vec<_>>().join("\n")
    }
}
