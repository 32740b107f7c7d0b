//! What a server offers: to whom, and how that changes while it runs.
//!
//! - [`Registry`]: all of it at one moment. It never changes; a call keeps the one that it began with.
//! - [`Catalog`]: all of one kind, and its list.
//! - [`change`]: what changes, and who sees it; [`draft`]: the next registry.
//! - [`mount`]: what other servers contribute; [`instructions`]: what they say of themselves.
//! - [`visible`]: who may see what.

mod catalog;
mod change;
mod draft;
mod instructions;
mod mount;
mod visible;

use std::sync::Arc;

use anyport_protocol::{types, uri::contains};
use anyport_service::Principal;
use serde::Serialize;

pub(crate) use catalog::{Catalog, Item, Items, Target};
pub use change::Change;
pub(crate) use change::{AppliedChange, Audience};
pub(crate) use draft::OwnItems;
pub(crate) use instructions::instructions;
pub use mount::Mount;
pub(crate) use mount::{MountContext, Mounted, merge, renamed, replaced};
pub(crate) use visible::VisibilityRule;

use crate::{
    Prompt, Resource, Template, Tool, prompt,
    resource::{ResourceEntry, TemplateEntry},
    tool,
};

/// All that a server offers, at one moment.
#[derive(Clone)]
pub(crate) struct Registry {
    pub(crate) tools: Arc<Catalog<tool::Entry>>,
    pub(crate) resources: Arc<Catalog<ResourceEntry>>,
    pub(crate) templates: Arc<Catalog<TemplateEntry>>,
    pub(crate) prompts: Arc<Catalog<prompt::Entry>>,
}

/// A kind of thing that a server offers.
pub(crate) trait Offered {
    /// What is listed.
    type Definition: Serialize;
    /// What is called.
    type Entry;
    /// What it is called in errors.
    const KIND: &'static str;

    fn key(&self) -> &str;
    fn visible(&mut self) -> Option<VisibilityRule>;
    fn compile(self) -> Result<(Self::Definition, Self::Entry), Vec<String>>;
}

/// Some of the four kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ChangedKinds {
    pub(crate) tools: bool,
    pub(crate) resources: bool,
    pub(crate) templates: bool,
    pub(crate) prompts: bool,
}

impl ChangedKinds {
    pub(crate) const ALL: Self = Self { tools: true, resources: true, templates: true, prompts: true };
}

impl Registry {
    pub(crate) fn empty() -> Self {
        Self {
            tools: Arc::new(Catalog::new(Items::default())),
            resources: Arc::new(Catalog::new(Items::default())),
            templates: Arc::new(Catalog::new(Items::default())),
            prompts: Arc::new(Catalog::new(Items::default())),
        }
    }

    /// Whether anything that can be read has a rule.
    pub(crate) fn guards_resources(&self) -> bool {
        self.resources.is_ruled() || self.templates.is_ruled()
    }

    /// Whether `principal` may hear that `uri` changed: it may read it, or the nearest thing that it is a part of.
    pub(crate) fn may_hear_of(&self, uri: &str, principal: &Principal) -> bool {
        if !self.guards_resources() || self.may_read(uri, principal) {
            return true;
        }
        let wholes = self.resources.items().values().filter(|item| contains(&item.key, uri));
        wholes.max_by_key(|item| item.key.len()).is_some_and(|nearest| nearest.is_visible(principal))
    }

    /// Whether `principal` may subscribe to `uri`: it may hear of it, or of something that is a part of it.
    ///
    /// Where anything has a rule, a URI that nothing is known about is refused like one that is hidden: else the
    /// refusal would tell that it exists.
    pub(crate) fn may_subscribe(&self, uri: &str, principal: &Principal) -> bool {
        self.may_hear_of(uri, principal)
            || self.resources.seen(principal).any(|item| contains(uri, &item.key))
    }

    fn may_read(&self, uri: &str, principal: &Principal) -> bool {
        self.resources.find(uri, principal).is_some()
            || self.templates.seen(principal).any(|item| item.entry().makes(uri))
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

    fn compile(self) -> Result<(types::Prompt, prompt::Entry), Vec<String>> {
        prompt::Entry::compile(self)
    }
}
