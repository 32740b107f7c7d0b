use std::collections::{BTreeMap, VecDeque};

use super::random::Random;
use crate::{
    Error, Id, Limits, Message, Method, Raw, Revision,
    jsonrpc::{
        Incoming, Request, RpcResult, read, write_error, write_notification, write_request, write_result,
    },
    session::{
        cancelled_params, modern,
        server::{
            CallHandle, CallKind, NotificationStep, RequestStep, SentRequests, ServerSession,
            ServerSessionConfig,
        },
    },
};

/// A server: its session, and calls that do what their scripts say.
pub(super) struct Server {
    pub(super) session: ServerSession<u64, u64>,
    calls: BTreeMap<u64, Call>,
    revision: Revision,
    last: u64,
}

/// A call that the server carries out.
struct Call {
    id: Id,
    handle: CallHandle,
    sent: SentRequests,
    script: VecDeque<Act>,
    nonce: u64,
    progress_token: Option<Raw>,
    /// Requests to the client that are not answered.
    waiting: usize,
    modern: bool,
}

/// One thing that a call does.
#[derive(Clone, Copy, Debug)]
enum Act {
    Progress(i64),
    Log,
    Ask(Method),
    Unknown,
    /// Goes on once everything that was asked is answered.
    Wait,
    Succeed,
    Fail,
    Hang,
}

/// What a step of the server has led to.
pub(super) enum Said {
    /// A message that belongs to a call, by the client's id of it; `None`: to none.
    Message(Option<Id>, Vec<u8>),
    /// A call goes on later.
    Continue(u64),
}

pub(super) fn raw(text: String) -> Raw {
    Raw::parse(text.into(), &Limits::default()).unwrap()
}

/// The number that a call's params name, whatever they are wrapped in.
pub(super) fn nonce(params: &Raw) -> Option<u64> {
    params.member("nonce")?.as_str().parse().ok()
}

impl Server {
    pub(super) fn new(revision: Revision, limit: usize) -> Self {
        let config = ServerSessionConfig {
            supported: [revision].into(),
            max_open_requests: limit,
            mint_elicitation_id: || Ok("e".into()),
        };
        let session = ServerSession::new(&config);
        Self { session, calls: BTreeMap::new(), revision, last: 0 }
    }

    /// Takes a message of the client's.
    pub(super) fn receive(&mut self, text: &[u8], random: &mut Random) -> Vec<Said> {
        let Ok(Incoming::One(message)) = read(bytes::Bytes::copy_from_slice(text), &Limits::default()) else {
            panic!("the client sends what is no message: {}", text.escape_ascii());
        };
        match message {
            Message::Request(request) => self.request(request, random),
            Message::Notification(notification) => match self.session.receive_notification(&notification) {
                NotificationStep::Cancel(key) => self.cancel(key),
                _ => Vec::new(),
            },
            Message::Response(response) => {
                let Some(answered) = self.session.receive_response(response) else { return Vec::new() };
                let (key, _) = answered.into_answer();
                let Some(call) = self.calls.get_mut(&key) else { return Vec::new() };
                call.waiting -= 1;
                vec![Said::Continue(key)]
            }
        }
    }

    fn request(&mut self, request: Request, random: &mut Random) -> Vec<Said> {
        let id = request.id.clone();
        if self.session.is_stateless(&request.meta) {
            let admitted = modern::admit(&request.method, &request.meta, &[self.revision]);
            if let Err(error) = admitted.map(drop).and_then(|()| self.session.admit(&id)) {
                return vec![response(&id, Err(error))];
            }
            return match Method::named(&request.method) {
                Some(Method::Discover) => vec![response(&id, Ok(self.discovered()))],
                _ => self.begin(request, random, true),
            };
        }
        match self.session.receive_request(&request) {
            Err(error) | Ok(RequestStep::Answer(Err(error))) => vec![response(&id, Err(error))],
            Ok(RequestStep::Answer(Ok(result))) => vec![response(&id, Ok(result))],
            Ok(RequestStep::Discover) => {
                let opened = self.session.open(Ok(self.discovered()));
                vec![response(&id, opened)]
            }
            Ok(RequestStep::Call(..)) => self.begin(request, random, false),
            Ok(RequestStep::Listen(_)) => vec![response(&id, Ok(Raw::EMPTY_OBJECT))],
        }
    }

    fn discovered(&self) -> Raw {
        raw(format!(
            r#"{{"resultType":"complete","supportedVersions":["{}"],"capabilities":{{"tools":{{}},"logging":{{}}}},"ttlMs":0,"cacheScope":"private"}}"#,
            self.revision
        ))
    }

    fn begin(&mut self, request: Request, random: &mut Random, modern: bool) -> Vec<Said> {
        let params =
            request.params.as_ref().map(crate::jsonrpc::Params::raw).cloned().unwrap_or(Raw::EMPTY_OBJECT);
        let arguments = params.member("arguments").unwrap_or(Raw::EMPTY_OBJECT);
        self.last += 1;
        let key = self.last;
        let handle = match self.session.begin(request.id.clone(), CallKind::Finite, key) {
            Ok(handle) => handle,
            Err(error) => return vec![response(&request.id, Err(error))],
        };
        let asks = !modern && request.method == "tools/call";
        let call = Call {
            id: request.id,
            handle,
            sent: SentRequests::default(),
            script: script(random, asks, self.revision),
            nonce: nonce(&arguments).unwrap_or_default(),
            progress_token: request.meta.progress_token,
            waiting: 0,
            modern,
        };
        self.calls.insert(key, call);
        vec![Said::Continue(key)]
    }

