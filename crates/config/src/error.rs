use std::{
    io,
    path::{Path, PathBuf},
};

use crate::{
    document::{Language, SyntaxError},
    trust::Distrust,
};

/// The largest configuration file that is read, in bytes. Some clients keep more than settings in theirs, and a name is looked for in
/// every file whenever a shell completes it.
pub const MAX_FILE_BYTES: u64 = 16 << 20;

/// A fault of a configuration file, of an entry in it, or of writing it.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {error}", path = .0.display(), error = .1)]
    Unreadable(PathBuf, io::Error),
    /// The file belongs to a project, and its owner or its permissions are not such that it may be used.
    #[error("{path} is not used: {reason}", path = .0.display(), reason = .1)]
    Untrusted(PathBuf, Distrust),
    /// The file is larger than a configuration file may be.
    #[error("{path} is larger than {most} MiB, which no configuration file may be (MAX_FILE_BYTES)", path = .0.display(), most = MAX_FILE_BYTES >> 20)]
    TooLarge(PathBuf),
    /// The file is not of its language.
    #[error("{path} is no {language}: {reason} on line {line} column {column}", path = .path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Its language.
        language: Language,
        /// The line of the fault, from 1.
        line: usize,
        /// The column of the fault, from 1.
        column: usize,
        /// The fault.
        reason: String,
    },
    /// The file is of its language, but what it says is not of the expected shape.
    #[error("{key} in {path} is {found}, and {expected} was expected", path = .path.display())]
    Shape {
        /// The file.
        path: PathBuf,
        /// The key, from the root.
        key: String,
        /// The kind of its value.
        found: &'static str,
        /// The kind that was expected.
        expected: &'static str,
    },
    /// The entry of a server is wrong.
    #[error("the server {name} in {path} is wrong: {reason}", path = .path.display())]
    Entry {
        /// Its name.
        name: String,
        /// The file.
        path: PathBuf,
        /// The fault, with its key.
        reason: String,
    },
    /// The file has another server of this name, or this one disabled.
    #[error("{}", taken(.path, .name, *.is_disabled))]
    Taken {
        /// The name.
        name: String,
        /// The file.
        path: PathBuf,
        /// Whether it is the same server, disabled.
        is_disabled: bool,
    },
    /// A text edit would change more than the entry.
    #[error("cannot edit {path} without changing other parts of it: {reason}", path = .path.display())]
    Uneditable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// Another program wrote the file meanwhile.
    #[error("{path} was changed by another program meanwhile; nothing was written", path = .0.display())]
    Changed(PathBuf),
    /// Another process edits configuration files and does not end.
    #[error("another command has been editing configuration files for 10 s; it holds {path}", path = .0.display())]
    Locked(PathBuf),
    /// The file cannot be written.
    #[error("cannot write {path}: {error}; nothing was changed", path = .0.display(), error = .1)]
    Unwritable(PathBuf, io::Error),
}

fn taken(path: &Path, name: &str, is_disabled: bool) -> String {
    let path = path.display();
    if is_disabled {
        format!("{path} has {name} disabled")
    } else {
        format!("{path} has another server {name}")
    }
}

impl ConfigError {
    pub(crate) fn syntax(path: PathBuf, language: Language, error: SyntaxError) -> Self {
        let SyntaxError { line, column, reason } = error;
        Self::Syntax { path, language, line, column, reason }
    }

    pub(crate) fn unreadable(path: PathBuf, error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::FileTooLarge => Self::TooLarge(path),
            _ => Self::Unreadable(path, error),
        }
    }

    /// What a user can do about it.
    pub fn help(&self) -> &'static str {
        match self {
            Self::Unreadable(..) => "name an mcp.json as FILE#NAME",
            Self::Untrusted(_, distrust) => distrust.help(),
            Self::TooLarge(_) => "name another file, or take out what is no setting",
            Self::Locked(_) => "wait for it, or end it, and run the command again",
            Self::Syntax { .. } | Self::Shape { .. } | Self::Entry { .. } => "correct the file",
            Self::Taken { is_disabled: true, .. } => "enable it with --force",
            Self::Taken { .. } => "choose another name, or replace the entry with --force",
            Self::Uneditable { .. } => "edit the file by hand",
            Self::Changed(_) => "run the command again",
            Self::Unwritable(..) => "check the permissions of the file and its folder",
        }
    }
}
