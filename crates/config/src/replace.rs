//! Puts a new text in the place of a file: a reader sees the old one or the new one, and never half of one.

use std::{
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use crate::private::private_file;

/// A new text beside the file whose place it is to take. It is removed if it is not placed.
pub(crate) struct Replacement {
    path: PathBuf,
    beside: PathBuf,
    is_placed: bool,
}

impl Replacement {
    /// Writes the text for the file at `path`. Only its owner can read it until it has other permissions.
    pub(crate) fn write(path: &Path, content: &[u8]) -> io::Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let beside = path.with_file_name(format!(".{name}.{}.tmp", std::process::id()));
        // Of a process with the same number that was killed.
        let _ = fs::remove_file(&beside);
        let mut file = private_file(&beside)?;
        let replacement = Self { path: path.to_owned(), beside, is_placed: false };
        file.write_all(content)?;
        file.sync_all()?;
        Ok(replacement)
    }

    /// Gives it the permissions of the file whose place it takes.
    pub(crate) fn set_permissions(&self, permissions: fs::Permissions) -> io::Result<()> {
        fs::set_permissions(&self.beside, permissions)
    }

    /// Puts it in its place, in one step.
    pub(crate) fn place(mut self) -> io::Result<()> {
        fs::rename(&self.beside, &self.path)?;
        self.is_placed = true;
        Ok(())
    }
}

impl Drop for Replacement {
    fn drop(&mut self) {
        if !self.is_placed {
            let _ = fs::remove_file(&self.beside);
        }
    }
}
