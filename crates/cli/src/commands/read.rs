//! `anyport read`: reads a resource.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;
use anyport_client::Error as ClientError;
use anyport_protocol::{jsonrpc::code, suggest::did_you_mean};

use super::Words;
use crate::{
    client_session::{self, ClientSession, errors, output::Output},
    exit::Exit,
    render::{content, safe},
    user_error::UserError,
};

/// The arguments of `anyport read`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport read [OPTIONS] SERVER URI\n       anyport read [OPTIONS] URI -- COMMAND [ARGS]...",
    after_help = "Examples:\n  anyport read https://example.com/mcp docs:///guide.md\n  \
        anyport read file:///logo.png --output images -- npx -y @example/server"
)]
pub(crate) struct Arguments {
    /// Save binary contents in this folder.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) words: Words,
}

/// Reads the resource and shows it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (target, uri, rest) = arguments.words.split("read", "URI")?;
    if let Some(more) = rest.first() {
        return Err(UserError::usage(format!("{more} was not expected"), "name one URI"));
    }
    let files = content::Files::into(arguments.output.clone());
    client_session::with(&arguments.words.options, target.as_deref(), async move |session, output| {
        read(session, output, uri, &files).await
    })
}

async fn read(
    session: ClientSession,
    mut output: Output,
    uri: String,
    files: &content::Files,
) -> Result<Exit> {
    session.bar.waiting.begin(format!("reading {uri}"));
    let bar = session.bar.clone();
    let result = session.client.read(uri.as_str()).progress(move |step| bar.show(&step)).await;
    session.bar.clear();
    let result = match result {
        Ok(result) => result,
        Err(error) => return Err(refused(&session, &uri, &error).await),
    };
    output.show(|| &result, |output| Ok(content::resource(&result, files, output.screen)?))?;
    Ok(Exit::Done)
}

/// Why it was not read, with the resource that may have been meant.
async fn refused(session: &ClientSession, uri: &str, error: &ClientError) -> anyhow::Error {
    let mut user_error = errors::user_error(error);
    // Revisions up to 2025-11-25 have a code of their own for what does not exist.
    if matches!(error.code(), Some(code::INVALID_PARAMS | code::RESOURCE_NOT_FOUND)) {
        let known = session.client.resources().await.unwrap_or_default();
        let near = did_you_mean(uri, known.iter().map(|resource| resource.uri.as_str()));
        user_error.help =
            near.map_or_else(|| "`anyport resources` lists what it has".into(), |near| safe::line(&near));
    }
    anyhow::Error::new(user_error)
}
