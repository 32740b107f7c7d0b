use std::sync::Arc;

use tokio::time::Instant;

use crate::sync::Lock;

/// Whether the client of a call is connected to receive its response.
///
/// In most transports a disconnected client cancels its calls. In a session of Streamable HTTP it does not (2025-11-25,
/// transports §Sending Messages to the Server: "Disconnection SHOULD NOT be interpreted as the client cancelling its
/// request"), so its calls continue without a reader. Clones are the same presence.
#[derive(Clone, Debug, Default)]
pub struct Presence(Arc<Lock<Connections>>);

#[derive(Debug, Default)]
struct Connections {
    /// The number of those that read the response.
    open: usize,
    /// When the last of them ended.
    left: Option<Instant>,
}

impl Presence {
    /// Makes the presence of a client that is connected.
    pub fn new() -> Self {
        Self::default()
    }

    /// Notes a connection of the client until the guard is dropped.
    pub fn connected(&self) -> PresenceGuard {
        let mut connections = self.0.lock();
        connections.open += 1;
        connections.left = None;
        drop(connections);
        PresenceGuard(self.clone())
    }

    /// When the client disconnected; `None` if it is connected.
    pub fn disconnected_since(&self) -> Option<Instant> {
        self.0.lock().left
    }
}

/// A connection of a call's client, see [`Presence::connected`].
#[derive(Debug)]
pub struct PresenceGuard(Presence);

impl Drop for PresenceGuard {
    fn drop(&mut self) {
        let mut connections = self.0.0.lock();
        connections.open -= 1;
        if connections.open == 0 {
            connections.left = Some(Instant::now());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_is_gone_once_its_last_connection_is() {
        let presence = Presence::new();
        assert_eq!(presence.disconnected_since(), None);
        let (first, second) = (presence.connected(), presence.connected());
        drop(first);
        assert_eq!(presence.disconnected_since(), None);
        drop(second);
        assert!(presence.disconnected_since().is_some());
        let _again = presence.connected();
        assert_eq!(presence.disconnected_since(), None);
    }
}
