use std::collections::BTreeSet;

use bytestring::ByteString;

use super::negotiated::NegotiatedSession;
use crate::{Method, subscription::SubscriptionFilter};

/// The resources to which a legacy session is subscribed; a renewed session is subscribed again.
#[derive(Debug, Default)]
pub(super) struct Subscriptions(BTreeSet<ByteString>);

impl Subscriptions {
    /// Notes that the server granted a request.
    pub(super) fn granted(&mut self, method: Option<Method>, uri: Option<ByteString>) {
        match (method, uri) {
            (Some(Method::Subscribe), Some(uri)) => _ = self.0.insert(uri),
            (Some(Method::Unsubscribe), Some(uri)) => _ = self.0.remove(&uri),
            _ => {}
        }
    }

    /// All of them.
    pub(super) fn uris(&self) -> impl Iterator<Item = &ByteString> {
        self.0.iter()
    }

    /// Forgets a resource to which the session is not subscribed any more.
    pub(super) fn removed(&mut self, uri: &ByteString) {
        self.0.remove(uri);
    }

    /// Whether the server may send a notification at any time for which its client waits in silence. A modern server does
    /// so only while a request is in flight; a legacy one announces changes of its lists unsolicited.
    pub(super) fn are_awaited(&self, session: &NegotiatedSession) -> bool {
        if session.revision().has_listen() {
            return false;
        }
        !self.0.is_empty() || !SubscriptionFilter::declared(session.discovered()).is_empty()
    }
}
