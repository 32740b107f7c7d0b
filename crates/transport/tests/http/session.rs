//! Sessions (2025-03-26 to 2025-11-25, transports §Streamable HTTP): how they open, what they carry, how they end.

use std::time::Duration;

use anyport_protocol::Revision;
use anyport_transport::http::{Authentication, Config, Limits, Token};
use serde_json::{Value, json};

use crate::common::{
    Server,
    client::{Connection, Event, Head, Response, Verb, post},
    schema,
};

/// The revisions that have sessions over Streamable HTTP.
const LEGACY: [Revision; 3] = [Revision::V2025_03_26, Revision::V2025_06_18, Revision::V2025_11_25];

/// What a client of an older revision knows.
#[derive(Clone)]
pub(crate) struct Session {
    id: String,
    revision: Revision,
    token: Option<&'static str>,
}

fn initialize(revision: Revision) -> Verb {
    let params = json!({"protocolVersion": revision.as_str(), "capabilities": {"roots": {}},
        "clientInfo": {"name": "old", "version": "1"}});
    post(json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}).to_string())
}

impl Session {
    /// Opens a session whose client is not ready yet.
    async fn open(server: &Server, revision: Revision, token: Option<&'static str>) -> Self {
        let answer = server.ask(&authorized(initialize(revision), token)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["result"]["protocolVersion"], revision.as_str());
        let id = answer.header("mcp-session-id").unwrap().to_owned();
        Self { id, revision, token }
    }

    /// Opens a session.
    pub(crate) async fn new(server: &Server, revision: Revision) -> Self {
        let session = Self::open(server, revision, None).await;
        session.initialized(server).await;
        session
    }

    async fn initialized(&self, server: &Server) {
        let answer = server.ask(&self.notification("notifications/initialized", json!({}))).await;
        assert_eq!((answer.status, answer.body.len()), (202, 0), "{answer:?}");
    }

    /// Adds the headers of a request within the session.
    fn within(&self, verb: Verb) -> Verb {
        let verb = authorized(verb.add("Mcp-Session-Id", &self.id), self.token);
        // The header came with 2025-06-18.
        if self.revision < Revision::V2025_06_18 {
            return verb;
        }
        verb.add("MCP-Protocol-Version", self.revision.as_str())
    }

    pub(crate) fn post(&self, body: &Value) -> Verb {
        self.within(post(body.to_string()))
    }

    pub(crate) fn request(&self, id: impl Into<Value>, method: &str, params: Value) -> Verb {
        self.post(&json!({"jsonrpc": "2.0", "id": id.into(), "method": method, "params": params}))
    }

    pub(crate) fn call(&self, id: impl Into<Value>, tool: &str, arguments: Value) -> Verb {
        self.request(id, "tools/call", json!({"name": tool, "arguments": arguments}))
    }

    pub(crate) fn notification(&self, method: &str, params: Value) -> Verb {
        self.post(&json!({"jsonrpc": "2.0", "method": method, "params": params}))
    }

    fn cancel(&self, id: impl Into<Value>) -> Verb {
        self.notification("notifications/cancelled", json!({"requestId": id.into()}))
    }

    pub(crate) fn get(&self) -> Verb {
        self.within(Verb::new("GET", "/mcp").add("Accept", "text/event-stream"))
    }

    fn resume(&self, event: &str) -> Verb {
        self.get().add("Last-Event-ID", event)
    }

    pub(crate) fn delete(&self) -> Verb {
        self.within(Verb::new("DELETE", "/mcp"))
    }

    /// Whether the server still knows it.
    async fn status(&self, server: &Server) -> u16 {
        server.ask(&self.request(99, "ping", json!({}))).await.status
    }

    /// Opens an event stream, and reads the priming event of a POST.
    pub(crate) async fn stream(&self, server: &Server, verb: &Verb) -> Connection {
        let mut connection = server.connect().await;
        let head = connection.begin(verb).await;
        assert!(head.is_stream() && head.status == 200, "{head:?}");
        if verb.method == "POST" && self.revision >= Revision::V2025_11_25 {
            let primed = connection.event().await.unwrap();
            assert!(primed.id.is_some() && primed.data.is_empty(), "{primed:?}");
        }
        connection
    }

