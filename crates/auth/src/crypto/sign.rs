//! Signs JSON Web Tokens.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, AlgorithmFamily, EncodingKey,
    crypto::JwtSigner,
    errors::{ErrorKind, Result},
};
use ring::{
    hmac,
    rand::SystemRandom,
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair,
        RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair,
    },
};
use serde::Serialize;
use serde_json::Value;
use signature::{Error as SignatureError, Signer};

/// A token with this header and these claims, signed by `key`. The header must name `algorithm`.
///
/// The header is a value of its own, and the signer is called directly: no provider is installed for the whole process, which a
/// program that embeds this library may have done already.
///
/// # Errors
/// When the key is not one of the algorithm.
pub(crate) fn jwt(
    header: &Value,
    claims: &impl Serialize,
    algorithm: Algorithm,
    key: &EncodingKey,
) -> Result<String> {
    let part = |json: Vec<u8>| URL_SAFE_NO_PAD.encode(json);
    let message = format!("{}.{}", part(serde_json::to_vec(header)?), part(serde_json::to_vec(claims)?));
    let signature = signer(&algorithm, key)?
        .try_sign(message.as_bytes())
        .map_err(|_| ErrorKind::Signing(String::new()))?;
    Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
}

/// The signer of `algorithm` with `key`: the `signer_factory` of a provider of `jsonwebtoken`.
///
/// # Errors
/// When the key is not one of the algorithm, or the algorithm is not supported.
pub(crate) fn signer(algorithm: &Algorithm, key: &EncodingKey) -> Result<Box<dyn JwtSigner>> {
    if key.family() != family(*algorithm) {
        return Err(ErrorKind::InvalidAlgorithm.into());
    }
    let (der, random) = (key.as_bytes(), SystemRandom::new());
    let pair = match algorithm {
        Algorithm::HS256 => Pair::Hmac(hmac::Key::new(hmac::HMAC_SHA256, der)),
        Algorithm::HS384 => Pair::Hmac(hmac::Key::new(hmac::HMAC_SHA384, der)),
        Algorithm::HS512 => Pair::Hmac(hmac::Key::new(hmac::HMAC_SHA512, der)),
        Algorithm::ES256 | Algorithm::ES384 => {
            let curve = match algorithm {
                Algorithm::ES256 => &ECDSA_P256_SHA256_FIXED_SIGNING,
                _ => &ECDSA_P384_SHA384_FIXED_SIGNING,
            };
            let pair = EcdsaKeyPair::from_pkcs8(curve, der, &random);
            Pair::Ecdsa(pair.map_err(|_| ErrorKind::InvalidEcdsaKey)?)
        }
        // Keys of OpenSSL are without their public part.
        Algorithm::EdDSA => Pair::Ed25519(
            Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).map_err(|_| ErrorKind::InvalidEddsaKey)?,
        ),
        Algorithm::RS256 | Algorithm::PS256 => {
            let pair =
                RsaKeyPair::from_der(der).map_err(|error| ErrorKind::InvalidRsaKey(error.to_string()))?;
            Pair::Rsa(Box::new(pair))
        }
        _ => return Err(ErrorKind::InvalidAlgorithm.into()),
    };
    Ok(Box::new(RingSigner { algorithm: *algorithm, pair, random }))
}

fn family(algorithm: Algorithm) -> AlgorithmFamily {
    match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => AlgorithmFamily::Hmac,
        Algorithm::ES256 | Algorithm::ES384 => AlgorithmFamily::Ec,
        Algorithm::EdDSA => AlgorithmFamily::Ed,
        _ => AlgorithmFamily::Rsa,
    }
}

/// A key of `ring` that signs.
struct RingSigner {
    algorithm: Algorithm,
    pair: Pair,
    random: SystemRandom,
}

enum Pair {
    Hmac(hmac::Key),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(Box<RsaKeyPair>),
}

impl Signer<Vec<u8>> for RingSigner {
    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, SignatureError> {
        match &self.pair {
            Pair::Hmac(key) => Ok(hmac::sign(key, message).as_ref().to_vec()),
            Pair::Ecdsa(pair) => {
                let signature = pair.sign(&self.random, message).map_err(|_| SignatureError::new())?;
                Ok(signature.as_ref().to_vec())
            }
            Pair::Ed25519(pair) => Ok(pair.sign(message).as_ref().to_vec()),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                let signed = match self.algorithm {
                    Algorithm::PS256 => pair.sign(&RSA_PSS_SHA256, &self.random, message, &mut signature),
                    _ => pair.sign(&RSA_PKCS1_SHA256, &self.random, message, &mut signature),
                };
                signed.map(|()| signature).map_err(|_| SignatureError::new())
            }
        }
    }
}

impl JwtSigner for RingSigner {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}
