//! Clients that register themselves (RFC 7591).

use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
    time::Duration,
};

use anyport_service::sync::Lock;
use anyport_store::{Bucket, Clock, Collection, Error as StoreError, Store};
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::{Client, ClientKind, redirect_uri, shortened};
use crate::{
    authorization_server::{
        error::ServerError,
        limits::{AuthorizationServerLimits, Refusals},
        time::seconds_since_1970,
        token_text::{hash, random_id, random_text},
    },
    client_address::network,
};

/// The clients that have registered themselves, by id. Of secrets only hashes are stored.
pub static REGISTERED_CLIENTS: Bucket = Bucket::new("registered-client").max_bytes(64 << 20);

/// A client as it is stored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Registered {
    name: Option<String>,
    redirect_uris: Vec<String>,
    secret: Option<String>,
    /// When it was registered, in seconds since 1970.
    registered: u64,
    /// When it was last used, to the day.
    used: u64,
}

/// What a client says of itself. Members that are not here are ignored: RFC 7591 §2: "The authorization server MUST ignore any
/// client metadata sent by the client that it does not understand".
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct ClientMetadata {
    #[serde(default)]
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) client_name: Option<String>,
    pub(crate) token_endpoint_auth_method: Option<String>,
    pub(crate) grant_types: Option<Vec<String>>,
    pub(crate) response_types: Option<Vec<String>>,
}

/// Why a client is not registered.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RegistrationError {
    /// 400 `invalid_redirect_uri`.
    #[error("{0}")]
    RedirectUri(String),
    /// 400 `invalid_client_metadata`.
    #[error("{0}")]
    Metadata(String),
    /// 415 `invalid_client_metadata`. RFC 7591 §3.1: "a content type of "application/json"". A page of another site cannot send that
    /// without asking first.
    #[error("a registration is sent as application/json")]
    ContentType,
    /// 413 `invalid_client_metadata`.
    #[error("the registration is larger than {0} bytes (max_registration)")]
    TooLarge(usize),
    /// 429.
    #[error("too many clients were registered from this address within an hour (registrations_per_hour)")]
    TooMany { retry_after: Duration },
    /// 503.
    #[error("there are as many registered clients as there may be (max_registrations)")]
    Full,
    #[error(transparent)]
    Failed(#[from] ServerError),
}

impl From<StoreError> for RegistrationError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Full => Self::Full,
            error => Self::Failed(error.into()),
        }
    }
}

/// The clients that have registered themselves.
#[derive(Debug)]
pub(crate) struct Registrations {
    records: Collection<Registered>,
    limits: AuthorizationServerLimits,
    refusals: Refusals,
    clock: Clock,
    schemes: Vec<String>,
    /// How many clients each address has registered since.
    by_address: Lock<HashMap<IpAddr, (Instant, usize)>>,
    /// How many clients there are, and when they were counted.
    count: Lock<Option<(Instant, usize)>>,
}

const FORMAT: u8 = 1;
/// How many records are read at once.
const PAGE: usize = 1_000;
const HOUR: Duration = Duration::from_secs(60 * 60);
/// How long a count of all clients is used.
const COUNTED: Duration = Duration::from_secs(60);
/// The most addresses that are remembered.
const ADDRESSES: usize = 10_000;
/// The time between two notes that a client was used, in seconds.
const NOTE_EVERY: u64 = 24 * 60 * 60;

impl Registrations {
    pub(crate) fn new(
        store: Arc<dyn Store>,
        (limits, refusals): (AuthorizationServerLimits, Refusals),
        clock: Clock,
        schemes: Vec<String>,
    ) -> Self {
        let records = Collection::new(store, &REGISTERED_CLIENTS, FORMAT);
        Self {
            records,
            limits,
            refusals,
            clock,
            schemes,
            by_address: Lock::default(),
            count: Lock::default(),
        }
    }

    /// The client `id`.
    pub(crate) async fn find(&self, id: &str) -> Result<Option<Client>, ServerError> {
        if !is_id(id) {
            return Ok(None);
        }
        let found = match self.records.get(id).await {
            Err(StoreError::Unreadable) => None,
            found => found?,
        };
        let Some(Registered { name, redirect_uris, secret, .. }) = found.map(|record| record.value) else {
            return Ok(None);
        };
        Ok(Some(Client { id: id.to_owned(), name, redirect_uris, secret, kind: ClientKind::Registered }))
    }

