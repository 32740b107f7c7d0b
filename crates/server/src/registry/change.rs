use std::sync::{Arc, PoisonError};

use anyport_service::Principal;

use super::{Item, Items, Kinds, Mounted, Offered, Registry, Shelf, Visible, merge};
use crate::{
    BuildError, List, Part, prompt,
    resource::{ResourceEntry, TemplateEntry},
    server::{Core, Offers},
    state::Needed,
    tool,
};

/// Changes of what a server offers, which happen at once or not at all. See [`crate::Server::change`].
#[derive(Debug, Default)]
pub struct Change {
    operations: Vec<Operation>,
    /// What it cannot do without, of the server's state.
    needs: Vec<Needed>,
    problems: Vec<String>,
}

#[derive(Debug)]
enum Operation {
    Add(Compiled),
    Replace(Compiled),
    Remove(List, String),
}

/// Anything that a server offers, compiled.
pub(crate) enum Compiled {
    Tool(Item<tool::Entry>),
    Resource(Item<ResourceEntry>),
    Template(Item<TemplateEntry>),
    Prompt(Item<prompt::Entry>),
}

impl Change {
    /// Adds something new, behind everything else of its kind.
    pub fn add(&mut self, part: impl Into<Part>) -> &mut Self {
        self.compiled(part.into(), Operation::Add)
    }

    /// Puts something in the place of what has the same name or URI; if there is nothing, adds it.
    pub fn replace(&mut self, part: impl Into<Part>) -> &mut Self {
        self.compiled(part.into(), Operation::Replace)
    }

    /// Removes the tool `name`, if there is one.
    pub fn remove_tool(&mut self, name: impl Into<String>) -> &mut Self {
        self.remove(List::Tools, name.into())
    }

    /// Removes the resource at `uri`, if there is one.
    pub fn remove_resource(&mut self, uri: impl Into<String>) -> &mut Self {
        self.remove(List::Resources, uri.into())
    }

    /// Removes the template that is written like `template`, if there is one.
    pub fn remove_template(&mut self, template: impl Into<String>) -> &mut Self {
        self.remove(List::Templates, template.into())
    }

    /// Removes the prompt `name`, if there is one.
    pub fn remove_prompt(&mut self, name: impl Into<String>) -> &mut Self {
        self.remove(List::Prompts, name.into())
    }

    fn compiled(&mut self, part: Part, operation: fn(Compiled) -> Operation) -> &mut Self {
        self.needs.push(Needed::of_part(&part));
        match Compiled::of(part) {
            Ok(compiled) => self.operations.push(operation(compiled)),
            Err(problems) => self.problems.extend(problems),
        }
        self
    }

    pub(crate) fn remove(&mut self, list: List, key: String) -> &mut Self {
        self.operations.push(Operation::Remove(list, key));
        self
    }
}

impl Compiled {
    pub(crate) fn of(part: Part) -> Result<Self, Vec<String>> {
        Ok(match part {
            Part::Tool(tool) => Self::Tool(Item::compile(tool)?),
            Part::Resource(resource) => Self::Resource(Item::compile(resource)?),
            Part::Template(template) => Self::Template(Item::compile(template)?),
            Part::Prompt(prompt) => Self::Prompt(Item::compile(prompt)?),
        })
    }

    fn list(&self) -> List {
        match self {
            Self::Tool(_) => List::Tools,
            Self::Resource(_) => List::Resources,
            Self::Template(_) => List::Templates,
            Self::Prompt(_) => List::Prompts,
        }
    }

    fn key(&self) -> &str {
        match self {
            Self::Tool(item) => &item.key,
            Self::Resource(item) => &item.key,
            Self::Template(item) => &item.key,
            Self::Prompt(item) => &item.key,
        }
    }

    /// Whether something in it can be completed.
    fn completes(&self) -> bool {
        match self {
            Self::Tool(_) | Self::Resource(_) => false,
            Self::Template(item) => item.entry().completers().iter().any(|(_, function)| function.is_some()),
            Self::Prompt(item) => item.entry().completers().iter().any(|(_, function)| function.is_some()),
        }
    }
}

