//! Invariant: guards check every use of an item, whatever name and revision it comes by, and masks cover everything that a call says.

use std::{future::pending, path::Path, sync::Arc, time::Duration};

use anyport_adapters::LegacyClientLimits;
use anyport_guards::{
    Check, DataKind, Dialect, Guard, GuardLimits, Guards, HtmlChange, Items, Lookup, LookupFuture, Mask,
    PathCheck, Pattern, Place, Resolve, SizeCheck, StatementCheck, UrlCheck,
};
use anyport_metrics::Metrics;
use anyport_policy::{Effect, Expression, Policy, Rule};
use anyport_service::Event;

use super::*;

fn statement() -> Check {
    let check = StatementCheck::new(Dialect::named("postgresql").unwrap()).tables(&["orders".to_owned()]);
    Check::Statement(Box::new(check))
}

fn patterns(names: &[&str]) -> Vec<Pattern> {
    names.iter().map(|name| Pattern::new(*name)).collect()
}

fn of_tools(names: &[&str], argument: &str, check: Check) -> Guard {
    let items = Items { tools: patterns(names), ..Items::default() };
    Guard::new("it", items, Place::argument(argument).unwrap(), vec![check])
}

fn guarded(
    a: &Fake,
    guards: impl IntoIterator<Item = Guard>,
    masking: Masking,
    limits: GuardLimits,
) -> (Federation, Metrics) {
    let metrics = Metrics::new();
    let federation = Federation::builder("gateway", "1").metrics(&metrics).member(member("a", a));
    let federation = federation.build().unwrap();
    federation.set_guards(Guards::new(guards, limits), masking);
    (federation, metrics)
}

fn count(metrics: &Metrics, name: &str) -> u64 {
    let text = metrics.render();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
    line.unwrap_or_else(|| panic!("{text}")).parse().unwrap()
}

