use std::{
    collections::{HashMap, HashSet},
    fmt,
    time::Duration,
};

use anyport_protocol::{
    Raw, Revision,
    types::{
        DiscoverResult, Icon, Implementation, JsonObject, PromptsCapability, ResourcesCapability,
        ServerCapabilities, ToolsCapability,
    },
};
use anyport_service::seal::{Key, Sealer};
use serde::Serialize;

use crate::{
    Events, List, Prompt, Resource, Server, Template, Tool,
    ask::{Clock, DEFAULT_STATE_BYTES, DEFAULT_STATE_TTL, Vault},
    complete::Completers,
    list::{DEFAULT_PAGE_SIZE, Pages, Writing},
    listen::{DEFAULT_MAX_LISTENERS, DEFAULT_MAX_SUBSCRIPTIONS},
    prompt, resource,
    server::{Inner, Limits, Lists, Offers},
    tool,
    write::{Freshness, Identity},
};

/// For how long clients may keep lists and the discovery result, unless [`Builder::ttl`] and
/// [`Builder::discover_ttl`] say otherwise: five minutes, as in the specification's examples.
pub const DEFAULT_LIST_TTL: Duration = Duration::from_secs(300);

/// A server that is being put together.
#[derive(Debug)]
pub struct Builder {
    info: Implementation,
    instructions: Option<String>,
    versions: Vec<Revision>,
    extensions: JsonObject,
    tools: Vec<Tool>,
    resources: Vec<Resource>,
    templates: Vec<Template>,
    prompts: Vec<Prompt>,
    page_size: usize,
    ttls: HashMap<List, Duration>,
    discover_ttl: Duration,
    keys: Vec<Key>,
    state_ttl: Duration,
    state_bytes: usize,
    clock: Clock,
    limits: Limits,
}

