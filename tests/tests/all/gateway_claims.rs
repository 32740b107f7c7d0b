//! A gateway does not believe what is claimed to it: states that nobody gave out, headers that the body contradicts, names that change
//! their addresses, and icons that lead somewhere.

use std::{
    io::ErrorKind,
    net::{IpAddr, TcpListener},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyport::{
    Context, Prompt, Resource, Revision, Server, Template, Tool, http,
    layer::{LoadShedLayer, ServiceBuilder},
    server::{NoArguments, Values},
    service::{Overload, OverloadCause},
    types::{CreateMessageRequest, Icon, SamplingMessage},
    with_legacy_clients,
};
use anyport_adapters::LegacyClientLimits;
use anyport_gateway::federation::{Masking, PinMode, Pins};
use anyport_guards::{
    Check, Guard, GuardLimits, Guards, Items, Lookup, LookupFuture, Pattern, Place, Resolve, UrlCheck,
};
use anyport_metrics::Metrics;
use anyport_policy::{Effect, Expression, Policy, Rule};
use anyport_tests::{matrix::sampled, site::Site};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::gateway_abuse::{CALLERS, client, config, gateway, sites, text, ways};

/// Invariant: While new work is refused, a call goes on by a state that its caller was given, and by no other one.
#[tokio::test]
async fn a_made_up_state_passes_no_gateway_that_sheds() {
    let runs = Arc::new(AtomicUsize::new(0));
    let count = || {
        let runs = runs.clone();
        move || {
            runs.fetch_add(1, Ordering::SeqCst);
            async { "ran" }
        }
    };
    let (tool, prompt, resource) = (count(), count(), count());
    let tell = Tool::new("tell").run(async |_: NoArguments, context: Context| {
        let word = CreateMessageRequest::new(vec![SamplingMessage::user("which word?")], 100);
        let _ = context.ask("word", word).await;
        "told"
    });
    let server = Server::builder("counts", "1")
        .tool(tell)
        .tool(Tool::new("plain").run(move |_: NoArguments, _: Context| tool()))
        .prompt(Prompt::new("plain").get(move |_: Values, _: Context| prompt()))
        .resource(Resource::new("note:///plain").read(move |_: Context| resource()))
        .build()
        .unwrap();
    let (gateway, overload) = (gateway(&server, |member| member), Overload::default());
    let shed = LoadShedLayer::new(overload.clone(), &Metrics::new());
    let service = || with_legacy_clients(ServiceBuilder::new().layer(shed.clone()).service(gateway.clone()));
    let sites = [
        Site::listen(service(), config()).await.unwrap(),
        Site::mount(service(), config()).await.unwrap(),
        Site::listen_http2(service(), config()).await.unwrap(),
    ];
    for (way, revision, site) in
        sites.iter().flat_map(|site| ways(site).into_iter().map(move |(way, revision)| (way, revision, site)))
    {
        let mut wire = client(site, CALLERS[0], way, revision).await;
        let mut asking = json!({"name": "a_tell", "arguments": {}});
        if revision.is_stateless() {
            wire.leave_open();
            let call = wire.begin("tools/call", asking.clone()).unwrap();
            let asked = wire.end(call).await.unwrap().outcome.unwrap();
            let (key, _) = asked["inputRequests"].as_object().unwrap().iter().next().unwrap();
            asking["requestState"] = asked["requestState"].clone();
            asking["inputResponses"] = json!({key.as_str(): sampled("a word")});
        }
        overload.set(Some(OverloadCause { limit: "max_memory_bytes", why: "memory is used".into() }));
        let before = runs.load(Ordering::SeqCst);
        let real = asking["requestState"].as_str().unwrap_or("none was given").to_owned();
        for state in ["made up", "", &real] {
            for (method, mut params) in [
                ("tools/call", json!({"name": "a_plain", "arguments": {}})),
                ("prompts/get", json!({"name": "a_plain"})),
                ("resources/read", json!({"uri": "a+note:///plain"})),
                ("tools/list", json!({})),
                ("resources/list", json!({})),
            ] {
                params["requestState"] = state.into();
                let refusal = wire.call(method, params).await.unwrap().outcome.unwrap_err();
                // A state is only looked at where there may be one.
                let is_looked_at = revision.is_stateless() && !method.ends_with("/list");
                let code = if is_looked_at { -32602 } else { -32603 };
                assert_eq!(refusal.code, code, "{way:?} {revision} {method} {state}: {refusal:?}");
            }
        }
        let unstated = wire.call("tools/call", json!({"name": "a_plain", "arguments": {}})).await.unwrap();
        assert_eq!(unstated.outcome.unwrap_err().code, -32603, "{way:?} {revision}");
        assert_eq!(runs.load(Ordering::SeqCst), before, "{way:?} {revision}: nothing was called");
        if revision.is_stateless() {
            let said = text(wire.call("tools/call", asking).await.unwrap());
            assert_eq!(said, "told", "{way:?}: what was asked before goes on");
        }
        overload.set(None);
    }
}

/// Sends a message with these headers beside those that every request has.
async fn post(endpoint: &http::Endpoint, message: &Value, headers: &[(&str, &str)]) -> (u16, String, Value) {
    let mut request = ::http::Request::post("/mcp")
        .header("host", "localhost")
        .header("content-type", "application/json")
        .header("accept", "application/json, text/event-stream");
    for (name, value) in headers.iter().filter(|(_, value)| !value.is_empty()) {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(message.to_string()))).unwrap();
    let response = endpoint.handle(request, http::ConnectInfo::default()).await;
    let session = response.headers().get("mcp-session-id").map(|id| id.to_str().unwrap().to_owned());
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, session.unwrap_or_default(), serde_json::from_slice(&body).unwrap_or_default())
}

