//! Ids, batches, cancellation, and text that is no message.

use anyport::Revision::*;
use anyport_tests::matrix::everywhere;
use serde_json::{Value, json};

#[tokio::test]
async fn a_cancelled_call_is_dropped_and_not_answered() {
    everywhere(async |cell| {
        let call = cell.wire.begin("tools/call", json!({"name": "wait"}))?;
        cell.probe.begun().await;
        cell.wire.cancel(call).await?;
        cell.probe.dropped().await;
        // Whatever was still to come for it would have come before this.
        assert_eq!(cell.tool("greet", json!({"name": "Ada"})).await?.text(), "Hello, Ada!");
        assert!(cell.wire.strays().is_empty(), "{:?}", cell.wire.strays());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn calls_run_beside_each_other() {
    everywhere(async |cell| {
        let waiting = cell.wire.begin("tools/call", json!({"name": "wait"}))?;
        cell.probe.begun().await;
        let calls: Vec<_> = (0..20)
            .map(|number| {
                let arguments = json!({"name": format!("number {number}")});
                cell.wire.begin("tools/call", json!({"name": "greet", "arguments": arguments}))
            })
            .collect::<Result<_, _>>()?;
        for (number, call) in calls.into_iter().enumerate().rev() {
            assert_eq!(cell.wire.end(call).await?.text(), format!("Hello, number {number}!"));
        }
        cell.wire.cancel(waiting).await?;
        cell.probe.dropped().await;
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_method_that_does_not_exist_is_not_found() {
    everywhere(async |cell| {
        let foreign = if cell.revision.is_stateless() {
            ["ping", "initialize", "logging/setLevel", "resources/subscribe", "tools/unknown"]
        } else {
            ["server/discover", "subscriptions/listen", "tasks/list", "x/y", "tools/unknown"]
        };
        for method in foreign {
            let answer = cell.wire.call(method, json!({})).await?;
            assert_eq!(answer.code(), Some(-32601), "{method}: {answer:?}");
            assert_eq!(
                answer.status,
                cell.http.then_some(if cell.revision.is_stateless() { 404 } else { 200 })
            );
        }
        if !cell.revision.is_stateless() {
            assert_eq!(cell.wire.call("ping", Value::Null).await?.outcome?, json!({}));
            let again = cell.wire.call("initialize", json!({"protocolVersion": "2025-06-18"})).await?;
            assert_eq!(again.code(), Some(-32600));
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn batches_are_answered_where_they_exist() {
    everywhere(async |cell| {
        if cell.revision == V2025_03_26 {
            let greet = |name: &str| json!({"name": "greet", "arguments": {"name": name}});
            let progress =
                json!({"name": "progress", "arguments": {"steps": 2}, "_meta": {"progressToken": "b"}});
            let requests = [
                ("tools/call", greet("Ada")),
                ("x/y", json!({})),
                ("tools/call", progress),
                ("ping", Value::Null),
            ];
            let answers = cell.wire.batch(&requests).await?;
            assert_eq!((answers[0].text().as_str(), answers[1].code()), ("Hello, Ada!", Some(-32601)));
            assert_eq!((answers[2].text().as_str(), answers[2].notifications.len()), ("done", 2));
            assert_eq!(*answers[3].outcome.as_ref().unwrap(), json!({}));
        } else {
            let (status, refused) = cell.wire.raw(r#"[{"jsonrpc":"2.0","id":"b","method":"ping"}]"#).await?;
            let refused = refused.unwrap();
            assert_eq!((&refused["error"]["code"], status), (&json!(-32600), cell.http.then_some(400)));
            assert_eq!(refused.get("id"), (cell.revision < V2025_11_25).then_some(&Value::Null));
        }
        let (_, empty) = cell.wire.raw("[]").await?;
        assert_eq!(empty.unwrap()["error"]["code"], -32600);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn text_that_is_no_message_is_answered_and_the_dialogue_goes_on() {
    everywhere(async |cell| {
        for (text, code) in [
            ("{", -32700),
            ("\"words\"", -32600),
            (r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"ping"}"#, -32600),
            (r#"{"jsonrpc":"2.0","id":1.5,"method":"ping"}"#, -32600),
        ] {
            let (status, answer) = cell.wire.raw(text).await?;
            let answer = answer.unwrap();
            assert_eq!(
                (&answer["error"]["code"], status),
                (&json!(code), cell.http.then_some(400)),
                "{text}"
            );
            assert_eq!(answer.get("id"), (cell.revision < V2025_11_25).then_some(&Value::Null), "{text}");
        }
        assert_eq!(cell.tool("greet", json!({"name": "Ada"})).await?.text(), "Hello, Ada!");
        Ok(())
    })
    .await;
}
