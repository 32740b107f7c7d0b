//! The header that names the revision of a request.

use anyport_protocol::{Error, Revision};
use http::{HeaderMap, HeaderName};

use super::state::State;

/// The header that names the revision.
pub(super) const VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// The revision that the header names, if it names one that exists.
pub(super) fn named(headers: &HeaderMap) -> Option<Revision> {
    headers.get(VERSION)?.to_str().ok()?.trim().parse().ok()
}

/// Whether the header names a stateless revision.
pub(super) fn names_modern(headers: &HeaderMap) -> bool {
    named(headers).is_some_and(Revision::is_stateless)
}

/// 2025-11-25, transports §Protocol Version Header: "If the server receives a request with an invalid or
/// unsupported `MCP-Protocol-Version`, it MUST respond with `400 Bad Request`." None is valid: it came with
/// 2025-06-18.
pub(super) fn check_version(state: &State, headers: &HeaderMap) -> Result<(), Error> {
    let mut values = headers.get_all(VERSION).iter();
    let Some(value) = values.next() else { return Ok(()) };
    if values.next().is_some() {
        return Err(Error::invalid_request("MCP-Protocol-Version is there more than once"));
    }
    match named(headers) {
        Some(revision) if state.config.supported.contains(&revision) => Ok(()),
        _ => {
            let requested = String::from_utf8_lossy(value.as_bytes());
            let error = Error::unsupported_version(&requested, &state.config.supported);
            // The code is one that only modern servers know.
            Err(if state.speaks_modern() { error } else { Error::invalid_request(error.message) })
        }
    }
}
