//! Requests to the token endpoint, and its answers.

use std::time::{Duration, SystemTime};

use anyport_store::Clock;
use anyport_transport::client::http::{SideAnswer, without_secrets};
use form_urlencoded::Serializer;
use http::HeaderValue;
use serde::Deserialize;

use crate::{
    client_auth::ClientIdentity,
    dpop::ProofKey,
    error::Error,
    fetch::{Body, Fetcher, Post, successful},
    oauth_error::{OAuthError, USE_DPOP_NONCE},
    secret::Secret,
    server_metadata::ServerMetadata,
};

/// What a token is asked for with.
#[derive(Clone, Copy)]
#[non_exhaustive]
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
    /// The client itself (RFC 6749 §4.4).
    ClientCredentials {
        /// The scopes, if some are asked for.
        scope: Option<&'a str>,
    },
    /// A token of another issuer, which says who the caller is (RFC 7523 §2.1).
    Assertion {
        /// The token.
        assertion: &'a Secret,
        /// The scopes, if some are asked for.
        scope: Option<&'a str>,
    },
    /// The user's ID token, in exchange for a token by which an authorization server that trusts this one knows the user
    /// (RFC 8693, draft-ietf-oauth-identity-assertion-authz-grant).
    IdentityAssertion {
        /// The ID token.
        id_token: &'a Secret,
        /// The issuer of the other authorization server.
        audience: &'a str,
        /// The scopes at the server, if some are asked for.
        scope: Option<&'a str>,
    },
    /// The token of a caller, in exchange for one for another server (RFC 8693).
    Exchange {
        /// The token of the caller.
        subject_token: &'a Secret,
        /// The name of the other server, as the authorization server knows it, if it wants one.
        audience: Option<&'a str>,
        /// The scopes, if some are asked for.
        scope: Option<&'a str>,
    },
    /// The same as Entra has it: on-behalf-of, with the token of the caller as an assertion (RFC 7523 §2.1).
    OnBehalfOf {
        /// The token of the caller.
        assertion: &'a Secret,
        /// The scopes, which say what the token is for.
        scope: Option<&'a str>,
    },
}

/// One request to a token endpoint.
pub struct TokenRequest<'a> {
    /// The authorization server.
    pub server: &'a ServerMetadata,
    /// The client.
    pub client: ClientIdentity<'a>,
    /// What the token is asked for with.
    pub grant: Grant<'a>,
    /// The parameter `resource` (RFC 8707).
    pub resource: Option<&'a str>,
    /// The key that the token is bound to, if it is bound to one.
    pub proof_key: Option<&'a ProofKey>,
    /// The time.
    pub clock: &'a Clock,
}

/// A token as it was given.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenAnswer {
    /// The access token.
    pub access_token: Secret,
    /// Whether it is bound to the key of the request (DPoP).
    pub is_bound: bool,
    /// The refresh token, if another one was given.
    pub refresh_token: Option<Secret>,
    /// The ID token, if one was given.
    pub id_token: Option<Secret>,
    /// How long it lives.
    pub expires_in: Option<Duration>,
    /// The scopes, if they are others than those that were asked for.
    pub scope: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    access_token: Secret,
    token_type: String,
    issued_token_type: Option<String>,
    refresh_token: Option<Secret>,
    id_token: Option<Secret>,
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

impl TokenAnswer {
    /// An ID token without an access token.
    pub(crate) fn of_identity(id_token: Secret) -> Self {
        Self {
            access_token: Secret::new(""),
            is_bound: false,
            refresh_token: None,
            id_token: Some(id_token),
            expires_in: None,
            scope: None,
        }
    }
}

