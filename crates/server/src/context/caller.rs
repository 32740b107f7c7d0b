//! What a handler knows of its caller.

use anyport_protocol::{
    Raw, Revision, capability::ClientProfile, meta::LogLevel, param_header::ParamHeaders,
};
use anyport_service::{Authorization, InputMode, Peer, Principal, SessionId};
use tokio::time::Instant;

use super::call::Context;

impl Context {
    /// The caller, as the transport authenticated it.
    pub fn principal(&self) -> &Principal {
        self.0.service.principal()
    }

    /// What the credential of the caller allows: its scopes, and until when.
    pub fn authorization(&self) -> &Authorization {
        self.0.service.authorization()
    }

    /// The session or connection of the caller, if its calls have one.
    pub fn session_id(&self) -> Option<SessionId> {
        self.0.service.session_id()
    }

    /// The client's end of the session, for messages outside of calls; `None` without a session.
    pub fn peer(&self) -> Option<Peer> {
        self.0.service.peer()
    }

    /// The revision of the protocol that the caller speaks.
    pub fn revision(&self) -> Revision {
        self.0.service.revision()
    }

    /// How the caller receives server requests.
    pub fn input_mode(&self) -> InputMode {
        self.0.service.input_mode()
    }

    /// The capabilities that the client declared, as JSON.
    pub fn capabilities(&self) -> &Raw {
        self.0.service.capabilities()
    }

    /// The capabilities that the client declared, parsed.
    pub fn profile(&self) -> ClientProfile {
        self.0.service.profile()
    }

    /// The name and version that the client gives itself. Nothing may be decided by it.
    pub fn client_info(&self) -> Option<&Raw> {
        self.0.service.client_info()
    }

    /// The least severity of log messages that the caller receives; `None` if it receives none.
    pub fn log_level(&self) -> Option<LogLevel> {
        self.0.service.log_level()
    }

    /// The token of the call's progress notifications; `None` if the caller receives none.
    pub fn progress_token(&self) -> Option<&Raw> {
        self.0.service.progress_token()
    }

    /// The W3C trace context that the client sent: untrusted text until parsed.
    pub fn traceparent(&self) -> Option<&Raw> {
        self.0.service.traceparent()
    }

    /// The `Mcp-Param-*` headers; `None` if the transport has no headers.
    pub fn param_headers(&self) -> Option<&ParamHeaders> {
        self.0.service.param_headers()
    }

    /// The time at which the call ends unanswered; `None` without a timeout.
    pub fn deadline(&self) -> Option<Instant> {
        self.0.service.deadline()
    }

    /// The context that the service received, from which all of this comes.
    pub fn service(&self) -> &anyport_service::Context {
        &self.0.service
    }
}
