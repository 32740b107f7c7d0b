//! What clients ask of servers.

use anyport::Revision::*;
use serde_json::{Value, json};

use super::Topic;
use crate::matrix::{
    pair::Pair,
    row::Row,
    verdict::{Carried, Measured, all, error, lost, lowered, refused, same},
};

pub(crate) fn topic() -> Topic {
    Topic {
        name: "Requests and errors",
        about: "",
        whole: false,
        rows: vec![
            Row::new("Calling tools: name and arguments", arguments),
            Row::new("`_meta` and unknown members, both ways", unknown_members),
            Row::new("A tool that failed", async |pair| {
                let result = pair.tool("fails").await?.outcome?;
                Ok(all([
                    same(&result["isError"], &json!(true)),
                    same(&result["content"][0]["text"], &json!("no ink")),
                ]))
            }),
            Row::new("A tool's own error: code, message, data", async |pair| {
                let Err(refusal) = pair.tool("refuses").await?.outcome else {
                    return Ok(crate::matrix::verdict::Lost("a result".into()));
                };
                let arrived = json!([refusal.code, refusal.message, refusal.data]);
                Ok(same(&arrived, &json!([4711, "not today", {"until": "noon"}])))
            }),
            Row::new("An unknown tool", async |pair| {
                let answer = pair.tool("none").await?;
                Ok(if answer.code() == Some(-32602) {
                    Carried
                } else {
                    error(&answer).unwrap_or_else(|| lost(&answer))
                })
            }),
            Row::new("An unknown method, which the server knows", own_method),
            Row::new("An unknown method, which it does not know", async |pair| {
                let answer = pair.wire.call("x/none", json!({})).await?;
                Ok(if answer.code() == Some(-32601) {
                    Carried
                } else {
                    error(&answer).unwrap_or_else(|| lost(&answer))
                })
            }),
            Row::new("An unknown notification of the client's", own_notification)
                .client_until(V2025_11_25)
                .rule(|_, server| if server.is_stateless() { refused(NO_NOTIFICATIONS) } else { Carried }),
            Row::new("An unknown notification of the server's, in a call", async |pair| {
                pair.tool("tells").await?;
                let heard = pair.wire.heard().iter().map(|heard| &heard.message);
                let own = heard.filter(|message| message["method"] == "notifications/x-own");
                let told: Vec<&Value> = own.map(|told| &told["params"]["a"]).collect();
                Ok(same(&json!(told), &json!([1])))
            }),
            Row::new("Reading resources: text and bytes", read),
            Row::new("A resource that does not exist", missing).rule(|client, server| {
                match (client.is_stateless(), server.is_stateless()) {
                    (true, false) => lowered(MISSING_NEW),
                    (false, true) => lowered(MISSING_OLD),
                    _ => Carried,
                }
            }),
            Row::new("Getting prompts", prompt),
            Row::new("Completion", completion),
            Row::new("Completion: arguments that already have a value", completion_context)
                .since(V2025_06_18)
                .client_since(V2025_06_18),
            Row::new("Several requests in an array", batch)
                .client_since(V2025_03_26)
                .client_until(V2025_03_26)
                .rule(|_, _| lowered(BATCH)),
        ],
    }
}

const MISSING_NEW: &str = "-32002 becomes -32602";
const MISSING_OLD: &str = "-32602 becomes -32002";
const NO_NOTIFICATIONS: &str = "not sent: 2026-07-28 has no client notification except `cancelled`";
const BATCH: &str = "each request is sent separately, and all are answered in one array";

async fn arguments(pair: &mut Pair) -> Measured {
    let sent = json!({"text": "ä\u{1F600}\n", "number": 1.5, "null": null, "list": [{"a": []}], "large": 9_007_199_254_740_993_u64});
    let answer = pair.wire.call("tools/call", json!({"name": "echo", "arguments": sent})).await?;
    let arrived = pair.peer.last("tools/call");
    Ok(all([same(&arrived["params"]["arguments"], &sent), same(&answer.text().into(), &json!("said"))]))
}

