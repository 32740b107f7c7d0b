//! What the server answers, and what it asks and says before.

use std::time::Duration;

use anyport::Revision::*;
use serde_json::{Value, json};

use super::{Call, both_eras, error, offers};

/// Tools that are called by name; their arguments are nobody's business here.
pub(super) const TOOLS: [&str; 31] = [
    "echo",
    "members",
    "image",
    "embedded",
    "audio",
    "link",
    "structured",
    "list",
    "fails",
    "refuses",
    "progress",
    "log",
    "wait",
    "form",
    "rude",
    "titles",
    "several",
    "defaults",
    "url",
    "url-first",
    "sample",
    "sample-tools",
    "sample-blocks",
    "sample-audio",
    "sample-context",
    "roots",
    "two",
    "rounds",
    "withdraws",
    "steps",
    "tells",
];

pub(super) async fn answer(call: &Call) -> Result<Value, Value> {
    let revision = call.revision();
    let params = call.params();
    let mut result = match call.method() {
        "initialize" | "server/discover" => return Ok(discovered(call)),
        "ping" | "resources/subscribe" | "resources/unsubscribe" if !revision.is_stateless() => {
            return Ok(json!({}));
        }
        "x/own" => return Ok(json!({"heard": params["own"]})),
        "completion/complete" => return Ok(completed(params)),
        "prompts/get" => return prompt(call).await,
        "tools/call" => return tool(call).await,
        "tools/list" => {
            if params["_meta"].get(ASK).is_some() {
                // An old server may ask whenever it likes.
                call.ask("sample", "sampling/createMessage", sampling(json!({}))).await?;
            }
            let mut tools = offers::tools(revision);
            if call.is_of_both_eras()
                && let Some(tools) = tools.as_array_mut()
            {
                tools.extend(both_eras::tools(revision));
            }
            json!({"tools": tools, "_meta": {"example.com/own": 1}})
        }
        "resources/list" => json!({"resources": offers::resources(revision)}),
        "resources/templates/list" => json!({"resourceTemplates": offers::templates(revision)}),
        "prompts/list" => match params["cursor"].as_str() {
            None => json!({"prompts": offers::prompts(revision, 0), "nextCursor": "page two"}),
            Some("page two") => json!({"prompts": offers::prompts(revision, 1)}),
            Some(_) => return Err(error(-32602, "no such page")),
        },
        "resources/read" => read(call).await?,
        other => return Err(error(-32601, &format!("no method {other}"))),
    };
    if revision.is_stateless() {
        result["ttlMs"] = 1000.into();
        result["cacheScope"] = "private".into();
    }
    Ok(result)
}

/// In `_meta` of `tools/list`: ask a model first.
pub(crate) const ASK: &str = "example.com/ask";

fn discovered(call: &Call) -> Value {
    let revision = call.revision();
    let mut said = json!({
        "capabilities": offers::capabilities(revision),
        "instructions": "Be kind.",
        "x-own": [1],
    });
    if revision.is_stateless() {
        said["supportedVersions"] = json!([revision.as_str()]);
        said["ttlMs"] = 1000.into();
        said["cacheScope"] = "public".into();
        said["_meta"] = json!({"io.modelcontextprotocol/serverInfo": offers::info(revision)});
    } else {
        said["protocolVersion"] = revision.as_str().into();
        said["serverInfo"] = offers::info(revision);
    }
    said
}

fn completed(params: &Value) -> Value {
    let value = params["argument"]["value"].as_str().unwrap_or_default();
    let known = params["context"]["arguments"]["topic"].as_str().unwrap_or("none");
    json!({"completion": {"values": [format!("{value}1"), format!("{value} after {known}")], "total": 2, "hasMore": false}})
}

async fn read(call: &Call) -> Result<Value, Value> {
    match call.params()["uri"].as_str() {
        Some("test:///text") => Ok(json!({"contents": [
            {"uri": "test:///text", "mimeType": "text/plain", "text": "some text", "_meta": {"example.com/own": 1}},
            {"uri": "test:///bytes", "mimeType": "application/octet-stream", "blob": "AP8="},
        ]})),
        Some("test:///asking") => {
            let answer = sample(call, json!({})).await?;
            Ok(json!({"contents": [{"uri": "test:///asking", "text": words(&answer)}]}))
        }
        uri => {
            let modern = call.revision().is_stateless();
            // 2026-07-28, resources §Error Handling; before, -32002.
            let code = if modern { -32602 } else { -32002 };
            Err(json!({"code": code, "message": "Resource not found", "data": {"uri": uri}}))
        }
    }
}

