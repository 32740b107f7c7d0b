//! Where credentials are kept: sealed records of a store, which the processes of one user share.

use std::{sync::Arc, time::Duration};

use anyport_metrics::Metrics;
use anyport_store::{
    Bucket, Collection, Error as StoreError, Expect, Key, MemoryStore, Place, Sealer, Store, Version, Watch,
    Write,
};
use serde::{Deserialize, Serialize};

use crate::{
    callback::Callback,
    client_issuers::{CLIENT_ISSUERS, ClientIssuers},
    credential::Credential,
    error::Error,
    record_id::record_id,
    registration::{Registration, RegistrationKind},
    store_sealer::StoreSealer,
};

/// The credentials, by issuer, resource and account.
pub static CREDENTIALS: Bucket = Bucket::new("credential").place(Place::Local).sealed();
/// The clients, by issuer.
pub static REGISTRATIONS: Bucket = Bucket::new("client").place(Place::Local).sealed();
/// Which credential a server has, by server and account.
pub static SIGNED_IN: Bucket = Bucket::new("signed-in").place(Place::Local).sealed();
/// Who renews a credential at present.
pub static REFRESH_LEASES: Bucket = Bucket::new("refresh-lease").place(Place::Local);

/// Keeps credentials. Clones share them.
#[derive(Clone)]
pub struct Vault {
    store: Arc<dyn Store>,
    credentials: Collection<Credential>,
    registrations: Collection<Registration>,
    links: Collection<Link>,
    issuers: Option<ClientIssuers>,
}

/// The issuer and the resource of a server, as its last login has found them.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Link {
    pub(crate) issuer: String,
    pub(crate) resource: String,
}

/// The right to renew a credential.
pub(crate) struct RefreshLease {
    key: Key,
    version: Version,
}

const FORMAT: u8 = 1;
/// How many records are read at once.
const PAGE: usize = 100;

impl Vault {
    /// The credentials in `store`, which must have been opened with [`CREDENTIALS`], [`REGISTRATIONS`], [`SIGNED_IN`],
    /// [`REFRESH_LEASES`] and [`CLIENT_ISSUERS`].
    pub fn new(store: Arc<dyn Store>, sealer: anyport_seal::Sealer) -> Self {
        let sealer: Arc<dyn Sealer> = Arc::new(StoreSealer(sealer));
        Self {
            credentials: Collection::new(store.clone(), &CREDENTIALS, FORMAT).sealer(sealer.clone()),
            registrations: Collection::new(store.clone(), &REGISTRATIONS, FORMAT).sealer(sealer.clone()),
            links: Collection::new(store.clone(), &SIGNED_IN, FORMAT).sealer(sealer),
            issuers: Some(ClientIssuers::new(store.clone())),
            store,
        }
    }

