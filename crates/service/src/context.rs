use std::{net::IpAddr, num::NonZeroU64, sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Raw, Revision,
    capability::ClientProfile,
    meta::{LogLevel, Meta},
    param_header::ParamHeaders,
};
use tokio::time::Instant;

use crate::{
    Authorization, CallTrail, ClientHeaders, Demand, Network, Peer, Presence, Principal, SessionId,
    TraceHeaders, WeakPeer,
};

/// The context of one call. Cheap to clone; every clone is the same call.
#[derive(Clone, Debug)]
pub struct Context(Arc<Call>);

#[derive(Clone, Debug)]
struct Call {
    authorization: Authorization,
    session: Option<SessionId>,
    peer: Option<WeakPeer>,
    profile: Option<ClientProfile>,
    revision: Revision,
    input_mode: InputMode,
    capabilities: Raw,
    client_info: Option<Raw>,
    log_level: Option<LogLevel>,
    log_level_is_default: bool,
    progress_token: Option<Raw>,
    traceparent: Option<Raw>,
    trace_headers: Option<Box<TraceHeaders>>,
    network: Option<Network>,
    param_headers: Option<ParamHeaders>,
    client_headers: Option<ClientHeaders>,
    deadline: Option<Instant>,
    presence: Option<Presence>,
    demand: Option<Demand>,
    observed: Option<NonZeroU64>,
    trail: Option<Arc<dyn CallTrail>>,
}

impl Call {
    fn declare(&mut self, capabilities: Raw) {
        // Whether a session's client announces when its roots change was agreed on when the session began.
        self.profile = self.profile.map(|old| ClientProfile {
            roots_list_changed: old.roots_list_changed,
            ..ClientProfile::of(&capabilities)
        });
        self.capabilities = capabilities;
    }
}

/// How the caller of a service receives server requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputMode {
    /// While the call is open: a legacy session, code in the same process. It is given questions as
    /// [`crate::Event::ServerRequest`].
    Inline,
    /// By `input_required`, whereupon it calls again: a modern client.
    InputRequired,
}

impl Context {
    /// Makes the context of a call by `principal` in `revision`, without declared capabilities. The principal may do
    /// everything.
    pub fn new(principal: Principal, revision: Revision) -> Self {
        Self::authorized(Authorization::unlimited(principal), revision)
    }

    /// Makes the context of a call in `revision` by a caller with `authorization`, without declared capabilities.
    pub fn authorized(authorization: Authorization, revision: Revision) -> Self {
        Self(Arc::new(Call {
            authorization,
            session: None,
            peer: None,
            profile: None,
            revision,
            input_mode: if revision.asks_by_result() { InputMode::InputRequired } else { InputMode::Inline },
            capabilities: Raw::EMPTY_OBJECT,
            client_info: None,
            log_level: None,
            log_level_is_default: false,
            progress_token: None,
            traceparent: None,
            trace_headers: None,
            network: None,
            param_headers: None,
            client_headers: None,
            deadline: None,
            presence: None,
            demand: None,
            observed: None,
            trail: None,
        }))
    }

    /// Takes over what a request says of itself in `_meta`.
    ///
    /// # Errors
    /// -32602 for a log level that does not exist, or a progress token that is no string or integer.
    pub fn with_meta(mut self, meta: Meta) -> Result<Self, Error> {
        let (log_level, progress_token) = (meta.level()?, meta.token()?);
        let call = Arc::make_mut(&mut self.0);
        if log_level.is_some() {
            (call.log_level, call.log_level_is_default) = (log_level, false);
        }
        call.progress_token = progress_token;
        call.traceparent = meta.traceparent;
        if let Some(capabilities) = meta.client_capabilities {
            call.declare(capabilities);
        }
        if meta.client_info.is_some() {
            call.client_info = meta.client_info;
        }
        Ok(self)
    }

    /// Sets what the client declared, for callers that declare it once.
    #[must_use]
    pub fn with_client(mut self, capabilities: Raw, info: Option<Raw>) -> Self {
        let call = Arc::make_mut(&mut self.0);
        call.declare(capabilities);
        call.client_info = info;
        self
    }

    /// Sets the session or connection that the call came by.
    #[must_use]
    pub fn with_session(mut self, session: SessionId) -> Self {
        Arc::make_mut(&mut self.0).session = Some(session);
        self
    }

