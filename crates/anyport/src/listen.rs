//! Transports on which a server listens: their configuration, and what is open.

#[cfg(feature = "http")]
use std::net::{IpAddr, SocketAddrV4, SocketAddrV6};
use std::{fmt, future::Future, io, net::SocketAddr, path::PathBuf, pin::Pin, sync::Arc};

use anyport_service::Service;
#[cfg(feature = "http")]
use anyport_transport::http;
#[cfg(feature = "stdio")]
use anyport_transport::stdio;
#[cfg(feature = "unix")]
use anyport_transport::unix;

use crate::serve_error::ServeError;

/// An address at which clients reach the server. `Display` writes it as a client's configuration has it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ListenAddr {
    /// Standard input and output.
    Stdio,
    /// An HTTP listener: its address, with the port that the system chose if that was 0, and the path of the MCP
    /// endpoint.
    Http(SocketAddr, String),
    /// The same, where TLS is spoken.
    Https(SocketAddr, String),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for ListenAddr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio => f.write_str("standard input and output"),
            Self::Http(address, path) => write!(f, "http://{address}{path}"),
            Self::Https(address, path) => write!(f, "https://{address}{path}"),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// An address for an HTTP listener: a [`SocketAddr`] or what converts into one, such as `([127, 0, 0, 1], 3020)`, or text,
/// such as `"127.0.0.1:3020"` or `"localhost:3020"`.
#[cfg(feature = "http")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpAddr(Given);

#[cfg(feature = "http")]
#[derive(Clone, Debug, PartialEq, Eq)]
enum Given {
    Address(SocketAddr),
    /// An address or a name, with a port.
    Text(String),
}

#[cfg(feature = "http")]
impl HttpAddr {
    /// The address; the first one of a name.
    async fn resolve(self) -> Result<SocketAddr, ServeError> {
        let given = match self.0 {
            Given::Address(address) => return Ok(address),
            Given::Text(given) => given,
        };
        let unfit = |source| ServeError::Address { given: given.clone(), source };
        let mut addresses = tokio::net::lookup_host(given.as_str()).await.map_err(unfit)?;
        let none = || unfit(io::Error::new(io::ErrorKind::NotFound, "it has no address"));
        addresses.next().ok_or_else(none)
    }
}

#[cfg(feature = "http")]
impl<I: Into<IpAddr>> From<(I, u16)> for HttpAddr {
    fn from(address: (I, u16)) -> Self {
        SocketAddr::from(address).into()
    }
}

#[cfg(feature = "http")]
macro_rules! addresses {
    ($($address:ty)*) => { $(
        impl From<$address> for HttpAddr {
            fn from(address: $address) -> Self {
                Self(Given::Address(address.into()))
            }
        }
    )* };
}

#[cfg(feature = "http")]
addresses! { SocketAddr SocketAddrV4 SocketAddrV6 }

#[cfg(feature = "http")]
impl From<&str> for HttpAddr {
    fn from(address: &str) -> Self {
        address.to_owned().into()
    }
}

#[cfg(feature = "http")]
impl From<String> for HttpAddr {
    fn from(address: String) -> Self {
        Self(Given::Text(address))
    }
}

/// A transport to listen on, and its configuration.
pub(crate) enum Transport {
    #[cfg(feature = "stdio")]
    Stdio(stdio::Config),
    #[cfg(feature = "http")]
    Http(HttpAddr, Box<http::Config>),
    #[cfg(feature = "unix")]
    Unix(PathBuf, unix::Config),
    Custom(Custom),
}

/// Serves a service on a transport of the program's own, until the future completes.
pub(crate) type Custom =
    Box<dyn FnOnce(Arc<dyn Service>, Stop) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> + Send>;

/// Completes when shutdown begins.
pub(crate) type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Transport {
    /// Takes the address. `allow_anonymous`: whether callers from other machines need no authentication.
    #[cfg_attr(
        not(feature = "http"),
        allow(unused_variables, reason = "only HTTP can be reached from other machines")
    )]
    pub(crate) async fn bind(self, allow_anonymous: bool) -> Result<Listener, ServeError> {
        Ok(match self {
            #[cfg(feature = "stdio")]
            Self::Stdio(config) => Listener::Stdio(config),
            #[cfg(feature = "http")]
            Self::Http(address, config) => {
                let path = config.path.clone();
                let address = address.resolve().await?;
                let listener = http::Listener::bind(address, *config, allow_anonymous).await?;
                Listener::Http(Box::new(listener), path)
            }
            #[cfg(feature = "unix")]
            Self::Unix(path, config) => Listener::Unix(Box::new(unix::Listener::bind(path, config).await?)),
            Self::Custom(serve) => Listener::Custom(serve),
        })
    }
}

/// A transport whose address is taken.
pub(crate) enum Listener {
    #[cfg(feature = "stdio")]
    Stdio(stdio::Config),
    #[cfg(feature = "http")]
    Http(Box<http::Listener>, String),
    #[cfg(feature = "unix")]
    Unix(Box<unix::Listener>),
    Custom(Custom),
}

impl Listener {
    /// Its address; `None` of a transport of the program's own.
    pub(crate) fn address(&self) -> Result<Option<ListenAddr>, ServeError> {
        Ok(Some(match self {
            #[cfg(feature = "stdio")]
            Self::Stdio(_) => ListenAddr::Stdio,
            #[cfg(feature = "http")]
            Self::Http(listener, path) => {
                let address = listener.address().map_err(ServeError::io("tell the address"))?;
                match listener.is_secure() {
                    true => ListenAddr::Https(address, path.clone()),
                    false => ListenAddr::Http(address, path.clone()),
                }
            }
            #[cfg(feature = "unix")]
            Self::Unix(listener) => ListenAddr::Unix(listener.path().to_owned()),
            Self::Custom(_) => return Ok(None),
        }))
    }

    /// Whether its end ends the program: the client that started it is gone, or it cannot listen any more.
    pub(crate) fn is_vital(&self) -> bool {
        !matches!(self, Self::Custom(_))
    }

    /// Accepts connections until `stop` completes, and drains.
    pub(crate) async fn serve(self, service: Arc<dyn Service>, stop: Stop) -> Result<(), ServeError> {
        match self {
            #[cfg(feature = "stdio")]
            Self::Stdio(config) => {
                stdio::serve(service, config, stop).await.map_err(ServeError::io("serve on standard streams"))
            }
            #[cfg(feature = "http")]
            Self::Http(listener, _) => {
                listener.serve(service, stop).await.map_err(ServeError::io("serve over HTTP"))
            }
            #[cfg(feature = "unix")]
            Self::Unix(listener) => {
                listener.serve(service, stop).await.map_err(ServeError::io("serve on the Unix socket"))
            }
            Self::Custom(serve) => serve(service, stop).await.map_err(ServeError::io("serve")),
        }
    }
}
