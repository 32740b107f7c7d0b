use std::{fmt, net::IpAddr};

use http::StatusCode;

/// Sees the requests that are refused before they are read: by their framing, Host, Origin or credential.
pub trait RefusalObserver: fmt::Debug + Send + Sync + 'static {
    /// Sees a request that is refused.
    fn refused(&self, refusal: &HttpRefusal<'_>);
}

/// A request that is refused before it is read.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpRefusal<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path.
    pub path: &'a str,
    /// The status of the answer.
    pub status: StatusCode,
    /// The address of the client, if it is known.
    pub address: Option<IpAddr>,
}
