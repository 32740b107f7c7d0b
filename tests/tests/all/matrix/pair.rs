use std::time::Duration;

use anyport::{Revision, Service, http, memory};
use anyport_adapters::ParkLimits;
use anyport_gateway::Bridge;
use anyport_seal::{Key, Sealer};
use anyport_testing::{Answer, Link, Lost, Question, Refusal, Wire, conformance::Schema};
use anyport_transport::client::{ConnectOptions, Dial, Target};
use anyport_upstream::{TransportConnector, Upstream};
use serde_json::{Value, json};

use crate::matrix::peer::Peer;

/// How the client reaches the bridge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// One channel both ways, as standard streams are.
    Channel,
    /// Streamable HTTP: a response for each request.
    Http,
}

impl Way {
    pub(crate) const ALL: [Self; 2] = [Self::Channel, Self::Http];
}

/// A client of exactly one revision, `anyport bridge`, and a server of exactly one revision or of one of each era; in
/// memory.
pub(crate) struct Pair {
    pub(crate) client: Revision,
    pub(crate) server: Revision,
    pub(crate) wire: Wire,
    pub(crate) peer: Peer,
}

impl Pair {
    /// # Errors
    /// When they do not come to speak.
    pub(crate) async fn open(
        client: Revision,
        (server, peer): (Revision, Peer),
        declared: Value,
        way: Way,
    ) -> Result<Self, Lost> {
        let bridge = bridge(peer.clone());
        let link = match way {
            Way::Channel => Link::memory(bridge, memory::Config::default()),
            Way::Http => Link::endpoint(&http::Endpoint::new(bridge, http::Config::default())),
        };
        let mut wire = Wire::over(link).declaring(declared).patience(Duration::from_secs(300));
        wire.open(client).await?;
        assert_eq!(wire.revision(), client);
        Ok(Self { client, server, wire, peer })
    }

    /// Calls a tool without arguments.
    pub(crate) async fn tool(&mut self, name: &str) -> Result<Answer, Lost> {
        self.wire.call("tools/call", json!({"name": name, "arguments": {}})).await
    }

    /// Calls a tool without arguments, and answers each of its questions with the same.
    pub(crate) async fn answering(
        &mut self,
        name: &str,
        answer: Result<Value, Refusal>,
    ) -> Result<Answer, Lost> {
        self.wire.answer_with(move |_| answer.clone());
        self.tool(name).await
    }

    /// Calls a tool without arguments, and answers its questions.
    pub(crate) async fn asked(
        &mut self,
        name: &str,
        answers: impl FnMut(&Question) -> Result<Value, Refusal> + Send + 'static,
    ) -> Result<Answer, Lost> {
        self.wire.answer_with(answers);
        self.tool(name).await
    }

    /// Whether everything that the client has heard fits the schema of its revision.
    ///
    /// # Errors
    /// What does not.
    pub(crate) fn fits(&self) -> Result<(), String> {
        let schema = Schema::of(self.client).map_err(|error| error.to_string())?;
        let faults: Vec<String> = self.wire.heard().iter().flat_map(|heard| schema.faults(heard)).collect();
        if faults.is_empty() { Ok(()) } else { Err(faults.join("\n")) }
    }
}

/// As `anyport bridge` puts it together.
fn bridge(peer: Peer) -> impl Service {
    let dial = Dial::new(move || {
        let peer = peer.clone();
        async move { Ok(peer.connect()) }
    });
    let reach = TransportConnector::new(Target::Stream(dial), ConnectOptions::default());
    let sealer = Sealer::new(&Key::random().unwrap());
    let upstream = Upstream::builder("peer", reach).park(sealer, ParkLimits::default()).build();
    Bridge::new(upstream, Revision::ALL.into(), None)
}
