//! Requests to the token endpoint, and its answers.

use std::time::{Duration, SystemTime};

use anyport_transport::client::http::{SideAnswer, without_secrets};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use form_urlencoded::Serializer;
use http::HeaderValue;
use serde::{Deserialize, Serialize};

use crate::{
    error::Error,
    fetch::{Body, Fetcher, successful},
    oauth_error::OAuthError,
    secret::Secret,
    server_metadata::ServerMetadata,
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
}

/// A client as the token endpoint knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientIdentity<'a> {
    /// Its id.
    pub id: &'a str,
    /// Its secret, if it has one.
    pub secret: Option<&'a Secret>,
    /// How it is proven.
    pub method: AuthMethod,
}

/// What a token is asked for with.
pub enum Grant<'a> {
    /// The code of a login.
    Code {
        /// The code.
        code: &'a Secret,
        /// Where it came to.
        redirect_uri: &'a str,
        /// The verifier of PKCE.
        verifier: &'a Secret,
    },
    /// A refresh token, for the scopes that were granted.
    Refresh(&'a Secret),
}

/// A token as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: Secret,
    /// The refresh token, if another one was given.
    pub refresh_token: Option<Secret>,
    /// How long it lives.
    pub expires_in: Option<Duration>,
    /// The scopes, if they are others than those that were asked for.
    pub scope: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    access_token: Secret,
    token_type: String,
    refresh_token: Option<Secret>,
    expires_in: Option<Seconds>,
    scope: Option<String>,
}

/// A number of seconds; some servers write it as text.
#[derive(Deserialize)]
#[serde(untagged)]
enum Seconds {
    Number(f64),
    Text(String),
}

impl AuthMethod {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
        }
    }

    fn parse(name: &str) -> Option<Self> {
        [Self::None, Self::Basic, Self::Post].into_iter().find(|method| method.as_str() == name)
    }

    /// The method that is used with `server`: the one of the registration, else the first that is offered and possible.
    ///
    /// RFC 8414 §2: "If omitted, the default is `client_secret_basic`".
    pub fn choose(registered: Option<&str>, server: &ServerMetadata, has_secret: bool) -> Self {
        if let Some(registered) = registered.and_then(Self::parse) {
            return registered;
        }
        if !has_secret {
            return Self::None;
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

/// Asks for a token.
///
/// # Errors
/// Why there is none.
pub async fn request_token(
    fetcher: &Fetcher,
    server: &ServerMetadata,
    client: &ClientIdentity<'_>,
    grant: &Grant<'_>,
    resource: Option<&str>,
) -> Result<TokenAnswer, Error> {
    let endpoint =
        server.token_endpoint().map_err(|why| Error::Server { url: without_secrets(&server.issuer), why })?;
    let (form, authorization) = write(client, grant, resource);
    let answer = fetcher.post(endpoint, Body::Form(form), authorization).await?;
    read(endpoint, &answer, grant.name()).map_err(|error| hide(error, client, grant))
}

impl Grant<'_> {
    fn name(&self) -> &'static str {
        match self {
            Self::Code { .. } => "the code of the login",
            Self::Refresh(_) => "the refresh token",
        }
    }
}

/// The parameters of a request, and its header.
///
/// 2026-07-28, authorization §Resource Parameter Implementation: the parameter `resource` "**MUST** be included in both
/// authorization requests and token requests"; "MCP clients **MUST** send this parameter regardless of whether authorization
/// servers support it."
fn write(
    client: &ClientIdentity<'_>,
    grant: &Grant<'_>,
    resource: Option<&str>,
) -> (String, Option<HeaderValue>) {
    let mut form = Serializer::new(String::new());
    match grant {
        Grant::Code { code, redirect_uri, verifier } => {
            form.append_pair("grant_type", "authorization_code")
                .append_pair("code", code.expose())
                .append_pair("redirect_uri", redirect_uri)
                .append_pair("code_verifier", verifier.expose());
        }
        Grant::Refresh(token) => {
            form.append_pair("grant_type", "refresh_token").append_pair("refresh_token", token.expose());
        }
    }
    if let Some(resource) = resource {
        form.append_pair("resource", resource);
    }
    let authorization = authenticate(&mut form, client);
    (form.finish(), authorization)
}

