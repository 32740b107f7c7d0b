use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Seek as _, SeekFrom, Write},
    path::{Path, PathBuf},
    time::{SystemTime, UNIX_EPOCH},
};

use anyport_config::gateway::LogRotation;
use anyport_protocol::limits;
use clap::ValueEnum;

limits! {
    /// The limits of the log.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct LogLimits {
        /// The size of a file in bytes.
        #[default(10 MiB)]
        #[limit(Bytes "log_file_bytes", beyond = "the log file becomes `NAME.1`, and a new one begins")]
        pub(crate) bytes: u64,
        /// The number of older files beside it.
        #[default(5)]
        #[limit(Count "log_files", note = " older files", beyond = "the oldest is deleted")]
        pub(crate) files: usize,
        /// The size in bytes of the lines that wait to be written, to standard error and to the file each.
        #[default(4 MiB)]
        #[limit(
            Bytes "log_queue", note = " of lines that wait to be written, to standard error and to the file each",
            beyond = "further lines are lost and counted, and one says how many"
        )]
        pub(crate) queue: usize,
    }
}

/// When a log file is moved aside for a new one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Rotation {
    /// When it is full.
    #[default]
    Size,
    /// Also at the first line of a day, in UTC.
    Day,
}

impl From<LogRotation> for Rotation {
    fn from(rotation: LogRotation) -> Self {
        match rotation {
            LogRotation::Size => Self::Size,
            LogRotation::Day => Self::Day,
        }
    }
}

/// A file of whole lines. When it is full it becomes `NAME.1`, that becomes `NAME.2`, and so on; a new one begins.
///
/// It is there for as long as somebody writes: deleted or moved away, it is made anew. Several processes may write the
/// same one: each adds whole lines at its end, and one of them makes room for all.
#[derive(Debug)]
pub(super) struct LogFile {
    path: PathBuf,
    limits: LogLimits,
    rotation: Rotation,
    file: Option<File>,
}

impl LogFile {
    /// Opens the file, or makes it; what it holds stays.
    pub(super) fn open(path: &Path, limits: LogLimits, rotation: Rotation) -> io::Result<Self> {
        // Else, where it is a link, the link would be moved aside.
        let path = fs::canonicalize(path).or_else(|_| std::path::absolute(path))?;
        let mut log = Self { path, limits, rotation, file: None };
        log.file = Some(log.create()?);
        Ok(log)
    }

    fn create(&self) -> io::Result<File> {
        // The type is checked before it is opened: opening a pipe would wait for its reader.
        if fs::metadata(&self.path).is_ok_and(|found| !found.is_file()) {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        // Names of documents and callers stand in it.
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&self.path)?;
        // A process that was killed, or a full disk, may have left half a line.
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(-1)).and_then(|_| file.read_exact(&mut last)).is_ok() && last != [b'\n'] {
            let _ = file.write_all(b"\n");
        }
        Ok(file)
    }

    /// The file to write a line of `bytes` to.
    fn ready(&mut self, bytes: u64) -> io::Result<&mut File> {
        let file = match self.file.take().filter(|file| self.is_current(file)) {
            Some(file) => file,
            None => self.create()?,
        };
        let (metadata, now) = (file.metadata()?, SystemTime::now());
        let length = metadata.len();
        // The day of its last line. Without one, of a clock that goes back or of a system that has no times, the size alone counts.
        let is_of_earlier_day = || metadata.modified().is_ok_and(|last| day(last) < day(now));
        let is_daily = self.rotation == Rotation::Day;
        // A line that is longer than a file has one of its own.
        let full = length > 0 && (length + bytes > self.limits.bytes || is_daily && is_of_earlier_day());
        let moved = full && self.make_room(&file);
        let file = if moved { self.create()? } else { file };
        Ok(self.file.insert(file))
    }

    /// Moves `file` on, and those before it. Whether it did: if another process is at it, or it cannot be done, lines go
    /// where they went.
    fn make_room(&self, file: &File) -> bool {
        if file.try_lock().is_err() {
            return false;
        }
        let moved = self.is_current(file) && self.shift().is_ok();
        let _ = file.unlock();
        moved
    }

    /// Whether `file` is what stands under its name.
    fn is_current(&self, file: &File) -> bool {
        let same = |found: &fs::Metadata, ours: &fs::Metadata| {
            #[cfg(unix)]
            {
                use std::os::unix::fs::MetadataExt as _;
                (found.dev(), found.ino()) == (ours.dev(), ours.ino())
            }
            #[cfg(not(unix))]
            {
                found.created().ok() == ours.created().ok()
            }
        };
        fs::metadata(&self.path).and_then(|found| Ok(same(&found, &file.metadata()?))).unwrap_or(false)
    }

    /// Renames each file to the next number; beyond the limit, the last one is deleted.
    fn shift(&self) -> io::Result<()> {
        // They move up to the first number that is free: who keeps any number of files does not wait for as many looks.
        let free = (1..self.limits.files).find(|number| !self.numbered(*number).exists());
        for number in (1..free.unwrap_or(self.limits.files)).rev() {
            let _ = fs::rename(self.numbered(number), self.numbered(number + 1));
        }
        fs::rename(&self.path, self.numbered(1))
    }

    fn numbered(&self, number: usize) -> PathBuf {
        let mut name = self.path.clone().into_os_string();
        name.push(format!(".{number}"));
        name.into()
    }
}

/// The number of the day in UTC.
fn day(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / (24 * 60 * 60))
}

