//! Every revision on every transport.

use std::{
    future::poll_fn,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::pin,
    task::Poll,
};

use anyport::{Revision, Service, http, memory, protocol::Limits, stdio, unix, with_legacy_clients};
use anyport_protocol::settings;
use anyport_testing::{Link, Lost, Refusal, Wire, conformance::Schema};
use anyport_transport::BufferedBytes;
use serde_json::{Value, json};

use crate::{
    everything::{Probe, server},
    site::{Site, Way},
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
    /// What the server runs in.
    _site: Option<Site>,
}

/// What carries messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Standard streams.
    Stdio,
    /// Streamable HTTP.
    Http,
    /// Streamable HTTP over HTTP/2.
    Http2,
    /// HTTP+SSE of 2024-11-05.
    Sse,
    /// A Unix socket.
    Unix,
    /// A WebSocket.
    WebSocket,
    /// Channels in the same process.
    Memory,
    /// Streamable HTTP within an axum application.
    Axum,
    /// HTTP+SSE within one.
    AxumSse,
    /// A WebSocket within one.
    AxumWebSocket,
}

settings! {
    /// The limits that every transport has.
    #[derive(Clone, Debug)]
    pub struct Terms {
        /// Size, depth and node count of a message.
        #[default("those of [`Limits`]" = Limits::default())]
        pub message: Limits,
        /// The number of open requests of a client.
        #[default(1_024)]
        pub max_open_requests: usize,
        /// The budget of large answers, with the metrics of what limits refuse.
        #[default("one of its own" = BufferedBytes::default())]
        pub buffers: BufferedBytes,
    }
}

impl Terms {
    /// Those of HTTP.
    pub fn http(self) -> http::Config {
        let Self { message, max_open_requests, buffers } = self;
        let limits = http::Limits::default().message(message).max_open_requests(max_open_requests);
        http::Config::default().limits(limits).buffers(buffers)
    }

    fn stdio(self) -> stdio::Config {
        let Self { message, max_open_requests, buffers } = self;
        stdio::Config::default().limits(message).max_open_requests(max_open_requests).buffers(buffers)
    }

    fn memory(self) -> memory::Config {
        let Self { message, max_open_requests, buffers } = self;
        memory::Config::default().limits(message).max_open_requests(max_open_requests).buffers(buffers)
    }

    fn unix(self) -> unix::Config {
        let Self { message, max_open_requests, buffers } = self;
        let limits = unix::Limits::default().message(message).max_open_requests(max_open_requests);
        unix::Config::default().limits(limits).buffers(buffers)
    }
}

impl Transport {
    /// Every one.
    pub const ALL: [Self; 10] = [
        Self::Stdio,
        Self::Http,
        Self::Http2,
        Self::Sse,
        Self::Unix,
        Self::WebSocket,
        Self::Memory,
        Self::Axum,
        Self::AxumSse,
        Self::AxumWebSocket,
    ];

    /// Whether `revision` can be spoken over it.
    pub fn carries(self, revision: Revision) -> bool {
        !matches!(self, Self::Sse | Self::AxumSse) || !revision.is_stateless()
    }

    /// Whether it is Streamable HTTP, where every request has a response and a status of its own.
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Axum)
    }

    /// Whether it is a WebSocket.
    pub fn is_websocket(self) -> bool {
        matches!(self, Self::WebSocket | Self::AxumWebSocket)
    }

    /// Serves `service`, and reaches it. What is returned beside the link has to live as long as it is used.
    async fn link(self, service: impl Service, terms: Terms) -> Result<(Link, Option<Site>), Lost> {
        let way = match self {
            Self::Stdio => return Ok((Link::stdio_with(service, terms.stdio()), None)),
            Self::Memory => return Ok((Link::memory(service, terms.memory()), None)),
            Self::Http => return Ok((Link::http(service, terms.http()).await?, None)),
            Self::Sse => return Ok((Link::sse(service, terms.http()).await?, None)),
            Self::Unix => return Ok((Link::unix(service, terms.unix()).await?, None)),
            Self::WebSocket => return Ok((Link::websocket(service, terms.http()).await?, None)),
            Self::Http2 => {
                let site = Site::listen_http2(service, terms.http()).await?;
                return Ok((site.link(Way::Http, &site.remote()).await?, Some(site)));
            }
            Self::Axum => Way::Http,
            Self::AxumSse => Way::Sse,
            Self::AxumWebSocket => Way::WebSocket,
        };
        let site = Site::mount(service, terms.http()).await?;
        Ok((site.link(way, &site.remote()).await?, Some(site)))
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
    around(|probe| Ok(with_legacy_clients(server(probe)?)), declared, check).await;
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
    within(Terms::default(), service, declared, check).await;
}

/// The same within other bounds.
///
/// # Panics
/// As above.
pub async fn within<S: Service>(
    terms: Terms,
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
                run(service, probe.clone(), (revision, transport, terms.clone()), declared(revision), &check)
                    .await
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
    (revision, transport, terms): (Revision, Transport, Terms),
    capabilities: Value,
    check: &impl AsyncFn(&mut Cell) -> Result<(), Lost>,
) -> Result<(), String> {
    let words = |error: Lost| error.to_string();
    let (link, site) = transport.link(service, terms).await.map_err(words)?;
    let mut wire = Wire::over(link).declaring(capabilities);
    wire.open(revision).await.map_err(words)?;
    let mut cell = Cell { wire, revision, transport, http: transport.is_http(), probe, _site: site };
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
