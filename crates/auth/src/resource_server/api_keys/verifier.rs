use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use anyport_service::Authorization;
use anyport_store::{Clock, Store};
use anyport_transport::http::{Credential, CredentialError, CredentialVerifier, Scheme, Verification};
use http::request::Parts;
use tokio::time::timeout;

use super::{
    records::{ApiKeyRecords, id_of},
    table::Table,
};
use crate::resource_server::{
    limits::VerifierLimits,
    refusal::{RETRY, invalid, unavailable},
    scopes::Hierarchy,
};

/// Verifies API keys, which `anyport key create` makes.
///
/// The caller is the key's name. Keys are in a store that processes share: one that is revoked is refused by all of them within
/// 200 ms.
pub struct ApiKeys(Config, OnceLock<Arc<Verifier>>);

#[derive(Clone)]
struct Config {
    store: Arc<dyn Store>,
    records: ApiKeyRecords,
    hierarchy: Hierarchy,
    limits: VerifierLimits,
}

struct Verifier {
    table: Table,
    records: ApiKeyRecords,
    limits: VerifierLimits,
}

impl ApiKeys {
    /// The keys in `store`, which must have been opened with [`API_KEYS`](super::API_KEYS) and
    /// [`API_KEY_USES`](super::API_KEY_USES).
    pub fn new(store: Arc<dyn Store>) -> Self {
        let records = ApiKeyRecords::new(store.clone());
        let config =
            Config { store, records, hierarchy: Hierarchy::default(), limits: VerifierLimits::default() };
        Self(config, OnceLock::new())
    }

    /// Has `scope` include `others`, and what those include.
    #[must_use]
    pub fn includes<S: Into<String>>(
        self,
        scope: impl Into<String>,
        others: impl IntoIterator<Item = S>,
    ) -> Self {
        let others = others.into_iter().map(Into::into);
        self.with(|config| config.hierarchy.include(scope.into(), others))
    }

    /// Sets the limits.
    #[must_use]
    pub fn limits(self, limits: VerifierLimits) -> Self {
        self.with(|config| config.limits = limits)
    }

    /// Sets the clock by which keys end. Default: the system's.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.with(|config| config.records = config.records.clone().clock(clock))
    }

    fn with(mut self, change: impl FnOnce(&mut Config)) -> Self {
        change(&mut self.0);
        self.1 = OnceLock::new();
        self
    }

    /// What verifies keys; it begins to read them when it is first needed, within the runtime.
    fn verifier(&self) -> &Arc<Verifier> {
        self.1.get_or_init(|| {
            let Config { store, records, hierarchy, limits } = self.0.clone();
            let table = Table::follow(&*store, records.clone(), hierarchy);
            Arc::new(Verifier { table, records, limits })
        })
    }
}

impl CredentialVerifier for ApiKeys {
    fn verify(&self, credential: &Credential, _: &Parts, resource: &str) -> Verification {
        self.verify_again(credential, resource)
    }

    fn verify_again(&self, credential: &Credential, _: &str) -> Verification {
        let verifier = self.verifier();
        if *verifier.table.is_current.borrow() {
            return Verification::Ready(verifier.verify(credential));
        }
        let (verifier, credential) = (verifier.clone(), credential.clone());
        Verification::Pending(Box::pin(async move {
            let mut is_current = verifier.table.is_current.clone();
            let waited = timeout(verifier.limits.key_fetch_timeout, is_current.wait_for(|is| *is)).await;
            match waited {
                Ok(Ok(_)) => verifier.verify(&credential),
                _ => Err(unavailable("the API keys cannot be read", RETRY)),
            }
        }))
    }
}

impl Verifier {
    fn verify(self: &Arc<Self>, credential: &Credential) -> Result<Authorization, CredentialError> {
        if credential.scheme != Scheme::Bearer {
            return Err(invalid("an API key is presented with the scheme Bearer"));
        }
        let id = id_of(&credential.token).ok_or(invalid("the credential is no API key"))?;
        // One text for both: an id is no secret, and yet nobody needs to know which there are.
        let unknown = invalid("the API key is unknown, or was revoked");
        let Some(known) = self.table.get(id) else { return Err(unknown) };
        if !known.key.is(&credential.token) {
            return Err(unknown);
        }
        let now = self.records.seconds();
        if known.key.expires.is_some_and(|end| end <= now) {
            return Err(invalid("the API key has expired"));
        }
        if known.is_to_note(now) {
            let (records, id) = (self.records.clone(), known.key.id.clone());
            tokio::spawn(async move { records.note_use(&id, now).await });
        }
        Ok(known.authorization.clone())
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiKeys").finish_non_exhaustive()
    }
}
