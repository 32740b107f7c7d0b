//! The request of a client at the authorization endpoint (RFC 6749 §4.1.1).

use http::Uri;
use serde::{Deserialize, Serialize};

use super::{parameters::Parameters, user::User};

/// A request that is in order, apart from the user's consent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuthorizationRequest {
    pub(crate) client_id: String,
    /// Where the answer goes: what this request says, which may have another port of this machine than what is registered.
    pub(crate) redirect_uri: String,
    pub(crate) state: Option<String>,
    pub(crate) challenge: String,
    /// The one resource that tokens are for.
    pub(crate) resource: String,
    pub(crate) scopes: Vec<String>,
}

/// An error that the client learns by a redirect (RFC 6749 §4.1.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RequestError {
    pub(crate) code: &'static str,
    pub(crate) description: &'static str,
}

/// What the server knows that requests are measured by.
pub(crate) struct Known<'a> {
    /// The resources that tokens are given for.
    pub(crate) resources: &'a [String],
    /// The scopes that are given; empty: all.
    pub(crate) scopes: &'a [String],
    /// The scopes of a request that names none.
    pub(crate) default_scopes: &'a [String],
}

impl AuthorizationRequest {
    /// Reads the parameters of a request, whose client and redirect URI have been found to be in order.
    ///
    /// # Errors
    /// [`RequestError`].
    pub(crate) fn read(
        parameters: &Parameters,
        (client_id, redirect_uri): (String, String),
        known: &Known<'_>,
    ) -> Result<Self, RequestError> {
        let error = |code, description| Err(RequestError { code, description });
        match parameters.get("response_type") {
            Some("code") => {}
            None => return error("invalid_request", "the parameter response_type is missing"),
            Some(_) => return error("unsupported_response_type", "the only response_type is code"),
        }
        if parameters.get("response_mode").is_some_and(|mode| mode != "query") {
            return error("invalid_request", "the only response_mode is query");
        }
        if parameters.get("state").is_some_and(|state| state.len() > STATE) {
            return error("invalid_request", "the parameter state is longer than is kept");
        }
        // RFC 9101 §6.3, RFC 9126: such requests would hide the others' parameters.
        if parameters.has("request") || parameters.has("request_uri") {
            return error("request_not_supported", "request objects are not supported");
        }
        // RFC 7636 §4.4.1: the error of a request without a challenge is "invalid_request".
        let Some(challenge) = parameters.get("code_challenge") else {
            return error(
                "invalid_request",
                "the parameter code_challenge is missing: PKCE with S256 is required",
            );
        };
        // RFC 7636 §4.3: the method "plain" is the default, so a request without a method has that one.
        if parameters.get("code_challenge_method") != Some("S256") {
            return error("invalid_request", "the only code_challenge_method is S256");
        }
        if challenge.len() != CHALLENGE || !challenge.bytes().all(is_base64url) {
            return error("invalid_request", "the code_challenge is no SHA-256 in Base64url");
        }
        let resource = resource(parameters.get("resource"), known.resources)?;
        Ok(Self {
            client_id,
            redirect_uri,
            state: parameters.get("state").map(str::to_owned),
            challenge: challenge.to_owned(),
            resource,
            scopes: scopes(parameters.get("scope"), known)?,
        })
    }
}

impl AuthorizationRequest {
    /// The requested scopes that `user` may grant, which are the user's own and those that every request needs; `None` if scopes are
    /// requested and the user may grant none of them.
    pub(crate) fn grantable(&self, user: &User, required: &[String]) -> Option<Vec<String>> {
        let Some(own) = &user.scopes else { return Some(self.scopes.clone()) };
        let may = |scope: &&String| own.contains(scope) || required.contains(scope);
        let scopes: Vec<String> = self.scopes.iter().filter(may).cloned().collect();
        (self.scopes.is_empty() || !scopes.is_empty()).then_some(scopes)
    }
}

/// The longest `state` in bytes: it is kept while the user signs in.
const STATE: usize = 2048;
/// The letters of a SHA-256 in Base64url.
const CHALLENGE: usize = 43;

