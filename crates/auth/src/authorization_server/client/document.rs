//! Clients whose id is the URL of their metadata document (draft-ietf-oauth-client-id-metadata-document).

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
    time::Duration,
};

use anyport_service::sync::Lock;
use anyport_transport::client::http::{Endpoint, SideAnswer, SideRequest};
use serde::Deserialize;
use tokio::{
    sync::Semaphore,
    time::{Instant, timeout},
};
use url::Url;

use super::{Client, ClientKind, redirect_uri, shortened};
use crate::authorization_server::limits::{AuthorizationServerLimits, Refusals};

/// Why the document of a client is not used. The page says it to the user.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("the client id is no URL of a metadata document: it must begin with https:// and have a path")]
    Url,
    #[error("metadata documents of the host {0} are not accepted here")]
    Host(String),
    #[error("the metadata document of the client cannot be fetched")]
    Unreachable,
    #[error("the metadata document of the client is not usable: {0}")]
    Unusable(&'static str),
    /// 503.
    #[error("too many metadata documents are fetched at once (max_client_fetches)")]
    Busy,
}

/// The document, as far as it is read. Logos and other URLs of it are never fetched.
#[derive(Deserialize)]
struct Document {
    client_id: String,
    client_name: Option<String>,
    #[serde(default)]
    redirect_uris: Vec<String>,
    token_endpoint_auth_method: Option<String>,
    /// What it can use as well (OpenID Connect Relying Party Metadata Choices).
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
    client_secret: Option<serde_json::Value>,
    client_secret_expires_at: Option<serde_json::Value>,
}

/// Fetches the documents of clients, and remembers them.
#[derive(Debug)]
pub(crate) struct Documents {
    /// What is fetched with its proxies and certificates.
    endpoint: Endpoint,
    settings: DocumentSettings,
    limits: AuthorizationServerLimits,
    refusals: Refusals,
    fetches: Semaphore,
    known: Lock<Known>,
}

/// Which documents are fetched, and what they may say.
#[derive(Clone, Debug, Default)]
pub(crate) struct DocumentSettings {
    /// The hosts whose documents are accepted; empty: every host.
    pub(crate) hosts: Vec<String>,
    /// The schemes of redirect URIs that are allowed beside the usual ones.
    pub(crate) schemes: Vec<String>,
    /// Whether documents may come from this machine and from private networks.
    pub(crate) allows_private: bool,
}

#[derive(Debug, Default)]
struct Known {
    documents: HashMap<String, (Result<Arc<Client>, DocumentError>, Instant)>,
    order: VecDeque<String>,
}

/// The longest id of a client.
const LONGEST: usize = 1024;

/// Whether a client id is the URL of a document.
pub(crate) fn is_document(client_id: &str) -> bool {
    client_id.starts_with("https://") || client_id.starts_with("http://")
}

impl Documents {
    pub(crate) fn new(
        endpoint: Endpoint,
        settings: DocumentSettings,
        limits: AuthorizationServerLimits,
        refusals: Refusals,
    ) -> Self {
        let fetches = Semaphore::new(limits.max_client_fetches);
        Self { endpoint, settings, limits, refusals, fetches, known: Lock::default() }
    }

    /// The client `id`, from memory or from its document.
    ///
    /// # Errors
    /// [`DocumentError`].
    pub(crate) async fn find(&self, id: &str) -> Result<Arc<Client>, DocumentError> {
        let url = self.check(id)?;
        let known = self.known.lock().documents.get(id).filter(|(_, end)| Instant::now() < *end).cloned();
        if let Some((known, _)) = known {
            if known.is_err() {
                self.refusals.client_document_retry.increment();
            }
            return known;
        }
        let Ok(_permit) = self.fetches.try_acquire() else {
            self.refusals.max_client_fetches.increment();
            return Err(DocumentError::Busy);
        };
        let (found, life) = match self.fetch(id, &url).await {
            Ok((client, life)) => (Ok(Arc::new(client)), life),
            Err(error) => {
                tracing::info!(client_id = id, %error, "a client is refused");
                (Err(error), self.limits.client_document_retry)
            }
        };
        self.remember(id, found.clone(), life);
        found
    }

