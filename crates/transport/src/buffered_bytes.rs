//! The budget of large answers in memory: those that clients have not read yet, and those that are being read from servers.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use anyport_metrics::{Counter, Gauge, Held, Metrics};
use anyport_protocol::{failure::Failure, limits};
use anyport_service::sync::Lock;
use bytes::Bytes;
use tokio::{sync::Notify, time::timeout};

limits! {
    /// The limits of the large answers that a process holds in memory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BufferLimits {
        /// The size in bytes of all answers of more than 64 KiB. Three quarters are for answers that clients have not read
        /// yet, the rest for those that wait for this and those that are being read from servers over HTTP.
        #[default(256 MiB)]
        #[limit(
            Bytes "buffered_bytes", note = " of answers of more than 64 KiB, in the process",
            beyond = "answers wait, and those of servers over HTTP are read no further; beyond a quarter that waits, and after the `buffer_wait`, -32603 `overloaded`, 503"
        )]
        pub bytes: usize,
        /// The time that an answer waits while no other one is read to its end.
        #[default(10 s)]
        #[limit(Seconds "buffer_wait", note = " without another answer being read to its end", beyond = "-32603 `overloaded`, 503")]
        pub wait: Duration,
    }
}

/// The budget of the large answers that a process holds in memory (`buffered_bytes`). The transports of a program share
/// one; clones are the same budget.
///
/// A client that does not read its answer holds memory until its connection is closed (`write_timeout`). Beyond the budget
/// answers wait, and then are refused by the limit's name. The answers of each call are counted, so a slow reader
/// takes nothing from small answers, which are not counted.
#[derive(Clone)]
pub struct BufferedBytes(Arc<Shared>);

struct Shared {
    limits: BufferLimits,
    used: Lock<Used>,
    /// Notified when there may be room.
    freed: Notify,
    gauge: Gauge,
    refused: Counter,
}

#[derive(Default)]
struct Used {
    /// Bytes of answers that clients have not read yet.
    unread: usize,
    /// Bytes of answers that wait to be among these, or are being read from servers.
    pending: usize,
    /// The answers that are being read, oldest first.
    #[cfg(feature = "client-http")]
    reading: std::collections::BTreeSet<u64>,
    #[cfg(feature = "client-http")]
    last_reading: u64,
}

/// The wait until there is room for an answer.
pub(crate) type RoomWait = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

/// Answers up to this size are not counted.
pub(crate) const LARGE: usize = 64 << 10;

impl BufferedBytes {
    /// Makes a budget. Its bytes and refusals are counted in `metrics`.
    pub fn new(limits: BufferLimits, metrics: &Metrics) -> Self {
        Self(Arc::new(Shared {
            limits,
            used: Lock::default(),
            freed: Notify::new(),
            gauge: metrics.gauge("anyport_buffered_bytes", "Bytes of large answers in memory"),
            refused: metrics.refusals("buffered_bytes"),
        }))
    }

    /// The limit of unread answers.
    fn max_unread(&self) -> usize {
        self.0.limits.bytes - self.max_pending()
    }

    /// The limit of answers that wait or are being read.
    fn max_pending(&self) -> usize {
        self.0.limits.bytes / 4
    }

    /// Whether an answer of `bytes` bytes may be held for its client at once. One more is always admitted while there is room at
    /// all, so that an answer larger than the budget is possible.
    pub(crate) fn has_room_for(&self, bytes: usize) -> bool {
        bytes <= LARGE || self.0.used.lock().unread < self.max_unread()
    }

    /// Whether half of the budget is taken, so that nothing should be held that is not needed.
    #[cfg(feature = "http")]
    pub(crate) fn is_strained(&self) -> bool {
        self.0.used.lock().unread > self.0.limits.bytes / 2
    }

    /// Counts `text` until its last clone is dropped.
    pub(crate) fn hold(&self, text: Bytes) -> Bytes {
        if text.len() <= LARGE {
            return text;
        }
        self.0.used.lock().unread += text.len();
        let unread = Unread { _gauge: self.0.gauge.hold_many(text.len()), text, budget: self.clone() };
        Bytes::from_owner(unread)
    }

    /// Waits until there is room for an answer of `bytes` bytes, which is in memory already.
    ///
    /// # Errors
    /// [`Failure::Overloaded`].
    pub(crate) async fn room_for(self, bytes: usize) -> Result<(), Failure> {
        let Some(_pending) = self.wait_in_memory(bytes) else { return Err(self.refusal(bytes)) };
        self.until(bytes, |used| used.unread < self.max_unread()).await
    }

    /// Counts an answer that waits in memory; `None` if too many do.
    fn wait_in_memory(&self, bytes: usize) -> Option<Pending> {
        let mut used = self.0.used.lock();
        let is_admitted = used.pending + bytes <= self.max_pending();
        used.pending += if is_admitted { bytes } else { 0 };
        is_admitted.then(|| Pending { budget: self.clone(), bytes, gauge: self.0.gauge.hold_many(bytes) })
    }

