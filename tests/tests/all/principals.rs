//! Callers of one server, each with a token of its own: nothing of one reaches another, and without a token nothing is
//! reached at all.
//!
//! Elsewhere answers crossed where ids were the same (TypeScript SDK, CVE-2026-25536), and a session was anybody's who had
//! its identifier (Python SDK, CVE-2026-52869).
//!
//! Invariant: Nothing of one caller reaches another, and no route is served without a token where tokens are
//! required.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use anyport::{
    BuildError, Context, Prompt, Resource, Revision, Server, Service, Tool, http,
    protocol::{Error, LogLevel},
    server::{NoArguments, Values},
    service::{Reply, Request},
    types::{CreateMessageRequest, SamplingMessage},
    with_legacy_clients,
};
use anyport_testing::{Answer, Link, Lost, Wire};
use anyport_tests::{
    matrix::{capabilities, sampled},
    plain::Plain,
    site::{Site, Way},
};
use futures_util::future::try_join_all;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    sync::Semaphore,
    time::{Duration, timeout},
};

/// Callers at once; each has a client for every way and revision.
const CALLERS: usize = 8;

/// Rounds of calls of each client.
const ROUNDS: usize = 3;

fn names() -> impl Iterator<Item = String> {
    (0..CALLERS).map(|number| format!("caller{number:02}x"))
}

fn config() -> http::Config {
    let tokens = names().map(|name| http::Token::new(&name, &format!("secret of {name}"))).collect();
    let authentication = http::Authentication::Tokens(tokens);
    http::Config::default().authentication(authentication).rest(true)
}

#[derive(Deserialize, JsonSchema)]
struct Told {
    canary: String,
}

/// A server on which every caller has a tool and a resource of its own.
fn server() -> Result<Server, BuildError> {
    let sampling = |text: String| CreateMessageRequest::new(vec![SamplingMessage::user(text)], 100);
    let tell = move |Told { canary }: Told, context: Context| async move {
        let who = context.principal().to_string();
        for step in 1..=2 {
            // Lets the calls of others come between.
            tokio::task::yield_now().await;
            context.progress(f64::from(step), 2.0, &*canary).await;
            context.log(LogLevel::Info, None, &canary).await;
        }
        let said = context.ask("word", sampling(canary.clone())).await;
        format!("{who} said {canary} and heard {}", serde_json::to_string(&said).unwrap())
    };
    let wake = |_: NoArguments, context: Context| async move {
        names().for_each(|name| context.events().resource_updated(&format!("own:///{name}")));
    };
    let builder = Server::builder("callers", "1.0.0")
        .page_size(2)
        .tool(Tool::new("tell").run(tell))
        .tool(Tool::new("wake").run(wake))
        .prompt(Prompt::new("who").get(async |_: Values, context: Context| context.principal().to_string()));
    let mut builder = builder;
    for name in names() {
        let mine = |name: &str| {
            let name = name.to_owned();
            move |caller: &anyport::Principal| caller.name() == Some(&name)
        };
        let secret = format!("{name} keeps this");
        let tool = Tool::new(format!("of_{name}")).description(secret.clone()).visible_to(mine(&name));
        let text = secret.clone();
        let tool = tool.run(move |_: NoArguments, _: Context| {
            let text = text.clone();
            async move { text }
        });
        let resource =
            Resource::new(format!("own:///{name}")).name(format!("of {name}")).visible_to(mine(&name));
        let resource = resource.read(move |_: Context| {
            let secret = secret.clone();
            async move { secret }
        });
        builder = builder.tool(tool).resource(resource);
    }
    builder.build()
}

/// A client of `name`.
async fn client(site: &Site, name: &str, way: Way, revision: Revision) -> Result<Wire, Lost> {
    let link: Link = site.link(way, &site.remote().bearer(&format!("secret of {name}"))).await?;
    let mut wire = Wire::over(link).declaring(capabilities(revision)).patience(Duration::from_secs(60));
    wire.open(revision).await?;
    Ok(wire)
}

fn ways(site: &Site) -> impl Iterator<Item = (Way, Revision)> {
    let ways = Way::ALL.into_iter().filter(|way| site.has(*way));
    ways.flat_map(|way| Revision::ALL.into_iter().map(move |revision| (way, revision)))
        .filter(|(way, revision)| *way != Way::Sse || !revision.is_stateless())
}

