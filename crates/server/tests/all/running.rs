//! How tools run: on threads of their own, for a limited time, and called by each other.
//!
//! Invariant: No thread waits for ever: a blocking function whose call is over gets an error, and nested ones
//! share slots.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
        mpsc,
    },
    time::Duration,
};

use crate::common::{
    all, asked, call, error, legacy, modern, outcome, raw, result, start, text, value, with_meta,
};
use anyport_adapters::{LegacyClientAdapter, LegacyClientLimits};
use anyport_layers::CatchPanic;
use anyport_protocol::{Method, Revision, jsonrpc::Reason, types::ListRootsRequest};
use anyport_server::{
    BlockOnError, Builder, CallError, Context, Form, Json, NoArguments, Server, Tool, ToolResult,
};
use anyport_service::{Event, Outcome, Principal};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{Instant, advance, sleep};

#[derive(Deserialize, JsonSchema)]
struct Name {
    name: String,
}

#[derive(Deserialize, Serialize, JsonSchema)]
struct Number {
    n: i64,
}

/// A blocking tool that runs until `gate` opens, once for each message.
fn gated(builder: Builder) -> (Builder, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel::<()>();
    let gate = Arc::new(Mutex::new(gate));
    let tool = Tool::new("gated").run_blocking(move |_: NoArguments, _: Context| {
        gate.lock().unwrap().recv().map_or("closed", |()| "opened")
    });
    (builder.tool(tool), open)
}

fn begin(server: &Server, tool: &str) -> tokio::task::JoinHandle<Outcome> {
    let reply = start(server, Method::ToolsCall, &json!({"name": tool}), modern());
    tokio::spawn(reply.outcome())
}

#[tokio::test]
async fn blocking_functions_wait_for_a_thread_and_too_many_are_refused() {
    let (builder, open) = gated(Server::builder("s", "1").max_blocking(1).max_blocking_waiting(1));
    let server = builder.build().unwrap();
    let numbers = |server: &Server| {
        let of = |name| server.metrics().gauge(name, "").value();
        (of("anyport_blocking_running"), of("anyport_blocking_waiting"))
    };
    let running = begin(&server, "gated");
    let waiting = begin(&server, "gated");
    while numbers(&server) != (1, 1) {
        tokio::task::yield_now().await;
    }
    let refused = error(&server, Method::ToolsCall, json!({"name": "gated"}), modern()).await;
    assert_eq!(refused.reason, Some(Reason::Overloaded));
    assert!(refused.message.contains("1 calls wait (max_blocking_waiting)"), "{}", refused.message);
    assert_eq!(server.metrics().refusals("max_blocking_waiting").value(), 1);

    waiting.abort();
    let _ = waiting.await;
    assert_eq!(numbers(&server), (1, 0), "cancelled while it waited, it costs nothing");
    let waiting = begin(&server, "gated");
    for _ in 0..2 {
        open.send(()).unwrap();
    }
    for ended in [running, waiting] {
        let Outcome::Result(result) = ended.await.unwrap() else { panic!() };
        assert_eq!(text(&value(&result)), "opened");
    }
}

#[tokio::test]
async fn a_cancelled_blocking_function_goes_on_holds_its_place_and_is_told() {
    let (tell, told) = mpsc::channel();
    let (open, gate) = mpsc::channel::<()>();
    let (begun, beginning) = mpsc::channel();
    let gate = Mutex::new(gate);
    let server = Server::builder("s", "1")
        .max_blocking(1)
        .tool(Tool::new("work").run_blocking(move |_: NoArguments, context: Context| {
            begun.send(()).unwrap();
            gate.lock().unwrap().recv().unwrap();
            let waited = context.block_on(context.progress(1.0, None, None));
            tell.send((context.has_ended(), waited)).unwrap();
        }))
        .build()
        .unwrap();
    let running = server.metrics().gauge("anyport_blocking_running", "");
    let work = begin(&server, "work");
    while beginning.try_recv().is_err() {
        tokio::task::yield_now().await;
    }
    work.abort();
    let _ = work.await;
    assert_eq!(running.value(), 1, "it holds its place");
    open.send(()).unwrap();
    // A stop waits for it.
    server.stop().await;
    assert_eq!(told.try_recv().unwrap(), (true, Err(BlockOnError::Ended)));
    assert_eq!(running.value(), 0);
}

