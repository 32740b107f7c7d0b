//! Servers whose tools, resources, templates and prompts come and go.
//!
//! Invariant: A change at run time happens as a whole, is notified once, and affects no running call.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use crate::common::{all, call, error, modern, outcome, result, start, text, value};
use anyport_protocol::{Method, Raw};
use anyport_server::{
    Argument, BuildError, Context, Json, List, NoArguments, Part, Prompt, Resource, Server, Template, Tool,
    Values,
};
use anyport_service::{Event, Outcome, Reply};
use serde_json::{Value, json};
use tokio::sync::Notify;

fn tool(name: &str) -> Tool {
    let said = name.to_owned();
    Tool::new(name).run_raw(move |_: Raw, _: Context| {
        let said = said.clone();
        async move { said }
    })
}

fn resource(uri: &str) -> Resource {
    Resource::new(uri).read(async |_: Context| "read")
}

fn template(template: &str) -> Template {
    Template::new(template).read(async |values: Values, _: Context| values.get("id").map(str::to_owned))
}

fn prompt(name: &str) -> Prompt {
    Prompt::new(name).get(async |_: Values, _: Context| "prompted")
}

fn empty() -> Server {
    let all = [List::Tools, List::Resources, List::Templates, List::Prompts];
    Server::builder("changing", "1").dynamic(all).build().unwrap()
}

async fn names(server: &Server, method: Method) -> Vec<String> {
    let list = result(server, method, json!({}), modern()).await;
    let (member, key) = match method {
        Method::ToolsList => ("tools", "name"),
        Method::ResourcesList => ("resources", "uri"),
        Method::TemplatesList => ("resourceTemplates", "uriTemplate"),
        _ => ("prompts", "name"),
    };
    list[member].as_array().unwrap().iter().map(|item| item[key].as_str().unwrap().to_owned()).collect()
}

const TOOLS: Method = Method::ToolsList;