/// What one client does, under the same ids as all others.
async fn visit(site: &Site, name: String, way: Way, revision: Revision) -> Result<(), Lost> {
    let mut wire = client(site, &name, way, revision).await?;
    wire.log_level("debug").await?;
    wire.answer_with(|question| {
        let asked = question.params["messages"][0]["content"]["text"].as_str().unwrap();
        Ok(sampled(&format!("echo of {asked}")))
    });
    let all: Vec<String> = names().map(|name| format!("own:///{name}")).collect();
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    assert_eq!(wire.listen(&all).await?, [format!("own:///{name}")]);
    for round in 0..ROUNDS {
        let canaries: Vec<String> = (0..3).map(|call| format!("canary of {name} {round} {call}")).collect();
        let mut calls = Vec::new();
        for canary in &canaries {
            let arguments = json!({ "canary": canary });
            let meta = json!({"progressToken": canary});
            calls.push(
                wire.begin("tools/call", json!({"name": "tell", "arguments": arguments, "_meta": meta}))?,
            );
        }
        for (call, canary) in calls.into_iter().zip(&canaries).rev() {
            let text = wire.end(call).await?.text();
            assert!(text.starts_with(&format!("name:{name} said {canary} and heard ")), "{text}");
            assert!(text.contains(&format!("echo of {canary}")), "{text}");
        }
        let own = wire.call("resources/read", json!({"uri": format!("own:///{name}")})).await?;
        assert_eq!(own.outcome?["contents"][0]["text"], format!("{name} keeps this"));
        let who = wire.call("prompts/get", json!({"name": "who"})).await?.outcome?;
        assert_eq!(who["messages"][0]["content"]["text"], format!("name:{name}"));
        let mut params = json!({});
        loop {
            let page = wire.call("tools/list", params).await?.outcome?;
            match page.get("nextCursor") {
                Some(cursor) => params = json!({ "cursor": cursor }),
                None => break,
            }
        }
    }
    wire.call("tools/call", json!({"name": "wake"})).await?.outcome?;
    assert_eq!(wire.change().await?["params"]["uri"], format!("own:///{name}"));
    // What the client itself has named comes back in a refusal.
    let refused = |text: &str| text.contains("\"cannot subscribe to own:///");
    for heard in wire.heard().iter().filter(|heard| !refused(&heard.text)) {
        let of_others = names().filter(|other| *other != name).find(|other| heard.text.contains(&**other));
        assert_eq!(of_others, None, "{name} over {way:?} in {revision} heard {}", heard.text);
    }
    Ok(())
}

#[tokio::test]
async fn nothing_of_one_caller_reaches_another() {
    for site in sites(|| with_legacy_clients(server().unwrap())).await {
        let clients =
            names().flat_map(|name| ways(&site).map(move |(way, revision)| (name.clone(), way, revision)));
        try_join_all(clients.map(|(name, way, revision)| visit(&site, name, way, revision))).await.unwrap();
    }
}

/// Callers at once at the REST interface, all with the same ids: each is told what is its own.
#[tokio::test]
async fn a_plain_call_is_its_callers() {
    for site in sites(|| with_legacy_clients(server().unwrap())).await {
        let visit = async |name: String| {
            let plain = Plain::of(&site).bearer(&format!("secret of {name}"));
            let call = |of: &str| json!({"method": format!("of_{of}"), "id": 1});
            let calls: Vec<_> = names().map(|of| call(&of)).collect();
            for _ in 0..ROUNDS {
                let alone = plain.post(&call(&name).to_string()).await?.json();
                assert_eq!(alone["result"], format!("{name} keeps this"));
                let answers = plain.post(&json!(calls).to_string()).await?.json();
                for (of, answer) in names().zip(answers.as_array().unwrap()) {
                    let said = answer.get("result").unwrap_or(&answer["error"]["code"]);
                    let own = json!(format!("{name} keeps this"));
                    assert_eq!(*said, if of == name { own } else { json!(-32601) });
                }
                let list = plain.ask("GET", "/mcp/tools", "").await?.body;
                assert!(names().all(|of| list.contains(&of) == (of == name)), "{name}: {list}");
            }
            Ok::<_, std::io::Error>(())
        };
        try_join_all(names().map(visit)).await.unwrap();
    }
}

