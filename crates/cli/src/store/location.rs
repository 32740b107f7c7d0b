use std::{fmt, path::PathBuf};

use anyport_config::Surroundings;
use anyport_store::Address;

use crate::{secret_source::SecretSource, target::SecretValue};

/// Where a store is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Location {
    /// In the state folder.
    State,
    /// In the memory of the process.
    Memory,
    /// In another folder.
    Sqlite(PathBuf),
    /// On servers of NATS.
    Nats(Address),
}

/// The forms of a location.
pub(crate) const FORMS: &str = "write memory, sqlite:FOLDER, nats://HOST:PORT or tls://HOST:PORT, or the place of that text: env:NAME or file:PATH";

impl Location {
    /// The location that `text` says, or that is at the place that it says. Paths and places are seen from `surroundings`. What it has of
    /// secrets appears in no output from now on.
    ///
    /// # Errors
    /// What is wrong with it, without repeating it.
    pub(crate) fn read(text: &str, surroundings: &Surroundings) -> Result<Self, String> {
        match text.parse::<SecretSource>() {
            Ok(place) => Self::parse(&place.read_text(surroundings)?, surroundings),
            Err(_) => Self::parse(text, surroundings),
        }
    }

    fn parse(text: &str, surroundings: &Surroundings) -> Result<Self, String> {
        if text == "memory" {
            return Ok(Self::Memory);
        }
        if let Some(path) = text.strip_prefix("sqlite:") {
            let folder = surroundings.cwd.join(path);
            return match (path.is_empty(), folder.is_file()) {
                (true, _) => Err("sqlite: is followed by the folder of the store".to_owned()),
                (_, true) => Err(format!("{} is a file: name the folder of the store", folder.display())),
                _ => Ok(Self::Sqlite(folder)),
            };
        }
        if !text.starts_with("nats://") && !text.starts_with("tls://") {
            return Err("it is no store".to_owned());
        }
        if let Some((user, _)) = text.split_once("://").and_then(|(_, rest)| rest.rsplit_once('@')) {
            // As it is written, which may be encoded.
            hide(user.split_once(':').map_or(user, |(_, password)| password));
        }
        let address: Address =
            text.parse().map_err(|error: anyport_store::InvalidAddress| error.to_string())?;
        address.secret().into_iter().for_each(hide);
        Ok(Self::Nats(address))
    }
}

fn hide(secret: &str) {
    let _ = SecretValue::new(secret.to_owned());
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::State => f.write_str("the state folder"),
            Self::Memory => f.write_str("memory"),
            Self::Sqlite(folder) => write!(f, "sqlite:{}", folder.display()),
            Self::Nats(address) => address.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::target::redacted;

    fn surroundings() -> Surroundings {
        let variables = [("STORE".to_owned(), "nats://me:from-a-variable@a:1,b:2".to_owned())];
        Surroundings { cwd: "/work".into(), variables: variables.into(), ..Surroundings::default() }
    }

    #[test]
    fn a_location_is_read_and_shown_without_its_password() {
        for (text, shown) in [
            ("memory", "memory"),
            ("sqlite:state", "sqlite:/work/state"),
            ("sqlite:/state", "sqlite:/state"),
            ("nats://a:4222,b:4222", "nats://a:4222,b:4222"),
            ("tls://me:pass%20word-1@a:4222", "tls://a:4222"),
            ("env:STORE", "nats://a:1,b:2"),
        ] {
            let location = Location::read(text, &surroundings()).unwrap();
            assert_eq!(location.to_string(), shown);
        }
        for secret in ["pass%20word-1", "pass word-1", "from-a-variable"] {
            assert_eq!(redacted(secret), "<hidden>");
        }
    }

    #[test]
    fn what_is_no_location_is_not_repeated() {
        for text in [
            "",
            "sqlite:",
            "postgres://me:hidden-4711@a",
            "nats://me:hidden-4711@",
            "env:NOT_SET",
            "file:none",
        ] {
            let wrong = Location::read(text, &surroundings()).unwrap_err();
            assert!(!wrong.contains("hidden-4711"), "{wrong}");
        }
    }
}
