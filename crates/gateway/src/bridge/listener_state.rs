use std::{collections::HashMap, time::Duration};

use anyport_protocol::{Method, subscription::SubscriptionFilter};
use anyport_service::{Context, Notification, Request};
use tokio::time::Instant;

use super::list_versions::{self, key};

/// The pending list changes of one listener.
pub(super) struct ListenerState {
    /// The changes that it wants. One that cannot be read wants none: the server refuses it.
    filter: SubscriptionFilter,
    pub(super) acknowledged: bool,
    begun: Instant,
    /// The latest notified change of each kind.
    told: HashMap<Method, Instant>,
}

impl ListenerState {
    /// Of who makes this `subscriptions/listen` now.
    pub(super) fn of(request: &Request) -> Self {
        let filter = SubscriptionFilter::read(&request.params.clone().into_raw()).unwrap_or_default();
        Self { filter, acknowledged: false, begun: Instant::now(), told: HashMap::new() }
    }

    /// Whether it wants updates of resources: only the server can grant them.
    pub(super) fn wants_resources(&self) -> bool {
        !self.filter.uris.is_empty()
    }

    /// The changes of lists that it wants.
    pub(super) fn lists(&self) -> impl Iterator<Item = Method> + use<> {
        self.filter.lists()
    }

    /// Grants every change of lists that it wants.
    pub(super) fn acknowledgement(&self) -> Notification {
        let granted = SubscriptionFilter { uris: Vec::new(), ..self.filter.clone() };
        Notification { method: Method::Acknowledged, params: granted.params() }
    }

    /// What it is told now of all that `changed`, however long it has not listened: a session hears nothing while it has no
    /// stream.
    pub(super) fn among(&mut self, changed: &HashMap<String, Instant>, context: &Context) -> Vec<Method> {
        let mut news = Vec::new();
        for change in self.lists() {
            let of_kind = list_versions::lists(change).iter().map(|method| key(*method, context));
            let at = of_kind.filter_map(|key| changed.get(&key).copied()).max();
            if let Some(at) = at.filter(|at| *at + RECENTLY >= self.begun)
                && self.told.insert(change, at) != Some(at)
            {
                news.push(change);
            }
        }
        news
    }
}

/// A new listener receives changes of this recent time: it may have read the list before.
const RECENTLY: Duration = Duration::from_secs(60);
