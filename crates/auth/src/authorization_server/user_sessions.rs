//! What a user is signed in to, ended by whoever runs the server.

use std::sync::Arc;

use anyport_store::{Collection, Error as StoreError, Store};
use serde::{Serialize, de::DeserializeOwned};

use super::{
    browser::{BROWSER_SESSIONS, SignedIn},
    grant::{Grant, OAUTH_GRANTS},
};

/// The browsers to which users are signed in, and what applications may do in their name, in a store.
#[derive(Clone, Debug)]
pub struct UserSessions {
    browsers: Collection<SignedIn>,
    grants: Collection<Grant>,
}

/// What was ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndedSessions {
    /// The number of browsers.
    pub browsers: usize,
    /// The number of applications, counted once for each time that the user has allowed one something.
    pub grants: usize,
}

const FORMAT: u8 = 1;
/// How many records are read at once.
const PAGE: usize = 100;

impl UserSessions {
    /// Those in `store`, which must have been opened with [`BUCKETS`](super::BUCKETS).
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            browsers: Collection::new(store.clone(), &BROWSER_SESSIONS, FORMAT),
            grants: Collection::new(store, &OAUTH_GRANTS, FORMAT),
        }
    }

    /// Ends all of the user with `subject`. Servers that run notice within seconds.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn end(&self, subject: &str) -> Result<EndedSessions, StoreError> {
        let browsers = remove(&self.browsers, |session| session.user.subject == subject).await?;
        let grants = remove(&self.grants, |grant| grant.user.subject == subject).await?;
        Ok(EndedSessions { browsers, grants })
    }
}

/// Removes the records that `is_wanted` names. Returns their number.
async fn remove<T: Serialize + DeserializeOwned>(
    records: &Collection<T>,
    is_wanted: impl Fn(&T) -> bool,
) -> Result<usize, StoreError> {
    let (mut removed, mut after) = (0, None::<String>);
    loop {
        let (page, next) = records.list("", after.as_deref(), PAGE).await?;
        for (id, _) in page.iter().filter(|(_, record)| is_wanted(&record.value)) {
            records.remove(id).await?;
            removed += 1;
        }
        match next {
            Some(next) => after = Some(next.to_string()),
            None => return Ok(removed),
        }
    }
}