async fn prompt(call: &Call) -> Result<Value, Value> {
    let message = |role: &str, content: Value| json!({"role": role, "content": content});
    match call.params()["name"].as_str() {
        Some("full") => Ok(json!({
            "description": "About it.",
            "messages": [
                message("user", text(&call.params()["arguments"].to_string())),
                message("assistant", image()),
                message("user", embedded()),
            ],
            "_meta": {"example.com/own": 1},
        })),
        Some("blocks") => {
            let mut messages = vec![message("user", text("listen"))];
            if call.revision() >= V2025_03_26 {
                messages.push(message("user", audio()));
            }
            if call.revision() >= V2025_06_18 {
                messages.push(message("user", link()));
            }
            Ok(json!({ "messages": messages }))
        }
        Some("asking") => {
            let answer = sample(call, json!({})).await?;
            Ok(json!({"messages": [message("user", text(&words(&answer)))]}))
        }
        _ => Err(error(-32602, "no such prompt")),
    }
}

async fn tool(call: &Call) -> Result<Value, Value> {
    let name = call.params()["name"].as_str().unwrap_or_default();
    let blocks = |blocks: Value| Ok(json!({ "content": blocks }));
    match name {
        "full" | "free" | "echo" => blocks(json!([text("said")])),
        "members" => Ok(json!({
            "content": [{"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 1}, "x-own": 1}],
            "_meta": {"example.com/own": {"a": [1]}},
            "x-own": {"b": 2},
        })),
        "image" => blocks(json!([image()])),
        "embedded" => blocks(json!([embedded()])),
        "audio" => blocks(json!([audio()])),
        "link" => blocks(json!([link()])),
        "structured" => Ok(json!({"content": [], "structuredContent": {"sum": 3}})),
        "list" => Ok(json!({"content": [], "structuredContent": [1, 2, 3]})),
        "fails" => Ok(json!({"content": [text("no ink")], "isError": true})),
        "refuses" => Err(json!({"code": 4711, "message": "not today", "data": {"until": "noon"}})),
        "progress" => {
            (1..=2).for_each(|step| progress(call, step));
            blocks(json!([text("done")]))
        }
        "log" => {
            for level in ["debug", "info", "warning"].into_iter().filter(|level| call.logs(level)) {
                call.tell(
                    "notifications/message",
                    json!({"level": level, "logger": "peer", "data": {"said": level}}),
                );
            }
            blocks(json!([text("logged")]))
        }
        "tells" => {
            call.tell("notifications/x-own", json!({"a": 1}));
            blocks(json!([text("told")]))
        }
        "wait" => std::future::pending().await,
        "url-first" => url_first(call).await,
        name if TOOLS.contains(&name) => asking(call, name).await.map(|answer| {
            let said = text(&answer.to_string());
            json!({"content": [said]})
        }),
        name if call.is_of_both_eras() => both_eras::tool(call, name).await,
        _ => Err(error(-32602, "no such tool")),
    }
}

fn progress(call: &Call, step: u32) {
    let token = &call.params()["_meta"]["progressToken"];
    if token.is_null() {
        return;
    }
    let mut told = json!({"progressToken": token, "progress": step, "total": 2});
    if call.revision() >= V2025_03_26 {
        told["message"] = "one more".into();
    }
    call.tell("notifications/progress", told);
}

/// Answers with what it was answered.
async fn asking(call: &Call, name: &str) -> Result<Value, Value> {
    const FORM: &str = "/elicitation/form";
    let elicit = async |pointer: &str, params: Value| {
        call.needs(pointer)?;
        call.ask("question", "elicitation/create", params).await
    };
    match name {
        "form" => elicit(FORM, form(name_field())).await,
        // It does not look at what was declared.
        "rude" => {
            let answer = call.ask("question", "elicitation/create", form(name_field())).await;
            answer.map_err(|_| error(super::call::UNDECLARED, "this client cannot be asked"))
        }
        "titles" => elicit(FORM, form(titles(call.revision() >= V2025_11_25))).await,
        "several" => elicit(FORM, form(several())).await,
        "defaults" => elicit(FORM, form(defaults())).await,
        "url" => elicit("/elicitation/url", url(call)).await.inspect(|_| visited(call)),
        "sample" => sample(call, json!({})).await,
        "sample-tools" => {
            call.needs("/sampling/tools")?;
            sample(call, look()).await
        }
        "sample-blocks" => sample(call, blocks()).await,
        "sample-audio" => sample(call, json!({"messages": [{"role": "user", "content": audio()}]})).await,
        "sample-context" => {
            // 2025-11-25, sampling §Capabilities; before, it needed none.
            if call.revision() >= V2025_11_25 {
                call.needs("/sampling/context")?;
            }
            sample(call, json!({"includeContext": "thisServer"})).await
        }
        "roots" => {
            call.needs("/roots")?;
            call.ask("roots", "roots/list", Value::Null).await
        }
        "two" => {
            let (model, roots) = tokio::join!(
                call.ask("model", "sampling/createMessage", sampling(json!({}))),
                call.ask("roots", "roots/list", Value::Null),
            );
            Ok(json!([words(&model?), roots?["roots"]]))
        }
        "steps" => {
            progress(call, 1);
            let answer = sample(call, json!({})).await?;
            progress(call, 2);
            Ok(answer)
        }
        "rounds" => {
            let mut said = Vec::new();
            for round in ["one", "two", "three"] {
                let params = sampling(json!({"systemPrompt": round}));
                said.push(words(&call.ask(round, "sampling/createMessage", params).await?));
            }
            Ok(json!(said))
        }
        _ => {
            // Sooner than a bridge would have it that a question is there to stay.
            call.ask_and_withdraw("sampling/createMessage", sampling(json!({})), Duration::from_millis(5))
                .await;
            Ok(json!("did without"))
        }
    }
}

/// Sends the user to a page first; 2025-11-25 has an error for it.
async fn url_first(call: &Call) -> Result<Value, Value> {
    if call.times() > 1 {
        return Ok(json!({"content": [text("visited")]}));
    }
    let mut elicitation = url(call);
    elicitation["mode"] = "url".into();
    Err(json!({"code": -32042, "message": "Visit the page first.", "data": {"elicitations": [elicitation]}}))
}

/// Tells that the user has been there, as 2025-11-25 can.
fn visited(call: &Call) {
    if call.revision() == V2025_11_25 {
        call.tell("notifications/elicitation/complete", json!({"elicitationId": "visit-1"}));
    }
}

pub(crate) fn form(fields: Value) -> Value {
    let required: Vec<&String> =
        fields.as_object().into_iter().flat_map(|fields| fields.keys()).take(1).collect();
    json!({"message": "Who are you?", "requestedSchema": {"type": "object", "properties": fields, "required": required}})
}

pub(crate) fn name_field() -> Value {
    json!({"name": {"type": "string", "title": "Name", "description": "Your name", "minLength": 1}})
}

/// 2025-06-18 has `enumNames`; since 2025-11-25 there is `oneOf`.
pub(crate) fn titles(one_of: bool) -> Value {
    if one_of {
        json!({"color": {"type": "string", "oneOf": [{"const": "r", "title": "Red"}, {"const": "b", "title": "Blue"}]}})
    } else {
        json!({"color": {"type": "string", "enum": ["r", "b"], "enumNames": ["Red", "Blue"]}})
    }
}

pub(crate) fn defaults() -> Value {
    json!({"pet": {"type": "string", "default": "cat"}, "age": {"type": "integer", "default": 3}})
}

pub(crate) fn several() -> Value {
    json!({"colors": {"type": "array", "items": {"type": "string", "enum": ["red", "blue", "green"]}, "minItems": 1}})
}

fn url(call: &Call) -> Value {
    let mut url = json!({"mode": "url", "message": "Look!", "url": "https://example.com/visit"});
    if !call.revision().is_stateless() {
        url["elicitationId"] = "visit-1".into();
    }
    url
}

pub(super) async fn sample(call: &Call, more: Value) -> Result<Value, Value> {
    call.needs("/sampling")?;
    call.ask("sample", "sampling/createMessage", sampling(more)).await
}

/// What makes sampling one with tools.
pub(crate) fn look() -> Value {
    let tool = json!({"name": "look", "inputSchema": {"type": "object"}});
    json!({"tools": [tool], "toolChoice": {"mode": "auto"}})
}

pub(crate) fn blocks() -> Value {
    let blocks = json!([text("one"), text("two")]);
    json!({"messages": [{"role": "user", "content": blocks}]})
}

/// A question for a model, with everything that every revision has for it.
pub(crate) fn sampling(more: Value) -> Value {
    let mut params = json!({
        "messages": [{"role": "user", "content": text("A haiku!")}],
        "maxTokens": 100,
        "systemPrompt": "You are kind.",
        "temperature": 0.5,
        "stopSequences": ["."],
        "modelPreferences": {"hints": [{"name": "small"}], "costPriority": 1},
        "metadata": {"own": 1},
    });
    for (name, value) in more.as_object().into_iter().flatten() {
        params[name] = value.clone();
    }
    params
}

/// The words of a sampled answer.
fn words(answer: &Value) -> String {
    answer["content"]["text"].as_str().unwrap_or_default().to_owned()
}

pub(crate) fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

pub(crate) fn image() -> Value {
    json!({"type": "image", "data": "aW1hZ2U=", "mimeType": "image/png", "annotations": {"priority": 1}})
}

pub(crate) fn audio() -> Value {
    json!({"type": "audio", "data": "c291bmQ=", "mimeType": "audio/wav"})
}

pub(crate) fn embedded() -> Value {
    json!({"type": "resource", "resource": {"uri": "test:///inner", "mimeType": "text/plain", "text": "inside"}})
}

pub(crate) fn link() -> Value {
    json!({"type": "resource_link", "uri": "test:///text", "name": "text", "description": "A text.", "annotations": {"priority": 1}})
}
