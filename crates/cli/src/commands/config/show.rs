//! `anyport config show`: the configuration that `serve` would have, and where each value comes from.

use std::{collections::HashMap, env, path::Path};

use anyhow::Result;
use anyport_config::{
    ConfigFile, Surroundings,
    gateway::{self, UpstreamConfig},
};
use anyport_transport::client::http::without_secrets;
use serde_json::{Map, Value, json};

use crate::{
    client_session::output::Output,
    commands::servers::covered::{shown, shown_arguments, shown_source},
    gateway::GatewayFile,
    listen::{Limit, Limits},
    render::safe,
    secret_names::may_be_secret,
    secret_source::SecretSource,
    serve::NAME,
    target::{CALL_TIMEOUT, UpstreamFault},
    upstream_limits::{BulkheadOptions, CallDeadlines, Places, open_timeout},
    user_error::UserError,
};

/// A value of the configuration.
struct Setting {
    /// The keys that lead to it.
    keys: Vec<String>,
    /// The value, without secrets.
    value: Value,
    origin: Origin,
    /// The variables that it refers to, each with the place that sets it.
    variables: Vec<(String, &'static str)>,
}

/// Where a value comes from.
#[derive(Clone, Copy)]
enum Origin {
    Default,
    /// The file, and the line of its key where that is known.
    File(Option<usize>),
    /// The option `--limit`.
    Option,
    /// A variable of the environment.
    Environment(&'static str),
}

/// Where limits come from.
struct LimitOrigins<'a> {
    /// Those of `--limit`, else of `ANYPORT_LIMIT`.
    given: &'a [Limit],
    of_given: Origin,
    lines: &'a HashMap<Vec<String>, usize>,
}

impl LimitOrigins<'_> {
    fn of(&self, name: &str) -> Origin {
        let keys = ["limits".to_owned(), name.to_owned()];
        match (self.given.iter().any(|limit| limit.name() == name), self.lines.get(&keys[..])) {
            (true, _) => self.of_given,
            (false, Some(line)) => Origin::File(Some(*line)),
            (false, None) => Origin::Default,
        }
    }

    /// The origin of what is the first of `names` that was set.
    fn of_first(&self, names: &[&str]) -> Origin {
        let mut origins = names.iter().map(|name| self.of(name));
        origins.find(|origin| !matches!(origin, Origin::Default)).unwrap_or(Origin::Default)
    }
}

/// Shows the configuration that the file at `path` and `limits`, of the command line, come to.
pub(super) fn show(path: &Path, limits: &[Limit], with_origin: bool, output: &mut Output) -> Result<()> {
    let here = Surroundings::here();
    let file = GatewayFile::read(path, &here)?;
    for (name, upstream) in &file.config.upstreams {
        let wrong = |(key, reason)| file.wrong_upstream(name, &UpstreamFault::new([key], reason));
        upstream.server().map_err(wrong)?;
    }
    let settings = settings(&file, limits, &here)?;
    let value = || {
        let values: Vec<Value> = settings.iter().map(Setting::as_json).collect();
        json!({"file": file.path, "values": values})
    };
    let text = |_: &Output| {
        let lines = settings.iter().map(|setting| {
            let line = format!("{} = {}", setting.key(), setting.value);
            match with_origin {
                true => format!("{line}  # {}", setting.origin(&file.path)),
                false => line,
            }
        });
        Ok(lines.map(|line| safe::line(&line) + "\n").collect())
    };
    output.show(value, text)
}

fn settings(file: &GatewayFile, given: &[Limit], here: &Surroundings) -> Result<Vec<Setting>> {
    let text = ConfigFile::text(&file.path).ok().flatten().unwrap_or_default();
    let lines = if file.config.is_of_client { HashMap::new() } else { gateway::lines(&text) };
    let of_variable = limits_of_variable()?;
    let (limits, origin) = match given.is_empty() {
        true => (&*of_variable, Origin::Environment("ANYPORT_LIMIT")),
        false => (given, Origin::Option),
    };
    let origins = LimitOrigins { given: limits, of_given: origin, lines: &lines };
    // As `serve` has them.
    let limits = Limits::with(&[&*file.limits()?, limits].concat());
    let mut whole = serde_json::to_value(&file.config)?;
    let filled = filled(&mut whole, file, &limits, &origins);
    let mut all = Settings { file, here, lines: &lines, filled: &filled, found: Vec::new() };
    let Value::Object(whole) = &whole else { return Ok(Vec::new()) };
    for (key, value) in whole.iter().filter(|(key, _)| *key != "limits") {
        all.add(&mut vec![key.clone()], value);
    }
    for (key, value) in whole.get("limits").and_then(Value::as_object).into_iter().flatten() {
        // How often calls may be made; the others are limits of the program.
        if value.is_object() {
            all.add(&mut vec!["limits".to_owned(), key.clone()], value);
        }
    }
    let mut found = all.found;
    found.extend(limit_settings(limits, &origins));
    Ok(found)
}

