use std::{path::Path, time::Duration};

use anyport_server::{Context, Form, Json, NoArguments, Prompt, Resource, Server, Tool};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::*;

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Sum {
    value: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

fn server() -> Server {
    let add = Tool::new("add").run(async |Add { a, b }: Add, _: Context| Json(Sum { value: a + b }));
    let greet = Tool::new("greet").run(async |_: NoArguments, context: Context| {
        context.progress(1.0, 2.0, "asking").await;
        let asked = context.ask("who", Form::<Name>::new("Who are you?")).await;
        asked.accepted().map_or("Nobody".to_owned(), |Name { name }| format!("Hello, {name}!"))
    });
    let slow = Tool::new("slow").run(async |_: NoArguments, _: Context| {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        "an hour later"
    });
    let touch = Tool::new("touch").run(async |_: NoArguments, context: Context| {
        context.events().resource_updated("notes:///today");
        context.events().tools_changed();
    });
    let today = Resource::new("notes:///today").read(async |_: Context| "Be kind.");
    let review = Prompt::new("review").get(async |_: anyport_server::Values, _: Context| "Review it.");
    Server::builder("test", "1.0.0")
        .add(add)
        .add(greet)
        .add(slow)
        .add(touch)
        .add(today)
        .add(review)
        .page_size(2)
        .build()
        .unwrap()
}

fn ada(question: &Question) -> Result<Value, Refusal> {
    assert_eq!(question.params["message"], "Who are you?");
    Ok(json!({"action": "accept", "content": {"name": "Ada"}}))
}

#[tokio::test]
async fn the_same_calls_go_through_memory_and_as_messages_of_every_revision() {
    let revisions = [None].into_iter().chain(Revision::ALL.map(Some));
    for revision in revisions {
        let connect = server().client().answering(ada);
        let mut client = match revision {
            None => connect.await.unwrap(),
            Some(revision) => {
                let capabilities = match revision < Revision::V2025_06_18 {
                    true => json!({}),
                    false => json!({"elicitation": {}}),
                };
                connect.declaring(capabilities).wire(revision).await.unwrap()
            }
        };
        let names: Vec<_> = client.tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
        assert_eq!(names, ["add", "greet", "slow", "touch"], "{revision:?}");
        assert_eq!(client.resources().await.unwrap().len(), 1);
        assert_eq!(client.prompts().await.unwrap().len(), 1);
        let sum = client.call("add", json!({"a": 1, "b": 2})).await.unwrap();
        assert!(sum.text().contains('3'), "{sum:?}");
        let refused = client.call("add", json!({"a": "one"})).await.unwrap();
        assert!(refused.is_error(), "{refused:?}");
        assert!(client.read("notes:///today").await.unwrap().outcome.is_ok());
        assert!(client.prompt("review", json!({})).await.unwrap().outcome.is_ok());
        if revision.is_none_or(|revision| revision >= Revision::V2025_06_18) {
            let greeting = client.call("greet", json!({})).await.unwrap();
            assert_eq!(greeting.text(), "Hello, Ada!", "{revision:?}");
            // Each round of a call may tell of its progress.
            assert!(!greeting.said("notifications/progress").is_empty());
            assert_eq!(sum.structured::<Sum>().unwrap(), Sum { value: 3 });
        }
    }
}

#[tokio::test(start_paused = true)]
async fn time_can_be_paused() {
    let mut client = server().client().await.unwrap();
    assert_eq!(client.call("slow", json!({})).await.unwrap().text(), "an hour later");
}

#[tokio::test(start_paused = true)]
async fn changes_are_heard() {
    let mut client = server().client().await.unwrap();
    assert_eq!(client.listen(&["notes:///today"]).await.unwrap(), ["notes:///today"]);
    client.call("touch", json!({})).await.unwrap();
    assert_eq!(client.change().await.unwrap()["params"]["uri"], "notes:///today");
    assert_eq!(client.change().await.unwrap()["method"], "notifications/tools/list_changed");
    assert!(matches!(client.change().await, Err(Lost::Silence(..))));
}

/// A server whose tools ask: `greet` once, `nag` again and again, `sample` a model.
fn asking() -> Server {
    let greet = Tool::new("greet").run(async |_: NoArguments, context: Context| {
        match context.ask("who", Form::<Name>::new("Who are you?")).await.accepted() {
            Some(Name { name }) => format!("Hello, {name}!"),
            None => "Nobody".to_owned(),
        }
    });
    let nag = Tool::new("nag").run(async |_: NoArguments, context: Context| {
        for number in 1..=11 {
            context.confirm(None, format!("Go on to {number}?")).await;
        }
    });
    let sample = Tool::new("sample").run(async |_: NoArguments, context: Context| {
        let asked = anyport_protocol::types::SamplingMessage::user("Hi");
        let asked = anyport_protocol::types::CreateMessageRequest::new(vec![asked], 10);
        context.sample("model", asked).await.content.text()
    });
    Server::builder("asking", "1.0.0").add(greet).add(nag).add(sample).build().unwrap()
}

/// Calls the tool `name` in memory, and as messages of a revision of each era, with `answer` to each question.
async fn in_every_era(
    name: &str,
    answer: fn(&Question) -> Result<Value, Refusal>,
) -> [Result<Answer, Lost>; 3] {
    let mut answers = Vec::new();
    for wire in [None, Some(Revision::V2025_11_25), Some(Revision::V2026_07_28)] {
        let connect = asking().client().answering(answer);
        let mut client = match wire {
            None => connect.await.unwrap(),
            Some(revision) => connect.wire(revision).await.unwrap(),
        };
        let call = tokio::time::timeout(Duration::from_secs(60), client.call(name, json!({}))).await;
        answers.push(call.expect("the call ends"));
        // The client is as good as before.
        assert_eq!(client.tools().await.unwrap().len(), 3);
    }
    answers.try_into().unwrap()
}

#[tokio::test]
async fn a_question_without_an_answer_fails_the_call_and_is_named() {
    for call in in_every_era("greet", |_| Err(Refusal::new(-1, "not today"))).await {
        let Err(Lost::Unanswered { question, refusal }) = call else { panic!("{call:?}") };
        assert!(question.contains("elicitation/create") && question.contains("Who are you?"), "{question}");
        assert_eq!(refusal.message, "not today");
    }
    let lost = asking().client().await.unwrap().call("greet", json!({})).await.unwrap_err().to_string();
    assert!(lost.contains("Who are you?") && lost.contains("`Connect::answering`"), "{lost}");
}

#[tokio::test]
async fn an_answer_that_does_not_fit_its_form_fails_the_call_and_names_the_field() {
    let unfit = |_: &Question| Ok(json!({"action": "accept", "content": {"nom": "Ada"}}));
    for call in in_every_era("greet", unfit).await {
        let Err(Lost::Answer { question, fault, .. }) = call else { panic!("{call:?}") };
        assert!(question.contains("Who are you?") && fault.contains("name"), "{question}: {fault}");
    }
    for call in in_every_era("sample", |_| Ok(json!({"role": "assistant"}))).await {
        assert!(matches!(call, Err(Lost::Answer { .. })), "{call:?}");
    }
}

#[tokio::test]
async fn a_call_that_asks_without_end_is_ended() {
    for call in in_every_era("nag", |_| Ok(json!({"action": "accept"}))).await {
        let Err(Lost::Rounds { question, rounds: 10 }) = call else { panic!("{call:?}") };
        assert!(question.contains("Go on to 11?"), "{question}");
    }
}

#[tokio::test]
async fn the_structured_content_of_a_tool_that_failed_is_its_failure() {
    let mut client = server().client().await.unwrap();
    let failed = client.call("add", json!({"a": "one"})).await.unwrap().structured::<Sum>().unwrap_err();
    assert!(failed.to_string().starts_with("the tool failed: "), "{failed}");
    let none = client.call("touch", json!({})).await.unwrap().structured::<Sum>().unwrap_err();
    assert!(none.to_string().contains("there is none"), "{none}");
    let unknown = client.call("subtract", json!({})).await.unwrap().structured::<Sum>().unwrap_err();
    assert!(matches!(unknown, Lost::Refusal(_)), "{unknown}");
    let sum = client.call("add", json!({"a": 1, "b": 2})).await.unwrap();
    assert!(sum.structured::<Vec<i64>>().is_err());
}

#[tokio::test]
async fn a_client_without_the_capability_is_not_asked() {
    let mut client = server().client().declaring(json!({})).await.unwrap();
    assert_eq!(client.call("greet", json!({})).await.unwrap().code(), Some(-32_021));
}

#[tokio::test]
async fn a_transcript_says_what_was_said_and_names_the_first_difference() {
    let mut client = server().client().answering(ada).await.unwrap();
    client.call("add", json!({"a": 1, "b": 2})).await.unwrap();
    client.call("greet", json!({})).await.unwrap();
    client.read("notes:///gone").await.unwrap();
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/transcript.txt");
    client.transcript().check(&golden).unwrap();

    let altered = std::fs::read_to_string(golden).unwrap().replace("Hello, Ada!", "Hello, Bob!");
    let difference = client.transcript().difference(&altered).unwrap();
    assert!(difference.contains("Hello, Bob!") && difference.contains("Hello, Ada!"), "{difference}");
}
