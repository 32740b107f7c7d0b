//! The token endpoint (RFC 6749 §3.2).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use serde_json::json;

use super::{
    authorization_request::{requested_scopes, resource},
    client::Client,
    error::ServerError,
    grant::{GrantError, Issued, Redemption, RefreshRequest},
    id_jag::AssertionError,
    metadata::{JWT_BEARER, grant_types},
    parameters::Parameters,
    response::{error_response, json_response},
    server::{ClientError, Inner},
    user::LoginStatus,
};
use crate::secret::Secret;

/// An error of the token endpoint (RFC 6749 §5.2).
#[derive(Debug)]
pub(super) struct TokenError {
    status: StatusCode,
    code: &'static str,
    description: String,
    /// Whether the client has tried the header `Authorization`.
    challenges: bool,
}

impl TokenError {
    /// 400, with a code of RFC 6749 §5.2 or RFC 8707 §2.
    pub(super) fn new(code: &'static str, description: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, code, description: description.into(), challenges: false }
    }

    /// 401: clients that have registered themselves do so again.
    fn client(description: &str, challenges: bool) -> Self {
        Self { status: StatusCode::UNAUTHORIZED, challenges, ..Self::new("invalid_client", description) }
    }

    /// 503: nothing is wrong with what the client has, and it must not forget it.
    pub(super) fn unavailable(why: &str) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, ..Self::new("temporarily_unavailable", why) }
    }

    fn response(&self) -> Response<Bytes> {
        let mut response = error_response(self.status, self.code, &self.description);
        let headers = response.headers_mut();
        if self.challenges {
            let challenge = HeaderValue::from_static("Basic realm=\"token endpoint\"");
            headers.insert(header::WWW_AUTHENTICATE, challenge);
        }
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

impl From<ServerError> for TokenError {
    fn from(error: ServerError) -> Self {
        tracing::warn!(%error, "the token endpoint cannot answer");
        Self::unavailable("the server cannot answer now")
    }
}

impl From<AssertionError> for TokenError {
    fn from(error: AssertionError) -> Self {
        match error {
            // RFC 7523 §3.1: "the value of the "error" parameter MUST be the "invalid_grant" error code".
            AssertionError::Invalid(_) => Self::new("invalid_grant", error.to_string()),
            AssertionError::Unavailable(why) => {
                tracing::warn!(why, "an assertion cannot be checked");
                Self::unavailable("the assertion cannot be checked now")
            }
        }
    }
}

/// What a client gets of a grant. One whose code or token was used again ends, also at the identity provider's.
async fn given(server: &Inner, issued: Result<Issued, GrantError>) -> Result<Issued, TokenError> {
    match issued {
        Ok(issued) => Ok(issued),
        Err(GrantError::Invalid(why)) => Err(TokenError::new("invalid_grant", why)),
        Err(GrantError::Scope(why)) => Err(TokenError::new("invalid_scope", why)),
        Err(GrantError::Reused { grant, why, words }) => {
            server.end(&grant, why).await?;
            Err(TokenError::new("invalid_grant", words))
        }
        Err(GrantError::Failed(error)) => Err(error.into()),
    }
}

/// Answers a request for tokens.
pub(super) async fn token(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    match issued(server, request).await {
        Ok(issued) => success(&issued),
        Err(error) => error.response(),
    }
}

async fn issued(server: &Inner, request: &Request<Bytes>) -> Result<Issued, TokenError> {
    let parameters = form(request)?;
    let client = authenticated(server, request.headers(), &parameters).await?;
    let issued = match parameters.get("grant_type") {
        Some("authorization_code") => redeem(server, &client, &parameters).await,
        Some("refresh_token") => refresh(server, &client, &parameters).await,
        Some(JWT_BEARER) => exchange(server, &client, &parameters).await,
        Some(_) => {
            let why = format!("the grant types are {}", grant_types(server).join(", "));
            Err(TokenError::new("unsupported_grant_type", why))
        }
        None => Err(missing("grant_type")),
    }?;
    server.registrations.note_use(&client.id).await;
    Ok(issued)
}

/// The form of a request.
pub(super) fn form(request: &Request<Bytes>) -> Result<Parameters, TokenError> {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.and_then(|kind| kind.split(';').next()).unwrap_or_default().trim();
    if !kind.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        let why = "the parameters are sent as application/x-www-form-urlencoded";
        return Err(TokenError::new("invalid_request", why));
    }
    Parameters::parse(request.body()).map_err(|error| TokenError::new("invalid_request", error.to_string()))
}

fn missing(parameter: &str) -> TokenError {
    TokenError::new("invalid_request", format!("the parameter {parameter} is missing"))
}

