//! From a URL to frames: the client's side of the handshake (RFC 6455 §4.1), and what drives the connection then.

use std::{sync::Arc, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header};
use http_body_util::Empty;
use hyper::{body::Incoming, client::conn::http1, upgrade};
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_tungstenite::tungstenite::{
    handshake::derive_accept_key,
    protocol::{
        CloseFrame, Role,
        frame::{Utf8Bytes, coding::CloseCode},
    },
};

use super::Endpoint;
use crate::{
    client::{
        CloseReason, ConnectError, ConnectOptions,
        duplex::{Channel, Duplex, Idle, Open, Opening, Outbox},
        http::{Connector, Fault, Reading, Refusal, USER_AGENT, uri, without_secrets},
    },
    dialogue::Frame,
    frames::{Bounds, Closing, Inbox, Outgoing, SUBPROTOCOL, Socket, lists},
};

/// A server behind a WebSocket.
pub(in crate::client) struct Upgraded<'a>(pub(in crate::client) &'a Endpoint);

impl Open for Upgraded<'_> {
    async fn open(&self, opening: Opening) -> Result<Channel, ConnectError> {
        let options = opening.options.clone();
        let upgrading = timeout(options.open_timeout, self.upgrade(&options)).await;
        let connection = upgrading.unwrap_or(Err(ConnectError::Silent(options.open_timeout)))?;
        let config = &self.0.config;
        let bounds = Bounds {
            max_message_bytes: options.limits.bytes,
            max_frame_bytes: config.max_frame_bytes,
            ping_interval: config.ping_interval,
            pong_timeout: config.pong_timeout,
            max_pings: config.max_pings,
            write_timeout: config.write_timeout,
        };
        let socket = Socket::new(TokioIo::new(connection), Role::Client, bounds).await;
        Ok(channel(socket, opening, config.connection_idle))
    }
}

impl Upgraded<'_> {
    /// A connection that is a WebSocket's from here on.
    async fn upgrade(&self, opening: &ConnectOptions) -> Result<upgrade::Upgraded, ConnectError> {
        let endpoint = &self.0.http;
        let at = uri(&endpoint.url)?;
        let target = format!("{}:{}", at.host().unwrap_or_default(), port(&at));
        let socket = Connector::new(endpoint.options.clone()).tunnel(&at).await?;
        let lost = |error: hyper::Error| Fault::Lost { target: target.clone(), why: error.to_string() };
        let (mut sender, connection) = http1::handshake(socket).await.map_err(lost)?;
        // Ends with the answer, unless that is no upgrade; then with its body.
        tokio::spawn(async move { drop(connection.with_upgrades().await) });
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|error| ConnectError::Transport(format!("no random numbers are to be had: {error}")))?;
        let key = STANDARD.encode(nonce);
        let request = self.request(&at, &key)?;
        let response = sender.send_request(request).await.map_err(lost)?;
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Err(self.refused(response, opening).await);
        }
        if let Some(why) = mismatch(&response, &key) {
            return Err(ConnectError::Transport(format!("{}: {why}; is this a WebSocket?", self.0.shown())));
        }
        Ok(upgrade::on(response).await.map_err(lost)?)
    }

    fn request(&self, at: &Uri, key: &str) -> Result<Request<Empty<Bytes>>, ConnectError> {
        let path = at.path_and_query().map_or("/", |path| path.as_str());
        // §4.1: "if |port| is not the default port", it is named, too. A URL has none that is the default.
        let host = at.authority().map_or("", |authority| authority.as_str());
        let request = Request::get(path)
            .header(header::HOST, host)
            .header(header::CONNECTION, "Upgrade")
            .header(header::UPGRADE, "websocket")
            .header(header::SEC_WEBSOCKET_VERSION, "13")
            .header(header::SEC_WEBSOCKET_KEY, key)
            .header(header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL)
            .body(Empty::new());
        let mut request = request.map_err(|error| ConnectError::Transport(error.to_string()))?;
        let headers = request.headers_mut();
        for (name, value) in &self.0.http.headers {
            headers.append(name, value.clone());
        }
        headers.entry(header::USER_AGENT).or_insert(USER_AGENT);
        Ok(request)
    }

    async fn refused(&self, response: Response<Incoming>, opening: &ConnectOptions) -> ConnectError {
        let at = self.0.shown();
        let location = response.headers().get(header::LOCATION).and_then(|to| to.to_str().ok());
        let elsewhere = location.filter(|_| response.status().is_redirection());
        let elsewhere = elsewhere
            .map(|to| format!("it sends on to {:.256?}, and no WebSocket follows that", without_secrets(to)));
        let reading = Reading::new(opening, opening.limits.bytes, &self.0.http.url);
        let refusal = Refusal::of(response, &reading).await;
        match refusal.status {
            StatusCode::UNAUTHORIZED => ConnectError::unauthorized(at, refusal.challenge),
            StatusCode::FORBIDDEN => {
                let words = refusal.words();
                ConnectError::Forbidden { at, words, challenge: refusal.challenge }
            }
            _ => {
                let why = elsewhere.unwrap_or_else(|| refusal.words());
                ConnectError::Transport(format!("{at} opens no WebSocket: {why}"))
            }
        }
    }
}

