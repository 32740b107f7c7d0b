//! What results are made of.

use anyport::Revision::*;
use anyport_testing::Lost as Nothing;
use serde_json::{Value, json};

use super::Topic;
use crate::matrix::{
    pair::Pair,
    peer::answers,
    row::Row,
    verdict::{Carried, Lost, Measured, Verdict, lowered, same},
};

pub(crate) fn topic() -> Topic {
    Topic {
        name: "Results",
        about: "",
        whole: false,
        rows: vec![
            Row::new("Images", async |pair| Ok(same(&block(pair, "image").await?, &answers::image()))),
            Row::new("Embedded resources", async |pair| {
                Ok(same(&block(pair, "embedded").await?, &answers::embedded()))
            }),
            Row::new("Audio, of tools and prompts", async |pair| {
                let (tool, prompt) = (block(pair, "audio").await?, message(pair, 1).await?);
                Ok(both(audio(&tool), audio(&prompt)))
            })
            .since(V2025_03_26)
            .rule(|client, _| if client < V2025_03_26 { lowered(AUDIO) } else { Carried }),
            Row::new("Resource links, of tools and prompts", async |pair| {
                let (tool, prompt) = (block(pair, "link").await?, message(pair, 2).await?);
                Ok(both(link(&tool), link(&prompt)))
            })
            .since(V2025_06_18)
            .rule(|client, _| if client < V2025_06_18 { lowered(LINK) } else { Carried }),
            Row::new("Structured results", structured)
                .since(V2025_06_18)
                .rule(|client, _| if client < V2025_06_18 { lowered(STRUCTURED) } else { Carried }),
            Row::new("Structured results that are not objects", list)
                .since(V2026_07_28)
                .rule(|client, _| if client.is_stateless() { Carried } else { lowered(LIST) }),
        ],
    }
}

const AUDIO: &str = "an embedded resource with the same bytes";
const LINK: &str = "a text: name, URI and description";
const STRUCTURED: &str = "also sent as text, unless the server does so itself";
const LIST: &str = "sent as text instead";

async fn block(pair: &mut Pair, tool: &str) -> Result<Value, Nothing> {
    Ok(pair.tool(tool).await?.outcome?["content"][0].clone())
}

async fn message(pair: &mut Pair, number: usize) -> Result<Value, Nothing> {
    let got = pair.wire.call("prompts/get", json!({"name": "blocks"})).await?.outcome?;
    Ok(got["messages"][number]["content"].clone())
}

fn both(one: Verdict, other: Verdict) -> Verdict {
    if one == other { one } else { Lost(format!("{one} of a tool, {other} of a prompt")) }
}

fn audio(arrived: &Value) -> Verdict {
    let sent = answers::audio();
    let resource = &arrived["resource"];
    let embedded = arrived["type"] == "resource"
        && resource["blob"] == sent["data"]
        && resource["mimeType"] == sent["mimeType"]
        && resource["uri"].as_str().is_some_and(|uri| uri.starts_with("urn:sha256:"));
    if embedded { lowered(AUDIO) } else { same(arrived, &sent) }
}

fn link(arrived: &Value) -> Verdict {
    let text = json!({"type": "text", "text": "text <test:///text> A text.", "annotations": {"priority": 1}});
    if *arrived == text { lowered(LINK) } else { same(arrived, &answers::link()) }
}

async fn structured(pair: &mut Pair) -> Measured {
    let result = pair.tool("structured").await?.outcome?;
    let verdict = same(&result["structuredContent"], &json!({"sum": 3}));
    let said = result["content"] == json!([answers::text("{\"sum\":3}")]);
    Ok(if said && verdict == Carried { lowered(STRUCTURED) } else { verdict })
}

async fn list(pair: &mut Pair) -> Measured {
    let result = pair.tool("list").await?.outcome?;
    let said = result["content"] == json!([answers::text("[1,2,3]")]);
    Ok(match result.get("structuredContent") {
        None if said => lowered(LIST),
        structured => same(structured.unwrap_or(&Value::Null), &json!([1, 2, 3])),
    })
}
