use std::fmt;

use anyport_metrics::Metrics;
use anyport_store::Clock;
use anyport_transport::client::http::Endpoint;
use serde::{Deserialize, Serialize};

use super::{
    admission::Admission,
    endpoints::{Directory, Endpoints, Finder, VerifiedBy},
    error::{ProviderConfigError, SignInError},
    id_token::{self, Expected},
    limits::ProviderLimits,
    options::ProviderOptions,
    user::SignedInUser,
};
use crate::{
    authorize::{AuthorizationParameters, AuthorizationRequest},
    client_auth::{AuthMethod, ClientIdentity, ClientProof},
    error::Error,
    fetch::Fetcher,
    limits::SignInLimits,
    pkce::random,
    resource_server::{ConfigError, VerifierLimits},
    safe_url::{UnsafeUrl, safe_url},
    scope::Scopes,
    secret::Secret,
    server_metadata::ServerMetadata,
    token::{Grant, TokenAnswer, TokenRequest},
};

/// An identity provider, with the one client that this program is there.
pub struct IdentityProvider {
    options: ProviderOptions,
    title: String,
    issuer: String,
    redirect_uri: String,
    admission: Admission,
    finder: Finder,
    fetcher: Fetcher,
    pub(super) limits: ProviderLimits,
    pub(super) clock: Clock,
}

/// What a provider is used with.
#[derive(Clone, Debug, Default)]
pub struct ProviderSetup {
    /// Where the provider sends browsers: a URL of this program, which is registered there.
    pub redirect_uri: String,
    /// What the provider is reached with: its proxies and certificates are used. Default: those of the environment.
    pub endpoint: Option<Endpoint>,
    /// The limits.
    pub limits: ProviderLimits,
    /// The limits of verifying ID tokens.
    pub verifier_limits: VerifierLimits,
    /// The clock.
    pub clock: Clock,
    /// The metrics.
    pub metrics: Metrics,
}

/// A sign-in that the browser must go on with.
#[derive(Debug)]
pub struct StartedSignIn {
    /// The page of the provider.
    pub url: String,
    /// What the answer is read by.
    pub pending: PendingSignIn,
}

/// A sign-in until its answer is there. It must be kept where nobody can read it, be used for the same browser alone, and once.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingSignIn {
    request: AuthorizationRequest,
    nonce: Secret,
}

impl IdentityProvider {
    /// The provider of `options`.
    ///
    /// # Errors
    /// What is wrong with the options.
    pub fn new(options: ProviderOptions, setup: ProviderSetup) -> Result<Self, ProviderConfigError> {
        let ProviderSetup { redirect_uri, endpoint, limits, verifier_limits, clock, metrics } = setup;
        options.check(&redirect_uri)?;
        let issuer = options.issuer().unwrap_or_default().to_owned();
        let wrong = |why| ProviderConfigError::Url { what: "issuer", url: issuer.clone(), why };
        let url = safe_url(&issuer).map_err(wrong)?;
        let endpoint = match endpoint {
            Some(endpoint) => endpoint,
            None => Endpoint::new(url.as_str()).map_err(|_| wrong(UnsafeUrl::Scheme))?,
        };
        let fetch_limits = SignInLimits { fetch_timeout: limits.request_timeout, ..SignInLimits::default() };
        // Its owner has named the provider, so it may be in a private network.
        let fetcher = Fetcher::new(&endpoint, false, fetch_limits);
        let verified_by = VerifiedBy { endpoint, clock: clock.clone(), limits: verifier_limits, metrics };
        let finder = Finder::new(&options, (&issuer, &url), verified_by);
        let finder = finder.map_err(|error| match error {
            ConfigError::Url { what, url, why } => ProviderConfigError::Url { what, url, why },
            _ => ProviderConfigError::NoIssuer(options.kind.name()),
        })?;
        let title = options.kind.title().unwrap_or(url.host_str().unwrap_or(&issuer)).to_owned();
        let admission = Admission::new(&options);
        Ok(Self { options, title, issuer, redirect_uri, admission, finder, fetcher, limits, clock })
    }

    /// The client that this program is there, and whose it is: what the provider gives is for this client alone.
    pub(super) fn client(&self) -> String {
        format!("{} {}", self.issuer, self.options.client_id)
    }

    /// Whether its users may be those of `issuer`: of its own one, or of a tenant there, which is another path.
    pub(crate) fn may_be_issuer(&self, issuer: &str) -> bool {
        let origin = |url: &str| url::Url::parse(url).ok().map(|url| url.origin());
        origin(issuer).is_some_and(|found| Some(found) == origin(&self.issuer))
    }

    /// Whether a user who has signed in before still may, as far as that is known without asking.
    pub(super) fn still_admits(&self, user: &SignedInUser) -> bool {
        self.admission.admits(user)
    }

