//! The text of a document: in memory, or in its file.

use std::{path::Path, sync::Arc};

use crate::{
    folder::{self, Refusal},
    front_matter,
    path::DocumentPath,
    warning::Problem,
};

/// The text of a document without front matter, or where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Text {
    /// In memory.
    Held(Arc<str>),
    /// In a file, which is read on request.
    File(TextFile),
}

/// The file of a document with its text not in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextFile {
    /// The folder that no link may lead out of.
    pub(crate) root: Arc<Path>,
    /// Where the file is below it, if that is elsewhere than the document's path says.
    pub(crate) file: Option<Box<Path>>,
    /// How large it may be.
    pub(crate) limit: u64,
    /// How long the text was when it was last looked at, in bytes.
    pub(crate) bytes: u64,
}

/// Why the text of a document cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {path} now: {}", .problem.reason())]
pub struct Unreadable {
    /// The document.
    pub path: DocumentPath,
    /// The fault of its file.
    pub problem: Problem,
}

impl Unreadable {
    /// Whether there is no such file any more.
    pub fn is_gone(&self) -> bool {
        self.problem == Problem::Vanished
    }
}

impl Text {
    /// How long it is, in bytes; for a text in a file, how long it was when it was last looked at.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Held(text) => text.len() as u64,
            Self::File(file) => file.bytes,
        }
    }

    pub(crate) async fn read(&self, path: &DocumentPath) -> Result<Arc<str>, Unreadable> {
        let file = match self {
            Self::Held(text) => return Ok(text.clone()),
            Self::File(file) => file.clone(),
        };
        let document = path.clone();
        let read = tokio::task::spawn_blocking(move || file.read(&document)).await;
        // It is cancelled when the runtime ends.
        let read = read.unwrap_or_else(|error| Err(Problem::Unreadable(error.to_string())));
        read.map_err(|problem| Unreadable { path: path.clone(), problem })
    }

    pub(crate) fn read_blocking(&self, path: &DocumentPath) -> Result<Arc<str>, Unreadable> {
        match self {
            Self::Held(text) => Ok(text.clone()),
            Self::File(file) => file.read(path).map_err(|problem| Unreadable { path: path.clone(), problem }),
        }
    }
}

impl TextFile {
    fn read(&self, path: &DocumentPath) -> Result<Arc<str>, Problem> {
        let file = self.file.as_deref().unwrap_or(Path::new(path.as_str()));
        let read = folder::read_text(&self.root, file, self.limit);
        let file = read.map_err(|Refusal { problem, .. }| problem)?;
        Ok(front_matter::content(&file.text).into())
    }
}
