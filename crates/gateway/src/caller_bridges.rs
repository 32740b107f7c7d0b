//! A server that callers reach by what is their own, such as keys: a bridge for each.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyport_metrics::{Counter, Metrics};
use anyport_protocol::failure::Failure;
use anyport_service::{
    ClientHeaders, Context, Demand, Relay, Reply, Request, ScopedPrincipal, Service, WeakDemand, sync::Lock,
};
use anyport_upstream::{Upstream, UpstreamHealth};
use tokio::time::Instant;

use crate::caller_part::CallerPart;

/// A server to which callers bring headers of their own, such as keys, or for which each of them has credentials of its own.
///
/// Callers that are different have bridges of their own, and so share nothing: no connection, no session, no list, no parked call.
/// Callers that bring no header share one, unless their identity counts. The values of headers are keys of a map in
/// memory, and are neither stored nor logged.
///
/// Only what clients want holds a bridge: their calls in flight, and streams by which they are notified of changes. What else the gateway
/// has open there ([`Demand`]), such as for the lists that it caches, ends when another caller needs the place, and is not opened again
/// before the caller comes again.
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
    /// What goes on when callers come again whose bridges were closed.
    paused: HashMap<CallerKey, Vec<WeakDemand>>,
    is_closed: bool,
}

/// The bridge of the callers with one key.
pub struct CallerBridge {
    /// The server as they reach it.
    pub upstream: Upstream,
    /// What answers their calls.
    pub service: Arc<dyn Service>,
    /// Whether they can use the server: streams of those who cannot hold no bridge.
    pub has_access: Box<dyn Fn() -> bool + Send + Sync>,
}

struct Entry {
    bridge: Arc<CallerBridge>,
    /// Is shared with the calls of clients that are in flight.
    calls: Arc<()>,
    used: Instant,
    /// Of what is cached by way of the bridge.
    demands: Vec<WeakDemand>,
}

impl Entry {
    fn new(bridge: CallerBridge) -> Self {
        let (bridge, calls) = (Arc::new(bridge), Arc::default());
        Self { bridge, calls, used: Instant::now(), demands: Vec::new() }
    }

    /// The bridge for a call of a client, or of what clients want by `demand`.
    fn begin(&mut self, demand: Option<&Demand>) -> InUse {
        let calls = match demand {
            Some(demand) => {
                self.demands.retain(|known| known.upgrade().is_some_and(|known| !known.is(demand)));
                self.demands.push(demand.downgrade());
                None
            }
            None => {
                self.used = Instant::now();
                Some(self.calls.clone())
            }
        };
        InUse { bridge: self.bridge.clone(), _calls: calls }
    }

    fn demands(&self) -> impl Iterator<Item = Demand> {
        self.demands.iter().filter_map(WeakDemand::upgrade)
    }

    fn is_used(&self) -> bool {
        let is_listened = || self.demands().any(|demand| demand.has_listeners());
        Arc::strong_count(&self.calls) > 1 || (is_listened() && (self.bridge.has_access)())
    }

    /// When a client used it last.
    fn last_use(&self) -> Instant {
        self.demands().map(|demand| demand.last_use()).fold(self.used, Instant::max)
    }

    fn is_idle(&self, idle: Duration) -> bool {
        !self.is_used() && self.last_use().elapsed() >= idle
    }
}

impl Bridges {
    /// Closes the bridge that nobody uses and that was used longest ago, before all of one whose callers cannot use the server.
    /// Returns `false` if all are used.
    fn make_room(&mut self) -> bool {
        let unused = self.by_key.iter().filter(|(_, entry)| !entry.is_used());
        let oldest = unused.min_by_key(|(_, entry)| ((entry.bridge.has_access)(), entry.last_use()));
        let oldest = oldest.map(|(key, _)| key.clone());
        oldest.is_some_and(|oldest| {
            self.by_key.remove_entry(&oldest).map(|closed| self.pause(closed)).is_some()
        })
    }

    fn close_idle(&mut self, idle: Duration) {
        let closed: Vec<_> = self.by_key.extract_if(|_, entry| entry.is_idle(idle)).collect();
        closed.into_iter().for_each(|closed| self.pause(closed));
    }

    /// Ends what the gateway itself has open by way of a bridge that was closed.
    fn pause(&mut self, (key, entry): (CallerKey, Entry)) {
        entry.demands().for_each(|demand| demand.pause());
        self.paused.retain(|_, demands| {
            demands.retain(|demand| demand.upgrade().is_some_and(|demand| demand.is_paused()));
            !demands.is_empty()
        });
        if !entry.demands.is_empty() {
            self.paused.entry(key).or_default().extend(entry.demands);
        }
    }

    /// Lets what was ended with the bridge of `key` begin again.
    fn resume(&mut self, key: &CallerKey) {
        let paused = self.paused.remove(key).into_iter().flatten();
        paused.filter_map(|demand| demand.upgrade()).for_each(|demand| demand.resume());
    }
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