    /// Answers a question of the server's.
    async fn answer(&self, server: &Server, question: &Value, roots: Value) {
        let answer = json!({"jsonrpc": "2.0", "id": question["id"], "result": {"roots": roots}});
        let taken = server.ask(&self.post(&answer)).await;
        assert_eq!((taken.status, taken.body.len()), (202, 0), "{taken:?}");
    }
}

fn authorized(verb: Verb, token: Option<&'static str>) -> Verb {
    match token {
        Some(token) => verb.set("Authorization", &format!("Bearer {token}")),
        None => verb,
    }
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn with_limits(limits: Limits) -> Config {
    Config { limits, ..Config::default() }
}

#[tokio::test]
async fn initialize_opens_a_session_in_the_words_of_its_revision() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let valid = schema::validator(revision, "JSONRPCMessage");
        let result = schema::validator(revision, "InitializeResult");
        let answer = server.ask(&initialize(revision)).await;
        let json = answer.json();
        assert!(valid.is_valid(&json) && result.is_valid(&json["result"]), "{revision}: {json}");
        let id = answer.header("mcp-session-id").unwrap();
        assert!(id.len() >= 22 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
        let session = Session::new(&server, revision).await;
        assert_ne!(session.id, id);
        let answer = server.ask(&session.call(1, "echo", json!({"text": "hi"}))).await;
        assert_eq!((answer.status, answer.header("mcp-session-id")), (200, None));
        let json = answer.json();
        assert_eq!(text(&json), "hi");
        assert!(json["result"].get("resultType").is_none() && valid.is_valid(&json), "{json}");
        // An error is an answer like any other.
        let answer = server.ask(&session.request(2, "unknown/method", json!({}))).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32601)));
        let answer = server.ask(&session.request(3, "server/discover", json!({}))).await;
        assert_eq!((answer.status, answer.code()), (200, Some(-32601)));
        let again = server.ask(&session.within(initialize(revision))).await;
        assert_eq!((again.status, again.code()), (200, Some(-32600)), "{again:?}");
    }
}

#[tokio::test]
async fn an_initialize_that_is_refused_opens_nothing() {
    let server = Server::start(Config::default()).await;
    for params in [
        json!({}),
        json!({"protocolVersion": 5}),
        json!({"protocolVersion": "2025-11-25", "capabilities": 1}),
    ] {
        let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params});
        let answer = server.ask(&post(body.to_string())).await;
        assert_eq!((answer.code(), answer.header("mcp-session-id")), (Some(-32602), None), "{answer:?}");
    }
    // One that is not known is met with one that is.
    let body = json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "1900-01-01",
        "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}});
    let answer = server.ask(&post(body.to_string())).await;
    assert_eq!(answer.json()["result"]["protocolVersion"], "2025-11-25");
}

#[tokio::test]
async fn a_session_is_needed_known_and_ones_own() {
    let tokens = vec![Token::new("alice", "a"), Token::new("bob", "b")];
    let server =
        Server::start(Config { authentication: Authentication::Tokens(tokens), ..Config::default() }).await;
    for revision in LEGACY {
        let alice = Session::open(&server, revision, Some("a")).await;
        alice.initialized(&server).await;
        let unnamed = |verb: Verb| verb.without("Mcp-Session-Id");
        let strange = Session { id: "made-up".into(), ..alice.clone() };
        let bob = Session { token: Some("b"), ..alice.clone() };
        let nobody = Session { token: None, ..alice.clone() };
        for (session, alter, status) in [
            (&alice, &unnamed as &dyn Fn(Verb) -> Verb, 400),
            (&strange, &|verb| verb, 404),
            (&bob, &|verb| verb, 404),
            (&nobody, &|verb| verb, 401),
        ] {
            for verb in [
                session.call(1, "echo", json!({})),
                session.notification("notifications/initialized", json!({})),
                session.post(&json!({"jsonrpc": "2.0", "id": 1, "result": {}})),
                session.post(&json!([{"jsonrpc": "2.0", "id": 1, "method": "ping"}])),
                session.get(),
                session.resume("0-0"),
                session.delete(),
            ] {
                let verb = alter(verb);
                let answer = server.ask(&verb).await;
                assert_eq!(answer.status, status, "{revision}: {verb:?}: {answer:?}");
            }
        }
        assert_eq!(alice.status(&server).await, 200);
    }
}

