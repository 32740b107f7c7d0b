//! The authorization server: what its endpoints share.

use std::{fmt, sync::Arc};

use anyport_store::Store;
use anyport_transport::client::http::Endpoint;
use http::HeaderMap;

use super::{
    browser::{Browser, Cookies, Sessions},
    client::{
        Client, ClientKind, ConfiguredClient,
        document::{DocumentError, DocumentSettings, Documents, is_document},
        redirect_uri,
        registration::Registrations,
    },
    consents::Consents,
    error::ServerError,
    grant::{Found, Grants},
    interaction::Interactions,
    limits::Refusals,
    settings::AuthorizationServerSettings,
    token_text::hash,
    user::{LoginStatus, User, UserAuthentication},
};

/// An authorization server. Clones are the same one.
#[derive(Clone)]
pub struct AuthorizationServer(pub(super) Arc<Inner>);

/// What the endpoints share.
pub(super) struct Inner {
    pub(super) settings: AuthorizationServerSettings,
    pub(super) users: Arc<dyn UserAuthentication>,
    pub(super) grants: Grants,
    pub(super) registrations: Registrations,
    pub(super) documents: Documents,
    pub(super) configured: Vec<Client>,
    pub(super) interactions: Interactions,
    pub(super) sessions: Sessions,
    pub(super) consents: Consents,
    pub(super) cookies: Cookies,
}

/// Why an authorization server does not begin.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// Passwords and codes would cross the network in the clear.
    #[error("the public URL {0} must begin with https://, as it is not on this machine")]
    NotSecure(String),
    /// A client of the configuration cannot be used.
    #[error("the client {id}: {why}")]
    Client {
        /// Its id.
        id: String,
        /// What is wrong with it.
        why: String,
    },
    /// The public URL cannot be used.
    #[error("the public URL {0} cannot be used: {1}")]
    Url(String, String),
}

/// Why a client is not known.
#[derive(Debug, thiserror::Error)]
pub(super) enum ClientError {
    #[error("the client is unknown here: it has been removed, or was registered with another server")]
    Unknown,
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error(transparent)]
    Failed(#[from] ServerError),
}

impl AuthorizationServer {
    /// The authorization server of `settings`, whose users `users` authenticates.
    ///
    /// `store` must have been opened with [`BUCKETS`](super::BUCKETS). `sealer` seals what identity providers must not learn.
    ///
    /// # Errors
    /// [`SetupError`].
    pub fn new(
        settings: AuthorizationServerSettings,
        store: Arc<dyn Store>,
        sealer: anyport_seal::Sealer,
        users: Arc<dyn UserAuthentication>,
    ) -> Result<Self, SetupError> {
        let url = settings.public_url.as_str().to_owned();
        let is_secure = url.starts_with("https://");
        // 2026-07-28, security-considerations §Communication Security: "All authorization server endpoints **MUST** be served over
        // HTTPS." What runs on this machine is reached without a network.
        if !is_secure && crate::safe_url::safe_url(&url).is_err() {
            return Err(SetupError::NotSecure(url));
        }
        let endpoint =
            Endpoint::new(&url).map_err(|error| SetupError::Url(url.clone(), error.to_string()))?;
        let (limits, refusals) = (settings.limits, Refusals::new(&settings.metrics));
        let (cookies, schemes) = (Cookies { is_secure }, settings.redirect_schemes.clone());
        let clients = settings.clients.iter().map(|client| configured(client, &schemes));
        let of_documents = DocumentSettings {
            hosts: settings.client_hosts.clone(),
            schemes: schemes.clone(),
            allows_private: settings.allows_private_documents,
        };
        Ok(Self(Arc::new(Inner {
            users,
            grants: Grants::new(store.clone(), limits, refusals.clone(), settings.clock.clone()),
            registrations: Registrations::new(
                store.clone(),
                (limits, refusals.clone()),
                settings.clock.clone(),
                schemes.clone(),
            ),
            documents: Documents::new(endpoint, of_documents, limits, refusals.clone()),
            configured: clients.collect::<Result<_, _>>()?,
            interactions: Interactions::new(store.clone(), sealer, (limits, refusals)),
            sessions: Sessions::new(store.clone(), limits, cookies),
            consents: Consents::new(store, settings.consent, limits.remembered_consent),
            cookies,
            settings,
        })))
    }

