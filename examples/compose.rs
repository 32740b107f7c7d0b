//! Tools that call each other.
//!
//! What the called tool asks is asked as part of the call, and so is what it tells: the client sees one call.

use std::{error::Error, future::pending};

use anyport::{
    Context, Server, Tool, live,
    server::{CallError, Form, Json},
    stdio,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

#[derive(Deserialize, Serialize, JsonSchema)]
struct File {
    name: String,
}

#[derive(Deserialize, JsonSchema)]
struct Files {
    names: Vec<String>,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Deleted {
    deleted: bool,
}

#[derive(Deserialize, JsonSchema)]
struct Sure {
    sure: bool,
}

async fn delete(File { name }: File, context: Context) -> Json<Deleted> {
    let question = Form::<Sure>::new(format!("Delete {name}?"));
    let sure = context.ask("sure", question).await.accepted().is_some_and(|Sure { sure }| sure);
    Json(Deleted { deleted: sure })
}

async fn clean(Files { names }: Files, context: Context) -> Result<String, CallError> {
    let mut gone = 0;
    for name in names {
        // Validated as any call is. Its question has the key `delete/sure`, that of the second call `delete#2/sure`.
        let Deleted { deleted } = context.call_as("delete", &json!({"name": name})).await?;
        gone += u32::from(deleted);
    }
    Ok(format!("{gone} files are gone"))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let server = Server::builder("compose", "1.0.0")
        .tool(Tool::new("delete").description("Deletes a file.").run(delete))
        .tool(Tool::new("clean").description("Deletes several files.").run(clean))
        .build()?;
    stdio::serve(live(server), stdio::Config::default(), pending()).await?;
    Ok(())
}
