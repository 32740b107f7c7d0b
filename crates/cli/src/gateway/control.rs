//! Answers the requests that come on the socket of a running gateway, whose protocol is in [`super::socket`].

use std::{
    io::Write as _, net::SocketAddr, os::unix::fs::MetadataExt as _, path::PathBuf, sync::Arc, time::Duration,
};

use anyport_config::private_file;
use anyport_service::{Principal, sync::Lock};
use anyport_transport::unix;
use data_encoding::HEXLOWER;
use jiff::Timestamp;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{UnixListener, UnixStream},
    sync::{Semaphore, mpsc, oneshot},
    time::timeout,
};

use super::{
    covered_service::CoveredService,
    direct::DirectAccess,
    file::virtual_path,
    reload::Restart,
    running::Running,
    socket::{self, AuthorizedRequest, Introduction, Request},
    status::{GatewayStatus, Time},
    stream_logs::stream_logs,
    stream_tap::stream_tap,
};
use crate::{
    logging::{self, filter},
    render::safe,
    server_log::ServerLogs,
    state_dir,
    store::status_of,
    traffic::Traffic,
};

/// The longest request in bytes.
const LONGEST: u64 = 64 << 10;
/// The time that a request and its response may take.
const PATIENCE: Duration = Duration::from_secs(30);
/// How many connections may be open at once; further ones wait.
const AT_ONCE: usize = 256;
/// The principal of the commands that reach servers on the socket. No other client has it, so they share no state with other clients.
const PRINCIPAL: &str = "gateway-socket";

/// The socket, which is removed when this is dropped.
pub(super) struct Control {
    path: PathBuf,
    /// What every request must name.
    token: String,
    listener: UnixListener,
    /// The user to whom the socket belongs.
    owner: u32,
    began: Timestamp,
    /// Where the gateway listens, once it does.
    address: Lock<(Option<SocketAddr>, Option<String>)>,
    /// The servers, each alone.
    direct: DirectAccess,
    logs: ServerLogs,
    traffic: Traffic,
}

impl Control {
    /// Opens the socket of this process, which leads to each of the servers of `direct`. A gateway without one serves all the same.
    pub(super) fn open(
        state_dir: Option<PathBuf>,
        direct: DirectAccess,
        logs: ServerLogs,
        traffic: Traffic,
    ) -> Option<Self> {
        let folder = socket::folder(&state_dir::folder(state_dir)?);
        let path = folder.join(format!("{}.sock", std::process::id()));
        // A process with the same number may have left it.
        let _ = std::fs::remove_file(&path);
        let _ = std::fs::remove_file(socket::token_file(&path));
        let token = random_token()?;
        let bind = || {
            anyport_config::private_folder(&folder)?;
            private_file(&socket::token_file(&path))?.write_all(token.as_bytes())?;
            let listener = UnixListener::bind(&path)?;
            Ok((listener, std::fs::symlink_metadata(&path)?.uid()))
        };
        let warn = |error: &std::io::Error| {
            tracing::warn!(path = %path.display(), %error, "commands such as `anyport status` do not find this gateway");
        };
        let (listener, owner) = bind().inspect_err(warn).ok()?;
        Some(Self {
            path,
            token,
            listener,
            owner,
            began: Timestamp::now(),
            address: Lock::default(),
            direct,
            logs,
            traffic,
        })
    }

    /// Notes where the gateway listens, and the URL under which clients reach it.
    pub(super) fn listens(&self, address: Option<SocketAddr>, url: Option<String>) {
        *self.address.lock() = (address, url);
    }

    /// Answers requests. A restart is sent to `restarts`, and its receiver carries it out.
    pub(super) async fn serve(self: Arc<Self>, running: Arc<Running>, restarts: mpsc::Sender<Restart>) {
        let room = Arc::new(Semaphore::new(AT_ONCE));
        loop {
            let Ok(place) = room.clone().acquire_owned().await else { return };
            let Ok((stream, _)) = self.listener.accept().await else { return };
            if !self.admits(&stream) {
                continue;
            }
            let (control, running, restarts) = (self.clone(), running.clone(), restarts.clone());
            tokio::spawn(async move {
                // Whoever is gone needs no response.
                let _ = control.answer(stream, &running, &restarts).await;
                drop(place);
            });
        }
    }

    /// Whether the process at the other end is of the user to whom the gateway belongs, or of root. The folder of the socket lets in
    /// nobody else already; a process could have been handed an open connection.
    fn admits(&self, stream: &UnixStream) -> bool {
        stream.peer_cred().is_ok_and(|peer| peer.uid() == self.owner || peer.uid() == 0)
    }

