//! Proofs of possession (RFC 9449, "DPoP"): a token that is bound to a key is of use to its holder alone.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyport_metrics::Metrics;
use anyport_seal::Sealer;
use anyport_service::Principal;
use anyport_transport::http::{CredentialError, DpopSupport, Scheme};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::request::Parts;
use jsonwebtoken::{
    DecodingKey,
    jwk::{Jwk, ThumbprintHash},
};
use ring::digest::{SHA256, digest};
use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use url::Url;

use super::{
    algorithm::Algorithm,
    binding::Binding,
    cache::TokenHash,
    claims::Moment,
    jws::UnverifiedToken,
    key_set::algorithms_of,
    limits::VerifierLimits,
    presented::Presented,
    refusal::invalid,
    refusal::unavailable,
    used_proofs::{Refusal, UsedProofs},
};

/// Checks what tokens are bound to, and remembers the proofs that it has seen.
pub(super) struct ProofChecker {
    support: DpopSupport,
    /// Seals the nonces that proofs must have, if they must.
    nonces: Option<Sealer>,
    limits: VerifierLimits,
    used: UsedProofs,
}

#[derive(Deserialize)]
struct ProofClaims {
    jti: String,
    htm: String,
    htu: String,
    iat: f64,
    ath: String,
    nonce: Option<String>,
}

impl ProofChecker {
    pub(super) fn new(
        support: DpopSupport,
        nonces: Option<Sealer>,
        limits: VerifierLimits,
        metrics: &Metrics,
    ) -> Self {
        Self { support, nonces, limits, used: UsedProofs::new(limits, metrics) }
    }

