//! How this program becomes a client of an authorization server.

use anyport_transport::client::http::without_secrets;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{
    client_auth::{AuthMethod, ClientIdentity, ClientProof},
    error::{Error, TO_REGISTER},
    fetch::{Body, Fetcher, successful},
    oauth_error::OAuthError,
    secret::Secret,
    server_metadata::ServerMetadata,
};

/// A client of one authorization server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// The authorization server, at which alone it is used.
    ///
    /// 2026-07-28, client-registration §Authorization Server Binding: clients "**MUST** associate those credentials with the
    /// specific authorization server that issued them, keyed by the authorization server's `issuer` identifier."
    pub issuer: String,
    /// The id of the client.
    pub client_id: String,
    /// Its secret, if it has one.
    pub client_secret: Option<Secret>,
    /// Its private key in PEM, if it has one.
    #[serde(default)]
    pub client_key: Option<Secret>,
    /// How it is proven.
    pub auth_method: AuthMethod,
    /// Where answers go, with the port.
    pub redirect_uri: String,
    /// How the client came to be.
    pub kind: RegistrationKind,
}

/// How a client came to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RegistrationKind {
    /// Its owner has registered it.
    Given,
    /// Its id is the URL of its metadata.
    Document,
    /// It has registered itself.
    Dynamic,
}

/// What the owner says about the client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientOptions {
    /// A client that is registered already.
    pub given: Option<GivenClient>,
    /// The URL of the client's metadata, which its owner hosts.
    pub metadata_url: Option<String>,
    /// Where answers go; else a free port of this machine.
    pub redirect_uri: Option<String>,
}

/// A client that its owner has registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GivenClient {
    /// Its id.
    pub id: String,
    /// Its secret, if it has one.
    pub secret: Option<Secret>,
    /// Its private key in PEM, if it has one, by which it then proves who it is.
    pub key: Option<Secret>,
}

impl GivenClient {
    /// A client with this id that proves nothing.
    pub fn new(id: impl Into<String>) -> Self {
        Self { id: id.into(), secret: None, key: None }
    }

    fn proof(&self) -> ClientProof {
        match (&self.key, &self.secret) {
            (Some(_), _) => ClientProof::Key,
            (None, Some(_)) => ClientProof::Secret,
            (None, None) => ClientProof::None,
        }
    }
}

/// How to become a client of `server`.
///
/// 2026-07-28, client-registration: "Clients supporting all options **SHOULD** use the following priority order: 1. Use
/// pre-registered client information for the server if the client has it available 2. Use Client ID Metadata Documents if the
/// Authorization Server indicates that it supports them (via `client_id_metadata_document_supported` [...]) 3. Use Dynamic Client
/// Registration as a fallback if the Authorization Server supports it (via `registration_endpoint` [...]) 4. Prompt the user to
/// enter the client information if no other option is available".
///
/// # Errors
/// When only the user can help.
fn way(server: &ServerMetadata, options: &ClientOptions) -> Result<RegistrationKind, Error> {
    if options.given.is_some() {
        return Ok(RegistrationKind::Given);
    }
    if options.metadata_url.is_some() && server.client_id_metadata_document_supported {
        return Ok(RegistrationKind::Document);
    }
    match server.registration_endpoint {
        Some(_) => Ok(RegistrationKind::Dynamic),
        None => Err(Error::NoRegistration(server.issuer.clone())),
    }
}

impl Registration {
    /// Becomes a client of `server` whose answers go to `redirect_uri`.
    ///
    /// # Errors
    /// Why that is not possible.
    pub async fn make(
        fetcher: &Fetcher,
        server: &ServerMetadata,
        options: &ClientOptions,
        redirect_uri: &str,
    ) -> Result<Self, Error> {
        let known = |client: GivenClient, kind| Self {
            issuer: server.issuer.clone(),
            auth_method: AuthMethod::choose(None, server, client.proof()),
            client_id: client.id,
            client_secret: client.secret,
            client_key: client.key,
            redirect_uri: redirect_uri.to_owned(),
            kind,
        };
        let kind = way(server, options)?;
        match (kind, &options.given, &options.metadata_url, &server.registration_endpoint) {
            (RegistrationKind::Given, Some(client), ..) => Ok(known(client.clone(), kind)),
            (RegistrationKind::Document, _, Some(url), _) => Ok(known(GivenClient::new(url), kind)),
            (RegistrationKind::Dynamic, _, _, Some(endpoint)) => {
                register(fetcher, server, endpoint, redirect_uri).await
            }
            _ => Err(Error::NoRegistration(server.issuer.clone())),
        }
    }

    /// The client as the token endpoint knows it.
    pub fn identity(&self) -> ClientIdentity<'_> {
        ClientIdentity {
            id: &self.client_id,
            secret: self.client_secret.as_ref(),
            key: self.client_key.as_ref(),
            method: self.auth_method,
        }
    }
}