/// Listens to all lists, and is past the acknowledgement.
async fn listen(server: &Server) -> Reply {
    let filter = json!({"toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true});
    let mut reply = start(server, Method::Listen, &json!({"notifications": filter}), modern());
    assert!(matches!(reply.next().await, Event::Notification(told) if told.method == Method::Acknowledged));
    reply
}

/// What has been told so far.
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
async fn everything_can_come_and_go() {
    let server = empty();
    let mut listening = listen(&server).await;
    server.add(tool("t")).unwrap();
    assert_eq!(told(&mut listening).await, [Method::ToolsChanged]);
    server.add(resource("x:/r")).unwrap();
    assert_eq!(told(&mut listening).await, [Method::ResourcesChanged]);
    server.add(template("x:/{id}/t")).unwrap();
    assert_eq!(told(&mut listening).await, [Method::ResourcesChanged]);
    server.add(prompt("p")).unwrap();
    assert_eq!(told(&mut listening).await, [Method::PromptsChanged]);
    assert_eq!(text(&call(&server, "t", json!({})).await), "t");
    for (method, params) in [
        (Method::ResourcesRead, json!({"uri": "x:/r"})),
        (Method::ResourcesRead, json!({"uri": "x:/7/t"})),
        (Method::PromptsGet, json!({"name": "p"})),
    ] {
        assert!(matches!(outcome(&server, method, params, modern()).await, Outcome::Result(_)));
    }
    assert!(server.remove_tool("t") && !server.remove_tool("t"));
    assert!(server.remove_resource("x:/r") && !server.remove_resource("x:/r"));
    assert!(server.remove_template("x:/{id}/t") && !server.remove_template("x:/{id}/t"));
    assert!(server.remove_prompt("p") && !server.remove_prompt("p"));
    let mut changes = told(&mut listening).await;
    changes.sort_unstable_by_key(|method| method.as_str());
    assert_eq!(changes, [Method::PromptsChanged, Method::ResourcesChanged, Method::ToolsChanged]);
    for method in [TOOLS, Method::ResourcesList, Method::TemplatesList, Method::PromptsList] {
        assert!(names(&server, method).await.is_empty());
    }
    for (method, params) in [
        (Method::ToolsCall, json!({"name": "t"})),
        (Method::ResourcesRead, json!({"uri": "x:/r"})),
        (Method::ResourcesRead, json!({"uri": "x:/7/t"})),
        (Method::PromptsGet, json!({"name": "p"})),
    ] {
        assert_eq!(error(&server, method, params, modern()).await.code, -32602);
    }
}

#[tokio::test]
async fn several_changes_are_one_and_are_told_once() {
    let server = empty();
    server
        .change(|change| {
            change.add(tool("a")).add(tool("b")).add(prompt("p"));
        })
        .unwrap();
    let mut listening = listen(&server).await;
    server
        .change(|change| {
            change.remove_tool("a").add(tool("c")).add(tool("a"));
            change.add(resource("x:/1")).add(template("x:/{id}"));
        })
        .unwrap();
    assert_eq!(names(&server, TOOLS).await, ["b", "c", "a"]);
    assert_eq!(told(&mut listening).await, [Method::ToolsChanged, Method::ResourcesChanged]);
    // What comes and goes within one change was never there.
    server
        .change(|change| {
            change.add(tool("d")).remove_tool("d").remove_prompt("nobody");
        })
        .unwrap();
    assert!(told(&mut listening).await.is_empty());
}

#[tokio::test]
async fn a_change_happens_as_a_whole_or_not_at_all() {
    let server = empty();
    server.add(tool("a")).unwrap();
    let mut listening = listen(&server).await;
    let refused = server.change(|change| {
        change.remove_tool("a").add(tool("b")).add(tool("b")).add(tool("bad name"));
        change.add(resource("no-scheme"));
    });
    let problems = refused.unwrap_err().problems.join("\n");
    for part in
        ["tool \"b\": there is one already", "tool \"bad name\": a name has", "resource \"no-scheme\""]
    {
        assert!(problems.contains(part), "{problems}");
    }
    assert_eq!(names(&server, TOOLS).await, ["a"]);
    assert!(told(&mut listening).await.is_empty());
    assert!(server.add(tool("a")).unwrap_err().to_string().contains("replace it"));
}

#[tokio::test]
async fn what_is_replaced_keeps_its_place() {
    let server = empty();
    for name in ["a", "b", "c"] {
        server.add(tool(name)).unwrap();
    }
    let mut listening = listen(&server).await;
    assert!(server.replace(Tool::new("b").run_raw(async |_: Raw, _: Context| "another")).unwrap());
    assert!(!server.replace(tool("d")).unwrap());
    assert_eq!(names(&server, TOOLS).await, ["a", "b", "c", "d"]);
    assert_eq!(text(&call(&server, "b", json!({})).await), "another");
    assert_eq!(told(&mut listening).await, [Method::ToolsChanged]);
}

#[tokio::test]
async fn what_was_not_declared_is_refused_with_words_that_help() {
    let server = Server::builder("fixed", "1").tool(tool("t")).prompt(prompt("p")).build().unwrap();
    let refused = |added: Result<(), BuildError>, parts: &[&str]| {
        let problem = added.unwrap_err().to_string();
        assert!(parts.iter().all(|part| problem.contains(part)), "{problem}");
    };
    refused(server.add(resource("x:/r")), &["resource \"x:/r\"", ".dynamic([List::Resources])"]);
    refused(server.add(template("x:/{id}")), &["template", ".dynamic([List::Templates])"]);
    server.add(prompt("plain")).unwrap();
    let completed = Argument::new("a").complete(async |_, _: Context| vec!["b"]);
    let completing = Prompt::new("q").argument(completed).get(async |_: Values, _: Context| "");
    refused(server.add(completing), &["prompt \"q\"", "completion", ".dynamic([List::Prompts])"]);
    let found = result(&server, Method::Discover, json!({}), modern()).await;
    assert!(found["capabilities"]["resources"].is_null() && found["capabilities"]["completions"].is_null());
    let declared = result(&empty(), Method::Discover, json!({}), modern()).await;
    for capability in ["tools", "resources", "prompts", "completions"] {
        assert!(declared["capabilities"][capability].is_object(), "{declared}");
    }
}

#[tokio::test]
async fn a_handler_changes_its_own_server() {
    let server = empty();
    let door = Tool::new("open").run(async |_: NoArguments, context: Context| {
        let server = context.server();
        server.change(|change| {
            change.remove_tool("open").add(tool("walk_through"));
        })
    });
    server.add(door).unwrap();
    assert!(call(&server, "open", json!({})).await["isError"].is_null());
    assert_eq!(names(&server, TOOLS).await, ["walk_through"]);
}

#[derive(serde::Serialize, schemars::JsonSchema)]
struct Number {
    number: i64,
}

#[tokio::test]
async fn a_call_ends_as_it_began_though_its_tool_is_gone() {
    let server = empty();
    let go = Arc::new(Notify::new());
    for (name, number) in [("good", json!({"number": 1})), ("bad", json!({"number": "one"}))] {
        let go = go.clone();
        let waits = Tool::new(name).output_schema(json!({
            "type": "object", "properties": {"number": {"type": "integer"}}, "required": ["number"]
        }));
        let waits = waits.run_raw(move |_: Raw, _: Context| {
            let (go, number) = (go.clone(), number.clone());
            async move {
                go.notified().await;
                Json(number)
            }
        });
        server.add(waits).unwrap();
    }
    let begin = |name| start(&server, Method::ToolsCall, &json!({"name": name}), modern());
    let (good, bad) = (begin("good"), begin("bad"));
    let (good, bad) = (tokio::spawn(all(good)), tokio::spawn(all(bad)));
    tokio::task::yield_now().await;
    assert!(server.remove_tool("good") && server.remove_tool("bad"));
    go.notify_waiters();
    let Outcome::Result(good) = good.await.unwrap().1 else { panic!() };
    assert_eq!(value(&good)["structuredContent"], json!({"number": 1}));
    let Outcome::Error(bad) = bad.await.unwrap().1 else { panic!("its schema still holds") };
    assert_eq!(bad.code, -32603);
    let typed = Tool::new("typed").run(async |_: NoArguments, _: Context| Json(Number { number: 1 }));
    server.add(typed).unwrap();
    assert_eq!(call(&server, "typed", json!({})).await["structuredContent"], json!({"number": 1}));
}

#[tokio::test]
async fn a_cursor_goes_on_where_it_was_while_the_list_changes() {
    let server = Server::builder("pages", "1").page_size(2).dynamic([List::Tools]).build().unwrap();
    for name in ["a", "b", "c", "d", "e"] {
        server.add(tool(name)).unwrap();
    }
    let first = result(&server, TOOLS, json!({}), modern()).await;
    let next = async |server: &Server| -> Vec<Value> {
        let page = result(server, TOOLS, json!({"cursor": first["nextCursor"]}), modern()).await;
        page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].clone()).collect()
    };
    assert_eq!(next(&server).await, ["c", "d"]);
    server.remove_tool("a");
    assert_eq!(next(&server).await, ["c", "d"]);
    server.remove_tool("c");
    assert_eq!(next(&server).await, ["d", "e"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn calls_go_on_while_tools_come_and_go_on_many_threads() {
    let server = empty();
    server.add(tool("stays")).unwrap();
    let over = Arc::new(AtomicBool::new(false));
    let changing: Vec<_> = (0..3)
        .map(|number| {
            let (server, over) = (server.clone(), over.clone());
            thread::spawn(move || {
                let mut rounds = 0;
                while !over.load(Ordering::Relaxed) || rounds < 20 {
                    let (one, two) = (format!("one{number}"), format!("two{number}"));
                    server
                        .change(|change| {
                            change.add(tool(&one)).add(tool(&two));
                        })
                        .unwrap();
                    assert!(server.replace(tool(&one)).unwrap());
                    server
                        .change(|change| {
                            change.remove_tool(one).remove_tool(two);
                        })
                        .unwrap();
                    rounds += 1;
                }
            })
        })
        .collect();
    for _ in 0..300 {
        assert_eq!(text(&call(&server, "stays", json!({})).await), "stays");
        // A call of one that comes and goes is answered by it, or refused.
        match outcome(&server, Method::ToolsCall, json!({"name": "one1"}), modern()).await {
            Outcome::Result(result) => assert_eq!(text(&value(&result)), "one1"),
            Outcome::Error(error) => assert!(error.message.starts_with("unknown tool: one1"), "{error}"),
            outcome => panic!("{outcome:?}"),
        }
        let listed = names(&server, TOOLS).await;
        assert_eq!(listed[0], "stays");
        for number in 0..3 {
            let has = |name: &str| listed.contains(&format!("{name}{number}"));
            assert_eq!(has("one"), has("two"), "what comes together is seen together: {listed:?}");
        }
    }
    over.store(true, Ordering::Relaxed);
    changing.into_iter().for_each(|thread| thread.join().unwrap());
    assert_eq!(names(&server, TOOLS).await, ["stays"]);
}

#[test]
fn any_part_can_be_added() {
    let server = empty();
    for part in
        [Part::from(tool("t")), resource("x:/r").into(), template("x:/{id}").into(), prompt("p").into()]
    {
        server.add(part).unwrap();
    }
    assert_eq!(
        format!("{server:?}"),
        "Server { name: \"changing\", tools: 1, resources: 1, templates: 1, prompts: 1, .. }"
    );
}