impl TokenRequest<'_> {
    /// Asks for the token.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn send(&self, fetcher: &Fetcher) -> Result<TokenAnswer, Error> {
        let missing = |why| Error::Server { url: without_secrets(&self.server.issuer), why };
        let endpoint = self.server.token_endpoint().map_err(missing)?;
        let mut answer = self.post(fetcher, endpoint, None).await?;
        // RFC 9449 §8: the authorization server asks for a proof with a nonce by this error, and nothing was carried out.
        if self.proof_key.is_some()
            && OAuthError::of(&answer).is_some_and(|error| error.code == USE_DPOP_NONCE)
            && let Some(nonce) = answer.dpop_nonce.take()
        {
            answer = self.post(fetcher, endpoint, Some(&nonce)).await?;
        }
        let is_bindable = self.proof_key.is_some();
        read(endpoint, &answer, &self.grant, is_bindable).map_err(|error| self.hide(error))
    }

    async fn post(
        &self,
        fetcher: &Fetcher,
        endpoint: &str,
        nonce: Option<&str>,
    ) -> Result<SideAnswer, Error> {
        let (form, authorization) = self.write()?;
        let proof = self
            .proof_key
            .map(|key| key.proof("POST", endpoint, None, nonce, self.clock.now()))
            .transpose()?;
        fetcher.post(endpoint, Post { body: Body::Form(form), authorization, proof }).await
    }

    /// The parameters of a request, and its header.
    ///
    /// 2026-07-28, authorization §Resource Parameter Implementation: the parameter `resource` "**MUST** be included in both
    /// authorization requests and token requests"; "MCP clients **MUST** send this parameter regardless of whether authorization
    /// servers support it."
    fn write(&self) -> Result<(String, Option<HeaderValue>), Error> {
        let mut form = Serializer::new(String::new());
        form.append_pair("grant_type", self.grant.grant_type());
        for (name, value) in self.grant.parameters() {
            form.append_pair(name, value);
        }
        if let Some(resource) = self.resource {
            form.append_pair("resource", resource);
        }
        let authorization = self.client.authenticate(&mut form, &self.server.issuer, self.clock.now())?;
        Ok((form.finish(), authorization))
    }

    /// The error without what was sent: a server may repeat it.
    fn hide(&self, error: Error) -> Error {
        let Error::Refused { url, what, error } = error else { return error };
        let mut secrets: Vec<&Secret> = self.client.secrets().collect();
        match self.grant {
            Grant::Code { code, verifier, .. } => secrets.extend([code, verifier]),
            Grant::Refresh(token) => secrets.push(token),
            Grant::Assertion { assertion, .. } => secrets.push(assertion),
            Grant::IdentityAssertion { id_token, .. } => secrets.push(id_token),
            Grant::Exchange { subject_token, .. } => secrets.push(subject_token),
            Grant::OnBehalfOf { assertion, .. } => secrets.push(assertion),
            Grant::ClientCredentials { .. } => {}
        }
        Error::Refused { url, what, error: error.without(secrets) }
    }
}

/// What is refused where a caller's token is not exchanged.
pub(crate) const TO_EXCHANGE: &str = "to exchange the caller's token";
/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// RFC 8693 §3.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
/// draft-ietf-oauth-identity-assertion-authz-grant §4.
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

