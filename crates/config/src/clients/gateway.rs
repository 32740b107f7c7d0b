//! A gateway of Anyport: tables `[upstreams.NAME]` in an `anyport.toml`.
//!
//! A program has `command`, a list with its arguments, `env`, `env_file` and `cwd`; a URL has `url`, `headers` and `bearer`, the
//! source of a token. Texts are written as they are: every form of reference is read.

use serde_json::{Map, Value};

use super::{
    client::{McpClient, Supports, Switch},
    values::{NotWritable, Values},
};
use crate::{
    client_login::ClientLogin,
    document::Language,
    references::{Syntax, only_variable},
    server::{Endpoint, ServerConfig},
};

pub(super) const CLIENT: McpClient = McpClient {
    id: "gateway",
    title: "Anyport gateway",
    documentation: "docs/gateway.md",
    language: Language::Toml,
    section: &["upstreams"],
    other_section: None,
    project: &["anyport.toml"],
    user: &[],
    syntax: Syntax::Any,
    supports: Supports { url: true, sse: true, cwd: true, env_file: true },
    switch: Some(Switch::Disabled),
    entry,
};

fn entry(_: &str, server: &ServerConfig, values: &mut Values<'_>) -> Result<Map<String, Value>, NotWritable> {
    let mut entry = Map::new();
    match &server.endpoint {
        Endpoint::Command { program, args, env, env_file, cwd } => {
            let mut command = vec![values.text(program)?];
            command.extend(values.list(args)?);
            entry.insert("command".into(), command.into());
            if !env.is_empty() {
                entry.insert("env".into(), values.map(env)?.into());
            }
            for (key, text) in [("env_file", env_file), ("cwd", cwd)] {
                if let Some(text) = text {
                    entry.insert(key.into(), values.text(text)?.into());
                }
            }
        }
        // A server that speaks HTTP+SSE only is found to do so.
        Endpoint::Url { url, headers, sse: _ } => {
            entry.insert("url".into(), values.text(url)?.into());
            let mut headers = headers.clone();
            let source = headers.iter().find_map(|(name, text)| {
                let token =
                    text.strip_prefix("Bearer ").filter(|_| name.eq_ignore_ascii_case("authorization"))?;
                Some((name.clone(), format!("env:{}", only_variable(token)?)))
            });
            if let Some((name, source)) = source {
                headers.shift_remove(&name);
                entry.insert("bearer".into(), source.into());
            }
            if !headers.is_empty() {
                entry.insert("headers".into(), values.map(&headers)?.into());
            }
            // Beside a token there is no login.
            let login = server.login.as_ref().filter(|_| {
                !entry.contains_key("bearer")
                    && !headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"))
            });
            if let Some(login) = login {
                entry.insert("auth".into(), "oauth".into());
                let ClientLogin { client_id, client_secret, scope, redirect_uri, unused: _ } = &**login;
                let keys = [
                    ("client_id", client_id),
                    ("client_secret", client_secret),
                    ("scope", scope),
                    ("redirect_uri", redirect_uri),
                ];
                for (key, text) in keys {
                    if let Some(text) = text {
                        entry.insert(key.into(), text.as_str().into());
                    }
                }
            }
        }
    }
    Ok(entry)
}
