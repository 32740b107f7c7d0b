//! When a file was made and changed.

use std::time::SystemTime;

/// When a file was made and changed.
#[derive(Clone, Copy, Debug)]
pub struct FileTimes {
    /// When it was made. Copying a file makes a new one, so this may well be after `modified`.
    pub created: SystemTime,
    /// When it was last changed.
    pub modified: SystemTime,
}

/// The times of a text that is no file: the Unix epoch.
impl Default for FileTimes {
    fn default() -> Self {
        Self { created: SystemTime::UNIX_EPOCH, modified: SystemTime::UNIX_EPOCH }
    }
}
