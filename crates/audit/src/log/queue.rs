use std::{collections::VecDeque, mem};

use anyport_protocol::Raw;
use anyport_service::sync::Lock;
use tokio::sync::{Notify, oneshot};

use crate::Record;

/// A record cannot be made durable now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the audit log cannot be written")]
pub struct Unavailable;

/// Whether a record is durable.
pub(super) type Written = Result<(), Unavailable>;

/// A record that waits.
pub(super) struct Item {
    pub(super) record: Record,
    pub(super) arguments: Option<Raw>,
    /// Who waits for it.
    pub(super) done: Option<oneshot::Sender<Written>>,
}

/// The records that wait, up to a size in bytes.
pub(super) struct Queue {
    waiting: Lock<Waiting>,
    most: usize,
    changed: Notify,
}

#[derive(Default)]
struct Waiting {
    items: VecDeque<Item>,
    bytes: usize,
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

/// About the bytes of a record beside its arguments.
const RECORD: usize = 512;

impl Item {
    fn bytes(&self) -> usize {
        RECORD + self.arguments.as_ref().map_or(0, |arguments| arguments.as_str().len())
    }
}

impl Queue {
    pub(super) fn new(most: usize) -> Self {
        Self { waiting: Lock::default(), most, changed: Notify::new() }
    }

    /// Adds a record. Returns whether there was room. Whoever waits for one that has none, or while nothing can be written, is told so.
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
        waiting.bytes += bytes;
        waiting.items.push_back(item);
        drop(waiting);
        fail(failed);
        self.changed.notify_one();
        true
    }

    /// Takes the oldest records: at most `records`, and about `bytes`.
    pub(super) fn take(&self, records: usize, bytes: usize) -> Taken {
        let mut waiting = self.waiting.lock();
        let (mut items, mut size) = (Vec::new(), 0);
        while items.len() < records && size < bytes {
            let Some(item) = waiting.items.pop_front() else { break };
            size += item.bytes();
            items.push(item);
        }
        waiting.bytes -= size;
        // What was lost came after what waited then.
        let lost = if waiting.items.is_empty() { mem::take(&mut waiting.lost) } else { 0 };
        Taken { items, lost, is_closed: waiting.is_closed }
    }

    /// Completes when there may be something to take.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
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
    use jiff::Timestamp;

    use super::*;
    use crate::Event;

    fn item() -> (Item, oneshot::Receiver<Written>) {
        let (done, written) = oneshot::channel();
        let record = Record { at: Timestamp::UNIX_EPOCH, event: Event::Close };
        (Item { record, arguments: None, done: Some(done) }, written)
    }

    #[tokio::test]
    async fn what_finds_no_room_is_counted_and_told() {
        let queue = Queue::new(2 * RECORD);
        let (first, _waits) = item();
        assert!(queue.push(first) && queue.push(item().0));
        let (third, written) = item();
        assert!(!queue.push(third));
        assert_eq!(written.await, Ok(Err(Unavailable)));
        assert_eq!(queue.take(1, 9_999).lost, 0, "older ones wait");
        let taken = queue.take(9, 9_999);
        assert_eq!((taken.items.len(), taken.lost), (1, 1));
        assert_eq!(queue.take(9, 9_999).lost, 0);
    }

    #[tokio::test]
    async fn nobody_waits_while_nothing_can_be_written() {
        let queue = Queue::new(99 * RECORD);
        let ((first, earlier), (second, later)) = (item(), item());
        queue.push(first);
        queue.set_failing(true);
        queue.push(second);
        assert_eq!((earlier.await, later.await), (Ok(Err(Unavailable)), Ok(Err(Unavailable))));
        assert_eq!(queue.take(9, 9_999).items.len(), 2, "they are written later");
    }
}
