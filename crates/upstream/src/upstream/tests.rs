mod both_eras;
mod breaker;
mod listeners;
mod outside_calls;

use std::{
    pin::Pin,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

use anyport_adapters::ParkLimits;
use anyport_metrics::Metrics;
use anyport_protocol::{
    Revision, failure::CloseReason, jsonrpc::code, param_header::ParamHeaders, session::client::Attribution,
};
use anyport_seal::{Key, Sealer};
use anyport_service::{Event, Outcome, SessionId};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::{
    ConnectError, Connected, Connector, OpenRequest, UpstreamLimits, WhenDown,
    limits::HEALTHY,
    retry::RetryState,
    test_server::{Farm, call, caller, error, result},
};

const LEGACY: Revision = Revision::V2025_11_25;
const MODERN: Revision = Revision::V2026_07_28;

fn upstream(farm: &Farm) -> Upstream {
    Upstream::builder("farm", farm.clone()).build()
}

/// A request to listen to a list and a resource.
fn listens() -> Request {
    let filter = json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["test://a"]}});
    Request::new(Method::Listen, Raw::from(filter))
}

/// What a listener is notified of next.
async fn told(reply: &mut Reply) -> Method {
    match tokio::time::timeout(Duration::from_secs(60), reply.next()).await.expect("nothing is said") {
        Event::Notification(told) => told.method,
        event => panic!("{event:?}"),
    }
}

fn plain() -> Context {
    caller(MODERN, json!({}))
}

#[tokio::test(start_paused = true)]
async fn many_first_calls_open_one_connection() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let upstream = upstream(&farm);
        assert_eq!(farm.connections(), 0, "not before somebody calls");
        let calls: Vec<_> = (0..10).map(|_| upstream.call(call("read", json!({})), plain())).collect();
        for call in calls {
            assert_eq!(result(call.outcome().await)["called"], "read");
        }
        assert_eq!(farm.connections(), 1);
        let learned = upstream.server_info().borrow().for_callers_of(MODERN).cloned().unwrap();
        assert_eq!(learned.revision, revision);
    }
}

#[tokio::test(start_paused = true)]
async fn profile_of_the_client() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    let asked = caller(LEGACY, json!({"elicitation": {}, "roots": {"listChanged": true}}));
    for context in [plain(), asked.clone(), plain(), asked] {
        result(upstream.call(call("read", json!({})), context).outcome().await);
    }
    assert_eq!(farm.connections(), 2);
    assert_eq!(farm.client(0).capabilities.as_str(), "{}");
    assert_eq!(farm.client(1).capabilities.as_str(), r#"{"elicitation":{"form":{}},"roots":{}}"#);
    assert_eq!(farm.client(1).info.unwrap().as_str(), r#"{"name":"caller","version":"1"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_modern_server_has_one_connection_for_all() {
    let farm = Farm::new(MODERN);
    let upstream = upstream(&farm);
    let contexts =
        [json!({}), json!({"elicitation": {}}), json!({"sampling": {}})].map(|can| caller(LEGACY, can));
    let calls: Vec<_> =
        contexts.into_iter().map(|context| upstream.call(call("read", json!({})), context)).collect();
    for call in calls {
        result(call.outcome().await);
    }
    assert_eq!(farm.connections(), 1, "though they came at once, before the era was known");
}

/// Invariant: A server that cannot be reached costs its callers no waiting, and is not restarted in a loop.
#[tokio::test(start_paused = true)]
async fn one_dead_upstream() {
    let farm = Farm::new(LEGACY).failing(&["no such host", "no such host", "refused"]);
    let upstream = upstream(&farm);
    let (message, data) = error(upstream.call(call("read", json!({})), plain()).outcome().await);
    assert!(message.starts_with("farm cannot be reached since 2"), "{message}");
    assert!(message.contains("no such host; the next attempt is in 1 s"), "{message}");
    assert_eq!((&data["reason"], &data["why"]), (&json!("upstream_down"), &json!("no such host")));
    let since = data["since"].clone();

    // Until it is time, nobody waits and nothing is tried.
    let (_, data) = error(
        upstream
            .call(call("read", json!({})), plain())
            .into_ready()
            .unwrap_or_else(|reply| panic!("{reply:?}")),
    );
    assert_eq!(data["reason"], "upstream_down");
    assert_eq!(farm.connections(), 1);

    sleep(Duration::from_secs(1)).await;
    let (_, data) = error(upstream.call(call("read", json!({})), plain()).outcome().await);
    assert_eq!(data["since"], since, "it has been down all the time");
    sleep(Duration::from_secs(1)).await;
    let (_, data) = error(upstream.call(call("read", json!({})), plain()).outcome().await);
    assert_eq!(data["why"], "refused");
    sleep(Duration::from_secs(1)).await;
    result(upstream.call(call("read", json!({})), plain()).outcome().await);
}

/// Invariant: A call whose connection was lost is repeated only if that does no harm, and otherwise says so.
#[tokio::test(start_paused = true)]
async fn reissue_only_if_safe() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    result(upstream.call(Request::new(Method::ToolsList, Raw::EMPTY_OBJECT), plain()).outcome().await);
    sleep(HEALTHY * 2).await;
    let begin = |tool| {
        let upstream = upstream.clone();
        tokio::spawn(async move {
            let meta =
                anyport_protocol::meta::Meta { progress_token: Some(Raw::string("t")), ..Default::default() };
            let context = plain().with_meta(meta).unwrap();
            upstream.call(call(tool, json!({"hang": true})), context).outcome().await
        })
    };
    let (read, write) = (begin("read"), begin("write"));
    sleep(Duration::from_secs(1)).await;
    farm.server(0).lose("exit status 1");
    let (message, data) = error(write.await.unwrap());
    assert_eq!(data["reason"], "outcome_unknown");
    assert!(message.contains("(exit status 1), so it is unknown whether this was done"), "{message}");

    // The other one hangs again, on the next connection.
    sleep(HEALTHY * 2).await;
    assert_eq!(farm.connections(), 2);
    assert_eq!(farm.server(1).calls(), ["read"]);
    farm.server(1).lose("exit status 1");
    let (_, data) = error(read.await.unwrap());
    assert_eq!(data["reason"], "upstream_lost", "once, not for ever");
    assert_eq!(farm.connections(), 2);
}

