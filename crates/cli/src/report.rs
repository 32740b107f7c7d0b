use std::process::ExitCode;

use anyhow::Error;
use serde_json::json;

use crate::{client_session::output::escaped, exit::Exit, logging, user_error::UserError};

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
pub(crate) fn report(error: &Error, reader: Reader) -> ExitCode {
    let user_error = error.downcast_ref::<UserError>();
    let exit = user_error.map_or(Exit::Failed, |user_error| user_error.exit);
    let help = user_error.map(|user_error| user_error.help.as_str());
    let causes: Vec<String> = error.chain().skip(1).map(ToString::to_string).collect();
    match reader {
        Reader::Person => {
            let mut text = format!("error: {error}");
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
            }});
            logging::notice(escaped(&text.to_string()));
        }
    }
    exit.into()
}

/// Reports an invalid command line, and ends the program; help and version, which come in the same way, are not
/// failures.
pub(crate) fn report_usage(error: &clap::Error, reader: Reader) -> ExitCode {
    if reader == Reader::Person || !error.use_stderr() {
        error.exit();
    }
    let text = error.render().to_string();
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let problem = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let help: Vec<&str> = lines.take_while(|line| !line.starts_with("Usage:")).collect();
    let help = if help.is_empty() { "--help says what can be told".to_owned() } else { help.join("; ") };
    report(&UserError::usage(problem, help), reader)
}