    /// The algorithms by which proofs may be signed.
    pub(super) const ALGORITHMS: &[&str] =
        &["ES256", "ES384", "EdDSA", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

    /// Checks that `caller` holds what its token is bound to.
    pub(super) fn check(
        &self,
        caller: &Principal,
        binding: &Binding,
        presented: &Presented<'_>,
        now: &Moment,
    ) -> Result<(), CredentialError> {
        let Some(head) = presented.head else { return Ok(()) };
        match (presented.credential.scheme, &binding.key) {
            (Scheme::Bearer, None) if self.support == DpopSupport::Required => {
                return Err(invalid("the token is not bound to a key (cnf.jkt), and must be"));
            }
            (Scheme::Bearer, None) => {}
            // RFC 9449, section 7.1: "the resource server MUST NOT grant access" if the checks of the proof do not succeed; and a
            // bound token without a proof has none.
            (Scheme::Bearer, Some(_)) => {
                return Err(invalid(
                    "the token is bound to a key (cnf.jkt): present it with the scheme DPoP and a proof",
                ));
            }
            (Scheme::Dpop, None) => {
                return Err(invalid(
                    "the token is not bound to a key (cnf.jkt): present it with the scheme Bearer",
                ));
            }
            (Scheme::Dpop, Some(thumbprint)) => {
                let proof = self.check_proof(thumbprint, presented, head, now)?;
                self.remember(proof, caller, now)?;
            }
        }
        match &binding.certificate {
            Some(thumbprint) if presented.certificate() != Some(thumbprint) => Err(invalid(
                "the token is bound to a certificate (cnf.x5t#S256) that this connection does not have",
            )),
            _ => Ok(()),
        }
    }

    /// RFC 9449, section 4.3, in its order. Returns what is remembered of the proof, since all but its `jti` is right.
    fn check_proof(
        &self,
        thumbprint: &str,
        presented: &Presented<'_>,
        head: &Parts,
        now: &Moment,
    ) -> Result<TokenHash, CredentialError> {
        let mut headers = head.headers.get_all("dpop").iter();
        let (Some(proof), None) = (headers.next(), headers.next()) else {
            return Err(wrong("the request must have one header DPoP"));
        };
        let proof = proof.to_str().map_err(|_| wrong("the proof is no JWT"))?;
        let (claims, key) = verified(proof, &self.limits)?;
        if claims.htm != head.method.as_str() {
            return Err(wrong("the proof is for another method (htm)"));
        }
        if !is_same_url(&claims.htu, presented, head.uri.path()) {
            return Err(wrong("the proof is for another URL (htu)"));
        }
        self.check_nonce(claims.nonce.as_deref(), now)?;
        self.check_time(claims.iat, now)?;
        let hash = URL_SAFE_NO_PAD.encode(digest(&SHA256, presented.token().as_bytes()));
        if !bool::from(hash.as_bytes().ct_eq(claims.ath.as_bytes())) {
            return Err(wrong("the proof is for another token (ath)"));
        }
        if key != thumbprint {
            return Err(wrong("the proof is by another key than the token is bound to (cnf.jkt)"));
        }
        Ok(TokenHash::of(&claims.jti, thumbprint))
    }

    fn check_nonce(&self, nonce: Option<&str>, now: &Moment) -> Result<(), CredentialError> {
        let Some(sealer) = &self.nonces else { return Ok(()) };
        let sealed = nonce.and_then(|nonce| sealer.open(NONCE, nonce).ok());
        let made =
            sealed.and_then(|bytes| Some(Duration::from_millis(u64::from_be_bytes(bytes.try_into().ok()?))));
        let age = made.and_then(|made| now.wall.duration_since(UNIX_EPOCH + made).ok());
        if age.is_some_and(|age| age <= self.limits.dpop_proof_age) {
            return Ok(());
        }
        let millis = now.wall.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let bytes = u64::try_from(millis).unwrap_or(u64::MAX).to_be_bytes();
        match sealer.seal(NONCE, &bytes) {
            Ok(nonce) => Err(CredentialError::UseNonce(nonce)),
            Err(_) => Err(unavailable("no randomness from the operating system", Duration::from_secs(1))),
        }
    }

    /// A proof may be from our future by the leeway, and is taken for as long as its `jti` is remembered.
    fn check_time(&self, iat: f64, now: &Moment) -> Result<(), CredentialError> {
        let (seconds, leeway) = (now.seconds(), now.leeway.as_secs_f64());
        let is_recent = iat <= seconds + leeway && iat >= seconds - self.past(now).as_secs_f64();
        is_recent.then_some(()).ok_or(wrong("the proof is too old, or from the future (iat)"))
    }

    fn past(&self, now: &Moment) -> Duration {
        self.limits.dpop_proof_age.saturating_sub(now.leeway).max(now.leeway)
    }

    fn remember(&self, proof: TokenHash, caller: &Principal, now: &Moment) -> Result<(), CredentialError> {
        let until = now.instant + self.past(now) + now.leeway;
        self.used.note(proof, caller, now.instant, until).map_err(|refusal| match refusal {
            Refusal::Used => wrong("the proof was used before (jti)"),
            Refusal::Full(error) => error,
        })
    }
}

/// What a nonce is sealed for.
const NONCE: &str = "dpop-nonce";
/// The type of a proof.
const TYPE: &str = "dpop+jwt";

/// The claims of a proof, and the thumbprint of the key that has signed it.
fn verified(proof: &str, limits: &VerifierLimits) -> Result<(ProofClaims, String), CredentialError> {
    let token = UnverifiedToken::parse(proof, limits).map_err(of_proof)?;
    if token.header.typ.as_deref().is_none_or(|typ| !typ.eq_ignore_ascii_case(TYPE)) {
        return Err(wrong("the proof's type is not dpop+jwt (typ)"));
    }
    let jwk = token.header.jwk.as_ref().ok_or(wrong("the proof has no key (jwk)"))?;
    if has_private_part(&token) {
        return Err(wrong("the proof's key has a private part (jwk)"));
    }
    let thumbprint = check_key(&token, jwk).ok_or(wrong("the proof is not signed by its key"))?;
    let claims = token.claims().map_err(|_| wrong("the proof lacks jti, htm, htu, iat or ath"))?;
    Ok((claims, thumbprint))
}

/// The thumbprint of `jwk`, if it has signed the proof by an algorithm with a public key.
fn check_key(proof: &UnverifiedToken<'_>, jwk: &Jwk) -> Option<String> {
    let algorithm = Algorithm::of(proof.header.alg)?;
    let fits = algorithms_of(jwk).contains(&algorithm);
    let key = DecodingKey::from_jwk(jwk).ok()?;
    (fits && proof.is_signed_by(&key)).then(|| jwk.thumbprint(ThumbprintHash::SHA256).ok()).flatten()
}

/// RFC 9449, section 4.3: "the `jwk` JOSE Header Parameter does not contain a private key".
fn has_private_part(proof: &UnverifiedToken<'_>) -> bool {
    let members = proof.raw_header();
    let jwk = members.as_ref().and_then(|header| header.get("jwk"));
    jwk.is_none_or(|jwk| {
        ["d", "p", "q", "dp", "dq", "qi", "oth", "k"].iter().any(|member| jwk.get(member).is_some())
    })
}

/// Whether `htu` is the URL of the request to `path`, without query and fragment: at the origin of the resource, and below the path of the
/// public URL, which a proxy before us has taken away.
fn is_same_url(htu: &str, presented: &Presented<'_>, path: &str) -> bool {
    let without_query = |url: &str| {
        let mut url = Url::parse(url).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    let (Some(found), Some(mut expected)) = (without_query(htu), without_query(presented.resource)) else {
        return false;
    };
    expected.set_path(&format!("{}{path}", presented.public_path()));
    found == expected
}

fn wrong(why: &'static str) -> CredentialError {
    CredentialError::InvalidProof(why.into())
}

/// The fault of a token as that of a proof.
fn of_proof(error: CredentialError) -> CredentialError {
    match error {
        CredentialError::Invalid(why) => CredentialError::InvalidProof(format!("in the proof: {why}").into()),
        other => other,
    }
}
