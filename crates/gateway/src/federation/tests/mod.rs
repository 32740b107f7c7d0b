mod asking;
mod caching;
mod calling;
mod eras;
mod fake;
mod fleet;
mod guards;
mod large_results;
mod listening;
mod lists;
mod pinning;
mod places;
mod policy;
mod replacing;
mod required_scopes;
mod suspicious;
mod tasks;

use std::{sync::Arc, time::Duration};

use anyport_protocol::{Method, Raw, Revision};
use anyport_service::{Context, Outcome, Request, Service};
use serde_json::{Value, json};

use self::fake::Fake;
use super::*;
use crate::test_server::caller;

const LEGACY: Revision = Revision::V2025_11_25;
const MODERN: Revision = Revision::V2026_07_28;

/// A member with the name `name`.
fn member(name: &str, fake: &Fake) -> Member {
    Member::new(name, Arc::new(fake.clone()))
}

/// A federation of these members.
fn federation(members: impl IntoIterator<Item = Member>) -> Federation {
    limited(members, FederationLimits::default())
}

fn limited(members: impl IntoIterator<Item = Member>, limits: FederationLimits) -> Federation {
    let builder = Federation::builder("gateway", "1").instructions("Ours.").limits(limits);
    members.into_iter().fold(builder, FederationBuilder::member).build().unwrap()
}

/// Two members, called `a` and `b`.
fn two(a: &Fake, b: &Fake) -> Federation {
    federation([member("a", a), member("b", b)])
}

fn modern() -> Context {
    caller(MODERN, json!({"elicitation": {}}))
}

fn legacy() -> Context {
    caller(LEGACY, json!({"elicitation": {}}))
}

fn request(method: Method, params: Value) -> Request {
    Request::new(method, Raw::from(params))
}

fn tool(name: &str, arguments: Value) -> Request {
    request(Method::ToolsCall, json!({"name": name, "arguments": arguments}))
}

async fn outcome(federation: &Federation, request: Request) -> Outcome {
    federation.call(request, modern()).outcome().await
}

async fn result(federation: &Federation, request: Request) -> Value {
    match outcome(federation, request).await {
        Outcome::Result(result) => result.decode().unwrap(),
        outcome => panic!("{outcome:?}"),
    }
}

async fn error(federation: &Federation, request: Request) -> anyport_protocol::Error {
    match outcome(federation, request).await {
        Outcome::Error(error) => error,
        Outcome::Failed(failure) => failure.to_error(),
        outcome => panic!("{outcome:?}"),
    }
}

/// The names, URIs or templates in a list for `context`.
async fn names(federation: &Federation, method: Method, context: Context) -> Vec<String> {
    let Outcome::Result(list) = federation.call(request(method, json!({})), context).outcome().await else {
        panic!("no list")
    };
    of_list(&list.decode().unwrap())
}

fn of_list(list: &Value) -> Vec<String> {
    let entries =
        ["tools", "prompts", "resources", "resourceTemplates"].iter().find_map(|name| list.get(name));
    let entries = entries.unwrap().as_array().unwrap().iter();
    let keys =
        entries.map(|entry| ["uri", "uriTemplate", "name"].iter().find_map(|key| entry.get(key)).unwrap());
    keys.map(|key| key.as_str().unwrap().to_owned()).collect()
}

async fn tools(federation: &Federation) -> Vec<String> {
    names(federation, Method::ToolsList, modern()).await
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
