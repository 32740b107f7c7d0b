//! Whose question is it, when the server does not say?

use std::time::Duration;

use anyport::Revision;
use anyport_service::Principal;
use anyport_tests::bridged::{Bridged, Peer, Setup, Way, legacy, question, request};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::{B, C, M, answers, asked, good, quiet, retry, since, tool};

#[tokio::test(start_paused = true)]
async fn post_stream_wins() {
    for server in since(B) {
        let mut bridged = Bridged::http(server);
        let question = question(server);
        let can = || question.capabilities.clone();
        let mut ada = bridged.client_of(Principal::named("ada"), M, can()).await;
        let mut bob = bridged.client_of(Principal::named("bob"), M, can()).await;
        let of_ada = ada.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        let for_ada = peer.hears("tools/call").await;
        let of_bob = bob.begin("tools/call", tool("b")).unwrap();
        let for_bob = peer.hears("tools/call").await;

        // On the channel of the session this would be nobody's.
        for_bob.tells(request(7, question.method, &question.params));
        let put = good(bob.end(of_bob).await.unwrap());
        assert_eq!(put["inputRequests"]["q1"]["method"], question.method, "{server}");
        for_ada.answers(r#"{"content":[]}"#);
        assert_eq!(good(ada.end(of_ada).await.unwrap())["resultType"], "complete");

        let params = retry(&tool("b"), &put, json!({"q1": question.answer}));
        let again = bob.begin("tools/call", params).unwrap();
        assert_eq!(peer.hears_answer(7).await.message["result"], question.answer);
        for_bob.answers(r#"{"content":[]}"#);
        good(bob.end(again).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn get_stream_single_call() {
    for server in since(B) {
        let mut bridged = Bridged::http(server);
        let question = question(server);
        let mut client = bridged.client(M, question.capabilities.clone()).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        // A list is being read meanwhile, in which nobody can be asked.
        let listing = client.begin("tools/list", json!({})).unwrap();
        let listed = peer.hears("tools/list").await;
        let id = peer.asks(question.method, &question.params);
        let put = good(client.end(call).await.unwrap());
        assert_eq!(put["inputRequests"]["q1"]["method"], question.method, "{server}");
        listed.answers(r#"{"tools":[]}"#);
        good(client.end(listing).await.unwrap());
        let params = retry(&tool("a"), &put, json!({"q1": question.answer}));
        let again = client.begin("tools/call", params).unwrap();
        assert_eq!(peer.hears_answer(id).await.message["result"], question.answer);
        running.answers(r#"{"content":[]}"#);
        good(client.end(again).await.unwrap());

        // With no call open, nobody is asked.
        let id = peer.asks(question.method, &question.params);
        let refused = peer.hears_answer(id).await;
        assert_eq!(refused.message["error"]["code"], -32603);
        let words = refused.message["error"]["message"].as_str().unwrap();
        assert!(words.starts_with("no call is open"), "{words}");
    }
}

/// Two callers call at once; the server asks on their one channel. Returns the code with which it is refused.
async fn asks_while_two_call(
    bridged: &mut Bridged,
    peer: Option<Peer>,
    clients: [&mut anyport_testing::Wire; 2],
    put: (&str, &Value),
) -> (Peer, i64) {
    let [first, second] = clients;
    let of_first = first.begin("tools/call", tool("a")).unwrap();
    let mut peer = match peer {
        Some(peer) => peer,
        None => bridged.server().await,
    };
    let for_first = peer.hears("tools/call").await;
    let of_second = second.begin("tools/call", tool("b")).unwrap();
    let for_second = peer.hears("tools/call").await;
    let id = peer.asks(put.0, put.1);
    let refused = peer.hears_answer(id).await;
    for_first.answers(r#"{"content":[]}"#);
    for_second.answers(r#"{"content":[]}"#);
    good(first.end(of_first).await.unwrap());
    good(second.end(of_second).await.unwrap());
    let code = refused.message["error"]["code"].as_i64().unwrap_or_default();
    (peer, code)
}

#[tokio::test(start_paused = true)]
async fn two_principals_refused_then_apart() {
    for server in legacy() {
        let mut bridged = Bridged::lines(server);
        let question = question(server);
        let can = || question.capabilities.clone();
        let mut ada = bridged.client_of(Principal::named("ada"), M, can()).await;
        let mut bob = bridged.client_of(Principal::named("bob"), M, can()).await;
        let put = (question.method, &question.params);
        let (mut shared, code) = asks_while_two_call(&mut bridged, None, [&mut ada, &mut bob], put).await;
        assert_eq!(code, -32603, "{server}");

        // From then on each has a connection of its own, and is asked there.
        let of_ada = ada.begin("tools/call", tool("a")).unwrap();
        let mut adas = bridged.server().await;
        let for_ada = adas.hears("tools/call").await;
        let of_bob = bob.begin("tools/call", tool("b")).unwrap();
        let mut bobs = bridged.server().await;
        let for_bob = bobs.hears("tools/call").await;
        let id = bobs.asks(question.method, &question.params);
        let asked = good(bob.end(of_bob).await.unwrap());
        assert_eq!(asked["resultType"], "input_required", "{server}");
        let params = retry(&tool("b"), &asked, json!({"q1": question.answer}));
        let again = bob.begin("tools/call", params).unwrap();
        assert_eq!(bobs.hears_answer(id).await.message["result"], question.answer);
        for_bob.answers(r#"{"content":[]}"#);
        for_ada.answers(r#"{"content":[]}"#);
        good(bob.end(again).await.unwrap());
        good(ada.end(of_ada).await.unwrap());
        shared.hears_nothing().await;
        // The next call of the same caller finds the connection again.
        let of_ada = ada.begin("tools/call", tool("a")).unwrap();
        adas.hears("tools/call").await.answers(r#"{"content":[]}"#);
        good(ada.end(of_ada).await.unwrap());
        assert!(bridged.connected().is_none());
    }
}

#[tokio::test(start_paused = true)]
async fn anonymous_calls_that_come_at_once_are_each_asked_on_a_connection_of_their_own() {
    let server = Revision::NEWEST_LEGACY;
    let mut bridged = Bridged::lines(server);
    let question = question(server);
    let can = || question.capabilities.clone();
    // Nothing holds the requests of a modern client over HTTP together.
    let mut one = bridged.http_client(M, can()).await;
    let mut other = bridged.http_client(M, can()).await;
    let put = (question.method, &question.params);
    let (_shared, code) = asks_while_two_call(&mut bridged, None, [&mut one, &mut other], put).await;
    assert_eq!(code, -32603);
    let of_one = one.begin("tools/call", tool("a")).unwrap();
    let mut first = bridged.server().await;
    let for_one = first.hears("tools/call").await;
    let of_other = other.begin("tools/call", tool("b")).unwrap();
    let mut second = bridged.server().await;
    let _for_other = second.hears("tools/call").await;
    second.asks(question.method, &question.params);
    assert_eq!(good(other.end(of_other).await.unwrap())["resultType"], "input_required");
    for_one.answers(r#"{"content":[]}"#);
    good(one.end(of_one).await.unwrap());
    // What one has left serves the next, while the other's is parked.
    let again = one.begin("tools/call", tool("c")).unwrap();
    first.hears("tools/call").await.answers(r#"{"content":[]}"#);
    good(one.end(again).await.unwrap());
    assert!(bridged.connected().is_none());
}

/// Invariant: An open server request of one caller neither refuses another's nor delays calls that ask
/// nothing.
#[tokio::test(start_paused = true)]
async fn while_a_question_is_open_the_next_anonymous_call_is_asked_on_a_connection_of_its_own() {
    for server in legacy() {
        let mut bridged = Bridged::lines(server);
        let question = question(server);
        let mut client = bridged.http_client(M, question.capabilities.clone()).await;
        let first = client.begin("tools/call", tool("a")).unwrap();
        let mut shared = bridged.server().await;
        let for_first = shared.hears("tools/call").await;
        let id = shared.asks(question.method, &question.params);
        let put = good(client.end(first).await.unwrap());
        assert_eq!(put["resultType"], "input_required", "{server}");

        let second = client.begin("tools/call", tool("b")).unwrap();
        let mut own = bridged.server().await;
        let for_second = own.hears("tools/call").await;
        own.asks(question.method, &question.params);
        let also = good(client.end(second).await.unwrap());
        assert_eq!(also["resultType"], "input_required", "{server}: nothing had to be refused first");
        drop(for_second);

        // What the server remembers of the first connection is not lost to those who come when the question is answered.
        let params = retry(&tool("a"), &put, json!({"q1": question.answer}));
        let again = client.begin("tools/call", params).unwrap();
        assert_eq!(shared.hears_answer(id).await.message["result"], question.answer);
        for_first.answers(r#"{"content":[]}"#);
        good(client.end(again).await.unwrap());
        let third = client.begin("tools/call", tool("c")).unwrap();
        shared.hears("tools/call").await.answers(r#"{"content":[]}"#);
        good(client.end(third).await.unwrap());
        assert!(bridged.connected().is_none());
    }
}

/// Invariant: An open server request of one caller neither refuses another's nor delays calls that ask
/// nothing.
#[tokio::test(start_paused = true)]
async fn questions_that_nobody_answers_keep_no_other_call_waiting() {
    let server = Revision::NEWEST_LEGACY;
    let mut setup = Setup::new(server, Way::Lines);
    setup.upstream.connections = 2;
    let mut bridged = setup.start();
    let question = question(server);
    let mut client = bridged.http_client(M, question.capabilities.clone()).await;
    let mut peers = Vec::new();
    for name in ["a", "b"] {
        let call = client.begin("tools/call", tool(name)).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        peer.asks(question.method, &question.params);
        good(client.end(call).await.unwrap());
        peers.push((peer, running));
    }
    // Each connection carries a question, and there may be no third.
    let call = client.begin("tools/call", tool("c")).unwrap();
    let (shared, _) = &mut peers[0];
    let running = shared.hears("tools/call").await;
    let id = shared.asks(question.method, &question.params);
    assert_eq!(shared.hears_answer(id).await.message["error"]["code"], -32603);
    running.answers(r#"{"content":[]}"#);
    assert_eq!(good(client.end(call).await.unwrap())["resultType"], "complete");
}

/// Invariant: A question on a shared stream stays open until no call is left that it may belong to.
#[tokio::test(start_paused = true)]
async fn a_question_for_the_second_call_outlives_the_first_that_was_taken_for_its_call() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http].into_iter().filter(|way| server >= B || *way == Way::Lines) {
            let pair = format!("{server} {way:?}");
            let mut bridged = quiet(way, server);
            let question = question(server);
            let can = question.capabilities.clone();
            let mut ada = bridged.client_of(Principal::named("ada"), M, can).await;
            let first = ada.begin("tools/call", tool("a")).unwrap();
            let mut peer = bridged.server().await;
            let for_first = peer.hears("tools/call").await;
            let second = ada.begin("tools/call", tool("b")).unwrap();
            let for_second = peer.hears("tools/call").await;
            let id = peer.asks(question.method, &question.params);
            let put = good(ada.end(first).await.unwrap());
            assert_eq!(put["resultType"], "input_required", "{pair}: the oldest");
            for_first.answers(r#"{"content":[]}"#);
            let put = good(ada.end(second).await.unwrap());
            assert_eq!(put["resultType"], "input_required", "{pair}: it is asked again");
            let params = retry(&tool("b"), &put, json!({"q1": question.answer}));
            let again = ada.begin("tools/call", params).unwrap();
            assert_eq!(peer.hears_answer(id).await.message["result"], question.answer, "{pair}");
            for_second.answers(r#"{"content":[]}"#);
            assert_eq!(good(ada.end(again).await.unwrap())["resultType"], "complete");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn two_sessions_of_one_principal_are_two_callers() {
    for way in [Way::Lines, Way::Http] {
        let server = Revision::NEWEST_LEGACY;
        let mut bridged = quiet(way, server);
        let question = question(server);
        let mut one = bridged.http_client(server, question.capabilities.clone()).await;
        let mut other = bridged.http_client(server, question.capabilities.clone()).await;
        let put = (question.method, &question.params);
        let peer = bridged.server().await;
        let (_peer, code) = asks_while_two_call(&mut bridged, Some(peer), [&mut one, &mut other], put).await;
        assert_eq!(code, -32603, "though both are anonymous");
    }
}

/// Invariant: An unsolicited server request reaches a session on its own connection alone.
#[tokio::test(start_paused = true)]
async fn background_question_on_own_session() {
    for server in legacy() {
        for client_revision in legacy().filter(|client| *client >= server) {
            for way in [Way::Lines, Way::Http].into_iter().filter(|way| server >= B || *way == Way::Lines) {
                let pair = format!("{client_revision} to {server} {way:?}");
                let mut bridged = quiet(way, server);
                let question = question(server);
                let mut client = bridged.http_client(client_revision, question.capabilities.clone()).await;
                let mut peer = bridged.server().await;
                let listing = client.begin("tools/list", json!({})).unwrap();
                peer.hears("tools/list").await.answers(r#"{"tools":[]}"#);
                good(client.end(listing).await.unwrap());
                client.skip();

                let id = peer.asks(question.method, &question.params);
                let put = asked(&mut client, question.method).await;
                assert_eq!(put["params"]["message"], question.params["message"], "{pair}");
                answers(&mut client, &put, &question.answer);
                let heard = peer.hears_answer(id).await;
                assert_eq!(heard.message["result"], question.answer, "{pair}");

                // What the server takes back, the client hears of.
                let id = peer.asks(question.method, &question.params);
                let put = asked(&mut client, question.method).await;
                peer.says(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}}));
                let cancelled = client.hear().await.unwrap().message;
                assert_eq!(cancelled["method"], "notifications/cancelled", "{pair}");
                assert_eq!(cancelled["params"]["requestId"], put["id"]);
                peer.hears_nothing().await;

                // With a second session on the connection it would be a guess.
                let mut second = bridged.http_client(client_revision, question.capabilities.clone()).await;
                let call = second.begin("tools/call", tool("a")).unwrap();
                peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
                good(second.end(call).await.unwrap());
                let id = peer.asks(question.method, &question.params);
                assert_eq!(peer.hears_answer(id).await.message["error"]["code"], -32603, "{pair}");
                // So each gets its own from now on.
                sleep(Duration::from_secs(1)).await;
                let call = second.begin("tools/call", tool("a")).unwrap();
                if way == Way::Lines {
                    let mut own = bridged.server().await;
                    own.hears("tools/call").await.answers(r#"{"content":[]}"#);
                    good(second.end(call).await.unwrap());
                    second.skip();
                    own.asks(question.method, &question.params);
                    asked(&mut second, question.method).await;
                } else {
                    peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
                    good(second.end(call).await.unwrap());
                }
            }
        }
    }
}

/// Invariant: An unsolicited server request reaches a session on its own connection alone.
#[tokio::test(start_paused = true)]
async fn what_a_modern_caller_began_is_not_asked_of_the_session_beside_it() {
    // Before, the two would not have a connection in common: a session that samples takes its context, too.
    for server in since(C) {
        for way in [Way::Lines, Way::Http] {
            let pair = format!("{server} {way:?}");
            let mut bridged = quiet(way, server);
            let question = question(server);
            let mut session = bridged.http_client(server, question.capabilities.clone()).await;
            let mut peer = bridged.server().await;
            let listing = session.begin("tools/list", json!({})).unwrap();
            peer.hears("tools/list").await.answers(r#"{"tools":[]}"#);
            good(session.end(listing).await.unwrap());

            // It begins something on the same connection that goes on after its call.
            let mut modern = bridged.client(M, question.capabilities.clone()).await;
            let call = modern.begin("tools/call", tool("begin")).unwrap();
            peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
            good(modern.end(call).await.unwrap());
            let id = peer.asks(question.method, &question.params);
            assert_eq!(peer.hears_answer(id).await.message["error"]["code"], -32603, "{pair}");
        }
    }
}
