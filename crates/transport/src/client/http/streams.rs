//! Streams of the whole connection, and where what comes on them goes: the one of a session, and that of HTTP+SSE.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyport_protocol::{
    Error, Method, Raw,
    jsonrpc::{self, Id, Message},
    session::client::{InFlightCall, Intent, MalformedMessage, RequestRoute, route_request},
};
use anyport_service::Notification;
use http::Response;
use hyper::body::Incoming as Body;

use super::{
    hub::{Hub, Open, Way, ping},
    received::{Broken, EventStream, Messages, RETRY, RETRY_MIN},
    session::Session,
};
use crate::client::{CloseReason, spoken::say};

impl Hub {
    /// Opens the stream on which the server says what belongs to no request, and reads it from now on. A server without
    /// one answers 405.
    pub(super) async fn listen(self: &Arc<Self>) {
        let Way::Session(sessions) = &self.way else { return };
        let session = sessions.now();
        let opened = tokio::time::timeout(
            LISTEN,
            self.line.get(session.headers(self.line.headers(), self.revision()), None),
        )
        .await;
        let first = match opened {
            Ok(Ok(response)) if !is_stream(&response) => return,
            // A server that says nothing at all until there is something to say: the stream is awaited beside the calls.
            Err(_) | Ok(Err(_)) => None,
            Ok(Ok(response)) => Some(response),
        };
        let hub = self.clone();
        self.background(async move {
            let Way::Session(sessions) = &hub.way else { return };
            // The stream is the session's: of one that was forgotten nothing more is heard.
            tokio::select! {
                () = sessions.lost(session.number) => {}
                () = hub.clone().hear(session.clone(), first) => {}
            }
        });
    }

    async fn hear(self: Arc<Self>, session: Arc<Session>, first: Option<Response<Body>>) {
        let Way::Session(sessions) = &self.way else { return };
        let answer_max = self.line.reading.answer_max;
        let mut messages = first.map(|first| {
            Messages::of_stream(EventStream::new(first.into_body(), answer_max), &self.line.reading)
        });
        let mut failures = 0u32;
        loop {
            while let Some(open) = &mut messages {
                match open.next().await {
                    Ok(message) => {
                        failures = 0;
                        self.take(message);
                    }
                    Err(Broken::Malformed(malformed)) => {
                        failures = 0;
                        self.take_malformed(*malformed);
                    }
                    Err(Broken::Cut(_)) => break,
                    Err(Broken::Invalid(error)) => {
                        tracing::warn!(%error, "the server's own stream cannot be read, and is opened anew");
                        messages = None;
                    }
                }
            }
            let stream = messages.as_mut().and_then(Messages::stream);
            let retry = stream.as_ref().and_then(|stream| stream.events.retry()).unwrap_or(RETRY);
            // What keeps failing is asked for ever more seldom.
            let retry = retry.max(if failures > 0 { RETRY } else { RETRY_MIN });
            tokio::time::sleep(retry * 2u32.pow(failures.min(5))).await;
            if sessions.now().number != session.number {
                return;
            }
            let last_id = stream.and_then(|stream| stream.events.last_id().cloned());
            match self.line.get(session.headers(self.line.headers(), self.revision()), last_id.as_ref()).await
            {
                Ok(response) if is_stream(&response) => match messages.as_mut().and_then(Messages::stream) {
                    Some(stream) => stream.resume(response.into_body()),
                    None => {
                        let stream = EventStream::new(response.into_body(), answer_max);
                        messages = Some(Messages::of_stream(stream, &self.line.reading));
                    }
                },
                // The session is over, or there is no such stream. The next call finds out which.
                Ok(response) if response.status().is_client_error() => return,
                Ok(_) | Err(_) => {
                    failures += 1;
                    continue;
                }
            }
        }
    }

    /// Reads the one stream of HTTP+SSE; the connection ends with it.
    pub(super) fn read(self: &Arc<Self>, mut messages: Messages) {
        let hub = self.clone();
        self.background(async move {
            let why = loop {
                match messages.next().await {
                    Ok(message) => hub.take(message),
                    Err(Broken::Malformed(malformed)) => hub.take_malformed(*malformed),
                    Err(Broken::Cut(why)) => break format!("the server's stream is over: {why}"),
                    Err(Broken::Invalid(error)) => break error.message.into_owned(),
                }
            };
            hub.ended.send_if_modified(|end| {
                let first = end.is_none();
                end.get_or_insert_with(|| CloseReason::lost(why.as_str()));
                first
            });
            // Those who wait see that nothing comes any more.
            hub.calls().clear();
            hub.forget_asides();
        });
    }

