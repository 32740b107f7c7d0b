//! Servers that are called with tokens which were got in exchange for those of the callers.

use std::sync::Arc;

use anyport_auth::{ExchangeError, ExchangedToken, Secret, SubjectToken, SubjectTokens, TokenExchange};
use anyport_protocol::{Error, Raw, json::Splice, jsonrpc::Reason};
use anyport_service::{Context, Outcome, Reply, Request, ScopedPrincipal, Service, emit};
use anyport_transport::http::CallerTokens;

use crate::target::HiddenWhileUsed;

/// How the tokens of callers are exchanged for those of one server.
#[derive(Clone)]
pub(super) struct CallerExchange {
    name: Arc<str>,
    exchange: TokenExchange,
    tokens: CallerTokens,
    /// Whether the gateway gives tokens of its own to users of that issuer, too.
    gives_tokens: bool,
}

impl CallerExchange {
    pub(super) fn new(name: &str, exchange: TokenExchange, tokens: CallerTokens, gives_tokens: bool) -> Self {
        Self { name: name.into(), exchange, tokens, gives_tokens }
    }

    /// The issuer at which they are exchanged.
    pub(super) fn issuer(&self) -> &str {
        self.exchange.issuer()
    }

    /// The token of one caller.
    pub(super) fn of(&self, caller: ScopedPrincipal) -> ExchangedToken {
        let tokens = OfCaller { exchange: self.clone(), caller };
        let hidden = HiddenWhileUsed::default();
        ExchangedToken::new(&self.exchange, tokens, move |token: &Secret| hidden.hide([token.expose()]))
    }
}

/// The token of one caller, as its last request has brought it.
struct OfCaller {
    exchange: CallerExchange,
    caller: ScopedPrincipal,
}

impl SubjectTokens for OfCaller {
    /// A token goes to its own issuer alone.
    fn token(&self) -> Result<SubjectToken, String> {
        let CallerExchange { name, tokens, gives_tokens, .. } = &self.exchange;
        let issuer = self.exchange.issuer();
        match tokens.of(&self.caller) {
            Some(token) if token.issuer() == issuer => {
                Ok(SubjectToken { token: Secret::new(token.expose()), expires: token.expires() })
            }
            Some(token) => Err(format!(
                "{name} takes only callers with a token of {issuer}, and this caller has one of {}",
                token.issuer()
            )),
            // A principal does not say by which token it has come.
            None if self.caller.principal().issuer() == Some(issuer) && *gives_tokens => Err(format!(
                "the caller's token cannot be exchanged for one of {name}: it is one of this gateway, which gives them to clients that sign \
                 in here, in place of one of {issuer}; or it has ended: sign in at {issuer}, and send the request again with a token \
                 of that issuer"
            )),
            None if self.caller.principal().issuer() == Some(issuer) => Err(format!(
                "the caller's token has ended, or is not known here any more, so it cannot be exchanged for one of {name}: send \
                 the request again, with a new token"
            )),
            None => Err(format!(
                "{name} takes only callers with a token of {issuer}, which is exchanged for one of the server; this caller has \
                 none: sign in there, over HTTP, in place of an API key, a shared secret or a local connection"
            )),
        }
    }
}

/// A server as one caller reaches it: with the token that was got for it.
pub(super) struct Exchanging {
    name: Arc<str>,
    token: ExchangedToken,
    service: Arc<dyn Service>,
}

impl Exchanging {
    pub(super) fn new(name: &str, token: ExchangedToken, service: Arc<dyn Service>) -> Self {
        Self { name: name.into(), token, service }
    }
}

impl Service for Exchanging {
    fn call(&self, request: Request, context: Context) -> Reply {
        if self.token.is_ready() {
            return self.service.call(request, context);
        }
        let (name, token, service) = (self.name.clone(), self.token.clone(), self.service.clone());
        emit::reply(|emitter| async move {
            match token.ready().await {
                Ok(()) => emitter.relay(service.call(request, context)).await,
                Err(error) => Outcome::Error(refusal(&name, &error)),
            }
        })
    }
}

/// The error of a call for which there is no token.
fn refusal(name: &str, error: &ExchangeError) -> Error {
    let reason = if error.is_temporary() { Reason::UpstreamDown } else { Reason::Forbidden };
    let data = Splice::new().with("upstream", &Raw::string(name)).finish();
    Error::internal(error.to_string()).with_data(data).with_reason(reason)
}

#[cfg(test)]
mod tests {
    use anyport_auth::{ExchangeOptions, ExchangeProtocol, GivenClient, SignInLimits};
    use anyport_metrics::Metrics;
    use anyport_service::{Authorization, Principal};
    use anyport_transport::client::http::Endpoint;

    use super::*;

    const ISSUER: &str = "https://login.example";

    #[test]
    fn a_caller_with_a_token_of_the_gateway_is_not_told_to_send_it_again() {
        let metrics = Metrics::new();
        let options = ExchangeOptions {
            issuer: ISSUER.to_owned(),
            client: GivenClient { id: "gateway".to_owned(), secret: Some(Secret::new("s")), key: None },
            protocol: ExchangeProtocol::TokenExchange,
            audience: None,
            scopes: None,
            omits_resource: false,
            limits: SignInLimits::default(),
        };
        let server = Endpoint::new("https://far.example/mcp").unwrap();
        let exchange = TokenExchange::new(&server, options, &metrics).unwrap();
        let said = |gives_tokens, issuer: &str| {
            let tokens = CallerTokens::new(1, &metrics);
            let exchange = CallerExchange::new("far", exchange.clone(), tokens, gives_tokens);
            let caller = Authorization::unlimited(Principal::subject_of(issuer, "ada")).scoped_principal();
            OfCaller { exchange, caller }.token().err().unwrap()
        };
        assert!(said(false, ISSUER).contains("send the request again, with a new token"));
        let of_gateway = said(true, ISSUER);
        assert!(
            of_gateway.contains("it is one of this gateway") && of_gateway.contains(ISSUER),
            "{of_gateway}"
        );
        assert!(said(true, "https://other.example").contains("takes only callers with a token of"));
    }
}
