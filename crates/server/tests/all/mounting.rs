//! Servers in servers.
//!
//! Invariant: A mounted server answers as it does alone.

use std::sync::{Arc, Mutex};

use crate::common::{asked, call, error, modern, result, server_info, start, text, value};
use anyport_layers::{Call, Next};
use anyport_protocol::{
    Method, Raw, Revision,
    jsonrpc::Reason,
    param_header::ParamHeaders,
    types::{CreateMessageRequest, SamplingMessage},
};
use anyport_seal::Key;
use anyport_server::{
    Argument, Builder, CompletionRequest, Context, List, Mount, Prompt, Resource, Server, Template, Tool,
    Values,
};
use anyport_service::{Event, Principal, Reply};
use serde_json::{Value, json};

fn tool(name: &str) -> Tool {
    Tool::new(name).run_raw(async |_: Raw, _: Context| "done")
}

fn docs() -> Server {
    let asking = async |_: Raw, context: Context| {
        let request = CreateMessageRequest::new(vec![SamplingMessage::user("?")], 10);
        let number: u32 = context.once("once", async { 1 }).await;
        context.ask("title", request).await;
        format!("asked after {number}")
    };
    let schema =
        json!({"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}});
    Server::builder("docs", "2")
        .title("Documents")
        .instructions("Use find first.")
        .ttl(List::Tools, std::time::Duration::from_secs(5))
        .tool(
            Tool::new("find")
                .description("Finds")
                .input_schema(schema)
                .run_raw(async |_: Raw, _: Context| "found"),
        )
        .tool(Tool::new("ask").run_raw(asking))
        .tool(Tool::new("touch").run_raw(async |_: Raw, context: Context| {
            context.events().resource_updated("docs:///a");
            context.server().add(tool("later")).map(|()| "touched")
        }))
        .resource(Resource::new("docs:///a").public().read(async |_: Context| "a"))
        .template(
            Template::new("docs:///by/{id}")
                .read(async |values: Values, _: Context| values.get("id").map(str::to_owned))
                .complete("id", async |partial: CompletionRequest, _: Context| {
                    vec![format!("{}1", partial.value)]
                }),
        )
        .prompt(
            Prompt::new("sum_up")
                .argument(
                    Argument::new("what")
                        .required()
                        .complete(async |_: CompletionRequest, _: Context| vec!["everything"]),
                )
                .get(async |values: Values, _: Context| values.get("what").unwrap_or_default().to_owned()),
        )
        .build()
        .unwrap()
}

fn desk(docs: &Server) -> Server {
    Server::builder("desk", "1")
        .instructions("A desk.")
        .tool(tool("sit"))
        .mount("d", docs.clone())
        .build()
        .unwrap()
}

async fn keys(server: &Server, method: Method, member: &str, key: &str) -> Vec<Value> {
    let list = result(server, method, json!({}), modern()).await;
    list[member].as_array().unwrap().iter().map(|item| item[key].clone()).collect()
}

async fn tools(server: &Server) -> Vec<Value> {
    keys(server, Method::ToolsList, "tools", "name").await
}

#[tokio::test]
async fn what_is_mounted_is_listed_after_what_is_the_servers_own() {
    let desk = desk(&docs());
    assert_eq!(tools(&desk).await, ["sit", "d_find", "d_ask", "d_touch"]);
    assert_eq!(keys(&desk, Method::ResourcesList, "resources", "uri").await, ["docs:///a"]);
    let templates = keys(&desk, Method::TemplatesList, "resourceTemplates", "uriTemplate").await;
    assert_eq!(templates, ["docs:///by/{id}"]);
    assert_eq!(keys(&desk, Method::PromptsList, "prompts", "name").await, ["d_sum_up"]);
    let list = result(&desk, Method::ToolsList, json!({}), modern()).await;
    assert_eq!((&list["ttlMs"], &list["cacheScope"]), (&json!(5000), &json!("public")));
    assert_eq!(list["tools"][1]["description"], "Finds");
    let found = result(&desk, Method::Discover, json!({}), modern()).await;
    assert_eq!(
        found["instructions"],
        "A desk.\n\n## Documents\n\nNames of its tools and prompts begin with `d_` here.\n\nUse find first."
    );
    for capability in ["tools", "resources", "prompts", "completions"] {
        assert!(found["capabilities"][capability].is_object(), "{found}");
    }
}

#[tokio::test]
async fn calls_reads_prompts_and_completions_go_through() {
    let desk = desk(&docs());
    let found = call(&desk, "d_find", json!({})).await;
    assert_eq!((text(&found), &server_info(&found)["name"]), ("found", &json!("desk")));
    let read = async |uri| result(&desk, Method::ResourcesRead, json!({ "uri": uri }), modern()).await;
    let a = read("docs:///a").await;
    assert_eq!((&a["contents"][0]["text"], &a["cacheScope"]), (&json!("a"), &json!("public")));
    assert_eq!(read("docs:///by/7").await["contents"][0]["text"], "7");
    let params = json!({"name": "d_sum_up", "arguments": {"what": "that"}});
    let got = result(&desk, Method::PromptsGet, params, modern()).await;
    assert_eq!(got["messages"][0]["content"]["text"], "that");
    for (reference, argument, value) in [
        (json!({"type": "ref/prompt", "name": "d_sum_up"}), "what", "everything"),
        (json!({"type": "ref/resource", "uri": "docs:///by/{id}"}), "id", "1"),
    ] {
        let params = json!({"ref": reference, "argument": {"name": argument, "value": ""}});
        let completed = result(&desk, Method::Complete, params, modern()).await;
        assert_eq!(completed["completion"]["values"], json!([value]));
    }
}

#[tokio::test]
async fn errors_name_what_the_caller_called() {
    let strict = Tool::new("strict").input_schema(json!({"type": "object", "required": ["a"]}));
    let inner =
        Server::builder("inner", "1").tool(strict.run_raw(async |_: Raw, _: Context| ())).build().unwrap();
    let middle = Server::builder("middle", "1").mount("in", inner).mount("d", docs()).build().unwrap();
    let outer = Server::builder("outer", "1").mount("mid", Mount::of(middle).separator(".")).build().unwrap();
    let invalid = call(&outer, "mid.in_strict", json!({})).await;
    assert!(text(&invalid).contains("mid.in_strict"), "{invalid}");
    assert_eq!(server_info(&invalid)["name"], "outer");
    let unknown = error(&outer, Method::ToolsCall, json!({"name": "mid.in_stract"}), modern()).await;
    assert_eq!(unknown.message, "unknown tool: mid.in_stract; there is mid.in_strict");
    let hidden = error(&outer, Method::ToolsCall, json!({"name": "strict"}), modern()).await;
    assert!(hidden.message.starts_with("unknown tool: strict"));
    let missing = error(&outer, Method::PromptsGet, json!({"name": "mid.d_sum_up"}), modern()).await;
    assert!(missing.message.contains("what"), "{missing}");
    assert_eq!(text(&call(&outer, "mid.d_find", json!({})).await), "found");
}

#[tokio::test]
async fn headers_of_parameters_are_checked_through_the_mount() {
    let desk = desk(&docs());
    let with = |region: &str| {
        let mut headers = ParamHeaders::default();
        headers.push("region".to_owned(), region.as_bytes().to_vec());
        modern().with_param_headers(headers)
    };
    let params = json!({"name": "d_find", "arguments": {"region": "eu"}});
    assert_eq!(text(&result(&desk, Method::ToolsCall, params.clone(), with("eu")).await), "found");
    assert_eq!(error(&desk, Method::ToolsCall, params, with("us")).await.code, -32020);
}

async fn listen(server: &Server, filter: Value) -> Reply {
    let mut reply = start(server, Method::Listen, &json!({"notifications": filter}), modern());
    assert!(matches!(reply.next().await, Event::Notification(told) if told.method == Method::Acknowledged));
    reply
}

async fn told(reply: &mut Reply) -> Vec<Method> {
    let mut told = Vec::new();
    loop {
        tokio::select! {
            biased;
            event = reply.next() => match event {
                Event::Notification(notification) => told.push(notification.method),
                event => panic!("{event:?}"),
            },
            () = std::future::ready(()) => return told,
        }
    }
}

#[tokio::test]
async fn a_mount_is_live_and_its_changes_are_told_once() {
    let docs = docs();
    let desk = desk(&docs);
    // Where it is mounted twice over, too.
    let room =
        Server::builder("room", "1").mount("one", desk.clone()).mount("two", docs.clone()).build().unwrap();
    let filter = json!({"toolsListChanged": true, "resourceSubscriptions": ["docs:///a"]});
    let (mut at_desk, mut in_room) = (listen(&desk, filter.clone()).await, listen(&room, filter).await);
    assert_eq!(text(&call(&room, "one_d_touch", json!({})).await), "touched");
    for listening in [&mut at_desk, &mut in_room] {
        assert_eq!(told(listening).await, [Method::ResourceUpdated, Method::ToolsChanged]);
    }
    assert_eq!(tools(&desk).await.last().unwrap(), "d_later");
    assert_eq!(
        tools(&room).await,
        [
            "one_sit",
            "one_d_find",
            "one_d_ask",
            "one_d_touch",
            "one_d_later",
            "two_find",
            "two_ask",
            "two_touch",
            "two_later"
        ]
    );
    assert_eq!(text(&call(&room, "two_later", json!({})).await), "done");
    // One URI, one resource, whichever way.
    assert_eq!(keys(&room, Method::ResourcesList, "resources", "uri").await, ["docs:///a"]);
    docs.remove_tool("later");
    assert_eq!(tools(&desk).await.len(), 4);
    drop(desk);
    docs.add(tool("again")).unwrap();
    assert_eq!(told(&mut in_room).await, [Method::ToolsChanged]);
}

fn answered() -> Value {
    json!({"title": {"role": "assistant", "content": {"type": "text", "text": "T"}, "model": "m"}})
}

fn retry(name: &str, state: &str) -> Value {
    json!({"name": name, "inputResponses": answered(), "requestState": state})
}

#[tokio::test]
async fn questions_are_asked_through_the_mount_and_each_answer_counts_once() {
    let desk = desk(&docs());
    let (questions, state) = asked(&desk, Method::ToolsCall, json!({"name": "d_ask"}), modern()).await;
    assert_eq!(questions["title"]["method"], "sampling/createMessage");
    let again = retry("d_ask", &state);
    let done = result(&desk, Method::ToolsCall, again.clone(), modern()).await;
    assert_eq!((text(&done), &server_info(&done)["name"]), ("asked after 1", &json!("desk")));
    assert_eq!(
        result(&desk, Method::ToolsCall, again, modern()).await,
        done,
        "the same answers, the same outcome"
    );
    let mut other = retry("d_ask", &state);
    other["inputResponses"]["title"]["model"] = json!("n");
    assert_eq!(error(&desk, Method::ToolsCall, other, modern()).await.code, -32602);
}

/// A server that asks, with a key or without.
fn asking(key: Option<u8>) -> Server {
    let asks = Tool::new("ask").run_raw(async |_: Raw, context: Context| {
        context.ask("title", CreateMessageRequest::new(vec![SamplingMessage::user("?")], 10)).await;
        "asked"
    });
    let builder = Server::builder("inner", "1").tool(asks);
    let builder = key.into_iter().fold(builder, |builder, key| builder.state_key(Key::from_bytes([key; 32])));
    builder.build().unwrap()
}

fn around(inner: &Server, key: Option<u8>) -> Server {
    let builder = Server::builder("outer", "1").mount("in", inner.clone());
    let builder = key.into_iter().fold(builder, |builder, key| builder.state_key(Key::from_bytes([key; 32])));
    builder.build().unwrap()
}

#[tokio::test]
async fn a_state_outlives_the_process_if_either_server_has_a_key() {
    for (inner, outer) in [(None, Some(1)), (Some(2), None), (Some(2), Some(1))] {
        let before = around(&asking(inner), outer);
        let (_, state) = asked(&before, Method::ToolsCall, json!({"name": "in_ask"}), modern()).await;
        let after = around(&asking(inner), outer);
        let done = result(&after, Method::ToolsCall, retry("in_ask", &state), modern()).await;
        assert_eq!(text(&done), "asked", "{inner:?} in {outer:?}");
    }
    let before = around(&asking(None), None);
    let (_, state) = asked(&before, Method::ToolsCall, json!({"name": "in_ask"}), modern()).await;
    let after = around(&asking(None), None);
    assert_eq!(error(&after, Method::ToolsCall, retry("in_ask", &state), modern()).await.code, -32602);
    // What the server itself gave out is good in the mount.
    let inner = asking(None);
    let (_, state) = asked(&inner, Method::ToolsCall, json!({"name": "ask"}), modern()).await;
    let done = result(&around(&inner, Some(1)), Method::ToolsCall, retry("in_ask", &state), modern()).await;
    assert_eq!(text(&done), "asked");
}

#[test]
fn what_collides_is_refused_when_the_server_is_built() {
    let built = |mounts: [(&str, Mount); 2]| {
        let builder = Server::builder("outer", "1").tool(tool("a_find"));
        mounts.into_iter().fold(builder, |builder, (prefix, mount)| builder.mount(prefix, mount)).build()
    };
    let problems = built([("a", docs().into()), ("b", docs().into())]).unwrap_err().problems.join("\n");
    for part in [
        "tool \"a_find\": the mounted server \"docs\" offers it",
        "choose another prefix",
        "resource \"docs:///a\"",
        "Mount::without_resources",
        "template \"docs:///by/{id}\"",
    ] {
        assert!(problems.contains(part), "{problems}");
    }
    let apart = built([("x", docs().into()), ("b", Mount::of(docs()).without_resources())]);
    assert!(apart.is_ok());
    let long = built([(&"x".repeat(128), Mount::of(docs()).without_resources()), ("b c", docs().into())]);
    assert!(long.unwrap_err().problems.join("\n").contains("no valid name"));
}

#[tokio::test]
async fn what_collides_later_is_left_out_until_there_is_room() {
    let docs = docs();
    let desk = Server::builder("desk", "1").tool(tool("d_later")).mount("d", docs.clone()).build().unwrap();
    docs.add(Tool::new("later").run_raw(async |_: Raw, _: Context| "theirs")).unwrap();
    assert_eq!(text(&call(&desk, "d_later", json!({})).await), "done");
    assert!(desk.add(tool("d_find")).unwrap_err().to_string().contains("mounted server"));
    assert!(!desk.remove_tool("d_find"), "it is removed where it is");
    assert!(desk.remove_tool("d_later"));
    assert_eq!(text(&call(&desk, "d_later", json!({})).await), "theirs");
}

#[tokio::test]
async fn a_mount_may_be_for_some_callers_only() {
    let staff = |principal: &Principal| principal.name() == Some("staff");
    let inside = Mount::of(docs()).visible_to(staff).without_instructions();
    let desk = Server::builder("desk", "1").tool(tool("sit")).mount("d", inside).build().unwrap();
    let caller =
        |name: &str| anyport_service::Context::new(Principal::named(name.to_owned()), Revision::NEWEST);
    let list = result(&desk, Method::ToolsList, json!({}), caller("guest")).await;
    assert_eq!((list["tools"].as_array().unwrap().len(), &list["cacheScope"]), (1, &json!("private")));
    let hidden = error(&desk, Method::ToolsCall, json!({"name": "d_find"}), caller("guest")).await;
    assert_eq!(hidden.message, "unknown tool: d_find");
    let read = result(&desk, Method::ResourcesRead, json!({"uri": "docs:///a"}), caller("staff")).await;
    assert_eq!(read["cacheScope"], "private", "not all callers see it");
    let found = result(&desk, Method::Discover, json!({}), caller("guest")).await;
    assert!(found.get("instructions").is_none());
}

#[tokio::test]
async fn resources_that_are_left_out_are_not_told_of() {
    let docs = docs();
    let desk = Server::builder("desk", "1")
        .resource(Resource::new("desk:///top").read(async |_: Context| "top"))
        .mount("d", Mount::of(docs.clone()).without_resources())
        .build()
        .unwrap();
    let mut listening =
        listen(&desk, json!({"resourcesListChanged": true, "resourceSubscriptions": ["docs:///a"]})).await;
    docs.events().resource_updated("docs:///a");
    docs.add(Resource::new("docs:///b").read(async |_: Context| "b")).unwrap();
    assert!(told(&mut listening).await.is_empty());
    let refused = error(&desk, Method::ResourcesRead, json!({"uri": "docs:///a"}), modern()).await;
    assert_eq!(value(&refused.data.unwrap())["uri"], "docs:///a");
}

/// A server that writes down when it starts and stops.
fn lived(name: &'static str, diary: &Arc<Mutex<Vec<String>>>) -> Builder {
    let (starts, stops) = (diary.clone(), diary.clone());
    Server::builder(name, "1")
        .on_start(move |_| {
            starts.lock().unwrap().push(format!("{name} starts"));
            async { Ok::<(), String>(()) }
        })
        .on_stop(move |_| {
            stops.lock().unwrap().push(format!("{name} stops"));
            async {}
        })
}

#[tokio::test]
async fn a_mounted_server_starts_once_and_stops_with_the_last_that_needs_it() {
    let diary = Arc::new(Mutex::new(Vec::new()));
    let inner = lived("inner", &diary).build().unwrap();
    let one = lived("one", &diary).mount("a", inner.clone()).mount("b", inner.clone()).build().unwrap();
    let two = lived("two", &diary).mount("c", inner.clone()).build().unwrap();
    one.start().await.unwrap();
    two.start().await.unwrap();
    one.stop().await;
    two.stop().await;
    let told: Vec<String> = std::mem::take(&mut diary.lock().unwrap());
    assert_eq!(told, ["inner starts", "one starts", "two starts", "one stops", "two stops", "inner stops"]);
    // Who started it by itself stops it.
    let inner = lived("inner", &diary).build().unwrap();
    let one = lived("one", &diary).mount("a", inner.clone()).build().unwrap();
    inner.start().await.unwrap();
    one.start().await.unwrap();
    one.stop().await;
    assert_eq!(diary.lock().unwrap().last().unwrap(), "one stops");
    inner.stop().await;
    assert_eq!(diary.lock().unwrap().last().unwrap(), "inner stops");
}

#[tokio::test]
async fn a_mounted_server_that_does_not_start_is_named() {
    let broken =
        Server::builder("broken", "1").on_start(|_| async { Err::<(), _>("no disk") }).build().unwrap();
    let outer = Server::builder("outer", "1").mount("a", broken).build().unwrap();
    let words = outer.start().await.unwrap_err().to_string();
    assert!(words.contains("\"broken\"") && words.contains("no disk"), "{words}");
}

#[tokio::test]
async fn the_middleware_of_a_mounted_server_stands_around_its_calls() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let guarded = |name: &'static str, builder: Builder| {
        let seen = seen.clone();
        builder.middleware(move |call: Call, next: Next| {
            let called = call.name().map(|name| name.to_string()).unwrap_or_default();
            seen.lock().unwrap().push(format!("{name} {called}"));
            async move { next.run(call).await }
        })
    };
    let inner = guarded("inner", Server::builder("inner", "1").tool(tool("t"))).build().unwrap();
    let outer = guarded("outer", Server::builder("outer", "1").mount("in", inner)).build().unwrap();
    assert_eq!(text(&call(&outer, "in_t", json!({})).await), "done");
    assert_eq!(*seen.lock().unwrap(), ["outer in_t", "inner t"]);
}

