//! What a token is bound to: a key of the caller, or its certificate.

use anyport_transport::http::CredentialError;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::Deserialize;
use serde_json::Value;

use super::refusal::invalid;

/// The claim `cnf` (RFC 7800).
#[derive(Debug, Deserialize)]
pub(super) struct Confirmation {
    /// The thumbprint of a key (RFC 9449, section 6.1).
    jkt: Option<String>,
    /// The thumbprint of a certificate (RFC 8705, section 3.1).
    #[serde(rename = "x5t#S256")]
    x5t: Option<String>,
    #[serde(flatten)]
    others: serde_json::Map<String, Value>,
}

/// What must be proven of a token's caller. Nothing, for most tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Binding {
    /// The thumbprint of the key of a DPoP proof.
    pub(super) key: Option<Box<str>>,
    /// The SHA-256 of the certificate of the connection.
    pub(super) certificate: Option<[u8; 32]>,
}

impl Confirmation {
    /// What must be proven.
    ///
    /// # Errors
    /// If it names something that cannot be checked here: the token is then never accepted.
    pub(super) fn binding(&self) -> Result<Binding, CredentialError> {
        let unknown = || invalid("the token is bound in a way that is not supported (cnf)");
        let is_known = self.others.is_empty() && (self.jkt.is_some() || self.x5t.is_some());
        if !is_known {
            return Err(unknown());
        }
        let certificate = match &self.x5t {
            Some(thumbprint) => {
                let bytes = URL_SAFE_NO_PAD.decode(thumbprint).ok();
                Some(bytes.and_then(|bytes| bytes.try_into().ok()).ok_or_else(unknown)?)
            }
            None => None,
        };
        Ok(Binding { key: self.jkt.as_deref().map(Into::into), certificate })
    }
}
