//! One server, behind as many connections as its callers need.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use anyport_adapters::{LegacyClientAdapter, LegacyServerAdapter, StateBinding};
use anyport_protocol::{Raw, failure::Failure, json::Splice};
use anyport_service::{Context, InputMode, PeerEvents, Reply, Request, Service};
use tokio::{
    sync::{Semaphore, watch},
    time::timeout,
};

use crate::{
    ServerInfo, ToolCatalog,
    deferred::deferred,
    era::Era,
    isolation::{ConnectionKey, Share},
    pool::{CloseOnDrop, Pool},
};

/// One server: it is connected when somebody calls it, and again when the connection was lost.
///
/// Of a modern server there is one connection, since each request says what its caller can do. A legacy server is told
/// that once per connection, so there is one for all callers that can do the same. Callers of either era are served: what
/// a server asks reaches each in the way in which it can be asked.
///
/// Clones are the same server. Its connections are closed when the last one is dropped.
#[derive(Clone)]
pub struct Upstream {
    pub(crate) pool: Pool,
    pub(crate) legacy_clients: Arc<LegacyClientAdapter<Pool>>,
    pub(crate) parked: Option<Arc<LegacyServerAdapter<Pool>>>,
    pub(crate) bound: Option<Arc<StateBinding<Pool>>>,
    pub(crate) _close_on_drop: Arc<CloseOnDrop>,
}

impl Upstream {
    /// What people call it.
    pub fn name(&self) -> &str {
        &self.pool.0.name
    }

    /// What the server was last found to be; changes with every connection. `None` before the first.
    pub fn server_info(&self) -> watch::Receiver<Option<Arc<ServerInfo>>> {
        self.pool.0.server_info.subscribe()
    }

    /// Subscribes to what the server says outside any call, on all its connections, from now on. A modern server says
    /// nothing there but what is subscribed to; see `subscriptions/listen`.
    pub fn events(&self) -> PeerEvents {
        self.pool.0.events.subscribe()
    }

    /// The facts about the tools that the server has listed.
    pub fn tools(&self) -> &ToolCatalog {
        &self.pool.0.tools
    }

    /// Connects for calls such as `context`'s, unless that is done already, and says what the server is.
    ///
    /// # Errors
    /// [`Failure::Unavailable`] if the server cannot be reached, [`Failure::Overloaded`] if every connection is in use.
    pub async fn connected(&self, context: &Context) -> Result<ServerInfo, Failure> {
        let (_, up) = self.pool.up(context).await?;
        Ok(ServerInfo::of(&up.session))
    }

    /// What distinguishes callers to whom a server may show other lists.
    pub fn profile(context: &Context) -> Raw {
        ConnectionKey::legacy(context.capabilities(), context.profile().roots_list_changed, Share::All)
            .client(context)
            .capabilities
    }

    /// Whether a call such as `context`'s would go out at once.
    pub fn is_connected(&self, context: &Context) -> bool {
        self.pool.slot(context).up().is_some()
    }

    /// Takes no more calls, closes every connection, and waits until nothing of them is left: no process, no
    /// descriptor. Calls under way are cut.
    pub async fn shut_down(&self) {
        self.close();
        self.pool.0.over.send_replace(true);
        let all = u32::try_from(self.pool.0.limits.connections.clamp(1, Semaphore::MAX_PERMITS));
        let gone = self.pool.0.room.acquire_many(all.unwrap_or(u32::MAX));
        if timeout(SHUT_DOWN, gone).await.is_err() {
            tracing::warn!(upstream = self.name(), "a connection did not close in time");
        }
    }

    /// Ends every listen stream and takes no more calls; those under way go on.
    pub fn close(&self) {
        self.pool.0.closed.send_replace(true);
        if let Some(parked) = &self.parked {
            parked.drain();
        }
        for slot in self.pool.slots() {
            slot.listen.end();
        }
    }
}

impl Service for Upstream {
    fn call(&self, request: Request, context: Context) -> Reply {
        match (self.pool.era(), context.input_mode()) {
            // A modern server asks by result: whoever is asked live is served by the shim.
            (Some(Era::Modern), InputMode::Inline) => self.legacy_clients.call(request, context),
            // It sees us alone: what it gives to one of our callers is bound to that one.
            (Some(Era::Modern), InputMode::InputRequired) => match &self.bound {
                Some(bound) => bound.call(request, context),
                None => self.pool.call(request, context),
            },
            // A legacy server asks live: its questions are kept for a caller that retries.
            (Some(Era::Legacy), InputMode::InputRequired) => match &self.parked {
                Some(parked) => parked.call(request, context),
                // Extensions are not asked anything by.
                None => {
                    let (info, all) = (context.client_info().cloned(), context.capabilities());
                    let extensions = Splice::retain(all, |key| key == "extensions").finish();
                    self.pool.call(request, context.with_client(extensions, info))
                }
            },
            (Some(_), _) => self.pool.call(request, context),
            (None, _) => {
                let upstream = self.clone();
                deferred(async move {
                    match upstream.pool.up(&context).await {
                        Ok(_) => upstream.call(request, context),
                        Err(failure) => Reply::failed(failure),
                    }
                })
            }
        }
    }
}

/// How long connections may take to close. A program is told to end, and then killed, sooner.
const SHUT_DOWN: Duration = Duration::from_secs(10);