#[tokio::test]
async fn a_session_that_was_deleted_is_gone_and_so_is_what_ran_in_it() {
    let server = Server::start(Config::default()).await;
    for (index, revision) in LEGACY.into_iter().enumerate() {
        let session = Session::new(&server, revision).await;
        let mut pushes = session.stream(&server, &session.get()).await;
        server.fake.until(|counts| counts.listening == 1).await;
        let mut waiting = server.connect().await;
        waiting.send(&session.call(1, "wait", json!({})).bytes()).await;
        let mut saying = session.stream(&server, &session.call(2, "say", json!({}))).await;
        saying.message().await;
        server.fake.until(|counts| counts.running == 2).await;
        let answer = server.ask(&session.delete()).await;
        assert_eq!((answer.status, answer.body.len()), (204, 0));
        server.fake.until(|counts| counts.running == 0 && counts.listening == 0).await;
        assert_eq!(server.fake.counts().cancelled, 3 * (index + 1));
        assert_eq!(pushes.event().await, None);
        assert_eq!(saying.event().await, None);
        assert_eq!(waiting.response().await.body.len(), 0);
        for verb in [session.call(1, "echo", json!({})), session.get(), session.delete()] {
            assert_eq!(server.ask(&verb).await.status, 404, "{revision}: {verb:?}");
        }
        assert_eq!(server.ask(&session.within(initialize(revision))).await.status, 404);
    }
}

#[tokio::test]
async fn an_idle_session_ends_and_one_in_use_does_not() {
    let limits = Limits { session_idle: Duration::from_millis(150), ..Limits::default() };
    let server = Server::start(with_limits(limits)).await;
    let used = Session::new(&server, Revision::V2025_11_25).await;
    let mut stream = used.stream(&server, &used.get()).await;
    let idle = Session::new(&server, Revision::V2025_11_25).await;
    // Calls without a client that waits for them do not keep a session.
    let left = Session::new(&server, Revision::V2025_11_25).await;
    let mut connection = left.stream(&server, &left.call(1, "say", json!({}))).await;
    connection.message().await;
    drop(connection);
    server.fake.until(|counts| counts.listening == 1 && counts.running == 0).await;
    assert_eq!((idle.status(&server).await, left.status(&server).await), (404, 404));
    server.fake.tools_changed();
    assert_eq!(stream.message().await["method"], "notifications/tools/list_changed");
    assert_eq!(used.status(&server).await, 200);
}

#[tokio::test]
async fn the_longest_idle_session_makes_room() {
    let server = Server::start(with_limits(Limits { max_sessions: 2, ..Limits::default() })).await;
    let first = Session::new(&server, Revision::V2025_06_18).await;
    let second = Session::new(&server, Revision::V2025_06_18).await;
    assert_eq!(first.status(&server).await, 200);
    let third = Session::new(&server, Revision::V2025_06_18).await;
    assert_eq!(second.status(&server).await, 404);
    assert_eq!((first.status(&server).await, third.status(&server).await), (200, 200));
    // Sessions that are in use make none.
    let _streams = [first.stream(&server, &first.get()).await, third.stream(&server, &third.get()).await];
    let refused = server.ask(&initialize(Revision::V2025_06_18)).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")), "{refused:?}");
    assert!(refused.text().contains("max_sessions") && refused.header("mcp-session-id").is_none());
}

#[tokio::test]
async fn changes_are_pushed_on_the_get_stream() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let valid = schema::validator(revision, "JSONRPCMessage");
        let session = Session::new(&server, revision).await;
        let mut pushes = session.stream(&server, &session.get()).await;
        server.fake.until(|counts| counts.listening == 1).await;
        let subscribe = |id: i64, method: &str, uri: &str| {
            session.request(id, &format!("resources/{method}"), json!({"uri": uri}))
        };
        for uri in ["test://a", "test://b"] {
            let answer = server.ask(&subscribe(1, "subscribe", uri)).await;
            assert_eq!(answer.json()["result"], json!({}), "{answer:?}");
        }
        server.fake.updated("test://a");
        server.fake.updated("test://unheard");
        server.fake.tools_changed();
        for (method, uri) in [("resources/updated", json!("test://a")), ("tools/list_changed", Value::Null)] {
            let event = pushes.event().await.unwrap();
            assert_eq!(event.id, None);
            let message = event.json();
            assert_eq!(
                (message["method"].as_str(), &message["params"]["uri"]),
                (Some(&*format!("notifications/{method}")), &uri)
            );
            assert!(message["params"].get("_meta").is_none(), "{message}");
            assert!(valid.is_valid(&message), "{message}");
        }
        server.ask(&subscribe(2, "unsubscribe", "test://a")).await;
        server.fake.updated("test://a");
        server.fake.updated("test://b");
        assert_eq!(pushes.message().await["params"]["uri"], "test://b");
        // What cannot be subscribed to changes nothing.
        let refused = server.ask(&subscribe(3, "subscribe", "test://no")).await;
        assert_eq!(refused.code(), Some(-32602));
        server.fake.updated("test://b");
        assert_eq!(pushes.message().await["params"]["uri"], "test://b");
        assert_eq!(server.ask(&session.delete()).await.status, 204);
        server.fake.until(|counts| counts.listening == 0).await;
    }
}

