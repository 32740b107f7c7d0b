//! Things that only some callers see.
//!
//! Invariant: A caller receives no notification of an entry that is hidden from it, and a rule that panics
//! does not stop notifications to others.
//! Invariant: An entry that is hidden from a caller answers as if it did not exist.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use crate::common::{error, result, start, value};
use anyport_protocol::{Method, Raw, Revision};
use anyport_server::{
    Argument, CompletionRequest, Context, Prompt, Resource, Server, Template, Tool, Values,
};
use anyport_service::{Event, Principal, Reply};
use serde_json::{Value, json};

fn is_admin(principal: &Principal) -> bool {
    principal.name() == Some("admin")
}

fn caller(name: &str) -> anyport_service::Context {
    anyport_service::Context::new(Principal::named(name.to_owned()), Revision::NEWEST)
}

fn tool(name: &str) -> Tool {
    Tool::new(name).run_raw(async |_: Raw, _: Context| "done")
}

fn server() -> Server {
    let completed = || Argument::new("a").complete(async |_: CompletionRequest, _: Context| vec!["secret"]);
    Server::builder("shown", "1")
        .page_size(2)
        .tool(tool("format").visible_to(is_admin))
        .tool(tool("list"))
        .tool(tool("erase").visible_to(is_admin))
        .tool(tool("read"))
        .tool(tool("write"))
        .resource(Resource::new("x:/open").public().read(async |_: Context| "open"))
        .resource(
            Resource::new("x:/open/vault").visible_to(is_admin).public().read(async |_: Context| "gold"),
        )
        .resource(Resource::new("x:/vault").visible_to(is_admin).public().read(async |_: Context| "gold"))
        .template(Template::new("y:/{id}").visible_to(is_admin).read(async |_: Values, _: Context| "y"))
        .prompt(
            Prompt::new("plan")
                .argument(completed())
                .visible_to(is_admin)
                .get(async |_: Values, _: Context| ""),
        )
        .build()
        .unwrap()
}

async fn tools(server: &Server, name: &str) -> (Vec<String>, Vec<Value>) {
    let (mut names, mut pages, mut params) = (Vec::new(), Vec::new(), json!({}));
    loop {
        let page = result(server, Method::ToolsList, params, caller(name)).await;
        names.extend(
            page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap().to_owned()),
        );
        pages.push(page);
        match pages.last().unwrap()["nextCursor"].clone() {
            Value::Null => return (names, pages),
            cursor => params = json!({ "cursor": cursor }),
        }
    }
}

#[tokio::test]
async fn a_list_shows_what_its_caller_may_see_and_is_private_for_all() {
    let server = server();
    let (names, pages) = tools(&server, "admin").await;
    assert_eq!(names, ["format", "list", "erase", "read", "write"]);
    assert!(pages.len() == 3 && pages.iter().all(|page| page["cacheScope"] == "private"));
    let (names, pages) = tools(&server, "guest").await;
    assert_eq!(names, ["list", "read", "write"]);
    assert!(pages.len() == 2 && pages.iter().all(|page| page["cacheScope"] == "private"));
    // A server without rules tells caches so.
    let open = Server::builder("open", "1").tool(tool("t")).build().unwrap();
    assert_eq!(tools(&open, "guest").await.1[0]["cacheScope"], "public");
}

#[tokio::test]
async fn a_cursor_of_another_caller_leads_nowhere_secret() {
    let server = server();
    let (_, pages) = tools(&server, "admin").await;
    // The last key of the admin's second page, `read`, and of a list that ends with what is hidden.
    let ends = Server::builder("s", "1").page_size(1).tool(tool("a").visible_to(is_admin)).tool(tool("b"));
    let ends = ends.build().unwrap();
    let hidden = tools(&ends, "admin").await.1[0]["nextCursor"].clone();
    let refused = error(&ends, Method::ToolsList, json!({ "cursor": hidden }), caller("guest")).await;
    assert_eq!(refused.code, -32602);
    let cursor = pages[1]["nextCursor"].clone();
    let refused = error(&server, Method::ToolsList, json!({ "cursor": cursor }), caller("guest")).await;
    assert!(refused.code == -32602 && !refused.message.contains("read"), "{refused:?}");
}

