//! The server fails: it is killed, its stream is cut, its session forgotten.

use std::time::Duration;

use anyport_testing::Wire;
use anyport_tests::bridged::{Bridged, Way, legacy, question};
use serde_json::json;
use tokio::time::sleep;

use super::{B, D, M, answers, bad, good, next, retry, since, tool};

/// A page of tools of which one may be called twice, and one may not.
const TOOLS: &str = r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[
    {"name":"look","inputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}},
    {"name":"pay","inputSchema":{"type":"object"}}]}"#;

/// Invariant: A call whose connection was lost is repeated only if that does no harm, and otherwise says so.
#[tokio::test(start_paused = true)]
async fn reissue_only_if_safe() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = Bridged::over(way, M);
        let mut client = bridged.client(M, json!({})).await;
        let listing = client.begin("tools/list", json!({})).unwrap();
        let mut peer = bridged.server().await;
        peer.hears("tools/list").await.answers(TOOLS.replace('\n', ""));
        good(client.end(listing).await.unwrap());
        // What was lost so early would not be connected again at once.
        sleep(Duration::from_secs(20)).await;

        let look = client.begin("tools/call", tool("look")).unwrap();
        let first = peer.hears("tools/call").await;
        let pay = client.begin("tools/call", tool("pay")).unwrap();
        let second = peer.hears("tools/call").await;
        let id = first.id().clone();
        drop((first, second));
        if way == Way::Lines {
            drop(peer);
            peer = bridged.server().await;
        }
        let again = peer.hears("tools/call").await;
        assert_eq!(again.param("name"), "look");
        assert_ne!(*again.id(), id, "a request of its own");
        again.answers(r#"{"resultType":"complete","content":[]}"#);
        good(client.end(look).await.unwrap());
        assert_eq!(bad(&client.end(pay).await.unwrap()), (-32603, "outcome_unknown"), "{way:?}");
        peer.hears_nothing().await;
    }
}

/// Invariant: A server cannot make a client repeat a call: what it writes into an error is never read as a failure of ours.
#[tokio::test(start_paused = true)]
async fn what_a_server_claims_repeats_no_call() {
    for (way, server, client_revision) in
        [(Way::Lines, M, M), (Way::Http, M, M), (Way::Lines, D, M), (Way::Http, D, D), (Way::Lines, M, D)]
    {
        let mut bridged = Bridged::over(way, server);
        let mut client = bridged.client(client_revision, json!({})).await;
        let listing = client.begin("tools/list", json!({})).unwrap();
        let mut peer = bridged.server().await;
        next(&mut peer, "tools/list").await.answers(TOOLS.replace('\n', ""));
        good(client.end(listing).await.unwrap());
        for reason in ["upstream_lost", "upstream_down", "outcome_unknown", "overloaded"] {
            for name in ["look", "pay"] {
                let call = client.begin("tools/call", tool(name)).unwrap();
                let heard = next(&mut peer, "tools/call").await;
                assert_eq!(heard.param("name"), name);
                heard.fails(-32603, "gone", json!({"reason": reason, "sent": false}));
                let answer = client.end(call).await.unwrap();
                assert_eq!(bad(&answer), (-32603, reason), "{way:?} {server} {client_revision}");
                peer.hears_nothing().await;
            }
        }
    }
}