async fn sites<S: Service>(service: impl Fn() -> S) -> [Site; 3] {
    [
        Site::listen(service(), config()).await.unwrap(),
        Site::mount(service(), config()).await.unwrap(),
        Site::listen_http2(service(), config()).await.unwrap(),
    ]
}

/// The two of whom one is after what is the other's.
const A: &str = "caller00x";
const B: &str = "caller01x";

#[tokio::test]
async fn a_session_is_nobodys_but_its_openers() {
    for site in sites(|| with_legacy_clients(server().unwrap())).await {
        for (way, revision) in
            ways(&site).filter(|(way, revision)| *way == Way::Http && !revision.is_stateless())
        {
            let mut wire = client(&site, A, way, revision).await.unwrap();
            wire.leave_open();
            let params = json!({"name": "tell", "arguments": {"canary": "of A"}});
            let call = wire.begin("tools/call", params.clone()).unwrap();
            wire.questions(&call, 1).await.unwrap();
            let question =
                wire.heard().iter().rev().find(|heard| heard.message["method"] == "sampling/createMessage");
            let question = question.unwrap().message["id"].clone();
            let session = wire.session().unwrap().to_owned();

            let stolen = |verb: &'static str, body: Value, more: &[(&str, &str)]| {
                let mut ask =
                    Ask::new(verb, site.path("/mcp"), body).bearer(B).header("Mcp-Session-Id", &session);
                if revision >= Revision::V2025_06_18 {
                    ask = ask.header("MCP-Protocol-Version", revision.as_str());
                }
                more.iter().fold(ask, |ask, (name, value)| ask.header(name, value))
            };
            let message = |body: Value| {
                let mut message = json!({"jsonrpc": "2.0"});
                message.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
                message
            };
            let mut asks = vec![
                stolen("POST", message(json!({"id": 9, "method": "tools/call", "params": params})), &[]),
                stolen("POST", message(json!({"id": 9, "method": "ping"})), &[]),
                stolen("POST", message(json!({"id": question, "result": sampled("by B")})), &[]),
                stolen(
                    "POST",
                    message(json!({"method": "notifications/cancelled", "params": {"requestId": 2}})),
                    &[],
                ),
                stolen("GET", Value::Null, &[("Last-Event-ID", "0/0")]),
                stolen("GET", Value::Null, &[]),
                stolen("DELETE", Value::Null, &[]),
            ];
            if revision.has_batches() {
                asks.push(stolen("POST", json!([message(json!({"id": 9, "method": "ping"}))]), &[]));
            }
            for ask in asks {
                let status = ask.send(&site).await;
                assert_eq!(status, 404, "{revision}: {ask:?}");
            }
            // It goes on as if nothing had been.
            let answer = json!({"jsonrpc": "2.0", "id": question, "result": sampled("by A")});
            wire.tell(&answer.to_string()).unwrap();
            let text = wire.end(call).await.unwrap().text();
            assert!(text.contains("by A") && !text.contains("by B"), "{text}");
            // With the right token the same identifier is a session.
            let mut again =
                Wire::over(site.link(way, &site.remote().bearer(&format!("secret of {A}"))).await.unwrap());
            again.resume(revision, session);
            assert!(again.call("ping", Value::Null).await.unwrap().outcome.is_ok());
        }
    }
}

#[tokio::test]
async fn a_stream_of_http_and_sse_takes_nothing_from_others() {
    for site in sites(|| with_legacy_clients(server().unwrap())).await {
        for (way, revision) in ways(&site).filter(|(way, _)| *way == Way::Sse) {
            let mut wire = client(&site, A, way, revision).await.unwrap();
            let messages = wire.link().messages().unwrap().to_owned();
            let ping = json!({"jsonrpc": "2.0", "id": "from B", "method": "ping"});
            for (caller, status) in [(B, 404), (A, 202)] {
                let ask = Ask::new("POST", messages.clone(), ping.clone()).bearer(caller);
                assert_eq!(ask.send(&site).await, status, "{revision}");
            }
            // One answer came: to what A posted itself.
            wire.call("ping", Value::Null).await.unwrap().outcome.unwrap();
            assert_eq!(wire.strays().len(), 1, "{:?}", wire.strays());
        }
    }
}

