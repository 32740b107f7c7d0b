//! Merges the server's own entries with those of mounted servers.

use std::sync::Arc;

use super::{
    catalog::{Catalog, Item, Items, Target},
    offered::Offered,
    snapshot::{ChangedKinds, Registry},
};
use crate::{
    Prompt, Resource, Template, Tool, prompt,
    rename::renamed,
    resource::{ResourceEntry, TemplateEntry},
    tool,
    tool::is_tool_name,
    visibility::VisibilityRule,
};

/// The snapshot of a mounted server, with its mount settings.
pub(crate) struct MountedCatalog<'a> {
    /// The name of the server.
    pub(crate) server: &'a str,
    /// The prefix of its names here, separator included; empty without a prefix.
    pub(crate) prefix: &'a str,
    /// Whether its resources and templates are offered, too.
    pub(crate) resources: bool,
    pub(crate) visible: Option<&'a VisibilityRule>,
    /// One snapshot, so that its kinds fit each other.
    pub(crate) registry: Arc<Registry>,
}

/// The server's own entries, of the kinds that are merged again.
#[derive(Default)]
pub(crate) struct OwnItems {
    pub(crate) tools: Option<Items<tool::Entry>>,
    pub(crate) resources: Option<Items<ResourceEntry>>,
    pub(crate) templates: Option<Items<TemplateEntry>>,
    pub(crate) prompts: Option<Items<prompt::Entry>>,
}

impl OwnItems {
    /// The entries of `now`, of these kinds.
    pub(crate) fn of(now: &Registry, kinds: ChangedKinds) -> Self {
        Self {
            tools: kinds.tools.then(|| now.tools.own()),
            resources: kinds.resources.then(|| now.resources.own()),
            templates: kinds.templates.then(|| now.templates.own()),
            prompts: kinds.prompts.then(|| now.prompts.own()),
        }
    }
}

/// The registry of what is the server's own and what is mounted; kinds that are not in `own` stay as they are now.
/// What cannot be offered is left out, and noted.
pub(crate) fn merge(
    own: OwnItems,
    now: &Registry,
    mounts: &[MountedCatalog<'_>],
    problems: &mut Vec<String>,
) -> Registry {
    let every = || mounts.iter().enumerate();
    let readable = || every().filter(|(_, mounted)| mounted.resources);
    let mut next = now.clone();
    if let Some(own) = own.tools {
        let theirs = every().map(|(place, mounted)| (place, mounted, &*mounted.registry.tools));
        next.tools = merged::<Tool>(own, &now.tools, theirs, problems);
    }
    if let Some(own) = own.resources {
        let theirs = readable().map(|(place, mounted)| (place, mounted, &*mounted.registry.resources));
        next.resources = merged::<Resource>(own, &now.resources, theirs, problems);
    }
    if let Some(own) = own.templates {
        let theirs = readable().map(|(place, mounted)| (place, mounted, &*mounted.registry.templates));
        next.templates = merged::<Template>(own, &now.templates, theirs, problems);
    }
    if let Some(own) = own.prompts {
        let theirs = every().map(|(place, mounted)| (place, mounted, &*mounted.registry.prompts));
        next.prompts = merged::<Prompt>(own, &now.prompts, theirs, problems);
    }
    next
}

/// Puts what is mounted behind what is the server's own.
fn merged<'a, T>(
    own: Items<T::Entry>,
    now: &Catalog<T::Entry>,
    theirs: impl Iterator<Item = (usize, &'a MountedCatalog<'a>, &'a Catalog<T::Entry>)>,
    problems: &mut Vec<String>,
) -> Arc<Catalog<T::Entry>>
where
    T: Offered<Entry: 'a> + Named,
{
    let mut items = own;
    for (place, mounted, theirs) in theirs {
        for theirs in theirs.items().values() {
            let prefix = if T::RENAMED { mounted.prefix } else { "" };
            let key: Arc<str> =
                if prefix.is_empty() { theirs.key.clone() } else { format!("{prefix}{}", theirs.key).into() };
            let visible = VisibilityRule::both(theirs.visible.clone(), mounted.visible.cloned());
            if let Some(there) = items.get(&key) {
                if is_same(there, theirs) {
                    // The same server is mounted twice: a caller that sees either sees it.
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
            // Unchanged lists are not written again.
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

fn clash(kind: &str, key: &str, mounted: &MountedCatalog<'_>, renamed: bool) -> String {
    let name = mounted.server;
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
        is_tool_name(name)
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
