//! Calls into a server without a transport.

use anyport_protocol::{Error, Limits, Method, Raw, Revision, meta::Meta};
use anyport_server::Server;
use anyport_service::{Context, Event, Notification, Outcome, Principal, Reply, Request, Service};
use serde_json::{Value, json};

/// A caller of the newest revision that declared everything.
pub(crate) fn modern() -> Context {
    declaring(&json!({"elicitation": {"form": {}, "url": {}}, "sampling": {"tools": {}}, "roots": {}}))
}

/// A caller of the newest revision that declared `capabilities`.
pub(crate) fn declaring(capabilities: &Value) -> Context {
    Context::new(Principal::local(), Revision::NEWEST).with_client(raw(capabilities), None)
}

/// A caller of `revision`.
pub(crate) fn legacy(revision: Revision) -> Context {
    Context::new(Principal::local(), revision)
}

/// A caller whose request has this `_meta`.
pub(crate) fn with_meta(meta: &Value) -> Context {
    modern().with_meta(Meta::read(&raw(meta))).unwrap()
}

pub(crate) fn raw(value: &Value) -> Raw {
    Raw::parse(value.to_string().into(), &Limits::default()).unwrap()
}

pub(crate) fn start(server: &impl Service, method: Method, params: &Value, context: Context) -> Reply {
    server.call(Request::new(method, raw(params)), context)
}

/// Everything that is told on the way, then the outcome.
pub(crate) async fn all(mut reply: Reply) -> (Vec<Notification>, Outcome) {
    let mut told = Vec::new();
    loop {
        match reply.next().await {
            Event::Notification(notification) => told.push(notification),
            Event::Outcome(outcome) => return (told, outcome),
            event => panic!("{event:?}"),
        }
    }
}

pub(crate) async fn outcome(
    server: &impl Service,
    method: Method,
    params: Value,
    context: Context,
) -> Outcome {
    start(server, method, &params, context).outcome().await
}

/// The result of a call that succeeds.
pub(crate) async fn result(server: &impl Service, method: Method, params: Value, context: Context) -> Value {
    match outcome(server, method, params, context).await {
        Outcome::Result(result) => value(&result),
        outcome => panic!("{outcome:?}"),
    }
}

/// The error of a call that fails.
pub(crate) async fn error(server: &impl Service, method: Method, params: Value, context: Context) -> Error {
    match outcome(server, method, params, context).await {
        Outcome::Error(error) => error,
        outcome => panic!("{outcome:?}"),
    }
}

/// The questions of a call that asks, and its state.
pub(crate) async fn asked(
    server: &impl Service,
    method: Method,
    params: Value,
    context: Context,
) -> (Value, String) {
    match outcome(server, method, params, context).await {
        Outcome::InputRequired(required) => {
            let required = value(&required);
            assert_eq!(required["resultType"], "input_required");
            assert!(required.get("ttlMs").is_none(), "interim results carry no caching hints");
            (required["inputRequests"].clone(), required["requestState"].as_str().unwrap().to_owned())
        }
        outcome => panic!("{outcome:?}"),
    }
}

pub(crate) fn value(raw: &Raw) -> Value {
    raw.decode().unwrap()
}

/// The text of a tool's result.
pub(crate) fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap()
}

pub(crate) fn server_info(result: &Value) -> &Value {
    &result["_meta"]["io.modelcontextprotocol/serverInfo"]
}

pub(crate) async fn call(server: &Server, tool: &str, arguments: Value) -> Value {
    result(server, Method::ToolsCall, json!({"name": tool, "arguments": arguments}), modern()).await
}
