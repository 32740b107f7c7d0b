use std::sync::Arc;

use anyport_service::Service;

use super::{
    CloseReason, ConnectError,
    duplex::{Channel, Duplex, Open, Opening, Outbox},
};
use crate::{dialogue::Frame, memory};

/// A service of this process, spoken to in messages: as another program would.
pub(super) struct InProcess(pub(super) Arc<dyn Service>);

impl Open for InProcess {
    async fn open(&self, opening: Opening) -> Result<Channel, ConnectError> {
        let config = memory::Config::default()
            .limits(opening.options.limits)
            .max_open_requests(opening.options.max_open_requests);
        let (channel, connection, outbox) = Channel::new(opening);
        let (client, serving) = memory::serve(self.0.clone(), config, std::future::pending());
        let serving = tokio::spawn(serving);
        tokio::spawn(drive(client, connection, outbox, serving));
        Ok(channel)
    }
}

/// Carries messages between a connection and a client in memory until either ends.
async fn drive(
    client: memory::Client,
    connection: Arc<Duplex>,
    mut outbox: Outbox,
    serving: tokio::task::JoinHandle<()>,
) {
    let (sender, mut receiver) = client.split();
    let send = async move {
        while let Some(message) = outbox.next().await {
            if sender.send(message).await.is_err() {
                break;
            }
        }
    };
    let hear = async {
        while let Some(message) = receiver.receive().await {
            connection.receive(Frame::Message(message));
        }
    };
    // Once our side has ended, what still runs is nobody's: its calls are over.
    let closed = tokio::select! {
        () = send => true,
        () = hear => false,
    };
    drop(receiver);
    let _ = serving.await;
    let closed = closed || connection.was_closed();
    connection.end(if closed {
        CloseReason::Closed
    } else {
        CloseReason::lost("the service is no longer served")
    });
}
