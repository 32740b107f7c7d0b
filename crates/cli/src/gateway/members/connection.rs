//! How an upstream is connected, whoever calls it.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use anyport::layer::Layer as _;
use anyport_config::gateway::{Isolation, UpstreamConfig};
use anyport_gateway::{CallerBridge, CallerBridges, CallerDistinction, CallerKey, CallerLimits, CallerPart};
use anyport_layers::BulkheadLayer;
use anyport_protocol::Revision;
use anyport_service::Service;
use anyport_transport::client;
use anyport_upstream::IsolationPolicy;

use super::{
    caller_access::{CallerAccess, OneCaller},
    per_user::Reached,
};
use crate::{
    target::{self, SecretValue},
    upstream_factory::{UpstreamFactory, UpstreamOptions},
    upstream_limits::{CallDeadlines, open_timeout},
};

/// How often a server is connected that goes away before its handshake is over; then its callers receive the error.
const HANDSHAKES: u32 = 3;

/// How an upstream is connected, whoever calls it.
#[derive(Clone, Copy)]
pub(super) struct UpstreamSettings {
    revision: Option<Revision>,
    open_timeout: Duration,
    deadlines: CallDeadlines,
    connections: Option<usize>,
    isolation: IsolationPolicy,
    idle_stop: Option<Duration>,
}

impl UpstreamSettings {
    /// How the upstream of `config` is connected, with which only `revision` is spoken.
    pub(super) fn of(config: &UpstreamConfig, revision: Option<Revision>, deadlines: CallDeadlines) -> Self {
        Self {
            revision,
            open_timeout: open_timeout(config),
            deadlines,
            connections: config.connections.map(|number| number.max(1) as usize),
            isolation: match config.isolation {
                Isolation::Automatic => IsolationPolicy::Automatic,
                Isolation::Shared => IsolationPolicy::Shared,
                Isolation::Caller => IsolationPolicy::Caller,
            },
            idle_stop: config.idle_stop.map(|seconds| Duration::from_secs(seconds.into())),
        }
    }

    /// The options of its bridge, as that of the entry `entry`; of a caller with a key of its own without that.
    ///
    /// # Errors
    /// When nothing here reaches such a server.
    pub(super) fn options<'a>(
        self,
        name: &'a str,
        server: &'a target::Server,
        entry: Option<String>,
    ) -> Result<UpstreamOptions<'a>> {
        let Self { revision, open_timeout, deadlines, connections, isolation, idle_stop } = self;
        Ok(UpstreamOptions {
            name,
            target: server.destination()?,
            server,
            revision,
            open_timeout,
            deadlines,
            connections,
            isolation,
            is_logged: true,
            handshakes: HANDSHAKES,
            idle_stop,
            login_help: None,
            is_of_caller: entry.is_none(),
            entry,
        })
    }

    /// The bridges of callers that bring keys of their own for the server `name`, or have `access` of their own;
    /// `None` if there are no such callers. `without` answers callers without a key.
    pub(super) fn of_callers(
        self,
        (name, config): (&str, &UpstreamConfig),
        (server, access): (&target::Server, Option<&CallerAccess>),
        (without, bulkhead): (&Arc<dyn Service>, &BulkheadLayer),
        factory: &Arc<UpstreamFactory>,
    ) -> Option<CallerBridges> {
        let identity = access.map_or(CallerPart::Nothing, CallerAccess::identity);
        let distinction = CallerDistinction { headers: brought_headers(config), identity };
        if distinction == CallerDistinction::default() {
            return None;
        }
        let limits = CallerLimits {
            bridges: factory.limits.federation.max_client_keys,
            // A call may be parked there for so long.
            idle: factory.limits.upstream.idle.max(factory.limits.park.park_ttl),
        };
        let metrics = factory.metrics.clone();
        let (own, server, factory) = (name.to_owned(), server.clone(), factory.clone());
        let (forwarded, access, shared) = (config.forward_headers.clone(), access.cloned(), without.clone());
        let bulkhead = bulkhead.clone();
        let make = move |key: &CallerKey| {
            let mut server = server.clone();
            if let target::Server::Http { headers: sent, .. }
            | target::Server::WebSocket { headers: sent, .. } = &mut server
            {
                for (name, under) in &forwarded {
                    let value =
                        key.headers.as_ref().and_then(|headers| headers.get(&name.to_ascii_lowercase()));
                    if let Some(value) = value {
                        sent.push((under.clone(), SecretValue::new(value.to_owned())));
                    }
                }
            }
            let mut options = self.options(&own, &server, None).map_err(|error| error.to_string())?;
            let access = access.as_ref().zip(key.caller.clone());
            let access = access.map(|(access, caller)| access.of(caller)).transpose()?;
            if let Some(access) = &access {
                options.target = client::Target::Http(access.endpoint());
            }
            let bridge = factory.bridge(options);
            let timed = factory.timeout(&bridge, self.deadlines).layer(bridge.clone());
            let mut service: Arc<dyn Service> = Arc::new(bulkhead.layer(timed));
            let mut has_access: Box<dyn Fn() -> bool + Send + Sync> = Box::new(|| true);
            if let Some(access) = access {
                if let OneCaller::PerUser(_, login) = &access {
                    let login = login.clone();
                    has_access = Box::new(move || login.is_known());
                }
                let reached = Reached { bridge: bridge.clone(), service, without: shared.clone() };
                service = access.before(&own, reached);
            }
            Ok(CallerBridge { upstream: bridge.upstream().clone(), service, has_access })
        };
        Some(CallerBridges::new(name, distinction, limits, without.clone(), &metrics, make))
    }
}

/// The names of the headers that clients bring for an upstream, in lower case.
pub(super) fn brought_headers(config: &UpstreamConfig) -> Vec<String> {
    config.forward_headers.keys().map(|name| name.to_ascii_lowercase()).collect()
}
