//! From an HTTP request to a WebSocket (RFC 6455 §4.2).

use std::{sync::Arc, time::Duration};

use anyport_service::{Service, sync::Lock};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderValue, Method, Request, Version, header, request::Parts};
use hyper_util::rt::TokioIo;
use tokio::{sync::watch, task::JoinSet, time::timeout};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::{config::Config, connection};
use crate::{
    dialogue::ConnectionConfig,
    frames::{LAST_WORDS, SUBPROTOCOL, lists},
};

/// The connections of an endpoint that are WebSockets now.
#[derive(Debug)]
pub(crate) struct Sockets {
    stopping: watch::Sender<bool>,
    tasks: Lock<JoinSet<()>>,
}

/// A request that may become a WebSocket.
#[derive(Debug)]
pub(crate) struct Upgrade {
    accept: HeaderValue,
    subprotocol: bool,
    request: Request<()>,
}

/// Why a request cannot become a WebSocket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoUpgrade {
    #[error("a WebSocket is opened with GET")]
    Method,
    /// 426, with what to upgrade to.
    #[error(
        "a WebSocket is served here: send Connection: Upgrade, Upgrade: websocket and Sec-WebSocket-Version: 13"
    )]
    Required,
    #[error("Sec-WebSocket-Key must be there once, and be 16 bytes in base64")]
    Key,
    #[error("a WebSocket needs HTTP/1.1")]
    Http,
    /// Whoever stands in front would take for a body what is taken for frames here.
    #[error("a WebSocket is opened without a body; leave out Content-Length and Transfer-Encoding")]
    Body,
}

impl Upgrade {
    /// Reads the client's handshake. It changes nothing yet.
    pub(crate) fn of(parts: Parts) -> Result<Self, NoUpgrade> {
        let headers = &parts.headers;
        if parts.version != Version::HTTP_11 {
            return Err(NoUpgrade::Http);
        }
        if parts.method != Method::GET {
            return Err(NoUpgrade::Method);
        }
        let length = headers.get_all(header::CONTENT_LENGTH);
        if headers.contains_key(header::TRANSFER_ENCODING) || length.iter().any(|length| length != "0") {
            return Err(NoUpgrade::Body);
        }
        let version = headers.get(header::SEC_WEBSOCKET_VERSION).is_some_and(|version| version == "13");
        if !lists(headers, header::CONNECTION, "upgrade")
            || !lists(headers, header::UPGRADE, "websocket")
            || !version
        {
            return Err(NoUpgrade::Required);
        }
        let mut keys = headers.get_all(header::SEC_WEBSOCKET_KEY).iter();
        let (Some(key), None) = (keys.next(), keys.next()) else { return Err(NoUpgrade::Key) };
        let nonce = STANDARD.decode(key.as_bytes()).map_err(|_| NoUpgrade::Key)?;
        if nonce.len() != 16 {
            return Err(NoUpgrade::Key);
        }
        let accept = HeaderValue::from_str(&derive_accept_key(key.as_bytes())).map_err(|_| NoUpgrade::Key)?;
        let subprotocol = lists(headers, header::SEC_WEBSOCKET_PROTOCOL, SUBPROTOCOL);
        Ok(Self { accept, subprotocol, request: Request::from_parts(parts, ()) })
    }
}

impl Sockets {
    pub(crate) fn new() -> Self {
        Self { stopping: watch::Sender::new(false), tasks: Lock::default() }
    }

