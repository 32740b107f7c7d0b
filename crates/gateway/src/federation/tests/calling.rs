use super::*;
use anyport_protocol::param_header::ParamHeaders;
use anyport_service::{Authorization, Event, Principal};
use tokio::time::Instant;

#[tokio::test(start_paused = true)]
async fn a_call_goes_to_its_member_under_the_members_own_name() {
    let (a, b) = (Fake::new(&["read"]), Fake::new(&["read"]));
    let federation = two(&a, &b);
    tools(&federation).await;
    let called = result(&federation, tool("b_read", json!({"x": 1.50}))).await;
    assert_eq!(called["params"], json!({"name": "read", "arguments": {"x": 1.5}}));
    assert!(a.requests(Method::ToolsCall).is_empty());
    let unknown = error(&federation, tool("b_write", json!({}))).await;
    assert_eq!((unknown.code, &*unknown.message), (-32602, "unknown tool: b_write"));
    let method =
        error(&federation, Request { method: "acme/do".into(), params: Raw::EMPTY_OBJECT.into() }).await;
    assert_eq!(method.code, -32601);
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_no_list_if_its_name_says_whose_it_is() {
    let slow = Fake::new(&["x"]).slow(seconds(1));
    let bare = Fake::new(&["bare"]).slow(seconds(2));
    let federation =
        federation([member("slow", &slow), member("b", &bare).naming(Naming::default().prefix(""))]);
    let begun = Instant::now();
    result(&federation, tool("slow_x", json!({}))).await;
    assert_eq!((begun.elapsed(), slow.requests(Method::ToolsCall).len()), (seconds(1), 1));
    // A name without a prefix could be anybody's.
    result(&federation, tool("bare", json!({}))).await;
    assert_eq!(bare.requests(Method::ToolsCall).len(), 1);
    assert_eq!(error(&federation, tool("nothing", json!({}))).await.code, -32602);
}

#[tokio::test(start_paused = true)]
async fn a_name_that_a_slow_member_may_have_is_not_unknown() {
    let (a, slow) = (Fake::new(&["a"]), Fake::new(&["bare"]).slow(seconds(20)));
    let bare = |fake: &Fake| member("b", fake).naming(Naming::default().prefix(""));
    let fleet = federation([member("a", &a), bare(&slow)]);
    // A list waits for 5 s, a call for the list that may have its tool.
    let begun = Instant::now();
    assert_eq!(tools(&fleet).await, ["a_a"]);
    assert_eq!(begun.elapsed(), seconds(5));
    result(&fleet, tool("bare", json!({}))).await;
    let hanging = federation([member("a", &a), bare(&Fake::new(&["bare"]).slow(seconds(2_000)))]);
    let refused = error(&hanging, tool("bare", json!({}))).await;
    let data: Value = refused.data.as_ref().unwrap().decode().unwrap();
    assert_eq!((refused.code, data["upstream"].as_str()), (-32603, Some("b")), "{}", refused.message);
    // Names with a prefix belong to one member.
    assert_eq!(error(&hanging, tool("a_b", json!({}))).await.code, -32603);
}

#[tokio::test(start_paused = true)]
async fn tools_are_renamed_described_fixed_and_hidden() {
    let fake = Fake::new(&["read", "drop", "raw"]);
    fake.set("tools", json!([
        {"name": "read", "inputSchema": {"type": "object", "properties": {"root": {}, "path": {}}, "required": ["root"]}},
        {"name": "drop"}, {"name": "raw"},
    ]));
    let change =
        ItemOverride::default().name("open").alias("get").title("Open").argument("root", json!("/srv"));
    let naming =
        Naming::default().tool("read", change).tool("drop", ItemOverride::default().hidden()).exclude("ra*");
    let federation = federation([member("a", &fake).naming(naming)]);
    let list = result(&federation, request(Method::ToolsList, json!({}))).await;
    let schema = json!({"type": "object", "properties": {"path": {}}, "required": []});
    assert_eq!(list["tools"], json!([{"name": "open", "inputSchema": schema, "title": "Open"}]));
    for name in ["open", "get"] {
        result(&federation, tool(name, json!({"root": "/etc", "Root": "/etc", "path": "x"}))).await;
    }
    let params = json!({"name": "open", "arguments": "{\"path\": \"x\"}"});
    assert_eq!(error(&federation, request(Method::ToolsCall, params)).await.code, -32602, "no object");
    let sent = json!({"name": "read", "arguments": {"path": "x", "root": "/srv"}});
    assert_eq!(fake.requests(Method::ToolsCall), [sent.clone(), sent]);
    for name in ["read", "a_read", "drop", "a_drop", "a_raw"] {
        assert_eq!(error(&federation, tool(name, json!({}))).await.code, -32602, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn param_headers_after_fixed_arguments() {
    let fake = Fake::new(&[]);
    let header = |name: &str| json!({"type": "string", "x-mcp-header": name});
    let schema =
        json!({"type": "object", "properties": {"region": header("Region"), "zone": header("Zone")}});
    fake.set("tools", json!([{"name": "run", "inputSchema": schema}]));
    let change = ItemOverride::default().argument("region", json!("eu"));
    let federation = federation([member("a", &fake).naming(Naming::default().tool("run", change))]);
    tools(&federation).await;
    let with_zone = |zone: &[u8]| {
        let mut headers = ParamHeaders::default();
        headers.push("zone".into(), zone.to_vec());
        modern().with_param_headers(headers)
    };
    // The client knows nothing of the region; its other header is compared with its arguments.
    let call = || tool("a_run", json!({"zone": "1"}));
    let called = federation.call(call(), with_zone(b"1")).outcome().await;
    assert!(matches!(called, Outcome::Result(_)), "{called:?}");
    assert_eq!(fake.requests(Method::ToolsCall)[0]["arguments"], json!({"zone": "1", "region": "eu"}));
    let Outcome::Error(refused) = federation.call(call(), with_zone(b"2")).outcome().await else { panic!() };
    assert_eq!((refused.code, fake.requests(Method::ToolsCall).len()), (-32020, 1));
}

#[tokio::test(start_paused = true)]
async fn prompts_and_completions_go_to_their_member() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    b.set("prompts", json!([{"name": "greet"}]));
    let federation = two(&a, &b);
    let got = result(&federation, request(Method::PromptsGet, json!({"name": "b_greet"}))).await;
    assert_eq!(got["params"], json!({"name": "greet"}));
    let argument = json!({"name": "who", "value": "J"});
    let references = [
        (json!({"type": "ref/prompt", "name": "b_greet"}), json!({"type": "ref/prompt", "name": "greet"})),
        (
            json!({"type": "ref/resource", "uri": "b+x://{a}"}),
            json!({"type": "ref/resource", "uri": "x://{a}"}),
        ),
    ];
    for (ours, own) in references {
        let completed = request(Method::Complete, json!({"ref": ours, "argument": argument}));
        let completed = result(&federation, completed).await;
        assert_eq!(completed["params"], json!({"ref": own, "argument": argument}));
    }
}

#[tokio::test(start_paused = true)]
async fn links_and_loggers_name_the_member() {
    let (a, b) = (Fake::new(&["link", "log"]), Fake::new(&[]));
    let federation = two(&a, &b);
    let linked = result(&federation, tool("a_link", json!({}))).await;
    assert_eq!(linked["content"][0]["uri"], "a+file:///a");
    let mut reply = federation.call(tool("a_log", json!({})), modern());
    let Event::Notification(said) = reply.next().await else { panic!("no log message") };
    assert_eq!(said.params.member("logger").unwrap().as_str(), r#""a/disk""#);
}

#[tokio::test(start_paused = true)]
async fn a_virtual_server_offers_its_selection_alone() {
    let (a, b) = (Fake::new(&["read", "write"]), Fake::new(&["read"]));
    a.set("resources", json!([{"uri": "file:///x", "name": "x"}]));
    let federation = two(&a, &b);
    let readonly = VirtualServer::new("readonly").include("*_read*").exclude("b_*").instructions("Read.");
    let readonly = federation.virtual_server(readonly);
    assert_eq!(tools(&readonly).await, ["a_read"]);
    assert_eq!(names(&readonly, Method::ResourcesList, modern()).await, [""; 0]);
    result(&readonly, tool("a_read", json!({}))).await;
    for name in ["a_write", "b_read"] {
        assert_eq!(error(&readonly, tool(name, json!({}))).await.code, -32602);
    }
    let read = request(Method::ResourcesRead, json!({"uri": "a+file:///x"}));
    assert_eq!(error(&readonly, read).await.code, -32602);
    let described = result(&readonly, request(Method::Discover, json!({}))).await;
    assert!(described["instructions"].as_str().unwrap().starts_with("Read."));
    assert_eq!(
        described["_meta"]["io.modelcontextprotocol/serverInfo"],
        json!({"version": "1", "name": "readonly"})
    );
    // Both use the same lists of the members.
    assert_eq!(tools(&federation).await.len(), 3);
    assert_eq!(a.requests(Method::ToolsList).len(), 1);
}

/// Invariant: A call needs the scopes of its tool, whether the tool is listed yet or not.
#[tokio::test(start_paused = true)]
async fn a_name_like_that_of_a_tool_with_scopes_is_not_called_before_it_is_listed() {
    let fake = Fake::new(&["delete", "read"]).slow(seconds(3));
    let naming = Naming::default().tool("delete", ItemOverride::default().require("admin"));
    let federation = federation([member("a", &fake).naming(naming)]);
    let caller = || Context::authorized(Authorization::scoped(Principal::named("ann"), ["read"]), MODERN);
    let call = async |name: &str| federation.call(tool(name, json!({})), caller()).outcome().await;
    for (name, code) in [("a_delete", 40300), ("a_Delete", -32602), ("a_delete ", -32602)] {
        let Outcome::Error(refused) = call(name).await else { panic!("{name} was called") };
        assert_eq!(refused.code, code, "{name}");
    }
    assert!(matches!(call("a_read").await, Outcome::Result(_)), "it is listed by now");
    assert_eq!(fake.requests(Method::ToolsCall).len(), 1);
}
