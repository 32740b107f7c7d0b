//! `anyport user list`: the local users that there are.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::json;

use super::common::{Common, stored, value};
use crate::{client_session::output::Output, commands::key::time, exit::Exit, render::table::table};

/// The arguments of `anyport user list`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(after_help = "Examples:\n  anyport user list\n  anyport user list --json")]
pub(super) struct Arguments {
    #[command(flatten)]
    pub(super) common: Common,
}

/// Lists the users.
pub(super) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let common = &arguments.common;
    let users = stored(common)?;
    let all = users.wait(users.records.users.list())?;
    let values = || json!({ "users": all.iter().map(value).collect::<Vec<_>>() });
    Output::stdout(&common.output).show(values, |output| {
        let rows = all.iter().map(|user| {
            let scopes =
                user.scopes.as_ref().map_or_else(|| "everything".to_owned(), |scopes| scopes.join(" "));
            vec![user.name.clone(), user.subject.clone(), scopes, time(user.created)]
        });
        let rows: Vec<Vec<String>> = rows.collect();
        Ok(match rows.is_empty() {
            true => "there are no users; `anyport user add NAME` adds one\n".to_owned(),
            false => table(&["NAME", "SUBJECT", "SCOPES", "CREATED"], &rows, output.screen),
        })
    })?;
    Ok(Exit::Done.into())
}
