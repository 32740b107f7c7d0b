//! The real program, started beside the test and killed with it, and the two ways to talk to it.

// Every file of tests is a program of its own and uses a part of this.

pub(crate) mod browser;
pub(crate) mod collector;
pub(crate) mod http;
#[cfg(unix)]
pub(crate) mod nats;
pub(crate) mod scripted;
#[cfg(unix)]
pub(crate) mod terminal;

use std::{
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, Command, ExitStatus, Stdio},
    sync::mpsc::{self, Receiver, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything may take that should happen at once. A machine full of other tests is slow.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The documents that every client is tested with.
pub(crate) fn documents() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/data/docs").canonicalize().unwrap()
}

/// A folder of files, which goes with the test.
pub(crate) fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    folder
}

/// The program in `home`: it starts there, keeps its state there, and nothing of the tester's environment reaches it.
pub(crate) fn anyport(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_anyport"));
    for (name, _) in std::env::vars_os() {
        if ["ANYPORT_", "OTEL_"].iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
    command.current_dir(home).env("XDG_STATE_HOME", home.join("state"));
    // No test writes into the keyring of whoever runs it.
    command.env("ANYPORT_KEYRING", "off");
    command
}

/// A gateway over an `anyport.toml` of `text`, in a folder of its own.
pub(crate) fn serve_gateway(text: &str) -> (TempDir, Program, http::Server) {
    let home = folder(&[("anyport.toml", text)]);
    let mut command = anyport(home.path());
    command.args(["serve", "--port", "0"]);
    let mut gateway = Program::start(command);
    let server = gateway.server();
    (home, gateway, server)
}

/// What a run that ended by itself left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `anyport serve` with `arguments` in an empty folder, with nothing on standard input, to its end.
pub(crate) fn serve_to_the_end(arguments: &[&str]) -> Ended {
    let home = folder(&[]);
    let mut command = anyport(home.path());
    command.arg("serve").args(arguments);
    to_the_end(command)
}

pub(crate) fn to_the_end(command: Command) -> Ended {
    with_input(command, "")
}

/// Runs `command` with `input` to the end.
pub(crate) fn with_input(command: Command, input: &str) -> Ended {
    let mut program = Program::start(command);
    if let Some(mut pipe) = program.input.take() {
        // A program that does not read it has ended.
        let _ = pipe.write_all(input.as_bytes());
    }
    let status = program.wait();
    let stdout = program.rest_of_output();
    Ended { code: status.code(), stdout, stderr: program.stderr() }
}

/// Asks until the answer fits.
pub(crate) fn until(mut ask: impl FnMut() -> Value, fits: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    let (_keep, nothing) = mpsc::channel::<()>();
    loop {
        let answer = ask();
        if fits(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "it stays so: {answer}");
        let _ = nothing.recv_timeout(Duration::from_millis(10));
    }
}

/// A running program.
pub(crate) struct Program {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines,
    errors: Lines,
    said: String,
    /// Goes when the program has.
    home: Option<TempDir>,
}

impl Program {
    /// Starts `command` with all three of its streams in our hand.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::start_as_is(command)
    }

    /// Starts `command` with its output where it has been set to go.
    pub(crate) fn start_as_is(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::spawn(command)
    }

    /// Starts `command` with its input from where it has been set to come, and its output in our hand.
    pub(crate) fn start_with_its_input(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::spawn(command)
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        // The command would keep its ends of pipes open.
        drop(command);
        let input = child.stdin.take();
        let output = child.stdout.take().map_or_else(Lines::none, Lines::of);
        let errors = child.stderr.take().map_or_else(Lines::none, Lines::of);
        Self { child, input, output, errors, said: String::new(), home: None }
    }

    /// Starts `anyport serve` with `arguments`, in an empty folder.
    pub(crate) fn serve(arguments: &[&str]) -> Self {
        let home = folder(&[]);
        let mut command = anyport(home.path());
        command.arg("serve").args(arguments);
        let mut program = Self::start(command);
        program.home = Some(home);
        program
    }

    /// The same on standard input and output, over the documents that every client is tested with.
    pub(crate) fn stdio(arguments: &[&str]) -> Self {
        let documents = documents();
        Self::serve(&[&["--stdio", "--docs", documents.to_str().unwrap()], arguments].concat())
    }

    /// The same over HTTP, on a port of the system's choice.
    pub(crate) fn http(arguments: &[&str]) -> (Self, http::Server) {
        let documents = documents();
        let common = ["--port", "0", "--docs", documents.to_str().unwrap()];
        let mut program = Self::serve(&[&common, arguments].concat());
        let server = program.server();
        (program, server)
    }

    /// Where the banner says that it listens.
    pub(crate) fn server(&mut self) -> http::Server {
        let line = self.error_line(|line| line.starts_with("  http "));
        http::Server::at(line.split_whitespace().last().unwrap())
    }

    /// Reads standard error up to a line that fits, and returns it.
    pub(crate) fn error_line(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let Some(line) = self.errors.next() else { panic!("ended, having said: {}", self.said) };
            self.said += &line;
            self.said.push('\n');
            if fits(&line) {
                return line;
            }
        }
    }

    /// Reads standard output up to a line that fits, and returns it.
    #[cfg(unix)]
    pub(crate) fn output_line(&mut self, fits: impl Fn(&str) -> bool) -> String {
        loop {
            let Some(line) = self.output.next() else { panic!("ended, having said: {}", self.stderr()) };
            if fits(&line) {
                return line;
            }
        }
    }

    /// Reads the banner to its end, which is the JSON.
    pub(crate) fn banner(&mut self) -> (String, Value) {
        let json = self.error_line(|line| line.starts_with('{'));
        (self.said.clone(), serde_json::from_str(&json).unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Writes bytes to standard input. Whether anybody reads them is not our concern.
    pub(crate) fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().unwrap();
        let _ = input.write_all(bytes).and_then(|()| input.flush());
    }

    pub(crate) fn send(&mut self, message: &Value) {
        self.write(format!("{message}\n").as_bytes());
    }

    /// The next message on standard output, which holds nothing else.
    pub(crate) fn receive(&mut self) -> Value {
        let line = self.output.next().unwrap_or_else(|| panic!("no more output; errors: {}", self.stderr()));
        let message: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("no message: {line}"));
        assert_eq!(message["jsonrpc"], "2.0", "{line}");
        message
    }

    /// Sends a request and returns its answer; nothing else may come in between.
    pub(crate) fn call(&mut self, request: &Value) -> Value {
        self.send(request);
        let answer = self.receive();
        assert_eq!(answer["id"], request["id"], "{answer}");
        answer
    }

    pub(crate) fn close_input(&mut self) {
        self.input = None;
    }

    /// What is still to come on standard output.
    pub(crate) fn rest_of_output(&mut self) -> String {
        let mut rest = String::new();
        while let Some(line) = self.output.next() {
            rest += &line;
            rest.push('\n');
        }
        rest
    }

    /// Everything on standard error; waits for its end.
    pub(crate) fn stderr(&mut self) -> String {
        while let Some(line) = self.errors.next() {
            self.said += &line;
            self.said.push('\n');
        }
        std::mem::take(&mut self.said)
    }

    /// Waits for the end, which must come by itself and soon.
    pub(crate) fn wait(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        let (_keep, nothing) = mpsc::channel::<()>();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "runs on; said: {}", self.said);
            let _ = nothing.recv_timeout(Duration::from_millis(5));
        }
    }

    /// Ends it without asking, as a crash does.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A stream's lines, read by a thread so that a wait for one has an end.
struct Lines(Receiver<String>);

impl Lines {
    fn of(stream: impl Read + Send + 'static) -> Self {
        let (send, receive) = mpsc::channel();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines() {
                if line.map(|line| send.send(line)).is_err() {
                    return;
                }
            }
        });
        Self(receive)
    }

    /// Of a stream that we do not have.
    fn none() -> Self {
        Self(mpsc::channel().1)
    }

    fn next(&mut self) -> Option<String> {
        match self.0.recv_timeout(PATIENCE) {
            Ok(line) => Some(line),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("neither a line nor the end within {PATIENCE:?}"),
        }
    }
}

/// A request of 2026-07-28.
pub(crate) fn modern(id: impl Into<Value>, method: &str, mut params: Value) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
    });
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

/// A request of an older revision.
pub(crate) fn legacy(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

pub(crate) fn initialize(id: impl Into<Value>, version: &str) -> Value {
    let info = json!({"name": "test", "version": "1"});
    legacy(id, "initialize", json!({"protocolVersion": version, "capabilities": {}, "clientInfo": info}))
}

/// A call that every server of documents answers.
pub(crate) fn standard() -> Value {
    json!({"name": "get_stdlib", "arguments": {"language": "python", "domain": "testing"}})
}
