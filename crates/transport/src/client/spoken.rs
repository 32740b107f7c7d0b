use anyport_service::Notification;
use tokio::sync::broadcast::{self, error::RecvError};

/// What a server says outside any call: changes of lists and resources, log messages that nobody can be named for.
///
/// Each reader hears everything that is said while it is there.
#[derive(Debug)]
pub struct Spoken(broadcast::Receiver<Notification>);

/// Says what a server said to whoever listens; nobody has to.
pub(super) fn say(said: &broadcast::Sender<Notification>, notification: Notification) {
    // The latest are kept for whoever comes late, so their number alone bounds nothing.
    if notification.params.as_str().len() > LARGEST {
        let method = notification.method.as_str();
        return tracing::debug!(method, "too large a message outside any call: left out");
    }
    let _ = said.send(notification);
}

/// Bytes of one message; what has to be heard is much smaller.
const LARGEST: usize = 256 << 10;

/// One thing that a reader of [`Spoken`] hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Said {
    /// A notification, in the newest vocabulary.
    Notification(Notification),
    /// The reader was so slow that this many were lost: whatever it knows of the server may be stale.
    Missed(u64),
}

impl Spoken {
    /// A channel for what is said, with room for `queue` messages.
    pub(crate) fn channel(queue: usize) -> (broadcast::Sender<Notification>, Self) {
        let (sender, receiver) = broadcast::channel(queue.max(1));
        (sender, Self(receiver))
    }

    /// The next; `None` when the connection is over. Cancel-safe.
    pub async fn next(&mut self) -> Option<Said> {
        match self.0.recv().await {
            Ok(notification) => Some(Said::Notification(notification)),
            Err(RecvError::Lagged(missed)) => Some(Said::Missed(missed)),
            Err(RecvError::Closed) => None,
        }
    }

    /// Another reader, which hears what is said from now on.
    pub(crate) fn another(&self) -> Self {
        Self(self.0.resubscribe())
    }
}
