//! One server of a file, in any client's keys.
//!
//! The keys of all clients are read in every file: people copy entries from one file to another, and no two clients use one
//! key for different things.

use indexmap::IndexMap;
use serde::Deserialize as _;
use serde_json::{Map, Value};

use crate::{
    client_login::ClientLogin,
    gateway::model::UpstreamConfig,
    references::{from_braces, from_dollar, from_dollar_env, from_source},
    server::{Endpoint, ServerConfig},
    value_kind::kind,
};

/// In which dialect of references the texts of a file are written, beside `${NAME}` and `${env:NAME}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// No other.
    #[default]
    Usual,
    /// `$NAME`.
    Gemini,
    /// `$env:NAME`.
    Mcporter,
    /// `{env:NAME}`.
    OpenCode,
    /// `env:NAME`, in the keys of `anyport.toml`.
    Gateway,
}

impl Dialect {
    fn read(self, text: &str) -> String {
        match self {
            Self::Usual | Self::Gateway => text.to_owned(),
            Self::Gemini => from_dollar(text),
            Self::Mcporter => from_dollar_env(text),
            Self::OpenCode => from_braces(text),
        }
    }
}

/// The values of `type` for programs.
const PROGRAMS: [&str; 2] = ["stdio", "local"];
/// The values of `type` for URLs.
const URLS: [&str; 9] = [
    "http",
    "sse",
    "streamable-http",
    "streamableHttp",
    "streamable_http",
    "remote",
    "ws",
    "wss",
    "websocket",
];
/// The keys of a server's URL.
const URL_KEYS: [&str; 8] =
    ["url", "httpUrl", "serverUrl", "baseUrl", "http_url", "server_url", "base_url", "uri"];

/// The keys that say how to reach a server.
pub(crate) const REACHING: [&str; 33] = [
    "type",
    "transportType",
    "transport",
    "source",
    "command",
    "cmd",
    "args",
    "env",
    "envs",
    "environment",
    "env_vars",
    "env_keys",
    "envFile",
    "env_file",
    "cwd",
    "url",
    "httpUrl",
    "serverUrl",
    "baseUrl",
    "http_url",
    "server_url",
    "base_url",
    "uri",
    "headers",
    "http_headers",
    "env_http_headers",
    "bearer_token_env_var",
    "bearerTokenEnv",
    "bearer_token_env",
    "bearerToken",
    "bearer_token",
    "bearer",
    "settings",
];

/// Whether an object among other settings is the entry of a server.
pub(crate) fn is_server(entry: &Value) -> bool {
    let has = |key: &str| entry.get(key).is_some_and(|value| !value.is_null());
    has("command") || has("cmd") || URL_KEYS.iter().any(|key| has(key))
}

/// Whether an object that could also hold servers by their names is the entry of one: no client writes a server as a text.
pub(crate) fn is_itself_server(value: &Value) -> bool {
    let is_text = |key: &&str| value.get(*key).is_some_and(Value::is_string);
    let command = value.get("command").or_else(|| value.get("cmd"));
    command.is_some_and(|command| command.is_string() || command.is_array()) || URL_KEYS.iter().any(is_text)
}

/// The server of an entry.
///
/// # Errors
/// The fault, with its key.
pub(crate) fn server(entry: &Value, dialect: Dialect) -> Result<ServerConfig, String> {
    let Value::Object(entry) = entry else {
        return Err(format!("it is {}, and an object was expected", kind(entry)));
    };
    match dialect {
        Dialect::Gateway => of_gateway(entry),
        _ => Reader { entry, dialect }.server(),
    }
}

/// The server of an upstream in `anyport.toml`. Sources of secrets that are variables become references; others (`file:PATH`,
/// `cmd:COMMAND`) stay as they are, and a token stands in its header.
fn of_gateway(entry: &Map<String, Value>) -> Result<ServerConfig, String> {
    let upstream = UpstreamConfig::deserialize(entry).map_err(|error| error.to_string())?;
    let mut server = upstream.server().map_err(|(key, reason)| match key {
        "" => reason,
        key => format!("its `{key}`: {reason}"),
    })?;
    let texts = match &mut server.endpoint {
        Endpoint::Command { env, .. } => env,
        Endpoint::Url { headers, .. } => headers,
    };
    texts.values_mut().for_each(|text| *text = from_source(text));
    if let Some(source) = &upstream.bearer {
        texts.insert("Authorization".into(), format!("Bearer {}", from_source(source)));
    }
    Ok(server)
}

struct Reader<'a> {
    entry: &'a Map<String, Value>,
    dialect: Dialect,
}

