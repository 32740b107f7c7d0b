use std::time::Duration;

use anyport_protocol::{Method, Raw, Revision, failure::Failure};
use anyport_service::{Context, InputMode, Outcome, Principal, Reply, Request, Service as _};
use futures_util::{FutureExt as _, SinkExt as _, StreamExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Message,
        protocol::{CloseFrame, Role, frame::coding::CloseCode},
    },
};

use super::{Config, Endpoint, open::channel};
use crate::{
    client::{
        ConnectError, ConnectOptions, Connection,
        duplex::{Channel, Open, Opening, open},
        http::Fault,
    },
    frames::{Bounds, Socket},
};

#[test]
fn only_urls_of_websockets_are_taken() {
    for url in ["ws://a/ws", "wss://a.example:8443/mcp/ws?x=1", "WS://a/"] {
        assert_eq!(Endpoint::new(url).unwrap().url().to_lowercase(), url.to_lowercase());
    }
    let refused = |url: &str| Endpoint::new(url).unwrap_err().to_string();
    for url in ["http://a/ws", "w", "", "wé://a", "a"] {
        assert!(refused(url).contains("ws:// or wss://"), "{}", refused(url));
    }
    for url in ["wsx://a/", "ws:///", "wss://a:99999/"] {
        assert!(refused(url).contains(&format!("{url:?}")), "{}", refused(url));
    }
    let named = refused("wss://me:secret@a/");
    assert!(named.contains("wss://..") && !named.contains("secret"), "{named}");
    for url in ["wss://a:99999/?key=secret", "wsx://me:secret@a/", "wss://me:se/cret@a/", "http://a/?secret"]
    {
        let refused = refused(url);
        assert!(!refused.contains("secret") && !refused.contains("cret@"), "{refused}");
    }
    let endpoint = Endpoint::new("wss://a/?key=secret").unwrap().header("X-Key", "secret").unwrap();
    let shown = format!("{:?}", crate::client::Target::WebSocket(endpoint));
    assert!(shown.contains("https://a/") && !shown.contains("secret"), "{shown}");
}

#[test]
fn what_the_handshake_says_itself_is_no_header_of_the_users() {
    for name in ["Upgrade", "Connection", "Host", "Sec-WebSocket-Key", "sec-websocket-protocol"] {
        let refused = Endpoint::new("ws://a/").unwrap().header(name, "x").unwrap_err();
        assert!(matches!(refused, Fault::Header { .. }), "{name}: {refused}");
    }
}

/// What a server in memory says of itself, and for how long nothing may be said to it.
#[derive(Clone)]
struct Quiet {
    revision: Revision,
    capabilities: Value,
    limit: Duration,
    closes: mpsc::UnboundedSender<CloseFrame>,
}

impl Open for Quiet {
    async fn open(&self, opening: Opening) -> Result<Channel, ConnectError> {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(self.clone().serve(theirs));
        let config = Config::default();
        let or_ever = |usual| if self.limit == Duration::MAX { Duration::MAX } else { usual };
        let bounds = Bounds {
            max_message_bytes: 1 << 20,
            max_frame_bytes: None,
            ping_interval: or_ever(config.ping_interval),
            pong_timeout: or_ever(config.pong_timeout),
            max_pings: config.max_pings,
            write_timeout: config.write_timeout,
        };
        Ok(channel(Socket::new(ours, Role::Client, bounds).await, opening, self.limit))
    }
}

impl Quiet {
    /// Answers whatever is asked but calls of `wait` and listeners, and tells by which frame it was closed.
    async fn serve(self, stream: tokio::io::DuplexStream) {
        let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        while let Some(Ok(message)) = socket.next().await {
            let text = match message {
                Message::Text(text) => text,
                Message::Close(Some(frame)) => return self.closes.send(frame).unwrap(),
                _ => continue,
            };
            let asked: Value = serde_json::from_str(&text).unwrap();
            let (modern, method) = (self.revision.is_stateless(), asked["method"].as_str().unwrap());
            let answer = match method {
                "server/discover" if modern => json!({"result": {"resultType": "complete",
                    "supportedVersions": [self.revision.as_str()], "capabilities": self.capabilities}}),
                "server/discover" => json!({"error": {"code": -32601, "message": "no"}}),
                "initialize" => json!({"result": {"protocolVersion": self.revision.as_str(),
                    "capabilities": self.capabilities, "serverInfo": {"name": "s", "version": "1"}}}),
                "subscriptions/listen" => continue,
                _ if asked.get("id").is_none() || asked["params"]["name"] == "wait" => continue,
                _ => json!({"result": {"content": []}}),
            };
            let mut answer = answer;
            answer["jsonrpc"] = json!("2.0");
            answer["id"] = asked["id"].clone();
            socket.send(Message::Text(answer.to_string().into())).await.unwrap();
        }
    }
}

const LIMIT: Duration = Duration::from_secs(3600);

