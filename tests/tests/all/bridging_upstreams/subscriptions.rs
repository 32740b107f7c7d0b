//! Who hears of what changes.

use std::time::Duration;

use anyport_testing::{Link, Wire};
use anyport_tests::bridged::{PATIENCE, Peer, Way, legacy, notification};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{B, M, good, next, quiet, since};

/// Begins to listen to resources, and returns what is acknowledged; `peer` answers what it is asked.
fn listen(client: &mut Wire, id: u64, filter: &Value) {
    let listening = client.message(id, "subscriptions/listen", json!({"notifications": filter}));
    client.tell(&listening.to_string()).unwrap();
}

async fn acknowledged(client: &mut Wire) -> Value {
    let heard = client.hear().await.unwrap().message;
    assert_eq!(heard["method"], "notifications/subscriptions/acknowledged", "{heard}");
    heard["params"]["notifications"].clone()
}

fn updated(uri: &str) -> String {
    notification("notifications/resources/updated", json!({"uri": uri}))
}

/// What a listener is told next: the method, the URI, and for which listen request.
async fn told(client: &mut Wire) -> (String, Value, Value) {
    let heard = client.hear().await.unwrap().message;
    let id = heard["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"].clone();
    (heard["method"].as_str().unwrap_or_default().to_owned(), heard["params"]["uri"].clone(), id)
}

const UPDATED: &str = "notifications/resources/updated";

