//! Which files of a folder are documents.

use std::{
    collections::{HashSet, VecDeque},
    ffi::OsStr,
    fs::{self, DirEntry},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::read::unreadable;
use crate::{
    path::{DocumentPath, check_segment},
    warning::{Problem, Warning},
};

/// A file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// Its path below the folder.
    pub(crate) path: DocumentPath,
    /// Where it really is below the folder, if that is elsewhere because of a link.
    pub(crate) file: Option<Box<Path>>,
}

impl Entry {
    /// Where it really is below the folder, no link on the way.
    pub(crate) fn file(&self) -> &Path {
        self.file.as_deref().unwrap_or(Path::new(self.path.as_str()))
    }
}

/// The files in a folder.
#[derive(Debug)]
pub(crate) struct Listing {
    /// The folder, no link on the way.
    pub(crate) real: Arc<Path>,
    /// The documents, by path.
    pub(crate) files: Vec<Entry>,
    /// Whether there are links, wherever they lead.
    pub(crate) links: bool,
    /// Whether there are more documents than requested.
    pub(crate) limited: bool,
    pub(crate) warnings: Vec<Warning>,
}

/// Lists at most `most` documents below `root`. `enter` is called with each folder, links resolved, before the folder
/// is listed.
pub(crate) fn list(
    root: &Path,
    extensions: &[String],
    most: usize,
    enter: &mut dyn FnMut(&Path),
) -> io::Result<Listing> {
    let real: Arc<Path> = fs::canonicalize(root)?.into();
    let mut walk = Walk {
        real: &real,
        shown: root,
        extensions,
        most,
        enter,
        files: Vec::new(),
        limited: false,
        links: VecDeque::new(),
        has_links: false,
        reached: HashSet::new(),
        warnings: Vec::new(),
    };
    // The folder itself must be there; of what is in it, all may vanish.
    (walk.enter)(&real);
    let entries = fs::read_dir(&real)?;
    let top = Folder { real: real.to_path_buf(), below: String::new(), linked: false };
    walk.folders(top, entries);
    // In the order they were met, so that a link counts before the links behind it.
    while let Some(link) = walk.links.pop_front() {
        if let Err(problem) = walk.follow(&link) {
            walk.warn(&link.below, problem);
        }
    }
    walk.files.sort_by(|a, b| a.path.cmp(&b.path));
    let Walk { files, limited, has_links: links, warnings, .. } = walk;
    Ok(Listing { files, links, limited, warnings, real })
}

struct Walk<'a> {
    /// The folder, no link on the way.
    real: &'a Arc<Path>,
    /// The folder as it was named.
    shown: &'a Path,
    extensions: &'a [String],
    most: usize,
    /// Called with each folder before it is listed.
    enter: &'a mut dyn FnMut(&Path),
    files: Vec<Entry>,
    /// Whether `most` left some out.
    limited: bool,
    /// Links yet to be followed: all that is really there comes first.
    links: VecDeque<Link>,
    has_links: bool,
    /// Folders that a link has led into. None is entered twice that way, so links cost no more than the folder
    /// itself does, however they are crossed.
    reached: HashSet<PathBuf>,
    warnings: Vec<Warning>,
}

struct Folder {
    real: PathBuf,
    /// Its path below the folder, with `/`; empty for the folder itself.
    below: String,
    /// Whether a link led here.
    linked: bool,
}

struct Link {
    /// Where the link is.
    real: PathBuf,
    /// The path of its target.
    below: String,
}