/// The client of a request, which has proven itself if it can.
///
/// RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
pub(super) async fn authenticated(
    server: &Inner,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Client, TokenError> {
    let basic = basic(headers)?;
    let has_header = basic.is_some();
    let (id, secret) = match (basic, parameters.get("client_id"), parameters.get("client_secret")) {
        (Some(_), _, Some(_)) => {
            let why = "the client proves itself in two ways: by the header and by client_secret";
            return Err(TokenError::new("invalid_request", why));
        }
        (Some((id, _)), Some(named), None) if id != named => {
            return Err(TokenError::new("invalid_request", "the header Authorization and client_id differ"));
        }
        (Some((id, secret)), _, None) => (id, Some(secret)),
        (None, Some(id), secret) => (id.to_owned(), secret.map(Secret::new)),
        (None, None, _) => return Err(TokenError::client("the parameter client_id is missing", false)),
    };
    match server.client_by_id(&id).await {
        Ok(client) if client.is_proven_by(secret.as_ref()) => Ok(client),
        Err(ClientError::Failed(error)) => Err(error.into()),
        // RFC 6749 §5.2: "invalid_client".
        _ => Err(TokenError::client("the client is unknown, or its secret is not right", has_header)),
    }
}

/// The client and its secret by the header (RFC 6749 §2.3.1), which are encoded as a form before they are put together.
fn basic(headers: &HeaderMap) -> Result<Option<(String, Secret)>, TokenError> {
    let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(None) };
    let wrong = || TokenError::client("the header Authorization is not understood", true);
    let text = value.to_str().map_err(|_| wrong())?;
    let (scheme, encoded) = text.split_once(' ').ok_or_else(wrong)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(wrong());
    }
    let decoded = STANDARD.decode(encoded.trim()).map_err(|_| wrong())?;
    let decoded = String::from_utf8(decoded).map_err(|_| wrong())?;
    let (id, secret) = decoded.split_once(':').ok_or_else(wrong)?;
    // RFC 6749 §2.3.1: "The client identifier is encoded using the "application/x-www-form-urlencoded" encoding algorithm". What such
    // an encoding never has is not taken for the end of a value.
    let plain = |text: &str| {
        let pair = format!("x={text}").replace('&', "%26");
        form_urlencoded::parse(pair.as_bytes()).next().map(|(_, value)| value.into_owned())
    };
    Ok(Some((plain(id).ok_or_else(wrong)?, Secret::new(plain(secret).ok_or_else(wrong)?))))
}

async fn redeem(server: &Inner, client: &Client, parameters: &Parameters) -> Result<Issued, TokenError> {
    let code = parameters.get("code").ok_or_else(|| missing("code"))?;
    let verifier = parameters.get("code_verifier").ok_or_else(|| missing("code_verifier"))?;
    check_resource(server, parameters, server.grants.of_code(code).await?.as_deref())?;
    let redemption = Redemption {
        code,
        client_id: &client.id,
        redirect_uri: parameters.get("redirect_uri"),
        verifier: &Secret::new(verifier),
    };
    given(server, server.grants.redeem(redemption).await).await
}

async fn refresh(server: &Inner, client: &Client, parameters: &Parameters) -> Result<Issued, TokenError> {
    let token = Secret::new(parameters.get("refresh_token").ok_or_else(|| missing("refresh_token"))?);
    if let Some(found) = server.grants.of_refresh_token(token.expose()).await? {
        check_resource(server, parameters, Some(&found.grant.resource))?;
        match server.status(&found.grant.user).await {
            LoginStatus::Active => {}
            LoginStatus::Ended => {
                server.end(&found, "the login of its user has ended").await?;
                return Err(TokenError::new("invalid_grant", "the user must sign in again"));
            }
            LoginStatus::Unknown => {
                return Err(TokenError::unavailable(
                    "it cannot be known now whether the user is still signed in",
                ));
            }
        }
    }
    let scopes = parameters.get("scope").map(|scopes| {
        let scopes = scopes.split(' ').filter(|scope| !scope.is_empty() && *scope != "offline_access");
        scopes.map(str::to_owned).collect::<Vec<_>>()
    });
    let scopes = scopes.filter(|scopes| !scopes.is_empty());
    let request = RefreshRequest {
        token: &token,
        client_id: &client.id,
        scopes: scopes.as_deref(),
        given: &server.settings.scopes,
    };
    given(server, server.grants.refresh(request).await).await
}

