//! What a caller has declared, and pages that it is to visit.

use super::*;

#[tokio::test(start_paused = true)]
async fn undeclared_is_32021() {
    for (capabilities, method, params, refusal, required) in [
        ("{}", Method::Elicit, FORM, -32601, r#"{"elicitation":{"form":{}}}"#),
        ("{}", Method::CreateMessage, SAMPLE, -32601, r#"{"sampling":{}}"#),
        ("{}", Method::ListRoots, "{}", -32601, r#"{"roots":{}}"#),
        (
            r#"{"elicitation":{}}"#,
            Method::Elicit,
            r#"{"mode":"url","message":"m","url":"https://a.example"}"#,
            -32602,
            r#"{"elicitation":{"url":{}}}"#,
        ),
    ] {
        let mut world = World { capabilities, ..world() };
        let reply = world.tool();
        let called = world.called().await;
        let refused = called.ask(method, params).await.unwrap().unwrap_err();
        assert_eq!(refused.code, refusal);
        called.fail(refused);
        let error = error(reply).await;
        assert_eq!(error.code, code::MISSING_CLIENT_CAPABILITY);
        let data = format!(r#"{{"requiredCapabilities":{required}}}"#);
        assert_eq!(error.data.unwrap().as_str(), data);
        // A result passes: the server found another way.
        let reply = world.tool();
        let called = world.called().await;
        called.ask(method, params).await.unwrap().unwrap_err();
        called.finish("{}");
        result(reply).await;
    }
}

#[tokio::test(start_paused = true)]
async fn sampling_tools() {
    let tools = r#"{"messages":[],"maxTokens":1,"tools":[],"includeContext":"allServers","task":{"ttl":1},"_meta":{"progressToken":1,"a":2}}"#;
    let mut world = world();
    let reply = world.tool();
    let called = world.called().await;
    let refused = called.ask(Method::CreateMessage, tools).await.unwrap().unwrap_err();
    assert_eq!(refused.code, code::INVALID_PARAMS);
    drop((reply, called));
    world.capabilities = r#"{"sampling":{"tools":{}}}"#;
    let reply = world.tool();
    let called = world.called().await;
    let _answer = called.ask(Method::CreateMessage, tools);
    let params = asked(reply).await.requests.member("q1").unwrap().member("params").unwrap();
    assert_eq!(params.as_str(), r#"{"messages":[],"maxTokens":1,"tools":[],"_meta":{"a":2}}"#);
    world.capabilities = r#"{"sampling":{"tools":{},"context":{}}}"#;
    let reply = world.tool();
    let called = world.called().await;
    let _answer = called.ask(Method::CreateMessage, tools);
    let params = asked(reply).await.requests.member("q1").unwrap().member("params").unwrap();
    assert_eq!(params.member("includeContext").unwrap().as_str(), "\"allServers\"");
}

#[tokio::test(start_paused = true)]
async fn url_park() {
    let mut world = World { capabilities: r#"{"elicitation":{"url":{}}}"#, ..world() };
    let reply = world.tool();
    let called = world.called().await;
    let url = r#"{"mode":"url","message":"m","url":"https://a.example","elicitationId":"e"}"#;
    let answer = called.ask(Method::Elicit, url);
    let asked = asked(reply).await;
    let params = asked.requests.member("q1").unwrap().member("params").unwrap();
    assert_eq!(params.as_str(), r#"{"mode":"url","message":"m","url":"https://a.example"}"#);
    let retry = world.retry(&asked, r#"{"q1":{"action":"accept"}}"#);
    assert_eq!(told(answer).await, r#"{"action":"accept"}"#);
    called.finish("{}");
    result(retry).await;
}

fn url_error() -> Error {
    let data =
        r#"{"elicitations":[{"mode":"url","elicitationId":"e1","url":"https://a.example","message":"m"}]}"#;
    Error::new(code::URL_ELICITATION_REQUIRED, "visit").with_data(raw(data))
}

#[tokio::test(start_paused = true)]
async fn url_error_asks() {
    let mut world = World { capabilities: r#"{"elicitation":{"url":{}}}"#, ..world() };
    let reply = world.tool();
    world.called().await.fail(url_error());
    let first = asked(reply).await;
    assert_eq!(
        first.requests.as_str(),
        r#"{"q1":{"method":"elicitation/create","params":{"url":"https://a.example","message":"m","mode":"url"}}}"#
    );
    assert_eq!(world.parked_calls(), 0);
    // What is missing is asked again.
    let again = asked(world.retry(&first, "{}")).await;
    assert_eq!(again.requests, first.requests);
    let declined = result(world.retry(&again, r#"{"q1":{"action":"decline"}}"#)).await;
    assert!(declined.contains(r#""isError":true"#));
    // The server's word that the user was there ends the wait, which is 30 s otherwise.
    let started = tokio::time::Instant::now();
    let retry = tokio::spawn(world.retry(&again, r#"{"q1":{"action":"accept"}}"#).outcome());
    sleep(SECOND * 5).await;
    assert!(world.calls.try_recv().is_err());
    world.park.completed("e1");
    let called = world.called().await;
    assert_eq!(started.elapsed(), SECOND * 5);
    assert_eq!(called.request.params.raw().as_str(), r#"{"name":"t","arguments":{"a":1,"b":2}}"#);
    called.fail(url_error());
    let Outcome::InputRequired(required) = retry.await.unwrap() else { panic!() };
    assert!(required.member("inputRequests").unwrap().member("q1").is_none(), "keys are not used again");

    let last = Asked {
        state: required.member("requestState").unwrap().as_string().unwrap().to_string(),
        requests: required.member("inputRequests").unwrap(),
    };
    let key = keys(&last).remove(0);
    let started = tokio::time::Instant::now();
    let retry = tokio::spawn(world.retry(&last, &format!(r#"{{"{key}":{{"action":"accept"}}}}"#)).outcome());
    let called = world.called().await;
    assert_eq!(started.elapsed(), SECOND * 30);
    called.finish("{}");
    assert_eq!(retry.await.unwrap(), Outcome::Result(raw("{}")));

    let state = Raw::string(&last.state);
    let malformed = format!(
        r#"{{"name":"t","arguments":{{"a":1,"b":2}},"requestState":{state},"inputResponses":{{"{key}":1}}}}"#
    );
    assert_eq!(error(world.call(Method::ToolsCall, &malformed)).await.reason, Some(Reason::Malformed));
}

/// A server that never says that the user was there is called all the same, after the `elicitation_wait`.
#[tokio::test(start_paused = true)]
async fn url_error_waits_for_the_visit_no_longer_than_its_limit() {
    for elicitation_wait in [SECOND * 7, ParkLimits::default().elicitation_wait] {
        let limits = ParkLimits::default().elicitation_wait(elicitation_wait);
        let mut world = World { capabilities: r#"{"elicitation":{"url":{}}}"#, ..world_with(limits) };
        let reply = world.tool();
        world.called().await.fail(url_error());
        let asked = asked(reply).await;
        let started = tokio::time::Instant::now();
        let retry = tokio::spawn(world.retry(&asked, r#"{"q1":{"action":"accept"}}"#).outcome());
        let called = world.called().await;
        assert_eq!(started.elapsed(), elicitation_wait);
        called.finish("{}");
        assert_eq!(retry.await.unwrap(), Outcome::Result(raw("{}")));
    }
}

#[tokio::test(start_paused = true)]
async fn url_error_declined_on_a_read_is_an_error() {
    let mut world = World { capabilities: r#"{"elicitation":{"url":{}}}"#, ..world() };
    let reply = world.call(Method::ResourcesRead, r#"{"uri":"a:b"}"#);
    world.called().await.fail(url_error());
    let asked = asked(reply).await;
    let state = Raw::string(&asked.state);
    let params =
        format!(r#"{{"uri":"a:b","requestState":{state},"inputResponses":{{"q1":{{"action":"cancel"}}}}}}"#);
    assert_eq!(error(world.call(Method::ResourcesRead, &params)).await.reason, Some(Reason::Declined));
}

#[tokio::test(start_paused = true)]
async fn url_error_without_capability() {
    let mut world = world();
    let reply = world.tool();
    world.called().await.fail(url_error());
    let told = error(reply).await;
    assert_eq!(told.code, code::MISSING_CLIENT_CAPABILITY);
    assert_eq!(told.data.unwrap().as_str(), r#"{"requiredCapabilities":{"elicitation":{"url":{}}}}"#);
    // And one that names no URL, or comes where nobody can be asked, is not passed on either.
    for method in [Method::ToolsCall, Method::ToolsList] {
        let reply = world.call(method, r#"{"name":"t"}"#);
        world.called().await.fail(Error::new(code::URL_ELICITATION_REQUIRED, "visit"));
        assert_eq!(error(reply).await.reason, Some(Reason::InvalidUpstream));
    }
}
