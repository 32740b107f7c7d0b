//! The servers of the table: each answers as a faulty server, or what stands before one, does.

use serde_json::{Value, json};

use crate::support::scripted::{Asked, document, modern, response, result};

/// Whether a request has the token that these servers know.
fn knows(asked: &Asked) -> bool {
    asked.headers.lines().any(|line| line == "authorization: bearer good-token-of-the-test")
}

/// Lets nobody in without its token.
pub(super) fn wants_token(asked: &Asked) -> Option<String> {
    if knows(asked) {
        return modern(asked);
    }
    response("401 Unauthorized", &["WWW-Authenticate: Bearer error=\"invalid_token\""], "")
}

/// Lets everybody in, and wants a token for calls.
pub(super) fn wants_token_for_calls(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => wants_token(asked),
        _ => modern(asked),
    }
}

/// Allows nothing.
pub(super) fn forbids(_: &Asked) -> Option<String> {
    response("403 Forbidden", &["Content-Type: text/plain"], "not from here")
}

/// Lists its tools and forbids to call them.
pub(super) fn forbids_calls(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => forbids(asked),
        _ => modern(asked),
    }
}

/// A web page, whatever is asked.
pub(super) fn page(_: &Asked) -> Option<String> {
    response("200 OK", &["Content-Type: text/html; charset=utf-8"], "<!doctype html><title>Welcome</title>")
}

/// Sends everybody on to the same port under another name.
pub(super) fn elsewhere(asked: &Asked) -> Option<String> {
    let host = asked.headers.lines().find_map(|line| line.strip_prefix("host: ")).unwrap_or_default();
    let port = host.rsplit(':').next().unwrap_or_default();
    let location = format!("Location: http://localhost:{port}/other");
    response("307 Temporary Redirect", &[&location], "")
}

/// Success without a word.
pub(super) fn empty(_: &Asked) -> Option<String> {
    response("200 OK", &["Content-Type: application/json"], "")
}

/// Answers calls with success without a word.
pub(super) fn empty_for_calls(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => empty(asked),
        _ => modern(asked),
    }
}

/// Success without a word and without a type.
pub(super) fn accepted(_: &Asked) -> Option<String> {
    response("200 OK", &[], "")
}

/// JSON of another interface.
pub(super) fn other_json(_: &Asked) -> Option<String> {
    document(&json!({"status": "ok", "version": 3}))
}

/// JSON that breaks off.
pub(super) fn broken_json(_: &Asked) -> Option<String> {
    response("200 OK", &["Content-Type: application/json"], "{\"jsonrpc\": \"2.0\", ")
}

/// Knows no such path.
pub(super) fn not_found(_: &Asked) -> Option<String> {
    response("404 Not Found", &["Content-Type: text/plain"], "Cannot POST")
}

/// Is broken.
pub(super) fn broken(_: &Asked) -> Option<String> {
    response("500 Internal Server Error", &["Content-Type: text/plain"], "database is down")
}

/// Is asked too often.
pub(super) fn busy(_: &Asked) -> Option<String> {
    response("429 Too Many Requests", &["Retry-After: 30"], "")
}

/// Takes requests and never answers.
pub(super) fn silent(_: &Asked) -> Option<String> {
    None
}

/// Never answers a call.
pub(super) fn silent_for_calls(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => None,
        _ => modern(asked),
    }
}

/// Never answers for a list.
pub(super) fn silent_for_lists(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/list") => None,
        _ => modern(asked),
    }
}

/// Hangs up on every call.
pub(super) fn hangs_up(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => Some(String::new()),
        _ => modern(asked),
    }
}

fn error(asked: &Asked, code: i64, message: &str, data: &Value) -> Option<String> {
    let error = json!({"code": code, "message": message, "data": data});
    document(&json!({"jsonrpc": "2.0", "id": asked.body["id"], "error": error}))
}

/// Answers calls with an error of its own, with data.
pub(super) fn quota(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => {
            error(asked, -32010, "quota exceeded", &json!({"resetsAt": "noon", "used": 12}))
        }
        _ => modern(asked),
    }
}

/// Answers calls with an internal error.
pub(super) fn internal(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => error(asked, -32603, "division by zero", &json!({"trace": "line 7"})),
        _ => modern(asked),
    }
}

/// Finds the params of every call wrong.
pub(super) fn wrong_params(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/call") => error(asked, -32602, "the city is unknown", &Value::Null),
        _ => modern(asked),
    }
}

/// Answers lists with an error.
pub(super) fn fails_lists(asked: &Asked) -> Option<String> {
    match asked.body["method"].as_str() {
        Some("tools/list" | "resources/list" | "prompts/list") => {
            error(asked, -32000, "the catalogue is locked", &json!({"by": "import"}))
        }
        _ => modern(asked),
    }
}

/// Has a tool with arguments of several kinds, a resource and a prompt.
pub(super) fn stocked(asked: &Asked) -> Option<String> {
    let with = |mut more: Value| {
        for (name, value) in
            [("resultType", json!("complete")), ("ttlMs", json!(0)), ("cacheScope", json!("private"))]
        {
            more[name] = value;
        }
        result(asked, &more)
    };
    match asked.body["method"].as_str() {
        Some("server/discover") => with(json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": {"tools": {}, "resources": {}, "prompts": {}},
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "stocked", "version": "1"}},
        })),
        Some("tools/list") => with(json!({"tools": [
            {"name": "order", "inputSchema": {"type": "object", "required": ["item"], "properties": {
                "item": {"type": "string", "minLength": 2}, "count": {"type": "integer", "maximum": 9},
                "sizes": {"type": "array", "items": {"type": "string"}}}}},
            {"name": "misfit", "inputSchema": {"type": "object"}, "outputSchema": {"type": "object",
                "required": ["total"], "properties": {"total": {"type": "number"}}}},
            {"name": "odd", "inputSchema": {"type": "object"}},
        ]})),
        Some("resources/list") => with(json!({"resources": [{"uri": "shop://menu", "name": "menu"}]})),
        Some("resources/templates/list") => with(json!({"resourceTemplates": []})),
        Some("prompts/list") => with(json!({"prompts": [{"name": "greet",
            "arguments": [{"name": "who", "required": true}]}]})),
        Some("resources/read") => error(asked, -32602, "Resource not found", &Value::Null),
        Some("tools/call") if asked.body["params"]["name"] == "misfit" => with(json!({
            "content": [], "structuredContent": {"total": "many"}})),
        Some("tools/call") => with(json!({"content": 7})),
        _ => modern(asked),
    }
}

/// A server of 2025-11-25 only, over HTTP.
pub(super) fn legacy(asked: &Asked) -> Option<String> {
    match (asked.verb.as_str(), asked.body["method"].as_str().unwrap_or_default()) {
        ("POST", "initialize") => result(
            asked,
            &json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}},
                "serverInfo": {"name": "older", "version": "1"}}),
        ),
        ("POST", method) if method.starts_with("notifications/") => response("202 Accepted", &[], ""),
        ("POST", "tools/list") => result(asked, &json!({"tools": []})),
        ("POST", _) => error(asked, -32601, "Method not found", &Value::Null),
        _ => response("405 Method Not Allowed", &[], ""),
    }
}
