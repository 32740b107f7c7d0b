//! The response to the request of one call, however often it is cut.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_protocol::{
    Revision,
    failure::{CloseReason, Failure},
    jsonrpc::{Id, Message, Response as RpcResponse, RpcResult},
    session::client::{CallId, Input, Origin, PreparedRequest},
};
use anyport_service::Context;
use bytes::Bytes;
use http::StatusCode;
use hyper::body::Incoming as Body;

use super::{
    headers::RequestHeaders,
    received::{Broken, Messages, Refusal, failure_of},
    resume::{RETRY_MIN, Resumed, pause, resume},
    send::{Sent, deliver, post},
    shared::{Session, Shared},
};

/// The response to the request of one call. The task of the caller polls it, so that what a caller leaves unread stays with
/// the server.
pub(super) struct CallStream {
    call: CallId,
    revision: Revision,
    /// The session in which the request was sent.
    session: Session,
    stage: Stage,
    /// How often in a row the stream could not be resumed.
    failures: u32,
}

enum Stage {
    Sending(Pin<Box<dyn Future<Output = Sent> + Send>>),
    Reading(Messages),
    /// The stream was cut for this reason, and its rest is asked for.
    Resuming(Messages, String, Pin<Box<dyn Future<Output = Resumption> + Send>>),
    /// The response comes on the stream that all calls share.
    Elsewhere,
    Over,
}

/// What asking for the rest of a stream has led to.
enum Resumption {
    Stream(Body),
    /// It may go better next time; else this is why not.
    Again(String),
    /// It is in vain.
    Ended(String),
}

impl CallStream {
    /// Sends the request of a call.
    pub(super) fn start(
        shared: &Arc<Shared>,
        call: CallId,
        request: &PreparedRequest,
        context: &Context,
    ) -> Self {
        let message: Bytes = request.write(call).into();
        let revision = request.revision();
        let mut session = Session::default();
        let sending: Pin<Box<dyn Future<Output = Sent> + Send>> = if revision.has_request_headers() {
            let headers = RequestHeaders::post().of_call(revision, request, context);
            Box::pin(post(shared.clone(), headers, message))
        } else {
            let route = shared.route.lock();
            match &route.post_to {
                Some(_) => Box::pin(deliver(shared.clone(), message)),
                None => {
                    session = route.session.clone();
                    let headers = route.in_session(RequestHeaders::post());
                    Box::pin(post(shared.clone(), headers, message))
                }
            }
        };
        Self { call, revision, session, stage: Stage::Sending(sending), failures: 0 }
    }

    /// The next thing that happens to the call.
    pub(super) fn poll_input(&mut self, shared: &Arc<Shared>, task: &mut Task<'_>) -> Poll<Input> {
        loop {
            match &mut self.stage {
                Stage::Sending(sending) => {
                    let sent = ready!(sending.as_mut().poll(task));
                    if let Some(input) = self.sent(shared, sent) {
                        return Poll::Ready(input);
                    }
                }
                Stage::Reading(messages) => {
                    let read = ready!(messages.poll_next(task));
                    if let Some(input) = self.read(shared, read) {
                        return Poll::Ready(input);
                    }
                }
                Stage::Resuming(_, _, resuming) => {
                    let resumption = ready!(resuming.as_mut().poll(task));
                    if let Some(input) = self.resumed(shared, resumption) {
                        return Poll::Ready(input);
                    }
                }
                Stage::Elsewhere | Stage::Over => return Poll::Pending,
            }
        }
    }

    fn sent(&mut self, shared: &Shared, sent: Sent) -> Option<Input> {
        self.stage = Stage::Over;
        match sent {
            Sent::Response(response) if response.status() == StatusCode::ACCEPTED => {
                let why = "the server accepts the request and announces no answer (HTTP status 202)";
                Some(self.failed(Failure::InvalidPeer(why.into())))
            }
            Sent::Response(response) => match Messages::of(response, &shared.line.reading) {
                Ok(messages) => {
                    self.stage = Stage::Reading(messages);
                    None
                }
                Err(broken) => Some(self.failed(failure_of(broken))),
            },
            Sent::Elsewhere => {
                self.stage = Stage::Elsewhere;
                None
            }
            Sent::Refused(refusal) if self.session.id.is_some() && refusal.is_lost_session() => {
                let Session { generation, .. } = self.session;
                let why = refusal.words().into();
                Some(Input::SessionLost { call: self.call, generation, why })
            }
            // The server has answered so.
            Sent::Refused(refusal) => Some(self.response(Err(refusal.into_error()))),
            Sent::Failed(failure) => Some(self.failed(failure)),
        }
    }

