//! Start and stop, background work, and middleware.
//!
//! Invariant: A server's start and stop hooks run once, however often it is started and stopped.

use std::{
    future::pending,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::common::{all, call, error, modern, outcome, raw, result, start, text, value, with_meta};
use anyport_layers::{Call, Next};
use anyport_protocol::{Error, Method, jsonrpc::Reason};
use anyport_server::{
    BackgroundError, Builder, Context, Json, NoArguments, NotFound, PermissionDenied, Server, StartError,
    Tool, ToolError,
};
use anyport_service::{Event, Outcome, Principal, Service as _};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// What happened, in order.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<&'static str>>>);

impl Diary {
    fn note(&self, what: &'static str) {
        self.0.lock().unwrap().push(what);
    }

    fn read(&self) -> Vec<&'static str> {
        self.0.lock().unwrap().clone()
    }

    /// A builder whose server notes its start and stop.
    fn hooks(&self, names: [&'static str; 2], builder: Builder) -> Builder {
        let [start, stop] = names;
        let (starting, stopping) = (self.clone(), self.clone());
        let builder = builder.on_start(move |_| {
            let diary = starting.clone();
            async move {
                sleep(Duration::from_secs(1)).await;
                diary.note(start);
                Ok::<_, String>(())
            }
        });
        builder.on_stop(move |_| {
            let diary = stopping.clone();
            async move { diary.note(stop) }
        })
    }
}

fn builder() -> Builder {
    Server::builder("life", "1").tool(Tool::new("ping").run(async |_: NoArguments, _: Context| "pong"))
}

#[tokio::test(start_paused = true)]
async fn hooks_run_once_in_order_and_in_reverse_however_many_call() {
    let diary = Diary::default();
    let server = diary.hooks(["one", "1"], builder());
    let server = diary.hooks(["two", "2"], server).build().unwrap();
    let clone = server.clone();
    let (first, second) = tokio::join!(server.start(), clone.start());
    assert_eq!((first, second, server.start().await), (Ok(()), Ok(()), Ok(())));
    assert_eq!(diary.read(), ["one", "two"]);
    tokio::join!(server.stop(), clone.stop());
    server.stop().await;
    assert_eq!(diary.read(), ["one", "two", "2", "1"]);
    assert_eq!(server.start().await, Err(StartError::Stopped));
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_is_told_to_all_that_wait_and_goes_on_where_it_failed() {
    let diary = Diary::default();
    let tries = Arc::new(AtomicU32::new(0));
    let counted = tries.clone();
    let server = diary.hooks(["one", "1"], builder()).on_start(move |_| {
        let tried = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            sleep(Duration::from_secs(1)).await;
            match tried {
                0 => Err("no database"),
                1 => panic!("secret"),
                _ => Ok(()),
            }
        }
    });
    let server = diary.hooks(["two", "2"], server).build().unwrap();
    let (first, second) = tokio::join!(server.start(), server.start());
    assert_eq!(first.as_ref().unwrap_err().to_string(), "the server did not start: no database");
    assert_eq!((first, tries.load(Ordering::Relaxed)), (second, 1));
    assert!(matches!(server.start().await, Err(StartError::Hook { .. })), "it panics");
    assert_eq!(server.start().await, Ok(()));
    assert_eq!((diary.read(), tries.load(Ordering::Relaxed)), (vec!["one", "two"], 3));
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_starts_or_stops_its_own_server_does_not_wait_for_itself() {
    let other = builder().build().unwrap();
    let started = other.clone();
    let server = builder()
        .on_start(move |server: Server| {
            let other = started.clone();
            async move {
                // Another server is its own affair.
                other.start().await?;
                server.stop().await;
                assert!(matches!(server.start().await, Err(StartError::Hook { .. })));
                Ok::<_, StartError>(())
            }
        })
        .on_stop(|server: Server| async move { server.stop().await })
        .build()
        .unwrap();
    let lived = async { (server.start().await, server.stop().await) };
    let lived = tokio::time::timeout(Duration::from_secs(60), lived).await;
    assert_eq!(lived.expect("it waits for itself"), (Ok(()), ()));
    assert_eq!(other.start().await, Ok(()));
}

#[tokio::test(start_paused = true)]
async fn a_start_goes_on_when_its_caller_goes_away() {
    let diary = Diary::default();
    let server = diary.hooks(["one", "1"], builder()).build().unwrap();
    let hurried = tokio::time::timeout(Duration::from_millis(1), server.start()).await;
    assert!(hurried.is_err());
    assert_eq!(server.start().await, Ok(()));
    assert_eq!(diary.read(), ["one"]);
}

#[tokio::test(start_paused = true)]
async fn without_a_start_calls_work_and_the_stop_has_no_hooks() {
    let diary = Diary::default();
    let server = diary.hooks(["one", "1"], builder()).build().unwrap();
    assert_eq!(text(&call(&server, "ping", json!({})).await), "pong");
    server.stop().await;
    assert!(diary.read().is_empty());
    let listen = json!({"notifications": {"toolsListChanged": true}});
    let refused = error(&server, Method::Listen, listen, modern()).await;
    assert_eq!(refused.reason, Some(Reason::ShuttingDown));
}

/// A server whose tool detaches work that takes `seconds`, and notes when it is done.
fn detaching(builder: Builder, seconds: u64, diary: &Diary) -> Server {
    let diary = diary.clone();
    let detach = move |_: NoArguments, context: Context| {
        let (diary, detached) = (diary.clone(), context.clone());
        async move {
            context.spawn_background(async move {
                sleep(Duration::from_secs(seconds)).await;
                detached.progress(2.0, None, None).await;
                diary.note(if detached.has_ended() { "after the call" } else { "within the call" });
            })?;
            context.progress(1.0, None, None).await;
            Ok::<_, BackgroundError>("detached")
        }
    };
    builder.tool(Tool::new("detach").run(detach)).build().unwrap()
}

#[tokio::test(start_paused = true)]
async fn background_work_outlives_its_call_and_the_stop_waits_for_it() {
    let diary = Diary::default();
    let server = detaching(diary.hooks(["one", "stopped"], builder()), 5, &diary);
    server.start().await.unwrap();
    let caller = with_meta(&json!({"progressToken": "t"}));
    let (told, outcome) = all(start(&server, Method::ToolsCall, &json!({"name": "detach"}), caller)).await;
    assert_eq!(told.len(), 1, "what is told after the end goes nowhere");
    assert!(matches!(outcome, Outcome::Result(_)));
    let gauge = server.metrics().gauge("anyport_background_running", "");
    assert_eq!(gauge.value(), 1);
    let begun = Instant::now();
    server.stop().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    assert_eq!(diary.read(), ["one", "after the call", "stopped"]);
    assert_eq!(gauge.value(), 0);
    let refused = call(&server, "detach", json!({})).await;
    assert_eq!(text(&refused), "the server has stopped");
}

#[tokio::test(start_paused = true)]
async fn the_stop_waits_no_longer_than_it_may_and_drops_what_runs() {
    let diary = Diary::default();
    let hooks = diary.hooks(["one", "stopped"], builder()).drain(Duration::from_secs(3));
    let server = detaching(hooks, 60, &diary);
    server.start().await.unwrap();
    call(&server, "detach", json!({})).await;
    let begun = Instant::now();
    server.stop().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(3));
    sleep(Duration::from_secs(100)).await;
    assert_eq!(diary.read(), ["one", "stopped"]);
}

#[tokio::test(start_paused = true)]
async fn background_work_outlives_a_cancelled_call() {
    let diary = Diary::default();
    let noted = diary.clone();
    let server = builder().tool(Tool::new("hang").run(move |_: NoArguments, context: Context| {
        let (diary, detached) = (noted.clone(), context.clone());
        async move {
            context.spawn_background(async move {
                sleep(Duration::from_secs(1)).await;
                diary.note(if detached.has_ended() { "cancelled" } else { "running" });
            })?;
            pending::<()>().await;
            Ok::<_, BackgroundError>("never")
        }
    }));
    let server = server.build().unwrap();
    drop(start(&server, Method::ToolsCall, &json!({"name": "hang"}), modern()));
    let running = start(&server, Method::ToolsCall, &json!({"name": "hang"}), modern());
    sleep(Duration::from_secs(2)).await;
    assert_eq!(diary.read(), ["cancelled", "running"]);
    drop(running);
}

#[tokio::test(start_paused = true)]
async fn background_work_is_bounded_and_neither_panics_nor_asks() {
    let server = builder()
        .max_background(1)
        .tool(Tool::new("panics").run(async |_: NoArguments, context: Context| {
            context.spawn_background(async { panic!("secret") }).map(|()| "detached")
        }))
        .tool(Tool::new("asks").run(async |_: NoArguments, context: Context| {
            let asking = context.clone();
            let ask = async move {
                asking.ask("q", anyport_protocol::types::ListRootsRequest::default()).await;
            };
            context.spawn_background(ask).map(|()| "detached")
        }))
        .tool(Tool::new("sleeps").run(async |_: NoArguments, context: Context| {
            context.spawn_background(sleep(Duration::from_secs(60))).map(|()| "detached")
        }))
        .build()
        .unwrap();
    let gauge = server.metrics().gauge("anyport_background_running", "");
    for tool in ["panics", "asks", "sleeps"] {
        assert_eq!(text(&call(&server, tool, json!({})).await), "detached");
        sleep(Duration::from_secs(1)).await;
        assert_eq!(gauge.value(), i64::from(tool == "sleeps"), "{tool}");
    }
    let refused = call(&server, "sleeps", json!({})).await;
    assert_eq!(refused["isError"], true);
    assert_eq!(text(&refused), "1 background futures are running (max_background); try again later");
    assert_eq!(server.metrics().refusals("max_background").value(), 1);
}

#[tokio::test(start_paused = true)]
async fn middleware_stands_around_every_call_outermost_first() {
    let diary = Diary::default();
    let around = |diary: &Diary, [before, after]: [&'static str; 2]| {
        let diary = diary.clone();
        move |call: Call, next: Next| {
            let diary = diary.clone();
            async move {
                diary.note(before);
                let outcome = next.run(call).await;
                diary.note(after);
                outcome
            }
        }
    };
    let server = builder()
        .middleware(around(&diary, ["outer", "/outer"]))
        .middleware(around(&diary, ["inner", "/inner"]))
        .middleware(async |call: Call, next: Next| match (call.principal().name(), call.known()) {
            (Some("eve"), Some(Method::ToolsCall)) => {
                Error::internal("not you").with_reason(Reason::Forbidden).into()
            }
            (_, Some(Method::Listen)) => next.run(call).await,
            _ => match next.run(call).await {
                Outcome::Error(_) => Error::internal("hidden").into(),
                outcome => outcome,
            },
        })
        .build()
        .unwrap();
    let request = anyport_service::Request::new(Method::ToolsCall, raw(&json!({"name": "ping"})));
    let ready = server.call(request, modern()).into_ready();
    assert!(matches!(ready, Ok(Outcome::Result(_))), "what is ready stays ready");
    assert_eq!(diary.read(), ["outer", "inner", "/inner", "/outer"]);
    let eve = anyport_service::Context::new(Principal::named("eve"), anyport_protocol::Revision::NEWEST);
    let refused = error(&server, Method::ToolsCall, json!({"name": "ping"}), eve).await;
    assert_eq!(refused.reason, Some(Reason::Forbidden));
    let changed = error(&server, Method::ToolsCall, json!({"name": "pong"}), modern()).await;
    assert_eq!(&*changed.message, "hidden");

    let listen = json!({"notifications": {"toolsListChanged": true}});
    let mut listening = start(&server, Method::Listen, &listen, modern());
    assert!(matches!(listening.next().await, Event::Notification(_)));
    server.events().tools_changed();
    assert!(matches!(listening.next().await, Event::Notification(_)));
    server.close();
    assert!(matches!(listening.next().await, Event::Outcome(Outcome::Result(_))));
}

/// A server with the tool `ping`, which no caller may use: `refuse` says why.
fn closed<E: std::fmt::Display + Send + 'static>(refuse: fn() -> E) -> Server {
    let refusing = move |call: Call, next: Next| async move {
        match call.known() {
            Some(Method::ToolsList) => Ok(next.run(call).await),
            _ => Err(refuse()),
        }
    };
    builder().middleware(refusing).build().unwrap()
}

