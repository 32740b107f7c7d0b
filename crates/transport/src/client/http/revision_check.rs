//! Whether a server that refuses a request still speaks the revision of the connection.

use std::sync::Arc;

use anyport_protocol::{
    Id, Method, Raw, Revision,
    json::Elements,
    jsonrpc::{code, write_request},
    session::client::{CallId, discover_params},
};
use tokio::time::timeout;

use super::{
    headers::RequestHeaders,
    received::{Refusal, RefusalKind, result_of},
    shared::{Session, Shared, Undelivered},
};

/// Whether `refusal`, the response to a request of `revision`, leaves it open which revision the server speaks.
///
/// 2026-07-28, streamable-http §Backward Compatibility: "If the body contains a recognized modern JSON-RPC error, the server
/// speaks a modern version of MCP"; that of a modern connection says itself what is wrong.
pub(super) fn is_doubtful(refusal: &Refusal, revision: Revision) -> bool {
    refusal.may_be_of_another_revision() && !(revision.is_stateless() && refusal.is_recognized_modern_error())
}

/// Finds out whether the server no longer takes requests of `revision`, or of the session `session`, by a request that every
/// server of that revision answers. `call` is the call that was refused with `refusal`.
///
/// A refusal alone does not say so: servers refuse invalid arguments with the same statuses, and some refuse after they have
/// carried out a call. The call is made again if this is so. Whatever is doubtful therefore counts as no.
///
/// 2026-07-28, versioning §Backward Compatibility with Initialization-Based Versions: clients cache the era, "re-probing if
/// the cached assumption later fails".
pub(super) async fn is_outdated(
    shared: Arc<Shared>,
    session: Session,
    revision: Revision,
    call: CallId,
    refusal: RefusalKind,
) -> bool {
    let check = async {
        match revision.is_stateless() {
            true => lacks_revision(&shared, revision, call, refusal).await,
            false => lacks_session(&shared, session, call, refusal).await,
        }
    };
    // A server that is silent says nothing of what it speaks.
    timeout(shared.options.probe_timeout, check).await.unwrap_or(false)
}

/// 2026-07-28, versioning §Protocol Version Negotiation: "Servers **MUST** implement `server/discover`".
///
/// An error of a modern server that is busy says nothing of its revisions, in whatever status it comes.
async fn lacks_revision(shared: &Shared, revision: Revision, call: CallId, refused: RefusalKind) -> bool {
    let line = &shared.line;
    let params = discover_params(revision, &shared.options.capabilities, &shared.options.client_info);
    let message = message(call, Method::Discover, &params);
    let headers = RequestHeaders::post().of_method(revision, Method::Discover);
    // A server that does not even know this method is a legacy one.
    let denies_it = |code: i64| matches!(code, code::UNSUPPORTED_PROTOCOL_VERSION | code::METHOD_NOT_FOUND);
    match line.post(&line.url, &headers, message).await {
        Ok(response) => match result_of(response, &line.reading).await {
            Ok(Ok(discovered)) => !names(&discovered, revision),
            Ok(Err(error)) => denies_it(error.code),
            Err(_) => false,
        },
        Err(Undelivered::Refused(refusal)) => match &refusal.error {
            Some(error) if denies_it(error.code) => true,
            Some(error) if error.code == code::INTERNAL_ERROR => false,
            _ if refusal.is_recognized_modern_error() => false,
            // A legacy server refuses whatever comes without its handshake, and each request in the same way.
            _ => refusal.may_be_of_another_revision() && refusal.kind().is_same_error(refused),
        },
        Err(Undelivered::Unreachable(_)) => false,
    }
}

/// 2025-11-25, utilities/ping §Behavior Requirements: "The receiver **MUST** respond promptly with an empty response".
///
/// Not every server has `ping`. One that refuses it, and the call, without a word of sessions has lost none.
async fn lacks_session(shared: &Shared, session: Session, call: CallId, refused: RefusalKind) -> bool {
    if !refused.disowns_session {
        return false;
    }
    let line = &shared.line;
    let message = message(call, Method::Ping, &Raw::EMPTY_OBJECT);
    let negotiated = shared.route.lock().revision;
    let headers = RequestHeaders::post().in_session(session.id.as_ref(), negotiated);
    let disowns_session = match line.post(&line.url, &headers, message).await {
        Ok(response) => {
            // Whatever it answers, it has taken the request. The rest is read so that the connection can be used again.
            let _ = result_of(response, &line.reading).await;
            false
        }
        Err(Undelivered::Refused(refusal)) => {
            refusal.kind().disowns_session || session.id.is_some() && refusal.is_lost_session()
        }
        Err(Undelivered::Unreachable(_)) => false,
    };
    // The session of the call was good for as long as nobody had renewed it. That it is gone now says nothing of the call.
    disowns_session && shared.route.lock().session.generation == session.generation
}

/// The text of a request under an id that no other request has.
fn message(call: CallId, method: Method, params: &Raw) -> bytes::Bytes {
    let mut text = Vec::new();
    let id = Id::from(format!("{} {}", method.as_str(), call.get()).as_str());
    write_request(&mut text, &id, method.as_str(), Some(params));
    text.into()
}

/// Whether a `DiscoverResult` names `revision`.
fn names(discovered: &Raw, revision: Revision) -> bool {
    let versions = discovered.member("supportedVersions").unwrap_or(Raw::NULL);
    Elements::of(versions.as_str())
        .any(|version| versions.slice(version).as_string().is_some_and(|name| name.parse() == Ok(revision)))
}
