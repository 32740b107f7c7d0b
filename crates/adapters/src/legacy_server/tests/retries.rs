//! Answers that come again.

use super::*;

#[tokio::test(start_paused = true)]
async fn park_retry_joins() {
    let mut world = world();
    let (mut called, answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    let (one, two) = (world.retry(&asked, &answers), world.retry(&asked, &answers));
    told(answer).await;
    drop(one);
    sleep(SECOND).await;
    assert!(!called.end.is_closed(), "one is still there");
    let three = world.retry(&asked, &answers);
    called.say(Method::ToolsChanged, "{}");
    called.finish(r#"{"n":1}"#);
    assert_eq!((result(two).await, result(three).await), (r#"{"n":1}"#.into(), r#"{"n":1}"#.into()));

    let (called2, answer, asked) = world.parked().await;
    called = called2;
    let (one, two) = (world.retry(&asked, &answers), world.retry(&asked, &answers));
    told(answer).await;
    drop((one, two));
    timeout(SECOND, called.end.closed()).await.unwrap();
    sleep(SECOND).await;
    assert_refused(world.retry(&asked, &answers), Reason::Cancelled).await;
}

#[tokio::test(start_paused = true)]
async fn park_retry_replays() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    let retry = world.retry(&asked, &answers);
    told(answer).await;
    called.finish(r#"{"n":1}"#);
    result(retry).await;
    advance(SECOND * 29).await;
    let spaced = format!(r#"{{ "q1" : {ACCEPT} }}"#);
    assert_eq!(result(world.retry(&asked, &spaced)).await, r#"{"n":1}"#);
    advance(SECOND * 2).await;
    assert_refused(world.retry(&asked, &answers), Reason::Consumed).await;
}

#[tokio::test(start_paused = true)]
async fn park_does_not_replay_what_is_large() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let answers = format!(r#"{{"q1":{ACCEPT}}}"#);
    let retry = world.retry(&asked, &answers);
    told(answer).await;
    called.finish(&format!(r#"{{"text":"{}"}}"#, "x".repeat(64 << 10)));
    result(retry).await;
    assert_refused(world.retry(&asked, &answers), Reason::Consumed).await;
}

#[tokio::test(start_paused = true)]
async fn park_other_answers_refused() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT}}}"#));
    told(answer).await;
    let other = format!(r#"{{"q1":{DECLINE}}}"#);
    assert_refused(world.retry(&asked, &other), Reason::Consumed).await;
    called.finish("{}");
    result(retry).await;
    assert_refused(world.retry(&asked, &other), Reason::Consumed).await;
}
