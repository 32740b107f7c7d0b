//! The page that a user signs in at, and the answer that the browser brings back.

use anyport_transport::client::http::without_secrets;
use form_urlencoded::Serializer;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::{
    error::Error,
    oauth_error::OAuthError,
    pkce::{Verifier, random},
    response_error::ResponseError,
    safe_url::{UnsafeUrl, is_internal, safe_url},
    scope::Scopes,
    secret::Secret,
    server_metadata::ServerMetadata,
};

/// One login, until its answer is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AuthorizationRequest {
    /// 2026-07-28, authorization §Authorization Response Validation: "Before redirecting the user-agent, the client **MUST** record
    /// the `issuer` value from the selected authorization server's validated metadata document [...] and associate it with the
    /// same per-request record used to store the PKCE code verifier (and the `state` value, if used)."
    issuer: String,
    /// Whether every answer of the authorization server names its issuer.
    always_names_issuer: bool,
    state: Secret,
    verifier: Verifier,
    redirect_uri: String,
    url: String,
}

/// What the page is asked for.
#[derive(Clone, Debug, Default)]
pub struct AuthorizationParameters<'a> {
    /// The id of the client.
    pub client_id: &'a str,
    /// Where the answer goes.
    pub redirect_uri: &'a str,
    /// The resource that the token is for; `None` for an authorization server that cannot have it.
    pub resource: Option<&'a str>,
    /// The scopes.
    pub scopes: Scopes,
    /// Further parameters that an authorization server wants.
    pub further: &'a [(String, String)],
    /// Whether the server that the login is for is on the public internet: it sends no browser to this machine or into a private
    /// network.
    pub is_public: bool,
}

impl AuthorizationRequest {
    /// A login at `server`.
    ///
    /// # Errors
    /// When the server has no safe page, or the system no randomness.
    pub fn new(server: &ServerMetadata, parameters: &AuthorizationParameters<'_>) -> Result<Self, Error> {
        Self::with_state(server, parameters, random()?)
    }

    /// A login at `server` with this `state`, which must be a random one of 128 bits at least.
    ///
    /// # Errors
    /// When the server has no safe page, or the system no randomness.
    pub(crate) fn with_state(
        server: &ServerMetadata,
        parameters: &AuthorizationParameters<'_>,
        state: Secret,
    ) -> Result<Self, Error> {
        let page = server
            .authorization_endpoint()
            .map_err(|why| Error::Server { url: without_secrets(&server.issuer), why })?;
        let wrong = |why| Error::Url { what: "the authorization endpoint", url: without_secrets(page), why };
        let mut url = safe_url(page).map_err(wrong)?;
        if parameters.is_public && is_internal(&url) {
            return Err(wrong(UnsafeUrl::Internal));
        }
        // RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once." Of two, its server may read the other.
        if url.query_pairs().any(|(name, _)| OWN_PARAMETERS.contains(&&*name)) {
            return Err(wrong(UnsafeUrl::Parameter));
        }
        let verifier = Verifier::random()?;
        let query = query(parameters, &state, &verifier, url.query());
        url.set_query(Some(&query));
        Ok(Self {
            issuer: server.issuer.clone(),
            always_names_issuer: server.authorization_response_iss_parameter_supported,
            state,
            verifier,
            redirect_uri: parameters.redirect_uri.to_owned(),
            url: url.into(),
        })
    }

    /// The page.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Where the answer goes.
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// The code verifier of PKCE (RFC 7636), which the token request sends with the code.
    pub fn verifier(&self) -> &Secret {
        self.verifier.secret()
    }

    /// Reads the query of the answer, and returns the code.
    ///
    /// 2026-07-28, authorization §Authorization Response Validation: clients "**MUST** apply the validation in RFC9207 Section 2.4
    /// before transmitting the authorization code to any token endpoint". "This validation applies equally to error responses -
    /// on mismatch the client **MUST NOT** act on or display `error`, `error_description`, or `error_uri`."
    ///
    /// # Errors
    /// [`ResponseError`].
    pub fn read(&self, query: &str) -> Result<Secret, ResponseError> {
        self.accept(Answer::parse(query).ok_or(ResponseError::OtherLogin)?)
    }