#[tokio::test]
async fn middleware_refuses_tools_with_results_and_other_methods_with_errors() {
    let ping = || json!({"name": "ping"});
    let reason =
        |result: &serde_json::Value| result["_meta"][anyport_protocol::meta::key::ERROR]["reason"].clone();

    let server = closed(|| PermissionDenied::new("members only"));
    let refused = result(&server, Method::ToolsCall, ping(), modern()).await;
    assert_eq!((&refused["isError"], text(&refused)), (&json!(true), "permission denied: members only"));
    assert_eq!(reason(&refused), "permission_denied");
    assert!(!crate::common::server_info(&refused).is_null(), "it is the server's result");
    let get = error(&server, Method::PromptsGet, json!({"name": "p"}), modern()).await;
    assert_eq!((get.code, get.reason), (-32603, Some(Reason::Forbidden)));
    assert!(result(&server, Method::ToolsList, json!({}), modern()).await["tools"].is_array());

    let server = closed(|| NotFound::new("such a thing"));
    assert_eq!(reason(&result(&server, Method::ToolsCall, ping(), modern()).await), "not_found");
    let read = error(&server, Method::ResourcesRead, json!({"uri": "a:b"}), modern()).await;
    assert_eq!((read.code, &*read.message), (-32602, "resource not found: a:b: such a thing"));

    let server = closed(|| ToolError::from(PermissionDenied::new("no")).because("closed"));
    let refused = result(&server, Method::ToolsCall, ping(), modern()).await;
    assert_eq!(
        (text(&refused), reason(&refused)),
        ("closed: permission denied: no", json!("permission_denied"))
    );

    let server = closed(|| Error::new(4711, "not today"));
    assert_eq!(error(&server, Method::ToolsCall, ping(), modern()).await.code, 4711);
}

