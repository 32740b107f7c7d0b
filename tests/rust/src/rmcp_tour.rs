//! The server of `examples/tour.rs`, written with the official SDK: what other people's servers answer, through the
//! bridge.
//!
//! ```sh
//! rmcp_tour                # on standard streams
//! rmcp_tour --http 8000    # at http://127.0.0.1:8000/mcp
//! ```
//!
//! rmcp asks an older client while its call is open, and returns `InputRequiredResult` to a newer one: which of both, a
//! tool decides for itself.

// Sampling and log messages are deprecated in the newest revision, and tried all the same.
#![allow(deprecated)]

use std::time::Duration;

use rmcp::{
    ErrorData, RoleServer, ServerHandler,
    model::{
        CallToolRequestParams, CallToolResponse, CompleteRequestParams, CompleteResult,
        CreateMessageRequestParams, ElicitRequestParams, GetPromptRequestParams, GetPromptResponse,
        Implementation, ListPromptsResult, ListResourceTemplatesResult, ListResourcesResult, ListToolsResult,
        LoggingLevel, LoggingMessageNotificationParam, PaginatedRequestParams, ProgressNotificationParam,
        ProtocolVersion, ReadResourceRequestParams, ReadResourceResponse, ServerCapabilities, ServerConfig,
        SetLevelRequestParams,
    },
    service::RequestContext,
};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use tokio::time::sleep;

mod rmcp_serving;

use rmcp_serving::{Answer, failed, serve, typed, wire};

type Caller = RequestContext<RoleServer>;

const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";
const CHAPTERS: [(&str, &str); 3] =
    [("arrival", "We came by sea."), ("market", "They sell figs."), ("mountain", "The path is steep.")];

#[derive(Clone)]
struct Tour;

impl ServerHandler for Tour {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_tools()
            .enable_resources()
            .enable_prompts()
            .enable_completions()
            .enable_logging()
            .build();
        let mut info = ServerConfig::new(capabilities);
        info.server_info = Implementation::new("tour", "1.0.0");
        info
    }

    async fn list_tools(&self, _: Option<PaginatedRequestParams>, _: Caller) -> Answer<ListToolsResult> {
        let tool = |name: &str, takes: &[(&str, &str)]| {
            let properties: Map<_, _> =
                takes.iter().map(|(name, kind)| ((*name).to_owned(), json!({"type": kind}))).collect();
            let required: Vec<_> = properties.keys().cloned().collect();
            json!({"name": name, "inputSchema": {"type": "object", "properties": properties, "required": required}})
        };
        let text = |name| [(name, "string")];
        complete(json!({"tools": [
            tool("greet", &text("name")), tool("measure", &text("text")), tool("picture", &[]),
            tool("count", &[("to", "integer")]), tool("book", &[]), tool("rhyme", &text("word")), tool("fail", &[]),
        ]}))
    }

    async fn call_tool(&self, call: CallToolRequestParams, caller: Caller) -> Answer<CallToolResponse> {
        let arguments = Value::Object(call.arguments.clone().unwrap_or_default());
        let argument = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
        match &*call.name {
            "greet" => text(&format!("Hello, {}!", argument("name"))),
            "measure" => measure(&argument("text")),
            "picture" => {
                result(json!({"content": [{"type": "image", "data": PIXEL, "mimeType": "image/png"}]}))
            }
            "count" => count(arguments["to"].as_u64().unwrap_or_default(), &caller).await,
            "book" => book(&call, &caller).await,
            "rhyme" => rhyme(&argument("word"), &call, &caller).await,
            "fail" => result(json!({
                "content": [{"type": "text", "text": "this tool fails, and says so"}], "isError": true
            })),
            other => Err(ErrorData::invalid_params(format!("there is no tool {other}"), None)),
        }
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Caller,
    ) -> Answer<ListResourcesResult> {
        complete(json!({"resources": [
            {"uri": "tour:///about", "name": "about", "mimeType": "text/markdown"},
            {"uri": "tour:///pixel", "name": "pixel", "mimeType": "image/png"},
        ]}))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: Caller,
    ) -> Answer<ListResourceTemplatesResult> {
        complete(
            json!({"resourceTemplates": [{"uriTemplate": "tour:///chapters/{name}", "name": "chapter"}]}),
        )
    }

    async fn read_resource(
        &self,
        read: ReadResourceRequestParams,
        _: Caller,
    ) -> Answer<ReadResourceResponse> {
        let (mime_type, member, data) = match &*read.uri {
            "tour:///about" => ("text/markdown", "text", "# A tour\n\nSome of everything."),
            "tour:///pixel" => ("image/png", "blob", PIXEL),
            uri => {
                let name = uri.strip_prefix("tour:///chapters/").unwrap_or_default();
                let chapter = CHAPTERS.iter().find(|(known, _)| *known == name);
                let missing = || ErrorData::resource_not_found("there is no such chapter", None);
                ("text/plain", "text", chapter.ok_or_else(missing)?.1)
            }
        };
        let contents = json!([{"uri": read.uri, "mimeType": mime_type, member: data}]);
        Ok(ReadResourceResponse::Complete(complete(json!({"contents": contents}))?))
    }

    async fn list_prompts(&self, _: Option<PaginatedRequestParams>, _: Caller) -> Answer<ListPromptsResult> {
        let language = json!({"name": "language", "required": true});
        complete(json!({"prompts": [{"name": "explain", "arguments": [language]}]}))
    }

    async fn get_prompt(&self, prompt: GetPromptRequestParams, _: Caller) -> Answer<GetPromptResponse> {
        let arguments = wire(&prompt.arguments)?;
        let language = arguments["language"].as_str().unwrap_or_default();
        let text = format!("Explain {language} in one sentence.");
        let message = json!({"role": "user", "content": {"type": "text", "text": text}});
        Ok(GetPromptResponse::Complete(complete(json!({"messages": [message]}))?))
    }

    async fn complete(&self, params: CompleteRequestParams, _: Caller) -> Answer<CompleteResult> {
        let known = match &*params.argument.name {
            "language" => ["python", "rust", "ruby"],
            _ => CHAPTERS.map(|(name, _)| name),
        };
        let values: Vec<_> =
            known.into_iter().filter(|value| value.starts_with(&params.argument.value)).collect();
        complete(json!({"completion": {"values": values}}))
    }

    async fn set_level(&self, _: SetLevelRequestParams, _: Caller) -> Answer<()> {
        // It says everything that it has to say at the level `info`.
        Ok(())
    }
}

