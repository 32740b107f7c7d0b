//! Who calls: the credential of a request, verified in one place for every route, revision and transport.

use std::{borrow::Cow, sync::Arc, time::Duration};

use anyport_protocol::{Error, jsonrpc::Reason};
use anyport_service::{Authorization, Principal};
use bytestring::ByteString;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header, request::Parts};
use tokio::time::Instant;

use super::{
    body::Response,
    config::{Authentication, Token},
    connect_info::ConnectInfo,
    credential::{Credential, CredentialError, CredentialVerifier, DpopSupport, Scheme, Verification},
    resource::Refusal,
    response,
    state::State,
    version::names_modern,
};
use crate::dialogue::refusal;

/// A caller that was let in.
#[derive(Debug)]
pub(super) struct Caller {
    /// What it may do.
    pub(super) authorization: Authorization,
    /// What the verifier let in. Streams end with it.
    pub(super) credential: Option<Credential>,
}

/// Authenticates the caller of a request, and checks the scopes that every request to the endpoint needs.
///
/// 2026-07-28, authorization §Token Handling: "Invalid or expired tokens MUST receive a HTTP 401 response."
pub(super) async fn authenticate(
    state: &Arc<State>,
    parts: &Parts,
    info: ConnectInfo,
) -> Result<Caller, Refused> {
    let known = match &state.config.authentication {
        Authentication::Anonymous => Ok(Principal::anonymous().into()),
        Authentication::Application => {
            let authorization = parts.extensions.get::<Authorization>().cloned();
            let principal = || parts.extensions.get::<Principal>().cloned().map(Authorization::from);
            authorization.or_else(principal).ok_or(Refused::NoCredential(LOG_IN))
        }
        Authentication::Function(function) => {
            let principal = Box::pin(function.authenticate(parts.clone())).await;
            principal.map(Authorization::from).ok_or(Refused::NoCredential(LOG_IN))
        }
        Authentication::Tokens(tokens) => match credential(parts, false)? {
            Some(credential) => holder(tokens, &credential).map(Authorization::from),
            None => Err(Refused::NoCredential(SEND_TOKEN)),
        },
        Authentication::Verified(verifier) => return verified(state, parts, info, verifier).await,
    };
    admit(state, parts, known?, None)
}

const LOG_IN: &str = "log in first";
const SEND_TOKEN: &str = "a valid bearer token is needed: Authorization: Bearer TOKEN";

/// The holder of a static token. Every token is compared, so that time tells nothing of which came close.
fn holder(tokens: &[Token], credential: &Credential) -> Result<Principal, Refused> {
    let presented = credential.token.as_bytes();
    let holder = tokens.iter().fold(None, |found, known| known.verify(presented).or(found));
    let unknown = || Refused::Credential(credential.scheme, CredentialError::Invalid(SEND_TOKEN.into()));
    holder.cloned().ok_or_else(unknown)
}

async fn verified(
    state: &Arc<State>,
    parts: &Parts,
    info: ConnectInfo,
    verifier: &Arc<dyn CredentialVerifier>,
) -> Result<Caller, Refused> {
    let presented = credential(parts, verifier.dpop_support() != DpopSupport::Refused)?;
    let Some(credential) = presented else { return Err(Refused::NoCredential(SEND_TOKEN)) };
    if !is_token68(credential.token.as_bytes()) {
        return Err(Refused::not_a_token(credential.scheme));
    }
    let credential = credential.from(info.client());
    let verified = match verifier.verify(&credential, parts, &state.resource.identifier) {
        Verification::Ready(verified) => verified,
        Verification::Pending(verified) => verified.await,
    };
    let authorization = verified.map_err(|error| Refused::Credential(credential.scheme, error))?;
    if let Some(tokens) = &state.config.caller_tokens {
        tokens.note(&**verifier, &authorization, &credential);
    }
    admit(state, parts, authorization, Some(credential))
}

