//! What is asked, and what becomes of the answers.

use super::*;

#[tokio::test(start_paused = true)]
async fn park_accept() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    assert_eq!(called.context.input_mode(), InputMode::Inline);
    assert_eq!(
        asked.requests.as_str(),
        format!(r#"{{"q1":{{"method":"elicitation/create","params":{FORM}}}}}"#)
    );
    assert_eq!(world.parked_calls(), 1);
    let retry = world.retry(&asked, &format!(r#"{{"q1":{ACCEPT},"other":1}}"#));
    assert_eq!(told(answer).await, ACCEPT);
    called.finish(r#"{"done":true}"#);
    assert_eq!(result(retry).await, r#"{"done":true}"#);
    assert_eq!(world.parked_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_decline() {
    let mut world = world();
    let (called, answer, asked) = world.parked().await;
    let retry = world.retry(&asked, &format!(r#"{{"q1":{DECLINE}}}"#));
    assert_eq!(told(answer).await, DECLINE);
    called.finish("{}");
    assert_eq!(result(retry).await, "{}");
}

#[tokio::test(start_paused = true)]
async fn park_on_prompt_and_read() {
    for (method, params) in [
        (Method::PromptsGet, r#""name":"p","arguments":{"x":"y"}"#),
        (Method::ResourcesRead, r#""uri":"file:///a""#),
    ] {
        let mut world = world();
        let reply = world.call(method, &format!("{{{params}}}"));
        let called = world.called().await;
        let answer = called.elicit();
        let asked = asked(reply).await;
        let state = Raw::string(&asked.state);
        let retry = world.call(
            method,
            &format!(r#"{{{params},"requestState":{state},"inputResponses":{{"q1":{DECLINE}}}}}"#),
        );
        assert_eq!(told(answer).await, DECLINE);
        called.finish("{}");
        assert_eq!(result(retry).await, "{}");
    }
}

#[tokio::test(start_paused = true)]
async fn park_two_in_parallel() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let first = called.elicit();
    let asking = tokio::spawn(asked(reply));
    sleep(Duration::from_millis(15)).await;
    let second = called.ask(Method::CreateMessage, SAMPLE);
    let asked = asking.await.unwrap();
    assert_eq!(keys(&asked), ["q1", "q2"]);
    let retry = world.retry(&asked, &format!(r#"{{"q2":{MESSAGE},"q1":{ACCEPT}}}"#));
    assert_eq!((told(first).await, told(second).await), (ACCEPT.into(), MESSAGE.into()));
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_three_rounds() {
    let mut world = world();
    let (called, mut answer, mut question) = world.parked().await;
    for round in 1..=3 {
        assert_eq!(keys(&question), [format!("q{round}")]);
        let retry = world.retry(&question, &format!(r#"{{"q{round}":{ACCEPT}}}"#));
        assert_eq!(told(answer).await, ACCEPT);
        if round == 3 {
            called.finish("{}");
            result(retry).await;
            break;
        }
        answer = called.elicit();
        let next = asked(retry).await;
        assert_ne!(next.state, question.state);
        question = next;
    }
    assert_eq!(world.parked_calls(), 0);
}

#[tokio::test(start_paused = true)]
async fn park_withdrawn_question_is_not_asked() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let (first, second) = (called.elicit(), called.elicit());
    let both = asked(reply).await;
    drop(first);
    sleep(SECOND).await;
    let left = asked(world.retry(&both, "{}")).await;
    assert_eq!(keys(&left), ["q2"]);
    drop(second);
    sleep(SECOND).await;
    // A late answer is dropped; with no question left the retry waits for the outcome.
    let retry = world.retry(&left, &format!(r#"{{"q2":{ACCEPT}}}"#));
    sleep(SECOND).await;
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_more_questions_come_with_the_next_round() {
    let mut world = world();
    let (called, first, question) = world.parked().await;
    let second = called.elicit();
    sleep(SECOND).await;
    let next = asked(world.retry(&question, &format!(r#"{{"q1":{ACCEPT},"q2":{ACCEPT}}}"#))).await;
    assert_eq!((told(first).await, keys(&next)), (ACCEPT.into(), vec!["q2".to_owned()]));
    let retry = world.retry(&next, &format!(r#"{{"q2":{DECLINE}}}"#));
    assert_eq!(told(second).await, DECLINE);
    called.finish("{}");
    result(retry).await;
}

#[tokio::test(start_paused = true)]
async fn park_outcome_while_gathering_comes_through() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let answer = called.elicit();
    called.finish("{}");
    assert_eq!(result(reply).await, "{}");
    assert_eq!(answer.await.unwrap().unwrap_err().code, code::INTERNAL_ERROR);
}

#[tokio::test(start_paused = true)]
async fn park_tells_the_newest_progress_and_kept_logs_to_the_retry() {
    let mut world = world();
    let meta = |token: &str| Meta { progress_token: Some(raw(token)), ..Meta::default() };
    let context = world.context().with_log_level(Some(LogLevel::Debug));
    let request = Request::new(Method::ToolsCall, raw(r#"{"name":"t"}"#));
    let reply = world.park.call(request, context.with_meta(meta("\"one\"")).unwrap());
    let called = world.called().await;
    called.say(Method::Progress, r#"{"progressToken":"one","progress":1}"#);
    let _answer = called.elicit();
    let asked = asked(reply).await;
    for progress in [3, 2] {
        called.say(Method::Progress, &format!(r#"{{"progressToken":"one","progress":{progress}}}"#));
    }
    called.say(Method::LogMessage, &format!(r#"{{"level":"error","data":"{}"}}"#, "x".repeat(60 << 10)));
    called.say(Method::LogMessage, r#"{"level":"debug","data":1}"#);
    called.say(Method::LogMessage, &format!(r#"{{"level":"error","data":"{}"}}"#, "y".repeat(10 << 10)));
    sleep(SECOND).await;
    let params = Splice::new()
        .with("name", &raw("\"t\""))
        .with("requestState", &Raw::string(&asked.state))
        .with("inputResponses", &raw(&format!(r#"{{"q1":{ACCEPT}}}"#)))
        .finish();
    let context = world.context().with_log_level(Some(LogLevel::Warning)).with_meta(meta("2")).unwrap();
    let mut retry = world.park.call(Request::new(Method::ToolsCall, params), context);
    let Event::Notification(progress) = retry.next().await else { panic!() };
    assert_eq!(progress.params.as_str(), r#"{"progress":3,"progressToken":2}"#);
    let Event::Notification(log) = retry.next().await else { panic!() };
    assert!(log.params.as_str().contains("yyy"), "the oldest went, and what is below the level");
    called.say(Method::Progress, r#"{"progressToken":"one","progress":3}"#);
    called.say(Method::Progress, r#"{"progressToken":"one","progress":4}"#);
    let Event::Notification(progress) = retry.next().await else { panic!() };
    assert_eq!(progress.params.as_str(), r#"{"progress":4,"progressToken":2}"#);
    called.finish("{}");
    result(retry).await;
    assert_eq!(world.refused("parked_log_bytes"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_method_that_may_not_ask_refuses_and_goes_on() {
    let mut world = world();
    let mut reply = world.call(Method::ToolsList, "{}");
    let called = world.called().await;
    assert_eq!(called.context.input_mode(), InputMode::InputRequired);
    let answer = called.elicit();
    called.say(Method::ToolsChanged, "{}");
    assert!(matches!(reply.next().await, Event::Notification(_)));
    let refused = answer.await.unwrap().unwrap_err();
    assert_eq!(refused.code, code::METHOD_NOT_FOUND);
    assert_eq!(refused.message, "the client cannot be asked during tools/list");
    called.finish("{}");
    result(reply).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_is_asked_live_passes() {
    let mut world = world();
    let request = Request::new(Method::ToolsCall, raw(r#"{"name":"t","requestState":"its own"}"#));
    let context = Context::new(Principal::local(), Revision::V2025_11_25);
    let mut reply = world.park.call(request.clone(), context);
    let called = world.called().await;
    assert_eq!(called.request, request);
    let answer = called.elicit();
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    question.responder.answer(Ok(raw(ACCEPT)));
    assert_eq!(told(answer).await, ACCEPT);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_asks_nothing_is_as_it_was() {
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    called.say(Method::ToolsChanged, r#"{"x":1}"#);
    let told = tokio::spawn(async move {
        let mut reply = reply;
        let Event::Notification(notification) = reply.next().await else { panic!() };
        (notification.params, reply.outcome().await)
    });
    sleep(SECOND).await;
    called.fail(Error::new(-5, "own"));
    let own = Outcome::Error(Error::new(-5, "own"));
    assert_eq!(told.await.unwrap(), (raw(r#"{"x":1}"#), own));
}