#[tokio::test]
async fn a_state_is_refused_from_anyone_but_whom_it_was_given_to() {
    let newest = Revision::NEWEST;
    for site in sites(|| with_legacy_clients(server().unwrap())).await {
        for (one, other) in [
            (Way::Http, Way::Http),
            (Way::WebSocket, Way::WebSocket),
            (Way::Http, Way::WebSocket),
            (Way::WebSocket, Way::Http),
        ] {
            if !site.has(one) || !site.has(other) {
                continue;
            }
            let mut wire = client(&site, A, one, newest).await.unwrap();
            wire.leave_open();
            let mut params = json!({"name": "tell", "arguments": {"canary": "of A"}});
            let call = wire.begin("tools/call", params.clone()).unwrap();
            let asked = wire.end(call).await.unwrap().outcome.unwrap();
            params["requestState"] = asked["requestState"].clone();
            params["inputResponses"] = json!({"word": sampled("by whom")});
            let mut thief = client(&site, B, other, newest).await.unwrap();
            let refusal = thief.call("tools/call", params.clone()).await.unwrap().outcome.unwrap_err();
            assert_eq!((refusal.code, &refusal.data["reason"]), (-32602, &json!("foreign")), "{refusal:?}");
            assert!(!refusal.to_string().contains("of A"));
            // Over another transport it is still its owner's.
            let mut owner = client(&site, A, other, newest).await.unwrap();
            let answer = owner.call("tools/call", params).await.unwrap();
            assert!(answer.text().starts_with(&format!("name:{A} said of A")), "{answer:?}");
        }
    }
}