/// Lets a caller in whose credential has not ended, and which has the scopes of the endpoint.
fn admit(
    state: &Arc<State>,
    parts: &Parts,
    authorization: Authorization,
    credential: Option<Credential>,
) -> Result<Caller, Refused> {
    let scheme = credential.as_ref().map_or(Scheme::Bearer, |credential| credential.scheme);
    // A verifier with a cache may answer by an authorization that has ended meanwhile.
    if authorization.expires().is_some_and(|end| end <= Instant::now()) {
        return Err(Refused::Credential(scheme, CredentialError::Invalid("the token has expired".into())));
    }
    if !state.resource.required.iter().all(|scope| authorization.allows(scope)) {
        let granted = (!names_modern(&parts.headers)).then_some(authorization);
        return Err(Refused::Scope { scheme, granted });
    }
    Ok(Caller { authorization, credential })
}

/// The credential of a request; `None` if it has none of a scheme that is accepted.
fn credential(parts: &Parts, accepts_dpop: bool) -> Result<Option<Credential>, Refused> {
    // 2026-07-28, authorization §Token Requirements: "Access tokens MUST NOT be included in the URI query string".
    if has_access_token(parts.uri.query().unwrap_or_default()) {
        return Err(Refused::Malformed(
            "an access token in the query of the URL is not accepted: it would be seen by others; send it in the header Authorization",
        ));
    }
    let mut values = parts.headers.get_all(header::AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else {
        return match parts.headers.contains_key(header::AUTHORIZATION) {
            // RFC 6750 §3.1: "uses more than one method for including an access token" is `invalid_request`.
            true => Err(Refused::Malformed("the header Authorization is there more than once")),
            false => Ok(None),
        };
    };
    let text = value.as_bytes();
    let dpop = || after_scheme(text, b"dpop").filter(|_| accepts_dpop).map(|token| (Scheme::Dpop, token));
    let bearer = after_scheme(text, b"bearer").map(|token| (Scheme::Bearer, token));
    let Some((scheme, token)) = bearer.or_else(dpop) else { return Ok(None) };
    if token.is_empty() {
        return Ok(None);
    }
    let token = ByteString::try_from(token).map_err(|_| Refused::not_a_token(scheme))?;
    Ok(Some(Credential::new(scheme, token)))
}

/// What follows the name of the scheme, if the header begins with it.
fn after_scheme<'a>(value: &'a [u8], scheme: &[u8]) -> Option<&'a [u8]> {
    let (name, rest) = value.split_at_checked(scheme.len())?;
    let is_it = name.eq_ignore_ascii_case(scheme) && rest.first().is_none_or(|next| *next == b' ');
    is_it.then(|| rest.trim_ascii())
}

/// RFC 6750 §2.1: `b64token = 1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="`.
fn is_token68(token: &[u8]) -> bool {
    // A token of a thousand bytes is looked at in each request: a table costs a tenth of comparisons.
    static IS_ONE: [bool; 256] = {
        let (mut table, mut byte) = ([false; 256], 0_u8);
        loop {
            table[byte as usize] =
                byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~' | b'+' | b'/');
            if byte == u8::MAX {
                break table;
            }
            byte += 1;
        }
    };
    let end = token.iter().rposition(|byte| *byte != b'=').map_or(0, |at| at + 1);
    end > 0 && token[..end].iter().fold(true, |all, byte| all & IS_ONE[usize::from(*byte)])
}

fn has_access_token(query: &str) -> bool {
    !query.is_empty() && form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "access_token")
}

