//! For the fuzz targets: tokens and proofs whose every part is anybody's, though they are signed.

use anyport_service::Authorization;
use anyport_transport::http::{Credential, CredentialError, CredentialVerifier as _, Scheme, Verification};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderValue, Request};
use ring::signature::{Ed25519KeyPair, KeyPair as _};

use super::{jwt::Jwt, shared_secret::SharedSecretJwt, verifiers::Verifiers};

/// The issuer of the tokens that may be accepted.
pub const ISSUER: &str = "https://login.example.com";
/// The server that they are for.
pub const RESOURCE: &str = "https://mcp.example.com/mcp";
/// The secret of the other tokens.
pub const SECRET: &[u8; 32] = b"0123456789abcdef0123456789abcdef";

/// What verifies tokens, and what signs them.
pub struct Fuzzed {
    verifiers: Verifiers,
    pair: Ed25519KeyPair,
}

impl Fuzzed {
    /// An issuer with one key, and a shared secret.
    pub fn new() -> Option<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).ok()?;
        let x = URL_SAFE_NO_PAD.encode(pair.public_key());
        let keys = format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","x":"{x}"}}]}}"#);
        let verifiers = Verifiers::new().jwt(Jwt::keys(ISSUER, &keys).ok()?).ok()?;
        let verifiers = verifiers.shared_secret(SharedSecretJwt::new(SECRET).ok()?).ok()?;
        Some(Self { verifiers, pair })
    }

    /// A token of this header and these claims, rightly signed.
    pub fn sign(&self, header: &[u8], claims: &[u8]) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
        let signature = URL_SAFE_NO_PAD.encode(self.pair.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// Presents a token, with a proof if there is one. `None` if it waits for something.
    pub fn present(
        &self,
        token: &str,
        proof: Option<&str>,
    ) -> Option<Result<Authorization, CredentialError>> {
        let mut head = Request::post("/mcp").body(()).ok()?.into_parts().0;
        let proof = proof.and_then(|proof| HeaderValue::from_str(proof).ok());
        let scheme = if proof.is_some() { Scheme::Dpop } else { Scheme::Bearer };
        if let Some(proof) = proof {
            head.headers.insert("dpop", proof);
        }
        let credential = Credential::new(scheme, token);
        match self.verifiers.verify(&credential, &head, RESOURCE) {
            Verification::Ready(result) => Some(result),
            Verification::Pending(_) => None,
        }
    }
}