/// All that is wrong with a server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildError {
    /// One line per problem: what it is about, and what to do.
    pub problems: Vec<String>,
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
            page_size: DEFAULT_PAGE_SIZE,
            ttls: HashMap::new(),
            discover_ttl: DEFAULT_LIST_TTL,
            keys: Vec::new(),
            state_ttl: DEFAULT_STATE_TTL,
            state_bytes: DEFAULT_STATE_BYTES,
            clock: Clock::default(),
            limits: Limits {
                max_subscriptions: DEFAULT_MAX_SUBSCRIPTIONS,
                max_listeners: DEFAULT_MAX_LISTENERS,
            },
        }
    }

    /// Its name for people.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.info.title = Some(title.into());
        self
    }

    /// What it does, for people.
    #[must_use]
    pub fn description(mut self, description: impl Into<String>) -> Self {
        self.info.description = Some(description.into());
        self
    }

    /// Its website.
    #[must_use]
    pub fn website(mut self, url: impl Into<String>) -> Self {
        self.info.website_url = Some(url.into());
        self
    }

    /// Adds an icon.
    #[must_use]
    pub fn icon(mut self, icon: Icon) -> Self {
        self.info.icons.get_or_insert_default().push(icon);
        self
    }

    /// How to use the server, for the model.
    #[must_use]
    pub fn instructions(mut self, instructions: impl Into<String>) -> Self {
        self.instructions = Some(instructions.into());
        self
    }

    /// Adds a tool.
    #[must_use]
    pub fn tool(mut self, tool: Tool) -> Self {
        self.tools.push(tool);
        self
    }

    /// Adds a resource.
    #[must_use]
    pub fn resource(mut self, resource: Resource) -> Self {
        self.resources.push(resource);
        self
    }

    /// Adds a template of resources. Where several could have made a URI, the one that was added first reads it.
    #[must_use]
    pub fn template(mut self, template: Template) -> Self {
        self.templates.push(template);
        self
    }

    /// Adds a prompt.
    #[must_use]
    pub fn prompt(mut self, prompt: Prompt) -> Self {
        self.prompts.push(prompt);
        self
    }

    /// Declares an extension with its settings.
    #[must_use]
    pub fn extension(mut self, id: impl Into<String>, settings: JsonObject) -> Self {
        self.extensions.insert(id.into(), settings.into());
        self
    }

    /// The revisions that `server/discover` names; what the transport around the server speaks. Unless set, all five,
    /// newest first.
    #[must_use]
    pub fn supported_versions(mut self, versions: &[Revision]) -> Self {
        self.versions = versions.to_vec();
        self
    }

    /// The most items on a page of a list.
    #[must_use]
    pub fn page_size(mut self, size: usize) -> Self {
        self.page_size = size;
        self
    }

    /// For how long clients may keep a list.
    #[must_use]
    pub fn ttl(mut self, list: List, ttl: Duration) -> Self {
        self.ttls.insert(list, ttl);
        self
    }

    /// For how long clients may keep the result of `server/discover`.
    #[must_use]
    pub fn discover_ttl(mut self, ttl: Duration) -> Self {
        self.discover_ttl = ttl;
        self
    }

    /// The key that seals states and cursors. Servers that share it continue each other's calls, and restarts do not
    /// lose any. Without it the server makes up a key, and says so in the log. Called again, it adds an older key,
    /// whose seals are still good.
    #[must_use]
    pub fn state_key(mut self, key: Key) -> Self {
        self.keys.push(key);
        self
    }

    /// How long a client may take to come back with answers.
    #[must_use]
    pub fn state_ttl(mut self, ttl: Duration) -> Self {
        self.state_ttl = ttl;
        self
    }

    /// The longest `requestState` that is given out or taken back.
    #[must_use]
    pub fn state_bytes(mut self, bytes: usize) -> Self {
        self.state_bytes = bytes;
        self
    }

    /// The clock by which states expire.
    #[must_use]
    pub fn clock(mut self, clock: Clock) -> Self {
        self.clock = clock;
        self
    }

    /// The most resources that one listen stream may subscribe to; what is beyond is not acknowledged.
    #[must_use]
    pub fn max_subscriptions(mut self, limit: usize) -> Self {
        self.limits.max_subscriptions = limit;
        self
    }

    /// The most listen streams that may be open at a time.
    #[must_use]
    pub fn max_listeners(mut self, limit: usize) -> Self {
        self.limits.max_listeners = limit;
        self
    }

    /// Puts the server together.
    ///
    /// # Errors
    /// All problems at once.
    pub fn build(self) -> Result<Server, BuildError> {
        let mut problems = Vec::new();
        if self.info.name.is_empty() {
            problems.push("server: it needs a name".to_owned());
        }
        if self.versions.is_empty() {
            problems.push("server: it must support a version".to_owned());
        }
        let tools =
            compile("tool", self.tools, |tool| tool.name().to_owned(), tool::Entry::compile, &mut problems);
        let resources = compile(
            "resource",
            self.resources,
            |resource| resource.uri().to_owned(),
            resource::ResourceEntry::compile,
            &mut problems,
        );
        let templates = compile(
            "template",
            self.templates,
            |template| template.uri_template().to_owned(),
            resource::TemplateEntry::compile,
            &mut problems,
        );
        let prompts = compile(
            "prompt",
            self.prompts,
            |prompt| prompt.name().to_owned(),
            prompt::Entry::compile,
            &mut problems,
        );
        let completes = |completers: &Completers| completers.iter().any(|(_, completer)| completer.is_some());
        let offers = Offers {
            tools: !tools.is_empty(),
            resources: !resources.is_empty() || !templates.is_empty(),
            prompts: !prompts.is_empty(),
            completions: prompts.iter().any(|(.., entry)| completes(entry.completers()))
                || templates.iter().any(|(.., entry)| completes(entry.completers())),
        };
        let sealer = sealer(&self.keys).map_err(|error| problems.push(format!("server: {error}"))).ok();
        let identity =
            Identity::of(&self.info).map_err(|error| problems.push(format!("server: {error}"))).ok();
        let (Some(sealer), Some(identity), true) = (sealer, identity, problems.is_empty()) else {
            return Err(BuildError { problems });
        };
        let writing = Writing { sealer: &sealer, identity: &identity };
        let ttl = |list| self.ttls.get(&list).copied().unwrap_or(DEFAULT_LIST_TTL);
        // Lists are the same for all callers.
        let fresh = |list| Freshness { ttl: ttl(list), public: true };
        let size = self.page_size;
        let lists = || {
            Ok(Lists {
                tools: pages(List::Tools, &tools, size, fresh(List::Tools), &writing)?,
                resources: pages(List::Resources, &resources, size, fresh(List::Resources), &writing)?,
                templates: pages(List::Templates, &templates, size, fresh(List::Templates), &writing)?,
                prompts: pages(List::Prompts, &prompts, size, fresh(List::Prompts), &writing)?,
            })
        };
        let failed =
            |error: anyport_protocol::Error| BuildError { problems: vec![format!("server: {error}")] };
        let lists = lists().map_err(failed)?;
        let capabilities = capabilities(offers, self.extensions);
        let freshness = Freshness { ttl: self.discover_ttl, public: true };
        let discovery = discovery(&self.versions, capabilities, self.instructions, freshness, &identity)
            .map_err(failed)?;
        let vault = Vault {
            sealer,
            ttl: self.state_ttl,
            bytes: self.state_bytes,
            clock: self.clock,
            replays: Default::default(),
        };
        Ok(Server::of(Inner {
            identity,
            tools: tools.into_iter().map(|(name, _, entry)| (name, entry)).collect(),
            resources: resources.into_iter().map(|(uri, _, entry)| (uri, entry)).collect(),
            templates: templates.into_iter().map(|(.., entry)| entry).collect(),
            prompts: prompts.into_iter().map(|(name, _, entry)| (name, entry)).collect(),
            lists,
            discovery,
            offers,
            limits: self.limits,
            vault,
            events: Events::default(),
        }))
    }
}

