//! What the command line adds to the start of a server.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Command, Stdio},
    time::Instant,
};

use super::ways::Programs;
use crate::{
    Failure,
    bench::figures::{Gate, median, shown},
};

/// Milliseconds, each the median of some starts.
pub(super) struct Commands {
    /// `anyport --version`.
    version: f64,
    /// A server on standard input and output, until it has said what tools it has.
    alone: f64,
    /// `anyport tools -- SERVER`.
    tools: f64,
}

/// Starts each `times` times, in turns.
///
/// # Errors
/// When one does not end well.
pub(super) fn measure(programs: &Programs, times: usize) -> Result<Commands, Failure> {
    eprintln!("starting the command line, {times} times in turns");
    let (mut version, mut alone, mut tools) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..times {
        version.push(run(Command::new(&programs.anyport).arg("--version"), "anyport")?);
        alone.push(server(programs)?);
        let mut command = Command::new(&programs.anyport);
        tools.push(run(command.args(["tools", "--"]).arg(&programs.server), "echo")?);
    }
    Ok(Commands { version: median(version), alone: median(alone), tools: median(tools) })
}

impl Commands {
    pub(super) fn table(&self) -> String {
        let Self { version, alone, tools } = *self;
        let row = |name, value| format!("| {name} | {} |\n", shown(Some(value), 1));
        let rows = [
            row("anyport --version", version),
            row("a server, until its tools are listed", alone),
            row("anyport tools -- that server", tools),
        ];
        format!("| command | ms |\n|---|--:|\n{}", rows.concat())
    }

    pub(super) fn gates(&self) -> [Gate; 2] {
        [
            Gate::new("anyport --version: ms".to_owned(), Some(self.version), 5.0, 1),
            Gate::new(
                "anyport tools: ms added to the server".to_owned(),
                Some(self.tools - self.alone),
                15.0,
                1,
            ),
        ]
    }
}

/// How long `command` takes to its end, which must come after it has said `word`.
fn run(command: &mut Command, word: &str) -> Result<f64, Failure> {
    let start = Instant::now();
    let output = command.stdin(Stdio::null()).output()?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    let said = String::from_utf8_lossy(&output.stdout);
    if output.status.success() && said.contains(word) {
        return Ok(time);
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} ends with {}: {said}{errors}", command.get_program().display(), output.status).into())
}

/// How long a server takes from its start to its list of tools, asked by the least that can be said.
fn server(programs: &Programs) -> Result<f64, Failure> {
    const LIST: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}}"#;
    let start = Instant::now();
    let mut child = Command::new(&programs.server).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
    let (input, output) = (child.stdin.take(), child.stdout.take());
    let (mut input, output) = input.zip(output).ok_or("the server has no streams")?;
    writeln!(input, "{LIST}")?;
    let mut line = String::new();
    BufReader::new(output).read_line(&mut line)?;
    drop(input);
    // As the command does, it waits for the end.
    child.wait()?;
    let time = start.elapsed().as_secs_f64() * 1e3;
    if line.contains("echo") {
        Ok(time)
    } else {
        Err(format!("the server does not list its tools: {line}").into())
    }
}
