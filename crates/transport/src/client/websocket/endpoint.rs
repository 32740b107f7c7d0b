use std::time::Duration;

use crate::client::http::{self, Fault};

/// Where a server is reached over a WebSocket, and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its URL has the scheme that carries it: `http` or `https`.
    pub(super) http: http::Endpoint,
    pub(super) config: Config,
}

/// What bounds a WebSocket. How large a message may be is [`ConnectOptions::limits`](crate::client::ConnectOptions::limits).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Bytes of one frame (`max_frame_bytes`); a message may consist of several. Without one, as many as a message may
    /// have, which is the default.
    pub max_frame_bytes: Option<usize>,
    /// How often the server is asked whether it is still there. Default 30 s.
    pub ping_interval: Duration,
    /// How long it may take to show that it is. Default 60 s: before its answer it reads what was written before.
    pub pong_timeout: Duration,
    /// Pings and pongs that the server may send within one `ping_interval`. Default 1,000.
    pub max_pings: usize,
    /// How long the server may take to read 64 KiB. Default 60 s.
    pub write_timeout: Duration,
    /// How long nothing may be said, by either side, while nothing is open and the server tells of no changes
    /// (`connection_idle`): it tells of some while a `subscriptions/listen` is open, and an older one where it has
    /// declared `listChanged` or granted a subscription. Default 1 day.
    pub connection_idle: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            max_frame_bytes: None,
            ping_interval: Duration::from_secs(30),
            pong_timeout: Duration::from_secs(60),
            max_pings: 1000,
            write_timeout: Duration::from_secs(60),
            connection_idle: Duration::from_secs(24 * 3600),
        }
    }
}

impl Endpoint {
    /// The server at `url`: `ws://` or `wss://`, without a user in it.
    ///
    /// # Errors
    /// [`Fault::Url`].
    pub fn new(url: &str) -> Result<Self, Fault> {
        let wrong = |why: String| Fault::Url { url: http::without_secrets(url), why };
        let scheme = url.get(..2).filter(|scheme| scheme.eq_ignore_ascii_case("ws"));
        let Some(rest) = scheme.and_then(|_| url.get(2..)) else {
            return Err(wrong("it must begin with ws:// or wss://".into()));
        };
        match http::Endpoint::new(&format!("http{rest}")) {
            Ok(http) => Ok(Self::over(http)),
            // Of one that names a user nothing is repeated.
            Err(Fault::Url { url, why }) if url.ends_with("://..") => {
                Err(Fault::Url { url: url.replacen("http", "ws", 1), why })
            }
            Err(Fault::Url { why, .. }) => Err(wrong(why.replace("http", "ws"))),
            Err(fault) => Err(fault),
        }
    }

    /// The server at an endpoint of HTTP, reached in the same way: with its headers, proxies, certificates and guard.
    pub fn over(http: http::Endpoint) -> Self {
        Self { http, config: Config::default() }
    }

    /// Sends `name: value` with the handshake.
    ///
    /// # Errors
    /// [`Fault::Header`] for what is no header, or one that the handshake has itself.
    pub fn header(mut self, name: &str, value: &str) -> Result<Self, Fault> {
        self.http = self.http.header(name, value)?;
        Ok(self)
    }

    /// Bounds the WebSocket by `config`.
    #[must_use]
    pub fn config(mut self, config: Config) -> Self {
        self.config = config;
        self
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        self.http.url().replacen("http", "ws", 1)
    }

    /// The same as it may be told: without what may be secret.
    pub(super) fn shown(&self) -> String {
        http::shown(&self.http.url).replacen("http", "ws", 1)
    }
}
