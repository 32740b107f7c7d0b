//! A bridge in memory, between a server that the test plays by hand and clients of any revision.
//!
//! The bridge is the gateway's, put together as `anyport bridge` does it. Nothing here uses sockets or threads, so tokio's clock
//! can be paused: what takes ten minutes is over at once, and nothing happens by chance. A test reads like a dialogue:
//!
//! ```
//! use anyport::Revision;
//! use anyport_tests::bridged::Bridged;
//! use serde_json::json;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let mut bridged = Bridged::lines(Revision::V2025_11_25);
//! let mut client = bridged.client(Revision::V2026_07_28, json!({})).await;
//! let call = client.begin("tools/call", json!({"name": "echo", "arguments": {"a": 1.0}})).unwrap();
//! let mut server = bridged.server().await;
//! let asked = server.hears("tools/call").await;
//! assert_eq!(asked.params(), r#"{"name":"echo","arguments":{"a":1.0}}"#);
//! asked.answers(r#"{"content":[]}"#);
//! let answer = client.end(call).await.unwrap();
//! assert_eq!(answer.outcome.unwrap()["resultType"], "complete");
//! # }
//! ```
//!
//! # The server
//! It opens the dialogue by itself (unless [`Setup::opens`] says otherwise): it answers `server/discover` or `initialize` as its
//! revision does. All else is the test's: [`Peer::hears`] gives each message that comes, to the byte, and says how to answer
//! it. A server on [`Way::Lines`] is a [`Peer`] for each connection; over [`Way::Http`] one peer hears all.
//!
//! # The clients
//! Each is a [`Wire`] of the testing kit. [`Wire::begin`] and [`Wire::end`] call; [`Wire::tell`] says any text, and
//! [`Wire::hear`] gives what comes, to the byte.

mod http;
mod lines;
mod peer;
mod text;

use std::{sync::Arc, time::Duration};

use anyport::{
    Revision,
    http::{Config, Endpoint},
    layer::Layer as _,
    memory,
    stack::{EdgeLimits, edge},
};
use anyport_adapters::{LegacyClientLimits, ParkLimits};
use anyport_gateway::Bridge;
use anyport_metrics::Metrics;
use anyport_seal::{Key, Sealer};
use anyport_service::{Principal, Service};
use anyport_testing::{Link, Wire};
use anyport_transport::client::{ConnectOptions, Dial, Target, http as outbound};
use anyport_upstream::{TransportConnector, Upstream, UpstreamLimits};
use serde_json::{Value, json};
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

pub use self::{
    peer::{Heard, Peer},
    text::{answer, failure, member, notification, request},
};

/// How the server is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// One channel for each connection, a message a line: as with a program on standard streams.
    Lines,
    /// Streamable HTTP.
    Http,
}

/// What a bridge and its server are to be like.
#[derive(Clone, Debug)]
pub struct Setup {
    /// What the server speaks.
    pub revision: Revision,
    /// How it is reached.
    pub way: Way,
    /// What the server offers, as its revision writes it.
    pub capabilities: Value,
    /// Whether the server opens the dialogue by itself. Else the test hears its first messages, too.
    pub opens: bool,
    /// How long parked calls wait, and how many there may be.
    pub park: ParkLimits,
    /// How far a dialogue with a modern server goes.
    pub shim: LegacyClientLimits,
    /// How many connections there may be.
    pub upstream: UpstreamLimits,
    /// The limits of the layers around the bridge.
    pub edge: EdgeLimits,
    /// How connections are opened.
    pub opening: ConnectOptions,
    /// Revisions that the bridge speaks to clients, newest first.
    pub supported: Vec<Revision>,
    /// The key of the states that it gives out: a bridge that is started again has the same.
    pub key: [u8; 32],
}

/// A bridge, and the server behind it.
pub struct Bridged {
    setup: Setup,
    bridge: Bridge,
    /// The bridge within the layers of the program.
    service: Arc<dyn Service>,
    metrics: Metrics,
    endpoint: Endpoint,
    peers: mpsc::UnboundedReceiver<Peer>,
}

/// How long anything is waited for, by the paused clock: longer than whatever the bridge waits for.
pub const PATIENCE: Duration = Duration::from_secs(24 * 3600);

impl Setup {
    /// A server of `revision` that offers everything.
    pub fn new(revision: Revision, way: Way) -> Self {
        let supported: Vec<_> = Revision::ALL.into_iter().rev().collect();
        let mut capabilities = json!({
            "tools": {"listChanged": true},
            "prompts": {"listChanged": true},
            "resources": {"subscribe": true, "listChanged": true},
            "logging": {},
        });
        if revision >= Revision::V2025_03_26 {
            capabilities["completions"] = json!({});
        }
        Self {
            revision,
            way,
            capabilities,
            opens: true,
            park: ParkLimits::default(),
            shim: LegacyClientLimits::default(),
            upstream: UpstreamLimits::default(),
            edge: EdgeLimits::default(),
            opening: ConnectOptions::default(),
            supported,
            key: [7; 32],
        }
    }

    /// A bridge in front of such a server. Must be called inside a tokio runtime.
    pub fn start(self) -> Bridged {
        let (connected, peers) = mpsc::unbounded_channel();
        let target = match self.way {
            Way::Lines => Target::Stream(lines::dial(self.clone(), connected)),
            Way::Http => Target::Http(within(http::dial(self.clone(), &connected))),
        };
        let metrics = Metrics::new();
        let reach = TransportConnector::new(target, self.opening.clone());
        let upstream = Upstream::builder("server", reach)
            .limits(self.upstream)
            .dialogues(self.shim)
            .park(Sealer::new(&Key::from_bytes(self.key)), self.park)
            .metrics(&metrics)
            .build();
        let bridge = Bridge::new(upstream, self.supported.clone().into(), None);
        let config = Config::default().supported(self.supported.clone());
        let service: Arc<dyn Service> = Arc::new(edge(&self.edge, &metrics).layer(bridge.clone()));
        let endpoint = Endpoint::new(service.clone(), config);
        Bridged { setup: self, bridge, service, metrics, endpoint, peers }
    }
}