async fn answered(federation: &Federation, request: Request, context: Context) -> Value {
    match federation.call(request, context).outcome().await {
        Outcome::Result(result) => result.decode().unwrap(),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_call_of_a_tool_is_an_error_that_the_model_reads() {
    let a = Fake::new(&["query"]);
    let (federation, metrics) =
        guarded(&a, [of_tools(&["a_q*"], "sql", statement())], Masking::default(), GuardLimits::default());
    for context in [legacy(), modern()] {
        let call = tool("a_query", json!({"sql": "SELECT * FROM secrets"}));
        let refused = answered(&federation, call, context.clone()).await;
        assert_eq!(refused["isError"], true, "{refused}");
        let text = refused["content"][0]["text"].as_str().unwrap();
        assert!(
            text.contains("the argument sql of a_query")
                && text.contains("orders")
                && !text.contains("secrets"),
            "{text}"
        );
        let call = tool("a_query", json!({"sql": "SELECT * FROM orders"}));
        assert_eq!(answered(&federation, call, context).await["isError"], Value::Null);
    }
    assert_eq!((a.requests(Method::ToolsCall).len(), count(&metrics, "anyport_guard_refused_total")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn prompts_resources_and_completions_are_refused_by_an_error() {
    let a = Fake::new(&[]);
    a.set("prompts", json!([{"name": "show", "arguments": [{"name": "path"}]}]));
    let items =
        Items { prompts: patterns(&["a_show"]), resources: patterns(&["a+file:*"]), ..Items::default() };
    let path = || vec![Check::Path(PathCheck::new("/srv").unwrap())];
    let guards = [
        Guard::new("argument", items.clone(), Place::argument("path").unwrap(), path()),
        Guard::new("uri", items, Place::Uri, path()),
    ];
    let guards = guards.into_iter().collect::<Vec<_>>();
    let (federation, _) = guarded(&a, guards, Masking::default(), GuardLimits::default());
    let prompt =
        |path: &str| request(Method::PromptsGet, json!({"name": "a_show", "arguments": {"path": path}}));
    let read = |uri: &str| request(Method::ResourcesRead, json!({"uri": uri}));
    let complete = |value: &str| {
        let argument = json!({"name": "path", "value": value});
        let reference = json!({"type": "ref/prompt", "name": "a_show"});
        request(Method::Complete, json!({"ref": reference, "argument": argument}))
    };
    for wrong in [
        prompt("../x"),
        read("a+file:///etc/passwd"),
        read("a+file:///srv/%2e%2e/x"),
        read("a+FILE:///etc/passwd"),
        complete("/et"),
    ] {
        let text = format!("{:?}", wrong.params);
        let refused = error(&federation, wrong).await;
        assert_eq!(refused.code, -32602, "{text}");
        assert!(refused.message.contains("is refused by"), "{}", refused.message);
    }
    for right in [prompt("x"), read("a+file:///srv/x"), complete("do")] {
        answered(&federation, right, modern()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_guard_changes_what_the_member_receives_but_not_what_the_gateway_sets() {
    let a = Fake::new(&["post"]);
    let change = ItemOverride::default().alias("put").argument("footer", json!("<i>ours</i>"));
    let federation = Federation::builder("gateway", "1")
        .member(member("a", &a).naming(Naming::default().tool("post", change)))
        .build()
        .unwrap();
    let guards = [of_tools(&["a_post"], "text", Check::Html(HtmlChange::Sanitize))];
    federation.set_guards(Guards::new(guards, GuardLimits::default()), Masking::default());
    tools(&federation).await;
    for name in ["a_post", "put"] {
        let call = tool(name, json!({"text": "<script>1</script><b>x</b>", "footer": "<script>", "n": 1.50}));
        answered(&federation, call, modern()).await;
    }
    let expected = json!({"text": "<b>x</b>", "n": 1.50, "footer": "<i>ours</i>"});
    for request in a.requests(Method::ToolsCall) {
        assert_eq!(request["arguments"], expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_user_is_not_asked_about_a_call_that_is_refused() {
    let a = Fake::new(&["query"]);
    let (federation, _) =
        guarded(&a, [of_tools(&["*"], "sql", statement())], Masking::default(), GuardLimits::default());
    let ask = Rule::new("ask", Expression::parse("true").unwrap(), Effect::Ask);
    federation.set_policy(Policy::new([ask]), LegacyClientLimits::default());
    let context = modern().with_client(json!({"elicitation": {}}).into(), None);
    let call = |sql: &str| tool("a_query", json!({"sql": sql}));
    assert_eq!(answered(&federation, call("DROP TABLE orders"), context.clone()).await["isError"], true);
    let asked = federation.call(call("SELECT 1"), context).outcome().await;
    assert!(matches!(asked, Outcome::InputRequired(_)), "{asked:?}");
}

/// Has no answers.
struct Silent;

impl Lookup for Silent {
    fn addresses<'a>(&'a self, _: &'a str) -> LookupFuture<'a, Vec<std::net::IpAddr>> {
        Box::pin(pending())
    }

    fn is_beneath<'a>(&'a self, _: &'a Path, _: &'a Path) -> LookupFuture<'a, bool> {
        Box::pin(pending())
    }
}

#[tokio::test(start_paused = true)]
async fn a_lookup_that_takes_too_long_refuses() {
    let a = Fake::new(&["fetch"]);
    let url =
        UrlCheck { schemes: vec!["https".into()], hosts: vec![], is_public: true, resolve: Resolve::Check };
    let mut limits = GuardLimits::default();
    limits.guard_lookup_timeout = Duration::from_secs(2);
    let (federation, metrics) = guarded(&a, [], Masking::default(), limits);
    let guards = Guards::new([of_tools(&["*"], "url", Check::Url(url))], limits).lookup(Arc::new(Silent));
    federation.set_guards(guards, Masking::default());
    let call = tool("a_fetch", json!({"url": "https://a.example.com/"}));
    let refused = answered(&federation, call, modern()).await;
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("guard_lookup_timeout"), "{refused}");
    assert!(metrics.render().contains("guard_lookup_timeout\"} 1"), "{}", metrics.render());
}

#[tokio::test(start_paused = true)]
async fn a_result_is_checked_before_it_is_passed_on() {
    let a = Fake::new(&["big"]);
    let items = Items { tools: patterns(&["a_big"]), ..Items::default() };
    let html = Guard::new("html", items.clone(), Place::Result, vec![Check::Html(HtmlChange::Escape)]);
    let size = Guard::new("size", items, Place::Result, vec![Check::Size(SizeCheck::Bytes(200))]);
    let (federation, _) = guarded(&a, [html, size], Masking::default(), GuardLimits::default());
    let call = |text: &str| tool("a_big", json!({"content": [{"type": "text", "text": text}]}));
    let changed = answered(&federation, call("<b>"), modern()).await;
    assert_eq!(changed["content"][0]["text"], "&lt;b&gt;");
    let refused = answered(&federation, call(&"x".repeat(200)), modern()).await;
    assert_eq!(refused["isError"], true);
    assert!(refused["content"][0]["text"].as_str().unwrap().contains("the result of a_big"), "{refused}");
}

fn email() -> Masking {
    Masking::new(Mask::new([DataKind::Email])).always_for(&[], &["a_plain".to_owned()])
}

#[tokio::test(start_paused = true)]
async fn data_is_covered_in_results_errors_and_notifications() {
    let a = Fake::new(&["show", "plain", "log", "ask"]);
    let (federation, metrics) = guarded(&a, [], email(), GuardLimits::default());
    let call = |name: &str| tool(name, json!({"x": "ada@example.com"}));
    for context in [legacy(), modern()] {
        let shown = answered(&federation, call("a_show"), context.clone()).await;
        assert_eq!(shown["params"]["arguments"]["x"], "[email hidden]", "{shown}");
        let plain = answered(&federation, call("a_plain"), context).await;
        assert_eq!(plain["params"]["arguments"]["x"], "ada@example.com");
    }
    assert_eq!(a.requests(Method::ToolsCall)[0]["arguments"]["x"], "ada@example.com", "arguments stay");
    assert_eq!(count(&metrics, "anyport_masked_total"), 2);
    let full = Masking::new(Mask::new([]).pattern("word", "full|which|here|missing").unwrap());
    federation.set_guards(Guards::new([], GuardLimits::default()), full.always_for(&[], &[]));
    let mut reply = federation.call(tool("a_log", json!({})), modern());
    let Event::Notification(said) = reply.next().await else { panic!() };
    assert_eq!(said.params.member("data").unwrap().as_str(), "\"[word hidden]\"");
    let mut reply = federation.call(tool("a_ask", json!({})), legacy());
    let Event::ServerRequest(asked) = reply.next().await else { panic!() };
    assert_eq!(asked.params.member("message").unwrap().as_str(), "\"[word hidden]?\"");
    let Outcome::InputRequired(asked) = federation.call(tool("a_ask", json!({})), modern()).outcome().await
    else {
        panic!()
    };
    assert!(asked.as_str().contains("[word hidden]?") && !asked.as_str().contains("which"), "{asked:?}");
    let read =
        answered(&federation, request(Method::ResourcesRead, json!({"uri": "a+file:///x"})), modern()).await;
    assert_eq!(read["contents"][0]["text"], "[word hidden]");
    let missing =
        error(&federation, request(Method::ResourcesRead, json!({"uri": "a+file:///missing"}))).await;
    assert!(!missing.message.contains("missing"), "{}", missing.message);
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_the_policy_covers_data_of_its_own() {
    let a = Fake::new(&["show"]);
    let masking = Masking::default().rule("callers", Mask::new([DataKind::Email]));
    let (federation, _) = guarded(&a, [], masking, GuardLimits::default());
    let rule = Rule::new("callers", Expression::parse("arguments.y == 1").unwrap(), Effect::Mask);
    federation.set_policy(Policy::new([rule]), LegacyClientLimits::default());
    for (y, expected) in [
        (json!(1), "[email hidden]"),
        (json!(2), "ada@example.com"),
        // A condition that cannot be decided covers.
        (json!({"a": 1}), "ada@example.com"),
    ] {
        let call = tool("a_show", json!({"x": "ada@example.com", "y": y}));
        assert_eq!(answered(&federation, call, modern()).await["params"]["arguments"]["x"], expected);
    }
    let undecided = answered(&federation, tool("a_show", json!({"x": "ada@example.com"})), modern()).await;
    assert_eq!(undecided["params"]["arguments"]["x"], "[email hidden]");
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_large_to_be_covered_is_refused() {
    let a = Fake::new(&["show"]);
    let mut limits = GuardLimits::default();
    limits.guard_result_bytes = 300;
    let (federation, metrics) = guarded(&a, [], email(), limits);
    let refused = answered(&federation, tool("a_show", json!({"x": "y".repeat(400)})), modern()).await;
    assert_eq!(refused["isError"], true);
    assert!(metrics.render().contains("guard_result_bytes\"} 1"), "{}", metrics.render());
}

/// Invariant: A tool that may be guarded is called only once its list says which one it is.
#[tokio::test(start_paused = true)]
async fn a_name_like_that_of_a_guarded_tool_is_not_called_before_it_is_listed() {
    let a = Fake::new(&["query"]).slow(seconds(3));
    let (federation, _) =
        guarded(&a, [of_tools(&["a_query"], "sql", statement())], Masking::default(), GuardLimits::default());
    for name in ["a_Query", "a_query "] {
        let call = tool(name, json!({"sql": "SELECT * FROM secrets"}));
        let Outcome::Error(refused) = federation.call(call, modern()).outcome().await else {
            panic!("{name} was called")
        };
        assert_eq!(refused.code, -32602, "{name}");
    }
    assert!(a.requests(Method::ToolsCall).is_empty());
}

/// The arguments that a completion names as known pass the guards of its prompt, and a guard's change reaches the server.
#[tokio::test(start_paused = true)]
async fn known_arguments_of_a_completion_are_guarded() {
    let a = Fake::new(&[]);
    a.set(
        "prompts",
        json!([{"name": "show", "arguments": [{"name": "path"}, {"name": "body"}, {"name": "x"}]}]),
    );
    let items = Items { prompts: patterns(&["a_show"]), ..Items::default() };
    let path = vec![Check::Path(PathCheck::new("/srv").unwrap())];
    let html = vec![Check::Html(HtmlChange::Escape)];
    let guards = [
        Guard::new("path", items.clone(), Place::argument("path").unwrap(), path),
        Guard::new("body", items, Place::argument("body").unwrap(), html),
    ];
    let (federation, _) = guarded(&a, guards, Masking::default(), GuardLimits::default());
    let complete = |known: Value| {
        let reference = json!({"type": "ref/prompt", "name": "a_show"});
        let argument = json!({"name": "x", "value": "1"});
        let params = json!({"ref": reference, "argument": argument, "context": {"arguments": known}});
        request(Method::Complete, params)
    };
    for wrong in
        [json!({"path": "/etc/passwd"}), json!({"Path": "../x"}), json!(["/etc"]), json!({"path": 1})]
    {
        let refused = error(&federation, complete(wrong.clone())).await;
        assert_eq!(refused.code, -32602, "{wrong}");
        assert!(refused.message.contains("is refused by"), "{}", refused.message);
    }
    for context in [legacy(), modern()] {
        let known = json!({"path": "a/b", "body": "<b>"});
        answered(&federation, complete(known), context).await;
    }
    let [first, second] = a.requests(Method::Complete).try_into().unwrap();
    assert_eq!(first["context"]["arguments"], json!({"path": "a/b", "body": "&lt;b&gt;"}));
    assert_eq!(first["context"], second["context"]);
}

/// Notifications that no revision knows are covered as a whole.
#[tokio::test(start_paused = true)]
async fn data_is_covered_in_unknown_notifications() {
    let a = Fake::new(&["unknown"]);
    let (federation, _) = guarded(&a, [], email(), GuardLimits::default());
    for context in [legacy(), modern()] {
        let mut reply = federation.call(tool("a_unknown", json!({})), context);
        let Event::Unknown { method, params } = reply.next().await else { panic!() };
        assert_eq!(&*method, "notifications/example/mail");
        let expected = json!({"to": ["[email hidden]"], "[email hidden]": {"n": 1.5}});
        assert_eq!(params.decode::<Value>().unwrap(), expected);
    }
}

/// No member that a server may take for another one reaches it: what is looked up, allowed and guarded is what is called.
#[tokio::test(start_paused = true)]
async fn a_member_that_is_alike_to_one_that_decides_reaches_no_server() {
    let a = Fake::new(&["query"]);
    let (federation, _) =
        guarded(&a, [of_tools(&["a_query"], "sql", statement())], Masking::default(), GuardLimits::default());
    let allowed = json!({"sql": "SELECT 1"});
    for context in [legacy(), modern()] {
        for (key, value) in
            [("Name", json!("drop")), ("name\0", json!("drop")), ("ARGUMENTS", json!({"sql": "DROP"}))]
        {
            let call =
                request(Method::ToolsCall, json!({"name": "a_query", "arguments": allowed, key: value}));
            let Outcome::Error(refused) = federation.call(call, context.clone()).outcome().await else {
                panic!("{key:?}")
            };
            assert_eq!(refused.code, -32602, "{key:?}");
        }
        let twice = tool("a_query", json!({"sql": "SELECT 1", "other": 1, "Other": 2}));
        assert!(matches!(federation.call(twice, context.clone()).outcome().await, Outcome::Error(_)));
        answered(&federation, tool("a_query", allowed.clone()), context).await;
    }
    assert!(
        a.requests(Method::ToolsCall)
            .iter()
            .all(|call| call["arguments"] == allowed && call["name"] == "query")
    );
}
