//! Connections that lead to one server of a gateway alone, under its own names, for the commands of its user.

use std::{sync::Arc, time::Duration};

use anyport_gateway::federation::{Federation, MemberService};
use anyport_service::Service;
use anyport_transport::{ClientObserver, unix};
use tokio::sync::watch;

use crate::upstream_factory::{self, UpstreamFactory};

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
        factory: &UpstreamFactory,
        max_connections: usize,
        drain: Duration,
    ) -> Self {
        let (limits, metrics) = (factory.limits.clone(), factory.metrics.clone());
        let mcp = unix::Config::default()
            .supported(factory.supported().clone())
            .buffers(factory.buffers.clone())
            .observer(Some(Arc::new(factory.traffic.clone()) as Arc<dyn ClientObserver>))
            .limits(limits.unix(max_connections).drain(drain));
        let layers = Box::new(move |member| -> Arc<dyn Service> {
            Arc::new(upstream_factory::layered(member, &limits, &metrics))
        });
        Self { federation, layers, mcp }
    }

    /// The server `name` alone, if there is one.
    pub(super) fn server(&self, name: &str) -> Option<Arc<dyn Service>> {
        self.federation.member(name).map(&self.layers)
    }
}
