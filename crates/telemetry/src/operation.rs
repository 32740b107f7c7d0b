//! The attributes of a call, by the semantic conventions for MCP.

use std::borrow::Cow;

use anyport_protocol::{Method, jsonrpc::Reason};
use anyport_service::{Context, Network, Outcome, Request};
use anyport_transport::client::http::without_secrets;
use bytestring::ByteString;
use opentelemetry_proto::tonic::common::v1::KeyValue;

use crate::{
    attribute::{number, text},
    redact::Redact,
};

/// What is known of a call when it begins.
#[derive(Clone, Debug)]
pub(crate) struct Operation {
    /// The method, if it is one of the protocol's. Others are the caller's words, of which there may be any number.
    pub(crate) known: Option<Method>,
    pub(crate) method: ByteString,
    /// The tool, prompt or resource.
    pub(crate) target: Option<ByteString>,
    pub(crate) revision: &'static str,
    pub(crate) network: Option<Network>,
}

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct End {
    /// `error.type`, if it failed.
    pub(crate) error_type: Option<Cow<'static, str>>,
    /// `rpc.response.status_code`, if there is an error with a code.
    pub(crate) code: Option<i64>,
    /// Whether the code is our own, since no answer has come from a server.
    pub(crate) is_unanswered: bool,
    /// What the error says, in our own words. What a server writes may repeat arguments, and stays out.
    pub(crate) message: Option<String>,
}

/// `error.type` of a result that says that it is an error.
const TOOL_ERROR: &str = "tool_error";

/// The bytes of params that a call may keep alive for the sake of a name.
const SMALL: usize = 8 << 10;

impl Operation {
    pub(crate) fn of(request: &Request, revision: &'static str, network: Option<Network>) -> Self {
        let is_small = request.params.raw().as_str().len() <= SMALL;
        let own = |name: ByteString| if is_small { name } else { ByteString::from(name.to_string()) };
        let target = request.name().map(own);
        Self { known: request.known(), method: request.method.clone(), target, revision, network }
    }

    pub(crate) fn incoming(request: &Request, context: &Context) -> Self {
        Self::of(request, context.revision().as_str(), context.network())
    }

    /// `mcp.method.name` where its values are few.
    pub(crate) fn method_of_metric(&self) -> &'static str {
        self.known.map_or("_OTHER", Method::as_str)
    }

    /// The name of the tool or prompt: few enough for the name of a span. URIs are not.
    pub(crate) fn named_target(&self) -> Option<(&'static str, &ByteString)> {
        let key = match self.known? {
            Method::ToolsCall => "gen_ai.tool.name",
            Method::PromptsGet => "gen_ai.prompt.name",
            _ => return None,
        };
        Some((key, self.target.as_ref()?))
    }

    /// The name of the span: "`{mcp.method.name} {target}` where target SHOULD match `{gen_ai.tool.name}` or
    /// `{gen_ai.prompt.name}` when applicable".
    pub(crate) fn span_name(&self, redact: &Redact) -> String {
        let method = cut(&self.method);
        match self.named_target() {
            Some((_, target)) => format!("{method} {}", cut(&redact(target))),
            None => redact(method).into_owned(),
        }
    }

    /// The attributes that are known when the call begins.
    pub(crate) fn attributes(&self, redact: &Redact) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(12);
        attributes.push(text("mcp.method.name", redact(cut(&self.method))));
        attributes.push(text("mcp.protocol.version", self.revision));
        if let Some((key, name)) = self.named_target() {
            attributes.push(text(key, cut(&redact(name))));
        }
        match (self.known, &self.target) {
            // "SHOULD be set to `execute_tool` when the operation describes a tool call and SHOULD NOT be set otherwise."
            (Some(Method::ToolsCall), _) => attributes.push(text("gen_ai.operation.name", "execute_tool")),
            (Some(Method::ResourcesRead), Some(uri)) => {
                attributes.push(text("mcp.resource.uri", cut(&redact(&without_secrets(uri)))));
            }
            _ => {}
        }
        attributes.extend(network(self.network));
        attributes
    }
}

/// "This attribute SHOULD be set to `tcp` or `quic` if the transport protocol is HTTP. It SHOULD be set to `pipe` if the transport is
/// stdio."
pub(crate) fn network(network: Option<Network>) -> impl Iterator<Item = KeyValue> {
    let transport = network.map(|network| text("network.transport", network.transport));
    let protocol = network.and_then(|network| network.protocol);
    transport.into_iter().chain(protocol.map(|name| text("network.protocol.name", name)))
}

impl End {
    /// The end of a call whose answer was not waited for.
    pub(crate) fn cancelled() -> Self {
        Self { error_type: Some(Cow::Borrowed("cancelled")), ..Self::default() }
    }

