//! Changes of what the server offers, and who listens to them.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::{Error, Method, Raw, json::Splice, jsonrpc::Reason};
use anyport_service::{Event, Notification, Outcome};
use futures_core::Stream;

/// Tells all listeners of changes. Clones tell the same listeners.
///
/// A listener that does not read keeps at most one notification of each kind and resource waiting: later ones add
/// nothing to what it has to do.
#[derive(Clone, Debug, Default)]
pub struct Events(Arc<Mutex<Bus>>);

#[derive(Debug, Default)]
struct Bus {
    listeners: HashMap<u64, Listener>,
    next: u64,
    closed: bool,
}

/// What a client wants to be told, as far as the server tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) tools: bool,
    pub(crate) prompts: bool,
    pub(crate) resources: bool,
    pub(crate) uris: Vec<String>,
}

#[derive(Debug)]
struct Listener {
    filter: Filter,
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

impl Events {
    /// The tools changed.
    pub fn tools_changed(&self) {
        self.tell(|filter| filter.tools.then_some(Change::Tools));
    }

    /// The prompts changed.
    pub fn prompts_changed(&self) {
        self.tell(|filter| filter.prompts.then_some(Change::Prompts));
    }

    /// The list of resources changed.
    pub fn resources_changed(&self) {
        self.tell(|filter| filter.resources.then_some(Change::Resources));
    }

    /// A resource changed. Who subscribed to it is told, or to one that it is a part of: `docs:///a/b` is a part of
    /// `docs:///a`.
    ///
    /// 2026-07-28, schema, `ResourceUpdatedNotification`: the URI "might be a sub-resource of the one that the client
    /// actually subscribed to".
    pub fn resource_updated(&self, uri: &str) {
        let mut bus = self.lock();
        for listener in bus.listeners.values_mut() {
            let Some(subscribed) = listener.filter.uris.iter().find(|whole| contains(whole, uri)) else {
                continue;
            };
            let named = if listener.waiting.len() < MAX_WAITING { uri } else { subscribed.as_str() };
            let change = Change::Updated(named.to_owned());
            listener.tell(change);
        }
    }

    /// Ends all listening: every open stream gets its result, and no new one is opened.
    pub(crate) fn close(&self) {
        let mut bus = self.lock();
        bus.closed = true;
        bus.listeners.values_mut().for_each(Listener::wake);
    }

    /// Begins to listen.
    pub(crate) fn listen(&self, filter: Filter, limit: usize, end: Raw) -> Result<Listening, Error> {
        let mut bus = self.lock();
        if bus.closed {
            return Err(Error::internal("the server is shutting down").with_reason(Reason::ShuttingDown));
        }
        if bus.listeners.len() >= limit {
            let message = format!("more than {limit} listen streams are open (max_listeners)");
            return Err(Error::internal(message).with_reason(Reason::Overloaded));
        }
        let id = bus.next;
        bus.next += 1;
        let acknowledged = acknowledged(&filter);
        let listener = Listener { filter, waiting: VecDeque::new(), known: HashSet::new(), waker: None };
        bus.listeners.insert(id, listener);
        Ok(Listening { events: self.clone(), id, acknowledged: Some(acknowledged), end })
    }

    fn tell(&self, change: impl Fn(&Filter) -> Option<Change>) {
        for listener in self.lock().listeners.values_mut() {
            if let Some(change) = change(&listener.filter) {
                listener.tell(change);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Bus> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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

/// The stream of one `subscriptions/listen`: the acknowledgement, then changes, and its result when the server closes.
///
/// 2026-07-28, subscriptions §Acknowledgment: the server "MUST send `notifications/subscriptions/acknowledged` as the
/// first message"; §Graceful Closure: it SHOULD "respond to the original `subscriptions/listen` request with a
/// completion result". Whoever knows the request's id adds it to all of these as `subscriptionId`.
pub(crate) struct Listening {
    events: Events,
    id: u64,
    acknowledged: Option<Notification>,
    end: Raw,
}

impl Stream for Listening {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        if let Some(acknowledged) = self.acknowledged.take() {
            return Poll::Ready(Some(Event::Notification(acknowledged)));
        }
        let mut bus = self.events.lock();
        let closed = bus.closed;
        let Some(listener) = bus.listeners.get_mut(&self.id) else { return Poll::Ready(None) };
        if let Some(change) = listener.waiting.pop_front() {
            listener.known.remove(&change);
            return Poll::Ready(Some(Event::Notification(change.notification())));
        }
        if closed {
            return Poll::Ready(Some(Event::Outcome(Outcome::Result(self.end.clone()))));
        }
        match &mut listener.waker {
            Some(waker) => waker.clone_from(task.waker()),
            none => *none = Some(task.waker().clone()),
        }
        Poll::Pending
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.events.lock().listeners.remove(&self.id);
    }
}

impl Change {
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

/// Only what the server agreed to tell is in it.
fn acknowledged(filter: &Filter) -> Notification {
    let mut agreed = Splice::new();
    let kinds = [
        ("toolsListChanged", filter.tools),
        ("promptsListChanged", filter.prompts),
        ("resourcesListChanged", filter.resources),
    ];
    for (name, _) in kinds.into_iter().filter(|(_, agreed)| *agreed) {
        agreed = agreed.with(name, &Raw::from(serde_json::Value::Bool(true)));
    }
    if !filter.uris.is_empty() {
        agreed =
            agreed.with("resourceSubscriptions", &Raw::from(serde_json::Value::from(filter.uris.clone())));
    }
    let params = Splice::new().with("notifications", &agreed.finish()).finish();
    Notification { method: Method::Acknowledged, params }
}

/// Whether `uri` is `whole` or a part of it.
fn contains(whole: &str, uri: &str) -> bool {
    uri.strip_prefix(whole)
        .is_some_and(|rest| rest.is_empty() || whole.ends_with('/') || rest.starts_with(['/', '#', '?']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_belongs_to_its_whole() {
        assert!(contains("a:/b", "a:/b") && contains("a:/b", "a:/b/c") && contains("a:/b/", "a:/b/c"));
        assert!(!contains("a:/b", "a:/bc") && !contains("a:/b/c", "a:/b"));
    }

    #[test]
    fn what_waits_for_a_slow_listener_is_bounded() {
        let events = Events::default();
        let filter = Filter { tools: true, uris: vec!["a:".into(), "a:/".into()], ..Filter::default() };
        let listening = events.listen(filter, 1, Raw::EMPTY_OBJECT).unwrap();
        for index in 0..10_000 {
            events.tools_changed();
            events.prompts_changed();
            events.resource_updated(&format!("a:/{index}"));
        }
        let waiting = events.lock().listeners[&listening.id].waiting.len();
        assert!(waiting <= MAX_WAITING + 2, "{waiting}");
        assert!(events.listen(Filter::default(), 1, Raw::EMPTY_OBJECT).is_err(), "over the limit");
        drop(listening);
        assert!(events.lock().listeners.is_empty());
    }
}
