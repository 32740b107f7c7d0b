//! `tools/call`: arguments, results, headers, progress and logs.

use std::time::Duration;

use crate::common::{all, call, error, legacy, modern, outcome, result, start, text, with_meta};
use anyport_protocol::{
    Error, Method, Raw, Revision,
    jsonrpc::Reason,
    meta::LogLevel,
    param_header::ParamHeaders,
    types::{ContentBlock, ImageContent, ResourceContents, ResourceLink},
};
use anyport_server::{Context, Failure, Json, NoArguments, NotFound, Server, Tool, ToolResult};
use anyport_service::{Event, Outcome};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

#[derive(Deserialize, JsonSchema)]
struct Echo {
    text: String,
}

#[derive(Serialize, JsonSchema)]
struct Sum {
    value: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

#[derive(Deserialize, JsonSchema)]
struct Query {
    #[schemars(extend("x-mcp-header" = "Region"))]
    region: Option<String>,
    #[schemars(extend("x-mcp-header" = "Limit"))]
    limit: Option<i64>,
}

fn server() -> Server {
    Server::builder("tools", "1")
        .tool(Tool::new("echo").run(async |Echo { text }: Echo, _: Context| text))
        .tool(Tool::new("nothing").run(async |_: NoArguments, _: Context| ()))
        .tool(Tool::new("add").run(async |Add { a, b }: Add, _: Context| Json(Sum { value: a + b })))
        .tool(Tool::new("fail").run(async |_: NoArguments, _: Context| Err::<(), _>("no such city")))
        .tool(Tool::new("refuse").run(async |_: NoArguments, _: Context| -> Result<(), Failure> {
            Err(Error::new(-31000, "closed"))?;
            Ok(())
        }))
        .tool(Tool::new("mixed").run_raw(async |_: Raw, _: Context| {
            vec![
                ContentBlock::text("Multiple content types test:"),
                ContentBlock::image([1], "image/png"),
                ContentBlock::audio([2], "audio/wav"),
                ContentBlock::embedded(
                    ResourceContents::text("test://mixed", "{}").with_mime_type("application/json"),
                ),
            ]
        }))
        .tool(
            Tool::new("raw")
                .input_schema(json!({"type": "object", "properties": {"n": {"type": "integer"}}}))
                .output_schema(json!({"type": "object", "required": ["n"]}))
                .run_raw(async |arguments: Raw, _: Context| ToolResult::structured(&arguments)),
        )
        .tool(
            Tool::new("query")
                .run(async |Query { region, limit }: Query, _: Context| format!("{region:?} {limit:?}")),
        )
        .tool(Tool::new("progress").run(async |_: NoArguments, context: Context| {
            for progress in [0.0, 50.0, 50.0, 20.0, f64::NAN, 99.5, 100.0] {
                context.progress(progress, 100.0, None).await;
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            context.disconnect(Duration::from_millis(500)).await;
            "done"
        }))
        .tool(Tool::new("log").run(async |_: NoArguments, context: Context| {
            context.log(LogLevel::Info, None, "quiet").await;
            context.log(LogLevel::Error, "database", json!({"host": "a \"b\""})).await;
            "done"
        }))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_result_says_what_it_is_and_who_made_it() {
    assert_eq!(
        call(&server(), "echo", json!({"text": "a \"b\"\n"})).await,
        json!({
            "resultType": "complete",
            "content": [{"type": "text", "text": "a \"b\"\n"}],
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "tools", "version": "1"}},
        })
    );
    assert_eq!(call(&server(), "nothing", json!({})).await["content"], json!([]));
    let mixed = call(&server(), "mixed", json!({})).await;
    let types: Vec<&Value> =
        mixed["content"].as_array().unwrap().iter().map(|block| &block["type"]).collect();
    assert_eq!(types, ["text", "image", "audio", "resource"]);
}

#[tokio::test]
async fn results_of_many_shapes_are_blocks() {
    fn link() -> ResourceLink {
        ResourceLink::new("a:b", "b")
    }
    fn picture() -> ImageContent {
        ImageContent { data: "AQ==".into(), mime_type: "image/png".into(), ..Default::default() }
    }
    let server = Server::builder("shapes", "1")
        .tool(Tool::new("texts").run(async |_: NoArguments, _: Context| vec!["a".to_owned(), "b".to_owned()]))
        .tool(Tool::new("links").run(async |_: NoArguments, _: Context| vec![link(), link()]))
        .tool(Tool::new("none").run(async |_: NoArguments, _: Context| None::<Json<Sum>>))
        .tool(Tool::new("some").run(async |_: NoArguments, _: Context| Some(Json(Sum { value: 1 }))))
        .tool(Tool::new("pair").run(async |_: NoArguments, _: Context| (Json(Sum { value: 1 }), picture())))
        .tool(
            Tool::new("text")
                .run(async |_: NoArguments, _: Context| ("a", (picture(), Json(Sum { value: 1 })))),
        )
        .tool(Tool::new("failed").run(async |_: NoArguments, _: Context| {
            let failed: Result<String, NotFound> = Err(NotFound::new("b"));
            ("a", failed)
        }))
        .tool(Tool::new("block").run(async |_: NoArguments, _: Context| {
            ToolResult::structured(&Sum { value: 1 }).with_block(link())
        }))
        .build()
        .unwrap();
    let types = |result: &Value| -> Vec<String> {
        let blocks = result["content"].as_array().unwrap().iter();
        blocks.map(|block| block["type"].as_str().unwrap().to_owned()).collect()
    };
    for (name, blocks, structured) in [
        ("texts", &["text", "text"][..], Value::Null),
        ("links", &["resource_link", "resource_link"], Value::Null),
        ("none", &[], Value::Null),
        ("some", &["text"], json!({"value": 1})),
        ("pair", &["text", "image"], json!({"value": 1})),
        ("text", &["text", "image", "text"], json!({"value": 1})),
        ("block", &["text", "resource_link"], json!({"value": 1})),
    ] {
        let result = call(&server, name, json!({})).await;
        assert_eq!(
            (types(&result), &result["structuredContent"]),
            (blocks.iter().map(|&name| name.to_owned()).collect(), &structured),
            "{name}"
        );
    }
    let failed = call(&server, "failed", json!({})).await;
    assert_eq!(
        (&failed["isError"], types(&failed)),
        (&json!(true), vec!["text".to_owned(), "text".to_owned()])
    );
    assert_eq!(failed["_meta"]["dev.anyport/error"]["reason"], "not_found");
}

#[tokio::test]
async fn a_handler_that_needs_no_waiting_is_ready() {
    let params = json!({"name": "echo", "arguments": {"text": "x"}});
    assert!(start(&server(), Method::ToolsCall, &params, modern()).into_ready().is_ok());
}

#[tokio::test]
async fn structured_content_has_a_text_twin_and_a_schema() {
    let server = server();
    let sum = call(&server, "add", json!({"a": 1, "b": 2})).await;
    assert_eq!((&sum["structuredContent"], text(&sum)), (&json!({"value": 3}), r#"{"value":3}"#));
    let tools = result(&server, Method::ToolsList, json!({}), modern()).await;
    let add = tools["tools"].as_array().unwrap().iter().find(|tool| tool["name"] == "add").unwrap();
    assert_eq!(add["outputSchema"]["properties"]["value"]["type"], "integer");
    assert_eq!(add["outputSchema"]["type"], "object");
}

#[tokio::test]
async fn a_result_that_its_schema_does_not_describe_is_not_sent() {
    assert_eq!(call(&server(), "raw", json!({"n": 1})).await["structuredContent"], json!({"n": 1}));
    let failed = error(&server(), Method::ToolsCall, json!({"name": "raw"}), modern()).await;
    assert_eq!(
        (failed.code, &*failed.message),
        (-32603, "the tool's result is not what its output schema says: missing: n (required)")
    );
}

/// Says that its note is text, and writes null when there is none.
#[derive(Serialize, JsonSchema)]
struct Forgetful {
    #[serde(serialize_with = "forget")]
    note: String,
}

fn forget<S: serde::Serializer>(note: &str, serializer: S) -> Result<S::Ok, S::Error> {
    if note.is_empty() { serializer.serialize_none() } else { serializer.serialize_str(note) }
}

fn forgetful(change: impl Fn(Tool<()>) -> Tool<()>) -> Server {
    let run = async |Echo { text }: Echo, _: Context| Json(Forgetful { note: text });
    Server::builder("forgetful", "1").tool(change(Tool::new("note")).run(run)).build().unwrap()
}

/// Invariant: A structured result fits the listed schema, in every revision.
#[tokio::test]
async fn a_type_that_writes_something_else_than_its_schema_says_is_found_out() {
    let bad = json!({"name": "note", "arguments": {"text": ""}});
    let first = forgetful(|tool| tool);
    for _ in 0..20 {
        // Once found out, always checked.
        assert_eq!(error(&first, Method::ToolsCall, bad.clone(), modern()).await.code, -32603);
        call(&first, "note", json!({"text": "good"})).await;
    }
    let later = forgetful(|tool| tool);
    for _ in 0..16 {
        call(&later, "note", json!({"text": "good"})).await;
    }
    assert_eq!(call(&later, "note", json!({"text": ""})).await["structuredContent"], json!({"note": null}));
    let never = forgetful(|tool| tool.validate_output(false));
    assert_eq!(call(&never, "note", json!({"text": ""})).await["structuredContent"], json!({"note": null}));
    let always = forgetful(|tool| tool.validate_output(true));
    for _ in 0..16 {
        call(&always, "note", json!({"text": "good"})).await;
    }
    assert_eq!(error(&always, Method::ToolsCall, bad, modern()).await.code, -32603);
}

#[tokio::test]
async fn an_err_is_told_to_the_model_and_a_failure_is_a_protocol_error() {
    let told = call(&server(), "fail", json!({})).await;
    assert_eq!((text(&told), &told["isError"]), ("no such city", &json!(true)));
    let refused = error(&server(), Method::ToolsCall, json!({"name": "refuse"}), modern()).await;
    assert_eq!((refused.code, &*refused.message), (-31000, "closed"));
}

#[tokio::test]
async fn absent_arguments_are_none() {
    for params in [json!({"name": "nothing"}), json!({"name": "nothing", "arguments": null})] {
        assert_eq!(result(&server(), Method::ToolsCall, params, modern()).await["content"], json!([]));
    }
}

#[tokio::test]
async fn invalid_arguments_are_for_the_model_since_2025_11_25_and_an_error_before() {
    let server = server();
    let params = json!({"name": "add", "arguments": {"a": "one", "c": 3}});
    for revision in Revision::ALL {
        let context = if revision.is_stateless() { modern() } else { legacy(revision) };
        let (words, faults) = match outcome(&server, Method::ToolsCall, params.clone(), context).await {
            Outcome::Result(result) => {
                assert!(revision >= Revision::V2025_11_25, "{revision}");
                let result = crate::common::value(&result);
                assert_eq!(result["isError"], true);
                assert_eq!(
                    result["_meta"]["dev.anyport/error"],
                    json!({"reason": "validation", "by": "schema"})
                );
                (text(&result).to_owned(), result["_meta"]["dev.anyport/faults"].clone())
            }
            Outcome::Error(error) => {
                assert!(revision < Revision::V2025_11_25, "{revision}");
                assert_eq!(error.code, -32602);
                let data = crate::common::value(&error.data.unwrap());
                assert_eq!(data["reason"], "validation");
                (error.message.into_owned(), data["faults"].clone())
            }
            outcome => panic!("{outcome:?}"),
        };
        assert_eq!(
            words,
            "invalid arguments for add: missing: b (integer); a: expected integer, got \"one\"; \
             c: unknown field, did you mean a or b?"
        );
        assert_eq!(
            faults,
            json!([
                {"field": "b", "expected": "integer"},
                {"field": "a", "expected": "integer", "got": "\"one\""},
                {"field": "c", "expected": "the field a or b", "got": "an unknown field"},
            ])
        );
    }
    // What only the type knows.
    let large = call(&server, "add", json!({"a": 18_446_744_073_709_551_615u64, "b": 1})).await;
    assert_eq!(
        text(&large),
        "invalid arguments for add: a: expected i64, got 18446744073709551615",
        "{large}"
    );
}

#[tokio::test]
async fn lenient_arguments_are_given_to_the_handler_as_what_they_hold() {
    let echo = |tool: Tool<()>| {
        tool.input_schema(json!({"type": "object", "properties": {
            "n": {"type": "integer", "x-mcp-header": "N"}, "list": {"type": "array"}
        }}))
        .run_raw(async |arguments: Raw, _: Context| ToolResult::structured(&arguments))
    };
    let add = async |Add { a, b }: Add, _: Context| (a + b).to_string();
    let server = Server::builder("lenient", "1")
        .tool(Tool::new("add").coerce().run(add))
        .tool(Tool::new("strict").run(add))
        .tool(echo(Tool::new("echo").coerce_fields(["n"]).coerce_fields(["list"])))
        .build()
        .unwrap();
    let arguments = json!({"a": "1", "b": " 2 "});
    assert_eq!(text(&call(&server, "add", arguments.clone()).await), "3");
    assert_eq!(call(&server, "strict", arguments).await["isError"], true);
    let wrong = call(&server, "add", json!({"a": "yes", "b": "2"})).await;
    assert_eq!(text(&wrong), "invalid arguments for add: a: expected integer, got \"yes\"");
    // The header mirrors what was sent.
    let mut headers = ParamHeaders::default();
    headers.push("n".into(), b"5".to_vec());
    let request = json!({"name": "echo", "arguments": {"n": "5", "list": "[1]", "more": "6"}});
    let context = modern().with_param_headers(headers);
    let echoed = result(&server, Method::ToolsCall, request, context).await;
    assert_eq!(echoed["structuredContent"], json!({"n": 5, "list": [1], "more": "6"}));
}

#[tokio::test]
async fn requests_that_are_none_are_protocol_errors() {
    let server = server();
    let unknown = error(&server, Method::ToolsCall, json!({"name": "ehco"}), modern()).await;
    assert_eq!((unknown.code, &*unknown.message), (-32602, "unknown tool: ehco; there is echo"));
    assert_eq!(unknown.reason, Some(Reason::UnknownTool));
    for params in [json!({}), json!({"name": 5}), json!({"name": "echo", "arguments": []})] {
        assert_eq!(error(&server, Method::ToolsCall, params, modern()).await.code, -32602);
    }
    let request =
        anyport_service::Request { method: "unknown/method".into(), params: Raw::EMPTY_OBJECT.into() };
    let reply = anyport_service::Service::call(&server, request, modern());
    assert!(matches!(reply.outcome().await, Outcome::Error(error) if error.code == -32601));
    // A server without prompts has no such methods.
    assert_eq!(error(&server, Method::PromptsList, json!({}), modern()).await.code, -32601);
}

#[tokio::test]
async fn mirrored_headers_must_agree_with_the_arguments() {
    let server = server();
    let check = async |headers: &[(&str, &str)], arguments: Value| {
        let mut params = ParamHeaders::default();
        for (name, value) in headers {
            params.push((*name).into(), value.as_bytes().to_vec());
        }
        let context = modern().with_param_headers(params);
        let request = json!({"name": "query", "arguments": arguments});
        match outcome(&server, Method::ToolsCall, request, context).await {
            Outcome::Result(_) => Ok(()),
            Outcome::Error(error) => Err(error.code),
            outcome => panic!("{outcome:?}"),
        }
    };
    assert_eq!(check(&[("region", "eu")], json!({"region": "eu"})).await, Ok(()));
    assert_eq!(check(&[("limit", "42")], json!({"limit": 42})).await, Ok(()));
    assert_eq!(check(&[], json!({"region": null})).await, Ok(()));
    assert_eq!(check(&[], json!({"region": "eu"})).await, Err(-32020));
    assert_eq!(check(&[("region", "eu")], json!({})).await, Err(-32020));
    assert_eq!(check(&[("region", "us")], json!({"region": "eu"})).await, Err(-32020));
    assert_eq!(check(&[("region", "eu"), ("region", "eu")], json!({"region": "eu"})).await, Err(-32020));
    // Neither a transport without headers nor an older revision has them.
    let request = json!({"name": "query", "arguments": {"region": "eu"}});
    result(&server, Method::ToolsCall, request.clone(), modern()).await;
    let old = legacy(Revision::V2025_11_25).with_param_headers(ParamHeaders::default());
    result(&server, Method::ToolsCall, request, old).await;
}

#[tokio::test(start_paused = true)]
async fn progress_increases_and_is_told_only_on_request() {
    let context = with_meta(&json!({"progressToken": "p\u{e9}"}));
    let mut reply = start(&server(), Method::ToolsCall, &json!({"name": "progress"}), context);
    let mut told = Vec::new();
    let mut hangups = 0;
    let outcome = loop {
        match reply.next().await {
            Event::Notification(notification) => told.push(notification.params.to_string()),
            Event::Disconnect { retry } => hangups += usize::from(retry == Duration::from_millis(500)),
            Event::Outcome(outcome) => break outcome,
            event => panic!("{event:?}"),
        }
    };
    assert!(matches!(outcome, Outcome::Result(_)));
    assert_eq!(hangups, 1);
    let expected = ["0", "50", "99.5", "100"]
        .map(|progress| format!(r#"{{"progressToken":"pé","progress":{progress},"total":100}}"#));
    assert_eq!(told, expected);
    let mut silent = start(&server(), Method::ToolsCall, &json!({"name": "progress"}), modern());
    assert!(matches!(silent.next().await, Event::Disconnect { .. }), "no token, no progress");
}

#[tokio::test]
async fn nothing_is_told_after_the_end() {
    let (send, mut receive) = tokio::sync::mpsc::unbounded_channel();
    let server = Server::builder("late", "1")
        .tool(Tool::new("late").run(move |_: NoArguments, context: Context| {
            let send = send.clone();
            async move { send.send(context).is_ok().to_string() }
        }))
        .build()
        .unwrap();
    let context = with_meta(&json!({"progressToken": 1, "io.modelcontextprotocol/logLevel": "debug"}));
    let (told, _) = all(start(&server, Method::ToolsCall, &json!({"name": "late"}), context)).await;
    assert!(told.is_empty());
    let context = receive.recv().await.unwrap();
    // More than any buffer holds: none of these may wait for a reader that is gone.
    for progress in 0..100 {
        context.progress(f64::from(progress), None, "late").await;
        context.log(LogLevel::Error, None, "late").await;
    }
}

#[tokio::test]
async fn logs_are_sent_only_from_the_level_that_was_asked_for() {
    let params = json!({"name": "log"});
    let told = async |context| all(start(&server(), Method::ToolsCall, &params, context)).await.0;
    assert!(told(modern()).await.is_empty());
    let logs = told(with_meta(&json!({"io.modelcontextprotocol/logLevel": "warning"}))).await;
    assert_eq!(logs.len(), 1);
    assert_eq!(
        crate::common::value(&logs[0].params),
        json!({"level": "error", "logger": "database", "data": {"host": "a \"b\""}})
    );
    assert_eq!(told(with_meta(&json!({"io.modelcontextprotocol/logLevel": "debug"}))).await.len(), 2);
}

#[test]
fn a_build_names_every_problem() {
    let tool = |name: &str| Tool::new(name).run(async |_: NoArguments, _: Context| ());
    let schema = |name: &str, schema: Value| {
        Tool::new(name).input_schema(schema).run_raw(async |_: Raw, _: Context| ())
    };
    let error = Server::builder("bad", "1")
        .tool(tool("twice"))
        .tool(tool("twice"))
        .tool(tool("with space"))
        .tool(schema("root", json!({"type": "string"})))
        .tool(schema("dialect", json!({"type": "object", "$schema": "https://example.com/d"})))
        .tool(schema("fetch", json!({"type": "object", "$ref": "https://example.com/s"})))
        .tool(schema(
            "header",
            json!({"type": "object", "properties": {"a": {"type": "number", "x-mcp-header": "A"}}}),
        ))
        .tool(tool("in").output_schema(json!(5)))
        .tool(Tool::new("example").example(json!({"a": "x"})).run(async |_: Add, _: Context| ()))
        .tool(Tool::new("lenient").coerce_fields(["x"]).run(async |_: Add, _: Context| ()))
        .resource(anyport_server::Resource::new("no uri").read(async |_: Context| ""))
        .template(anyport_server::Template::new("a:{").read(async |_: anyport_server::Values, _: Context| ""))
        .prompt(
            anyport_server::Prompt::new("p")
                .argument(anyport_server::Argument::new("a"))
                .argument(anyport_server::Argument::new("a"))
                .get(async |_: (), _: Context| ""),
        )
        .build()
        .unwrap_err();
    let all = error.to_string();
    for part in [
        "tool \"twice\": declared twice",
        "tool \"with space\"",
        "tool \"root\"",
        "tool \"dialect\": input schema: the dialect \"https://example.com/d\"",
        "tool \"fetch\": input schema: the reference \"https://example.com/s\"",
        "tool \"header\": input schema: x-mcp-header \"A\"",
        "tool \"in\": output schema",
        "tool \"example\": example {\"a\":\"x\"}: missing: b (integer); a: expected integer, got \"x\"",
        "tool \"lenient\": coerce_fields: there is no argument \"x\"",
        "resource \"no uri\"",
        "template \"a:{\"",
        "prompt \"p\": the argument \"a\" is declared twice",
    ] {
        assert!(all.contains(part), "{part} in {all}");
    }
}

#[tokio::test]
async fn a_schema_is_listed_as_it_was_given() {
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {"address": {"$anchor": "addressDef", "type": "object", "properties": {"city": {"type": "string"}}}},
        "properties": {"address": {"$ref": "#/$defs/address"}, "phone": {"type": "string"}},
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["address"]}]}],
        "additionalProperties": false
    });
    let tool = Tool::new("json_schema_2020_12_tool").input_schema(schema.clone());
    let server =
        Server::builder("s", "1").tool(tool.run_raw(async |_: Raw, _: Context| "ok")).build().unwrap();
    let list = result(&server, Method::ToolsList, json!({}), modern()).await;
    assert_eq!(list["tools"][0]["inputSchema"].to_string(), schema.to_string());
    let bad = call(&server, "json_schema_2020_12_tool", json!({"address": {"city": 5}})).await;
    assert_eq!(bad["isError"], true);
    assert_eq!(text(&call(&server, "json_schema_2020_12_tool", json!({"phone": "1"})).await), "ok");
}