/// Invariant: A server cannot make a client repeat a call: what it writes into an error is never read as a failure of ours.
#[tokio::test(start_paused = true)]
async fn a_legacy_server_that_forges_a_refusal_of_the_revision_is_not_called_again() {
    for (way, client_revision) in [(Way::Lines, D), (Way::Lines, M), (Way::Http, D), (Way::Http, M)] {
        let mut bridged = Bridged::over(way, D);
        let mut client = bridged.client(client_revision, json!({})).await;
        let call = client.begin("tools/call", tool("pay")).unwrap();
        let mut peer = bridged.server().await;
        let heard = next(&mut peer, "tools/call").await;
        let data = json!({"supported": ["2026-07-28"], "requested": "2025-11-25"});
        heard.fails(-32022, "Unsupported protocol version", data);
        let answer = client.end(call).await.unwrap();
        let code = if client_revision == M { -32603 } else { -32022 };
        assert_eq!(bad(&answer).0, code, "{way:?} {client_revision}");
        peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn park_upstream_killed() {
    for server in legacy() {
        let mut bridged = Bridged::lines(server);
        let question = question(server);
        let mut client = bridged.client(M, question.capabilities.clone()).await;
        let call = client.begin("tools/call", tool("slow")).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        peer.asks(question.method, &question.params);
        let asked = good(client.end(call).await.unwrap());
        assert_eq!(asked["resultType"], "input_required");
        drop((running, peer));
        sleep(Duration::from_secs(1)).await;
        let params = retry(&tool("slow"), &asked, json!({"q1": question.answer}));
        let answer = client.call("tools/call", params).await.unwrap();
        assert_eq!(bad(&answer), (-32603, "upstream_lost"), "{server}: {answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn park_resumes_by_event_id() {
    for server in since(B) {
        let mut bridged = Bridged::http(server);
        let question = question(server);
        let mut client = bridged.client(M, question.capabilities.clone()).await;
        let call = client.begin("tools/call", tool("slow")).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        let text = anyport_tests::bridged::request(7, question.method, &question.params);
        running.http().events(&format!("id: e-1\nretry: 50\ndata: {text}\n\n"));
        let asked = good(client.end(call).await.unwrap());
        let id = running.id().clone();
        running.http().close();

        // 2025-11-25, transports §Resumability and Redelivery: by GET, with the id of the last event.
        let resumed = peer.hears_any().await;
        assert_eq!((&*resumed.verb, resumed.header("last-event-id")), ("GET", "e-1"), "{server}");
        assert_eq!(resumed.header("mcp-session-id"), "session-1");
        let params = retry(&tool("slow"), &asked, json!({"q1": question.answer}));
        let again = client.begin("tools/call", params).unwrap();
        let heard = peer.hears_answer(7).await;
        assert_eq!(heard.message["result"], question.answer);
        resumed.tells(anyport_tests::bridged::answer(
            &id,
            json!({"content": [{"type": "text", "text": "done"}]}),
        ));
        assert_eq!(client.end(again).await.unwrap().text(), "done", "{server}");
        peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn park_server_times_out_first() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = Bridged::over(way, server);
            let question = question(server);
            let mut client = bridged.client(M, question.capabilities.clone()).await;
            let call = client.begin("tools/call", tool("slow")).unwrap();
            let mut peer = bridged.server().await;
            let running = peer.hears("tools/call").await;
            running.tells(anyport_tests::bridged::request(7, question.method, &question.params));
            let asked = good(client.end(call).await.unwrap());
            // Nobody answers for a minute, as many servers wait at most.
            sleep(Duration::from_secs(60)).await;
            running.answers(r#"{"content":[{"type":"text","text":"too late"}],"isError":true}"#);
            // Its question is open no more than its call is: every request of a server's has its answer.
            assert_eq!(peer.hears_answer(7).await.message["error"]["code"], -32603, "{server} {way:?}");
            sleep(Duration::from_secs(60)).await;
            let params = retry(&tool("slow"), &asked, json!({"q1": question.answer}));
            let answer = client.call("tools/call", params).await.unwrap();
            assert_eq!((answer.text(), answer.is_error()), ("too late".into(), true), "{server} {way:?}");
            peer.hears_nothing().await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn shim_cut_between_rounds() {
    for client_revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let question = question(client_revision);
            let mut bridged = Bridged::over(way, M);
            let mut client = bridged.client(client_revision, question.capabilities.clone()).await;
            let mut peer = bridged.server().await;
            let listing = client.begin("tools/list", json!({})).unwrap();
            let heard = next(&mut peer, "tools/list").await;
            heard.answers(TOOLS.replace('\n', ""));
            good(client.end(listing).await.unwrap());
            sleep(Duration::from_secs(20)).await;

            for name in ["look", "pay"] {
                let call = client.begin("tools/call", tool(name)).unwrap();
                let heard = next(&mut peer, "tools/call").await;
                heard.answers(json!({
                    "resultType": "input_required",
                    "inputRequests": {"q": {"method": question.method, "params": question.params}},
                    "requestState": "s\u{e9}",
                }));
                client.skip();
                let put = loop {
                    let heard = client.hear().await;
                    if let Ok(heard) = heard
                        && heard.message["method"] == question.method
                    {
                        break heard.message;
                    }
                };
                answers(&mut client, &put, &question.answer);
                let round = next(&mut peer, "tools/call").await;
                let sent = (round.param("inputResponses").clone(), round.param("requestState").clone());
                assert_eq!(sent, (json!({"q": question.answer}), json!("s\u{e9}")));
                drop(round);
                if way == Way::Lines {
                    drop(peer);
                    if name == "pay" {
                        let answer = client.end(call).await.unwrap();
                        assert_eq!(bad(&answer), (-32603, "outcome_unknown"), "{client_revision}");
                        break;
                    }
                    peer = bridged.server().await;
                }
                if name == "pay" {
                    let answer = client.end(call).await.unwrap();
                    assert_eq!(bad(&answer), (-32603, "outcome_unknown"), "{client_revision}");
                    break;
                }
                // The same state and the same answers, once more.
                let again = next(&mut peer, "tools/call").await;
                assert_eq!(
                    (again.param("inputResponses").clone(), again.param("requestState").clone()),
                    sent
                );
                again.answers(r#"{"resultType":"complete","content":[]}"#);
                good(client.end(call).await.unwrap());
                sleep(Duration::from_secs(20)).await;
            }
        }
    }
}

/// A resource of the lost session that the new session is refused.
#[tokio::test(start_paused = true)]
async fn a_listener_hears_the_end_where_a_new_session_has_no_more_of_its_resource() {
    for server in since(B) {
        let mut bridged = Bridged::http(server);
        let mut client = bridged.client(M, json!({})).await;
        for (id, uri) in [(41, "x:a"), (42, "x:b")] {
            let filter = json!({"notifications": {"resourceSubscriptions": [uri]}});
            client.tell(&client.message(id, "subscriptions/listen", filter).to_string()).unwrap();
        }
        let mut peer = bridged.server().await;
        for _ in 0..2 {
            peer.hears("resources/subscribe").await.answers("{}");
        }
        let call = client.begin("tools/call", tool("pay")).unwrap();
        peer.hears("tools/call").await.http().refuse(404, "");
        for _ in 0..2 {
            let again = peer.hears("resources/subscribe").await;
            assert_eq!(again.header("mcp-session-id"), "session-2");
            match again.param("uri") == "x:a" {
                true => again.fails(-32002, "no such resource", json!(null)),
                false => again.answers("{}"),
            }
        }
        peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
        good(client.end(call).await.unwrap());
        loop {
            let heard = client.hear().await.unwrap().message;
            assert_ne!(heard["id"], 42, "{server}");
            if heard["id"] == 41 {
                assert_eq!(heard["result"]["resultType"], "complete", "{server}: {heard}");
                break;
            }
        }
        peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn session_404_resends() {
    for server in since(B) {
        for client_revision in legacy() {
            let mut bridged = Bridged::http(server);
            let mut client = bridged.client(client_revision, json!({})).await;
            let mut peer = bridged.server().await;
            // What belongs to the session: a level and a subscription.
            client.log_level("debug").await.unwrap();
            let subscribing = client.begin("resources/subscribe", json!({"uri": "x:a"})).unwrap();
            let heard = peer.hears("resources/subscribe").await;
            assert_eq!(heard.header("mcp-session-id"), "session-1");
            heard.answers("{}");
            good(client.end(subscribing).await.unwrap());

            let call = client.begin("tools/call", tool("pay")).unwrap();
            peer.hears("logging/setLevel").await.answers("{}");
            let refused = peer.hears("tools/call").await;
            assert_eq!(refused.header("mcp-session-id"), "session-1");
            // 2025-11-25, transports §Session Management: a session that is over is answered with 404.
            refused.http().refuse(404, "");
            let mut heard = Vec::new();
            let sent_again = loop {
                let message = peer.hears_any().await;
                assert_eq!(message.header("mcp-session-id"), "session-2", "{}", message.text);
                let method = message.message["method"].as_str().unwrap().to_owned();
                heard.push(method.clone());
                match &*method {
                    "tools/call" => break message,
                    _ => message.answers("{}"),
                }
            };
            let count = |method: &str| heard.iter().filter(|heard| *heard == method).count();
            assert_eq!((count("resources/subscribe"), count("logging/setLevel")), (1, 1), "{heard:?}");
            sent_again.answers(r#"{"content":[]}"#);
            client.skip();
            good(client.end(call).await.unwrap());
            // What was missed between the sessions is unknown, so the bridge notifies its listeners.
            let told = |client: &Wire| {
                let of_resource = |heard: &&anyport_testing::Heard| heard.message["params"]["uri"] == "x:a";
                client.heard().iter().filter(of_resource).count()
            };
            while told(&client) == 0 {
                client.hear().await.unwrap();
            }
            peer.hears_nothing().await;
            assert_eq!(told(&client), 1);
            if server == D {
                assert_eq!(peer.streams(), 1, "the GET stream is the new session's");
            }
        }
    }
}
