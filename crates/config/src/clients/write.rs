//! Entries of servers, in the keys that clients have in common.

use serde_json::{Map, Value, json};

use super::values::{NotWritable, Values};
use crate::{
    entry::{self, Dialect},
    server::{Endpoint, ServerConfig},
};

/// The keys that most clients have: `command`, `args`, `env`, `cwd`, `envFile`; `url` and `headers`.
pub(super) fn usual(
    server: &ServerConfig,
    values: &mut Values<'_>,
) -> Result<Map<String, Value>, NotWritable> {
    let mut entry = Map::new();
    match &server.endpoint {
        Endpoint::Command { program, args, env, env_file, cwd } => {
            entry.insert("command".into(), values.text(program)?.into());
            entry.insert("args".into(), values.list(args)?.into());
            if !env.is_empty() {
                entry.insert("env".into(), values.map(env)?.into());
            }
            for (key, text) in [("envFile", env_file), ("cwd", cwd)] {
                if let Some(text) = text {
                    entry.insert(key.into(), values.text(text)?.into());
                }
            }
        }
        Endpoint::Url { url, headers, .. } => {
            entry.insert("url".into(), values.text(url)?.into());
            if !headers.is_empty() {
                entry.insert("headers".into(), values.map(headers)?.into());
            }
        }
    }
    Ok(entry)
}

/// The same, with `type` in front: `stdio`, `http` or `sse`.
pub(super) fn typed(
    server: &ServerConfig,
    values: &mut Values<'_>,
) -> Result<Map<String, Value>, NotWritable> {
    let kind = match &server.endpoint {
        Endpoint::Command { .. } => "stdio",
        Endpoint::Url { sse: true, .. } => "sse",
        Endpoint::Url { .. } => "http",
    };
    let mut entry = Map::from_iter([("type".to_owned(), json!(kind))]);
    entry.append(&mut usual(server, values)?);
    Ok(entry)
}

/// Renames a key, in its place.
pub(super) fn renamed(entry: Map<String, Value>, from: &str, to: &str) -> Map<String, Value> {
    entry.into_iter().map(|(key, value)| (if key == from { to.to_owned() } else { key }, value)).collect()
}

/// Whether two entries describe the same server, and both or none of them is disabled.
pub(super) fn is_same(old: &Value, new: &Map<String, Value>, dialect: Dialect) -> bool {
    let read = |entry: &Value| entry::server(entry, dialect).ok();
    let new = Value::Object(new.clone());
    *old == new || read(old).is_some_and(|old| Some(old) == read(&new))
}

/// Whether `old` describes the server of `new`, disabled.
pub(super) fn is_disabled(old: &Value, new: &Map<String, Value>, dialect: Dialect) -> bool {
    let mut disabled = new.clone();
    disabled.insert("disabled".into(), true.into());
    is_same(old, &disabled, dialect)
}

/// `new`, with the keys of `old` that say nothing about how to reach the server or whether it is disabled.
pub(super) fn merged(old: &Value, new: &Map<String, Value>) -> Map<String, Value> {
    let Value::Object(old) = old else { return new.clone() };
    let reaches = |key: &str| entry::REACHING.contains(&key) || key == "enabled" || key == "disabled";
    let mut merged = old.clone();
    merged.retain(|key, _| new.contains_key(key) || !reaches(key));
    for (key, value) in new {
        if reaches(key) || !merged.contains_key(key) {
            merged.insert(key.clone(), value.clone());
        }
    }
    merged
}
