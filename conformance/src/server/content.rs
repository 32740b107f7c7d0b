//! Tools that answer: every kind of content, errors, progress, logs, changes, headers, a pollable stream.

use std::time::Duration;

use anyport::{
    BuildError, Context, Prompt, Tool, ToolResult,
    protocol::{LogLevel, Raw},
    server::{Builder, NoArguments, Values},
    types::{ContentBlock, ResourceContents},
};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::sleep;

/// A picture of one pixel.
pub(crate) const PNG: &[u8] = include_bytes!("../../data/pixel.png");

/// A sound of no length.
const WAV: &[u8] = include_bytes!("../../data/silence.wav");

/// The pause between notifications.
const PAUSE: Duration = Duration::from_millis(50);

#[derive(Deserialize, JsonSchema)]
struct Header {
    /// Mirrored into a header by clients that speak HTTP
    #[schemars(extend("x-mcp-header" = "Value"))]
    value: String,
}

pub(crate) fn add(builder: Builder) -> Builder {
    let builder = builder
        .tool(
            Tool::new("test_simple_text")
                .description("Answers with text.")
                .run(async |_: NoArguments, _| "This is a simple text response for testing."),
        )
        .tool(
            Tool::new("test_image_content")
                .description("Answers with an image.")
                .run(async |_: NoArguments, _| ContentBlock::image(PNG, "image/png")),
        )
        .tool(
            Tool::new("test_audio_content")
                .description("Answers with audio.")
                .run(async |_: NoArguments, _| ContentBlock::audio(WAV, "audio/wav")),
        )
        .tool(Tool::new("test_embedded_resource").description("Answers with a resource.").run(
            async |_: NoArguments, _| {
                embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")
            },
        ))
        .tool(
            Tool::new("test_multiple_content_types")
                .description("Answers with several kinds of content.")
                .run(async |_: NoArguments, _| {
                    let data = r#"{"test":"data","value":123}"#;
                    vec![
                        ContentBlock::text("Multiple content types test:"),
                        ContentBlock::image(PNG, "image/png"),
                        embedded("test://mixed-content-resource", "application/json", data),
                    ]
                }),
        )
        .tool(Tool::new("test_error_handling").description("Fails, in words for the model.").run(
            async |_: NoArguments, _| {
                ToolResult::error("This tool intentionally returns an error for testing")
            },
        ));
    let builder = notifying(builder);
    builder
        .tool(
            Tool::new("json_schema_2020_12_tool")
                .description("Has a schema that uses much of JSON Schema 2020-12.")
                .input_schema(schema_2020_12())
                .run_raw(async |arguments: Raw, _| format!("Accepted {arguments}")),
        )
        .tool(
            Tool::new("test_custom_header")
                .description("Has a parameter that is mirrored into a header.")
                .run(async |Header { value }: Header, _| format!("Received {value}")),
        )
}

fn notifying(builder: Builder) -> Builder {
    builder
        .tool(Tool::new("test_tool_with_progress").description("Tells how far it has come.").run(
            async |_: NoArguments, context: Context| {
                for progress in [0.0, 50.0, 100.0] {
                    context.progress(progress, 100.0, None).await;
                    sleep(PAUSE).await;
                }
                "Progress test completed"
            },
        ))
        .tool(Tool::new("test_tool_with_logging").description("Logs what it does.").run(
            async |_: NoArguments, context: Context| {
                for message in ["Tool execution started", "Tool processing data", "Tool execution completed"]
                {
                    context.log(LogLevel::Info, None, message).await;
                    sleep(PAUSE).await;
                }
                "Logging test completed"
            },
        ))
        .tool(Tool::new("test_logging_tool").description("Logs, if it is asked to.").run(
            async |_: NoArguments, context: Context| {
                context.log(LogLevel::Info, "everything", "A log message").await;
                "Logged"
            },
        ))
        .tool(Tool::new("test_trigger_tool_change").description("Changes what tools there are.").run(
            async |_: NoArguments, context: Context| {
                let server = context.server();
                if !server.remove_tool("test_changing") {
                    server.add(changing_tool())?;
                }
                Ok::<_, BuildError>("Changed")
            },
        ))
        .tool(Tool::new("test_trigger_prompt_change").description("Changes what prompts there are.").run(
            async |_: NoArguments, context: Context| {
                let server = context.server();
                if !server.remove_prompt("test_changing") {
                    server.add(changing_prompt())?;
                }
                Ok::<_, BuildError>("Changed")
            },
        ))
        .tool(
            Tool::new("test_reconnection")
                .description("Lets the client go and answers when it is back.")
                .run(async |_: NoArguments, context: Context| {
                    context.disconnect(Duration::from_millis(500)).await;
                    sleep(Duration::from_millis(100)).await;
                    "Reconnection test completed"
                }),
        )
}

fn changing_tool() -> Tool {
    Tool::new("test_changing").description("Comes and goes.").run(async |_: NoArguments, _| "Here")
}

fn changing_prompt() -> Prompt {
    Prompt::new("test_changing").description("Comes and goes.").get(async |_: Values, _| "Here")
}

fn embedded(uri: &str, mime_type: &str, text: &str) -> ContentBlock {
    ContentBlock::embedded(ResourceContents::text(uri, text).with_mime_type(mime_type))
}

/// Exactly the schema that the suite compares with.
fn schema_2020_12() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}}
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"}
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": false
    })
}