#[tokio::test]
async fn subscriptions_that_are_made_at_once_all_hold() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut pushes = session.stream(&server, &session.get()).await;
    let uris: Vec<String> = (0..20).map(|index| format!("test://{index}")).collect();
    let mut open = Vec::new();
    for (index, uri) in uris.iter().enumerate() {
        let mut connection = server.connect().await;
        let verb = session.request(index as u64, "resources/subscribe", json!({"uri": uri}));
        connection.send(&verb.bytes()).await;
        open.push(connection);
    }
    for connection in &mut open {
        assert_eq!(connection.response().await.json()["result"], json!({}));
    }
    for uri in &uris {
        server.fake.updated(uri);
        assert_eq!(pushes.message().await["params"]["uri"], **uri);
    }
}

#[tokio::test]
async fn changes_wait_for_a_stream_and_a_newer_stream_takes_over() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    server.fake.until(|counts| counts.listening == 1).await;
    server.fake.tools_changed();
    let mut first = session.stream(&server, &session.get()).await;
    assert_eq!(first.message().await["method"], "notifications/tools/list_changed");
    let mut second = session.stream(&server, &session.get()).await;
    assert_eq!(first.event().await, None);
    server.fake.tools_changed();
    assert_eq!(second.message().await["method"], "notifications/tools/list_changed");
    // A stream that was cut leaves what comes next for the one after it.
    drop(second);
    let mut third = session.stream(&server, &session.get()).await;
    server.fake.tools_changed();
    assert_eq!(third.message().await["method"], "notifications/tools/list_changed");
    let json = server.ask(&session.get().set("Accept", "application/json")).await;
    assert_eq!(json.status, 406);
}

#[tokio::test]
async fn a_get_stream_counts_among_the_streams() {
    let server = Server::start(with_limits(Limits { max_streams: 1, ..Limits::default() })).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let _open = session.stream(&server, &session.get()).await;
    let refused = server.ask(&session.get()).await;
    assert_eq!((refused.status, refused.header("retry-after")), (503, Some("1")));
}

#[tokio::test]
async fn what_a_call_asks_is_asked_on_its_stream_and_answered_by_post() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let valid = schema::validator(revision, "JSONRPCMessage");
        let session = Session::new(&server, revision).await;
        let mut connection =
            session.stream(&server, &session.call("c", "ask", json!({"questions": 3}))).await;
        let mut questions = Vec::new();
        for _ in 0..3 {
            let question = connection.message().await;
            assert_eq!(question["method"], "roots/list", "{question}");
            assert!(valid.is_valid(&question), "{question}");
            questions.push(question);
        }
        let mut ids: Vec<String> = questions.iter().map(|question| question["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 3, "{ids:?}");
        // In another order, and one of them refused; what answers nothing is passed over.
        session.answer(&server, &questions[2], json!([{"uri": "file:///c"}])).await;
        session.answer(&server, &json!({"id": "nothing"}), json!([])).await;
        session.answer(&server, &questions[2], json!([{"uri": "file:///late"}])).await;
        let refused =
            json!({"jsonrpc": "2.0", "id": questions[0]["id"], "error": {"code": -1, "message": "no"}});
        assert_eq!(server.ask(&session.post(&refused)).await.status, 202);
        session.answer(&server, &questions[1], json!([{"uri": "file:///b"}])).await;
        let answer = connection.message().await;
        let [first, second, third] = text(&answer).split(';').collect::<Vec<_>>()[..] else {
            panic!("{answer}")
        };
        assert_eq!(first, "error -1");
        assert!(second.contains("file:///b") && third.contains("file:///c"), "{answer}");
        assert_eq!(connection.event().await, None);
    }
}

