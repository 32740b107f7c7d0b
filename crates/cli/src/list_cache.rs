//! A cache of the lists that commands have read of servers, for the completions of a shell: completing asks no server.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyport_metrics::Metrics;
use anyport_protocol::types::{Prompt, Resource, Tool};
use anyport_store::Collection;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::timeout;

use crate::{
    server_id::{server_id, upstream_id},
    state_dir, store,
    target::{Options, Surroundings, upstream_of},
};

/// The names of what a server offers, each list as it was last read.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub(crate) struct CachedLists {
    pub(crate) tools: Vec<Entry>,
    pub(crate) prompts: Vec<Entry>,
    pub(crate) resources: Vec<Entry>,
}

/// A tool, prompt or resource (by its URI).
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) about: String,
    pub(crate) arguments: Vec<Argument>,
}

/// An argument of a tool or a prompt.
#[derive(Debug, Default, Deserialize, PartialEq, Serialize)]
#[serde(default)]
pub(crate) struct Argument {
    pub(crate) name: String,
    pub(crate) about: String,
    /// The values that it can have, if they are few.
    pub(crate) values: Vec<String>,
}

/// A list that a command has read.
#[derive(Clone, Copy)]
pub(crate) enum Listed<'a> {
    Tools(&'a [Tool]),
    Prompts(&'a [Prompt]),
    Resources(&'a [Resource]),
}

/// Stores a list of the server that `target` names. A command works without: a failure is ignored.
pub(crate) async fn store(target: &str, listed: Listed<'_>) {
    let stored = async {
        let Lists { records, id } = Lists::of(target)?;
        let mut lists = records.get(&id).await.ok()?.map(|record| record.value).unwrap_or_default();
        let (list, read) = match listed {
            Listed::Tools(tools) => (&mut lists.tools, tools.iter().take(MOST).map(tool).collect::<Vec<_>>()),
            Listed::Prompts(prompts) => (&mut lists.prompts, prompts.iter().take(MOST).map(prompt).collect()),
            Listed::Resources(all) => (&mut lists.resources, all.iter().take(MOST).map(resource).collect()),
        };
        if *list != read {
            *list = read;
            records.set(&id, &lists, None).await.ok()?;
        }
        Some(())
    };
    // Another process may hold the store.
    let _ = timeout(PATIENCE, stored).await;
}

/// The lists of the server that `target` names.
pub(crate) fn load(target: &str) -> CachedLists {
    let loaded = || {
        // Completing makes neither a store nor a key.
        if !store::local(&state_dir::folder(None)?, &Metrics::new()).is_there() {
            return None;
        }
        let Lists { records, id } = Lists::of(target)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().ok()?;
        let record = runtime.block_on(async { timeout(PATIENCE, records.get(&id)).await });
        Some(record.ok()?.ok()??.value)
    };
    loaded().unwrap_or_default()
}

/// How long a command waits for the store.
const PATIENCE: Duration = Duration::from_secs(1);

/// Longer lists are not completed, and not stored.
const MOST: usize = 2_000;

/// The record of a server's lists.
struct Lists {
    records: Collection<CachedLists>,
    id: String,
}

impl Lists {
    /// The record of the server that `target` names. Its id is hashed under the key of the state folder, as a URL may hold a secret. What
    /// the options of a command add, such as a token, is not part of it: a shell completes before they are read.
    fn of(target: &str) -> Option<Self> {
        let state: PathBuf = state_dir::folder(None)?;
        let key = state_dir::key(&state).ok()?;
        let surroundings = Surroundings::here();
        let id = match upstream_of(target, &surroundings) {
            Some((file, name)) => upstream_id(&file, &name, &key),
            None => {
                let target = Options::default().resolve_quietly(Some(target), &surroundings).ok()?;
                server_id(&target.server, &key)
            }
        };
        let store = store::local(&state, &Metrics::new());
        let records = Collection::new(Arc::new(store), &store::COMPLETION_LISTS, 1);
        Some(Self { records, id })
    }
}

fn tool(tool: &Tool) -> Entry {
    let properties = tool.input_schema.get("properties").and_then(Value::as_object);
    let argument = |(name, schema): (&String, &Value)| Argument {
        name: name.clone(),
        about: about(schema["description"].as_str()),
        values: values(schema),
    };
    Entry {
        name: tool.name.clone(),
        about: about(tool.description.as_deref().or(tool.title.as_deref())),
        arguments: properties.into_iter().flatten().map(argument).collect(),
    }
}

fn prompt(prompt: &Prompt) -> Entry {
    let argument = |argument: &anyport_protocol::types::PromptArgument| Argument {
        name: argument.name.clone(),
        about: about(argument.description.as_deref()),
        values: Vec::new(),
    };
    Entry {
        name: prompt.name.clone(),
        about: about(prompt.description.as_deref().or(prompt.title.as_deref())),
        arguments: prompt.arguments.iter().flatten().map(argument).collect(),
    }
}

fn resource(resource: &Resource) -> Entry {
    Entry {
        name: resource.uri.clone(),
        about: about(Some(resource.title.as_deref().unwrap_or(&resource.name))),
        arguments: Vec::new(),
    }
}

/// The first line of a description.
fn about(text: Option<&str>) -> String {
    text.unwrap_or_default().trim().lines().next().unwrap_or_default().chars().take(200).collect()
}

fn values(schema: &Value) -> Vec<String> {
    let is_boolean = schema["type"] == "boolean";
    let given = schema["enum"].as_array().into_iter().flatten();
    let one = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match is_boolean {
        true => vec!["true".into(), "false".into()],
        false => given.map(one).collect(),
    }
}
