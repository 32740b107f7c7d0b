//! One call of a connection, from its request to its outcome.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_protocol::{
    Error, Method, Raw, Revision,
    capability::{ClientProfile, InputCapability},
    failure::Failure,
    json::Splice,
    jsonrpc::RpcResult,
    session::client::{CallEvent, CallFacts, CallId, PreparedRequest, RequestEnvelope},
};
use anyport_service::{Context, Event, Notification, Outcome, Reply, Request};
use futures_core::Stream;

use super::{
    caller::{Caller, caller},
    connection::Transport,
    multiplexer::{Driver, Multiplexer},
};

/// The reply of one call. Dropping it before its outcome cancels the call.
///
/// It holds the request, which never enters the connection's machine, and writes it when it is told to. What the server says
/// is lifted into the newest vocabulary here, on the caller's task and outside of the connection's lock.
pub(crate) struct CallReply<D: Driver> {
    connection: Arc<Multiplexer<D>>,
    call: CallId,
    request: PreparedRequest,
    /// As the caller wrote them: an error is lifted by them.
    params: Raw,
    context: Context,
    stream: Option<D::CallStream>,
    is_over: bool,
}

impl<D: Driver> CallReply<D> {
    /// `sends`: whether the request is to be sent at once.
    fn new(
        connection: Arc<Multiplexer<D>>,
        call: CallId,
        sends: bool,
        request: PreparedRequest,
        params: Raw,
        context: Context,
    ) -> Self {
        let mut reply = Self { connection, call, request, params, context, stream: None, is_over: false };
        if sends {
            reply.send();
        }
        reply
    }

    fn send(&mut self) {
        let connection = &self.connection;
        // The stream of a request that was refused is closed first.
        self.stream = None;
        if let (Some(observer), Some(number)) = (&connection.options.tap, self.context.observed_call()) {
            observer.call(self.call.get(), number);
        }
        self.stream = Some(connection.driver.start(connection, self.call, &self.request, &self.context));
    }

    /// What the caller is told of an event; `None` if that is nothing.
    fn event(&mut self, event: CallEvent) -> Option<Event> {
        let session = self.connection.session()?;
        match event {
            CallEvent::Send => {
                self.send();
                None
            }
            CallEvent::Notification(method, params) => {
                let params = session.notification(method, params)?;
                let params = match method {
                    Method::Progress => self.progress(&params)?,
                    _ => params,
                };
                Some(Event::Notification(Notification { method, params }))
            }
            CallEvent::UnknownNotification(method, params) => Some(Event::Unknown { method, params }),
            CallEvent::Request(id, method, params) => match session.question(method, params) {
                Ok(params) => {
                    if let Some(stream) = &mut self.stream {
                        self.connection.driver.asked(stream);
                    }
                    let request = self.connection.server_request(id, method, params, false);
                    Some(Event::ServerRequest(request))
                }
                Err(error) => {
                    self.connection.act(&[], |connection, _, out| connection.answer(id, Err(error), out));
                    None
                }
            },
            CallEvent::Finished { outcome, undeclared } => {
                self.is_over = true;
                Some(Event::Outcome(self.outcome(outcome, undeclared)))
            }
        }
    }

    /// Progress under the caller's own token: two callers may have chosen the same one.
    fn progress(&self, params: &Raw) -> Option<Raw> {
        let token = self.context.progress_token()?;
        let others = Splice::retain(params, |key| key != "progressToken");
        Some(others.with("progressToken", token).finish())
    }

    /// The outcome in the newest vocabulary.
    fn outcome(&self, outcome: Result<RpcResult, Failure>, undeclared: Option<InputCapability>) -> Outcome {
        let Some(session) = self.connection.session() else {
            return Outcome::Error(Error::internal("the connection is not open yet"));
        };
        let (to, from) = (self.context.revision(), session.revision());
        let knows_codes = !to.has_reserved_error_codes() && !from.has_reserved_error_codes();
        let outcome = match (outcome, undeclared) {
            (Err(failure), _) => Err(failure),
            // Such a caller knows a legacy server's codes.
            (Ok(Err(error)), _) if knows_codes => Ok(Err(error.in_older_words())),
            (Ok(Err(_)), Some(needed)) => Ok(Err(Error::missing_capability(&needed.required()))),
            (Ok(outcome), _) => session.outcome(self.request.known(), &self.params, to, outcome),
        };
        match outcome {
            Ok(Ok(result)) if from.has_result_types() => Outcome::of_result(result),
            Ok(outcome) => Outcome::from(outcome),
            Err(failure) => Outcome::from(failure),
        }
    }
}

impl<D: Driver> Stream for CallReply<D> {
    type Item = Event;

    fn poll_next(mut self: Pin<&mut Self>, task: &mut Task<'_>) -> Poll<Option<Event>> {
        let this = &mut *self;
        if this.is_over {
            return Poll::Ready(None);
        }
        let mut next = this.connection.poll_event(this.call, task);
        loop {
            while let Some(event) = next {
                if let Some(event) = this.event(event) {
                    return Poll::Ready(Some(event));
                }
                next = this.connection.poll_event(this.call, task);
            }
            let Some(stream) = &mut this.stream else { return Poll::Pending };
            match this.connection.driver.poll_call(stream, task) {
                Poll::Ready(input) => next = this.connection.handle_own(this.call, input),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl<D: Driver> Drop for CallReply<D> {
    fn drop(&mut self) {
        if !self.is_over {
            self.stream = None;
            self.connection.abandon(self.call);
        }
    }
}

impl<D: Driver> Transport for Arc<Multiplexer<D>> {
    fn call(&self, request: Request, context: Context) -> Reply {
        let Some(session) = self.session() else {
            return Reply::error(Error::internal("the connection is not open yet"));
        };
        let revision = session.revision();
        let method = request.known();
        if method == Some(Method::Discover) && revision.has_sessions() {
            return Reply::ready(Ok(session.discovered().clone()));
        }
        let envelope = RequestEnvelope {
            progress_token: None,
            // A modern server is told with every request exactly what its caller can do.
            capabilities: context.capabilities().clone(),
            client_info: context.client_info().unwrap_or(&self.options.client_info).clone(),
            log_level: context.log_level(),
        };
        let progress = context.progress_token().is_some();
        let prepared = match session.prepare(request.method.clone(), request.params.raw(), envelope, progress)
        {
            Ok(prepared) => prepared,
            Err(refused) => return Reply::error(session.refused(&request.method, &refused)),
        };
        let facts = facts(&request, &context, revision);
        let (call, sends) = match self.begin(facts) {
            Ok(begun) => begun,
            Err(failure) => return Reply::failed(failure),
        };
        let params = request.params.raw().clone();
        Reply::pending(CallReply::new(self.clone(), call, sends, prepared, params, context))
    }

    fn close(&self) {
        Multiplexer::close(self);
    }
}

/// What the connection has to know of a call.
fn facts(request: &Request, context: &Context, revision: Revision) -> CallFacts<Caller> {
    let method = request.known();
    let subscription = match method {
        Some(Method::Subscribe | Method::Unsubscribe) => {
            request.params.member("uri").and_then(|uri| uri.as_string())
        }
        _ => None,
    };
    CallFacts {
        method,
        unidentifiable: context.is_unidentifiable(),
        caller: caller(context),
        profile: if revision.asks_by_result() { ClientProfile::default() } else { context.profile() },
        log_level: context.log_level(),
        log_level_is_default: context.log_level_is_default(),
        progress: context.progress_token().is_some(),
        subscription,
    }
}
