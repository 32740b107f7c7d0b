//! Files as values, and edits of their text.
//!
//! Each language has a parser of its own and an edit that changes one entry and nothing else. Every edit is checked: the new text
//! is parsed, and apart from the entry its value must be that of the old text.

mod error;
mod json;
mod json_edit;
mod layout;
mod toml;
mod toml_edit;
mod value;
mod yaml;
mod yaml_edit;

use std::fmt;

use serde_json::{Map, Value};

use self::value::{check_shape, same, without};
pub(crate) use self::{
    error::{EditError, SyntaxError},
    value::lookup,
};

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
        let text = layout::without_mark(text);
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
        let edited = layout::kept(text, |text| match self {
            Self::Json => json_edit::edit(text, section, name, entry),
            Self::Toml => toml_edit::edit(text, section, name, entry),
            Self::Yaml => yaml_edit::edit(text, section, name, entry),
        })?;
        let new = self.parse(&edited).map_err(|error| EditError::Unsafe(error.reason))?;
        match same(without(old, section, name), without(new.clone(), section, name))
            && lookup(&new, section, name).and_then(Value::as_object) == entry
        {
            true => Ok(edited),
            false => Err(EditError::Unsafe("its form is not one that can be edited safely".into())),
        }
    }
}

#[cfg(test)]
mod tests;
