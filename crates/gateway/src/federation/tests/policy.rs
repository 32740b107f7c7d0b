//! Invariant: a policy decides on every use of an item, and on every list, by the same rules.

use anyport_adapters::LegacyClientLimits;
use anyport_metrics::Metrics;
use anyport_policy::{Effect, Expression, Mode, Policy, Rule};
use anyport_protocol::jsonrpc::Reason;
use anyport_service::{Authorization, Event, Principal};

use super::*;

fn rule(name: &str, when: &str, effect: Effect) -> Rule {
    Rule::new(name, Expression::parse(when).unwrap(), effect)
}

/// Two members with a policy, and what is counted there.
fn governed(a: &Fake, b: &Fake, rules: impl IntoIterator<Item = Rule>) -> (Federation, Metrics) {
    let metrics = Metrics::new();
    let builder = Federation::builder("gateway", "1").metrics(&metrics);
    let federation = builder.member(member("a", a)).member(member("b", b)).build().unwrap();
    federation.set_policy(Policy::new(rules), LegacyClientLimits::default());
    (federation, metrics)
}

fn scoped(revision: Revision, scopes: &[&str]) -> Context {
    let ann = Principal::named("ann");
    Context::authorized(Authorization::scoped(ann, scopes.iter().copied()), revision)
        .with_client(json!({"elicitation": {}}).into(), None)
}

async fn ended(
    federation: &Federation,
    request: Request,
    context: Context,
) -> Result<Value, anyport_protocol::Error> {
    match federation.call(request, context).outcome().await {
        Outcome::Result(result) => Ok(result.decode().unwrap()),
        Outcome::Error(error) => Err(error),
        outcome => panic!("{outcome:?}"),
    }
}

