//! MCP within an application of axum, over real sockets.
//!
//! Invariant: An endpoint inside another program keeps the same invariants as on our listener.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::common::{
    PATIENCE,
    client::{Connection, Response, Verb, call, post},
    fake::Fake,
    within,
};
use anyport_protocol::Revision;
use anyport_service::Principal;
use anyport_transport::http::{
    Authentication, Config, Endpoint, Limits, Route, SettingNames, Token, axum::router,
};
use axum::{
    Router,
    extract::State,
    http::{HeaderValue, StatusCode},
    middleware::{Next, from_fn},
    routing::get,
};
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};

/// An application that runs.
struct App {
    address: SocketAddr,
    fake: Fake,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<std::io::Result<()>>,
}

impl App {
    /// An application with a page, a fallback, state and middleware of its own; `mount` puts MCP into it.
    async fn start(
        config: Config,
        mount: impl FnOnce(Router<&'static str>, Router<&'static str>) -> Router<&'static str>,
    ) -> Self {
        let fake = Fake::default();
        let endpoint = Endpoint::new(fake.clone(), config);
        let own = Router::new()
            .route("/", get(async |State(name): State<&'static str>| format!("a page of {name}")))
            .fallback(async || (StatusCode::NOT_FOUND, "the application has no such page"));
        let mark = async |request, next: Next| {
            let mut response = next.run(request).await;
            response.headers_mut().insert("x-application", HeaderValue::from_static("was here"));
            response
        };
        let app = mount(own, router(&endpoint)).layer(from_fn(mark)).with_state("the application");
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let (closing, closed) = (endpoint, fake.clone());
        let stopped = async move {
            let _ = stopped.await;
            closed.close();
            closing.close().await;
        };
        let serving = tokio::spawn(axum::serve(listener, app).with_graceful_shutdown(stopped).into_future());
        Self { address, fake, stop: Some(stop), serving }
    }

    async fn ask(&self, verb: &Verb) -> Response {
        let mut connection = Connection::open(self.address).await;
        connection.send(&verb.bytes()).await;
        connection.response().await
    }
}

fn merged(own: Router<&'static str>, mcp: Router<&'static str>) -> Router<&'static str> {
    own.merge(mcp)
}

fn at(verb: Verb, target: &str) -> Verb {
    Verb { target: target.into(), ..verb }
}

fn initialize() -> Verb {
    let params = json!({"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
    post(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string())
}

fn wait() -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "wait", "arguments": {}}})
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

/// Opens a stream of HTTP+SSE, and reads where to post.
async fn stream(app: &App, path: &str) -> (Connection, String) {
    let mut stream = Connection::open(app.address).await;
    let head = stream.begin(&Verb::new("GET", path).add("Accept", "text/event-stream")).await;
    assert!(head.status == 200 && head.is_stream(), "{head:?}");
    let first = stream.event().await.unwrap();
    assert_eq!(first.event.as_deref(), Some("endpoint"));
    (stream, first.data)
}

#[tokio::test]
async fn mcp_stands_beside_the_applications_own() {
    let health =
        Route::new(http::Method::GET, "/health", async |_| http::Response::new("well".into())).open();
    let app = App::start(Config::default().routes(vec![health]), merged).await;
    for (verb, status, body) in [
        (Verb::new("GET", "/"), 200, "a page of the application"),
        (Verb::new("GET", "/nothing"), 404, "the application has no such page"),
        (Verb::new("GET", "/sse"), 404, "the application has no such page"),
        (Verb::new("GET", "/health"), 200, "well"),
        (call(1, "echo", json!({"text": "hi there"})), 200, "hi there"),
        (Verb::new("PUT", "/mcp"), 405, "GET, POST, DELETE"),
        (Verb::new("GET", "/mcp"), 400, "initialize"),
    ] {
        let answer = app.ask(&verb).await;
        assert!(answer.status == status && answer.text().contains(body), "{verb:?}: {answer:?}");
        assert_eq!(answer.header("x-application"), Some("was here"));
    }
    let mut large = Connection::open(app.address).await;
    large.send(&call(1, "echo", json!({})).body(vec![b' '; 5 << 20]).head()).await;
    let answer = large.response().await;
    assert!(answer.status == 413 && answer.text().contains("max_message_bytes"), "{answer:?}");
    let opened = app.ask(&initialize()).await;
    let session = opened.header("mcp-session-id").unwrap();
    let waiting = post(wait().to_string()).add("Mcp-Session-Id", session);
    let (answer, ()) = tokio::join!(app.ask(&waiting), async {
        app.fake.until(|counts| counts.running == 1).await;
        app.fake.release(1);
    });
    assert_eq!(text(&answer.json()), "waited");
}

