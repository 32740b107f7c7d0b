use std::{collections::VecDeque, mem, time::Duration};

use anyport_service::sync::Lock;
use jiff::Timestamp;
use tokio::{
    sync::{Notify, oneshot},
    time::timeout,
};

use crate::Record;

/// A record cannot be made durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unavailable;

/// Whether a record is durable.
pub(super) type Written = Result<(), Unavailable>;

/// Records that are written at once, as a block. Their JSON is one text, so that a record needs no memory of its own.
#[derive(Default)]
pub(super) struct Batch {
    json: String,
    /// Where the JSON of each record ends.
    ends: Vec<usize>,
    /// The time of the newest record, in milliseconds since 1970.
    pub(super) until: i64,
    /// Who waits for one of them.
    pub(super) waiters: Vec<oneshot::Sender<Written>>,
}

/// The records that wait, up to a size in bytes.
pub(super) struct Queue {
    waiting: Lock<Waiting>,
    most: usize,
    /// There is something to write.
    changed: Notify,
    /// And it is not to wait for more.
    due: Notify,
}

#[derive(Default)]
struct Waiting {
    /// All but the last are full.
    batches: VecDeque<Batch>,
    /// One that was written, whose memory is used again.
    spare: Option<Batch>,
    bytes: usize,
    /// Whether the oldest are not to wait for more: somebody waits for one, or they fill a block.
    is_due: bool,
    /// How many found no room since the last that did.
    lost: u64,
    is_failing: bool,
    is_closed: bool,
}

/// What is there to write.
pub(super) struct Taken {
    pub(super) batch: Batch,
    /// How many records were lost before.
    pub(super) lost: u64,
    pub(super) is_closed: bool,
}

/// The most records of a block.
const RECORDS: usize = 1_024;
/// About the most bytes of a block, of 512 KiB that fit into the store.
const BYTES: usize = 384 << 10;
/// About the bytes that a record takes beside its JSON, in the queue and in a block.
const OVERHEAD: usize = 64;

fn bytes(json: &str) -> usize {
    OVERHEAD + json.len()
}

impl Batch {
    /// Adds a record of the log itself, for which nobody waits.
    pub(super) fn push_record(&mut self, record: &Record) -> Result<(), serde_json::Error> {
        self.push(record.at, &serde_json::to_string(record)?);
        Ok(())
    }

    /// Adds the record of the time `at` with this JSON.
    fn push(&mut self, at: Timestamp, json: &str) {
        self.json.push_str(json);
        self.ends.push(self.json.len());
        self.until = self.until.max(at.as_millisecond());
    }

    /// How many records it has.
    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.ends.is_empty()
    }

    /// About the bytes that it takes.
    pub(super) fn bytes(&self) -> usize {
        self.json.len() + OVERHEAD * self.len()
    }

    /// The JSON of each record.
    pub(super) fn records(&self) -> impl Iterator<Item = &str> {
        let mut start = 0;
        self.ends.iter().filter_map(move |&end| self.json.get(mem::replace(&mut start, end)..end))
    }

    fn is_full(&self) -> bool {
        self.len() >= RECORDS || self.bytes() >= BYTES
    }

    /// The same memory without records.
    fn emptied(mut self) -> Self {
        self.json.clear();
        self.ends.clear();
        Self { json: self.json, ends: self.ends, ..Self::default() }
    }
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Lock::default(), most, changed: Notify::new(), due: Notify::new() }
    }

    /// Adds the record of the time `at` with this JSON, and wakes the writer if it is the first or is due. Returns whether there was room.
    /// `done`, who waits for one that has none, or while nothing can be written, is told so.
    pub(super) fn push(&self, at: Timestamp, json: &str, done: Option<oneshot::Sender<Written>>) -> bool {
        let bytes = bytes(json);
        let mut waiting = self.waiting.lock();
        if waiting.is_closed || waiting.bytes + bytes > self.most {
            waiting.lost += 1;
            drop(waiting);
            fail(done);
            return false;
        }
        let is_first = waiting.batches.is_empty();
        let (failed, done) = if waiting.is_failing { (done, None) } else { (None, done) };
        let is_due = done.is_some();
        let batch = waiting.batch();
        batch.push(at, json);
        batch.waiters.extend(done);
        let is_due = is_due || batch.is_full();
        let was_due = waiting.is_due;
        waiting.bytes += bytes;
        waiting.is_due |= is_due;
        let becomes_due = waiting.is_due && !was_due;
        drop(waiting);
        fail(failed);
        if is_first {
            self.changed.notify_one();
        }
        if becomes_due {
            self.due.notify_one();
        }
        true
    }

    /// Takes the oldest records, as many as a block has.
    pub(super) fn take(&self) -> Taken {
        let mut waiting = self.waiting.lock();
        let batch = waiting.batches.pop_front().unwrap_or_default();
        waiting.bytes -= batch.bytes();
        // What is left was more than a block.
        waiting.is_due = !waiting.batches.is_empty();
        // What was lost came after what waited then.
        let lost = if waiting.batches.is_empty() { mem::take(&mut waiting.lost) } else { 0 };
        Taken { batch, lost, is_closed: waiting.is_closed }
    }

    /// Takes back the memory of records that were written.
    pub(super) fn recycle(&self, batch: Batch) {
        self.waiting.lock().spare = Some(batch.emptied());
    }

    /// Completes when there is something to write that is due or has waited for `linger`, or after `most`.
    pub(super) async fn ready(&self, linger: Duration, most: Duration) {
        self.until(&self.changed, most, |waiting| !waiting.batches.is_empty()).await;
        self.until(&self.due, linger, |waiting| waiting.is_due || waiting.batches.is_empty()).await;
    }

    /// Completes when `holds`, of which `told` tells, when the queue is closed, or after `most`.
    async fn until(&self, told: &Notify, most: Duration, holds: impl Fn(&Waiting) -> bool) {
        let is_over = || {
            let waiting = self.waiting.lock();
            waiting.is_closed || holds(&waiting)
        };
        let _ = timeout(most, async {
            // A permit may be of an earlier block.
            while !is_over() {
                told.notified().await;
            }
        })
        .await;
    }

    /// Notes whether records can be written. Nobody waits while they cannot.
    pub(super) fn set_failing(&self, is_failing: bool) {
        let mut waiting = self.waiting.lock();
        waiting.is_failing = is_failing;
        if is_failing {
            let waiters = waiting.batches.iter_mut().flat_map(|batch| mem::take(&mut batch.waiters));
            let waiters: Vec<_> = waiters.collect();
            drop(waiting);
            waiters.into_iter().for_each(|done| fail(Some(done)));
        }
    }

    pub(super) fn is_failing(&self) -> bool {
        self.waiting.lock().is_failing
    }

    /// Whether it takes no more records.
    pub(super) fn is_closed(&self) -> bool {
        self.waiting.lock().is_closed
    }

    /// Takes no more records.
    pub(super) fn close(&self) {
        self.waiting.lock().is_closed = true;
        self.changed.notify_one();
        self.due.notify_one();
    }
}

