use std::{fmt, fs, str::FromStr};

use anyhow::{Context as _, Result};

use crate::failure::Advice;

/// Where a secret is kept: `env:NAME` or `file:PATH`. The secret itself never stands on a command line, where every
/// process of the machine could read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Secret {
    Environment(String),
    File(String),
}

impl FromStr for Secret {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Ok(Self::Environment(name.into())),
            Some(("file", path)) if !path.is_empty() => Ok(Self::File(path.into())),
            // What was given may be the secret itself, so it is not repeated.
            _ => Err("must be env:NAME or file:PATH, never the secret itself".into()),
        }
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
        }
    }
}

/// A token shorter than this can be guessed.
const SHORTEST: usize = 16;

impl Secret {
    /// Reads the secret, without white space around it.
    pub(crate) fn read(&self) -> Result<String> {
        let text = match self {
            Self::Environment(name) => {
                std::env::var(name).with_context(|| format!("cannot read the environment variable {name}"))?
            }
            Self::File(path) => fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?,
        };
        let secret = text.trim();
        if secret.len() < SHORTEST {
            return Err(Advice::failed(
                format!("the token in {self} is shorter than {SHORTEST} characters"),
                "make one with: openssl rand -hex 32",
            ));
        }
        Ok(secret.to_owned())
    }
}
