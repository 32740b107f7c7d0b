//! Tools that ask the client: the user, its model, its roots; once, in several rounds, several at once.

use anyport::{
    Context, Tool,
    ask::{Elicited, Form},
    server::{Builder, NoArguments},
    types::{
        CreateMessageRequest, CreateMessageResult, ElicitRequest, ElicitResult, ListRootsRequest,
        ListRootsResult, RequestedSchema, SamplingMessage, SamplingMessageContentBlock,
    },
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Prompt {
    /// What the model is asked
    prompt: String,
}

#[derive(Deserialize, JsonSchema)]
struct Message {
    /// What the user is asked
    message: String,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Confirmed {
    ok: bool,
}

pub(crate) fn add(builder: Builder) -> Builder {
    rounds(live(builder))
}

/// Written for clients that receive requests while their call is open; the same handlers send requests as results to
/// others.
fn live(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("test_sampling").description("Asks the client's model.").run(
            async |Prompt { prompt }: Prompt, context: Context| {
                format!("LLM response: {}", text(&context.ask("answer", sampling(&prompt, 100)).await))
            },
        ))
        .tool(Tool::new("test_elicitation").description("Asks the user.").run(
            async |Message { message }: Message, context: Context| {
                let form = schema(json!({
                    "type": "object",
                    "properties": {
                        "username": {"type": "string", "description": "User's response"},
                        "email": {"type": "string", "description": "User's email address"}
                    },
                    "required": ["username", "email"]
                }));
                format!(
                    "User response: {}",
                    told(&context.ask("user", ElicitRequest::form(message, form)).await)
                )
            },
        ))
        .tool(
            Tool::new("test_elicitation_sep1034_defaults")
                .description("Asks with a default for every field.")
                .run(async |_: NoArguments, context: Context| {
                    let form = ElicitRequest::form("Please review your details", schema(defaults()));
                    format!("Elicitation completed: {}", told(&context.ask("details", form).await))
                }),
        )
        .tool(Tool::new("test_elicitation_sep1330_enums").description("Asks with every form of choice.").run(
            async |_: NoArguments, context: Context| {
                let form = ElicitRequest::form("Please choose", schema(enums()));
                format!("Elicitation completed: {}", told(&context.ask("choices", form).await))
            },
        ))
        .tool(Tool::new("test_missing_capability").description("Needs a client with a model.").run(
            async |_: NoArguments, context: Context| {
                text(&context.ask("answer", sampling("Hello?", 10)).await)
            },
        ))
        .tool(
            Tool::new("test_streaming_elicitation")
                .description("Tells of its progress, then asks the user.")
                .run(async |_: NoArguments, context: Context| {
                    context.progress(1.0, 2.0, "about to ask").await;
                    match context.ask("name", Form::<Name>::new("What is your name?")).await {
                        Elicited::Accepted(Name { name }) => format!("Hello, {name}!"),
                        Elicited::Declined | Elicited::Cancelled => "Nobody said".to_owned(),
                    }
                }),
        )
}

fn rounds(builder: Builder) -> Builder {
    builder
        .tool(
            Tool::new("test_input_required_result_elicitation")
                .description("Asks the user for a name.")
                .run(async |_: NoArguments, context: Context| hello(&context, "user_name").await),
        )
        .tool(
            Tool::new("test_input_required_result_sampling")
                .description("Asks the model for a capital.")
                .run(async |_: NoArguments, context: Context| {
                    text(
                        &context
                            .ask("capital_question", sampling("What is the capital of France?", 100))
                            .await,
                    )
                }),
        )
        .tool(Tool::new("test_input_required_result_list_roots").description("Asks for the roots.").run(
            async |_: NoArguments, context: Context| {
                named(&context.ask("client_roots", ListRootsRequest::default()).await)
            },
        ))
        .tool(
            Tool::new("test_input_required_result_request_state")
                .description("Asks, and keeps its state.")
                .run(async |_: NoArguments, context: Context| {
                    format!("state-ok, {}", confirmed(&context).await)
                }),
        )
        .tool(
            Tool::new("test_input_required_result_multiple_inputs")
                .description("Asks three things at once.")
                .run(async |_: NoArguments, context: Context| {
                    let (hello, greeting, roots) = tokio::join!(
                        hello(&context, "user_name"),
                        context.ask("greeting", sampling("Generate a greeting", 50)),
                        context.ask("client_roots", ListRootsRequest::default()),
                    );
                    format!("{hello} {} {}", text(&greeting), named(&roots))
                }),
        )
        .tool(
            Tool::new("test_input_required_result_multi_round")
                .description("Asks twice, one after the other.")
                .run(async |_: NoArguments, context: Context| {
                    let first = context.ask("step1", Form::<Name>::new("Step 1: What is your name?")).await;
                    let second = context
                        .ask("step2", Form::<Color>::new("Step 2: What is your favorite color?"))
                        .await;
                    let name = first.accepted().map_or_else(|| "Nobody".to_owned(), |Name { name }| name);
                    let color =
                        second.accepted().map_or_else(|| "no color".to_owned(), |Color { color }| color);
                    format!("{name} likes {color}")
                }),
        )
        .tool(
            Tool::new("test_input_required_result_tampered_state")
                .description("Notices an altered state.")
                .run(async |_: NoArguments, context: Context| {
                    format!("the state was not altered, {}", confirmed(&context).await)
                }),
        )
        .tool(
            Tool::new("test_input_required_result_capabilities")
                .description("Asks only what the client declared.")
                .run(async |_: NoArguments, context: Context| declared(&context).await),
        )
}

#[derive(Deserialize, JsonSchema)]
struct Color {
    color: String,
}

async fn confirmed(context: &Context) -> &'static str {
    let answer = context.ask("confirm", Form::<Confirmed>::new("Please confirm")).await;
    if answer.accepted().is_some_and(|Confirmed { ok }| ok) { "confirmed" } else { "not confirmed" }
}