    /// The bridge of the callers with `key`, for a call of one of them, or of what they want by `demand`.
    fn begin(&self, key: CallerKey, demand: Option<&Demand>) -> Result<InUse, Failure> {
        let Inner { limits, make, name, refused, .. } = &*self.0;
        let mut bridges = self.0.bridges.lock();
        if bridges.is_closed {
            return Err(Failure::ShuttingDown);
        }
        if let Some(entry) = bridges.by_key.get_mut(&key) {
            return Ok(entry.begin(demand));
        }
        let overloaded = |why| Failure::Overloaded { limit: "max_client_keys", why }.of_upstream(&**name);
        if demand.is_some_and(Demand::is_paused) {
            return Err(overloaded(format!(
                "the lists of a caller of {name} are not read before it comes again"
            )));
        }
        bridges.close_idle(limits.idle);
        if bridges.by_key.len() >= limits.bridges && !bridges.make_room() {
            refused.increment();
            return Err(overloaded(format!(
                "{name} has {} callers with connections of their own, all of which have calls in flight or listen to changes \
                 (max_client_keys); try again later",
                limits.bridges
            )));
        }
        let made = make(&key).map_err(|why| Failure::InvalidPeer(why).of_upstream(&**name))?;
        if demand.is_none() {
            bridges.resume(&key);
        }
        Ok(bridges.by_key.entry(key).or_insert(Entry::new(made)).begin(demand))
    }
}

impl Service for CallerBridges {
    fn call(&self, request: Request, context: Context) -> Reply {
        let Some(key) = self.0.distinction.key(&context) else {
            return self.0.without.call(request, context);
        };
        match self.begin(key, context.demand()) {
            Ok(in_use) => in_use.bridge.service.call(request, context).relay(in_use.clone()),
            Err(failure) => Reply::failed(failure),
        }
    }
}

/// A call in flight, and its bridge, which stays if it is one of a client.
#[derive(Clone)]
struct InUse {
    bridge: Arc<CallerBridge>,
    _calls: Option<Arc<()>>,
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
            // A key of nobody who can use the server.
            let key = key.headers.as_ref().and_then(|headers| headers.get("x-key").map(str::to_owned));
            let has_access = Box::new(move || key.as_deref() != Some("none"));
            Ok(CallerBridge { service: Arc::new(upstream.clone()), upstream, has_access })
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

    /// Invariant: Only calls and streams of clients keep another caller from a server; what the gateway has open there by itself ends for it.
    #[tokio::test(start_paused = true)]
    async fn what_no_client_has_asked_for_makes_room_and_goes_on_when_its_caller_comes_again() {
        let (server, farms) = server(CallerPart::Nothing);
        let read = || call("read", json!({}));
        let follow = |key: &str, demand: &Demand| {
            server.call(call("write", json!({"hang": true})), with(key).with_demand(demand.clone()))
        };
        let [of_a, of_b] = [Demand::new(), Demand::new()];
        let first = follow("a", &of_a);
        tokio::time::sleep(Duration::from_secs(1)).await;
        result(server.call(read(), with("b")).outcome().await);
        let _second = follow("b", &of_b);
        // That of a client is older, and that of another one is read for a client now.
        of_b.note_use();
        tokio::time::sleep(Duration::from_secs(1)).await;
        result(server.call(read(), with("c")).outcome().await);
        assert!(of_a.is_paused() && !of_b.is_paused(), "the oldest makes room");
        drop(first);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(farms.lock()[0].1.server(0).end().is_some(), "its connection is closed");
        let (message, _) = error(follow("a", &of_a).outcome().await);
        assert!(message.contains("before it comes again"), "{message}");
        assert_eq!(farms.lock().len(), 3, "it is not connected again");

        result(server.call(read(), with("a")).outcome().await);
        assert!(!of_a.is_paused() && of_b.is_paused(), "it has come again");
        let _third = follow("a", &of_a);
        let (_listens, _calls) =
            (of_a.listen(), server.call(call("write", json!({"hang": true})), with("c")));
        let (message, _) = error(server.call(read(), with("b")).outcome().await);
        assert!(message.contains("2 callers") && message.contains("max_client_keys"), "{message}");
    }

    #[tokio::test(start_paused = true)]
    async fn who_cannot_use_the_server_holds_no_place_by_a_stream() {
        let (server, _) = server(CallerPart::Nothing);
        let read = || call("read", json!({}));
        result(server.call(read(), with("a")).outcome().await);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let demand = Demand::new();
        let _stream =
            server.call(call("write", json!({"hang": true})), with("none").with_demand(demand.clone()));
        let _listens = demand.listen();
        result(server.call(read(), with("b")).outcome().await);
        assert!(demand.is_paused(), "it makes room before one that is older");
        result(server.call(read(), with("none")).outcome().await);
        assert!(!demand.is_paused());
    }
}
