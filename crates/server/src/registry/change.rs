use super::{catalog::Item, offered::dependency_of};
use crate::{
    List, Part, prompt,
    resource::{ResourceEntry, TemplateEntry},
    state::StateDependency,
    tool,
};

/// Changes of what a server offers, which happen at once or not at all. See [`crate::Server::change`].
#[derive(Debug, Default)]
pub struct Change {
    pub(super) operations: Vec<Operation>,
    /// The state that it needs.
    pub(crate) needs: Vec<StateDependency>,
    pub(crate) problems: Vec<String>,
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
        self.needs.push(dependency_of(&part));
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

impl std::fmt::Debug for Compiled {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?}({:?})", self.list(), self.key())
    }
}
