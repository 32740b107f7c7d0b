use std::{collections::HashMap, sync::Arc, time::Duration};

use anyport_protocol::{
    Revision,
    types::{Icon, Implementation, JsonObject},
};
use anyport_seal::{Key, Sealer};

use crate::{
    List, Mount, Part, Prompt, Resource, Server, Template, Tool,
    ask::{Clock, DEFAULT_STATE_BYTES, DEFAULT_STATE_TTL},
    core::{Core, Mounted},
    events::ListenLimits,
    lifecycle::LifecyclePlan,
    list::DEFAULT_PAGE_SIZE,
    state::States,
};

/// The default of [`Builder::ttl`] and [`Builder::discover_ttl`]: five minutes, as in the specification's examples.
pub const DEFAULT_LIST_TTL: Duration = Duration::from_secs(300);

/// The builder of a server.
#[derive(Debug)]
pub struct Builder {
    pub(super) info: Implementation,
    pub(super) instructions: Option<String>,
    pub(super) versions: Vec<Revision>,
    pub(super) extensions: JsonObject,
    pub(super) tools: Vec<Tool>,
    pub(super) resources: Vec<Resource>,
    pub(super) templates: Vec<Template>,
    pub(super) prompts: Vec<Prompt>,
    pub(super) mounts: Vec<Mounted>,
    pub(super) dynamic: Vec<List>,
    pub(super) page_size: usize,
    pub(super) ttls: HashMap<List, Duration>,
    pub(super) discover_ttl: Duration,
    pub(super) keys: Vec<Key>,
    pub(super) sealer: Option<Sealer>,
    pub(super) state_ttl: Duration,
    pub(super) state_bytes: usize,
    pub(super) clock: Clock,
    pub(super) limits: ListenLimits,
    pub(super) states: States,
    pub(super) lifecycle: LifecyclePlan<Arc<Core>>,
}

impl Builder {
    pub(crate) fn new(name: impl Into<String>, version: impl Into<String>) -> Self {
        let mut versions = Revision::ALL.to_vec();
        versions.reverse();
        Self {
            info: Implementation::new(name, version),
            instructions: None,
            versions,
            extensions: JsonObject::new(),
            tools: Vec::new(),
            resources: Vec::new(),
            templates: Vec::new(),
            prompts: Vec::new(),
            mounts: Vec::new(),
            dynamic: Vec::new(),
            page_size: DEFAULT_PAGE_SIZE,
            ttls: HashMap::new(),
            discover_ttl: DEFAULT_LIST_TTL,
            keys: Vec::new(),
            sealer: None,
            state_ttl: DEFAULT_STATE_TTL,
            state_bytes: DEFAULT_STATE_BYTES,
            clock: Clock::default(),
            limits: ListenLimits::default(),
            states: States::default(),
            lifecycle: LifecyclePlan::default(),
        }
    }

