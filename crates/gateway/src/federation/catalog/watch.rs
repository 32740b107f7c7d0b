//! The background task that listens to a member for changes of its lists.

use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{Method, subscription::SubscriptionFilter};
use anyport_service::{Backoff, Context, Demand, Event, Outcome, Reply, Request};
use anyport_upstream::KnownServer;
use tokio::{
    sync::watch::Receiver,
    time::{Instant, sleep_until, timeout},
};

use crate::federation::{
    answers::{ChangeStream, Watcher},
    cached::Cached,
    core::MemberCore,
    list_kind::ListKind,
    member_list::MemberList,
};

/// The pause before a member is listened to again.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(60) };
/// The same for one that has refused: it may have been replaced by another.
const REFUSED: Duration = Duration::from_secs(600);
/// A stream that was open for so long was good: the next attempt comes soon.
const GOOD: Duration = Duration::from_secs(60);
/// How often it is looked whether a catalog is used that is not followed for want of a place.
const LOOK: Duration = Duration::from_secs(60);

/// What is watched: the lists of a catalog.
pub(super) trait Watched: Send + Sync + 'static {
    /// A list.
    fn list(&self, kind: ListKind) -> &Arc<Cached<MemberList>>;
    /// Reads old lists again. Returns when to look again.
    fn refresh_old(&self) -> Instant;
    /// Whether the lists are not used.
    fn is_idle(&self) -> bool;
}

/// Listens to the member `core` for `catalog` until the catalog is dropped, or idle; while the demand is paused, it does not. `covered`
/// says meanwhile of which lists the member notifies.
pub(super) fn run<W: Watched>(
    catalog: &Arc<W>,
    core: Arc<MemberCore>,
    (context, demand): (Context, Demand),
    covered: Arc<AtomicU8>,
) -> impl Future<Output = ()> + Send + use<W> {
    let (weak, covered) = (Arc::downgrade(catalog), Covered(covered));
    let watcher = Watcher::begin(&core.answers);
    async move {
        let _watcher = watcher;
        let (mut failures, mut is_first) = (0, true);
        let mut connections = core.connections.clone();
        loop {
            let begun = Instant::now();
            if let Some(connections) = &mut connections {
                connections.mark_unchanged();
            }
            let end = tokio::select! {
                biased;
                () = demand.paused() => End::Paused,
                end = listen(&weak, &core, &context, &covered, &mut is_first) => end,
            };
            covered.set(0);
            let refused = match end {
                End::Idle => return,
                End::Paused => {
                    if !resumed(&weak, &demand).await {
                        return;
                    }
                    continue;
                }
                End::Refused => true,
                End::Lost => false,
            };
            failures = if begun.elapsed() >= GOOD { 0 } else { failures + 1 };
            let pause = if refused { REFUSED } else { AGAIN.after(failures) };
            // Lists that the member does not notify of are read again now and then.
            let until = Instant::now() + pause;
            while Instant::now() < until {
                let Some(next) = refresh_old(&weak) else { return };
                tokio::select! {
                    () = sleep_until(next.min(until)) => {}
                    // It is there again.
                    () = connected(&mut connections) => break,
                    () = demand.paused() => break,
                }
            }
        }
    }
}

/// Waits until the catalog may be followed again. Returns `false` if nobody uses it any more.
async fn resumed(catalog: &Weak<impl Watched>, demand: &Demand) -> bool {
    while catalog.upgrade().is_some_and(|catalog| !catalog.is_idle()) {
        if timeout(LOOK, demand.resumed()).await.is_ok() {
            return true;
        }
    }
    false
}

/// Completes with the next connection of the server, if that is known.
async fn connected(connections: &mut Option<Receiver<KnownServer>>) {
    if let Some(receiver) = connections
        && receiver.changed().await.is_ok()
    {
        return;
    }
    std::future::pending().await
}

/// The lists of whose changes the member notifies. None, once the watcher is gone.
struct Covered(Arc<AtomicU8>);

impl Covered {
    fn set(&self, bits: u8) {
        self.0.store(bits, Ordering::Relaxed);
    }
}

impl Drop for Covered {
    fn drop(&mut self) {
        self.set(0);
    }
}

/// Why the watcher listens no longer.
enum End {
    /// Nobody uses the catalog.
    Idle,
    /// The member refused.
    Refused,
    /// The stream is over.
    Lost,
    /// There is no place for it until a client comes again.
    Paused,
}

/// Listens once.
async fn listen<W: Watched>(
    catalog: &Weak<W>,
    core: &Arc<MemberCore>,
    context: &Context,
    covered: &Covered,
    is_first: &mut bool,
) -> End {
    let mut reply = request(core, context);
    let mut stream = None;
    loop {
        let Some(next) = refresh_old(catalog) else { return End::Idle };
        let event = tokio::select! {
            event = reply.next() => event,
            () = sleep_until(next) => continue,
        };
        match event {
            Event::Notification(notification) if notification.method == Method::Acknowledged => {
                let granted = SubscriptionFilter::read(&notification.params).unwrap_or_default();
                let bits = ListKind::ALL.into_iter().filter(|kind| granted.wants_list(kind.change()));
                covered.set(bits.fold(0, |bits, kind| bits | (1 << kind as u8)));
                // They may have changed while nobody listened. A list that is still being read was requested after this
                // stream.
                let was_first = std::mem::take(is_first);
                stream.get_or_insert_with(|| ChangeStream::begin(&core.answers));
                refresh(catalog, |list| !was_first || !list.is_being_read());
            }
            Event::Notification(notification) => {
                // Before a client hears of it.
                core.answers.forget();
                refresh_kind(catalog, notification.method);
            }
            Event::Outcome(Outcome::Error(_)) => return End::Refused,
            Event::Outcome(outcome) => {
                core.health.note(&outcome);
                return End::Lost;
            }
            // Not of a listen stream.
            _ => {}
        }
    }
}

fn request(core: &MemberCore, context: &Context) -> Reply {
    let filter = SubscriptionFilter { tools: true, prompts: true, resources: true, uris: Vec::new() };
    core.service.call(Request::new(Method::Listen, filter.params()), context.clone())
}

/// Reads those lists again that may have changed.
fn refresh(catalog: &Weak<impl Watched>, may_have_changed: impl Fn(&Cached<MemberList>) -> bool) {
    let Some(catalog) = catalog.upgrade() else { return };
    for list in ListKind::ALL.map(|kind| catalog.list(kind)) {
        if may_have_changed(list) {
            list.refresh();
        }
    }
}

/// Reads the lists again that the notification `change` is about.
fn refresh_kind(catalog: &Weak<impl Watched>, change: Method) {
    let Some(catalog) = catalog.upgrade() else { return };
    for kind in ListKind::ALL.into_iter().filter(|kind| kind.change() == change) {
        catalog.list(kind).refresh();
    }
}

/// Reads old lists again. Returns when to look again; `None` if nobody uses the catalog.
fn refresh_old(catalog: &Weak<impl Watched>) -> Option<Instant> {
    let catalog = catalog.upgrade().filter(|catalog| !catalog.is_idle())?;
    Some(catalog.refresh_old())
}
