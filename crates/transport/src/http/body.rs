use std::{
    collections::VecDeque,
    convert::Infallible,
    future::Future,
    pin::Pin,
    task::{Context as Task, Poll},
    time::Duration,
};

use bytes::{BufMut as _, Bytes, BytesMut};
use futures_util::Stream;
use http_body::{Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep};

use crate::dialogue::MessageText;

/// A response as hyper takes it.
pub(super) type Response = http::Response<Body>;

/// The body of a response: one message, a stream of parts, or a stream of events.
#[derive(Debug)]
pub struct Body(Kind);

#[derive(Debug)]
enum Kind {
    Message([Bytes; 3]),
    Events(Box<Events>),
    Parts(Parts),
}

impl Body {
    pub(super) fn empty() -> Self {
        Self(Kind::Message([const { Bytes::new() }; 3]))
    }

    pub(super) fn full(text: impl Into<MessageText>) -> Self {
        Self(Kind::Message(text.into().into_parts()))
    }

    /// What `parts` yields, one after the other. It is polled when the connection has room, and dropped when the client
    /// is gone.
    pub(super) fn parts(parts: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Kind::Parts(Parts(Box::pin(parts))))
    }

    /// A stream of events that `source` yields. It is polled when the connection has room, and dropped when the
    /// client is gone: nothing stands between a slow reader and its call.
    pub(super) fn events(source: impl Source, keep_alive: Duration) -> Self {
        let keep_alive = keep_alive.min(crate::LONGEST_WAIT);
        let silence = Box::pin(sleep(keep_alive));
        Self(Kind::Events(Box::new(Events {
            source: Some(Box::new(source)),
            frames: VecDeque::new(),
            keep_alive,
            silence,
            end: None,
        })))
    }
}

impl Body {
    /// Ends an event stream once `end` completes; another body stays as it is.
    pub(super) fn end_with(&mut self, end: impl Future<Output = ()> + Send + 'static) {
        if let Kind::Events(events) = &mut self.0 {
            events.end = Some(Box::pin(end));
        }
    }

    /// Whether it is an event stream.
    pub(super) fn is_event_stream(&self) -> bool {
        matches!(self.0, Kind::Events(_))
    }
}

struct Parts(Pin<Box<dyn Stream<Item = Bytes> + Send>>);

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Parts(..)")
    }
}

/// Yields events; `None` ends the stream.
pub(super) trait Source: Send + 'static {
    fn poll_event(&mut self, task: &mut Task<'_>) -> Poll<Option<SseEvent>>;
}

/// One event of a stream.
#[derive(Debug, Default)]
pub(super) struct SseEvent {
    /// What kind of event it is; a message unless it says.
    pub(super) event: Option<&'static str>,
    /// Its id within the session, for clients that come back.
    pub(super) id: Option<String>,
    /// How long the client is to wait before it comes back.
    pub(super) retry: Option<Duration>,
    /// A message; empty for an event that only carries the above.
    pub(super) data: MessageText,
}

struct Events {
    source: Option<Box<dyn Source>>,
    frames: VecDeque<Bytes>,
    keep_alive: Duration,
    silence: Pin<Box<Sleep>>,
    /// Ends the stream when it completes.
    end: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

impl std::fmt::Debug for Events {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Events(..)")
    }
}

impl Events {
    fn poll_frame(&mut self, task: &mut Task<'_>) -> Poll<Option<Bytes>> {
        if let Some(frame) = self.frames.pop_front() {
            return Poll::Ready(Some(frame));
        }
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(task).is_ready()) {
            (self.source, self.end) = (None, None);
        }
        let Some(source) = &mut self.source else { return Poll::Ready(None) };
        match source.poll_event(task) {
            Poll::Ready(Some(event)) => {
                self.silence.as_mut().reset(Instant::now() + self.keep_alive);
                self.write(event);
                Poll::Ready(self.frames.pop_front())
            }
            Poll::Ready(None) => {
                self.source = None;
                Poll::Ready(None)
            }
            Poll::Pending => {
                std::task::ready!(self.silence.as_mut().poll(task));
                self.silence.as_mut().reset(Instant::now() + self.keep_alive);
                // WHATWG HTML §9.2.6: a line that begins with a colon is a comment.
                Poll::Ready(Some(Bytes::from_static(b":\n\n")))
            }
        }
    }

    /// A small message is copied between the field names; a large one travels as it is.
    fn write(&mut self, event: SseEvent) {
        let whole = event.data.len() <= COPIED;
        let mut head = BytesMut::with_capacity(64 + if whole { event.data.len() } else { 0 });
        if let Some(kind) = event.event {
            head.put_slice(b"event: ");
            head.put_slice(kind.as_bytes());
            head.put_u8(b'\n');
        }
        if let Some(id) = &event.id {
            head.put_slice(b"id: ");
            head.put_slice(id.as_bytes());
            head.put_u8(b'\n');
        }
        if let Some(retry) = event.retry {
            head.put_slice(format!("retry: {}\n", retry.as_millis()).as_bytes());
        }
        head.put_slice(b"data: ");
        if whole {
            for part in event.data.into_parts() {
                head.put_slice(&part);
            }
            head.put_slice(b"\n\n");
            self.frames.push_back(head.freeze());
        } else {
            self.frames.push_back(head.freeze());
            self.frames.extend(event.data.into_parts().into_iter().filter(|part| !part.is_empty()));
            self.frames.push_back(Bytes::from_static(b"\n\n"));
        }
    }
}

const COPIED: usize = 16 * 1024;

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        task: &mut Task<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut self.0 {
            Kind::Message(parts) => parts.iter_mut().find(|part| !part.is_empty()).map(std::mem::take),
            Kind::Events(events) => std::task::ready!(events.poll_frame(task)),
            Kind::Parts(parts) => std::task::ready!(parts.0.as_mut().poll_next(task)),
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(&self.0, Kind::Message(parts) if parts.iter().all(Bytes::is_empty))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Message(parts) => SizeHint::with_exact(parts.iter().map(|part| part.len() as u64).sum()),
            Kind::Events(_) | Kind::Parts(_) => SizeHint::default(),
        }
    }
}
