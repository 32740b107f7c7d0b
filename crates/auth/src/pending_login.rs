use anyport_store::Clock;
use serde::{Deserialize, Serialize};

use crate::{
    authorize::AuthorizationRequest,
    credential::{Credential, NewCredential},
    error::Error,
    fetch::Fetcher,
    registration::Registration,
    secret::Secret,
    token::{Grant, TokenRequest},
};

/// A login that has begun: the page that the user signs in at, and what is needed once the answer is there. It has the code verifier and
/// the secret of the client, so it is kept sealed.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PendingLogin {
    pub(crate) request: AuthorizationRequest,
    pub(crate) login: NewCredential,
    /// Whether only a token that is bound to a key is of use.
    pub(crate) must_be_bound: bool,
}

impl PendingLogin {
    /// The page.
    pub fn url(&self) -> &str {
        self.request.url()
    }

    /// Whether the server is on the public internet, so that nothing it names leads to a private address.
    pub(crate) fn is_public(&self) -> bool {
        self.login.is_public
    }

    /// The client that has begun it.
    pub(crate) fn client(&self) -> &Registration {
        &self.login.client
    }

    /// Gives the code for a token.
    pub(crate) async fn redeem(
        &self,
        code: &Secret,
        fetcher: &Fetcher,
        clock: &Clock,
    ) -> Result<Credential, Error> {
        let NewCredential { authorization_server, client, resource, names_resource, proof_key, .. } =
            &self.login;
        let token = TokenRequest {
            server: authorization_server,
            client: client.identity(),
            grant: Grant::Code {
                code,
                redirect_uri: self.request.redirect_uri(),
                verifier: self.request.verifier(),
            },
            resource: names_resource.then_some(resource),
            proof_key: proof_key.as_ref(),
            clock,
        };
        let token = token.send(fetcher).await?;
        if self.must_be_bound && !token.is_bound {
            return Err(Error::NoProof(authorization_server.issuer.clone()));
        }
        Ok(Credential::new(self.login.clone(), token, clock.now()))
    }
}
