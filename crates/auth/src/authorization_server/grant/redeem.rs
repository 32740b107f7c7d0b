//! Authorization codes become tokens, once.

use anyport_store::Error as StoreError;

use super::{
    grants::{GrantError, Grants, Issued},
    record::{Code, Found},
};
use crate::{
    authorization_server::token_text::{TokenKind, has_hash},
    pkce,
    secret::Secret,
};

/// What a client presents to redeem a code.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Redemption<'a> {
    pub(crate) code: &'a str,
    pub(crate) client_id: &'a str,
    /// RFC 6749 §4.1.3; OAuth 2.1 has left it out, so it may be absent.
    pub(crate) redirect_uri: Option<&'a str>,
    pub(crate) verifier: &'a Secret,
}

/// What a client learns of a code that gives nothing.
const UNKNOWN: &str = "the code is unknown, was used already, or has expired";

impl Grants {
    /// Redeems an authorization code, once.
    ///
    /// RFC 6749 §4.1.2: "If an authorization code is used more than once, the authorization server MUST deny the request and SHOULD
    /// revoke (when possible) all tokens previously issued based on that authorization code."
    pub(crate) async fn redeem(&self, redemption: Redemption<'_>) -> Result<Issued, GrantError> {
        let unknown = || GrantError::Invalid(UNKNOWN);
        let reused = |grant, why| Err(GrantError::Reused { grant: Box::new(grant), why, words: UNKNOWN });
        let found = self.find(TokenKind::Code, redemption.code).await?.ok_or_else(unknown)?;
        let before = found.clone();
        let Found { id, mut grant, version } = found;
        let code = grant.code.clone().filter(|code| has_hash(redemption.code, &code.hash));
        let code = code.ok_or_else(unknown)?;
        if code.is_redeemed {
            return reused(before, "an authorization code was used twice");
        }
        if code.expires <= self.seconds() {
            self.refusals.authorization_code.increment();
            return Err(unknown());
        }
        if grant.client_id != redemption.client_id {
            return Err(GrantError::Invalid("the code is another client's"));
        }
        if redemption.redirect_uri.is_some_and(|uri| uri != code.redirect_uri) {
            return Err(GrantError::Invalid("the redirect_uri is not the one of the authorization request"));
        }
        if !pkce::is_verifier_of(redemption.verifier, &code.challenge) {
            return Err(GrantError::Invalid("the code_verifier does not fit the code_challenge"));
        }
        grant.code = Some(Code { is_redeemed: true, ..code });
        let (access, refresh) = (TokenKind::Access.random(&id)?, TokenKind::Refresh.random(&id)?);
        let issued = self.add(&mut grant, access, refresh, None);
        match self.records.replace(&id, version, &grant, Some(self.life())).await {
            Ok(_) => Ok(issued),
            // Another request has redeemed it meanwhile: the code is used twice.
            Err(StoreError::Conflict(_)) => reused(before, "an authorization code was used twice at once"),
            Err(error) => Err(error.into()),
        }
    }
}
