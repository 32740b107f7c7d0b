//! How often passwords of a user are tried: counted in the store, so that several processes count together.

use std::{net::IpAddr, sync::Arc, time::Duration};

use anyport_metrics::{Counter, Metrics};
use anyport_store::{Bucket, Clock, Collection, Error as StoreError, Store};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    authorization_server::{limits::AuthorizationServerLimits, time::seconds_since_1970, token_text::hash},
    client_address::network,
};

/// How often passwords were tried, by a hash of the user's name, alone and with the address that they came from.
pub static LOGIN_ATTEMPTS: Bucket = Bucket::new("login-attempt").max_bytes(16 << 20);

/// The attempts of a minute.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Minute {
    /// When it began, in seconds since 1970.
    since: u64,
    attempts: usize,
}

/// Counts attempts.
#[derive(Debug)]
pub(super) struct Attempts {
    records: Collection<Minute>,
    pub(super) clock: Clock,
    limits: AuthorizationServerLimits,
    refused: Counter,
    refused_by_user: Counter,
}

const FORMAT: u8 = 1;
const MINUTE: Duration = Duration::from_secs(60);

impl Attempts {
    pub(super) fn new(store: Arc<dyn Store>, limits: AuthorizationServerLimits, metrics: &Metrics) -> Self {
        Self {
            records: Collection::new(store, &LOGIN_ATTEMPTS, FORMAT),
            clock: Clock::default(),
            limits,
            refused: metrics.refusals("login_attempts"),
            refused_by_user: metrics.refusals("login_attempts_of_user"),
        }
    }

    /// Counts an attempt to sign in as `name` from `address`, and returns whether it may be made. Attempts count whether or not there is
    /// such a user, so that the answer does not show whether there is one.
    ///
    /// Once an address is refused, its attempts no longer count against the user: guesses from one address do not lock out the user at
    /// another one.
    ///
    /// # Errors
    /// If the store fails.
    pub(super) async fn may_try(&self, name: &str, address: Option<IpAddr>) -> Result<bool, StoreError> {
        let name = name.to_ascii_lowercase();
        let of_address = json!([name, network(address).to_string()]).to_string();
        if self.count(&of_address).await? > self.limits.login_attempts {
            self.refused.increment();
            return Ok(false);
        }
        if self.count(&json!([name]).to_string()).await? > self.limits.login_attempts_of_user {
            self.refused_by_user.increment();
            return Ok(false);
        }
        Ok(true)
    }

    /// Counts one more of this minute. What is counted too often at once to be written is too often.
    async fn count(&self, of: &str) -> Result<usize, StoreError> {
        let (id, now, mut attempts) = (hash(of), seconds_since_1970(&self.clock), 0);
        let counted = self.records.update(&id, Some(MINUTE), |known| {
            let known = known.filter(|known| now.saturating_sub(known.since) < MINUTE.as_secs());
            let since = known.map_or(now, |known| known.since);
            attempts = known.map_or(0, |known| known.attempts).saturating_add(1);
            Minute { since, attempts }
        });
        match counted.await {
            Ok(_) => Ok(attempts),
            Err(StoreError::Conflict(_) | StoreError::Full) => Ok(usize::MAX),
            Err(error) => Err(error),
        }
    }
}
