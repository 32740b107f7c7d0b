//! Codes of errors: those of this interface at `/mcp/call`, and none of them at `/mcp`.

use std::{num::NonZeroU32, time::Duration};

use anyport::{
    BuildError, Context, Revision, Server, Service, Tool,
    error::{ContextError, PermissionDenied, StateError},
    http,
    layer::{CatchPanic, ConcurrencyLimit, Middleware, Quota, RateLimit, Timeout},
    middleware::Next,
    protocol::{Error, Reason},
    server::NoArguments,
    service::Outcome,
    with_legacy_clients,
};
use anyport_testing::Wire;
use anyport_tests::{
    everything::{Probe, server},
    plain::Plain,
    site::{Site, Way},
};
use serde_json::{Value, json};

use super::{config, sites};

/// Tools that fail in ways that the server of everything has not.
fn failing() -> Result<Server, BuildError> {
    Server::builder("failing", "1")
        .tool(
            Tool::new("forbid")
                .run(async |_: NoArguments, _: Context| Err::<(), _>(PermissionDenied::new("no"))),
        )
        .tool(
            Tool::new("context")
                .run(async |_: NoArguments, _: Context| Err::<(), _>(ContextError::new("no"))),
        )
        .tool(Tool::new("state").run(async |_: NoArguments, _: Context| Err::<(), _>(StateError::new("no"))))
        .tool(
            Tool::new("panic")
                .run(async |_: NoArguments, _: Context| -> String { panic!("the secret 4711") }),
        )
        .mount("", server(&Probe::default())?)
        .build()
}

fn service() -> impl Service {
    CatchPanic::new(with_legacy_clients(failing().unwrap()))
}

/// What fails: the tool, its arguments, the code and what the message begins with.
fn failures() -> Vec<(&'static str, Value, i64, &'static str)> {
    vec![
        ("great", json!({}), -32601, "unknown tool: great; there is greet"),
        (
            "tools/call",
            json!({}),
            -32601,
            "unknown tool: tools/call; \"method\" is the name of a tool here, MCP is at /mcp",
        ),
        ("greet", json!({}), -32602, "invalid arguments for greet: missing: name"),
        (
            "greet",
            json!({"name": "Ada", "times": 9}),
            -32602,
            "invalid arguments for greet: times: expected at most 3",
        ),
        ("travel", json!({}), -32001, "invalid arguments: day: expected a day to come, got 2020-01-01"),
        ("find", json!({"id": 7}), -32002, "not found: note 7"),
        ("forbid", json!({}), -32003, "permission denied: no"),
        ("hurry", json!({}), -32004, "rate limited: try again in 30 s"),
        ("fail", json!({}), -32000, "there is no ink left"),
        ("port", json!({"port": "x", "of": 5}), -32000, "invalid digit found in string"),
        ("hang", json!({}), -32000, "timed out after "),
        ("context", json!({}), -32000, "wrong context: no"),
        ("state", json!({}), -32000, "wrong state: no"),
        ("ask", json!({}), -32000, "the tool asks its client"),
        ("sample", json!({}), -32000, "the tool asks its client"),
        ("together", json!({}), -32000, "the tool asks its client"),
        ("refuse", json!({}), 4711, "not today"),
        ("inside", json!({}), -32603, "internal error"),
        ("panic", json!({}), -32603, "the handler failed; the server's log says why"),
    ]
}

#[tokio::test]
async fn every_failure_has_its_code_and_its_words() {
    for (_site, plain) in sites(service, config()).await {
        for (name, arguments, code, words) in failures() {
            let answer = plain.tool(name, &arguments).await.unwrap();
            let json = answer.json();
            assert_eq!((answer.code(), &json["id"]), (Some(code), &json!(name)), "{json}");
            assert!(json["error"]["message"].as_str().unwrap().starts_with(words), "{json}");
            assert_eq!(answer.status, if code == -32004 { 429 } else { 200 }, "{json}");
            assert!(json.get("result").is_none());
            assert!(!answer.body.contains("secret") && !answer.body.contains("/var/db"), "{json}");
        }
    }
}

#[tokio::test]
async fn data_says_to_programs_what_the_message_says_to_people() {
    for (_site, plain) in sites(service, config()).await {
        let data = async |name: &str, arguments: Value| {
            plain.tool(name, &arguments).await.unwrap().json()["error"]["data"].clone()
        };
        let wrong = data("greet", json!({"nome": "Ada", "times": 9})).await;
        let faults = wrong["faults"].as_array().unwrap();
        assert_eq!((wrong["reason"].as_str(), faults.len()), (Some("validation"), 3), "{wrong}");
        assert_eq!((&wrong["field"], &wrong["expected"]), (&faults[0]["field"], &faults[0]["expected"]));
        assert_eq!(wrong["field"], "name");
        let day = json!({"field": "day", "expected": "a day to come", "got": "2020-01-01"});
        let mut all = day.clone();
        all["reason"] = "validation".into();
        all["faults"] = json!([day]);
        assert_eq!(data("travel", json!({})).await, all);
        assert_eq!(data("great", json!({})).await, json!({"reason": "unknown_tool"}));
        assert_eq!(data("find", json!({"id": 7})).await, json!({"reason": "not_found"}));
        assert_eq!(data("hurry", json!({})).await, json!({"reason": "rate_limited", "retryAfterMs": 30_000}));
        assert_eq!(data("fail", json!({})).await, json!({"reason": "tool_execution"}));
        assert_eq!(data("refuse", json!({})).await, json!({"until": "noon"}));
        assert_eq!(data("ask", json!({})).await["reason"], "asks");
        assert_eq!(data("panic", json!({})).await, Value::Null);
        let hurry = plain.tool("hurry", &json!({})).await.unwrap();
        assert_eq!(hurry.header("retry-after"), Some("30"));
    }
}

