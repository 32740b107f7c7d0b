use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use anyport_service::sync::Lock;
use anyport_transport::client::http::{AccessRefusal, Authorizer, Endpoint, SignInFailed};
use http::HeaderValue;
use tokio::{sync::Mutex, time::Instant};

use super::{
    error::ExchangeError,
    exchange::TokenExchange,
    options::{SubjectToken, SubjectTokens},
};
use crate::{secret::Secret, token::TokenAnswer};

/// The token of one caller at a server behind a gateway: it is got in exchange for the caller's own token before it is needed, by one
/// exchange at a time, and used until `refresh_before` its end, never longer than the caller's token. Clones are the same.
#[derive(Clone)]
pub struct ExchangedToken(Arc<Inner>);

struct Inner {
    exchange: TokenExchange,
    caller: Box<dyn SubjectTokens>,
    /// Sees each token before it is used.
    observer: Box<dyn Fn(&Secret) + Send + Sync>,
    held: Lock<Option<Held>>,
    /// Held by the one that exchanges; what its last failure was.
    gate: Mutex<Option<Failure>>,
}

/// A token that was got.
#[derive(Clone)]
struct Held {
    header: HeaderValue,
    received: Instant,
    /// When another one is got before the next request.
    due: Option<Instant>,
    /// When it is not used any more: its own end, or that of the caller's token.
    ends: Option<Instant>,
}

/// An exchange that failed.
struct Failure {
    of: SubjectToken,
    error: ExchangeError,
    at: Instant,
}

/// How long the same token is not exchanged again after a failure, nor a new one replaced that the server refuses.
const PAUSE: Duration = Duration::from_secs(5);

impl ExchangedToken {
    /// The token of `caller`. Nothing is exchanged yet. `observe` sees each token before it is used, for example to hide it in logs.
    pub fn new(
        exchange: &TokenExchange,
        caller: impl SubjectTokens,
        observe: impl Fn(&Secret) + Send + Sync + 'static,
    ) -> Self {
        let (exchange, caller, observer) = (exchange.clone(), Box::new(caller), Box::new(observe));
        Self(Arc::new(Inner { exchange, caller, observer, held: Lock::default(), gate: Mutex::new(None) }))
    }

    /// The endpoint of the server with the token.
    pub fn endpoint(&self) -> Endpoint {
        self.0.exchange.endpoint().clone().authorizer(Arc::new(self.clone()))
    }

    /// Whether there is a token that needs not be replaced yet.
    pub fn is_ready(&self) -> bool {
        let now = Instant::now();
        self.held().is_some_and(|held| held.due.is_none_or(|due| now < due))
    }

    /// Sees to it that there is a token.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ready(&self) -> Result<(), ExchangeError> {
        if self.is_ready() {
            return Ok(());
        }
        let mut failure = self.0.gate.lock().await;
        // Another call may have got it while this one waited.
        if self.is_ready() {
            return Ok(());
        }
        match self.exchange(&mut failure).await {
            // It is good for a while yet.
            Err(error) if self.held().is_some() => {
                tracing::warn!(%error, "a token that ends soon was not replaced");
                Ok(())
            }
            exchanged => exchanged,
        }
    }

    async fn exchange(&self, failure: &mut Option<Failure>) -> Result<(), ExchangeError> {
        let subject = self.0.caller.token().map_err(ExchangeError::NoToken)?;
        if let Some(failure) = failure.as_ref().filter(|one| one.of == subject && one.at.elapsed() < PAUSE) {
            return Err(failure.error.clone());
        }
        let answer =
            self.0.exchange.exchange(&subject).await.and_then(|answer| self.usable(answer, &subject));
        *failure = match &answer {
            Ok(_) => None,
            Err(error) => Some(Failure { of: subject.clone(), error: error.clone(), at: Instant::now() }),
        };
        let answer = answer?;
        (self.0.observer)(&answer.access_token);
        let before = self.0.exchange.limits().refresh_before;
        *self.0.held.lock() = Held::new(&answer, &subject, before);
        Ok(())
    }

    /// `answer`, if requests can be sent with it. Without it none is: the server must not take the caller for somebody else.
    ///
    /// 2026-07-28, authorization §Access Token Privilege Restriction: "The MCP server **MUST NOT** pass through the token it received
    /// from the MCP client."
    fn usable(&self, answer: TokenAnswer, subject: &SubjectToken) -> Result<TokenAnswer, ExchangeError> {
        let what = match &answer {
            answer if answer.access_token.expose() == subject.token.expose() => "itself",
            answer if answer.expires_in.is_some_and(|life| life.is_zero()) => "a token that has ended",
            _ => return Ok(answer),
        };
        Err(ExchangeError::Unusable { issuer: self.0.exchange.issuer().to_owned(), what })
    }

    /// The token, unless it has ended.
    fn held(&self) -> Option<Held> {
        let mut held = self.0.held.lock();
        if held.as_ref().is_some_and(|held| held.ends.is_some_and(|ends| ends <= Instant::now())) {
            *held = None;
        }
        held.clone()
    }

    /// Gets another token in place of `sent`, which the server has refused. Returns whether there is one.
    async fn replace(&self, sent: Option<&HeaderValue>) -> Result<bool, ExchangeError> {
        let mut failure = self.0.gate.lock().await;
        match self.held() {
            Some(held) if Some(&held.header) != sent => return Ok(true),
            // The server refuses what has just been got: another one would be no better.
            Some(held) if held.received.elapsed() < PAUSE => return Ok(false),
            _ => {}
        }
        self.exchange(&mut failure).await.map(|()| true)
    }
}

impl Held {
    /// `None` if no header can hold it.
    fn new(answer: &TokenAnswer, subject: &SubjectToken, before: Duration) -> Option<Self> {
        let now = Instant::now();
        let mut header = HeaderValue::try_from(format!("Bearer {}", answer.access_token.expose())).ok()?;
        header.set_sensitive(true);
        let own_end = answer.expires_in.and_then(|life| now.checked_add(life));
        let due =
            answer.expires_in.and_then(|life| now.checked_add(life.saturating_sub(before.min(life / 5))));
        let ends = [own_end, subject.expires].into_iter().flatten().min();
        Some(Self { header, received: now, due, ends })
    }
}

impl Authorizer for ExchangedToken {
    fn authorization(&self) -> Option<HeaderValue> {
        self.held().map(|held| held.header)
    }

    fn prepare(&self) -> Option<Pin<Box<dyn Future<Output = ()> + Send + '_>>> {
        if self.is_ready() {
            return None;
        }
        Some(Box::pin(async {
            if let Err(error) = self.ready().await {
                tracing::debug!(%error, "no token for a request");
            }
        }))
    }

    fn refused(
        &self,
        refusal: AccessRefusal,
    ) -> Pin<Box<dyn Future<Output = Result<bool, SignInFailed>> + Send + '_>> {
        Box::pin(async move {
            if refusal.status != 401 || refusal.attempt > 0 {
                return Ok(false);
            }
            let replaced = self.replace(refusal.sent.as_ref()).await;
            let failed = |error: ExchangeError| SignInFailed {
                why: error.to_string(),
                is_temporary: error.is_temporary(),
            };
            replaced.map_err(failed)
        })
    }
}

/// Without the token.
impl fmt::Debug for ExchangedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExchangedToken").field("exchange", &self.0.exchange).finish_non_exhaustive()
    }
}