impl<'a> Grant<'a> {
    fn name(&self) -> &'static str {
        match self {
            Self::Code { .. } => "the code of the login",
            Self::Refresh(_) => "the refresh token",
            Self::ClientCredentials { .. } => "to give the client a token",
            Self::Assertion { .. } => "the assertion",
            Self::IdentityAssertion { .. } => "to exchange the ID token",
            Self::Exchange { .. } | Self::OnBehalfOf { .. } => TO_EXCHANGE,
        }
    }

    fn grant_type(&self) -> &'static str {
        match self {
            Self::Code { .. } => "authorization_code",
            Self::Refresh(_) => "refresh_token",
            Self::ClientCredentials { .. } => "client_credentials",
            Self::Assertion { .. } | Self::OnBehalfOf { .. } => "urn:ietf:params:oauth:grant-type:jwt-bearer",
            Self::IdentityAssertion { .. } | Self::Exchange { .. } => {
                "urn:ietf:params:oauth:grant-type:token-exchange"
            }
        }
    }

    /// The parameters of its own.
    fn parameters(self) -> Vec<(&'static str, &'a str)> {
        let (mut all, scope) = match self {
            Self::Code { code, redirect_uri, verifier } => (
                vec![
                    ("code", code.expose()),
                    ("redirect_uri", redirect_uri),
                    ("code_verifier", verifier.expose()),
                ],
                None,
            ),
            Self::Refresh(token) => (vec![("refresh_token", token.expose())], None),
            Self::ClientCredentials { scope } => (Vec::new(), scope),
            Self::Assertion { assertion, scope } => (vec![("assertion", assertion.expose())], scope),
            // Enterprise-Managed Authorization §4: these and `resource` are "REQUIRED".
            Self::IdentityAssertion { id_token, audience, scope } => (
                vec![
                    ("requested_token_type", ID_JAG),
                    ("audience", audience),
                    ("subject_token", id_token.expose()),
                    ("subject_token_type", "urn:ietf:params:oauth:token-type:id_token"),
                ],
                scope,
            ),
            // RFC 8693 §2.1: `subject_token_type` is "REQUIRED. An identifier [...] that indicates the type of the security token in
            // the subject_token parameter."
            Self::Exchange { subject_token, audience, scope } => {
                let audience = audience.map(|audience| ("audience", audience));
                let mut all = vec![
                    ("subject_token", subject_token.expose()),
                    ("subject_token_type", ACCESS_TOKEN),
                    ("requested_token_type", ACCESS_TOKEN),
                ];
                all.extend(audience);
                (all, scope)
            }
            Self::OnBehalfOf { assertion, scope } => {
                let all = vec![("assertion", assertion.expose()), ("requested_token_use", "on_behalf_of")];
                (all, scope)
            }
        };
        all.extend(scope.map(|scope| ("scope", scope)));
        all
    }

    /// Whether an answer to this grant may be of `kind`, and whether the token is then bound to the key of the request.
    fn accepts(&self, kind: &str, issued: Option<&str>, is_bindable: bool) -> Result<bool, &'static str> {
        match self {
            // Enterprise-Managed Authorization §4.2: `token_type` is "`N_A` (because this is not an OAuth access token.)"
            Self::IdentityAssertion { .. } => match issued {
                Some(ID_JAG) => Ok(false),
                _ => Err("does not give the token that was asked for, which is one of the type id-jag"),
            },
            // RFC 8693 §2.2.1: `issued_token_type` is "REQUIRED. An identifier [...] for the representation of the issued security
            // token."
            Self::Exchange { .. } if issued.is_some_and(|issued| ![ACCESS_TOKEN, JWT].contains(&issued)) => {
                Err("does not give an access token, which was asked for")
            }
            _ if kind.eq_ignore_ascii_case("bearer") => Ok(false),
            _ if kind.eq_ignore_ascii_case("dpop") && is_bindable => Ok(true),
            _ => Err("gives a token of another type than Bearer, which is not supported"),
        }
    }
}

/// Reads an answer.
fn read(
    endpoint: &str,
    answer: &SideAnswer,
    grant: &Grant<'_>,
    is_bindable: bool,
) -> Result<TokenAnswer, Error> {
    let url = without_secrets(endpoint);
    if let Some(error) = OAuthError::of(answer) {
        return Err(Error::Refused { url, what: grant.name(), error });
    }
    let body = successful(endpoint, answer)?;
    let wrong = |why: &str| Error::Answer { url: url.clone(), why: why.into(), is_temporary: false };
    // What cannot be read may hold a token, so it is not repeated.
    let document: Document = serde_json::from_slice(body)
        .map_err(|_| wrong("answers with something else than a token in JSON"))?;
    let issued = document.issued_token_type.as_deref();
    let is_bound = grant.accepts(&document.token_type, issued, is_bindable).map_err(wrong)?;
    let is_sendable = |token: &Secret| {
        !token.expose().is_empty() && token.expose().bytes().all(|byte| byte.is_ascii_graphic())
    };
    if !is_sendable(&document.access_token) {
        return Err(wrong("gives a token that no header can hold"));
    }
    let given = |token: Option<Secret>| token.filter(|token| !token.expose().is_empty());
    Ok(TokenAnswer {
        access_token: document.access_token,
        is_bound,
        refresh_token: given(document.refresh_token),
        id_token: given(document.id_token),
        expires_in: document.expires_in.and_then(Seconds::duration),
        scope: document.scope,
    })
}

