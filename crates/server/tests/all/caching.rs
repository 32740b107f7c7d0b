//! Which results a cache in front of a server may keep.
//!
//! Invariant: A cached answer is given to an equal request of the same caller and revision only.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use anyport_layers::{Cache, CacheLimits};
use anyport_protocol::{Method, Raw, Revision, types::ToolAnnotations};
use anyport_server::{Context, Mount, NoArguments, Server, Tool};
use anyport_service::{Outcome, Principal, Request, Service};
use serde_json::{Value, json};

fn reading(read_only: Option<bool>) -> ToolAnnotations {
    ToolAnnotations { read_only_hint: read_only, ..ToolAnnotations::default() }
}

/// A tool that tells how often it ran, and in which version it is.
fn counting(name: &str, version: usize) -> Tool {
    let runs = AtomicUsize::new(0);
    Tool::new(name).annotations(reading(Some(true))).run(move |_: NoArguments, _: Context| {
        let text = format!("{version}.{}", runs.fetch_add(1, Ordering::SeqCst) + 1);
        async move { text }
    })
}

fn cached(server: &Server) -> Cache<Server> {
    let asked = server.clone();
    Cache::new(server.clone(), CacheLimits::default(), move |tool, caller| asked.cacheable(tool, caller))
}

/// The text of the result, or the words of the refusal.
fn call(service: &impl Service, name: &str, caller: &str) -> String {
    let context = anyport_service::Context::new(Principal::named(caller.to_owned()), Revision::NEWEST);
    let request = Request::new(Method::ToolsCall, Raw::from(json!({ "name": name })));
    match service.call(request, context).into_ready().unwrap() {
        Outcome::Result(result) => {
            let result: Value = result.decode().unwrap();
            result["content"][0]["text"].as_str().unwrap().to_owned()
        }
        Outcome::Error(error) => error.message.into_owned(),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test]
async fn what_only_reads_may_be_kept_unless_it_says_otherwise() {
    let tool = |name: &str, hint| {
        Tool::new(name).annotations(reading(hint)).run(async |_: NoArguments, _: Context| ())
    };
    let dice = ToolAnnotations { idempotent_hint: Some(false), ..reading(Some(true)) };
    let server = Server::builder("hints", "1")
        .tool(counting("reads", 1))
        .tool(counting("tells_the_time", 1).uncached())
        .tool(tool("writes", Some(false)))
        .tool(tool("silent", None))
        .tool(Tool::new("dice").annotations(dice).run(async |_: NoArguments, _: Context| ()))
        .tool(Tool::new("plain").run(async |_: NoArguments, _: Context| ()))
        .build()
        .unwrap();
    let kept = |name: &str| server.cacheable(name, &Principal::local()).is_some();
    let all = ["reads", "tells_the_time", "writes", "silent", "dice", "plain", "missing"];
    assert_eq!(all.map(kept), [true, false, false, false, false, false, false]);
    let cache = cached(&server);
    let twice = |name| [call(&cache, name, "ada"), call(&cache, name, "ada")];
    assert_eq!(twice("reads"), ["1.1", "1.1"]);
    assert_eq!(twice("tells_the_time"), ["1.1", "1.2"]);
}

#[tokio::test]
async fn a_tool_that_is_replaced_removed_or_hidden_is_what_the_server_says_it_is() {
    let visible = Arc::new(AtomicBool::new(true));
    let rule = visible.clone();
    let hidden = counting("hidden", 1).visible_to(move |_| rule.load(Ordering::SeqCst));
    let server = Server::builder("changes", "1").tool(counting("it", 1)).tool(hidden).build().unwrap();
    let cache = cached(&server);
    assert_eq!([call(&cache, "it", "ada"), call(&cache, "it", "ada")], ["1.1", "1.1"]);
    assert_eq!(call(&cache, "it", "bob"), "1.2");
    server.replace(counting("it", 2)).unwrap();
    assert_eq!([call(&cache, "it", "ada"), call(&cache, "it", "ada")], ["2.1", "2.1"]);
    server.remove_tool("it");
    assert_eq!(call(&cache, "it", "ada"), call(&server, "it", "ada"));
    server.add(counting("it", 3)).unwrap();
    assert_eq!(call(&cache, "it", "ada"), "3.1");

    assert_eq!([call(&cache, "hidden", "ada"), call(&cache, "hidden", "ada")], ["1.1", "1.1"]);
    visible.store(false, Ordering::SeqCst);
    assert_eq!(call(&cache, "hidden", "ada"), call(&server, "hidden", "ada"));
    assert!(call(&cache, "hidden", "ada").contains("unknown tool"));
    visible.store(true, Ordering::SeqCst);
    assert_eq!(call(&cache, "hidden", "ada"), "1.1");
}

#[tokio::test]
async fn a_mounted_tool_is_kept_under_its_name_in_the_host_and_for_those_who_see_the_mount() {
    let inner = Server::builder("inner", "1").tool(counting("reads", 1)).build().unwrap();
    let mount = Mount::of(inner.clone()).visible_to(|caller| caller.name() == Some("ada"));
    let host = Server::builder("host", "1").mount("inner", mount).build().unwrap();
    let cache = cached(&host);
    assert_eq!([call(&cache, "inner_reads", "ada"), call(&cache, "inner_reads", "ada")], ["1.1", "1.1"]);
    assert!(call(&cache, "inner_reads", "bob").contains("unknown tool"));
    inner.replace(counting("reads", 2)).unwrap();
    assert_eq!(call(&cache, "inner_reads", "ada"), "2.1");
}