    /// Credentials that end with this process. So does what is known of the authorization servers of clients, unless
    /// [`client_issuers`](Self::client_issuers) has a better place for that.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn in_memory() -> Result<Self, Error> {
        let buckets = [&CREDENTIALS, &REGISTRATIONS, &SIGNED_IN, &REFRESH_LEASES, &CLIENT_ISSUERS];
        let store = MemoryStore::new(&buckets, &Metrics::new());
        let key = anyport_seal::Key::random().map_err(|_| Error::NoRandomness)?;
        Ok(Self::new(Arc::new(store), anyport_seal::Sealer::new(&key)))
    }

    /// Keeps in `issuers` at which authorization server the secret of a client is used. `None`: nothing outlives the process, so
    /// a client without a user gets no token unless its owner names the issuer.
    #[must_use]
    pub fn client_issuers(self, issuers: Option<ClientIssuers>) -> Self {
        Self { issuers, ..self }
    }

    /// Where the authorization servers of clients are kept, if that is possible.
    pub(crate) fn issuers(&self) -> Option<&ClientIssuers> {
        self.issuers.as_ref()
    }

    /// The credential of `account` for the server at `server`.
    pub async fn find(&self, server: &str, account: &str) -> Result<Option<Credential>, Error> {
        match self.link(server, account).await? {
            Some(link) => self.of(&link.issuer, &link.resource, account).await,
            None => Ok(None),
        }
    }

    /// The credential of `account` at `issuer` for `resource`.
    pub(crate) async fn of(
        &self,
        issuer: &str,
        resource: &str,
        account: &str,
    ) -> Result<Option<Credential>, Error> {
        readable(self.credentials.get(&record_id(&[issuer, resource, account])).await)
    }

    pub(crate) async fn link(&self, server: &str, account: &str) -> Result<Option<Link>, Error> {
        readable(self.links.get(&record_id(&[server, account])).await)
    }

    /// Keeps a credential as the one of `server`.
    pub(crate) async fn save(&self, credential: &Credential, server: &str) -> Result<(), Error> {
        self.credentials.set(&id_of(credential), credential, None).await?;
        let link = Link {
            issuer: credential.authorization_server.issuer.clone(),
            resource: credential.resource.clone(),
        };
        self.links.set(&record_id(&[server, &credential.account]), &link, None).await?;
        Ok(())
    }

    /// Keeps what has become of a credential.
    pub(crate) async fn replace(&self, credential: &Credential) -> Result<(), Error> {
        self.credentials.set(&id_of(credential), credential, None).await?;
        Ok(())
    }

    /// Forgets a credential.
    pub async fn remove(&self, credential: &Credential) -> Result<(), Error> {
        self.credentials.remove(&id_of(credential)).await?;
        Ok(self.links.remove(&record_id(&[&credential.server, &credential.account])).await?)
    }

    /// All credentials.
    pub async fn list(&self) -> Result<Vec<Credential>, Error> {
        let (mut all, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = self.credentials.list("", after.as_deref(), PAGE).await?;
            all.extend(page.into_iter().map(|(_, record)| record.value));
            match next {
                Some(next) => after = Some(next.to_string()),
                None => return Ok(all),
            }
        }
    }

    /// The client of `issuer`, or the one that was registered there for `redirect_uri` alone.
    pub(crate) async fn registration(
        &self,
        issuer: &str,
        redirect_uri: Option<&str>,
    ) -> Result<Option<Registration>, Error> {
        if let Some(uri) = redirect_uri
            && let Some(own) = readable(self.registrations.get(&record_id(&[issuer, uri])).await)?
        {
            return Ok(Some(own));
        }
        readable(self.registrations.get(&record_id(&[issuer])).await)
    }

    /// Keeps the client of an issuer. One that was registered for a redirect URI elsewhere, of which there may be several, takes the place of
    /// no other.
    pub(crate) async fn register(&self, registration: &Registration) -> Result<(), Error> {
        self.registrations.set(&client_id_of(registration), registration, None).await?;
        Ok(())
    }

    /// Forgets a client, if it is still this one.
    pub(crate) async fn unregister(&self, registration: &Registration) -> Result<(), Error> {
        let Registration { issuer, client_id, redirect_uri, .. } = registration;
        for id in [record_id(&[issuer]), record_id(&[issuer, redirect_uri])] {
            let known = readable(self.registrations.get(&id).await)?;
            if known.is_some_and(|known| known.client_id == *client_id) {
                self.registrations.remove(&id).await?;
            }
        }
        Ok(())
    }

    /// Takes the right to renew `credential` for `time`; `None` if another one has it.
    pub(crate) async fn lease(
        &self,
        credential: &Credential,
        time: Duration,
    ) -> Result<Option<RefreshLease>, Error> {
        let key = Key::new(&REFRESH_LEASES, id_of(credential));
        let write = Write::expecting(Expect::Absent).ttl(time);
        match self.store.put(&key, b"held".as_slice().into(), write).await {
            Ok(version) => Ok(Some(RefreshLease { key, version })),
            Err(StoreError::Conflict(_)) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// What happens to the right to renew `credential`: another one has it, gives it back, or loses it.
    pub(crate) fn lease_changes(&self, credential: &Credential) -> Watch {
        self.store.watch(&Key::new(&REFRESH_LEASES, id_of(credential)))
    }

    /// Gives the right back.
    pub(crate) async fn release(&self, lease: RefreshLease) {
        // If it is lost already, another one has it.
        let _ = self.store.delete(&lease.key, Expect::Version(lease.version)).await;
    }
}

/// A record that is sealed under a lost key is none: a login writes it anew.
fn readable<T>(read: Result<Option<anyport_store::Record<T>>, StoreError>) -> Result<Option<T>, Error> {
    match read {
        Ok(record) => Ok(record.map(|record| record.value)),
        Err(StoreError::Unreadable) => {
            tracing::warn!("a stored credential cannot be read: its key is another one, or it is damaged");
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

/// The id of the record of a client.
fn client_id_of(registration: &Registration) -> String {
    let Registration { issuer, redirect_uri, kind, .. } = registration;
    match kind {
        RegistrationKind::Dynamic if !Callback::is_possible(redirect_uri) => {
            record_id(&[issuer, redirect_uri])
        }
        _ => record_id(&[issuer]),
    }
}

fn id_of(credential: &Credential) -> String {
    record_id(&[&credential.authorization_server.issuer, &credential.resource, &credential.account])
}
