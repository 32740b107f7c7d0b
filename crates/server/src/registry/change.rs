use std::sync::{Arc, PoisonError};

use anyport_service::Principal;

use super::{
    ChangedKinds, Item, VisibilityRule,
    draft::{OwnItems, apply},
    merge,
};
use crate::{
    BuildError, List, Part, prompt,
    resource::{ResourceEntry, TemplateEntry},
    server::Core,
    state::StateDependency,
    tool,
};

/// Changes of what a server offers, which happen at once or not at all. See [`crate::Server::change`].
#[derive(Debug, Default)]
pub struct Change {
    pub(super) operations: Vec<Operation>,
    /// What it cannot do without, of the server's state.
    needs: Vec<StateDependency>,
    pub(super) problems: Vec<String>,
}

#[derive(Debug)]
pub(super) enum Operation {
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
        self.needs.push(StateDependency::of_part(&part));
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

    pub(super) fn list(&self) -> List {
        match self {
            Self::Tool(_) => List::Tools,
            Self::Resource(_) => List::Resources,
            Self::Template(_) => List::Templates,
            Self::Prompt(_) => List::Prompts,
        }
    }

    pub(super) fn key(&self) -> &str {
        match self {
            Self::Tool(item) => &item.key,
            Self::Resource(item) => &item.key,
            Self::Template(item) => &item.key,
            Self::Prompt(item) => &item.key,
        }
    }

    /// Whether something in it can be completed.
    pub(super) fn completes(&self) -> bool {
        match self {
            Self::Tool(_) | Self::Resource(_) => false,
            Self::Template(item) => item.entry().completers().iter().any(|(_, function)| function.is_some()),
            Self::Prompt(item) => item.entry().completers().iter().any(|(_, function)| function.is_some()),
        }
    }
}

/// What came of a change.
#[derive(Debug)]
pub(crate) struct AppliedChange {
    /// What is no longer as it was.
    pub(crate) kinds: ChangedKinds,
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
    Some(Vec<VisibilityRule>),
}

impl Audience {
    pub(crate) fn has(&self, principal: &Principal) -> bool {
        match self {
            Self::Everybody => true,
            Self::Some(rules) => rules.iter().any(|rule| rule.allows(principal)),
        }
    }

    /// Also those whom `seen_by` lets.
    pub(crate) fn join(&mut self, seen_by: Option<VisibilityRule>) {
        match (&mut *self, seen_by) {
            (Self::Some(rules), Some(rule)) => rules.push(rule),
            _ => *self = Self::Everybody,
        }
    }

    pub(super) fn and(mut self, other: Self) -> Self {
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
            if changed.kinds != ChangedKinds::default() {
                self.registry.store(Arc::new(next));
            }
            changed
        };
        if changed.kinds != ChangedKinds::default() {
            // Where it is mounted must offer it before anybody hears of it.
            self.spread(changed.kinds);
            self.events.changed(&changed);
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
    pub(crate) fn refresh(&self, kinds: ChangedKinds) {
        {
            let _writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
            let now = self.registry.load_full();
            let mut problems = Vec::new();
            let next = merge(OwnItems::of(&now, kinds), &now, &self.mounts, &mut problems);
            for problem in problems {
                tracing::warn!(server = self.about.name, problem, "something that is mounted is left out");
            }
            self.registry.store(Arc::new(next));
        }
        self.spread(kinds);
    }
}

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({:?})", self.list(), self.key())
    }
}
