//! What clients of a gateway reach: all servers together, and the virtual servers. It changes with the file, and sessions go on.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use anyport_config::gateway::{GatewayConfig, VirtualServerConfig};
use anyport_gateway::{
    ToolSearch,
    federation::{Federation, VirtualServer},
};
use anyport_service::{Context, Reply, Request, Service, sync::Lock};
use anyport_transport::http::{FurtherEndpoint, FurtherEndpoints};
use arc_swap::ArcSwap;
use indexmap::IndexMap;

use super::file::virtual_path;
use crate::{
    listen::Limits,
    upstream_factory::{self, Observers},
};

/// The services of a gateway.
pub(super) struct Served {
    all: Layered,
    /// The virtual servers, each with its endpoint.
    selections: Lock<IndexMap<String, (Layered, FurtherEndpoint)>>,
    further: FurtherEndpoints,
    observers: Observers,
}

impl Served {
    /// The services of `federation` as `config` has them. Without a name in it, the gateway introduces itself as `name`.
    pub(super) fn new(
        federation: &Federation,
        config: &GatewayConfig,
        name: &str,
        limits: &Limits,
        observers: &Observers,
    ) -> Self {
        let served = Self {
            all: Layered::new(federation.clone(), limits, observers),
            selections: Lock::default(),
            further: FurtherEndpoints::default(),
            observers: observers.clone(),
        };
        served.follow(config, name, limits);
        served
    }

    /// All servers together.
    pub(super) fn service(&self) -> Layered {
        self.all.clone()
    }

    /// The virtual servers.
    pub(super) fn further(&self) -> FurtherEndpoints {
        self.further.clone()
    }

    /// Serves what `config` has from now on. Sessions of what stays go on; clients whose lists have changed are notified. The path of
    /// a virtual server that is gone answers 404.
    pub(super) fn follow(&self, config: &GatewayConfig, name: &str, limits: &Limits) {
        let gateway = &config.gateway;
        let name = gateway.name.as_deref().unwrap_or(name);
        self.all.searched.set(gateway.tool_search);
        let federation = &self.all.searched.federation;
        federation.introduce_as(name, gateway.instructions.as_deref(), gateway.tool_search);
        let mut selections = self.selections.lock();
        let mut gone = std::mem::take(&mut *selections);
        for (name, server) in &config.servers {
            let selection = selection(name, server);
            let known = gone.shift_remove(name);
            let is_known = known.is_some();
            let (layered, endpoint) = known.unwrap_or_else(|| {
                let served = federation.virtual_server(selection.clone());
                let layered = Layered::new(served, limits, &self.observers);
                (layered.clone(), FurtherEndpoint::new(virtual_path(name), layered))
            });
            let endpoint = endpoint.require(server.require.iter().cloned());
            layered.searched.set(server.tool_search);
            if is_known {
                federation.replace_virtual_server(&layered.searched.federation, selection);
            }
            selections.insert(name.clone(), (layered, endpoint));
        }
        self.further.set(selections.values().map(|(_, endpoint)| endpoint.clone()));
        gone.values().for_each(|(layered, _)| layered.searched.federation.end());
    }

    /// Serves in layers of these limits from now on. Calls that have begun count under them, too.
    pub(super) fn set_limits(&self, limits: &Limits) {
        let selections = self.selections.lock();
        let all = selections.values().map(|(layered, _)| layered).chain([&self.all]);
        all.for_each(|layered| layered.set_limits(limits, &self.observers));
    }
}

/// The virtual server `name` of a file.
fn selection(name: &str, server: &VirtualServerConfig) -> VirtualServer {
    let all = VirtualServer::new(name).searched(server.tool_search);
    let included = server.include.iter().fold(all, VirtualServer::include);
    let selected = server.exclude.iter().fold(included, VirtualServer::exclude);
    match &server.instructions {
        Some(instructions) => selected.instructions(instructions),
        None => selected,
    }
}

/// A service within the layers of now.
#[derive(Clone)]
pub(super) struct Layered {
    searched: Arc<Searched>,
    now: Arc<ArcSwap<Box<dyn Service>>>,
}

impl Layered {
    fn new(federation: Federation, limits: &Limits, observers: &Observers) -> Self {
        let searched = Arc::new(Searched::new(federation));
        let now: Box<dyn Service> = Box::new(upstream_factory::layered(searched.clone(), observers, limits));
        Self { searched, now: Arc::new(ArcSwap::from_pointee(now)) }
    }

    fn set_limits(&self, limits: &Limits, observers: &Observers) {
        let now = upstream_factory::layered(self.searched.clone(), observers, limits);
        self.now.store(Arc::new(Box::new(now)));
    }
}

impl Service for Layered {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.now.load().call(request, context)
    }
}

/// A federation, with tool search before it if that is wanted now.
struct Searched {
    federation: Federation,
    search: ToolSearch<Federation>,
    is_searched: AtomicBool,
}

impl Searched {
    fn new(federation: Federation) -> Self {
        let search = ToolSearch::new(federation.clone());
        Self { federation, search, is_searched: AtomicBool::new(false) }
    }

    fn set(&self, is_searched: bool) {
        self.is_searched.store(is_searched, Ordering::Relaxed);
    }
}

impl Service for Searched {
    fn call(&self, request: Request, context: Context) -> Reply {
        match self.is_searched.load(Ordering::Relaxed) {
            true => self.search.call(request, context),
            false => self.federation.call(request, context),
        }
    }
}
