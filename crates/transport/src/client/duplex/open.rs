use std::{future::Future, sync::Arc};

use anyport_protocol::{
    failure::CloseReason,
    session::client::{Channel as Sharing, Input, NegotiatedSession, NegotiationError},
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::driver::{Duplex, Opening, Outbox};
use crate::client::{
    ConnectError, ConnectOptions, Connection,
    multiplexer::{Control, Machine},
};

/// Opens a channel, as often as it takes: a legacy server's process may end at the probe.
pub(crate) trait Open: Send + Sync {
    /// Makes a [`Channel`], and what drives its connection: until [`Duplex::end`], which it must come to once
    /// [`Duplex::closing`] says so.
    fn open(&self, opening: Opening) -> impl Future<Output = Result<Channel, ConnectError>> + Send;
}

/// A channel that is being opened; dropping it closes it.
pub(crate) struct Channel {
    connection: Option<Arc<Duplex>>,
    negotiated: oneshot::Receiver<Control>,
}

impl Channel {
    /// A channel for `opening`: its connection, and what is to be sent on it.
    pub(crate) fn new(opening: Opening) -> (Self, Arc<Duplex>, Outbox) {
        let (connection, outbox, negotiated) = Duplex::on_channel(opening);
        (Self { connection: Some(connection.clone()), negotiated }, connection, outbox)
    }

    pub(super) fn keep(mut self) -> Option<Arc<Duplex>> {
        self.connection.take()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.close();
        }
    }
}

/// Finds out what the server at the other end of a channel speaks, and makes a connection of it.
pub(crate) async fn open(channels: &impl Open, options: &ConnectOptions) -> Result<Connection, ConnectError> {
    let options = Arc::new(options.clone());
    // Beyond what the clock can tell is for ever.
    let give_up = Instant::now().checked_add(options.open_timeout);
    let mut machine = Machine::new(&options, Sharing::Shared);
    loop {
        let opening = Opening { options: options.clone(), machine };
        let mut channel = tokio::select! {
            channel = channels.open(opening) => channel?,
            // Streams that are made in a way of the caller's own may never be there.
            () = at(give_up) => return Err(ConnectError::Silent(options.open_timeout)),
        };
        let Some(connection) = channel.connection.clone() else {
            return Err(ConnectError::Ended(CloseReason::Closed));
        };
        connection.handle(Input::Opened);
        match (&mut channel.negotiated).await {
            Ok(Control::Negotiated(session)) => return opened(channel, session),
            Ok(Control::Refused(error)) => return Err(refused(error, &connection, &options).await),
            Ok(Control::Reopen) => {
                tracing::debug!("the server went away at the probe; it is opened anew with initialize");
                machine = connection.detach();
            }
            Ok(_) | Err(_) => return Err(ConnectError::Ended(CloseReason::Closed)),
        }
    }
}

fn opened(channel: Channel, session: Arc<NegotiatedSession>) -> Result<Connection, ConnectError> {
    let Some(connection) = channel.keep() else { return Err(ConnectError::Ended(CloseReason::Closed)) };
    let peer = connection.peer();
    Ok(Connection::new(session, Box::new(connection), peer))
}

async fn refused(error: NegotiationError, connection: &Duplex, options: &ConnectOptions) -> ConnectError {
    match error {
        NegotiationError::Ended => ConnectError::Ended(connection.events.closed().await),
        NegotiationError::Refused(method, error) => ConnectError::Refused { method, error },
        NegotiationError::Failed(method, failure) => ConnectError::Failed { method, failure },
        NegotiationError::Revision(spoken) => ConnectError::Revision { spoken, wanted: options.revision },
        NegotiationError::TimedOut => ConnectError::Silent(options.open_timeout),
        NegotiationError::Silent => ConnectError::Revision {
            spoken: format!("nothing: it did not answer server/discover within {:?}", options.probe_timeout),
            wanted: options.revision,
        },
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