    fn read(&mut self, shared: &Arc<Shared>, read: Result<Message, Broken>) -> Option<Input> {
        let origin = Origin::Call(self.call);
        match read {
            Ok(message) => {
                self.failures = 0;
                Some(Input::received(origin, message))
            }
            Err(Broken::Malformed(message)) => {
                self.failures = 0;
                Some(Input::Malformed { origin, message: *message })
            }
            Err(Broken::Cut(why)) => self.resume(shared, why),
            Err(broken @ Broken::Invalid(_)) => {
                self.stage = Stage::Over;
                Some(self.failed(failure_of(broken)))
            }
        }
    }

    /// Asks for the rest of the stream, if it can be resumed. A stream of 2026-07-28 cannot.
    fn resume(&mut self, shared: &Arc<Shared>, why: String) -> Option<Input> {
        let messages = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Reading(messages) | Stage::Resuming(messages, ..) => messages,
            Stage::Sending(_) | Stage::Elsewhere | Stage::Over => return Some(self.lost(&why)),
        };
        let events = messages.stream().map(|stream| &stream.events);
        let resumable = events.and_then(|events| Some((events.last_id()?.clone(), events.retry())));
        let Some((last_id, retry)) = resumable.filter(|_| !self.revision.cancels_by_closing()) else {
            return Some(self.lost(&why));
        };
        let headers = {
            let route = shared.route.lock();
            RequestHeaders::events(Some(&last_id)).in_session(self.session.id.as_ref(), route.revision)
        };
        let (shared, failures) = (shared.clone(), self.failures);
        let resuming = async move {
            match resume(&shared.line, &headers, pause(retry, RETRY_MIN), failures).await {
                Resumed::Stream(body) => Resumption::Stream(body),
                Resumed::NoStream => {
                    Resumption::Ended("the server did not resume its stream with another one".into())
                }
                Resumed::Refused(response) => {
                    let refusal = Refusal::of(response, &shared.line.reading).await;
                    Resumption::Ended(format!("asked to go on, {}", refusal.words()))
                }
                Resumed::Failed(response) => {
                    let refusal = Refusal::of(response, &shared.line.reading).await;
                    Resumption::Again(format!("asked to go on, {}", refusal.words()))
                }
                Resumed::Unreachable(fault) => Resumption::Again(fault.to_string()),
            }
        };
        self.stage = Stage::Resuming(messages, why, Box::pin(resuming));
        None
    }

    fn resumed(&mut self, shared: &Arc<Shared>, resumption: Resumption) -> Option<Input> {
        let Stage::Resuming(mut messages, why, _) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return None;
        };
        match resumption {
            Resumption::Stream(body) => {
                messages.resume(body);
                self.stage = Stage::Reading(messages);
                None
            }
            Resumption::Again(_) if self.failures < MAX_FAILURES => {
                self.failures += 1;
                self.stage = Stage::Reading(messages);
                self.resume(shared, why)
            }
            Resumption::Again(again) | Resumption::Ended(again) => {
                Some(self.lost(&format!("{why}; {again}")))
            }
        }
    }

    fn response(&self, outcome: RpcResult) -> Input {
        let response = RpcResponse { id: Some(Id::from(self.call)), outcome };
        Input::received(Origin::Call(self.call), Message::Response(response))
    }

    fn failed(&self, failure: Failure) -> Input {
        Input::CallFailed { call: self.call, failure }
    }

    /// The server has the request, and its answer will not be known.
    fn lost(&self, why: &str) -> Input {
        self.failed(Failure::OutcomeUnknown(CloseReason::lost(why)))
    }
}

/// How often in a row a stream is asked for again in vain.
const MAX_FAILURES: u32 = 5;
