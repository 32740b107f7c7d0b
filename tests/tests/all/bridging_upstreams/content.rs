//! What a revision has no words for is said in others.

use anyport::Revision;
use anyport_tests::bridged::{Way, legacy, request};
use serde_json::{Value, json};

use super::{A, C, D, M, answers, asked, good, next, quiet, retry, since, tool};

/// What a client of `client` gets of a tool's `result`, of a server of `server`.
async fn result(client: Revision, server: Revision, result: Value) -> Value {
    let mut bridged = quiet(Way::Lines, server);
    let mut wire = bridged.client(client, json!({})).await;
    let mut peer = bridged.server().await;
    let call = wire.begin("tools/call", tool("a")).unwrap();
    next(&mut peer, "tools/call").await.answers(result);
    good(wire.end(call).await.unwrap())
}

fn text(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[tokio::test(start_paused = true)]
async fn enum_names_pass() {
    for server in since(C) {
        let mut bridged = quiet(Way::Lines, server);
        let mut client = bridged.client(M, json!({"elicitation": {}})).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        let schema = json!({"type": "object", "properties": {
            "size": {"type": "string", "enum": ["s", "l"], "enumNames": ["Small", "Large"]},
        }});
        let params = json!({"message": "Which?", "requestedSchema": schema});
        running.tells(request(7, "elicitation/create", &params));
        let put = good(client.end(call).await.unwrap());
        assert_eq!(put["inputRequests"]["q1"]["params"], params, "{server}");
        let size = json!({"action": "accept", "content": {"size": "l"}});
        let again = client.begin("tools/call", retry(&tool("a"), &put, json!({"q1": size}))).unwrap();
        assert_eq!(peer.hears_answer(7).await.message["result"], size);
        running.answers(r#"{"content":[]}"#);
        good(client.end(again).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn structured_array_lowered() {
    for client in legacy() {
        let array = json!({"resultType": "complete", "content": [], "structuredContent": [1, {"a": 1.5}]});
        let got = result(client, M, array).await;
        assert_eq!(got, json!({"content": [text(r#"[1,{"a":1.5}]"#)]}), "{client}");
        // An object is said as it is, where there are words for it.
        let object = json!({"resultType": "complete", "content": [text("x")], "structuredContent": {"a": 1}});
        let got = result(client, M, object).await;
        assert_eq!(got, json!({"content": [text("x")], "structuredContent": {"a": 1}}), "{client}");
    }
}

/// A link with everything.
fn link() -> Value {
    json!({"type": "resource_link", "uri": "x:a", "name": "a.txt", "description": "A file", "annotations": {"priority": 1.0}})
}

#[tokio::test(start_paused = true)]
async fn link_lowered() {
    for server in since(C).chain([M]) {
        for client in legacy() {
            let got = result(client, server, json!({"resultType": "complete", "content": [link()]})).await;
            let expected = match client < C {
                true => {
                    json!({"type": "text", "text": "a.txt <x:a> A file", "annotations": {"priority": 1.0}})
                }
                false => link(),
            };
            assert_eq!(got["content"], json!([expected]), "{client} to {server}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn audio_lowered() {
    let audio = json!({"type": "audio", "data": "AAEC", "mimeType": "audio/wav"});
    for server in legacy().filter(|server| *server > A).chain([M]) {
        for client in legacy() {
            let got = result(client, server, json!({"resultType": "complete", "content": [audio]})).await;
            if client > A {
                assert_eq!(got["content"], json!([audio]), "{client} to {server}");
                continue;
            }
            let block = &got["content"][0];
            assert_eq!(block["type"], "resource", "{server}: {block}");
            let resource = &block["resource"];
            assert_eq!((&resource["blob"], &resource["mimeType"]), (&json!("AAEC"), &json!("audio/wav")));
            // The SHA-256 of the three bytes.
            let urn = "urn:sha256:ae4b3280e56e2faf83f414a6e3dabe9d5fbe18976544c05fed121accb85b53fc";
            assert_eq!(resource["uri"], urn, "{server}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn enums_lowered() {
    for server in [D, M] {
        let mut bridged = quiet(Way::Lines, server);
        let mut client = bridged.client(C, json!({"elicitation": {}})).await;
        let mut peer = bridged.server().await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let running = next(&mut peer, "tools/call").await;
        let params = json!({"message": "Which?", "requestedSchema": {"type": "object", "properties": {
            "size": {"type": "string", "oneOf": [{"const": "s", "title": "Small"}, {"const": "l", "title": "Large"}]},
            "colours": {"type": "array", "items": {"type": "string", "enum": ["red", "blue"]}},
        }, "required": ["size"]}});
        let mut running = Some(running);
        if server == M {
            running.take().unwrap().answers(json!({
                "resultType": "input_required",
                "inputRequests": {"q": {"method": "elicitation/create", "params": params}},
            }));
        } else {
            running.as_ref().unwrap().tells(request(7, "elicitation/create", &params));
        }
        let put = asked(&mut client, "elicitation/create").await;
        let properties = &put["params"]["requestedSchema"]["properties"];
        assert_eq!(properties["size"]["enum"], json!(["s", "l"]), "{server}");
        assert_eq!(properties["size"]["enumNames"], json!(["Small", "Large"]), "{server}");
        assert!(properties["size"].get("oneOf").is_none());
        assert_eq!(properties["colours"]["type"], "string", "{server}: {properties}");
        let words = properties["colours"]["description"].as_str().unwrap();
        assert!(words.contains("red") && words.contains("blue"), "{words}");
        let content = json!({"size": "l", "colours": "red, blue"});
        answers(&mut client, &put, &json!({"action": "accept", "content": content}));
        let lifted = json!({"action": "accept", "content": {"size": "l", "colours": ["red", "blue"]}});
        match running {
            Some(running) => {
                assert_eq!(peer.hears_answer(7).await.message["result"], lifted, "{server}");
                running.answers(r#"{"content":[]}"#);
            }
            None => {
                let round = next(&mut peer, "tools/call").await;
                assert_eq!(round.param("inputResponses"), &json!({"q": lifted}));
                round.answers(r#"{"resultType":"complete","content":[]}"#);
            }
        }
        good(client.end(call).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn d_server_to_a_client_chain() {
    let audio = json!({"type": "audio", "data": "AAEC", "mimeType": "audio/wav"});
    let all = json!({
        "content": [text("x"), audio, link()],
        "structuredContent": {"a": 1.0}, "isError": false, "_meta": {"com.example/a": 1}, "x-own": [1],
    });
    let got = result(A, D, all.clone()).await;
    assert_eq!(got["content"][0], text("x"));
    assert_eq!(got["content"][1]["type"], "resource");
    assert_eq!(got["content"][2]["text"], "a.txt <x:a> A file");
    // Additions stay: an older client passes over what it does not know.
    for member in ["structuredContent", "isError", "_meta", "x-own"] {
        assert_eq!(got[member], all[member], "{member}");
    }
    assert!(got.get("resultType").is_none());
    // In between each takes the steps that it needs.
    assert_eq!(result(C, D, all.clone()).await, all);
}
