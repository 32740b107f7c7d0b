//! What is said while a call is under way.

use anyport::Revision::{self, *};
use anyport_testing::{Answer, Lost as Nothing};
use serde_json::{Value, json};

use super::Topic;
use crate::matrix::{
    pair::Pair,
    row::Row,
    verdict::{Carried, Lost, Measured, Verdict, all, lowered, same},
};

pub(crate) fn topic() -> Topic {
    Topic {
        name: "Progress, logs, cancelling",
        about: "",
        whole: false,
        rows: vec![
            Row::new("Progress, under the client's own token", async |pair| {
                let token = json!("töken");
                let told = progress(pair, &token).await?;
                let steps: Vec<Value> =
                    told.iter().map(|told| json!([told["progress"], told["total"]])).collect();
                let tokens = all(told.iter().map(|told| same(&told["progressToken"], &token)));
                Ok(all([tokens, same(&steps.into(), &json!([[1, 2], [2, 2]]))]))
            }),
            Row::new("Progress: message", async |pair| {
                let told = progress(pair, &json!(7)).await?;
                let said: Vec<Value> = told.iter().map(|told| told["message"].clone()).collect();
                Ok(same(&said.into(), &json!(["one more", "one more"])))
            })
            .since(V2025_03_26),
            Row::new("Progress before and after a server request", around_a_question),
            Row::new("No progress without a token", async |pair| {
                let answer = pair.tool("progress").await?;
                Ok(same(&json!(answer.said(PROGRESS)), &json!([])))
            }),
            Row::new("Log messages, from the level on that the client named", async |pair| {
                pair.wire.log_level("warning").await?;
                let answer = pair.tool("log").await?;
                Ok(logged(&answer, &["warning"]))
            }),
            Row::new("Log messages for a client that named no level", unasked).rule(unasked_rule),
            Row::new("Cancelling a call", cancelled),
            Row::new("Cancelling a call with an open server request", cancelled_while_asking)
                .rule(|client, _| if client.is_stateless() { lowered(NOT_BACK) } else { Carried }),
        ],
    }
}

const PROGRESS: &str = "notifications/progress";
const NOTHING: &str = "not sent, as 2026-07-28 demands";
const FROM_INFO: &str = "those from `info` on";
const NOT_BACK: &str = "the client has no open call to cancel; it does not retry";

async fn progress(pair: &mut Pair, token: &Value) -> Result<Vec<Value>, Nothing> {
    let params = json!({"name": "progress", "arguments": {}, "_meta": {"progressToken": token}});
    let answer = pair.wire.call("tools/call", params).await?;
    Ok(answer.said(PROGRESS).into_iter().cloned().collect())
}

async fn around_a_question(pair: &mut Pair) -> Measured {
    pair.wire.answer_with(|_| {
        Ok(json!({"role": "assistant", "content": {"type": "text", "text": "on"}, "model": "a-model"}))
    });
    let params = json!({"name": "steps", "arguments": {}, "_meta": {"progressToken": "t"}});
    let answer = pair.wire.call("tools/call", params).await?;
    let told: Vec<Value> = answer.said(PROGRESS).iter().map(|told| told["progress"].clone()).collect();
    // Whoever is asked by a result calls again, and each call tells how far it has come.
    let expected = if pair.client.is_stateless() && pair.server.is_stateless() {
        json!([1, 1, 2])
    } else {
        json!([1, 2])
    };
    Ok(if answer.is_error() { Lost(format!("{answer:?}")) } else { same(&json!(told), &expected) })
}

fn logged(answer: &Answer, levels: &[&str]) -> Verdict {
    let sent: Vec<Value> = levels
        .iter()
        .map(|level| json!({"level": level, "logger": "peer", "data": {"said": level}}))
        .collect();
    same(&json!(answer.said("notifications/message")), &sent.into())
}

async fn unasked(pair: &mut Pair) -> Measured {
    let answer = pair.tool("log").await?;
    let levels: Vec<Value> =
        answer.said("notifications/message").iter().map(|said| said["level"].clone()).collect();
    Ok(match json!(levels) {
        none if none == json!([]) => lowered(NOTHING),
        some if some == json!(["info", "warning"]) => lowered(FROM_INFO),
        every if every == json!(["debug", "info", "warning"]) => Carried,
        other => Lost(other.to_string()),
    })
}

fn unasked_rule(client: Revision, server: Revision) -> Verdict {
    match (client.is_stateless(), server.is_stateless()) {
        (true, _) => lowered(NOTHING),
        (false, true) => lowered(FROM_INFO),
        // 2025-11-25, logging: "the server MAY decide which messages to send".
        (false, false) => Carried,
    }
}

fn call_of<'a>(name: &'a str) -> impl Fn(&Value) -> bool + 'a {
    move |message| message["method"] == "tools/call" && message["params"]["name"] == name
}

async fn cancelled(pair: &mut Pair) -> Measured {
    let call = pair.wire.begin("tools/call", json!({"name": "wait", "arguments": {}}))?;
    let Some(request) = pair.peer.heard(call_of("wait")).await else { return Ok(Lost("the call".into())) };
    pair.wire.cancel(call).await?;
    told(pair, &request["id"]).await
}

/// Whether the server was told that its request is cancelled, and the client hears no more of it.
async fn told(pair: &mut Pair, id: &Value) -> Measured {
    let is = |message: &Value| {
        message["method"] == "notifications/cancelled" && message["params"]["requestId"] == *id
    };
    if pair.peer.heard(is).await.is_none() {
        return Ok(Lost("the server was not told".into()));
    }
    // Whatever came for the call would come before this.
    pair.tool("echo").await?;
    let strays = pair.wire.strays();
    Ok(if strays.is_empty() { Carried } else { Lost(format!("{strays:?} came for a cancelled call")) })
}

async fn cancelled_while_asking(pair: &mut Pair) -> Measured {
    pair.wire.leave_open();
    let call = pair.wire.begin("tools/call", json!({"name": "sample", "arguments": {}}))?;
    let asked = pair.wire.questions(&call, 1).await?;
    if asked.len() != 1 && !pair.client.is_stateless() {
        return Ok(Lost("the question".into()));
    }
    let id = pair.peer.last("tools/call")["id"].clone();
    if pair.client.is_stateless() {
        let answer = pair.wire.end(call).await?;
        return Ok(match &answer.outcome {
            Ok(result) if result["resultType"] == "input_required" => lowered(NOT_BACK),
            _ => Lost(format!("{answer:?}")),
        });
    }
    pair.wire.cancel(call).await?;
    if pair.server.is_stateless() {
        // Its round is over: there is nothing to cancel, and there will be no next round.
        pair.tool("echo").await?;
        let calls = pair.peer.has_heard(|message| message["params"].get("inputResponses").is_some());
        return Ok(if calls { Lost("the call went on".into()) } else { Carried });
    }
    told(pair, &id).await
}
