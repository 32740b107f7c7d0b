use std::{
    mem::take,
    sync::{Arc, Once},
};

use anyport_protocol::{
    Error, Raw,
    types::{JsonObject, PromptsCapability, ResourcesCapability, ServerCapabilities, ToolsCapability},
};
use anyport_seal::{Key, NoRandomness, Sealer};
use anyport_service::sync::Lock;
use arc_swap::ArcSwap;

use super::{
    definition::{Builder, DEFAULT_LIST_TTL},
    instructions::instructions,
};
use crate::{
    BuildError, Events, List, Server,
    ask::{StateScope, StateStore},
    background::BackgroundTasks,
    blocking::Pool,
    call_env::{CallEnv, CallResources, RefusalCounters},
    completer::Completers,
    core::{About, Core, Mounted, Ttls, catalogs},
    lifecycle::Lifecycle,
    mount_context::MountContext,
    registry::{Item, Items, Offered, Offers, OwnItems, Registry, merge},
    write::{Freshness, Identity, ResultWriter},
};

impl Builder {
    /// Builds the server.
    ///
    /// # Errors
    /// Returns all problems at once.
    pub fn build(self) -> Result<Server, BuildError> {
        assemble(self)
    }
}

/// Puts the server together.
fn assemble(mut builder: Builder) -> Result<Server, BuildError> {
    let mut problems = Vec::new();
    if builder.info.name.is_empty() {
        problems.push("server: it needs a name".to_owned());
    }
    if builder.versions.is_empty() {
        problems.push("server: it must support a version".to_owned());
    }
    problems.extend(builder.states.twice().map(|name| format!("server: the state `{name}` is given twice")));
    problems.extend(lacking_states(&builder));
    let own = OwnItems {
        tools: Some(compile(take(&mut builder.tools), &mut problems)),
        resources: Some(compile(take(&mut builder.resources), &mut problems)),
        templates: Some(compile(take(&mut builder.templates), &mut problems)),
        prompts: Some(compile(take(&mut builder.prompts), &mut problems)),
    };
    for (id, settings) in builder.mounts.iter().flat_map(|mounted| &mounted.core().about.extensions) {
        builder.extensions.entry(id.clone()).or_insert_with(|| settings.clone());
    }
    let registry = merge(own, &Registry::empty(), &catalogs(&builder.mounts), &mut problems);
    if !problems.is_empty() {
        return Err(BuildError { problems });
    }
    let failed = |error: String| BuildError { problems: vec![format!("server: {error}")] };
    let sealer = match &builder.sealer {
        Some(sealer) => sealer.clone(),
        None => sealer(&builder.keys).map_err(|error| failed(error.to_string()))?,
    };
    let identity = Identity::of(&builder.info).map_err(|error| failed(error.to_string()))?;
    let core = serve(builder, registry, sealer, identity).map_err(|error| failed(error.to_string()))?;
    Ok(Server::of(core))
}

fn serve(
    builder: Builder,
    registry: Registry,
    sealer: Sealer,
    identity: Identity,
) -> Result<Arc<Core>, Error> {
    let offers = offers(&registry, &builder.mounts, &builder.dynamic);
    let ttls = ttls(&builder);
    let discovery = discovery(&builder, offers, &identity)?;
    let Builder { info, instructions, extensions, mounts, page_size, clock, limits, .. } = builder;
    let (title, name) = (info.title, info.name);
    let server: Arc<str> = name.as_str().into();
    let about = About { name, title, instructions, extensions, page_size, ttls };
    let warning = (builder.keys.is_empty() && builder.sealer.is_none()).then(Once::new);
    let (ttl, bytes) = (builder.state_ttl, builder.state_bytes);
    let plan = builder.lifecycle;
    let metrics = &plan.metrics;
    let (too_long, too_many_replays) = (metrics.refusals("state_bytes"), metrics.refusals("max_replays"));
    let replays = Default::default();
    let store = StateStore { sealer, warning, ttl, bytes, clock, replays, too_long, too_many_replays };
    let resources = CallResources {
        events: Events::default(),
        states: builder.states,
        blocking: Pool::new(plan.max_blocking, plan.max_blocking_waiting, metrics),
        background: BackgroundTasks::new(plan.max_background, metrics),
        max_call_depth: plan.max_call_depth,
        default_timeout: plan.default_timeout,
        refused: RefusalCounters::new(metrics),
    };
    let (mount, store) = (MountContext::default(), Arc::new(store));
    let scope = Arc::new(StateScope { server, store, mount, host: None });
    let env = Arc::new(CallEnv { identity, scope, resources: Arc::new(resources) });
    let core = Arc::new(Core {
        about,
        registry: ArcSwap::from_pointee(registry),
        writer: Lock::new(()),
        mounts,
        hosts: Lock::default(),
        discovery,
        offers,
        limits,
        lifecycle: Lifecycle::new(plan),
        env,
    });
    let this = Arc::downgrade(&core);
    core.events().restrict(move |uri, caller| {
        this.upgrade().is_none_or(|core| core.registry.load().may_hear_of(uri, caller))
    });
    core.join();
    Ok(core)
}