#[tokio::test]
async fn another_session_cannot_answer() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let other = Session::new(&server, Revision::V2025_11_25).await;
    let mut connection = session.stream(&server, &session.call(1, "ask", json!({"questions": 1}))).await;
    let question = connection.message().await;
    other.answer(&server, &question, json!([{"uri": "file:///evil"}])).await;
    session.answer(&server, &question, json!([{"uri": "file:///good"}])).await;
    assert!(text(&connection.message().await).contains("file:///good"));
}

#[tokio::test]
async fn nothing_is_asked_before_the_client_is_ready() {
    let server =
        Server::start(with_limits(Limits { keep_alive: Duration::from_millis(30), ..Limits::default() }))
            .await;
    let session = Session::open(&server, Revision::V2025_06_18, None).await;
    let mut connection = session.stream(&server, &session.call(1, "ask", json!({"questions": 1}))).await;
    // The stream is open, and says nothing but comments.
    assert_eq!(connection.next().await, crate::common::client::Line::Comment);
    session.initialized(&server).await;
    let question = connection.message().await;
    assert_eq!(question["method"], "roots/list");
    session.answer(&server, &question, json!([])).await;
    assert_eq!(connection.message().await["id"], 1);
}

#[tokio::test]
async fn a_client_that_takes_json_alone_cannot_be_asked() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_03_26).await;
    let call = session.call(1, "ask", json!({"questions": 2})).set("Accept", "application/json");
    assert_eq!(text(&server.ask(&call).await.json()), "nobody;nobody");
    let batch = json!([{"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": {"name": "ask"}}]);
    let answer = server.ask(&session.post(&batch).set("Accept", "application/json")).await;
    assert_eq!(text(&answer.json()[0]), "nobody");
}

#[tokio::test]
async fn a_cancelled_call_takes_its_questions_back_and_has_no_response() {
    let server = Server::start(Config::default()).await;
    for (index, revision) in LEGACY.into_iter().enumerate() {
        let session = Session::new(&server, revision).await;
        let mut connection =
            session.stream(&server, &session.call("c", "ask", json!({"questions": 2}))).await;
        let asked = [connection.message().await["id"].clone(), connection.message().await["id"].clone()];
        // Ids are compared by type as well.
        assert_eq!(server.ask(&session.cancel(json!(0))).await.status, 202);
        assert_eq!(server.ask(&session.cancel("c")).await.status, 202);
        server.fake.until(|counts| counts.cancelled == 2 * index + 1).await;
        let rest = connection.messages().await;
        let withdrawn: Vec<Value> = rest
            .iter()
            .map(|message| {
                assert_eq!(message["method"], "notifications/cancelled", "{message}");
                message["params"]["requestId"].clone()
            })
            .collect();
        assert_eq!(withdrawn, asked);
        // Before anything was said.
        let mut connection = server.connect().await;
        connection.send(&session.call("d", "wait", json!({})).bytes()).await;
        server.fake.until(|counts| counts.running == 1).await;
        assert_eq!(server.ask(&session.cancel("d")).await.status, 202);
        let answer = connection.response().await;
        assert_eq!((answer.header("content-type"), answer.text()), (Some("text/event-stream"), ""));
        // What is over cannot be cancelled, and that is no error.
        assert_eq!(server.ask(&session.cancel("d")).await.status, 202);
    }
}

#[tokio::test]
async fn an_id_is_taken_for_as_long_as_its_call_runs() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let other = Session::new(&server, Revision::V2025_11_25).await;
    let mut first = server.connect().await;
    first.send(&session.call(5, "wait", json!({})).bytes()).await;
    server.fake.until(|counts| counts.running == 1).await;
    let refused = server.ask(&session.call(5, "echo", json!({}))).await;
    assert_eq!(refused.code(), Some(-32600), "{refused:?}");
    // Not another's, and not another type's.
    assert_eq!(server.ask(&session.call("5", "echo", json!({}))).await.code(), None);
    assert_eq!(server.ask(&other.call(5, "echo", json!({}))).await.code(), None);
    server.fake.release(1);
    assert_eq!(text(&first.response().await.json()), "waited");
    server.fake.until(|counts| counts.running == 0).await;
}