#[tokio::test(start_paused = true)]
async fn progress_of_a_call_that_is_made_again_only_grows() {
    let farm = Farm::new(MODERN);
    let upstream = upstream(&farm);
    result(upstream.call(Request::new(Method::ToolsList, Raw::EMPTY_OBJECT), plain()).outcome().await);
    sleep(HEALTHY).await;
    let meta = anyport_protocol::meta::Meta { progress_token: Some(Raw::string("t")), ..Default::default() };
    let mut reply = upstream.call(call("read", json!({"hang": 1})), plain().with_meta(meta).unwrap());
    let mut told = Vec::new();
    let lost = async {
        for index in 0..2 {
            sleep(Duration::from_secs(20)).await;
            farm.server(index).lose("cut");
        }
    };
    let read = async {
        loop {
            match reply.next().await {
                Event::Notification(progress) => {
                    told.push(progress.params.member("progress").unwrap().to_string())
                }
                event => break event,
            }
        }
    };
    let (_, end) = tokio::join!(lost, read);
    assert!(matches!(end, Event::Outcome(Outcome::Failed(_))));
    assert_eq!(told, ["1", "2"]);
}

/// Invariant: A server that cannot be reached costs its callers no waiting, and is not restarted in a loop.
#[tokio::test(start_paused = true)]
async fn a_server_that_dies_at_once_is_not_started_in_a_circle() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    // It has worked, so it is started again at once; from then on it is given time.
    result(upstream.call(call("write", json!({})), plain()).outcome().await);
    farm.server(0).lose("exit status 1");
    sleep(Duration::from_millis(10)).await;
    for index in 1..4 {
        result(upstream.call(call("write", json!({})), plain()).outcome().await);
        farm.server(index).lose("exit status 1");
        sleep(Duration::from_millis(10)).await;
        let (message, data) = error(upstream.call(call("write", json!({})), plain()).outcome().await);
        assert_eq!(data["reason"], "upstream_down");
        assert!(message.contains("exit status 1"), "{message}");
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(farm.connections(), 4);
}

