//! The metadata of an authorization server (RFC 8414, OpenID Connect Discovery): where it is, and what of it is believed.

use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    resource_metadata::at,
    safe_url::{UnsafeUrl, safe_url},
    shown::shown,
};

/// What an authorization server says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerMetadata {
    /// Its identifier: compared byte for byte, never as a URL.
    pub issuer: String,
    /// Where users sign in.
    pub authorization_endpoint: Option<String>,
    /// Where codes and refresh tokens become tokens.
    pub token_endpoint: Option<String>,
    /// Where clients register.
    pub registration_endpoint: Option<String>,
    /// Where tokens are revoked (RFC 7009).
    pub revocation_endpoint: Option<String>,
    /// The scopes that it knows. Only `offline_access` is looked for in it.
    pub scopes_supported: Option<Vec<String>>,
    /// How it proves that the client which redeems a code is the one that asked for it.
    pub code_challenge_methods_supported: Option<Vec<String>>,
    /// How clients prove at the token endpoint who they are.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// The algorithms of the proofs by which it binds tokens to keys (RFC 9449 §5.1); `None` if it does not say.
    #[serde(default)]
    pub dpop_signing_alg_values_supported: Option<Vec<String>>,
    /// Whether a client may be the URL of its metadata.
    #[serde(default)]
    pub client_id_metadata_document_supported: bool,
    /// Whether every answer names its issuer (RFC 9207).
    #[serde(default)]
    pub authorization_response_iss_parameter_supported: bool,
}

/// Why metadata of an authorization server is not used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServerMetadataError {
    /// It is no JSON object with `issuer`.
    #[error("it is no metadata of an authorization server: {0}")]
    Malformed(String),
    /// It is that of another authorization server.
    #[error("it says that its issuer is {found:?}, and belongs to {expected:?}; both must be the same text")]
    OtherIssuer {
        /// The issuer that its URL was made of.
        expected: String,
        /// What it says.
        found: String,
    },
    /// It lacks an endpoint.
    #[error("it has no {0}")]
    Missing(&'static str),
    /// One of its URLs is no place for secrets.
    #[error("its {name} {url:?} is not used: {why}")]
    Endpoint {
        /// The member.
        name: &'static str,
        /// Its value.
        url: String,
        /// What is wrong.
        why: UnsafeUrl,
    },
}

/// The URLs at which the metadata of `issuer` may be, in order.
///
/// 2026-07-28, authorization-server-discovery §Authorization Server Metadata Discovery: "For issuer URLs with path components
/// [...], clients **MUST** try endpoints in the following priority order: 1. OAuth 2.0 Authorization Server Metadata with path
/// insertion [...] 2. OpenID Connect Discovery 1.0 with path insertion [...] 3. OpenID Connect Discovery 1.0 path appending";
/// "For issuer URLs without path components [...], clients **MUST** try: 1. OAuth 2.0 Authorization Server Metadata [...] 2.
/// OpenID Connect Discovery 1.0".
///
/// # Errors
/// When the issuer is no URL that is safe.
pub fn server_metadata_places(issuer: &str) -> Result<Vec<Url>, UnsafeUrl> {
    let url = safe_url(issuer)?;
    let path = url.path().trim_end_matches('/');
    let oauth = at(&url, &format!("{OAUTH}{path}"));
    let openid = at(&url, &format!("{OPENID}{path}"));
    Ok(match path {
        "" => vec![oauth, openid],
        path => vec![oauth, openid, at(&url, &format!("{path}{OPENID}"))],
    })
}

const OAUTH: &str = "/.well-known/oauth-authorization-server";
const OPENID: &str = "/.well-known/openid-configuration";

impl ServerMetadata {
    /// Reads the metadata of `issuer`.
    ///
    /// # Errors
    /// [`ServerMetadataError`]: nothing of it may then be used.
    pub fn parse(document: &[u8], issuer: &str) -> Result<Self, ServerMetadataError> {
        let metadata: Self = serde_json::from_slice(document)
            .map_err(|error| ServerMetadataError::Malformed(error.to_string()))?;
        if !is_issuer(issuer, &metadata.issuer) {
            let found = shown(&metadata.issuer);
            return Err(ServerMetadataError::OtherIssuer { expected: issuer.to_owned(), found });
        }
        for (name, url) in metadata.urls() {
            if let Some(url) = url
                && let Err(why) = safe_url(url)
            {
                return Err(ServerMetadataError::Endpoint { name, url: shown(url), why });
            }
        }
        Ok(metadata)
    }

    /// The endpoints of a server at `origin` that has no metadata.
    ///
    /// 2025-03-26, authorization §Fallbacks for Servers without Metadata Discovery: "For servers that do not implement OAuth 2.0
    /// Authorization Server Metadata, clients **MUST** use the following default endpoint paths relative to the authorization
    /// base URL": `/authorize`, `/token`, `/register`. "PKCE is **REQUIRED** for all clients".
    pub fn without_document(origin: &Url) -> Self {
        let endpoint = |path: &str| Some(at(origin, path).into());
        Self {
            issuer: origin.origin().ascii_serialization(),
            authorization_endpoint: endpoint("/authorize"),
            token_endpoint: endpoint("/token"),
            registration_endpoint: endpoint("/register"),
            revocation_endpoint: None,
            scopes_supported: None,
            code_challenge_methods_supported: Some(vec![S256.to_owned()]),
            token_endpoint_auth_methods_supported: None,
            dpop_signing_alg_values_supported: None,
            client_id_metadata_document_supported: false,
            authorization_response_iss_parameter_supported: false,
        }
    }