/// Adds who the client is: to the parameters, or as a header.
pub(crate) fn authenticate(
    form: &mut Serializer<'_, String>,
    client: &ClientIdentity<'_>,
) -> Option<HeaderValue> {
    match (client.method, client.secret) {
        (AuthMethod::Basic, Some(secret)) => return Some(basic(client.id, secret)),
        (AuthMethod::Post, Some(secret)) => {
            form.append_pair("client_id", client.id).append_pair("client_secret", secret.expose());
        }
        _ => {
            form.append_pair("client_id", client.id);
        }
    }
    None
}

/// RFC 6749 §2.3.1: both are encoded "using the `application/x-www-form-urlencoded` encoding algorithm".
fn basic(id: &str, secret: &Secret) -> HeaderValue {
    let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = format!("{}:{}", encoded(id), encoded(secret.expose()));
    let value = format!("Basic {}", STANDARD.encode(pair));
    // Base64 is what a header can hold.
    HeaderValue::try_from(value).unwrap_or(HeaderValue::from_static("Basic"))
}

/// Reads an answer.
fn read(endpoint: &str, answer: &SideAnswer, what: &'static str) -> Result<TokenAnswer, Error> {
    let url = without_secrets(endpoint);
    if let Some(error) = OAuthError::of(answer) {
        return Err(Error::Refused { url, what, error });
    }
    let body = successful(endpoint, answer)?;
    let wrong = |why: &str| Error::Answer { url: url.clone(), why: why.into(), is_temporary: false };
    // What cannot be read may hold a token, so it is not repeated.
    let document: Document = serde_json::from_slice(body)
        .map_err(|_| wrong("answers with something else than a token in JSON"))?;
    if !document.token_type.eq_ignore_ascii_case("bearer") {
        return Err(wrong("gives a token of another type than Bearer, which is not supported"));
    }
    let is_sendable = |token: &Secret| {
        !token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !is_sendable(&document.access_token) {
        return Err(wrong("gives a token that no header can hold"));
    }
    Ok(TokenAnswer {
        access_token: document.access_token,
        refresh_token: document.refresh_token.filter(|token| !token.expose().is_empty()),
        expires_in: document.expires_in.and_then(Seconds::duration),
        scope: document.scope,
    })
}

/// The error without what was sent: a server may repeat it.
fn hide(error: Error, client: &ClientIdentity<'_>, grant: &Grant<'_>) -> Error {
    let Error::Refused { url, what, error } = error else { return error };
    let mut secrets: Vec<&Secret> = client.secret.into_iter().collect();
    match grant {
        Grant::Code { code, verifier, .. } => secrets.extend([*code, *verifier]),
        Grant::Refresh(token) => secrets.push(token),
    }
    let error = error.without(secrets);
    Error::Refused { url, what, error }
}

impl Seconds {
    fn duration(self) -> Option<Duration> {
        let seconds = match self {
            Self::Number(seconds) => seconds,
            Self::Text(text) => text.trim().parse().ok()?,
        };
        // A life of many years is no different from a hundred.
        Duration::try_from_secs_f64(seconds.min(MAX_LIFE)).ok()
    }
}

/// Seconds of a hundred years.
const MAX_LIFE: f64 = 100.0 * 365.0 * 24.0 * 3600.0;

/// When a token that was received at `now` ends.
pub(crate) fn end(now: SystemTime, life: Option<Duration>) -> Option<SystemTime> {
    now.checked_add(life?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Result<TokenAnswer, Error> {
        read("https://a.example/token?x=secret", &SideAnswer::new(status, body.to_owned()), "the code")
    }

    #[test]
    fn a_token_is_read() {
        let token = answer(
            200,
            r#"{"access_token": "t", "token_type": "bearer", "expires_in": 3600, "refresh_token": "r", "scope": "a", "more": 1}"#,
        );
        let token = token.unwrap();
        assert_eq!((token.access_token.expose(), token.expires_in), ("t", Some(Duration::from_secs(3600))));
        let text =
            answer(200, r#"{"access_token": "t", "token_type": "Bearer", "expires_in": "60"}"#).unwrap();
        assert_eq!((text.expires_in, text.refresh_token), (Some(Duration::from_secs(60)), None));
        for life in ["-1", "1e300", "\"soon\"", "null"] {
            let body = format!(r#"{{"access_token": "t", "token_type": "Bearer", "expires_in": {life}}}"#);
            assert!(answer(200, &body).is_ok(), "{life}");
        }
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        let words = |status, body: &str| answer(status, body).unwrap_err().to_string();
        let in_200 =
            r#"{"error": "bad_verification_code", "error_description": "The code\u0007 is\n wrong"}"#;
        assert_eq!(
            words(200, in_200),
            "https://a.example/token refuses the code: bad_verification_code (The code is wrong)"
        );
        assert!(words(400, r#"{"error": "invalid_grant"}"#).ends_with("invalid_grant"));
        assert!(answer(400, r#"{"error": "invalid_grant"}"#).unwrap_err().is_invalid_grant());
        assert!(answer(503, r#"{"error": "invalid_grant"}"#).unwrap_err().is_temporary());
        assert!(!answer(503, r#"{"error": "invalid_grant"}"#).unwrap_err().is_invalid_grant());
        assert!(answer(502, "<html>").unwrap_err().is_temporary());
        assert!(words(200, "access_token=secret-token&token_type=bearer").ends_with("in JSON"));
        assert!(words(200, r#"{"access_token": "t", "token_type": "DPoP"}"#).contains("another type"));
        assert!(words(200, r#"{"access_token": "a b", "token_type": "Bearer"}"#).contains("no header"));
        assert!(words(200, r#"{"access_token": "", "token_type": "Bearer"}"#).contains("no header"));
    }

    #[test]
    fn a_client_proves_who_it_is_as_it_is_registered() {
        let secret = Secret::new("s/1");
        let grant = Grant::Refresh(&Secret::new("r"));
        let with = |method| {
            let client = ClientIdentity { id: "c:1", secret: Some(&secret), method };
            let (form, header) = write(&client, &grant, Some("https://a.example/mcp"));
            (form, header.map(|header| header.to_str().unwrap().to_owned()))
        };
        let start = "grant_type=refresh_token&refresh_token=r&resource=https%3A%2F%2Fa.example%2Fmcp";
        let (form, header) = with(AuthMethod::Basic);
        assert_eq!(
            (form.as_str(), header),
            (start, Some(format!("Basic {}", STANDARD.encode("c%3A1:s%2F1"))))
        );
        assert_eq!(with(AuthMethod::Post), (format!("{start}&client_id=c%3A1&client_secret=s%2F1"), None));
        assert_eq!(with(AuthMethod::None), (format!("{start}&client_id=c%3A1"), None));
    }

    #[test]
    fn an_error_does_not_repeat_what_was_sent() {
        let (secret, token) = (Secret::new("client-secret"), Secret::new("refresh-token"));
        let client = ClientIdentity { id: "c", secret: Some(&secret), method: AuthMethod::Post };
        let error = OAuthError::new("invalid_grant", Some("refresh-token of client-secret is over"));
        let error = Error::Refused { url: "u".into(), what: "w", error };
        let words = hide(error, &client, &Grant::Refresh(&token)).to_string();
        assert_eq!(words, "u refuses w: invalid_grant (<hidden> of <hidden> is over)");
    }
}