    /// Its name for users.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Begins a sign-in with this `state`, which must be random.
    ///
    /// # Errors
    /// If the provider cannot be asked for its endpoints.
    pub async fn begin(&self, state: Secret) -> Result<StartedSignIn, SignInError> {
        let endpoints = self.finder.find(&self.fetcher).await?;
        let scopes = self.scopes(&endpoints.server);
        let nonce = random()?;
        let further = self.parameters(&scopes, &endpoints.directory, &nonce);
        let parameters = AuthorizationParameters {
            client_id: &self.options.client_id,
            redirect_uri: &self.redirect_uri,
            // The tokens are for the provider itself, and no resource.
            resource: None,
            scopes,
            further: &further,
            is_public: false,
        };
        let request = AuthorizationRequest::with_state(&endpoints.server, &parameters, state)?;
        Ok(StartedSignIn { url: request.url().to_owned(), pending: PendingSignIn { request, nonce } })
    }

    /// Reads the answer that the browser has brought, whose parameters are `parameter`, and returns the user and the provider's
    /// tokens.
    ///
    /// # Errors
    /// Why nobody is signed in.
    pub async fn finish<'a>(
        &self,
        pending: &PendingSignIn,
        parameter: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<(SignedInUser, TokenAnswer), SignInError> {
        let code = pending.request.read_parameters(parameter)?;
        let endpoints = self.finder.find(&self.fetcher).await?;
        let grant = Grant::Code {
            code: &code,
            redirect_uri: pending.request.redirect_uri(),
            verifier: pending.request.verifier(),
        };
        let tokens = self.ask(&endpoints.server, grant).await?;
        let user = self.user(&endpoints, &tokens, &pending.nonce).await?;
        match self.admission.admits(&user) {
            true => Ok((user, tokens)),
            false => Err(SignInError::NotAdmitted { issuer: user.issuer, subject: user.subject }),
        }
    }

    /// Other tokens of the same user.
    pub(super) async fn renew(&self, refresh_token: &Secret) -> Result<TokenAnswer, Error> {
        let endpoints = self.finder.find(&self.fetcher).await?;
        self.ask(&endpoints.server, Grant::Refresh(refresh_token)).await
    }

    /// Whether the provider can be asked about an access token without a refresh token.
    pub(super) fn knows_access_tokens(&self) -> bool {
        self.options.kind == super::ProviderKind::GitHub
    }

    /// Whether `access_token` is still that of `subject`, as far as the provider can be asked.
    pub(super) async fn is_of(&self, access_token: &Secret, subject: &str) -> Result<bool, Error> {
        match self.finder.find(&self.fetcher).await?.directory {
            Directory::GitHub(github) => {
                let found = github.user(access_token, &self.fetcher).await?;
                Ok(found.is_some_and(|(id, _)| id == subject))
            }
            Directory::IdTokens(_) => Ok(true),
        }
    }

    async fn user(
        &self,
        endpoints: &Endpoints,
        tokens: &TokenAnswer,
        nonce: &Secret,
    ) -> Result<SignedInUser, SignInError> {
        match &endpoints.directory {
            Directory::GitHub(github) => {
                let refused = || SignInError::Answer("GitHub does not take its own token".to_owned());
                let found = github.user(&tokens.access_token, &self.fetcher).await?;
                let (subject, name) = found.ok_or_else(refused)?;
                let issuer = endpoints.server.issuer.clone();
                Ok(SignedInUser { issuer, subject, domain: None, name })
            }
            Directory::IdTokens(issuers) => {
                let missing = || SignInError::IdToken("none was given".to_owned());
                let expected = Expected {
                    client_id: &self.options.client_id,
                    nonce,
                    domain_claim: self.admission.domain_claim,
                };
                id_token::user(tokens.id_token.as_ref().ok_or_else(missing)?, issuers, &expected).await
            }
        }
    }

    async fn ask(&self, server: &ServerMetadata, grant: Grant<'_>) -> Result<TokenAnswer, Error> {
        let secret = self.options.client_secret.as_ref();
        let proof = if secret.is_some() { ClientProof::Secret } else { ClientProof::None };
        let method = AuthMethod::choose(None, server, proof);
        let client = ClientIdentity { id: &self.options.client_id, secret, key: None, method };
        let request =
            TokenRequest { server, client, grant, resource: None, proof_key: None, clock: &self.clock };
        request.send(&self.fetcher).await
    }

    fn scopes(&self, server: &ServerMetadata) -> Scopes {
        let of_kind = || self.options.kind.scopes(server.has_offline_access()).iter().copied().collect();
        let scopes: Scopes = match self.options.scopes.is_empty() {
            true => of_kind(),
            false => self.options.scopes.iter().cloned().collect(),
        };
        match self.admission.needs_email() {
            true => scopes.and(&Scopes::parse("email")),
            false => scopes,
        }
    }

    fn parameters(&self, scopes: &Scopes, directory: &Directory, nonce: &Secret) -> Vec<(String, String)> {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let asks_offline_access = scopes.has_all(&Scopes::parse("offline_access"));
        let mut all = match self.options.authorize_params.is_empty() {
            true => self.options.kind.parameters(asks_offline_access).iter().copied().map(owned).collect(),
            false => self.options.authorize_params.clone(),
        };
        if let Directory::IdTokens(_) = directory {
            all.push(owned(("nonce", nonce.expose())));
        }
        all
    }
}

impl fmt::Debug for IdentityProvider {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdentityProvider").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}
