//! A server that callers reach by what is their own, such as keys: a bridge for each.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::failure::Failure;
use anyport_service::{ClientHeaders, Context, Relay, Reply, Request, ScopedPrincipal, Service, sync::Lock};
use anyport_upstream::{Upstream, UpstreamHealth};
use tokio::time::Instant;

use crate::caller_part::CallerPart;

/// A server to which callers bring headers of their own, such as keys, or for which each of them has credentials of its own.
///
/// Callers that are different have bridges of their own, and so share nothing: no connection, no session, no list, no parked call.
/// Callers that bring no header share one, unless their identity counts. The values of headers are keys of a map in
/// memory, and are neither stored nor logged.
///
/// Clones are the same server.
#[derive(Clone)]
pub struct CallerBridges(Arc<Inner>);

struct Inner {
    name: String,
    distinction: CallerDistinction,
    limits: CallerLimits,
    make: Box<Make>,
    without: Arc<dyn Service>,
    bridges: Lock<Bridges>,
    refused: Counter,
}

/// By what the callers of a server are told apart.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallerDistinction {
    /// The names of the headers that they bring, in lower case.
    pub headers: Vec<String>,
    /// What of their identity counts.
    pub identity: CallerPart,
}

/// What the callers of one bridge have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CallerKey {
    /// The headers that they bring, if they bring any.
    pub headers: Option<ClientHeaders>,
    /// Who they are, as far as that counts.
    pub caller: Option<ScopedPrincipal>,
}

impl CallerDistinction {
    /// The key of the caller of `context`; `None` if it has nothing of its own.
    fn key(&self, context: &Context) -> Option<CallerKey> {
        let headers = context.client_headers().map(|headers| headers.only(&self.headers));
        let headers = headers.filter(|headers| !headers.is_empty());
        let caller = self.identity.of(context.authorization());
        (headers.is_some() || caller.is_some()).then_some(CallerKey { headers, caller })
    }
}

/// Makes the bridge of callers with this key, or says why that cannot be.
type Make = dyn Fn(&CallerKey) -> Result<CallerBridge, String> + Send + Sync;

#[derive(Default)]
struct Bridges {
    by_key: HashMap<CallerKey, Entry>,
    is_closed: bool,
}

struct Entry {
    bridge: Arc<CallerBridge>,
    used: Instant,
}

/// The bridge of the callers with one key.
pub struct CallerBridge {
    /// The server as they reach it.
    pub upstream: Upstream,
    /// What answers their calls.
    pub service: Arc<dyn Service>,
}

/// How many bridges of callers there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallerLimits {
    /// The number of bridges. Beyond it, the one that has been unused for longest is closed.
    pub bridges: usize,
    /// The time after which an unused one is closed.
    pub idle: Duration,
}

impl CallerBridges {
    /// The server `name`, whose callers are told apart by `distinction`. Refusals are counted in `metrics`. `without` answers those
    /// that have nothing of their own; `make` makes the bridge of those that have the same.
    pub fn new(
        name: impl Into<String>,
        distinction: CallerDistinction,
        limits: CallerLimits,
        without: Arc<dyn Service>,
        metrics: &Metrics,
        make: impl Fn(&CallerKey) -> Result<CallerBridge, String> + Send + Sync + 'static,
    ) -> Self {
        let (name, bridges, refused) = (name.into(), Lock::default(), metrics.refusals("max_client_keys"));
        Self(Arc::new(Inner { name, distinction, limits, make: Box::new(make), without, bridges, refused }))
    }

    /// The servers of all callers that have bridges of their own.
    pub fn upstreams(&self) -> Vec<Upstream> {
        self.0.bridges.lock().by_key.values().map(|entry| entry.bridge.upstream.clone()).collect()
    }

    /// Whether any of these callers reaches the server.
    pub fn is_connected(&self) -> bool {
        self.upstreams().iter().any(|upstream| matches!(upstream.health(), UpstreamHealth::Connected { .. }))
    }

    /// Takes no more calls; those under way go on.
    pub fn close(&self) {
        self.0.bridges.lock().is_closed = true;
        self.upstreams().iter().for_each(Upstream::close);
    }

    /// The bridge of the callers with `key`.
    fn bridge(&self, key: CallerKey) -> Result<Arc<CallerBridge>, Failure> {
        let Inner { limits, make, name, refused, .. } = &*self.0;
        let mut bridges = self.0.bridges.lock();
        if bridges.is_closed {
            return Err(Failure::ShuttingDown);
        }
        if let Some(entry) = bridges.by_key.get_mut(&key) {
            entry.used = Instant::now();
            return Ok(entry.bridge.clone());
        }
        let unused = |entry: &Entry| Arc::strong_count(&entry.bridge) == 1;
        bridges.by_key.retain(|_, entry| !unused(entry) || entry.used.elapsed() < limits.idle);
        if bridges.by_key.len() >= limits.bridges {
            let idle = bridges.by_key.iter().filter(|(_, entry)| unused(entry));
            let Some(oldest) = idle.min_by_key(|(_, entry)| entry.used).map(|(key, _)| key.clone()) else {
                let why = format!(
                    "{name} has {} callers with keys of their own, all of which have calls in flight (max_client_keys); try \
                     again later",
                    limits.bridges
                );
                refused.increment();
                return Err(Failure::Overloaded { limit: "max_client_keys", why }.of_upstream(&**name));
            };
            bridges.by_key.remove(&oldest);
        }
        let made = make(&key).map_err(|why| Failure::InvalidPeer(why).of_upstream(&**name))?;
        let bridge = Arc::new(made);
        bridges.by_key.insert(key, Entry { bridge: bridge.clone(), used: Instant::now() });
        Ok(bridge)
    }
}

