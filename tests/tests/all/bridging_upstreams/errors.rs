//! Errors: their codes in the eras, their HTTP statuses.

use anyport_tests::bridged::{Way, legacy};
use serde_json::{Value, json};

use super::{A, D, M, good, next, quiet, tool};

#[tokio::test(start_paused = true)]
async fn status_per_code() {
    let codes = [
        (-32700, 400),
        (-32600, 400),
        (-32601, 404),
        (-32602, 200),
        (-32603, 200),
        (-32021, 400),
        (-32000, 200),
        (-1, 200),
        (7, 200),
    ];
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, M);
        let mut client = bridged.http_client(M, json!({})).await;
        let mut peer = None;
        for (code, status) in codes {
            let call = client.begin("tools/call", tool("a")).unwrap();
            if peer.is_none() {
                peer = Some(bridged.server().await);
            }
            let heard = peer.as_mut().unwrap().hears("tools/call").await;
            heard.fails(code, "words", json!({"x": 1.0}));
            let answer = client.end(call).await.unwrap();
            let refusal = answer.outcome.unwrap_err();
            assert_eq!((refusal.code, &*refusal.message, refusal.data), (code, "words", json!({"x": 1.0})));
            assert_eq!(answer.status, Some(status), "{code} {way:?}");
        }
        // Once a stream has begun, the error is its last event.
        let mut params = tool("a");
        params["_meta"] = json!({"progressToken": "t"});
        let call = client.begin("tools/call", params).unwrap();
        let heard = peer.as_mut().unwrap().hears("tools/call").await;
        let token = heard.message["params"]["_meta"]["progressToken"].clone();
        heard.tells(anyport_tests::bridged::notification(
            "notifications/progress",
            json!({"progressToken": token, "progress": 1}),
        ));
        heard.fails(-32601, "words", Value::Null);
        let answer = client.end(call).await.unwrap();
        assert_eq!(
            (answer.outcome.as_ref().unwrap_err().code, answer.status),
            (-32601, Some(200)),
            "{way:?}"
        );
        assert_eq!(answer.notifications.len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn missing_resource_up() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = quiet(way, server);
            let mut client = bridged.client(M, json!({})).await;
            let call = client.begin("resources/read", json!({"uri": "x:a"})).unwrap();
            let mut peer = bridged.server().await;
            peer.hears("resources/read").await.fails(-32002, "no such", json!({"uri": "x:else", "y": 1}));
            let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
            assert_eq!((refusal.code, &*refusal.message), (-32602, "no such"), "{server} {way:?}");
            assert_eq!(refusal.data, json!({"y": 1, "uri": "x:a"}));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn reserved_codes_remapped() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = quiet(way, server);
            let mut client = bridged.client(M, json!({})).await;
            let mut session = bridged.client(server, json!({})).await;
            let mut peer = bridged.server().await;
            let mapped = [
                (-32700, true),
                (-32600, true),
                (-32002, true),
                (-32020, true),
                (-32021, true),
                (-32099, true),
            ];
            let free =
                [(-32601, false), (-32602, false), (-32000, false), (-32019, false), (-1, false), (3, false)];
            for (code, is_mapped) in mapped.into_iter().chain(free) {
                let call = client.begin("tools/call", tool("a")).unwrap();
                peer.hears("tools/call").await.fails(code, "words", json!({"x": 1}));
                let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
                let expected = match is_mapped {
                    true => (-32603, json!({"x": 1, "upstreamCode": code})),
                    false => (code, json!({"x": 1})),
                };
                assert_eq!((refusal.code, refusal.data), expected, "{code}: {server} {way:?}");
                // A client that is as old knows them all.
                let call = session.begin("tools/call", tool("a")).unwrap();
                peer.hears("tools/call").await.fails(code, "words", json!({"x": 1}));
                let refusal = session.end(call).await.unwrap().outcome.unwrap_err();
                assert_eq!((refusal.code, refusal.data), (code, json!({"x": 1})), "{code}: {server} {way:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn missing_resource_down() {
    for client_revision in legacy() {
        let mut bridged = quiet(Way::Lines, M);
        let mut client = bridged.client(client_revision, json!({})).await;
        let mut peer = bridged.server().await;
        for (data, code) in [(json!({"uri": "x:a"}), -32002), (json!({"why": "bad"}), -32602)] {
            let call = client.begin("resources/read", json!({"uri": "x:a"})).unwrap();
            next(&mut peer, "resources/read").await.fails(-32602, "no such", data.clone());
            let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
            assert_eq!((refusal.code, refusal.data), (code, data), "{client_revision}");
        }
    }
}

/// A tool whose argument `place` is repeated in a header.
pub(super) fn placed() -> Value {
    let place = json!({"type": "string", "x-mcp-header": "Place"});
    let schema = json!({"type": "object", "properties": {"place": place, "n": {"type": "number"}}});
    json!({
        "resultType": "complete", "ttlMs": 0, "cacheScope": "private",
        "tools": [{"name": "go", "inputSchema": schema}],
    })
}

#[tokio::test(start_paused = true)]
async fn header_mismatch_relists() {
    for client_revision in legacy() {
        let mut bridged = quiet(Way::Http, M);
        let mut client = bridged.client(client_revision, json!({})).await;
        let mut peer = bridged.server().await;
        // Nobody has listed the tools: which arguments go into headers is not known.
        let params = json!({"name": "go", "arguments": {"place": "Z\u{fc}rich", "n": 1}});
        let call = client.begin("tools/call", params.clone()).unwrap();
        let heard = next(&mut peer, "tools/call").await;
        assert_eq!(heard.header("mcp-param-place"), "");
        heard.fails(-32020, "Mcp-Param-Place is missing", Value::Null);
        next(&mut peer, "tools/list").await.answers(placed());
        let heard = next(&mut peer, "tools/call").await;
        assert_eq!(heard.header("mcp-param-place"), "=?base64?WsO8cmljaA==?=", "{client_revision}");
        heard.answers(r#"{"resultType":"complete","content":[]}"#);
        good(client.end(call).await.unwrap());

        // A server that is not content with that either has a fault that no client can mend.
        let call = client.begin("tools/call", params).unwrap();
        next(&mut peer, "tools/call").await.fails(-32020, "no", Value::Null);
        next(&mut peer, "tools/list").await.answers(placed());
        next(&mut peer, "tools/call").await.fails(-32020, "no", Value::Null);
        let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
        assert_eq!(
            (refusal.code, refusal.data),
            (-32603, json!({"upstreamCode": -32020})),
            "{client_revision}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_speaks_another_revision_now_is_asked_what() {
    let mut setup = anyport_tests::bridged::Setup::new(M, Way::Lines);
    setup.opens = false;
    let mut bridged = setup.start();
    let mut client = bridged.client(M, json!({})).await;
    let call = client.begin("tools/call", tool("a")).unwrap();
    let mut peer = bridged.server().await;
    let discovered = json!({
        "resultType": "complete", "supportedVersions": [M.as_str()], "capabilities": {"tools": {}},
        "ttlMs": 0, "cacheScope": "private",
    });
    peer.hears("server/discover").await.answers(discovered);
    let unsupported = json!({"supported": [D.as_str(), A.as_str()], "requested": M.as_str()});
    peer.hears("tools/call").await.fails(-32022, "not any more", unsupported.clone());
    let mut peer = bridged.server().await;
    peer.hears("server/discover").await.fails(-32022, "no", unsupported);
    let heard = peer.hears("initialize").await;
    assert_eq!(heard.param("protocolVersion"), D.as_str());
    heard.answers(json!({
        "protocolVersion": D.as_str(), "capabilities": {"tools": {}}, "serverInfo": {"name": "s", "version": "1"},
    }));
    peer.hears("notifications/initialized").await;
    peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
    assert_eq!(good(client.end(call).await.unwrap())["resultType"], "complete");
}