    /// Serves the client as soon as the connection is its own, until `unauthorized` completes. Returns the headers of the answer, which is 101.
    pub(crate) fn open(
        &self,
        upgrade: Upgrade,
        service: Arc<dyn Service>,
        connection: ConnectionConfig,
        config: Config,
        write_timeout: Duration,
        unauthorized: impl Future<Output = ()> + Send + 'static,
    ) -> HeaderMap {
        let Upgrade { accept, subprotocol, request } = upgrade;
        let mut stopping = self.stopping.subscribe();
        let upgrading = hyper::upgrade::on(request);
        let socket = async move {
            // hyper hands the connection over once the answer is written; it never does if the client is gone.
            match timeout(HANDOVER, upgrading).await {
                Ok(Ok(upgraded)) => {
                    let stop = async move { drop(stopping.wait_for(|stopping| *stopping).await) };
                    let io = TokioIo::new(upgraded);
                    connection::serve(io, service, connection, config, write_timeout, (stop, unauthorized))
                        .await;
                }
                Ok(Err(error)) => tracing::debug!(%error, "a connection did not become a WebSocket"),
                Err(_) => tracing::debug!("a connection did not become a WebSocket in time"),
            }
        };
        let mut tasks = self.tasks.lock();
        // What has ended is forgotten here, so that the set is no larger than what was open at once.
        while tasks.try_join_next().is_some() {}
        tasks.spawn(socket);
        drop(tasks);

        let mut headers = HeaderMap::with_capacity(4);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::SEC_WEBSOCKET_ACCEPT, accept);
        if subprotocol {
            headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
        }
        headers
    }

    /// Whether no more are to be opened.
    pub(crate) fn is_closing(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Tells every client that the server stops, once its running calls have finished.
    pub(crate) fn begin_close(&self) {
        self.stopping.send_replace(true);
    }

    /// Completes when all have ended, or when `drain` is over: then the rest is cut.
    pub(crate) async fn ended(&self, drain: Duration) {
        let mut tasks = std::mem::take(&mut *self.tasks.lock());
        let all = async { while tasks.join_next().await.is_some() {} };
        if timeout(drain + LAST_WORDS + LAST_WORDS, all).await.is_err() {
            tracing::warn!("WebSockets were cut at the end of the drain time");
        }
    }
}

/// How long writing the answer may take. The listener's own time for that ends the connection earlier.
const HANDOVER: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: [(&str, &str); 4] = [
        ("connection", "Upgrade"),
        ("upgrade", "websocket"),
        ("sec-websocket-version", "13"),
        ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];

    fn read(headers: &[(&str, &str)]) -> Result<Upgrade, NoUpgrade> {
        let mut request = Request::builder().uri("/ws");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        Upgrade::of(request.body(()).unwrap().into_parts().0)
    }

    fn with(name: &str, value: &str) -> Result<Upgrade, NoUpgrade> {
        let changed: Vec<_> =
            GOOD.iter().map(|(known, old)| (*known, if *known == name { value } else { old })).collect();
        read(&changed)
    }

    #[test]
    fn the_handshake_of_the_rfc_is_answered_as_there() {
        // RFC 6455 §1.3.
        assert_eq!(read(&GOOD).unwrap().accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(with("connection", "keep-alive, upgrade").unwrap().accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn what_is_no_handshake_is_refused() {
        for missing in GOOD {
            let rest: Vec<_> = GOOD.into_iter().filter(|header| *header != missing).collect();
            let key = missing.0 == "sec-websocket-key";
            let expected = if key { NoUpgrade::Key } else { NoUpgrade::Required };
            assert_eq!(read(&rest).unwrap_err(), expected, "{missing:?}");
        }
        assert_eq!(with("sec-websocket-version", "8").unwrap_err(), NoUpgrade::Required);
        assert_eq!(with("upgrade", "h2c").unwrap_err(), NoUpgrade::Required);
        for key in ["", "x", "dGhlIHNhbXBsZSBub25jZQ", "dG9vIHNob3J0", "dGhpcyBpcyBmYXIgdG9vIGxvbmc="] {
            assert_eq!(with("sec-websocket-key", key).unwrap_err(), NoUpgrade::Key, "{key}");
        }
        let twice = [GOOD.as_slice(), &GOOD[3..]].concat();
        assert_eq!(read(&twice).unwrap_err(), NoUpgrade::Key);
    }

    #[test]
    fn the_subprotocol_is_chosen_if_it_is_offered() {
        let offer = |offered| {
            read(&[GOOD.as_slice(), &[("sec-websocket-protocol", offered)]].concat()).unwrap().subprotocol
        };
        assert!(offer("mcp") && offer("chat, mcp"));
        assert!(!offer("chat") && !offer("mcp2"));
        assert!(!read(&GOOD).unwrap().subprotocol);
    }
}
