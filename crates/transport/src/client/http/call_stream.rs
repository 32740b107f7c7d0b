//! The response to the request of one call, however often it is cut.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context as Task, Poll, ready},
};

use anyport_protocol::{
    Error, Method, Revision,
    failure::{CloseReason, Failure},
    jsonrpc::{ConnectionRefusal, Id, Message, Response as RpcResponse, RpcResult},
    session::client::{CallId, Input, Origin, PreparedRequest},
};
use anyport_service::Context;
use bytes::Bytes;
use http::{Response, StatusCode};
use hyper::body::Incoming as Body;

use super::{
    headers::RequestHeaders,
    pool::Place,
    received::{Broken, Messages, Refusal, failure_of},
    resume::{RETRY_MIN, Resumed, pause, resume, words_of},
    revision_check::{is_doubtful, is_outdated},
    shared::{Session, Shared, Undelivered},
};

/// The response to the request of one call. The task of the caller polls it, so that what a caller leaves unread stays with
/// the server.
pub(super) struct CallStream {
    call: CallId,
    revision: Revision,
    /// The session in which the request was sent.
    session: Session,
    /// Whether the request goes to the one stream of HTTP+SSE, which ends with the server.
    is_shared: bool,
    stage: Stage,
    /// Its place in the pool, until its response has ended.
    place: Place,
    /// How often in a row the stream could not be resumed.
    failures: u32,
}

enum Stage {
    Sending(Sending),
    /// The server has refused the request, and is asked whether it still speaks the revision.
    Checking(Refusal, Pin<Box<dyn Future<Output = bool> + Send>>),
    Reading(Messages),
    /// The stream was cut for this reason, and its rest is asked for.
    Resuming(Messages, String, Pin<Box<dyn Future<Output = Resumed> + Send>>),
    /// The response comes on the stream that all calls share.
    Elsewhere,
    Over,
}

