//! A connection of HTTP/2 within its limits. Its requests pass the same pipeline as those of HTTP/1.1.

use std::{convert::Infallible, error::Error as _, future::Future, sync::Arc, time::Duration};

use anyport_metrics::Counter;
use anyport_protocol::Error;
use http::{Request, StatusCode, header};
use hyper::{body::Incoming, server::conn::http2, service::service_fn};
use hyper_util::rt::TokioTimer;
use tokio::{sync::watch, time::timeout};

use super::{
    body::Response,
    config::Limits,
    connect_info::ConnectInfo,
    credential::ClientCertificate,
    linger::LINGER,
    pipeline, response,
    state::State,
    unread::{CountedBody, Unread},
};

/// The size of a frame: the least that the protocol allows (RFC 9113 §4.2). Larger ones gain nothing here.
const FRAME: u32 = 16 << 10;

/// What is buffered of one stream, beyond what its client has room for.
const SEND_BUFFER: usize = 64 << 10;

tokio::task_local! {
    /// What the client leaves unread of the stream that this task serves.
    static UNREAD: Arc<Unread>;
}

/// Serves a connection, which may be beyond a limit of connections, until it ends, the listener stops, or nothing is requested for the `header_timeout`.
pub(super) async fn serve<T>(
    io: T,
    (state, info, beyond): (Arc<State>, ConnectInfo, Option<&'static str>),
    certificate: Option<ClientCertificate>,
    mut stopping: watch::Receiver<bool>,
) where
    T: hyper::rt::Read + hyper::rt::Write + Unpin + Send + 'static,
{
    let limits = state.config.limits.clone();
    let refusals = state.config.buffers.refusals().clone();
    let streams = Streams::new(limits.write_timeout, refusals.unread_streams.clone());
    let mut open = streams.open.subscribe();
    let service = service_fn(move |mut request: Request<Incoming>| {
        if let Some(certificate) = certificate {
            request.extensions_mut().insert(certificate);
        }
        let state = state.clone();
        async move { Ok::<_, Infallible>(counted(answer(state, request, info, beyond).await)) }
    });
    let connection = builder(&limits, streams).serve_connection(io, service);
    tokio::pin!(connection);
    let longest = if beyond.is_some() { LINGER } else { crate::LONGEST_WAIT };
    let (mut closing, mut limit) = (false, limits.header_timeout.min(longest));
    let result = loop {
        tokio::select! {
            // What is ready needs no look at the stop.
            biased;
            result = &mut connection => break result,
            () = async { drop(stopping.wait_for(|stopping| *stopping).await) }, if !closing => {}
            () = idle(&mut open, limit) => if closing {
                // The client was told, and does not close.
                return;
            },
        }
        // RFC 9113 §6.8: a GOAWAY that lets open streams end.
        connection.as_mut().graceful_shutdown();
        (closing, limit) = (true, LINGER);
    };
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
        if is_flood(&error) {
            refusals.http2_floods.increment();
        }
    }
}

/// Completes when no stream was open for `limit`.
async fn idle(open: &mut watch::Receiver<usize>, limit: Duration) {
    while open.wait_for(|open| *open == 0).await.is_ok() {
        if timeout(limit, open.changed()).await.is_err() {
            return;
        }
    }
    std::future::pending().await
}

/// HTTP/2 within these limits. The library bounds the CONTINUATION frames of a head by its size, and acknowledges one PING and one
/// SETTINGS frame after the other: it reads on once the acknowledgement is written.
fn builder(limits: &Limits, streams: Streams) -> http2::Builder<Streams> {
    let size = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).min(i32::MAX.unsigned_abs());
    let ping = limits.http2_ping.min(crate::LONGEST_WAIT);
    let mut http = http2::Builder::new(streams);
    http.timer(TokioTimer::new())
        .max_concurrent_streams(size(limits.http2_max_streams))
        .max_pending_accept_reset_streams(limits.http2_max_resets)
        .max_local_error_reset_streams(limits.http2_max_resets)
        .initial_stream_window_size(size(limits.http2_stream_window))
        .initial_connection_window_size(size(limits.http2_connection_window))
        .max_header_list_size(size(limits.max_header_bytes.max(8 << 10)))
        .max_frame_size(FRAME)
        .max_send_buf_size(SEND_BUFFER)
        .keep_alive_interval(ping)
        .keep_alive_timeout(ping);
    http
}

async fn answer(
    state: Arc<State>,
    request: Request<Incoming>,
    info: ConnectInfo,
    beyond: Option<&'static str>,
) -> Response {
    let limit = state.config.limits.max_headers;
    if request.headers().len() > limit {
        let error = Error::invalid_request(format!("more than {limit} header fields (max_headers)"));
        return response::error(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &error);
    }
    match beyond {
        None => pipeline::answer(state, request, info).await,
        Some(limit) => Box::pin(pipeline::answer_beyond(limit, state, request, info)).await,
    }
}

/// `response` on the stream of this task.
fn counted(mut response: Response) -> http::Response<CountedBody> {
    // RFC 9113 §8.2.2: no field is about the connection. A stream ends by itself.
    response.headers_mut().remove(header::CONNECTION);
    let unread = UNREAD.try_with(Arc::clone).unwrap_or_else(|_| Unread::new());
    response.map(|body| CountedBody::new(body, unread))
}

/// Whether the library closed the connection because of a flood: of streams that were reset, of CONTINUATION or empty DATA frames, or
/// of fields. It does not say of which.
fn is_flood(error: &hyper::Error) -> bool {
    let cause = error.source().and_then(|source| source.downcast_ref::<h2::Error>());
    cause.is_some_and(|cause| cause.is_library() && cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM))
}

/// Runs the streams of a connection, each in a task of its own.
#[derive(Clone, Debug)]
struct Streams {
    /// How many there are.
    open: Arc<watch::Sender<usize>>,
    write_timeout: Duration,
    unread: Counter,
}

impl Streams {
    fn new(write_timeout: Duration, unread: Counter) -> Self {
        Self { open: Arc::new(watch::Sender::new(0)), write_timeout, unread }
    }
}

impl<F: Future<Output = ()> + Send + 'static> hyper::rt::Executor<F> for Streams {
    fn execute(&self, stream: F) {
        self.open.send_modify(|open| *open += 1);
        let open = OpenStream(self.open.clone());
        let (limit, counter) = (self.write_timeout, self.unread.clone());
        tokio::spawn(async move {
            let _open = open;
            let unread = Unread::new();
            let stream = UNREAD.scope(unread.clone(), stream);
            // A stream that is dropped before its end is reset.
            if !unread.bounds(stream, limit).await {
                tracing::debug!("a stream was reset: the client does not read (write_timeout)");
                counter.increment();
            }
        });
    }
}

/// A stream that counts as open.
struct OpenStream(Arc<watch::Sender<usize>>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        self.0.send_modify(|open| *open = open.saturating_sub(1));
    }
}
