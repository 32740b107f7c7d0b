use std::{borrow::Cow, fmt, time::Duration};

use crate::json::{Raw, ScanError, Splice};

/// The codes that the protocol defines.
pub mod code {
    /// The message is not JSON.
    pub const PARSE_ERROR: i64 = -32700;
    /// The message is JSON but no request that may be made.
    pub const INVALID_REQUEST: i64 = -32600;
    /// No such method, or none in this revision.
    pub const METHOD_NOT_FOUND: i64 = -32601;
    /// The params are not what the method takes; since 2026-07-28 also a missing resource.
    pub const INVALID_PARAMS: i64 = -32602;
    /// The receiver failed.
    pub const INTERNAL_ERROR: i64 = -32603;
    /// 2025-11-25 and earlier: no such resource.
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// 2025-11-25 only: the call needs a URL to be visited first.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// 2026-07-28: an HTTP header and the body disagree, or a header is missing.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// 2026-07-28: the request needs a capability that the client did not declare.
    pub const MISSING_CLIENT_CAPABILITY: i64 = -32021;
    /// 2026-07-28: the server does not speak the requested revision.
    pub const UNSUPPORTED_PROTOCOL_VERSION: i64 = -32022;
    /// A code of ours, outside of the range of JSON-RPC: the caller is not authenticated, or no longer.
    pub const UNAUTHENTICATED: i64 = 40100;
    /// A code of ours, outside of the range of JSON-RPC: the caller's credential lacks a scope. `data.scopes` names those that
    /// the operation needs.
    pub const INSUFFICIENT_SCOPE: i64 = 40300;
    /// A code of ours, outside of the range of JSON-RPC: more calls were made than a rate allows. `data.retryAfterMs` is the time in
    /// milliseconds after which there is room again.
    pub const RATE_LIMITED: i64 = 42900;
}

/// An error as it goes out on the wire: a code, words for a person, and data for a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// One of [`code`], or a code of the application's outside -32768 to -32000.
    pub code: i64,
    /// The fault and what to do, for a person. Never contains a secret.
    pub message: Cow<'static, str>,
    /// More, for a program.
    pub data: Option<Raw>,
    /// Why, where the transport answers some reasons in its own way (an HTTP status). Part of `data` on the wire.
    pub reason: Option<Reason>,
    /// Whether the error comes from a legacy server. A legacy client then receives it unchanged, because its code has
    /// the meaning of those revisions. Not on the wire.
    pub is_older: bool,
    /// Why a modern server refused the request before it processed it, where this concerns our connection to it. Set by
    /// our side of that connection, never read from the wire, and not on the wire.
    pub refusal: Option<ConnectionRefusal>,
}

/// What a modern server found wrong with a request that the caller has not written, so that it refused it unprocessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ConnectionRefusal {
    /// -32020: the headers of the request do not match its body.
    HeaderMismatch,
    /// -32022: the server does not speak the revision of the connection any more.
    UnsupportedRevision,
}

/// Why a request failed, beyond its code: `data.reason` on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// More calls are running than the limit allows; try again later.
    Overloaded,
    /// More calls were made in a while than the limit allows; try again later.
    RateLimited,
    /// The call took longer than its limit.
    Timeout,
    /// The caller may not do this.
    Forbidden,
    /// The caller has no credential, or one that is not valid.
    Unauthenticated,
    /// The credential of the caller lacks a scope that the operation needs.
    InsufficientScope,
    /// It cannot be known now whether the credential of the caller is valid; try again later.
    AuthorizationUnavailable,
    /// A `requestState` did not verify: altered, or not ours.
    Tampered,
    /// A `requestState` of another caller.
    Foreign,
    /// A `requestState` that was used up, with other answers.
    Consumed,
    /// A `requestState` of another request.
    Mismatch,
    /// A `requestState` past its time.
    Expired,
    /// `inputResponses` that do not answer the server requests.
    Malformed,
    /// The client answered a question with an error.
    ClientRefused,
    /// Too many rounds of questions.
    Rounds,
    /// A service answered what the protocol does not allow.
    InvalidUpstream,
    /// The server is shutting down.
    ShuttingDown,
    /// There is no tool of this name, or none that the caller may see.
    UnknownTool,
    /// The call that a `requestState` belongs to was cancelled.
    Cancelled,
    /// The call that a `requestState` belongs to is not known here any more.
    Lost,
    /// The outcome of a call is too large to be stored for its caller.
    TooLarge,
    /// The user declined what the call needs.
    Declined,
    /// The server cannot be reached.
    UpstreamDown,
    /// The definition of the tool, prompt or resource has changed, and nobody has accepted it.
    Quarantined,
    /// The connection to the server broke while the call was open.
    UpstreamLost,
    /// The server may or may not have processed the call: the response was lost, and a repetition is not safe.
    OutcomeUnknown,
    /// The audit log cannot be written, and no call goes on without it; try again later.
    AuditUnavailable,
}