    /// Sets the peer of a legacy session, by which its client is reached outside calls, and what that client declared for
    /// the whole session.
    #[must_use]
    pub fn with_peer(mut self, peer: WeakPeer, profile: ClientProfile) -> Self {
        let call = Arc::make_mut(&mut self.0);
        (call.peer, call.profile) = (Some(peer), Some(profile));
        self
    }

    /// Sets from which severity on the caller wants log messages.
    #[must_use]
    pub fn with_log_level(mut self, level: Option<LogLevel>) -> Self {
        let call = Arc::make_mut(&mut self.0);
        (call.log_level, call.log_level_is_default) = (level, false);
        self
    }

    /// Sends log messages from `level` on although the caller has set no level: a legacy session without
    /// `logging/setLevel`. A legacy server does not receive this level.
    #[must_use]
    pub fn with_default_log_level(mut self, level: LogLevel) -> Self {
        let call = Arc::make_mut(&mut self.0);
        (call.log_level, call.log_level_is_default) = (Some(level), true);
        self
    }

    /// Sets how the caller receives server requests.
    #[must_use]
    pub fn with_input_mode(mut self, input_mode: InputMode) -> Self {
        Arc::make_mut(&mut self.0).input_mode = input_mode;
        self
    }

    /// Sets the `Mcp-Param-*` headers; only a transport with headers does.
    #[must_use]
    pub fn with_param_headers(mut self, headers: ParamHeaders) -> Self {
        Arc::make_mut(&mut self.0).param_headers = Some(headers);
        self
    }

    /// Sets the trace context that the request has for those inside: a span of this program.
    #[must_use]
    pub fn with_traceparent(mut self, traceparent: Raw) -> Self {
        Arc::make_mut(&mut self.0).traceparent = Some(traceparent);
        self
    }

    /// Sets the trace context of the HTTP request that the message came by.
    #[must_use]
    pub fn with_trace_headers(mut self, headers: Option<Box<TraceHeaders>>) -> Self {
        if headers.is_some() {
            Arc::make_mut(&mut self.0).trace_headers = headers;
        }
        self
    }

    /// Sets the network by which the call came.
    #[must_use]
    pub fn with_network(mut self, network: Network) -> Self {
        Arc::make_mut(&mut self.0).network = Some(network);
        self
    }

    /// Removes the `Mcp-Param-*` headers. Code that changes arguments does so after the comparison.
    #[must_use]
    pub fn without_param_headers(mut self) -> Self {
        if self.0.param_headers.is_some() {
            Arc::make_mut(&mut self.0).param_headers = None;
        }
        self
    }

    /// Sets the headers that the client sends for servers behind this one; only a transport with headers does.
    #[must_use]
    pub fn with_client_headers(mut self, headers: Option<ClientHeaders>) -> Self {
        if self.0.client_headers != headers {
            Arc::make_mut(&mut self.0).client_headers = headers;
        }
        self
    }

    /// Brings the deadline forward to `deadline`; a later one than is set changes nothing.
    #[must_use]
    pub fn with_deadline(mut self, deadline: Instant) -> Self {
        let call = Arc::make_mut(&mut self.0);
        call.deadline = Some(call.deadline.map_or(deadline, |earlier| earlier.min(deadline)));
        self
    }

    /// Extends the deadline, if there is one, by a time in which the caller itself kept the call waiting.
    #[must_use]
    pub fn with_deadline_moved(mut self, by: Duration) -> Self {
        if let Some(deadline) = self.0.deadline {
            // One that is beyond what the clock can tell is as good as none.
            Arc::make_mut(&mut self.0).deadline = deadline.checked_add(by);
        }
        self
    }

    /// Sets the presence of the client, in a transport whose calls outlive the connection of their client.
    #[must_use]
    pub fn with_presence(mut self, presence: Presence) -> Self {
        Arc::make_mut(&mut self.0).presence = Some(presence);
        self
    }

    /// Marks a call that no client has made, but for what clients want by `demand`.
    #[must_use]
    pub fn with_demand(mut self, demand: Demand) -> Self {
        Arc::make_mut(&mut self.0).demand = Some(demand);
        self
    }

    /// Sets the number under which an observer follows the call, from the message of the client to that for the server.
    #[must_use]
    pub fn with_observed_call(mut self, number: NonZeroU64) -> Self {
        Arc::make_mut(&mut self.0).observed = Some(number);
        self
    }

    /// The number under which an observer follows the call; `None` if none does.
    pub fn observed_call(&self) -> Option<NonZeroU64> {
        self.0.observed
    }

