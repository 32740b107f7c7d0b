//! What a client leaves unread of one stream of HTTP/2: the window of a stream stops it while the connection goes on.

use std::{
    convert::Infallible,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context as Task, Poll},
    time::Duration,
};

use anyport_service::sync::Lock;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, sleep_until};

use super::body::Body;

/// The parts of a body that have left for the connection and are not written yet.
#[derive(Debug)]
pub(super) struct Unread {
    parts: AtomicUsize,
    /// When the last part was written, or the first one left.
    since: Lock<Instant>,
    stream: AtomicWaker,
}

/// A part of a body. A slow reader is one that takes less than this within the limit.
const PART: usize = 64 * 1024;

impl Unread {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            parts: AtomicUsize::new(0),
            since: Lock::new(Instant::now()),
            stream: AtomicWaker::new(),
        })
    }

    fn is_empty(&self) -> bool {
        self.parts.load(Ordering::Acquire) == 0
    }

    /// A part that is counted until it is dropped.
    fn part(self: &Arc<Self>, bytes: Bytes) -> Bytes {
        if self.parts.fetch_add(1, Ordering::AcqRel) == 0 {
            *self.since.lock() = Instant::now();
        }
        Bytes::from_owner(Part { bytes, unread: self.clone() })
    }

    /// Runs `stream` to its end. `false` if its client read nothing of what there was for `limit`.
    pub(super) async fn bounds(&self, stream: impl Future<Output = ()>, limit: Duration) -> bool {
        let limit = limit.min(crate::LONGEST_WAIT);
        let mut stream = pin!(stream);
        let mut timer = pin!(sleep_until(Instant::now() + limit));
        std::future::poll_fn(|task| {
            self.stream.register(task.waker());
            if stream.as_mut().poll(task).is_ready() {
                return Poll::Ready(true);
            }
            if self.is_empty() {
                return Poll::Pending;
            }
            let due = *self.since.lock() + limit;
            if timer.deadline() != due {
                timer.as_mut().reset(due);
            }
            timer.as_mut().poll(task).map(|()| false)
        })
        .await
    }
}

struct Part {
    bytes: Bytes,
    unread: Arc<Unread>,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        *self.unread.since.lock() = Instant::now();
        self.unread.parts.fetch_sub(1, Ordering::AcqRel);
        self.unread.stream.wake();
    }
}

/// A body that ends once its client has room for all of it: until then, its stream is not over, and can be given up.
#[derive(Debug)]
pub(super) struct CountedBody {
    body: Body,
    /// What is left of a frame.
    rest: Bytes,
    unread: Arc<Unread>,
}

impl CountedBody {
    pub(super) fn new(body: Body, unread: Arc<Unread>) -> Self {
        Self { body, rest: Bytes::new(), unread }
    }
}

impl http_body::Body for CountedBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        while self.rest.is_empty() {
            let frame = std::task::ready!(Pin::new(&mut self.body).poll_frame(task));
            let Some(frame) = frame else {
                // The stream's task wakes when a part is written.
                return if self.unread.is_empty() { Poll::Ready(None) } else { Poll::Pending };
            };
            let Ok(frame) = frame;
            self.rest = frame.into_data().unwrap_or_default();
        }
        let length = self.rest.len().min(PART);
        let part = self.rest.split_to(length);
        Poll::Ready(Some(Ok(Frame::data(self.unread.part(part)))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && self.unread.is_empty() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
