//! Updates of resources, from every member that has one of them.

use std::{collections::HashMap, sync::Arc, time::Duration};

use anyport_protocol::{Method, Raw, json::Splice, subscription::SubscriptionFilter};
use anyport_service::{Backoff, Context, Event, Notification, Outcome, Request};
use bytestring::ByteString;
use tokio::{
    sync::mpsc,
    task::AbortHandle,
    time::{Instant, sleep, timeout_at},
};

use crate::federation::{
    definition::exposed_uri,
    endpoint::{Endpoint, Target},
    list_kind::ListKind,
    member::MemberEntry,
    merged::Route,
    uris::UriAlias,
    view::View,
};

/// The pause before a member is listened to again that has ended the stream.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(30) };
/// The updates of all members that wait for the listener.
const ROOM: usize = 16;

/// The subscriptions of one listener, at all members. They end with this value.
pub(super) struct Updates {
    context: Context,
    followed: Vec<Followed>,
    /// URIs that are acknowledged whatever their member says, since it would tell those that a rule hides from those that do not exist.
    promised: Vec<ByteString>,
    sender: mpsc::Sender<Said>,
    receiver: mpsc::Receiver<Said>,
}

/// The subscriptions at one member.
struct Followed {
    member: Arc<MemberEntry>,
    /// What clients call each URI, by what the member calls it.
    uris: HashMap<ByteString, ByteString>,
    is_acknowledged: bool,
    task: AbortHandle,
}

/// What a member says.
enum Said {
    /// It has agreed to notify of these URIs; to none, if it refused.
    Acknowledged(Arc<MemberEntry>, Vec<ByteString>),
    /// A resource has changed: the params of the notification, with the URI that clients use.
    Updated(Raw),
}

impl Drop for Followed {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Updates {
    /// Subscribes to `uris` at the members that have them.
    pub(super) fn start(endpoint: &Endpoint, view: &View, uris: &[ByteString], context: &Context) -> Self {
        let (sender, receiver) = mpsc::channel(ROOM);
        let mut updates =
            Self { context: context.clone(), followed: Vec::new(), promised: Vec::new(), sender, receiver };
        let max = endpoint.shared.limits.max_subscriptions;
        updates.subscribe(endpoint, view, uris.iter().take(max).cloned().collect(), false);
        updates
    }

    /// Waits for the acknowledgements of the members, up to `wait`. Returns those of `uris` that were granted; members that
    /// are late are given up.
    pub(super) async fn granted(&mut self, uris: Vec<ByteString>, wait: Duration) -> Vec<ByteString> {
        let until = Instant::now().checked_add(wait);
        let mut granted: Vec<ByteString> = Vec::new();
        while self.followed.iter().any(|followed| !followed.is_acknowledged) {
            let said = match until {
                Some(until) => timeout_at(until, self.receiver.recv()).await.ok().flatten(),
                None => self.receiver.recv().await,
            };
            match said {
                Some(Said::Acknowledged(member, own)) => self.acknowledged(&member, &own, &mut granted),
                // An update from before our own acknowledgement: the client reads the resource after that.
                Some(Said::Updated(_)) => {}
                None => break,
            }
        }
        self.followed.retain(|followed| followed.is_acknowledged);
        uris.into_iter().filter(|uri| granted.contains(uri) || self.promised.contains(uri)).collect()
    }

    fn acknowledged(&mut self, member: &Arc<MemberEntry>, own: &[ByteString], granted: &mut Vec<ByteString>) {
        let of_member = self.followed.iter_mut().find(|followed| Arc::ptr_eq(&followed.member, member));
        let Some(followed) = of_member else { return };
        followed.is_acknowledged = true;
        granted.extend(own.iter().filter_map(|own| followed.uris.get(own)).cloned());
        if own.is_empty() {
            self.followed.retain(|followed| !Arc::ptr_eq(&followed.member, member));
        }
    }

    /// The next update.
    pub(super) async fn next(&mut self) -> Notification {
        loop {
            match self.receiver.recv().await {
                Some(Said::Updated(params)) => {
                    return Notification { method: Method::ResourceUpdated, params };
                }
                Some(Said::Acknowledged(..)) => {}
                // There is a sender in this value.
                None => std::future::pending::<()>().await,
            }
        }
    }

    /// Follows no member any more of which callers of `view` may use no resource that was subscribed to.
    pub(super) fn retain_offered(&mut self, view: &View) {
        self.followed.retain(|followed| followed.uris.values().any(|uri| view.offers(uri)));
    }

    /// Follows the members of now: those that are gone no longer, and those in their place from now on.
    pub(super) fn follow(&mut self, endpoint: &Endpoint, view: &View) {
        let members = endpoint.shared.members();
        let is_there = |member: &MemberEntry| {
            members
                .entries
                .iter()
                .any(|entry| Arc::ptr_eq(&entry.core, &member.core) && entry.alias == member.alias)
        };
        let (stay, gone) =
            std::mem::take(&mut self.followed).into_iter().partition(|one| is_there(&one.member));
        self.followed = stay;
        let uris = gone.iter().flat_map(|one: &Followed| one.uris.values().cloned()).collect();
        self.subscribe(endpoint, view, uris, true);
    }