    /// Notes that the client `id` is used, once a day, so that it stays.
    pub(crate) async fn note_use(&self, id: &str) {
        if !is_id(id) {
            return;
        }
        let now = seconds_since_1970(&self.clock);
        let Ok(Some(record)) = self.records.get(id).await else { return };
        if now < record.value.used.saturating_add(NOTE_EVERY) {
            return;
        }
        let used = Registered { used: now, ..record.value };
        if let Err(error) = self.records.replace(id, record.version, &used, Some(self.life())).await {
            tracing::debug!(%error, "the use of a client cannot be noted");
        }
    }

    /// How long a client stays after a use was noted.
    fn life(&self) -> Duration {
        self.limits.registration_idle + Duration::from_secs(NOTE_EVERY)
    }

    /// Registers a client from `address`. Returns the answer.
    ///
    /// Public clients that say the same, up to the port on the user's machine, share one id: it says nothing about anyone, and
    /// clients that register at each start would fill the store.
    pub(crate) async fn register(
        &self,
        content_type: Option<&HeaderValue>,
        body: &[u8],
        address: Option<IpAddr>,
    ) -> Result<Value, RegistrationError> {
        if !is_json(content_type) {
            return Err(RegistrationError::ContentType);
        }
        if body.len() > self.limits.max_registration {
            self.refusals.max_registration.increment();
            return Err(RegistrationError::TooLarge(self.limits.max_registration));
        }
        let metadata: ClientMetadata = serde_json::from_slice(body).map_err(|error| {
            RegistrationError::Metadata(format!("it is no JSON object with client metadata: {error}"))
        })?;
        let method = auth_method(&metadata)?;
        let redirect_uris = self.usable(&metadata.redirect_uris)?;
        let mut registered: Vec<String> =
            redirect_uris.iter().map(|uri| redirect_uri::without_free_port(uri)).collect();
        registered.sort_unstable();
        registered.dedup();
        let name = metadata.client_name.as_deref().and_then(shortened);
        let secret = (method != "none").then(random_text).transpose()?;
        let id = match secret {
            None => shared_id(name.as_deref(), &registered),
            Some(_) => format!("{PREFIX}{}", random_id()?),
        };
        let now = seconds_since_1970(&self.clock);
        let hashed = secret.as_ref().map(|secret| hash(secret.expose()));
        let record = Registered {
            name: name.clone(),
            redirect_uris: registered,
            secret: hashed,
            registered: now,
            used: now,
        };
        let issued_at = self.store(&id, &record, address).await?;
        let mut answer = json!({
            "client_id": id,
            "client_id_issued_at": issued_at,
            "redirect_uris": redirect_uris,
            "grant_types": ["authorization_code", "refresh_token"],
            "response_types": ["code"],
            "token_endpoint_auth_method": method,
        });
        if let Some(name) = name {
            answer["client_name"] = name.into();
        }
        if let Some(secret) = secret {
            answer["client_secret"] = secret.expose().into();
            answer["client_secret_expires_at"] = 0.into();
        }
        Ok(answer)
    }

    /// Stores a client that is not there yet: it alone counts. Returns when it was registered.
    async fn store(
        &self,
        id: &str,
        record: &Registered,
        address: Option<IpAddr>,
    ) -> Result<u64, RegistrationError> {
        if let Some(known) = self.records.get(id).await? {
            self.note_use(id).await;
            return Ok(known.value.registered);
        }
        self.check_count().await?;
        self.count_address(address)?;
        match self.records.insert(id, record, Some(self.life())).await {
            Ok(_) => {
                if let Some((_, count)) = &mut *self.count.lock() {
                    *count += 1;
                }
                Ok(record.registered)
            }
            // The same client has registered meanwhile.
            Err(StoreError::Conflict(_)) => Ok(record.registered),
            Err(error) => Err(error.into()),
        }
    }

