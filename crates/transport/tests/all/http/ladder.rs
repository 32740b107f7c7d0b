//! The checks of a request, in the order in which they are told of (2026-07-28, streamable-http).

use anyport_protocol::{Limits as MessageLimits, Revision};
use anyport_transport::http::{Config, Limits};
use serde_json::{Value, json};

use crate::common::{
    Server,
    client::{Verb, call, meta, modern, post},
    schema,
};

fn echo() -> Verb {
    call(7, "echo", json!({"text": "hi"}))
}

/// Status and JSON-RPC code of each answer, on one server.
async fn check(config: Config, cases: Vec<(&str, Verb, u16, Option<i64>)>) {
    let server = Server::start(config).await;
    for (name, verb, status, code) in cases {
        let answer = server.ask(&verb).await;
        assert_eq!((answer.status, answer.code()), (status, code), "{name}: {answer:?}");
    }
    server.canary().await;
}

#[tokio::test]
async fn path_method_and_content_type_are_checked_first() {
    let typed = |value: &str| echo().set("Content-Type", value);
    let mut unlengthed = echo().without("content-type");
    unlengthed.body.clear();
    check(
        Config::default(),
        vec![
            ("a call", echo(), 200, None),
            ("another path", Verb { target: "/other".into(), ..echo() }, 404, Some(-32600)),
            ("a path below", Verb { target: "/mcp/x".into(), ..echo() }, 404, Some(-32600)),
            ("a query is no other path", Verb { target: "/mcp?x=1".into(), ..echo() }, 200, None),
            ("put", Verb { method: "PUT".into(), ..echo() }, 405, Some(-32600)),
            ("patch", Verb { method: "PATCH".into(), ..echo() }, 405, Some(-32600)),
            ("unheard of", Verb { method: "FROB".into(), ..echo() }, 405, Some(-32600)),
            ("with charset", typed("application/json; charset=utf-8"), 200, None),
            ("in capitals", typed("Application/JSON"), 200, None),
            ("plain text", typed("text/plain"), 415, Some(-32600)),
            ("a form", typed("application/x-www-form-urlencoded"), 415, Some(-32600)),
            ("only begins so", typed("application/json-seq"), 415, Some(-32600)),
            ("empty", typed(""), 415, Some(-32600)),
            ("none", echo().without("content-type"), 415, Some(-32600)),
            ("two", echo().add("Content-Type", "application/json"), 415, Some(-32600)),
            ("no body and no type", unlengthed, 415, Some(-32600)),
        ],
    )
    .await;
}

