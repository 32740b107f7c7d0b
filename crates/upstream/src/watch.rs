//! An open connection: what the server says outside of calls, and the end.

use std::{
    pin::Pin,
    sync::{Arc, Weak, atomic::Ordering},
    time::Duration,
};

use anyport_protocol::{Method, Revision, failure::CloseReason};
use anyport_service::{Context, Notification, PeerEvent, PeerEvents, Principal};
use tokio::{
    task::JoinHandle,
    time::{Instant, interval_at, sleep, sleep_until},
};

use crate::{
    ConnectError, OpenRequest, WhenDown,
    isolation::Share,
    limits::HEALTHY,
    pool::Pool,
    slot::{Down, Links, Slot, State, Up},
};

/// Longer than this no connection is idle, so that the clock can tell when it has been.
const LONGEST_IDLE: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// How long it may take until a connection is known to be gone once a call has lost it.
pub(crate) const DISCONNECT_GRACE: Duration = Duration::from_millis(100);

impl Pool {
    /// Stays with a connection until it is gone. `links`: its numbers among those of the slot's listeners.
    pub(crate) async fn watch(
        self,
        (slot, links): (Arc<Slot>, Links),
        up: Arc<Up>,
        client: OpenRequest,
        mut events: PeerEvents,
        close: Pin<Box<dyn Future<Output = ()> + Send>>,
    ) {
        let _open = self.0.metrics.open.hold();
        let mut over = self.0.over.subscribe();
        // However much the server says meanwhile.
        let idle = self.0.limits.idle.clamp(Duration::from_secs(1), LONGEST_IDLE);
        let mut looks = interval_at(Instant::now() + idle, idle);
        let closed = up.peer.closed();
        tokio::pin!(closed);
        let mut replacing: Option<JoinHandle<bool>> = None;
        let why = loop {
            tokio::select! {
                reason = &mut closed => break Some(reason),
                () = up.closing.notified() => break None,
                _ = over.wait_for(|over| *over) => break None,
                // Calls may be under way on it for long, and listeners do not wait for them.
                () = up.outdated.notified() => {
                    self.retire(&slot, &up);
                    let next = self.clone().replace(slot.clone(), client.clone(), slot.was_outdated(up.since));
                    replacing = Some(tokio::spawn(next));
                }
                Some(event) = events.next() => self.heard(&slot, event),
                _ = looks.tick() => self.close_if_idle(&slot),
            }
        };
        self.attributed(&mut self.lock(), up.peer.attribution());
        // Nothing of a connection that is over is claimed any more.
        drop(events);
        let (since, attempts) = (up.since, up.attempts);
        // One that was retired may be replaced already.
        slot.unlink(links);
        let Some(why) = why else {
            slot.left(&up, State::Idle);
            close.await;
            // There is room for another connection only now.
            drop(up);
            self.forget_unshared(&slot);
            // Somebody may have begun to listen just as it was given up.
            if !is_replaced(replacing).await {
                self.reconnect(slot, client).await;
            }
            return;
        };
        self.0.metrics.lost.increment();
        tracing::warn!(upstream = self.0.name, "the connection was lost: {why}");
        // With `WhenDown::Fail` a server that was healthy before is tried again quickly. Calls that wait are in no hurry, and
        // each of them would start the server of a client anew.
        let lost_soon = match self.0.limits.when_down {
            WhenDown::Fail if up.has_worked.load(Ordering::Relaxed) => 1,
            WhenDown::Fail | WhenDown::Wait => attempts + 1,
        };
        let now = match since.elapsed() < HEALTHY {
            true => {
                let down = self.unreachable(&ConnectError::new(why.to_string()), None, lost_soon);
                // A server that was replaced is there, and one that has worked is started again at once. One that is lost again
                // and again is waited for.
                let is_there =
                    matches!(why, CloseReason::Replaced(_)) || up.has_worked.load(Ordering::Relaxed);
                let is_first = is_there && attempts == 0;
                State::Down(if is_first { Down { retry_at: Some(Instant::now()), ..down } } else { down })
            }
            false => State::Idle,
        };
        let left = slot.left(&up, now);
        drop((up, close));
        if left {
            self.probe(&slot, &client);
        }
        if left || !is_replaced(replacing).await {
            self.reconnect(slot, client).await;
        }
    }

    /// Replaces the connection `up`, whose revision the server no longer speaks, unless that is done already. Its listeners go
    /// on with the next connection, and its calls end on this one.
    pub(crate) fn outdated(&self, slot: &Slot, up: &Up) {
        self.retire(slot, up);
        up.outdated.notify_one();
    }

