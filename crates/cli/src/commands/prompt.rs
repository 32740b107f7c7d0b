//! `anyport prompt`: fills in a prompt.

use std::{io, path::PathBuf, process::ExitCode};

use anyhow::Result;
use anyport_protocol::{suggest::did_you_mean, types::Prompt};
use serde_json::{Map, Value, json};

use super::{Words, list::some};
use crate::{
    client_session::{self, ClientSession, errors, output::Output},
    exit::Exit,
    list_cache::Listed,
    render::{content, safe},
    tool_args::{self, Fit},
    user_error::UserError,
};

/// The arguments of `anyport prompt`.
#[derive(Debug, clap::Args)]
#[group(skip)]
#[command(
    override_usage = "anyport prompt [OPTIONS] SERVER PROMPT [KEY=VALUE | '{JSON}' | @FILE | -]...\n       \
        anyport prompt [OPTIONS] PROMPT [KEY=VALUE]... -- COMMAND [ARGS]...",
    after_help = "Examples:\n  anyport prompt https://example.com/mcp review language=rust\n  \
        anyport prompt review @arguments.json -- npx -y @example/server"
)]
pub(crate) struct Arguments {
    /// Save binary contents in this folder.
    #[arg(long, value_name = "DIR")]
    output: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) words: Words,
}

/// Fills in the prompt and shows its messages.
pub(crate) fn run(arguments: &Arguments) -> Result<ExitCode> {
    let (target, prompt, words) = arguments.words.split("prompt", "PROMPT")?;
    let files = content::Files::into(arguments.output.clone());
    client_session::with(&arguments.words.options, target.as_deref(), async move |session, output| {
        get(session, output, &prompt, &words, &files).await
    })
}

async fn get(
    session: ClientSession,
    mut output: Output,
    name: &str,
    words: &[String],
    files: &content::Files,
) -> Result<Exit> {
    let prompts = some(session.client.prompts().await).map_err(|error| errors::of_call(&error))?;
    session.store(Listed::Prompts(&prompts)).await;
    let prompt = prompts.iter().find(|prompt| prompt.name == name).ok_or_else(|| {
        let near = did_you_mean(name, prompts.iter().map(|prompt| prompt.name.as_str()));
        let help = near.unwrap_or_else(|| match prompts.is_empty() {
            true => "it has no prompts at all".into(),
            false => "`anyport prompts` lists what it has".into(),
        });
        UserError::usage(safe::line(&format!("the server has no prompt {name}")), safe::line(&help))
    })?;
    let given = tool_args::parse(words, name, &schema(prompt), Fit::Must, || io::read_to_string(io::stdin()))
        .map_err(|mistake| UserError::usage(safe::text(&mistake.problem), safe::text(&mistake.help)))?;
    session.bar.waiting.begin(format!("filling in {name}"));
    let result = session.client.prompt(name, given).await.map_err(|error| errors::of_call(&error))?;
    output.show(|| &result, |output| Ok(content::prompt(&result, files, output.screen)?))?;
    Ok(Exit::Done)
}

/// The arguments of a prompt as a tool's schema: all of them are text.
fn schema(prompt: &Prompt) -> Map<String, Value> {
    let arguments = || prompt.arguments.iter().flatten();
    let properties: Map<String, Value> =
        arguments().map(|argument| (argument.name.clone(), json!({"type": "string"}))).collect();
    let required: Vec<&str> = arguments()
        .filter(|argument| argument.required == Some(true))
        .map(|argument| argument.name.as_str())
        .collect();
    let schema = json!({"properties": properties, "required": required, "additionalProperties": false});
    schema.as_object().cloned().unwrap_or_default()
}