/// The limits of `ANYPORT_LIMIT`.
fn limits_of_variable() -> Result<Vec<Limit>> {
    let all = env::var("ANYPORT_LIMIT").unwrap_or_default();
    let wrong = |reason: String| {
        UserError::usage(format!("ANYPORT_LIMIT: {reason}"), "correct the variable, or take it away")
    };
    all.split(',').filter(|limit| !limit.is_empty()).map(|limit| limit.parse().map_err(wrong)).collect()
}

/// Writes into `whole` the values that the file does not have, and returns where they come from.
fn filled(
    whole: &mut Value,
    file: &GatewayFile,
    limits: &Limits,
    origins: &LimitOrigins<'_>,
) -> HashMap<Vec<String>, Origin> {
    let mut filled = HashMap::new();
    let mut set = |keys: &[&str], value: Value, origin: Origin| {
        let place = keys.iter().fold(&mut *whole, |inner, key| &mut inner[key]);
        if place.is_null() {
            *place = value;
            filled.insert(keys.iter().map(|&key| key.to_owned()).collect(), origin);
        }
    };
    let (name, origin) = match env::var("ANYPORT_NAME") {
        Ok(name) => (name, Origin::Environment("ANYPORT_NAME")),
        Err(_) => (NAME.to_owned(), Origin::Default),
    };
    set(&["gateway", "name"], json!(name), origin);
    set(&["gateway", "max_result_tokens"], json!(0), Origin::Default);
    let gateway = &file.config.gateway;
    let of_gateway = |key: &str| match origins.lines.get(&["gateway".to_owned(), key.to_owned()][..]) {
        Some(line) => Origin::File(Some(*line)),
        None => Origin::Default,
    };
    for (name, upstream) in &file.config.upstreams {
        let mut set = |key, value, origin| set(&["upstreams", name, key], value, origin);
        set("title", json!(name), Origin::Default);
        set("prefix", json!(name), Origin::Default);
        set("pin", json!(gateway.pin), of_gateway("pin"));
        let max = gateway.max_result_tokens.unwrap_or(0);
        set("max_result_tokens", json!(max), of_gateway("max_result_tokens"));
        set("on_large_result", json!(gateway.on_large_result), of_gateway("on_large_result"));
        if upstream.command.is_some() && !file.config.is_of_client {
            set("cwd", json!(file.path.parent()), Origin::Default);
        }
        for (key, number, names) in numbers(upstream, limits) {
            set(key, json!(number), origins.of_first(names));
        }
    }
    for name in file.config.knowledge.keys() {
        set(&["knowledge", name, "prefix"], json!(name), Origin::Default);
    }
    filled
}

/// The numbers that an upstream has if its table says none, each with its key and the limits that set it.
fn numbers(upstream: &UpstreamConfig, limits: &Limits) -> [(&'static str, u64, &'static [&'static str]); 8] {
    let deadlines = CallDeadlines::of(upstream, CALL_TIMEOUT);
    let Places { calls, queued, wait } = limits.places(BulkheadOptions::of(upstream));
    let connections = limits.connections_to(upstream.command.is_some(), None);
    let first_byte = limits.first_byte(deadlines).unwrap_or(deadlines.silent);
    let calls_of: &[&str] = match limits.bulkhead.max_calls {
        Some(_) => &["max_calls_per_upstream"],
        None => &["max_concurrent_calls"],
    };
    [
        ("connections", connections as u64, &["connections"]),
        ("open_timeout", open_timeout(upstream).as_secs(), &[]),
        ("first_byte_timeout", first_byte.as_secs(), &["first_byte_timeout"]),
        ("call_timeout", deadlines.silent.as_secs(), &[]),
        ("call_timeout_max", limits.longest(deadlines).as_secs(), &["call_timeout_max"]),
        ("max_concurrent_calls", calls as u64, calls_of),
        ("max_queued_calls", queued as u64, &["max_queued_per_upstream"]),
        ("queue_timeout", wait.as_secs(), &["queue_timeout"]),
    ]
}

/// Finds the settings in a configuration as a value.
struct Settings<'a> {
    file: &'a GatewayFile,
    here: &'a Surroundings,
    lines: &'a HashMap<Vec<String>, usize>,
    /// Where the values come from that the file does not have.
    filled: &'a HashMap<Vec<String>, Origin>,
    found: Vec<Setting>,
}

impl Settings<'_> {
    fn add(&mut self, keys: &mut Vec<String>, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(entries) if entries.is_empty() => {}
            Value::Object(inner) => {
                for (key, value) in inner {
                    keys.push(key.clone());
                    self.add(keys, value);
                    keys.pop();
                }
            }
            _ => {
                let origin = match self.lines.get(keys) {
                    Some(line) => Origin::File(Some(*line)),
                    None => match self.filled.get(keys) {
                        Some(origin) => *origin,
                        None if self.file.config.is_of_client && is_reaching(keys) => Origin::File(None),
                        None => Origin::Default,
                    },
                };
                let variables = self.variables(value);
                self.found.push(Setting {
                    keys: keys.clone(),
                    value: covered(keys, value, self.file.config.is_of_client),
                    origin,
                    variables,
                });
            }
        }
    }

    /// The variables that a text refers to, and where each is set.
    fn variables(&self, value: &Value) -> Vec<(String, &'static str)> {
        let texts: Vec<&str> = match value {
            Value::String(text) => vec![text],
            Value::Array(entries) => entries.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        let place = |name: String| {
            let place = match (self.here.variables.get(&name), self.file.surroundings().variables.get(&name))
            {
                (Some(_), _) => "the environment",
                (None, Some(_)) => ".env",
                (None, None) => "not set",
            };
            (name, place)
        };
        texts.into_iter().flat_map(anyport_config::variables_of).map(place).collect()
    }
}

