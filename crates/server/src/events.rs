//! Changes of what the server offers, and who listens to them.

mod listening;

use std::{
    collections::{HashMap, HashSet, VecDeque},
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    task::Waker,
};

use anyport_protocol::{
    Error, Method, Raw, json::Splice, jsonrpc::Reason, subscription::SubscriptionFilter, uri::contains,
};
use anyport_service::{Notification, Principal};
use bytestring::ByteString;

use listening::{Listening, acknowledged};

use crate::{
    registry::{AppliedChange, Audience, VisibilityRule},
    server::{Core, Limits},
};

/// Tells all listeners of changes. Clones tell the same listeners.
///
/// A listener that does not read keeps at most one notification of each kind and resource waiting: later ones add
/// nothing to what it has to do. Where the server is mounted in others, their listeners are told too. Nobody is told
/// that something has changed which they may not see.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Hub>);

#[derive(Default)]
struct Hub {
    bus: Mutex<Bus>,
    /// The server whose changes these are.
    server: OnceLock<Weak<Core>>,
    /// Where it is mounted.
    hosts: Mutex<Vec<Host>>,
}

/// Where a server is mounted.
#[derive(Clone)]
struct Host {
    hub: Weak<Hub>,
    /// Whether what can be read is, too.
    readable: bool,
    /// Who sees it there.
    visible: Option<VisibilityRule>,
}

#[derive(Debug, Default)]
struct Bus {
    listeners: HashMap<u64, Listener>,
    next: u64,
    /// How many bytes the URIs of all listeners take.
    bytes: usize,
    closed: bool,
}

#[derive(Debug)]
struct Listener {
    filter: SubscriptionFilter,
    principal: Principal,
    waiting: VecDeque<Change>,
    /// What waits, to find it fast.
    known: HashSet<Change>,
    waker: Option<Waker>,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Change {
    Tools,
    Prompts,
    Resources,
    Updated(String),
}

/// How many changed resources wait for one listener by their own names; beyond that the name that was subscribed to
/// stands for all below it.
const MAX_WAITING: usize = 1_024;

/// Why someone cannot listen.
#[derive(Debug)]
pub(crate) enum ListenError {
    Closed(Error),
    /// There are `max_listeners`.
    Listeners(Error),
    /// What is subscribed to takes `max_subscription_bytes`.
    Bytes(Error),
}

impl Events {
    /// The tools changed.
    pub fn tools_changed(&self) {
        self.tell(&Change::Tools, &Audience::Everybody);
    }

    /// The prompts changed.
    pub fn prompts_changed(&self) {
        self.tell(&Change::Prompts, &Audience::Everybody);
    }

    /// The list of resources changed.
    pub fn resources_changed(&self) {
        self.tell(&Change::Resources, &Audience::Everybody);
    }

    /// A resource changed. Who subscribed to it is told, or to one that it is a part of: `docs:///a/b` is a part of
    /// `docs:///a`. So is who subscribed to a fragment of it, which may well have changed too: of that one.
    ///
    /// 2026-07-28, schema, `ResourceUpdatedNotification`: the URI "might be a sub-resource of the one that the client
    /// actually subscribed to".
    pub fn resource_updated(&self, uri: &str) {
        for (hub, seen_by) in self.hubs(true) {
            hub.updated(uri, &seen_by);
        }
    }

    /// What was changed at run time.
    pub(crate) fn changed(&self, changed: &AppliedChange) {
        if changed.kinds.tools {
            self.tell(&Change::Tools, &changed.tools);
        }
        if changed.kinds.prompts {
            self.tell(&Change::Prompts, &changed.prompts);
        }
        if changed.kinds.resources || changed.kinds.templates {
            self.tell(&Change::Resources, &changed.resources);
        }
    }

    /// These are the changes of `server`.
    pub(crate) fn belong_to(&self, server: &Arc<Core>) {
        let _ = self.0.server.set(Arc::downgrade(server));
    }

    /// The server is mounted in the one whose listeners `host` tells.
    pub(crate) fn mounted_in(&self, host: &Self, readable: bool, visible: Option<VisibilityRule>) {
        let mut hosts = lock(&self.0.hosts);
        hosts.retain(|host| host.hub.strong_count() > 0);
        hosts.push(Host { hub: Arc::downgrade(&host.0), readable, visible });
    }

    /// Ends all listening: every open stream gets its result, and no new one is opened.
    pub(crate) fn close(&self) {
        let mut bus = lock(&self.0.bus);
        bus.closed = true;
        bus.listeners.values_mut().for_each(Listener::wake);
    }

