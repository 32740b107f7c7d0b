//! A value that is read from a member: stored, read again when it is old, by one reader at a time.

use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use anyport_service::{Backoff, sync::Lock};
use tokio::{
    sync::watch,
    task::AbortHandle,
    time::{Instant, sleep_until, timeout, timeout_at},
};

/// A value that was read, and how long it holds.
pub(super) struct Fetched<T> {
    pub(super) value: Arc<T>,
    pub(super) ttl: Duration,
}

/// Reads the value, in bounded time. `None`: it could not be read.
type Fetch<T> = Box<dyn Fn() -> Pin<Box<dyn Future<Output = Option<Fetched<T>>> + Send>> + Send + Sync>;

/// A value that is read from a member.
///
/// Readers receive the stored value at once, however old; an old one is read again behind them. Only the very first
/// value is waited for.
pub(super) struct Cached<T> {
    fetch: Fetch<T>,
    /// Is notified of each change.
    changes: watch::Sender<u64>,
    state: Lock<State<T>>,
    /// The number of ended attempts.
    attempts: watch::Sender<u64>,
}

struct State<T> {
    value: Option<Arc<T>>,
    /// When the value is to be read again; the time of the next attempt after a failed one.
    expires: Instant,
    /// When it was requested for the first time.
    begun: Option<Instant>,
    /// The number of attempts in a row that failed.
    failures: u32,
    /// The reader, if there is one.
    reader: Option<AbortHandle>,
    /// When the last attempt ended.
    ended: Option<Instant>,
    /// Whether it is to be read once more when the reader is done, since it may have changed meanwhile.
    again: bool,
}

/// The time between two attempts of which the second is due to a notification: a member may send any number of them.
const REST: Duration = Duration::from_millis(500);

impl<T> State<T> {
    /// Whether there is a reader. One that has panicked is none.
    fn is_being_read(&self) -> bool {
        self.reader.as_ref().is_some_and(|reader| !reader.is_finished())
    }
}

/// The time between two attempts that fail.
const RETRY: Backoff = Backoff { first: Duration::from_secs(1), most: Duration::from_secs(30) };

impl<T: PartialEq + Send + Sync + 'static> Cached<T> {
    /// Nothing is read yet.
    pub(super) fn new(changes: watch::Sender<u64>, fetch: Fetch<T>) -> Arc<Self> {
        let state = State {
            value: None,
            expires: Instant::now(),
            begun: None,
            failures: 0,
            reader: None,
            ended: None,
            again: false,
        };
        Arc::new(Self { fetch, changes, state: Lock::new(state), attempts: watch::Sender::new(0) })
    }

    /// The last known value.
    pub(super) fn value(&self) -> Option<Arc<T>> {
        self.state.lock().value.clone()
    }

    /// Whether somebody reads the value.
    pub(super) fn is_being_read(&self) -> bool {
        self.state.lock().is_being_read()
    }

    /// Whether an attempt to read the value has ended.
    pub(super) fn is_settled(&self) -> bool {
        *self.attempts.borrow() > 0
    }

    /// Whether the last attempt to read the value was successful.
    pub(super) fn is_usable(&self) -> bool {
        let state = self.state.lock();
        state.value.is_some() && state.failures == 0
    }

    /// Whether there is a value that is not older than it may be.
    pub(super) fn is_fresh(&self) -> bool {
        let state = self.state.lock();
        state.value.is_some() && state.failures == 0 && Instant::now() < state.expires
    }

    /// When the value is to be read again; `None` if it was never requested.
    pub(super) fn expires(&self) -> Option<Instant> {
        let state = self.state.lock();
        state.begun.map(|_| state.expires)
    }

    /// Reads the value if it is old, and nobody reads it. Returns at once.
    pub(super) fn refresh_if_old(self: &Arc<Self>) {
        self.refresh_if_overdue(Duration::ZERO);
    }

    /// Reads the value if it is older than it may be by more than `grace`, and nobody reads it. Returns at once.
    pub(super) fn refresh_if_overdue(self: &Arc<Self>, grace: Duration) {
        let mut state = self.state.lock();
        let due = state.expires.checked_add(grace);
        if !state.is_being_read() && due.is_some_and(|due| Instant::now() >= due) {
            self.start(&mut state, None);
        }
    }

    /// Reads the value again, if it was ever requested: it may have changed.
    pub(super) fn refresh(self: &Arc<Self>) {
        let mut state = self.state.lock();
        match state.is_being_read() {
            true => state.again = true,
            false if state.begun.is_some() => {
                let from = state.ended.map(|ended| ended + REST);
                self.start(&mut state, from);
            }
            false => {}
        }
    }

    /// Requests the value, and waits for it if no attempt to read it has ended yet, until `wait` after the first
    /// request.
    pub(super) async fn first(self: &Arc<Self>, wait: Duration) {
        self.refresh_if_old();
        let (mut attempts, begun) = (self.attempts.subscribe(), self.state.lock().begun);
        let Some(until) = begun.and_then(|begun| begun.checked_add(wait)) else { return };
        if *attempts.borrow_and_update() == 0 {
            let _ = timeout_at(until, attempts.wait_for(|attempts| *attempts > 0)).await;
        }
    }

    /// Waits for the end of the attempt to read the value that is under way, if one is, for `wait` at most.
    pub(super) async fn reading_ends(self: &Arc<Self>, wait: Duration) {
        let mut attempts = self.attempts.subscribe();
        attempts.mark_unchanged();
        if self.is_being_read() {
            let _ = timeout(wait, attempts.changed()).await;
        }
    }

    /// Starts a reader, not before `from`.
    fn start(self: &Arc<Self>, state: &mut State<T>, from: Option<Instant>) {
        state.begun.get_or_insert_with(Instant::now);
        state.reader = Some(tokio::spawn(read(Arc::downgrade(self), from)).abort_handle());
    }

    /// Stores what was read. Returns a further attempt, if it may have changed meanwhile.
    fn store(self: &Arc<Self>, fetched: Option<Fetched<T>>) {
        let mut state = self.state.lock();
        (state.reader, state.ended) = (None, Some(Instant::now()));
        let is_read = fetched.is_some();
        let mut is_changed = false;
        match fetched {
            Some(Fetched { value, ttl }) => {
                is_changed = state.value.as_deref() != Some(&*value);
                // An equal value may be shared with others.
                state.value = Some(value);
                state.failures = 0;
                state.expires = Instant::now() + ttl;
            }
            None => {
                state.expires = Instant::now() + RETRY.after(state.failures);
                state.failures = state.failures.saturating_add(1);
            }
        }
        // After a failure there is a pause in any case.
        if std::mem::take(&mut state.again) && is_read {
            let from = Instant::now() + REST;
            self.start(&mut state, Some(from));
        }
        // Whoever sees the value sees that there was a change.
        if is_changed {
            self.changes.send_modify(|changes| *changes += 1);
        }
        drop(state);
        self.attempts.send_modify(|attempts| *attempts += 1);
    }
}