fn count(metrics: &Metrics, name: &str) -> u64 {
    let line = format!("{name}_total ");
    let text = metrics.render();
    let value = text.lines().find_map(|found| found.strip_prefix(&line)).unwrap_or_else(|| panic!("{text}"));
    value.parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_says_why_and_never_reaches_its_member() {
    let (a, b) = (Fake::new(&["read", "write"]), Fake::new(&["write"]));
    let writers =
        rule("writers", "tool.own_name == 'write' && !('write' in principal.permissions)", Effect::Deny);
    let (federation, metrics) = governed(&a, &b, [writers.reason("writing needs the scope write")]);
    for revision in [LEGACY, MODERN] {
        let refused =
            ended(&federation, tool("a_write", json!({})), scoped(revision, &["read"])).await.unwrap_err();
        assert_eq!(
            refused.message,
            "the policy of this gateway refuses the call: writing needs the scope write"
        );
        let data: Value = refused.data.unwrap().decode().unwrap();
        assert_eq!(data, json!({"rule": "writers", "reason": "forbidden"}));
        let listed = names(&federation, Method::ToolsList, scoped(revision, &["read"])).await;
        assert_eq!(listed, ["a_read"]);
        let all = names(&federation, Method::ToolsList, scoped(revision, &["write"])).await;
        assert_eq!(all, ["a_read", "a_write", "b_write"]);
        assert!(ended(&federation, tool("a_write", json!({})), scoped(revision, &["write"])).await.is_ok());
    }
    assert_eq!((a.requests(Method::ToolsCall).len(), count(&metrics, "anyport_policy_denied")), (2, 2));
}

#[tokio::test(start_paused = true)]
async fn a_long_list_is_filtered_like_a_short_one() {
    let many: Vec<String> = (0..1_000).map(|number| format!("t{number}")).collect();
    let (a, b) = (Fake::new(&many.iter().map(String::as_str).collect::<Vec<_>>()), Fake::new(&["t"]));
    let hidden = rule("even", "tool.own_name.endsWith('0')", Effect::Hide);
    let (federation, _) = governed(&a, &b, [hidden]);
    for context in [legacy(), modern()] {
        for _ in 0..2 {
            assert_eq!(names(&federation, Method::ToolsList, context.clone()).await.len(), 901);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn as_many_filtered_lists_are_kept_as_the_limit_says() {
    let (a, b) = (Fake::new(&["read"]), Fake::new(&[]));
    let limits = FederationLimits { filtered_lists: 0, ..FederationLimits::default() };
    let federation = limited([member("a", &a), member("b", &b)], limits);
    let none = rule("none", "'x' in principal.permissions", Effect::Hide);
    federation.set_policy(Policy::new([none]), LegacyClientLimits::default());
    for scopes in [&["y"][..], &["z"], &["y"]] {
        assert_eq!(names(&federation, Method::ToolsList, scoped(MODERN, scopes)).await, ["a_read"]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hidden_item_is_not_there() {
    let (a, b) = (Fake::new(&["read", "drop"]), Fake::new(&[]));
    a.set("prompts", json!([{"name": "secret"}, {"name": "plain"}]));
    a.set(
        "resources",
        json!([{"uri": "file:///secret", "name": "s"}, {"uri": "file:///plain", "name": "p"}]),
    );
    let hidden =
        "tool.own_name == 'drop' || prompt.own_name == 'secret' || resource.own_uri == 'file:///secret'";
    let (federation, _) = governed(&a, &b, [rule("none", hidden, Effect::Hide)]);
    for (list, left) in [
        (Method::ToolsList, "a_read"),
        (Method::PromptsList, "a_plain"),
        (Method::ResourcesList, "a+file:///plain"),
    ] {
        assert_eq!(names(&federation, list, modern()).await, [left]);
    }
    let requests = [
        |hidden: bool| tool(if hidden { "a_drop" } else { "a_none" }, json!({})),
        |hidden| request(Method::PromptsGet, json!({"name": if hidden { "a_secret" } else { "a_none" }})),
        |hidden| {
            request(Method::ResourcesRead, json!({"uri": if hidden { "a+file:///secret" } else { "none:x" }}))
        },
        |hidden| {
            let name = if hidden { "a_secret" } else { "a_none" };
            let argument = json!({"name": "x", "value": ""});
            request(
                Method::Complete,
                json!({"ref": {"type": "ref/prompt", "name": name}, "argument": argument}),
            )
        },
    ];
    for request in requests {
        let (of_hidden, of_none) =
            (error(&federation, request(true)).await, error(&federation, request(false)).await);
        assert_eq!((of_hidden.code, of_hidden.reason), (of_none.code, of_none.reason));
        let without_name =
            |text: &str| text.replace("a_drop", "").replace("a_secret", "").replace("a_none", "");
        if !of_hidden.message.contains("resource") {
            assert_eq!(without_name(&of_hidden.message), without_name(&of_none.message));
        }
    }
    for method in [Method::ToolsCall, Method::PromptsGet, Method::ResourcesRead, Method::Complete] {
        assert!(a.requests(method).is_empty(), "{method:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_rule_sees_the_arguments_that_the_member_receives_and_the_name_that_is_listed() {
    let (a, b) = (Fake::new(&["read"]), Fake::new(&[]));
    let change = ItemOverride::default().alias("get").argument("root", json!("/srv"));
    let rooted = "tool.name == 'a_read' && arguments.root == '/srv' && arguments.path.startsWith('..')";
    let metrics = Metrics::new();
    let members = [member("a", &a).naming(Naming::default().tool("read", change)), member("b", &b)];
    let builder = Federation::builder("gateway", "1").metrics(&metrics);
    let federation = members.into_iter().fold(builder, FederationBuilder::member).build().unwrap();
    federation.set_policy(Policy::new([rule("below", rooted, Effect::Deny)]), LegacyClientLimits::default());
    tools(&federation).await;
    for name in ["a_read", "get"] {
        let call = |path: &str| tool(name, json!({"path": path, "root": "/"}));
        assert!(ended(&federation, call("../x"), modern()).await.is_err(), "{name}");
        assert!(ended(&federation, call("x"), modern()).await.is_ok(), "{name}");
        // A condition that cannot be decided refuses.
        assert!(ended(&federation, tool(name, json!({})), modern()).await.is_err(), "{name}");
    }
    assert_eq!(count(&metrics, "anyport_policy_undecided"), 2);
    assert_eq!(tools(&federation).await, ["a_read"], "the arguments decide, so that it is listed");
}

#[tokio::test(start_paused = true)]
async fn an_audited_rule_changes_nothing_and_is_counted() {
    let (a, b) = (Fake::new(&["read"]), Fake::new(&[]));
    let (federation, metrics) = governed(&a, &b, [rule("all", "true", Effect::Deny).mode(Mode::Audit)]);
    assert!(ended(&federation, tool("a_read", json!({})), modern()).await.is_ok());
    assert_eq!(tools(&federation).await, ["a_read"]);
    assert_eq!((count(&metrics, "anyport_policy_audited"), count(&metrics, "anyport_policy_denied")), (1, 0));
}

fn asking() -> Rule {
    rule("ask", "tool.own_name in ['drop', 'ask']", Effect::Ask).reason("it cannot be undone")
}

fn answered(name: &str, arguments: &Value, state: &Value, key: &str, action: &str) -> Request {
    let responses = json!({key: {"action": action, "content": {}}});
    let params =
        json!({"name": name, "arguments": arguments, "inputResponses": responses, "requestState": state});
    request(Method::ToolsCall, params)
}

async fn required(federation: &Federation, request: Request, context: Context) -> Value {
    match federation.call(request, context).outcome().await {
        Outcome::InputRequired(required) => required.decode().unwrap(),
        outcome => panic!("{outcome:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_modern_client_confirms_a_call_by_its_retry() {
    let (a, b) = (Fake::new(&["drop"]), Fake::new(&[]));
    let (federation, metrics) = governed(&a, &b, [asking()]);
    let arguments = json!({"table": "users"});
    let question = required(&federation, tool("a_drop", arguments.clone()), modern()).await;
    let asked = &question["inputRequests"]["confirm"];
    assert_eq!(asked["method"], "elicitation/create");
    let message = r#"a: may the tool a_drop be called with {table: "users"}? (it cannot be undone)"#;
    assert_eq!(asked["params"]["message"], message);
    assert!(a.requests(Method::ToolsCall).is_empty());
    let state = &question["requestState"];
    let answer = |action| answered("a_drop", &arguments, state, "confirm", action);
    for action in ["decline", "cancel"] {
        let refused = ended(&federation, answer(action), modern()).await.unwrap_err();
        assert_eq!(refused.reason, Some(anyport_protocol::jsonrpc::Reason::Declined));
    }
    ended(&federation, answer("accept"), modern()).await.unwrap();
    let received = a.requests(Method::ToolsCall);
    assert_eq!(received.len(), 1);
    assert_eq!((&received[0]["arguments"], received[0].get("inputResponses")), (&arguments, None));
    assert_eq!(received[0].get("requestState"), None, "what is ours does not reach the member");
    // A confirmation is that of one caller, for these arguments.
    let others = answered("a_drop", &json!({"table": "orders"}), state, "confirm", "accept");
    assert_eq!(ended(&federation, others, modern()).await.unwrap_err().code, -32602);
    let eve =
        Context::new(Principal::named("eve"), MODERN).with_client(json!({"elicitation": {}}).into(), None);
    assert_eq!(ended(&federation, answer("accept"), eve).await.unwrap_err().code, -32602);
    assert_eq!(a.requests(Method::ToolsCall).len(), 1);
    assert_eq!(count(&metrics, "anyport_policy_asked"), 6);
}

#[tokio::test(start_paused = true)]
async fn an_answer_to_no_question_of_ours_confirms_nothing() {
    let (a, b) = (Fake::new(&["drop", "ask"]), Fake::new(&[]));
    let (federation, _) = governed(&a, &b, []);
    let none = json!({});
    let of_member =
        required(&federation, tool("a_ask", none.clone()), modern()).await["requestState"].clone();
    federation.set_policy(Policy::new([asking()]), LegacyClientLimits::default());
    let responses = json!({"confirm": {"action": "accept", "content": {}}});
    let first = json!({"name": "a_drop", "arguments": {}, "inputResponses": responses});
    let asked = required(&federation, request(Method::ToolsCall, first), modern()).await;
    assert!(asked["inputRequests"]["confirm"].is_object(), "{asked}");
    // Nor one to a question of the member, from before there was a rule.
    let before = a.requests(Method::ToolsCall).len();
    let asked =
        required(&federation, answered("a_ask", &none, &of_member, "confirm", "accept"), modern()).await;
    assert!(asked["inputRequests"]["confirm"].is_object(), "{asked}");
    assert_eq!(a.requests(Method::ToolsCall).len(), before);
}

#[tokio::test(start_paused = true)]
async fn a_question_shows_every_argument_on_one_line() {
    let (a, b) = (Fake::new(&["drop"]), Fake::new(&[]));
    let (federation, _) = governed(&a, &b, [asking()]);
    let arguments = json!({"note": format!("x\n\u{202e}{}", "y".repeat(1_000)), "table": "users"});
    let question = required(&federation, tool("a_drop", arguments), modern()).await;
    let message = question["inputRequests"]["confirm"]["params"]["message"].as_str().unwrap().to_owned();
    assert!(message.contains(r#"table: "users""#) && message.contains("characters more)"), "{message}");
    assert!(!message.contains('\n') && !message.contains('\u{202e}') && message.len() < 1_000, "{message}");
}

#[tokio::test(start_paused = true)]
async fn under_rules_what_no_list_has_is_not_called() {
    let (a, b) = (Fake::new(&["read"]).slow(seconds(1)), Fake::new(&[]));
    let (federation, _) = governed(&a, &b, [rule("none", "tool.own_name == 'secret'", Effect::Deny)]);
    let refused = error(&federation, tool("a_Secret", json!({}))).await;
    assert_eq!((refused.code, a.requests(Method::ToolsCall).len()), (-32602, 0));
    assert!(ended(&federation, tool("a_read", json!({})), modern()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_completion_names_one_thing() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    a.set("prompts", json!([{"name": "secret"}]));
    let (federation, _) = governed(&a, &b, [rule("none", "prompt.own_name == 'secret'", Effect::Deny)]);
    for reference in [
        json!({"type": "ref/prompt", "name": "a_secret"}),
        json!({"type": "ref/prompt", "name": "a_secret", "uri": "a+file:///x"}),
        json!({"type": "ref/prompt", "name": "a_secret", "uri": null}),
        json!({"type": "ref/resource", "name": "secret", "uri": "a+file:///x"}),
    ] {
        let params = json!({"ref": reference, "argument": {"name": "x", "value": ""}});
        assert!(
            ended(&federation, request(Method::Complete, params), modern()).await.is_err(),
            "{reference}"
        );
    }
    assert!(a.requests(Method::Complete).is_empty());
}

/// Limit: `policy_list_milliseconds`.
#[tokio::test(start_paused = true)]
async fn filtering_a_list_ends_in_time() {
    let names: Vec<String> = (0..2_000).map(|number| format!("t{number}")).collect();
    let a = Fake::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let metrics = Metrics::new();
    let builder = Federation::builder("gateway", "1").metrics(&metrics);
    let federation = builder.member(member("a", &a)).build().unwrap();
    let slow = rule(
        "slow",
        "[1, 2, 3, 4, 5, 6, 7, 8, 9].map(a, [1, 2, 3, 4, 5, 6].map(b, a * b)).size() == 0",
        Effect::Hide,
    );
    let budget = anyport_policy::Budget::default().policy_list_milliseconds(1);
    federation.set_policy(Policy::new([slow]).budget(budget), LegacyClientLimits::default());
    assert!(tools(&federation).await.len() < 2_000);
    assert!(metrics.render().contains("anyport_limit_refusals_total{limit=\"policy_list_milliseconds\"} 1"));
}

#[tokio::test(start_paused = true)]
async fn a_client_of_a_legacy_session_is_asked_while_the_call_is_open() {
    let (a, b) = (Fake::new(&["drop"]), Fake::new(&[]));
    let (federation, _) = governed(&a, &b, [asking()]);
    for (action, is_called) in [("accept", true), ("decline", false)] {
        let before = a.requests(Method::ToolsCall).len();
        let mut reply = federation.call(tool("a_drop", json!({})), legacy());
        let Event::ServerRequest(question) = reply.next().await else { panic!("no question") };
        assert!(question.params.as_str().contains("may the tool a_drop be called"), "{}", question.params);
        question.responder.answer(Ok(json!({"action": action}).into()));
        assert_eq!(matches!(reply.outcome().await, Outcome::Result(_)), is_called);
        assert_eq!(a.requests(Method::ToolsCall).len() - before, usize::from(is_called));
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_asks_itself_goes_on_behind_a_confirmation() {
    let (a, b) = (Fake::new(&["ask"]), Fake::new(&[]));
    let (federation, _) = governed(&a, &b, [asking()]);
    let none = json!({});
    let first = required(&federation, tool("a_ask", none.clone()), modern()).await;
    let confirmed = answered("a_ask", &none, &first["requestState"], "confirm", "accept");
    let second = required(&federation, confirmed, modern()).await;
    assert!(second["inputRequests"]["q"].is_object(), "{second}");
    let own = answered("a_ask", &none, &second["requestState"], "q", "accept");
    let result = ended(&federation, own, modern()).await.unwrap();
    assert_eq!(
        (&result["state"], &result["answers"]),
        (&json!("mine"), &json!({"q": {"action": "accept", "content": {}}}))
    );
    // Both in one open call.
    let mut reply = federation.call(tool("a_ask", none), legacy());
    for _ in 0..2 {
        let Event::ServerRequest(question) = reply.next().await else { panic!("no question") };
        question.responder.answer(Ok(json!({"action": "accept"}).into()));
    }
    assert!(matches!(reply.outcome().await, Outcome::Result(_)));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_be_asked_is_refused_and_told_why() {
    let (a, b) = (Fake::new(&["drop"]), Fake::new(&[]));
    let (federation, _) = governed(&a, &b, [asking()]);
    for revision in [LEGACY, MODERN] {
        let refused =
            ended(&federation, tool("a_drop", json!({})), caller(revision, json!({}))).await.unwrap_err();
        assert!(refused.message.contains("declares no form elicitation"), "{}", refused.message);
    }
    assert!(a.requests(Method::ToolsCall).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_changes_notifies_those_who_have_read_lists() {
    let (a, b) = (Fake::new(&["read", "drop"]), Fake::new(&[]));
    let (federation, _) = governed(&a, &b, []);
    assert_eq!(tools(&federation).await, ["a_read", "a_drop"]);
    let listen = request(Method::Listen, json!({"notifications": {"toolsListChanged": true}}));
    let mut stream = federation.call(listen, modern());
    let Event::Notification(acknowledged) = stream.next().await else { panic!("not acknowledged") };
    assert_eq!(acknowledged.method, Method::Acknowledged);
    let hidden = [rule("none", "tool.own_name == 'drop'", Effect::Hide)];
    federation.set_policy(Policy::new(hidden), LegacyClientLimits::default());
    let Event::Notification(changed) = stream.next().await else { panic!("no change") };
    assert_eq!(changed.method, Method::ToolsChanged);
    assert_eq!(tools(&federation).await, ["a_read"]);
}

#[tokio::test(start_paused = true)]
async fn a_single_member_without_prefix_is_governed_as_well() {
    let a = Fake::new(&["read", "drop"]);
    let plain = member("a", &a).naming(Naming::default().prefix(""));
    let federation = Federation::builder("gateway", "1").member(plain).build().unwrap();
    assert_eq!(tools(&federation).await, ["read", "drop"]);
    let hidden = [rule("none", "tool.name == 'drop'", Effect::Hide)];
    federation.set_policy(Policy::new(hidden), LegacyClientLimits::default());
    assert_eq!(tools(&federation).await, ["read"]);
    assert_eq!(error(&federation, tool("drop", json!({}))).await.code, -32602);
}

#[tokio::test(start_paused = true)]
async fn pages_of_a_filtered_list_have_no_holes() {
    let names: Vec<String> = (0..10).map(|number| format!("t{number}")).collect();
    let a = Fake::new(&names.iter().map(String::as_str).collect::<Vec<_>>());
    let limits = FederationLimits::default().page_size(3);
    let federation = limited([member("a", &a), member("b", &Fake::new(&[]))], limits);
    let odd = [rule("odd", "tool.own_name.matches('[13579]$')", Effect::Hide)];
    federation.set_policy(Policy::new(odd), LegacyClientLimits::default());
    let (mut listed, mut cursor) = (Vec::new(), None);
    loop {
        let params = cursor.map_or_else(|| json!({}), |cursor: Value| json!({"cursor": cursor}));
        let page = result(&federation, request(Method::ToolsList, params)).await;
        listed.push(of_list(&page));
        match page.get("nextCursor") {
            Some(next) => cursor = Some(next.clone()),
            None => break,
        }
    }
    assert_eq!(listed, [vec!["a_t0", "a_t2", "a_t4"], vec!["a_t6", "a_t8"]]);
}

#[tokio::test(start_paused = true)]
async fn updates_of_a_resource_that_may_not_be_read_are_not_heard() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    a.set("resources", json!([{"uri": "file:///s", "name": "s"}, {"uri": "file:///p", "name": "p"}]));
    let (federation, _) = governed(&a, &b, [rule("none", "resource.own_uri == 'file:///s'", Effect::Hide)]);
    let uris = json!({"resourceSubscriptions": ["a+file:///s", "a+file:///p"]});
    let mut stream = federation.call(request(Method::Listen, json!({"notifications": uris})), modern());
    let Event::Notification(acknowledged) = stream.next().await else { panic!("not acknowledged") };
    let granted: Value = acknowledged.params.decode().unwrap();
    assert_eq!(granted["notifications"]["resourceSubscriptions"], json!(["a+file:///p"]));
}

#[tokio::test(start_paused = true)]
async fn another_spelling_of_a_uri_is_no_way_around_a_rule() {
    let (a, b) = (Fake::new(&[]), Fake::new(&[]));
    a.set("resources", json!([{"uri": "file:///odd/./listed", "name": "p"}]));
    let rules = || rule("none", "resource.own_uri.startsWith('file:///secret')", Effect::Deny);
    let (federation, _) = governed(&a, &b, [rules()]);
    let read = |uri: &str| request(Method::ResourcesRead, json!({"uri": format!("a+{uri}")}));
    for spelling in [
        "file:///./secret/x",
        "file:///pub/../secret/x",
        "file:////secret/x",
        "file:///%73ecret/x",
        "file:/secret/x",
        "file:///pub/%2e%2e/secret/x",
        "FILE:///secret/x",
        "file:///secret\\x",
    ] {
        let refused = error(&federation, read(spelling)).await;
        assert!(refused.message.contains("RFC 3986"), "{spelling}: {refused:?}");
        let uris = json!({"resourceSubscriptions": [format!("a+{spelling}")]});
        let mut stream = federation.call(request(Method::Listen, json!({"notifications": uris})), modern());
        let Event::Notification(acknowledged) = stream.next().await else { panic!("not acknowledged") };
        let granted: Value = acknowledged.params.decode().unwrap();
        assert_eq!(granted["notifications"].get("resourceSubscriptions").unwrap_or(&json!([])), &json!([]));
    }
    assert_eq!(error(&federation, read("file:///secret/x")).await.reason, Some(Reason::Forbidden));
    assert!(a.requests(Method::ResourcesRead).is_empty());
    // What is listed is read as it is listed; and where no rule looks at URIs, servers get what clients write.
    ended(&federation, read("file:///odd/./listed"), modern()).await.unwrap();
    federation.set_policy(
        Policy::new([rule("none", "tool.name == 'x'", Effect::Deny)]),
        LegacyClientLimits::default(),
    );
    ended(&federation, read("file:///pub/../x"), modern()).await.unwrap();
}
