//! One change of one file.

use std::path::Path;

use anyhow::{Error, Result};
use anyport_config::{
    ConfigError, ConfigFile, ConfigLocation, ConfigStore, EditLock, GATEWAY, McpClient, Scope, Surroundings,
    Written, gateway,
};
use serde_json::{Map, Value, json};

use super::known::short;
use crate::{logging, state_dir, user_error::UserError};

/// A file as it was read, with the changes that are to be made. Nobody else of this user edits configuration files meanwhile.
pub(super) struct Edit {
    location: ConfigLocation,
    store: ConfigStore,
    _lock: EditLock,
    old: Option<String>,
    text: String,
    changes: Vec<Change>,
}

/// A change that was made to the text.
struct Change {
    client: &'static McpClient,
    name: String,
    what: What,
    /// Whether the text differs since.
    is_new: bool,
}

/// What a change does with a server.
enum What {
    /// Sets its entry; the flag says whether it may replace another one.
    Set(Map<String, Value>, bool),
    /// Removes it.
    Remove,
    /// Enables or disables it.
    Enable(bool),
}

impl Change {
    fn apply(&self, path: &Path, text: &str) -> Result<Option<String>, ConfigError> {
        match &self.what {
            What::Set(entry, replace) => self.client.set(path, text, &self.name, entry, *replace),
            What::Remove => self.client.remove(path, text, &self.name),
            What::Enable(is_enabled) => self.client.enable(path, text, &self.name, *is_enabled),
        }
    }
}

/// How often a change is made again because another program wrote the file.
const ATTEMPTS: usize = 5;

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
        Self::of(location)
    }

    /// Begins with the file at a location.
    pub(super) fn of(location: ConfigLocation) -> Result<Self> {
        Self::at(location, ConfigStore::new(state_dir::folder(None)))
    }

    /// Begins with a file.
    fn at(location: ConfigLocation, store: ConfigStore) -> Result<Self> {
        let lock = store.lock().map_err(|error| failed(&error))?;
        let old = ConfigFile::text(&location.path).map_err(|error| failed(&error))?;
        let text = old.clone().unwrap_or_default();
        Ok(Self { location, store, _lock: lock, old, text, changes: Vec::new() })
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
        client: &'static McpClient,
        name: &str,
        entry: &Map<String, Value>,
        replace: bool,
    ) -> Result<bool, ConfigError> {
        self.change(client, name, What::Set(entry.clone(), replace))
    }

    /// Removes a server; `false` if it is not there.
    pub(super) fn remove(&mut self, client: &'static McpClient, name: &str) -> Result<bool> {
        self.change(client, name, What::Remove).map_err(|error| failed(&error))
    }

    /// Enables or disables a server; `false` if it is so already.
    pub(super) fn enable(
        &mut self,
        client: &'static McpClient,
        name: &str,
        is_enabled: bool,
    ) -> Result<bool> {
        self.change(client, name, What::Enable(is_enabled)).map_err(|error| failed(&error))
    }

    /// Whether the file has a server of this name.
    pub(super) fn has(&self, name: &str, surroundings: &Surroundings) -> Result<bool> {
        if self.text.trim().is_empty() {
            return Ok(false);
        }
        let file = ConfigFile::parse(&self.location.path, &self.text, &surroundings.cwd);
        Ok(file.map_err(|error| failed(&error))?.names().any(|known| known == name))
    }

    fn change(&mut self, client: &'static McpClient, name: &str, what: What) -> Result<bool, ConfigError> {
        let mut change = Change { client, name: name.to_owned(), what, is_new: false };
        if let Some(text) = change.apply(&self.location.path, &self.text)? {
            (self.text, change.is_new) = (text, true);
        }
        let is_new = change.is_new;
        self.changes.push(change);
        Ok(is_new)
    }

    /// Writes the file, if it is to be changed. Where another program has written it meanwhile, the changes are made to its text.
    pub(super) fn save(mut self) -> Result<Option<Written>> {
        for _ in 1..ATTEMPTS {
            self.check()?;
            match self.write() {
                Err(ConfigError::Changed(_)) => self.again().map_err(|error| failed(&error))?,
                written => return written.map_err(|error| failed(&error)),
            }
        }
        self.check()?;
        self.write().map_err(|error| failed(&error))
    }

    /// Checks that a gateway can read its changed file: a running one would refuse it as a whole.
    fn check(&self) -> Result<()> {
        if self.location.client.id != GATEWAY.id || self.is_unchanged() {
            return Ok(());
        }
        let read = gateway::parse(&self.location.path, &self.text);
        read.map(drop).map_err(|error| {
            let problem = format!("nothing was written, since the gateway could not read it: {error}");
            UserError::usage(problem, "correct the file, or choose another name")
        })
    }

    fn is_unchanged(&self) -> bool {
        self.old.as_deref().unwrap_or_default() == self.text
    }

    fn write(&self) -> Result<Option<Written>, ConfigError> {
        if self.is_unchanged() {
            return Ok(None);
        }
        self.store.write(&self.location.path, self.old.as_deref(), &self.text).map(Some)
    }

    /// Makes the changes to what the file says now.
    ///
    /// # Errors
    /// [`ConfigError::Changed`] if they come to something else.
    fn again(&mut self) -> Result<(), ConfigError> {
        let path = &self.location.path;
        self.old = ConfigFile::text(path)?;
        self.text = self.old.clone().unwrap_or_default();
        for change in &self.changes {
            let text = change.apply(path, &self.text)?;
            if text.is_some() != change.is_new {
                return Err(ConfigError::Changed(path.clone()));
            }
            self.text = text.unwrap_or_else(|| std::mem::take(&mut self.text));
        }
        Ok(())
    }
}

