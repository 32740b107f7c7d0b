//! Invariant: With 500 tools the right one is among the first five for nine of ten labelled queries, and three definitions replace them.

use std::sync::Mutex;

use anyport_protocol::{Error, Revision};
use serde_json::{Value, json};

use super::*;
use crate::test_server::{call, caller, result};

/// 25 servers with 20 tools each: a line with `#` and the name of a server, then a line for each of its tools.
const TOOLS: &str = include_str!("tools.txt");
/// A query in the words of users, and the tools that are meant, each line. The queries were written before the index was;
/// synonyms and weights were chosen on them.
const QUERIES: &str = include_str!("queries.txt");
/// Further ones, which were written after that and changed nothing.
const HELD_OUT: &str = include_str!("held_out.txt");

/// The definitions of the tools, with the names that a federation gives them.
fn definitions() -> Vec<Raw> {
    let mut server = "";
    let mut tools = Vec::new();
    for line in TOOLS.lines() {
        match line.strip_prefix("# ") {
            Some(name) => server = name,
            None => tools.push(definition(server, line)),
        }
    }
    tools
}

fn definition(server: &str, line: &str) -> Raw {
    let [name, parameters, description] = line.split('|').map(str::trim).collect::<Vec<_>>()[..] else {
        panic!("{line}")
    };
    let parameters: Vec<&str> = parameters.split(", ").filter(|name| !name.is_empty()).collect();
    let properties: serde_json::Map<_, _> =
        parameters.iter().map(|name| ((*name).to_owned(), json!({"type": "string"}))).collect();
    Raw::from(json!({
        "name": format!("{server}_{name}"),
        "description": description,
        "inputSchema": {"type": "object", "properties": properties, "required": parameters},
    }))
}

/// The queries of a list without a tool that is meant among the first five hits, and the number of all.
fn lost(queries: &str) -> (Vec<String>, usize) {
    let index = ToolIndex::build(&definitions());
    assert_eq!(index.len(), 500);
    let mut lost = Vec::new();
    for line in queries.lines() {
        let (query, meant) = line.split_once(" | ").unwrap();
        let meant: Vec<&str> = meant.split(", ").collect();
        assert!(meant.iter().all(|name| index.definition(name).is_some()), "{line}");
        let hits = index.search(query, 5);
        if !hits.iter().any(|hit| meant.contains(&&*hit.name)) {
            let names: Vec<_> = hits.iter().map(|hit| hit.name.to_string()).collect();
            lost.push(format!("{query}: {meant:?} is not in {names:?}"));
        }
    }
    (lost, queries.lines().count())
}

#[test]
fn the_right_tool_is_among_the_first_five() {
    let (lost, all) = lost(QUERIES);
    assert!(all >= 100 && lost.len() * 10 <= all, "{} of {all}:\n{}", lost.len(), lost.join("\n"));
}

#[test]
fn the_right_tool_is_found_by_queries_that_were_not_tuned_for() {
    let (lost, all) = lost(HELD_OUT);
    // Fewer than of those that it was tuned for: nine of 44 use other words than any class of synonyms has.
    assert!(lost.len() * 100 <= all * 22, "{} of {all}:\n{}", lost.len(), lost.join("\n"));
}

/// A service with many tools, in pages of 150, that answers a call with its params.
#[derive(Clone)]
struct Large(Arc<Mutex<Vec<Raw>>>);

impl Service for Large {
    fn call(&self, request: Request, _: Context) -> Reply {
        let params: Value = request.params.raw().decode().unwrap();
        let answer = match request.known() {
            Some(Method::ToolsList) => {
                let tools = self.0.lock().unwrap();
                let from = params["cursor"].as_u64().map_or(0, |cursor| usize::try_from(cursor).unwrap());
                let to = tools.len().min(from + 150);
                let mut page = json!({"resultType": "complete", "tools": tools[from..to], "ttlMs": 7, "_meta": {"who": "us"}});
                if to < tools.len() {
                    page["nextCursor"] = json!(to);
                }
                page
            }
            method => json!({"resultType": "complete", "method": method.unwrap().as_str(), "params": params}),
        };
        Reply::ready(Ok(Raw::from(answer)))
    }
}

