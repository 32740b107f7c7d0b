use std::fmt;

use anyhow::Error;
use serde_json::Value;

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
    /// The error that the server answered with: its code, message and data.
    pub(crate) answer: Option<Value>,
    /// Whether it happened at a server, whose place belongs to the problem.
    pub(crate) is_of_server: bool,
    /// What the server refused, where it does not let the caller in.
    pub(crate) denial: Option<Denial>,
    /// The keys that lead to it in the file of a gateway, if it is there.
    pub(crate) keys: Vec<String>,
}

/// A request that the server refused because of who calls.
#[derive(Debug)]
pub(crate) struct Denial {
    /// The method.
    pub(crate) method: String,
    /// Whether the server does not know who calls (HTTP status 401), or does not allow it (403).
    pub(crate) is_unknown: bool,
    /// The header `WWW-Authenticate`.
    pub(crate) challenge: Option<String>,
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
        let (problem, help) = (problem.into(), help.into());
        Self { problem, help, exit, answer: None, is_of_server: false, denial: None, keys: Vec::new() }
    }
}

/// `error`, with the keys that lead to it in the file of a gateway.
pub(crate) fn at(keys: &[&str], error: Error) -> Error {
    match error.downcast::<UserError>() {
        Ok(error) => {
            Error::new(UserError { keys: keys.iter().map(|key| (*key).to_owned()).collect(), ..error })
        }
        Err(error) => error,
    }
}

impl fmt::Display for UserError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.problem)
    }
}

impl std::error::Error for UserError {}