    /// Sets what follows the call for those who record it.
    #[must_use]
    pub fn with_trail(mut self, trail: Arc<dyn CallTrail>) -> Self {
        Arc::make_mut(&mut self.0).trail = Some(trail);
        self
    }

    /// What follows the call for those who record it; `None` if nothing does.
    pub fn trail(&self) -> Option<&Arc<dyn CallTrail>> {
        self.0.trail.as_ref()
    }

    /// The caller's principal.
    pub fn principal(&self) -> &Principal {
        self.0.authorization.principal()
    }

    /// What the credential of the caller allows.
    pub fn authorization(&self) -> &Authorization {
        &self.0.authorization
    }

    /// The session or connection that the call came by; `None` if nothing holds the calls of one client together, as over
    /// HTTP since 2026-07-28.
    pub fn session_id(&self) -> Option<SessionId> {
        self.0.session
    }

    /// The peer of the call's legacy session: its client, outside any call. `None` if the call came by no such session,
    /// or if the session is over.
    pub fn peer(&self) -> Option<Peer> {
        self.0.peer.as_ref()?.upgrade()
    }

    /// Whether the calls of this caller have nothing to do with one another: it is anonymous, and no session or
    /// connection holds them together. Each of them is then a caller of its own.
    pub fn is_unidentifiable(&self) -> bool {
        self.0.session.is_none() && self.principal().is_anonymous()
    }

    /// The revision that the caller's hop speaks. What is inside is always the newest; this is for the few
    /// rules that differ by revision in what they do, not in how it is said.
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// How the caller receives server requests.
    pub fn input_mode(&self) -> InputMode {
        self.0.input_mode
    }

    /// The client's capabilities, as it wrote them.
    pub fn capabilities(&self) -> &Raw {
        &self.0.capabilities
    }

    /// The client's capabilities for server requests. Only the client of a legacy session sends `roots/list_changed`,
    /// whatever others declare.
    pub fn profile(&self) -> ClientProfile {
        self.0.profile.unwrap_or_else(|| ClientProfile {
            roots_list_changed: false,
            ..ClientProfile::of(&self.0.capabilities)
        })
    }

    /// Whether the client announces when its roots change.
    pub fn announces_roots(&self) -> bool {
        self.0.profile.is_some_and(|profile| profile.roots_list_changed)
    }

    /// The client's name and version, as it declares them. Never decide anything by it (2026-07-28, basic §_meta:
    /// "Implementations SHOULD NOT use them to change the behavior of the client or server").
    pub fn client_info(&self) -> Option<&Raw> {
        self.0.client_info.as_ref()
    }

    /// From which severity on the caller wants log messages of this call; `None`: not at all.
    pub fn log_level(&self) -> Option<LogLevel> {
        self.0.log_level
    }

    /// Whether the caller has left the level to the server.
    pub fn log_level_is_default(&self) -> bool {
        self.0.log_level_is_default
    }

    /// The token that progress notifications of this call must carry; `None`: the caller wants none.
    pub fn progress_token(&self) -> Option<&Raw> {
        self.0.progress_token.as_ref()
    }

    /// W3C trace context, as the client wrote it: a hostile string until parsed.
    pub fn traceparent(&self) -> Option<&Raw> {
        self.0.traceparent.as_ref()
    }

    /// The trace context of the HTTP request that the message came by; `None` if it has none, or there is no such request. That of the
    /// message comes before it.
    pub fn trace_headers(&self) -> Option<&TraceHeaders> {
        self.0.trace_headers.as_deref()
    }

    /// The network by which the call came; `None` for a call within the process.
    pub fn network(&self) -> Option<Network> {
        self.0.network
    }

    /// The `Mcp-Param-*` headers; `None` when the call came over a transport without headers.
    pub fn param_headers(&self) -> Option<&ParamHeaders> {
        self.0.param_headers.as_ref()
    }

    /// The headers that the client sends for servers behind this one; `None` if it sends none, or its transport has none.
    pub fn client_headers(&self) -> Option<&ClientHeaders> {
        self.0.client_headers.as_ref()
    }

    /// Whether the client is connected to receive the response; `None` if the call is cancelled once it is not.
    pub fn presence(&self) -> Option<&Presence> {
        self.0.presence.as_ref()
    }

    /// What clients want of a call that none of them has made; `None` for a call of a client.
    pub fn demand(&self) -> Option<&Demand> {
        self.0.demand.as_ref()
    }

    /// The address of the client; `None` for one that came by no network.
    pub fn address(&self) -> Option<IpAddr> {
        self.0.authorization.address()
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }
}