/// Invariant: A server that has answered a call is started again at once, and with backoff if it is lost again.
#[tokio::test(start_paused = true)]
async fn the_first_restart_after_a_connection_that_worked_is_immediate() {
    for revision in [LEGACY, MODERN] {
        for limits in [UpstreamLimits::default(), UpstreamLimits::single()] {
            let farm = Farm::new(revision);
            let upstream = Upstream::builder("farm", farm.clone()).limits(limits).build();
            let begun = tokio::time::Instant::now();
            let calls = async || {
                let outcome = upstream.call(call("write", json!({})), plain()).outcome().await;
                (outcome, begun.elapsed())
            };
            result(calls().await.0);
            farm.server(0).lose("exit status 1");
            sleep(Duration::from_millis(10)).await;
            let (outcome, elapsed) = calls().await;
            result(outcome);
            // Twice 50 ms to connect, and the pause above.
            assert!(elapsed < Duration::from_millis(115), "{revision}: {elapsed:?}");

            farm.server(1).lose("exit status 1");
            sleep(Duration::from_millis(10)).await;
            let (outcome, later) = calls().await;
            match limits.when_down {
                WhenDown::Fail => assert_eq!(error(outcome).1["reason"], "upstream_down", "{revision}"),
                WhenDown::Wait => {
                    result(outcome);
                    assert!(later - elapsed > limits.first_backoff, "{revision}: {:?}", later - elapsed);
                }
            }
        }
    }
    // One that was never of use is given time at once.
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    upstream.connected(&plain()).await.unwrap();
    farm.server(0).lose("exit status 1");
    sleep(Duration::from_millis(10)).await;
    let (_, data) = error(upstream.call(call("write", json!({})), plain()).outcome().await);
    assert_eq!(data["reason"], "upstream_down");
}

#[tokio::test(start_paused = true)]
async fn questions_of_either_era_reach_a_caller_that_is_asked_live() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let upstream = upstream(&farm);
        let mut reply = upstream.call(call("ask", json!({})), caller(LEGACY, json!({"elicitation": {}})));
        let Event::ServerRequest(question) = reply.next().await else { panic!() };
        question.responder.answer(Ok(json!({"action": "accept", "content": {}}).into()));
        assert!(matches!(reply.next().await, Event::Outcome(Outcome::Result(_))), "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn questions_of_either_era_reach_a_caller_that_retries() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let sealer = Sealer::new(&Key::random().unwrap());
        let upstream = Upstream::builder("farm", farm.clone()).park(sealer, ParkLimits::default()).build();
        let context = caller(MODERN, json!({"elicitation": {}}));
        let asked = upstream.call(call("ask", json!({})), context.clone()).outcome().await;
        let Outcome::InputRequired(asked) = asked else { panic!("{asked:?}") };
        let asked: Value = asked.decode().unwrap();
        let (key, question) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
        assert_eq!(question["method"], "elicitation/create");
        let mut retry = json!({"name": "ask", "arguments": {}});
        retry["inputResponses"] = json!({key: {"action": "accept", "content": {}}});
        if let Some(state) = asked.get("requestState") {
            retry["requestState"] = state.clone();
        }
        let retry = Request::new(Method::ToolsCall, Raw::from(retry));
        result(upstream.call(retry, context).outcome().await);
        assert_eq!(farm.connections(), 1, "{revision}");
    }
}

/// Invariant: A call whose connection was lost is repeated only if that does no harm, and otherwise says so.
#[tokio::test(start_paused = true)]
async fn a_call_that_was_asked_something_is_not_made_again() {
    let farm = Farm::new(LEGACY);
    farm.set_tools(json!([{"name": "ask", "annotations": {"readOnlyHint": true}}]));
    let upstream = upstream(&farm);
    result(upstream.call(Request::new(Method::ToolsList, Raw::EMPTY_OBJECT), plain()).outcome().await);
    let mut reply = upstream.call(call("ask", json!({})), caller(LEGACY, json!({"elicitation": {}})));
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    farm.server(1).lose("cut");
    let Event::Outcome(outcome) = reply.next().await else { panic!() };
    assert_eq!(error(outcome).1["reason"], "upstream_lost");
    drop(question);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_went_on_with_an_answer_may_have_been_carried_out() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    let elicits = caller(LEGACY, json!({"elicitation": {}}));
    let mut reply = upstream.call(call("ask", json!({"hang": 1})), elicits);
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    question.responder.answer(Ok(json!({"action": "accept", "content": {}}).into()));
    sleep(HEALTHY).await;
    farm.server(0).lose("cut");
    let Event::Outcome(outcome) = reply.next().await else { panic!() };
    assert_eq!(error(outcome).1["reason"], "outcome_unknown");
}

