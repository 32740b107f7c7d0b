//! How the gateway is: its servers, and its store.

use std::sync::Arc;

use anyhow::Result;
use anyport_config::gateway::GatewayConfig;
use anyport_gateway::federation::{Federation, Member, Naming};
use anyport_server::Server;

use super::member_names::{self, is_own};
use crate::{
    health::{Bounds, Dependency, HealthReporter, Looking, Operators, of_store, tool_server},
    upstream_factory::UpstreamFactory,
};

/// How a gateway is, for `/health` and the tool `health_check`.
pub(super) struct GatewayHealth {
    pub(super) reporter: Arc<HealthReporter>,
    tool: Server,
}

impl GatewayHealth {
    /// How the gateway with the servers of `federation` is.
    pub(super) fn new(
        federation: &Federation,
        factory: &UpstreamFactory,
        max_connections: usize,
        operators: Operators,
    ) -> Result<Self> {
        let (federation, store) = (federation.clone(), factory.open_store().cloned());
        let limits = factory.limits.health;
        let dependencies = move || -> Looking {
            let (federation, store) = (federation.clone(), store.clone());
            Box::pin(async move {
                let servers = federation.status().into_iter().filter(|server| !is_own(&server.name));
                let mut all: Vec<_> =
                    servers.map(|server| (server.name.clone(), Dependency::from(server))).collect();
                if let Some(store) = &store {
                    // A server may have this name; the store is needed by all of them.
                    let name = if all.iter().any(|(name, _)| name == "store") { ".store" } else { "store" };
                    all.push((name.to_owned(), of_store(store, limits).await));
                }
                all.into_iter().collect()
            })
        };
        let bounds = Bounds::of(&factory.limits, max_connections);
        let overload = factory.overload.clone();
        let reporter = HealthReporter::new(&factory.metrics, bounds, overload, operators, dependencies);
        let reporter = Arc::new(reporter);
        Ok(Self { tool: tool_server(reporter.clone())?, reporter })
    }

    /// The tool as a member of the federation, if clients are offered it.
    pub(super) fn member(&self, config: &GatewayConfig) -> Option<Member> {
        let member = || {
            Member::new(member_names::HEALTH, Arc::new(self.tool.clone()))
                .naming(Naming::default().prefix(""))
        };
        config.health.tool.then(member)
    }
}
