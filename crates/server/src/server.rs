use std::{fmt, sync::Arc};

use anyport_service::{Principal, Reply, Request, Service};

use crate::{
    BuildError, Change, Context, Events, List, Part, StartError,
    core::{Boxed, Core, MountedServer, Served},
    dispatch::answer,
};

/// An MCP server: a [`Service`] of tools, resources and prompts. Cheap to clone; every clone is the same server.
///
/// It speaks the newest revision. Transports convert messages of older ones, and
/// `anyport_adapters::LegacyClientAdapter` sends server requests to legacy clients.
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

impl Server {
    /// Returns the publisher of changes. Changes made with [`Server::change`] and similar methods are published without
    /// it.
    pub fn events(&self) -> &Events {
        self.0.core.events()
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

    /// Makes several changes at once: all of them or none, no caller sees one without the others, and listeners are
    /// notified once of each changed list.
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

    /// Notifies listeners that lists may differ, because the results of `visible_to` rules have changed. Only lists
    /// with such a rule are notified. The rules themselves run at each request.
    pub fn refresh_visibility(&self) {
        let registry = self.0.core.registry.load_full();
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
        self.0.core.events().close();
    }

    /// Returns whether results of `tool` may be cached for `caller`: a number that identifies this version of the tool,
    /// for [`anyport_layers::Cache::new`].
    ///
    /// They may when the tool says that it only reads ([`ToolAnnotations::read_only_hint`]), and not that the same call
    /// does something else the next time ([`ToolAnnotations::idempotent_hint`] is false) or that it is
    /// [`Tool::uncached`]; and when it is there for `caller` now. When it is replaced, the number is another one.
    ///
    /// ```
    /// use anyport_server::Server;
    /// use anyport_service::Service;
    /// use anyport_layers::{Cache, CacheLimits};
    ///
    /// fn cached(server: Server) -> impl Service {
    ///     let asked = server.clone();
    ///     Cache::new(server, CacheLimits::default(), move |tool, caller| asked.cacheable(tool, caller))
    /// }
    /// ```
    pub fn cacheable(&self, tool: &str, caller: &Principal) -> Option<u64> {
        let registry = self.0.core.registry.load();
        registry.tools.find(tool, caller)?.entry().cacheable
    }

    pub(crate) fn of(core: Arc<Core>) -> Self {
        Self(Arc::new(Served::plain(core)))
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    fn remove(&self, list: List, key: &str) -> bool {
        let mut change = Change::default();
        change.remove(list, key.to_owned());
        self.0.core.change(change).is_ok_and(|found| found > 0)
    }
}

impl Context {
    /// Returns the server of this handler; for a mounted server, that server itself. Its entries can be changed: see
    /// [`Server::change`].
    pub fn server(&self) -> Server {
        Server::of(Served::of(self).core.clone())
    }
}

impl Service for Server {
    fn call(&self, request: Request, context: anyport_service::Context) -> Reply {
        call(&self.0, request, context)
    }
}

impl MountedServer for Server {
    fn core(&self) -> &Arc<Core> {
        &self.0.core
    }

    fn answer(&self, view: Arc<Served>, request: Request, context: anyport_service::Context) -> Reply {
        call(&view, request, context)
    }

    fn begin(&self) -> Boxed<Result<(), StartError>> {
        self.begin_start()
    }

    fn leave(&self) -> Boxed<()> {
        self.stop_if_unneeded()
    }
}

/// Calls `server` through its middleware.
fn call(server: &Arc<Served>, request: Request, context: anyport_service::Context) -> Reply {
    if server.core.lifecycle.middleware.is_empty() {
        return answer(server, request, context).unwrap_or_else(Reply::error);
    }
    MiddlewareChain { server: server.clone(), passed: 0 }.call(request, context)
}

/// A server within the middleware that a call has not passed yet.
struct MiddlewareChain {
    server: Arc<Served>,
    passed: usize,
}

impl Service for MiddlewareChain {
    fn call(&self, request: Request, context: anyport_service::Context) -> Reply {
        let Some(function) = self.server.core.lifecycle.middleware.get(self.passed) else {
            return answer(&self.server, request, context).unwrap_or_else(Reply::error);
        };
        let inner = Self { server: self.server.clone(), passed: self.passed + 1 };
        function.call(Arc::new(inner), request, context)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let registry = self.0.core.registry.load();
        f.debug_struct("Server")
            .field("name", &self.0.core.about.name)
            .field("tools", &registry.tools.len())
            .field("resources", &registry.resources.len())
            .field("templates", &registry.templates.len())
            .field("prompts", &registry.prompts.len())
            .finish_non_exhaustive()
    }
}
