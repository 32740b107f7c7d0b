//! What is checked before a write.

use crate::{Entry, Error, Expect, KEY_MAX, Key};

impl Expect {
    /// Checks the newest version of a key, which is `None` if it is absent.
    pub(crate) fn check(self, newest: Option<&Entry>) -> Result<(), Error> {
        let holds = match self {
            Self::Anything => true,
            Self::Absent => newest.is_none(),
            Self::Version(version) => newest.is_some_and(|newest| newest.version == version),
        };
        if holds { Ok(()) } else { Err(Error::Conflict(newest.cloned())) }
    }
}

impl Key {
    /// Checks that a value can be stored under the key.
    pub(crate) fn check(&self) -> Result<(), Error> {
        match self.id.len() {
            0 => Err(Error::fault("a key without an id names a whole bucket")),
            length if length > KEY_MAX => Err(Error::TooLarge { limit: KEY_MAX }),
            _ => Ok(()),
        }
    }
}