fn measure(text: &str) -> Answer<CallToolResponse> {
    let longest = text.split_whitespace().max_by_key(|word| word.chars().count());
    let measured = json!({"words": text.split_whitespace().count(), "longest": longest});
    result(
        json!({"content": [{"type": "text", "text": measured.to_string()}], "structuredContent": measured}),
    )
}

async fn count(to: u64, caller: &Caller) -> Answer<CallToolResponse> {
    let log = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!("here we go"));
    // Whoever does not listen misses it.
    let _ = caller.peer.notify_logging_message(log.with_logger("tour")).await;
    for number in 1..=to {
        if let Some(token) = caller.meta.get_progress_token() {
            let step = json!({"progressToken": token, "progress": number, "total": to, "message": format!("{number} of {to}")});
            let _ = caller.peer.notify_progress(typed::<ProgressNotificationParam>(step)?).await;
        }
        sleep(Duration::from_millis(10)).await;
    }
    text(&format!("counted to {to}"))
}

async fn book(call: &CallToolRequestParams, caller: &Caller) -> Answer<CallToolResponse> {
    let fields = json!({"city": {"type": "string"}, "nights": {"type": "integer"}});
    let schema = json!({"type": "object", "properties": fields, "required": ["city", "nights"]});
    let form = json!({"mode": "form", "message": "Where shall it go?", "requestedSchema": schema});
    let answer = if !is_modern(caller) {
        let form: ElicitRequestParams = typed(form)?;
        wire(&caller.peer.create_elicitation(form).await.map_err(failed)?)?
    } else if let Some(answers) = &call.input_responses {
        wire(answers)?["trip"].take()
    } else {
        return ask("trip", "elicitation/create", form);
    };
    let nights = answer["content"]["nights"].as_f64().unwrap_or_default();
    match answer["content"]["city"].as_str() {
        Some(city) => text(&format!("Booked: {nights} nights in {city}")),
        None => text("Nothing is booked."),
    }
}

async fn rhyme(word: &str, call: &CallToolRequestParams, caller: &Caller) -> Answer<CallToolResponse> {
    let question = json!({"type": "text", "text": format!("What rhymes with {word}?")});
    let wanted = json!({"messages": [{"role": "user", "content": question}], "maxTokens": 20});
    let said = if !is_modern(caller) {
        let wanted: CreateMessageRequestParams = typed(wanted)?;
        wire(&caller.peer.create_message(wanted).await.map_err(failed)?)?
    } else if let Some(answers) = &call.input_responses {
        wire(answers)?["rhyme"].take()
    } else {
        return ask("rhyme", "sampling/createMessage", wanted);
    };
    text(&format!("{word} rhymes with {}", said["content"]["text"].as_str().unwrap_or("nothing")))
}

fn is_modern(caller: &Caller) -> bool {
    caller.protocol_version() == Some(ProtocolVersion::V_2026_07_28)
}

/// Asks a client that answers by calling again.
fn ask(key: &str, method: &str, params: Value) -> Answer<CallToolResponse> {
    let requests = json!({key: {"method": method, "params": params}});
    let asked = json!({"resultType": "input_required", "inputRequests": requests, "requestState": key});
    Ok(CallToolResponse::InputRequired(typed(asked)?))
}

fn text(text: &str) -> Answer<CallToolResponse> {
    result(json!({"content": [{"type": "text", "text": text}]}))
}

fn result(result: Value) -> Answer<CallToolResponse> {
    Ok(CallToolResponse::Complete(complete(result)?))
}

/// A result; to older clients rmcp does not say its type.
fn complete<T: DeserializeOwned>(mut result: Value) -> Answer<T> {
    result["resultType"] = "complete".into();
    typed(result)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    serve(Tour).await
}