/// The request on its way; yields the response, or `None` if that comes on the stream that all calls share.
type Sending = Pin<Box<dyn Future<Output = Sent> + Send>>;
type Sent = Result<Option<Response<Body>>, Undelivered>;

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
        let (mut session, mut is_shared) = (Session::default(), false);
        let place = shared.line.place(request.known() == Some(Method::Listen));
        let post = |headers: RequestHeaders, message| -> Sending {
            let shared = shared.clone();
            let place = place.clone();
            Box::pin(async move {
                shared.line.post_in(&place, &shared.line.url, &headers, message).await.map(Some)
            })
        };
        let sending = if revision.has_request_headers() {
            let headers = RequestHeaders::post().of_call(revision, request, context);
            post(headers, message)
        } else {
            let route = shared.route.lock();
            match &route.post_to {
                Some(_) => {
                    is_shared = true;
                    let (url, headers) = route.post(&shared.line.url);
                    let (shared, place) = (shared.clone(), place.clone());
                    Box::pin(async move {
                        shared.line.post_in(&place, &url, &headers, message).await.map(|_| None)
                    })
                }
                None => {
                    session = route.session.clone();
                    post(route.in_session(RequestHeaders::post()), message)
                }
            }
        };
        let stage = Stage::Sending(sending);
        Self { call, revision, session, is_shared, stage, place, failures: 0 }
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
                Stage::Checking(_, checking) => {
                    let is_outdated = ready!(checking.as_mut().poll(task));
                    if let Some(input) = self.checked(is_outdated) {
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
                    let resumed = ready!(resuming.as_mut().poll(task));
                    if let Some(input) = self.resumed(shared, resumed) {
                        return Poll::Ready(input);
                    }
                }
                Stage::Elsewhere | Stage::Over => return Poll::Pending,
            }
        }
    }

    /// Gives the place back: the caller may take long to answer the server, or need further calls to the same host for that.
    pub(super) fn asked(&mut self) {
        self.place.becomes_stream();
    }

    fn sent(&mut self, shared: &Arc<Shared>, sent: Sent) -> Option<Input> {
        self.stage = Stage::Over;
        let place = std::mem::take(&mut self.place);
        match sent {
            Ok(Some(response)) if response.status() == StatusCode::ACCEPTED => {
                let why = "the server accepts the request and announces no answer (HTTP status 202)";
                Some(self.failed(Failure::InvalidPeer(why.into())))
            }
            Ok(Some(response)) => match Messages::of(response, &shared.line.reading) {
                Ok(messages) => {
                    self.place = place;
                    self.stage = Stage::Reading(messages);
                    None
                }
                Err(broken) => Some(self.failed(failure_of(broken))),
            },
            Ok(None) => {
                self.stage = Stage::Elsewhere;
                None
            }
            Err(Undelivered::Refused(refusal)) if self.session.id.is_some() && refusal.is_lost_session() => {
                Some(self.session_lost(&refusal))
            }
            Err(Undelivered::Refused(refusal)) if !self.is_shared && is_doubtful(&refusal, self.revision) => {
                let (session, kind) = (self.session.clone(), refusal.kind());
                let check = is_outdated(shared.clone(), session, self.revision, self.call, kind);
                self.stage = Stage::Checking(refusal, Box::pin(check));
                None
            }
            // The server has answered so.
            Err(Undelivered::Refused(refusal)) => Some(self.response(Err(refusal.into_error()))),
            Err(Undelivered::Unreachable(error)) => Some(self.failed(error.into_failure())),
        }
    }

    /// The next thing that happens to a call that was refused, once it is known whether the server still speaks its revision.
    fn checked(&mut self, is_outdated: bool) -> Option<Input> {
        let Stage::Checking(refusal, _) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return None;
        };
        Some(match (is_outdated, self.revision.is_stateless()) {
            (false, _) => self.response(Err(refusal.into_error())),
            (true, false) => self.session_lost(&refusal),
            (true, true) => {
                let refused = Some(ConnectionRefusal::UnsupportedRevision);
                self.response(Err(Error { refusal: refused, ..refusal.into_error() }))
            }
        })
    }

    fn session_lost(&self, refusal: &Refusal) -> Input {
        let Session { generation, .. } = self.session;
        Input::SessionLost { call: self.call, generation, why: refusal.words().into() }
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
            Err(broken @ (Broken::Invalid(_) | Broken::Overloaded(_))) => {
                self.stage = Stage::Over;
                Some(self.failed(failure_of(broken)))
            }
        }
    }

    /// Asks for the rest of the stream, if it can be resumed. A stream of 2026-07-28 cannot.
    fn resume(&mut self, shared: &Arc<Shared>, why: String) -> Option<Input> {
        let messages = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Reading(messages) | Stage::Resuming(messages, ..) => messages,
            Stage::Sending(_) | Stage::Checking(..) | Stage::Elsewhere | Stage::Over => {
                return Some(self.lost(&why));
            }
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
        let resuming = async move { resume(&shared.line, &headers, pause(retry, RETRY_MIN), failures).await };
        self.stage = Stage::Resuming(messages, why, Box::pin(resuming));
        None
    }

    fn resumed(&mut self, shared: &Arc<Shared>, resumed: Resumed) -> Option<Input> {
        let Stage::Resuming(mut messages, why, _) = std::mem::replace(&mut self.stage, Stage::Over) else {
            return None;
        };
        let again = match resumed {
            Resumed::Stream(body) => {
                messages.resume(body);
                self.stage = Stage::Reading(messages);
                return None;
            }
            Resumed::Failed(_) if self.failures < MAX_FAILURES => {
                self.failures += 1;
                self.stage = Stage::Reading(messages);
                return self.resume(shared, why);
            }
            Resumed::NoStream => "the server did not resume its stream with another one".into(),
            Resumed::Refused(refusal) => words_of(&refusal),
            Resumed::Failed(again) => again,
        };
        Some(self.lost(&format!("{why}; {again}")))
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