/// The state that the server's functions need and the server lacks.
fn lacking_states(builder: &Builder) -> Vec<String> {
    let Builder { states, tools, resources, templates, prompts, .. } = builder;
    let tools = tools.iter().map(Offered::dependency);
    let resources = resources.iter().map(Offered::dependency);
    let templates = templates.iter().map(Offered::dependency);
    let parts = tools.chain(resources).chain(templates).chain(prompts.iter().map(Offered::dependency));
    parts.flat_map(|needed| states.lacking(&needed)).collect()
}

/// Compiles things of one kind, each name once, and notes every problem under the thing's name.
fn compile<T: Offered>(parts: Vec<T>, problems: &mut Vec<String>) -> Items<T::Entry> {
    let mut items = Items::with_capacity_and_hasher(parts.len(), Default::default());
    for part in parts {
        match Item::compile(part) {
            Ok(item) if items.contains_key(&item.key) => {
                problems.push(format!("{} {:?}: declared twice", T::KIND, item.key));
            }
            Ok(item) => {
                items.insert(item.key.clone(), Arc::new(item));
            }
            Err(found) => problems.extend(found),
        }
    }
    items
}

/// The entries of the server, its declared kinds, and its mounts.
fn offers(registry: &Registry, mounts: &[Mounted], dynamic: &[List]) -> Offers {
    let completes = |completers: &Completers| completers.iter().any(|(_, completer)| completer.is_some());
    let may_have = |lists: &[List]| dynamic.iter().any(|list| lists.contains(list));
    let own = Offers {
        tools: registry.tools.len() > 0 || may_have(&[List::Tools]),
        resources: registry.resources.len() > 0
            || registry.templates.len() > 0
            || may_have(&[List::Resources, List::Templates]),
        prompts: registry.prompts.len() > 0 || may_have(&[List::Prompts]),
        completions: registry.prompts.items().values().any(|item| completes(item.entry().completers()))
            || registry.templates.items().values().any(|item| completes(item.entry().completers()))
            || may_have(&[List::Prompts, List::Resources, List::Templates]),
    };
    mounts.iter().fold(own, |all, mounted| {
        let theirs = mounted.core().offers;
        Offers {
            tools: all.tools || theirs.tools,
            resources: all.resources || (theirs.resources && mounted.resources),
            prompts: all.prompts || theirs.prompts,
            completions: all.completions || theirs.completions,
        }
    })
}

/// A list is fresh for no longer than its parts are.
fn ttls(builder: &Builder) -> Ttls {
    let ttl = |list, of: fn(&Ttls) -> std::time::Duration| {
        let own = builder.ttls.get(&list).copied().unwrap_or(DEFAULT_LIST_TTL);
        builder
            .mounts
            .iter()
            .map(|mounted| of(&mounted.core().about.ttls))
            .fold(own, std::time::Duration::min)
    };
    let resources = ttl(List::Resources, |ttls| ttls.resources);
    Ttls {
        tools: ttl(List::Tools, |ttls| ttls.tools),
        resources,
        listed: builder.ttls.get(&List::Resources).map_or(std::time::Duration::ZERO, |_| resources),
        templates: ttl(List::Templates, |ttls| ttls.templates),
        prompts: ttl(List::Prompts, |ttls| ttls.prompts),
    }
}

fn sealer(keys: &[Key]) -> Result<Sealer, NoRandomness> {
    let Some((first, older)) = keys.split_first() else {
        return Ok(Sealer::new(&Key::random()?));
    };
    Ok(older.iter().fold(Sealer::new(first), Sealer::with_older))
}

/// The server declares the kinds of its entries.
fn capabilities(offers: Offers, extensions: &JsonObject) -> ServerCapabilities {
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
        extensions: (!extensions.is_empty()).then(|| extensions.clone()),
        ..ServerCapabilities::default()
    }
}

fn discovery(builder: &Builder, offers: Offers, identity: &Identity) -> Result<Raw, Error> {
    let versions: Vec<&str> = builder.versions.iter().map(|version| version.as_str()).collect();
    let mut result = ResultWriter::complete(512);
    result.value("supportedVersions", &versions)?;
    result.value("capabilities", &capabilities(offers, &builder.extensions))?;
    if let Some(instructions) = instructions(builder.instructions.as_deref(), &builder.mounts) {
        result.text("instructions", &instructions);
    }
    result.freshness(Freshness { ttl: builder.discover_ttl, public: true });
    result.finish(identity, None)
}
