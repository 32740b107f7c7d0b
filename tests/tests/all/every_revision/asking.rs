//! What the client is asked, and how it answers.

use anyport::Revision::*;
use anyport_testing::Refusal;
use anyport_tests::matrix::{elicits, everywhere, everywhere_declaring, sampled};
use serde_json::json;

#[tokio::test]
async fn a_user_is_asked() {
    everywhere(async |cell| {
        for (said, expected) in [
            (json!({"action": "accept", "content": {"name": "Ada"}}), "Hello, Ada!"),
            (json!({"action": "decline"}), "declined"),
            (json!({"action": "cancel"}), "cancelled"),
        ] {
            cell.wire.answer_with(move |_| Ok(said.clone()));
            let answer = cell.tool("ask", json!({})).await?;
            if !elicits(cell.revision) {
                // Nobody could have declared that.
                assert_eq!(answer.outcome?["isError"], true);
                continue;
            }
            assert_eq!(answer.text(), expected);
            assert_eq!(answer.questions.len(), 1);
            let question = &answer.questions[0];
            assert_eq!(question.method, "elicitation/create");
            assert_eq!(question.params["message"], "Who are you?");
            let form = &question.params["requestedSchema"];
            assert_eq!(form["properties"]["name"], json!({"type": "string", "description": "Your name"}));
            assert_eq!(question.key.as_deref(), cell.revision.is_stateless().then_some("name"));
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_user_chooses_several() {
    everywhere(async |cell| {
        if !elicits(cell.revision) {
            return Ok(());
        }
        // Before 2025-11-25 a choice of several is a text with commas.
        let chosen = if cell.revision < V2025_11_25 { json!("Ham, Basil") } else { json!(["Ham", "Basil"]) };
        cell.wire.answer_with(move |_| Ok(json!({"action": "accept", "content": {"toppings": chosen}})));
        assert_eq!(cell.tool("choose", json!({})).await?.text(), "[Ham, Basil]");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_model_is_asked_by_tools_prompts_and_resources() {
    everywhere(async |cell| {
        cell.sample("as asked", Err(Refusal::new(-1, "nothing else")));
        let answer = cell.tool("sample", json!({})).await?;
        assert_eq!(answer.text(), "as asked");
        let params = &answer.questions[0].params;
        assert_eq!(params["maxTokens"], 100);
        let words = &params["messages"][0]["content"];
        assert_eq!(*words, json!({"type": "text", "text": "A haiku!"}));
        let prompt = cell.wire.call("prompts/get", json!({"name": "asking"})).await?.outcome?;
        assert_eq!(prompt["messages"][0]["content"]["text"], "as asked");
        let resource = cell.wire.call("resources/read", json!({"uri": "test:///asking"})).await?.outcome?;
        assert_eq!(resource["contents"][0]["text"], "as asked");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn several_questions_are_asked_at_once() {
    everywhere(async |cell| {
        cell.sample("word", Ok(json!({"roots": [{"uri": "file:///a"}, {"uri": "file:///b", "name": "b"}]})));
        let answer = cell.tool("together", json!({})).await?;
        assert_eq!(answer.text(), "word in file:///a file:///b");
        let mut methods: Vec<&str> = answer.questions.iter().map(|question| &*question.method).collect();
        methods.sort_unstable();
        assert_eq!(methods, ["roots/list", "sampling/createMessage"]);
        assert!(answer.questions.iter().all(|question| question.round == 0));
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn a_call_asks_in_several_rounds_and_does_once_what_is_done_once() {
    everywhere(async |cell| {
        cell.wire.answer_with(|question| {
            Ok(sampled(question.params["messages"][0]["content"]["text"].as_str().unwrap()))
        });
        for number in 1..=2 {
            let answer = cell.tool("order", json!({})).await?;
            assert_eq!(answer.text(), format!("first and second: order {number}"));
            assert_eq!(answer.questions.len(), 2);
            let rounds: Vec<usize> = answer.questions.iter().map(|question| question.round).collect();
            assert_eq!(rounds, if cell.revision.is_stateless() { [0, 1] } else { [0, 0] });
            // It ran three times: until each question, and to the end.
            assert_eq!(cell.probe.orders(), (number, 3 * number));
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn nothing_is_asked_that_the_client_did_not_declare() {
    everywhere_declaring(
        |_| json!({}),
        async |cell| {
            let tool = cell.tool("sample", json!({})).await?;
            let prompt = cell.wire.call("prompts/get", json!({"name": "asking"})).await?;
            let read = cell.wire.call("resources/read", json!({"uri": "test:///asking"})).await?;
            assert!([&tool, &prompt, &read].iter().all(|answer| answer.questions.is_empty()));
            if cell.revision.is_stateless() {
                for answer in [tool, prompt, read] {
                    let refusal = answer.outcome.unwrap_err();
                    assert_eq!(
                        (refusal.code, refusal.data),
                        (-32021, json!({"requiredCapabilities": {"sampling": {}}}))
                    );
                    assert_eq!(answer.status, cell.http.then_some(400));
                }
            } else {
                assert_eq!(prompt.code(), Some(-32600));
                assert_eq!(read.code(), Some(-32600));
                assert!(tool.text().contains("sampling"), "{tool:?}");
                assert_eq!(tool.outcome?["isError"], true);
            }
            Ok(())
        },
    )
    .await;
}

#[tokio::test]
async fn a_client_may_refuse_to_answer() {
    everywhere(async |cell| {
        cell.wire.answer_with(|_| Err(Refusal::new(-1, "the user does not want that")));
        let tool = cell.tool("sample", json!({})).await?;
        let prompt = cell.wire.call("prompts/get", json!({"name": "asking"})).await?;
        assert_eq!(tool.questions.len(), 1);
        if cell.revision.is_stateless() {
            // It just does not call again.
            for answer in [tool, prompt] {
                assert_eq!(answer.outcome?["resultType"], "input_required");
            }
            return Ok(());
        }
        assert!(tool.text().ends_with("the user does not want that"), "{tool:?}");
        assert_eq!(tool.outcome?["isError"], true);
        let refusal = prompt.outcome.unwrap_err();
        assert_eq!((refusal.code, &refusal.data["reason"]), (-32603, &json!("client_refused")));
        if elicits(cell.revision) {
            assert_eq!(cell.tool("ask", json!({})).await?.text(), "cancelled");
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again() {
    everywhere(async |cell| {
        let mut asked = 0;
        cell.wire.answer_with(move |_| {
            asked += 1;
            Ok(if asked == 1 { json!({"unfit": true}) } else { sampled("better") })
        });
        let answer = cell.tool("sample", json!({})).await?;
        assert_eq!((answer.text().as_str(), answer.questions.len()), ("better", 2));
        Ok(())
    })
    .await;
}
