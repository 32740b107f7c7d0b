use std::fmt;

use anyhow::Error;

use crate::exit::Exit;

/// A failure together with what to do about it.
#[derive(Debug)]
pub(crate) struct UserError {
    /// The failure.
    pub(crate) problem: String,
    /// The advice.
    pub(crate) help: String,
    /// How the program ends.
    pub(crate) exit: Exit,
}

impl UserError {
    /// Something did not work.
    pub(crate) fn failed(problem: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Self::new(Exit::Failed, problem, help))
    }

    /// A usage error.
    pub(crate) fn usage(problem: impl Into<String>, help: impl Into<String>) -> Error {
        Error::new(Self::new(Exit::Usage, problem, help))
    }

    /// Something ends the program in this way.
    pub(crate) fn new(exit: Exit, problem: impl Into<String>, help: impl Into<String>) -> Self {
        Self { problem: problem.into(), help: help.into(), exit }
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for UserError {}