    pub(crate) fn of(outcome: &Outcome) -> Self {
        match outcome {
            // "When CallToolResult is returned with `isError` set to `true`, this attribute SHOULD be set to `tool_error`."
            Outcome::Result(_) if outcome.is_error() => {
                Self { error_type: Some(Cow::Borrowed(TOOL_ERROR)), ..Self::default() }
            }
            Outcome::Result(_) | Outcome::InputRequired(_) => Self::default(),
            // "This attribute SHOULD be set to the string representation of the JSON-RPC error code, if one is returned."
            Outcome::Error(error) => Self {
                error_type: Some(Cow::Owned(error.code.to_string())),
                code: Some(error.code),
                message: error.reason.map(|_| error.message.to_string()),
                is_unanswered: false,
            },
            Outcome::Failed(failure) => {
                let error = failure.to_error();
                // No answer has come, so there is no code; the reason says more than ours.
                let reason = error.reason.map(Reason::as_str);
                Self {
                    error_type: Some(
                        reason.map_or_else(|| Cow::Owned(error.code.to_string()), Cow::Borrowed),
                    ),
                    code: Some(error.code),
                    message: Some(error.message.to_string()),
                    is_unanswered: true,
                }
            }
        }
    }

    /// Whether the name that the call has may be any text: only a result shows that there is such a tool or prompt.
    pub(crate) fn may_be_unknown(&self) -> bool {
        !matches!(self.error_type.as_deref(), None | Some(TOOL_ERROR))
    }

    /// The attributes that are known when the call has ended. `is_of_client`: of a call to a server, which has no code unless the server
    /// has answered.
    pub(crate) fn attributes(&self, is_of_client: bool) -> impl Iterator<Item = KeyValue> + use<> {
        let error = self.error_type.clone().map(|kind| text("error.type", kind));
        let code = self.code.filter(|_| !(is_of_client && self.is_unanswered));
        let code = code.map(|code| text("rpc.response.status_code", code.to_string()));
        error.into_iter().chain(code)
    }
}

/// `client.address` or `server.address`, with its port.
pub(crate) fn address(key: &'static str, address: &str) -> KeyValue {
    text(key, cut(address))
}

/// `server.port`.
pub(crate) fn port(port: u16) -> KeyValue {
    number("server.port", i64::from(port))
}

/// The characters of a text that an attribute may have: callers write names as long as a message may be.
pub(crate) fn cut(text: &str) -> &str {
    let end = text.char_indices().nth(LONGEST).map_or(text.len(), |(at, _)| at);
    &text[..end]
}

const LONGEST: usize = 512;

#[cfg(test)]
mod tests {
    use anyport_protocol::{Error, Raw, failure::Failure};

    use super::*;

    fn operation(method: Method, params: &str) -> Operation {
        let request = Request::new(method, Raw::trusted_text(params.to_owned()));
        Operation::of(&request, "2026-07-28", None)
    }

    fn keys(operation: &Operation) -> Vec<String> {
        let redact: Redact = std::sync::Arc::new(|text| Cow::Owned(text.replace("hunter2", "***")));
        let shown = |attribute: &KeyValue| format!("{}={:?}", attribute.key, attribute.value);
        operation.attributes(&redact).iter().map(shown).chain([operation.span_name(&redact)]).collect()
    }

    #[test]
    fn a_tool_and_a_prompt_name_their_span_and_a_uri_does_not() {
        let redact: Redact = std::sync::Arc::new(|text| Cow::Borrowed(text));
        let name = |method, params| operation(method, params).span_name(&redact);
        assert_eq!(name(Method::ToolsCall, r#"{"name":"add"}"#), "tools/call add");
        assert_eq!(name(Method::PromptsGet, r#"{"name":"plan"}"#), "prompts/get plan");
        assert_eq!(name(Method::ResourcesRead, r#"{"uri":"file:///x"}"#), "resources/read");
        assert_eq!(name(Method::ToolsList, "{}"), "tools/list");
        let long = format!(r#"{{"name":"{}"}}"#, "é".repeat(9_000));
        assert_eq!(name(Method::ToolsCall, &long).chars().count(), "tools/call ".len() + LONGEST);
    }

    /// Invariant: A span has no secret: neither of the gateway, nor in a URI, nor an argument, nor in the words of a server.
    #[test]
    fn no_attribute_has_a_secret() {
        let uri = r#"{"uri":"https://ann:hunter3@example.com/x?token=hunter4"}"#;
        let tool = r#"{"name":"hunter2","arguments":{"password":"hunter5"}}"#;
        for operation in [operation(Method::ResourcesRead, uri), operation(Method::ToolsCall, tool)] {
            let attributes = keys(&operation).join("\n");
            assert!(!attributes.contains("hunter"), "{attributes}");
        }
        let theirs = End::of(&Outcome::Error(Error::new(-32_000, "no user hunter2")));
        assert_eq!(theirs, End { error_type: Some("-32000".into()), code: Some(-32_000), ..End::default() });
    }

    #[test]
    fn an_end_is_named_by_its_code_or_its_reason() {
        let tool = Outcome::Result(Raw::trusted_text(r#"{"content":[],"isError":true}"#.to_owned()));
        assert_eq!(End::of(&tool).error_type.as_deref(), Some("tool_error"));
        let failed = End::of(&Failure::ShuttingDown.into());
        assert_eq!(failed.error_type.as_deref(), Some("shutting_down"));
        assert_eq!(failed.message.as_deref(), Some("shutting down"));
        // A client gets our code, and from a server none has come.
        let keys = |is_of_client| failed.attributes(is_of_client).map(|one| one.key).collect::<Vec<_>>();
        assert_eq!(keys(false), ["error.type", "rpc.response.status_code"]);
        assert_eq!(keys(true), ["error.type"]);
        assert_eq!(End::of(&Outcome::Result(Raw::EMPTY_OBJECT)), End::default());
    }
}