/// Reads for a value that may be dropped meanwhile, not before `from`.
async fn read<T: PartialEq + Send + Sync + 'static>(cached: Weak<Cached<T>>, from: Option<Instant>) {
    if let Some(from) = from {
        sleep_until(from).await;
    }
    let Some(reading) = cached.upgrade().map(|cached| {
        // What was notified of until now is read now.
        cached.state.lock().again = false;
        (cached.fetch)()
    }) else {
        return;
    };
    let fetched = reading.await;
    if let Some(cached) = cached.upgrade() {
        cached.store(fetched);
    }
}

impl<T> Drop for Cached<T> {
    fn drop(&mut self) {
        if let Some(reader) = &self.state.get_mut().reader {
            reader.abort();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use tokio::time::sleep;

    use super::*;

    /// A value that takes a second to read: the number of the attempt, divided by two. The first `failing` attempts fail.
    fn counting(failing: u32) -> (Arc<Cached<u32>>, Arc<AtomicU32>) {
        let reads = Arc::new(AtomicU32::new(0));
        let counter = reads.clone();
        let fetch: Fetch<u32> = Box::new(move || {
            let number = counter.fetch_add(1, Ordering::Relaxed);
            Box::pin(async move {
                sleep(Duration::from_secs(1)).await;
                let ttl = Duration::from_secs(60);
                (number >= failing).then_some(Fetched { value: Arc::new(number / 2), ttl })
            })
        });
        (Cached::new(watch::Sender::new(0), fetch), reads)
    }

    #[tokio::test(start_paused = true)]
    async fn one_reader_reads_for_all_and_an_old_value_is_answered_at_once() {
        let (cached, reads) = counting(0);
        let wait = Duration::from_secs(5);
        tokio::join!(cached.first(wait), cached.first(wait), cached.first(wait));
        assert_eq!((cached.value().as_deref(), reads.load(Ordering::Relaxed)), (Some(&0), 1));
        sleep(Duration::from_secs(61)).await;
        assert!(!cached.is_fresh());
        let begun = Instant::now();
        cached.first(wait).await;
        assert_eq!((begun.elapsed(), cached.value().as_deref()), (Duration::ZERO, Some(&0)));
        sleep(Duration::from_secs(2)).await;
        assert!(cached.is_fresh());
        assert_eq!(
            (*cached.changes.borrow(), reads.load(Ordering::Relaxed)),
            (1, 2),
            "the same value is no change"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_change_during_a_read_is_read_afterwards() {
        let (cached, reads) = counting(0);
        cached.refresh();
        assert_eq!(reads.load(Ordering::Relaxed), 0, "it was not requested yet");
        cached.refresh_if_old();
        sleep(Duration::from_millis(100)).await;
        cached.refresh();
        cached.refresh();
        sleep(Duration::from_secs(5)).await;
        assert_eq!(reads.load(Ordering::Relaxed), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn only_the_first_attempt_is_waited_for_and_failures_are_spaced() {
        let (cached, reads) = counting(3);
        let begun = Instant::now();
        cached.first(Duration::from_millis(500)).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(500));
        cached.first(Duration::from_millis(500)).await;
        assert_eq!(begun.elapsed(), Duration::from_millis(500), "the wait counts from the first request");
        for _ in 0..150 {
            sleep(Duration::from_millis(100)).await;
            cached.refresh_if_old();
        }
        assert_eq!(cached.value().as_deref(), Some(&1));
        assert_eq!(reads.load(Ordering::Relaxed), 4);
    }
}
