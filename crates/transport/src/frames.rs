//! The frames of a WebSocket, which both of its ends exchange alike: messages, pings, and what may not be.

use std::{
    future::Future,
    io,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use http::{HeaderMap, HeaderName};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    task::coop,
    time::{Instant, sleep_until, timeout},
};
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        self, Message,
        error::{CapacityError, ProtocolError},
        protocol::{
            CloseFrame, Role, WebSocketConfig,
            frame::{
                Frame as WebFrame, Utf8Bytes,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

/// What this protocol is called in a handshake.
pub(crate) const SUBPROTOCOL: &str = "mcp";

/// How long each step of the end may take: saying it, and hearing that it was heard.
pub(crate) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What an idle connection holds in readiness.
const READ_BUFFER: usize = 4 * 1024;

/// A message that is longer is sent in fragments of this size: what waits to be written stays small, and a pong comes
/// between them.
const FRAGMENT: usize = 64 * 1024;

/// What bounds a WebSocket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    pub(crate) max_message_bytes: usize,
    /// As many as a message may have, unless it is given.
    pub(crate) max_frame_bytes: Option<usize>,
    /// How often the other side is asked whether it is still there.
    pub(crate) ping_interval: Duration,
    /// How long it may take to show that it is.
    pub(crate) pong_timeout: Duration,
    /// Pings and pongs of the other side within one `ping_interval`.
    pub(crate) max_pings: usize,
    /// How long a fragment may take to be written.
    pub(crate) write_timeout: Duration,
}

/// Takes the messages that come.
pub(crate) trait Inbox: Send {
    /// Whether more are wanted.
    fn put(&mut self, message: Bytes) -> impl Future<Output = bool> + Send;
}

/// Gives the messages that are to be sent.
pub(crate) trait Outgoing: Send {
    /// The next one; `None` when there will be no more.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>> + Send;

    /// One that waits already.
    fn waiting(&mut self) -> Option<Bytes>;
}

/// Why frames are exchanged no more.
#[derive(Debug)]
pub(crate) enum Closing {
    /// Everything is written, or nothing more is wanted.
    Said,
    /// For this reason, which the other side is to be told.
    For(CloseFrame),
    /// The other side closed, with these words if it had some.
    By(Option<CloseFrame>),
    /// The other side is gone, as far as is known for this reason.
    Gone(String),
}

impl Closing {
    pub(crate) fn because(code: CloseCode, reason: impl Into<Utf8Bytes>) -> Self {
        Self::For(CloseFrame { code, reason: reason.into() })
    }
}

/// A WebSocket after its handshake.
pub(crate) struct Socket<T> {
    sink: SplitSink<WebSocketStream<T>, Message>,
    stream: SplitStream<WebSocketStream<T>>,
    bounds: Bounds,
}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket<T> {
    pub(crate) async fn new(io: T, role: Role, bounds: Bounds) -> Self {
        let frames = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(READ_BUFFER)
            .max_frame_size(Some(bounds.max_frame_bytes.unwrap_or(bounds.max_message_bytes)))
            .max_message_size(Some(bounds.max_message_bytes));
        let socket = WebSocketStream::from_raw_socket(io, role, Some(frames)).await;
        let (sink, stream) = socket.split();
        Self { sink, stream, bounds }
    }

    /// Exchanges messages until either side wants no more.
    pub(crate) async fn exchange(&mut self, inbox: impl Inbox, outgoing: impl Outgoing) -> Closing {
        let heard = AtomicBool::new(false);
        // What ends first ends the other.
        tokio::select! {
            closing = read(&mut self.stream, inbox, &self.bounds, &heard) => closing,
            closing = write(&mut self.sink, outgoing, &self.bounds, &heard) => closing,
        }
    }

    /// Says `close`, unless the other side has closed or is gone, and hears that it was heard.
    pub(crate) async fn close(self, close: Option<CloseFrame>) {
        let Self { mut sink, mut stream, .. } = self;
        if let Some(close) = close {
            tracing::debug!(code = u16::from(close.code), reason = %close.reason, "a WebSocket is closed");
            let _ = timeout(LAST_WORDS, sink.send(Message::Close(Some(close)))).await;
        }
        // The close frame of the other side ends the stream: ours is written by then.
        let _ = timeout(LAST_WORDS, async { while let Some(Ok(_)) = stream.next().await {} }).await;
        if let Ok(mut socket) = sink.reunite(stream) {
            let _ = timeout(LAST_WORDS, socket.get_mut().shutdown()).await;
        }
    }
}

/// Reads messages until there are no more, or one that may not be.
async fn read<T: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<T>>,
    mut inbox: impl Inbox,
    bounds: &Bounds,
    heard: &AtomicBool,
) -> Closing {
    let mut pings = Pings { count: 0, since: Instant::now() };
    while let Some(message) = stream.next().await {
        heard.store(true, Ordering::Relaxed);
        match message {
            Ok(Message::Text(text)) => {
                if !inbox.put(text.into()).await {
                    return Closing::Said;
                }
            }
            Ok(Message::Binary(_)) => {
                return Closing::because(CloseCode::Unsupported, "messages are text frames");
            }
            // The library answers pings.
            Ok(Message::Ping(_) | Message::Pong(_)) => {
                if pings.are_too_many(bounds) {
                    let Bounds { max_pings, ping_interval, .. } = bounds;
                    let reason = format!("more than {max_pings} pings within {ping_interval:?} (max_pings)");
                    return Closing::because(CloseCode::Policy, reason);
                }
                // Many may lie in the buffer: others are to have their turn between them.
                coop::consume_budget().await;
            }
            Ok(Message::Close(said)) => return Closing::By(said),
            Ok(Message::Frame(_)) => return Closing::By(None),
            Err(error) => return fault(&error),
        }
    }
    Closing::By(None)
}

