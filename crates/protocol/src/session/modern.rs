//! Stateless requests: each carries its version and capabilities (2026-07-28, basic §Statelessness).

use bytestring::ByteString;

use crate::{
    Error, Method, Raw, Revision,
    meta::{Meta, key},
    method::{Kind, Sender},
};

/// Checks that the members of `_meta` that every request needs are there, and returns the version.
///
/// # Errors
/// -32602. 2026-07-28, basic §_meta: "A request missing any required field is malformed; the server MUST reject
/// it with JSON-RPC error code `-32602` (Invalid params)."
pub fn required(meta: &Meta) -> Result<ByteString, Error> {
    let missing =
        |key: &str, what: &str| Err(Error::invalid_params(format!("_meta[\"{key}\"] must be {what}")));
    let Some(version) = meta.protocol_version.as_ref().and_then(|version| version.as_string()) else {
        return missing(key::PROTOCOL_VERSION, "the protocol version, a string");
    };
    if !meta.client_capabilities.as_ref().is_some_and(|capabilities| capabilities.is_object()) {
        return missing(key::CLIENT_CAPABILITIES, "the client's capabilities, an object");
    }
    if meta.client_info.as_ref().is_some_and(|info| !info.is_object()) {
        return missing(key::CLIENT_INFO, "an object");
    }
    Ok(version)
}

/// Checks that the requested version is a stateless one that is supported.
///
/// # Errors
/// -32022. 2026-07-28, versioning §Protocol Version Negotiation: if the server does not implement the requested
/// version, "it MUST respond with an `UnsupportedProtocolVersionError` listing the versions it does support".
pub fn version(requested: &str, supported: &[Revision]) -> Result<Revision, Error> {
    let spoken = requested.parse().ok().filter(|revision: &Revision| revision.is_stateless());
    spoken
        .filter(|revision| supported.contains(revision))
        .ok_or_else(|| Error::unsupported_version(requested, supported))
}

/// Checks that `revision` has the method, if any revision has. A method that no revision has is the service's to refuse:
/// it may belong to an extension.
///
/// # Errors
/// -32601.
pub fn method(name: &str, revision: Revision) -> Result<(), Error> {
    match Method::named(name) {
        Some(method) if !method.exists(Kind::Request, Sender::Client, revision) => {
            Err(Error::method_not_found(name))
        }
        _ => Ok(()),
    }
}

/// The error for an `initialize` where only modern revisions are supported.
///
/// 2026-07-28, versioning: a server that supports only modern versions "SHOULD name the protocol versions it supports in
/// any error it returns to an `initialize` request".
pub fn initialize_refused(params: Option<&Raw>, supported: &[Revision]) -> Error {
    let requested = params.and_then(|params| params.member("protocolVersion"));
    let requested = requested.and_then(|version| version.as_string()).unwrap_or_default();
    Error::unsupported_version(&requested, supported)
}

/// Everything that a request must satisfy on a transport without headers.
///
/// # Errors
/// The first that fails, in the order of the functions above.
pub fn admit(name: &str, meta: &Meta, supported: &[Revision]) -> Result<Revision, Error> {
    let revision = version(&required(meta)?, supported)?;
    method(name, revision)?;
    Ok(revision)
}
