//! What the server lists. What came with a later revision is left out: a server of this one would not say it.

use anyport::Revision::{self, *};
use serde_json::{Value, json};

/// The server's name, which came with every revision, and what belongs to it since.
pub(crate) fn info(revision: Revision) -> Value {
    let mut info = json!({"name": "peer", "version": "1.2.3", "x-own": 1});
    if revision >= V2025_06_18 {
        info["title"] = "The peer".into();
    }
    if revision >= V2025_11_25 {
        info["icons"] = icons();
        info["websiteUrl"] = "https://example.com/".into();
    }
    info
}

pub(crate) fn capabilities(revision: Revision) -> Value {
    let mut capabilities = json!({
        "tools": {"listChanged": true},
        "prompts": {"listChanged": true},
        "resources": {"listChanged": true, "subscribe": true},
        "logging": {},
        "experimental": {"x-own": {"a": 1}},
    });
    if revision >= V2025_03_26 {
        capabilities["completions"] = json!({});
    }
    if revision == V2025_11_25 {
        capabilities["tasks"] = json!({"list": {}, "cancel": {}, "requests": {"tools": {"call": {}}}});
    }
    if revision.is_stateless() {
        capabilities["extensions"] = json!({"io.modelcontextprotocol/tasks": {}});
    }
    capabilities
}

pub(crate) fn icons() -> Value {
    json!([{"src": "https://example.com/icon.png", "mimeType": "image/png", "sizes": ["48x48"]}])
}

/// Every tool that is called; two of them have all that a tool can have.
pub(crate) fn tools(revision: Revision) -> Value {
    let mut full = json!({
        "name": "full",
        "description": "Has everything.",
        "inputSchema": {"type": "object", "properties": {"a": {"type": "integer", "x-own": true}}, "required": ["a"]},
        "_meta": {"example.com/own": [1, 2]},
        "x-own": {"b": null},
    });
    if revision >= V2025_03_26 {
        full["annotations"] = json!({"readOnlyHint": true, "openWorldHint": false});
    }
    if revision >= V2025_06_18 {
        full["title"] = "Full".into();
        full["outputSchema"] = json!({"type": "object", "properties": {"sum": {"type": "integer"}}});
    }
    if revision >= V2025_11_25 {
        full["icons"] = icons();
    }
    let mut tools = vec![full];
    if revision.is_stateless() {
        tools.push(json!({
            "name": "free",
            "inputSchema": {"type": "object", "properties": {"any": true, "none": false}},
            "outputSchema": {"type": "array", "items": {"type": "integer"}},
        }));
    }
    tools.extend(super::answers::TOOLS.map(|name| json!({"name": name, "inputSchema": {"type": "object"}})));
    tools.into()
}

pub(crate) fn resources(revision: Revision) -> Value {
    let mut full = json!({
        "uri": "test:///text",
        "name": "text",
        "description": "A text.",
        "mimeType": "text/plain",
        "annotations": {"audience": ["user"], "priority": 0.5},
        "size": 9,
        "x-own": 1,
    });
    if revision >= V2025_06_18 {
        full["title"] = "Text".into();
        full["_meta"] = json!({"example.com/own": 1});
    }
    if revision >= V2025_11_25 {
        full["icons"] = icons();
    }
    json!([full, {"uri": "test:///asking", "name": "asking"}])
}

pub(crate) fn templates(revision: Revision) -> Value {
    let mut template = json!({"uriTemplate": "test:///notes/{name}", "name": "note", "x-own": 1});
    if revision >= V2025_06_18 {
        template["title"] = "Note".into();
    }
    if revision >= V2025_11_25 {
        template["icons"] = icons();
    }
    json!([template])
}

/// In two pages.
pub(crate) fn prompts(revision: Revision, page: usize) -> Value {
    if page == 1 {
        return json!([{"name": "asking"}, {"name": "blocks"}]);
    }
    let mut argument = json!({"name": "topic", "description": "About what", "required": true});
    let mut prompt = json!({"name": "full", "description": "Has everything.", "x-own": 1});
    if revision >= V2025_06_18 {
        argument["title"] = "Topic".into();
        prompt["title"] = "Full".into();
    }
    if revision >= V2025_11_25 {
        prompt["icons"] = icons();
    }
    prompt["arguments"] = json!([argument]);
    json!([prompt])
}