fn is_base64url(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'
}

/// The resource that a request names, as we write it.
///
/// RFC 8707 §2: "If the client omits the resource parameter when requesting authorization, the authorization server MAY process the
/// request with no specific resource or by using a predefined default resource value."
///
/// # Errors
/// `invalid_target` if it is no endpoint of this server, or if it is absent and the server has several.
pub(crate) fn resource(named: Option<&str>, known: &[String]) -> Result<String, RequestError> {
    let unknown = "the resource is no endpoint of this server";
    let error = |description| Err(RequestError { code: "invalid_target", description });
    match named {
        // Some clients write the URL with a slash at its end.
        Some(named) => {
            let named = with_small_origin(named);
            let is =
                |own: &&String| with_small_origin(own).trim_end_matches('/') == named.trim_end_matches('/');
            known.iter().find(is).map_or_else(|| error(unknown), |own| Ok(own.clone()))
        }
        None => match known {
            [only] => Ok(only.clone()),
            _ => error("this server has several endpoints: the parameter resource must name one"),
        },
    }
}

/// `url` with its scheme and host in small letters. RFC 3986 §6.2.2.1: "the scheme and host are case-insensitive and therefore should be
/// normalized to lowercase."
fn with_small_origin(url: &str) -> String {
    let start = url.find("://").map_or(0, |at| at + "://".len());
    let end = url[start..].find(['/', '?', '#']).map_or(url.len(), |at| start + at);
    format!("{}{}", url[..end].to_ascii_lowercase(), &url[end..])
}

/// The scopes of a request that are given.
///
/// RFC 6749 §3.3: "The authorization server MAY fully or partially ignore the scope requested by the client, based on the
/// authorization server policy or the resource owner's instructions."
fn scopes(requested: Option<&str>, known: &Known<'_>) -> Result<Vec<String>, RequestError> {
    let Some(requested) = requested else { return Ok(known.default_scopes.to_vec()) };
    let mut requested = requested_scopes(requested)?;
    // It asks for a refresh token, which every client gets.
    requested.retain(|scope| scope != OFFLINE_ACCESS);
    if requested.is_empty() {
        return Ok(known.default_scopes.to_vec());
    }
    let is_given = |scope: &String| known.scopes.is_empty() || known.scopes.contains(scope);
    let scopes: Vec<String> = requested.into_iter().filter(is_given).collect();
    match scopes.is_empty() {
        false => Ok(scopes),
        true => Err(RequestError { code: "invalid_scope", description: "none of the scopes is given here" }),
    }
}

/// The scopes of a list, each once.
///
/// # Errors
/// `invalid_scope` if one has characters that no scope has, or there are too many.
pub(crate) fn requested_scopes(list: &str) -> Result<Vec<String>, RequestError> {
    let error = |description| Err(RequestError { code: "invalid_scope", description });
    let mut scopes: Vec<String> = Vec::new();
    for scope in list.split(' ').filter(|scope| !scope.is_empty()) {
        if !anyport_service::is_scope(scope) {
            return error("a scope has characters that no scope has");
        }
        if scopes.iter().any(|known| known == scope) {
            continue;
        }
        if scopes.len() == SCOPES {
            return error("there are more scopes than a request may have");
        }
        scopes.push(scope.to_owned());
    }
    Ok(scopes)
}

const OFFLINE_ACCESS: &str = "offline_access";
/// The most scopes of a request: a page lists them.
const SCOPES: usize = 50;

/// `redirect_uri` with the parameters of an answer.
///
/// RFC 9207 §2: "In authorization responses to the client, including error responses, an authorization server supporting this
/// specification MUST indicate its identity by including the iss parameter in the response."
pub(crate) fn answer_url(
    redirect_uri: &str,
    issuer: &str,
    state: Option<&str>,
    parameters: &[(&str, &str)],
) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(parameters);
    if let Some(state) = state {
        query.append_pair("state", state);
    }
    query.append_pair("iss", issuer);
    let separator = if redirect_uri.contains('?') { '&' } else { '?' };
    format!("{redirect_uri}{separator}{}", query.finish())
}

