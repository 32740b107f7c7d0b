use std::{future::Future, sync::Arc};

use anyport_protocol::{
    Method, Raw, Revision,
    jsonrpc::RpcResult,
    session::client::{
        NegotiatedSession, NegotiationError, NegotiationStep, RequestEnvelope, VersionNegotiation,
        initialize_params,
    },
};
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until},
};

use super::Hub;
use crate::client::{ConnectError, ConnectOptions, End, carrier::Opened};

/// Opens a channel, as often as it takes: an old server's process may end at the probe.
pub(crate) trait Open: Send + Sync {
    /// Makes a hub, and what drives it: until [`Hub::end`], which it must come to once [`Hub::closing`] says so.
    fn open(
        &self,
        opening: Arc<ConnectOptions>,
    ) -> impl Future<Output = Result<Channel, ConnectError>> + Send;
}

/// A channel that is being opened; dropping it closes it.
pub(crate) struct Channel(Option<Arc<Hub>>);

impl Channel {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self(Some(hub))
    }

    fn keep(mut self) -> Option<Arc<Hub>> {
        self.0.take()
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(hub) = self.0.take() {
            hub.close();
        }
    }
}

/// Finds out what the server at the other end of a channel speaks, and makes a connection of it.
pub(crate) async fn open(channels: &impl Open, opening: &ConnectOptions) -> Result<Opened, ConnectError> {
    let opening = Arc::new(opening.clone());
    let (mut negotiation, mut step) = VersionNegotiation::begin(opening.revision);
    // Beyond what the clock can tell is for ever.
    let give_up = Instant::now().checked_add(opening.open_timeout);
    let mut channel = opened(channels, &opening, give_up).await?;
    let mut probe_ends = None;
    let (mut discover, mut initialize) = (Answer::default(), Answer::default());
    loop {
        let Some(hub) = channel.0.clone() else { return Err(ConnectError::Ended(End::Closed)) };
        match step {
            NegotiationStep::Discover => {
                discover = Answer(Some(hub.request(Method::Discover, &probe(&opening))));
                probe_ends = Instant::now().checked_add(opening.probe_timeout);
            }
            NegotiationStep::Initialize(revision) => {
                let params = initialize_params(revision, &opening.capabilities, &opening.client_info);
                initialize = Answer(Some(hub.request(Method::Initialize, &params)));
                probe_ends = None;
            }
            NegotiationStep::Reopen => {
                tracing::debug!("the server went away at the probe; it is opened anew with initialize");
                (discover, initialize, probe_ends) = (Answer::default(), Answer::default(), None);
                drop(channel);
                channel = opened(channels, &opening, give_up).await?;
                step = negotiation.reopened();
                continue;
            }
            NegotiationStep::Agreed(agreement) => return agree(channel, agreement),
            NegotiationStep::Failed(failure) => return Err(failed(&failure, &hub, &opening).await),
            NegotiationStep::Wait => {}
        }
        let mut ended = hub.ended();
        step = tokio::select! {
            biased;
            outcome = discover.get() => negotiation.discover(outcome),
            outcome = initialize.get() => negotiation.initialized(outcome),
            _ = ended.wait_for(Option::is_some) => negotiation.ended(),
            () = at(probe_ends) => {
                probe_ends = None;
                negotiation.silence()
            }
            () = at(give_up) => return Err(ConnectError::Silent(opening.open_timeout)),
        };
    }
}

/// A channel, if there is one in time: whoever makes streams in a way of their own may never be done.
async fn opened(
    channels: &impl Open,
    opening: &Arc<ConnectOptions>,
    give_up: Option<Instant>,
) -> Result<Channel, ConnectError> {
    tokio::select! {
        channel = channels.open(opening.clone()) => channel,
        () = at(give_up) => Err(ConnectError::Silent(opening.open_timeout)),
    }
}

fn agree(channel: Channel, agreement: NegotiatedSession) -> Result<Opened, ConnectError> {
    let Some(hub) = channel.keep() else { return Err(ConnectError::Ended(End::Closed)) };
    let agreement = Arc::new(agreement);
    hub.agree(agreement.clone());
    if !agreement.revision().is_modern() {
        // 2025-11-25, lifecycle §Initialization: "After successful initialization, the client MUST send an
        // `initialized` notification".
        hub.notify(Method::Initialized, None);
    }
    let (spoken, ended, asides) = (hub.spoken(), hub.ended(), hub.asides.clone());
    Ok(Opened { agreement, carrier: Box::new(hub), spoken, asides, ended })
}

async fn failed(failure: &NegotiationError, hub: &Arc<Hub>, opening: &ConnectOptions) -> ConnectError {
    match failure {
        NegotiationError::Ended => {
            let end = hub.ended().borrow().clone();
            ConnectError::Ended(end.unwrap_or(End::Closed))
        }
        NegotiationError::Refused(method, error) => ConnectError::Refused { method, error: error.clone() },
        NegotiationError::Revision(spoken) => {
            ConnectError::Revision { spoken: spoken.clone(), wanted: opening.revision }
        }
        NegotiationError::TimedOut => ConnectError::Silent(opening.open_timeout),
        NegotiationError::Silent => ConnectError::Revision {
            spoken: format!("nothing: it did not answer server/discover within {:?}", opening.probe_timeout),
            wanted: opening.revision,
        },
    }
}

/// The params of the probe.
fn probe(opening: &ConnectOptions) -> Raw {
    let hop = RequestEnvelope {
        progress_token: None,
        capabilities: opening.capabilities.clone(),
        client_info: opening.client_info.clone(),
        log_level: None,
    };
    let newest = NegotiatedSession::modern(Revision::NEWEST, Raw::EMPTY_OBJECT);
    newest.params(Method::Discover.as_str(), &Raw::EMPTY_OBJECT, &hop).unwrap_or(Raw::EMPTY_OBJECT)
}

/// The answer to one request, if it was sent; never, if the channel ended first: that is told in its own way.
#[derive(Default)]
struct Answer(Option<oneshot::Receiver<RpcResult>>);

impl Answer {
    async fn get(&mut self) -> RpcResult {
        if let Some(receiver) = &mut self.0 {
            let outcome = receiver.await;
            self.0 = None;
            if let Ok(outcome) = outcome {
                return outcome;
            }
        }
        std::future::pending().await
    }
}

async fn at(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => std::future::pending().await,
    }
}
