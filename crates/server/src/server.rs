use std::{
    fmt,
    ops::Deref,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::Duration,
};

use anyport_protocol::{Error, Method, Raw, types::JsonObject};
use anyport_seal::Sealer;
use anyport_service::{Context, Reply, Request, Service};
use arc_swap::ArcSwap;

use crate::{
    BuildError, Builder, Change, Events, List, Part,
    ask::StateStore,
    complete,
    lifecycle::Lifecycle,
    list::Listing,
    listen, prompt,
    registry::{Catalog, MountContext, Mounted, Registry},
    resource,
    state::States,
    tool,
    write::Identity,
};

/// An MCP server: a [`Service`] of tools, resources and prompts. Cheap to clone; every clone is the same server.
///
/// It speaks the newest revision. What stands around it speaks older ones: transports translate messages, and
/// `anyport_adapters::LegacyClientAdapter` asks callers that are asked live.
///
/// # Changes
/// What it offers can change while it runs: [`Server::add`], [`Server::replace`], [`Server::remove_tool`] and its
/// like, and [`Server::change`] for several at once. Clients that listen are told, once for each list that changed. A
/// call that runs keeps what it began with: a tool that is removed in the middle of a call still ends it.
///
/// Clients learn what kinds of things a server has when they connect, and only then. So a server that was built without
/// tools, and may get some, says so with [`Builder::dynamic`]; without it, adding a tool is refused.
#[derive(Clone)]
pub struct Server(Arc<Served>);

/// A server as it is called: by itself, or mounted in another.
pub(crate) struct Served {
    core: Arc<Core>,
    /// Who signs the results: the outermost server.
    pub(crate) identity: Identity,
    /// Where it is mounted, if the call came that way.
    pub(crate) mount: Option<MountContext>,
}

/// A server, however it is called.
pub(crate) struct Core {
    pub(crate) about: About,
    /// What is offered. Whoever reads it keeps it for as long as the call takes to reach its handler.
    pub(crate) registry: ArcSwap<Registry>,
    /// Held while a new registry is made.
    pub(crate) writer: Mutex<()>,
    pub(crate) mounts: Vec<Mounted>,
    /// Where this server is mounted.
    pub(crate) hosts: Mutex<Vec<Weak<Self>>>,
    pub(crate) discovery: Raw,
    pub(crate) offers: Offers,
    pub(crate) limits: Limits,
    pub(crate) state_store: StateStore,
    pub(crate) events: Events,
    pub(crate) lifecycle: Lifecycle,
    pub(crate) states: States,
}

/// What a server says of itself.
pub(crate) struct About {
    pub(crate) identity: Identity,
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

/// What the server declares that it can do.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Offers {
    pub(crate) tools: bool,
    pub(crate) resources: bool,
    pub(crate) prompts: bool,
    pub(crate) completions: bool,
}

/// What bounds a server beside its state and pages.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub(crate) max_subscriptions: usize,
    pub(crate) max_subscription_bytes: usize,
    pub(crate) max_listeners: usize,
}

