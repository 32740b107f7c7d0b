use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use anyport_protocol::{
    Method, Raw,
    json::{Members, Splice},
    subscription::SubscriptionFilter,
    uri,
};
use anyport_service::Notification;
use bytestring::ByteString;
use tokio::time::Instant;

/// The subscription manager: the listeners of one server, and the requests on their behalf.
///
/// Listeners, responses, notifications and the time go in; requests come out, and notifications wait with each
/// listener. It sends nothing itself.
#[derive(Debug, Default)]
pub(super) struct SubscriptionManager {
    listeners: BTreeMap<u64, Listener>,
    subscriptions: BTreeMap<ByteString, Subscription>,
    last: u64,
    offers: Offers,
    /// Whether the server has no stream on which it would notify of its lists.
    is_silent: bool,
    /// How long an acknowledgement waits for the server's answers.
    acknowledge_within: Duration,
    /// Whether there is a connection.
    linked: bool,
    /// Listeners with pending notifications.
    touched: Vec<u64>,
    /// The earliest time that came to those at which something is due, since [`SubscriptionManager::sooner`] was asked.
    added: Option<Instant>,
    /// Resource updates that were dropped, because no listener, or more than one, could be meant.
    pub(super) dropped_updates: u64,
}

/// What the server declared that it notifies of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) lists: SubscriptionFilter,
    /// Whether single resources can be subscribed to.
    pub(crate) subscribe: bool,
}

impl Offers {
    /// Reads a `DiscoverResult`.
    pub(crate) fn of(discovered: &Raw) -> Self {
        let capabilities = discovered.member("capabilities").unwrap_or(Raw::EMPTY_OBJECT);
        let resources = Members::find(capabilities.as_str(), "resources");
        let subscribe = resources.and_then(|resources| Members::find(resources, "subscribe")) == Some("true");
        Self { lists: SubscriptionFilter::declared(discovered), subscribe }
    }
}

#[derive(Debug)]
struct Listener {
    wants: SubscriptionFilter,
    /// Resources with an open `resources/subscribe`.
    pending: BTreeSet<ByteString>,
    acknowledge_by: Instant,
    acknowledged: bool,
    /// Whether it was promised changes of lists.
    has_lists: bool,
    /// The pending notifications, each once.
    waiting: VecDeque<Notification>,
    over: bool,
}

#[derive(Debug)]
struct Subscription {
    state: State,
    listeners: BTreeSet<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// `resources/subscribe` has no answer yet. `again`: it was held before the connection was lost.
    Asked {
        again: bool,
    },
    Held,
    /// Held though nobody listens: a client that changes what it listens to leaves before it is back.
    Lingering {
        until: Instant,
    },
    /// `resources/unsubscribe` has no answer yet. Who comes meanwhile is subscribed after it, for requests that run
    /// at once may be carried out in either order.
    Ending,
    /// There is no connection.
    Lost,
}

/// A request to the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Subscribe(ByteString),
    Unsubscribe(ByteString),
}

/// How a request to the server ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Done,
    Refused,
    /// No answer came: it may yet be carried out.
    Late,
}

/// The next notification of a listener.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    Change(Notification),
    Nothing,
    Over,
}

/// How long a subscription outlives its last listener.
pub(super) const LINGER: Duration = Duration::from_secs(5);
/// The most resources that one listener hears of; what is beyond is left out of its acknowledgement.
pub(super) const SUBSCRIPTIONS: usize = 1_000;
/// Changes that wait for one listener, beyond one for each thing that it asked for. A server may tell of any number of
/// parts of a resource; beyond this the listener is told of the resource itself.
const PARTS: usize = 256;

impl SubscriptionManager {
    /// The connection is there, or there again.
    ///
    /// `acknowledge_within`: how long an acknowledgement waits for the server's answers.
    pub(super) fn linked(&mut self, offers: Offers, acknowledge_within: Duration) -> Vec<Action> {
        self.linked = true;
        self.acknowledge_within = acknowledge_within;
        (self.offers, self.is_silent) = (offers, false);
        let mut actions = Vec::new();
        for (uri, subscription) in &mut self.subscriptions {
            if subscription.state == State::Lost {
                subscription.state = State::Asked { again: true };
                actions.push(Action::Subscribe(uri.clone()));
            }
        }
        actions
    }

