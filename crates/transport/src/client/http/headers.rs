//! The headers of requests to a server.

use std::borrow::Cow;

use anyport_protocol::{
    Method, Revision, meta::encode_header, param_header::ParamHeaders, session::client::PreparedRequest,
};
use anyport_service::Context;
use bytes::Bytes;
use bytestring::ByteString;
use http::{HeaderMap, HeaderName, HeaderValue, header};

/// The headers that one request has besides those of its connection.
///
/// A redirect builds the map once more; keeping this is cheaper than cloning each map for the rare case.
#[derive(Clone, Debug, Default)]
pub(crate) struct RequestHeaders {
    accept: Option<HeaderValue>,
    /// Whether the request has a body, which is JSON.
    has_body: bool,
    revision: Option<Revision>,
    session: Option<HeaderValue>,
    method: Option<HeaderValue>,
    name: Option<HeaderValue>,
    last_event_id: Option<HeaderValue>,
    /// `Mcp-Param-*`.
    params: Vec<(HeaderName, HeaderValue)>,
}

impl RequestHeaders {
    /// The headers of a POST of a message.
    ///
    /// 2026-07-28, streamable-http §Sending Messages: "The client MUST include an `Accept` header listing both
    /// `application/json` and `text/event-stream`".
    pub(super) fn post() -> Self {
        const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
        Self { accept: Some(BOTH), has_body: true, ..Self::default() }
    }

    /// The headers of a GET of an event stream; `last_event_id` asks for the rest of one that was cut.
    pub(super) fn events(last_event_id: Option<&Bytes>) -> Self {
        let last_event_id = last_event_id.and_then(|id| HeaderValue::from_bytes(id).ok());
        Self { accept: Some(HeaderValue::from_static("text/event-stream")), last_event_id, ..Self::default() }
    }

    /// The headers of a request that accepts JSON.
    pub(super) fn json() -> Self {
        Self { accept: Some(HeaderValue::from_static("application/json")), ..Self::default() }
    }

    /// Adds what a request of a session has.
    ///
    /// 2025-11-25, transports §Protocol Version Header: "the client MUST include the MCP-Protocol-Version header on all
    /// subsequent requests"; revisions before 2025-06-18 do not have it.
    #[must_use]
    pub(super) fn in_session(mut self, session: Option<&HeaderValue>, revision: Option<Revision>) -> Self {
        self.revision = revision.filter(|revision| revision.has_version_header());
        self.session = session.cloned();
        self
    }

    /// Adds what a modern request without a name has.
    #[must_use]
    pub(super) fn of_method(mut self, revision: Revision, method: Method) -> Self {
        self.revision = Some(revision);
        self.method = Some(HeaderValue::from_static(method.as_str()));
        self
    }

    /// Adds what a modern call has.
    ///
    /// 2026-07-28, streamable-http §Request Metadata: "Every POST request to the MCP endpoint MUST include an
    /// `MCP-Protocol-Version` header"; `Mcp-Method` and `Mcp-Name` "are REQUIRED for compliance".
    #[must_use]
    pub(super) fn of_call(
        mut self,
        revision: Revision,
        request: &PreparedRequest,
        context: &Context,
    ) -> Self {
        self.revision = Some(revision);
        self.method = match request.known() {
            Some(method) => Some(HeaderValue::from_static(method.as_str())),
            None => header_value(request.method()),
        };
        self.name = request.name().as_ref().and_then(header_value);
        for (name, value) in context.param_headers().into_iter().flat_map(ParamHeaders::iter) {
            let name = HeaderName::try_from(format!("mcp-param-{name}"));
            if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
                self.params.push((name, value));
            }
        }
        self
    }

    /// Adds all of them to `headers`, which are the connection's own.
    pub(super) fn add_all(&self, headers: &mut HeaderMap) {
        self.add_public(headers);
        if let Some(session) = &self.session {
            headers.insert(SESSION_ID, session.clone());
        }
        if let Some(id) = &self.last_event_id {
            headers.insert(LAST_EVENT_ID, id.clone());
        }
        for (name, value) in &self.params {
            headers.append(name.clone(), value.clone());
        }
    }

    /// Adds those that may go to another origin: they tell nothing that only the server may know. The id of the session and
    /// the arguments of a call are not among them.
    pub(super) fn add_public(&self, headers: &mut HeaderMap) {
        if let Some(accept) = &self.accept {
            headers.insert(header::ACCEPT, accept.clone());
        }
        if self.has_body {
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(revision) = self.revision {
            headers.insert(PROTOCOL_VERSION, HeaderValue::from_static(revision.as_str()));
        }
        if let Some(method) = &self.method {
            headers.insert(METHOD, method.clone());
        }
        if let Some(name) = &self.name {
            headers.insert(NAME, name.clone());
        }
    }
}

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
const METHOD: HeaderName = HeaderName::from_static("mcp-method");
const NAME: HeaderName = HeaderName::from_static("mcp-name");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The text as a header value; text beyond visible ASCII is encoded.
fn header_value(text: &ByteString) -> Option<HeaderValue> {
    match encode_header(text) {
        // Shared with the message, not copied.
        Cow::Borrowed(_) => HeaderValue::from_maybe_shared(text.as_bytes().clone()).ok(),
        Cow::Owned(encoded) => HeaderValue::from_str(&encoded).ok(),
    }
}
