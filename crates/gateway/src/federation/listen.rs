//! `subscriptions/listen`: changes of the merged lists, and updates of the members' resources.

mod updates;

use std::{sync::Arc, time::Duration};

use anyport_protocol::{Method, Raw, json::Splice, subscription::SubscriptionFilter};
use anyport_service::{Context, Emitter, Event, Notification, Outcome, Reply, Request, emit};
use tokio::time::{Instant, sleep};

use self::updates::Updates;
use super::{
    catalog::CatalogHold, endpoint::Endpoint, list_kind::ListKind, member::MemberEntry,
    served_endpoint::ServedEndpoint, view::View,
};

/// A new listener is notified of changes of this recent time: it may have read the list before.
const RECENTLY: Duration = Duration::from_secs(60);
/// Changes come together, such as those of several lists of a member that was replaced.
const SETTLE: Duration = Duration::from_millis(50);

/// Answers `subscriptions/listen`.
pub(super) fn reply(served: &Arc<ServedEndpoint>, request: Request, context: Context) -> Reply {
    let filter = match SubscriptionFilter::read(request.params.raw()) {
        Ok(filter) => filter,
        Err(error) => return Reply::error(error),
    };
    let served = served.clone();
    emit::reply(|emitter| async move {
        let listener = Listener::new(&served, &filter, context.clone(), false);
        if !filter.uris.is_empty() && listener.endpoint.shared.enforcement().is_some() {
            // Under rules, the lists say what there is to subscribe to.
            let wait = listener.endpoint.shared.limits.first_list_wait;
            for kind in [ListKind::Resources, ListKind::Templates] {
                listener.view.first(kind, wait).await;
            }
        }
        let updates = Updates::start(&listener.endpoint, &listener.view, &filter.uris, &context);
        listener.acknowledge(filter, updates, &emitter).await
    })
}

/// Answers `subscriptions/listen` for a federation whose only member receives every request as it is, as long as that is
/// so.
pub(super) fn reply_of_sole(
    served: &Arc<ServedEndpoint>,
    sole: &Arc<MemberEntry>,
    request: Request,
    context: Context,
) -> Reply {
    let filter = SubscriptionFilter::read(request.params.raw()).unwrap_or_default();
    let (served, sole) = (served.clone(), sole.clone());
    emit::reply(|emitter| async move {
        let mut changes = served.shared.watch();
        let mut is_searched = served.endpoint().is_searched;
        let mut reply = sole.core.service.call(request, context.clone());
        let mut is_acknowledged = false;
        let is_sole = |now: &Endpoint| now.sole().is_some_and(|now| Arc::ptr_eq(&now.core, &sole.core));
        loop {
            let now = served.endpoint();
            if !is_sole(&now) {
                break;
            }
            if std::mem::replace(&mut is_searched, now.is_searched) != now.is_searched
                && is_acknowledged
                && filter.lists().any(|list| list == Method::ToolsChanged)
            {
                let change = Notification { method: Method::ToolsChanged, params: Raw::EMPTY_OBJECT };
                emitter.emit(Event::Notification(change)).await;
            }
            tokio::select! {
                event = reply.next() => match event {
                    Event::Outcome(outcome) => return outcome,
                    event => {
                        is_acknowledged = true;
                        emitter.emit(event).await;
                    }
                },
                _ = changes.changed() => {}
                () = served.ended() => return end(&now),
            }
        }
        drop(reply);
        // The member is not alone any more, or another one. Its resources have other URIs now.
        let filter = SubscriptionFilter { uris: Vec::new(), ..filter };
        let listener = Listener::new(&served, &filter, context.clone(), true);
        let updates = Updates::start(&listener.endpoint, &listener.view, &[], &context);
        match is_acknowledged {
            true => listener.run(updates, &emitter).await,
            false => listener.acknowledge(filter, updates, &emitter).await,
        }
    })
}

/// The end of a listen stream.
///
/// 2026-07-28, subscriptions §Graceful Closure: the server SHOULD "respond to the original `subscriptions/listen` request
/// with a completion result".
fn end(endpoint: &Endpoint) -> Outcome {
    let end = Splice::new().with("resultType", &Raw::string("complete"));
    Outcome::Result(end.with("_meta", &endpoint.meta).finish())
}

/// One listener.
struct Listener {
    served: Arc<ServedEndpoint>,
    endpoint: Arc<Endpoint>,
    context: Context,
    view: Arc<View>,
    /// The requested list-changed notifications.
    lists: Vec<Method>,
    /// The versions of the lists, by the numbers of their kinds, that the listener was notified of.
    notified: [u64; 4],
    holds: (u64, Vec<CatalogHold>),
}