/// The server's URL leads nowhere: it is reached by what is dialled.
fn within(dial: Dial) -> outbound::Endpoint {
    #[allow(clippy::expect_used, reason = "it is a URL")]
    let endpoint = outbound::Endpoint::new("http://server.test/mcp").expect("a URL");
    endpoint.dial(dial)
}

impl Bridged {
    /// A bridge in front of a server of `revision` on one channel for each connection.
    pub fn lines(revision: Revision) -> Self {
        Setup::new(revision, Way::Lines).start()
    }

    /// A bridge in front of a server of `revision` over Streamable HTTP.
    pub fn http(revision: Revision) -> Self {
        Setup::new(revision, Way::Http).start()
    }

    /// A bridge in front of a server of `revision`, in either way.
    pub fn over(way: Way, revision: Revision) -> Self {
        Setup::new(revision, way).start()
    }

    /// The server's end of the next connection, once it is open. Over HTTP there is one for all.
    ///
    /// # Panics
    /// When none is opened.
    pub async fn server(&mut self) -> Peer {
        let peer = timeout(PATIENCE, self.peers.recv()).await;
        peer.ok().flatten().unwrap_or_else(|| panic!("nobody connects to the server"))
    }

    /// The server's end of a connection that is open already.
    pub fn connected(&mut self) -> Option<Peer> {
        self.peers.try_recv().ok()
    }

    /// A client on a channel of its own, opened; of a legacy revision it has initialized. It leaves questions open.
    ///
    /// # Panics
    /// When the bridge refuses it.
    pub async fn client(&mut self, revision: Revision, capabilities: Value) -> Wire {
        self.client_of(Principal::local(), revision, capabilities).await
    }

    /// A client on a channel, whose calls are for `principal`.
    ///
    /// # Panics
    /// When the bridge refuses it.
    pub async fn client_of(&mut self, principal: Principal, revision: Revision, capabilities: Value) -> Wire {
        let config = memory::Config::default().principal(principal).supported(self.setup.supported.clone());
        opened(Link::memory(self.service.clone(), config), revision, capabilities).await
    }

    /// A client over Streamable HTTP, opened; of a legacy revision it has initialized and opened its GET stream.
    ///
    /// # Panics
    /// When the bridge refuses it.
    pub async fn http_client(&mut self, revision: Revision, capabilities: Value) -> Wire {
        opened(Link::endpoint(&self.endpoint), revision, capabilities).await
    }

    /// The bridge, as a service.
    pub fn bridge(&self) -> &Bridge {
        &self.bridge
    }

    /// What it counts.
    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    /// The HTTP endpoint of the bridge.
    pub fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// The same bridge as it is after a restart: it knows nothing but its key.
    pub fn restarted(self) -> Self {
        self.setup.start()
    }
}

async fn opened(link: Link, revision: Revision, capabilities: Value) -> Wire {
    let mut wire = Wire::over(link).patience(PATIENCE).declaring(capabilities);
    wire.leave_open();
    wire.open(revision)
        .await
        .unwrap_or_else(|lost| panic!("{revision}: the bridge refuses the client: {lost}"));
    wire.skip();
    wire
}

/// Lets everything happen that takes no time.
pub async fn settle() {
    sleep(Duration::from_millis(1)).await;
}

/// Whether `client` hears nothing more, once all has happened that takes no time.
pub async fn is_silent(client: &mut Wire) -> bool {
    timeout(Duration::from_millis(1), client.hear()).await.is_err()
}

/// The legacy revisions, oldest first: A to D of the translation rules.
pub fn legacy() -> impl Iterator<Item = Revision> {
    Revision::ALL.into_iter().filter(|revision| !revision.is_stateless())
}

/// A question that a server of `revision` can ask: the method, its params, the client's capability, an answer, and
/// what is asked of clients before 2025-06-18 is sampling.
#[derive(Clone, Debug)]
pub struct Asked {
    /// `elicitation/create` or `sampling/createMessage`.
    pub method: &'static str,
    /// Its params.
    pub params: Value,
    /// What the client declares.
    pub capabilities: Value,
    /// A good answer.
    pub answer: Value,
}

/// What can be asked in `revision`: elicitation from 2025-06-18 on, sampling before.
pub fn question(revision: Revision) -> Asked {
    if revision >= Revision::V2025_06_18 {
        let schema =
            json!({"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]});
        return Asked {
            method: "elicitation/create",
            params: json!({"message": "Your name?", "requestedSchema": schema}),
            capabilities: json!({"elicitation": {}}),
            answer: json!({"action": "accept", "content": {"name": "Ada"}}),
        };
    }
    let message = json!({"role": "user", "content": {"type": "text", "text": "a word"}});
    Asked {
        method: "sampling/createMessage",
        params: json!({"messages": [message], "maxTokens": 10}),
        capabilities: json!({"sampling": {}}),
        answer: json!({"role": "assistant", "content": {"type": "text", "text": "yes"}, "model": "m"}),
    }
}

impl std::fmt::Debug for Bridged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bridged").field("setup", &self.setup).finish_non_exhaustive()
    }
}