#[tokio::test]
async fn a_method_that_is_not_allowed_names_those_that_are() {
    let both = Server::start(Config::default()).await;
    assert_eq!(both.ask(&Verb::new("PUT", "/mcp")).await.header("allow"), Some("GET, POST, DELETE"));
    // Whoever names the newest revision is told what that one has.
    for method in ["GET", "DELETE"] {
        let answer = both.ask(&Verb::new(method, "/mcp").add("MCP-Protocol-Version", "2026-07-28")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
    let modern = Server::start(modern_only()).await;
    for method in ["GET", "DELETE", "PUT"] {
        let answer = modern.ask(&Verb::new(method, "/mcp")).await;
        assert_eq!((answer.status, answer.header("allow")), (405, Some("POST")), "{method}");
    }
}

fn modern_only() -> Config {
    Config::default().supported([Revision::NEWEST])
}

#[tokio::test]
async fn a_body_is_bounded_announced_or_not() {
    let limits = Limits::default().message(MessageLimits::default().bytes(1000));
    let server = Server::start(Config::default().limits(limits)).await;
    let fits = call(1, "echo", json!({"text": "x".repeat(500)}));
    assert_eq!(server.ask(&fits).await.status, 200);
    let long = call(1, "echo", json!({"text": "x".repeat(2000)}));
    let answer = server.ask(&long).await;
    assert_eq!((answer.status, answer.code()), (413, Some(-32600)));
    assert!(answer.text().contains("max_message_bytes"), "{answer:?}");

    // Announced and not sent: nothing of it is waited for.
    let mut connection = server.connect().await;
    connection.send(&long.head()).await;
    assert_eq!(connection.response().await.status, 413);
    connection.closed().await;

    // In chunks, nothing is announced.
    let mut chunked = long.clone().add("Transfer-Encoding", "chunked");
    chunked.length = false;
    let mut connection = server.connect().await;
    connection.send(&chunked.head()).await;
    for part in long.body.chunks(300) {
        let _ = connection.try_send(format!("{:x}\r\n", part.len()).as_bytes()).await;
        let _ = connection.try_send(part).await;
        let _ = connection.try_send(b"\r\n").await;
    }
    let _ = connection.try_send(b"0\r\n\r\n").await;
    assert_eq!(connection.response().await.status, 413);
    server.canary().await;
}

#[tokio::test]
async fn a_refusal_reaches_a_client_that_goes_on_sending() {
    let server = Server::start(Config::default()).await;
    let long = post(vec![b' '; 12 << 20]);
    for _ in 0..5 {
        let answer = server.ask(&long).await;
        assert_eq!(answer.status, 413);
    }
}

#[tokio::test]
async fn chunked_bodies_are_put_together() {
    let server = Server::start(Config::default()).await;
    let whole = echo();
    let mut chunked = whole.clone().add("Transfer-Encoding", "chunked");
    chunked.length = false;
    let mut bytes = chunked.head();
    for part in whole.body.chunks(7) {
        bytes.extend(format!("{:x}\r\n", part.len()).bytes());
        bytes.extend(part);
        bytes.extend(b"\r\n");
    }
    bytes.extend(b"0\r\n\r\n");
    let mut connection = server.connect().await;
    connection.send(&bytes).await;
    let answer = connection.response().await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

#[tokio::test]
async fn the_scan_tells_grammar_from_what_may_not_be() {
    let headers = |body: &str| Verb { body: body.into(), ..echo() };
    let deep = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":{}{}}}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    let many =
        format!(r#"{{"jsonrpc":"2.0","id":1,"method":"x","params":{{"a":[{}0]}}}}"#, "0,".repeat(600_000));
    let mut latin = echo();
    latin.body = b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xe9\"}".to_vec();
    check(
        Config::default(),
        vec![
            ("no body", headers(""), 400, Some(-32700)),
            ("white space", headers(" \n"), 400, Some(-32700)),
            ("half", headers(r#"{"jsonrpc":"2.0","#), 400, Some(-32700)),
            ("two values", headers("{}{}"), 400, Some(-32700)),
            ("not UTF-8", latin, 400, Some(-32700)),
            ("a duplicate", headers(r#"{"jsonrpc":"2.0","id":1,"id":2,"method":"x"}"#), 400, Some(-32600)),
            (
                "an escaped duplicate",
                headers(r#"{"jsonrpc":"2.0","id":1,"\u0069d":2,"method":"x"}"#),
                400,
                Some(-32600),
            ),
            ("too deep", headers(&deep), 400, Some(-32600)),
            ("too many", headers(&many), 400, Some(-32600)),
            ("no object", headers("17"), 400, Some(-32600)),
            ("an empty array", headers("[]"), 400, Some(-32600)),
            (
                "an array",
                headers(&format!("[{}]", String::from_utf8(echo().body).unwrap())),
                400,
                Some(-32600),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_envelope_error_echoes_the_id_where_it_can_be_read() {
    let server = Server::start(Config::default()).await;
    let valid = schema::validator(Revision::NEWEST, "JSONRPCMessage");
    for (body, id) in [
        (r#"{"jsonrpc":"1.0","id":7,"method":"m"}"#, Some(json!(7))),
        (r#"{"id":"a","method":"m"}"#, Some(json!("a"))),
        (r#"{"jsonrpc":"2.0","id":7,"method":5}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":7,"method":"m","params":[]}"#, Some(json!(7))),
        (r#"{"jsonrpc":"2.0","id":null,"method":"m"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1.5,"method":"m"}"#, None),
        (r#"{"jsonrpc":"2.0","id":1e2,"method":"m"}"#, None),
        (r#"{"jsonrpc":"2.0","id":{},"method":"m"}"#, None),
        ("{", None),
    ] {
        let answer = server.ask(&Verb { body: body.into(), ..echo() }).await;
        assert_eq!(answer.status, 400, "{body}");
        let json = answer.json();
        assert_eq!(json.get("id"), id.as_ref(), "{body}: {json}");
        assert!(valid.is_valid(&json), "{json}");
    }
}

#[tokio::test]
async fn meta_comes_before_headers_and_headers_before_the_version() {
    let with_meta = |change: &dyn Fn(&mut Value)| {
        let mut body: Value = serde_json::from_slice(&echo().body).unwrap();
        change(&mut body["params"]["_meta"]);
        Verb { body: body.to_string().into_bytes(), ..echo() }
    };
    let remove = |key: &str| {
        with_meta(&|meta| {
            meta.as_object_mut().unwrap().remove(&format!("io.modelcontextprotocol/{key}"));
        })
    };
    let put = |key: &str, value: Value| {
        with_meta(&|meta| meta[format!("io.modelcontextprotocol/{key}")] = value.clone())
    };
    let bare = |verb: Verb| verb.without("mcp-protocol-version").without("mcp-method").without("mcp-name");
    check(
        Config::default(),
        vec![
            ("no version", remove("protocolVersion"), 400, Some(-32602)),
            ("no capabilities", remove("clientCapabilities"), 400, Some(-32602)),
            ("no info, which is optional", remove("clientInfo"), 200, None),
            ("a version that is no string", put("protocolVersion", json!(1)), 400, Some(-32602)),
            ("capabilities that are no object", put("clientCapabilities", json!([])), 400, Some(-32602)),
            ("info that is no object", put("clientInfo", json!("x")), 400, Some(-32602)),
            ("_meta before headers", bare(remove("clientCapabilities")), 400, Some(-32602)),
            (
                "no _meta at all",
                Verb { body: r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#.into(), ..echo() },
                400,
                Some(-32602),
            ),
            (
                "headers before the version",
                bare(put("protocolVersion", json!("1900-01-01"))),
                400,
                Some(-32020),
            ),
            ("a bad log level", put("logLevel", json!("loud")), 400, Some(-32602)),
            (
                "a bad progress token",
                with_meta(&|meta| meta["progressToken"] = json!(1.5)),
                400,
                Some(-32602),
            ),
        ],
    )
    .await;
}

#[tokio::test]
async fn headers_that_differ_from_the_body_are_named() {
    let server = Server::start(Config::default()).await;
    let read = modern(1, "resources/read", r#"{"uri":"file:///a b"}"#);
    let echo_named = |header: &str| echo().set("Mcp-Name", header);
    for (verb, named) in [
        (echo().without("MCP-Protocol-Version"), "MCP-Protocol-Version"),
        (echo().set("MCP-Protocol-Version", "2025-11-25"), "MCP-Protocol-Version"),
        (echo().set("MCP-Protocol-Version", ""), "MCP-Protocol-Version"),
        (echo().add("MCP-Protocol-Version", "2026-07-28"), "mcp-protocol-version"),
        (echo().without("Mcp-Method"), "Mcp-Method"),
        (echo().set("Mcp-Method", "tools/list"), "Mcp-Method"),
        (echo().set("Mcp-Method", "Tools/Call"), "Mcp-Method"),
        (echo().set("Mcp-Method", "tools/call, tools/call"), "Mcp-Method"),
        (echo().add("mcp-method", "tools/call"), "mcp-method"),
        (echo().set("Mcp-Method", "=?base64?dG9vbHMvY2FsbA==?="), "Mcp-Method"),
        (echo().without("Mcp-Name"), "Mcp-Name"),
        (echo_named("other"), "Mcp-Name"),
        (echo_named("Echo"), "Mcp-Name"),
        (echo().add("MCP-NAME", "other"), "mcp-name"),
        (echo_named("=?base64?!!?="), "Mcp-Name"),
        (echo_named("=?base64?ZWNobw?="), "Mcp-Name"),
        (echo_named("=?base64?/w==?="), "Mcp-Name"),
        (echo_named("=?BASE64?ZWNobw==?="), "Mcp-Name"),
        (read.clone().set("Mcp-Name", "file:///a"), "Mcp-Name"),
        (read.clone().without("Mcp-Name"), "Mcp-Name"),
    ] {
        let answer = server.ask(&verb).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{verb:?}: {answer:?}");
        let json = answer.json();
        let message = json["error"]["message"].as_str().unwrap();
        assert!(message.to_lowercase().contains(&named.to_lowercase()), "{named}: {message}");
        assert!(json.get("id").is_some(), "{json}");
    }
}

#[tokio::test]
async fn a_header_with_bytes_that_are_no_ascii_is_a_mismatch() {
    let server = Server::start(Config::default()).await;
    let mut bytes = echo().set("Mcp-Name", "EVIL").bytes();
    let at = bytes.windows(4).position(|four| four == b"EVIL").unwrap();
    bytes.splice(at..at + 4, [0xc3, 0xa9]);
    let mut connection = server.connect().await;
    connection.send(&bytes).await;
    let answer = connection.response().await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32020)), "{answer:?}");
}

#[tokio::test]
async fn headers_that_say_the_same_in_another_way_pass() {
    let server = Server::start(Config::default()).await;
    let odd = call(1, "naïve ", json!({}));
    for (verb, code) in [
        (echo().set("Mcp-Name", "=?base64?ZWNobw==?="), None),
        (echo().set("Mcp-Name", "  echo \t"), None),
        (echo().set("Mcp-Method", " \ttools/call"), None),
        (echo().without("mcp-name").add("MCP-NAME", "echo"), None),
        (echo().without("mcp-protocol-version").add("mCP-pROTOCOL-vERSION", "2026-07-28"), None),
        // An unknown tool: the headers passed, the service refuses.
        (odd.set("Mcp-Name", "=?base64?bmHDr3ZlIA==?="), Some(-32602)),
        (modern(1, "resources/read", r#"{"uri":"file:///a b"}"#), Some(-32602)),
        // No name, nothing to mirror.
        (modern(1, "tools/call", "{}"), Some(-32602)),
        // Other methods mirror no name.
        (modern(1, "tools/list", "{}").add("Mcp-Name", "whatever"), None),
    ] {
        let answer = server.ask(&verb).await;
        assert_eq!((answer.status, answer.code()), (200, code), "{verb:?}: {answer:?}");
    }
}

#[tokio::test]
async fn an_unknown_version_is_told_what_is_spoken() {
    let server = Server::start(Config::default()).await;
    let valid = schema::validator(Revision::NEWEST, "UnsupportedProtocolVersionError");
    for version in ["1900-01-01", "2025-11-25", "2026-07-29", "DRAFT", ""] {
        let mut verb = echo().set("MCP-Protocol-Version", version);
        let mut body: Value = serde_json::from_slice(&verb.body).unwrap();
        body["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!(version);
        verb.body = body.to_string().into_bytes();
        let answer = server.ask(&verb).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32022)), "{version}: {answer:?}");
        let json = answer.json();
        assert_eq!(json["id"], 7);
        assert_eq!(json["error"]["data"]["requested"], version);
        let supported = json["error"]["data"]["supported"].as_array().unwrap();
        assert!(supported.contains(&json!("2026-07-28")), "{json}");
        assert!(valid.is_valid(&json), "{json}");
    }
}

#[tokio::test]
async fn methods_of_other_revisions_and_of_none_are_not_found() {
    let methods = [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        "tasks/get",
        "notifications/initialized",
        "elicitation/create",
        "unknown/method",
    ];
    check(
        Config::default(),
        methods.into_iter().map(|method| (method, modern(1, method, "{}"), 404, Some(-32601))).collect(),
    )
    .await;
}

#[tokio::test]
async fn a_notification_is_taken_and_a_response_is_not() {
    let server = Server::start(Config::default()).await;
    let bare = |body: Value| post(body.to_string()).add("MCP-Protocol-Version", "2026-07-28");
    for notification in [
        bare(json!({"jsonrpc": "2.0", "method": "notifications/anything"})),
        post(json!({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "_meta": meta()}}).to_string()),
    ] {
        let answer = server.ask(&notification).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{answer:?}");
    }
    let answer = server.ask(&bare(json!({"jsonrpc": "2.0", "id": 1, "result": {}}))).await;
    assert_eq!((answer.status, answer.json().get("id")), (400, None), "{answer:?}");
}

#[tokio::test]
async fn one_revision_alone_ignores_what_only_older_ones_have() {
    let server = Server::start(modern_only()).await;
    let answer = server.ask(&echo().add("Mcp-Session-Id", "made-up").add("Last-Event-ID", "0-0")).await;
    assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
    let initialize = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "old", "version": "1"}}});
    let answer = server.ask(&post(initialize.to_string())).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32022)), "{answer:?}");
    assert_eq!(answer.json()["error"]["data"]["supported"], json!(["2026-07-28"]));
    assert_eq!(answer.header("mcp-session-id"), None);
    // Without a version header and without `_meta`.
    let answer = server.ask(&post(r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)).await;
    assert_eq!((answer.status, answer.code()), (400, Some(-32602)), "{answer:?}");
}

#[tokio::test]
async fn an_earlier_rung_is_told_of_before_a_later_one() {
    let limits = Limits::default().message(MessageLimits::default().bytes(2000));
    // Each request fails its rung and all that follow.
    let worst = Verb { body: vec![b'{'; 3000], target: "/mcp".into(), method: "PUT".into(), ..echo() }
        .set("Host", "evil.example")
        .set("Origin", "http://evil.example")
        .set("Content-Type", "text/plain")
        .set("MCP-Protocol-Version", "1900-01-01");
    let host = worst.clone().set("Host", "localhost");
    let origin = host.clone().without("Origin");
    let method = Verb { method: "POST".into(), ..origin.clone() };
    let kind = method.clone().set("Content-Type", "application/json");
    let size = kind.clone().body("{");
    let grammar = size.clone().body(r#"{"a":1,"a":2}"#);
    let scan = grammar
        .clone()
        .body(r#"{"id":1,"method":"x","params":{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}}"#);
    check(
        Config::default().limits(limits),
        vec![
            ("host", worst, 421, Some(-32600)),
            ("origin", host, 403, Some(-32600)),
            ("method", origin, 405, Some(-32600)),
            ("type", method, 415, Some(-32600)),
            ("size", kind, 413, Some(-32600)),
            ("grammar", size, 400, Some(-32700)),
            ("scan", grammar, 400, Some(-32600)),
            ("envelope", scan, 400, Some(-32600)),
        ],
    )
    .await;
}

#[tokio::test]
async fn an_older_request_must_name_a_version_that_is_spoken_or_none() {
    let spoken = [Revision::V2025_06_18, Revision::NEWEST];
    let server = Server::start(Config::default().supported(spoken)).await;
    let list = post(r#"{"jsonrpc":"2.0","id":3,"method":"tools/list"}"#);
    let get = Verb::new("GET", "/mcp").add("Accept", "text/event-stream");
    let batch = post(r#"[{"jsonrpc":"2.0","id":3,"method":"tools/list"}]"#);
    for version in ["2025-03-26", "2025-11-25", "1900-01-01", "newest", ""] {
        let verbs = [list.clone(), get.clone(), Verb::new("DELETE", "/mcp"), batch.clone()];
        for verb in verbs.map(|verb| verb.add("MCP-Protocol-Version", version)) {
            let answer = server.ask(&verb).await;
            assert_eq!((answer.status, answer.code()), (400, Some(-32022)), "{verb:?}: {answer:?}");
            assert_eq!(answer.json()["error"]["data"]["supported"], json!(["2025-06-18", "2026-07-28"]));
        }
    }
    let named = list.clone().add("MCP-Protocol-Version", "1900-01-01");
    assert_eq!(server.ask(&named).await.json()["id"], 3);
    let twice = list.add("MCP-Protocol-Version", "2025-06-18").add("MCP-Protocol-Version", "2025-06-18");
    assert_eq!(server.ask(&twice).await.code(), Some(-32600));
    let modern = batch.add("MCP-Protocol-Version", "2026-07-28");
    assert_eq!(server.ask(&modern).await.code(), Some(-32600));
}

#[tokio::test]
async fn an_id_that_cannot_be_read_is_null_before_2025_11_25_and_absent_since() {
    let server = Server::start(Config::default()).await;
    for (version, id) in [
        ("2025-03-26", Some(Value::Null)),
        ("2025-06-18", Some(Value::Null)),
        ("2025-11-25", None),
        ("2026-07-28", None),
    ] {
        let answer = server.ask(&post("{").add("MCP-Protocol-Version", version)).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32700)), "{version}");
        assert_eq!(answer.json().get("id"), id.as_ref(), "{version}");
    }
}
