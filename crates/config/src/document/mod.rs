//! Files as values, and edits of their text.
//!
//! Each language has a parser of its own and an edit that changes one entry and nothing else. Every edit is checked: the new text
//! is parsed, and apart from the entry its value must be that of the old text.

mod error;
mod json;
mod toml;
mod yaml;
mod yaml_edit;

use std::fmt;

use serde_json::{Map, Value};

pub(crate) use self::error::{EditError, SyntaxError};

/// The language of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// JSON, with or without comments and trailing commas.
    Json,
    /// TOML.
    Toml,
    /// YAML.
    Yaml,
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Json => "JSON",
            Self::Toml => "TOML",
            Self::Yaml => "YAML",
        })
    }
}

impl Language {
    /// The value of `text`; null if there is none.
    pub(crate) fn parse(self, text: &str) -> Result<Value, SyntaxError> {
        match self {
            Self::Json => json::parse(text),
            Self::Toml => toml::parse(text),
            Self::Yaml => yaml::parse(text),
        }
    }

    /// `text` with the entry `name` below the keys of `section`, or without it where `entry` is `None`.
    ///
    /// # Errors
    /// When `text` is not of this language, `section` is not an object in it, or more than the entry would change.
    pub(crate) fn edit(
        self,
        text: &str,
        section: &[&str],
        name: &str,
        entry: Option<&Map<String, Value>>,
    ) -> Result<String, EditError> {
        let old = self.parse(text)?;
        check_shape(&old, section)?;
        let edited = match self {
            Self::Json => json::edit(text, section, name, entry),
            Self::Toml => toml::edit(text, section, name, entry),
            Self::Yaml => yaml_edit::edit(text, section, name, entry),
        }?;
        let new = self.parse(&edited).map_err(|error| EditError::Unsafe(error.reason))?;
        match same(without(old, section, name), without(new.clone(), section, name))
            && lookup(&new, section, name).and_then(Value::as_object) == entry
        {
            true => Ok(edited),
            false => Err(EditError::Unsafe("its form is not one that can be edited safely".into())),
        }
    }
}

fn check_shape(root: &Value, section: &[&str]) -> Result<(), EditError> {
    let mut value = root;
    for (depth, key) in std::iter::once("").chain(section.iter().copied()).enumerate() {
        if depth > 0 {
            match value.get(key) {
                Some(inner) => value = inner,
                None => return Ok(()),
            }
        }
        if !value.is_object() && !value.is_null() {
            let key = if depth == 0 { "the root".into() } else { section[..depth].join(".") };
            return Err(EditError::Shape { key, found: crate::entry::kind(value) });
        }
    }
    Ok(())
}

pub(crate) fn lookup<'a>(root: &'a Value, section: &[&str], name: &str) -> Option<&'a Value> {
    section.iter().chain([&name]).try_fold(root, |value, key| value.get(key))
}

/// `root` without the entry, and without objects on the way to it that are empty then.
fn without(mut root: Value, section: &[&str], name: &str) -> Value {
    let path: Vec<&str> = section.iter().copied().chain([name]).collect();
    for depth in (0..path.len()).rev() {
        let parent = path[..depth].iter().try_fold(&mut root, |value, key| value.get_mut(key));
        let Some(Value::Object(parent)) = parent else { continue };
        let is_empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
        if depth + 1 == path.len() || parent.get(path[depth]).is_some_and(is_empty) {
            parent.shift_remove(path[depth]);
        }
    }
    root
}

fn same(old: Value, new: Value) -> bool {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(Map::is_empty);
    old == new || (empty(&old) && empty(&new))
}
