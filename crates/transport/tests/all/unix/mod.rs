//! Unix sockets: the file and who may reach it, both eras on one connection, and every bound.

#![cfg(unix)]

mod dialogue;
mod file;
mod limits;

use std::{io, path::PathBuf};

use anyport_transport::unix::{Config, Limits, Listener};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::UnixStream,
    sync::oneshot,
    task::JoinHandle,
};

use crate::common::{client::meta, fake::Fake, within};

/// A listener that serves a [`Fake`].
struct Server {
    path: PathBuf,
    fake: Fake,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<io::Result<()>>,
    _folder: TempDir,
}

impl Server {
    async fn start(config: Config) -> Self {
        let folder = TempDir::new().unwrap();
        let path = folder.path().join("mcp.sock");
        let listener = Listener::bind(&path, config).await.unwrap();
        assert_eq!(listener.path(), path);
        let (stop, stopped) = oneshot::channel::<()>();
        let fake = Fake::default();
        let serving = tokio::spawn(listener.serve(fake.clone(), async {
            let _ = stopped.await;
        }));
        Self { path, fake, stop: Some(stop), serving, _folder: folder }
    }

    async fn limited(limits: Limits) -> Self {
        Self::start(Config::default().limits(limits)).await
    }

    async fn connect(&self) -> Client {
        Client::of(within(UnixStream::connect(&self.path)).await.unwrap())
    }

    fn stop(&mut self) {
        self.fake.close();
        drop(self.stop.take());
    }

    async fn stopped(self) {
        within(self.serving).await.unwrap().unwrap();
    }

    /// A call that must succeed whatever was done to the server before.
    async fn canary(&self) {
        let mut client = self.connect().await;
        client.say(&call(1, "echo", json!({"text": "canary"}))).await;
        assert_eq!(client.hear().await["result"]["content"][0]["text"], "canary");
    }
}

/// One connection, as lines.
struct Client(BufReader<UnixStream>);

impl Client {
    fn of(stream: UnixStream) -> Self {
        Self(BufReader::new(stream))
    }

    async fn send(&mut self, bytes: &[u8]) {
        within(self.0.get_mut().write_all(bytes)).await.unwrap();
    }

    async fn say(&mut self, message: &Value) {
        self.send(format!("{message}\n").as_bytes()).await;
    }

    /// The next message; panics at the end.
    async fn hear(&mut self) -> Value {
        self.next().await.expect("the connection ended")
    }

    /// The next message; `None` at the end.
    async fn next(&mut self) -> Option<Value> {
        let mut line = String::new();
        // A reset is an end as well.
        let read = within(self.0.read_line(&mut line)).await.unwrap_or(0);
        (read > 0).then(|| serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line:?}")))
    }

    async fn end(&mut self) {
        self.0.get_mut().shutdown().await.unwrap();
    }
}

/// A `tools/call` of 2026-07-28.
fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    request(id, "tools/call", json!({"name": tool, "arguments": arguments, "_meta": meta()}))
}

fn request(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params})
}

fn initialize(version: &str) -> Value {
    let params = json!({
        "protocolVersion": version,
        "capabilities": {"roots": {}},
        "clientInfo": {"name": "test", "version": "1"},
    });
    request("init", "initialize", params)
}

fn initialized() -> Value {
    json!({"jsonrpc": "2.0", "method": "notifications/initialized"})
}
