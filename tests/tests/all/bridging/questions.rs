//! One question: asked while the call is open, or as its result.

use super::*;

/// A question in `inputRequests`, as M writes it.
fn asked(method: &str, params: &Value) -> Value {
    json!({"method": method, "params": params})
}

/// What may ask: the method, its params, and a result.
fn methods() -> [(&'static str, Value, Value); 3] {
    [
        ("tools/call", ask(), json!({"content": [{"type": "text", "text": "done"}]})),
        (
            "prompts/get",
            json!({"name": "p", "arguments": {"a": "1"}}),
            json!({"messages": [{"role": "user", "content": {"type": "text", "text": "done"}}]}),
        ),
        ("resources/read", json!({"uri": "a:b"}), json!({"contents": [{"uri": "a:b", "text": "done"}]})),
    ]
}

#[tokio::test(start_paused = true)]
async fn state_wrapped_once() {
    let what = question(D);
    for way in [Way::Lines, Way::Http] {
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(M, what.capabilities.clone()).await;
        let begun = client.begin("tools/call", ask()).unwrap();
        let mut server = bridged.server().await;
        let state = r#""s\u00e9al/==""#;
        let required = format!(
            r#"{{"resultType":"input_required","inputRequests":{{"k\u00e9y":{}}},"requestState":{state},"x-own":1.0}}"#,
            asked(what.method, &what.params)
        );
        server.hears("tools/call").await.answers(&required);
        let outcome = client.end(begun).await.unwrap().outcome.unwrap();
        // For whom nobody can be told apart the state is the server's own, to the byte: it is not wrapped again here.
        let heard = client.heard().last().unwrap().text.clone();
        assert_eq!(member(&heard, "result"), required, "{way:?}");
        let params = again(&ask(), &outcome, json!({"kéy": what.answer}));
        let begun = client.begin("tools/call", params).unwrap();
        let retry = server.hears("tools/call").await;
        assert_eq!(retry.param("requestState"), "séal/==", "{way:?}");
        assert_eq!(retry.param("inputResponses"), &json!({"kéy": what.answer}), "{way:?}");
        retry.answers(r#"{"resultType":"complete","content":[]}"#);
        assert!(client.end(begun).await.unwrap().outcome.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn park_accept() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        let what = question(revision);
        let requests = json!({"q1": asked(what.method, &what.params)});
        assert_eq!(parked.required["inputRequests"], requests, "{revision} {way:?}");
        // 2026-07-28, basic §_meta: servers SHOULD say so in every result's `_meta`.
        let server = &parked.required["_meta"]["io.modelcontextprotocol/serverInfo"];
        assert_eq!(server["name"], "server", "{revision} {way:?}");
        let retry = parked.begin(json!({"q1": what.answer}));
        let answer = parked.server.hears_answer(parked.asked[0]).await;
        assert_eq!(answer.message["result"], what.answer, "{revision} {way:?}");
        // The server's call went on all the while: there is no second one.
        parked.server.hears_nothing().await;
        parked.call.answers(DONE);
        let answer = parked.client.end(retry).await.unwrap();
        assert_eq!(
            (answer.text().as_str(), answer.outcome.unwrap()["resultType"].as_str()),
            ("done", Some("complete"))
        );
    }
}

#[tokio::test(start_paused = true)]
async fn park_decline() {
    for (revision, way) in
        [C, D].into_iter().flat_map(|revision| [(revision, Way::Lines), (revision, Way::Http)])
    {
        for action in ["decline", "cancel"] {
            let mut parked = Parked::one(revision, way).await;
            let retry = parked.begin(json!({"q1": {"action": action}}));
            let answer = parked.server.hears_answer(parked.asked[0]).await;
            assert_eq!(
                member(&answer.text, "result"),
                format!(r#"{{"action":"{action}"}}"#),
                "{revision} {way:?}"
            );
            parked.call.answers(DONE);
            assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn park_on_prompt_and_read() {
    for (revision, way) in legacy_ways() {
        let what = question(revision);
        for (method, params, result) in methods().into_iter().skip(1) {
            let mut bridged = bridge(way, revision);
            let mut client = bridged.client(M, what.capabilities.clone()).await;
            let begun = client.begin(method, params.clone()).unwrap();
            let mut server = bridged.server().await;
            let call = server.hears(method).await;
            let id = call.asks(&server, what.method, &what.params);
            let required = client.end(begun).await.unwrap().outcome.unwrap();
            assert_eq!(required["inputRequests"]["q1"], asked(what.method, &what.params));
            let begun = client.begin(method, again(&params, &required, json!({"q1": what.answer}))).unwrap();
            assert_eq!(server.hears_answer(id).await.message["result"], what.answer);
            call.answers(result);
            let answer = client.end(begun).await.unwrap();
            assert_eq!(answer.text(), "done", "{revision} {way:?} {method}");
        }
    }
}

/// A legacy client is asked by a modern server, in `method`.
async fn shim((revision, way): (Revision, Way), (method, params, mut result): (&str, Value, Value)) {
    let what = question(revision);
    let mut bridged = bridge(way, M);
    let mut client = bridged.client(revision, what.capabilities.clone()).await;
    let mut server = bridged.server().await;
    client.tell(&request(r#""c""#, method, &params)).unwrap();
    let first = server.hears(method).await;
    let state = r#""s\u00e9al/==""#;
    let requests = json!({"k\u{e9}y": asked(what.method, &what.params)});
    let (first_id, first_params) = (first.id().clone(), first.message["params"].clone());
    first.answers(format!(
        r#"{{"resultType":"input_required","inputRequests":{requests},"requestState":{state}}}"#
    ));
    let question = client.hear().await.unwrap().message;
    assert_eq!((&question["method"], &question["params"]), (&json!(what.method), &what.params));
    client.tell(&anyport_tests::bridged::answer(&question["id"], &what.answer)).unwrap();
    let retry = server.hears(method).await;
    assert_ne!(*retry.id(), first_id);
    assert_eq!(member(retry.params(), "requestState"), state, "to the byte");
    assert_eq!(retry.param("inputResponses"), &json!({"kéy": what.answer}));
    let mut expected = first_params;
    expected["inputResponses"] = retry.param("inputResponses").clone();
    expected["requestState"] = retry.param("requestState").clone();
    assert_eq!(retry.message["params"], expected, "the original params, and what is new");
    let bare = result.clone();
    result["resultType"] = "complete".into();
    retry.answers(result);
    let answer = client.hear().await.unwrap().message;
    assert_eq!(answer, json!({"jsonrpc": "2.0", "id": "c", "result": bare}), "{revision} {way:?}");
}

#[tokio::test(start_paused = true)]
async fn shim_accept() {
    for pair in legacy_ways() {
        let [tool, ..] = methods();
        shim(pair, tool).await;
    }
}

#[tokio::test(start_paused = true)]
async fn shim_on_prompt_and_read() {
    for pair in legacy_ways() {
        let [_, prompt, read] = methods();
        shim(pair, prompt).await;
        shim(pair, read).await;
    }
}

#[tokio::test(start_paused = true)]
async fn relay_error_verbatim() {
    for (from, (to, way)) in legacy().flat_map(|from| legacy_ways().map(move |to| (from, to))) {
        let pair = format!("{from} to {to} {way:?}");
        let what = question(from.min(to));
        let mut bridged = bridge(way, to);
        let mut client = bridged.client(from, what.capabilities).await;
        let mut server = bridged.server().await;
        client.tell(&request(1, "tools/call", ask())).unwrap();
        let call = server.hears("tools/call").await;
        let id = call.asks(&server, what.method, &what.params);
        let question = client.hear().await.unwrap().message;
        assert_eq!((&question["method"], &question["params"]), (&json!(what.method), &what.params), "{pair}");
        let error = r#"{"code":-1,"message":"User rejected it","data":{"x":1.0}}"#;
        client.tell(&anyport_tests::bridged::failure(&question["id"], error)).unwrap();
        let refused = server.hears_answer(id).await;
        assert_eq!(member(&refused.text, "error"), error, "{pair}");
        call.fails(-32099, "as it was", Value::Null);
        let answer = client.hear().await.unwrap().message;
        assert_eq!(answer["error"], json!({"code": -32099, "message": "as it was"}), "{pair}");
    }
}
