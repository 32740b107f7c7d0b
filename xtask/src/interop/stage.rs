//! The programs that meet: installed, and running where they are reached over a socket.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::{Mutex, PoisonError},
};

use super::{
    asking::{Asking, Between, Sdk},
    dialogue::{Client, Dialogue, Era, Outcome, Over, Script},
    meeting::{Behind, Meeting, Server},
    program,
    schemas::EXAMPLES,
    signing_in::SigningIn,
};
use crate::{
    Failure, process,
    tools::{JavaScript, Packages, Python},
    workspace::{Build, Workspace},
};

/// The clients, installed; the servers, started where they are reached over a socket; and the bridges before them.
pub(super) struct Stage<'a> {
    workspace: &'a Workspace,
    python: Python,
    python_1: Python,
    javascript: JavaScript,
    /// The clients in Rust.
    rust: String,
    /// The server in Rust whose tools ask.
    rmcp_asking: String,
    /// The program.
    anyport: String,
    /// Those servers of ours whose schemas are looked at, beside the program: by their names.
    schemas: Vec<(&'static str, String)>,
    subjects: Vec<Running>,
    servers: Vec<(Server, Running)>,
    bridges: Vec<Bridge>,
}

/// A server.
struct Running {
    name: String,
    /// The command that starts it on standard streams.
    command: Vec<String>,
    port: u16,
    over_http: process::Server,
}

/// A bridge that clients reach over HTTP.
struct Bridge {
    server: Server,
    behind: Behind,
    port: u16,
    running: process::Server,
    /// One dialogue at a time: what an older server asks while two callers wait for it is refused, rightly.
    free: Mutex<()>,
}

impl<'a> Stage<'a> {
    /// Installs and starts what all need, and bridges for `meetings`.
    ///
    /// # Errors
    /// When something does not install, build or start.
    pub(super) fn set(workspace: &'a Workspace, meetings: &[Meeting]) -> Result<Self, Failure> {
        let build = |package, binary| -> Result<_, Failure> {
            Ok(workspace.build(&Build::of(package, binary))?.display().to_string())
        };
        let anyport = build("anyport-cli", "anyport")?;
        let tour = build("anyport-examples", "tour")?;
        let (rust, rmcp) = (build("anyport-interop", "interop")?, build("anyport-interop", "rmcp_tour")?);
        let rmcp_asking = build("anyport-interop", "rmcp_asking")?;
        let names = EXAMPLES.into_iter().chain(["kinds"]);
        let programs = workspace.build_all(&names.clone().collect::<Vec<_>>())?;
        let schemas = names.zip(programs.iter().map(|path| path.display().to_string())).collect();
        let python = Python::install(workspace, Packages::Newest)?;
        let javascript = JavaScript::install(workspace)?;
        let mut stage = Self {
            workspace,
            python_1: Python::install(workspace, Packages::First)?,
            rust,
            rmcp_asking,
            subjects: Vec::new(),
            servers: Vec::new(),
            bridges: Vec::new(),
            python,
            javascript,
            anyport,
            schemas,
        };
        stage.subjects = vec![stage.start("tour", vec![tour.clone()], &["--http"], &[])?, stage.documents()?];
        for server in Server::ALL {
            let name = format!("server-{server}");
            let command = match server {
                Server::Everything => stage.javascript.server("server-everything"),
                Server::FastMcp => stage.python.words(&workspace.path("tests/python/fastmcp_tour.py")),
                Server::Rmcp => vec![rmcp.clone()],
                Server::Anyport => vec![tour.clone()],
            };
            let running = match server {
                Server::Everything => stage.start(&name, command, &["streamableHttp"], &["PORT"]),
                _ => stage.start(&name, command, &["--http"], &[]),
            };
            stage.servers.push((server, running?));
        }
        stage.bridge(meetings)?;
        Ok(stage)
    }

    /// The program.
    pub(super) fn anyport(&self) -> &str {
        &self.anyport
    }

    /// Those of Python that know the newest revision.
    pub(super) fn python(&self) -> &Python {
        &self.python
    }

    /// Those of JavaScript.
    pub(super) fn javascript(&self) -> &JavaScript {
        &self.javascript
    }

    /// A path below the target folder.
    pub(super) fn target(&self, path: &str) -> PathBuf {
        self.workspace.target(path)
    }