    /// Begins to listen.
    pub(crate) fn listen(
        &self,
        filter: SubscriptionFilter,
        principal: Principal,
        limits: Limits,
        end: Raw,
    ) -> Result<Listening, ListenError> {
        let mut bus = lock(&self.0.bus);
        if bus.closed {
            let error = Error::internal("the server is shutting down");
            return Err(ListenError::Closed(error.with_reason(Reason::ShuttingDown)));
        }
        let overloaded = |message: String| Error::internal(message).with_reason(Reason::Overloaded);
        if bus.listeners.len() >= limits.max_listeners {
            let limit = limits.max_listeners;
            let message = format!("more than {limit} listen streams are open (max_listeners)");
            return Err(ListenError::Listeners(overloaded(message)));
        }
        let bytes = self::bytes(&filter);
        if bytes > limits.max_subscription_bytes.saturating_sub(bus.bytes) {
            let limit = limits.max_subscription_bytes;
            let message = format!(
                "all subscriptions together are over {limit} bytes (max_subscription_bytes); subscribe to fewer \
                 resources, or try again later"
            );
            return Err(ListenError::Bytes(overloaded(message)));
        }
        bus.bytes += bytes;
        let id = bus.next;
        bus.next += 1;
        let acknowledged = acknowledged(&filter);
        let (waiting, known) = (VecDeque::new(), HashSet::new());
        bus.listeners.insert(id, Listener { filter, principal, waiting, known, waker: None });
        Ok(Listening { hub: self.0.clone(), id, acknowledged: Some(acknowledged), end })
    }

    fn tell(&self, change: &Change, audience: &Audience) {
        for (hub, seen_by) in self.hubs(*change == Change::Resources) {
            hub.tell(change, audience, &seen_by);
        }
    }

    /// Whose listeners are told: these, and those of every server in which this one is mounted, however often it is. And
    /// who among them sees what is mounted: whoever sees it in one of its places.
    fn hubs(&self, resources: bool) -> Vec<(Arc<Hub>, Audience)> {
        let mut hubs: Vec<(Arc<Hub>, Audience)> = Vec::new();
        let mut next = vec![(self.0.clone(), None::<VisibilityRule>)];
        while let Some((hub, visible)) = next.pop() {
            for host in lock(&hub.hosts).iter().filter(|host| host.readable || !resources) {
                if let Some(outer) = host.hub.upgrade() {
                    next.push((outer, VisibilityRule::both(visible.clone(), host.visible.clone())));
                }
            }
            match hubs.iter_mut().find(|(known, _)| Arc::ptr_eq(known, &hub)) {
                Some((_, seen_by)) => seen_by.join(visible),
                None => {
                    let mut seen_by = Audience::Some(Vec::new());
                    seen_by.join(visible);
                    hubs.push((hub, seen_by));
                }
            }
        }
        hubs
    }
}

impl Hub {
    /// Tells those of a change who are in both audiences.
    fn tell(&self, change: &Change, audience: &Audience, seen_by: &Audience) {
        let told: Option<HashSet<u64>> = match (audience, seen_by) {
            (Audience::Everybody, Audience::Everybody) => None,
            // Rules are asked without the lock: they are not ours.
            _ => {
                let wants = |listener: &Listener| change.is_wanted(&listener.filter).then_some(());
                let wanting = self.listening(wants).into_iter();
                let told = wanting.filter(|(_, caller, ())| audience.has(caller) && seen_by.has(caller));
                Some(told.map(|(id, ..)| id).collect())
            }
        };
        for (id, listener) in &mut lock(&self.bus).listeners {
            let told = told.as_ref().is_none_or(|told| told.contains(id));
            if told && change.is_wanted(&listener.filter) {
                listener.tell(change.clone());
            }
        }
    }

