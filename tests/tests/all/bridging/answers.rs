//! Answers that are missing, wrong, or errors.

use anyport_tests::bridged::{answer, failure, is_silent};

use super::*;

#[tokio::test(start_paused = true)]
async fn answers_untouched() {
    let what = question(D);
    for way in [Way::Lines, Way::Http] {
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(M, what.capabilities.clone()).await;
        // Whatever they are: only the server that asked can say what is wrong with them.
        let answers = r#"{"k":{"action":"nonsense","content":{"n":1.0}},"unknown":[1e2],"u":"\u00e9"}"#;
        let mut text = client.message(1, "tools/call", ask()).to_string();
        text.truncate(text.len() - 2);
        let text = format!(r#"{text},"inputResponses":{answers},"requestState":"s\u00e9al"}}}}"#);
        client.tell(&text).unwrap();
        let mut server = bridged.server().await;
        let call = server.hears("tools/call").await;
        assert_eq!(member(call.params(), "inputResponses"), answers, "{way:?}");
        assert_eq!(member(call.params(), "requestState"), r#""s\u00e9al""#, "{way:?}");
        let error = r#"{"code":-32602,"message":"nonsense","data":{"x":1.0}}"#;
        let refused = failure(call.id(), error);
        call.ends(&refused);
        assert_eq!(client.hear().await.unwrap().text, failure(1, error), "{way:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn park_reasks_missing() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::with(quiet(revision, way), 2).await;
        // Without any expected answer: the same questions, and nothing is said to the server.
        for answers in [json!({}), json!({"q9": parked.answer})] {
            let same = parked.retry(answers).await.outcome.unwrap();
            assert_eq!(same["inputRequests"], parked.required["inputRequests"], "{revision} {way:?}");
            parked.server.hears_nothing().await;
            parked.required = same;
        }
        // With one of two: that one goes on, and the other is asked under its key.
        let first = parked.required["inputRequests"]["q2"].clone();
        let more = parked.retry(json!({"q1": parked.answer})).await.outcome.unwrap();
        assert_eq!(more["inputRequests"], json!({"q2": first}), "{revision} {way:?}");
        assert_ne!(more["requestState"], parked.required["requestState"]);
        let answer = parked.server.hears_answer(parked.asked[0]).await;
        assert_eq!(answer.message["result"], parked.answer);
        parked.server.hears_nothing().await;
        parked.required = more;
        let retry = parked.begin(json!({"q2": parked.answer}));
        parked.server.hears_answer(parked.asked[1]).await;
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn park_reasks_against_schema() {
    // What may be asked before 2025-06-18 has no schema for its answer.
    for (revision, way) in legacy_ways().filter(|(revision, _)| *revision >= C) {
        let mut parked = Parked::one(revision, way).await;
        let questions = parked.required["inputRequests"].clone();
        for content in [json!({"name": 1}), json!({}), json!({"name": null})] {
            let same = parked.retry(json!({"q1": {"action": "accept", "content": content}})).await;
            let same = same.outcome.unwrap();
            assert_eq!(same["inputRequests"], questions, "{revision} {way:?}");
            parked.server.hears_nothing().await;
            parked.required = same;
        }
        // Three times the user was asked again; that is enough, and the call still waits.
        let answer = parked.retry(json!({"q1": {"action": "accept", "content": {}}})).await;
        assert_eq!(answer.code(), Some(-32602), "{revision} {way:?}: {:?}", answer.outcome);
        parked.server.hears_nothing().await;
        let retry = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn park_malformed() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        for answers in [json!([]), json!("x"), json!({"q1": "x"}), json!({"q1": {"error": {"code": -1}}})] {
            let answer = parked.retry(answers.clone()).await;
            assert_eq!(refusal(&answer), (-32602, "malformed"), "{revision} {way:?}: {answers}");
            parked.server.hears_nothing().await;
        }
        // It stays parked, and its state is good.
        let retry = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
    }
}

const REFUSED: &str = r#"{"code":-1,"message":"not today"}"#;

#[tokio::test(start_paused = true)]
async fn shim_elicitation_error_is_cancel() {
    for (revision, way) in legacy_ways().filter(|(revision, _)| *revision >= C) {
        let what = question(revision);
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(revision, what.capabilities.clone()).await;
        let mut server = bridged.server().await;
        let call = client.begin("tools/call", ask()).unwrap();
        let requests = json!({"a": {"method": what.method, "params": what.params}});
        let required = json!({"resultType": "input_required", "inputRequests": requests});
        server.hears("tools/call").await.answers(required);
        let question = client.hear().await.unwrap().message;
        client.tell(&failure(&question["id"], REFUSED)).unwrap();
        let retry = server.hears("tools/call").await;
        let answers = member(retry.params(), "inputResponses");
        assert_eq!(answers, r#"{"a":{"action":"cancel"}}"#, "{revision} {way:?}");
        retry.answers(r#"{"resultType":"complete","content":[]}"#);
        assert!(client.end(call).await.unwrap().outcome.is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn shim_sampling_error_is_tool_error() {
    // A question for the model, and one for roots.
    let sampling = question(A);
    let capabilities = json!({"sampling": {}, "roots": {}});
    for (revision, way) in legacy_ways() {
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(revision, capabilities.clone()).await;
        let mut server = bridged.server().await;
        for (method, params) in [("tools/call", ask()), ("resources/read", json!({"uri": "a:b"}))] {
            client.tell(&request(7, method, params)).unwrap();
            let requests = json!({
                "s": {"method": sampling.method, "params": sampling.params},
                "r": {"method": "roots/list"},
            });
            let required =
                json!({"resultType": "input_required", "inputRequests": requests, "requestState": "x"});
            server.hears(method).await.answers(required);
            let asked = [client.hear().await.unwrap().message, client.hear().await.unwrap().message];
            let (model, roots) = if asked[0]["method"] == "roots/list" { (1, 0) } else { (0, 1) };
            client.tell(&failure(&asked[model]["id"], REFUSED)).unwrap();
            // The sibling is taken back, and the call is over: it is not made again.
            let heard = [client.hear().await.unwrap().message, client.hear().await.unwrap().message];
            let (cancelled, ended) = if heard[0].get("id").is_some() { (1, 0) } else { (0, 1) };
            assert_eq!(
                heard[cancelled]["method"], "notifications/cancelled",
                "{revision} {way:?}: {heard:?}"
            );
            assert_eq!(heard[cancelled]["params"]["requestId"], asked[roots]["id"], "{revision} {way:?}");
            let words = "the client refused: not today";
            if method == "tools/call" {
                let failed = json!({"content": [{"type": "text", "text": words}], "isError": true});
                assert_eq!(heard[ended]["result"], failed, "{revision} {way:?}");
            } else {
                let failed = json!({"code": -32603, "message": words, "data": {"reason": "client_refused"}});
                assert_eq!(heard[ended]["error"], failed, "{revision} {way:?}");
            }
            server.hears_nothing().await;
            // An answer that comes late goes nowhere.
            client.tell(&answer(&asked[roots]["id"], r#"{"roots":[]}"#)).unwrap();
            server.hears_nothing().await;
            assert!(is_silent(&mut client).await);
        }
    }
}
