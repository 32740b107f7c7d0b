//! Tokens of callers, to be verified: again, anew, and by `ring` alone.

use std::{str::FromStr, time::Duration};

use anyport_auth::resource_server::{Jwt, SharedSecretJwt, VerifierLimits, Verifiers};
use anyport_transport::http::{Credential, CredentialVerifier, Scheme, Verification};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{Request, request::Parts};
use ring::{
    rand::SystemRandom,
    rsa::PublicKeyComponents,
    signature::{
        self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, RsaKeyPair,
        UnparsedPublicKey,
    },
};
use serde_json::{Value, json};

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Case {
    /// A token of an issuer that was verified before.
    Cached,
    /// A token of a shared secret that was verified before.
    CachedSecret,
    /// A token of an issuer that is verified anew each time.
    Anew(Alg),
    /// Its signature, by `ring` alone.
    Ring(Alg),
}

/// An algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alg {
    /// ECDSA by P-256.
    Es256,
    /// ECDSA by P-384.
    Es384,
    /// Ed25519.
    EdDsa,
    /// RSA of 2,048 bits, PKCS#1.
    Rs256,
    /// RSA of 2,048 bits, PSS.
    Ps256,
}

/// Presents one token a given number of times.
pub struct Presenter {
    verifier: Verifiers,
    credential: Credential,
    head: Parts,
    /// What `ring` verifies, in place of the verifier.
    alone: Option<Signed>,
}

/// A message, its signature, and the key of it.
struct Signed {
    alg: Alg,
    public: Public,
    message: String,
    signature: Vec<u8>,
}

enum Public {
    Bytes(Vec<u8>),
    Rsa(PublicKeyComponents<Vec<u8>>),
}

const ISSUER: &str = "https://login.example.com/0b2f9a4e-2c3d-4f5a-8b6c-7d8e9f0a1b2c/v2.0";
const RESOURCE: &str = "https://mcp.example.com/mcp";
/// A key that protects nothing.
const RSA: &[u8] = include_bytes!("../data/rsa2048.der");

impl Presenter {
    /// Prepares a case; `None` if a key cannot be made.
    pub fn new(case: Case) -> Option<Self> {
        let alg = match case {
            Case::Anew(alg) | Case::Ring(alg) => alg,
            Case::Cached | Case::CachedSecret => Alg::Es256,
        };
        let signed = Signed::new(alg)?;
        let keys = json!({ "keys": [signed.jwk()] }).to_string();
        let limits = VerifierLimits::default();
        let limits = if case == Case::Cached { limits } else { limits.token_cache(Duration::ZERO) };
        let mut token = signed.token();
        let secret = SharedSecretJwt::new(&[7; 32]).ok()?;
        if case == Case::CachedSecret {
            let scopes = ["notes:read".into(), "notes:write".into()];
            token = secret.issue("alice", &scopes, Duration::from_secs(3600)).expose().to_owned();
        }
        // As a program has them: one is chosen for each token.
        let verifiers = Verifiers::new().jwt(Jwt::keys("https://other.example.com", &keys).ok()?).ok()?;
        let verifiers = verifiers.jwt(Jwt::keys(ISSUER, &keys).ok()?.limits(limits)).ok()?;
        let verifier = verifiers.shared_secret(secret).ok()?;
        let head = Request::post("/mcp").body(()).ok()?.into_parts().0;
        let credential = Credential::new(Scheme::Bearer, token);
        Some(Self { verifier, credential, head, alone: matches!(case, Case::Ring(_)).then_some(signed) })
    }

    /// Verifies the token once. Whether it is good.
    pub fn present(&self) -> bool {
        match &self.alone {
            Some(signed) => signed.verify(),
            None => {
                let verification = self.verifier.verify(&self.credential, &self.head, RESOURCE);
                matches!(verification, Verification::Ready(Ok(_)))
            }
        }
    }
}

