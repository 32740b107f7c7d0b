//! Servers in servers.

use std::{
    borrow::Cow,
    sync::{Arc, PoisonError},
};

use anyport_protocol::{Method, Raw, jsonrpc::Params};
use anyport_service::{Reply, Request, Service};

use super::{Catalog, ChangedKinds, Item, Items, Offered, OwnItems, Registry, Target, VisibilityRule};
use crate::{
    Prompt, Resource, Server, Template, Tool,
    server::{Core, Served},
};

/// A server that is mounted in another, and how. See [`crate::Builder::mount`].
///
/// ```
/// use anyport_server::{Context, Mount, NoArguments, Server, Tool};
///
/// let clock = Server::builder("clock", "1.0.0")
///     .tool(Tool::new("now").run(async |_: NoArguments, _: Context| "noon"))
///     .build()?;
/// let desk = Server::builder("desk", "1.0.0").mount("clock", Mount::of(clock).separator(".")).build()?;
/// // Clients call `clock.now`.
/// # let _ = desk;
/// # Ok::<(), anyport_server::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct Mount {
    server: Server,
    separator: String,
    resources: bool,
    instructions: bool,
    visible: Option<VisibilityRule>,
}

impl Mount {
    /// All of `server`: its tools and prompts under `PREFIX_NAME`, its resources and templates under their own URIs,
    /// and its instructions.
    pub fn of(server: Server) -> Self {
        Self { server, separator: "_".to_owned(), resources: true, instructions: true, visible: None }
    }

    /// What stands between the prefix and a name, instead of `_`. Some clients know only letters, digits, `_` and `-`
    /// in names.
    #[must_use]
    pub fn separator(mut self, separator: impl Into<String>) -> Self {
        self.separator = separator.into();
        self
    }

    /// Leaves out its resources and templates; for servers whose URIs are those of another.
    #[must_use]
    pub fn without_resources(mut self) -> Self {
        self.resources = false;
        self
    }

    /// Leaves out its instructions.
    #[must_use]
    pub fn without_instructions(mut self) -> Self {
        self.instructions = false;
        self
    }

    /// Shows it to those callers only for whom `rule` returns true, as [`Tool::visible_to`] does for one tool.
    #[must_use]
    pub fn visible_to(
        mut self,
        rule: impl Fn(&anyport_service::Principal) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.visible = VisibilityRule::both(self.visible, Some(VisibilityRule::new(rule)));
        self
    }
}

impl From<Server> for Mount {
    fn from(server: Server) -> Self {
        Self::of(server)
    }
}

/// A server that is mounted here.
#[derive(Debug)]
pub(crate) struct Mounted {
    /// What its names begin with here, separator included; empty for none.
    pub(super) prefix: String,
    pub(crate) server: Server,
    pub(crate) resources: bool,
    pub(super) instructions: bool,
    visible: Option<VisibilityRule>,
}

impl Mounted {
    pub(crate) fn new(prefix: &str, mount: Mount) -> Self {
        let Mount { server, separator, resources, instructions, visible } = mount;
        let prefix = if prefix.is_empty() { String::new() } else { format!("{prefix}{separator}") };
        Self { prefix, server, resources, instructions, visible }
    }

    pub(crate) fn core(&self) -> &Arc<Core> {
        self.server.core()
    }
}

/// What a mounted server must know of the one that it answers in.
pub(crate) struct MountContext {
    /// The server in which it is mounted.
    pub(crate) host: Arc<Served>,
    /// What its names begin with for the caller.
    prefix: String,
    /// Whether not all callers see it.
    is_private: bool,
}

impl MountContext {
    /// What the caller calls `name`.
    pub(crate) fn name<'a>(&self, name: &'a str) -> Cow<'a, str> {
        self.name_within(None, name)
    }

    /// What callers of the server that stands at `outer`, in which this is mounted, call `name`.
    pub(crate) fn name_within<'a>(&self, outer: Option<&Self>, name: &'a str) -> Cow<'a, str> {
        let known = outer.map_or("", |outer| &outer.prefix);
        let prefix = self.prefix.strip_prefix(known).unwrap_or_default();
        if prefix.is_empty() { name.into() } else { format!("{prefix}{name}").into() }
    }

    pub(crate) fn is_private(&self) -> bool {
        self.is_private
    }
}

