//! Redirects: which are followed, and what is made of the answer at their end.

use std::net::IpAddr;

use http::{HeaderValue, Response, StatusCode, header};
use hyper::body::Incoming;
use url::{Host, Url};

use super::{
    Fault,
    address_policy::AddressClass,
    fault::{shown, without_secrets},
    plain_stream::{ConnectionInfo, Way},
};

/// The mark of a response that came from another origin than the server's: neither the headers of the connection nor the id
/// of the session were sent there.
#[derive(Clone, Debug)]
pub(super) struct Redirected {
    /// The URL of the server, without secrets.
    pub(super) from: String,
    /// The URL that has answered, without secrets.
    pub(super) to: String,
    is_other_host: bool,
}

impl Redirected {
    /// The mark of a response of `to`, to which `from` has sent us on.
    pub(super) fn of(from: &Url, to: &Url) -> Self {
        Self { from: shown(from), to: shown(to), is_other_host: from.host() != to.host() }
    }

    /// Checks the response of another host: its refusal is not the server's.
    ///
    /// # Errors
    /// [`Fault::Redirect`], which repeats nothing of the response: the server may have sent us on to somebody who answers
    /// nobody but us.
    pub(super) fn check(&self, response: &Response<Incoming>) -> Result<(), Fault> {
        if !self.is_other_host || response.status().is_success() {
            return Ok(());
        }
        let why = "the server there refuses the request";
        Err(Fault::Redirect { from: self.from.clone(), to: self.to.clone(), why })
    }
}

/// Whether `response` sends us on.
///
/// A POST stays one: what MCP posts cannot be said by GET, so 303, which demands that, is no way to go.
pub(super) fn is_redirect(response: &Response<Incoming>) -> bool {
    let moved = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    moved.contains(&response.status())
}

/// The URL that `response` sends us on to; `None` if it is no redirect.
///
/// # Errors
/// [`Fault::Redirect`] if it is not followed. A request that carries a body is sent on within its host only: with the body,
/// a server would send its caller's arguments anywhere.
pub(super) fn target(
    from: &Url,
    response: &Response<Incoming>,
    carries_body: bool,
) -> Result<Option<Url>, Fault> {
    if !is_redirect(response) {
        return Ok(None);
    }
    let location = response.headers().get(header::LOCATION).map(HeaderValue::to_str);
    let Some(Ok(location)) = location else { return Ok(None) };
    let refused = |why| Fault::Redirect {
        from: shown(from),
        to: without_secrets(location).chars().take(256).collect(),
        why,
    };
    let to = from.join(location).map_err(|_| refused("this is no URL"))?;
    match (from.scheme(), to.scheme()) {
        ("https", "http") => Err(refused("what was said in private would be said in public")),
        (_, "http" | "https") if !to.username().is_empty() || to.password().is_some() => {
            Err(refused("it names a user"))
        }
        (_, "http" | "https") if carries_body && from.host() != to.host() => {
            Err(refused("messages are not sent on to another host"))
        }
        (_, "http" | "https") => Ok(Some(to)),
        _ => Err(refused("only http:// and https:// are followed")),
    }
}

/// The class of the address of `from`, which has sent a redirect on a connection of which `info` is known; `None` if the caller
/// dials, so that every URL leads to the same place.
pub(super) fn class_of(from: &Url, info: Option<ConnectionInfo>) -> Option<AddressClass> {
    // From the public internet the least can be reached.
    let Some(info) = info else { return Some(AddressClass::Public) };
    match info.way {
        Way::Direct => info.class,
        // The proxy resolves names, and nobody here knows to what; it was set up for what is not of this network.
        Way::Proxy { .. } => Some(match from.host() {
            Some(Host::Ipv4(address)) => AddressClass::of(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => AddressClass::of(IpAddr::V6(address)),
            _ => AddressClass::Public,
        }),
        Way::Dialled => None,
    }
}
