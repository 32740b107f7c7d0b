//! Arguments of tools that are mirrored into headers, as the tools' schemas say (2026-07-28, streamable-http §Custom
//! Headers from Tool Parameters).

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use anyport_protocol::{
    Raw,
    json::{Elements, Splice},
    meta::{encode_header, header_text},
    param_header::{Header, Plan},
};
use http::{HeaderName, HeaderValue};
use serde_json::Value;

use super::headers::RequestHeaders;

/// What the tools of one server want mirrored, as far as they were listed.
#[derive(Debug, Default)]
pub(super) struct Mirrors(Mutex<HashMap<String, Arc<[Mirror]>>>);

/// One argument that is mirrored.
#[derive(Debug, PartialEq, Eq)]
struct Mirror {
    name: HeaderName,
    header: Header,
}

/// The annotation in a property's schema.
const KEYWORD: &str = "x-mcp-header";

/// The largest integer that every JSON reader reads exactly: 2^53 - 1.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// Tools that are noted; a server that lists more with annotations is refused those headers itself.
const MAX_TOOLS: usize = 10_000;

impl Mirrors {
    /// Takes a result of `tools/list`, and gives it without the tools whose annotations are invalid.
    ///
    /// §Schema Extension: "Clients using the Streamable HTTP transport MUST reject tool definitions where any
    /// `x-mcp-header` value violates these constraints. Rejection means the client MUST exclude the invalid tool from the
    /// result of `tools/list`."
    pub(super) fn learn(&self, result: Raw) -> Raw {
        let Some(tools) = result.member("tools").filter(Raw::is_array) else { return result };
        // Hardly any server annotates anything: its lists are not looked into.
        let annotated = memchr::memmem::find(tools.as_str().as_bytes(), KEYWORD.as_bytes()).is_some();
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !annotated && known.is_empty() {
            return result;
        }
        let (mut kept, mut refused) = (Vec::new(), false);
        for tool in Elements::of(tools.as_str()) {
            let raw = tools.slice(tool);
            let Some(name) = raw.member("name").and_then(|name| name.as_string()) else {
                kept.push(tool);
                continue;
            };
            match compile(&raw) {
                Ok(mirrors) if mirrors.is_empty() => _ = known.remove(&*name),
                Ok(mirrors) if known.len() < MAX_TOOLS || known.contains_key(&*name) => {
                    known.insert(name.to_string(), mirrors.into());
                }
                Ok(_) => {}
                Err(why) => {
                    tracing::warn!(tool = &*name, why, "a tool is left out: its x-mcp-header is invalid");
                    known.remove(&*name);
                    refused = true;
                    continue;
                }
            }
            kept.push(tool);
        }
        if !refused {
            return result;
        }
        let kept = Raw::trusted(format!("[{}]", kept.join(",")).into_bytes());
        Splice::retain(&result, |name| name != "tools").with("tools", &kept).finish()
    }

    /// Adds the headers of a call of the tool `name`; those that its schema asks for stand in place of any that are there.
    pub(super) fn add(&self, headers: &mut RequestHeaders, name: &str, arguments: &Raw) {
        let mirrors = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        for mirror in mirrors.iter().flat_map(|mirrors| mirrors.iter()) {
            headers.set_param(&mirror.name, mirror.value(arguments));
        }
    }
}

impl Mirror {
    /// §Schema Extension: "If no value is present at that path in the call arguments, the header is omitted"; so it is for
    /// `null`.
    fn value(&self, arguments: &Raw) -> Option<HeaderValue> {
        let value = self.header.value(arguments.as_str()).filter(|value| !value.starts_with(['{', '[']))?;
        let value = arguments.slice(value);
        HeaderValue::from_str(&encode_header(&integer(&header_text(&value), &value))).ok()
    }
}

/// §Value Encoding: integers are written in decimal, though the argument may say `42.0` or `1e3`.
fn integer(text: &str, value: &Raw) -> String {
    let number = value.as_str().parse::<f64>().ok().filter(|_| text.contains(['.', 'e', 'E']));
    match number {
        Some(number)
            if !value.as_str().starts_with('"') && number.fract() == 0.0 && number.abs() <= MAX_SAFE =>
        {
            format!("{number:.0}")
        }
        _ => text.to_owned(),
    }
}

/// The annotations of a tool.
fn compile(tool: &Raw) -> Result<Vec<Mirror>, String> {
    let Some(schema) = tool.member("inputSchema") else { return Ok(Vec::new()) };
    if memchr::memmem::find(schema.as_str().as_bytes(), KEYWORD.as_bytes()).is_none() {
        return Ok(Vec::new());
    }
    let schema: Value = schema.decode().map_err(|error| format!("the schema cannot be read: {error}"))?;
    let plan = Plan::compile(&schema).map_err(|problem| problem.to_string())?;
    let mirror = |header: &Header| {
        let name = HeaderName::try_from(format!("mcp-param-{}", header.name()));
        let name = name.map_err(|error| format!("{:?} is no name of a header: {error}", header.name()))?;
        Ok(Mirror { name, header: header.clone() })
    };
    plan.headers().iter().map(mirror).collect()
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use serde_json::json;

    use super::*;

    fn tools(tools: Value) -> Raw {
        json!({"tools": tools, "x": 1}).into()
    }

    fn tool(name: &str, properties: Value) -> Value {
        json!({"name": name, "inputSchema": {"type": "object", "properties": properties}})
    }

    fn headers(mirrors: &Mirrors, arguments: Value) -> Vec<(String, String)> {
        let mut request = RequestHeaders::default();
        let of_the_caller = HeaderValue::from_static("of the caller");
        request.set_param(&HeaderName::from_static("mcp-param-region"), Some(of_the_caller));
        mirrors.add(&mut request, "t", &arguments.into());
        let mut headers = HeaderMap::new();
        request.add_all(&mut headers);
        let text = |value: &HeaderValue| value.to_str().unwrap().to_owned();
        headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect()
    }

    #[test]
    fn arguments_are_mirrored_as_the_schema_says() {
        let mirrors = Mirrors::default();
        let list = tools(json!([tool(
            "t",
            json!({
                "region": {"type": "string", "x-mcp-header": "Region"},
                "limit": {"type": ["integer", "null"], "x-mcp-header": "Limit"},
                "deep": {"type": "object", "properties": {"flag": {"type": "boolean", "x-mcp-header": "Flag"}}},
            })
        )]));
        assert_eq!(mirrors.learn(list.clone()), list);
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(
            headers(&mirrors, json!({"region": "世界", "limit": 42.0, "deep": {"flag": true}})),
            [
                pair("mcp-param-region", "=?base64?5LiW55WM?="),
                pair("mcp-param-limit", "42"),
                pair("mcp-param-flag", "true")
            ]
        );
        assert_eq!(headers(&mirrors, json!({"limit": null})), []);
        // A list in which the tool asks for nothing any more.
        mirrors.learn(tools(json!([tool("t", json!({}))])));
        assert_eq!(headers(&mirrors, json!({"region": "a"})), [pair("mcp-param-region", "of the caller")]);
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
            let list = tools(json!([tool("t", properties.clone()), good]));
            let kept: Value = Mirrors::default().learn(list).decode().unwrap();
            assert_eq!(kept, json!({"x": 1, "tools": [good]}), "{properties}");
        }
    }
}
