use std::{
    any::Any,
    borrow::Cow,
    future::{Future, pending, poll_fn},
    ops::Deref,
    pin::pin,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Context as Task,
    time::Duration,
};

use anyport_protocol::{Error, Method, Raw, json::string, jsonrpc, meta::LogLevel};
use anyport_service::{Emitter, Event, Notification, Outcome};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    Events, State, ToolResult,
    ask::{AskOutcome, Binding, Dialogue, Once, Question},
    background,
    call_env::CallEnv,
    params::{Params, text},
    write::write_number,
};

/// The context of a call for its handler: the caller, progress, logs, questions. Cheap to clone; every clone is the
/// same call.
///
/// The service's context has the data about the caller, through this one: `context.principal()`, `context.revision()`,
/// `context.profile()`, `context.deadline()` and so on.
#[derive(Clone)]
pub struct Context(Arc<Call>);

struct Call {
    service: anyport_service::Context,
    env: Arc<CallEnv>,
    /// The server that answers the call. Only the server itself knows its type.
    owner: Owner,
    method: Method,
    params: jsonrpc::Params,
    /// Made when there is something to emit: most calls have nothing to say before their answer.
    emitter: OnceLock<Emitter>,
    dialogue: Dialogue,
    /// The last progress that was sent. Locked while a notification waits for its turn, so that the order stays.
    progress: Mutex<Option<f64>>,
    over: AtomicBool,
    /// Cancelled when the call is over; made by the first task that awaits it.
    ended: OnceLock<CancellationToken>,
    /// Where the call stands in another one, if it was made with [`Context::call`].
    nested: Option<Box<SubcallPosition>>,
}

/// The server that answers a call, of whatever type.
pub(crate) type Owner = Arc<dyn Any + Send + Sync>;

/// Where a call stands in the one that made it.
pub(crate) struct SubcallPosition {
    /// The outermost call.
    root: Context,
    /// The prefix of the keys of `ask` and `once` on the wire.
    prefix: String,
    /// 1 for a call that the outermost made.
    pub(crate) depth: usize,
    /// What awaits the call, if not the handler itself.
    pub(crate) awaiter: Awaiter,
}

/// What awaits a nested call. While `once` or background work awaits it, the tool cannot ask the client, on whichever
/// thread it runs.
#[derive(Clone, Copy, Default)]
pub(crate) struct Awaiter {
    /// Work under [`Context::once`].
    pub(crate) once: bool,
    /// Work under [`Context::spawn_background`].
    pub(crate) background: bool,
}

impl SubcallPosition {
    pub(crate) fn within(caller: &Context, name: &str) -> Self {
        let (root, outer, depth) = match caller.nested() {
            None => (caller, "", 0),
            Some(nested) => (&nested.root, nested.prefix.as_str(), nested.depth),
        };
        let awaiter = caller.nested().map(|nested| nested.awaiter).unwrap_or_default();
        let prefix = caller.root().dialogue.prefix(outer, name);
        Self { root: root.clone(), prefix, depth: depth + 1, awaiter }
    }
}

impl Context {
    pub(crate) fn new(
        (env, owner): (Arc<CallEnv>, Owner),
        service: anyport_service::Context,
        (method, params): (Method, jsonrpc::Params),
        dialogue: Dialogue,
    ) -> Self {
        Self::within((env, owner), service, (method, params), dialogue, None)
    }

    fn within(
        (env, owner): (Arc<CallEnv>, Owner),
        service: anyport_service::Context,
        (method, params): (Method, jsonrpc::Params),
        dialogue: Dialogue,
        nested: Option<Box<SubcallPosition>>,
    ) -> Self {
        let (emitter, over, ended) = (OnceLock::new(), AtomicBool::new(false), OnceLock::new());
        let progress = Mutex::const_new(None);
        Self(Arc::new(Call {
            service,
            env,
            owner,
            method,
            params,
            emitter,
            dialogue,
            progress,
            over,
            ended,
            nested,
        }))
    }