async fn connected(
    revision: Revision,
    capabilities: Value,
) -> (Connection, mpsc::UnboundedReceiver<CloseFrame>) {
    let (closes, closed) = mpsc::unbounded_channel();
    let server = Quiet { revision, capabilities, limit: LIMIT, closes };
    let opening = ConnectOptions::default().revision(revision);
    (open(&server, &opening).await.unwrap(), closed)
}

fn begin(connection: &Connection, method: Method, params: Value) -> Reply {
    let context = Context::new(Principal::local(), Revision::NEWEST).with_input_mode(InputMode::Inline);
    connection.call(Request::new(method, Raw::from(params)), context)
}

async fn call(connection: &Connection, method: Method, params: Value) -> Outcome {
    begin(connection, method, params).outcome().await
}

/// Whether the connection is over after so long.
async fn is_over_after(connection: &Connection, time: Duration) -> bool {
    tokio::time::timeout(time, connection.closed()).await.is_ok()
}

/// More than a moment, less than a limit.
const SLACK: Duration = Duration::from_secs(5);

/// Invariant: A client's unused WebSocket closes after `connection_idle`; one with subscriptions does not.
#[tokio::test(start_paused = true)]
async fn a_connection_that_nobody_uses_is_closed_after_connection_idle() {
    for revision in Revision::ALL {
        let (connection, mut closed) = connected(revision, json!({"tools": {}})).await;
        // What is said begins the time anew.
        assert!(!is_over_after(&connection, LIMIT - SLACK).await, "{revision}");
        call(&connection, Method::ToolsCall, json!({"name": "echo", "arguments": {}})).await;
        assert!(!is_over_after(&connection, LIMIT - SLACK).await, "{revision}");
        assert!(is_over_after(&connection, SLACK * 2).await, "{revision}");
        let frame = closed.recv().await.unwrap();
        assert_eq!((frame.code, &*frame.reason), (CloseCode::Policy, WORDS));
        assert_eq!(connection.closed().await.to_string(), format!("the WebSocket was given up: {WORDS}"));
        // Whoever comes later may call again elsewhere: this never left.
        let Outcome::Failed(failure) = call(&connection, Method::ToolsList, json!({})).await else {
            panic!()
        };
        assert!(matches!(*failure, Failure::NotSent(_)), "{failure:?}");
        assert!(failure.to_string().contains(WORDS), "{failure}");
    }
}

const WORDS: &str = "nothing said and nothing open for 3600s (connection_idle)";

#[tokio::test(start_paused = true)]
async fn a_connection_with_an_open_call_is_not_idle() {
    for revision in Revision::ALL {
        let (connection, _closed) = connected(revision, json!({"tools": {}})).await;
        let mut waiting = begin(&connection, Method::ToolsCall, json!({"name": "wait", "arguments": {}}));
        assert!(waiting.next().now_or_never().is_none());
        assert!(!is_over_after(&connection, LIMIT * 5).await, "{revision}");
        drop(waiting);
        assert!(!is_over_after(&connection, LIMIT - SLACK).await, "{revision}");
        assert!(is_over_after(&connection, SLACK * 2).await, "{revision}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_on_which_changes_are_told_is_not_idle() {
    // A modern server tells of changes while a request for them is open.
    let (connection, _closed) = connected(Revision::NEWEST, json!({"tools": {"listChanged": true}})).await;
    let mut listening = begin(&connection, Method::Listen, json!({"notifications": {}}));
    assert!(listening.next().now_or_never().is_none());
    assert!(!is_over_after(&connection, LIMIT * 5).await);
    drop(listening);
    assert!(is_over_after(&connection, LIMIT + SLACK).await);
    // An older one tells of its lists at any time, and of resources for as long as somebody is subscribed.
    for list in ["tools", "prompts", "resources"] {
        let (connection, _closed) =
            connected(Revision::V2025_11_25, json!({list: {"listChanged": true}})).await;
        assert!(!is_over_after(&connection, LIMIT * 5).await, "{list}");
    }
    let (connection, _closed) =
        connected(Revision::V2025_11_25, json!({"resources": {"subscribe": true}})).await;
    call(&connection, Method::Subscribe, json!({"uri": "test://a"})).await;
    assert!(!is_over_after(&connection, LIMIT * 5).await);
    call(&connection, Method::Unsubscribe, json!({"uri": "test://a"})).await;
    assert!(is_over_after(&connection, LIMIT + SLACK).await);
}

#[tokio::test(start_paused = true)]
async fn a_time_beyond_all_clocks_is_no_limit() {
    let (closes, _closed) = mpsc::unbounded_channel();
    let limit = Duration::MAX;
    let server = Quiet { revision: Revision::NEWEST, capabilities: json!({}), limit, closes };
    let opening = ConnectOptions::default().revision(Revision::NEWEST);
    let connection = open(&server, &opening).await.unwrap();
    assert!(!is_over_after(&connection, LIMIT * 100).await);
}
