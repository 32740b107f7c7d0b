//! Members of both eras behind one endpoint, for clients of both.

use anyport_adapters::ParkLimits;
use anyport_seal::{Key, Sealer};
use anyport_service::{Event, Principal};
use anyport_upstream::Upstream;

use super::*;
use crate::{
    Bridge,
    test_server::{self, Farm},
};

/// A bridge to `farm` that parks calls.
fn bridge(name: &str, farm: &Farm) -> Member {
    farm.set_tools(json!([{"name": "ask"}]));
    let sealer = Sealer::new(&Key::from_bytes([7; 32]));
    let upstream = Upstream::builder(name, farm.clone()).park(sealer, ParkLimits::default()).build();
    let supported: Vec<_> = Revision::ALL.into_iter().rev().collect();
    Member::new(name, Arc::new(Bridge::new(upstream, supported.into(), None)))
}

/// Calls a tool that asks once, and answers. Returns the message, and what the tool gave back.
async fn dialogue(federation: &Federation, name: &str, context: Context) -> (Raw, Value) {
    let mut reply = federation.call(tool(name, json!({})), context.clone());
    let answer = json!({"action": "accept", "content": {}});
    loop {
        match reply.next().await {
            Event::ServerRequest(question) => {
                let message = question.params.member("message").unwrap();
                question.responder.answer(Ok(answer.into()));
                return (message, test_server::result(reply.outcome().await));
            }
            Event::Outcome(Outcome::InputRequired(required)) => {
                let questions = required.member("inputRequests").unwrap();
                let (key, question) = questions.members().next().map(|one| (one.key(), one.value)).unwrap();
                let question = questions.slice(question).member("params").unwrap();
                let mut params = json!({"name": name, "arguments": {}, "inputResponses": {key: answer}});
                if let Some(state) = required.member("requestState") {
                    params["requestState"] = state.decode().unwrap();
                }
                let outcome = federation.call(request(Method::ToolsCall, params), context).outcome().await;
                return (question.member("message").unwrap(), test_server::result(outcome));
            }
            Event::Outcome(outcome) => panic!("{outcome:?}"),
            _ => {}
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_question_of_each_era_reaches_clients_of_each_era() {
    let farms = [("old", Farm::new(LEGACY)), ("new", Farm::new(MODERN)), ("both", Farm::dual())];
    let federation = federation(farms.iter().map(|(name, farm)| bridge(name, farm)));
    let ann = modern();
    let ann = Context::new(Principal::named("ann"), MODERN)
        .with_client(ann.capabilities().clone(), ann.client_info().cloned());
    for (name, _) in &farms {
        for context in [modern(), ann.clone(), legacy()] {
            let (message, result) = dialogue(&federation, &format!("{name}_ask"), context.clone()).await;
            assert_eq!(message, Raw::string(&format!("{name}: ?")), "{name} {:?}", context.revision());
            assert_eq!(result["resultType"], "complete");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_parked_call_of_one_member_is_not_resumed_at_another() {
    let (old, other) = (Farm::new(LEGACY), Farm::new(LEGACY));
    let federation = federation([bridge("old", &old), bridge("other", &other)]);
    let asked = federation.call(tool("old_ask", json!({})), modern()).outcome().await;
    let Outcome::InputRequired(required) = asked else { panic!("{asked:?}") };
    let state: Value = required.member("requestState").unwrap().decode().unwrap();
    let params = json!({"name": "other_ask", "arguments": {}, "inputResponses": {}, "requestState": state});
    let refused = error(&federation, request(Method::ToolsCall, params)).await;
    assert_eq!((refused.code, refused.data.unwrap().as_str()), (-32602, r#"{"reason":"mismatch"}"#));
    assert_eq!(other.connections(), 1, "for its list");
}
