//! The answer to one request of the server's.

use std::{
    sync::Weak,
    task::{Context as Task, Poll},
};

use anyport_protocol::{Error, Method, Raw, session::client::ServerRequestId};
use anyport_service::{Answer, AnswerSink, Responder, ServerRequest};

use super::multiplexer::{Driver, Multiplexer};

/// Takes the answer to one request of the server's, and puts it straight into the connection.
pub(crate) struct PendingAnswer<D: Driver> {
    /// Whoever is asked does not keep the connection open.
    connection: Weak<Multiplexer<D>>,
    request: ServerRequestId,
    method: Method,
    /// Whether it belongs to no call: then one that is dropped is declined.
    is_unsolicited: bool,
}

impl<D: Driver> PendingAnswer<D> {
    pub(super) fn new(
        connection: Weak<Multiplexer<D>>,
        request: ServerRequestId,
        method: Method,
        is_unsolicited: bool,
    ) -> Self {
        Self { connection, request, method, is_unsolicited }
    }
}

impl<D: Driver> AnswerSink for PendingAnswer<D> {
    fn answer(self: Box<Self>, answer: Option<Answer>) {
        let Some(connection) = self.connection.upgrade() else { return };
        let (request, method) = (self.request, self.method);
        match answer {
            None if self.is_unsolicited => {
                connection.act(&[], |connection, now, out| connection.decline(now, request, out));
            }
            None => {
                // A caller that goes away drops the request and its reply, in whatever order. The server is to be told that
                // the call is cancelled, and then that nobody answers.
                let unanswered = async move {
                    tokio::task::yield_now().await;
                    let error = Error::internal(format!("nobody answers {}", method.as_str()));
                    connection.act(&[], |connection, _, out| connection.answer(request, Err(error), out));
                };
                if let Ok(runtime) = tokio::runtime::Handle::try_current() {
                    runtime.spawn(unanswered);
                }
            }
            Some(answer) => {
                let Some(session) = connection.session() else { return };
                let answer = session.answer(method, answer);
                connection.act(&[], |connection, _, out| connection.answer(request, answer, out));
            }
        }
    }

    fn is_withdrawn(&self) -> bool {
        self.connection.upgrade().is_none_or(|connection| !connection.is_awaited(self.request, None))
    }

    fn poll_withdrawn(&mut self, task: &mut Task<'_>) -> Poll<()> {
        let awaited = self
            .connection
            .upgrade()
            .is_some_and(|connection| connection.is_awaited(self.request, Some(task)));
        if awaited { Poll::Pending } else { Poll::Ready(()) }
    }
}

impl<D: Driver> Multiplexer<D> {
    /// A request of the server's whose answer goes straight back into the connection.
    pub(crate) fn server_request(
        &self,
        id: ServerRequestId,
        method: Method,
        params: Raw,
        is_unsolicited: bool,
    ) -> ServerRequest {
        let answer = PendingAnswer::new(self.weak(), id, method, is_unsolicited);
        ServerRequest { method, params, responder: Responder::new(answer) }
    }
}
