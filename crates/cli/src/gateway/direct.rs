//! Connections that lead to one server of a gateway alone, under its own names, for the commands of its user.

use std::{sync::Arc, time::Duration};

use anyport_gateway::federation::{Federation, MemberService};
use anyport_protocol::Raw;
use anyport_service::{Context, Outcome, Reply, Request, Service};
use anyport_transport::{ClientObserver, unix};
use serde_json::Value;
use tokio::sync::watch;

use super::factories::Factories;
use crate::{
    target::{redact_json, redacted},
    upstream_factory,
};

/// The connections that lead to one server alone. They end when the server is not one of the gateway's any more.
#[derive(Default)]
pub(super) struct DirectConnections(watch::Sender<bool>);

impl DirectConnections {
    /// When a connection must end; its calls in flight may finish then. The receiver counts it as open.
    pub(super) fn connect(&self) -> watch::Receiver<bool> {
        self.0.subscribe()
    }

    /// Ends all connections once their calls in flight have ended.
    pub(super) fn retire(&self) {
        self.0.send_replace(true);
    }

    /// The number of open connections.
    pub(super) fn count(&self) -> usize {
        self.0.receiver_count()
    }
}

/// How connections are served that lead to one server alone.
pub(super) struct DirectAccess {
    federation: Federation,
    /// The layers around the server.
    layers: Box<dyn Fn(MemberService) -> Arc<dyn Service> + Send + Sync>,
    /// How MCP is spoken.
    pub(super) mcp: unix::Config,
}

impl DirectAccess {
    /// The servers of `federation`, with the layers that the whole of it has. Calls in flight may finish within `drain` when their connection must end.
    pub(super) fn new(
        federation: Federation,
        factories: Factories,
        max_connections: usize,
        drain: Duration,
    ) -> Self {
        let factory = factories.now();
        let mcp = unix::Config::default()
            .supported(factory.supported().clone())
            .buffers(factory.buffers.clone())
            .observer(Some(Arc::new(factory.traffic.clone()) as Arc<dyn ClientObserver>))
            .limits(factory.limits.unix(max_connections).drain(drain));
        let layers = Box::new(move |member| -> Arc<dyn Service> {
            let now = factories.now();
            Arc::new(RedactedErrors(upstream_factory::layered(member, &now.observers(), &now.limits)))
        });
        Self { federation, layers, mcp }
    }

    /// The server `name` alone, if there is one.
    pub(super) fn server(&self, name: &str) -> Option<Arc<dyn Service>> {
        self.federation.member(name).map(&self.layers)
    }
}

/// A service whose errors show no secret of the gateway's file, even if a server repeats it: the command that shows them does not
/// know these.
struct RedactedErrors<S>(S);

impl<S: Service> Service for RedactedErrors<S> {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.0.call(request, context).map(|outcome| {
            let mut error = match outcome {
                Outcome::Error(error) => error,
                Outcome::Failed(failure) => failure.to_error(),
                outcome => return outcome,
            };
            error.message = redacted(&error.message).into_owned().into();
            error.data = error.data.map(|data| match data.decode::<Value>() {
                Ok(mut value) => {
                    redact_json(&mut value);
                    Raw::from(value)
                }
                Err(_) => data,
            });
            Outcome::Error(error)
        })
    }
}
