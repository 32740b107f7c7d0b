//! Answers of members that are kept.

use anyport_adapters::LegacyClientLimits;
use anyport_layers::CacheLimits;
use anyport_metrics::Metrics;
use anyport_policy::{Effect, Expression, Policy, Rule};
use anyport_protocol::meta::LogLevel;
use anyport_service::{Authorization, ClientHeaders, Event, Principal, Reply, TraceHeaders, sync::Lock};

use super::*;

/// A member whose tools say that they read, but for `write`, which says that it writes, and `plain`, which says nothing.
fn reader() -> Fake {
    let fake = Fake::new(&[]);
    let tool = |name, annotations: Value| json!({"name": name, "inputSchema": {"type": "object"}, "annotations": annotations});
    let reads = json!({"readOnlyHint": true});
    let tools = [
        tool("read", reads.clone()),
        tool("ask", reads.clone()),
        tool("log", reads.clone()),
        tool("visit", reads),
        tool("write", json!({"readOnlyHint": false})),
        tool("plain", json!({})),
    ];
    fake.set("tools", tools.into_iter().collect());
    fake.set("prompts", json!([{"name": "kept"}, {"name": "other"}]));
    fake.set("resources", json!([{"uri": "file:///a", "name": "a"}, {"uri": "timed://a", "name": "t"}]));
    fake
}

fn cached(fake: &Fake) -> Federation {
    kept(fake, MemberCache::new(seconds(300)))
}

fn kept(fake: &Fake, cache: MemberCache) -> Federation {
    federation([member("a", fake).cache(cache)])
}

fn of(name: &str, scopes: Option<&[&str]>, revision: Revision) -> Context {
    let principal = Principal::named(name);
    let authorization = match scopes {
        Some(scopes) => Authorization::scoped(principal, scopes.iter().copied()),
        None => Authorization::unlimited(principal),
    };
    Context::authorized(authorization, revision).with_client(json!({}).into(), None)
}

async fn call(federation: &Federation, request: Request, context: Context) -> Outcome {
    federation.call(request, context).outcome().await
}

/// How many calls go to the member when a caller calls `request` twice.
async fn sent(federation: &Federation, fake: &Fake, request: Request, context: &Context) -> usize {
    let method = request.known().unwrap();
    let before = fake.requests(method).len();
    for _ in 0..2 {
        call(federation, request.clone(), context.clone()).await;
    }
    fake.requests(method).len() - before
}

#[tokio::test(start_paused = true)]
async fn an_equal_call_of_a_tool_that_reads_is_answered_without_its_member_in_every_revision() {
    for revision in Revision::ALL {
        let fake = reader();
        let federation = cached(&fake);
        let context = of("ann", None, revision);
        let first = call(&federation, tool("a_read", json!({"a": 1, "b": 2})), context.clone()).await;
        let request =
            json!({"_meta": {"progressToken": 7}, "name": "a_read", "arguments": {"b": 2.0, "a": 1}});
        let again = call(&federation, request_of(request), context.clone()).await;
        assert_eq!(first, again, "{revision:?}");
        assert_eq!(fake.requests(Method::ToolsCall).len(), 1);
        let status = &federation.status()[0];
        assert_eq!((status.calls, status.cached, status.in_flight), (1, 1, 0));
        tokio::time::advance(seconds(300)).await;
        call(&federation, tool("a_read", json!({"a": 1, "b": 2})), context).await;
        assert_eq!(fake.requests(Method::ToolsCall).len(), 2);
    }
}

fn request_of(params: Value) -> Request {
    request(Method::ToolsCall, params)
}

