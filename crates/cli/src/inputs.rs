//! The values that the file of a client has its user asked for: `${input:ID}`.
//!
//! Each is asked for once, where there is a terminal, and is in memory alone. A variable of the environment comes before it.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use anyport_config::{ConfigFile, Input, InputKind, ServerConfig, Surroundings, input_ids, inputs};
use inquire::{InquireError, Password, PasswordDisplayMode, Select, Text};

use crate::{client_session::ask::is_interactive, render::safe, target::SecretValue, user_error::UserError};

/// Asks for what `servers` of the file at `path` refer to and no variable has; returns the answers by the variables that stand for
/// them. Without a terminal nothing is asked for, and the error of the server names the variable.
///
/// # Errors
/// When the user does not answer.
pub(crate) fn ask(
    path: &Path,
    servers: &[ServerConfig],
    surroundings: &Surroundings,
) -> Result<BTreeMap<String, String>> {
    let mut answers = BTreeMap::new();
    if !is_interactive() {
        return Ok(answers);
    }
    for input in missing(path, servers, surroundings) {
        // Nothing but VS Code can run its commands.
        if input.kind == InputKind::Command {
            continue;
        }
        let value = asked(&input).map_err(|_| {
            let problem = format!("{} was not answered", safe::line(&input.id));
            UserError::usage(problem, format!("answer it, or set {} in the environment", input.variable()))
        })?;
        SecretValue::new(value.clone());
        answers.insert(input.variable(), value);
    }
    Ok(answers)
}

/// The inputs that have no value.
fn missing(path: &Path, servers: &[ServerConfig], surroundings: &Surroundings) -> Vec<Input> {
    let text = ConfigFile::text(path).ok().flatten().unwrap_or_default();
    let known = inputs(path, &text);
    let mut missing: Vec<Input> = Vec::new();
    for id in servers.iter().flat_map(input_ids) {
        let input = known.iter().find(|input| input.id == id).cloned();
        let input = input.unwrap_or_else(|| Input::unknown(&id));
        let is_set = surroundings.variable(&input.variable()).is_some();
        if !is_set && missing.iter().all(|other| other.id != id) {
            missing.push(input);
        }
    }
    missing
}

fn asked(input: &Input) -> Result<String, InquireError> {
    let what = input.description.as_deref().unwrap_or(&input.id);
    let prompt = safe::line(&format!("{what}:"));
    let default = input.default.as_deref();
    match &input.kind {
        InputKind::Text | InputKind::Command => {
            let text = Text::new(&prompt);
            default.into_iter().fold(text, Text::with_default).prompt()
        }
        InputKind::Password => {
            let password = Password::new(&prompt).with_display_mode(PasswordDisplayMode::Hidden);
            password.without_confirmation().prompt()
        }
        InputKind::Choice(choices) => {
            let labels: Vec<String> = choices.iter().map(|(label, _)| safe::line(label)).collect();
            let start = choices.iter().position(|(_, value)| Some(value.as_str()) == default);
            let chosen =
                Select::new(&prompt, labels).with_starting_cursor(start.unwrap_or_default()).raw_prompt()?;
            Ok(choices.get(chosen.index).map(|(_, value)| value.clone()).unwrap_or_default())
        }
    }
}