fn call_of(tool: &str, revision: Revision) -> Value {
    let mut params = json!({"name": tool, "arguments": {}});
    if revision.is_stateless() {
        params["_meta"] = json!({
            "io.modelcontextprotocol/protocolVersion": revision.as_str(),
            "io.modelcontextprotocol/clientCapabilities": {},
        });
    }
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
}

/// 2026-07-28, streamable-http §Server Validation: "Intermediaries that enforce policy based on mirrored headers [...] **SHOULD** verify that
/// the `MCP-Protocol-Version` header indicates a version that requires header–body validation." Here rules look at the body alone.
///
/// Invariant: A rule decides about what the body of a request says, whatever its headers claim.
#[tokio::test]
async fn no_header_changes_what_a_rule_decides_about() {
    let named =
        |name: &'static str| Tool::new(name).run(move |_: NoArguments, _: Context| async move { name });
    let server = Server::builder("two", "1").tool(named("open")).tool(named("closed")).build().unwrap();
    let gateway = gateway(&server, |member| member);
    let closed = Rule::new("closed", Expression::parse("tool.own_name == 'closed'").unwrap(), Effect::Deny);
    gateway.set_policy(Policy::new([closed]), LegacyClientLimits::default());
    let endpoint = http::Endpoint::new(with_legacy_clients(gateway), http::Config::default());
    for revision in Revision::ALL {
        let mut session = String::new();
        if !revision.is_stateless() {
            let client = json!({"protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}});
            let initialize = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": client});
            session = post(&endpoint, &initialize, &[]).await.1;
            let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
            post(&endpoint, &initialized, &[("mcp-session-id", &session)]).await;
        }
        for body in ["a_open", "a_closed"] {
            for (method, name) in [
                ("tools/call", "a_open"),
                ("tools/call", "a_closed"),
                ("tools/call", "=?base64?YV9vcGVu?="),
                ("tools/list", body),
                ("", ""),
            ] {
                let headers = [
                    ("mcp-protocol-version", revision.as_str()),
                    ("mcp-session-id", &*session),
                    ("mcp-method", method),
                    ("mcp-name", name),
                ];
                let (status, _, answer) = post(&endpoint, &call_of(body, revision), &headers).await;
                let is_true =
                    method == "tools/call" && (name == body || (name.starts_with("=?") && body == "a_open"));
                let code = &answer["error"]["code"];
                let at = format!("{revision} {body} {method} {name}: {status} {answer}");
                match (revision.is_stateless() && !is_true, body) {
                    // The revision mandates that they are compared.
                    (true, _) => assert_eq!((status, code), (400, &json!(-32020)), "{at}"),
                    (false, "a_open") => assert_eq!(answer["result"]["content"][0]["text"], "open", "{at}"),
                    (false, _) => assert_eq!(answer["error"]["data"]["reason"], "forbidden", "{at}"),
                }
            }
        }
    }
}

/// A name that is public when it is looked at, and this machine the next time.
#[derive(Default)]
struct Rebinding(AtomicUsize);

impl Lookup for Rebinding {
    fn addresses<'a>(&'a self, _: &'a str) -> LookupFuture<'a, Vec<IpAddr>> {
        let is_first = self.0.fetch_add(1, Ordering::SeqCst).is_multiple_of(2);
        let address = if is_first { [93, 184, 215, 14] } else { [127, 0, 0, 1] };
        Box::pin(async move { Ok(vec![address.into()]) })
    }

    fn is_beneath<'a>(&'a self, _: &'a Path, _: &'a Path) -> LookupFuture<'a, bool> {
        Box::pin(async { Ok(true) })
    }
}

#[derive(Deserialize, JsonSchema)]
struct Fetched {
    url: String,
}

