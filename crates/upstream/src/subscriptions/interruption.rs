//! Streams of notifications that end before their time.

use std::collections::HashSet;

use anyport_protocol::{
    Method, Raw,
    failure::{CloseReason, Failure},
    json::Splice,
    jsonrpc::ConnectionRefusal,
    subscription::SubscriptionFilter,
};
use anyport_service::{Notification, Outcome};

/// The failure of a listener whose connection is gone, or is in another place.
pub(super) fn gone() -> Failure {
    Failure::Disconnected(CloseReason::lost("the connection was lost"))
}

/// Whether a stream that ended so may be opened again.
pub(super) fn is_transient(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Error(_) => is_outdated(outcome),
        Outcome::Failed(failure) => {
            failure.is_lost_connection()
                || matches!(failure.root(), Failure::Unavailable { .. } | Failure::Overloaded { .. })
        }
        _ => true,
    }
}

/// Whether the server refused a stream since it no longer speaks the revision of the connection.
pub(super) fn is_outdated(outcome: &Outcome) -> bool {
    matches!(outcome, Outcome::Error(error) if error.refusal == Some(ConnectionRefusal::UnsupportedRevision))
}

/// Whether a server that grants `now` grants all of `before`.
pub(super) fn covers(now: &SubscriptionFilter, before: &SubscriptionFilter) -> bool {
    let uris: HashSet<_> = now.uris.iter().collect();
    before.lists().all(|method| now.wants_list(method)) && before.uris.iter().all(|uri| uris.contains(uri))
}

/// Notifications of everything that may have changed while the stream was closed.
pub(super) fn meanwhile(granted: &SubscriptionFilter) -> Vec<Notification> {
    let lists = granted.lists().map(|method| Notification { method, params: Raw::EMPTY_OBJECT });
    let resources = granted.uris.iter().map(|uri| Notification {
        method: Method::ResourceUpdated,
        params: Splice::new().with("uri", &Raw::string(uri)).finish(),
    });
    lists.chain(resources).collect()
}