#[tokio::test]
async fn it_can_be_nested_under_any_path() {
    let config = |path: &str| Config::default().sse(true).path(path);
    type Mount = fn(Router<&'static str>, Router<&'static str>) -> Router<&'static str>;
    let cases: [(&str, Mount, &str, &str); 4] = [
        ("/mcp", |own, mcp| own.nest("/tools", mcp), "/tools/mcp", "/tools"),
        ("/mcp", |own, mcp| own.nest("/of/{tenant}/tools", mcp), "/of/a%20b/tools/mcp", "/of/a%20b/tools"),
        (
            "/mcp",
            |own, mcp| own.nest("/outer", Router::new().nest("/inner", mcp)),
            "/outer/inner/mcp",
            "/outer/inner",
        ),
        ("/", |own, mcp| own.nest("/tools", mcp), "/tools", "/tools"),
    ];
    for (path, mount, endpoint, prefix) in cases {
        let app = App::start(config(path), mount).await;
        let answer = app.ask(&at(call(1, "echo", json!({"text": "hi"})), endpoint)).await;
        assert!(answer.status == 200 && text(&answer.json()) == "hi", "{endpoint}: {answer:?}");
        assert_eq!(app.ask(&Verb::new("GET", "/")).await.text(), "a page of the application");
        let (mut stream, address) = stream(&app, &format!("{prefix}/sse")).await;
        assert!(address.starts_with(&format!("{prefix}/messages?sessionId=")), "{endpoint}: {address}");
        let ping = post(r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#);
        assert_eq!(app.ask(&at(ping, &address)).await.status, 202);
        assert_eq!(stream.message().await["result"], json!({}));
    }
}

#[tokio::test]
async fn hosts_origins_and_tokens_are_checked_as_ever() {
    let config = Config::default()
        .authentication(Authentication::Tokens(vec![Token::new("alice", "a")]))
        .allow_hosts(vec!["app.example.com".parse().unwrap()])
        .allow_origins(vec!["https://app.example.com".parse().unwrap()]);
    let app = App::start(config, merged).await;
    let (ours, port) = (call(1, "who", json!({})).add("Authorization", "Bearer a"), app.address.port());
    let (host, own) = (format!("localhost:{port}"), format!("http://localhost:{port}"));
    for (host, origin, token, status) in [
        ("localhost", None, "Bearer a", 200),
        ("app.example.com", None, "Bearer a", 200),
        ("app.example.com", Some("https://app.example.com"), "Bearer a", 200),
        (&*host, Some(&*own), "Bearer a", 200),
        (&host, Some("http://localhost:1"), "Bearer a", 403),
        (&host, Some("http://evil.example"), "Bearer a", 403),
        // Who hides the port has no page of ours.
        ("localhost", Some(&own), "Bearer a", 403),
        ("evil.example", None, "Bearer a", 421),
        ("localhost", None, "Bearer b", 401),
    ] {
        let verb = ours.clone().set("Host", host).set("Authorization", token);
        let verb = origin.map_or(verb.clone(), |origin| verb.add("Origin", origin));
        let answer = app.ask(&verb).await;
        assert_eq!(answer.status, status, "{host} {origin:?} {token}: {answer:?}");
        let shared = origin.filter(|_| status == 200);
        assert_eq!(answer.header("access-control-allow-origin"), shared);
    }
    // The application's own pages are its own business.
    assert_eq!(app.ask(&Verb::new("GET", "/").set("Host", "evil.example")).await.status, 200);
}

/// A call of the tool `who` by the user `name` of the application.
fn who(name: Option<&str>) -> Verb {
    let verb = call(1, "who", json!({}));
    name.map_or(verb.clone(), |name| verb.add("X-User", name))
}

/// Invariant: Nothing but the application's own login makes a principal of an endpoint that relies on it.
#[tokio::test]
async fn callers_are_those_that_the_application_has_logged_in() {
    let login = async |mut request: axum::extract::Request, next: Next| {
        let user = request.headers().get("x-user").and_then(|user| user.to_str().ok()).map(Principal::named);
        if let Some(user) = user {
            request.extensions_mut().insert(user);
        }
        next.run(request).await
    };
    let config = || Config::default().authentication(Authentication::Application).rest(true);
    let app = App::start(config(), |own, mcp| own.merge(mcp.layer(from_fn(login)))).await;
    assert_eq!(app.ask(&who(Some("ada"))).await.json()["result"]["content"][0]["text"], "name:ada ");
    assert_eq!(app.ask(&who(Some("bob"))).await.json()["result"]["content"][0]["text"], "name:bob ");
    assert_eq!(app.ask(&who(None)).await.status, 401);
    assert_eq!(app.ask(&Verb::new("GET", "/health")).await.status, 200);
    assert_eq!(app.ask(&Verb::new("GET", "/mcp/tools")).await.status, 401);
    // Where no middleware logs anybody in, nobody may call.
    let bare = App::start(config(), merged).await;
    assert_eq!(bare.ask(&who(Some("ada"))).await.status, 401);
}

#[tokio::test]
async fn a_function_authenticates_callers_and_is_not_asked_where_anybody_may_call() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = calls.clone();
    let by_header = Authentication::by(move |head| {
        counted.fetch_add(1, Ordering::Relaxed);
        async move {
            tokio::task::yield_now().await;
            Some(Principal::named(head.headers.get("x-user")?.to_str().ok()?))
        }
    });
    let open = Route::new(http::Method::GET, "/open", |_| async { http::Response::default() }).open();
    let closed = Route::new(http::Method::GET, "/closed", |_| async { http::Response::default() });
    let config = Config::default().authentication(by_header).rest(true).sse(true).routes(vec![open, closed]);
    let app = App::start(config, merged).await;
    assert_eq!(app.ask(&who(Some("ada"))).await.json()["result"]["content"][0]["text"], "name:ada ");
    assert_eq!(calls.load(Ordering::Relaxed), 1, "once for a request");
    for (path, status) in [("/mcp/tools", 401), ("/sse", 401), ("/closed", 401)] {
        assert_eq!(app.ask(&Verb::new("GET", path)).await.status, status, "{path}");
    }
    assert_eq!(app.ask(&Verb::new("GET", "/closed").add("X-User", "ada")).await.status, 200);
    assert_eq!(calls.load(Ordering::Relaxed), 5);
    for path in ["/open", "/health"] {
        assert_eq!(app.ask(&Verb::new("GET", path)).await.status, 200, "{path}");
    }
    assert_eq!(app.ask(&who(Some("ada")).set("Host", "evil.example")).await.status, 421);
    assert_eq!(calls.load(Ordering::Relaxed), 5);
}

