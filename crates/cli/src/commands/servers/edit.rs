//! One change of one file.

use anyhow::{Error, Result};
use anyport_config::{ConfigError, ConfigFile, ConfigLocation, McpClient, Scope, Surroundings, Written};
use serde_json::{Map, Value, json};

use super::known::short;
use crate::user_error::UserError;

/// A file as it was read, with the changes that are to be made.
pub(super) struct Edit {
    location: ConfigLocation,
    old: Option<String>,
    text: String,
}

impl Edit {
    /// Begins with the file of a client for a scope.
    pub(super) fn begin(
        client: &'static McpClient,
        scope: Scope,
        surroundings: &Surroundings,
    ) -> Result<Self> {
        let location = client.file(scope, surroundings).ok_or_else(|| match scope {
            Scope::Project => UserError::usage(
                format!("{} has no file in projects", client.title),
                "leave out --scope: its file of the user has the servers",
            ),
            Scope::User => UserError::usage("there is no home folder", "set HOME"),
        })?;
        Self::at(location)
    }

    /// Begins with a file.
    pub(super) fn at(location: ConfigLocation) -> Result<Self> {
        let old = ConfigFile::text(&location.path).map_err(|error| failed(&error))?;
        let text = old.clone().unwrap_or_default();
        Ok(Self { location, old, text })
    }

    /// The file.
    pub(super) fn location(&self) -> &ConfigLocation {
        &self.location
    }

    /// Sets the entry of a server; `false` if it is there already.
    ///
    /// # Errors
    /// As for [`McpClient::set`].
    pub(super) fn set(
        &mut self,
        client: &McpClient,
        name: &str,
        entry: &Map<String, Value>,
        replace: bool,
    ) -> Result<bool, ConfigError> {
        let text = client.set(&self.location.path, &self.text, name, entry, replace)?;
        Ok(self.take(text))
    }

    /// Removes a server; `false` if it is not there.
    pub(super) fn remove(&mut self, client: &McpClient, name: &str) -> Result<bool> {
        let text = client.remove(&self.location.path, &self.text, name);
        Ok(self.take(text.map_err(|error| failed(&error))?))
    }

    fn take(&mut self, text: Option<String>) -> bool {
        let changed = text.is_some();
        self.text = text.unwrap_or_else(|| std::mem::take(&mut self.text));
        changed
    }

    /// Writes the file, if it is to be changed.
    pub(super) fn save(self) -> Result<Option<Written>> {
        if self.old.as_deref().unwrap_or_default() == self.text {
            return Ok(None);
        }
        let written = anyport_config::write(&self.location.path, self.old.as_deref(), &self.text);
        written.map(Some).map_err(|error| failed(&error))
    }
}

/// Where the backup is, for people.
pub(super) fn backup_line(written: Option<&Written>, surroundings: &Surroundings) -> Option<String> {
    let backup = written?.backup.as_deref()?;
    Some(format!("the file as it was is {}", short(backup, surroundings)))
}

/// What was written, for programs.
pub(super) fn as_json(location: &ConfigLocation, written: Option<&Written>) -> Value {
    json!({
        "client": location.client.title,
        "file": location.path,
        "changed": written.is_some(),
        "backup": written.and_then(|written| written.backup.as_deref()),
    })
}

/// An error of a configuration file, with its advice. What could not be written is a failure, everything else wrong usage.
pub(super) fn failed(error: &ConfigError) -> Error {
    match error {
        ConfigError::Unwritable(..) | ConfigError::Changed(_) => {
            UserError::failed(error.to_string(), error.help())
        }
        _ => UserError::usage(error.to_string(), error.help()),
    }
}