/// Why a request is not let in.
#[derive(Debug)]
pub(super) enum Refused {
    /// 401 without a code: there is no credential, or one of a scheme that is not accepted. RFC 6750 §3.1: "the resource server
    /// SHOULD NOT include an error code or other error information."
    NoCredential(&'static str),
    /// 400 `invalid_request`.
    Malformed(&'static str),
    /// The verifier's answer.
    Credential(Scheme, CredentialError),
    /// 403 `insufficient_scope`: a scope that every request needs is missing. `granted` is set if the challenge names the
    /// scopes of the caller as well.
    Scope { scheme: Scheme, granted: Option<Authorization> },
}

impl Refused {
    fn not_a_token(scheme: Scheme) -> Self {
        Self::Credential(
            scheme,
            CredentialError::Invalid("the token has characters that no token has".into()),
        )
    }

    /// The response on a route of MCP or of the program's own.
    pub(super) fn response(self, state: &State) -> Response {
        let (status, error) = self.error(state);
        self.challenged(state, response::error(status, &error))
    }

    /// The response on a route of the REST interface, with its codes.
    pub(super) fn rest_response(self, state: &State) -> Response {
        let (status, mut error) = self.error(state);
        error.code = super::rest::code_of(&error);
        self.challenged(state, response::json(status, refusal(None, &error, true).text))
    }

    fn error(&self, state: &State) -> (StatusCode, Error) {
        match self {
            Self::NoCredential(message) => (StatusCode::UNAUTHORIZED, Error::unauthenticated(*message)),
            Self::Malformed(message) => (StatusCode::BAD_REQUEST, Error::invalid_request(*message)),
            Self::Scope { .. } => {
                let required = state.resource.required.iter().map(String::as_str);
                (StatusCode::FORBIDDEN, Error::insufficient_scope(required))
            }
            Self::Credential(_, CredentialError::Unavailable { reason, .. }) => {
                let error = Error::internal(reason.clone());
                (StatusCode::SERVICE_UNAVAILABLE, error.with_reason(Reason::AuthorizationUnavailable))
            }
            Self::Credential(_, error) => (StatusCode::UNAUTHORIZED, Error::unauthenticated(words(error))),
        }
    }

    fn challenged(&self, state: &State, mut response: Response) -> Response {
        let headers = response.headers_mut();
        let challenge =
            |headers: &mut HeaderMap, refusal: &Refusal<'_>| state.resource.challenge(headers, refusal);
        match self {
            Self::NoCredential(_) => challenge(headers, &Refusal::default()),
            Self::Malformed(message) => {
                let error = Some(("invalid_request", *message));
                challenge(headers, &Refusal { error, ..Refusal::default() });
            }
            Self::Scope { scheme, granted } => {
                let (scheme, error) = (*scheme, Some(INSUFFICIENT_SCOPE));
                let granted = granted.as_ref();
                challenge(headers, &Refusal { scheme, error, granted, ..Refusal::default() });
            }
            Self::Credential(_, CredentialError::Unavailable { retry_after, .. }) => {
                headers.insert(header::RETRY_AFTER, seconds(*retry_after));
            }
            Self::Credential(scheme, error) => {
                let (code, scheme) = match error {
                    CredentialError::InvalidProof(_) => ("invalid_dpop_proof", Scheme::Dpop),
                    CredentialError::UseNonce(_) => ("use_dpop_nonce", Scheme::Dpop),
                    _ => ("invalid_token", *scheme),
                };
                let words = words(error);
                challenge(headers, &Refusal { scheme, error: Some((code, &words)), ..Refusal::default() });
                if let CredentialError::UseNonce(nonce) = error
                    && let Ok(nonce) = HeaderValue::from_str(nonce)
                {
                    headers.insert(DPOP_NONCE, nonce);
                }
            }
        }
        response
    }
}

/// The code of RFC 6750 §3.1 and its description.
pub(super) const INSUFFICIENT_SCOPE: (&str, &str) = ("insufficient_scope", "the credential lacks a scope");

const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

fn words(error: &CredentialError) -> Cow<'static, str> {
    match error {
        CredentialError::Invalid(words) | CredentialError::InvalidProof(words) => words.clone(),
        CredentialError::Unavailable { reason, .. } => reason.clone(),
        CredentialError::UseNonce(_) => "the proof must have the nonce of the header DPoP-Nonce".into(),
    }
}

/// Rounded up, as trying too early only costs another refusal.
fn seconds(wait: Duration) -> HeaderValue {
    wait.as_secs_f64().ceil().max(1.0).to_string().parse().unwrap_or(HeaderValue::from_static("1"))
}
