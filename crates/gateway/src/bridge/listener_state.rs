use std::{collections::HashMap, time::Duration};

use anyport_protocol::{Method, subscription::SubscriptionFilter};
use anyport_service::{Context, Notification, Request};
use tokio::time::Instant;

use super::list_versions::{self, key};

/// The pending list changes of one listener.
pub(super) struct ListenerState {
    /// The requested changes; empty if the request cannot be read, which the server refuses.
    filter: SubscriptionFilter,
    pub(super) acknowledged: bool,
    begun: Instant,
    /// The time of the latest notified change of each kind.
    notified: HashMap<Method, Instant>,
}

impl ListenerState {
    /// The state of a new listener.
    pub(super) fn of(request: &Request) -> Self {
        let filter = SubscriptionFilter::read(&request.params.clone().into_raw()).unwrap_or_default();
        Self { filter, acknowledged: false, begun: Instant::now(), notified: HashMap::new() }
    }

    /// Whether it requests resource updates, which only the server can grant.
    pub(super) fn wants_resources(&self) -> bool {
        !self.filter.uris.is_empty()
    }

    /// The requested list-changed notifications.
    pub(super) fn lists(&self) -> impl Iterator<Item = Method> + use<> {
        self.filter.lists()
    }

    /// The acknowledgement of all requested list-changed notifications.
    pub(super) fn acknowledgement(&self) -> Notification {
        let granted = SubscriptionFilter { uris: Vec::new(), ..self.filter.clone() };
        Notification { method: Method::Acknowledged, params: granted.params() }
    }

    /// The notifications that are due after the changes `changed`, also those from before it listened: a session receives
    /// nothing while it has no stream.
    pub(super) fn pending(&mut self, changed: &HashMap<String, Instant>, context: &Context) -> Vec<Method> {
        let mut due = Vec::new();
        for change in self.lists() {
            let of_kind = list_versions::lists(change).iter().map(|method| key(*method, context));
            let at = of_kind.filter_map(|key| changed.get(&key).copied()).max();
            if let Some(at) = at.filter(|at| *at + RECENTLY >= self.begun)
                && self.notified.insert(change, at) != Some(at)
            {
                due.push(change);
            }
        }
        due
    }
}

/// A new listener receives changes of this recent time: it may have read the list before.
const RECENTLY: Duration = Duration::from_secs(60);
