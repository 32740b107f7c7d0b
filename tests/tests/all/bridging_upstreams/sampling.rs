//! Sampling and roots.

use std::time::Duration;

use anyport_tests::bridged::{Way, legacy, request};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{B, D, M, answers, asked, good, next, quiet, retry, tool};

fn with_tools() -> Value {
    json!({
        "messages": [
            {"role": "user", "content": {"type": "text", "text": "How warm is it?"}},
            {"role": "assistant", "content": [{"type": "tool_use", "id": "t1", "name": "heat", "input": {"a": 1.0}}]},
            {"role": "user", "content": [{"type": "tool_result", "toolUseId": "t1", "content": [{"type": "text", "text": "20"}]}]},
        ],
        "maxTokens": 10,
        "tools": [{"name": "heat", "inputSchema": {"type": "object"}}],
        "toolChoice": {"mode": "auto"},
    })
}

#[tokio::test(start_paused = true)]
async fn sampling_tools() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, D);
        let mut client = bridged.client(M, json!({"sampling": {"tools": {}}})).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        running.tells(request(7, "sampling/createMessage", with_tools()));
        let put = good(client.end(call).await.unwrap());
        assert_eq!(
            put["inputRequests"]["q1"],
            json!({"method": "sampling/createMessage", "params": with_tools()})
        );
        let used = json!({
            "role": "assistant", "model": "m", "stopReason": "toolUse",
            "content": [{"type": "tool_use", "id": "t2", "name": "heat", "input": {}}],
        });
        let again = client.begin("tools/call", retry(&tool("a"), &put, json!({"q1": used}))).unwrap();
        assert_eq!(peer.hears_answer(7).await.message["result"], used);
        running.answers(r#"{"content":[]}"#);
        good(client.end(again).await.unwrap());

        // 2025-11-25, sampling §Tools in Sampling: only for clients that declared them.
        let mut plain = bridged.client(M, json!({"sampling": {}})).await;
        let call = plain.begin("tools/call", tool("a")).unwrap();
        let mut own = if way == Way::Lines { bridged.server().await } else { peer };
        let running = own.hears("tools/call").await;
        running.tells(request(8, "sampling/createMessage", with_tools()));
        assert_eq!(own.hears_answer(8).await.message["error"]["code"], -32602, "{way:?}");
        running.answers(r#"{"content":[]}"#);
        good(plain.end(call).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn roots_after_initialized_join() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http].into_iter().filter(|way| server >= B || *way == Way::Lines) {
            let pair = format!("{server} {way:?}");
            let mut bridged = quiet(way, server);
            let mut client = bridged.client(M, json!({"roots": {}})).await;
            // Once the connection is open, and before it is known what for, the server asks.
            good(client.call("server/discover", json!({})).await.unwrap());
            let mut peer = bridged.server().await;
            let id = peer.asks("roots/list", json!({}));
            sleep(Duration::from_secs(1)).await;
            peer.hears_nothing().await;
            let call = client.begin("tools/call", tool("a")).unwrap();
            let running = peer.hears("tools/call").await;
            let put = good(client.end(call).await.unwrap());
            assert_eq!(put["inputRequests"]["q1"]["method"], "roots/list", "{pair}: {put}");
            let roots = json!({"roots": [{"uri": "file:///a", "name": "a"}]});
            let again = client.begin("tools/call", retry(&tool("a"), &put, json!({"q1": roots}))).unwrap();
            assert_eq!(peer.hears_answer(id).await.message["result"], roots, "{pair}");
            running.answers(r#"{"content":[]}"#);
            good(client.end(again).await.unwrap());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_has_the_roots_of_one_caller_is_no_other_callers() {
    let server = D;
    let mut bridged = quiet(Way::Lines, server);
    let can = || json!({"roots": {}});
    let mut ada = bridged.http_client(server, can()).await;
    let mut bob = bridged.http_client(server, can()).await;
    let mut adas = bridged.server().await;
    let call = ada.begin("tools/call", tool("a")).unwrap();
    let running = adas.hears("tools/call").await;
    let id = adas.asks("roots/list", json!({}));
    let put = asked(&mut ada, "roots/list").await;
    let roots = json!({"roots": [{"uri": "file:///ada", "name": "ada"}]});
    answers(&mut ada, &put, &roots);
    assert_eq!(adas.hears_answer(id).await.message["result"], roots);
    running.answers(r#"{"content":[]}"#);
    good(ada.end(call).await.unwrap());

    let call = bob.begin("tools/call", tool("b")).unwrap();
    let mut bobs = bridged.server().await;
    bobs.hears("tools/call").await.answers(r#"{"content":[]}"#);
    good(bob.end(call).await.unwrap());
    // Anonymous callers without a session count as one caller, with a connection that has nobody else's roots.
    let mut anonymous = bridged.http_client(M, can()).await;
    let call = anonymous.begin("tools/call", tool("c")).unwrap();
    // The first connection for a modern caller showed that the server is a legacy one, and is one too many.
    drop(bridged.server().await);
    let mut theirs = bridged.server().await;
    let running = theirs.hears("tools/call").await;
    let id = theirs.asks("roots/list", json!({}));
    let put = good(anonymous.end(call).await.unwrap());
    let again = anonymous.begin("tools/call", retry(&tool("c"), &put, json!({"q1": roots}))).unwrap();
    assert_eq!(theirs.hears_answer(id).await.message["result"], roots);
    running.answers(r#"{"content":[]}"#);
    good(anonymous.end(again).await.unwrap());
    let call = anonymous.begin("tools/call", tool("d")).unwrap();
    theirs.hears("tools/call").await.answers(r#"{"content":[]}"#);
    good(anonymous.end(call).await.unwrap());
    // Whose roots it has keeps the connection, and what the server remembers there.
    let call = ada.begin("tools/call", tool("a")).unwrap();
    adas.hears("tools/call").await.answers(r#"{"content":[]}"#);
    good(ada.end(call).await.unwrap());
    assert!(bridged.connected().is_none());
}

#[tokio::test(start_paused = true)]
async fn roots_held_then_refused() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http].into_iter().filter(|way| server >= B || *way == Way::Lines) {
            let pair = format!("{server} {way:?}");
            let mut bridged = quiet(way, server);
            let mut client = bridged.client(M, json!({"roots": {}})).await;
            good(client.call("server/discover", json!({})).await.unwrap());
            let mut peer = bridged.server().await;
            let begun = Instant::now();
            let id = peer.asks("roots/list", json!({}));
            // A call that may not ask is none that could take it.
            let listing = client.begin("tools/list", json!({})).unwrap();
            peer.hears("tools/list").await.answers(r#"{"tools":[]}"#);
            good(client.end(listing).await.unwrap());
            let refused = peer.hears_answer(id).await;
            assert_eq!(refused.message["error"]["code"], -32603, "{pair}");
            assert_eq!(begun.elapsed().as_secs(), 45, "{pair}");
            let call = client.begin("tools/call", tool("a")).unwrap();
            peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
            assert_eq!(good(client.end(call).await.unwrap())["resultType"], "complete");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn sampling_arrays_split() {
    for client_revision in legacy().filter(|client| *client < D) {
        let mut bridged = quiet(Way::Lines, M);
        let mut client = bridged.client(client_revision, json!({"sampling": {}})).await;
        let mut peer = bridged.server().await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let text = |text: &str| json!({"type": "text", "text": text});
        let image = json!({"type": "image", "data": "AAAA", "mimeType": "image/png"});
        let messages = json!([
            {"role": "user", "content": [text("one"), image]},
            {"role": "assistant", "content": text("two")},
        ]);
        next(&mut peer, "tools/call").await.answers(json!({
            "resultType": "input_required",
            "inputRequests": {"q": {"method": "sampling/createMessage", "params": {"messages": messages, "maxTokens": 5}}},
        }));
        let put = asked(&mut client, "sampling/createMessage").await;
        let split = json!([
            {"role": "user", "content": text("one")},
            {"role": "user", "content": image},
            {"role": "assistant", "content": text("two")},
        ]);
        assert_eq!(put["params"]["messages"], split, "{client_revision}");
        let word = json!({"role": "assistant", "content": text("yes"), "model": "m"});
        answers(&mut client, &put, &word);
        let round = next(&mut peer, "tools/call").await;
        assert_eq!(round.param("inputResponses"), &json!({"q": word}));
        round.answers(r#"{"resultType":"complete","content":[]}"#);
        good(client.end(call).await.unwrap());
    }
}

/// Invariant: A session's notification outside any call reaches its own server alone.
#[tokio::test(start_paused = true)]
async fn roots_changed_forwarded() {
    for server in legacy() {
        for client_revision in legacy() {
            for way in [Way::Lines, Way::Http].into_iter().filter(|way| server >= B || *way == Way::Lines) {
                let pair = format!("{client_revision} to {server} {way:?}");
                let mut bridged = quiet(way, server);
                let mut client =
                    bridged.client(client_revision, json!({"roots": {"listChanged": true}})).await;
                let mut peer = bridged.server().await;
                if way == Way::Lines {
                    assert_eq!(peer.opened["capabilities"]["roots"], json!({"listChanged": true}), "{pair}");
                }
                client.skip();
                client.notify("notifications/roots/list_changed", Value::Null).await.unwrap();
                hears_told(&mut peer, "notifications/roots/list_changed").await;
                // The server wants to know, and there is no doubt of whom.
                let id = peer.asks("roots/list", json!({}));
                let put = asked(&mut client, "roots/list").await;
                let roots = json!({"roots": [{"uri": "file:///b"}]});
                answers(&mut client, &put, &roots);
                assert_eq!(peer.hears_answer(id).await.message["result"], roots, "{pair}");
                // What nobody between them knows crosses, too.
                client.notify("notifications/x-own", json!({"a": 1.0})).await.unwrap();
                let heard = hears_told(&mut peer, "notifications/x-own").await;
                assert_eq!(heard.params(), r#"{"a":1.0}"#, "{pair}");

                // Of two who share a connection neither is heard as if it spoke for both.
                let mut bridged = quiet(way, server);
                let _first = bridged.client(client_revision, json!({"roots": {"listChanged": true}})).await;
                let mut peer = bridged.server().await;
                let mut second =
                    bridged.client(client_revision, json!({"roots": {"listChanged": true}})).await;
                let listing = second.begin("tools/list", json!({})).unwrap();
                peer.hears("tools/list").await.answers(r#"{"tools":[]}"#);
                good(second.end(listing).await.unwrap());
                second.notify("notifications/roots/list_changed", Value::Null).await.unwrap();
                peer.hears_nothing().await;
            }
        }
        // A modern client cannot say so, and no server is told that it could.
        let mut bridged = quiet(Way::Lines, server);
        let mut client = bridged.client(M, json!({"roots": {"listChanged": true}})).await;
        good(client.call("server/discover", json!({})).await.unwrap());
        assert_eq!(bridged.server().await.opened["capabilities"]["roots"], json!({}), "{server}");
    }
}

/// What a client said outside its calls.
async fn hears_told(peer: &mut anyport_tests::bridged::Peer, method: &str) -> anyport_tests::bridged::Heard {
    let heard = peer.hears(method).await;
    assert!(heard.message.get("id").is_none(), "{}", heard.text);
    heard
}
