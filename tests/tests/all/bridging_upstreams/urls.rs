//! What the user has to visit: elicitation in URL mode, and the error -32042.

use std::time::Duration;

use anyport_service::Principal;
use anyport_testing::Wire;
use anyport_tests::bridged::{Way, legacy, notification, request};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{D, M, answers, asked, bad, good, next, quiet, retry, tool};

fn can_visit() -> Value {
    json!({"elicitation": {"form": {}, "url": {}}})
}

fn visit(id: &str) -> Value {
    json!({"mode": "url", "elicitationId": id, "url": "https://a.test/login?x=1", "message": "Log in."})
}

fn error_data() -> Value {
    json!({"elicitations": [visit("e-1")]})
}

#[tokio::test(start_paused = true)]
async fn url_park() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, D);
        let mut client = bridged.client(M, can_visit()).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        let running = peer.hears("tools/call").await;
        running.tells(request(7, "elicitation/create", visit("e-1")));
        let put = good(client.end(call).await.unwrap());
        let expected = json!({"mode": "url", "url": "https://a.test/login?x=1", "message": "Log in."});
        assert_eq!(put["inputRequests"], json!({"q1": {"method": "elicitation/create", "params": expected}}));

        let params = retry(&tool("a"), &put, json!({"q1": {"action": "accept"}}));
        let again = client.begin("tools/call", params).unwrap();
        assert_eq!(peer.hears_answer(7).await.message["result"], json!({"action": "accept"}));
        // The user is still at it: the retry waits for the outcome.
        sleep(Duration::from_secs(120)).await;
        running.tells(notification("notifications/elicitation/complete", json!({"elicitationId": "e-1"})));
        running.answers(r#"{"content":[{"type":"text","text":"welcome"}]}"#);
        let answer = client.end(again).await.unwrap();
        assert_eq!(answer.text(), "welcome");
        assert!(answer.notifications.is_empty(), "no modern message says so: {:?}", answer.notifications);
    }
}

#[tokio::test(start_paused = true)]
async fn url_error_asks() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, D);
        let mut client = bridged.client(M, can_visit()).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        peer.hears("tools/call").await.fails(-32042, "Log in first.", error_data());
        let put = good(client.end(call).await.unwrap());
        assert_eq!(put["resultType"], "input_required");
        let params = &put["inputRequests"]["q1"]["params"];
        assert_eq!(*params, json!({"mode": "url", "url": "https://a.test/login?x=1", "message": "Log in."}));

        let again =
            client.begin("tools/call", retry(&tool("a"), &put, json!({"q1": {"action": "accept"}}))).unwrap();
        sleep(Duration::from_secs(10)).await;
        peer.hears_nothing().await;
        peer.says(notification("notifications/elicitation/complete", json!({"elicitationId": "e-1"})));
        let heard = peer.hears("tools/call").await;
        assert_eq!(heard.params(), r#"{"name":"a","arguments":{}}"#, "it is called afresh");
        heard.answers(r#"{"content":[]}"#);
        good(client.end(again).await.unwrap());

        // A server that never says so is called after 30 s all the same.
        let call = client.begin("tools/call", tool("a")).unwrap();
        peer.hears("tools/call").await.fails(-32042, "Log in first.", error_data());
        let put = good(client.end(call).await.unwrap());
        let begun = Instant::now();
        let again =
            client.begin("tools/call", retry(&tool("a"), &put, json!({"q1": {"action": "accept"}}))).unwrap();
        peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
        assert_eq!(begun.elapsed().as_secs(), 30, "{way:?}");
        good(client.end(again).await.unwrap());

        // Declined: the model is told, and the server is not called.
        let call = client.begin("tools/call", tool("a")).unwrap();
        peer.hears("tools/call").await.fails(-32042, "Log in first.", error_data());
        let put = good(client.end(call).await.unwrap());
        let params = retry(&tool("a"), &put, json!({"q1": {"action": "decline"}}));
        assert_eq!(good(client.call("tools/call", params).await.unwrap())["isError"], true);
        peer.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn url_error_without_capability() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, D);
        let mut client = bridged.client(M, json!({"elicitation": {}})).await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        let mut peer = bridged.server().await;
        peer.hears("tools/call").await.fails(-32042, "Log in first.", error_data());
        let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
        assert_eq!(refusal.code, -32021);
        assert_eq!(refusal.data["requiredCapabilities"], json!({"elicitation": {"url": {}}}));
    }
}

/// What a modern server asks for.
fn input_required() -> Value {
    let params = json!({"mode": "url", "url": "https://a.test/login?x=1", "message": "Log in."});
    json!({
        "resultType": "input_required",
        "inputRequests": {"login": {"method": "elicitation/create", "params": params}},
        "requestState": "s",
    })
}

