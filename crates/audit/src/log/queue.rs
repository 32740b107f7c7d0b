use std::{collections::VecDeque, mem, time::Duration};

use anyport_service::sync::Lock;
use jiff::Timestamp;
use serde_json::value::RawValue;
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

/// A record that waits.
pub(super) struct Item {
    /// When it happened.
    pub(super) at: Timestamp,
    /// Its JSON, redacted.
    pub(super) json: Box<RawValue>,
    /// Who waits for it.
    pub(super) done: Option<oneshot::Sender<Written>>,
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
    items: VecDeque<Item>,
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
    pub(super) items: Vec<Item>,
    /// How many records were lost before.
    pub(super) lost: u64,
    pub(super) is_closed: bool,
}

/// The most records of a block.
const RECORDS: usize = 512;
/// About the most bytes of a block, of 512 KiB that fit into the store.
const BYTES: usize = 256 << 10;
/// About the bytes that a record takes beside its JSON, in the queue and in a block.
const OVERHEAD: usize = 64;

impl Item {
    /// A record of the log itself, for which nobody waits.
    pub(super) fn of_record(record: &Record) -> Result<Self, serde_json::Error> {
        Self::of(record.at, serde_json::to_string(record)?)
    }

    /// The record of the time `at` with this JSON, for which nobody waits.
    pub(super) fn of(at: Timestamp, json: String) -> Result<Self, serde_json::Error> {
        Ok(Self { at, json: RawValue::from_string(json)?, done: None })
    }

    fn bytes(&self) -> usize {
        OVERHEAD + self.json.get().len()
    }
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Lock::default(), most, changed: Notify::new(), due: Notify::new() }
    }

    /// Adds a record, and wakes the writer if it is the first or is due. Returns whether there was room. Whoever waits for one that has none, or while nothing can be written, is told so.
    pub(super) fn push(&self, mut item: Item) -> bool {
        let bytes = item.bytes();
        let mut waiting = self.waiting.lock();
        if waiting.is_closed || waiting.bytes + bytes > self.most {
            waiting.lost += 1;
            drop(waiting);
            fail(item.done.take());
            return false;
        }
        let failed = if waiting.is_failing { item.done.take() } else { None };
        let is_first = waiting.items.is_empty();
        let was_due = waiting.is_due;
        waiting.bytes += bytes;
        waiting.is_due |= item.done.is_some() || waiting.bytes >= BYTES || waiting.items.len() + 1 >= RECORDS;
        waiting.items.push_back(item);
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
        let (mut items, mut size) = (Vec::new(), 0);
        while items.len() < RECORDS && size < BYTES {
            let Some(item) = waiting.items.pop_front() else { break };
            size += item.bytes();
            items.push(item);
        }
        waiting.bytes -= size;
        // What is left was more than a block.
        waiting.is_due = !waiting.items.is_empty();
        // What was lost came after what waited then.
        let lost = if waiting.items.is_empty() { mem::take(&mut waiting.lost) } else { 0 };
        Taken { items, lost, is_closed: waiting.is_closed }
    }

    /// Completes when there is something to write that is due or has waited for `linger`, or after `most`.
    pub(super) async fn ready(&self, linger: Duration, most: Duration) {
        self.until(&self.changed, most, |waiting| !waiting.items.is_empty()).await;
        self.until(&self.due, linger, |waiting| waiting.is_due || waiting.items.is_empty()).await;
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
            let waiters: Vec<_> = waiting.items.iter_mut().filter_map(|item| item.done.take()).collect();
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

    fn item() -> (Item, oneshot::Receiver<Written>) {
        let (done, written) = oneshot::channel();
        let item = Item::of(Timestamp::UNIX_EPOCH, r#""a record""#.to_owned()).unwrap();
        (Item { done: Some(done), ..item }, written)
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_told() {
        let queue = Queue::new(2 * item().0.bytes());
        let (first, _waits) = item();
        assert!(queue.push(first) && queue.push(item().0));
        let (third, written) = item();
        assert!(!queue.push(third));
        assert_eq!(written.await, Ok(Err(Unavailable)));
        let taken = queue.take();
        assert_eq!((taken.items.len(), taken.lost), (2, 1));
        assert_eq!(queue.take().lost, 0);
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
        let unwaited = || Item { done: None, ..item().0 };
        queue.push(unwaited());
        assert_eq!(after(&queue).await, 100);
        queue.push(item().0);
        assert_eq!(after(&queue).await, 100, "somebody waits");
        assert_eq!(queue.take().items.len(), 2);
        assert_eq!(after(&queue).await, 1_100, "there is nothing");
        (0..=RECORDS).for_each(|_| assert!(queue.push(unwaited())));
        assert_eq!(after(&queue).await, 1_100, "a block is full");
        assert_eq!(queue.take().items.len(), RECORDS);
        assert_eq!(after(&queue).await, 1_100, "the rest is older than it");
    }

    #[tokio::test]
    async fn nobody_waits_while_nothing_can_be_written() {
        let queue = Queue::new(9_999);
        let ((first, earlier), (second, later)) = (item(), item());
        queue.push(first);
        queue.set_failing(true);
        queue.push(second);
        assert_eq!((earlier.await, later.await), (Ok(Err(Unavailable)), Ok(Err(Unavailable))));
        assert_eq!(queue.take().items.len(), 2, "they are written later");
    }
}