/// Invariant: A guard that pins a URL has its tool use the very address that was looked at, whatever the name leads to later.
#[tokio::test]
async fn a_tool_uses_the_address_that_was_looked_at_or_is_not_called() {
    let calls = Arc::new(AtomicUsize::new(0));
    let seen = calls.clone();
    let fetch = Tool::new("fetch").run(move |Fetched { url }: Fetched, _: Context| {
        seen.fetch_add(1, Ordering::SeqCst);
        async move { url }
    });
    let server = Server::builder("web", "1").tool(fetch).build().unwrap();
    for (resolve, given) in [
        (Resolve::Pin, "http://93.184.215.14/page"),
        // The name is left as it is: such a tool looks it up itself.
        (Resolve::Check, "http://rebinding.example.com/page"),
    ] {
        let (gateway, lookup) = (gateway(&server, |member| member), Arc::new(Rebinding::default()));
        let urls = UrlCheck { schemes: vec!["http".into()], hosts: Vec::new(), is_public: true, resolve };
        let items = Items { tools: vec![Pattern::new("a_fetch")], ..Items::default() };
        let guard = Guard::new("urls", items, Place::argument("url").unwrap(), vec![Check::Url(urls)]);
        let guards = Guards::new([guard], GuardLimits::default()).lookup(lookup.clone());
        gateway.set_guards(guards, Masking::default());
        for site in sites(&gateway).await {
            for (way, revision) in ways(&site) {
                let mut wire = client(&site, CALLERS[0], way, revision).await;
                let before = (lookup.0.load(Ordering::SeqCst), calls.load(Ordering::SeqCst));
                let params =
                    json!({"name": "a_fetch", "arguments": {"url": "http://rebinding.example.com/page"}});
                let said = text(wire.call("tools/call", params.clone()).await.unwrap());
                assert_eq!(said, given, "{way:?} {revision}");
                let refused = wire.call("tools/call", params).await.unwrap().outcome.unwrap();
                assert_eq!(refused["isError"], true, "{way:?} {revision}: {refused}");
                let after = (lookup.0.load(Ordering::SeqCst), calls.load(Ordering::SeqCst));
                assert_eq!(after, (before.0 + 2, before.1 + 1), "{way:?} {revision}: once for each call");
            }
        }
    }
}

/// 2026-07-28, basic §icons: "Clients MUST reject icon URIs that use unsafe schemes and redirects". Nothing here shows icons, so that none
/// is fetched; they are passed on to clients that do.
///
/// Invariant: Nothing is fetched from where a server's icons lead.
#[tokio::test]
async fn no_icon_is_fetched_whatever_it_leads_to() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let here = listener.local_addr().unwrap();
    let sources = [
        format!("http://{here}/icon.png"),
        format!("https://{here}/icon.svg"),
        format!("ws://{here}/icon"),
        format!("http://localhost:{}/icon.png", here.port()),
        "file:///etc/passwd".to_owned(),
        "javascript:alert(1)".to_owned(),
        "data:image/png;base64,AA==".to_owned(),
    ];
    let mut builder = Server::builder("icons", "1");
    let (mut tool, mut prompt) = (Tool::new("t"), Prompt::new("p"));
    let (mut resource, mut template) = (Resource::new("note:///r"), Template::new("note:///t/{id}"));
    for source in &sources {
        let icon = || Icon::new(source);
        (builder, tool, prompt) = (builder.icon(icon()), tool.icon(icon()), prompt.icon(icon()));
        (resource, template) = (resource.icon(icon()), template.icon(icon()));
    }
    let server = builder
        .tool(tool.run(async |_: NoArguments, _: Context| "done"))
        .prompt(prompt.get(async |_: Values, _: Context| "said"))
        .resource(resource.read(async |_: Context| "a note"))
        .template(template.read(async |_: Values, _: Context| "a note"))
        .build()
        .unwrap();
    let pins = Pins::new("a", PinMode::Strict, (None, "anyport.toml"), &Metrics::new());
    let gateway = gateway(&server, |member| member.pins(pins));
    for site in sites(&gateway).await {
        for (way, revision) in ways(&site) {
            let mut wire = client(&site, CALLERS[0], way, revision).await;
            for (method, list) in [
                ("tools/list", "tools"),
                ("prompts/list", "prompts"),
                ("resources/list", "resources"),
                ("resources/templates/list", "resourceTemplates"),
            ] {
                let listed = wire.call(method, json!({})).await.unwrap().outcome.unwrap();
                let icons = listed[list][0]["icons"].as_array().map_or(0, Vec::len);
                // Earlier ones have none, and pass on what they do not know.
                assert!([0, sources.len()].contains(&icons), "{way:?} {revision} {method}: {listed}");
            }
            text(wire.call("tools/call", json!({"name": "a_t", "arguments": {}})).await.unwrap());
        }
    }
    let client = anyport::Client::over(gateway).open().await.unwrap();
    assert_eq!(client.tools().await.unwrap()[0].icons.as_ref().unwrap().len(), sources.len());
    client.call("a_t", ()).await.unwrap();
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock, "somebody wanted an icon");
}
