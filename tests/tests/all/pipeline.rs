//! The layers around a service hold for every revision and transport alike: the same reason, in the same words.

use std::{num::NonZeroU32, time::Duration};

use anyport::{
    Context, Server, Service, Tool,
    layer::{CatchPanic, ConcurrencyLimit, Middleware, Quota, RateLimit, Timeout},
    metrics::Metrics,
    middleware::{Call, Next},
    protocol::{Error, Limits, Reason},
    server::NoArguments,
    service::Outcome,
    with_legacy_clients,
};
use anyport_testing::{Answer, Lost};
use anyport_tests::{
    everything::{Probe, server},
    matrix::{Cell, Terms, around, capabilities, within},
    plain::Plain,
    site::Site,
};
use anyport_transport::{BufferLimits, BufferedBytes};
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
    let service = |probe: &Probe| Ok(layer(Box::new(with_legacy_clients(server(probe)?))));
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
    let layer = |inner| ConcurrencyLimit::new(inner, 2);
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
        if cell.revision.is_stateless() {
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

/// A second after a call another one may be made, and a busy machine may take that long between two. So one that is let
/// through is made again: at once it is refused, unless the same happens so often.
const REFILLS: usize = 100;

#[tokio::test]
async fn more_calls_than_may_be_made_are_refused() {
    let quota = Quota::default().per_second(NonZeroU32::MIN).burst(NonZeroU32::new(3).unwrap());
    let layer = |inner| RateLimit::new(inner, quota);
    every_cell(layer, async |cell| {
        for _ in 0..3 {
            assert!(cell.tool("greet", json!({"name": "Ada"})).await?.outcome.is_ok());
        }
        let (code, reason, words, status) = 'refused: {
            for _ in 0..REFILLS {
                let answer = cell.tool("greet", json!({"name": "Ada"})).await?;
                if answer.outcome.is_err() {
                    break 'refused refused(answer);
                }
            }
            panic!("it is never refused");
        };
        assert_eq!((code, reason), (42900, json!("rate_limited")));
        assert!(
            words
                .starts_with("this caller makes more than 1 call a second (calls_per_second); try again in "),
            "{words}"
        );
        assert_eq!(status, cell.http.then_some(429));
        // Lists count by themselves.
        assert!(cell.wire.call("resources/list", json!({})).await?.outcome.is_ok());
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
    let service = |_: &Probe| Ok(CatchPanic::new(with_legacy_clients(panicking()?)));
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

/// Something that refuses, and what it refuses.
struct Guard {
    name: &'static str,
    terms: Terms,
    /// The metrics in which it counts what it refuses, by its name.
    counted: Option<Metrics>,
    around: fn(Box<dyn Service>) -> Box<dyn Service>,
    /// Calls that wait, and calls that were made, before it refuses.
    waiting: usize,
    made: usize,
    trips: Vec<Trip>,
    /// The code, the reason, and how the words begin.
    refusal: (i64, Value, &'static str),
    /// The status over HTTP.
    status: u16,
    /// Whether a modern request over HTTP is beyond it: it has a connection of its own, which is bounded elsewhere.
    but_for_modern_http: bool,
    /// Whether a WebSocket is closed for it, which is how WebSockets refuse frames.
    closes_websockets: bool,
    /// Whether what it refused before is let through once nothing waits any more.
    recovers: bool,
}

impl Guard {
    /// How often a call is made until it is refused.
    fn tries(&self) -> usize {
        if self.made > 0 { REFILLS } else { 1 }
    }

    /// The number of refusals that it has counted, if it counts them.
    fn refusals(&self) -> Option<u64> {
        self.counted.as_ref().map(|metrics| metrics.refusals(self.name).value())
    }
}

/// What trips a guard.
enum Trip {
    Call(&'static str, Value),
    /// A text as it is.
    Text(String),
}

fn guards() -> Vec<Guard> {
    let plain = || Guard {
        name: "",
        terms: Terms::default(),
        counted: None,
        around: |inner| inner,
        waiting: 0,
        made: 0,
        trips: Vec::new(),
        refusal: (0, Value::Null, ""),
        status: 200,
        but_for_modern_http: false,
        closes_websockets: false,
        recovers: true,
    };
    let bounded = |message: Limits| Terms::default().message(message);
    let metrics = Metrics::new();
    let counting = BufferedBytes::new(BufferLimits::default(), &metrics);
    let calls = || {
        let complete = json!({
            "ref": {"type": "ref/prompt", "name": "review"}, "argument": {"name": "language", "value": ""},
        });
        vec![
            Trip::Call("tools/call", json!({"name": "greet", "arguments": {"name": "Ada"}})),
            Trip::Call("resources/read", json!({"uri": "test:///text"})),
            Trip::Call("prompts/get", json!({"name": "review", "arguments": {"code": "x"}})),
            Trip::Call("completion/complete", complete),
            Trip::Call("tools/list", json!({})),
            Trip::Call("resources/list", json!({})),
            Trip::Call("resources/templates/list", json!({})),
            Trip::Call("prompts/list", json!({})),
        ]
    };
    let echo = |arguments: &str| {
        let params = format!(r#"{{"name":"echo","arguments":{arguments}}}"#);
        Trip::Text(format!(r#"{{"jsonrpc":"2.0","id":"x","method":"tools/call","params":{params}}}"#))
    };
    vec![
        Guard {
            name: "call_timeout",
            around: |inner| Box::new(Timeout::new(inner, Duration::from_millis(20))),
            trips: vec![Trip::Call("tools/call", json!({"name": "wait"}))],
            refusal: (-32603, json!("timeout"), "the call took longer than 20 ms (call_timeout)"),
            ..plain()
        },
        Guard {
            name: "max_concurrent_calls",
            around: |inner| Box::new(ConcurrencyLimit::new(inner, 2)),
            waiting: 2,
            trips: calls(),
            refusal: (
                -32603,
                json!("overloaded"),
                "2 calls are running (max_concurrent_calls); try again later",
            ),
            status: 503,
            ..plain()
        },
        Guard {
            name: "max_calls_per_caller",
            around: |inner| Box::new(ConcurrencyLimit::new(inner, 8).per_caller(2)),
            waiting: 2,
            trips: calls(),
            refusal: (
                -32603,
                json!("overloaded"),
                "2 calls of one caller are running (max_calls_per_caller); try again later",
            ),
            status: 503,
            ..plain()
        },
        Guard {
            name: "calls_per_second",
            around: |inner| {
                let quota = Quota::default().per_second(NonZeroU32::MIN).burst(NonZeroU32::MIN);
                Box::new(RateLimit::new(inner, quota))
            },
            made: 1,
            trips: calls().into_iter().take(1).collect(),
            refusal: (
                42900,
                json!("rate_limited"),
                "this caller makes more than 1 call a second (calls_per_second); try again in ",
            ),
            status: 429,
            recovers: false,
            ..plain()
        },
        Guard {
            name: "max_open_requests",
            terms: Terms::default().max_open_requests(2).buffers(counting),
            counted: Some(metrics),
            waiting: 2,
            trips: calls(),
            refusal: (-32603, json!("overloaded"), "2 requests are open (max_open_requests)"),
            status: 503,
            but_for_modern_http: true,
            ..plain()
        },
        Guard {
            name: "a middleware",
            around: |inner| Box::new(Middleware::new(inner, policy)),
            trips: calls(),
            refusal: (-32603, json!("forbidden"), "not on a Saturday"),
            recovers: false,
            ..plain()
        },
        Guard {
            name: "max_message_bytes",
            terms: bounded(Limits::default().bytes(2000)),
            trips: vec![echo(&format!(r#"{{"a":"{}"}}"#, "x".repeat(2000)))],
            refusal: (-32600, Value::Null, "larger than 2000 bytes (max_message_bytes)"),
            status: 413,
            closes_websockets: true,
            ..plain()
        },
        Guard {
            name: "max_depth",
            terms: bounded(Limits::default().depth(20)),
            trips: vec![echo(&format!(r#"{{"a":{}{}}}"#, "[".repeat(20), "]".repeat(20)))],
            refusal: (-32600, Value::Null, "nested deeper than 20 levels (max_depth)"),
            status: 400,
            ..plain()
        },
        Guard {
            name: "max_nodes",
            terms: bounded(Limits::default().nodes(100)),
            trips: vec![echo(&format!("{{\"a\":[0{}]}}", ",0".repeat(100)))],
            refusal: (-32600, Value::Null, "more than 100 values (max_nodes)"),
            status: 400,
            ..plain()
        },
        Guard {
            name: "keys that stand twice",
            trips: vec![
                echo(r#"{"a":1,"\u0061":2}"#),
                Trip::Text(r#"{"jsonrpc":"2.0","id":"x","method":"tools/call","method":"ping"}"#.to_owned()),
            ],
            refusal: (-32600, Value::Null, "duplicate key "),
            status: 400,
            ..plain()
        },
    ]
}

async fn policy(call: Call, next: Next) -> Outcome {
    match call.method() {
        // What a dialogue begins with.
        "server/discover" | "subscriptions/listen" => next.run(call).await,
        _ => Error::internal("not on a Saturday").with_reason(Reason::Forbidden).into(),
    }
}

/// What bounds a call must bound it however it comes: that a check stood on the way of one revision only was
/// CVE-2026-11719 elsewhere. A batch of 2025-03-26 is a way of its own.
///
/// Invariant: Every limit and refusal applies over every transport, in every revision and in batches, with
/// the same words.
#[tokio::test]
async fn every_guard_stands_on_every_way() {
    for guard in guards() {
        let service = |probe: &Probe| Ok((guard.around)(Box::new(with_legacy_clients(server(probe)?))));
        within(guard.terms.clone(), service, capabilities, async |cell| trip(cell, &guard).await).await;
        // A request of the REST interface has a connection of its own, too.
        if !guard.but_for_modern_http {
            trip_plainly(&guard).await;
        }
        println!("{} holds", guard.name);
    }
}

async fn trip(cell: &mut Cell, guard: &Guard) -> Result<(), Lost> {
    for _ in 0..guard.made {
        assert!(cell.tool("greet", json!({"name": "Ada"})).await?.outcome.is_ok());
    }
    let mut waiting = Vec::new();
    for _ in 0..guard.waiting {
        waiting.push(cell.wire.begin("tools/call", json!({"name": "wait"}))?);
        cell.probe.begun().await;
    }
    let beyond = guard.but_for_modern_http && cell.http && cell.revision.is_stateless();
    for trip in guard.trips.iter().filter(|_| !beyond) {
        for in_a_batch in [false, true] {
            if in_a_batch && !cell.revision.has_batches() {
                continue;
            }
            let refusals = guard.refusals();
            let (code, reason, words, status) = match refusal(cell, guard, trip, in_a_batch).await {
                Err(Lost::Ended(_)) if guard.closes_websockets && cell.transport.is_websocket() => {
                    return Ok(());
                }
                refused => refused?,
            };
            assert!(
                !guard.closes_websockets || !cell.transport.is_websocket(),
                "{} let it through",
                guard.name
            );
            assert_eq!((code, &reason), (guard.refusal.0, &guard.refusal.1), "{}: {words}", guard.name);
            assert!(words.contains(guard.refusal.2), "{}: {words}", guard.name);
            assert_eq!(guard.refusals(), refusals.map(|refusals| refusals + 1), "{} counts each", guard.name);
            // The answers of a batch are not the status of its response, but for a text that is refused as a whole.
            let whole = !in_a_batch || matches!(trip, Trip::Text(_));
            assert_eq!(status, cell.http.then_some(if whole { guard.status } else { 200 }), "{}", guard.name);
        }
    }
    for call in waiting {
        cell.wire.cancel(call).await?;
        cell.probe.dropped().await;
    }
    // The dialogue goes on. A place is free a moment after its call is gone.
    for _ in 0..if guard.recovers { 1000 } else { 0 } {
        match cell.tool("greet", json!({"name": "Ada"})).await? {
            answer if answer.outcome.is_ok() => return Ok(()),
            answer => assert_eq!(refused(answer).1, "overloaded"),
        }
    }
    assert!(!guard.recovers, "{}: no place became free", guard.name);
    Ok(())
}

/// How something is refused, alone or in a batch.
async fn refusal(
    cell: &mut Cell,
    guard: &Guard,
    trip: &Trip,
    in_a_batch: bool,
) -> Result<(i64, Value, String, Option<u16>), Lost> {
    match trip {
        Trip::Call(method, params) => {
            for _ in 1..guard.tries() {
                let answer = call(cell, method, params, in_a_batch).await?;
                if answer.outcome.is_err() {
                    return Ok(refused(answer));
                }
            }
            Ok(refused(call(cell, method, params, in_a_batch).await?))
        }
        Trip::Text(text) => {
            let text = if in_a_batch { format!("[{text}]") } else { text.clone() };
            let (status, answer) = cell.wire.raw(&text).await?;
            let error = answer.unwrap()["error"].clone();
            let words = error["message"].as_str().unwrap().to_owned();
            Ok((error["code"].as_i64().unwrap(), error["data"]["reason"].clone(), words, status))
        }
    }
}

async fn call(cell: &mut Cell, method: &str, params: &Value, in_a_batch: bool) -> Result<Answer, Lost> {
    match in_a_batch {
        true => Ok(cell.wire.batch(&[(method, params.clone())]).await?.remove(0)),
        false => cell.wire.call(method, params.clone()).await,
    }
}

/// The same at the REST interface, on a listener and within an application: in the same words, by its own codes.
async fn trip_plainly(guard: &Guard) {
    let probe = Probe::default();
    let service = || (guard.around)(Box::new(with_legacy_clients(server(&probe).unwrap())));
    let config = guard.terms.clone().http().rest(true);
    for site in [
        Site::listen(service(), config.clone()).await.unwrap(),
        Site::listen_http2(service(), config.clone()).await.unwrap(),
        Site::mount(service(), config).await.unwrap(),
    ] {
        let plain = Plain::of(&site);
        let greet = json!({"method": "greet", "params": {"name": "Ada"}, "id": 1}).to_string();
        for _ in 0..guard.made {
            assert_eq!(plain.post(&greet).await.unwrap().json()["result"], "Hello, Ada!");
        }
        let mut waiting = Vec::new();
        for _ in 0..guard.waiting {
            waiting.push(plain.begin("POST", "/mcp/call", r#"{"method":"wait"}"#).await.unwrap());
            probe.begun().await;
        }
        for trip in &guard.trips {
            let call = match trip {
                Trip::Call("tools/call", params) => {
                    json!({"method": params["name"], "params": params["arguments"]}).to_string()
                }
                Trip::Call("tools/list", _) => {
                    let answer = plain.ask("GET", "/mcp/tools", "").await.unwrap();
                    // Such a list is no call: its status says all.
                    let status = if guard.status == 200 { 403 } else { guard.status };
                    assert_eq!(answer.status, status, "{}", guard.name);
                    assert!(answer.body.contains(guard.refusal.2), "{}: {}", guard.name, answer.body);
                    continue;
                }
                // Nothing else of MCP can be asked for here.
                Trip::Call(..) => continue,
                Trip::Text(text) => text.clone(),
            };
            for in_an_array in [false, true] {
                let body = if in_an_array { format!("[{call}]") } else { call.clone() };
                let mut answer = plain.post(&body).await.unwrap();
                for _ in 1..guard.tries() {
                    if answer.body.contains("\"error\"") {
                        break;
                    }
                    answer = plain.post(&body).await.unwrap();
                }
                let json = answer.json();
                let whole = !in_an_array || matches!(trip, Trip::Text(_));
                let error = &(if whole { &json } else { &json[0] })["error"];
                let code = match guard.refusal.1.as_str() {
                    Some("timeout") => -32000,
                    Some("forbidden") => -32003,
                    Some("rate_limited") => -32004,
                    _ => guard.refusal.0,
                };
                assert_eq!((&error["code"], &error["data"]["reason"]), (&json!(code), &guard.refusal.1));
                let words = error["message"].as_str().unwrap();
                assert!(words.contains(guard.refusal.2), "{}: {words}", guard.name);
                assert_eq!(answer.status, if whole { guard.status } else { 200 }, "{}", guard.name);
            }
        }
        let waited = waiting.len();
        drop(waiting);
        for _ in 0..waited {
            probe.dropped().await;
        }
        for _ in 0..if guard.recovers { 1000 } else { 0 } {
            let answer = plain.post(&greet).await.unwrap();
            if answer.status == 200 {
                break;
            }
            assert_eq!(answer.json()["error"]["data"]["reason"], "overloaded");
        }
        if guard.recovers {
            assert_eq!(plain.post(&greet).await.unwrap().json()["result"], "Hello, Ada!");
        }
    }
}