impl Waiting {
    /// That which takes the next record.
    fn batch(&mut self) -> &mut Batch {
        if self.batches.back().is_none_or(Batch::is_full) {
            let batch = self.spare.take().unwrap_or_default();
            self.batches.push_back(batch);
        }
        // One was added if there was none.
        let last = self.batches.len().saturating_sub(1);
        &mut self.batches[last]
    }
}

fn fail(done: Option<oneshot::Sender<Written>>) {
    if let Some(done) = done {
        // Whoever waited may be gone.
        let _ = done.send(Err(Unavailable));
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    const JSON: &str = r#""a record""#;

    fn push(queue: &Queue, done: Option<oneshot::Sender<Written>>) -> bool {
        queue.push(Timestamp::UNIX_EPOCH, JSON, done)
    }

    /// Adds a record for which somebody waits. Returns whether there was room, and what he is told.
    fn push_awaited(queue: &Queue) -> (bool, oneshot::Receiver<Written>) {
        let (done, written) = oneshot::channel();
        (push(queue, Some(done)), written)
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_told() {
        let queue = Queue::new(2 * bytes(JSON));
        let (first, _waits) = push_awaited(&queue);
        assert!(first && push(&queue, None));
        let (third, written) = push_awaited(&queue);
        assert!(!third);
        assert_eq!(written.await, Ok(Err(Unavailable)));
        let taken = queue.take();
        assert_eq!((taken.batch.len(), taken.lost), (2, 1));
        assert_eq!(taken.batch.records().collect::<Vec<_>>(), [JSON; 2]);
        queue.recycle(taken.batch);
        assert_eq!(queue.take().lost, 0);
        assert!(push(&queue, None), "there is room again");
        assert_eq!(queue.take().batch.records().collect::<Vec<_>>(), [JSON]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_nobody_waits_for_waits_for_more() {
        const LINGER: Duration = Duration::from_millis(100);
        let queue = Queue::new(usize::MAX);
        let start = Instant::now();
        let after = async |queue: &Queue| {
            queue.ready(LINGER, LINGER * 10).await;
            start.elapsed().as_millis()
        };
        push(&queue, None);
        assert_eq!(after(&queue).await, 100);
        let (_, _waits) = push_awaited(&queue);
        assert_eq!(after(&queue).await, 100, "somebody waits");
        assert_eq!(queue.take().batch.len(), 2);
        assert_eq!(after(&queue).await, 1_100, "there is nothing");
        (0..=RECORDS).for_each(|_| assert!(push(&queue, None)));
        assert_eq!(after(&queue).await, 1_100, "a block is full");
        assert_eq!(queue.take().batch.len(), RECORDS);
        assert_eq!(after(&queue).await, 1_100, "the rest is older than it");
    }

    #[tokio::test]
    async fn nobody_waits_while_nothing_can_be_written() {
        let queue = Queue::new(9_999);
        let (_, earlier) = push_awaited(&queue);
        queue.set_failing(true);
        let (_, later) = push_awaited(&queue);
        assert_eq!((earlier.await, later.await), (Ok(Err(Unavailable)), Ok(Err(Unavailable))));
        assert_eq!(queue.take().batch.len(), 2, "they are written later");
    }
}
