//! The facts about a server's listed tools: which calls are idempotent, and which arguments go into headers.

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyport_protocol::{
    Error, Method, Raw,
    json::{Elements, Members, Splice},
    param_header::{KEYWORD, Plan},
};
use anyport_service::{Context, Request, sync::Lock};
use bytestring::ByteString;

/// The tools that a server has listed. Clones are the same catalog.
#[derive(Clone, Default)]
pub struct ToolCatalog(Arc<Inner>);

#[derive(Default)]
struct Inner {
    tools: Lock<HashMap<ByteString, ToolFacts>>,
    /// Whether any tool has parameter headers. Hardly any server has such tools: then calls look up nothing.
    any_headers: AtomicBool,
}

/// The facts about one tool; by default it is not idempotent and has no parameter headers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct ToolFacts {
    /// 2026-07-28, schema `ToolAnnotations`: `readOnlyHint`: "If true, the tool does not modify its environment";
    /// `idempotentHint`: "calling the tool repeatedly with the same arguments will have no additional effect on its
    /// environment".
    is_idempotent: bool,
    headers: Option<Arc<Plan>>,
    /// Whether the server has listed the tool, rather than an earlier process's cache.
    is_listed: bool,
}

/// The most tools that are remembered although there is nothing to know about them. Further ones are listed again before a
/// call whose caller sent headers.
const MAX_PLAIN_TOOLS: usize = 10_000;
/// The most tools that are remembered besides. Of a server that lists more, the later ones count as not idempotent and
/// without headers.
const MAX_TOOLS: usize = 10_000;

impl ToolCatalog {
    /// Learns from a page of `tools/list`. Returns the page without its invalid tools, if it has any.
    ///
    /// 2026-07-28, tools §x-mcp-header: "Rejection means the client MUST exclude the invalid tool from the result of
    /// `tools/list`. Clients SHOULD log a warning when rejecting a tool definition".
    pub fn learn(&self, page: &Raw) -> Option<Raw> {
        self.read(page, true)
    }

    /// Restores the facts from a page of `tools/list` that an earlier process has cached. The server may list other tools
    /// by now.
    pub fn restore(&self, page: &Raw) {
        self.read(page, false);
    }

    fn read(&self, page: &Raw, is_listed: bool) -> Option<Raw> {
        let list = page.member("tools").filter(Raw::is_array)?;
        let is_annotated = list.as_str().contains(KEYWORD);
        let (mut valid, mut rejected) = (Vec::new(), false);
        let mut tools = self.0.tools.lock();
        for tool in Elements::of(list.as_str()) {
            let name = Members::find(tool, "name").and_then(|name| list.slice(name).as_string());
            let facts = ToolFacts::of(tool, is_annotated).inspect_err(|problem| {
                let tool = name.as_deref().unwrap_or_default();
                tracing::warn!(tool, problem, "a tool is left out: its x-mcp-header is invalid");
            });
            match &facts {
                Ok(_) => valid.push(tool),
                Err(_) => rejected = true,
            }
            let Some(name) = name else { continue };
            match facts {
                Ok(facts) if tools.len() < facts.room() || tools.contains_key(&name) => {
                    // A copy: the name as it came keeps the whole page in memory.
                    tools.insert(ByteString::from(&*name), ToolFacts { is_listed, ..facts });
                }
                Ok(_) => {}
                Err(_) => _ = tools.remove(&name),
            }
        }
        self.0.any_headers.store(tools.values().any(|facts| facts.headers.is_some()), Ordering::Relaxed);
        rejected.then(|| {
            let valid = Raw::trusted(format!("[{}]", valid.join(",")).into_bytes());
            Splice::retain(page, |name| name != "tools").with("tools", &valid).finish()
        })
    }

    /// Whether `request` is idempotent: it may be sent again if it is unknown whether it was processed.
    pub fn is_idempotent(&self, request: &Request) -> bool {
        match request.known() {
            Some(Method::ToolsCall) => self.facts(request).is_some_and(|facts| facts.is_idempotent),
            Some(method) => method.only_reads(),
            // An unknown method may have any effect.
            None => false,
        }
    }