    /// Where FastMCP's server is reached.
    ///
    /// # Errors
    /// When it was not started.
    pub(super) fn fastmcp_url(&self) -> Result<String, Failure> {
        Ok(format!("http://127.0.0.1:{}/mcp", self.server(Server::FastMcp)?.port))
    }

    fn serve(&self) -> Vec<String> {
        let folder = self.workspace.path("tests/data/docs").display().to_string();
        [&self.anyport, "serve", "--docs", &folder, "--transport"].map(str::to_owned).to_vec()
    }

    fn documents(&self) -> Result<Running, Failure> {
        let over_http = ["http,sse,websocket", "--port"];
        let mut running = self.start("documents", self.serve(), &over_http, &[])?;
        running.command.push("stdio".into());
        Ok(running)
    }

    /// Starts a server over HTTP: by `over_http` and its port, or with its port in the variables `port_in`.
    fn start(
        &self,
        name: &str,
        command: Vec<String>,
        over_http: &[&str],
        port_in: &[&str],
    ) -> Result<Running, Failure> {
        let port = process::free_port()?;
        let mut program = Command::new(&command[0]);
        program.args(&command[1..]).args(over_http);
        match port_in {
            [] => program.arg(port.to_string()),
            names => program.envs(names.iter().map(|name| (name, port.to_string()))),
        };
        let over_http = process::Server::start(&mut program, port, &self.log(name)?)?;
        Ok(Running { name: name.into(), command, port, over_http })
    }

    pub(super) fn log(&self, name: &str) -> Result<PathBuf, Failure> {
        let folder = self.workspace.target("interop");
        fs::create_dir_all(&folder)?;
        Ok(folder.join(format!("{name}.log")))
    }

    /// Starts a bridge for whatever the meetings reach over HTTP.
    fn bridge(&mut self, meetings: &[Meeting]) -> Result<(), Failure> {
        let states = self.workspace.target("interop/state");
        if states.exists() {
            // A bridge must not use lists that an earlier run has stored.
            fs::remove_dir_all(&states)?;
        }
        for meeting in meetings.iter().filter(|meeting| meeting.over == Over::Http) {
            let Some(behind) = meeting.behind else { continue };
            let server = meeting.server;
            if self.bridges.iter().any(|bridge| bridge.server == server && bridge.behind == behind) {
                continue;
            }
            let port = process::free_port()?;
            let name = format!("bridge-{server}-{}-{}", behind.era, behind.over);
            let mut program = Command::new(&self.anyport);
            program.args(["bridge", "--port", &port.to_string()]);
            program.args(self.behind(server, behind, &states.join(&name))?);
            let running = process::Server::start(&mut program, port, &self.log(&name)?)?;
            self.bridges.push(Bridge { server, behind, port, running, free: Mutex::new(()) });
        }
        Ok(())
    }

    /// The options of a bridge that say which server it reaches, and how.
    fn behind(&self, server: Server, behind: Behind, state: &Path) -> Result<Vec<String>, Failure> {
        let mut words = vec!["--state-dir".to_owned(), state.display().to_string()];
        // A server of both eras would be called in that of the client.
        if server.eras().len() > 1 {
            let revision = if behind.era == Era::Legacy { "2025-11-25" } else { "2026-07-28" };
            words.extend(["--revision".into(), revision.into()]);
        }
        let running = self.server(server)?;
        match behind.over {
            Over::Http => words.push(format!("http://127.0.0.1:{}/mcp", running.port)),
            _ => words.extend(std::iter::once("--".into()).chain(running.command.iter().cloned())),
        }
        Ok(words)
    }

    fn server(&self, server: Server) -> Result<&Running, Failure> {
        let found = self.servers.iter().find(|(other, _)| *other == server);
        Ok(&found.ok_or_else(|| format!("no server is {server}"))?.1)
    }

    /// Lets a client talk to one of our servers.
    ///
    /// # Errors
    /// When something of what it expects does not hold.
    pub(super) fn hold(&self, dialogue: &Dialogue) -> Result<Outcome, Failure> {
        let name = dialogue.subject.name();
        let server = self.subjects.iter().find(|running| running.name == name);
        let server = server.ok_or_else(|| format!("no server is {name}"))?;
        let mut command = self.client(dialogue.client);
        command.args(dialogue.arguments());
        Outcome::of(reach(&mut command, dialogue.over, server.port, &server.command))
    }

