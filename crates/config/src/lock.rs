//! A lock for everybody who edits configuration files of one user.

use std::{
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use crate::{error::ConfigError, private::private_folder};

/// How long another one is waited for: an edit takes milliseconds.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// The right to edit configuration files, until it is dropped.
#[derive(Debug)]
pub struct EditLock {
    _file: Option<File>,
}

impl EditLock {
    /// Waits for the lock, which is a file in the `state` folder: beside the edited file it would be litter in repositories, and one
    /// lock for all files is enough for edits that are this short.
    ///
    /// Without such a folder there is no lock. Nothing that another program wrote is lost then either, as each write compares first.
    ///
    /// # Errors
    /// When another process holds it for 10 s.
    #[allow(clippy::disallowed_methods, reason = "commands edit files before they have a runtime")]
    pub(crate) fn take(state: Option<&Path>) -> Result<Self, ConfigError> {
        let Some(state) = state.filter(|state| private_folder(state).is_ok()) else {
            return Ok(Self { _file: None });
        };
        let path = state.join("edit.lock");
        let Ok(file) = OpenOptions::new().create(true).append(true).open(&path) else {
            return Ok(Self { _file: None });
        };
        let until = Instant::now() + LONGEST_WAIT;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(Self { _file: Some(file) }),
                Err(TryLockError::WouldBlock) if Instant::now() < until => thread::sleep(PAUSE),
                Err(TryLockError::WouldBlock) => return Err(ConfigError::Locked(path)),
                // The file system has no locks.
                Err(TryLockError::Error(_)) => return Ok(Self { _file: None }),
            }
        }
    }
}