impl Signed {
    fn new(alg: Alg) -> Option<Self> {
        let random = SystemRandom::new();
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!(
            "{}.{}",
            part(&json!({ "alg": alg.name(), "typ": "at+jwt", "kid": "2026-11" })),
            part(&claims())
        );
        let bytes = message.as_bytes();
        let (public, signature) = match alg {
            Alg::Es256 => ecdsa(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, bytes, &random)?,
            Alg::Es384 => ecdsa(&signature::ECDSA_P384_SHA384_FIXED_SIGNING, bytes, &random)?,
            Alg::EdDsa => {
                let pair = Ed25519KeyPair::from_seed_unchecked(&[7; 32]).ok()?;
                (Public::Bytes(pair.public_key().as_ref().to_vec()), pair.sign(bytes).as_ref().to_vec())
            }
            Alg::Rs256 | Alg::Ps256 => {
                let pair = RsaKeyPair::from_der(RSA).ok()?;
                let mut signature = vec![0; pair.public().modulus_len()];
                match alg {
                    Alg::Rs256 => pair.sign(&signature::RSA_PKCS1_SHA256, &random, bytes, &mut signature),
                    _ => pair.sign(&signature::RSA_PSS_SHA256, &random, bytes, &mut signature),
                }
                .ok()?;
                (Public::Rsa(pair.public().into()), signature)
            }
        };
        Some(Self { alg, public, message, signature })
    }

    fn token(&self) -> String {
        format!("{}.{}", self.message, URL_SAFE_NO_PAD.encode(&self.signature))
    }

    fn jwk(&self) -> Value {
        let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        match &self.public {
            Public::Rsa(PublicKeyComponents { n, e }) => {
                json!({ "kty": "RSA", "n": encode(n), "e": encode(e), "kid": "2026-11", "use": "sig" })
            }
            Public::Bytes(x) if self.alg == Alg::EdDsa => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": encode(x), "kid": "2026-11" })
            }
            Public::Bytes(point) => {
                let (x, y) = point[1..].split_at(point.len() / 2);
                let crv = if self.alg == Alg::Es256 { "P-256" } else { "P-384" };
                json!({ "kty": "EC", "crv": crv, "x": encode(x), "y": encode(y), "kid": "2026-11" })
            }
        }
    }

    fn verify(&self) -> bool {
        let (message, signature) = (self.message.as_bytes(), &self.signature);
        let by = |algorithm: &'static dyn signature::VerificationAlgorithm, key: &[u8]| {
            UnparsedPublicKey::new(algorithm, key).verify(message, signature)
        };
        let verified = match (&self.public, self.alg) {
            (Public::Rsa(key), Alg::Rs256) => {
                key.verify(&signature::RSA_PKCS1_2048_8192_SHA256, message, signature)
            }
            (Public::Rsa(key), _) => key.verify(&signature::RSA_PSS_2048_8192_SHA256, message, signature),
            (Public::Bytes(key), Alg::Es256) => by(&signature::ECDSA_P256_SHA256_FIXED, key),
            (Public::Bytes(key), Alg::Es384) => by(&signature::ECDSA_P384_SHA384_FIXED, key),
            (Public::Bytes(key), _) => by(&signature::ED25519, key),
        };
        verified.is_ok()
    }
}

fn ecdsa(
    algorithm: &'static EcdsaSigningAlgorithm,
    message: &[u8],
    random: &SystemRandom,
) -> Option<(Public, Vec<u8>)> {
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, random).ok()?;
    let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), random).ok()?;
    let signature = pair.sign(random, message).ok()?;
    Some((Public::Bytes(pair.public_key().as_ref().to_vec()), signature.as_ref().to_vec()))
}

/// The claims of an ordinary token, which ends in 2100.
fn claims() -> Value {
    json!({
        "iss": ISSUER, "sub": "AAAAAAAAAAAAAAAAAAAAAIkzqFVrSaSaFHy782bbtaQ", "aud": [RESOURCE, "api://notes"],
        "iat": 1_764_000_000, "nbf": 1_764_000_000, "exp": 4_102_444_800_u64,
        "jti": "8c1b6a3e-5a0f-4f6e-9d55-1c2a8f4d7e90", "client_id": "6731de76-14a6-49ae-97bc-6eba6914391e",
        "scope": "notes:read notes:write",
    })
}

impl Alg {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Es256, Self::Es384, Self::EdDsa, Self::Rs256, Self::Ps256];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Rs256 => "RS256",
            Self::Ps256 => "PS256",
        }
    }
}

/// `cached`, `cached-secret`, `anew-ES256`, `ring-ES256` and so on.
impl FromStr for Case {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let alg = |wanted: &str| Alg::ALL.into_iter().find(|alg| alg.name() == wanted);
        let case = match (name, name.split_once('-')) {
            ("cached", _) => Some(Self::Cached),
            ("cached-secret", _) => Some(Self::CachedSecret),
            (_, Some(("anew", wanted))) => alg(wanted).map(Self::Anew),
            (_, Some(("ring", wanted))) => alg(wanted).map(Self::Ring),
            _ => None,
        };
        case.ok_or_else(|| format!("there is no case {name}"))
    }
}