/// Registers a client (RFC 7591).
async fn register(
    fetcher: &Fetcher,
    server: &ServerMetadata,
    endpoint: &str,
    redirect_uri: &str,
) -> Result<Registration, Error> {
    let asked = AuthMethod::to_register(server);
    let answer = fetcher.post(endpoint, Body::Json(document(asked, redirect_uri).to_string())).await?;
    let url = without_secrets(endpoint);
    if let Some(error) = OAuthError::of(&answer) {
        // 2026-07-28, client-registration §Application Type and Redirect URI Constraints: "When a registration request is
        // rejected, clients **SHOULD** surface a meaningful error to the user or developer."
        return Err(Error::Refused { url, what: TO_REGISTER, error });
    }
    let body = match successful(endpoint, &answer) {
        // Where there is no metadata either, the server has no authorization server at all.
        Err(Error::Answer { .. }) if matches!(answer.status, 404 | 405) => {
            return Err(Error::NoRegistration(server.issuer.clone()));
        }
        body => body?,
    };
    read(body, server, asked, redirect_uri).ok_or_else(|| {
        let why = "answers a registration with something else than a client in JSON".into();
        Error::Answer { url, why, is_temporary: false }
    })
}

/// What is registered.
///
/// 2026-07-28, client-registration §Application Type and Redirect URI Constraints: "MCP clients **MUST** specify an appropriate
/// `application_type` during Dynamic Client Registration"; "**Native applications** (desktop applications, mobile apps, CLI tools
/// [...]) **SHOULD** use `application_type: "native"`". authorization §Refresh Tokens: clients "**SHOULD** include
/// `refresh_token` in their `grant_types` client metadata".
fn document(method: AuthMethod, redirect_uri: &str) -> Value {
    json!({
        "client_name": "Anyport",
        "redirect_uris": [redirect_uri],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": method.as_str(),
        "application_type": "native",
    })
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<Secret>,
    token_endpoint_auth_method: Option<String>,
}

fn read(body: &[u8], server: &ServerMetadata, asked: AuthMethod, redirect_uri: &str) -> Option<Registration> {
    let registered: Registered = serde_json::from_slice(body).ok()?;
    let client_secret = registered.client_secret.filter(|secret| !secret.expose().is_empty());
    // The server may register another method than the one that was asked for, and then says so.
    let proof = if client_secret.is_some() { ClientProof::Secret } else { ClientProof::None };
    let method = registered.token_endpoint_auth_method.as_deref().unwrap_or(asked.as_str());
    Some(Registration {
        issuer: server.issuer.clone(),
        client_id: Some(registered.client_id).filter(|id| !id.is_empty())?,
        auth_method: AuthMethod::choose(Some(method), server, proof),
        client_secret,
        client_key: None,
        redirect_uri: redirect_uri.to_owned(),
        kind: RegistrationKind::Dynamic,
    })
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn server(registers: bool, documents: bool) -> ServerMetadata {
        let mut server = ServerMetadata::without_document(&Url::parse("https://a.example").unwrap());
        server.registration_endpoint = server.registration_endpoint.filter(|_| registers);
        server.client_id_metadata_document_supported = documents;
        server
    }

    #[test]
    fn the_ways_come_in_the_order_of_the_specification() {
        use RegistrationKind::{Document, Dynamic, Given};
        let options = |given: bool, document: bool| ClientOptions {
            given: given.then(|| GivenClient::new("c")),
            metadata_url: document.then(|| "https://m.example/client.json".to_owned()),
            redirect_uri: None,
        };
        for (has_client, has_document, registers, documents, expected) in [
            (true, true, true, true, Some(Given)),
            (false, true, true, true, Some(Document)),
            (false, true, true, false, Some(Dynamic)),
            (false, false, true, true, Some(Dynamic)),
            (false, true, false, false, None),
            (false, false, false, true, None),
        ] {
            let found = way(&server(registers, documents), &options(has_client, has_document));
            assert_eq!(found.ok(), expected);
        }
    }

    #[test]
    fn a_client_is_registered_as_a_native_one_that_refreshes() {
        let document = document(AuthMethod::None, "http://127.0.0.1:1/callback");
        assert_eq!(document["application_type"], "native");
        assert_eq!(document["grant_types"], json!(["authorization_code", "refresh_token"]));
        assert_eq!(document["redirect_uris"], json!(["http://127.0.0.1:1/callback"]));
    }

    #[test]
    fn the_method_is_the_one_that_was_registered() {
        let mut server = server(true, false);
        let method = |server: &ServerMetadata, body: Value| {
            let asked = AuthMethod::to_register(server);
            let read =
                read(body.to_string().as_bytes(), server, asked, "http://127.0.0.1:1/callback").unwrap();
            (asked, read.auth_method)
        };
        use AuthMethod::{Basic, None, Post};
        let with_secret = |method: &str| json!({"client_id": "c", "client_secret": "s", "token_endpoint_auth_method": method});
        assert_eq!(method(&server, json!({"client_id": "c"})), (None, None));
        assert_eq!(method(&server, with_secret("client_secret_post")), (None, Post));
        server.token_endpoint_auth_methods_supported =
            Some(vec!["client_secret_basic".into(), "client_secret_post".into()]);
        assert_eq!(method(&server, with_secret("client_secret_basic")), (Basic, Basic));
        assert_eq!(method(&server, json!({"client_id": "c", "client_secret": "s"})), (Basic, Basic));
        server.token_endpoint_auth_methods_supported = Some(vec!["client_secret_post".into()]);
        assert_eq!(AuthMethod::choose(Option::None, &server, ClientProof::Secret), Post);
        assert_eq!(AuthMethod::choose(Option::None, &server, ClientProof::None), None);
    }
}
