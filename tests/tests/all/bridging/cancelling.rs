//! Cancelling, and going away, which is the same thing only for modern clients.
//!
//! Invariant: Between any two eras, cancellation means what it means in the caller's revision.

use std::time::Duration;

use anyport::http::{Body, ConnectInfo};
use anyport_tests::bridged::{is_silent, notification, settle};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use tokio::{task::JoinSet, time::sleep};

use super::*;

#[tokio::test(start_paused = true)]
async fn disconnect_closes_stream() {
    for streams in [false, true] {
        let mut bridged = bridge(Way::Http, M);
        let mut client = bridged.http_client(M, json!({})).await;
        let params = json!({"name": "slow", "_meta": {"progressToken": 1}});
        let call = client.begin("tools/call", params).unwrap();
        let mut server = bridged.server().await;
        let asked = server.hears("tools/call").await;
        if streams {
            let token = &asked.message["params"]["_meta"]["progressToken"];
            asked.tells(notification(
                "notifications/progress",
                json!({"progressToken": token, "progress": 1}),
            ));
            client.hear().await.unwrap();
        }
        settle().await;
        assert!(asked.is_waited_for(), "it is waited for as long as the client is there");
        client.cancel(call).await.unwrap();
        asked.is_left().await;
        // 2026-07-28, cancellation §Transport-Specific: over HTTP nothing else says so.
        server.hears_nothing().await;
    }
}

