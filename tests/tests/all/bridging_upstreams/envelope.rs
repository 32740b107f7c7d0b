//! How a dialogue begins, what ids are used, and arrays of messages.

use std::{collections::BTreeSet, time::Duration};

use anyport::Revision;
use anyport_tests::bridged::{Peer, Setup, Way, answer, legacy, question};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{B, D, M, answers, asked, good, quiet, tool};

#[tokio::test(start_paused = true)]
async fn ping_is_404() {
    for server in [M].into_iter().chain(legacy()) {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = quiet(way, server);
            let mut client = bridged.http_client(M, json!({})).await;
            let answer = client.call("ping", json!({})).await.unwrap();
            assert_eq!((answer.code(), answer.status), (Some(-32601), Some(404)), "{server} {way:?}");
            // It is not the server's to answer.
            if let Some(mut peer) = bridged.connected() {
                peer.hears_nothing().await;
            }
        }
    }
}

/// Answers `initialize` of a server of D, and takes the notification that follows.
async fn opens(peer: &mut Peer) {
    let heard = peer.hears("initialize").await;
    assert_eq!(heard.param("protocolVersion"), D.as_str());
    heard.answers(json!({
        "protocolVersion": D.as_str(), "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"},
    }));
    peer.hears("notifications/initialized").await;
}

fn by_hand() -> Setup {
    let mut setup = Setup::new(D, Way::Lines);
    setup.opens = false;
    setup
}

#[tokio::test(start_paused = true)]
async fn probe_kills_server_then_initialize() {
    let mut bridged = by_hand().start();
    let mut client = bridged.client(M, json!({})).await;
    let call = client.begin("tools/call", tool("a")).unwrap();
    let mut peer = bridged.server().await;
    let probe = peer.hears("server/discover").await;
    // Servers exist that end at a first request that they do not know.
    drop((probe, peer));
    let mut peer = bridged.server().await;
    opens(&mut peer).await;
    peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
    good(client.end(call).await.unwrap());
    peer.hears_nothing().await;
}

