use std::{collections::HashMap, time::Duration};

use anyport_protocol::{Method, Raw, json::Splice};
use anyport_service::{Context, Notification, Request};
use tokio::time::Instant;

use super::{key, list_versions};

/// What one listener is yet to hear of the lists that were found to be others.
pub(super) struct ListenerState {
    /// Which of `KINDS` it wants to hear of.
    asked: [bool; 3],
    /// Whether it wants to hear of resources: only the server can say of which it tells.
    pub(super) of_resources: bool,
    pub(super) acknowledged: bool,
    begun: Instant,
    /// The latest change of each kind that it was told of.
    told: HashMap<Method, Instant>,
}

impl ListenerState {
    /// Of who makes this `subscriptions/listen` now.
    pub(super) fn of(request: &Request) -> Self {
        let filter = request.params.member("notifications").unwrap_or(Raw::EMPTY_OBJECT);
        let asked = KINDS.map(|(name, _)| filter.member(name).is_some_and(|flag| flag.as_str() == "true"));
        let uris = filter.member("resourceSubscriptions");
        let of_resources = uris.is_some_and(|uris| uris.as_str() != "[]");
        Self { asked, of_resources, acknowledged: false, begun: Instant::now(), told: HashMap::new() }
    }

    /// What it wants to hear of, by the names of the filter.
    pub(super) fn kinds(&self) -> impl Iterator<Item = (&'static str, Method)> + use<> {
        KINDS.into_iter().zip(self.asked).filter(|(_, asked)| *asked).map(|(kind, _)| kind)
    }

    /// Grants all of it.
    pub(super) fn acknowledgement(&self) -> Notification {
        let granted = Raw::trusted(b"true".to_vec());
        let granted = self.kinds().fold(Splice::new(), |all, (name, _)| all.with(name, &granted)).finish();
        let params = Splice::new().with("notifications", &granted).finish();
        Notification { method: Method::Acknowledged, params }
    }

    /// What it is told now of all that `changed`, however long it has not listened: a session hears nothing while it has no
    /// stream.
    pub(super) fn among(&mut self, changed: &HashMap<String, Instant>, context: &Context) -> Vec<Method> {
        let mut news = Vec::new();
        for (_, change) in self.kinds() {
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

/// What tells of lists: its name in the filter, and the notification.
const KINDS: [(&str, Method); 3] = [
    ("toolsListChanged", Method::ToolsChanged),
    ("promptsListChanged", Method::PromptsChanged),
    ("resourcesListChanged", Method::ResourcesChanged),
];

/// Who begins to listen is told of what changed so recently: it may have asked for the list before.
const RECENTLY: Duration = Duration::from_secs(60);