impl Walk<'_> {
    /// Goes through a folder and all below it.
    fn folders(&mut self, top: Folder, entries: fs::ReadDir) {
        let mut found = self.folder(&top, entries);
        // An explicit stack: the nesting of folders is not bounded.
        while let Some(folder) = found.pop().filter(|_| !self.limited) {
            if folder.linked && !self.reached.insert(folder.real.clone()) {
                self.warn(&folder.below, Problem::LinkRepeats);
                continue;
            }
            (self.enter)(&folder.real);
            match fs::read_dir(&folder.real) {
                Ok(entries) => found.append(&mut self.folder(&folder, entries)),
                Err(error) => self.warn(&folder.below, unreadable(&error)),
            }
        }
    }

    /// Takes what is in one folder, and returns the folders in it, last first.
    fn folder(&mut self, folder: &Folder, entries: fs::ReadDir) -> Vec<Folder> {
        let mut found = Vec::new();
        for entry in entries {
            match entry {
                Ok(entry) => found.push(entry),
                Err(error) => self.warn(&folder.below, unreadable(&error)),
            }
        }
        found.sort_by_key(DirEntry::file_name);
        let mut folders = Vec::new();
        for entry in found {
            match self.entry(folder, &entry) {
                Ok(below) => folders.extend(below),
                Err(problem) => {
                    let below = join(&folder.below, &entry.file_name().to_string_lossy());
                    self.warn(&below, problem);
                }
            }
        }
        folders.reverse();
        folders
    }

    /// Takes one entry of a folder, and returns it if it is a folder to go through.
    fn entry(&mut self, folder: &Folder, entry: &DirEntry) -> Result<Option<Folder>, Problem> {
        let (name, kind) = (entry.file_name(), entry.file_type().map_err(|error| unreadable(&error))?);
        let candidate = kind.is_dir() || kind.is_symlink() || self.is_document(Path::new(&name));
        if is_ignored(&name) || !candidate {
            return Ok(None);
        }
        let name = name.to_str().ok_or(Problem::NameNotUtf8)?;
        check_segment(name).map_err(Problem::Name)?;
        let (real, below) = (folder.real.join(name), join(&folder.below, name));
        if kind.is_dir() {
            return Ok(Some(Folder { real, below, linked: folder.linked }));
        }
        if kind.is_symlink() {
            self.has_links = true;
            self.links.push_back(Link { real, below });
        } else {
            self.add(real, below)?;
        }
        Ok(None)
    }

    /// Goes where a link leads, if that is a place to go.
    fn follow(&mut self, link: &Link) -> Result<(), Problem> {
        let real =
            fs::canonicalize(&link.real).map_err(|error| Problem::LinkLeadsNowhere(error.to_string()))?;
        let is_dir = fs::metadata(&real).map_err(|error| unreadable(&error))?.is_dir();
        if !is_dir && !self.is_document(&link.real) {
            return Ok(());
        }
        let Ok(inside) = real.strip_prefix(&**self.real) else { return Err(Problem::LinkLeadsOut) };
        if inside.iter().any(is_ignored) {
            return Err(Problem::LinkLeadsToHidden);
        }
        if !is_dir {
            return self.add(real, link.below.clone());
        }
        if link.real.starts_with(&real) {
            return Err(Problem::LinkLeadsBack);
        }
        if !self.reached.insert(real.clone()) {
            return Err(Problem::LinkRepeats);
        }
        (self.enter)(&real);
        let entries = fs::read_dir(&real).map_err(|error| unreadable(&error))?;
        self.folders(Folder { real, below: link.below.clone(), linked: true }, entries);
        Ok(())
    }

    fn add(&mut self, file: PathBuf, below: String) -> Result<(), Problem> {
        if self.files.len() >= self.most {
            self.limited = true;
            return Ok(());
        }
        let below = DocumentPath::new(below).map_err(Problem::Name)?;
        // Without a link on the way a file is where it is called.
        let file = file.strip_prefix(&**self.real).unwrap_or(&file);
        let file = (file != Path::new(below.as_str())).then(|| file.into());
        self.files.push(Entry { path: below, file });
        Ok(())
    }

    fn is_document(&self, file: &Path) -> bool {
        is_document(file, self.extensions)
    }

    fn warn(&mut self, below: &str, problem: Problem) {
        self.warnings.push(Warning { file: self.shown.join(below), line: None, problem });
    }
}

/// Whether a file of this name is a document.
pub(crate) fn is_document(file: &Path, extensions: &[String]) -> bool {
    let extension = file.extension().and_then(OsStr::to_str).map(str::to_lowercase);
    extension.is_some_and(|extension| extensions.contains(&extension))
}

/// Hidden, or full of what no person wrote.
pub(crate) fn is_ignored(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "node_modules" || name == "target"
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