    /// Takes what came on a stream of the whole connection and is no message. Where it is an answer, its call is over; else
    /// it costs nobody anything.
    fn take_malformed(self: &Arc<Self>, malformed: MalformedMessage) {
        match malformed.intent.clone() {
            Intent::Response(id) => {
                let outcome = Err(malformed.into_error());
                self.take(Message::Response(jsonrpc::Response { id: Some(id), outcome }));
            }
            _ => self.refuse_malformed(malformed),
        }
    }

    /// Answers what was meant to be a request: its server waits for that.
    pub(super) fn refuse_malformed(self: &Arc<Self>, malformed: MalformedMessage) {
        if let Intent::Request(id) = malformed.intent {
            self.answer(&id, &Err(malformed.error));
        }
    }

    /// Takes a message that came on a stream of the whole connection.
    pub(super) fn take(self: &Arc<Self>, message: Message) {
        match message {
            Message::Response(response) => {
                let id = response.id.as_ref().and_then(|id| id.to_string().parse::<u64>().ok());
                let calls = self.calls();
                match id.and_then(|id| calls.get(&id)) {
                    Some(open) => open.inbox.answer(Message::Response(response)),
                    None => tracing::debug!("the server answers what was not asked, or is over"),
                }
            }
            Message::Request(request) => {
                let Some(question) = Method::named(&request.method).filter(|method| *method != Method::Ping)
                else {
                    return self.answer(&request.id, &ping(&request.method));
                };
                let nobody = {
                    let (calls, most) = (self.calls(), self.opening.call_queue);
                    match self.route_request(&calls) {
                        Ok(open) => match open.inbox.put(Message::Request(request.clone()), most) {
                            true => return,
                            false => {
                                Err(Error::internal("too many messages wait for the caller (call_queue)"))
                            }
                        },
                        Err(nobody) => Ok(nobody),
                    }
                };
                match nobody {
                    Ok(nobody) => self.ask_aside(request, question, nobody),
                    Err(error) => self.answer(&request.id, &Err(error)),
                }
            }
            Message::Notification(notification) => self.told(notification),
        }
    }

    fn told(&self, notification: jsonrpc::Notification) {
        let Some(method) = Method::named(&notification.method) else { return };
        let params = notification.params.clone().unwrap_or(Raw::EMPTY_OBJECT);
        let (calls, most) = (self.calls(), self.opening.call_queue);
        match method {
            // Our tokens are the ids of our requests.
            Method::Progress => {
                let token =
                    params.member("progressToken").and_then(|token| token.as_str().parse::<u64>().ok());
                if let Some(open) = token.and_then(|token| calls.get(&token)) {
                    open.inbox.put(Message::Notification(notification), most);
                }
                return;
            }
            // It may be about a question of any of them; who has not asked it takes no notice.
            Method::Cancelled => {
                for open in calls.values() {
                    open.inbox.put(Message::Notification(notification.clone()), most);
                }
                drop(calls);
                if let Some(id) = params.member("requestId").and_then(Id::of) {
                    self.withdraw_aside(&id);
                }
                return;
            }
            Method::LogMessage if calls.len() == 1 => {
                if let Some(open) = calls.values().next() {
                    open.inbox.put(Message::Notification(notification), most);
                }
                return;
            }
            _ => {}
        }
        drop(calls);
        if let Some(params) = self.agreement.notification(method, params) {
            say(&self.spoken, Notification { method, params });
        }
    }

    fn route_request<'a>(&self, calls: &'a BTreeMap<u64, Open>) -> Result<&'a Open, RequestRoute> {
        let callers = calls.values().filter_map(|open| Some((open, open.caller.as_ref()?)));
        let (all, open): (Vec<_>, Vec<_>) = callers
            .map(|(open, caller)| {
                (
                    open,
                    InFlightCall {
                        caller,
                        unidentifiable: open.unidentifiable,
                        method: open.method,
                        requests: open.questions,
                    },
                )
            })
            .unzip();
        match route_request(&open) {
            RequestRoute::Call(place) => {
                self.asides.unnamed();
                all.get(place).copied().ok_or(RequestRoute::NoCall)
            }
            nobody => Err(nobody),
        }
    }
}

fn is_stream(response: &Response<Body>) -> bool {
    response.status().is_success() && super::received::is_type(response.headers(), "text/event-stream")
}

/// How long the first call waits for the server's own stream to be open.
const LISTEN: Duration = Duration::from_secs(2);
