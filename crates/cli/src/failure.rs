use std::{fmt, process::ExitCode};

use anyhow::Error;

use crate::logging;

/// A failure together with what to do about it.
#[derive(Debug)]
pub(crate) struct Advice {
    /// What went wrong.
    pub(crate) problem: String,
    /// What to do.
    pub(crate) help: String,
    /// The user asked for something that cannot be: exit code 2.
    pub(crate) usage: bool,
}

impl Advice {
    /// Something did not work.
    pub(crate) fn failed(problem: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Self { problem: problem.into(), help: help.into(), usage: false })
    }

    /// Something was asked for in the wrong way.
    pub(crate) fn usage(problem: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Self { problem: problem.into(), help: help.into(), usage: true })
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for Advice {}

/// Says what went wrong, why, and what to do, each on its line.
pub(crate) fn report(error: &Error) -> ExitCode {
    let mut text = format!("error: {error}");
    for cause in error.chain().skip(1) {
        text += &format!("\n  caused by: {cause}");
    }
    let advice = error.downcast_ref::<Advice>();
    if let Some(advice) = advice {
        text += &format!("\n  help: {}", advice.help);
    }
    logging::notice(text);
    ExitCode::from(if advice.is_some_and(|advice| advice.usage) { 2 } else { 1 })
}
