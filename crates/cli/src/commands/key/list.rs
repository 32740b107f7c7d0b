//! `anyport key list`: the API keys that there are.

use std::process::ExitCode;

use anyhow::Result;
use anyport_auth::resource_server::ApiKey;
use serde_json::json;

use super::common::{Common, stored, time, value};
use crate::{client_session::output::Output, exit::Exit, render::table::table};

/// The arguments of `anyport key list`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport key list\n  anyport key list --json")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Lists the keys.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let common = &arguments.common;
    let keys = stored(common)?;
    let mut all = keys.wait(keys.records.list())?;
    all.sort_by(|one, other| (&one.name, one.created, &one.id).cmp(&(&other.name, other.created, &other.id)));
    let values = || json!({ "keys": all.iter().map(value).collect::<Vec<_>>() });
    Output::stdout(&common.output).show(values, |output| {
        let rows: Vec<Vec<String>> = all.iter().map(row).collect();
        Ok(match rows.is_empty() {
            true => "there are no keys; `anyport key create NAME` makes one\n".to_owned(),
            false => {
                table(&["ID", "NAME", "SCOPES", "CREATED", "EXPIRES", "LAST USED"], &rows, output.screen)
            }
        })
    })?;
    Ok(Exit::Done.into())
}

fn row(key: &ApiKey) -> Vec<String> {
    let at = |seconds: Option<u64>, none: &str| seconds.map_or_else(|| none.to_owned(), time);
    vec![
        key.id.clone(),
        key.name.clone(),
        key.scopes.as_ref().map_or_else(|| "everything".to_owned(), |scopes| scopes.join(" ")),
        time(key.created),
        at(key.expires, "-"),
        at(key.last_used, "never"),
    ]
}
