use std::net::{IpAddr, SocketAddr};

/// The connection that a request came on. A request of a [`Route`](super::Route) has it as an extension.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ConnectInfo {
    port: Option<u16>,
    is_secure: bool,
    peer: Option<IpAddr>,
    client: Option<IpAddr>,
}

impl ConnectInfo {
    /// On a connection whose end on our side is `local`.
    pub fn on(local: SocketAddr) -> Self {
        Self { port: Some(local.port()), is_secure: false, peer: None, client: None }
    }

    /// TLS is spoken on it, so that pages of ours come from `https`.
    #[must_use]
    pub fn secure(mut self) -> Self {
        self.is_secure = true;
        self
    }

    /// The other end has the address `peer`.
    #[must_use]
    pub fn from(mut self, peer: IpAddr) -> Self {
        self.peer = Some(peer);
        self
    }

    /// The client has the address `client`, as trusted proxies say.
    pub(super) fn with_client(mut self, client: IpAddr) -> Self {
        self.client = Some(client);
        self
    }

    /// The address of the other end, if it is known. Behind a proxy it is that of the proxy.
    pub fn peer(self) -> Option<IpAddr> {
        self.peer
    }

    /// The address of the client, if it is known: that of the other end, or what [trusted
    /// proxies](super::Config::trusted_proxies) say.
    pub fn client(self) -> Option<IpAddr> {
        self.client.or(self.peer)
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
