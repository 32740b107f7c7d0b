//! Requests to authorization servers.

use anyport_transport::client::http::{Endpoint, SideAnswer, SideRequest, without_secrets};
use http::{HeaderName, HeaderValue, header};

use crate::{error::Error, limits::SignInLimits, safe_url::safe_url};

/// Sends the requests of one login.
#[derive(Clone, Debug)]
pub struct Fetcher {
    /// The server that the login is for. Its proxies and certificates are used.
    server: Endpoint,
    /// Whether that server is on the public internet: what it names is then never in a private network or on this machine.
    is_public: bool,
    limits: SignInLimits,
}

/// A body of parameters, or of JSON.
pub(crate) enum Body {
    Form(String),
    Json(String),
}

impl Fetcher {
    /// For the server at `server`.
    pub fn new(server: &Endpoint, is_public: bool, limits: SignInLimits) -> Self {
        Self { server: server.clone(), is_public, limits }
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
        let endpoint = self.endpoint(url)?.redirects(self.limits.max_redirects);
        let request = SideRequest::get(self.limits.max_document, self.limits.fetch_timeout);
        let request = headers.into_iter().fold(request, |request, (name, value)| request.header(name, value));
        endpoint.ask(request).await.map_err(|fault| unreachable(url, fault))
    }

    /// Posts what may be secret, and follows no redirect.
    pub(crate) async fn post(
        &self,
        url: &str,
        body: Body,
        authorization: Option<HeaderValue>,
    ) -> Result<SideAnswer, Error> {
        let endpoint = self.endpoint(url)?.redirects(0);
        let (kind, body) = match body {
            Body::Form(form) => ("application/x-www-form-urlencoded", form),
            Body::Json(json) => ("application/json", json),
        };
        let mut request = SideRequest::post(kind, body, self.limits.max_document, self.limits.fetch_timeout);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        endpoint.ask(request).await.map_err(|fault| unreachable(url, fault))
    }

    /// The URL as an endpoint. Names are resolved, looked at and connected to as one by the connector.
    fn endpoint(&self, url: &str) -> Result<Endpoint, Error> {
        let unsafe_url = |why| Error::Url { what: "the URL", url: without_secrets(url), why };
        let url = safe_url(url).map_err(unsafe_url)?;
        let endpoint = self.server.beside(url.as_str()).map_err(|fault| unreachable(url.as_str(), fault))?;
        Ok(if self.is_public { endpoint.public_only() } else { endpoint })
    }
}

fn unreachable(url: &str, fault: anyport_transport::client::http::Fault) -> Error {
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
        None => Err(wrong("answers with more than is read (max_document)".into(), false)),
        Some(_) => {
            let is_temporary = answer.status >= 500 || answer.status == 429;
            Err(wrong(format!("answers with HTTP status {}", answer.status), is_temporary))
        }
    }
}
