//! The local socket of a running gateway, on which `anyport status` and `anyport restart` reach it.
//!
//! It is a Unix socket in the state folder, `gateways/PID.sock`, which only the user can open. A request is one line of JSON, and so
//! is its response: `{"command":"status"}`, `{"command":"restart","name":"files"}`.

use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyport_service::sync::Lock;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use super::reload::{Restart, Running};
use crate::state_dir;

/// The folder of the sockets, in the state folder.
const FOLDER: &str = "gateways";
/// The longest request in bytes.
const LONGEST: u64 = 64 << 10;
/// The time that a request and its response may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many may be answered at once.
const AT_ONCE: usize = 16;

/// A request to a running gateway.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase")]
pub(crate) enum Command {
    /// Describes the gateway and its servers.
    Status,
    /// Connects a server anew: a program is started again.
    Restart {
        /// The name of the server in the file.
        name: String,
    },
}

/// The socket, which is removed when this is dropped.
pub(super) struct Control {
    path: PathBuf,
    listener: UnixListener,
    began: Timestamp,
    /// Where the gateway listens, once it does.
    address: Lock<Option<SocketAddr>>,
}

/// The folder of the sockets of all gateways of this user, if there is a state folder.
pub(crate) fn folder(state_dir: Option<PathBuf>) -> Option<PathBuf> {
    state_dir::folder(state_dir).map(|folder| folder.join(FOLDER))
}

impl Control {
    /// Opens the socket of this process. A gateway without one serves all the same.
    pub(super) fn open(state_dir: Option<PathBuf>) -> Option<Self> {
        let folder = folder(state_dir)?;
        let path = folder.join(format!("{}.sock", std::process::id()));
        // A process with the same number may have left it.
        let _ = std::fs::remove_file(&path);
        let opened = anyport_config::private_folder(&folder).and_then(|()| UnixListener::bind(&path));
        let warn = |error: &std::io::Error| {
            tracing::warn!(path = %path.display(), %error, "`anyport status` and `anyport restart` do not find this gateway");
        };
        let listener = opened.inspect_err(warn).ok()?;
        Some(Self { path, listener, began: Timestamp::now(), address: Lock::default() })
    }

    /// Notes where the gateway listens.
    pub(super) fn listens(&self, address: Option<SocketAddr>) {
        *self.address.lock() = address;
    }

    /// Answers requests. A restart is sent to `restarts`, and its receiver carries it out.
    pub(super) async fn serve(self: Arc<Self>, running: Arc<Running>, restarts: mpsc::Sender<Restart>) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else { return };
            let (control, running, restarts) = (self.clone(), running.clone(), restarts.clone());
            tokio::spawn(async move {
                // Whoever is gone needs no response.
                let _ = timeout(PATIENCE, control.answer(stream, &running, &restarts)).await;
                drop(place);
            });
        }
    }

    async fn answer(
        &self,
        mut stream: UnixStream,
        running: &Running,
        restarts: &mpsc::Sender<Restart>,
    ) -> std::io::Result<()> {
        let mut line = String::new();
        BufReader::new((&mut stream).take(LONGEST)).read_line(&mut line).await?;
        let response = match serde_json::from_str(&line) {
            Ok(Command::Status) => self.status(running),
            Ok(Command::Restart { name }) => {
                let (done, is_done) = oneshot::channel();
                let sent = restarts.send((name, done)).await;
                match (sent, is_done.await) {
                    (Ok(()), Ok(Ok(()))) => json!({"ok": true}),
                    (Ok(()), Ok(Err(why))) => json!({"error": why}),
                    _ => json!({"error": "the gateway is stopping"}),
                }
            }
            Err(error) => json!({"error": format!("the request is not known: {error}")}),
        };
        stream.write_all(format!("{response}\n").as_bytes()).await?;
        stream.shutdown().await
    }

    fn status(&self, running: &Running) -> Value {
        let file = running.file();
        json!({
            "pid": std::process::id(),
            "version": env!("CARGO_PKG_VERSION"),
            "file": file.path,
            "address": self.address.lock().map(|address| address.to_string()),
            "since": self.began.to_string(),
            "servers": running.servers(),
            "virtual": file.config.servers.keys().map(|name| super::file::virtual_path(name)).collect::<Vec<_>>(),
        })
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
    }
}

/// The sockets below `folder`, of gateways that may run.
pub(crate) fn sockets(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut paths: Vec<_> = files.map(|file| file.path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "sock"));
    paths.sort();
    paths
}
