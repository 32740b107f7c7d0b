//! The state machine of a server's session, at the mercy of its client.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use anyport_protocol::{
    Id, Method, Raw, Revision,
    json::Limits,
    jsonrpc::{Incoming, Message, Notification, Request, Response, read},
    session::{
        modern,
        server::{
            CallHandle, CallKind, NotificationStep, OutgoingRequest, RequestStep, SentRequests,
            ServerSession, ServerSessionConfig, SubscriptionChange, UnsolicitedStep,
        },
    },
};
use anyport_testing::generators;
use bytes::Bytes;
use proptest::{
    strategy::{BoxedStrategy, Strategy as _, ValueTree as _},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use serde_json::Value;

use super::texts::is_json;

/// The first byte says which revisions the server supports. Each line is a step: a message of the client; where it begins
/// with `?`, one that the generators of the testing kit make by its seed; and where it begins with `!`, what happens on our
/// side. Each call is given up exactly once, and so is each of those who wait for an answer of the client's.
pub(super) fn session(input: &[u8]) {
    let Some((how, steps)) = input.split_first() else { return };
    let mut played = Played::new(*how);
    for step in steps.split(|byte| *byte == b'\n') {
        match step {
            [b'!', acts @ ..] => acts.iter().for_each(|act| played.act(*act)),
            [b'?', bytes @ ..] => played.hear(generated(bytes)),
            text => played.hear(Bytes::copy_from_slice(text)),
        }
        played.check();
    }
    played.close();
    played.check();
}

/// A message of the testing kit's generators, by a seed of the first of `bytes`.
fn generated(bytes: &[u8]) -> Bytes {
    thread_local! {
        static MESSAGES: BoxedStrategy<Value> = generators::message().boxed();
    }
    let mut seed = [0; 32];
    seed.iter_mut().zip(bytes).for_each(|(seed, byte)| *seed = *byte);
    let random = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
    let mut runner = TestRunner::new_with_rng(Config::default(), random);
    let message = MESSAGES.with(|messages| messages.new_tree(&mut runner));
    message.map(|message| message.current().to_string()).unwrap_or_default().into()
}

struct Played {
    session: ServerSession<u64, u64>,
    supported: Vec<Revision>,
    /// The calls in flight, by what cancels them.
    calls: BTreeMap<u64, Call>,
    /// Those who wait for an answer of the client's.
    responders: BTreeSet<u64>,
    /// The ids of the server's requests.
    sent: HashSet<Id>,
    is_closed: bool,
    last: u64,
}

struct Call {
    handle: CallHandle,
    kind: CallKind,
    sent: SentRequests,
    /// Whether it belongs to the session, so that it can ask while it runs.
    is_legacy: bool,
}

impl Played {
    fn new(how: u8) -> Self {
        let supported: Vec<Revision> = match usize::from(how) % (Revision::ALL.len() + 1) {
            0 => Revision::ALL.to_vec(),
            one => vec![Revision::ALL[one - 1]],
        };
        let session = ServerSession::new(&ServerSessionConfig {
            supported: supported.clone().into(),
            max_open_requests: MAX_OPEN_REQUESTS,
            mint_elicitation_id: || Ok("e".into()),
        });
        Self {
            session,
            supported,
            calls: BTreeMap::new(),
            responders: BTreeSet::new(),
            sent: HashSet::new(),
            is_closed: false,
            last: 0,
        }
    }

    fn check(&self) {
        assert_eq!(self.session.in_flight(), self.calls.len());
        assert!(self.calls.len() <= MAX_OPEN_REQUESTS);
        assert!(self.session.open_requests() <= self.responders.len());
    }

    fn hear(&mut self, text: Bytes) {
        let messages = match read(text, &Limits::default()) {
            Ok(Incoming::One(message)) => vec![message],
            Ok(Incoming::Batch(_)) if self.session.admit_batch().is_err() => return,
            Ok(Incoming::Batch(messages)) => messages.into_iter().flatten().collect(),
            Err(_) => return,
        };
        for message in messages {
            match message {
                Message::Request(request) => self.request(&request),
                Message::Notification(notification) => self.notification(&notification),
                Message::Response(response) => self.response(response),
            }
        }
    }

    fn request(&mut self, request: &Request) {
        if self.session.is_stateless(&request.meta) {
            if modern::admit(&request.method, &request.meta, &self.supported).is_ok() {
                self.begin(request, false);
            }
            return;
        }
        match self.session.receive_request(request) {
            Err(_) | Ok(RequestStep::Answer(_)) => {}
            Ok(RequestStep::Discover) => {
                let discovered =
                    if self.last.is_multiple_of(7) { Err(refusal()) } else { Ok(raw(DISCOVERED)) };
                let opened = self.session.open(discovered);
                assert_eq!(opened.is_ok(), self.session.state().is_open());
            }
            Ok(RequestStep::Call(_, params)) => {
                assert!(is_json(params.as_str().as_bytes()), "no JSON any more: {params}");
                self.begin(request, true);
            }
            Ok(RequestStep::Listen(change)) => self.subscribe(&change),
        }
    }

    fn subscribe(&mut self, change: &SubscriptionChange) {
        let wanted = change.apply(self.session.state().subscriptions());
        assert!(change.added().iter().all(|uri| wanted.contains(uri)));
        self.session.subscribe(wanted);
    }

    fn begin(&mut self, request: &Request, is_legacy: bool) {
        let is_listen = Method::named(&request.method) == Some(Method::Listen);
        let kind = if is_listen { CallKind::Subscription } else { CallKind::Finite };
        self.last += 1;
        let Ok(handle) = self.session.begin(request.id.clone(), kind, self.last) else { return };
        assert_eq!(handle.id(), &request.id);
        if !self.is_closed {
            let call = Call { handle, kind, sent: SentRequests::default(), is_legacy };
            self.calls.insert(self.last, call);
        }
    }

    fn notification(&mut self, notification: &Notification) {
        match self.session.receive_notification(notification) {
            NotificationStep::Cancel(key) => self.gave_up(key),
            NotificationStep::Ready { .. } => assert!(self.session.state().is_ready()),
            NotificationStep::Ignore | NotificationStep::Unsolicited => {}
        }
    }

    fn response(&mut self, response: Response) {
        if let Some(answered) = self.session.receive_response(response) {
            let (responder, answer) = answered.into_answer();
            self.answered(responder);
            if let Ok(answer) = answer {
                assert!(is_json(answer.as_str().as_bytes()), "no JSON any more: {answer}");
            }
        }
    }

    fn act(&mut self, act: u8) {
        let oldest = self.calls.keys().next().copied();
        match act {
            b'a' | b'b' | b'c' | b'd' => self.ask(act),
            b'f' | b'e' => {
                if let Some(key) = oldest {
                    self.finish(key, act == b'f');
                }
            }
            b'w' => {
                let call = self.calls.values_mut().next();
                let withdrawn = call.and_then(|call| self.session.withdraw(&mut call.sent, |_| true));
                withdrawn.into_iter().for_each(|(_, responder)| self.answered(responder));
            }
            b'q' => self.queue(),
            b'n' => drop(self.session.queue_notification("notifications/x".into(), Raw::EMPTY_OBJECT)),
            b'm' => {
                let params = raw(r#"{"level":"error","data":1}"#);
                drop(self.session.queue_notification("notifications/message".into(), params));
            }
            b'u' => self.send_unsolicited(),
            b'v' => {
                let withdrawn = self.session.withdraw_unsolicited(|_| true);
                withdrawn.into_iter().for_each(|(_, responder)| self.answered(responder));
            }
            b'l' => {
                for key in self.session.end_subscriptions() {
                    assert_eq!(self.calls.get(&key).map(|call| call.kind), Some(CallKind::Subscription));
                    self.gave_up(key);
                }
            }
            b'o' => {
                let never_sent = self.session.close_outbox();
                never_sent.into_iter().for_each(|responder| self.answered(responder));
            }
            b'x' => self.close(),
            _ => {}
        }
    }

    /// The newest call asks the client.
    fn ask(&mut self, act: u8) {
        let (method, params) = question(act);
        let call = self.calls.values_mut().next_back().filter(|call| call.is_legacy);
        let Some(call) =
            call.filter(|_| self.session.state().is_ready() && self.responders.len() < MAX_ASKED)
        else {
            return;
        };
        self.last += 1;
        let responder = self.last;
        self.responders.insert(responder);
        match self.session.send_request(&mut call.sent, method, params, responder) {
            Ok(request) => self.asked(&request),
            Err(unsendable) => self.answered(unsendable.responder),
        }
    }

    /// Something outside of calls asks the client.
    fn queue(&mut self) {
        if self.responders.len() >= 2 * MAX_ASKED {
            return;
        }
        let (method, params) = question(b'a' + u8::try_from(self.last % 4).unwrap_or_default());
        self.last += 1;
        if self.session.queue_request(method, params, self.last).is_ok() {
            self.responders.insert(self.last);
        }
    }

    fn send_unsolicited(&mut self) {
        let Some(step) = self.session.next_unsolicited() else { return };
        assert!(self.session.state().is_ready(), "the client is not ready for messages");
        match step {
            UnsolicitedStep::Notify(_, params) => {
                assert!(is_json(params.as_str().as_bytes()), "no JSON any more: {params}");
            }
            UnsolicitedStep::Request(request) => self.asked(&request),
            UnsolicitedStep::Refuse(unsendable) => self.answered(unsendable.responder),
        }
    }

    fn asked(&mut self, request: &OutgoingRequest) {
        assert!(self.sent.insert(request.id.clone()), "the id {} is used again", request.id);
        assert!(is_json(request.params.as_str().as_bytes()), "no JSON: {}", request.params);
    }

    fn answered(&mut self, responder: u64) {
        assert!(self.responders.remove(&responder), "{responder} does not wait for an answer");
    }

    fn finish(&mut self, key: u64, succeeds: bool) {
        let Some(mut call) = self.calls.remove(&key) else { return };
        assert_eq!(self.session.finish(&call.handle), Some(key));
        assert_eq!(self.session.finish(&call.handle), None);
        let end = self.session.end_call(&mut call.sent, succeeds);
        assert!(succeeds || end.completed.is_empty());
        end.withdrawn.into_iter().for_each(|(_, responder)| self.answered(responder));
    }

    /// A call was cancelled.
    fn gave_up(&mut self, key: u64) {
        let Some(mut call) = self.calls.remove(&key) else { panic!("the call {key} is over") };
        let withdrawn = self.session.withdraw_all(&mut call.sent);
        withdrawn.into_iter().for_each(|(_, responder)| self.answered(responder));
        assert_eq!(self.session.finish(&call.handle), None);
    }

    fn close(&mut self) {
        let closed = self.session.close();
        closed.responders.into_iter().for_each(|responder| self.answered(responder));
        closed.calls.into_iter().for_each(|key| self.gave_up(key));
        self.is_closed = true;
        assert!(self.calls.is_empty() && self.responders.is_empty(), "given up by nobody");
        assert_eq!((self.session.in_flight(), self.session.open_requests()), (0, 0));
    }
}

/// What a server asks.
fn question(act: u8) -> (Method, Raw) {
    match act {
        b'a' => {
            (Method::Elicit, raw(r#"{"message":"m","requestedSchema":{"type":"object","properties":{}}}"#))
        }
        b'b' => (Method::Elicit, raw(r#"{"mode":"url","message":"m","url":"https://example.org/"}"#)),
        b'c' => {
            (Method::CreateMessage, raw(r#"{"messages":[],"maxTokens":1,"includeContext":"allServers"}"#))
        }
        _ => (Method::ListRoots, Raw::EMPTY_OBJECT),
    }
}

fn raw(text: &'static str) -> Raw {
    Raw::trusted(text.as_bytes().to_vec())
}

fn refusal() -> anyport_protocol::Error {
    anyport_protocol::Error::internal("not now")
}

const DISCOVERED: &str = r#"{"resultType":"complete","supportedVersions":["2026-07-28"],"capabilities":{"tools":{"listChanged":true},"resources":{"subscribe":true},"logging":{}},"ttlMs":0,"cacheScope":"private"}"#;

/// The limit of the client's requests in flight.
const MAX_OPEN_REQUESTS: usize = 5;

/// The number of requests of calls to the client that are open at once.
const MAX_ASKED: usize = 100;