/// Where the backup is, for people.
pub(super) fn backup_line(written: Option<&Written>, surroundings: &Surroundings) -> Option<String> {
    let backup = written?.backup.as_deref()?;
    Some(format!("the file as it was is {}", short(backup, surroundings)))
}

/// Warns where others can read a value that may be secret and was written to the file at a location.
pub(super) fn warn_of_readers(
    location: &ConfigLocation,
    written: Option<&Written>,
    surroundings: &Surroundings,
) {
    let Some(written) = written else { return };
    let file = short(&written.path, surroundings);
    if location.scope == Scope::Project {
        logging::notice(format!(
            "warning: {file} belongs to the project, and holds a value now that may be secret: everybody who gets the project gets \
             it; give it as env:NAME, and the file refers to the variable"
        ));
    } else if is_readable_by_all(&written.path) {
        logging::notice(format!(
            "warning: every user of this machine can read {file}, and it holds a value now that may be secret; keep it to \
             yourself with: chmod 600 {file}"
        ));
    }
}

/// Warns of variables whose values are written into the file of a client.
pub(super) fn warn_of_values(client: &McpClient, variables: &[String]) {
    for variable in variables {
        logging::notice(format!(
            "warning: {} has no variables in its file: the value of {variable} is written into it",
            client.title
        ));
    }
}

#[cfg(unix)]
fn is_readable_by_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
}

/// Elsewhere, files of a user are readable by their user.
#[cfg(not(unix))]
fn is_readable_by_all(_: &Path) -> bool {
    false
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
        ConfigError::Unwritable(..) | ConfigError::Changed(_) | ConfigError::Locked(_) => {
            UserError::failed(error.to_string(), error.help())
        }
        _ => UserError::usage(error.to_string(), error.help()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn what_another_program_wrote_meanwhile_stays() {
        let home = tempfile::tempdir().unwrap();
        let client = anyport_config::client("cursor").unwrap();
        let surroundings = Surroundings { cwd: home.path().to_owned(), ..Surroundings::default() };
        let location = client.file(Scope::Project, &surroundings).unwrap();
        let path = location.path.clone();
        let begin = || Edit::at(location.clone(), ConfigStore::default()).unwrap();
        let entry = |command: &str| json!({"command": command}).as_object().cloned().unwrap();

        let mut edit = begin();
        assert!(edit.set(client, "a", &entry("a"), false).unwrap());
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, "{\"mcpServers\": {\"b\": {\"command\": \"b\"}}}").unwrap();
        assert!(edit.save().unwrap().is_some());
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains("\"a\"") && text.contains("\"b\""), "{text}");

        // A server of the same name that another program has just written is not replaced.
        let mut edit = begin();
        assert!(edit.set(client, "c", &entry("c"), false).unwrap());
        let other = "{\"mcpServers\": {\"c\": {\"command\": \"other\"}}}";
        fs::write(&path, other).unwrap();
        assert!(edit.save().unwrap_err().to_string().contains("another server c"));
        assert_eq!(fs::read_to_string(&path).unwrap(), other);
    }
}