#[tokio::test]
async fn a_disconnect_is_no_cancellation_and_the_rest_can_be_read_later() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let mut connection = session.stream(&server, &session.call(1, "say", json!({"count": 3}))).await;
        let first = connection.event().await.unwrap();
        drop(connection);
        server.fake.release(1);
        server.fake.until(|counts| counts.running == 0).await;
        assert_eq!(server.fake.counts().cancelled, 0);
        let mut resumed = session.stream(&server, &session.resume(first.id.as_ref().unwrap())).await;
        let rest = events(&mut resumed).await;
        let said: Vec<Value> =
            rest.iter().map(|event| event.json()["params"]["data"]["index"].clone()).collect();
        assert_eq!(said, [json!(1), json!(2), Value::Null], "{rest:?}");
        assert_eq!(text(&rest[2].json()), "said");
        // Again, from further on; and from the very end, where there is nothing left.
        let mut resumed = session.stream(&server, &session.resume(rest[1].id.as_ref().unwrap())).await;
        assert_eq!(events(&mut resumed).await, rest[2..]);
        let mut resumed = session.stream(&server, &session.resume(rest[2].id.as_ref().unwrap())).await;
        assert_eq!(events(&mut resumed).await, []);
    }
}

async fn events(connection: &mut Connection) -> Vec<Event> {
    let mut events = Vec::new();
    while let Some(event) = connection.event().await {
        events.push(event);
    }
    events
}

#[tokio::test]
async fn a_client_that_comes_back_while_the_call_runs_reads_on() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    let mut old = session.stream(&server, &session.call(1, "say", json!({}))).await;
    let first = old.event().await.unwrap();
    // The old connection is still there, as it looks from here: it is cut off.
    let mut new = session.stream(&server, &session.resume(first.id.as_ref().unwrap())).await;
    assert_eq!(old.event().await, None);
    server.fake.release(1);
    assert_eq!(text(&new.message().await), "said");
    assert_eq!(new.event().await, None);
}

#[tokio::test]
async fn an_event_that_is_not_known_cannot_be_resumed() {
    let server = Server::start(with_limits(Limits { sse_log: 1000, ..Limits::default() })).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    for event in ["", "x", "0-0", "7-p", "0-18446744073709551615", "18446744073709551616-0", "0-0-0", "é"] {
        let mut connection = server.connect().await;
        let head = connection.begin(&session.resume(event)).await;
        assert_eq!(head.status, 400, "{event}");
    }
    // What is larger than the log is sent, and not kept.
    let mut connection = session
        .stream(&server, &session.call(1, "say", json!({"count": 3, "bytes": 2000, "wait": false})))
        .await;
    let said = events(&mut connection).await;
    assert_eq!(said.len(), 4);
    assert_eq!(server.ask(&session.resume(said[0].id.as_ref().unwrap())).await.status, 400);
    let other = Session::new(&server, Revision::V2025_11_25).await;
    assert_eq!(server.ask(&other.resume(said[3].id.as_ref().unwrap())).await.status, 400);
}

#[tokio::test]
async fn ended_streams_are_kept_together_within_the_limit_and_for_a_while() {
    let limits = Limits {
        sse_log: 5000,
        sse_log_ttl: Duration::from_millis(500),
        // The sweep comes as often as this.
        session_idle: Duration::from_millis(400),
        ..Limits::default()
    };
    let server = Server::start(with_limits(limits)).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let _open = session.stream(&server, &session.get()).await;
    let mut last = Vec::new();
    for id in 0..3 {
        let verb = session.call(id, "say", json!({"bytes": 2000, "wait": false}));
        let mut connection = session.stream(&server, &verb).await;
        last.push(connection.event().await.unwrap().id.unwrap());
        assert_eq!(events(&mut connection).await.len(), 1);
    }
    assert_eq!(server.ask(&session.resume(&last[0])).await.status, 400);
    assert_eq!(server.ask(&session.resume(&last[2])).await.status, 200);
    crate::common::within(async { while server.ask(&session.resume(&last[2])).await.status == 200 {} }).await;
}

#[tokio::test]
async fn so_many_ended_streams_are_kept_however_small() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let mut last = Vec::new();
    for id in 0..66 {
        let mut connection = session.stream(&server, &session.call(id, "say", json!({"wait": false}))).await;
        last.push(connection.event().await.unwrap().id.unwrap());
        assert_eq!(events(&mut connection).await.len(), 1);
    }
    let first = server.ask(&session.resume(&last[0])).await;
    assert_eq!((first.status, server.ask(&session.resume(&last[65])).await.status), (400, 200));
}