    /// Reads the parameters of the answer, each of which is there once at most, and returns the code. See [`Self::read`].
    pub(crate) fn read_parameters<'a>(
        &self,
        parameter: impl Fn(&str) -> Option<&'a str>,
    ) -> Result<Secret, ResponseError> {
        let text = |name| parameter(name).map(str::to_owned);
        self.accept(Answer {
            state: text("state").map(Secret::new),
            code: text("code").map(Secret::new),
            iss: text("iss"),
            error: text("error"),
            error_description: text("error_description"),
        })
    }

    fn accept(&self, answer: Answer) -> Result<Secret, ResponseError> {
        // 2026-07-28, security-considerations §Open Redirection: clients "**SHOULD** use and verify state parameters in the
        // authorization code flow and discard any results that do not include or have a mismatch with the original state."
        if answer.state.as_ref() != Some(&self.state) {
            return Err(ResponseError::OtherLogin);
        }
        self.check_issuer(answer.iss.as_deref())?;
        match (answer.error, answer.code) {
            (Some(error), _) => {
                Err(ResponseError::Refused(OAuthError::new(&error, answer.error_description.as_deref())))
            }
            (None, Some(code)) if !code.expose().is_empty() => Ok(code),
            (None, _) => Err(ResponseError::NoCode),
        }
    }

    /// The table of RFC 9207 §2.4, as 2026-07-28 has it: a present `iss` is compared always, by "simple string comparison"; an
    /// absent one is refused where `authorization_response_iss_parameter_supported` is true.
    ///
    /// "After decoding the `iss` value [...], clients **MUST NOT** apply scheme or host case folding, default-port elision,
    /// trailing-slash, or percent-encoding normalization [...] before comparison."
    fn check_issuer(&self, iss: Option<&str>) -> Result<(), ResponseError> {
        match iss {
            Some(iss) if iss == self.issuer => Ok(()),
            Some(_) => Err(ResponseError::OtherIssuer(self.issuer.clone())),
            None if self.always_names_issuer => Err(ResponseError::NoIssuer(self.issuer.clone())),
            None => Ok(()),
        }
    }

    /// Reads the URL that the browser was sent to, as a user has pasted it.
    ///
    /// # Errors
    /// [`ResponseError`].
    pub fn read_url(&self, url: &str) -> Result<Secret, ResponseError> {
        let url = Url::parse(url.trim()).map_err(|_| ResponseError::OtherLogin)?;
        let expected = Url::parse(&self.redirect_uri).map_err(|_| ResponseError::OtherLogin)?;
        let is_same_place = url.origin() == expected.origin() && url.path() == expected.path();
        match is_same_place {
            true => self.read(url.query().unwrap_or_default()),
            false => Err(ResponseError::OtherLogin),
        }
    }
}

/// The parameters of every request.
const OWN_PARAMETERS: [&str; 6] =
    ["response_type", "client_id", "redirect_uri", "state", "code_challenge", "code_challenge_method"];

/// The query of the page: what its URL has already, and the parameters of the login.
fn query(
    parameters: &AuthorizationParameters<'_>,
    state: &Secret,
    verifier: &Verifier,
    before: Option<&str>,
) -> String {
    let mut query = Serializer::new(String::new());
    query.extend_pairs(form_urlencoded::parse(before.unwrap_or_default().as_bytes()));
    query
        .append_pair("response_type", "code")
        .append_pair("client_id", parameters.client_id)
        .append_pair("redirect_uri", parameters.redirect_uri)
        .append_pair("state", state.expose())
        .append_pair("code_challenge", &verifier.challenge())
        .append_pair("code_challenge_method", "S256");
    if let Some(scope) = parameters.scopes.parameter() {
        query.append_pair("scope", &scope);
    }
    if let Some(resource) = parameters.resource {
        query.append_pair("resource", resource);
    }
    query.extend_pairs(parameters.further);
    query.finish()
}

