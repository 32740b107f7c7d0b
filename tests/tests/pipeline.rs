//! The layers around a service hold for every revision and transport alike: the same reason, in the same words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

use std::{num::NonZeroU32, time::Duration};

use anyport::{
    Context, Server, Tool, live,
    server::NoArguments,
    service::{
        Service,
        layer::{CatchPanic, Concurrency, Quota, Rate, Timeout},
    },
};
use anyport_testing::{Answer, Lost};
use anyport_tests::{
    everything::{Probe, server},
    matrix::{Cell, around, capabilities},
};
use serde_json::{Value, json};

/// What a client reads of an error: code, reason, words, and the status over HTTP.
fn refused(answer: Answer) -> (i64, Value, String, Option<u16>) {
    let status = answer.status;
    let refusal = answer.outcome.unwrap_err();
    (refusal.code, refusal.data["reason"].clone(), refusal.message, status)
}

async fn every_cell<S: Service>(
    layer: impl Fn(Box<dyn Service>) -> S,
    check: impl AsyncFn(&mut Cell) -> Result<(), Lost>,
) {
    let service = |probe: &Probe| Ok(layer(Box::new(live(server(probe)?))));
    around(service, capabilities, check).await;
}

#[tokio::test]
async fn a_call_that_takes_too_long_is_ended() {
    let layer = |inner| Timeout::new(inner, Duration::from_millis(30));
    every_cell(layer, async |cell| {
        let (code, reason, words, status) = refused(cell.tool("wait", json!({})).await?);
        assert_eq!((code, reason), (-32603, json!("timeout")));
        assert_eq!(words, "the call took longer than 30 ms (call_timeout)");
        assert_eq!(status, cell.http.then_some(200));
        // Its handler is gone, and the listen stream of the session is not.
        cell.probe.dropped().await;
        cell.wire.listen(&["test:///text"]).await?;
        cell.tool("change", json!({"what": ["test:///text"]})).await?;
        assert_eq!(cell.wire.change().await?["params"]["uri"], "test:///text");
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn more_calls_than_may_run_are_refused() {
    let layer = |inner| Concurrency::new(inner, 2);
    every_cell(layer, async |cell| {
        let mut waiting = Vec::new();
        for _ in 0..2 {
            waiting.push(cell.wire.begin("tools/call", json!({"name": "wait"}))?);
            cell.probe.begun().await;
        }
        let (code, reason, words, status) = refused(cell.tool("greet", json!({"name": "Ada"})).await?);
        assert_eq!((code, reason), (-32603, json!("overloaded")));
        assert_eq!(words, "2 calls are running (max_concurrent_calls); try again later");
        assert_eq!(status, cell.http.then_some(503));
        // Listening is no call in this sense.
        if cell.revision.is_modern() {
            assert_eq!(cell.wire.listen(&["test:///text"]).await?, ["test:///text"]);
        }
        for call in waiting {
            cell.wire.cancel(call).await?;
            cell.probe.dropped().await;
        }
        // The place is free a moment after the handler is gone.
        loop {
            match cell.tool("greet", json!({"name": "Ada"})).await? {
                answer if answer.outcome.is_ok() => return Ok(()),
                answer => assert_eq!(refused(answer).1, "overloaded"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn more_calls_than_may_be_made_are_refused() {
    let quota = Quota { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(3).unwrap() };
    let layer = |inner| Rate::new(inner, quota);
    every_cell(layer, async |cell| {
        for _ in 0..3 {
            assert!(cell.tool("greet", json!({"name": "Ada"})).await?.outcome.is_ok());
        }
        let (code, reason, words, status) = refused(cell.tool("greet", json!({"name": "Ada"})).await?);
        assert_eq!((code, reason), (-32603, json!("rate_limited")));
        assert!(words.starts_with("more than 1 calls a second (calls_per_second); try again in "), "{words}");
        assert_eq!(status, cell.http.then_some(429));
        // What is read is not limited.
        assert!(cell.wire.call("resources/read", json!({"uri": "test:///text"})).await?.outcome.is_ok());
        Ok(())
    })
    .await;
}

/// Panics, at once or after a while.
fn panicking() -> Result<Server, Box<dyn std::error::Error>> {
    let later = Tool::new("later").run(async |_: NoArguments, context: Context| -> String {
        tokio::task::yield_now().await;
        context.progress(1.0, None, None).await;
        panic!("a secret of the server's")
    });
    let at_once = Tool::new("at_once")
        .run(async |_: NoArguments, _: Context| -> String { panic!("a secret of the server's") });
    let calm = Tool::new("calm").run(async |_: NoArguments, _: Context| "calm");
    Ok(Server::builder("panics", "1").tool(later).tool(at_once).tool(calm).build()?)
}

#[tokio::test]
async fn a_panic_ends_its_call_alone_and_tells_no_secret() {
    let service = |_: &Probe| Ok(CatchPanic::new(live(panicking()?)));
    around(service, capabilities, async |cell| {
        for name in ["later", "at_once"] {
            let params = json!({"name": name, "_meta": {"progressToken": 1}});
            let (code, reason, words, status) = refused(cell.wire.call("tools/call", params).await?);
            assert_eq!((code, reason), (-32603, Value::Null), "{name}");
            assert_eq!(words, "the handler failed; the server's log says why");
            assert_eq!(status, cell.http.then_some(200));
        }
        assert_eq!(cell.tool("calm", json!({})).await?.text(), "calm");
        Ok(())
    })
    .await;
}