#[tokio::test]
async fn a_stream_begins_with_an_id_to_come_back_with_since_2025_11_25() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let mut connection = server.connect().await;
        assert!(connection.begin(&session.call(1, "say", json!({}))).await.is_stream());
        let first = connection.event().await.unwrap();
        assert!(first.id.is_some());
        assert_eq!(first.data.is_empty(), revision >= Revision::V2025_11_25, "{revision}: {first:?}");
        // Whoever got no more than that reads everything.
        if first.data.is_empty() {
            drop(connection);
            server.fake.release(1);
            let mut resumed = session.stream(&server, &session.resume(first.id.as_ref().unwrap())).await;
            assert_eq!(events(&mut resumed).await.len(), 2);
        } else {
            server.fake.release(1);
            assert_eq!(text(&connection.message().await), "said");
        }
    }
}

#[tokio::test]
async fn a_client_may_be_sent_away_in_mid_call_since_2025_11_25() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let mut connection = server.connect().await;
        connection.send(&session.call(1, "hangup", json!({})).bytes()).await;
        if revision < Revision::V2025_11_25 {
            server.fake.until(|counts| counts.running == 1).await;
            server.fake.release(1);
            let answer = connection.response().await;
            assert_eq!(
                (answer.header("content-type"), text(&answer.json())),
                (Some("application/json"), "back")
            );
            continue;
        }
        assert!(connection.head().await.is_stream());
        let said = events(&mut connection).await;
        let [primed, away] = &said[..] else { panic!("{said:?}") };
        assert_eq!((primed.retry, away.retry), (None, Some(5)));
        assert!(away.id.is_some() && away.data.is_empty());
        let mut resumed = session.stream(&server, &session.resume(away.id.as_ref().unwrap())).await;
        server.fake.release(1);
        assert_eq!(text(&resumed.message().await), "back");
        assert_eq!(resumed.event().await, None);
    }
}

#[tokio::test]
async fn batches_are_answered_in_2025_03_26_alone() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_03_26).await;
    let call = |id: i64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    let note = json!({"jsonrpc": "2.0", "method": "notifications/anything"});
    let batch = |messages: Value| session.post(&messages);
    let codes = |answer: &Response| -> Vec<Option<i64>> {
        answer.json().as_array().unwrap().iter().map(|answer| answer["error"]["code"].as_i64()).collect()
    };

    let answer = server
        .ask(&batch(
            json!([call(1, "echo"), note, 5, call(2, "nothing"), {"jsonrpc": "2.0", "id": 3, "method": 1}]),
        ))
        .await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    assert_eq!(codes(&answer), [None, Some(-32600), Some(-32602), Some(-32600)]);
    let ids: Vec<Value> =
        answer.json().as_array().unwrap().iter().map(|answer| answer["id"].clone()).collect();
    assert_eq!(ids, [json!(1), Value::Null, json!(2), json!(3)]);

    let answer = server.ask(&batch(json!([note, note, {"jsonrpc": "2.0", "id": 9, "result": {}}]))).await;
    assert_eq!((answer.status, answer.body.len()), (202, 0));
    let empty = server.ask(&batch(json!([]))).await;
    assert_eq!((empty.status, empty.code()), (400, Some(-32600)));
    // `initialize` "MUST NOT be part of a JSON-RPC batch" (2025-03-26, lifecycle §Initialization).
    let inside: Value = serde_json::from_slice(&initialize(Revision::V2025_03_26).body).unwrap();
    assert_eq!(codes(&server.ask(&batch(json!([inside]))).await), [Some(-32600)]);
    let unopened = server.ask(&post(json!([inside]).to_string())).await;
    assert_eq!((unopened.status, unopened.header("mcp-session-id")), (400, None));

    for revision in &LEGACY[1..] {
        let session = Session::new(&server, *revision).await;
        let answer = server.ask(&session.post(&json!([call(1, "echo")]))).await;
        assert_eq!((answer.status, answer.code()), (400, Some(-32600)), "{revision}");
    }
}

