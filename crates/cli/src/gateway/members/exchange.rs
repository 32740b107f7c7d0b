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