#[tokio::test]
async fn a_handler_calls_what_is_mounted_as_the_same_caller() {
    let inner = Server::builder("inner", "1")
        .tool(Tool::new("ask").run_raw(async |_: Raw, context: Context| {
            context.ask("title", CreateMessageRequest::new(vec![SamplingMessage::user("?")], 10)).await;
            format!("{:?}", context.server())
        }))
        .tool(tool("hidden").visible_to(|_| false))
        .build()
        .unwrap();
    let outer = Server::builder("outer", "1")
        .tool(Tool::new("relay").run_raw(async |_: Raw, context: Context| {
            let hidden = context.call("in_hidden", &json!({})).await.unwrap_err().to_string();
            let result = context.call("in_ask", &json!({})).await.unwrap();
            format!("{hidden}; {}", result.words())
        }))
        .mount("in", inner)
        .build()
        .unwrap();
    let (questions, state) = asked(&outer, Method::ToolsCall, json!({"name": "relay"}), modern()).await;
    assert!(questions["in_ask/title"].is_object(), "{questions}");
    let mut again = retry("relay", &state);
    again["inputResponses"] = json!({"in_ask/title": answered()["title"]});
    let done = result(&outer, Method::ToolsCall, again, modern()).await;
    assert!(text(&done).starts_with("unknown tool: in_hidden; Server { name: \"inner\""), "{done}");
}

