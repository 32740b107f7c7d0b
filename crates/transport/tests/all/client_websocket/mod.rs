//! Connections to servers over a WebSocket: to our own server in every revision, and to servers that write byte by byte
//! what a test wants.

mod hostile;
mod opening;
mod ours;
mod peer;

use anyport_protocol::{Method, Raw, Revision};
use anyport_service::{Context, InputMode, Outcome, Principal, Reply, Request, Service as _};
use anyport_transport::client::{
    ConnectError, ConnectOptions, Connection, Target, connect, websocket::Endpoint,
};
use serde_json::{Value, json};

fn opening(revision: Option<Revision>) -> ConnectOptions {
    ConnectOptions::default().revision(revision).capabilities(json!({"roots": {}, "elicitation": {}}))
}

async fn open(endpoint: Endpoint, opening: &ConnectOptions) -> Result<Connection, ConnectError> {
    crate::common::within(connect(&Target::WebSocket(endpoint), opening)).await
}

fn context() -> Context {
    let capabilities: Raw = json!({"roots": {}, "elicitation": {}}).into();
    Context::new(Principal::local(), Revision::NEWEST)
        .with_input_mode(InputMode::Inline)
        .with_client(capabilities, None)
}

fn tool(name: &str, arguments: Value) -> Request {
    Request::new(Method::ToolsCall, Raw::from(json!({"name": name, "arguments": arguments})))
}

fn call(connection: &Connection, name: &str, arguments: Value) -> Reply {
    connection.call(tool(name, arguments), context())
}

/// The text of a result.
fn text(outcome: &Outcome) -> String {
    let Outcome::Result(result) = outcome else { panic!("{outcome:?}") };
    let result: Value = result.decode().unwrap();
    result["content"][0]["text"].as_str().unwrap().to_owned()
}