/// What came of a change.
#[derive(Debug)]
pub(crate) struct Changed {
    /// What is no longer as it was.
    pub(crate) kinds: Kinds,
    /// Who could see what changed, of tools, of prompts, and of what can be read.
    pub(crate) tools: Audience,
    pub(crate) prompts: Audience,
    pub(crate) resources: Audience,
    /// How many things there were that were to be removed or replaced.
    pub(crate) found: usize,
}

/// Who can see a change.
#[derive(Clone, Debug)]
pub(crate) enum Audience {
    Everybody,
    /// Those whom one of these lets.
    Some(Vec<Visible>),
}

impl Audience {
    pub(crate) fn has(&self, principal: &Principal) -> bool {
        match self {
            Self::Everybody => true,
            Self::Some(rules) => rules.iter().any(|rule| rule.allows(principal)),
        }
    }

    /// Also those whom `seen_by` lets.
    pub(crate) fn join(&mut self, seen_by: Option<Visible>) {
        match (&mut *self, seen_by) {
            (Self::Some(rules), Some(rule)) => rules.push(rule),
            _ => *self = Self::Everybody,
        }
    }

    fn and(mut self, other: Self) -> Self {
        match (&mut self, other) {
            (Self::Some(rules), Self::Some(others)) => {
                rules.extend(others);
                self
            }
            _ => Self::Everybody,
        }
    }
}

impl Core {
    /// Changes what the server offers, and tells of it. Returns how many things were found that were to be removed or
    /// replaced.
    ///
    /// # Errors
    /// All that stands against it; then nothing changes.
    pub(crate) fn change(&self, mut change: Change) -> Result<usize, BuildError> {
        let lacking = change.needs.iter().flat_map(|needed| self.states.lacking(needed));
        change.problems.extend(lacking);
        let changed = {
            let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let (next, changed) = apply(change, &self.registry.load_full(), &self.mounts, self.offers)?;
            if changed.kinds != Kinds::default() {
                self.registry.store(Arc::new(next));
            }
            changed
        };
        if changed.kinds != Kinds::default() {
            // Where it is mounted must offer it before anybody hears of it.
            self.spread(changed.kinds);
            self.events.changed(&changed);
        }
        Ok(changed.found)
    }

    /// Has the servers in which this one is mounted offer what it offers now.
    fn spread(&self, kinds: Kinds) {
        for host in self.hosts() {
            host.refresh(kinds);
        }
    }

    /// Takes over what the mounted servers offer now.
    pub(crate) fn refresh(&self, kinds: Kinds) {
        {
            let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.registry.load_full();
            let mut problems = Vec::new();
            let next = merge(Own::of(&now, kinds), &now, &self.mounts, &mut problems);
            for problem in problems {
                tracing::warn!(server = self.about.name, problem, "something that is mounted is left out");
            }
            self.registry.store(Arc::new(next));
        }
        self.spread(kinds);
    }
}

/// Makes the registry that follows `now`.
///
/// # Errors
/// All that stands against it; then nothing changes.
pub(crate) fn apply(
    change: Change,
    now: &Registry,
    mounts: &[Mounted],
    offers: Offers,
) -> Result<(Registry, Changed), BuildError> {
    let Change { operations, mut problems, .. } = change;
    let mut tools = Draft::of(&now.tools);
    let mut resources = Draft::of(&now.resources);
    let mut templates = Draft::of(&now.templates);
    let mut prompts = Draft::of(&now.prompts);
    for operation in operations {
        let (compiled, replaces) = match operation {
            Operation::Remove(List::Tools, key) => {
                tools.remove(&key);
                continue;
            }
            Operation::Remove(List::Resources, key) => {
                resources.remove(&key);
                continue;
            }
            Operation::Remove(List::Templates, key) => {
                templates.remove(&key);
                continue;
            }
            Operation::Remove(List::Prompts, key) => {
                prompts.remove(&key);
                continue;
            }
            Operation::Add(compiled) => (compiled, false),
            Operation::Replace(compiled) => (compiled, true),
        };
        problems.extend(lacks(offers, &compiled));
        let problem = match compiled {
            Compiled::Tool(item) => tools.put::<crate::Tool>(item, replaces),
            Compiled::Resource(item) => resources.put::<crate::Resource>(item, replaces),
            Compiled::Template(item) => templates.put::<crate::Template>(item, replaces),
            Compiled::Prompt(item) => prompts.put::<crate::Prompt>(item, replaces),
        };
        problems.extend(problem);
    }
    if !problems.is_empty() {
        return Err(BuildError { problems });
    }
    let found = tools.found + resources.found + templates.found + prompts.found;
    let kinds = Kinds {
        tools: tools.is_other(),
        resources: resources.is_other(),
        templates: templates.is_other(),
        prompts: prompts.is_other(),
    };
    let changed = Changed {
        kinds,
        tools: tools.audience.clone(),
        prompts: prompts.audience.clone(),
        resources: resources.audience.clone().and(templates.audience.clone()),
        found,
    };
    let own = Own {
        tools: tools.own.filter(|_| kinds.tools),
        resources: resources.own.filter(|_| kinds.resources),
        templates: templates.own.filter(|_| kinds.templates),
        prompts: prompts.own.filter(|_| kinds.prompts),
    };
    Ok((merge(own, now, mounts, &mut Vec::new()), changed))
}