#[tokio::test(start_paused = true)]
async fn disconnect_sends_cancelled() {
    for (revision, way) in legacy_ways() {
        for over_http in [false, true] {
            let mut bridged = bridge(way, revision);
            let mut client = match over_http {
                true => bridged.http_client(M, json!({})).await,
                false => bridged.client(M, json!({})).await,
            };
            let call = client.begin("tools/call", json!({"name": "slow"})).unwrap();
            let mut server = bridged.server().await;
            let asked = server.hears("tools/call").await;
            client.cancel(call).await.unwrap();
            let cancelled = server.hears("notifications/cancelled").await;
            assert_eq!(cancelled.param("requestId"), asked.id(), "{revision} {way:?}");
            asked.answers(DONE);
            settle().await;
            assert!(
                is_silent(&mut client).await,
                "{revision} {way:?}: more is said of a call that was cancelled"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_closes_stream() {
    for revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = bridge(way, M);
            let mut client = bridged.client(revision, json!({})).await;
            let mut server = bridged.server().await;
            client.tell(&request(r#""c-7""#, "tools/call", json!({"name": "slow"}))).unwrap();
            let asked = server.hears("tools/call").await;
            client.tell(&notification("notifications/cancelled", json!({"requestId": "c-7"}))).unwrap();
            match way {
                Way::Http => asked.is_left().await,
                Way::Lines => {
                    let cancelled = server.hears("notifications/cancelled").await;
                    assert_eq!(cancelled.param("requestId"), asked.id(), "{revision}");
                }
            }
            server.hears_nothing().await;
            assert!(
                is_silent(&mut client).await,
                "{revision} {way:?}: a call that was cancelled is answered"
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn disconnect_is_not_cancel() {
    for revision in [B, C, D] {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = bridge(way, M);
            let client = bridged.http_client(revision, json!({})).await;
            let mut server = bridged.server().await;
            let mut headers = vec![("mcp-session-id", client.session().unwrap())];
            if revision >= C {
                headers.push(("mcp-protocol-version", revision.as_str()));
            }
            let call = request(1, "tools/call", json!({"name": "slow", "_meta": {"progressToken": 1}}));
            let mut stream = Events::of(&bridged, "POST", &headers, call);
            let asked = server.hears("tools/call").await;
            let token = &asked.message["params"]["_meta"]["progressToken"];
            asked.tells(notification(
                "notifications/progress",
                json!({"progressToken": token, "progress": 1}),
            ));
            let (last, told) = stream.next().await;
            assert_eq!(told["params"]["progress"], 1, "{revision} {way:?}");
            drop(stream);
            sleep(Duration::from_secs(60)).await;
            server.hears_nothing().await;
            assert!(asked.is_waited_for(), "{revision} {way:?}: going away has cancelled the call");
            // What is said of it waits for the client, which comes back to where it lost the stream.
            asked.answers(r#"{"resultType":"complete","content":[]}"#);
            settle().await;
            headers.push(("last-event-id", &last));
            let mut stream = Events::of(&bridged, "GET", &headers, String::new());
            let (_, answer) = stream.next().await;
            assert_eq!(
                answer,
                json!({"jsonrpc": "2.0", "id": 1, "result": {"content": []}}),
                "{revision} {way:?}"
            );
        }
    }
}

/// The events that answer an HTTP request. Dropping them is how a client goes away.
struct Events {
    /// The response: its head comes with the first event.
    response: JoinSet<::http::Response<Body>>,
    body: Option<Body>,
    text: String,
}

impl Events {
    fn of(bridged: &Bridged, verb: &str, headers: &[(&str, &str)], text: String) -> Self {
        let mut request = ::http::Request::builder().method(verb).uri("/mcp").header("host", "localhost");
        let accept = if verb == "GET" { "text/event-stream" } else { "application/json, text/event-stream" };
        for (name, value) in headers.iter().chain(&[("accept", accept), ("content-type", "application/json")])
        {
            request = request.header(*name, *value);
        }
        let endpoint = bridged.endpoint().clone();
        let mut response = JoinSet::new();
        response.spawn(async move {
            endpoint.handle(request.body(Full::new(Bytes::from(text))).unwrap(), ConnectInfo::default()).await
        });
        Self { response, body: None, text: String::new() }
    }

    /// The next message that is an event, and the event's id.
    async fn next(&mut self) -> (String, Value) {
        loop {
            while let Some((event, rest)) = self.text.split_once("\n\n") {
                let field =
                    |name: &str| event.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
                let (id, data) = (field("id: ").to_owned(), field("data: ").to_owned());
                self.text = rest.to_owned();
                if !data.trim().is_empty() {
                    return (id, serde_json::from_str(&data).unwrap());
                }
            }
            if let Some(response) = self.response.join_next().await {
                self.body = Some(response.unwrap().into_body());
            }
            let frame = self.body.as_mut().unwrap().frame().await.expect("more events").unwrap();
            self.text += std::str::from_utf8(&frame.into_data().unwrap()).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn cancelled_maps_id() {
    for (from, (to, way)) in legacy().flat_map(|from| legacy_ways().map(move |to| (from, to))) {
        let pair = format!("{from} to {to} {way:?}");
        let what = question(from.min(to));
        let mut bridged = bridge(way, to);
        let mut client = bridged.client(from, what.capabilities).await;
        let mut server = bridged.server().await;
        client.tell(&request(r#""c-7""#, "tools/call", json!({"name": "slow"}))).unwrap();
        let asked = server.hears("tools/call").await;
        // The server takes a question back: its id is another towards the client.
        let id = asked.asks(&server, what.method, &what.params);
        let relayed = client.hear().await.unwrap().message;
        assert_eq!(relayed["method"], what.method, "{pair}");
        asked.tells(notification("notifications/cancelled", json!({"requestId": id})));
        let withdrawn = client.hear().await.unwrap().message;
        assert_eq!(withdrawn["method"], "notifications/cancelled", "{pair}: {withdrawn}");
        assert_eq!(withdrawn["params"]["requestId"], relayed["id"], "{pair}");
        // So is the one of the call, towards the server.
        client.tell(&notification("notifications/cancelled", json!({"requestId": "c-7"}))).unwrap();
        let cancelled = server.hears("notifications/cancelled").await;
        assert_eq!(cancelled.param("requestId"), asked.id(), "{pair}");
        assert!(is_silent(&mut client).await, "{pair}");
    }
}
