//! Whatever is posted is answered by its id, in JSON-RPC, and the next caller is served.

use anyport::with_legacy_clients;
use anyport_testing::generators;
use anyport_tests::everything::{Probe, server};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};

use super::{config, sites};

/// So many values of a strategy, the same ones every time.
fn some<S: Strategy>(strategy: &S, count: usize) -> Vec<S::Value> {
    let mut runner = TestRunner::deterministic();
    (0..count).map(|_| strategy.new_tree(&mut runner).unwrap().current()).collect()
}

/// Checks that `answer` is one to `call`.
fn check(call: &Value, answer: &Value) {
    assert_eq!(answer["jsonrpc"], "2.0", "{call}");
    assert!(answer.get("result").is_some() != answer.get("error").is_some(), "{answer} to {call}");
    let id = call.get("id").filter(|id| id.is_string() || id.is_i64() || id.is_u64());
    assert_eq!(answer.get("id"), Some(id.unwrap_or(&Value::Null)), "{answer} to {call}");
    if let Some(error) = answer.get("error") {
        assert!(error["message"].as_str().is_some_and(|message| !message.is_empty()), "{answer}");
        // Nothing of it is the server's fault.
        assert_ne!(error["code"], -32603, "{answer} to {call}");
    }
}

#[tokio::test]
async fn any_message_is_answered_alone_and_in_an_array() {
    let messages = some(&generators::message(), 300);
    for (_site, plain) in sites(|| with_legacy_clients(server(&Probe::default()).unwrap()), config()).await {
        for message in &messages {
            let answer = plain.post(&message.to_string()).await.unwrap();
            assert!((200..500).contains(&answer.status), "{} to {message}", answer.status);
            match message.as_array() {
                Some(calls) if !calls.is_empty() => {
                    let answers = answer.json();
                    assert_eq!(answers.as_array().unwrap().len(), calls.len());
                    calls
                        .iter()
                        .zip(answers.as_array().unwrap())
                        .for_each(|(call, answer)| check(call, answer));
                }
                _ => check(message, &answer.json()),
            }
        }
        let answers = plain.post(&json!(messages).to_string()).await.unwrap().json();
        assert_eq!(answers.as_array().unwrap().len(), messages.len());
        messages.iter().zip(answers.as_array().unwrap()).for_each(|(call, answer)| check(call, answer));
        assert_eq!(plain.tool("number", &json!({})).await.unwrap().json()["result"], 5);
    }
}

#[tokio::test]
async fn any_object_goes_through_a_tool_and_back() {
    let objects = some(&generators::object(), 100);
    for (_site, plain) in sites(|| with_legacy_clients(server(&Probe::default()).unwrap()), config()).await {
        for object in &objects {
            let arguments = Value::Object(object.clone());
            assert_eq!(plain.tool("echo", &arguments).await.unwrap().json()["result"], arguments);
        }
    }
}

/// A call that was damaged somewhere is answered, or refused, and nothing else.
#[tokio::test]
async fn any_damage_is_told() {
    let call = r#"[{"jsonrpc":"2.0","method":"sum","params":{"a":1,"b":[2,{"c":"\u00e4"}]},"id":"x"}]"#;
    for (_site, plain) in sites(|| with_legacy_clients(server(&Probe::default()).unwrap()), config()).await {
        for at in 0..call.len() {
            for with in ["", "\"", "\\", "}", "\u{0}", ",", "9"] {
                let mut damaged = call.to_owned();
                damaged.replace_range(at..=at, with);
                let answer = plain.post(&damaged).await.unwrap();
                assert!(matches!(answer.status, 200 | 400), "{} to {damaged}", answer.status);
                let json = answer.json();
                let one = if json.is_array() { &json[0] } else { &json };
                assert_eq!(one["jsonrpc"], "2.0", "{damaged}");
                assert!(one["error"]["code"].is_i64(), "{json} to {damaged}");
            }
        }
    }
}
