//! A server as its methods know it: what it offers and how it is mounted.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

use anyport_protocol::{Error, Method, Raw, jsonrpc::Params, types::JsonObject};
use anyport_service::{Reply, Request, sync::Lock};
use arc_swap::ArcSwap;

use crate::{
    BuildError, Context, StartError,
    ask::StateScope,
    call_env::CallEnv,
    context::Owner,
    events::{Events, ListenLimits},
    lifecycle::Lifecycle,
    registry::{Change, ChangedKinds, Item, MountedCatalog, Offers, OwnItems, Registry, apply, merge},
    rename::renamed,
    visibility::VisibilityRule,
};

/// A server as it is called: by itself, or mounted in another.
pub(crate) struct Served {
    pub(crate) core: Arc<Core>,
    /// The environment of its calls, here.
    pub(crate) env: Arc<CallEnv>,
}

/// A server, however it is called.
pub(crate) struct Core {
    pub(crate) about: About,
    /// The catalog. A call holds the snapshot that it loads until it has reached its handler.
    pub(crate) registry: ArcSwap<Registry>,
    /// Held while a new registry is made.
    pub(crate) writer: Lock<()>,
    pub(crate) mounts: Vec<Mounted>,
    /// The servers in which this one is mounted.
    pub(crate) hosts: Lock<Vec<Weak<Self>>>,
    pub(crate) discovery: Raw,
    pub(crate) offers: Offers,
    pub(crate) limits: ListenLimits,
    pub(crate) lifecycle: Lifecycle<Arc<Self>>,
    /// The environment of its calls outside of mounts.
    pub(crate) env: Arc<CallEnv>,
}

/// The server's name, version and instructions.
pub(crate) struct About {
    pub(crate) name: String,
    pub(crate) title: Option<String>,
    pub(crate) instructions: Option<String>,
    pub(crate) extensions: JsonObject,
    pub(crate) page_size: usize,
    /// For how long clients may keep each list.
    pub(crate) ttls: Ttls,
}

/// For how long clients may keep each list.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ttls {
    pub(crate) tools: Duration,
    pub(crate) resources: Duration,
    /// The list of resources, once templates list some: only their functions know when it changes.
    pub(crate) listed: Duration,
    pub(crate) templates: Duration,
    pub(crate) prompts: Duration,
}

/// A server that is mounted here.
pub(crate) struct Mounted {
    /// The prefix of its names here, separator included; empty without a prefix.
    pub(crate) prefix: String,
    pub(crate) server: Arc<dyn MountedServer>,
    pub(crate) resources: bool,
    pub(crate) instructions: bool,
    pub(crate) visible: Option<VisibilityRule>,
}

/// The interface of a server to the servers in which it is mounted.
pub(crate) trait MountedServer: Send + Sync {
    fn core(&self) -> &Arc<Core>;

    /// Answers a call as `view`, with all that the server puts around its calls.
    fn answer(&self, view: Arc<Served>, request: Request, context: anyport_service::Context) -> Reply;

    /// Starts it on behalf of the server in which it is mounted.
    fn begin(&self) -> Boxed<Result<(), StartError>>;

    /// Stops it, if it runs and nothing else needs it.
    fn leave(&self) -> Boxed<()>;
}

/// A future without a type of its own: servers start and stop what is mounted in them.
pub(crate) type Boxed<T> = Pin<Box<dyn Future<Output = T> + Send>>;

impl Mounted {
    pub(crate) fn core(&self) -> &Arc<Core> {
        self.server.core()
    }

    /// Returns its current snapshot.
    fn catalog(&self) -> MountedCatalog<'_> {
        let core = self.core();
        MountedCatalog {
            server: &core.about.name,
            prefix: &self.prefix,
            resources: self.resources,
            visible: self.visible.as_ref(),
            registry: core.registry.load_full(),
        }
    }
}

/// Returns the current snapshots of the servers in `mounts`.
pub(crate) fn catalogs(mounts: &[Mounted]) -> Vec<MountedCatalog<'_>> {
    mounts.iter().map(Mounted::catalog).collect()
}

impl Served {
    /// The server by itself.
    pub(crate) fn plain(core: Arc<Core>) -> Self {
        Self { env: core.env.clone(), core }
    }

    /// The server that answers the call of `context`.
    pub(crate) fn of(context: &Context) -> Arc<Self> {
        match context.owner().clone().downcast() {
            Ok(served) => served,
            Err(_) => unreachable!("every context is made with the `handle` of a server"),
        }
    }

    /// The server's part of a call's context.
    pub(crate) fn handle(self: &Arc<Self>) -> (Arc<CallEnv>, Owner) {
        (self.env.clone(), self.clone())
    }

