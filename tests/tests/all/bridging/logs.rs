//! Log messages: to whom they belong, and from which severity on.
//!
//! Invariant: A log message reaches only callers that want its severity, and an unset level is the server's
//! choice.

use std::time::Duration;

use anyport_tests::bridged::{notification, settle};
use tokio::time::{Instant, sleep};

use super::*;

const LEVEL: &str = "io.modelcontextprotocol/logLevel";

fn said(level: &str) -> String {
    notification("notifications/message", format!(r#"{{"level":"{level}","logger":"l","data":"x"}}"#))
}

/// The severities of the log messages that a call was told of.
fn levels(answer: &Answer) -> Vec<&str> {
    let said = answer.said("notifications/message");
    said.iter().map(|params| params["level"].as_str().unwrap()).collect()
}

#[tokio::test(start_paused = true)]
async fn no_level_no_logs() {
    for way in [Way::Lines, Way::Http] {
        let mut bridged = bridge(way, M);
        let mut client = bridged.client(M, json!({})).await;
        let mut server = None;
        for level in [None, Some("warning")] {
            if let Some(level) = level {
                client.log_level(level).await.unwrap();
            }
            let call = client.begin("tools/call", json!({"name": "work"})).unwrap();
            if server.is_none() {
                server = Some(bridged.server().await);
            }
            let asked = server.as_mut().unwrap().hears("tools/call").await;
            let told = asked.message["params"]["_meta"].get(LEVEL).and_then(Value::as_str);
            assert_eq!(told, level, "{way:?}");
            // 2026-07-28, logging §Per-request log level: without a level a server must send none. This one does.
            asked.tells(said("error"));
            asked.answers(r#"{"resultType":"complete","content":[]}"#);
            let answer = client.end(call).await.unwrap();
            let expected: &[&str] = if level.is_some() { &["error"] } else { &[] };
            assert_eq!(levels(&answer), expected, "{way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn level_raised_before_call() {
    for (revision, way) in legacy_ways() {
        let mut bridged = bridge(way, revision);
        let mut client = bridged.client(M, json!({})).await;
        client.log_level("info").await.unwrap();
        let call = client.begin("tools/call", json!({"name": "work"})).unwrap();
        let mut server = bridged.server().await;
        let level = server.hears("logging/setLevel").await;
        assert_eq!(level.params(), r#"{"level":"info"}"#, "{revision} {way:?}");
        // The call waits for the answer.
        server.hears_nothing().await;
        level.answers("{}");
        let asked = server.hears("tools/call").await;
        assert_eq!(asked.params(), r#"{"name":"work"}"#, "{revision} {way:?}");
        asked.tells(said("debug"));
        asked.tells(said("warning"));
        asked.answers(DONE);
        let answer = client.end(call).await.unwrap();
        assert_eq!(levels(&answer), ["warning"], "{revision} {way:?}");
        // Who wants no more than is told already does not set it again.
        let begun = Instant::now();
        let call = client.begin("tools/call", json!({"name": "work"})).unwrap();
        server.hears("tools/call").await.answers(DONE);
        client.end(call).await.unwrap();
        let lowered = server.hears("logging/setLevel").await;
        assert_eq!(lowered.params(), r#"{"level":"warning"}"#, "{revision} {way:?}");
        let quiet = begun.elapsed().as_secs();
        assert!((60..=61).contains(&quiet), "{revision} {way:?}: after {quiet} s");
        lowered.answers("{}");
    }
}

#[tokio::test(start_paused = true)]
async fn shared_stdio_logs_stay_home() {
    for revision in legacy() {
        let mut bridged = bridge(Way::Lines, revision);
        let mut first = bridged.client(M, json!({})).await;
        let mut second = bridged.client(M, json!({})).await;
        let mut third = bridged.client(M, json!({})).await;
        first.log_level("info").await.unwrap();
        second.log_level("info").await.unwrap();
        let one = first.begin("tools/call", json!({"name": "work"})).unwrap();
        let mut server = bridged.server().await;
        server.hears("logging/setLevel").await.answers("{}");
        let heard_one = server.hears("tools/call").await;
        server.says(said("info"));
        settle().await;
        let three = third.begin("tools/call", json!({"name": "work"})).unwrap();
        let heard_three = server.hears("tools/call").await;
        // Only one of the two wants log messages, but the server logs for both.
        server.says(said("warning"));
        settle().await;
        let two = second.begin("tools/call", json!({"name": "work"})).unwrap();
        let heard_two = server.hears("tools/call").await;
        // Whose these are cannot be told.
        server.says(said("error"));
        settle().await;
        for heard in [heard_one, heard_two, heard_three] {
            heard.answers(DONE);
        }
        assert_eq!(levels(&first.end(one).await.unwrap()), ["info"], "{revision}");
        assert_eq!(levels(&second.end(two).await.unwrap()), [""; 0], "{revision}");
        assert_eq!(levels(&third.end(three).await.unwrap()), [""; 0], "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn set_level_becomes_log_level() {
    for revision in legacy() {
        for way in [Way::Lines, Way::Http] {
            let mut bridged = bridge(way, M);
            let mut client = bridged.client(revision, json!({})).await;
            let mut server = bridged.server().await;
            client.tell(&request(3, "logging/setLevel", json!({"level": "error"}))).unwrap();
            assert_eq!(client.hear().await.unwrap().text, r#"{"jsonrpc":"2.0","id":3,"result":{}}"#);
            let call = client.begin("tools/call", json!({"name": "work"})).unwrap();
            // A modern server is not told but with the call.
            let asked = server.hears("tools/call").await;
            assert_eq!(asked.message["params"]["_meta"][LEVEL], "error", "{revision} {way:?}");
            asked.tells(said("error"));
            asked.answers(r#"{"resultType":"complete","content":[]}"#);
            assert_eq!(levels(&client.end(call).await.unwrap()), ["error"], "{revision} {way:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn unset_level_is_info() {
    for revision in legacy() {
        let mut bridged = bridge(Way::Lines, M);
        let mut client = bridged.client(revision, json!({})).await;
        let mut server = bridged.server().await;
        let call = client.begin("tools/call", json!({"name": "work"})).unwrap();
        let asked = server.hears("tools/call").await;
        assert_eq!(asked.message["params"]["_meta"][LEVEL], "info", "{revision}");
        asked.tells(said("info"));
        asked.answers(r#"{"resultType":"complete","content":[]}"#);
        assert_eq!(levels(&client.end(call).await.unwrap()), ["info"], "{revision}");

        // Of a server that logs nothing, no level can be set.
        let mut setup = quiet(M, Way::Lines);
        setup.capabilities = json!({"tools": {}});
        let mut bridged = setup.start();
        let mut client = bridged.client(revision, json!({})).await;
        let refused = client.call("logging/setLevel", json!({"level": "error"})).await.unwrap();
        assert_eq!(refused.code(), Some(-32601), "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn levels_per_session() {
    for (from, to) in legacy().flat_map(|from| [B, C, D].map(move |to| (from, to))) {
        let pair = format!("{from} to {to}");
        let mut bridged = bridge(Way::Http, to);
        let mut quiet = bridged.client(from, json!({})).await;
        let mut chatty = bridged.client(from, json!({})).await;
        let mut server = bridged.server().await;
        // Both are answered at once: the server is told with the calls.
        quiet.log_level("error").await.unwrap();
        chatty.log_level("debug").await.unwrap();
        let one = quiet.begin("tools/call", json!({"name": "work"})).unwrap();
        let level = server.hears("logging/setLevel").await;
        assert_eq!(level.params(), r#"{"level":"error"}"#, "{pair}");
        level.answers("{}");
        let heard_one = server.hears("tools/call").await;
        let two = chatty.begin("tools/call", json!({"name": "work"})).unwrap();
        let level = server.hears("logging/setLevel").await;
        assert_eq!(level.params(), r#"{"level":"debug"}"#, "{pair}");
        level.answers("{}");
        let heard_two = server.hears("tools/call").await;
        for heard in [heard_one, heard_two] {
            heard.tells(said("debug"));
            heard.tells(said("error"));
            heard.answers(DONE);
        }
        assert_eq!(levels(&quiet.end(one).await.unwrap()), ["error"], "{pair}");
        assert_eq!(levels(&chatty.end(two).await.unwrap()), ["debug", "error"], "{pair}");
        sleep(Duration::from_millis(1)).await;
    }
}
