//! What tools, resources, prompts and completion answer.

use anyport::Revision::*;
use anyport_testing::Refusal;
use anyport_tests::matrix::everywhere;
use serde_json::{Value, json};

#[tokio::test]
async fn a_tool_answers_with_text() {
    everywhere(async |cell| {
        let answer = cell.tool("greet", json!({"name": "Ada", "times": 2})).await?;
        assert_eq!(answer.text(), "Hello, Ada! Hello, Ada!");
        let result = answer.outcome?;
        assert_eq!(result.get("isError"), None);
        let kind = if cell.revision.is_stateless() { json!("complete") } else { Value::Null };
        assert_eq!(result["resultType"], kind);
        assert_eq!(result.get("_meta").is_some(), cell.revision.is_stateless());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_tool_answers_with_structure() {
    everywhere(async |cell| {
        let sum = cell.tool("sum", json!({"a": 2, "b": 3})).await?;
        assert_eq!(sum.text(), r#"{"value":5}"#);
        assert_eq!(sum.outcome?["structuredContent"], json!({"value": 5}));
        let divisors = cell.tool("divisors", json!({"a": 12, "b": 6})).await?;
        assert_eq!(divisors.text(), "[1,2,3,4,6]");
        let list = if cell.revision.is_stateless() { json!([1, 2, 3, 4, 6]) } else { Value::Null };
        assert_eq!(divisors.outcome?["structuredContent"], list);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_tool_answers_with_every_kind_of_content() {
    everywhere(async |cell| {
        let result = cell.tool("content", json!({})).await?.outcome?;
        let audio = if cell.revision < V2025_03_26 {
            // It has no URI of its own, so it is named by the digest of its bytes.
            let uri = "urn:sha256:6ed8919ce20490a5e3ad8630a4fab69475297abd07db73918dd5f36fcfaeb11b";
            json!({"type": "resource", "resource": {"uri": uri, "mimeType": "audio/wav", "blob": "YXVkaW8="}})
        } else {
            json!({"type": "audio", "data": "YXVkaW8=", "mimeType": "audio/wav"})
        };
        let link = if cell.revision < V2025_06_18 {
            json!({"type": "text", "text": "text <test:///text> A text."})
        } else {
            json!({"type": "resource_link", "uri": "test:///text", "name": "text", "description": "A text."})
        };
        let expected = json!([
            {"type": "text", "text": "words"},
            {"type": "image", "data": "aW1hZ2U=", "mimeType": "image/png"},
            audio,
            link,
            {"type": "resource", "resource": {"uri": "test:///inner", "text": "inside"}},
        ]);
        assert_eq!(result["content"], expected);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn arguments_come_through_as_they_are() {
    everywhere(async |cell| {
        let arguments = json!({
            "": null, "ä\u{0}\u{2028}\"\\": [1, -0.5, 1e300, 9_007_199_254_740_993_u64], "deep": {"a": {"b": [[]]}},
            "_meta": {"io.modelcontextprotocol/serverInfo": "mine"}, "resultType": "input_required",
        });
        let result = cell.tool("echo", arguments.clone()).await?.outcome?;
        assert_eq!(result["structuredContent"], arguments);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_told_in_the_words_of_the_revision() {
    everywhere(async |cell| {
        for arguments in
            [json!({"name": 5}), json!({}), json!({"name": "Ada", "times": 9}), json!({"nome": "Ada"})]
        {
            let invalid = cell.tool("greet", arguments).await?;
            // 2025-11-25 made it an error for the model.
            if cell.revision >= V2025_11_25 {
                assert!(invalid.text().starts_with("invalid arguments for greet"), "{invalid:?}");
                assert_eq!(invalid.outcome?["isError"], true);
            } else {
                assert_eq!(invalid.code(), Some(-32602), "{invalid:?}");
            }
        }
        let failed = cell.tool("fail", json!({})).await?;
        assert_eq!(failed.text(), "there is no ink left");
        assert_eq!(failed.outcome?["isError"], true);
        let unknown = cell.tool("great", json!({})).await?.outcome.unwrap_err();
        assert_eq!((unknown.code, &*unknown.message), (-32602, "unknown tool: great; there is greet"));
        let refused = cell.tool("refuse", json!({})).await?.outcome.unwrap_err();
        assert_eq!(
            refused,
            Refusal { code: 4711, message: "not today".into(), data: json!({"until": "noon"}) }
        );
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn resources_are_read() {
    everywhere(async |cell| {
        let mut read = async |uri: &str| cell.wire.call("resources/read", json!({ "uri": uri })).await;
        for (uri, contents) in [
            ("test:///text", json!({"uri": "test:///text", "mimeType": "text/plain", "text": "some text"})),
            ("test:///bytes", json!({"uri": "test:///bytes", "mimeType": "application/octet-stream", "blob": "AP8="})),
            (
                "test:///notes/monday",
                json!({"uri": "test:///notes/monday", "mimeType": "text/plain", "text": "the note of monday"}),
            ),
        ] {
            assert_eq!(read(uri).await?.outcome?["contents"], json!([contents]));
        }
        let broken = read("test:///broken").await?.outcome.unwrap_err();
        assert_eq!((broken.code, &*broken.message), (-32603, "the disk is gone"));
        for missing in ["test:///nothing", "test:///notes/noon"] {
            let refusal = read(missing).await?.outcome.unwrap_err();
            assert_eq!(refusal.code, if cell.revision.is_stateless() { -32602 } else { -32002 });
            assert_eq!(refusal.data, json!({ "uri": missing }));
        }
        assert_eq!(cell.wire.call("resources/read", json!({})).await?.code(), Some(-32602));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn prompts_are_got() {
    everywhere(async |cell| {
        let mut get = async |name: &str, arguments: Value| {
            cell.wire.call("prompts/get", json!({"name": name, "arguments": arguments})).await
        };
        let result = get("review", json!({"code": "x = 1"})).await?.outcome?;
        let message =
            json!({"role": "user", "content": {"type": "text", "text": "Review x = 1 in any language"}});
        assert_eq!(result["messages"], json!([message]));
        let missing = get("review", json!({"language": "rust"})).await?.outcome.unwrap_err();
        assert_eq!((missing.code, &*missing.message), (-32602, "missing required arguments: code"));
        assert_eq!(get("revue", json!({})).await?.code(), Some(-32602));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn arguments_are_completed() {
    everywhere(async |cell| {
        let note = json!({
            "ref": {"type": "ref/resource", "uri": "test:///notes/{name}"},
            "argument": {"name": "name", "value": "t"},
        });
        let result = cell.wire.call("completion/complete", note).await?.outcome?;
        assert_eq!(result["completion"]["values"], json!(["tuesday", "thursday"]));
        let language = json!({
            "ref": {"type": "ref/prompt", "name": "review"},
            "argument": {"name": "language", "value": "ru"},
            "context": {"arguments": {"code": "x"}},
        });
        let result = cell.wire.call("completion/complete", language).await?.outcome?;
        assert_eq!(result["completion"]["values"], json!(["rust for x", "ruby after ru"]));
        let unknown =
            json!({"ref": {"type": "ref/prompt", "name": "?"}, "argument": {"name": "x", "value": ""}});
        assert_eq!(cell.wire.call("completion/complete", unknown).await?.code(), Some(-32602));
        Ok(())
    })
    .await;
}
