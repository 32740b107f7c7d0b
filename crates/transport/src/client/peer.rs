//! The server of a connection as a [`Peer`](anyport_service::Peer): messages that belong to no call.

use std::sync::atomic::Ordering;

use anyport_protocol::session::client::{Attribution, UnsolicitedMessage};
use anyport_service::{
    PeerEvent, SessionId,
    peer::{PeerChannel, PeerTransport, ToPeer, UnsolicitedRequest},
};
use bytestring::ByteString;

use super::multiplexer::{Driver, Multiplexer};

impl<D: Driver> Multiplexer<D> {
    /// Notes whether the server has a stream for what belongs to no call.
    #[cfg_attr(
        not(feature = "client-http"),
        expect(dead_code, reason = "a duplex connection has its stream always")
    )]
    pub(crate) fn set_silent(&self, is_silent: bool) {
        let was_silent = self.is_silent.swap(is_silent, Ordering::Relaxed);
        if is_silent != was_silent {
            self.events.send(if is_silent { PeerEvent::Silent } else { PeerEvent::Lagged(0) });
        }
    }

    /// Gives what belongs to no call to the subscribers of the peer.
    pub(super) fn unsolicited(&self, message: UnsolicitedMessage) {
        let Some(session) = self.session() else { return };
        match message {
            UnsolicitedMessage::Notification(method, params) => {
                if let Some(params) = session.notification(method, params) {
                    let method = ByteString::from_static(method.as_str());
                    self.events.send(PeerEvent::Notification(method, params));
                }
            }
            UnsolicitedMessage::UnknownNotification(method, _) => {
                tracing::debug!(method = &*method, "an unknown notification that belongs to no call");
            }
            UnsolicitedMessage::Missed => _ = self.events.send(PeerEvent::Lagged(0)),
            UnsolicitedMessage::Unsubscribed(uris) => _ = self.events.send(PeerEvent::Unsubscribed(uris)),
            UnsolicitedMessage::Request(id, method, params) => match session.question(method, params) {
                Ok(params) => {
                    let request = self.server_request(id, method, params, true);
                    self.events.send(PeerEvent::Request(UnsolicitedRequest::new(request)));
                }
                Err(error) => self.act(&[], |connection, _, out| connection.answer(id, Err(error), out)),
            },
        }
    }
}

impl<D: Driver> PeerTransport for Multiplexer<D> {
    fn id(&self) -> SessionId {
        self.id
    }

    /// A client sends its requests as calls, and a modern server takes no notifications outside them.
    fn send(&self, message: ToPeer) -> Result<(), ToPeer> {
        let ToPeer::Notification(method, params) = message else { return Err(message) };
        if self.driver.refuse(self).is_some() || self.events().close_reason().is_some() {
            return Err(ToPeer::Notification(method, params));
        }
        self.act(&[], |connection, _, out| connection.notify(&method, params, out));
        Ok(())
    }

    fn events(&self) -> &PeerChannel {
        &self.events
    }

    /// Servers ask for roots as soon as the session begins, which may be before somebody subscribes.
    fn subscribed(&self) {
        self.act(&[], |connection, now, out| connection.offer_held(now, out));
    }

    fn attribution(&self) -> Option<Attribution> {
        *self.attribution.lock()
    }

    fn is_silent(&self) -> bool {
        self.is_silent.load(Ordering::Relaxed)
    }
}
