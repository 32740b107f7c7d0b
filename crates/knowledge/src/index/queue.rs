//! Documents that wait to be indexed, and how many bytes of them may.
//!
//! The engine counts those that wait, not their bytes, and takes 10,000; were each of some megabytes, they would fill the
//! memory.

use std::{
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::Duration,
};

use tantivy::schema::{Document, TantivyDocument, document::CompactDocValue};

/// Most bytes that wait; one document more than that waits alone.
const MAX_WAITING_BYTES: usize = 16 << 20;
/// How long a document waits for room while nothing moves. Then the engine has failed, and says so when it is given more.
const PATIENCE: Duration = Duration::from_secs(5);

/// How much waits.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<usize>,
    less: Condvar,
}

/// A document that waits, and takes its room until it is indexed or dropped.
pub(super) struct Waiting {
    document: TantivyDocument,
    room: Room,
}

struct Room {
    queue: Arc<Queue>,
    bytes: usize,
}

impl Queue {
    /// Waits until there is room for a document of so many bytes, and takes it.
    pub(super) fn admit(self: &Arc<Self>, document: TantivyDocument, bytes: usize) -> Waiting {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while *waiting > 0 && *waiting + bytes > MAX_WAITING_BYTES {
            let before = *waiting;
            let (after, time) =
                self.less.wait_timeout(waiting, PATIENCE).unwrap_or_else(PoisonError::into_inner);
            waiting = after;
            if time.timed_out() && *waiting >= before {
                break;
            }
        }
        *waiting += bytes;
        Waiting { document, room: Room { queue: Arc::clone(self), bytes } }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        *self.queue.waiting.lock().unwrap_or_else(PoisonError::into_inner) -= self.bytes;
        self.queue.less.notify_all();
    }
}

impl Document for Waiting {
    type Value<'a> = CompactDocValue<'a>;
    type FieldsValuesIter<'a> = <TantivyDocument as Document>::FieldsValuesIter<'a>;

    fn iter_fields_and_values(&self) -> Self::FieldsValuesIter<'_> {
        self.document.iter_fields_and_values()
    }

    fn into_tantivy_document(self) -> TantivyDocument {
        drop(self.room);
        self.document
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_up_makes_room_and_what_is_too_large_waits_alone() {
        let queue = Arc::new(Queue::default());
        let first = queue.admit(TantivyDocument::new(), MAX_WAITING_BYTES / 2);
        let second = queue.admit(TantivyDocument::new(), MAX_WAITING_BYTES / 2);
        let large = std::thread::spawn({
            let queue = Arc::clone(&queue);
            move || queue.admit(TantivyDocument::new(), 10 * MAX_WAITING_BYTES)
        });
        first.into_tantivy_document();
        // Half of the capacity is still taken: a larger request has to wait.
        assert_eq!(*queue.waiting.lock().unwrap(), MAX_WAITING_BYTES / 2);
        drop(second);
        let large = large.join().unwrap();
        assert_eq!(*queue.waiting.lock().unwrap(), 10 * MAX_WAITING_BYTES);
        drop(large);
        assert_eq!(*queue.waiting.lock().unwrap(), 0);
    }
}
