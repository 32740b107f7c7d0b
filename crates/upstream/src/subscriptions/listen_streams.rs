//! The streams of `subscriptions/listen` that legacy sessions share.
//!
//! A legacy session wants notifications without a request of its own. A stream for each of them would hold a connection to the
//! server for each, however idle it is.

use std::{
    collections::BTreeSet,
    sync::{Arc, MutexGuard},
    time::Duration,
};

use anyport_protocol::{
    Error, Method, Raw, failure::Failure, jsonrpc::Reason, subscription::SubscriptionFilter,
};
use anyport_service::{Context, Event, Notification, Outcome, Relay, Reply, Request, Service, sync::Lock};
use bytestring::ByteString;
use tokio::{
    sync::{Notify, watch},
    task::{AbortHandle, JoinSet},
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

use super::{
    interruption::{gone, is_outdated, is_transient, meanwhile},
    listen::{ANSWER_WITHIN, Listen},
    manager::SUBSCRIPTIONS,
};
use crate::{UpstreamLimits, deferred::deferred, limits::HEALTHY};

/// The streams that the listeners of one connection to a modern server share, and those of its replacements.
///
/// The first stream has the changes of lists, and each has up to 1,000 resources. As a [`Service`] it takes the
/// `resources/subscribe` and `resources/unsubscribe` of a [`Listen`]: they widen and narrow the filter of a stream, which is
/// replaced by one with the new filter.
#[derive(Clone)]
pub(crate) struct ListenStreams(Arc<Lock<Inner>>);

struct Inner {
    limits: UpstreamLimits,
    /// The legacy sessions that listen.
    listeners: usize,
    /// The connection, while there is one.
    link: Option<StreamLink>,
    /// The number of connections so far, which is that of the last one.
    links: u64,
    streams: Vec<ListenStream>,
    /// Whether there was a connection before: its listeners have missed what was said meanwhile.
    is_replaced: bool,
}

/// A connection to a modern server, and where its notifications go.
#[derive(Clone)]
pub(crate) struct StreamLink {
    /// The server, which takes requests to listen.
    pub(crate) service: Arc<dyn Service>,
    /// The context of these requests.
    pub(crate) context: Context,
    /// The lists whose changes the server notifies of.
    pub(crate) lists: SubscriptionFilter,
    /// The receiver of the notifications.
    pub(crate) listen: Listen,
    /// Notified when the server no longer speaks the revision of the connection.
    pub(crate) outdated: Arc<Notify>,
}

/// A stream, and the task that keeps it open.
struct ListenStream {
    wanted: watch::Sender<Wanted>,
    status: watch::Receiver<Status>,
    task: AbortHandle,
}

impl Drop for ListenStream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// The filter that a stream is to have.
#[derive(Clone, Debug, Default)]
struct Wanted {
    lists: Option<SubscriptionFilter>,
    uris: BTreeSet<ByteString>,
    /// Counts what was asked for; [`Status::settled`] says up to where that is settled.
    version: u64,
}

impl Wanted {
    fn is_empty(&self) -> bool {
        self.lists.is_none() && self.uris.is_empty()
    }

    fn filter(&self) -> SubscriptionFilter {
        let lists = self.lists.clone().unwrap_or_default();
        SubscriptionFilter { uris: self.uris.iter().cloned().collect(), ..lists }
    }
}

/// What has become of the filter that a stream is to have.
#[derive(Clone, Debug, Default)]
struct Status {
    /// The version of [`Wanted`] that this is about.
    settled: u64,
    /// The resources that the server notifies of.
    granted: Arc<BTreeSet<ByteString>>,
    /// Why there is no stream, if there is none.
    failure: Option<Outcome>,
}

impl ListenStreams {
    pub(crate) fn new(limits: UpstreamLimits) -> Self {
        let streams = Vec::new();
        let inner = Inner { limits, listeners: 0, link: None, links: 0, streams, is_replaced: false };
        Self(Arc::new(Lock::new(inner)))
    }

    /// Opens the streams on the connection `link`. Returns its number, for [`ListenStreams::lost`].
    pub(crate) fn linked(&self, link: StreamLink) -> u64 {
        let mut inner = self.lock();
        inner.link = Some(link);
        inner.links += 1;
        inner.is_replaced = inner.links > 1;
        let old = std::mem::take(&mut inner.streams);
        if inner.listeners > 0 {
            inner.ask();
        }
        let number = inner.links;
        drop(inner);
        drop(old);
        number
    }

    /// Closes the streams of the connection with the number `link`, which is gone. Nothing happens if another one is in its
    /// place already.
    pub(crate) fn lost(&self, link: u64) {
        let inner = self.lock();
        if inner.links == link {
            Inner::unlink(inner);
        }
    }

    /// Closes the streams of the last connection, which is gone.
    pub(crate) fn lost_last(&self) {
        Inner::unlink(self.lock());
    }

    /// Answers the `subscriptions/listen` of a legacy session from the streams.
    pub(crate) fn listen(&self, listen: &Listen, request: &Request) -> Reply {
        let (guard, params) = (ListenerGuard::of(self), request.params.raw().clone());
        let (streams, listen) = (self.clone(), listen.clone());
        let reply = deferred(async move {
            // Changes before the acknowledgement of the server would be missed.
            match streams.ready().await {
                Ok(()) => listen.open(&params),
                Err(outcome) => Reply::ready(outcome),
            }
        });
        reply.relay(guard)
    }

    /// Completes when the stream with the changes of lists is open.
    async fn ready(&self) -> Result<(), Outcome> {
        let settled = {
            let mut inner = self.lock();
            // It never changes its lists.
            if inner.link.as_ref().is_some_and(|link| link.lists.is_empty()) {
                return Ok(());
            }
            inner.ask()
        };
        match settled {
            Some(settled) => settled.wait().await.failure.map_or(Ok(()), Err),
            None => Err(gone().into()),
        }
    }

    fn subscribe(&self, uri: ByteString) -> Reply {
        let settled = self.lock().add(uri.clone());
        let streams = self.clone();
        Reply::future(async move {
            let Some(settled) = settled else { return gone().into() };
            let status = settled.wait().await;
            if status.failure.is_none() && status.granted.contains(&uri) {
                return Outcome::Result(Raw::EMPTY_OBJECT);
            }
            streams.lock().remove(&uri);
            let refused = || Error::invalid_params(format!("cannot subscribe to {uri:.256}")).into();
            status.failure.unwrap_or_else(refused)
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock()
    }
}

impl Service for ListenStreams {
    fn call(&self, request: Request, _: Context) -> Reply {
        let uri = request.params.member("uri").and_then(|uri| uri.as_string()).unwrap_or_default();
        if request.known() == Some(Method::Subscribe) {
            return self.subscribe(uri);
        }
        self.lock().remove(&uri);
        Reply::ready(Ok(Raw::EMPTY_OBJECT))
    }
}

/// A legacy session that listens.
struct ListenerGuard(ListenStreams);

impl ListenerGuard {
    fn of(streams: &ListenStreams) -> Self {
        streams.lock().listeners += 1;
        Self(streams.clone())
    }
}

/// The streams are kept for as long as the reply of the listener is read.
impl Relay for ListenerGuard {}

impl Drop for ListenerGuard {
    fn drop(&mut self) {
        let mut inner = self.0.lock();
        inner.listeners -= 1;
        inner.close_unused();
    }
}

/// Waits until a stream has settled what was asked for.
struct Settled {
    status: watch::Receiver<Status>,
    version: u64,
}

impl Settled {
    async fn wait(mut self) -> Status {
        let version = self.version;
        match self.status.wait_for(|status| status.settled >= version).await {
            Ok(status) => status.clone(),
            Err(_) => Status { failure: Some(gone().into()), ..Status::default() },
        }
    }
}

impl Inner {
    fn unlink(mut inner: MutexGuard<'_, Self>) {
        inner.link = None;
        let streams = std::mem::take(&mut inner.streams);
        drop(inner);
        drop(streams);
    }

    /// Asks for the changes of lists on the first stream. `None` if there is no connection.
    fn ask(&mut self) -> Option<Settled> {
        let lists = self.link.as_ref()?.lists.clone();
        if self.streams.is_empty() {
            self.open()?;
        }
        let first = self.streams.first()?;
        Some(first.change(|wanted| {
            wanted.lists = Some(lists).filter(|lists| !lists.is_empty());
        }))
    }

    /// Adds a resource to a stream with room for it.
    fn add(&mut self, uri: ByteString) -> Option<Settled> {
        let holds = |stream: &ListenStream| stream.wanted.borrow().uris.contains(&uri);
        let has_room = |stream: &ListenStream| stream.wanted.borrow().uris.len() < SUBSCRIPTIONS;
        let place = self.streams.iter().position(holds).or_else(|| self.streams.iter().position(has_room));
        let place = match place {
            Some(place) => place,
            None => self.open()?,
        };
        let stream = self.streams.get(place)?;
        Some(stream.change(|wanted| {
            wanted.uris.insert(uri);
        }))
    }

    fn remove(&mut self, uri: &ByteString) {
        self.streams.iter().for_each(|stream| {
            stream.wanted.send_if_modified(|wanted| wanted.uris.remove(uri));
        });
        self.close_unused();
    }

    /// Closes the streams that are not needed.
    fn close_unused(&mut self) {
        // Not before resources that linger are gone: the stream would be replaced by one without the lists for a moment.
        if self.listeners == 0
            && let Some(first) = self.streams.first()
        {
            first.wanted.send_if_modified(|wanted| wanted.uris.is_empty() && wanted.lists.take().is_some());
        }
        self.forget_empty();
    }

    /// Forgets the streams at the end that have nothing to say: the first one stays the first.
    fn forget_empty(&mut self) {
        while self.streams.last().is_some_and(|stream| stream.wanted.borrow().is_empty()) {
            self.streams.pop();
        }
    }

    /// Begins a stream, and returns its place.
    fn open(&mut self) -> Option<usize> {
        let link = self.link.clone()?;
        let (wanted, wants) = watch::channel(Wanted::default());
        let (settles, status) = watch::channel(Status::default());
        // Resources are subscribed to again by the listeners' manager, which notifies of them.
        let missed =
            if self.is_replaced && self.streams.is_empty() { Missed::Lists } else { Missed::Nothing };
        self.is_replaced = false;
        let keeper = Keeper {
            link,
            limits: self.limits,
            wants,
            settles,
            open: None,
            denied: BTreeSet::new(),
            granted: Arc::default(),
            missed,
            attempts: 0,
            rest: JoinSet::new(),
        };
        let task = tokio::spawn(keeper.run()).abort_handle();
        self.streams.push(ListenStream { wanted, status, task });
        Some(self.streams.len() - 1)
    }
}

impl ListenStream {
    fn change(&self, change: impl FnOnce(&mut Wanted)) -> Settled {
        self.wanted.send_modify(|wanted| {
            change(wanted);
            wanted.version += 1;
        });
        Settled { status: self.status.clone(), version: self.wanted.borrow().version }
    }
}

/// Keeps one stream open with the filter that it is to have.
struct Keeper {
    link: StreamLink,
    limits: UpstreamLimits,
    wants: watch::Receiver<Wanted>,
    settles: watch::Sender<Status>,
    open: Option<OpenStream>,
    /// The resources among the wanted ones that the server has refused.
    denied: BTreeSet<ByteString>,
    /// The resources that the server agreed to on the last stream that was open.
    granted: Arc<BTreeSet<ByteString>>,
    missed: Missed,
    /// How often in a row the stream ended soon or could not be opened.
    attempts: u32,
    /// Reads the stream before the open one to its end.
    rest: JoinSet<()>,
}

struct OpenStream {
    reply: Reply,
    /// What is wanted of it and not refused.
    filter: SubscriptionFilter,
    since: Instant,
}

/// The changes that may have been missed while no stream was open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Missed {
    Nothing,
    Lists,
    Everything,
}

impl Keeper {
    /// Ends when nobody asks for the stream any more.
    async fn run(mut self) {
        loop {
            let wanted = self.wanted();
            let filter = wanted.filter();
            if wanted.is_empty() {
                (self.open, self.granted) = (None, Arc::default());
                (self.missed, self.attempts) = (Missed::Nothing, 0);
            } else if !self.is_open_with(&filter) {
                self.replace(filter, wanted.version).await;
                // What is wanted may be more by now, and the version above is of the past.
                continue;
            }
            self.settle(wanted.version, None);
            if !self.read().await {
                return;
            }
        }
    }

    /// The wanted filter without the resources that the server has refused.
    fn wanted(&mut self) -> Wanted {
        let mut wanted = self.wants.borrow_and_update().clone();
        // Whoever wants a resource again asks the server again.
        self.denied.retain(|uri| wanted.uris.contains(uri));
        wanted.uris.retain(|uri| !self.denied.contains(uri));
        wanted
    }

    fn is_open_with(&self, filter: &SubscriptionFilter) -> bool {
        self.open.as_ref().is_some_and(|open| open.filter == *filter)
    }

    fn settle(&self, version: u64, failure: Option<Outcome>) {
        let granted = self.granted.clone();
        self.settles.send_replace(Status { settled: version, granted, failure });
    }

    /// Passes on what the stream says until something else is wanted, or the stream has ended. Returns `false` if nobody can
    /// want anything any more.
    async fn read(&mut self) -> bool {
        loop {
            let Some(open) = &mut self.open else { return self.wants.changed().await.is_ok() };
            tokio::select! {
                changed = self.wants.changed() => return changed.is_ok(),
                event = open.reply.next() => match event {
                    Event::Notification(notification) => self.link.listen.said(&notification),
                    Event::Outcome(outcome) => {
                        tracing::debug!(?outcome, "the stream of notifications has ended");
                        let is_healthy = open.since.elapsed() >= HEALTHY;
                        self.attempts = if is_healthy { 1 } else { self.attempts + 1 };
                        (self.open, self.missed) = (None, Missed::Everything);
                        self.pause(&outcome).await;
                        return true;
                    }
                    _ => {}
                },
            }
        }
    }

    /// Waits before the next attempt. Who asks meanwhile learns why there is no stream.
    async fn pause(&mut self, failure: &Outcome) {
        let due = sleep_until(Instant::now() + self.limits.backoff_after(self.attempts));
        tokio::pin!(due);
        let failure = match failure {
            Outcome::Error(_) | Outcome::Failed(_) => failure.clone(),
            _ => gone().into(),
        };
        loop {
            tokio::select! {
                () = &mut due => return,
                changed = self.wants.changed() => {
                    let wanted = self.wants.borrow_and_update().clone();
                    if changed.is_err() || wanted.is_empty() {
                        return;
                    }
                    self.settle(wanted.version, Some(failure.clone()));
                }
            }
        }
    }

    /// Opens a stream with `filter` in place of the one that is open, and settles what was asked for up to `version`, unless
    /// something else is wanted by now.
    ///
    /// 2026-07-28 has no message that changes a filter: the old stream is closed after the new one was acknowledged.
    async fn replace(&mut self, mut filter: SubscriptionFilter, mut version: u64) {
        if self.open.is_some() {
            // Many sessions that come at once are one change.
            sleep(BATCH_WINDOW).await;
            let wanted = self.wanted();
            (filter, version) = (wanted.filter(), wanted.version);
            if wanted.is_empty() || self.is_open_with(&filter) {
                return;
            }
        }
        let request = Request::new(Method::Listen, filter.params());
        let mut reply = self.link.service.call(request, self.link.context.clone());
        let late = || {
            let why = "the server has not acknowledged a subscription in time";
            Err(Failure::InvalidPeer(why.to_owned()).into())
        };
        match timeout(ANSWER_WITHIN, self.acknowledged(&mut reply)).await.unwrap_or_else(|_| late()) {
            Ok(acknowledged) => {
                let old = self.open.take();
                self.opened(reply, filter, &acknowledged);
                self.settle(version, None);
                if let Some(old) = old {
                    self.read_rest(old.reply).await;
                }
            }
            // Nothing more comes on this connection, which is replaced.
            Err(outcome) if is_outdated(&outcome) => {
                self.link.outdated.notify_one();
                self.failed(version, gone().into()).await;
            }
            // The server refuses the resources that are new, whatever else it says.
            Err(outcome) if !is_transient(&outcome) && self.deny_new(&filter) => {}
            Err(outcome) => self.failed(version, outcome).await,
        }
    }

    /// There is no stream for what was asked for up to `version`, because of `outcome`. Waits before the next attempt.
    async fn failed(&mut self, version: u64, outcome: Outcome) {
        self.attempts += 1;
        self.settle(version, Some(outcome.clone()));
        self.pause(&outcome).await;
    }

    /// The filter that the server acknowledges on a new stream. The old one is read meanwhile.
    async fn acknowledged(&mut self, reply: &mut Reply) -> Result<SubscriptionFilter, Outcome> {
        loop {
            let old = async {
                match &mut self.open {
                    Some(open) => open.reply.next().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = reply.next() => match event {
                    Event::Notification(first) if first.method == Method::Acknowledged => {
                        return Ok(SubscriptionFilter::read(&first.params).unwrap_or_default());
                    }
                    Event::Outcome(outcome @ (Outcome::Error(_) | Outcome::Failed(_))) => return Err(outcome),
                    Event::Outcome(_) => {
                        let why = "the server did not acknowledge the subscription";
                        return Err(Error::internal(why).with_reason(Reason::InvalidUpstream).into());
                    }
                    _ => {}
                },
                event = old => match event {
                    Event::Notification(notification) => self.link.listen.said(&notification),
                    Event::Outcome(_) => (self.open, self.missed) = (None, Missed::Everything),
                    _ => {}
                },
            }
        }
    }

    /// Counts the resources of `filter` as refused that the stream which is open does not have. Returns `false` if there are
    /// none.
    fn deny_new(&mut self, filter: &SubscriptionFilter) -> bool {
        let Some(open) = &self.open else { return false };
        let new = filter.uris.iter().filter(|uri| !open.filter.uris.contains(uri));
        let denied = self.denied.len();
        self.denied.extend(new.cloned());
        self.denied.len() > denied
    }

    /// Passes on what was said on a stream before the one in its place was acknowledged: over HTTP, each has a connection of its own, and
    /// what was said first may come last. The new stream waits for [`REST`], in which nearly all of it comes.
    async fn read_rest(&mut self, mut old: Reply) {
        let (listen, begun) = (self.link.listen.clone(), Instant::now());
        pass_on(&mut old, &listen, begun + REST).await;
        // Of all the streams before, one is read: servers bound how many a client has.
        self.rest = JoinSet::new();
        self.rest.spawn(async move { pass_on(&mut old, &listen, begun + LATE).await });
    }

    fn opened(&mut self, reply: Reply, mut filter: SubscriptionFilter, acknowledged: &SubscriptionFilter) {
        let before =
            std::mem::replace(&mut self.granted, Arc::new(acknowledged.uris.iter().cloned().collect()));
        let listen = &self.link.listen;
        for uri in filter.uris.iter().filter(|uri| before.contains(*uri) && !self.granted.contains(*uri)) {
            listen.withdrawn(uri);
        }
        let mut missed = match std::mem::replace(&mut self.missed, Missed::Nothing) {
            Missed::Nothing => SubscriptionFilter::default(),
            Missed::Lists => SubscriptionFilter { uris: Vec::new(), ..acknowledged.clone() },
            Missed::Everything => acknowledged.clone(),
        };
        // Nobody was promised the others.
        missed.uris.retain(|uri| before.contains(uri));
        self.denied.extend(filter.uris.iter().filter(|uri| !self.granted.contains(*uri)).cloned());
        filter.uris.retain(|uri| self.granted.contains(uri));
        self.open = Some(OpenStream { reply, filter, since: Instant::now() });
        meanwhile(&missed).iter().for_each(|notification: &Notification| listen.said(notification));
    }
}

/// Passes on what is said on a stream until then, or until it ends.
async fn pass_on(stream: &mut Reply, listen: &Listen, until: Instant) {
    while let Ok(Event::Notification(notification)) = timeout_at(until, stream.next()).await {
        listen.said(&notification);
    }
}

/// The time in which further changes of a filter are collected before a stream is replaced.
const BATCH_WINDOW: Duration = Duration::from_millis(10);

/// How long a stream that was replaced is read before the one in its place, and how long beside it: a busy server writes late.
const REST: Duration = Duration::from_millis(100);
const LATE: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