    fn urls(&self) -> [(&'static str, Option<&String>); 4] {
        [
            ("authorization_endpoint", self.authorization_endpoint.as_ref()),
            ("token_endpoint", self.token_endpoint.as_ref()),
            ("registration_endpoint", self.registration_endpoint.as_ref()),
            ("revocation_endpoint", self.revocation_endpoint.as_ref()),
        ]
    }

    /// Where users sign in.
    ///
    /// # Errors
    /// [`ServerMetadataError::Missing`].
    pub fn authorization_endpoint(&self) -> Result<&str, ServerMetadataError> {
        self.authorization_endpoint.as_deref().ok_or(ServerMetadataError::Missing("authorization_endpoint"))
    }

    /// Where tokens are given.
    ///
    /// # Errors
    /// [`ServerMetadataError::Missing`].
    pub fn token_endpoint(&self) -> Result<&str, ServerMetadataError> {
        self.token_endpoint.as_deref().ok_or(ServerMetadataError::Missing("token_endpoint"))
    }

    /// Whether it supports PKCE by SHA-256.
    ///
    /// 2026-07-28, security-considerations §Authorization Code Protection: "If `code_challenge_methods_supported` is absent, the
    /// authorization server does not support PKCE and MCP clients **MUST** refuse to proceed."
    pub fn has_pkce(&self) -> bool {
        self.code_challenge_methods_supported.iter().flatten().any(|method| method == S256)
    }

    /// Whether it gives refresh tokens for the scope `offline_access`.
    pub fn has_offline_access(&self) -> bool {
        self.scopes_supported.iter().flatten().any(|scope| scope == "offline_access")
    }
}

const S256: &str = "S256";

/// Whether `found` is the issuer that the URL of its document was made of.
///
/// 2026-07-28, authorization-server-discovery §Authorization Server Metadata Discovery: "the `issuer` value in the document
/// **MUST** be identical to the issuer identifier used to construct the well-known URL. If they differ, the client **MUST NOT**
/// use the metadata."
///
/// Both spellings of an issuer without a path, with and without the final slash, make the same URL, and servers mix them up: so
/// the one is tried where the other was named. With a path nothing is tolerated.
fn is_issuer(expected: &str, found: &str) -> bool {
    let has_path = Url::parse(expected).is_ok_and(|url| !matches!(url.path(), "" | "/"));
    expected == found
        || !has_path
            && (expected.strip_suffix('/') == Some(found) || found.strip_suffix('/') == Some(expected))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_come_in_the_order_of_the_specification() {
        let places = |issuer: &str| {
            server_metadata_places(issuer).unwrap().into_iter().map(String::from).collect::<Vec<_>>()
        };
        assert_eq!(
            places("https://auth.example.com/tenant1"),
            [
                "https://auth.example.com/.well-known/oauth-authorization-server/tenant1",
                "https://auth.example.com/.well-known/openid-configuration/tenant1",
                "https://auth.example.com/tenant1/.well-known/openid-configuration",
            ]
        );
        for issuer in ["https://auth.example.com", "https://auth.example.com/"] {
            assert_eq!(
                places(issuer),
                [
                    "https://auth.example.com/.well-known/oauth-authorization-server",
                    "https://auth.example.com/.well-known/openid-configuration",
                ]
            );
        }
        assert!(server_metadata_places("http://auth.example.com").is_err());
        assert!(server_metadata_places("javascript:alert(1)").is_err());
    }

    /// Invariant: The metadata of an authorization server is used only if its `issuer` is the very text that its URL was made of.
    #[test]
    fn an_issuer_is_compared_byte_for_byte() {
        for (expected, found, is_same) in [
            ("https://a.example", "https://a.example", true),
            ("https://a.example/", "https://a.example", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example/t", "https://a.example/t", true),
            ("https://a.example/t", "https://a.example/t/", false),
            ("https://a.example/t/", "https://a.example/t", false),
            ("https://a.example", "https://A.example", false),
            ("https://a.example", "https://a.example:443", false),
            ("https://a.example", "https://a.example//", false),
            ("https://attacker.example", "https://honest.example", false),
            ("https://a.example", "http://a.example", false),
            ("https://a.example/%74", "https://a.example/t", false),
        ] {
            let document = serde_json::json!({ "issuer": found }).to_string();
            let read = ServerMetadata::parse(document.as_bytes(), expected);
            assert_eq!(read.is_ok(), is_same, "{expected} and {found}");
        }
    }

    #[test]
    fn an_endpoint_that_is_not_safe_spoils_the_document() {
        for (name, url) in [
            ("authorization_endpoint", "javascript:alert(1)"),
            ("token_endpoint", "http://a.example/token"),
            ("registration_endpoint", "file:///etc/passwd"),
            ("revocation_endpoint", "/revoke"),
        ] {
            let document = serde_json::json!({ "issuer": "https://a.example", name: url }).to_string();
            let error = ServerMetadata::parse(document.as_bytes(), "https://a.example").unwrap_err();
            assert!(
                matches!(error, ServerMetadataError::Endpoint { name: wrong, .. } if wrong == name),
                "{error}"
            );
        }
    }

    #[test]
    fn pkce_is_there_only_where_it_is_offered() {
        let of = |methods: serde_json::Value| {
            let document = serde_json::json!({ "issuer": "https://a.example", "code_challenge_methods_supported": methods });
            ServerMetadata::parse(document.to_string().as_bytes(), "https://a.example").unwrap().has_pkce()
        };
        assert!(of(serde_json::json!(["plain", "S256"])));
        assert!(!of(serde_json::json!(["plain"])));
        assert!(!of(serde_json::json!(null)));
        assert!(ServerMetadata::without_document(&Url::parse("https://a.example/mcp").unwrap()).has_pkce());
    }
}
