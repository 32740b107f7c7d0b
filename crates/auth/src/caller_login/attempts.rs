//! The logins that are under way: between the page of ours and the answer of the server's authorization server. They are in the store, so
//! any process takes the answer.

use std::{sync::Arc, time::Duration};

use anyport_seal::Sealer;
use anyport_service::Principal;
use anyport_store::{Bucket, Collection, Error as StoreError, Store};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::limits::CallerLoginLimits;
use crate::{
    error::Error, pending_login::PendingLogin, record_id::record_id, secret::Secret,
    store_sealer::StoreSealer,
};

/// The logins of callers that are under way. They have what is needed to get tokens, so they are sealed.
pub static CONNECT_ATTEMPTS: Bucket = Bucket::new("connect-attempt").max_bytes(64 << 20).sealed();

const FORMAT: u8 = 1;

/// A login that was begun by a browser.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Attempt {
    /// The hash of the browser's id.
    pub(super) browser: String,
    /// The name of the server.
    pub(super) server: String,
    /// `None` until its page is known, and once its answer has been taken.
    pub(super) login: Option<PendingLogin>,
}

/// The logins, by the principal and the `state`: another user finds none of them.
pub(super) struct Attempts {
    records: Collection<Attempt>,
    lifetime: Duration,
    max_open: usize,
    /// Held from the count to the record that counts from then on.
    counting: Mutex<()>,
}

/// Why the answer of a browser is not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTaken {
    /// The user has no login with this `state`, or not any more.
    #[error("the login is not known")]
    Unknown,
    /// Another browser has begun it, or it has another redirect URI.
    #[error("the login was begun elsewhere")]
    Foreign,
    #[error(transparent)]
    Failed(#[from] StoreError),
}

impl Attempts {
    pub(super) fn new(store: Arc<dyn Store>, sealer: Sealer, limits: CallerLoginLimits) -> Self {
        let records = Collection::new(store, &CONNECT_ATTEMPTS, FORMAT).sealer(Arc::new(StoreSealer(sealer)));
        let CallerLoginLimits { lifetime, max_open, .. } = limits;
        Self { records, lifetime, max_open, counting: Mutex::default() }
    }

    /// Takes a place for a login of `principal` with `state`. Returns `false` if too many of that user are under way.
    pub(super) async fn reserve(
        &self,
        principal: &Principal,
        state: &Secret,
        attempt: &Attempt,
    ) -> Result<bool, Error> {
        let _alone = self.counting.lock().await;
        let (open, _) = self.records.list(&prefix(principal), None, self.max_open.max(1)).await?;
        if open.len() >= self.max_open {
            return Ok(false);
        }
        self.records.insert(&id(principal, state.expose()), attempt, Some(self.lifetime)).await?;
        Ok(true)
    }

    /// Keeps what has become of a login that has its place.
    pub(super) async fn keep(
        &self,
        principal: &Principal,
        state: &Secret,
        attempt: &Attempt,
    ) -> Result<(), Error> {
        self.records.set(&id(principal, state.expose()), attempt, Some(self.lifetime)).await?;
        Ok(())
    }

    /// Ends a login.
    pub(super) async fn end(&self, principal: &Principal, state: &str) -> Result<(), Error> {
        Ok(self.records.remove(&id(principal, state)).await?)
    }

    /// Takes the login of `principal` with `state`, once, if it `is_own`. Another one does not end it.
    pub(super) async fn take(
        &self,
        principal: &Principal,
        state: &str,
        is_own: impl Fn(&Attempt) -> bool,
    ) -> Result<(String, PendingLogin), NotTaken> {
        let id = id(principal, state);
        let found = match self.records.get(&id).await {
            Err(StoreError::Unreadable) => None,
            found => found?,
        };
        let found = found.ok_or(NotTaken::Unknown)?;
        let (version, attempt) = (found.version, found.value);
        let Some(login) = attempt.login.clone() else { return Err(NotTaken::Unknown) };
        if !is_own(&attempt) {
            return Err(NotTaken::Foreign);
        }
        let taken = Attempt { login: None, ..attempt };
        match self.records.replace(&id, version, &taken, Some(self.lifetime)).await {
            // The same answer was brought twice.
            Err(StoreError::Conflict(_)) => return Err(NotTaken::Unknown),
            replaced => _ = replaced?,
        }
        self.records.remove(&id).await?;
        Ok((taken.server, login))
    }
}

fn prefix(principal: &Principal) -> String {
    record_id(&[&principal.to_string()])
}

fn id(principal: &Principal, state: &str) -> String {
    format!("{}/{}", prefix(principal), record_id(&[state]))
}
