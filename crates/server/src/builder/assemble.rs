use std::{collections::HashSet, mem::take};

use anyport_protocol::{
    Error, Raw,
    types::{self, JsonObject, PromptsCapability, ResourcesCapability, ServerCapabilities, ToolsCapability},
};
use anyport_service::seal::{Key, NoRandomness, Sealer};
use serde::Serialize;

use super::{BuildError, Builder, DEFAULT_LIST_TTL};
use crate::{
    Events, List, Prompt, Resource, Server, Template, Tool,
    ask::Vault,
    complete::Completers,
    life::Life,
    list::{Pages, Writing},
    prompt,
    resource::{ResourceEntry, TemplateEntry},
    server::{Inner, Lists, Offers},
    tool,
    write::{Freshness, Identity, ResultWriter},
};

/// Puts the server together.
pub(super) fn assemble(mut builder: Builder) -> Result<Server, BuildError> {
    let mut problems = Vec::new();
    if builder.info.name.is_empty() {
        problems.push("server: it needs a name".to_owned());
    }
    if builder.versions.is_empty() {
        problems.push("server: it must support a version".to_owned());
    }
    problems.extend(builder.states.twice().map(|name| format!("server: the state `{name}` is given twice")));
    problems.extend(lacking_states(&builder));
    let parts = Parts::compile(&mut builder, &mut problems);
    if !problems.is_empty() {
        return Err(BuildError { problems });
    }
    let failed = |error: String| BuildError { problems: vec![format!("server: {error}")] };
    let sealer = sealer(&builder.keys).map_err(|error| failed(error.to_string()))?;
    let identity = Identity::of(&builder.info).map_err(|error| failed(error.to_string()))?;
    parts.serve(builder, sealer, identity).map_err(|error| failed(error.to_string()))
}

/// Everything that a server offers, compiled.
struct Parts {
    tools: Entries<types::Tool, tool::Entry>,
    resources: Entries<types::Resource, ResourceEntry>,
    templates: Entries<types::ResourceTemplate, TemplateEntry>,
    prompts: Entries<types::Prompt, prompt::Entry>,
}

/// Keys, what is listed, and what is called; in the order in which they were added.
type Entries<D, E> = Vec<(String, D, E)>;

impl Parts {
    fn compile(builder: &mut Builder, problems: &mut Vec<String>) -> Self {
        let Builder { tools, resources, templates, prompts, .. } = builder;
        Self {
            tools: compile("tool", take(tools), Tool::name, tool::Entry::compile, problems),
            resources: compile("resource", take(resources), Resource::uri, ResourceEntry::compile, problems),
            templates: compile(
                "template",
                take(templates),
                Template::uri_template,
                TemplateEntry::compile,
                problems,
            ),
            prompts: compile("prompt", take(prompts), Prompt::name, prompt::Entry::compile, problems),
        }
    }

    fn offers(&self) -> Offers {
        let completes = |completers: &Completers| completers.iter().any(|(_, completer)| completer.is_some());
        Offers {
            tools: !self.tools.is_empty(),
            resources: !self.resources.is_empty() || !self.templates.is_empty(),
            prompts: !self.prompts.is_empty(),
            completions: self.prompts.iter().any(|(.., entry)| completes(entry.completers()))
                || self.templates.iter().any(|(.., entry)| completes(entry.completers())),
        }
    }

    fn serve(self, builder: Builder, sealer: Sealer, identity: Identity) -> Result<Server, Error> {
        let offers = self.offers();
        let discovery = discovery(&builder, offers, &identity)?;
        let writing = Writing { sealer: &sealer, identity: &identity };
        let lists = Lists {
            tools: pages(List::Tools, &self.tools, &builder, &writing)?,
            resources: pages(List::Resources, &self.resources, &builder, &writing)?,
            templates: pages(List::Templates, &self.templates, &builder, &writing)?,
            prompts: pages(List::Prompts, &self.prompts, &builder, &writing)?,
        };
        let Builder { state_ttl: ttl, state_bytes: bytes, clock, limits, life, states, .. } = builder;
        let life = Life::new(life);
        let over = life.refused.state_bytes.clone();
        let vault = Vault { sealer, ttl, bytes, clock, replays: Default::default(), over };
        Ok(Server::of(Inner {
            identity,
            tools: self.tools.into_iter().map(|(name, _, entry)| (name, entry)).collect(),
            resources: self.resources.into_iter().map(|(uri, _, entry)| (uri, entry)).collect(),
            templates: self.templates.into_iter().map(|(.., entry)| entry).collect(),
            prompts: self.prompts.into_iter().map(|(name, _, entry)| (name, entry)).collect(),
            lists,
            discovery,
            offers,
            limits,
            vault,
            life,
            events: Events::default(),
            states,
        }))
    }
}

/// What the server's functions need and it does not have.
fn lacking_states(builder: &Builder) -> Vec<String> {
    let Builder { states, tools, resources, templates, prompts, .. } = builder;
    let tools = tools.iter().map(|tool| ("tool", tool.name(), tool.needed()));
    let resources = resources.iter().map(|resource| ("resource", resource.uri(), resource.needed()));
    let templates = templates.iter().map(|template| ("template", template.uri_template(), template.needed()));
    let prompts = prompts.iter().map(|prompt| ("prompt", prompt.name(), prompt.needed()));
    let parts = tools.chain(resources).chain(templates).chain(prompts);
    let lacking = |(kind, key, needs)| {
        states.lacking(needs).into_iter().map(move |problem| format!("{kind} {key:?}: {problem}"))
    };
    parts.flat_map(lacking).collect()
}

/// Compiles things of one kind, each name once, and notes every problem under the thing's name.
fn compile<T, D, E>(
    kind: &str,
    things: Vec<T>,
    key: impl Fn(&T) -> &str,
    compile: impl Fn(T) -> Result<(D, E), Vec<String>>,
    problems: &mut Vec<String>,
) -> Entries<D, E> {
    let mut seen = HashSet::new();
    let mut compiled = Vec::with_capacity(things.len());
    for thing in things {
        let key = key(&thing).to_owned();
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

/// Writes a list. It is the same for all callers.
fn pages<D: Serialize, E>(
    list: List,
    entries: &Entries<D, E>,
    builder: &Builder,
    writing: &Writing<'_>,
) -> Result<Pages, Error> {
    let ttl = builder.ttls.get(&list).copied().unwrap_or(DEFAULT_LIST_TTL);
    let items: Vec<(String, &D)> = entries.iter().map(|(key, item, _)| (key.clone(), item)).collect();
    Pages::build(list, &items, builder.page_size, Freshness { ttl, public: true }, writing)
}

fn sealer(keys: &[Key]) -> Result<Sealer, NoRandomness> {
    let Some((first, older)) = keys.split_first() else {
        tracing::warn!(
            "no state key was given: calls that wait for answers, and cursors, will not outlive this process"
        );
        return Ok(Sealer::new(&Key::random()?));
    };
    Ok(older.iter().fold(Sealer::new(first), Sealer::with_older))
}

/// What the server has is what it declares.
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
    if let Some(instructions) = &builder.instructions {
        result.text("instructions", instructions);
    }
    result.freshness(Freshness { ttl: builder.discover_ttl, public: true });
    result.finish(identity, None)
}