#[tokio::test(start_paused = true)]
async fn connections_are_bounded_and_idle_ones_make_room() {
    let farm = Farm::new(LEGACY);
    let limits = UpstreamLimits::default().connections(2).waiting(1);
    let upstream = Upstream::builder("farm", farm.clone()).limits(limits).build();
    let can = |what: &str| caller(LEGACY, json!({"extensions": {what: {}}}));
    // Idle connections make room.
    for name in ["a", "b", "c"] {
        result(upstream.call(call("read", json!({})), can(name)).outcome().await);
    }
    assert_eq!(farm.connections(), 3);
    let mut hanging = Vec::new();
    for name in ["d", "e"] {
        let reply = upstream.call(call("write", json!({"hang": 1})), can(name));
        hanging.push(tokio::spawn(reply.outcome()));
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(farm.connections(), 5);
    // Those in use do not.
    let waits = tokio::spawn(upstream.call(call("read", json!({})), can("f")).outcome());
    sleep(Duration::from_secs(1)).await;
    let (message, data) = error(upstream.call(call("read", json!({})), can("g")).outcome().await);
    assert_eq!(data["reason"], "overloaded");
    assert!(message.contains("farm has 2 connections, all in use (connections)"), "{message}");
    assert!(!waits.is_finished());
    hanging[0].abort();
    result(waits.await.unwrap());
}

/// Asks on the only connection, and returns how to come back with the answer.
async fn parked(upstream: &Upstream, context: &Context) -> Request {
    let asked = upstream.call(call("ask", json!({})), context.clone()).outcome().await;
    let Outcome::InputRequired(asked) = asked else { panic!("{asked:?}") };
    let asked: Value = asked.decode().unwrap();
    let answers = json!({"q1": {"action": "accept", "content": {}}});
    let mut retry = json!({"name": "ask", "arguments": {}, "inputResponses": answers});
    retry["requestState"] = asked["requestState"].clone();
    Request::new(Method::ToolsCall, Raw::from(retry))
}

/// Invariant: A caller that needs a connection while server requests occupy all of them is served once one is
/// answered, or refused in time.
#[tokio::test(start_paused = true)]
async fn whoever_needs_a_connection_that_a_question_holds_is_served_or_refused_in_time() {
    for answered in [true, false] {
        let farm = Farm::new(LEGACY);
        let limits = UpstreamLimits::default().connections(1);
        let (sealer, metrics) = (Sealer::new(&Key::random().unwrap()), Metrics::new());
        let upstream = Upstream::builder("farm", farm.clone())
            .limits(limits)
            .metrics(&metrics)
            .park(sealer, ParkLimits::default())
            .build();
        let elicits = caller(MODERN, json!({"elicitation": {}}));
        let retry = parked(&upstream, &elicits).await;
        // Who can do the same shares the connection.
        result(upstream.call(call("read", json!({})), elicits.clone()).outcome().await);
        let begun = tokio::time::Instant::now();
        let waits = tokio::spawn(upstream.call(call("read", json!({})), plain()).outcome());
        sleep(Duration::from_secs(29)).await;
        assert!(!waits.is_finished());
        if answered {
            result(upstream.call(retry, elicits).outcome().await);
            result(waits.await.unwrap());
            continue;
        }
        let (message, data) = error(waits.await.unwrap());
        assert_eq!(begun.elapsed().as_secs(), limits.connection_wait.as_secs());
        assert_eq!(data["reason"], "overloaded");
        let refused = |limit| metrics.refusals(limit).value();
        assert_eq!((refused("connection_wait"), refused("connections")), (1, 0));
        assert_eq!(
            message,
            "farm has 1 connections, all in use (connections), 1 of them by calls that wait for somebody's answer, \
             and none got free in 30 s (connection_wait); try again later"
        );
        // The next one has a time of its own, and whoever was asked can still answer.
        let waits = tokio::spawn(upstream.call(call("read", json!({})), plain()).outcome());
        sleep(Duration::from_secs(20)).await;
        result(upstream.call(retry, elicits).outcome().await);
        result(waits.await.unwrap());
        assert_eq!(farm.connections(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_who_each_say_something_else_leave_nothing_behind() {
    let farm = Farm::new(LEGACY);
    let limits = UpstreamLimits::default().connections(3);
    let upstream = Upstream::builder("farm", farm.clone()).limits(limits).build();
    for number in 0..100 {
        let context = caller(LEGACY, json!({"extensions": {"x": {"number": number}}}));
        result(upstream.call(call("read", json!({})), context).outcome().await);
    }
    assert_eq!(farm.connections(), 100);
    assert!(upstream.pool.slots().len() <= limits.places(), "{}", upstream.pool.slots().len());
}

#[tokio::test(start_paused = true)]
async fn what_nobody_uses_is_closed_but_for_the_last() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    let elicits = caller(LEGACY, json!({"elicitation": {}}));
    result(upstream.call(call("read", json!({})), plain()).outcome().await);
    sleep(Duration::from_secs(60)).await;
    result(upstream.call(call("read", json!({})), elicits.clone()).outcome().await);
    sleep(UpstreamLimits::default().idle * 3).await;
    let open = [plain(), elicits].map(|context| upstream.is_connected(&context));
    assert_eq!(open.iter().filter(|open| **open).count(), 1, "{open:?}");
}

/// Invariant: A server cannot make a client repeat a call: what it writes into an error is never read as a failure of ours.
#[tokio::test(start_paused = true)]
async fn an_error_of_a_legacy_server_repeats_no_call_whatever_its_code() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    for revision in [LEGACY, MODERN] {
        let refused = upstream.call(call("upgraded", json!({})), caller(revision, json!({}))).outcome().await;
        assert!(matches!(&refused, Outcome::Error(error) if error.code == -32022), "{refused:?}");
    }
    assert_eq!(farm.server(0).calls(), ["upgraded", "upgraded"]);
    assert!(farm.server(0).end().is_none());
}

/// A call and a connection that is retired at that moment: nothing was sent on it.
#[tokio::test(start_paused = true)]
async fn a_call_that_comes_as_its_connection_is_retired_goes_over_the_next_one() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let upstream = upstream(&farm);
        let (context, pool) = (plain(), &upstream.pool);
        let hold = pool.hold(&context, Era::Modern, true);
        let (hold, up) = pool.up_for(hold, &context, Era::Modern, true).await.unwrap();
        hold.slot().retire(&up);
        let request = call("write", json!({"hang": 1}));
        let reply = pool.through(hold, &up, request, context, RetryState::new(Era::Modern));
        let call = tokio::spawn(reply.outcome());
        sleep(HEALTHY).await;
        assert!(!call.is_finished(), "{revision}");
        assert!(farm.server(0).end().is_some() && farm.server(0).calls().is_empty(), "{revision}");
        assert_eq!(farm.server(1).calls(), ["write"], "{revision}");
        call.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn shutting_down_leaves_no_connection() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    for can in [json!({}), json!({"sampling": {}})] {
        result(upstream.call(call("read", json!({})), caller(LEGACY, can)).outcome().await);
    }
    let hangs = tokio::spawn(upstream.call(call("write", json!({"hang": 1})), plain()).outcome());
    sleep(Duration::from_millis(10)).await;
    upstream.shut_down().await;
    assert_eq!(
        [0, 1].map(|index| farm.server(index).end()),
        [Some(CloseReason::Closed), Some(CloseReason::Closed)]
    );
    error(hangs.await.unwrap());
}

/// Invariant: A shutdown does not wait for a connection that is being made, and a replacement connection is
/// used and closed in its time.
#[tokio::test(start_paused = true)]
async fn what_is_being_connected_is_not_waited_for_when_all_is_shut_down() {
    let farm = Farm::new(LEGACY).slow(Duration::from_secs(3600), Duration::ZERO);
    let upstream = upstream(&farm);
    let call = tokio::spawn(upstream.call(call("read", json!({})), plain()).outcome());
    sleep(Duration::from_millis(10)).await;
    let begun = tokio::time::Instant::now();
    upstream.shut_down().await;
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!(error(call.await.unwrap()).1["reason"], "shutting_down");
}

/// Invariant: A shutdown does not wait for a connection that is being made, and a replacement connection is
/// used and closed in its time.
#[tokio::test(start_paused = true)]
async fn a_caller_that_is_back_while_its_connection_closes_keeps_the_next_one() {
    let farm = Farm::new(LEGACY).slow(Duration::from_millis(50), Duration::from_secs(5));
    let upstream = upstream(&farm);
    upstream.pool.attributed(&mut upstream.pool.lock(), Some(Attribution::Ambiguous));
    let session = || caller(LEGACY, json!({"elicitation": {}})).with_session(SessionId::next());
    let (first, second) = (session(), session());
    for context in [&first, &second] {
        result(upstream.call(call("read", json!({})), context.clone()).outcome().await);
    }
    // Both were idle for long; closing takes its time.
    sleep(UpstreamLimits::default().idle + Duration::from_secs(1)).await;
    result(upstream.call(call("read", json!({})), first.clone()).outcome().await);
    let connections = farm.connections();
    sleep(Duration::from_secs(10)).await;
    result(upstream.call(call("read", json!({})), first).outcome().await);
    assert_eq!(farm.connections(), connections, "the connection that was made meanwhile is still its own");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_always_says_something_is_idle_all_the_same() {
    let farm = Farm::new(LEGACY);
    let upstream = upstream(&farm);
    for can in [json!({}), json!({"sampling": {}})] {
        result(upstream.call(call("read", json!({})), caller(LEGACY, can)).outcome().await);
    }
    let idle = UpstreamLimits::default().idle;
    for _ in 0..30 {
        sleep(idle / 10).await;
        for index in 0..2 {
            if farm.server(index).end().is_none() {
                farm.server(index).say(Method::LogMessage, json!({"level": "info", "data": "alive"}));
            }
        }
    }
    let open = [0, 1].iter().filter(|index| farm.server(**index).end().is_none()).count();
    assert_eq!(open, 1, "all but the last");
}

#[tokio::test(start_paused = true)]
async fn connections_that_may_be_idle_for_ever_stay() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let limits = UpstreamLimits::default().idle(Duration::MAX).connection_wait(Duration::MAX);
        let upstream = Upstream::builder("farm", farm.clone()).limits(limits).build();
        for _ in 0..2 {
            result(upstream.call(call("read", json!({})), plain()).outcome().await);
            sleep(UpstreamLimits::default().idle * 5).await;
        }
        assert_eq!(farm.connections(), 1, "{revision:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connector_that_panics_is_one_that_failed_and_is_asked_again() {
    struct Panics(Farm, AtomicBool);

    impl Connector for Panics {
        fn connect(
            &self,
            client: OpenRequest,
        ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
            assert!(self.1.swap(true, Ordering::Relaxed), "the first time");
            self.0.connect(client)
        }
    }

    let farm = Farm::new(MODERN);
    let connect = Panics(farm.clone(), AtomicBool::new(false));
    let upstream = Upstream::builder("farm", connect).build();
    let (message, data) = error(upstream.call(call("read", json!({})), plain()).outcome().await);
    assert_eq!(data["reason"], "upstream_down");
    assert!(message.contains("fault to report") && message.contains("the next attempt"), "{message}");
    sleep(Duration::from_secs(60)).await;
    result(upstream.call(call("read", json!({})), plain()).outcome().await);
    assert_eq!(farm.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_can_never_be_connected_is_not_tried_again_and_nothing_else_is_promised() {
    struct Never(Arc<AtomicUsize>);

    impl Connector for Never {
        fn connect(
            &self,
            _: OpenRequest,
        ) -> Pin<Box<dyn Future<Output = Result<Connected, ConnectError>> + Send>> {
            self.0.fetch_add(1, Ordering::Relaxed);
            Box::pin(async { Err(ConnectError::never("its key is not there")) })
        }
    }

    for when_down in [WhenDown::Fail, WhenDown::Wait] {
        let attempts = Arc::new(AtomicUsize::new(0));
        let limits = UpstreamLimits::default().background_probes(true).when_down(when_down);
        let upstream = Upstream::builder("farm", Never(attempts.clone())).limits(limits).build();
        for _ in 0..3 {
            let (message, data) = error(upstream.call(call("read", json!({})), plain()).outcome().await);
            assert_eq!(data["reason"], "upstream_down");
            assert!(message.ends_with(": its key is not there"), "{message}");
            sleep(Duration::from_secs(600)).await;
        }
        assert_eq!(attempts.load(Ordering::Relaxed), 1);
        assert!(matches!(upstream.health(), UpstreamHealth::Down { retry_at: None, .. }));
    }
}

/// A modern server whose tool `placed` demands a header; its list says so if `is_annotated`.
fn placed(is_annotated: bool) -> (Farm, Upstream) {
    let farm = Farm::new(MODERN);
    let place = match is_annotated {
        true => json!({"type": "string", "x-mcp-header": "Place"}),
        false => json!({"type": "string"}),
    };
    farm.set_tools(
        json!([{"name": "placed", "inputSchema": {"type": "object", "properties": {"place": place}}}]),
    );
    let upstream = upstream(&farm);
    (farm, upstream)
}

async fn place(upstream: &Upstream, context: Context) -> Outcome {
    upstream.call(call("placed", json!({"place": "Bern"})), context).outcome().await
}

#[tokio::test(start_paused = true)]
async fn a_call_with_the_wrong_headers_is_sent_again_once_the_tools_are_listed() {
    let (farm, upstream) = placed(true);
    let over_http = plain().with_param_headers(ParamHeaders::default());
    for (context, calls) in [(over_http, 3), (plain(), 4)] {
        assert_eq!(result(place(&upstream, context).await)["called"], "placed");
        assert_eq!(farm.server(0).calls().len(), calls, "the second call has the headers at once");
    }
    assert_eq!(farm.server(0).calls()[..3], ["placed", "tools/list", "placed"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_refused_again_for_its_headers_fails() {
    let (farm, upstream) = placed(false);
    let Outcome::Error(error) = place(&upstream, plain()).await else { panic!("it is refused") };
    assert_eq!(error.code, code::HEADER_MISMATCH);
    assert_eq!(farm.server(0).calls(), ["placed", "tools/list", "placed"]);
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_caller_sent_the_headers_is_not_sent_again() {
    let (farm, upstream) = placed(true);
    let sent = |place: &str| {
        let mut headers = ParamHeaders::default();
        headers.push("place".into(), place.into());
        plain().with_param_headers(headers)
    };
    let Outcome::Error(error) = place(&upstream, sent("Basel")).await else { panic!("it is refused") };
    assert_eq!((error.code, error.data), (code::HEADER_MISMATCH, None));
    result(upstream.call(Request::new(Method::ToolsList, Raw::EMPTY_OBJECT), plain()).outcome().await);
    place(&upstream, sent("Basel")).await;
    assert_eq!(
        farm.server(0).calls(),
        ["placed", "tools/list", "placed"],
        "also where the headers are known"
    );
    result(place(&upstream, sent("Bern")).await);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_forges_a_refusal_of_our_revision_is_not_called_again() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let upstream = upstream(&farm);
        let outcome = upstream.call(call("forged", json!({})), plain()).outcome().await;
        assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
        assert_eq!((farm.server(0).calls().len(), farm.connections()), (1, 1), "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_has_told_of_a_call_before_it_refuses_our_revision_is_not_called_again() {
    let farm = Farm::new(MODERN);
    let upstream = upstream(&farm);
    let meta = anyport_protocol::meta::Meta { progress_token: Some(Raw::string("t")), ..Default::default() };
    let reply = upstream.call(call("outdated", json!({})), plain().with_meta(meta).unwrap());
    let Outcome::Error(error) = reply.outcome().await else { panic!("it is refused") };
    assert_eq!((farm.server(0).calls().len(), error.refusal), (1, None));
}

#[tokio::test(start_paused = true)]
async fn a_connection_of_another_revision_is_replaced_and_ends_with_its_calls() {
    let farm = Farm::new(MODERN);
    let upstream = upstream(&farm);
    let mut hangs = tokio::spawn(upstream.call(call("write", json!({"hang": 1})), plain()).outcome());
    sleep(HEALTHY).await;
    let Outcome::Error(_) = upstream.call(call("outdated", json!({})), plain()).outcome().await else {
        panic!("it is refused again")
    };
    assert_eq!(farm.server(1).calls(), ["outdated"], "once more, on a new connection");
    result(upstream.call(call("read", json!({})), plain()).outcome().await);
    sleep(HEALTHY).await;
    assert!(farm.server(0).end().is_none() && !hangs.is_finished(), "the other call goes on");
    hangs.abort();
    _ = (&mut hangs).await;
    sleep(HEALTHY).await;
    assert!(farm.server(0).end().is_some(), "nothing is left on it");
    assert!(farm.server(1).end().is_none());
}
