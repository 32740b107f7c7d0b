//! How the messages of a connection travel over HTTP: the [`Driver`] of its multiplexer.

use std::{
    sync::Arc,
    task::{Context as Task, Poll},
};

use anyport_protocol::{
    Method,
    failure::Failure,
    session::client::{CallId, Input, NegotiatedSession, NegotiationError, Outgoing, PreparedRequest},
};
use anyport_service::Context;
use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    call_stream::CallStream,
    driver::{HttpConnection, HttpDriver},
    opening, shared_stream,
};
use crate::client::multiplexer::{Control, Driver};

impl Driver for HttpDriver {
    type CallStream = CallStream;

    fn refuse(&self, _: &HttpConnection) -> Option<Failure> {
        None
    }

    fn send(&self, connection: &HttpConnection, messages: SmallVec<[Outgoing; 2]>) {
        let mut posts = SmallVec::new();
        for message in messages {
            match &message {
                Outgoing::Request { .. } => {
                    let request = opening::request(connection.weak(), self.shared.clone(), message);
                    self.spawn(request);
                }
                // Sent when its session is opened, before anything else is.
                Outgoing::Notification { method, .. } if *method == Method::Initialized.as_str() => {
                    self.shared.route.lock().initialized = Some(message.write().into());
                }
                // 2026-07-28, streamable-http §Sending Messages: "The client MUST NOT send JSON-RPC responses."
                Outgoing::Response { .. } if self.shared.route.lock().asks_by_result() => {}
                Outgoing::Notification { .. } | Outgoing::Response { .. } => {
                    posts.push(message.write().into())
                }
            }
        }
        if !posts.is_empty() {
            self.post(posts);
        }
    }

    fn start(
        &self,
        _: &HttpConnection,
        call: CallId,
        request: &PreparedRequest,
        context: &Context,
    ) -> CallStream {
        CallStream::start(&self.shared, call, request, context)
    }

    fn poll_call(&self, stream: &mut CallStream, task: &mut Task<'_>) -> Poll<Input> {
        stream.poll_input(&self.shared, task)
    }

    fn asked(&self, stream: &mut CallStream) {
        stream.asked();
    }

    fn control(&self, connection: &HttpConnection, control: Control) {
        match control {
            Control::Negotiated(session) => {
                let revision = session.revision();
                self.shared.line.reading.negotiated(revision);
                let initialized = {
                    let mut route = self.shared.route.lock();
                    route.revision = Some(revision);
                    route.initialized.take()
                };
                match initialized {
                    Some(initialized) => self.confirm(connection, initialized, session),
                    None => self.complete(Ok(session)),
                }
            }
            Control::Refused(error) => self.complete(Err(self.refused(&connection.options, error))),
            // The one stream of HTTP+SSE has ended: there is no channel to open anew.
            Control::Reopen => {
                let error = self.refused(&connection.options, NegotiationError::Ended);
                self.give_up(connection, error);
            }
            Control::OpenSharedStream { generation } => {
                let session = shared_stream::open_session(connection.weak(), self.shared.clone(), generation);
                self.spawn(session);
            }
            Control::Close(reason) => self.close(connection, reason),
        }
    }
}

impl HttpDriver {
    /// Sends `notifications/initialized` over HTTP+SSE; then the connection is open.
    fn confirm(&self, connection: &HttpConnection, initialized: Bytes, session: Arc<NegotiatedSession>) {
        let (shared, connection) = (self.shared.clone(), connection.weak());
        *self.confirming.lock() = Some(session.clone());
        self.spawn(async move {
            let delivered = shared.deliver(initialized).await;
            let Some(connection) = connection.upgrade() else { return };
            match delivered {
                Ok(()) => connection.driver.complete(Ok(session)),
                Err(why) => connection.driver.give_up(&connection, why.into_connect_error()),
            }
        });
    }
}