#[tokio::test]
async fn middleware_sees_tools_and_whether_they_failed() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let log = seen.clone();
    let server = Server::builder("s", "1")
        .tool(Tool::new("good").run(async |_: NoArguments, _: Context| "isError"))
        .tool(Tool::new("bad").run(async |_: NoArguments, _: Context| Err::<String, _>("no")))
        .middleware(move |call: Call, next: Next| {
            let log = log.clone();
            async move {
                let tool = call.tool();
                let outcome = next.run(call).await;
                log.lock().unwrap().push((tool.map(|tool| tool.to_string()), outcome.is_error()));
                outcome
            }
        })
        .build()
        .unwrap();
    for name in ["good", "bad", "unknown"] {
        outcome(&server, Method::ToolsCall, json!({"name": name}), modern()).await;
    }
    outcome(&server, Method::PromptsGet, json!({"name": "p"}), modern()).await;
    let named = |name: &str, failed| (Some(name.to_owned()), failed);
    let expected = [named("good", false), named("bad", true), named("unknown", true), (None, true)];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test(start_paused = true)]
async fn middleware_changes_arguments_before_they_are_validated_and_may_answer_by_itself() {
    #[derive(serde::Deserialize, serde::Serialize, schemars::JsonSchema)]
    struct Number {
        n: i64,
    }
    let runs = Arc::new(AtomicU32::new(0));
    let counted = runs.clone();
    let kept = Arc::new(Mutex::new(None));
    let server = Server::builder("cached", "1")
        .tool(Tool::new("double").run(move |Number { n }: Number, _: Context| {
            counted.fetch_add(1, Ordering::Relaxed);
            async move { Json(Number { n: 2 * n }) }
        }))
        .middleware(move |call: Call, next: Next| {
            let kept = kept.clone();
            async move {
                if let Some(outcome) = kept.lock().unwrap().clone() {
                    return outcome;
                }
                let outcome = next.run(call.with_arguments(&raw(&json!({"n": 4})))).await;
                *kept.lock().unwrap() = Some(outcome.clone());
                outcome
            }
        })
        .build()
        .unwrap();
    for _ in 0..2 {
        let call = json!({"name": "double", "arguments": {"n": "no number"}});
        let doubled = result(&server, Method::ToolsCall, call, modern()).await;
        assert_eq!(doubled["structuredContent"], json!({"n": 8}));
    }
    assert_eq!(runs.load(Ordering::Relaxed), 1);
    let Outcome::Result(list) = outcome(&server, Method::ToolsList, json!({}), modern()).await else {
        panic!()
    };
    assert_eq!(value(&list)["structuredContent"], json!({"n": 8}), "it stands around every method");
}

