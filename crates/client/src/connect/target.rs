use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use anyport_service::Service;
use anyport_transport::client::{Target, child::Command};

/// What names a server: a URL, a path of a socket, a command, a service of this process, or a [`Target`].
///
/// As a text, a server is named by its URL: `http://` and `https://` (feature `connect-http`), `ws://` and `wss://`
/// (feature `connect-websocket`), or `unix:PATH`. A program is never started because of a text: a [`Command`] says so.
pub trait IntoTarget {
    /// Where the server is.
    ///
    /// # Errors
    /// [`NoTarget`], if this names none.
    fn into_target(self) -> Result<Target, NoTarget>;
}

/// Something was to name a server, and does not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{given:?} names no server: {why}")]
pub struct NoTarget {
    /// Without what may be secret: users and passwords, and what stands behind a question mark.
    given: String,
    why: String,
}

impl NoTarget {
    fn new(given: &str, why: impl Into<String>) -> Self {
        let shown = given.split(['?', '#']).next().unwrap_or_default();
        let (scheme, rest) = shown.split_once("://").map_or(("", shown), |(scheme, rest)| (scheme, rest));
        // A password may itself hold the sign that ends it.
        let rest = rest.rsplit_once('@').map_or(rest, |(_, rest)| rest);
        let shown = if scheme.is_empty() { rest.to_owned() } else { format!("{scheme}://{rest}") };
        Self { given: shown.chars().take(256).collect(), why: why.into() }
    }
}

impl IntoTarget for Target {
    fn into_target(self) -> Result<Target, NoTarget> {
        Ok(self)
    }
}

impl IntoTarget for Command {
    fn into_target(self) -> Result<Target, NoTarget> {
        Ok(Target::Command(self))
    }
}

#[cfg(feature = "connect-http")]
impl IntoTarget for anyport_transport::client::http::Endpoint {
    fn into_target(self) -> Result<Target, NoTarget> {
        Ok(Target::Http(self))
    }
}

#[cfg(feature = "connect-websocket")]
impl IntoTarget for anyport_transport::client::websocket::Endpoint {
    fn into_target(self) -> Result<Target, NoTarget> {
        Ok(Target::WebSocket(self))
    }
}

impl IntoTarget for &str {
    fn into_target(self) -> Result<Target, NoTarget> {
        let scheme = self.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
        match scheme.as_deref() {
            Some("http" | "https") => http(self),
            Some("ws" | "wss") => websocket(self),
            Some("unix") => unix(self),
            _ => {
                let why = "write a URL with http://, https://, ws:// or wss://, or unix:PATH; a program is started by \
                           a Command";
                Err(NoTarget::new(self, why))
            }
        }
    }
}

impl IntoTarget for String {
    fn into_target(self) -> Result<Target, NoTarget> {
        self.as_str().into_target()
    }
}

impl IntoTarget for &String {
    fn into_target(self) -> Result<Target, NoTarget> {
        self.as_str().into_target()
    }
}

#[cfg(feature = "connect-http")]
impl IntoTarget for url::Url {
    fn into_target(self) -> Result<Target, NoTarget> {
        self.as_str().into_target()
    }
}

#[cfg(feature = "connect-http")]
impl IntoTarget for &url::Url {
    fn into_target(self) -> Result<Target, NoTarget> {
        self.as_str().into_target()
    }
}

#[cfg(unix)]
impl IntoTarget for PathBuf {
    fn into_target(self) -> Result<Target, NoTarget> {
        Ok(Target::Unix(self))
    }
}

#[cfg(unix)]
impl IntoTarget for &Path {
    fn into_target(self) -> Result<Target, NoTarget> {
        Ok(Target::Unix(self.into()))
    }
}

impl IntoTarget for Arc<dyn Service> {
    fn into_target(self) -> Result<Target, NoTarget> {
        Ok(Target::Service(self))
    }
}

#[cfg(feature = "connect-http")]
fn http(url: &str) -> Result<Target, NoTarget> {
    use anyport_transport::client::http::Endpoint;
    Endpoint::new(url).map(Target::Http).map_err(|fault| faulty(url, fault))
}

#[cfg(not(feature = "connect-http"))]
fn http(url: &str) -> Result<Target, NoTarget> {
    Err(NoTarget::new(url, "this program is built without the feature `connect-http`"))
}

#[cfg(feature = "connect-websocket")]
fn websocket(url: &str) -> Result<Target, NoTarget> {
    use anyport_transport::client::websocket::Endpoint;
    Endpoint::new(url).map(Target::WebSocket).map_err(|fault| faulty(url, fault))
}

#[cfg(not(feature = "connect-websocket"))]
fn websocket(url: &str) -> Result<Target, NoTarget> {
    Err(NoTarget::new(url, "this program is built without the feature `connect-websocket`"))
}

#[cfg(feature = "connect-http")]
fn faulty(url: &str, fault: anyport_transport::client::http::Fault) -> NoTarget {
    use anyport_transport::client::http::Fault;
    match fault {
        Fault::Url { why, .. } => NoTarget::new(url, why),
        fault => NoTarget::new(url, fault.to_string()),
    }
}

#[cfg(unix)]
fn unix(url: &str) -> Result<Target, NoTarget> {
    let path = url.split_once(':').map(|(_, path)| path).unwrap_or_default();
    // With an empty host, too, as URLs of files have it.
    let path = path.strip_prefix("//").unwrap_or(path);
    match path {
        "" => Err(NoTarget::new(url, "unix: wants the path of a socket")),
        path => Ok(Target::Unix(path.into())),
    }
}

#[cfg(not(unix))]
fn unix(url: &str) -> Result<Target, NoTarget> {
    Err(NoTarget::new(url, "there are no Unix sockets on this system"))
}
