//! Secrets and personal data: they are found in text, and covered.

mod card;
mod find;
mod iban;
mod kind;
mod secrets;

use std::{borrow::Cow, sync::Arc};

use anyport_protocol::{Raw, json::string::unescape};
use regex::Regex;

pub use self::kind::DataKind;
use crate::{
    place::unquoted,
    text::{Changes, Named, Walk, each_string, each_text_of_result},
    whole_match::{PatternError, compiled},
};

/// Covers secrets and personal data.
#[derive(Clone, Default)]
pub struct Mask {
    kinds: Vec<DataKind>,
    patterns: Vec<(Arc<str>, Regex)>,
    secrets: Option<Arc<dyn SecretNames>>,
}

/// What a program knows of its own secrets.
pub trait SecretNames: Send + Sync {
    /// Whether a member of this name has a secret: `password`.
    fn is_secret(&self, name: &str) -> bool;

    /// `text` without the secrets that are known.
    fn covered<'a>(&self, text: &'a str) -> Cow<'a, str>;
}

/// A pattern of a user cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{name}: {why}")]
pub struct PatternFault {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub why: PatternError,
}

impl Mask {
    /// Covers data of `kinds`.
    pub fn new(kinds: impl IntoIterator<Item = DataKind>) -> Self {
        let mut all: Vec<DataKind> = Vec::new();
        for kind in kinds {
            if !all.contains(&kind) {
                all.push(kind);
            }
        }
        Self { kinds: all, ..Self::default() }
    }

    /// Covers what matches `pattern`, too, under a name.
    ///
    /// # Errors
    /// A pattern that cannot be read, or is too large.
    pub fn pattern(mut self, name: &str, pattern: &str) -> Result<Self, PatternFault> {
        let compiled = compiled(pattern).map_err(|why| PatternFault { name: name.to_owned(), why })?;
        self.patterns.push((name.into(), compiled));
        Ok(self)
    }

    /// Covers the secrets that the program knows, where secrets are covered.
    #[must_use]
    pub fn secrets(mut self, secrets: Arc<dyn SecretNames>) -> Self {
        self.secrets = Some(secrets);
        self
    }

    /// The same without what the program knows of its own secrets.
    #[must_use]
    pub fn without_names(mut self) -> Self {
        self.secrets = None;
        self
    }

    /// Whether it covers nothing.
    pub fn is_empty(&self) -> bool {
        self.kinds.is_empty() && self.patterns.is_empty()
    }

    /// What either covers.
    #[must_use]
    pub fn joined(&self, other: &Self) -> Self {
        let mut joined = Self::new(self.kinds.iter().chain(&other.kinds).copied());
        joined.patterns = self.patterns.clone();
        for (name, pattern) in &other.patterns {
            if !joined.patterns.iter().any(|(known, _)| known == name) {
                joined.patterns.push((name.clone(), pattern.clone()));
            }
        }
        joined.secrets = self.secrets.clone().or_else(|| other.secrets.clone());
        joined
    }

    /// `text` with what it has covered: `[email hidden]`.
    pub fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        let mut covered = Cow::Borrowed(text);
        for kind in &self.kinds {
            if *kind == DataKind::Secrets
                && let Some(secrets) = &self.secrets
                && let Cow::Owned(new) = secrets.covered(&covered)
            {
                covered = Cow::Owned(new);
            }
            if let Some(new) = kind.covered(&covered) {
                covered = Cow::Owned(new);
            }
        }
        for (name, pattern) in &self.patterns {
            let replaced =
                pattern.replace_all(&covered, |found: &regex::Captures<'_>| match found[0].is_empty() {
                    true => String::new(),
                    false => format!("[{name} hidden]"),
                });
            if let Cow::Owned(new) = replaced {
                covered = Cow::Owned(new);
            }
        }
        covered
    }

    /// The result of a request with its texts and the names of its members covered; `None` if it has nothing to cover.
    pub fn result(&self, result: &Raw) -> Option<Raw> {
        let mut changes = Changes::default();
        let names_all = |name: &str| self.is_secret(name);
        each_text_of_result(result.as_str(), &names_all, &mut |text| self.cover(text, &mut changes));
        changes.applied(result)
    }

    /// Any value with all of its strings and names of members covered; `None` if it has nothing to cover.
    pub fn value(&self, value: &Raw) -> Option<Raw> {
        let mut changes = Changes::default();
        // What is below the name of a secret is a part of it: `{"password": {"value": "..."}}`.
        let walk = Walk { enter: |_: &str, _: &str| true, names_all: |name: &str| self.is_secret(name) };
        each_string(value.as_str(), "", &walk, &mut |text| self.cover(text, &mut changes));
        changes.applied(value)
    }

    fn cover<'a>(&self, text: Named<'a>, changes: &mut Changes<'a>) {
        let plain = unquoted(text.string);
        if self.is_secret(text.name) && !plain.is_empty() {
            changes.put(text, DataKind::Secrets.cover());
        } else if let Cow::Owned(new) = self.text(&plain) {
            changes.put(text, new);
        }
    }

    /// Whether a member has a secret, by its name as it stands in the text.
    fn is_secret(&self, name: &str) -> bool {
        let secrets = self.secrets.as_ref().filter(|_| self.kinds.contains(&DataKind::Secrets));
        !name.is_empty() && secrets.is_some_and(|secrets| secrets.is_secret(&unescape(name)))
    }
}

#[cfg(test)]
mod tests;
