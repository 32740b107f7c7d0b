//! Several questions, at once and one after the other.

use anyport_tests::bridged::answer;

use super::*;

/// What a modern server answers that asks `keys` what a server of `revision` may ask.
fn required(revision: Revision, keys: &[&str], state: &str) -> String {
    let what = question(revision);
    let requests: serde_json::Map<_, _> = keys
        .iter()
        .map(|key| ((*key).to_owned(), json!({"method": what.method, "params": what.params})))
        .collect();
    json!({"resultType": "input_required", "inputRequests": requests, "requestState": state}).to_string()
}

#[tokio::test(start_paused = true)]
async fn new_state_each_round() {
    let what = question(D);
    for way in [Way::Lines, Way::Http] {
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(M, what.capabilities.clone()).await;
        let mut begun = client.begin("tools/call", ask()).unwrap();
        let mut server = bridged.server().await;
        let mut before = Value::Null;
        for round in 0..3 {
            let (key, state) = (format!("k{round}"), format!("state {round}"));
            let call = server.hears("tools/call").await;
            assert_eq!(call.message["params"].get("requestState").unwrap_or(&Value::Null), &before);
            call.answers(required(D, &[&key], &state));
            let outcome = client.end(begun).await.unwrap().outcome.unwrap();
            assert_eq!(outcome["requestState"], state, "{way:?}");
            before = state.into();
            begun = client.begin("tools/call", again(&ask(), &outcome, json!({key: what.answer}))).unwrap();
        }
        server.hears("tools/call").await.answers(r#"{"resultType":"complete","content":[]}"#);
        assert_eq!(client.end(begun).await.unwrap().outcome.unwrap()["content"], json!([]));
    }
}

#[tokio::test(start_paused = true)]
async fn park_two_in_parallel() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::with(quiet(revision, way), 2).await;
        let keys: Vec<_> = parked.required["inputRequests"].as_object().unwrap().keys().cloned().collect();
        assert_eq!(keys, ["q1", "q2"], "{revision} {way:?}");
        let retry = parked.begin(json!({"q2": parked.answer, "q1": parked.answer}));
        let mut answered = Vec::new();
        for _ in 0..2 {
            let answer = parked.server.hears_any().await;
            assert_eq!(answer.message["result"], parked.answer);
            answered.push(answer.id().as_u64().unwrap());
        }
        answered.sort_unstable();
        assert_eq!(answered, parked.asked, "{revision} {way:?}");
        parked.call.answers(DONE);
        assert_eq!(parked.client.end(retry).await.unwrap().text(), "done");
    }
}

#[tokio::test(start_paused = true)]
async fn park_three_rounds() {
    for (revision, way) in legacy_ways() {
        let mut parked = Parked::one(revision, way).await;
        let what = question(revision);
        let mut states = vec![parked.required["requestState"].clone()];
        for round in 1..=3 {
            let key = format!("q{round}");
            let requests = &parked.required["inputRequests"];
            assert_eq!(requests.as_object().unwrap().keys().collect::<Vec<_>>(), [&key], "never used again");
            let retry = parked.begin(json!({key: what.answer}));
            parked.server.hears_answer(parked.asked[round - 1]).await;
            if round == 3 {
                parked.call.answers(DONE);
                assert_eq!(parked.client.end(retry).await.unwrap().text(), "done", "{revision} {way:?}");
                break;
            }
            parked.asked.push(parked.call.asks(&parked.server, what.method, &what.params));
            parked.required = parked.client.end(retry).await.unwrap().outcome.unwrap();
            assert!(!states.contains(&parked.required["requestState"]), "a new state each round");
            states.push(parked.required["requestState"].clone());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn shim_asks_in_parallel() {
    for (revision, way) in legacy_ways() {
        let what = question(revision);
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(revision, what.capabilities.clone()).await;
        let mut server = bridged.server().await;
        let call = client.begin("tools/call", ask()).unwrap();
        server.hears("tools/call").await.answers(required(revision, &["a", "b"], "s"));
        // Both are asked before any is answered; they may be answered in any order.
        let (first, second) = (client.hear().await.unwrap().message, client.hear().await.unwrap().message);
        assert_ne!(first["id"], second["id"]);
        server.hears_nothing().await;
        client.tell(&answer(&second["id"], &what.answer)).unwrap();
        server.hears_nothing().await;
        client.tell(&answer(&first["id"], &what.answer)).unwrap();
        let retry = server.hears("tools/call").await;
        let expected = json!({"a": what.answer, "b": what.answer});
        assert_eq!(retry.param("inputResponses"), &expected, "{revision} {way:?}");
        retry.answers(r#"{"resultType":"complete","content":[]}"#);
        assert_eq!(client.end(call).await.unwrap().outcome.unwrap(), json!({"content": []}));
    }
}

#[tokio::test(start_paused = true)]
async fn shim_round_limit() {
    for revision in legacy() {
        let what = question(revision);
        let setup = quiet(M, Way::Lines);
        let mut bridged = Setup { shim: setup.shim.rounds(2), ..setup }.start();
        let mut client = bridged.client(revision, what.capabilities.clone()).await;
        let mut server = bridged.server().await;
        let good = what.answer.clone();
        client.answer_with(move |_| Ok(good.clone()));
        for (method, params) in [("tools/call", ask()), ("prompts/get", json!({"name": "p"}))] {
            let call = client.begin(method, params).unwrap();
            let hearing = async {
                for round in 0..3 {
                    server.hears(method).await.answers(required(revision, &["a"], &format!("s{round}")));
                }
                server.hears_nothing().await;
            };
            let (answer, ()) = tokio::join!(client.end(call), hearing);
            let (answer, words) = (answer.unwrap(), "the call asked in more than 2 rounds (rounds)");
            if method == "tools/call" {
                let failed = json!({"content": [{"type": "text", "text": words}], "isError": true});
                assert_eq!(answer.outcome.unwrap(), failed, "{revision}");
            } else {
                assert_eq!(refusal(&answer), (-32603, "rounds"), "{revision}");
            }
        }
    }
}
