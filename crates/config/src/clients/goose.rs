//! Goose: `extensions` in `config.yaml`, of `~/.config/goose`, on Windows `%APPDATA%\Block\goose\config`.
//!
//! `type` is `stdio`, with `cmd`, `args`, `envs`, or `streamable_http`, with `uri` and `headers`; `env_keys` names variables that are
//! handed on, and `${NAME}` in a header is one of them. `sse` is read but not spoken any more; `builtin`, `platform`, `frontend` and
//! `inline_python` are parts of Goose: `crates/goose/src/agents/extension.rs` of <https://github.com/block/goose>.

use indexmap::IndexMap;
use serde_json::{Map, Value, json};

use super::{
    client::{McpClient, Supports, Switch},
    places::{Place, Systems},
    values::{NotWritable, Values},
};
use crate::{
    document::Language,
    references::{Part, Syntax, only_variable, parts},
    server::{Endpoint, ServerConfig},
};

pub(super) const CLIENT: McpClient = McpClient {
    id: "goose",
    title: "Goose",
    documentation: "https://block.github.io/goose/docs/getting-started/using-extensions",
    language: Language::Yaml,
    section: &["extensions"],
    other_section: None,
    project: &[],
    user: &[
        Place::config("goose/config.yaml").on(Systems::NotWindows),
        Place::settings("Block/goose/config/config.yaml").on(Systems::Windows),
    ],
    syntax: Syntax::None,
    supports: Supports { url: true, sse: false, cwd: false, env_file: false },
    switch: Some(Switch::Enabled),
    entry,
};

/// Seconds that a call may take, as Goose's own dialogue proposes.
const TIMEOUT: u32 = 300;

fn entry(
    name: &str,
    server: &ServerConfig,
    values: &mut Values<'_>,
) -> Result<Map<String, Value>, NotWritable> {
    let mut entry = Map::new();
    let mut put = |key: &str, value: Value| entry.insert(key.to_owned(), value);
    put("enabled", json!(true));
    put("name", json!(name));
    put("description", json!(""));
    match &server.endpoint {
        Endpoint::Command { program, args, env, .. } => {
            put("type", json!("stdio"));
            put("cmd", values.text(program)?.into());
            put("args", values.list(args)?.into());
            let handed_on = |(name, text): &(&String, &String)| only_variable(text) == Some(name.as_str());
            let (keys, set): (IndexMap<_, _>, IndexMap<_, _>) = env.iter().partition(handed_on);
            put("envs", values.map(set)?.into());
            put("env_keys", keys.into_keys().cloned().collect::<Vec<_>>().into());
        }
        Endpoint::Url { url, headers, .. } => {
            put("type", json!("streamable_http"));
            put("uri", values.text(url)?.into());
            let mut written = Map::new();
            let mut keys: Vec<&str> = Vec::new();
            for (name, text) in headers {
                written.insert(name.clone(), values.text_as(text, Syntax::Shell)?.into());
                keys.extend(parts(text).iter().filter_map(|part| match part {
                    Part::Variable { name, .. } => Some(*name),
                    Part::Text(_) => None,
                }));
            }
            put("headers", written.into());
            put("env_keys", keys.into());
        }
    }
    put("timeout", json!(TIMEOUT));
    Ok(entry)
}
