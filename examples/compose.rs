//! Tools that call each other.
//!
//! ```sh
//! cargo run -p anyport-examples --bin compose
//! ```
//!
//! Questions and notifications of the called tool become those of the calling tool: the client sees one call. If none
//! of this is needed, `delete::call(..)` is the plain function.

use anyport::{Context, ServeError, Server, ToolError, ask::Form, serve, tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, Serialize, JsonSchema)]
struct Deleted {
    deleted: bool,
}

#[derive(Deserialize, JsonSchema)]
struct Sure {
    sure: bool,
}

/// Deletes a file.
#[tool(destructive)]
async fn delete(context: Context, name: String) -> Deleted {
    let question = Form::new(format!("Delete {name}?"));
    let answer = context.ask("sure", question).await.accepted();
    Deleted { deleted: answer.is_some_and(|Sure { sure }| sure) }
}

/// Deletes several files.
#[tool(destructive)]
async fn clean(context: Context, names: Vec<String>) -> Result<String, ToolError> {
    let mut gone = 0;
    for name in names {
        // Validated as any call is. Its question has the key `delete/sure`, and that of the second call
        // `delete#2/sure`.
        let Deleted { deleted } = context.call_as("delete", &json!({"name": name})).await?;
        gone += u32::from(deleted);
    }
    Ok(format!("{gone} files are gone"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), ServeError> {
    serve(Server::builder("compose", "1.0.0").add(delete).add(clean).build()?).stdio().await
}
