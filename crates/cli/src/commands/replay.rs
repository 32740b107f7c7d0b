//! `anyport replay`: sends the requests of a recording again, and compares the responses.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Result;
use anyport_client::Error as ClientError;
use anyport_protocol::jsonrpc::code;
use serde_json::{Value, json};

use crate::{
    client_session::{
        self, ClientSession, errors,
        output::Output,
        recording::{self, Exchange},
    },
    exit::Exit,
    render::{safe, table},
    target::{Surroundings, is_server},
    user_error::UserError,
};

/// The arguments of `anyport replay`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport replay [OPTIONS] FILE SERVER\n       anyport replay [OPTIONS] FILE -- COMMAND [ARGS]...",
    after_help = "Tools are called again, with their effects. The exit code is 1 if a response differs. Values that \
        differ in every run, such as metadata and times to live, are not compared.\n\nExamples:\n  \
        anyport replay session.jsonl https://example.com/mcp\n  \
        anyport replay session.jsonl -- npx -y @example/server"
)]
pub(crate) struct Arguments {
    /// A recording made with --record.
    file: PathBuf,
    /// The server: a URL, FILE#NAME or NAME of a running gateway, an anyport.toml or an mcp.json; or a command
    /// after --.
    target: Option<String>,
    #[command(flatten)]
    pub(crate) options: client_session::Options,
}

/// Plays the recording and says what is different.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    if let (Some(server), Some(file)) = (arguments.file.to_str(), &arguments.target)
        && is_server(server, &Surroundings::here())
        && Path::new(file).is_file()
    {
        let problem = format!("{server} is no recording; FILE comes first");
        return Err(UserError::usage(problem, format!("write: anyport replay {file} {server}")));
    }
    let exchanges = recording::read(&arguments.file)?;
    client_session::with(&arguments.options, arguments.target.as_deref(), async move |session, output| {
        replay(session, output, &exchanges).await
    })
}

async fn replay(session: ClientSession, mut output: Output, exchanges: &[Exchange]) -> Result<Exit> {
    let (mut played, mut skipped) = (Vec::new(), 0);
    for exchange in exchanges.iter().filter(|exchange| !is_of_the_connection(&exchange.method)) {
        // A dialogue holds state of the server's that is valid once.
        if is_dialogue(exchange) {
            skipped += 1;
            continue;
        }
        let params = without(&exchange.params, &["_meta"]);
        let now = match session.client.request(exchange.method.clone(), &params).await {
            Ok(raw) => Ok(raw.decode::<Value>()?),
            Err(ClientError::Refused { error, .. }) => {
                Err(json!({"code": error.code, "message": error.message}))
            }
            Err(ClientError::Failed { failure, .. }) => {
                Err(json!({"code": code::INTERNAL_ERROR, "message": failure.to_string()}))
            }
            Err(error) => return Err(errors::of_call(&error)),
        };
        let name = ["name", "uri"].into_iter().find_map(|key| params.get(key)?.as_str()).map(str::to_owned);
        played.push((exchange.method.as_str(), name, differences(&exchange.answer, &now)));
    }
    let different = played.iter().filter(|(.., differences)| !differences.is_empty()).count();
    if output.json {
        let one = |(method, name, differences): &(&str, Option<String>, Vec<String>)| json!({"method": method, "name": name, "differences": differences});
        let requests: Vec<Value> = played.iter().map(one).collect();
        output.value(&json!({"requests": requests, "different": different, "skipped": skipped}))?;
    } else {
        let mut text = String::new();
        for (method, name, differences) in &played {
            let what = safe::line(&format!("{method} {}", name.as_deref().unwrap_or_default()));
            let verdict = match differences.is_empty() {
                true => output.screen.good("same"),
                false => output.screen.bad("different"),
            };
            text += &format!("{verdict}  {}\n", what.trim_end());
            text.extend(differences.iter().map(|one| format!("    {}\n", safe::line(one))));
        }
        text += &format!("{} requests, {different} answered differently", played.len());
        if skipped > 0 {
            text += &format!(", {skipped} not played again, since they were parts of dialogues");
        }
        output.text(&(text + "\n"))?;
    }
    Ok(if different == 0 { Exit::Done } else { Exit::Failed })
}

/// Methods that every connection sends by itself.
fn is_of_the_connection(method: &str) -> bool {
    const METHODS: &[&str] = &[
        "initialize",
        "ping",
        "server/discover",
        "logging/setLevel",
        "subscriptions/listen",
        "resources/subscribe",
        "resources/unsubscribe",
    ];
    METHODS.contains(&method)
}

fn is_dialogue(exchange: &Exchange) -> bool {
    exchange.params.get("requestState").is_some()
        || exchange.params.get("inputResponses").is_some()
        || exchange.answer.as_ref().is_ok_and(|result| result["resultType"] == "input_required")
}

/// Members that differ between revisions and runs, and say nothing of the answer.
const PASSING: &[&str] = &["_meta", "resultType", "ttlMs", "cacheScope"];

fn without(value: &Value, names: &[&str]) -> Value {
    let mut value = value.clone();
    if let Some(object) = value.as_object_mut() {
        object.retain(|name, _| !names.contains(&name.as_str()));
    }
    value
}

fn differences(then: &Result<Value, Value>, now: &Result<Value, Value>) -> Vec<String> {
    let mut found = Vec::new();
    match (then, now) {
        (Ok(then), Ok(now)) => compare("result", &without(then, PASSING), &without(now, PASSING), &mut found),
        (Err(then), Err(now)) => compare("error", &without(then, &["data"]), now, &mut found),
        (Ok(_), Err(now)) => found.push(format!("was answered, is refused: {now}")),
        (Err(then), Ok(_)) => found.push(format!("was refused, is answered: {then}")),
    }
    found
}

/// The largest number of reported differences of one response.
const MOST: usize = 20;

/// Where two values differ.
fn compare(path: &str, then: &Value, now: &Value, found: &mut Vec<String>) {
    if then == now || found.len() >= MOST {
        return;
    }
    let short = |value: &Value| table::cut(&value.to_string(), 60);
    match (then, now) {
        (Value::Object(a), Value::Object(b)) => {
            for (name, then) in a {
                match b.get(name) {
                    Some(now) => compare(&format!("{path}.{name}"), then, now, found),
                    None => found.push(format!("{path}.{name} is gone, was {}", short(then))),
                }
            }
            let new = b.iter().filter(|(name, _)| !a.contains_key(*name));
            found.extend(new.map(|(name, now)| format!("{path}.{name} is new: {}", short(now))));
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (at, (then, now)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}[{at}]"), then, now, found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            found.push(format!("{path} has {} entries, had {}", b.len(), a.len()));
        }
        _ => found.push(format!("{path} is {}, was {}", short(now), short(then))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_is_told_with_its_place_and_what_passes_is_not() {
        let check = |then: Value, now: Value, expected: &[&str]| {
            assert_eq!(differences(&Ok(then), &Ok(now)), expected);
        };
        check(json!({"a": 1, "ttlMs": 1, "_meta": {}}), json!({"a": 1, "resultType": "complete"}), &[]);
        check(json!({"a": [{"b": 1}]}), json!({"a": [{"b": 2}]}), &["result.a[0].b is 2, was 1"]);
        check(json!({"a": [1]}), json!({"a": []}), &["result.a has 0 entries, had 1"]);
        check(json!({"a": 1}), json!({"b": 2}), &["result.a is gone, was 1", "result.b is new: 2"]);
        assert_eq!(
            differences(&Ok(json!({})), &Err(json!({"code": -1}))),
            ["was answered, is refused: {\"code\":-1}"]
        );
    }
}