    async fn answer(
        &self,
        mut stream: UnixStream,
        running: &Running,
        restarts: &mpsc::Sender<Restart>,
    ) -> std::io::Result<()> {
        let request = timeout(PATIENCE, request(&mut stream, &self.token)).await??;
        let response = match request {
            Ok(Request::Status) => json!(self.status(running).await),
            Ok(Request::Introduce) => introduction(running),
            Ok(Request::Restart { name }) => {
                let restarted = timeout(PATIENCE, restart(name, restarts)).await;
                restarted
                    .unwrap_or_else(|_| Err(SLOW.to_owned()))
                    .map_or_else(|why| json!({"error": why}), |()| json!({"ok": true}))
            }
            Ok(Request::Log { level }) => {
                log(level).map_or_else(|why| json!({"error": why}), |level| json!({"level": level}))
            }
            Ok(Request::Logs(request)) => {
                timeout(PATIENCE, respond(&mut stream, &json!({"ok": true}))).await??;
                return stream_logs(stream, &request, &self.logs).await;
            }
            Ok(Request::Tap(request)) => return stream_tap(stream, request, &self.traffic).await,
            Ok(Request::Connect { name, is_covered }) => {
                return self.connect(stream, running, &name, is_covered).await;
            }
            Err(why) => json!({"error": why}),
        };
        timeout(PATIENCE, respond(&mut stream, &response)).await??;
        stream.shutdown().await
    }

    /// Speaks MCP with the server `name` until the client is gone, or the server is replaced.
    async fn connect(
        &self,
        mut stream: UnixStream,
        running: &Running,
        name: &str,
        is_covered: bool,
    ) -> std::io::Result<()> {
        let Some((service, retired)) = self.direct.server(name).zip(running.connect(name)) else {
            let why = json!({"error": format!("the gateway has no server {name}")});
            return timeout(PATIENCE, respond(&mut stream, &why)).await?;
        };
        timeout(PATIENCE, respond(&mut stream, &json!({"ok": true}))).await??;
        let service = if is_covered { Arc::new(CoveredService(service)) } else { service };
        unix::serve_connection(stream, service, &self.direct.mcp, Principal::named(PRINCIPAL), retired).await;
        Ok(())
    }

    async fn status(&self, running: &Running) -> GatewayStatus {
        let store = status_of(running.factories.now().open_store()).await;
        let (file, (address, url)) = (running.file(), self.address.lock().clone());
        GatewayStatus {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            file: file.path.clone(),
            address,
            url,
            since: Time(self.began),
            servers: running.servers(),
            virtual_servers: file.config.servers.keys().map(|name| virtual_path(name)).collect(),
            needs_restart: running.unapplied().into_iter().map(str::to_owned).collect(),
            store,
        }
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        let _ = std::fs::remove_file(socket::token_file(&self.path));
    }
}

/// 256 random bits as text; `None` if the system has none.
fn random_token() -> Option<String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).ok()?;
    Some(HEXLOWER.encode(&bytes))
}

fn introduction(running: &Running) -> Value {
    let file = running.file();
    let (pid, servers) = (std::process::id(), file.names());
    json!(Introduction { pid, servers, file: file.path.clone() })
}

/// Logs what `level` says from now on, if it is given; what is logged now.
fn log(level: Option<String>) -> Result<String, String> {
    if let Some(level) = level {
        filter::set(Some(filter::parse(&level)?));
        logging::notice(format!("the log has the level {} now", safe::line(&filter::current())));
    }
    Ok(filter::current())
}

/// Why a restart is not answered in time, which goes on.
const SLOW: &str =
    "secrets are still being read; the server is connected anew after that, which `anyport logs NAME` shows";

async fn restart(name: String, restarts: &mpsc::Sender<Restart>) -> Result<(), String> {
    let (done, is_done) = oneshot::channel();
    let stopping = || "the gateway is stopping".to_owned();
    restarts.send((name, done)).await.map_err(|_| stopping())?;
    is_done.await.map_err(|_| stopping())?
}

/// Reads the request of a client, or says why it is none.
async fn request(stream: &mut UnixStream, token: &str) -> std::io::Result<Result<Request, String>> {
    let mut line = String::new();
    let mut reader = BufReader::new(stream.take(LONGEST));
    reader.read_line(&mut line).await?;
    // What follows would be lost: a client sends nothing before it has the response.
    if !reader.buffer().is_empty() {
        return Ok(Err("a client sends one line, and waits for the response".to_owned()));
    }
    let named = serde_json::from_str::<AuthorizedRequest<serde::de::IgnoredAny>>(&line);
    // Both have the length of a digest, so the time tells nothing of either.
    if !named.is_ok_and(|named| Sha256::digest(named.token) == Sha256::digest(token)) {
        return Ok(Err(
            "the request does not name the token of the gateway, which is beside its socket".to_owned()
        ));
    }
    let request = serde_json::from_str::<AuthorizedRequest>(&line);
    Ok(request.map(|known| known.request).map_err(|error| format!("the request is not known: {error}")))
}

async fn respond(stream: &mut UnixStream, response: &Value) -> std::io::Result<()> {
    stream.write_all(format!("{response}\n").as_bytes()).await
}