    /// Draft §3: such an id is an `https` URL with a path, and without dots in it, a fragment, a user or a password.
    pub(crate) fn check(&self, id: &str) -> Result<Url, DocumentError> {
        let url = Url::parse(id).map_err(|_| DocumentError::Url)?;
        let is_https = url.scheme() == "https" || self.settings.allows_private;
        // What a parser would write in another way has dots, a user, tabs, or a host that reads like another one.
        let is_plain = url.as_str() == id && url.path() != "/" && url.fragment().is_none();
        let has_user = !url.username().is_empty() || url.password().is_some();
        if !is_https || !is_plain || has_user || id.len() > LONGEST {
            return Err(DocumentError::Url);
        }
        let host = url.host_str().unwrap_or_default();
        if !self.settings.hosts.is_empty() && !self.settings.hosts.iter().any(|allowed| allowed == host) {
            return Err(DocumentError::Host(host.to_owned()));
        }
        Ok(url)
    }

    /// Draft §4: redirects are not followed.
    async fn fetch(&self, id: &str, url: &Url) -> Result<(Client, Duration), DocumentError> {
        let endpoint = self.endpoint.beside(url.as_str()).map_err(|_| DocumentError::Url)?.redirects(0);
        let endpoint = if self.settings.allows_private { endpoint } else { endpoint.public_only() };
        let within = self.limits.client_document_timeout;
        // A little more than is allowed here, so that its own end is never the first.
        let request = SideRequest::get(self.limits.max_client_document, within + within);
        let answer = match timeout(within, endpoint.ask(request)).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(error)) => {
                tracing::debug!(client_id = id, %error, "the document of a client cannot be fetched");
                return Err(DocumentError::Unreachable);
            }
            Err(_) => {
                self.refusals.client_document_timeout.increment();
                return Err(DocumentError::Unreachable);
            }
        };
        Ok((self.read(id, answer.status, answer.body.as_deref())?, self.life(&answer)))
    }

    fn read(&self, id: &str, status: u16, body: Option<&[u8]>) -> Result<Client, DocumentError> {
        let unusable = |why| Err(DocumentError::Unusable(why));
        if status != 200 {
            return unusable("its status is not 200");
        }
        let Some(body) = body else {
            self.refusals.max_client_document.increment();
            return unusable("it is larger than documents of clients may be (max_client_document)");
        };
        let Ok(document) = serde_json::from_slice::<Document>(body) else {
            return unusable("it is no JSON object with client_id and redirect_uris");
        };
        // 2026-07-28, client-registration §Implementation Requirements: authorization servers "**MUST** validate that the fetched
        // document's `client_id` matches the URL exactly".
        if document.client_id != id {
            return unusable("its client_id is not its URL");
        }
        // Draft §4.1: there is no secret that both sides share.
        if document.client_secret.is_some() || document.client_secret_expires_at.is_some() {
            return unusable("it has a client_secret, which everybody could read");
        }
        // Some prefer the signature of a key, and do without where that is not offered.
        let methods = &document.token_endpoint_auth_methods_supported;
        let is_public = methods.iter().any(|method| method == "none");
        if !is_public && document.token_endpoint_auth_method.is_some_and(|method| method != "none") {
            return unusable("its token_endpoint_auth_method is not none");
        }
        if document.redirect_uris.len() > self.limits.max_redirect_uris {
            self.refusals.max_redirect_uris.increment();
            return unusable("it has more redirect URIs than a client may have (max_redirect_uris)");
        }
        let is_usable = |uri: &String| redirect_uri::check(uri, &self.settings.schemes).is_ok();
        let redirect_uris: Vec<String> = document.redirect_uris.into_iter().filter(is_usable).collect();
        if redirect_uris.is_empty() {
            return unusable("none of its redirect_uris can be used");
        }
        let name = document.client_name.as_deref().and_then(shortened);
        Ok(Client { id: id.to_owned(), name, redirect_uris, secret: None, kind: ClientKind::Document })
    }

    /// How long a document is used: as its `Cache-Control` says, within bounds.
    fn life(&self, answer: &SideAnswer) -> Duration {
        let directives = answer.cache_control.as_deref().unwrap_or_default().split(',').map(str::trim);
        let said = directives.filter_map(|one| one.strip_prefix("max-age=")?.parse().ok()).next();
        let (least, most) = (self.limits.client_document_min_age, self.limits.client_document_max_age);
        Duration::from_secs(said.unwrap_or(0)).min(most).max(least)
    }

    fn remember(&self, id: &str, found: Result<Arc<Client>, DocumentError>, life: Duration) {
        let mut known = self.known.lock();
        let Known { documents, order } = &mut *known;
        if documents.insert(id.to_owned(), (found, Instant::now() + life)).is_none() {
            order.push_back(id.to_owned());
        }
        while documents.len() > self.limits.max_client_documents
            && let Some(oldest) = order.pop_front()
        {
            documents.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests;
