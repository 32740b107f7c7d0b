//! `anyport get`: what is configured under a name, without secrets.

use std::process::ExitCode;

use anyhow::Result;
use anyport_config::{Endpoint, GATEWAY, ServerConfig, Surroundings};
use anyport_protocol::suggest::did_you_mean;
use indexmap::IndexMap;
use serde_json::{Value, json};

use super::{
    covered::{shown, shown_arguments, shown_source},
    edit,
    known::{self, Known, short},
    report,
};
use crate::{
    client_session::output::{self, Output},
    render::safe,
    user_error::UserError,
};

/// The arguments of `anyport get`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport get linear\n  anyport get linear --json")]
pub(crate) struct Arguments {
    /// The name.
    name: String,
    #[command(flatten)]
    pub(crate) output: output::Options,
}

/// Shows the server that a name stands for.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let surroundings = Surroundings::here();
    let known = find(&arguments.name, &surroundings)?;
    let server = known.server.as_ref().map_err(edit::failed)?;
    let file = format!(
        "{} ({}), {}",
        short(&known.location.path, &surroundings),
        known.location.client.title,
        known.key
    );
    let mut rows = vec![("file", file)];
    let mut value = json!({
        "name": known.name, "client": known.location.client.title, "file": known.location.path, "key": known.key,
        "disabled": server.disabled,
    });
    let is_of_gateway = known.location.client.id == GATEWAY.id;
    let show = if is_of_gateway { shown_source } else { shown };
    describe(server, show, &mut rows, &mut value);
    if server.disabled {
        let user = if is_of_gateway { "the gateway" } else { "its client" };
        rows.push(("disabled", format!("{user} does not use it")));
    }
    let mut lines = vec![known.name.clone()];
    lines.extend(rows.into_iter().map(|(what, text)| format!("  {what:<10} {text}")));
    report(&mut Output::stdout(&arguments.output), &lines, value)
}

/// The nearest server of a name.
pub(super) fn find(name: &str, surroundings: &Surroundings) -> Result<Known> {
    let (servers, broken) = known::all(surroundings);
    let names: Vec<String> = servers.iter().map(|known| known.name.clone()).collect();
    servers.into_iter().find(|known| known.name == name).ok_or_else(|| {
        let mut problem = format!("no server is called {}", safe::line(name));
        for (_, error) in broken {
            problem += &format!("; {error}");
        }
        let near = did_you_mean(name, names.iter().map(String::as_str));
        UserError::usage(problem, near.unwrap_or_else(|| "anyport servers lists what is configured".into()))
    })
}

/// Adds what `server` is to `rows` and `value`, with values of headers and variables as `show` shows them.
fn describe(
    server: &ServerConfig,
    show: fn(&str) -> String,
    rows: &mut Vec<(&'static str, String)>,
    value: &mut Value,
) {
    let mut texts = |what: &'static str, key: &str, texts: &IndexMap<String, String>| {
        if !texts.is_empty() {
            let pairs: Vec<String> =
                texts.iter().map(|(name, text)| format!("{name}={}", show(text))).collect();
            rows.push((what, pairs.join(", ")));
            value[key] = texts.iter().map(|(name, text)| (name.clone(), Value::from(show(text)))).collect();
        }
    };
    match &server.endpoint {
        Endpoint::Command { program, args, env, env_file, cwd } => {
            texts("variables", "env", env);
            let args = shown_arguments(args.iter().map(String::as_str));
            rows.insert(
                1,
                (
                    "command",
                    shlex::try_join([program].into_iter().chain(&args).map(String::as_str))
                        .unwrap_or_else(|_| program.clone()),
                ),
            );
            (value["command"], value["args"]) = (json!(program), json!(args));
            for (what, key, text) in [("from file", "envFile", env_file), ("folder", "cwd", cwd)] {
                if let Some(text) = text {
                    rows.push((what, text.clone()));
                    value[key] = json!(text);
                }
            }
        }
        Endpoint::Url { url, headers, sse } => {
            texts("headers", "headers", headers);
            let url = anyport_transport::client::http::without_secrets(url);
            value["url"] = json!(url);
            rows.insert(1, ("url", url));
            if *sse {
                rows.push(("transport", "HTTP+SSE".into()));
                value["type"] = json!("sse");
            }
        }
    }
}
