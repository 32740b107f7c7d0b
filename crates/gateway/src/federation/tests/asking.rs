//! Invariant: A question says which member asks, and its state leads back to that member and caller alone.

use anyport_service::{Event, Principal};

use super::*;

fn named(principal: &str) -> Context {
    Context::new(Principal::named(principal.to_owned()), MODERN)
        .with_client(json!({"elicitation": {}}).into(), None)
}

/// Calls, and expects a question. Returns it.
async fn asked(federation: &Federation, name: &str, context: Context) -> Value {
    let outcome = federation.call(tool(name, json!({})), context).outcome().await;
    let Outcome::InputRequired(required) = outcome else { panic!("{outcome:?}") };
    required.decode().unwrap()
}

fn retry(name: &str, state: &Value) -> Request {
    let params = json!({"name": name, "arguments": {}, "inputResponses": {"q": {"action": "accept"}}, "requestState": state});
    request(Method::ToolsCall, params)
}

#[tokio::test(start_paused = true)]
async fn question_names_upstream() {
    let (a, b) = (Fake::new(&["ask"]), Fake::new(&["ask"]));
    let federation = federation([member("a", &a).title("The A"), member("b", &b)]);
    for (name, title) in [("a_ask", "The A"), ("b_ask", "b")] {
        let message = format!("{title}: which?");
        let required = asked(&federation, name, modern()).await;
        assert_eq!(required["inputRequests"]["q"]["params"]["message"], message);
        let mut reply = federation.call(tool(name, json!({})), legacy());
        let Event::ServerRequest(question) = reply.next().await else { panic!("no question") };
        assert_eq!(question.params.member("message").unwrap(), Raw::string(&message));
        question.responder.answer(Ok(json!({"action": "accept"}).into()));
        let Outcome::Result(result) = reply.outcome().await else { panic!("no result") };
        assert_eq!(result.decode::<Value>().unwrap()["answers"], json!({"action": "accept"}));
    }
}

#[tokio::test(start_paused = true)]
async fn a_single_member_need_not_say_who_it_is() {
    let federation = federation([member("a", &Fake::new(&["ask"]))]);
    let required = asked(&federation, "a_ask", modern()).await;
    assert_eq!(required["inputRequests"]["q"]["params"]["message"], "which?");
}

#[tokio::test(start_paused = true)]
async fn wrapped_state_routes_back() {
    let (a, b) = (Fake::new(&["ask", "other"]), Fake::new(&["ask"]));
    let federation = two(&a, &b);
    for context in [modern(), named("ann")] {
        let state = asked(&federation, "a_ask", context.clone()).await["requestState"].clone();
        assert_ne!(state, "mine");
        let Outcome::Result(result) =
            federation.call(retry("a_ask", &state), context.clone()).outcome().await
        else {
            panic!("no result")
        };
        assert_eq!(result.decode::<Value>().unwrap()["state"], "mine", "the member's own, byte for byte");
    }
}

#[tokio::test(start_paused = true)]
async fn a_state_of_one_member_or_caller_or_tool_is_of_no_use_elsewhere() {
    let (a, b) = (Fake::new(&["ask", "other"]), Fake::new(&["ask"]));
    let federation = two(&a, &b);
    let state = asked(&federation, "a_ask", named("ann")).await["requestState"].clone();
    let cases = [("b_ask", "ann", "mismatch"), ("a_other", "ann", "mismatch"), ("a_ask", "bob", "foreign")];
    for (name, principal, reason) in cases {
        let outcome = federation.call(retry(name, &state), named(principal)).outcome().await;
        let Outcome::Error(refused) = outcome else { panic!("{outcome:?}") };
        let data = refused.data.unwrap();
        assert_eq!((refused.code, data.member("reason").unwrap()), (-32602, Raw::string(reason)), "{name}");
    }
    let made_up = error(&federation, retry("a_ask", &json!("mine"))).await;
    assert_eq!(made_up.code, -32602);
    assert_eq!((a.requests(Method::ToolsCall).len(), b.requests(Method::ToolsCall).len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn an_error_that_asks_names_the_member_too() {
    let federation = two(&Fake::new(&["visit"]), &Fake::new(&[]));
    let Outcome::Error(asks) = federation.call(tool("a_visit", json!({})), legacy()).outcome().await else {
        panic!("no error")
    };
    let elicitation = json!({"mode": "url", "message": "a: visit", "url": "https://x", "elicitationId": "1"});
    assert_eq!(asks.data.unwrap().decode::<Value>().unwrap(), json!({"elicitations": [elicitation]}));
}