#[tokio::test]
async fn a_cursor_shows_nobody_what_is_anothers() {
    for site in sites(|| with_legacy_clients(server().unwrap())).await {
        for (way, revision) in ways(&site) {
            // The first page ends with what everybody sees, so the cursor stands before what is A's own.
            let mut wire = client(&site, A, way, revision).await.unwrap();
            let page = wire.call("tools/list", json!({})).await.unwrap().outcome.unwrap();
            let next = json!({"cursor": page["nextCursor"]});
            let names = |answer: Answer| -> Vec<String> {
                let page = answer.outcome.unwrap();
                let tools = page["tools"].as_array().unwrap().iter();
                tools.map(|tool| tool["name"].as_str().unwrap().to_owned()).collect()
            };
            assert_eq!(names(wire.call("tools/list", next.clone()).await.unwrap()), [format!("of_{A}")]);
            let mut thief = client(&site, B, way, revision).await.unwrap();
            let refusal = thief.call("tools/list", next).await.unwrap().outcome.unwrap_err();
            assert_eq!((refusal.code, refusal.data), (-32602, json!(null)), "the cursor was not given to B");
            // What is not there for B cannot be told from what is not there.
            for (method, hidden, missing) in [
                ("tools/call", json!({"name": format!("of_{A}")}), json!({"name": "of_callerx00"})),
                ("resources/read", json!({"uri": format!("own:///{A}")}), json!({"uri": "own:///callerx00"})),
            ] {
                let mut refused = async |params: Value| {
                    let refusal = thief.call(method, params).await.unwrap().outcome.unwrap_err();
                    let text = format!("{} {} {}", refusal.code, refusal.message, refusal.data);
                    text.replace(A, "NAME").replace("callerx00", "NAME")
                };
                assert_eq!(refused(hidden).await, refused(missing).await, "{way:?} {revision}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_cancels_the_call_of_another() {
    let begun = Arc::new(Semaphore::new(0));
    let ended = Arc::new(AtomicUsize::new(0));
    struct Gone(Arc<AtomicUsize>);
    impl Drop for Gone {
        fn drop(&mut self) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }
    let service = || {
        let (begun, ended) = (begun.clone(), ended.clone());
        let wait = Tool::new("wait").run(move |_: NoArguments, _: Context| {
            let (begun, gone) = (begun.clone(), Gone(ended.clone()));
            async move {
                begun.add_permits(1);
                std::future::pending::<()>().await;
                drop(gone);
            }
        });
        with_legacy_clients(Server::builder("waits", "1").tool(wait).build().unwrap())
    };
    for site in sites(service).await {
        for (way, revision) in ways(&site) {
            ended.store(0, Ordering::SeqCst);
            let mut wires = [
                client(&site, A, way, revision).await.unwrap(),
                client(&site, B, way, revision).await.unwrap(),
            ];
            let mut calls = Vec::new();
            for wire in &mut wires {
                calls.push(wire.begin("tools/call", json!({"name": "wait"})).unwrap());
                begun.acquire().await.unwrap().forget();
            }
            // Both calls have the same id.
            wires[1].cancel(calls.pop().unwrap()).await.unwrap();
            while ended.load(Ordering::SeqCst) == 0 {
                tokio::task::yield_now().await;
            }
            assert!(wires[1].call("no/method", json!({})).await.unwrap().outcome.is_err());
            assert_eq!(ended.load(Ordering::SeqCst), 1, "{way:?} {revision}");
            wires[0].cancel(calls.pop().unwrap()).await.unwrap();
            while ended.load(Ordering::SeqCst) == 1 {
                tokio::task::yield_now().await;
            }
        }
    }
}

/// Counts what gets as far as the service.
#[derive(Clone, Default)]
struct Reached(Arc<AtomicUsize>);

impl Service for Reached {
    fn call(&self, _: Request, _: anyport::service::Context) -> Reply {
        self.0.fetch_add(1, Ordering::SeqCst);
        Reply::error(Error::internal("reached"))
    }
}

/// Every door there is, and what opens it beside a token.
fn doors(site: &Site) -> Vec<Ask> {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    });
    let mut doors = Vec::new();
    for method in ["tools/call", "resources/read", "server/discover", "subscriptions/listen", "no/method"] {
        let params = json!({"name": "x", "uri": "x", "notifications": {}, "_meta": meta});
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        let ask = Ask::new("POST", site.path("/mcp"), body).header("MCP-Protocol-Version", "2026-07-28");
        let ask = ask.header("Mcp-Method", method);
        doors.push(if method.ends_with("/call") || method.ends_with("/read") {
            ask.header("Mcp-Name", "x")
        } else {
            ask
        });
    }
    for revision in Revision::ALL.into_iter().filter(|revision| !revision.is_stateless()) {
        let params = json!({"protocolVersion": revision.as_str(), "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
        let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}});
        let said = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        let answer = json!({"jsonrpc": "2.0", "id": 1, "result": {}});
        for body in [initialize, call.clone(), said, answer, json!([call])] {
            let ask =
                Ask::new("POST", site.path("/mcp"), body).header("MCP-Protocol-Version", revision.as_str());
            doors.push(ask.header("Mcp-Session-Id", "guessed"));
        }
    }
    let events = ("Accept", "text/event-stream");
    for path in ["/sse", "/mcp/sse", "/mcp"] {
        doors.push(Ask::new("GET", site.path(path), Value::Null).header(events.0, events.1));
    }
    let get = Ask::new("GET", site.path("/mcp"), Value::Null).header(events.0, events.1);
    doors.push(get.header("Mcp-Session-Id", "guessed").header("Last-Event-ID", "0/0"));
    doors.push(Ask::new("DELETE", site.path("/mcp"), Value::Null).header("Mcp-Session-Id", "guessed"));
    let ping = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    for path in ["/messages?sessionId=guessed", "/mcp/messages?sessionId=guessed"] {
        doors.push(Ask::new("POST", site.path(path), ping.clone()));
    }
    for path in ["/ws", "/mcp/ws"] {
        let ask = Ask::new("GET", site.path(path), Value::Null).header("Connection", "Upgrade");
        let ask = ask.header("Upgrade", "websocket").header("Sec-WebSocket-Version", "13");
        doors.push(ask.header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="));
    }
    doors.push(Ask::new("GET", site.path("/own"), Value::Null));
    for body in [json!({"method": "x"}), json!([{"method": "x"}]), json!([]), json!({})] {
        doors.push(Ask::new("POST", site.path("/mcp/call"), body));
    }
    for method in ["GET", "HEAD"] {
        doors.push(Ask::new(method, site.path("/mcp/tools"), Value::Null));
    }
    doors
}

#[tokio::test]
async fn nobody_without_a_token_comes_through_any_door() {
    let reached = Reached::default();
    let route = http::Route::new(::http::Method::GET, "/own", async |_| ::http::Response::new("mine".into()));
    let config = || config().routes(vec![route.clone()]);
    let sites = [
        Site::listen(reached.clone(), config()).await.unwrap(),
        Site::mount(reached.clone(), config()).await.unwrap(),
        Site::listen_http2(reached.clone(), config()).await.unwrap(),
    ];
    let right = format!("Bearer secret of {A}");
    let wrong: [&[(&str, &str)]; 9] = [
        &[],
        &[("Authorization", "Bearer wrong")],
        &[("Authorization", "Bearer ")],
        &[("Authorization", "Bearer")],
        &[("Authorization", &format!("Basic {}", "secret of caller00x"))],
        &[("Authorization", "secret of caller00x")],
        &[("Authorization", &right), ("Authorization", "Bearer wrong")],
        &[("Cookie", "token=secret of caller00x"), ("X-Api-Key", "secret of caller00x")],
        &[("Authorization", "Bearer secret of caller00x, Bearer wrong")],
    ];
    for site in &sites {
        for door in doors(site) {
            for headers in wrong {
                let ask = headers.iter().fold(door.clone(), |ask, (name, value)| ask.header(name, value));
                // Of two credentials nobody knows which one is meant (RFC 6750, section 3.1).
                let expected = if headers.iter().filter(|(name, _)| *name == "Authorization").count() > 1 {
                    400
                } else {
                    401
                };
                assert_eq!(ask.send(site).await, expected, "{ask:?}");
            }
            let mark = if door.path.contains('?') { '&' } else { '?' };
            let in_the_query = Ask {
                path: format!("{}{mark}token=secret%20of%20{A}&access_token=secret%20of%20{A}", door.path),
                ..door
            };
            assert_eq!(in_the_query.send(site).await, 400, "{in_the_query:?}");
        }
    }
    assert_eq!(reached.0.load(Ordering::SeqCst), 0, "something got through");
    // The doors are real ones: with a token each leads somewhere, and those of no session as far as the service.
    for site in &sites {
        let mut through = Vec::new();
        for door in doors(site) {
            let before = reached.0.load(Ordering::SeqCst);
            let status = door.clone().bearer(A).send(site).await;
            assert!(status != 401 && status != 403, "{status}: {door:?}");
            if reached.0.load(Ordering::SeqCst) > before {
                through.push(door);
            }
        }
        // Five calls of 2026-07-28; of the REST interface one, one in an array, and the list in two ways.
        assert_eq!(through.len(), 9, "{through:#?}");
    }
}

/// An HTTP request as it is written.
#[derive(Clone, Debug)]
struct Ask {
    verb: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Value,
}

impl Ask {
    fn new(verb: &'static str, path: String, body: Value) -> Self {
        Self { verb, path, headers: Vec::new(), body }
    }

    fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn bearer(self, name: &str) -> Self {
        self.header("Authorization", &format!("Bearer secret of {name}"))
    }

    /// The status of the response.
    async fn send(&self, site: &Site) -> u16 {
        let body = if self.body.is_null() { String::new() } else { self.body.to_string() };
        let mut text = format!("{} {} HTTP/1.1\r\nHost: {}\r\n", self.verb, self.path, site.address());
        let names = |name: &str| self.headers.iter().any(|(known, _)| known == name);
        if !names("Accept") {
            text += "Accept: application/json, text/event-stream\r\n";
        }
        if self.verb == "POST" {
            text += &format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
        }
        for (name, value) in &self.headers {
            text += &format!("{name}: {value}\r\n");
        }
        let exchange = async {
            let mut stream = TcpStream::connect(site.address()).await.unwrap();
            stream.write_all(format!("{text}\r\n{body}").as_bytes()).await.unwrap();
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).await.unwrap();
            line.split(' ').nth(1).and_then(|status| status.parse().ok())
        };
        let status = timeout(Duration::from_secs(30), exchange).await.unwrap();
        status.unwrap_or_else(|| panic!("no status: {self:?}"))
    }
}
