use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyport_protocol::{
    Error, Raw, Revision,
    capability::Profile,
    meta::{LogLevel, Meta},
};
use tokio::time::Instant;

use crate::{Notification, Principal, ServerRequest};

/// What is known about one call. Cheap to clone; every clone is the same call.
#[derive(Clone, Debug)]
pub struct Context(Arc<Call>);

#[derive(Clone, Debug)]
struct Call {
    principal: Principal,
    client: Option<ClientId>,
    line: Option<Weak<dyn Line>>,
    changes_roots: bool,
    revision: Revision,
    asking: InputMode,
    capabilities: Raw,
    client_info: Option<Raw>,
    log_level: Option<LogLevel>,
    log_level_is_default: bool,
    progress_token: Option<Raw>,
    traceparent: Option<Raw>,
    param_headers: Option<ParamHeaders>,
    deadline: Option<Instant>,
}

/// How the caller of a service can be asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InputMode {
    /// While the call is open: a legacy session, code in the same process. It is given questions as
    /// [`crate::Event::ServerRequest`].
    Inline,
    /// By `input_required`, whereupon it calls again: a modern client.
    InputRequired,
}

/// The one client at the other end of a session, or of a connection that carries nothing but its messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ClientId(u64);

impl ClientId {
    /// One that no other client of this process has or had.
    pub fn next() -> Self {
        static LAST: AtomicU64 = AtomicU64::new(0);
        Self(LAST.fetch_add(1, Ordering::Relaxed))
    }
}

/// Reaches a client outside its calls: a legacy session.
pub trait Line: Send + Sync + 'static {
    /// Asks the client, once it listens. Nobody knows when that is.
    ///
    /// # Errors
    /// The question, when the client declared nothing such, or the session is over.
    fn ask(&self, question: ServerRequest) -> Result<(), ServerRequest>;

    /// Tells the client, once it listens; what its revision has no words for is left out.
    fn tell(&self, notification: Notification);

    /// Gives `ear` what the client says from now on that belongs to no call, and that is not about the session itself.
    fn heard_by(&self, ear: Weak<dyn Ear>);
}

/// Hears what a client says outside its calls.
pub trait Ear: Send + Sync + 'static {
    /// `client` said this: `method` may be one that nobody here knows.
    fn told(&self, client: ClientId, method: &str, params: &Raw);
}

/// Whose calls may be taken for those of one caller, where a server does not say to which of several something belongs.
///
/// A principal with several sessions is several callers: who sits before each of them may be another.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Caller {
    client: Option<ClientId>,
    principal: Principal,
}

impl Caller {
    /// Whether calls of this caller have nothing to do with one another: nobody proved who made them, and no session or
    /// connection holds them together. Each is then a caller of its own, though they compare as equal.
    pub fn is_unidentifiable(&self) -> bool {
        self.client.is_none() && self.principal.is_anonymous()
    }
}

/// The `Mcp-Param-*` headers of a call. The transport knows no schemas, so whoever owns a tool's schema compares
/// them with its arguments (2026-07-28, streamable-http §Server Behavior for Custom Headers).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ParamHeaders(Vec<(String, Vec<u8>)>);

impl ParamHeaders {
    /// Adds a header: `name` without `Mcp-Param-`, in lower case.
    pub fn push(&mut self, name: String, value: Vec<u8>) {
        self.0.push((name, value));
    }