    /// The server that is mounted at `place`, as it answers here.
    pub(crate) fn view(&self, place: usize) -> Option<Arc<Self>> {
        let mounted = self.core.mounts.get(place)?;
        let (core, own) = (mounted.core().clone(), &mounted.core().env);
        let scope = StateScope {
            server: own.scope.server.clone(),
            store: own.scope.store.clone(),
            mount: self.env.scope.mount.inner(&mounted.prefix, mounted.visible.is_some()),
            host: Some(self.env.scope.clone()),
        };
        let env = CallEnv {
            identity: self.env.identity.clone(),
            scope: Arc::new(scope),
            resources: own.resources.clone(),
        };
        Some(Arc::new(Self { core, env: Arc::new(env) }))
    }

    /// Has the server that is mounted at `place` answer.
    ///
    /// It is called as any service is: what it puts around its calls stands around these too.
    pub(crate) fn pass(
        &self,
        place: usize,
        method: Method,
        params: impl Into<Params>,
        context: anyport_service::Context,
    ) -> Reply {
        match self.core.mounts.get(place).zip(self.view(place)) {
            Some((mounted, view)) => mounted.server.answer(view, Request::new(method, params), context),
            // A registry and its mounts are made together.
            None => Reply::error(Error::internal("there is no such mount")),
        }
    }

    /// The same for what is called by a name, which is another one there.
    pub(crate) fn pass_named<E>(
        &self,
        (place, item): (usize, &Item<E>),
        method: Method,
        params: &Raw,
        context: anyport_service::Context,
    ) -> Reply {
        self.pass(place, method, renamed(params, &item.key), context)
    }
}

impl Core {
    /// Where to tell of changes in what the server offers.
    pub(crate) fn events(&self) -> &Events {
        &self.env.resources.events
    }

    /// The servers in which this one is mounted.
    pub(crate) fn hosts(&self) -> Vec<Arc<Self>> {
        let mut hosts = self.hosts.lock();
        hosts.retain(|host| host.strong_count() > 0);
        hosts.iter().filter_map(Weak::upgrade).collect()
    }

    /// Has the mounted servers tell this one of their changes.
    pub(crate) fn join(self: &Arc<Self>) {
        if self.mounts.is_empty() {
            return;
        }
        for mounted in &self.mounts {
            let core = mounted.core();
            core.hosts.lock().push(Arc::downgrade(self));
            core.events().mounted_in(self.events(), mounted.resources, mounted.visible.clone());
        }
        // They may have changed since the registry was made.
        self.refresh(ChangedKinds::ALL);
    }

    /// Changes the server's entries, and notifies subscribers. Returns how many entries to remove or replace were
    /// found.
    ///
    /// # Errors
    /// All that stands against it; then nothing changes.
    pub(crate) fn change(&self, mut change: Change) -> Result<usize, BuildError> {
        let states = &self.env.resources.states;
        let lacking = change.needs.iter().flat_map(|needed| states.lacking(needed));
        change.problems.extend(lacking);
        let changed = {
            let _writer = self.writer.lock();
            let mounts = catalogs(&self.mounts);
            let (next, changed) = apply(change, &self.registry.load_full(), &mounts, self.offers)?;
            if changed.kinds != ChangedKinds::default() {
                self.registry.store(Arc::new(next));
            }
            changed
        };
        let kinds = changed.kinds;
        if kinds != ChangedKinds::default() {
            // Where it is mounted must offer it before anybody hears of it.
            self.spread(kinds);
            let events = self.events();
            if kinds.tools {
                events.tools_changed_to(&changed.tools);
            }
            if kinds.prompts {
                events.prompts_changed_to(&changed.prompts);
            }
            if kinds.resources || kinds.templates {
                events.resources_changed_to(&changed.resources);
            }
        }
        Ok(changed.found)
    }

    /// Has the servers in which this one is mounted offer what it offers now.
    fn spread(&self, kinds: ChangedKinds) {
        for host in self.hosts() {
            host.refresh(kinds);
        }
    }

    /// Takes over what the mounted servers offer now.
    fn refresh(&self, kinds: ChangedKinds) {
        {
            let _writer = self.writer.lock();
            let now = self.registry.load_full();
            let mut problems = Vec::new();
            let next = merge(OwnItems::of(&now, kinds), &now, &catalogs(&self.mounts), &mut problems);
            for problem in problems {
                tracing::warn!(server = self.about.name, problem, "something that is mounted is left out");
            }
            self.registry.store(Arc::new(next));
        }
        self.spread(kinds);
    }
}

impl fmt::Debug for Mounted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mounted").field("prefix", &self.prefix).finish_non_exhaustive()
    }
}