    fn updated(&self, uri: &str, seen_by: &Audience) {
        let subscribed = |listener: &Listener| {
            let concerned = concerned(&listener.filter.uris, uri);
            (!concerned.is_empty()).then_some(concerned)
        };
        let registry = self.server.get().and_then(Weak::upgrade).map(|server| server.registry.load_full());
        let may_hear =
            |caller: &Principal| registry.as_ref().is_none_or(|registry| registry.may_hear_of(uri, caller));
        let told: Vec<(u64, Vec<String>)> = self
            .listening(subscribed)
            .into_iter()
            .filter(|(_, caller, _)| seen_by.has(caller) && may_hear(caller))
            .map(|(id, _, concerned)| (id, concerned))
            .collect();
        let mut bus = lock(&self.bus);
        for (id, concerned) in told {
            let Some(listener) = bus.listeners.get_mut(&id) else { continue };
            for subscribed in concerned {
                let is_whole = contains(&subscribed, uri) && listener.waiting.len() < MAX_WAITING;
                let named = if is_whole { uri.to_owned() } else { subscribed };
                listener.tell(Change::Updated(named));
            }
        }
    }

    /// The listeners of which `of` makes something, and who they are.
    fn listening<T>(&self, of: impl Fn(&Listener) -> Option<T>) -> Vec<(u64, Principal, T)> {
        let bus = lock(&self.bus);
        let listeners = bus.listeners.iter();
        listeners
            .filter_map(|(id, listener)| Some((*id, listener.principal.clone(), of(listener)?)))
            .collect()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The bytes that the URIs of a filter take.
fn bytes(filter: &SubscriptionFilter) -> usize {
    filter.uris.iter().map(|uri| uri.len() + size_of::<ByteString>()).sum()
}

impl fmt::Debug for Hub {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hub").field("bus", &self.bus).finish_non_exhaustive()
    }
}

impl Listener {
    fn tell(&mut self, change: Change) {
        if self.known.insert(change.clone()) {
            self.waiting.push_back(change);
            self.wake();
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Change {
    fn is_wanted(&self, filter: &SubscriptionFilter) -> bool {
        match self {
            Self::Tools => filter.tools,
            Self::Prompts => filter.prompts,
            Self::Resources => filter.resources,
            Self::Updated(uri) => filter.uris.iter().any(|whole| contains(whole, uri)),
        }
    }

    fn notification(self) -> Notification {
        let (method, params) = match self {
            Self::Tools => (Method::ToolsChanged, Raw::EMPTY_OBJECT),
            Self::Prompts => (Method::PromptsChanged, Raw::EMPTY_OBJECT),
            Self::Resources => (Method::ResourcesChanged, Raw::EMPTY_OBJECT),
            Self::Updated(uri) => {
                (Method::ResourceUpdated, Splice::new().with("uri", &Raw::string(&uri)).finish())
            }
        };
        Notification { method, params }
    }
}

/// Those of the URIs `subscribed` to whose subscriber hears that `uri` changed: one that it is or belongs to, and its
/// fragments.
fn concerned(subscribed: &[ByteString], uri: &str) -> Vec<String> {
    let whole = subscribed.iter().find(|whole| contains(whole, uri));
    let fragments = subscribed.iter().filter(|part| part.strip_prefix(uri).is_some_and(is_fragment));
    whole.into_iter().chain(fragments).map(ToString::to_string).collect()
}

fn is_fragment(rest: &str) -> bool {
    rest.starts_with('#')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_small() {
        // Ten thousand of them are allowed.
        assert!(size_of::<(u64, Listener)>() <= 256, "{}", size_of::<(u64, Listener)>());
    }

    #[test]
    fn what_waits_for_a_slow_listener_is_bounded() {
        let events = Events::default();
        let filter = SubscriptionFilter {
            tools: true,
            uris: vec!["a:".into(), "a:/".into()],
            ..SubscriptionFilter::default()
        };
        let limits = Limits { max_listeners: 1, max_subscriptions: 2, max_subscription_bytes: 1_000 };
        let listen = |filter| events.listen(filter, Principal::local(), limits, Raw::EMPTY_OBJECT);
        let listening = listen(filter).unwrap();
        for index in 0..10_000 {
            events.tools_changed();
            events.prompts_changed();
            events.resource_updated(&format!("a:/{index}"));
        }
        let waiting = lock(&events.0.bus).listeners[&listening.id].waiting.len();
        assert!(waiting <= MAX_WAITING + 2, "{waiting}");
        assert!(listen(SubscriptionFilter::default()).is_err(), "over the limit");
        drop(listening);
        assert!(lock(&events.0.bus).listeners.is_empty());
        let many = |count| SubscriptionFilter {
            uris: vec!["x".repeat(68).into(); count],
            ..SubscriptionFilter::default()
        };
        assert!(matches!(listen(many(11)), Err(ListenError::Bytes(_))));
        for _ in 0..3 {
            assert!(listen(many(10)).is_ok(), "what is over is given back");
        }
    }
}
