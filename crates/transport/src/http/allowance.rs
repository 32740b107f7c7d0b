//! The hosts and origins that are allowed besides our own.

use std::{net::IpAddr, str::FromStr};

use http::Uri;

/// A name under which clients may reach the server: `NAME` on any port, or `NAME:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedHost {
    name: String,
    port: Option<u16>,
}

/// A web origin whose pages may call the server: `SCHEME://NAME[:PORT]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigin(String);

/// The text is no host or origin.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no {1}")]
pub struct InvalidAllowance(String, &'static str);

impl AllowedHost {
    /// Whether `name` and `port`, as a request names them, are this host.
    pub(super) fn matches(&self, name: &str, port: Option<u16>) -> bool {
        self.name.eq_ignore_ascii_case(name) && (self.port.is_none() || self.port == port)
    }
}

impl AllowedOrigin {
    /// The origin as browsers write it.
    pub(super) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AllowedHost {
    type Err = InvalidAllowance;

    fn from_str(text: &str) -> Result<Self, InvalidAllowance> {
        let invalid = || InvalidAllowance(text.into(), "NAME or NAME:PORT");
        let (name, port) = split_host(text).ok_or_else(invalid)?;
        Ok(Self { name: name.to_ascii_lowercase(), port })
    }
}

impl FromStr for AllowedOrigin {
    type Err = InvalidAllowance;

    fn from_str(text: &str) -> Result<Self, InvalidAllowance> {
        let invalid = || InvalidAllowance(text.into(), "origin such as https://app.example.com");
        let uri: Uri = text.trim_end_matches('/').parse().map_err(|_| invalid())?;
        let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
            return Err(invalid());
        };
        if authority.as_str().contains('@') || !matches!(uri.path(), "" | "/") || uri.query().is_some() {
            return Err(invalid());
        }
        Ok(Self(format!("{scheme}://{}", authority.as_str().to_ascii_lowercase())))
    }
}

/// `NAME`, `NAME:PORT`, `[V6]` or `[V6]:PORT`. Nothing else may stand there: no user, no path, no trailing dot.
pub(super) fn split_host(text: &str) -> Option<(&str, Option<u16>)> {
    let (name, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']')?;
            IpAddr::from_str(address).ok().filter(IpAddr::is_ipv6)?;
            (&text[..address.len() + 2], port)
        }
        None => {
            let name = text.split(':').next()?;
            (name, &text[name.len()..])
        }
    };
    let legal =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'[' | b']' | b':');
    let named = !name.is_empty() && name.bytes().all(legal) && !name.ends_with('.');
    let port = match port.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => Some(digits.parse().ok()?),
        None if port.is_empty() => None,
        _ => return None,
    };
    named.then_some((name, port))
}