impl Server {
    /// Begins the server `name` in the version `version`.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> Builder {
        Builder::new(name, version)
    }

    /// Where to tell of changes in what the server offers. Changes made with [`Server::change`] and its like are told
    /// without it.
    pub fn events(&self) -> &Events {
        &self.0.events
    }

    /// Adds a tool, a resource, a template or a prompt, behind everything else of its kind.
    ///
    /// # Errors
    /// All that is wrong with it; that its name or URI is taken; that the server did not declare that it has such
    /// things (see [`Builder::dynamic`]). Then nothing has changed.
    pub fn add(&self, part: impl Into<Part>) -> Result<(), BuildError> {
        self.change(|change| {
            change.add(part);
        })
    }

    /// Puts a tool, a resource, a template or a prompt in the place of the one that has the same name or URI. Returns
    /// whether there was one; if not, it is added.
    ///
    /// # Errors
    /// As [`Server::add`].
    pub fn replace(&self, part: impl Into<Part>) -> Result<bool, BuildError> {
        let mut change = Change::default();
        change.replace(part);
        self.0.core.change(change).map(|found| found > 0)
    }

    /// Removes the tool `name`. Returns whether there was one; those of mounted servers are removed there. Calls of it
    /// that run go on to their end.
    pub fn remove_tool(&self, name: &str) -> bool {
        self.remove(List::Tools, name)
    }

    /// Removes the resource at `uri`. Returns whether there was one.
    pub fn remove_resource(&self, uri: &str) -> bool {
        self.remove(List::Resources, uri)
    }

    /// Removes the template that is written like `template`. Returns whether there was one.
    pub fn remove_template(&self, template: &str) -> bool {
        self.remove(List::Templates, template)
    }

    /// Removes the prompt `name`. Returns whether there was one.
    pub fn remove_prompt(&self, name: &str) -> bool {
        self.remove(List::Prompts, name)
    }

    /// Changes several things at once: all of it happens or none, no caller sees one without the other, and listeners
    /// are told once of each list that is no longer the same.
    ///
    /// ```
    /// use anyport_server::{Context, NoArguments, Server, Tool};
    ///
    /// let tool = |name: &str| Tool::new(name).run(async |_: NoArguments, _: Context| ());
    /// let server = Server::builder("doors", "1.0.0").tool(tool("open")).build()?;
    /// server.change(|change| {
    ///     change.remove_tool("open").add(tool("close"));
    ///     change.add(tool("lock"));
    /// })?;
    /// # Ok::<(), anyport_server::BuildError>(())
    /// ```
    ///
    /// # Errors
    /// All that stands against any of it, as for [`Server::add`]. Removing what is not there is no error.
    pub fn change(&self, describe: impl FnOnce(&mut Change)) -> Result<(), BuildError> {
        let mut change = Change::default();
        describe(&mut change);
        self.0.core.change(change).map(|_| ())
    }

    /// Tells listeners that lists may look different to them, since what the rules of `visible_to` go by has changed.
    /// Only lists are told of that have anything with such a rule. Rules themselves are asked anew for each request.
    pub fn refresh_visibility(&self) {
        let registry = self.0.registry.load_full();
        if registry.tools.is_ruled() {
            self.events().tools_changed();
        }
        if registry.prompts.is_ruled() {
            self.events().prompts_changed();
        }
        if registry.guards_resources() {
            self.events().resources_changed();
        }
    }

    /// Ends all listen streams, each with its result, and refuses new ones. Calls go on.
    pub fn close(&self) {
        self.0.events.close();
    }

    pub(crate) fn lifecycle(&self) -> &Lifecycle {
        &self.0.lifecycle
    }

    pub(crate) fn of(core: Arc<Core>) -> Self {
        let identity = core.about.identity.clone();
        Self(Arc::new(Served { core, identity, mount: None }))
    }

    pub(crate) fn at(inner: Arc<Served>) -> Self {
        Self(inner)
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    fn remove(&self, list: List, key: &str) -> bool {
        let mut change = Change::default();
        change.remove(list, key.to_owned());
        self.0.core.change(change).is_ok_and(|found| found > 0)
    }

    fn answer(&self, request: Request, context: Context) -> Result<Reply, Error> {
        let server = &self.0;
        let offers = server.offers;
        match request.known() {
            Some(Method::ToolsCall) if offers.tools => tool::call(server, request.params, context),
            Some(Method::ToolsList) if offers.tools => {
                let ttl = server.about.ttls.tools;
                server.list(List::Tools, ttl, |registry| &*registry.tools, &request, &context)
            }
            Some(Method::ResourcesRead) if offers.resources => {
                resource::read(server, request.params, context)
            }
            Some(Method::ResourcesList) if offers.resources => {
                resource::list(server, request.params, context)
            }
            Some(Method::TemplatesList) if offers.resources => {
                let ttl = server.about.ttls.templates;
                server.list(List::Templates, ttl, |registry| &*registry.templates, &request, &context)
            }
            Some(Method::PromptsGet) if offers.prompts => prompt::get(server, request.params, context),
            Some(Method::PromptsList) if offers.prompts => {
                let ttl = server.about.ttls.prompts;
                server.list(List::Prompts, ttl, |registry| &*registry.prompts, &request, &context)
            }
            Some(Method::Complete) if offers.completions => {
                complete::complete(server, request.params, context)
            }
            Some(Method::Listen) => listen::listen(server, &request.params, context.principal()),
            Some(Method::Discover) => Ok(Reply::ready(Ok(server.discovery.clone()))),
            _ => Err(Error::method_not_found(&request.method)),
        }
    }
}

