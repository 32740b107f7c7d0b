//! The file descriptors of the process: how many are open, and how many there may be.

/// The file descriptors of this process: sockets, files and pipes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileDescriptors {
    /// The number that is open.
    pub open: u64,
    /// The number that may be open: the soft limit `RLIMIT_NOFILE`.
    pub max: u64,
}

impl FileDescriptors {
    /// Counts them. Returns `None` where the operating system does not say, and if there is no limit.
    pub fn of_process() -> Option<Self> {
        Some(Self { open: open()?, max: max()? })
    }
}

/// The soft limit, which may change while the process runs.
#[cfg(unix)]
pub(crate) fn max() -> Option<u64> {
    use rustix::process::{Resource, getrlimit};

    getrlimit(Resource::Nofile).current
}

#[cfg(not(unix))]
pub(crate) fn max() -> Option<u64> {
    None
}

/// Linux 6.2 and later say the number as the size of the folder; before, its entries are counted.
#[cfg(target_os = "linux")]
fn open() -> Option<u64> {
    const FOLDER: &str = "/proc/self/fd";
    match std::fs::metadata(FOLDER).ok()?.len() {
        // Among the entries is the folder itself, while it is read.
        0 => u64::try_from(std::fs::read_dir(FOLDER).ok()?.count()).ok().map(|count| count.saturating_sub(1)),
        count => Some(count),
    }
}

#[cfg(not(target_os = "linux"))]
fn open() -> Option<u64> {
    None
}

/// Whether `error` says that the process or the system has no free descriptor.
pub(crate) fn are_used_up(error: &std::io::Error) -> bool {
    #[cfg(unix)]
    return [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE]
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()));
    #[cfg(not(unix))]
    return {
        let _ = error;
        false
    };
}

/// A descriptor that is given up where there is no other one.
#[derive(Debug)]
pub(crate) struct SpareDescriptor(Option<std::fs::File>);

impl SpareDescriptor {
    pub(crate) fn open() -> Self {
        #[cfg(unix)]
        return Self(std::fs::File::open("/dev/null").ok());
        #[cfg(not(unix))]
        return Self(None);
    }

    /// Frees the descriptor. Returns `false` if there is none.
    pub(crate) fn free(&mut self) -> bool {
        self.0.take().is_some()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn an_open_file_counts() {
        let before = FileDescriptors::of_process().unwrap();
        let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
        let with_files = FileDescriptors::of_process().unwrap();
        // Other tests open and close some.
        assert!(with_files.open >= before.open + 25, "{before:?} {with_files:?}");
        assert!(with_files.open <= with_files.max);
        drop(files);
    }

    #[test]
    fn a_used_up_limit_is_known_by_its_error() {
        assert!(are_used_up(&std::io::Error::from_raw_os_error(24)));
        assert!(are_used_up(&std::io::Error::from_raw_os_error(23)));
        assert!(!are_used_up(&std::io::ErrorKind::ConnectionAborted.into()));
    }
}
