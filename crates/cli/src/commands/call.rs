//! `anyport call`: calls a tool.

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::Result;
use anyport_client::{ArgumentsError, check_arguments};
use anyport_protocol::types::{CallToolResult, ContentBlock, Tool};
use serde_json::{Map, Value};

use super::{Words, list::some, tools::find};
use crate::{
    client_session::{self, ClientSession, errors, output::Output},
    exit::Exit,
    list_cache::Listed,
    logging,
    render::{
        content::{self, Answer},
        safe, signature,
    },
    tool_args::{self, Fit},
    user_error::UserError,
};

/// The arguments of `anyport call`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport call [OPTIONS] SERVER TOOL [KEY=VALUE | KEY:=JSON | '{JSON}' | @FILE | -]...\n       \
        anyport call [OPTIONS] TOOL [KEY=VALUE | KEY:=JSON | '{JSON}' | @FILE | -]... -- COMMAND [ARGS]...",
    after_help = "The exit code is 5 if the tool ran and failed.\n\nExamples:\n  \
        anyport call https://example.com/mcp search query='open issues' limit=5\n  \
        anyport call add numbers:='[1, 2]' -- npx -y @example/server"
)]
pub(crate) struct Arguments {
    /// Save images, audio and other files of the answer in this folder.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    /// Send arguments that do not fit the tool's input schema, and accept a result that does not fit its output schema.
    #[arg(long)]
    unchecked: bool,
    /// Print all of the answer: the text and the structured content, also where one says what the other does.
    #[arg(long)]
    all: bool,
    #[command(flatten)]
    pub(crate) words: Words,
}

/// Calls the tool and shows what it answers.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (target, tool, words) = arguments.words.split("call", "TOOL")?;
    let files = content::Files::into(arguments.output.clone());
    let Arguments { unchecked, all, .. } = *arguments;
    let answer = if all { Answer::All } else { Answer::One };
    client_session::with(&arguments.words.options, target.as_deref(), async move |session, mut output| {
        let result = call(&session, &tool, &words, unchecked).await?;
        let text = |output: &Output| Ok(content::tool_result(&result, answer, &files, output.screen)?);
        output.show(|| &result, text)?;
        if result.is_error != Some(true) {
            return Ok(Exit::Done);
        }
        if let Some(help) = result.content.iter().find_map(other_revision) {
            logging::notice(help);
        }
        Ok(Exit::Tool)
    })
}

/// Calls the tool `name`.
async fn call(
    session: &ClientSession,
    name: &str,
    words: &[String],
    unchecked: bool,
) -> Result<CallToolResult> {
    let tools = some(session.client.tools().await).map_err(|error| errors::of_call(&error))?;
    session.store(Listed::Tools(&tools)).await;
    let tool = find(&tools, name)?;
    let fit = if unchecked { Fit::May } else { Fit::Must };
    let given = tool_args::parse(words, name, &tool.input_schema, fit, || io::read_to_string(io::stdin()))
        .map_err(|mistake| UserError::usage(safe::text(&mistake.problem), safe::text(&mistake.help)))?;
    if !unchecked {
        check(tool, &given).await?;
    }
    session.bar.waiting.begin(format!("calling {name}"));
    let bar = session.bar.clone();
    let call = session.client.call(name, given).progress(move |step| bar.show(&step));
    let result = if unchecked { call.unchecked() } else { call }.await;
    session.bar.clear();
    Ok(result.map_err(|error| errors::of_call(&error))?.into_inner())
}

/// Checks arguments by the tool's schema.
async fn check(tool: &Tool, given: &Map<String, Value>) -> Result<()> {
    match check_arguments(&tool.input_schema, given).await {
        Ok(()) => Ok(()),
        Err(ArgumentsError::Misfit(fault)) => Err(misfit(tool, &fault)),
        // A server could write a schema that takes for ever; then its own check has to do.
        Err(unchecked @ ArgumentsError::Unchecked(_)) => {
            logging::notice(format!("the arguments are sent unchecked: {unchecked}"));
            Ok(())
        }
    }
}

/// Arguments that the tool's schema refuses.
fn misfit(tool: &Tool, fault: &str) -> anyhow::Error {
    let help = format!(
        "it is called as {}; --unchecked sends them as they are",
        signature::of(&tool.name, &tool.input_schema)
    );
    UserError::usage(
        safe::line(&format!("the arguments do not fit the tool's schema: {fault}")),
        safe::line(&help),
    )
}

/// What to do about a failed tool whose server can ask only in another revision.
fn other_revision(block: &ContentBlock) -> Option<String> {
    match block {
        ContentBlock::Text(text) => errors::other_revision(&text.text),
        _ => None,
    }
}