/// Whether the file of a client can have said it: how a server is reached, its title, and whether it is disabled.
fn is_reaching(keys: &[String]) -> bool {
    const KEYS: [&str; 9] =
        ["command", "args", "env", "env_file", "cwd", "url", "headers", "title", "disabled"];
    keys.first().is_some_and(|key| key == "upstreams")
        && keys.get(2).is_some_and(|key| KEYS.contains(&key.as_str()))
}

/// Whether the value at `keys` is the place of a secret, unless somebody has written the secret itself.
fn is_place(keys: &[String]) -> bool {
    let of_auth = |last: &str| {
        keys.first().is_some_and(|first| first == "auth") && ["from", "client_secret"].contains(&last)
    };
    let of_store = |last: &str| {
        keys.first().is_some_and(|first| first == "store") && ["password", "token"].contains(&last)
    };
    keys.last().is_some_and(|last| last == "bearer" || of_auth(last) || of_store(last))
}

/// `value`, with what may be secret covered. A client's file names no sources of secrets.
fn covered(keys: &[String], value: &Value, is_of_client: bool) -> Value {
    let last = keys.last().map_or("", String::as_str);
    let parent = keys.iter().rev().nth(1).map_or("", String::as_str);
    let is_fixed = keys.iter().any(|key| key == "arguments");
    match value {
        Value::String(text) if ["env", "headers"].contains(&parent) && is_of_client => shown(text).into(),
        Value::String(text) if ["env", "headers"].contains(&parent) => shown_source(text).into(),
        Value::String(text) if is_place(keys) && text.parse::<SecretSource>().is_ok() => text.clone().into(),
        Value::String(text) if is_place(keys) || (is_fixed && may_be_secret(last)) => shown(text).into(),
        Value::String(text) if last == "url" => without_secrets(text).into(),
        Value::Array(words) if ["command", "args"].contains(&last) => {
            json!(shown_arguments(words.iter().filter_map(Value::as_str)))
        }
        _ => value.clone(),
    }
}

fn limit_settings(mut limits: Limits, origins: &LimitOrigins<'_>) -> Vec<Setting> {
    let mut found: Vec<Setting> = Vec::new();
    limits.each(|_, field| {
        let keys = vec!["limits".to_owned(), field.spec.name.to_owned()];
        let Some(number) = field.value.number() else { return };
        if found.iter().any(|earlier| earlier.keys == keys) {
            return;
        }
        let origin = origins.of(field.spec.name);
        found.push(Setting { keys, value: number.into(), origin, variables: Vec::new() });
    });
    found
}

impl Setting {
    /// The key, as it could stand in TOML.
    fn key(&self) -> String {
        let is_bare =
            |key: &str| key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        let word = |key: &String| if is_bare(key) { key.clone() } else { json!(key).to_string() };
        self.keys.iter().map(word).collect::<Vec<_>>().join(".")
    }

    fn origin(&self, file: &Path) -> String {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let mut text = match self.origin {
            Origin::Default => "default".to_owned(),
            Origin::File(Some(line)) => format!("{name}:{line}"),
            Origin::File(None) => name.into_owned(),
            Origin::Option => "--limit".to_owned(),
            Origin::Environment(variable) => variable.to_owned(),
        };
        for (variable, place) in &self.variables {
            text += &format!("; {variable}: {place}");
        }
        text
    }

    fn as_json(&self) -> Value {
        let (origin, line) = match self.origin {
            Origin::Default => ("default", None),
            Origin::File(line) => ("file", line),
            Origin::Option => ("option", None),
            Origin::Environment(_) => ("environment", None),
        };
        let variables: Map<String, Value> =
            self.variables.iter().map(|(name, place)| (name.clone(), (*place).into())).collect();
        json!({"key": self.key(), "value": self.value, "origin": origin, "line": line, "variables": variables})
    }
}