#[tokio::test(start_paused = true)]
async fn late_discover_wins() {
    let mut bridged = by_hand().start();
    let mut client = bridged.client(M, json!({})).await;
    let call = client.begin("tools/call", tool("a")).unwrap();
    let mut peer = bridged.server().await;
    let begun = Instant::now();
    let probe = peer.hears("server/discover").await;
    // It starts so slowly that it is taken for an older one.
    let initialize = peer.hears("initialize").await;
    assert_eq!(begun.elapsed().as_secs(), 10);
    sleep(Duration::from_secs(1)).await;
    probe.answers(json!({
        "resultType": "complete", "supportedVersions": [M.as_str()], "capabilities": {"tools": {}},
        "ttlMs": 0, "cacheScope": "private",
    }));
    let heard = peer.hears("tools/call").await;
    let meta = &heard.message["params"]["_meta"];
    assert_eq!(meta["io.modelcontextprotocol/protocolVersion"], M.as_str());
    // What it says to the other question then, nobody wants to know.
    initialize.fails(-32022, "no such", json!({"supported": [M.as_str()], "requested": D.as_str()}));
    heard.answers(r#"{"resultType":"complete","content":[]}"#);
    good(client.end(call).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn client_array() {
    let mut bridged = quiet(Way::Lines, M);
    let mut client = bridged.client(B, json!({})).await;
    let mut peer = bridged.server().await;
    client.skip();
    let array = json!([
        {"jsonrpc": "2.0", "id": 71, "method": "tools/call", "params": tool("a")},
        {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "nobody's"}},
        {"jsonrpc": "2.0", "id": 72, "method": "tools/call", "params": tool("b")},
        {"jsonrpc": "2.0", "id": 73, "method": "ping"},
    ]);
    client.tell(&array.to_string()).unwrap();
    // They run at once, and are answered together.
    let first = super::next(&mut peer, "tools/call").await;
    let second = super::next(&mut peer, "tools/call").await;
    assert_eq!((first.param("name"), second.param("name")), (&json!("a"), &json!("b")));
    second.answers(r#"{"resultType":"complete","content":[{"type":"text","text":"b"}]}"#);
    let none = tokio::time::timeout(Duration::from_secs(60), client.hear()).await;
    assert!(none.is_err(), "{none:?}, though the array has its answers in one");
    first.answers(r#"{"resultType":"complete","content":[{"type":"text","text":"a"}]}"#);
    let mut answered = Vec::new();
    for _ in 0..3 {
        answered.push(client.hear().await.unwrap().message);
    }
    answered.sort_by_key(|answer| answer["id"].as_u64());
    assert_eq!(answered[0]["result"]["content"][0]["text"], "a");
    assert_eq!(answered[1]["result"]["content"][0]["text"], "b");
    assert_eq!(answered[2], json!({"jsonrpc": "2.0", "id": 73, "result": {}}));
}

#[tokio::test(start_paused = true)]
async fn array_refused() {
    let call = |id: u64| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": tool("a")});
    for client_revision in legacy().filter(|revision| *revision != B).chain([M]) {
        let mut bridged = quiet(Way::Lines, M);
        let mut client = bridged.client(client_revision, json!({})).await;
        client.skip();
        client.tell(&json!([call(71)]).to_string()).unwrap();
        let heard = client.hear().await.unwrap().message;
        assert_eq!(heard["error"]["code"], -32600, "{client_revision}");
        if let Some(mut peer) = bridged.connected() {
            while let Ok(heard) = tokio::time::timeout(Duration::from_secs(1), peer.hears_any()).await {
                assert_eq!(heard.message["method"], "subscriptions/listen", "{}", heard.text);
                std::mem::forget(heard);
            }
        }
    }
    // Nor may one be empty, or open a session.
    let mut bridged = quiet(Way::Lines, M);
    let mut client = bridged.client(B, json!({})).await;
    client.skip();
    client.tell("[]").unwrap();
    assert_eq!(client.hear().await.unwrap().message["error"]["code"], -32600);
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": B.as_str(), "capabilities": {}, "clientInfo": {"name": "c", "version": "1"},
    }});
    client.tell(&json!([initialize]).to_string()).unwrap();
    let refused = client.hear().await.unwrap().message;
    assert_eq!(refused["error"]["code"], -32600, "{refused}");
}

#[tokio::test(start_paused = true)]
async fn arrays_of_a_server_are_split_in_their_order() {
    // Only B has them; an answer that comes in one all the same is not lost.
    for server in legacy() {
        arrays_are_split(server).await;
    }
}

async fn arrays_are_split(server: Revision) {
    let mut bridged = quiet(Way::Lines, server);
    let mut client = bridged.client(M, json!({})).await;
    let mut params = tool("a");
    params["_meta"] = json!({"progressToken": "t"});
    let call = client.begin("tools/call", params).unwrap();
    let mut peer = bridged.server().await;
    let heard = peer.hears("tools/call").await;
    let token = heard.message["params"]["_meta"]["progressToken"].clone();
    let progress = |progress: u64| {
        let params = json!({"progressToken": token, "progress": progress});
        json!({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
    };
    let last: Value = serde_json::from_str(&answer(heard.id(), r#"{"content":[]}"#)).unwrap();
    peer.says(json!([progress(1), progress(2), last]));
    let answer = client.end(call).await.unwrap();
    let told: Vec<_> =
        answer.said("notifications/progress").iter().map(|told| told["progress"].clone()).collect();
    assert_eq!(told, [1, 2]);
    good(answer);
}

#[tokio::test(start_paused = true)]
async fn ids_never_reused() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http] {
            let question = question(server);
            let mut bridged = quiet(way, server);
            let mut one = bridged.client(D, question.capabilities.clone()).await;
            let mut other = bridged.client(D, question.capabilities.clone()).await;
            let mut peer = bridged.server().await;
            let (mut seen, mut put) = (BTreeSet::new(), BTreeSet::new());
            for round in 0..6 {
                let client = if round % 2 == 0 { &mut one } else { &mut other };
                // Clients may use one id again in sessions of their own, and do.
                // After a call of the other that could have been asked, it could not be told whom the server asks.
                let (method, params, result) = match round % 2 {
                    0 => ("tools/call", tool("a"), r#"{"content":[]}"#),
                    _ => ("tools/list", serde_json::json!({}), r#"{"tools":[]}"#),
                };
                let call = client.begin(method, params).unwrap();
                let heard = peer.hears(method).await;
                let id = heard.id().as_u64().unwrap_or_else(|| panic!("no integer: {}", heard.text));
                assert!(seen.insert(id), "{id} was used before: {server} {way:?}");
                if round % 2 == 0 {
                    heard.tells(anyport_tests::bridged::request(
                        format!("\"s{round}\""),
                        question.method,
                        &question.params,
                    ));
                    client.skip();
                    let asked = asked(client, question.method).await;
                    assert!(put.insert(asked["id"].to_string()), "{asked}");
                    answers(client, &asked, &question.answer);
                    peer.hears_answer(format!("s{round}")).await;
                }
                heard.answers(result);
                good(client.end(call).await.unwrap());
            }
        }
    }
}