    /// Subscribes to `uris`. `was_granted`: they were granted before by another member.
    fn subscribe(&mut self, endpoint: &Endpoint, view: &View, uris: Vec<ByteString>, was_granted: bool) {
        let mut members: Vec<(Arc<MemberEntry>, HashMap<ByteString, ByteString>)> = Vec::new();
        for uri in uris {
            let Ok(Some(Target { member, own, .. })) = endpoint.resource(view, &uri) else { continue };
            if !was_granted && !self.may_exist(endpoint, view, (&uri, &own), &member) {
                continue;
            }
            // Who may not read them does not hear of them either.
            let may_read = member.naming.check_resource(&own, self.context.authorization()).is_ok()
                && endpoint
                    .shared
                    .enforcement()
                    .is_none_or(|policy| policy.may_read(&member, &own, &self.context));
            if !may_read {
                continue;
            }
            match members.iter_mut().find(|(other, _)| Arc::ptr_eq(other, &member)) {
                Some((_, uris)) => _ = uris.insert(own, uri),
                None => members.push((member, HashMap::from([(own, uri)]))),
            }
        }
        self.spawn(members, was_granted);
    }

    /// Whether a resource may exist, as far as its caller may know: under rules, it is listed or looks like one of a template. Of the latter
    /// it stays open whether they exist.
    fn may_exist(
        &mut self,
        endpoint: &Endpoint,
        view: &View,
        (uri, own): (&ByteString, &ByteString),
        member: &MemberEntry,
    ) -> bool {
        let Some(policy) = endpoint.shared.enforcement() else { return true };
        let (upstream, context) = (&*member.core.name, &self.context);
        let is_listed = matches!(view.route(ListKind::Resources, uri), Ok(Some(_)));
        if is_listed && !policy.hides(ListKind::Resources, (uri, own), upstream, context) {
            return true;
        }
        let is_shown = |template: &Route| {
            let (names, upstream) = ((&*template.name, &*template.own), &*template.member.core.name);
            !policy.hides(ListKind::Templates, names, upstream, context)
        };
        let has_template = view.templates_like(uri).iter().any(is_shown);
        self.promised.extend(has_template.then(|| uri.clone()));
        has_template
    }

    fn spawn(
        &mut self,
        members: Vec<(Arc<MemberEntry>, HashMap<ByteString, ByteString>)>,
        was_granted: bool,
    ) {
        for (member, uris) in members {
            let own = uris.keys().cloned().collect();
            let stream =
                Stream { member: member.clone(), own, sender: self.sender.clone(), is_first: !was_granted };
            let task = tokio::spawn(stream.run(self.context.clone())).abort_handle();
            self.followed.push(Followed { member, uris, is_acknowledged: was_granted, task });
        }
    }
}

/// The listen stream at one member, and those after it.
struct Stream {
    member: Arc<MemberEntry>,
    own: Vec<ByteString>,
    sender: mpsc::Sender<Said>,
    /// Whether the member has not acknowledged the subscriptions yet.
    is_first: bool,
}

impl Stream {
    async fn run(mut self, context: Context) {
        let mut failures = 0;
        loop {
            let outcome = self.listen(context.clone()).await;
            self.member.core.health.note(&outcome);
            if self.is_first {
                self.say(Said::Acknowledged(self.member.clone(), Vec::new())).await;
                return;
            }
            sleep(AGAIN.after(failures)).await;
            failures += 1;
        }
    }

    async fn listen(&mut self, context: Context) -> Outcome {
        let filter = SubscriptionFilter { uris: self.own.clone(), ..SubscriptionFilter::default() };
        let request = Request::new(Method::Listen, filter.params());
        let mut reply = self.member.core.service.call(request, context);
        loop {
            match reply.next().await {
                Event::Notification(one) if one.method == Method::Acknowledged => {
                    let granted = SubscriptionFilter::read(&one.params).unwrap_or_default();
                    self.acknowledged(granted.uris).await;
                }
                Event::Notification(one) if one.method == Method::ResourceUpdated => {
                    self.member.core.answers.forget();
                    self.say(Said::Updated(exposed_uri(&one.params, "uri", &self.member.alias))).await;
                }
                Event::Outcome(outcome) => return outcome,
                _ => {}
            }
        }
    }

    /// The resources may have changed while nobody listened.
    async fn acknowledged(&mut self, granted: Vec<ByteString>) {
        if std::mem::take(&mut self.is_first) {
            self.own = granted.clone();
            return self.say(Said::Acknowledged(self.member.clone(), granted)).await;
        }
        self.member.core.answers.forget();
        for own in granted {
            self.say(Said::Updated(updated(&own, &self.member.alias))).await;
        }
    }

    async fn say(&self, said: Said) {
        // The listener is gone, and with it this task, soon.
        let _ = self.sender.send(said).await;
    }
}

/// The params of the notification that a resource has changed.
fn updated(own: &str, alias: &UriAlias) -> Raw {
    Splice::new().with("uri", &Raw::string(&alias.exposed(own))).finish()
}
