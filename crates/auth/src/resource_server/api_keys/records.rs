use std::{
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use anyport_store::{Bucket, Clock, Collection, Error as StoreError, Store};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use data_encoding::HEXLOWER;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq as _;

use crate::secret::Secret;

/// The API keys, by id. Of a key itself only its hash is stored.
pub static API_KEYS: Bucket = Bucket::new("api-key").max_bytes(16 << 20);
/// When API keys were last used, by id. A bucket of its own, so that no process that notes a use writes a revoked key anew.
pub static API_KEY_USES: Bucket = Bucket::new("api-key-use").max_bytes(16 << 20);

/// What is known of an API key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct ApiKey {
    /// Its id, which is the visible part of the key.
    pub id: String,
    /// Who it was given to. Keys of one name are the same caller.
    pub name: String,
    /// What it allows; `None`: everything.
    pub scopes: Option<Vec<String>>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// When it ends, in seconds since 1970; `None`: when it is revoked.
    pub expires: Option<u64>,
    /// When it was last used, in seconds since 1970, to the minute; `None`: never.
    #[serde(skip)]
    pub last_used: Option<u64>,
    /// The SHA-256 of the key. A key is random, so that its hash needs no salt and no work.
    hash: String,
}

/// When a key was last used.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Use {
    at: u64,
}

/// Why an API key was not made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The name is empty, or too long.
    #[error("the name of a key must have 1 to 100 characters, and no control characters")]
    Name,
    /// The system has no randomness.
    #[error("no randomness from the operating system")]
    NoRandomness,
    /// The store fails.
    #[error("the key cannot be stored: {0}")]
    Store(#[from] StoreError),
}

/// The API keys of a store.
#[derive(Clone, Debug)]
pub struct ApiKeyRecords {
    keys: Collection<ApiKey>,
    uses: Collection<Use>,
    clock: Clock,
}

const FORMAT: u8 = 1;
/// How many records are read at once.
const PAGE: usize = 100;
/// The beginning of every key, by which scanners of sources recognise one.
const PREFIX: &str = "apk_";
/// The bytes of an id.
const ID: usize = 6;
/// The bytes of the secret part.
const SECRET: usize = 32;

impl ApiKeyRecords {
    /// The keys in `store`, which must have been opened with [`API_KEYS`] and [`API_KEY_USES`].
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self {
            keys: Collection::new(store.clone(), &API_KEYS, FORMAT),
            uses: Collection::new(store, &API_KEY_USES, FORMAT),
            clock: Clock::default(),
        }
    }

    /// Sets the clock by which keys are made and end. Default: the system's.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Makes a key of 256 random bits for `name`. Returns it with its record; it cannot be read again.
    ///
    /// # Errors
    /// [`CreateError`].
    pub async fn create(
        &self,
        name: &str,
        scopes: Option<Vec<String>>,
        lifetime: Option<Duration>,
    ) -> Result<(Secret, ApiKey), CreateError> {
        if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
            return Err(CreateError::Name);
        }
        let (mut id, mut secret) = ([0; ID], [0; SECRET]);
        getrandom::fill(&mut id)
            .and_then(|()| getrandom::fill(&mut secret))
            .map_err(|_| CreateError::NoRandomness)?;
        let id = HEXLOWER.encode(&id);
        let key = format!("{PREFIX}{id}_{}", URL_SAFE_NO_PAD.encode(secret));
        let created = self.seconds();
        let record = ApiKey {
            hash: hash(&key),
            id,
            name: name.to_owned(),
            scopes,
            created,
            expires: lifetime.map(|lifetime| created.saturating_add(lifetime.as_secs())),
            last_used: None,
        };
        self.keys.insert(&record.id, &record, None).await?;
        Ok((Secret::new(key), record))
    }

    /// All keys, by id, with when they were last used.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn list(&self) -> Result<Vec<ApiKey>, StoreError> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.keys.list("", after.as_deref(), PAGE).await?;
            for (id, record) in page {
                let used = self.uses.get(&id).await?;
                all.push(ApiKey { last_used: used.map(|used| used.value.at), ..record.value });
            }
            match next {
                Some(next) => after = Some(next.to_string()),
                None => return Ok(all),
            }
        }
    }

    /// Takes the key `id` back: no process accepts it any more. Returns what it was; `None` if there is none.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn revoke(&self, id: &str) -> Result<Option<ApiKey>, StoreError> {
        let Some(record) = self.get(id).await? else { return Ok(None) };
        self.keys.remove(id).await?;
        self.uses.remove(id).await?;
        Ok(Some(record))
    }

    /// The key `id`, without when it was last used.
    pub(super) async fn get(&self, id: &str) -> Result<Option<ApiKey>, StoreError> {
        Ok(self.keys.get(id).await?.map(|record| record.value))
    }

    /// Notes that the key `id` was used at `at`.
    pub(super) async fn note_use(&self, id: &str, at: u64) {
        if let Err(error) = self.uses.set(id, &Use { at }, None).await {
            tracing::debug!(%error, id, "the use of an API key cannot be noted");
        }
    }

    pub(super) fn seconds(&self) -> u64 {
        self.clock.now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

impl ApiKey {
    /// Whether `key` is this key.
    pub(super) fn is(&self, key: &str) -> bool {
        self.hash.as_bytes().ct_eq(hash(key).as_bytes()).into()
    }
}

/// Whether a credential is an API key, though perhaps a mistyped one: no other verifier may see it.
pub(in crate::resource_server) fn is_api_key(token: &str) -> bool {
    token.starts_with(PREFIX)
}

/// The id of a key that has the form of one.
pub(super) fn id_of(token: &str) -> Option<&str> {
    let (id, secret) = token.strip_prefix(PREFIX)?.split_once('_')?;
    let is_id = id.len() == 2 * ID && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    // 32 bytes in Base64.
    (is_id && secret.len() == 43).then_some(id)
}

fn hash(key: &str) -> String {
    HEXLOWER.encode(digest(&SHA256, key.as_bytes()).as_ref())
}