#[tokio::test]
async fn a_refusal_names_the_setting_of_whoever_embeds() {
    let app = App::start(Config::default(), merged).await;
    let host = app.ask(&who(None).set("Host", "evil.example")).await.json();
    assert!(host["error"]["message"].as_str().unwrap().contains("`allow_hosts`"), "{host}");
    let origin = app.ask(&who(None).add("Origin", "http://evil.example")).await.json();
    assert!(origin["error"]["message"].as_str().unwrap().contains("`allow_origins`"), "{origin}");
    let names = SettingNames { allow_hosts: "write it into shop.toml".into(), ..SettingNames::default() };
    let app = App::start(Config::default().setting_names(names), merged).await;
    let host = app.ask(&who(None).set("Host", "evil.example")).await.json();
    assert!(host["error"]["message"].as_str().unwrap().ends_with("write it into shop.toml"), "{host}");
}

#[tokio::test]
async fn a_graceful_shutdown_ends_streams_and_lets_calls_finish() {
    let limits = Limits::default().drain(3 * PATIENCE);
    let mut app = App::start(Config::default().sse(true).limits(limits), merged).await;
    let opened = app.ask(&initialize()).await;
    let session = opened.header("mcp-session-id").unwrap().to_owned();
    let get = Verb::new("GET", "/mcp").add("Accept", "text/event-stream").add("Mcp-Session-Id", &session);
    let mut pushes = Connection::open(app.address).await;
    assert!(pushes.begin(&get).await.is_stream());
    let (mut old, _) = stream(&app, "/sse").await;
    let mut waiting = Connection::open(app.address).await;
    waiting.send(&post(wait().to_string()).add("Mcp-Session-Id", &session).bytes()).await;
    app.fake.until(|counts| counts.running == 1).await;
    drop(app.stop.take());
    assert_eq!((pushes.event().await, old.event().await), (None, None));
    assert_eq!(app.ask(&initialize()).await.status, 503);
    app.fake.release(1);
    assert_eq!(text(&waiting.response().await.json()), "waited");
    within(app.serving).await.unwrap().unwrap();
}

