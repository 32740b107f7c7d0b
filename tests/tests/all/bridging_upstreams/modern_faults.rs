//! What a modern server may not send, and what is not sent to it.

use std::time::Duration;

use anyport_tests::bridged::{Way, notification};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{D, M, next, quiet, tool};

const WAYS: [Way; 2] = [Way::Lines, Way::Http];

/// 2025-11-25, tasks §Task Support and Handling: metadata of a task is ignored where tasks are not declared; a bridge declares
/// none to either side.
#[tokio::test(start_paused = true)]
async fn metadata_of_tasks_is_left_out() {
    for (way, server) in WAYS.into_iter().flat_map(|way| [(way, D), (way, M)]) {
        let mut bridged = quiet(way, server);
        let mut client = bridged.client(D, json!({})).await;
        let mut params = tool("a");
        params["task"] = json!({"ttl": 60_000});
        params["x-own"] = json!(1);
        let call = client.begin("tools/call", params).unwrap();
        let mut peer = bridged.server().await;
        let heard = next(&mut peer, "tools/call").await;
        let sent = &heard.message["params"];
        assert_eq!((&sent["task"], &sent["x-own"]), (&Value::Null, &json!(1)), "{server} {way:?}");
        heard.answers(r#"{"resultType":"complete","content":[]}"#);
        assert!(client.end(call).await.unwrap().outcome.is_ok(), "{server} {way:?}");
    }
}

/// Invariant: No client receives a request that it did not declare, of whatever era client and server are.
#[tokio::test(start_paused = true)]
async fn a_modern_client_is_not_asked_what_it_did_not_declare() {
    let sampling = json!({"method": "sampling/createMessage", "params": {"messages": [], "maxTokens": 1}});
    let results = [
        json!({"resultType": "input_required", "inputRequests": {"q": sampling}, "requestState": "s"}),
        json!({"resultType": "input_required", "inputRequests": {"q": {"method": "tools/call"}}}),
        json!({"resultType": "input_required", "inputRequests": {}}),
        json!({"resultType": "input_required"}),
    ];
    for way in WAYS {
        let mut bridged = quiet(way, M);
        let mut client = bridged.client(M, json!({"elicitation": {}})).await;
        let mut peer = None;
        for result in &results {
            let call = client.begin("tools/call", tool("a")).unwrap();
            if peer.is_none() {
                peer = Some(bridged.server().await);
            }
            peer.as_mut().unwrap().hears("tools/call").await.answers(result);
            let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
            assert_eq!(
                (refusal.code, &refusal.data["reason"]),
                (-32603, &json!("invalid_upstream")),
                "{result}"
            );
        }
        // A state alone is a wish to be called again, which the client does.
        let call = client.begin("tools/call", tool("a")).unwrap();
        let waits = json!({"resultType": "input_required", "requestState": "s"});
        let peer = peer.as_mut().unwrap();
        peer.hears("tools/call").await.answers(&waits);
        let taken_up = async {
            let again = peer.hears("tools/call").await;
            assert_eq!(again.param("requestState"), "s", "{way:?}");
            again.answers(r#"{"resultType":"complete","content":[]}"#);
        };
        let (answer, ()) = tokio::join!(client.end(call), taken_up);
        assert!(answer.unwrap().outcome.is_ok(), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_on_the_stream_of_a_call_reaches_nobody_who_does_not_listen() {
    for way in WAYS {
        let mut bridged = quiet(way, M);
        let mut client = bridged.client(M, json!({})).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        let heard = peer.hears("tools/call").await;
        let of_call = json!({"_meta": {"io.modelcontextprotocol/subscriptionId": heard.id()}});
        for method in ["tools/list_changed", "prompts/list_changed", "resources/list_changed"] {
            heard.tells(notification(&format!("notifications/{method}"), &of_call));
        }
        heard.answers(r#"{"resultType":"complete","content":[]}"#);
        assert!(client.end(call).await.unwrap().outcome.is_ok());
        let changes = client.heard().iter().filter(|heard| heard.message["method"].is_string()).count();
        assert_eq!(changes, 0, "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_no_object_is_the_servers_fault() {
    for (way, server) in WAYS.into_iter().flat_map(|way| [(way, D), (way, M)]) {
        for revision in [D, M] {
            let mut bridged = quiet(way, server);
            let mut client = bridged.client(revision, json!({})).await;
            let mut peer = None;
            for result in ["[]", "null", "\"yes\"", "7"] {
                for (method, params) in [("tools/call", tool("a")), ("acme/do", json!({}))] {
                    let call = client.begin(method, params).unwrap();
                    if peer.is_none() {
                        peer = Some(bridged.server().await);
                    }
                    next(peer.as_mut().unwrap(), method).await.answers(result);
                    let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
                    let told = (refusal.code, &refusal.data["reason"]);
                    assert_eq!(
                        told,
                        (-32603, &json!("invalid_upstream")),
                        "{result} {method} {server} {way:?}"
                    );
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn codes_that_no_modern_server_may_send_are_not_passed_on() {
    for way in WAYS {
        for revision in [D, M] {
            let mut bridged = quiet(way, M);
            let mut client = bridged.client(revision, json!({})).await;
            let mut peer = None;
            for code in [-32002, -32023, -32042, -32099] {
                let call = client.begin("tools/call", tool("a")).unwrap();
                if peer.is_none() {
                    peer = Some(bridged.server().await);
                }
                let elicitations = json!({"elicitations": []});
                next(peer.as_mut().unwrap(), "tools/call").await.fails(code, "words", elicitations);
                let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
                let told = (refusal.code, &refusal.data["upstreamCode"]);
                assert_eq!(told, (-32603, &json!(code)), "{revision} {way:?}");
            }
            // 2026-07-28, basic §Error Codes: -32002 is still accepted for a resource.
            let call = client.begin("resources/read", json!({"uri": "x:a"})).unwrap();
            next(peer.as_mut().unwrap(), "resources/read").await.fails(-32002, "words", Value::Null);
            let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
            let missing = if revision == M { -32602 } else { -32002 };
            assert_eq!((refusal.code, &refusal.data["uri"]), (missing, &json!("x:a")), "{revision} {way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_without_listen_says_so_at_once() {
    for way in WAYS {
        for revision in [D, M] {
            let mut bridged = quiet(way, M);
            let mut client = bridged.client(revision, json!({})).await;
            let begun = Instant::now();
            let (method, params) = match revision {
                M => ("subscriptions/listen", json!({"notifications": {"resourceSubscriptions": ["x:a"]}})),
                _ => ("resources/subscribe", json!({"uri": "x:a"})),
            };
            let call = client.begin(method, params).unwrap();
            let mut peer = bridged.server().await;
            let refusing = tokio::spawn(async move {
                loop {
                    let heard = peer.hears_any().await;
                    if heard.message["method"] == "subscriptions/listen" {
                        heard.fails(-32601, "Method not found", Value::Null);
                    }
                }
            });
            let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
            assert_eq!(refusal.code, -32601, "{revision} {way:?}");
            assert!(begun.elapsed() < Duration::from_secs(1), "{revision} {way:?}: {:?}", begun.elapsed());
            refusing.abort();
        }
    }
}
