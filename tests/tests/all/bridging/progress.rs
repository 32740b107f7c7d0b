//! Progress: our token towards the server, the client's own back.
//!
//! Invariant: Between any two eras, progress tokens and ids of two callers never mix.

use anyport_tests::bridged::notification;

use super::*;

/// The params of a call that wants to hear of its progress under this token.
fn work(token: &str) -> Value {
    json!({"name": "work", "arguments": {}, "_meta": {"progressToken": token}})
}

/// Progress of a call whose token the server was given.
fn progress(call: &Heard, rest: &str) -> String {
    let token = &call.message["params"]["_meta"]["progressToken"];
    notification("notifications/progress", format!(r#"{{"progressToken":{token},{rest}}}"#))
}

#[tokio::test(start_paused = true)]
async fn equal_tokens_do_not_cross() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = bridge(way, M);
        let mut first = bridged.client(M, json!({})).await;
        let mut second = bridged.client(M, json!({})).await;
        let one = first.begin("tools/call", work("t")).unwrap();
        let mut server = bridged.server().await;
        let heard_one = server.hears("tools/call").await;
        let two = second.begin("tools/call", work("t")).unwrap();
        let heard_two = server.hears("tools/call").await;
        let tokens =
            [&heard_one, &heard_two].map(|call| call.message["params"]["_meta"]["progressToken"].clone());
        assert_ne!(tokens[0], tokens[1], "{way:?}");
        heard_two.tells(progress(&heard_two, r#""progress":2"#));
        heard_one.tells(progress(&heard_one, r#""progress":1"#));
        heard_one.answers(r#"{"resultType":"complete","content":[]}"#);
        heard_two.answers(r#"{"resultType":"complete","content":[]}"#);
        for (client, call, told) in [(&mut first, one, 1), (&mut second, two, 2)] {
            let answer = client.end(call).await.unwrap();
            let expected = json!({"progressToken": "t", "progress": told});
            assert_eq!(answer.said("notifications/progress"), [&expected], "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn progress_on_post_stream() {
    for revision in [B, C, D] {
        let mut bridged = bridge(Way::Http, revision);
        let mut client = bridged.client(M, json!({})).await;
        let text = client.message(1, "tools/call", work("t\u{e9}"));
        client.tell(&text.to_string()).unwrap();
        let mut server = bridged.server().await;
        let call = server.hears("tools/call").await;
        call.tells(progress(&call, r#""progress":1.50,"total":3,"message":"half","x-own":1e0"#));
        let heard = client.hear().await.unwrap().text;
        let expected = r#"{"progress":1.50,"total":3,"message":"half","x-own":1e0,"progressToken":"té"}"#;
        assert_eq!(member(&heard, "params"), expected, "{revision}");
        call.answers(DONE);
        assert_eq!(client.hear().await.unwrap().message["id"], 1);
        // Who wants to hear of none is no reason to ask for any.
        client.tell(&client.message(2, "tools/call", json!({"name": "work"})).to_string()).unwrap();
        let call = server.hears("tools/call").await;
        assert_eq!(call.params(), r#"{"name":"work"}"#, "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn progress_by_token_on_stdio() {
    for revision in legacy() {
        let mut bridged = bridge(Way::Lines, revision);
        let mut client = bridged.client(M, json!({})).await;
        let one = client.begin("tools/call", work("a")).unwrap();
        let mut server = bridged.server().await;
        let first = server.hears("tools/call").await;
        let two = client.begin("tools/call", work("b")).unwrap();
        let second = server.hears("tools/call").await;
        server.says(progress(&second, r#""progress":2"#));
        server.says(progress(&first, r#""progress":1"#));
        server.says(notification("notifications/progress", r#"{"progressToken":"unknown","progress":9}"#));
        first.answers(DONE);
        second.answers(DONE);
        for (call, token, told) in [(one, "a", 1), (two, "b", 2)] {
            let answer = client.end(call).await.unwrap();
            let expected = json!({"progressToken": token, "progress": told});
            assert_eq!(answer.said("notifications/progress"), [&expected], "{revision}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn progress_reaches_old_client() {
    for revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = bridge(way, M);
            let mut client = bridged.client(revision, json!({})).await;
            let mut server = bridged.server().await;
            // Its token comes back as it wrote it: a number is no string.
            let params = r#"{"name":"work","_meta":{"progressToken":12}}"#;
            client.tell(&request(5, "tools/call", params)).unwrap();
            let call = server.hears("tools/call").await;
            call.tells(progress(&call, r#""progress":1.50,"message":"half""#));
            let heard = client.hear().await.unwrap().text;
            // `message` is of 2025-03-26, and no older schema forbids it.
            let expected = notification(
                "notifications/progress",
                r#"{"progress":1.50,"message":"half","progressToken":12}"#,
            );
            assert_eq!(heard, expected, "{revision} {way:?}");
            call.answers(r#"{"resultType":"complete","content":[]}"#);
            assert_eq!(client.hear().await.unwrap().message["result"], json!({"content": []}));
        }
    }
}
