//! Discovery, lists, resources, prompts and completion.

use std::time::Duration;

use crate::common::{error, modern, result, server_info};
use anyport_protocol::{
    Method, Raw, Revision,
    types::{ContentBlock, PromptMessage, ResourceContents},
};
use anyport_seal::Key;
use anyport_server::{
    Argument, Completion, CompletionRequest, Context, List, NoArguments, Prompt, Resource, Server, Template,
    Tool, Values,
};
use anyport_service::Principal;
use serde_json::{Value, json};

fn full() -> Server {
    Server::builder("full", "2.0")
        .title("Full")
        .instructions("Use it.")
        .tool(Tool::new("t").run(async |_: NoArguments, _: Context| ()))
        .resource(
            Resource::new("test://static-text")
                .name("text")
                .mime_type("text/plain")
                .ttl(Duration::from_secs(60))
                .public()
                .read(async |_: Context| "static"),
        )
        .resource(
            Resource::new("test://bytes").mime_type("image/png").read(async |_: Context| vec![1u8, 2, 3]),
        )
        .resource(Resource::new("test://broken").read(async |_: Context| Err::<String, _>("disk on fire")))
        .template(
            Template::new("test://template/{id}/data")
                .mime_type("application/json")
                .read(async |values: Values, _: Context| {
                    let id = values.get("id")?.to_owned();
                    (id != "missing").then(|| format!(r#"{{"id":"{id}"}}"#))
                })
                .complete("id", async |partial: CompletionRequest, _: Context| {
                    let all = (0..1000).map(|n| n.to_string());
                    all.filter(|n| n.starts_with(&partial.value)).collect::<Vec<_>>()
                }),
        )
        .prompt(Prompt::new("simple").description("Simple").get(async |_: Values, _: Context| "Hello"))
        .prompt(
            Prompt::new("args")
                .argument(Argument::new("arg1").required().complete(
                    async |partial: CompletionRequest, _: Context| {
                        let other = partial.arguments.get("arg2").unwrap_or_default().to_owned();
                        Completion {
                            values: vec![format!("{}-{other}", partial.value)],
                            total: None,
                            has_more: true,
                        }
                    },
                ))
                .argument(Argument::new("arg2"))
                .get(async |values: Values, _: Context| {
                    let value = |name| values.get(name).unwrap_or("-").to_owned();
                    vec![
                        PromptMessage::user(ContentBlock::text(format!(
                            "{} {}",
                            value("arg1"),
                            value("arg2")
                        ))),
                        PromptMessage::assistant(ContentBlock::embedded(ResourceContents::text("a:b", "c"))),
                    ]
                }),
        )
        .build()
        .unwrap()
}

#[tokio::test]
async fn discovery_names_what_was_added() {
    let found = result(&full(), Method::Discover, json!({}), modern()).await;
    assert_eq!(
        found,
        json!({
            "resultType": "complete",
            "supportedVersions": ["2026-07-28", "2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"],
            "capabilities": {
                "tools": {"listChanged": true},
                "resources": {"subscribe": true, "listChanged": true},
                "prompts": {"listChanged": true},
                "completions": {},
                "logging": {}
            },
            "instructions": "Use it.",
            "ttlMs": 300000,
            "cacheScope": "public",
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "full", "title": "Full", "version": "2.0"}}
        })
    );
    let settings = json!({"x": 1}).as_object().unwrap().clone();
    let bare = Server::builder("bare", "1")
        .supported_versions(&[Revision::NEWEST])
        .extension("com.example/x", settings)
        .build()
        .unwrap();
    let found = result(&bare, Method::Discover, json!({}), modern()).await;
    assert_eq!(found["supportedVersions"], json!(["2026-07-28"]));
    assert_eq!(found["capabilities"], json!({"logging": {}, "extensions": {"com.example/x": {"x": 1}}}));
    assert_eq!(error(&bare, Method::Complete, json!({}), modern()).await.code, -32601);
}

#[tokio::test]
async fn every_list_is_complete_cacheable_and_signed() {
    let server = full();
    for (method, member, count) in [
        (Method::ToolsList, "tools", 1),
        (Method::ResourcesList, "resources", 3),
        (Method::TemplatesList, "resourceTemplates", 1),
        (Method::PromptsList, "prompts", 2),
    ] {
        let list = result(&server, method, json!({}), modern()).await;
        assert_eq!(list[member].as_array().unwrap().len(), count);
        assert_eq!((&list["ttlMs"], &list["cacheScope"]), (&json!(300000), &json!("public")));
        assert_eq!((&list["resultType"], &server_info(&list)["name"]), (&json!("complete"), &json!("full")));
        assert!(list.get("nextCursor").is_none());
    }
}

