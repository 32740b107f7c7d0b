//! Where the eras meet: rounds that a legacy client does not see, questions that are withdrawn, connections that end.

use anyport::Revision::*;
use anyport_tests::matrix::{everywhere, sampled};
use serde_json::json;

#[tokio::test]
async fn progress_increases_over_all_rounds_of_a_call() {
    everywhere(async |cell| {
        cell.wire.answer_with(|_| Ok(sampled("yes")));
        let params = json!({"name": "steps", "_meta": {"progressToken": "p"}});
        let answer = cell.wire.call("tools/call", params).await?;
        assert_eq!(answer.text(), "yes");
        let told = answer.said("notifications/progress");
        let told: Vec<f64> = told.iter().map(|params| params["progress"].as_f64().unwrap()).collect();
        if cell.revision.is_stateless() {
            // A retry is a request of its own, so its progress begins anew.
            assert_eq!(told, [1.0, 1.0, 2.0]);
        } else {
            assert_eq!(told, [1.0, 2.0]);
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn questions_are_withdrawn_when_their_call_is_cancelled() {
    everywhere(async |cell| {
        if cell.revision.is_stateless() {
            // Its questions came in a result: there is no call any more.
            return Ok(());
        }
        cell.wire.leave_open();
        let call = cell.wire.begin("tools/call", json!({"name": "race"}))?;
        cell.wire.questions(&call, 2).await?;
        let mut open: Vec<_> = cell
            .wire
            .heard()
            .iter()
            .filter_map(|heard| heard.message.get("method")?.as_str().and(heard.message.get("id")))
            .cloned()
            .collect();
        assert_eq!(open.len(), 2);
        cell.wire.cancel(call).await?;
        while !open.is_empty() {
            let withdrawn = cell.wire.change().await?;
            assert_eq!(withdrawn["method"], "notifications/cancelled");
            let place = open.iter().position(|id| *id == withdrawn["params"]["requestId"]);
            open.remove(place.unwrap());
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_url_is_shown_where_it_can_be() {
    anyport_tests::matrix::everywhere_declaring(
        |revision| match revision >= V2025_11_25 {
            true => json!({"elicitation": {"url": {}}}),
            false => json!({"elicitation": {}}),
        },
        async |cell| {
            cell.wire.answer_with(|_| Ok(json!({"action": "accept"})));
            let answer = cell.tool("visit", json!({})).await?;
            if cell.revision < V2025_11_25 {
                assert_eq!(answer.outcome?["isError"], true);
                return Ok(());
            }
            assert_eq!(answer.text(), "visited");
            let params = &answer.questions[0].params;
            assert_eq!((&params["mode"], &params["url"]), (&json!("url"), &json!("https://example.com/")));
            // 2025-11-25 gives it an id, by which its end is told.
            let ids: Vec<_> = answer.said("notifications/elicitation/complete");
            if cell.revision == V2025_11_25 {
                assert_eq!(ids, [&json!({"elicitationId": params["elicitationId"]})]);
            } else {
                assert!(ids.is_empty() && params.get("elicitationId").is_none());
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn ids_come_back_as_they_were_written() {
    everywhere(async |cell| {
        let meta = if cell.revision.is_stateless() {
            r#","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}}"#
        } else {
            ""
        };
        for id in ["\"\"", "\"a\\u0062\"", "-7", "9007199254740993", "\"1\"", "1"] {
            let text = format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"no/method"{meta}}}"#);
            let (_, answer) = cell.wire.raw(&text).await?;
            let answer = answer.unwrap();
            let expected: serde_json::Value = serde_json::from_str(id).unwrap();
            assert_eq!((&answer["id"], &answer["error"]["code"]), (&expected, &json!(-32601)), "{id}");
        }
        Ok(())
    })
    .await;
}
