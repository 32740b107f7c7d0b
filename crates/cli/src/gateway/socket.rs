//! The protocol of a running gateway's socket, and its client.
//!
//! The socket is a Unix socket in the state folder, `gateways/PID.sock`, which only its user can open. Beside it, `PID.token` has a
//! random word that every request names: a program in a sandbox can connect to a socket whose folder is closed to it, but cannot
//! read the word. A request is one line of JSON, and so is its response: `{"token":"...","command":"status"}`,
//! `{"token":"...","command":"restart","name":"files"}`. The response to a request that
//! opens a connection is `{"ok":true}`, or says why not. After it the connection speaks MCP with a server, a message a line
//! (`{"command":"connect","name":"files"}`), or has further lines of JSON (`{"command":"logs","follow":true}`, `{"command":"tap"}`).

use std::{
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    time::Duration,
};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt as _};

use crate::logging;

/// The folder of the sockets, in the state folder.
const FOLDER: &str = "gateways";
/// The time in which a gateway must say what it has. One that is stopped must not hold up every command.
const GLANCE: Duration = Duration::from_secs(1);
/// The longest response to a request that opens a connection, in bytes.
const LONGEST: u64 = 64 << 10;

/// A request to a running gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Request {
    /// Describes the gateway and its servers.
    Status,
    /// Names the gateway and its servers: an [`Introduction`].
    Introduce,
    /// Connects a server anew: a program is started again.
    Restart {
        /// The name of the server in the file.
        name: String,
    },
    /// Says how much the gateway logs.
    Log {
        /// What it logs from now on, as `level` of `[log]` has it.
        level: Option<String>,
    },
    /// Writes the logs of servers, an entry a line.
    Logs(LogsRequest),
    /// Writes calls as they happen, an event a line.
    Tap(TapRequest),
    /// Speaks MCP with a server from then on.
    Connect {
        /// The name of the server in the file.
        name: String,
        /// Whether the secrets of the gateway are covered where the server repeats them.
        #[serde(default)]
        is_covered: bool,
    },
}

/// A request with the word that shows that its sender may read the folder of the socket.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AuthorizedRequest<R = Request> {
    pub(crate) token: String,
    #[serde(flatten)]
    pub(crate) request: R,
}

/// Which entries of the logs are meant.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct LogsRequest {
    /// The name of the server in the file; `None`: all.
    pub(crate) name: Option<String>,
    /// Whether entries go on to be written as they come.
    pub(crate) follow: bool,
    /// The number of the newest entries that are wanted of those that are there.
    pub(crate) lines: Option<usize>,
}

/// Which calls are wanted, and what of them.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct TapRequest {
    /// The names of servers; none: all.
    pub(crate) names: Vec<String>,
    /// The method of the calls.
    pub(crate) method: Option<String>,
    /// The name of the tool, prompt or resource of the calls, as their server calls it.
    pub(crate) tool: Option<String>,
    /// Whether only calls are wanted that fail.
    pub(crate) errors: bool,
    /// Whether the messages of the calls are wanted, too.
    pub(crate) wire: bool,
}

/// Which gateway this is, and the names of its servers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Introduction {
    /// The number of its process.
    pub(crate) pid: u32,
    /// The file that it serves.
    pub(crate) file: PathBuf,
    /// The servers, in the order of the file.
    pub(crate) servers: Vec<ServerName>,
}

/// The names of a server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ServerName {
    /// The name that the gateway gives it.
    pub(crate) name: String,
    /// The name that a client's file gives it, where that has letters that the gateway's names cannot have.
    pub(crate) own: Option<String>,
}

impl Introduction {
    /// The gateway's name of the server that its file, or its user, calls `name`.
    pub(crate) fn server(&self, name: &str) -> Option<&str> {
        let own = self.servers.iter().find(|server| server.own.as_deref() == Some(name));
        own.or_else(|| self.servers.iter().find(|server| server.name == name)).map(|server| &*server.name)
    }
}