    /// The context of a nested call. Its notifications and questions become those of the outermost call.
    pub(crate) fn nest(
        server: (Arc<CallEnv>, Owner),
        service: anyport_service::Context,
        params: Raw,
        nested: SubcallPosition,
    ) -> Self {
        let nested = Some(Box::new(nested));
        Self::within(server, service, (Method::ToolsCall, params.into()), Dialogue::default(), nested)
    }

    /// The same call inside of `server`, which is mounted in this one. Its notifications become those of this call.
    pub(crate) fn inside(&self, server: (Arc<CallEnv>, Owner)) -> Self {
        let call = (self.0.method, self.0.params.clone());
        let nested = Some(Box::new(SubcallPosition::within(self, "")));
        Self::within(server, self.0.service.clone(), call, Dialogue::default(), nested)
    }

    /// Where handlers tell of changes in what the server offers.
    pub fn events(&self) -> &Events {
        &self.0.env.resources.events
    }

    /// The server's value of this type, if [`crate::Builder::state`] was given one.
    pub fn state<T: 'static>(&self) -> Option<State<T>> {
        self.0.env.resources.states.get()
    }

    /// The URI of the resource that is read, as the client wrote it; `None` where no resource is read.
    pub fn uri(&self) -> Option<String> {
        let params = Some(&self.0.params).filter(|_| self.0.method == Method::ResourcesRead)?;
        params.member("uri").and_then(|uri| text(uri.as_str()).map(Cow::into_owned))
    }

    /// Sends progress to the caller, if the caller sent a progress token. A value that does not increase is dropped,
    /// and so is everything after the end of the call.
    ///
    /// 2026-07-28, progress §Progress Flow: "The `progress` value MUST increase with each notification, even if the
    /// total is unknown."
    pub async fn progress<'a>(
        &self,
        progress: f64,
        total: impl Into<Option<f64>>,
        message: impl Into<Option<&'a str>>,
    ) {
        let (total, message) = (total.into(), message.into());
        let Some(token) = self.progress_token().filter(|_| progress.is_finite() && !self.is_over()) else {
            return;
        };
        let mut last = self.root().progress.lock().await;
        if last.is_some_and(|last| progress <= last) {
            return;
        }
        *last = Some(progress);
        let mut params = format!(r#"{{"progressToken":{token},"progress":"#);
        write_number(&mut params, progress);
        if let Some(total) = total.filter(|total| total.is_finite()) {
            params.push_str(r#","total":"#);
            write_number(&mut params, total);
        }
        let mut params = params.into_bytes();
        if let Some(message) = message {
            params.extend_from_slice(br#","message":"#);
            string::write(&mut params, message);
        }
        params.push(b'}');
        self.notify(Method::Progress, Raw::trusted(params)).await;
    }

    /// Sends the caller a log message, if it wants those of this severity. `logger` is a name for where it comes from;
    /// `data` is any JSON, often text. Data that is no JSON is dropped, and said so in our own log.
    ///
    /// 2026-07-28, logging §Per-request log level: "The server MUST NOT emit `notifications/message` for a request
    /// that does not include this field."
    pub async fn log<'a>(&self, level: LogLevel, logger: impl Into<Option<&'a str>>, data: impl Serialize) {
        let logger = logger.into();
        if self.log_level().is_none_or(|least| level < least) || self.is_over() {
            return;
        }
        let data = match Raw::of(&data) {
            Ok(data) => data,
            Err(error) => return tracing::warn!(%error, "the data of a log message is no JSON"),
        };
        let mut params = format!(r#"{{"level":"{}""#, level.as_str()).into_bytes();
        if let Some(logger) = logger {
            params.extend_from_slice(br#","logger":"#);
            string::write(&mut params, logger);
        }
        params.extend_from_slice(br#","data":"#);
        params.extend_from_slice(data.as_str().as_bytes());
        params.push(b'}');
        self.notify(Method::LogMessage, Raw::trusted(params)).await;
    }

    /// Lets the caller go and come back after `retry`: the call goes on meanwhile. Transports without resumable
    /// streams ignore it.
    pub async fn disconnect(&self, retry: Duration) {
        if !self.is_over() {
            self.emitter().emit(Event::Disconnect { retry }).await;
        }
    }

    /// Asks the client, and waits until it has answered.
    ///
    /// The call ends here for now, with all questions that are open at this moment: join several `ask`s to put them at
    /// once. When the answers come, the handler runs again from its top, and this returns the answer. So the same
    /// call must ask the same questions under the same keys, and what has effects belongs into [`Context::once`].
    ///
    /// `key` is sent as it is. If the answer is missing or does not fit, the question is repeated.
    ///
    /// If the client did not declare the capability, the call ends: with -32021 for a caller of 2026-07-28, else with a
    /// result with `isError` (tools) or -32600. See [`Context::can_ask`].
    pub async fn ask<Q: Question>(&self, key: &str, question: Q) -> Q::Answer {
        if self.refuses_background(key) {
            return pending().await;
        }
        let dialogue = &self.root().dialogue;
        let ask = || match dialogue.ask(&self.key(key), &question, self.profile()) {
            AskOutcome::Answer(answer) => Some(answer),
            AskOutcome::Open => None,
            AskOutcome::Lacking(required) => {
                dialogue.fail(self.lacking(&required));
                None
            }
            AskOutcome::Impossible(error) => {
                self.fail(error);
                None
            }
        };
        // On whichever thread it runs, what `once` waits for is a part of it.
        let is_once = self.nested().is_some_and(|nested| nested.awaiter.once);
        let answer = if is_once { Once::polling(ask) } else { ask() };
        drop(question);
        match answer {
            Some(answer) => answer,
            None => pending().await,
        }
    }

    /// Whether the client declared the capability for `question`.
    pub fn can_ask<Q: Question>(&self, question: &Q) -> bool {
        question.params().is_ok_and(|params| self.profile().lacks(question.method(), &params).is_none())
    }

    /// Does `work` once, however many rounds the call takes: later rounds get the result that the first one had. It
    /// travels in the sealed state, so that it must be JSON.
    ///
    /// "Once" is meant along the chain of rounds: a client that begins anew begins anew here too. A state that
    /// remembers such a result can be used with one set of answers only. The handler is not dropped for an open
    /// question while `work` runs, and `work` itself must not ask.
    pub async fn once<T, F>(&self, key: &str, work: F) -> T
    where
        T: Serialize + DeserializeOwned,
        F: Future<Output = T>,
    {
        if self.refuses_background(key) {
            return pending().await;
        }
        let (dialogue, key) = (&self.root().dialogue, self.key(key));
        let done = match dialogue.remembered(&key) {
            Some(remembered) => remembered,
            None => {
                let once = dialogue.begin_once();
                let mut work = pin!(work);
                let value = poll_fn(|task| Once::polling(|| work.as_mut().poll(task))).await;
                once.remember(&key, &value).map(|()| value)
            }
        };
        match done {
            Ok(value) => value,
            Err(error) => {
                self.fail(error);
                pending().await
            }
        }
    }

    /// Ends the call with -32603 for a fault of the handler's own.
    fn fail(&self, error: Error) {
        tracing::error!(method = self.0.method.as_str(), error = &*error.message, "a handler is at fault");
        self.root().dialogue.fail(Outcome::Error(error));
    }

    fn lacking(&self, required: &Raw) -> Outcome {
        let error = Error::missing_capability(required);
        if self.revision().is_modern() {
            return Outcome::Error(error);
        }
        match self.root().method {
            Method::ToolsCall => ToolResult::error(error.message).write(&self.0.env.identity).into(),
            _ => Outcome::Error(Error::invalid_request(error.message)),
        }
    }

    async fn notify(&self, method: Method, params: Raw) {
        self.emitter().emit(Event::Notification(Notification { method, params })).await;
    }

    /// Whether the call has ended or was cancelled. Handlers are simply dropped then; this is for those that cannot be:
    /// functions given to [`crate::Tool::run_blocking`], and background work.
    pub fn has_ended(&self) -> bool {
        self.is_over()
    }

    fn is_over(&self) -> bool {
        self.0.over.load(Ordering::Relaxed) || self.root().over.load(Ordering::Relaxed)
    }

    /// Cancelled when the call is over.
    pub(crate) fn ended(&self) -> &CancellationToken {
        let ended = self.0.ended.get_or_init(CancellationToken::new);
        // A read that also writes, as in `end`: of two such, one comes after the other and sees what was done before it.
        if self.0.over.fetch_or(false, Ordering::AcqRel) {
            ended.cancel();
        }
        ended
    }

    /// The outermost call.
    fn root(&self) -> &Call {
        self.0.nested.as_deref().map_or(&self.0, |nested| &nested.root.0)
    }

    /// Where this call stands in another one.
    pub(crate) fn nested(&self) -> Option<&SubcallPosition> {
        self.0.nested.as_deref()
    }

    /// Whether background work asks or remembers under `key`, which it cannot: this much of it is dropped.
    fn refuses_background(&self, key: &str) -> bool {
        let called = self.nested().is_some_and(|nested| nested.awaiter.background);
        let refused = background::is_polling() || called;
        if refused {
            tracing::error!(key, "background work can neither ask nor use `once`: it is dropped");
            if !background::mark_stuck() {
                // It is a tool that the work called, on a thread of its own.
                self.end();
            }
        }
        refused
    }

    /// The handler's own `key`, as it stands on the wire.
    fn key<'a>(&self, key: &'a str) -> Cow<'a, str> {
        match &self.0.nested {
            None => Cow::Borrowed(key),
            Some(nested) => Cow::Owned(format!("{}{key}", nested.prefix)),
        }
    }

    /// The service's context, which this one leads to.
    pub(crate) fn service(&self) -> &anyport_service::Context {
        &self.0.service
    }

    /// The server's part of the call.
    pub(crate) fn env(&self) -> &Arc<CallEnv> {
        &self.0.env
    }

    /// The server that answers it.
    pub(crate) fn owner(&self) -> &Owner {
        &self.0.owner
    }

    pub(crate) fn emitter(&self) -> Emitter {
        self.root().emitter.get_or_init(Emitter::default).clone()
    }

    pub(crate) fn has_emitted(&self) -> bool {
        self.0.emitter.get().is_some_and(|emitter| !emitter.is_empty())
    }

    pub(crate) fn watch(&self, task: &Task<'_>) {
        self.0.dialogue.watch(task);
    }

    /// 2026-07-28, progress: "Progress notifications MUST stop after completion"; a task that the handler left behind
    /// may still try.
    pub(crate) fn end(&self) {
        self.0.over.swap(true, Ordering::AcqRel);
        if let Some(ended) = self.0.ended.get() {
            ended.cancel();
        }
    }

    /// How the call ends, now that its handler cannot go on.
    pub(crate) fn verdict(&self) -> Option<Outcome> {
        let call = &*self.0;
        if !call.dialogue.is_due() {
            return None;
        }
        // Only methods that may ask have these params; the others are refused by their method.
        let params = if call.method.may_ask() {
            Params::read(call.method, &call.params)
        } else {
            Ok(Params::default())
        };
        let params = match params {
            Ok(params) => params,
            Err(error) => return Some(Outcome::Error(error)),
        };
        let binding = Binding::of(&call.env.scope, call.service.principal(), call.method, &params);
        call.dialogue.verdict(&binding, &call.env.identity)
    }
}

impl Deref for Context {
    type Target = anyport_service::Context;

    fn deref(&self) -> &anyport_service::Context {
        &self.0.service
    }
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("method", &self.0.method).field("service", &self.0.service).finish()
    }
}