impl Reason {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overloaded => "overloaded",
            Self::RateLimited => "rate_limited",
            Self::Timeout => "timeout",
            Self::Forbidden => "forbidden",
            Self::Unauthenticated => "unauthenticated",
            Self::InsufficientScope => "insufficient_scope",
            Self::AuthorizationUnavailable => "authorization_unavailable",
            Self::Tampered => "tampered",
            Self::Foreign => "foreign",
            Self::Consumed => "consumed",
            Self::Mismatch => "mismatch",
            Self::Expired => "expired",
            Self::Malformed => "malformed",
            Self::ClientRefused => "client_refused",
            Self::Rounds => "rounds",
            Self::InvalidUpstream => "invalid_upstream",
            Self::ShuttingDown => "shutting_down",
            Self::UnknownTool => "unknown_tool",
            Self::Cancelled => "cancelled",
            Self::Lost => "lost",
            Self::TooLarge => "too_large",
            Self::Declined => "declined",
            Self::UpstreamDown => "upstream_down",
            Self::Quarantined => "quarantined",
            Self::UpstreamLost => "upstream_lost",
            Self::OutcomeUnknown => "outcome_unknown",
            Self::AuditUnavailable => "audit_unavailable",
        }
    }
}

impl Error {
    /// An error of any code.
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None, reason: None, is_older: false, refusal: None }
    }

    /// -32600: JSON that is no valid request.
    pub fn invalid_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_REQUEST, message)
    }

    /// -32601: no such method.
    pub fn method_not_found(method: &str) -> Self {
        Self::new(code::METHOD_NOT_FOUND, format!("method not found: {method:.64}"))
    }

    /// -32602: wrong params.
    pub fn invalid_params(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INVALID_PARAMS, message)
    }

    /// -32603: our own failure.
    pub fn internal(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::INTERNAL_ERROR, message)
    }

    /// -32602 with `data.uri`: there is no such resource.
    ///
    /// 2026-07-28, server/resources §Error Handling: "If the requested resource does not exist, servers MUST
    /// return a JSON-RPC error with code `-32602`".
    pub fn resource_not_found(uri: &str) -> Self {
        Self::invalid_params(format!("resource not found: {uri:.256}"))
            .with_data(Splice::new().with("uri", &Raw::string(uri)).finish())
    }

    /// -32020: an HTTP header and the body disagree.
    pub fn header_mismatch(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::HEADER_MISMATCH, message)
    }

    /// -32021: `required` is the capabilities object that the client would have to declare.
    pub fn missing_capability(required: &Raw) -> Self {
        Self::new(code::MISSING_CLIENT_CAPABILITY, format!("this needs a client that declares {required}"))
            .with_data(Splice::new().with("requiredCapabilities", required).finish())
    }

    /// -32022: the revision `requested` is not one of `supported`.
    pub fn unsupported_version(requested: &str, supported: &[crate::Revision]) -> Self {
        let names: Vec<&str> = supported.iter().map(|revision| revision.as_str()).collect();
        let list = Raw::from(serde_json::Value::from(names.clone()));
        let data = Splice::new().with("supported", &list).with("requested", &Raw::string(requested)).finish();
        let message =
            format!("unsupported protocol version {requested:.32}; supported: {}", names.join(", "));
        Self::new(code::UNSUPPORTED_PROTOCOL_VERSION, message).with_data(data)
    }

    /// 40100: the caller is not authenticated.
    pub fn unauthenticated(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(code::UNAUTHENTICATED, message).with_reason(Reason::Unauthenticated)
    }

    /// 40300: the credential of the caller lacks a scope. `scopes` are all that the operation needs: `data.scopes`.
    pub fn insufficient_scope<'a>(scopes: impl IntoIterator<Item = &'a str>) -> Self {
        let scopes: Vec<&str> = scopes.into_iter().collect();
        let message = format!("this needs the scope {}, which the credential lacks", scopes.join(" "));
        let data = Splice::new().with("scopes", &Raw::from(serde_json::Value::from(scopes)));
        let error = Self::new(code::INSUFFICIENT_SCOPE, message).with_data(data.finish());
        error.with_reason(Reason::InsufficientScope)
    }

    /// The scopes of `data.scopes`, if that is why this service refused the request.
    pub fn required_scopes(&self) -> Option<Vec<String>> {
        let data = self.data.as_ref().filter(|_| self.reason == Some(Reason::InsufficientScope))?;
        data.member("scopes")?.decode().ok()
    }

    /// The time after which the request may be made again, if the error says it (`data.retryAfterMs`).
    pub fn retry_after(&self) -> Option<Duration> {
        let told = self.data.as_ref()?.member("retryAfterMs")?.decode().ok()?;
        Some(Duration::from_millis(told))
    }

    /// Sets the data.
    #[must_use]
    pub fn with_data(mut self, data: Raw) -> Self {
        self.data = Some(data);
        self
    }

    /// Leaves the code as it is on the way to a client of an older revision.
    #[must_use]
    pub fn in_older_words(self) -> Self {
        Self { is_older: true, ..self }
    }

    /// Sets the reason, here and as `data.reason`; other members of the data stay.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        let old = self.data.take().unwrap_or(Raw::EMPTY_OBJECT);
        let data = Splice::retain(&old, |key| key != "reason").with("reason", &Raw::string(reason.as_str()));
        self.data = Some(data.finish());
        self.reason = Some(reason);
        self
    }
}

impl From<ScanError> for Error {
    fn from(error: ScanError) -> Self {
        let code = if error.kind.is_parse_error() { code::PARSE_ERROR } else { code::INVALID_REQUEST };
        Self::new(code, error.to_string())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (code {})", self.message, self.code)
    }
}

impl std::error::Error for Error {}
