//! ID tokens: who a user is, by the word of an OpenID provider (OpenID Connect Core, section 2).

use serde::Deserialize;
use serde_json::Value;

use super::{error::SignInError, kind::DomainClaim, user::SignedInUser};
use crate::{resource_server::SignedTokens, secret::Secret};

/// The types of ID tokens. Most providers write `JWT`, and some none at all.
pub(super) const TYPES: &[&str] = &["", "jwt"];

/// The length of a subject. OpenID Connect Core, section 2: `sub` "MUST NOT exceed 255 ASCII characters in length."
const LONGEST_SUBJECT: usize = 255;

#[derive(Deserialize)]
struct Claims {
    sub: String,
    aud: Value,
    azp: Option<String>,
    nonce: Option<Secret>,
    hd: Option<String>,
    email: Option<String>,
    email_verified: Option<Value>,
    name: Option<String>,
    preferred_username: Option<String>,
}

/// What an ID token must say to be the one of a sign-in.
pub(super) struct Expected<'a> {
    pub(super) client_id: &'a str,
    pub(super) nonce: &'a Secret,
    pub(super) domain_claim: DomainClaim,
}

/// The user of `token`, which one of `issuers` must have signed.
///
/// # Errors
/// [`SignInError::IdToken`], or [`SignInError::Provider`] if the keys cannot be fetched.
pub(super) async fn user(
    token: &Secret,
    issuers: &[SignedTokens],
    expected: &Expected<'_>,
) -> Result<SignedInUser, SignInError> {
    let claimed = claimed_issuer(token);
    let by_issuer = |issuer: &&SignedTokens| claimed.as_deref() == Some(issuer.issuer());
    let Some(issuer) = issuers.iter().find(by_issuer) else {
        return Err(SignInError::IdToken("it is of another issuer (iss)".to_owned()));
    };
    let claims: Claims = issuer.verify(token).await?;
    claims.check(expected).map_err(|why| SignInError::IdToken(why.to_owned()))?;
    let domain = claims.domain(expected.domain_claim).map(str::to_owned);
    let name = claims.preferred_username.or(claims.email).or(claims.name);
    Ok(SignedInUser { issuer: issuer.issuer().to_owned(), subject: claims.sub, domain, name })
}

/// The issuer that the token claims to be of. Nothing is verified: it only chooses by whose keys it is.
fn claimed_issuer(token: &Secret) -> Option<String> {
    crate::resource_server::claimed_issuer(token.expose()).flatten()
}

impl Claims {
    fn check(&self, expected: &Expected<'_>) -> Result<(), &'static str> {
        // OpenID Connect Core, section 3.1.3.7: "The ID Token MUST be rejected if the ID Token does not list the Client as a valid
        // audience, or if it contains additional audiences not trusted by the Client." None is.
        let is_ours = |audience: &Value| audience.as_str() == Some(expected.client_id);
        let is_for_us = match &self.aud {
            Value::Array(all) => !all.is_empty() && all.iter().all(is_ours),
            one => is_ours(one),
        };
        if !is_for_us {
            return Err("it is not for this client alone (aud)");
        }
        // "If an azp (authorized party) Claim is present, the Client SHOULD verify that its client_id is the Claim Value."
        if self.azp.as_deref().is_some_and(|azp| azp != expected.client_id) {
            return Err("it was made for another client (azp)");
        }
        // "If a nonce value was sent in the Authentication Request, a nonce Claim MUST be present and its value checked to verify
        // that it is the same value as the one that was sent in the Authentication Request."
        if self.nonce.as_ref() != Some(expected.nonce) {
            return Err("it is of another sign-in (nonce)");
        }
        match self.sub.is_empty() || self.sub.len() > LONGEST_SUBJECT {
            true => Err("its subject (sub) is empty or too long"),
            false => Ok(()),
        }
    }

    /// The domain of the user, as far as the provider has verified it.
    fn domain(&self, claim: DomainClaim) -> Option<&str> {
        match claim {
            DomainClaim::None => None,
            DomainClaim::HostedDomain => self.hd.as_deref(),
            DomainClaim::VerifiedEmail => {
                let is_verified = match &self.email_verified {
                    Some(Value::Bool(is_verified)) => *is_verified,
                    Some(Value::String(text)) => text == "true",
                    _ => false,
                };
                let email = self.email.as_deref().filter(|_| is_verified)?;
                email.rsplit_once('@').map(|(_, domain)| domain)
            }
        }
    }
}