/// Each write is a line.
impl Write for LogFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.ready(line.len() as u64)?.write_all(line);
        if written.is_err() {
            // Opened again, it is looked at for the half of a line that may stand there now.
            self.file = None;
        }
        written.map(|()| line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn log(folder: &Path, bytes: u64, files: usize) -> LogFile {
        let limits = LogLimits { bytes, files, ..LogLimits::default() };
        LogFile::open(&folder.join("log"), limits, Rotation::Size).unwrap()
    }

    fn text(folder: &Path, name: &str) -> String {
        fs::read_to_string(folder.join(name)).unwrap_or_else(|_| "none".to_owned())
    }

    #[test]
    fn a_full_file_moves_on_and_so_many_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 8, 2);
        for line in ["one\n", "two\n", "three\n", "a line that is longer than a file\n", "four\n", "5\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        let all = ["log", "log.1", "log.2", "log.3"].map(|name| text(folder.path(), name));
        assert_eq!(all, ["four\n5\n", "a line that is longer than a file\n", "three\n", "none"]);
    }

    #[test]
    fn any_number_of_files_may_be_kept_and_a_gap_among_them_closes() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 4, usize::MAX);
        for line in ["1\n", "two\n", "three\n", "four\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        fs::remove_file(folder.path().join("log.2")).unwrap();
        log.write_all(b"five\n").unwrap();
        let all = ["log", "log.1", "log.2", "log.3", "log.4"].map(|name| text(folder.path(), name));
        assert_eq!(all, ["five\n", "four\n", "three\n", "1\n", "none"]);
    }

    #[cfg(unix)]
    #[test]
    fn every_file_is_its_owners_alone_and_what_was_there_keeps_its_mode() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let mode = |name: &str| fs::metadata(folder.path().join(name)).unwrap().permissions().mode() & 0o777;
        let mut first = log(folder.path(), 8, 2);
        first.write_all(b"first\n").unwrap();
        first.write_all(b"second\n").unwrap();
        assert_eq!((mode("log"), mode("log.1")), (0o600, 0o600));
    }

    #[test]
    fn a_file_of_an_earlier_day_moves_on_at_the_first_line_of_a_new_one() {
        let folder = tempfile::tempdir().unwrap();
        let open = |rotation| {
            let limits = LogLimits { files: 2, ..LogLimits::default() };
            LogFile::open(&folder.path().join("log"), limits, rotation).unwrap()
        };
        let age = |days: u64| {
            let then = SystemTime::now() - Duration::from_secs(days * 24 * 60 * 60);
            File::options().write(true).open(folder.path().join("log")).unwrap().set_modified(then).unwrap();
        };
        let mut log = open(Rotation::Day);
        log.write_all(b"monday\n").unwrap();
        age(1);
        log.write_all(b"tuesday\n").unwrap();
        age(3);
        // Another process, which has not seen the days before.
        open(Rotation::Day).write_all(b"friday\n").unwrap();
        let all = ["log", "log.1", "log.2"].map(|name| text(folder.path(), name));
        assert_eq!(all, ["friday\n", "tuesday\n", "monday\n"]);
        age(1);
        open(Rotation::Size).write_all(b"saturday\n").unwrap();
        assert_eq!(text(folder.path(), "log"), "friday\nsaturday\n");
    }

    #[test]
    fn a_file_that_was_deleted_or_moved_is_made_anew() {
        let folder = tempfile::tempdir().unwrap();
        let mut log = log(folder.path(), 1_000, 2);
        log.write_all(b"one\n").unwrap();
        fs::remove_file(folder.path().join("log")).unwrap();
        log.write_all(b"two\n").unwrap();
        assert_eq!(text(folder.path(), "log"), "two\n");
        fs::rename(folder.path().join("log"), folder.path().join("moved")).unwrap();
        log.write_all(b"three\n").unwrap();
        assert_eq!(
            (text(folder.path(), "moved"), text(folder.path(), "log")),
            ("two\n".into(), "three\n".into())
        );
    }

    #[test]
    fn half_a_line_that_a_crash_left_stays_alone() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("log"), "whole\nhal").unwrap();
        log(folder.path(), 1_000, 2).write_all(b"new\n").unwrap();
        assert_eq!(text(folder.path(), "log"), "whole\nhal\nnew\n");
    }

    #[test]
    fn two_who_write_the_same_file_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &'static str, folder: PathBuf| {
            let mut log = log(&folder, 2_000, 50);
            move || {
                (0..500).for_each(|number| log.write_all(format!("{name} {number}\n").as_bytes()).unwrap())
            }
        };
        let (one, mut two) = (write("one", folder.path().into()), write("two", folder.path().into()));
        let one = std::thread::spawn(one);
        two();
        one.join().unwrap();
        let mut lines = Vec::new();
        for file in fs::read_dir(folder.path()).unwrap() {
            let text = fs::read_to_string(file.unwrap().path()).unwrap();
            lines.extend(text.lines().map(ToOwned::to_owned));
        }
        lines.sort();
        let mut expected: Vec<String> = ["one", "two"]
            .iter()
            .flat_map(|name| (0..500).map(move |number| format!("{name} {number}")))
            .collect();
        expected.sort();
        assert_eq!(lines, expected);
    }

    #[test]
    fn what_is_no_file_is_refused_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let refused =
            |path: &Path| LogFile::open(path, LogLimits::default(), Rotation::Size).unwrap_err().to_string();
        assert_eq!(refused(folder.path()), "it is not a regular file");
        assert!(!refused(&folder.path().join("no/such/folder/log")).is_empty());
        #[cfg(unix)]
        assert_eq!(refused(Path::new("/dev/null")), "it is not a regular file");
    }
}