async fn unknown_members(pair: &mut Pair) -> Measured {
    let meta = json!({"example.com/own": {"a": 1}, "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"});
    let params = json!({"name": "members", "arguments": {}, "_meta": meta, "x-own": [1]});
    let result = pair.wire.call("tools/call", params).await?.outcome?;
    let arrived = &pair.peer.last("tools/call")["params"];
    let block = json!({"type": "text", "text": "a", "annotations": {"audience": ["user"], "priority": 1}, "x-own": 1});
    Ok(all([
        same(&arrived["_meta"]["example.com/own"], &meta["example.com/own"]),
        same(&arrived["_meta"]["traceparent"], &meta["traceparent"]),
        same(&arrived["x-own"], &json!([1])),
        same(&result["_meta"]["example.com/own"], &json!({"a": [1]})),
        same(&result["x-own"], &json!({"b": 2})),
        same(&result["content"], &json!([block])),
    ]))
}

async fn own_method(pair: &mut Pair) -> Measured {
    let answer = pair.wire.call("x/own", json!({"own": [1, 2]})).await?;
    Ok(match &answer.outcome {
        Ok(result) => same(&result["heard"], &json!([1, 2])),
        Err(_) => error(&answer).unwrap_or_else(|| lost(&answer)),
    })
}

async fn own_notification(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    pair.wire.notify("notifications/x-own", json!({"a": 1})).await?;
    pair.tool("echo").await?;
    Ok(match pair.peer.last("notifications/x-own") {
        Value::Null if pair.server.is_stateless() => refused(NO_NOTIFICATIONS),
        arrived => same(&arrived["params"]["a"], &json!(1)),
    })
}

async fn read(pair: &mut Pair) -> Measured {
    let read = pair.wire.call("resources/read", json!({"uri": "test:///text"})).await?.outcome?;
    Ok(same(
        &read["contents"],
        &json!([
            {"uri": "test:///text", "mimeType": "text/plain", "text": "some text", "_meta": {"example.com/own": 1}},
            {"uri": "test:///bytes", "mimeType": "application/octet-stream", "blob": "AP8="},
        ]),
    ))
}

async fn missing(pair: &mut Pair) -> Measured {
    let answer = pair.wire.call("resources/read", json!({"uri": "test:///none"})).await?;
    let Err(refusal) = &answer.outcome else { return Ok(lost(&answer)) };
    if refusal.data["uri"] != "test:///none" {
        return Ok(lost(&answer));
    }
    let code = if pair.server.is_stateless() { -32602 } else { -32002 };
    Ok(match refusal.code {
        same if same == code => Carried,
        -32602 => lowered(MISSING_NEW),
        -32002 => lowered(MISSING_OLD),
        _ => lost(&answer),
    })
}

async fn prompt(pair: &mut Pair) -> Measured {
    let params = json!({"name": "full", "arguments": {"topic": "ink"}});
    let got = pair.wire.call("prompts/get", params).await?.outcome?;
    let message = |role: &str, content: Value| json!({"role": role, "content": content});
    let messages = json!([
        message("user", crate::matrix::peer::answers::text("{\"topic\":\"ink\"}")),
        message("assistant", crate::matrix::peer::answers::image()),
        message("user", crate::matrix::peer::answers::embedded()),
    ]);
    Ok(all([
        same(&got["messages"], &messages),
        same(&got["description"], &json!("About it.")),
        same(&got["_meta"]["example.com/own"], &json!(1)),
    ]))
}

async fn completion(pair: &mut Pair) -> Measured {
    let params =
        json!({"ref": {"type": "ref/prompt", "name": "full"}, "argument": {"name": "topic", "value": "in"}});
    let completed = pair.wire.call("completion/complete", params).await?.outcome?;
    Ok(same(
        &completed["completion"],
        &json!({"values": ["in1", "in after none"], "total": 2, "hasMore": false}),
    ))
}

async fn completion_context(pair: &mut Pair) -> Measured {
    let completed = pair
        .wire
        .call(
            "completion/complete",
            json!({
                "ref": {"type": "ref/prompt", "name": "full"},
                "argument": {"name": "topic", "value": "in"},
                "context": {"arguments": {"topic": "paper"}},
            }),
        )
        .await?
        .outcome?;
    Ok(same(&completed["completion"]["values"], &json!(["in1", "in after paper"])))
}

async fn batch(pair: &mut Pair) -> Measured {
    let call = |name: &str| ("tools/call", json!({"name": name, "arguments": {}}));
    let answers = pair.wire.batch(&[call("echo"), call("refuses"), call("members")]).await?;
    let arrays = pair.peer.has_heard(Value::is_array);
    Ok(match answers.as_slice() {
        [echo, refused, members]
            if !arrays && echo.text() == "said" && refused.code() == Some(4711) && members.text() == "a" =>
        {
            lowered(BATCH)
        }
        _ => crate::matrix::verdict::Lost(format!("{answers:?}")),
    })
}