    /// The lists may differ now: subscribed listeners are notified.
    pub(super) fn lists_may_differ(&mut self) {
        for method in [Method::ToolsChanged, Method::PromptsChanged, Method::ResourcesChanged] {
            self.list_changed(&Notification { method, params: Raw::EMPTY_OBJECT });
        }
    }

    /// The connection is gone, and all subscriptions with it.
    pub(super) fn lost(&mut self) {
        self.linked = false;
        self.subscriptions.retain(|_, subscription| {
            subscription.state = State::Lost;
            !subscription.listeners.is_empty()
        });
    }

    /// Somebody listens. Returns its number.
    pub(super) fn open(&mut self, mut wants: SubscriptionFilter, now: Instant) -> (u64, Vec<Action>) {
        self.last += 1;
        let id = self.last;
        let mut actions = Vec::new();
        let mut pending = BTreeSet::new();
        if self.linked && !self.offers.subscribe {
            wants.uris.clear();
        }
        wants.uris.truncate(SUBSCRIPTIONS);
        for uri in &wants.uris {
            let new = || Subscription { state: State::Lost, listeners: BTreeSet::new() };
            let is_new = !self.subscriptions.contains_key(uri);
            let subscription = self.subscriptions.entry(uri.clone()).or_insert_with(new);
            subscription.listeners.insert(id);
            if is_new && self.linked {
                subscription.state = State::Asked { again: false };
                actions.push(Action::Subscribe(uri.clone()));
            }
            match subscription.state {
                State::Held => {}
                State::Lingering { .. } => subscription.state = State::Held,
                State::Asked { .. } | State::Ending | State::Lost => {
                    pending.insert(uri.clone());
                }
            }
        }
        let listener = Listener {
            wants,
            pending,
            acknowledge_by: now + self.acknowledge_within,
            acknowledged: false,
            has_lists: false,
            waiting: VecDeque::new(),
            over: false,
        };
        if !listener.pending.is_empty() {
            self.due(listener.acknowledge_by);
        }
        self.listeners.insert(id, listener);
        self.acknowledge_if_known(id);
        (id, actions)
    }

    fn due(&mut self, at: Instant) {
        self.added = Some(self.added.map_or(at, |earlier| earlier.min(at)));
    }

    /// Removes the listener `id`.
    pub(super) fn close(&mut self, id: u64, now: Instant) {
        let Some(listener) = self.listeners.remove(&id) else { return };
        for uri in listener.wants.uris {
            self.leave(&uri, id, now);
        }
    }

    fn leave(&mut self, uri: &ByteString, id: u64, now: Instant) {
        let Some(subscription) = self.subscriptions.get_mut(uri) else { return };
        subscription.listeners.remove(&id);
        if !subscription.listeners.is_empty() {
            return;
        }
        match subscription.state {
            State::Held => {
                subscription.state = State::Lingering { until: now + LINGER };
                self.due(now + LINGER);
            }
            State::Lost => drop(self.subscriptions.remove(uri)),
            State::Asked { .. } | State::Ending | State::Lingering { .. } => {}
        }
    }

    /// The server answered.
    pub(super) fn answered(&mut self, action: &Action, answer: Answer) -> Option<Action> {
        match action {
            Action::Subscribe(uri) => self.subscribed(uri, answer),
            Action::Unsubscribe(uri) => {
                let subscription = self.subscriptions.get_mut(uri)?;
                if subscription.state != State::Ending {
                    return None;
                }
                if subscription.listeners.is_empty() {
                    self.subscriptions.remove(uri);
                    return None;
                }
                subscription.state = State::Asked { again: false };
                Some(Action::Subscribe(uri.clone()))
            }
        }
    }

    fn subscribed(&mut self, uri: &ByteString, answer: Answer) -> Option<Action> {
        let subscription = self.subscriptions.get_mut(uri)?;
        let State::Asked { again } = subscription.state else { return None };
        let listeners = subscription.listeners.clone();
        match answer {
            Answer::Done if !listeners.is_empty() => {
                subscription.state = State::Held;
                for id in listeners {
                    let Some(listener) = self.listeners.get_mut(&id) else { continue };
                    if listener.pending.remove(uri) {
                        self.acknowledge_if_known(id);
                    } else if again {
                        // What changed while the connection was gone, nobody has told.
                        self.tell(id, updated(uri));
                    }
                }
                None
            }
            Answer::Done | Answer::Late if listeners.is_empty() => {
                subscription.state = State::Ending;
                Some(Action::Unsubscribe(uri.clone()))
            }
            Answer::Done | Answer::Refused | Answer::Late => {
                for id in listeners {
                    self.leave_out(id, uri);
                }
                let late = answer == Answer::Late;
                if late && let Some(subscription) = self.subscriptions.get_mut(uri) {
                    subscription.listeners.clear();
                    subscription.state = State::Ending;
                    return Some(Action::Unsubscribe(uri.clone()));
                }
                self.subscriptions.remove(uri);
                None
            }
        }
    }

