//! Answers that are missing or do not fit, and states that are not the caller's.

use super::*;

#[tokio::test(start_paused = true)]
async fn park_reasks_missing() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let (first, mut second) = (called.elicit(), called.elicit());
    let both = asked(reply).await;
    // Nothing at all: the same questions again.
    let same = asked(world.retry(&both, "{}")).await;
    assert_eq!(same.requests, both.requests);
    let mut open = asked(world.retry(&same, &format!(r#"{{"q1":{ACCEPT}}}"#))).await;
    assert_eq!((keys(&open), told(first).await), (vec!["q2".to_owned()], ACCEPT.to_owned()));
    // What is wrong counts as what is missing, until it is too much; then the call still waits for a good answer.
    for _ in 0..2 {
        open = asked(world.retry(&open, r#"{"q2":{"action":"accept"}}"#)).await;
    }
    let refused = error(world.retry(&open, r#"{"q2":{"action":"accept"}}"#)).await;
    assert_eq!((refused.code, refused.reason), (code::INVALID_PARAMS, Some(Reason::Malformed)));
    assert_eq!(world.refused("max_reprompts"), 1);
    assert!(second.try_recv().is_err());
    let retry = world.retry(&open, &format!(r#"{{"q2":{ACCEPT}}}"#));
    assert_eq!(told(second).await, ACCEPT);
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_reasks_against_schema() {
    let mut world = world();
    let (called, mut answer, first) = world.parked().await;
    let again = asked(world.retry(&first, r#"{"q1":{"action":"accept","content":{"name":7}}}"#)).await;
    assert_eq!(again.requests, first.requests);
    assert!(answer.try_recv().is_err());
    assert_refused(world.retry(&first, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Consumed).await;
    let retry = world.retry(&again, &format!(r#"{{"q1":{ACCEPT}}}"#));
    assert_eq!(told(answer).await, ACCEPT);
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_malformed() {
    let mut world = world();
    let (_called, mut answer, asked) = world.parked().await;
    for answers in ["[]", r#"{"q1":"yes"}"#, r#"{"q1":{"action":"perhaps"}}"#] {
        let error = error(world.retry(&asked, answers)).await;
        assert_eq!((error.code, error.reason), (code::INVALID_PARAMS, Some(Reason::Malformed)));
        assert!(answer.try_recv().is_err());
    }
    assert_eq!(world.parked_calls(), 1);
    drop(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#)));
    assert_eq!(told(answer).await, ACCEPT);
}

#[tokio::test(start_paused = true)]
async fn park_tampered() {
    let mut world = world();
    let (_called, mut answer, asked) = world.parked().await;
    let mut altered = asked.state.clone();
    let last = altered.pop().unwrap();
    altered.push(if last == 'A' { 'B' } else { 'A' });
    let long = "A".repeat((64 << 10) + 1);
    for state in [altered.as_str(), "", "x", long.as_str()] {
        assert_refused(world.tool_with(r#"{"a":1,"b":2}"#, state, "{}"), Reason::Tampered).await;
    }
    let params = r#"{"name":"t","arguments":{"a":1,"b":2},"requestState":7}"#;
    assert_refused(world.call(Method::ToolsCall, params), Reason::Tampered).await;
    assert_eq!(world.refused("state_bytes"), 1);
    assert!(answer.try_recv().is_err());
    assert_eq!(world.parked_calls(), 1);
}

/// Invariant: A parked state is valid for one round of one request.
#[tokio::test(start_paused = true)]
async fn park_other_arguments() {
    let mut world = world();
    let (_called, _answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    assert_refused(world.tool_with(r#"{"a":1,"b":3}"#, &asked.state, &answers), Reason::Mismatch).await;
    let state = Raw::string(&asked.state);
    let other = format!(r#"{{"name":"u","arguments":{{"a":1,"b":2}},"requestState":{state}}}"#);
    assert_refused(world.call(Method::ToolsCall, &other), Reason::Mismatch).await;
    let other = format!(r#"{{"name":"t","arguments":{{"a":1,"b":2}},"requestState":{state}}}"#);
    assert_refused(world.call(Method::PromptsGet, &other), Reason::Mismatch).await;
    assert_eq!(world.parked_calls(), 1);
}

#[tokio::test(start_paused = true)]
async fn park_key_order_is_equal() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let retry = world.tool_with(r#"{ "b": 2.0, "a" : 1 }"#, &asked.state, &format!(r#"{{"q1":{ACCEPT}}}"#));
    assert_eq!(told(answer).await, ACCEPT);
    called.finish("{}");
    result(retry).await;
}

/// Invariant: A parked state is valid for one round of one request.
#[tokio::test(start_paused = true)]
async fn park_earlier_round() {
    let mut world = world();
    let (called, answer, first) = world.parked().await;
    let retry = world.retry(&first, &format!(r#"{{"q1":{ACCEPT}}}"#));
    told(answer).await;
    let mut answer = called.elicit();
    asked(retry).await;
    assert_refused(world.retry(&first, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Consumed).await;
    assert_refused(world.retry(&first, &format!(r#"{{"q2":{ACCEPT}}}"#)), Reason::Consumed).await;
    assert!(answer.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn foreign_principal() {
    let mut world = world();
    let (_called, mut answer, asked) = world.parked().await;
    world.principal = Principal::named("eve");
    assert_refused(world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#)), Reason::Foreign).await;
    assert!(answer.try_recv().is_err());
    assert_eq!(world.parked_calls(), 1);
}