    /// Lets a client meet a server.
    ///
    /// # Errors
    /// As [`Stage::hold`], and when a check that both know was left out.
    pub(super) fn meet(&self, meeting: &Meeting) -> Result<Outcome, Failure> {
        let mut command = self.client(meeting.client);
        command.args(meeting.arguments());
        let server = self.server(meeting.server)?;
        let outcome = match (meeting.behind, meeting.over) {
            (None, over) => Outcome::of(reach(&mut command, over, server.port, &server.command)),
            (Some(behind), Over::Http) => {
                let bridge = self
                    .bridges
                    .iter()
                    .find(|other| (other.server, other.behind) == (meeting.server, behind));
                let bridge = bridge.ok_or("there is no such bridge")?;
                let _alone = bridge.free.lock().unwrap_or_else(PoisonError::into_inner);
                let outcome = Outcome::of(reach(&mut command, Over::Http, bridge.port, &[]));
                outcome.map_err(|failure| {
                    format!("{failure}\nthe bridge wrote:\n{}", bridge.running.last_words()).into()
                })
            }
            (Some(behind), over) => {
                let state = format!(
                    "interop/state/{}-{}-{}-{}-{}",
                    meeting.client.argument(),
                    meeting.era,
                    meeting.server,
                    behind.era,
                    behind.over
                );
                let mut bridge = vec![self.anyport.clone(), "bridge".into(), "--stdio".into()];
                bridge.extend(self.behind(meeting.server, behind, &self.workspace.target(&state))?);
                Outcome::of(reach(&mut command, over, 0, &bridge))
            }
        }?;
        match meeting.checks().find(|check| !outcome.works.iter().any(|works| works == check)) {
            Some(check) => Err(format!("`{check}` was not checked").into()),
            None => Ok(outcome),
        }
    }

    /// Lets a server ask a client through a bridge of their own, which knows nothing of the server.
    ///
    /// # Errors
    /// As [`Stage::meet`].
    pub(super) fn ask(&self, asking: &Asking) -> Result<Outcome, Failure> {
        let server = match asking.server {
            Sdk::FastMcp => self.python.words(&self.workspace.path("tests/python/fastmcp_asking.py")),
            Sdk::Python => self.python.words(&self.workspace.path("tests/python/mcp_asking.py")),
            Sdk::TypeScript => self.javascript.words("asking-server.mjs"),
            Sdk::Rmcp => vec![self.rmcp_asking.clone()],
        };
        let mut client = self.client(asking.client);
        client.args(asking.arguments());
        let file = asking.file();
        let outcome = match asking.over {
            Over::Http => {
                let server = self.start(&format!("{file}-server"), server, &["--http"], &[])?;
                let port = process::free_port()?;
                let between =
                    self.between(asking, &Reached::At(format!("http://127.0.0.1:{}/mcp", server.port)))?;
                let mut program = Command::new(&between[0]);
                program.args(&between[1..]).args(["--port", &port.to_string()]);
                let running = process::Server::start(&mut program, port, &self.log(&file)?)?;
                let outcome = Outcome::of(reach(&mut client, Over::Http, port, &[]));
                outcome.map_err(|failure| {
                    Failure::from(format!("{failure}\nwhat stands between wrote:\n{}", running.last_words()))
                })?
            }
            over => {
                let between = self.between(asking, &Reached::By(server))?;
                Outcome::of(reach(&mut client, over, 0, &between))?
            }
        };
        match Asking::CHECKS.iter().find(|check| !outcome.works.iter().any(|works| works == *check)) {
            Some(check) => Err(format!("`{check}` was not checked").into()),
            None => Ok(outcome),
        }
    }

