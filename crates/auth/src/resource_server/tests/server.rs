//! An authorization server on a loopback socket: its metadata, its keys, and what it says of tokens.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
    time,
};

use super::fixture::{TestKey, key_set};

pub(crate) struct Server {
    pub(crate) url: String,
    state: Arc<Mutex<State>>,
    task: AbortHandle,
}

#[derive(Default)]
pub(crate) struct State {
    /// Documents by path.
    pub(crate) documents: HashMap<String, String>,
    /// Statuses of documents that have another one than 200.
    pub(crate) statuses: HashMap<String, u16>,
    /// What is said of a token; of others, that they are not active.
    pub(crate) tokens: HashMap<String, Value>,
    /// Whether every request fails.
    pub(crate) is_broken: bool,
    /// Whether no request is answered.
    pub(crate) is_silent: bool,
    /// Head and body of each request.
    pub(crate) requests: Vec<(String, String)>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let state = Arc::<Mutex<State>>::default();
        let served = state.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, served.clone()));
            }
        });
        Self { url, state, task: task.abort_handle() }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Publishes keys at `/keys`.
    pub(crate) fn publish(&self, keys: &[&TestKey]) {
        self.state().documents.insert("/keys".into(), key_set(keys));
    }

    /// How many requests for `path` there were.
    pub(crate) fn requests(&self, path: &str) -> usize {
        let mark = format!(" {path} ");
        self.state().requests.iter().filter(|(head, _)| head.lines().next().unwrap().contains(&mark)).count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn answer(mut stream: TcpStream, state: Arc<Mutex<State>>) -> Option<()> {
    let mut bytes = Vec::new();
    let end = loop {
        stream.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).ok()?;
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    while bytes.len() < end + length.unwrap_or(0) {
        stream.read_buf(&mut bytes).await.ok().filter(|read| *read > 0)?;
    }
    let body = String::from_utf8(bytes[end..].to_vec()).ok()?;
    let (status, document) = respond(&mut state.lock().unwrap(), head, body);
    let is_silent = state.lock().unwrap().is_silent;
    if is_silent {
        std::future::pending::<()>().await;
    }
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{document}",
        document.len()
    );
    stream.write_all(answer.as_bytes()).await.ok()
}

fn respond(state: &mut State, head: String, body: String) -> (u16, String) {
    let path = head.split(' ').nth(1).unwrap().to_owned();
    let token = form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "token");
    let known = token.map(|(_, token)| state.tokens.get(&*token).cloned());
    state.requests.push((head, body));
    match (state.is_broken, path.as_str(), known) {
        (true, ..) => (500, "{}".into()),
        (_, "/introspect", Some(Some(known))) => (200, known.to_string()),
        (_, "/introspect", _) => (200, json!({ "active": false }).to_string()),
        (_, path, _) => {
            let status = state.statuses.get(path).copied().unwrap_or(200);
            state.documents.get(path).map_or((404, "{}".into()), |document| (status, document.clone()))
        }
    }
}

/// Lets the clock of the runtime go on by `time`, while nothing waits for a socket.
pub(crate) async fn advance(time: Duration) {
    time::pause();
    time::advance(time).await;
    time::resume();
}