/// Invariant: A state is valid for the tool that issued it, wherever the tool is mounted.
#[tokio::test]
async fn a_state_is_good_for_the_tool_that_asked_and_for_no_other_of_its_name() {
    // Two servers of one make, as for tests and for real.
    let desk = Server::builder("desk", "1")
        .mount("test", Mount::of(docs()).without_resources())
        .mount("real", Mount::of(docs()).without_resources())
        .build()
        .unwrap();
    let (_, state) = asked(&desk, Method::ToolsCall, json!({"name": "test_ask"}), modern()).await;
    let moved = error(&desk, Method::ToolsCall, retry("real_ask", &state), modern()).await;
    assert_eq!(moved.reason, Some(Reason::Mismatch), "{}", moved.message);
    let done = result(&desk, Method::ToolsCall, retry("test_ask", &state), modern()).await;
    assert_eq!(text(&done), "asked after 1");
    // Where each has the same key of its own, their names tell them apart.
    let named = |name: &str| {
        let asks = Tool::new("ask").run_raw(async |_: Raw, context: Context| {
            context.ask("title", CreateMessageRequest::new(vec![SamplingMessage::user("?")], 10)).await;
        });
        let key = Key::from_bytes([7; 32]);
        Server::builder(name, "1").state_key(key).tool(asks).build().unwrap()
    };
    let desk =
        Server::builder("desk", "1").mount("a", named("one")).mount("b", named("two")).build().unwrap();
    let (_, state) = asked(&desk, Method::ToolsCall, json!({"name": "a_ask"}), modern()).await;
    let moved = error(&desk, Method::ToolsCall, retry("b_ask", &state), modern()).await;
    assert_eq!(moved.reason, Some(Reason::Mismatch), "{}", moved.message);
}