struct Pings {
    count: usize,
    since: Instant,
}

impl Pings {
    fn are_too_many(&mut self, bounds: &Bounds) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) >= bounds.ping_interval {
            (self.count, self.since) = (0, now);
        }
        self.count += 1;
        self.count > bounds.max_pings
    }
}

/// What the other side is told of what it did wrong (RFC 6455 §7.4.1).
fn fault(error: &tungstenite::Error) -> Closing {
    use tungstenite::Error;
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => Closing::because(
            CloseCode::Size,
            format!("larger than {max_size} bytes (max_frame_bytes, max_message_bytes)"),
        ),
        Error::Utf8(_) => Closing::because(CloseCode::Invalid, "a text frame that is not UTF-8"),
        Error::Protocol(error @ ProtocolError::ResetWithoutClosingHandshake) => {
            Closing::Gone(error.to_string())
        }
        Error::Protocol(error) => {
            // As much as a close frame holds.
            let mut reason = error.to_string();
            while reason.len() > 120 {
                reason.pop();
            }
            Closing::because(CloseCode::Protocol, reason)
        }
        error => Closing::Gone(error.to_string()),
    }
}

/// Writes messages until there are no more, and asks the other side now and then whether it is still there.
async fn write<T: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<T>, Message>,
    mut messages: impl Outgoing,
    bounds: &Bounds,
    heard: &AtomicBool,
) -> Closing {
    let Bounds { ping_interval, pong_timeout, write_timeout: limit, .. } = *bounds;
    let (ping_interval, pong_timeout) =
        (ping_interval.min(crate::LONGEST_WAIT), pong_timeout.min(crate::LONGEST_WAIT));
    let mut next_ping = Instant::now() + ping_interval;
    // When the other side was asked, if it has not shown since that it is there. Whatever it says shows it.
    let mut asked: Option<Instant> = None;
    loop {
        let wake = asked.map_or(next_ping, |asked| next_ping.min(asked + pong_timeout));
        let written = tokio::select! {
            message = messages.next() => match message {
                Some(first) => all(sink, first, &mut messages, limit).await,
                None => return Closing::Said,
            },
            () = sleep_until(wake) => {
                if heard.swap(false, Ordering::Relaxed) {
                    asked = None;
                }
                let now = Instant::now();
                if asked.is_some_and(|asked| now >= asked + pong_timeout) {
                    let reason = format!("no pong within {pong_timeout:?} (pong_timeout)");
                    return Closing::because(CloseCode::Error, reason);
                }
                if now < next_ping {
                    continue;
                }
                let ping = patiently(limit, sink.send(Message::Ping(Bytes::new()))).await;
                // From when it was written: what stands before it may take its time.
                asked = asked.or_else(|| Some(Instant::now()));
                next_ping = Instant::now() + ping_interval;
                ping
            }
        };
        if let Err(error) = written {
            return Closing::Gone(error.to_string());
        }
    }
}

/// Writes a message, and what else waits, and flushes when there are no more for the moment.
async fn all<T: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<T>, Message>,
    first: Bytes,
    messages: &mut impl Outgoing,
    limit: Duration,
) -> Result<(), tungstenite::Error> {
    let mut next = Some(first);
    while let Some(mut message) = next {
        let mut kind = Data::Text;
        while message.len() > FRAGMENT {
            let part = message.split_to(FRAGMENT);
            let part = WebFrame::message(part, OpCode::Data(kind), false);
            patiently(limit, sink.feed(Message::Frame(part))).await?;
            kind = Data::Continue;
        }
        let last = WebFrame::message(message, OpCode::Data(kind), true);
        patiently(limit, sink.feed(Message::Frame(last))).await?;
        next = messages.waiting();
    }
    patiently(limit, sink.flush()).await
}

/// Writes as much as a fragment. The connection may come from another program's HTTP server, which looks after it no
/// more: so a client that does not read is noticed here.
async fn patiently(
    limit: Duration,
    writing: impl Future<Output = Result<(), tungstenite::Error>>,
) -> Result<(), tungstenite::Error> {
    timeout(limit, writing).await.unwrap_or_else(|_| {
        let late = io::Error::new(io::ErrorKind::TimedOut, "the other side does not read (write_timeout)");
        Err(late.into())
    })
}

/// Whether `word` is in the list that these headers make.
pub(crate) fn lists(headers: &HeaderMap, name: HeaderName, word: &str) -> bool {
    let values = headers.get_all(name);
    let mut words = values.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
    words.any(|listed| listed.trim().eq_ignore_ascii_case(word))
}
