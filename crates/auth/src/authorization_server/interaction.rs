//! What goes on between a browser and us: consent and login, kept in the store from one request of the browser to the next.

use std::{
    collections::{HashMap, VecDeque, hash_map::Entry},
    net::IpAddr,
    sync::Arc,
};

use anyport_service::sync::Lock;
use anyport_store::{Bucket, Collection, Error as StoreError, Store, Version};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::time::Instant;

use super::{
    authorization_request::AuthorizationRequest,
    browser::Browser,
    error::ServerError,
    limits::{AuthorizationServerLimits, Refusals},
    token_text::{TokenKind, has_hash, hash, random_id},
};
use crate::{client_address::network, secret::Secret, store_sealer::StoreSealer};

/// The interactions that have begun, by id. They have what identity providers must not learn, so they are sealed.
pub static INTERACTIONS: Bucket = Bucket::new("oauth-interaction").max_bytes(64 << 20).sealed();

/// An interaction as it is stored.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Stored {
    step: Step,
    /// The hash of the token of the next request, which is used once.
    token: String,
    /// The hash of the id of the browser.
    browser: String,
    purpose: Purpose,
    data: Value,
}

/// Which request comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Step {
    /// The form with which the user consents.
    Consent,
    /// A request of the login.
    Login,
}

/// What an interaction is for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Purpose {
    /// A client is given a code.
    Authorize {
        /// What it has asked for.
        asked: AuthorizationRequest,
        /// The user whose consent of before was used in place of a page, by issuer and subject.
        #[serde(default)]
        remembered: Option<(String, String)>,
    },
    /// A page of ours needs to know who the user is.
    Return {
        /// The path of the page.
        to: String,
    },
}

/// An interaction whose next request has come, with the token of the one after it.
#[derive(Debug)]
pub(super) struct Current {
    id: String,
    version: Version,
    browser: String,
    pub(super) token: Secret,
    pub(super) purpose: Purpose,
    pub(super) data: Value,
}

/// Why a request does not go on with an interaction.
#[derive(Debug, thiserror::Error)]
pub(super) enum InteractionError {
    /// 403: it is unknown, has expired, was used already, or has begun in another browser.
    #[error("this page has expired, was used already, or belongs to another browser")]
    Forbidden,
    /// 503.
    #[error("too many authorizations have begun (max_interactions)")]
    TooMany,
    #[error(transparent)]
    Failed(#[from] ServerError),
}

impl From<StoreError> for InteractionError {
    fn from(error: StoreError) -> Self {
        Self::Failed(error.into())
    }
}

/// The interactions of a store.
/// The interactions that began in the time of one, oldest first, and their number by address.
#[derive(Default)]
struct Begun {
    all: VecDeque<(Instant, IpAddr)>,
    of_address: HashMap<IpAddr, usize>,
}

pub(super) struct Interactions {
    records: Collection<Stored>,
    limits: AuthorizationServerLimits,
    refusals: Refusals,
    /// When those of this process have begun.
    begun: Lock<Begun>,
}

const FORMAT: u8 = 1;

impl Interactions {
    pub(super) fn new(
        store: Arc<dyn Store>,
        sealer: anyport_seal::Sealer,
        (limits, refusals): (AuthorizationServerLimits, Refusals),
    ) -> Self {
        let records = Collection::new(store, &INTERACTIONS, FORMAT).sealer(Arc::new(StoreSealer(sealer)));
        Self { records, limits, refusals, begun: Lock::default() }
    }

    /// Begins an interaction of `browser`. Each render of a page has one of its own, so that none makes another one invalid.
    pub(super) async fn begin(
        &self,
        step: Step,
        browser: &Browser,
        purpose: Purpose,
        address: Option<IpAddr>,
    ) -> Result<Current, InteractionError> {
        self.count(address)?;
        let id = random_id()?;
        let token = TokenKind::Interaction.random(&id)?;
        let stored = Stored {
            step,
            token: hash(token.expose()),
            browser: browser.hash(),
            purpose: purpose.clone(),
            data: Value::Null,
        };
        let version = self.records.insert(&id, &stored, Some(self.limits.interaction)).await?;
        Ok(Current { id, version, browser: stored.browser, token, purpose, data: Value::Null })
    }

    /// Takes the request of `browser` that has `token`: once, and at its own step alone.
    pub(super) async fn take(
        &self,
        step: Step,
        browser: Option<&Browser>,
        token: Option<&str>,
    ) -> Result<Current, InteractionError> {
        let token = token.ok_or(InteractionError::Forbidden)?;
        let id = TokenKind::Interaction.id(token).ok_or(InteractionError::Forbidden)?;
        let found = match self.records.get(id).await {
            Err(StoreError::Unreadable) => None,
            found => found?,
        };
        let found = found.ok_or(InteractionError::Forbidden)?;
        let (stored, browser) = (found.value, browser.ok_or(InteractionError::Forbidden)?);
        if stored.step != step || !browser.is(&stored.browser) || !has_hash(token, &stored.token) {
            return Err(InteractionError::Forbidden);
        }
        let next = TokenKind::Interaction.random(id)?;
        let taken =
            Stored { step: Step::Login, token: hash(next.expose()), data: Value::Null, ..stored.clone() };
        match self.records.replace(id, found.version, &taken, Some(self.limits.interaction)).await {
            Ok(version) => Ok(Current {
                id: id.to_owned(),
                version,
                browser: stored.browser,
                token: next,
                purpose: stored.purpose,
                data: stored.data,
            }),
            // The same form was sent twice.
            Err(StoreError::Conflict(_)) => Err(InteractionError::Forbidden),
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps what the login needs in its next step.
    pub(super) async fn keep(&self, current: Current) -> Result<(), InteractionError> {
        let Current { id, version, browser, token, purpose, data } = current;
        let stored = Stored { step: Step::Login, token: hash(token.expose()), browser, purpose, data };
        self.records.replace(&id, version, &stored, Some(self.limits.interaction)).await?;
        Ok(())
    }

    /// Ends an interaction.
    pub(super) async fn end(&self, id: &Current) -> Result<(), InteractionError> {
        Ok(self.records.remove(&id.id).await?)
    }

    /// Counts one that begins.
    fn count(&self, address: Option<IpAddr>) -> Result<(), InteractionError> {
        let (now, address, mut begun) = (Instant::now(), network(address), self.begun.lock());
        let Begun { all, of_address } = &mut *begun;
        while let Some((_, old)) =
            all.pop_front_if(|(at, _)| now.duration_since(*at) >= self.limits.interaction)
        {
            if let Entry::Occupied(mut count) = of_address.entry(old) {
                *count.get_mut() -= 1;
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
        if all.len() >= self.limits.max_interactions {
            self.refusals.max_interactions.increment();
            return Err(InteractionError::TooMany);
        }
        if of_address.get(&address).is_some_and(|count| *count >= self.limits.max_interactions_per_address) {
            self.refusals.max_interactions_per_address.increment();
            return Err(InteractionError::TooMany);
        }
        all.push_back((now, address));
        *of_address.entry(address).or_default() += 1;
        Ok(())
    }
}

impl std::fmt::Debug for Interactions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interactions").field("records", &self.records).finish_non_exhaustive()
    }
}
