//! A server is told what the caller can be asked, exactly.

use anyport_tests::bridged::{Way, legacy, question};
use serde_json::{Value, json};

use super::{C, D, M, bad, good, quiet, tool};

#[tokio::test(start_paused = true)]
async fn caps_per_request() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, M);
        let all = json!({
            "elicitation": {"form": {}, "url": {}, "x-own": 1.0}, "sampling": {"tools": {}}, "roots": {},
            "extensions": {"com.example/x": {"a": 1}},
        });
        let mut able = bridged.client(M, all.clone()).await;
        let mut other = bridged.client(M, json!({})).await;
        let mut peer = None;
        for able_first in [true, false, true] {
            let none = json!({});
            let (client, declared) = if able_first { (&mut able, &all) } else { (&mut other, &none) };
            let call = client.begin("tools/call", tool("a")).unwrap();
            if peer.is_none() {
                peer = Some(bridged.server().await);
            }
            let heard = peer.as_mut().unwrap().hears("tools/call").await;
            let meta = &heard.message["params"]["_meta"];
            assert_eq!(meta["io.modelcontextprotocol/clientCapabilities"], *declared, "{way:?}");
            heard.answers(r#"{"resultType":"complete","content":[]}"#);
            good(client.end(call).await.unwrap());
        }
        assert!(bridged.connected().is_none(), "one connection for all");
    }
}

#[tokio::test(start_paused = true)]
async fn catalog_per_profile() {
    for server in legacy() {
        let mut bridged = quiet(Way::Lines, server);
        let question = question(server);
        let mut able = bridged.client(M, question.capabilities.clone()).await;
        let mut plain = bridged.client(M, json!({})).await;
        let listing = able.begin("tools/list", json!({})).unwrap();
        let mut for_able = bridged.server().await;
        // P4: a legacy server is told once for the connection.
        let told = &for_able.opened["capabilities"];
        let name = question.method.split('/').next().unwrap();
        assert!(told.get(name).is_some(), "{server}: {told}");
        for_able
            .hears("tools/list")
            .await
            .answers(r#"{"tools":[{"name":"asks","inputSchema":{"type":"object"}}]}"#);
        assert_eq!(good(able.end(listing).await.unwrap())["tools"][0]["name"], "asks");

        let listing = plain.begin("tools/list", json!({})).unwrap();
        let mut for_plain = bridged.server().await;
        assert_eq!(for_plain.opened["capabilities"], json!({}), "{server}");
        for_plain.hears("tools/list").await.answers(r#"{"tools":[]}"#);
        assert_eq!(good(plain.end(listing).await.unwrap())["tools"], json!([]));

        // Whoever can do the same shares the connection.
        let mut third = bridged.client(M, question.capabilities.clone()).await;
        let call = third.begin("tools/call", tool("asks")).unwrap();
        for_able.hears("tools/call").await.answers(r#"{"content":[]}"#);
        good(third.end(call).await.unwrap());
        assert!(bridged.connected().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn undeclared_is_32021() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http] {
            let pair = format!("{server} {way:?}");
            let question = question(server);
            let mut bridged = quiet(way, server);
            let mut client = bridged.client(M, json!({})).await;
            let call = client.begin("tools/call", tool("a")).unwrap();
            let mut peer = bridged.server().await;
            let running = peer.hears("tools/call").await;
            running.tells(anyport_tests::bridged::request(7, question.method, &question.params));
            assert_eq!(peer.hears_answer(7).await.message["error"]["code"], -32601, "{pair}");
            running.fails(-32603, "I could not ask", Value::Null);
            let answer = client.end(call).await.unwrap();
            let refusal = answer.outcome.unwrap_err();
            let name = question.method.split('/').next().unwrap();
            assert_eq!(refusal.code, -32021, "{pair}");
            let required = match name {
                "elicitation" => json!({"elicitation": {"form": {}}}),
                name => json!({name: {}}),
            };
            assert_eq!(refusal.data["requiredCapabilities"], required, "{pair}");

            // A server that goes on without the answer has its say.
            let call = client.begin("tools/call", tool("a")).unwrap();
            let running = peer.hears("tools/call").await;
            running.tells(anyport_tests::bridged::request(8, question.method, &question.params));
            peer.hears_answer(8).await;
            running.answers(r#"{"content":[],"isError":true}"#);
            assert_eq!(good(client.end(call).await.unwrap())["isError"], true, "{pair}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_undeclared_mode_of_elicitation_is_32602() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, D);
        let mut client = bridged.client(M, json!({"elicitation": {"form": {}}})).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        let url = json!({"mode": "url", "elicitationId": "e", "url": "https://a.test/", "message": "Go."});
        running.tells(anyport_tests::bridged::request(7, "elicitation/create", &url));
        // 2025-11-25, elicitation §Error Handling.
        assert_eq!(peer.hears_answer(7).await.message["error"]["code"], -32602, "{way:?}");
        running.fails(-32000, "no", Value::Null);
        let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
        assert_eq!(refusal.code, -32021);
        assert_eq!(refusal.data["requiredCapabilities"], json!({"elicitation": {"url": {}}}));
    }
}

#[tokio::test(start_paused = true)]
async fn missing_is_32600() {
    for client_revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = quiet(way, M);
            let mut client = bridged.client(client_revision, json!({})).await;
            let mut peer = bridged.server().await;
            let call = client.begin("tools/call", tool("a")).unwrap();
            let heard = super::next(&mut peer, "tools/call").await;
            heard.fails(-32021, "no sampling", json!({"requiredCapabilities": {"sampling": {}}, "x": 1.0}));
            client.skip();
            let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
            assert_eq!((refusal.code, &*refusal.message), (-32600, "no sampling"), "{client_revision}");
            assert_eq!(refusal.data, json!({"requiredCapabilities": {"sampling": {}}, "x": 1.0}));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn profile_of_the_client() {
    for server in legacy() {
        for client_revision in legacy() {
            for way in [Way::Lines, Way::Http] {
                let pair = format!("{client_revision} to {server} {way:?}");
                let mut bridged = quiet(way, server);
                let mut declared = json!({"sampling": {}, "roots": {}});
                if client_revision >= C {
                    declared["elicitation"] = json!({});
                }
                let mut client = bridged.client(client_revision, declared).await;
                let mut peer = bridged.server().await;
                let call = client.begin("tools/call", tool("a")).unwrap();
                let heard = peer.hears("tools/call").await;
                let told = match way {
                    Way::Lines => peer.opened["capabilities"].clone(),
                    Way::Http => Value::Null,
                };
                if way == Way::Lines {
                    assert_eq!(told["roots"], json!({}), "{pair}");
                    assert!(told["sampling"].is_object(), "{pair}: {told}");
                    // It is asked for D, whatever it then speaks, and told what the client can do in the words of D.
                    let elicits = client_revision >= C;
                    assert_eq!(told.get("elicitation").is_some(), elicits, "{pair}: {told}");
                    assert!(told["elicitation"].get("url").is_none(), "{pair}: {told}");
                }
                heard.answers(r#"{"content":[]}"#);
                good(client.end(call).await.unwrap());
                assert_eq!(bad_of_discovery(&mut client).await, -32601, "{pair}");
            }
        }
    }
}

/// 1.1: inside a legacy session there is no `server/discover`.
async fn bad_of_discovery(client: &mut anyport_testing::Wire) -> i64 {
    bad(&client.call("server/discover", json!({})).await.unwrap()).0
}
