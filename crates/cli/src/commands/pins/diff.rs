//! `anyport pins diff`: definitions that differ, beside the pinned ones.

use std::process::ExitCode;

use anyhow::Result;
use anyport_gateway::federation::{Definition, Pin};
use serde_json::{Value, json};

use super::{
    common::{Common, PinnedUpstream, Wanted, noun, short},
    difference::{Sign, differences},
};
use crate::{client_session::output::Output, exit::Exit, render::safe, user_error::UserError};

/// The arguments of `anyport pins diff`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport pins diff files\n  anyport pins diff files read_file --json")]
pub(super) struct Arguments {
    /// The name of the upstream in the file of the gateway.
    upstream: String,
    /// The item: its name, or its URI. Every one that differs unless given.
    name: Option<String>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Compares the definitions of an upstream.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let common = &arguments.common;
    let upstream = common.upstream(&common.pins()?, &arguments.upstream)?;
    let wanted = arguments.name.as_deref().map(Wanted::of);
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted.names(&upstream.name, name));
    let found: Vec<_> = upstream.pending().filter(|(_, name, _)| is_wanted(name)).collect();
    if let Some(name) = arguments.name.as_ref().filter(|_| found.is_empty()) {
        return Err(no_difference(&upstream, name));
    }
    let value = || {
        let items = found.iter().map(|(list, name, pin)| value(list, name, pin));
        json!({"file": upstream.file, "upstream": upstream.name, "items": items.collect::<Vec<_>>()})
    };
    Output::stdout(&common.output).show(value, |output| {
        let items = found.iter().map(|item| shown(&upstream.name, *item, output));
        let text: String = items.collect();
        Ok(if text.is_empty() { "no definition differs from the pinned one\n".to_owned() } else { text })
    })?;
    Ok(Exit::Done.into())
}

/// The error for an item that does not differ.
pub(super) fn no_difference(upstream: &PinnedUpstream, name: &str) -> anyhow::Error {
    let names: Vec<&str> = upstream.pending().map(|(_, name, _)| name).collect();
    let help = match names.is_empty() {
        true => "nothing of it differs; anyport pins list shows all upstreams".to_owned(),
        false => format!("these differ: {}", safe::revealed(&names.join(", "))),
    };
    UserError::failed(format!("no definition of {name} of {} differs from a pinned one", upstream.name), help)
}

fn value(list: &str, name: &str, pin: &Pin) -> Value {
    let definition = |one: &Definition| {
        let text = one.text.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        json!({"hash": one.hash, "since": one.since, "definition": text})
    };
    let all = |definitions: &[Definition]| definitions.iter().map(definition).collect::<Vec<_>>();
    json!({"list": list, "name": name, "accepted": all(&pin.accepted), "pending": all(&pin.pending)})
}

fn shown(upstream: &str, (list, name, pin): (&str, &str, &Pin), output: &Output) -> String {
    let mut text = String::new();
    for new in &pin.pending {
        let old = pin.accepted.iter().rev().find(|old| old.text.is_some()).or(pin.accepted.last());
        let what = match old {
            Some(old) => format!("was pinned at {} ({})", old.since, short(&old.hash)),
            None => "is new".to_owned(),
        };
        let head = format!("{} {name} {what}; seen at {} ({})", noun(list), new.since, short(&new.hash));
        text += &format!("{}\n", output.screen.strong(safe::revealed(&head)));
        match (old.map(|old| old.text.as_deref()), new.text.as_deref()) {
            (Some(None), _) | (_, None) => text += "  it is too long to be kept: only its hash is\n",
            (old, Some(new)) => {
                for (sign, line) in differences(old.flatten(), new) {
                    let line = safe::revealed(&line);
                    text += &match sign {
                        Sign::Old => format!("{}\n", output.screen.bad(format!("  - {line}"))),
                        Sign::New => format!("{}\n", output.screen.good(format!("  + {line}"))),
                    };
                }
            }
        }
        // The server has chosen the name, and the line may be copied into a shell.
        let item = safe::revealed(&format!("{name}@{}", short(&new.hash)));
        let item = shlex::try_quote(&item).unwrap_or("--all".into());
        text += &format!("  to accept it: anyport pins accept {upstream} {item}\n");
    }
    text
}
