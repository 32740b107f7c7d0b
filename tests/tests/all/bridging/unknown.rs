//! What nobody here knows: between one server and its clients it is forwarded.
//!
//! Invariant: Between any two eras, unknown members and messages cross byte for byte.

use anyport_tests::bridged::{answer, failure, is_silent, notification};

use super::*;

const PARAMS: &str = r#"{"n":1.0,"u":"\u00e9"}"#;
const RESULT: &str = r#"{"resultType":"complete","m":2.0}"#;

/// Every revision of a server, in each way.
fn servers() -> impl Iterator<Item = (Revision, Way)> {
    Revision::ALL.into_iter().flat_map(|revision| [(revision, Way::Lines), (revision, Way::Http)])
}

#[tokio::test(start_paused = true)]
async fn methods_that_nobody_knows_are_forwarded() {
    for (from, (to, way)) in Revision::ALL.into_iter().flat_map(|from| servers().map(move |to| (from, to))) {
        let pair = format!("{from} to {to} {way:?}");
        let mut bridged = bridge(way, to);
        let mut client = bridged.http_client(from, json!({})).await;
        let params = serde_json::from_str(PARAMS).unwrap();
        let call = client.begin("acme/do", params).unwrap();
        let mut server = bridged.server().await;
        let asked = server.hears("acme/do").await;
        assert_eq!((asked.param("n"), asked.param("u")), (&json!(1.0), &json!("é")), "{pair}");
        let done = answer(asked.id(), RESULT);
        asked.ends(&done);
        let result = client.end(call).await.expect(&pair).outcome.unwrap();
        assert_eq!(result["m"], 2.0, "{pair}");
        // What the server does not know either is so told, by the status, too.
        let call = client.begin("acme/do", json!({})).unwrap();
        let asked = server.hears("acme/do").await;
        let unknown = r#"{"code":-32601,"message":"no acme here"}"#;
        let refused = failure(asked.id(), unknown);
        asked.ends(&refused);
        let answer = client.end(call).await.expect(&pair);
        assert_eq!(answer.code(), Some(-32601), "{pair}");
        assert_eq!(answer.status, Some(if from.is_stateless() { 404 } else { 200 }), "{pair}");
        assert_eq!(answer.outcome.unwrap_err().message, "no acme here", "{pair}");
    }
}

#[tokio::test(start_paused = true)]
async fn notifications_that_nobody_knows_are_forwarded() {
    for (from, (to, way)) in Revision::ALL.into_iter().flat_map(|from| servers().map(move |to| (from, to))) {
        let pair = format!("{from} to {to} {way:?}");
        let mut bridged = bridge(way, to);
        let mut client = bridged.client(from, json!({})).await;
        let text = client.message(1, "tools/call", json!({"name": "work"})).to_string();
        client.tell(&text).unwrap();
        let mut server = bridged.server().await;
        let asked = server.hears("tools/call").await;
        let told = notification("notifications/acme", PARAMS);
        asked.tells(&told);
        assert_eq!(client.hear().await.unwrap().text, told, "{pair}");
        asked.answers(r#"{"resultType":"complete","content":[]}"#);
        assert_eq!(client.hear().await.unwrap().message["id"], 1, "{pair}");
        assert!(is_silent(&mut client).await, "{pair}");
    }
}

#[tokio::test(start_paused = true)]
async fn notifications_of_several_calls_on_one_channel_are_nobodys() {
    for revision in legacy() {
        let mut bridged = bridge(Way::Lines, revision);
        let mut client = bridged.client(M, json!({})).await;
        let one = client.begin("tools/call", json!({"name": "one"})).unwrap();
        let mut server = bridged.server().await;
        let first = server.hears("tools/call").await;
        let two = client.begin("tools/call", json!({"name": "two"})).unwrap();
        let second = server.hears("tools/call").await;
        server.says(notification("notifications/acme", PARAMS));
        assert!(is_silent(&mut client).await, "{revision}: {:?}", client.heard().last());
        first.answers(DONE);
        second.answers(DONE);
        for call in [one, two] {
            assert_eq!(client.end(call).await.unwrap().text(), "done", "{revision}");
        }
    }
}