fn large() -> (ToolSearch<Large>, Large) {
    let service = Large(Arc::new(Mutex::new(definitions())));
    (ToolSearch::new(service.clone()), service)
}

async fn answer(service: &impl Service, request: Request) -> Value {
    result(service.call(request, caller(Revision::V2026_07_28, json!({}))).outcome().await)
}

fn list() -> Request {
    Request::new(Method::ToolsList, Raw::EMPTY_OBJECT)
}

/// The tokens of definitions, at four bytes each: what models count differs from this by the same factor for both.
fn tokens(definitions: &str) -> usize {
    definitions.len() / 4
}

#[tokio::test]
async fn three_definitions_save_nine_tenths_of_the_tokens() {
    let (search, _) = large();
    let listed = answer(&search, list()).await;
    let names: Vec<_> = listed["tools"].as_array().unwrap().iter().map(|tool| &tool["name"]).collect();
    assert_eq!(names, ["search_tools", "describe_tool", "call_tool"]);
    // What the service says of its list besides stays.
    assert_eq!(
        (&listed["ttlMs"], &listed["_meta"]["who"], &listed["nextCursor"]),
        (&json!(7), &json!("us"), &Value::Null)
    );
    let all: usize = definitions().iter().map(|tool| tokens(tool.as_str())).sum();
    let three = tokens(&listed["tools"].to_string());
    assert!(three * 10 <= all, "{three} of {all}");
    // Even with the results of a search and a description it is far less.
    let found = answer(&search, call("search_tools", json!({"query": "refund a payment"}))).await;
    let described = answer(&search, call("describe_tool", json!({"name": "stripe_refund_payment"}))).await;
    let used = three + tokens(&found.to_string()) + tokens(&described.to_string());
    assert!(used * 10 <= all, "{used} of {all}");
}

#[tokio::test]
async fn a_search_leads_to_a_definition_and_to_a_call() {
    let (search, _) = large();
    let found = answer(&search, call("search_tools", json!({"query": "refund a payment", "limit": 2}))).await;
    let structure = &found["structuredContent"];
    assert_eq!((&structure["total"], structure["tools"].as_array().unwrap().len()), (&json!(500), 2));
    assert_eq!(
        structure["tools"][0],
        json!({
            "name": "stripe_refund_payment",
            "parameters": ["payment_intent", "amount", "reason"],
            "description": "Refund a charge, fully or in part"
        })
    );
    let text = found["content"][0]["text"].as_str().unwrap();
    let line = "- stripe_refund_payment(payment_intent, amount, reason): Refund a charge, fully or in part";
    assert!(text.starts_with("2 of 500 tools, the best first:\n") && text.contains(line), "{text}");
    assert_eq!(found["_meta"]["who"], "us");

    let described = answer(&search, call("describe_tool", json!({"name": "stripe_refund_payment"}))).await;
    let tool = &described["structuredContent"]["tool"];
    assert_eq!(tool["inputSchema"]["required"], json!(["payment_intent", "amount", "reason"]));

    // The progress token and the state of a retry go with the call.
    let params = json!({
        "name": "call_tool",
        "arguments": {"name": "stripe_refund_payment", "arguments": {"amount": 5}},
        "requestState": "s",
        "_meta": {"progressToken": 1}
    });
    let called = answer(&search, Request::new(Method::ToolsCall, Raw::from(params))).await;
    let expected = json!({
        "name": "stripe_refund_payment", "arguments": {"amount": 5}, "requestState": "s", "_meta": {"progressToken": 1}
    });
    assert_eq!((&called["method"], &called["params"]), (&json!("tools/call"), &expected));
    let called = answer(&search, call("call_tool", json!({"name": "call_tool"}))).await;
    assert_eq!(called["params"], json!({"name": "call_tool", "arguments": {}}), "one of the service's own");
}

