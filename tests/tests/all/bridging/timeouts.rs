//! Servers that are silent, slow or endless: every call has its end, on both sides.

use std::time::Duration;

use anyport::stack::EdgeLimits;
use anyport_tests::bridged::{notification, settle};
use tokio::time::{Instant, sleep};

use super::*;

/// `call_timeout` and `call_timeout_max` of the bridges of these tests; the program has its own.
const SILENT: Duration = Duration::from_secs(600);
const MAX: Duration = Duration::from_secs(3600);

/// A server of `revision` behind a bridge with the timeouts of the program.
fn timed(way: Way, revision: Revision) -> Bridged {
    let mut setup = quiet(revision, way);
    setup.edge = EdgeLimits::default().call_timeout(SILENT).call_timeout_max(MAX);
    setup.park = setup.park.call_timeout_max(MAX);
    setup.start()
}

fn ways() -> impl Iterator<Item = (Revision, Way)> {
    legacy_ways().chain([(M, Way::Lines), (M, Way::Http)])
}

async fn client(bridged: &mut Bridged, revision: Revision, over_http: bool, can: Value) -> Wire {
    match over_http {
        true => bridged.http_client(revision, can).await,
        false => bridged.client(revision, can).await,
    }
}

/// The server learns that `call` has ended: by a notification, or a modern one over HTTP by its stream.
async fn is_cancelled(server: &mut Peer, call: &Heard, revision: Revision, way: Way) {
    if (revision, way) == (M, Way::Http) {
        return call.is_left().await;
    }
    let cancelled = server.hears("notifications/cancelled").await;
    assert_eq!(cancelled.param("requestId"), call.id(), "{revision} {way:?}");
}