    /// Sets the server's name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.info.title = Some(title.into());
        self
    }

    /// Sets the server's description, for people.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.info.description = Some(description.into());
        self
    }

    /// Sets the server's website.
    #[must_use]
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.info.website_url = Some(url.into());
        self
    }

    /// Adds an icon of the server.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.info.icons.get_or_insert_default().push(icon);
        self
    }

    /// Sets the instructions for the model: how to use the server.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Adds a tool, a resource, a template or a prompt.
    #[must_use]
    #[expect(
        clippy::should_implement_trait,
        reason = "nobody takes this for `+`, and `Server::add` is its twin"
    )]
    pub fn add(self, part: impl Into<Part>) -> Self {
        match part.into() {
            Part::Tool(tool) => self.tool(tool),
            Part::Resource(resource) => self.resource(resource),
            Part::Template(template) => self.template(template),
            Part::Prompt(prompt) => self.prompt(prompt),
        }
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: impl Into<Tool>) -> Self {
        self.tools.push(tool.into());
        self
    }

    /// Adds several tools: those that `#[tools]` makes of the methods of a type.
    #[must_use]
    pub fn tools(mut self, tools: impl IntoIterator<Item = impl Into<Tool>>) -> Self {
        self.tools.extend(tools.into_iter().map(Into::into));
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource(mut self, resource: impl Into<Resource>) -> Self {
        self.resources.push(resource.into());
        self
    }

    /// Adds a template of resources. Where several could have made a URI, the one that was added first reads it.
    #[must_use]
    pub fn template(mut self, template: impl Into<Template>) -> Self {
        self.templates.push(template.into());
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: impl Into<Prompt>) -> Self {
        self.prompts.push(prompt.into());
        self
    }

    /// Declares the capabilities for these lists, even if they are empty when the server is built: their items come and go
    /// at run time. See [`Server::add`].
    ///
    /// Clients learn a server's capabilities when they connect. A list that is not empty when the server is built is
    /// declared anyway. Prompts, resources and templates declare completion as well.
    #[must_use]
    pub fn dynamic(mut self, lists: impl IntoIterator<Item = List>) -> Self {
        self.dynamic.extend(lists);
        self
    }

    /// Mounts another server: this one offers its tools, resources and prompts, too. A [`Mount`] has the settings.
    ///
    /// - A tool or prompt `name` is called `PREFIX_name` here, or `name` if the prefix is empty.
    /// - Resources and templates keep their URIs: handlers name them in links and notifications, and clients may have
    ///   stored them.
    /// - Its handlers run as they would by themselves: with its state, its limits and its key, if it was given one.
    ///   Errors and results name what the caller called and the server that it called. What it puts around its calls
    ///   stands around these too.
    /// - It starts before this server and stops after it; once, wherever it is mounted. See [`Server::start`].
    /// - It stays a server of its own: what it offers later is offered here as well, and clients that subscribed here
    ///   receive its changes. The same server may be mounted several times, and served by itself.
    /// - Its instructions are added under its title, at most 4 KiB of them, and 32 KiB of all.
    /// - Lists show what is this server's own first, then what is mounted, in the order of mounting. A list is fresh for
    ///   no longer than its shortest-lived part. Extensions that it declares are declared here, unless they are already.
    ///
    /// Two things of one name or URI are an error when the server is built; later, what comes second is left out, and
    /// said so in the log. Only a [`Server`] can be mounted, not any service: its lists must be known.
    #[must_use]
    pub fn mount(mut self, prefix: impl AsRef<str>, mount: impl Into<Mount>) -> Self {
        self.mounts.push(mount.into().into_mounted(prefix.as_ref()));
        self
    }

    /// Shares `value` with all handlers, which get it as [`State`](crate::State). There is one value of each type.
    #[must_use]
    pub fn state<T: Send + Sync + 'static>(mut self, value: T) -> Self {
        self.states.insert(value);
        self
    }

    /// Declares an extension with its settings.
    #[must_use]
    pub fn extension(mut self, id: impl Into<String>, settings: JsonObject) -> Self {
        self.extensions.insert(id.into(), settings.into());
        self
    }

    /// Sets the revisions that `server/discover` lists: those that the transport speaks. Unless set, all, newest first.
    #[must_use]
    pub fn supported_versions(mut self, versions: &[Revision]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// Sets the maximum number of items on a page of a list.
    #[must_use]
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = size;
        self
    }

    /// Sets for how long clients may cache a list.
    #[must_use]
    pub fn ttl(mut self, list: List, ttl: Duration) -> Self {
        self.ttls.insert(list, ttl);
        self
    }

    /// Sets for how long clients may cache the result of `server/discover`.
    #[must_use]
    pub fn discover_ttl(mut self, ttl: Duration) -> Self {
        self.discover_ttl = ttl;
        self
    }

    /// Sets the key that seals `requestState` and cursors. Servers that share it continue each other's calls, and calls
    /// survive a restart. Without it the server generates a key and logs a warning. If called again, it adds an older key,
    /// whose seals remain valid.
    #[must_use]
    pub fn state_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// Sets what seals `requestState` and cursors, instead of keys: its keys can be changed while the server runs.
    #[must_use]
    pub fn sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = Some(sealer);
        self
    }

    /// Sets for how long a `requestState` is valid; a retry after that gets the reason `expired`.
    #[must_use]
    pub fn state_ttl(mut self, ttl: Duration) -> Self {
        self.state_ttl = ttl;
        self
    }

    /// Sets the maximum size of a `requestState`, in bytes.
    #[must_use]
    pub fn state_bytes(mut self, bytes: usize) -> Self {
        self.state_bytes = bytes;
        self
    }

    /// Sets the clock by which states expire, for tests.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// Sets the maximum number of resources that one listen stream may subscribe to; the others are not acknowledged.
    #[must_use]
    pub fn max_subscriptions(mut self, limit: usize) -> Self {
        self.limits.max_subscriptions = limit;
        self
    }

    /// Sets the maximum size of the URIs of all listen streams together, in bytes.
    #[must_use]
    pub fn max_subscription_bytes(mut self, limit: usize) -> Self {
        self.limits.max_subscription_bytes = limit;
        self
    }

    /// Sets the maximum number of open listen streams.
    #[must_use]
    pub fn max_listeners(mut self, limit: usize) -> Self {
        self.limits.max_listeners = limit;
        self
    }
}

impl Server {
    /// Begins the server `name` in the version `version`.
    pub fn builder(name: impl Into<String>, version: impl Into<String>) -> Builder {
        Builder::new(name, version)
    }
}
