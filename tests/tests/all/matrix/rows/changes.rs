//! What changes while nobody calls.

use anyport::Revision::*;
use serde_json::{Value, json};

use super::Topic;
use crate::matrix::{
    pair::Pair,
    row::Row,
    verdict::{Carried, Lost, Measured, lowered, same},
};

pub(crate) fn topic() -> Topic {
    Topic {
        name: "Changes",
        about: "",
        whole: false,
        rows: vec![
            Row::new("The list of tools changed", async |pair| listed(pair, "tools").await),
            Row::new("The list of prompts changed", async |pair| listed(pair, "prompts").await),
            Row::new("The list of resources changed", async |pair| listed(pair, "resources").await),
            Row::new("A resource changed to which the client subscribed", updated),
            Row::new(
                "A change that the server names by another URI, for the only client that subscribed",
                elsewhere,
            )
            .until(V2025_11_25),
            Row::new("Ending a subscription", unsubscribed),
            Row::new("The client's roots changed", roots)
                .client_until(V2025_11_25)
                .rule(|_, server| if server.is_stateless() { lowered(ROOTS_MODERN) } else { Carried }),
        ],
    }
}

const ROOTS_MODERN: &str = "not sent: a server of 2026-07-28 requests the roots in each call";

async fn listed(pair: &mut Pair, what: &str) -> Measured {
    pair.tool("echo").await?;
    pair.wire.listen(&[]).await?;
    let method = format!("notifications/{what}/list_changed");
    pair.peer.changed(&method, &json!({}));
    Ok(same(&pair.wire.change().await?["method"], &json!(method)))
}

const UPDATED: &str = "notifications/resources/updated";

async fn updated(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    let honoured = pair.wire.listen(&["test:///text"]).await?;
    if honoured != ["test:///text"] {
        return Ok(Lost(format!("the subscription was refused: {honoured:?}")));
    }
    pair.peer.changed(UPDATED, &json!({"uri": "test:///text", "x-own": 1}));
    let change = pair.wire.change().await?;
    Ok(same(
        &json!([change["method"], change["params"]["uri"], change["params"]["x-own"]]),
        &json!([UPDATED, "test:///text", 1]),
    ))
}

async fn elsewhere(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    pair.wire.listen(&["test:///text"]).await?;
    pair.peer.changed(UPDATED, &json!({"uri": "test:///text#part"}));
    Ok(same(&pair.wire.change().await?["params"]["uri"], &json!("test:///text#part")))
}

async fn unsubscribed(pair: &mut Pair) -> Measured {
    pair.tool("echo").await?;
    pair.wire.listen(&["test:///text"]).await?;
    pair.wire.listen(&[]).await?;
    let modern = pair.server.is_stateless();
    let listen = |message: &Value| {
        let uris = &message["params"]["notifications"]["resourceSubscriptions"];
        message["method"] == "subscriptions/listen" && *uris == json!(["test:///text"])
    };
    let ended = if modern {
        let id = pair.peer.heard(listen).await.unwrap_or_default()["id"].clone();
        let cancels = move |message: &Value| {
            message["method"] == "notifications/cancelled" && message["params"]["requestId"] == id
        };
        pair.peer.heard(cancels).await
    } else {
        let params = json!({"uri": "test:///text"});
        let ends = move |message: &Value| {
            message["method"] == "resources/unsubscribe" && message["params"] == params
        };
        pair.peer.heard(ends).await
    };
    Ok(if ended.is_some() { Carried } else { Lost("the server was not told".into()) })
}

async fn roots(pair: &mut Pair) -> Measured {
    const CHANGED: &str = "notifications/roots/list_changed";
    pair.tool("echo").await?;
    pair.wire.notify(CHANGED, Value::Null).await?;
    pair.tool("echo").await?;
    let arrived = pair.peer.has_heard(|message| message["method"] == CHANGED);
    let initialize = pair.peer.last("initialize");
    // A modern server refuses `initialize`, so nothing that it said counts.
    let promised = !pair.server.is_stateless()
        && !initialize["params"]["capabilities"]["roots"]["listChanged"].is_null();
    Ok(match (arrived, promised, pair.server.is_stateless()) {
        (true, true, false) => Carried,
        (false, false, true) => lowered(ROOTS_MODERN),
        other => Lost(format!("{other:?}")),
    })
}