/// What of an answer is not as §4.1 has it.
fn mismatch(response: &Response<Incoming>, key: &str) -> Option<&'static str> {
    let headers = response.headers();
    let accepted = headers.get(header::SEC_WEBSOCKET_ACCEPT);
    let chosen = headers.get(header::SEC_WEBSOCKET_PROTOCOL);
    if !lists(headers, header::UPGRADE, "websocket") || !lists(headers, header::CONNECTION, "upgrade") {
        Some("the server switched to another protocol")
    } else if accepted.map(HeaderValue::as_bytes) != Some(derive_accept_key(key.as_bytes()).as_bytes()) {
        Some("the server's Sec-WebSocket-Accept does not fit our key")
    } else if chosen.is_some_and(|chosen| chosen != SUBPROTOCOL) {
        Some("the server chose a subprotocol that was not offered (Sec-WebSocket-Protocol)")
    } else if headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) {
        Some("the server chose extensions that were not offered (Sec-WebSocket-Extensions)")
    } else {
        None
    }
}

fn port(at: &Uri) -> u16 {
    at.port_u16().unwrap_or(if at.scheme() == Some(&http::uri::Scheme::HTTPS) { 443 } else { 80 })
}

/// A channel over the frames of a WebSocket.
pub(super) fn channel<T>(socket: Socket<T>, opening: Opening, idle: Duration) -> Channel
where
    T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
{
    let (channel, connection, outbox) = Channel::new(opening);
    tokio::spawn(drive(socket, connection, outbox, Idle::new(idle)));
    channel
}

/// Carries messages between a connection and the frames of its WebSocket until either ends.
async fn drive<T>(mut socket: Socket<T>, connection: Arc<Duplex>, outbox: Outbox, idle: Idle)
where
    T: AsyncRead + AsyncWrite + Send + Unpin,
{
    let closing = tokio::select! {
        closing = socket.exchange(Received(&connection, &idle), Sent(outbox, &idle)) => closing,
        why = idle.over(&connection) => Closing::because(CloseCode::Policy, why),
    };
    let (close, end) = match closing {
        Closing::Said => {
            let bye = CloseFrame { code: CloseCode::Normal, reason: Utf8Bytes::default() };
            (Some(bye), CloseReason::Closed)
        }
        Closing::For(frame) => {
            let why = format!("the WebSocket was given up: {}", frame.reason);
            (Some(frame), CloseReason::lost(why))
        }
        Closing::By(said) => (None, CloseReason::lost(said_by_the_server(said.as_ref()))),
        Closing::Gone(why) => (None, CloseReason::lost(format!("the WebSocket broke: {why}"))),
    };
    // Calls are told at once, whatever the end still takes.
    if matches!(end, CloseReason::Lost(_)) {
        connection.end(end);
        socket.close(close).await;
    } else {
        socket.close(close).await;
        connection.end(end);
    }
}

fn said_by_the_server(said: Option<&CloseFrame>) -> String {
    match said {
        Some(frame) if !frame.reason.is_empty() => {
            format!("the server closed the WebSocket: {} ({})", frame.reason, u16::from(frame.code))
        }
        Some(frame) => format!("the server closed the WebSocket ({})", u16::from(frame.code)),
        None => "the server closed the WebSocket".into(),
    }
}

/// Taking a message never waits, so that what the server says is never kept from the calls that it is for.
struct Received<'a>(&'a Duplex, &'a Idle);

impl Inbox for Received<'_> {
    async fn put(&mut self, message: Bytes) -> bool {
        self.1.renew();
        self.0.receive(Frame::Message(message));
        true
    }
}

struct Sent<'a>(Outbox, &'a Idle);

impl Outgoing for Sent<'_> {
    async fn next(&mut self) -> Option<Bytes> {
        let message = self.0.next().await;
        self.1.renew();
        message
    }

    fn waiting(&mut self) -> Option<Bytes> {
        self.0.waiting()
    }
}
