//! How documents are found and read.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
};

use crate::{
    document::{Document, FileTimes},
    folder::walk::Entry,
    warning::{Problem, Warning},
};

mod walk;

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
        match read_text(&entry.file, self.max_document_bytes) {
            Ok((text, times)) => {
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

/// Why a file is no document.
struct Refusal {
    line: Option<usize>,
    problem: Problem,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Self {
        Self { line: None, problem }
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        unreadable(&error).into()
    }
}

fn read_text(file: &Path, limit: u64) -> Result<(String, FileTimes), Refusal> {
    // Asked before it is opened, because opening a pipe waits for its writer.
    if !fs::symlink_metadata(file)?.is_file() {
        return Err(Problem::NotAFile.into());
    }
    let file = File::open(file)?;
    let metadata = file.metadata()?;
    if metadata.len() > limit {
        return Err(Problem::TooLarge(limit).into());
    }
    let modified = metadata.modified()?;
    // Not every file system knows when a file was made.
    let times = FileTimes { created: metadata.created().unwrap_or(modified), modified };
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    // It may grow while it is read.
    file.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > limit {
        return Err(Problem::TooLarge(limit).into());
    }
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        return Err(Problem::Binary(at).into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok((text, times)),
        Err(error) => {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            Err(Refusal { line: Some(line), problem: Problem::NotUtf8 })
        }
    }
}

/// What a failure to read something below the folder is to be called.
fn unreadable(error: &io::Error) -> Problem {
    match error.kind() {
        ErrorKind::NotFound => Problem::Vanished,
        _ => Problem::Unreadable(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