#[tokio::test]
async fn a_batch_that_takes_a_while_is_a_stream_or_one_array() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_03_26).await;
    let call = |id: i64, tool: &str| json!({"jsonrpc": "2.0", "id": id, "method": "tools/call", "params": {"name": tool}});
    let batch = session.post(&json!([
        call(1, "wait"),
        call(2, "echo"),
        call(3, "wait"),
        call(1, "echo"),
        call(4, "wait")
    ]));

    let mut connection = session.stream(&server, &batch).await;
    server.fake.until(|counts| counts.running == 3).await;
    assert_eq!(server.ask(&session.cancel(3)).await.status, 202);
    server.fake.until(|counts| counts.running == 2).await;
    server.fake.release(2);
    let mut answers = connection.messages().await;
    answers.sort_by_key(|answer| (answer["id"].as_i64(), answer.get("error").is_some()));
    let seen: Vec<_> =
        answers.iter().map(|answer| (answer["id"].as_i64(), answer["error"]["code"].as_i64())).collect();
    assert_eq!(seen, [(Some(1), None), (Some(1), Some(-32600)), (Some(2), None), (Some(4), None)]);

    let mut connection = server.connect().await;
    connection.send(&batch.clone().set("Accept", "application/json").bytes()).await;
    server.fake.until(|counts| counts.running == 3).await;
    server.ask(&session.cancel(4)).await;
    server.fake.until(|counts| counts.running == 2).await;
    server.fake.release(2);
    let answer = connection.response().await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.json().as_array().unwrap().len(), 4, "{answer:?}");

    // Its calls go on without the client, too.
    let finished = server.fake.counts().finished;
    let mut connection = server.connect().await;
    connection.send(&batch.set("Accept", "application/json").bytes()).await;
    server.fake.until(|counts| counts.running == 3).await;
    drop(connection);
    server.canary().await;
    server.fake.release(3);
    server.fake.until(|counts| counts.running == 0).await;
    assert_eq!(server.fake.counts().finished, finished + 5);
}

#[tokio::test]
async fn a_fault_says_null_before_2025_11_25() {
    let server = Server::start(Config::default()).await;
    for revision in LEGACY {
        let session = Session::new(&server, revision).await;
        let broken = server.ask(&session.within(post("{"))).await;
        assert_eq!((broken.status, broken.code()), (400, Some(-32700)));
        let id = (revision < Revision::V2025_11_25).then_some(&Value::Null);
        assert_eq!(broken.json().get("id"), id, "{revision}");
        let known = server.ask(&session.within(post(r#"{"jsonrpc":"2.0","id":4,"method":1}"#))).await;
        assert_eq!((known.status, known.json()["id"].as_i64()), (400, Some(4)));
    }
}

#[tokio::test]
async fn a_call_that_fails_in_its_task_is_answered_and_its_stream_ends() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let mut connection = server.connect().await;
    connection.send(&session.call(1, "panic", json!({})).bytes()).await;
    server.fake.until(|counts| counts.running == 1).await;
    server.fake.release(1);
    let answer = connection.response().await;
    assert_eq!((answer.json()["id"].as_i64(), answer.code()), (Some(1), Some(-32603)));
    let limits = Limits { keep_alive: Duration::from_millis(20), ..Limits::default() };
    let server = Server::start(with_limits(limits)).await;
    let session = Session::new(&server, Revision::V2025_06_18).await;
    let mut connection = session.stream(&server, &session.call(1, "panic", json!({}))).await;
    server.fake.release(1);
    assert_eq!(connection.event().await, None);
    assert_eq!(server.ask(&session.call(1, "echo", json!({}))).await.code(), None, "its id is free again");
}

#[tokio::test]
async fn overload_is_said_in_the_words_of_http() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    for (reason, status) in [("overloaded", 503), ("rate_limited", 429), ("", 200)] {
        let answer = server.ask(&session.call(1, "fail", json!({"reason": reason}))).await;
        assert_eq!((answer.status, answer.header("retry-after").is_some()), (status, status != 200));
        assert_eq!(answer.json()["id"], 1);
    }
}

#[tokio::test]
async fn a_modern_request_may_carry_a_session_that_it_does_not_need() {
    let server = Server::start(Config::default()).await;
    let session = Session::new(&server, Revision::V2025_11_25).await;
    for id in [&*session.id, "made-up"] {
        let verb = crate::common::client::call(1, "who", json!({})).add("Mcp-Session-Id", id);
        let head: Head = server.connect().await.begin(&verb).await;
        assert_eq!((head.status, head.header("mcp-session-id")), (200, None));
    }
}
