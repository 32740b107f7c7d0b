//! One client on standard input and output (2026-07-28, transports/stdio).
//!
//! Reading and writing have a thread each: tokio's own standard input keeps a runtime from shutting down, and its
//! standard output hands every write to another thread.

use std::{
    future::Future,
    io::{self, Read, Write},
    sync::Arc,
    thread,
    time::Duration,
};

use anyport_protocol::{Limits, Revision};
use anyport_service::{Principal, Service};
use bytes::{Bytes, BytesMut};
use tokio::sync::{mpsc, oneshot};

use crate::dialogue::{Frame, Peer};

/// How to serve a client on standard input and output.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which revisions are spoken. Default all.
    pub supported: Arc<[Revision]>,
    /// How large a message may be.
    pub limits: Limits,
    /// Requests that may be open at once (`max_open_requests`). Default 1,024.
    pub max_open_requests: usize,
    /// How long running calls may go on once the client has ended its side. Default 10 s.
    pub drain: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            supported: Revision::ALL.into(),
            limits: Limits::default(),
            max_open_requests: 1024,
            drain: Duration::from_secs(10),
        }
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
    let Config { supported, limits, max_open_requests, drain } = config;
    let peer = Peer::new(Arc::new(service), Principal::local(), supported, limits, max_open_requests, out);
    peer.run(receive, stop, drain).await;
    // The last sender went with the peer, so the writer ends once everything is written. A client that reads no
    // more would hold it for ever.
    let _ = tokio::time::timeout(drain, written).await;
    Ok(())
}

/// Messages that may wait in either direction; beyond that the pipe fills up, and the other side waits.
const QUEUE: usize = 64;

/// Cuts the input into lines. Blank ones are passed over, a carriage return at the end too.
fn read(mut input: impl Read, limit: usize, frames: &mpsc::Sender<Frame>) {
    let mut buffer = BytesMut::with_capacity(CHUNK);
    let mut scanned = 0;
    let mut skipping = false;
    loop {
        while let Some(end) = memchr::memchr(b'\n', &buffer[scanned..]) {
            let line = buffer.split_to(scanned + end + 1).freeze();
            scanned = 0;
            if !std::mem::take(&mut skipping) && !send(frames, &line, limit) {
                return;
            }
        }
        scanned = buffer.len();
        if scanned > limit + 1 {
            // The rest of the line is read and forgotten, so that the next message is found.
            if !std::mem::replace(&mut skipping, true) && frames.blocking_send(Frame::TooLong).is_err() {
                return;
            }
            buffer.clear();
            scanned = 0;
        }
        match fill(&mut input, &mut buffer) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => {
                tracing::warn!(%error, "standard input failed");
                break;
            }
        }
    }
    // A last line without an end is a message all the same.
    if !skipping && !buffer.is_empty() {
        send(frames, &buffer.freeze(), limit);
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

fn send(frames: &mpsc::Sender<Frame>, line: &Bytes, limit: usize) -> bool {
    let text = line.trim_ascii();
    if text.is_empty() {
        return true;
    }
    let frame = if text.len() > limit { Frame::TooLong } else { Frame::Message(line.slice_ref(text)) };
    frames.blocking_send(frame).is_ok()
}

/// Writes messages, a line each, and flushes when there are no more for the moment.
fn write(mut output: impl Write, mut messages: mpsc::Receiver<Bytes>) {
    let mut batch = Vec::with_capacity(CHUNK);
    while let Some(first) = messages.blocking_recv() {
        batch.clear();
        let mut next = Some(first);
        while let Some(message) = next {
            batch.extend_from_slice(&message);
            batch.push(b'\n');
            next = if batch.len() < CHUNK { messages.try_recv().ok() } else { None };
        }
        if let Err(error) = output.write_all(&batch).and_then(|()| output.flush()) {
            // The client closed its end, which ends the dialogue; dropping the receiver tells the peer.
            tracing::debug!(%error, "standard output is closed");
            return;
        }
        if batch.capacity() > 1 << 20 {
            batch = Vec::with_capacity(CHUNK);
        }
    }
}

#[cfg(test)]
mod tests;
