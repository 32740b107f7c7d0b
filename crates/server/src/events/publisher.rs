//! The server's end: where change notifications are sent.

use std::{
    collections::{HashSet, VecDeque},
    sync::Arc,
};

use anyport_protocol::{Error, Raw, jsonrpc::Reason, subscription::SubscriptionFilter};
use anyport_service::Principal;

use super::{
    hub::{Change, Host, Hub, Listener, bytes},
    limits::ListenLimits,
    listening::{Listening, acknowledged},
};
use crate::visibility::{Audience, VisibilityRule};

/// The sender of change notifications to all listeners. Clones send to the same listeners.
///
/// For a listener that does not read, at most one notification per kind and resource waits: another one would add
/// nothing. If the server is mounted in others, their listeners receive the notifications, too. A listener receives
/// nothing about what it may not see.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Hub>);

/// Why someone cannot listen.
#[derive(Debug)]
pub(crate) enum ListenError {
    Closed(Error),
    /// There are `max_listeners`.
    Listeners(Error),
    /// Subscriptions count towards `max_subscription_bytes`.
    Bytes(Error),
}

impl Events {
    /// Notifies listeners that the list of tools changed.
    pub fn tools_changed(&self) {
        self.tell(&Change::Tools, &Audience::Everybody);
    }

    /// Notifies listeners that the list of prompts changed.
    pub fn prompts_changed(&self) {
        self.tell(&Change::Prompts, &Audience::Everybody);
    }

    /// Notifies listeners that the list of resources changed.
    pub fn resources_changed(&self) {
        self.tell(&Change::Resources, &Audience::Everybody);
    }

    /// The same, for those listeners alone whose principal `is_for` accepts: where each caller has a list of its own.
    pub fn resources_changed_for(&self, is_for: impl Fn(&Principal) -> bool + Send + Sync + 'static) {
        self.resources_changed_to(&Audience::Some(vec![VisibilityRule::new(is_for)]));
    }

    /// Notifies listeners that a resource changed: those that subscribed to it, to one that it is a part of (`docs:///a/b`
    /// is a part of `docs:///a`), or to a fragment of it, which may have changed as well.
    ///
    /// 2026-07-28, schema, `ResourceUpdatedNotification`: the URI "might be a sub-resource of the one that the client
    /// actually subscribed to".
    pub fn resource_updated(&self, uri: &str) {
        self.resource_updated_for(uri, |_| true);
    }

    /// The same, for those listeners alone whose principal `is_for` accepts: where one URI is another resource for each caller.
    pub fn resource_updated_for(&self, uri: &str, is_for: impl Fn(&Principal) -> bool) {
        for (hub, seen_by) in self.hubs(true) {
            hub.updated(uri, |principal| seen_by.has(principal) && is_for(principal));
        }
    }

    /// The tools that `audience` sees changed.
    pub(crate) fn tools_changed_to(&self, audience: &Audience) {
        self.tell(&Change::Tools, audience);
    }

    /// The prompts that `audience` sees changed.
    pub(crate) fn prompts_changed_to(&self, audience: &Audience) {
        self.tell(&Change::Prompts, audience);
    }

    /// The list of resources that `audience` sees changed.
    pub(crate) fn resources_changed_to(&self, audience: &Audience) {
        self.tell(&Change::Resources, audience);
    }

    /// Sets the rule that says who may hear of the change of which URI.
    pub(crate) fn restrict(&self, rule: impl Fn(&str, &Principal) -> bool + Send + Sync + 'static) {
        let _ = self.0.may_hear_of.set(Box::new(rule));
    }

    /// Notes that the server is mounted in the one that `host` belongs to.
    pub(crate) fn mounted_in(&self, host: &Self, readable: bool, visible: Option<VisibilityRule>) {
        let mut hosts = self.0.hosts.lock();
        hosts.retain(|host| host.hub.strong_count() > 0);
        hosts.push(Host { hub: Arc::downgrade(&host.0), readable, visible });
    }

    /// Ends all listening: every open stream gets its result, and no new one is opened.
    pub(crate) fn close(&self) {
        let mut bus = self.0.bus.lock();
        bus.closed = true;
        bus.listeners.values_mut().for_each(Listener::wake);
    }

    /// Begins to listen.
    pub(crate) fn listen(
        &self,
        filter: SubscriptionFilter,
        principal: Principal,
        limits: ListenLimits,
        end: Raw,
    ) -> Result<Listening, ListenError> {
        let mut bus = self.0.bus.lock();
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
        let bytes = bytes(&filter);
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

    /// The hubs that are notified: this one, and that of every server in which this one is mounted. With each, the
    /// audience that sees the mounted server in at least one of its places.
    fn hubs(&self, resources: bool) -> Vec<(Arc<Hub>, Audience)> {
        let mut hubs: Vec<(Arc<Hub>, Audience)> = Vec::new();
        let mut next = vec![(self.0.clone(), None::<VisibilityRule>)];
        while let Some((hub, visible)) = next.pop() {
            for host in hub.hosts.lock().iter().filter(|host| host.readable || !resources) {
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

#[cfg(test)]
mod tests {
    use super::{super::hub::MAX_WAITING, *};

    #[test]
    fn what_waits_for_a_slow_listener_is_bounded() {
        let events = Events::default();
        let filter = SubscriptionFilter {
            tools: true,
            uris: vec!["a:".into(), "a:/".into()],
            ..SubscriptionFilter::default()
        };
        let limits = ListenLimits { max_listeners: 1, max_subscriptions: 2, max_subscription_bytes: 1_000 };
        let listen = |filter| events.listen(filter, Principal::local(), limits, Raw::EMPTY_OBJECT);
        let listening = listen(filter).unwrap();
        for index in 0..10_000 {
            events.tools_changed();
            events.prompts_changed();
            events.resource_updated(&format!("a:/{index}"));
        }
        let waiting = events.0.bus.lock().listeners[&listening.id].waiting.len();
        assert!(waiting <= MAX_WAITING + 2, "{waiting}");
        assert!(listen(SubscriptionFilter::default()).is_err(), "over the limit");
        drop(listening);
        assert!(events.0.bus.lock().listeners.is_empty());
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