    /// The server notifies no more of `uri`: the listeners hear the end of their streams.
    pub(super) fn withdrawn(&mut self, uri: &ByteString) {
        let Some(subscription) = self.subscriptions.remove(uri) else { return };
        for id in subscription.listeners {
            self.leave_out(id, uri);
        }
    }

    /// The server notifies of no list any more. Listeners who were promised some hear the end of their streams: when they come back
    /// they are told what holds.
    pub(super) fn silent(&mut self) {
        self.is_silent = true;
        for (id, listener) in self.listeners.iter_mut().filter(|(_, listener)| listener.has_lists) {
            listener.over = true;
            self.touched.push(*id);
        }
    }

    /// The server does not tell of `uri`. A listener who was promised it hears the end of its stream: when it comes
    /// back it is told what holds.
    fn leave_out(&mut self, id: u64, uri: &ByteString) {
        let Some(listener) = self.listeners.get_mut(&id) else { return };
        listener.wants.uris.retain(|wanted| wanted != uri);
        if listener.pending.remove(uri) {
            self.acknowledge_if_known(id);
        } else {
            listener.over = true;
            self.touched.push(id);
        }
    }

    fn acknowledge_if_known(&mut self, id: u64) {
        let lists = if self.is_silent { SubscriptionFilter::default() } else { self.offers.lists.clone() };
        let Some(listener) = self.listeners.get_mut(&id) else { return };
        if listener.acknowledged || !listener.pending.is_empty() {
            return;
        }
        listener.acknowledged = true;
        // 2026-07-28, subscriptions §Acknowledgment: the server "MUST send `notifications/subscriptions/acknowledged`
        // as the first message".
        let granted = granted(&listener.wants, &lists);
        listener.has_lists = granted.lists().next().is_some();
        let params = granted.params();
        listener.waiting.push_front(Notification { method: Method::Acknowledged, params });
        self.touched.push(id);
    }

    /// The server said something outside any call.
    pub(super) fn said(&mut self, notification: &Notification) {
        if notification.method == Method::ResourceUpdated {
            self.updated(notification);
        } else {
            self.list_changed(notification);
        }
    }

    fn list_changed(&mut self, notification: &Notification) {
        let asked = |listener: &Listener| listener.wants.wants_list(notification.method);
        let listeners = self.listeners.iter().filter(|(_, listener)| asked(listener));
        for id in listeners.map(|(id, _)| *id).collect::<Vec<_>>() {
            self.tell(id, notification.clone());
        }
    }

    /// 2026-07-28, schema `ResourceUpdatedNotificationParams`: "The URI of the resource that has been updated. This
    /// might be a sub-resource of the one that the client actually subscribed to."
    fn updated(&mut self, notification: &Notification) {
        let Some(uri) = notification.params.member("uri").and_then(|uri| uri.as_string()) else { return };
        let mut told = BTreeSet::new();
        let within = |listened: &str| uri::contains(listened, &uri);
        for (_, subscription) in self.subscriptions.iter().filter(|(listened, _)| within(listened)) {
            told.extend(&subscription.listeners);
        }
        if told.is_empty() {
            let mut subscribed =
                self.listeners.iter().filter(|(_, listener)| !listener.wants.uris.is_empty());
            match (subscribed.next(), subscribed.next()) {
                (Some((only, _)), None) => drop(told.insert(*only)),
                _ => self.dropped_updates += 1,
            }
        }
        for id in told {
            self.tell(id, notification.clone());
        }
    }

    fn tell(&mut self, id: u64, mut notification: Notification) {
        let Some(listener) = self.listeners.get_mut(&id) else { return };
        if listener.waiting.len() >= PARTS + listener.wants.uris.len()
            && let Some(uri) = notification.params.member("uri").and_then(|uri| uri.as_string())
            && let Some(listened) = listener.wants.uris.iter().find(|listened| uri::contains(listened, &uri))
        {
            notification = updated(listened);
        }
        if !listener.waiting.iter().any(|waiting| same(waiting, &notification)) {
            listener.waiting.push_back(notification);
        }
        self.touched.push(id);
    }

