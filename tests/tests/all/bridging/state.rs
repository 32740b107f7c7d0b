//! States that are altered, somebody else's, or used out of their place.

use anyport_service::Principal;
use anyport_tests::bridged::{answer, is_silent};

use super::*;

/// Invariant: A modern server's state is valid for the caller that received it, where callers have
/// principals.
#[tokio::test(start_paused = true)]
async fn foreign_principal() {
    let what = question(D);
    for way in [Way::Lines, Way::Http] {
        let mut bridged = bridge(way, M);
        let capabilities = || what.capabilities.clone();
        let mut alice = bridged.client_of(Principal::named("alice"), M, capabilities()).await;
        let mut mallory = bridged.client_of(Principal::named("mallory"), M, capabilities()).await;
        let begun = alice.begin("tools/call", ask()).unwrap();
        let mut server = bridged.server().await;
        let requests = json!({"k": {"method": what.method, "params": what.params}});
        let required =
            json!({"resultType": "input_required", "inputRequests": requests, "requestState": "of alice"});
        server.hears("tools/call").await.answers(required);
        let required = alice.end(begun).await.unwrap().outcome.unwrap();
        // The server sees only us, so that it cannot tell the two apart: the state is bound to alice here.
        assert_ne!(required["requestState"], "of alice", "{way:?}");
        let retry = again(&ask(), &required, json!({"k": what.answer}));
        let refused = mallory.call("tools/call", retry.clone()).await.unwrap();
        assert_eq!(refusal(&refused), (-32602, "foreign"), "{way:?}");
        // One that was never given out is none, neither is a state for another call.
        let mut other = retry.clone();
        other["requestState"] = "of alice".into();
        assert_eq!(refusal(&alice.call("tools/call", other).await.unwrap()), (-32602, "tampered"), "{way:?}");
        let mut other = retry.clone();
        other["name"] = "another".into();
        assert_eq!(refusal(&alice.call("tools/call", other).await.unwrap()), (-32602, "mismatch"), "{way:?}");
        server.hears_nothing().await;
        let begun = alice.begin("tools/call", retry).unwrap();
        let heard = server.hears("tools/call").await;
        assert_eq!(heard.param("requestState"), "of alice", "{way:?}");
        heard.answers(r#"{"resultType":"complete","content":[]}"#);
        assert!(alice.end(begun).await.unwrap().outcome.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn park_tampered() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        let good = parked.required["requestState"].as_str().unwrap().to_owned();
        let turned = if good.ends_with('A') { "B" } else { "A" };
        let flipped = format!("{}{turned}", &good[..good.len() - 1]);
        for state in [flipped, good[..good.len() / 2].to_owned(), "x".to_owned(), String::new()] {
            parked.required["requestState"] = state.clone().into();
            let answer = parked.retry(json!({"q1": parked.answer})).await;
            assert_eq!(refusal(&answer), (-32602, "tampered"), "{revision} {way:?}: {state}");
        }
        parked.server.hears_nothing().await;
        // That of somebody else is told apart, and neither is of any use.
        parked.required["requestState"] = good.clone().into();
        let what = question(revision);
        let principal = Principal::named("mallory");
        let mut mallory = parked.bridged.client_of(principal, M, what.capabilities.clone()).await;
        let retry = again(&ask(), &parked.required, json!({"q1": parked.answer}));
        let refused = mallory.call("tools/call", retry).await.unwrap();
        assert_eq!(refusal(&refused), (-32602, "foreign"), "{revision} {way:?}");
        parked.server.hears_nothing().await;
        let retry = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
    }
}

/// Invariant: A parked state is valid for one round of one request.
#[tokio::test(start_paused = true)]
async fn park_other_arguments() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        let retry = |change: &dyn Fn(&mut Value)| {
            let mut params = again(&ask(), &parked.required, json!({"q1": parked.answer}));
            change(&mut params);
            params
        };
        let others = [
            retry(&|params| params["arguments"]["a"] = 2.into()),
            retry(&|params| params["arguments"]["more"] = Value::Null),
            retry(&|params| drop(params.as_object_mut().unwrap().remove("arguments"))),
            retry(&|params| params["name"] = "other".into()),
        ];
        for params in others {
            let answer = parked.client.call("tools/call", params).await.unwrap();
            assert_eq!(refusal(&answer), (-32602, "mismatch"), "{revision} {way:?}");
        }
        parked.server.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn park_key_order_is_equal() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        // White space, the order of keys, `_meta`: another text of the same call.
        let retry = parked.client.message(77, "tools/call", Value::Null);
        let (meta, state) = (&retry["params"]["_meta"], &parked.required["requestState"]);
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":77,"method":"tools/call","params":{{"requestState":{state}, "arguments" : {{ "b":{{"d":3,"c":2}} , "a":1}},"inputResponses":{{"q1":{}}},"_meta":{meta},"name":"\u0061sk"}}}}"#,
            parked.answer
        );
        parked.client.skip();
        parked.client.tell(&text).unwrap();
        let answer = parked.server.hears_answer(parked.asked[0]).await;
        assert_eq!(answer.message["result"], parked.answer, "{revision} {way:?}");
        parked.call.answers(DONE);
        let heard = parked.client.hear().await.unwrap().message;
        assert_eq!((&heard["id"], &heard["result"]["content"][0]["text"]), (&json!(77), &json!("done")));
    }
}

/// Invariant: A parked state is valid for one round of one request.
#[tokio::test(start_paused = true)]
async fn park_earlier_round() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        let what = question(revision);
        let first = parked.required.clone();
        let retry = parked.begin(json!({"q1": what.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        let second = parked.call.asks(&parked.server, what.method, &what.params);
        let required = parked.client.end(retry).await.unwrap().outcome.unwrap();
        // The first round is over, whatever it is answered with.
        for key in ["q1", "q2"] {
            parked.required = first.clone();
            let answer = parked.retry(json!({key: what.answer})).await;
            assert_eq!(refusal(&answer), (-32602, "consumed"), "{revision} {way:?}");
        }
        parked.server.hears_nothing().await;
        parked.required = required;
        let retry = parked.begin(json!({"q2": what.answer}));
        parked.server.hears_answer(second).await;
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn foreign_session_answer() {
    for (revision, way) in legacy_ways() {
        let what = question(revision);
        let mut bridged = bridge(way, revision);
        let mut asked = bridged.client(revision, what.capabilities.clone()).await;
        let mut other = bridged.client(revision, what.capabilities.clone()).await;
        let mut server = bridged.server().await;
        let call = asked.begin("tools/call", ask()).unwrap();
        let heard = server.hears("tools/call").await;
        let id = heard.asks(&server, what.method, &what.params);
        let question = asked.hear().await.unwrap().message;
        // Who was not asked answers nothing, though it knows the id.
        let mut forged = what.answer.clone();
        forged["forged"] = true.into();
        other.tell(&answer(&question["id"], &forged)).unwrap();
        server.hears_nothing().await;
        assert!(is_silent(&mut other).await, "{revision} {way:?}");
        asked.tell(&answer(&question["id"], &what.answer)).unwrap();
        assert_eq!(server.hears_answer(id).await.message["result"], what.answer, "{revision} {way:?}");
        heard.answers(DONE);
        assert_eq!(asked.end(call).await.unwrap().text(), "done");
    }
}
