//! One server, behind as many connections as its callers need.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use anyport_adapters::{LegacyClientAdapter, LegacyServerAdapter, StateBinding};
use anyport_protocol::{Method, Raw, failure::Failure, json::Splice};
use anyport_service::{Context, InputMode, PeerEvents, Reply, Request, Service};
use tokio::{
    sync::{Semaphore, watch},
    time::{Instant, timeout},
};

use crate::{
    KnownServer, ServerInfo, ToolCatalog, UpstreamHealth,
    asking_eras::Asking,
    deferred::deferred,
    era::{Era, ServedEras},
    isolation::{ConnectionKey, Share},
    pool::{CloseOnDrop, EraCalls, Pool},
};

/// One server: it is connected when somebody calls it, and again when the connection was lost.
///
/// Of a modern server there is one connection, since each request says what its caller can do. A legacy server is told
/// that once per connection, so there is one for all callers that can do the same. Callers of either era are served: what
/// a server asks reaches each in the way in which it can be asked. A server that speaks both eras is called in that of the
/// caller, so that nothing is worse than without us; except for what it was found to be able to ask in the other one alone.
///
/// Clones are the same server. Its connections are closed when the last one is dropped.
#[derive(Clone)]
pub struct Upstream {
    pub(crate) pool: Pool,
    pub(crate) legacy_clients: Arc<LegacyClientAdapter<EraCalls>>,
    pub(crate) parked: Option<Arc<LegacyServerAdapter<EraCalls>>>,
    pub(crate) bound: Option<Arc<StateBinding<EraCalls>>>,
    pub(crate) _close_on_drop: Arc<CloseOnDrop>,
}

impl Upstream {
    /// What people call it.
    pub fn name(&self) -> &str {
        &self.pool.0.name
    }

    /// What the server was last found to be; changes with every connection.
    pub fn server_info(&self) -> watch::Receiver<KnownServer> {
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
        let (_, up) = self.pool.up(context, Era::of(context.revision())).await?;
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

    /// Whether the server can be reached, as its connections say.
    pub fn health(&self) -> UpstreamHealth {
        self.pool.health()
    }

    /// Notes that a call of the caller of `context`, which began at `began`, was ended at its deadline although the server had
    /// sent nothing of it. After `breaker_failures` of these in a row the server counts as down.
    pub fn note_silence(&self, context: &Context, began: Instant) {
        self.pool.was_silent(context, began);
    }

    /// Whether a connection is open.
    pub fn is_open(&self) -> bool {
        self.pool.slots().iter().any(|slot| slot.up().is_some())
    }

    /// Whether the server has something in memory that would be lost with its connections: a call that waits for the answer to a server
    /// request, or what it knows of a session that has a connection of its own.
    pub fn is_in_use(&self) -> bool {
        self.pool.slots().iter().any(|slot| slot.has_asked() || slot.is_of_living_session())
    }

    /// Closes every connection: at once where no call is in flight, else after the last one. The next call opens one.
    pub fn close_unused(&self) {
        for slot in self.pool.slots() {
            self.pool.give_up(&slot);
        }
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
        let own = Era::of(context.revision());
        if !request.known().is_some_and(Method::may_ask) {
            return self.call_in(own, request, context);
        }
        if let Some(state) = request.params.member("requestState") {
            // It leads to a call that waits on a legacy connection, or is the server's own of a modern one.
            let is_parked = self.parked.as_ref().is_some_and(|parked| parked.has_sealed(&state));
            return self.call_in(if is_parked { Era::Legacy } else { own }, request, context);
        }
        match self.pool.0.asking_eras.of(&request) {
            // What was asked without a state is answered where it was asked.
            Some(Asking { era, is_proven })
                if era != own && !is_retry(&request) && self.can_be_asked(era, &context) =>
            {
                match is_proven {
                    true => self.call_in(era, request, context),
                    false => self.to_ask_in(era, request, context),
                }
            }
            _ => self.call_in(own, request, context),
        }
    }
}

/// Whether `request` continues a call that was asked something.
///
/// 2026-07-28, schema `InputRequiredResult`: `requestState` is optional, and so a retry may have `inputResponses` alone.
fn is_retry(request: &Request) -> bool {
    ["requestState", "inputResponses"].iter().any(|member| request.params.member(member).is_some())
}

impl Upstream {
    /// Whether a caller can be asked what a call of the era `era` may ask.
    fn can_be_asked(&self, era: Era, context: &Context) -> bool {
        let profile = context.profile();
        let reachable =
            era == Era::Modern || context.input_mode() == InputMode::Inline || self.parked.is_some();
        reachable
            && (profile.elicitation_form || profile.elicitation_url || profile.sampling || profile.roots)
    }

    /// Makes a call in the era `preferred` if the server speaks it, and in the other one if not.
    pub(crate) fn call_in(&self, preferred: Era, request: Request, context: Context) -> Reply {
        let eras = self.pool.eras();
        if let Some(era) = eras.for_calls(preferred) {
            return self.call_known(eras, (preferred, era), request, context);
        }
        let upstream = self.clone();
        deferred(async move {
            loop {
                if let Err(failure) = upstream.pool.up(&context, preferred).await {
                    return Reply::failed(failure);
                }
                // The server may have been replaced meanwhile, and is then asked again.
                let eras = upstream.pool.eras();
                if let Some(era) = eras.for_calls(preferred) {
                    return upstream.call_known(eras, (preferred, era), request, context);
                }
                tokio::task::yield_now().await;
            }
        })
    }

    /// Makes a call in the era `era`, which is by `eras` the one of the connections for calls that prefer `preferred`.
    fn call_known(
        &self,
        eras: ServedEras,
        (preferred, era): (Era, Era),
        request: Request,
        context: Context,
    ) -> Reply {
        let is_first = preferred == Era::of(context.revision())
            && eras.has(era.other()) != Some(false)
            && request.known().is_some_and(Method::may_ask)
            && !is_retry(&request)
            && self.can_be_asked(era.other(), &context);
        if !is_first {
            return self.converted(era, request, context);
        }
        let reply = self.converted(era, request.clone(), context.clone());
        self.in_other_era(reply, era, request, context)
    }

    /// Makes a call in the era `era`, through the adapter that its caller needs there.
    fn converted(&self, era: Era, request: Request, context: Context) -> Reply {
        let plain = || EraCalls { pool: self.pool.clone(), era };
        match (era, context.input_mode()) {
            // A modern server asks by result: whoever is asked live is served by the shim.
            (Era::Modern, InputMode::Inline) => self.legacy_clients.call(request, context),
            // It sees us alone: what it gives to one of our callers is bound to that one.
            (Era::Modern, InputMode::InputRequired) => match &self.bound {
                Some(bound) => bound.call(request, context),
                None => plain().call(request, context),
            },
            // A legacy server asks live: its questions are kept for a caller that retries.
            (Era::Legacy, InputMode::InputRequired) => match &self.parked {
                Some(parked) => parked.call(request, context),
                // Extensions are not asked anything by.
                None => {
                    let (info, all) = (context.client_info().cloned(), context.capabilities());
                    let extensions = Splice::retain(all, |key| key == "extensions").finish();
                    plain().call(request, context.with_client(extensions, info))
                }
            },
            (Era::Legacy, InputMode::Inline) => plain().call(request, context),
        }
    }
}

/// How long connections may take to close. A program is told to end, and then killed, sooner.
const SHUT_DOWN: Duration = Duration::from_secs(10);
