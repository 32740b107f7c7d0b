//! Progress, logs and changes.

use anyport_testing::{Answer, Lost};
use anyport_tests::matrix::{Cell, everywhere};
use serde_json::{Value, json};

#[tokio::test]
async fn progress_is_told_to_those_who_gave_a_token() {
    everywhere(async |cell| {
        for token in [json!("a token"), json!(7), json!("7")] {
            let params = json!({"name": "progress", "arguments": {"steps": 3}, "_meta": {"progressToken": token}});
            let answer = cell.wire.call("tools/call", params).await?;
            let told: Vec<Value> = answer.said("notifications/progress").into_iter().cloned().collect();
            let step = |step: u32| json!({"progressToken": token, "progress": step, "total": 3, "message": "one more"});
            assert_eq!(told, [step(1), step(2), step(3)]);
            assert_eq!(answer.text(), "done");
        }
        let untold = cell.tool("progress", json!({"steps": 3})).await?;
        assert!(untold.notifications.is_empty(), "{untold:?}");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn logs_are_told_from_the_severity_that_was_asked_for() {
    everywhere(async |cell| {
        let levels = ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];
        let logged = |answer: &Answer| -> Vec<String> {
            let said = answer.said("notifications/message").into_iter();
            said.map(|params| {
                assert_eq!(params["logger"], "everything");
                assert_eq!(params["data"], json!({"said": params["level"]}));
                params["level"].as_str().unwrap().to_owned()
            })
            .collect()
        };
        // A modern client that asks for none gets none; before, the server decides, and we decide for `info`.
        let unasked = if cell.revision.is_stateless() { &levels[8..] } else { &levels[1..] };
        assert_eq!(logged(&cell.tool("log", json!({})).await?), unasked);
        for (index, level) in levels.iter().enumerate() {
            cell.wire.log_level(level).await?;
            assert_eq!(logged(&cell.tool("log", json!({})).await?), levels[index..], "{level}");
        }
        // A modern level comes with each call; a legacy one by itself.
        let wrong = match cell.wire.log_level("loud").await {
            Ok(()) => cell.tool("log", json!({})).await?.outcome.unwrap_err(),
            Err(Lost::Refusal(refusal)) => refusal,
            Err(lost) => return Err(lost),
        };
        assert_eq!(wrong.code, -32602);
        Ok(())
    })
    .await;
}

/// Changes, in whatever order they come.
async fn changes(cell: &mut Cell, count: usize) -> Result<Vec<String>, Lost> {
    let mut changes = Vec::new();
    for _ in 0..count {
        let change = cell.wire.change().await?;
        let uri = change["params"]["uri"].as_str().map_or(String::new(), |uri| format!(" {uri}"));
        changes.push(format!("{}{uri}", change["method"].as_str().unwrap()));
    }
    changes.sort_unstable();
    Ok(changes)
}

#[tokio::test]
async fn changes_are_told_to_those_who_listen() {
    everywhere(async |cell| {
        let watched = cell.wire.listen(&["test:///text", "test:///notes"]).await?;
        assert_eq!(watched.len(), 2);
        let what =
            json!(["tools", "prompts", "resources", "test:///bytes", "test:///text", "test:///notes/monday"]);
        assert_eq!(cell.tool("change", json!({ "what": what })).await?.text(), "told");
        assert_eq!(
            changes(cell, 5).await?,
            [
                "notifications/prompts/list_changed",
                "notifications/resources/list_changed",
                "notifications/resources/updated test:///notes/monday",
                "notifications/resources/updated test:///text",
                "notifications/tools/list_changed",
            ]
        );
        // What nobody listens to any more is not told: the next thing heard is the marker.
        assert_eq!(cell.wire.listen(&["test:///bytes"]).await?, ["test:///bytes"]);
        cell.tool("change", json!({"what": ["test:///text", "test:///notes/monday", "test:///bytes"]}))
            .await?;
        assert_eq!(changes(cell, 1).await?, ["notifications/resources/updated test:///bytes"]);
        Ok(())
    })
    .await;
}
