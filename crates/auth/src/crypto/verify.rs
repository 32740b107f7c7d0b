//! Verifies signatures of JSON Web Tokens.

use jsonwebtoken::{
    Algorithm, DecodingKey, DecodingKeyKind,
    crypto::{CryptoProvider, JwtVerifier, KeyUtils},
    errors::{ErrorKind, Result},
    jwk::{EllipticCurve, ThumbprintHash},
};
use ring::{digest, error::Unspecified, hmac, rsa::PublicKeyComponents, signature as ring_signature};
use signature::{Error as SignatureError, Verifier};

use super::sign::signer;

/// Has `jsonwebtoken` use `ring` in this process, unless the program has chosen something else already. Without a choice it
/// panics at its first use.
pub(crate) fn install() {
    // Whoever came first has chosen a provider that verifies as well.
    let _ = PROVIDER.install_default();
}

static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: signer,
    verifier_factory: verifier,
    key_utils: KeyUtils {
        rsa_pub_components_from_private_key: |_| Err(not_needed()),
        rsa_pub_components_from_public_key: |_| Err(not_needed()),
        ec_pub_components_from_private_key: |_, _| Err::<(EllipticCurve, _, _), _>(not_needed()),
        ed_pub_components_from_private_key: |_, _| Err(not_needed()),
        compute_digest,
    },
};

/// Nothing here makes public keys of private ones.
fn not_needed() -> jsonwebtoken::errors::Error {
    ErrorKind::Provider("a public key is not made of a private one".into()).into()
}

fn compute_digest(data: &[u8], hash: ThumbprintHash) -> Result<Vec<u8>> {
    let algorithm = match hash {
        ThumbprintHash::SHA256 => &digest::SHA256,
        ThumbprintHash::SHA384 => &digest::SHA384,
        ThumbprintHash::SHA512 => &digest::SHA512,
        _ => return Err(ErrorKind::UnsupportedAlgorithm.into()),
    };
    Ok(digest::digest(algorithm, data).as_ref().to_vec())
}

fn verifier(algorithm: &Algorithm, key: &DecodingKey) -> Result<Box<dyn JwtVerifier>> {
    if key.family() != algorithm.family() {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
}

/// A key of `ring` that verifies.
struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> std::result::Result<(), SignatureError> {
        let verified = match (self.key.kind(), method(self.algorithm)) {
            (DecodingKeyKind::SecretOrDer(secret), Some(Method::Hmac(algorithm))) => {
                hmac::verify(&hmac::Key::new(algorithm, secret), message, signature)
            }
            (DecodingKeyKind::RsaModulusExponent { n, e }, Some(Method::Rsa(parameters))) => {
                PublicKeyComponents { n, e }.verify(parameters, message, signature)
            }
            (DecodingKeyKind::SecretOrDer(der), Some(Method::Rsa(parameters))) => {
                ring_signature::UnparsedPublicKey::new(parameters, der).verify(message, signature)
            }
            (DecodingKeyKind::SecretOrDer(der), Some(Method::Other(algorithm))) => {
                ring_signature::UnparsedPublicKey::new(algorithm, der).verify(message, signature)
            }
            _ => Err(Unspecified),
        };
        verified.map_err(|Unspecified| SignatureError::new())
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

/// What of `ring` an algorithm is.
enum Method {
    Hmac(hmac::Algorithm),
    Rsa(&'static ring_signature::RsaParameters),
    Other(&'static dyn ring_signature::VerificationAlgorithm),
}

fn method(algorithm: Algorithm) -> Option<Method> {
    Some(match algorithm {
        Algorithm::HS256 => Method::Hmac(hmac::HMAC_SHA256),
        Algorithm::HS384 => Method::Hmac(hmac::HMAC_SHA384),
        Algorithm::HS512 => Method::Hmac(hmac::HMAC_SHA512),
        Algorithm::ES256 => Method::Other(&ring_signature::ECDSA_P256_SHA256_FIXED),
        Algorithm::ES384 => Method::Other(&ring_signature::ECDSA_P384_SHA384_FIXED),
        Algorithm::EdDSA => Method::Other(&ring_signature::ED25519),
        Algorithm::RS256 => Method::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::RS384 => Method::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::RS512 => Method::Rsa(&ring_signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::PS256 => Method::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::PS384 => Method::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::PS512 => Method::Rsa(&ring_signature::RSA_PSS_2048_8192_SHA512),
        _ => return None,
    })
}
