use std::{fmt, process::ExitCode};

use anyhow::Error;

use crate::{exit::Exit, logging};

/// A failure together with what to do about it.
#[derive(Debug)]
pub(crate) struct Advice {
    /// What went wrong.
    pub(crate) problem: String,
    /// What to do.
    pub(crate) help: String,
    /// How the program ends.
    pub(crate) exit: Exit,
}

impl Advice {
    /// Something did not work.
    pub(crate) fn failed(problem: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Self::new(Exit::Failed, problem, help))
    }

    /// Something was asked for in the wrong way.
    pub(crate) fn usage(problem: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Self::new(Exit::Usage, problem, help))
    }

    /// Something ends the program in this way.
    pub(crate) fn new(exit: Exit, problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into(), exit }
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
    advice.map_or(Exit::Failed, |advice| advice.exit).into()
}
