use std::sync::Arc;

use anyport_protocol::{
    Raw,
    session::client::{NegotiatedSession, RequestEnvelope},
};
use anyport_service::{Context, Reply, Request};
use tokio::sync::watch;

use super::{CloseReason, ConnectOptions, Spoken, aside::Asides};

/// Carries the calls of one connection: what a [`super::Connection`] is made of, beside what was agreed.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Carries one request of the newest vocabulary. The reply is in it, too; dropping it cancels the request.
    fn call(&self, request: Request, context: Context) -> Reply;

    /// Says something that belongs to no call, as it is.
    fn tell(&self, method: &str, params: &Raw);

    /// Offers what the server asked outside any call, and nobody took, once more.
    fn offer_held(&self);

    /// Begins to close: nothing more is sent but what closing needs. [`Opened::ended`] tells when it is done.
    fn close(&self);
}

/// A connection that was opened.
pub(crate) struct Opened {
    pub(crate) agreement: Arc<NegotiatedSession>,
    pub(crate) carrier: Box<dyn Transport>,
    /// Gives readers of what the server says outside any call.
    pub(crate) spoken: Spoken,
    /// Who hears of what is asked outside any call.
    pub(crate) asides: Asides,
    /// Why the connection is over, once it is.
    pub(crate) ended: watch::Receiver<Option<CloseReason>>,
}

/// What this hop tells a server of the caller. A modern server is told with every request exactly what its caller can do.
pub(crate) fn hop(
    context: &Context,
    opening: &ConnectOptions,
    progress_token: Option<Raw>,
) -> RequestEnvelope {
    RequestEnvelope {
        progress_token,
        capabilities: context.capabilities().clone(),
        client_info: context.client_info().unwrap_or(&opening.client_info).clone(),
        log_level: context.log_level(),
    }
}