#[tokio::test]
async fn a_panic_in_a_blocking_function_says_nothing_of_the_inside() {
    let server = Server::builder("s", "1")
        .tool(
            Tool::new("panics")
                .run_blocking(|_: NoArguments, _: Context| -> &'static str { panic!("secret") }),
        )
        .build()
        .unwrap();
    let failed = error(&server, Method::ToolsCall, json!({"name": "panics"}), modern()).await;
    assert_eq!((failed.code, &*failed.message), (-32603, "the handler failed; the server's log says why"));
}

/// A blocking tool that tells progress, remembers, asks, and swallows the error that it gets for asking.
fn asking(runs: &Arc<AtomicU32>) -> Server {
    let runs = runs.clone();
    let greet = Tool::new("greet").run_blocking(move |_: NoArguments, context: Context| {
        context.block_on(context.progress(1.0, None, None))?;
        let number = context.block_on(context.once("run", async { runs.fetch_add(1, Ordering::Relaxed) }))?;
        let form = Form::<Name>::new("Who?");
        let answer = context.block_on(context.ask("who", form))?;
        let name = answer.accepted().map_or("nobody".to_owned(), |Name { name }| name);
        Ok::<_, BlockOnError>(format!("Hello {name}, {number}"))
    });
    let swallow = Tool::new("swallow").run_blocking(|_: NoArguments, context: Context| {
        let asked = context.block_on(context.ask("roots", ListRootsRequest::default()));
        asked.map_or("swallowed", |_| "answered")
    });
    Server::builder("s", "1").tool(greet).tool(swallow).build().unwrap()
}

#[tokio::test]
async fn a_blocking_function_asks_by_running_again() {
    let runs = Arc::default();
    let server = asking(&runs);
    let call = json!({"name": "greet"});
    let (questions, state) = asked(&server, Method::ToolsCall, call, modern()).await;
    assert!(questions.get("who").is_some());
    let answer = json!({"who": {"action": "accept", "content": {"name": "Ann"}}});
    let again = json!({"name": "greet", "inputResponses": answer, "requestState": state});
    let caller = with_meta(&json!({"progressToken": "t"}));
    let (told, outcome) = all(start(&server, Method::ToolsCall, &again, caller)).await;
    let Outcome::Result(result) = outcome else { panic!("{outcome:?}") };
    assert_eq!((text(&value(&result)), told.len()), ("Hello Ann, 0", 1));
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    // No question is lost to a function that goes on as if nothing had been.
    asked(&server, Method::ToolsCall, json!({"name": "swallow"}), modern()).await;
    // No thread is left behind.
    server.stop().await;
    assert_eq!(server.metrics().gauge("anyport_blocking_running", "").value(), 0);
}

#[tokio::test]
async fn block_on_elsewhere_is_an_error_in_words() {
    let server = Server::builder("s", "1")
        .tool(Tool::new("wrong").run(async |_: NoArguments, context: Context| {
            let inside = context.block_on(async {});
            let thread = std::thread::spawn(move || context.block_on(async {})).join();
            assert_eq!(thread.unwrap(), inside);
            inside.map(|()| "blocked")
        }))
        .build()
        .unwrap();
    let refused = call(&server, "wrong", json!({})).await;
    assert!(text(&refused).contains("elsewhere, await the future"), "{refused}");
}

/// A server whose tools take a minute.
fn slow(builder: Builder) -> Server {
    let minute = async |_: NoArguments, context: Context| {
        sleep(Duration::from_secs(60)).await;
        context.deadline().is_some().to_string()
    };
    let asks = async |_: NoArguments, context: Context| {
        sleep(Duration::from_secs(20)).await;
        context.ask("who", Form::<Name>::new("Who?")).await;
        let left = context.deadline().unwrap() - Instant::now();
        ToolResult::text(left.as_secs().to_string())
    };
    builder
        .tool(Tool::new("default").run(minute))
        .tool(Tool::new("short").timeout(Duration::from_millis(1_500)).run(minute))
        .tool(Tool::new("unlimited").timeout(Duration::MAX).run(minute))
        .tool(Tool::new("asks").run(asks))
        .build()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_tool_over_its_time_is_dropped_and_the_model_is_told() {
    let server = slow(Server::builder("s", "1").default_timeout(Duration::from_secs(30)));
    let cases = [("default", "timed out after 30 s", 30_000), ("short", "timed out after 1500 ms", 1_500)];
    for (tool, words, millis) in cases {
        let begun = Instant::now();
        let result = call(&server, tool, json!({})).await;
        assert_eq!((text(&result), &result["isError"]), (words, &json!(true)));
        assert_eq!(begun.elapsed(), Duration::from_millis(millis));
    }
    assert_eq!(text(&call(&server, "unlimited", json!({})).await), "false");
    assert_eq!(server.metrics().refusals("tool_timeout").value(), 2);
    let server = slow(Server::builder("s", "1"));
    assert_eq!(text(&call(&server, "default", json!({})).await), "false", "without a limit there is none");
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_tool_stands_still_while_its_caller_is_asked() {
    let server = slow(Server::builder("s", "1").default_timeout(Duration::from_secs(30)));
    let caller = || legacy(Revision::V2025_11_25).with_client(raw(&json!({"elicitation": {}})), None);
    let shim = LegacyClientAdapter::new(server, LegacyClientLimits::default());
    let mut reply = start(&shim, Method::ToolsCall, &json!({"name": "asks"}), caller());
    let Event::ServerRequest(question) = reply.next().await else { panic!() };
    sleep(Duration::from_secs(300)).await;
    question.responder.answer(Ok(raw(&json!({"action": "accept", "content": {"name": "Ann"}}))));
    let Outcome::Result(result) = reply.outcome().await else { panic!() };
    assert_eq!(text(&value(&result)), "10", "it ran for twenty seconds of thirty");
}

#[tokio::test(start_paused = true)]
async fn a_blocking_function_over_its_time_is_told_and_goes_on() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::builder("s", "1")
        .tool(Tool::new("work").timeout(Duration::from_secs(10)).run_blocking(
            move |_: NoArguments, context: Context| {
                tell.send(None).unwrap();
                tell.send(Some(context.block_on(pending::<()>()))).unwrap();
            },
        ))
        .build()
        .unwrap();
    let calling = tokio::spawn({
        let server = server.clone();
        async move { call(&server, "work", json!({})).await }
    });
    // Time does not pass by itself while a thread is blocked.
    assert_eq!(told.recv().await, Some(None), "it has begun");
    advance(Duration::from_secs(10)).await;
    assert_eq!(text(&calling.await.unwrap()), "timed out after 10 s");
    server.stop().await;
    assert_eq!(told.try_recv(), Ok(Some(Err(BlockOnError::Ended))));
}

/// Tools that call each other.
fn nesting() -> Builder {
    let double = async |Number { n }: Number, context: Context| {
        context.progress(n, None, None).await;
        Json(Number { n: 2 * n })
    };
    let quadruple = async |Number { n }: Number, context: Context| {
        let twice: Number = context.call_as("double", &Number { n }).await?;
        let result = context.call("double", &json!({"n": twice.n})).await?;
        Ok::<_, CallError>(result)
    };
    let confirm = async |Name { name }: Name, context: Context| {
        let answer = context.ask("ok", Form::<Name>::new(format!("Delete {name}?"))).await;
        answer.accepted().map_or_else(|| "no".to_owned(), |Name { name }| name)
    };
    let delete = async |_: NoArguments, context: Context| {
        let own = context.once("own", async { 7 }).await;
        let one = context.call("confirm", &json!({"name": "a"})).await?;
        let two = context.call("confirm", &json!({"name": "b"})).await?;
        Ok::<_, CallError>(format!("{own} {} {}", one.words(), two.words()))
    };
    let outer = async |_: NoArguments, context: Context| {
        context.call("delete", &json!({})).await.map(|result| result.words())
    };
    let forever = async |_: NoArguments, context: Context| {
        let result = context.call("forever", &json!({})).await;
        result.map(|result| result.words())
    };
    Server::builder("nesting", "1")
        .tool(Tool::new("double").run(double))
        .tool(Tool::new("quadruple").run(quadruple))
        .tool(Tool::new("confirm").run(confirm))
        .tool(Tool::new("delete").run(delete))
        .tool(Tool::new("outer").run(outer))
        .tool(Tool::new("forever").run(forever))
}

#[tokio::test]
async fn a_tool_calls_another_and_what_that_tells_reaches_the_caller() {
    let server = nesting().build().unwrap();
    let caller = with_meta(&json!({"progressToken": "t"}));
    let params = json!({"name": "quadruple", "arguments": {"n": 3}});
    let (told, outcome) = all(start(&server, Method::ToolsCall, &params, caller)).await;
    let Outcome::Result(result) = outcome else { panic!("{outcome:?}") };
    assert_eq!(value(&result)["structuredContent"], json!({"n": 12}));
    let progress: Vec<Value> = told.iter().map(|told| value(&told.params)["progress"].clone()).collect();
    assert_eq!(progress, [json!(3), json!(6)]);
}

/// Invariant: Two calls of one tool within a call never share an answer.
#[tokio::test]
async fn questions_of_called_tools_are_the_calls_own_each_under_its_key() {
    let server = nesting().build().unwrap();
    let rounds: [(&str, &[&str]); 2] = [
        ("delete", &["confirm/ok", "confirm#2/ok"]),
        ("outer", &["delete/confirm/ok", "delete/confirm#2/ok"]),
    ];
    for (tool, keys) in rounds {
        let mut params = json!({"name": tool});
        for (name, key) in ["a", "b"].iter().zip(keys) {
            let (questions, state) = asked(&server, Method::ToolsCall, params, modern()).await;
            let message = questions[*key]["params"]["message"].as_str();
            assert_eq!(message, Some(&*format!("Delete {name}?")), "{questions}");
            let answer = json!({*key: {"action": "accept", "content": {"name": name}}});
            params = json!({"name": tool, "inputResponses": answer, "requestState": state});
        }
        let result = result(&server, Method::ToolsCall, params, modern()).await;
        assert_eq!(text(&result), "7 a b");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_called_tool_is_told_in_its_name() {
    let failures = async |_: NoArguments, context: Context| {
        let mut faults = Vec::new();
        for (tool, arguments) in [
            ("dubble", json!({})),
            ("double", json!({"n": "x"})),
            ("double", json!([])),
            ("fails", json!({})),
        ] {
            faults.push(context.call(tool, &arguments).await.unwrap_err().to_string());
        }
        for tool in ["tells", "talks", "double"] {
            let read = context.call_as::<bool, _>(tool, &json!({"n": 1})).await;
            faults.push(read.unwrap_err().to_string());
        }
        faults.join("\n")
    };
    let anything = json!({"type": "object"});
    let failed = anyport_protocol::Error::internal("gone");
    let server = nesting()
        .tool(Tool::new("failures").run(failures))
        .tool(Tool::new("fails").input_schema(anything.clone()).run_raw(move |_, _| {
            let failed = failed.clone();
            async move { ToolResult::failure(failed) }
        }))
        .tool(
            Tool::new("tells")
                .input_schema(anything.clone())
                .run_raw(async |_, _| ToolResult::error("no luck")),
        )
        .tool(Tool::new("talks").input_schema(anything).run_raw(async |_, _| "words"))
        .build()
        .unwrap();
    let told = call(&server, "failures", json!({})).await;
    let faults: Vec<&str> = text(&told).lines().collect();
    assert_eq!(faults[0], "unknown tool: dubble; there is double");
    assert!(faults[1].starts_with("invalid arguments for double:"), "{}", faults[1]);
    assert_eq!(faults[2], "invalid arguments for double: expected an object");
    assert_eq!(faults[3], "fails: gone");
    assert_eq!(faults[4], "tells: no luck");
    assert_eq!(faults[5], "talks: there is no structured content");
    assert!(faults[6].starts_with("double: invalid type: map, expected a boolean"), "{}", faults[6]);
}

#[tokio::test]
async fn calls_of_tools_by_tools_end_somewhere() {
    let server = nesting().max_call_depth(5).build().unwrap();
    let told = call(&server, "forever", json!({})).await;
    assert!(text(&told).contains("forever: calls of tools by tools are 5 deep (max_call_depth)"), "{told}");
    assert_eq!(server.metrics().refusals("max_call_depth").value(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_timeout_and_the_end_of_a_called_tool_are_its_own() {
    let ended = Arc::new(Mutex::new(None));
    let kept = ended.clone();
    let server = Server::builder("s", "1")
        .tool(Tool::new("slow").timeout(Duration::from_secs(2)).run(
            move |_: NoArguments, context: Context| {
                *kept.lock().unwrap() = Some(context.clone());
                pending::<()>()
            },
        ))
        .tool(Tool::new("calls").run(async |_: NoArguments, context: Context| {
            let result = context.call("slow", &json!({})).await;
            sleep(Duration::from_secs(5)).await;
            result
        }))
        .build()
        .unwrap();
    let running = begin(&server, "calls");
    sleep(Duration::from_secs(1)).await;
    let inner = ended.lock().unwrap().clone().unwrap();
    assert!(!inner.has_ended());
    sleep(Duration::from_secs(2)).await;
    assert!(inner.has_ended(), "though the call goes on that called it");
    let Outcome::Result(result) = running.await.unwrap() else { panic!() };
    assert_eq!(text(&value(&result)), "timed out after 2 s");
    // Cancelling the outer call cancels the inner one.
    drop(start(&server, Method::ToolsCall, &json!({"name": "calls"}), modern()));
    assert!(ended.lock().unwrap().clone().unwrap().has_ended());
    let _ = outcome(&server, Method::ToolsList, json!({}), modern()).await;
}

#[tokio::test]
async fn a_called_tool_is_seen_by_those_only_who_may_see_it() {
    let calls = async |_: NoArguments, context: Context| {
        context.call("secret", &json!({})).await.map(|result| result.words())
    };
    let server = Server::builder("s", "1")
        .tool(
            Tool::new("secret")
                .visible_to(|principal| principal.name() == Some("ann"))
                .run(async |_: NoArguments, _: Context| "treasure"),
        )
        .tool(Tool::new("calls").run(calls))
        .build()
        .unwrap();
    for (name, expected) in [("ann", "treasure"), ("eve", "unknown tool: secret")] {
        let caller = anyport_service::Context::new(Principal::named(name), Revision::NEWEST);
        let told = result(&server, Method::ToolsCall, json!({"name": "calls"}), caller).await;
        assert_eq!(text(&told), expected);
    }
}

#[tokio::test]
async fn tools_of_mounted_servers_are_called_and_call_their_own() {
    let inner = nesting().build().unwrap();
    let server = Server::builder("outer", "1")
        .mount("in", inner)
        .tool(Tool::new("clean").run(async |_: NoArguments, context: Context| {
            context.call("in_delete", &json!({})).await.map(|result| result.words())
        }))
        .tool(Tool::new("four").run(async |_: NoArguments, context: Context| {
            context.call("in_quadruple", &json!({"n": 1})).await
        }))
        .build()
        .unwrap();
    let four = call(&server, "four", json!({})).await;
    assert_eq!(four["structuredContent"], json!({"n": 4}));
    let mut params = json!({"name": "clean"});
    for (name, key) in [("a", "in_delete/confirm/ok"), ("b", "in_delete/confirm#2/ok")] {
        let (questions, state) = asked(&server, Method::ToolsCall, params, modern()).await;
        assert_eq!(questions[key]["params"]["message"], format!("Delete {name}?"), "{questions}");
        let answer = json!({key: {"action": "accept", "content": {"name": name}}});
        params = json!({"name": "clean", "inputResponses": answer, "requestState": state});
    }
    assert_eq!(text(&result(&server, Method::ToolsCall, params, modern()).await), "7 a b");
}

#[tokio::test]
async fn blocking_functions_that_call_blocking_functions_do_not_wait_for_each_other() {
    let calls = |name: &str, called: &'static str| {
        Tool::new(name).run_blocking(move |_: NoArguments, context: Context| {
            let call = |tool: &str| context.call(tool, &json!({}));
            let both = async { tokio::join!(call(called), call(called)) };
            let (one, two) = context.block_on(both).map_err(|error| error.to_string())?;
            let words = |called: Result<ToolResult, CallError>| called.map_err(|error| error.to_string());
            Ok::<_, String>(format!("{}{}", words(one)?.words(), words(two)?.words()))
        })
    };
    let server = Server::builder("s", "1")
        .max_blocking(2)
        .max_blocking_waiting(100)
        .tool(calls("top", "middle"))
        .tool(calls("middle", "bottom"))
        .tool(Tool::new("bottom").run_blocking(|_: NoArguments, _: Context| "x"))
        .build()
        .unwrap();
    let running: Vec<_> = (0..6).map(|_| begin(&server, "top")).collect();
    for running in running {
        let ended = tokio::time::timeout(Duration::from_secs(20), running).await;
        let Outcome::Result(result) = ended.expect("they wait for each other").unwrap() else { panic!() };
        assert_eq!(text(&value(&result)), "xxxx");
    }
}

#[tokio::test]
async fn a_blocking_function_that_asks_where_nobody_can_answer_is_not_waited_for() {
    let (tell, mut told) = tokio::sync::mpsc::unbounded_channel();
    let asks = Tool::new("asks").run_blocking(move |_: NoArguments, context: Context| {
        let answer = context.block_on(context.ask("q", Form::<Name>::new("Who?")));
        tell.send(answer.is_err()).unwrap();
        answer.map(|_| "answered")
    });
    let server = Server::builder("s", "1")
        .tool(asks)
        .tool(Tool::new("once").run(async |_: NoArguments, context: Context| {
            context.once("k", async { context.call("asks", &json!({})).await.is_ok() }).await;
        }))
        .tool(Tool::new("detached").run(async |_: NoArguments, context: Context| {
            let inner = context.clone();
            context.spawn_background(async move { drop(inner.call("asks", &json!({})).await) })
        }))
        .build()
        .unwrap();
    let in_once = error(&server, Method::ToolsCall, json!({"name": "once"}), modern());
    let fault = tokio::time::timeout(Duration::from_secs(20), in_once).await.expect("it waits for ever");
    assert!(fault.message.contains("inside of `once`"), "{fault}");
    assert!(told.recv().await.unwrap());
    call(&server, "detached", json!({})).await;
    let ended = tokio::time::timeout(Duration::from_secs(20), told.recv()).await;
    assert!(ended.expect("it waits for ever").unwrap());
}

#[tokio::test]
async fn a_call_whose_handler_panics_is_over() {
    let kept = Arc::new(Mutex::new(None));
    let keep = kept.clone();
    let server = Server::builder("s", "1")
        .tool(Tool::new("panics").run(move |_: NoArguments, context: Context| {
            *keep.lock().unwrap() = Some(context);
            async {
                if true {
                    panic!("at once")
                }
            }
        }))
        .build()
        .unwrap();
    let server = CatchPanic::new(server);
    let caller = with_meta(&json!({"progressToken": "t"}));
    let failed = error(&server, Method::ToolsCall, json!({"name": "panics"}), caller).await;
    assert_eq!(failed.code, -32603);
    let left: Context = kept.lock().unwrap().take().unwrap();
    assert!(left.has_ended());
    // What it left behind does not wait for a reader that will never come.
    let telling = async {
        for step in 1..100 {
            left.progress(f64::from(step), None, None).await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(5), telling).await.is_ok());
}