impl Served {
    /// The server that is mounted at `place`, as it answers here.
    pub(crate) fn view(self: &Arc<Self>, place: usize) -> Option<Arc<Self>> {
        let mounted = self.mounts.get(place)?;
        let outer = self.mount.as_ref();
        let mount = MountContext {
            host: self.clone(),
            prefix: format!("{}{}", outer.map_or("", |mount| &mount.prefix), mounted.prefix),
            is_private: mounted.visible.is_some() || outer.is_some_and(|mount| mount.is_private),
        };
        Some(Arc::new(Self::mounted(mounted.core().clone(), self.identity.clone(), mount)))
    }

    /// Has the server that is mounted at `place` answer.
    ///
    /// It is called as any service is: what it puts around its calls stands around these too.
    pub(crate) fn pass(
        self: &Arc<Self>,
        place: usize,
        method: Method,
        params: impl Into<Params>,
        context: anyport_service::Context,
    ) -> Reply {
        match self.view(place) {
            Some(view) => Server::at(view).call(Request::new(method, params), context),
            // A registry and its mounts are made together.
            None => Reply::error(anyport_protocol::Error::internal("there is no such mount")),
        }
    }

    /// The same for what is called by a name, which is another one there.
    pub(crate) fn pass_named<E>(
        self: &Arc<Self>,
        (place, item): (usize, &Item<E>),
        method: Method,
        params: &Raw,
        context: anyport_service::Context,
    ) -> Reply {
        self.pass(place, method, renamed(params, &item.key), context)
    }
}

/// `object` with its member `name` set to `name`, in the place where it stood.
pub(crate) fn renamed(object: &Raw, name: &str) -> Raw {
    let old = object.members().filter(|member| member.is("name")).last().map(|member| member.value);
    replaced(object, old, &Raw::string(name))
}

/// `json` with `part`, which is borrowed from it, replaced.
pub(crate) fn replaced(json: &Raw, part: Option<&str>, with: &Raw) -> Raw {
    let Some(part) = part else { return json.clone() };
    let text = json.as_str();
    let start = part.as_ptr().addr() - text.as_ptr().addr();
    let mut out = Vec::with_capacity(text.len() - part.len() + with.as_str().len());
    out.extend_from_slice(&text.as_bytes()[..start]);
    out.extend_from_slice(with.as_str().as_bytes());
    out.extend_from_slice(&text.as_bytes()[start + part.len()..]);
    Raw::trusted(out)
}

/// The registry of what is the server's own and what is mounted; kinds that are not in `own` stay as they are now.
/// What cannot be offered is left out, and noted.
pub(crate) fn merge(
    own: OwnItems,
    now: &Registry,
    mounts: &[Mounted],
    problems: &mut Vec<String>,
) -> Registry {
    // One snapshot of each, so that its kinds fit each other.
    let registries: Vec<Arc<Registry>> =
        mounts.iter().map(|mounted| mounted.core().registry.load_full()).collect();
    let every = || mounts.iter().zip(&registries).enumerate();
    let readable = || every().filter(|(_, (mounted, _))| mounted.resources);
    let mut next = now.clone();
    if let Some(own) = own.tools {
        let theirs = every().map(|(place, (mounted, registry))| (place, mounted, &*registry.tools));
        next.tools = catalog::<Tool>(own, &now.tools, theirs, problems);
    }
    if let Some(own) = own.resources {
        let theirs = readable().map(|(place, (mounted, registry))| (place, mounted, &*registry.resources));
        next.resources = catalog::<Resource>(own, &now.resources, theirs, problems);
    }
    if let Some(own) = own.templates {
        let theirs = readable().map(|(place, (mounted, registry))| (place, mounted, &*registry.templates));
        next.templates = catalog::<Template>(own, &now.templates, theirs, problems);
    }
    if let Some(own) = own.prompts {
        let theirs = every().map(|(place, (mounted, registry))| (place, mounted, &*registry.prompts));
        next.prompts = catalog::<Prompt>(own, &now.prompts, theirs, problems);
    }
    next
}