#[tokio::test]
async fn a_client_that_goes_takes_its_call_with_it() {
    let app = App::start(Config::default().sse(true), merged).await;
    let mut modern = Connection::open(app.address).await;
    assert!(modern.begin(&call(1, "say", json!({}))).await.is_stream());
    let (old, address) = stream(&app, "/mcp/sse").await;
    let params = json!({"protocolVersion": Revision::V2024_11_05.as_str(), "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}});
    for message in [json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}), wait()] {
        assert_eq!(app.ask(&at(post(message.to_string()), &address)).await.status, 202);
    }
    app.fake.until(|counts| counts.running == 2).await;
    drop((modern, old));
    app.fake.until(|counts| counts.cancelled == 2).await;
    within(async {
        while app.ask(&at(post(wait().to_string()), &address)).await.status == 202 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    })
    .await;
}

#[cfg(feature = "websocket")]
#[tokio::test]
async fn websockets_are_opened_and_closed_there_as_well() {
    use anyport_transport::websocket;
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_tungstenite::tungstenite::{Message, client::IntoClientRequest as _};

    let config = Config::default().websocket(websocket::Config::default());
    let mut app = App::start(config, |own, mcp| own.nest("/tools", mcp)).await;
    let stream = tokio::net::TcpStream::connect(app.address).await.unwrap();
    let request = format!("ws://{}/tools/ws", app.address).into_client_request().unwrap();
    let (mut socket, _) = within(tokio_tungstenite::client_async(request, stream)).await.unwrap();
    let body = String::from_utf8(call(1, "echo", json!({"text": "hi"})).body).unwrap();
    within(socket.send(Message::text(body))).await.unwrap();
    let answer = within(socket.next()).await.unwrap().unwrap();
    assert_eq!(text(&serde_json::from_str(answer.to_text().unwrap()).unwrap()), "hi");
    drop(app.stop.take());
    let Message::Close(Some(close)) = within(socket.next()).await.unwrap().unwrap() else {
        panic!("no close frame");
    };
    assert_eq!(u16::from(close.code), 1001);
    drop(socket);
    within(app.serving).await.unwrap().unwrap();
}

/// Once it is a WebSocket, the application looks after the connection no more.
#[cfg(feature = "websocket")]
#[tokio::test]
async fn a_websocket_that_is_not_read_is_given_up_there_as_well() {
    let config = Config::default()
        .websocket(anyport_transport::websocket::Config::default())
        .limits(Limits::default().write_timeout(Duration::from_millis(300)));
    let app = App::start(config, merged).await;
    let mut stuck = Connection::narrow(app.address).await;
    let handshake = Verb::new("GET", "/ws")
        .add("Connection", "Upgrade")
        .add("Upgrade", "websocket")
        .add("Sec-WebSocket-Version", "13")
        .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    assert_eq!(stuck.begin(&handshake).await.status, 101);
    let body = call(1, "say", json!({"count": 1_000_000, "bytes": 10_000})).body;
    let mut frame = vec![0x81, 0x80 | 126];
    frame.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
    frame.extend([0; 4]);
    frame.extend(body);
    stuck.send(&frame).await;
    app.fake.until(|counts| counts.cancelled == 1).await;
}
