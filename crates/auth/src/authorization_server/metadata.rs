//! The metadata of the authorization server (RFC 8414).

use serde_json::{Value, json};

use super::server::Inner;

/// The path of the metadata, before that of the issuer (RFC 8414 §3.1).
pub(super) const WELL_KNOWN: &str = "/.well-known/oauth-authorization-server";
/// The authorization endpoint. Clients of 2025-03-26 without metadata expect this path, and the two below.
pub(super) const AUTHORIZE: &str = "/authorize";
/// The token endpoint.
pub(super) const TOKEN: &str = "/token";
/// The registration endpoint (RFC 7591).
pub(super) const REGISTER: &str = "/register";
/// The revocation endpoint (RFC 7009).
pub(super) const REVOKE: &str = "/revoke";

/// The grant type of assertions (RFC 7523 §2.1).
pub(super) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// The kind of assertions that are accepted.
const ID_JAG_PROFILE: &str = "urn:ietf:params:oauth:grant-profile:id-jag";

/// The grant types of the token endpoint.
pub(super) fn grant_types(server: &Inner) -> Vec<&'static str> {
    let mut types = vec!["authorization_code", "refresh_token"];
    types.extend(server.settings.trusted_identity_providers.is_some().then_some(JWT_BEARER));
    types
}

/// The metadata. There is no document of OpenID Connect: no ID tokens are issued.
pub(super) fn metadata(server: &Inner) -> Value {
    let issuer = server.issuer();
    let at = |path: &str| format!("{issuer}{path}");
    // Some clients use their metadata document only where `none` is among the methods.
    let methods = ["none", "client_secret_basic", "client_secret_post"];
    let mut metadata = json!({
        "issuer": issuer,
        "authorization_endpoint": at(AUTHORIZE),
        "token_endpoint": at(TOKEN),
        "token_endpoint_auth_methods_supported": methods,
        "revocation_endpoint": at(REVOKE),
        "revocation_endpoint_auth_methods_supported": methods,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grant_types(server),
        // Clients go no further without it.
        "code_challenge_methods_supported": ["S256"],
        "client_id_metadata_document_supported": true,
        // RFC 9207 §3.
        "authorization_response_iss_parameter_supported": true,
    });
    if server.settings.trusted_identity_providers.is_some() {
        // draft-ietf-oauth-identity-assertion-authz-grant §7.2.
        metadata["authorization_grant_profiles_supported"] = json!([ID_JAG_PROFILE]);
    }
    if server.settings.registers {
        metadata["registration_endpoint"] = at(REGISTER).into();
    }
    if !server.settings.scopes.is_empty() {
        metadata["scopes_supported"] = json!(server.settings.scopes);
    }
    metadata
}