    /// The redirect URIs that can be used. Those that cannot are dropped while one remains: some clients send several, of which
    /// each server takes what it can.
    fn usable(&self, uris: &[String]) -> Result<Vec<String>, RegistrationError> {
        let most = self.limits.max_redirect_uris;
        if uris.len() > most {
            self.refusals.max_redirect_uris.increment();
            let why = format!("there are more than {most} redirect URIs (max_redirect_uris)");
            return Err(RegistrationError::RedirectUri(why));
        }
        let mut first = None;
        let usable = uris.iter().filter(|uri| match redirect_uri::check(uri, &self.schemes) {
            Ok(()) => true,
            Err(why) => {
                first.get_or_insert((*uri, why));
                false
            }
        });
        let usable: Vec<String> = usable.cloned().collect();
        match (usable.is_empty(), first) {
            (false, _) => Ok(usable),
            (true, Some((uri, why))) => {
                Err(RegistrationError::RedirectUri(format!("{uri:.100?} cannot be used: {why}")))
            }
            (true, None) => Err(RegistrationError::RedirectUri("there is no redirect URI".to_owned())),
        }
    }

    /// Counts a client that is stored for `address`.
    fn count_address(&self, address: Option<IpAddr>) -> Result<(), RegistrationError> {
        let (address, now) = (network(address), Instant::now());
        let mut addresses = self.by_address.lock();
        if addresses.len() >= ADDRESSES {
            addresses.retain(|_, (since, _)| now.duration_since(*since) < HOUR);
        }
        // Should that not be enough, the addresses that are not remembered share one count.
        let address = match addresses.len() >= ADDRESSES && !addresses.contains_key(&address) {
            true => Ipv6Addr::UNSPECIFIED.into(),
            false => address,
        };
        let (since, count) = addresses.entry(address).or_insert((now, 0));
        if now.duration_since(*since) >= HOUR {
            (*since, *count) = (now, 0);
        }
        if *count >= self.limits.registrations_per_hour {
            self.refusals.registrations_per_hour.increment();
            return Err(RegistrationError::TooMany {
                retry_after: HOUR.saturating_sub(now.duration_since(*since)),
            });
        }
        *count += 1;
        Ok(())
    }

    /// Checks that there may be one client more.
    async fn check_count(&self) -> Result<(), RegistrationError> {
        let now = Instant::now();
        let counted = self.count.lock().filter(|(at, _)| now.duration_since(*at) < COUNTED);
        let count = match counted {
            Some((_, count)) => count,
            None => {
                let count = self.counted().await?;
                *self.count.lock() = Some((now, count));
                count
            }
        };
        if count >= self.limits.max_registrations {
            self.refusals.max_registrations.increment();
            return Err(RegistrationError::Full);
        }
        Ok(())
    }

    async fn counted(&self) -> Result<usize, ServerError> {
        let (mut count, mut after) = (0, None);
        loop {
            let (page, next) = self.records.list("", after.as_deref(), PAGE).await?;
            count += page.len();
            match next {
                Some(next) => after = Some(next.to_string()),
                None => return Ok(count),
            }
        }
    }
}

/// How a client wants to prove who it is. A client that does not say so gets no secret: RFC 7591 §3.2.1: the server "MAY reject or
/// replace any of the client's requested metadata values".
fn auth_method(metadata: &ClientMetadata) -> Result<&'static str, RegistrationError> {
    let refused = |why: &str| Err(RegistrationError::Metadata(why.to_owned()));
    let has = |named: &Option<Vec<String>>, value: &str| {
        named.as_ref().is_none_or(|named| named.is_empty() || named.iter().any(|one| one == value))
    };
    if !has(&metadata.grant_types, "authorization_code") {
        return refused("the grant type authorization_code must be among the grant_types");
    }
    if !has(&metadata.response_types, "code") {
        return refused("the response type code must be among the response_types");
    }
    match metadata.token_endpoint_auth_method.as_deref() {
        None | Some("none") => Ok("none"),
        Some("client_secret_basic") => Ok("client_secret_basic"),
        Some("client_secret_post") => Ok("client_secret_post"),
        Some(_) => {
            refused("the token_endpoint_auth_method must be none, client_secret_basic or client_secret_post")
        }
    }
}

/// What the ids of registered clients begin with.
const PREFIX: &str = "client-";

/// The id of a public client.
fn shared_id(name: Option<&str>, redirect_uris: &[String]) -> String {
    let said = json!([name, redirect_uris]).to_string();
    format!("{PREFIX}{}", &hash(&said)[..32])
}

fn is_id(id: &str) -> bool {
    id.strip_prefix(PREFIX)
        .is_some_and(|id| id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

fn is_json(content_type: Option<&HeaderValue>) -> bool {
    let named = content_type.and_then(|named| named.to_str().ok()).unwrap_or_default();
    named.split(';').next().is_some_and(|named| named.trim().eq_ignore_ascii_case("application/json"))
}
