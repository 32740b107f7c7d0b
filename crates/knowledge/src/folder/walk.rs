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
#[derive(Debug)]
pub(super) struct Entry {
    /// Its path below the folder.
    pub(super) path: DocumentPath,
    /// The folder, no link on the way.
    pub(super) root: Arc<Path>,
    /// Where it really is below that, no link on the way.
    pub(super) file: PathBuf,
    /// Where a person finds it.
    pub(super) shown: PathBuf,
}

/// Lists the documents below `root`, by path.
pub(super) fn list(root: &Path, extensions: &[String]) -> io::Result<(Vec<Entry>, Vec<Warning>)> {
    let real: Arc<Path> = fs::canonicalize(root)?.into();
    let mut walk = Walk {
        real: &real,
        shown: root,
        extensions,
        files: Vec::new(),
        links: VecDeque::new(),
        reached: HashSet::new(),
        warnings: Vec::new(),
    };
    // The folder itself must be there; of what is in it, all may vanish.
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
    Ok((walk.files, walk.warnings))
}

struct Walk<'a> {
    /// The folder, no link on the way.
    real: &'a Arc<Path>,
    /// The folder as it was named.
    shown: &'a Path,
    extensions: &'a [String],
    files: Vec<Entry>,
    /// Links yet to be followed: all that is really there comes first.
    links: VecDeque<Link>,
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
    /// What its target will be called.
    below: String,
}

impl Walk<'_> {
    /// Goes through a folder and all below it.
    fn folders(&mut self, top: Folder, entries: fs::ReadDir) {
        let mut found = self.folder(&top, entries);
        // A list of our own: nesting is as deep as whoever fills the folder likes.
        while let Some(folder) = found.pop() {
            if folder.linked && !self.reached.insert(folder.real.clone()) {
                self.warn(&folder.below, Problem::LinkRepeats);
                continue;
            }
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
        let entries = fs::read_dir(&real).map_err(|error| unreadable(&error))?;
        self.folders(Folder { real, below: link.below.clone(), linked: true }, entries);
        Ok(())
    }

    fn add(&mut self, file: PathBuf, below: String) -> Result<(), Problem> {
        let shown = self.shown.join(&below);
        let path = DocumentPath::new(below).map_err(Problem::Name)?;
        let file = file.strip_prefix(&**self.real).map(Path::to_owned).unwrap_or(file);
        self.files.push(Entry { path, root: self.real.clone(), file, shown });
        Ok(())
    }

    fn is_document(&self, file: &Path) -> bool {
        let extension = file.extension().and_then(OsStr::to_str).map(str::to_lowercase);
        extension.is_some_and(|extension| self.extensions.contains(&extension))
    }

    fn warn(&mut self, below: &str, problem: Problem) {
        self.warnings.push(Warning { file: self.shown.join(below), line: None, problem });
    }
}

/// Hidden, or full of what no person wrote.
fn is_ignored(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".") || name == "node_modules" || name == "target"
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() { name.to_owned() } else { format!("{folder}/{name}") }
}
