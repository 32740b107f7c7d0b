//! Who hears of what changes.

use std::time::Duration;

use anyport_testing::{Link, Wire};
use anyport_tests::bridged::{PATIENCE, Peer, Way, is_silent, legacy, notification};
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

/// Answers the next listen request with all that it asks for.
async fn grant(peer: &mut Peer) -> anyport_tests::bridged::Heard {
    let heard = next(peer, "subscriptions/listen").await;
    let wanted = heard.message["params"]["notifications"].clone();
    heard.tells(ack(&heard, &wanted));
    heard
}

fn uris(listen: &anyport_tests::bridged::Heard) -> Value {
    listen.message["params"]["notifications"]["resourceSubscriptions"].clone()
}

/// What `listen` says of `uri`.
fn says_updated(listen: &anyport_tests::bridged::Heard, uri: &str) {
    let meta = json!({"io.modelcontextprotocol/subscriptionId": listen.id()});
    listen.tells(notification(UPDATED, json!({"uri": uri, "_meta": meta})));
}

async fn subscribe(client: &mut Wire, peer: &mut Peer, uri: &str) -> anyport_tests::bridged::Heard {
    let call = client.begin("resources/subscribe", json!({"uri": uri})).unwrap();
    let stream = grant(peer).await;
    good(client.end(call).await.unwrap());
    client.skip();
    stream
}

/// Waits until the server has lost the reader of `stream`.
async fn closed(peer: &mut Peer, stream: &anyport_tests::bridged::Heard, way: Way) {
    match way {
        Way::Http => stream.is_left().await,
        Way::Lines => {
            let cancelled = next(peer, "notifications/cancelled").await;
            assert_eq!(cancelled.param("requestId"), stream.id());
        }
    }
}

/// Invariant: The legacy sessions before a modern server share its streams, and each hears what it subscribed to.
#[tokio::test(start_paused = true)]
async fn legacy_sessions_share_a_stream() {
    for revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let pair = format!("{revision} {way:?}");
            let mut bridged = quiet(way, M);
            let mut one = bridged.client(revision, json!({})).await;
            let mut peer = bridged.server().await;
            let first = grant(&mut peer).await;
            let mut two = bridged.client(revision, json!({})).await;
            let mut three = bridged.client(revision, json!({})).await;
            peer.hears_nothing().await;

            // The filter is widened by the first that subscribes to a resource, and not by the second.
            let second = subscribe(&mut one, &mut peer, "x:a").await;
            assert_eq!(uris(&second), json!(["x:a"]), "{pair}");
            closed(&mut peer, &first, way).await;
            good(two.call("resources/subscribe", json!({"uri": "x:a"})).await.unwrap());
            peer.hears_nothing().await;
            let third = subscribe(&mut two, &mut peer, "x:b").await;
            assert_eq!(uris(&third), json!(["x:a", "x:b"]), "{pair}");
            closed(&mut peer, &second, way).await;
            says_updated(&third, "x:b");
            assert_eq!(two.hear().await.unwrap().message["params"]["uri"], "x:b", "{pair}");
            says_updated(&third, "x:a");
            for client in [&mut one, &mut two] {
                assert_eq!(client.hear().await.unwrap().message["params"]["uri"], "x:a", "{pair}");
            }
            assert!(is_silent(&mut one).await && is_silent(&mut three).await, "{pair}");

            // It is narrowed once nobody subscribes to a resource any more, and closed with the last session.
            drop(two);
            let fourth = grant(&mut peer).await;
            assert_eq!(uris(&fourth), json!(["x:a"]), "{pair}");
            closed(&mut peer, &third, way).await;
            drop((one, three));
            closed(&mut peer, &fourth, way).await;
            peer.hears_nothing().await;
        }
    }
}

/// Invariant: A legacy session stays attached to a modern server whose stream ends: it is opened again, and the session is
/// notified once of what may have changed.
#[tokio::test(start_paused = true)]
async fn a_stream_of_legacy_sessions_that_is_cut_is_opened_again() {
    for revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let pair = format!("{revision} {way:?}");
            let mut bridged = quiet(way, M);
            let mut clients =
                [bridged.client(revision, json!({})).await, bridged.client(revision, json!({})).await];
            let mut peer = bridged.server().await;
            let lists = grant(&mut peer).await;
            let mut stream = subscribe(&mut clients[0], &mut peer, "x:a").await;
            closed(&mut peer, &lists, way).await;
            good(clients[1].call("resources/subscribe", json!({"uri": "x:a"})).await.unwrap());
            sleep(Duration::from_secs(20)).await;
            for failure in ["an end", "a refusal", "an end"] {
                clients.iter_mut().for_each(Wire::skip);
                match (way, failure) {
                    (Way::Http, "an end") => stream.http().close(),
                    _ => stream.answers(r#"{"resultType":"complete"}"#),
                }
                if failure == "a refusal" {
                    // As of a proxy in front of a server that is started again.
                    let refused = next(&mut peer, "subscriptions/listen").await;
                    refused.fails(-32603, "not yet", Value::Null);
                }
                stream = grant(&mut peer).await;
                for client in &mut clients {
                    let mut heard = Vec::new();
                    for _ in 0..LISTS + 1 {
                        let message = client.hear().await.unwrap().message;
                        heard.push(message["method"].as_str().unwrap_or_default().to_owned());
                    }
                    heard.sort();
                    heard.dedup();
                    assert_eq!(heard.len(), LISTS + 1, "{pair} after {failure}: {heard:?}");
                    assert!(heard.contains(&UPDATED.to_owned()), "{pair} after {failure}: {heard:?}");
                    assert!(is_silent(client).await, "{pair} after {failure}");
                }
            }
            says_updated(&stream, "x:a");
            for client in &mut clients {
                assert_eq!(client.hear().await.unwrap().message["method"], UPDATED, "{pair}");
            }
        }
    }
}

/// The number of lists whose changes the server notifies of.
const LISTS: usize = 3;
