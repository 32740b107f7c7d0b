//! The routes of an authorization server beside an MCP endpoint.

use std::{future::Future, pin::Pin, sync::Arc};

use anyport_transport::http::{ConnectInfo, Route};
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use super::{
    authorize,
    client::registration::RegistrationError,
    consent, login,
    metadata::{AUTHORIZE, REGISTER, REVOKE, TOKEN, WELL_KNOWN, metadata},
    page::refused_browser,
    response::{error_response, json_response},
    server::{AuthorizationServer, Inner},
    sign_out, token_endpoint,
};

type Answer<'a> = Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>;

impl AuthorizationServer {
    /// The routes, which need no token. Those that read no cookie may be called by the pages of every origin: some clients are
    /// pages.
    pub fn routes(&self) -> Vec<Route> {
        let login = self.0.users.route();
        // A proxy may leave the path of the public URL out, or not.
        let inserted = format!("{WELL_KNOWN}{}", self.0.settings.public_url.path());
        let mut routes = vec![
            self.route(Method::GET, WELL_KNOWN, |server, _| Box::pin(document(server))).any_origin(),
            self.route(Method::POST, TOKEN, |server, request| {
                Box::pin(token_endpoint::token(server, request))
            })
            .any_origin(),
            self.route(Method::POST, REVOKE, |server, request| {
                Box::pin(token_endpoint::revoke(server, request))
            })
            .any_origin(),
            self.page(Method::GET, AUTHORIZE, |server, request| {
                Box::pin(authorize::authorize(server, request))
            }),
            self.page(Method::POST, consent::CONSENT, |server, request| {
                Box::pin(consent::decide(server, request))
            }),
            self.page(Method::GET, sign_out::SIGN_OUT, |server, request| {
                Box::pin(sign_out::page(server, request))
            }),
            self.page(Method::POST, sign_out::SIGN_OUT, |server, request| {
                Box::pin(sign_out::sign_out(server, request))
            }),
            self.page(login.method, login.path, |server, request| Box::pin(login::resume(server, request))),
        ];
        if inserted != WELL_KNOWN {
            routes.push(
                self.route(Method::GET, &inserted, |server, _| Box::pin(document(server))).any_origin(),
            );
        }
        if self.0.settings.registers {
            let route =
                self.route(Method::POST, REGISTER, |server, request| Box::pin(register(server, request)));
            routes.push(route.any_origin());
        }
        routes
    }

    /// A route for clients, whose errors are those of OAuth.
    fn route(
        &self,
        method: Method,
        path: &str,
        answer: impl for<'a> Fn(&'a Inner, &'a Request<Bytes>) -> Answer<'a> + Send + Sync + 'static,
    ) -> Route {
        let (server, answer) = (self.0.clone(), Arc::new(answer));
        let route = Route::new(method, path, move |request| {
            let (server, answer) = (server.clone(), answer.clone());
            async move { answer(&server, &request).await }
        });
        route.open().refusals(refused_client)
    }

    /// A route for browsers, whose errors are pages.
    fn page(
        &self,
        method: Method,
        path: &str,
        answer: impl for<'a> Fn(&'a Inner, &'a Request<Bytes>) -> Answer<'a> + Send + Sync + 'static,
    ) -> Route {
        self.route(method, path, answer).refusals(refused_browser)
    }
}

/// RFC 6749 §5.2: `invalid_request`: "The request is missing a required parameter, [...] or is otherwise malformed."
fn refused_client(status: StatusCode, words: &str) -> Response<Bytes> {
    error_response(status, "invalid_request", words)
}

async fn document(server: &Inner) -> Response<Bytes> {
    let mut response = json_response(StatusCode::OK, &metadata(server));
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("max-age=300"));
    response.headers_mut().remove(header::PRAGMA);
    response
}

/// Answers a client that registers itself (RFC 7591 §3.2).
async fn register(server: &Inner, request: &Request<Bytes>) -> Response<Bytes> {
    let address = request.extensions().get::<ConnectInfo>().and_then(|info| info.client());
    let content_type = request.headers().get(header::CONTENT_TYPE);
    let error = match server.registrations.register(content_type, request.body(), address).await {
        Ok(answer) => return json_response(StatusCode::CREATED, &answer),
        Err(error) => error,
    };
    let words = error.to_string();
    match error {
        RegistrationError::RedirectUri(_) => {
            error_response(StatusCode::BAD_REQUEST, "invalid_redirect_uri", &words)
        }
        RegistrationError::Metadata(_) => error_response(StatusCode::BAD_REQUEST, INVALID_METADATA, &words),
        RegistrationError::ContentType => {
            error_response(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_METADATA, &words)
        }
        RegistrationError::TooLarge(_) => {
            error_response(StatusCode::PAYLOAD_TOO_LARGE, INVALID_METADATA, &words)
        }
        RegistrationError::TooMany { retry_after } => {
            let response = error_response(StatusCode::TOO_MANY_REQUESTS, "temporarily_unavailable", &words);
            with_retry(response, retry_after.as_secs().max(1))
        }
        RegistrationError::Full => {
            let response = error_response(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", &words);
            with_retry(response, FULL_RETRY)
        }
        RegistrationError::Failed(error) => {
            tracing::warn!(%error, "a client cannot be registered");
            let words = "the server cannot answer now";
            let response = error_response(StatusCode::SERVICE_UNAVAILABLE, "temporarily_unavailable", words);
            with_retry(response, TROUBLE_RETRY)
        }
    }
}

/// RFC 7591 §3.2.2: "The value of one of the client metadata fields is invalid and the server has rejected this request."
const INVALID_METADATA: &str = "invalid_client_metadata";
/// The seconds after which there may be room for a client again.
const FULL_RETRY: u64 = 3600;
/// The seconds after which our own trouble may be over.
const TROUBLE_RETRY: u64 = 5;

fn with_retry(mut response: Response<Bytes>, seconds: u64) -> Response<Bytes> {
    response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    response
}