#[tokio::test(start_paused = true)]
async fn only_what_reads_or_is_named_is_kept_and_nothing_of_a_conversation() {
    let fake = reader();
    let cache = MemberCache::new(seconds(300));
    let cache = cache.tool("plain", seconds(60)).tool("write", seconds(60)).prompt("kept", seconds(60));
    let federation = kept(&fake, cache);
    for context in [modern(), legacy()] {
        let prompt = |name| request(Method::PromptsGet, json!({"name": name}));
        let complete =
            json!({"ref": {"type": "ref/prompt", "name": "a_kept"}, "argument": {"name": "x", "value": ""}});
        for (request, expected) in [
            (tool("a_plain", json!({})), 1),
            (tool("a_write", json!({})), 2),
            (tool("a_log", json!({})), 2),
            (tool("a_visit", json!({})), 2),
            (prompt("a_kept"), 1),
            (prompt("a_other"), 2),
            (request(Method::Complete, complete), 2),
            (request_of(json!({"name": "a_read", "_meta": {"com.example/tenant": "x"}})), 2),
            (request_of(json!({"name": "a_read", "unheard": "of"})), 2),
        ] {
            let name = format!("{request:?}");
            assert_eq!(sent(&federation, &fake, request, &context).await, expected, "{name}");
        }
    }
    for _ in 0..2 {
        let mut reply = federation.call(tool("a_ask", json!({})), legacy());
        let Event::ServerRequest(question) = reply.next().await else { panic!() };
        question.responder.answer(Ok(json!({"action": "accept"}).into()));
        reply.outcome().await;
        let asked = call(&federation, tool("a_ask", json!({})), modern()).await;
        let Outcome::InputRequired(asked) = asked else { panic!("{asked:?}") };
        let state = asked.member("requestState").unwrap().decode::<Value>().unwrap();
        let retry =
            json!({"name": "a_ask", "requestState": state, "inputResponses": {"q": {"action": "accept"}}});
        call(&federation, request_of(retry), modern()).await;
    }
    let asked = fake.requests(Method::ToolsCall).into_iter().filter(|params| params["name"] == "ask");
    assert_eq!(asked.count(), 6);
}

#[tokio::test(start_paused = true)]
async fn what_may_not_be_kept_says_so_by_zero_seconds() {
    let fake = reader();
    let federation = kept(&fake, MemberCache::new(seconds(300)).tool("read", seconds(0)));
    assert_eq!(sent(&federation, &fake, tool("a_read", json!({})), &modern()).await, 2);
    let federation = kept(&fake, MemberCache::new(seconds(0)).tool("plain", seconds(5)));
    assert_eq!(sent(&federation, &fake, tool("a_read", json!({})), &modern()).await, 2);
    assert_eq!(sent(&federation, &fake, tool("a_plain", json!({})), &modern()).await, 1);
}

/// Invariant: A kept answer of a server is given to its caller alone: no entry crosses principals, scopes, keys that callers bring, or
/// revisions.
#[tokio::test(start_paused = true)]
async fn no_answer_crosses_callers() {
    let fake = reader();
    let cache = MemberCache::new(seconds(300));
    let member = member("a", &fake).cache(cache).lists_per_header(["x-key".to_owned()]);
    let federation = federation([member]);
    let with_key = |key| {
        let headers = ClientHeaders::new([("x-key", key)]);
        Context::new(Principal::anonymous(), MODERN).with_client_headers(Some(headers))
    };
    let mut callers: Vec<Context> = Revision::ALL.map(|revision| of("ann", None, revision)).into();
    callers.extend([
        of("bob", None, MODERN),
        of("ann", Some(&["read"]), MODERN),
        of("ann", Some(&["read", "write"]), MODERN),
        Context::new(Principal::anonymous(), MODERN),
        Context::new(Principal::local(), MODERN),
        with_key("one"),
        with_key("two"),
        of("ann", None, MODERN).with_client(json!({"elicitation": {}}).into(), None),
        of("ann", None, MODERN).with_log_level(Some(LogLevel::Debug)),
        of("ann", None, MODERN).with_client(json!({}).into(), Some(json!({"name": "one"}).into())),
        of("ann", None, MODERN).with_client(json!({}).into(), Some(json!({"name": "two"}).into())),
    ]);
    let requests =
        [tool("a_read", json!({"canary": 1})), request(Method::ResourcesRead, json!({"uri": "a+timed://a"}))];
    for request in requests {
        let method = request.known().unwrap();
        for (index, context) in callers.iter().enumerate() {
            call(&federation, request.clone(), context.clone()).await;
            assert_eq!(fake.requests(method).len(), index + 1, "{context:?}");
        }
        for context in &callers {
            call(&federation, request.clone(), context.clone()).await;
        }
        assert_eq!(fake.requests(method).len(), callers.len(), "each has its own answer");
    }
}

