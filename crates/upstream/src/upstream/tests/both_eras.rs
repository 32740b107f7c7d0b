//! Servers that speak both eras.

use super::*;

fn parking(farm: &Farm) -> Upstream {
    let sealer = Sealer::new(&Key::random().unwrap());
    Upstream::builder("farm", farm.clone()).park(sealer, ParkLimits::default()).build()
}

fn elicits(revision: Revision) -> Context {
    let context = caller(revision, json!({"elicitation": {}}));
    let inline = if revision.is_stateless() { InputMode::InputRequired } else { InputMode::Inline };
    context.with_input_mode(inline)
}

/// Answers the question of a call in the way in which its caller is asked, and returns the result.
async fn answered(upstream: &Upstream, tool: &str, context: &Context) -> Value {
    result(completed(upstream, tool, json!({}), context).await.0)
}

/// The outcome of a call whose questions are answered in the way in which its caller is asked, and the number of questions.
async fn completed(upstream: &Upstream, tool: &str, arguments: Value, context: &Context) -> (Outcome, usize) {
    let mut reply = upstream.call(call(tool, arguments.clone()), context.clone());
    let mut questions = 0;
    loop {
        match reply.next().await {
            Event::ServerRequest(question) => {
                questions += 1;
                question.responder.answer(Ok(json!({"action": "accept", "content": {}}).into()));
            }
            Event::Outcome(Outcome::InputRequired(asked)) => {
                questions += 1;
                let asked: Value = asked.decode().unwrap();
                let (key, _) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
                let mut retry = json!({"name": tool, "arguments": arguments});
                retry["inputResponses"] = json!({key: {"action": "accept", "content": {}}});
                if let Some(state) = asked.get("requestState") {
                    retry["requestState"] = state.clone();
                }
                let retry = Request::new(Method::ToolsCall, Raw::from(retry));
                reply = upstream.call(retry, context.clone());
            }
            Event::Outcome(outcome) => return (outcome, questions),
            _ => {}
        }
    }
}

/// As FastMCP 4 says it in `Context.elicit`.
const CANNOT_PUSH: &str =
    "elicitation via server-initiated requests is unavailable on 2026-07-28 connections.";

/// As rmcp says it of an `InputRequiredResult`.
const CANNOT_RETURN: &str = "InputRequiredResult requires negotiated protocol version 2026-07-28 or newer";

/// A server of both eras with a tool that does what its arguments say.
fn scripted(is_idempotent: bool) -> (Farm, Upstream) {
    let farm = Farm::dual();
    farm.set_tools(json!([{"name": "scripted", "annotations": {"idempotentHint": is_idempotent}}]));
    let upstream = parking(&farm);
    (farm, upstream)
}

/// The calls of the tool that each connection has received.
fn calls_of_script(farm: &Farm) -> Vec<usize> {
    let calls = |index| farm.server(index).calls().iter().filter(|name| *name == "scripted").count();
    (0..farm.connections()).map(calls).collect()
}

/// Invariant: A server that speaks both eras is called in that of its caller.
#[tokio::test(start_paused = true)]
async fn each_caller_gets_a_connection_of_its_own_era() {
    for first in [LEGACY, MODERN] {
        let farm = Farm::dual();
        let upstream = parking(&farm);
        let other = if first == LEGACY { MODERN } else { LEGACY };
        for (index, revision) in [first, other, first, other].into_iter().enumerate() {
            result(upstream.call(call("write", json!({})), elicits(revision)).outcome().await);
            assert_eq!(farm.connections(), 2.min(index + 1));
            let info = upstream.connected(&elicits(revision)).await.unwrap();
            assert_eq!(info.revision, revision);
            let known = upstream.server_info().borrow().clone();
            assert_eq!(known.for_callers_of(revision).unwrap().revision, revision);
        }
        let legacy_first = [0, 1].map(|index| farm.client(index).legacy_first);
        assert_eq!(legacy_first, [first == LEGACY, first == MODERN]);
        assert_eq!([0, 1].map(|index| farm.server(index).calls().len()), [2, 2]);
    }
}

#[tokio::test(start_paused = true)]
async fn first_callers_of_both_eras_at_once_open_a_connection_each() {
    let farm = Farm::dual();
    let upstream = parking(&farm);
    let calls: Vec<_> = [LEGACY, MODERN, LEGACY, MODERN]
        .map(|revision| upstream.call(call("write", json!({})), elicits(revision)))
        .into();
    for call in calls {
        result(call.outcome().await);
    }
    assert_eq!(farm.connections(), 2);
}

