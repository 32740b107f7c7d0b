use std::time::Duration;

use anyport_protocol::settings;

use crate::client::http::{self, Fault};

/// Where a server is reached over a WebSocket, and how.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// Its URL has the scheme that carries it: `http` or `https`.
    pub(super) http: http::Endpoint,
    pub(super) config: Config,
}

settings! {
    /// The limits of a WebSocket to a server. [`ConnectOptions::limits`](crate::client::ConnectOptions::limits) bounds its
    /// messages.
    #[derive(Clone, Debug, PartialEq, Eq)]
    pub struct Config {
        /// The size of one frame in bytes (`max_frame_bytes`). A message may consist of several frames.
        #[default("as large as a message may be" = None)]
        pub max_frame_bytes: Option<usize>,
        /// The interval of pings to the server.
        #[default(30 s)]
        pub ping_interval: Duration,
        /// The time in which the server must answer a ping. Before the pong it reads what was written earlier.
        #[default(60 s)]
        pub pong_timeout: Duration,
        /// The number of pings and pongs that the server may send within one `ping_interval`.
        #[default(1_000)]
        pub max_pings: usize,
        /// The time in which the server must read 64 KiB.
        #[default(60 s)]
        pub write_timeout: Duration,
        /// The time that both sides may be silent without an open request or subscription (`connection_idle`). A
        /// `subscriptions/listen` counts as a subscription; at a legacy server, a declared `listChanged` or a granted
        /// `resources/subscribe` does.
        #[default(1 day)]
        pub connection_idle: Duration,
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

    /// Accepts every certificate: see [`http::Endpoint::dangerously_accept_any_certificate`].
    #[must_use]
    pub fn dangerously_accept_any_certificate(mut self) -> Self {
        self.http = self.http.dangerously_accept_any_certificate();
        self
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
