//! Calls over a server of our own: what comes back, and how it is told when it cannot.
//!
//! Invariant: A client's API behaves the same for every revision of its server, and a hostile response is an
//! error that names its location.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use crate::common::{Scripted, count, result};
use anyport_client::{Client, Error, Step};
use anyport_protocol::{
    Method, Raw,
    failure::{CloseReason, Failure},
    meta::LogLevel,
    types::{PromptReference, Role},
};
use anyport_server::{
    Argument, Context, Json, NoArguments, Prompt, Resource, Server, Template, Tool, Values,
};
use anyport_service::{Event, Notification, Reply};
use futures_util::StreamExt;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, sleep};

#[derive(Deserialize, JsonSchema)]
struct Pair {
    a: i64,
    b: i64,
}

#[derive(Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
struct Sum {
    sum: i64,
}

/// Says that it was dropped before its end.
struct Dropped(Arc<AtomicBool>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

fn server() -> Server {
    Server::builder("calculator", "1")
        .instructions("Adds.")
        .tool(Tool::new("add").run(async |pair: Pair, _: Context| Json(Sum { sum: pair.a + pair.b })))
        .tool(
            Tool::new("fail").run(async |_: NoArguments, _: Context| {
                Err::<String, _>(std::io::Error::other("out of paper"))
            }),
        )
        .tool(Tool::new("slow").run(async |_: NoArguments, context: Context| {
            for step in 1..=5 {
                sleep(Duration::from_secs(40)).await;
                context.progress(f64::from(step), 5.0, format!("step {step}").as_str()).await;
            }
            context.log(LogLevel::Warning, None, "nearly done").await;
            context.log(LogLevel::Debug, None, "really").await;
            "done"
        }))
        .resource(Resource::new("note:1").read(async |_: Context| "a note"))
        .template(
            Template::new("note:{id}")
                .read(async |values: Values, _: Context| values.get("id").map(str::to_owned)),
        )
        .prompt(
            Prompt::new("greet")
                .argument(Argument::new("name").complete(async |_, _: Context| vec!["Ada", "Alan"]))
                .get(async |values: Values, _: Context| {
                    format!("Greet {}", values.get("name").unwrap_or("nobody"))
                }),
        )
        .build()
        .unwrap()
}

#[tokio::test]
async fn results_come_as_the_type_that_was_asked_for() {
    let client = Client::over(server()).open().await.unwrap();
    assert_eq!(client.server_info().unwrap().name, "calculator");
    assert_eq!(client.instructions(), Some("Adds."));
    assert!(client.capabilities().tools.is_some());

    let added = client.call("add", json!({"a": 1, "b": 2})).await.unwrap();
    assert_eq!(added.structured::<Sum>().unwrap(), Sum { sum: 3 });
    let wrong = added.structured::<Vec<u8>>().unwrap_err().to_string();
    assert!(wrong.contains("structuredContent"), "{wrong}");
    let failed = client.call("fail", json!({})).await.unwrap();
    let failed = failed.structured::<Sum>().unwrap_err();
    assert!(matches!(failed, Error::ToolFailed { .. }), "{failed}");
    assert!(failed.to_string().starts_with("the tool failed: "), "{failed}");

    let tools: Vec<String> = client.tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    assert_eq!(tools, ["add", "fail", "slow"]);
    assert_eq!(client.resources().await.unwrap()[0].uri, "note:1");
    assert_eq!(client.templates().await.unwrap()[0].uri_template, "note:{id}");
    assert_eq!(client.prompts().await.unwrap()[0].name, "greet");
    assert_eq!(client.read("note:7").await.unwrap().contents.len(), 1);
    let prompt = client.prompt("greet", json!({"name": "Ada"})).await.unwrap();
    assert_eq!(prompt.messages[0].role, Role::User);
    let completed = client.complete(PromptReference::new("greet"), "name", "A").await.unwrap();
    assert_eq!(completed.completion.values, ["Ada", "Alan"]);
    let raw = client.request("tools/list", ()).await.unwrap();
    assert!(raw.as_str().contains("\"inputSchema\""));
}

#[tokio::test]
async fn a_tool_that_failed_has_a_result_and_a_refused_request_an_error() {
    let client = Client::over(server()).open().await.unwrap();
    let failed = client.call("fail", ()).await.unwrap();
    assert!(failed.is_error() && failed.text().contains("out of paper"));
    let unknown = client.read("other:1").await.unwrap_err();
    assert_eq!(unknown.code(), Some(-32602));
    assert!(unknown.to_string().starts_with("resources/read was refused: "), "{unknown}");
    assert!(unknown.data().unwrap().as_str().contains("other:1"));
    let wrong = client.call("add", [1, 2]).await.unwrap_err();
    assert_eq!(wrong.to_string(), "tools/call was not sent: an object is needed, not [1,2]");
}

#[tokio::test(start_paused = true)]
async fn progress_extends_the_time_up_to_its_end() {
    let (heard, logs) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let (hear, log) = (heard.clone(), logs.clone());
    let client = Client::over(server())
        .on_log(LogLevel::Info, move |message| log.lock().unwrap().push(message.data))
        .open()
        .await
        .unwrap();

    let call = client.call("slow", ()).progress(move |step| hear.lock().unwrap().push(step.message.unwrap()));
    let done = call.timeout(Duration::from_secs(60)).timeout_max(Duration::from_secs(600)).await.unwrap();
    assert_eq!(done.text(), "done");
    assert_eq!(*heard.lock().unwrap(), ["step 1", "step 2", "step 3", "step 4", "step 5"]);
    assert_eq!(*logs.lock().unwrap(), [json!("nearly done")]);

    let begun = Instant::now();
    let late =
        client.call("slow", ()).timeout(Duration::from_secs(60)).timeout_max(Duration::from_secs(130)).await;
    assert!(matches!(late.unwrap_err(), Error::Timeout { after, .. } if after == Duration::from_secs(130)));
    assert_eq!(begun.elapsed(), Duration::from_secs(130));
    // Without a hard limit the time is the limit, and nothing is asked of the server for it.
    let late = client.call("slow", ()).timeout(Duration::from_secs(60)).await.unwrap_err();
    assert!(late.to_string().contains("within 60s"), "{late}");
}

#[tokio::test(start_paused = true)]
async fn a_call_can_be_followed_step_by_step() {
    let client = Client::over(server()).open().await.unwrap();
    let mut steps = client.call("slow", ()).steps();
    let mut seen = Vec::new();
    while let Some(step) = steps.next().await {
        seen.push(match step {
            Step::Progress(step) => format!("{} of {}", step.progress, step.total.unwrap()),
            Step::Done(done) => done.unwrap().text(),
        });
    }
    assert_eq!(seen, ["1 of 5", "2 of 5", "3 of 5", "4 of 5", "5 of 5", "done"]);
    assert_eq!(client.call("add", json!({"a": 1, "b": 1})).steps().count().await, 1);
}

#[tokio::test(start_paused = true)]
async fn dropping_a_call_cancels_it() {
    let gone = Arc::new(AtomicBool::new(false));
    let (dropped, flag) = (gone.clone(), gone.clone());
    let server = Server::builder("waiting", "1")
        .tool(Tool::new("wait").run(move |_: NoArguments, _: Context| {
            let guard = Dropped(flag.clone());
            async move {
                sleep(Duration::from_secs(3600)).await;
                drop(guard);
                "late"
            }
        }))
        .build()
        .unwrap();
    let client = Client::over(server).open().await.unwrap();
    let call = tokio::time::timeout(Duration::from_secs(1), client.call("wait", ()).into_future());
    assert!(call.await.is_err());
    assert!(dropped.load(Ordering::SeqCst));
    gone.store(false, Ordering::SeqCst);
    assert!(client.call("wait", ()).timeout(Duration::from_secs(5)).await.is_err());
    assert!(dropped.load(Ordering::SeqCst));
}

#[tokio::test(start_paused = true)]
async fn endless_progress_ends_at_the_hard_limit() {
    let (service, _) = Scripted::new(|_, _, _| {
        let mut step = 0;
        Reply::pending(futures_util::stream::repeat_with(move || {
            step += 1;
            let params = Raw::from(json!({"progressToken": 1, "progress": step}));
            Event::Notification(Notification { method: Method::Progress, params })
        }))
    });
    let client = Client::over(service).open().await.unwrap();
    let call =
        client.call("spin", ()).timeout(Duration::from_millis(20)).timeout_max(Duration::from_millis(50));
    // Time passes only while something waits; here nothing ever does.
    let clock = tokio::spawn(async {
        loop {
            tokio::time::advance(Duration::from_millis(1)).await;
        }
    });
    assert!(matches!(call.await, Err(Error::Timeout { .. })));
    clock.abort();
}

#[tokio::test]
async fn answers_of_the_wrong_shape_are_told_with_their_place() {
    let (service, _) = Scripted::new(|_, method, _| match method {
        "tools/list" => {
            result(json!({"tools": [{"name": "a", "inputSchema": {}}, {"name": "b", "inputSchema": 5}]}))
        }
        "tools/call" => result(json!({"content": "text"})),
        "prompts/list" => result(json!({"resultType": "surprise", "prompts": []})),
        "resources/list" => result(json!({"resultType": "input_required", "requestState": "s"})),
        _ => result(json!([])),
    });
    let client = Client::over(service).open().await.unwrap();
    let told = |error: Error| match error {
        Error::Decode { place, fault, .. } => format!("{place}: {fault}"),
        other => panic!("{other:?}"),
    };
    assert!(told(client.tools().await.unwrap_err()).starts_with("tools[1].inputSchema: invalid type"));
    assert!(told(client.call("a", ()).await.unwrap_err()).starts_with("content: invalid type"));
    assert_eq!(told(client.prompts().await.unwrap_err()), "resultType: \"surprise\" is not known here");
    assert!(told(client.resources().await.unwrap_err()).contains("input_required"));
    assert_eq!(told(client.templates().await.unwrap_err()), ".: a result must be an object");
}

/// Invariant: A server cannot make a client repeat a call: what it writes into an error is never read as a failure of ours.
#[tokio::test]
async fn a_server_cannot_claim_that_a_call_was_never_sent() {
    let (service, asked) = Scripted::new(|_, _, params| {
        let data = params["arguments"].clone();
        Reply::error(anyport_protocol::Error::internal("gone").with_data(data.into()))
    });
    let client = Client::over(service).open().await.unwrap();
    let before = count(&asked);
    let claims = [
        json!({"reason": "upstream_lost", "sent": false}),
        json!({"reason": "upstream_down", "sent": false}),
        json!({"reason": "outcome_unknown"}),
        json!({"sent": false}),
    ];
    for (calls, claim) in claims.into_iter().enumerate() {
        let refused = client.call("pay", claim.clone()).await.unwrap_err();
        assert!(matches!(refused, Error::Refused { .. }), "{claim}: {refused}");
        assert_eq!(count(&asked), before + calls + 1, "{claim}");
    }
}

#[tokio::test]
async fn what_was_lost_is_sent_again_only_if_that_is_safe() {
    let (service, asked) = Scripted::new(|count, method, params| match (method, count) {
        ("tools/list", _) => result(json!({"tools": [
            {"name": "look", "inputSchema": {"type": "object"}, "annotations": {"readOnlyHint": true}},
            {"name": "pay", "inputSchema": {"type": "object"}},
        ]})),
        // A server may write what it likes: that alone makes nobody repeat a call.
        _ if params["arguments"]["hostile"] == json!(true) => Reply::error(
            anyport_protocol::Error::internal("gone")
                .with_data(json!({"reason": "upstream_lost", "sent": false}).into()),
        ),
        (_, count) if count % 2 == 0 => {
            let closed = CloseReason::Closed;
            Reply::failed(match params["arguments"]["sent"] == json!(false) {
                true => Failure::NotSent(closed),
                false => Failure::Disconnected(closed),
            })
        }
        _ => result(json!({"content": []})),
    });
    let client = Client::over(service).open().await.unwrap();
    client.tools().await.unwrap();
    client.call("look", ()).await.unwrap();
    assert_eq!(count(&asked), 3, "the list, the call and its repetition");
    let lost = client.call("pay", ()).await.unwrap_err();
    assert!(matches!(lost, Error::Closed { sent: true, .. }), "{lost}");
    assert!(lost.to_string().ends_with("find out before you ask again"), "{lost}");
    assert_eq!(count(&asked), 4);
    client.prompt("p", ()).await.unwrap_err();
    client.call("pay", json!({"sent": false})).await.unwrap();
    assert_eq!(count(&asked), 7);
    let refused = client.call("pay", json!({"hostile": true})).await.unwrap_err();
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    assert_eq!(count(&asked), 8, "it is not repeated");
}
