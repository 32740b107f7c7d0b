use std::sync::Arc;

use anyport_protocol::uri::contains;
use anyport_service::{Authorization, Principal};

use super::catalog::{Catalog, Items};
use crate::{
    prompt,
    resource::{ResourceEntry, TemplateEntry},
    scopes::RequiredScopes,
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

    /// Whether `caller` has the scopes to hear of changes of `uri`: those of what `uri` is, or is a part of, and of all that is a part
    /// of it, as a subscription covers its parts.
    pub(crate) fn grants_subscription(&self, uri: &str, caller: &Authorization) -> bool {
        let is_granted = |scopes: &RequiredScopes| scopes.check(caller).is_ok();
        let resources = || self.resources.items().values();
        let mut parts = resources().filter(|item| contains(uri, &item.key));
        if !parts.all(|item| is_granted(&item.entry().scopes)) {
            return false;
        }
        let wholes = resources().filter(|item| contains(&item.key, uri));
        match wholes.max_by_key(|item| item.key.len()) {
            Some(nearest) => is_granted(&nearest.entry().scopes),
            None => {
                let mut templates = self.templates.items().values().filter(|item| item.entry().makes(uri));
                templates.all(|item| is_granted(&item.entry().scopes))
            }
        }
    }

    fn may_read(&self, uri: &str, principal: &Principal) -> bool {
        self.resources.find(uri, principal).is_some()
            || self.templates.seen(principal).any(|item| item.entry().makes(uri))
    }
}