    /// Returns the next notification of the listener `id`.
    pub(super) fn next(&mut self, id: u64) -> Told {
        let Some(listener) = self.listeners.get_mut(&id) else { return Told::Over };
        if !listener.acknowledged && !listener.over {
            return Told::Nothing;
        }
        match listener.waiting.pop_front() {
            Some(notification) => Told::Change(notification),
            None if listener.over => Told::Over,
            None => Told::Nothing,
        }
    }

    /// Ends every listener's stream.
    pub(super) fn end(&mut self) {
        for (id, listener) in &mut self.listeners {
            listener.over = true;
            self.touched.push(*id);
        }
    }

    /// The time is `now`.
    pub(super) fn at(&mut self, now: Instant) -> Vec<Action> {
        let late = |listener: &Listener| !listener.acknowledged && listener.acknowledge_by <= now;
        let late = self.listeners.iter().filter(|(_, listener)| late(listener)).map(|(id, _)| *id);
        for id in late.collect::<Vec<_>>() {
            let Some(listener) = self.listeners.get_mut(&id) else { continue };
            let pending = std::mem::take(&mut listener.pending);
            listener.wants.uris.retain(|uri| !pending.contains(uri));
            for uri in pending {
                self.leave(&uri, id, now);
            }
            self.acknowledge_if_known(id);
        }
        let mut actions = Vec::new();
        for (uri, subscription) in &mut self.subscriptions {
            if matches!(subscription.state, State::Lingering { until } if until <= now) {
                subscription.state = State::Ending;
                actions.push(Action::Unsubscribe(uri.clone()));
            }
        }
        actions
    }

    /// Whether something came to be due earlier than `at` since this was asked last.
    pub(super) fn sooner(&mut self, at: Option<Instant>) -> bool {
        self.added.take().is_some_and(|added| at.is_none_or(|at| added < at))
    }

    /// When [`SubscriptionManager::at`] is to be called next, if nothing else happens.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        let unacknowledged = self.listeners.values().filter(|listener| !listener.acknowledged);
        let lingering = self.subscriptions.values().filter_map(|subscription| match subscription.state {
            State::Lingering { until } => Some(until),
            _ => None,
        });
        unacknowledged.map(|listener| listener.acknowledge_by).chain(lingering).min()
    }

    /// The listeners with notifications since the last call.
    pub(super) fn touched(&mut self) -> Vec<u64> {
        std::mem::take(&mut self.touched)
    }

    /// Whether there is something new for anyone.
    pub(super) fn has_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// Notifications of the server were missed, and its subscriptions hold: listeners are notified that everything may have
    /// changed.
    pub(super) fn missed(&mut self, is_silent: bool) {
        self.is_silent = is_silent;
        self.lists_may_differ();
        let held = self.subscriptions.iter().filter(|(_, subscription)| subscription.state == State::Held);
        let held: Vec<_> =
            held.map(|(uri, subscription)| (updated(uri), subscription.listeners.clone())).collect();
        for (notification, listeners) in held {
            listeners.into_iter().for_each(|id| self.tell(id, notification.clone()));
        }
    }

    /// How many listen.
    pub(super) fn listeners(&self) -> usize {
        self.listeners.len()
    }

    /// Whether no listener holds the connection.
    pub(super) fn is_idle(&self) -> bool {
        self.listeners.is_empty() && self.subscriptions.is_empty()
    }
}

/// Whether one of the two says all that the other does.
fn same(one: &Notification, other: &Notification) -> bool {
    let uri = |notification: &Notification| notification.params.member("uri");
    one.method == other.method && uri(one) == uri(other)
}

fn updated(uri: &str) -> Notification {
    let params = Splice::new().with("uri", &Raw::string(uri)).finish();
    Notification { method: Method::ResourceUpdated, params }
}

fn granted(wants: &SubscriptionFilter, lists: &SubscriptionFilter) -> SubscriptionFilter {
    SubscriptionFilter {
        tools: wants.tools && lists.tools,
        prompts: wants.prompts && lists.prompts,
        resources: wants.resources && lists.resources,
        uris: wants.uris.clone(),
    }
}
