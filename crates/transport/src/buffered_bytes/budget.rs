//! The budget: how much is held, and what waits for room.

use std::{fmt, pin::Pin, sync::Arc, time::Duration};

use anyport_metrics::{Counter, Gauge, Held, Metrics};
use anyport_protocol::{failure::Failure, limits};
use anyport_service::sync::Lock;
use bytes::Bytes;
use tokio::{sync::Notify, time::timeout};

#[cfg(feature = "client-http")]
use super::reads::Reads;
use super::{large::LARGE, lowered::LoweredLists};
use crate::refusals::Refusals;

limits! {
    /// The limits of the large answers that a process holds in memory.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct BufferLimits {
        /// The size in bytes of all answers of more than 64 KiB. Three quarters are for answers that clients have not read
        /// yet, the rest for those that wait for this and those that are being read from servers over HTTP. Of this rest each
        /// server may have as much as it leaves free.
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
pub struct BufferedBytes(pub(super) Arc<Shared>);

pub(super) struct Shared {
    limits: BufferLimits,
    pub(super) used: Lock<Used>,
    /// Notified when there may be room.
    pub(super) freed: Notify,
    pub(super) gauge: Gauge,
    refused: Counter,
    refusals: Refusals,
    lowered: LoweredLists,
}

#[derive(Default)]
pub(super) struct Used {
    /// Bytes of answers that clients have not read yet.
    pub(super) unread: usize,
    /// Bytes of answers that wait to be among these, or are being read from servers.
    pub(super) pending: usize,
    /// The answers that are being read.
    #[cfg(feature = "client-http")]
    pub(super) reads: Reads,
}

/// The wait until there is room for an answer.
pub(crate) type RoomWait = Pin<Box<dyn Future<Output = Result<(), Failure>> + Send>>;

impl BufferedBytes {
    /// Makes a budget. Its bytes and refusals are counted in `metrics`, and so is what other limits of the transports that share
    /// it refuse.
    pub fn new(limits: BufferLimits, metrics: &Metrics) -> Self {
        Self(Arc::new(Shared {
            limits,
            used: Lock::default(),
            freed: Notify::new(),
            gauge: metrics.gauge("anyport_buffered_bytes", "Bytes of large answers in memory"),
            refused: metrics.refusals("buffered_bytes"),
            refusals: Refusals::new(metrics),
            lowered: LoweredLists::default(),
        }))
    }

    /// The counters of what other limits refuse.
    pub(crate) fn refusals(&self) -> &Refusals {
        &self.0.refusals
    }

    /// Large lists, as sessions receive them.
    pub(crate) fn lowered(&self) -> &LoweredLists {
        &self.0.lowered
    }

    /// The limit of unread answers.
    pub(super) fn max_unread(&self) -> usize {
        self.0.limits.bytes - self.max_pending()
    }

    /// The limit of answers that wait or are being read.
    pub(super) fn max_pending(&self) -> usize {
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
        match self.count(text.len()) {
            Some(unread) => unread.until_dropped(text),
            None => text,
        }
    }

    /// Counts `bytes` bytes, if an answer of that size is counted.
    pub(crate) fn count(&self, bytes: usize) -> Option<Unread> {
        if bytes <= LARGE {
            return None;
        }
        self.0.used.lock().unread += bytes;
        Some(Unread { bytes, budget: self.clone(), _gauge: self.0.gauge.hold_many(bytes) })
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
        is_admitted.then(|| Pending { budget: self.clone(), bytes, _gauge: self.0.gauge.hold_many(bytes) })
    }

    /// Waits until `has_room` for an answer of `bytes` bytes. As long as other answers come to their end, it is their turn;
    /// when none does for the `buffer_wait`, nobody reads.
    ///
    /// # Errors
    /// [`Failure::Overloaded`].
    pub(super) async fn until(&self, bytes: usize, has_room: impl Fn(&Used) -> bool) -> Result<(), Failure> {
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

/// The bytes of an answer that its client has not read yet. They are counted until this is dropped.
#[derive(Debug)]
pub(crate) struct Unread {
    bytes: usize,
    budget: BufferedBytes,
    _gauge: Held,
}

impl Unread {
    /// Counts them until the last clone of `text` is dropped.
    pub(crate) fn until_dropped(self, text: Bytes) -> Bytes {
        Bytes::from_owner(Counted { text, _unread: self })
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        self.budget.0.used.lock().unread -= self.bytes;
        self.budget.0.freed.notify_waiters();
    }
}

/// A text whose bytes are counted.
struct Counted {
    text: Bytes,
    _unread: Unread,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

/// Bytes of an answer that waits in memory.
struct Pending {
    budget: BufferedBytes,
    bytes: usize,
    _gauge: Held,
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.budget.0.used.lock().pending -= self.bytes;
        self.budget.0.freed.notify_waiters();
    }
}