/// Invariant: A handler of a server of both eras that can ask in one of them alone is called in that one, if its caller
/// can be asked.
#[tokio::test(start_paused = true)]
async fn a_tool_that_can_only_push_its_question_asks_a_modern_caller_twice_in_a_row() {
    let farm = Farm::dual();
    farm.set_tools(json!([{"name": "pushes", "annotations": {"readOnlyHint": true}}]));
    let upstream = parking(&farm);
    for _ in 0..2 {
        assert_eq!(answered(&upstream, "pushes", &elicits(MODERN)).await["answer"]["action"], "accept");
    }
    assert_eq!(farm.connections(), 2);
    // The list shows that repetition does no harm. From then on it is not called in the modern era.
    assert_eq!(farm.server(0).calls(), ["pushes", "tools/list"]);
    assert_eq!(farm.server(1).calls(), ["pushes", "pushes"]);
    // Nothing else goes there.
    result(upstream.call(call("write", json!({})), elicits(MODERN)).outcome().await);
    assert_eq!(farm.server(0).calls().last().unwrap(), "write");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_done_something_says_so_and_the_next_one_asks() {
    let farm = Farm::dual();
    let upstream = parking(&farm);
    let failed = result(upstream.call(call("pushes", json!({})), elicits(MODERN)).outcome().await);
    assert_eq!(failed["isError"], true);
    let texts: Vec<_> = failed["content"].as_array().unwrap().iter().map(|block| &block["text"]).collect();
    assert_eq!(
        texts[0],
        "elicitation via server-initiated requests is unavailable on 2026-07-28 connections."
    );
    assert!(texts[1].as_str().unwrap().contains("make it again if that does no harm"), "{texts:?}");
    // Before it says that the next call can be asked about, it has looked whether the server speaks the other era.
    assert_eq!(farm.connections(), 2);
    assert_eq!(answered(&upstream, "pushes", &elicits(MODERN)).await["answer"]["action"], "accept");
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_cannot_be_asked_hears_what_the_server_says() {
    let farm = Farm::dual();
    let upstream = parking(&farm);
    for _ in 0..2 {
        let failed = result(upstream.call(call("pushes", json!({})), plain()).outcome().await);
        assert_eq!(failed["content"].as_array().unwrap().len(), 1, "{failed}");
    }
    assert_eq!(farm.connections(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_can_only_return_its_question_asks_a_legacy_caller() {
    let farm = Farm::dual();
    let upstream = parking(&farm);
    for _ in 0..2 {
        result(upstream.call(call("write", json!({})), elicits(LEGACY)).outcome().await);
        assert_eq!(answered(&upstream, "returns", &elicits(LEGACY)).await["called"], "returns");
    }
    assert_eq!(farm.server(0).calls(), ["write", "returns", "write"]);
    assert_eq!(farm.server(1).calls(), ["returns"; 4]);
}

#[tokio::test(start_paused = true)]
async fn a_tool_that_can_only_push_is_left_alone_where_the_server_has_no_legacy_era() {
    let farm = Farm::new(MODERN);
    farm.set_tools(json!([{"name": "pushes", "annotations": {"readOnlyHint": true}}]));
    let upstream = parking(&farm);
    for _ in 0..3 {
        let failed = result(upstream.call(call("pushes", json!({})), elicits(MODERN)).outcome().await);
        assert_eq!(failed["isError"], true);
    }
    assert_eq!(farm.connections(), 2, "it was tried once");
}

/// Invariant: A call whose caller was asked is not repeated in the other era, whatever its tool says.
#[tokio::test(start_paused = true)]
async fn a_call_that_has_asked_is_not_made_again_in_the_other_era() {
    let arguments = json!({"modern": ["ask", CANNOT_PUSH], "legacy": ["ask", [-32600, CANNOT_RETURN]]});
    for revision in [LEGACY, MODERN] {
        let (farm, upstream) = scripted(true);
        for calls in 1..=2 {
            let (outcome, questions) =
                completed(&upstream, "scripted", arguments.clone(), &elicits(revision)).await;
            match outcome {
                Outcome::Result(failed) => assert_eq!(failed.member("isError").unwrap().as_str(), "true"),
                outcome => assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}"),
            }
            assert_eq!(questions, 1, "{revision}");
            // A modern call is made once more with the answer.
            let made = if revision == MODERN { calls * 2 } else { calls };
            assert_eq!(calls_of_script(&farm), [made], "{revision}: the other era is not tried");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_that_quotes_the_sentence_repeats_no_call() {
    let quoted = format!("The page says: {CANNOT_PUSH}");
    let returned = format!("The page says: {CANNOT_RETURN}");
    for (revision, arguments) in [
        (MODERN, json!({"modern": [quoted], "legacy": [{}]})),
        (LEGACY, json!({"legacy": [[-32600, returned]], "modern": [{}]})),
        // The SDKs say this in an error of the protocol, which no tool writes.
        (LEGACY, json!({"legacy": [CANNOT_RETURN], "modern": [{}]})),
        (LEGACY, json!({"legacy": [[-32000, CANNOT_RETURN]], "modern": [{}]})),
    ] {
        let (farm, upstream) = scripted(true);
        completed(&upstream, "scripted", arguments.clone(), &elicits(revision)).await;
        assert_eq!(calls_of_script(&farm), [1], "{arguments}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_tool_is_remembered_only_once_it_has_asked_in_the_other_era() {
    // It says so in the era of its caller, and asks nothing in the other one.
    let arguments = json!({"modern": [CANNOT_PUSH], "legacy": [{}]});
    let (farm, upstream) = scripted(true);
    for calls in 1..=3 {
        let (_, questions) = completed(&upstream, "scripted", arguments.clone(), &elicits(MODERN)).await;
        assert_eq!((questions, calls_of_script(&farm)), (0, vec![calls; 2]));
    }
    let arguments = json!({"modern": [CANNOT_PUSH], "legacy": ["ask", {}]});
    for calls in 4..=6 {
        let (_, questions) = completed(&upstream, "scripted", arguments.clone(), &elicits(MODERN)).await;
        assert_eq!((questions, calls_of_script(&farm)), (1, vec![4, calls]));
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_after_one_that_could_not_be_made_again_tries_the_other_era_once() {
    let (farm, upstream) = scripted(false);
    let arguments = json!({"modern": [CANNOT_PUSH], "legacy": [{}]});
    // Each second call is made in the other era, where it asks nothing.
    for made in [[1, 0], [1, 1], [2, 1], [2, 2]] {
        completed(&upstream, "scripted", arguments.clone(), &elicits(MODERN)).await;
        assert_eq!(calls_of_script(&farm), made);
    }
    // One that asks there is made there from then on.
    let arguments = json!({"modern": [CANNOT_PUSH], "legacy": ["ask", {}]});
    for made in [[3, 2], [3, 3], [3, 4], [3, 5]] {
        completed(&upstream, "scripted", arguments.clone(), &elicits(MODERN)).await;
        assert_eq!(calls_of_script(&farm), made);
    }
}

#[tokio::test(start_paused = true)]
async fn a_name_too_long_to_remember_is_promised_nothing() {
    let farm = Farm::dual();
    let upstream = parking(&farm);
    let name = format!("pushes{}", "x".repeat(1_024));
    for _ in 0..2 {
        let failed = result(upstream.call(call(&name, json!({})), elicits(MODERN)).outcome().await);
        assert_eq!(failed["content"].as_array().unwrap().len(), 1, "it is not said that the next call asks");
    }
}

#[tokio::test(start_paused = true)]
async fn a_sentence_of_a_server_of_one_era_repeats_nothing() {
    for (server, arguments) in
        [(MODERN, json!({"modern": [CANNOT_PUSH]})), (LEGACY, json!({"legacy": [[-32600, CANNOT_RETURN]]}))]
    {
        let farm = Farm::new(server);
        farm.set_tools(json!([{"name": "scripted", "annotations": {"readOnlyHint": true}}]));
        let upstream = parking(&farm);
        for calls in 1..=3 {
            completed(&upstream, "scripted", arguments.clone(), &elicits(server)).await;
            assert_eq!(calls_of_script(&farm).iter().sum::<usize>(), calls, "{server}");
        }
    }
}

/// Invariant: A call comes to its end though what was learned of the server's eras is forgotten while connections are open.
#[tokio::test(start_paused = true)]
async fn a_call_is_made_on_an_open_connection_though_the_eras_are_forgotten() {
    for revision in [LEGACY, MODERN] {
        let farm = Farm::new(revision);
        let upstream = upstream(&farm);
        let callers = || {
            let revisions = [LEGACY, LEGACY, MODERN];
            let can = [json!({"elicitation": {}}), json!({"sampling": {}}), json!({})];
            revisions.into_iter().zip(can).map(|(revision, can)| caller(revision, can))
        };
        for context in callers() {
            result(upstream.call(call("read", json!({})), context).outcome().await);
        }
        for slot in upstream.pool.slots() {
            // As one of several connections is replaced.
            if let Some(up) = slot.up() {
                upstream.pool.outdated(&slot, &up);
            }
            for context in callers() {
                result(upstream.call(call("read", json!({})), context).outcome().await);
            }
        }
    }
}