async fn hello(context: &Context, key: &str) -> String {
    match context.ask(key, Form::<Name>::new("What is your name?")).await {
        Elicited::Accepted(Name { name }) => format!("Hello, {name}!"),
        Elicited::Declined | Elicited::Cancelled => "Hello, whoever you are!".to_owned(),
    }
}

/// Sends all requests together that this client's capabilities allow.
async fn declared(context: &Context) -> String {
    let (model, user, roots) =
        (sampling("Say hello", 50), Form::<Name>::new("What is your name?"), ListRootsRequest::default());
    let (can_sample, can_elicit, can_list) =
        (context.can_ask(&model), context.can_ask(&user), context.can_ask(&roots));
    let (said, name, roots) = tokio::join!(
        async { if can_sample { Some(context.ask("sampling", model).await) } else { None } },
        async { if can_elicit { Some(context.ask("elicitation", user).await) } else { None } },
        async { if can_list { Some(context.ask("roots", roots).await) } else { None } },
    );
    let name = name.and_then(Elicited::accepted).map(|Name { name }| name);
    format!("said {:?}, named {name:?}, {:?}", said.as_ref().map(text), roots.as_ref().map(named))
}

fn sampling(prompt: &str, max_tokens: u64) -> CreateMessageRequest {
    CreateMessageRequest::new(vec![SamplingMessage::user(prompt)], max_tokens)
}

/// The words of a model.
fn text(result: &CreateMessageResult) -> String {
    let words = result.content.blocks().iter().filter_map(|block| match block {
        SamplingMessageContentBlock::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    words.collect::<Vec<_>>().join(" ")
}

/// The user's action on a form.
fn told(result: &ElicitResult) -> String {
    let content = result.content.as_ref().map_or(Value::Null, |content| Value::Object(content.clone()));
    format!("action={}, content={content}", json!(result.action).as_str().unwrap_or_default())
}

fn named(roots: &ListRootsResult) -> String {
    let names: Vec<String> = roots
        .roots
        .iter()
        .map(|root| format!("{} {}", root.name.as_deref().unwrap_or("-"), root.uri))
        .collect();
    format!("Roots: {}", names.join(", "))
}

/// A form by its schema. What cannot be read as one asks for nothing, and the scenario that wanted it fails.
fn schema(value: Value) -> RequestedSchema {
    serde_json::from_value(value).unwrap_or_default()
}

fn defaults() -> Value {
    json!({
        "type": "object",
        "properties": {
            "name": {"type": "string", "description": "User name", "default": "John Doe"},
            "age": {"type": "integer", "description": "User age", "default": 30},
            "score": {"type": "number", "description": "User score", "default": 95.5},
            "status": {
                "type": "string", "description": "User status", "enum": ["active", "inactive", "pending"],
                "default": "active"
            },
            "verified": {"type": "boolean", "description": "Verification status", "default": true}
        },
        "required": []
    })
}

fn enums() -> Value {
    let titled = |values: [(&str, &str); 3]| -> Vec<Value> {
        values.iter().map(|(value, title)| json!({"const": value, "title": title})).collect()
    };
    let choices = [("value1", "First Option"), ("value2", "Second Option"), ("value3", "Third Option")];
    json!({
        "type": "object",
        "properties": {
            "untitledSingle": {"type": "string", "enum": ["option1", "option2", "option3"]},
            "titledSingle": {"type": "string", "oneOf": titled(choices)},
            "legacyEnum": {
                "type": "string", "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"]
            },
            "untitledMulti": {
                "type": "array", "items": {"type": "string", "enum": ["option1", "option2", "option3"]}
            },
            "titledMulti": {"type": "array", "items": {"anyOf": titled(choices)}}
        },
        "required": []
    })
}
