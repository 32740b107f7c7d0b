//! How a client proves at an authorization server who it is.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use form_urlencoded::Serializer;
use http::HeaderValue;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    crypto::SigningKey, error::Error, pkce::random, secret::Secret, server_metadata::ServerMetadata,
};

/// How a client proves at the token endpoint who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuthMethod {
    /// It does not: its codes are proven by PKCE.
    #[serde(rename = "none")]
    None,
    /// By a header.
    #[serde(rename = "client_secret_basic")]
    Basic,
    /// By a parameter.
    #[serde(rename = "client_secret_post")]
    Post,
    /// By a token that its private key signs (RFC 7523 §2.2).
    #[serde(rename = "private_key_jwt")]
    PrivateKeyJwt,
}

/// A client as the token endpoint knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its secret, if it has one.
    pub secret: Option<&'a Secret>,
    /// Its private key in PEM, if it has one.
    pub key: Option<&'a Secret>,
    /// How it is proven.
    pub method: AuthMethod,
}

/// What a client can prove itself by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientProof {
    /// Nothing.
    None,
    /// A secret.
    Secret,
    /// A private key.
    Key,
}

impl AuthMethod {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::PrivateKeyJwt => "private_key_jwt",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post].into_iter().find(|method| method.as_str() == name)
    }

    /// The method that is used with `server`: the one of the registration, else the first that is offered and possible.
    ///
    /// RFC 8414 §2: "If omitted, the default is `client_secret_basic`".
    pub fn choose(registered: Option<&str>, server: &ServerMetadata, proof: ClientProof) -> Self {
        if let Some(registered) = registered.and_then(Self::parse) {
            return registered;
        }
        match proof {
            ClientProof::None => return Self::None,
            ClientProof::Key => return Self::PrivateKeyJwt,
            ClientProof::Secret => {}
        }
        let offered = server.token_endpoint_auth_methods_supported.iter().flatten();
        let with_secret = |method: &Self| *method != Self::None;
        offered.filter_map(|name| Self::parse(name)).find(with_secret).unwrap_or(Self::Basic)
    }

    /// The method that a client of this machine asks for when it registers: it can keep no secret, so none is best.
    pub fn to_register(server: &ServerMetadata) -> Self {
        let Some(offered) = &server.token_endpoint_auth_methods_supported else { return Self::None };
        let order = [Self::None, Self::Basic, Self::Post];
        let is_offered = |method: &Self| offered.iter().any(|name| name == method.as_str());
        order.into_iter().find(is_offered).unwrap_or(Self::None)
    }
}

impl ClientIdentity<'_> {
    /// What no message may show.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &Secret> + Clone {
        self.secret.into_iter().chain(self.key)
    }

    /// Adds who the client is to a request to the authorization server `issuer`: to the parameters, or as a header.
    ///
    /// # Errors
    /// When its key cannot sign.
    pub(crate) fn authenticate(
        &self,
        form: &mut Serializer<'_, String>,
        issuer: &str,
        now: SystemTime,
    ) -> Result<Option<HeaderValue>, Error> {
        match (self.method, self.secret, self.key) {
            (AuthMethod::Basic, Some(secret), _) => return Ok(Some(basic(self.id, secret))),
            (AuthMethod::Post, Some(secret), _) => {
                form.append_pair("client_id", self.id).append_pair("client_secret", secret.expose());
            }
            (AuthMethod::PrivateKeyJwt, _, Some(key)) => {
                let assertion = assertion(self.id, key, issuer, now)?;
                form.append_pair("client_assertion_type", ASSERTION_TYPE)
                    .append_pair("client_assertion", assertion.expose());
            }
            _ => {
                form.append_pair("client_id", self.id);
            }
        }
        Ok(None)
    }
}

/// RFC 7523 §2.2.
const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How long an assertion of the client is valid.
const ASSERTION_LIFE: Duration = Duration::from_secs(60);

/// The proof of a client with a private key: a token about itself, for the authorization server alone.
///
/// RFC 7523 §3: "The JWT MUST contain an `iss` (issuer) claim", "a `sub` (subject) claim", which for the authentication of a client
/// is "the `client_id` of the OAuth client", "an `aud` (audience) claim containing a value that identifies the authorization
/// server", and "an `exp` (expiration time) claim". The audience is the issuer, never the token endpoint: an assertion that names
/// a URL which somebody else chose could be used elsewhere (CVE-2025-27370).
fn assertion(id: &str, key: &Secret, issuer: &str, now: SystemTime) -> Result<Secret, Error> {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let claims = json!({
        "iss": id, "sub": id, "aud": issuer, "iat": now, "exp": now + ASSERTION_LIFE.as_secs(), "jti": random()?.expose(),
    });
    Ok(SigningKey::from_pem(key)?.sign(&claims)?)
}

/// RFC 6749 §2.3.1: both are encoded "using the `application/x-www-form-urlencoded` encoding algorithm".
fn basic(id: &str, secret: &Secret) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret.expose()));
    let value = format!("Basic {}", STANDARD.encode(pair));
    // Base64 is what a header can hold.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("Basic"))
}

#[cfg(test)]
mod tests {
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use serde_json::Value;

    use super::*;

    fn written(client: &ClientIdentity<'_>) -> (String, Option<String>) {
        let mut form = Serializer::new(String::new());
        let header = client.authenticate(&mut form, "https://a.example", SystemTime::now()).unwrap();
        (form.finish(), header.map(|header| header.to_str().unwrap().to_owned()))
    }

    #[test]
    fn a_client_proves_who_it_is_as_it_is_registered() {
        let secret = Secret::new("s/1");
        let with = |method| written(&ClientIdentity { id: "c:1", secret: Some(&secret), key: None, method });
        let basic = format!("Basic {}", STANDARD.encode("c%3A1:s%2F1"));
        assert_eq!(with(AuthMethod::Basic), (String::new(), Some(basic)));
        assert_eq!(with(AuthMethod::Post), ("client_id=c%3A1&client_secret=s%2F1".to_owned(), None));
        assert_eq!(with(AuthMethod::None), ("client_id=c%3A1".to_owned(), None));
    }

    #[test]
    fn a_key_signs_an_assertion_for_the_issuer_alone() {
        let key = Secret::new(rcgen::KeyPair::generate().unwrap().serialize_pem());
        let client =
            ClientIdentity { id: "c", secret: None, key: Some(&key), method: AuthMethod::PrivateKeyJwt };
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..2 {
            let (form, header) = written(&client);
            assert_eq!(header, None);
            let pairs: std::collections::BTreeMap<_, _> = form_urlencoded::parse(form.as_bytes()).collect();
            assert_eq!(pairs["client_assertion_type"], ASSERTION_TYPE);
            assert!(!pairs.contains_key("client_id"), "the assertion names the client");
            let claims = pairs["client_assertion"].split('.').nth(1).unwrap();
            let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).unwrap()).unwrap();
            assert_eq!(
                (&claims["iss"], &claims["sub"], &claims["aud"]),
                (&json!("c"), &json!("c"), &json!("https://a.example"))
            );
            assert_eq!(claims["exp"].as_u64().unwrap() - claims["iat"].as_u64().unwrap(), 60);
            assert!(seen.insert(claims["jti"].as_str().unwrap().to_owned()), "each is used once");
        }
        let wrong = Secret::new("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----");
        let refused = assertion("c", &wrong, "https://a.example", SystemTime::now()).unwrap_err().to_string();
        assert!(refused.contains("openssl pkcs8") && !refused.contains("AAAA"), "{refused}");
    }
}
