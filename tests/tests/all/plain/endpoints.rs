//! What is refused before it becomes a call, and the health check, which needs nothing.

use anyport::{Server, http};
use anyport_tests::{plain::Plain, site::Site};
use serde_json::Value;

use super::{config, sites};

fn empty() -> Server {
    Server::builder("empty", "1").build().unwrap()
}

#[tokio::test]
async fn only_json_is_read() {
    for (_site, plain) in sites(empty, config()).await {
        let call = r#"{"method":"x"}"#;
        for (kind, status) in [
            ("application/json", 200),
            ("application/json; charset=utf-8", 200),
            ("Application/JSON;charset=UTF-8", 200),
            ("text/plain", 415),
            ("application/x-www-form-urlencoded", 415),
            ("application/json-seq", 415),
            ("", 415),
        ] {
            let answer = plain.clone().header("Content-Type", kind).post(call).await.unwrap();
            assert_eq!(answer.status, status, "{kind}");
            assert_eq!(answer.json()["id"], Value::Null);
        }
    }
}

#[tokio::test]
async fn a_client_that_takes_no_json_is_told_so() {
    for (_site, plain) in sites(empty, config()).await {
        for (accept, status) in
            [("text/html", 406), ("text/event-stream", 406), ("application/json;q=0", 406), ("*/*", 200)]
        {
            let plain = plain.clone().header("Accept", accept);
            assert_eq!(plain.post(r#"{"method":"x"}"#).await.unwrap().status, status, "{accept}");
            assert_eq!(plain.ask("GET", "/mcp/tools", "").await.unwrap().status, status, "{accept}");
            assert_eq!(plain.ask("GET", "/health", "").await.unwrap().status, 200, "{accept}");
        }
    }
}

#[tokio::test]
async fn other_methods_are_told_which_there_are() {
    for (_site, plain) in sites(empty, config()).await {
        for (path, allow) in [("/mcp/call", "POST"), ("/mcp/tools", "GET, HEAD"), ("/health", "GET, HEAD")] {
            for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
                if allow.split(", ").any(|allowed| allowed == method) {
                    continue;
                }
                let answer = plain.ask(method, path, "").await.unwrap();
                assert_eq!((answer.status, answer.header("allow")), (405, Some(allow)), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_in_the_words_of_the_mcp_endpoint() {
    let message = anyport::protocol::Limits::default().bytes(2000).depth(20).nodes(100);
    let limits = http::Limits::default().message(message);
    let config = config().limits(limits);
    for (_site, plain) in sites(empty, config.clone()).await {
        for (body, status, code, words) in [
            ("{".to_owned(), 400, -32700, "expected"),
            (String::new(), 400, -32700, "expected a value"),
            (r#"{"method":"a"} {}"#.to_owned(), 400, -32700, "expected the end"),
            (r#"{"method":"a","method":"b"}"#.to_owned(), 400, -32600, "duplicate key"),
            (r#"{"method":"a","params":{"x":1,"\u0078":2}}"#.to_owned(), 400, -32600, "duplicate key"),
            (format!(r#"{{"params":{}{}}}"#, "[".repeat(20), "]".repeat(20)), 400, -32600, "max_depth"),
            (format!("[{}1]", "1,".repeat(100)), 400, -32600, "max_nodes"),
            (format!(r#"{{"method":"{}"}}"#, "x".repeat(2000)), 413, -32600, "max_message_bytes"),
            (r#"{"method":7}"#.to_owned(), 400, -32600, "\\\"method\\\""),
            (r#"{"method":"a","jsonrpc":"1.0"}"#.to_owned(), 400, -32600, "\\\"jsonrpc\\\""),
            (r#"{"method":"a","id":{}}"#.to_owned(), 400, -32600, "\\\"id\\\""),
            (r#"{"method":"a","params":[1]}"#.to_owned(), 200, -32602, "by name"),
        ] {
            let answer = plain.post(&body).await.unwrap();
            assert_eq!((answer.status, answer.code()), (status, Some(code)), "{body}: {}", answer.body);
            assert!(answer.body.contains(words), "{}", answer.body);
            assert_eq!(answer.json().get("id"), Some(&Value::Null), "{}", answer.body);
            assert_eq!(answer.json()["jsonrpc"], "2.0");
        }
    }
}

#[tokio::test]
async fn a_page_of_ours_may_call_and_no_other() {
    for (site, plain) in sites(empty, config()).await {
        let ours = format!("http://{}", site.address());
        let page = plain.clone().header("Origin", &ours);
        let asking = page.clone().header("Access-Control-Request-Method", "POST");
        let asking = asking.header("Access-Control-Request-Headers", "content-type, x-other");
        for path in ["/mcp/call", "/mcp/tools", "/health"] {
            let preflight = asking.ask("OPTIONS", path, "").await.unwrap();
            assert_eq!(preflight.status, 204, "{path}");
            assert_eq!(preflight.header("access-control-allow-origin"), Some(&*ours));
            assert_eq!(preflight.header("access-control-allow-headers"), Some("content-type"));
            let other = plain.clone().header("Origin", "http://evil.example");
            assert_eq!(other.ask("OPTIONS", path, "").await.unwrap().status, 403);
            assert_eq!(other.ask("GET", path, "").await.unwrap().status, 403);
            let elsewhere = plain.clone().header("Host", "evil.example");
            assert_eq!(elsewhere.ask("GET", path, "").await.unwrap().status, 421);
        }
        let answer = page.post(r#"{"method":"x"}"#).await.unwrap();
        assert_eq!((answer.status, answer.header("access-control-allow-origin")), (200, Some(&*ours)));
    }
}

#[tokio::test]
async fn health_needs_no_token_and_speaks_as_it_is_asked() {
    let tokens = vec![http::Token::new("ada", "hers")];
    let config = config().authentication(http::Authentication::Tokens(tokens));
    for (_site, plain) in sites(empty, config.clone()).await {
        const JSON: &str = r#"{"status":"healthy","interface":"http","protocol":"mcp"}"#;
        for (accept, kind, body) in [
            (None, "application/json", JSON),
            (Some("*/*"), "application/json", JSON),
            (Some("text/plain"), "text/plain; charset=utf-8", "OK"),
            (Some("text/html,application/xhtml+xml,*/*;q=0.8"), "application/json", JSON),
        ] {
            let plain = accept.map_or(plain.clone(), |accept| plain.clone().header("Accept", accept));
            let answer = plain.ask("GET", "/health", "").await.unwrap();
            assert_eq!(
                (answer.status, answer.header("content-type"), &*answer.body),
                (200, Some(kind), body)
            );
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            let head = plain.ask("HEAD", "/health", "").await.unwrap();
            let length = body.len().to_string();
            assert_eq!((head.status, head.header("content-length"), &*head.body), (200, Some(&*length), ""));
        }
        assert_eq!(plain.post(r#"{"method":"x"}"#).await.unwrap().status, 401);
    }
}

#[tokio::test]
async fn a_server_that_stops_says_so() {
    let endpoint = http::Endpoint::new(empty(), config());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(axum::serve(listener, http::axum::router(&endpoint)).into_future());
    let plain = Plain::at(address);
    assert_eq!(plain.ask("GET", "/health", "").await.unwrap().status, 200);
    endpoint.close().await;
    let answer = plain.ask("GET", "/health", "").await.unwrap();
    assert_eq!((answer.status, &answer.json()["status"]), (503, &Value::from("draining")));
    let words = plain.header("Accept", "text/plain").ask("GET", "/health", "").await.unwrap();
    assert_eq!((words.status, &*words.body), (503, "draining"));
}

#[tokio::test]
async fn nothing_of_it_is_served_unless_it_was_asked_for() {
    for site in [
        Site::listen(empty(), http::Config::default()).await.unwrap(),
        Site::mount(empty(), http::Config::default()).await.unwrap(),
    ] {
        let plain = Plain::of(&site);
        assert_eq!(plain.post(r#"{"method":"x"}"#).await.unwrap().status, 404);
        for path in ["/mcp/tools", "/health"] {
            assert_eq!(plain.ask("GET", path, "").await.unwrap().status, 404);
        }
    }
}

#[tokio::test]
async fn it_stands_below_the_endpoint_wherever_that_is() {
    let config = config().path("/api/v1");
    for (_site, plain) in sites(empty, config.clone()).await {
        assert_eq!(plain.ask("GET", "/api/v1/tools", "").await.unwrap().body, r#"{"tools":[]}"#);
        assert_eq!(plain.ask("POST", "/api/v1/call", "[]").await.unwrap().status, 400);
        assert_eq!(plain.ask("GET", "/health", "").await.unwrap().status, 200);
        assert_eq!(plain.ask("GET", "/mcp/tools", "").await.unwrap().status, 404);
    }
}