/// The folder of the sockets below the state folder `state`.
pub(crate) fn folder(state: &Path) -> PathBuf {
    state.join(FOLDER)
}

/// Sends `request` to every gateway whose socket is in `folder`; the responses. What a gateway that is gone has left is
/// removed.
pub(crate) fn ask_all(folder: &Path, request: &Request, patience: Duration) -> Vec<(PathBuf, Value)> {
    let answered = sockets(folder).into_iter().filter_map(|socket| match ask(&socket, request, patience) {
        Ok(answer) => Some((socket, answer)),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            let _ = std::fs::remove_file(token_file(&socket));
            let _ = std::fs::remove_file(socket);
            None
        }
        Err(error) => {
            logging::notice(format!("warning: the gateway at {} does not answer: {error}", socket.display()));
            None
        }
    });
    answered.collect()
}

/// The gateways that run, each with its socket.
pub(crate) fn introductions(state: &Path) -> Vec<(PathBuf, Introduction)> {
    let all = ask_all(&folder(state), &Request::Introduce, GLANCE).into_iter();
    // One of another version may not know the request.
    all.filter_map(|(socket, answer)| Some((socket, serde_json::from_value(answer).ok()?))).collect()
}

/// The sockets below `folder`, of gateways that may run.
fn sockets(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "sock"));
    paths.sort();
    paths
}

/// Sends `request` to the gateway at `socket`; its response.
///
/// # Errors
/// When it is not there, or does not answer within `patience`.
pub(crate) fn ask(socket: &Path, request: &Request, patience: Duration) -> io::Result<Value> {
    let mut stream = UnixStream::connect(socket)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    stream.write_all(&line(socket, request)?)?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    serde_json::from_str(&line).map_err(io::Error::other)
}

/// Sends `request`, after whose response the connection goes on; the connection.
///
/// # Errors
/// When the gateway is not there, or in its words, why it refuses.
pub(crate) async fn open(
    socket: &Path,
    request: &Request,
) -> io::Result<tokio::io::BufReader<tokio::net::UnixStream>> {
    let stream = tokio::net::UnixStream::connect(socket).await.map_err(|error| match error.kind() {
        io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound => {
            io::Error::new(error.kind(), "the gateway is gone")
        }
        _ => error,
    })?;
    let mut stream = tokio::io::BufReader::new(stream);
    stream.write_all(&line(socket, request)?).await?;
    let mut response = String::new();
    AsyncBufReadExt::read_line(&mut AsyncReadExt::take(&mut stream, LONGEST), &mut response).await?;
    accepted(&response)?;
    Ok(stream)
}

/// The same, for commands without a runtime.
///
/// # Errors
/// The same.
pub(crate) fn open_blocking(socket: &Path, request: &Request) -> io::Result<BufReader<UnixStream>> {
    let mut stream = UnixStream::connect(socket)?;
    stream.write_all(&line(socket, request)?)?;
    let mut stream = BufReader::new(stream);
    let mut response = String::new();
    (&mut stream).take(LONGEST).read_line(&mut response)?;
    accepted(&response)?;
    Ok(stream)
}

/// Checks the first line of a response, after which the connection goes on.
fn accepted(response: &str) -> io::Result<()> {
    let response: Value =
        serde_json::from_str(response).map_err(|_| io::Error::other("the gateway went away"))?;
    match response["error"].as_str() {
        Some(why) => Err(io::Error::other(why.to_owned())),
        None => Ok(()),
    }
}

/// The file with the word that requests on `socket` name.
pub(crate) fn token_file(socket: &Path) -> PathBuf {
    socket.with_extension("token")
}

fn line(socket: &Path, request: &Request) -> io::Result<Vec<u8>> {
    let token = std::fs::read_to_string(token_file(socket))?;
    let mut line = serde_json::to_vec(&AuthorizedRequest { token, request }).map_err(io::Error::other)?;
    line.push(b'\n');
    Ok(line)
}