    /// Whether a user who signs in here may be one of `issuer`.
    pub(crate) fn may_be_issuer(&self, issuer: &str) -> bool {
        self.0.users.may_be_issuer(issuer)
    }

    /// The issuer.
    pub fn issuer(&self) -> &str {
        self.0.issuer()
    }

    /// The browser of a request; a new one if it has no cookie of ours.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn browser(&self, headers: &HeaderMap) -> Result<Browser, ServerError> {
        Browser::of(headers, self.0.cookies)
    }

    /// The user who is signed in to the browser of a request.
    ///
    /// # Errors
    /// If the store fails.
    pub async fn signed_in(&self, headers: &HeaderMap) -> Result<Option<User>, ServerError> {
        self.0.signed_in(headers).await
    }
}

impl fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("AuthorizationServer").field(&self.0.issuer()).finish()
    }
}

impl Inner {
    /// The issuer: the public URL, as it is written.
    pub(super) fn issuer(&self) -> &str {
        self.settings.public_url.as_str()
    }

    /// A path as browsers see it.
    pub(super) fn path(&self, path: &str) -> String {
        format!("{}{path}", self.settings.public_url.path())
    }

    /// The client `id`.
    pub(super) async fn client(&self, id: &str) -> Result<Client, ClientError> {
        if let Some(client) = self.configured.iter().find(|client| client.id == id) {
            return Ok(client.clone());
        }
        if is_document(id) {
            return Ok((*self.documents.find(id).await?).clone());
        }
        self.registrations.find(id).await?.ok_or(ClientError::Unknown)
    }

    /// The client `id` at the token endpoint. What is bound to a client with a metadata document is bound to its id, and the document says
    /// nothing that is needed there: whether it may still be one is a matter of its host alone.
    pub(super) async fn client_by_id(&self, id: &str) -> Result<Client, ClientError> {
        if !is_document(id) {
            return self.client(id).await;
        }
        self.documents.check(id)?;
        let (name, redirect_uris, secret) = (None, Vec::new(), None);
        Ok(Client { id: id.to_owned(), name, redirect_uris, secret, kind: ClientKind::Document })
    }

    /// The user who is signed in to the browser of a request, if the login is still good.
    pub(super) async fn signed_in(&self, headers: &HeaderMap) -> Result<Option<User>, ServerError> {
        let Some(user) = self.sessions.user(headers).await? else { return Ok(None) };
        Ok((self.status(&user).await != LoginStatus::Ended).then_some(user))
    }

    /// Whether the login of a user is still good.
    pub(super) async fn status(&self, user: &User) -> LoginStatus {
        match &user.login {
            Some(login) => self.users.status(login).await,
            None => LoginStatus::Active,
        }
    }

    /// Ends a grant, and what is kept of its login.
    pub(super) async fn end(&self, found: &Found, why: &str) -> Result<(), ServerError> {
        self.grants.end(&found.id, why).await?;
        if let Some(login) = &found.grant.user.login {
            self.users.end(login).await;
        }
        Ok(())
    }
}

/// A client of the configuration.
fn configured(client: &ConfiguredClient, schemes: &[String]) -> Result<Client, SetupError> {
    let ConfiguredClient { id, name, redirect_uris, secret } = client;
    let wrong = |why: String| SetupError::Client { id: id.clone(), why };
    if is_document(id) {
        return Err(wrong("its id is a URL, which stands for a metadata document".to_owned()));
    }
    for uri in redirect_uris {
        redirect_uri::check(uri, schemes)
            .map_err(|why| wrong(format!("the redirect URI {uri:?} cannot be used: {why}")))?;
    }
    if redirect_uris.is_empty() {
        return Err(wrong("it has no redirect URI".to_owned()));
    }
    Ok(Client {
        id: id.clone(),
        name: name.clone(),
        redirect_uris: redirect_uris.clone(),
        secret: secret.as_ref().map(|secret| hash(secret.expose())),
        kind: ClientKind::Configured,
    })
}
