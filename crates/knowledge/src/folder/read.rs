//! How one file is read, so that nothing outside of the folder is.

use std::{
    fs::{File, Metadata},
    io::{self, ErrorKind, Read},
    path::Path,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::{file_times::FileTimes, warning::Problem};

/// A file that was read.
pub(crate) struct FileRead {
    pub(crate) text: String,
    pub(crate) times: FileTimes,
    pub(crate) stamp: Stamp,
}

/// The metadata of a file: while it stays the same, the content most likely does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
    /// Which file it is, and when it was last touched in any way; not every system says.
    identity: (u64, u64, i64, i64),
}

impl Stamp {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt;

            (metadata.dev(), metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
        };
        #[cfg(not(unix))]
        let identity = (0, 0, 0, 0);
        Self { bytes: metadata.len(), modified: metadata.modified().ok(), identity }
    }

    /// Whether the file was last changed so long before `time` that another change would show: clocks of file systems
    /// have steps, of 2 s on some.
    pub(crate) fn is_older_than(&self, time: SystemTime) -> bool {
        let touched =
            u64::try_from(self.identity.2).ok().map(|seconds| UNIX_EPOCH + Duration::from_secs(seconds));
        let last = self.modified.max(touched);
        last.and_then(|last| time.duration_since(last).ok()).is_some_and(|age| age > STEP)
    }
}

/// More than the longest step of any file system's clock.
const STEP: Duration = Duration::from_millis(2_500);

/// Why a file is no document.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) line: Option<usize>,
    pub(crate) problem: Problem,
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

/// Reads the regular file at `file` below `root`. No part of `file` may be a link: where links lead was found out when
/// the folder was listed, and what is a link now was exchanged since.
pub(crate) fn read_text(root: &Path, file: &Path, limit: u64) -> Result<FileRead, Refusal> {
    let file = open(root, file)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(Problem::NotAFile.into());
    }
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
    if let Some(at) = memchr::memchr(0, &bytes) {
        return Err(Problem::Binary(at).into());
    }
    match String::from_utf8(bytes) {
        Ok(text) => Ok(FileRead { text, times, stamp: Stamp::of(&metadata) }),
        Err(error) => {
            let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
            let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
            Err(Refusal { line: Some(line), problem: Problem::NotUtf8 })
        }
    }
}

/// Classifies a failure to read something below the folder.
pub(super) fn unreadable(error: &io::Error) -> Problem {
    match error.kind() {
        // A folder on the way has become something else.
        ErrorKind::NotFound | ErrorKind::NotADirectory => Problem::Vanished,
        _ => Problem::Unreadable(error.to_string()),
    }
}

/// Opens a file, step by step on systems that cannot refuse to follow links.
#[cfg(unix)]
fn open(root: &Path, file: &Path) -> Result<File, Refusal> {
    use rustix::{fs, fs::OFlags, io::Errno};

    // A pipe would wait for its writer, a terminal become ours.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let folder = flags | OFlags::DIRECTORY;
    let refuse = |error: Errno| match error {
        // A link, or a socket.
        Errno::LOOP | Errno::NXIO | Errno::OPNOTSUPP => Refusal::from(Problem::NotAFile),
        error => io::Error::from(error).into(),
    };
    let mut at = fs::open(root, folder, fs::Mode::empty()).map_err(refuse)?;
    #[cfg(target_os = "linux")]
    {
        use fs::ResolveFlags;

        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_MAGICLINKS;
        match fs::openat2(&at, file, flags, fs::Mode::empty(), resolve) {
            Ok(file) => return Ok(file.into()),
            // A kernel before 5.6, or a sandbox that does not know the call.
            Err(Errno::NOSYS | Errno::PERM | Errno::INVAL) => {}
            Err(error) => return Err(refuse(error)),
        }
    }
    // No other check refuses it.
    if file.components().any(|part| !matches!(part, std::path::Component::Normal(_))) {
        return Err(Problem::NotAFile.into());
    }
    let mut names = file.iter().peekable();
    while let Some(name) = names.next() {
        let flags = if names.peek().is_some() { folder } else { flags };
        at = fs::openat(&at, name, flags, fs::Mode::empty()).map_err(refuse)?;
    }
    Ok(at.into())
}

/// Opens a file, and makes sure before and after that no link led to it.
#[cfg(not(unix))]
fn open(root: &Path, file: &Path) -> Result<File, Refusal> {
    let file = root.join(file);
    let is_itself = || Ok::<_, io::Error>(std::fs::canonicalize(&file)? == file);
    // Checked before it is opened, because opening a pipe waits for its writer.
    if !std::fs::symlink_metadata(&file)?.is_file() || !is_itself()? {
        return Err(Problem::NotAFile.into());
    }
    let opened = File::open(&file)?;
    if !is_itself()? {
        return Err(Problem::NotAFile.into());
    }
    Ok(opened)
}
