//! Streams of notifications that end before their time.

use anyport_protocol::{Method, Raw, failure::Failure, json::Splice, subscription::SubscriptionFilter};
use anyport_service::{Notification, Outcome};

/// Whether a stream that ended so may be opened again.
pub(super) fn is_transient(outcome: &Outcome) -> bool {
    match outcome {
        Outcome::Error(_) => false,
        Outcome::Failed(failure) => {
            failure.is_lost_connection()
                || matches!(failure.root(), Failure::Unavailable { .. } | Failure::Overloaded { .. })
        }
        _ => true,
    }
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