/// Invariant: A caller receives no notification of an entry that is hidden from it, and a rule that panics
/// does not stop notifications to others.
#[tokio::test]
async fn what_happens_in_a_mount_is_told_to_those_only_who_see_the_mount() {
    let staff = |principal: &Principal| principal.name() == Some("staff");
    let docs = docs();
    let desk = Server::builder("desk", "1")
        .tool(tool("sit"))
        .mount("d", Mount::of(docs.clone()).visible_to(staff))
        .build()
        .unwrap();
    // Mounted twice, it is seen by whoever sees either.
    let hall =
        Server::builder("hall", "1").mount("desk", desk.clone()).mount("", docs.clone()).build().unwrap();
    let filter = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": ["docs:///"]
    });
    let listen = async |server: &Server, name: &'static str| {
        let caller = anyport_service::Context::new(Principal::named(name), Revision::NEWEST);
        let mut reply = start(server, Method::Listen, &json!({"notifications": filter}), caller);
        reply.next().await;
        reply
    };
    let (mut guest, mut clerk) = (listen(&desk, "guest").await, listen(&desk, "staff").await);
    let mut visitor = listen(&hall, "guest").await;
    docs.add(tool("later")).unwrap();
    docs.add(Resource::new("docs:///b").read(async |_: Context| "b")).unwrap();
    docs.events().prompts_changed();
    docs.events().resource_updated("docs:///a");
    let changes =
        [Method::ToolsChanged, Method::ResourcesChanged, Method::PromptsChanged, Method::ResourceUpdated];
    assert_eq!(told(&mut clerk).await, changes);
    assert_eq!(told(&mut visitor).await, changes);
    assert!(told(&mut guest).await.is_empty());
}
