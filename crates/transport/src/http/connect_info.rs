use std::net::SocketAddr;

/// The connection that a request came on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectInfo {
    port: Option<u16>,
}

impl ConnectInfo {
    /// On a connection whose end on our side is `local`.
    pub fn on(local: SocketAddr) -> Self {
        Self { port: Some(local.port()) }
    }

    /// The port on our side, if it is known.
    pub fn port(self) -> Option<u16> {
        self.port
    }
}