/// The same failures at `/mcp`, in every revision: a tool that fails is a result, and the codes of this interface do not
/// exist.
///
/// Invariant: The codes of the REST interface never appear at the MCP endpoint.
#[tokio::test]
async fn at_the_mcp_endpoint_only_codes_of_the_revision_are_told() {
    for site in
        [Site::listen(service(), config()).await.unwrap(), Site::mount(service(), config()).await.unwrap()]
    {
        for revision in Revision::ALL {
            let mut wire = Wire::over(site.link(Way::Http, &site.remote()).await.unwrap());
            wire.open(revision).await.unwrap();
            for (name, arguments, plain, _) in failures() {
                let answer =
                    wire.call("tools/call", json!({"name": name, "arguments": arguments})).await.unwrap();
                let code = answer.outcome.as_ref().err().map(|refusal| refusal.code);
                let expected: &[Option<i64>] = match plain {
                    -32601 => &[Some(-32602)],
                    // 2025-06-18, server/tools §Error Handling, has "Invalid arguments" among the protocol errors.
                    -32602 if revision < Revision::V2025_11_25 => &[Some(-32602)],
                    // A client that declares nothing: 2026-07-28, basic §_meta. Older ones read it as a failure of the tool.
                    -32000 if matches!(name, "ask" | "sample" | "together") && revision.is_stateless() => {
                        &[Some(-32021)]
                    }
                    -32603 | 4711 => &[Some(plain)],
                    _ => &[None],
                };
                assert!(expected.contains(&code), "{revision} {name}: {answer:?}");
                if let Ok(result) = &answer.outcome {
                    assert_eq!(result["isError"], true, "{revision} {name}: {result}");
                }
            }
        }
    }
}

/// The refusal of one call more than may be made. A second after the last one another may be, and a busy machine may take
/// that long between two: then it is made again.
async fn refused(plain: &Plain, body: &str) -> anyport_tests::plain::Response {
    for _ in 0..100 {
        let answer = plain.post(body).await.unwrap();
        if answer.body.contains("\"error\"") {
            return answer;
        }
    }
    panic!("it is never refused");
}

#[tokio::test]
async fn what_stands_around_the_service_refuses_here_as_well() {
    let plain = || with_legacy_clients(server(&Probe::default()).unwrap());
    let error = |answer: &anyport_tests::plain::Response| {
        let error = answer.json()["error"].clone();
        (error["code"].as_i64().unwrap(), error["data"]["reason"].as_str().unwrap().to_owned(), answer.status)
    };
    let slow = || Timeout::new(plain(), Duration::from_millis(20));
    for (_site, plain) in sites(slow, config()).await {
        let answer = plain.tool("wait", &json!({})).await.unwrap();
        assert_eq!(error(&answer), (-32000, "timeout".into(), 200));
        assert!(answer.body.contains("the call took longer than 20 ms (call_timeout)"));
    }
    let quota = Quota::default().per_second(NonZeroU32::MIN).burst(NonZeroU32::MIN);
    for (_site, plain) in sites(|| RateLimit::new(plain(), quota), config()).await {
        assert_eq!(plain.tool("number", &json!({})).await.unwrap().json()["result"], 5);
        let answer = refused(&plain, r#"{"method":"number"}"#).await;
        assert_eq!(error(&answer), (-32004, "rate_limited".into(), 429));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let several = refused(&plain, r#"[{"method":"number"}]"#).await;
        assert_eq!((several.status, &several.json()[0]["error"]["code"]), (200, &json!(-32004)));
    }
    for (_site, plain) in sites(|| ConcurrencyLimit::new(plain(), 0), config()).await {
        let answer = plain.tool("number", &json!({})).await.unwrap();
        assert_eq!(error(&answer), (-32603, "overloaded".into(), 503));
        assert_eq!(answer.header("retry-after"), Some("1"));
        let list = plain.ask("GET", "/mcp/tools", "").await.unwrap();
        assert_eq!(
            (error(&list), list.header("retry-after")),
            ((-32603, "overloaded".into(), 503), Some("1"))
        );
    }
    let closed = || {
        Middleware::new(plain(), async |_, _: Next| -> Outcome {
            Error::internal("not on a Saturday").with_reason(Reason::Forbidden).into()
        })
    };
    for (_site, plain) in sites(closed, config()).await {
        assert_eq!(
            error(&plain.tool("number", &json!({})).await.unwrap()),
            (-32003, "forbidden".into(), 200)
        );
        let list = plain.ask("GET", "/mcp/tools", "").await.unwrap();
        assert_eq!(error(&list), (-32003, "forbidden".into(), 403));
    }
}

#[tokio::test]
async fn a_service_without_tools_has_none() {
    let empty = || Server::builder("empty", "1").build().unwrap();
    for (_site, plain) in sites(empty, http::Config::default().rest(true)).await {
        let plain: Plain = plain;
        let answer = plain.tool("number", &json!({})).await.unwrap();
        assert_eq!((answer.status, answer.code()), (200, Some(-32601)), "{}", answer.body);
        let list = plain.ask("GET", "/mcp/tools", "").await.unwrap();
        assert_eq!((list.status, &*list.body), (200, r#"{"tools":[]}"#));
    }
}
