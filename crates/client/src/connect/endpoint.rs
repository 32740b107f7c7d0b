use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyport_service::Service;
use anyport_transport::client::{Target, child::Command};

/// What names a server: a URL, a path of a socket, a command, a service of this process, or a [`Target`].
///
/// As a text, a server is named by its URL: `http://` and `https://` (feature `connect-http`), `ws://` and `wss://`
/// (feature `connect-websocket`), or `unix:PATH`. A program is never started because of a text: a [`Command`] says so.
pub trait IntoEndpoint {
    /// Where the server is.
    ///
    /// # Errors
    /// [`InvalidEndpoint`], if this names none.
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint>;
}

/// Something was to name a server, and does not.
#[derive(Clone, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} names no server: {why}")]
pub struct InvalidEndpoint {
    /// Without what may be secret: users and passwords, and what stands behind a question mark.
    given: String,
    why: String,
}

/// The same text as `Display`: people read it when `main` returns the error.
impl fmt::Debug for InvalidEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl InvalidEndpoint {
    fn new(given: &str, why: impl Into<String>) -> Self {
        let shown = given.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = shown.split_once("://").map_or(("", shown), |(scheme, rest)| (scheme, rest));
        // A password may itself hold the sign that ends it.
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let shown = if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") };
        Self { given: shown.chars().take(256).collect(), why: why.into() }
    }
}

impl IntoEndpoint for Target {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        Ok(self)
    }
}

impl IntoEndpoint for Command {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        Ok(Target::Command(self))
    }
}

#[cfg(feature = "connect-http")]
impl IntoEndpoint for anyport_transport::client::http::Endpoint {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        Ok(Target::Http(self))
    }
}

#[cfg(feature = "connect-websocket")]
impl IntoEndpoint for anyport_transport::client::websocket::Endpoint {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        Ok(Target::WebSocket(self))
    }
}

impl IntoEndpoint for &str {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        let scheme = self.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => http(self),
            Some("ws" | "wss") => websocket(self),
            Some("unix") => unix(self),
            _ => {
                let why = "write a URL with http://, https://, ws:// or wss://, or unix:PATH; a program is started by \
                           a Command";
                Err(InvalidEndpoint::new(self, why))
            }
        }
    }
}

impl IntoEndpoint for String {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        self.as_str().into_endpoint()
    }
}

impl IntoEndpoint for &String {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        self.as_str().into_endpoint()
    }
}

#[cfg(feature = "connect-http")]
impl IntoEndpoint for url::Url {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        self.as_str().into_endpoint()
    }
}

#[cfg(feature = "connect-http")]
impl IntoEndpoint for &url::Url {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        self.as_str().into_endpoint()
    }
}

#[cfg(unix)]
impl IntoEndpoint for PathBuf {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        Ok(Target::Unix(self))
    }
}

#[cfg(unix)]
impl IntoEndpoint for &Path {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        Ok(Target::Unix(self.into()))
    }
}

impl IntoEndpoint for Arc<dyn Service> {
    fn into_endpoint(self) -> Result<Target, InvalidEndpoint> {
        Ok(Target::Service(self))
    }
}

#[cfg(feature = "connect-http")]
fn http(url: &str) -> Result<Target, InvalidEndpoint> {
    use anyport_transport::client::http::Endpoint;
    Endpoint::new(url).map(Target::Http).map_err(|fault| faulty(url, fault))
}

#[cfg(not(feature = "connect-http"))]
fn http(url: &str) -> Result<Target, InvalidEndpoint> {
    Err(InvalidEndpoint::new(url, "this program is built without the feature `connect-http`"))
}

#[cfg(feature = "connect-websocket")]
fn websocket(url: &str) -> Result<Target, InvalidEndpoint> {
    use anyport_transport::client::websocket::Endpoint;
    Endpoint::new(url).map(Target::WebSocket).map_err(|fault| faulty(url, fault))
}

#[cfg(not(feature = "connect-websocket"))]
fn websocket(url: &str) -> Result<Target, InvalidEndpoint> {
    Err(InvalidEndpoint::new(url, "this program is built without the feature `connect-websocket`"))
}

#[cfg(feature = "connect-http")]
fn faulty(url: &str, fault: anyport_transport::client::http::Fault) -> InvalidEndpoint {
    use anyport_transport::client::http::Fault;
    match fault {
        Fault::Url { why, .. } => InvalidEndpoint::new(url, why),
        fault => InvalidEndpoint::new(url, fault.to_string()),
    }
}

#[cfg(unix)]
fn unix(url: &str) -> Result<Target, InvalidEndpoint> {
    let path = url.split_once(':').map(|(_, path)| path).unwrap_or_default();
    // With an empty host, too, as URLs of files have it.
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        "" => Err(InvalidEndpoint::new(url, "unix: wants the path of a socket")),
        path => Ok(Target::Unix(path.into())),
    }
}

#[cfg(not(unix))]
fn unix(url: &str) -> Result<Target, InvalidEndpoint> {
    Err(InvalidEndpoint::new(url, "there are no Unix sockets on this system"))
}