impl Listener {
    /// A listener, which is notified of recent changes; of all lists, if they `are_others`.
    fn new(
        served: &Arc<ServedEndpoint>,
        filter: &SubscriptionFilter,
        context: Context,
        are_others: bool,
    ) -> Self {
        let endpoint = served.endpoint();
        let view = endpoint.view(&context);
        let lists: Vec<Method> = filter.lists().collect();
        // Only of a list that was read it is known when it changes.
        for kind in ListKind::ALL.into_iter().filter(|kind| lists.contains(&kind.change())) {
            view.request(kind);
        }
        let begun = Instant::now();
        let notified = ListKind::ALL.map(|kind| {
            let version = view.version(kind);
            let is_recent = version.changed.is_some_and(|at| at + RECENTLY >= begun);
            if is_recent || are_others { version.number.wrapping_sub(1) } else { version.number }
        });
        let holds = (endpoint.shared.members().generation, view.hold());
        Self { served: served.clone(), endpoint, context, view, lists, notified, holds }
    }

    /// Acknowledges what holds, once the members have, and notifies of changes until the federation closes.
    async fn acknowledge(
        self,
        filter: SubscriptionFilter,
        mut updates: Updates,
        emitter: &Emitter,
    ) -> Outcome {
        let wait = self.endpoint.shared.limits.subscribe_wait;
        // 2026-07-28, subscriptions §Acknowledgment: "the subset the server agreed to honor".
        let uris = updates.granted(filter.uris.clone(), wait).await;
        let granted = SubscriptionFilter { uris, ..filter };
        let acknowledged = Notification { method: Method::Acknowledged, params: granted.params() };
        emitter.emit(Event::Notification(acknowledged)).await;
        self.run(updates, emitter).await
    }

    async fn run(mut self, mut updates: Updates, emitter: &Emitter) -> Outcome {
        let served = self.served.clone();
        let mut changes = served.shared.watch();
        loop {
            changes.borrow_and_update();
            self.follow_endpoint(&mut updates);
            self.follow_members(&mut updates);
            for method in self.due() {
                let change = Notification { method, params: Raw::EMPTY_OBJECT };
                emitter.emit(Event::Notification(change)).await;
            }
            let is_changed = tokio::select! {
                update = updates.next() => {
                    if self.offers(&update) {
                        emitter.emit(Event::Notification(update)).await;
                    }
                    false
                }
                _ = changes.changed() => true,
                () = served.ended() => return end(&self.endpoint),
            };
            if is_changed {
                sleep(SETTLE).await;
            }
        }
    }

    /// The list-changed notifications that are due.
    fn due(&mut self) -> Vec<Method> {
        let mut due = Vec::new();
        for kind in ListKind::ALL {
            let change = kind.change();
            if !self.lists.contains(&change) {
                continue;
            }
            let version = self.view.version(kind).number;
            if std::mem::replace(&mut self.notified[kind as usize], version) != version
                && !due.contains(&change)
            {
                due.push(change);
            }
        }
        due
    }

    /// Whether its client may use the resource of an update.
    fn offers(&self, update: &Notification) -> bool {
        let uri = update.params.member("uri").and_then(|uri| uri.decode::<String>().ok());
        uri.is_some_and(|uri| self.view.offers(&uri) && self.may_read(&uri))
    }

    /// Whether the policy of now lets its client read a resource.
    fn may_read(&self, uri: &str) -> bool {
        let Some(policy) = self.endpoint.shared.enforcement() else { return true };
        match self.endpoint.resource(&self.view, uri) {
            Ok(Some(target)) => policy.may_read(&target.member, &target.own, &self.context),
            _ => false,
        }
    }

    /// Follows the endpoint of now, if it was replaced. A list is due if it is another one for clients.
    fn follow_endpoint(&mut self, updates: &mut Updates) {
        let now = self.served.endpoint();
        if Arc::ptr_eq(&now, &self.endpoint) {
            return;
        }
        let view = now.view(&self.context);
        for kind in ListKind::ALL {
            let known = self.view.version(kind).number == self.notified[kind as usize];
            let is_same = known && view.merged(kind).is_same_as(&self.view.merged(kind));
            let is_presented_alike = kind != ListKind::Tools || now.is_searched == self.endpoint.is_searched;
            let version = view.version(kind).number;
            self.notified[kind as usize] = match is_same && is_presented_alike {
                true => {
                    view.note_served_like(&self.view, kind);
                    version
                }
                false => version.wrapping_sub(1),
            };
        }
        self.holds = (now.shared.members().generation, view.hold());
        updates.retain_offered(&view);
        (self.endpoint, self.view) = (now, view);
    }

    /// Follows the members of now, if they were replaced.
    fn follow_members(&mut self, updates: &mut Updates) {
        let generation = self.endpoint.shared.members().generation;
        if self.holds.0 == generation {
            return;
        }
        self.holds = (generation, self.view.hold());
        for kind in ListKind::ALL.into_iter().filter(|kind| self.lists.contains(&kind.change())) {
            self.view.request(kind);
        }
        updates.follow(&self.endpoint, &self.view);
    }
}