/// The parameters of an answer.
#[derive(Default)]
struct Answer {
    state: Option<Secret>,
    code: Option<Secret>,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Answer {
    /// RFC 6749 §3.1: "Request and response parameters MUST NOT be included more than once."
    fn parse(query: &str) -> Option<Self> {
        let mut answer = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            let is_repeated = match &*name {
                "state" => answer.state.replace(Secret::new(value)).is_some(),
                "code" => answer.code.replace(Secret::new(value)).is_some(),
                "iss" => answer.iss.replace(value).is_some(),
                "error" => answer.error.replace(value).is_some(),
                "error_description" => answer.error_description.replace(value).is_some(),
                _ => false,
            };
            if is_repeated {
                return None;
            }
        }
        Some(answer)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ISSUER: &str = "https://a.example";

    #[test]
    fn a_page_that_fixes_the_state_of_its_logins_is_not_used() {
        for own in OWN_PARAMETERS {
            let mut server = ServerMetadata::without_document(&Url::parse(ISSUER).unwrap());
            server.authorization_endpoint = Some(format!("https://a.example/authorize?{own}=x"));
            let parameters = AuthorizationParameters { client_id: "c", ..AuthorizationParameters::default() };
            let error = AuthorizationRequest::new(&server, &parameters).unwrap_err();
            assert!(error.to_string().contains("would be there twice"), "{error}");
        }
    }

    fn request(names_issuer: bool) -> AuthorizationRequest {
        let mut server = ServerMetadata::without_document(&Url::parse(ISSUER).unwrap());
        server.authorization_response_iss_parameter_supported = names_issuer;
        server.authorization_endpoint = Some("https://a.example/authorize?tenant=1".into());
        let parameters = AuthorizationParameters {
            client_id: "c",
            redirect_uri: "http://127.0.0.1:1/callback",
            resource: Some("https://m.example/mcp"),
            scopes: Scopes::parse("a b"),
            further: &[("prompt".into(), "consent".into())],
            is_public: true,
        };
        AuthorizationRequest::new(&server, &parameters).unwrap()
    }

    #[test]
    fn a_public_server_sends_no_browser_to_this_machine() {
        let mut server = ServerMetadata::without_document(&Url::parse(ISSUER).unwrap());
        for page in ["http://127.0.0.1:8080/reboot", "https://192.168.0.1/reboot"] {
            server.authorization_endpoint = Some(page.into());
            let parameters =
                AuthorizationParameters { is_public: true, ..AuthorizationParameters::default() };
            let refused = AuthorizationRequest::new(&server, &parameters);
            assert!(matches!(refused, Err(Error::Url { why: UnsafeUrl::Internal, .. })), "{page}");
            let parameters = AuthorizationParameters::default();
            assert!(AuthorizationRequest::new(&server, &parameters).is_ok(), "{page}");
        }
    }

    fn answer(request: &AuthorizationRequest, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(String::new());
        query.append_pair("state", request.state.expose()).extend_pairs(more);
        query.finish()
    }

    #[test]
    fn the_page_is_asked_for_everything() {
        let request = request(true);
        let url = Url::parse(request.url()).unwrap();
        let pairs: Vec<(String, String)> =
            url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
        let value = |name: &str| {
            let mut values = pairs.iter().filter(|(other, _)| other == name).map(|(_, value)| value.as_str());
            let value = values.next();
            assert_eq!(values.next(), None, "{name} is there twice");
            value
        };
        assert_eq!(value("tenant"), Some("1"));
        assert_eq!(value("response_type"), Some("code"));
        assert_eq!(value("client_id"), Some("c"));
        assert_eq!(value("redirect_uri"), Some("http://127.0.0.1:1/callback"));
        assert_eq!(value("code_challenge_method"), Some("S256"));
        assert_eq!(value("code_challenge"), Some(request.verifier.challenge().as_str()));
        assert_eq!(value("resource"), Some("https://m.example/mcp"));
        assert_eq!(value("scope"), Some("a b"));
        assert_eq!(value("prompt"), Some("consent"));
        assert_eq!(value("state"), Some(request.state.expose()));
        assert!(!request.url().contains(request.verifier().expose()));
    }

    /// Invariant: An answer of another issuer gives no code and shows no error, by the table of the specification.
    #[test]
    fn the_issuer_of_an_answer_is_compared_by_the_table() {
        let other =
            ["https://b.example", "https://a.example/", "https://A.example", "https://a.example:443", ""];
        for (names_issuer, iss, is_good) in [
            (true, Some(ISSUER), true),
            (true, None, false),
            (false, Some(ISSUER), true),
            (false, None, true),
        ]
        .into_iter()
        .chain(other.iter().flat_map(|iss| [(true, Some(*iss), false), (false, Some(*iss), false)]))
        {
            let request = request(names_issuer);
            let iss: Vec<_> = iss.map(|iss| ("iss", iss)).into_iter().collect();
            let code = request.read(&answer(&request, &[&iss[..], &[("code", "secret")]].concat()));
            assert_eq!(code.is_ok(), is_good, "{names_issuer} {iss:?}");
            let refused = [("error", "access_denied"), ("error_description", "words of somebody")];
            let refused = request.read(&answer(&request, &[&iss[..], &refused].concat())).unwrap_err();
            assert_eq!(matches!(refused, ResponseError::Refused(_)), is_good);
            assert_eq!(refused.to_string().contains("words of somebody"), is_good, "{refused}");
        }
    }

    #[test]
    fn an_answer_to_another_login_is_none() {
        let (request, another) = (request(false), request(false));
        let code = [("code", "x")];
        assert_eq!(request.read(&answer(&another, &code)), Err(ResponseError::OtherLogin));
        assert_eq!(request.read("code=x"), Err(ResponseError::OtherLogin));
        assert_eq!(request.read("code=x&state="), Err(ResponseError::OtherLogin));
        let twice = answer(&request, &[("code", "x"), ("code", "y")]);
        assert_eq!(request.read(&twice), Err(ResponseError::OtherLogin));
        assert_eq!(request.read(&answer(&request, &[])), Err(ResponseError::NoCode));
        assert_eq!(request.read(&answer(&request, &[("code", "")])), Err(ResponseError::NoCode));
        assert!(request.read(&answer(&request, &code)).is_ok());
    }

    #[test]
    fn a_pasted_url_is_checked_alike() {
        let request = request(false);
        let query = answer(&request, &[("code", "x")]);
        assert!(request.read_url(&format!(" http://127.0.0.1:1/callback?{query}\n")).is_ok());
        for other in
            ["http://127.0.0.1:2/callback", "http://127.0.0.1:1/other", "https://127.0.0.1:1/callback", ""]
        {
            assert_eq!(
                request.read_url(&format!("{other}?{query}")),
                Err(ResponseError::OtherLogin),
                "{other}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_query_gives_a_code_without_the_state(query in "[a-z=&%+0-9]{0,80}") {
            prop_assert!(request(false).read(&query).is_err());
        }
    }
}