#[tokio::test(start_paused = true)]
async fn the_baggage_of_an_http_request_neither_separates_answers_nor_reaches_the_member() {
    let headers = |baggage: &str| TraceHeaders {
        traceparent: json!("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").into(),
        tracestate: None,
        baggage: Some(json!(baggage).into()),
    };
    let received = Arc::new(Lock::new(Vec::new()));
    let fake = reader();
    let observed = Observed { inner: fake.clone(), received: received.clone() };
    let member = Member::new("a", Arc::new(observed)).cache(MemberCache::new(seconds(300)));
    let federation = federation([member]);
    let context = |baggage| modern().with_trace_headers(Some(Box::new(headers(baggage))));
    for (name, baggage) in [("a_read", "tenant=one"), ("a_read", "tenant=two"), ("a_write", "tenant=one")] {
        call(&federation, tool(name, json!({})), context(baggage)).await;
    }
    let calls: Vec<_> = fake.requests(Method::ToolsCall).iter().map(|call| call["name"].clone()).collect();
    assert_eq!(calls, ["read", "write"]);
    // What is not kept has it.
    assert_eq!(*received.lock(), [false, true]);
}

/// Notes whether calls of tools came with the `baggage` of an HTTP request.
struct Observed {
    inner: Fake,
    received: Arc<Lock<Vec<bool>>>,
}

impl Service for Observed {
    fn call(&self, request: Request, context: Context) -> Reply {
        if request.known() == Some(Method::ToolsCall) {
            let headers = context.trace_headers().unwrap();
            self.received.lock().push(headers.baggage.is_some());
        }
        self.inner.call(request, context)
    }
}

/// Invariant: What was kept of a server's answers is forgotten when nothing hears of its changes any more.
#[tokio::test(start_paused = true)]
async fn no_answer_is_kept_longer_than_the_changes_of_its_member_are_followed() {
    let fake = reader();
    let federation = kept(&fake, MemberCache::new(seconds(100_000)));
    let read = || tool("a_read", json!({}));
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1);
    let calls = || fake.requests(Method::ToolsCall).len();
    // Answers that are given from memory do not have the lists followed.
    for _ in 0..20 {
        tokio::time::sleep(seconds(60)).await;
        call(&federation, read(), modern()).await;
    }
    assert!((2..=3).contains(&calls()), "{}", calls());
    tokio::time::sleep(seconds(3_600)).await;
    assert_eq!(fake.listeners(), 0);
    fake.say(Method::ToolsChanged, json!({}));
    let before = calls();
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1, "it may have changed");
    // The call has the changes followed again.
    tokio::time::sleep(seconds(1)).await;
    assert_eq!((calls(), fake.listeners()), (before + 1, 1));
    call(&federation, read(), modern()).await;
    let before = calls();
    fake.say(Method::ToolsChanged, json!({}));
    tokio::time::sleep(seconds(1)).await;
    call(&federation, read(), modern()).await;
    assert_eq!(calls(), before + 1);
}

#[tokio::test(start_paused = true)]
async fn a_session_whose_roots_the_server_may_have_keeps_its_answers() {
    let fake = reader();
    let federation = cached(&fake);
    let context = |announced: Value, session| {
        Context::new(Principal::anonymous(), LEGACY).with_client(announced.into(), None).with_session(session)
    };
    let [one, two] = [(); 2].map(|()| anyport_service::SessionId::next());
    for (announced, expected) in [(json!({"roots": {}}), 2), (json!({}), 1)] {
        let before = fake.requests(Method::ToolsCall).len();
        for session in [one, two, one, two] {
            call(&federation, tool("a_read", json!({})), context(announced.clone(), session)).await;
        }
        assert_eq!(fake.requests(Method::ToolsCall).len() - before, expected);
    }
    let federation = kept(&fake, MemberCache::new(seconds(300)).per_session());
    let before = fake.requests(Method::ToolsCall).len();
    for session in [one, two, one, two] {
        call(&federation, tool("a_read", json!({})), context(json!({}), session)).await;
    }
    assert_eq!(fake.requests(Method::ToolsCall).len() - before, 2);
}

#[tokio::test(start_paused = true)]
async fn a_resource_is_kept_as_long_as_it_says_and_says_how_long_is_left() {
    let fake = reader();
    let federation = cached(&fake);
    let read = |uri| request(Method::ResourcesRead, json!({"uri": uri}));
    assert_eq!(sent(&federation, &fake, read("a+file:///a"), &modern()).await, 2, "it says nothing");
    assert_eq!(result(&federation, read("a+timed://a")).await["ttlMs"], 10_000);
    tokio::time::advance(seconds(4)).await;
    assert_eq!(result(&federation, read("a+timed://a")).await["ttlMs"], 6_000);
    assert_eq!(fake.requests(Method::ResourcesRead).len(), 3);
    tokio::time::advance(seconds(6)).await;
    assert_eq!(result(&federation, read("a+timed://a")).await["ttlMs"], 10_000);
    assert_eq!(fake.requests(Method::ResourcesRead).len(), 4);
}

