//! Our servers against other people's clients, over every transport, in every era that both know.
//!
//! Two servers are tried: `examples/tour.rs`, which has some of everything, and `anyport serve` over documents. What
//! the clients did with the first is a table in `docs/clients.md`; that it is still true is part of the check.
//!
//! # Layout
//! - `dialogue`: who talks to whom, and what came of it.
//! - `table`: what `docs/clients.md` says of it.

use std::{
    fs,
    num::NonZero,
    process::Command,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use dialogue::{Dialogue, Outcome, Over, Subject};

use crate::{
    Failure,
    process::{self, Server},
    tools::{JavaScript, Python},
    workspace::{Build, Workspace},
};

mod dialogue;
mod table;

/// The step of `cargo xtask test`: every dialogue, and whether the documentation says what came of them.
///
/// # Errors
/// When our programs do not build or start, when a client found fault (each that did is named), or when
/// `docs/clients.md` says something else.
pub(crate) fn check(workspace: &Workspace) -> Result<(), Failure> {
    let outcomes = run(workspace)?;
    table::check(workspace, &outcomes)
}

/// As [`check`], and makes `docs/clients.md` say it.
///
/// # Errors
/// As [`check`], and when the page cannot be written.
pub(crate) fn write(workspace: &Workspace) -> Result<(), Failure> {
    let outcomes = run(workspace)?;
    table::write(workspace, &outcomes)
}

/// The servers, started where they are reached over a socket, and the clients, installed.
struct Stage {
    python: Python,
    javascript: JavaScript,
    servers: Vec<Running>,
}

/// One of our servers.
struct Running {
    subject: Subject,
    /// What starts it on standard streams.
    command: Vec<String>,
    port: u16,
    over_http: Server,
}

fn run(workspace: &Workspace) -> Result<Vec<(Dialogue, Outcome)>, Failure> {
    let stage = Stage {
        servers: vec![Running::tour(workspace)?, Running::documents(workspace)?],
        python: Python::install(workspace)?,
        javascript: JavaScript::install(workspace)?,
    };
    let dialogues = dialogue::all();
    let outcomes = hold(&dialogues, |dialogue| {
        // In words: a failure itself may not change threads.
        stage.hold(workspace, dialogue).map_err(|failure| failure.to_string())
    });
    let (mut held, mut failed) = (Vec::new(), Vec::new());
    for (dialogue, outcome) in dialogues.into_iter().zip(outcomes) {
        match outcome {
            Ok(outcome) => {
                println!("{dialogue}: {outcome}");
                held.push((dialogue, outcome));
            }
            Err(failure) => {
                eprintln!("{dialogue}: {failure}");
                failed.push(dialogue);
            }
        }
    }
    if failed.is_empty() {
        return Ok(held);
    }
    for server in &stage.servers {
        eprintln!("{} over HTTP wrote:\n{}", server.subject, server.over_http.last_words());
    }
    let names: Vec<_> = failed.iter().map(Dialogue::to_string).collect();
    let all = held.len() + failed.len();
    Err(format!("{} of {all} dialogues failed: {}", failed.len(), names.join("; ")).into())
}

/// Holds the dialogues, as many at once as there are processors: clients mostly wait for themselves to start.
fn hold<T: Send>(dialogues: &[Dialogue], hold: impl Fn(&Dialogue) -> T + Sync) -> Vec<T> {
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(dialogues.len()));
    let work = || {
        while let Some((index, dialogue)) =
            Some(next.fetch_add(1, Ordering::Relaxed)).and_then(|index| Some((index, dialogues.get(index)?)))
        {
            let outcome = hold(dialogue);
            done.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((index, outcome));
        }
    };
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, NonZero::get) {
            scope.spawn(work);
        }
    });
    let mut done = done.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

impl Stage {
    fn hold(&self, workspace: &Workspace, dialogue: &Dialogue) -> Result<Outcome, Failure> {
        let mut command = match dialogue.client.script() {
            dialogue::Script::Python => self.python.script(workspace.path("tests/python/interop.py")),
            dialogue::Script::JavaScript => self.javascript.script("interop.mjs"),
        };
        let server = self.servers.iter().find(|server| server.subject == dialogue.subject);
        let server = server.ok_or_else(|| format!("no server is {}", dialogue.subject))?;
        command.current_dir(workspace.path(".")).args(dialogue.arguments());
        let url = |scheme: &str, path: &str| format!("{scheme}://127.0.0.1:{}/{path}", server.port);
        match dialogue.over {
            Over::Stdio => command.arg(dialogue.client.script().before_command()).args(&server.command),
            Over::Http => command.args(["--url", &url("http", "mcp")]),
            Over::Sse => command.args(["--url", &url("http", "sse")]),
            Over::WebSocket => command.args(["--url", &url("ws", "ws")]),
        };
        Outcome::of(&mut command)
    }
}

impl Running {
    fn tour(workspace: &Workspace) -> Result<Self, Failure> {
        let program = workspace.build(&Build::of("anyport-examples", "tour"))?;
        let program = program.display().to_string();
        Self::start(workspace, Subject::Tour, vec![program.clone()], |port| {
            vec![program, "--http".into(), port]
        })
    }

    fn documents(workspace: &Workspace) -> Result<Self, Failure> {
        let program = workspace.build(&Build::of("anyport-cli", "anyport"))?;
        let serve = vec![
            program.display().to_string(),
            "serve".into(),
            "--docs".into(),
            workspace.path("tests/data/docs").display().to_string(),
            "--transport".into(),
        ];
        let over_http = [serve.clone(), vec!["http,sse,websocket".into(), "--port".into()]].concat();
        let serve = [serve, vec!["stdio".into()]].concat();
        Self::start(workspace, Subject::Documents, serve, |port| [over_http, vec![port]].concat())
    }

    fn start(
        workspace: &Workspace,
        subject: Subject,
        command: Vec<String>,
        over_http: impl FnOnce(String) -> Vec<String>,
    ) -> Result<Self, Failure> {
        let folder = workspace.target("interop");
        fs::create_dir_all(&folder)?;
        let port = process::free_port()?;
        let words = over_http(port.to_string());
        let mut program = Command::new(&words[0]);
        program.args(&words[1..]);
        let over_http = Server::start(&mut program, port, &folder.join(format!("{subject}.log")))?;
        Ok(Self { subject, command, port, over_http })
    }
}