    /// The client does not want a call any more: nothing more is said about it.
    pub(super) fn cancel(&mut self, key: u64) -> Vec<Said> {
        let Some(mut call) = self.calls.remove(&key) else { return Vec::new() };
        let withdrawn = self.session.withdraw_all(&mut call.sent);
        withdrawn
            .into_iter()
            .map(|(id, _)| notification(Some(&call.id), "notifications/cancelled", &cancelled_params(&id)))
            .collect()
    }

    /// The client has closed the response stream of the call with this id.
    pub(super) fn stream_closed(&mut self, id: &Id) -> Vec<Said> {
        let key = self.calls.iter().find(|(_, call)| call.id == *id).map(|(key, _)| *key);
        let Some(key) = key else { return Vec::new() };
        if let Some(call) = self.calls.get(&key).filter(|call| call.modern) {
            self.session.finish(&call.handle.clone());
            return self.cancel(key);
        }
        Vec::new()
    }

    /// Does what is next in the script of a call.
    pub(super) fn act(&mut self, key: u64) -> Vec<Said> {
        let Some(call) = self.calls.get_mut(&key) else { return Vec::new() };
        let Some(act) = call.script.front().copied() else { return Vec::new() };
        if matches!(act, Act::Wait) && call.waiting > 0 || matches!(act, Act::Hang) {
            return Vec::new();
        }
        call.script.pop_front();
        let (id, nonce) = (call.id.clone(), call.nonce);
        let mut said = match act {
            Act::Progress(value) => call.progress_token.as_ref().map_or(Vec::new(), |token| {
                let params =
                    raw(format!(r#"{{"progressToken":{token},"progress":{value},"nonce":{nonce}}}"#));
                vec![notification(Some(&id), "notifications/progress", &params)]
            }),
            Act::Log => {
                let params = raw(format!(r#"{{"level":"error","data":1,"nonce":{nonce}}}"#));
                vec![notification(Some(&id), "notifications/message", &params)]
            }
            Act::Unknown => {
                vec![notification(Some(&id), "x/unknown", &raw(format!(r#"{{"nonce":{nonce}}}"#)))]
            }
            Act::Ask(method) if self.session.state().is_ready() => self.ask(key, method),
            Act::Ask(_) | Act::Wait | Act::Hang => Vec::new(),
            Act::Succeed | Act::Fail => return self.finish(key, matches!(act, Act::Succeed)),
        };
        said.push(Said::Continue(key));
        said
    }

    fn ask(&mut self, key: u64, method: Method) -> Vec<Said> {
        let Some(call) = self.calls.get_mut(&key) else { return Vec::new() };
        let members = match method {
            Method::Elicit => r#""message":"m","requestedSchema":{"type":"object","properties":{}},"#,
            Method::CreateMessage => r#""messages":[],"maxTokens":1,"#,
            _ => "",
        };
        let params = raw(format!(r#"{{{members}"nonce":{},"_meta":{{"progressToken":"t"}}}}"#, call.nonce));
        let request = self.session.send_request(&mut call.sent, method, params, key).unwrap();
        call.waiting += 1;
        let mut text = Vec::new();
        write_request(&mut text, &request.id, method.as_str(), Some(&request.params));
        vec![Said::Message(Some(call.id.clone()), text)]
    }

    fn finish(&mut self, key: u64, succeeds: bool) -> Vec<Said> {
        let Some(mut call) = self.calls.remove(&key) else { return Vec::new() };
        self.session.finish(&call.handle);
        let ended = self.session.end_call(&mut call.sent, succeeds);
        let mut said: Vec<_> = ended
            .withdrawn
            .into_iter()
            .map(|(id, _)| notification(Some(&call.id), "notifications/cancelled", &cancelled_params(&id)))
            .collect();
        let outcome = match succeeds {
            true => Ok(raw(format!(r#"{{"resultType":"complete","content":[],"nonce":{}}}"#, call.nonce))),
            false => Err(Error::internal(format!("nonce {}", call.nonce))),
        };
        said.push(response(&call.id, outcome));
        said
    }
}

fn response(id: &Id, outcome: RpcResult) -> Said {
    let mut text = Vec::new();
    match outcome {
        Ok(result) => write_result(&mut text, id, &result),
        Err(error) => write_error(&mut text, Some(id), &error, false),
    }
    Said::Message(Some(id.clone()), text)
}

fn notification(call: Option<&Id>, method: &str, params: &Raw) -> Said {
    let mut text = Vec::new();
    write_notification(&mut text, method, Some(params));
    Said::Message(call.cloned(), text)
}

fn script(random: &mut Random, asks: bool, revision: Revision) -> VecDeque<Act> {
    let mut script = VecDeque::new();
    let methods: &[Method] = match revision {
        Revision::V2024_11_05 | Revision::V2025_03_26 => &[Method::ListRoots, Method::CreateMessage],
        _ => &[Method::ListRoots, Method::CreateMessage, Method::Elicit],
    };
    for _ in 0..random.below(4) {
        script.push_back(match random.below(if asks { 7 } else { 4 }) {
            0 | 1 => Act::Progress(i64::try_from(random.below(5)).unwrap() - 1),
            2 => Act::Log,
            3 => Act::Unknown,
            6 => Act::Wait,
            _ => Act::Ask(random.one_of(methods)),
        });
    }
    script.push_back(match random.below(10) {
        0 => Act::Fail,
        1 => Act::Hang,
        2 => Act::Wait,
        _ => Act::Succeed,
    });
    if matches!(script.back(), Some(Act::Wait)) {
        script.push_back(Act::Succeed);
    }
    script
}
