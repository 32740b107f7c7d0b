//! `anyport call`: calls a tool.

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::Result;
use anyport_protocol::{
    suggest::did_you_mean,
    types::{ContentBlock, Tool},
};

use super::{Words, list::some};
use crate::{
    client_session::{self, ClientSession, errors, output::Output},
    exit::Exit,
    logging,
    render::{content, safe},
    tool_args,
    user_error::UserError,
};

/// The arguments of `anyport call`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport call [OPTIONS] SERVER TOOL [KEY=VALUE | '{JSON}' | @FILE | -]...\n       \
        anyport call [OPTIONS] TOOL [KEY=VALUE | '{JSON}' | @FILE | -]... -- COMMAND [ARGS]...",
    after_help = "The exit code is 5 if the tool ran and failed."
)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) words: Words,
    /// Save images, audio and other files of the answer in this folder.
    #[arg(long, value_name = "DIR", help_heading = "Output")]
    output: Option<PathBuf>,
    /// Accept a result that does not fit the tool's output schema.
    #[arg(long, help_heading = "Output")]
    unchecked: bool,
}

/// Calls the tool and shows what it answers.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (target, tool, words) = arguments.words.split("TOOL")?;
    let files = content::Files::into(arguments.output.clone());
    let unchecked = arguments.unchecked;
    client_session::with(&arguments.words.options, target.as_deref(), async move |session, output| {
        call(session, output, &tool, &words, &files, unchecked).await
    })
}

async fn call(
    session: ClientSession,
    mut output: Output,
    name: &str,
    words: &[String],
    files: &content::Files,
    unchecked: bool,
) -> Result<Exit> {
    let tools = some(session.client.tools().await).map_err(|error| errors::of_call(&error))?;
    let tool = tools.iter().find(|tool| tool.name == name).ok_or_else(|| unknown(name, &tools))?;
    let given = tool_args::parse(words, name, &tool.input_schema, || io::read_to_string(io::stdin()))
        .map_err(|mistake| UserError::usage(safe::text(&mistake.problem), safe::text(&mistake.help)))?;
    let bar = session.bar.clone();
    let call = session.client.call(name, given).progress(move |step| bar.show(&step));
    let result = if unchecked { call.unchecked() } else { call }.await;
    session.bar.clear();
    let result = result.map_err(|error| errors::of_call(&error))?.into_inner();
    output.show(|| &result, |output| Ok(content::tool_result(&result, files, output.screen)?))?;
    if result.is_error == Some(true)
        && let Some(help) = result.content.iter().find_map(other_revision)
    {
        logging::notice(help);
    }
    Ok(if result.is_error == Some(true) { Exit::Tool } else { Exit::Done })
}

/// What to do about a failed tool whose server can ask only in another revision.
fn other_revision(block: &ContentBlock) -> Option<String> {
    match block {
        ContentBlock::Text(text) => errors::other_revision(&text.text),
        _ => None,
    }
}

fn unknown(name: &str, tools: &[Tool]) -> anyhow::Error {
    let names = || tools.iter().map(|tool| tool.name.as_str());
    let help = did_you_mean(name, names()).unwrap_or_else(|| match tools.len() {
        0 => "it has no tools at all".to_owned(),
        1..=12 => format!("it has {}", names().collect::<Vec<_>>().join(", ")),
        many => format!("`anyport tools` lists its {many}"),
    });
    UserError::usage(safe::line(&format!("the server has no tool {name}")), safe::line(&help))
}
