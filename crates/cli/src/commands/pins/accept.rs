//! `anyport pins accept`: accepts definitions that differ.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::{
    common::{Common, Wanted, noun, short},
    diff::no_difference,
};
use crate::{client_session::output::Output, exit::Exit, render::safe, user_error::UserError};

/// The arguments of `anyport pins accept`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    after_help = "Examples:\n  anyport pins accept files read_file\n  anyport pins accept files read_file@1f2e3d4c5b6a\n  anyport pins accept files --all"
)]
pub(super) struct Arguments {
    /// The name of the upstream in the file of the gateway.
    upstream: String,
    /// The items: their names or URIs; NAME@HASH accepts only the definition with this hash.
    #[arg(value_name = "NAME")]
    names: Vec<String>,
    /// Accept every definition of the upstream that differs.
    #[arg(long, conflicts_with = "names")]
    all: bool,
    #[command(flatten)]
    pub(super) common: Common,
}

/// Accepts definitions of an upstream.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let common = &arguments.common;
    let pins = common.pins()?;
    let upstream = common.upstream(&pins, &arguments.upstream)?;
    let name = &upstream.name;
    if arguments.names.is_empty() && !arguments.all {
        let problem = format!("no item of {name} was named");
        let help =
            format!("look at them: anyport pins diff {name}; accept all: anyport pins accept {name} --all");
        return Err(UserError::usage(problem, help));
    }
    let wanted: Vec<Wanted<'_>> = arguments.names.iter().map(|word| Wanted::of(word)).collect();
    for (wanted, word) in wanted.iter().zip(&arguments.names) {
        let mut pending = upstream.pending();
        let has = |pin: &anyport_gateway::federation::Pin| pin.pending.iter().any(|one| wanted.has(one));
        if !pending.any(|(_, item, pin)| wanted.names(name, item) && has(pin)) {
            return Err(no_difference(&upstream, word));
        }
    }
    let accepted = pins.wait(pins.records.accept(&upstream.file, name, |_, item, definition| {
        arguments.all || wanted.iter().any(|wanted| wanted.names(name, item) && wanted.has(definition))
    }))?;
    let value = || {
        let items = accepted.iter().map(|one| json!({"list": one.list, "name": one.name, "hash": one.hash}));
        json!({"file": upstream.file, "upstream": name, "accepted": items.collect::<Vec<_>>()})
    };
    Output::stdout(&common.output).show(value, |_| {
        let line = |noun: &str, item: &str, hash: &str| {
            safe::revealed(&format!("accepted the {noun} {item} of {name} ({})", short(hash))) + "\n"
        };
        let text: String = accepted.iter().map(|one| line(noun(&one.list), &one.name, &one.hash)).collect();
        Ok(if text.is_empty() { format!("nothing of {name} differs from what is pinned\n") } else { text })
    })?;
    Ok(Exit::Done.into())
}