/// What the server itself offers, of those kinds that are made anew.
#[derive(Default)]
pub(crate) struct Own {
    pub(crate) tools: Option<Items<tool::Entry>>,
    pub(crate) resources: Option<Items<ResourceEntry>>,
    pub(crate) templates: Option<Items<TemplateEntry>>,
    pub(crate) prompts: Option<Items<prompt::Entry>>,
}

impl Own {
    /// What stands on `now`, of these kinds.
    pub(crate) fn of(now: &Registry, kinds: Kinds) -> Self {
        Self {
            tools: kinds.tools.then(|| now.tools.own()),
            resources: kinds.resources.then(|| now.resources.own()),
            templates: kinds.templates.then(|| now.templates.own()),
            prompts: kinds.prompts.then(|| now.prompts.own()),
        }
    }
}

/// What the server would have had to declare before it can have this. Clients of older revisions are told what there is
/// once, when they connect.
fn lacks(offers: Offers, compiled: &Compiled) -> Option<String> {
    let (kind, list, has) = match compiled.list() {
        List::Tools => ("tool", "Tools", offers.tools),
        List::Resources => ("resource", "Resources", offers.resources),
        List::Templates => ("template", "Templates", offers.resources),
        List::Prompts => ("prompt", "Prompts", offers.prompts),
    };
    let what = if !has {
        format!("any {kind}s")
    } else if compiled.completes() && !offers.completions {
        "completion".to_owned()
    } else {
        return None;
    };
    Some(format!(
        "{kind} {:?}: the server did not declare {what} when it was built, and clients are told but once; build it \
         with `.dynamic([List::{list}])`",
        compiled.key()
    ))
}

/// The next shelf, as far as it is made.
struct Draft<'a, E> {
    now: &'a Shelf<E>,
    own: Option<Items<E>>,
    audience: Audience,
    found: usize,
}

impl<'a, E> Draft<'a, E> {
    fn of(now: &'a Shelf<E>) -> Self {
        Self { now, own: None, audience: Audience::Some(Vec::new()), found: 0 }
    }

    fn own(&mut self) -> &mut Items<E> {
        self.own.get_or_insert_with(|| self.now.own())
    }

    fn put<T: Offered<Entry = E>>(&mut self, item: Item<E>, replaces: bool) -> Option<String> {
        let key = item.key.clone();
        if self.now.items().get(&key).is_some_and(|item| !item.is_own()) {
            return Some(format!(
                "{} {key:?}: a mounted server offers it already; choose another name, or change it there",
                T::KIND
            ));
        }
        let visible = item.visible.clone();
        let own = self.own();
        if !replaces && own.contains_key(&key) {
            let hint = "there is one already; remove it first, or replace it";
            return Some(format!("{} {key:?}: {hint}", T::KIND));
        }
        if let Some(old) = own.insert(key, Arc::new(item)) {
            self.found += 1;
            self.audience.join(old.visible.clone());
        }
        self.audience.join(visible);
        None
    }

    fn remove(&mut self, key: &str) {
        if let Some(old) = self.own().shift_remove(key) {
            self.found += 1;
            self.audience.join(old.visible.clone());
        }
    }

    /// Whether it differs from what there is.
    fn is_other(&self) -> bool {
        let Some(own) = &self.own else { return false };
        let now = self.now.items().values().filter(|item| item.is_own());
        !now.map(Arc::as_ptr).eq(own.values().map(Arc::as_ptr))
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({:?})", self.list(), self.key())
    }
}
