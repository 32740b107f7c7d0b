//! The limits of server requests that a legacy client gets inline (`rounds`, `questions`, `ask_timeout`) hold over every transport. A
//! modern client sends the rounds itself, and has as much time as its state has.
//!
//! Invariant: The limits of the rounds of one call hold over every transport that legacy clients use.

use std::time::Duration;

use anyport::{
    layer::{LegacyClientAdapter, LegacyClientLimits},
    metrics::Metrics,
};
use anyport_testing::Lost;
use anyport_tests::{
    everything::{Probe, server},
    matrix::{Cell, around, capabilities, sampled},
};
use serde_json::json;

/// Calls `tool` of a server within `limits` in every cell, as `prepare`d. A call of a legacy client ends with these words; the limit
/// `name` counts it.
async fn refuses(
    (name, limits): (&'static str, LegacyClientLimits),
    tool: &'static str,
    words: &'static str,
    prepare: fn(&mut Cell),
) {
    let metrics = Metrics::new();
    let service = |probe: &Probe| Ok(LegacyClientAdapter::new(server(probe)?, limits).metrics(&metrics));
    let check = async |cell: &mut Cell| -> Result<(), Lost> {
        if cell.revision.is_stateless() {
            return Ok(());
        }
        prepare(cell);
        let counted = metrics.refusals(name).value();
        let answer = cell.tool(tool, json!({})).await?;
        let told = match answer.outcome {
            Ok(result) => {
                assert_eq!(result["isError"], true);
                result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
            }
            Err(refusal) => refusal.message,
        };
        assert!(told.ends_with(words), "{told}");
        assert_eq!(metrics.refusals(name).value(), counted + 1);
        // The dialogue goes on.
        assert_eq!(cell.tool("greet", json!({"name": "Ada"})).await?.text(), "Hello, Ada!");
        Ok(())
    };
    around(service, capabilities, check).await;
    assert!(metrics.refusals(name).value() > 0);
}

fn answering(cell: &mut Cell) {
    cell.wire.answer_with(|question| match question.method.as_str() {
        "roots/list" => Ok(json!({"roots": []})),
        _ => Ok(sampled("a word")),
    });
}

#[tokio::test]
async fn a_call_that_asks_in_too_many_rounds_is_ended_over_every_transport() {
    let limit = ("rounds", LegacyClientLimits::default().rounds(1));
    refuses(limit, "order", "the call asked in more than 1 rounds (rounds)", answering).await;
}

#[tokio::test]
async fn a_call_that_asks_too_much_at_once_is_ended_over_every_transport() {
    let limit = ("questions", LegacyClientLimits::default().questions(1));
    refuses(limit, "together", "more than 1 questions in one round (questions)", answering).await;
}

#[tokio::test]
async fn a_question_without_an_answer_ends_its_call_over_every_transport() {
    let limit = ("ask_timeout", LegacyClientLimits::default().ask_timeout(Duration::from_millis(30)));
    refuses(limit, "sample", "no answer within 0 s (ask_timeout)", |cell| cell.wire.leave_open()).await;
}
