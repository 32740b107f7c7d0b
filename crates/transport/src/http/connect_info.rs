use std::net::SocketAddr;

/// The connection that a request came on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectInfo {
    port: Option<u16>,
    is_secure: bool,
}

impl ConnectInfo {
    /// On a connection whose end on our side is `local`.
    pub fn on(local: SocketAddr) -> Self {
        Self { port: Some(local.port()), is_secure: false }
    }

    /// TLS is spoken on it, so that pages of ours come from `https`.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.is_secure = true;
        self
    }

    /// Whether TLS is spoken on it.
    pub fn is_secure(self) -> bool {
        self.is_secure
    }

    /// The port on our side, if it is known.
    pub fn port(self) -> Option<u16> {
        self.port
    }
}
