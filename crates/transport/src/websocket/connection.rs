//! One WebSocket: what is said on it, and its end.

use std::{future::Future, sync::Arc, time::Duration};

use anyport_service::Service;
use bytes::Bytes;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    sync::mpsc,
};
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, frame::coding::CloseCode};

use super::config::Config;
use crate::{
    dialogue::{ConnectionConfig, ConnectionEnd, Frame, ServerConnection},
    frames::{Bounds, Closing, Inbox, Outgoing, Socket},
    lines::{INPUT, OUTPUT},
};

/// Serves one client until either side ends it, `stop` completes, or its credential ends: `unauthorized` completes.
pub(super) async fn serve<T: AsyncRead + AsyncWrite + Send + Unpin>(
    io: T,
    service: Arc<dyn Service>,
    connection: ConnectionConfig,
    config: Config,
    write_timeout: Duration,
    (stop, unauthorized): (impl Future<Output = ()>, impl Future<Output = ()>),
) {
    let bounds = Bounds {
        max_message_bytes: connection.limits.bytes,
        max_frame_bytes: config.max_frame_bytes,
        ping_interval: config.ping_interval,
        pong_timeout: config.pong_timeout,
        max_pings: config.max_pings,
        write_timeout,
    };
    let mut socket = Socket::new(io, Role::Server, bounds).await;
    let (to_peer, from_client) = mpsc::channel(INPUT);
    let (out, messages) = mpsc::channel(OUTPUT);
    let dialogue = ServerConnection::new(service, connection, out).run(from_client, stop);
    // When no more frames are exchanged the channels end, and with them the dialogue.
    let talk = socket.exchange(FromClient(to_peer), ToClient(messages));
    let ended = tokio::select! {
        ended = async { tokio::join!(dialogue, talk) } => Some(ended),
        () = unauthorized => None,
    };
    let close = match ended {
        Some((end, closing)) => close_of(end, closing),
        None => Some(policy("the credential has expired or was revoked")),
    };
    socket.close(close).await;
}

fn policy(reason: &'static str) -> CloseFrame {
    CloseFrame { code: CloseCode::Policy, reason: reason.into() }
}

/// How a connection is closed that ended by itself.
fn close_of(end: ConnectionEnd, closing: Closing) -> Option<CloseFrame> {
    match closing {
        Closing::Said => Some(close(end)),
        Closing::For(frame) => Some(frame),
        Closing::By(said) => {
            tracing::debug!(?said, "a client closed its WebSocket");
            None
        }
        Closing::Gone(why) => {
            tracing::debug!(why, "a WebSocket broke off");
            None
        }
    }
}

fn close(end: ConnectionEnd) -> CloseFrame {
    let code = match end {
        ConnectionEnd::Closed => CloseCode::Normal,
        ConnectionEnd::Stopped => CloseCode::Away,
        ConnectionEnd::Silent(_) | ConnectionEnd::Idle(_) => CloseCode::Policy,
    };
    CloseFrame { code, reason: end.to_string().into() }
}

/// Waits until the dialogue takes what was said: what it does not take stays with the client.
struct FromClient(mpsc::Sender<Frame>);

impl Inbox for FromClient {
    async fn put(&mut self, message: Bytes) -> bool {
        self.0.send(Frame::Message(message)).await.is_ok()
    }
}

struct ToClient(mpsc::Receiver<Bytes>);

impl Outgoing for ToClient {
    async fn next(&mut self) -> Option<Bytes> {
        self.0.recv().await
    }

    fn waiting(&mut self) -> Option<Bytes> {
        self.0.try_recv().ok()
    }
}
