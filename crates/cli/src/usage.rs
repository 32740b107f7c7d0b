//! An invalid command line: what is wrong with it, and what was meant.

use std::ffi::OsString;

use anyport_protocol::suggest::did_you_mean;
use clap::{
    Command,
    error::{ContextKind, ContextValue, ErrorKind},
};

use crate::{exit::Exit, user_error::UserError};

/// Whether help or the version was asked for, which is no failure, or the command line is empty.
pub(crate) fn is_help(error: &clap::Error) -> bool {
    let help = [
        ErrorKind::DisplayHelp,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand,
        ErrorKind::DisplayVersion,
    ];
    help.contains(&error.kind())
}

/// The failure that `error` is, of the command line `words` of `program`.
pub(crate) fn user_error(error: &clap::Error, words: &[OsString], program: &Command) -> UserError {
    let command = words.iter().find_map(|word| program.find_subcommand(word));
    let (problem, help) = match (error.kind(), text(error, ContextKind::InvalidArg), command) {
        (ErrorKind::InvalidSubcommand, _, Some(command)) if command.has_subcommands() => {
            let name = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            let parts = command.get_subcommands().map(Command::get_name).filter(|part| *part != "help");
            let parts: Vec<&str> = parts.collect();
            let help = did_you_mean(&name, parts.iter().copied());
            let of = command.get_name();
            let help = help.unwrap_or_else(|| format!("anyport {of} takes one of {}", parts.join(", ")));
            (format!("there is no command {name} of anyport {of}"), help)
        }
        (ErrorKind::InvalidSubcommand, ..) => {
            let name = text(error, ContextKind::InvalidSubcommand).unwrap_or_default();
            (format!("there is no command {name}"), other_command(&name, program))
        }
        (ErrorKind::UnknownArgument, Some(word), Some(command)) if word.starts_with('-') => (
            format!("there is no option {word} of anyport {}", command.get_name()),
            other_option(&word, command, program),
        ),
        (ErrorKind::UnknownArgument, Some(word), _) if word.starts_with('-') => (
            format!("there is no option {word}"),
            "`anyport --help` lists the commands, which take the options".into(),
        ),
        _ => rendered(error, command),
    };
    UserError::new(Exit::Usage, problem, help)
}

/// A text of the context of an error.
fn text(error: &clap::Error, kind: ContextKind) -> Option<String> {
    match error.get(kind)? {
        ContextValue::String(text) => Some(text.clone()),
        ContextValue::Strings(texts) => texts.first().cloned(),
        _ => None,
    }
}

/// Names that other programs have, with what is meant by them here.
const MEANT: &[(&[&str], &str)] = &[
    (
        &["ls", "list-tools", "show"],
        "`anyport servers` lists the configured servers, `anyport tools SERVER` the tools of one",
    ),
    (
        &["run", "exec", "invoke", "call-tool", "use"],
        "`anyport call SERVER TOOL` calls a tool; a server that is a program stands after --: anyport tools -- COMMAND",
    ),
    (
        &["auth", "authenticate", "signin"],
        "`anyport login SERVER` signs in with OAuth; to a server that takes a token of yours, give it with --bearer env:NAME",
    ),
    (&["proxy", "gateway", "forward"], "`anyport bridge SERVER` puts a server in front of other clients"),
    (&["start", "docs", "up"], "`anyport serve --docs DIR` serves a folder of Markdown"),
    (
        &["check", "ping", "test", "debug", "status"],
        "`anyport doctor SERVER` checks the way to a server step by step",
    ),
    (&["describe", "info", "lint"], "`anyport inspect SERVER` describes a server"),
];

/// The command that may be meant by `name`.
fn other_command(name: &str, program: &Command) -> String {
    if let Some((_, meant)) = MEANT.iter().find(|(names, _)| names.contains(&name)) {
        return (*meant).to_owned();
    }
    let names = program.get_subcommands().filter(|command| !command.is_hide_set()).map(Command::get_name);
    let near = did_you_mean(name, names).map_or_else(String::new, |near| format!("{near} "));
    format!("{near}`anyport --help` lists the commands")
}

/// What may be meant by an option that `command` does not have.
fn other_option(word: &str, command: &Command, program: &Command) -> String {
    let names = |command: &Command| -> Vec<String> {
        let long = command.get_arguments().filter(|argument| !argument.is_hide_set());
        long.filter_map(|argument| argument.get_long()).map(|name| format!("--{name}")).collect()
    };
    let more = format!("`anyport {} --help` lists the options", command.get_name());
    if let Some(near) = did_you_mean(word, names(command).iter().map(String::as_str)) {
        return format!("{near} {more}");
    }
    let has = |other: &&Command| names(other).iter().any(|name| name == word);
    let others: Vec<String> =
        program.get_subcommands().filter(has).map(|other| format!("anyport {}", other.get_name())).collect();
    if !others.is_empty() {
        return format!("{} has it; {more}", others.join(" and "));
    }
    let name = word.trim_start_matches('-');
    match command.get_name() {
        "call" | "prompt" => format!("an argument of what is called is written {name}=VALUE; {more}"),
        "serve" | "completions" => more,
        _ => format!(
            "what belongs to a program that is to be started stands after --: -- COMMAND ARGS; {more}"
        ),
    }
}

/// The error in the words of the parser, without its advice to write options after `--`, where a program begins.
fn rendered(error: &clap::Error, command: Option<&Command>) -> (String, String) {
    let text = error.render().to_string();
    let mut parts = text.split("\n\n");
    let first = parts.next().unwrap_or_default();
    let lines = |text: &str| -> Vec<String> {
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.contains("use '-- "));
        lines.map(|line| line.trim_start_matches("tip: ").to_owned()).collect()
    };
    let problem = lines(first).join(" ");
    let ends = |part: &&str| part.starts_with("Usage:") || part.starts_with("For more");
    let mut help: Vec<String> = parts.take_while(|part| !ends(part)).flat_map(lines).collect();
    let name = command.map_or_else(String::new, |command| format!(" {}", command.get_name()));
    help.push(format!("`anyport{name} --help` says more"));
    (problem.trim_start_matches("error: ").to_owned(), help.join("; "))
}