/// Compiles things of one kind, each name once, and notes every problem under the thing's name.
fn compile<T, D, E>(
    kind: &str,
    things: Vec<T>,
    key: impl Fn(&T) -> String,
    compile: impl Fn(T) -> Result<(D, E), Vec<String>>,
    problems: &mut Vec<String>,
) -> Vec<(String, D, E)> {
    let mut seen = HashSet::new();
    let mut compiled = Vec::with_capacity(things.len());
    for thing in things {
        let key = key(&thing);
        if !seen.insert(key.clone()) {
            problems.push(format!("{kind} {key:?}: declared twice"));
        }
        match compile(thing) {
            Ok((definition, entry)) => compiled.push((key, definition, entry)),
            Err(found) => {
                problems.extend(found.into_iter().map(|problem| format!("{kind} {key:?}: {problem}")))
            }
        }
    }
    compiled
}

fn pages<D: Serialize, E>(
    list: List,
    entries: &[(String, D, E)],
    size: usize,
    freshness: Freshness,
    writing: &Writing<'_>,
) -> Result<Pages, anyport_protocol::Error> {
    let items: Vec<(String, &D)> = entries.iter().map(|(key, item, _)| (key.clone(), item)).collect();
    Pages::build(list, &items, size, freshness, writing)
}

fn sealer(keys: &[Key]) -> Result<Sealer, anyport_service::seal::NoRandomness> {
    let Some((first, older)) = keys.split_first() else {
        tracing::warn!(
            "no state key was given: calls that wait for answers, and cursors, will not outlive this process"
        );
        return Ok(Sealer::new(&Key::random()?));
    };
    Ok(older.iter().fold(Sealer::new(first), Sealer::with_older))
}

/// What the server has is what it declares.
fn capabilities(offers: Offers, extensions: JsonObject) -> ServerCapabilities {
    ServerCapabilities {
        tools: offers.tools.then(|| ToolsCapability { list_changed: Some(true), ..Default::default() }),
        resources: offers.resources.then(|| ResourcesCapability {
            subscribe: Some(true),
            list_changed: Some(true),
            ..Default::default()
        }),
        prompts: offers.prompts.then(|| PromptsCapability { list_changed: Some(true), ..Default::default() }),
        completions: offers.completions.then(JsonObject::new),
        // 2026-07-28, logging §Capabilities: "Servers that emit log message notifications MUST declare the `logging`
        // capability"; any handler may.
        logging: Some(JsonObject::new()),
        extensions: (!extensions.is_empty()).then_some(extensions),
        ..ServerCapabilities::default()
    }
}

fn discovery(
    versions: &[Revision],
    capabilities: ServerCapabilities,
    instructions: Option<String>,
    freshness: Freshness,
    identity: &Identity,
) -> Result<Raw, anyport_protocol::Error> {
    let versions = versions.iter().map(|version| version.as_str().to_owned()).collect();
    let DiscoverResult { supported_versions, capabilities, .. } = DiscoverResult::new(versions, capabilities);
    let mut result = crate::write::ResultWriter::complete(512);
    result.value("supportedVersions", &supported_versions)?;
    result.value("capabilities", &capabilities)?;
    if let Some(instructions) = &instructions {
        result.text("instructions", instructions);
    }
    result.freshness(freshness);
    result.finish(identity, None)
}

impl fmt::Display for BuildError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the server cannot be built:")?;
        self.problems.iter().try_for_each(|problem| write!(f, "\n- {problem}"))
    }
}

impl std::error::Error for BuildError {}