#[tokio::test]
async fn what_is_hidden_is_refused_in_the_words_for_what_is_unknown() {
    let server = server();
    let hidden = error(&server, Method::ToolsCall, json!({"name": "erase"}), caller("guest")).await;
    assert_eq!(hidden.message, "unknown tool: erase");
    let close = error(&server, Method::ToolsCall, json!({"name": "erasi"}), caller("admin")).await;
    assert_eq!(close.message, "unknown tool: erasi; there is erase");
    let bare = Server::builder("shown", "1")
        .tool(tool("list"))
        .resource(Resource::new("x:/open").read(async |_: Context| "open"))
        .prompt(Prompt::new("other").get(async |_: Values, _: Context| ""))
        .build()
        .unwrap();
    for (method, params) in [
        (Method::ToolsCall, json!({"name": "erase"})),
        (Method::ToolsCall, json!({"name": "lisp"})),
        (Method::ResourcesRead, json!({"uri": "x:/vault"})),
        (Method::ResourcesRead, json!({"uri": "y:/1"})),
        (Method::PromptsGet, json!({"name": "plan"})),
    ] {
        let hidden = error(&server, method, params.clone(), caller("guest")).await;
        assert_eq!(hidden, error(&bare, method, params, caller("guest")).await, "as if it were not there");
    }
    let completing =
        json!({"ref": {"type": "ref/prompt", "name": "plan"}, "argument": {"name": "a", "value": ""}});
    let refused = error(&server, Method::Complete, completing.clone(), caller("guest")).await;
    assert_eq!((refused.code, &*refused.message), (-32602, "unknown prompt: plan"));
    let completion = result(&server, Method::Complete, completing, caller("admin")).await;
    assert_eq!(completion["completion"]["values"], json!(["secret"]));
}

#[tokio::test]
async fn what_is_read_from_something_with_a_rule_is_private() {
    let server = server();
    let read =
        async |uri| result(&server, Method::ResourcesRead, json!({ "uri": uri }), caller("admin")).await;
    assert_eq!(read("x:/vault").await["cacheScope"], "private");
    assert_eq!(read("x:/open").await["cacheScope"], "public");
}

async fn listen(server: &Server, name: &str, uris: &[&str]) -> (Reply, Value) {
    let filter = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": uris
    });
    let mut reply = start(server, Method::Listen, &json!({"notifications": filter}), caller(name));
    let Event::Notification(told) = reply.next().await else { panic!() };
    (reply, value(&told.params)["notifications"]["resourceSubscriptions"].clone())
}

async fn told(reply: &mut Reply) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        tokio::select! {
            biased;
            event = reply.next() => match event {
                Event::Notification(notification) => {
                    let uri = value(&notification.params)["uri"].as_str().map(|uri| format!(" {uri}"));
                    told.push(format!("{}{}", notification.method.as_str(), uri.unwrap_or_default()));
                }
                event => panic!("{event:?}"),
            },
            () = std::future::ready(()) => return told,
        }
    }
}

#[tokio::test]
async fn a_hidden_resource_is_neither_subscribed_to_nor_told_of() {
    let server = server();
    let uris = ["x:/open", "x:/vault", "x:/nothing", "y:/1", "x:/", "x:/open/part"];
    let (mut guest, agreed) = listen(&server, "guest", &uris).await;
    // What is hidden and what does not exist are told apart by nothing; a whole of something visible may be watched.
    assert_eq!(agreed, json!(["x:/open", "x:/", "x:/open/part"]));
    let (mut admin, agreed) = listen(&server, "admin", &uris).await;
    assert_eq!(agreed, json!(["x:/open", "x:/vault", "y:/1", "x:/", "x:/open/part"]));
    for uri in ["x:/vault", "x:/open/vault", "x:/open/vault/door", "x:/open/part", "y:/1"] {
        server.events().resource_updated(uri);
    }
    let updated = |uri: &str| format!("notifications/resources/updated {uri}");
    assert_eq!(told(&mut guest).await, [updated("x:/open/part")]);
    let all = ["x:/vault", "x:/open/vault", "x:/open/vault/door", "x:/open/part", "y:/1"];
    assert_eq!(told(&mut admin).await, all.map(updated));
}