/// Options, at the top and deeper, and a field that a default fills.
#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Optional {
    name: String,
    age: Option<u8>,
    inner: Option<Inner>,
    #[serde(default)]
    count: u32,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
struct Inner {
    note: Option<String>,
}

#[tokio::test]
async fn an_optional_argument_may_be_absent_or_null_though_its_schema_has_no_null() {
    let tool = Tool::new("t").run(async |it: Optional, _: Context| {
        let note = it.inner.and_then(|inner| inner.note);
        format!("{} {:?} {note:?} {}", it.name, it.age, it.count)
    });
    let server = Server::builder("s", "1").tool(tool).build().unwrap();
    let listed = result(&server, Method::ToolsList, json!({}), modern()).await.to_string();
    assert!(!listed.contains("null") && !listed.contains("format"), "{listed}");
    for arguments in [
        json!({"name": "a"}),
        json!({"name": "a", "age": null, "inner": null}),
        json!({"name": "a", "inner": {}}),
        json!({"name": "a", "age": null, "inner": {"note": null}}),
    ] {
        assert_eq!(text(&call(&server, "t", arguments).await), "a None None 0");
    }
    assert_eq!(text(&call(&server, "t", json!({"name": "a", "age": 3})).await), "a Some(3) None 0");
    for (arguments, field) in [
        (json!({"name": null}), "name"),
        (json!({"name": "a", "age": 256}), "age"),
        (json!({"name": "a", "count": null}), "count"),
        (json!({"name": null, "age": null}), "name"),
    ] {
        let refused = call(&server, "t", arguments).await;
        assert!(refused["isError"] == true && text(&refused).contains(field), "{refused}");
    }
}
