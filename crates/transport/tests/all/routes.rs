//! Host, Origin and token on every route, on a listener of ours and within an application of axum.
//!
//! Invariant: Every route checks Host, Origin and token, on a listener and inside an application.

use std::net::SocketAddr;

use crate::common::{
    Server,
    client::{Connection, Verb, call, post},
    fake::Fake,
};
use anyport_transport::{
    http::{Authentication, Config, Endpoint, Route, Token, axum::router},
    websocket,
};
use axum::Router;
use serde_json::json;
use tokio::net::TcpListener;

fn config() -> Config {
    let health = |_| async { http::Response::new("fine".into()) };
    Config::default()
        .sse(true)
        .rest(true)
        .websocket(websocket::Config::default())
        .routes(vec![Route::new(http::Method::GET, "/metrics", health)])
        .authentication(Authentication::Tokens(vec![Token::new("ada", "sesame")]))
}

/// Everything that can be asked for, as a client that may asks for it.
fn routes() -> Vec<Verb> {
    let body = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let to = |method: &str, path: &str| Verb::new(method, path).add("Accept", "text/event-stream");
    let mut routes = vec![call(1, "echo", json!({"text": "x"})), post(body), to("GET", "/metrics")];
    for path in ["/mcp", "/sse", "/mcp/sse", "/messages", "/mcp/messages", "/ws", "/mcp/ws"] {
        for method in ["GET", "DELETE", "OPTIONS", "PUT"] {
            routes.push(to(method, path));
        }
        routes.push(Verb { target: path.into(), ..post(body) });
    }
    routes.push(Verb::new("GET", "/mcp/tools"));
    routes.push(Verb::new("HEAD", "/mcp/tools"));
    for path in ["/mcp/call", "/mcp/tools"] {
        for method in ["GET", "DELETE", "OPTIONS", "PUT"] {
            routes.push(Verb::new(method, path));
        }
        routes.push(Verb { target: path.into(), ..post(r#"{"method":"echo"}"#) });
    }
    for path in ["/ws", "/mcp/ws"] {
        let handshake = to("GET", path)
            .add("Connection", "Upgrade")
            .add("Upgrade", "websocket")
            .add("Sec-WebSocket-Version", "13")
            .add("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
        routes.push(handshake);
    }
    routes
}

/// Our routes where they stand at `prefix`.
async fn check(address: SocketAddr, prefix: &str) {
    let own = format!("127.0.0.1:{}", address.port());
    let other = address.port() ^ 1;
    let status = async |verb: &Verb| {
        let verb = Verb { target: format!("{prefix}{}", verb.target), ..verb.clone() };
        Connection::open(address).await.begin(&verb).await.status
    };
    for verb in routes() {
        let verb = verb.set("Host", &own);
        let known = verb.clone().set("Authorization", "Bearer sesame");
        let let_in = status(&known).await;
        assert!(!matches!(let_in, 401 | 403 | 404 | 421 | 500..), "{verb:?}: {let_in}");
        for verb in [verb.clone(), verb.clone().set("Authorization", "Bearer sesam")] {
            assert_eq!(status(&verb).await, 401, "{verb:?}");
        }
        assert_eq!(status(&known.clone().add("Authorization", "Bearer sesame")).await, 400, "{verb:?}");
        for host in ["evil.example", "localhost.evil.example", "null", "evil@localhost", "localhost.", ""] {
            assert_eq!(status(&known.clone().set("Host", host)).await, 421, "{host} {verb:?}");
        }
        assert_eq!(status(&known.clone().without("Host")).await, 400, "{verb:?}");
        assert_eq!(status(&known.clone().add("Host", &own)).await, 400, "{verb:?}");
        for origin in [
            "http://evil.example".to_owned(),
            format!("http://localhost.evil.example:{}", address.port()),
            format!("http://127.0.0.1:{other}"),
            format!("http://user@{own}"),
            format!("http://localhost.:{}", address.port()),
            format!("https://{own}"),
            format!("http://{own}, http://evil.example"),
            "null".to_owned(),
            String::new(),
        ] {
            assert_eq!(status(&known.clone().set("Origin", &origin)).await, 403, "{origin} {verb:?}");
        }
        let origin = format!("http://{own}");
        let twice = known.clone().add("Origin", &origin).add("Origin", &origin);
        assert_eq!(status(&twice).await, 403, "{verb:?}");
        for origin in [origin, format!("http://[::1]:{}", address.port())] {
            assert_eq!(status(&known.clone().set("Origin", &origin)).await, let_in, "{origin} {verb:?}");
        }
        // By the name of another port, as through a tunnel; a page there is another origin all the same.
        let tunnel = known.clone().set("Host", &format!("[::1]:{other}"));
        assert_eq!(status(&tunnel).await, let_in, "{verb:?}");
    }
}

#[tokio::test]
async fn every_route_of_a_listener_asks_who_comes() {
    let server = Server::start(config()).await;
    check(server.address, "").await;
}

#[tokio::test]
async fn every_route_within_an_application_asks_who_comes() {
    let endpoint = Endpoint::new(Fake::default(), config());
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let app = Router::new().nest("/tools", router(&endpoint));
    tokio::spawn(axum::serve(listener, app).into_future());
    check(address, "/tools").await;
}
