//! One client on standard input and output (2026-07-28, transports/stdio).
//!
//! Reading and writing have a thread each: tokio's own standard input keeps a runtime from shutting down, and its
//! standard output hands every write to another thread.

use std::{
    future::Future,
    io::{self, Read, Write},
    sync::{Arc, OnceLock},
    thread,
    time::Duration,
};

use anyport_protocol::{Limits, Revision, settings};
use anyport_service::{Network, Principal, Service};
use bytes::{Bytes, BytesMut};
use tokio::{
    sync::{mpsc, oneshot},
    time::{Instant, timeout},
};

use crate::{
    BufferedBytes, ClientObserver,
    dialogue::{ConnectionConfig, Frame, ServerConnection},
    lines::{self, Lines, QUEUE},
};

settings! {
    /// How to serve a client on standard input and output.
    #[derive(Clone, Debug)]
    pub struct Config {
        /// The revisions that are supported.
        #[default("all" = Revision::ALL.into())]
        #[set(into)]
        pub supported: Arc<[Revision]>,
        /// Size, depth and node count of a message.
        #[default("those of [`Limits`]" = Limits::default())]
        pub limits: Limits,
        /// The number of open requests (`max_open_requests`). Further requests are refused as `overloaded`.
        #[default(1_024)]
        pub max_open_requests: usize,
        /// The time in which running calls may end after the client closed its side.
        #[default(10 s)]
        pub drain: Duration,
        /// The budget of large answers.
        #[default("one of its own" = BufferedBytes::default())]
        pub buffers: BufferedBytes,
        /// The observer of the messages of clients.
        #[default("none" = None)]
        #[set(into)]
        pub observer: Option<Arc<dyn ClientObserver>>,
    }
}

/// Serves the process's standard input and output until the input ends, the output is closed, or `stop`
/// completes; what was answered by then has been written when this returns.
///
/// # Errors
/// When a thread cannot be started.
pub async fn serve(service: impl Service, config: Config, stop: impl Future<Output = ()>) -> io::Result<()> {
    serve_on(service, config, stop, io::stdin(), io::stdout()).await
}

/// Serves any pair of blocking streams in the same way.
///
/// # Errors
/// When a thread cannot be started.
pub async fn serve_on(
    service: impl Service,
    config: Config,
    stop: impl Future<Output = ()>,
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
) -> io::Result<()> {
    let (frames, receive) = mpsc::channel(QUEUE);
    let (out, messages) = mpsc::channel(QUEUE);
    let (done, written) = oneshot::channel();
    let limit = config.limits.bytes;
    thread::Builder::new().name("stdio read".into()).spawn(move || read(input, limit, &frames))?;
    thread::Builder::new().name("stdio write".into()).spawn(move || {
        write(output, messages);
        let _ = done.send(());
    })?;
    let Config { supported, limits, max_open_requests, drain, buffers, observer } = config;
    let connection = ConnectionConfig {
        authorization: Principal::local().into(),
        network: Some(Network::STDIO),
        supported,
        limits,
        max_open_requests,
        drain,
        // The client started this process, and ends it when it likes.
        first_message: None,
        idle: None,
        buffers,
        observer,
    };
    let stopped = OnceLock::new();
    let stop = async {
        stop.await;
        let _ = stopped.set(Instant::now());
    };
    ServerConnection::new(Arc::new(service), connection, out).run(receive, stop).await;
    // The last sender went with the peer, so the writer ends once everything is written. A client that reads no
    // more would hold it for ever.
    let left = drain.saturating_sub(stopped.get().map_or(Duration::ZERO, Instant::elapsed));
    let _ = timeout(left.max(LAST_WORDS), written).await;
    Ok(())
}

/// How long the client may take at least to read what was still to be written.
const LAST_WORDS: Duration = Duration::from_secs(1);

fn read(mut input: impl Read, limit: usize, frames: &mpsc::Sender<Frame>) {
    let mut lines = Lines::new(limit);
    loop {
        while let Some(frame) = lines.next() {
            if frames.blocking_send(frame).is_err() {
                return;
            }
        }
        match fill(&mut input, lines.buffer()) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!(%error, "standard input failed");
                break;
            }
        }
    }
    if let Some(frame) = lines.last() {
        let _ = frames.blocking_send(frame);
    }
}

const CHUNK: usize = 64 * 1024;

fn fill(input: &mut impl Read, buffer: &mut BytesMut) -> io::Result<usize> {
    let start = buffer.len();
    buffer.resize(start + CHUNK, 0);
    let read = input.read(&mut buffer[start..]);
    buffer.truncate(start + read.as_ref().map_or(0, |count| *count));
    read
}

/// Writes messages, a line each, and flushes when there are no more for the moment.
fn write(mut output: impl Write, mut messages: mpsc::Receiver<Bytes>) {
    let mut batch = Vec::with_capacity(CHUNK);
    while let Some(first) = messages.blocking_recv() {
        let large = lines::batch(&mut batch, first, &mut messages);
        let written = output.write_all(&batch).and_then(|()| match &large {
            Some(large) => output.write_all(large).and_then(|()| output.write_all(b"\n")),
            None => Ok(()),
        });
        if let Err(error) = written.and_then(|()| output.flush()) {
            // The client closed its end, which ends the dialogue; dropping the receiver tells the peer.
            tracing::debug!(%error, "standard output is closed");
            return;
        }
    }
}

#[cfg(test)]
mod tests;