#[tokio::test]
async fn changes_of_what_one_cannot_see_are_not_told() {
    let server = server();
    let (mut guest, _) = listen(&server, "guest", &[]).await;
    let (mut admin, _) = listen(&server, "admin", &[]).await;
    server.add(tool("burn").visible_to(is_admin)).unwrap();
    server.remove_resource("x:/vault");
    let changes = ["notifications/tools/list_changed", "notifications/resources/list_changed"];
    assert_eq!(told(&mut admin).await, changes);
    assert!(told(&mut guest).await.is_empty());
    // It becomes visible, and is hidden again.
    assert!(server.replace(tool("burn")).unwrap());
    assert_eq!(told(&mut guest).await, &changes[..1]);
    assert!(server.replace(tool("burn").visible_to(is_admin)).unwrap());
    assert_eq!(told(&mut guest).await, &changes[..1]);
    assert_eq!(told(&mut admin).await, &changes[..1]);
}

#[tokio::test]
async fn rules_are_asked_anew_and_listeners_can_be_told() {
    let (open, asked) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let (rule, count) = (open.clone(), asked.clone());
    let hours = move |_: &Principal| {
        count.fetch_add(1, Ordering::SeqCst);
        rule.load(Ordering::SeqCst)
    };
    let shop = Server::builder("shop", "1")
        .tool(tool("buy").visible_to(hours).visible_to(|caller| !caller.is_anonymous()))
        .prompt(Prompt::new("p").get(async |_: Values, _: Context| ""))
        .build()
        .unwrap();
    let (mut guest, _) = listen(&shop, "guest", &[]).await;
    assert!(tools(&shop, "guest").await.0.is_empty());
    open.store(true, Ordering::SeqCst);
    shop.refresh_visibility();
    assert_eq!(told(&mut guest).await, ["notifications/tools/list_changed"]);
    assert_eq!(tools(&shop, "guest").await.0, ["buy"]);
    let anonymous = anyport_service::Context::new(Principal::anonymous(), Revision::NEWEST);
    let refused = error(&shop, Method::ToolsCall, json!({"name": "buy"}), anonymous).await;
    assert_eq!(refused.message, "unknown tool: buy", "both rules must agree");
    let before = asked.load(Ordering::SeqCst);
    result(&shop, Method::PromptsList, json!({}), caller("guest")).await;
    assert_eq!(asked.load(Ordering::SeqCst), before, "who asks for something else is not asked about");
}

#[tokio::test]
async fn a_rule_that_panics_hides_and_harms_nobody_else() {
    let broken = |principal: &Principal| -> bool {
        assert!(principal.name() == Some("admin"), "broken");
        true
    };
    let server = Server::builder("s", "1")
        .tool(tool("open"))
        .tool(tool("hidden").visible_to(broken))
        .resource(Resource::new("x:/a").visible_to(broken).read(async |_: Context| "a"))
        .build()
        .unwrap();
    assert_eq!(tools(&server, "guest").await.0, ["open"]);
    assert_eq!(tools(&server, "admin").await.0, ["open", "hidden"]);
    let refused = error(&server, Method::ToolsCall, json!({"name": "hidden"}), caller("guest")).await;
    assert_eq!(refused.message, "unknown tool: hidden");
    let (mut guest, _) = listen(&server, "guest", &["x:/"]).await;
    let (mut admin, _) = listen(&server, "admin", &["x:/"]).await;
    server.add(tool("new").visible_to(broken)).unwrap();
    server.events().resource_updated("x:/a");
    assert_eq!(
        told(&mut admin).await,
        ["notifications/tools/list_changed", "notifications/resources/updated x:/a"]
    );
    assert!(told(&mut guest).await.is_empty());
}
