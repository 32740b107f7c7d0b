use serde_json::json;

use super::{
    Topic,
    asking::{SAMPLE, carried, model},
};
use crate::matrix::{
    pair::Pair,
    peer::{
        answers,
        both_eras::{CONVERTS, PUSHES, PUSHES_UNSAFE, RETURNS},
    },
    row::Row,
    verdict::{Carried, Lost, Measured, error, lost, lowered, same},
};

pub(crate) fn topic() -> Topic {
    Topic {
        name: "Servers that speak both eras",
        about: "The server speaks 2026-07-28 and the older revision that the table names, and is called in the era of its client; each tool is called twice. A tool that can send requests in one era alone is called in that one, once its SDK says so.",
        whole: false,
        rows: vec![
            Row::new("A tool that asks in the way of each era", converts).of_both_eras(),
            Row::new("A tool that asks only while its call is open", async |pair| twice(pair, PUSHES).await)
                .of_both_eras(),
            Row::new("A tool that asks only in its result", async |pair| twice(pair, RETURNS).await)
                .of_both_eras(),
            Row::new(
                "A tool that asks only while its call is open, and is not safe to repeat",
                pushes_unsafe,
            )
            .of_both_eras()
            .rule(|client, _| if client.is_stateless() { lowered(EXPLAINED) } else { Carried }),
        ],
    }
}

const EXPLAINED: &str = "the first call fails, and says that the next one asks; the next one does";

/// Each of two calls asks, and gets the answer.
async fn twice(pair: &mut Pair, tool: &str) -> Measured {
    let first = once(pair, tool).await?;
    if first == Carried { once(pair, tool).await } else { Ok(first) }
}

async fn once(pair: &mut Pair, tool: &str) -> Measured {
    carried(pair, tool, SAMPLE, answers::sampling(json!({})), model("a haiku")).await
}

/// No call goes to the era that is not the client's.
async fn converts(pair: &mut Pair) -> Measured {
    let verdict = twice(pair, CONVERTS).await?;
    let is_other = if pair.client.is_stateless() { "initialize" } else { "server/discover" };
    Ok(match pair.peer.has_heard(|message| message["method"] == is_other) {
        true => Lost(format!("the server was sent {is_other}")),
        false => verdict,
    })
}

async fn pushes_unsafe(pair: &mut Pair) -> Measured {
    if !pair.client.is_stateless() {
        return twice(pair, PUSHES_UNSAFE).await;
    }
    let answer = pair.tool(PUSHES_UNSAFE).await?;
    let Ok(result) = &answer.outcome else { return Ok(error(&answer).unwrap_or_else(|| lost(&answer))) };
    let sentence = result["content"][1]["text"].as_str().unwrap_or_default();
    if !answer.is_error() || !sentence.contains("make it again if that does no harm") {
        return Ok(lost(&answer));
    }
    let calls = pair.peer.count(|message| message["params"]["name"] == PUSHES_UNSAFE);
    match (same(&json!(calls), &json!(1)), twice(pair, PUSHES_UNSAFE).await?) {
        (Carried, Carried) => Ok(lowered(EXPLAINED)),
        (Carried, next) => Ok(next),
        (repeated, _) => Ok(repeated),
    }
}
