use std::{
    collections::HashMap,
    sync::{Arc, OnceLock},
};

use anyport_protocol::{Error, Raw, suggest::similar};
use anyport_service::{Principal, sync::Lock};
use indexmap::IndexMap;

use super::offered::Offered;
use crate::{
    list::{Listing, Pages},
    visibility::VisibilityRule,
};

/// All that a server offers of one kind, in order. It never changes: a change makes another one.
pub(crate) struct Catalog<E> {
    items: Items<E>,
    /// Whether anything on it has a rule of its own.
    ruled: bool,
    /// The list of everything, written at the first request.
    whole: OnceLock<Arc<Pages>>,
    /// Lists of what some callers see, by what that is: callers who see the same share one.
    views: Lock<HashMap<Vec<bool>, Arc<Pages>>>,
}

/// Names are looked up at every call, and chosen by whoever wrote the server: a hash that is seeded at random is enough
/// against those that are made of its users' words, and costs less than std's, which withstands worse.
pub(crate) type Items<E> = IndexMap<Arc<str>, Arc<Item<E>>, foldhash::fast::RandomState>;

/// One thing that a server offers.
pub(crate) struct Item<E> {
    /// Its name or URI.
    pub(crate) key: Arc<str>,
    /// As it is listed.
    pub(crate) written: Raw,
    pub(crate) visible: Option<VisibilityRule>,
    pub(crate) target: Target<E>,
}

/// The server that answers for it.
pub(crate) enum Target<E> {
    /// The server itself.
    Own(E),
    /// What this is in the server that is mounted at this place.
    Mounted(usize, Arc<Item<E>>),
}

/// The number of stored views of one list; further views are written for each request.
const MAX_VIEWS: usize = 64;

impl<E> Item<E> {
    /// Compiles `part`.
    ///
    /// # Errors
    /// All that is wrong with it, under its name.
    pub(crate) fn compile<T: Offered<Entry = E>>(mut part: T) -> Result<Self, Vec<String>> {
        let key: Arc<str> = part.key().into();
        let visible = part.visible();
        let named = |problem: String| format!("{} {key:?}: {problem}", T::KIND);
        let compiled =
            part.compile().map_err(|problems| problems.into_iter().map(named).collect::<Vec<_>>())?;
        let (definition, entry) = compiled;
        let written = Raw::of(&definition).map_err(|error| vec![named(error.to_string())])?;
        Ok(Self { key, written, visible, target: Target::Own(entry) })
    }

    pub(crate) fn is_own(&self) -> bool {
        matches!(self.target, Target::Own(_))
    }

    pub(crate) fn is_visible(&self, principal: &Principal) -> bool {
        self.visible.as_ref().is_none_or(|rule| rule.allows(principal))
    }

    /// What is behind it, however deep it is mounted.
    pub(crate) fn entry(&self) -> &E {
        match &self.target {
            Target::Own(entry) => entry,
            Target::Mounted(_, item) => item.entry(),
        }
    }
}

impl<E> Catalog<E> {
    pub(crate) fn new(items: Items<E>) -> Self {
        let ruled = items.values().any(|item| item.visible.is_some());
        Self { items, ruled, whole: OnceLock::new(), views: Lock::default() }
    }

    pub(crate) fn items(&self) -> &Items<E> {
        &self.items
    }

    /// The server's own entries.
    pub(crate) fn own(&self) -> Items<E> {
        let own = self.items.iter().filter(|(_, item)| item.is_own());
        own.map(|(key, item)| (key.clone(), item.clone())).collect()
    }

    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    pub(crate) fn is_ruled(&self) -> bool {
        self.ruled
    }

    /// Returns the entry `key`, if `principal` may see it.
    pub(crate) fn find(&self, key: &str, principal: &Principal) -> Option<&Arc<Item<E>>> {
        self.items.get(key).filter(|item| item.is_visible(principal))
    }

    /// All that `principal` may see.
    pub(crate) fn seen<'a>(&'a self, principal: &Principal) -> impl Iterator<Item = &'a Arc<Item<E>>> {
        self.items.values().filter(|item| item.is_visible(principal))
    }

    /// The suggestion after an unknown name, if it is similar to others that `principal` may see.
    pub(crate) fn hint(&self, name: &str, principal: &Principal) -> String {
        let close = similar(name, self.seen(principal).map(|item| &*item.key));
        if close.is_empty() { String::new() } else { format!("; there is {}", close.join(", ")) }
    }

    /// The page of the list that `params` ask for, as `principal` sees it.
    ///
    /// # Errors
    /// -32602 for a cursor that is none of ours.
    pub(crate) fn page(
        &self,
        params: &Raw,
        principal: &Principal,
        listing: &Listing<'_>,
    ) -> Result<Raw, Error> {
        self.pages(principal, listing.size).page(params, listing)
    }

    /// All pages of the list, as `principal` sees it.
    pub(crate) fn pages(&self, principal: &Principal, size: usize) -> Arc<Pages> {
        let write = |items: &mut dyn Iterator<Item = &Arc<Item<E>>>| {
            let lines = items.map(|item| (item.key.clone(), item.written.clone())).collect();
            // 2026-07-28, caching §Cache Scope: "Servers MUST apply the same `cacheScope` to all response pages for a
            // given list". So one item with a rule makes the list private for all callers.
            Arc::new(Pages::new(lines, size, !self.ruled))
        };
        if !self.ruled {
            return self.whole.get_or_init(|| write(&mut self.items.values())).clone();
        }
        let seen: Vec<bool> = self.items.values().map(|item| item.is_visible(principal)).collect();
        let mut views = self.views.lock();
        if let Some(pages) = views.get(&seen) {
            return pages.clone();
        }
        let pages =
            write(&mut self.items.values().zip(&seen).filter(|(_, seen)| **seen).map(|(item, _)| item));
        if views.len() >= MAX_VIEWS {
            views.clear();
        }
        views.insert(seen, pages.clone());
        pages
    }
}