/// Reads an answer, which is not one to a request.
pub(crate) fn read_any(answer: &SideAnswer) -> Result<TokenAnswer, Error> {
    read("https://fuzz.example/token", answer, &Grant::ClientCredentials { scope: None }, true)
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
    use url::Url;

    use super::*;
    use crate::client_auth::AuthMethod;

    const REFRESH: &str = "r";

    fn answer_to(
        grant: &Grant<'_>,
        status: u16,
        body: &str,
        is_bindable: bool,
    ) -> Result<TokenAnswer, Error> {
        let answer = SideAnswer::new(status, body.to_owned());
        read("https://a.example/token?x=secret", &answer, grant, is_bindable)
    }

    fn answer(status: u16, body: &str) -> Result<TokenAnswer, Error> {
        answer_to(&Grant::ClientCredentials { scope: None }, status, body, false)
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
        for (life, is_known) in
            [("-1", false), ("0", true), ("0.4", true), ("1e300", true), ("\"soon\"", false), ("null", false)]
        {
            let body = format!(r#"{{"access_token": "t", "token_type": "Bearer", "expires_in": {life}}}"#);
            assert_eq!(answer(200, &body).unwrap().expires_in.is_some(), is_known, "{life}");
        }
    }

    #[test]
    fn what_is_no_token_is_an_error() {
        let words = |status, body: &str| answer(status, body).unwrap_err().to_string();
        let in_200 =
            r#"{"error": "bad_verification_code", "error_description": "The code\u0007 is\n wrong"}"#;
        assert_eq!(
            words(200, in_200),
            "https://a.example/token refuses to give the client a token: bad_verification_code (The code is wrong)"
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
    fn a_token_is_bound_only_where_a_key_was_sent_and_an_id_jag_only_what_is_one() {
        let grant = Grant::ClientCredentials { scope: None };
        let bound = r#"{"access_token": "t", "token_type": "DPoP"}"#;
        assert!(answer_to(&grant, 200, bound, true).unwrap().is_bound);
        let bearer = r#"{"access_token": "t", "token_type": "Bearer"}"#;
        assert!(!answer_to(&grant, 200, bearer, true).unwrap().is_bound);
        let id_token = Secret::new("i");
        let exchange =
            Grant::IdentityAssertion { id_token: &id_token, audience: "https://a.example", scope: None };
        let refused = answer_to(&exchange, 200, bearer, false).unwrap_err().to_string();
        assert!(refused.contains("id-jag"), "{refused}");
        let right = r#"{"access_token": "t", "token_type": "N_A", "issued_token_type": "urn:ietf:params:oauth:token-type:id-jag"}"#;
        assert!(answer_to(&exchange, 200, right, false).is_ok());
    }

    #[test]
    fn each_grant_has_its_parameters() {
        let server = ServerMetadata::without_document(&Url::parse("https://a.example").unwrap());
        let written = |grant: Grant<'_>| {
            let client = ClientIdentity { id: "c", secret: None, key: None, method: AuthMethod::None };
            let request = TokenRequest {
                server: &server,
                client,
                grant,
                resource: Some("https://r.example/mcp"),
                proof_key: None,
                clock: &Clock::default(),
            };
            request.write().unwrap().0
        };
        let (secret, end) = (Secret::new(REFRESH), "resource=https%3A%2F%2Fr.example%2Fmcp&client_id=c");
        assert_eq!(
            written(Grant::Refresh(&secret)),
            format!("grant_type=refresh_token&refresh_token=r&{end}")
        );
        let scope = Some("a b");
        assert_eq!(
            written(Grant::ClientCredentials { scope }),
            format!("grant_type=client_credentials&scope=a+b&{end}")
        );
        assert_eq!(
            written(Grant::Assertion { assertion: &secret, scope: None }),
            format!("grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=r&{end}")
        );
        let exchange =
            written(Grant::IdentityAssertion { id_token: &secret, audience: "https://o.example", scope });
        for parameter in [
            "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Atoken-exchange",
            "requested_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid-jag",
            "audience=https%3A%2F%2Fo.example",
            "subject_token=r",
            "subject_token_type=urn%3Aietf%3Aparams%3Aoauth%3Atoken-type%3Aid_token",
            "scope=a+b",
            "resource=https%3A%2F%2Fr.example%2Fmcp",
        ] {
            assert!(exchange.split('&').any(|pair| pair == parameter), "{parameter} in {exchange}");
        }
    }

    #[test]
    fn an_error_does_not_repeat_what_was_sent() {
        let (secret, token) = (Secret::new("client-secret"), Secret::new("refresh-token"));
        let client = ClientIdentity { id: "c", secret: Some(&secret), key: None, method: AuthMethod::Post };
        let server = ServerMetadata::without_document(&Url::parse("https://a.example").unwrap());
        let request = TokenRequest {
            server: &server,
            client,
            grant: Grant::Refresh(&token),
            resource: None,
            proof_key: None,
            clock: &Clock::default(),
        };
        let error = OAuthError::new("invalid_grant", Some("refresh-token of client-secret is over"));
        let words = request.hide(Error::Refused { url: "u".into(), what: "w", error }).to_string();
        assert_eq!(words, "u refuses w: invalid_grant (<hidden> of <hidden> is over)");
    }
}
