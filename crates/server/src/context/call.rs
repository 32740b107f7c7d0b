use std::{
    any::Any,
    borrow::Cow,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, Ordering},
    },
    task::Context as Task,
};

use anyport_protocol::{Method, Raw, jsonrpc};
use anyport_service::{Emitter, Outcome};
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use crate::{
    Events, State,
    ask::{Binding, Dialogue},
    call_env::CallEnv,
    params::{Params, text},
};

/// The context of a call: what its handler knows of the caller, and how it asks and notifies it. Cheap to clone; every
/// clone is the same call.
#[derive(Clone)]
pub struct Context(pub(super) Arc<Call>);

pub(super) struct Call {
    pub(super) service: anyport_service::Context,
    pub(super) env: Arc<CallEnv>,
    /// The server that answers the call. Only the server itself knows its type.
    owner: Owner,
    pub(super) method: Method,
    params: jsonrpc::Params,
    /// Made when there is something to emit: most calls have nothing to say before their answer.
    emitter: OnceLock<Emitter>,
    pub(super) dialogue: Dialogue,
    /// The last progress that was sent. Locked while a notification waits for room, so that they keep their order.
    pub(super) progress: Mutex<Option<f64>>,
    over: AtomicBool,
    /// Cancelled when the call is over; made when something first waits for that.
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
    pub(super) prefix: String,
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

    /// The context of a nested call. Its notifications and requests are those of the outermost call.
    pub(crate) fn nest(
        server: (Arc<CallEnv>, Owner),
        service: anyport_service::Context,
        params: Raw,
        nested: SubcallPosition,
    ) -> Self {
        let nested = Some(Box::new(nested));
        Self::within(server, service, (Method::ToolsCall, params.into()), Dialogue::default(), nested)
    }

    /// The same call inside of `server`, which is mounted in this one. Its notifications are those of this call.
    pub(crate) fn inside(&self, server: (Arc<CallEnv>, Owner)) -> Self {
        let call = (self.0.method, self.0.params.clone());
        let nested = Some(Box::new(SubcallPosition::within(self, "")));
        Self::within(server, self.0.service.clone(), call, Dialogue::default(), nested)
    }

    /// The sender of `list_changed` and `resources/updated` notifications.
    pub fn events(&self) -> &Events {
        &self.0.env.resources.events
    }

    /// The server's value of this type, if [`crate::Builder::state`] was given one.
    pub fn state<T: 'static>(&self) -> Option<State<T>> {
        self.0.env.resources.states.get()
    }

    /// The URI of the resource that is read, as the client wrote it; `None` outside of `resources/read`.
    pub fn uri(&self) -> Option<String> {
        let params = Some(&self.0.params).filter(|_| self.0.method == Method::ResourcesRead)?;
        params.member("uri").and_then(|uri| text(uri.as_str()).map(Cow::into_owned))
    }

    /// Returns whether the call has ended or was cancelled. Handlers are dropped then; this is for code that cannot be
    /// dropped: functions of [`crate::Tool::run_blocking`], and background work.
    pub fn has_ended(&self) -> bool {
        self.is_over()
    }

    pub(super) fn is_over(&self) -> bool {
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
    pub(super) fn root(&self) -> &Call {
        self.0.nested.as_deref().map_or(&self.0, |nested| &nested.root.0)
    }

    /// Where this call stands in another one.
    pub(crate) fn nested(&self) -> Option<&SubcallPosition> {
        self.0.nested.as_deref()
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

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context").field("method", &self.0.method).field("service", &self.0.service).finish()
    }
}