    /// The context of a call with the headers that its arguments need, if the caller sent none.
    pub fn with_headers(&self, request: &Request, context: Context) -> Context {
        if sent_headers(&context) {
            return context;
        }
        match self.plan(request) {
            Some(plan) => {
                let arguments = request.params.member("arguments").unwrap_or(Raw::EMPTY_OBJECT);
                context.with_param_headers(plan.derive(&arguments))
            }
            None => context,
        }
    }

    /// Compares the headers that a caller sent with the arguments of its call.
    ///
    /// 2026-07-28, streamable-http §Server Validation: a server "MUST reject requests" whose headers "do not match the
    /// corresponding values in the request body".
    ///
    /// # Errors
    /// -32020.
    pub fn check_headers(&self, request: &Request, context: &Context) -> Result<(), Error> {
        // Older revisions, and transports without headers, have none.
        let given = context.param_headers().filter(|_| context.revision().has_request_headers());
        match given.and_then(|given| Some((given, self.plan(request)?))) {
            Some((given, plan)) => {
                plan.check(given, Members::find(request.params.raw().as_str(), "arguments").unwrap_or("{}"))
            }
            None => Ok(()),
        }
    }

    /// Whether the server has listed the tool of `request`, so that its headers are known.
    pub(crate) fn has_listed(&self, request: &Request) -> bool {
        self.facts(request).is_some_and(|facts| facts.is_listed)
    }

    fn plan(&self, request: &Request) -> Option<Arc<Plan>> {
        if !self.0.any_headers.load(Ordering::Relaxed) || request.known() != Some(Method::ToolsCall) {
            return None;
        }
        self.facts(request)?.headers
    }

    fn facts(&self, request: &Request) -> Option<ToolFacts> {
        let name = request.name()?;
        self.0.tools.lock().get(&name).cloned()
    }
}

impl ToolFacts {
    /// How many tools may be remembered before this one is not.
    fn room(&self) -> usize {
        let is_plain = !self.is_idempotent && self.headers.is_none();
        if is_plain { MAX_PLAIN_TOOLS } else { MAX_PLAIN_TOOLS + MAX_TOOLS }
    }

    /// The facts about a tool as it is listed.
    ///
    /// # Errors
    /// Why its annotations for headers are invalid.
    fn of(tool: &str, is_annotated: bool) -> Result<Self, String> {
        let plan = if is_annotated { Plan::of_tool(tool) } else { Ok(Plan::default()) };
        let plan = plan.map_err(|problem| problem.to_string())?;
        let annotations = Members::find(tool, "annotations").unwrap_or("{}");
        let has_hint = |hint| Members::find(annotations, hint) == Some("true");
        Ok(Self {
            is_idempotent: has_hint("readOnlyHint") || has_hint("idempotentHint"),
            headers: (!plan.is_empty()).then(|| Arc::new(plan)),
            is_listed: false,
        })
    }
}

/// Whether the caller sent parameter headers with its call.
pub(crate) fn sent_headers(context: &Context) -> bool {
    context.param_headers().is_some_and(|headers| !headers.is_empty())
}

