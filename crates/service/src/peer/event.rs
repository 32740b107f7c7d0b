use std::{fmt, sync::Arc};

use anyport_protocol::{Method, Raw};
use bytestring::ByteString;

use crate::{Notification, ServerRequest, sync::Lock};

/// A message from the peer that belongs to no call.
#[derive(Clone, Debug)]
pub enum PeerEvent {
    /// A notification: its method and its params, in the newest vocabulary.
    Notification(ByteString, Raw),
    /// A server request that no call carries.
    Request(UnsolicitedRequest),
    /// Events were missed, and what the subscriber knows of the peer may be stale: this many, because the subscriber was too
    /// slow; 0 if it is not known how many, because the session with a server was lost and renewed.
    Lagged(u64),
    /// The server notifies no more of the resources with these URIs: the session in place of a lost one is not subscribed to
    /// them.
    Unsubscribed(Arc<[ByteString]>),
    /// The server has no stream any more for what belongs to no call: see [`Peer::is_silent`](crate::Peer::is_silent). What was missed
    /// when it has one again is an event of its own, [`PeerEvent::Lagged`].
    Silent,
}

impl PeerEvent {
    /// The notification in it, if the specification has its method.
    pub fn into_notification(self) -> Option<Notification> {
        match self {
            Self::Notification(method, params) => {
                Method::named(&method).map(|method| Notification { method, params })
            }
            Self::Request(_) | Self::Lagged(_) | Self::Unsubscribed(_) | Self::Silent => None,
        }
    }
}

/// A server request that no call carries, offered to every subscriber.
///
/// The first that claims it answers it. If each drops it unclaimed, it is declined.
#[derive(Clone)]
pub struct UnsolicitedRequest(Arc<Offer>);

struct Offer {
    method: Method,
    params: Raw,
    request: Lock<Option<ServerRequest>>,
}

impl UnsolicitedRequest {
    /// Offers `request`.
    pub fn new(request: ServerRequest) -> Self {
        let (method, params) = (request.method, request.params.clone());
        Self(Arc::new(Offer { method, params, request: Lock::new(Some(request)) }))
    }

    /// The method of the request.
    pub fn method(&self) -> Method {
        self.0.method
    }

    /// The params of the request.
    pub fn params(&self) -> &Raw {
        &self.0.params
    }

    /// Takes the request; `None` if another subscriber has it.
    pub fn claim(&self) -> Option<ServerRequest> {
        self.0.request.lock().take()
    }
}

impl fmt::Debug for UnsolicitedRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnsolicitedRequest").field("method", &self.0.method).finish_non_exhaustive()
    }
}
