//! The common trait of the four kinds.

use anyport_protocol::types;
use serde::Serialize;

use crate::{
    Part, Prompt, Resource, Template, Tool, prompt,
    resource::{ResourceEntry, TemplateEntry},
    state::{StateDependency, StateType},
    tool,
    visibility::VisibilityRule,
};

/// A kind of thing that a server offers.
pub(crate) trait Offered {
    /// The list entry.
    type Definition: Serialize;
    /// The callable part.
    type Entry;
    /// Its noun in errors.
    const KIND: &'static str;

    fn key(&self) -> &str;
    fn visible(&mut self) -> Option<VisibilityRule>;
    /// The states that its function needs.
    fn needs(&self) -> &[StateType];
    fn compile(self) -> Result<(Self::Definition, Self::Entry), Vec<String>>;

    /// Its dependency, in the words of errors.
    fn dependency(&self) -> StateDependency {
        StateDependency::new(format!("{} {:?}", Self::KIND, self.key()), self.needs())
    }
}

impl Offered for Tool {
    type Definition = types::Tool;
    type Entry = tool::Entry;
    const KIND: &'static str = "tool";

    fn key(&self) -> &str {
        self.name()
    }

    fn visible(&mut self) -> Option<VisibilityRule> {
        self.visible.take()
    }

    fn needs(&self) -> &[StateType] {
        &self.needs
    }

    fn compile(self) -> Result<(types::Tool, tool::Entry), Vec<String>> {
        tool::Entry::compile(self)
    }
}

impl Offered for Resource {
    type Definition = types::Resource;
    type Entry = ResourceEntry;
    const KIND: &'static str = "resource";

    fn key(&self) -> &str {
        self.uri()
    }

    fn visible(&mut self) -> Option<VisibilityRule> {
        self.visible.clone()
    }

    fn needs(&self) -> &[StateType] {
        &self.needs
    }

    fn compile(self) -> Result<(types::Resource, ResourceEntry), Vec<String>> {
        ResourceEntry::compile(self)
    }
}

impl Offered for Template {
    type Definition = types::ResourceTemplate;
    type Entry = TemplateEntry;
    const KIND: &'static str = "template";

    fn key(&self) -> &str {
        self.uri_template()
    }

    fn visible(&mut self) -> Option<VisibilityRule> {
        self.visible.clone()
    }

    fn needs(&self) -> &[StateType] {
        &self.needs
    }

    fn compile(self) -> Result<(types::ResourceTemplate, TemplateEntry), Vec<String>> {
        TemplateEntry::compile(self)
    }
}

impl Offered for Prompt {
    type Definition = types::Prompt;
    type Entry = prompt::Entry;
    const KIND: &'static str = "prompt";

    fn key(&self) -> &str {
        self.name()
    }

    fn visible(&mut self) -> Option<VisibilityRule> {
        self.visible.take()
    }

    fn needs(&self) -> &[StateType] {
        &self.needs
    }

    fn compile(self) -> Result<(types::Prompt, prompt::Entry), Vec<String>> {
        prompt::Entry::compile(self)
    }
}

/// The dependencies of `part`.
pub(crate) fn dependency_of(part: &Part) -> StateDependency {
    match part {
        Part::Tool(tool) => tool.dependency(),
        Part::Resource(resource) => resource.dependency(),
        Part::Template(template) => template.dependency(),
        Part::Prompt(prompt) => prompt.dependency(),
    }
}
