//! Warnings: omitted files, and faults in files, with the reasons.

use std::{fmt, path::PathBuf};

use crate::path::PathError;

/// Something that a person should mend; everything else was read.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Warning {
    /// The file or folder.
    pub file: PathBuf,
    /// The line in it, from 1, where there is one.
    pub line: Option<usize>,
    /// The problem.
    pub problem: Problem,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The name comes from the folder, and must not control the terminal that shows it.
        f.write_str(&self.file.to_string_lossy().replace(char::is_control, "\u{fffd}"))?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        write!(f, ": {}", self.problem)
    }
}

impl Problem {
    /// The problem, without its consequence for the file.
    pub(crate) fn reason(&self) -> String {
        let said = self.to_string();
        said.strip_prefix("skipped: ").map(str::to_owned).unwrap_or(said)
    }
}

/// A problem with a file or folder.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The document is there, but not all of its front matter.
    #[error("front matter: {0}")]
    FrontMatter(String),
    /// More than `max_document_bytes`.
    #[error("skipped: larger than {0} bytes (max_document_bytes); split the document or raise the limit")]
    TooLarge(u64),
    /// It has a NUL byte.
    #[error("skipped: binary, with a NUL at byte {0}; a document is text")]
    Binary(usize),
    /// The text is in another encoding.
    #[error("skipped: not UTF-8; save it as UTF-8")]
    NotUtf8,
    /// It was listed, and gone when it was to be read.
    #[error("skipped: it vanished while the folder was read")]
    Vanished,
    /// The system would not let it be read.
    #[error("skipped: cannot read it: {0}")]
    Unreadable(String),
    /// A pipe, a socket or a device, which might never end.
    #[error("skipped: not a regular file")]
    NotAFile,
    /// The name cannot be written in a URI that others can read.
    #[error("skipped: its name is not UTF-8; rename it")]
    NameNotUtf8,
    /// The name cannot be part of a document's path.
    #[error("skipped: {0}; rename it")]
    Name(PathError),
    /// The link's target is not in the folder.
    #[error(
        "skipped: the link leads out of the folder; put a copy here, or name its folder as a further one"
    )]
    LinkLeadsOut,
    /// The link's target does not exist, or is a link to itself.
    #[error("skipped: the link leads nowhere: {0}")]
    LinkLeadsNowhere(String),
    /// The link's target is a folder above it.
    #[error("skipped: the link leads back to a folder that it lies in")]
    LinkLeadsBack,
    /// The link's target lies in a folder that is not read, as `.git` is not.
    #[error("skipped: the link leads into a hidden or ignored folder")]
    LinkLeadsToHidden,
    /// The link's target has been read under another link's name.
    #[error("skipped: another link has led to that folder already")]
    LinkRepeats,
    /// There are more than `max_documents`.
    #[error("not all is read: there are more than {0} documents (max_documents); raise the limit")]
    TooMany(usize),
    /// A folder that was served cannot be listed any more.
    #[error("its documents are {}: {cause}", if *.kept { "served as they were" } else { "no longer served" })]
    Gone {
        /// The system's error.
        cause: String,
        /// Whether the documents are still served.
        kept: bool,
    },
    /// An earlier folder has a document of this path.
    #[error("skipped: the document of the same path in {} comes first", .0.display())]
    Shadowed(PathBuf),
}
