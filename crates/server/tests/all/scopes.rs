//! Things that need a scope of the caller.
//!
//! Invariant: A caller without the scopes of an entry cannot call, read or complete it, not even by another tool or a mount.

use anyport_protocol::{Method, Raw, Revision, jsonrpc::Reason};
use anyport_server::{
    Argument, Authorization, BuildError, CallError, CompletionRequest, Context, Principal, Prompt, Resource,
    Server, Template, Tool, ToolResult, Values, prompt, resource, tool,
};
use anyport_service::Event;
use serde_json::{Value, json};

use crate::common::{error, result, start};

/// Reads secrets.
#[tool(require = "data:read", require = "data:list")]
async fn secrets(who: Principal, authorization: &Authorization) -> String {
    let scopes: Vec<&str> = authorization.scopes().into_iter().flatten().collect();
    format!("{:?} {:?} {}", who.issuer(), who.subject(), scopes.join(" "))
}

#[tool]
async fn outer(context: Context) -> Result<ToolResult, CallError> {
    context.call("secrets", &json!({})).await
}

#[resource("x:/secret", require = "data:read")]
async fn secret() -> &'static str {
    "gold"
}

#[resource("y:/{id}", require = "data:read")]
async fn one(id: String) -> String {
    id
}

#[prompt(require = "data:read")]
async fn plan(#[arg(complete = names)] name: String) -> String {
    name
}

async fn names(_: CompletionRequest, _: Context) -> Vec<&'static str> {
    vec!["ada"]
}

fn server() -> Server {
    Server::builder("scopes", "1").add(secrets).add(outer).add(secret).add(one).add(plan).build().unwrap()
}

fn caller(scopes: &[&str]) -> anyport_service::Context {
    let ada = Principal::subject_of("https://login.example", "ada");
    let authorization = Authorization::scoped(ada, scopes.iter().copied());
    anyport_service::Context::authorized(authorization, Revision::NEWEST)
}

/// What needs scopes, and which.
fn requests(prefix: &str) -> [(Method, Value, &'static [&'static str]); 5] {
    let read: &[&str] = &["data:read"];
    let prompt = format!("{prefix}plan");
    let complete =
        json!({"ref": {"type": "ref/prompt", "name": prompt}, "argument": {"name": "name", "value": ""}});
    [
        (Method::ToolsCall, json!({"name": format!("{prefix}secrets")}), &["data:read", "data:list"]),
        (Method::ResourcesRead, json!({"uri": "x:/secret"}), read),
        (Method::ResourcesRead, json!({"uri": "y:/1"}), read),
        (Method::PromptsGet, json!({"name": prompt, "arguments": {"name": "x"}}), read),
        (Method::Complete, complete, read),
    ]
}

#[tokio::test]
async fn every_entry_is_refused_without_its_scopes_and_used_with_them() {
    let mounted = Server::builder("outer", "1").mount("inner", server()).build().unwrap();
    for (server, prefix) in [(server(), ""), (mounted, "inner_")] {
        for (method, params, needed) in requests(prefix) {
            for scopes in [&[][..], &["data"], &["data:read:all", "data:list"], &["DATA:READ"]] {
                let refused = error(&server, method, params.clone(), caller(scopes)).await;
                assert_eq!(
                    (refused.code, refused.reason),
                    (40300, Some(Reason::InsufficientScope)),
                    "{params}"
                );
                assert_eq!(refused.required_scopes().unwrap(), needed, "{params}");
            }
            let granted = result(&server, method, params.clone(), caller(&["data:read", "data:list"])).await;
            assert_ne!(granted["isError"], true, "{granted}");
            let anonymous = anyport_service::Context::new(Principal::anonymous(), Revision::NEWEST);
            result(&server, method, params, anonymous).await;
        }
    }
}

#[tokio::test]
async fn a_handler_is_given_its_caller() {
    let server = server();
    let said =
        result(&server, Method::ToolsCall, json!({"name": "secrets"}), caller(&["data:list", "data:read"]));
    let expected = r#"Some("https://login.example") Some("ada") data:list data:read"#;
    assert_eq!(said.await["content"][0]["text"], expected);
}

