//! Every revision on every transport.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use anyport::{Revision, Service, http, live, memory, unix};
use anyport_testing::{Link, Lost, Refusal, Wire};
use serde_json::{Value, json};

use crate::{
    everything::{Probe, server},
    schema::Schema,
};

/// A revision on a transport, with a client of its own at a server of its own.
#[derive(Debug)]
pub struct Cell {
    /// The client.
    pub wire: Wire,
    /// The revision it speaks.
    pub revision: Revision,
    /// What carries it.
    pub transport: Transport,
    /// Whether over Streamable HTTP, where every request has a response and a status of its own.
    pub http: bool,
    /// The inside of the server.
    pub probe: Probe,
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Standard streams.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    /// A Unix socket.
    Unix,
    /// A WebSocket.
    WebSocket,
    /// Channels in the same process.
    Memory,
}

impl Transport {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Stdio, Self::Http, Self::Sse, Self::Unix, Self::WebSocket, Self::Memory];

    /// Whether `revision` can be spoken over it.
    pub fn carries(self, revision: Revision) -> bool {
        self != Self::Sse || !revision.is_modern()
    }

    async fn link(self, service: impl Service) -> Result<Link, Lost> {
        match self {
            Self::Stdio => Ok(Link::stdio(service)),
            Self::Http => Link::http(service, http::Config::default()).await,
            Self::Sse => Link::sse(service, http::Config::default()).await,
            Self::Unix => Link::unix(service, unix::Config::default()).await,
            Self::WebSocket => Link::websocket(service, http::Config::default()).await,
            Self::Memory => Ok(Link::memory(service, memory::Config::default())),
        }
    }
}

/// How a client of `revision` declares that it answers all questions which that revision knows.
pub fn capabilities(revision: Revision) -> Value {
    if revision < Revision::V2025_06_18 {
        json!({"sampling": {}, "roots": {}})
    } else {
        json!({"sampling": {}, "roots": {}, "elicitation": {}})
    }
}

/// A sampled message.
pub fn sampled(text: &str) -> Value {
    json!({"role": "assistant", "content": {"type": "text", "text": text}, "model": "a-model"})
}

/// Whether users can be asked in `revision`.
pub fn elicits(revision: Revision) -> bool {
    revision >= Revision::V2025_06_18
}

impl Cell {
    /// Calls a tool.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn tool(&mut self, name: &str, arguments: Value) -> Result<anyport_testing::Answer, Lost> {
        self.wire.call("tools/call", json!({"name": name, "arguments": arguments})).await
    }

    /// Answers every sampling with `text`, and every other question with `other`.
    pub fn sample(&mut self, text: &'static str, other: Result<Value, Refusal>) {
        self.wire.answer_with(move |question| match question.method.as_str() {
            "sampling/createMessage" => Ok(sampled(text)),
            _ => other.clone(),
        });
    }
}

/// Runs `check` in every cell, around the server that has everything. What the server said is then held against the
/// schema of the cell's revision.
///
/// # Panics
/// When it failed in any of them; the message names all.
pub async fn everywhere(check: impl AsyncFn(&mut Cell) -> Result<(), Lost>) {
    everywhere_declaring(capabilities, check).await;
}

/// The same with a client that declares other capabilities.
///
/// # Panics
/// As above.
pub async fn everywhere_declaring(
    declared: impl Fn(Revision) -> Value,
    check: impl AsyncFn(&mut Cell) -> Result<(), Lost>,
) {
    around(|probe| Ok(live(server(probe)?)), declared, check).await;
}

/// The same around any service.
///
/// # Panics
/// As above.
pub async fn around<S: Service>(
    service: impl Fn(&Probe) -> Result<S, Box<dyn std::error::Error>>,
    declared: impl Fn(Revision) -> Value,
    check: impl AsyncFn(&mut Cell) -> Result<(), Lost>,
) {
    let mut failures = Vec::new();
    for revision in Revision::ALL {
        for transport in Transport::ALL.into_iter().filter(|transport| transport.carries(revision)) {
            let probe = Probe::default();
            let cell = async {
                let service = service(&probe).map_err(|error| error.to_string())?;
                run(service, probe.clone(), (revision, transport), declared(revision), &check).await
            };
            if let Err(failure) = caught(cell).await {
                failures.push(format!("{revision} over {transport:?}: {failure}"));
            }
        }
    }
    assert!(failures.is_empty(), "\n{}", failures.join("\n"));
}

async fn run(
    service: impl Service,
    probe: Probe,
    (revision, transport): (Revision, Transport),
    capabilities: Value,
    check: &impl AsyncFn(&mut Cell) -> Result<(), Lost>,
) -> Result<(), String> {
    let words = |error: Lost| error.to_string();
    let link = transport.link(service).await.map_err(words)?;
    let mut wire = Wire::over(link).declaring(capabilities);
    wire.open(revision).await.map_err(words)?;
    let mut cell = Cell { wire, revision, transport, http: transport == Transport::Http, probe };
    check(&mut cell).await.map_err(words)?;
    let schema = Schema::of(revision).map_err(|error| error.to_string())?;
    let faults: Vec<String> = cell.wire.heard().iter().flat_map(|heard| schema.faults(heard)).collect();
    if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
}

/// Runs `cell`, and makes a panic in it a failure in words.
async fn caught(cell: impl Future<Output = Result<(), String>>) -> Result<(), String> {
    let mut cell = pin!(cell);
    poll_fn(|task| match catch_unwind(AssertUnwindSafe(|| cell.as_mut().poll(task))) {
        Ok(poll) => poll,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Poll::Ready(Err(text.unwrap_or_else(|| "a panic".to_owned())))
        }
    })
    .await
}
