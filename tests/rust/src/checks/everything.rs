//! What `server-everything` answers: the reference server of the protocol's own project.

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{each, equal, expect, said, texts};
use crate::clients::Client;

/// Puts the client to one check, and says whether there is such a check.
pub(crate) async fn check(client: &impl Client, name: &str) -> anyhow::Result<bool> {
    match name {
        "list" => list(client).await?,
        "call" => call(client).await?,
        "read" => read(client).await?,
        "prompt" => prompt(client).await?,
        "complete" => complete(client).await?,
        "ask" => ask(client).await?,
        "sample" => sample(client).await?,
        "progress" => progress(client).await?,
        // What it logs is random.
        _ => return Ok(false),
    }
    Ok(true)
}

async fn list(client: &impl Client) -> anyhow::Result<()> {
    let tools = each(&client.tools().await?, "name");
    for name in ["echo", "get-sum", "trigger-elicitation-request", "trigger-sampling-request"] {
        let listed = tools.as_array().is_some_and(|tools| tools.iter().any(|tool| tool == name));
        expect(listed, &format!("the tool `{name}` is listed"), &tools)?;
    }
    let resources = each(&client.resources().await?, "uri");
    let document = "demo://resource/static/document/architecture.md";
    let listed = resources.as_array().is_some_and(|uris| uris.iter().any(|uri| uri == document));
    expect(listed, "the documents are resources", &resources)?;
    let templates = ["text", "blob"].map(|kind| format!("demo://resource/dynamic/{kind}/{{resourceId}}"));
    equal(&each(&client.templates().await?, "uriTemplate"), &json!(templates), "the list of templates")?;
    let prompts = json!(["simple-prompt", "args-prompt", "completable-prompt", "resource-prompt"]);
    equal(&each(&client.prompts().await?, "name"), &prompts, "the list of prompts")
}

async fn call(client: &impl Client) -> anyhow::Result<()> {
    let echo = client.call("echo", json!({"message": "grüß dich"})).await?;
    equal(&texts(&echo), &json!(["Echo: grüß dich"]), "the echo")?;
    let weather = client.call("get-structured-content", json!({"location": "Chicago"})).await?;
    let conditions = &weather["structuredContent"]["conditions"];
    equal(conditions, &json!("Light rain / drizzle"), "the weather")?;
    let image = client.call("get-tiny-image", json!({})).await?;
    expect(
        image["content"][1]["mimeType"] == "image/png",
        "the second block is an image",
        &image["content"][1],
    )
}

async fn read(client: &impl Client) -> anyhow::Result<()> {
    let document = client.read("demo://resource/static/document/architecture.md").await?;
    let text = document[0]["text"].as_str().unwrap_or_default();
    expect(text.starts_with("# Everything Server"), "the document has its title", &text)?;
    let dynamic = client.read("demo://resource/dynamic/text/7").await?;
    let text = dynamic[0]["text"].as_str().unwrap_or_default();
    expect(text.starts_with("Resource 7: "), "the resource is the seventh", &text)
}

async fn prompt(client: &impl Client) -> anyhow::Result<()> {
    let messages = client.prompt("args-prompt", json!({"city": "Oslo", "state": "Norway"})).await?;
    equal(&said(&messages), &json!([["user", "What's weather in Oslo, Norway?"]]), "the prompt")
}

async fn complete(client: &impl Client) -> anyhow::Result<()> {
    let prompt = json!({"type": "ref/prompt", "name": "completable-prompt"});
    equal(&client.complete(prompt, "department", "S").await?, &json!(["Sales", "Support"]), "the departments")
}

async fn ask(client: &impl Client) -> anyhow::Result<()> {
    client.heard().questions();
    let result = client.call("trigger-elicitation-request", json!({})).await?;
    let question = "Please provide inputs for the following fields:";
    equal(&client.heard().questions(), &json!([question]), "what the user was asked")?;
    let said = texts(&result).to_string();
    expect(said.contains("- Name: Ada"), "the server heard the name", &said)
}

async fn sample(client: &impl Client) -> anyhow::Result<()> {
    client.heard().prompts();
    let result = client.call("trigger-sampling-request", json!({"prompt": "word", "maxTokens": 20})).await?;
    let asked = json!(["Resource trigger-sampling-request context: word"]);
    equal(&client.heard().prompts(), &asked, "what the model was asked")?;
    let said = result["content"][0]["text"].as_str().unwrap_or_default();
    let said = said.strip_prefix("LLM sampling result: ").context("the result begins otherwise")?;
    let said: Value = serde_json::from_str(said)?;
    equal(&said["content"], &json!({"type": "text", "text": "bird"}), "what the server heard of the model")
}

async fn progress(client: &impl Client) -> anyhow::Result<()> {
    client.heard().progress();
    let arguments = json!({"duration": 0.3, "steps": 3});
    let result = client.call("trigger-long-running-operation", arguments).await?;
    expect(texts(&result).to_string().contains("completed"), "the operation ends", &result)?;
    let mut steps = client.heard().progress();
    // The server sends its answer right after the last step, and some clients forget a step that has its answer already.
    if let Some(steps) = steps.as_array_mut() {
        steps.truncate(2);
    }
    equal(&steps, &json!([[1.0, 3.0, null], [2.0, 3.0, null]]), "the progress")
}
