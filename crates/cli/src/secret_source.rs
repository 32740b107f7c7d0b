use std::{fmt, fs, str::FromStr};

use anyhow::Result;

use crate::user_error::UserError;

/// The source of a secret: `env:NAME` or `file:PATH`. The secret itself is never on a command line, where every process
/// of the machine could read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    Environment(String),
    File(String),
}

/// The text is neither `env:NAME` nor `file:PATH`. It may be the secret itself, so it is not repeated.
#[derive(Debug)]
pub(crate) struct InvalidSecretSource;

impl FromStr for SecretSource {
    type Err = InvalidSecretSource;

    fn from_str(text: &str) -> Result<Self, InvalidSecretSource> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() && !name.contains(['=', '\0']) => {
                Ok(Self::Environment(name.into()))
            }
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            _ => Err(InvalidSecretSource),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

/// A token shorter than this can be guessed.
const SHORTEST: usize = 16;

/// How to get a good one.
const MAKE: &str = "make one with: openssl rand -hex 32";

impl SecretSource {
    /// Reads a secret that we demand of others, without white space around it.
    pub(crate) fn read(&self) -> Result<String> {
        let secret = self.text().map_err(|problem| UserError::failed(problem, MAKE))?;
        if secret.len() < SHORTEST {
            let problem = format!("the token in {self} is shorter than {SHORTEST} characters");
            return Err(UserError::failed(problem, MAKE));
        }
        self.one_word(&secret).map_err(|problem| UserError::failed(problem, MAKE))?;
        Ok(secret)
    }

    /// Reads a secret of another party, without white space around it and of any length. A missing secret is wrong
    /// usage, as with other variables.
    pub(crate) fn read_given(&self) -> Result<String> {
        let wrong =
            |problem| UserError::usage(problem, "write there the token that the server's owner gave you");
        let secret = self.text().map_err(wrong)?;
        if secret.is_empty() {
            return Err(wrong(format!("the token in {self} is empty")));
        }
        self.one_word(&secret).map_err(wrong)?;
        Ok(secret)
    }

    fn text(&self) -> Result<String, String> {
        let text = match self {
            Self::Environment(name) => std::env::var(name).map_err(|error| error.to_string()),
            Self::File(path) => fs::read_to_string(path).map_err(|error| error.to_string()),
        };
        match text {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(format!("cannot read the token from {self}: {error}")),
        }
    }

    /// No client could send another: a header holds one line, and a bearer token one word.
    fn one_word(&self, secret: &str) -> Result<(), String> {
        if secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        Err(format!("the token in {self} is not one word of ASCII letters, digits and signs"))
    }
}
