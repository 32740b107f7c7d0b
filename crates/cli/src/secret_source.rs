use std::{
    borrow::Cow,
    env::VarError,
    fmt,
    fs::File,
    io::{self, Read as _},
    path::Path,
    str::FromStr,
};

use anyhow::Result;
use anyport_config::Surroundings;

use crate::{secret_command, user_error::UserError};

/// The source of a secret: `env:NAME`, `file:PATH` or `cmd:COMMAND`. The secret itself is never on a command line, where every
/// process of the machine could read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum SecretSource {
    Environment(String),
    File(String),
    /// A command that writes it to its standard output.
    Command(String),
}

/// The text is neither `env:NAME` nor `file:PATH` nor `cmd:COMMAND`. It may be the secret itself, so it is not repeated.
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
            Some(("cmd", command)) if !command.trim().is_empty() => Ok(Self::Command(command.into())),
            _ => Err(InvalidSecretSource),
        }
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Environment(name) => write!(f, "env:{name}"),
            Self::File(path) => write!(f, "file:{path}"),
            Self::Command(command) => write!(f, "cmd:{command}"),
        }
    }
}

/// What stands before a value of `anyport.toml` that is the text itself, though it looks like the source of a secret.
const TEXT: &str = "text:";

/// The text that `value` is by its prefix `text:`.
pub(crate) fn text_itself(value: &str) -> Option<&str> {
    value.strip_prefix(TEXT)
}

/// `text` as a value of `anyport.toml` that means this text, and no source of a secret.
pub(crate) fn as_text(text: &str) -> Cow<'_, str> {
    let is_misread = text_itself(text).is_some() || text.parse::<SecretSource>().is_ok();
    if is_misread { Cow::Owned(format!("{TEXT}{text}")) } else { Cow::Borrowed(text) }
}

/// The largest file of a secret, in bytes.
const LARGEST: u64 = 64 << 10;

/// The text of a file, which may be a pipe of the shell's.
fn file_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(LARGEST + 1).read_to_string(&mut text)?;
    match text.len() as u64 > LARGEST {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, format!("it has more than {LARGEST} bytes"))),
        false => Ok(text),
    }
}

/// A token shorter than this can be guessed.
const SHORTEST: usize = 16;

/// How to get a good one.
const MAKE: &str = "make one with: openssl rand -hex 32";

impl SecretSource {
    /// Reads a secret that we demand of others, without white space around it. `option` is the one that names its source.
    pub(crate) fn read(&self, option: &str) -> Result<String> {
        let wrong = |problem: String| UserError::usage(problem, self.help(MAKE));
        let secret = self.text(option).map_err(wrong)?;
        if secret.len() < SHORTEST {
            let problem = format!("the token of {option} {self} is shorter than {SHORTEST} characters");
            return Err(UserError::usage(problem, MAKE));
        }
        self.one_word(&secret, option).map_err(wrong)?;
        Ok(secret)
    }

    /// Reads a secret of another party, without white space around it and of any length. A missing secret is wrong
    /// usage, as with other variables. `option` is the one that names its source.
    pub(crate) fn read_given(&self, option: &str) -> Result<String> {
        let wrong = |problem| {
            UserError::usage(problem, self.help("write there the token that the server's owner gave you"))
        };
        let secret = self.text(option).map_err(wrong)?;
        if secret.is_empty() {
            return Err(wrong(format!("the token of {option} {self} is empty")));
        }
        self.one_word(&secret, option).map_err(wrong)?;
        Ok(secret)
    }

    /// Reads a secret that may have any form, without white space around it. `surroundings` has the variables.
    ///
    /// # Errors
    /// Why it cannot be read.
    pub(crate) fn read_text(&self, surroundings: &Surroundings) -> Result<String, String> {
        match self {
            Self::Environment(name) => {
                let value = surroundings.variable(name);
                value.map(str::to_owned).ok_or_else(|| {
                    format!("the variable {name} is not set; set it here, or in the .env beside the file")
                })
            }
            Self::File(path) => {
                let path = surroundings.cwd.join(path);
                let text = file_text(&path);
                text.map_err(|error| format!("the file {} cannot be read: {error}", path.display()))
            }
            Self::Command(command) => secret_command::output(command),
        }
        .map(|text| text.trim().to_owned())
    }

    /// What to do about a secret that is not there.
    fn help(&self, what: &str) -> String {
        match self {
            Self::Environment(name) => format!("{what}: export {name}=..."),
            Self::File(_) | Self::Command(_) => what.to_owned(),
        }
    }

    fn text(&self, option: &str) -> Result<String, String> {
        let text = match self {
            Self::Environment(name) => std::env::var(name).map_err(|error| match error {
                VarError::NotPresent => "the variable is not set".to_owned(),
                VarError::NotUnicode(_) => "the variable is no text".to_owned(),
            }),
            Self::File(path) => {
                file_text(path.as_ref()).map_err(|error| format!("the file cannot be read: {error}"))
            }
            Self::Command(command) => secret_command::output(command),
        };
        match text {
            Ok(text) => Ok(text.trim().to_owned()),
            Err(error) => Err(format!("no token for {option} {self}: {error}")),
        }
    }

    /// No client could send another: a header holds one line, and a bearer token one word.
    fn one_word(&self, secret: &str, option: &str) -> Result<(), String> {
        if secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Ok(());
        }
        Err(format!("the token of {option} {self} is not one word of ASCII letters, digits and signs"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_looks_like_a_source_is_marked_as_text() {
        for misread in ["env:HOME", "file:./dev.db", "cmd:touch x", "text:a"] {
            let marked = as_text(misread);
            assert_eq!(
                (text_itself(&marked), marked.parse::<SecretSource>().is_err()),
                (Some(misread), true)
            );
        }
        for plain in ["", "a", "https://a.example", "env:", "file", "postgres://u@h/d"] {
            assert_eq!(as_text(plain), plain);
        }
    }

    #[test]
    fn a_file_without_an_end_is_no_secret() {
        let surroundings = Surroundings::here();
        let endless = SecretSource::File("/dev/zero".into()).read_text(&surroundings);
        assert!(cfg!(not(unix)) || endless.unwrap_err().contains("more than 65536 bytes"));
    }
}
