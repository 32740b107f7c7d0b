//! How an upstream is connected, whoever calls it.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use anyport::layer::Layer as _;
use anyport_config::gateway::{Isolation, UpstreamConfig};
use anyport_gateway::{CallerBridge, CallerBridges, CallerLimits};
use anyport_protocol::Revision;
use anyport_service::{ClientHeaders, Service};
use anyport_upstream::IsolationPolicy;

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
            is_of_caller: entry.is_none(),
            entry,
        })
    }

    /// The bridges of callers that bring keys of their own for the server `name`; `None` if they bring none. `without` answers
    /// callers without a key.
    pub(super) fn of_callers(
        self,
        (name, config): (&str, &UpstreamConfig),
        server: &target::Server,
        without: &Arc<dyn Service>,
        factory: &Arc<UpstreamFactory>,
    ) -> Option<CallerBridges> {
        let brought = brought_headers(config);
        if brought.is_empty() {
            return None;
        }
        let limits = CallerLimits {
            bridges: factory.limits.federation.max_client_keys,
            // A call may be parked there for so long.
            idle: factory.limits.upstream.idle.max(factory.limits.park.park_ttl),
        };
        let metrics = factory.metrics.clone();
        let (own, server, factory) = (name.to_owned(), server.clone(), factory.clone());
        let forwarded = config.forward_headers.clone();
        let make = move |headers: &ClientHeaders| {
            let mut server = server.clone();
            if let target::Server::Http { headers: sent, .. }
            | target::Server::WebSocket { headers: sent, .. } = &mut server
            {
                for (name, under) in &forwarded {
                    if let Some(value) = headers.get(&name.to_ascii_lowercase()) {
                        sent.push((under.clone(), SecretValue::new(value.to_owned())));
                    }
                }
            }
            let bridge =
                factory.bridge(self.options(&own, &server, None).map_err(|error| error.to_string())?);
            let service = factory.timeout(&bridge, self.deadlines).layer(bridge.clone());
            Ok(CallerBridge { upstream: bridge.upstream().clone(), service: Arc::new(service) })
        };
        Some(CallerBridges::new(name, brought, limits, without.clone(), &metrics, make))
    }
}

/// The names of the headers that clients bring for an upstream, in lower case.
pub(super) fn brought_headers(config: &UpstreamConfig) -> Vec<String> {
    config.forward_headers.keys().map(|name| name.to_ascii_lowercase()).collect()
}