    /// The values of the header called `name`, whatever its case.
    pub fn get(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        self.0
            .iter()
            .filter(move |(key, _)| key.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_slice())
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, name and value, as they were added.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// All of them, in an order that does not depend on how they came.
    pub fn sorted(&self) -> Vec<(&str, &[u8])> {
        let mut all: Vec<_> = self.0.iter().map(|(name, value)| (&**name, &**value)).collect();
        all.sort_unstable();
        all
    }
}

impl Context {
    /// A call by `principal`, whose hop speaks `revision`, and that declared nothing.
    pub fn new(principal: Principal, revision: Revision) -> Self {
        Self(Arc::new(Call {
            principal,
            client: None,
            line: None,
            changes_roots: false,
            revision,
            asking: if revision.is_modern() { InputMode::InputRequired } else { InputMode::Inline },
            capabilities: Raw::EMPTY_OBJECT,
            client_info: None,
            log_level: None,
            log_level_is_default: false,
            progress_token: None,
            traceparent: None,
            param_headers: None,
            deadline: None,
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
            call.capabilities = capabilities;
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
        call.capabilities = capabilities;
        call.client_info = info;
        self
    }

    /// Sets which client calls, where a session or a connection tells it from others.
    #[must_use]
    pub fn with_client_id(mut self, client: ClientId) -> Self {
        Arc::make_mut(&mut self.0).client = Some(client);
        self
    }

    /// Sets by which way the client is reached outside its calls, and whether it says there that its roots have changed.
    #[must_use]
    pub fn with_line(mut self, line: Weak<dyn Line>, changes_roots: bool) -> Self {
        let call = Arc::make_mut(&mut self.0);
        (call.line, call.changes_roots) = (Some(line), changes_roots);
        self
    }

    /// Sets from which severity on the caller wants log messages.
    #[must_use]
    pub fn with_log_level(mut self, level: Option<LogLevel>) -> Self {
        let call = Arc::make_mut(&mut self.0);
        (call.log_level, call.log_level_is_default) = (level, false);
        self
    }

    /// Sends log messages from `level` on, though the caller has not said what it wants: a session of an older revision
    /// that has set no level. A server that keeps a level for such sessions is not told of this one.
    #[must_use]
    pub fn with_default_log_level(mut self, level: LogLevel) -> Self {
        let call = Arc::make_mut(&mut self.0);
        (call.log_level, call.log_level_is_default) = (Some(level), true);
        self
    }

    /// Sets how the caller can be asked.
    #[must_use]
    pub fn with_input_mode(mut self, asking: InputMode) -> Self {
        Arc::make_mut(&mut self.0).asking = asking;
        self
    }

    /// Sets the `Mcp-Param-*` headers; only a transport with headers does.
    #[must_use]
    pub fn with_param_headers(mut self, headers: ParamHeaders) -> Self {
        Arc::make_mut(&mut self.0).param_headers = Some(headers);
        self
    }

    /// Leaves the `Mcp-Param-*` headers behind: whoever changes arguments does so, once they were compared.
    #[must_use]
    pub fn without_param_headers(mut self) -> Self {
        if self.0.param_headers.is_some() {
            Arc::make_mut(&mut self.0).param_headers = None;
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

    /// Moves the deadline, if there is one, to later: by a time in which the caller itself kept the call waiting.
    #[must_use]
    pub fn with_deadline_moved(mut self, by: Duration) -> Self {
        if let Some(deadline) = self.0.deadline {
            // One that is beyond what the clock can tell is as good as none.
            Arc::make_mut(&mut self.0).deadline = deadline.checked_add(by);
        }
        self
    }

    /// Who is calling.
    pub fn principal(&self) -> &Principal {
        &self.0.principal
    }

    /// Which client calls; `None` where nothing holds the calls of one together, as over HTTP since 2026-07-28.
    pub fn client_id(&self) -> Option<ClientId> {
        self.0.client
    }

    /// By which way the client is reached outside its calls, where there is one: a legacy session.
    pub fn line(&self) -> Option<&Weak<dyn Line>> {
        self.0.line.as_ref()
    }

    /// Whether the client says when its roots change: only one of a legacy session can.
    pub fn changes_roots(&self) -> bool {
        self.0.changes_roots
    }

    /// The caller of this call, where calls of several callers must not be mixed up.
    pub fn caller(&self) -> Caller {
        Caller { client: self.0.client, principal: self.0.principal.clone() }
    }

    /// The revision that the caller's hop speaks. What is inside is always the newest; this is for the few
    /// rules that differ by revision in what they do, not in how it is said.
    pub fn revision(&self) -> Revision {
        self.0.revision
    }

    /// How the caller can be asked.
    pub fn input_mode(&self) -> InputMode {
        self.0.asking
    }

    /// What the client declared, as it wrote it.
    pub fn capabilities(&self) -> &Raw {
        &self.0.capabilities
    }

    /// What the client can be asked.
    pub fn profile(&self) -> Profile {
        Profile::of(&self.0.capabilities)
    }

    /// Who the client says it is. Never decide anything by it (2026-07-28, basic §_meta: "Implementations
    /// SHOULD NOT use them to change the behavior of the client or server").
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

    /// The `Mcp-Param-*` headers; `None` when the call came over a transport without headers.
    pub fn param_headers(&self) -> Option<&ParamHeaders> {
        self.0.param_headers.as_ref()
    }

    /// When the caller stops waiting.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.deadline
    }
}