impl Service for CallerBridges {
    fn call(&self, request: Request, context: Context) -> Reply {
        let Some(key) = self.0.distinction.key(&context) else {
            return self.0.without.call(request, context);
        };
        match self.bridge(key) {
            Ok(bridge) => bridge.service.call(request, context).relay(InUse { _bridge: bridge.clone() }),
            Err(failure) => Reply::failed(failure),
        }
    }
}

/// A call in flight, whose bridge stays.
struct InUse {
    _bridge: Arc<CallerBridge>,
}

impl Relay for InUse {}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Method, Raw, Revision};
    use anyport_service::{Authorization, Principal};
    use serde_json::json;

    use super::*;
    use crate::test_server::{Farm, call, error, result};

    /// The farms by the keys of their callers.
    type Farms = Arc<Lock<Vec<(CallerKey, Farm)>>>;

    /// A server with two bridges of callers at most, and the number of connections that each of its farms has.
    fn server(identity: CallerPart) -> (CallerBridges, Farms) {
        let farms: Farms = Arc::default();
        let upstream = |farm: &Farm| Upstream::builder("jira", farm.clone()).build();
        let without = upstream(&Farm::new(Revision::NEWEST));
        let limits = CallerLimits { bridges: 2, idle: Duration::from_secs(600) };
        let made = farms.clone();
        let make = move |key: &CallerKey| {
            let farm = Farm::new(Revision::NEWEST);
            made.lock().push((key.clone(), farm.clone()));
            let upstream = upstream(&farm);
            Ok(CallerBridge { service: Arc::new(upstream.clone()), upstream })
        };
        (
            CallerBridges::new(
                "jira",
                CallerDistinction { headers: vec!["x-key".into()], identity },
                limits,
                Arc::new(without),
                &Metrics::new(),
                make,
            ),
            farms,
        )
    }

    fn with(key: &str) -> Context {
        let headers = ClientHeaders::new([("x-key", key), ("x-other", "of another server")]);
        Context::new(Principal::anonymous(), Revision::NEWEST).with_client_headers(Some(headers))
    }

    #[tokio::test(start_paused = true)]
    async fn callers_with_the_same_key_share_a_bridge_and_others_have_one_of_their_own() {
        let (server, farms) = server(CallerPart::Nothing);
        for key in ["a", "b", "a", "b"] {
            result(server.call(call("read", json!({})), with(key)).outcome().await);
        }
        let list = Request::new(Method::ToolsList, Raw::EMPTY_OBJECT);
        let without = Context::new(Principal::anonymous(), Revision::NEWEST);
        result(server.call(list, without).outcome().await);
        let farms = farms.lock();
        assert_eq!(farms.iter().map(|(_, farm)| farm.connections()).collect::<Vec<_>>(), [1, 1]);
        assert_eq!(
            farms[0].0,
            CallerKey { headers: Some(ClientHeaders::new([("x-key", "a")])), caller: None },
            "the headers of other servers are left out"
        );
    }

    /// Invariant: Where credentials are a caller's own, callers of different principals share no connection; where they go by
    /// scopes, neither do callers of one principal with different scopes.
    #[tokio::test(start_paused = true)]
    async fn callers_are_told_apart_by_their_identity_where_that_counts() {
        let of = |name: &str, scopes: &[&str]| {
            let authorization =
                Authorization::scoped(Principal::named(name.to_owned()), scopes.iter().copied());
            Context::authorized(authorization, Revision::NEWEST)
        };
        for (identity, connections) in
            [(CallerPart::Principal, vec![1, 1]), (CallerPart::Scopes, vec![1, 1, 1])]
        {
            let (server, farms) = server(identity);
            // A bridge makes room only for a third one.
            for context in [of("ada", &["a"]), of("bob", &["a"]), of("ada", &["a"]), of("ada", &["b"])] {
                result(server.call(call("read", json!({})), context).outcome().await);
            }
            let farms = farms.lock();
            assert_eq!(farms.iter().map(|(_, farm)| farm.connections()).collect::<Vec<_>>(), connections);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_bridge_unused_for_longest_makes_room_unless_it_has_calls() {
        let (server, farms) = server(CallerPart::Nothing);
        let hanging = server.call(call("write", json!({"hang": true})), with("a"));
        tokio::time::sleep(Duration::from_secs(1)).await;
        result(server.call(call("read", json!({})), with("b")).outcome().await);
        result(server.call(call("read", json!({})), with("c")).outcome().await);
        assert_eq!(server.upstreams().len(), 2);
        let second = server.call(call("write", json!({"hang": true})), with("c"));
        let (message, data) = error(server.call(call("read", json!({})), with("d")).outcome().await);
        assert!(message.contains("max_client_keys"), "{message}");
        assert_eq!((&data["reason"], &data["upstream"]), (&json!("overloaded"), &json!("jira")));
        drop((hanging, second));
        result(server.call(call("read", json!({})), with("d")).outcome().await);
        // One that nobody uses is closed with the next new one.
        tokio::time::sleep(Duration::from_secs(601)).await;
        result(server.call(call("read", json!({})), with("e")).outcome().await);
        assert_eq!(server.upstreams().len(), 1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(farms.lock()[0].1.server(0).end().is_some(), "its connection is closed");
        server.close();
        let (_, data) = error(server.call(call("read", json!({})), with("e")).outcome().await);
        assert_eq!(data["reason"], "shutting_down");
    }
}