#[tokio::test(start_paused = true)]
async fn url_id_minted_and_completed() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, M);
        let mut client = bridged.client(D, can_visit()).await;
        let mut peer = bridged.server().await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        next(&mut peer, "tools/call").await.answers(input_required());
        let put = asked(&mut client, "elicitation/create").await;
        let minted = put["params"]["elicitationId"].clone();
        assert!(minted.as_str().is_some_and(|minted| minted.len() >= 16), "{minted}");
        answers(&mut client, &put, &json!({"action": "accept"}));
        let heard = next(&mut peer, "tools/call").await;
        assert_eq!(heard.param("inputResponses"), &json!({"login": {"action": "accept"}}));
        heard.answers(r#"{"resultType":"complete","content":[]}"#);
        let complete = client.hear().await.unwrap().message;
        assert_eq!(complete["method"], "notifications/elicitation/complete");
        assert_eq!(complete["params"], json!({"elicitationId": minted}));
        good(client.end(call).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn url_not_asked_twice() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, M);
        let mut client = bridged.client(D, can_visit()).await;
        let mut peer = bridged.server().await;
        let call = client.begin("tools/call", tool("a")).unwrap();
        next(&mut peer, "tools/call").await.answers(input_required());
        let put = asked(&mut client, "elicitation/create").await;
        answers(&mut client, &put, &json!({"action": "accept"}));
        // The server looks, and finds that the user has not been there yet.
        let mut waits = Vec::new();
        for _ in 0..4 {
            let begun = Instant::now();
            let heard = next(&mut peer, "tools/call").await;
            waits.push(begun.elapsed().as_secs());
            assert_eq!(heard.param("inputResponses"), &json!({"login": {"action": "accept"}}));
            heard.answers(input_required());
        }
        assert_eq!(waits, [0, 1, 2, 4], "{way:?}");
        // The user has said yes once; now it is time to ask again.
        let put = asked(&mut client, "elicitation/create").await;
        answers(&mut client, &put, &json!({"action": "decline"}));
        let heard = next(&mut peer, "tools/call").await;
        assert_eq!(heard.param("inputResponses"), &json!({"login": {"action": "decline"}}));
        heard.answers(r#"{"resultType":"complete","content":[]}"#);
        good(client.end(call).await.unwrap());
    }
}

async fn refused_with_urls(
    client: &mut Wire,
    peer: &mut anyport_tests::bridged::Peer,
    method: &str,
    params: Value,
) -> anyport_testing::Answer {
    let call = client.begin(method, params).unwrap();
    peer.hears(method).await.fails(-32042, "Log in first.", error_data());
    client.end(call).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn url_error_to_old_client() {
    for client_revision in legacy().filter(|client| *client < D) {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = quiet(way, D);
            let mut client = bridged.client(client_revision, json!({})).await;
            let mut peer = bridged.server().await;
            let answer = refused_with_urls(&mut client, &mut peer, "tools/call", tool("a")).await;
            assert_eq!(
                answer.text(),
                "Log in first.\nLog in.\nhttps://a.test/login?x=1",
                "{client_revision}"
            );
            assert!(answer.is_error());
            // A read has no words for it but an error.
            let answer =
                refused_with_urls(&mut client, &mut peer, "resources/read", json!({"uri": "x:a"})).await;
            assert_eq!(bad(&answer).0, -32603, "{client_revision}");
            assert_eq!(answer.outcome.unwrap_err().data["elicitations"], error_data()["elicitations"]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_url_error_reaches_its_session_unchanged_and_so_does_its_end() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, D);
        let mut one = bridged.client_of(Principal::named("one"), D, can_visit()).await;
        let mut other = bridged.client_of(Principal::named("other"), D, can_visit()).await;
        let mut peer = bridged.server().await;
        let answer = refused_with_urls(&mut one, &mut peer, "tools/call", tool("a")).await;
        let refusal = answer.outcome.unwrap_err();
        assert_eq!((refusal.code, &*refusal.message, refusal.data), (-32042, "Log in first.", error_data()));
        let call = other.begin("tools/call", tool("b")).unwrap();
        peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
        good(other.end(call).await.unwrap());
        one.skip();
        other.skip();
        peer.says(notification("notifications/elicitation/complete", json!({"elicitationId": "e-1"})));
        let complete = one.hear().await.unwrap().message;
        assert_eq!(complete["params"], json!({"elicitationId": "e-1"}), "{way:?}");
        // The other one hears nothing of it: what it hears next is its own.
        let call = other.begin("tools/call", tool("b")).unwrap();
        peer.hears("tools/call").await.answers(r#"{"content":[]}"#);
        good(other.end(call).await.unwrap());
        assert!(other.hear().await.unwrap().message.get("method").is_none());
    }
}
