//! How tools run: on threads, for a limited time, through each other, and after their calls.

use anyport_testing::Refusal;
use anyport_tests::matrix::{everywhere, sampled};
use serde_json::json;

#[tokio::test]
async fn a_blocking_tool_tells_and_asks_like_others() {
    everywhere(async |cell| {
        cell.sample("still here", Err(Refusal::new(-1, "nothing else")));
        let params = json!({"name": "thread", "arguments": {}, "_meta": {"progressToken": "t"}});
        let answer = cell.wire.call("tools/call", params).await?;
        assert_eq!(answer.text(), "still here");
        assert_eq!(answer.questions.len(), 1);
        assert!(!answer.said("notifications/progress").is_empty());
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_tool_over_its_time_is_a_failure_that_the_model_reads() {
    everywhere(async |cell| {
        let answer = cell.tool("hang", json!({})).await?;
        assert_eq!(answer.text(), "timed out after 20 ms");
        assert_eq!(answer.outcome?["isError"], true);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_called_tools_ask_is_asked_for_the_call() {
    everywhere(async |cell| {
        cell.wire.answer_with(|question| Ok(sampled(question.key.as_deref().unwrap_or("live"))));
        let answer = cell.tool("delegate", json!({"a": 2, "b": 3})).await?;
        let keys = if cell.revision.is_stateless() { "sample/haiku sample#2/haiku 5" } else { "live live 5" };
        assert_eq!(answer.text(), keys);
        let rounds: Vec<usize> = answer.questions.iter().map(|question| question.round).collect();
        let expected = if cell.revision.is_stateless() { [0, 1] } else { [0, 0] };
        assert_eq!(rounds, expected);
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn work_goes_on_after_its_call() {
    everywhere(async |cell| {
        cell.wire.listen(&[]).await?;
        assert_eq!(cell.tool("leave", json!({})).await?.text(), "left");
        assert_eq!(cell.wire.change().await?["method"], "notifications/tools/list_changed");
        Ok(())
    })
    .await;
}
