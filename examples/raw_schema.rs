//! A tool with a schema that is written by hand or comes from elsewhere, and with arguments that stay JSON.
//!
//! ```sh
//! cargo run -p anyport-examples --bin raw_schema
//! ```
//!
//! For proxies, plug-ins and generated tools, whose arguments have no Rust type.

use anyport::{Context, ServeError, Server, Tool, ToolResult, protocol::Raw, serve};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    // The schema is compiled when the server is built, which fails if the schema is invalid, and listed exactly as it
    // is here.
    let convert = Tool::new("convert")
        .description("Converts a temperature.")
        .input_schema(json!({
            "type": "object",
            "properties": {
                "celsius": {"type": "number", "minimum": -273.15},
                "fahrenheit": {"type": "number", "minimum": -459.67}
            },
            "oneOf": [{"required": ["celsius"]}, {"required": ["fahrenheit"]}],
            "additionalProperties": false
        }))
        .output_schema(json!({
            "type": "object",
            "properties": {"celsius": {"type": "number"}, "fahrenheit": {"type": "number"}},
            "required": ["celsius", "fahrenheit"]
        }))
        // The arguments have been checked against the schema. They are the client's own text, unparsed; `decode`
        // converts them to any type.
        .run_raw(async |arguments: Raw, _: Context| {
            let arguments: Value = match arguments.decode() {
                Ok(arguments) => arguments,
                Err(error) => return ToolResult::error(error.to_string()),
            };
            let celsius = match (arguments["celsius"].as_f64(), arguments["fahrenheit"].as_f64()) {
                (Some(celsius), _) => celsius,
                (None, Some(fahrenheit)) => (fahrenheit - 32.0) / 1.8,
                (None, None) => return ToolResult::error("a temperature is needed"),
            };
            // A result that violates the output schema ends the call with an error, and does not reach the client.
            ToolResult::structured(&json!({"celsius": celsius, "fahrenheit": celsius * 1.8 + 32.0}))
        });
    serve(Server::builder("raw_schema", "1.0.0").add(convert).build()?).stdio().await
}