fn numbered(count: usize, key: Key, skip: Option<usize>) -> Server {
    let tools = (0..count).filter(|n| Some(*n) != skip);
    let builder = Server::builder("many", "1").page_size(3).state_key(key).ttl(List::Tools, Duration::ZERO);
    tools
        .fold(builder, |builder, n| {
            builder.tool(Tool::new(format!("tool{n}")).run_raw(async |_: Raw, _: Context| ()))
        })
        .build()
        .unwrap()
}

fn names(page: &Value) -> Vec<&str> {
    page["tools"].as_array().unwrap().iter().map(|tool| tool["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn pages_follow_each_other_in_the_order_of_registration() {
    let server = numbered(7, Key::from_bytes([7; 32]), None);
    let list = async |params| result(&server, Method::ToolsList, params, modern()).await;
    let first = list(json!({})).await;
    assert_eq!(names(&first), ["tool0", "tool1", "tool2"]);
    let second = list(json!({"cursor": first["nextCursor"]})).await;
    assert_eq!(names(&second), ["tool3", "tool4", "tool5"]);
    let third = list(json!({"cursor": second["nextCursor"]})).await;
    assert_eq!(names(&third), ["tool6"]);
    assert!(third.get("nextCursor").is_none());
    for page in [first, second, third] {
        assert_eq!((&page["cacheScope"], &page["ttlMs"]), (&json!("public"), &json!(0)));
    }
}

#[tokio::test]
async fn a_cursor_survives_a_restart_and_a_change_of_the_list() {
    let key = || Key::from_bytes([7; 32]);
    let first = result(&numbered(7, key(), None), Method::ToolsList, json!({}), modern()).await;
    let cursor = json!({"cursor": first["nextCursor"]});
    let after =
        async |skip| result(&numbered(7, key(), skip), Method::ToolsList, cursor.clone(), modern()).await;
    assert_eq!(names(&after(None).await)[0], "tool3");
    assert_eq!(names(&after(Some(0)).await), ["tool3", "tool4", "tool5"], "one before it is gone");
    assert_eq!(names(&after(Some(2)).await), ["tool4", "tool5", "tool6"], "itself is gone: where it stood");
    let other = numbered(7, Key::from_bytes([8; 32]), None);
    assert_eq!(error(&other, Method::ToolsList, cursor.clone(), modern()).await.code, -32602);
}

/// Invariant: A cursor is for the caller and the endpoint that it was given to.
#[tokio::test]
async fn a_cursor_of_a_list_with_rules_is_for_its_caller() {
    let rule = |caller: &Principal| caller.is_authenticated();
    let tool =
        |n: usize| Tool::new(format!("tool{n}")).visible_to(rule).run_raw(async |_: Raw, _: Context| ());
    let builder = Server::builder("ruled", "1").page_size(3).state_key(Key::from_bytes([7; 32]));
    let server = (0..7).fold(builder, |builder, n| builder.tool(tool(n))).build().unwrap();
    let caller = |name: &'static str| anyport_service::Context::new(Principal::named(name), Revision::NEWEST);
    let first = result(&server, Method::ToolsList, json!({}), caller("ann")).await;
    let cursor = json!({"cursor": first["nextCursor"]});
    // They see the same list.
    let of_bob = result(&server, Method::ToolsList, json!({}), caller("bob")).await;
    assert_eq!(names(&of_bob), names(&first));
    for (name, cursor) in [("ann", &cursor), ("bob", &json!({"cursor": of_bob["nextCursor"]}))] {
        let page = result(&server, Method::ToolsList, cursor.clone(), caller(name)).await;
        assert_eq!(names(&page), ["tool3", "tool4", "tool5"]);
    }
    assert_eq!(error(&server, Method::ToolsList, cursor, caller("bob")).await.code, -32602);
}

#[tokio::test]
async fn a_cursor_that_is_none_is_refused() {
    let server = full();
    let many = numbered(7, Key::from_bytes([7; 32]), None);
    let first = result(&many, Method::ToolsList, json!({}), modern()).await;
    for cursor in [json!(""), json!("x"), json!(5), json!(null), first["nextCursor"].clone()] {
        let params = json!({"cursor": cursor});
        assert_eq!(error(&server, Method::ToolsList, params, modern()).await.code, -32602, "{cursor}");
    }
}

async fn read(server: &Server, uri: &str) -> Value {
    result(server, Method::ResourcesRead, json!({"uri": uri}), modern()).await
}

#[tokio::test]
async fn resources_are_read_by_uri_and_by_template() {
    let server = full();
    let text = read(&server, "test://static-text").await;
    let contents = json!([{"uri": "test://static-text", "mimeType": "text/plain", "text": "static"}]);
    assert_eq!(text["contents"], contents);
    assert_eq!((&text["ttlMs"], &text["cacheScope"]), (&json!(60000), &json!("public")));
    let bytes = read(&server, "test://bytes").await;
    assert_eq!(bytes["contents"][0]["blob"], "AQID");
    assert_eq!((&bytes["ttlMs"], &bytes["cacheScope"]), (&json!(0), &json!("private")));
    let made = read(&server, "test://template/12%203/data").await;
    assert_eq!(
        made["contents"],
        json!([{"uri": "test://template/12%203/data", "mimeType": "application/json", "text": "{\"id\":\"12 3\"}"}])
    );
}

#[tokio::test]
async fn a_resource_that_does_not_exist_is_an_error_that_names_it() {
    let server = full();
    for uri in ["test://nowhere", "test://template/missing/data", "test://template/a/b/data"] {
        let missing = error(&server, Method::ResourcesRead, json!({"uri": uri}), modern()).await;
        assert_eq!(missing.code, -32602);
        assert_eq!(crate::common::value(&missing.data.unwrap())["uri"], uri);
    }
    let broken = error(&server, Method::ResourcesRead, json!({"uri": "test://broken"}), modern()).await;
    assert_eq!((broken.code, &*broken.message), (-32603, "disk on fire"));
    assert_eq!(error(&server, Method::ResourcesRead, json!({}), modern()).await.code, -32602);
}

#[tokio::test]
async fn prompts_are_got_with_their_arguments() {
    let server = full();
    let get = async |params| result(&server, Method::PromptsGet, params, modern()).await;
    let simple = get(json!({"name": "simple"})).await;
    assert_eq!(simple["messages"], json!([{"role": "user", "content": {"type": "text", "text": "Hello"}}]));
    let args = get(json!({"name": "args", "arguments": {"arg1": "a", "other": "x"}})).await;
    assert_eq!(args["messages"][0]["content"]["text"], "a -");
    assert_eq!(args["messages"][1]["content"]["resource"]["uri"], "a:b");
    for (params, part) in [
        (json!({"name": "sample"}), "there is simple"),
        (json!({"name": "args"}), "arg1"),
        (json!({"name": "args", "arguments": {"arg1": 5}}), "arg1"),
    ] {
        let refused = error(&server, Method::PromptsGet, params, modern()).await;
        assert!(refused.code == -32602 && refused.message.contains(part), "{refused}");
    }
}

#[tokio::test]
async fn completions_are_bounded_and_know_the_other_arguments() {
    let server = full();
    let complete =
        async |params| result(&server, Method::Complete, params, modern()).await["completion"].clone();
    let template = json!({"type": "ref/resource", "uri": "test://template/{id}/data"});
    let all = complete(json!({"ref": template, "argument": {"name": "id", "value": ""}})).await;
    assert_eq!(all["values"].as_array().unwrap().len(), 100);
    assert_eq!((&all["total"], &all["hasMore"]), (&json!(1000), &json!(true)));
    let one = complete(json!({"ref": template, "argument": {"name": "id", "value": "999"}})).await;
    assert_eq!(one, json!({"values": ["999"], "hasMore": false, "total": 1}));
    let prompt = json!({"type": "ref/prompt", "name": "args"});
    let context = json!({"arguments": {"arg2": "z"}});
    let known = json!({"ref": prompt, "argument": {"name": "arg1", "value": "a"}, "context": context});
    assert_eq!(complete(known).await, json!({"values": ["a-z"], "hasMore": true}));
    let none = complete(json!({"ref": prompt, "argument": {"name": "arg2", "value": "a"}})).await;
    assert_eq!(none["values"], json!([]));
    for params in [
        json!({"ref": {"type": "ref/prompt", "name": "unknown"}, "argument": {"name": "a", "value": ""}}),
        json!({"ref": prompt, "argument": {"name": "unknown", "value": ""}}),
        json!({"ref": {"type": "ref/resource", "uri": "test://{other}"}, "argument": {"name": "a", "value": ""}}),
        json!({"ref": {"type": "ref/other"}, "argument": {"name": "a", "value": ""}}),
        json!({"ref": prompt}),
    ] {
        assert_eq!(error(&server, Method::Complete, params, modern()).await.code, -32602);
    }
}
