//! Tokens without a user: by what the client has, by what its platform says of it, by what an identity provider says of the user.

use std::{future::Future, pin::Pin};

use anyport_service::sync::Lock;
use anyport_store::Clock;
use sha2::{Digest as _, Sha256};

use crate::{
    credential::Credential,
    dpop::ProofKey,
    error::Error,
    fetch::Fetcher,
    grant::{LoginGrant, SecretReader},
    identity::Identities,
    refresh::AnotherToken,
    registration::Registration,
    secret::Secret,
    server_metadata::ServerMetadata,
    token::{Grant, TokenAnswer, TokenRequest},
};

/// What such a token is got by.
pub(crate) struct Unattended<'a> {
    pub(crate) fetcher: &'a Fetcher,
    pub(crate) clock: &'a Clock,
    pub(crate) secrets: Option<&'a dyn SecretReader>,
    pub(crate) identities: Identities<'a>,
    /// The assertion that was refused last, as a hash.
    pub(crate) refused: &'a Lock<Option<[u8; 32]>>,
}

/// What a token is for.
pub(crate) struct TokenFor<'a> {
    pub(crate) server: &'a ServerMetadata,
    pub(crate) client: &'a Registration,
    pub(crate) resource: &'a str,
    pub(crate) names_resource: bool,
    pub(crate) scope: Option<&'a str>,
    pub(crate) proof_key: Option<&'a ProofKey>,
}

impl Unattended<'_> {
    /// Asks for a token by `grant`.
    ///
    /// # Errors
    /// Why there is none; [`Error::NeedsLogin`] where `grant` has a user.
    pub(crate) async fn token(
        &self,
        grant: &LoginGrant,
        wanted: &TokenFor<'_>,
    ) -> Result<TokenAnswer, Error> {
        let scope = wanted.scope;
        match grant {
            LoginGrant::AuthorizationCode => Err(Error::NeedsLogin(wanted.resource.to_owned())),
            LoginGrant::ClientCredentials => self.ask(Grant::ClientCredentials { scope }, wanted).await,
            LoginGrant::WorkloadIdentity { assertion: source } => {
                let assertion = self.assertion(source).await?;
                let answer = self.ask(Grant::Assertion { assertion: &assertion, scope }, wanted).await;
                if matches!(answer, Err(Error::Refused { .. })) {
                    *self.refused.lock() = Some(hash(&assertion));
                }
                answer
            }
            LoginGrant::IdentityProvider { name } => {
                let audience = (wanted.server.issuer.as_str(), wanted.resource);
                let assertion = self.identities.assertion(name, audience, scope).await?;
                self.ask(Grant::Assertion { assertion: &assertion, scope }, wanted).await
            }
        }
    }

    async fn ask(&self, grant: Grant<'_>, wanted: &TokenFor<'_>) -> Result<TokenAnswer, Error> {
        let request = TokenRequest {
            server: wanted.server,
            client: wanted.client.identity(),
            grant,
            resource: wanted.names_resource.then_some(wanted.resource),
            proof_key: wanted.proof_key,
            clock: self.clock,
        };
        request.send(self.fetcher).await
    }

    /// The assertion of the platform. One that was refused is not sent again: it does not become better, and an authorization
    /// server may take repetitions for an attack.
    async fn assertion(&self, source: &str) -> Result<Secret, Error> {
        let wrong = |why: String| Error::Assertion { at: source.to_owned(), why };
        let reader = self.secrets.ok_or_else(|| wrong("cannot be read here".to_owned()))?;
        let assertion = reader.read(source).await.map_err(wrong)?;
        if assertion.expose().is_empty() {
            return Err(wrong("is empty".to_owned()));
        }
        match *self.refused.lock() == Some(hash(&assertion)) {
            true => Err(wrong("was refused by the authorization server, and is not sent again".to_owned())),
            false => Ok(assertion),
        }
    }
}

impl AnotherToken for Unattended<'_> {
    fn another<'a>(
        &'a self,
        held: &'a Credential,
    ) -> Pin<Box<dyn Future<Output = Result<TokenAnswer, Error>> + Send + 'a>> {
        Box::pin(async move {
            let wanted = TokenFor {
                server: &held.authorization_server,
                client: &held.client,
                resource: &held.resource,
                names_resource: held.names_resource,
                scope: Some(held.requested_scope.as_str()).filter(|scope| !scope.is_empty()),
                proof_key: held.proof_key.as_ref(),
            };
            self.token(&held.grant, &wanted).await
        })
    }
}

fn hash(secret: &Secret) -> [u8; 32] {
    Sha256::digest(secret.expose().as_bytes()).into()
}
