//! One login: a client, a page, a code, a token.

use anyport_store::Clock;
use anyport_transport::client::http::without_secrets;
use tokio::time::timeout;

use crate::{
    authorize::{AuthorizationParameters, AuthorizationRequest},
    callback::Callback,
    challenge::BoundTokens,
    credential::{Credential, NewCredential},
    discover::Discovered,
    dpop::ProofKey,
    error::{Error, TO_REDIRECT},
    fetch::Fetcher,
    limits::Refusals,
    options::SignInOptions,
    pending_login::PendingLogin,
    pkce::random,
    registration::{Registration, RegistrationKind},
    response_error::ResponseError,
    safe_url::safe_url,
    scope::Scopes,
    secret::Secret,
    shown::shown,
    token::TokenAnswer,
    unattended::{TokenFor, Unattended},
    user_agent::UserAgent,
    vault::Vault,
};

/// What a login needs.
pub(crate) struct Login<'a> {
    /// The URL of the server that it is for.
    pub(crate) server: &'a str,
    pub(crate) account: &'a str,
    pub(crate) discovered: &'a Discovered,
    pub(crate) options: &'a SignInOptions,
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) vault: &'a Vault,
    pub(crate) clock: &'a Clock,
    pub(crate) refusals: &'a Refusals,
    /// Shows the pages, and may bring their answers; `None` for a login without a user, and where the answer is taken elsewhere.
    pub(crate) agent: Option<&'a dyn UserAgent>,
}

/// Where answers come to, unless the user says otherwise: a free port of this machine.
const REDIRECT_URI: &str = "http://127.0.0.1:0/callback";
/// How often the user may bring an answer.
const BROUGHT: usize = 5;

/// RFC 8252 §7 has three kinds: "private-use URI scheme", "claimed https scheme URIs" and "loopback interface". No browser gives a
/// scheme of our own to a program that is not installed for it.
///
/// # Errors
/// When `uri` is none of the last two.
fn check_redirect_uri(uri: &str) -> Result<(), Error> {
    let wrong = |why| Error::Url { what: TO_REDIRECT, url: shown(uri), why };
    safe_url(uri).map(drop).map_err(wrong)
}