/// Invariant: After a server has notified of a change, no older answer of it is given.
#[tokio::test(start_paused = true)]
async fn a_change_that_the_member_notifies_of_forgets_its_answers() {
    let fake = reader();
    let federation = cached(&fake);
    let calls = || fake.requests(Method::ToolsCall).len();
    let read = || tool("a_read", json!({}));
    tools(&federation).await;
    let filter =
        json!({"notifications": {"toolsListChanged": true, "resourceSubscriptions": ["a+file:///a"]}});
    let mut listening = federation.call(request(Method::Listen, filter), modern());
    assert!(matches!(listening.next().await, Event::Notification(_)));
    for (index, (method, params)) in [
        (Method::ToolsChanged, json!({})),
        (Method::PromptsChanged, json!({})),
        (Method::ResourcesChanged, json!({})),
        (Method::ResourceUpdated, json!({"uri": "file:///a"})),
    ]
    .into_iter()
    .enumerate()
    {
        assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1, "{method:?}");
        assert_eq!(calls(), index + 1);
        fake.say(method, params);
        // The member's streams are read by tasks of their own.
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
    }
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1);
    assert_eq!(calls(), 5);
}

#[tokio::test(start_paused = true)]
async fn another_definition_or_configuration_forgets_answers() {
    let fake = reader();
    // Its list is read again now and then.
    fake.refuse_listeners();
    let federation = cached(&fake);
    let read = || tool("a_read", json!({}));
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1);
    let a = member("a", &fake).cache(MemberCache::new(seconds(300)));
    federation.set_members([a]).unwrap();
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1, "it was configured anew");
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 0);
    let changed = json!([{"name": "read", "inputSchema": {"type": "object"}, "description": "another",
        "annotations": {"readOnlyHint": true}}]);
    fake.set("tools", changed);
    tokio::time::advance(seconds(61)).await;
    tools(&federation).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1, "it is another tool");
    federation.set_members([member("a", &fake)]).unwrap();
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 2, "the cache was switched off");
}

/// Invariant: Policy and rates decide on a call whose answer is kept as on any other.
#[tokio::test(start_paused = true)]
async fn rules_stand_before_the_cache() {
    let fake = reader();
    let rates = MemberRates::default().member(anyport_layers::Rates::from_iter([anyport_layers::Rate::new(
        3.try_into().unwrap(),
        anyport_layers::Period::Day,
    )]));
    let federation = federation([member("a", &fake).cache(MemberCache::new(seconds(300))).rates(rates)]);
    let read = || tool("a_read", json!({}));
    assert_eq!(sent(&federation, &fake, read(), &modern()).await, 1);
    let none = Rule::new("none", Expression::parse("true").unwrap(), Effect::Deny);
    federation.set_policy(Policy::new([none]), LegacyClientLimits::default());
    assert_eq!(error(&federation, read()).await.message, "the policy of this gateway refuses the call");
    federation.set_policy(Policy::new([]), LegacyClientLimits::default());
    result(&federation, read()).await;
    let refused = error(&federation, read()).await;
    assert_eq!(refused.code, 42_900, "an answer from the cache counts: {refused:?}");
    assert_eq!(fake.requests(Method::ToolsCall).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn all_members_share_the_room() {
    let (a, b, metrics) = (reader(), reader(), Metrics::new());
    let builder = Federation::builder("gateway", "1").metrics(&metrics);
    let builder = builder.cache(CacheLimits::default().entries(1));
    let with = |name, fake| member(name, fake).cache(MemberCache::new(seconds(300)));
    let federation = builder.member(with("a", &a)).member(with("b", &b)).build().unwrap();
    for name in ["a_read", "b_read", "b_read", "a_read"] {
        result(&federation, tool(name, json!({}))).await;
    }
    assert_eq!((a.requests(Method::ToolsCall).len(), b.requests(Method::ToolsCall).len()), (2, 1));
    let text = metrics.render();
    for line in
        ["anyport_cache_hits_total 1", "anyport_cache_misses_total 3", "anyport_cache_evictions_total 2"]
    {
        assert!(text.lines().any(|found| found == line), "{line}: {text}");
    }
}
