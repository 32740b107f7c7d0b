//! How documents are found and read.

use std::{
    collections::HashMap,
    io::{self, ErrorKind},
    path::{Path, PathBuf},
    sync::Arc,
};

use crate::{
    document::Document,
    path::DocumentPath,
    warning::{Problem, Warning},
};

mod read;
mod walk;

use walk::Listing;

pub(crate) use read::{FileRead, Refusal, Stamp, read_text};
pub(crate) use walk::{Entry, is_document, is_ignored};

/// Largest document, unless [`Folders::max_document_bytes`] says otherwise.
pub const MAX_DOCUMENT_BYTES: u64 = 4 << 20;

/// Most documents of all folders together, unless [`Folders::max_documents`] says otherwise.
pub const MAX_DOCUMENTS: usize = 1_000_000;

/// One or several folders of documents.
///
/// Files that end in `.md` or `.markdown` are documents, in any folder below. Hidden files and folders are
/// passed over, and so are `node_modules` and `target`. A symbolic link is followed if it leads to something
/// within the same folder, and each folder is read at most once by way of links; no link leads out.
#[derive(Clone, Debug)]
pub struct Folders {
    pub(crate) roots: Vec<PathBuf>,
    pub(crate) extensions: Vec<String>,
    pub(crate) max_document_bytes: u64,
    pub(crate) max_documents: usize,
}

/// The documents.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The documents, folder by folder and in each by path.
    pub documents: Vec<Document>,
    /// The warnings by file: omitted files, and faults in files.
    pub warnings: Vec<Warning>,
}

/// A folder cannot be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the folder {}: {cause}", .folder.display())]
pub struct FolderError {
    /// The folder, as it was named.
    pub folder: PathBuf,
    /// The system's error.
    pub cause: io::Error,
}

impl FolderError {
    /// The advice.
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
            max_documents: MAX_DOCUMENTS,
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

    /// Sets how many documents there may be in all folders together; of more the first are read. Default
    /// [`MAX_DOCUMENTS`].
    #[must_use]
    pub fn max_documents(mut self, documents: usize) -> Self {
        self.max_documents = documents;
        self
    }

    /// Reads every document. The order is the same whenever the folders are.
    ///
    /// # Errors
    /// A folder that was named cannot be listed. What cannot be read within it is a [`Warning`].
    pub fn load(&self) -> Result<Loaded, FolderError> {
        let scan = self.scan(&mut |_, _| ());
        let mut loaded = Loaded { documents: Vec::new(), warnings: scan.warnings };
        for root in scan.roots {
            let root = root?;
            for entry in root.files {
                loaded.documents.extend(self.read(&root.real, &root.shown, entry, &mut loaded.warnings));
            }
        }
        // Those of each folder together, in the order of the folders.
        let place = |file: &Path| self.roots.iter().position(|root| file.starts_with(root));
        loaded
            .warnings
            .sort_by(|a, b| (place(&a.file), &a.file, a.line).cmp(&(place(&b.file), &b.file, b.line)));
        Ok(loaded)
    }

    /// Lists the files in the folders. `enter` is called with each folder, and the number of its root, before the
    /// folder is listed.
    pub(crate) fn scan(&self, enter: &mut dyn FnMut(usize, &Path)) -> Scan {
        let mut scan = Scan::default();
        let mut seen: HashMap<DocumentPath, &PathBuf> = HashMap::new();
        let mut left = self.max_documents;
        for (number, root) in self.roots.iter().enumerate() {
            let listed = walk::list(root, &self.extensions, left, &mut |folder| enter(number, folder));
            let Listing { real, mut files, links, limited, warnings } = match listed {
                Ok(listing) => listing,
                Err(cause) => {
                    scan.roots.push(Err(FolderError { folder: root.clone(), cause }));
                    continue;
                }
            };
            scan.warnings.extend(warnings);
            scan.links |= links;
            if limited && !scan.limited {
                scan.limited = true;
                let problem = Problem::TooMany(self.max_documents);
                scan.warnings.push(Warning { file: root.clone(), line: None, problem });
            }
            if number > 0 {
                files.retain(|entry| {
                    let first = seen.get(&entry.path);
                    scan.warnings.extend(first.map(|first| Warning {
                        file: root.join(entry.path.as_str()),
                        line: None,
                        problem: Problem::Shadowed(PathBuf::clone(first)),
                    }));
                    first.is_none()
                });
            }
            if number + 1 < self.roots.len() {
                seen.extend(files.iter().map(|entry| (entry.path.clone(), root)));
            }
            left = left.saturating_sub(files.len());
            scan.roots.push(Ok(Root { real, shown: root.clone(), files }));
        }
        scan
    }

    /// Reads one document; what stands in its way becomes a warning.
    fn read(&self, root: &Path, shown: &Path, entry: Entry, warnings: &mut Vec<Warning>) -> Option<Document> {
        let mut warn = |line, problem| {
            warnings.push(Warning { file: shown.join(entry.path.as_str()), line, problem });
        };
        match read_text(root, entry.file(), self.max_document_bytes) {
            Ok(FileRead { text, times, .. }) => {
                let (document, faults) = Document::parse(entry.path.clone(), &text, times);
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

/// The files in the folders.
#[derive(Debug, Default)]
pub(crate) struct Scan {
    /// The folders in their order.
    pub(crate) roots: Vec<Result<Root, FolderError>>,
    /// Whether there are links in them.
    pub(crate) links: bool,
    /// Whether there are more than `max_documents`.
    pub(crate) limited: bool,
    pub(crate) warnings: Vec<Warning>,
}

/// The files in one of several folders.
#[derive(Debug)]
pub(crate) struct Root {
    /// The folder, no link on the way.
    pub(crate) real: Arc<Path>,
    /// The folder as it was named.
    pub(crate) shown: PathBuf,
    /// The documents, by path, without those that an earlier folder has.
    pub(crate) files: Vec<Entry>,
}

#[cfg(test)]
mod tests;
