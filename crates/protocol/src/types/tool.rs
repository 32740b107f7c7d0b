//! Tools: what a model can call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    CacheScope, ContentBlock, Icon, InputResponses, JsonObject, MetaObject, RequestMeta, ResultMeta,
    ResultType, wire::present,
};
use crate::meta::key;

/// A function that a model can call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Tool {
    /// Its name for programs.
    pub name: String,
    /// Its name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// A description for the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The JSON Schema of its arguments; its root has `"type": "object"`.
    pub input_schema: JsonObject,
    /// The JSON Schema of its structured content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_schema: Option<JsonObject>,
    /// Its effects.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<ToolAnnotations>,
    /// Its icons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub icons: Option<Vec<Icon>>,
    /// Metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<MetaObject>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl Tool {
    /// The tool `name`, with the schema `input_schema` for its arguments.
    pub fn new(name: impl Into<String>, input_schema: JsonObject) -> Self {
        Self { name: name.into(), input_schema, ..Self::default() }
    }

    /// Which category it belongs to: [`key::CATEGORY`] in its metadata.
    pub fn category(&self) -> Option<&str> {
        self.meta.as_ref()?.get(key::CATEGORY)?.as_str()
    }

    /// Its own version: [`key::VERSION`] in its metadata.
    pub fn version(&self) -> Option<&str> {
        self.meta.as_ref()?.get(key::VERSION)?.as_str()
    }

    /// Examples of its arguments: [`key::EXAMPLES`] in its metadata.
    pub fn examples(&self) -> &[Value] {
        self.listed(key::EXAMPLES)
    }

    /// Its requirements: [`key::REQUIREMENTS`] in its metadata.
    pub fn requirements(&self) -> impl Iterator<Item = &str> {
        self.listed(key::REQUIREMENTS).iter().filter_map(Value::as_str)
    }

    fn listed(&self, key: &str) -> &[Value] {
        let list = self.meta.as_ref().and_then(|meta| meta.get(key)?.as_array());
        list.map_or(&[], Vec::as_slice)
    }
}

/// Annotations: the effects of a tool. All of them are hints: a client must not trust them unless it trusts the server.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolAnnotations {
    /// Its name for people; [`Tool::title`] comes first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It changes nothing. Absent means false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// It may destroy, not only add. Absent means true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Calling it again with the same arguments changes nothing more. Absent means false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// It deals with things outside its own domain. Absent means true.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Result of `tools/list`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ListToolsResult {
    /// How to read it.
    #[serde(default)]
    pub result_type: ResultType,
    /// One page of the tools.
    pub tools: Vec<Tool>,
    /// Where this page ends; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_cursor: Option<String>,
    /// For how many milliseconds it is fresh; absent or negative means 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<i64>,
    /// The callers that may share a cached copy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_scope: Option<CacheScope>,
    /// The result's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<ResultMeta>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl ListToolsResult {
    /// One page, stale at once and private.
    pub fn new(tools: Vec<Tool>) -> Self {
        let (ttl_ms, cache_scope) = (Some(0), Some(CacheScope::Private));
        Self { tools, ttl_ms, cache_scope, ..Self::default() }
    }
}

/// Params of `tools/call`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallToolRequestParams {
    /// The request's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<RequestMeta>,
    /// The tool.
    pub name: String,
    /// Its arguments.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arguments: Option<JsonObject>,
    /// Answers to the questions of an earlier round.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_responses: Option<InputResponses>,
    /// The state that came with those questions, unchanged.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_state: Option<String>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

/// Result of `tools/call`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CallToolResult {
    /// How to read it.
    #[serde(default)]
    pub result_type: ResultType,
    /// The result for the model.
    pub content: Vec<ContentBlock>,
    /// The result for programs: what the tool's output schema describes, even `null`.
    #[serde(default, deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    pub structured_content: Option<Value>,
    /// Whether the call failed. Absent means that it did not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_error: Option<bool>,
    /// The result's metadata.
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    pub meta: Option<ResultMeta>,
    /// Members that this revision does not name.
    #[serde(flatten)]
    pub extra: JsonObject,
}

impl CallToolResult {
    /// A result of these blocks.
    pub fn new(content: Vec<ContentBlock>) -> Self {
        Self { content, ..Self::default() }
    }

    /// A result that is text.
    pub fn text(text: impl Into<String>) -> Self {
        Self::new(vec![ContentBlock::text(text)])
    }

    /// A failure that the model can read and act on.
    ///
    /// 2026-07-28, server/tools §Error Handling: "Tool Execution Errors contain actionable feedback that language
    /// models can use to self-correct"; a JSON-RPC error is for a request that could not be understood.
    pub fn error(text: impl Into<String>) -> Self {
        Self { is_error: Some(true), ..Self::text(text) }
    }

    /// A result for programs, with the same as text for clients that read only that.
    ///
    /// 2026-07-28, server/tools §Structured Content: "a tool that returns structured content SHOULD
    /// also return the serialized JSON in a TextContent block."
    pub fn structured(value: Value) -> Self {
        Self { structured_content: Some(value.clone()), ..Self::text(value.to_string()) }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn structured_null_is_not_absence() {
        let null = json!({ "resultType": "complete", "content": [], "structuredContent": null });
        let result: CallToolResult = serde_json::from_value(null.clone()).unwrap();
        assert_eq!(result.structured_content, Some(Value::Null));
        assert_eq!(serde_json::to_value(result).unwrap(), null);
        let absent: CallToolResult = serde_json::from_value(json!({ "content": [] })).unwrap();
        assert_eq!(absent.structured_content, None);
    }

    #[test]
    fn unknown_members_survive() {
        let tool = json!({
            "name": "t", "inputSchema": { "type": "object" }, "execution": { "taskSupport": "optional" },
            "annotations": { "readOnlyHint": true, "costHint": 5 }
        });
        let read: Tool = serde_json::from_value(tool.clone()).unwrap();
        assert_eq!(read.annotations.as_ref().unwrap().read_only_hint, Some(true));
        assert_eq!(serde_json::to_value(read).unwrap(), tool);
    }

    #[test]
    fn constructors_write_what_the_schema_says() {
        assert_eq!(
            serde_json::to_value(CallToolResult::structured(json!({ "a": 1 }))).unwrap(),
            json!({
                "resultType": "complete",
                "content": [{ "type": "text", "text": r#"{"a":1}"# }],
                "structuredContent": { "a": 1 }
            })
        );
        assert_eq!(
            serde_json::to_value(CallToolResult::error("no")).unwrap(),
            json!({ "resultType": "complete", "content": [{ "type": "text", "text": "no" }], "isError": true })
        );
        assert_eq!(
            serde_json::to_value(ListToolsResult::new(Vec::new())).unwrap(),
            json!({ "resultType": "complete", "tools": [], "ttlMs": 0, "cacheScope": "private" })
        );
    }
}
