//! What the server of `examples/tour.rs` answers, and its twins with other people's libraries.

use serde_json::json;

use super::{each, equal, expect, said, texts};
use crate::clients::Client;

const PIXEL: &str =
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC";

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
        "log" => log(client).await?,
        _ => return Ok(false),
    }
    Ok(true)
}

async fn list(client: &impl Client) -> anyhow::Result<()> {
    let tools = json!(["greet", "measure", "picture", "count", "book", "rhyme", "fail"]);
    equal(&each(&client.tools().await?, "name"), &tools, "the list of tools")?;
    let resources = each(&client.resources().await?, "uri");
    equal(&resources, &json!(["tour:///about", "tour:///pixel"]), "the list of resources")?;
    let templates = each(&client.templates().await?, "uriTemplate");
    equal(&templates, &json!(["tour:///chapters/{name}"]), "the list of templates")?;
    let prompts = client.prompts().await?;
    equal(&each(&prompts, "name"), &json!(["explain"]), "the list of prompts")?;
    let argument = &prompts[0]["arguments"][0];
    equal(
        &json!([argument["name"], argument["required"]]),
        &json!(["language", true]),
        "the prompt's argument",
    )
}

async fn call(client: &impl Client) -> anyhow::Result<()> {
    let greeting = client.call("greet", json!({"name": "Ada"})).await?;
    equal(&texts(&greeting), &json!(["Hello, Ada!"]), "the greeting")?;
    expect(greeting["isError"] != true, "the greeting is no error", &greeting)?;
    let measure = client.call("measure", json!({"text": "three wörds, äh"})).await?;
    let measured = json!({"words": 3, "longest": "wörds,"});
    equal(&measure["structuredContent"], &measured, "the measure")?;
    let picture = client.call("picture", json!({})).await?;
    let block = &picture["content"][0];
    let wanted = json!(["image", "image/png", PIXEL]);
    equal(&json!([block["type"], block["mimeType"], block["data"]]), &wanted, "the picture")?;
    let failure = client.call("fail", json!({})).await?;
    expect(failure["isError"] == true, "a failure is marked as one", &failure)?;
    equal(&texts(&failure), &json!(["this tool fails, and says so"]), "the failure")
}

async fn read(client: &impl Client) -> anyhow::Result<()> {
    let about = client.read("tour:///about").await?;
    equal(&each(&about, "text"), &json!(["# A tour\n\nSome of everything."]), "the text")?;
    equal(&each(&about, "mimeType"), &json!(["text/markdown"]), "its kind")?;
    equal(&each(&client.read("tour:///pixel").await?, "blob"), &json!([PIXEL]), "the bytes")?;
    let chapter = client.read("tour:///chapters/market").await?;
    equal(&each(&chapter, "uri"), &json!(["tour:///chapters/market"]), "its URI")?;
    equal(&each(&chapter, "text"), &json!(["They sell figs."]), "the chapter")
}

async fn prompt(client: &impl Client) -> anyhow::Result<()> {
    let messages = client.prompt("explain", json!({"language": "rust"})).await?;
    equal(&said(&messages), &json!([["user", "Explain rust in one sentence."]]), "the prompt")
}

async fn complete(client: &impl Client) -> anyhow::Result<()> {
    let prompt = json!({"type": "ref/prompt", "name": "explain"});
    equal(&client.complete(prompt, "language", "ru").await?, &json!(["rust", "ruby"]), "the languages")?;
    let template = json!({"type": "ref/resource", "uri": "tour:///chapters/{name}"});
    equal(&client.complete(template, "name", "m").await?, &json!(["market", "mountain"]), "the chapters")
}

async fn ask(client: &impl Client) -> anyhow::Result<()> {
    client.heard().questions();
    let result = client.call("book", json!({})).await?;
    equal(&client.heard().questions(), &json!(["Where shall it go?"]), "what the user was asked")?;
    equal(&texts(&result), &json!(["Booked: 3 nights in Oslo"]), "the booking")
}

async fn sample(client: &impl Client) -> anyhow::Result<()> {
    client.heard().prompts();
    let result = client.call("rhyme", json!({"word": "word"})).await?;
    equal(&client.heard().prompts(), &json!(["What rhymes with word?"]), "what the model was asked")?;
    equal(&texts(&result), &json!(["word rhymes with bird"]), "the rhyme")
}

async fn progress(client: &impl Client) -> anyhow::Result<()> {
    client.heard().progress();
    let result = client.call("count", json!({"to": 3})).await?;
    equal(&texts(&result), &json!(["counted to 3"]), "the count")?;
    let steps = json!([[1.0, 3.0, "1 of 3"], [2.0, 3.0, "2 of 3"], [3.0, 3.0, "3 of 3"]]);
    equal(&client.heard().progress(), &steps, "the progress")
}

async fn log(client: &impl Client) -> anyhow::Result<()> {
    client.heard().logs();
    client.call("count", json!({"to": 1})).await?;
    equal(&client.heard().logs(), &json!([["info", "here we go"]]), "the log")
}
