//! A legacy server, played by the test, behind a park; the caller is a modern client. Time is paused.

use std::sync::Mutex;

use anyport_protocol::{
    Limits as Bounds, Revision,
    failure::{CloseReason, Failure},
    meta::{LogLevel, Meta},
};
use tokio::{
    sync::mpsc,
    task::JoinSet,
    time::{advance, sleep, timeout},
};

use super::*;
use anyport_seal::{Key, Sealer};
use anyport_service::{Answer, Emitter, Notification, Principal, ServerRequest};

mod answers;
mod asking;
mod declared;
mod ends;
mod retries;

const SECOND: Duration = Duration::from_secs(1);
const FORM: &str = r#"{"message":"Who?","requestedSchema":{"type":"object","properties":{"name":{"type":"string"}},"required":["name"]}}"#;
const SAMPLE: &str = r#"{"messages":[],"maxTokens":1}"#;
const ACCEPT: &str = r#"{"action":"accept","content":{"name":"Ada"}}"#;
const DECLINE: &str = r#"{"action":"decline"}"#;
const MESSAGE: &str = r#"{"role":"assistant","content":{"type":"text","text":"x"},"model":"m"}"#;

fn raw(text: &str) -> Raw {
    Raw::parse(text.to_owned().into(), &Bounds::default()).unwrap()
}

/// The server: hands every call to the test.
struct Scripted(mpsc::UnboundedSender<Called>);

/// A call as the server sees it.
struct Called {
    request: Request,
    context: Context,
    emitter: Emitter,
    end: oneshot::Sender<Outcome>,
    /// What the server waits for when its call is cancelled: whether it was answered by then.
    watched: Watched,
}

#[derive(Clone, Default)]
struct Watched(Arc<Mutex<(Waiting, Vec<bool>)>>);

type Waiting = Vec<oneshot::Receiver<Answer>>;

impl Drop for Watching {
    fn drop(&mut self) {
        let mut watched = self.0.0.lock().unwrap();
        let (open, answered) = &mut *watched;
        answered.extend(open.iter_mut().map(|answer| answer.try_recv().is_ok()));
    }
}

struct Watching(Watched);

impl Service for Scripted {
    fn call(&self, request: Request, context: Context) -> Reply {
        let (calls, watched) = (self.0.clone(), Watched::default());
        emit::reply(move |emitter| {
            let (end, ended) = oneshot::channel();
            let open = Watching(watched.clone());
            calls.send(Called { request, context, emitter, end, watched }).ok().unwrap();
            async move {
                let _open = open;
                ended.await.unwrap_or_else(|_| Failure::Disconnected(CloseReason::lost("killed")).into())
            }
        })
    }
}

impl Called {
    fn ask(&self, method: Method, params: &str) -> oneshot::Receiver<Answer> {
        let (question, answer) = ServerRequest::new(method, raw(params));
        self.emitter.push(Event::ServerRequest(question));
        answer
    }

    fn elicit(&self) -> oneshot::Receiver<Answer> {
        self.ask(Method::Elicit, FORM)
    }

    fn say(&self, method: Method, params: &str) {
        self.emitter.push(Event::Notification(Notification { method, params: raw(params) }));
    }

    fn finish(self, result: &str) {
        self.end.send(Outcome::Result(raw(result))).unwrap();
    }

    fn fail(self, error: Error) {
        self.end.send(Outcome::Error(error)).unwrap();
    }
}

struct World {
    park: LegacyServerAdapter<Scripted>,
    calls: mpsc::UnboundedReceiver<Called>,
    metrics: Metrics,
    capabilities: &'static str,
    principal: Principal,
}

/// What a client is asked.
struct Asked {
    state: String,
    requests: Raw,
}

fn world_with(limits: ParkLimits) -> World {
    let (send, calls) = mpsc::unbounded_channel();
    let metrics = Metrics::new();
    let seals = StateSealer::new(Sealer::new(&Key::from_bytes([7; 32])), "node", "up");
    World {
        park: LegacyServerAdapter::new(Scripted(send), seals, limits).metrics(&metrics),
        calls,
        metrics,
        capabilities: r#"{"elicitation":{},"sampling":{}}"#,
        principal: Principal::named("ada"),
    }
}

fn world() -> World {
    world_with(ParkLimits::default())
}

impl World {
    fn context(&self) -> Context {
        Context::new(self.principal.clone(), Revision::V2026_07_28).with_client(raw(self.capabilities), None)
    }

    fn call(&self, method: Method, params: &str) -> Reply {
        read(self.park.call(Request::new(method, raw(params)), self.context()))
    }

    fn tool(&self) -> Reply {
        self.call(Method::ToolsCall, r#"{"name":"t","arguments":{"a":1,"b":2}}"#)
    }

    fn retry(&self, asked: &Asked, answers: &str) -> Reply {
        self.tool_with(r#"{"a":1,"b":2}"#, &asked.state, answers)
    }

    fn tool_with(&self, arguments: &str, state: &str, answers: &str) -> Reply {
        let state = Raw::string(state);
        self.call(
            Method::ToolsCall,
            &format!(
                r#"{{"name":"t","arguments":{arguments},"requestState":{state},"inputResponses":{answers}}}"#
            ),
        )
    }

    async fn called(&mut self) -> Called {
        self.calls.recv().await.unwrap()
    }

    /// A tool call that has asked one question.
    async fn parked(&mut self) -> (Called, oneshot::Receiver<Answer>, Asked) {
        let reply = self.tool();
        let called = self.called().await;
        let answer = called.elicit();
        (called, answer, asked(reply).await)
    }

    /// How many calls the metrics say are parked.
    fn parked_calls(&self) -> i64 {
        self.metrics.gauge("anyport_parked_calls", "").value()
    }

    fn refused(&self, limit: &'static str) -> u64 {
        self.metrics.refusals(limit).value()
    }
}

/// The reply as a transport reads it: at once, whatever the test awaits meanwhile.
fn read(reply: Reply) -> Reply {
    let reply = match reply.into_ready() {
        Ok(outcome) => return Reply::ready(outcome),
        Err(reply) => reply,
    };
    emit::reply(|emitter| {
        let mut reader = JoinSet::new();
        reader.spawn(async move { emitter.relay(reply).await });
        async move { reader.join_next().await.unwrap().unwrap() }
    })
}

async fn asked(reply: Reply) -> Asked {
    match reply.outcome().await {
        Outcome::InputRequired(required) => Asked {
            state: required.member("requestState").unwrap().as_string().unwrap().to_string(),
            requests: required.member("inputRequests").unwrap(),
        },
        outcome => panic!("{outcome:?}"),
    }
}

async fn result(reply: Reply) -> String {
    match reply.outcome().await {
        Outcome::Result(result) => result.to_string(),
        outcome => panic!("{outcome:?}"),
    }
}

async fn error(reply: Reply) -> Error {
    match reply.outcome().await {
        Outcome::Error(error) => error,
        Outcome::Failed(failure) => failure.to_error(),
        outcome => panic!("{outcome:?}"),
    }
}

/// Whether the reply ended in -32602 for this reason, with words that say what to do.
async fn assert_refused(reply: Reply, reason: Reason) {
    let error = error(reply).await;
    assert_eq!((error.code, error.reason), (code::INVALID_PARAMS, Some(reason)), "{error}");
    assert!(error.message.contains("without requestState"), "{error}");
}

async fn told(answer: oneshot::Receiver<Answer>) -> String {
    answer.await.unwrap().unwrap().to_string()
}

fn keys(asked: &Asked) -> Vec<String> {
    asked.requests.members().map(|member| member.key().into_owned()).collect()
}
