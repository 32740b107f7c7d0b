use std::{fmt, sync::Arc};

use anyport_protocol::{Raw, Revision};
use anyport_service::{Context, Reply, Request, Service};
use tokio::sync::watch;

use super::{
    Aside, CloseReason, Spoken,
    carrier::{Opened, Transport},
};

/// A connection to a server, as a service: requests in the newest vocabulary, replies in it.
///
/// Clones are the same connection; dropping the last one closes it.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    opened: Opened,
}

impl Connection {
    pub(crate) fn new(opened: Opened) -> Self {
        Self(Arc::new(Inner { opened }))
    }

    /// The revision that the server speaks.
    pub fn revision(&self) -> Revision {
        self.0.opened.agreement.revision()
    }

    /// What the server offers: a `DiscoverResult`, in the newest vocabulary whatever the server speaks.
    pub fn discovered(&self) -> &Raw {
        self.0.opened.agreement.discovered()
    }

    /// What the server says outside any call, from now on.
    pub fn spoken(&self) -> Spoken {
        self.0.opened.spoken.another()
    }

    /// Gives what an older server asks outside any call to `aside`, from now on. Only the first that is set hears it.
    pub fn asides(&self, aside: Arc<dyn Aside>) {
        self.0.opened.asides.set(aside);
        // Servers ask for roots as soon as the session begins, which may be before this.
        self.0.opened.carrier.offer_held();
    }

    /// Sends a notification that belongs to no call, if the server's revision has such notifications.
    pub fn tell(&self, method: &str, params: &Raw) {
        if self.revision().has_client_notifications() {
            self.0.opened.carrier.tell(method, params);
        }
    }

    /// Completes when the connection is over, and says why. Cancel-safe; may be called any number of times.
    pub async fn closed(&self) -> CloseReason {
        over(self.0.opened.ended.clone()).await
    }

    /// Closes the connection, whoever else holds it, and waits until nothing of it is left: no process, no descriptor.
    pub async fn close(self) {
        let ended = self.0.opened.ended.clone();
        self.0.opened.carrier.close();
        drop(self);
        over(ended).await;
    }
}

async fn over(mut ended: watch::Receiver<Option<CloseReason>>) -> CloseReason {
    match ended.wait_for(Option::is_some).await {
        Ok(end) => end.clone().unwrap_or(CloseReason::Closed),
        Err(_) => CloseReason::Closed,
    }
}

impl Service for Connection {
    fn call(&self, request: Request, context: Context) -> Reply {
        self.0.opened.carrier.call(request, context)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.opened.carrier.close();
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("revision", &self.revision()).finish_non_exhaustive()
    }
}

/// So that a carrier needs no name of its own outside.
impl fmt::Debug for dyn Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}