/// Gives an access token for an identity assertion of a provider that is trusted (RFC 7523 §2.1). There is no refresh token: the provider
/// decides at each assertion anew.
async fn exchange(server: &Inner, client: &Client, parameters: &Parameters) -> Result<Issued, TokenError> {
    let Some(trusted) = &server.settings.trusted_identity_providers else {
        let why = "no identity provider is trusted here, so no assertion is accepted";
        return Err(TokenError::new("unsupported_grant_type", why));
    };
    // Enterprise-Managed Authorization §5: "The MCP Client authenticates with its credentials as registered with the MCP Server's
    // authorization server." The id of a client without credentials can be given by anybody who has found its assertion.
    if client.secret.is_none() {
        let why = "only a client that has a secret can present an assertion";
        return Err(TokenError::new("unauthorized_client", why));
    }
    let assertion = Secret::new(parameters.get("assertion").ok_or_else(|| missing("assertion"))?);
    let known = server.settings.resources.now();
    let is_ours = |named: &str| resource(Some(named), &known).is_ok();
    let us = (server.issuer(), client.id.as_str());
    let assertion = trusted.verify(&assertion, us, is_ours).await?;
    let granted = resource(Some(&assertion.resource), &known);
    let granted = granted.map_err(|error| TokenError::new(error.code, error.description))?;
    check_resource(server, parameters, Some(&granted))?;
    let scopes = assertion_scopes(server, parameters, assertion.scopes.as_deref())?;
    // Last: an assertion that a request has used up for nothing could not be presented again.
    trusted.use_once(&assertion).await?;
    Ok(server.grants.issue_direct(&client.id, &granted, scopes, assertion.user).await?)
}

/// The scopes of an access token for an assertion: those that the assertion, the request and the configuration have in common. Without
/// scopes in the assertion, the provider has not said what the user may have it do, and it is the default scopes at most.
fn assertion_scopes(
    server: &Inner,
    parameters: &Parameters,
    asserted: Option<&str>,
) -> Result<Vec<String>, TokenError> {
    let read = |code, scopes: &str| {
        requested_scopes(scopes).map_err(|error| TokenError::new(code, error.description))
    };
    let requested = parameters.get("scope").map(|scopes| read("invalid_scope", scopes)).transpose()?;
    // RFC 7523 §3.1: what is wrong with the assertion is `invalid_grant`.
    let asserted = asserted.map(|scopes| read("invalid_grant", scopes)).transpose()?;
    let known = &server.settings.scopes;
    let is_known = |scope: &String| known.is_empty() || known.contains(scope);
    let is_requested = |scope: &String| requested.as_ref().is_none_or(|requested| requested.contains(scope));
    let most = asserted.unwrap_or_else(|| server.settings.default_scopes.clone());
    let scopes: Vec<String> =
        most.into_iter().filter(|scope| is_known(scope) && is_requested(scope)).collect();
    match scopes.is_empty() && requested.is_some_and(|requested| !requested.is_empty()) {
        true => Err(TokenError::new("invalid_scope", "the assertion gives none of these scopes")),
        false => Ok(scopes),
    }
}

/// RFC 8707 §2.2: a token request may name the resource again. It is the one that was granted.
fn check_resource(server: &Inner, parameters: &Parameters, granted: Option<&str>) -> Result<(), TokenError> {
    let (Some(named), Some(granted)) = (parameters.get("resource"), granted) else { return Ok(()) };
    let known = server.settings.resources.now();
    match resource(Some(named), &known) {
        Ok(resource) if resource == granted => Ok(()),
        _ => Err(TokenError::new("invalid_target", "the resource is not the one that was granted")),
    }
}

fn success(issued: &Issued) -> Response<Bytes> {
    let Issued { access_token, expires_in, refresh_token, scopes } = issued;
    let mut answer = json!({
        "access_token": access_token.expose(),
        "token_type": "Bearer",
        "expires_in": expires_in,
    });
    if let Some(token) = refresh_token {
        answer["refresh_token"] = token.expose().into();
    }
    // RFC 6749 §5.1: OPTIONAL "if identical to the scope requested by the client"; which is not looked at here.
    if !scopes.is_empty() {
        answer["scope"] = scopes.join(" ").into();
    }
    json_response(StatusCode::OK, &answer)
}

/// Revokes a token (RFC 7009), and with it the whole grant.
///
/// RFC 7009 §2.2: "The authorization server responds with HTTP status code 200 if the token has been revoked successfully or if the
/// client submitted an invalid token."
pub(super) async fn revoke(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    let revoked = async {
        let parameters = form(request)?;
        let client = authenticated(server, request.headers(), &parameters).await?;
        let token = parameters.get("token").ok_or_else(|| missing("token"))?;
        let found = server.grants.of_token(token).await?;
        if let Some(found) = found.filter(|found| found.grant.client_id == client.id) {
            server.end(&found, "its client has revoked it").await?;
        }
        Ok::<_, TokenError>(json_response(StatusCode::OK, &json!({})))
    };
    revoked.await.unwrap_or_else(|error| error.response())
}