    fn retire(&self, slot: &Slot, up: &Up) {
        if slot.retire(up) {
            self.forget_eras();
        }
    }

    /// Forgets a place that was one caller's alone, unless it is in use again: its caller may be gone for good.
    fn forget_unshared(&self, slot: &Arc<Slot>) {
        if slot.key.share == Share::All {
            return;
        }
        // While the table is locked, no new caller comes to the slot.
        let mut table = self.lock();
        let is_idle = || matches!(&*slot.state.borrow(), State::Idle);
        let unused = !slot.is_taken() && !slot.listen.is_heard() && is_idle();
        if unused {
            table.slots.retain(|_, other| !Arc::ptr_eq(other, slot));
            drop(table);
            slot.state.send_replace(State::Moved);
            // Whoever chose the place before it was forgotten chooses again.
            slot.listen.moved();
        }
    }

    /// Takes what the server says outside any call.
    fn heard(&self, slot: &Slot, event: PeerEvent) {
        self.0.events.send(event.clone());
        match event {
            PeerEvent::Request(request) => self.unsolicited(slot, &request),
            // A modern server notifies of changes on the streams that were asked for, and nowhere else.
            _ if !slot.is_legacy() => {}
            PeerEvent::Lagged(_) => {
                slot.listen.missed(slot.up().is_some_and(|up| up.peer.is_silent()));
            }
            PeerEvent::Silent => slot.listen.silent(),
            PeerEvent::Unsubscribed(uris) => uris.iter().for_each(|uri| slot.listen.withdrawn(uri)),
            event @ PeerEvent::Notification(..) => {
                if let Some(notification) = event.into_notification() {
                    self.elicited(slot, &notification);
                    slot.listen.said(&notification);
                }
            }
        }
    }

    /// 2025-11-25, elicitation §Completion Notifications: the server tells "when an out-of-band interaction started by
    /// URL mode elicitation is completed". Nothing of a modern wire says so; a parked call may wait for it.
    fn elicited(&self, slot: &Slot, notification: &Notification) {
        if notification.method != Method::ElicitationComplete {
            return;
        }
        let Some(id) = notification.params.member("elicitationId").and_then(|id| id.as_string()) else {
            return;
        };
        // Whoever was told of it by -32042 knows it by this id.
        if let Some(peer) = slot.was_sent(&id) {
            peer.notify(notification.method.as_str(), notification.params.clone());
        }
        if let Some(park) = self.0.parked.get().and_then(Weak::upgrade) {
            park.completed(&id);
        }
    }

    /// Connects in place of a connection that was outdated, after `outdated_soon` others that were so soon after their begin.
    /// Returns `false` if there are no listeners.
    async fn replace(self, slot: Arc<Slot>, client: OpenRequest, outdated_soon: u32) -> bool {
        // A server may say of every connection that it is outdated, and open the next one.
        if outdated_soon > 0 {
            sleep(self.0.limits.backoff_after(outdated_soon)).await;
        }
        self.reconnect(slot, client).await
    }

    /// Connects again while somebody listens; for calls alone the next one is early enough. Returns `false` if nobody does.
    pub(crate) async fn reconnect(self, slot: Arc<Slot>, client: OpenRequest) -> bool {
        let context =
            Context::new(Principal::local(), Revision::NEWEST).with_client(client.capabilities, client.info);
        while slot.listen.is_heard() && !*self.0.closed.borrow() {
            self.begin(&slot, &context);
            match slot.settled().await {
                // Overloaded is told without a time to wait.
                State::Down(Down { retry_at: Some(retry_at), .. }) => {
                    sleep_until(retry_at.max(Instant::now() + DISCONNECT_GRACE)).await;
                }
                State::Down(_) => return false,
                State::Idle => tokio::task::yield_now().await,
                State::Up(_) | State::Connecting | State::Reconnecting(_) | State::Moved => return true,
            }
        }
        false
    }

    /// Closes a connection that has been idle for long, unless it is the only one.
    fn close_if_idle(&self, slot: &Slot) {
        let open = self.slots().iter().filter(|slot| slot.up().is_some()).count();
        let unused = slot.idle_since().is_some_and(|since| since.elapsed() >= self.0.limits.idle);
        if unused && open > 1 {
            self.give_up(slot);
        }
    }
}

/// Whether `replacing`, the task that connects in place of a retired connection, has done so. It does not for listeners that came to
/// the retired connection later.
async fn is_replaced(replacing: Option<JoinHandle<bool>>) -> bool {
    match replacing {
        Some(replacing) => replacing.await.unwrap_or_default(),
        None => false,
    }
}