/// The query of a request.
pub(crate) fn query(uri: &Uri) -> &[u8] {
    uri.query().unwrap_or_default().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "response_type=code&code_challenge_method=S256&\
                        code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn read(query: &str, resources: &[&str]) -> Result<AuthorizationRequest, &'static str> {
        let resources: Vec<String> = resources.iter().map(|&one| one.to_owned()).collect();
        let (scopes, default_scopes) = (vec!["a".to_owned(), "b".to_owned()], vec!["a".to_owned()]);
        let known = Known { resources: &resources, scopes: &scopes, default_scopes: &default_scopes };
        let parameters = Parameters::parse(query.as_bytes()).unwrap();
        let ids = ("c".to_owned(), "https://c.example/cb".to_owned());
        AuthorizationRequest::read(&parameters, ids, &known).map_err(|error| error.code)
    }

    #[test]
    fn a_request_needs_pkce_with_s256_and_a_code() {
        let one = ["https://s.example/mcp"];
        let request = read(&format!("{GOOD}&state=x%20y"), &one).unwrap();
        assert_eq!(request.state.as_deref(), Some("x y"));
        assert_eq!((request.resource.as_str(), request.scopes), (one[0], vec!["a".to_owned()]));
        for (query, code) in [
            (GOOD.replace("=code&", "=token&"), "unsupported_response_type"),
            (GOOD.replace("response_type=code&", ""), "invalid_request"),
            (GOOD.replace("S256", "plain"), "invalid_request"),
            (GOOD.replace("code_challenge_method=S256&", ""), "invalid_request"),
            (GOOD.replace("-cM", ""), "invalid_request"),
            (GOOD.replace("-cM", "%2B%2F"), "invalid_request"),
            (format!("{GOOD}&request=x"), "request_not_supported"),
            (format!("{GOOD}&state={}", "x".repeat(STATE + 1)), "invalid_request"),
            (format!("{GOOD}&response_mode=fragment"), "invalid_request"),
            (format!("{GOOD}&scope=%22"), "invalid_scope"),
            (format!("{GOOD}&scope=other"), "invalid_scope"),
        ] {
            assert_eq!(read(&query, &one).unwrap_err(), code, "{query}");
        }
    }

    #[test]
    fn the_resource_is_one_of_ours_or_the_only_one() {
        let two = ["https://s.example/mcp", "https://s.example/s/x/mcp"];
        let of = |resource: &str| {
            read(&format!("{GOOD}&resource={resource}"), &two).map(|request| request.resource)
        };
        assert_eq!(of("https://s.example/s/x/mcp").as_deref(), Ok(two[1]));
        for same in ["https://s.example/mcp/", "HTTPS://S.Example/mcp", "https://S.EXAMPLE/mcp/"] {
            assert_eq!(of(same).as_deref(), Ok(two[0]), "{same}");
        }
        for other in [
            "https://s.example",
            "https://s.example/MCP",
            "https://s.example/mcp%23x",
            "http://s.example/mcp",
            "HTTPS://S.EXAMPLE/MCP",
            "https://s.example:443/mcp",
            "https://S.EXAMPLE@s.example/mcp",
        ] {
            assert_eq!(of(other), Err("invalid_target"), "{other}");
        }
        assert_eq!(read(GOOD, &two).unwrap_err(), "invalid_target");
    }

    #[test]
    fn scopes_that_are_not_given_are_left_out() {
        let of = |scope: &str| read(&format!("{GOOD}&scope={scope}"), &["r"]).map(|request| request.scopes);
        assert_eq!(of("b+other+b+offline_access"), Ok(vec!["b".to_owned()]));
        assert_eq!(of("offline_access"), Ok(vec!["a".to_owned()]));
    }

    #[test]
    fn an_answer_always_names_its_issuer() {
        let url =
            answer_url("http://127.0.0.1:7/cb?x=1", "https://s.example", Some("a b&c"), &[("code", "k")]);
        assert_eq!(url, "http://127.0.0.1:7/cb?x=1&code=k&state=a+b%26c&iss=https%3A%2F%2Fs.example");
    }
}