impl fmt::Debug for ToolCatalog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools = self.0.tools.lock();
        f.debug_struct("ToolCatalog").field("tools", &tools.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use anyport_protocol::{Revision, jsonrpc::code, param_header::ParamHeaders};
    use anyport_service::Principal;
    use serde_json::{Value, json};

    use super::*;

    fn call(name: &str, arguments: Value) -> Request {
        Request::new(Method::ToolsCall, Raw::from(json!({"name": name, "arguments": arguments})))
    }

    fn tool(name: &str, properties: Value) -> Value {
        json!({"name": name, "inputSchema": {"type": "object", "properties": properties}})
    }

    fn context() -> Context {
        Context::new(Principal::local(), Revision::V2026_07_28)
    }

    /// The value of the header `region` in the context of a call.
    fn region(tools: &ToolCatalog, arguments: Value, context: Context) -> Option<String> {
        let context = tools.with_headers(&call("t", arguments), context);
        let value = context.param_headers()?.get("region").next()?.to_vec();
        Some(String::from_utf8(value).unwrap())
    }

    #[test]
    fn only_what_is_known_to_do_no_harm_is_done_twice() {
        let tools = ToolCatalog::default();
        let twice = |name| tools.is_idempotent(&call(name, json!({})));
        assert!(!twice("read"));
        tools.learn(
            &json!({"tools": [
                {"name": "read", "annotations": {"readOnlyHint": true}},
                {"name": "set", "annotations": {"idempotentHint": true, "destructiveHint": true}},
                {"name": "add", "annotations": {"readOnlyHint": false}},
                {"name": "send"},
            ]})
            .into(),
        );
        assert_eq!(["read", "set", "add", "send"].map(twice), [true, true, false, false]);
        tools.learn(&json!({"tools": [{"name": "read"}]}).into());
        assert!(!twice("read"), "the newest list holds");
        assert!(tools.is_idempotent(&Request::new(Method::ResourcesRead, Raw::EMPTY_OBJECT)));
        let unknown = Request { method: "acme/pay".into(), params: Raw::EMPTY_OBJECT.into() };
        assert!(!tools.is_idempotent(&unknown));
    }

    #[test]
    fn arguments_go_into_headers_unless_the_caller_sent_some() {
        let tools = ToolCatalog::default();
        assert_eq!(region(&tools, json!({"region": "eu"}), context()), None, "nothing was listed");
        let list =
            json!({"tools": [tool("t", json!({"region": {"type": "string", "x-mcp-header": "Region"}}))]});
        assert_eq!(tools.learn(&list.into()), None, "there is nothing to leave out");
        assert_eq!(region(&tools, json!({"region": "eu"}), context()).as_deref(), Some("eu"));
        let over_http = context().with_param_headers(ParamHeaders::default());
        assert_eq!(region(&tools, json!({"region": "eu"}), over_http).as_deref(), Some("eu"));

        let mut sent = ParamHeaders::default();
        sent.push("region".into(), b"us".to_vec());
        let sent = context().with_param_headers(sent);
        assert_eq!(region(&tools, json!({"region": "eu"}), sent.clone()).as_deref(), Some("us"));
        let refused = tools.check_headers(&call("t", json!({"region": "eu"})), &sent);
        assert_eq!(refused.map_err(|error| error.code), Err(code::HEADER_MISMATCH));
        assert_eq!(tools.check_headers(&call("t", json!({"region": "us"})), &sent), Ok(()));

        tools.learn(&json!({"tools": [tool("t", json!({}))]}).into());
        assert_eq!(region(&tools, json!({"region": "eu"}), context()), None, "the newest list holds");
        assert_eq!(tools.check_headers(&call("t", json!({"region": "eu"})), &sent), Ok(()));
    }

    #[test]
    fn tools_with_invalid_annotations_are_left_out() {
        let wrong = [
            json!({"a": {"type": "string", "x-mcp-header": ""}}),
            json!({"a": {"type": "string", "x-mcp-header": 1}}),
            json!({"a": {"type": "string", "x-mcp-header": "a b"}}),
            json!({"a": {"type": "string", "x-mcp-header": "a\r\nb"}}),
            json!({"a": {"type": "number", "x-mcp-header": "A"}}),
            json!({"a": {"type": "object", "x-mcp-header": "A"}}),
            json!({"a": {"type": "array", "items": {"type": "string", "x-mcp-header": "A"}}}),
            json!({"a": {"anyOf": [{"type": "string", "x-mcp-header": "A"}]}}),
            json!({"a": {"type": "string", "x-mcp-header": "A"}, "b": {"type": "string", "x-mcp-header": "a"}}),
        ];
        for properties in wrong {
            let good = tool("good", json!({"a": {"type": "string", "default": {"x-mcp-header": "!"}}}));
            let page = json!({"tools": [tool("t", properties.clone()), good], "x": 1});
            let valid = ToolCatalog::default().learn(&page.into()).unwrap();
            assert_eq!(valid.decode::<Value>().unwrap(), json!({"x": 1, "tools": [good]}), "{properties}");
        }
    }
}