/// Puts what is mounted behind what is the server's own.
fn catalog<'a, T>(
    own: Items<T::Entry>,
    now: &Catalog<T::Entry>,
    theirs: impl Iterator<Item = (usize, &'a Mounted, &'a Catalog<T::Entry>)>,
    problems: &mut Vec<String>,
) -> Arc<Catalog<T::Entry>>
where
    T: Offered<Entry: 'a> + Named,
{
    let mut items = own;
    for (place, mounted, theirs) in theirs {
        for theirs in theirs.items().values() {
            let prefix = if T::RENAMED { &*mounted.prefix } else { "" };
            let key: Arc<str> =
                if prefix.is_empty() { theirs.key.clone() } else { format!("{prefix}{}", theirs.key).into() };
            let visible = VisibilityRule::both(theirs.visible.clone(), mounted.visible.clone());
            if let Some(there) = items.get(&key) {
                if is_same(there, theirs) {
                    // The same server is mounted twice: whoever sees either sees it.
                    let visible = VisibilityRule::either(there.visible.clone(), visible);
                    let Target::Mounted(place, _) = there.target else { continue };
                    let item = listed(key.clone(), place, theirs, visible);
                    items.insert(key, Arc::new(item));
                } else {
                    problems.push(clash(T::KIND, &key, mounted, T::RENAMED));
                }
                continue;
            }
            if !T::is_valid(&key) {
                problems.push(format!(
                    "{} {key:?}: with its prefix it is no valid name; choose a shorter or plainer prefix",
                    T::KIND
                ));
                continue;
            }
            // What did not change is not written again.
            let same = now.items().get(&key).filter(|item| match &item.target {
                Target::Mounted(at, item) => *at == place && Arc::ptr_eq(item, theirs),
                Target::Own(_) => false,
            });
            let item = match same {
                Some(same) => {
                    let target = Target::Mounted(place, theirs.clone());
                    Item { key: key.clone(), written: same.written.clone(), visible, target }
                }
                None => listed(key.clone(), place, theirs, visible),
            };
            items.insert(key, Arc::new(item));
        }
    }
    Arc::new(Catalog::new(items))
}

fn listed<E>(key: Arc<str>, place: usize, theirs: &Arc<Item<E>>, visible: Option<VisibilityRule>) -> Item<E> {
    let same = key == theirs.key;
    let written = if same { theirs.written.clone() } else { renamed(&theirs.written, &key) };
    Item { key, written, visible, target: Target::Mounted(place, theirs.clone()) }
}

fn is_same<E>(there: &Item<E>, theirs: &Item<E>) -> bool {
    !there.is_own() && std::ptr::eq(there.entry(), theirs.entry())
}

fn clash(kind: &str, key: &str, mounted: &Mounted, renamed: bool) -> String {
    let name = &mounted.server.core().about.name;
    let what = if renamed {
        "choose another prefix"
    } else {
        "URIs keep their text when a server is mounted: change one of them, or mount one of the servers with \
         `Mount::without_resources`"
    };
    format!("{kind} {key:?}: the mounted server {name:?} offers it, and something before it does too; {what}")
}

/// How things of a kind are called when they are mounted.
trait Named {
    /// Whether they get the prefix.
    const RENAMED: bool;

    /// Whether something may be called `name`.
    fn is_valid(name: &str) -> bool {
        !name.is_empty()
    }
}

impl Named for Tool {
    const RENAMED: bool = true;

    fn is_valid(name: &str) -> bool {
        crate::tool::is_name(name)
    }
}

impl Named for Prompt {
    const RENAMED: bool = true;
}

impl Named for Resource {
    const RENAMED: bool = false;
}

impl Named for Template {
    const RENAMED: bool = false;
}

impl Core {
    /// Has the mounted servers tell this one of their changes.
    pub(crate) fn join(self: &Arc<Self>) {
        if self.mounts.is_empty() {
            return;
        }
        for mounted in &self.mounts {
            let core = mounted.core();
            core.hosts.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(self));
            core.events.mounted_in(&self.events, mounted.resources, mounted.visible.clone());
        }
        // They may have changed since the registry was made.
        self.refresh(ChangedKinds::ALL);
    }
}