#[tokio::test]
async fn a_tool_cannot_call_another_for_a_caller_that_lacks_its_scopes() {
    let call =
        async |scopes| result(&server(), Method::ToolsCall, json!({"name": "outer"}), caller(scopes)).await;
    let refused = call(&["data:read"]).await;
    assert_eq!(refused["isError"], true);
    let words = refused["content"][0]["text"].as_str().unwrap();
    assert_eq!(words, "secrets: this needs the scope data:read data:list, which the credential lacks");
    assert_ne!(call(&["data:read", "data:list"]).await["isError"], true);
}

/// So that a client can ask for the scope.
#[tokio::test]
async fn what_needs_a_scope_is_listed_without_it() {
    for (method, list, count) in [
        (Method::ToolsList, "tools", 2),
        (Method::ResourcesList, "resources", 1),
        (Method::TemplatesList, "resourceTemplates", 1),
        (Method::PromptsList, "prompts", 1),
    ] {
        let page = result(&server(), method, json!({}), caller(&[])).await;
        assert_eq!(page[list].as_array().unwrap().len(), count);
    }
    let hidden =
        Tool::new("hidden").require("a").visible_to(|_| false).run_raw(async |_: Raw, _: Context| "");
    let server = Server::builder("s", "1").tool(hidden).build().unwrap();
    let unknown = error(&server, Method::ToolsCall, json!({"name": "hidden"}), caller(&[])).await;
    assert_eq!(unknown.reason, Some(Reason::UnknownTool), "what is hidden does not exist");
}

/// Invariant: Nobody hears of changes of a resource without the scopes that reading it takes.
#[tokio::test]
async fn a_subscription_covers_what_its_caller_has_the_scopes_for() {
    let open = Resource::new("x:/open").read(async |_: Context| "");
    let server = Server::builder("scopes", "1").add(secret).add(one).resource(open).build().unwrap();
    let mounted = Server::builder("outer", "1").mount("inner", server.clone()).build().unwrap();
    let asked = ["x:/secret", "x:/secret#a", "x:/", "y:/1", "x:/open"];
    for (scopes, agreed) in [(&[][..], &["x:/open"][..]), (&["data:read"], &asked)] {
        for server in [&server, &mounted] {
            let filter = json!({"notifications": {"resourceSubscriptions": asked}});
            let mut reply = start(server, Method::Listen, &filter, caller(scopes));
            let Event::Notification(acknowledged) = reply.next().await else { panic!("no acknowledgement") };
            let acknowledged: Value = acknowledged.params.decode().unwrap();
            assert_eq!(acknowledged["notifications"]["resourceSubscriptions"], json!(agreed), "{scopes:?}");
        }
    }
}

/// A cache must not give one caller what another has read with a scope.
#[tokio::test]
async fn what_needs_a_scope_is_private() {
    let open = Resource::new("x:/a").public().read(async |_: Context| "");
    let closed = Resource::new("x:/b").public().require("a").read(async |_: Context| "");
    let server = Server::builder("s", "1").resource(open).resource(closed).build().unwrap();
    for (uri, scope) in [("x:/a", "public"), ("x:/b", "private")] {
        let read = result(&server, Method::ResourcesRead, json!({"uri": uri}), caller(&["a"])).await;
        assert_eq!(read["cacheScope"], scope, "{uri}");
    }
}

#[test]
fn a_scope_that_no_token_can_have_is_a_mistake() {
    let tool = Tool::new("t").require("two words").run_raw(async |_: Raw, _: Context| "");
    let resource = Resource::new("x:/a").require("").read(async |_: Context| "");
    let template = Template::new("y:/{a}").require("\"").read(async |_: Values, _: Context| "");
    let prompt =
        Prompt::new("p").argument(Argument::new("a")).require("ä").get(async |_: Values, _: Context| "");
    let builder = Server::builder("s", "1").tool(tool).resource(resource).template(template).prompt(prompt);
    let error: BuildError = builder.build().unwrap_err();
    for scope in ["\"two words\"", "\"\"", "\"\\\"\"", "\"ä\""] {
        assert!(error.to_string().contains(&format!("require: {scope} is no scope")), "{error}");
    }
}
