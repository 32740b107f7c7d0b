use std::{fmt, sync::Arc};

use anyport_metrics::{Counter, Metrics};
use anyport_store::Clock;
use anyport_transport::client::http::Endpoint;

use super::{
    error::ExchangeError,
    options::{ExchangeOptions, ExchangeProtocol, SubjectToken},
};
use crate::{
    discover::server_metadata,
    error::Error,
    fetch::Fetcher,
    limits::{Refusals, SignInLimits},
    registration::{ClientOptions, Registration},
    resource_metadata::canonical_resource,
    scope::Scopes,
    token::{Grant, TokenAnswer, TokenRequest},
};

/// Exchanges the tokens of callers for tokens of one server. Clones are the same.
#[derive(Clone)]
pub struct TokenExchange(Arc<Inner>);

struct Inner {
    /// The server, without an authorizer.
    endpoint: Endpoint,
    resource: String,
    options: ExchangeOptions,
    clock: Clock,
    refusals: Refusals,
    exchanged: Counter,
    failed: Counter,
}

impl TokenExchange {
    /// The exchange for the server at `endpoint`. Exchanges are counted in `metrics`.
    ///
    /// # Errors
    /// When the URL of the server is no place for a token: neither `https:` nor on this machine.
    pub fn new(endpoint: &Endpoint, options: ExchangeOptions, metrics: &Metrics) -> Result<Self, Error> {
        let written = endpoint.url();
        let without_fragment = written.split('#').next().unwrap_or(written);
        let server = crate::safe_url::safe_url(without_fragment).map_err(|why| Error::Url {
            what: "the URL of the server",
            url: anyport_transport::client::http::without_secrets(written),
            why,
        })?;
        let counter = |name, help| metrics.counter(name, help);
        Ok(Self(Arc::new(Inner {
            endpoint: endpoint.clone(),
            resource: canonical_resource(&server),
            options,
            clock: Clock::default(),
            refusals: Refusals::new(metrics),
            exchanged: counter("anyport_token_exchanges", "Tokens of callers that were exchanged."),
            failed: counter("anyport_token_exchange_failures", "Tokens of callers that were not exchanged."),
        })))
    }

    /// The issuer whose tokens are exchanged.
    pub fn issuer(&self) -> &str {
        &self.0.options.issuer
    }

    /// The server, without an authorizer.
    pub(super) fn endpoint(&self) -> &Endpoint {
        &self.0.endpoint
    }

    pub(super) fn limits(&self) -> &SignInLimits {
        &self.0.options.limits
    }

    /// Exchanges `subject`.
    pub(super) async fn exchange(&self, subject: &SubjectToken) -> Result<TokenAnswer, ExchangeError> {
        let answer = self.ask(subject).await;
        match &answer {
            Ok(_) => self.0.exchanged.increment(),
            Err(_) => self.0.failed.increment(),
        }
        let failed = |error| ExchangeError::failed(self.issuer(), self.0.options.protocol, error);
        answer.map_err(failed)
    }

    async fn ask(&self, subject: &SubjectToken) -> Result<TokenAnswer, Error> {
        let Inner { endpoint, resource, options, clock, refusals, .. } = &*self.0;
        // Who runs the gateway has named the issuer, so it may be anywhere.
        let fetcher = Fetcher::new(endpoint, false, options.limits).refusals(refusals.clone());
        let (_, server) = server_metadata(&options.issuer, &fetcher).await?;
        let client = ClientOptions { given: Some(options.client.clone()), ..ClientOptions::default() };
        let client = Registration::make(&fetcher, &server, &client, "").await?;
        let scope = options.scopes.as_ref().and_then(Scopes::parameter);
        let (grant, resource) = match options.protocol {
            ExchangeProtocol::TokenExchange => {
                let audience = options.audience.as_deref();
                let grant =
                    Grant::Exchange { subject_token: &subject.token, audience, scope: scope.as_deref() };
                (grant, (!options.omits_resource).then_some(resource.as_str()))
            }
            ExchangeProtocol::OnBehalfOf => {
                (Grant::OnBehalfOf { assertion: &subject.token, scope: scope.as_deref() }, None)
            }
        };
        let client = client.identity();
        TokenRequest { server: &server, client, grant, resource, proof_key: None, clock }.send(&fetcher).await
    }
}

impl fmt::Debug for TokenExchange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenExchange").field("options", &self.0.options).finish_non_exhaustive()
    }
}
