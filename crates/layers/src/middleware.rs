use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, Waker},
};

use anyport_protocol::{Method, Raw, Revision, json::Splice};
use bytestring::ByteString;

use anyport_service::{Context, Emitter, Outcome, Principal, Reply, Request, Service};
use tower_layer::Layer;

/// Puts a function around a service: makes a [`Middleware`].
#[derive(Clone)]
pub struct MiddlewareLayer<F>(F);

impl<F> MiddlewareLayer<F> {
    /// Puts `function` around services; see [`Middleware`].
    pub fn new(function: F) -> Self {
        Self(function)
    }
}

impl<S, F: Clone> Layer<S> for MiddlewareLayer<F> {
    type Service = Middleware<S, F>;

    fn layer(&self, inner: S) -> Self::Service {
        Middleware::new(inner, self.0.clone())
    }
}

impl<F> fmt::Debug for MiddlewareLayer<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MiddlewareLayer")
    }
}

/// A layer that is a function: it is given each [`Call`] and what is [`Next`], and returns the outcome.
///
/// It may refuse, change the arguments, change the outcome, measure, or answer by itself. Events on the way (progress,
/// logs, server requests to an inline caller) pass unchanged, and in order. Listen streams pass through it like calls;
/// their outcome comes when they end. A ready reply stays ready as long as the function awaits nothing else.
///
/// An outcome may be [`Outcome::InputRequired`]: the call is not over then, and comes again with answers. Arguments must
/// be changed in the same way in each of these rounds, since the caller's state holds for them only.
///
/// # Example
/// One that audits, one that refuses by who is calling, and one that measures:
///
/// ```
/// use anyport_protocol::{Error, jsonrpc::Reason};
/// use anyport_service::{Outcome, Service};
/// use anyport_layers::{Call, Middleware, Next};
/// use tokio::time::Instant;
///
/// async fn audit(call: Call, next: Next) -> Outcome {
///     let (who, what) = (call.principal().clone(), call.tool());
///     let outcome = next.run(call).await;
///     let how = match &outcome {
///         Outcome::InputRequired(_) => "asked",
///         outcome if outcome.is_error() => "failed",
///         _ => "answered",
///     };
///     println!("{who} {what:?} {how}");
///     outcome
/// }
///
/// async fn known_callers_only(call: Call, next: Next) -> Outcome {
///     if call.principal().is_anonymous() && call.tool().is_some() {
///         return Error::internal("log in to call tools").with_reason(Reason::Forbidden).into();
///     }
///     next.run(call).await
/// }
///
/// async fn time(call: Call, next: Next) -> Outcome {
///     let (method, begun) = (call.request.method.clone(), Instant::now());
///     let outcome = next.run(call).await;
///     println!("{method} took {:?}", begun.elapsed());
///     outcome
/// }
///
/// fn stack(service: impl Service) -> impl Service {
///     Middleware::new(Middleware::new(Middleware::new(service, time), known_callers_only), audit)
/// }
/// ```
pub struct Middleware<S, F> {
    inner: Arc<S>,
    function: F,
}

impl<S, F> Middleware<S, F> {
    /// Puts `function` around `inner`.
    pub fn new(inner: S, function: F) -> Self {
        Self { inner: Arc::new(inner), function }
    }
}

impl<S, F, R> Service for Middleware<S, F>
where
    S: Service,
    F: Fn(Call, Next) -> R + Send + Sync + 'static,
    R: Future<Output = Outcome> + Send + 'static,
{
    fn call(&self, request: Request, context: Context) -> Reply {
        let next = Next::new(self.inner.clone());
        let emitter = next.emitter.clone();
        reply(Box::pin((self.function)(Call { request, context }, next)), emitter)
    }
}

impl<S: fmt::Debug, F> fmt::Debug for Middleware<S, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Middleware").field("inner", &self.inner).finish_non_exhaustive()
    }
}

/// A function that [`Middleware`] can be made of, of any type: for a list of them that is walked at each call. It may take
/// an `X` beside the call.
pub struct Function<X = ()>(Box<Run<X>>);

type Run<X> = dyn Fn(Call, Next, X) -> Running + Send + Sync;
type Running = Pin<Box<dyn Future<Output = Outcome> + Send>>;

impl<X> Function<X> {
    /// This function.
    pub fn new<F, R>(function: F) -> Self
    where
        F: Fn(Call, Next, X) -> R + Send + Sync + 'static,
        R: Future<Output = Outcome> + Send + 'static,
    {
        Self(Box::new(move |call, next, extra| Box::pin(function(call, next, extra))))
    }

    /// Calls it around `inner`.
    pub fn call(&self, inner: Arc<dyn Service>, request: Request, context: Context, extra: X) -> Reply {
        let next = Next::new(inner);
        let emitter = next.emitter.clone();
        reply((self.0)(Call { request, context }, next, extra), emitter)
    }
}

impl<X> fmt::Debug for Function<X> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Function")
    }
}

/// A call on its way in, as a [`Middleware`] sees it: always in the words of the newest revision.
#[derive(Clone, Debug)]
pub struct Call {
    /// The request.
    pub request: Request,
    /// The context, with the caller.
    pub context: Context,
}

impl Call {
    /// The method's name: `tools/call`, `subscriptions/listen`.
    pub fn method(&self) -> &str {
        &self.request.method
    }

    /// The method, when it is one of the protocol's.
    pub fn known(&self) -> Option<Method> {
        self.request.known()
    }

    /// The name of the tool, if the call is `tools/call`.
    pub fn tool(&self) -> Option<ByteString> {
        self.name().filter(|_| self.known() == Some(Method::ToolsCall))
    }

    /// The tool's or prompt's name, the resource's URI.
    pub fn name(&self) -> Option<ByteString> {
        self.request.name()
    }

    /// The caller's principal.
    pub fn principal(&self) -> &Principal {
        self.context.principal()
    }

    /// The revision that the caller's hop speaks.
    pub fn revision(&self) -> Revision {
        self.context.revision()
    }

    /// The arguments of a tool or prompt, as they came; not validated yet.
    pub fn arguments(&self) -> Option<Raw> {
        self.request.params.member("arguments")
    }

    /// The call with other arguments.
    #[must_use]
    pub fn with_arguments(mut self, arguments: &Raw) -> Self {
        let others = Splice::retain(self.request.params.raw(), |key| key != "arguments");
        self.request.params = others.with("arguments", arguments).finish().into();
        self
    }
}

/// The service inside a [`Middleware`].
#[derive(Clone)]
pub struct Next {
    inner: Arc<dyn Service>,
    emitter: Emitter,
}

impl Next {
    fn new(inner: Arc<dyn Service>) -> Self {
        Self { inner, emitter: Emitter::default() }
    }

    /// Goes on with `call`, which may be changed. Dropping the future cancels it. It can be run again, or not at all.
    pub async fn run(&self, call: Call) -> Outcome {
        self.emitter.relay(self.inner.call(call.request, call.context)).await
    }
}

impl fmt::Debug for Next {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Next")
    }
}

fn reply(mut running: Running, emitter: Emitter) -> Reply {
    match running.as_mut().poll(&mut Task::from_waker(Waker::noop())) {
        Poll::Ready(outcome) if emitter.close_unused() => Reply::ready(outcome),
        Poll::Ready(outcome) => emitter.reply(async move { outcome }),
        Poll::Pending => emitter.reply(running),
    }
}