impl Login<'_> {
    /// Signs in with `scopes`, and stores the credential.
    ///
    /// # Errors
    /// Why there is no token.
    pub(crate) async fn run(&self, scopes: &Scopes, secrets: &Unattended<'_>) -> Result<Credential, Error> {
        let credential = match self.agent {
            _ if !self.options.grant.has_user() => self.without_user(scopes, secrets).await?,
            Some(agent) => self.with_user(scopes, agent).await?,
            None => return Err(Error::NeedsLogin(self.server.to_owned())),
        };
        self.vault.save(&credential, self.server).await?;
        Ok(credential)
    }

    /// Begins a login whose answer somebody else takes, at the redirect URI of the options.
    ///
    /// # Errors
    /// Why there is no page to sign in at.
    pub(crate) async fn begin(&self, scopes: &Scopes, state: Secret) -> Result<PendingLogin, Error> {
        self.check_server()?;
        let (client, callback) = self.client().await?;
        self.pending(client, callback.as_ref(), scopes, state)
    }

    /// Nobody signs in in vain.
    fn check_server(&self) -> Result<(), Error> {
        let server = &self.discovered.server;
        if !server.has_pkce() && !self.options.assumes_pkce {
            return Err(Error::NoPkce(server.issuer.clone()));
        }
        let missing = |why| Error::Server { url: without_secrets(&server.issuer), why };
        server.token_endpoint().map(drop).map_err(missing)
    }

    /// Signs in with the browser of the user.
    async fn with_user(&self, scopes: &Scopes, agent: &dyn UserAgent) -> Result<Credential, Error> {
        self.check_server()?;
        match self.attempt(scopes, agent).await {
            // The authorization server has forgotten the client; another one is registered, once.
            Err((error, Some(client)))
                if error.is_invalid_client() && client.kind == RegistrationKind::Dynamic =>
            {
                self.vault.unregister(&client).await?;
                self.attempt(scopes, agent).await.map_err(|(error, _)| error)
            }
            outcome => outcome.map_err(|(error, _)| error),
        }
    }

    /// Gets a token by what the client itself has.
    ///
    /// oauth-client-credentials §Overview: "This flow requires pre-registered client credentials [...]. Dynamic Client Registration is
    /// not used in this flow."
    async fn without_user(&self, scopes: &Scopes, secrets: &Unattended<'_>) -> Result<Credential, Error> {
        let server = &self.discovered.server;
        if self.options.client.given.is_none() {
            return Err(Error::NoRegistration(server.issuer.clone()));
        }
        self.check_issuer().await?;
        let client = Registration::make(self.fetcher, server, &self.options.client, "").await?;
        let proof_key = self.proof_key()?;
        let scope = scopes.parameter();
        let wanted = TokenFor {
            server,
            client: &client,
            resource: &self.discovered.resource,
            names_resource: !self.options.omits_resource,
            scope: scope.as_deref(),
            proof_key: proof_key.as_ref(),
        };
        let token = secrets.token(&self.options.grant, &wanted).await?;
        self.credential(client, scopes, proof_key, token)
    }

    /// The key that the token is bound to, if it is bound to one.
    fn proof_key(&self) -> Result<Option<ProofKey>, Error> {
        match self.discovered.binds_tokens()? {
            true => ProofKey::random().map(Some),
            false => Ok(None),
        }
    }

    /// The credential with `token`.
    fn credential(
        &self,
        client: Registration,
        scopes: &Scopes,
        proof_key: Option<ProofKey>,
        token: TokenAnswer,
    ) -> Result<Credential, Error> {
        let server = &self.discovered.server;
        if self.discovered.bound_tokens == BoundTokens::Required && !token.is_bound {
            return Err(Error::NoProof(server.issuer.clone()));
        }
        let login = self.new_credential(client, scopes, proof_key)?;
        Ok(Credential::new(login, token, self.clock.now()))
    }

    /// The login of `client`, without its tokens.
    fn new_credential(
        &self,
        client: Registration,
        scopes: &Scopes,
        proof_key: Option<ProofKey>,
    ) -> Result<NewCredential, Error> {
        Ok(NewCredential {
            login_id: random()?.expose().to_owned(),
            server: self.server.to_owned(),
            account: self.account.to_owned(),
            resource: self.discovered.resource.clone(),
            names_resource: !self.options.omits_resource,
            authorization_server: self.discovered.server.clone(),
            client,
            grant: self.options.grant.clone(),
            issuer_is_given: self.discovered.issuer_is_given,
            requested_scope: scopes.parameter().unwrap_or_default(),
            proof_key,
            is_public: self.fetcher.is_public(),
        })
    }

    /// Signs in. An error comes with the client that was used.
    async fn attempt(
        &self,
        scopes: &Scopes,
        agent: &dyn UserAgent,
    ) -> Result<Credential, (Error, Option<Registration>)> {
        let (client, callback) = self.client().await.map_err(|error| (error, None))?;
        let credential = self.sign_in(&client, callback.as_ref(), scopes, agent).await;
        credential.map_err(|error| (error, Some(client)))
    }

    async fn sign_in(
        &self,
        client: &Registration,
        callback: Option<&Callback>,
        scopes: &Scopes,
        agent: &dyn UserAgent,
    ) -> Result<Credential, Error> {
        let pending = self.pending(client.clone(), callback, scopes, random()?)?;
        let within = self.options.limits.login_timeout;
        let code = timeout(within, self.code(&pending.request, callback, agent)).await;
        let code = code.map_err(|_| {
            self.refusals.login.increment();
            Error::TimedOut(within)
        })??;
        pending.redeem(&code, self.fetcher, self.clock).await
    }

    /// The login of `client`, before anything is shown.
    fn pending(
        &self,
        client: Registration,
        callback: Option<&Callback>,
        scopes: &Scopes,
        state: Secret,
    ) -> Result<PendingLogin, Error> {
        let server = &self.discovered.server;
        let scopes = scopes.clone().offline(server.has_offline_access());
        let parameters = AuthorizationParameters {
            client_id: &client.client_id,
            redirect_uri: callback.map_or(client.redirect_uri.as_str(), Callback::redirect_uri),
            resource: (!self.options.omits_resource).then_some(self.discovered.resource.as_str()),
            scopes: scopes.clone(),
            further: &self.options.authorize_parameters,
            is_public: self.fetcher.is_public(),
        };
        let request = AuthorizationRequest::with_state(server, &parameters, state)?;
        let proof_key = self.proof_key()?;
        let must_be_bound = self.discovered.bound_tokens == BoundTokens::Required;
        Ok(PendingLogin { request, login: self.new_credential(client, &scopes, proof_key)?, must_be_bound })
    }

    /// Shows the page, and waits for its answer.
    async fn code(
        &self,
        request: &AuthorizationRequest,
        callback: Option<&Callback>,
        agent: &dyn UserAgent,
    ) -> Result<Secret, Error> {
        let received = async {
            match callback {
                Some(callback) => callback.receive(request).await.map_err(Error::from),
                None => std::future::pending().await,
            }
        };
        let brought = async {
            let mut brought = agent.visit(request.url()).await.map_err(Error::Browser)?;
            // A line that is none of this login ends it no more than a request to the callback does.
            for _ in 1..BROUGHT {
                match brought.as_deref().map(|url| request.read_url(url)) {
                    Some(Err(error @ ResponseError::OtherLogin)) => {
                        tracing::warn!("{error}");
                        brought = agent.visit(request.url()).await.map_err(Error::Browser)?;
                    }
                    _ => break,
                }
            }
            match brought {
                Some(url) => request.read_url(&url).map_err(Error::from),
                None if callback.is_some() => std::future::pending().await,
                None => Err(Error::NoAnswer(request.redirect_uri().to_owned())),
            }
        };
        tokio::select! { code = received => code, code = brought => code }
    }

    /// The client of the authorization server, and where the answer comes to, if that is this machine.
    async fn client(&self) -> Result<(Registration, Option<Callback>), Error> {
        let (server, options) = (&self.discovered.server, &self.options.client);
        if let Some(uri) = &options.redirect_uri {
            check_redirect_uri(uri)?;
        }
        self.check_issuer().await?;
        let redirect_uri = options.redirect_uri.as_deref();
        let known = self.vault.registration(&server.issuer, redirect_uri).await?;
        let known = known.filter(|known| match &options.given {
            Some(given) => known.client_id == given.id,
            None => true,
        });
        let known = known.filter(|known| match redirect_uri {
            Some(uri) => uri == known.redirect_uri,
            // What was registered for a place elsewhere, which the user has named then, is of no use without it.
            None => Callback::is_possible(&known.redirect_uri),
        });
        if let (Some(mut known), None) = (known, &options.given) {
            match self.callback(&known.redirect_uri).await {
                Ok(callback) => return Ok((known, callback)),
                // The port of a client that is registered with another program's ports cannot be changed here.
                Err(error) if known.kind == RegistrationKind::Given => return Err(error),
                // RFC 8252 §7.3: authorization servers "MUST allow any port" of a loopback address, and many do not.
                Err(_) if known.kind == RegistrationKind::Document => {
                    let callback = Callback::bind(REDIRECT_URI).await?;
                    if let Some(callback) = &callback {
                        known.redirect_uri = callback.redirect_uri().to_owned();
                    }
                    return Ok((known, callback));
                }
                Err(_) => {}
            }
        }
        let callback = self.callback(redirect_uri.unwrap_or(REDIRECT_URI)).await?;
        let bound = callback.as_ref().map(Callback::redirect_uri).or(redirect_uri).unwrap_or_default();
        let made = Registration::make(self.fetcher, server, options, bound).await?;
        self.vault.register(&made).await?;
        Ok((made, callback))
    }

    /// What listens at `redirect_uri`, if something here is to.
    async fn callback(&self, redirect_uri: &str) -> Result<Option<Callback>, Error> {
        match self.agent.is_none_or(UserAgent::brings_answers) {
            true => Ok(None),
            false => Callback::bind(redirect_uri).await,
        }
    }

    /// 2026-07-28, client-registration §Authorization Server Binding: "If the authorization server indicated by protected resource
    /// metadata no longer matches the one the credentials were registered with, clients **SHOULD** surface an error rather than
    /// silently attempting to use mismatched credentials."
    async fn check_issuer(&self) -> Result<(), Error> {
        let (now, is_named) = (&self.discovered.server.issuer, self.discovered.issuer_is_given);
        if let Some(given) = &self.options.client.given {
            match self.vault.issuers() {
                Some(issuers) => issuers.bind(self.server, &given.id, (now, is_named)).await?,
                None if is_named || self.options.grant.has_user() => {}
                None => return Err(Error::IssuerNotNamed(now.clone())),
            }
        }
        // The owner of the client has named the authorization server.
        if is_named {
            return Ok(());
        }
        let Some(link) = self.vault.link(self.server, self.account).await? else { return Ok(()) };
        if link.issuer == *now {
            return Ok(());
        }
        let before = self.vault.registration(&link.issuer, None).await?;
        let is_given_again = |before: &Registration| match &self.options.client.given {
            Some(given) => given.id == before.client_id,
            None => true,
        };
        match before {
            Some(before) if before.kind == RegistrationKind::Given && is_given_again(&before) => {
                Err(Error::OtherIssuer { before: link.issuer, now: now.clone() })
            }
            _ => Ok(()),
        }
    }
}
