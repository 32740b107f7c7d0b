//! The servers that are measured.

use std::{
    fs,
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

use super::client::{Client, Era, Expected, PATIENCE, Tool};
use crate::{
    Failure,
    process::{self, Server},
    workspace::{Build, Profile, Workspace},
};

/// The row that the others are related to: the least that a server which reads its requests can cost.
pub(super) const FLOOR: &str = "hyper, parsing";

/// The row of ours whose tools are not functions, but the builder's.
const BUILT: &str = "anyport, 50 tools, builder";

/// A server that can be started again and again.
#[derive(Debug)]
pub(super) struct Subject {
    pub(super) name: String,
    /// Whether it is Anyport, which the gates are for.
    pub(super) ours: bool,
    /// How many tools it has, if it is Anyport.
    pub(super) tools: usize,
    /// Whether it returns the same response to every request.
    constant: bool,
    /// Whether it has the tool `add`.
    adds: bool,
    program: PathBuf,
    arguments: Vec<String>,
}

/// Builds all servers, each alone: cargo would give a package the features that another one needs.
///
/// # Errors
/// When one does not compile.
pub(super) fn build(workspace: &Workspace, tools: &[usize]) -> Result<Vec<Subject>, Failure> {
    let peer = |package| {
        workspace.build(&Build {
            manifest: "bench/peers/Cargo.toml",
            features: &["mimalloc"],
            profile: Profile::Dist,
            ..Build::of(package, package)
        })
    };
    let hyper = peer("bench-peer-hyper")?;
    let rmcp = peer("bench-peer-rmcp")?;
    let anyport = workspace.build(&Build {
        features: &["mimalloc"],
        profile: Profile::Dist,
        ..Build::of("anyport-bench", "anyport_bench_server")
    })?;

    let subject = |name: &str, program: &PathBuf, arguments: &[&str]| Subject {
        name: name.to_owned(),
        ours: false,
        tools: 0,
        constant: false,
        adds: true,
        program: program.clone(),
        arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
    };
    let mut subjects = vec![
        Subject {
            constant: true,
            adds: false,
            ..subject("hyper, constant", &hyper, &["--mode", "constant"])
        },
        subject(FLOOR, &hyper, &["--mode", "parse"]),
    ];
    for &count in tools {
        let name = format!("anyport, {count} {}", if count == 1 { "tool" } else { "tools" });
        let arguments = ["--tools", &count.to_string()];
        let adds = count > 1;
        subjects.push(Subject { ours: true, tools: count, adds, ..subject(&name, &anyport, &arguments) });
    }
    // The same as functions and as the builder has them, which is to cost the same.
    let arguments = ["--tools", "50", "--written", "builder"];
    subjects.push(Subject { ours: true, tools: 50, ..subject(BUILT, &anyport, &arguments) });
    subjects.push(subject("rmcp", &rmcp, &[]));
    Ok(subjects)
}

impl Subject {
    /// Starts the server, below `wrapper` if that is not empty, and waits for its first correct answer.
    ///
    /// # Errors
    /// When it does not start, or its answer is wrong.
    pub(super) fn start(&self, workspace: &Workspace, wrapper: &[&str]) -> Result<Running, Failure> {
        let folder = workspace.target("bench");
        fs::create_dir_all(&folder)?;
        let port = process::free_port()?;
        let mut command = process::below(wrapper, &Command::new(&self.program));
        command.args(&self.arguments).args(["--port", &port.to_string()]);
        let start = Instant::now();
        let log = folder.join("server.log");
        let server = Server::start_watched(&mut command, port, &log, Duration::from_micros(200))?;
        let mut client = client(port)?;
        let answer = client.learn(Tool::Echo).map_err(|failure| self.fault(&failure))?;
        let first_answer = start.elapsed();
        let answer = if self.constant { answer.constant() } else { answer };
        Ok(Running { server, port, answer, first_answer })
    }

    /// Sees that the server does what is measured: it answers each id with that id, and adds.
    ///
    /// # Errors
    /// When it does something else.
    pub(super) fn check(&self, workspace: &Workspace) -> Result<(), Failure> {
        let running = self.start(workspace, &[])?;
        let mut client = running.client()?;
        client.call(&running.answer, 7_654_321).map_err(|failure| self.fault(&failure))?;
        if self.adds {
            client.learn(Tool::Add).map_err(|failure| self.fault(&failure))?;
        }
        Ok(())
    }

    /// `failure`, with the name of the server that is to blame.
    fn fault(&self, failure: &Failure) -> Failure {
        format!("{}: {failure}", self.name).into()
    }
}

/// A server that runs; it ends when this is dropped.
pub(super) struct Running {
    pub(super) server: Server,
    port: u16,
    /// Its first response, which it repeats.
    pub(super) answer: Expected,
    /// From the start of the process to the end of its first answer.
    pub(super) first_answer: Duration,
}

impl Running {
    /// A client of the newest revision that calls `echo`.
    ///
    /// # Errors
    /// When it cannot connect.
    pub(super) fn client(&self) -> Result<Client, Failure> {
        client(self.port)
    }
}

fn client(port: u16) -> Result<Client, Failure> {
    Client::connect(port, Era::Modern, Tool::Echo, PATIENCE)
}