    /// Waits until `has_room` for an answer of `bytes` bytes. As long as other answers come to their end, it is their turn;
    /// when none does for the `buffer_wait`, nobody reads.
    ///
    /// # Errors
    /// [`Failure::Overloaded`].
    async fn until(&self, bytes: usize, has_room: impl Fn(&Used) -> bool) -> Result<(), Failure> {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            // What is freed from here on is not missed.
            freed.as_mut().enable();
            if has_room(&self.0.used.lock()) {
                return Ok(());
            }
            timeout(self.0.limits.wait, freed).await.map_err(|_| self.refusal(bytes))?;
        }
    }

    /// The failure of a call whose answer is dropped.
    fn refusal(&self, bytes: usize) -> Failure {
        self.0.refused.increment();
        let limit = self.0.limits.bytes;
        let why = format!(
            "too many large answers wait for clients that do not read them: {limit} bytes (buffered_bytes); an answer of \
             {bytes} bytes was dropped, though its call was carried out"
        );
        Failure::Overloaded { limit: "buffered_bytes", why }
    }
}

/// A budget of its own, with the default limits.
impl Default for BufferedBytes {
    fn default() -> Self {
        Self::new(BufferLimits::default(), &Metrics::new())
    }
}

impl fmt::Debug for BufferedBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BufferedBytes").field("limits", &self.0.limits).finish_non_exhaustive()
    }
}

/// An answer that its client has not read yet.
struct Unread {
    text: Bytes,
    budget: BufferedBytes,
    _gauge: Held,
}

impl AsRef<[u8]> for Unread {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.budget.0.used.lock().unread -= self.text.len();
        self.budget.0.freed.notify_waiters();
    }
}

/// Bytes of an answer that waits, or is being read.
struct Pending {
    budget: BufferedBytes,
    bytes: usize,
    #[cfg_attr(not(feature = "client-http"), allow(dead_code, reason = "only what is being read grows"))]
    gauge: Held,
}

impl Pending {
    #[cfg(feature = "client-http")]
    fn grow(&mut self, bytes: usize) {
        self.bytes += bytes;
        self.gauge.grow(bytes);
        self.budget.0.used.lock().pending += bytes;
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.budget.0.used.lock().pending -= self.bytes;
        self.budget.0.freed.notify_waiters();
    }
}

#[cfg(feature = "client-http")]
pub(crate) use reading::ReadGate;

#[cfg(feature = "client-http")]
mod reading {
    //! Answers that are being read from servers.

    use std::task::{Context as Task, Poll, ready};

    use super::*;

    /// Lets a call read the answer of a server as long as there is room for it: what is not read stays with the server.
    #[derive(Default)]
    pub(crate) struct ReadGate {
        budget: Option<BufferedBytes>,
        bytes: usize,
        answer: Option<Answer>,
        waiting: Option<RoomWait>,
    }

    /// A large answer that is being read.
    struct Answer {
        number: u64,
        pending: Pending,
    }

    impl ReadGate {
        /// A gate; without a budget it is always open.
        pub(crate) fn new(budget: Option<BufferedBytes>) -> Self {
            Self { budget, ..Self::default() }
        }

        /// Waits until more may be read. The oldest answer is read even if too many are: otherwise none would come to its
        /// end.
        ///
        /// # Errors
        /// [`Failure::Overloaded`].
        pub(crate) fn poll_ready(&mut self, task: &mut Task<'_>) -> Poll<Result<(), Failure>> {
            let (Some(budget), Some(answer)) = (&self.budget, &self.answer) else {
                return Poll::Ready(Ok(()));
            };
            if self.waiting.is_none() && budget.may_read(&budget.0.used.lock(), answer.number) {
                return Poll::Ready(Ok(()));
            }
            let waiting = self.waiting.get_or_insert_with(|| {
                let (budget, number, bytes) = (budget.clone(), answer.number, self.bytes);
                Box::pin(async move { budget.until(bytes, |used| budget.may_read(used, number)).await })
            });
            let room = ready!(waiting.as_mut().poll(task));
            self.waiting = None;
            Poll::Ready(room)
        }

        /// Counts bytes that were read.
        pub(crate) fn add(&mut self, bytes: usize) {
            self.bytes += bytes;
            let Some(budget) = self.budget.as_ref().filter(|_| self.bytes > LARGE) else { return };
            match &mut self.answer {
                Some(answer) => answer.pending.grow(bytes),
                None => self.answer = Some(budget.read(self.bytes)),
            }
        }

        /// The answer is complete, and the next one begins.
        pub(crate) fn complete(&mut self) {
            (self.bytes, self.answer) = (0, None);
        }
    }

    impl Drop for Answer {
        fn drop(&mut self) {
            self.pending.budget.0.used.lock().reading.remove(&self.number);
        }
    }

    impl BufferedBytes {
        fn may_read(&self, used: &Used, number: u64) -> bool {
            let is_oldest = used.reading.first() == Some(&number);
            used.unread < self.max_unread() && (is_oldest || used.pending < self.max_pending())
        }

        /// Begins to count an answer that is being read.
        fn read(&self, bytes: usize) -> Answer {
            let mut used = self.0.used.lock();
            used.last_reading += 1;
            let number = used.last_reading;
            used.reading.insert(number);
            used.pending += bytes;
            let pending = Pending { budget: self.clone(), bytes, gauge: self.0.gauge.hold_many(bytes) };
            Answer { number, pending }
        }
    }
}