impl Service for Server {
    fn call(&self, request: Request, context: Context) -> Reply {
        if self.0.lifecycle.middleware.is_empty() {
            return self.answer(request, context).unwrap_or_else(Reply::error);
        }
        MiddlewareChain { server: self.clone(), passed: 0 }.call(request, context)
    }
}

/// A server within the middleware that a call has not passed yet.
struct MiddlewareChain {
    server: Server,
    passed: usize,
}

impl Service for MiddlewareChain {
    fn call(&self, request: Request, context: Context) -> Reply {
        let Some(function) = self.server.0.lifecycle.middleware.get(self.passed) else {
            return self.server.answer(request, context).unwrap_or_else(Reply::error);
        };
        let inner = Self { server: self.server.clone(), passed: self.passed + 1 };
        function.call(Arc::new(inner), request, context)
    }
}

impl Served {
    fn list<E>(
        &self,
        list: List,
        ttl: Duration,
        catalog: fn(&Registry) -> &Catalog<E>,
        request: &Request,
        context: &Context,
    ) -> Result<Reply, Error> {
        let size = self.about.page_size;
        let listing = Listing { list, size, ttl, sealer: self.sealer(), identity: &self.identity };
        let registry = self.registry.load();
        let page = catalog(&registry).page(&request.params, context.principal(), &listing)?;
        Ok(Reply::ready(Ok(page)))
    }

    /// The server as it answers for another.
    pub(crate) fn mounted(core: Arc<Core>, identity: Identity, mount: MountContext) -> Self {
        Self { core, identity, mount: Some(mount) }
    }

    /// What the caller calls `name`, which is a tool or prompt of this server.
    pub(crate) fn outward<'a>(&self, name: &'a str) -> std::borrow::Cow<'a, str> {
        self.mount.as_ref().map_or(name.into(), |mount| mount.name(name))
    }

    /// Whose key seals states and cursors: the server itself if it was given one, else that in which it is mounted.
    pub(crate) fn state_owner(&self) -> &Self {
        match &self.mount {
            Some(mount) if !self.state_store.is_lasting() => mount.host.state_owner(),
            _ => self,
        }
    }

    /// What seals states and cursors.
    pub(crate) fn sealer(&self) -> &Sealer {
        self.state_owner().state_store.sealer()
    }

    /// Everybody whose key may have sealed what comes back: the server itself, then those in which it is mounted.
    pub(crate) fn state_owners(&self) -> impl Iterator<Item = &Self> {
        std::iter::successors(Some(self), |server| server.mount.as_ref().map(|mount| &*mount.host))
    }

    /// What callers of `state_owner`, which is one of those, call what is `name` here.
    pub(crate) fn name_at<'a>(&self, state_owner: &Self, name: &'a str) -> std::borrow::Cow<'a, str> {
        let Some(mount) = &self.mount else { return name.into() };
        mount.name_within(state_owner.mount.as_ref(), name)
    }

    /// The server by itself.
    pub(crate) fn plain(self: &Arc<Self>) -> Server {
        if self.mount.is_some() { Server::of(self.core.clone()) } else { Server(self.clone()) }
    }
}

impl Deref for Served {
    type Target = Core;

    fn deref(&self) -> &Core {
        &self.core
    }
}

impl Core {
    /// The servers in which this one is mounted.
    pub(crate) fn hosts(&self) -> Vec<Arc<Self>> {
        let mut hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.retain(|host| host.strong_count() > 0);
        hosts.iter().filter_map(Weak::upgrade).collect()
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.0.registry.load();
        f.debug_struct("Server")
            .field("name", &self.0.about.name)
            .field("tools", &registry.tools.len())
            .field("resources", &registry.resources.len())
            .field("templates", &registry.templates.len())
            .field("prompts", &registry.prompts.len())
            .finish_non_exhaustive()
    }
}