    /// The command of what stands between, on standard streams where the server is a program.
    fn between(&self, asking: &Asking, server: &Reached) -> Result<Vec<String>, Failure> {
        let file = asking.file();
        let state = self.workspace.target(&format!("interop/state/{file}"));
        let (word, target) = match (asking.between, server) {
            (Between::Bridge, Reached::At(url)) => ("bridge", vec![url.clone()]),
            (Between::Bridge, Reached::By(command)) => ("bridge", [&["--".to_owned()], &**command].concat()),
            (Between::Gateway, server) => {
                let other = &self.rmcp_asking;
                let time = self.python.installed("mcp-server-time");
                let server = match server {
                    Reached::At(url) => format!("url = {url:?}"),
                    Reached::By(command) => format!("command = {command:?}"),
                };
                let text = format!(
                    "[upstreams.asked]\n{server}\nprefix = \"\"\n[upstreams.other]\ncommand = [{other:?}]\n\
                     [upstreams.time]\ncommand = [{time:?}]\n"
                );
                fs::create_dir_all(&state)?;
                let path = state.join("anyport.toml");
                fs::write(&path, text)?;
                ("serve", vec!["--config".to_owned(), path.display().to_string()])
            }
        };
        let mut all =
            vec![self.anyport.clone(), word.into(), "--state-dir".into(), state.display().to_string()];
        if matches!(server, Reached::By(_)) {
            all.push("--stdio".into());
        }
        all.extend(target);
        Ok(all)
    }

    /// Lets the program's commands talk to a server of others.
    ///
    /// # Errors
    /// When something of what is expected does not hold.
    pub(super) fn run(&self, server: program::Server) -> Result<Outcome, Failure> {
        let command = match server {
            program::Server::Time | program::Server::Git => {
                vec![self.python.installed(&format!("mcp-server-{}", server.name()))]
            }
            _ => self.javascript.server(&format!("server-{}", server.name())),
        };
        let mut script = self.python.script(self.workspace.path("tests/python/program.py"));
        script.args(["--anyport", &self.anyport, "--server", server.name(), "--"]).args(command);
        Outcome::of(&mut script)
    }

    /// Lets a program sign in.
    ///
    /// # Errors
    /// When something of what is expected does not hold.
    pub(super) fn sign_in(&self, signing_in: SigningIn) -> Result<Outcome, Failure> {
        let mut script = self.python.script(self.workspace.path("tests/python/signing_in.py"));
        script.args(["--anyport", &self.anyport, "--node"]).arg(self.javascript.node());
        Outcome::of(script.arg("--scripts").arg(self.javascript.folder()).arg(signing_in.argument()))
    }

    /// Lets validators and clients look at the schemas of our servers.
    ///
    /// # Errors
    /// When one of them complains, or a server does.
    pub(super) fn look_at_schemas(&self) -> Result<Outcome, Failure> {
        let documents = [self.serve(), vec!["stdio".to_owned()]].concat();
        let servers = self.schemas.iter().map(|(name, program)| (*name, vec![program.clone()]));
        let servers: BTreeMap<_, _> = servers.chain([("documents", documents)]).collect();
        Outcome::of(self.javascript.script("schemas.mjs").arg(serde_json::to_string(&servers)?))
    }

    /// The script or program that drives a client.
    pub(super) fn client(&self, client: Client) -> Command {
        let python = || self.workspace.path("tests/python/interop.py");
        let mut command = match client.script() {
            Script::Python(Packages::Newest) => self.python.script(python()),
            Script::Python(Packages::First) => self.python_1.script(python()),
            Script::Node => self.javascript.script("interop.mjs"),
            Script::Rust => Command::new(&self.rust),
        };
        command.current_dir(self.workspace.path("."));
        command
    }

    /// The last words of those servers of ours that many clients share.
    pub(super) fn last_words(&self) -> String {
        let words = |running: &Running| {
            format!("{} over HTTP wrote:\n{}\n", running.name, running.over_http.last_words())
        };
        self.subjects.iter().chain(self.servers.iter().map(|(_, running)| running)).map(words).collect()
    }
}

/// How a server is reached by what stands before it.
enum Reached {
    /// At a URL.
    At(String),
    /// By starting a command.
    By(Vec<String>),
}

/// Says where the server is.
fn reach<'c>(client: &'c mut Command, over: Over, port: u16, command: &[String]) -> &'c mut Command {
    let url = |scheme: &str, path: &str| format!("{scheme}://127.0.0.1:{port}/{path}");
    match over {
        Over::Stdio => client.arg("--").args(command),
        Over::Http => client.args(["--url", &url("http", "mcp")]),
        Over::Sse => client.args(["--url", &url("http", "sse")]),
        Over::WebSocket => client.args(["--url", &url("ws", "ws")]),
    }
}