/// Invariant: A server that is silent does not hold a call: the call ends by `call_timeout`, and the server is notified.
#[tokio::test(start_paused = true)]
async fn a_silent_server_loses_its_call() {
    for (server, way) in ways() {
        for (revision, over_http) in [(D, false), (D, true), (M, false), (M, true)] {
            let pair = format!("{revision} to {server} {way:?}");
            let mut bridged = timed(way, server);
            let mut client = client(&mut bridged, revision, over_http, json!({})).await;
            let call = client.begin("tools/call", json!({"name": "silent"})).unwrap();
            let mut peer = bridged.server().await;
            let begun = Instant::now();
            let asked = peer.hears("tools/call").await;
            let answer = client.end(call).await.unwrap();
            assert_eq!(refusal(&answer), (-32603, "timeout"), "{pair}");
            let words = answer.outcome.unwrap_err().message;
            assert_eq!(words, "the call has reported no progress for 600000 ms (call_timeout)", "{pair}");
            assert!(begun.elapsed() - SILENT < Duration::from_secs(1), "{pair}");
            is_cancelled(&mut peer, &asked, server, way).await;
            assert_eq!(bridged.metrics().refusals("call_timeout").value(), 1, "{pair}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn progress_restarts_the_timeout_up_to_its_maximum() {
    for (server, way) in ways() {
        for revision in [D, M] {
            let pair = format!("{revision} to {server} {way:?}");
            let mut bridged = timed(way, server);
            let mut client = client(&mut bridged, revision, false, json!({})).await;
            let params = json!({"name": "slow", "_meta": {"progressToken": 1}});
            let call = client.begin("tools/call", params).unwrap();
            let mut peer = bridged.server().await;
            let begun = Instant::now();
            let asked = peer.hears("tools/call").await;
            let token = asked.message["params"]["_meta"]["progressToken"].clone();
            for progress in 1..=7 {
                sleep(Duration::from_secs(500)).await;
                let params = json!({"progressToken": token, "progress": progress});
                asked.tells(notification("notifications/progress", params));
                assert_eq!(client.hear().await.unwrap().message["params"]["progress"], progress, "{pair}");
            }
            let answer = client.end(call).await.unwrap();
            assert_eq!(refusal(&answer), (-32603, "timeout"), "{pair}");
            let words = answer.outcome.unwrap_err().message;
            assert_eq!(words, "the call took longer than 3600000 ms (call_timeout_max)", "{pair}");
            assert!(begun.elapsed() - MAX < Duration::from_secs(1), "{pair}");
            is_cancelled(&mut peer, &asked, server, way).await;
            assert_eq!(bridged.metrics().refusals("call_timeout_max").value(), 1, "{pair}");
        }
    }
}

/// Invariant: A timeout stands still while a server request is open.
#[tokio::test(start_paused = true)]
async fn the_time_of_a_person_does_not_count() {
    for (server, way) in legacy_ways() {
        let what = question(server.min(D));
        let mut bridged = timed(way, server);
        let mut client = client(&mut bridged, server, false, what.capabilities.clone()).await;
        let call = client.begin("tools/call", ask()).unwrap();
        let mut peer = bridged.server().await;
        let asked = peer.hears("tools/call").await;
        sleep(Duration::from_secs(300)).await;
        let id = asked.asks(&peer, what.method, &what.params);
        let relayed = client.hear().await.unwrap().message;
        assert_eq!(relayed["method"], what.method, "{server} {way:?}");
        sleep(Duration::from_secs(1800)).await;
        let answer = json!({"jsonrpc": "2.0", "id": relayed["id"], "result": what.answer});
        client.tell(&answer.to_string()).unwrap();
        peer.hears_answer(id).await;
        sleep(Duration::from_secs(250)).await;
        asked.answers(DONE);
        assert_eq!(client.end(call).await.unwrap().text(), "done", "{server} {way:?}");
    }
}

/// Invariant: A parked call has one maximum for all its rounds, in which the time that it is parked does not count.
#[tokio::test(start_paused = true)]
async fn a_parked_call_has_its_end_as_well() {
    for (server, way) in legacy_ways() {
        let mut setup = quiet(server, way);
        setup.edge = EdgeLimits::default().call_timeout(SILENT).call_timeout_max(MAX);
        setup.park = setup.park.call_timeout_max(SILENT);
        let mut parked = Parked::with(setup, 1).await;
        sleep(Duration::from_secs(300)).await;
        let begun = Instant::now();
        let call = parked.begin(json!({"q1": parked.answer}));
        parked.server.hears_answer(parked.asked[0]).await;
        let answer = parked.client.end(call).await.unwrap();
        assert_eq!(refusal(&answer), (-32603, "timeout"), "{server} {way:?}");
        assert!(begun.elapsed() <= SILENT, "{server} {way:?}");
        is_cancelled(&mut parked.server, &parked.call, server, way).await;
    }
}

/// Invariant: A server that cuts the stream of a call after every event id holds the call no longer than a silent one.
#[tokio::test(start_paused = true)]
async fn an_endless_resumption_ends() {
    for server in [B, C, D] {
        for revision in [D, M] {
            let mut bridged = timed(Way::Http, server);
            let mut client = client(&mut bridged, revision, false, json!({})).await;
            let call = client.begin("tools/call", json!({"name": "endless"})).unwrap();
            let mut peer = bridged.server().await;
            let asked = peer.hears("tools/call").await;
            let id = asked.id().clone();
            let begun = Instant::now();
            asked.http().events("id: e-0\nretry: 1000\ndata:\n\n");
            asked.http().close();
            let cutting = async {
                for number in 1u64.. {
                    let heard = peer.hears_any().await;
                    if heard.message["method"] == "notifications/cancelled" {
                        assert_eq!(heard.param("requestId"), &id, "{server}");
                        return number;
                    }
                    assert_eq!(heard.verb, "GET", "{server}");
                    heard.http().events(&format!("id: e-{number}\nretry: 1000\ndata:\n\n"));
                    heard.http().close();
                }
                0
            };
            let (answer, resumed) = tokio::join!(client.end(call), cutting);
            assert_eq!(refusal(&answer.unwrap()), (-32603, "timeout"), "{revision} to {server}");
            assert!(begun.elapsed() - SILENT < Duration::from_secs(5), "{revision} to {server}");
            assert!(resumed > 100, "{revision} to {server}: {resumed}");
        }
    }
}

/// Invariant: A call whose client has disconnected gives its place to a call that would be refused.
#[tokio::test(start_paused = true)]
async fn abandoned_calls_make_room_for_calls_that_are_waited_for() {
    for (server, way) in ways() {
        for revision in [B, C, D] {
            let pair = format!("{revision} to {server} {way:?}");
            let mut setup = quiet(server, way);
            setup.edge = EdgeLimits::default().max_concurrent_calls(2).call_timeout(SILENT);
            let mut bridged = setup.start();
            let leaving = bridged.http_client(revision, json!({})).await;
            let mut peer = bridged.server().await;
            let mut abandoned = Vec::new();
            for id in 1..=2 {
                let call = request(id, "tools/call", json!({"name": "silent"}));
                let response = posted(&bridged, leaving.session().unwrap(), revision, call);
                abandoned.push(peer.hears("tools/call").await);
                // 2025-11-25, transports §Sending Messages: disconnecting is not cancelling.
                drop(response);
                settle().await;
                sleep(Duration::from_secs(60)).await;
            }
            peer.hears_nothing().await;
            // Whoever comes now opens a session, and calls. The call that was left first makes room.
            let mut other = bridged.http_client(revision, json!({})).await;
            let call = other.begin("tools/call", json!({"name": "greet"})).unwrap();
            let mut heard = Vec::new();
            for _ in 0..if (server, way) == (M, Way::Http) { 1 } else { 2 } {
                heard.push(peer.hears_any().await);
            }
            let greet = heard.iter().find(|heard| heard.message["method"] == "tools/call").unwrap();
            greet.answers(r#"{"resultType":"complete","content":[{"type":"text","text":"done"}]}"#);
            assert_eq!(other.end(call).await.unwrap().text(), "done", "{pair}");
            match heard.iter().find(|heard| heard.message["method"] == "notifications/cancelled") {
                Some(cancelled) => assert_eq!(cancelled.param("requestId"), abandoned[0].id(), "{pair}"),
                None => abandoned[0].is_left().await,
            }
            assert_eq!(bridged.metrics().refusals("max_concurrent_calls").value(), 1, "{pair}");
        }
    }
}

/// The response to a request of a session, as it is waited for. Dropping it disconnects.
fn posted(bridged: &Bridged, session: &str, revision: Revision, text: String) -> tokio::task::JoinSet<()> {
    use anyport::http::ConnectInfo;
    use bytes::Bytes;
    use http_body_util::{BodyExt as _, Full};

    let request = ::http::Request::builder()
        .method("POST")
        .uri("/mcp")
        .header("host", "localhost")
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .header("mcp-session-id", session)
        .header("mcp-protocol-version", revision.as_str());
    let request = request.body(Full::new(Bytes::from(text))).unwrap();
    let endpoint = bridged.endpoint().clone();
    let mut response = tokio::task::JoinSet::new();
    response.spawn(async move {
        let response = endpoint.handle(request, ConnectInfo::default()).await;
        let _ = response.into_body().collect().await;
    });
    response
}

/// Invariant: The calls of one caller never take all places.
#[tokio::test(start_paused = true)]
async fn one_caller_leaves_places_to_others() {
    for (server, way) in ways() {
        for (revision, over_http) in [(D, false), (D, true), (M, false)] {
            let pair = format!("{revision} to {server} {way:?}");
            let mut setup = quiet(server, way);
            setup.edge = EdgeLimits::default().max_concurrent_calls(4);
            let mut bridged = setup.start();
            let mut greedy = client(&mut bridged, revision, over_http, json!({})).await;
            let begin = |greedy: &mut Wire| greedy.begin("tools/call", json!({"name": "silent"})).unwrap();
            let mut calls = vec![begin(&mut greedy)];
            let mut peer = bridged.server().await;
            let mut running = vec![peer.hears("tools/call").await];
            for _ in 0..2 {
                calls.push(begin(&mut greedy));
                running.push(peer.hears("tools/call").await);
            }
            let answer = greedy.call("tools/call", json!({"name": "silent"})).await.unwrap();
            assert_eq!(refusal(&answer), (-32603, "overloaded"), "{pair}");
            let words = answer.outcome.unwrap_err().message;
            let expected = "3 calls of one caller are running (max_calls_per_caller); try again later";
            assert_eq!(words, expected, "{pair}");
            assert_eq!(bridged.metrics().refusals("max_calls_per_caller").value(), 1, "{pair}");
            let mut other = client(&mut bridged, revision, over_http, json!({})).await;
            let call = other.begin("tools/call", json!({"name": "greet"})).unwrap();
            peer.hears("tools/call")
                .await
                .answers(r#"{"resultType":"complete","content":[{"type":"text","text":"done"}]}"#);
            assert_eq!(other.end(call).await.unwrap().text(), "done", "{pair}");
        }
    }
}
