//! Lists, answers that are kept, changes; and what is done with what was listed.
//!
//! Invariant: A client's API behaves the same for every revision of its server, and a hostile response is an
//! error that names its location.
//! Invariant: A client's cached answers end with their time or with a change notification, and belong to one
//! principal.

use std::time::Duration;

use crate::common::{Scripted, count, error, result};
use anyport_client::{Cache, CacheLimits, Change, Client, Error};
use anyport_protocol::{
    Method, Raw,
    failure::{CloseReason, Failure},
};
use anyport_server::{Context, List, Resource, Server, Tool};
use anyport_service::{Event, Notification, Outcome, Principal, Reply};
use futures_util::{StreamExt, stream};
use serde_json::json;
use tokio::time::{Instant, advance};

fn tool(name: String) -> Tool {
    Tool::new(name).run_raw(|_: Raw, _: Context| async { "ran" })
}

#[tokio::test]
async fn a_list_is_read_to_its_end_or_page_by_page() {
    let mut builder = Server::builder("paged", "1").page_size(2);
    for number in 0..5 {
        builder = builder.tool(tool(format!("t{number}")));
    }
    let client = Client::over(builder.build().unwrap()).open().await.unwrap();
    let names: Vec<String> = client.tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["t0", "t1", "t2", "t3", "t4"]);
    let (mut pages, mut sizes) = (client.tools().pages(), Vec::new());
    while let Some(page) = pages.next().await.unwrap() {
        sizes.push(page.len());
    }
    assert_eq!(sizes, [2, 2, 1]);
    assert!(pages.next().await.unwrap().is_none());
}

