//! A tool whose schema is written by hand, or comes from elsewhere, and whose arguments stay JSON.
//!
//! ```sh
//! cargo run -p anyport-examples --bin raw_schema
//! ```
//!
//! For proxies, plug-ins and generated tools: what is known only when the program runs has no type of its own.

use anyport::{Context, Raw, ServeError, Server, Tool, ToolResult, serve};
use serde_json::{Value, json};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    // The schema is compiled when the server is built, which fails if it is none, and listed exactly as it stands here.
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
        // The arguments have been checked against the schema. They are the client's own text: nothing was parsed that
        // nobody asked for, and `decode` makes any type of them.
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
            // What does not conform to the output schema would end the call with an error, and not reach the client.
            ToolResult::structured(&json!({"celsius": celsius, "fahrenheit": celsius * 1.8 + 32.0}))
        });
    serve(Server::builder("raw_schema", "1.0.0").add(convert).build()?).stdio().await
}