#[tokio::test]
async fn other_calls_and_other_methods_pass_unchanged() {
    let (search, _) = large();
    let direct = call("git_commit", json!({"message": "m"}));
    assert_eq!(
        answer(&search, direct.clone()).await["params"],
        direct.params.raw().decode::<Value>().unwrap()
    );
    let read = Request::new(Method::ResourcesRead, Raw::from(json!({"uri": "a:b"})));
    assert_eq!(answer(&search, read).await["method"], "resources/read");
}

#[tokio::test]
async fn what_is_wrong_with_arguments_is_said_to_the_model() {
    let (search, _) = large();
    for (tool, arguments, expected) in [
        ("search_tools", json!({}), "query is missing"),
        ("search_tools", json!({"query": "a", "limit": 21}), "limit must be a whole number from 1 to 20"),
        ("describe_tool", json!({"name": "git_comit"}), "Similar ones are git_commit"),
        ("describe_tool", json!({"name": 7}), "name is missing"),
        ("call_tool", json!({"arguments": {}}), "name is missing"),
        ("call_tool", json!({"name": "git_commit", "arguments": "{}"}), "arguments must be an object"),
        ("call_tool", json!({"name": "git_commit", "arguments": null}), "arguments must be an object"),
    ] {
        let answer = answer(&search, call(tool, arguments)).await;
        let text = answer["content"][0]["text"].as_str().unwrap();
        assert!(answer["isError"] == true && text.contains(expected), "{tool}: {text}");
    }
}

/// Invariant: Tool search finds only tools that the caller can list now.
#[tokio::test]
async fn a_changed_list_is_searched_as_it_is_now() {
    let (search, service) = large();
    let request = || call("search_tools", json!({"query": "stripe refund payment"}));
    let before = answer(&search, request()).await;
    assert_eq!(before["structuredContent"]["tools"][0]["name"], "stripe_refund_payment");
    service.0.lock().unwrap().retain(|tool| !tool.as_str().contains("stripe"));
    let after = answer(&search, request()).await;
    assert!(!after.to_string().contains("stripe_"), "{after}");
    assert_eq!(after["structuredContent"]["total"], 480);
}

#[tokio::test]
async fn a_service_that_refuses_the_list_refuses_the_search() {
    struct Refuses;
    impl Service for Refuses {
        fn call(&self, _: Request, _: Context) -> Reply {
            Reply::error(Error::internal("no list"))
        }
    }
    let search = ToolSearch::new(Refuses);
    for request in [list(), call("search_tools", json!({"query": "a"}))] {
        let outcome = search.call(request, caller(Revision::V2026_07_28, json!({}))).outcome().await;
        assert!(matches!(outcome, Outcome::Error(_)), "{outcome:?}");
    }
}

/// A service that notifies listeners of changes of its tools and its prompts.
struct Changing;

impl Service for Changing {
    fn call(&self, _: Request, _: Context) -> Reply {
        emit::reply(|emitter| async move {
            for method in
                [Method::Acknowledged, Method::ToolsChanged, Method::PromptsChanged, Method::ToolsChanged]
            {
                emitter.emit(Event::Notification(Notification { method, params: Raw::EMPTY_OBJECT })).await;
            }
            Outcome::Result(Raw::EMPTY_OBJECT)
        })
    }
}

#[tokio::test]
async fn a_listener_is_not_notified_of_tools_that_it_has_no_list_of() {
    let request = Request::new(Method::Listen, Raw::EMPTY_OBJECT);
    let mut reply = ToolSearch::new(Changing).call(request, caller(Revision::V2026_07_28, json!({})));
    let mut methods = Vec::new();
    while let Event::Notification(notification) = reply.next().await {
        methods.push(notification.method);
    }
    assert_eq!(methods, [Method::Acknowledged, Method::PromptsChanged]);
}