impl Reader<'_> {
    fn server(&self) -> Result<ServerConfig, String> {
        let kind = self.kind()?;
        let command = self.first(&["command", "cmd"]);
        let url = self.text(&URL_KEYS)?;
        let is_program = kind.map(|kind| PROGRAMS.contains(&kind));
        let endpoint = match (command, url) {
            (Some((key, command)), None) => self.command(key, command)?,
            (Some((key, command)), Some(_)) if is_program != Some(false) => self.command(key, command)?,
            (_, Some(url)) => Endpoint::Url { url, headers: self.headers()?, sse: kind == Some("sse") },
            (None, None) => return Err("it has neither a command nor a url".into()),
        };
        let flag = |key| self.entry.get(key).and_then(Value::as_bool);
        let disabled = flag("disabled") == Some(true) || flag("enabled") == Some(false);
        let login = ClientLogin::of(self.entry, |text| self.dialect.read(text))?.map(Box::new);
        Ok(ServerConfig { endpoint, disabled, login })
    }

    /// `type`, or `transportType` of older versions of Cline.
    fn kind(&self) -> Result<Option<&str>, String> {
        let Some((key, value)) = self.first(&["type", "transportType", "transport"]) else { return Ok(None) };
        let Value::String(kind) = value else { return Err(wrong(key, value, "a text")) };
        if PROGRAMS.contains(&kind.as_str()) || URLS.contains(&kind.as_str()) {
            return Ok(Some(kind));
        }
        let known = [&PROGRAMS[..], &URLS[..]].concat().join(", ");
        Err(format!("its `{key}` is \"{kind}\", which is not known; there are {known}"))
    }

    fn command(&self, key: &str, command: &Value) -> Result<Endpoint, String> {
        let mut env = IndexMap::new();
        let (program, mut args) = match command {
            Value::String(program) => (self.dialect.read(program), Vec::new()),
            // opencode and mcporter.
            Value::Array(words) => {
                let mut words = self.words(key, words)?;
                if words.is_empty() {
                    return Err(format!("its `{key}` is empty"));
                }
                (words.remove(0), words)
            }
            // Zed, before 2025.
            Value::Object(command) => {
                let inner = Reader { entry: command, dialect: self.dialect };
                let Some(program) = inner.text(&["path", "command"])? else {
                    return Err(format!("its `{key}` has no `path`"));
                };
                inner.variables(&mut env)?;
                (program, inner.args()?)
            }
            other => return Err(wrong(key, other, "a text or a list")),
        };
        args.extend(self.args()?);
        self.variables(&mut env)?;
        let (env_file, cwd) = (self.text(&["envFile"])?, self.text(&["cwd"])?);
        Ok(Endpoint::Command { program, args, env, env_file, cwd })
    }

    fn args(&self) -> Result<Vec<String>, String> {
        match self.first(&["args"]) {
            None => Ok(Vec::new()),
            Some((key, Value::Array(words))) => self.words(key, words),
            Some((key, other)) => Err(wrong(key, other, "a list")),
        }
    }

    /// The variables that are set for a program, and those that its client hands on from its own environment.
    fn variables(&self, env: &mut IndexMap<String, String>) -> Result<(), String> {
        for key in ["env_vars", "env_keys"] {
            let Some(names) = self.entry.get(key).and_then(Value::as_array) else { continue };
            // Codex writes a name, or an object with a name.
            let names = names.iter().filter_map(|name| name.as_str().or_else(|| name.get("name")?.as_str()));
            env.extend(names.map(|name| (name.to_owned(), format!("${{env:{name}}}"))));
        }
        for key in ["envs", "environment", "env"] {
            env.extend(self.map(key)?);
        }
        Ok(())
    }

    fn headers(&self) -> Result<IndexMap<String, String>, String> {
        let mut headers = self.map("headers")?;
        headers.extend(self.map("http_headers")?);
        for (name, variable) in self.map("env_http_headers")? {
            headers.insert(name, format!("${{env:{variable}}}"));
        }
        let bearer = self.text(&["bearer_token_env_var", "bearerTokenEnv", "bearer_token_env"])?;
        let bearer = bearer.map(|variable| format!("${{{variable}}}"));
        if let Some(token) = bearer.or(self.text(&["bearerToken", "bearer_token"])?) {
            headers.insert("Authorization".into(), format!("Bearer {token}"));
        }
        Ok(headers)
    }

    /// The first of `keys` that is there.
    fn first<'k>(&self, keys: &[&'k str]) -> Option<(&'k str, &Value)> {
        keys.iter().find_map(|key| Some((*key, self.entry.get(*key).filter(|value| !value.is_null())?)))
    }

    fn text(&self, keys: &[&str]) -> Result<Option<String>, String> {
        match self.first(keys) {
            None => Ok(None),
            Some((_, Value::String(text))) => Ok(Some(self.dialect.read(text))),
            Some((key, other)) => Err(wrong(key, other, "a text")),
        }
    }

    fn words(&self, key: &str, words: &[Value]) -> Result<Vec<String>, String> {
        let one = |word: &Value| match word {
            Value::String(text) => Ok(self.dialect.read(text)),
            Value::Number(number) => Ok(number.to_string()),
            other => Err(wrong(&format!("{key}[]"), other, "a text")),
        };
        words.iter().map(one).collect()
    }

    /// An object of texts. Numbers and booleans are written as texts, and null as nothing.
    fn map(&self, key: &str) -> Result<IndexMap<String, String>, String> {
        let Some((_, value)) = self.first(&[key]) else { return Ok(IndexMap::new()) };
        let Value::Object(map) = value else { return Err(wrong(key, value, "an object")) };
        let mut texts = IndexMap::new();
        for (name, value) in map {
            let text = match value {
                Value::Null => continue,
                Value::String(text) => self.dialect.read(text),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                other => return Err(wrong(&format!("{key}.{name}"), other, "a text")),
            };
            texts.insert(name.clone(), text);
        }
        Ok(texts)
    }
}

fn wrong(key: &str, found: &Value, expected: &str) -> String {
    format!("its `{key}` is {}, and {expected} was expected", kind(found))
}
