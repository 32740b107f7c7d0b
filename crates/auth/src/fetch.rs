//! Requests to authorization servers.

use std::time::Duration;

use anyport_metrics::Metrics;
use anyport_transport::client::http::{Endpoint, Fault, SideAnswer, SideRequest, without_secrets};
use http::{HeaderName, HeaderValue, header};
use tokio::time::timeout;

use crate::{
    error::Error,
    limits::{Refusals, SignInLimits},
    safe_url::safe_url,
};

/// Sends the requests of one login.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The server that the login is for. Its proxies and certificates are used.
    server: Endpoint,
    /// Whether that server is on the public internet: what it names is then never in a private network or on this machine.
    is_public: bool,
    limits: SignInLimits,
    refusals: Refusals,
}

/// A body of parameters, or of JSON.
pub(crate) enum Body {
    Form(String),
    Json(String),
}

/// A POST that may be secret.
pub(crate) struct Post {
    pub(crate) body: Body,
    /// The value of `Authorization`.
    pub(crate) authorization: Option<HeaderValue>,
    /// The value of `DPoP`.
    pub(crate) proof: Option<HeaderValue>,
}

impl From<Body> for Post {
    fn from(body: Body) -> Self {
        Self { body, authorization: None, proof: None }
    }
}

impl Fetcher {
    /// For the server at `server`.
    pub fn new(server: &Endpoint, is_public: bool, limits: SignInLimits) -> Self {
        let refusals = Refusals::new(&Metrics::new());
        Self { server: server.clone(), is_public, limits, refusals }
    }

    /// Counts what the limits refuse in `refusals`.
    #[must_use]
    pub(crate) fn refusals(mut self, refusals: Refusals) -> Self {
        self.refusals = refusals;
        self
    }

    /// Whether the server is on the public internet.
    pub(crate) fn is_public(&self) -> bool {
        self.is_public
    }

    /// The same for what a server names that is on the public internet, or is not.
    pub(crate) fn guarded(&self, is_public: bool) -> Self {
        Self { is_public: self.is_public || is_public, ..self.clone() }
    }

    /// Fetches metadata.
    pub(crate) async fn get(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<SideAnswer, Error> {
        self.get_redirected(url, headers, self.limits.max_redirects).await
    }

    /// Fetches with a header that is secret, and follows no redirect.
    pub(crate) async fn get_secret(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
    ) -> Result<SideAnswer, Error> {
        self.get_redirected(url, headers, 0).await
    }

    async fn get_redirected(
        &self,
        url: &str,
        headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>,
        redirects: usize,
    ) -> Result<SideAnswer, Error> {
        let endpoint = self.endpoint(url)?.redirects(redirects);
        let request = SideRequest::get(self.limits.max_document, NEVER);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        self.ask(&endpoint, request, url).await
    }

    /// Posts what may be secret, and follows no redirect.
    pub(crate) async fn post(&self, url: &str, post: impl Into<Post>) -> Result<SideAnswer, Error> {
        let Post { body, authorization, proof } = post.into();
        let endpoint = self.endpoint(url)?.redirects(0);
        let (kind, body) = match body {
            Body::Form(form) => ("application/x-www-form-urlencoded", form),
            Body::Json(json) => ("application/json", json),
        };
        let mut request = SideRequest::post(kind, body, self.limits.max_document, NEVER);
        for (name, value) in
            [(header::AUTHORIZATION, authorization), (HeaderName::from_static("dpop"), proof)]
        {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }
        self.ask(&endpoint, request, url).await
    }

    /// Sends a request, and counts what the limits refuse.
    async fn ask(&self, endpoint: &Endpoint, request: SideRequest, url: &str) -> Result<SideAnswer, Error> {
        let within = self.limits.fetch_timeout;
        let Ok(answered) = timeout(within, endpoint.ask(request)).await else {
            self.refusals.fetch.increment();
            let why = format!("has not answered within {} s (auth_timeout)", within.as_secs_f32());
            return Err(Error::Answer { url: without_secrets(url), why, is_temporary: true });
        };
        match &answered {
            Ok(answer) if answer.body.is_none() => self.refusals.document.increment(),
            Err(Fault::Redirect { .. }) => self.refusals.redirects.increment(),
            _ => {}
        }
        answered.map_err(|fault| unreachable(url, fault))
    }

    /// The URL as an endpoint. Names are resolved, looked at and connected to as one by the connector.
    fn endpoint(&self, url: &str) -> Result<Endpoint, Error> {
        let unsafe_url = |why| Error::Url { what: "the URL", url: without_secrets(url), why };
        let url = safe_url(url).map_err(unsafe_url)?;
        let endpoint = self.server.beside(url.as_str()).map_err(|fault| unreachable(url.as_str(), fault))?;
        Ok(if self.is_public { endpoint.public_only() } else { endpoint })
    }
}

/// The limit of the request itself, which that of the login always precedes.
const NEVER: Duration = Duration::from_secs(24 * 60 * 60);

fn unreachable(url: &str, fault: Fault) -> Error {
    Error::Unreachable { url: without_secrets(url), fault }
}

/// The body of an answer that succeeded.
///
/// # Errors
/// What is wrong with the answer.
pub(crate) fn successful<'a>(url: &str, answer: &'a SideAnswer) -> Result<&'a [u8], Error> {
    let wrong = |why: String, is_temporary| Error::Answer { url: without_secrets(url), why, is_temporary };
    let is_success = (200..300).contains(&answer.status);
    match &answer.body {
        Some(body) if is_success => Ok(body),
        None => Err(wrong("answers with more than is read (max_auth_document)".into(), false)),
        Some(_) => {
            let is_temporary = answer.status >= 500 || answer.status == 429;
            Err(wrong(format!("answers with HTTP status {}", answer.status), is_temporary))
        }
    }
}