#[tokio::test]
async fn a_list_that_does_not_end_is_an_error() {
    let (service, asked) = Scripted::new(|count, method, _| {
        let cursor = if method == "tools/list" { ["", "b"][count % 2].to_owned() } else { count.to_string() };
        result(json!({"tools": [], "prompts": [], "nextCursor": cursor}))
    });
    let client = Client::over(service).max_pages(50).open().await.unwrap();
    let circle = client.tools().await.unwrap_err();
    assert!(matches!(&circle, Error::Endless { fault, .. } if fault.contains("came twice")), "{circle}");
    assert_eq!(count(&asked), 3);
    let long = client.prompts().await.unwrap_err();
    assert!(long.to_string().contains("more than 50 pages (max_pages)"), "{long}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_kept_as_long_as_it_says() {
    let (service, asked) = Scripted::new(|_, method, _| match method {
        "tools/list" => result(json!({"tools": [], "ttlMs": 1000, "cacheScope": "public"})),
        "prompts/list" => result(json!({"prompts": [], "ttlMs": -5})),
        _ => result(json!({"contents": [], "ttlMs": 1000})),
    });
    let client = Client::over(service).open().await.unwrap();
    for _ in 0..3 {
        client.tools().await.unwrap();
    }
    assert_eq!(count(&asked), 1);
    client.tools().fresh().await.unwrap();
    assert_eq!(count(&asked), 2);
    advance(Duration::from_millis(1000)).await;
    client.tools().await.unwrap();
    assert_eq!(count(&asked), 3);
    client.prompts().await.unwrap();
    client.prompts().await.unwrap();
    assert_eq!(count(&asked), 5);
    client.read("a:1").await.unwrap();
    client.read("a:2").await.unwrap();
    client.read("a:1").await.unwrap();
    assert_eq!(count(&asked), 7, "another URI is another question");
    client.forget();
    client.read("a:1").await.unwrap();
    assert_eq!(count(&asked), 8);
}

#[tokio::test(start_paused = true)]
async fn what_is_private_is_kept_for_its_principal_alone() {
    let cache = Cache::new(CacheLimits::default());
    let (mut counts, kept) =
        (Vec::new(), json!({"tools": [], "prompts": [], "ttlMs": 1000, "cacheScope": "public"}));
    let who = [
        Principal::named("ada"),
        Principal::named("ada"),
        Principal::named("alan"),
        Principal::anonymous(),
        Principal::anonymous(),
    ];
    for principal in who {
        let kept = kept.clone();
        let (service, asked) = Scripted::new(move |_, method, _| match method {
            "tools/list" => result(kept.clone()),
            _ => result(json!({"prompts": [], "ttlMs": 1000, "cacheScope": "private"})),
        });
        let client = Client::over(service).cache(cache.clone()).principal(principal).open().await.unwrap();
        client.tools().await.unwrap();
        client.prompts().await.unwrap();
        counts.push(asked.lock().unwrap().iter().map(|(method, ..)| method.clone()).collect::<Vec<_>>());
    }
    let (all, private, none): (&[&str], &[&str], &[&str]) =
        (&["tools/list", "prompts/list"], &["prompts/list"], &[]);
    assert_eq!(counts, [all, none, private, private, private]);
}

#[tokio::test]
async fn a_cache_is_bounded_in_entries_and_bytes() {
    let (service, _) = Scripted::new(|_, _, params| {
        let size = params["uri"].as_str().unwrap().len() * 10;
        let contents = json!([{"uri": "a:1", "text": "x".repeat(size)}]);
        result(json!({"contents": contents, "ttlMs": 60_000}))
    });
    let cache = Cache::new(CacheLimits::default().entries(4).bytes(8_000));
    let client = Client::over(service).cache(cache.clone()).open().await.unwrap();
    for number in 0..10 {
        client.read(format!("a:{number}")).await.unwrap();
    }
    assert_eq!(cache.len(), 4);
    client.read("b:".repeat(200)).await.unwrap();
    assert_eq!(cache.len(), 4, "one that takes more than a quarter is not kept");
    cache.clear();
    assert!(cache.is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_answer_after_questions_is_not_kept() {
    let (service, asked) = Scripted::new(|_, _, params| match params.get("inputResponses") {
        None => result(json!({"resultType": "input_required", "inputRequests":
            {"roots": {"method": "roots/list"}}})),
        Some(_) => result(json!({"contents": [], "ttlMs": 60_000})),
    });
    let client = Client::over(service).roots(["file:///a"]).open().await.unwrap();
    client.read("a:1").await.unwrap();
    client.read("a:1").await.unwrap();
    assert_eq!(count(&asked), 4);
    // Nor is one after a wait, which the client itself does not see.
    let (service, asked) = Scripted::new(|_, _, params| match params.get("requestState") {
        None => result(json!({"resultType": "input_required", "requestState": "wait"})),
        Some(_) => result(json!({"contents": [], "ttlMs": 60_000})),
    });
    let client = Client::over(service).open().await.unwrap();
    client.read("a:1").await.unwrap();
    client.read("a:1").await.unwrap();
    assert_eq!(count(&asked), 4);
}

#[tokio::test(start_paused = true)]
async fn changes_are_told_and_end_what_is_kept() {
    let server = Server::builder("changing", "1")
        .tool(tool("one".into()))
        .resource(Resource::new("note:1").read(async |_: Context| "a note").ttl(Duration::from_secs(60)))
        .dynamic([List::Tools])
        .ttl(List::Tools, Duration::from_secs(60))
        .build()
        .unwrap();
    let client = Client::over(server.clone()).open().await.unwrap();
    let mut changes = client.listen().tools().resource("note:1").open().await.unwrap();
    assert_eq!(changes.agreed().resource_subscriptions.as_deref(), Some(&["note:1".to_owned()][..]));
    assert_eq!(client.tools().await.unwrap().len(), 1);
    server.add(tool("two".into())).unwrap();
    assert_eq!(client.tools().await.unwrap().len(), 1, "kept, since the change has not been read");
    assert_eq!(changes.next().await.unwrap().unwrap(), Change::Tools);
    assert_eq!(client.tools().await.unwrap().len(), 2);
    server.events().resource_updated("note:1");
    assert_eq!(changes.next().await.unwrap().unwrap(), Change::Resource("note:1".into()));
}

/// A stream of changes that the server acknowledges, and ends after `told`.
fn changing(told: Vec<Method>) -> Reply {
    let told = told
        .into_iter()
        .map(|method| Event::Notification(Notification { method, params: Raw::EMPTY_OBJECT }));
    let params =
        json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["a:1"]}}).into();
    let first = Event::Notification(Notification { method: Method::Acknowledged, params });
    let end = Event::Outcome(Outcome::Result(json!({}).into()));
    Reply::pending(stream::iter([first].into_iter().chain(told).chain([end])))
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_is_lost_is_opened_again_later_each_time() {
    let (service, asked) = Scripted::new(|count, _, _| match count {
        1 => changing(vec![Method::ToolsChanged]),
        2..=4 => Reply::failed(Failure::Disconnected(CloseReason::lost("gone"))),
        5 => changing(vec![Method::ToolsChanged]),
        _ => error(-32601, "gone"),
    });
    let client = Client::over(service).open().await.unwrap();
    let changes = client.listen().tools().resource("a:1").open().await.unwrap();
    let begun = Instant::now();
    let changes: Vec<_> = changes.collect().await;
    let seen: Vec<_> = changes.iter().filter_map(|change| change.as_ref().ok()).collect();
    let (tools, resource) = (Change::Tools, Change::Resource("a:1".into()));
    // What was told; what may have been missed; what was told again.
    assert_eq!(seen, [&tools, &tools, &resource, &tools]);
    assert_eq!(changes.last().unwrap().as_ref().unwrap_err().code(), Some(-32601));
    assert_eq!(count(&asked), 6);
    let waited = begun.elapsed();
    assert!(waited > Duration::from_millis(1_100) && waited <= Duration::from_millis(1_700), "{waited:?}");
}

#[tokio::test]
async fn arguments_are_mirrored_into_headers_and_tools_that_break_the_rules_left_out() {
    let property = |kind: &str, header: &str| json!({"type": kind, "x-mcp-header": header});
    let (service, asked) = Scripted::new(move |_, method, _| match method {
        "tools/list" => result(json!({"tools": [
            {"name": "good", "inputSchema": {"type": "object", "properties":
                {"city": property("string", "City"), "days": property("integer", "Days"), "note": property("string", "Note")}}},
            {"name": "bad", "inputSchema": {"type": "object", "properties": {"price": property("number", "Price")}}},
        ]})),
        _ => result(json!({"content": []})),
    });
    let client = Client::over(service).open().await.unwrap();
    let names: Vec<String> = client.tools().await.unwrap().into_iter().map(|tool| tool.name).collect();
    assert_eq!(names, ["good"]);
    client.call("good", json!({"city": "Köln", "days": 3, "note": null})).await.unwrap();
    let asked = asked.lock().unwrap();
    let headers = asked[1].2.param_headers().unwrap();
    let value =
        |name| headers.get(name).map(|value| String::from_utf8(value.to_vec()).unwrap()).collect::<Vec<_>>();
    assert_eq!(value("city"), ["=?base64?S8O2bG4=?="]);
    assert_eq!(value("days"), ["3"]);
    assert!(value("note").is_empty());
}

#[tokio::test]
async fn a_header_mismatch_is_repaired_once_by_listing_anew() {
    let tools = json!({"tools": [{"name": "good", "inputSchema": {"type": "object", "properties":
        {"city": {"type": "string", "x-mcp-header": "City"}}}}], "ttlMs": 60_000});
    let (service, asked) = Scripted::new(move |count, method, _| match (method, count) {
        ("tools/list", _) => result(tools.clone()),
        (_, 1 | 4..) => error(-32020, "header"),
        _ => result(json!({"content": []})),
    });
    let client = Client::over(service).open().await.unwrap();
    client.call("good", json!({"city": "Rome"})).await.unwrap();
    assert!(asked.lock().unwrap()[2].2.param_headers().is_some());
    let again = client.call("good", json!({"city": "Rome"})).await.unwrap_err();
    assert_eq!(again.code(), Some(-32020));
    assert_eq!(count(&asked), 6, "the call, the list, and the call once more");
}

#[tokio::test]
async fn a_result_is_held_against_its_schema_and_no_schema_is_fetched() {
    let (service, _) = Scripted::new(|_, method, params| match method {
        "tools/list" => result(json!({"tools": [
            {"name": "sum", "inputSchema": {}, "outputSchema": {"type": "object", "properties": {"sum": {"type": "integer"}}}},
            {"name": "far", "inputSchema": {}, "outputSchema": {"$ref": "https://example.com/schema.json"}},
        ]})),
        _ => match params["arguments"].get("give") {
            Some(give) => result(json!({"content": [], "structuredContent": give})),
            None => result(json!({"content": [], "isError": params["arguments"]["fail"]})),
        },
    });
    let client = Client::over(service).open().await.unwrap();
    client.tools().await.unwrap();
    client.call("sum", json!({"give": {"sum": 5}})).await.unwrap();
    let wrong = client.call("sum", json!({"give": {"sum": "five"}})).await.unwrap_err();
    assert!(wrong.to_string().contains("sum: \"five\" is not of type \"integer\""), "{wrong}");
    assert!(matches!(wrong, Error::Output { result, .. } if result.structured_content().is_some()));
    client.call("sum", json!({"give": {"sum": "five"}})).unchecked().await.unwrap();
    let none = client.call("sum", json!({"fail": false})).await.unwrap_err();
    assert!(none.to_string().contains("no structured content"), "{none}");
    assert!(client.call("sum", json!({"fail": true})).await.unwrap().is_error());
    client.call("far", json!({"give": 1})).await.unwrap();
}
