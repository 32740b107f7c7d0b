use std::{ffi::OsString, process::ExitCode};

use anyhow::Error;
use clap::Command;
use serde_json::json;

use crate::{
    client_session::output::escaped,
    exit::Exit,
    logging,
    render::{Colour, Screen},
    usage,
    user_error::UserError,
};

/// The reader of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reader {
    /// Several lines.
    Person,
    /// One line of JSON.
    Program,
}

impl Reader {
    /// The reader, by whether `--json` was given.
    pub(crate) fn of(json: bool) -> Self {
        if json { Self::Program } else { Self::Person }
    }
}

/// Says what went wrong, why, and what to do, on standard error.
pub(crate) fn report(error: &Error, reader: Reader, colour: Colour) -> ExitCode {
    let user_error = error.downcast_ref::<UserError>();
    let exit = user_error.map_or(Exit::Failed, |user_error| user_error.exit);
    let help = user_error.map(|user_error| user_error.help.as_str());
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    match reader {
        Reader::Person => {
            let mut text = format!("{} {error}", Screen::stderr(colour).bad("error:"));
            for cause in causes {
                text += &format!("\n  caused by: {cause}");
            }
            if let Some(help) = help {
                text += &format!("\n  help: {help}");
            }
            logging::notice(text);
        }
        Reader::Program => {
            let text = json!({"error": {
                "kind": exit.name(),
                "exit": exit.code(),
                "message": error.to_string(),
                "causes": causes,
                "help": help,
                "server": user_error.and_then(|user_error| user_error.answer.as_ref()),
            }});
            logging::notice(escaped(&text.to_string()));
        }
    }
    exit.into()
}

/// Reports an invalid command line, and ends the program; help and version, which come in the same way, are not
/// failures.
pub(crate) fn report_usage(error: &clap::Error, words: &[OsString], program: &Command) -> ExitCode {
    if usage::is_help(error) {
        error.exit();
    }
    // Words after `--` belong to another program.
    let ours = words.iter().take_while(|word| *word != "--");
    let reader = Reader::of(ours.into_iter().any(|word| word == "--json"));
    report(&usage::user_error(error, words, program).into(), reader, Colour::Auto)
}
