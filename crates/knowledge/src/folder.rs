//! How documents are found and read.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    path::PathBuf,
};

use crate::{
    document::Document,
    folder::walk::Entry,
    warning::{Problem, Warning},
};

mod read;
mod walk;

pub(crate) use read::{FileRead, Refusal, read_text};

/// Largest document, unless [`Folders::max_document_bytes`] says otherwise.
pub const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// One or several folders of documents.
///
/// Files that end in `.md` or `.markdown` are documents, in any folder below. Hidden files and folders are
/// passed over, and so are `node_modules` and `target`. A symbolic link is followed if it leads to something
/// within the same folder, and each folder is read at most once by way of links; no link leads out.
#[derive(Clone, Debug)]
pub struct Folders {
    roots: Vec<PathBuf>,
    extensions: Vec<String>,
    max_document_bytes: u64,
}

/// What was read.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The documents, folder by folder and in each by path.
    pub documents: Vec<Document>,
    /// What was left out, and what could not be read as written, by file.
    pub warnings: Vec<Warning>,
}

/// A folder cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the folder {}: {cause}", .folder.display())]
pub struct FolderError {
    /// The folder, as it was named.
    pub folder: PathBuf,
    /// What the system says.
    pub cause: io::Error,
}

impl FolderError {
    /// What to do about it.
    pub fn help(&self) -> &'static str {
        match self.cause.kind() {
            ErrorKind::NotFound => "create it, or name a folder that exists",
            ErrorKind::NotADirectory => "name the folder that the file is in",
            ErrorKind::PermissionDenied => "allow the user that runs this program to list it",
            _ => "check that it is mounted and can be listed",
        }
    }
}

impl Folders {
    /// The folder at `root`.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            roots: vec![root.into()],
            extensions: vec!["md".to_owned(), "markdown".to_owned()],
            max_document_bytes: MAX_DOCUMENT_BYTES,
        }
    }

    /// Adds a folder. Where two folders have a document of the same path, the first one's is read.
    #[must_use]
    pub fn and(mut self, root: impl Into<PathBuf>) -> Self {
        self.roots.push(root.into());
        self
    }

    /// Takes files that end in `.extension` as documents too.
    #[must_use]
    pub fn extension(mut self, extension: impl AsRef<str>) -> Self {
        let extension = extension.as_ref();
        self.extensions.push(extension.strip_prefix('.').unwrap_or(extension).to_lowercase());
        self
    }

    /// Sets how large a document may be. Default [`MAX_DOCUMENT_BYTES`].
    #[must_use]
    pub fn max_document_bytes(mut self, bytes: u64) -> Self {
        self.max_document_bytes = bytes;
        self
    }

    /// Reads every document. The order is the same whenever the folders are.
    ///
    /// # Errors
    /// A folder that was named cannot be listed. What cannot be read within it is a [`Warning`].
    pub fn load(&self) -> Result<Loaded, FolderError> {
        let mut loaded = Loaded::default();
        let mut seen = HashMap::new();
        for root in &self.roots {
            let (entries, mut warnings) = walk::list(root, &self.extensions)
                .map_err(|cause| FolderError { folder: root.clone(), cause })?;
            for entry in entries {
                if let Some(first) = seen.get(&entry.path) {
                    let problem = Problem::Shadowed(PathBuf::clone(first));
                    warnings.push(Warning { file: entry.shown, line: None, problem });
                    continue;
                }
                let path = entry.path.clone();
                loaded.documents.extend(self.read(entry, &mut warnings));
                seen.insert(path, root.clone());
            }
            warnings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
            loaded.warnings.append(&mut warnings);
        }
        Ok(loaded)
    }

    /// Reads one document; what stands in its way becomes a warning.
    fn read(&self, entry: Entry, warnings: &mut Vec<Warning>) -> Option<Document> {
        let mut warn = |line, problem| warnings.push(Warning { file: entry.shown.clone(), line, problem });
        match read_text(&entry.root, &entry.file, self.max_document_bytes) {
            Ok(FileRead { text, times }) => {
                let (document, faults) = Document::parse(entry.path, &text, times);
                for fault in faults {
                    warn(Some(fault.line), Problem::FrontMatter(fault.reason));
                }
                Some(document)
            }
            Err(Refusal { line, problem }) => {
                warn(line, problem);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