#[tokio::test]
async fn what_listen_streams_and_states_are_refused_is_counted() {
    let asks = async |_: NoArguments, context: Context| {
        context.once("long", async { "x".repeat(1_000) }).await;
        context.ask("roots", anyport_protocol::types::ListRootsRequest::default()).await;
    };
    let server = builder()
        .resource(anyport_server::Resource::new("a:r").read(async |_: Context| "r"))
        .tool(Tool::new("asks").run(asks))
        .max_listeners(2)
        .max_subscriptions(1)
        .max_subscription_bytes(200)
        .state_bytes(1_000)
        .build()
        .unwrap();
    let long = "a:".to_owned() + &"x".repeat(300);
    let listen = |uris: &[&str]| {
        let filter = json!({"notifications": {"resourceSubscriptions": uris}});
        start(&server, Method::Listen, &filter, modern())
    };
    let open = (listen(&["a:r", "a:s"]), listen(&[&long]), listen(&[]), listen(&[]));
    let asked = error(&server, Method::ToolsCall, json!({"name": "asks"}), modern()).await;
    assert!(asked.message.contains("state_bytes"), "{}", asked.message);
    for limit in ["max_listeners", "max_subscriptions", "max_subscription_bytes", "state_bytes"] {
        assert_eq!(server.metrics().refusals(limit).value(), 1, "{limit}");
    }
    drop(open);
}
