//! `anyport read`: reads a resource.

use std::{path::PathBuf, process::ExitCode};

use anyhow::Result;

use super::Words;
use crate::{
    exit::Exit,
    failure::Advice,
    render::content,
    session::{
        self, Session, failure,
        output::{self, Output},
    },
};

/// What `anyport read` can be told.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport read [OPTIONS] SERVER URI\n       anyport read [OPTIONS] URI -- COMMAND [ARGS]..."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    words: Words,
    /// Save what is no text in this folder.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
}

impl Arguments {
    /// How the answer is written.
    pub(crate) fn output(&self) -> &output::Options {
        &self.words.options.output
    }
}

/// Reads the resource and shows it.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (target, uri, rest) = arguments.words.split("URI")?;
    if let Some(more) = rest.first() {
        return Err(Advice::usage(format!("{more} was not expected"), "name one URI"));
    }
    let files = content::Files::into(arguments.output.clone());
    session::with(&arguments.words.options, target.as_deref(), async move |session, output| {
        read(session, output, uri, &files).await
    })
}

async fn read(session: Session, mut output: Output, uri: String, files: &content::Files) -> Result<Exit> {
    let bar = session.bar.clone();
    let result = session.client.read(uri).progress(move |step| bar.show(&step)).await;
    session.bar.clear();
    let result = result.map_err(|error| failure::of_call(&error))?;
    match output.json {
        true => output.value(&result)?,
        false => output.text(&content::resource(&result, files, output.screen)?)?,
    }
    Ok(Exit::Done)
}
