//! One WebSocket: frames, pings, and its end.

use std::{
    future::Future,
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyport_service::Service;
use bytes::Bytes;
use futures_util::{
    SinkExt as _, StreamExt as _,
    stream::{SplitSink, SplitStream},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _},
    sync::mpsc,
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

use super::Config;
use crate::{
    dialogue::{End, Frame, Peer, Terms},
    lines::{INPUT, OUTPUT},
};

/// How long each step of the end may take: saying it, and hearing that it was heard.
pub(super) const LAST_WORDS: Duration = Duration::from_secs(1);

/// What an idle connection holds in readiness.
const READ_BUFFER: usize = 4 * 1024;

/// A message that is longer is sent in fragments of this size: what waits to be written stays small, and a pong comes
/// between them.
const FRAGMENT: usize = 64 * 1024;

/// Serves one client until either side ends it.
pub(super) async fn serve<T: AsyncRead + AsyncWrite + Unpin>(
    io: T,
    service: Arc<dyn Service>,
    terms: Terms,
    config: Config,
    write_timeout: Duration,
    stop: impl Future<Output = ()>,
) {
    let frames = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .write_buffer_size(READ_BUFFER)
        .max_frame_size(Some(config.max_frame_bytes.unwrap_or(terms.limits.bytes)))
        .max_message_size(Some(terms.limits.bytes));
    let socket = WebSocketStream::from_raw_socket(io, Role::Server, Some(frames)).await;
    let (mut sink, mut stream) = socket.split();
    let (to_peer, from_client) = mpsc::channel(INPUT);
    let (out, messages) = mpsc::channel(OUTPUT);
    let heard = AtomicBool::new(false);
    let dialogue = Peer::new(service, terms, out).run(from_client, stop);
    let talk = async {
        // What ends first ends the other, and with the channels the dialogue.
        tokio::select! {
            closing = read(&mut stream, to_peer, &config, &heard) => closing,
            closing = write(&mut sink, messages, &config, write_timeout, &heard) => closing,
        }
    };
    let (end, closing) = tokio::join!(dialogue, talk);
    let close = match closing {
        Closing::Said => Some(close(end)),
        Closing::For(frame) => Some(frame),
        Closing::Gone => None,
    };
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

/// Why frames are exchanged no more.
enum Closing {
    /// Everything is written; the dialogue knows why.
    Said,
    /// For this reason, which the client is to be told.
    For(CloseFrame),
    /// The client is gone, or has closed.
    Gone,
}

impl Closing {
    fn because(code: CloseCode, reason: impl Into<Utf8Bytes>) -> Self {
        Self::For(CloseFrame { code, reason: reason.into() })
    }
}

fn close(end: End) -> CloseFrame {
    let code = match end {
        End::Closed => CloseCode::Normal,
        End::Stopped => CloseCode::Away,
        End::Silent(_) | End::Idle(_) => CloseCode::Policy,
    };
    CloseFrame { code, reason: end.to_string().into() }
}

/// Reads messages until there are no more, or one that may not be.
async fn read<T: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut SplitStream<WebSocketStream<T>>,
    messages: mpsc::Sender<Frame>,
    config: &Config,
    heard: &AtomicBool,
) -> Closing {
    let mut pings = Pings { count: 0, since: Instant::now() };
    while let Some(message) = stream.next().await {
        heard.store(true, Ordering::Relaxed);
        match message {
            Ok(Message::Text(text)) => {
                if messages.send(Frame::Message(text.into())).await.is_err() {
                    return Closing::Said;
                }
            }
            Ok(Message::Binary(_)) => {
                return Closing::because(CloseCode::Unsupported, "messages are text frames");
            }
            // The library answers pings.
            Ok(Message::Ping(_) | Message::Pong(_)) => {
                if pings.are_too_many(config) {
                    let Config { max_pings, ping_interval, .. } = config;
                    let reason = format!("more than {max_pings} pings within {ping_interval:?} (max_pings)");
                    return Closing::because(CloseCode::Policy, reason);
                }
                // Many may lie in the buffer: others are to have their turn between them.
                coop::consume_budget().await;
            }
            Ok(Message::Close(_) | Message::Frame(_)) => return Closing::Gone,
            Err(error) => return fault(&error),
        }
    }
    Closing::Gone
}

struct Pings {
    count: usize,
    since: Instant,
}

impl Pings {
    fn are_too_many(&mut self, config: &Config) -> bool {
        let now = Instant::now();
        if now.duration_since(self.since) >= config.ping_interval {
            (self.count, self.since) = (0, now);
        }
        self.count += 1;
        self.count > config.max_pings
    }
}

/// What a client is told of what it did wrong (RFC 6455 §7.4.1).
fn fault(error: &tungstenite::Error) -> Closing {
    use tungstenite::Error;
    match error {
        Error::Capacity(CapacityError::MessageTooLong { max_size, .. }) => Closing::because(
            CloseCode::Size,
            format!("larger than {max_size} bytes (max_frame_bytes, max_message_bytes)"),
        ),
        Error::Utf8(_) => Closing::because(CloseCode::Invalid, "a text frame that is not UTF-8"),
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => Closing::Gone,
        Error::Protocol(error) => {
            // As much as a close frame holds.
            let mut reason = error.to_string();
            while reason.len() > 120 {
                reason.pop();
            }
            Closing::because(CloseCode::Protocol, reason)
        }
        error => {
            tracing::debug!(%error, "a WebSocket broke off");
            Closing::Gone
        }
    }
}

/// Writes messages until there are no more, and asks the client now and then whether it is still there.
async fn write<T: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<T>, Message>,
    mut messages: mpsc::Receiver<Bytes>,
    config: &Config,
    limit: Duration,
    heard: &AtomicBool,
) -> Closing {
    let Config { ping_interval, pong_timeout, .. } = *config;
    let mut next_ping = Instant::now() + ping_interval;
    // When the client was asked, if it has not shown since that it is there. Whatever it says shows it.
    let mut asked: Option<Instant> = None;
    loop {
        let wake = asked.map_or(next_ping, |asked| next_ping.min(asked + pong_timeout));
        let written = tokio::select! {
            message = messages.recv() => match message {
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
            tracing::debug!(%error, "a WebSocket cannot be written to");
            return Closing::Gone;
        }
    }
}

/// Writes a message, and what else waits, and flushes when there are no more for the moment.
async fn all<T: AsyncRead + AsyncWrite + Unpin>(
    sink: &mut SplitSink<WebSocketStream<T>, Message>,
    first: Bytes,
    messages: &mut mpsc::Receiver<Bytes>,
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
        next = messages.try_recv().ok();
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
        let late = io::Error::new(io::ErrorKind::TimedOut, "the client does not read (write_timeout)");
        Err(late.into())
    })
}
