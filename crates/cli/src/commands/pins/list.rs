//! `anyport pins list`: the upstreams whose definitions are pinned, and the definitions that differ.

use std::process::ExitCode;

use anyhow::Result;
use anyport_gateway::federation::PinnedList;
use serde_json::{Value, json};

use super::common::{Common, PinnedUpstream, noun};
use crate::{
    client_session::output::Output,
    exit::Exit,
    render::{safe, table::whole},
};

/// The arguments of `anyport pins list`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport pins list\n  anyport pins list --config anyport.toml --json")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Lists the upstreams.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let common = &arguments.common;
    let upstreams = common.upstreams(&common.pins()?)?;
    let value = || json!({"upstreams": upstreams.iter().map(value).collect::<Vec<_>>()});
    Output::stdout(&common.output).show(value, |output| Ok(shown(&upstreams, output)))?;
    Ok(Exit::Done.into())
}

fn value(upstream: &PinnedUpstream) -> Value {
    let pinned = upstream.lists.iter().map(|list| (list.list.clone(), json!(accepted(list))));
    let pending = upstream.pending().map(|(list, name, pin)| {
        let hashes: Vec<_> = pin.pending.iter().map(|definition| &definition.hash).collect();
        json!({"list": list, "name": name, "new": pin.accepted.is_empty(), "hashes": hashes})
    });
    json!({
        "file": upstream.file,
        "name": upstream.name,
        "pinned": pinned.collect::<serde_json::Map<_, _>>(),
        "pending": pending.collect::<Vec<_>>(),
    })
}

/// The number of items with an accepted definition.
fn accepted(list: &PinnedList) -> usize {
    list.items.values().filter(|pin| !pin.accepted.is_empty()).count()
}

fn shown(upstreams: &[PinnedUpstream], output: &Output) -> String {
    const LISTS: [&str; 4] = ["tools", "prompts", "resources", "resourceTemplates"];
    if upstreams.is_empty() {
        return "no definitions are pinned\n".to_owned();
    }
    let row = |upstream: &PinnedUpstream| {
        let count =
            |name: &str| upstream.lists.iter().filter(|list| list.list == name).map(accepted).sum::<usize>();
        let counts = LISTS.map(|name| count(name).to_string());
        let differ = upstream.pending().count().to_string();
        [upstream.name.clone()].into_iter().chain(counts).chain([differ, upstream.file.clone()]).collect()
    };
    let rows: Vec<Vec<String>> = upstreams.iter().map(row).collect();
    let headings = ["upstream", "tools", "prompts", "resources", "templates", "differ", "file"];
    let mut text = whole(&headings, &rows, output.screen);
    for upstream in upstreams {
        for (list, name, pin) in upstream.pending() {
            let what = if pin.accepted.is_empty() { "is new" } else { "differs" };
            text += &safe::revealed(&format!("{}: the {} {name} {what}", upstream.name, noun(list)));
            text.push('\n');
        }
    }
    if let Some(first) = upstreams.iter().find(|upstream| upstream.pending().next().is_some()) {
        text += &safe::line(&format!("to compare: anyport pins diff {}", first.name));
        text.push('\n');
    }
    text
}
