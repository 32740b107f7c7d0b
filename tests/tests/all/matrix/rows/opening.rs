//! How a dialogue opens.

use anyport::Revision::*;
use anyport_testing::Lost as Nothing;
use serde_json::{Value, json};

use super::Topic;
use crate::matrix::{
    pair::Pair,
    row::Row,
    verdict::{Carried, Lost, Measured, Verdict, all, error, lost, lowered, refused, same},
};

pub(crate) fn topic() -> Topic {
    Topic {
        name: "Opening",
        about: "",
        whole: false,
        rows: vec![
            Row::new("Name and version of the server", async |pair| {
                Ok(members(&info(pair).await?, &["name", "version", "x-own"]))
            }),
            Row::new("Title of the server", async |pair| Ok(members(&info(pair).await?, &["title"])))
                .since(V2025_06_18),
            Row::new("Icons and website of the server", async |pair| {
                Ok(members(&info(pair).await?, &["icons", "websiteUrl"]))
            })
            .since(V2025_11_25),
            Row::new("Instructions, unknown members", instructions),
            Row::new("Capabilities of the server", capabilities).rule(|client, server| {
                match (client, server) {
                    (_, V2024_11_05) => lowered(COMPLETIONS),
                    _ => Carried,
                }
            }),
            Row::new("Tasks", tasks).since(V2025_11_25).rule(|_, _| refused(TASKS)),
            Row::new("Name of the client", client_name),
            Row::new("`ping` from the client", ping)
                .rule(|client, _| if client.is_stateless() { refused(NO_PING) } else { lowered(HERE) }),
            Row::new("`ping` from the server", pinged).until(V2025_11_25).rule(|_, _| lowered(HERE)),
        ],
    }
}

const COMPLETIONS: &str =
    "`completions` is added: that revision could complete, but had no capability for it";
const TASKS: &str =
    "not declared to either side, and `tasks/get` is -32601: each call is answered by its result";
const HERE: &str = "answered by the bridge, at once";
const NO_PING: &str = "-32601: 2026-07-28 has no `ping`";

/// What the server says of itself, wherever the client's revision has it.
async fn info(pair: &mut Pair) -> Result<Value, Nothing> {
    let said = pair.wire.discover().await?;
    Ok(match pair.client.is_stateless() {
        true => said["_meta"]["io.modelcontextprotocol/serverInfo"].clone(),
        false => said["serverInfo"].clone(),
    })
}

fn members(arrived: &Value, names: &[&str]) -> Verdict {
    let sent = crate::matrix::peer::offers::info(anyport::Revision::NEWEST);
    all(names.iter().map(|name| same(&arrived[*name], &sent[*name])))
}

async fn instructions(pair: &mut Pair) -> Measured {
    let said = pair.wire.discover().await?;
    Ok(all([same(&said["instructions"], &json!("Be kind.")), same(&said["x-own"], &json!([1]))]))
}

async fn capabilities(pair: &mut Pair) -> Measured {
    let arrived = pair.wire.discover().await?["capabilities"].clone();
    let mut sent = crate::matrix::peer::offers::capabilities(pair.server);
    // Of tasks is told below.
    for name in ["tasks", "extensions"] {
        sent.as_object_mut().map(|all| all.remove(name));
    }
    let mut completing = sent.clone();
    completing["completions"] = json!({});
    Ok(if arrived == completing && sent.get("completions").is_none() {
        lowered(COMPLETIONS)
    } else {
        same(&arrived, &sent)
    })
}

async fn tasks(pair: &mut Pair) -> Measured {
    const EXTENSION: &str = "io.modelcontextprotocol/tasks";
    let declared = |capabilities: &Value| {
        capabilities.get("tasks").is_some() || capabilities["extensions"].get(EXTENSION).is_some()
    };
    let answer = pair.wire.call("tasks/get", json!({"taskId": "1"})).await?;
    pair.tool("echo").await?;
    let to_client = declared(&pair.wire.discover().await?["capabilities"]);
    let to_server = declared(&match pair.server.is_stateless() {
        true => pair.peer.last("tools/call")["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
            .clone(),
        false => pair.peer.last("initialize")["params"]["capabilities"].clone(),
    });
    Ok(match answer.code() {
        Some(-32601) if !to_client && !to_server => refused(TASKS),
        _ => Lost(format!("declared: {to_client}, {to_server}, {:?}", answer.outcome)),
    })
}

async fn client_name(pair: &mut Pair) -> Measured {
    const KEY: &str = "io.modelcontextprotocol/clientInfo";
    let modern = json!({ KEY: {"name": "anyport-testing", "version": "1"} });
    let meta = if pair.client.is_stateless() { modern } else { json!({}) };
    pair.wire.call("tools/call", json!({"name": "echo", "_meta": meta})).await?;
    let arrived = match pair.server.is_stateless() {
        true => pair.peer.last("tools/call")["params"]["_meta"][KEY]["name"].clone(),
        false => pair.peer.last("initialize")["params"]["clientInfo"]["name"].clone(),
    };
    Ok(same(&arrived, &json!("anyport-testing")))
}

async fn ping(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    let answer = pair.wire.call("ping", Value::Null).await?;
    let arrived = pair.peer.has_heard(|message| message["method"] == "ping");
    Ok(match (&answer.outcome, arrived) {
        (Ok(result), false) if *result == json!({}) => lowered(HERE),
        (Err(refusal), false) if refusal.code == -32601 => refused(NO_PING),
        _ => error(&answer).unwrap_or_else(|| lost(&answer)),
    })
}

async fn pinged(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    let answer = pair.peer.ask_aside("ping", Value::Null).await;
    let arrived = pair.wire.heard().iter().any(|heard| heard.message["method"] == "ping");
    Ok(match answer {
        Ok(result) if result == json!({}) && !arrived => lowered(HERE),
        other => Lost(format!("{other:?}")),
    })
}
