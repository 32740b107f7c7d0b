//! Where a provider is asked, and whose word about its users is believed.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyport_metrics::Metrics;
use anyport_store::Clock;
use anyport_transport::client::http::Endpoint;
use tokio::time::Instant;
use url::Url;

use super::{github::GitHub, id_token, options::ProviderOptions};
use crate::{
    discover::Discovered,
    error::Error,
    fetch::Fetcher,
    resource_metadata::at,
    resource_server::{ConfigError, SignedTokens, SignedTokensConfig, VerifierLimits},
    server_metadata::ServerMetadata,
};

/// How a provider says who its users are.
#[derive(Clone, Debug)]
pub(super) enum Directory {
    /// By ID tokens of these issuers.
    IdTokens(Arc<[SignedTokens]>),
    /// By its API.
    GitHub(Arc<GitHub>),
}

/// A provider as it is at present.
#[derive(Clone, Debug)]
pub(super) struct Endpoints {
    pub(super) server: Arc<ServerMetadata>,
    pub(super) directory: Directory,
}

/// Finds the endpoints of one provider, and remembers them for a while.
pub(super) struct Finder {
    issuer: String,
    place: Place,
    verified_by: VerifiedBy,
    found: Mutex<Option<(Instant, Endpoints)>>,
}

/// What ID tokens are verified by.
pub(super) struct VerifiedBy {
    /// What keys are fetched with: its proxies and certificates are used.
    pub(super) endpoint: Endpoint,
    pub(super) clock: Clock,
    pub(super) limits: VerifierLimits,
    pub(super) metrics: Metrics,
}

/// Where the endpoints are said.
enum Place {
    /// In the metadata of the issuer.
    Metadata,
    /// Here.
    Known(Endpoints),
}

/// How long metadata are used. Keys have limits of their own.
const MAX_AGE: Duration = Duration::from_secs(600);

impl Finder {
    /// Finds the endpoints of the provider of `options`, whose issuer is `issuer`.
    ///
    /// # Errors
    /// If keys cannot be fetched from where the options lead.
    pub(super) fn new(
        options: &ProviderOptions,
        (issuer, url): (&str, &Url),
        verified_by: VerifiedBy,
    ) -> Result<Self, ConfigError> {
        let mut finder =
            Self { issuer: issuer.to_owned(), place: Place::Metadata, verified_by, found: Mutex::default() };
        if options.kind == super::ProviderKind::GitHub {
            let github = Arc::new(GitHub::new(issuer, url));
            let server = Arc::new(github.server.clone());
            finder.place = Place::Known(Endpoints { server, directory: Directory::GitHub(github) });
        } else if options.has_several_tenants(url) {
            finder.place = Place::Known(finder.of_tenants(url, &options.tenants)?);
        }
        Ok(finder)
    }

    /// The endpoints.
    ///
    /// # Errors
    /// If they were never found, and cannot be found now.
    pub(super) async fn find(&self, fetcher: &Fetcher) -> Result<Endpoints, Error> {
        if let Place::Known(known) = &self.place {
            return Ok(known.clone());
        }
        let remembered = self.found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((at, found)) = &remembered
            && at.elapsed() < MAX_AGE
        {
            return Ok(found.clone());
        }
        let older = remembered.map(|(_, found)| found);
        match (Discovered::provider(&self.issuer, fetcher).await, older) {
            (Ok(discovered), older) => self.remember(discovered.server, older),
            (Err(error), Some(older)) if error.is_temporary() => Ok(older),
            (Err(error), _) => Err(error),
        }
    }

    /// The key sets that are known stay, as long as the issuer is the same text.
    fn remember(&self, server: ServerMetadata, older: Option<Endpoints>) -> Result<Endpoints, Error> {
        let known = older.filter(|older| older.server.issuer == server.issuer);
        let directory = match known {
            Some(known) => known.directory,
            None => {
                // Google's issuer is spelled with and without a final slash: that of the metadata is the one of its tokens.
                let tokens = self.tokens_of(&server.issuer, None).map_err(|error| {
                    let why = error.to_string();
                    Error::Answer { url: server.issuer.clone(), why, is_temporary: false }
                })?;
                Directory::IdTokens([tokens].into())
            }
        };
        let found = Endpoints { server: Arc::new(server), directory };
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), found.clone()));
        Ok(found)
    }

    /// Entra for several tenants. Its metadata name an issuer that is a template, `https://…/{tenantid}/v2.0`, and no token's: so the
    /// endpoints are those of its documentation, and the issuers those of the tenants that were named.
    fn of_tenants(&self, url: &Url, tenants: &[String]) -> Result<Endpoints, ConfigError> {
        let all = url.path_segments().and_then(|mut segments| segments.next()).unwrap_or("common");
        let place = |path: &str| String::from(at(url, &format!("/{all}/{path}")));
        let keys = place("discovery/v2.0/keys");
        let issuer =
            |tenant: &String| String::from(at(url, &format!("/{}/v2.0", tenant.to_ascii_lowercase())));
        let of_tenant = |tenant| self.tokens_of(&issuer(tenant), Some(&keys));
        let tokens = tenants.iter().map(of_tenant).collect::<Result<Vec<_>, _>>()?;
        let mut server = ServerMetadata::without_document(url);
        server.issuer.clone_from(&self.issuer);
        server.authorization_endpoint = Some(place("oauth2/v2.0/authorize"));
        server.token_endpoint = Some(place("oauth2/v2.0/token"));
        server.registration_endpoint = None;
        server.token_endpoint_auth_methods_supported = Some(vec!["client_secret_post".to_owned()]);
        Ok(Endpoints { server: Arc::new(server), directory: Directory::IdTokens(tokens.into()) })
    }

    fn tokens_of(&self, issuer: &str, keys_url: Option<&str>) -> Result<SignedTokens, ConfigError> {
        let VerifiedBy { endpoint, clock, limits, metrics } = &self.verified_by;
        SignedTokens::new(&SignedTokensConfig {
            issuer,
            keys_url,
            types: id_token::TYPES,
            endpoint: Some(endpoint),
            clock,
            limits: *limits,
            metrics,
        })
    }
}