#[tokio::test(start_paused = true)]
async fn listen_fans_out() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = quiet(way, M);
        let mut one = bridged.client(M, json!({})).await;
        let mut other = bridged.client(M, json!({})).await;
        listen(&mut one, 41, &json!({"resourceSubscriptions": ["x:a"]}));
        let mut peer = bridged.server().await;
        let streams = [peer.hears("subscriptions/listen").await, {
            listen(&mut other, 42, &json!({"resourceSubscriptions": ["x:a"]}));
            peer.hears("subscriptions/listen").await
        }];
        for stream in &streams {
            let id = stream.id();
            let meta = json!({"io.modelcontextprotocol/subscriptionId": id});
            stream.tells(notification(
                "notifications/subscriptions/acknowledged",
                json!({"notifications": {"resourceSubscriptions": ["x:a"]}, "_meta": meta}),
            ));
            stream.tells(notification(UPDATED, json!({"uri": "x:a", "_meta": meta})));
        }
        for (client, id) in [(&mut one, 41), (&mut other, 42)] {
            assert_eq!(acknowledged(client).await, json!({"resourceSubscriptions": ["x:a"]}), "{way:?}");
            assert_eq!(told(client).await, (UPDATED.into(), json!("x:a"), json!(id)), "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn listen_subscribes_once() {
    for server in legacy() {
        for way in [Way::Lines, Way::Http].into_iter().filter(|way| server >= B || *way == Way::Lines) {
            let pair = format!("{server} {way:?}");
            let mut bridged = quiet(way, server);
            let mut one = bridged.client(M, json!({})).await;
            let mut other = bridged.client(M, json!({})).await;
            let wanted = json!({"resourceSubscriptions": ["x:a"]});
            listen(&mut one, 41, &wanted);
            let mut peer = bridged.server().await;
            let heard = peer.hears("resources/subscribe").await;
            assert_eq!(heard.params(), r#"{"uri":"x:a"}"#);
            heard.answers("{}");
            assert_eq!(acknowledged(&mut one).await, wanted, "{pair}");
            listen(&mut other, 42, &wanted);
            assert_eq!(acknowledged(&mut other).await, wanted, "{pair}");
            peer.hears_nothing().await;

            peer.says(updated("x:a"));
            assert_eq!(told(&mut one).await, (UPDATED.into(), json!("x:a"), json!(41)), "{pair}");
            assert_eq!(told(&mut other).await, (UPDATED.into(), json!("x:a"), json!(42)), "{pair}");

            // 5 s after the last listener the server is told.
            for (client, id) in [(&mut one, 41), (&mut other, 42)] {
                let cancelled = json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": id}});
                client.tell(&cancelled.to_string()).unwrap();
                sleep(Duration::from_secs(1)).await;
            }
            let begun = Instant::now();
            let heard = peer.hears("resources/unsubscribe").await;
            assert_eq!(heard.params(), r#"{"uri":"x:a"}"#, "{pair}");
            assert_eq!(begun.elapsed().as_secs(), 4, "{pair}");
            heard.answers("{}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn ack_without_late_uri() {
    for server in legacy() {
        let mut bridged = quiet(Way::Lines, server);
        let mut client = bridged.client(M, json!({})).await;
        listen(
            &mut client,
            41,
            &json!({"toolsListChanged": true, "resourceSubscriptions": ["x:a", "x:bad", "x:late"]}),
        );
        let mut peer = bridged.server().await;
        let begun = Instant::now();
        let mut late = None;
        for _ in 0..3 {
            let heard = peer.hears("resources/subscribe").await;
            match heard.param("uri").as_str().unwrap() {
                "x:a" => heard.answers("{}"),
                "x:bad" => heard.fails(-32002, "no such", Value::Null),
                _ => late = Some(heard),
            }
        }
        let honoured = acknowledged(&mut client).await;
        assert_eq!(honoured, json!({"toolsListChanged": true, "resourceSubscriptions": ["x:a"]}), "{server}");
        assert_eq!(begun.elapsed().as_secs(), 2, "{server}");
        // What comes too late is given back.
        late.unwrap().answers("{}");
        let heard = peer.hears("resources/unsubscribe").await;
        assert_eq!(heard.param("uri"), "x:late", "{server}");
        heard.answers("{}");
        peer.says(updated("x:a"));
        assert_eq!(told(&mut client).await.1, "x:a", "{server}");
    }
}

#[tokio::test(start_paused = true)]
async fn subscribe_waits_for_ack() {
    for client_revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let pair = format!("{client_revision} {way:?}");
            let mut bridged = quiet(way, M);
            let mut client = bridged.client(client_revision, json!({})).await;
            let mut peer = bridged.server().await;
            let first = peer.hears("subscriptions/listen").await;
            first.tells(ack(&first, &json!({"toolsListChanged": true})));

            let call = client.begin("resources/subscribe", json!({"uri": "x:a"})).unwrap();
            let second = next_listen(&mut peer, "x:a").await;
            client.skip();
            sleep(Duration::from_secs(10)).await;
            let waiting = client.begin("ping", json!({})).unwrap();
            good(client.end(waiting).await.unwrap());
            let heard = client.hear().await.unwrap().message;
            assert_eq!(heard["result"], json!({}), "only the ping is answered: {heard}");
            client.skip();
            second.tells(ack(&second, &json!({"resourceSubscriptions": ["x:a"]})));
            assert_eq!(good(client.end(call).await.unwrap()), json!({}), "{pair}");
            // The old stream is closed after the new one is there.
            if way == Way::Http {
                first.is_left().await;
            } else {
                assert_eq!(
                    peer.hears("notifications/cancelled").await.param("requestId"),
                    first.id(),
                    "{pair}"
                );
            }

            // One that the server does not honour is refused.
            let call = client.begin("resources/subscribe", json!({"uri": "x:b"})).unwrap();
            let third = next_listen(&mut peer, "x:b").await;
            third.tells(ack(&third, &json!({"resourceSubscriptions": ["x:a"]})));
            let refusal = client.end(call).await.unwrap().outcome.unwrap_err();
            assert_eq!(refusal.code, -32602, "{pair}");
        }
    }
}

/// The next listen request, which must ask for `uri`.
async fn next_listen(peer: &mut Peer, uri: &str) -> anyport_tests::bridged::Heard {
    let heard = peer.hears("subscriptions/listen").await;
    let uris = heard.message["params"]["notifications"]["resourceSubscriptions"].as_array().unwrap().clone();
    assert!(uris.contains(&json!(uri)), "{}", heard.text);
    heard
}

fn ack(listen: &anyport_tests::bridged::Heard, honoured: &Value) -> String {
    let meta = json!({"io.modelcontextprotocol/subscriptionId": listen.id()});
    notification(
        "notifications/subscriptions/acknowledged",
        json!({"notifications": honoured, "_meta": meta}),
    )
}

#[tokio::test(start_paused = true)]
async fn updates_wait_for_get_stream() {
    for client_revision in since(B) {
        let mut bridged = quiet(Way::Lines, M);
        // Its session has no GET stream yet.
        let mut client = Wire::over(Link::endpoint(bridged.endpoint())).patience(PATIENCE).without_stream();
        client.open(client_revision).await.unwrap();
        let mut peer = bridged.server().await;
        let call = client.begin("resources/subscribe", json!({"uri": "x:a"})).unwrap();
        let stream = loop {
            let heard = next(&mut peer, "subscriptions/listen").await;
            heard.tells(ack(&heard, &json!({"resourceSubscriptions": ["x:a"], "toolsListChanged": true})));
            if heard.message["params"]["notifications"].get("resourceSubscriptions").is_some() {
                break heard;
            }
            std::mem::forget(heard);
        };
        good(client.end(call).await.unwrap());
        client.skip();
        let meta = json!({"io.modelcontextprotocol/subscriptionId": stream.id()});
        for _ in 0..5 {
            stream.tells(notification(UPDATED, json!({"uri": "x:a", "_meta": meta})));
        }
        sleep(Duration::from_secs(10)).await;
        client.open_stream().await.unwrap();
        let heard = client.hear().await.unwrap().message;
        assert_eq!((&heard["method"], &heard["params"]["uri"]), (&json!(UPDATED), &json!("x:a")));
        assert!(heard["params"].get("_meta").is_none(), "{client_revision}: {heard}");
    }
}

#[tokio::test(start_paused = true)]
async fn reconnect_restores_and_notifies() {
    for server in legacy() {
        for client_revision in legacy() {
            let pair = format!("{client_revision} to {server}");
            let mut bridged = quiet(Way::Lines, server);
            let mut client = bridged.client(client_revision, json!({})).await;
            let mut peer = bridged.server().await;
            let call = client.begin("resources/subscribe", json!({"uri": "x:a"})).unwrap();
            peer.hears("resources/subscribe").await.answers("{}");
            good(client.end(call).await.unwrap());
            sleep(Duration::from_secs(20)).await;
            client.skip();
            drop(peer);
            let mut peer = bridged.server().await;
            peer.hears("resources/subscribe").await.answers("{}");
            let mut heard = Vec::new();
            while heard.len() < 4 {
                let message = client.hear().await.unwrap().message;
                heard.push(message["method"].as_str().unwrap_or_default().to_owned());
            }
            heard.sort();
            let lists =
                ["prompts", "resources", "tools"].map(|kind| format!("notifications/{kind}/list_changed"));
            assert_eq!(heard, [&lists[0], &lists[1], UPDATED, &lists[2]], "{pair}");
        }
    }
}
